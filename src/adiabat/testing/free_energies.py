"""What the slow checks of free energies share: a variable of one particle, and walkers on a known surface."""

from typing import ClassVar

import equinox as eqx
import numpy as np

from adiabat.base.units import BOLTZMANN
from adiabat.dynamics import Langevin, run_replicas
from adiabat.sampling import AbstractVariable, Biased
from adiabat.sampling.biased import bias_energies
from adiabat.system import System

KELVIN = 300.0
THERMAL = BOLTZMANN * KELVIN


class Coordinate(AbstractVariable):
    """Where the particle is along an axis: a variable as a third party would write it."""

    axis: int = eqx.field(static=True, default=0)
    name: str = eqx.field(static=True, default="x")
    unit: ClassVar[str] = "Å"
    period: ClassVar[float | None] = None

    def members(self):
        return (0,)

    def __call__(self, system):
        return system.positions[0, self.axis]


def walkers(potential, bias, starts, steps):
    """Positions (n_walkers, n_frames, 3) and the bias to reweight with [eV], of particles that share it.

    They fly some 0.4 Å, the size of a basin, before friction turns them: with 0.1 Å they seldom crossed.
    """
    integrator = Langevin(timestep=2.0, temperature=KELVIN, friction=0.01)
    biased = Biased(integrator=integrator, bias=bias)
    runs = run_replicas(
        [System.create([6], [start], masses=[12.0]) for start in starts],
        potential,
        [biased] * len(starts),
        steps=steps,
        seeds=range(len(starts)),
        record_every=20,
    )
    places = np.stack([run.trajectory.positions for run in runs])[:, :, 0]
    if bias.label == "opes":
        energies = np.stack([run.trajectory.observables["bias"] for run in runs])
    else:
        names = [variable.name for variable in bias.variables]
        values = np.stack([np.stack([run.trajectory.observables[n] for n in names], axis=-1) for run in runs])
        memory = biased.memory(runs[0].state)
        energies = np.stack([_final(bias, one, memory) for one in values])
    return places, energies


@eqx.filter_jit
def _compiled(bias, values, memory):
    return bias_energies(bias, values, memory, THERMAL)


def _final(bias, values, memory):
    return np.concatenate([_compiled(bias, part, memory) for part in np.array_split(values, 8)])
