"""Commands that make a model."""

from pathlib import Path
from typing import Annotated, Any

import typer

from adiabat.cli.app import app
from adiabat.cli.labels import DYNAMICS, LABELLING, METRICS, SAMPLING
from adiabat.cli.options import (
    Config,
    Force,
    ForceFile,
    From,
    Json,
    Model,
    OutFile,
    Resume,
    RunOut,
    Seed,
    Set,
    Structures,
    option_of,
)
from adiabat.cli.output import note, print_result

PANEL = "Learn a force field"


@app.command(rich_help_panel=PANEL, epilog="Example: adiabat demo --out run-demo")
def demo(
    out: RunOut = Path("run-demo"), resume: Resume = False, force: Force = False, json: Json = False
) -> None:
    """The whole job on acetylacetone, without any data: about five minutes on two cores."""
    from adiabat.tasks.demo import demo as task

    _print_learned(task(out=out, resume=resume, force=force), json)


@app.command(
    rich_help_panel=PANEL,
    epilog="Example: adiabat learn 'CC(=O)Nc1ccccc1' --minutes 20 --out run-acetanilide",
)
def learn(
    molecule: Annotated[
        str,
        typer.Argument(metavar="MOLECULE", help="A SMILES string or a structure file.", show_default=False),
    ],
    method: Annotated[
        str, typer.Option(help="The reference: gfn2, gfn1, or one from another package.")
    ] = "gfn2",
    minutes: Annotated[float, typer.Option(metavar="M", help="Wall-clock time of the whole, about.")] = 4.0,
    labels: Annotated[
        int | None,
        typer.Option(metavar="N", min=20, help="Structures to label.", show_default="what the time allows"),
    ] = None,
    temperature: Annotated[
        float, option_of("temperature", "--temperature", "What the model is for (a bare number: K).", "300 K")
    ] = "300 K",  # pyright: ignore[reportArgumentType]
    start: From = None,
    seed: Seed = None,
    out: RunOut = Path("run-learn"),
    resume: Resume = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """From a molecule to a validated force field.

    Samples and labels geometries, trains, tests on held-out frames, simulates with the model, reports.
    """
    from adiabat.tasks.learn import learn as task

    options = {
        "method": method,
        "minutes": minutes,
        "labels": labels,
        "temperature": temperature,
        "start": start,
        "seed": seed or 0,
    }
    _print_learned(task(molecule, **options, out=out, resume=resume, force=force), json)


def _print_learned(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_result(result, as_json=True)
        return
    for name, metrics in result["errors"].items():
        print(f"errors at {name}:")
        print_result(metrics, labels=METRICS)
    for name in ("nvt", "nve"):
        if name in result:
            print(f"dynamics, {name}:")
            print_result(result[name], labels=DYNAMICS)
    note(f"model: {result['model']}\nreport: {result['report']}")


@app.command(
    rich_help_panel=PANEL,
    epilog="Example: adiabat sample molecules.smi --per-molecule 24 --out structures.xyz",
)
def sample(
    molecules: Annotated[
        Path,
        typer.Argument(
            metavar="MOLECULES",
            help='SMILES strings, one on each line, or a CSV file with a column "smiles".',
            show_default=False,
        ),
    ],
    out: OutFile,
    per_molecule: Annotated[int, typer.Option(metavar="N", min=1, help="Structures of each.")] = 20,
    seed: Seed = None,
    force: ForceFile = False,
    json: Json = False,
) -> None:
    """Structures of many molecules without labels, for a general model: conformers, vibrations, torsions.

    What RDKit cannot build is skipped, with the reason. Go on with [b]adiabat label[/b].
    """
    from adiabat.tasks.sample import sample as task

    result = task(molecules, out=out, per_molecule=per_molecule, seed=seed or 0, force=force)
    print_result(result, json, labels=SAMPLING)


@app.command(
    rich_help_panel=PANEL, epilog="Example: adiabat label structures.xyz --method gfn2 --out labelled.xyz"
)
def label(
    structures: Structures,
    out: OutFile,
    method: Annotated[str, typer.Option(help="gfn2, gfn1, emt, lj, or one from another package.")] = "gfn2",
    charge: Annotated[
        int | None,
        typer.Option(metavar="N", help="Of every structure [e].", show_default="as the file says, or 0"),
    ] = None,
    spin: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="Unpaired electrons.", show_default="as the file says, or 0"),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a stopped run ended.")] = False,
    force: ForceFile = False,
    json: Json = False,
) -> None:
    """Label structures with energies and forces of a reference method.

    What the method fails on is written to FILE.failed.xyz with the reason.
    """
    from adiabat.tasks.label import label as task

    result = task(structures, method=method, out=out, charge=charge, spin=spin, resume=resume, force=force)
    print_result(result, json, labels=LABELLING)


@app.command(
    rich_help_panel=PANEL, epilog="Example: adiabat train --data water.xyz --minutes 20 --out run-water"
)
def train(
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE", help="Structures with energies and forces; may be repeated.", show_default=False
        ),
    ] = None,
    head: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE",
            help="Labels of another method, learned beside; makes model-NAME.safetensors; may be repeated.",
            show_default=False,
        ),
    ] = None,
    valid: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Chooses among the weights.", show_default="5 % of the data"),
    ] = None,
    test: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Its errors are reported; may be repeated.", show_default=False),
    ] = None,
    scan: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Frames along a torsion or reaction, whose energies are compared; may be repeated.",
            show_default=False,
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(metavar="M", help="Wall-clock time of the whole training.", show_default="8"),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Instead of --minutes.", show_default=False)
    ] = None,
    start: From = None,
    keep: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Structures of which what the model of --from says is not forgotten; makes "
            "model-kept.safetensors.",
            show_default=False,
        ),
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="fast|accurate", help="Of the network.", show_default="accurate")
    ] = None,
    long_range: Annotated[
        bool,
        typer.Option(
            "--long-range", help="Learn charges of the atoms, with their Coulomb energy at all distances."
        ),
    ] = False,
    seed: Seed = None,
    config: Config = None,
    set_: Set = None,
    out: RunOut = Path("run-train"),
    resume: Resume = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """Train a model on labelled structures.

    The data is checked first. Writes RUN with model.safetensors and report.html.

    Labels under unusual keys: --set data.energy_key=KEY.
    """
    from adiabat.base import ConfigError

    if config is None and not set_ and not data:
        raise ConfigError("train needs --data FILE, or --config FILE.toml", "see adiabat train --help")
    from adiabat.networks import of_size
    from adiabat.tasks.templates import settings
    from adiabat.tasks.train import train as task

    given = {
        "data": {
            "train": data,
            "heads": _heads(head or []),
            "valid": valid,
            "test": test,
            "scan": scan,
            "keep": keep,
        },
        "model": {} if size is None else of_size(size),
        "training": {
            "minutes": minutes,
            "steps": steps,
            "seed": seed,
            "start": start,
            "long_range": long_range or None,
        },
    }
    chosen = settings("train", config, given, set_ or [])
    result = task(config=chosen, out=out, resume=resume, force=force)
    summary = {"out": str(out), "steps": result.steps, "minutes": result.minutes, "metrics": result.metrics}
    _print_trained(summary, json)


