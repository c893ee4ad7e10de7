"""Labelled sets that cost nothing: Lennard-Jones argon."""

from collections.abc import Callable

import numpy as np
import pytest

from adiabat.data import Sample
from adiabat.potentials import LennardJones
from adiabat.system import System, neighbor_list
from adiabat.testing import systems

ARGON = LennardJones(epsilon=0.0104, sigma=3.4, cutoff=6.0)


def argon_samples(count: int, n_atoms: int = 13, seed: int = 0) -> list[Sample]:
    """Displaced clusters of argon with the energies and forces of Lennard-Jones."""
    random = np.random.default_rng(seed)
    found = []
    for frame in range(count):
        start = systems.argon_cluster(n_atoms)
        positions = np.asarray(start.positions) + 0.15 * random.normal(size=(start.n_atoms, 3))
        system = System.create(start.numbers, positions)
        prediction = ARGON(system, neighbor_list(system, ARGON.cutoff))
        found.append(
            Sample(
                system,
                energy=float(prediction.energy),
                forces=np.asarray(prediction.forces),
                source="argon",
                frame=frame,
            )
        )
    return found


@pytest.fixture(scope="session")
def make_argon() -> Callable[..., list[Sample]]:
    return argon_samples


@pytest.fixture(scope="session")
def argon() -> list[Sample]:
    return argon_samples(60)
