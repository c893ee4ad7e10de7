"""Files with structures in them, in and out: text formats, `.npz`, HDF5, DeePMD folders, the H5MD trajectory.

What the values mean (labels, splits, checks) belongs in `adiabat.data`; model files in `adiabat.networks`.
"""

from adiabat.io.dataset import write_dataset
from adiabat.io.frame import Frame
from adiabat.io.read import is_hdf5, is_trajectory, open_frames, read_frames, read_systems
from adiabat.io.stored import StoredFrames
from adiabat.io.write import write_extxyz

__all__ = [
    "Frame",
    "StoredFrames",
    "is_hdf5",
    "is_trajectory",
    "open_frames",
    "read_frames",
    "read_systems",
    "write_dataset",
    "write_extxyz",
]
