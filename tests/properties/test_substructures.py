"""What is counted for the kernels, and that the process with a kernel for each is one."""

import tracemalloc

import equinox as eqx
import numpy as np
import pytest
from rdkit import Chem

from adiabat.base import DataError
from adiabat.explain.anatomy import Anatomy
from adiabat.explain.gaussian_process import _pulls, of_process
from adiabat.properties import ReactionStandardizer
from adiabat.properties.fingerprints import Counts, similarities
from adiabat.properties.gaussian_process import GaussianProcess, MultiKernelProcess
from adiabat.properties.kernels import Compared, Described, Kernel
from adiabat.properties.molecules import Molecules
from adiabat.properties.predictor import Labels
from adiabat.properties.reactions import Reactions
from adiabat.properties.substructures import PLACES, SUBSTRUCTURES, SUMMED, occurrences, substructures

NAMES = (
    "C",
    "CC",
    "CC(=O)Oc1ccccc1C(=O)O",
    "CN1C=NC2=C1C(=O)N(C(=O)N2C)C",
    "C1CC1C2CCC2",
    "C[C@H](O)CC(=O)NC",
    "[Na+].[O-]C(=O)c1ccccc1",
    "NS(=O)(=O)c1ccc(cc1)-n1nc(cc1-c1ccc(C)cc1)C(F)(F)F",
    "CCCCCCCCCCCCCl",
)


def counts_of(kind, *names):
    return substructures(kind, map(Chem.MolFromSmiles, names)).toarray()


@pytest.mark.parametrize("kind", [*SUBSTRUCTURES, *SUMMED])
def test_counts_are_those_of_what_occurs(kind):
    for name in NAMES:
        places, inside = occurrences(kind, Chem.MolFromSmiles(name))
        np.testing.assert_array_equal(np.bincount(places, minlength=PLACES), counts_of(kind, name)[0])
        assert inside.any(axis=1).all()


def test_chains_have_known_counts():
    """Hexane has 15 paths of one to five bonds and 15 pairs of atoms; of dodecane paths end at six bonds."""
    for kind in ("paths", "pairs"):
        assert counts_of(kind, "CCCCCC").sum() == 15
    assert counts_of("paths", "C" * 12).sum() == sum(range(6, 12))
    assert counts_of("pairs", "C" * 12).sum() == 66
    _, inside = occurrences("pairs", Chem.MolFromSmiles("CCO"))
    assert sorted(map(tuple, inside.astype(int))) == [(0, 1, 1), (1, 0, 1), (1, 1, 0)]


def test_atoms_and_groups_are_counted():
    """Each atom is one, alone and with its neighbors; of butanone all five are of other kinds."""
    assert counts_of("atoms", "CCC(C)=O").sum() == 5
    assert (counts_of("atoms", "CCC(C)=O") > 0).sum() == 4  # two methyl groups
    _, inside = occurrences("groups", Chem.MolFromSmiles("CCO"))
    assert sorted(map(tuple, inside.astype(int))) == [
        *[(0, 0, 1), (0, 1, 0), (0, 1, 1), (1, 0, 0), (1, 1, 0), (1, 1, 1)]
    ]


def test_halogens_have_one_role():
    one, other = "Fc1ccccc1", "Clc1ccccc1"
    np.testing.assert_array_equal(counts_of("roles", one), counts_of("roles", other))
    for kind in ("environments", "paths", "pairs"):
        assert (counts_of(kind, one) != counts_of(kind, other)).any()


def test_the_order_of_atoms_does_not_matter():
    labels = Labels(np.arange(len(NAMES))[:, None] / 3 - 1, np.zeros((len(NAMES), 1)), np.zeros(1, bool))
    model = MultiKernelProcess.fitted(Molecules(NAMES), labels)
    random = np.random.default_rng(0)
    mols = [Chem.MolFromSmiles(name) for name in NAMES]
    shuffled = tuple(
        Chem.MolToSmiles(
            Chem.RenumberAtoms(mol, random.permutation(mol.GetNumAtoms()).tolist()), canonical=False
        )
        for mol in mols
    )
    assert shuffled != NAMES
    for kind in (*SUBSTRUCTURES, *SUMMED):
        np.testing.assert_array_equal(counts_of(kind, *NAMES), counts_of(kind, *shuffled))
    found = [model.predict(Molecules(names)) for names in (NAMES, shuffled)]
    np.testing.assert_allclose(found[0].mean, found[1].mean, atol=1e-5)


