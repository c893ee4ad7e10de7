"""Biases inside the loop: what is conserved, remembered, shared, written, and taken up again."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adiabat.base import ConfigError, UnsupportedError
from adiabat.base.units import BOLTZMANN, KJ_PER_MOL
from adiabat.dynamics import (
    CellRescaling,
    ConstantPressure,
    Langevin,
    MultipleTimeSteps,
    VelocityVerlet,
    run_dynamics,
    run_replicas,
)
from adiabat.dynamics.evaluate import evaluate
from adiabat.dynamics.integrator import _starting_momenta
from adiabat.io.plumed import read_plumed
from adiabat.io.trajectory import read_trajectory
from adiabat.potentials import LennardJones
from adiabat.sampling import (
    OPES,
    Biased,
    Coordination,
    Distance,
    HillsFiles,
    Metadynamics,
    MovingRestraint,
    Restraint,
    Torsion,
    hill_offsets,
    read_biased_run,
    sum_hills,
)
from adiabat.sampling.biased import BiasedPotential
from adiabat.sampling.variable import AbstractVariable
from adiabat.system import System, neighbor_list
from adiabat.testing import systems
from adiabat.testing.free_energies import KELVIN, THERMAL, Coordinate
from adiabat.testing.surfaces import DoubleWell

POTENTIAL = DoubleWell(unit=THERMAL)
START = System.create([6], [[-1.0, 0.0, 0.0]])
LANGEVIN = Langevin(timestep=2, temperature=KELVIN, friction=0.05)


X = Coordinate()
HILLS = Metadynamics(variables=[X], widths=[0.1], height=THERMAL, bias_factor=8, every=2)
KERNELS = OPES(variables=[X], widths=[0.1], barrier=8 * THERMAL, every=5)
STEERING = MovingRestraint(variables=[X], start=[-1.0], end=[1.0], stiffness=[0.5], steps=150)


def walk(bias, integrator=LANGEVIN, steps=200, **options):
    options = {"record_every": 1, "seed": 3} | options
    return run_dynamics(START, POTENTIAL, Biased(integrator=integrator, bias=bias), steps=steps, **options)


class Counted(AbstractVariable):
    """The coordinate x, which counts how often a program of it is made or it is called outside of one."""

    name = "x"
    unit = "Å"
    period = None
    calls: ClassVar[list[int]] = []

    def members(self):
        return (0,)

    def __call__(self, system):
        self.calls.append(1)
        return system.positions[0, 0]


def test_replicas_start_by_one_program():
    """Replicas that differ in center and temperature: 32 umbrella windows traced their variables 64 times."""
    near = neighbor_list(START, POTENTIAL.cutoff)

    def begun(k):
        window = Restraint(variables=[Counted()], centers=[-1.0 + 0.5 * k], stiffness=[2.0])
        thermostat = Langevin(timestep=2, temperature=KELVIN + k)
        return Biased(integrator=thermostat, bias=window).init(START, POTENTIAL, near, key=jax.random.key(0))

    with jax.enable_x64(True):
        states = [begun(0)]
        traced, programs = len(Counted.calls), _starting_momenta._cached._cache_size()
        states += [begun(k) for k in (1, 2)]
        assert len(Counted.calls) == traced
        assert _starting_momenta._cached._cache_size() == programs
        free = evaluate(POTENTIAL, START, near)
    # k (x - c)^2 / 2 and its slope, with k = 2 eV/Å^2 and x = -1 Å; momenta grow with the square root of T.
    for k, state in enumerate(states):
        np.testing.assert_allclose(state.energy - free.energy, (0.5 * k) ** 2, atol=1e-12)
        np.testing.assert_allclose(state.forces[0] - free.forces[0], [k, 0, 0], atol=1e-12)
        np.testing.assert_allclose(state.momenta, states[0].momenta * np.sqrt(1 + k / KELVIN), rtol=1e-12)


@pytest.mark.physics
def test_forces_and_stress_are_derivatives():
    """Of argon under a bias that sees the cell, by differences along a direction and a strain."""
    box = systems.argon(32, displacement=0.1)
    bias = Restraint(
        variables=[Coordination(first=range(8), distance=4.0), Distance(atoms=[0, 31])],
        centers=[9.0, 1.0],
        stiffness=[0.5, 0.2],
    )
    memory, thermal = bias.begin(jnp.asarray(THERMAL)), jnp.asarray(THERMAL)
    lennard = LennardJones(cutoff=5.0)
    biased = BiasedPotential(potential=lennard, bias=bias, memory=memory, thermal=thermal)
    near = neighbor_list(box, 5.0, skin=0.5)
    call = jax.jit(lambda potential, system: potential(system, near))
    found, plain = call(biased, box), call(lennard, box)
    assert float(found.energy - plain.energy) > 0.1
    random = np.random.default_rng(0)
    direction, strain, h = random.normal(size=(32, 3)), random.normal(size=(3, 3)), 1e-4

    def energy(k, along, stretch):
        grown = np.eye(3) + k * h * stretch
        there = ((box.positions + k * h * along) @ grown, box.cell @ grown)
        return float(call(biased, eqx.tree_at(lambda s: (s.positions, s.cell), box, there)).energy)

    for along, stretch, slope in (
        (direction, 0 * strain, -np.vdot(found.forces, direction)),
        (0 * direction, strain, np.vdot(found.stress, strain) * float(box.volume)),
    ):
        ends = [energy(k, along, stretch) for k in (-2, -1, 1, 2)]
        expected = (ends[0] - 8 * ends[1] + 8 * ends[2] - ends[3]) / (12 * h)
        assert slope == pytest.approx(expected, rel=1e-6)


@pytest.mark.device
@pytest.mark.parametrize(
    "bias",
    [HILLS, KERNELS, MovingRestraint(variables=[X], start=[-1.0], end=[1.0], stiffness=[0.5], steps=150)],
)
def test_work_keeps_the_conserved_quantity(bias):
    """At constant energy: the total energy changes by the work that is recorded, and by nothing else."""
    observables = walk(bias, VelocityVerlet(timestep=0.5, temperature=KELVIN)).trajectory.observables
    conserved, work = observables["conserved"], observables["work"]
    assert np.ptp(work) > THERMAL
    assert np.ptp(conserved) < 2e-3 * np.ptp(work)
    total = observables["potential_energy"] + observables["kinetic_energy"] + observables["bias"]
    assert np.ptp(total - work) < 0.02 * np.ptp(work)
    if bias.label == "moving_restraint":
        share = np.clip(np.arange(201) / 150, 0, 1)
        apart = observables["x"] - (-1 + 2 * share)
        np.testing.assert_allclose(observables["bias"], 0.25 * apart**2, atol=1e-12)
        before = np.clip((np.arange(201) - 1) / 150, 0, 1)
        steps = 0.25 * (apart**2 - (observables["x"] - (-1 + 2 * before)) ** 2)
        np.testing.assert_allclose(work, np.cumsum(steps), atol=1e-12)


def test_hills_are_those_of_the_formula():
    """Each where the atom was, of the height that the bias before it allows; also as the file has them."""
    run = walk(HILLS, steps=600)
    memory = Biased(integrator=LANGEVIN, bias=HILLS).memory(run.state)
    assert int(memory["count"]) == 300
    x, bias = (run.trajectory.observables[name] for name in ("x", "bias"))
    heights, centers = [], x[2::2]
    for number, center in enumerate(centers):
        there = np.dot(heights, np.exp(-0.5 * ((center - centers[:number]) / 0.1) ** 2))
        heights.append(THERMAL * np.exp(-there / (7 * THERMAL)))
    np.testing.assert_allclose(memory["centers"][0, :300], centers, atol=1e-12)
    np.testing.assert_allclose(memory["heights"][:300], heights, rtol=1e-10)
    assert len(memory["heights"]) == 512  # it grew from 256
    last = np.dot(heights, np.exp(-0.5 * ((x[-1] - centers) / 0.1) ** 2))
    assert bias[-1] == pytest.approx(last, rel=1e-10)


def test_interrupted_and_resumed(tmp_path):
    """The same bits as in one go, of state and bias; the files have every line once."""
    biased, states = Biased(integrator=LANGEVIN, bias=HILLS), {}
    for name, stops in (("whole", [200]), ("parts", [30, 131, 200])):
        for steps in stops:
            hills = HillsFiles(tmp_path / name, biased)
            options = {"folder": tmp_path / name, "resume": True, "on_chunk": hills.update}
            states[name] = walk(HILLS, steps=steps, record_every=3, **options).state
            # What a killed run may have written after its last checkpoint, and a line broken off.
            for table in ("COLVAR", "HILLS"):
                if steps < 200:
                    with (tmp_path / name / table).open("a") as file:
                        file.write(" 9 9 9")
    whole, parts = states["whole"], states["parts"]
    for name in whole.extra:
        assert np.array_equal(whole.extra[name], parts.extra[name]), name
    assert np.array_equal(whole.momenta, parts.momenta)
    for table in ("COLVAR", "HILLS"):
        assert (tmp_path / "whole" / table).read_text() == (tmp_path / "parts" / table).read_text()
    assert np.array_equal(
        *(read_trajectory(tmp_path / name / "trajectory.h5").observables["bias"] for name in states)
    )
    colvar, hills = (read_plumed(tmp_path / "parts" / table) for table in ("COLVAR", "HILLS"))
    assert len(colvar) == 67
    np.testing.assert_allclose(colvar["time"], np.arange(67) * 0.006, atol=1e-12)
    np.testing.assert_allclose(hills["time"], np.arange(1, 101) * 0.004, atol=1e-12)
    # All hills give the bias at the last frame [kJ/mol, nm].
    there = sum_hills(hills, colvar["x"][-1:, None])
    assert KJ_PER_MOL * there[0] == pytest.approx(float(whole.extra["bias energy"]), rel=0.2)
    read = read_biased_run(tmp_path / "whole")
    assert read["x"].shape == read.bias.shape == (1, 67)
    np.testing.assert_allclose(0.1 * read["x"][0], colvar["x"], rtol=1e-10)
    np.testing.assert_allclose(
        read.bias[0], KJ_PER_MOL * sum_hills(hills, colvar["x"][:, None]), rtol=1e-8, atol=1e-12
    )
    kelvin = THERMAL / BOLTZMANN
    offsets = KJ_PER_MOL * hill_offsets(hills, colvar["time"], THERMAL / KJ_PER_MOL)
    felt = read_trajectory(tmp_path / "whole" / "trajectory.h5").observables["bias"]
    moment = read_biased_run(tmp_path / "whole", kelvin)
    np.testing.assert_allclose(moment.bias[0], felt - offsets, rtol=1e-8, atol=1e-12)
    other = eqx.tree_at(lambda b: b.height, HILLS, 2 * THERMAL)
    with pytest.raises(ConfigError, match="integrator is"):
        walk(other, steps=300, record_every=3, folder=tmp_path / "whole", resume=True)


def together(bias, numbers, **options):
    starts = [System.create([6], [[x, 0.0, 0.0]]) for x in (-1.0, 1.0, -0.8)]
    biases = bias if isinstance(bias, list) else [bias] * 3
    chosen = [Biased(integrator=LANGEVIN, bias=biases[k]) for k in numbers]
    options = {"steps": 100, "record_every": 5} | options
    runs = run_replicas(
        [starts[k] for k in numbers], POTENTIAL, chosen, seeds=[7 + k for k in numbers], **options
    )
    return runs, [one.memory(run.state) for one, run in zip(chosen, runs, strict=True)]


@pytest.mark.physics
@pytest.mark.parametrize("bias", [HILLS, KERNELS], ids=lambda b: b.label)
def test_replicas_with_a_bias_of_their_own(bias):
    """Each is what it is alone."""
    runs, memories = together(bias, (0, 1, 2))
    (alone,), (memory,) = together(bias, (1,))
    np.testing.assert_allclose(runs[1].trajectory.positions, alone.trajectory.positions, atol=1e-5)
    for name, values in memory.items():
        np.testing.assert_allclose(memories[1][name], values, rtol=1e-6, atol=1e-9)
    assert not np.allclose(memories[0]["centers"], memories[1]["centers"])


@pytest.mark.parametrize("kind", [pytest.param(Metadynamics, marks=pytest.mark.physics), OPES])
def test_walkers_share_one_bias(kind, tmp_path):
    """All of them fill it, and each feels the hills of all; a resume goes on with it to the bit."""
    bias = kind(variables=[X], widths=[0.1], every=5, shared=True)
    runs, memories = together(bias, (0, 1, 2), folder=tmp_path / "whole")
    for memory in memories:
        for name, values in memory.items():
            assert np.array_equal(values, memories[0][name]), name
    count = int(memories[0]["count"])
    assert count == 60 if kind is Metadynamics else 4 < count < 60
    assert memories[0]["centers"].min() < -0.5
    assert memories[0]["centers"].max() > 0.5
    for steps in (35, 100):
        parts, again = together(bias, (0, 1, 2), folder=tmp_path / "parts", resume=True, steps=steps)
    for name, values in again[0].items():
        assert np.array_equal(values, memories[0][name]), name
    assert np.array_equal(parts[2].state.momenta, runs[2].state.momenta)
    values = np.stack([read_biased_run(tmp_path / name)["x"] for name in ("whole", "parts")])
    assert values.shape == (2, 3, 21)
    assert np.array_equal(*values)


@pytest.mark.physics
def test_windows_are_replicas_with_centers_of_their_own():
    windows = [Restraint(variables=[X], centers=[c], stiffness=[2.0]) for c in (-1.0, 0.0, 1.0)]
    runs, _ = together(windows, (0, 1, 2), steps=300)
    for run, center in zip(runs, (-1.0, 0.0, 1.0), strict=True):
        x, bias = (run.trajectory.observables[name] for name in ("x", "bias"))
        np.testing.assert_allclose(bias, (x - center) ** 2, atol=1e-12)
        assert abs(x[-20:].mean() - center) < 0.35


def test_kernels_are_merged_and_normalized():
    """Weight, mean and variance of all stay what they are; Z is the mean of the kernels' sum over them."""
    memory = KERNELS.begin(jnp.asarray(THERMAL))
    visit = jax.jit(lambda place, memory: KERNELS.visited(place, memory, THERMAL, 0))
    energy = jax.jit(lambda x, memory: KERNELS.energy(x[None], memory, THERMAL))
    first = float(memory["sum of weights"])
    places = np.random.default_rng(0).normal(size=40) * 0.5
    weights = []
    for place in places:
        before = float(energy(place, memory))
        weights.append(np.exp(before / THERMAL))
        memory = visit(jnp.array([[place]]), memory)
    count = int(memory["count"])
    assert 3 < count < 30
    assert float(memory["sum of weights"]) == pytest.approx(first + np.sum(weights), rel=1e-9)
    c, s, h = (np.asarray(memory[n])[..., :count] for n in ("centers", "widths", "heights"))
    c, s = c[0], s[0]
    reach = 2 * 8 / (1 - 1 / 8)

    def kernels(x):
        squared = ((x - c) / s) ** 2
        return h @ np.where(squared < reach, np.exp(-0.5 * squared) - np.exp(-0.5 * reach), 0.0)

    mean = np.mean([kernels(x) for x in c])
    assert float(memory["overlap"]) / count == pytest.approx(mean, rel=1e-9)
    expected = 7 / 8 * THERMAL * np.log(kernels(0.3) / mean + np.exp(-8 / (7 / 8)))
    assert float(energy(jnp.array(0.3), memory)) == pytest.approx(expected, rel=1e-9)
    # Nobody is nearer to another than its width.
    apart = np.abs(c[:, None] - c) / s
    assert (apart + 9 * np.eye(count)).min() >= 1 - 1e-9
    one, other = (jnp.array([0.0]), jnp.array([1.0]), 2.0), (jnp.array([0.5]), jnp.array([0.5]), 1.0)
    center, width, height = KERNELS._merged(one, other)
    assert float(height) == 3.0
    assert float(center[0]) == pytest.approx(0.5 / 3)
    assert float(width[0] ** 2) == pytest.approx((2 * 1 + 0.25 + 0.25) / 3 - (0.5 / 3) ** 2)


