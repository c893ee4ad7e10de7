"""What an ensemble of graph networks says of molecules, on a CPU: equal surroundings are computed once."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from adiabat.properties.environments import Side, coded, mixed
from adiabat.properties.graphs import Graph
from adiabat.properties.property_network import ATOMS, PropertyNetwork


class _Level(NamedTuple):
    """The different states that edges have after some rounds.

    Attributes:
        which: the state of each edge, shape (n_edges,).
        first: an edge that has it, of each state.
    """

    which: np.ndarray
    first: np.ndarray

    @classmethod
    def of(cls, numbers: np.ndarray) -> "_Level":
        _, first, which = np.unique(numbers, return_index=True, return_inverse=True)
        return cls(which, first)


def ensemble_outputs(members: PropertyNetwork, graphs: Sequence[Graph], numbers: np.ndarray) -> np.ndarray:
    """As `PropertyNetwork` of each member, to rounding (1e-5 of the outputs).

    After k rounds what an edge carries depends on the atoms at most k bonds behind it. Most molecules share
    most of that with others: each different state is computed once, which saves most of the products.

    Args:
        members: all arrays have a leading axis of members.
        graphs: of the molecules, at least one.
        numbers: theirs, shape (n_molecules, n_numbers), float32.

    Returns:
        shape (n_members, n_molecules, n_targets), float32.
    """
    side, weights = Side.of(graphs), _Weights.of(members)
    atoms = coded(side.atoms)
    links = np.repeat(coded(side.bonds), 2)
    code = mixed(atoms[side.source] + mixed(links))
    level = _Level.of(code)
    start_of, start = level, weights.started(side, level.first)
    hidden = np.maximum(start, 0)
    for layer in weights.rounds:
        # What arrives at the atom that an edge leaves, but for what came along the edge itself.
        code = mixed(code + mixed(side.arriving(code)[side.source] - code[np.arange(len(code)) ^ 1]))
        following = _Level.of(code)
        messages = _messages(side, level, following.first) @ _per_member(hidden, layer)
        hidden = np.maximum(start[start_of.which[following.first]] + messages, 0)
        level = following
    code = mixed(atoms + mixed(side.arriving(code)))
    final = _Level.of(code)
    hidden = _arriving(side, level, final.first) @ _per_member(hidden, weights.last_edges)
    hidden = np.maximum(hidden + weights.finished(side, final.first), 0)
    return weights.read_out(_means(side, final, hidden), side.sizes, numbers)


class _Weights(NamedTuple):
    """Those of all members, side by side where they meet features of molecules."""

    first_atoms: np.ndarray
    first_bonds: np.ndarray
    rounds: tuple[np.ndarray, ...]
    last_atoms: np.ndarray
    last_edges: np.ndarray
    last_bias: np.ndarray
    head: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, members: PropertyNetwork) -> "_Weights":
        messages = members.messages
        first, last = np.asarray(messages.first.weight), np.asarray(messages.last.weight)
        count = last.shape[2] - messages.width
        head = [
            getattr(layer, name) for layer in (members.hidden, members.last) for name in ("weight", "bias")
        ]
        return cls(
            _wide(first[:, :, :count]),
            _wide(first[:, :, count:]),
            tuple(np.asarray(layer.weight) for layer in messages.rounds),
            _wide(last[:, :, :count]),
            last[:, :, count:],
            np.asarray(messages.last.bias).reshape(-1),
            tuple(np.asarray(array) for array in head),
        )

    def started(self, side: Side, edges: np.ndarray) -> np.ndarray:
        """The input of edges, shape (n_edges, n_members * width)."""
        atoms = side.atoms[side.source[edges]].astype(np.float32)
        return atoms @ self.first_atoms + side.bonds[edges // 2].astype(np.float32) @ self.first_bonds

    def finished(self, side: Side, atoms: np.ndarray) -> np.ndarray:
        """What atoms add to what arrives at them, shape (n_atoms, n_members * width)."""
        kinds = _Level.of(coded(side.atoms[atoms]))
        own = side.atoms[atoms[kinds.first]].astype(np.float32) @ self.last_atoms + self.last_bias
        return own[kinds.which]

    def read_out(self, means: np.ndarray, sizes: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        weight, bias, last, last_bias = self.head
        split = means.reshape(len(means), len(weight), -1).transpose(1, 0, 2)
        total = split * (sizes.astype(np.float32) / np.float32(ATOMS))[:, None]
        own = np.broadcast_to(numbers, (len(weight), *numbers.shape))
        features = np.concatenate([split, total, own], axis=2)
        hidden = np.maximum(features @ weight.transpose(0, 2, 1) + bias[:, None], 0)
        return hidden @ last.transpose(0, 2, 1) + last_bias[:, None]


def _wide(weights: np.ndarray) -> np.ndarray:
    """(n_members, width, n_features) as (n_features, n_members * width)."""
    return np.ascontiguousarray(weights.transpose(2, 0, 1).reshape(weights.shape[2], -1))


def _per_member(hidden: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Each member's part of the columns by its own weights, shape (n, n_members * width)."""
    found = np.empty_like(hidden)
    width = weights.shape[1]
    for k, own in enumerate(weights):
        columns = slice(k * width, (k + 1) * width)
        np.matmul(hidden[:, columns], own.T, out=found[:, columns])
    return found


def _sums(rows: np.ndarray, columns: np.ndarray, values: Any, shape: tuple[int, int]) -> sparse.csr_matrix:
    entries = np.broadcast_to(np.asarray(values, np.float32), len(rows))
    return sparse.csr_matrix((entries, (rows, columns)), shape=shape)


def _coming(side: Side, atoms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The edges that come to atoms, and which of the atoms each comes to."""
    order = np.argsort(side.target, kind="stable")
    count = np.bincount(side.target, minlength=len(side.atoms))
    begin, own = (np.cumsum(count) - count)[atoms], count[atoms]
    within = np.arange(own.sum()) - np.repeat(np.cumsum(own) - own, own)
    return order[np.repeat(begin, own) + within], np.repeat(np.arange(len(atoms)), own)


def _messages(side: Side, level: _Level, edges: np.ndarray) -> sparse.csr_matrix:
    """Sums over the states that come to an edge, shape (n_edges, n_states)."""
    coming, row = _coming(side, side.source[edges])
    kept = coming != edges[row] ^ 1
    return _sums(row[kept], level.which[coming[kept]], 1.0, (len(edges), len(level.first)))


def _arriving(side: Side, level: _Level, atoms: np.ndarray) -> sparse.csr_matrix:
    coming, row = _coming(side, atoms)
    return _sums(row, level.which[coming], 1.0, (len(atoms), len(level.first)))


def _means(side: Side, final: _Level, hidden: np.ndarray) -> np.ndarray:
    shares = 1.0 / side.sizes[side.molecule]
    return _sums(side.molecule, final.which, shares, (len(side.sizes), len(final.first))) @ hidden
