"""Constant pressure: moves of the cell between steps of a thermostat, accepted by the law of Metropolis."""

import abc
from typing import Annotated, Any, ClassVar, Literal, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from adiabat.base import ConfigError, UnsupportedError
from adiabat.base.units import BOLTZMANN, GIGAPASCAL, Unit
from adiabat.dynamics.integrator import AbstractIntegrator, check_positive, of_bodies
from adiabat.dynamics.momenta import kinetic_energy
from adiabat.dynamics.path_integral import PathIntegral
from adiabat.dynamics.state import State, chosen
from adiabat.dynamics.verlet import VelocityVerlet
from adiabat.dynamics.wrapper import AbstractWrapper
from adiabat.potentials import AbstractPotential
from adiabat.system import Neighbors, System

Shape = Literal["isotropic", "anisotropic", "triclinic"]
ATTEMPTS, ACCEPTED, SIZE = "barostat attempts", "barostat accepted", "barostat size"
_FIRST_SIZE = 0.003
_LONGEST_DRIFT, _LONGEST_DRAWN = 0.01, 0.1


class AbstractBarostat(eqx.Module):
    """Moves the cell of a state. Every so many steps a strain is drawn and the state deformed; whether it
    stays so is decided by its energy, so that volumes have the distribution of the ensemble

        exp(-(U + P V) / k_B T) V^N dV,

    N being the number of bodies: atoms, or groups of constrained atoms, which are moved as a whole. Cells of
    any shape have that times the measure of the shapes that no deformation changes. Each system of a batch
    has a strain of its own, and its own decision.
    """

    pressure: eqx.AbstractVar[float]
    """[GPa]."""
    shape: eqx.AbstractVar[Shape]
    """How the cell may change: all lengths by one factor, each by its own, or its angles as well."""
    every: eqx.AbstractVar[int]
    """Steps between two moves."""

    def begin(self) -> dict[str, Array]:
        """What is kept from move to move."""
        zero = jnp.zeros((), jnp.int32)
        return {ATTEMPTS: zero, ACCEPTED: zero}

    @abc.abstractmethod
    def draw(
        self, state: State, noise: Float[Array, "*n_systems strains"], law: "Law"
    ) -> Float[Array, "*n_systems strains"]:
        """Components of the strain along `strains(shape)`, made of as many normal numbers."""

    @abc.abstractmethod
    def log_ratio(
        self, old: State, new: State, strain: Float[Array, "*n_systems strains"], law: "Law"
    ) -> Float[Array, "*n_systems"]:
        """The logarithm of the odds for the new state, the probabilities of being drawn included."""

    def log_weight(
        self, old: State, new: State, law: "Law", power: Float[Array, "*n_systems"]
    ) -> Float[Array, "*n_systems"]:
        """-(dE + P dV) / k_B T + power d ln V; the heat of a trial is what energy it has more."""
        before, after = old.system.volume, new.system.volume
        work = self.pressure * GIGAPASCAL * (after - before)
        return -(new.heat - old.heat + work) / law.thermal + power * jnp.log(after / before)

    scales_momenta: eqx.AbstractClassVar[bool]
    """Whether momenta shrink as the cell grows."""

    def learn(self, extra: dict[str, Array], chance: Float[Array, "*n_systems"]) -> dict[str, Array]:
        """What is kept after a move that had this chance to be accepted."""
        return extra


class Law(eqx.Module):
    """What a move depends on besides the barostat: the thermostat's temperature and timestep.

    Attributes:
        thermal: k_B T [eV].
        interval: time between two moves [fs].
        bodies: how many: atoms, or groups of them that constraints hold together.
        missing: how many of them have no momentum of their own: 1 where the total is zero, else 0.
    """

    thermal: float | Float[Array, "*n_systems"]
    interval: float
    bodies: Float[Array, "*n_systems"]
    missing: Float[Array, "*n_systems"]


def strains(shape: Shape) -> Float[np.ndarray, "strains 3 3"]:
    """The symmetric deformations a cell may undergo, each of unit norm."""
    diagonal = [np.diag(row) for row in np.eye(3)]
    if shape == "isotropic":
        return np.eye(3)[None] / np.sqrt(3)
    if shape == "anisotropic":
        return np.array(diagonal)
    sheared = []
    for first, second in ((0, 1), (0, 2), (1, 2)):
        one = np.zeros((3, 3))
        one[first, second] = one[second, first] = 1 / np.sqrt(2)
        sheared.append(one)
    return np.array(diagonal + sheared)


