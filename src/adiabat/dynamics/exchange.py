"""Replica exchange: replicas that swap their temperatures, so that cold ones cross barriers."""

import abc
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from adiabat.base import ConfigError, DataError
from adiabat.base.units import BOLTZMANN
from adiabat.dynamics.integrator import AbstractIntegrator
from adiabat.dynamics.momenta import kinetic_energy
from adiabat.dynamics.noise import uniform
from adiabat.dynamics.state import Info, State
from adiabat.dynamics.verlet import VelocityVerlet
from adiabat.dynamics.wrapper import AbstractWrapper
from adiabat.io.trajectory import Trajectory
from adiabat.potentials import AbstractPotential
from adiabat.system import Batch, Neighbors

RUNG, ATTEMPTS, ACCEPTED = "rung", "exchange attempts", "exchange accepted"
# Numbers of the chances of exchanges: beyond those of the atoms, and far from the others of a step.
_FIRST_CHANCE = np.uint32(3 * 2**30)


class AbstractExchange(AbstractWrapper):
    """Replicas on the rungs of a ladder, which neighbors swap. A subclass says what a rung changes.

    The state of a run is a `Batch` of replicas. `State.extra` holds the rung on which each one stands, and
    how often the rungs i and i + 1 were tried and swapped, in place i. Even i and odd i take turns, which
    travels faster along the ladder than pairs drawn at random.
    """

    thermostat: eqx.AbstractVar[AbstractIntegrator]
    """Of all; its temperature is the ladder [K], shape (n_replicas,), ascending."""
    every: eqx.AbstractVar[int]
    """Steps between two attempts."""

    @property
    def integrator(self) -> AbstractIntegrator:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The thermostat."""
        return self.thermostat

    @abc.abstractmethod
    def advanced(self, state: State, potential: AbstractPotential, neighbors: Neighbors) -> State:
        """The state one step later, each replica on its rung."""

    @abc.abstractmethod
    def exchanged(self, state: State, potential: AbstractPotential, neighbors: Neighbors) -> State:
        """The state after an attempt."""

    def begin(self, state: State, potential: AbstractPotential, neighbors: Neighbors) -> State:
        """The state of all replicas, each on the rung of its number."""
        replicas = len(state.energy)
        none = jnp.zeros(replicas, jnp.int32)
        extra = {RUNG: jnp.arange(replicas, dtype=jnp.int32), ATTEMPTS: none, ACCEPTED: none}
        return eqx.tree_at(lambda s: s.extra, state, state.extra | extra)

    def step(self, state: State, potential: AbstractPotential, neighbors: Neighbors) -> State:
        after = self.advanced(state, potential, neighbors)
        due = after.step % self.every == 0
        return jax.lax.cond(due, lambda s: self.exchanged(s, potential, neighbors), lambda s: s, after)

    def info(self, state: State) -> Info:
        ladder = jnp.asarray(self.temperature)
        return eqx.tree_at(
            lambda i: i.target_temperature,
            self.thermostat.info(state),
            ladder[state.extra[RUNG]],
            is_leaf=lambda leaf: leaf is None,
        )

    def _tried(self, state: State) -> Bool[Array, " rungs"]:
        """Whether rungs i and i + 1 are tried now; False for the last."""
        rungs = jnp.arange(len(state.extra[RUNG]))
        return (rungs % 2 == (state.step // self.every) % 2) & (rungs < len(rungs) - 1)

    def _partners(self, state: State, swapped: Bool[Array, " rungs"]) -> Int[Array, " n_replicas"]:
        """The rung of each replica where rungs i and i + 1 are swapped."""
        rung = state.extra[RUNG]
        # Rung i goes up where pair i swaps, and down where pair i - 1 does.
        down = jnp.concatenate([jnp.zeros(1, bool), swapped[:-1]])
        return (rung + swapped[rung] - down[rung]).astype(rung.dtype)

    def _decided(self, state: State, odds: Float[Array, " rungs"]) -> dict[str, Array]:
        """What is kept after an attempt: a swap with the logarithm `odds` of its chance is made or not."""
        tried, rungs = self._tried(state), jnp.arange(len(odds))
        chances = uniform(
            jax.random.key_data(state.key[0])[None], state.step, _FIRST_CHANCE + rungs.astype(jnp.uint32)
        )
        swapped = tried & (jnp.log(chances) < odds)
        return {
            RUNG: self._partners(state, swapped),
            ATTEMPTS: state.extra[ATTEMPTS] + tried,
            ACCEPTED: state.extra[ACCEPTED] + swapped,
        }


class ReplicaExchange(AbstractExchange):
    """Replicas at a ladder of temperatures that are swapped between neighbors (Sugita and Okamoto 1999,
    doi 10.1016/S0009-2614(99)01123-9).

    After every so many steps the replicas at temperatures i and i + 1 swap them with probability

        min(1, exp((1 / k_B T_i - 1 / k_B T_{i+1}) (H_i - H_{i+1})))

    with the potential energies H, under a restraint its energy included; at constant pressure with U + P V
    (Okabe et al. 2001, doi 10.1016/S0009-2614(01)00055-0).

    Momenta are scaled by sqrt(T_new / T_old), and the kinetic energy that this gives counts as heat. Each
    replica keeps its trajectory, which is continuous in the positions; its frames say at which temperature
    they are, and those of all replicas at one temperature have the distribution that belongs to it.

    Args:
        thermostat: of all; its temperature is the ladder [K], shape (n_replicas,), ascending.
        every: steps between two attempts.

    Raises:
        ConfigError: a ladder that does not ascend, a thermostat that keeps an energy of its own, or a bias
            that changes.
    """

    thermostat: AbstractIntegrator
    every: int = eqx.field(static=True)

    def __init__(self, *, thermostat: AbstractIntegrator, every: int):
        check_ladder(thermostat, every)
        self.thermostat, self.every = thermostat, int(every)

    def advanced(self, state: State, potential: AbstractPotential, neighbors: Neighbors) -> State:
        now = jnp.asarray(self.temperature)[state.extra[RUNG]]
        thermostat = eqx.tree_at(lambda t: t.temperature, self.thermostat, now)
        return thermostat.step(state, potential, neighbors)

    def exchanged(self, state: State, potential: AbstractPotential, neighbors: Neighbors) -> State:
        assert isinstance(state.system, Batch)
        ladder, rung = jnp.asarray(self.temperature), state.extra[RUNG]
        energies, beta = self.thermostat.weighed(state)[jnp.argsort(rung)], 1 / (BOLTZMANN * ladder)
        extra = self._decided(state, (beta - jnp.roll(beta, -1)) * (energies - jnp.roll(energies, -1)))
        factor = jnp.sqrt(ladder[extra[RUNG]] / ladder[rung])
        momenta = state.system.spread(factor)[:, None] * state.momenta
        gained = kinetic_energy(momenta, state.system) - kinetic_energy(state.momenta, state.system)
        return eqx.tree_at(
            lambda s: (s.momenta, s.heat, s.extra),
            state,
            (momenta, state.heat + gained, state.extra | extra),
        )


def check_ladder(thermostat: AbstractIntegrator, every: int) -> None:
    """Refuses what replicas cannot exchange with.

    Raises:
        ConfigError: a ladder that does not ascend, a thermostat that keeps an energy of its own, or a bias
            that changes.
    """
    if not thermostat.exchanges:
        raise ConfigError(*_why_not(thermostat))
    ladder = np.atleast_1d(np.asarray(thermostat.temperature))
    if len(ladder) < 2 or np.any(np.diff(ladder) <= 0):
        raise ConfigError(
            f"replica exchange needs two or more ascending temperatures, got {ladder.tolist()}",
            'give one for each replica, as --temperatures "300 K, 330 K, 365 K"',
        )
    if every < 1:
        raise ConfigError(f"replicas exchange every 1 or more steps, not every {every}")


def _why_not(thermostat: AbstractIntegrator) -> tuple[str, str]:
    """What keeps replicas under such an integrator from exchanging, and what to do."""
    if isinstance(thermostat, AbstractWrapper):
        if (thermostat.adds_energy or thermostat.changes_cell) and not thermostat.integrator.exchanges:
            return _why_not(thermostat.integrator)
        if thermostat.adds_energy:
            return (
                "replicas do not exchange temperatures under a bias that changes: each builds its own at one "
                "temperature, and a swap would take it to another",
                "leave the exchange or the bias out, or choose a restraint; replicas at one temperature may "
                "share a bias (bias.shared)",
            )
        return (
            f"replicas do not exchange under {type(thermostat).__name__}",
            "with single time steps, without --inner, they do",
        )
    name = type(thermostat).__name__
    what = "no temperature" if isinstance(thermostat, VelocityVerlet) else "an energy of its own"
    return f"replicas do not exchange under {name}, which has {what}", "choose langevin or velocity_rescaling"


def at_temperature(trajectories: Sequence[Trajectory], temperature: float) -> Trajectory:
    """The frames of exchanging replicas at one temperature [K], by their steps.

    Args:
        trajectories: of all replicas.
        temperature: of the ladder, to 1e-6 K.

    Raises:
        DataError: trajectories of another run, or without such a temperature.
    """
    if any("target_temperature" not in one.observables for one in trajectories):
        raise DataError(
            "these trajectories are not of exchanging replicas", "their frames have no temperature"
        )
    length = min(map(len, trajectories))  # a killed run may have written more of one replica
    rows = np.array(
        [np.abs(one.observables["target_temperature"][:length] - temperature) < 1e-6 for one in trajectories]
    )
    if not np.all(rows.sum(axis=0) == 1):
        raise DataError(
            f"no replica, or several, at {temperature:g} K",
            "give all replicas of a run, and one of its temperatures",
        )
    holder, frame = np.argmax(rows, axis=0), np.arange(rows.shape[1])
    return Trajectory.combined(
        trajectories, lambda arrays: np.stack([array[:length] for array in arrays])[holder, frame]
    )
