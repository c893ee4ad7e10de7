"""Force fields that OpenMM has assigned (doi 10.1021/acs.jpcb.3c06662), as potentials of adiabat."""

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from adiabat.base import MissingDependencyError, UnsupportedError
from adiabat.base.units import KJ_PER_MOL
from adiabat.potentials import (
    AbstractPotential,
    AllPairs,
    HarmonicAngles,
    HarmonicBonds,
    PeriodicTorsions,
    SumPotential,
)

if TYPE_CHECKING:
    import openmm  # pyright: ignore[reportMissingImports]

_NANOMETER = 10.0  # Å
# What has no energy.
_IGNORED = {"CMMotionRemover", "AndersenThermostat", "MonteCarloBarostat"}


def potential_from_openmm(system: "openmm.System") -> AbstractPotential:  # pyright: ignore[reportAttributeAccessIssue]
    """The energy of an `openmm.System` as a sum of potentials: bonds, angles, torsions, and all pairs.

    It is for molecules in vacuum, without a cut-off and with flexible bonds, as
    `forcefield.createSystem(topology, nonbondedMethod=NoCutoff, constraints=None, rigidWater=False)` gives
    them. Atoms keep their order. The unit of charge is that of `scipy.constants`, which differs from
    OpenMM's by some 1e-9.

    Args:
        system: what OpenMM made of a topology and a force field.

    Raises:
        MissingDependencyError: OpenMM is not installed.
        UnsupportedError: a force of another kind, constraints, virtual sites, or a cut-off.

    Example:
        >>> potential = potential_from_openmm(forcefield.createSystem(pdb.topology))
    """
    try:
        import openmm  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise MissingDependencyError(
            "force fields are read through OpenMM, which is not installed",
            "pip install 'adiabat[openmm]'",
        ) from error
    if not isinstance(system, openmm.System):  # pyright: ignore[reportAttributeAccessIssue]
        raise UnsupportedError(
            f"expected an openmm.System, got a {type(system).__name__}",
            "make it by forcefield.createSystem(topology)",
        )
    _check(system)
    readers = {
        "HarmonicBondForce": _bonds,
        "HarmonicAngleForce": _angles,
        "PeriodicTorsionForce": _torsions,
        "NonbondedForce": _all_pairs,
    }
    found: dict[str, list[AbstractPotential]] = defaultdict(list)
    for force in system.getForces():
        kind = type(force).__name__
        if kind in _IGNORED:
            continue
        if kind not in readers:
            raise UnsupportedError(
                f"the force field has a {kind}, which has no potential here",
                f"known are {', '.join(readers)}; choose a force field of those, such as amber14-all.xml",
            )
        term = readers[kind](force)
        if term is not None:
            found[kind].append(term)
    terms = [term for kind in readers for term in found[kind]]
    if not terms:
        raise UnsupportedError("the system has no forces", "make it by forcefield.createSystem(topology)")
    return terms[0] if len(terms) == 1 else SumPotential(terms=tuple(terms))


def _check(system: Any) -> None:
    """Raises UnsupportedError for what is fixed instead of having an energy."""
    if system.getNumConstraints():
        raise UnsupportedError(
            f"the system has {system.getNumConstraints()} constraints in the place of springs",
            "createSystem(..., constraints=None, rigidWater=False)",
        )
    virtual = sum(system.isVirtualSite(atom) for atom in range(system.getNumParticles()))
    if virtual:
        raise UnsupportedError(
            f"{virtual} of the system's particles are virtual sites, not atoms",
            "choose a model without virtual sites, such as tip3p for water",
        )


def _columns(rows: list[list[Any]], members: int) -> tuple[np.ndarray, ...]:
    """The atoms of each term (n_terms, members), and an array of each of its parameters."""
    table = np.array(rows, np.float64)
    return table[:, :members].astype(np.int32), *table[:, members:].T


def _bonds(force: Any) -> AbstractPotential | None:
    rows = [_bare(force.getBondParameters(k)) for k in range(force.getNumBonds())]
    if not rows:
        return None
    atoms, length, stiffness = _columns(rows, 2)
    return HarmonicBonds(
        atoms=atoms, length=length * _NANOMETER, stiffness=stiffness * KJ_PER_MOL / _NANOMETER**2
    )


def _angles(force: Any) -> AbstractPotential | None:
    rows = [_bare(force.getAngleParameters(k)) for k in range(force.getNumAngles())]
    if not rows:
        return None
    atoms, angle, stiffness = _columns(rows, 3)
    return HarmonicAngles(atoms=atoms, angle=angle, stiffness=stiffness * KJ_PER_MOL)


def _torsions(force: Any) -> AbstractPotential | None:
    rows = [_bare(force.getTorsionParameters(k)) for k in range(force.getNumTorsions())]
    rows = [row for row in rows if row[-1] != 0]
    if not rows:
        return None
    atoms, periodicity, phase, barrier = _columns(rows, 4)
    return PeriodicTorsions(atoms=atoms, barrier=barrier * KJ_PER_MOL, periodicity=periodicity, phase=phase)


def _all_pairs(force: Any) -> AbstractPotential:
    if force.getNonbondedMethod() != force.NoCutoff:
        raise UnsupportedError(
            "the force field cuts its pairs off, or repeats them periodically",
            "createSystem(..., nonbondedMethod=openmm.app.NoCutoff)",
        )
    if force.getNumParticleParameterOffsets() or force.getNumExceptionParameterOffsets():
        raise UnsupportedError("the charges or radii of the force field depend on global parameters")
    rows = [_bare(force.getParticleParameters(atom)) for atom in range(force.getNumParticles())]
    charge, sigma, epsilon = np.array(rows, np.float64).T
    charges = np.outer(charge, charge)
    sigmas = 0.5 * (sigma[:, None] + sigma)  # Lorentz and Berthelot, the only rule of OpenMM
    epsilons = np.sqrt(np.outer(epsilon, epsilon))
    for k in range(force.getNumExceptions()):
        first, second, product, length, depth = _bare(force.getExceptionParameters(k))
        for i, j in ((first, second), (second, first)):
            charges[i, j], sigmas[i, j], epsilons[i, j] = product, length, depth
    return AllPairs(epsilon=epsilons * KJ_PER_MOL, sigma=sigmas * _NANOMETER, charges=charges)


def _bare(values: list[Any]) -> list[Any]:
    """Without their units, which are OpenMM's own: nm, kJ/mol, rad, e."""
    from openmm import unit  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue]

    return [v.value_in_unit_system(unit.md_unit_system) if unit.is_quantity(v) else v for v in values]