class ConstantPressure(AbstractWrapper):
    """A thermostat with a barostat: after each `barostat.every` steps the cell may change.

    Positions are scaled atom by atom, or by the centers of mass of groups of constrained atoms. A move costs
    one more evaluation of the potential. The energy that is given with it counts as heat, so that the
    conserved quantity shows the error of the timestep alone.

    Args:
        thermostat: an integrator at constant temperature.
        barostat: `CellRescaling(...)` or `MonteCarloBarostat(...)`.

    Raises:
        ConfigError: the thermostat is none, or path integrals, or has a bias or a barostat itself.
    """

    thermostat: AbstractIntegrator
    barostat: AbstractBarostat
    changes_cell: ClassVar[bool] = True  # pyright: ignore[reportIncompatibleMethodOverride]

    def __init__(self, *, thermostat: AbstractIntegrator, barostat: AbstractBarostat):
        if isinstance(thermostat, VelocityVerlet):
            raise ConfigError(
                "constant pressure needs a thermostat, and velocity Verlet is none", "choose Langevin"
            )
        if isinstance(thermostat, PathIntegral):
            raise ConfigError("path integrals at constant pressure are not there yet", "choose Langevin")
        if thermostat.adds_energy:
            raise ConfigError(
                "the moves of the cell would not feel the bias",
                "put the bias around: Biased(integrator=ConstantPressure(...), bias=...)",
            )
        if thermostat.changes_cell:
            raise ConfigError("there is a barostat already", "give the thermostat without one")
        self.thermostat = thermostat
        self.barostat = barostat

    @property
    def integrator(self) -> AbstractIntegrator:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The thermostat."""
        return self.thermostat

    @property
    def exchanges(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether replicas of the thermostat may swap temperatures."""
        return self.thermostat.exchanges

    def weighed(self, state: State) -> Float[Array, "*n_systems"]:
        """With the work of the pressure, P V."""
        return self.thermostat.weighed(state) + self.barostat.pressure * GIGAPASCAL * state.system.volume

    def check(self, system: System) -> None:
        if not system.is_periodic:
            raise UnsupportedError(
                "constant pressure needs a cell that is periodic along all three directions",
                "a molecule in vacuum has no pressure: choose nvt",
            )
        self.thermostat.check(system)

    def own(self) -> tuple[Any, ...]:
        return (*self.thermostat.own(), self.barostat.pressure)

    def description(self) -> str:
        return f"{self.thermostat.description()} with {self.barostat}"

    def _begun(self, state: State, potential: AbstractPotential, neighbors: Neighbors) -> State:
        state = self.thermostat._begun(state, potential, neighbors)
        return eqx.tree_at(lambda s: s.extra, state, state.extra | self.barostat.begin())

    def step(self, state: State, potential: AbstractPotential, neighbors: Neighbors) -> State:
        after = self.thermostat.step(state, potential, neighbors)
        due = after.step % self.barostat.every == 0
        return jax.lax.cond(due, lambda s: self._move_if_known(s, potential, neighbors), lambda s: s, after)

    def _move_if_known(self, state: State, potential: AbstractPotential, neighbors: Neighbors) -> State:
        """Forces from an incomplete list must not move the cell; who called throws the step away."""
        complete = jnp.all(neighbors.is_complete(state.system, potential.cutoff, same_cell=False))
        return jax.lax.cond(complete, lambda s: self._move(s, potential, neighbors), lambda s: s, state)

    def _move(self, state: State, potential: AbstractPotential, neighbors: Neighbors) -> State:
        barostat, system = self.barostat, state.system
        atoms = system.sum_atoms(jnp.ones(system.n_atoms))
        law = Law(
            thermal=BOLTZMANN * self.temperature,
            interval=barostat.every * self.timestep,
            bodies=n_bodies(state),
            missing=jnp.where(self.conserves_momentum & (atoms > 1), 1.0, 0.0),
        )
        allowed = jnp.asarray(strains(barostat.shape))
        components = barostat.draw(state, state.noise(len(allowed)), law)
        strain = jnp.sum(components[..., None, None] * allowed, axis=-3)
        trial = deformed(state, strain, potential, neighbors, barostat.scales_momenta)
        odds = barostat.log_ratio(state, trial, components, law)
        taken = jnp.log(state.chance()) < odds
        # A trial beyond the list is handed out as it is: the step is thrown away and the list made anew.
        trial = self.thermostat.refreshed(trial, potential, neighbors)
        known = neighbors.is_complete(trial.system, potential.cutoff, same_cell=False)
        after = chosen(taken | ~known, trial, state)
        extra = barostat.learn(after.extra, jnp.exp(jnp.minimum(odds, 0.0)))
        extra = extra | {ATTEMPTS: extra[ATTEMPTS] + 1, ACCEPTED: extra[ACCEPTED] + taken}
        return eqx.tree_at(lambda s: s.extra, after, extra)


