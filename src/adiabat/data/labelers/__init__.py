"""Reference methods that put energies and forces on structures: GFN-xTB through tblite, calculators of ASE.

A new method is one file with one final subclass of `AbstractLabeler` and one line in `labelers`. What chooses
the structures belongs in `adiabat.generate`.
"""

from adiabat.base.registry import Registry
from adiabat.data.labelers.cache import LabelCache
from adiabat.data.labelers.labeler import AbstractLabeler, Labels, is_labelled

labelers = Registry(
    "method",
    {
        "gfn2": "adiabat.data.labelers.xtb:GFN2",
        "gfn1": "adiabat.data.labelers.xtb:GFN1",
        "emt": "adiabat.data.labelers.calculators:EMT",
        "lj": "adiabat.data.labelers.calculators:LennardJones",
    },
    group="adiabat.labelers",
)

__all__ = ["AbstractLabeler", "LabelCache", "Labels", "is_labelled", "labelers"]
