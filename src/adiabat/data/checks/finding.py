"""What a check of the data finds."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from adiabat.base import DataError
from adiabat.data.sample import Sample

Level = Literal["error", "warning", "info"]
LEVELS: tuple[Level, ...] = ("error", "warning", "info")
ONE_METHOD = (
    "a model has one energy surface: put the frames of the other method into a file of their own and give "
    "them a head (adiabat train --data FILE --head NAME=FILE), or train on one method and go on from that "
    "model with the other (--from MODEL)"
)
TWO_METHODS = f"are these labels of two methods? {ONE_METHOD}"


@dataclass(frozen=True)
class Finding:
    """One thing worth knowing about the data.

    Attributes:
        level: "error" for what makes a model worthless, "warning" for what deserves a look, else "info".
        title: what it is, in a few words.
        detail: the numbers, the frames, and what to do.
    """

    level: Level
    title: str
    detail: str

    def __str__(self) -> str:
        return f"{self.level}: {self.title}: {self.detail}"


@dataclass(frozen=True)
class Preflight:
    """All that was found, the worst first."""

    findings: tuple[Finding, ...]

    @classmethod
    def of_all(cls, findings: Sequence[Finding]) -> "Preflight":
        """These, sorted."""
        return cls(tuple(sorted(findings, key=lambda finding: LEVELS.index(finding.level))))

    def of(self, level: Level) -> list[Finding]:
        """The findings of one level."""
        return [finding for finding in self.findings if finding.level == level]

    def __add__(self, other: "Preflight") -> "Preflight":
        return Preflight.of_all([*self.findings, *other.findings])

    def raise_errors(self) -> None:
        """Raises a DataError that lists the findings of level "error", if there are any."""
        errors = self.of("error")
        if errors:
            listed = "\n".join(f"  - {error.title}: {error.detail}" for error in errors)
            raise DataError(
                f"the data do not pass the checks before training:\n{listed}",
                "mend the data; nothing was trained",
            )

    def as_dict(self) -> dict[str, Any]:
        """The findings as plain text that JSON can hold."""
        return {
            "passed": not self.of("error"),
            "counts": {level: len(self.of(level)) for level in LEVELS},
            "findings": [asdict(finding) for finding in self.findings],
        }


def name_frames(samples: Sequence[Sample], limit: int = 3) -> str:
    """The files and frames of the first few samples."""
    shown = "; ".join(sample.where for sample in samples[:limit])
    return f"{shown}; and {len(samples) - limit} more" if len(samples) > limit else shown
