"""Labels of several methods in one network: a head for each.

In the training the network takes a pair of head and element for a species, head by head: what belongs to an
element (its embedding, how it receives messages, its constant) is each head's own, all other weights are
shared. Afterwards the rows of a head make an ordinary potential.
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import ClassVar, NamedTuple

import ase.data
import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, Int

from adiabat.data import Sample
from adiabat.networks import AbstractNetwork, LearnedPotential
from adiabat.networks.environments import Environments
from adiabat.potentials import ZBL
from adiabat.system import Batch, Neighbors, System
from adiabat.training.batches import LabeledBatch
from adiabat.training.start import of_elements, of_species, restricted, shorter


class Head(NamedTuple):
    """Labels of another method than the main one.

    Attributes:
        name: of the method.
        train: samples to train on.
        valid: samples held out.
        isolated_atoms: energies of free atoms by this method [eV] by atomic number; None to have them fitted.
    """

    name: str
    train: Sequence[Sample]
    valid: Sequence[Sample]
    isolated_atoms: Mapping[int, float] | None


class Headed(AbstractNetwork):
    """A network of several heads, for atoms whose heads are known.

    Attributes:
        network: its species are all elements of the first head, then those of the next.
        first: number of the first species of each atom's head, shape (n_atoms,).
    """

    kind: ClassVar[str] = "headed"
    network: AbstractNetwork
    first: Int[Array, " n_atoms"]
    shift: Float[Array, " n_species"]
    cutoff: float = eqx.field(static=True)

    def __init__(self, network: AbstractNetwork, first: Int[Array, " n_atoms"]):
        self.network, self.first = network, first
        self.shift, self.cutoff = network.shift, network.cutoff

    def environments(
        self,
        system: System | Batch,
        species: Int[Array, " n_atoms"],
        neighbors: Neighbors,
        repulsion: ZBL | None,
        elements: Sequence[int],
    ) -> Environments:
        return self.network.environments(system, species, neighbors, repulsion, elements)

    def __call__(
        self,
        species: Int[Array, " n_atoms"],
        vectors: Float[Array, "n_atoms max_neighbors 3"],
        envelope: Float[Array, "n_atoms max_neighbors"],
        neighbors: Neighbors,
    ) -> Float[Array, " n_atoms"]:
        return self.network(self.first + species, vectors, envelope, neighbors)


def by_heads(potential: LearnedPotential, data: LabeledBatch) -> LearnedPotential:
    """The potential that speaks for the heads of a batch; itself where there is one head only."""
    if data.heads is None:
        return potential
    return eqx.tree_at(
        lambda p: p.network, potential, Headed(potential.network, _first_species(potential, data))
    )


def species_of(potential: LearnedPotential, data: LabeledBatch) -> Int[Array, " n_atoms"]:
    """What the network takes each atom for; padding is of the first species."""
    species = potential.species(data.batch)
    return species if data.heads is None else species + _first_species(potential, data)


def _first_species(potential: LearnedPotential, data: LabeledBatch) -> Int[Array, " n_atoms"]:
    assert data.heads is not None
    return len(potential.elements) * data.heads[data.batch.system_index]


def joined(begun: Sequence[LearnedPotential]) -> LearnedPotential:
    """The potential that several heads are trained in; it speaks for the first.

    Args:
        begun: what each head begins with. All have the weights of the first, and what belongs to an element
            is that of the first head that knows it; references and constants are their own. Charges are left
            out: dipoles of several methods are not fitted.
    """
    main = begun[0]
    if len(begun) == 1:
        return main
    elements = tuple(sorted({z for one in begun for z in one.elements}))
    made = of_elements([one.network for one in begun], [one.elements for one in begun], elements)
    network = of_species(made, np.tile(np.arange(len(elements)), len(begun)))
    constants = np.zeros((len(begun), len(elements)), np.float32)
    references: dict[int, float] = {}
    for one, row in reversed([*zip(begun, constants, strict=True)]):
        row[[elements.index(z) for z in one.elements]] = one.network.shift * (one.scale / main.scale)
        references |= _references(one)
    return LearnedPotential(
        network=eqx.tree_at(lambda n: n.shift, network, constants.ravel()),
        elements=elements,
        references=references,
        scale=float(main.scale),
        repulsion=reduce(lambda a, b: shorter(a, b, main.cutoff), (one.repulsion for one in begun)),
    )


def shifts(begun: Sequence[LearnedPotential], whole: LearnedPotential) -> np.ndarray:
    """What each atom's energy by the references of each head lacks to that by those of all [eV], by atomic
    number, shape (n_heads, n_numbers)."""
    found = np.zeros((len(begun), len(ase.data.chemical_symbols) + 1))
    common = _references(whole)
    for row, one in zip(found, begun, strict=True):
        row[list(one.elements)] = [common[z] - own for z, own in _references(one).items()]
    return found


def head_of(whole: LearnedPotential, number: int, begun: LearnedPotential) -> LearnedPotential:
    """The potential of one head.

    Args:
        whole: as `joined` made it, with any weights.
        number: of the head.
        begun: what the head began with; its elements and references are taken.
    """
    n_elements = len(whole.elements)
    own = LearnedPotential(
        network=of_species(whole.network, number * n_elements + np.arange(n_elements)),
        elements=whole.elements,
        references=_references(whole) | _references(begun),
        scale=float(whole.scale),
        repulsion=whole.repulsion,
    )
    return restricted(own, begun.elements)


def _references(potential: LearnedPotential) -> dict[int, float]:
    return dict(zip(potential.elements, np.asarray(potential.references).tolist(), strict=True))