def test_a_bias_repeats_with_its_variable():
    torsion = Torsion(atoms=[0, 1, 2, 3])
    for kind in (Metadynamics, OPES):
        bias = kind(variables=[torsion], widths=[0.3])
        begin = bias.begin(jnp.asarray(THERMAL))
        memory = jax.jit(lambda m, b=bias: b.visited(jnp.array([[3.1]]), m, THERMAL, 1))(begin)
        places = jnp.array([[-np.pi], [np.pi], [-3.0], [3.0], [0.5]])
        energies = jax.jit(jax.vmap(lambda x, m, b=bias: b.energy(x, m, THERMAL), (0, None)))
        ends = np.asarray(energies(places, memory))
        assert ends[0] == pytest.approx(ends[1], abs=1e-12)
        assert ends[1] > ends[2] > ends[4]
        assert ends[3] > ends[2]


def test_what_makes_no_sense_is_refused():
    for wrong, match in (
        (lambda: Metadynamics(variables=[], widths=[]), "at least one variable"),
        (lambda: Metadynamics(variables=[X, X], widths=[1.0, 1.0]), "two variables are named 'x'"),
        (lambda: Metadynamics(variables=[Coordinate(name="bias")], widths=[1.0]), "cannot be named 'bias'"),
        (lambda: Metadynamics(variables=[X], widths=[1.0, 2.0]), "a number for each variable"),
        (lambda: Metadynamics(variables=[X], widths=[0.0]), "positive"),
        (lambda: Metadynamics(variables=[X], widths=[0.1], bias_factor=1), "above 1"),
        (lambda: OPES(variables=[X], widths=[0.1], every=0), "every 1 or more"),
        (lambda: OPES(variables=[X], widths=[0.1], barrier=-1), "barrier"),
        (lambda: Restraint(variables=[X], centers=[np.nan], stiffness=[1.0]), "finite"),
        (lambda: MovingRestraint(variables=[X], start=[0], end=[1], stiffness=[1], steps=0), "1 or more"),
    ):
        with pytest.raises(ConfigError, match=match):
            wrong()
    # Whatever is around a bias evaluates the potential without it.
    inner = Biased(integrator=LANGEVIN, bias=HILLS)
    for wrong, match in (
        (lambda: ConstantPressure(thermostat=inner, barostat=CellRescaling()), "would not feel the bias"),
        (lambda: MultipleTimeSteps(integrator=inner, inner=POTENTIAL), "would not feel the bias"),
        (lambda: Biased(integrator=inner, bias=KERNELS), "a bias already"),
    ):
        with pytest.raises(ConfigError, match=match):
            wrong()
    cold = Biased(integrator=LANGEVIN, bias=OPES(variables=[X], widths=[0.1], barrier=0.01))
    with pytest.raises(ConfigError, match="no more than k_B T"):
        cold.check(START)
    far = Biased(
        integrator=LANGEVIN, bias=Restraint(variables=[Distance(atoms=[0, 1])], centers=[1], stiffness=[1])
    )
    with pytest.raises(UnsupportedError, match="looks at atom 1"):
        far.check(START)
    shared = OPES(variables=[X], widths=[0.1], shared=True)
    hot = eqx.tree_at(lambda i: i.temperature, LANGEVIN, 400.0)
    both = [Biased(integrator=one, bias=shared) for one in (LANGEVIN, hot)]
    with pytest.raises(ConfigError, match="one temperature"):
        run_replicas([START] * 2, POTENTIAL, both, steps=1, seeds=[0, 1])
    two = System.create([6, 6], [[0.0, 0, 0], [5, 0, 0]])
    own = [Biased(integrator=LANGEVIN, bias=KERNELS)] * 2
    with pytest.raises(UnsupportedError, match="same atoms"):
        run_replicas([START, two], POTENTIAL, own, steps=1, seeds=[0, 1])
