"""Message passing that knows computed numbers of many molecules; the graph networks may begin with it."""

import os
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import adiabat
from adiabat.base import DataError
from adiabat.base.archive import read_archive, understood, write_archive
from adiabat.networks.parameters import from_arrays, to_arrays
from adiabat.properties.graphs import N_ATOM_FEATURES, N_BOND_FEATURES
from adiabat.properties.message_passing import MessagePassing

KIND, PRETRAINED_NAME = "message-passing", "pretrained.safetensors"
# What the command line calls what comes with adiabat, and weights drawn at random.
GENERAL, SCRATCH = "general", "scratch"
# Larger is no message passing that anybody trained.
_MAX_WIDTH, _MAX_DEPTH = 4096, 16


class Pretrained(NamedTuple):
    """Weights to begin with.

    Attributes:
        messages: of float32.
        summary: of the training: molecules, targets, how well they are predicted.
    """

    messages: MessagePassing
    summary: dict[str, Any]


@cache
def pretrained() -> Pretrained:
    """What comes with adiabat."""
    return load_pretrained(str(resources.files(__package__) / PRETRAINED_NAME))


def save_pretrained(path: str | os.PathLike, messages: MessagePassing, summary: Mapping[str, Any]) -> None:
    """Writes a file with weights of half precision, replacing an old one at once.

    Raises:
        DataError: the folder cannot be written, or the disk is full.
    """
    arrays = {name: one.astype(np.float16) for name, one in to_arrays(messages, "messages").items()}
    header = {
        "width": messages.width,
        "depth": messages.depth,
        "features": [N_ATOM_FEATURES, N_BOND_FEATURES],
        "summary": dict(summary),
        "versions": {"adiabat": adiabat.__version__},
    }
    write_archive(path, KIND, arrays, header)


def load_pretrained(path: str | os.PathLike) -> Pretrained:
    """The weights in a file or a run folder; "general" is what comes with adiabat.

    Raises:
        DataError: no such file, damaged, of another kind, or of a version that reads molecules otherwise.
    """
    if path == GENERAL:
        return pretrained()
    path = Path(path)
    if path.is_dir():
        path = path / PRETRAINED_NAME
    arrays, header = read_archive(path, KIND)
    with understood(path, "pre-trained message passing"):
        width, depth = int(header["width"]), int(header["depth"])
        if header["features"] != [N_ATOM_FEATURES, N_BOND_FEATURES]:
            raise DataError(
                f"{path} is for other features of atoms and bonds", "make it anew: adiabat property pretrain"
            )
        if not (1 <= width <= _MAX_WIDTH and 1 <= depth <= _MAX_DEPTH):
            raise DataError(f"{path}: a width of {width} and a depth of {depth} are not plausible")
        template = eqx.filter_eval_shape(
            lambda: MessagePassing(width=width, depth=depth, key=jax.random.key(0))
        )
        wide = {name: one.astype(np.float32) for name, one in arrays.items()}
        slots = jax.tree.map(lambda one: jax.ShapeDtypeStruct(one.shape, jnp.float32), template)
        messages = from_arrays(slots, wide, "messages", str(path))
        if not all(np.isfinite(one).all() for one in wide.values()):
            raise DataError(f"{path}: the weights are not finite")
        return Pretrained(messages, dict(header["summary"]))
