"""`adiabat affinity dock`: poses of ligands in a box of a protein, checked, and scored by a model."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adiabat.base import ConfigError, DataError
from adiabat.base.files import atomic_write
from adiabat.base.progress import progress
from adiabat.base.runs import RunFolder
from adiabat.properties.affinity import (
    AffinityModel,
    Box,
    Complex,
    Docker,
    Ligand,
    Protein,
    failed_checks,
    load_affinity_model,
    make_complexes,
    pose_rmsd,
    prepare_receptor,
    read_docked,
    read_ligands,
    read_protein,
    write_docked,
)
from adiabat.properties.affinity.model import BOTH
from adiabat.properties.affinity.poses import same_skeleton
from adiabat.properties.library import read_library
from adiabat.properties.table import Rejected
from adiabat.tasks.affinity_score import table_csv
from adiabat.tasks.affinity_train import REJECTED
from adiabat.tasks.precision import enable
from adiabat.tasks.property_files import as_csv, cell
from adiabat.tasks.train import REPORT_NAME

POSES, TABLE = "poses.sdf", "poses.csv"
REDOCKED = 2.0
"""A pose at most so far from the known one is right [Å]."""


@dataclass(frozen=True)
class Pose:
    """One docked pose.

    Attributes:
        complex: the ligand in it, with its surroundings.
        number: 1 for the one that Vina likes best.
        energy: Vina's score [kcal/mol].
        failed: checks that it does not pass.
        rmsd: from the known pose [Å], NaN where there is none.
        score: of the affinity model, which tells poses and ligands of one target apart; NaN without a model.
    """

    complex: Complex
    number: int
    energy: float
    failed: tuple[str, ...]
    rmsd: float
    score: float

    @property
    def ligand(self) -> Ligand:
        """In this pose."""
        return self.complex.ligand


@dataclass(frozen=True, eq=False)
class Docking:
    """Finished docking.

    Attributes:
        poses: of all ligands.
        rejected: ligands that could not be docked, with the reason.
        summary: what it says, as JSON holds it.
        folder: of the run.
    """

    poses: list[Pose]
    rejected: list[Rejected]
    summary: dict[str, Any]
    folder: Path

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.folder / REPORT_NAME


def dock_affinity(
    protein: str | os.PathLike,
    ligands: str | os.PathLike,
    *,
    out: str | os.PathLike,
    around: str | os.PathLike | None = None,
    center: Sequence[float] | None = None,
    size: Sequence[float] | None = None,
    model: str | os.PathLike | None = None,
    reference: str | os.PathLike | None = None,
    smiles: str = "smiles",
    n_poses: int = 5,
    exhaustiveness: int = 8,
    cores: int = 1,
    seed: int = 0,
    resume: bool = False,
    force: bool = False,
) -> Docking:
    """Docks molecules, checks and scores the poses, and writes a run folder with poses, a table and a report.

    Args:
        protein: PDB file of whole residues.
        ligands: molecules (.smi, .csv, .sdf ...), protonated as they are to be docked.
        out: the run folder.
        around: SD file of a ligand around which the box is put, with 5 Å on each side; or
        center: of the box [Å], with
        size: its edges [Å].
        model: an affinity model that scores the poses.
        reference: SD file of known poses; those of the same names are compared.
        smiles: the column of SMILES strings in a table.
        n_poses: of each ligand at most.
        exhaustiveness: how long Vina searches.
        cores: to work on.
        seed: of everything random.
        resume: go on with a run that was broken off, after the last ligand that was docked.
        force: start over in a folder that holds a run.

    Raises:
        MissingDependencyError: the extra `docking` is not installed.
        ConfigError: no box, or two.
        DataError: files that cannot be read, or no ligand that could be docked.
    """
    environment = enable()
    box = _box(around, center, size)
    given = {"protein": protein, "ligands": ligands, "model": model, "reference": reference}
    config: dict[str, Any] = {key: os.fspath(path) for key, path in given.items() if path is not None}
    config |= {"center": list(box.center), "size": list(box.size), "n_poses": n_poses}
    config |= {"exhaustiveness": exhaustiveness, "cores": cores, "seed": seed}
    makes = (POSES, TABLE, REJECTED)
    with RunFolder.create(out, "affinity-dock", config, resume=resume, force=force, makes=makes) as run:
        run.note(**environment)
        scorer = None if model is None else load_affinity_model(model)
        known = {} if reference is None else {one.name: one for one in read_ligands(Path(reference))[0]}
        receptor = prepare_receptor(Path(protein))
        docker = Docker(receptor, box, n_poses=n_poses, exhaustiveness=exhaustiveness, cores=cores, seed=seed)
        found, rejected = _docked(docker, ligands, smiles, known, run.path / "checkpoints")
        poses, outside = _judged(found, read_protein(Path(protein)), docker.box, scorer, known)
        rejected += outside
        summary = summary_of(poses, len(rejected))
        atomic_write(run.path / TABLE, table_csv([row_of(pose) for pose in poses]))
        atomic_write(run.path / POSES, _sd_text(poses))
        atomic_write(run.path / REJECTED, as_csv(["row", "ligand", "reason"], rejected))
        run.result(**summary)
        docking = Docking(poses, rejected, summary, run.path)
        _report(run, docking)
        return docking


def summary_of(poses: Sequence[Pose], n_rejected: int) -> dict[str, Any]:
    """How many poses pass all checks, and how often a known pose was found."""
    first = [pose for pose in poses if pose.number == 1]
    summary: dict[str, Any] = {
        "n_ligands": len(first),
        "n_poses": len(poses),
        "n_rejected": n_rejected,
        "passes_all_checks": float(np.mean([not pose.failed for pose in first])),
    }
    compared = [pose for pose in first if not np.isnan(pose.rmsd)]
    if compared:
        names = [pose.ligand.name for pose in compared]
        groups = [[pose for pose in poses if pose.ligand.name == name] for name in names]
        found = {"Vina's first pose": [pose.rmsd for pose in compared]}
        found["any pose"] = [min(pose.rmsd for pose in group) for group in groups]
        if not np.isnan(compared[0].score):
            best = [max(group, key=lambda pose: pose.score) for group in groups]
            found["best pose by the model"] = [pose.rmsd for pose in best]
        summary["redocked"] = {name: _success(np.array(rmsds)) for name, rmsds in found.items()}
    return summary


def row_of(pose: Pose) -> dict[str, str]:
    """A row of the table."""
    return {
        "name": pose.ligand.name,
        "pose": str(pose.number),
        "smiles": pose.ligand.smiles,
        "vina [kcal/mol]": cell(pose.energy),
        "score": cell(pose.score),
        "failed checks": "; ".join(pose.failed),
        "rmsd [Å]": cell(pose.rmsd),
    }


def _box(
    around: str | os.PathLike | None, center: Sequence[float] | None, size: Sequence[float] | None
) -> Box:
    if (around is None) == (center is None) or (center is None) != (size is None):
        raise ConfigError(
            "the box is given either by a ligand or by its center and size",
            "say --around LIGAND.sdf, or --center X,Y,Z --size X,Y,Z",
        )
    if around is not None:
        return Box.around(read_ligands(Path(around))[0][0].positions)
    return Box(tuple(center or ()), tuple(size or ()))


def _docked(
    docker: Docker, path: str | os.PathLike, smiles: str, known: Mapping[str, Ligand], done: Path
) -> tuple[list[tuple[Ligand, int, float]], list[Rejected]]:
    """All poses with their numbers and Vina's scores; what is in the folder `done` was docked before."""
    entries = list(read_library(Path(path), smiles=smiles))
    found: list[tuple[Ligand, int, float]] = []
    rejected: list[Rejected] = []
    with progress("docking", total=len(entries), unit="ligands") as bar:
        for entry in entries:
            name = entry.name or f"ligand {entry.row}"
            try:
                if entry.error:
                    raise DataError(entry.error)
                if any(ligand.name == name for ligand, _, _ in found):
                    raise DataError(f"another ligand {name} was docked before")
                if name in known and not same_skeleton(entry.smiles, known[name].mol):
                    raise DataError(f"the known pose of {name} is of another molecule")
                stored = done / f"docked-{entry.row}.safetensors"
                docked = read_docked(stored) if stored.is_file() else docker(name, entry.smiles)
                write_docked(stored, docked)
                numbered = enumerate(zip(docked.poses, docked.energies.tolist(), strict=False), start=1)
                found += [(pose, number, energy) for number, (pose, energy) in numbered]
            except DataError as error:
                rejected.append(Rejected(entry.row, name, error.message))
            bar.advance(1)
    if not found:
        raise DataError(f"none of {len(entries)} ligands could be docked: {rejected[0].reason}")
    return found, rejected


