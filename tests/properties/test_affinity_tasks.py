"""Binding affinities from files to run folders."""

import csv
import importlib.util
import json

import numpy as np
import pytest
from rdkit import Chem
from tests.properties.affinity_cases import SMILES, posed, write_sdf, write_target

from adiabat.base import ConfigError, DataError
from adiabat.properties.affinity import (
    Docked,
    failed_checks,
    make_complexes,
    read_docked,
    read_ligands,
    read_protein,
    write_docked,
)
from adiabat.properties.affinity.ligands import ligand_of
from adiabat.properties.affinity.values import read_known
from adiabat.report.affinity import scoring_sections
from adiabat.tasks.affinity_dock import Pose, _handedness, _ranking, dock_affinity, summary_of
from adiabat.tasks.affinity_files import read_target
from adiabat.tasks.affinity_score import rows_of as rows_of_ranking
from adiabat.tasks.affinity_score import score_affinity
from adiabat.tasks.affinity_series import train_series
from adiabat.tasks.affinity_train import train_affinity
from adiabat.tasks.explain import explain_properties
from adiabat.tasks.property_predict import predict_properties
from adiabat.tasks.screen import screen

DOCKING = all(importlib.util.find_spec(name) for name in ("vina", "meeko", "gemmi"))


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def write_values(path, names, seed):
    """Affinities that grow with the molecule, of all but the last."""
    random = np.random.default_rng(seed)
    heavy = [Chem.MolFromSmiles(text).GetNumHeavyAtoms() for text in SMILES]
    values = 10 ** (9 - (4 + 0.3 * np.array(heavy) + random.normal(scale=0.2, size=len(heavy))))
    lines = [f"{name},{value:.4g}" for name, value in zip(names[:-1], values, strict=False)]
    path.write_text("\n".join(["name,Ki", *lines]) + "\n")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two targets with a table, and a third one."""
    path = tmp_path_factory.mktemp("targets")
    lines = ["target,protein,ligands,values"]
    for seed in (1, 2, 3):
        name = f"t{seed}"
        write_target(path, name, seed)
        write_values(path / f"{name}.csv", [f"{name}-{k}" for k in range(len(SMILES))], seed)
        lines.append(f"{name},{name}.pdb,{name}.sdf,{name}.csv")
    (path / "targets.csv").write_text("\n".join(lines[:3]) + "\n")
    return path


@pytest.fixture(scope="module")
def trained(folder):
    return train_affinity(folder / "targets.csv", out=folder / "run", value="Ki", unit="nM")


def test_training_leaves_model_scores_and_report(trained):
    summary = json.loads((trained.folder / "run.json").read_text())["results"]
    assert summary["n_targets"] == 2
    assert summary["n_ligands"] == 22  # one of twelve has no value
    assert set(summary["better_than"]) == {"heavy atoms", "logP", "ligand only", "nearest neighbor"}
    # values were made to grow with the molecule
    assert summary["tau"]["heavy atoms"]["value"] > 0.5
    rows = rows_of(trained.folder / "scores.csv")
    assert len(rows) == 22
    assert float(rows[0]["pK"]) == pytest.approx(
        9 - np.log10(float(rows_of(trained.folder.parent / "t1.csv")[0]["Ki"])), abs=1e-3
    )
    page = trained.report.read_text()
    for words in ("Targets left out", "heavy atoms", "nearest neighbor", "became pK"):
        assert words in page


def test_without_known_ligands_there_is_only_an_order(trained, folder, tmp_path):
    found = score_affinity(trained.folder, folder / "t3.pdb", folder / "t3.sdf", out=tmp_path / "run")
    rows = rows_of(found.folder / "scores.csv")
    assert [row["rank"] for row in rows] == [str(k) for k in range(1, 13)]
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) == pytest.approx(0.0, abs=1e-3)  # less the mean of the series
    assert "pK" not in rows[0]
    assert float(rows[0]["score lower"]) < scores[0] < float(rows[0]["score upper"])
    assert "only an order" in found.summary["answer"]
    assert "an order and nothing more" in found.report.read_text()


def test_with_five_known_ligands_there_are_absolute_values(trained, folder, tmp_path):
    known = tmp_path / "known.csv"
    known.write_text("\n".join((folder / "t3.csv").read_text().splitlines()[:6]))
    options = {"values": known, "value": "Ki", "unit": "nM"}
    found = score_affinity(
        trained.folder, folder / "t3.pdb", folder / "t3.sdf", out=tmp_path / "run", **options
    )
    rows = rows_of(found.folder / "scores.csv")
    assert found.summary["n_known"] == 5
    for row in rows:
        assert float(row["pK lower"]) <= float(row["pK"]) <= float(row["pK upper"])
        assert float(row["dG [kcal/mol] lower"]) <= float(row["dG [kcal/mol]"])
        assert float(row["dG [kcal/mol]"]) == pytest.approx(-1.364247 * float(row["pK"]), abs=1e-3)
    assert 4 < np.mean([float(row["pK"]) for row in rows]) < 10
    assert set(found.summary["tau"]) >= {"boosting + network", "heavy atoms", "logP"}
    known.write_text("\n".join((folder / "t3.csv").read_text().splitlines()[:5]))
    fewer = score_affinity(
        trained.folder, folder / "t3.pdb", folder / "t3.sdf", out=tmp_path / "run4", **options
    )
    assert fewer.calibrated is None
    known.write_text("name,Ki\n" + "\n".join(f"t3-{k},50" for k in range(6)))
    with pytest.raises(DataError, match="nothing to rank"):
        score_affinity(trained.folder, folder / "t3.pdb", folder / "t3.sdf", out=tmp_path / "run5", **options)


def test_values_may_be_properties_of_the_sd_file(folder, tmp_path):
    mols = [posed(text, f"m{k}") for k, text in enumerate(SMILES[:3])]
    for k, mol in enumerate(mols):
        mol.SetProp("IC50", str(10.0 ** (k + 1)))
        mol.SetProp("IC50 unit", "nM")
    path = write_sdf(tmp_path / "ligands.sdf", mols)
    for unit in ("nM", "IC50 unit"):
        found = read_target(folder / "t1.pdb", path, value="IC50", unit=unit)
        assert found.values == pytest.approx([8.0, 7.0, 6.0])
    with pytest.raises(ConfigError, match="without a unit"):
        read_target(folder / "t1.pdb", path, value="IC50")
    with pytest.raises(ConfigError, match=r"no ligand .* has a property"):
        read_target(folder / "t1.pdb", path, value="Kd", unit="nM")


def test_names_that_belong_to_no_ligand_are_said(folder, tmp_path):
    values = tmp_path / "values.csv"
    values.write_text("name,Ki\nt1-0,5\nelse,6\n")
    found = read_target(folder / "t1.pdb", folder / "t1.sdf", values=values, value="Ki", unit="nM")
    assert any("1 affinities belong to no ligand, such as else" in note for note in found.notes)
    values.write_text("name,Ki\nelse,6\n")
    with pytest.raises(ConfigError, match="none of the names"):
        read_target(folder / "t1.pdb", folder / "t1.sdf", values=values, value="Ki", unit="nM")


def test_a_series_becomes_a_property_model(tmp_path):
    smiles = ["C" * n + end for n in range(1, 7) for end in ("O", "N", "c1ccccc1")]
    lines = [f"{text},{10 ** (9 - 5 - 0.3 * k // 3):.4g}" for k, text in enumerate(smiles)]
    path = tmp_path / "series.csv"
    path.write_text("\n".join(["smiles,IC50", *lines, "C1CC,5", "CCCC,<1"]))
    found = train_series(path, out=tmp_path / "run", value="IC50", unit="nM")
    assert found.summary["n_ligands"] == 18
    assert found.summary["n_rejected"] == 2
    assert found.summary["tau"]["gaussian-process"]["value"] > 0
    rows = predict_properties(tmp_path / "run", ["CCCCCCCO"])
    assert float(rows[0]["pK lower"]) < float(rows[0]["pK"]) < float(rows[0]["pK upper"])
    # Whatever reads a property model reads this one.
    assert len(explain_properties(tmp_path / "run", ["CCCCCCCO"], out=tmp_path / "why.html")) == 1
    library = tmp_path / "library.smi"
    library.write_text("CCCCCCCO\nCCN\n")
    assert screen([tmp_path / "run"], library, out=tmp_path / "screened", workers=1).counts["read"] == 2
    path.write_text("\n".join(["smiles,IC50", *lines[:8]]))
    with pytest.raises(DataError, match="8 different ligands"):
        train_series(path, out=tmp_path / "few", value="IC50", unit="nM")
    path.write_text("\n".join(["smiles,IC50", *(f"{text},5" for text in smiles)]))
    for _ in range(2):  # the folder is free for the next try
        with pytest.raises(DataError, match="nothing to rank"):
            train_series(path, out=tmp_path / "equal", value="IC50", unit="nM")


def test_the_box_is_asked_for_once(folder, tmp_path):
    for options in ({}, {"center": (0, 0, 0)}, {"center": (0, 0, 0), "around": folder / "t1.sdf"}):
        with pytest.raises(ConfigError, match="either by a ligand or by its center"):
            dock_affinity(folder / "t1.pdb", folder / "t1.sdf", out=tmp_path / "run", **options)


def docked_as(path, name, energies):
    """Two poses of each ligand of a target, as if they were docked."""
    protein = read_protein(path / f"{name}.pdb")
    complexes, _, _ = make_complexes(protein, read_ligands(path / f"{name}.sdf")[0])
    pairs = zip(complexes, energies, strict=True)
    poses = [
        Pose(one, number, energy + number - 1, (), np.nan, np.nan)
        for one, energy in pairs
        for number in (1, 2)
    ]
    return protein, poses


def test_docked_ligands_are_ranked_with_intervals(folder, trained, tmp_path):
    """By Vina's first poses, or by a model; pK come by a line through known ligands alone."""
    known = read_known(folder / "t3.csv", value="Ki", unit="nM")
    names = [f"t3-{k}" for k in range(len(SMILES))]
    wanted = known.of(names)
    energies = -(1.0 + 0.5 * np.nan_to_num(wanted, nan=6.0))  # a scale and a zero of their own
    protein, poses = docked_as(folder, "t3", energies)
    bare = _ranking("t3", protein, poses, None, None, tmp_path, 0.9, 0)
    rows = rows_of_ranking(bare)
    assert [row["name"] for row in rows] == [names[k] for k in np.argsort(energies, kind="stable")]
    width = float(rows[0]["score upper"]) - float(rows[0]["score lower"])
    # 1.645 standard errors of 2.85 kcal/mol on each side, in units of pK.
    assert width == pytest.approx(2 * 1.645 * 2.85 / 1.364, rel=1e-3)
    assert "pK" not in rows[0]
    assert bare.summary["answer"] == "only an order: fewer than 5 known affinities"
    found = _ranking("t3", protein, poses, known, None, tmp_path, 0.9, 0)
    assert found.summary["tau"]["Vina"]["value"] == pytest.approx(1.0)
    assert found.summary["tau"]["Vina"]["lower"] > 0.9
    assert set(found.summary["better_than"]) == {"heavy atoms", "logP"}
    for row in rows_of_ranking(found):
        if row["measured pK"]:
            assert float(row["pK"]) == pytest.approx(float(row["measured pK"]), abs=1e-3)
        ends = [float(row[f"dG [kcal/mol]{end}"]) for end in (" lower", "", " upper")]
        assert ends == sorted(ends)
    scored = _ranking("t3", protein, poses, known, trained.model, tmp_path, 0.9, 0)
    assert scored.by == "boosting + network"
    assert {"Vina", "heavy atoms"} < set(scored.summary["tau"])
    assert scored.half_width == trained.model.half_width(0.9)
    assert _handedness([]) == ()
    notes = _handedness(["a", "b"])
    assert "of 2 ligands it is not written which stereoisomer they are (a, b)" in notes[0]
    noted = _ranking("t3", protein, poses, known, None, tmp_path, 0.9, 0, notes=notes)
    assert noted.target.notes == (*notes, *known.notes)
    page = "".join(str(section) for section in scoring_sections(rows, bare.summary))
    assert "published standard error" in page
    assert "nothing says how well Vina orders these ligands" in page


