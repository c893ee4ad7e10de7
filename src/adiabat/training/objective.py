"""The loss, the optimizer and one step of the training."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax.sharding import PartitionSpec as P
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from adiabat.networks import AbstractNetwork, LearnedPotential
from adiabat.training.batches import LabeledBatch
from adiabat.training.heads import by_heads, species_of
from adiabat.training.muon import muon
from adiabat.training.vectors import Parameters, flatten, matrix_shapes, place, unflatten

# Shares of the run: until where the energies have a small part of their weight, and from where on all of it.
ENERGY_RAMP, SMALL_PART = (0.5, 0.8), 0.05
WARM_UP = 100
FINAL_LEARNING_RATE = 0.01
AVERAGING = 0.995
# Part of the mean error of the energies that the elements' constants make up for in each step.
FOLLOWING = 0.2
STRESS_WEIGHT = 1.0


class Fit(NamedTuple):
    """What the training carries from step to step.

    Attributes:
        parameters: the network's numbers.
        averaged: their exponential moving average, which is what is evaluated and kept.
        optimizer: the optimizer's state.
        charges: the same of the network of the charges, where there is one. Without a long range it has no
            part in energies and forces, and is fitted beside the other as if alone.
    """

    parameters: Parameters
    averaged: Parameters
    optimizer: optax.OptState
    charges: "Fit | None" = None


class Objective(eqx.Module):
    """The loss and how it is reduced over a run of `steps` steps.

    loss = (<dF^2> + w(step) <dE^2 / n> + <(V dsigma / n)^2>) / scale^2 + <dmu^2 / n>, scale being the typical
    force [eV/Å], n the number of atoms (errors of independent atoms add up to one whose square grows with n),
    the terms of the stress and of the dipole mu [e Å] over the structures where it is known, and w growing to
    `energy_weight` in the second half of the run: forces shape the surface, energies then fix its level. The
    dipoles need no weight against the rest: no number is fitted to both, but those of charges with a long
    range.

    The constant of each element is not fitted by the optimizer: it follows the mean error of the energies.
    While steps are large all energies go up and down together, and the other weights should not have to
    make up for that.

    `pull` times the learning rate of the way that the matrices have come from where they began is taken back
    in each step (L2-SP, Li et al. 2018, decoupled as weight decay is): few samples must not make them forget
    what they knew.
    """

    # Arrays, not static: another number of steps must not compile anew (the timing run knows none yet).
    steps: Float[Array, ""]
    learning_rate: Float[Array, ""]
    charges_rate: Float[Array, ""]
    energy_weight: Float[Array, ""]
    pull: Float[Array, ""]
    with_stress: bool = eqx.field(static=True)

    def __init__(
        self,
        *,
        steps: int,
        learning_rate: float,
        energy_weight: float,
        with_stress: bool,
        charges_rate: float = 0.0,
        pull: float = 0.0,
    ):
        self.steps = jnp.float32(steps)
        self.learning_rate = jnp.float32(learning_rate)
        self.charges_rate = jnp.float32(charges_rate)
        self.energy_weight = jnp.float32(energy_weight)
        self.pull = jnp.float32(pull)
        self.with_stress = with_stress

    def schedule(self, step: ArrayLike) -> Float[Array, ""]:
        """The learning rate of a step: a linear warm-up, then a cosine down to a hundredth."""
        return self._decayed(self.learning_rate, step)

    def _decayed(self, largest: Float[Array, ""], step: ArrayLike) -> Float[Array, ""]:
        warm_up = jnp.minimum(WARM_UP, self.steps / 10)
        progress = jnp.clip((step - warm_up) / (self.steps - warm_up), 0.0, 1.0)
        cosine = 0.5 * (1 + jnp.cos(jnp.pi * progress))
        decay = FINAL_LEARNING_RATE + (1 - FINAL_LEARNING_RATE) * cosine
        return largest * jnp.minimum(step / warm_up, 1.0) * decay

    def optimizer(self, network: AbstractNetwork, largest: Float[Array, ""]) -> optax.GradientTransformation:
        """Muon for matrices, Adam for the rest, with this largest learning rate."""
        shapes = matrix_shapes(_fitted(network))
        rate = partial(self._decayed, largest)
        return optax.chain(optax.clip_by_global_norm(10.0), muon(rate, shapes))

    def weight(self, step: Float[Array, ""]) -> Float[Array, ""]:
        """The weight of the energies at a step."""
        begin, end = ENERGY_RAMP
        progress = jnp.clip((step / self.steps - begin) / (end - begin), 0.0, 1.0)
        return self.energy_weight * SMALL_PART ** (1 - progress)

    def init(self, potential: LearnedPotential) -> Fit:
        """The state before the first step."""
        charges = potential.charges
        return self._begun(potential.network)._replace(
            charges=None if charges is None else self._begun(charges)
        )

    def _begun(self, network: AbstractNetwork) -> Fit:
        # Twice: each step gives the memory of the state away.
        parameters, averaged = (flatten(_fitted(network)) for _ in range(2))
        return Fit(parameters, averaged, self.optimizer(network, self.learning_rate).init(parameters))

    def stepped(
        self,
        network: AbstractNetwork,
        largest: Float[Array, ""],
        fit: Fit,
        gradient: AbstractNetwork,
        step: Float[Array, ""],
        excess: Float[Array, " n_species"] | None = None,
        pull: ArrayLike = 0.0,
    ) -> Fit:
        """The state of one network after a step.

        Args:
            network: before the first step.
            largest: learning rate.
            fit: the state before.
            gradient: of the loss.
            step: its number.
            excess: what the constants of the elements are too large by, in the network's numbers.
            pull: towards the network before the first step.
        """
        begun = flatten(_fitted(network))
        updates, optimizer = self.optimizer(network, largest).update(
            flatten(gradient), fit.optimizer, fit.parameters
        )
        parameters: Any = optax.apply_updates(fit.parameters, updates)
        back = pull * self._decayed(largest, step) * (fit.parameters.matrices - begun.matrices)
        parameters = parameters._replace(matrices=parameters.matrices - back)
        if excess is not None:
            fitted = _fitted(network)
            here = place(fitted, fitted.shift)
            parameters = parameters._replace(rest=parameters.rest.at[here].add(-FOLLOWING * excess))
        # A short memory at first: the average must forget the initial weights.
        decay = jnp.minimum(AVERAGING, (1.0 + step) / (10.0 + step)).astype(jnp.float32)
        averaged = jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, fit.averaged, parameters)
        return Fit(parameters, averaged, optimizer)

    def loss(
        self, potential: LearnedPotential, data: LabeledBatch, energy_weight: Float[Array, ""]
    ) -> tuple[Float[Array, ""], tuple[Float[Array, " n_species"], Float[Array, " n_species"]]]:
        """The loss of a batch, and for each species its atoms' part of the errors of the energies [eV] and
        their number."""
        potential = eqx.tree_at(lambda p: p.network.shift, potential, replace_fn=jax.lax.stop_gradient)
        speaking = by_heads(potential.for_training(), data)
        prediction = speaking(data.batch, data.neighbors, stress=self.with_stress)
        real, atoms = data.batch.system_mask, data.batch.mask
        assert prediction.forces is not None
        force_errors = jnp.sum((prediction.forces - data.forces) ** 2, axis=-1)
        force_loss = jnp.sum(jnp.where(atoms, force_errors, 0.0)) / (3 * jnp.sum(atoms))
        energy_errors = jnp.where(real, prediction.energy - data.energy, 0.0)
        energy_loss = jnp.sum(energy_errors**2 / data.counts) / jnp.sum(real)
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
        total = total / potential.scale**2
        shares = _by_species(potential, data, energy_errors / data.counts)
        if prediction.dipole is None:
            return total, shares
        # By atoms: so many charges contribute to a dipole, and to its error.
        squares = jnp.sum((prediction.dipole - data.dipole) ** 2, axis=-1) / data.counts
        n_known = jnp.maximum(3 * jnp.sum(data.has_dipole), 1)
        return total + jnp.sum(jnp.where(data.has_dipole, squares, 0.0)) / n_known, shares


def _by_species(
    potential: LearnedPotential, data: LabeledBatch, values: Float[Array, " n_systems"]
) -> tuple[Float[Array, " n_species"], Float[Array, " n_species"]]:
    """The sum over the atoms of each species of a value that each structure has, and their number."""
    species = species_of(potential, data)
    real = data.batch.mask.astype(values.dtype)
    zeros = jnp.zeros(potential.network.shift.shape, values.dtype)
    values = jax.lax.stop_gradient(data.batch.spread(values)) * real
    return zeros.at[species].add(values), zeros.at[species].add(real)


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
    networks = (potential.network, potential.charges)
    _, static = eqx.partition(networks, eqx.is_inexact_array)

    def loss(arrays, data):
        changed = _with_networks(potential, *eqx.combine(arrays, static))
        return objective.loss(changed, data, objective.weight(step))

    arrays = unflatten(fit.parameters, _fitted(potential.network)), None
    if fit.charges is not None:
        arrays = arrays[0], unflatten(fit.charges.parameters, _fitted(potential.charges))
    with_errors = jax.value_and_grad(loss, has_aux=True)
    (value, (errors, counts)), gradient = _over_devices(with_errors)(arrays, data)
    excess = errors / (jnp.maximum(counts, 1e-3) * potential.scale)
    rate = objective.learning_rate
    changed = objective.stepped(
        potential.network, rate, fit, gradient[0], step, excess.astype(jnp.float32), objective.pull
    )
    if fit.charges is None or potential.charges is None:
        return changed, value
    charges = objective.stepped(potential.charges, objective.charges_rate, fit.charges, gradient[1], step)
    if potential.long_range is not None:
        return changed._replace(charges=charges), value
    # A batch without dipoles says nothing of them, and momentum alone is no reason to move.
    heard = jnp.any(data.has_dipole)
    charges = jax.tree.map(lambda new, old: jnp.where(heard, new, old), charges, fit.charges)
    return changed._replace(charges=charges), value


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


def with_parameters(
    potential: LearnedPotential, parameters: Parameters, charges: Parameters | None = None
) -> LearnedPotential:
    """The potential with these numbers in its network, and these in that of its charges."""
    network = _with_numbers(potential.network, parameters)
    if charges is None or potential.charges is None:
        return _with_networks(potential, network, potential.charges)
    return _with_networks(potential, network, _with_numbers(potential.charges, charges))


def _with_numbers(network: AbstractNetwork, parameters: Parameters) -> AbstractNetwork:
    arrays, static = eqx.partition(network, eqx.is_inexact_array)
    return eqx.combine(unflatten(parameters, arrays), static)


def _with_networks(potential: LearnedPotential, *networks: AbstractNetwork | None) -> LearnedPotential:
    is_none = lambda x: x is None  # noqa: E731
    return eqx.tree_at(lambda p: (p.network, p.charges), potential, networks, is_leaf=is_none)


def _fitted(network: AbstractNetwork | None) -> Any:
    """The arrays of a network."""
    return eqx.filter(network, eqx.is_inexact_array)
