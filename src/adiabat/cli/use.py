"""Commands that use a model."""

from pathlib import Path
from typing import Annotated, Any

import typer

from adiabat.cli.app import app
from adiabat.cli.labels import DYNAMICS, LAMMPS, LEARNED_VARIABLES, METRICS, REPLICAS
from adiabat.cli.options import (
    Config,
    Force,
    ForceFile,
    Json,
    KeyName,
    Model,
    OutFile,
    Resume,
    RunOut,
    Seed,
    Set,
    Structure,
    Structures,
    atom_numbers,
    option_of,
    variables_option,
)
from adiabat.cli.output import note, print_result, settings

PANEL = "Use a model"


@app.command(rich_help_panel=PANEL, epilog="Example: adiabat evaluate run-train test.xyz --json")
def evaluate(
    model: Model,
    data: Annotated[
        Path,
        typer.Argument(metavar="DATA", help="Structures with energies, forces or both.", show_default=False),
    ],
    energy_key: KeyName = None,
    forces_key: KeyName = None,
    stress_key: KeyName = None,
    dipole_key: KeyName = None,
    scan: Annotated[
        bool, typer.Option("--scan", help="The frames follow a path: compare the energies along it, too.")
    ] = False,
    json: Json = False,
) -> None:
    """Errors of a model on labelled structures."""
    from adiabat.tasks.evaluate import evaluate as task

    keys = {"energy_key": energy_key, "forces_key": forces_key}
    keys |= {"stress_key": stress_key, "dipole_key": dipole_key}
    print_result(task(model, data, **keys, scan=scan).metrics, json, labels=METRICS)


@app.command(rich_help_panel=PANEL, epilog="Example: adiabat predict run-train new.xyz --out predicted.xyz")
def predict(
    model: Model, structures: Structures, out: OutFile, force: ForceFile = False, json: Json = False
) -> None:
    """Energies, forces, stresses and dipoles of structures, written as extxyz."""
    from adiabat.tasks.predict import predict as task

    print_result({"out": str(task(model, structures, out=out, force=force))}, json)


@app.command(rich_help_panel=PANEL, epilog="Example: adiabat relax run-train start.xyz --out minimum.xyz")
def relax(
    model: Model,
    structure: Structure,
    out: OutFile,
    cell: Annotated[bool, typer.Option("--cell", help="Relax the cell too, at zero pressure.")] = False,
    fmax: Annotated[
        float, option_of("force", "--fmax", "Largest force left (a bare number: eV/Å).", "0.01 eV/Å")
    ] = "0.01 eV/Å",  # pyright: ignore[reportArgumentType]
    max_steps: Annotated[int, typer.Option(metavar="N", min=1, help="Give up after so many.")] = 2000,
    force: ForceFile = False,
    json: Json = False,
) -> None:
    """Relax a structure to the next minimum of the energy; exit code 3 when it does not get there."""
    from adiabat.tasks.relax import relax as task

    found = task(model, structure, out=out, cell=cell, fmax=fmax, max_steps=max_steps, force=force)
    result = {"out": str(out), "energy_ev": found.energy, "fmax_ev_per_ang": found.fmax, "steps": found.steps}
    labels = {
        "energy_ev": "energy [eV]",
        "fmax_ev_per_ang": "largest force [eV/Å]",
        "steps": "steps",
        "out": "out",
    }
    print_result(result, json, labels=labels)


