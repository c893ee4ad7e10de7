"""Model files: one safetensors file with a JSON header; numbers and names, never code."""

import os
from importlib import resources
from pathlib import Path
from typing import Any

import ase.data
import equinox as eqx
import jax
import numpy as np

import adiabat
from adiabat.base import DataError
from adiabat.base.archive import read_archive, understood, write_archive
from adiabat.networks.learned import LearnedPotential
from adiabat.networks.network import AbstractNetwork, networks
from adiabat.networks.parameters import from_arrays, to_arrays
from adiabat.potentials import ZBL, GaussianCharges
from adiabat.system.system import LAST

KIND = "model"
MODEL_NAME = "model.safetensors"
GENERAL = "general"
MAX_HYPERPARAMETER = 4096
# Of the networks' formulas. 2: Bessel functions are divided by their order. A potential with a long range is
# of another, so that versions that do not know of it do not leave it out.
REVISION, LONG_RANGE_REVISION = 2, 3


def save_model(path: str | os.PathLike, potential: LearnedPotential) -> None:
    """Write a model file, replacing an old one at once.

    Raises:
        DataError: the folder cannot be written, or the disk is full.
    """
    network = potential.network
    header = {
        **_described(network),
        "revision": REVISION,
        "elements": [ase.data.chemical_symbols[z] for z in potential.elements],
        "cutoff": potential.cutoff,
        "units": {"energy": "eV", "length": "Å"},
        "repulsion": None
        if potential.repulsion is None
        else {"kind": "zbl", "scale": potential.repulsion.scale, "ends": potential.repulsion.ends},
        "summary": potential.summary,
        "versions": {"adiabat": adiabat.__version__, "jax": jax.__version__},
    }
    arrays = to_arrays(network, prefix="network")
    arrays |= {
        "references": np.asarray(potential.references, np.float64),
        "scale": np.asarray(potential.scale, np.float64),
    }
    if potential.floors is not None:
        arrays["floors"] = np.asarray(potential.floors, np.float32)
    if potential.charges is not None:
        header["charges"] = _described(potential.charges)
        arrays |= to_arrays(potential.charges, prefix="charges")
    if potential.long_range is not None:
        header |= {"revision": LONG_RANGE_REVISION, "long_range": {"width": potential.long_range.width}}
    write_archive(path, KIND, arrays, header)


def general_model() -> LearnedPotential:
    """The model that comes with adiabat."""
    path = str(resources.files(__package__) / "general.safetensors")
    return _rebuild(*read_archive(path, KIND), path)


def load_model(path: str | os.PathLike) -> LearnedPotential:
    """The potential in a model file or in a run folder, or the one called "general" that comes with adiabat.

    A folder of that name is "./general".

    Raises:
        DataError: no such file, damaged, not a model file, or made by an architecture this version lacks.
    """
    if path == GENERAL:
        return general_model()
    path = Path(path)
    if path.is_dir():
        path = path / MODEL_NAME
        if not path.exists():
            raise DataError(
                f"the run folder {path.parent} holds no {MODEL_NAME}",
                "has its training finished? go on with --resume, or name a model file",
            )
    arrays, header = read_archive(path, KIND)
    with understood(path, "a model"):
        return _rebuild(arrays, header, str(path))


def _rebuild(arrays: dict[str, np.ndarray], header: dict[str, Any], source: str) -> LearnedPotential:
    elements = tuple(ase.data.atomic_numbers[symbol] for symbol in header["elements"])
    references, scale = arrays.pop("references"), arrays.pop("scale")
    if references.shape != (len(elements),) or not (np.isfinite(references).all() and np.isfinite(scale)):
        raise DataError(f"{source}: the reference energies do not fit the elements")
    floors = arrays.pop("floors", None)
    if floors is not None and not (floors.shape == references.shape and np.all(floors < np.inf)):
        raise DataError(f"{source}: the floors of the energies do not fit the elements")
    arrays = _brought_up(arrays, header.get("revision", 1), source)
    network = _network(header, arrays, "network", source)
    repulsion, charges, long_range = header["repulsion"], header.get("charges"), header.get("long_range")
    return LearnedPotential(
        network=network,
        elements=elements,
        references=dict(zip(elements, references.tolist(), strict=True)),
        scale=float(scale),
        repulsion=None if repulsion is None else _repulsion(repulsion, network.cutoff),
        floors=floors,
        charges=None if charges is None else _network(charges, arrays, "charges", source),
        long_range=None if long_range is None else GaussianCharges(width=float(long_range["width"])),
        summary=header["summary"],
    )


def _brought_up(arrays: dict[str, np.ndarray], revision: Any, source: str) -> dict[str, np.ndarray]:
    """The arrays that give the same functions by today's formulas."""
    if revision in (REVISION, LONG_RANGE_REVISION):
        return arrays
    if revision != 1:
        raise DataError(
            f"{source} has the formulas of revision {revision}, "
            f"this version knows 1 to {LONG_RANGE_REVISION}",
            "use the version of adiabat that made it",
        )
    # The functions of the distance have become smaller, by half their order.
    return {
        name: values * (np.arange(1, len(values) + 1, dtype=values.dtype) / 2)[:, None]
        if name.endswith(".radial.hidden.weight")
        else values
        for name, values in arrays.items()
    }


def _described(network: AbstractNetwork) -> dict[str, Any]:
    """What it takes, beside the weights, to build a network again."""
    return {"architecture": network.kind, "hyperparameters": network.hyperparameters()}


def _network(
    described: dict[str, Any], arrays: dict[str, np.ndarray], prefix: str, source: str
) -> AbstractNetwork:
    """A network with the weights that are stored under a prefix."""
    cls, hyperparameters = networks.get(described["architecture"]), described["hyperparameters"]
    for name, value in hyperparameters.items():
        if isinstance(value, int) and value > MAX_HYPERPARAMETER:
            raise DataError(f"{source}: hyper-parameter {name} = {value} is not plausible")
    template = eqx.filter_eval_shape(lambda: cls(**hyperparameters, key=jax.random.key(0)))
    network = from_arrays(template, arrays, prefix=prefix, source=source)
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(eqx.filter(network, eqx.is_array))):
        raise DataError(f"{source}: the weights are not finite")
    return network


def _repulsion(header: dict[str, Any], cutoff: float) -> ZBL:
    ends = {(int(first), int(second)): float(end) for first, second, end in header.get("ends", ())}
    for pair, end in ends.items():
        if not (1 <= pair[0] <= pair[1] <= LAST and 0 < end <= cutoff):
            raise DataError(f"a repulsion of elements {pair} that ends at {end} Å is not plausible")
    return ZBL(scale=float(header["scale"]), ends=ends, longest=cutoff)
