"""The dipoles of a molecule along a trajectory, from the charges of a model."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from adiabat.io.trajectory import Trajectory
    from adiabat.potentials import AbstractPotential

_AT_A_TIME = 64
_MAX_ATOMS = 2_000_000  # frames times atoms: about a minute


def trajectory_dipoles(potential: "AbstractPotential", trajectory: "Trajectory") -> np.ndarray | None:
    """Dipoles about the center of mass [e Å], shape (n_frames, 3).

    None where there are none: a potential without charges, a periodic system (a sum of charges that follow
    their surroundings has no meaning there), or so many frames that it would take minutes.

    Args:
        potential: any; that of the run.
        trajectory: at least one frame.

    Raises:
        UnsupportedError: an element that the potential does not know.
    """
    import equinox as eqx
    import jax

    from adiabat.system import dipole_moment, neighbor_list

    n_frames, n_atoms = trajectory.positions.shape[:2]
    if any(trajectory.template.pbc) or n_frames * n_atoms > _MAX_ATOMS:
        return None
    if not np.isfinite(trajectory.positions).all():
        return None
    system = trajectory.system(0)
    potential.check(system)
    # One list does for all frames: it holds every pair of the molecule, and far ones have no weight.
    widest = np.linalg.norm(np.ptp(trajectory.positions, axis=1), axis=-1).max()
    neighbors = neighbor_list(system, max(potential.cutoff, float(widest)))
    if potential.atom_charges(system, neighbors) is None:
        return None

    @eqx.filter_jit
    def dipoles(potential, system, neighbors, positions):
        def one(frame):
            moved = eqx.tree_at(lambda s: s.positions, system, frame)
            return dipole_moment(moved, potential.atom_charges(moved, neighbors))

        return jax.vmap(one)(positions)

    padded = np.concatenate(
        [trajectory.positions, np.repeat(trajectory.positions[-1:], -n_frames % _AT_A_TIME, 0)]
    )
    pieces = np.split(padded.astype(np.float64), len(padded) // _AT_A_TIME)
    return np.concatenate([np.asarray(dipoles(potential, system, neighbors, piece)) for piece in pieces])[
        :n_frames
    ]
