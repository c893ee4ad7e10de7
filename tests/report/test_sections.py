"""What the sections say of runs whose numbers are known."""

import dataclasses

import numpy as np
import pytest
from ase.build import bulk
from tests.report.conftest import make_trajectory

from adiabat.base import DataError
from adiabat.base.units import DEBYE
from adiabat.report import data_sections, dynamics_sections, provenance_sections, training_sections
from adiabat.report.cards import Chart, Columns, Facts, Figure, Table, Viewer, packed
from adiabat.report.errors import SetErrors
from adiabat.report.formatting import number, with_error
from adiabat.report.free_energies import _boxes
from adiabat.report.measurements import Measurements
from adiabat.report.motion import Motion

NUMBERS = np.array([6, 6, 8, 1, 1, 1, 1, 1, 1])


def cards(sections, kind):
    flat = [card for section in sections for card in section.cards]
    flat += [inner for card in flat if isinstance(card, Columns) for inner in card.cards]
    return [card for card in flat if isinstance(card, kind)]


def verdicts(sections):
    return {verdict.label.split(",")[0]: verdict for section in sections for verdict in section.verdicts}


def test_errors_are_those_put_in(evaluation):
    errors = SetErrors("test", evaluation)
    rmse, low, high = errors.force_rmse()
    assert low < 20.0 < high
    assert rmse == pytest.approx(20.0, rel=0.05)
    assert errors.force_mae() == pytest.approx(20.0 * np.sqrt(2 / np.pi), rel=0.05)
    energy, low, high = errors.energy_rmse()
    assert low < 5.0 < high
    assert errors.energy_rmse_per_atom() == pytest.approx(energy / 9)
    key, groups = errors.groups()
    assert key == "temperature"
    assert {name: int(chosen.sum()) for name, chosen in groups.items()} == {"300": 30, "600": 30}


def test_dipoles_are_shown_where_there_are_any(evaluation, history):
    """A figure, a column of errors and a curve; in debye."""
    without = training_sections(history=history, evaluations={"test": evaluation}, summary={}, worst=0)
    assert not any(
        "dipole" in str(card.alt).lower() for card in cards(without, Figure) + cards(without, Chart)
    )
    rng = np.random.default_rng(0)
    references = list(rng.normal(size=(60, 3)))
    evaluation.reference_dipoles = [None, *references[1:]]
    evaluation.dipoles = [reference + 0.1 * DEBYE for reference in references]
    evaluation.metrics = {"dipole_rmse_debye": 0.1, "dipole_mae_debye": 0.1}
    reference, predicted = SetErrors("test", evaluation).dipoles()
    assert reference.shape == (59, 3)
    np.testing.assert_allclose(predicted - reference, 0.1)
    history = [row | {"valid_dipole_rmse_debye": 0.1} for row in history]
    shown = training_sections(history=history, evaluations={"test": evaluation}, summary={}, worst=0)
    assert any("dipoles" in figure.alt for figure in cards(shown, Figure))
    assert any("Dipole" in chart.alt for chart in cards(shown, Chart))
    assert "dipole RMSE [D]" in cards(shown, Table)[0].columns


def test_missing_labels_are_left_out(evaluation):
    evaluation.reference_energies[:10] = np.nan
    evaluation.reference_forces[0] = None
    errors = SetErrors("test", evaluation)
    assert int(errors.has_energies.sum()) == 50
    assert int(errors.has_forces.sum()) == 59
    assert np.isfinite(errors.force_rmse()).all()
    assert training_sections(history=[], evaluations={"test": evaluation}, summary={})


def test_only_energies_are_enough(evaluation):
    evaluation.reference_forces = [None] * 60
    sections = training_sections(history=[], evaluations={"scan": evaluation}, summary={})
    assert list(verdicts(sections)) == ["Energy error (RMSE)"]


