"""Collective variables: values, derivatives, images, points where something vanishes."""

import ase
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adiabat.base import ConfigError, UnsupportedError
from adiabat.base.schema import build_kind
from adiabat.dynamics.recorder import Recorder
from adiabat.io.plumed import Column
from adiabat.sampling import (
    RMSD,
    Angle,
    Combination,
    Coordination,
    Distance,
    NetworkVariable,
    PathDistance,
    PathProgress,
    Torsion,
    variables,
)
from adiabat.sampling.superposition import mean_squared_deviation
from adiabat.system import System
from adiabat.testing import systems

ETHANOL = systems.ethanol(displacement=0.1)
PLACES = np.asarray(ETHANOL.positions)
TORSION, ANGLE = Torsion(atoms=[3, 1, 0, 2], name="phi"), Angle(atoms=[1, 0, 2])
FRAMES = [np.asarray(systems.ethanol(displacement=0.15, seed=seed).positions) for seed in range(4)]


def network() -> eqx.nn.MLP:
    with jax.enable_x64(True):
        return eqx.nn.MLP(3, "scalar", 8, 2, activation=jax.nn.tanh, key=jax.random.key(0))


VARIABLES = {
    "distance": Distance(atoms=[0, 2]),
    "angle": ANGLE,
    "torsion": TORSION,
    "coordination": Coordination(first=[0, 1, 2], second=[3, 4, 5, 6, 7, 8], distance=1.5),
    "coordination within": Coordination(first=range(9), distance=1.8, exponent=9),
    "rmsd": RMSD(reference=FRAMES[0]),
    "rmsd of some": RMSD(reference=systems.ethanol(), atoms=[0, 1, 2, 3]),
    "path": PathProgress(frames=FRAMES),
    "off path": PathDistance(frames=FRAMES, sharpness=3.0),
    "combination": Combination(variables=[TORSION, ANGLE], coefficients=[1.0, -2.0]),
    "network": NetworkVariable(variables=[TORSION, ANGLE], network=network()),
}


@eqx.filter_jit
def _at(variable, positions, system):
    return jax.value_and_grad(lambda x: variable(eqx.tree_at(lambda s: s.positions, system, jnp.asarray(x))))(
        positions
    )


def slopes(variable, positions, system=ETHANOL):
    """The value and its derivatives, compiled once for each variable."""
    return _at(variable, np.asarray(positions, float), system)


def at(variable, positions, system=ETHANOL):
    return float(slopes(variable, positions, system)[0])


@pytest.mark.parametrize("name", VARIABLES)
def test_derivatives(name):
    """Against central differences of fourth order along a random direction; none by moving or turning."""
    variable = VARIABLES[name]
    gradient = slopes(variable, PLACES)[1]
    direction = np.random.default_rng(3).normal(size=PLACES.shape)
    h = 2e-4
    ends = [at(variable, PLACES + k * h * direction) for k in (-2, -1, 1, 2)]
    slope = (ends[0] - 8 * ends[1] + 8 * ends[2] - ends[3]) / (12 * h)
    assert np.vdot(gradient, direction) == pytest.approx(slope, rel=1e-7, abs=1e-9)
    np.testing.assert_allclose(gradient.sum(axis=0), 0.0, atol=1e-10)
    np.testing.assert_allclose(np.cross(PLACES, gradient).sum(axis=0), 0.0, atol=1e-10)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    assert at(variable, PLACES @ turn + [3.0, -1, 2]) == pytest.approx(at(variable, PLACES), abs=1e-9)


def test_values_are_those_of_ase():
    atoms = ETHANOL.to_ase()
    assert at(VARIABLES["distance"], PLACES) == pytest.approx(atoms.get_distance(0, 2), abs=1e-12)
    assert at(ANGLE, PLACES) == pytest.approx(np.radians(atoms.get_angle(1, 0, 2)), abs=1e-12)
    expected = np.radians(atoms.get_dihedral(3, 1, 0, 2))
    assert np.cos(at(TORSION, PLACES) - expected) == pytest.approx(1.0, abs=1e-12)
    apart = atoms.get_all_distances()[np.ix_([0, 1, 2], [3, 4, 5, 6, 7, 8])] / 1.5
    rational = (1 - apart**6) / (1 - apart**12)
    assert at(VARIABLES["coordination"], PLACES) == pytest.approx(rational.sum(), abs=1e-12)


