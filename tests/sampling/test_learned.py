"""Variables learned from trajectories: scores that are known, files, derivatives, a bias on them."""

import dataclasses
import json
from io import StringIO

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

import adiabat
from adiabat.analysis import tica, vamp2_score
from adiabat.base import ConfigError, DataError, UnsupportedError
from adiabat.base.archive import DamagedArchiveError, read_archive, write_archive
from adiabat.base.schema import build_kind
from adiabat.base.units import KJ_PER_MOL
from adiabat.dynamics import Langevin
from adiabat.dynamics.restart import Restart
from adiabat.interfaces import potential_from_openmm
from adiabat.io.plumed import read_plumed
from adiabat.io.trajectory import Trajectory, read_trajectory
from adiabat.potentials import HarmonicAngles, HarmonicBonds, LennardJones, PeriodicTorsions, SumPotential
from adiabat.sampling import (
    OPES,
    RMSD,
    Angle,
    Biased,
    Combination,
    Coordination,
    Distance,
    LearnedVariable,
    Metadynamics,
    NetworkVariable,
    PathProgress,
    SlowFunction,
    SlowVariables,
    Torsion,
    features_along,
    free_energy_difference,
    learn_variables,
    load_variable,
    variables,
)
from adiabat.sampling.learned import members_of
from adiabat.sampling.vamp import train_vamp, vamp2
from adiabat.system import System
from adiabat.tasks.variables import torsions_of
from adiabat.tasks.variables import variables as learn_from_runs
from adiabat.testing import systems
from adiabat.testing.systems import alanine_dipeptide_pdb

ETHANOL = systems.ethanol(displacement=0.1)
PLACES = np.asarray(ETHANOL.positions)
SEEN = (
    Torsion(atoms=[3, 1, 0, 2], name="phi"),
    Angle(atoms=[1, 0, 2]),
    Distance(atoms=[0, 2]),
    Coordination(first=[0, 1, 2], second=[3, 4], distance=1.5),
    RMSD(reference=systems.ethanol(), atoms=[0, 1, 2, 3]),
    PathProgress(
        frames=[np.asarray(systems.ethanol(0.2, seed=s).positions)[:4] for s in (0, 1)], atoms=range(4)
    ),
)


def function(n_features=7, widths=(5, 4), n_modes=2) -> SlowFunction:
    """Some numbers."""
    random = np.random.default_rng(0)
    sizes = [n_features, *widths]
    return SlowFunction(
        center=random.normal(size=n_features),
        scale=random.uniform(0.5, 2, n_features),
        layers=[
            (random.normal(size=(n, m)), random.normal(size=n)) for m, n in zip(sizes, widths, strict=False)
        ],
        vectors=random.normal(size=(sizes[-1], n_modes)),
        offset=random.normal(size=n_modes),
    )


def learned(seen=SEEN, made=None) -> SlowVariables:
    numbers = np.asarray(ETHANOL.numbers)[list(members_of(seen))]
    two = np.array([1.0, 2.0])
    return SlowVariables(
        variables=tuple(seen),
        function=made or function(),
        elements=tuple(map(int, numbers)),
        lag=100.0,
        timescales=np.array([900.0, np.nan]),
        errors=two,
        eigenvalues=two / 4,
        widths=two / 10,
        score=1.5,
        linear_score=1.4,
        transitions=np.array([12, 40]),
        converged=True,
        verdict="converged: as far as one sees",
    )


@pytest.fixture
def file(tmp_path):
    learned().save(tmp_path / "slow.safetensors")
    return tmp_path / "slow.safetensors"


@eqx.filter_jit
def at(variable, positions):
    system = eqx.tree_at(lambda s: s.positions, ETHANOL, positions)
    return jax.value_and_grad(lambda x: variable(eqx.tree_at(lambda s: s.positions, system, x)))(positions)


def test_a_file_gives_the_same_variable(file):
    """To the bit, with derivatives: every kind of feature, the settings' way."""
    for component in (0, 1):
        there = learned().variable(component)
        back = build_kind(variables, {"kind": "learned", "file": str(file), "component": component})
        assert isinstance(back, LearnedVariable)
        assert back.name == "slow"
        back.check(ETHANOL)
        for one, other in zip(at(there, PLACES), at(back, PLACES), strict=True):
            assert np.array_equal(one, other)
    assert read_archive(file, "variables")[1]["timescales"] == [900.0, None]


