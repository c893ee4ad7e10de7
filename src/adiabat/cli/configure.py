"""Commands around configuration files."""

from pathlib import Path
from typing import Annotated

import typer

from adiabat.cli.app import app
from adiabat.cli.options import Json
from adiabat.cli.output import print_result

PANEL = "Settings"
Task = Annotated[str, typer.Argument(metavar="TASK", help="train or md.", show_default=False)]


@app.command(rich_help_panel=PANEL, epilog="Example: adiabat new md > md.toml")
def new(task: Task) -> None:
    """Print a commented settings file of a task, every key with its default."""
    from adiabat.tasks.templates import new as make

    print(make(task), end="")


@app.command(rich_help_panel=PANEL, epilog="Example: adiabat check md.toml")
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE.toml", show_default=False)],
    task: Annotated[
        str | None, typer.Option("--task", help="Whose settings; the file's key 'task' by default.")
    ] = None,
    json: Json = False,
) -> None:
    """Check a settings file and print what it resolves to, with units."""
    from adiabat.base.config import dump_config
    from adiabat.tasks.templates import check as resolve

    resolved = resolve(file, task)
    if json:
        print_result(resolved, as_json=True)
    else:
        print(dump_config(resolved), end="")


@app.command(rich_help_panel=PANEL, epilog="Example: adiabat schema train --flat")
def schema(
    task: Task,
    flat: Annotated[
        bool, typer.Option("--flat", help="One entry a key: type, default, unit, description.")
    ] = False,
) -> None:
    """Print the JSON schema of a task's settings, which editors understand."""
    from adiabat.tasks.templates import schema as make

    print_result(make(task, flat), as_json=True)
