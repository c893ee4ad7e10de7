"""Quantum nuclei against what quantum statistical mechanics says."""

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from adiabat.analysis import mean_with_error
from adiabat.base import ConfigError, SimulationError, UnsupportedError
from adiabat.base.runs import RunFolder
from adiabat.base.units import BOLTZMANN, GIGAPASCAL, HBAR
from adiabat.dynamics import (
    CellRescaling,
    ConstantPressure,
    Langevin,
    PathIntegral,
    VerletList,
    run_dynamics,
    run_path_integral,
    run_replicas,
)
from adiabat.dynamics.path_integral import normal_modes
from adiabat.io.trajectory import read_trajectory
from adiabat.networks import GENERAL, load_model
from adiabat.potentials import LennardJones, Morse
from adiabat.system import System
from adiabat.tasks.md import md
from adiabat.tasks.simulate import simulate
from adiabat.testing import systems
from adiabat.testing.springs import PROTON, WAVENUMBER, energies_of_rings, protons, quantum_energies

POTENTIAL = LennardJones(cutoff=6.0)
LIQUID = systems.argon(4, density=1.65, displacement=0.05)
SPRINGS = protons(5, 1000.0)


@pytest.mark.parametrize("beads", [1, 2, 5, 8])
def test_normal_modes(beads):
    """Orthogonal; the springs of a ring have the squared frequencies 4 sin^2(k pi / P) along them."""
    modes = normal_modes(beads)
    np.testing.assert_allclose(modes.T @ modes, np.eye(beads), atol=1e-14)
    springs = 2 * np.eye(beads) - np.roll(np.eye(beads), 1, axis=0) - np.roll(np.eye(beads), -1, axis=0)
    expected = 4 * np.sin(np.pi * np.arange(beads) / beads) ** 2
    np.testing.assert_allclose(modes.T @ springs @ modes, np.diag(expected), atol=1e-14)


@pytest.mark.device
@pytest.mark.parametrize("timestep", [pytest.param(0.5, marks=pytest.mark.physics), 3.0])
def test_spring_of_eight_beads(timestep):
    """<V> = k_B T / 2 sum_k w^2 / (w^2 + w_k^2) for each coordinate, of which half is kinetic: the exact
    answer for 8 beads, at a tenth and at half of the longest stable timestep.

    At 3 fs an exact free motion of the ring, in place of Cayley's, would be off by 4 %.
    """
    kelvin, beads, frequency = 300.0, 8, 2000.0
    system, potential = protons(60, frequency)
    integrator = PathIntegral(timestep=timestep, temperature=kelvin, beads=beads, friction=0.5 / timestep)
    run = run_path_integral(system, potential, integrator, steps=2500, record_every=5, skin=4.0)
    rings = 2 * beads * BOLTZMANN * kelvin / HBAR * np.sin(np.pi * np.arange(beads) / beads)
    omega = frequency * WAVENUMBER
    expected = 3 * 60 * BOLTZMANN * kelvin / 2 * np.sum(omega**2 / (omega**2 + rings**2))
    assert expected > 3 * 3 * 60 * BOLTZMANN * kelvin / 2  # more than three times the classical energy
    np.testing.assert_allclose(energies_of_rings(run.trajectory, 50), expected, rtol=0.015)


def test_one_bead_is_langevin():
    """The same trajectory, to rounding, from the same seed."""
    options = {"timestep": 2, "temperature": 300, "friction": 0.01}
    common = {"steps": 200, "seed": 3, "skin": 4.0}
    one = run_path_integral(*SPRINGS, PathIntegral(**options, beads=1), **common)
    other = run_dynamics(*SPRINGS, Langevin(**options), **common)
    np.testing.assert_allclose(one.state.positions, other.state.positions, atol=1e-9)
    np.testing.assert_allclose(one.state.momenta, other.state.momenta, atol=1e-9)
    for name in ("potential_energy", "kinetic_energy", "conserved", "temperature"):
        first, second = (run.trajectory.observables[name] for run in (one, other))
        np.testing.assert_allclose(first, second, atol=1e-8)
    assert one.degrees_of_freedom == other.degrees_of_freedom == 3 * 5


