"""Forests and boosted trees: grown by scikit-learn, kept and evaluated as arrays."""

import abc
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self, final

import equinox as eqx
import numpy as np

from adiabat.base import DataError
from adiabat.properties.molecules import Molecules
from adiabat.properties.predictor import AbstractPredictor, Estimate, Labels

_BLOCK = 256


class Trees(eqx.Module):
    """Binary trees side by side. A molecule goes left where its feature is not above the threshold.

    Attributes:
        roots: the first node of each tree, shape (n_trees,).
        feature: asked at each node, shape (n_nodes,).
        threshold: shape (n_nodes,).
        left: the nodes to go to, shape (n_nodes,); a leaf goes to itself.
        right: as `left`.
        value: of the leaves, shape (n_nodes,).
        depth: of the deepest tree.
    """

    roots: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray
    depth: int

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """The leaf of each molecule in each tree.

        Args:
            features: shape (n_molecules, n_features), float32.

        Returns:
            shape (n_molecules, n_trees).
        """
        found = np.empty((len(features), len(self.roots)), np.float32)
        for start in range(0, len(features), _BLOCK):
            part = features[start : start + _BLOCK]
            rows = np.arange(len(part))[:, None]
            node = np.tile(self.roots, (len(part), 1))
            for _ in range(self.depth):
                stays = part[rows, self.feature[node]] <= self.threshold[node]
                node = np.where(stays, self.left[node], self.right[node])
            found[start : start + _BLOCK] = self.value[node]
        return found

    @classmethod
    def joined(cls, trees: Sequence[Mapping[str, np.ndarray]]) -> Self:
        """Trees given as arrays each: feature, threshold, left, right, value, and where a `leaf` is."""
        sizes = np.array([len(tree["value"]) for tree in trees])
        roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32)
        own = np.arange(sizes.sum(), dtype=np.int32)
        leaf = np.concatenate([tree["leaf"] for tree in trees]).astype(bool)

        def whole(name: str) -> np.ndarray:
            return np.concatenate([tree[name] for tree in trees])

        def children(name: str) -> np.ndarray:
            return np.where(leaf, own, whole(name) + np.repeat(roots, sizes)).astype(np.int32)

        left, right = children("left"), children("right")
        return cls(
            roots=roots,
            feature=np.where(leaf, 0, whole("feature")).astype(np.int32),
            threshold=np.where(leaf, 0.0, whole("threshold")).astype(np.float64),
            left=left,
            right=right,
            value=whole("value").astype(np.float32),
            depth=_depth(roots, left, right, leaf),
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """What is stored beside the depth."""
        return {name: getattr(self, name) for name in _ARRAYS}

    @classmethod
    def restored(cls, arrays: Mapping[str, np.ndarray], depth: int) -> Self:
        """The trees with these arrays.

        Raises:
            DataError: they lead out of the arrays.
        """
        trees = cls(**{name: arrays[name] for name in _ARRAYS}, depth=int(depth))
        return _checked(trees)


class _Grown(AbstractPredictor):
    """Trees for each target.

    Attributes:
        trees: of each target.
        used: features that the trees may ask, of all there are, shape (n_used,).
    """

    trees: eqx.AbstractVar[tuple[Trees, ...]]
    used: eqx.AbstractVar[np.ndarray]

    @classmethod
    def _fit(cls, molecules: Molecules, labels: Labels, seed: int) -> Self:
        features = features_of(molecules)
        # What no two molecules share teaches nothing of others.
        used = np.flatnonzero((features != features[:1]).sum(axis=0) > 1)
        features = np.ascontiguousarray(features[:, used])
        trees = []
        for target, values in enumerate(labels.values.T):
            known = np.flatnonzero(~np.isnan(values))
            trees.append(cls._grow(features[known], values[known], bool(labels.classes[target]), seed))
        return cls(trees=tuple(trees), used=used)  # pyright: ignore[reportCallIssue]

    @staticmethod
    @abc.abstractmethod
    def _grow(features: np.ndarray, values: np.ndarray, is_class: bool, seed: int) -> Trees:
        """Trees for one target."""

    def stored(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays = {
            f"{target}.{name}": array
            for target, trees in enumerate(self.trees)
            for name, array in trees.arrays().items()
        }
        return arrays | {"used": self.used}, {"depths": [trees.depth for trees in self.trees]}

    @classmethod
    def restored(cls, arrays: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> Self:
        trees = tuple(
            Trees.restored({name: arrays[f"{target}.{name}"] for name in _ARRAYS}, depth)
            for target, depth in enumerate(settings["depths"])
        )
        return cls(trees=trees, used=arrays["used"])  # pyright: ignore[reportCallIssue]


@final
class Forest(_Grown):
    """A random forest (Breiman 2001, doi 10.1023/A:1010933404324) on count-Morgan fingerprints and
    descriptors."""

    trees: tuple[Trees, ...]
    used: np.ndarray
    kind: ClassVar[str] = "forest"

    def predict(self, molecules: Molecules) -> Estimate:
        features = features_of(molecules)[:, self.used]
        leaves = [trees(features) for trees in self.trees]
        return Estimate(
            np.stack([found.mean(axis=1, dtype=float) for found in leaves], axis=1),
            np.stack([found.std(axis=1, dtype=float) for found in leaves], axis=1),
        )

    @staticmethod
    def _grow(features: np.ndarray, values: np.ndarray, is_class: bool, seed: int) -> Trees:
        from sklearn.ensemble import RandomForestRegressor

        # Of a class the mean of zeros and ones is its share in a leaf.
        leaf = 3 if is_class else 1
        forest = RandomForestRegressor(
            n_estimators=300, max_features=0.2, min_samples_leaf=leaf, random_state=seed, n_jobs=-1
        )
        forest.fit(features, values)
        return Trees.joined([_of_forest(tree.tree_) for tree in forest.estimators_])


@final
class Boosting(_Grown):
    """Trees that correct each other (Friedman 2001, doi 10.1214/aos/1013203451) on count-Morgan fingerprints
    and descriptors, by histograms."""

    trees: tuple[Trees, ...]
    used: np.ndarray
    kind: ClassVar[str] = "boosting"

    def predict(self, molecules: Molecules) -> Estimate:
        features = features_of(molecules)[:, self.used]
        mean = np.stack([trees(features).sum(axis=1, dtype=float) for trees in self.trees], axis=1)
        return Estimate(mean, np.zeros_like(mean))

    @staticmethod
    def _grow(features: np.ndarray, values: np.ndarray, is_class: bool, seed: int) -> Trees:  # noqa: ARG004
        return boosted(features, values, seed)


# Numbers of a table that one thread boosts as fast as several.
_SMALL = 4_000_000


def boosted(features: np.ndarray, values: np.ndarray, seed: int, rounds: int = 400) -> Trees:
    """Trees whose sum is the value.

    Args:
        features: shape (n_molecules, n_features), float32.
        values: shape (n_molecules,).
        seed: of the features that each split may ask.
        rounds: trees, one after the other.

    Raises:
        DataError: a version of scikit-learn that keeps its trees in another way.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    boosting = HistGradientBoostingRegressor(
        learning_rate=0.05,
        max_iter=rounds,
        max_leaf_nodes=16,
        min_samples_leaf=5,
        l2_regularization=1.0,
        max_features=0.2,
        early_stopping=False,  # pyright: ignore[reportArgumentType]
        random_state=seed,
    )
    # It does not change the result. Below, threads wait for each other longer than they work.
    with threadpool_limits(1 if features.size < _SMALL else None, user_api="openmp"):
        boosting.fit(features, values)
    start = {"leaf": [True], "feature": [0], "threshold": [0.0], "left": [0], "right": [0]}
    start = {name: np.array(cells) for name, cells in start.items()}
    start["value"] = np.ravel(boosting._baseline_prediction)
    grown = [_of_boosting(stage[0].nodes) for stage in boosting._predictors]
    trees = Trees.joined([start, *grown])
    # Their arrays are scikit-learn's own affair, and may mean something else in another version.
    sample = features[:64]
    if not np.allclose(trees(sample).sum(axis=1), boosting.predict(sample), atol=1e-3):
        raise DataError("the trees of this version of scikit-learn are not understood")
    return trees


_ARRAYS = ("roots", "feature", "threshold", "left", "right", "value")


def features_of(molecules: Molecules) -> np.ndarray:
    """Fingerprints, descriptors and inputs side by side, shape (n_molecules, n_features), float32."""
    parts = (molecules.counts, molecules.descriptors, molecules.inputs)
    return np.concatenate([part.astype(np.float32) for part in parts], axis=1)


def _of_forest(tree: Any) -> dict[str, np.ndarray]:
    return {
        "leaf": tree.children_left < 0,
        "feature": tree.feature,
        "threshold": tree.threshold,
        "left": tree.children_left,
        "right": tree.children_right,
        "value": tree.value[:, 0, 0],
    }


def _of_boosting(nodes: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "leaf": nodes["is_leaf"],
        "feature": nodes["feature_idx"],
        "threshold": nodes["num_threshold"],
        "left": nodes["left"].astype(np.int64),
        "right": nodes["right"].astype(np.int64),
        "value": nodes["value"],
    }


def _depth(roots: np.ndarray, left: np.ndarray, right: np.ndarray, leaf: np.ndarray) -> int:
    """Of the deepest tree."""
    depth, level = 0, roots[~leaf[roots]]
    while len(level):
        depth += 1
        level = np.concatenate([left[level], right[level]])
        level = level[~leaf[level]]
    return depth


def _checked[T: Trees](trees: T) -> T:
    """Refuses trees that lead out of the arrays."""
    count = len(trees.value)
    inside = all(
        array.ndim == 1 and ((array >= 0) & (array < count)).all()
        for array in (trees.roots, trees.left, trees.right)
    )
    if not (inside and len(trees.feature) == len(trees.threshold) == len(trees.left) == count):
        raise DataError("the trees of the model do not fit together")
    return trees
