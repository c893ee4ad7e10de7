"""Torsions, bonds, trajectories, filters, the plan, and all of it together."""

import dataclasses
from collections import Counter

import ase.build
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adiabat.base import ConvergenceError
from adiabat.base.units import BOLTZMANN
from adiabat.data.labelers import AbstractLabeler, LabelCache, Labels, labelers
from adiabat.generate import Filter, Surface, langevin_trajectories, make_plan, minima, relax
from adiabat.generate.datasets import held_out_sets, split_by_trajectory, training_frames
from adiabat.generate.plan import Plan
from adiabat.generate.sources import dynamics_frames
from adiabat.generate.torsions import bonds, turnable_bonds
from adiabat.generate.trajectories import TrajectoryPlan
from adiabat.system import System
from adiabat.system.smiles import conformers, system_from_smiles


def test_turnable_bonds():
    # Butane: three C-C bonds. Propene: only the methyl group. Benzene, ethyne, water: nothing turns.
    counts = {"CCCC": 3, "C=CC": 1, "c1ccccc1": 0, "C#C": 0, "O": 0, "CC#CC": 0, "OO": 1, "CC(=O)NC": 3}
    assert {s: len(turnable_bonds(system_from_smiles(s))) for s in counts} == counts


@given(st.floats(-np.pi, np.pi))
def test_turning_keeps_bonds_and_angles(angle):
    ethane = System.from_ase(ase.build.molecule("C2H6"))
    [bond] = turnable_bonds(ethane)
    positions = bond.turned(np.asarray(ethane.positions), angle)
    for one in bonds(ethane):
        before = np.linalg.norm(ethane.positions[one.start] - ethane.positions[one.end])
        assert np.linalg.norm(positions[one.start] - positions[one.end]) == pytest.approx(before, abs=1e-9)
    back = bond.turned(positions, -angle)
    np.testing.assert_allclose(back, ethane.positions, atol=1e-9)


def test_stretching_changes_one_bond():
    ethane = System.from_ase(ase.build.molecule("C2H6"))
    all_bonds = bonds(ethane)
    positions = all_bonds[0].stretched(np.asarray(ethane.positions), 1.2)

    def lengths(where):
        return np.array([np.linalg.norm(where[b.start] - where[b.end]) for b in all_bonds])

    ratio = lengths(positions) / lengths(ethane.positions)
    np.testing.assert_allclose(ratio, [1.2] + [1.0] * (len(ratio) - 1), atol=1e-9)


def test_relaxing_finds_the_equilibrium_distance():
    labeler = labelers.get("lj")()
    argon = System.create([18] * 3, [[0, 0, 0], [3.9, 0, 0], [1.9, 3.2, 0.1]])
    relaxed = relax(Surface(argon, labeler), np.array([argon.positions]), fmax=1e-5)
    assert relaxed.converged.all()
    # Three pairs at the bottom of the well.
    assert relaxed.energies[0] == pytest.approx(-3 * 0.0104, rel=2e-3)


def test_failing_method_is_an_error():
    collided = System.create([8, 1, 1], [[0, 0, 0], [0, 0, 0.05], [0, 0.9, 0]])
    with pytest.raises(ConvergenceError, match="apart"):
        minima(Surface(collided, labelers.get("gfn2")(workers=1)), np.array([collided.positions]), n=1)


class Springs(AbstractLabeler):
    """Every pair of atoms on a spring of 1 eV/Å^2 and 2.2 Å: nothing is cheaper."""

    name = "springs"
    workers = 1

    def check(self, system):
        pass

    def compute(self, system):
        arms = system.positions[:, None] - system.positions
        lengths = np.linalg.norm(arms, axis=-1) + np.eye(system.n_atoms) * 2.2
        pull = (lengths - 2.2) / lengths
        return Labels(float(((lengths - 2.2) ** 2).sum() / 4), -np.einsum("ij,ijk->ik", pull, arms))

    def isolated_atoms(self, numbers):
        return dict.fromkeys(numbers, 0.0)