def test_known_affinities_are_looked_at_before_anything_is_docked(folder, tmp_path):
    (tmp_path / "ligands.csv").write_text("name,smiles,Ki\na,CCO,5\nb,CCN,5\n")
    options = {"around": folder / "t1.sdf", "name": "name"}
    for values, message in (
        ({"value": "Ki"}, "without a unit"),
        ({"values": tmp_path / "ligands.csv"}, "is not given"),
        ({"value": "Kd", "unit": "nM"}, "no column 'Kd'"),
        ({"value": "Ki", "unit": "nM"}, "nothing to rank"),
        ({"values": folder / "t1.csv", "value": "Ki", "unit": "nM"}, "none of the names"),
    ):
        with pytest.raises((ConfigError, DataError), match=message):
            dock_affinity(
                folder / "t1.pdb", tmp_path / "ligands.csv", out=tmp_path / "run", **options, **values
            )


PEPTIDE = "GSAFLKDGSA"


@pytest.mark.slow
@pytest.mark.skipif(not DOCKING, reason="the extra `docking` is not installed")
def test_docking_gives_whole_poses_in_the_box(tmp_path):
    from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

    peptide = Chem.MolFromSequence(PEPTIDE)
    for pattern, charge in (("[OX2H1]C=O", -1), ("[NX3;H2;!$(NC=O)]", 1)):  # as at pH 7
        for match in peptide.GetSubstructMatches(Chem.MolFromSmarts(pattern)):
            peptide.GetAtomWithIdx(match[0]).SetFormalCharge(charge)
    Chem.SanitizeMol(peptide)
    peptide = Chem.AddHs(peptide, addResidueInfo=True)
    assert rdDistGeom.EmbedMolecule(peptide, randomSeed=3) == 0
    rdForceFieldHelpers.MMFFOptimizeMolecule(peptide)
    Chem.MolToPDBFile(peptide, str(tmp_path / "protein.pdb"), flavor=4)
    center = np.array(peptide.GetConformer().GetPositions()).mean(axis=0).tolist()
    (tmp_path / "ligands.smi").write_text("c1ccccc1O phenol\nC1CC broken\nCC(F)O either\n")
    found = dock_affinity(
        tmp_path / "protein.pdb",
        tmp_path / "ligands.smi",
        out=tmp_path / "run",
        center=center,
        size=(22, 22, 22),
        n_poses=3,
        exhaustiveness=1,
    )
    energies = [pose.energy for pose in found.poses if pose.ligand.name == "phenol"]
    assert {pose.ligand.smiles for pose in found.poses} - {"C[C@H](O)F", "C[C@@H](O)F"} == {"Oc1ccccc1"}
    assert found.summary["handedness_open"] == 1
    assert "which stereoisomer they are (either)" in found.report.read_text()
    assert energies == sorted(energies)
    assert energies[0] < -1
    assert [one.text for one in found.rejected] == ["broken"]
    assert found.summary["passes_all_checks"] == 1.0
    assert len(read_ligands(found.folder / "poses.sdf")[0]) == 2
    # the written poses are those that were judged
    complexes, _, _ = make_complexes(
        read_protein(tmp_path / "protein.pdb"), read_ligands(found.folder / "poses.sdf")[0]
    )
    assert failed_checks(complexes[0]) == []
    assert "redocked" not in summary_of(found.poses, 0)
    row, _ = rows_of(found.folder / "scores.csv")
    assert float(row["score lower"]) < float(row["score"]) < float(row["score upper"])
    assert found.summary["answer"].startswith("only an order")
    assert "an order and nothing more" in found.report.read_text()


def test_poses_come_back_from_their_file(tmp_path):
    first = posed("C[C@H](N)C(=O)[O-]", "alanine")
    other = posed("C[C@H](N)C(=O)[O-]", "alanine", seed=2)
    docked = Docked([ligand_of("alanine", mol) for mol in (first, other)], np.array([-4.0, -3.5]))
    write_docked(tmp_path / "one.safetensors", docked)
    again = read_docked(tmp_path / "one.safetensors")
    assert [pose.smiles for pose in again.poses] == ["C[C@H](N)C(=O)[O-]"] * 2
    np.testing.assert_array_equal(again.energies, docked.energies)
    for one, two in zip(docked.poses, again.poses, strict=True):
        np.testing.assert_array_equal(one.positions, two.positions)
