"""What the sections and `analyze` say of motions that were made by hand."""

import dataclasses
from types import SimpleNamespace

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from ase.build import molecule
from tests.analysis.test_liquids import NUMBERS as DIMER
from tests.analysis.test_liquids import dimer
from tests.analysis.test_motion import PER_CM, brownian

from adiabat.base.units import BOLTZMANN, FEMTOSECOND
from adiabat.io.trajectory import Trajectory, TrajectoryWriter
from adiabat.potentials import AbstractPotential
from adiabat.report import dynamics_sections
from adiabat.report.cards import Chart, Columns, Facts, Text
from adiabat.report.measurements import Measurements
from adiabat.report.motion import Motion
from adiabat.system import System
from adiabat.tasks.analyze import analyze
from adiabat.tasks.dipoles import trajectory_dipoles
from adiabat.tasks.measure import curves, dynamics_numbers
from adiabat.tasks.motions import read_motion, trajectory_motion

ETHANOL = molecule("CH3CH2OH")


def flat(section):
    return [
        inner for card in section.cards for inner in (card.cards if isinstance(card, Columns) else [card])
    ]


def titles(section):
    return [card.title for card in flat(section) if isinstance(card, Chart)]


def vibrating(step, n=500, wavenumber=1500.0, seed=0):
    """Ethanol whose coordinates all oscillate at one wavenumber, in a bath; with a dipole along z."""
    rng = np.random.default_rng(seed)
    time = step * np.arange(n)
    phase = rng.uniform(0, 2 * np.pi, (9, 3))
    frequency = 2 * np.pi * PER_CM * wavenumber
    angle = frequency * time[:, None, None] + phase
    freedom = 27
    kelvin = 300 * rng.chisquare(freedom, size=n) / freedom
    return Motion(
        numbers=ETHANOL.numbers,
        positions=ETHANOL.positions + 0.03 * np.sin(angle),
        cell=None,
        time=time,
        potential=0.5 * BOLTZMANN * 300 * np.sum(rng.normal(size=(n, 21)) ** 2, axis=1),
        kinetic=0.5 * freedom * BOLTZMANN * kelvin,
        temperature=kelvin,
        target_temperature=300.0,
        velocities=0.03 * frequency * np.cos(angle),
        dipoles=np.stack([np.zeros(n), np.zeros(n), 0.3 + 0.05 * np.sin(frequency * time)], axis=1),
    )


def sections_of(measured):
    motion = measured.motion
    return dynamics_sections(title="run", numbers=motion.numbers, trajectory=motion, measurements=measured)


def test_spectra_of_a_molecule():
    measured = Measurements(vibrating(2.0))
    [section] = sections_of(measured)
    assert {"Vibrational density of states", "Velocity autocorrelation", "Infrared spectrum"} <= set(
        titles(section)
    )
    numbers = dynamics_numbers(measured)
    width = numbers["line_width_per_cm"]
    assert numbers["vibrational_peaks_per_cm"] == pytest.approx([1500.0], abs=width)
    assert numbers["infrared_peaks_per_cm"] == pytest.approx([1500.0], abs=width)
    # 21 harmonic modes and 27 degrees of freedom of the kinetic energy, of 9 atoms.
    capacity, error = numbers["heat_capacity_kb_per_atom"], numbers["heat_capacity_kb_per_atom_error"]
    assert abs(capacity - 24 / 9) < 4 * error
    assert numbers["bond_lengths_ang"]["C–C"] == pytest.approx(1.51, abs=0.02)
    drawn = curves(measured)
    states = drawn["vibrational_density_of_states"]
    assert set(states) == {"all", "H", "C", "O"}
    area = {name: np.trapezoid(one["density"], one["wavenumber_per_cm"]) for name, one in states.items()}
    assert area["all"] == pytest.approx(27, rel=0.01)
    assert area["H"] == pytest.approx(27 * 6 / 9, rel=0.01)


@pytest.mark.parametrize(("step", "status"), [(1.0, "fair"), (4.0, "good"), (5.0, "fair")])
def test_the_sampling_of_vibrations_is_judged(step, status):
    """1 fs: too short for sharp lines; 4 fs shows hydrogen, 5 fs does not."""
    [section] = sections_of(Measurements(vibrating(step, n=2300 if step > 1 else 1000)))
    [verdict] = [one for one in section.verdicts if one.label.startswith("Vibrations")]
    assert verdict.status == status
    if step == 5.0:
        assert "folded back" in verdict.trust
        assert "4.2 fs" in verdict.trust