@pytest.mark.parametrize("widths", [(), (5, 4)], ids=["linear", "network"])
def test_derivatives(widths):
    """Against central differences of fourth order along a random direction; none by moving or turning."""
    variable = learned(made=function(widths=widths)).variable(1)
    gradient = at(variable, PLACES)[1]
    direction, h = np.random.default_rng(3).normal(size=PLACES.shape), 2e-4
    ends = [float(at(variable, PLACES + k * h * direction)[0]) for k in (-2, -1, 1, 2)]
    slope = (ends[0] - 8 * ends[1] + 8 * ends[2] - ends[3]) / (12 * h)
    assert np.vdot(gradient, direction) == pytest.approx(slope, rel=1e-7)
    np.testing.assert_allclose(gradient.sum(axis=0), 0.0, atol=1e-10)
    np.testing.assert_allclose(np.cross(PLACES, gradient).sum(axis=0), 0.0, atol=1e-10)


def test_damaged_files_are_refused(file):
    content = file.read_bytes()
    for place in np.linspace(0, len(content) - 1, 40, dtype=int):
        file.write_bytes(content[:place] + bytes([content[place] ^ 8]) + content[place + 1 :])
        with pytest.raises(DataError):
            load_variable(file)
    file.write_bytes(content[:-9])
    with pytest.raises(DamagedArchiveError, match="truncated"):
        load_variable(file)
    with pytest.raises(DataError, match="No such file"):
        load_variable(file.with_name("none"))


def test_files_that_make_no_sense_are_refused(file):
    """Whole archives with something wrong in them, as nobody but a vandal writes them."""
    arrays, header = read_archive(file, "variables")

    def without(name):
        return {key: value for key, value in arrays.items() if key != name}

    phi = header["variables"][0]
    for wrong_arrays, wrong in (
        (arrays, {"variables": header["variables"][1:]}),
        (arrays, {"variables": []}),
        (arrays, {"variables": "torsion"}),
        (arrays, {"variables": [{"kind": "nothing"}]}),
        (arrays, {"variables": [{"kind": "combination"}]}),
        (arrays, {"variables": [{"kind": "learned", "file": str(file)}] * 6}),
        (arrays, {"variables": [phi | {"atoms": [0, 1, 2]}, *header["variables"][1:]]}),
        (arrays, {"variables": [phi | {"atoms": "abcd"}, *header["variables"][1:]]}),
        (arrays, {"elements": header["elements"][1:]}),
        (arrays, {"elements": ["Xx"] * len(header["elements"])}),
        (arrays, {"layers": [5]}),
        (arrays, {"layers": [10**9, 4]}),
        (arrays, {"layers": 3}),
        (without("function.vectors"), {}),
        (without("variable.4.reference"), {}),
        (arrays | {"function.offset": np.full(2, np.nan)}, {}),
        (arrays | {"function.scale": np.zeros(7)}, {}),
        (arrays | {"function.center": np.zeros(8)}, {}),
        (arrays | {"variable.4.reference": np.full((4, 3), np.inf)}, {}),
    ):
        write_archive(file, "variables", wrong_arrays, header | wrong)
        with pytest.raises(DataError):
            load_variable(file)
    write_archive(file, "model", arrays, header)
    with pytest.raises(DataError, match="holds a 'model'"):
        load_variable(file)


def test_other_structures_are_refused(file):
    variable = load_variable(file)
    with pytest.raises(UnsupportedError, match="looks at atom"):
        variable.check(System.create([6, 6, 8], PLACES[:3]))
    other = System.create(np.where(np.arange(9) == 2, 7, ETHANOL.numbers), PLACES)
    with pytest.raises(UnsupportedError, match="'slow' was learned where atom 2 is O; here it is N"):
        variable.check(other)
    with pytest.raises(ConfigError, match="no mode 2 among 2"):
        load_variable(file, 2)
    made_of = Combination(variables=SEEN[:1], coefficients=[1.0])
    with pytest.raises(UnsupportedError, match="a Combination, which a file cannot hold"):
        learned([made_of, *SEEN[1:]]).save(file)


def test_the_score_of_arrays_is_that_of_analysis():
    """But for the ridge, and whatever linear functions of them are taken."""
    random = np.random.default_rng(0)
    x = random.normal(size=(500, 3)) @ random.normal(size=(3, 3)) + 5
    y = 0.7 * x + random.normal(size=(500, 3))
    pairs = [np.stack(pair) for pair in zip(x, y, strict=True)]
    for turned in (np.eye(3), random.normal(size=(3, 3))):
        found = float(jax.jit(vamp2)(jnp.asarray(x @ turned), jnp.asarray(y @ turned)))
        assert found == pytest.approx(vamp2_score(pairs, 1), rel=1e-4)


