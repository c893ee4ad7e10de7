"""What the command line prints: results on stdout, everything else on stderr."""

import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass
class Settings:
    """How to print, from the global options."""

    quiet: bool = False
    debug: bool = False
    json: bool = False


settings = Settings()
# One long cell of a table must not make all others as wide.
_WIDEST = 60


def print_result(
    result: Mapping[str, Any], as_json: bool = False, labels: Mapping[str, str] | None = None
) -> None:
    """Prints a result: as one JSON object, or as aligned lines.

    Args:
        result: from a task.
        as_json: everything, for programs.
        labels: what people read instead of a key; with them, only these keys are shown, in this order.
    """
    if as_json:
        from adiabat.base.jsonlines import dumps

        print(dumps(result, indent=2))
        return
    if labels:
        found = {}
        for key, label in labels.items():
            if result.get(key) is not None:
                found[label] = result[key]
                if result.get(f"{key}_error") is not None:
                    found[f"{label}_error"] = result[f"{key}_error"]
        result = found
    print("\n".join(_aligned(_with_errors(result))))


def print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Prints rows in columns of equal width, with their head.

    Args:
        rows: at least one, all with the same columns.
    """
    cells = [list(rows[0]), *(list(map(_text, row.values())) for row in rows)]
    widths = [min(_WIDEST, max(map(len, column))) for column in zip(*cells, strict=True)]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def with_error(values: Mapping[str, Any], name: str) -> str:
    """One of the values, together with the one named `..._error` beside it if there is one."""
    error = values.get(f"{name}_error")
    return _text(values[name]) if error is None else f"{_text(values[name])} ± {error:.2g}"


def _with_errors(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values, each together with the one named `..._error` beside it."""
    shown = {}
    for name, value in values.items():
        if name.endswith("_error") and name.removesuffix("_error") in values:
            continue
        shown[name] = with_error(values, name)
        if isinstance(value, Mapping):
            shown[name] = _with_errors(value)
    return shown


def _aligned(values: Mapping[str, Any]) -> list[str]:
    """A line a value, names in one column and values in the next; tables go beside their name."""
    width = max((len(name) for name in values), default=0)
    lines = []
    for name, value in values.items():
        parts = _aligned(value) if isinstance(value, Mapping) else [value]
        lines += [
            f"{name if n == 0 else '':<{width}}  {part}".rstrip() for n, part in enumerate(parts or ["none"])
        ]
    return lines


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value)) or "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def note(text: str) -> None:
    """A line for people, on stderr; not when --quiet is given."""
    if not settings.quiet:
        print(text, file=sys.stderr, flush=True)


def note_files(files: Mapping[str, Any]) -> None:
    """A note of what was written where, a line each."""
    note("\n".join(f"{name}: {path}" for name, path in files.items()))


def print_error(message: str, hint: str | None, kind: str, code: int, word: str = "error") -> None:
    """Prints an error on stderr; with --json also as an object on stdout, so that programs find one there."""
    lines = [f"{_red(f'{word}:')} {message}", *([f"  -> {hint}"] if hint else [])]
    print("\n".join(lines), file=sys.stderr, flush=True)
    if settings.json:
        from adiabat.base.jsonlines import dumps

        print(dumps({"error": {"type": kind, "message": message, "hint": hint, "exit_code": code}}, indent=2))


def _red(text: str) -> str:
    import os

    colored = sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return f"\x1b[1;31m{text}\x1b[0m" if colored else text


class LogFormatter(logging.Formatter):
    """Warnings of the library as lines."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{record.levelname.lower()}: {record.getMessage()}"
