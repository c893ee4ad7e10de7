"""Molecules in parts: what belongs to which atom, what is left without some, and where they are cut."""

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

from adiabat.explain.anatomy import Anatomy
from adiabat.explain.fragments import fragment_smiles, fragments
from adiabat.explain.graph import _integrated
from adiabat.properties.descriptors import descriptor_names, descriptors
from adiabat.properties.molecules import Molecules

PARACETAMOL = "CC(=O)Nc1ccc(O)cc1"
SOME = (
    PARACETAMOL,
    "C",
    "[Na+].[Cl-]",
    "C[C@H](N)C(=O)O",
    "O=S(=O)(c1ccc(Cl)cc1)N1CCOCC1",
    "C[N+](C)(C)CC(=O)[O-]",
    "FC(F)(F)c1nnc2n1CCNC2",
    "C1CC12CC2",
    "CCCCCCCC",
    "[SiH3]CBr",
)


@pytest.mark.parametrize("smiles", SOME)
def test_shares_add_up_to_the_descriptors(smiles):
    molecules = Molecules((Chem.CanonSmiles(smiles),))
    anatomy = Anatomy.of(molecules)
    np.testing.assert_allclose(anatomy.shares.sum(axis=0), molecules.descriptors[0], rtol=1e-5, atol=1e-4)
    features = np.append(molecules.counts[0], molecules.descriptors[0])
    np.testing.assert_allclose(anatomy.feature_shares().sum(axis=0), features, rtol=1e-5, atol=1e-4)


def test_shares_are_those_of_the_atoms():
    """Polar surface of Ertl's table; logP of Crippen's atoms with their hydrogens; rings; connectivity."""
    shares = dict(zip(descriptor_names(), Anatomy.of(Molecules((PARACETAMOL,))).shares.T, strict=True))
    np.testing.assert_allclose(shares["tpsa"], [0, 0, 17.07, 12.03, 0, 0, 0, 0, 20.23, 0, 0], atol=1e-3)
    np.testing.assert_allclose(shares["NumRings"], [0] * 4 + [1 / 6] * 4 + [0] + [1 / 6] * 2, atol=1e-6)
    np.testing.assert_allclose(shares["NumAmideBonds"][[1, 3]], 1 / 3, atol=1e-6)
    # C1 and three H1 of Crippen's table: 0.1441 + 3 * 0.1230.
    assert shares["CrippenClogP"][0] == pytest.approx(0.1441 + 3 * 0.1230, abs=1e-4)
    assert shares["exactmw"][8] > shares["exactmw"][5]
    ethanol = dict(zip(descriptor_names(), Anatomy.of(Molecules(("CCO",))).shares.T, strict=True))
    # The two bonds 1 / sqrt(1 * 2) and 1 / sqrt(2 * 5), halves to their ends.
    one, other = 1 / np.sqrt(2), 1 / np.sqrt(10)
    np.testing.assert_allclose(ethanol["chi1n"], [one / 2, (one + other) / 2, other / 2], atol=1e-5)


def test_sums_of_atoms_are_what_rdkit_says():
    """No number of these kinds may fall back to equal parts, on a drug with much of everything."""
    mol = Chem.MolFromSmiles("CC1(C)SC2C(NC(=O)C(N)c3ccc(Cl)cc3)C(=O)N2C1C(=O)O")
    from adiabat.explain.shares import _weights

    values = dict(zip(descriptor_names(), descriptors([Chem.MolToSmiles(mol)])[0], strict=True))
    for name, weights in _weights(mol).items():
        if "VSA" in name or name.startswith(("chi", "Crippen", "tpsa", "hallKier", "amw", "NumRings")):
            assert weights.sum() == pytest.approx(values[name], rel=0.02, abs=1e-3), name