def test_training_sections(evaluation, history):
    sets = {"valid": evaluation, "test": evaluation}
    sections = training_sections(
        history=history, evaluations=sets, summary={"cutoff": 5.0, "errors": {"x": 1}}
    )
    found = verdicts(sections)
    assert found["Force error (RMSE)"].status == "good"
    assert "of test" in found["Force error (RMSE)"].trust
    assert found["Energy error (RMSE)"].value.endswith(" meV")
    assert len(cards(sections, Figure)) == 4
    assert list(cards(sections, Facts)[0].items) == ["cutoff"]
    [viewer] = cards(sections, Viewer)
    assert len(viewer.frames) == len(viewer.extra.rows) == 12
    worst = [float(row[1]) for row in viewer.extra.rows[:6]]
    assert worst == sorted(worst, reverse=True)
    titles = [chart.title for chart in cards(sections, Chart)]
    assert titles == ["Force error", "Loss", "Learning rate"]  # the energies of this history are all absent
    assert list(cards(sections, Chart)[0].x) == ["step", "minutes"]


def test_steady_dynamics_are_called_good():
    trajectory = make_trajectory(1500)
    references = list(trajectory.positions[::2])
    sections = dynamics_sections(
        title="NVT",
        numbers=NUMBERS,
        trajectory=trajectory,
        target_temperature=300.0,
        reference_positions=references,
    )
    found = verdicts(sections)
    assert {label: verdict.status for label, verdict in found.items()} == {
        "Energy drift": "good",
        "Temperature": "good",
        "Stability": "good",
        "Bonds and angles": "good",
    }
    [viewer] = cards(sections, Viewer)
    assert viewer.play
    assert viewer.payload()["times"][-1] == pytest.approx(trajectory.time[-1] / 1000)


def test_faults_are_seen(trajectory):
    trajectory.conserved = trajectory.conserved + 9 * 0.05 * trajectory.time / 1e6  # 0.05 eV/atom/ns
    trajectory.positions[120:, 8] += 6.0
    sections = dynamics_sections(
        title="NVE", numbers=NUMBERS, trajectory=trajectory, target_temperature=350.0,
        reference_positions=list(trajectory.positions[:100]),
    )  # fmt: skip
    found = verdicts(sections)
    assert all(verdict.status == "poor" for verdict in found.values())
    assert found["Stability"].value == "changed at 600 ps"
    assert float(found["Energy drift"].value.split()[0]) == pytest.approx(0.05, rel=1e-3)


def test_a_drift_is_judged_by_what_the_thermostat_makes_of_it(trajectory):
    """0.05 eV/atom/ns, 0.45 eV/ns of nine atoms: within 50 fs that is 0.025 K of 21 degrees of freedom."""
    trajectory.conserved = trajectory.conserved + 9 * 0.05 * trajectory.time / 1e6

    def verdict(relaxation_time):
        motion = Motion.of(trajectory, NUMBERS, 300.0, relaxation_time)
        sections = dynamics_sections(title="NVT", numbers=NUMBERS, trajectory=motion,
                                     measurements=Measurements(motion))  # fmt: skip
        return verdicts(sections)["Energy drift"]

    assert verdict(50.0).status == "good"
    assert "(0.025 K at most)" in verdict(50.0).trust
    assert verdict(1000.0).status == "fair"  # 0.5 K
    assert verdict(20_000.0).status == "poor"  # 10 K
    assert verdict(None).status == "poor"


def test_the_line_drawn_through_the_energy_is_its_drift(trajectory):
    trajectory.conserved = -4000 + 9 * 0.05 * trajectory.time / 1e6
    [section] = dynamics_sections(title="NVE", numbers=NUMBERS, trajectory=trajectory)
    energy, line = cards([section], Chart)[0].series
    np.testing.assert_allclose(line.values, energy.values, atol=1e-3)  # meV/atom, of 50
    assert np.ptp(line.values) == pytest.approx(0.05 * np.ptp(trajectory.time) / 1e6 * 1000)


def test_a_short_run_is_not_judged(trajectory):
    trajectory.time = trajectory.time / 5000
    trajectory.conserved = trajectory.conserved * 1.0 + np.random.default_rng(0).normal(scale=1e-3, size=200)
    [section] = dynamics_sections(title="NVE", numbers=NUMBERS, trajectory=trajectory)
    assert verdicts([section])["Energy drift"].status == "unknown"


@pytest.mark.parametrize("few", [3, 7])
def test_a_drift_of_few_frames_is_not_judged(few):
    trajectory = make_trajectory(few)
    trajectory.conserved = 5.0 * np.arange(few)  # far above any bar
    [section] = dynamics_sections(title="NVE", numbers=NUMBERS, trajectory=trajectory)
    found = verdicts([section])["Energy drift"]
    assert (found.status, found.trust) == ("unknown", "too few frames to judge")
    assert "±" not in found.value


