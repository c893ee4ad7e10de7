"""`adiabat affinity dock`: poses of ligands in a box of a protein, checked, and scored by a model."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import NormalDist
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
    Known,
    Ligand,
    Protein,
    failed_checks,
    load_affinity_model,
    make_complexes,
    pose_rmsd,
    prepare_receptor,
    read_docked,
    read_known,
    read_ligands,
    read_protein,
    write_docked,
)
from adiabat.properties.affinity.docking import VINA, VINA_ERROR, handedness_open
from adiabat.properties.affinity.model import BOTH
from adiabat.properties.affinity.nulls import HEAVY_ATOMS, LOGP, heavy_atoms, log_p
from adiabat.properties.affinity.poses import same_skeleton
from adiabat.properties.affinity.values import KCAL_PER_PK, check_varied
from adiabat.properties.library import Entry, read_library
from adiabat.properties.table import Rejected
from adiabat.tasks.affinity_files import Target, check_values, strangers
from adiabat.tasks.affinity_score import Scoring, ranked, rows_of, scores_csv, table_csv
from adiabat.tasks.affinity_train import REJECTED, SCORES
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
        ranking: of the ligands by their first poses.
        summary: what it says, as JSON holds it.
        folder: of the run.
    """

    poses: list[Pose]
    rejected: list[Rejected]
    ranking: Scoring
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
    values: str | os.PathLike | None = None,
    value: str | None = None,
    unit: str | None = None,
    smiles: str = "smiles",
    name: str | None = None,
    level: float = 0.9,
    n_poses: int = 5,
    exhaustiveness: int = 8,
    cores: int = 1,
    seed: int = 0,
    resume: bool = False,
    force: bool = False,
) -> Docking:
    """Docks molecules, checks and scores the poses, ranks the ligands by the first of each, and writes a run
    folder with poses, tables and a report. With at least five known affinities of the target there are
    absolute values, by a line through these; else only an order.

    Args:
        protein: PDB file of whole residues.
        ligands: molecules (.smi, .csv, .sdf ...), protonated as they are to be docked.
        out: the run folder.
        around: SD file of a ligand around which the box is put, with 5 Å on each side; or
        center: of the box [Å], with
        size: its edges [Å].
        model: an affinity model that scores the poses, and ranks; without one Vina's score does.
        reference: SD file of known poses; those of the same names are compared.
        values: a table of known affinities; by default that of the ligands.
        value: its column of affinities; without it nothing is known of the ligands.
        unit: of the values, or the column that has the unit of each.
        smiles: the column of SMILES strings in a table.
        name: the column of the ligands' names in tables.
        level: share of true values that intervals are to hold.
        n_poses: of each ligand at most.
        exhaustiveness: how long Vina searches.
        cores: to work on.
        seed: of everything random.
        resume: go on with a run that was broken off, after the last ligand that was docked; model, reference,
            values and level may be others.
        force: start over in a folder that holds a run.

    Raises:
        MissingDependencyError: the extra `docking` is not installed.
        ConfigError: no box, or two; values without a unit, a column that does not exist.
        DataError: files that cannot be read, no ligand that could be docked, known affinities that are equal.
    """
    environment = enable()
    box = _box(around, center, size)
    check_values(values, value, unit)
    if not 0 < level < 1:
        raise ConfigError(f"an interval holds a share between 0 and 1, not {level}")
    paths = {"protein": protein, "ligands": ligands, "model": model, "reference": reference, "values": values}
    config: dict[str, Any] = {key: os.fspath(path) for key, path in paths.items() if path is not None}
    told = {"value": value, "unit": unit, "name": name}
    config |= {key: text for key, text in told.items() if text is not None}
    config |= {"center": list(box.center), "size": list(box.size), "n_poses": n_poses}
    config |= {"exhaustiveness": exhaustiveness, "cores": cores, "seed": seed, "level": level}
    with RunFolder.create(
        out,
        "affinity-dock",
        config,
        resume=resume,
        force=force,
        may_change=("model", "reference", "values", "value", "unit", "level"),
        makes=(POSES, TABLE, SCORES, REJECTED),
    ) as run:
        run.note(**environment)
        scorer = None if model is None else load_affinity_model(model)
        posed = {} if reference is None else {one.name: one for one in read_ligands(Path(reference))[0]}
        entries = [
            entry._replace(name=entry.name or f"ligand {entry.row}")
            for entry in read_library(Path(ligands), smiles=smiles, name=name)
        ]
        known = _known(values or ligands, value, unit, name, [entry.name for entry in entries])
        atoms, receptor = read_protein(Path(protein)), prepare_receptor(Path(protein))
        docker = Docker(receptor, box, n_poses=n_poses, exhaustiveness=exhaustiveness, cores=cores, seed=seed)
        found, rejected = _docked(docker, entries, posed, run.path / "checkpoints")
        poses, outside = _judged(found, atoms, docker.box, scorer, posed)
        rejected += [*outside, *(known.rejected if known else ())]
        left_open = [entry.name for entry in entries if handedness_open(entry.smiles)]
        notes = _handedness(left_open)
        ranking = _ranking(
            Path(protein).stem, atoms, poses, known, scorer, run.path, level, seed, notes=notes
        )
        summary = ranking.summary | summary_of(poses, len(rejected)) | {"handedness_open": len(left_open)}
        atomic_write(run.path / TABLE, table_csv([row_of(pose) for pose in poses]))
        atomic_write(run.path / SCORES, scores_csv(ranking))
        atomic_write(run.path / POSES, _sd_text(poses))
        atomic_write(run.path / REJECTED, as_csv(["row", "ligand", "reason"], rejected))
        run.result(**summary)
        docking = Docking(poses, rejected, ranking, summary, run.path)
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


