"""Several simulations in one program are what each is alone."""

import equinox as eqx
import numpy as np
import pytest

from adiabat.base import ConfigError, SimulationError, UnsupportedError
from adiabat.dynamics import (
    CellRescaling,
    ConstantPressure,
    Langevin,
    NoseHoover,
    VelocityRescaling,
    VelocityVerlet,
    run_replicas,
)
from adiabat.io.trajectory import read_trajectory
from adiabat.networks import GENERAL, load_model
from adiabat.potentials import LennardJones
from adiabat.testing import systems

POTENTIAL = LennardJones(cutoff=6.0)
# Crystals of two sizes; of the hot ones atoms leave the reach of their lists at different steps.
CRYSTALS = [systems.argon(n_atoms, density=1.65, displacement=0.1, seed=n_atoms) for n_atoms in (32, 4, 32)]
TEMPERATURES = (40.0, 300.0, 250.0)
SEEDS = (5, 1, 9)
INTEGRATORS = {
    "langevin": lambda kelvin: Langevin(timestep=4, temperature=kelvin, friction=0.01),
    "velocity rescaling": lambda kelvin: VelocityRescaling(timestep=4, temperature=kelvin),
    "nose hoover": lambda kelvin: NoseHoover(timestep=4, temperature=kelvin),
    "verlet": lambda kelvin: VelocityVerlet(timestep=4, temperature=kelvin),
}


def run(numbers, integrator="langevin", **options):
    """Of the replicas with these numbers."""
    chosen = [INTEGRATORS[integrator](TEMPERATURES[k]) for k in numbers]
    options = {"steps": 200, "record_every": 10, "skin": 0.4} | options
    return run_replicas(
        [CRYSTALS[k] for k in numbers], POTENTIAL, chosen, seeds=[SEEDS[k] for k in numbers], **options
    )


@pytest.mark.parametrize(
    "integrator",
    ["langevin", *(pytest.param(k, marks=pytest.mark.physics) for k in INTEGRATORS if k != "langevin")],
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


def test_what_does_not_go_together_is_refused():
    langevin = Langevin(timestep=4, temperature=40)
    options = {"steps": 1, "seeds": [0, 1]}
    with pytest.raises(ConfigError, match="temperature only"):
        run_replicas(CRYSTALS[:2], POTENTIAL, [langevin, Langevin(timestep=2, temperature=40)], **options)
    with pytest.raises(ConfigError, match="needs one of each"):
        run_replicas(CRYSTALS, POTENTIAL, [langevin] * 3, **options)
    with pytest.raises(UnsupportedError, match="periodic"):
        run_replicas([CRYSTALS[0], systems.argon_cluster(7)], POTENTIAL, [langevin] * 2, **options)
    pressed = ConstantPressure(thermostat=langevin, barostat=CellRescaling())
    with pytest.raises(UnsupportedError, match="constant pressure"):
        run_replicas(CRYSTALS[:2], POTENTIAL, [pressed] * 2, **options)
