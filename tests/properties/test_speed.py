"""What is quick gives the numbers of what is slow."""

import csv
import re
from pathlib import Path

import jax
import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors, rdmolops

from adiabat.base import AdiabatError
from adiabat.properties import Standardizer
from adiabat.properties.crippen import Shares, _asked
from adiabat.properties.descriptors import descriptor_names, descriptors, descriptors_of
from adiabat.properties.environments import Side
from adiabat.properties.fingerprints import Known, count_morgan, similarities
from adiabat.properties.graph_inference import ensemble_outputs
from adiabat.properties.graph_network import _on_accelerator
from adiabat.properties.graph_training import Recipe, fresh
from adiabat.properties.graphs import (
    HANDEDNESS,
    N_ATOM_FEATURES,
    N_BOND_FEATURES,
    graphs_of,
    is_plain,
    unlabeled_graphs,
)
from adiabat.properties.molecules import Molecules
from adiabat.properties.property_network import Shape

DATA = Path(__file__).parents[3] / "shared" / "data"
# Drugs, stereochemistry, small rings, charges, rare elements, one atom, sulfur of every kind.
MOLECULES = (
    "CC(=O)Oc1ccccc1C(=O)O",
    "CN1C=NC2=C1C(=O)N(C(=O)N2C)C",
    "COc1ccc2[nH]c([S@@](=O)Cc3ncc(C)c(OC)c3C)nc2c1",
    "CC1(C)S[C@@H]2[C@H](NC(=O)Cc3ccccc3)C(=O)N2[C@H]1C(=O)O",
    "F/C=C/Cl",
    "C1CC1C2CCC2",
    "[O-][N+](=O)c1ccc(Cl)cc1",
    "C[N+](C)(C)CC([O-])=O",
    "CP(=O)(OC)OC",
    "C[Si](C)(C)C",
    "OB(O)c1ccccc1",
    "C",
    "O",
    "[2H]C(Cl)(Cl)Cl",
    "NS(=O)(=O)c1ccc(cc1)-n1nc(cc1-c1ccc(C)cc1)C(F)(F)F",
    "CC(C)(C)C#N",
    "C1=CC=C2C(=C1)C=CC3=CC=CC=C32",
    "O=C(NC1CCN(CC1)CCc1ccccc1)C(C)(C)C",
    "CCCCCCCCCCCCI",
    "C1CC2CCC1C2",
    "FS(F)(F)(F)(F)F",
    "n1ccsc1N=NC",
    "C12C3C4C1C5C2C3C45",
    "[Na+].[O-]C(=O)c1ccccc1",
    "CC[NH2]->BCC",  # a dative bond does not turn
)


def of_rdkit(smiles):
    """Descriptors one after the other."""
    mol = Chem.MolFromSmiles(smiles)
    found = [*rdMolDescriptors.Properties().ComputeProperties(mol), rdmolops.GetFormalCharge(mol)]
    for name in ("SlogP_VSA_", "SMR_VSA_", "PEOE_VSA_"):
        found += getattr(rdMolDescriptors, name)(mol)
    return np.clip(np.nan_to_num(found), -1e5, 1e5)


def table(count):
    """Molecules that were measured."""
    path = DATA / "moleculenet" / "lipo.csv"
    if not path.exists():
        pytest.skip("needs the data sets")
    with path.open() as file:
        return [row["smiles"] for row in csv.DictReader(file)][:count]


def check_descriptors(names):
    wanted = np.array([of_rdkit(name) for name in names])
    np.testing.assert_allclose(descriptors(names), wanted, rtol=2e-6, atol=1e-5)


def test_descriptors_are_those_of_rdkit():
    check_descriptors(MOLECULES)
    assert len(descriptor_names()) == descriptors(["CCO"]).shape[1]


def test_centers_that_could_be_handed_are_counted_however_a_molecule_was_read():
    centers = ("CC(O)CC", "CCN1CC1C", "CCS(=O)C", "CCP(C)c1ccccc1", "CC1CN2CCC1CC2", "C[N+](CC)(CCC)c1ccccc1")
    names = [name for name in (*MOLECULES, *centers) if "." not in name]
    read = [Standardizer().molecule(name) for name in names]  # leaves out to look for them
    columns = [
        descriptor_names().index(name) for name in ("NumAtomStereoCenters", "NumUnspecifiedAtomStereoCenters")
    ]
    found = descriptors_of(read, unlabeled_graphs(read))[:, columns]
    np.testing.assert_array_equal(found, descriptors(names)[:, columns])
    assert found[-len(centers) :, 1].min() == 1


@pytest.mark.slow
def test_descriptors_of_measured_molecules():
    check_descriptors(table(3000))


def test_what_atoms_add_is_learned_once(monkeypatch):
    from adiabat.properties import crippen

    shares, asked, ask = Shares(), [], crippen._asked
    monkeypatch.setattr(crippen, "_asked", lambda mol: asked.append(mol) or ask(mol))
    mols = [Chem.MolFromSmiles(name) for name in ("CCO", "OCC", "CCN", "NCC")]

    def of(*numbers):
        some = [mols[k] for k in numbers]
        return shares.of(some, Side.of(unlabeled_graphs(some)))

    found = of(0)
    np.testing.assert_array_equal(of(1), found[::-1])
    assert len(asked) == 1
    monkeypatch.setattr(crippen, "_MOST", 3)  # full: what is not known is asked each time
    of(2, 3)
    assert len(asked) == 3


