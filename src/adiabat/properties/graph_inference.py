"""What an ensemble of graph networks says of molecules, on a CPU: equal surroundings are computed once."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from scipy import sparse

from adiabat.properties.environments import Side, coded, mixed
from adiabat.properties.graphs import Graph
from adiabat.properties.property_network import ATOMS, REACTING, PropertyNetwork


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
    plan = _Plan.of(Side.of(graphs), len(members.messages.rounds))
    return np.stack([plan.said(network, numbers) for network in _each(members)])


def ensemble_terms(
    members: PropertyNetwork, graph: Graph, numbers: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What additive members add up to what they say of a molecule.

    Args:
        members: all arrays have a leading axis of members.
        graph: of the molecule.
        numbers: its, shape (1, n_numbers), float32.

    Returns:
        what they say of no atom, shape (n_members, n_targets), and what each atom brings, shape (n_members,
            n_atoms, n_targets); float32.
    """
    plan = _Plan.of(Side.of([graph]), len(members.messages.rounds))
    nothing, atoms = zip(*(plan.terms(network, numbers) for network in _each(members)), strict=True)
    return np.concatenate(nothing), np.stack(atoms)


def _each(members: PropertyNetwork) -> Iterator[PropertyNetwork]:
    """One member after the other, of NumPy's arrays."""
    network = jax.tree.map(np.asarray, members)
    for k in range(len(network.last.bias)):
        yield jax.tree.map(lambda one, k=k: one[k], network)


class _Plan(NamedTuple):
    """What is to be summed and computed, the same for all members.

    Attributes:
        atoms: features of atoms that differ, of which edges start, shape (n_kinds, n_atom_features).
        bonds: features of bonds that differ, likewise.
        start: the kinds of atom and bond of each first state, shape (2, n_states).
        origins: the first state from which each state of every round began.
        messages: sums over the states that come to a state, of every round.
        arriving: sums over the states that come to an atom state.
        states: the state of each atom, shape (n_atoms,).
        molecule: to which each belongs, likewise.
        kinds: the kind of each atom state.
        means: over the atom states of each molecule.
        centers: sums over those that react, in units of `REACTING`, if the last feature of an atom says so.
        sizes: atoms of each molecule, float32.
    """

    atoms: np.ndarray
    bonds: np.ndarray
    start: np.ndarray
    origins: tuple[np.ndarray, ...]
    messages: tuple[sparse.csr_matrix, ...]
    arriving: sparse.csr_matrix
    states: np.ndarray
    molecule: np.ndarray
    kinds: np.ndarray
    means: sparse.csr_matrix
    centers: sparse.csr_matrix
    sizes: np.ndarray

    @classmethod
    def of(cls, side: Side, rounds: int) -> "_Plan":
        """Of molecules and a network with so many rounds after the first."""
        atoms, bonds = coded(side.atoms), coded(side.bonds)
        atom, bond = _Level.of(atoms), _Level.of(bonds)
        code = mixed(mixed(atoms)[side.source] + mixed(np.repeat(bonds, 2)))
        first = level = _Level.of(code)
        origins, messages = [], []
        for _ in range(rounds):
            # What arrives at the atom that an edge leaves, but for what came along the edge itself.
            others = side.arriving(code)[side.source] - code[np.arange(len(code)) ^ 1]
            code = mixed(code + mixed(others))
            following = _Level.of(code)
            messages.append(_messages(side, level, following.first))
            origins.append(first.which[following.first])
            level = following
        final = _Level.of(mixed(mixed(atoms) + mixed(side.arriving(code))))
        return cls(
            side.atoms[atom.first].astype(np.float32),
            side.bonds[bond.first].astype(np.float32),
            np.stack([atom.which[side.source[first.first]], bond.which[first.first // 2]]),
            tuple(origins),
            tuple(messages),
            _arriving(side, level, final.first),
            final.which,
            side.molecule,
            atom.which[final.first],
            _means(side, final),
            _centers(side, final),
            side.sizes.astype(np.float32),
        )

    def said(self, network: PropertyNetwork, numbers: np.ndarray) -> np.ndarray:
        """What one member says, shape (n_molecules, n_targets)."""
        if network.shape.additive:
            nothing, each = self.terms(network, numbers)
            entries = self.molecule, np.arange(len(each))
            return nothing + _sums(*entries, 1.0, (len(nothing), len(each))) @ each
        atoms = self._atoms(network)
        mean = self.means @ atoms
        pooled = [mean, mean * (self.sizes[:, None] / ATOMS)]
        if network.shape.reacting:
            pooled.append(self.centers @ atoms)
        features = np.concatenate([*pooled, numbers], axis=1)
        hidden = np.maximum(features @ network.hidden.weight.T + network.hidden.bias, 0)
        return hidden @ network.last.weight.T + network.last.bias

    def terms(self, network: PropertyNetwork, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What an additive member says of no atom at all, shape (n_molecules, n_targets), and what each atom
        brings, shape (n_atoms, n_targets)."""
        by_atoms, by_numbers = np.split(network.hidden.weight.T, [network.messages.width])
        alone = numbers @ by_numbers + network.hidden.bias
        each = (self._atoms(network) @ by_atoms)[self.states] + alone[self.molecule]
        last = network.last.weight.T
        return np.maximum(alone, 0) @ last + network.last.bias, np.maximum(each, 0, out=each) @ last

    def _atoms(self, network: PropertyNetwork) -> np.ndarray:
        """`MessagePassing.of_atoms` of atom states, shape (n_states, width)."""
        messages, count = network.messages, self.atoms.shape[1]
        first, last = messages.first.weight.T, messages.last.weight.T
        start = (self.atoms @ first[:count])[self.start[0]] + (self.bonds @ first[count:])[self.start[1]]
        hidden = np.maximum(start, 0)
        for layer, sums, origin in zip(messages.rounds, self.messages, self.origins, strict=True):
            hidden = sums @ (hidden @ layer.weight.T)
            hidden += start[origin]
            np.maximum(hidden, 0, out=hidden)
        atoms = self.arriving @ (hidden @ last[count:])
        atoms += (self.atoms @ last[:count] + messages.last.bias)[self.kinds]
        return np.maximum(atoms, 0, out=atoms)


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


def _means(side: Side, final: _Level) -> sparse.csr_matrix:
    shares = 1.0 / side.sizes[side.molecule]
    return _sums(side.molecule, final.which, shares, (len(side.sizes), len(final.first)))


def _centers(side: Side, final: _Level) -> sparse.csr_matrix:
    shares = side.atoms[:, -1] / REACTING
    return _sums(side.molecule, final.which, shares, (len(side.sizes), len(final.first)))