def n_bodies(state: State) -> Float[Array, "*n_systems"]:
    """Atoms, or groups of constrained ones, of each system."""
    system = state.system
    if state.constraints is not None:
        return state.constraints.bodies(system)
    return system.sum_atoms(jnp.ones(system.n_atoms, system.positions.dtype))


def deformed(
    state: State,
    strain: Float[Array, "*n_systems 3 3"],
    potential: AbstractPotential,
    neighbors: Neighbors,
    scales_momenta: bool,
) -> State:
    """The state with its cell and positions mapped by x -> x exp(strain), and momenta by p exp(-strain); of
    bodies, the centers of mass and the momenta with which they move.

    Energy, forces and stress are those of the new positions; what energy was added counts as heat.
    """
    system, momenta = state.system, state.momenta
    growth, shrinkage = _exponential(strain), _exponential(-strain)
    offsets, moving = jnp.zeros_like(momenta), momenta
    if state.constraints is not None:
        offsets = state.constraints.offsets(state.positions, system)
        moving = state.constraints.collective(momenta, system)
    positions = system.mapped(state.positions - offsets, growth) + offsets
    if scales_momenta:
        momenta = momenta - moving + system.mapped(moving, shrinkage)
    system = eqx.tree_at(lambda s: (s.positions, s.cell), system, (positions, _product(system.cell, growth)))
    prediction = potential(system, neighbors, stress=True)
    assert prediction.forces is not None
    assert prediction.stress is not None
    kinetic = kinetic_energy(momenta, system) - kinetic_energy(state.momenta, system)
    return eqx.tree_at(
        lambda s: (s.system, s.momenta, s.forces, s.energy, s.stress, s.heat),
        state,
        (
            system,
            momenta,
            prediction.forces.astype(state.forces.dtype),
            prediction.energy,
            prediction.stress,
            state.heat + prediction.energy - state.energy + kinetic,
        ),
    )


def _exponential(strain: Float[Array, "*n_systems 3 3"]) -> Float[Array, "*n_systems 3 3"]:
    """Of a small matrix, by its series: exact to rounding below 0.1."""
    result = term = jnp.eye(3, dtype=strain.dtype)
    for order in range(1, 11):
        term = _product(term, strain) / order
        result = result + term
    return result


def _product(
    one: Float[Array, "*n_systems 3 3"], other: Float[Array, "*n_systems 3 3"]
) -> Float[Array, "*n_systems 3 3"]:
    """Of two matrices, written out: the bits of one system do not depend on how many there are."""
    first, second, third = (one[..., :, k, None] * other[..., None, k, :] for k in range(3))
    return first + second + third


