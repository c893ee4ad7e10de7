"""Labels of two methods by the command line."""

import ase.io


def test_train_with_a_head(copper, adiabat, tmp_path):
    small = ("--set", "model.channels=2", "--set", "model.n_interactions=1", "--set", "model.cutoff=4 Å")
    words = ("train", "--data", copper.train, "--head", f"b={copper.test}", "--head", f"b={copper.train}")
    answer = adiabat(*words, "--steps", 3, *small, "--out", tmp_path / "run", "--json")
    assert answer.code == 0, answer.err
    assert set(answer.json["metrics"]) == {"valid", "valid b"}
    assert "in head b" in answer.err
    again = adiabat(
        "train", "--config", tmp_path / "run" / "config.toml", "--out", tmp_path / "again", "--json"
    )
    assert again.json["metrics"] == answer.json["metrics"]
    kept = adiabat(
        "train", "--data", copper.train, "--from", tmp_path / "run" / "model-b.safetensors", "--keep",
        copper.start, "--steps", 2, "--out", tmp_path / "kept",
    )  # fmt: skip
    assert kept.code == 2
    assert "cannot split 1 samples" in kept.err


def test_wrong_requests(copper, adiabat, tmp_path):
    def refused(*words):
        answer = adiabat("train", "--data", copper.train, *words, "--out", tmp_path / "run")
        assert answer.code == 2
        return answer.err

    assert "NAME=FILE" in refused("--head", "labelled.xyz")
    assert "--from MODEL" in refused("--keep", copper.test)


def test_labels_of_two_methods_are_refused_with_the_way_out(copper, adiabat, tmp_path):
    frames = ase.io.read(copper.train, ":")
    for k, frame in enumerate(frames):
        frame.info["method"] = "emt" if k % 2 else "pbe"
    ase.io.write(tmp_path / "x.xyz", frames, format="extxyz")
    answer = adiabat("train", "--data", tmp_path / "x.xyz", "--steps", 2, "--out", tmp_path / "run")
    assert answer.code == 2
    assert "--head NAME=FILE" in " ".join(answer.err.split())
