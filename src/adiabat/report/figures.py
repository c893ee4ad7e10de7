"""Drawings as SVG that take the colors of the page, light or dark. Imports matplotlib on first use."""

import hashlib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_INK, _GRID = "#0f0f01", "#0f0f02"
_COLORS = [f"#0f0f1{k}" for k in range(7)]
_RASTER = "#3f86d8"  # readable on white and on dark: pixels cannot change with the theme
_MAX_POINTS = 30_000


_WIDTH, _WIDEST = 9.4, 3.2  # of a figure and of its panels at most [inch]
_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 8.5,
    "text.parse_math": False,  # a name with a dollar sign is a name
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _GRID,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlecolor": _INK,
    "grid.color": _GRID,
    "grid.linewidth": 0.7,
    "xtick.color": _GRID,
    "ytick.color": _GRID,
    "xtick.labelcolor": _INK,
    "ytick.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,
}
# White with a dark rim: read on every color of a scale and on both pages.
_ON_FILLED: dict[str, Any] = {"fontsize": 9, "fontweight": "bold", "color": "white", "zorder": 5}
_RIM = "#1b2530"


@dataclass(frozen=True)
class Parity:
    """One panel of a parity plot.

    Attributes:
        title: above the panel.
        reference: shape (n,).
        predicted: shape (n,).
        note: inside the panel.
    """

    title: str
    reference: np.ndarray
    predicted: np.ndarray
    note: str = ""


