"""What every integrator must do, as tests to inherit."""

import pathlib

import equinox as eqx
import jax
import numpy as np

from adiabat.dynamics import AbstractIntegrator, Guard, State, Verdict, VerletList, run_dynamics
from adiabat.dynamics.chunk import run_chunk
from adiabat.io.trajectory import read_trajectory
from adiabat.potentials import LennardJones
from adiabat.system import System
from adiabat.testing import systems

_POTENTIAL = LennardJones(cutoff=6.0)


class IntegratorChecks:
    """Subclass it in a test and override `integrator`.

    The checks run argon by Lennard-Jones in double precision (`jax_enable_x64`).
    """

    reversible: bool = False
    """Whether flipped momenta lead back, as for constant energy."""
    order: int = 2
    """By which power of the timestep the conserved quantity is wrong."""

    def integrator(self, timestep: float, temperature: float) -> AbstractIntegrator:
        """The integrator under test, with this timestep [fs] and temperature [K]."""
        raise NotImplementedError

    def test_conserved_quantity_does_not_drift(self) -> None:
        """Below 1e-4 eV/atom/ns for solid argon over 10 ps."""
        run = run_dynamics(_crystal(), _POTENTIAL, self.integrator(4.0, 40.0), steps=2500, record_every=5)
        assert run.trajectory is not None
        conserved = run.trajectory.observables["conserved"]
        time_ns = run.trajectory.times * 1e-6
        drift = np.polyfit(time_ns[100:], conserved[100:], 1)[0] / run.state.system.n_atoms
        assert abs(drift) < 1e-4
        kinetic = run.trajectory.observables["kinetic_energy"]
        assert conserved.std() < 0.02 * kinetic.std() + 1e-6 * run.state.system.n_atoms

    def test_order_in_the_timestep(self) -> None:
        """Half the timestep, a quarter of the error of the conserved quantity at second order."""
        errors = []
        for timestep in (16.0, 8.0, 4.0):
            steps = int(4000 / timestep)
            integrator = self.integrator(timestep, 30.0)
            run = run_dynamics(_crystal(), _POTENTIAL, integrator, steps=steps, record_every=1)
            assert run.trajectory is not None
            errors.append(np.std(run.trajectory.observables["conserved"]))
        order = np.log2(errors[0] / errors[2]) / 2
        assert abs(order - self.order) < 0.3, errors

    def test_time_reversal(self) -> None:
        """A thousand steps, momenta turned around, a thousand steps: the start, to 1e-9 Å."""
        if not self.reversible:
            return
        integrator = self.integrator(4.0, 40.0)
        start = _start(integrator)
        there = _advance(integrator, start, [1000])
        turned = eqx.tree_at(lambda s: s.momenta, there, -there.momenta)
        back = _advance(integrator, turned, [1000])
        np.testing.assert_allclose(back.positions, start.positions, atol=1e-9)
        np.testing.assert_allclose(-back.momenta, start.momenta, atol=1e-9)

    def test_independent_of_the_length_of_chunks(self) -> None:
        """Chunks of 1, 7 and 150 steps give the same bits."""
        integrator = self.integrator(4.0, 90.0)
        start = _start(integrator)
        whole = _advance(integrator, start, [150])
        for pieces in ([7] * 21 + [3], [1] * 20 + [130]):
            parts = _advance(integrator, start, pieces)
            assert np.array_equal(parts.positions, whole.positions)
            assert np.array_equal(parts.momenta, whole.momenta)
            assert np.array_equal(parts.heat, whole.heat)

    def test_resumed_run_is_bit_identical(self, tmp_path: pathlib.Path) -> None:
        """Stopped three times and resumed, the trajectory and the last state are those of one run."""
        integrator, system = self.integrator(4.0, 90.0), _crystal()
        whole, parts = tmp_path / "whole", tmp_path / "parts"

        def run(folder: pathlib.Path, steps: int) -> State:
            options = {"record_every": 7, "seed": 3, "folder": folder, "resume": True}
            return run_dynamics(system, _POTENTIAL, integrator, steps=steps, **options).state

        expected = run(whole, 300)
        result = [run(parts, steps) for steps in (50, 131, 300)][-1]
        assert np.array_equal(result.positions, expected.positions)
        assert np.array_equal(result.momenta, expected.momenta)
        one, other = (read_trajectory(folder / "trajectory.h5") for folder in (whole, parts))
        assert np.array_equal(one.positions, other.positions)
        assert np.array_equal(one.steps, other.steps)
        for name, values in one.observables.items():
            assert np.array_equal(values, other.observables[name]), name

    def test_seed_decides(self) -> None:
        """The same seed, the same run; another seed, another."""
        integrator = self.integrator(4.0, 60.0)
        first, second, third = (_advance(integrator, _start(integrator, s), [20]) for s in (1, 1, 2))
        assert np.array_equal(first.positions, second.positions)
        assert not np.array_equal(first.positions, third.positions)


def _crystal() -> System:
    return systems.argon(32, density=1.65, displacement=0.05)


def _start(integrator: AbstractIntegrator, seed: int = 0) -> State:
    system = _crystal()
    return integrator.init(system, _POTENTIAL, _list().build(system), key=jax.random.key(seed))


def _advance(integrator: AbstractIntegrator, state: State, pieces: list[int]) -> State:
    """Steps in chunks of these lengths; the list is made anew where it must be."""
    verlet_list = _list()
    system = state.system
    assert isinstance(system, System)
    neighbors = verlet_list.build(system)
    for stop in int(state.step) + np.cumsum(pieces):
        while int(state.step) < stop:
            chunk = run_chunk(
                _POTENTIAL,
                integrator,
                Guard(temperature=integrator.temperature),
                state,
                neighbors,
                stop=int(stop),
                record_every=10**6,
                capacity=1,
            )
            state = chunk.state
            if int(chunk.verdict) == Verdict.LIST_OUTRUN:
                here = eqx.tree_at(
                    lambda s: (s.positions, s.cell), system, (state.positions, state.system.cell)
                )
                neighbors = verlet_list.build(here)
            else:
                assert int(chunk.verdict) == Verdict.FINE
    return state


def _list() -> VerletList:
    return VerletList(_POTENTIAL.cutoff, skin=0.4, capacity=96)
