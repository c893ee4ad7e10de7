"""What the general model learns of a training set's molecules before it sees their labels: GFN2-xTB's."""

import logging
from collections.abc import Sequence

import numpy as np

from adiabat.base import AdiabatError
from adiabat.base.progress import progress
from adiabat.base.runs import RunFolder
from adiabat.data import Sample, write_samples
from adiabat.data.census import kinds_met
from adiabat.data.labelers import is_labelled, labelers
from adiabat.data.stored import evenly, kinds_of
from adiabat.networks import GENERAL, LearnedPotential, load_model
from adiabat.tasks.visited import visited

logger = logging.getLogger(__name__)
METHOD = "gfn2"  # what the general model knows
LABELS, FOLDER = "prepared.xyz", "prepared"
# Shares of the minutes: for labels, at most, and for learning them.
LABELLING, LEARNING = 0.05, 0.25
MOST_LABELS, FEWEST_LABELS = 10_000, 300
# Structures of a few molecules only: each wants labels enough of its own.
MOST_MOLECULES = 6
TEMPERATURES = (300.0, 600.0)  # K
EVERY, TRAJECTORIES = 20, 6  # steps between frames; simulations
# Dynamics starts from some of so many structures, and labels are timed by a few.
STARTS, TIMED = 1000, 16
HARDEST = 15.0  # eV/Å


def specialized(
    general: LearnedPotential, samples: Sequence[Sample], run: RunFolder, minutes: float, seed: int
) -> LearnedPotential:
    """The general model after a training on labels of GFN2-xTB for the molecules in `samples`, whose own
    labels it does not see. Where that takes too long or does not work, the general model as it is.

    It leaves the labels in the folder of `run`, and a run of its own in a folder below.

    Args:
        general: the model that comes with adiabat, for the elements of the samples.
        samples: the training set.
        run: the training's folder.
        minutes: of the whole training; a third of them go here.
        seed: of everything random.
    """
    from adiabat.tasks.train import train  # it calls this function

    labels, prepared = run.path / LABELS, run.path / FOLDER
    if "prepared_on" not in run.results:
        made = []
        try:
            made = _labelled(general, samples, minutes, seed)
        except AdiabatError as error:
            logger.warning("the general model is taken as it is: %s", error.message)
        if made:
            write_samples(labels, made)
        run.result(prepared_on=len(made))
    if not run.results["prepared_on"]:
        return general
    settings = {"data": {"preflight": False}}
    minutes = LEARNING * minutes
    train(str(labels), minutes=minutes, seed=seed, start=GENERAL, config=settings, out=prepared, resume=True)
    return load_model(prepared)


def _labelled(
    general: LearnedPotential, samples: Sequence[Sample], minutes: float, seed: int
) -> list[Sample]:
    """Labels of GFN2 on some of the structures and on frames of dynamics from them; none when they would be
    too few."""
    if len(kinds_met(*kinds_of(samples))) > MOST_MOLECULES:
        return []
    systems = [samples[int(k)].system for k in evenly(len(samples), STARTS, seed)]
    labeler = labelers.get(METHOD)()
    with labeler:
        seconds = labeler.seconds_each(systems[:TIMED])
        count = min(MOST_LABELS, int(60 * LABELLING * minutes / seconds))
        if count < FEWEST_LABELS:
            return []
        logger.info("the general model learns these molecules by %d labels of %s first", count, METHOD)
        simulations = {"every": EVERY, "trajectories": TRAJECTORIES, "seed": seed}
        found = visited(general, systems, count, TEMPERATURES, **simulations)
        with progress(f"labelling by {METHOD}", len(found), "structures") as bar:
            made = labeler.label(found, bar)
    return [sample for sample in made if is_labelled(sample) and _is_calm(sample)]


def _is_calm(sample: Sample) -> bool:
    """False for a structure that is about to break."""
    return sample.forces is not None and float(np.abs(sample.forces).max()) < HARDEST
