"""Properties of molecules and reactions learned from tables of measured values: reading, standardizing,
splitting.

Energies and forces of structures belong in `adiabat.networks` and `adiabat.training`.
"""

from adiabat.properties.curation import Conflict, Curation, curate, joined, rewritten
from adiabat.properties.leakage import Leakage, audit
from adiabat.properties.reaction_splits import audit_reactions, split_reactions
from adiabat.properties.reaction_standardizer import ReactionStandardizer, map_atoms
from adiabat.properties.splits import (
    Split,
    split_by_column,
    split_by_time,
    split_groups,
    split_molecules,
    split_randomly,
)
from adiabat.properties.standardize import Standardizer
from adiabat.properties.table import Rejected, Table, read_table

__all__ = [
    "Conflict",
    "Curation",
    "Leakage",
    "ReactionStandardizer",
    "Rejected",
    "Split",
    "Standardizer",
    "Table",
    "audit",
    "audit_reactions",
    "curate",
    "joined",
    "map_atoms",
    "read_table",
    "rewritten",
    "split_by_column",
    "split_by_time",
    "split_groups",
    "split_molecules",
    "split_randomly",
    "split_reactions",
]
