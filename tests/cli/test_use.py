"""Commands that make and use a model, on a small one."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import ase
import ase.io
import numpy as np
import pytest

from adiabat.base import ConfigError
from adiabat.cli.options import atom_numbers

KEYS = {
    "n_structures",
    "energy_rmse_mev",
    "energy_mae_mev",
    "energy_mae_mev_per_atom",
    "force_rmse_mev_per_ang",
    "force_mae_mev_per_ang",
    "stress_mae_gpa",
}


def test_train(copper):
    found = copper.trained.json
    assert found["steps"] == 6
    assert found["metrics"]["test"].keys() >= KEYS
    folder = Path(found["out"])
    for name in ("model.safetensors", "report.html", "config.toml", "run.json", "metrics.jsonl"):
        assert (folder / name).is_file()
    info = json.loads((folder / "run.json").read_text())
    assert (info["status"], info["task"], info["seed"]) == ("finished", "train", 0)
    assert info["environment"]["x64"] is True


def test_the_settings_of_a_run_can_be_checked_and_used_again(copper, adiabat, tmp_path):
    settings = Path(copper.run) / "config.toml"
    checked = adiabat("check", settings, "--json")
    assert checked.code == 0, checked.err
    assert checked.json["task"] == "train"
    assert checked.json["training"]["steps"] == 6
    again = adiabat("train", "--config", settings, "--out", tmp_path / "again", "--json")
    assert again.json["metrics"] == copper.trained.json["metrics"]


def test_free_atoms_are_no_test_set(copper, adiabat, tmp_path):
    atom = tmp_path / "atom.xyz"
    atom.write_text("1\nProperties=species:S:1:pos:R:3 energy=-0.1\nCu 0 0 0\n")
    for where in ("--test", "--valid"):
        answer = adiabat(
            "train", "--data", copper.train, where, atom, "--steps", 2, "--out", tmp_path / "run"
        )
        assert answer.code == 2
        assert "free atoms only" in answer.err


def test_other_data_are_not_a_run_to_resume(copper, adiabat, tmp_path):
    """The same file name with other contents is noticed."""
    data = tmp_path / "data.xyz"
    data.write_text(Path(copper.train).read_text())
    small = ("--set", "model.channels=2", "--set", "model.n_interactions=1", "--set", "model.cutoff=4 Å")
    words = ("train", "--data", data, "--steps", 4, *small, "--out", tmp_path / "run")
    assert adiabat(*words).code == 0
    data.write_text(Path(copper.test).read_text() + Path(copper.train).read_text())
    answer = adiabat(*words, "--resume")
    assert answer.code == 2
    assert "not those the run was begun with" in answer.err


def test_a_finished_run_is_kept(copper, adiabat):
    before = (Path(copper.run) / "model.safetensors").read_bytes()
    answer = adiabat("train", "--data", copper.train, "--steps", 3, "--out", copper.run)
    assert answer.code == 2
    assert "--force" in answer.err
    assert (Path(copper.run) / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--data"),
        (["--data", "nothing.xyz"], "nothing.xyz"),
        (["--data", "TRAIN", "--set", "training.stps=4"], "did you mean 'steps'"),
        (["--data", "TRAIN", "--set", "model.kind=magic"], "unknown network 'magic'"),
        (["--data", "TRAIN", "--set", "data.energy_key=dft_energy"], "dft_energy"),
        (["--data", "TRAIN", "--set", "training"], "--set section.key=value"),
        (["--data", "TRAIN", "--minutes", "0"], "minutes"),
        (["--data", "TRAIN", "--size", "huge"], "unknown size 'huge'"),
        (["--config", "nothing.toml"], "nothing.toml"),
    ],
)
def test_wrong_input_of_train(copper, adiabat, tmp_path, words, message):
    words = [copper.train if word == "TRAIN" else word for word in words]
    answer = adiabat("train", *words, "--out", tmp_path / "run")
    assert answer.code == 2
    assert message in answer.err
    assert answer.err.count("error:") == 1


def _nine(frames):
    return frames[:9]


def _of_two_methods(frames):
    """Another zero of energy in every second frame."""
    for atoms in frames[::2]:
        atoms.calc.results["energy"] -= 1.3 * len(atoms)
    return frames


def _named(frames):
    for number, atoms in enumerate(frames):
        atoms.info["method"] = ("pbe", "gfn2")[number % 2]
    return frames


@pytest.mark.parametrize(
    ("spoil", "words", "message"),
    [
        (_nine, (), "a training needs 10 in all"),
        (_of_two_methods, (), "labels of two methods"),
        (_named, (), "the frames say they are of gfn2, pbe"),
        (list, ("--set", "model.cutoff=4000 Å"), "GiB"),
    ],
)
def test_data_that_cannot_be_trained_on(copper, adiabat, tmp_path, spoil, words, message):
    ase.io.write(tmp_path / "x.xyz", spoil(ase.io.read(copper.train, ":")), format="extxyz")
    answer = adiabat("train", "--data", tmp_path / "x.xyz", *words, "--steps", 2, "--out", tmp_path / "run")
    assert answer.code == 2
    assert message in " ".join(answer.err.split())
    assert answer.err.count("error:") == 1
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_elements_of_a_test_set_are_those_of_the_training_set(copper, adiabat, tmp_path):
    silver = ase.io.read(copper.test, ":")
    for atoms in silver:
        atoms.numbers[0] = 47
    ase.io.write(tmp_path / "silver.xyz", silver, format="extxyz")
    words = ("train", "--data", copper.train, "--test", tmp_path / "silver.xyz", "--steps", 2)
    unchecked = ("--set", "data.preflight=false")
    for more in ((), unchecked):
        answer = adiabat(*words, *more, "--out", tmp_path / "run", "--force")
        assert answer.code == 2
        assert "Ag" in answer.err


def test_data_without_forces(adiabat, tmp_path):
    atoms = ase.Atoms("Cu2", [[0, 0, 0], [2, 0, 0]])
    atoms.info["energy"] = -1.0
    ase.io.write(tmp_path / "x.xyz", [atoms] * 3, format="extxyz")
    answer = adiabat("train", "--data", tmp_path / "x.xyz", "--out", tmp_path / "run")
    assert answer.code == 2
    assert "forces" in answer.err


def test_evaluate(copper, adiabat):
    answer = adiabat("evaluate", copper.run, copper.test, "--json")
    assert answer.code == 0
    assert answer.json.keys() >= KEYS
    trained = copper.trained.json["metrics"]["test"]
    assert answer.json["force_rmse_mev_per_ang"] == pytest.approx(trained["force_rmse_mev_per_ang"], rel=1e-4)
    people = adiabat("evaluate", Path(copper.run) / "model.safetensors", copper.test)
    assert "force RMSE [meV/Å]" in people.out


def test_predict_writes_what_evaluate_measures(copper, adiabat, tmp_path):
    out = tmp_path / "predicted.xyz"
    assert adiabat("predict", copper.run, copper.test, "--out", out, "--json").json == {"out": str(out)}
    predicted, labelled = ase.io.read(out, ":"), ase.io.read(copper.test, ":")
    errors = [p.get_forces() - r.get_forces() for p, r in zip(predicted, labelled, strict=True)]
    measured = adiabat("evaluate", copper.run, copper.test, "--json").json["force_rmse_mev_per_ang"]
    assert 1e3 * np.sqrt(np.mean(np.square(errors))) == pytest.approx(measured, rel=1e-3)
    again = adiabat("predict", copper.run, copper.test, "--out", out)
    assert again.code == 2
    assert "--force" in again.err


def test_md_then_more_of_it_then_analyze(copper, adiabat, tmp_path):
    out = tmp_path / "run"
    words = ("md", copper.run, copper.start, "--timestep", "1 fs", "--out", out, "--json")
    first = adiabat(*words, "--steps", 20)
    assert first.code == 0, first.err
    assert (first.json["steps"], first.json["frames"]) == (20, 3)
    assert "--resume and more steps" in adiabat(*words, "--steps", 40).err
    longer = adiabat(*words, "--steps", 40, "--resume")
    assert (longer.json["steps"], longer.json["frames"], longer.json["time_ps"]) == (40, 5, 0.04)
    other = adiabat(*words, "--steps", 40, "--resume", "--temperature", "500 K")
    assert other.code == 2
    assert "integrator.temperature was 300.0 and is 500.0 now" in other.err
    assert adiabat("check", out / "config.toml", "--json").json["integrator"]["temperature"] == "300 K"
    found = adiabat("analyze", out, "--json").json
    assert found["length_ps"] == pytest.approx(0.04)
    assert Path(found["report"]).is_file()


def test_md_from_a_file(copper, adiabat, tmp_path):
    text = adiabat("new", "md").out
    for key, value in (("model", copper.run), ("structure", copper.start)):
        text = text.replace(f'# {key} = ""', f"{key} = '{value}'")
    text = text.replace("# steps = 0", "steps = 500").replace('"0.5 fs"', '"1e-3 ps"')
    (tmp_path / "md.toml").write_text(text)
    answer = adiabat(
        "md", "--config", tmp_path / "md.toml", "--steps", 10, "--out", tmp_path / "run", "--json"
    )
    assert answer.code == 0, answer.err
    assert answer.json["steps"] == 10


def test_md_with_an_inner_model(copper, adiabat, tmp_path):
    """Options of longer steps end up in the run's settings, which are a file to run again."""
    words = ("md", copper.run, copper.start, "--timestep", "2 fs", "--steps", 4, "--out", tmp_path / "run")
    words += ("--inner", copper.run, "--inner-steps", 2, "--json")
    assert "has no hydrogen to make heavier" in adiabat(*words, "--hydrogen-mass", "3 amu").err
    answer = adiabat(*words)
    assert answer.code == 0, answer.err
    assert answer.json["time_ps"] == pytest.approx(0.008)
    checked = adiabat("check", tmp_path / "run" / "config.toml", "--json").json
    assert [checked[key] for key in ("inner", "inner_steps")] == [copper.run, 2]
    assert "should be 'none', 'hydrogens'" in adiabat(*words, "--constraints", "hydrogen", "--force").err