def test_heights_of_one_run_of_a_molecule_without_friction_are_not_trusted():
    for friction, told in ((None, True), (0.001, False)):
        [section] = sections_of(Measurements(dataclasses.replace(vibrating(4.0, n=2300), friction=friction)))
        [verdict] = [one for one in section.verdicts if one.label.startswith("Vibrations")]
        [states] = [
            card for card in flat(section) if getattr(card, "title", "") == "Vibrational density of states"
        ]
        assert ("heights need several runs" in verdict.trust) == told
        assert ("Average over replicas" in states.caption) == told


def test_frames_far_apart_give_no_spectrum():
    measured = Measurements(vibrating(50.0))
    [section] = sections_of(measured)
    assert "Vibrational density of states" not in titles(section)
    assert any("every 4.2 fs" in card.text for card in flat(section) if isinstance(card, Text))
    assert "vibrational_peaks_per_cm" not in dynamics_numbers(measured)


def test_a_short_run_gives_no_spectrum():
    measured = Measurements(vibrating(2.0, n=200))
    [section] = sections_of(measured)
    assert any("0.318 ps are too short" in card.text for card in flat(section) if isinstance(card, Text))
    assert dynamics_numbers(measured).keys().isdisjoint({"vibrational_peaks_per_cm", "infrared_peaks_per_cm"})


def gas(cell, n=800, step=10.0, seed=0):
    """Brownian particles; called copper, between whose atoms no bonds are sought."""
    velocities, positions = brownian(n, 20, step, 0.05, 1e-4, seed)
    start = np.random.default_rng(1).random((20, 3)) @ cell
    kelvin = np.full(n, 300.0)
    return Motion(np.full(20, 29), start + positions, np.repeat(cell[None], n, axis=0), step * np.arange(n),
                  temperature=kelvin, velocities=velocities)  # fmt: skip


def test_diffusion_is_corrected_with_the_viscosity_given():
    motion = gas(np.eye(3) * 15.0)
    plain, corrected = Measurements(motion), Measurements(motion, viscosity=0.9)
    exact = 1e-4 / 0.05 * 0.1
    for name in ("diffusion_cm2_per_s", "diffusion_from_velocities_cm2_per_s"):
        found = dynamics_numbers(plain)[name]
        assert abs(found["Cu"] - exact) < 4 * found["Cu_error"]
        assert "finite_size_correction_cm2_per_s" not in dynamics_numbers(plain)
    more = dynamics_numbers(corrected)["finite_size_correction_cm2_per_s"]
    assert more == pytest.approx(
        1.380649e-23 * 300 * 2.837297 / (6 * np.pi * 0.9e-3 * 15e-10) * 1e4, rel=1e-6
    )

    def said(measured):
        [section] = sections_of(measured)
        facts = [
            card.items for card in flat(section) if isinstance(card, Facts) and "diffusion" in card.title
        ]
        return facts[0], " ".join(card.text for card in flat(section) if isinstance(card, Text))

    facts, text = said(plain)
    assert set(facts) == {"Cu", "Cu, from velocities"}
    assert "--viscosity" in text
    facts, text = said(corrected)
    assert "Cu, corrected" in facts
    assert "0.900 mPa s that was given" in text
    facts, text = said(Measurements(gas(np.diag([12.0, 15.0, 18.0])), viscosity=0.9))
    assert "Cu, corrected" not in facts
    assert "cubic" in text


def observed(**more):
    """Vibrating ethanol as a trajectory, with observables beside its energies."""
    motion = vibrating(2.0)
    template = System.create(ETHANOL.numbers, ETHANOL.positions)
    observables = {
        "potential_energy": motion.potential,
        "kinetic_energy": motion.kinetic,
        "temperature": motion.temperature,
    }
    n = motion.n_frames
    arrays = motion.positions.astype(np.float32), motion.velocities.astype(np.float32), np.zeros((n, 3, 3))
    return Trajectory(template, np.arange(n), motion.time, *arrays, observables | more)


WITHHELD = {"heat_capacity_kb_per_atom", "vibrational_peaks_per_cm", "hydrogen_bond_lifetime_ps"}