@app.command(
    rich_help_panel=PANEL,
    epilog='Example: adiabat md run-learn water.xyz --temperature "350 K" --steps 20000 --out hot',
)
def md(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL", help="A model file, a run folder or a potential file.", show_default=False
        ),
    ] = None,
    structure: Annotated[
        str | None,
        typer.Argument(
            metavar="STRUCTURE", help="A structure file; FILE@3 is its frame 3.", show_default=False
        ),
    ] = None,
    ensemble: Annotated[
        str | None,
        typer.Option(
            metavar="nve|nvt|npt|pimd",
            help="Constant energy, temperature, or temperature and pressure; or quantum nuclei.",
            show_default="nvt",
        ),
    ] = None,
    temperature: Annotated[
        float | None,
        option_of(
            "temperature",
            "--temperature",
            "Of thermostat and starting velocities (a bare number: K).",
            "300 K",
        ),
    ] = None,
    timestep: Annotated[
        float | None, option_of("time", "--timestep", "Of one step (a bare number: fs).", "0.5 fs")
    ] = None,
    friction: Annotated[
        float | None,
        option_of("friction", "--friction", "Of the thermostat (a bare number: 1/fs).", "0.01 1/fs"),
    ] = None,
    pressure: Annotated[
        float | None, option_of("pressure", "--pressure", "For npt (a bare number: GPa).", "1 bar")
    ] = None,
    thermostat: Annotated[
        str | None,
        typer.Option(
            metavar="KIND", help="langevin, velocity_rescaling or nose_hoover.", show_default="langevin"
        ),
    ] = None,
    barostat: Annotated[
        str | None,
        typer.Option(
            metavar="KIND", help="For npt: cell_rescaling or monte_carlo.", show_default="cell_rescaling"
        ),
    ] = None,
    beads: Annotated[
        int | None,
        typer.Option(
            metavar="P", min=1, help="For pimd: copies that make a quantum atom.", show_default="32"
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="How many in all.", show_default=False)
    ] = None,
    record_every: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Steps between recorded frames.", show_default="10")
    ] = None,
    seed: Seed = None,
    replicas: Annotated[
        int | None,
        typer.Option(
            metavar="R",
            min=1,
            help="Copies to run at once, with seeds that follow; each frame of FILE@: is a start.",
            show_default="1",
        ),
    ] = None,
    temperatures: Annotated[
        str | None,
        typer.Option(metavar="T,T,...", help='Of the replicas in turn: "300 K, 350 K".', show_default=False),
    ] = None,
    exchange_every: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Replicas try to swap ascending temperatures.", show_default="never"
        ),
    ] = None,
    solute: Annotated[
        str | None,
        typer.Option(
            metavar="ATOMS",
            help='Which atoms the temperatures are of, numbered from 0: "0-21,30".',
            show_default="all",
        ),
    ] = None,
    constraints: Annotated[
        str | None,
        typer.Option(
            metavar="none|hydrogens|water|hydrogens+water",
            help="Fixed lengths: bonds to hydrogen, rigid water, or both.",
            show_default="none",
        ),
    ] = None,
    hydrogen_mass: Annotated[
        float | None,
        option_of("mass", "--hydrogen-mass", "Taken from the atoms bonded to it (a bare number: amu)."),
    ] = None,
    inner: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="A cheap model for steps within each step.", show_default=False),
    ] = None,
    inner_steps: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="How many of these.", show_default="4")
    ] = None,
    config: Config = None,
    set_: Set = None,
    out: RunOut = Path("run-md"),
    resume: Resume = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """Molecular dynamics with a model.

    Writes RUN with trajectory.h5. An exploded system ends with exit code 3, its frames saved.

    With --resume, --steps is the new total. All settings, of thermostat, barostat and bias: adiabat new md.
    """
    from adiabat.base import ConfigError
    from adiabat.base.schema import build_kind
    from adiabat.base.units import parse
    from adiabat.dynamics import barostats, integrators
    from adiabat.tasks.md import build_bias, choose_kinds
    from adiabat.tasks.md import md as task
    from adiabat.tasks.replicas import md_replicas, of_replicas
    from adiabat.tasks.rerun import recorded
    from adiabat.tasks.templates import settings

    if config is None and not set_ and None in (model, structure, steps):
        raise ConfigError(
            "md needs MODEL, STRUCTURE and --steps, or --config FILE.toml", "see adiabat md --help"
        )
    top = {"model": model, "structure": structure, "steps": steps, "record_every": record_every, "seed": seed}
    kelvins = [parse(one, "temperature") for one in temperatures.split(",")] if temperatures else None
    top |= {"replicas": replicas, "temperatures": kelvins, "exchange_every": exchange_every}
    top |= {"solute": atom_numbers(solute) if solute else None, "constraints": constraints}
    top |= {"hydrogen_mass": hydrogen_mass, "inner": inner, "inner_steps": inner_steps}
    moves: dict[str, Any] = {"temperature": temperature, "timestep": timestep, "friction": friction}
    moves["beads"] = beads
    presses: dict[str, Any] = {"pressure": pressure}
    if any(value is not None for value in (ensemble, thermostat, barostat, pressure, beads)):
        moves["kind"], presses["kind"] = choose_kinds(ensemble, thermostat, barostat, pressure, beads)
    chosen = settings("md", config, {"": top, "integrator": moves, "barostat": presses}, set_ or [])
    chosen["integrator"] = build_kind(integrators, chosen["integrator"], "integrator")
    chosen["barostat"] = build_kind(barostats, chosen["barostat"], "barostat")
    tables = chosen.pop("variables")
    chosen["recorded"] = recorded(chosen["bias"], tables)
    chosen["bias"] = build_bias(chosen["bias"], tables)
    if chosen["hydrogen_mass"] is not None:
        chosen["hydrogen_mass"] = parse(chosen["hydrogen_mass"], "mass")
    chosen |= {"out": out, "resume": resume, "force": force}
    several = chosen["temperatures"] or isinstance(chosen["bias"], list)
    if chosen["replicas"] > 1 or several or chosen["structure"].endswith("@:"):
        runs = md_replicas(**chosen)
        print_result({"out": str(out), **of_replicas(runs)}, json, labels=REPLICAS)
        note(f"see: adiabat analyze {out}")
        return
    if chosen["exchange_every"]:
        raise ConfigError("one replica has none to exchange with", 'give --temperatures "300 K, 350 K, ..."')
    if chosen["solute"]:
        raise ConfigError("a solute is for replicas", 'give --temperatures "300 K, 350 K, ..."')
    for name in ("replicas", "temperatures", "exchange_every", "solute"):
        del chosen[name]
    run = task(**chosen)
    print_result({"out": str(out), **run.summary}, json, labels=DYNAMICS)
    note(f"see: adiabat analyze {out}")


