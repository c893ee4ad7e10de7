"""Splitting samples into training and validation."""

from collections.abc import Sequence

import numpy as np

from adiabat.base import ConfigError, DataError
from adiabat.data.fingerprint import duplicate_groups
from adiabat.data.references import is_isolated_atom
from adiabat.data.sample import Sample


def split(
    samples: Sequence[Sample], valid_fraction: float = 0.05, seed: int = 0
) -> tuple[list[Sample], list[Sample]]:
    """Training and validation samples, drawn at random; copies of one structure stay together.

    Free atoms always belong to training. The order within each part is that of `samples`.

    Args:
        samples: at least two different structures.
        valid_fraction: share of the samples for validation, at least one structure.
        seed: the same seed and samples give the same split.

    Raises:
        ConfigError: `valid_fraction` is not between 0 and 1.
        DataError: fewer than two different structures.
    """
    if not 0 < valid_fraction < 1:
        raise ConfigError(f"valid_fraction must lie between 0 and 1, got {valid_fraction}", "0.05 is usual")
    groups = duplicate_groups(samples)
    free = np.array([is_isolated_atom(sample) for sample in samples], dtype=bool)
    candidates = np.unique(groups[~free])
    if len(candidates) < 2:
        raise DataError(
            f"cannot split {len(samples)} samples: they hold {len(candidates)} different structures",
            "a training needs at least two structures that are not free atoms",
        )
    wanted = max(1, round(valid_fraction * int(np.sum(~free))))
    sizes = np.bincount(groups)
    chosen: list[int] = []
    count = 0
    for group in np.random.default_rng(seed).permutation(candidates):
        # A large group of copies is passed over when it would overshoot; something must be left to train on.
        if count >= wanted or len(chosen) == len(candidates) - 1:
            break
        if not chosen or count + sizes[group] <= wanted:
            chosen.append(int(group))
            count += int(sizes[group])
    in_valid = np.isin(groups, chosen)
    train = [sample for sample, held in zip(samples, in_valid, strict=True) if not held]
    return train, [sample for sample, held in zip(samples, in_valid, strict=True) if held]