@pytest.mark.parametrize(
    ("more", "value", "said"),
    [
        ({"bias": np.full(500, 0.1), "work": np.full(500, 0.2)}, "biased", "under a bias"),
        ({"target_temperature": np.repeat([300.0, 330.0], 250)}, "of several temperatures", "300 to 330 K"),
    ],
)
def test_frames_that_do_not_count_alike_are_told(more, value, said):
    plain = Measurements(Motion.of(observed(), ETHANOL.numbers, 300.0))
    assert {"heat_capacity_kb_per_atom", "vibrational_peaks_per_cm"} <= dynamics_numbers(plain).keys()
    assert not plain.warnings
    measured = Measurements(Motion.of(observed(**more), ETHANOL.numbers, 300.0))
    numbers = dynamics_numbers(measured)
    assert not WITHHELD & numbers.keys()
    [warning] = numbers["warnings"]
    assert said in warning
    [section] = sections_of(measured)
    by_label = {verdict.label: verdict for verdict in section.verdicts}
    assert (by_label["Ensemble, run"].value, by_label["Ensemble, run"].status) == (value, "fair")
    assert "under a bias" in by_label["Stability, run"].trust or value != "biased"
    assert ("Temperature, run" in by_label) == (value == "biased")  # momenta feel no bias
    assert any(card.text == warning for card in flat(section) if isinstance(card, Text))


def test_a_replica_that_never_swapped_is_like_any_other():
    found = Motion.of(observed(target_temperature=np.full(500, 300.0)), ETHANOL.numbers, 300.0)
    assert found.is_trajectory


def test_curves_have_the_errors_of_their_scatter():
    """Forty runs of Brownian particles; the velocity autocorrelation and the displacement are known."""
    friction, thermal, step = 0.05, 1e-4, 10.0

    runs = [Measurements(gas(np.eye(3) * 15.0, seed=seed)) for seed in range(40)]
    memory = [run.velocity_autocorrelation for run in runs]
    moved = [run.displacements["Cu"] for run in runs]
    for rows, at in ((memory, 2), (memory, 20), (moved, 40)):
        values, errors = np.array([(row.value[at], row.error[at]) for row in rows]).T
        assert np.sqrt(np.mean(errors**2)) == pytest.approx(values.std(), rel=0.4)
    decay = np.mean([row.value[:4] for row in memory], axis=0)
    np.testing.assert_allclose(decay, np.exp(-friction * step * np.arange(4)), atol=0.02)
    exact = 6 * thermal / friction * 60 * step * 19 / 20  # about the center of mass of twenty
    assert np.mean([row.value[60] for row in moved]) == pytest.approx(exact, rel=0.08)


def test_a_histogram_has_the_error_of_its_counts():
    """Bonds drawn anew in each frame: the square root of the counts."""
    numbers, n = np.array([6, 8]), 4000
    frames = np.zeros((n, 2, 3))
    frames[:, 1, 0] = np.random.default_rng(0).uniform(1.0, 1.3, n)
    [bond] = Measurements(Motion(numbers, frames, None, np.arange(float(n)))).internals
    edges, density, _ = bond.histograms()
    counts = density * np.diff(edges) * len(bond.values)
    exact = density / np.sqrt(counts)
    assert np.sqrt(np.mean(bond.histogram_error() ** 2)) == pytest.approx(
        np.sqrt(np.mean(exact**2)), rel=0.15
    )


def test_friction_that_slows_diffusion_and_widens_lines_is_told():
    """Particles with k T / m = 1e-4 Å^2/fs^2 and a friction of 0.05 1/fs, a fifth of it the thermostat's."""
    mass = BOLTZMANN * 300 * FEMTOSECOND**2 / 1e-4
    motion = dataclasses.replace(gas(np.eye(3) * 15.0), masses=np.full(20, mass), friction=0.01)
    measured = Measurements(motion)
    assert measured.slowed["Cu"] == pytest.approx(0.2, rel=0.15)
    [section] = sections_of(measured)
    [verdict] = [one for one in section.verdicts if one.label.startswith("Diffusion")]
    assert verdict.status in ("fair", "poor")
    assert any("slows diffusion by about" in warning for warning in measured.warnings)
    gentle = Measurements(dataclasses.replace(motion, friction=0.001))
    assert not gentle.warnings
    lines = Measurements(dataclasses.replace(vibrating(2.0), friction=0.01))
    assert any("widens lines by 53 1/cm" in warning for warning in lines.warnings)