def test_the_sum_of_kernels_is_positive_semidefinite():
    molecules = Molecules(NAMES)
    counts = tuple(map(molecules.fingerprint, SUBSTRUCTURES))
    scaled = np.random.default_rng(0).normal(size=(len(NAMES), 5))
    parts = tuple(Counts(molecules.fingerprint(kind) / 7.0) for kind in SUMMED)
    described = Described(counts, scaled, parts)
    kernel, apart = Kernel((0.3, 0.2, 0.4, 0.1), 0.5, 1.5, 0.1, (0.2, 0.6)), Compared(described)(described)
    covariance = kernel(apart)
    np.testing.assert_allclose(covariance, covariance.T, atol=1e-12)
    sums = sum(share * (one.toarray() ** 2).sum(axis=1) for share, one in zip((0.2, 0.6), parts, strict=True))
    np.testing.assert_allclose(np.diag(covariance), 1.5 + sums)
    np.testing.assert_allclose(kernel.variance(apart), 1.5 + sums)
    assert np.linalg.eigvalsh(covariance).min() > -1e-12
    dense = counts[2].toarray().astype(int)
    smaller, larger = (f(dense[:, None], dense).sum(axis=2) for f in (np.minimum, np.maximum))
    expected = np.where(larger > 0, smaller / np.maximum(larger, 1), 1.0)  # methane has no paths
    np.testing.assert_allclose(similarities(counts[2], counts[2]), expected)


def test_slopes_of_similarities_along_the_way():
    """Beside sums of many small steps; what is known has more, fewer, other and no counts."""
    known = np.array([[3, 0, 1, 2, 5], [0, 7, 0, 0, 0], [9, 9, 9, 9, 9], [0, 0, 0, 0, 0], [1, 1, 0, 0, 400]])
    places, counts = np.array([0, 1, 3]), np.array([2.0, 60.0, 5.0])
    times = (np.arange(200_000) + 0.5)[:, None, None] / 200_000
    own = known[:, places]
    expected = np.zeros(own.shape)
    for rows in np.array_split(np.arange(len(times)), 20):
        common = np.minimum(times[rows] * counts, own).sum(axis=2, keepdims=True)
        largest = times[rows] * counts.sum() + known.sum(axis=1)[:, None] - common
        below = times[rows] * counts < own
        slopes = np.where(below, 1 / largest, -common / largest**2)
        expected += slopes.sum(axis=0) / len(times)
    found = _pulls(Counts(known), places, counts)
    some = known.any(axis=1)
    np.testing.assert_allclose(found[some], expected[some], atol=1e-5)
    query = np.zeros((1, 5), int)
    query[0, places] = counts
    ends = similarities(query, known)[0] - similarities(0 * query, known)[0]
    np.testing.assert_allclose(found @ counts, ends, atol=1e-12)
    assert ends[3] == -1


def test_many_known_molecules_are_explained_in_little_memory():
    """Each a hundred times, with a hundredth of the weight: a peptide of 103 atoms is explained alike."""
    labels = Labels(np.arange(len(NAMES))[:, None] / 3 - 1, np.zeros((len(NAMES), 1)), np.zeros(1, bool))
    model = MultiKernelProcess.fitted(Molecules(NAMES), labels)
    [process] = model.processes
    known = np.tile(np.arange(len(NAMES)), 100)
    many = eqx.tree_at(
        lambda m: (m.counts, m.parts, m.scaled, m.processes[0].rows, m.processes[0].weights),
        model,
        (
            tuple(counts[known] for counts in model.counts),
            tuple(counts[known] for counts in model.parts),
            model.scaled[known],
            np.arange(len(known)),
            process.weights[known] / 100,
        ),
    )
    sequence = "".join(f"N[C@@H]({side})C(=O)" for side in ("CO", "Cc1ccccc1", "CCCCN", "CC(=O)O") * 3)
    peptide = Anatomy.of(Molecules((Chem.CanonSmiles(f"{sequence}O"),)))
    expected = of_process(model, peptide)
    tracemalloc.start()
    found = of_process(many, peptide)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert peak < 50e6  # of all at once 112 MB


