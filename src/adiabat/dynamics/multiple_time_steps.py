"""Multiple time steps: a cheap potential in short steps, the accurate one in long ones."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from adiabat.base import ConfigError
from adiabat.dynamics.evaluate import evaluate
from adiabat.dynamics.integrator import AbstractIntegrator, moved, projected
from adiabat.dynamics.path_integral import PathIntegral
from adiabat.dynamics.restart import fingerprint
from adiabat.dynamics.state import OF_ATOMS, State
from adiabat.dynamics.wrapper import AbstractWrapper
from adiabat.potentials import AbstractPotential
from adiabat.system import Neighbors, System

_LENIENT = 1e-9  # Å
# Atoms of water at 300 K go 0.25 Å in 4 fs: with the skin of single steps each long one would outrun its list
# and be done twice.
_SKIN = 1.5  # Å
_ENERGY, _FORCES = "inner energy", f"{OF_ATOMS}inner forces"


class MultipleTimeSteps(AbstractWrapper):
    """Reversible reference system propagator, r-RESPA: what the accurate potential has beside a cheap inner
    one kicks the atoms once a step, half at its beginning and half at its end; between, the integrator does
    `inner_steps` steps with the inner potential alone (Tuckerman, Berne and Martyna 1992,
    doi 10.1063/1.463137).

    The ensemble is that of the accurate potential, to second order in the timestep, whatever the inner one:
    it only decides how long a step may be. Thermostats act in the inner steps. For a bond that vibrates with
    period P a timestep near P / 2 is in resonance with it, with 9 fs for bonds to hydrogen (Ma, Izaguirre and
    Skeel 2003, doi 10.1137/S1064827501399833).

    Args:
        integrator: at constant energy or temperature; its timestep is that of the accurate potential.
        inner: a cheap potential near the accurate one, which sees no farther.
        inner_steps: into which each timestep is divided.

    Raises:
        ConfigError: less than one inner step, or an integrator of path integrals, of several time steps, with
            a barostat or under a bias.
    """

    integrator: AbstractIntegrator
    inner: AbstractPotential
    inner_steps: int = eqx.field(static=True)

    def __init__(self, *, integrator: AbstractIntegrator, inner: AbstractPotential, inner_steps: int = 4):
        if inner_steps < 1:
            raise ConfigError(f"there must be at least one inner step, not {inner_steps}")
        if isinstance(integrator, PathIntegral):
            raise ConfigError("path integrals in several time steps are not there yet", "choose Langevin")
        if isinstance(integrator, MultipleTimeSteps) or integrator.changes_cell:
            raise ConfigError(
                f"{type(integrator).__name__} cannot do the inner steps",
                "choose Langevin; at constant pressure, make MultipleTimeSteps(...) the thermostat",
            )
        if integrator.adds_energy:
            raise ConfigError(
                "the long steps would not feel the bias",
                "put the bias around: Biased(integrator=MultipleTimeSteps(...), bias=...)",
            )
        self.integrator = integrator
        self.inner = inner
        self.inner_steps = int(inner_steps)

    @property
    def skin(self) -> float:
        """Wider than for single steps [Å]."""
        return _SKIN

    @property
    def inner_cutoff(self) -> float | None:
        """That of the inner potential [Å]."""
        return self.inner.cutoff

    def check(self, system: System) -> None:
        self.inner.check(system)
        self.integrator.check(system)

    def for_inference(self) -> "MultipleTimeSteps":
        ready = (self.integrator.for_inference(), self.inner.for_inference())
        return eqx.tree_at(lambda i: (i.integrator, i.inner), self, ready)

    def description(self) -> str:
        settings = self.integrator.description()
        return f"{settings} in {self.inner_steps} steps of the potential {fingerprint(self.inner)}"

    def _begun(self, state: State, potential: AbstractPotential, neighbors: Neighbors) -> State:
        if self.inner.cutoff > potential.cutoff:
            raise ConfigError(
                f"the inner potential sees {self.inner.cutoff:g} Å far, the other {potential.cutoff:g} Å",
                "take an inner potential with the same or a shorter cut-off",
            )
        inside = self._inside(self.refreshed(state, potential, neighbors))
        return self._outside(state, self._inner_integrator()._begun(inside, self.inner, _inner(neighbors)))

    def refreshed(self, state: State, potential: AbstractPotential, neighbors: Neighbors) -> State:
        prediction = evaluate(self.inner, state.system, _inner(neighbors))
        assert prediction.forces is not None
        forces = prediction.forces.astype(state.forces.dtype)
        known = {_ENERGY: prediction.energy.astype(state.energy.dtype), _FORCES: forces}
        return eqx.tree_at(lambda s: s.extra, state, state.extra | known)

    def step(self, state: State, potential: AbstractPotential, neighbors: Neighbors) -> State:
        integrator, near = self._inner_integrator(), _inner(neighbors)

        def goes_on(inside: State) -> Array:
            # Forces from an incomplete list must not move atoms. Who called, who is a bit more strict, finds
            # atoms beyond it and throws the step away.
            reach = potential.cutoff - _LENIENT
            complete = neighbors.is_complete(inside.system, reach, not state.system.is_periodic)
            # The number of inner steps may be too large for an integer; the difference of two is right.
            done = inside.step - state.step * self.inner_steps
            return jnp.all(complete) & (done < self.inner_steps)

        inside = self._inside(self._kicked(state))
        inside = jax.lax.while_loop(goes_on, lambda s: integrator.step(s, self.inner, near), inside)
        after = moved(state, inside.positions, inside.momenta, potential, neighbors)
        return self._kicked(self._outside(after, inside))

    def _inner_integrator(self) -> AbstractIntegrator:
        return eqx.tree_at(lambda i: i.timestep, self.integrator, self.timestep / self.inner_steps)

    def _kicked(self, state: State) -> State:
        """After half a timestep of the forces that only the accurate potential has."""
        slow = state.forces - state.extra[_FORCES]
        momenta = state.momenta + 0.5 * self.internal_timestep * slow
        return eqx.tree_at(lambda s: s.momenta, state, projected(state, momenta, state.positions))

    def _inside(self, state: State) -> State:
        """The same as a state of the inner integrator, whose steps are counted by themselves."""
        return dataclasses.replace(
            state,
            forces=state.extra[_FORCES],
            energy=state.extra[_ENERGY],
            stress=None,
            step=state.step * self.inner_steps,
        )

    def _outside(self, state: State, inside: State) -> State:
        """A state of the accurate potential with what the inner integrator keeps."""
        known = {_ENERGY: inside.energy, _FORCES: inside.forces}
        return dataclasses.replace(state, heat=inside.heat, shadow=inside.shadow, extra=inside.extra | known)


def _inner(neighbors: Neighbors) -> Neighbors:
    """The list for the inner potential, which is complete as long as the other one is."""
    return neighbors if neighbors.inner is None else neighbors.inner
