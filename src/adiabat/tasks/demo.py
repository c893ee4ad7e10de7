"""`adiabat demo`: the whole main job, no data needed."""

import os
from typing import Any

from adiabat.tasks.learn import learn

# The enol of acetylacetone: rotors, a conjugated chain, a strong internal hydrogen bond.
MOLECULE = "CC(=O)C=C(C)O"
MINUTES = 4.8


def demo(*, out: str | os.PathLike, resume: bool = False, force: bool = False) -> dict[str, Any]:
    """`learn` of acetylacetone's enol, about five minutes on two cores.

    Args:
        out: the run folder.
        resume: go on with the run in the folder.
        force: start over.

    Returns:
        As `learn`.
    """
    return learn(MOLECULE, out=out, minutes=MINUTES, resume=resume, force=force)
