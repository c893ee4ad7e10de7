"""Commands on properties of molecules."""

from pathlib import Path
from typing import Annotated, Any

import typer

from adiabat.cli.app import app
from adiabat.cli.options import Force, ForceFile, Json, Level, Resume, RunOut, Seed, Smiles
from adiabat.cli.output import note, note_files, print_result, print_table

property_app = typer.Typer(no_args_is_help=True, help="Models of measured properties of molecules.")
app.add_typer(property_app, name="property", rich_help_panel="Predict properties of molecules")

# Rows that are named on the terminal, of those left out for a limit that cannot be meant.
_NAMED = 5

Reaction = Annotated[
    str | None,
    typer.Option("--reaction", metavar="COLUMN", help="The column of reaction SMILES, instead of molecules."),
]


@property_app.command(
    epilog="Example: adiabat property train solubility.csv --target logS --unit 'log mol/L' --split scaffold"
)
def train(
    data: Annotated[
        Path,
        typer.Argument(metavar="DATA", help="A table: .csv, .tsv, .parquet, also .gz.", show_default=False),
    ],
    target: Annotated[
        list[str] | None,
        typer.Option("--target", "-t", metavar="COLUMN", help="What to predict; again for several."),
    ] = None,
    smiles: Smiles = "smiles",
    reaction: Reaction = None,
    positive: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WORD",
            help="Of a target of two words, the one to give the probability of; by default the one without a "
            "negation (active, not inactive), else the second in the alphabet.",
            show_default=False,
        ),
    ] = None,
    balance: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="The target less that of the reverse reaction: the reaction energy of a barrier, log K of "
            "log k. Both directions then agree.",
        ),
    ] = None,
    unit: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="Of each target, in the same order.")
    ] = None,
    relation: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="With the signs (<, >, =) of each target, in the same order, where they are not in its "
            "cells: Standard Relation of ChEMBL.",
        ),
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
    temperature: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Such a column, with temperatures in K, or as 25 °C."),
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
    kind: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND",
            help="Of model: forest, boosting, gaussian-process, multi-kernel, graph; again for several. By "
            "default these are fitted and weighed. Another is additive: graph networks whose prediction is "
            "a sum over atoms. The mean and the nearest neighbor are always shown beside them.",
            show_default=False,
        ),
    ] = None,
    tautomers: Annotated[
        bool, typer.Option("--tautomers", help="Write one tautomer for all of a molecule.")
    ] = False,
    xtb: Annotated[
        bool,
        typer.Option(
            "--xtb",
            help="Ask GFN2-xTB too: dipole, orbitals, solvation. Well below a second for a small molecule.",
        ),
    ] = False,
    embedding: Annotated[
        bool,
        typer.Option(
            "--embedding",
            help="Give what the learned potential that comes with adiabat makes of the atoms too. "
            "For molecules of H, C, N, O, F, S and Cl.",
        ),
    ] = False,
    start: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="WEIGHTS",
            help="What graph networks begin with: [b]general[/b] is pre-trained and comes with adiabat, "
            "[b]scratch[/b] means fresh weights; or what [b]adiabat property pretrain[/b] made.",
        ),
    ] = "scratch",
    seed: Seed = None,
    out: RunOut = Path("run-property"),
    resume: Resume = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """From a table of molecules or reactions with measured values to a model that knows its own error."""
    from adiabat.properties.model import NULLS
    from adiabat.tasks.property_train import KINDS, train_property

    found = train_property(
        data,
        out=out,
        smiles=smiles,
        reaction=reaction,
        targets=target or (),
        positive=positive or (),
        balance=balance,
        units=unit or (),
        relations=relation or (),
        inputs=given or (),
        solvents=solvent or (),
        temperatures=temperature or (),
        split=split,
        by=by,
        test=test,
        kinds=tuple(dict.fromkeys([*NULLS, *kind])) if kind else KINDS,
        tautomers=tautomers,
        xtb=xtb,
        embedding=embedding,
        start=start,
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
    for row, reason in list(summary.get("limits_left_out", {}).items())[:_NAMED]:
        note(f"row {row} is left out: {reason}")
    for name, span in summary.get("wide", {}).items():
        note(f"values of {name!r} are {span}: over powers of ten logarithms are better learned")
    for name in summary.get("signs_not_used", ()):
        note(f"the column {name!r} has signs of limits (< or >) and is not looked at: say --relation")
    for name, reason in summary.get("targets_left_out", {}).items():
        note(f"the target {name!r} is left out: {reason}")
    if summary.get("n_rejected_test"):
        left_out = f"{summary['n_rejected_test']} rows of {test} are left out"
        note(f"{left_out} of the test: {found.folder / 'rejected.csv'} says why")
    what = "reactions" if reaction else "molecules"
    if known := summary["leakage"].get("exact"):
        note(f"{known:.0%} of the test {what} are in training as well: the errors say less of new ones")
    for one in found.model.targets:
        if len(one.words) == 2:
            note(f"{one.name} is the probability of {one.words[1]!r}, not {one.words[0]!r}")
    classes = {one.name for one in found.model.targets if one.is_class}
    for one in found.model.classes:
        note(f"{one.name} is one of {', '.join(one.words)}")
        classes.add(one.name)
    among = {one.name for one in found.model.targets if one.column}
    for name in (name for name in found.validated if name not in among):
        print(f"{name}, {_counted(summary, 'train', name, what)}, cross-validation:")
        print_result(summary["cross_validation"][name])
        if name in summary["test"]:
            print(f"{name}, {_counted(summary, 'test', name, f'test {what}')} ({summary['split']}):")
            print_result(summary["test"][name])
            for level, share in summary["coverage"].get(name, {}).items():
                held = f"class in {level} sets" if name in classes else f"inside {level} intervals"
                print_result({held: f"{share:.1%}"})
            if limits := summary["limits"].get(name):
                print_result({"limits on the right side": f"{limits['right_side']:.1%} of {limits['n']}"})
    note_files(files)


def _counted(summary: dict[str, Any], part: str, name: str, what: str) -> str:
    """How many molecules a part has, and how many values errors are of where these are fewer."""
    count, values = summary[f"n_{part}"], summary[f"n_{part}_values"][name]
    return f"{count} {what}" + (f", {values} of them with an exact value" if values < count else "")


@property_app.command(epilog="Example: adiabat property predict run-property molecules.smi --out values.csv")
def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A property model.", show_default=False)],
    molecules: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Molecules: .smi, .csv, .tsv, .parquet, .sdf, also .gz; - is standard input.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE.csv", help="Where the values go.")
    ] = None,
    smiles: Smiles = "smiles",
    reaction: Reaction = None,
    temperature: Annotated[
        str | None,
        typer.Option(
            metavar="T",
            help='Adds rate constants of barriers at this temperature, as "298 K", by Eyring\'s equation.',
        ),
    ] = None,
    prefactor: Annotated[
        float | None, typer.Option(metavar="A", help="In 1/s: by Arrhenius' equation instead.")
    ] = None,
    level: Level = 0.9,
    force: ForceFile = False,
    json: Json = False,
) -> None:
    """Values of molecules with intervals, and whether the model knows such molecules."""
    from adiabat.base.units import parse
    from adiabat.tasks.property_predict import prediction_parts

    parts = prediction_parts(
        model,
        molecules,
        out=out,
        smiles=reaction or smiles,
        level=level,
        temperature=None if temperature is None else parse(temperature, "temperature"),
        prefactor=prefactor,
        force=force,
    )
    rows, count, failed = [], 0, 0
    for part in parts:
        count, failed = count + len(part), failed + sum(bool(row["error"]) for row in part)
        rows += part if json or out is None else []
    if json:
        print_result({"molecules": rows}, as_json=True)
        return
    if rows:
        told = [key for key in rows[0] if any(row[key] != "" for row in rows)]
        print_table([{key: row[key] for key in told} for row in rows])
    note(f"{count} molecules, {failed} without a prediction" + (f": {out}" if out else ""))


