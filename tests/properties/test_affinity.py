"""Binding affinities: reading, features, ranking, calibration, poses."""

import gzip
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from rdkit import Chem
from scipy import stats
from tests.properties.affinity_cases import (
    pdb_line,
    posed,
    residue_lines,
    shell_of_residues,
    write_sdf,
    write_target,
)

from adiabat.base import ConfigError, DataError, MissingDependencyError, UnsupportedError
from adiabat.properties.affinity import (
    Box,
    Series,
    calibrate,
    compare_orderings,
    docking,
    failed_checks,
    fit_affinity_model,
    judge_series,
    kendall,
    load_affinity_model,
    make_complexes,
    mean_kendall,
    ordering,
    pose_rmsd,
    read_known,
    read_ligands,
    read_protein,
    save_affinity_model,
    to_pk,
)
from adiabat.properties.affinity.agreement import averaged
from adiabat.properties.affinity.docking import handedness_open
from adiabat.properties.affinity.interactions import CUTOFF, Interactions
from adiabat.properties.affinity.ligands import ligand_of
from adiabat.properties.affinity.model import BOOSTING, BOTH, NETWORK
from adiabat.properties.affinity.nulls import HEAVY_ATOMS, LIGAND_ONLY, LOGP, NEAREST, NULLS
from adiabat.properties.affinity.protein import KINDS, protein_lines
from adiabat.properties.affinity.shells import EDGES, shell_counts, shell_names
from adiabat.properties.affinity.training import Recipe


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    folder = tmp_path_factory.mktemp("target")
    protein, ligands = write_target(folder, "one", 1)
    found, rejected, _ = make_complexes(read_protein(protein), read_ligands(ligands)[0])
    assert not rejected
    return found


# --- values


@pytest.mark.parametrize(
    ("value", "unit", "pk"),
    [
        (1.0, "nM", 9.0),
        (96.0, "nM", 7.017729),
        (0.096, "uM", 7.017729),
        (0.096, "µM", 7.017729),
        (6.3, "pIC50", 6.3),
        # R T ln 10 is 1.364247 kcal/mol at 298.15 K
        (-13.64247, "kcal/mol", 10.0),
        (-31.3, "kJ/mol", 5.48352),
    ],
)
def test_units_become_pk(value, unit, pk):
    assert to_pk(value, unit) == pytest.approx(pk, abs=1e-4)


def test_values_that_are_no_affinities_are_refused():
    with pytest.raises(DataError, match="no concentration"):
        to_pk(0.0, "nM")
    with pytest.raises(DataError, match="free energies of binding are negative"):
        to_pk(9.0, "kcal/mol")
    with pytest.raises(DataError, match="which no ligand has"):
        to_pk(5e3, "M")
    with pytest.raises(ConfigError, match="no unit") as caught:
        to_pk(5.0, "nm")
    assert "nM" in str(caught.value)


def test_a_table_of_affinities_with_a_unit_in_each_row(tmp_path):
    path = tmp_path / "values.csv"
    path.write_text("name,K,unit\na,10,nM\na,1000,nM\nb,0.1,uM\nc,>5,uM\nd,,nM\ne,5,furlong\n")
    known = read_known(path, value="K", unit="unit")
    assert known.values == pytest.approx({"a": 7.0, "b": 7.0})  # the median of pK 8 and 6
    assert [one.text for one in known.rejected] == ["c", "e"]
    assert "limit" in known.rejected[0].reason
    assert any("median" in note for note in known.notes)
    with pytest.raises(ConfigError, match="neither a unit"):
        read_known(path, value="K", unit="furlong")
    with pytest.raises(ConfigError, match="no column 'Ki'"):
        read_known(path, value="Ki", unit="nM")


def test_signs_of_limits_that_are_not_looked_at_are_said(tmp_path):
    path = tmp_path / "chembl.csv"
    path.write_text("name,Ki,unit,Standard Relation,note\na,5,nM,'=',x\nb,9,nM,'>',<\n")
    known = read_known(path, value="Ki", unit="unit")
    assert [note for note in known.notes if "Standard Relation has signs of limits" in note]
    path.write_text("name,Ki,unit,Standard Relation\na,5,nM,'='\nb,9,nM,'='\n")
    assert not [note for note in read_known(path, value="Ki", unit="unit").notes if "signs" in note]


