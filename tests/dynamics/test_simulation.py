"""The loop: lists that are outrun, tables that overflow, failures, interruptions."""

import json

import ase.io
import jax.numpy as jnp
import numpy as np
import pytest

from adiabat.base import ConfigError, DataError, SimulationError
from adiabat.base.units import FEMTOSECOND
from adiabat.dynamics import Guard, Langevin, VelocityVerlet, run_dynamics
from adiabat.io.trajectory import read_trajectory
from adiabat.potentials import AbstractPotential, HarmonicAngles, HarmonicBonds, LennardJones
from adiabat.system import System
from adiabat.testing import systems

POTENTIAL = LennardJones(cutoff=6.0)
LIQUID = systems.argon(32, displacement=0.1)


def final(run):
    return np.asarray(run.state.positions), np.asarray(run.state.momenta)


def test_list_with_and_without_skin_gives_the_same_trajectory():
    """However often the list is rebuilt, the forces are the same to rounding."""
    integrator = VelocityVerlet(timestep=4, temperature=150)
    runs = [run_dynamics(LIQUID, POTENTIAL, integrator, steps=150, skin=skin) for skin in (0.1, 0.5, 2.0)]
    assert runs[0].neighbor_lists > runs[1].neighbor_lists > runs[2].neighbor_lists
    for run in runs[1:]:
        np.testing.assert_allclose(run.state.positions, runs[0].state.positions, atol=1e-9)


def test_skin_too_small_for_a_step_is_widened():
    """An atom crosses the whole skin in one step: no endless rebuilding, no wrong force."""
    integrator = VelocityVerlet(timestep=4, temperature=300)
    narrow = run_dynamics(LIQUID, POTENTIAL, integrator, steps=60, skin=0.01)
    wide = run_dynamics(LIQUID, POTENTIAL, integrator, steps=60, skin=1.0)
    np.testing.assert_allclose(narrow.state.positions, wide.state.positions, atol=1e-10)


def test_table_grows_when_it_overflows():
    """A gas that falls together: the table starts narrow and must grow, and nothing is missed."""
    gas = systems.random_gas([18] * 20, size=22.0, pbc=False, seed=1)
    positions, masses = np.asarray(gas.positions), np.asarray(gas.masses)
    fall = (
        -(positions - positions.mean(axis=0)) / (2000 * FEMTOSECOND) * masses[:, None]
    )  # together after 2 ps
    options = {"steps": 300, "momenta": fall, "guard": Guard(temperature=1e5, lost_atoms=False)}
    potential = LennardJones(epsilon=0.02, sigma=3.0, cutoff=7.0)
    run = run_dynamics(gas, potential, VelocityVerlet(timestep=4), **options)
    assert run.compilations > 1
    all_pairs = run_dynamics(gas, potential, VelocityVerlet(timestep=4), skin=50.0, **options)
    assert all_pairs.neighbor_lists == 1
    np.testing.assert_allclose(run.state.positions, all_pairs.state.positions, atol=1e-9)


def test_molecule_that_sees_itself_is_never_listed_again():
    run = run_dynamics(
        systems.argon_cluster(7), LennardJones(), Langevin(timestep=4, temperature=20), steps=200
    )
    assert run.neighbor_lists == 1


def test_record_every():
    integrator = VelocityVerlet(timestep=2, temperature=50)
    every = run_dynamics(LIQUID, POTENTIAL, integrator, steps=20, record_every=1).trajectory
    third = run_dynamics(LIQUID, POTENTIAL, integrator, steps=20, record_every=3).trajectory
    assert np.array_equal(every.steps, np.arange(21))
    assert np.array_equal(third.steps, np.arange(0, 21, 3))
    assert np.array_equal(third.positions, every.positions[::3])
    np.testing.assert_allclose(every.times, 2.0 * every.steps)
    momenta = every.velocities / FEMTOSECOND * np.asarray(LIQUID.masses)[:, None]
    kinetic = 0.5 * np.sum(momenta**2 / np.asarray(LIQUID.masses)[:, None], axis=(1, 2))
    np.testing.assert_allclose(kinetic, every.observables["kinetic_energy"], rtol=1e-5)


