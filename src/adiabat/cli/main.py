"""The entry point; importing a group of commands adds them to the program, in the order of its help."""

import importlib

from adiabat.cli.app import app

for _group in ("learn", "use", "look", "property", "explain", "affinity", "screen", "configure"):
    importlib.import_module(f"adiabat.cli.{_group}")


def main() -> None:
    """Runs the command line and leaves with its exit code."""
    app(prog_name="adiabat")


if __name__ == "__main__":
    main()
