"""Labelled structures: samples and their keys, splits, references of the free atoms, checks, labelers.

Files are read by `adiabat.io`; batches for a network are made in `adiabat.training`.
"""

from adiabat.data.checks import Finding, Preflight, preflight, preflight_head
from adiabat.data.describe import describe
from adiabat.data.read import open_samples, read_samples, write_samples
from adiabat.data.references import compositions, find_isolated_atoms, fit_references, without_isolated_atoms
from adiabat.data.sample import Sample
from adiabat.data.split import split

__all__ = [
    "Finding",
    "Preflight",
    "Sample",
    "compositions",
    "describe",
    "find_isolated_atoms",
    "fit_references",
    "open_samples",
    "preflight",
    "preflight_head",
    "read_samples",
    "split",
    "without_isolated_atoms",
    "write_samples",
]