def test_free_particles():
    """The radius of gyration of a ring, hbar^2 / (4 m k_B T) (1 - 1/P^2), 3/2 k_B T of kinetic energy, and
    the pressure of an ideal gas."""
    kelvin, beads = 200.0, 8
    system, potential = protons(60, 0.0)
    system = System.create(system.numbers, system.positions, cell=np.diag([600.0, 40, 40]), pbc=True)
    integrator = PathIntegral(timestep=2.0, temperature=kelvin, beads=beads, friction=0.1)
    run = run_path_integral(system, potential, integrator, steps=1500, record_every=5, skin=8.0)
    positions = np.stack([bead.positions[40:].astype(np.float64) for bead in run.beads])
    gyration = np.mean(np.sum((positions - positions.mean(axis=0)) ** 2, axis=-1))
    expected = HBAR**2 / (4 * PROTON * BOLTZMANN * kelvin) * (1 - 1 / beads**2)
    assert gyration == pytest.approx(expected, rel=0.03)
    np.testing.assert_allclose(positions.mean(axis=0), run.trajectory.positions[40:], atol=1e-4)
    classical = 1.5 * 60 * BOLTZMANN * kelvin
    np.testing.assert_allclose(energies_of_rings(run.trajectory, 40)[1], classical, rtol=1e-12)
    assert energies_of_rings(run.trajectory, 40)[2] == pytest.approx(classical, rel=0.1)
    ideal = 60 * BOLTZMANN * kelvin / float(system.volume) / GIGAPASCAL
    np.testing.assert_allclose(run.trajectory.observables["pressure"], ideal, rtol=1e-12)


def test_interrupted_and_resumed(tmp_path):
    """Bit-identical to a run that was never interrupted, the beads included."""
    integrator = PathIntegral(timestep=4, temperature=90, beads=2)

    def run(folder, steps):
        options = {"record_every": 7, "seed": 3, "folder": tmp_path / folder, "resume": True}
        return run_path_integral(LIQUID, POTENTIAL, integrator, steps=steps, **options)

    whole = run("whole", 150)
    parts = [run("parts", steps) for steps in (30, 81, 150)][-1]
    assert np.array_equal(whole.state.positions, parts.state.positions)
    assert np.array_equal(whole.state.momenta, parts.state.momenta)
    for file in ("trajectory.h5", "bead-000/trajectory.h5", "bead-001/trajectory.h5"):
        one, other = (read_trajectory(tmp_path / name / file) for name in ("whole", "parts"))
        assert np.array_equal(one.steps, other.steps)
        assert np.array_equal(one.positions, other.positions)
        for name, values in one.observables.items():
            assert np.array_equal(values, other.observables[name]), name
    assert whole.neighbor_lists > 4
    with pytest.raises(ConfigError, match="integrator is"):
        run_path_integral(
            LIQUID, POTENTIAL, PathIntegral(beads=2), steps=9, record_every=7, folder=tmp_path / "parts",
            resume=True, seed=3,
        )  # fmt: skip


def test_md_writes_centroid_and_beads(tmp_path):
    out = tmp_path / "run"
    system, potential = SPRINGS
    options = {"temperature": 60.0, "timestep": 1.0, "steps": 20, "record_every": 5}
    run = md(potential, system, ensemble="pimd", beads=4, out=out, **options)
    assert RunFolder.open(out).config["integrator"]["beads"] == 4
    assert len(run.beads) == 4
    assert len(run.trajectory) == len(run.beads[3]) == 5
    middle = np.mean([bead.positions[-1] for bead in run.beads], axis=0)
    np.testing.assert_allclose(middle, run.trajectory.positions[-1], atol=1e-5)
    mean = np.mean([bead.observables["potential_energy"][-1] for bead in run.beads])
    assert mean == pytest.approx(run.trajectory.observables["potential_energy"][-1])
    assert run.summary["quantum_kinetic_energy_ev"] > 0
    np.testing.assert_allclose(run.system.positions, run.trajectory.positions[-1], atol=1e-5)
    in_memory = simulate(system, potential, PathIntegral(beads=4, temperature=60, timestep=1), steps=10)
    assert len(in_memory.beads) == 4


