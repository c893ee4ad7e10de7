"""The learned potential: the conformance kit in both precisions, limits, files."""

import equinox as eqx
import jax
import numpy as np
import pytest

from adiabat.base import AdiabatError, DataError, UnsupportedError
from adiabat.base.archive import read_archive, write_archive
from adiabat.dynamics import evaluate
from adiabat.networks import LearnedPotential, load_model, networks, save_model
from adiabat.networks.learned import DEPTH
from adiabat.potentials import ZBL
from adiabat.system import Neighbors, System, neighbor_list
from adiabat.testing import PotentialChecks, systems

ELEMENTS = (1, 6, 8)


def make(dtype=np.float64, repulsion: bool = True, **settings) -> LearnedPotential:
    """A small potential with random weights, so that every term of the network is felt."""
    cls = networks.get("cartesian")
    chosen = {"channels": 6, "cutoff": 4.0} | settings
    network = cls(**chosen, n_elements=len(ELEMENTS), density=6.0, key=jax.random.key(1))
    network = jax.tree.map(lambda a: a.astype(dtype) if eqx.is_inexact_array(a) else a, network)
    return LearnedPotential(
        network=network,
        elements=ELEMENTS,
        references={1: -13.6, 6: -1028.0, 8: -2041.0},
        scale=1.0,
        repulsion=ZBL(longest=4.0) if repulsion else None,
    )


class TestDouble(PotentialChecks):
    """Finite differences to 1e-6 and symmetries to 1e-10, for a crowded cell smaller than the cut-off."""

    def potential(self):
        return make()

    def structures(self):
        return [systems.random_gas([1, 6, 8, 1], size=4.5)]


@eqx.filter_jit
def atom_energies(potential: LearnedPotential, system: System, near: Neighbors) -> jax.Array:
    """Alone: a fraction of what forces and stress take to compile."""
    return potential.atom_energies(system, near)


def floored(potential: LearnedPotential, system: System) -> LearnedPotential:
    """With a floor in the middle of what it says of the atoms of each element."""
    said = atom_energies(potential, system, neighbor_list(system, potential.cutoff))
    learned = said - potential.references[np.searchsorted(ELEMENTS, system.numbers)]
    floors = [np.mean(learned[system.numbers == z]) for z in ELEMENTS]
    return eqx.tree_at(lambda p: p.floors, potential, np.array(floors), is_leaf=lambda x: x is None)


@pytest.mark.physics
class TestFloored(PotentialChecks):
    """The same where half of the atoms are below their floors."""

    def potential(self):
        return floored(make(repulsion=False), systems.random_gas([1, 6, 8, 1, 6, 8], size=5.0))

    def structures(self):
        return [systems.random_gas([1, 6, 8, 1, 6, 8], size=5.0)]


def test_no_atom_goes_far_below_its_floor():
    """Above it nothing is changed; below, the order stays, and it ends half a unit lower."""
    system = systems.random_gas([1, 6, 8, 1, 6, 8], size=5.0)
    bare = make(repulsion=False)
    near, bounded = neighbor_list(system, 4.0), floored(bare, system)
    below = []
    for size in (1.0, 0.8, 0.6, 0.4):
        pressed = eqx.tree_at(
            lambda s: (s.positions, s.cell), system, (size * system.positions, size * system.cell)
        )
        free, held = (np.asarray(atom_energies(p, pressed, near)) for p in (bare, bounded))
        places = np.searchsorted(ELEMENTS, system.numbers)
        floors = np.asarray(bounded.floors)[places] + np.asarray(bare.references)[places]
        np.testing.assert_allclose(held[free > floors], free[free > floors], rtol=0, atol=1e-9)
        assert np.all(held >= floors - DEPTH)
        assert np.all(held >= free - 1e-9)
        below.append(np.max(floors - free))
    assert max(below) > 100 * DEPTH  # or nothing was tried


