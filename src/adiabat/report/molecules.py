"""Molecules and reactions drawn flat."""

import re
from collections.abc import Sequence
from xml.sax.saxutils import escape

_SIZE = (210, 150)
_IN_A_ROW = 4
_REACTION, _LEGEND = (420, 150), 20


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


def reaction_drawings(reactions: Sequence[str], legends: Sequence[str]) -> str:
    """Reactions below each other, two in a row, each with a line of text, as SVG (RDKit).

    Args:
        reactions: atom-mapped SMILES.
        legends: one line for each.
    """
    width, height = _REACTION
    row = height + _LEGEND
    parts = []
    for k, (text, legend) in enumerate(zip(reactions, legends, strict=True)):
        x, y = width * (k % 2), row * (k // 2)
        parts.append(_reaction(text).replace("<svg", f"<svg x='{x}' y='{y}'", 1))
        parts.append(
            f"<text x='{x + width / 2}' y='{y + height + 14}' text-anchor='middle' "
            f"font-family='sans-serif' font-size='13'>{escape(legend)}</text>"
        )
    size = width * min(2, len(reactions)), row * -(-len(reactions) // 2)
    box = f"width='{size[0]}px' height='{size[1]}px' viewBox='0 0 {size[0]} {size[1]}'"
    white = f"<rect width='{size[0]}' height='{size[1]}' fill='#FFFFFF'/>"
    return f"<svg xmlns='http://www.w3.org/2000/svg' {box}>{white}{''.join(parts)}</svg>"


def _reaction(text: str) -> str:
    from rdkit.Chem import rdChemReactions
    from rdkit.Chem.Draw import rdMolDraw2D

    # Numbers of the map would cover what is drawn.
    reaction = rdChemReactions.ReactionFromSmarts(re.sub(r":\d+\]", "]", text), useSmiles=True)
    drawer = rdMolDraw2D.MolDraw2DSVG(*_REACTION)
    drawer.drawOptions().padding = 0.05
    drawer.DrawReaction(reaction)
    drawer.FinishDrawing()
    return inline(drawer.GetDrawingText())


def inline(svg: str) -> str:
    """Without the header of a file of its own."""
    svg = svg[svg.index("<svg") :]
    return re.sub(r"<!--.*?-->", "", svg, flags=re.S).strip()
