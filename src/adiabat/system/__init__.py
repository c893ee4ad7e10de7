"""What a structure is: atoms in a cell, who is near whom, several structures in one array.

Files belong in `adiabat.io`; energies in `adiabat.potentials`.
"""

from adiabat.system.batch import Batch, batch_systems
from adiabat.system.edges import gather
from adiabat.system.elements import Published, check_elements
from adiabat.system.moments import about_center_of_mass, center_of_mass, dipole_moment
from adiabat.system.neighbors import Neighbors, filled_cell, neighbor_list
from adiabat.system.system import System, cell_heights, repeating_cell

__all__ = [
    "Batch",
    "Neighbors",
    "Published",
    "System",
    "about_center_of_mass",
    "batch_systems",
    "cell_heights",
    "center_of_mass",
    "check_elements",
    "dipole_moment",
    "filled_cell",
    "gather",
    "neighbor_list",
    "repeating_cell",
]
