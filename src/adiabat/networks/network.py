"""What every architecture is."""

import abc
import inspect
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import equinox as eqx
from jaxtyping import Array, Float, Int

from adiabat.base import ConfigError, UnsupportedError, did_you_mean
from adiabat.base.registry import Registry
from adiabat.networks.environments import Environments, environments
from adiabat.potentials import ZBL
from adiabat.system import Batch, Neighbors, System


class AbstractNetwork(eqx.Module):
    """Gives each atom a number from the vectors to its neighbors; invariant under rotation and permutation.

    A final subclass takes its hyper-parameters as keyword-only arguments with plain values and keeps each in
    a static field of the same name: they are stored in the model file. The trainer supplies three of them:
    `n_elements`, `density` (the mean over the training atoms of sum_j u(r_ij), about the number of neighbors)
    and the random `key`.
    """

    kind: ClassVar[str]
    """The name in the registry."""

    cutoff: eqx.AbstractVar[float]
    """How far an atom sees [Å]."""

    shift: eqx.AbstractVar[Float[Array, " n_elements"]]
    """A constant for each element, added to the energies of its atoms."""

    @property
    def layers(self) -> int | None:
        """Its rounds of messages; None from a network that does not say, which is not cut into domains."""
        return None

    @abc.abstractmethod
    def __call__(
        self,
        species: Int[Array, " n_atoms"],
        vectors: Float[Array, "n_atoms max_neighbors 3"],
        envelope: Float[Array, "n_atoms max_neighbors"],
        neighbors: Neighbors,
    ) -> Float[Array, " n_atoms"]:
        """The energy of each atom in units of the potential's scale.

        Args:
            species: number of each atom's element, 0 .. n_elements-1.
            vectors: to each neighbor [Å].
            envelope: how much of each edge is felt, 0 .. 1; all that an edge gives must be multiplied by it.
                It goes to zero at the cut-off, at distances that only the repulsion rules, and where there is
                no neighbor.
            neighbors: the list, for gathering the features of neighbors.
        """

    def features(
        self,
        species: Int[Array, " n_atoms"],
        vectors: Float[Array, "n_atoms max_neighbors 3"],
        envelope: Float[Array, "n_atoms max_neighbors"],
        neighbors: Neighbors,
    ) -> Float[Array, "n_atoms n_features"]:
        """What it knows of each atom before it says its energy; invariant as that is. Arguments as of a call.

        Raises:
            UnsupportedError: it has none to show.
        """
        raise UnsupportedError(f"{type(self).__name__} shows no features of atoms")

    def for_inference(self) -> "AbstractNetwork":
        """The same network, prepared for many calls without derivatives by its parameters; itself if there is
        no way."""
        return self

    def for_training(self) -> "AbstractNetwork":
        """The same network for use within a compiled function of its parameters, with derivatives by them;
        itself if there is no faster way."""
        return self

    @classmethod
    def bytes_per_edge(cls, settings: Mapping[str, Any]) -> int:  # noqa: ARG003
        """About how much memory an edge takes in a training step of a network with these hyper-parameters;
        zero where nobody has measured it."""
        return 0

    def environments(
        self,
        system: System | Batch,
        species: Int[Array, " n_atoms"],
        neighbors: Neighbors,
        repulsion: ZBL | None,
        elements: Sequence[int],
    ) -> Environments:
        """What it is given of a structure.

        Args:
            system: one structure or a batch.
            species: number of each atom's element among `elements`.
            neighbors: the list.
            repulsion: what takes over where atoms touch.
            elements: atomic numbers.
        """
        return environments(system, neighbors, self.cutoff, repulsion, self.shift.dtype)

    def hyperparameters(self) -> dict[str, Any]:
        """The arguments that, with a key, make a network of the same shape."""
        names = inspect.signature(type(self).__init__).parameters
        return {name: getattr(self, name) for name in names if name not in ("self", "key")}


networks = Registry(
    "network", {"cartesian": "adiabat.networks.cartesian:CartesianNetwork"}, group="adiabat.networks"
)

# What `--size` sets of the default network. "inner" is for short steps between those of another model: it has
# to be near, no more, and costs a seventh of "accurate" (docs/decisions/0017-multiple-time-steps.md).
SIZES: dict[str, dict[str, Any]] = {
    "fast": {"channels": 16},
    "accurate": {"channels": 32},
    "inner": {"channels": 16, "n_interactions": 1, "cutoff": 4.0},
}


def of_size(name: str) -> dict[str, Any]:
    """The hyper-parameters that a size stands for.

    Raises:
        ConfigError: there is no such size.
    """
    if name not in SIZES:
        raise ConfigError(f"unknown size {name!r}", did_you_mean(name, SIZES))
    return SIZES[name]