def prinz(n_steps, seed=0):
    """A chain over 60 places of the potential of Prinz et al. 2011 (doi 10.1063/1.3565032), and the exact
    eigenvalues of its transition operator."""
    x = np.linspace(-1, 1, 60)
    u = 4 * (
        x**8
        + 0.8 * np.exp(-80 * x**2)
        + 0.2 * np.exp(-80 * (x - 0.5) ** 2)
        + 0.5 * np.exp(-40 * (x + 0.5) ** 2)
    )
    jump = np.diff(u) / 2
    rates = np.diag(np.exp(-jump), 1) + np.diag(np.exp(jump), -1)
    rates -= np.diag(rates.sum(axis=1))
    transition = expm(rates * 0.01 / (x[1] - x[0]) ** 2)
    weight = np.exp(-u / 2)
    eigenvalues = np.linalg.eigvalsh(weight[:, None] * transition / weight)[::-1]
    reached, random = np.cumsum(transition, axis=1), np.random.default_rng(seed).random(n_steps)
    place, places = 10, np.zeros(n_steps, int)
    for step in range(n_steps):
        place = places[step] = min(np.searchsorted(reached[place], random[step]), 59)
    return x[places][:, None], eigenvalues


@pytest.mark.physics
@pytest.mark.parametrize(("n_modes", "share"), [(1, 0.01), (3, 0.02)])
def test_a_network_reaches_the_score_of_the_transition_operator(n_modes, share):
    """On frames that were held out; x itself stays far below."""
    values, eigenvalues = prinz(20_000)
    exact = 1 + np.sum(eigenvalues[1 : n_modes + 1] ** 2)
    trained = train_vamp([values], 1, n_modes)
    print(
        f"exact {exact:.3f}, network {trained.score:.3f}, x {trained.linear_score:.3f}, {trained.steps} steps"
    )
    assert trained.score == pytest.approx(exact, rel=share)
    assert trained.linear_score < exact - 0.03
    modes = np.asarray(jax.vmap(trained.function)(values))
    np.testing.assert_allclose(tica([modes], 1, n_modes).eigenvalues, eigenvalues[1 : n_modes + 1], rtol=0.03)
    np.testing.assert_allclose(np.cov(modes.T), np.eye(n_modes), atol=0.02)


def rings(n_steps, seed=0):
    """Fast turning about the origin, slow change between two radii: x and y (n, 2), and the radius."""
    noise = np.random.default_rng(seed).normal(size=(n_steps, 2))
    turned = np.cumsum(0.28 * noise[:, 0])
    z, radius = -1.0, np.zeros(n_steps)
    for step in range(n_steps):
        z += -0.06 * z * (z * z - 1) + 0.113 * noise[step, 1]
        radius[step] = 2 + 0.7 * z
    return radius[:, None] * np.stack([np.cos(turned), np.sin(turned)], axis=1), radius


@pytest.mark.physics
def test_a_network_finds_what_no_line_shows():
    """The radius; the linear components of x and y only show the turning."""
    places, radius = rings(40_000)
    trained = train_vamp([places], 10)
    print(f"network {trained.score:.3f}, linear {trained.linear_score:.3f}, {trained.steps} steps")
    assert trained.score > trained.linear_score + 0.3
    found = np.asarray(jax.vmap(trained.function)(places))[:, 0]
    assert abs(np.corrcoef(found, radius)[0, 1]) > 0.95


# A chain of four carbon atoms whose torsion has two minima, 20 kJ/mol high apart.
CHAIN = System.create([6] * 4, [[0.0, 1.3, 0.5], [0, 0, 0], [1.5, 0, 0], [2.0, -1.2, 0.6]])
BONDED = SumPotential(
    terms=(
        HarmonicBonds(atoms=[[0, 1], [1, 2], [2, 3]], stiffness=20.0, length=1.5),
        HarmonicAngles(atoms=[[0, 1, 2], [1, 2, 3]], stiffness=4.0, angle=1.9),
        PeriodicTorsions(atoms=[[0, 1, 2, 3]], barrier=0.1, periodicity=2, phase=0.0),
    )
)


def values(torsion, trajectory):
    """[rad]."""
    cosine, sine = features_along([torsion], trajectory).T
    return np.arctan2(sine, cosine)


@pytest.fixture(scope="module")
def hot(tmp_path_factory):
    """A run at 900 K, in which the torsion turns often."""
    folder = tmp_path_factory.mktemp("hot") / "run"
    adiabat.simulate(
        CHAIN, BONDED, Langevin(timestep=2, temperature=900, friction=0.02), steps=40_000, out=folder
    )
    return folder


