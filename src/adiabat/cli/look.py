"""Commands that only look."""

from pathlib import Path
from typing import Annotated

import typer

from adiabat.cli.app import app
from adiabat.cli.options import Json
from adiabat.cli.output import print_result

PANEL = "Look"


@app.command(rich_help_panel=PANEL, epilog="Example: adiabat analyze run-md --json")
def analyze(
    run: Annotated[
        Path,
        typer.Argument(metavar="RUN", help="A run folder, or a file with a trajectory.", show_default=False),
    ],
    reference: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Structures to compare bonds with.", show_default="the training data"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE.html", help="The report.", show_default="report.html in RUN"
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Numbers of a run with error bars, and its report."""
    from adiabat.tasks.analyze import analyze as task

    print_result(task(run, reference=reference, out=out), json)


@app.command(rich_help_panel=PANEL, epilog="Example: adiabat info run-learn")
def info(
    model: Annotated[
        str | None,
        typer.Argument(metavar="MODEL", help="What is known of this model, instead.", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """Versions, devices, precision: what to send with a question. Or what a model is, and its errors."""
    from adiabat.tasks.info import describe_model
    from adiabat.tasks.info import info as task

    print_result(task() if model is None else describe_model(model), json)
