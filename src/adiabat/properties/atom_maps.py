"""Which atom of the reactants becomes which of the products, where nobody says so."""

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from adiabat.base import UnsupportedError
from adiabat.properties.reaction_smiles import bond_orders, heavy_atoms

if TYPE_CHECKING:
    from rdkit.Chem import Mol

MAX_ATOMS = 60
# Starts of the search, and how often the best has to be found before it ends.
_STARTS, _ENOUGH = 40, 12
# What a change counts, a map with one more being e times less likely: an order of a bond; a bond that breaks
# or forms, beside its order; a hydrogen that an atom loses or gains; a charge. From reactions whose maps are
# known: see docs/decisions/0025-reactions.md.
_ORDER, _SIGMA, _HYDROGEN, _CHARGE = 0.6, 3.0, 3.1, 1.3
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
        distance: how much changes; of two maps e to the difference says how much likelier one is.
    """

    becomes: np.ndarray
    distance: float


def candidates(before: "Mol", after: "Mol", within: float = 8.0, seed: int = 0) -> list[Candidate]:
    """Maps of little chemical distance (Jochum, Gasteiger and Ugi 1980, doi 10.1002/anie.198004953).

    Atoms with alike surroundings are assigned to each other; that is improved by turns of the linearized
    quadratic assignment, then by exchanges of two atoms; and so from many starts.

    Args:
        before, after: with the same elements, all hydrogens written.
        within: how much more than the least they may change.
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
    # What is a minimum of its own is one rival; the other kind is one exchange away from one.
    least = min(seen) + within
    for minimum in [one for one in found.values() if one.distance <= least]:
        gains = _exchanges(minimum.becomes, one, other)
        for i, j in np.argwhere(minimum.distance + gains <= least):
            becomes = _exchanged(minimum.becomes, i, j)
            distance = round(minimum.distance + float(gains[i, j]), 6)
            found.setdefault(becomes.tobytes(), Candidate(becomes, distance))
    return sorted((one for one in found.values() if one.distance <= least), key=lambda one: one.distance)


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
        gains = _exchanges(becomes, one, other)
        i, j = divmod(int(np.argmin(gains)), len(gains))
        if gains[i, j] >= -1e-9:
            return becomes
        becomes = _exchanged(becomes, i, j)


def _exchanged(becomes: np.ndarray, i: int, j: int) -> np.ndarray:
    becomes = becomes.copy()
    becomes[[i, j]] = becomes[[j, i]]
    return becomes


def _exchanges(becomes: np.ndarray, one: _Side, other: _Side) -> np.ndarray:
    """By how much the distance grows when what two atoms become is exchanged, shape (n_atoms, n_atoms);
    infinite of two elements and below the diagonal.

    Each atom changes what it pays with all others where they are, but for the bond between the two, which
    meets itself again.
    """
    prices = _prices(becomes, one, other)[:, becomes]
    mine = np.diagonal(prices)
    before, after = one.orders, other.orders[becomes][:, becomes]
    between = _changes(before, 0.0) + _changes(0.0, after) - _changes(before, after)
    gains = prices + prices.T - mine[:, None] - mine - 2 * between
    return np.where(np.tri(len(becomes), dtype=bool), np.inf, gains)


def _distance(becomes: np.ndarray, one: _Side, other: _Side) -> float:
    bonds = _changes(one.orders, other.orders[becomes][:, becomes]).sum() / 2
    return float(bonds + _atom_changes(one.own, other.own[:, becomes]).sum())


def _prices(becomes: np.ndarray, one: _Side, other: _Side) -> np.ndarray:
    """What changes around each atom if it becomes that one and all others stay, shape (n_atoms, n_atoms).

    What two bonds have in common, the lower of their orders and that both are bonds, is saved twice: once by
    each. As a sum over the steps of orders that is a product of matrices.
    """
    steps = np.unique(np.concatenate([[0.0], one.orders.ravel(), other.orders.ravel()]))
    heights = _ORDER * np.diff(steps) + _SIGMA * (np.arange(len(steps) - 1) == 0)
    common = sum(
        height * (one.orders >= step).astype(float) @ (other.orders[:, becomes] >= step).T.astype(float)
        for height, step in zip(heights, steps[1:], strict=True)
    )
    alone = [_changes(side.orders, 0.0).sum(axis=1) for side in (one, other)]
    bonds = alone[0][:, None] + alone[1] - 2 * common
    atoms = _atom_changes(one.own[:, :, None], other.own[:, None, :])
    return np.where(one.kinds[:, None] == other.kinds, bonds + atoms, np.inf)


def _changes(orders: np.ndarray | float, others: np.ndarray | float) -> np.ndarray:
    """Of bonds: breaking a single one is more than making it of a double one."""
    return _ORDER * np.abs(orders - others) + _SIGMA * ((orders == 0) != (others == 0))


def _atom_changes(own: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Of hydrogens and charges, the first axis."""
    hydrogens, charges = np.abs(own - others)
    return _HYDROGEN * hydrogens + _CHARGE * charges


def _assigned(prices: np.ndarray) -> np.ndarray:
    """The cheapest assignment that pairs equal kinds; there is one, the elements being balanced."""
    from scipy.optimize import linear_sum_assignment

    finite = np.where(np.isinf(prices), 1e6, prices)
    return linear_sum_assignment(finite)[1]
