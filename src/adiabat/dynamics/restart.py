"""Checkpoints of a simulation: everything that the next step depends on."""

import re
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from adiabat.base import ConfigError
from adiabat.base.checkpoints import CheckpointStore
from adiabat.base.digest import digest
from adiabat.dynamics.constraints import Constraints
from adiabat.dynamics.integrator import AbstractIntegrator
from adiabat.dynamics.state import State
from adiabat.dynamics.verlet_list import VerletList
from adiabat.dynamics.verlet_lists import VerletLists
from adiabat.potentials import AbstractPotential
from adiabat.system import Batch, System

KIND = "dynamics"
# Raised when a state gets another part.
_FORMAT = 2
_EXTRA = "extra "
# Settings of which only a hash is kept.
_HASHED = ("potential", "structure", "arrays of the integrator")


class Restart:
    """Saves a simulation in the folder of its run, and takes it up again.

    Args:
        folder: of the run.
        system: the structure the run starts from, hashed.
        potential: whose numbers are hashed, so that a run is not continued with other forces.
        integrator: whose settings must be the same; of replicas all, and how often they exchange.
        record_every: must be the same.
        seed: must be the same.
        momenta: that were given to start with, hashed; None when they are drawn.
        constraints: distances that stay what they are, hashed; None for none.
        prepared: whether the forces come from what `potential.for_inference()` made, whose rounding differs.
    """

    def __init__(
        self,
        folder: Path,
        system: System | Batch,
        potential: AbstractPotential,
        integrator: AbstractIntegrator | tuple[AbstractIntegrator | int | str, ...],
        record_every: int,
        seed: int | tuple[int, ...],
        momenta: np.ndarray | None,
        prepared: bool = False,
        constraints: Constraints | None = None,
    ):
        self.store = CheckpointStore(folder / "checkpoints", KIND)
        integrators = integrator if isinstance(integrator, tuple) else (integrator,)
        self.settings: dict[str, Any] = {
            "format": _FORMAT,
            "integrator": _without_addresses(
                "; ".join(
                    one.description() if isinstance(one, AbstractIntegrator) else str(one)
                    for one in integrators
                )
            ),
            "record_every": record_every,
            "seed": seed if isinstance(seed, int) else list(seed),
            "potential": fingerprint(potential),
            "structure": fingerprint(system),
            "velocities": "drawn" if momenta is None else fingerprint(np.asarray(momenta, np.float64)),
            "compiled by": "the C++ compiler" if prepared else "XLA",
        }
        if any(isinstance(leaf, (jax.Array, np.ndarray)) for leaf in jax.tree.leaves(integrator)):
            # Such as the reference of a variable, of which `repr` says the shape only.
            self.settings["arrays of the integrator"] = fingerprint(integrator)
        self.constraints = constraints
        if constraints is not None:
            self.settings["constraints"] = fingerprint(constraints)

    def save(self, state: State, verlet_list: VerletList | VerletLists, n_frames: int) -> None:
        """Writes a checkpoint, complete or not at all.

        Raises:
            DataError: the disk is full; the checkpoints before it remain.
        """
        near = verlet_list.neighbors
        assert near is not None
        arrays = {
            "positions": state.positions,
            "cell": state.system.cell,
            "momenta": state.momenta,
            "forces": state.forces,
            "energy": state.energy,
            "heat": state.heat,
            "shadow": state.shadow,
            "degrees_of_freedom": state.degrees_of_freedom,
            "key": jax.random.key_data(state.key),
            "reference_positions": near.reference_positions,
            "reference_cell": near.reference_cell,
        }
        if state.stress is not None:
            arrays["stress"] = state.stress
        arrays |= {_EXTRA + name: value for name, value in state.extra.items()}
        header = {
            "settings": self.settings,
            "n_frames": n_frames,
            "skin": verlet_list.skin,
            "capacity": verlet_list.capacity,
        }
        if isinstance(verlet_list, VerletList) and verlet_list.inner is not None:
            header["inner_capacity"] = verlet_list.inner.capacity
        self.store.save(int(state.step), {name: np.asarray(value) for name, value in arrays.items()}, header)

    def load(self, system: System | Batch, verlet_list: VerletList | VerletLists) -> tuple[State, int] | None:
        """The newest state with its number of recorded frames, or None when there is none.

        The neighbor list is made again from the positions it was made from, so that it is the same to the
        bit.

        Raises:
            ConfigError: a setting, the structure or the potential is not the one of the checkpoint.
            DataError: the checkpoints are damaged.
        """
        checkpoint = self.store.latest()
        if checkpoint is None:
            return None
        header, arrays = checkpoint.header, checkpoint.arrays
        for name in self.settings | header["settings"]:
            value, known = (settings.get(name, "none") for settings in (self.settings, header["settings"]))
            if value != known:
                values = f"{name} is {value}, but the run to be resumed has {known}"
                raise ConfigError(
                    f"the {name} of the run to be resumed had other numbers" if name in _HASHED else values,
                    "resume with the same settings and files, or start over with --force",
                )
        verlet_list.skin, verlet_list.capacity = header["skin"], header["capacity"]
        if isinstance(verlet_list, VerletList) and verlet_list.inner is not None:
            verlet_list.inner.capacity = header["inner_capacity"]
        there = eqx.tree_at(
            lambda s: (s.positions, s.cell), system, (arrays["reference_positions"], arrays["reference_cell"])
        )
        verlet_list.build(there)
        now = eqx.tree_at(lambda s: (s.positions, s.cell), system, (arrays["positions"], arrays["cell"]))
        state = State(
            system=jax.tree.map(jnp.asarray, now),
            momenta=jnp.asarray(arrays["momenta"]),
            forces=jnp.asarray(arrays["forces"]),
            energy=jnp.asarray(arrays["energy"]),
            stress=jnp.asarray(arrays["stress"]) if "stress" in arrays else None,
            heat=jnp.asarray(arrays["heat"]),
            shadow=jnp.asarray(arrays["shadow"]),
            step=jnp.asarray(checkpoint.step, jnp.int32),
            degrees_of_freedom=jnp.asarray(arrays["degrees_of_freedom"]),
            key=jax.random.wrap_key_data(jnp.asarray(arrays["key"])),
            extra={
                name.removeprefix(_EXTRA): jnp.asarray(values)
                for name, values in arrays.items()
                if name.startswith(_EXTRA)
            },
            constraints=jax.tree.map(jnp.asarray, self.constraints),
        )
        return state, int(header["n_frames"])


def fingerprint(module: Any) -> str:
    """A hash over all numbers and settings, of a potential or a system."""
    dynamic, static = eqx.partition(module, lambda leaf: isinstance(leaf, (jax.Array, np.ndarray)))
    leaves = jax.tree.leaves_with_path(dynamic)
    return digest(
        _without_addresses(repr(static)),
        *(part for path, leaf in leaves for part in (jax.tree_util.keystr(path), leaf)),
    )


def _without_addresses(text: str) -> str:
    """What `repr` says, without what is another in each process: where functions lie, as in an
    `equinox.nn.MLP`."""
    return re.sub(r" at 0x[0-9a-f]+", "", text)
