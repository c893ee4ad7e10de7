"""The training loop: time to steps, steps to weights, with checkpoints that resume exactly."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from adiabat.base import ConfigError, ConvergenceError, DataError
from adiabat.base.ahead import ahead
from adiabat.base.checkpoints import Checkpoint, CheckpointStore
from adiabat.base.digest import digest
from adiabat.base.interrupts import Stop, interruptible
from adiabat.base.progress import Bar, progress
from adiabat.base.runs import RunFolder
from adiabat.base.units import parse
from adiabat.data import Sample
from adiabat.data.stored import elements_of, evenly
from adiabat.networks import REVISION, LearnedPotential, from_arrays, to_arrays
from adiabat.training.batches import Batches, Bucket, LabeledBatch, Listed, Mixed, plan_buckets
from adiabat.training.evaluation import Evaluation, evaluate_batches
from adiabat.training.heads import Head, head_of, joined, shifts
from adiabat.training.objective import Fit, Objective, training_step, with_parameters
from adiabat.training.options import TrainingOptions
from adiabat.training.start import centered, floored, new_potential, restricted

logger = logging.getLogger(__name__)
CHECKPOINT_SECONDS = 60.0
VALIDATIONS = 40
SHOWN_EVERY = 20
# How long the timing run takes after compilation.
TIMING_SECONDS = 6.0
# Share of the time that is kept back for what the timing run did not see.
RESERVE = 0.02
# Compilation on a busy machine may eat up a short training; steps get this share of the minutes at least.
LEAST_SHARE = 0.3
# About so many atoms of the training set say where the energies stand in the end.
ENOUGH_ATOMS = 500_000
# A training that goes on from a model looks at each structure so many times at most.
PASSES = 800
# The pull back to a model that it is held near, times the root of the number of atoms to learn from.
PULL = 3.0
KIND = "training"
# Of the rules of a step: a checkpoint that others led to is not gone on from.
RECIPE = 4


@dataclass
class _State:
    """Where a training is: what a checkpoint holds."""

    steps: int
    data: str
    fit: Fit
    best: Any
    best_charges: Any = None
    n_devices: int = 1
    step: int = 0
    best_step: int = 0
    best_score: float = float("inf")
    best_dipole: float = float("inf")

    def save(self, store: CheckpointStore) -> None:
        arrays = to_arrays(self.fit, prefix="fit") | to_arrays(self.best, prefix="best")
        arrays |= to_arrays(self.best_charges, prefix="charges")
        scores = {"best_score": self.best_score, "best_dipole": self.best_dipole}
        known = {name: score if np.isfinite(score) else None for name, score in scores.items()}
        header = {"steps": self.steps, "data": self.data, "n_devices": self.n_devices}
        store.save(self.step, arrays, header | {"best_step": self.best_step} | known)

    def restored(self, saved: Checkpoint) -> "_State":
        """The state in a checkpoint; this one says what it looks like.

        Raises:
            ConfigError: the checkpoint is of a training on other data, or on more or fewer devices.
        """
        begun_on = saved.header.get("n_devices", 1)
        if begun_on != self.n_devices:
            raise ConfigError(
                f"the run was begun on {begun_on} devices, and here are {self.n_devices}",
                "resume where there are as many, or go on from its weights: adiabat train --from RUN",
            )
        if saved.header.get("data") != self.data:
            raise ConfigError(
                "data, model to go on from or version of adiabat are not those the run was begun with",
                "put the old ones back, or start over with --force or another --out",
            )
        fit = from_arrays(self.fit, saved.arrays, prefix="fit", source="checkpoint")
        best = from_arrays(self.best, saved.arrays, prefix="best", source="checkpoint")
        charges = from_arrays(self.best_charges, saved.arrays, prefix="charges", source="checkpoint")
        score, dipole = (saved.header.get(name) for name in ("best_score", "best_dipole"))
        return _State(
            steps=self.steps,
            data=self.data,
            n_devices=self.n_devices,
            # Arrays of our own: the next step gives their memory away.
            fit=jax.tree.map(lambda a: jnp.array(a, copy=True), fit),
            best=best,
            best_charges=charges,
            step=saved.step,
            best_step=saved.header["best_step"],
            best_score=float("inf") if score is None else score,
            best_dipole=float("inf") if dipole is None else dipole,
        )


class Trainer:
    """Fits a network to samples.

    Args:
        train: samples with energies and forces.
        valid: samples that choose among the weights; not empty.
        network: `kind` and hyper-parameters.
        options: how to fit.
        run: where metrics and checkpoints go.
        isolated_atoms: energies of free atoms [eV]; fitted to the compositions by default.
        start: a potential to go on from; fresh weights by default.
        held: stay near `start`, which knows the molecules of the samples by another method.
        others: labels of other methods to train on beside, each with a head of its own.
        began: when the minutes of the training did, by `time.monotonic`; now by default.

    Attributes:
        begun: what each head begins with, that of `train` first.
        potential: the one in which they are trained.
    """

    def __init__(
        self,
        train: Sequence[Sample],
        valid: Sequence[Sample],
        *,
        network: Mapping[str, Any],
        options: TrainingOptions,
        run: RunFolder,
        isolated_atoms: Mapping[int, float] | None = None,
        start: LearnedPotential | None = None,
        held: bool = False,
        others: Sequence[Head] = (),
        began: float | None = None,
    ):
        self._began = time.monotonic() if began is None else began
        self.options, self.run, self._start, self._held = options, run, start, held
        cutoff = parse(network.get("cutoff", 5.0), "length")
        heads = (Head("", train, valid, isolated_atoms), *others)
        self._listed, self._held_out = [Listed(head.train, cutoff) for head in heads], Listed(valid, cutoff)
        everything = (*self._listed, self._held_out)
        for listed in everything:
            _check_labels(listed)
        sizes = np.concatenate([listed.sizes for listed in everything])
        self._buckets = plan_buckets(sizes, options.atoms_per_batch)
        self.begun = [
            self._beginning(head, listed, network, alone=not others)
            for head, listed in zip(heads, self._listed, strict=True)
        ]
        if others and any(one.long_range is not None for one in self.begun):
            raise ConfigError(
                "labels of several methods make no charges, which the long range needs",
                "leave out --long-range, or train on one method and go on from a model without a long range",
            )
        self.potential = joined(self.begun)
        whole = Mixed(self._listed, shifts(self.begun, self.potential)) if others else self._listed[0]
        self.train = Batches(whole, self._buckets, n_devices=jax.local_device_count())
        self.valid = Batches(self._held_out, self._buckets)
        self.with_stress = any(bool(listed.census.stressed.any()) for listed in self._listed)

    def _beginning(
        self, head: Head, listed: Listed, network: Mapping[str, Any], alone: bool
    ) -> LearnedPotential:
        """What a head begins with; beside others it knows the elements of its own samples only."""
        start = self._start
        if start is not None and not alone:
            start = restricted(start, elements_of(head.train))
        begun = new_potential(
            listed,
            network,
            seed=self.options.seed,
            isolated_atoms=head.isolated_atoms,
            repulsion=self.options.repulsion,
            long_range=self.options.long_range,
            start=start,
        )
        begun = begun.for_systems(sample.system for some in (listed.samples, head.valid) for sample in some)
        for sample in head.valid:
            begun.check(sample.system)
        # The start's zero of energy is that of another method.
        return begun if start is None else centered(begun, self._said_by(begun, listed))

    def fit(self) -> LearnedPotential:
        """As `fit_heads`, for the first head alone."""
        return self.fit_heads()[0]

    def fit_heads(self, n_tests: int = 0) -> list[LearnedPotential]:
        """Train, or go on from the run's last checkpoint.

        Args:
            n_tests: structures that the caller will evaluate within the minutes afterwards.

        Returns:
            The best potential of each head, that of `train` first.

        Raises:
            ConvergenceError: the loss is not a number; the best weights up to the last checkpoint are in it.
            Interrupted: after saving, when asked to stop.
        """
        store = self.run.checkpoints(KIND)
        saved = store.latest()
        steps = self.options.steps or (saved.header["steps"] if saved else self._plan_steps(n_tests))
        objective = self._objective(steps)
        fresh = objective.init(self.potential)
        best = jax.tree.map(jnp.copy, (fresh.averaged, fresh.charges and fresh.charges.averaged))
        state = _State(steps, self._digest(), fresh, *best, n_devices=self.train.n_devices)
        if saved is None:
            state.save(store)  # the number of steps is fixed from here on, whatever happens
        else:
            state = state.restored(saved)
        self.run.rewind(state.step if saved else None)
        self.run.log(
            "training", steps=steps, begun_at=state.step, buckets=[vars(b) for b in self.train.buckets]
        )
        with interruptible() as stop, progress("training", steps, "steps", completed=state.step) as bar:
            self._loop(objective, state, store, stop, bar)
        self.run.result(steps=steps, best_step=state.best_step)
        return self._finished(with_parameters(self.potential, state.best, state.best_charges))

    def _finished(self, whole: LearnedPotential) -> list[LearnedPotential]:
        """The potential of each head after the last step."""
        made = [whole]
        if len(self.begun) > 1:
            made = [head_of(whole, number, begun) for number, begun in enumerate(self.begun)]
        return [self._settled(one, listed) for one, listed in zip(made, self._listed, strict=True)]

    def _settled(self, potential: LearnedPotential, listed: Listed) -> LearnedPotential:
        """The potential with its floors, and its constants at their best values."""
        said = self._said_by(potential, listed)
        near = said if potential.long_range is None else self._said_by(potential.at_short_range, listed)
        return centered(floored(potential, near), said)

    def _said_by(self, potential: LearnedPotential, listed: Listed) -> Evaluation:
        """What a potential says of a training set; of a large one an even selection is enough."""
        enough = round(ENOUGH_ATOMS * len(listed) / float(listed.census.n_atoms.sum()))
        chosen = listed.take(evenly(len(listed), enough)) if enough < len(listed) else listed
        return evaluate_batches(potential, Batches(chosen, self._buckets))

    def _digest(self) -> str:
        """A hash over the structures and labels that the weights depend on."""
        train, *others = (listed.census.digests for listed in self._listed)
        data = (train, self._held_out.census.digests, *others)
        weights = () if self._start is None else to_arrays(self._start).values()
        return digest(str((REVISION, RECIPE)), *data, *weights)

    def _objective(self, steps: int) -> Objective:
        n_atoms = sum(int(listed.census.n_atoms.sum()) for listed in self._listed)
        return Objective(
            steps=steps,
            learning_rate=self.options.largest_step(self._start is not None),
            charges_rate=self.options.largest_step(
                self._start is not None and self._start.charges is not None
            ),
            energy_weight=self.options.energy_weight,
            pull=PULL / n_atoms**0.5 if self._held else 0.0,
            with_stress=self.with_stress,
        )

    def _loop(
        self, objective: Objective, state: _State, store: CheckpointStore, stop: Stop, bar: Bar
    ) -> None:
        """All steps that are left; the order of the batches depends on the seed alone."""
        saved_at = time.monotonic()
        interval = -(-state.steps // VALIDATIONS)
        patience = self.options.patience * interval if self.options.patience else state.steps
        for data in ahead(self._data(state.step, state.steps)):
            if stop.requested:
                break
            if state.step - max(state.best_step, 1) >= patience:
                logger.info("no better weights since step %d: stopped", state.best_step)
                break
            inputs = (objective, self.potential, data, jnp.float32(state.step))
            state.fit, loss = training_step(inputs, state.fit)
            state.step += 1
            if state.step % SHOWN_EVERY == 0:
                bar.advance(state.step - bar.completed, loss=float(loss))
            if state.step == state.steps or state.step % interval == 0:
                self._validate(objective, state, float(loss), bar)
            if time.monotonic() - saved_at > CHECKPOINT_SECONDS:
                if not np.isfinite(float(loss)):
                    self._validate(objective, state, float(loss), bar)  # says so, and nothing is overwritten
                state.save(store)
                saved_at = time.monotonic()
        state.save(store)

    def _data(self, step: int, steps: int) -> Iterator[LabeledBatch]:
        """What the steps from here on work on."""
        order = None
        for number in range(step, steps):
            epoch, place = divmod(number, self.train.per_epoch)
            if place == 0 or order is None:
                order = self.train.epoch(self.options.seed, epoch)
            yield self.train.for_step(*order[place])

    def _validate(self, objective: Objective, state: _State, loss: float, bar: Bar) -> None:
        """Errors of the averaged weights on the validation set, recorded; the best weights kept."""
        # A copy, on one device: the next step takes the memory of the average away.
        averaged, charges = jax.tree.map(
            lambda a: jnp.array(np.asarray(a), copy=True),
            (state.fit.averaged, state.fit.charges and state.fit.charges.averaged),
        )
        metrics = evaluate_batches(with_parameters(self.potential, averaged, charges), self.valid).metrics
        force, energy = metrics["force_rmse_mev_per_ang"], metrics["energy_rmse_mev"]
        per_atom, dipole = metrics["energy_rmse_mev_per_atom"], metrics.get("dipole_rmse_debye")
        score = force**2 + self.options.energy_weight * energy * per_atom
        if not np.isfinite(loss) or not np.isfinite(score):
            rate = self.options.largest_step(self._start is not None)
            smaller = f"--set training.learning_rate={rate / 3:.2g}"
            raise ConvergenceError(
                f"the training diverged: at step {state.step} the loss is {loss}",
                f"check the data, or start over with smaller steps: --force {smaller}",
            )
        self.run.record(
            "metrics",
            step=state.step,
            minutes=(time.monotonic() - self._began) / 60,
            loss=loss,
            learning_rate=float(objective.schedule(jnp.float32(state.step))),
            valid_force_rmse_mev_per_ang=force,
            valid_energy_rmse_mev=energy,
            valid_energy_rmse_mev_per_atom=per_atom,
            **({} if dipole is None else {"valid_dipole_rmse_debye": dipole}),
        )
        bar.advance(0, valid_force_mev_per_ang=force)
        if score < state.best_score:
            state.best, state.best_score, state.best_step = averaged, score, state.step
        if self.potential.long_range is not None:  # energies and forces are those of both networks
            state.best_charges = charges if state.best_step == state.step else state.best_charges
        # The charges' own best; without a dipole to judge by, the last.
        elif dipole is None or dipole < state.best_dipole:
            state.best_charges, state.best_dipole = charges, state.best_dipole if dipole is None else dipole

    def _plan_steps(self, n_tests: int) -> int:
        """How many steps fit into the time that is left, and make sense."""
        fit, seconds = self.timed_steps()
        start = time.monotonic()
        evaluate_batches(with_parameters(self.potential, fit.averaged), self.valid)
        compiled = time.monotonic()
        evaluate_batches(with_parameters(self.potential, fit.averaged), self.valid)
        validation = time.monotonic() - compiled
        # Tests are evaluated like the validation set; other shapes are compiled for them.
        n_valid = len(self.valid.listed)
        evaluations = validation * (VALIDATIONS + 1 + n_tests / n_valid) + (
            compiled - start if n_tests else 0.0
        )
        assert self.options.minutes is not None
        left = 60 * self.options.minutes * (1 - RESERVE) - (time.monotonic() - self._began) - evaluations
        least = LEAST_SHARE * 60 * self.options.minutes
        if left < least:
            logger.warning(
                "reading and compiling took most of the time; the training will take longer than asked"
            )
        steps = max(int(max(left, least) / seconds), VALIDATIONS)
        if self._start is not None and steps > self.most_steps:
            logger.info("the training ends early: %d passes over the samples are enough", PASSES)
            steps = self.most_steps
        self.run.log("timing", seconds_per_step=seconds, seconds_left=left, steps=steps)
        return steps

    @property
    def most_steps(self) -> int:
        """The steps of a training that goes on from a model: more would make it forget what it knew."""
        return max(PASSES * self.train.per_epoch, VALIDATIONS)

    def timed_steps(self, budget: float = TIMING_SECONDS) -> tuple[Fit, float]:
        """The state after a few steps of each shape, and the seconds for one step, by timing them for
        `budget` seconds."""
        objective = self._objective(10**6)
        fit = jax.tree.map(jnp.copy, objective.init(self.potential))
        order = self.train.epoch(self.options.seed, 0)
        seconds = 0.0
        with progress("compiling", len(order.rows), "shapes") as bar:
            for bucket, batches in order.rows:
                fit, once = self._timed(objective, fit, bucket, batches, budget / len(order.rows))
                seconds += len(batches) / len(order) * once
                bar.advance(1)
        return fit, seconds

    def _timed(
        self, objective: Objective, fit: Fit, bucket: Bucket, batches: np.ndarray, budget: float
    ) -> tuple[Fit, float]:
        """Seconds for one step of a shape: the mean over about `budget` seconds, done as in the loop.

        The mean, not the median: what other programs take now and then, they will go on taking.
        """
        count, begin, loss = 0, 0.0, jnp.zeros(())
        for data in ahead(self.train.for_step(bucket, numbers) for numbers in cycle(batches)):
            if count >= 2 and time.monotonic() - begin >= budget:
                break
            fit, loss = training_step((objective, self.potential, data, jnp.float32(count)), fit)
            if count < 3 or count % 5 == 0:  # keeps the queue of steps short
                loss.block_until_ready()
            if count == 0:
                begin = time.monotonic()  # the first step compiles
            count += 1
        loss.block_until_ready()
        return fit, (time.monotonic() - begin) / (count - 1)


def _check_labels(listed: Listed) -> None:
    """Raise DataError for a sample without energy or forces."""
    census = listed.census
    unlabelled = np.flatnonzero(np.isnan(census.energies) | np.isnan(census.force_squares))
    if len(unlabelled):
        where = listed.samples[int(unlabelled[0])].where
        raise DataError(f"{where}: training needs an energy and forces")
