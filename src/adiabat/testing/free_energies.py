"""Free-energy differences of one particle on known surfaces, by walkers that share a bias."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import numpy as np

from adiabat.base.units import BOLTZMANN
from adiabat.dynamics import Langevin, run_replicas
from adiabat.io.trajectory import read_trajectory
from adiabat.potentials import AbstractPotential
from adiabat.sampling import (
    OPES,
    AbstractBias,
    AbstractVariable,
    Biased,
    Combination,
    FreeEnergyDifference,
    HillsFiles,
    Metadynamics,
    read_biased_run,
)
from adiabat.sampling import free_energy_difference as difference
from adiabat.sampling.read_run import trajectory_files
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


def double_well(kind: Any, steps: int = 200_000, seed: int = 0) -> FreeEnergyDifference:
    """That of the double well [eV], k_B T being `THERMAL`."""
    options: dict[str, Any] = {"variables": [Coordinate()], "widths": [0.12], "shared": True}
    if kind is OPES:
        bias = OPES(barrier=7 * THERMAL, every=100, **options)
    else:
        bias = Metadynamics(
            height=0.05 * THERMAL, bias_factor=6.0, every=1000, limits=[[-2.0, 2.0]], **options
        )
    starts = [[-1.0, 0, 0], [1.0, 0, 0]] * 8
    places, energies = walkers(DoubleWell(unit=THERMAL), bias, starts, steps, timestep=10.0, seed=seed)
    x = places[..., 0]
    return difference(x < 0, x > 0, energies, KELVIN, skip=_SKIPPED[kind])


def mueller_brown(kind: Any, thermal: float, steps: int | None = None, seed: int = 0) -> FreeEnergyDifference:
    """That of the surface of Müller and Brown [eV], whose unit is `THERMAL / thermal`.

    The bias is on y - x / 2, which grows along the whole path from B to A; on x and y, of which one only
    crosses the narrow valleys, an error takes several times the work.
    """
    unit = THERMAL / thermal
    along = Combination(
        variables=[Coordinate(), Coordinate(axis=1, name="y")], coefficients=[-0.5, 1.0], name="along"
    )
    options: dict[str, Any] = {"variables": [along], "widths": [0.12], "shared": True}
    if kind is OPES:
        bias = OPES(barrier=130 * unit, every=200, **options)
    else:
        bias = Metadynamics(
            height=0.05 * THERMAL, bias_factor=100 / thermal, every=1000, limits=[[-3.0, 6.0]], **options
        )
    starts = [[-0.558, 1.442, 0], [0.623, 0.028, 0]] * 8
    steps = steps or (600_000 if kind is OPES else 800_000)
    places, energies = walkers(MuellerBrown(unit=unit), bias, starts, steps, timestep=5.0, seed=seed)
    x, y = places[..., 0], places[..., 1]
    return difference(y > 0.75, (y < 0.25) & (x > 0.2), energies, KELVIN, skip=_SKIPPED[kind])


# As `adiabat free-energy` does.
_SKIPPED = {OPES: 0.2, Metadynamics: 1 / 3}


def walkers(
    potential: AbstractPotential,
    bias: AbstractBias,
    starts: Sequence[Sequence[float]],
    steps: int,
    *,
    timestep: float,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Positions [Å] of particles that share a bias, shape (n_walkers, n_frames, 3), and the bias to weigh
    them with [eV], as a run's folder has them.

    They fly across a surface of some 2 Å before friction turns them.

    Args:
        potential: the surface.
        bias: shared.
        starts: of each [Å].
        steps: how many.
        timestep: [fs].
        seed: of everything random.
    """
    integrator = Langevin(timestep=timestep, temperature=KELVIN, friction=0.003)
    biased = Biased(integrator=integrator, bias=bias)
    with tempfile.TemporaryDirectory() as name:
        hills = HillsFiles(Path(name), biased)
        run_replicas(
            [System.create([6], [start], masses=[12.0]) for start in starts],
            potential,
            [biased] * len(starts),
            steps=steps,
            seeds=range(seed * len(starts), (seed + 1) * len(starts)),
            record_every=20,
            folder=Path(name),
            checkpoint_seconds=3600.0,
            on_chunk=hills.update,
        )
        places = np.stack([read_trajectory(file).positions[:, 0] for file in trajectory_files(Path(name))])
        energies = read_biased_run(name, KELVIN if isinstance(bias, Metadynamics) else None).bias
    return places, energies
