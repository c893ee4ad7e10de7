"""SMILES to structures and back, conformers, refusals that say where."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem, RDLogger
from rdkit.Chem import rdDetermineBonds

from adiabat.base import AdiabatError, DataError, UnsupportedError
from adiabat.system import System
from adiabat.system.smiles import conformers, system_from_smiles

MOLECULES = [
    "O", "CCO", "CC(=O)C=C(C)O", "c1ccccc1", "C#N", "CC(=O)Oc1ccccc1C(=O)O", "C[NH3+]", "CC(=O)[O-]",
    "FC(F)(F)F", "CSC", "C1CCCCC1", "N#N", "OP(=O)(O)O", "C[Si](C)(C)C", "OB(O)c1ccccc1", "ClCCBr",
    "C/C=C/C", "C[C@H](N)C(=O)O",
]  # fmt: skip


def smiles_of(system: System) -> str:
    """Canonical, with bonds perceived from the distances alone."""
    block = f"{system.n_atoms}\n\n" + "\n".join(
        f"{Chem.GetPeriodicTable().GetElementSymbol(int(z))} {x:.6f} {y:.6f} {w:.6f}"
        for z, (x, y, w) in zip(system.numbers, system.positions, strict=True)
    )
    mol = Chem.MolFromXYZBlock(block)
    rdDetermineBonds.DetermineBonds(mol, charge=system.charge)
    return Chem.MolToSmiles(Chem.RemoveHs(mol), isomericSmiles=False)


@given(st.sampled_from(MOLECULES), st.integers(0, 2**40))
@settings(max_examples=30)
def test_round_trip(smiles, seed):
    system = system_from_smiles(smiles, seed)
    expected = Chem.MolToSmiles(Chem.MolFromSmiles(smiles), isomericSmiles=False)
    assert smiles_of(system) == expected
    assert (int(np.sum(system.numbers)) - system.charge - system.spin) % 2 == 0


def test_same_seed_same_bits():
    first, second = (system_from_smiles("CCCO", 7) for _ in range(2))
    assert np.array_equal(first.positions, second.positions)


def test_charge_spin_and_isotopes():
    states = {
        "[OH-]": (-1, 0),
        "[NH4+]": (1, 0),
        "[O][O]": (0, 2),
        "[CH3]": (0, 1),
        "[N]=O": (0, 1),
        "[CH2]": (0, 2),
    }
    found = {smiles: system_from_smiles(smiles) for smiles in states}
    assert {smiles: (s.charge, s.spin) for smiles, s in found.items()} == states
    np.testing.assert_allclose(system_from_smiles("[2H]O[2H]").masses, [2.014, 15.999, 2.014], atol=1e-3)


@pytest.mark.parametrize(
    ("smiles", "error", "says"),
    [
        ("", DataError, "empty"),
        ("CC(=O", DataError, "character 3"),
        ("C1CC", DataError, "ring"),
        ("XYZ", DataError, "character 1"),
        ("C(C)(C)(C)(C)C", DataError, "valence for atom # 0 C, 5"),
        ("c1cccc1", DataError, "kekulize"),
        ("CCO.O", DataError, "several molecules: CCO, O"),
        ("CC O", DataError, "without spaces"),
        ("C" * 5000, DataError, "not a SMILES"),
        ("*C", UnsupportedError, "wildcard"),
        ("C[Pt]C", UnsupportedError, "Pt"),
        ("C[U]C", UnsupportedError, "U"),
        ("C" * 400, UnsupportedError, "atoms"),
    ],
)
def test_refusals(smiles, error, says, capfd):
    with pytest.raises(error, match=says.replace("(", r"\(").replace("#", "#")):
        system_from_smiles(smiles)
    printed = capfd.readouterr()
    assert printed.err == printed.out == ""  # RDKit prints its complaints otherwise


@given(st.text(st.sampled_from("CNOcn123()[]=#+-.@/\\%HFeP*~"), max_size=12))
def test_any_text_is_a_molecule_or_a_typed_error(text):
    RDLogger.DisableLog("rdApp.*")
    with contextlib.suppress(AdiabatError):
        assert system_from_smiles(text).n_atoms > 0


def test_conformers_are_distinct_and_sorted():
    found = conformers("CCCCO", 6, seed=1)
    assert len(found) == 6
    distances = [np.linalg.norm(s.positions[0] - s.positions[4]) for s in found]
    assert np.ptp(distances) > 0.4  # gauche and anti
    assert len(conformers("CCCCO", 2, seed=1)) == 2


def test_conformers_of_a_structure_keep_it_first():
    propanol = system_from_smiles("CCCO", 3)
    found = conformers(propanol, 4, seed=2)
    assert len(found) == 4
    assert found[0] is propanol
    assert all(np.array_equal(s.numbers, propanol.numbers) for s in found)
    complexed = System.create([26, 6, 8], [[0, 0, 0], [0, 0, 1.8], [0, 0, 2.95]])
    assert conformers(complexed, 4) == [complexed]