def test_heavy_hydrogen_is_a_setting_of_the_run(adiabat, tmp_path):
    (tmp_path / "water.xyz").write_text("3\n\nO 0 0 0\nH 0.96 0 0\nH -0.24 0.93 0\n")
    words = ("md", "general", tmp_path / "water.xyz", "--hydrogen-mass", "3 amu", "--steps", 2)
    answer = adiabat(*words, "--out", tmp_path / "run", "--json")
    assert answer.code == 0, answer.err
    checked = adiabat("check", tmp_path / "run" / "config.toml", "--json").json
    assert checked["hydrogen_mass"] == "3 amu"


def test_numbers_of_atoms():
    assert atom_numbers("0-3,7, 9 - 10") == [0, 1, 2, 3, 7, 9, 10]
    for text in ("", "a", "1-", "-1", "1-2-3", "1.5", "0-9999999999", "9" * 5000, "5-3"):
        with pytest.raises(ConfigError, match="numbers of atoms"):
            atom_numbers(text)


def test_a_solute_needs_replicas(copper, adiabat, tmp_path):
    words = ("md", copper.run, copper.start, "--steps", 5, "--solute", "0-1", "--out", tmp_path / "run")
    answer = adiabat(*words)
    assert answer.code == 2
    assert "a solute is for replicas" in answer.err


