"""Commands that only look."""

from pathlib import Path
from typing import Annotated, Any

import typer

from adiabat.cli.app import app
from adiabat.cli.labels import FREE_ENERGY
from adiabat.cli.options import ForceFile, Json, Seed, option_of, region, states, variables_option
from adiabat.cli.output import print_result, print_table, with_error

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
    # Warnings went to stderr.
    shown = {name: value for name, value in found.items() if name not in ("curves", "each", "warnings")}
    print_result(found if json else shown, json)


@app.command(
    "free-energy",
    rich_help_panel=PANEL,
    epilog='Example: adiabat free-energy torsion --state "-1.6, 1.6" --out profile.csv',
)
def free_energy(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN", help="Folders of md; several of windows or steered runs.", show_default=False
        ),
    ],
    variable: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Along which; given twice, the surface along two.",
            show_default="the first that was recorded",
        ),
    ] = None,
    seen: Annotated[
        Path | None,
        variables_option("More variables, computed of each frame"),
    ] = None,
    state: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STATE",
            help="An interval of the variable (Å, rad) to compare with all else; given more often, each is "
            'compared with the first. Of several variables, with a name or without: "C7eq: phi=-2.6, -0.8; '
            'psi=-0.5, 3.1".',
            show_default=False,
        ),
    ] = None,
    temperature: Annotated[
        float | None,
        option_of(
            "temperature",
            "--temperature",
            "Of the frames that are taken, where replicas have several (a bare number: K).",
            "the lowest of exchanging ones",
        ),
    ] = None,
    bins: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=2, help="Of the profile, along each variable.", show_default="60; along two 36"
        ),
    ] = None,
    limits: Annotated[
        str | None,
        typer.Option(
            metavar="LOW,HIGH",
            help='Of the profile (Å, rad); of several variables as in "d=1, 3".',
            show_default="all values",
        ),
    ] = None,
    skip: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Of each trajectory, left out at its beginning.",
            show_default="0.2; of metadynamics 1/3",
        ),
    ] = None,
    seed: Seed = None,
    out: Annotated[
        list[Path] | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="The profile as a table (.csv), as arrays (.npz) or drawn on a page (.html); given more "
            "often, all of these.",
            show_default=False,
        ),
    ] = None,
    force: ForceFile = False,
    json: Json = False,
) -> None:
    """The free energy along one or two variables, and between states, with error bars and a verdict.

    By reweighting OPES, metadynamics or a restraint, MBAR of umbrella windows, or the work of steered runs.
    """
    from adiabat.tasks.free_energy import free_energy as task

    options = {"seen": seen, "temperature": temperature, "bins": bins, "skip": skip, "seed": seed or 0}
    options |= {"limits": region(limits) if limits else None, "out": out or None, "force": force}
    found = task(runs, variable=variable, states=states(state or []), **options)
    print_result(found, json, labels=FREE_ENERGY)
    if not json:
        _print_lists(found)


def _print_lists(found: dict[str, Any]) -> None:
    """The minima of a surface, and the differences of several states, as tables."""
    if found.get("minima"):
        print()
        print_table(
            [
                {
                    "minimum": place,
                    **dict(zip(found["variable"], one["at"], strict=True)),
                    "free energy [kJ/mol]": with_error(one, "free_energy_kj_per_mol"),
                    "lowest way out [kJ/mol]": "-"
                    if one["exit_kj_per_mol"] is None
                    else one["exit_kj_per_mol"],
                }
                for place, one in enumerate(found["minima"], 1)
            ]
        )
    elif "minima" in found:
        print("\nno minimum is deeper than its error: run longer, or take fewer --bins")
    if found.get("differences"):
        print()
        print_table(
            [
                {
                    "state": row["state"],
                    "compared with": row["compared_with"],
                    "difference [kJ/mol]": with_error(row, "difference_kj_per_mol"),
                    "by the last third": row["last_third_kj_per_mol"],
                    "verdict": row["verdict"],
                }
                for row in found["differences"]
            ]
        )


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