def _known(
    values: str | os.PathLike, value: str | None, unit: str | None, name: str | None, names: Sequence[str]
) -> Known | None:
    """Affinities of ligands with these names; what is wrong with them is said before the long work."""
    if value is None or unit is None:
        return None
    known = read_known(Path(values), value=value, unit=unit, name=name or "name")
    check_varied(known.of(names), "the known ligands")
    return replace(known, notes=(*known.notes, *strangers(known, names)))


def _handedness(names: Sequence[str]) -> tuple[str, ...]:
    """A sentence on ligands that stand for several stereoisomers, of which one was docked."""
    if not names:
        return ()
    told = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return (
        f"of {len(names)} ligands it is not written which stereoisomer they are ({told}): one was taken at "
        "random, the SMILES strings of the tables say which; write each that is possible to compare them",
    )


def _docked(
    docker: Docker, entries: Sequence[Entry], known: Mapping[str, Ligand], done: Path
) -> tuple[list[tuple[Ligand, int, float]], list[Rejected]]:
    """All poses with their numbers and Vina's scores; what is in the folder `done` was docked before."""
    found: list[tuple[Ligand, int, float]] = []
    rejected: list[Rejected] = []
    with progress("docking", total=len(entries), unit="ligands") as bar:
        for entry in entries:
            name = entry.name
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


def _ranking(
    name: str,
    protein: Protein,
    poses: Sequence[Pose],
    known: Known | None,
    model: AffinityModel | None,
    folder: Path,
    level: float,
    seed: int,
    *,
    notes: Sequence[str] = (),
) -> Scoring:
    """The ligands by the poses that Vina likes best: a model has learned to tell ligands, not poses."""
    first = list({pose.ligand.name: pose for pose in reversed(poses)}.values())
    complexes = [pose.complex for pose in first]
    notes = (*notes, *(known.notes if known else ()))
    if model is not None:
        notes += ("the model was tested on poses that were given; those of docking may be wrong as well",)
    target = Target(name, protein, complexes, [], known, notes)
    vina = {VINA: np.array([-pose.energy for pose in first]) / KCAL_PER_PK}
    if model is None:
        smiles = [pose.ligand.smiles for pose in first]
        scores = vina | {HEAVY_ATOMS: heavy_atoms(smiles), LOGP: log_p(smiles)}
        width = NormalDist().inv_cdf((1 + level) / 2) * VINA_ERROR / KCAL_PER_PK
        return ranked(target, scores, VINA, width, folder, level=level, seed=seed)
    elsewhere = model.summary.get("tau", {}).get(BOTH)
    scores, width = model.score(complexes) | vina, model.half_width(level)
    return ranked(target, scores, BOTH, width, folder, elsewhere=elsewhere, level=level, seed=seed)


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
    from adiabat.report.affinity import docking_sections, notes_section, scoring_sections

    page = Page(
        "Docked ligands", f"ligands: {docking.summary['n_ligands']}, poses: {docking.summary['n_poses']}"
    )
    page.add(*docking_sections([row_of(pose) for pose in docking.poses], docking.summary))
    page.add(*scoring_sections(rows_of(docking.ranking), docking.ranking.summary))
    notes = {"docking": docking.ranking.target.notes}
    page.add(notes_section(notes, [("docking", one) for one in docking.rejected]))
    page.add(*provenance_sections(run.provenance))
    page.write(run.path / REPORT_NAME)