def test_physics_that_fails_has_exit_code_3(copper, adiabat, tmp_path):
    words = (
        "md",
        copper.run,
        copper.start,
        "--steps",
        100,
        "--timestep",
        "200 fs",
        "--out",
        tmp_path / "run",
    )
    answer = adiabat(*words, "--json")
    assert answer.code == 3
    assert answer.json["error"]["type"] == "SimulationError"
    assert (tmp_path / "run" / "offending.xyz").is_file()
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "failed"


@pytest.mark.slow
def test_a_relaxation_that_does_not_get_there_has_exit_code_3(copper, adiabat, tmp_path):
    out = tmp_path / "r.xyz"
    slow = adiabat("relax", copper.run, copper.start, "--out", out, "--max-steps", 1, "--fmax", "1 meV/Å")
    assert slow.code == 3
    assert out.is_file()


def test_an_element_that_the_model_does_not_know(copper, adiabat, tmp_path):
    water = ase.Atoms("OH2", [[0, 0, 0], [0.96, 0, 0], [-0.3, 0.9, 0]])
    ase.io.write(tmp_path / "water.xyz", water)
    water.info["energy"], water.arrays["forces"] = -1.0, np.zeros((3, 3))
    ase.io.write(tmp_path / "labelled.xyz", water, format="extxyz")
    for words in (
        ("md", copper.run, tmp_path / "water.xyz", "--steps", 5, "--out", tmp_path / "run"),
        ("relax", copper.run, tmp_path / "water.xyz", "--out", tmp_path / "r.xyz"),
        ("predict", copper.run, tmp_path / "water.xyz", "--out", tmp_path / "p.xyz"),
        ("evaluate", copper.run, tmp_path / "labelled.xyz"),
    ):
        answer = adiabat(*words)
        assert answer.code == 2
        assert "Cu" in answer.err
        assert "H" in answer.err