@app.command(
    rich_help_panel=PANEL, epilog='Example: adiabat variables run-md --lag "5 ps" --out slow.safetensors'
)
def variables(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN",
            help="Folders of md, or their trajectory.h5, of the same atoms.",
            show_default=False,
        ),
    ],
    lag: Annotated[
        float,
        option_of("time", "--lag", "Between the two times that are compared (a bare number: fs)."),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="FILE.safetensors", help="The file to write.", show_default=False
        ),
    ],
    seen: Annotated[
        Path | None,
        variables_option("What is seen of a structure", "the torsions"),
    ] = None,
    kind: Annotated[
        str,
        typer.Option(metavar="tica|vamp", help="Linear combinations of what is seen, or a network."),
    ] = "tica",
    modes: Annotated[int, typer.Option(metavar="N", min=1, help="How many of the slowest.")] = 1,
    seed: Seed = None,
    force: ForceFile = False,
    json: Json = False,
) -> None:
    """Learn the slowest collective variables from simulations, for a bias on them.

    In the settings of md they are \\[\\[variables]] with kind = "learned" and file = FILE.
    """
    from adiabat.tasks.variables import variables as task

    options = {"kind": kind, "modes": modes, "seed": seed or 0, "force": force}
    print_result(task(runs, lag=lag, out=out, seen=seen, **options), json, labels=LEARNED_VARIABLES)


@app.command(rich_help_panel=PANEL, epilog="Example: adiabat lammps run-learn water.data in.lmp --ranks 4")
def lammps(
    model: Model,
    data: Annotated[
        Path,
        typer.Argument(metavar="DATA", help="A data file of LAMMPS in metal units.", show_default=False),
    ],
    script: Annotated[
        Path,
        typer.Argument(metavar="SCRIPT", help="What LAMMPS does once it has read DATA.", show_default=False),
    ],
    elements: Annotated[
        str | None,
        typer.Option(metavar="A,B,...", help="Of the atom types in turn.", show_default="from the masses"),
    ] = None,
    ranks: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Processes to start, each with a part of the box.", show_default="1"
        ),
    ] = None,
    log: Annotated[Path, typer.Option(metavar="FILE", help="Where LAMMPS writes its log.")] = Path(
        "log.lammps"
    ),
    json: Json = False,
) -> None:
    """Molecular dynamics by LAMMPS with the forces of a model, on many processes for large systems.

    SCRIPT goes on after units, atom_style, read_data and the fix with the forces: velocities, fixes, run.

    On several machines: mpirun -n N adiabat lammps ... instead of --ranks.
    """
    from adiabat.tasks.lammps import lammps as task
    from adiabat.tasks.lammps import lammps_on_ranks

    if ranks is not None:
        options = {"--elements": elements, "--log": log}
        given = [str(x) for pair in options.items() if pair[1] is not None for x in pair]
        switches = {"--json": json, "--quiet": settings.quiet, "--debug": settings.debug}
        given += [name for name, on in switches.items() if on]
        raise typer.Exit(lammps_on_ranks(ranks, [model, str(data), str(script), *given]))
    symbols = elements.split(",") if elements else None
    screen = not (json or settings.quiet)
    found = task(model, data, script, elements=symbols, log=log, screen=screen)
    if found is not None:
        print_result(found, json, labels=LAMMPS)


@app.command(rich_help_panel=PANEL, epilog="Example: adiabat ipi run-learn start.xyz --unix water")
def ipi(
    model: Model,
    structure: Structure,
    unix: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Address of a server on this machine.", show_default=False),
    ] = None,
    host: Annotated[str, typer.Option(metavar="HOST", help="Machine of another server.")] = "localhost",
    port: Annotated[int, typer.Option(metavar="PORT", min=1, help="Where it listens.")] = 31415,
    json: Json = False,
) -> None:
    """Give a running i-PI (or any server with its protocol) the forces of a model, until it ends.

    STRUCTURE has the atoms in i-PI's order, and is periodic if they are.
    """
    from adiabat.tasks.ipi import ipi as task

    print_result({"evaluations": task(model, structure, unix=unix, host=host, port=port)}, json)