@pytest.fixture(scope="module")
def argon() -> tuple[Surface, Filter]:
    """A triangle of argon atoms on springs."""
    positions = 2.2 * np.array([[0, 0, 0], [1, 0, 0], [0.5, np.sqrt(0.75), 0]])
    surface = Surface(System.create([18] * 3, positions), Springs())
    return surface, Filter(surface, positions, 0.0, 20.0)


def test_langevin_has_the_temperature_asked_for(argon):
    """Three internal coordinates: a mean potential energy of 3 kT/2."""
    surface, keep = argon
    plan = TrajectoryPlan(
        temperatures=np.full(8, 50.0), steps=400, timestep=40.0, friction=0.005, skip=50, stride=1
    )
    frames = langevin_trajectories(surface, np.array([surface.reference.positions] * 8), plan, keep, seed=1)
    energies = np.array([[s.energy for s in one] for one in frames])
    error = energies.mean(axis=1).std() / np.sqrt(8)
    assert energies.mean() == pytest.approx(1.5 * BOLTZMANN * 50.0, abs=4 * error)
    assert error < 0.1 * energies.mean()


def test_replicas_have_streams_of_their_own(argon):
    surface, keep = argon
    start = np.array([surface.reference.positions] * 3)
    plan = TrajectoryPlan(temperatures=np.array([5.0, 5.0, 10.0]), steps=20, timestep=5.0, stride=5)
    many = langevin_trajectories(surface, start, plan, keep, seed=3)
    again = langevin_trajectories(surface, start, plan, keep, seed=3)
    fewer = langevin_trajectories(
        surface, start[:1], dataclasses.replace(plan, temperatures=np.array([5.0])), keep, 3
    )
    assert [s.energy for s in many[0]] == [s.energy for s in again[0]] == [s.energy for s in fewer[0]]
    assert many[0][-1].energy != many[1][-1].energy


def test_a_replica_that_falls_apart_ends(argon):
    surface, keep = argon
    plan = TrajectoryPlan(temperatures=np.array([5.0, 30000.0]), steps=60, timestep=10.0, stride=2)
    cold, hot = langevin_trajectories(
        surface, np.array([surface.reference.positions] * 2), plan, keep, seed=0
    )
    assert len(cold) == 30
    assert len(hot) < 30


def test_filter_names_what_it_drops(argon):
    surface, _ = argon
    whole = np.asarray(surface.reference.positions)
    keep = Filter(surface, whole, 0.0, 20.0)
    near, far = whole.copy(), whole.copy()
    near[0] += [1.3, 0, 0]
    far[0] -= [9, 0, 0]
    samples = surface.label(np.array([whole, near, far, whole[:, [1, 0, 2]]]))
    assert [s.energy for s in keep.samples(samples)] == [samples[0].energy]
    assert keep.dropped == {"atoms too near": 1, "fallen apart": 1, "duplicate": 1}


@given(
    n_atoms=st.integers(2, 80),
    seconds=st.floats(5, 1000),
    cost=st.floats(1e-4, 1.0),
    labels=st.one_of(st.none(), st.integers(20, 3000)),
    can_turn=st.booleans(),
    explored=st.booleans(),
)
def test_any_plan_makes_sense(n_atoms, seconds, cost, labels, can_turn, explored):
    plan = make_plan(
        n_atoms=n_atoms,
        seconds=seconds,
        seconds_per_evaluation=cost,
        temperature=300,
        labels=labels,
        seed=0,
        can_turn=can_turn,
        explored=explored,
    )
    total = sum(plan.labels.values())
    assert total == labels if labels is not None else total >= 50
    assert all(count >= 0 for count in plan.labels.values())
    assert plan.n_replicas * plan.steps >= plan.labels["dynamics"]
    assert ("torsions" in plan.labels) == can_turn
    assert Plan.from_dict(plan.as_dict()) == plan
    if labels is None and seconds / cost > 2000:
        assert (plan.n_evaluations + plan.n_test_evaluations) * cost < 1.15 * seconds


