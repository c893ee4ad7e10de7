"""The entry point; importing a group of commands adds them to the program."""

from adiabat.cli import configure, learn, look, use  # noqa: F401
from adiabat.cli.app import app


def main() -> None:
    """Runs the command line and leaves with its exit code."""
    app(prog_name="adiabat")


if __name__ == "__main__":
    main()
