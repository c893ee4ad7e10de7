"""Bins along variables."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adiabat.base import ConfigError


@dataclass(frozen=True)
class Bins:
    """Bins of equal widths along each of one or more variables.

    Attributes:
        edges: of those along each variable, ascending; the upper end of the last belongs to it.
    """

    edges: tuple[np.ndarray, ...]

    @classmethod
    def of(
        cls,
        values: np.ndarray,
        bins: int | Sequence[int],
        limits: Sequence[tuple[float, float]] | None = None,
    ) -> "Bins":
        """So many within limits, by default those of values, shape (n, d).

        Raises:
            ConfigError: other numbers of bins or limits than of variables, or a single bin along one.
        """
        d = values.shape[-1]
        ends = list(zip(values.min(0), values.max(0), strict=True)) if limits is None else list(limits)
        counts = [int(bins)] * d if isinstance(bins, int) else list(bins)
        if len(counts) != d or np.shape(ends) != (d, 2):
            raise ConfigError(f"{d} variables need {d} limits and numbers of bins, got {ends} and {counts}")
        if min(counts) < 2:
            raise ConfigError(
                f"free energies in {min(counts)} bins have nothing to compare with", "take 2 bins or more"
            )
        pairs = zip(ends, counts, strict=True)
        return cls(tuple(np.linspace(low, high, count + 1) for (low, high), count in pairs))

    @property
    def middles(self) -> tuple[np.ndarray, ...]:
        """Of the bins along each variable."""
        return tuple(0.5 * (edges[1:] + edges[:-1]) for edges in self.edges)

    @property
    def shape(self) -> tuple[int, ...]:
        """How many bins along each variable."""
        return tuple(len(edges) - 1 for edges in self.edges)

    def places(self, values: np.ndarray) -> np.ndarray:
        """The number of the bin that each of some values, shape (..., d), is in, the last variable running
        fastest; -1 where it is in none."""
        found = np.zeros(values.shape[:-1], np.int64)
        inside = np.ones(values.shape[:-1], bool)
        for column, edges in zip(np.moveaxis(values, -1, 0), self.edges, strict=True):
            place = np.searchsorted(edges, column, side="right") - 1
            place = np.where(column == edges[-1], len(edges) - 2, place)
            inside &= (place >= 0) & (place < len(edges) - 1)
            found = found * (len(edges) - 1) + place
        return np.where(inside, found, -1)

    def sums(self, places: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """The weight in each bin, shape (n_bins,), of what is at places that `places` gave."""
        return np.bincount(places + 1, weights, int(np.prod(self.shape)) + 1)[1:]


def goes_around(middles: np.ndarray, period: float | None) -> bool:
    """Whether bins of equal widths go all the way around a variable that repeats, so that the last is next to
    the first."""
    return period is not None and bool(np.isclose(len(middles) * (middles[1] - middles[0]), period))