def parity(
    panels: Sequence[Parity], quantity: str, error_unit: str, columns: int = 4, per_unit: float = 1000.0
) -> str:
    """Predicted against reference values and, below, the errors; dense points are rasterized.

    Args:
        panels: what to draw.
        quantity: with unit, for the axes.
        error_unit: in which errors are drawn, by default a thousandth of the unit.
        columns: panels in a row.
        per_unit: how many error units a unit has.
    """
    figure, grid = _canvas(len(panels), columns, height=1.36, ratios=(3.0, 1.0))
    for number, (panel, (axis, strip)) in enumerate(zip(panels, grid, strict=True)):
        stride = max(1, len(panel.reference) // _MAX_POINTS)
        reference, predicted = panel.reference[::stride], panel.predicted[::stride]
        low = float(min(panel.reference.min(), panel.predicted.min()))
        high = float(max(panel.reference.max(), panel.predicted.max()))
        margin = 0.04 * max(high - low, 1e-9)
        ends = (low - margin, high + margin)
        opacity = float(np.clip(300 / max(len(reference), 1), 0.12, 0.7))
        dots = {"s": 6, "color": _RASTER, "alpha": opacity, "linewidths": 0, "rasterized": True, "zorder": 2}
        errors = per_unit * (predicted - reference)
        for axes, values, line in ((axis, predicted, ends), (strip, errors, (0, 0))):
            axes.plot(ends, line, color=_INK, linewidth=0.7, alpha=0.55, zorder=1)
            axes.scatter(reference, values, **dots)
            axes.set_xlim(ends)
        axis.set_ylim(ends)
        axis.tick_params(labelbottom=False)
        top = 1.05 * max(float(np.abs(errors).max()), 1e-9)
        strip.set(ylim=(-top, top), xlabel=f"reference {quantity}")
        axis.set_title(panel.title, fontsize=9.5, loc="left")
        axis.text(0.04, 0.96, panel.note, transform=axis.transAxes, va="top", fontsize=8, color=_INK)
        if number % columns == 0:
            axis.set_ylabel(f"predicted {quantity}")
            strip.set_ylabel(f"error [{error_unit}]")
    return _svg(figure)


@dataclass(frozen=True)
class Histogram:
    """One panel of overlaid histograms.

    Attributes:
        title: above the panel.
        edges: of the bins, shape (n_bins + 1,).
        densities: one row for each label, shape (n_bins,).
        x_label: with unit.
        error: half width of the band about the last of them, shape (n_bins,).
    """

    title: str
    edges: np.ndarray
    densities: Sequence[np.ndarray]
    x_label: str
    error: np.ndarray


def histograms(panels: Sequence[Histogram], labels: Sequence[str], columns: int = 4) -> str:
    """Overlaid densities, the first filled, the others as outlines, the last with a band; one legend for
    all."""
    figure, grid = _canvas(len(panels), columns, height=0.75, head=0.3)
    for panel, (axis,) in zip(panels, grid, strict=True):
        for number, density in enumerate(panel.densities):
            look = {"fill": True, "alpha": 0.45} if number == 0 else {"linewidth": 1.3}
            label = labels[number] if panel is panels[0] else None
            axis.stairs(density, panel.edges, color=_COLORS[number], label=label, **look)
        last = panel.densities[-1]
        band = {"baseline": np.maximum(last - panel.error, 0), "fill": True, "alpha": 0.35}
        axis.stairs(last + panel.error, panel.edges, color=_COLORS[len(panel.densities) - 1], **band)
        axis.set_title(panel.title, fontsize=9.5, loc="left")
        axis.set_xlabel(panel.x_label)
        axis.set_yticks([])
        axis.set_ylim(bottom=0)
    figure.legend(loc="upper right", ncols=len(labels), fontsize=8.5, frameon=False, labelcolor=_INK)
    return _svg(figure)


@dataclass(frozen=True)
class Binned:
    """One line of a plot of binned errors.

    Attributes:
        label: for the legend.
        x: middles of the bins, shape (n,).
        y: shape (n,).
        error: half width of the error bars, shape (n,).
    """

    label: str
    x: np.ndarray
    y: np.ndarray
    error: np.ndarray


def binned(lines: Sequence[Binned], x_label: str, y_label: str) -> str:
    """Points with error bars, joined, both axes from zero."""
    figure, ((axis,),) = _canvas(1, 1, height=0.52, width=5.6)
    for number, line in enumerate(lines):
        axis.errorbar(line.x, line.y, yerr=line.error, color=_COLORS[number % 7], marker="o", markersize=4,
                      linewidth=1.3, capsize=2.5, label=line.label)  # fmt: skip
    axis.set(xlabel=x_label, ylabel=y_label)
    axis.set_xlim(left=0)
    axis.set_ylim(bottom=0)
    if len(lines) > 1:
        axis.legend(fontsize=8.5, frameon=False, labelcolor=_INK)
    return _svg(figure)


@dataclass(frozen=True)
class Surface:
    """A function of two variables in bins.

    Attributes:
        x: middles of the bins, ascending, shape (n_x,).
        y: the same of the other variable, shape (n_y,).
        values: shape (n_x, n_y), not finite where there are none.
        labels: of x, y and the values, with units.
        around: whether the last bins of x and of y are next to the first.
        marks: points with what is written at each, (x, y, text).
        boxes: outlined, with a name, (x_low, x_high, y_low, y_high, text).
    """

    x: np.ndarray
    y: np.ndarray
    values: np.ndarray
    labels: tuple[str, str, str]
    around: tuple[bool, bool] = (False, False)
    marks: Sequence[tuple[float, float, str]] = ()
    boxes: Sequence[tuple[float, float, float, float, str]] = ()


def surface(panel: Surface, *, smooth: bool = True) -> str:
    """Colors with a scale, nothing where there are no values: filled contours, or else each bin as it is."""
    import matplotlib as mpl
    from matplotlib.patheffects import withStroke
    from matplotlib.ticker import MaxNLocator

    figure, ((axis,),) = _canvas(1, 1, height=0.8, width=5.6)
    (x, y), values = _widened((panel.x, panel.y), panel.values, panel.around)
    shown = np.ma.masked_invalid(values)
    low, high = (float(shown.min()), float(shown.max())) if shown.count() else (0.0, 1.0)
    levels = MaxNLocator(12).tick_values(low, high if high > low else low + 1)
    with mpl.rc_context(_STYLE):
        if smooth:
            filled = axis.contourf(x, y, shown.T, levels=levels, cmap="viridis", zorder=0)
            filled.set_edgecolor("face")  # or the page shows between them
            axis.contour(x, y, shown.T, levels=levels, colors="white", linewidths=0.4, alpha=0.6, zorder=1)
        else:
            filled = axis.pcolormesh(x, y, shown.T, cmap="viridis", rasterized=True, zorder=0)
        scale = figure.colorbar(filled, ax=axis, label=panel.labels[2], pad=0.03, aspect=30)
        scale.outline.set_visible(False)
    written = _ON_FILLED | {"path_effects": [withStroke(linewidth=2, foreground=_RIM)]}
    for x_low, x_high, y_low, y_high, text in panel.boxes:
        corners = [x_low, x_high, x_high, x_low, x_low], [y_low, y_low, y_high, y_high, y_low]
        axis.plot(*corners, color=_COLORS[1], linewidth=1.4, linestyle="--", zorder=3)
        axis.annotate(text, (x_low, y_high), (4, -4), textcoords="offset points", va="top", **written)
    for at_x, at_y, text in panel.marks:
        axis.plot([at_x], [at_y], marker="+", color="white", markersize=8, markeredgewidth=1.6, zorder=4)
        axis.annotate(text, (at_x, at_y), (5, 4), textcoords="offset points", **written)
    axis.grid(False)
    axis.set(xlabel=panel.labels[0], ylabel=panel.labels[1], xlim=ends(panel.x), ylim=ends(panel.y))
    return _svg(figure)


def ends(middles: np.ndarray) -> tuple[float, float]:
    """The outer edges of bins of equal widths, of their middles."""
    half = 0.5 * (middles[1] - middles[0])
    return float(middles[0] - half), float(middles[-1] + half)


def _widened(
    axes: Sequence[np.ndarray], values: np.ndarray, around: Sequence[bool]
) -> tuple[list[np.ndarray], np.ndarray]:
    """With a bin more at each end: of a variable that goes around that of the other end, or else the
    outermost once more, so that contours reach the edges."""
    found = []
    for number, (axis, wraps) in enumerate(zip(axes, around, strict=True)):
        width = axis[1] - axis[0]
        found.append(np.concatenate([[axis[0] - width], axis, [axis[-1] + width]]))
        pad = [(1, 1) if number == k else (0, 0) for k in range(values.ndim)]
        values = np.pad(values, pad, mode="wrap" if wraps else "edge")
    return found, values


def _canvas(
    count: int,
    columns: int,
    height: float,
    ratios: Sequence[float] = (1.0,),
    width: float = _WIDTH,
    head: float = 0.0,
) -> tuple[Any, list[list[Any]]]:
    """A figure and its axes: for each of `count` panels as many as `ratios`, from the top.

    Args:
        count: number of panels.
        columns: at most so many in a row.
        height: of a panel in panel widths.
        ratios: heights of the axes within a panel.
        width: of the figure [inch], for a full row.
        head: room for a legend above all panels [inch].
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    columns = min(columns, max(count, 1))
    rows = -(-count // columns)
    panel = width / columns if count == 1 else min(width / columns, _WIDEST)
    tall = panel * height * rows + head
    with mpl.rc_context(_STYLE):
        # Margins are set, not found: finding them costs several times as much as drawing.
        left, right, bottom, top, between, below = 0.62, 0.12, 0.46, 0.3 + head, 0.5, 0.72
        inside_x = panel * columns - left - right - between * (columns - 1)
        inside_y = tall - bottom - top - below * (rows - 1)
        figure = Figure(figsize=(panel * columns, tall))
        grid = figure.add_gridspec(
            rows,
            columns,
            left=left / (panel * columns),
            right=1 - right / (panel * columns),
            bottom=bottom / (tall),
            top=1 - top / (tall),
            wspace=between * columns / inside_x,
            hspace=below * rows / inside_y,
        )
        panels = []
        for number in range(count):
            inner = grid[divmod(number, columns)].subgridspec(
                len(ratios), 1, height_ratios=ratios, hspace=0.02
            )
            panels.append([figure.add_subplot(inner[k]) for k in range(len(ratios))])
    return figure, panels


def _svg(figure: Any) -> str:
    """The figure's markup: same bytes for the same drawing, ids unique on a page, colors from the page."""
    import matplotlib as mpl

    buffer = io.StringIO()
    settings: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "adiabat", "text.parse_math": False}
    with mpl.rc_context(settings):
        figure.savefig(
            buffer, format="svg", transparent=True, dpi=170, metadata={"Date": None, "Creator": None}
        )
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    # Points to CSS pixels, a little larger than on paper: labels then have the size of the captions.
    text = re.sub(
        r'(width|height)="([\d.]+)pt"', lambda m: f'{m[1]}="{float(m[2]) * 1.45:.0f}"', text, count=2
    )
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.S)
    used = set(re.findall(r"(?:url\(#|href=\"#)([^\")]+)", text))
    text = re.sub(r' id="([^"]*)"', lambda match: match[0] if match[1] in used else "", text)
    prefix = "f" + hashlib.sha256(text.encode()).hexdigest()[:10]
    text = re.sub(r' id="', f' id="{prefix}-', text)
    text = re.sub(r"(url\(#|href=\"#)", rf"\g<1>{prefix}-", text)
    text = text.replace(_INK, "currentColor").replace(_GRID, "var(--grid)")
    for number, color in enumerate(_COLORS):
        text = text.replace(color, f"var(--c{number})")
    # The page's own font; matplotlib's file would name fonts the reader may not have.
    return re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1; font-family: inherit", text)
