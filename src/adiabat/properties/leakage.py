"""What a test could know of its answers from training."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adiabat.properties.fingerprints import count_morgan, nearest
from adiabat.properties.splits import scaffolds

ALIKE = 0.9


@dataclass(frozen=True)
class Leakage:
    """Shares of the test's molecules, but for the last.

    Attributes:
        exact: that are in training.
        stereoisomers: that are in training up to stereochemistry, the exact ones included.
        near: with a Tanimoto similarity above 0.9 to one in training.
        scaffolds: whose framework of rings is in training; of those with rings.
        median_similarity: of the test's molecules to the nearest in training.
    """

    exact: float
    stereoisomers: float
    near: float
    scaffolds: float
    median_similarity: float


def audit(train: Sequence[str], test: Sequence[str]) -> Leakage:
    """Compares the molecules of two parts, by standardized SMILES."""
    flat = set(map(_flat, train))
    frames = set(scaffolds(train)) - {""}
    rings = [frame for frame in scaffolds(test) if frame]
    queries, prints = (count_morgan(part, stereo=False) for part in (test, train))
    _, similarity = nearest(queries, prints)
    known = set(train)
    return Leakage(
        exact=float(np.mean([one in known for one in test])),
        stereoisomers=float(np.mean([_flat(one) in flat for one in test])),
        near=float(np.mean(similarity[:, 0] > ALIKE)),
        scaffolds=float(np.mean([frame in frames for frame in rings])) if rings else 0.0,
        median_similarity=float(np.median(similarity[:, 0])),
    )


def _flat(smiles: str) -> str:
    """Without stereochemistry."""
    from rdkit import Chem

    return Chem.MolToSmiles(Chem.MolFromSmiles(smiles), isomericSmiles=False)
