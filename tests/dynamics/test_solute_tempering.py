"""Solute tempering: ensembles of all rungs, how often swaps are accepted, restarts, what is refused."""

import itertools

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float
from tests.dynamics.test_exchange import accepted, assert_same_replicas, of_pairs

from adiabat.analysis import mean_with_error
from adiabat.base import ConfigError
from adiabat.base.runs import RunFolder
from adiabat.base.units import BOLTZMANN, GIGAPASCAL
from adiabat.dynamics import (
    CellRescaling,
    ConstantPressure,
    Langevin,
    MonteCarloBarostat,
    NoseHoover,
    SoluteTempering,
    VelocityRescaling,
    at_temperature,
    run_replicas,
)
from adiabat.dynamics.exchange import ACCEPTED, ATTEMPTS, RUNG
from adiabat.potentials import AbstractPotential, Scaled
from adiabat.sampling import Biased, Distance, MovingRestraint, Restraint
from adiabat.system import Batch, Neighbors, System, neighbor_list
from adiabat.tasks.replicas import md_replicas, of_replicas
from adiabat.testing import EinsteinCrystal

LADDER = (100.0, 140.0, 200.0)
SOLUTE, N_ATOMS, STIFFNESS = (1, 4, 5, 6), 8, 0.5
SITES = 10.0 * np.arange(N_ATOMS)[:, None] * np.array([1.0, 0, 0])
SYSTEM = System.create(np.full(N_ATOMS, 18), SITES)
SPRINGS = EinsteinCrystal(sites=jnp.asarray(SITES), stiffness=STIFFNESS)


def tempered(kind=Langevin, ladder=LADDER, potential=SPRINGS, system=SYSTEM, **options):
    """Replicas whose solute has the temperatures of a ladder."""
    thermostats = [kind(timestep=20, temperature=kelvin) for kelvin in ladder]
    options = {"exchange_every": 10, "solute": SOLUTE, "record_every": 10, "skin": 4.0} | options
    return run_replicas([system] * len(ladder), potential, thermostats, seeds=range(len(ladder)), **options)


@pytest.fixture(scope="module")
def springs():
    return tempered(lambda **options: Langevin(friction=0.02, **options), steps=40_000)


def test_the_solute_alone_is_hot(springs):
    """Springs of the solute have the mean energy 3N k_B T_m / 2 on rung m, all others that of the first
    temperature; momenta have the first temperature."""
    rest = [k for k in range(N_ATOMS) if k not in SOLUTE]
    for kelvin in LADDER:
        frames = at_temperature([result.trajectory for result in springs], kelvin)
        energies = 0.5 * STIFFNESS * np.sum((frames.positions[100:] - SITES) ** 2, axis=-1) / BOLTZMANN
        assert energies[:, SOLUTE].sum(1).mean() == pytest.approx(1.5 * len(SOLUTE) * kelvin, rel=0.03)
        assert energies[:, rest].sum(1).mean() == pytest.approx(1.5 * len(rest) * LADDER[0], rel=0.03)
        assert frames.observables["temperature"][100:].mean() == pytest.approx(LADDER[0], rel=0.03)
        scaled = energies[:, rest].sum(1) + LADDER[0] / kelvin * energies[:, SOLUTE].sum(1)
        np.testing.assert_allclose(
            frames.observables["potential_energy"][100:], BOLTZMANN * scaled, rtol=1e-4
        )


def test_swaps_are_accepted_as_often_as_they_should(springs):
    """The exponent is that of temperature exchange of the solute alone."""
    tried, taken = of_pairs(springs, ATTEMPTS), of_pairs(springs, ACCEPTED)
    assert tried.tolist() == [2000, 2000]
    expected = [accepted(*pair, 3 * len(SOLUTE)) for pair in itertools.pairwise(LADDER)]
    np.testing.assert_allclose(taken / tried, expected, atol=0.05)


def test_energy_is_conserved_through_swaps(springs):
    """What a swap changes of the energy is heat."""
    for result in springs:
        assert np.ptp(result.trajectory.observables["conserved"]) < 0.01


