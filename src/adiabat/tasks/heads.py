"""The other heads of a training: labels of other methods, and what a model is not to forget."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from adiabat.base import ConfigError, DataError
from adiabat.base.runs import RunFolder
from adiabat.data import (
    Sample,
    find_isolated_atoms,
    open_samples,
    read_samples,
    split,
    without_isolated_atoms,
    write_samples,
)
from adiabat.data.stored import elements_of
from adiabat.networks import LearnedPotential, load_model
from adiabat.training import Evaluation, Head, evaluate
from adiabat.training.batches import Bucket
from adiabat.training.start import SCRATCH

if TYPE_CHECKING:
    from adiabat.tasks.train import DataOptions

# The head of what a model is not to forget, and where its labels are.
KEPT, LABELS = "kept", "kept.xyz"
# What a training with heads writes beside its main model.
MAKES = (LABELS, "model-*.safetensors")


def model_name(head: str) -> str:
    """The name of a head's model file."""
    return f"model-{head}.safetensors"


def read_heads(options: "DataOptions", cutoff: float, seed: int) -> list[Head]:
    """The labels of the other methods, a part of each held out."""
    found = []
    for name, files in options.heads.items():
        samples = open_samples(files, cutoff=cutoff)
        isolated = find_isolated_atoms(samples)
        train, valid = split(without_isolated_atoms(samples), options.valid_fraction, seed=seed)
        found.append(Head(name, train, valid, isolated if elements_of(train) <= set(isolated) else None))
    return found


def structures_to_keep(options: "DataOptions") -> Sequence[Sample]:
    """The structures of which a model is to go on saying what it says; none where none are given.

    Raises:
        DataError: a file that cannot be read, or holds free atoms only.
    """
    if options.keep is None:
        return []
    found = without_isolated_atoms(read_samples(options.keep, require=()))
    if not found:
        raise DataError(f"{options.keep} holds free atoms only", "give structures of what is to be kept")
    return found


def kept(
    structures: Sequence[Sample], begun_from: str, run: RunFolder, valid_fraction: float, seed: int
) -> Head:
    """What a model says of structures, as labels; they are left in the folder of `run`.

    Args:
        structures: whatever their own labels are.
        begun_from: the model.
        run: the training's folder.
        valid_fraction: part that is held out.
        seed: of the choice.

    Raises:
        ConfigError: there is no model.
        UnsupportedError: an element that the model does not know.
    """
    if begun_from == SCRATCH:
        raise ConfigError(
            "--keep is for what a model knows, and this training begins with fresh weights",
            "say which model to go on from: --from MODEL",
        )
    teacher, path = load_model(begun_from), run.path / LABELS
    if not path.exists():
        write_samples(path, evaluate(teacher, structures).predicted())
    train, valid = split(read_samples(path), valid_fraction, seed=seed)
    return Head(KEPT, train, valid, dict(zip(teacher.elements, teacher.references.tolist(), strict=True)))


def evaluate_heads(
    potentials: Sequence[LearnedPotential], heads: Sequence[Head], compiled: Sequence[Bucket]
) -> dict[str, Evaluation]:
    """What each head's potential says of the samples that were held out."""
    return {
        f"valid {head.name}": evaluate(potential, head.valid, compiled=compiled)
        for potential, head in zip(potentials, heads, strict=True)
    }