def test_without_any_usable_value_the_reason_is_given(tmp_path):
    path = tmp_path / "values.csv"
    path.write_text("name,K\na,strong\n")
    with pytest.raises(DataError, match="'strong' is not a number"):
        read_known(path, value="K", unit="nM")


# --- the protein


def test_of_a_protein_water_and_hydrogens_are_left_out(tmp_path):
    lines = residue_lines("LYS", 1, (0, 0, 0))
    lines += [
        pdb_line("HZ1", "LYS", 1, (0, 0, 1), element="H"),
        pdb_line("O", "HOH", 2, (9, 9, 9), hetero=True),
    ]
    lines += residue_lines("ASP", 3, (5, 0, 0), chain="B")
    lines += [pdb_line("ZN", "ZN", 4, (3, 3, 3), element="ZN", hetero=True)]
    path = tmp_path / "protein.pdb"
    path.write_text("\n".join(lines))
    protein = read_protein(path)
    assert len(protein.positions) == 9 + 8 + 1
    kinds = [KINDS[k] for k in protein.kinds]
    assert kinds.count("cationic nitrogen") == 1  # NZ
    assert kinds.count("anionic oxygen") == 2  # OD1, OD2
    assert kinds.count("metal") == 1
    assert kinds.count("backbone oxygen") == 2
    text = " ".join(protein.notes)
    assert "chains" in text
    assert "1 waters" in text
    assert "ZN 4" in text


def test_of_alternate_locations_the_most_occupied_is_kept(tmp_path):
    lines = residue_lines("SER", 1, (0, 0, 0))[:-1]
    lines += [
        pdb_line("OG", "SER", 1, (1, 0, 0), alternate="A", occupancy=0.3),
        pdb_line("OG", "SER", 1, (2, 0, 0), alternate="B", occupancy=0.7),
    ]
    path = tmp_path / "protein.pdb"
    path.write_text("\n".join(lines))
    protein = read_protein(path)
    assert len(protein.positions) == 6
    assert protein.positions[-1].tolist() == [2, 0, 0]
    kept = protein_lines(path)  # as docking reads it
    assert len(kept) == 6
    assert kept[-1][16] == " "
    assert "   2.000" in kept[-1]
    assert any("alternate" in note for note in protein.notes)


def test_an_unknown_residue_is_known_by_its_elements(tmp_path):
    lines = residue_lines("SER", 1, (0, 0, 0))
    lines += [
        pdb_line(name, "SEP", 2, (k, 5, 0), hetero=True, element=e)
        for k, (name, e) in enumerate([("N", "N"), ("CA", "C"), ("C", "C"), ("O", "O"), ("P", "P")])
    ]
    path = tmp_path / "protein.pdb"
    path.write_text("\n".join(lines))
    protein = read_protein(path)
    assert not protein.hetero.any()
    assert KINDS[protein.kinds[-1]] == "other"
    assert any("SEP 2" in note for note in protein.notes)


def test_elements_come_from_names_where_the_column_is_empty(tmp_path):
    path = tmp_path / "protein.pdb"
    lines = [*residue_lines("SER", 1, (0, 0, 0)), pdb_line("1HB", "SER", 1, (0, 0, 1), element="H")]
    path.write_text("\n".join(line[:66] for line in lines))
    assert read_protein(path).numbers.tolist() == [7, 6, 6, 8, 6, 8]


def test_a_file_that_is_no_protein_is_refused(tmp_path):
    path = tmp_path / "protein.pdb"
    with pytest.raises(DataError, match="no file"):
        read_protein(path)
    path.write_text(pdb_line("C1", "LIG", 1, (0, 0, 0), hetero=True))
    with pytest.raises(DataError, match="no residue of a protein"):
        read_protein(path)
    path.write_text(residue_lines("SER", 1, (0, 0, 0))[0].replace("ATOM  ", "ATOM  ")[:30] + "   x.xxx" * 3)
    with pytest.raises(DataError, match="line 1"):
        read_protein(path)
    path.with_suffix(".cif").write_text("data_")
    with pytest.raises(UnsupportedError, match="mmCIF"):
        read_protein(path.with_suffix(".cif"))


