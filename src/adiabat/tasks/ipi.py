"""`adiabat ipi`: forces for i-PI, and for whatever else speaks its protocol."""

import os
from typing import TYPE_CHECKING

from adiabat.base import ConfigError, DataError
from adiabat.tasks import precision
from adiabat.tasks.structure import as_potential, as_system

if TYPE_CHECKING:
    import ase

    from adiabat.potentials import AbstractPotential
    from adiabat.system import System

PORT = 31415
"""i-PI's own."""


def ipi(
    model: "AbstractPotential | str | os.PathLike",
    structure: "System | ase.Atoms | str | os.PathLike",
    *,
    unix: str | None = None,
    host: str = "localhost",
    port: int = PORT,
) -> int:
    """Answers an i-PI server (doi 10.1063/5.0215869) with energy, forces and virial until it ends.

    The connection is ASE's. Stop the server first: it waits for forces that it has asked for.

    Args:
        model: a potential, a model file, a run folder or a potential file.
        structure: the atoms in i-PI's order; their positions and cell come from i-PI.
        unix: address of a server on this machine that has `mode="unix"`, in the place of host and port.
        host: machine that the server runs on.
        port: where it listens.

    Returns:
        How many times forces were asked for.

    Raises:
        ConfigError: no server answers there.
        UnsupportedError: an element the model does not know.
        DataError: a file cannot be read.
    """
    precision.enable()
    from ase.calculators.socketio import SocketClient

    from adiabat.interfaces import calculator

    potential, system = as_potential(model), as_system(structure)
    potential.check(system)
    atoms = system.to_ase()
    atoms.calc = calculator(potential)
    where = f"unix socket {unix!r}" if unix is not None else f"{host}:{port}"
    try:
        client = SocketClient(unixsocket=unix) if unix is not None else SocketClient(host=host, port=port)
    except OSError as error:
        raise ConfigError(
            f"no i-PI server answers at {where}: {error.strerror or error}",
            "start i-pi first, and give the address that its input names",
        ) from error
    answered = 0
    try:
        for _ in client.irun(atoms, use_stress=system.is_periodic):
            answered += 1
    except OSError as error:
        raise DataError(f"the i-PI server at {where} broke off: {error}") from error
    return answered
