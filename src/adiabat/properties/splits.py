"""Parts of a table to train on, to choose by and to test with."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np

from adiabat.base import ConfigError, DataError
from adiabat.properties.fingerprints import fingerprints

Method = Literal["random", "scaffold", "cluster"]
SIZES = (0.8, 0.1, 0.1)
# Molecules as alike as this are of one cluster.
CLUSTER_SIMILARITY = 0.4
_NAMES = {
    "train": ("train", "training"),
    "valid": ("valid", "val", "validation", "dev"),
    "test": ("test", "testing", "holdout"),
}


class Split(NamedTuple):
    """Numbers of the molecules of each part, ascending."""

    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray


def split_randomly(count: int, sizes: Sequence[float] = SIZES, seed: int = 0) -> Split:
    """Shuffled.

    Args:
        count: of molecules.
        sizes: shares of training, validation and test.
        seed: the same seed, the same split.

    Raises:
        ConfigError: shares that are negative, or do not add up to one.
        DataError: too few molecules for each part to have one.
    """
    return split_groups(np.arange(count), sizes, seed)


def split_molecules(
    smiles: Sequence[str], method: Method = "scaffold", sizes: Sequence[float] = SIZES, seed: int = 0
) -> Split:
    """Such that related molecules are in one part: a test of how a model does on new chemistry.

    `scaffold`: those of one framework of rings and linkers with its atoms (Bemis and Murcko 1996,
    doi 10.1021/jm9602928), handedness aside; molecules without rings are of one. `cluster`: those as alike as
    0.4 by the count-Morgan fingerprints of a leader. How groups are dealt out: `split_groups`.

    Args:
        smiles: standardized.
        method: how.
        sizes: shares of training, validation and test.
        seed: the same seed, the same split.

    Raises:
        ConfigError: another method, or shares that do not add up to one.
        DataError: too few molecules, or groups.
    """
    if method not in get_args(Method):
        raise ConfigError(f"there is no split {method!r}", f"choose one of {', '.join(get_args(Method))}")
    if method == "random":
        return split_randomly(len(smiles), sizes, seed)
    groups = _numbers(scaffolds(smiles)) if method == "scaffold" else clusters(smiles)
    return split_groups(groups, sizes, seed)


def split_groups(groups: np.ndarray, sizes: Sequence[float] = SIZES, seed: int = 0) -> Split:
    """Molecules with equal numbers stay together; shape (n_molecules,).

    Groups larger than half of validation or test come to training first; the others are dealt out in random
    order, so that the parts have about the sizes asked for. With scaffolds that is the balanced split of
    chemprop (Yang et al. 2019, doi 10.1021/acs.jcim.9b00237), but for molecules for which no part has room:
    they go to the part that lacks most, there to the test. DeepChem and MoleculeNet sort scaffolds by size
    instead, so that there is one split, and its test has the rarest ones only.

    Raises:
        ConfigError, DataError: as `split_molecules`.
    """
    shares = _shares(sizes)
    wanted = shares * len(groups)
    random = np.random.default_rng(seed)
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    shuffled = [members[k] for k in random.permutation(len(members))]
    smallest = min(wanted[1:][wanted[1:] > 0], default=np.inf)
    shuffled.sort(key=lambda rows: len(rows) <= max(1, smallest / 2))  # stable: large ones come first
    parts: list[list[np.ndarray]] = [[], [], []]
    filled = np.zeros(3)
    for rows in shuffled:
        # Into the first part with room, training first; where none has, into the one that lacks most.
        room = wanted - filled
        fits = np.flatnonzero(room >= len(rows) - 0.5)
        part = int(fits[0]) if len(fits) else int(np.argmax(room))
        parts[part].append(rows)
        filled[part] += len(rows)
    found = Split(*(np.sort(np.concatenate(p)) if p else np.array([], int) for p in parts))
    return _checked(found, shares)


def split_by_column(values: Sequence[str]) -> Split:
    """By a column that says train, valid (or val) and test of each molecule; without any valid, one in ten of
    training is taken at random.

    Raises:
        DataError: another word, or no molecule to train on or to test with.
    """
    words = np.array([value.strip().lower() for value in values])
    known = {alias: part for part, aliases in _NAMES.items() for alias in aliases}
    unknown = sorted(set(words.tolist()) - set(known))
    if unknown:
        raise DataError(f"a column of parts says train, valid or test, not {unknown[0]!r}")
    part = np.array([known[word] for word in words.tolist()])
    train, valid, test = (np.flatnonzero(part == name) for name in _NAMES)
    if not len(valid) and len(train) > 1:
        inner = split_randomly(len(train), (0.9, 0.1, 0.0))
        train, valid = train[inner.train], train[inner.valid]
    return _checked(Split(train, valid, test), np.ones(3))


def split_by_time(values: Sequence[str], sizes: Sequence[float] = SIZES) -> Split:
    """The earliest to train on, the latest to test with. Dates as 2024-05-31, or numbers such as years.
    Molecules of one time are in one part, so that parts may be larger or smaller than asked for.

    Raises:
        DataError: a cell that is neither.
        ConfigError: shares that do not add up to one.
    """
    times = _times(values)
    order = np.argsort(times, kind="stable")
    shares = _shares(sizes)
    ends = np.round(np.cumsum(shares) * len(order)).astype(int)[:2]
    # Where the next time begins; the nearest one ends a part, unless the part was to have all.
    steps = np.flatnonzero(np.diff(times[order]) > 0) + 1
    if len(steps):
        near = steps[np.abs(steps[:, None] - ends).argmin(axis=0)]
        ends = np.where(ends < len(order), near, ends)
    return _checked(Split(*(np.sort(part) for part in np.split(order, ends))), shares)


def scaffolds(smiles: Sequence[str]) -> list[str]:
    """The framework of rings of each molecule, with its linkers; empty for one without rings."""
    from rdkit.Chem.Scaffolds.MurckoScaffold import MurckoScaffoldSmiles

    return [MurckoScaffoldSmiles(text, includeChirality=False) for text in smiles]


def clusters(smiles: Sequence[str]) -> np.ndarray:
    """Numbers of the clusters: each molecule joins the first leader it is alike to, or leads a new one."""
    from rdkit.DataStructs import BulkTanimotoSimilarity

    leaders, found = [], np.empty(len(smiles), int)
    for k, own in enumerate(fingerprints(smiles, stereo=False)):
        fits = np.flatnonzero(np.array(BulkTanimotoSimilarity(own, leaders)) >= CLUSTER_SIMILARITY)
        found[k] = fits[0] if len(fits) else len(leaders)
        if not len(fits):
            leaders.append(own)
    return found


def _shares(sizes: Sequence[float]) -> np.ndarray:
    """Shares of training, which gets some, validation and test."""
    shares = np.asarray(sizes, float)
    if shares.shape != (3,) or (shares < 0).any() or abs(shares.sum() - 1) > 1e-6 or shares[0] == 0:
        raise ConfigError(f"shares of training, validation and test must add up to one, got {tuple(sizes)}")
    return shares


def _numbers(names: Sequence[str]) -> np.ndarray:
    return np.unique(np.array(names, dtype=str), return_inverse=True)[1]


def _times(values: Sequence[str]) -> np.ndarray:
    try:
        found = np.array([float(value) for value in values])
    except ValueError:
        found = np.array([_seconds(value.strip()) for value in values])
    if (unknown := np.flatnonzero(~np.isfinite(found))).size:
        raise DataError(f"a column of times has {values[unknown[0]]!r}", "write dates as 2024-05-31")
    return found


def _seconds(text: str) -> float:
    """Since 1970; not a number where the text is no date."""
    try:
        found = np.datetime64(text, "s")
    except ValueError:
        return np.nan
    return np.nan if np.isnat(found) else float(found.astype(float))


def _checked(split: Split, shares: np.ndarray) -> Split:
    for name, part, share in zip(Split._fields, split, shares, strict=True):
        if share > 0 and not len(part):
            raise DataError(
                f"nothing is left for {name}: there are too few molecules, or groups of them",
                "choose another split, or other sizes",
            )
    return split
