"""Which atom of the reactants becomes which of the products, where nobody says so."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from adiabat.base import UnsupportedError
from adiabat.properties.reaction_smiles import bond_orders, heavy_atoms

if TYPE_CHECKING:
    from rdkit.Chem import Mol

MAX_ATOMS = 60
# Starts of the search, and how often the best has to be found before it ends.
_STARTS, _ENOUGH = 40, 12
# What a change counts, in orders of a bond: a bond that breaks or forms, beside its order; a hydrogen that an
# atom loses or gains; a charge.
_SIGMA, _HYDROGEN, _CHARGE = 0.25, 1.5, 0.25
# Environments of atoms up to so many bonds away guide the starts.
_RADIUS = 3


class _Side(NamedTuple):
    """The heavy atoms of reactants or products.

    Attributes:
        kinds: element and isotope, shape (n_atoms,).
        orders: of bonds, zero where there is none, shape (n_atoms, n_atoms).
        own: hydrogens and charge, shape (2, n_atoms).
    """

    kinds: np.ndarray
    orders: np.ndarray
    own: np.ndarray


class Candidate(NamedTuple):
    """A way to map atoms.

    Attributes:
        becomes: the heavy atom of the products that each of the reactants becomes, shape (n_atoms,).
        distance: how much changes, in orders of bonds.
    """

    becomes: np.ndarray
    distance: float


def candidates(before: "Mol", after: "Mol", seed: int = 0) -> list[Candidate]:
    """Maps of little chemical distance (Jochum, Gasteiger and Ugi 1980, doi 10.1002/anie.198004953).

    Atoms with alike surroundings are assigned to each other; that is improved by turns of the linearized
    quadratic assignment, then by exchanges of two atoms; and so from many starts.

    Args:
        before, after: with the same elements, all hydrogens written.
        seed: of the starts.

    Returns:
        the one of least distance first, each once.

    Raises:
        UnsupportedError: more than 60 heavy atoms.
    """
    one, other = _side(before), _side(after)
    if (count := len(one.kinds)) > MAX_ATOMS:
        raise UnsupportedError(
            f"{count} heavy atoms are too many to map, at most {MAX_ATOMS}", "give atom maps"
        )
    if not count:
        return [Candidate(np.zeros(0, int), 0.0)]
    random = np.random.default_rng(seed)
    alike = _alike(one, other)
    found: dict[bytes, Candidate] = {}
    seen: Counter[float] = Counter()
    for start in range(_STARTS):
        noise = 0.0 if start == 0 else random.gumbel(size=alike.shape)
        becomes = _improved(_assigned(-alike - noise), one, other)
        distance = round(_distance(becomes, one, other), 6)
        found.setdefault(becomes.tobytes(), Candidate(becomes, distance))
        seen[distance] += 1
        if seen[min(seen)] >= _ENOUGH:
            break
    best = min(found.values(), key=lambda one: one.distance)
    # What is a minimum of its own is one rival; the other kind is one exchange away.
    for becomes in _exchanged(best.becomes, one, other):
        found.setdefault(becomes.tobytes(), Candidate(becomes, round(_distance(becomes, one, other), 6)))
    return sorted(found.values(), key=lambda one: one.distance)


def _side(mol: "Mol") -> _Side:
    atoms = heavy_atoms(mol)
    place = {atom.GetIdx(): k for k, atom in enumerate(atoms)}
    orders = np.zeros((len(atoms), len(atoms)))
    for ends, order in bond_orders(mol).items():
        if all(end in place for end in ends):
            i, j = (place[end] for end in ends)
            orders[i, j] = orders[j, i] = order
    kinds = [1000 * atom.GetAtomicNum() + atom.GetIsotope() for atom in atoms]
    own = [[atom.GetTotalNumHs(includeNeighbors=True), atom.GetFormalCharge()] for atom in atoms]
    return _Side(np.array(kinds), orders, np.array(own, float).reshape(-1, 2).T)


def _alike(one: _Side, other: _Side) -> np.ndarray:
    """Up to how many bonds away the surroundings of two atoms are equal, shape (n_atoms, n_atoms); minus
    infinity of two elements."""
    colors = [
        [(kind, *own) for kind, own in zip(side.kinds, side.own.T, strict=True)] for side in (one, other)
    ]
    alike = np.where(one.kinds[:, None] == other.kinds, 0.0, -np.inf)
    for _ in range(_RADIUS + 1):
        names = {color: k for k, color in enumerate(sorted(set(colors[0]) | set(colors[1])))}
        first, second = (np.array([names[color] for color in own]) for own in colors)
        alike += first[:, None] == second
        colors = [
            [
                (own[k], *sorted((row[j], own[j]) for j in np.flatnonzero(row)))
                for k, row in enumerate(side.orders)
            ]
            for side, own in ((one, first.tolist()), (other, second.tolist()))
        ]
    return alike


def _improved(becomes: np.ndarray, one: _Side, other: _Side) -> np.ndarray:
    """The next minimum of the distance."""
    best = _distance(becomes, one, other)
    while True:
        trial = _assigned(_prices(becomes, one, other))
        if (distance := _distance(trial, one, other)) >= best - 1e-9:
            break
        becomes, best = trial, distance
    while True:
        trials = list(_exchanged(becomes, one, other))
        distances = [_distance(trial, one, other) for trial in trials]
        if min(distances, default=best) >= best - 1e-9:
            return becomes
        becomes, best = trials[int(np.argmin(distances))], min(distances)


def _exchanged(becomes: np.ndarray, one: _Side, other: _Side) -> Iterator[np.ndarray]:
    """With what two atoms of a kind become exchanged, for all pairs with an atom around which something
    changes: others only lose by it."""
    atoms = _atom_changes(one.own, other.own[:, becomes])
    changing = _changes(one.orders, other.orders[becomes][:, becomes]).sum(axis=1) + atoms > 0
    rows, columns = np.triu_indices(len(becomes), 1)
    alike = (one.kinds[rows] == one.kinds[columns]) & (changing[rows] | changing[columns])
    for i, j in zip(rows[alike], columns[alike], strict=True):
        trial = becomes.copy()
        trial[[i, j]] = trial[[j, i]]
        yield trial


def _distance(becomes: np.ndarray, one: _Side, other: _Side) -> float:
    bonds = _changes(one.orders, other.orders[becomes][:, becomes]).sum() / 2
    return float(bonds + _atom_changes(one.own, other.own[:, becomes]).sum())


def _prices(becomes: np.ndarray, one: _Side, other: _Side) -> np.ndarray:
    """What changes around each atom if it becomes that one and all others stay, shape (n_atoms, n_atoms)."""
    bonds = _changes(one.orders[:, None, :], other.orders[:, becomes][None]).sum(axis=2)
    atoms = _atom_changes(one.own[:, :, None], other.own[:, None, :])
    return np.where(one.kinds[:, None] == other.kinds, bonds + atoms, np.inf)


def _changes(orders: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Of bonds: breaking a single one is more than making it of a double one."""
    return np.abs(orders - others) + _SIGMA * ((orders == 0) != (others == 0))


def _atom_changes(own: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Of hydrogens and charges, the first axis."""
    hydrogens, charges = np.abs(own - others)
    return _HYDROGEN * hydrogens + _CHARGE * charges


def _assigned(prices: np.ndarray) -> np.ndarray:
    """The cheapest assignment that pairs equal kinds; there is one, the elements being balanced."""
    finite = np.where(np.isinf(prices), 1e6, prices)
    return linear_sum_assignment(finite)[1]