def test_from_a_run_to_a_bias(hot, tmp_path, capsys):
    """The command learns the torsion from a run, and OPES on it crosses what is not crossed without."""
    from adiabat.cli.main import app

    file = tmp_path / "slow.safetensors"
    words = ["variables", str(hot), "--lag", "0.2 ps", "--out", str(file), "--json"]
    with pytest.raises(SystemExit) as left:
        app(words, prog_name="adiabat")
    assert left.value.code == 0
    found = json.loads(capsys.readouterr().out)
    assert found["features"] == 2
    assert found["lag_ps"] == pytest.approx(0.2)
    assert found["transitions"][0] > 10
    assert 1 < found["vamp2_held_out"] < 2
    assert found["converged"], found["verdict"]
    variable = load_variable(file)
    bias = OPES(variables=[variable], widths=found["widths"], barrier=0.25, every=50)
    options = {"steps": 15_000, "record_every": 50, "seed": 1}
    cold = Langevin(timestep=2, temperature=300, friction=0.02)
    run = adiabat.simulate(CHAIN, BONDED, cold, bias=bias, out=tmp_path / "biased", **options)
    torsion = values(Torsion(atoms=[0, 1, 2, 3]), run.trajectory)
    assert np.mean(torsion > 0.5) > 0.2
    assert np.mean(torsion < -0.5) > 0.2
    table = read_plumed(tmp_path / "biased" / "COLVAR")
    expected = [float(variable(system)) for system in run.trajectory.systems()[::60]]
    np.testing.assert_allclose(table["slow"][::60], expected, atol=1e-4)
    plain = adiabat.simulate(CHAIN, BONDED, cold, **options)
    still = values(Torsion(atoms=[0, 1, 2, 3]), plain.trajectory)
    assert abs(np.mean(np.sign(still))) > 0.9


def test_a_network_is_the_same_in_another_process(tmp_path):
    """What a checkpoint says of a run has no addresses of functions in it."""

    def settings():
        network = eqx.nn.MLP(3, "scalar", 4, 1, activation=lambda x: jnp.tanh(x), key=jax.random.key(0))
        bias = OPES(variables=[NetworkVariable(variables=SEEN[:2], network=network)], widths=[0.1])
        integrator = Biased(integrator=Langevin(temperature=300), bias=bias)
        return Restart(tmp_path, ETHANOL, BONDED, integrator, 10, 0, None).settings

    assert settings() == settings()
    assert "0x" not in settings()["integrator"]


@pytest.mark.physics
def test_alanine_dipeptide():
    """Runs at 900 K show which way is slow; OPES on it turns phi at 300 K, where it does not turn otherwise.
    F(phi in (0, 2.3]) lies 8.8 kJ/mol above the rest. The torsions are those that turn at 300 K: at 900 K a
    peptide bond may turn too, and is slower."""
    openmm = pytest.importorskip("openmm")
    pytest.importorskip("openmm.app")
    molecule = openmm.app.PDBFile(StringIO(alanine_dipeptide_pdb()))
    places = molecule.positions.value_in_unit(openmm.unit.angstrom)
    structure = System.create([a.element.atomic_number for a in molecule.topology.atoms()], places)
    field = openmm.app.ForceField("amber14-all.xml").createSystem(molecule.topology)
    potential = potential_from_openmm(field)

    def run(kelvin, steps, seed, bias=None):
        langevin = Langevin(timestep=1, temperature=kelvin, friction=0.01)
        options = {"steps": steps, "seed": seed, "bias": bias, "record_every": 100}
        return adiabat.simulate(structure, potential, langevin, **options).trajectory

    hot = [run(900, 200_000, seed) for seed in range(1, 9)]
    turning = [Torsion(atoms=[4, 6, 8, 14]), Torsion(atoms=[6, 8, 14, 16])]
    slow = learn_variables(turning, hot, lag=1000)
    bias = OPES(variables=[slow.variable()], widths=slow.widths.tolist(), barrier=0.4, every=100)
    cold = run(300, 250_000, 3, bias)
    phi = values(Torsion(atoms=[4, 6, 8, 14]), cold)
    axial = (phi > 0) & (phi < 2.3)
    crossings = np.count_nonzero(np.diff(axial))
    found = free_energy_difference(~axial, axial, cold.observables["bias"], 300)
    value, error = found.value / KJ_PER_MOL, found.error / KJ_PER_MOL
    print(f"{slow.verdict}; {crossings} crossings, {value:.1f} +- {error:.1f} kJ/mol")
    assert crossings >= 20
    assert value == pytest.approx(8.8, abs=0.5 + 3 * error)
    plain = values(Torsion(atoms=[4, 6, 8, 14]), run(300, 100_000, 3))
    assert np.count_nonzero(np.diff((plain > 0) & (plain < 2.3))) == 0


