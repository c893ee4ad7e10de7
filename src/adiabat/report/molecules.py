"""Molecules drawn flat."""

import re
from collections.abc import Sequence

_SIZE = (210, 150)
_IN_A_ROW = 4


def drawings(smiles: Sequence[str], legends: Sequence[str]) -> str:
    """Molecules side by side on white, each with a line of text, as SVG (RDKit).

    Args:
        smiles: of molecules that RDKit can read.
        legends: one line for each.
    """
    from rdkit import Chem
    from rdkit.Chem.Draw import rdMolDraw2D

    columns = min(_IN_A_ROW, len(smiles))
    rows = -(-len(smiles) // columns)
    drawer = rdMolDraw2D.MolDraw2DSVG(columns * _SIZE[0], rows * _SIZE[1], *_SIZE)
    options = drawer.drawOptions()
    options.legendFontSize = 13
    options.padding = 0.08
    drawer.DrawMolecules([Chem.MolFromSmiles(text) for text in smiles], legends=list(legends))
    drawer.FinishDrawing()
    return inline(drawer.GetDrawingText())


def drawing(smiles: str) -> str:
    """One molecule on white, as SVG (RDKit)."""
    from rdkit import Chem
    from rdkit.Chem.Draw import rdMolDraw2D

    drawer = rdMolDraw2D.MolDraw2DSVG(*_SIZE)
    drawer.drawOptions().padding = 0.08
    rdMolDraw2D.PrepareAndDrawMolecule(drawer, Chem.MolFromSmiles(smiles))
    drawer.FinishDrawing()
    return inline(drawer.GetDrawingText())


def inline(svg: str) -> str:
    """Without the header of a file of its own."""
    svg = svg[svg.index("<svg") :]
    return re.sub(r"<!--.*?-->", "", svg, flags=re.S).strip()
