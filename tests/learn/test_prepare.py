"""A network that learns a training set's molecules by GFN2 labels before it sees the set's own."""

import logging
import math
import time

import numpy as np
import pytest

from adiabat.base import ConvergenceError
from adiabat.base.runs import RunFolder
from adiabat.data import Sample, read_samples, write_samples
from adiabat.data.labelers import labelers
from adiabat.generate.molecules import distorted
from adiabat.networks import MODEL_NAME
from adiabat.tasks import prepare
from adiabat.tasks.train import train
from adiabat.testing import systems
from adiabat.training import TrainingOptions, evaluate

FEW = {"MOST_LABELS": 40, "FEWEST_LABELS": 4, "TRAJECTORIES": 2, "LEARNING": 0.5}


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    """A preparation of seconds."""
    for name, value in FEW.items():
        monkeypatch.setattr(prepare, name, value)


@pytest.fixture(scope="module")
def methanol(tmp_path_factory) -> str:
    """Structures labelled by another method than the preparation's."""
    path = tmp_path_factory.mktemp("methanol") / "methanol.xyz"
    write_samples(path, labelers.get("gfn1")(workers=1).label(distorted("CO", 24, seed=5)))
    return str(path)


def test_the_network_gets_to_know_the_molecules(methanol, tmp_path, monkeypatch):
    monkeypatch.setattr("adiabat.training.trainer.PASSES", 30)
    run = train(methanol, minutes=0.4, out=tmp_path / "run")
    assert run.steps == max(30 * math.ceil(23 / 12), 40)
    made = read_samples(tmp_path / "run" / "prepared.xyz")
    assert 20 < len(made) <= 41
    assert {sample.info["method"] for sample in made} == {"gfn2"}
    assert run.potential.summary["training"]["prepared_on"] == len(made)
    folder = RunFolder.open(tmp_path / "run" / "prepared")
    assert folder.status == "finished"
    # What it has learned goes for structures that are not among its labels.
    unseen = labelers.get("gfn2")(workers=1).label(distorted("CO", 24, seed=6))
    size = 1e3 * np.sqrt(np.mean(np.concatenate([sample.forces for sample in unseen]) ** 2))
    metrics = evaluate(prepare.load_model(folder.path), unseen).metrics
    assert metrics["force_rmse_mev_per_ang"] < 0.5 * size


@pytest.mark.parametrize("options", [{"steps": 5}, {"minutes": 0.1, "start": "scratch"}])
def test_only_trainings_by_the_clock_that_begin_with_nothing_are_prepared(options, methanol, tmp_path):
    small = {"model": {"n_interactions": 1, "channels": 4}}
    train(methanol, out=tmp_path / "run", config=small, **options)
    assert not (tmp_path / "run" / "prepared.xyz").exists()


def asked(tmp_path, samples: list[Sample], minutes: float = 0.4):
    """Whether a training is prepared, with what its folder says of it."""
    options = TrainingOptions(minutes=minutes)
    with RunFolder.create(tmp_path / "run", "train", {}, resume=True) as run:
        potential = prepare.prepared(run, samples, {"kind": "cartesian"}, options, time.monotonic())
        return potential, run.results["prepared_on"]


def test_its_labels_are_made_once(methanol, tmp_path, monkeypatch):
    def stopped(*_, out, **__):
        out.mkdir()
        raise KeyboardInterrupt

    samples = read_samples(methanol)
    monkeypatch.setattr("adiabat.tasks.train.train", stopped)
    with pytest.raises(KeyboardInterrupt):
        asked(tmp_path, samples)
    written = (tmp_path / "run" / "prepared.xyz").stat().st_mtime_ns

    def trained(*_, out, **__):
        (out / MODEL_NAME).touch()

    monkeypatch.setattr("adiabat.tasks.train.train", trained)
    monkeypatch.setattr(prepare, "load_model", lambda path: path)
    potential, count = asked(tmp_path, samples)
    assert potential == tmp_path / "run" / "prepared"
    assert count > 0
    assert (tmp_path / "run" / "prepared.xyz").stat().st_mtime_ns == written
    monkeypatch.setattr("adiabat.tasks.train.train", stopped)  # a finished one is not begun again
    assert asked(tmp_path, samples) == (potential, count)


