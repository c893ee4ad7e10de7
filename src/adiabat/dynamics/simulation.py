"""The loop around the compiled chunks: neighbor lists, frames, checkpoints, failures."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from adiabat.base import ConfigError, UnsupportedError
from adiabat.dynamics.chunk import Frames, frame, run_chunk
from adiabat.dynamics.constraints import Constraints
from adiabat.dynamics.failure import culprit, fail
from adiabat.dynamics.guard import Guard, Verdict
from adiabat.dynamics.integrator import AbstractIntegrator, constrained
from adiabat.dynamics.joined import replica, replica_folder
from adiabat.dynamics.path_integral import PathIntegral
from adiabat.dynamics.recorder import Recorder, Recorders
from adiabat.dynamics.restart import Restart
from adiabat.dynamics.state import State
from adiabat.dynamics.verlet_list import VerletList
from adiabat.dynamics.verlet_lists import VerletLists
from adiabat.io.trajectory import Trajectory
from adiabat.potentials import AbstractPotential
from adiabat.system import System

TRAJECTORY_FILE = "trajectory.h5"
# How long compiled code may keep the host waiting [s], and the steps of the first chunk, whose pace is
# unknown.
_CHUNK_SECONDS = 1.0
_FIRST_CHUNK = 20
_BUFFER_BYTES = 1 << 20
# Their numbers are integers of 32 bits.
_MOST_STEPS = 2**31 - 1


@dataclass(frozen=True)
class DynamicsResult:
    """What a simulation leaves behind.

    Attributes:
        state: the last one.
        trajectory: the recorded frames when there is no folder, else None: they are in its `trajectory.h5`.
        degrees_of_freedom: that the temperature was computed with.
        steps_per_second: of this process, compilation left out.
        neighbor_lists: how many were made.
        compilations: how often an array had to grow, the first time included.
        beads: of path integrals, the frames of each bead when there is no folder; state and trajectory are
            those of the centroid.
    """

    state: State
    trajectory: Trajectory | None
    degrees_of_freedom: int
    steps_per_second: float
    neighbor_lists: int
    compilations: int
    beads: tuple[Trajectory, ...] = ()


def run_dynamics(
    system: System,
    potential: AbstractPotential,
    integrator: AbstractIntegrator,
    *,
    steps: int,
    record_every: int = 10,
    seed: int = 0,
    momenta: np.ndarray | None = None,
    constraints: Constraints | None = None,
    skin: float | None = None,
    guard: Guard | None = None,
    folder: Path | None = None,
    resume: bool = False,
    checkpoint_seconds: float = 30.0,
    on_chunk: Callable[[State], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> DynamicsResult:
    """Moves a system for a number of steps.

    No force is ever taken from an incomplete neighbor list: a step that outruns the list is thrown away, the
    list made anew and the step repeated. The trajectory depends on the arguments alone, neither on the
    length of the compiled chunks nor on interruptions; on one machine and with one set of versions it is
    bit-identical.

    Args:
        system: the structure to start from.
        potential: gives the forces.
        integrator: does the steps.
        steps: how many in all, those before a resume included.
        record_every: steps between recorded frames; the start is the first.
        seed: of the random numbers.
        momenta: to start with [sqrt(amu eV)]; drawn from the Maxwell-Boltzmann distribution by default.
        constraints: distances that stay what they are.
        skin: of the neighbor list [Å]; that of the integrator by default.
        guard: refuses wild steps; by default one with the temperature of the integrator.
        folder: where `trajectory.h5` and `checkpoints/` are written; frames are kept in memory without it.
        resume: go on from the newest checkpoint in the folder; start when there is none.
        checkpoint_seconds: wall time between checkpoints.
        on_chunk: called with the state about once a second.
        should_stop: asked as often; True saves and leaves.

    Raises:
        SimulationError: a step was refused; `last_good.xyz` and `offending.xyz` are in the folder.
        UnsupportedError: the integrator cannot move such a system, or does not keep constraints; path
            integrals, which have `run_path_integral`; a cell that has outgrown what the potential was made
            ready for.
        ConfigError: a setting makes no sense, or is not the one of the run to be resumed.
        DataError: two atoms at one place, a damaged checkpoint or trajectory, a full disk.
    """
    check_counts(steps, record_every)
    if isinstance(integrator, PathIntegral):
        raise UnsupportedError("path integrals move beads", "call run_path_integral")
    integrator.check(system)
    guard = Guard(temperature=integrator.temperature) if guard is None else guard
    # Positions and momenta are kept in float64 whatever the setting of the process.
    with jax.enable_x64(True):
        verlet_list = VerletList(
            potential.cutoff,
            integrator.skin if skin is None else skin,
            inner_cutoff=integrator.inner_cutoff,
        )
        prepared = potential.for_systems([system]).for_inference()
        prepared_integrator = integrator.for_inference()
        same = (system, potential, integrator, record_every, seed, momenta)
        is_prepared = prepared is not potential
        restart = None
        if folder is not None:
            restart = Restart(folder, *same, prepared=is_prepared, constraints=constraints)
        loaded = restart.load(system, verlet_list) if restart is not None and resume else None
        if loaded is None:
            neighbors = verlet_list.build(constrained(system, constraints))
            key = jax.random.key(seed)
            state = prepared_integrator.init(
                system, prepared, neighbors, key=key, momenta=momenta, constraints=constraints
            )
        else:
            state = loaded[0]
            check_steps(state, steps)
        path = folder / TRAJECTORY_FILE if folder is not None else None
        n_frames = loaded[1] if loaded is not None else 0
        names = integrator.info(state).names()
        with Recorder(system, path, n_frames, names, integrator.measures) as recorder:
            loop = Loop(
                prepared,
                prepared_integrator,
                guard,
                verlet_list,
                recorder,
                restart,
                folder,
                state,
                record_every,
            )
            loop.run(steps, checkpoint_seconds, on_chunk, should_stop)
            return loop.result()


def check_counts(steps: int, record_every: int) -> None:
    """Refuses numbers of steps that make no sense.

    Raises:
        ConfigError: they make none.
    """
    if steps < 0 or record_every < 1:
        raise ConfigError(f"steps ({steps}) must be at least 0, and record_every ({record_every}) at least 1")
    if steps > _MOST_STEPS:
        raise ConfigError(
            f"a run has {_MOST_STEPS:,} steps at most, not {steps:,}",
            "go on from its last frame in another run",
        )


def check_steps(state: State, steps: int) -> None:
    """Refuses to go on with a run that has more steps than are asked for.

    Raises:
        ConfigError: it has.
    """
    if int(state.step) > steps:
        raise ConfigError(
            f"the run has {int(state.step)} steps already, more than the {steps} asked for",
            "ask for more steps, or start over with --force",
        )


class Loop:
    """One run, chunk after chunk."""

    def __init__(
        self,
        potential: AbstractPotential,
        integrator: AbstractIntegrator,
        guard: Guard,
        verlet_list: VerletList | VerletLists,
        recorder: Recorder | Recorders,
        restart: Restart | None,
        folder: Path | None,
        state: State,
        record_every: int,
    ):
        self.potential, self.integrator, self.guard = potential, integrator, guard
        self.verlet_list, self.recorder, self.restart, self.folder = verlet_list, recorder, restart, folder
        self.state, self.record_every = state, record_every
        first = self._frame()
        self.capacity = int(np.clip(_BUFFER_BYTES // sum(x.nbytes for x in jax.tree.leaves(first)), 1, 512))
        self.compiled: set[tuple] = set()
        self.timed_steps, self.seconds = 0, 0.0
        if recorder.n_frames == 0:
            recorder.add(first, 1)

    def run(
        self,
        steps: int,
        checkpoint_seconds: float,
        on_chunk: Callable[[State], None] | None,
        should_stop: Callable[[], bool] | None,
    ) -> None:
        """Until the last step, a request to stop or a failure."""
        start = (self.state.energy, self.state.forces, self.state.momenta)
        if not all(np.isfinite(np.asarray(values)).all() for values in start):
            self._fail(self.state, Verdict.NOT_FINITE)
        saved = time.monotonic()
        while int(self.state.step) < steps:
            self._advance(steps)
            if on_chunk is not None:
                on_chunk(self.state)
            stop = should_stop is not None and should_stop()
            if stop or time.monotonic() - saved > checkpoint_seconds:
                self._save()
                saved = time.monotonic()
            if stop:
                return
        self._save()

    def result(self) -> DynamicsResult:
        """What the caller gets."""
        return DynamicsResult(
            state=self.state,
            trajectory=self.recorder.in_memory(),
            degrees_of_freedom=int(np.asarray(self.state.degrees_of_freedom).sum()),
            steps_per_second=self._pace(),
            neighbor_lists=self.verlet_list.builds,
            compilations=len(self.compiled),
        )

    def _advance(self, steps: int) -> None:
        """One chunk, and what it asks for."""
        neighbors = self.verlet_list.neighbors
        assert neighbors is not None
        before = int(self.state.step)
        sizes = tuple(leaf.shape for leaf in jax.tree.leaves((neighbors, self.state.extra)))
        ahead = max(1, int(self._pace() * _CHUNK_SECONDS)) if self.timed_steps else _FIRST_CHUNK
        started = time.monotonic()
        chunk = run_chunk(
            self.potential,
            self.integrator,
            self.guard,
            self.state,
            neighbors,
            stop=min(steps, before + ahead),
            record_every=self.record_every,
            capacity=self.capacity,
        )
        verdict = Verdict(int(chunk.verdict))
        self.state = chunk.state
        self.recorder.add(chunk.frames, int(chunk.recorded))
        if sizes in self.compiled:
            self.timed_steps += int(chunk.state.step) - before
            self.seconds += time.monotonic() - started
        self.compiled.add(sizes)
        if verdict == Verdict.LIST_OUTRUN:
            lists: Any = self.verlet_list  # of one system or of many, as the state is
            lists.rebuild(int(self.state.step), self.state.system, chunk.attempt.system)
        elif verdict == Verdict.FULL:
            self.state = self.integrator.with_room(self.state)
        elif verdict != Verdict.FINE:
            self._save()
            self._fail(chunk.attempt, verdict)
        if self.integrator.changes_cell:
            self._check_cell()

    def _check_cell(self) -> None:
        """Raise UnsupportedError, after saving, when the potential was not made ready for such a cell."""
        found: list[Any] = [self.state.system]
        if isinstance(self.recorder, Recorders):
            found = [replica(self.state, one.template, k).system for k, one in enumerate(self.recorder.each)]
        try:
            for system in found:
                self.potential.check(system)
        except UnsupportedError:
            self._save()
            raise

    def _save(self) -> None:
        """Frames first, then the checkpoint that counts them."""
        if self.restart is not None:
            self.recorder.sync()
            self.restart.save(self.state, self.verlet_list, self.recorder.n_frames)

    def _fail(self, attempt: State, verdict: Verdict) -> None:
        good, folder, name = self.state, self.folder, "the simulation"
        infos = (self.integrator.info(good), self.integrator.info(attempt))
        if isinstance(self.recorder, Recorders):
            number, label = culprit(good, attempt, verdict, infos), self.recorder.label
            template, name = self.recorder.each[number].template, f"{label} {number}"
            good, attempt = (replica(state, template, number) for state in (good, attempt))
            infos = jax.tree.map(lambda x: x[number] if x.ndim else x, infos)
            folder = replica_folder(folder, number, label) if folder is not None else None
        fail(good, attempt, verdict, infos, folder, name)

    def _frame(self) -> Frames:
        one = frame(self.state, self.integrator.info(self.state))
        return jax.tree.map(lambda x: np.asarray(x)[None], one)

    def _pace(self) -> float:
        return self.timed_steps / self.seconds if self.seconds else 0.0
