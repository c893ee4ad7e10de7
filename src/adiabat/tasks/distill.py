"""`adiabat distill`: a small, fast model of what a large one says."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from adiabat.base import ConfigError
from adiabat.base.runs import RunFolder
from adiabat.data import Sample, read_samples, split, write_samples
from adiabat.networks import MODEL_NAME, load_model, of_size, save_model
from adiabat.tasks.precision import enable
from adiabat.tasks.train import REPORT_NAME
from adiabat.tasks.visited import visited
from adiabat.training import Evaluation, Trainer, TrainingOptions, evaluate

if TYPE_CHECKING:
    from adiabat.networks import LearnedPotential
    from adiabat.system import System

TAUGHT = "taught.xyz"
RECORD_EVERY = 100  # steps
# Atoms that the teacher labels in all, and between what numbers of structures: a box of water would take an
# hour to give 3,000 of them.
TAUGHT_ATOMS, TAUGHT_FRAMES = 60_000, (300, 3000)
# At most so many trajectories; each compiles the forces of a new structure's size.
MAX_TRAJECTORIES = 12
# Hotter than what is simulated, so that the student has seen what it may come to.
TEMPERATURES = (300.0, 600.0, 900.0)


@dataclass(frozen=True)
class Distilled:
    """A finished distillation.

    Attributes:
        potential: the student.
        metrics: errors against the teacher ("teacher", frames that were held out) and, where the structures
            came with labels, of student and teacher against those ("labels", "labels, teacher").
        folder: of the run.
    """

    potential: "LearnedPotential"
    metrics: dict[str, dict[str, float | int]]
    folder: Path


def distill(
    teacher: str | os.PathLike,
    structures: str | os.PathLike,
    *,
    out: str | os.PathLike,
    size: Literal["fast", "accurate", "inner"] = "fast",
    frames: int | None = None,
    temperatures: Sequence[float] = TEMPERATURES,
    minutes: float | None = 8.0,
    steps: int | None = None,
    seed: int = 0,
    resume: bool = False,
    force: bool = False,
) -> Distilled:
    """Simulates with a model from given structures, and fits another network to what it says on the way.

    Args:
        teacher: a model file or a run folder.
        structures: where the simulations start; labels in it are compared with in the end.
        out: the run folder.
        size: of the student; "inner" is for short steps between those of the teacher
            (`adiabat.MultipleTimeSteps`).
        frames: structures that the teacher labels, those of the file included; by default 3,000, fewer of
            more than 20 atoms: as many as have 60,000 together, at least 300.
        temperatures: of the simulations [K], in turn.
        minutes: wall-clock time of the student's training.
        steps: number of training steps, instead of minutes.
        seed: of everything random.
        resume: go on with the run in the folder.
        force: start over in a folder that holds a run.

    Raises:
        ConfigError: an unknown size, or fewer than 20 frames.
        DataError: a file that cannot be read.
        UnsupportedError: an element the teacher does not know.
        SimulationError: no simulation with the teacher got anywhere.
        ConvergenceError: the training diverged.
    """
    shape = of_size(size)
    if (frames is not None and frames < 20) or not temperatures or min(temperatures) <= 0:
        raise ConfigError("distilling needs at least 20 frames, and temperatures above zero")
    environment = enable()
    given = read_samples(structures, require=())
    if frames is None:
        mean = float(np.mean([sample.n_atoms for sample in given]))
        frames = int(np.clip(TAUGHT_ATOMS / mean, *TAUGHT_FRAMES))
    config = {
        "teacher": os.fspath(teacher),
        "structures": os.fspath(structures),
        "size": size,
        "frames": frames,
        "temperatures": [float(t) for t in temperatures],
        "training": {"seed": seed, **({"steps": steps} if steps else {"minutes": minutes})},
    }
    with RunFolder.create(
        out, "distill", config, resume=resume, force=force, seed=seed, makes=(TAUGHT,)
    ) as run:
        run.note(**environment)
        master = load_model(teacher)
        path = run.path / TAUGHT
        if not path.exists():
            write_samples(path, taught_frames(master, [s.system for s in given], frames, temperatures, seed))
        taught = read_samples(path)
        stride = max(10, len(taught) // 300)
        held_out = taught[::stride]
        rest = [sample for k, sample in enumerate(taught) if k % stride]
        train, valid = split(rest, 0.05, seed=seed)
        trainer = Trainer(
            train,
            valid,
            network={"kind": master.network.kind, "cutoff": master.cutoff, **shape},
            options=TrainingOptions(minutes=None if steps else minutes, steps=steps, seed=seed),
            run=run,
            isolated_atoms=dict(zip(master.elements, master.references.tolist(), strict=True)),
        )
        student = trainer.fit()
        evaluations = _evaluations(master, student, given, held_out)
        return _finish(run, student, evaluations, train)


def taught_frames(
    teacher: "LearnedPotential",
    systems: "Sequence[System]",
    frames: int,
    temperatures: Sequence[float],
    seed: int,
) -> list[Sample]:
    """The structures and frames of simulations from them, with the teacher's labels.

    Raises:
        SimulationError: all simulations failed.
        UnsupportedError: an element the teacher does not know.
    """
    found = visited(
        teacher,
        systems,
        frames,
        temperatures,
        every=RECORD_EVERY,
        trajectories=MAX_TRAJECTORIES,
        seed=seed,
    )
    samples = evaluate(teacher, [Sample(system) for system in found]).predicted()
    chosen = np.random.default_rng(seed).permutation(len(samples))[:frames]
    return [samples[k] for k in chosen]


def _evaluations(
    teacher: "LearnedPotential", student: "LearnedPotential", given: list[Sample], held_out: list[Sample]
) -> dict[str, Evaluation]:
    """The student against the teacher, and both against the labels that were given, if any."""
    found = {"teacher": evaluate(student, held_out)}
    labelled = [s for s in given if s.energy is not None or s.forces is not None]
    if labelled:
        found |= {"labels": evaluate(student, labelled), "labels, teacher": evaluate(teacher, labelled)}
    return found


def _finish(
    run: RunFolder, student: "LearnedPotential", evaluations: dict[str, Evaluation], train: Sequence[Sample]
) -> Distilled:
    """The model, its errors and the report."""
    from adiabat.report import Page, provenance_sections, training_sections

    metrics = {name: evaluation.metrics for name, evaluation in evaluations.items()}
    training = {"n_structures": len(train), "teacher": run.config["teacher"], "steps": run.results["steps"]}
    student = student.with_summary({"training": training, "errors": metrics})
    save_model(run.path / MODEL_NAME, student)
    run.result(metrics=metrics)
    page = Page(f"Distilled from {Path(run.config['teacher']).name}", f"{len(train)} structures")
    page.add(
        *training_sections(history=run.read("metrics"), evaluations=evaluations, summary=student.summary)
    )
    page.add(*provenance_sections(run.provenance))
    page.write(run.path / REPORT_NAME)
    return Distilled(student, metrics, run.path)
