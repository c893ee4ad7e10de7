"""What the tests of the command line share."""

import json
from dataclasses import dataclass

import pytest
from typer.testing import CliRunner

from adiabat.cli import output
from adiabat.cli.main import app


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


@pytest.fixture
def adiabat(monkeypatch):
    """Runs a command in this process, as `adiabat(*words)`; an error that is no clean exit fails the test."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "100")

    def run(*words) -> Answer:
        result = CliRunner().invoke(app, [str(word) for word in words], prog_name="adiabat")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert "Traceback" not in result.stderr
        return Answer(result.exit_code, result.stdout, result.stderr)

    yield run
    output.settings.__init__()
