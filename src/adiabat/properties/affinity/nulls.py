"""Scores that know nothing of the protein: what any score of complexes has to beat."""

from collections.abc import Sequence

import numpy as np

from adiabat.properties.fingerprints import count_morgan, nearest

HEAVY_ATOMS, LOGP, LIGAND_ONLY, NEAREST = "heavy atoms", "logP", "ligand only", "nearest neighbor"
NULLS = (HEAVY_ATOMS, LOGP, LIGAND_ONLY, NEAREST)


def heavy_atoms(smiles: Sequence[str]) -> np.ndarray:
    """Larger ligands bind better; shape (n_ligands,)."""
    from rdkit import Chem

    return np.array([float(Chem.MolFromSmiles(text).GetNumHeavyAtoms()) for text in smiles])


def log_p(smiles: Sequence[str]) -> np.ndarray:
    """Greasier ligands bind better, by the sum over atoms of Wildman and Crippen (1999,
    doi 10.1021/ci990307l); shape (n_ligands,)."""
    from rdkit import Chem
    from rdkit.Chem import Crippen

    return np.array([Crippen.MolLogP(Chem.MolFromSmiles(text)) for text in smiles])  # pyright: ignore


def nearest_neighbor(smiles: Sequence[str], known: Sequence[str], values: np.ndarray) -> np.ndarray:
    """The value of the most alike known ligand, of any target; shape (n_ligands,)."""
    index, _ = nearest(count_morgan(smiles), count_morgan(known))
    return values[index[:, 0]]