def test_what_atoms_add_depends_on_what_was_looked_at():
    """What is learned of some molecules is right for all others."""
    mols = [Chem.MolFromSmiles(name) for name in (*MOLECULES, *table(2000))]
    mols = [mol for mol in mols if is_plain(unlabeled_graphs([mol])[0].atoms).all()]
    shares = Shares()
    for start in range(0, len(mols), 200):
        some = mols[start : start + 200]
        found = shares.of(some, Side.of(unlabeled_graphs(some)))
        np.testing.assert_allclose(found, np.concatenate(list(map(_asked, some))), atol=2e-9)


def test_one_network_by_surroundings_and_by_atoms():
    """On the CPU equal surroundings are computed once; on an accelerator all are."""
    molecules = Molecules(tuple(name for name in MOLECULES if name != "C") * 3)
    numbers = np.random.default_rng(0).normal(size=(len(molecules), 7)).astype(np.float32)
    for depth in (1, 3):
        shape = Shape(N_ATOM_FEATURES, N_BOND_FEATURES, 7, 2)
        members = fresh(Recipe(width=16, depth=depth), 3, shape, jax.random.key(1))
        quick = ensemble_outputs(members, molecules.graphs, numbers)
        np.testing.assert_allclose(quick, _on_accelerator(members, molecules.graphs, numbers), atol=2e-6)
    assert not np.allclose(quick[:, 0], quick[:, 1])


def test_alike_by_dense_and_by_sparse_rows(monkeypatch):
    counts = count_morgan([name for name in MOLECULES if "." not in name])
    wanted = similarities(counts, counts[:9])
    np.testing.assert_array_equal(Known(counts[:9]).similarities(counts), wanted)
    monkeypatch.setattr("adiabat.properties.fingerprints._DENSE", 0)
    np.testing.assert_array_equal(Known(counts[:9]).similarities(counts), wanted)


def test_atoms_are_found_by_query_and_by_features():
    mols = [Chem.MolFromSmiles(name) for name in MOLECULES if "[2H]" not in name]
    names = tuple(map(Chem.MolToSmiles, mols))
    single = np.eye(N_ATOM_FEATURES, dtype=bool)
    several = np.random.default_rng(0).random((20, N_ATOM_FEATURES)) < 0.1
    for wanted in [*single, *several]:
        known = Molecules(names)
        _ = known.graphs
        quick = Molecules(names, mols=tuple(map(Chem.MolFromSmiles, names)))
        wanted = wanted & ~HANDEDNESS
        np.testing.assert_array_equal(quick.have_atoms(wanted), known.have_atoms(wanted))
    assert not Molecules(names).have_atoms(np.zeros(N_ATOM_FEATURES, bool)).any()


def check_standardizing(names):
    standardizer = Standardizer()
    for name in names:
        try:
            wanted = Chem.MolToSmiles(standardizer._standardized(None, name))  # by all steps
        except AdiabatError as error:
            for way in (standardizer, standardizer.molecule):
                with pytest.raises(AdiabatError, match=re.escape(str(error))):
                    way(name)
            continue
        assert standardizer(name) == wanted
        assert Chem.MolToSmiles(standardizer.molecule(name)) == wanted


def test_what_standardizing_leaves_is_seen():
    check_standardizing(
        [
            *MOLECULES,
            *(
                "C[C@H](C)CC",
                "F/C=C(/F)F",
                "C/C=C/C=C\\C",
                "CS(=O)C",
                *(
                    "O=S1CCCC1",
                    "C1CCCS1=O",
                    "C%10CCCS%10=O",
                    "C1CCCS-1=O",
                    "O=S(C)C",
                    "O=s1cccc1",
                    "s1(=O)cccc1",
                ),
                "C[S+]([O-])C",
                "CN(=O)=O",
                "CC(=O)[O-]",
                "C[NH3+]",
                "c1cc[n+]([O-])cc1",
                "CN=[N+]=[N-]",
            ),
            *(
                "[Mg]C",
                "CC.CC",
                "CCO.Cl",
                "*C",
                "[#0]C",
                "[12#0]C",
                "[H]C([H])([H])O",
                "[2H]OC",
                "[H+]",
                "C#0CC0",
                "C1CC",
                "",
                "Oc1ccccn1",
                "[CH3]",
                "C[C@H](N)C(=O)O",
                "O=[N+]([O-])O",
            ),
        ]
    )


def test_molecules_read_quickly_have_the_same_descriptors():
    """Centers that could be handed are among them, which quick reading does not look for."""
    names = ["CC(O)CC", "C[C@H](O)CC", "C/C=C/C(C)F", "CC1CCC(O)CC1"]
    quick = Molecules(tuple(names), mols=tuple(map(Standardizer().molecule, names)))
    np.testing.assert_allclose(quick.descriptors, [of_rdkit(name) for name in names], rtol=2e-6, atol=1e-5)


@pytest.mark.slow
def test_standardizing_of_measured_molecules():
    check_standardizing(table(2000))


def test_graphs_of_many_are_those_of_one():
    mols = [Chem.MolFromSmiles(name) for name in MOLECULES]
    together = graphs_of(mols, [True] * len(mols))
    for mol, one in zip(mols, together, strict=True):
        alone = graphs_of([mol], [True])[0]
        for a, b in zip(one, alone, strict=True):
            np.testing.assert_array_equal(a, b)
        assert one.atoms.sum(axis=1).tolist() == [
            6 + atom.GetIsAromatic() + atom.IsInRing() for atom in mol.GetAtoms()
        ]
