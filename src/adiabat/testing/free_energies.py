"""Free-energy differences of one particle on known surfaces, by walkers that share a bias."""

from typing import Any, ClassVar

import equinox as eqx
import numpy as np

from adiabat.base.units import BOLTZMANN
from adiabat.dynamics import Langevin, run_replicas
from adiabat.sampling import OPES, AbstractVariable, Biased, FreeEnergyDifference, Metadynamics
from adiabat.sampling import free_energy_difference as difference
from adiabat.sampling.biased import bias_energies
from adiabat.system import System
from adiabat.testing.surfaces import DoubleWell, MuellerBrown

KELVIN = 300.0
THERMAL = BOLTZMANN * KELVIN
DOUBLE_WELL = 0.932417
"""F(x > 0) - F(x < 0) of 4 (x^2 - 1)^2 + x / 2 at k_B T = 1, by quadrature."""
MUELLER_BROWN = {10: 38.0428, 15: 38.2693, 20: 39.3964}
"""F(B) - F(A) on the surface of Müller and Brown by k_B T, in its units, by quadrature: A is y > 0.75, B is
y < 0.25 with x > 0.2."""


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


def double_well(kind: Any, steps: int | None = None) -> FreeEnergyDifference:
    """That of the double well [eV], k_B T being `THERMAL`."""
    options = {"barrier": 7 * THERMAL} if kind is OPES else {"height": 0.1 * THERMAL, "bias_factor": 6.0}
    every = 100 if kind is OPES else 2000
    bias = kind(variables=[Coordinate()], widths=[0.12], every=every, shared=True, **options)
    starts = [[-1.0, 0, 0], [1.0, 0, 0]] * 8
    steps = steps or (40_000 if kind is OPES else 80_000)
    places, energies = walkers(DoubleWell(unit=THERMAL), bias, starts, steps)
    x = places[..., 0]
    return difference(x < 0, x > 0, energies, KELVIN, skip=_SKIPPED[kind])


def mueller_brown(kind: Any, thermal: float) -> FreeEnergyDifference:
    """That of the surface of Müller and Brown [eV], whose unit is `THERMAL / thermal`."""
    unit = THERMAL / thermal
    if kind is OPES:
        options = {"barrier": 150 * unit, "every": 100}
    else:
        options = {"height": 0.3 * THERMAL, "bias_factor": 100 / thermal, "every": 500}
    variables = [Coordinate(), Coordinate(axis=1, name="y")]
    bias = kind(variables=variables, widths=[0.12, 0.12], shared=True, **options)
    starts = [[-0.558, 1.442, 0], [0.623, 0.028, 0]] * 8
    places, energies = walkers(MuellerBrown(unit=unit), bias, starts, 60_000)
    x, y = places[..., 0], places[..., 1]
    return difference(y > 0.75, (y < 0.25) & (x > 0.2), energies, KELVIN, skip=_SKIPPED[kind])


# Frames of metadynamics are weighed with all hills of the end, which those of the first half had not felt.
_SKIPPED = {OPES: 0.2, Metadynamics: 0.5}


def walkers(potential, bias, starts, steps):
    """Positions (n_walkers, n_frames, 3) and the bias to reweight with [eV], of particles that share it.

    They fly some 0.4 Å, the size of a basin, before friction turns them: with 0.1 Å they seldom crossed.
    """
    integrator = Langevin(timestep=2.0, temperature=KELVIN, friction=0.01)
    biased = Biased(integrator=integrator, bias=bias)
    runs: Any = run_replicas(
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
    return bias_energies(bias, values, memory, THERMAL)  # pyright: ignore[reportArgumentType]


def _final(bias, values, memory):
    return np.concatenate([_compiled(bias, part, memory) for part in np.array_split(values, 8)])
