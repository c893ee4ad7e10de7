"""Whether a training fits into the memory, asked before its neighbor lists are made."""

from collections.abc import Sequence

import numpy as np

from adiabat.base import ConfigError
from adiabat.base.machine import available_memory
from adiabat.data import Sample
from adiabat.data.stored import StoredSamples, evenly, taken
from adiabat.system import System

# An entry of a neighbor list: index, shift, mask, reverse.
LISTED_BYTES = 40
# Of samples that stay in their files so many are looked at.
LOOKED_AT = 1000
GIB = 2**30


def check_memory(samples: Sequence[Sample], cutoff: float, atoms_per_batch: int, bytes_per_edge: int) -> None:
    """Refuse a cut-off whose neighbor lists or training steps would not fit.

    Args:
        samples: of the training.
        cutoff: of the network [Å].
        atoms_per_batch: about how many atoms a batch has.
        bytes_per_edge: what an edge takes in a training step; see `AbstractNetwork.bytes_per_edge`.

    Raises:
        ConfigError: they need more memory than is free.
    """
    stored = isinstance(samples, StoredSamples)  # its lists are made when they are needed
    samples = taken(samples, evenly(len(samples), LOOKED_AT)) if stored else samples
    atoms = np.array([sample.n_atoms for sample in samples])
    edges = atoms * np.array([expected_neighbors(sample.system, cutoff) for sample in samples])
    batch = np.maximum(atoms_per_batch / atoms, 1.0) * edges
    needed = (0 if stored else LISTED_BYTES * float(edges.sum())) + bytes_per_edge * float(batch.max())
    free = available_memory()
    if free is not None and needed > free:
        most = float((edges / atoms).max())
        raise ConfigError(
            f"a cut-off of {cutoff:g} Å gives atoms about {most:.0f} neighbors; the training would need "
            f"{needed / GIB:.1f} GiB of memory, and {free / GIB:.1f} are free",
            "5 Å is usual: --set model.cutoff=5",
        )


def expected_neighbors(system: System, cutoff: float) -> float:
    """About how many neighbors an atom has, by the density of a periodic structure."""
    if not any(system.pbc):
        return system.n_atoms - 1.0
    if system.is_periodic:
        return system.n_atoms / float(system.volume) * 4 / 3 * np.pi * cutoff**3
    # A slab or a wire: so many copies of itself within reach.
    lengths = np.linalg.norm(np.asarray(system.cell), axis=1)[np.asarray(system.pbc)]
    return system.n_atoms * float(np.prod(2 * cutoff / lengths))
