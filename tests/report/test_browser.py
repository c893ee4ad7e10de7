"""The page in headless Chromium: it draws, loads nothing, logs no error, runs nothing but its own scripts."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from tests.report.conftest import HISTORY, make_evaluation, make_trajectory
from tests.report.test_page import EVIL, full_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--virtual-time-budget=4000",
    "--window-size=1100,900",
    "--enable-logging=stderr",
]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian: apt-get install chromium)"),
]


def browse(path, tmp_path, *flags):
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", *flags, path.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def requests_of_the_page(log):
    """What was asked for over a network, less what the browser asks for on its own account."""
    found = [event.get("params", {}) for event in json.loads(log.read_text())["events"]]
    return [
        params["url"]
        for params in found
        if not params.get("url", "file:").startswith(("file:", "data:", "blob:", "chrome"))
        and params.get("initiator", "not an origin") != "not an origin"
    ]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    return full_page(make_evaluation(), make_trajectory(), HISTORY, EVIL).write(path)


def test_page_draws_and_keeps_to_itself(page, tmp_path):
    log = tmp_path / "net.json"
    result = browse(page, tmp_path, "--dump-dom", f"--log-net-log={log}")
    charts, viewers = page.read_text().count("data-chart="), page.read_text().count("data-viewer=")
    dom = re.sub(r"<script.*?</script>", "", result.stdout, flags=re.S)
    assert dom.count('data-ready="yes"') == charts + viewers == 7
    assert "Conserved energy" in dom
    assert "<title>owned" not in dom
    assert "CONSOLE" not in result.stderr
    assert requests_of_the_page(log) == []


def test_molecule_is_visible(tmp_path):
    """The viewer alone, in a window of its own, is not blank."""
    from PIL import Image

    from adiabat.report import Page, Section
    from adiabat.report.cards import Frame, Viewer

    evaluation = make_evaluation(1)
    system = evaluation.systems[0]
    frame = Frame(np.asarray(system.positions), "ethanol", numbers=np.asarray(system.numbers))
    alone = Page("viewer")
    alone.add(Section("one", [Viewer([frame], "ethanol in three dimensions")]))
    path = alone.write(tmp_path / "viewer.html")
    shot = tmp_path / "shot.png"
    browse(path, tmp_path, f"--screenshot={shot}")
    pixels = np.asarray(Image.open(shot).convert("RGB")).astype(int)
    red = (pixels[..., 0] > 120) & (pixels[..., 1] < 60) & (pixels[..., 2] < 60)  # the oxygen
    gray = (np.ptp(pixels, axis=2) < 12) & (pixels.max(axis=2) < 130) & (pixels.max(axis=2) > 40)  # carbons
    assert red.sum() > 300
    assert gray.sum() > 600