def test_degrees_of_freedom_come_from_the_kinetic_energy(trajectory):
    assert Motion.of(trajectory, NUMBERS).degrees_of_freedom == 21


def test_a_crystal_has_its_coordination_and_density():
    copper = bulk("Cu", "fcc", a=3.615, cubic=True) * (3, 3, 3)
    rng = np.random.default_rng(0)
    frames = copper.positions + rng.normal(scale=0.05, size=(60, len(copper), 3))
    motion = Motion(copper.numbers, frames, np.repeat(copper.cell.array[None], 60, axis=0), np.arange(60.0))
    sections = dynamics_sections(title="crystal", numbers=copper.numbers, trajectory=motion)
    [table] = cards(sections, Table)
    assert float(table.rows[0][4]) == pytest.approx(12, abs=0.5)
    assert cards(sections, Facts)[0].items["density"] == "8.93 g/cm³"


def test_shapes_that_do_not_fit_are_refused(trajectory):
    with pytest.raises(DataError, match="cannot have positions of shape"):
        dynamics_sections(title="x", numbers=NUMBERS[:-1], trajectory=trajectory)


def test_findings_set_the_verdict_on_the_data():
    description = {"n_structures": 10, "elements": {"C": 20}, "sizes": [9, 9], "formulas": {"C2H6O": 10}}
    finding = {"level": "warning", "title": "duplicates", "detail": "2 frames"}
    [section] = data_sections({"train": description, "valid": description}, [finding])
    assert section.verdicts[0].value == "1 warning"
    assert section.verdicts[0].status == "fair"
    assert len(section.cards[0].rows) == 2
    assert data_sections(description, [])[0].verdicts == []


def test_the_command_is_quoted():
    run = {
        "sessions": [{"command": ["/opt/bin/adiabat", "md", "my run", "--out", "a"]}],
        "config": {"seed": 1},
    }
    [section] = provenance_sections(run)
    assert section.cards[0].text == "adiabat md 'my run' --out a"


def test_numbers_as_text():
    assert number(12345) == "12,345"
    assert number(0.000123) == "1.23 × 10⁻⁴"
    assert number(-3.14159) == "−3.14"
    assert number(float("nan")) == "–"
    assert with_error(300.123, 1.27, "K") == "300.1 ± 1.3 K"
    assert with_error(1.234e-5, 4.4e-6) == "(1.23 ± 0.44) × 10⁻⁵"


def test_packed_coordinates_are_accurate():
    import base64

    values = np.random.default_rng(0).normal(scale=8, size=(50, 3))
    entry = packed(values)
    back = np.frombuffer(base64.b64decode(entry["data"]), "<i2") * entry["unit"]
    assert np.abs(back - values.ravel()).max() <= entry["unit"]
    assert entry["unit"] < 2e-3


def test_cards_are_plain_data(evaluation):
    [section, *_] = training_sections(history=[], evaluations={"test": evaluation}, summary={})
    assert dataclasses.replace(section, title="other").cards == section.cards


def test_states_are_drawn_where_they_are():
    """Of a torsion, in bins from -pi to pi: modulo a turn, in two parts through the end, or to an end."""
    axes = (np.linspace(-np.pi, np.pi, 37)[1:] - np.pi / 36, np.array([0.5, 1.5]))
    for ends, parts in (
        ((-1.0, 1.0), [(-1, 1)]),
        ((2.1, 2 * np.pi - 2.1), [(-np.pi, -2.1), (2.1, np.pi)]),
        ((-7.0, -5.0), [(2 * np.pi - 7, 2 * np.pi - 5)]),
        ((10.0, 11.0), [(10 - 4 * np.pi, 11 - 4 * np.pi)]),
        ((-np.inf, 0.0), [(-np.pi, 0)]),
        ((0.0, np.inf), [(0, np.pi)]),
    ):
        found = _boxes("A", {"phi": ends}, ["phi", "d"], axes, [2 * np.pi, None])
        assert [row[:2] for row in found] == [pytest.approx(part) for part in parts]
        assert all(row[2:] == (0, 2, "A") for row in found)
