"""`adiabat analyze`: what a run found, in numbers, and its report written anew."""

import dataclasses
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adiabat.base import AdiabatError, ConfigError, DataError
from adiabat.base.runs import RunFolder

if TYPE_CHECKING:
    from adiabat.data import Sample
    from adiabat.io.trajectory import Trajectory
    from adiabat.report.measurements import Measurements
    from adiabat.system import System

logger = logging.getLogger(__name__)
REPORT_NAME = "report.html"
_MAX_SHOWN = 4  # kinds of replicas that the page has sections of


def analyze(
    run: str | os.PathLike,
    *,
    reference: str | os.PathLike | None = None,
    viscosity: float | None = None,
    out: str | os.PathLike | None = None,
) -> dict[str, Any]:
    """Key numbers of a run, with error bars, and its report.

    Args:
        run: the folder of `adiabat md`, `train` or `learn`; a `trajectory.h5`; or any file with the frames of
            one system, wrapped into the cell or not, whose times [fs] are `time` of each frame; without them
            what needs times is left out.
        reference: structures to compare the bonds of a simulation with; by default those that the model of
            the run was trained on, where they are still in place.
        viscosity: of the liquid [mPa s], from experiment or a simulation of its own, with which diffusion is
            corrected for the size of a cubic cell.
        out: the report; by default `report.html` in the folder, `NAME_report.html` beside a file.

    Returns:
        For a simulation `length_ps`, `frames`, `n_atoms`; `drift_ev_per_atom_ns` (with `drift_note` where
        the frames are too few for its error), `temperature_k`,
        `quantum_kinetic_energy_ev` of path integrals, `density_g_per_cm3`,
        `heat_capacity_kb_per_atom` (of a run with a thermostat),
        `hydrogen_bonds_per_molecule`, `hydrogen_bond_lifetime_ps` and, by label, `bond_lengths_ang`,
        `bond_angles_deg`, `diffusion_cm2_per_s`, `diffusion_from_velocities_cm2_per_s`, each with its
        standard error in `..._error`; `fragments` (first and last), `fragmented_at_ps`; by pair
        `radial_peaks_ang` and `coordination`; `finite_size_correction_cm2_per_s`, to be added to a diffusion
        coefficient, and the `viscosity_mpa_s` it was made with; `diffusion_slowed_by_thermostat`, the share
        of the friction by element; `vibrational_peaks_per_cm`, `infrared_peaks_per_cm`, the
        `highest_wavenumber_per_cm` that the frames show and the `line_width_per_cm`; `warnings`, sentences on
        what the numbers cannot mean; and `curves`, see `adiabat.tasks.measure.curves`. For a training
        `metrics` by set. For a run of `learn` both, the simulations under their names. Always `report`; what
        there is no number for is left out.

    Raises:
        DataError: no run, no frames, a damaged file, or frames of different systems.
        ConfigError: a run that there is no analysis for.
    """
    found = _analyze(Path(run), reference, viscosity, out)
    for warning in found.get("warnings", []):
        logger.warning(warning)
    return found


def _analyze(path: Path, reference: Any, viscosity: float | None, out: Any) -> dict[str, Any]:
    from adiabat.dynamics import TRAJECTORY_FILE

    if path.is_dir() and (path / TRAJECTORY_FILE).is_file() and not (path / "run.json").exists():
        path = path / TRAJECTORY_FILE  # of a replica, or of a bead
    if path.is_file():
        page = Path(out) if out else path.with_name(f"{path.stem}_report.html")
        return _analyze_file(path, reference, viscosity, page)
    folder = RunFolder.open(path)
    if folder.status != "finished":
        why = f": {folder.info['error']}" if folder.info.get("error") else ""
        logger.warning("the run in %s is not finished (%s%s)", path, folder.status, why)
    page = Path(out) if out else path / REPORT_NAME
    match folder.task:
        case "md":
            return _analyze_md(folder, reference, viscosity, page)
        case "train":
            return _analyze_train(folder, page)
        case "learn":
            return _analyze_learn(folder, page)
    raise ConfigError(
        f"there is no analysis for a run of {folder.task!r}", "give a run of md, train or learn"
    )


