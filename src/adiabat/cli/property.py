"""Commands on properties of molecules."""

from pathlib import Path
from typing import Annotated

import typer

from adiabat.cli.app import app
from adiabat.cli.options import Force, ForceFile, Json, Resume, RunOut, Seed
from adiabat.cli.output import note, print_result

property_app = typer.Typer(no_args_is_help=True, help="Models of measured properties of molecules.")
app.add_typer(property_app, name="property", rich_help_panel="Predict properties of molecules")

Smiles = Annotated[str, typer.Option("--smiles", metavar="COLUMN", help="The column of SMILES strings.")]


@property_app.command(
    epilog="Example: adiabat property train solubility.csv --target logS --unit 'log mol/L' --split scaffold"
)
def train(
    data: Annotated[
        Path,
        typer.Argument(metavar="DATA", help="A table: .csv, .tsv, .parquet, also .gz.", show_default=False),
    ],
    target: Annotated[
        list[str],
        typer.Option("--target", "-t", metavar="COLUMN", help="What to predict; again for several."),
    ],
    smiles: Smiles = "smiles",
    unit: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="Of each target, in the same order.")
    ] = None,
    given: Annotated[
        list[str] | None,
        typer.Option(
            "--input", metavar="COLUMN", help="What the value depends on as well, such as a temperature."
        ),
    ] = None,
    solvent: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="Such a column, with SMILES strings.")
    ] = None,
    split: Annotated[
        str,
        typer.Option(
            help="Of the test part: random, scaffold, cluster, none, or by a column: time, group, file."
        ),
    ] = "random",
    by: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="The column of --split time, group or file.")
    ] = None,
    test: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Another table to test with, instead of a split.")
    ] = None,
    tautomers: Annotated[
        bool, typer.Option("--tautomers", help="Write one tautomer for all of a molecule.")
    ] = False,
    seed: Seed = None,
    out: RunOut = Path("run-property"),
    resume: Resume = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """From a table of molecules with measured values to a model that knows its own error."""
    from adiabat.tasks.property_train import train_property

    found = train_property(
        data,
        out=out,
        smiles=smiles,
        targets=target,
        units=unit or (),
        inputs=given or (),
        solvents=solvent or (),
        split=split,
        by=by,
        test=test,
        tautomers=tautomers,
        seed=seed or 0,
        resume=resume,
        force=force,
    )
    summary = found.model.summary
    files = {"model": str(found.folder / "model.safetensors"), "report": str(found.report)}
    if json:
        print_result({**summary, **files}, as_json=True)
        return
    if summary["n_rejected"]:
        note(f"{summary['n_rejected']} rows are left out: {found.folder / 'rejected.csv'} says why")
    for name in found.validated:
        print(f"{name}, {summary['n_train']} molecules, cross-validation:")
        print_result(summary["cross_validation"][name])
        if name in summary["test"]:
            print(f"{name}, {summary['n_test']} test molecules ({summary['split']}):")
            print_result(summary["test"][name])
            for level, share in summary["coverage"].get(name, {}).items():
                print_result({f"inside {level} intervals": f"{share:.1%}"})
    note("\n".join(f"{name}: {path}" for name, path in files.items()))


@property_app.command(epilog="Example: adiabat property predict run-property molecules.smi --out values.csv")
def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A property model.", show_default=False)],
    molecules: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="Molecules: .smi, .csv, .tsv, .parquet, .sdf, also .gz.", show_default=False
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE.csv", help="Where the values go.")
    ] = None,
    smiles: Smiles = "smiles",
    level: Annotated[
        float, typer.Option(metavar="SHARE", help="Of true values that the intervals hold.")
    ] = 0.9,
    force: ForceFile = False,
    json: Json = False,
) -> None:
    """Values of molecules with intervals, and whether the model knows such molecules."""
    from adiabat.tasks.property_predict import predict_properties

    rows = predict_properties(model, molecules, out=out, smiles=smiles, level=level, force=force)
    if json:
        print_result({"molecules": rows}, as_json=True)
        return
    if out is None:
        for row in rows:
            print("  ".join(str(value) for value in row.values() if value != ""))
    failed = sum(bool(row["error"]) for row in rows)
    note(f"{len(rows)} molecules, {failed} without a prediction" + (f": {out}" if out else ""))