@pytest.mark.physics
class TestSingle(PotentialChecks):
    """What users run, at the default size: symmetries to 1e-5.

    The weights are four fifths of the random ones, for forces of the usual size: with the whole, energies in
    a crowded cell change by eV within a hundredth of an Å, and no difference quotient in single precision
    says anything about a derivative.
    """

    single = True

    def potential(self):
        wild = make(np.float32, channels=32, cutoff=5.0)
        return jax.tree.map(lambda a: 0.8 * a if eqx.is_inexact_array(a) else a, wild)

    def structures(self):
        return [systems.ethanol(displacement=0.05), systems.random_gas([1, 6, 8, 1], size=4.5)]


def test_a_free_atom_has_its_reference_energy():
    potential = make(np.float32)
    for number, reference in zip(ELEMENTS, (-13.6, -1028.0, -2041.0), strict=True):
        atom = System.create([number], [[0.0, 0, 0]])
        assert float(potential.predict(atom).energy) == reference


def test_atoms_taken_apart_end_at_the_references():
    potential = make()
    energies = [
        float(potential.predict(System.create([8, 1], [[0.0, 0, 0], [r, 0, 0]])).energy)
        for r in (3.9, 3.99, 4.1)
    ]
    distances = np.abs(np.array(energies) + 2041.0 + 13.6)
    assert distances[0] > distances[1] > 1e-9 > distances[2]


def test_atoms_repel_at_short_range():
    """Random weights cannot pull atoms together: where nuclei touch only ZBL is left, to a tenth of an eV."""
    energies = []
    for r in (0.2, 0.3, 0.4, 0.6):
        pair = System.create([8, 8], [[0.0, 0, 0], [r, 0, 0]])
        energies.append(float(make().predict(pair).energy) + 2 * 2041.0)
        if r < 0.5:
            expected = float(ZBL(longest=4.0)(pair, neighbor_list(pair, 4.0)).energy)
            assert energies[-1] == pytest.approx(expected, abs=0.1)
    assert np.all(np.diff(energies) < -50)


def test_the_repulsion_ends_below_the_distances_of_the_training_set():
    """Carbon at 1.2 Å is given room; pairs that are never bonded are kept 1.3 sums of their radii apart."""
    from adiabat.data import Sample
    from adiabat.training.batches import Listed
    from adiabat.training.start import repulsion_ends

    systems_seen = [System.create([6, 6, 1], [[0.0, 0, 0], [r, 0, 0], [3.0, 0, 0]]) for r in (1.2, 1.5)]
    ends = repulsion_ends(Listed([Sample(system) for system in systems_seen], 4.0).census)
    assert ends[6, 6] == pytest.approx(0.92 * 1.2)
    assert ends[1, 6] == pytest.approx(0.92 * 1.5)
    assert ends[1, 1] == pytest.approx(1.3 * 0.62)
    bonded = System.create([6, 1], [[0.0, 0, 0], [1.09, 0, 0]])
    ends = repulsion_ends(Listed([Sample(bonded)], 4.0).census)
    assert ends[1, 6] == pytest.approx(0.85 * (0.31 + 0.76))


def test_without_a_repulsion_the_network_feels_every_distance():
    """The envelope goes to zero at short range only where something takes over."""
    pair = System.create([8, 8], [[0.0, 0, 0], [0.3, 0, 0]])
    assert abs(float(make(repulsion=False).predict(pair).energy) + 2 * 2041.0) > 1e-3


def test_energies_are_summed_in_double_precision():
    """A shift of one million eV per atom leaves the differences between structures."""
    single = make(np.float32)
    shifted = eqx.tree_at(lambda p: p.references, single, np.asarray(single.references) - 1e6)
    first, second = systems.ethanol(), systems.ethanol(displacement=0.05)
    difference = [float(p.predict(second).energy - p.predict(first).energy) for p in (single, shifted)]
    assert abs(difference[0] - difference[1]) < 1e-8


def test_an_unknown_element_is_refused():
    with pytest.raises(UnsupportedError, match=r"H C O.*also has Cu"):
        make().check(systems.copper(1))


