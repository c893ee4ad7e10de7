"""Files with structures in them, in and out: text formats, `.npz`, DeePMD folders, the H5MD trajectory.

What the values mean (labels, splits, checks) belongs in `adiabat.data`; model files in `adiabat.networks`.
"""

from adiabat.io.frame import Frame
from adiabat.io.read import read_frames, read_systems
from adiabat.io.write import write_extxyz

__all__ = ["Frame", "read_frames", "read_systems", "write_extxyz"]
