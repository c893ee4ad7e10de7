"""Saying so where a model was asked about what it knows nothing of."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import ase.data
import numpy as np

if TYPE_CHECKING:
    from adiabat.networks import LearnedPotential
    from adiabat.potentials import AbstractPotential
    from adiabat.system import System

logger = logging.getLogger(__name__)
NAMED = 5


def warn_of_unknown(
    potential: "AbstractPotential",
    systems: "Sequence[System]",
    atom_energies: Sequence[np.ndarray],
    what: str,
) -> None:
    """One warning that names the first of the structures in which atoms have energies far below those of the
    training set.

    Args:
        potential: the one that was asked, or a sum in which there is one; of a formula there is nothing to
            say.
        systems: what it was asked about.
        atom_energies: what it said [eV], one array of shape (n_atoms,) each; one with a long range is asked
            again, since floors are those of its network.
        what: the structures, in the words of the warning: "structure", "the last frame".
    """
    from adiabat.networks import LearnedPotential
    from adiabat.potentials import SumPotential

    if isinstance(potential, SumPotential):
        learned = [term for term in potential.terms if isinstance(term, LearnedPotential)]
        if learned:
            _warn(learned[0], systems, None, what)
    elif isinstance(potential, LearnedPotential):
        _warn(potential, systems, atom_energies, what)


def _warn(
    potential: "LearnedPotential",
    systems: "Sequence[System]",
    atom_energies: Sequence[np.ndarray] | None,
    what: str,
) -> None:
    """Atom energies that are None are asked for."""
    if atom_energies is None or potential.long_range is not None:
        from adiabat.data import Sample
        from adiabat.training import evaluate

        asked = [Sample(system) for system in systems]
        atom_energies = evaluate(potential.at_short_range, asked).atom_energies
    found = [
        (number, np.flatnonzero(potential.unknown_atoms(np.asarray(system.numbers), np.asarray(energies))))
        for number, (system, energies) in enumerate(zip(systems, atom_energies, strict=True))
    ]
    found = [(number, atoms) for number, atoms in found if len(atoms)]
    if not found:
        return
    number, atoms = found[0]
    symbols = [ase.data.chemical_symbols[int(z)] for z in np.asarray(systems[number].numbers)[atoms]]
    names = ", ".join(f"{symbol}{k}" for symbol, k in zip(symbols, atoms.tolist()[:NAMED], strict=False))
    many = "" if len(atoms) <= NAMED else f" and {len(atoms) - NAMED} more"
    where = what if len(systems) == 1 else f"{what} {number} (the first of {len(found)} such)"
    logger.warning(
        "%s: the energies of atoms %s%s are far below all of the training set: the model knows nothing of "
        "such a structure, and its numbers for it mean nothing",
        where,
        names,
        many,
    )


def warn_of_unknown_system(potential: "AbstractPotential", system: "System", what: str) -> None:
    """The same for one structure, of which the potential is asked here."""
    from adiabat.dynamics import evaluate
    from adiabat.networks import LearnedPotential
    from adiabat.potentials import SumPotential
    from adiabat.system import neighbor_list

    if isinstance(potential, SumPotential):
        warn_of_unknown(potential, [system], [], what)
    elif isinstance(potential, LearnedPotential):
        said = evaluate(
            potential.for_systems([system]).for_inference(), system, neighbor_list(system, potential.cutoff)
        )
        warn_of_unknown(potential, [system], [np.asarray(said.atom_energies)], what)