def test_frames_of_trajectories_that_something_else_runs():
    """They are labelled by the method and numbered; what has fallen apart on the way is not labelled."""
    methanol = conformers("CO", 1)[0]
    labeler = labelers.get("gfn2")(workers=1)
    surface, start = Surface(methanol, labeler), np.asarray(methanol.positions)
    asked = []

    def explore(starts, temperatures, frames, seed):
        asked.append((len(starts), tuple(temperatures), frames))
        shaken = starts + np.random.default_rng(seed).normal(scale=0.03, size=(frames, *starts.shape))
        shaken[0, 1, 5, 0] += 30.0
        return [*np.swapaxes(shaken, 0, 1)[:-1], np.empty((0, *start.shape))]

    plan = make_plan(
        n_atoms=6, seconds=1, seconds_per_evaluation=0.01, temperature=300, labels=60, seed=0, explored=True
    )
    keep = Filter(surface, start, surface(start[None])[0][0], 990.0)
    frames = dynamics_frames(surface, start[None], plan, keep, 3, explore)
    assert asked == [(8, (300.0, 600.0, 990.0, 300.0, 600.0, 990.0, 300.0, 600.0), 7)]
    assert surface.n_evaluations == 1 + 7 * 7 - 1
    assert keep.dropped == {"fallen apart": 1}
    assert Counter(s.info["trajectory"] for s in frames) == {k: 7 - (k == 1) for k in range(7)}
    again = labeler.label([frames[9].system])[0]
    assert frames[9].energy == again.energy
    assert frames[9].info["temperature"] == 600.0


@pytest.mark.parametrize(
    "molecule",
    ["CO", "[H][H]", "O=C=O", "[OH-]", "C[NH3+]", "[O][O]", "ferrocene"],
)
def test_any_molecule_can_be_sampled(molecule, tmp_path):
    """Rotor, diatomic, linear, ion, radical, metal complex: sources, tags, splits, then from the cache."""
    if molecule == "ferrocene":
        molecule = System.create(*ferrocene())
        starts = conformers(molecule, 3)
    else:
        starts = conformers(molecule, 3)
    plan = Plan(
        temperature=300.0,
        temperatures=(300.0, 600.0),
        hot=600.0,
        labels={"dynamics": 16, "normal modes": 6, "torsions": 4, "bonds": 3},
        n_conformers=2,
        n_minima=1 if starts[0].n_atoms < 10 else 0,
        hessian=6 * starts[0].n_atoms,
        n_replicas=4,
        steps=16 if starts[0].n_atoms < 10 else 8,
        test_replicas=1,
        test_steps=106,
        seed=5,
    )

    def sample():
        with LabelCache(tmp_path / "cache") as cache:
            surface = Surface(starts[0], labelers.get("gfn2")(workers=1), cache)
            lowest = minima(surface, np.array([s.positions for s in starts[:2]]), n=2)
            energy = surface(lowest[:1])[0][0]
            keep = Filter(surface, lowest[0], energy, 600.0)
            frames = training_frames(surface, lowest, plan, keep)
            if starts[0].n_atoms > 10:
                return frames, ()
            return frames, held_out_sets(surface, lowest, plan, Filter(surface, lowest[0], energy, 600.0))

    frames, tests = sample()
    assert len(frames) > 12
    assert {s.system.charge for s in frames} == {starts[0].charge}
    assert {s.info["method"] for s in frames} == {"gfn2"}
    assert {"minima", "dynamics", "bonds"} <= {s.info["origin"] for s in frames}
    assert all(len(test) >= 1 for test in tests)
    train, valid = split_by_trajectory(frames, 0)
    numbers = [{s.info["trajectory"] for s in half if "trajectory" in s.info} for half in (train, valid)]
    assert len(train) + len(valid) == len(frames)
    assert not numbers[0] & numbers[1]
    if starts[0].n_atoms > 10:
        return  # the same again takes too long
    again, _ = sample()
    assert [s.energy for s in again] == [s.energy for s in frames]


def ferrocene() -> tuple[list[int], np.ndarray]:
    """Eclipsed, idealized."""
    angle = 2 * np.pi * np.arange(5) / 5
    ring = np.stack([np.cos(angle), np.sin(angle), np.zeros(5)], axis=1)
    up, down = np.array([0, 0, 1.65]), np.array([0, 0, -1.65])
    positions = np.concatenate(
        [[[0, 0, 0]], 1.21 * ring + up, 1.21 * ring + down, 2.29 * ring + up, 2.29 * ring + down]
    )
    return [26] + [6] * 10 + [1] * 10, positions