class CellRescaling(AbstractBarostat):
    """Stochastic cell rescaling: the strain follows the pressure's deviation, with noise that belongs to it.

    Along each allowed strain E of unit norm the cell moves within an interval dt by

        D [V E : (P_inst - P) / k_B T + n tr E] dt + sqrt(2 D dt) R,    D = k_B T kappa / (3 tau V)

    with P_inst of the momenta and the virial, R normal, kappa the compressibility, and n = 1 where the total
    momentum is zero, for the atom whose momentum does not count, else 0: the law of Bernetti and Bussi 2020
    (doi 10.1063/5.0020514) and Del Tatto et al. 2022 (doi 10.3390/app12031139) in its Itô form. Momenta are
    scaled inversely. Each such move is accepted or refused as a proposal of Metropolis, which makes the
    ensemble exact for any interval and compressibility; near the right one few are refused.

    Args:
        pressure: [GPa].
        relaxation_time: in which the volume forgets, tau [fs].
        compressibility: a guess, to a factor of ten [1/GPa]: 0.45 for water, 0.01 for a metal. With one that
            is too large the volume forgets faster by its factor, and more moves are refused.
        shape: "isotropic" for liquids, "anisotropic" for boxes, "triclinic" for crystals.
        every: steps between two moves.
    """

    pressure: float
    relaxation_time: float
    compressibility: float
    shape: Shape = eqx.field(static=True)
    every: int = eqx.field(static=True)
    scales_momenta = True

    def __init__(
        self,
        *,
        pressure: Annotated[float, Unit("pressure")] = 1e-4,
        relaxation_time: Annotated[float, Unit("time")] = 1000.0,
        compressibility: float = 0.45,
        shape: Shape = "isotropic",
        every: int = 10,
    ):
        check_positive(relaxation_time=relaxation_time, compressibility=compressibility)
        _check(pressure, shape, every)
        self.pressure = float(pressure)
        self.relaxation_time = float(relaxation_time)
        self.compressibility = float(compressibility)
        self.shape = shape
        self.every = int(every)

    def draw(
        self, state: State, noise: Float[Array, "*n_systems strains"], law: Law
    ) -> Float[Array, "*n_systems strains"]:
        mean, variance = self._proposal(state, law)
        return mean + jnp.sqrt(variance) * noise

    def log_ratio(
        self, old: State, new: State, strain: Float[Array, "*n_systems strains"], law: Law
    ) -> Float[Array, "*n_systems"]:
        # The volume of phase space of scaled positions and momenta grows by V only for the atom whose
        # momentum does not count, and dV by V.
        weight = self.log_weight(old, new, law, 1 + law.missing)

        def drawn(state: State, components: Float[Array, "*n_systems strains"]) -> Float[Array, "*n_systems"]:
            mean, variance = self._proposal(state, law)
            return -jnp.sum((components - mean) ** 2 / (2 * variance) + 0.5 * jnp.log(variance), axis=-1)

        return weight + drawn(new, -strain) - drawn(old, strain)

    def _proposal(
        self, state: State, law: Law
    ) -> tuple[Float[Array, "*n_systems strains"], Float[Array, "*n_systems 1"]]:
        """Mean and variance of the strain's components."""
        system, volume = state.system, state.system.volume
        momenta, stress = of_bodies(state)
        basis = jnp.asarray(strains(self.shape))
        flow = system.sum_atoms((momenta / system.masses[:, None])[:, :, None] * momenta[:, None])
        pressure = jnp.asarray(self.pressure * GIGAPASCAL)[..., None, None]
        excess = flow / volume[..., None, None] - stress - pressure * jnp.eye(3)
        along = jnp.sum(basis * excess[..., None, :, :], axis=(-2, -1))
        slope = (volume / law.thermal)[..., None] * along
        slope = slope + law.missing[..., None] * jnp.trace(basis, axis1=1, axis2=2)
        rate = law.thermal * self.compressibility / GIGAPASCAL / (3 * self.relaxation_time * volume)
        spread = (rate * law.interval)[..., None]
        # Far from equilibrium the cell moves at most one in a hundred, so that the atoms can follow.
        return jnp.clip(spread * slope, -_LONGEST_DRIFT, _LONGEST_DRIFT), 2 * spread


class MonteCarloBarostat(AbstractBarostat):
    """Random strains, accepted by their energy (McDonald 1972, doi 10.1080/00268977200100031).

    Momenta are left alone; no virial is needed. The odds of a strain are
    -(dU + P dV) / k_B T + (N + 1) d ln V, the strain being normal, of a size that is fitted, less and less,
    until half of the moves are accepted.

    Args:
        pressure: [GPa].
        shape: "isotropic" for liquids, "anisotropic" for boxes, "triclinic" for crystals.
        every: steps between two moves.
    """

    pressure: float
    shape: Shape = eqx.field(static=True)
    every: int = eqx.field(static=True)
    scales_momenta = False

    def __init__(
        self,
        *,
        pressure: Annotated[float, Unit("pressure")] = 1e-4,
        shape: Shape = "isotropic",
        every: int = 25,
    ):
        _check(pressure, shape, every)
        self.pressure = float(pressure)
        self.shape = shape
        self.every = int(every)

    def begin(self) -> dict[str, Array]:
        return super().begin() | {SIZE: jnp.asarray(_FIRST_SIZE)}

    def draw(
        self, state: State, noise: Float[Array, "*n_systems strains"], law: Law
    ) -> Float[Array, "*n_systems strains"]:
        return state.extra[SIZE][..., None] * noise

    def log_ratio(
        self, old: State, new: State, strain: Float[Array, "*n_systems strains"], law: Law
    ) -> Float[Array, "*n_systems"]:
        return self.log_weight(old, new, law, law.bodies + 1)

    def learn(self, extra: dict[str, Array], chance: Float[Array, "*n_systems"]) -> dict[str, Array]:
        gain = 1 / (1 + extra[ATTEMPTS] / 10) ** 0.7
        size = jnp.minimum(extra[SIZE] * jnp.exp(gain * (chance - 0.5)), _LONGEST_DRAWN)
        return extra | {SIZE: size}


def fixed_cell() -> None:
    """No barostat: the cell stays as it is."""


def _check(pressure: float, shape: str, every: int) -> None:
    if not np.isfinite(pressure):
        raise ConfigError(f"a pressure of {pressure} GPa makes no sense")
    if shape not in get_args(Shape):
        raise ConfigError(f"unknown shape {shape!r}", f"choose one of {', '.join(get_args(Shape))}")
    if every < 1:
        raise ConfigError(f"a barostat acts every 1 or more steps, not every {every}")