# --- ligands


def test_records_that_are_no_poses_are_left_out_with_the_reason(tmp_path):
    flat = posed("CCO", "flat")
    flat.GetConformer().SetPositions(np.array(flat.GetConformer().GetPositions()) * [1, 1, 0])
    salt = posed("CCO.CC", "salt")
    path = write_sdf(tmp_path / "l.sdf", [posed("CCO", "good"), flat, salt, posed("CCC", "good")])
    with path.open("a") as file:
        file.write("broken\n\n\nnonsense\nM  END\n$$$$\n")
    found, rejected = read_ligands(path)
    assert [ligand.name for ligand in found] == ["good"]
    reasons = {one.row: one.reason for one in rejected}
    assert "flat" in reasons[2]
    assert "several molecules" in reasons[3]
    assert "another pose" in reasons[4]
    assert "cannot read" in reasons[5]


def test_what_is_no_sd_file_is_refused(tmp_path):
    path = tmp_path / "ligands.smi"
    path.write_text("CCO\n")
    with pytest.raises(ConfigError, match="no SD file"):
        read_ligands(path)
    with pytest.raises(DataError, match="no file"):
        read_ligands(tmp_path / "absent.sdf")
    broken = tmp_path / "broken.sdf.gz"
    broken.write_bytes(gzip.compress(b"x" * 1000)[:20])
    with pytest.raises(DataError, match="to its end"):
        read_ligands(broken)


def test_hydrogens_are_not_needed(tmp_path, target):
    whole = [posed("CC(=O)Nc1ccc(O)cc1", "a")]
    with_them = read_ligands(write_sdf(tmp_path / "a.sdf", whole))[0]
    bare = read_ligands(write_sdf(tmp_path / "b.sdf", [Chem.RemoveHs(mol) for mol in whole]))[0]
    assert with_them[0].hydrogens
    assert not bare[0].hydrogens
    protein = target[0].protein
    one, other = (make_complexes(protein, ligands)[0] for ligands in (with_them, bare))
    assert one[0].ligand.smiles == other[0].ligand.smiles
    np.testing.assert_array_equal(shell_counts(one), shell_counts(other))


# --- complexes and their features


def test_a_ligand_outside_of_the_pocket_is_left_out(target):
    protein = target[0].protein
    near, far = (
        ligand_of(name, posed("CCO", name, center))
        for name, center in (("in", (0, 0, 0)), ("out", (50, 0, 0)))
    )
    found, rejected, _ = make_complexes(protein, [near, far])
    assert [one.ligand.name for one in found] == ["in"]
    assert rejected[0].text == "out"
    assert "outside of the pocket" in rejected[0].reason
    with pytest.raises(DataError, match="none of 1 ligands lies in a pocket"):
        make_complexes(protein, [far])


def test_a_ligand_left_in_the_protein_does_not_count(tmp_path):
    ligand = ligand_of("a", posed("CCO", "a"))
    lines = shell_of_residues(1) + [
        pdb_line("C1", "LIG", 90, ligand.positions[0] + 0.3, hetero=True, element="C"),
        pdb_line("C1", "NAP", 91, (0, 0, 6), hetero=True, element="C"),
    ]
    path = tmp_path / "protein.pdb"
    path.write_text("\n".join(lines))
    protein = read_protein(path)
    assert protein.hetero.sum() == 2
    found, _, notes = make_complexes(protein, [ligand])
    assert found[0].protein.residues[-1] == "A:NAP 91"
    assert any("LIG 90" in note and "left out" in note for note in notes)


def test_shells_count_pairs(target):
    one = target[3]  # with chlorine
    names = shell_names()
    counts = dict(zip(names, shell_counts([one])[0], strict=True))
    distances = np.linalg.norm(one.ligand.positions[:, None] - one.protein.positions, axis=2)
    elements = np.array([atom.GetAtomicNum() for atom in one.ligand.mol.GetAtoms()])
    for low, high in pairwise(EDGES):
        inside = (distances >= low) & (distances < high)
        for symbol, number, label in (("C", 6, "Cl+Br+I"), ("O", 8, "O")):
            rows = elements == (17 if label == "Cl+Br+I" else 8)
            expected = inside[rows][:, one.protein.numbers == number].sum()
            assert counts[f"{symbol}..{label} {low:g}-{high:g} Å"] == expected
    assert sum(counts.values()) == (distances <= EDGES[-1]).sum()


