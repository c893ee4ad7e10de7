"""Commands on binding affinities."""

from pathlib import Path
from typing import Annotated, Any

import typer

from adiabat.cli.app import app
from adiabat.cli.options import Force, Json, Level, Resume, RunOut, Seed, Smiles
from adiabat.cli.output import note_files, print_result

affinity_app = typer.Typer(
    no_args_is_help=True,
    help="Binding affinities of ligands: ranked beside what knows nothing of the protein.",
)
app.add_typer(affinity_app, name="affinity", rich_help_panel="Predict properties of molecules")

Value = Annotated[str, typer.Option("--value", metavar="COLUMN", help="The column of measured affinities.")]
Unit = Annotated[
    str,
    typer.Option(
        "--unit",
        help="nM, uM, pKi, pIC50, kcal/mol, kJ/mol ..., or the column that has the unit of each value.",
    ),
]
KnownValue = Annotated[
    str | None, typer.Option("--value", metavar="COLUMN", help="The column of known affinities.")
]
KnownUnit = Annotated[
    str | None, typer.Option("--unit", help="Of the known affinities, or the column of their units.")
]
Names = Annotated[
    str, typer.Option("--name", metavar="COLUMN", help="The column with the names of the ligands.")
]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="An affinity model.", show_default=False)]
Protein = Annotated[Path, typer.Argument(metavar="PROTEIN.pdb", help="The protein.", show_default=False)]
Poses = Annotated[
    Path,
    typer.Argument(
        metavar="LIGANDS.sdf", help="Poses in the coordinates of the protein.", show_default=False
    ),
]


@affinity_app.command(
    epilog="Example: adiabat affinity series ligands.csv --value Ki --unit nM --out run-series"
)
def series(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA", help="Ligands of one target: .csv, .tsv, .parquet.", show_default=False
        ),
    ],
    value: Value,
    unit: Unit,
    smiles: Smiles = "smiles",
    seed: Seed = None,
    out: RunOut = Path("run-series"),
    resume: Resume = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """Learn the ligands of one target from each other, without any structure."""
    from adiabat.tasks.affinity_series import train_series

    found = train_series(
        data, out=out, value=value, unit=unit, smiles=smiles, seed=seed or 0, resume=resume, force=force
    )
    files = {"model": found.folder / "model.safetensors", "report": found.report}
    _print(found.summary, files, json)


@affinity_app.command(
    epilog="Example: adiabat affinity train targets.csv --value Ki --unit nM --out run-affinity"
)
def train(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="TARGETS.csv",
            help="A table with the columns target, protein, ligands and perhaps values: files beside it.",
            show_default=False,
        ),
    ],
    value: Value,
    unit: Unit,
    name: Names = "name",
    seed: Seed = None,
    out: RunOut = Path("run-affinity"),
    resume: Resume = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """Learn from poses in several targets, and test on each without having seen it."""
    from adiabat.tasks.affinity_train import train_affinity

    found = train_affinity(
        data, out=out, value=value, unit=unit, name=name, seed=seed or 0, resume=resume, force=force
    )
    files = {"model": found.folder / "model.safetensors", "report": found.report}
    _print(found.model.summary, files, json)


@affinity_app.command(
    epilog="Example: adiabat affinity score run-affinity protein.pdb ligands.sdf --values known.csv "
    "--value Ki --unit nM"
)
def score(
    model: Model,
    protein: Protein,
    ligands: Poses,
    values: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Known affinities; without a table they are sought in LIGANDS.sdf."
        ),
    ] = None,
    value: KnownValue = None,
    unit: KnownUnit = None,
    name: Names = "name",
    level: Level = 0.9,
    seed: Seed = None,
    out: RunOut = Path("run-score"),
    resume: Resume = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """Rank the ligands of a target; with five known affinities also absolute values."""
    from adiabat.tasks.affinity_score import rows_of, score_affinity

    found = score_affinity(
        model,
        protein,
        ligands,
        out=out,
        values=values,
        value=value,
        unit=unit,
        name=name,
        level=level,
        seed=seed or 0,
        resume=resume,
        force=force,
    )
    files = {"scores": found.folder / "scores.csv", "report": found.report}
    _print_ranking(rows_of(found), found.summary, files, json)


