"""Contributions of atoms and fragments drawn on a molecule, with a legend."""

import html
from collections.abc import Mapping

import numpy as np

from adiabat.report.formatting import number
from adiabat.report.molecules import inline

_SIZE = 400, 250
_LEGEND = 46
_STEPS = 41
# Lowers, nothing, raises (ColorBrewer's RdBu): told apart also by those who see no red or no green.
_LOW, _NONE, _HIGH = (0.26, 0.58, 0.76), (1.0, 1.0, 1.0), (0.94, 0.54, 0.38)
# Atoms with less than this share of the largest contribution get no number.
_TOLD = 0.25


def contribution_drawing(
    smiles: str, values: np.ndarray, limit: float, unit: str, notes: Mapping[int, str] | None = None
) -> str:
    """A molecule with its atoms colored by what they bring, and a legend, as SVG on white (RDKit).

    Args:
        smiles: standardized.
        values: of its atoms, shape (n_atoms,).
        limit: the value of the strongest color.
        unit: of the values, for the legend.
        notes: beside atoms; by default the larger values.
    """
    from rdkit import Chem
    from rdkit.Chem.Draw import rdMolDraw2D

    mol = Chem.MolFromSmiles(smiles)
    for atom, text in (_told(values) if notes is None else notes).items():
        mol.GetAtomWithIdx(atom).SetProp("atomNote", text)
    colors = {atom: color(value / limit) for atom, value in enumerate(values)}
    joined = [
        bond.GetIdx()
        for bond in mol.GetBonds()
        if values[bond.GetBeginAtomIdx()] == values[bond.GetEndAtomIdx()]
    ]
    drawer = rdMolDraw2D.MolDraw2DSVG(*_SIZE)
    options = drawer.drawOptions()
    options.useBWAtomPalette()
    options.annotationFontScale = 0.65
    options.padding = 0.1
    options.highlightRadius = 0.4
    rdMolDraw2D.PrepareAndDrawMolecule(
        drawer,
        mol,
        highlightAtoms=list(colors),
        highlightAtomColors=colors,
        highlightBonds=joined,
        highlightBondColors={bond: colors[mol.GetBondWithIdx(bond).GetBeginAtomIdx()] for bond in joined},
    )
    drawer.FinishDrawing()
    return _with_legend(inline(drawer.GetDrawingText()), limit, unit)


def color(share: float) -> tuple[float, float, float]:
    """Of a value, as a share of the largest; red, green and blue from 0 to 1."""
    end = _HIGH if share > 0 else _LOW
    part = min(abs(share), 1.0)
    return tuple(float(n + part * (e - n)) for n, e in zip(_NONE, end, strict=True))  # pyright: ignore[reportReturnType]


def _told(values: np.ndarray) -> dict[int, str]:
    large = np.flatnonzero(np.abs(values) >= _TOLD * max(np.abs(values).max(), 1e-12))
    # RDKit has no glyph for the proper minus.
    return {int(atom): signed(float(values[atom]), 2).replace("−", "-") for atom in large}


def signed(value: float, digits: int = 3) -> str:
    """A number with its sign."""
    return f"{'+' if value > 0 else ''}{number(value, digits)}"


def _with_legend(drawing: str, limit: float, unit: str) -> str:
    width, height = _SIZE[0], _SIZE[1] + _LEGEND
    left, top, step = 0.25 * width, _SIZE[1] + 4, 0.5 * width / _STEPS
    parts = [f'<rect width="{width}" height="{height}" fill="#fff"/>', drawing]
    for k, share in enumerate(np.linspace(-1, 1, _STEPS)):
        place = f'x="{left + k * step:.2f}" y="{top}" width="{step + 0.5:.2f}" height="10"'
        parts.append(f'<rect {place} fill="{_hex(float(share))}"/>')
    ends = signed(-limit, 2), "0", f"{signed(limit, 2)} {html.escape(unit)}"
    for k, text in enumerate(ends):
        place = f'x="{left + 0.25 * k * width:.1f}" y="{top + 24}" text-anchor="middle"'
        parts.append(f'<text {place} font-size="12" font-family="sans-serif" fill="#222">{text}</text>')
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{"".join(parts)}</svg>'


def _hex(share: float) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in color(share))
