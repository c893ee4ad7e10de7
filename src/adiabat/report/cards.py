"""What a section of a page is made of: plain data. How it looks is in templates, a macro for each card."""

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from adiabat.report.elements import viewer_elements

Status = Literal["good", "fair", "poor", "unknown"]


@dataclass(frozen=True)
class Verdict:
    """One number that matters, judged against a stated bar; shown at the top of the page.

    Attributes:
        label: what it is.
        value: with its unit.
        status: against the bar.
        bar: what would be good, in words.
        trust: how far the number can be trusted, in words.
    """

    label: str
    value: str
    status: Status
    bar: str
    trust: str = ""


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    kind: ClassVar[str] = "text"
    text: str


@dataclass(frozen=True)
class Facts:
    """Names and values."""

    kind: ClassVar[str] = "facts"
    items: Mapping[str, Any]
    title: str = ""


@dataclass(frozen=True)
class Code:
    """Text to copy, as it is."""

    kind: ClassVar[str] = "code"
    text: str
    title: str = ""
    folded: bool = False


@dataclass(frozen=True)
class Findings:
    """Messages with a level: "error", "warning" or "info"."""

    kind: ClassVar[str] = "findings"
    items: Sequence[tuple[str, str, str]]


@dataclass(frozen=True)
class Table:
    """A table; the first column heads its rows, the others are numbers and aligned to the right.

    Attributes:
        columns: heads.
        rows: their cells.
        caption: above.
        drawings: one above the first cell of each row, as of `Figure`; none by default.
    """

    kind: ClassVar[str] = "table"
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    caption: str = ""
    drawings: Sequence[str] = ()


@dataclass(frozen=True)
class Figure:
    """A drawing made by `adiabat.report.figures`: trusted markup, unlike all other text."""

    kind: ClassVar[str] = "figure"
    svg: str
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class Series:
    """One line of a chart.

    Attributes:
        label: for the legend.
        values: shape (n,), None or not finite where absent.
        color: index into the page's palette.
        dashed: for targets and references.
        band: lower and upper end of an error band, each of shape (n,).
        points: draw points instead of a line.
    """

    label: str
    values: Any
    color: int = 0
    dashed: bool = False
    band: tuple[Any, Any] | None = None
    points: bool = False


@dataclass(frozen=True)
class Chart:
    """An interactive line chart.

    Attributes:
        x: the choices of the horizontal axis by their label; the first is shown first.
        series: lines over it.
        y_label: with unit.
        alt: what the chart shows, for those who cannot see it.
        log: logarithmic vertical axis.
        y_max: end of a vertical axis that begins at zero; by default it fits the values.
        follows: name of the viewer whose current time is marked on the (first) horizontal axis.
    """

    kind: ClassVar[str] = "chart"
    x: Mapping[str, Any]
    series: Sequence[Series]
    y_label: str
    alt: str
    title: str = ""
    caption: str = ""
    log: bool = False
    y_max: float | None = None
    follows: str = ""

    def payload(self) -> dict[str, Any]:
        """What the script of the page needs, ready for JSON."""
        columns, lines = [], []
        for series in self.series:
            entry = {
                "label": series.label,
                "color": series.color,
                "dashed": series.dashed,
                "points": series.points,
            }
            entry["column"] = len(columns)
            columns.append(numbers(series.values))
            if series.band is not None:
                entry["band"] = [len(columns), len(columns) + 1]
                columns.extend(numbers(end) for end in series.band)
            lines.append(entry)
        x = [{"label": label, "values": numbers(values)} for label, values in self.x.items()]
        return {
            "x": x,
            "columns": columns,
            "lines": lines,
            "yLabel": self.y_label,
            "log": self.log,
            "yMax": self.y_max,
            "follows": self.follows,
        }


@dataclass(frozen=True)
class Frame:
    """One structure in a viewer.

    Attributes:
        positions: [Å], shape (n_atoms, 3).
        label: shown while the frame is.
        cell: [Å], shape (3, 3), or None.
        numbers: shape (n_atoms,); None takes those of the frame before.
        reference: forces [eV/Å], shape (n_atoms, 3), drawn as arrows.
        predicted: the same for the model's.
        values: one number for each atom, for coloring.
    """

    positions: np.ndarray
    label: str
    numbers: np.ndarray | None = None
    cell: np.ndarray | None = None
    reference: np.ndarray | None = None
    predicted: np.ndarray | None = None
    values: np.ndarray | None = None


@dataclass(frozen=True)
class Viewer:
    """Structures in three dimensions, with a slider and, for a trajectory, a play button.

    Attributes:
        frames: the structures.
        alt: what is shown.
        name: for charts that follow the time.
        times: of each frame, in the unit of the following charts.
        play: whether the frames are a motion.
        value_label: what the per-atom values are, with unit.
    """

    kind: ClassVar[str] = "viewer"
    frames: Sequence[Frame]
    alt: str
    name: str = ""
    times: Sequence[float] | None = None
    play: bool = False
    value_label: str = ""
    title: str = ""
    caption: str = ""
    extra: Table | None = field(default=None)

    def payload(self) -> dict[str, Any]:
        """What the script of the page needs, ready for JSON; coordinates as 16-bit integers in base64."""
        frames = []
        for frame in self.frames:
            entry: dict[str, Any] = {"label": frame.label, "positions": packed(frame.positions)}
            if frame.numbers is not None:
                entry |= viewer_elements(frame.numbers)
            if frame.cell is not None:
                entry["cell"] = np.round(np.asarray(frame.cell, float), 4).tolist()
            for key in ("reference", "predicted", "values"):
                value = getattr(frame, key)
                if value is not None:
                    entry[key] = packed(value)
            frames.append(entry)
        return {
            "name": self.name,
            "times": None if self.times is None else numbers(self.times),
            "play": self.play,
            "valueLabel": self.value_label,
            "frames": frames,
        }


@dataclass(frozen=True)
class Columns:
    """Cards side by side where there is room."""

    kind: ClassVar[str] = "columns"
    cards: Sequence[Any]


Card = Text | Facts | Code | Findings | Table | Figure | Chart | Viewer | Columns


@dataclass(frozen=True)
class Section:
    """A part of a page with a heading.

    Attributes:
        title: the heading.
        cards: in order.
        verdicts: collected at the top of the page.
        lead: a sentence under the heading.
        citations: keys of `adiabat.report.citations`, or whole citations, for the references of the page.
    """

    title: str
    cards: Sequence[Card] = ()
    verdicts: Sequence[Verdict] = ()
    lead: str = ""
    citations: Sequence[str] = ()


def numbers(values: Any) -> list[float | None]:
    """Six significant digits of each value; None where there is none: JSON can say null, but not NaN."""
    return [float(f"{v:.6g}") if v is not None and math.isfinite(v) else None for v in values]


def packed(values: np.ndarray) -> dict[str, Any]:
    """An array as little-endian 16-bit integers in base64, and the size of one unit."""
    array = np.nan_to_num(np.asarray(values, dtype=np.float64))
    unit = float(f"{max(float(np.abs(array).max(initial=0.0)) / 32000, 1e-9):.4g}")
    integers = np.clip(np.round(array / unit), -32767, 32767).astype("<i2")
    return {"unit": unit, "data": base64.b64encode(integers.tobytes()).decode()}
