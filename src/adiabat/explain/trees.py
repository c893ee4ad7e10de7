"""Contributions to what trees say: exact Shapley values of their features, then of atoms."""

import numpy as np
from scipy.special import beta

from adiabat.explain.anatomy import Anatomy
from adiabat.properties.trees import Boosting, Forest, Trees, features_of

# Trees that are gone through together: bounds the memory.
_TREES = 25
# A feature whose shares cancel by more than this is divided by their sizes.
_CANCELLING = 4.0


def tree_shapley(trees: Trees, features: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    """Exact Shapley values of the sum of trees, a feature that is absent having the value of a baseline
    (interventional TreeSHAP: Lundberg et al. 2020, doi 10.1038/s42256-019-0138-9).

    A leaf is reached by the sets that hold all features X that had to be those of the molecule on the way,
    and none of Z, which had to be those of the baseline. So it gives each of X its value times (|X| - 1)!
    |Z|! / (|X| + |Z|)!, and takes from each of Z its value times |X|! (|Z| - 1)! / (|X| + |Z|)!.

    Args:
        trees: of one target.
        features: of a molecule, shape (n_features,).
        baseline: likewise.

    Returns:
        shape (n_features,); the sum is that of the trees less that of the baseline.
    """
    found = np.zeros(len(features))
    for start in range(0, len(trees.roots), _TREES):
        found += _of_some(trees, trees.roots[start : start + _TREES], features, baseline)
    return found


def _of_some(trees: Trees, node: np.ndarray, features: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    found = np.zeros(len(features))
    ours = features[trees.feature] <= trees.threshold  # goes left
    theirs = baseline[trees.feature] <= trees.threshold
    asked = np.empty((len(node), 0), np.int32)  # features that decided on the way, -1 where both agreed
    kept = np.empty((len(node), 0), bool)  # whether by the molecule
    while len(node):
        leaf = trees.left[node] == node
        found += _of_leaves(trees.value[node[leaf]], asked[leaf], kept[leaf], len(features))
        node, asked, kept = node[~leaf], asked[~leaf], kept[~leaf]
        feature = trees.feature[node]
        same = asked == feature[:, None]
        by_us, by_them = (same & kept).any(axis=1), (same & ~kept).any(axis=1)
        parting = (ours[node] != theirs[node]) & ~by_us & ~by_them
        left = np.where(by_them, theirs[node], ours[node])
        follow = np.where(left, trees.left[node], trees.right[node])
        other = np.where(theirs[node], trees.left[node], trees.right[node])[parting]
        decided = np.where(parting, feature, -1)[:, None]
        trail = np.append(asked, decided, axis=1)
        ways = np.append(kept, np.ones((len(node), 1), bool), axis=1)
        away = np.append(kept[parting], np.zeros((len(other), 1), bool), axis=1)
        node = np.concatenate([follow, other])
        asked, kept = np.concatenate([trail, trail[parting]]), np.concatenate([ways, away])
    return found


def _of_leaves(value: np.ndarray, asked: np.ndarray, kept: np.ndarray, n_features: int) -> np.ndarray:
    with_us, with_them = (asked >= 0) & kept, (asked >= 0) & ~kept
    ours, theirs = with_us.sum(axis=1), with_them.sum(axis=1)
    # B(x, y + 1) = (x - 1)! y! / (x + y)!; of no features there are none to give it to.
    gives = value * beta(np.maximum(ours, 1), theirs + 1)
    takes = value * beta(np.maximum(theirs, 1), ours + 1)
    each = np.where(with_us, gives[:, None], -takes[:, None])
    used = asked >= 0
    return np.bincount(asked[used], each[used], n_features)


def of_trees(model: Forest | Boosting, anatomy: Anatomy) -> np.ndarray:
    """Contributions of atoms: those of each feature go to the atoms that have shares of it.

    Returns:
        shape (n_atoms, n_targets).
    """
    nothing = anatomy.with_atoms(np.zeros((1, anatomy.n_atoms), bool))
    features, baseline = (features_of(m)[0, model.used] for m in (anatomy.molecule, nothing))
    shares = _divided(anatomy.feature_shares())
    columns = np.zeros((anatomy.n_atoms, len(model.used)))  # inputs belong to no atom, and do not change
    own = model.used < shares.shape[1]
    columns[:, own] = shares[:, model.used[own]]
    found = np.stack([columns @ tree_shapley(one, features, baseline) for one in model.trees], axis=1)
    if isinstance(model, Forest):  # the mean of its trees
        found /= [len(one.roots) for one in model.trees]
    return found


def _divided(shares: np.ndarray) -> np.ndarray:
    """Shares of one; by size where they cancel."""
    total, size = shares.sum(axis=0), np.abs(shares).sum(axis=0)
    cancelling = size > _CANCELLING * np.abs(total)
    shares = np.where(cancelling, np.abs(shares), shares)
    return shares / np.where(cancelling, np.maximum(size, 1e-30), np.where(total == 0, 1.0, total))
