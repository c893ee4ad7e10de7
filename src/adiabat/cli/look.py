"""Commands that only look."""

from pathlib import Path
from typing import Annotated

import typer

from adiabat.cli.app import app
from adiabat.cli.options import ForceFile, Json, option_of
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
    viscosity: Annotated[
        float | None,
        option_of(
            "viscosity",
            "--viscosity",
            "Of the liquid, measured or known otherwise: corrects diffusion for the size of a cubic cell "
            "(a bare number: mPa s).",
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
    """Numbers of a run with error bars, and its report; with --json also the curves that it draws."""
    from adiabat.tasks.analyze import analyze as task

    found = task(run, reference=reference, viscosity=viscosity, out=out)
    print_result(found if json else {k: v for k, v in found.items() if k != "curves"}, json)


@app.command(rich_help_panel=PANEL, epilog="Example: adiabat export run-md --out run.xtc")
def export(
    run: Annotated[
        Path,
        typer.Argument(metavar="RUN", help="A run folder of md, or its trajectory.h5.", show_default=False),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FILE", help="As .xtc, .dcd or .xyz.", show_default=False),
    ],
    force: ForceFile = False,
    json: Json = False,
) -> None:
    """The trajectory of a run for other programs: MDAnalysis, mdtraj, VMD, ASE.

    Beside .xtc and .dcd, which know no elements, a .pdb of the first frame is written.
    """
    from adiabat.tasks.export import export as task

    print_result(task(run, out=out, force=force), json)


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