def test_a_combination_from_settings():
    """The difference of two distances, as of a proton between two atoms."""
    of = [{"kind": "distance", "atoms": [0, 2]}, {"kind": "distance", "atoms": [0, 1]}]
    table = {"kind": "combination", "of": of, "coefficients": [1.0, -1.0], "name": "transfer"}
    variable = build_kind(variables, table, "variables")
    atoms = ETHANOL.to_ase()
    assert at(variable, PLACES) == pytest.approx(
        atoms.get_distance(0, 2) - atoms.get_distance(0, 1), abs=1e-12
    )
    with pytest.raises(ConfigError, match="unknown variable 'distant'"):
        build_kind(variables, table | {"of": [{"kind": "distant"}]}, "variables")


def test_superposition_is_the_best_one():
    """The squared distance is that of Kabsch's rotation, also where only a mirror image would fit."""
    for sign in (1, -1):
        x, y = PLACES - PLACES.mean(0), sign * (FRAMES[1] - FRAMES[1].mean(0))
        u, s, vt = np.linalg.svd(x.T @ y)
        s[-1] *= np.sign(np.linalg.det(u @ vt))
        expected = (np.sum(x**2) + np.sum(y**2) - 2 * s.sum()) / len(x)
        assert float(jax.jit(mean_squared_deviation)(PLACES, sign * FRAMES[1])) == pytest.approx(
            expected, abs=1e-12
        )


@pytest.mark.physics
def test_a_path_is_followed():
    """s counts the structures, z is near zero on each of them."""
    line = [np.array([[0.0, 0, 0], [1, 0, 0], [1, 1 + 0.2 * k, 0]]) for k in range(4)]
    progress, off = PathProgress(frames=line), PathDistance(frames=line)
    three = System.create([6, 6, 6], line[0])
    for k in (1, 2):
        assert at(progress, line[k], three) == pytest.approx(k + 1, abs=0.05)
        assert abs(at(off, line[k], three)) < 0.2 / off.sharpness


def test_images():
    """An atom moved by a lattice vector is the same atom; distances are those of the nearest images."""
    cell = np.array([[6.0, 0, 0], [1.0, 5.5, 0], [0.5, -0.7, 5.8]])
    box = System.create(ETHANOL.numbers, PLACES, cell=cell, pbc=True)
    jumps = np.random.default_rng(0).integers(-2, 3, (9, 3)) @ cell
    for name in ("distance", "angle", "torsion", "coordination", "rmsd", "rmsd of some", "path", "off path"):
        VARIABLES[name].check(box)
        whole = at(VARIABLES[name], PLACES, box)
        assert name == "coordination" or whole == pytest.approx(at(VARIABLES[name], PLACES), abs=1e-9)
        assert at(VARIABLES[name], PLACES + jumps, box) == pytest.approx(whole, abs=1e-9)
    slab = System.create([1, 1], [[0.2, 0, 0], [9.8, 0, 9.8]], cell=np.eye(3) * 10, pbc=(True, False, False))
    expected = ase.Atoms("H2", slab.positions, cell=np.eye(3) * 10, pbc=[True, False, False])
    found = at(Distance(atoms=[0, 1]), slab.positions, slab)
    assert found == pytest.approx(expected.get_distance(0, 1, mic=True), abs=1e-12)


def test_superposition_of_what_the_cell_cuts():
    """A molecule longer than half the cell, wrapped into it, and a reference that is wrapped as well."""
    chain = np.stack([1.1 * np.arange(8), 0.3 * (-1.0) ** np.arange(8), np.zeros(8)], axis=1)
    bent = chain + np.random.default_rng(0).normal(scale=0.1, size=(8, 3))
    cell = np.eye(3) * 10
    order = [0, 3, 1, 2, 7, 4, 6, 5]  # neighbors are not next to each other in the file
    box = System.create([6] * 8, (bent[order] + [7.0, 5, 0]) % 10, cell=cell, pbc=True)
    expected = at(RMSD(reference=chain[order]), bent[order], System.create([6] * 8, bent))
    assert 0.05 < expected < 0.3
    cut = System.create([6] * 8, (chain[order] + [4.0, 0, 9.9]) % 10, cell=cell, pbc=True)
    for reference in (chain[order], cut):
        variable = RMSD(reference=reference)
        variable.check(box)
        assert at(variable, box.positions, box) == pytest.approx(expected, abs=1e-12)
    other = System.create([6] * 8, (bent[order] + [1.0, 2, 3]) % 10, cell=cell, pbc=True)
    progress = PathProgress(frames=[cut, other])
    assert at(progress, box.positions, box) == pytest.approx(at(progress, bent[order] + 30.0, box), abs=1e-9)
    # The derivative by the shape of the cell, which a barostat needs.
    slope = jax.jit(jax.grad(lambda strain: variable(box.strained(strain))))(np.zeros((3, 3)))
    along, h = np.random.default_rng(1).normal(size=(3, 3)), 1e-4
    ends = [float(variable(box.strained(k * h * along))) for k in (-2, -1, 1, 2)]
    assert np.vdot(slope, along) == pytest.approx(
        (ends[0] - 8 * ends[1] + 8 * ends[2] - ends[3]) / (12 * h), rel=1e-6
    )