def test_forces_and_energies_follow_the_rungs():
    """After every attempt, accepted or not, a replica has the energy and forces of its rung."""
    results = tempered(steps=10 * 7)
    assert sum(of_pairs(results, ACCEPTED)) > 0
    for result in results:
        scale = LADDER[0] / LADDER[int(result.state.extra[RUNG])]
        scales = np.where(np.isin(np.arange(N_ATOMS), SOLUTE), scale, 1.0)
        there = eqx.tree_at(lambda s: s.positions, SYSTEM, result.state.positions)
        found = Scaled(potential=SPRINGS, scales=jnp.asarray(scales))(there, neighbor_list(SYSTEM, 1.0))
        assert float(result.state.energy) == pytest.approx(float(found.energy), rel=1e-12)
        np.testing.assert_allclose(result.state.forces, found.forces, atol=1e-12)


def test_interrupted_and_resumed(tmp_path):
    """Bit-identical to a run that was never interrupted, the permutation of rungs included."""
    options = {"steps": 600, "record_every": 30}
    whole = tempered(VelocityRescaling, folder=tmp_path / "whole", **options)
    for steps in (55, 310, 600):
        options["steps"] = steps
        parts = tempered(VelocityRescaling, folder=tmp_path / "parts", resume=True, **options)
    assert_same_replicas(whole, parts, tmp_path)
    assert sum(of_pairs(whole, ACCEPTED)) > 10
    for changed in ({"solute": (1, 4)}, {"solute": ()}, {"exchange_every": 20}):
        with pytest.raises(ConfigError, match="integrator is"):
            tempered(VelocityRescaling, folder=tmp_path / "parts", resume=True, **options | changed)


def test_md_replicas_temper(tmp_path):
    out = tmp_path / "run"
    runs = md_replicas(
        SPRINGS, SYSTEM, out=out, steps=200, integrator=Langevin(timestep=20), exchange_every=20,
        temperatures=[10.0, 12.0, 14.0], solute=[0, 1, 2],
    )  # fmt: skip
    assert RunFolder.open(out).config["solute"] == [0, 1, 2]
    assert len(of_replicas(runs)["exchanges_accepted"]) == 2
    frames = at_temperature([run.trajectory for run in runs], 10.0)
    assert len(frames) == len(runs[0].trajectory)


def test_what_cannot_be_tempered_is_refused():
    with pytest.raises(ConfigError, match="NoseHoover"):
        tempered(lambda **options: NoseHoover(relaxation_time=400, **options), steps=1)
    with pytest.raises(ConfigError, match="not every 0"):
        tempered(steps=1, exchange_every=0)
    for solute, match in (((3, 3), "different atoms"), ((-1,), "from 0"), ((2, 8), "has an atom 8")):
        with pytest.raises(ConfigError, match=match):
            tempered(steps=1, solute=solute)
    exchange = eqx.tree_at(lambda t: t.temperature, Langevin(), np.array(LADDER))
    with pytest.raises(ConfigError, match="different atoms"):
        SoluteTempering(thermostat=exchange, every=1, solute=())
    spring = Restraint(variables=[Distance(atoms=[0, 1])], centers=[1.0], stiffness=[1.0])
    moving = MovingRestraint(variables=spring.variables, start=[1.0], end=[2.0], stiffness=[1.0], steps=9)
    with pytest.raises(ConfigError, match="a bias that changes"):
        SoluteTempering(thermostat=Biased(integrator=exchange, bias=moving), every=1, solute=(0,))


def test_restrained_springs_whose_solute_is_tempered():
    """Two atoms on springs, one the solute, and a restraint on their distance, which is not scaled: on
    each rung the mean distance and energy of the restraint are those of quadrature."""
    stiffness, kelvin, ladder = 0.2, 100.0, (100.0, 250.0, 600.0)
    pair = System.create([18, 18], SITES[:2])
    sites = EinsteinCrystal(sites=jnp.asarray(SITES[:2]), stiffness=stiffness)
    restraint = Restraint(variables=[Distance(atoms=[0, 1], name="d")], centers=[7.0], stiffness=[0.05])
    results = tempered(
        lambda **options: Biased(integrator=Langevin(friction=0.02, **options), bias=restraint), ladder,
        sites, pair, solute=[1], steps=30_000, exchange_every=20, record_every=20,
    )  # fmt: skip
    # The difference of two points on springs l k and k is on a spring k l / (1 + l) in each component.
    d = np.linspace(1, 20, 4001)
    bias = 0.5 * 0.05 * (d - 7.0) ** 2
    for hot in ladder:
        joint = stiffness * (kelvin / hot) / (1 + kelvin / hot)
        weights = d * np.exp(-(0.5 * joint * (d - 10.0) ** 2 + bias) / (BOLTZMANN * kelvin))
        weights /= weights.sum()
        frames = at_temperature([result.trajectory for result in results], hot)
        for values, exact in ((frames.observables["d"], d), (frames.observables["bias"], bias)):
            found, expected = mean_with_error(values[100:]), np.sum(weights * exact)
            print(f"{hot:g} K: {found.mean:.4f} +- {found.error:.4f}, exact {expected:.4f}")
            assert abs(found.mean - expected) < 3 * found.error
            assert found.error < 0.05 * found.mean
    for result in results:
        assert np.ptp(result.trajectory.observables["conserved"]) < 0.01
    assert (of_pairs(results, ACCEPTED) / of_pairs(results, ATTEMPTS)).min() > 0.05