# --- agreement


def test_kendall_is_that_of_scipy_also_with_ties():
    random = np.random.default_rng(0)
    values, scores = random.normal(size=30).round(1), random.integers(5, size=30).astype(float)
    found = kendall(values, ordering(scores))
    assert found.value == pytest.approx(stats.kendalltau(values, scores).statistic, abs=1e-12)
    assert found.lower < found.value < found.upper
    values[::3] = np.nan
    known = ~np.isnan(values)
    expected = stats.kendalltau(values[known], scores[known]).statistic
    assert kendall(values, ordering(scores)).value == pytest.approx(expected, abs=1e-12)


def test_kendall_of_a_constant_is_zero_and_of_equal_values_nothing():
    values = np.arange(8.0)
    assert kendall(values, ordering(np.ones(8))).value == 0
    assert math.isnan(kendall(np.ones(8), ordering(values)).value)
    assert kendall(values, ordering(values)) == (1.0, 1.0, 1.0)


def test_leaving_out_one_would_punish_the_mean_and_pairs_do_not():
    values = np.random.default_rng(0).normal(size=20)
    others = (values.sum() - values) / 19  # the mean without each
    assert kendall(values, ordering(others)).value == pytest.approx(-1.0)
    folds = np.array([np.random.default_rng(k).permutation(20) % 5 for k in range(10)])
    means = np.array([[values[f != f[k]].mean() for k in range(20)] for f in folds])
    assert kendall(values, averaged(means, folds)).value == 0.0


def test_means_weigh_series_by_their_ligands():
    values = [np.arange(6.0), np.arange(18.0)]
    orders = [ordering(values[0]), ordering(-values[1])]
    assert mean_kendall(values, orders).value == pytest.approx(6 / 24 - 18 / 24)


def test_a_paired_bootstrap_tells_better_from_equal():
    random = np.random.default_rng(1)
    values = [random.normal(size=25) for _ in range(3)]
    good = [ordering(v + random.normal(scale=0.4, size=25)) for v in values]
    noise = [ordering(random.normal(size=25)) for _ in values]
    found = compare_orderings(values, good, noise)
    assert found.lower > 0
    assert found.p_value < 0.01
    same = compare_orderings(values, good, good)
    assert (same.value, same.p_value) == (0.0, 1.0)


# --- calibration


def test_calibration_finds_the_line_and_holds_the_values():
    random = np.random.default_rng(0)
    inside, slopes = [], []
    for _ in range(60):
        scores = random.normal(size=30)
        truth = 6.5 + 0.8 * scores + random.normal(scale=0.3, size=30)
        known = np.where(np.arange(30) < 12, truth, np.nan)
        found = calibrate(scores, known, level=0.9)
        inside.append(((found.lower <= truth) & (truth <= found.upper))[12:].mean())
        slopes.append(found.slope)
    assert np.mean(slopes) == pytest.approx(0.8, abs=0.05)
    assert 0.82 < np.mean(inside) < 0.97


def test_calibration_needs_five_different_values():
    scores = np.arange(8.0)
    known = np.array([5.0, 6.0, 7.0, 8.0, *[np.nan] * 4])
    with pytest.raises(DataError, match="4 ligands of the target are known"):
        calibrate(scores, known)
    with pytest.raises(DataError, match="nothing to rank"):
        calibrate(scores, np.where(np.arange(8) < 6, 7.0, np.nan))
    with pytest.raises(ConfigError, match="between 0 and 1"):
        calibrate(scores, known, level=90)


def test_a_score_that_is_wrong_about_the_known_gives_their_mean():
    scores = np.arange(8.0)
    found = calibrate(scores, -scores + 10)
    assert found.slope == 0
    np.testing.assert_allclose(found.values, 6.5)