def _heads(given: list[str]) -> dict[str, list[str]] | None:
    """The files of each head, from NAME=FILE; none where none are given."""
    from adiabat.base import ConfigError

    found: dict[str, list[str]] = {}
    for entry in given:
        name, equals, file = entry.partition("=")
        if not (name and equals and file):
            raise ConfigError(
                f"--head {entry} is not of the form NAME=FILE", "such as --head gfn2=labelled.xyz"
            )
        found.setdefault(name, []).append(file)
    return found or None


@app.command(
    rich_help_panel=PANEL, epilog="Example: adiabat distill run-train train.xyz --minutes 10 --out run-fast"
)
def distill(
    model: Model,
    structures: Structures,
    size: Annotated[str, typer.Option(metavar="fast|accurate|inner", help="Of the new model.")] = "fast",
    frames: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=20,
            help="Structures that the model labels.",
            show_default="3000, fewer large ones",
        ),
    ] = None,
    minutes: Annotated[float, typer.Option(metavar="M", help="Wall-clock time of the training.")] = 8.0,
    steps: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Instead of --minutes.", show_default=False)
    ] = None,
    seed: Seed = None,
    out: RunOut = Path("run-distill"),
    resume: Resume = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """Fit a fast model to what another one says.

    Simulates with MODEL from STRUCTURES at 300, 600 and 900 K, and trains on its energies and forces.
    """
    from adiabat.tasks.distill import distill as task

    options = {"size": size, "frames": frames, "minutes": minutes, "steps": steps, "seed": seed or 0}
    result = task(model, structures, out=out, resume=resume, force=force, **options)  # pyright: ignore[reportArgumentType]
    _print_trained({"out": str(out), "metrics": result.metrics}, json)


def _print_trained(summary: dict[str, Any], as_json: bool) -> None:
    """Errors of every set, and where model and report are."""
    if as_json:
        print_result(summary, as_json=True)
        return
    for name, metrics in summary["metrics"].items():
        print(f"errors on {name}:")
        print_result(metrics, labels=METRICS)
    folder = Path(summary["out"])
    note(f"model: {folder / 'model.safetensors'}\nreport: {folder / 'report.html'}")
