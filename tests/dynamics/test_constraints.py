"""Constraints and heavy hydrogen against what mechanics and statistical mechanics say."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

from adiabat.base import ConfigError, DataError, SimulationError, UnsupportedError
from adiabat.base.units import BOLTZMANN, GIGAPASCAL, KCAL_PER_MOL
from adiabat.dynamics import (
    CellRescaling,
    ConstantPressure,
    Constraints,
    Guard,
    Langevin,
    MonteCarloBarostat,
    NoseHoover,
    VelocityRescaling,
    VelocityVerlet,
    VerletList,
    constrain,
    run_dynamics,
    run_replicas,
    with_heavy_hydrogen,
)
from adiabat.dynamics.barostat import deformed, n_bodies
from adiabat.dynamics.integrator import constrained, of_bodies
from adiabat.dynamics.joined import concatenated
from adiabat.dynamics.momenta import maxwell_boltzmann, without_translation
from adiabat.networks import GENERAL, load_model
from adiabat.potentials import AbstractPotential, LennardJones, LennardJonesMixture
from adiabat.system import System
from adiabat.testing import systems

NOTHING = LennardJones(epsilon=0.0, cutoff=0.01, smooth=False)


def device(tree):
    return jax.tree.map(jnp.asarray, tree)


# TIP3P's oxygen, which hydrogen atoms attract: 0.1 eV deep at 1.1 Å, where no other oxygen comes.
WATER = LennardJonesMixture(
    kinds={8: (0.1521 * KCAL_PER_MOL, 3.15061), 1: (0.0, 1.0)}, pairs={(1, 8): (0.1, 1.0)}, cutoff=8.0
)


def chains(number: int, n_atoms: int) -> tuple[System, Constraints]:
    """Argon in chains of bonds of 2 Å, far apart from each other."""
    sites = 10.0 * np.arange(number)[:, None] * np.array([0.0, 1.0, 0.0])
    along = np.array([[0.0, 0, 0], [2, 0, 0], [2, 0, 2]])[:n_atoms]
    system = System.create(np.full(number * n_atoms, 18), (sites[:, None] + along).reshape(-1, 3))
    first = n_atoms * np.arange(number)
    pairs = np.concatenate([np.stack([first + k, first + k + 1], axis=1) for k in range(n_atoms - 1)])
    return system, Constraints.create(system, pairs)


class Tethers(AbstractPotential):
    """Springs that hold the first atom of each chain, and a constant force along z on the last."""

    sites: jax.Array
    force: float
    length: int = eqx.field(static=True)
    cutoff: float = eqx.field(static=True)

    def __init__(self, system: System, length: int, force: float):
        self.sites, self.force = jnp.asarray(system.positions), force
        self.length, self.cutoff = length, 1.0

    def atom_energies(self, system, neighbors):
        place = system.numbering() % self.length
        away = jnp.sum((system.positions - self.sites) ** 2, axis=1)
        held = jnp.where(place == 0, 0.5 * 0.05 * away, 0.0)
        return held - jnp.where(place == self.length - 1, self.force * system.positions[:, 2], 0.0)


def test_groups_of_all_kinds():
    """Bonds of methyl, methylene and hydroxyl, and rigid water through the faces of a cell: lengths and
    momenta are right to rounding, and total and angular momentum are left alone."""
    random = np.random.default_rng(1)
    box = systems.water(8)
    wrapped = box.moved(np.asarray(box.positions) % np.asarray(box.cell)[0, 0])
    for system, which, count in ((systems.ethanol(), "hydrogens", 6), (wrapped, "water", 24)):
        constraints = constrain(system, which)
        assert constraints.count == count
        system, constraints = constrained(system, constraints), device(constraints)
        there = system.positions + random.normal(scale=0.05, size=(system.n_atoms, 3))
        positions, pushed = eqx.filter_jit(constraints.restored)(there, system.positions, system)
        assert float(constraints.errors(there, system).max()) > 0.02
        assert float(constraints.errors(positions, system).max()) < 1e-13
        momenta = random.normal(size=(system.n_atoms, 3))
        left = eqx.filter_jit(constraints.projected)(momenta, positions, system)
        later = positions + 1e-6 * left / system.masses[:, None]
        assert float(constraints.errors(later, system).max()) < 1e-11
        # The nearest ones: what is taken is normal to what is left, in the metric of the kinetic energy.
        taken = momenta - left
        assert float(jnp.sum(taken * left / system.masses[:, None])) == pytest.approx(0, abs=1e-12)
        for change in (pushed, taken):
            np.testing.assert_allclose(np.sum(change, axis=0), 0, atol=1e-12)
        if which == "hydrogens":
            for change, origin in ((pushed, system.positions), (taken, positions)):
                np.testing.assert_allclose(np.sum(np.cross(origin, change), axis=0), 0, atol=1e-11)


def test_which_distances_are_fixed():
    """Those of one kind at their mean length."""
    ethanol, box = systems.ethanol(displacement=0.01), systems.water(8)
    for system, which, count in (
        (ethanol, "none", None),
        (box, "hydrogens", 16),
        (box, "hydrogens+water", 24),
    ):
        held = constrain(system, which)
        assert held is None if count is None else held.count == count
    held = constrain(ethanol, "hydrogens")
    pairs, lengths = (np.asarray(a)[np.asarray(held.real)] for a in (held.atoms, held.lengths))
    assert len(np.unique(lengths)) == 2
    positions, numbers = np.asarray(ethanol.positions), np.asarray(ethanol.numbers)
    found = np.linalg.norm(positions[pairs[:, 1]] - positions[pairs[:, 0]], axis=1)
    on_carbon = (numbers[pairs] == 6).any(axis=1)
    assert on_carbon.sum() == 5
    assert lengths[on_carbon] == pytest.approx(found[on_carbon].mean())


def test_water_in_a_very_skewed_cell():
    """Lattice vectors of the same lattice at angles down to a degree: the same lengths, and they hold."""
    box = systems.water(8)
    held, side = constrain(box, "water"), np.asarray(box.cell)[0, 0]
    for skew in (3, 8):
        cell = side * np.array([[1.0, 0, 0], [skew, 1, 0], [skew**2 - skew, skew, 1]])
        atoms = System.create(box.numbers, box.positions, cell, True).to_ase()
        atoms.wrap()
        skewed = System.from_ase(atoms)
        found = constrain(skewed, "water")
        np.testing.assert_allclose(found.lengths, held.lengths, rtol=1e-11)
        placed = constrained(skewed, found)
        assert float(device(found).errors(placed.positions, placed).max()) < 1e-11


def test_constraints_that_make_no_sense_are_refused():
    dioxide = System.create([8, 6, 8], [[0, 0, -1.16], [0, 0, 0], [0, 0, 1.16]])
    with pytest.raises(UnsupportedError, match="depend on each other"):
        Constraints.create(dioxide, [[0, 1], [1, 2], [0, 2]])
    with pytest.raises(DataError, match="twice"):
        Constraints.create(dioxide, [[0, 1], [1, 0]])
    for pairs in ([[0, 3]], [[1, 1]], [0, 1]):
        with pytest.raises(DataError):
            Constraints.create(dioxide, pairs)
    with pytest.raises(DataError, match="positive"):
        Constraints.create(dioxide, [[0, 1]], -1.0)
    with pytest.raises(UnsupportedError, match="too many"):
        Constraints.create(systems.argon(32), [[k, k + 1] for k in range(20)])
    shared = System.create([8, 1, 8], [[0, 0, -1.19], [0, 0, 0], [0, 0, 1.19]])
    with pytest.raises(UnsupportedError, match="bonded to several"):
        constrain(shared, "hydrogens")
    assert constrain(shared, "none") is None
    with pytest.raises(UnsupportedError, match="no water molecule"):
        constrain(systems.ethanol(), "water")
    for which in ("hydrogens", "hydrogens+water"):
        with pytest.raises(UnsupportedError, match="no bond to hydrogen"):
            constrain(systems.argon(4), which)
    with pytest.raises(ConfigError, match="did you mean 'hydrogens'"):
        constrain(shared, "hydrogen")


def test_heavy_hydrogen():
    """Taken from the neighbor: the mass of the molecule stays what it is."""
    ethanol = systems.ethanol()
    heavy = with_heavy_hydrogen(ethanol, 3.0)
    hydrogen = np.asarray(ethanol.numbers) == 1
    assert np.all(np.asarray(heavy.masses)[hydrogen] == 3.0)
    assert np.sum(heavy.masses) == pytest.approx(np.sum(ethanol.masses), abs=1e-12)
    assert np.min(np.asarray(heavy.masses)[~hydrogen]) == pytest.approx(12.011 - 3 * (3 - 1.008))
    for mass, message in ((5.0, "would leave atom"), (0.5, "as light"), (float("nan"), "as light")):
        with pytest.raises(ConfigError, match=message):
            with_heavy_hydrogen(ethanol, mass)
    with pytest.raises(UnsupportedError, match="no heavier atom"):
        with_heavy_hydrogen(System.create([1, 1], [[0, 0, 0], [0, 0, 0.74]]), 3.0)
    with pytest.raises(ConfigError, match="no hydrogen"):
        with_heavy_hydrogen(systems.argon(4), 3.0)


def water(system):
    """Rigid molecules that begin to move."""
    system = device(system)
    momenta = maxwell_boltzmann(system, 200.0, jax.random.key(0))
    return system, constrain(system, "water"), np.asarray(without_translation(momenta, system.masses))


@pytest.mark.device
def test_rigid_water_at_constant_energy():
    """Lengths to 1e-12 at 4 and 2 fs, no drift of the energy, whose error is of second order; turned momenta
    lead back."""
    box = systems.water(8)
    system, constraints, momenta = water(System.create(box.numbers, box.positions))
    swings, drifts = [], []
    for timestep in (4.0, 2.0):
        run = run_dynamics(
            system,
            WATER,
            VelocityVerlet(timestep=timestep),
            steps=int(400 / timestep),
            record_every=1,
            momenta=momenta,
            constraints=constraints,
        )
        assert run.degrees_of_freedom == 6 * 8 - 3  # the cluster was given a turn
        assert float(device(constraints).errors(run.state.positions, device(system)).max()) < 1e-12
        conserved = run.trajectory.observables["conserved"]
        swings.append(conserved.std())
        drifts.append(np.polyfit(run.trajectory.times, conserved, 1)[0] * run.trajectory.times[-1])
    kinetic = run.trajectory.observables["kinetic_energy"].std()
    assert swings[1] < 0.02 * kinetic
    assert abs(drifts[1]) < 0.01 * kinetic
    assert np.log2(swings[0] / swings[1]) == pytest.approx(2, abs=0.3)
    back = run_dynamics(
        system.moved(np.asarray(run.state.positions)),
        WATER,
        VelocityVerlet(timestep=2.0),
        steps=200,
        momenta=-np.asarray(run.state.momenta),
        constraints=constraints,
    )
    np.testing.assert_allclose(back.state.positions, system.positions, atol=1e-7)


@pytest.mark.physics
def test_pressure_of_bodies():
    """A small strain of the centers of mass costs V (stress of the bodies) : strain, at fixed lengths."""
    system, constraints, momenta = water(systems.water(8))
    near = VerletList(WATER.cutoff, skin=1.0).build(system)
    state = Langevin().init(
        system, WATER, near, key=jax.random.key(0), momenta=momenta, constraints=constraints
    )
    assert float(n_bodies(state)) == 8
    collective, stress = of_bodies(state)
    strain = np.array([[1.0, 0.3, -0.2], [0.3, -0.5, 0.4], [-0.2, 0.4, 0.7]])
    move = eqx.filter_jit(lambda size: deformed(state, size * strain, WATER, near, True))
    ends = [move(jnp.asarray(size)) for size in (-1e-4, 1e-4)]
    slope = float(ends[1].energy - ends[0].energy) / 2e-4
    assert slope == pytest.approx(float(system.volume) * np.vdot(stress, strain), rel=1e-5)
    flow = np.asarray(collective).T @ (np.asarray(collective) / np.asarray(system.masses)[:, None])
    heat = float(ends[1].heat - ends[0].heat) / 2e-4
    assert heat - slope == pytest.approx(-np.vdot(flow, strain), rel=1e-5)
    for end in ends:
        assert float(state.constraints.errors(end.positions, end.system).max()) < 1e-13
        velocity = end.momenta / end.system.masses[:, None]
        later = end.positions + 1e-6 * velocity
        assert float(state.constraints.errors(later, end.system).max()) < 1e-10


@pytest.mark.device
def test_pendulums_in_a_field():
    """Rigid dumbbells on a spring at one end: <cos> = coth(a) - 1/a, and the kinetic energy of five degrees
    of freedom, in the mean and in its variance."""
    system, constraints = chains(100, 2)
    thermal = BOLTZMANN * 300
    langevin = Langevin(timestep=20, temperature=300, friction=0.01)
    potential = Tethers(system, 2, thermal)  # a = force x 2 Å / kT = 2
    run = run_dynamics(
        system, potential, langevin, steps=6000, record_every=10, skin=30.0, constraints=constraints
    )
    assert run.degrees_of_freedom == 5 * 100
    temperature = run.trajectory.observables["temperature"][100:]
    assert temperature.mean() == pytest.approx(300, rel=0.01)
    assert temperature.std() == pytest.approx(300 * np.sqrt(2 / 500), rel=0.15)
    ends = run.trajectory.positions[100:].astype(np.float64).reshape(-1, 100, 2, 3)
    cosine = (ends[:, :, 1] - ends[:, :, 0])[..., 2] / 2
    # The cosines forget within some 500 fs, so 100 pendulums give 20 000 independent ones: an error of 0.003.
    assert cosine.mean() == pytest.approx(1 / np.tanh(2) - 1 / 2, abs=0.012)


@pytest.mark.physics
def test_freely_jointed_chain():
    """Two rigid bonds of equal masses with a free joint: the cosine of their angle has the density
    (4 - cos^2)^(1/2), the metric of what is frozen (Fixman 1974, doi 10.1073/pnas.71.8.3050)."""
    system, constraints = chains(200, 3)
    langevin = Langevin(timestep=20, temperature=300, friction=0.02)
    potential = Tethers(system, 3, 0.0)
    # The tethers have no neighbors, so none can be lost.
    guard = Guard(lost_atoms=False)
    options = {"record_every": 10, "skin": 30.0, "guard": guard}
    run = run_dynamics(system, potential, langevin, steps=60_000, constraints=constraints, **options)
    assert run.degrees_of_freedom == 7 * 200
    a, b, c = np.moveaxis(run.trajectory.positions[100:].astype(np.float64).reshape(-1, 200, 3, 3), 2, 0)
    cosine = np.sum((a - b) * (c - b), axis=-1) / 4
    norm = quad(lambda x: np.sqrt(4 - x**2), -1, 1)[0]
    expected = quad(lambda x: x**2 * np.sqrt(4 - x**2), -1, 1)[0] / norm
    assert expected == pytest.approx(0.3210, abs=1e-4)
    error = np.std([part.mean() for part in np.array_split(cosine**2, 20)]) / np.sqrt(20)
    assert error < 0.0015
    assert np.mean(cosine**2) == pytest.approx(expected, abs=3 * error)


def dumbbells(sites: tuple[int, int, int], edge: float) -> tuple[System, Constraints]:
    """Rigid pairs of argon on the sites of a cubic box, of 3.8 Å along x; some bonds go through its faces."""
    places = np.array(list(np.ndindex(*sites))) * edge / np.array(sites) + [edge - 1, 0, 0]
    ends = places[:, None] + np.array([[[0.0, 0, 0], [3.8, 0, 0]]])
    system = System.create(np.full(2 * len(places), 18), ends.reshape(-1, 3) % edge, edge * np.eye(3), True)
    return system, Constraints.create(system, np.arange(2 * len(places)).reshape(-1, 2))


THERMOSTATS = {
    "langevin": functools.partial(Langevin, friction=0.02),
    "velocity rescaling": functools.partial(VelocityRescaling, relaxation_time=50),
    "nose hoover": functools.partial(NoseHoover, relaxation_time=100),
}


@pytest.mark.physics
@pytest.mark.device
@pytest.mark.parametrize("thermostat", THERMOSTATS)
def test_equipartition_of_rotors(thermostat):
    """A liquid of rigid dumbbells: each has 3/2 k_B T of translation and k_B T of rotation, and the whole the
    right variance."""
    system, constraints = dumbbells((2, 4, 4), 16.5)
    assert float(constraints.lengths.max()) == pytest.approx(3.8)
    run = run_dynamics(
        system,
        LennardJones(cutoff=5.0),
        THERMOSTATS[thermostat](timestep=8, temperature=150),
        steps=4000,
        record_every=5,
        constraints=constraints,
    )
    missing = 0 if thermostat == "langevin" else 3
    freedom = 5 * 32 - missing
    assert run.degrees_of_freedom == freedom
    temperature = run.trajectory.observables["temperature"][200:]
    assert temperature.mean() == pytest.approx(150, rel=0.02)
    assert temperature.std() == pytest.approx(150 * np.sqrt(2 / freedom), rel=0.2)
    velocities = run.trajectory.velocities[200:].astype(np.float64).reshape(-1, 32, 2, 3)
    rotation = np.sum(np.diff(velocities, axis=2) ** 2) / 2 / np.sum(velocities**2)
    assert rotation == pytest.approx(2 * 32 / freedom, rel=0.03)


@pytest.mark.physics
@pytest.mark.parametrize("barostat", ["rescaling", "monte carlo"])
def test_ideal_gas_of_dumbbells(barostat):
    """p V = (N + 1) k_B T with the number of bodies, and (N + 1) (k_B T / p)^2 of variance."""
    pressure, temperature = 0.05, 300.0
    moves = {
        "rescaling": CellRescaling(
            pressure=pressure, relaxation_time=500, compressibility=1 / pressure, every=2
        ),
        "monte carlo": MonteCarloBarostat(pressure=pressure, every=5),
    }
    expected = (8 + 1) * BOLTZMANN * temperature / (pressure * GIGAPASCAL)
    system, constraints = dumbbells((2, 2, 2), expected ** (1 / 3))
    thermostat = Langevin(timestep=5, temperature=temperature, friction=0.02)
    run = run_dynamics(
        system,
        NOTHING,
        ConstantPressure(thermostat=thermostat, barostat=moves[barostat]),
        steps=40_000,
        record_every=20,
        skin=4.0,
        constraints=constraints,
    )
    volumes = np.linalg.det(run.trajectory.cells)[200:]
    assert volumes.mean() / expected == pytest.approx(1, abs=0.06)
    assert volumes.std() / expected * np.sqrt(9) == pytest.approx(1, abs=0.12)
    pressures = run.trajectory.observables["pressure"][200:]
    assert np.mean(pressures * volumes) * GIGAPASCAL == pytest.approx(8 * BOLTZMANN * temperature, rel=0.03)
    assert float(device(constraints).errors(run.state.positions, run.state.system).max()) < 1e-12


def test_groups_beside_larger_ones():
    """Water is moved alike alone and beside ethanol, whose groups are larger: to the last bit but one,
    because some processors multiply and add in one rounding where others take two."""
    molecules = [systems.water(1), systems.ethanol()]
    held = [constrain(molecules[0], "water"), constrain(molecules[1], "hydrogens")]
    both = Constraints.joined(held, [3, 9])
    assert both.members.shape == (4, 4)
    random = np.random.default_rng(0)
    there = np.concatenate([one.positions for one in molecules]) + random.normal(scale=0.05, size=(12, 3))
    momenta = random.normal(size=(12, 3))

    @eqx.filter_jit
    def move(constraints, system, positions, momenta):
        positions = constraints.imposed(positions, system)
        return positions, constraints.projected(momenta, positions, system)

    alone = move(device(held[0]), device(molecules[0]), there[:3], momenta[:3])
    beside = move(device(both), device(concatenated(molecules)), there, momenta)
    for one, other in zip(alone, beside, strict=True):
        np.testing.assert_allclose(one, other[:3], rtol=0, atol=4e-16)


@pytest.mark.physics
@pytest.mark.parametrize("integrator", THERMOSTATS)
def test_replicas_alone_and_in_company(integrator, tmp_path):
    """Molecules with groups of several sizes, and one without, by the general model: the same bits; and the
    same when interrupted."""
    molecules = [systems.ethanol(), systems.water(1), systems.water(1)]
    held = [
        constrain(one, which) for one, which in zip(molecules, ("hydrogens", "water", "none"), strict=True)
    ]
    general = load_model(GENERAL)

    def run(numbers, **options):
        chosen = [THERMOSTATS[integrator](timestep=1.0, temperature=200.0 + k) for k in numbers]
        return run_replicas(
            [molecules[k] for k in numbers],
            general,
            chosen,
            seeds=[5 + k for k in numbers],
            constraints=[held[k] for k in numbers],
            **({"steps": 60} | options),
        )

    run((0, 1, 2), folder=tmp_path, steps=25)
    together = run((0, 1, 2), folder=tmp_path, resume=True)
    free = [21, 6, 9] if integrator == "langevin" else [15, 1, 3]
    assert [one.degrees_of_freedom for one in together] == free
    for k in (0, 1, 2):
        (alone,) = run((k,))
        for name in ("positions", "momenta", "heat", "energy"):
            assert np.array_equal(getattr(together[k].state, name), getattr(alone.state, name)), (k, name)
        if held[k] is not None:
            errors = device(held[k]).errors(alone.state.positions, device(molecules[k]))
            assert float(errors.max()) < 1e-12
    held[1] = held[2]
    with pytest.raises(ConfigError, match="constraints is"):
        run((0, 1, 2), folder=tmp_path, resume=True, steps=80)


def test_lengths_that_cannot_be_kept_are_refused():
    """Bonds that turn by more than a quarter in a step, and a start too far from its lengths."""
    system, constraints = chains(100, 2)
    guard = Guard(atom_energy=1e9, longest_step=1e9, energy_jump=1e9, temperature=1e9)
    spinning = np.tile([[0.0, 0, 50], [0.0, 0, -50]], (100, 1))
    langevin = Langevin(timestep=20, temperature=300, friction=0.01)
    options = {"steps": 1, "momenta": spinning, "guard": guard, "skin": 30.0, "record_every": 10}
    with pytest.raises(SimulationError, match="lengths of their constraints"):
        run_dynamics(system, Tethers(system, 2, 0.0), langevin, constraints=constraints, **options)
    far = Constraints.create(system, [[0, 1], [1, 2]], [30.0, 0.2])
    with pytest.raises(SimulationError, match="cannot be brought"):
        run_dynamics(system, NOTHING, langevin, steps=1, constraints=far)


def test_an_integrator_that_keeps_none_refuses():
    """Rather than letting the lengths go."""

    class Other(VelocityVerlet.__mro__[1]):
        timestep: float = 1.0
        temperature: float = 300.0
        conserves_momentum = True

        def step(self, state, potential, neighbors):
            return state

    system, constraints = chains(1, 2)
    with pytest.raises(UnsupportedError, match="does not keep constraints"):
        run_dynamics(system, NOTHING, Other(), steps=1, constraints=constraints)
