"""The program as a whole: help, options that may stand anywhere, errors and exit codes."""

import errno
import json
import os
import resource
import signal
import subprocess
import sys

import pytest
import typer

from adiabat.base import AdiabatError, ConvergenceError, DataError, SimulationError
from adiabat.base.interrupts import Interrupted
from adiabat.cli.main import app
from adiabat.tasks import info as info_module

COMMANDS = sorted(command.name or command.callback.__name__ for command in app.registered_commands)


def program(*words, **options):
    return subprocess.run(
        [sys.executable, "-m", "adiabat", *words], capture_output=True, text=True, timeout=60, **options
    )


def test_help_lists_all_commands_and_exit_codes(adiabat):
    answer = adiabat("--help")
    assert answer.code == 0
    for command in COMMANDS:
        assert f" {command} " in answer.out
    assert "Exit codes" in answer.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(adiabat, command):
    for flag in ("--help", "-h"):
        answer = adiabat(command, flag)
        assert answer.code == 0
        assert f"Example: adiabat {command}" in answer.out


@pytest.mark.parametrize("command", COMMANDS)
def test_the_example_of_every_command_has_only_options_that_exist(command):
    group = typer.main.get_command(app)
    found = group.commands[command]
    words = found.epilog.removeprefix("Example: ").partition(" > ")[0].split()
    options = {name for parameter in found.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


def test_help_is_quick():
    """In processor time, since tests may run beside others."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert program("--help").returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2


def test_help_imports_nothing_heavy():
    code = """
import sys
from adiabat.cli.main import app
try:
    app(["--help"])
except SystemExit:
    pass
heavy = {"jax", "numpy", "scipy", "ase", "rdkit", "matplotlib", "pydantic", "h5py"} & set(sys.modules)
print("heavy:", sorted(heavy), file=sys.stderr)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "heavy: []" in found.stderr


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, adiabat; print({'jax', 'numpy', 'ase', 'typer'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["trian"], "Did you mean 'train'"),
        (["info", "--jason"], "No such option: --jason"),
        (["new"], "Missing argument 'TASK'"),
        (["info", "surplus"], "surplus"),
        (["md", "--steps", "many"], "--steps"),
        (["md", "--steps", "-5"], "--steps"),
        (["md", "--timestep", "1 bar"], "'bar' measures pressure"),
        (["md", "--temperature", "-5 K"], "below absolute zero"),
        (["md"], "MODEL, STRUCTURE and --steps"),
        (["train", "--minutes", "soon"], "--minutes"),
        (["evaluate", "model"], "Missing argument 'DATA'"),
    ],
)
def test_wrong_usage_is_one_clean_message(adiabat, words, message):
    answer = adiabat(*words)
    assert answer.code == 2
    assert answer.out == ""
    assert message in answer.err
    assert answer.err.startswith("error: ")
    assert "\n  -> " in answer.err


def test_the_version(adiabat):
    from adiabat import __version__

    assert adiabat("--version").out == f"adiabat {__version__}\n"


def failing(monkeypatch, error):
    """Lets `adiabat info` end with an error."""

    def fail():
        raise error

    monkeypatch.setattr(info_module, "info", fail)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (AdiabatError("it failed", "try again"), 1),
        (DataError("it failed", "try again"), 2),
        (SimulationError("it failed", "try again"), 3),
        (ConvergenceError("it failed", "try again"), 3),
    ],
)
def test_errors_have_their_exit_code(adiabat, monkeypatch, error, code):
    failing(monkeypatch, error)
    answer = adiabat("info")
    assert (answer.code, answer.out, answer.err) == (code, "", "error: it failed\n  -> try again\n")


def test_errors_are_json_too_when_json_is_asked_for(adiabat, monkeypatch):
    failing(monkeypatch, DataError("it failed", "try again"))
    answer = adiabat("info", "--json")
    assert answer.code == 2
    assert answer.json == {
        "error": {"type": "DataError", "message": "it failed", "hint": "try again", "exit_code": 2}
    }
    assert answer.err.startswith("error: it failed")
    assert adiabat("info", "--json", "surplus").json["error"]["exit_code"] == 2


def test_what_nobody_expected(adiabat, monkeypatch):
    failing(monkeypatch, ZeroDivisionError("division by zero\nsecond line"))
    answer = adiabat("info")
    assert answer.code == 1
    assert "unexpected ZeroDivisionError: division by zero\n" in answer.err
    assert "report it" in answer.err
    for words in (["--debug", "info"], ["info", "--debug"]):
        answer = adiabat(*words, traceback=True)
        assert answer.code == 1
        assert "Traceback" in answer.err


def test_a_full_disk_wherever_it_is_noticed(adiabat, monkeypatch):
    failing(monkeypatch, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "trajectory.h5"))
    answer = adiabat("info")
    assert answer.code == 2
    assert "cannot write trajectory.h5: disk or quota full" in answer.err


def test_interrupts_have_their_exit_code(adiabat, monkeypatch):
    for error, code in [
        (Interrupted(signal.SIGINT), 130),
        (Interrupted(signal.SIGTERM), 143),
        (KeyboardInterrupt(), 130),
    ]:
        failing(monkeypatch, error)
        answer = adiabat("info")
        assert answer.code == code
        assert "stopped" in answer.err


def test_a_real_traceback_with_debug(tmp_path):
    for words, traceback in [
        (["check", "nothing.toml"], False),
        (["check", "nothing.toml", "--debug"], True),
    ]:
        answer = program(*words, cwd=tmp_path)
        assert answer.returncode == 2
        assert ("Traceback" in answer.stderr) is traceback
        assert "error: cannot read nothing.toml" in answer.stderr


def test_no_colors_when_told():
    answer = program("nonsense", env={**os.environ, "NO_COLOR": "1"})
    assert answer.returncode == 2
    assert "\x1b" not in answer.stderr + answer.stdout


def test_info(adiabat):
    answer = adiabat("info", "--json")
    assert answer.code == 0
    found = answer.json
    assert found["devices"]
    assert found["cpus"] >= 1
    assert found["precision"]["networks"] == "float32"
    assert found["packages"]["jax"]
    assert "devices" in adiabat("info").out


def test_a_closed_pipe_is_no_error():
    command = f"{sys.executable} -m adiabat schema md | head -n 1"
    answer = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert answer.stdout == "{\n"
    assert "Traceback" not in answer.stderr


def test_stdout_is_only_results(tmp_path):
    answer = program("info", "--json", cwd=tmp_path)
    assert answer.returncode == 0
    assert json.loads(answer.stdout)
    assert os.listdir(tmp_path) == []
