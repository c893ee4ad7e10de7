"""Several simulations in one program are what each is alone."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adiabat.analysis import density, equilibrated_average
from adiabat.base import ConfigError, SimulationError, UnsupportedError
from adiabat.base.units import BOLTZMANN, GIGAPASCAL
from adiabat.dynamics import (
    CellRescaling,
    ConstantPressure,
    Langevin,
    MonteCarloBarostat,
    MultipleTimeSteps,
    NoseHoover,
    VelocityRescaling,
    VelocityVerlet,
    Verdict,
    run_dynamics,
    run_replicas,
)
from adiabat.dynamics.failure import culprit
from adiabat.dynamics.guard import step_lengths
from adiabat.dynamics.joined import concatenated, joined
from adiabat.dynamics.verlet_lists import VerletLists
from adiabat.io.trajectory import read_trajectory
from adiabat.networks import GENERAL, load_model
from adiabat.potentials import LennardJones
from adiabat.system import System
from adiabat.testing import systems

POTENTIAL = LennardJones(cutoff=6.0)
# Crystals of two sizes; of the hot ones atoms leave the reach of their lists at different steps.
CRYSTALS = [systems.argon(n_atoms, density=1.65, displacement=0.1, seed=n_atoms) for n_atoms in (32, 4, 32)]
TEMPERATURES = (40.0, 300.0, 250.0)
MILD = (40.0, 90.0, 60.0)
SEEDS = (5, 1, 9)
INTEGRATORS = {
    "langevin": lambda kelvin: Langevin(timestep=4, temperature=kelvin, friction=0.01),
    "velocity rescaling": lambda kelvin: VelocityRescaling(timestep=4, temperature=kelvin),
    "nose hoover": lambda kelvin: NoseHoover(timestep=4, temperature=kelvin),
    "verlet": lambda kelvin: VelocityVerlet(timestep=4, temperature=kelvin),
}
INNER = LennardJones(sigma=3.3, cutoff=6.0)
THERMOSTATS = INTEGRATORS | {
    "several steps": lambda kelvin: MultipleTimeSteps(
        integrator=INTEGRATORS["langevin"](kelvin), inner=INNER, inner_steps=2
    )
}
# The hotter, the higher the pressure [GPa].
BAROSTATS = {
    "isotropic": lambda kelvin: CellRescaling(pressure=1e-3 * kelvin, relaxation_time=300, every=5),
    "triclinic": lambda kelvin: CellRescaling(
        pressure=1e-3 * kelvin, relaxation_time=300, every=5, shape="triclinic"
    ),
    "monte carlo": lambda kelvin: MonteCarloBarostat(pressure=1e-3 * kelvin, every=5, shape="anisotropic"),
}


def pressed(thermostat, barostat):
    """The integrator of a replica at constant pressure."""
    return lambda kelvin: ConstantPressure(
        thermostat=THERMOSTATS[thermostat](kelvin), barostat=BAROSTATS[barostat](kelvin)
    )


PRESSED = {
    f"{barostat} {thermostat}": pressed(thermostat, barostat)
    for thermostat, barostat in (
        ("langevin", "isotropic"),
        ("velocity rescaling", "triclinic"),
        ("nose hoover", "monte carlo"),
        ("several steps", "triclinic"),
    )
}


def run(numbers, integrator="langevin", **options):
    """Of the replicas with these numbers."""
    kinds, kelvins, usual = INTEGRATORS, TEMPERATURES, {"steps": 200, "skin": 0.4}
    if integrator in PRESSED:  # it takes longer to compile, so tables should rarely grow
        kinds, kelvins, usual = PRESSED, MILD, {"steps": 120, "skin": 0.8}
    chosen = [kinds[integrator](kelvins[k]) for k in numbers]
    options = {"record_every": 10} | usual | options
    return run_replicas(
        [CRYSTALS[k] for k in numbers], POTENTIAL, chosen, seeds=[SEEDS[k] for k in numbers], **options
    )


@pytest.mark.device
@pytest.mark.parametrize(
    "integrator",
    [
        "langevin",
        *(pytest.param(k, marks=pytest.mark.physics) for k in INTEGRATORS | PRESSED if k != "langevin"),
    ],
)
def test_alone_and_in_company(integrator):
    """A replica has the same trajectory alone, among others, and in another order: to rounding, because XLA
    adds up rows of tables of several widths in another order. Each list is made anew when it must be."""
    together, turned = run((0, 1, 2), integrator), run((2, 0, 1), integrator)
    for k in (0, 1, 2):
        (alone,) = run((k,), integrator)
        for other in (together[k], turned[(k + 1) % 3]):
            np.testing.assert_allclose(other.trajectory.positions, alone.trajectory.positions, atol=1e-5)
            np.testing.assert_allclose(other.state.momenta, alone.state.momenta, atol=1e-6)
            np.testing.assert_allclose(other.trajectory.cells, alone.trajectory.cells, atol=1e-9)
            assert other.neighbor_lists == alone.neighbor_lists
    assert len({result.neighbor_lists for result in together}) > 1


@pytest.mark.parametrize(
    "integrator", ["langevin", pytest.param("velocity rescaling", marks=pytest.mark.physics)]
)
def test_molecules_of_a_network_to_the_bit(integrator):
    """Ethanol and water by the general model: what its kernel gives does not depend on what is beside."""
    molecules = [systems.ethanol(), systems.water(1), systems.ethanol(displacement=0.02)]
    general = load_model(GENERAL)

    def run(numbers):
        chosen = [eqx.tree_at(lambda i: i.timestep, INTEGRATORS[integrator](200.0 + k), 0.5) for k in numbers]
        seeds = [SEEDS[k] for k in numbers]
        return run_replicas([molecules[k] for k in numbers], general, chosen, steps=100, seeds=seeds)

    together, turned = run((0, 1, 2)), run((2, 0, 1))
    for k in (0, 1, 2):
        (alone,) = run((k,))
        for other in (together[k], turned[(k + 1) % 3]):
            for name in ("positions", "momenta", "heat", "energy"):
                assert np.array_equal(getattr(other.state, name), getattr(alone.state, name)), name
            assert np.array_equal(other.trajectory.positions, alone.trajectory.positions)


@pytest.mark.physics
@pytest.mark.parametrize("barostat", ["triclinic", "monte carlo"])
def test_boxes_of_a_network_to_the_bit(barostat):
    """The same at constant pressure."""
    ethanol = systems.ethanol()
    alone = System.create(ethanol.numbers, ethanol.positions, cell=7 * np.eye(3), pbc=True)
    boxes, general = [systems.water(8), alone], load_model(GENERAL)

    def run(numbers):
        chosen = [
            eqx.tree_at(lambda i: i.timestep, pressed("langevin", barostat)(200.0 + 100 * k), 0.5)
            for k in numbers
        ]
        return run_replicas(
            [boxes[k] for k in numbers],
            general,
            chosen,
            steps=60,
            seeds=[SEEDS[k] for k in numbers],
        )

    together = run((0, 1))
    for k, box in enumerate(boxes):
        (one,), other = run((k,)), together[k]
        for name in ("positions", "momenta", "heat", "energy", "stress"):
            assert np.array_equal(getattr(other.state, name), getattr(one.state, name)), name
        assert np.array_equal(other.trajectory.cells, one.trajectory.cells)
        assert not np.array_equal(one.state.system.cell, box.cell)


def test_interrupted_and_resumed(tmp_path):
    """Bit-identical to a run that was never interrupted; each replica has its trajectory."""
    whole = run((0, 1, 2), folder=tmp_path / "whole")
    for steps in (55, 115, 200):
        parts = run((0, 1, 2), folder=tmp_path / "parts", resume=True, steps=steps)
    for k in range(3):
        assert np.array_equal(whole[k].state.positions, parts[k].state.positions)
        one, other = (
            read_trajectory(tmp_path / name / f"replica-{k:03d}" / "trajectory.h5")
            for name in ("whole", "parts")
        )
        assert np.array_equal(one.positions, other.positions)
        assert np.array_equal(one.steps, other.steps)
        assert len(one) == 21
    with pytest.raises(ConfigError, match="integrator is"):
        run((0, 2, 1), folder=tmp_path / "parts", resume=True, steps=300)


def test_constant_pressure(tmp_path):
    """A replica has a cell and a pressure of its own: alone it moves as beside another, and a run that was
    interrupted goes on with the same bits."""
    options = {"integrator": "isotropic langevin", "steps": 60}
    (alone,) = run((1,), **options)
    whole = run((0, 1), folder=tmp_path / "whole", **options)
    np.testing.assert_allclose(whole[1].state.system.cell, alone.state.system.cell, atol=1e-9)
    np.testing.assert_allclose(whole[1].state.positions, alone.state.positions, atol=1e-6)
    assert whole[1].neighbor_lists == alone.neighbor_lists
    for steps in (25, 60):
        parts = run((0, 1), folder=tmp_path / "parts", resume=True, **options | {"steps": steps})
    for one, other, crystal in zip(whole, parts, CRYSTALS, strict=False):
        assert not np.array_equal(one.state.system.cell, crystal.cell)
        assert np.array_equal(one.state.system.cell, other.state.system.cell)
        assert np.array_equal(one.state.momenta, other.state.momenta)


@pytest.mark.physics
@pytest.mark.parametrize(
    "barostat",
    [
        lambda pressure: CellRescaling(pressure=pressure, relaxation_time=200, compressibility=15.0, every=2),
        lambda pressure: MonteCarloBarostat(pressure=pressure, every=5),
    ],
    ids=["rescaling", "monte carlo"],
)
def test_ideal_gases_at_constant_pressure(barostat):
    """p V = (N + 1) k_B T and (N + 1) (k_B T / p)^2 of variance for gases of several sizes, temperatures and
    pressures at once."""
    sizes, kelvins, pressures = (5, 10, 20), (150.0, 300.0, 300.0), (0.05, 0.05, 0.1)
    chosen = [
        ConstantPressure(
            thermostat=Langevin(timestep=5, temperature=kelvin, friction=0.02), barostat=barostat(pressure)
        )
        for kelvin, pressure in zip(kelvins, pressures, strict=True)
    ]
    expected = [
        (n_atoms + 1) * BOLTZMANN * kelvin / (pressure * GIGAPASCAL)
        for n_atoms, kelvin, pressure in zip(sizes, kelvins, pressures, strict=True)
    ]
    random = np.random.default_rng(0)
    gases = [
        System.create([18] * n, random.uniform(0, v ** (1 / 3), (n, 3)), v ** (1 / 3) * np.eye(3), pbc=True)
        for n, v in zip(sizes, expected, strict=True)
    ]
    nothing = LennardJones(epsilon=0.0, cutoff=0.01, smooth=False)
    results = run_replicas(gases, nothing, chosen, steps=30_000, record_every=20, seeds=[0, 1, 2], skin=6.0)
    for result, n_atoms, volume in zip(results, sizes, expected, strict=True):
        volumes = np.linalg.det(result.trajectory.cells)[200:] / volume
        spread = volumes.std() * np.sqrt(n_atoms + 1)
        print(f"{n_atoms} atoms: volume {volumes.mean():.3f}, spread {spread:.3f} of what they should be")
        assert volumes.mean() == pytest.approx(1, abs=0.2 / np.sqrt(n_atoms + 1))
        assert spread == pytest.approx(1, abs=0.15)
        assert np.ptp(result.trajectory.observables["conserved"]) < 1e-10


@pytest.mark.physics
def test_density_of_a_crystal():
    """The mean density of four replicas of argon is that of two runs of one, within the errors."""
    crystal = systems.argon(32, density=1.65, displacement=0.05)
    barostat = CellRescaling(pressure=0.3, relaxation_time=300, compressibility=0.3, every=5)
    integrator = ConstantPressure(thermostat=INTEGRATORS["langevin"](60.0), barostat=barostat)
    options = {"steps": 6000, "record_every": 10, "skin": 1.0}
    together = run_replicas([crystal] * 4, POTENTIAL, [integrator] * 4, seeds=range(4), **options)
    single = [run_dynamics(crystal, POTENTIAL, integrator, seed=seed, **options) for seed in (10, 11)]
    many, few = (
        [equilibrated_average(density(np.asarray(crystal.masses), run.trajectory.cells)) for run in runs]
        for runs in (together, single)
    )
    gap = np.mean([one.mean for one in many]) - np.mean([one.mean for one in few])
    error = np.hypot(*(np.sqrt(sum(one.error**2 for one in group)) / len(group) for group in (many, few)))
    print(f"densities {few[0].mean:.4f}, {few[1].mean:.4f} g/cm^3, gap {gap:.4f} +- {error:.4f}")
    assert abs(gap) < 3 * error
    assert error < 0.01 * few[0].mean


def test_molecules_of_two_sizes():
    """Clusters, which have no cell."""
    clusters = [systems.argon_cluster(n) for n in (7, 13)]
    chosen = [VelocityVerlet(timestep=4, temperature=10)] * 2
    results = run_replicas(clusters, POTENTIAL, chosen, steps=200, seeds=[0, 1])
    for result, cluster in zip(results, clusters, strict=True):
        assert result.degrees_of_freedom == 3 * cluster.n_atoms - 6
        assert np.ptp(result.trajectory.observables["conserved"]) < 1e-5


def test_the_replica_that_fails_is_named(tmp_path):
    """And its frames are kept."""
    broken = eqx.tree_at(lambda s: s.positions, CRYSTALS[1], np.asarray(CRYSTALS[1].positions) * 0.4)
    chosen = [Langevin(timestep=4, temperature=40)] * 2
    with pytest.raises(SimulationError, match="replica 1"):
        run_replicas([CRYSTALS[0], broken], POTENTIAL, chosen, steps=10, seeds=[0, 1], folder=tmp_path)
    assert (tmp_path / "replica-001" / "last_good.xyz").exists()


def test_whom_the_cell_has_carried_is_not_blamed():
    """A cell that grows moves atoms far from the origin more than the runaway of another replica."""
    near = VerletLists(CRYSTALS[:2], POTENTIAL.cutoff, 1.0)
    near.build(concatenated(CRYSTALS[:2]))
    thermostat = INTEGRATORS["langevin"](40.0)
    states = [
        thermostat.init(crystal, POTENTIAL, near.of(k), key=jax.random.key(k))
        for k, crystal in enumerate(CRYSTALS[:2])
    ]
    before = joined(states, concatenated(CRYSTALS[:2]))
    shifted = before.positions.at[-1, 0].add(1.2)
    grown = jnp.stack([1.3 * jnp.eye(3), jnp.eye(3)])
    there = (before.system.mapped(shifted, grown), before.system.cell @ grown)
    after = eqx.tree_at(lambda s: (s.system.positions, s.system.cell), before, there)
    infos = (thermostat.info(before), thermostat.info(after))
    assert culprit(before, after, Verdict.LONG_STEP, infos) == 1
    lengths = step_lengths(before, after, same_cell=False)
    assert float(lengths[-1]) == pytest.approx(1.2)
    assert np.max(np.abs(lengths[:-1])) < 1e-9
    assert np.max(np.linalg.norm(np.asarray(after.positions - before.positions), axis=1)[:-1]) > 2


def test_what_does_not_go_together_is_refused():
    langevin = Langevin(timestep=4, temperature=40)
    options = {"steps": 1, "seeds": [0, 1]}
    with pytest.raises(ConfigError, match="temperature and pressure only"):
        run_replicas(CRYSTALS[:2], POTENTIAL, [langevin, Langevin(timestep=2, temperature=40)], **options)
    with pytest.raises(ConfigError, match="needs one of each"):
        run_replicas(CRYSTALS, POTENTIAL, [langevin] * 3, **options)
    with pytest.raises(UnsupportedError, match="periodic"):
        run_replicas([CRYSTALS[0], systems.argon_cluster(7)], POTENTIAL, [langevin] * 2, **options)
    squeezed = ConstantPressure(thermostat=langevin, barostat=CellRescaling())
    with pytest.raises(UnsupportedError, match="periodic along all three"):
        run_replicas([systems.argon_cluster(7)] * 2, POTENTIAL, [squeezed] * 2, **options)
    with pytest.raises(UnsupportedError, match="periodic directions"):
        run_replicas([CRYSTALS[0], systems.argon_cluster(7)], POTENTIAL, [squeezed] * 2, **options)
    other = ConstantPressure(thermostat=langevin, barostat=CellRescaling(every=7))
    with pytest.raises(ConfigError, match="temperature and pressure only"):
        run_replicas(CRYSTALS[:2], POTENTIAL, [squeezed, other], **options)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_list_reaches_as_far_for_its_own_replica_alone(order):
    """A molecule that has all its pairs does not make the list of a larger one last forever, and a wider skin
    of one replica is its own."""
    pair = [systems.argon_cluster(4), systems.argon_cluster(55)]
    chosen = [pair[k] for k in order]
    lists = VerletLists(chosen, cutoff=6.0, skin=0.4)
    start = concatenated(chosen)
    lists.build(start)
    for moved, expected in ((0.15, (True, True)), (0.25, (True, False))):
        after = eqx.tree_at(lambda s: s.positions, start, start.positions + [moved, 0, 0])
        assert lists.neighbors.is_complete(after, 6.0).tolist() == [expected[k] for k in order]
    near = lists.neighbors
    lists.rebuild(7, start, after)
    lists.rebuild(7, start, after)
    assert lists.neighbors is not near
    assert lists.skin == [(0.4, 0.8)[k] for k in order]
    assert lists.neighbors.is_complete(after, 6.0).all()