def test_structures_of_quantum_nuclei_are_those_of_beads(tmp_path):
    """Two atoms whose centroids rest at 1 Å, and whose two beads stand 0.2 Å to either side."""
    template = System.create([6, 8], [[0.0, 0, 0], [1.0, 0, 0]])
    n = 100

    def write(folder, shift):
        frames = np.repeat(np.array([[[0.0, 0, 0], [1.0 + shift, 0, 0]]], np.float32), n, axis=0)
        trajectory = Trajectory(template, np.arange(n), 2.0 * np.arange(n), frames, np.ones_like(frames),
                                np.zeros((n, 3, 3)), {"quantum_kinetic_energy": np.ones(n)})  # fmt: skip
        folder.mkdir(exist_ok=True)
        with TrajectoryWriter.create(
            folder / "trajectory.h5", template, {"quantum_kinetic_energy": "eV"}
        ) as writer:
            writer.append(trajectory)

    for folder, shift in ((tmp_path, 0.0), (tmp_path / "bead-000", 0.2), (tmp_path / "bead-001", -0.2)):
        write(folder, shift)
    [bond] = Measurements(trajectory_motion(tmp_path / "trajectory.h5")).internals
    assert (bond.mean, bond.deviation) == (pytest.approx(1.0, abs=1e-6), pytest.approx(0.2, abs=1e-6))
    bead = Measurements(trajectory_motion(tmp_path / "bead-001" / "trajectory.h5"))
    assert bead.internals[0].mean == pytest.approx(0.8, abs=1e-6)
    assert bead.velocities is None
    assert "One bead of path integrals" in bead.warnings[0]


def test_hydrogen_bonds_are_counted():
    frames = np.repeat(dimer(2.9, 0)[None], 50, axis=0)
    frames[::2] = dimer(2.9, 50)
    measured = Measurements(Motion(DIMER, frames, None, 20.0 * np.arange(50)))
    assert dynamics_numbers(measured)["hydrogen_bonds_per_molecule"] == pytest.approx(0.5)
    [section] = sections_of(measured)
    assert "Hydrogen bonds" in titles(section)
    assert any("Luzar" in text or text == "hydrogen-bonds" for text in section.citations)


def test_a_slab_is_whole_across_its_edges(tmp_path):
    """A dimer of water at a corner of a cell that repeats along x and y, and far above it a third one."""
    numbers = np.tile([8, 1, 1], 3)
    pair = dimer(2.9, 0)
    whole = np.concatenate([pair, pair[:3] + [3.0, 3.0, 8.0]])
    cell = np.array([[7.0, 0.0, 0.0], [1.0, 6.0, 0.0], [0.0, 0.0, 5.0]])
    scaled = whole @ np.linalg.inv(cell)
    scaled[:, :2] -= np.floor(scaled[:, :2])
    wrapped = scaled @ cell
    assert np.abs(wrapped - whole).max() > 4
    rng = np.random.default_rng(0)
    frames = (wrapped + rng.normal(scale=0.01, size=(40, 9, 3))).astype(np.float32)
    template = System.create(numbers, wrapped, cell=cell, pbc=(True, True, False))
    cells = np.repeat(cell[None], 40, axis=0)
    steps, velocities = np.arange(40), np.zeros_like(frames)
    trajectory = Trajectory(template, steps, 20.0 * steps, frames, velocities, cells)
    with TrajectoryWriter.create(tmp_path / "trajectory.h5", template, {}) as writer:
        writer.append(trajectory)
    trajectory.write_extxyz(tmp_path / "frames.xyz")
    for name in ("trajectory.h5", "frames.xyz"):
        found = analyze(tmp_path / name, reference=tmp_path / "frames.xyz")
        assert found["fragments"] == [3, 3]
        assert found["hydrogen_bonds_per_molecule"] == pytest.approx(2 / 3)
        assert found["bond_lengths_ang"]["O–H"] == pytest.approx(0.97, abs=0.005)
        assert "density_g_per_cm3" not in found  # it has no volume


