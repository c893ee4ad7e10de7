"""Graph networks that say of a molecule the sum of what its atoms bring."""

from typing import ClassVar, NamedTuple, final

import numpy as np

from adiabat.properties.graph_inference import ensemble_terms
from adiabat.properties.graph_network import AbstractGraphEnsemble
from adiabat.properties.molecules import Molecules


class Terms(NamedTuple):
    """What is added up, in units of the targets' spread; of a class the logarithm of its odds.

    Attributes:
        constant: what is said where there is no atom, shape (n_targets,).
        atoms: what each atom brings, by itself and what is at most `depth` bonds away; shape (n_atoms,
            n_targets).
    """

    constant: np.ndarray
    atoms: np.ndarray


@final
class AdditiveEnsemble(AbstractGraphEnsemble):
    """A constant and one contribution of each atom, of its surroundings: group additivity (Benson and Buss
    1958, doi 10.1063/1.1744539) with groups that are learned. No descriptors are read; on inputs (a
    temperature) both depend. A probability is the logistic function of such a sum.

    What a property owes to the whole molecule (a mean over its atoms, a distant pair) it cannot express:
    docs/decisions/0029-explanations.md says what that costs."""

    kind: ClassVar[str] = "additive"
    additive: ClassVar[bool] = True

    def terms(self, molecule: Molecules) -> Terms:
        """What is added up to `predict` of a single molecule, to rounding (1e-5).

        Raises:
            DataError: inputs are missing, or too many.
        """
        (graph,) = self.graphs(molecule)
        found = ensemble_terms(self.members, graph, self._scaled(molecule))
        return Terms(*(one.mean(axis=0, dtype=float) for one in found))