@affinity_app.command(
    epilog="Example: adiabat affinity dock protein.pdb ligands.smi --around crystal.sdf --model run-affinity"
)
def dock(
    protein: Protein,
    ligands: Annotated[
        Path,
        typer.Argument(
            metavar="LIGANDS", help="Molecules, protonated: .smi, .csv, .sdf ...", show_default=False
        ),
    ],
    around: Annotated[
        Path | None,
        typer.Option(metavar="LIGAND.sdf", help="Put the box around this ligand, 5 Å on each side."),
    ] = None,
    center: Annotated[str | None, typer.Option(metavar="X,Y,Z", help="Or its center \\[Å], with")] = None,
    size: Annotated[str | None, typer.Option(metavar="X,Y,Z", help="the lengths of its edges \\[Å].")] = None,
    model: Annotated[
        Path | None,
        typer.Option("--model", "-m", metavar="MODEL", help="An affinity model to score the poses."),
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(metavar="FILE.sdf", help="Known poses to compare with, by name.")
    ] = None,
    values: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Known affinities; without a table they are sought in LIGANDS."),
    ] = None,
    value: KnownValue = None,
    unit: KnownUnit = None,
    smiles: Smiles = "smiles",
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="COLUMN", help="The column with the names of the ligands, in tables."),
    ] = None,
    level: Level = 0.9,
    poses: Annotated[int, typer.Option(metavar="N", min=1, help="Of each ligand at most.")] = 5,
    exhaustiveness: Annotated[int, typer.Option(metavar="N", min=1, help="How long Vina searches.")] = 8,
    cores: Annotated[int, typer.Option(metavar="N", min=1, help="To work on.")] = 1,
    seed: Seed = None,
    out: RunOut = Path("run-dock"),
    resume: Resume = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """Dock molecules by AutoDock Vina, check and score the poses, and rank the ligands."""
    from adiabat.tasks.affinity_dock import dock_affinity
    from adiabat.tasks.affinity_score import rows_of

    found = dock_affinity(
        protein,
        ligands,
        out=out,
        around=around,
        center=_numbers(center),
        size=_numbers(size),
        model=model,
        reference=reference,
        values=values,
        value=value,
        unit=unit,
        smiles=smiles,
        name=name,
        level=level,
        n_poses=poses,
        exhaustiveness=exhaustiveness,
        cores=cores,
        seed=seed or 0,
        resume=resume,
        force=force,
    )
    files = {key: found.folder / name for key, name in (("poses", "poses.sdf"), ("scores", "scores.csv"))}
    _print_ranking(rows_of(found.ranking), found.summary, files | {"report": found.report}, json)


def _numbers(text: str | None) -> list[float] | None:
    """The numbers of "1,2,3"."""
    from adiabat.base import ConfigError

    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise ConfigError(f"{text!r} are no three numbers", "write them as 1.5,-2,30") from error


def _print_ranking(
    rows: list[dict[str, str]], summary: dict[str, Any], files: dict[str, Path], json: bool
) -> None:
    """Ligands in their order, each number with its interval, then what is known of the order."""
    if not json:
        for row in rows:
            cells = [row["rank"], row["name"]]
            for key in ("score", "pK"):
                if key in row:
                    ends = {end: float(row[f"{key} {end}"]) for end in ("lower", "upper")}
                    cells.append(f"{key} {_interval({'value': float(row[key]), **ends})}")
            print("  ".join(cells))
    _print(summary | ({"ligands": rows} if json else {}), files, json)


def _print(summary: dict[str, Any], files: dict[str, Path], json: bool) -> None:
    """What a task found, and where it is."""
    paths = {name: str(path) for name, path in files.items()}
    if json:
        print_result({**summary, **paths}, as_json=True)
        return
    shown = {
        key: value for key, value in summary.items() if key not in ("tau", "better_than", "tau_by_target")
    }
    shown |= {f"tau of {name}": _interval(one) for name, one in summary.get("tau", {}).items()}
    against = summary.get("better_than", {})
    shown |= {
        f"tau more than {name}": f"{_interval(one)}, p {one['p_value']:.2g}" for name, one in against.items()
    }
    if isinstance(other := shown.pop("tau_on_other_targets", None), dict):
        shown["tau on targets left out in training"] = _interval(other)
    if isinstance(redocked := shown.pop("redocked", None), dict):
        shown |= {
            f"within 2 Å: {name}": f"{one['share']:.0%} of {one['n']}" for name, one in redocked.items()
        }
    print_result(shown)
    note_files(paths)


def _interval(one: dict[str, float]) -> str:
    return f"{one['value']:.2f} ({one['lower']:.2f} to {one['upper']:.2f})"
