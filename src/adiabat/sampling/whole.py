"""Groups of atoms in one piece, wherever the periodic cell cuts them."""

import ase.geometry
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

from adiabat.base import UnsupportedError
from adiabat.potentials.bonded import nearest_images
from adiabat.system import System

Links = tuple[tuple[int, int], ...]
"""Pairs of places in a group that hold it together, all of which can be reached from place 0; the second of a
pair is the first of none before."""


def shortest_links(structures: list[System]) -> Links:
    """The tree of shortest distances between nearest images, of several structures by the longest of each."""

    @jax.jit
    def apart(system: System) -> Array:
        places = system.positions
        return jnp.linalg.norm(nearest_images(places[None] - places[:, None], system), axis=-1)

    with jax.enable_x64(True):
        distances = np.max([np.asarray(apart(one)) for one in structures], axis=0)
    tree = minimum_spanning_tree(distances + 1e-9)  # a zero would be no link
    order, before = breadth_first_order(tree, 0, directed=False)
    return tuple((int(before[place]), int(place)) for place in order[1:])


def whole(places: Float[Array, "n 3"], links: Links, system: System) -> Float[Array, "n 3"]:
    """Positions [Å] of a group without the lattice vectors between the two atoms of a link; the first atom
    stays where it is."""
    if not any(system.pbc) or not links:
        return places
    first, second = np.array(links).T
    steps = nearest_images((places[second] - places[first])[:, None], system)[:, 0]
    passed = np.zeros((len(links) + 1, len(links)))
    for number, (near, far) in enumerate(links):
        passed[far] = passed[near]
        passed[far, number] = 1
    return places[0] + jnp.asarray(passed, steps.dtype) @ steps


def check_links(references: Float[np.ndarray, "m n 3"], links: Links, system: System, what: str) -> None:
    """Refuses a cell in which a link may be that to another image.

    Args:
        references: the group in one piece [Å].
        links: of it.
        system: whose cell it is.
        what: for the message.

    Raises:
        UnsupportedError: a link is half as long as the cell, or longer.
    """
    if not any(system.pbc) or not links:
        return
    reduced = np.asarray(ase.geometry.minkowski_reduce(np.asarray(system.cell), system.pbc)[0])  # pyright: ignore[reportArgumentType]
    half = 0.5 * np.linalg.norm(reduced[list(system.pbc)], axis=1).min()
    first, second = np.array(links).T
    longest = np.linalg.norm(references[:, second] - references[:, first], axis=-1).max()
    if longest >= half:
        raise UnsupportedError(
            f"{what}: its atoms fall into parts that are {longest:.1f} Å apart; where the cell repeats after "
            f"{2 * half:.1f} Å, which images of them belong together cannot be told",
            "name atoms between the parts as well, or take a larger cell",
        )