@property_app.command(
    epilog="Example: adiabat property optimize 'CC(=O)Nc1ccc(O)cc1' -m solubility -m potency "
    "--objective 'logS>=-3' --objective pIC50=maximize --most-sa 4"
)
def optimize(
    molecules: Annotated[
        list[str], typer.Argument(metavar="SMILES...", help="Where to start.", show_default=False)
    ],
    model: Annotated[
        list[Path],
        typer.Option("--model", "-m", metavar="MODEL", help="A property model; again for several."),
    ],
    objective: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=GOAL",
            help="NAME=maximize, NAME=minimize, NAME=3..5, NAME>=3 or NAME<=3; again for several.",
        ),
    ],
    weight: Annotated[
        list[float] | None, typer.Option(metavar="W", help="Of each objective, in the same order.")
    ] = None,
    scaffold: Annotated[
        str | None, typer.Option(metavar="SMARTS", help="A part that stays; SMILES will do.")
    ] = None,
    similarity: Annotated[
        float, typer.Option(metavar="T", help="Tanimoto similarity to the start, at least.")
    ] = 0.0,
    heavy_atoms: Annotated[int, typer.Option(metavar="N", help="At most so many.")] = 60,
    most_sa: Annotated[
        float | None, typer.Option(metavar="SA", help="Synthetic accessibility, 1 (easy) to 10, at most.")
    ] = None,
    rule: Annotated[
        list[str] | None, typer.Option(help="To keep: pains, brenk, nih, lipinski, veber.")
    ] = None,
    forbid: Annotated[
        list[str] | None, typer.Option(metavar="SMARTS", help="What no molecule may have.")
    ] = None,
    require: Annotated[
        list[str] | None, typer.Option(metavar="SMARTS", help="What every molecule must have.")
    ] = None,
    fragments: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Molecules whose groups may be put in.")
    ] = None,
    evaluations: Annotated[int, typer.Option(metavar="N", help="How many molecules are predicted.")] = 1000,
    caution: Annotated[
        float, typer.Option(metavar="N", help="Take each value by its worst within N standard errors.")
    ] = 1.0,
    outside: Annotated[
        bool, typer.Option("--outside", help="Propose molecules that the models do not know, too.")
    ] = False,
    seed: Seed = None,
    out: RunOut = Path("run-optimize"),
    resume: Resume = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """Improve molecules under several predicted properties at once."""
    from adiabat.tasks.property_optimize import CANDIDATES, optimize_by_models, summary_of

    made = optimize_by_models(
        molecules,
        models=model,
        objectives=objective,
        out=out,
        weights=weight or (),
        scaffold=scaffold,
        similarity=similarity,
        heavy_atoms=heavy_atoms,
        most_sa=most_sa,
        rules=rule or (),
        forbidden=forbid or (),
        required=require or (),
        fragments=fragments,
        evaluations=evaluations,
        caution=caution,
        outside=outside,
        seed=seed or 0,
        resume=resume,
        force=force,
    )
    summary = summary_of(made.found, made.scores)
    files = {"candidates": str(made.folder / CANDIDATES), "report": str(made.report)}
    if json:
        print_result({**summary, **files}, as_json=True)
        return
    if summary["best"]:
        print_table(summary["best"])
    note_files(files)


