"""Commands around configuration files."""

from pathlib import Path
from typing import Annotated

import typer

from adiabat.cli.app import app
from adiabat.cli.options import Json, KeyName
from adiabat.cli.output import print_result

PANEL = "Settings"
Task = Annotated[str, typer.Argument(metavar="TASK", help="train or md.", show_default=False)]


@app.command(rich_help_panel=PANEL, epilog="Example: adiabat new md > md.toml")
def new(task: Task) -> None:
    """Print a commented settings file of a task, every key with its default."""
    from adiabat.tasks.templates import new as make

    print(make(task), end="")


@app.command(rich_help_panel=PANEL, epilog="Example: adiabat check md.toml; adiabat check water.xyz")
def check(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Settings (.toml), or data.", show_default=False)
    ],
    task: Annotated[
        str | None, typer.Option("--task", help="Whose settings; the file's keys tell by default.")
    ] = None,
    energy_key: KeyName = None,
    forces_key: KeyName = None,
    stress_key: KeyName = None,
    dipole_key: KeyName = None,
    json: Json = False,
) -> None:
    """Check settings, or data: units, signs, outliers, copies.

    Of settings it prints what they resolve to, with units; of data what train would find first, with exit
    code 2 where it would stop.
    """
    if file.suffix.lower() != ".toml":
        _check_data(file, (energy_key, forces_key, stress_key, dipole_key), json)
        return
    from adiabat.base.config import dump_config
    from adiabat.tasks.templates import check as resolve

    resolved = resolve(file, task)
    if json:
        print_result(resolved, as_json=True)
    else:
        print(dump_config(resolved), end="")


def _check_data(path: Path, keys: tuple[str | None, ...], as_json: bool) -> None:
    from adiabat.tasks.check_data import check_data

    energy, forces, stress, dipole = keys
    found = check_data(path, energy_key=energy, forces_key=forces, stress_key=stress, dipole_key=dipole)
    if as_json:
        print_result(found.as_dict(), as_json=True)
    else:
        print("\n".join(map(str, found.findings)) or "nothing found")
    if found.of("error"):
        raise typer.Exit(2)


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
