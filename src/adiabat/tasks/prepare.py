"""What a network learns of a training set's molecules before it sees their labels: GFN2-xTB's."""

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from adiabat.base import AdiabatError
from adiabat.base.progress import progress
from adiabat.base.runs import RunFolder
from adiabat.data import Sample, write_samples
from adiabat.data.census import kinds_met
from adiabat.data.labelers import is_labelled, labelers
from adiabat.data.stored import evenly, kinds_of
from adiabat.generate.clusters import cut_clusters, pushed_protons
from adiabat.generate.filters import geometry_fault
from adiabat.generate.torsions import turnable_bonds, turned_at_random
from adiabat.networks import MODEL_NAME, LearnedPotential, load_model
from adiabat.system import System
from adiabat.tasks.visited import visited
from adiabat.training import Trainer, TrainingOptions
from adiabat.training.start import SCRATCH, general_for

logger = logging.getLogger(__name__)
METHOD = "gfn2"  # that of the general model, which runs the dynamics
# What it leaves in the folder of a training: the labels, and a run.
PREPARATION = LABELS, FOLDER = "prepared.xyz", "prepared"
# Shares of the minutes: for labels, at most, and for learning them, at least. Learning goes on for as long as
# the training on the samples, which has a limit of its own, does not need the time.
LABELLING, LEARNING = 0.07, 0.25
# Share for reading, validations and tests; and how long steps are timed [s].
AROUND, TIMING_SECONDS = 0.05, 2.0
MOST_LABELS, FEWEST_LABELS = 10_000, 300
# Structures of a few molecules only: each wants labels enough of its own.
MOST_MOLECULES = 6
TEMPERATURES = (300.0, 600.0)  # K
EVERY, TRAJECTORIES = 20, 6  # steps between frames; simulations
# This share of the structures is what dynamics would take long to come by: molecules with torsions turned to
# any angle, clusters of them with a proton on its way.
RARE = 0.2
# Dynamics starts from some of so many structures, and labels are timed by a few. Clusters are cut out of so
# many.
STARTS, TIMED, CUT = 1000, 16, 100
HARDEST = 15.0  # eV/Å


def prepared(
    run: RunFolder,
    samples: Sequence[Sample],
    network: Mapping[str, Any],
    options: TrainingOptions,
    began: float,
) -> LearnedPotential | None:
    """A potential that has learned labels of GFN2-xTB for the molecules in `samples`, and none of their own:
    of a liquid or a molecular crystal, for clusters cut out of it.

    None for other than a few neutral molecules, and where it takes too long or does not work.

    It leaves the labels in the folder of `run`, and a run of its own in a folder below.

    Args:
        run: the training's folder.
        samples: the training set.
        network: `kind` and hyper-parameters.
        options: of the whole training; its minutes go here but for those that the samples need.
        began: when the whole training did, by `time.monotonic`.
    """
    from adiabat.tasks.train import train  # it calls this function

    assert options.minutes is not None
    labels, folder = run.path / LABELS, run.path / FOLDER
    if "prepared_on" not in run.results:
        made = []
        try:
            made = _labelled(samples, options.minutes, options.seed)
        except AdiabatError as error:
            logger.warning("the network is not prepared by labels of %s: %s", METHOD, error.message)
        if made:
            write_samples(labels, made)
        run.result(prepared_on=len(made))
    if not run.results["prepared_on"]:
        return None
    if not (folder / MODEL_NAME).exists():
        if "preparing_minutes" not in run.results:
            left = options.minutes * (1 - AROUND) - (time.monotonic() - began) / 60
            spare = left - _minutes_needed(run, samples, network, options)
            run.result(preparing_minutes=max(LEARNING * options.minutes, spare))
        train(
            str(labels),
            minutes=run.results["preparing_minutes"],
            seed=options.seed,
            start=SCRATCH,
            config={"data": {"preflight": False, "dipole_key": "none"}, "model": network},
            out=folder,
            resume=True,
        )
    return load_model(folder)


def _minutes_needed(
    run: RunFolder, samples: Sequence[Sample], network: Mapping[str, Any], options: TrainingOptions
) -> float:
    """How long all the steps on the samples take that make sense."""
    trainer = Trainer(samples, samples[:1], network=network, options=options, run=run)
    _, seconds = trainer.timed_steps(TIMING_SECONDS)
    return seconds * trainer.most_steps / 60


def _labelled(samples: Sequence[Sample], minutes: float, seed: int) -> list[Sample]:
    """Labels of GFN2 on some of the structures and on frames of dynamics from them; none when they would be
    too few."""
    kinds = kinds_met(*kinds_of(samples))
    systems, rare = [samples[int(k)].system for k in evenly(len(samples), STARTS, seed)], _turned
    if any(any(kind.pbc) for kind in kinds):
        systems, rare = _clusters(systems, seed), _pushed
        samples = [Sample(system) for system in systems]
    general = general_for(samples) if systems else None
    if general is None or len(kinds) > MOST_MOLECULES:
        return []
    labeler = labelers.get(METHOD)()
    with labeler:
        seconds = labeler.seconds_each(systems[:TIMED])
        count = min(MOST_LABELS, int(60 * LABELLING * minutes / seconds))
        if count < FEWEST_LABELS:
            return []
        logger.info("the network learns these molecules by %d labels of %s first", count, METHOD)
        calm = round((1 - RARE) * count)
        found = visited(
            general, systems, calm, TEMPERATURES, every=EVERY, trajectories=TRAJECTORIES, seed=seed
        )
        found += rare(found, count - calm, seed)
        with progress(f"labelling by {METHOD}", len(found), "structures") as bar:
            made = labeler.label(found, bar)
    return [sample for sample in made if is_labelled(sample) and _is_calm(sample)]


def _clusters(systems: Sequence[System], seed: int) -> list[System]:
    """About as many clusters of molecules as dynamics starts from, out of some of the structures."""
    rng = np.random.default_rng(seed)
    chosen = [systems[int(k)] for k in evenly(len(systems), CUT, seed)]
    return [cluster for one in chosen for cluster in cut_clusters(one, -(-STARTS // len(chosen)), rng)]


def _turned(systems: Sequence[System], count: int, seed: int) -> list[System]:
    """So many of the structures, fewer where atoms would collide, with torsions turned to any angle."""
    rng = np.random.default_rng(seed)
    found = []
    for number in rng.permutation(len(systems))[:count]:
        system = systems[number]
        turnable = turnable_bonds(system)
        positions = turned_at_random(np.asarray(system.positions), turnable, rng)
        if turnable and geometry_fault(np.asarray(system.numbers), positions, pieces=1) is None:
            found.append(system.moved(positions))
    return found


def _pushed(systems: Sequence[System], count: int, seed: int) -> list[System]:
    """So many of the structures, fewer where atoms would collide, with a proton on its way."""
    rng = np.random.default_rng(seed)
    return pushed_protons([systems[number] for number in rng.permutation(len(systems))[:count]], rng)


def _is_calm(sample: Sample) -> bool:
    """False for a structure that is about to break."""
    return sample.forces is not None and float(np.abs(sample.forces).max()) < HARDEST
