"""Binding affinities of ligands: from the ligands of a series, from their poses in a protein, and by docking.

Interaction energies by a learned potential with a classical environment belong in `adiabat.hybrid` when it
comes: they are one more score of each ligand, and `kendall`, `compare_orderings` and `calibrate` judge and
calibrate any score.
"""

from adiabat.properties.affinity.agreement import (
    Difference,
    Ordering,
    compare_orderings,
    kendall,
    mean_kendall,
    ordering,
)
from adiabat.properties.affinity.calibrate import Calibrated, calibrate
from adiabat.properties.affinity.complexes import Complex, make_complexes
from adiabat.properties.affinity.docking import (
    Box,
    Docked,
    Docker,
    prepare_receptor,
    read_docked,
    write_docked,
)
from adiabat.properties.affinity.ligands import Ligand, read_ligands
from adiabat.properties.affinity.model import (
    AffinityModel,
    LeftOut,
    Series,
    fit_affinity_model,
    load_affinity_model,
    save_affinity_model,
)
from adiabat.properties.affinity.own_series import SeriesTest, judge_series
from adiabat.properties.affinity.poses import failed_checks, pose_rmsd
from adiabat.properties.affinity.protein import Protein, read_protein
from adiabat.properties.affinity.values import Known, read_known, to_pk

__all__ = [
    "AffinityModel",
    "Box",
    "Calibrated",
    "Complex",
    "Difference",
    "Docked",
    "Docker",
    "Known",
    "LeftOut",
    "Ligand",
    "Ordering",
    "Protein",
    "Series",
    "SeriesTest",
    "calibrate",
    "compare_orderings",
    "failed_checks",
    "fit_affinity_model",
    "judge_series",
    "kendall",
    "load_affinity_model",
    "make_complexes",
    "mean_kendall",
    "ordering",
    "pose_rmsd",
    "prepare_receptor",
    "read_docked",
    "read_known",
    "read_ligands",
    "read_protein",
    "save_affinity_model",
    "to_pk",
    "write_docked",
]