def _judged(
    found: Sequence[tuple[Ligand, int, float]],
    protein: Protein,
    box: Box,
    model: AffinityModel | None,
    known: Mapping[str, Ligand],
) -> tuple[list[Pose], list[Rejected]]:
    """Poses with all that is said of them, and those that lie nowhere near the protein."""
    kept, outside, _ = make_complexes(protein, [ligand for ligand, _, _ in found])
    scores = np.full(len(kept), np.nan) if model is None else model.score(kept)[BOTH]
    places = {id(ligand): (number, energy) for ligand, number, energy in found}
    poses = []
    for one, score in zip(kept, scores.tolist(), strict=True):
        number, energy = places[id(one.ligand)]
        other = known.get(one.ligand.name)
        rmsd = np.nan if other is None else pose_rmsd(one.ligand.mol, other.mol)
        poses.append(Pose(one, number, energy, tuple(failed_checks(one, box.corners)), rmsd, score))
    return poses, outside


def _success(rmsds: np.ndarray) -> dict[str, Any]:
    """The share within 2 Å with Wilson's 95 % interval (1927, doi 10.1080/01621459.1927.10502953): a
    bootstrap of a few ligands that all succeed would be sure of it."""
    from scipy.stats import binomtest

    right = int((rmsds <= REDOCKED).sum())
    lower, upper = binomtest(right, len(rmsds)).proportion_ci(method="wilson")
    return {
        "share": right / len(rmsds),
        "lower": float(lower),
        "upper": float(upper),
        "n": len(rmsds),
        "median_rmsd": float(np.median(rmsds)),
    }


def _sd_text(poses: Sequence[Pose]) -> str:
    from io import StringIO

    from rdkit import Chem

    text = StringIO()
    writer = Chem.SDWriter(text)
    for pose in poses:
        mol = Chem.AddHs(pose.ligand.mol, addCoords=True)
        mol.SetProp("_Name", pose.ligand.name)
        for key, value in row_of(pose).items():
            if key not in ("name", "smiles") and value:
                mol.SetProp(key, value)
        writer.write(mol)
    writer.close()
    return text.getvalue()


def _report(run: RunFolder, docking: Docking) -> None:
    from adiabat.report import Page, provenance_sections
    from adiabat.report.affinity import docking_sections, notes_section

    page = Page(
        "Docked ligands", f"ligands: {docking.summary['n_ligands']}, poses: {docking.summary['n_poses']}"
    )
    page.add(*docking_sections([row_of(pose) for pose in docking.poses], docking.summary))
    page.add(notes_section({}, [("docking", one) for one in docking.rejected]))
    page.add(*provenance_sections(run.provenance))
    page.write(run.path / REPORT_NAME)
