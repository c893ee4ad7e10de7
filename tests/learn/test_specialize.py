"""The general model, taught a training set's molecules by GFN2 labels before it sees the set's own."""

import logging

import numpy as np
import pytest

from adiabat.base import ConvergenceError
from adiabat.base.runs import RunFolder
from adiabat.data import Sample, read_samples, write_samples
from adiabat.data.labelers import labelers
from adiabat.generate.molecules import distorted
from adiabat.networks import general_model
from adiabat.tasks import specialize
from adiabat.tasks.train import train
from adiabat.training import evaluate
from adiabat.training.start import restricted

FEW = {"MOST_LABELS": 40, "FEWEST_LABELS": 4, "TRAJECTORIES": 2, "LEARNING": 0.5}


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    """A preparation of seconds."""
    for name, value in FEW.items():
        monkeypatch.setattr(specialize, name, value)


@pytest.fixture(scope="module")
def methanol(tmp_path_factory) -> str:
    """Structures labelled by another method than the preparation's."""
    path = tmp_path_factory.mktemp("methanol") / "methanol.xyz"
    write_samples(path, labelers.get("gfn1")(workers=1).label(distorted("CO", 24, seed=5)))
    return str(path)


def test_the_general_model_gets_to_know_the_molecules(methanol, tmp_path):
    run = train(methanol, minutes=0.4, out=tmp_path / "run")
    made = read_samples(tmp_path / "run" / "prepared.xyz")
    assert 20 < len(made) <= 41
    assert {sample.info["method"] for sample in made} == {"gfn2"}
    assert run.potential.summary["training"]["begun_from"] == "general"
    assert run.potential.summary["training"]["prepared_on"] == len(made)
    prepared = RunFolder.open(tmp_path / "run" / "prepared")
    assert prepared.status == "finished"
    # It has learned something about structures that are not among its labels.
    unseen = labelers.get("gfn2")(workers=1).label(distorted("CO", 24, seed=6))
    errors = [
        evaluate(potential, unseen).metrics["force_rmse_mev_per_ang"]
        for potential in (general_model(), specialize.load_model(prepared.path))
    ]
    assert errors[1] < 0.9 * errors[0]


def test_its_labels_are_made_once(methanol, tmp_path, monkeypatch):
    samples = read_samples(methanol)
    general = restricted(general_model(), {1, 6, 8})
    monkeypatch.setattr("adiabat.tasks.train.train", lambda *_, out, **__: out.mkdir(exist_ok=True))
    monkeypatch.setattr(specialize, "load_model", lambda path: path)
    with RunFolder.create(tmp_path / "run", "train", {}) as run:
        assert specialize.specialized(general, samples, run, 0.4, 0) == run.path / "prepared"
        (run.path / "prepared.xyz").unlink()
        assert specialize.specialized(general, samples, run, 0.4, 0) == run.path / "prepared"
        assert not (run.path / "prepared.xyz").exists()


@pytest.mark.parametrize("why", ["too slow", "many molecules", "fails"])
def test_where_it_is_of_no_use_the_general_model_is_as_it_is(why, methanol, tmp_path, monkeypatch, caplog):
    samples = read_samples(methanol)
    if why == "too slow":
        monkeypatch.setattr(specialize, "FEWEST_LABELS", 10**6)
    if why == "many molecules":
        names = ("C", "CC", "CCC", "CO", "CCO", "O", "C=C")
        samples = [Sample(distorted(name, 1, seed=0)[0]) for name in names]
    if why == "fails":

        def fail(*_, **__):
            raise ConvergenceError("nothing converged")

        monkeypatch.setattr(specialize, "visited", fail)
    general = restricted(general_model(), {1, 6, 8})
    with RunFolder.create(tmp_path / "run", "train", {}) as run, caplog.at_level(logging.WARNING):
        assert specialize.specialized(general, samples, run, 0.4, 0) is general
        assert run.results["prepared_on"] == 0
    assert ("nothing converged" in caplog.text) == (why == "fails")


def test_structures_about_to_break_are_left_out():
    calm = labelers.get("gfn2")(workers=1).label(distorted("CO", 2, seed=1))[0]
    positions = np.array(calm.system.positions)
    positions[0] += 0.5 * (positions[1] - positions[0])
    broken = labelers.get("gfn2")(workers=1).label([calm.system.moved(positions)])[0]
    assert specialize._is_calm(calm)
    assert not specialize._is_calm(broken)
