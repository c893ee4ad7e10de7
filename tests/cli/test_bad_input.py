"""What must not be simulated, each through the command line: the exit code, and a sentence that helps."""

import ase.io
import numpy as np
import pytest
from ase.build import bulk, molecule

from adiabat.io import read_systems


def ethanol():
    return molecule("CH3CH2OH")


def on_top():
    atoms = ethanol()
    atoms.positions[1] = atoms.positions[0]
    return atoms


def nearly_on_top():
    atoms = ethanol()
    atoms.positions[1] = atoms.positions[0] + [0.02, 0, 0]
    return atoms


def with_gold():
    atoms = ethanol()
    atoms.symbols[0] = "Au"
    return atoms


@pytest.mark.slow
@pytest.mark.parametrize(
    ("atoms", "words", "code", "said"),
    [
        (ethanol, ("--timestep", "20 fs"), 3, ["shorter timestep than 20 fs", "0.5 fs with hydrogen"]),
        (on_top, (), 2, ["atoms 0 and 1 are at the same place", "remove the duplicate"]),
        (nearly_on_top, (), 3, ["atoms 0 and 1 were 0.02 Å apart", "relax the structure"]),
        (with_gold, (), 2, ["the structure also has Au"]),
        (ethanol, ("--ensemble", "npt"), 2, ["a molecule in vacuum has no pressure", "choose nvt"]),
        (ethanol, ("--constraints", "water"), 2, ["no water molecule"]),
    ],
)
def test_what_is_refused(adiabat, tmp_path, atoms, words, code, said):
    ase.io.write(tmp_path / "start.xyz", atoms())
    options = ("--steps", 100, "--out", tmp_path / "run", *words)
    answer = adiabat("md", "general", tmp_path / "start.xyz", *options)
    assert answer.code == code
    for sentence in said:
        assert sentence in " ".join(answer.err.split())


def copper(cell=None, copies=(1, 1, 1)):
    """Two atoms off their places, in a primitive cell smaller than the cut-off."""
    atoms = bulk("Cu", "fcc", a=3.6) * (1, 1, 2)
    atoms.rattle(0.1, seed=1)
    if cell is not None:
        atoms.cell = cell(atoms.cell.array)
    return atoms * copies


def test_cells_that_are_small_left_handed_or_skewed(adiabat, copper_file, tmp_path):
    """A cell smaller than the cut-off is as good as a larger part of its crystal; other lattice vectors
    of the same crystal change nothing."""
    left = np.diag([1, 1, -1])
    skew = np.array([[1, 0, 0], [3, 1, 0], [-2, 4, 1]])
    kinds = {
        "as it is": copper(),
        "larger": copper(copies=(3, 3, 2)),
        "left-handed": copper(lambda cell: left @ cell),
        "skewed": copper(lambda cell: skew @ cell),
    }
    ase.io.write(tmp_path / "all.xyz", list(kinds.values()))
    assert adiabat("predict", copper_file, tmp_path / "all.xyz", "--out", tmp_path / "out.xyz").code == 0
    first, larger, *others = ase.io.read(tmp_path / "out.xyz", ":")
    assert larger.get_potential_energy() == pytest.approx(18 * first.get_potential_energy(), rel=1e-8)
    np.testing.assert_allclose(larger.get_forces()[:2], first.get_forces(), atol=1e-7)
    for other in others:
        assert other.get_potential_energy() == pytest.approx(first.get_potential_energy(), rel=1e-10)
        np.testing.assert_allclose(other.get_forces(), first.get_forces(), atol=1e-8)
        np.testing.assert_allclose(other.get_stress(), first.get_stress(), atol=1e-9)
    assert np.abs(first.get_forces()).max() > 0.05
    # The same way through dynamics.
    ends = []
    for name in ("as it is", "left-handed"):
        ase.io.write(tmp_path / "start.xyz", kinds[name])
        run = tmp_path / name.replace(" ", "-")
        words = ("--ensemble", "nve", "--steps", 20, "--record-every", 20, "--out", run, "--json")
        assert adiabat("md", copper_file, tmp_path / "start.xyz", *words).code == 0
        ends.append(np.asarray(read_systems(run / "trajectory.h5", -1)[0].positions))
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-5)
    assert np.abs(ends[0] - kinds["as it is"].positions).max() > 0.005


@pytest.fixture
def copper_file(tmp_path):
    """The Morse potential of copper."""
    (tmp_path / "copper.toml").write_text('[[terms]]\nkind = "morse"\n')
    return tmp_path / "copper.toml"
