"""The training loop: time to steps, steps to weights, with checkpoints that resume exactly."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from adiabat.base import ConvergenceError, DataError
from adiabat.base.interrupts import interruptible
from adiabat.base.progress import Bar, progress
from adiabat.base.runs import RunFolder
from adiabat.data import Sample
from adiabat.networks import LearnedPotential, from_arrays, to_arrays
from adiabat.training.batches import Batches, find_neighbors, plan_buckets, size_of
from adiabat.training.evaluation import evaluate_batches
from adiabat.training.objective import Fit, Objective, training_step, with_parameters
from adiabat.training.options import TrainingOptions
from adiabat.training.start import new_potential

CHECKPOINT_SECONDS = 60.0
VALIDATIONS = 40
# The timing run: at most so long, and so many steps of each shape.
TIMING_SECONDS = 4.0
TIMING_STEPS = 25
# Share of the time that is kept back for what the timing run did not see.
RESERVE = 0.02
KIND = "training"


@dataclass
class _Best:
    """The best weights so far, by the error on the validation set."""

    parameters: Any
    score: float = float("inf")
    step: int = 0


class Trainer:
    """Fits a network to samples.

    Args:
        train: samples with energies and forces.
        valid: samples that choose among the weights; not empty.
        network: `kind` and hyper-parameters.
        options: how to fit.
        run: where metrics and checkpoints go.
        isolated_atoms: energies of free atoms [eV]; fitted to the compositions by default.
        repulsion: add the short-range repulsion.
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
        repulsion: bool = True,
    ):
        self._began = time.monotonic()
        for sample in (*train, *valid):
            if sample.energy is None or sample.forces is None:
                raise DataError(f"{sample.where}: training needs an energy and forces")
        self.options, self.run = options, run
        cutoff = float(network.get("cutoff", 5.0))
        near = find_neighbors(train, cutoff)
        self.potential = new_potential(
            train, near, network, seed=options.seed, isolated_atoms=isolated_atoms, repulsion=repulsion
        )
        for sample in valid:
            self.potential.check(sample.system)
        near_valid = find_neighbors(valid, cutoff)
        sizes = [size_of(s, n) for s, n in zip((*train, *valid), (*near, *near_valid), strict=True)]
        buckets = plan_buckets(sizes, options.atoms_per_batch)
        self.train, self.valid = Batches(train, near, buckets), Batches(valid, near_valid, buckets)
        self.with_stress = any(s.stress is not None and s.system.is_periodic for s in train)

    def fit(self, minutes_gone: float = 0.0) -> LearnedPotential:
        """Train, or go on from the run's last checkpoint, and return the best potential.

        Args:
            minutes_gone: time the caller has spent already of the minutes it was given.

        Raises:
            ConvergenceError: the loss is not a number; the best weights so far are in the last checkpoint.
            Interrupted: after saving, when asked to stop.
        """
        store = self.run.checkpoints(KIND)
        saved = store.latest()
        steps = self.options.steps or (saved.header["steps"] if saved else self._plan_steps(minutes_gone))
        objective = self._objective(steps)
        fit = objective.init(self.potential)
        best = _Best(fit.averaged)
        step = 0
        if saved is not None:
            fit = from_arrays(fit, saved.arrays, prefix="fit", source="checkpoint")
            best.parameters = from_arrays(best.parameters, saved.arrays, prefix="best", source="checkpoint")
            best.score, best.step, step = (
                saved.header["best_score"] or float("inf"),
                saved.header["best_step"],
                saved.step,
            )
        # Arrays of our own: the first step gives their memory away.
        fit = jax.tree.map(lambda a: jnp.array(a, copy=True) if eqx.is_array(a) else a, fit)
        self.run.rewind(step if saved else None)
        self.run.log("training", steps=steps, resumed_at=step, buckets=[vars(b) for b in self.train.buckets])

        def save(step: int, fit: Fit) -> None:
            arrays = to_arrays(fit, prefix="fit") | to_arrays(best.parameters, prefix="best")
            score = best.score if np.isfinite(best.score) else None
            store.save(step, arrays, {"steps": steps, "best_score": score, "best_step": best.step})

        with interruptible() as stop, progress("training", steps, "steps", completed=step) as bar:
            saved_at = time.monotonic()
            for step, fit, loss in self._steps(objective, fit, step, steps, bar):
                if self._is_validation(step, steps):
                    self._validate(objective, fit, step, loss, best, bar)
                if step < steps and (stop.requested or time.monotonic() - saved_at > CHECKPOINT_SECONDS):
                    save(step, fit)
                    saved_at = time.monotonic()
                    if stop.requested:
                        break
            else:
                save(step, fit)
        self.run.result(steps=steps, best_step=best.step)
        return with_parameters(self.potential, best.parameters)

    def _objective(self, steps: int) -> Objective:
        return Objective(steps, self.options.learning_rate, self.options.energy_weight, self.with_stress)

    def _steps(self, objective: Objective, fit: Fit, step: int, steps: int, bar: Bar):
        """Yield (step, fit, loss) after each step; the order of the batches depends on the seed alone."""
        per_epoch = self.train.per_epoch
        order, loss = [], jnp.zeros(())
        if step == steps:
            yield step, fit, loss
        while step < steps:
            epoch, place = divmod(step, per_epoch)
            if place == 0 or not order:
                order = self.train.epoch(self.options.seed, epoch)
            data = self.train.make(*order[place])
            fit, loss = training_step((objective, self.potential, data, np.float32(step)), fit)  # pyright: ignore[reportArgumentType]
            step += 1
            if step % 20 == 0 or step == steps:
                bar.advance(step - bar.completed, loss=float(loss))
            yield step, fit, loss

    def _is_validation(self, step: int, steps: int) -> bool:
        every = max(1, steps // VALIDATIONS)
        return step == steps or step % every == 0

    def _validate(self, objective: Objective, fit: Fit, step: int, loss: Any, best: _Best, bar: Bar) -> None:
        """Errors of the averaged weights on the validation set, recorded; the best weights kept."""
        # A copy: the next step takes the memory of the average away.
        averaged = jax.tree.map(jnp.copy, fit.averaged)
        metrics = evaluate_batches(with_parameters(self.potential, averaged), self.valid).metrics
        force, energy = metrics["force_rmse_mev_per_ang"], metrics["energy_rmse_mev_per_atom"]
        score = force**2 + self.options.energy_weight * energy**2
        loss = float(loss)
        if not np.isfinite(loss) or not np.isfinite(score):
            raise ConvergenceError(
                f"the training diverged: at step {step} the loss is {loss}",
                f"try a smaller step, for instance --set training.learning_rate={self.options.learning_rate / 3:.2g}",
            )
        self.run.record(
            "metrics",
            step=step,
            minutes=(time.monotonic() - self._began) / 60,
            loss=loss,
            learning_rate=float(objective.schedule()(step)),
            valid_force_rmse_mev_per_ang=force,
            valid_energy_rmse_mev=metrics["energy_rmse_mev"],
            valid_energy_rmse_mev_per_atom=energy,
        )
        bar.advance(0, valid_force_mev_per_ang=force)
        if score < best.score:
            best.parameters, best.score, best.step = averaged, score, step

    def _plan_steps(self, minutes_gone: float) -> int:
        """How many steps fit into the time that is left, by timing a few of each shape on a throw-away state."""
        objective = self._objective(10**6)
        fit = jax.tree.map(jnp.copy, objective.init(self.potential))
        order = self.train.epoch(self.options.seed, 0)
        shares = {bucket: sum(b == bucket for b, _ in order) / len(order) for bucket in self.train.buckets}
        seconds = 0.0
        with progress("compiling", len(shares), "shapes") as bar:
            for bucket, share in shares.items():
                if share == 0:
                    continue
                batches = [numbers for b, numbers in order if b == bucket]
                times, begin = [], time.monotonic()
                for k in range(TIMING_STEPS + 1):
                    start = time.monotonic()
                    data = self.train.make(bucket, batches[k % len(batches)])
                    fit, loss = training_step((objective, self.potential, data, np.float32(k)), fit)  # pyright: ignore[reportArgumentType]
                    loss.block_until_ready()
                    times.append(time.monotonic() - start)
                    begin = time.monotonic() if k == 0 else begin  # the first step compiles
                    if time.monotonic() - begin > TIMING_SECONDS / len(shares):
                        break
                seconds += share * float(np.median(times[1:]))
                bar.advance(1)
        evaluate_batches(with_parameters(self.potential, fit.averaged), self.valid)
        start = time.monotonic()
        evaluate_batches(with_parameters(self.potential, fit.averaged), self.valid)
        validation = (time.monotonic() - start) * VALIDATIONS
        assert self.options.minutes is not None
        left = (
            60 * (self.options.minutes * (1 - RESERVE) - minutes_gone)
            - (time.monotonic() - self._began)
            - validation
        )
        steps = max(int(left / seconds), VALIDATIONS)
        self.run.log("timing", seconds_per_step=seconds, seconds_left=left, steps=steps)
        return steps