def test_what_does_not_go_together_is_refused():
    ring = PathIntegral(beads=4)
    with pytest.raises(UnsupportedError, match="run_path_integral"):
        run_dynamics(LIQUID, POTENTIAL, ring, steps=1)
    with pytest.raises(UnsupportedError, match="path integrals"):
        run_replicas([LIQUID] * 2, POTENTIAL, [ring] * 2, steps=1, seeds=[0, 1])
    with pytest.raises(ConfigError, match="constant pressure"):
        ConstantPressure(thermostat=ring, barostat=CellRescaling())
    for bad in ({"beads": 0}, {"friction": -1.0}, {"friction": float("nan")}):
        with pytest.raises(ConfigError):
            PathIntegral(**bad)
    for options in ({"ensemble": "nvt", "beads": 4}, {"ensemble": "pimd", "pressure": 1.0}):
        with pytest.raises(ConfigError, match="choose"):
            md(POTENTIAL, LIQUID, out="unused", steps=1, **options)


def test_the_bead_that_fails_is_named(tmp_path):
    """And its frames are kept."""
    hot = PathIntegral(timestep=200, temperature=900, beads=4)
    with pytest.raises(SimulationError, match=r"bead [0-3] failed"):
        run_path_integral(*SPRINGS, hot, steps=100, folder=tmp_path)
    assert list(tmp_path.glob("bead-00*/last_good.xyz"))


@pytest.mark.physics
def test_quantum_spring():
    """A spring of 1000/cm at 300 K, hbar w = 4.8 k_B T, has the energy hbar w / 2 coth(hbar w / 2 k_B T) of
    quantum mechanics within 1 % from 32 beads on; half of it is kinetic, by either estimator."""
    (potential_energy, virial, primitive), expected = quantum_energies()
    assert potential_energy + virial == pytest.approx(2 * expected, rel=0.01)
    assert potential_energy == pytest.approx(expected, rel=0.015)
    assert virial == pytest.approx(expected, rel=0.01)
    assert primitive == pytest.approx(expected, rel=0.015)


def radial_levels(energy, reduced_mass, low, high, momentum, points=400):
    """Energies of two atoms bound by energy(r) that turn with an angular momentum, by sinc functions on a
    grid (Colbert and Miller 1992, doi 10.1063/1.462100)."""
    r, spacing = np.linspace(low, high, points, retstep=True)
    index = np.arange(points)
    away = index[:, None] - index
    with np.errstate(divide="ignore"):
        kinetic = np.where(away == 0, np.pi**2 / 3, 2.0 * (-1.0) ** away / away.astype(float) ** 2)
    kinetic *= HBAR**2 / (2 * reduced_mass * spacing**2)
    turning = HBAR**2 * momentum * (momentum + 1) / (2 * reduced_mass * r**2)
    return np.linalg.eigvalsh(kinetic + np.diag(energy(r) + turning))


def mean_energy(energy, masses, low, high, kelvin, momenta):
    """Of a free molecule of two atoms [eV]: its flight, vibration and rotation, which feel each other."""
    reduced = masses[0] * masses[1] / sum(masses)
    levels = [radial_levels(energy, reduced, low, high, momentum)[:30] for momentum in range(momenta)]
    lowest = levels[0][0]
    weights = [(2 * j + 1) * np.exp(-(e - lowest) / (BOLTZMANN * kelvin)) for j, e in enumerate(levels)]
    total = sum(np.sum(w * e) for w, e in zip(weights, levels, strict=True))
    return 1.5 * BOLTZMANN * kelvin + total / sum(np.sum(w) for w in weights), lowest


