"""Covariances of molecules by how alike they are."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from adiabat.properties.fingerprints import Counts, Known

_BLOCK = 256


class Kernel(NamedTuple):
    """k = sum of alike * Tanimoto, over fingerprints, + near * exp(-d^2 / 2 length^2), with d^2 the mean over
    descriptors and inputs of the squared differences, + sum of summed * c . c', over counts c of parts, of
    which values are a sum; `noise` is the variance of a measurement."""

    alike: tuple[float, ...]
    near: float
    length: float
    noise: float
    summed: tuple[float, ...] = ()

    def __call__(self, apart: "Apart") -> np.ndarray:
        """Covariances."""
        found = self.nearness(apart)
        for alike, tanimoto in zip(self.alike, apart.tanimoto, strict=True):
            found += alike * tanimoto
        for summed, products in zip(self.summed, apart.products, strict=True):
            found += summed * products
        return found

    def nearness(self, apart: "Apart") -> np.ndarray:
        """The part of descriptors and inputs."""
        found = apart.squared * (-0.5 / self.length**2)
        np.exp(found, out=found)
        found *= self.near
        return found

    def variance(self, apart: "Apart") -> np.ndarray:
        """Of the values of molecules, without the noise, shape (n,)."""
        found = np.full(len(apart.squared), sum(self.alike) + self.near)
        for summed, squares in zip(self.summed, apart.squares, strict=True):
            found += summed * squares
        return found


class Apart(NamedTuple):
    """How alike some molecules are to others, and how far apart.

    Attributes:
        tanimoto: by each fingerprint, shape (n, m) each.
        squared: distances by descriptors and inputs, shape (n, m).
        products: scalar ones of parts, by each way to divide molecules, shape (n, m) each.
        squares: of the parts of each with themselves, shape (n,) each.
    """

    tanimoto: tuple[np.ndarray, ...]
    squared: np.ndarray
    products: tuple[np.ndarray, ...] = ()
    squares: tuple[np.ndarray, ...] = ()

    def of(self, columns: np.ndarray) -> "Apart":
        """Those of all to some."""
        if np.array_equal(columns, np.arange(self.squared.shape[1])):
            return self
        tanimoto, products = (
            tuple(one[:, columns] for one in some) for some in (self.tanimoto, self.products)
        )
        return Apart(tanimoto, self.squared[:, columns], products, self.squares)


class Described(NamedTuple):
    """What a process is told of molecules.

    Attributes:
        counts: by each fingerprint, shape (n, n_places) each.
        scaled: descriptors and inputs in units of their spread, shape (n, n_numbers).
        parts: counts, each in units of their norm in the mean, shape (n, n_places) each.
    """

    counts: tuple[Counts, ...]
    scaled: np.ndarray
    parts: tuple[Counts, ...] = ()

    def taken(self, index: np.ndarray | slice) -> "Described":
        """Those with these numbers."""
        counts, parts = (tuple(one[index] for one in some) for some in (self.counts, self.parts))
        return Described(counts, self.scaled[index], parts)


class Compared:
    """Molecules that others are compared with again and again."""

    def __init__(self, described: Described):
        self._known, self._scaled = tuple(map(Known, described.counts)), described.scaled
        self._parts = tuple(map(_Parts, described.parts))

    def __call__(self, described: Described) -> Apart:
        """How alike others are to them."""
        pairs = zip(self._known, described.counts, strict=True)
        tanimoto = tuple(known.similarities(counts) for known, counts in pairs)
        products = tuple(one(parts) for one, parts in zip(self._parts, described.parts, strict=True))
        squares = tuple(np.asarray((parts**2).sum(axis=1)) for parts in described.parts)
        return Apart(tanimoto, _squared_distances(described.scaled, self._scaled), products, squares)


class _Parts:
    """Parts of molecules, to be multiplied by those of others: without the places that none of them has."""

    def __init__(self, parts: Counts):
        self._places = np.unique(parts.indices)
        self._dense = parts[:, self._places].toarray().T.copy()

    def __call__(self, parts: Counts) -> np.ndarray:
        """Scalar products, shape (n, n_known)."""
        return parts[:, self._places] @ self._dense


def covariances(kernel: Kernel, described: Described) -> np.ndarray:
    """K without the noise, some rows at a time, shape (n, n)."""
    others, count = Compared(described), len(described.scaled)
    found = np.empty((count, count), order="F")
    for rows in blocks(count):
        found[:, rows] = kernel(others(described.taken(rows))).T
    return found


def blocks(count: int) -> Iterator[slice]:
    """Few at a time, which bounds the memory."""
    for start in range(0, count, _BLOCK):
        yield slice(start, min(start + _BLOCK, count))


def _squared_distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Means over the numbers, shape (n_one, n_other)."""
    squares = one @ (-2 * other.T)
    squares += (one**2).sum(axis=1)[:, None]
    squares += (other**2).sum(axis=1)
    np.maximum(squares, 0.0, out=squares)
    squares /= one.shape[1]
    return squares
