"""From a teacher to a student by one command."""

import pytest

from adiabat.data import read_samples
from adiabat.networks import load_model
from adiabat.tasks.distill import taught_frames
from adiabat.testing.systems import copper as crystal


@pytest.fixture(scope="module")
def student(copper, adiabat, tmp_path_factory):
    """A student of the small model of copper."""
    folder = tmp_path_factory.mktemp("student")
    words = ("distill", copper.run, copper.test, "--frames", 40, "--steps", 30, "--out", folder / "run")
    answer = adiabat(*words, "--json")
    assert answer.code == 0, answer.err
    return folder / "run", answer.json


def test_a_student_learns_its_teachers_forces(student):
    folder, answer = student
    assert set(answer["metrics"]) == {"teacher", "labels", "labels, teacher"}
    model = load_model(folder)
    assert model.network.hyperparameters()["channels"] == 16
    assert model.cutoff == 4.0
    assert model.summary["errors"].keys() == answer["metrics"].keys()
    assert (folder / "report.html").exists()
    taught = read_samples(folder / "taught.xyz")
    assert len(taught) == 40
    assert all(sample.stress is not None for sample in taught)


def test_its_labels_are_what_the_teacher_says(student, copper):
    teacher = load_model(copper.run)
    sample = read_samples(student[0] / "taught.xyz")[0]
    prediction = teacher.predict(sample.system)
    assert sample.energy == pytest.approx(float(prediction.energy), abs=1e-4)
    assert abs(prediction.forces - sample.forces).max() < 1e-4


def test_the_same_seed_gives_the_same_frames(copper):
    teacher = load_model(copper.run)
    systems = [crystal(1, displacement=0.05, seed=k) for k in range(3)]
    one, other = (taught_frames(teacher, systems, 20, (300.0,), seed=1) for _ in range(2))
    assert len(one) == 20
    for a, b in zip(one, other, strict=True):
        assert (a.system.positions == b.system.positions).all()


def test_wrong_requests(copper, adiabat, tmp_path):
    assert adiabat("distill", copper.run, copper.test, "--size", "faster", "--out", tmp_path / "a").code == 2
    assert adiabat("distill", copper.run, tmp_path / "nothing.xyz", "--out", tmp_path / "b").code == 2
    answer = adiabat("distill", tmp_path, copper.test, "--out", tmp_path / "c")
    assert answer.code == 2
    assert "model.safetensors" in answer.err
