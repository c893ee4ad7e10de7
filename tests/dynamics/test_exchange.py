"""Temperature replica exchange: each temperature has its own distribution."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float

from adiabat.analysis import mean_with_error
from adiabat.base import ConfigError, DataError
from adiabat.base.runs import RunFolder
from adiabat.base.units import BOLTZMANN, GIGAPASCAL
from adiabat.dynamics import (
    CellRescaling,
    ConstantPressure,
    Langevin,
    MonteCarloBarostat,
    MultipleTimeSteps,
    NoseHoover,
    ReplicaExchange,
    VelocityRescaling,
    VelocityVerlet,
    at_temperature,
    run_replicas,
)
from adiabat.dynamics.exchange import ACCEPTED, ATTEMPTS, RUNG
from adiabat.dynamics.joined import concatenated
from adiabat.dynamics.state import State
from adiabat.io.plumed import read_plumed
from adiabat.io.trajectory import read_trajectory
from adiabat.potentials import AbstractPotential, LennardJones
from adiabat.sampling import Biased, Distance, MovingRestraint, Restraint
from adiabat.system import Batch, Neighbors, System
from adiabat.tasks.replicas import md_replicas, of_replicas
from adiabat.testing import EinsteinCrystal, systems

LADDER = (100.0, 130.0, 170.0, 220.0)
N_ATOMS = 10
SITES = 10.0 * np.arange(N_ATOMS)[:, None] * np.array([1.0, 0, 0])
SYSTEM = System.create(np.full(N_ATOMS, 18), SITES)
SPRINGS = EinsteinCrystal(sites=jnp.asarray(SITES), stiffness=0.5)


def exchanging(kind=Langevin, ladder=LADDER, **options):
    """Springs at all temperatures."""
    thermostats = [kind(timestep=20, temperature=kelvin) for kelvin in ladder]
    options = {"seeds": range(len(ladder)), "exchange_every": 10, "record_every": 10, "skin": 4.0} | options
    return run_replicas([SYSTEM] * len(ladder), SPRINGS, thermostats, **options)


def of_pairs(results, name):
    """A counter of each pair of neighboring temperatures."""
    return np.array([int(result.state.extra[name]) for result in results])[:-1]


def assert_same_replicas(whole, parts, folder):
    """Last states, rungs, counters and trajectories to the bit; those of the folders `whole` and `parts`."""
    for k, (expected, found) in enumerate(zip(whole, parts, strict=True)):
        for name in (RUNG, ATTEMPTS, ACCEPTED):
            assert expected.state.extra[name] == found.state.extra[name]
        for name in ("positions", "momenta", "forces", "energy", "heat"):
            assert np.array_equal(getattr(expected.state, name), getattr(found.state, name)), name
        one, other = (
            read_trajectory(folder / name / f"replica-{k:03d}" / "trajectory.h5")
            for name in ("whole", "parts")
        )
        assert np.array_equal(one.positions, other.positions)
        for name, values in one.observables.items():
            assert np.array_equal(values, other.observables[name]), name


def accepted(first, second, freedom, n_samples=200_000):
    """The share of swaps of two temperatures whose energies have gamma distributions, by sampling."""
    random = np.random.default_rng(0)
    energies = [random.gamma(freedom / 2, BOLTZMANN * kelvin, n_samples) for kelvin in (first, second)]
    beta = [1 / (BOLTZMANN * kelvin) for kelvin in (first, second)]
    return np.mean(np.minimum(1, np.exp((beta[0] - beta[1]) * (energies[0] - energies[1]))))


@pytest.fixture(scope="module")
def springs():
    return exchanging(lambda **options: Langevin(friction=0.02, **options), steps=40_000)


def test_energies_at_each_temperature(springs):
    """Mean 3N k_B T / 2 and variance 3N (k_B T)^2 / 2 of springs, of all replicas at one temperature."""
    for kelvin in LADDER:
        frames = at_temperature([result.trajectory for result in springs], kelvin)
        energies = frames.observables["potential_energy"][100:] / (BOLTZMANN * kelvin)
        assert energies.mean() == pytest.approx(1.5 * N_ATOMS, rel=0.02)
        assert energies.var() == pytest.approx(1.5 * N_ATOMS, rel=0.1)
        # Momenta of BAOAB are a little cold at a tenth of the longest stable timestep.
        assert frames.observables["temperature"][100:].mean() == pytest.approx(kelvin, rel=0.03)


def test_swaps_are_accepted_as_often_as_they_should(springs):
    tried, taken = of_pairs(springs, ATTEMPTS), of_pairs(springs, ACCEPTED)
    assert tried.tolist() == [2000, 2000, 2000]
    expected = [accepted(*pair, 3 * N_ATOMS) for pair in itertools.pairwise(LADDER)]
    np.testing.assert_allclose(taken / tried, expected, atol=0.05)


def test_frames_tell_their_temperature(springs):
    """Each temperature is held by one replica at every step, and every replica has been everywhere."""
    held = np.array([result.trajectory.observables["target_temperature"] for result in springs])
    assert np.array_equal(held[:, 0], LADDER)
    assert np.array_equal(np.sort(held, axis=0), np.broadcast_to(np.array(LADDER)[:, None], held.shape))
    assert all(set(row) == set(LADDER) for row in held)
    last = [LADDER[int(result.state.extra[RUNG])] for result in springs]
    assert np.array_equal(last, held[:, -1])
    with pytest.raises(DataError, match="no replica"):
        at_temperature([result.trajectory for result in springs], 150.0)


def test_work_of_the_pressure_decides_too():
    """Of replicas that have no energy: the larger one goes to the higher temperature, and not back."""
    barostat = CellRescaling(pressure=0.1)
    thermostat = eqx.tree_at(lambda t: t.temperature, Langevin(), np.array([100.0, 200.0]))
    exchange = ReplicaExchange(thermostat=ConstantPressure(thermostat=thermostat, barostat=barostat), every=5)
    boxes = [System.create([18], np.zeros((1, 3)), size * np.eye(3), pbc=True) for size in (12.0, 10.0)]
    work = 0.1 * GIGAPASCAL * (12.0**3 - 10.0**3)
    assert work / BOLTZMANN * (1 / 100 - 1 / 200) > 10
    zero, still = jnp.zeros(2), jnp.zeros((2, 3))
    state = State(
        jax.tree.map(jnp.asarray, concatenated(boxes)), still, still, zero, None, zero, zero, jnp.int32(10),
        zero, jax.random.split(jax.random.key(0), 2),
    )  # fmt: skip
    np.testing.assert_allclose(np.ptp(exchange.thermostat.weighed(state)), work)
    state = exchange.begin(state, SPRINGS, None)
    for _ in range(2):
        state = exchange.exchanged(state, SPRINGS, None)
        assert state.extra[RUNG].tolist() == [1, 0]
    assert state.extra[ATTEMPTS].tolist() == [2, 0]
    assert state.extra[ACCEPTED].tolist() == [1, 0]


def test_energy_is_conserved_through_swaps(springs):
    """What the scaling of momenta gives is heat; a swap from 100 to 130 K alone gives 39 meV."""
    for result in springs:
        assert np.ptp(result.trajectory.observables["conserved"]) < 0.015


def test_rule_of_metropolis():
    """A swap that lowers the weighted energy is always made, one that raises it by a lot never; pairs take
    turns, and momenta follow the temperature."""
    exchange = ReplicaExchange(
        thermostat=eqx.tree_at(lambda t: t.temperature, Langevin(), np.array(LADDER)), every=5
    )
    batch = jax.tree.map(jnp.asarray, concatenated([SYSTEM] * 4))
    zero, ones = jnp.zeros(4), jnp.ones((4 * N_ATOMS, 3))
    state = State(
        batch, ones, ones, jnp.array([5.0, 1.0, 9.0, 4.0]), None, zero, zero, jnp.int32(10), zero,
        jax.random.split(jax.random.key(0), 4),
    )  # fmt: skip
    state = exchange.begin(state, SPRINGS, None)
    after = exchange.exchanged(state, SPRINGS, None)  # step 10: pairs (0, 1) and (2, 3), of which both swap
    assert after.extra[RUNG].tolist() == [1, 0, 3, 2]
    assert after.extra[ATTEMPTS].tolist() == [1, 0, 1, 0]
    factors = np.asarray(after.momenta).reshape(4, -1)[:, 0]
    np.testing.assert_allclose(factors**2, [1.3, 1 / 1.3, 220 / 170, 170 / 220])
    later = eqx.tree_at(lambda s: s.step, after, jnp.int32(15))
    # Now (1, 2) takes its turn: replica 0 of 5 eV at 130 K and replica 3 of 4 eV at 170 K.
    turned = exchange.exchanged(later, SPRINGS, None)
    assert turned.extra[RUNG].tolist() == [2, 0, 3, 1]
    assert turned.extra[ATTEMPTS].tolist() == [1, 1, 1, 0]
    # Back would cost 1 eV (1/130 - 1/170) / k_B = 21.
    assert exchange.exchanged(turned, SPRINGS, None).extra[RUNG].tolist() == [2, 0, 3, 1]


@pytest.mark.physics
@pytest.mark.parametrize(
    "barostat",
    [
        CellRescaling(pressure=0.05, relaxation_time=200, compressibility=15.0, every=2),
        MonteCarloBarostat(pressure=0.05, every=5),
    ],
    ids=["rescaling", "monte carlo"],
)
def test_volumes_of_ideal_gases_that_exchange(barostat):
    """P V = (N + 1) k_B T at each temperature, with the spread of the gamma distribution, and swaps accepted
    as often as P V says: without it all would be, since a gas has no energy, and all volumes would mix."""
    ladder, n_atoms = (150.0, 220.0, 320.0), 5
    expected = [(n_atoms + 1) * BOLTZMANN * kelvin / (0.05 * GIGAPASCAL) for kelvin in ladder]
    random = np.random.default_rng(0)
    gases = [
        System.create(
            [18] * n_atoms, random.uniform(0, v ** (1 / 3), (n_atoms, 3)), v ** (1 / 3) * np.eye(3), pbc=True
        )
        for v in expected
    ]
    thermostats = [
        ConstantPressure(
            thermostat=Langevin(timestep=5, temperature=kelvin, friction=0.02), barostat=barostat
        )
        for kelvin in ladder
    ]
    nothing = LennardJones(epsilon=0.0, cutoff=0.01, smooth=False)
    results = run_replicas(
        gases,
        nothing,
        thermostats,
        steps=30_000,
        seeds=range(3),
        exchange_every=20,
        record_every=20,
        skin=6.0,
    )
    for kelvin, volume in zip(ladder, expected, strict=True):
        frames = at_temperature([result.trajectory for result in results], kelvin)
        volumes = mean_with_error(np.linalg.det(frames.cells)[200:] / volume)
        spread = np.linalg.det(frames.cells)[200:].std() / volume * np.sqrt(n_atoms + 1)
        print(f"{kelvin} K: volume {volumes.mean:.3f} +- {volumes.error:.3f}, spread {spread:.3f}")
        assert abs(volumes.mean - 1) < 3 * volumes.error
        assert volumes.error < 0.05
        assert spread == pytest.approx(1, abs=0.15)
    taken = of_pairs(results, ACCEPTED) / of_pairs(results, ATTEMPTS)
    shares = [accepted(*pair, 2 * (n_atoms + 1)) for pair in itertools.pairwise(ladder)]
    np.testing.assert_allclose(taken, shares, atol=0.05)


def test_restrained_springs_that_exchange():
    """Two atoms on springs 10 Å apart and a restraint on their distance: at each temperature the mean
    distance and energy of the restraint are those of quadrature."""
    pair, sites = (
        System.create([18, 18], SITES[:2]),
        EinsteinCrystal(sites=jnp.asarray(SITES[:2]), stiffness=0.2),
    )
    restraint = Restraint(variables=[Distance(atoms=[0, 1], name="d")], centers=[8.0], stiffness=[0.2])
    ladder = (100.0, 200.0, 400.0)
    thermostats = [
        Biased(integrator=Langevin(timestep=20, temperature=kelvin, friction=0.02), bias=restraint)
        for kelvin in ladder
    ]
    results = run_replicas(
        [pair] * 3, sites, thermostats, steps=40_000, seeds=range(3), exchange_every=20, record_every=20,
        skin=4.0,
    )  # fmt: skip
    # The distance of two points with normal distributions, of 2 k_B T / k for each component between them.
    d = np.linspace(2, 16, 4001)
    bias = 0.5 * 0.2 * (d - 8.0) ** 2
    for kelvin in ladder:
        weights = d * np.exp(-(0.25 * 0.2 * (d - 10.0) ** 2 + bias) / (BOLTZMANN * kelvin))
        weights /= weights.sum()
        frames = at_temperature([result.trajectory for result in results], kelvin)
        for values, exact in ((frames.observables["d"], d), (frames.observables["bias"], bias)):
            found = mean_with_error(values[100:])
            print(kelvin, found.mean, found.error, np.sum(weights * exact))
            assert abs(found.mean - np.sum(weights * exact)) < 3 * found.error
            assert found.error < 0.05 * found.mean
    assert 0.1 < (of_pairs(results, ACCEPTED) / of_pairs(results, ATTEMPTS)).min() < 0.9


def test_interrupted_and_resumed(tmp_path):
    """Bit-identical to a run that was never interrupted, the permutation of temperatures included."""
    options = {"steps": 600, "record_every": 30}
    whole = exchanging(VelocityRescaling, folder=tmp_path / "whole", **options)
    for steps in (55, 310, 600):
        options["steps"] = steps
        parts = exchanging(VelocityRescaling, folder=tmp_path / "parts", resume=True, **options)
    assert_same_replicas(whole, parts, tmp_path)
    assert sum(of_pairs(whole, ACCEPTED)) > 10
    for changed in ({"exchange_every": 20}, {"exchange_every": 0}):
        with pytest.raises(ConfigError, match="integrator is"):
            exchanging(VelocityRescaling, folder=tmp_path / "parts", resume=True, **options | changed)


def test_md_replicas_exchange(tmp_path):
    out = tmp_path / "run"
    runs = md_replicas(
        SPRINGS, SYSTEM, out=out, steps=200, integrator=Langevin(timestep=20), exchange_every=20,
        temperatures=[10.0, 12.0, 14.0],
    )  # fmt: skip
    assert RunFolder.open(out).config["exchange_every"] == 20
    shares = of_replicas(runs)["exchanges_accepted"]
    assert len(shares) == 2
    assert all(0 <= share <= 1 for share in shares)
    frames = at_temperature([run.trajectory for run in runs], 12.0)
    assert len(frames) == len(runs[0].trajectory)


def test_rows_of_colvar_tell_their_temperature(tmp_path):
    """A table of PLUMED's is of a replica: the rows at one temperature, of all tables, are its frames, and a
    resumed run writes the same."""
    spring = Restraint(variables=[Distance(atoms=[0, 1], name="d")], centers=[8.0], stiffness=[0.2])
    settings = {
        "integrator": Langevin(timestep=20), "bias": spring, "temperatures": [100.0, 130.0],
        "exchange_every": 10,
    }  # fmt: skip
    runs = md_replicas(SPRINGS, SYSTEM, out=tmp_path / "whole", steps=400, **settings)
    for steps in (150, 400):
        md_replicas(SPRINGS, SYSTEM, out=tmp_path / "parts", steps=steps, resume=steps > 150, **settings)
    places = [f"replica-00{k}/COLVAR" for k in range(2)]
    for place in places:
        assert (tmp_path / "parts" / place).read_text() == (tmp_path / "whole" / place).read_text()
    tables = [read_plumed(tmp_path / "whole" / place) for place in places]
    for kelvin in (100.0, 130.0):
        rows = [table["target_temperature"] == kelvin for table in tables]
        assert all(0 < mask.sum() < len(mask) for mask in rows)
        found = np.concatenate([table["d"][mask] for table, mask in zip(tables, rows, strict=True)])
        time = np.concatenate([table["time"][mask] for table, mask in zip(tables, rows, strict=True)])
        frames = at_temperature([run.trajectory for run in runs], kelvin)
        np.testing.assert_allclose(found[np.argsort(time)], 0.1 * frames.observables["d"], rtol=1e-6)


def test_what_cannot_exchange_is_refused():
    with pytest.raises(ConfigError, match="NoseHoover"):
        exchanging(lambda **options: NoseHoover(relaxation_time=400, **options), steps=1)
    ladder = eqx.tree_at(lambda t: t.temperature, Langevin(), jnp.array(LADDER))
    spring = Restraint(variables=[Distance(atoms=[0, 1])], centers=[1.0], stiffness=[1.0])
    moving = MovingRestraint(variables=spring.variables, start=[1.0], end=[2.0], stiffness=[1.0], steps=9)
    nose = eqx.tree_at(lambda t: t.temperature, NoseHoover(relaxation_time=400), jnp.array(LADDER))
    pressed = ConstantPressure(thermostat=nose, barostat=CellRescaling())
    for thermostat, why, remedy in (
        (Biased(integrator=ladder, bias=moving), "a bias that changes", "leave the exchange or the bias out"),
        (pressed, "under NoseHoover, which has an energy", "langevin"),
        (Biased(integrator=pressed, bias=spring), "under NoseHoover, which has an energy", "langevin"),
        (MultipleTimeSteps(integrator=ladder, inner=SPRINGS), "MultipleTimeSteps", "without --inner"),
        (VelocityVerlet(), "no temperature", "langevin"),
    ):
        with pytest.raises(ConfigError, match=why) as refused:
            ReplicaExchange(thermostat=thermostat, every=10)
        assert remedy in str(refused.value.hint)
    gas = System.create([18] * 2, 3.0 * np.eye(3)[:2], 9.0 * np.eye(3), pbc=True)
    apart = [
        ConstantPressure(thermostat=Langevin(temperature=k), barostat=CellRescaling(pressure=p))
        for k, p in ((100.0, 0.1), (120.0, 0.2))
    ]
    with pytest.raises(ConfigError, match="different pressures"):
        run_replicas([gas] * 2, LennardJones(), apart, steps=1, seeds=[0, 1], exchange_every=1)
    for ladder in ((100.0,), (100.0, 100.0), (130.0, 100.0)):
        with pytest.raises(ConfigError, match="ascending"):
            exchanging(ladder=ladder, steps=1)
    with pytest.raises(ConfigError, match="not every -1"):
        exchanging(steps=1, exchange_every=-1)
    clusters = [systems.argon_cluster(n) for n in (7, 13)]
    thermostats = [Langevin(temperature=kelvin) for kelvin in (20.0, 30.0)]
    with pytest.raises(ConfigError, match="another numbers"):
        run_replicas(clusters, LennardJones(), thermostats, steps=1, seeds=[0, 1], exchange_every=1)


class DoubleWell(AbstractPotential):
    """a (4 (x^2 - 1)^2 + x / 2) along x and a spring across, for each atom [eV, Å]."""

    scale: float
    cutoff: float = eqx.field(static=True)

    def __init__(self, *, scale: float):
        self.scale, self.cutoff = scale, 1.0

    def atom_energies(self, system: System | Batch, neighbors: Neighbors) -> Float[Array, " n_atoms"]:
        x, y, z = system.positions.T
        return self.scale * (4 * (x**2 - 1) ** 2 + 0.5 * x + 5 * (y**2 + z**2))


@pytest.mark.physics
def test_double_well():
    """One atom in a double well, 4 k_B T high at the lowest temperature: at each temperature of a ladder the
    share of the right-hand well and the mean energy are those of quadrature."""
    scale = BOLTZMANN * 100.0
    ladder = (70.0, 100.0, 150.0, 230.0)
    atom = System.create([18], [[-1.0, 0, 0]])
    thermostats = [Langevin(timestep=10, temperature=kelvin, friction=0.02) for kelvin in ladder]
    results = run_replicas(
        [atom] * 4, DoubleWell(scale=scale), thermostats, steps=300_000, seeds=range(4), exchange_every=20,
        record_every=20, skin=20.0,
    )  # fmt: skip
    x = np.linspace(-3, 3, 6001)
    energy = scale * (4 * (x**2 - 1) ** 2 + 0.5 * x)
    for kelvin in ladder:
        weights = np.exp(-energy / (BOLTZMANN * kelvin))
        weights /= weights.sum()
        frames = at_temperature([result.trajectory for result in results], kelvin)
        right = mean_with_error((frames.positions[100:, 0, 0] > 0).astype(float))
        energies = mean_with_error(frames.observables["potential_energy"][100:] / (BOLTZMANN * kelvin))
        exact = np.sum(weights[x > 0]), np.sum(weights * energy) / (BOLTZMANN * kelvin) + 1
        print(
            kelvin,
            "right",
            right.mean,
            right.error,
            exact[0],
            "energy",
            energies.mean,
            energies.error,
            exact[1],
        )
        assert abs(right.mean - exact[0]) < 3 * right.error
        assert right.error < 0.03
        assert abs(energies.mean - exact[1]) < 3 * energies.error + 0.003


@pytest.mark.physics
def test_ratio_of_energies_of_a_cluster():
    """Thirteen argon atoms at five temperatures: the ratio of the probabilities of an energy at two neighbors
    is exp(-E / k_B T_1 + E / k_B T_2) within three standard errors (Shirts 2013, doi 10.1021/ct300688p).
    """
    ladder = (16.0, 18.5, 21.5, 25.0, 29.0)
    thermostats = [
        VelocityRescaling(timestep=8, temperature=kelvin, relaxation_time=200) for kelvin in ladder
    ]
    results = run_replicas(
        [systems.argon_cluster(13)] * 5, LennardJones(cutoff=12.0), thermostats, steps=60_000, seeds=range(5),
        exchange_every=25, record_every=25,
    )  # fmt: skip
    trajectories = [result.trajectory for result in results]
    for pair in itertools.pairwise(ladder):
        series = [
            at_temperature(trajectories, kelvin).observables["potential_energy"][200:] for kelvin in pair
        ]
        slope, error = slope_of_log_ratio(*series)
        expected = 1 / (BOLTZMANN * pair[0]) - 1 / (BOLTZMANN * pair[1])
        print(pair, "slope", slope, "+-", error, "expected", expected)
        assert abs(slope - expected) < 3 * error
        assert error < 0.3 * expected


def slope_of_log_ratio(first, second):
    """The slope b of ln(p_2(E) / p_1(E)) = a + b E by maximum likelihood, a logistic regression of which
    sample each energy is of, with the standard error of blocks that are left out in turn (jackknife)."""

    def fitted(one, other):
        energies = np.concatenate([one, other])
        middle, width = energies.mean(), energies.std()
        design = np.stack([np.ones(len(energies)), (energies - middle) / width], axis=1)
        label = np.repeat([0.0, 1.0], [len(one), len(other)])
        found = np.zeros(2)
        for _ in range(30):
            chance = 1 / (1 + np.exp(-design @ found))
            hessian = (design * (chance * (1 - chance))[:, None]).T @ design
            found = found + np.linalg.solve(hessian, design.T @ (label - chance))
        return found[1] / width

    blocks = 20
    parts = [np.array_split(series, blocks) for series in (first, second)]
    left_out = [fitted(*(np.concatenate(part[:k] + part[k + 1 :]) for part in parts)) for k in range(blocks)]
    return fitted(first, second), np.sqrt((blocks - 1) * np.var(left_out))


def test_slope_of_log_ratio():
    """Of energies with the gamma distributions of 30 springs it is known."""
    random = np.random.default_rng(0)
    first, second = (random.gamma(15, kelvin, 4000) for kelvin in (1.0, 1.2))
    slope, error = slope_of_log_ratio(first, second)
    assert abs(slope - (1 - 1 / 1.2)) < 3 * error
    assert error < 0.02
