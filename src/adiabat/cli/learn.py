"""Commands that make a model."""

from pathlib import Path
from typing import Annotated, Any

import typer

from adiabat.cli.app import app
from adiabat.cli.options import (
    RUN_PANEL,
    Config,
    Force,
    ForceFile,
    Json,
    OutFile,
    Resume,
    Seed,
    Set,
    Structures,
)
from adiabat.cli.output import note, print_result
from adiabat.cli.use import METRICS

PANEL = "Learn a force field"
LABEL_RESULT = {
    "n_labelled": "labelled",
    "n_failed": "failed",
    "failures": "reasons",
    "out": "out",
    "failed": "see",
}


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
    print_result(result, json, labels=LABEL_RESULT)


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
    valid: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Chooses among the weights.", show_default="5 % of the data"),
    ] = None,
    test: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Its errors are reported; may be repeated.", show_default=False),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(metavar="M", help="Wall-clock time of the whole training.", show_default="8"),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Instead of --minutes.", show_default=False)
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="fast|accurate", help="Of the network.", show_default="accurate")
    ] = None,
    seed: Seed = None,
    config: Config = None,
    set_: Set = None,
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="RUN", help="The run folder to write.", rich_help_panel=RUN_PANEL
        ),
    ] = Path("run-train"),
    resume: Resume = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """Train a model on labelled structures.

    The data is checked first. Writes RUN with model.safetensors and report.html.

    Labels under unusual keys: --set data.energy_key=KEY.
    """
    from adiabat.tasks.templates import settings
    from adiabat.tasks.train import train as task

    given = {
        "data": {"train": data, "valid": valid, "test": test},
        "model": _size(size),
        "training": {"minutes": minutes, "steps": steps, "seed": seed},
    }
    chosen = settings("train", config, given, set_ or [])
    result = task(config=chosen, out=out, resume=resume, force=force)
    summary = {"out": str(out), "steps": result.steps, "minutes": result.minutes, "metrics": result.metrics}
    if json:
        print_result(summary, as_json=True)
        return
    for name, metrics in result.metrics.items():
        print(f"errors on {name}:")
        print_result(metrics, labels=METRICS)
    note(f"model: {out / 'model.safetensors'}\nreport: {result.report}")


def _size(name: str | None) -> dict[str, Any]:
    """The settings that a size stands for."""
    from adiabat.base import ConfigError, did_you_mean

    if name is None:
        return {}
    from adiabat.networks import SIZES

    if name not in SIZES:
        raise ConfigError(f"unknown size {name!r}", hint=did_you_mean(name, SIZES))
    return SIZES[name]