def test_damaged_models(copper, adiabat, tmp_path):
    content = (Path(copper.run) / "model.safetensors").read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    for damaged in (content[:-5], bytes(flipped), b"", b"\x80\x04K\x01."):
        (tmp_path / "model.safetensors").write_bytes(damaged)
        answer = adiabat("evaluate", tmp_path / "model.safetensors", copper.test)
        assert answer.code == 2
        assert "damaged" in answer.err
    for model in (tmp_path / "nothing", tmp_path):
        assert adiabat("evaluate", model, copper.test).code == 2


def test_label_says_what_failed_and_refuses_what_cannot_be(adiabat, copper, tmp_path):
    out = tmp_path / "labelled.xyz"
    assert adiabat("label", copper.test, "--method", "emt", "--out", out).code == 0
    for words, message in [
        (("label", copper.test, "--method", "emt", "--out", out), "--force"),
        (("label", copper.test, "--method", "dft", "--out", tmp_path / "y.xyz"), "unknown method 'dft'"),
        (("label", copper.test, "--method", "emt", "--out", tmp_path / "y.csv"), "FILE.xyz"),
        (("label", tmp_path / "nothing.xyz", "--out", tmp_path / "y.xyz"), "nothing.xyz"),
        (("learn", "C1CC(", "--out", tmp_path / "run"), "C1CC("),
        (("learn", "missing.xyz", "--out", tmp_path / "run"), "missing.xyz"),
        (("learn", "O", "--minutes", "-1", "--out", tmp_path / "run"), "minutes"),
        (("analyze", tmp_path), "run.json"),
    ]:
        answer = adiabat(*words)
        assert answer.code == 2, words
        assert message in answer.err


@pytest.mark.slow
@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_stop_md_after_saving(copper, tmp_path, signum, code):
    run = tmp_path / "run"
    words = [
        sys.executable,
        "-m",
        "adiabat",
        "md",
        copper.run,
        copper.start,
        "--out",
        run,
        "--steps",
        "20000000",
    ]
    process = subprocess.Popen([str(w) for w in words], stderr=subprocess.PIPE, text=True)
    while not list(run.glob("checkpoints/*")) and process.poll() is None:
        time.sleep(0.2)
    time.sleep(1)
    process.send_signal(signum)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "go on with --resume" in err
    assert json.loads((run / "run.json").read_text())["status"] == "interrupted"
    shutil.rmtree(run)


def test_check_looks_at_data(adiabat, copper, tmp_path):
    good = adiabat("check", copper.train)
    assert good.code == 0, good.err
    assert "info: energies and forces agree" in good.out
    atoms = ase.io.read(copper.train, ":")
    for frame in atoms:
        frame.calc.results["forces"] *= -1
    ase.io.write(tmp_path / "sign.xyz", atoms)
    bad = adiabat("check", tmp_path / "sign.xyz", "--json")
    assert bad.code == 2
    assert not bad.json["passed"]
    assert bad.json["findings"][0]["title"] == "the forces have the wrong sign"
