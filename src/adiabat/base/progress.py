"""How far a long loop is: a bar on a terminal, a line every few seconds elsewhere, on stderr."""

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Any

LINE_EVERY = 5.0
_quiet = False


def set_quiet(quiet: bool) -> None:
    """Silences all progress of this process, or not."""
    global _quiet
    _quiet = quiet


class Bar:
    """Counts a loop; this one shows nothing.

    Attributes:
        completed: how much is done.
        total: how much there is, or None when nobody knows.
    """

    def __init__(self, description: str, total: float | None, unit: str, completed: float = 0):
        self.description = description
        self.total = total
        self.unit = unit
        self.completed = completed
        self.values: dict[str, Any] = {}
        self._begin = time.monotonic()
        self._first: tuple[float, float] | None = None

    def advance(self, amount: float = 1, **values: Any) -> None:
        """`amount` more is done; `values` are shown beside, such as loss=0.1."""
        self.completed += amount
        if self._first is None:  # it took longer than the others: compilation
            self._first = time.monotonic(), self.completed
        self.values.update(values)
        self._show()

    def line(self) -> str:
        """The state in one line, such as "training 120/400 steps (30 %), loss 0.0123, 0:42 left"."""
        count = f"{self.completed:,.0f}"
        if self.total:
            count += f"/{self.total:,.0f} {self.unit} ({100 * self.completed / self.total:.0f} %)"
        else:
            count += f" {self.unit}"
        parts = [f"{self.description} {count.strip()}", *self._shown_values()]
        now = time.monotonic()
        since, start = self._first or (now, self.completed)
        if self.total and start < self.completed < self.total:
            parts.append(
                f"{_clock((now - since) / (self.completed - start) * (self.total - self.completed))} left"
            )
        else:
            parts.append(_clock(now - self._begin))
        return ", ".join(parts)

    def _shown_values(self) -> list[str]:
        return [
            f"{name.replace('_', ' ')} {value:.4g}" if isinstance(value, (int, float)) else f"{name} {value}"
            for name, value in ((name, _number(value)) for name, value in self.values.items())
        ]

    def _show(self) -> None:
        """Shows the state, if it is time to."""

    def close(self) -> None:
        """Shows the last state."""


class LineBar(Bar):
    """Writes a line to stderr every few seconds and one at the end."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._last = self._begin
        self._shown: float | None = None

    def _show(self) -> None:
        if time.monotonic() - self._last >= LINE_EVERY:
            self._print()

    def close(self) -> None:
        if self._shown != self.completed:
            self._print()

    def _print(self) -> None:
        self._last, self._shown = time.monotonic(), self.completed
        print(self.line(), file=sys.stderr, flush=True)


class TerminalBar(Bar):
    """A moving bar."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        clock = TimeElapsedColumn() if self.total is None else TimeRemainingColumn()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[count]}"),
            clock,
            TextColumn("{task.fields[values]}", style="dim"),
        )
        self._progress = Progress(*columns, console=Console(stderr=True), refresh_per_second=4)
        self._task = self._progress.add_task(self.description, total=self.total, count="", values="")
        self._show()
        self._progress.start()

    def _show(self) -> None:
        total = f"/{self.total:,.0f}" if self.total else ""
        count = f"{self.completed:,.0f}{total} {self.unit}"
        shown = ", ".join(self._shown_values())
        self._progress.update(self._task, completed=self.completed, count=count, values=shown)

    def close(self) -> None:
        self._progress.stop()


@contextlib.contextmanager
def progress(
    description: str, total: float | None = None, unit: str = "", completed: float = 0
) -> Iterator[Bar]:
    """Shows how far the block's loop is.

    Args:
        description: what is done, such as "training".
        total: how much there is to do; None when nobody knows.
        unit: of what, such as "steps".
        completed: how much of it was done before, when a run is resumed.

    Example:
        >>> with progress("training", total=100, unit="steps") as bar:
        ...     for step in range(100):
        ...         bar.advance(loss=0.1)
    """
    silent = _quiet or sys.stderr is None
    kind = Bar if silent else TerminalBar if _is_terminal() else LineBar
    bar = kind(description, total, unit, completed)
    try:
        yield bar
    finally:
        bar.close()


def _is_terminal() -> bool:
    import os

    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")


def _number(value: Any) -> Any:
    with contextlib.suppress(TypeError, ValueError):
        return float(value) if not isinstance(value, str) else value
    return value


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
