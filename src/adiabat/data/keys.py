"""Which of the names in a file are the labels: energy, forces, stress, dipole."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adiabat.base import ConfigError, DataError, did_you_mean
from adiabat.data.sample import checked_stress
from adiabat.io import Frame

# `energy`, `REF_energy`, `dft_energy`, `MACE_energy`, ...: the name of a method may stand in front. Any other
# word there (`free_energy`, `interaction_energy`, `fitsnap_stress`) means another quantity or another unit.
METHODS = (
    *(
        "ref",
        "reference",
        "target",
        "true",
        "qm",
        "dft",
        "mace",
        "lda",
        "pbe",
        "pbe0",
        "rpbe",
        "revpbe",
        "scan",
    ),
    *(
        "r2scan",
        "blyp",
        "b3lyp",
        "wb97x",
        "wb97m",
        "mp2",
        "ccsd",
        "ccsdt",
        "cc",
        "xtb",
        "gfn1",
        "gfn2",
        "dftb",
        "vasp",
    ),
)
_METHOD = f"(?:(?:{'|'.join(METHODS)})_)?"
_NAMES = {
    "energy": re.compile(_METHOD + "energy", re.IGNORECASE),
    "forces": re.compile(_METHOD + "forces?", re.IGNORECASE),
    "stress": re.compile(_METHOD + "(?:stress|virials?)", re.IGNORECASE),
    "dipole": re.compile(_METHOD + "dipole", re.IGNORECASE),
}
# What to list first when nothing was found.
_RESEMBLING = {
    "energy": ("ener", "pot", "etot"),
    "forces": ("forc", "grad"),
    "stress": ("stress", "virial"),
    "dipole": ("dipole",),
}
NO_KEY = "none"


@dataclass(frozen=True)
class LabelKeys:
    """The names under which a file holds its labels; None for a label that it does not have."""

    energy: str | None
    forces: str | None
    stress: str | None
    dipole: str | None


def find_keys(frames: Sequence[Frame], asked: Mapping[str, str | None]) -> LabelKeys:
    """The names of the labels in the frames of one file.

    Args:
        frames: of one file.
        asked: the name to use for each label; found by itself if None; "none" for no such label.

    Raises:
        ConfigError: a name that is not in the file, or several that could be meant and differ.
    """
    return LabelKeys(**{label: _find_key(label, key, frames) for label, key in asked.items()})


def _find_key(label: str, asked: str | None, frames: Sequence[Frame]) -> str | None:
    present = _present(label, frames)
    source = frames[0].source
    if asked == NO_KEY:
        return None
    if asked is not None:
        if asked not in present:
            shown = ", ".join(sorted(present)) or "none at all"
            raise ConfigError(
                f"{source}: has no {asked!r}; its keys are: {shown}", did_you_mean(asked, present or [label])
            )
        return asked
    candidates = [key for key in present if _NAMES[label].fullmatch(key)]
    if len(candidates) > 1 and not _all_equal(label, candidates, frames):
        raise ConfigError(
            f"{source}: several keys could be the {label}, and they differ: {', '.join(candidates)}",
            _naming(label, candidates[0]),
        )
    # Where equal values stand under several names, the plain name comes first.
    return min(candidates, key=len) if candidates else None


def _present(label: str, frames: Sequence[Frame]) -> list[str]:
    """Every name that could be asked for, in the order met."""
    per_atom = label == "forces"
    names: dict[str, None] = {}
    for frame in frames:
        names.update(dict.fromkeys(frame.arrays if per_atom else frame.info))
    return list(names)


def _all_equal(label: str, keys: Sequence[str], frames: Sequence[Frame]) -> bool:
    for frame in frames:
        values = [value_of(label, key, frame) for key in keys]
        known = [value for value in values if value is not None]
        if known and len(known) < len(keys):
            return False
        if any(not np.allclose(value, known[0], rtol=1e-6, atol=1e-9) for value in known[1:]):
            return False
    return True


def value_of(label: str, key: str, frame: Frame) -> Any:
    """The label `key` of a frame or None; a virial [eV] becomes the stress -virial / volume."""
    value = (frame.arrays if label == "forces" else frame.info).get(key)
    if label == "dipole" and any(frame.system.pbc):  # that of a cell depends on where it is cut
        return None
    if label != "stress" or value is None:
        return value
    if not frame.system.is_periodic:  # a molecule has no stress, whatever a code writes
        return None
    stress = checked_stress(value, frame.where)
    if stress is not None and "virial" in key.lower():
        return -stress / float(frame.system.volume)
    return stress


def missing_label(label: str, frames: Sequence[Frame]) -> DataError:
    """The error for a file without a label that is needed, naming what it does have."""
    present = _present(label, frames)
    similar = [key for key in present if any(part in key.lower() for part in _RESEMBLING[label])]
    found = ", ".join(similar + [key for key in present if key not in similar][:20]) or "none at all"
    message = f"{frames[0].source}: has no {label} under a known key; its keys are: {found}"
    return DataError(message, _naming(label, (similar or [label])[0]))


def _naming(label: str, key: str) -> str:
    """How a key is named on the command line."""
    return f"name it, for example --{label}-key {key} (in adiabat train: --set data.{label}_key={key})"