class Charged(AbstractPotential):
    """No energy; charges that follow the height of an atom and of all its neighbors."""

    cutoff: float = eqx.field(static=True, default=3.0)

    def atom_energies(self, system, neighbors):
        return jnp.zeros(system.n_atoms)

    def atom_charges(self, system, neighbors):
        others = jnp.where(neighbors.mask, system.positions[neighbors.index, 2], 0.0).sum(axis=1)
        charges = 0.1 * system.positions[:, 2] + 0.02 * others
        return charges - charges.mean()


def heavy_water(n=600, step=2.0):
    """Two molecules of D2O in a cell of 60 Å^3. Oxygen moves at 500 1/cm, deuterium at 1500 1/cm, and each
    coordinate has the same energy."""
    masses = np.tile([15.999, 2.014, 2.014], 2)
    times = step * np.arange(n)
    phases = np.random.default_rng(0).uniform(0, 2 * np.pi, (6, 3))
    frequencies = 2 * np.pi * PER_CM * np.where(DIMER == 8, 500.0, 1500.0)
    velocities = np.cos(frequencies[:, None] * times[:, None, None] + phases) / np.sqrt(masses)[:, None]
    frames = np.repeat(dimer(2.9, 0)[None], n, axis=0).astype(np.float32)
    cell = np.eye(3) * 60.0 ** (1 / 3)
    template = System.create(DIMER, frames[0].astype(float), cell=cell, pbc=True, masses=masses)
    cells = np.repeat(cell[None], n, axis=0)
    return Trajectory(template, np.arange(n), times, frames, 1e-2 * velocities.astype(np.float32), cells)


def test_masses_are_those_of_the_run(tmp_path):
    """Of heavy water: 40.05 amu in 60 Å^3, and deuterium has two thirds of the states."""
    trajectory = heavy_water()
    with TrajectoryWriter.create(tmp_path / "trajectory.h5", trajectory.template, {}) as writer:
        writer.append(trajectory)
    trajectory.write_extxyz(tmp_path / "frames.xyz")
    for name in ("trajectory.h5", "frames.xyz"):
        measured = Measurements(read_motion(tmp_path / name))
        assert measured.density.mean == pytest.approx(40.054 * 1.66053907 / 60, rel=1e-4)
        states = measured.vibrations["all"]
        above = states.density[states.wavenumber > 1000]
        assert above.sum() / states.density.sum() == pytest.approx(2 / 3, rel=0.01)


def trajectory_of(periodic=False, n=70):
    frames = (ETHANOL.positions + np.random.default_rng(0).normal(scale=0.1, size=(n, 9, 3))).astype(
        np.float32
    )
    cell = np.eye(3) * (20.0 if periodic else 0.0)
    template = System.create(ETHANOL.numbers, frames[0].astype(float), cell=cell, pbc=(periodic,) * 3)
    cells = np.repeat(cell[None], n, axis=0)
    return Trajectory(template, np.arange(n), 2.0 * np.arange(n), frames, np.zeros_like(frames), cells)


def test_dipoles_along_a_trajectory():
    trajectory = trajectory_of()
    found = trajectory_dipoles(Charged(), trajectory)
    positions = trajectory.positions.astype(float)
    # The list holds every pair: the others are all atoms but the one.
    charges = 0.08 * (positions[..., 2] - positions[..., 2].mean(axis=1, keepdims=True))
    np.testing.assert_allclose(found, np.einsum("fi,fix->fx", charges, positions), atol=1e-4)
    assert trajectory_dipoles(Charged(), trajectory_of(periodic=True)) is None


def test_files_with_velocities_and_dipoles_give_spectra(tmp_path):
    from adiabat.io import write_extxyz

    motion = vibrating(2.0)
    assert motion.velocities is not None
    assert motion.dipoles is not None
    systems = [System.create(ETHANOL.numbers, frame) for frame in motion.positions]
    results = [{"velocities": v, "dipole": d} for v, d in zip(motion.velocities, motion.dipoles, strict=True)]
    write_extxyz(tmp_path / "run.xyz", systems, results, [{"time": float(t)} for t in motion.time])
    found = analyze(tmp_path / "run.xyz")
    assert found["vibrational_peaks_per_cm"] == pytest.approx([1500.0], abs=found["line_width_per_cm"])
    assert "infrared_peaks_per_cm" not in found  # nobody says how warm it was
    assert "Vibrational density of states" in (tmp_path / "run_report.html").read_text()