def test_many_known_molecules_are_read_in_little_memory():
    """Each a hundred and fifty times, in the memory of four matrices; with all similarities it was seven."""
    labels = Labels(np.arange(len(NAMES))[:, None] / 3 - 1, np.zeros((len(NAMES), 1)), np.zeros(1, bool))
    model = MultiKernelProcess.fitted(Molecules(NAMES), labels)
    _, settings = model.stored()
    known = np.tile(np.arange(len(NAMES)), 150)
    rows, weights = np.arange(len(known)), model.processes[0].weights[known] / 150
    counts, parts = (tuple(one[known] for one in some) for some in (model.counts, model.parts))
    many = eqx.tree_at(
        lambda m: (m.counts, m.parts, m.scaled, m.processes[0].rows, m.processes[0].weights),
        model,
        (counts, parts, model.scaled[known], rows, weights),
    )
    tracemalloc.start()
    again = MultiKernelProcess.restored(many.stored()[0], settings)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 8 * len(known) ** 2
    found, expected = (one.predict(Molecules(NAMES)).mean for one in (again, model))
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_damaged_fingerprints_are_refused():
    labels = Labels(np.arange(len(NAMES))[:, None] / 3 - 1, np.zeros((len(NAMES), 1)), np.zeros(1, bool))
    arrays, settings = MultiKernelProcess.fitted(Molecules(NAMES), labels).stored()
    for name, change in (("indices", PLACES), ("indices", -PLACES - 1), ("indptr", 1)):
        damaged = arrays | {f"paths.{name}": arrays[f"paths.{name}"] + change}
        with pytest.raises(DataError, match="damaged"):
            MultiKernelProcess.restored(damaged, settings)
    without = {name: array for name, array in arrays.items() if not name.startswith("groups.")}
    for damaged in (without, arrays | {"groups.indices": arrays["groups.indices"] + PLACES}):
        with pytest.raises(DataError, match="damaged"):
            MultiKernelProcess.restored(damaged, settings)
    with pytest.raises(DataError, match="damaged"):
        MultiKernelProcess.restored(arrays | {"0.rows": arrays["0.rows"] + 1}, settings)


def test_a_process_of_before_is_read():
    """Its one variance of similarities was a number."""
    labels = Labels(np.arange(len(NAMES))[:, None] / 3 - 1, np.zeros((len(NAMES), 1)), np.zeros(1, bool))
    model = GaussianProcess.fitted(Molecules(NAMES), labels)
    arrays, settings = model.stored()
    before = {"kernels": [{**one, "alike": one["alike"][0]} for one in settings["kernels"]]}
    again = GaussianProcess.restored(arrays, before)
    np.testing.assert_allclose(
        again.predict(Molecules(NAMES)).mean, model.predict(Molecules(NAMES)).mean, atol=1e-12
    )


def test_a_process_without_sums_is_read():
    """As before there were any: the rest of the kernel says the same."""
    labels = Labels(np.arange(len(NAMES))[:, None] / 3 - 1, np.zeros((len(NAMES), 1)), np.zeros(1, bool))
    model = GaussianProcess.fitted(Molecules(NAMES), labels)
    arrays, settings = model.stored()
    before = {name: array for name, array in arrays.items() if name.partition(".")[0] not in SUMMED}
    kernels = [{k: v for k, v in one.items() if k != "summed"} for one in settings["kernels"]]
    again = GaussianProcess.restored(before, {"kernels": kernels})
    [process], sums = model.processes, 0.0
    for share, kind in zip(process.kernel.summed, SUMMED, strict=True):
        counts = Molecules(NAMES).fingerprint(kind).toarray().astype(float)
        sums = sums + share * counts @ counts.T @ process.weights / (counts**2).sum(axis=1).mean()
    found, whole = (one.predict(Molecules(NAMES)).mean[:, 0] for one in (again, model))
    np.testing.assert_allclose(found + sums, whole, atol=1e-9)


def test_sums_over_atoms_reach_beyond_what_was_seen():
    """Of chains of up to eight atoms, those of twenty are learned: k carbons and an end."""
    ends = {"O": -1.5, "Cl": 0.7, "N": -1.0, "C": 0.5}
    known = {"C" * k + end: 0.3 * k + worth for k in range(2, 9) for end, worth in ends.items()}
    values = np.array(list(known.values()))[:, None]
    center, scale = values.mean(), values.std()
    labels = Labels((values - center) / scale, np.zeros(values.shape), np.zeros(1, bool))
    model = GaussianProcess.fitted(Molecules(tuple(known)), labels)
    long = Molecules(tuple("C" * 20 + end for end in ends))
    found = center + scale * model.predict(long).mean[:, 0]
    np.testing.assert_allclose(found, 6.0 + np.array(list(ends.values())), atol=0.3)


def test_reactions_are_told_from_their_reverse():
    text = ReactionStandardizer()("[CH3:1][Br:2].[OH-:3]>>[CH3:1][OH:3].[Br-:2]")
    reactions = Reactions((text,))
    for kind in (*SUBSTRUCTURES, *SUMMED):
        there, back = (one.fingerprint(kind).toarray()[0] for one in (reactions, reactions.reversed))
        assert there.sum() == back.sum() > 0
        assert (there != back).any()
        np.testing.assert_array_equal(np.roll(there, PLACES // 2), back)
