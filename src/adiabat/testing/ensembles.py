"""Simulations as `physical_validation` wants them, which judges their ensembles (Merz and Shirts 2018,
doi 10.1371/journal.pone.0202764)."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from adiabat.base import DataError, MissingDependencyError
from adiabat.base.units import BOLTZMANN, FEMTOSECOND
from adiabat.dynamics import run_replicas
from adiabat.io.trajectory import Trajectory
from adiabat.system import System


def simulation_data(
    trajectory: Trajectory,
    timestep: float,
    degrees_of_freedom: int,
    *,
    ensemble: Literal["NVE", "NVT", "NPT"],
    temperature: float | None = None,
    pressure: float | None = None,
    volume: float | None = None,
) -> Any:
    """A `physical_validation.data.SimulationData` of atoms without constraints.

    Args:
        trajectory: its frames, without those before equilibrium.
        timestep: [fs].
        degrees_of_freedom: that its temperature was computed with (`DynamicsResult.degrees_of_freedom`).
        ensemble: that was to be sampled.
        temperature: [K].
        pressure: [GPa].
        volume: [Å^3].

    Raises:
        MissingDependencyError: the package is not installed.
    """
    pv = _package()
    found, n_atoms = trajectory.observables, trajectory.template.n_atoms
    units = pv.data.UnitData(
        kb=BOLTZMANN,
        energy_str="eV", energy_conversion=96.48533212,
        length_str="Å", length_conversion=0.1,
        volume_str="Å^3", volume_conversion=1e-3,
        temperature_str="K", temperature_conversion=1.0,
        pressure_str="GPa", pressure_conversion=1e4,
        time_str="fs", time_conversion=1e-3,
    )  # fmt: skip
    at = {"temperature": temperature, "pressure": pressure, "volume": volume}
    given = {name: value for name, value in at.items() if value is not None}
    return pv.data.SimulationData(
        units=units,
        dt=timestep,
        system=pv.data.SystemData(
            natoms=n_atoms,
            nconstraints=0,
            ndof_reduction_tra=3 * n_atoms - degrees_of_freedom,
            ndof_reduction_rot=0,
            mass=np.asarray(trajectory.template.masses),
            molecule_idx=np.arange(n_atoms),
            nconstraints_per_molecule=np.zeros(n_atoms),
        ),
        ensemble=pv.data.EnsembleData(ensemble, natoms=n_atoms, **given),
        observables=pv.data.ObservableData(
            kinetic_energy=found["kinetic_energy"],
            potential_energy=found["potential_energy"],
            total_energy=found["kinetic_energy"] + found["potential_energy"],
            volume=np.linalg.det(trajectory.cells),
            pressure=found["pressure"],
            constant_of_motion=found["conserved"],
        ),
        # The package takes m v^2 for an energy, whatever the units.
        trajectory=pv.data.TrajectoryData(
            position=trajectory.positions, velocity=trajectory.velocities / FEMTOSECOND
        ),
    )


def simulated(
    system: System,
    potential: Any,
    integrators: Sequence[Any],
    *,
    steps: int,
    record_every: int,
    temperatures: Sequence[float],
    pressures: Sequence[float] | None = None,
    forgotten: float = 0.2,
    skin: float | None = None,
) -> list[Any]:
    """Replicas of a system in one program, each as a `physical_validation.data.SimulationData`.

    Args:
        system: where each starts.
        potential: what acts.
        integrators: of each, all with the same timestep.
        steps: of each.
        record_every: steps between frames.
        temperatures: of each [K].
        pressures: of each [GPa]; at constant volume None.
        forgotten: share of each that is left out, while it comes to equilibrium.
        skin: of the neighbor lists [Å].
    """
    runs = run_replicas(
        [system] * len(integrators),
        potential,
        integrators,
        steps=steps,
        record_every=record_every,
        seeds=range(len(integrators)),
        skin=skin,
    )
    found = []
    for k, run in enumerate(runs):
        assert run.trajectory is not None
        kept = run.trajectory[round(forgotten * len(run.trajectory)) :]
        at = {"volume": float(system.volume)} if pressures is None else {"pressure": pressures[k]}
        found.append(
            simulation_data(
                kept,
                integrators[k].timestep,
                run.degrees_of_freedom,
                ensemble="NVT" if pressures is None else "NPT",
                temperature=temperatures[k],
                **at,
            )
        )
    return found


def largest_deviations(data: Sequence[Any]) -> dict[str, float | str]:
    """The largest of two simulations in standard errors: of the kinetic energy, of its halves, and of the
    slopes, or why there are none."""
    kinetic = [kinetic_deviations(one) for one in data]
    found: dict[str, float | str] = {
        "kinetic energy": max(float(np.abs(whole).max()) for whole, _ in kinetic),
        "equipartition": max(float(np.abs(halves).max()) for _, halves in kinetic),
    }
    try:
        return found | {"ensemble slope": float(np.abs(ensemble_slopes(*data)).max())}
    except DataError as error:
        return found | {"ensemble slope": error.message}


def kinetic_deviations(data: Any) -> tuple[np.ndarray, np.ndarray]:
    """How far mean and width of the kinetic energy are from those of the canonical ensemble, in standard
    errors, shape (2,); the same of two halves of the atoms, drawn at random, shape (4,)."""
    pv = _package()
    options = {"strict": False, "verbosity": 0, "bootstrap_seed": 1}
    whole = pv.kinetic_energy.distribution(data, **options)
    groups = pv.kinetic_energy.equipartition(
        data, random_divisions=1, random_groups=2, random_division_seed=1, **options
    )
    # Of all atoms and of either half, twice: of all motion, and of translation, which is the same for atoms.
    return np.asarray(whole), np.concatenate([np.ravel(one) for one in groups[2::2]])


def ensemble_slopes(one: Any, other: Any) -> np.ndarray:
    """How far the ratio of the probabilities of energies (and volumes) at two temperatures (and pressures) is
    from that of the ensemble, in standard errors (Shirts 2013, doi 10.1021/ct300688p).

    Raises:
        DataError: the simulations have too few frames that do not depend on each other.
    """
    pv = _package()
    from physical_validation.util.error import InputError  # pyright: ignore[reportMissingImports]
    from pymbar.utils import ParameterError  # pyright: ignore[reportMissingImports]

    try:
        found = np.asarray(pv.ensemble.check(one, other, verbosity=0, bootstrap_seed=1))
    except (InputError, ParameterError):
        found = np.array([np.nan])
    if not np.isfinite(found).all():
        raise DataError("too few frames do not depend on each other to compare ensembles", "simulate longer")
    return found


def order_deviation(data: Sequence[Any]) -> float:
    """How far the fluctuation of the conserved energy is from falling to a quarter whenever the timestep is
    halved, relative, the largest of simulations by falling timestep."""
    found = _package().integrator.convergence(list(data), convergence_test="max_deviation", verbose=False)
    return float(found)


def _package() -> Any:
    try:
        import physical_validation  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise MissingDependencyError(
            "physical_validation is not installed", "pip install physical-validation"
        ) from None
    return physical_validation
