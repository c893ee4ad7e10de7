"""A molecule's energy by a force field of RDKit: a cheap first guess of its shape and its vibrations."""

import numpy as np
from numpy.typing import NDArray

from adiabat.base import UnsupportedError
from adiabat.base.units import KCAL_PER_MOL
from adiabat.system.smiles import conformers, parse_smiles
from adiabat.system.system import System

Array = NDArray[np.float64]


class MolecularMechanics:
    """A molecule under MMFF94 (Halgren, J. Comput. Chem. 17, 490, 1996), as RDKit has it.

    Args:
        smiles: one molecule.
        n_conformers: relaxed conformers to find, at most.
        seed: of the conformers.

    Attributes:
        conformers: distinct minima, the lowest first.

    Raises:
        DataError: not a molecule, or no geometry found.
        UnsupportedError: MMFF94 has no parameters for it.
    """

    def __init__(self, smiles: str, n_conformers: int = 1, seed: int = 0):
        from rdkit import rdBase
        from rdkit.Chem import rdForceFieldHelpers

        self.conformers = conformers(smiles, n_conformers, seed)
        self._mol = parse_smiles(smiles)
        with rdBase.BlockLogs():
            self._properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(self._mol)
        if self._properties is None:
            raise UnsupportedError(f"MMFF94 has no parameters for {smiles!r}")

    @property
    def reference(self) -> System:
        """The lowest conformer."""
        return self.conformers[0]

    @property
    def n_atoms(self) -> int:
        """Atoms of the molecule."""
        return self.reference.n_atoms

    def __call__(self, positions: Array) -> tuple[Array, Array]:
        """Energies (k,) [eV] and forces (k, n_atoms, 3) [eV/Å] at `positions` (k, n_atoms, 3) [Å]."""
        from rdkit import Chem
        from rdkit.Chem import rdForceFieldHelpers

        mol = Chem.Mol(self._mol)
        mol.AddConformer(Chem.Conformer(self.n_atoms))
        field = rdForceFieldHelpers.MMFFGetMoleculeForceField(mol, self._properties)
        conformer = mol.GetConformer()
        positions = np.asarray(positions, np.float64).reshape(-1, self.n_atoms, 3)
        energies, gradients = np.empty(len(positions)), np.empty((len(positions), 3 * self.n_atoms))
        for index, one in enumerate(positions):
            conformer.SetPositions(np.ascontiguousarray(one))
            field.Initialize()  # else it computes gradients with the distances of the call before
            energies[index], gradients[index] = field.CalcEnergy(), field.CalcGrad()
        return KCAL_PER_MOL * energies, -KCAL_PER_MOL * gradients.reshape(positions.shape)
