"""The program: global options, and every error as clean lines with its exit code."""

import contextlib
import errno
import logging
import sys
import warnings
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from adiabat.base.errors import AdiabatError
from adiabat.cli import output

EXIT_CODES = (
    "Exit codes: 0 done, 1 failed, 2 wrong usage or input, 3 the physics failed, 130 stopped after saving."
)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_ANYWHERE = {"--debug", "--quiet", "-q"}


class Program(TyperGroup):
    """Turns errors into messages, and takes the global options anywhere on the line."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        moved = [arg for arg in args[:end] if arg in _ANYWHERE]
        output.settings.json = "--json" in args[:end]
        output.settings.debug = "--debug" in moved
        return super().parse_args(ctx, moved + [a for a in args[:end] if a not in _ANYWHERE] + args[end:])

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except AdiabatError as error:
            self._leave(error, error.message, error.hint, error.exit_code)
        except KeyboardInterrupt as error:
            code = getattr(error, "exit_code", None)  # of what was stopped after saving
            message, hint = (
                ("nothing more is done", None) if code is None else (str(error), "go on with --resume")
            )
            output.print_error(message, hint, type(error).__name__, code or 130, word="stopped")
            raise typer.Exit(code or 130) from error
        except (typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if (
                isinstance(error, OSError) and error.errno in _FULL
            ):  # noticed by a library that writes by itself
                from adiabat.base.files import write_error

                told = write_error(error, error.filename or "a file")
                self._leave(error, told.message, told.hint, told.exit_code)
            usage = getattr(error, "format_message", None)  # of typer's errors
            if usage is not None:
                command = getattr(getattr(error, "ctx", None), "command_path", "adiabat")
                message = usage().strip()
                settings = ".toml" in message and "extra argument" in message
                hint = f"settings go after --config: {command} --config FILE.toml" if settings else None
                self._leave(error, message, hint or f"see {command} --help", 2)
            first = str(error).partition("\n")[0][:300]
            hint = "this is a bug in adiabat: please report it with what the same command with --debug prints"
            self._leave(error, f"unexpected {type(error).__name__}: {first}", hint, 1)

    @staticmethod
    def _leave(error: Exception, message: str, hint: str | None, code: int) -> None:
        output.print_error(message, hint, type(error).__name__, code)
        if output.settings.debug:
            import traceback

            traceback.print_exception(error)
        raise typer.Exit(code) from error


app = typer.Typer(
    name="adiabat",
    cls=Program,
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    epilog=EXIT_CODES,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from adiabat import __version__

        print(f"adiabat {__version__}")
        raise typer.Exit


@app.callback()
def start(
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress, only results and errors. May stand anywhere.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error. May stand anywhere.")
    ] = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Learn the forces between atoms from quantum mechanics and run molecular dynamics with them.

    Quantities take units ("0.5 fs", "300 K"); MODEL is a model file, a run folder or a potential file.
    """
    from adiabat.base.progress import set_quiet

    set_quiet(quiet)
    output.settings.quiet = quiet
    output.settings.debug = debug
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(output.LogFormatter())
    logger = logging.getLogger("adiabat")
    logger.handlers = [handler]
    logger.setLevel(logging.ERROR if quiet else logging.WARNING)
    logger.propagate = False
    warnings.showwarning = _show_warning


def _show_warning(message: Warning | str, *_: Any) -> None:
    with contextlib.suppress(OSError):
        output.note(f"warning: {str(message).strip()}")
