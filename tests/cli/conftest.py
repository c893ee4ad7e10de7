"""What the tests of the command line share."""

import json
from dataclasses import dataclass

import pytest
from typer.testing import CliRunner

from adiabat.cli import output
from adiabat.cli.main import app

PLAIN = {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "100"}


@dataclass
class Answer:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        """Standard output as the one JSON object it must be."""
        return json.loads(self.out)


def run(*words, traceback: bool = False) -> Answer:
    """Runs a command in this process; an error that is no clean exit is raised."""
    result = CliRunner().invoke(app, [str(word) for word in words], prog_name="adiabat", env=PLAIN)
    output.settings.__init__()
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert traceback or "Traceback" not in result.stderr
    return Answer(result.exit_code, result.stdout, result.stderr)


@pytest.fixture(scope="session")
def adiabat():
    """`run`."""
    return run


@dataclass
class Copper:
    """Copper labelled by EMT, and a small model that a few steps of training made of it."""

    train: str
    test: str
    start: str
    run: str
    trained: Answer


@pytest.fixture(scope="session")
def copper(tmp_path_factory):
    """The files and the model, made by the command line itself."""
    from adiabat.data import Sample, write_samples
    from adiabat.testing.systems import copper

    folder = tmp_path_factory.mktemp("copper")
    systems = [copper(1, displacement=0.1, seed=seed) for seed in range(24)]
    for name, chosen in (("train", systems[:20]), ("test", systems[20:])):
        write_samples(folder / f"{name}.bare.xyz", [Sample(system=system) for system in chosen])
        labelled = run(
            "label", folder / f"{name}.bare.xyz", "--method", "emt", "--out", folder / f"{name}.xyz"
        )
        assert labelled.code == 0, labelled.err
    write_samples(folder / "start.xyz", [Sample(system=copper(1, displacement=0.05, seed=99))])
    words = ("train", "--data", folder / "train.xyz", "--test", folder / "test.xyz", "--steps", 6)
    small = ("--set", "model.channels=2", "--set", "model.n_interactions=1", "--set", "model.cutoff=4 Å")
    trained = run(*words, *small, "--out", folder / "run", "--json")
    assert trained.code == 0, trained.err
    return Copper(
        train=str(folder / "train.xyz"),
        test=str(folder / "test.xyz"),
        start=str(folder / "start.xyz"),
        run=str(folder / "run"),
        trained=trained,
    )
