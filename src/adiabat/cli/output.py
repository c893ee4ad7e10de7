"""What the command line prints: results on stdout, everything else on stderr."""

import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass
class Settings:
    """How to print, from the global options."""

    quiet: bool = False
    debug: bool = False
    json: bool = False


settings = Settings()


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
    shown = (
        {labels[key]: result[key] for key in labels if result.get(key) is not None}
        if labels
        else dict(result)
    )
    width = max((len(label) for label in shown), default=0)
    for label, value in shown.items():
        for number, line in enumerate(_lines(value)):
            print(f"{label if number == 0 else '':<{width}}  {line}".rstrip())


def _lines(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{key} {_number(item)}" for key, item in value.items()] or ["none"]
    if isinstance(value, (list, tuple)):
        return [", ".join(str(_number(item)) for item in value) or "none"]
    return [str(_number(value))]


def _number(value: Any) -> Any:
    return f"{value:.4g}" if isinstance(value, float) else value


def note(text: str) -> None:
    """A line for people, on stderr; not when --quiet is given."""
    if not settings.quiet:
        print(text, file=sys.stderr, flush=True)


def print_error(message: str, hint: str | None, kind: str = "", code: int = 1) -> None:
    """Prints an error on stderr; with --json also as an object on stdout, so that programs find one there."""
    lines = [f"{_red('error:')} {message}", *([f"  -> {hint}"] if hint else [])]
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