def test_parts_that_the_cell_tears_apart_are_refused():
    pair = np.array([[0.0, 0, 0], [1, 0, 0], [6.5, 0, 0]])
    box = System.create([6] * 3, pair, cell=np.diag([10.0, 30, 30]), pbc=True)
    variable = RMSD(reference=pair, name="far")
    with pytest.raises(UnsupportedError, match=r"'far': its atoms .* parts that are 5\.5 Å apart.* 10\.0 Å"):
        variable.check(box)
    variable.check(System.create([6] * 3, pair, cell=np.diag([12.0, 30, 30]), pbc=True))
    variable.check(System.create([6] * 3, pair, cell=np.diag([10.0, 30, 30]), pbc=(False, True, True)))


@pytest.mark.parametrize(
    ("variable", "positions"),
    [
        (Distance(atoms=[0, 1]), np.zeros((4, 3))),
        (Angle(atoms=[0, 1, 2]), [[0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0]]),
        (Torsion(atoms=[0, 1, 2, 3]), [[0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 1, 0]]),
        (Coordination(first=[0, 1, 2], exponent=7), np.zeros((4, 3))),
        (RMSD(reference=np.eye(4, 3)), np.eye(4, 3)),
        (RMSD(reference=np.zeros((4, 3))), np.eye(4, 3)),  # every rotation is as good
        (RMSD(reference=np.outer(range(4), [1, 0, 0])), np.outer(range(4), [0, 1.0, 0])),  # a line
        (PathProgress(frames=[np.eye(4, 3), 2 * np.eye(4, 3)]), np.zeros((4, 3))),
    ],
)
@pytest.mark.physics
def test_where_something_vanishes_derivatives_are_finite(variable, positions):
    four = System.create([6] * 4, np.random.default_rng(0).normal(size=(4, 3)))
    value, slope = slopes(variable, positions, four)
    assert np.isfinite(value)
    assert np.isfinite(slope).all()


def test_a_combination_has_the_unit_that_all_share():
    difference = [Distance(atoms=[0, 1]), Distance(atoms=[1, 2])]
    assert Combination(variables=difference, coefficients=[1.0, -1.0]).unit == "Å"
    assert Combination(variables=[TORSION, difference[0]], coefficients=[1.0, 1.0]).unit == ""


def test_what_makes_no_sense_is_refused():
    with pytest.raises(UnsupportedError, match="'far' looks at atom 9; the structure has atoms 0 to 8"):
        Distance(atoms=[0, 9], name="far").check(ETHANOL)
    with pytest.raises(UnsupportedError, match="looks at atom 11"):
        Combination(variables=[Torsion(atoms=[0, 1, 2, 11])], coefficients=[1.0]).check(ETHANOL)
    for wrong, match in (
        (lambda: Distance(atoms=[0, 1, 2]), "needs 2 atoms"),
        (lambda: Angle(atoms=[0, 1, 1]), "twice"),
        (lambda: Torsion(atoms=[-1, 0, 1, 2]), "from 0 on"),
        (lambda: Torsion(atoms=[0.5, 0, 1, 2]), "from 0 on"),
        (lambda: Distance(atoms=[0, 1], name="a b"), "no name"),
        (lambda: Distance(atoms=[0, 1], name="a/b"), "no name"),
        (lambda: Recorder(ETHANOL, None, 0, [], [Column("temperature", "K")]), "another name"),
        (lambda: RMSD(reference=np.zeros((3, 3)), atoms=[0, 1]), "positions of 2 atoms"),
        (lambda: PathProgress(frames=FRAMES[:1]), "two structures"),
        (lambda: Combination(variables=[TORSION], coefficients=[1.0, 2.0]), "as many coefficients"),
        (lambda: Coordination(first=[0, 1], distance=-1.0), "distance must be"),
    ):
        with pytest.raises(ConfigError, match=match):
            wrong()
