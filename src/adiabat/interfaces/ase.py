"""Any potential as a calculator of the Atomic Simulation Environment (doi 10.1088/1361-648X/aa680e)."""

from typing import Any, ClassVar

import ase
import jax
import numpy as np
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from adiabat.dynamics import DEFAULT_SKIN, VerletList, evaluate
from adiabat.potentials import AbstractPotential
from adiabat.system import System


class AdiabatCalculator(Calculator):
    """Energy, forces, stress and atom energies for `ase.Atoms`, in ASE's units and conventions; charges and,
    for molecules, the dipole about the center of mass, if the potential has them.

    Energies are summed in double precision whatever JAX is set to. The neighbor list has a skin and is made
    anew only when atoms have moved or the cell has changed; nothing is compiled again as long as the numbers
    of atoms and of neighbors stay. The total charge and the number of unpaired electrons are taken from
    `atoms.info["charge"]` and `["spin"]`.

    Args:
        potential: what to evaluate.
        skin: of the neighbor list [Å].

    Example:
        >>> atoms.calc = AdiabatCalculator(potential)
        >>> atoms.get_forces()
    """

    implemented_properties: ClassVar[list[str]] = [
        *("energy", "free_energy", "forces", "stress", "energies"),
        *("charges", "dipole"),
    ]

    def __init__(self, potential: AbstractPotential, skin: float = DEFAULT_SKIN, **settings: Any):
        super().__init__(**settings)
        self.potential = potential
        self._prepared = potential.for_inference()
        self.verlet_list = VerletList(potential.cutoff, skin)

    def calculate(
        self,
        atoms: ase.Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Fills `results`; ASE calls it when atoms have changed.

        Raises:
            UnsupportedError: an element that the potential does not know.
            DataError: coordinates that are not finite, two atoms at one place.
            PropertyNotImplementedError: a stress, unless all three directions are periodic; a dipole, if any
                is; charges or a dipole of a potential that has none.
        """
        super().calculate(atoms, properties, system_changes)
        assert isinstance(self.atoms, ase.Atoms)
        system = System.from_ase(self.atoms)
        if "stress" in (properties or ()) and not system.is_periodic:
            raise PropertyNotImplementedError(
                "a stress needs a cell that is periodic along all three directions"
            )
        self.potential.check(system)
        with jax.enable_x64(True):
            self._prepared = self._prepared.for_systems([system])
            neighbors = self.verlet_list.update(system)
            prediction = jax.tree.map(np.asarray, evaluate(self._prepared, system, neighbors))
        energy = float(prediction.energy)
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "forces": prediction.forces.astype(np.float64),
            "energies": prediction.atom_energies.astype(np.float64),
        }
        if prediction.stress is not None:
            self.results["stress"] = full_3x3_to_voigt_6_stress(prediction.stress)
        for name in ("charges", "dipole"):
            value = getattr(prediction, name)
            if value is not None:
                self.results[name] = value.astype(np.float64)
            elif name in (properties or ()):
                raise PropertyNotImplementedError(
                    f"the potential gives no {name} of this structure: its training set had no dipoles, or "
                    "the structure is periodic"
                )


def calculator(potential: AbstractPotential) -> AdiabatCalculator:
    """The ASE calculator of a potential."""
    return AdiabatCalculator(potential)