class Bomb(AbstractPotential):
    """Lennard-Jones that goes wrong once an atom has left its place."""

    kind: str
    cutoff: float

    def __init__(self, kind: str):
        self.kind = kind
        self.cutoff = 6.0

    def atom_energies(self, system, neighbors):
        energies = LennardJones(cutoff=6.0).atom_energies(system, neighbors)
        away = jnp.sum((system.positions - jnp.asarray(LIQUID.positions)) ** 2, axis=1) > 0.6**2
        wrong = {"nan": jnp.nan, "jump": -5.0, "push": -30 * system.positions[:, 0]}[self.kind]
        return jnp.where(away, energies + wrong, energies)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("nan", "not a finite number"),
        ("jump", "conserved energy changed"),
        ("push", "kinetic energy|moved|conserved|K$"),
    ],
)
def test_failure_leaves_everything_behind(tmp_path, kind, reason):
    """Both frames, the trajectory up to the failure, and a checkpoint."""
    integrator = VelocityVerlet(timestep=4, temperature=200)
    with pytest.raises(SimulationError, match=reason) as caught:
        run_dynamics(LIQUID, Bomb(kind), integrator, steps=2000, record_every=5, folder=tmp_path)
    assert caught.value.exit_code == 3
    assert "last_good.xyz" in caught.value.hint
    good, bad = (ase.io.read(tmp_path / name) for name in ("last_good.xyz", "offending.xyz"))
    assert good.info["step"] == bad.info["step"] - 1
    assert np.isfinite(good.get_forces()).all()
    if kind == "nan":
        assert not np.isfinite(bad.get_potential_energy())
    trajectory = read_trajectory(tmp_path / "trajectory.h5")
    assert trajectory.steps[-1] == good.info["step"] // 5 * 5
    assert np.isfinite(trajectory.positions).all()
    with pytest.raises(SimulationError):  # the same step fails again, from the checkpoint
        run_dynamics(LIQUID, Bomb(kind), integrator, steps=2000, record_every=5, folder=tmp_path, resume=True)


def test_too_hot():
    momenta = np.random.default_rng(0).normal(size=(32, 3)) * 60
    with pytest.raises(SimulationError, match=r"kinetic energy|temperature|moved"):
        run_dynamics(LIQUID, POTENTIAL, VelocityVerlet(timestep=4), steps=10, momenta=momenta)


def test_lost_atom():
    momenta = np.zeros((7, 3))
    momenta[3] = [4.0, 0, 0]
    with pytest.raises(SimulationError, match="left all others"):
        run_dynamics(
            systems.argon_cluster(7),
            LennardJones(cutoff=6.0),
            VelocityVerlet(timestep=10),
            steps=4000,
            momenta=momenta,
        )