# --- the network and the model


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """Two targets whose ligands bind by the carbon atoms of the protein that are near."""
    folder = tmp_path_factory.mktemp("targets")
    series = []
    for seed in (1, 2, 3):
        protein, ligands = write_target(folder, f"t{seed}", seed)
        found, _, _ = make_complexes(read_protein(protein), read_ligands(ligands)[0])
        near = shell_counts(found)[:, [name.startswith("C..C 4-6") for name in shell_names()]][:, 0]
        series.append(Series(f"t{seed}", tuple(found), 6 + near / 20))
    done = []
    found = fit_affinity_model(series, recipe=Recipe(members=1, steps=20), on_steps=done.append)
    assert done == [10, 10]  # signs of life
    return series, *found


def test_a_planted_contact_is_learned_where_the_ligand_alone_says_less(fitted):
    series, model, left_out = fitted
    values = [one.values for one in series]
    taus = {
        name: mean_kendall(values, [ordering(s) for s in left_out.scores[name]]).value
        for name in (BOOSTING, NEAREST)
    }
    assert taus[BOOSTING] > 0.3
    assert taus[BOOSTING] > taus[NEAREST]
    assert set(left_out.scores) == {BOTH, BOOSTING, NETWORK, *NULLS}
    assert model.half_width(0.9) > model.half_width(0.5) > 0


def test_scores_do_not_change_when_the_complex_is_moved_or_renumbered(fitted):
    series, model, _ = fitted
    one = series[0].complexes[6]
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)  # no mirror image
    mol = Chem.RenumberAtoms(one.ligand.mol, list(range(one.ligand.mol.GetNumAtoms()))[::-1])
    mol.GetConformer().SetPositions(np.array(mol.GetConformer().GetPositions()) @ turn + 5.0)
    protein = replace(one.protein, positions=one.protein.positions @ turn + 5.0)
    moved = make_complexes(protein, [ligand_of("moved", mol)])[0]
    before, after = model.score([one]), model.score(moved)
    for name in before:
        assert after[name][0] == pytest.approx(before[name][0], abs=2e-4), name


def test_a_ligand_that_touches_nothing_has_the_score_zero(fitted):
    series, model, _ = fitted
    one = series[0].complexes[0]
    alone = replace(
        one, pairs=one.pairs[one.distances > CUTOFF], distances=one.distances[one.distances > CUTOFF]
    )
    assert model.score([alone])[NETWORK][0] == 0
    assert model.score([one])[NETWORK][0] != 0


def test_nulls_know_only_the_ligand(fitted):
    series, model, _ = fitted
    scores = [model.score(one.complexes) for one in series[:2]]  # the same ligands in two proteins
    for name in (HEAVY_ATOMS, LOGP, LIGAND_ONLY):
        np.testing.assert_allclose(scores[0][name], scores[1][name])
    assert scores[0][HEAVY_ATOMS][0] == 7
    assert not np.allclose(scores[0][BOOSTING], scores[1][BOOSTING])


def test_a_model_comes_back_from_its_file(fitted, tmp_path):
    series, model, _ = fitted
    path = tmp_path / "model.safetensors"
    save_affinity_model(path, model)
    again = load_affinity_model(path)
    before, after = (one.score(series[0].complexes) for one in (model, again))
    for name in before:
        np.testing.assert_array_equal(before[name], after[name])
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match="damaged"):
        load_affinity_model(path)


def test_one_target_cannot_be_left_out(fitted):
    with pytest.raises(DataError, match="at least two"):
        fit_affinity_model(fitted[0][:1])
    short = [replace(one, complexes=one.complexes[:4], values=one.values[:4]) for one in fitted[0][:2]]
    with pytest.raises(DataError, match="has 4 ligands"):
        fit_affinity_model(short)


def test_contacts_are_those_within_the_cutoff(target):
    found = Interactions.of(target[:3])
    expected = sum((one.distances < CUTOFF).sum() for one in target[:3])
    assert int(found.mask.sum()) == expected
    assert (np.asarray(found.distances)[np.asarray(found.mask)] < CUTOFF).all()


# --- a series of its own