def test_without_some_atoms():
    molecules = Molecules((PARACETAMOL,))
    anatomy = Anatomy.of(molecules)
    kept = np.ones((3, anatomy.n_atoms), bool)
    kept[1, 8], kept[2] = False, False  # without the hydroxyl, without anything
    found = anatomy.with_atoms(kept)
    np.testing.assert_array_equal(found.counts[0], molecules.counts[0])
    np.testing.assert_array_equal(found.descriptors[0], molecules.descriptors[0])
    assert not found.counts[2].any()
    assert not found.descriptors[2].any()
    assert [len(graph.atoms) for graph in found.graphs] == [11, 10, 0]
    assert [len(graph.bonds) for graph in found.graphs] == [11, 10, 0]
    names = list(descriptor_names())
    assert found.descriptors[1, names.index("tpsa")] == pytest.approx(49.33 - 20.23, abs=1e-3)
    # Gone are the environments that hold the oxygen: itself, its neighbor's, and theirs within two bonds.
    lost = molecules.counts[0].astype(int) - found.counts[1]
    assert (lost >= 0).all()
    assert lost.sum() == anatomy.inside[:, 8].sum()
    # The bits of acetanilide's far end are as before.
    assert lost.sum() < molecules.counts[0].sum() / 2
    np.testing.assert_array_equal(found.graphs[1].atoms[:8], molecules.graphs[0].atoms[:8])


def test_environments_are_those_counted():
    for smiles in SOME:
        mol = Chem.MolFromSmiles(Chem.CanonSmiles(smiles))
        molecules = Molecules((Chem.MolToSmiles(mol),))
        anatomy = Anatomy.of(molecules)
        np.testing.assert_array_equal(np.bincount(anatomy.places, minlength=2048), molecules.counts[0])


def test_fragments_are_rings_groups_and_links():
    mol = Chem.MolFromSmiles("O=S(=O)(c1ccc(Cl)cc1)N1CCOCC1")
    found = fragments(mol)
    assert sorted(fragment_smiles(mol, found)) == ["*Cl", "*N1CCOCC1", "*S(*)(=O)=O", "*c1ccc(*)cc1"]
    chain = Chem.MolFromSmiles("CCCCCC")
    assert fragment_smiles(chain, fragments(chain)) == ["CCCCCC"]
    for smiles, parts in {
        "CCCCO": ["*CCCC", "*O"],
        "CCCC(=O)O": ["*C(=O)O", "*CCC"],
        "CCC(F)(F)F": ["CCC(F)(F)F"],
        "CCOC": ["*CC", "*OC"],
    }.items():
        mol = Chem.MolFromSmiles(smiles)
        assert sorted(fragment_smiles(mol, fragments(mol))) == parts
    # Every ring system stays whole.
    drug = Chem.MolFromSmiles("CC1(C)SC2C(NC(=O)C(N)c3ccc(Cl)cc3)C(=O)N2C1C(=O)O")
    found = fragments(drug)
    for ring in drug.GetRingInfo().AtomRings():
        assert len(set(found[list(ring)])) == 1


def test_fragments_are_joined_until_they_are_few():
    polymer = Chem.MolFromSmiles("c1ccccc1" + "Oc1ccc(cc1)" * 12 + "C")
    for most in (1, 4, 10):
        found = fragments(polymer, most)
        assert found.max() + 1 == most
        assert np.bincount(found).min() > 0
    salt = Chem.MolFromSmiles(".".join(["[Na+]", "[Cl-]"] * 7))
    assert fragments(salt, 3).max() == 2
    assert fragments(salt, 3)[0] == 0
    assert len(fragment_smiles(salt, fragments(salt, 3))) == 3
    assert rdMolDescriptors.CalcNumHeavyAtoms(salt) == 14


def test_steps_that_have_more_than_one_corner_are_those_that_are_halved():
    """Of |t - 0.3| by one atom and 0.5 max(t - 0.62, 0) - max(t - 0.68, 0) by the other."""
    times = np.linspace(0, 1, 11)

    def along(at):
        first, later, last = at > 0.3, at > 0.62, at > 0.68
        value = np.abs(at - 0.3) + 0.5 * later * (at - 0.62) - last * (at - 0.68)
        return value[None, None], np.stack([2.0 * first - 1, 0.5 * later - last], axis=1)[None, None]

    found, missing = _integrated(times, *along(times))
    assert np.flatnonzero(missing > 1e-12).tolist() == [6]
    assert found[0, 0] == pytest.approx(0.7 - 0.3)
    finer = np.sort(np.append(times, 0.65))
    found, missing = _integrated(finer, *along(finer))
    assert missing.max() < 1e-12
    assert found[:, 0] == pytest.approx([0.4, 0.5 * 0.38 - 0.32])
