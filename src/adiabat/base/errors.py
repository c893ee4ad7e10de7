"""The errors adiabat raises, each with the exit code that the command line returns for it."""

import difflib
from collections.abc import Iterable


class AdiabatError(Exception):
    """Base of all errors that adiabat raises on purpose.

    The message says what happened, where, and what was expected; `hint` says what to do or type.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None):
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  -> {self.hint}" if self.hint else self.message


class ConfigError(AdiabatError):
    """A configuration key, command-line option or argument is wrong.

    `key` is the dotted key of a configuration file that it is about, if any.
    """

    exit_code = 2

    def __init__(self, message: str, hint: str | None = None, key: str | None = None):
        super().__init__(message, hint)
        self.key = key


class DataError(AdiabatError):
    """A file is damaged, of the wrong kind, or holds values that cannot be right."""

    exit_code = 2


class UnsupportedError(AdiabatError):
    """The input is well-formed, but outside what the model or method covers (an element, a property)."""

    exit_code = 2


class MissingDependencyError(AdiabatError):
    """An optional package is needed for this; the hint is the command that installs it."""

    exit_code = 2


class SimulationError(AdiabatError):
    """The physics failed: not a number, an exploded or far too hot system."""

    exit_code = 3


class ConvergenceError(AdiabatError):
    """An iteration (a minimization, an SCF cycle) did not converge."""

    exit_code = 3


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """A hint naming the nearest of `options`, and all of them when none is near."""
    names = sorted(options)
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"choose one of: {', '.join(names)}"