def test_a_series_is_ranked_by_what_it_is_made_of():
    smiles = ["C" * n + end for n in range(1, 9) for end in ("O", "N", "c1ccccc1")]
    values = np.array([5 + 0.3 * text.count("C") + text.count("c") / 10 for text in smiles])
    test = judge_series(smiles, values, kinds=("gaussian-process", "nearest"), repetitions=2)
    model = kendall(values, test.orders["gaussian-process"])
    assert model.value > 0.7
    assert model.value > kendall(values, test.orders[NEAREST]).value
    with pytest.raises(DataError, match="at least 10"):
        judge_series(smiles[:9], values[:9])


# --- poses


def test_a_good_pose_passes_and_bad_ones_fail(target):
    good = target[6]
    assert "protein clash" not in failed_checks(
        replace(good, pairs=good.pairs[:0], distances=good.distances[:0])
    )
    for change, check in (
        (lambda x: x * 1.5, "bond lengths"),
        (lambda x: x * [1, 1, 0.4], "bond lengths"),
    ):
        mol = Chem.Mol(good.ligand.mol)
        mol.GetConformer().SetPositions(change(np.array(mol.GetConformer().GetPositions())))
        assert check in failed_checks(replace(good, ligand=replace(good.ligand, mol=mol)))
    bent = Chem.Mol(good.ligand.mol)
    positions = np.array(bent.GetConformer().GetPositions())
    ring = bent.GetSubstructMatch(Chem.MolFromSmarts("c1ccccc1"))
    normal = np.cross(positions[ring[1]] - positions[ring[0]], positions[ring[2]] - positions[ring[0]])
    positions[ring[0]] += normal / np.linalg.norm(normal)
    bent.GetConformer().SetPositions(positions)
    assert "flat rings" in failed_checks(replace(good, ligand=replace(good.ligand, mol=bent)))
    close = replace(good, distances=np.full(len(good.distances), 1.5))
    assert "protein clash" in failed_checks(close)
    box = (good.ligand.positions.min(axis=0) + 0.5, good.ligand.positions.max(axis=0))
    assert "box" in failed_checks(good, box)


def test_the_distance_of_poses_knows_symmetry():
    mol = Chem.RemoveHs(posed("[O-]C(=O)c1ccccc1", "a"))
    flipped = Chem.Mol(mol)
    positions = np.array(mol.GetConformer().GetPositions())
    match = mol.GetSubstructMatches(Chem.MolFromSmarts("*~C(~*)c1ccccc1"), uniquify=False)
    straight, other = match[0], next(m for m in match if m[0] != match[0][0] and m[4] != match[0][4])
    new = positions.copy()
    new[list(straight)] = positions[list(other)]
    flipped.GetConformer().SetPositions(new)
    assert pose_rmsd(flipped, mol) == pytest.approx(0.0, abs=1e-6)
    assert np.sqrt(((new - positions) ** 2).sum(axis=1).mean()) > 1
    moved = Chem.Mol(mol)
    moved.GetConformer().SetPositions(positions + [3.0, 0, 0])
    assert pose_rmsd(moved, mol) == pytest.approx(3.0, abs=1e-6)  # nothing is laid over another
    with pytest.raises(DataError, match="different molecules"):
        pose_rmsd(posed("CCO", "a"), posed("CCN", "b"))


@pytest.mark.parametrize(
    ("smiles", "is_open"),
    [("CC(F)O", True), ("C[C@H](F)O", False), ("CC=CC", True), ("C/C=C/C", False), ("CCO", False),
     ("c1ccccc1", False), ("CC1CCC(C)CC1", True), ("broken", False)],
)  # fmt: skip
def test_strings_that_stand_for_several_stereoisomers(smiles, is_open):
    assert handedness_open(smiles) == is_open


def test_a_box_is_checked():
    box = Box.around(np.array([[0.0, 0, 0], [2.0, 4, 6]]))
    assert box.center == (1, 2, 3)
    assert box.size == (12, 14, 16)
    with pytest.raises(ConfigError, match="at most 60"):
        Box((0, 0, 0), (100, 10, 10))
    with pytest.raises(ConfigError, match="three edges"):
        Box((0, 0), (1, 1, 1))


def test_without_vina_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "vina", None)
    with pytest.raises(MissingDependencyError) as caught:
        docking._needed()
    assert "adiabat[docking]" in str(caught.value)
