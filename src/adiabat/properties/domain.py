"""Where a model knows molecules like the one it is asked about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np

from adiabat.properties.fingerprints import Known, nearest
from adiabat.properties.inputs import Input
from adiabat.properties.known_inputs import TOLERANCE, KnownInputs
from adiabat.properties.molecules import Molecules

VERDICTS = ("outside", "border", "inside")
# Shares of the known molecules that are less alike to all others than one inside, and than one at the border.
_BORDER, _OUTSIDE = 0.10, 0.02
NEIGHBORS = 3


class Placed(NamedTuple):
    """Where molecules lie.

    Attributes:
        verdict: 0 outside, 1 at the border, 2 inside, shape (n_molecules,).
        similarity: to the most alike known molecule, shape (n_molecules,).
        neighbors: the most alike known ones, shape (n_molecules, up to 3).
        unknown: which inputs are not as in training, in words; empty where all are.
    """

    verdict: np.ndarray
    similarity: np.ndarray
    neighbors: np.ndarray
    unknown: Sequence[str]


@dataclass(frozen=True, eq=False)
class Domain:
    """The known molecules, and how alike a molecule must be to one of them.

    Attributes:
        counts: their fingerprints, shape (n_known, n_places).
        smiles: theirs.
        limits: similarities below which a molecule is outside, and at the border, shape (2,).
        features: whether a feature of atoms (an element, a charge) is known, shape (n_atom_features,); that
            one of handedness is not makes no molecule strange.
        inputs: the temperatures, solvents and other inputs they were measured with.
        largest: the number of heavy atoms of the largest; infinite where a model does not say.
    """

    counts: np.ndarray
    smiles: tuple[str, ...]
    limits: np.ndarray
    features: np.ndarray
    inputs: KnownInputs = field(default_factory=KnownInputs)
    largest: float = np.inf

    def place(self, molecules: Molecules) -> Placed:
        """Where molecules lie: outside are those with an element, charge or hybridization that no known one
        has, alike to none, larger than all by more than a tenth, or with an input far from those known."""
        neighbors, similarity = nearest(molecules.sparse_counts, self._known, NEIGHBORS)
        verdict = np.searchsorted(self.limits, similarity[:, 0], side="right")
        strange = molecules.have_atoms(~self.features)
        given, unknown = self.inputs.place(molecules.inputs)
        # Fingerprints do not see length: that of a longer chain is more of the same.
        size = np.searchsorted([self.largest, (1 + TOLERANCE) * self.largest], molecules.sizes)
        verdict = np.min([np.where(strange, 0, verdict), given, 2 - size], axis=0)
        return Placed(verdict, similarity[:, 0], neighbors, unknown)

    @cached_property
    def _known(self) -> Known:
        return Known(self.counts)

    @classmethod
    def of(cls, molecules: Molecules, inputs: Sequence[Input] = ()) -> Self:
        """The domain of a model of these molecules, of which several rows may be one, with these inputs."""
        known = KnownInputs.of(inputs, molecules.inputs)
        first = np.unique(np.array(molecules.smiles, dtype=str), return_index=True)[1]
        molecules = molecules.taken(np.sort(first))
        _, similarity = nearest(molecules.counts, molecules.counts, 2)
        limits = np.quantile(similarity[:, -1], [_OUTSIDE, _BORDER])
        features = np.any([one.atoms.any(axis=0) for one in molecules.graphs], axis=0)
        largest = float(molecules.sizes.max())
        return cls(molecules.counts, molecules.smiles, limits, features, known, largest)

    def stored(self) -> dict[str, np.ndarray]:
        """The arrays by name; the SMILES strings are text."""
        own = {"counts": self.counts, "limits": self.limits, "features": self.features}
        return own | self.inputs.stored() | {"largest": np.array([self.largest])}

    @classmethod
    def restored(cls, arrays: Mapping[str, Any], smiles: Sequence[str], inputs: Sequence[Input] = ()) -> Self:
        """From the arrays by name."""
        known = KnownInputs.restored(arrays, inputs)
        largest = float(arrays["largest"][0]) if "largest" in arrays else np.inf
        return cls(arrays["counts"], tuple(smiles), arrays["limits"], arrays["features"], known, largest)


def similarity_to_others(molecules: Molecules, folds: np.ndarray) -> np.ndarray:
    """Of each molecule to the most alike one of another fold, shape (n_molecules,)."""
    found = np.zeros(len(molecules))
    for fold in np.unique(folds):
        inside, outside = folds == fold, folds != fold
        found[inside] = nearest(molecules.counts[inside], molecules.counts[outside])[1][:, 0]
    return found