def _analyze_md(folder: RunFolder, reference: Any, viscosity: float | None, out: Path) -> dict[str, Any]:
    from adiabat.dynamics import TRAJECTORY_FILE
    from adiabat.report import Page, provenance_sections
    from adiabat.tasks.measure import curves, dynamics_numbers
    from adiabat.tasks.motions import title_of

    if "replicas" in folder.config:
        return _analyze_replicas(folder, reference, viscosity, out)
    model = folder.config.get("model")
    measured = _measured(folder.path / TRAJECTORY_FILE, model, viscosity)
    title = title_of(folder.config)
    page = Page(f"Molecular dynamics, {folder.path.name}", f"{_formula(measured.motion.numbers)} · {title}")
    page.add(*_sections(title, measured, _references(reference, model)))
    page.add(*provenance_sections(folder.provenance))
    numbers = dynamics_numbers(measured)
    return {"task": "md", **numbers, "report": str(page.write(out)), "curves": curves(measured)}


def _analyze_replicas(
    folder: RunFolder, reference: Any, viscosity: float | None, out: Path
) -> dict[str, Any]:
    from adiabat.report import Page, provenance_sections
    from adiabat.report.measurements import Measurements
    from adiabat.sampling.read_run import trajectory_files
    from adiabat.tasks.measure import curves, dynamics_numbers, mean_spectra, peaks, spectra_of
    from adiabat.tasks.replica_means import alike, means, rungs, section

    files, model = trajectory_files(folder.path), folder.config.get("model")
    samples = _references(reference, model)
    shown, groups, drawn, spectra = [], {}, {}, {}
    if folder.config.get("exchange_every"):
        parts = ((title, title, Measurements(motion, viscosity)) for title, motion in rungs(folder, files))
    else:
        parts = (
            (title, f"{title}, {file.parent.name}", _measured(file, model, viscosity))
            for title, same in alike(files).items()
            for file in same
        )
    formula = ""
    for title, name, measured in parts:
        if title not in groups and len(groups) < _MAX_SHOWN:
            formula = formula or _formula(measured.motion.numbers)
            shown += _sections(name, measured, samples)
        groups.setdefault(title, []).append(dynamics_numbers(measured))
        drawn.setdefault(title, []).append(curves(measured))
        spectra.setdefault(title, []).append(spectra_of(measured))
    warnings = {line: None for rows in groups.values() for row in rows for line in row.pop("warnings", [])}
    found = {title: means(rows) if len(rows) > 1 else rows[0] for title, rows in groups.items()}
    for title, rows in spectra.items():
        found[title] |= peaks(mean_spectra(rows))  # of their mean: lists of lines may differ in length
    lines = {title: means(rows) if len(rows) > 1 else rows[0] for title, rows in drawn.items()}
    page = Page(f"Molecular dynamics, {folder.path.name}", f"{formula} · {len(files)} replicas")
    page.add(section(groups), *shown, *provenance_sections(folder.provenance))
    [first, *others] = found
    return {
        "task": "md",
        "replicas": len(files),
        **({"at": found} if others else found[first]),
        **({"warnings": list(warnings)} if warnings else {}),
        "report": str(page.write(out)),
        **(
            {}
            if folder.config.get("exchange_every")
            else {"each": [r for rows in groups.values() for r in rows]}
        ),
        "curves": lines if others else lines[first],
    }


def _measured(path: Path, model: Any, viscosity: float | None) -> "Measurements":
    """Of a trajectory of a run, with dipoles where its model has them."""
    from adiabat.io.trajectory import read_trajectory
    from adiabat.report.measurements import Measurements
    from adiabat.tasks.motions import trajectory_motion

    motion = trajectory_motion(path)
    dipoles = None if model is None else _dipoles(model, read_trajectory(path))
    return Measurements(dataclasses.replace(motion, dipoles=dipoles), viscosity)


def _analyze_train(folder: RunFolder, out: Path) -> dict[str, Any]:
    from adiabat.base.schema import build
    from adiabat.data import describe
    from adiabat.networks import load_model
    from adiabat.report import Page, data_sections, provenance_sections, training_sections
    from adiabat.tasks.precision import enable
    from adiabat.tasks.train import DataOptions, evaluate_sets, read_sets

    enable()
    potential = load_model(folder.path)
    options = build(DataOptions, folder.config["data"], where="data")
    sets, _ = read_sets(options, folder.info["seed"], potential.cutoff)
    evaluations = evaluate_sets(potential, sets, options)
    checks = [line for line in folder.read("log") if line.get("event") == "preflight"]
    page = Page(f"Training of {folder.path.name}", f"{len(sets['train'])} structures")
    history = folder.read("metrics")
    page.add(*training_sections(history=history, evaluations=evaluations, summary=potential.summary))
    page.add(*data_sections(describe(sets["train"]), checks[-1].get("findings", []) if checks else []))
    page.add(*provenance_sections(folder.provenance))
    metrics = {name: evaluation.metrics for name, evaluation in evaluations.items()}
    return {"task": "train", "metrics": metrics, "report": str(page.write(out))}