class VolumeEnergy(AbstractPotential):
    """Atoms that do not see each other, each with an energy e ln V [eV]."""

    energy_scale: float
    cutoff: float = eqx.field(static=True)

    def __init__(self, *, energy_scale: float):
        self.energy_scale, self.cutoff = energy_scale, 0.01

    def atom_energies(self, system: System | Batch, neighbors: Neighbors) -> Float[Array, " n_atoms"]:
        return self.energy_scale * jnp.log(system.spread(system.volume)) * jnp.ones(system.n_atoms)


KELVIN, PRESSURE, GASES, ATOMS, SHARE = 200.0, 0.01, (200.0, 400.0, 1200.0), 8, 0.6
BAROSTATS = {
    "rescaling": CellRescaling(pressure=PRESSURE, relaxation_time=200, compressibility=75.0, every=2),
    "monte carlo": MonteCarloBarostat(pressure=PRESSURE, every=5),
}


def gases(barostat, **options):
    """Eight atoms with SHARE k_B T ln V each, six of them the solute."""
    edge = (5.0 * BOLTZMANN * KELVIN / (PRESSURE * GIGAPASCAL)) ** (1 / 3)
    places = np.random.default_rng(0).uniform(0, edge, (ATOMS, 3))
    gas = System.create([18] * ATOMS, places, edge * np.eye(3), pbc=True)
    return tempered(
        lambda **more: ConstantPressure(
            thermostat=Langevin(timestep=5, temperature=more["temperature"], friction=0.02), barostat=barostat
        ),
        GASES, VolumeEnergy(energy_scale=SHARE * BOLTZMANN * KELVIN), gas, solute=[0, 1, 3, 4, 5, 7],
        exchange_every=20, record_every=20, **{"skin": 4.0} | options,
    )  # fmt: skip


def powers():
    """On each rung the volume has a gamma distribution with the power N + 1 - SHARE (2 + 6 lambda)."""
    return [ATOMS + 1 - SHARE * (2 + 6 * KELVIN / hot) for hot in GASES]


def test_stress_follows_the_rungs():
    """After attempts at constant pressure a replica has the energy and the stress of its rung."""
    results = gases(BAROSTATS["monte carlo"], steps=20 * 7)
    assert sum(of_pairs(results, ACCEPTED)) > 0
    for result in results:
        volume = float(result.state.system.volume)
        scale = SHARE * BOLTZMANN * KELVIN * (2 + 6 * KELVIN / GASES[int(result.state.extra[RUNG])])
        assert float(result.state.energy) == pytest.approx(scale * np.log(volume), rel=1e-12)
        # dE/dstrain of e ln V is e along each direction.
        np.testing.assert_allclose(result.state.stress, scale / volume * np.eye(3), rtol=1e-12, atol=1e-15)
        assert np.ptp(result.trajectory.observables["conserved"]) < 1e-10