@pytest.mark.parametrize("ends", [((1, 500, 1.0),), ((-1, 1, 1.0),), ((1, 1, np.nan),), ((1, 1, 99.0),)])
def test_a_file_with_a_senseless_repulsion_is_refused(tmp_path, ends):
    potential = make(np.float32)
    assert potential.repulsion is not None
    object.__setattr__(potential.repulsion, "ends", ends)  # what no constructor would take
    save_model(tmp_path / "model.safetensors", potential)
    with pytest.raises(DataError, match=r"not plausible|cannot read"):
        load_model(tmp_path)


@pytest.mark.parametrize("has_floors", [False, True])
def test_files_give_back_every_bit(tmp_path, has_floors):
    system = systems.ethanol(displacement=0.05)
    potential = make(np.float32)
    if has_floors:
        potential = floored(potential, system)
    potential = potential.with_summary({"errors": {"valid": 1.5}})
    save_model(tmp_path / "model.safetensors", potential)
    again = load_model(tmp_path)
    assert (again.floors is None) != has_floors
    near = neighbor_list(system, 4.0)
    for one, other in zip(jax.tree.leaves(again), jax.tree.leaves(potential), strict=True):
        np.testing.assert_array_equal(one, other)
    # Not to the bit: how a product of matrices is summed may depend on where they lie in memory.
    np.testing.assert_allclose(
        atom_energies(again, system, near), atom_energies(potential, system, near), rtol=1e-5
    )
    assert again.elements == ELEMENTS
    assert again.summary == {"errors": {"valid": 1.5}}
    save_model(tmp_path / "again.safetensors", again)
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "model.safetensors").read_bytes()


def test_files_of_the_first_revision_give_the_same_functions(tmp_path):
    """Then the Bessel functions were not divided by their order; of later revisions nothing is known."""
    path = tmp_path / "model.safetensors"
    potential = make(np.float32)
    save_model(path, potential)
    arrays, header = read_archive(path, "model")
    for name in (name for name in arrays if name.endswith("radial.hidden.weight")):
        arrays[name] = arrays[name] * np.float32([[2], [1], [2 / 3], [0.5], [0.4]])
    del header["revision"]
    write_archive(path, "model", arrays, header)
    system = systems.ethanol(displacement=0.05)
    near = neighbor_list(system, 4.0)
    np.testing.assert_allclose(
        evaluate(load_model(path), system, near).forces, evaluate(potential, system, near).forces, atol=1e-4
    )
    write_archive(path, "model", arrays, header | {"revision": 77})
    with pytest.raises(DataError, match="revision 77"):
        load_model(path)


def test_damaged_model_files_are_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    save_model(path, make(np.float32))
    content = path.read_bytes()
    random = np.random.default_rng(0)
    for _ in range(60):
        broken = bytearray(content)
        broken[random.integers(len(broken))] ^= 1 << random.integers(8)
        path.write_bytes(bytes(broken))
        with pytest.raises(DataError):
            load_model(path)
    for length in (0, 7, 100, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(DataError):
            load_model(path)


def test_a_model_of_another_shape_is_refused(tmp_path):
    """A well-formed archive whose arrays do not fit the architecture it names."""
    path = tmp_path / "model.safetensors"
    save_model(path, make(np.float32))
    arrays, header = read_archive(path, "model")
    for change in (
        {"hyperparameters": header["hyperparameters"] | {"channels": 10**6}},
        {"hyperparameters": header["hyperparameters"] | {"channels": 7}},
        {"hyperparameters": header["hyperparameters"] | {"layers_of_cake": 7}},
        {"architecture": "os:system"},
        {"elements": ["H", "C"]},
        {"elements": ["H", "C", "Xx"]},
    ):
        write_archive(path, "model", arrays, header | change)
        with pytest.raises(AdiabatError, match=r"model|network|hyper|energ|architecture"):
            load_model(path)
    arrays["references"] = np.full(3, np.nan)
    write_archive(path, "model", arrays, header)
    with pytest.raises(DataError, match="reference"):
        load_model(path)


def test_the_result_does_not_depend_on_jit():
    potential, system = make(), systems.ethanol(displacement=0.05)
    near = neighbor_list(system, 4.0)
    compiled = atom_energies(potential, system, near)
    np.testing.assert_allclose(compiled, potential.atom_energies(system, near), rtol=0, atol=1e-10)
