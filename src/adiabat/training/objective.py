"""The loss, the optimizer and one step of the training."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax.sharding import PartitionSpec as P
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from adiabat.networks import LearnedPotential
from adiabat.training.batches import LabeledBatch
from adiabat.training.heads import by_heads
from adiabat.training.muon import muon
from adiabat.training.vectors import Parameters, flatten, matrix_shapes, unflatten

# Shares of the run: until where the energies have a small part of their weight, and from where on all of it.
ENERGY_RAMP, SMALL_PART = (0.5, 0.8), 0.05
WARM_UP = 100
FINAL_LEARNING_RATE = 0.01
AVERAGING = 0.995
STRESS_WEIGHT = 1.0


class Fit(NamedTuple):
    """What the training carries from step to step.

    Attributes:
        parameters: the network's numbers.
        averaged: their exponential moving average, which is what is evaluated and kept.
        optimizer: the optimizer's state.
    """

    parameters: Parameters
    averaged: Parameters
    optimizer: optax.OptState


class Objective(eqx.Module):
    """The loss and how it is reduced over a run of `steps` steps.

    loss = (<dF^2> + w(step) <dE^2 / n> + <(V dsigma / n)^2>) / scale^2, scale being the typical force [eV/Å],
    n the number of atoms (errors of independent atoms add up to one whose square grows with n), the last term
    over the structures whose stress is known, and w growing to `energy_weight` in the second half of the run:
    forces shape the surface, energies then fix its level.
    """

    # Arrays, not static: another number of steps must not compile anew (the timing run knows none yet).
    steps: Float[Array, ""]
    learning_rate: Float[Array, ""]
    energy_weight: Float[Array, ""]
    with_stress: bool = eqx.field(static=True)

    def __init__(self, *, steps: int, learning_rate: float, energy_weight: float, with_stress: bool):
        self.steps = jnp.float32(steps)
        self.learning_rate = jnp.float32(learning_rate)
        self.energy_weight = jnp.float32(energy_weight)
        self.with_stress = with_stress

    def schedule(self, step: ArrayLike) -> Float[Array, ""]:
        """The learning rate of a step: a linear warm-up, then a cosine down to a hundredth."""
        warm_up = jnp.minimum(WARM_UP, self.steps / 10)
        progress = jnp.clip((step - warm_up) / (self.steps - warm_up), 0.0, 1.0)
        cosine = 0.5 * (1 + jnp.cos(jnp.pi * progress))
        decay = FINAL_LEARNING_RATE + (1 - FINAL_LEARNING_RATE) * cosine
        return self.learning_rate * jnp.minimum(step / warm_up, 1.0) * decay

    def optimizer(self, potential: LearnedPotential) -> optax.GradientTransformation:
        """Muon for matrices, Adam for the rest."""
        shapes = matrix_shapes(_fitted(potential))
        return optax.chain(optax.clip_by_global_norm(10.0), muon(self.schedule, shapes))

    def weight(self, step: Float[Array, ""]) -> Float[Array, ""]:
        """The weight of the energies at a step."""
        begin, end = ENERGY_RAMP
        progress = jnp.clip((step / self.steps - begin) / (end - begin), 0.0, 1.0)
        return self.energy_weight * SMALL_PART ** (1 - progress)

    def init(self, potential: LearnedPotential) -> Fit:
        """The state before the first step."""
        # Twice: each step gives the memory of the state away.
        parameters, averaged = (flatten(_fitted(potential)) for _ in range(2))
        return Fit(parameters, averaged, self.optimizer(potential).init(parameters))

    def loss(
        self, potential: LearnedPotential, data: LabeledBatch, energy_weight: Float[Array, ""]
    ) -> Float[Array, ""]:
        """The loss of a batch."""
        speaking = by_heads(potential.for_training(), data)
        prediction = speaking(data.batch, data.neighbors, stress=self.with_stress)
        real, atoms = data.batch.system_mask, data.batch.mask
        assert prediction.forces is not None
        force_errors = jnp.sum((prediction.forces - data.forces) ** 2, axis=-1)
        force_loss = jnp.sum(jnp.where(atoms, force_errors, 0.0)) / (3 * jnp.sum(atoms))
        energy_errors = (prediction.energy - data.energy) ** 2 / data.counts
        energy_loss = jnp.sum(jnp.where(real, energy_errors, 0.0)) / jnp.sum(real)
        total = force_loss + energy_weight * energy_loss
        if self.with_stress:
            assert prediction.stress is not None
            # The virial per atom, V sigma / n, is an energy: comparable to the energy per atom.
            volume = jnp.abs(jnp.linalg.det(data.batch.cell))[:, None, None]
            virial = (prediction.stress - data.stress) * volume / data.counts[:, None, None]
            known = data.has_stress[:, None, None] & real[:, None, None]
            total += (
                STRESS_WEIGHT * jnp.sum(jnp.where(known, virial**2, 0.0)) / jnp.maximum(9 * jnp.sum(known), 1)
            )
        return total / potential.scale**2


@eqx.filter_jit(donate="all-except-first")
def training_step(
    fixed: tuple[Objective, LearnedPotential, LabeledBatch, Float[Array, ""]], fit: Fit
) -> tuple[Fit, Float[Array, ""]]:
    """One step on a batch.

    Args:
        fixed: the objective, the potential (for what is not fitted), the batch, the number of the step.
        fit: the state; its memory is reused.

    Returns:
        The new state and the loss before the step.
    """
    objective, potential, data, step = fixed

    _, static = eqx.partition(potential.network, eqx.is_inexact_array)

    def loss(arrays, data):
        changed = eqx.tree_at(lambda p: p.network, potential, eqx.combine(arrays, static))
        return objective.loss(changed, data, objective.weight(step))

    arrays = unflatten(fit.parameters, _fitted(potential))
    value, gradient = _over_devices(jax.value_and_grad(loss))(arrays, data)
    updates, optimizer = objective.optimizer(potential).update(
        flatten(gradient), fit.optimizer, fit.parameters
    )
    parameters = optax.apply_updates(fit.parameters, updates)
    # A short memory at first: the average must forget the initial weights.
    decay = jnp.minimum(AVERAGING, (1.0 + step) / (10.0 + step)).astype(jnp.float32)
    averaged = jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, fit.averaged, parameters)
    return Fit(parameters, averaged, optimizer), value  # pyright: ignore[reportArgumentType]


def _over_devices(function: Callable[[Any, LabeledBatch], Any]) -> Callable[[Any, LabeledBatch], Any]:
    """The function of the parameters and a batch; where there is a batch for each device, the mean over the
    devices."""

    def mean(parameters, data):
        if data.energy.ndim == 1:
            return function(parameters, data)

        def on_one(parameters, data):
            return jax.lax.pmean(function(parameters, jax.tree.map(lambda a: a[0], data)), "devices")

        automatic = (jax.sharding.AxisType.Auto,)
        mesh = jax.make_mesh((data.energy.shape[0],), ("devices",), axis_types=automatic)
        # Unchecked: ZBL's branch for no pair at all does not depend on the device, its other one does.
        spread = jax.shard_map(
            on_one, mesh=mesh, in_specs=(P(), P("devices")), out_specs=P(), check_vma=False
        )
        return spread(parameters, data)

    return mean


def with_parameters(potential: LearnedPotential, parameters: Parameters) -> LearnedPotential:
    """The potential with these numbers in its network."""
    arrays, static = eqx.partition(potential.network, eqx.is_inexact_array)
    network = eqx.combine(unflatten(parameters, arrays), static)
    return eqx.tree_at(lambda p: p.network, potential, network)


def _fitted(potential: LearnedPotential) -> Any:
    """The arrays of the network."""
    return eqx.filter(potential.network, eqx.is_inexact_array)
