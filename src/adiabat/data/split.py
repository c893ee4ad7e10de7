"""Splitting samples into training and validation."""

from collections.abc import Sequence

import numpy as np

from adiabat.base import ConfigError, DataError
from adiabat.data.fingerprint import duplicate_groups
from adiabat.data.sample import Sample
from adiabat.data.stored import kinds_of, prints_of, taken

# Validated with at most about so many atoms: forty validations are to take a small part of a training.
MAX_VALID_ATOMS = 100_000


def split(
    samples: Sequence[Sample], valid_fraction: float = 0.05, seed: int = 0
) -> tuple[Sequence[Sample], list[Sample]]:
    """Training and validation samples, drawn at random; copies of one structure stay together.

    Free atoms always belong to training. The order within each part is that of `samples`. Samples that stay
    in their files do so in the training part.

    Args:
        samples: at least two different structures.
        valid_fraction: share of the samples for validation, at least one structure, and at most about
            100 000 atoms.
        seed: the same seed and samples give the same split.

    Raises:
        ConfigError: `valid_fraction` is not between 0 and 1.
        DataError: fewer than two different structures.
    """
    if not 0 < valid_fraction < 1:
        raise ConfigError(f"valid_fraction must lie between 0 and 1, got {valid_fraction}", "0.05 is usual")
    groups = duplicate_groups(prints_of(samples))
    kinds, kind = kinds_of(samples)
    free = np.array([one.is_free_atom for one in kinds], bool)[kind]
    n_atoms = np.array([len(one.numbers) for one in kinds])[kind]
    candidates = np.unique(groups[~free])
    if len(candidates) < 2:
        raise DataError(
            f"cannot split {len(samples)} samples: they hold {len(candidates)} different structures",
            "a training needs at least two structures that are not free atoms",
        )
    affordable = round(MAX_VALID_ATOMS / float(np.mean(n_atoms[~free])))
    wanted = max(1, min(round(valid_fraction * int(np.sum(~free))), affordable))
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
    train, valid = (taken(samples, np.flatnonzero(part)) for part in (~in_valid, in_valid))
    return train, list(valid)