def walk(tmp_path, wrapped, every=20.0, times=True):
    """A file of atoms that walk at random through a skewed cell whose size changes, D = 2e-5 cm^2/s."""
    from adiabat.io import write_extxyz

    rng, n = np.random.default_rng(0), 400
    cells = np.array([[9.0, 0, 0], [3, 8, 0], [1, 2, 10]]) * (1 + 0.01 * np.sin(np.arange(n)))[:, None, None]
    steps = rng.normal(scale=np.sqrt(2 * 2e-4 * every), size=(n, 64, 3))
    frames = np.cumsum(steps, axis=0)
    if wrapped:
        scaled = frames @ np.linalg.inv(cells)
        frames = (scaled - np.floor(scaled)) @ cells
    systems = [System.create([18] * 64, *each, pbc=True) for each in zip(frames, cells, strict=True)]
    info = [{"time": every * k} if times else {} for k in range(n)]
    write_extxyz(tmp_path / "walk.xyz", systems, info=info)
    return tmp_path / "walk.xyz"


@pytest.mark.parametrize("wrapped", [True, False])
def test_diffusion_in_a_file_does_not_depend_on_how_it_is_wrapped(tmp_path, wrapped):
    found = analyze(walk(tmp_path, wrapped))["diffusion_cm2_per_s"]
    # Where wrapped positions are put together, the changes of the cell move atoms far from its origin.
    assert found["Ar"] == pytest.approx(2e-5, abs=4 * found["Ar_error"])
    assert found["Ar_error"] < 2e-6


def test_no_diffusion_where_nobody_knows_which_way_atoms_went(tmp_path):
    found = analyze(walk(tmp_path, True, every=5000.0))
    assert "diffusion_cm2_per_s" not in found
    assert "go about half of it" in found["warnings"][0]
    assert "diffusion_cm2_per_s" in analyze(walk(tmp_path, False, every=500.0))


def test_a_cell_that_is_too_small_has_no_first_peak():
    """Half of one cell of argon, 2.7 Å, ends before the nearest neighbors: no pair at 0.01 Å was there."""
    numbers, places = np.array([18] * 4), 2.7 * np.array([[0.0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]])
    frames = places + np.random.default_rng(0).normal(scale=0.05, size=(20, 4, 3))
    measured = Measurements(
        Motion(numbers, frames, np.repeat(5.4 * np.eye(3)[None], 20, axis=0), np.arange(20.0))
    )
    assert {"radial_peaks_ang", "coordination"}.isdisjoint(dynamics_numbers(measured))
    assert "Radial distribution functions" in titles(sections_of(measured)[0])


def test_without_times_nothing_is_said_that_needs_them(tmp_path):
    """The numbers of frames were taken for femtoseconds, here twenty times too short."""
    path = walk(tmp_path, False, times=False)
    assert {"length_ps", "diffusion_cm2_per_s"}.isdisjoint(analyze(path))
    motion = dataclasses.replace(read_motion(path), time=20.0 * np.arange(400))
    assert not Measurements(motion).diffusion  # even where the frames are many
    numbers = dynamics_numbers(
        Measurements(
            Motion(DIMER, np.repeat(dimer(2.9, 0)[None], 50, axis=0), None, np.arange(50.0), has_times=False)
        )
    )
    assert numbers["hydrogen_bonds_per_molecule"] == pytest.approx(1.0)
    assert "hydrogen_bond_lifetime_ps" not in numbers
    assert "do not say when they are" in numbers["warnings"][0]
    assert "400 frames stable" in path.with_name("walk_report.html").read_text()


def test_the_motion_of_a_trajectory_has_its_velocities(tmp_path):
    trajectory = trajectory_of()
    with TrajectoryWriter.create(tmp_path / "trajectory.h5", trajectory.template, {}) as writer:
        writer.append(trajectory)
    motion = Motion.of(trajectory, ETHANOL.numbers)
    assert motion.velocities is not None
    assert Measurements(motion).vibrations == {}  # nothing moves
    assert "vibrational_peaks_per_cm" not in analyze(tmp_path / "trajectory.h5")
    bare = SimpleNamespace(positions=motion.positions, time=motion.time)
    assert Motion.of(bare, ETHANOL.numbers).velocities is None