@pytest.mark.physics
@pytest.mark.parametrize("barostat", BAROSTATS)
def test_volumes_of_gases_that_exchange(barostat):
    """Mean and spread of the volume are those of its gamma distribution on each rung, and swaps are accepted
    as often as ln V says, without the pressure."""
    results = gases(BAROSTATS[barostat], steps=40_000)
    thermal = BOLTZMANN * KELVIN / (PRESSURE * GIGAPASCAL)
    for hot, power in zip(GASES, powers(), strict=True):
        frames = at_temperature([result.trajectory for result in results], hot)
        found = np.linalg.det(frames.cells)[200:] / thermal
        volumes = mean_with_error(found)
        print(
            f"{hot:g} K: volume {volumes.mean:.3f} +- {volumes.error:.3f}, exact {power:.3f}; {found.std()}"
        )
        assert abs(volumes.mean - power) < 3 * volumes.error
        assert volumes.error < 0.05 * power
        assert found.std() == pytest.approx(np.sqrt(power), rel=0.15)
    random = np.random.default_rng(0)
    for k, taken in enumerate(of_pairs(results, ACCEPTED) / of_pairs(results, ATTEMPTS)):
        first, second = (np.log(random.gamma(power, size=200_000)) for power in powers()[k : k + 2])
        gain = 6 * SHARE * (KELVIN / GASES[k] - KELVIN / GASES[k + 1])
        assert taken == pytest.approx(np.mean(np.minimum(1, np.exp(gain * (first - second)))), abs=0.05)


class WellInBath(AbstractPotential):
    """One atom in a double well a (4 (x^2 - 1)^2 + x / 2) along x, the solute, and a bath of others on
    springs k (x - c x_0)^2 / 2 + 0.02 x^2, whose energies are their own; springs across [eV, Å]."""

    scale: float
    stiffness: float
    coupling: float
    cutoff: float = eqx.field(static=True)

    def __init__(self, *, scale: float, stiffness: float = 0.3, coupling: float = 0.4):
        self.scale, self.stiffness, self.coupling, self.cutoff = scale, stiffness, coupling, 20.0

    def atom_energies(self, system: System | Batch, neighbors: Neighbors) -> Float[Array, " n_atoms"]:
        x, y, z = system.positions.T
        first = system.numbering() == 0
        solute = x[jnp.arange(system.n_atoms) - system.numbering()]
        well = self.scale * (4 * (x**2 - 1) ** 2 + 0.5 * x)
        bath = 0.5 * self.stiffness * (x - self.coupling * solute) ** 2 + 0.02 * x**2
        return jnp.where(first, well, bath) + 5 * self.scale * (y**2 + z**2)


@pytest.mark.physics
def test_double_well_in_a_bath():
    """A barrier of 8 k_B T that is seldom crossed: on every rung the share of the right-hand well, and on the
    first the mean energy of the well, are those of quadrature; the bath is integrated in closed form."""
    kelvin = 100.0
    scale = 2 * BOLTZMANN * kelvin
    potential = WellInBath(scale=scale)
    system = System.create([18] * 4, [[-1.0, 0, 0], *([-0.4, 0.1 * k, 0] for k in range(3))])
    ladder = (100.0, 160.0, 260.0, 420.0)
    results = tempered(
        lambda **options: Langevin(timestep=10, temperature=options["temperature"], friction=0.02), ladder,
        potential, system, solute=[0], steps=600_000, exchange_every=20, record_every=20, skin=20.0,
    )  # fmt: skip
    x = np.linspace(-3, 3, 6001)
    well = scale * (4 * (x**2 - 1) ** 2 + 0.5 * x)
    # min over b of k (b - c x)^2 / 2 + 0.02 b^2, for three atoms of the bath.
    k, c = potential.stiffness, potential.coupling
    bath = 3 * 0.5 * c**2 * x**2 * k * 0.04 / (k + 0.04)
    for hot in ladder:
        weights = np.exp(-(kelvin / hot * well + bath) / (BOLTZMANN * kelvin))
        weights /= weights.sum()
        frames = at_temperature([result.trajectory for result in results], hot)
        places = frames.positions[100:, 0, 0]
        right = mean_with_error((places > 0).astype(float))
        energies = mean_with_error(scale * (4 * (places**2 - 1) ** 2 + 0.5 * places) / (BOLTZMANN * kelvin))
        exact = np.sum(weights[x > 0]), np.sum(weights * well) / (BOLTZMANN * kelvin)
        print(f"{hot:g} K: right {right.mean:.4f} +- {right.error:.4f}, exact {exact[0]:.4f}; ", end="")
        print(f"energy {energies.mean:.3f} +- {energies.error:.3f}, exact {exact[1]:.3f} k_B T")
        assert abs(right.mean - exact[0]) < 3 * right.error
        assert right.error < 0.04
        assert abs(energies.mean - exact[1]) < 3 * energies.error + 0.01
