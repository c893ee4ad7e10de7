"""Parts of a table of reactions, each with its reverse, and what a test could know of its answers."""

import re
from collections.abc import Sequence

import numpy as np

from adiabat.base import ConfigError
from adiabat.properties.fingerprints import nearest, similarities
from adiabat.properties.leakage import ALIKE, Leakage
from adiabat.properties.reaction_smiles import ARROW, either_way
from adiabat.properties.reaction_standardizer import ReactionStandardizer
from adiabat.properties.reactions import Reactions
from adiabat.properties.splits import CLUSTER_SIMILARITY, SIZES, Split, scaffolds, split_groups

METHODS = ("random", "scaffold", "cluster")


def split_reactions(
    reactions: Reactions, method: str = "random", sizes: Sequence[float] = SIZES, seed: int = 0
) -> Split:
    """As `split_molecules`; a reaction stays with its reverse.

    `scaffold`: by the framework of rings of the reactants. `cluster`: those as alike as 0.4, by the
    environments of what reacts, to a leader.

    Raises:
        ConfigError: another method, or shares that do not add up to one.
        DataError: too few reactions, or groups.
    """
    if method not in METHODS:
        raise ConfigError(f"there is no split {method!r}", f"choose one of {', '.join(METHODS)}")
    names, first, which = np.unique(
        np.array([either_way(text) for text in reactions.smiles], str), return_index=True, return_inverse=True
    )
    if method == "scaffold":
        frames = scaffolds([_reactants(reactions.smiles[k]) for k in first])
        groups = np.unique(np.array(frames, str), return_inverse=True)[1]
    elif method == "cluster":
        groups = _clusters(reactions.taken(first).counts)
    else:
        groups = np.arange(len(names))
    return split_groups(groups[which], sizes, seed)


def audit_reactions(train: Reactions, test: Reactions) -> Leakage:
    """Compares the reactions of two parts; one is the same in either direction."""
    known = {either_way(text) for text in train.smiles}
    flat = {_flat(text) for text in train.smiles}
    frames = set(scaffolds(list(map(_reactants, train.smiles)))) - {""}
    rings = [frame for frame in scaffolds(list(map(_reactants, test.smiles))) if frame]
    _, similarity = nearest(test.counts, train.counts)
    return Leakage(
        exact=float(np.mean([either_way(text) in known for text in test.smiles])),
        stereoisomers=float(np.mean([_flat(text) in flat for text in test.smiles])),
        near=float(np.mean(similarity[:, 0] > ALIKE)),
        scaffolds=float(np.mean([frame in frames for frame in rings])) if rings else 0.0,
        median_similarity=float(np.median(similarity[:, 0])),
    )


def _reactants(reaction: str) -> str:
    """Without map numbers."""
    return re.sub(r":\d+\]", "]", reaction.split(ARROW)[0])


def _flat(reaction: str) -> str:
    """In either direction, without stereochemistry."""
    return either_way(ReactionStandardizer()(re.sub(r"[@/\\]", "", reaction)))


def _clusters(counts: np.ndarray) -> np.ndarray:
    """Numbers of the clusters: each joins the first leader it is alike to, or leads a new one."""
    leaders: list[int] = []
    found = np.empty(len(counts), int)
    for k in range(len(counts)):
        alike = similarities(counts[k : k + 1], counts[leaders])[0] if leaders else np.zeros(0)
        fits = np.flatnonzero(alike >= CLUSTER_SIMILARITY)
        found[k] = fits[0] if len(fits) else len(leaders)
        if not len(fits):
            leaders.append(k)
    return found
