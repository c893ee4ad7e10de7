import os
import pty
import subprocess
import sys

import pytest

from adiabat.base import progress as module
from adiabat.base.progress import progress


def test_lines_when_there_is_no_terminal(capsys, monkeypatch):
    monkeypatch.setattr(module, "LINE_EVERY", 0.0)
    with progress("training", total=4, unit="steps") as bar:
        for step in range(4):
            bar.advance(loss=0.5 / (step + 1), phase="warm")
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[0].startswith("training 1/4 steps (25 %), loss 0.5, phase warm, ")
    assert lines[1].endswith("left")
    assert lines[-1].startswith("training 4/4 steps (100 %), loss 0.125")


def test_few_lines(capsys):
    with progress("labelling", unit="structures") as bar:
        for _ in range(1000):
            bar.advance()
    assert capsys.readouterr().err.splitlines() == ["labelling 1,000 structures, 0:00"]


def test_quiet(capsys):
    module.set_quiet(True)
    try:
        with progress("training", total=4) as bar:
            bar.advance(4)
    finally:
        module.set_quiet(False)
    assert capsys.readouterr() == ("", "")


def test_a_resumed_count(capsys):
    with progress("training", total=10, completed=8) as bar:
        bar.advance(2)
    assert "10/10" in capsys.readouterr().err


def test_an_error_passes_through_and_the_last_state_is_shown(capsys):
    with pytest.raises(ZeroDivisionError), progress("training", total=10) as bar:  # noqa: PT012
        bar.advance(3)
        raise ZeroDivisionError
    assert "3/10" in capsys.readouterr().err


def test_a_bar_on_a_terminal():
    code = (
        "from adiabat.base.progress import progress as p\nwith p('training', 3, 'steps') as b: b.advance(3)"
    )
    main, side = pty.openpty()
    subprocess.run([sys.executable, "-c", code], stderr=side, check=True, env={**os.environ, "TERM": "xterm"})
    os.close(side)
    shown = b""
    try:
        while chunk := os.read(main, 4096):
            shown += chunk
    except OSError:
        pass  # the end of a terminal
    os.close(main)
    assert b"3/3 steps" in shown
    assert "━".encode() in shown
