"""What the drawings need to know of elements."""

from typing import Any

import numpy as np

_NONMETALS = np.array([1, 2, *range(5, 11), *range(14, 19), *range(32, 37), *range(51, 55), 85, 86])


def is_metal(numbers: Any) -> np.ndarray:
    """Whether each atomic number is a metal's, shape of `numbers`: no bonds are drawn between metal atoms."""
    return ~np.isin(np.asarray(numbers), _NONMETALS)


def viewer_elements(numbers: np.ndarray) -> dict[str, Any]:
    """Symbol of each atom, covalent radii by symbol [Å], and which of the symbols are metals."""
    from ase.data import chemical_symbols

    from adiabat.analysis import bonded_radii

    kinds = np.unique(numbers)
    names = [chemical_symbols[int(kind)] for kind in kinds]
    radii = dict(zip(names, np.round(bonded_radii(kinds), 3).tolist(), strict=True))
    metals = [name for name, metal in zip(names, is_metal(kinds), strict=True) if metal]
    return {"symbols": [chemical_symbols[int(k)] for k in numbers], "radii": radii, "metals": metals}