@pytest.mark.physics
def test_replicas_and_resume(tmp_path):
    """Each replica is what it is alone; a run that goes on with the variable read anew has the same bits."""
    cluster = systems.argon_cluster(7)
    seen = [Distance(atoms=[0, k], name=f"d{k}") for k in range(1, 6)]
    made = dataclasses.replace(learned(seen, function(5)), elements=(18,) * 6)
    made.save(tmp_path / "slow.safetensors")
    langevin = Langevin(timestep=4, temperature=15, friction=0.01)

    def run(seeds, steps=200, **options):
        bias = Metadynamics(variables=[load_variable(tmp_path / "slow.safetensors")], widths=[0.1], every=5)
        options = {"bias": bias, "steps": steps, "record_every": 20} | options
        return adiabat.simulate_replicas(
            [cluster] * len(seeds), LennardJones(cutoff=12.0), [langevin] * len(seeds), seeds=seeds, **options
        )

    (one, other), (alone,) = run([3, 4]), run([4])
    np.testing.assert_allclose(other.trajectory.positions, alone.trajectory.positions, atol=1e-5)
    assert not np.allclose(one.trajectory.positions, other.trajectory.positions, atol=1e-2)
    assert np.ptp(other.trajectory.observables["slow"]) > 0.01
    for steps in (70, 200):
        parts = run([3, 4], steps, out=tmp_path / "parts", resume=True)
    whole = run([3, 4], out=tmp_path / "whole")
    for part, full in zip(parts, whole, strict=True):
        assert np.array_equal(part.velocities, full.velocities)
    tables = [(tmp_path / name / "replica-001" / "COLVAR").read_text() for name in ("parts", "whole")]
    assert tables[0] == tables[1]
    assert "slow" in tables[0].splitlines()[0]


def test_what_cannot_be_learned_from_is_refused(hot, tmp_path):
    out = tmp_path / "slow.safetensors"
    seen = tmp_path / "seen.toml"
    seen.write_text("[[variables]]\nkind = 'torsion'\natoms = [0, 1, 2, 9]\n")
    (tmp_path / "none.toml").write_text("[variables]\n")
    (tmp_path / "there").touch()
    for wrong, error, match in (
        ({"lag": 1.0}, ConfigError, "shorter than the 20 fs between two frames"),
        ({"lag": 1e4}, DataError, "too few to hold some out"),
        ({"kind": "tika"}, ConfigError, "did you mean 'tica'"),
        ({"modes": 3}, ConfigError, "3 modes of 2 independent"),
        ({"runs": [tmp_path]}, DataError, "no trajectory"),
        ({"runs": []}, DataError, "no trajectory to learn from"),
        ({"seen": seen}, UnsupportedError, "looks at atom 9"),
        ({"seen": tmp_path / "none.toml"}, ConfigError, "no tables"),
        ({"out": tmp_path / "there"}, ConfigError, "exists"),
    ):
        with pytest.raises(error, match=match):
            learn({"runs": [hot], "lag": 200.0, "out": out} | wrong)
    first = read_trajectory(hot / "trajectory.h5")
    nitrogen = System.create([7] * 4, CHAIN.positions)
    for other, match in (
        (dataclasses.replace(first, template=nitrogen), "different systems"),
        (dataclasses.replace(first, times=2 * first.times), "equally far apart"),
    ):
        with pytest.raises(DataError, match=match):
            learn_variables([Torsion(atoms=[0, 1, 2, 3])], [first, other], 200.0)
    assert not out.exists()


def learn(options):
    return learn_from_runs(options.pop("runs"), **options)


def test_the_torsions_of_a_molecule():
    """One about each bond between heavy atoms; that of a hydroxyl group by its hydrogen, none of methyl."""
    places = np.asarray(systems.ethanol().positions, np.float32)[None]
    frames = Trajectory(ETHANOL, *np.zeros((2, 1)), places, places, np.zeros((1, 3, 3)))
    (torsion,) = torsions_of([frames])
    numbers = np.asarray(ETHANOL.numbers)[list(torsion.atoms)].tolist()
    assert numbers in ([6, 6, 8, 1], [1, 8, 6, 6])