def test_no_atom_is_lost_of_bonds_that_reach_any_distance():
    """Bonds of water as long as the list of bonded terms reaches, which says nothing of who feels whom."""
    water = System.create([8, 1, 1], [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    bonds = HarmonicBonds(atoms=[[0, 1], [0, 2]], stiffness=40.0, length=1.0)
    potential = bonds + HarmonicAngles(atoms=[[1, 0, 2]], stiffness=4.0, angle=1.82)
    run = run_dynamics(water, potential, Langevin(timestep=0.5, temperature=600), steps=1000)
    length = np.linalg.norm(run.trajectory.positions[:, 1] - run.trajectory.positions[:, 0], axis=-1)
    assert length.min() < 0.99 < 1.01 < length.max()


def test_timestep_far_too_long():
    with pytest.raises(SimulationError, match="timestep"):
        run_dynamics(LIQUID, POTENTIAL, VelocityVerlet(timestep=400, temperature=300), steps=100)


def test_start_that_is_not_finite():
    overlapping = System.create([18, 18], [[0, 0, 0], [0, 0, 2e-3]])
    with pytest.raises(SimulationError, match="step 0"):
        run_dynamics(overlapping, LennardJones(epsilon=1e300), VelocityVerlet(timestep=1), steps=10)


def test_stop_saves_and_resume_goes_on(tmp_path):
    integrator = Langevin(timestep=4, temperature=100, friction=0.01)
    whole = run_dynamics(LIQUID, POTENTIAL, integrator, steps=200, record_every=3)
    stopped = run_dynamics(
        LIQUID, POTENTIAL, integrator, steps=200, record_every=3, folder=tmp_path, should_stop=lambda: True
    )
    assert 0 < int(stopped.state.step) < 200
    resumed = run_dynamics(
        LIQUID, POTENTIAL, integrator, steps=200, record_every=3, folder=tmp_path, resume=True
    )
    for one, other in zip(final(resumed), final(whole), strict=True):
        assert np.array_equal(one, other)
    assert np.array_equal(read_trajectory(tmp_path / "trajectory.h5").positions, whole.trajectory.positions)


def test_resume_refuses_other_settings(tmp_path):
    integrator = Langevin(timestep=4, temperature=100)
    run_dynamics(LIQUID, POTENTIAL, integrator, steps=5, folder=tmp_path)
    again = {"steps": 10, "folder": tmp_path, "resume": True}
    with pytest.raises(ConfigError, match="integrator"):
        run_dynamics(LIQUID, POTENTIAL, Langevin(timestep=4, temperature=101), **again)
    with pytest.raises(ConfigError, match="potential"):
        run_dynamics(LIQUID, LennardJones(cutoff=6.0, epsilon=0.011), integrator, **again)
    with pytest.raises(ConfigError, match="seed"):
        run_dynamics(LIQUID, POTENTIAL, integrator, seed=1, **again)
    with pytest.raises(ConfigError, match="structure"):
        run_dynamics(systems.argon(4), POTENTIAL, integrator, **again)


def test_damaged_checkpoint_falls_back_to_the_one_before(tmp_path):
    """The newest is refused by its hash; the run goes on from the older one, to the same bits."""
    integrator = Langevin(timestep=4, temperature=100, friction=0.01)
    options = {"record_every": 4, "folder": tmp_path, "resume": True}
    for steps in (40, 90):
        run_dynamics(LIQUID, POTENTIAL, integrator, steps=steps, **options)
    newest = max((tmp_path / "checkpoints").iterdir())
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(bytes(data))
    resumed = run_dynamics(LIQUID, POTENTIAL, integrator, steps=150, **options)
    whole = run_dynamics(LIQUID, POTENTIAL, integrator, steps=150, record_every=4)
    assert np.array_equal(final(resumed)[0], final(whole)[0])
    assert np.array_equal(read_trajectory(tmp_path / "trajectory.h5").positions, whole.trajectory.positions)


def test_more_steps_than_a_number_of_32_bits_holds_are_refused():
    with pytest.raises(ConfigError, match="2,147,483,647 steps at most, not 3,000,000,000"):
        run_dynamics(LIQUID, POTENTIAL, VelocityVerlet(timestep=4), steps=3_000_000_000)


def test_trajectory_gone_at_resume(tmp_path):
    run_dynamics(LIQUID, POTENTIAL, Langevin(timestep=4, temperature=100), steps=20, folder=tmp_path)
    (tmp_path / "trajectory.h5").unlink()
    with pytest.raises(DataError, match="no trajectory"):
        run_dynamics(
            LIQUID, POTENTIAL, Langevin(timestep=4, temperature=100), steps=40, folder=tmp_path, resume=True
        )


@pytest.mark.parametrize("bad", [{"steps": -1}, {"steps": 10, "record_every": 0}])
def test_settings(bad):
    with pytest.raises(ConfigError):
        run_dynamics(LIQUID, POTENTIAL, VelocityVerlet(), **bad)


def test_checkpoint_header_is_plain(tmp_path):
    """Nothing in a checkpoint but numbers and JSON."""
    run_dynamics(LIQUID, POTENTIAL, VelocityVerlet(timestep=2), steps=2, folder=tmp_path)
    (path,) = (tmp_path / "checkpoints").iterdir()
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert {"positions", "momenta", "forces", "reference_positions", "key"} <= set(header)
