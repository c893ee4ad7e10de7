"""The sections on molecules that were improved."""

import itertools

import numpy as np
from rdkit import Chem
from rdkit.Chem import Crippen, Descriptors

from adiabat.properties.optimize import Limits, Objective, Search, optimize_molecules
from adiabat.report import Page, candidate_sections
from adiabat.report.candidates import changed_atoms, main_line
from adiabat.report.formatting import number

START = "CC(=O)Nc1ccc(O)cc1"


def scores(smiles):
    mols = [Chem.MolFromSmiles(text) for text in smiles]
    values = np.array([[Crippen.MolLogP(mol), Descriptors.MolWt(mol)] for mol in mols])
    return values, np.tile([0.25, 0.0], (len(mols), 1))


def test_what_changed_is_marked():
    phenol, anisole = Chem.MolFromSmiles("Oc1ccccc1"), Chem.MolFromSmiles("COc1ccccc1")
    assert changed_atoms(phenol, anisole) == [0]
    assert changed_atoms(anisole, phenol) == []
    assert changed_atoms(Chem.MolFromSmiles("Clc1ccccc1"), phenol) == [0]


def test_a_page_shows_the_steps():
    objectives = [Objective("logP", (2.0, 3.0)), Objective("mass", "minimize")]
    search = Search(evaluations=40, first=15, proposals=40, population=15)
    found = optimize_molecules([START], scores, objectives, limits=Limits(scaffold="c1ccccc1"), search=search)
    sections = candidate_sections(found)
    assert [section.title for section in sections[:2]] == ["Best molecules", "Pareto front"]
    k = found.best(1)[0]
    best = found.archive.smiles[k]
    gain = found.total[k] - found.total[found.archive.smiles.index(START)]
    assert sections[0].verdicts[0].value == f"{number(gain)} more desirable than the start"
    line = main_line(found.archive.lineage(best))
    assert line[0].smiles == START
    assert line[-1].smiles == best
    for before, step in itertools.pairwise(line):
        assert before.smiles in step.origin.parents
    figures = sections[2].cards[0].cards
    assert len(figures) == len(line)
    assert "logP" in figures[0].caption
    assert all(step.origin.edit in figure.caption for step, figure in zip(line[1:], figures[1:], strict=True))
    page = Page("Better molecules")
    page.add(*sections)
    html = page.render()
    assert html.count("<svg") >= len(line) + 4
    assert "<?xml" not in html
    assert "±" in html
    assert page.render() == html


def test_nothing_to_show():
    found = optimize_molecules(
        [START],
        lambda smiles: (np.full((len(smiles), 1), np.nan), np.zeros((len(smiles), 1))),
        [Objective("logP")],
        search=Search(evaluations=1),
    )
    assert "could be scored" in candidate_sections(found)[0].cards[0].text
