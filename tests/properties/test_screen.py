"""A library through models: values, ranking, files, and what goes wrong."""

import csv
import gzip
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from scipy import stats

from adiabat.base import ConfigError, DataError
from adiabat.base.runs import RunFolder
from adiabat.properties.filters import Filters
from adiabat.properties.library import Entry
from adiabat.properties.model import load_property_model
from adiabat.properties.optimize import Objective
from adiabat.properties.ranking import pareto_front
from adiabat.properties.screening import Screen, Wish
from adiabat.properties.shortlist import ShortList
from adiabat.tasks import screen as task
from adiabat.tasks.property_predict import predict_properties
from adiabat.tasks.property_train import train_property
from adiabat.tasks.screen import screen

ENDS = {"O": 0.0, "C1CCNCC1": 0.2, "c1ccncc1": 1.5, "C1CC1": -1.0, "c1ccccc1": 2.0}
NAMES = [f"{'C' * n}{end}" for n in range(1, 21) for end in ENDS]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two run folders: of a value that grows with the chain, and of one that falls."""
    folder = tmp_path_factory.mktemp("models")
    for name, sign in (("logS", 1), ("logD", -1)):
        with (folder / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["smiles", name])
            for k, smiles in enumerate(NAMES):
                writer.writerow([smiles, f"{sign * (k // 5 / 2 + list(ENDS.values())[k % 5]):.2f}"])
        train_property(
            folder / f"{name}.csv",
            out=folder / name,
            targets=[name],
            units=["log M"],
            kinds=["gaussian-process"],
            split="none",
        )
    return folder / "logS", folder / "logD"


@pytest.fixture
def library(tmp_path):
    """Good molecules, some with handedness and charges, and rows that are not."""
    rows = [*NAMES[::3], "C[C@H](N)C(=O)O", "CCCC[N+](=O)[O-]", "CCCCC(=O)[O-].[Na+]", "CCCCCBr"]
    rows += ["C1CC", "CCCCCCCCO.CCCCCCCCN", "C" * 300, "", "*CC", "not a molecule"]
    path = tmp_path / "library.smi"
    path.write_text("".join(f"{row or '#empty'}\tm{k}\n" for k, row in enumerate(rows)))
    return path


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def table_of(folder):
    return pyarrow.parquet.read_table(folder / "molecules")


def wish_of(*names):
    return Wish(tuple(Objective(name) for name in names), np.ones(len(names)), 1.0)


def test_the_values_are_those_of_predict(models, library, tmp_path):
    found = screen(
        models,
        library,
        out=tmp_path / "run",
        top=5,
        explained=3,
        objectives=["logS=maximize"],
        workers=1,
    )
    table = table_of(tmp_path / "run")
    for model, name in zip(models, ("logS", "logD"), strict=True):
        wanted = [row for row in predict_properties(model, library) if not row["error"]]
        assert table["smiles"].to_pylist() == [row["smiles"] for row in wanted]
        for end in ("", " lower", " upper"):
            values = [float(row[f"{name}{end}"]) for row in wanted]
            np.testing.assert_allclose(table[f"{name}{end}"].to_numpy(), values, rtol=1e-5, atol=1e-5)
        assert table[f"{name} domain"].to_pylist() == [row["domain"] for row in wanted]
        assert table[f"{name} nearest"].to_pylist() == [row["nearest"] for row in wanted]
    assert found.counts == {"read": 43, "rejected": 5, "left_out": 0, "predicted": 38}
    rejected = rows_of(tmp_path / "run" / "rejected.csv")
    reasons = {row["smiles"][:10]: row["reason"] for row in rejected}
    assert "not a possible molecule" in reasons["C1CC"] or "not a SMILES" in reasons["C1CC"]
    assert "is a mixture of" in reasons["CCCCCCCCO."]
    assert "300 heavy atoms, at most 250" in reasons["CCCCCCCCCC"]
    assert "wildcard" in reasons["*CC"]
    assert [int(row["row"]) for row in rejected] == sorted(int(row["row"]) for row in rejected)
    best = rows_of(tmp_path / "run" / "candidates.csv")
    assert best[0]["rank"] == "1"
    assert best[0]["smiles"] == "C" * 20 + "c1ccccc1"
    # The bromine is outside of both domains, so that it is not ranked.
    assert "CCCCCBr" not in [row["smiles"] for row in best]
    page = found.report.read_text()
    assert "<svg" in page
    assert "wildcard" in page
    # Of 38 the best five: 1.645 standard errors become those that leave out 10 % times 5/38.
    times = stats.norm.isf(0.05 * 5 / 38) / stats.norm.isf(0.05)
    assert f"intervals and errors would have to be {times:.1f} times as wide" in page
    # Of what was wished for, and of three molecules.
    assert "Why the models like them" in page
    assert page.count("colored by what they bring to logS") == 3
    assert "colored by what they bring to logD" not in page
    assert ">running<" not in page
    assert RunFolder.open(tmp_path / "run").results["predicted"] == 38


def test_rows_that_are_no_molecules_are_told_as_they_were_read(models, tmp_path):
    path = tmp_path / "library.csv"
    path.write_text(f"smiles,name\nCCCCO,a\nCCCCO\n{'C' * 5000},b\n")
    predicted = predict_properties(models[0], path)
    assert [row["error"] for row in predicted][:2] == ["", "row 2: 1 cells, the header has 2"]
    screen(models[:1], path, out=tmp_path / "run", workers=1)
    rejected = rows_of(tmp_path / "run" / "rejected.csv")
    assert [(row["row"], len(row["smiles"]), row["reason"]) for row in rejected] == [
        ("2", 5, "1 cells, the header has 2"),
        ("3", 2000, predicted[2]["error"]),
    ]


def test_a_stream_is_ranked_as_the_whole(models):
    """However it is cut; and the front is that of all molecules."""
    loaded = [load_property_model(model) for model in models]
    wish = wish_of("logS", "logD")
    entries = [Entry(k + 1, name) for k, name in enumerate([*NAMES, *NAMES[:7]])]
    whole = pyarrow.Table.from_batches([Screen(loaded, Filters(), wish, 0.9)(entries)])
    lists = []
    for size in (len(whole), 13, 1):
        short = ShortList(6, wish, ())
        for start in range(0, len(whole), size):
            short.add(whole.slice(start, size))
        lists.append([short.best(), short.front(), short.different(0.5)])
    for other in lists[1:]:
        assert [table["row"].to_pylist() for table in other] == [t["row"].to_pylist() for t in lists[0]]
    best, front, different = lists[0]
    total = whole["desirability"].to_numpy()
    assert best["row"].to_pylist() == (np.argsort(-total[: len(NAMES)], kind="stable")[:6] + 1).tolist()
    wanted = pareto_front(wish.of(whole)) + 1
    assert set(front["row"].to_pylist()) == {int(k) for k in wanted if k <= len(NAMES)}
    assert len(different) <= 6
    assert different["row"][0] == best["row"][0]


def test_copies_and_ties_do_not_depend_on_the_order_of_the_library(models):
    """All of these are good enough: the best go first, each molecule once, however it is written."""
    loaded = [load_property_model(models[0])]
    wish = Wish((Objective("logS", (3.0, np.inf)),), np.ones(1), 1.0)
    copies = ["OCCCCCCCCCCCCCCC", "C(CCCCCCCCCCCCCC)O", "CCCCCCCCCCCCCC[C](O)([H])[H]"] * 3
    lists = []
    for names in (NAMES + copies, copies + NAMES[::-1]):
        whole = pyarrow.Table.from_batches(
            [Screen(loaded, Filters(), wish, 0.9)([Entry(k + 1, name) for k, name in enumerate(names)])]
        )
        short = ShortList(20, wish, ())
        for start in range(0, len(whole), 40):
            short.add(whole.slice(start, 40))
        best = short.best()
        assert set(best["desirability"].to_pylist()) == {1.0}
        low = best["logS"].to_numpy() - best["logS error"].to_numpy()
        assert (np.diff(low) <= 1e-6).all()
        lists.append((best["standardized"].to_pylist(), short.front()["standardized"].to_pylist()))
    assert lists[0] == lists[1]
    assert len(set(lists[0][0])) == 20
    assert lists[0][1] == lists[0][0][:1]


def test_filters_leave_out_before_models_are_asked(models, monkeypatch):
    loaded = [load_property_model(models[0])]
    asked = []
    predict = type(loaded[0]).predict
    monkeypatch.setattr(
        type(loaded[0]),
        "predict",
        lambda model, mols, level: asked.extend(mols.smiles) or predict(model, mols, level),
    )
    check = Screen(loaded, Filters(rules=["lipinski"], forbidden=["n"]), wish_of("logS"), 0.9)
    found = check([Entry(1, "CCO"), Entry(2, "CCc1ccncc1"), Entry(3, "C" * 40 + "O")])
    assert asked == ["CCO"]
    assert found["left_out"].to_pylist()[:2] == ["", "has n"]
    assert found["left_out"].to_pylist()[2].startswith("lipinski: molecular weight above 500 and logP")
    assert np.isnan(found["logS"].to_numpy()[1:]).all()


def test_one_bad_molecule_does_not_take_others_along(models, monkeypatch):
    """What fails when all are read at once."""
    loaded = [load_property_model(models[0])]
    predict = type(loaded[0]).predict

    def failing(model, molecules, level):
        if "CCCl" in molecules.smiles:
            raise RuntimeError("no charges of CCCl")
        return predict(model, molecules, level)

    monkeypatch.setattr(type(loaded[0]), "predict", failing)
    entries = [Entry(k + 1, name) for k, name in enumerate(["CCO", "CCCl", "CCN", "CCC"])]
    found = Screen(loaded, Filters(), wish_of("logS"), 0.9)(entries)
    errors = found["error"].to_pylist()
    assert errors == ["", "no charges of CCCl", "", ""]
    assert np.isfinite(found["logS"].to_numpy()[[0, 2, 3]]).all()


RUN = """
import sys
from adiabat.tasks import screen as task
task.CHUNK, task.PART = 16, 32
library, out, *models = sys.argv[1:]
task.screen(models, library, out=out, top=10, workers=2, resume=True, rules=["veber"])
"""


def program(models, library, out):
    command = [sys.executable, "-c", RUN, str(library), str(out), *map(str, models)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def bytes_of(folder):
    names = [*sorted((folder / "molecules").iterdir()), folder / "candidates.csv", folder / "rejected.csv"]
    return {path.name: path.read_bytes() for path in names}


@pytest.mark.slow
def test_killed_and_resumed(models, tmp_path):
    """kill -9 after some parts: the same bytes as of an unbroken run."""
    names = [name if k % 7 else "C1CC" for k in range(4) for name in NAMES[k:]]
    library = tmp_path / "library.smi.gz"
    library.write_bytes(gzip.compress(("\n".join(f"C{name}" for name in names) + "\n").encode()))
    whole = program(models, library, tmp_path / "whole")
    assert whole.wait(300) == 0, whole.stderr.read()
    for run in range(2):
        out = tmp_path / f"run-{run}"
        begun = program(models, library, out)
        while len(list(out.glob("molecules/part-*"))) < 1 + 3 * run and begun.poll() is None:
            time.sleep(0.001)
        begun.kill()
        begun.wait()
        assert RunFolder.open(out).status == "killed"
        again = program(models, library, out)
        assert again.wait(300) == 0, again.stderr.read()
        assert bytes_of(out) == bytes_of(tmp_path / "whole")


@pytest.mark.slow
def test_interrupted_and_resumed(models, tmp_path):
    library = tmp_path / "library.smi"
    library.write_text("\n".join(NAMES * 40) + "\n")
    begun = program(models, library, tmp_path / "run")
    while not list((tmp_path / "run").glob("molecules/part-*")) and begun.poll() is None:
        time.sleep(0.001)
    begun.send_signal(signal.SIGINT)
    begun.wait(60)
    assert RunFolder.open(tmp_path / "run").status == "interrupted"
    begun = program(models, library, tmp_path / "run")
    assert begun.wait(300) == 0, begun.stderr.read()
    assert RunFolder.open(tmp_path / "run").results["read"] == len(NAMES) * 40


@pytest.mark.slow
def test_a_worker_that_is_killed_is_replaced(models, tmp_path, monkeypatch):
    monkeypatch.setattr(task, "CHUNK", 16)
    monkeypatch.setattr(task, "PART", 32)
    library = tmp_path / "library.smi"
    library.write_text("\n".join(NAMES * 4) + "\n")
    started = []
    start = task.Processes._start
    monkeypatch.setattr(task.Processes, "_start", lambda pool: started.append(start(pool)) or started[-1])
    add = ShortList.add

    def killing(short, table):
        if len(started) == 1:
            os.kill(started[0].pid, signal.SIGKILL)
        add(short, table)

    monkeypatch.setattr(ShortList, "add", killing)
    found = screen(models, library, out=tmp_path / "run", workers=1)
    assert found.counts["predicted"] == 4 * len(NAMES)
    assert len(started) == 2


def test_wrong_input(models, library, tmp_path):
    run = {"out": tmp_path / "run", "workers": 1}
    for wrong, said in (
        ({"least_qed": 3.0}, "QED of 3 or more"),
        ({"most_sa": 0.5}, "accessibility of 0.5 or less"),
        ({"caution": -1.0}, "within -1 standard errors"),
        ({"caution": float("nan")}, "within nan"),
        ({"alike": 1.5}, "not 1.5"),
    ):
        with pytest.raises(ConfigError, match=said):
            screen(models[:1], library, **wrong, **run)
    assert not (tmp_path / "run").exists()
    with pytest.raises(ConfigError, match="given twice"):
        screen([models[0], models[0] / "model.safetensors"], library, **run)
    with pytest.raises(ConfigError, match="no model predicts 'logP'"):
        screen(models, library, objectives=["logP=maximize"], **run)
    with pytest.raises(ConfigError, match="2 weights are given for 1"):
        screen(models, library, objectives=["logS=maximize"], weights=[1, 2], **run)
    with pytest.raises(ConfigError, match="between 0 and 1"):
        screen(models, library, level=90, **run)
    with pytest.raises(ConfigError, match="is not a SMARTS"):
        screen(models, library, forbidden=["((("], **run)
    with pytest.raises(ConfigError, match="no rule 'paints'"):
        screen(models, library, rules=["paints"], **run)
    with pytest.raises(ConfigError, match="at least 1"):
        screen(models, library, top=0, **run)
    with pytest.raises(DataError, match="no file"):
        screen(models, tmp_path / "nothing.smi", **run)
    (tmp_path / "table.csv").write_text("structure\nCCO\n")
    with pytest.raises(ConfigError, match="no column 'smiles'"):
        screen(models, tmp_path / "table.csv", **run)
    with pytest.raises(DataError, match="not an adiabat archive"):
        screen([library], library, **run)
    (tmp_path / "empty.smi").write_text("# nothing\n")
    with pytest.raises(DataError, match="has no molecules"):
        screen(models, tmp_path / "empty.smi", **run)
    with pytest.raises(ConfigError, match="cannot work"):
        screen(models, library, out=tmp_path / "run", workers=0)


def test_a_model_of_reactions(models):
    from dataclasses import replace

    from adiabat.properties.reaction_standardizer import ReactionStandardizer

    odd = replace(load_property_model(models[0]), standardizer=ReactionStandardizer())
    with pytest.raises(ConfigError, match="a model of reactions"):
        Screen([odd], Filters(), wish_of("logS"), 0.9)


def test_a_model_of_another_version(models, library, tmp_path):
    from adiabat.base.archive import read_archive, write_archive
    from adiabat.properties.model import KIND

    arrays, header = read_archive(models[0] / "model.safetensors", KIND)
    write_archive(tmp_path / "old.safetensors", KIND, arrays, {**header, "revision": 0})
    with pytest.raises(DataError, match="another version"):
        screen([tmp_path / "old.safetensors"], library, out=tmp_path / "run")


def test_a_library_that_ends_too_early(models, tmp_path, monkeypatch):
    """What was read before is kept; the error says what is wrong with the file."""
    monkeypatch.setattr(task, "CHUNK", 8)
    monkeypatch.setattr(task, "PART", 16)
    library = tmp_path / "library.smi.gz"
    library.write_bytes(gzip.compress("\n".join(NAMES).encode())[:-8])
    monkeypatch.setattr(task, "_workers", lambda *_: InProcess(models))
    with pytest.raises(DataError, match="to its end"):
        screen(models, library, out=tmp_path / "run")
    assert len(table_of(tmp_path / "run")) >= 16


def test_from_a_stream(models, tmp_path, monkeypatch, piped):
    """The same as from a file; a run that was broken off goes on with the stream begun anew, and with no
    other."""
    monkeypatch.setattr(task, "CHUNK", 8)
    monkeypatch.setattr(task, "PART", 32)
    monkeypatch.setattr(task, "_workers", lambda *_: InProcess(models))
    text = "\n".join([*NAMES[:40], "C1CC", *NAMES[40:], *NAMES[:5]]) + "\n"
    (tmp_path / "library.smi").write_text(text)
    options = {"top": 5, "explained": 0}
    screen(models, tmp_path / "library.smi", out=tmp_path / "file", **options)
    found = screen(models, piped(text.encode()), out=tmp_path / "whole", **options)
    assert bytes_of(tmp_path / "whole") == bytes_of(tmp_path / "file")
    assert f"{found.counts['read']} molecules of standard input" in found.report.read_text()
    broken = gzip.compress(text.encode())
    out, add = tmp_path / "broken", ShortList.add

    def stopping(short, table):
        add(short, table)
        if table["row"][0].as_py() > 32:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(ShortList, "add", stopping)
    with pytest.raises(KeyboardInterrupt):
        screen(models, piped(broken), out=out, **options)
    monkeypatch.setattr(ShortList, "add", add)
    assert len(list((out / "molecules").iterdir())) == 2
    with pytest.raises(ConfigError, match="begun otherwise"):
        screen(models, piped(broken), out=out, resume=True, **options, level=0.8)
    for other, message in (("CCO\n", "has 1 rows, 64 of it are"), (f"CCO\n{text}", "row 64 of the library")):
        with pytest.raises(ConfigError, match=message):
            screen(models, piped(other.encode()), out=out, resume=True, **options)
    assert RunFolder.open(out).status == "interrupted"
    screen(models, piped(broken), out=out, resume=True, **options)
    assert bytes_of(out) == bytes_of(tmp_path / "file")
    # One that has grown since.
    grown = screen(models, piped(f"{text}CCCCCCO\n".encode()), out=out, resume=True, **options)
    assert grown.counts["read"] == found.counts["read"] + 1
    assert len(table_of(out)) == len(table_of(tmp_path / "file")) + 1


class InProcess:
    """A worker that is this process."""

    def __init__(self, models):
        from adiabat.tasks.screen_worker import prepared

        settings = {"models": list(map(str, models)), "objectives": [("logS", "maximize", 1.0)]}
        settings |= {"scales": [1.0], "caution": 1.0}
        self._answer = prepared(json.dumps(settings).encode())

    def map(self, jobs):
        return map(self._answer, jobs)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def test_by_the_command(models, library, tmp_path, piped):
    from tests.cli.conftest import run as adiabat

    out = tmp_path / "run"
    answer = adiabat("screen", *models, library, "--top", "3", "--out", out, "--workers", "1", "--json")
    assert answer.code == 0
    assert len(answer.json["best"]) == 3
    assert answer.json["rejected"] == 5
    assert answer.json["front"] >= 1
    answer = adiabat("screen", *models, library, "--top", "5", "--out", out)
    assert answer.code == 2
    assert "--resume" in answer.err
    answer = adiabat(
        "screen", *models, piped(library.read_bytes()), "--format", "csv", "--out", out, "--force"
    )
    assert answer.code == 2
    assert "standard input has no column 'smiles'" in answer.err
    answer = adiabat("screen", library, "--out", out)
    assert answer.code == 2
    assert "MODEL... LIBRARY" in answer.err


def test_a_student_learns_from_its_teacher(models):
    """On molecules that it has not seen; and its intervals hold what they are to hold."""
    from adiabat.properties.distillation import distilled
    from adiabat.properties.molecules import Molecules

    teacher = load_property_model(models[0])
    names = [f"{'C' * n}{middle}{'C' * m}{end}" for n in range(1, 7) for m in range(5)
             for middle in ("O", "N", "C(=O)", "c1ccc(cc1)") for end in ENDS]  # fmt: skip
    molecules = Molecules(tuple(names))
    said = teacher.predict(molecules)
    found = distilled(teacher, molecules, said.values, said.errors, seed=1)
    assert found.explained["logS"] > 0.9
    assert found.held_out == 60
    order = np.random.default_rng(1).permutation(len(names))[:60]
    own = found.model.predict(molecules.taken(order))
    inside = (own.lower <= said.values[order]) & (said.values[order] <= own.upper)
    assert inside.mean() > 0.9 - 2 * np.sqrt(0.9 * 0.1 / len(order))
    # Never surer than the teacher by much: the errors of both add up.
    assert np.median(own.errors / said.errors[order]) > 0.95
    # An error of the student that is made larger makes its intervals wider.
    worse = distilled(
        teacher, molecules, said.values + np.sin(np.arange(600) * 7)[:, None], said.errors, seed=1
    )
    assert np.median(worse.model.predict(molecules.taken(order)).errors / own.errors) > 1.1


def test_students_by_the_command(models, tmp_path):
    from tests.cli.conftest import run as adiabat

    library = tmp_path / "library.smi"
    library.write_text("".join(f"C{name}\n" for name in NAMES * 3) + "C1CC\n")
    out = tmp_path / "student.safetensors"
    words = ["property", "distill", models[0], library, "--out", out, "--molecules", "250", "--workers", "1"]
    answer = adiabat(*words, "--json")
    assert answer.code == 0
    assert answer.json["held_out"] == 50
    row = predict_properties(out, ["CCCCCO"])[0]
    assert float(row["logS lower"]) < float(row["logS"]) < float(row["logS upper"])
    assert row["nearest"] == "CCCCCO"
    answer = adiabat(*words)
    assert answer.code == 2
    assert "--force" in answer.err
    answer = adiabat(*words, "--force", "--molecules", "20")
    assert answer.code == 2
    assert "at least 200" in answer.err


@pytest.mark.slow
def test_on_a_local_ray_cluster(models, tmp_path):
    """The same bytes as of processes."""
    pytest.importorskip("ray")
    library = tmp_path / "library.smi"
    library.write_text("\n".join([*NAMES, "C1CC"]) + "\n")
    for name, options in (("processes", {"workers": 1}), ("ray", {"ray": "local", "workers": 2})):
        screen(models, library, out=tmp_path / name, **options)
    assert bytes_of(tmp_path / "ray") == bytes_of(tmp_path / "processes")
