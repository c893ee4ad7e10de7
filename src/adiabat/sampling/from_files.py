"""Variables whose reference structures or functions are in a file, for configurations."""

from typing import Annotated

from adiabat.base.schema import Beside
from adiabat.io import read_systems
from adiabat.sampling.learned import LearnedVariable
from adiabat.sampling.superposition import RMSD, PathDistance, PathProgress
from adiabat.sampling.variable_file import load_variable


def rmsd_from_file(
    *, reference: Annotated[str, Beside()], atoms: list[int] | None = None, name: str = "rmsd"
) -> RMSD:
    """The root-mean-square distance from the first structure of a file [Å], see `RMSD`.

    Args:
        reference: a structure file, as seen from the settings file, with the atoms in the order of the
            simulation.
        atoms: which of them count, numbered from 0; by default all.
        name: under which it is recorded.

    Raises:
        DataError: the file cannot be read.
        ConfigError: it has too few atoms.
    """
    return RMSD(reference=read_systems(reference, ":1")[0], atoms=atoms, name=name)


def path_from_file(
    *,
    frames: Annotated[str, Beside()],
    atoms: list[int] | None = None,
    sharpness: float | None = None,
    name: str = "path",
) -> PathProgress:
    """How far along the structures of a file one is, see `PathProgress`.

    Args:
        frames: a file of structures, as seen from the settings file, with the atoms in the order of the
            simulation.
        atoms: which of them count, numbered from 0; by default all.
        sharpness: [1/Å^2]; by default 2.3 over the mean squared distance between neighbors.
        name: under which it is recorded.

    Raises:
        DataError: the file cannot be read.
        ConfigError: it has fewer than two structures.
    """
    return PathProgress(frames=read_systems(frames), atoms=atoms, sharpness=sharpness, name=name)


def off_path_from_file(
    *,
    frames: Annotated[str, Beside()],
    atoms: list[int] | None = None,
    sharpness: float | None = None,
    name: str = "off_path",
) -> PathDistance:
    """How far off the structures of a file one is [Å^2], see `PathDistance`.

    Args:
        frames: a file of structures, as seen from the settings file, with the atoms in the order of the
            simulation.
        atoms: which of them count, numbered from 0; by default all.
        sharpness: [1/Å^2]; by default 2.3 over the mean squared distance between neighbors.
        name: under which it is recorded.

    Raises:
        DataError: the file cannot be read.
        ConfigError: it has fewer than two structures.
    """
    return PathDistance(frames=read_systems(frames), atoms=atoms, sharpness=sharpness, name=name)


def learned_from_file(
    *, file: Annotated[str, Beside()], component: int = 0, name: str = "slow"
) -> LearnedVariable:
    """A slow mode that `adiabat variables` has learned from trajectories, see `LearnedVariable`.

    Args:
        file: that the command wrote, `.safetensors`, as seen from the settings file.
        component: which mode, 0 being the slowest.
        name: under which it is recorded.

    Raises:
        DataError: the file cannot be read.
        ConfigError: there is no such mode.
    """
    return load_variable(file, component, name)