def _analyze_learn(folder: RunFolder, out: Path) -> dict[str, Any]:
    from adiabat.data import describe, read_samples
    from adiabat.dynamics import TRAJECTORY_FILE
    from adiabat.networks import load_model
    from adiabat.report.measurements import Measurements
    from adiabat.tasks import learning, learning_report
    from adiabat.tasks.measure import dynamics_numbers
    from adiabat.tasks.motions import trajectory_motion
    from adiabat.tasks.precision import enable
    from adiabat.training import evaluate

    enable()
    potential = load_model(folder.path)
    cold = folder.config["temperature"]
    files = {f"{kelvin:g} K": folder.path / f"test_{kelvin:g}K.xyz" for kelvin in (cold, 2 * cold)}
    tests = {name: read_samples(file) for name, file in files.items()}
    evaluations = {name: evaluate(potential, samples) for name, samples in tests.items()}
    train = read_samples(folder.path / learning.TRAIN)
    learning_report.write(
        out,
        run=folder,
        potential=potential,
        evaluations=evaluations,
        minima=read_samples(folder.path / learning.STRUCTURES),
        train=train,
        valid=read_samples(folder.path / learning.VALID),
        description=describe(train),
        failure=folder.info.get("error"),
    )
    found: dict[str, Any] = {"task": "learn"}
    found["metrics"] = {name: evaluation.metrics for name, evaluation in evaluations.items()}
    for name in (learning.NVT, learning.NVE):
        file = folder.path / name / TRAJECTORY_FILE
        if file.exists():
            found[name] = dynamics_numbers(Measurements(trajectory_motion(file)))
    return {**found, "report": str(out)}


def _analyze_file(path: Path, reference: Any, viscosity: float | None, out: Path) -> dict[str, Any]:
    from adiabat.report import Page
    from adiabat.report.measurements import Measurements
    from adiabat.tasks.measure import curves, dynamics_numbers
    from adiabat.tasks.motions import read_motion

    measured = Measurements(read_motion(path), viscosity)
    page = Page(f"Trajectory {path.name}", _formula(measured.motion.numbers))
    page.add(*_sections(path.stem, measured, _references(reference, None)))
    numbers = dynamics_numbers(measured)
    return {"task": "file", **numbers, "report": str(page.write(out)), "curves": curves(measured)}


def _dipoles(model: Any, trajectory: "Trajectory") -> np.ndarray | None:
    """Along a run, where its model is still in place and has charges."""
    from adiabat.tasks.dipoles import trajectory_dipoles
    from adiabat.tasks.load import load
    from adiabat.tasks.precision import enable

    if model is None or not Path(str(model)).exists() or any(trajectory.template.pbc):
        return None
    try:
        enable()
        return trajectory_dipoles(load(str(model)), trajectory)
    except AdiabatError:  # another model has taken its place: the spectrum is left out
        return None


def _sections(title: str, measured: "Measurements", samples: "Sequence[Sample] | None") -> list[Any]:
    from adiabat.report import dynamics_sections

    return dynamics_sections(
        title=title,
        numbers=measured.motion.numbers,
        trajectory=measured.motion,
        measurements=measured,
        reference_positions=None if samples is None else [np.asarray(s.system.positions) for s in samples],
        reference_cells=None if samples is None else [_cell(s.system) for s in samples],
    )


def _cell(system: "System") -> np.ndarray:
    from adiabat.system import repeating_cell

    found = repeating_cell(np.asarray(system.cell), system.pbc)
    return np.zeros((3, 3)) if found is None else found


def _references(reference: str | os.PathLike | None, model: Any) -> "list[Sample] | None":
    """The structures of the file given, or those the model's run was trained on, where it still has them."""
    from adiabat.data import read_samples

    if reference is not None:
        return read_samples(reference, require=())
    if model is None or not Path(str(model)).is_dir():
        return None
    try:
        folder = RunFolder.open(str(model))
        files = folder.config["data"]["train"] if folder.task == "train" else [str(folder.path / "train.xyz")]
        return read_samples(files, require=())
    except (DataError, KeyError):  # moved or removed since: the comparison is left out
        return None


def _formula(numbers: np.ndarray) -> str:
    from ase.formula import Formula
    from ase.symbols import Symbols

    return Formula(str(Symbols(numbers))).format("hill")
