"""Molecules with what models read of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from adiabat.properties.descriptors import descriptors
from adiabat.properties.fingerprints import count_morgan
from adiabat.properties.graphs import Graph, graph

_CLIP = 6.0


@dataclass(frozen=True, eq=False)
class Molecules:
    """Standardized molecules; each description is computed when it is first asked for, then kept.

    Attributes:
        smiles: standardized.
        inputs: what else a prediction depends on (a temperature, a solvent), shape (n_molecules, n_inputs).
    """

    smiles: tuple[str, ...]
    inputs: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def __post_init__(self):
        if self.inputs.size == 0:
            object.__setattr__(self, "inputs", np.zeros((len(self.smiles), 0), np.float32))

    def __len__(self) -> int:
        return len(self.smiles)

    @cached_property
    def counts(self) -> np.ndarray:
        """Count-Morgan fingerprints, shape (n_molecules, 2048), uint16."""
        return count_morgan(self.smiles)

    @cached_property
    def descriptors(self) -> np.ndarray:
        """Shape (n_molecules, n_descriptors), float32."""
        return descriptors(self.smiles)

    @cached_property
    def graphs(self) -> tuple[Graph, ...]:
        """Atoms and bonds of each."""
        return tuple(graph(text) for text in self.smiles)

    @property
    def numbers(self) -> np.ndarray:
        """Descriptors and inputs side by side, shape (n_molecules, n_numbers), float64."""
        return np.concatenate([self.descriptors, self.inputs], axis=1).astype(float)

    def taken(self, index: np.ndarray | Sequence[int]) -> "Molecules":
        """The molecules with these numbers, in this order, with what is already known of them."""
        index = np.asarray(index, int)
        part = Molecules(tuple(self.smiles[k] for k in index), self.inputs[index])
        for name in ("counts", "descriptors"):
            if name in self.__dict__:
                part.__dict__[name] = self.__dict__[name][index]
        if "graphs" in self.__dict__:
            part.__dict__["graphs"] = tuple(self.graphs[k] for k in index)
        return part


def in_spreads(numbers: np.ndarray, center: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """`Molecules.numbers` less a center, in units of their spread; what is far out is as far as six."""
    return np.clip((numbers - center) / scale, -_CLIP, _CLIP)
