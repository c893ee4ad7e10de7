"""The file itself: escaped, self-contained, the same for the same input."""

import re

import numpy as np
import pytest
from tests.report.conftest import HISTORY, make_evaluation, make_trajectory

from adiabat.base import DataError
from adiabat.report import Page, data_sections, dynamics_sections, provenance_sections, training_sections
from adiabat.report.cards import Chart, Figure, Frame, Section, Series, Table, Text, Viewer

EVIL = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>"


def full_page(evaluation, trajectory, history, name="test"):
    page = Page(f"Ethanol {name}", name)
    page.add(*training_sections(history=history, evaluations={name: evaluation}, summary={"model": name}))
    numbers = np.asarray(evaluation.systems[0].numbers)
    page.add(
        *dynamics_sections(
            title=name, numbers=numbers, trajectory=trajectory, reference_positions=trajectory.positions
        )
    )
    description = {"n_structures": 10, "formulas": {name: 10}}
    page.add(*data_sections(description, [{"level": name, "title": name, "detail": name}]))
    page.add(*provenance_sections({"command": name, "config": {"data": name}, "version": name}))
    return page


@pytest.fixture(scope="module")
def html():
    return full_page(make_evaluation(), make_trajectory(), HISTORY, EVIL).render()


def test_text_from_outside_is_shown_and_not_run(html):
    assert "<img src=x" not in html
    assert "<script>document.title" not in html
    assert "&lt;script&gt;document.title" in html
    # Every script element is ours: its content has a hash in the policy, or it is data.
    opened = re.findall(r"<script([^>]*)>", html)
    data = [attributes for attributes in opened if 'type="application/json"' in attributes]
    assert len(opened) - len(data) == len(re.findall(r"'sha256-", html)) == 5
    assert html.count("</script>") == len(opened)


def test_nothing_is_loaded_from_elsewhere(html):
    ours = re.sub(r"<script>.*?</script>", "", html, flags=re.S)
    assert not re.search(r"<(link|iframe|object|embed|base)\b", ours)
    assert not re.search(r"\bsrc=\"(?!data:)", ours)
    assert not re.search(r"url\((?!#)", ours)
    assert "default-src 'none'" in ours


def test_the_same_input_gives_the_same_bytes(html):
    assert full_page(make_evaluation(), make_trajectory(), HISTORY, EVIL).render() == html


def test_ids_are_unique_and_references_resolve(html):
    html = re.sub(r"<script>.*?</script>", "", html, flags=re.S)
    ids = re.findall(r"\sid=\"([^\"]+)\"", html)
    assert len(ids) == len(set(ids))
    for target in re.findall(r"(?:href=\"#|url\(#)([^\")]+)", html):
        assert target in ids


def test_everything_has_a_text_for_those_who_cannot_see_it(html):
    for attributes in re.findall(r"<[^>]*role=\"img\"[^>]*>", html):
        assert re.search(r"aria-label=\"[^\"]{10,}\"", attributes)
    assert html.count("<th scope=") > 10
    assert '<html lang="en">' in html


def test_size(html):
    assert len(html.encode()) < 2e6


def test_a_page_without_viewers_carries_no_viewer():
    page = Page("small")
    page.add(Section("one", [Text("hello"), Table(["a"], [["b"]])]))
    assert len(page.render()) < 40_000


def test_values_that_json_cannot_hold_are_left_out():
    page = Page("nan")
    series = Series("s", [1.0, float("nan"), None, float("inf")])
    page.add(Section("one", [Chart({"x": range(4)}, [series], "y", "a chart of nothing much")]))
    assert '"columns":[[1.0,null,null,null]]' in page.render()


def test_dollar_signs_and_markup_in_figures():
    from adiabat.report import figures

    panel = figures.Parity("$x^{$ <b>", np.arange(5.0), np.arange(5.0))
    svg = figures.parity([panel], "q", "u")
    assert "&lt;b&gt;" in svg
    assert "<b>" not in svg
    page = Page("x")
    page.add(Section("one", [Figure(svg, "a parity plot")]))
    assert "currentColor" in page.render()


def test_a_viewer_of_one_frame():
    frame = Frame(np.zeros((1, 3)), "argon", numbers=np.array([18]))
    page = Page("one")
    page.add(Section("one", [Viewer([frame], "an argon atom")]))
    assert 'type="range"' not in re.sub(
        r"<style>.*?</style>|<script>.*?</script>", "", page.render(), flags=re.S
    )


def test_a_folder_in_the_way_is_reported(tmp_path):
    with pytest.raises(DataError, match="cannot write"):
        Page("x").write(tmp_path)