@property_app.command(
    epilog="Example: adiabat property distill run-property library.smi.gz --out quick.safetensors"
)
def distill(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="The property model to learn from.", show_default=False)
    ],
    library: Annotated[
        Path,
        typer.Argument(
            metavar="LIBRARY",
            help="Molecules such as are to be screened: .smi, .csv, .tsv, .parquet, .sdf, also .gz.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FILE.safetensors", help="The model file to write."),
    ] = Path("student.safetensors"),
    molecules: Annotated[
        int, typer.Option(metavar="N", help="How many to learn from, at most; taken at random.")
    ] = 50_000,
    smiles: Smiles = "smiles",
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Processes; by default one for each core.")
    ] = None,
    seed: Seed = None,
    force: ForceFile = False,
    json: Json = False,
) -> None:
    """A quick model for large libraries that learned from a slower one."""
    from adiabat.tasks.property_distill import distill_property

    found = distill_property(
        model,
        library,
        out=out,
        molecules=molecules,
        smiles=smiles,
        seed=seed or 0,
        workers=workers,
        force=force,
    )
    said = {"rmse": found.rmse, "r2": found.explained, "held_out": found.held_out, "model": str(out)}
    if json:
        print_result(said, as_json=True)
        return
    for name in found.rmse:
        print(
            f"{name}: {found.rmse[name]:.3g} from its teacher (RMS of {found.held_out} molecules that it did "
            f"not learn), R2 {found.explained[name]:.3f}"
        )
    note(f"model: {out}")


@property_app.command(
    epilog="Example: adiabat property pretrain molecules.smi --without test.csv --out run-pretrain"
)
def pretrain(
    library: Annotated[
        Path,
        typer.Argument(
            metavar="MOLECULES",
            help="Ten thousand or more, without values: .smi, .csv, .tsv, .parquet, .sdf, also .gz.",
            show_default=False,
        ),
    ],
    smiles: Smiles = "smiles",
    without: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Molecules that must not be seen; again for several files."),
    ] = None,
    molecules: Annotated[
        int, typer.Option(metavar="N", help="How many to learn from, at most; taken at random.")
    ] = 50_000,
    quantum: Annotated[
        int, typer.Option(metavar="N", help="Of how many molecules GFN2-xTB is asked, at most.")
    ] = 10_000,
    epochs: Annotated[int, typer.Option(metavar="N", help="How often each molecule is seen.")] = 30,
    width: Annotated[int, typer.Option(metavar="N", help="Of the messages.")] = 128,
    depth: Annotated[int, typer.Option(metavar="N", help="Rounds of messages.")] = 3,
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Processes for GFN2-xTB; by default one for each core.")
    ] = None,
    seed: Seed = None,
    out: RunOut = Path("run-pretrain"),
    resume: Resume = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """Weights that graph networks can begin with, from what can be computed of molecules."""
    from adiabat.tasks.property_pretrain import pretrain_property

    found = pretrain_property(
        library,
        out=out,
        smiles=smiles,
        without=without or (),
        molecules=molecules,
        quantum=quantum,
        epochs=epochs,
        width=width,
        depth=depth,
        seed=seed or 0,
        workers=workers,
        resume=resume,
        force=force,
    )
    if json:
        print_result({**found.summary, "model": str(found.model)}, as_json=True)
        return
    print(f"{found.summary['molecules']} molecules, {found.summary['quantum']} of them by GFN2-xTB")
    print(f"R2 of {found.summary['held_out']} that were not learned:")
    print_result(found.summary["r2"])
    note(f"model: {found.model}")