@pytest.mark.physics
def test_morse_bonds():
    """Twenty bonds as of HI (3.1 eV, 2309/cm) at 600 K: the energy is that of the levels of vibration and
    rotation, within 1 % of the zero-point energy and three standard errors.

    A Morse bond has w (1/2 - x/4) with x = hbar w / 4 D, which the levels without rotation are checked by.
    """
    kelvin, depth, distance, masses = 600.0, 3.10, 1.609, (1.008, 126.9)
    reduced = masses[0] * masses[1] / sum(masses)
    omega = 2309 * WAVENUMBER
    steepness = omega * np.sqrt(reduced / (2 * depth))
    morse = Morse(depth=depth, steepness=steepness, distance=distance, cutoff=8.0, smooth=False)

    def energy(r):
        decay = np.exp(-steepness * (r - distance))
        return depth * decay * (decay - 2)

    expected, lowest = mean_energy(energy, masses, 0.9, 3.2, kelvin, momenta=60)
    zero_point = HBAR * omega / 2 * (1 - HBAR * omega / (8 * depth))
    assert lowest == pytest.approx(-depth + zero_point, abs=1e-6)
    sites = 60.0 * np.arange(20)[:, None] * np.array([1.0, 0, 0])
    places = np.stack([sites, sites + [0, 0, distance]], axis=1).reshape(-1, 3)
    bonds = System.create([1, 53] * 20, places, masses=np.tile(masses, 20))
    integrator = PathIntegral(timestep=0.5, temperature=kelvin, beads=32, friction=0.02)
    run = run_path_integral(bonds, morse, integrator, steps=12_000, record_every=10, seed=1, skin=10.0)
    observed = run.trajectory.observables
    series = (observed["potential_energy"] + observed["quantum_kinetic_energy"])[200:] / 20
    found = mean_with_error(series)
    print("energy of a bond", found.mean, "+-", found.error, "exact", expected, "zero point", zero_point)
    assert abs(found.mean - expected) < 3 * found.error + 0.01 * zero_point
    assert found.error < 0.02 * zero_point


@pytest.mark.physics
def test_molecule_of_the_general_model():
    """Hydrogen chloride by the model that comes with adiabat, whose curve gives the levels: the quantum
    energy at 500 K lies a tenth of an eV above the classical one, and within 3 % of that on the exact
    one."""
    kelvin, beads = 500.0, 32
    general = load_model(GENERAL)

    def energy(r):
        molecules = [System.create([1, 17], [[0, 0, 0], [0, 0, one]]) for one in np.ravel(r)]
        lists = [VerletList(general.cutoff).build(one) for one in molecules]
        return np.array([float(general(*pair).energy) for pair in zip(molecules, lists, strict=True)])

    grid = np.linspace(0.85, 2.1, 60)
    curve = CubicSpline(grid, energy(grid))
    start = System.create([1, 17], [[0, 0, 0], [0, 0, float(grid[np.argmin(curve(grid))])]])
    expected, lowest = mean_energy(curve, np.asarray(start.masses), 0.85, 2.1, kelvin, momenta=40)
    integrator = PathIntegral(timestep=0.5, temperature=kelvin, beads=beads, friction=0.02)
    run = run_path_integral(start, general, integrator, steps=30_000, record_every=5, seed=2)
    observed = run.trajectory.observables
    found = mean_with_error((observed["potential_energy"] + observed["quantum_kinetic_energy"])[500:])
    bottom = float(curve(grid).min())
    print(
        "HCl", found.mean - bottom, "+-", found.error, "exact", expected - bottom, "ground", lowest - bottom
    )
    classical = 3.5 * BOLTZMANN * kelvin
    assert expected - bottom > classical + 0.05
    assert abs(found.mean - expected) < 3 * found.error + 0.03 * (expected - bottom - classical)
    assert found.error < 0.1 * (expected - bottom - classical)


@pytest.mark.physics
def test_order_in_the_timestep():
    """Half the timestep, a quarter of the error of the conserved quantity.

    By its changes within 40 fs: over longer times the random forces let it wander.
    """
    system = systems.argon_cluster(13)
    errors = []
    for timestep in (8.0, 4.0, 2.0):
        integrator = PathIntegral(timestep=timestep, temperature=20.0, beads=8, friction=0.01)
        steps = int(8000 / timestep)
        run = run_path_integral(system, LennardJones(cutoff=12.0), integrator, steps=steps, record_every=1)
        conserved = run.trajectory.observables["conserved"][steps // 8 :]
        apart = int(40 / timestep)
        errors.append(np.std(conserved[apart:] - conserved[:-apart]))
    assert np.log2(errors[0] / errors[2]) / 2 == pytest.approx(2, rel=0.1), errors
