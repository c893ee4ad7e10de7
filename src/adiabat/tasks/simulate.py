"""Molecular dynamics from Python."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adiabat.base import ConfigError, UnsupportedError
from adiabat.base.digest import digest
from adiabat.base.interrupts import interruptible
from adiabat.base.progress import progress
from adiabat.base.runs import RunFolder
from adiabat.base.units import FEMTOSECOND
from adiabat.tasks import precision
from adiabat.tasks.measure import drift_numbers
from adiabat.tasks.structure import as_system, describe
from adiabat.tasks.trust import warn_of_unknown_system

if TYPE_CHECKING:
    import ase

    from adiabat.dynamics import (
        AbstractBarostat,
        AbstractIntegrator,
        Constrained,
        Constraints,
        DynamicsResult,
        Guard,
    )
    from adiabat.io.trajectory import Trajectory
    from adiabat.potentials import AbstractPotential
    from adiabat.sampling import AbstractBias
    from adiabat.system import System


@dataclass(frozen=True)
class Run:
    """A finished simulation.

    Attributes:
        system: the structure at the end.
        velocities: at the end [Å/fs], shape (n_atoms, 3).
        summary: numbers of the whole run: `steps`, `frames`, `time_ps`, `temperature` [K],
            `drift_ev_per_atom_ns` of the conserved energy with its standard error
            `drift_ev_per_atom_ns_error`, or of fewer than 8 frames `drift_note`; `steps_per_second`; of a
            periodic system `pressure_gpa`, and with a barostat `density_g_per_cm3` and the share of its moves
            that were accepted, `barostat_accepted`; of path integrals `quantum_kinetic_energy_ev`, the mean
            of the centroid-virial estimator after the first fifth, in which the rings open; of exchanging
            replicas `exchanges_accepted`, the share of the swaps of replica k's first temperature with the
            next one.
        folder: of the run, or None.
    """

    system: "System"
    velocities: np.ndarray
    summary: dict[str, Any]
    folder: Path | None
    _kept: "Trajectory | None" = None
    _beads: "tuple[Trajectory, ...]" = ()

    @cached_property
    def trajectory(self) -> "Trajectory":
        """All recorded frames, read from the folder if there is one."""
        from adiabat.dynamics import TRAJECTORY_FILE
        from adiabat.io.trajectory import read_trajectory

        if self._kept is not None:
            return self._kept
        assert self.folder is not None
        return read_trajectory(self.folder / TRAJECTORY_FILE)

    @cached_property
    def beads(self) -> "tuple[Trajectory, ...]":
        """The frames of each bead of path integrals, read from the folder if there is one."""
        from adiabat.dynamics import TRAJECTORY_FILE
        from adiabat.dynamics.joined import BEAD
        from adiabat.io.trajectory import read_trajectory

        if self.folder is None:
            return self._beads
        return tuple(
            read_trajectory(path) for path in sorted(self.folder.glob(f"{BEAD}-*/{TRAJECTORY_FILE}"))
        )


def simulate(
    system: "System | ase.Atoms",
    potential: "AbstractPotential",
    integrator: "AbstractIntegrator",
    *,
    steps: int,
    barostat: "AbstractBarostat | None" = None,
    bias: "AbstractBias | None" = None,
    constraints: "Constrained | Constraints" = "none",
    hydrogen_mass: float | None = None,
    record_every: int = 10,
    seed: int = 0,
    velocities: np.ndarray | None = None,
    guard: "Guard | None" = None,
    out: str | os.PathLike | None = None,
    resume: bool = False,
    force: bool = False,
    config: Mapping[str, Any] | None = None,
) -> Run:
    """Moves a structure with the forces of a potential.

    Args:
        system: the structure to start from.
        potential: gives the forces.
        integrator: `Langevin(...)`, `VelocityRescaling(...)`, `NoseHoover(...)`, `VelocityVerlet(...)` or,
            for quantum nuclei, `PathIntegral(...)`; holds timestep and temperature. `MultipleTimeSteps(...)`
            puts a cheaper potential beside.
        steps: how many.
        barostat: `CellRescaling(...)` or `MonteCarloBarostat(...)`, for constant pressure; holds the
            pressure. By default the cell stays as it is.
        bias: on collective variables, such as `Metadynamics(...)` or `OPES(...)` of `adiabat.sampling`. The
            values of the variables and of the bias are recorded in the trajectory and in the file COLVAR, the
            hills of metadynamics in the file HILLS.
        constraints: distances that stay what they are: bonds to hydrogen ("hydrogens"), all three of each
            water molecule ("water"), "hydrogens+water", or `Constraints.create(...)`. Bonds of one kind get
            the mean length that they have in the structure.
        hydrogen_mass: of all hydrogen atoms, taken from the atoms they are bonded to [amu].
        record_every: steps between recorded frames.
        seed: of the starting velocities and the thermostat.
        velocities: to start with [Å/fs], shape (n_atoms, 3); drawn at the integrator's temperature by
            default.
        guard: limits beyond which a step is refused.
        out: the run folder; the trajectory is kept in memory without it.
        resume: go on with the run in the folder, bit-identical to one that was never interrupted.
        force: start over in a folder that holds a run.
        config: recorded as the run's configuration instead of a description of the arguments.

    Raises:
        SimulationError: not a number, an exploded or far too hot system.
        UnsupportedError: an element that the potential does not know, a barostat without a periodic cell,
            constraints that do not go together.
        ConfigError: a setting makes no sense.
        Interrupted: SIGINT or SIGTERM came; everything is saved.

    Example:
        >>> run = adiabat.simulate(system, model, adiabat.Langevin(temperature=300, timestep=0.5),
        steps=10_000)
        >>> run.trajectory.observables["temperature"].mean()
    """
    from adiabat.dynamics import PathIntegral

    environment = precision.enable()
    system = as_system(system)
    potential.check(system)
    settings = dict(config) if config is not None else describe(system, integrator, barostat, bias)
    system, held, described = with_slow_hydrogen(system, constraints, hydrogen_mass)
    momenta = None
    if velocities is not None:
        if np.shape(velocities) != np.shape(system.positions) or not np.isfinite(velocities).all():
            shape = np.shape(velocities)
            raise ConfigError(f"velocities are {system.n_atoms} x 3 finite numbers [Å/fs], got shape {shape}")
        momenta = np.asarray(velocities) / FEMTOSECOND * np.asarray(system.masses)[:, None]
    arguments = {"record_every": record_every, "seed": seed, "momenta": momenta, "guard": guard}
    if isinstance(integrator, PathIntegral):
        if held is not None:
            raise UnsupportedError("path integrals do not keep constraints", 'set constraints = "none"')
    else:
        arguments["constraints"] = held
    integrator = wrapped(integrator, barostat, bias)
    integrator.check(system)
    if out is None:
        return _run(system, potential, integrator, None, steps, resume, arguments)
    settings |= described | {"steps": steps, "record_every": record_every, "seed": seed}
    with RunFolder.create(out, "md", settings, force=force, resume=resume, may_change=("steps",)) as folder:
        folder.note(**environment)
        run = _run(system, potential, integrator, folder.path, steps, resume, arguments)
        folder.result(**run.summary)
    return run


def wrapped(
    integrator: "AbstractIntegrator", barostat: "AbstractBarostat | None", bias: "AbstractBias | None"
) -> "AbstractIntegrator":
    """The integrator with a barostat and under a bias, where there are any.

    Raises:
        ConfigError, UnsupportedError: as `adiabat.dynamics.ConstantPressure` and `adiabat.sampling.Biased`.
    """
    from adiabat.dynamics import ConstantPressure
    from adiabat.sampling import Biased

    if barostat is not None:
        integrator = ConstantPressure(thermostat=integrator, barostat=barostat)
    return integrator if bias is None else Biased(integrator=integrator, bias=bias)


def with_slow_hydrogen(
    system: "System", constraints: "Constrained | Constraints", hydrogen_mass: float | None
) -> "tuple[System, Constraints | None, dict[str, Any]]":
    """The structure with its masses, its constraints, and how a configuration describes them.

    Raises:
        ConfigError, UnsupportedError: as `adiabat.dynamics.constrain` and `with_heavy_hydrogen`.
    """
    from adiabat.dynamics import constrain, with_heavy_hydrogen

    described: dict[str, Any] = {}
    if hydrogen_mass is not None:
        system = with_heavy_hydrogen(system, hydrogen_mass)
        described["hydrogen_mass"] = hydrogen_mass
    if isinstance(constraints, str):
        held = constrain(system, constraints)
        named = constraints
    else:
        held, named = constraints, digest(constraints.atoms, constraints.lengths)
    return system, held, described | ({} if named == "none" else {"constraints": named})


def _run(
    system: "System",
    potential: "AbstractPotential",
    integrator: "AbstractIntegrator",
    folder: Path | None,
    steps: int,
    resume: bool,
    arguments: dict[str, Any],
) -> Run:
    from adiabat.dynamics import PathIntegral, run_dynamics, run_path_integral
    from adiabat.sampling import HillsFiles

    run: Any = run_path_integral if isinstance(integrator, PathIntegral) else run_dynamics
    hills = HillsFiles(folder, integrator) if folder is not None else None
    with progress("dynamics", total=steps, unit="steps") as bar, interruptible() as stop:

        def show(state: Any) -> None:
            info = integrator.info(state)
            bar.advance(int(state.step) - bar.completed, temperature=float(np.mean(info.temperature)))
            if hills is not None:
                hills.update(state)

        result = run(
            system,
            potential,
            integrator,
            steps=steps,
            folder=folder,
            resume=resume,
            on_chunk=show,
            should_stop=lambda: stop.requested,
            **arguments,
        )
    found = summarize(result, integrator, folder)
    warn_of_unknown_system(potential, found.system, "the last frame")
    return found


def summarize(result: "DynamicsResult", integrator: "AbstractIntegrator", folder: Path | None) -> Run:
    """The run that left a result behind, with the numbers of its summary."""
    import equinox as eqx
    import jax

    state = jax.tree.map(np.asarray, eqx.tree_at(lambda s: s.key, result.state, None))
    run = Run(
        system=state.system,
        velocities=state.momenta / state.system.masses[:, None] * FEMTOSECOND,
        summary={},
        folder=folder,
        _kept=result.trajectory,
        _beads=result.beads,
    )
    trajectory = run.trajectory
    run.summary.update(
        steps=int(state.step),
        frames=len(trajectory),
        time_ps=float(state.step * integrator.timestep / 1000),
        temperature=float(np.mean(trajectory.observables["temperature"])),
        **drift_numbers(trajectory.times, trajectory.observables["conserved"], trajectory.positions.shape[1]),
        **_of_some(trajectory, state.extra),
        steps_per_second=round(result.steps_per_second, 1) or None,
        neighbor_lists=result.neighbor_lists,
    )
    return run


def _of_some(trajectory: "Trajectory", extra: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Means of what only some systems have."""
    from adiabat.analysis import density
    from adiabat.dynamics import exchange
    from adiabat.dynamics.barostat import ACCEPTED, ATTEMPTS

    found = {}
    if extra.get(exchange.ATTEMPTS):
        found["exchanges_accepted"] = float(extra[exchange.ACCEPTED] / extra[exchange.ATTEMPTS])
    if "pressure" in trajectory.observables:
        found["pressure_gpa"] = float(np.mean(trajectory.observables["pressure"]))
    if "quantum_kinetic_energy" in trajectory.observables:
        kinetic = trajectory.observables["quantum_kinetic_energy"]
        found["quantum_kinetic_energy_ev"] = float(np.mean(kinetic[len(kinetic) // 5 :]))
    if ATTEMPTS in extra:
        found["density_g_per_cm3"] = float(
            np.mean(density(np.asarray(trajectory.template.masses), trajectory.cells))
        )
        found["barostat_accepted"] = float(extra[ACCEPTED] / max(1, extra[ATTEMPTS]))
    return found