@pytest.fixture
def minutes_asked(monkeypatch) -> list[float]:
    """What trainings on the labels are given, which are not done."""
    given = []

    def trained(*_, out, minutes, **__):
        given.append(minutes)
        out.mkdir()
        (out / MODEL_NAME).touch()

    monkeypatch.setattr("adiabat.tasks.train.train", trained)
    monkeypatch.setattr(prepare, "load_model", lambda path: path)
    return given


@pytest.mark.parametrize(("needed", "expected"), [(30.0, 65.0), (90.0, 50.0)])
def test_it_has_the_time_that_the_samples_do_not_need(
    needed, expected, methanol, minutes_asked, tmp_path, monkeypatch
):
    """Less what reading and tests take, and half of all in this file at least."""
    monkeypatch.setattr(prepare, "_minutes_needed", lambda *_: needed)
    asked(tmp_path, read_samples(methanol), minutes=100.0)
    assert minutes_asked == pytest.approx([expected], abs=4.0)


@pytest.mark.usefixtures("minutes_asked")
def test_of_a_liquid_it_learns_clusters_with_protons_on_their_way(tmp_path, monkeypatch):
    liquid = [Sample(systems.water(8, seed=seed)) for seed in range(3)]
    monkeypatch.setattr(prepare, "_minutes_needed", lambda *_: 1.0)
    _, count = asked(tmp_path, liquid)
    made = read_samples(tmp_path / "run" / "prepared.xyz")
    assert len(made) == count > 30
    assert {sample.n_atoms for sample in made} == {18}
    assert not any(any(sample.system.pbc) for sample in made)
    longest = [longest_bond(sample) for sample in made]
    assert 3 < np.sum(np.array(longest) > 1.2) < 12


def longest_bond(sample: Sample) -> float:
    """The longest way from a hydrogen atom to the oxygen atom it came with [Å]."""
    positions = np.asarray(sample.system.positions).reshape(6, 3, 3)
    return float(np.linalg.norm(positions[:, 1:] - positions[:, :1], axis=-1).max())


@pytest.mark.parametrize("why", ["too slow", "many molecules", "other elements", "a metal", "fails"])
def test_where_it_is_of_no_use_it_is_left_out(why, methanol, tmp_path, monkeypatch, caplog):
    samples = read_samples(methanol)
    if why == "too slow":
        monkeypatch.setattr(prepare, "FEWEST_LABELS", 10**6)
    if why == "many molecules":
        names = ("C", "CC", "CCC", "CO", "CCO", "O", "C=C")
        samples = [Sample(distorted(name, 1, seed=0)[0]) for name in names]
    if why == "other elements":
        samples = [Sample(systems.argon_cluster(13))]
    if why == "a metal":
        samples = [Sample(systems.copper(2))]
    if why == "fails":

        def fail(*_, **__):
            raise ConvergenceError("nothing converged")

        monkeypatch.setattr(prepare, "visited", fail)
    with caplog.at_level(logging.WARNING):
        assert asked(tmp_path, samples) == (None, 0)
    assert ("nothing converged" in caplog.text) == (why == "fails")


def test_structures_about_to_break_are_left_out():
    calm = labelers.get("gfn2")(workers=1).label(distorted("CO", 2, seed=1))[0]
    positions = np.array(calm.system.positions)
    positions[0] += 0.5 * (positions[1] - positions[0])
    broken = labelers.get("gfn2")(workers=1).label([calm.system.moved(positions)])[0]
    assert prepare._is_calm(calm)
    assert not prepare._is_calm(broken)
