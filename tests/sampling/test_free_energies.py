"""Free energies from weighed frames, and the files they come from."""

import math
import sys

import numpy as np
import pytest
from scipy.signal import lfilter

from adiabat.base import ConfigError, DataError, MissingDependencyError
from adiabat.base.units import BOLTZMANN, KJ_PER_MOL
from adiabat.io.plumed import Column, PlumedWriter, read_plumed
from adiabat.sampling import (
    OPES,
    AbstractBias,
    JoinedWindows,
    Restraint,
    Torsion,
    Window,
    free_energy_difference,
    free_energy_minima,
    free_energy_profile,
    hill_offsets,
    steered_difference,
    steered_profile,
    sum_hills,
    umbrella_profile,
)
from adiabat.sampling.free_energy import judged_profile
from adiabat.tasks.md import build_bias
from adiabat.tasks.templates import settings

KELVIN = 300.0
THERMAL = BOLTZMANN * KELVIN
PHI = Torsion(atoms=[0, 1, 2, 3], name="phi")


def walk(n, memory=0.9, seed=0):
    """A correlated series of normal numbers, of variance one."""
    noise = np.random.default_rng(seed).normal(size=n)
    return lfilter([math.sqrt(1 - memory**2)], [1, -memory], noise)


def test_weights_undo_the_bias():
    """What has the free energy x^2 / 2 under a bias of 3/8 x^2 [k_B T] has x^2 / 8 without it."""
    x = walk(40_000)
    bias = 0.375 * THERMAL * x**2
    profile = free_energy_profile(x, bias, KELVIN, bins=40, limits=[(-2.0, 2.0)], skip=0.0)
    (axis,) = profile.axes
    expected = THERMAL * (0.5 * axis**2 - 0.375 * axis**2)
    shift = np.mean(profile.free_energy - expected)
    off = (profile.free_energy - expected - shift) / np.maximum(profile.error, 1e-9)
    assert np.sqrt(np.mean(off[profile.error > 0] ** 2)) < 2.5
    assert np.abs(profile.free_energy - expected - shift).max() < 0.25 * THERMAL
    assert 0.01 * THERMAL < np.median(profile.error) < 0.2 * THERMAL


def test_error_bars_cover_the_truth():
    """Of eighty independent runs two thirds are within one standard error."""
    hits, verdicts = 0, []
    for seed in range(80):
        x = walk(4000, memory=0.8, seed=seed)
        found = free_energy_difference(x < 0, x > 0, 0 * x, KELVIN, skip=0.0, seed=seed)
        hits += abs(found.value) < found.error
        verdicts.append(found.converged)
    assert 48 <= hits <= 76  # the largest of several errors is on the safe side
    assert np.mean(verdicts) > 0.9
    two = np.stack([walk(4000, seed=1), walk(4000, seed=2)])
    walkers = free_energy_difference(two < 0, two > 0, 0 * two, KELVIN)
    assert walkers.transitions > 100
    assert abs(walkers.value) < 3 * walkers.error


def test_two_variables():
    x, y = walk(20_000, 0.5, 1), walk(20_000, 0.5, 2)
    profile = free_energy_profile(np.stack([x, y], 1), 0 * x, KELVIN, bins=[10, 8], limits=[(-1, 1), (-1, 1)])
    assert profile.free_energy.shape == (10, 8)
    grid = np.meshgrid(*profile.axes, indexing="ij")
    expected = 0.5 * THERMAL * (grid[0] ** 2 + grid[1] ** 2)
    assert np.abs(profile.free_energy - expected).max() < 0.35 * THERMAL


def wells(n, tilt, rng):
    """Independent numbers of the distribution exp(-U) of U = 2 (x^2 - 1)^2 + tilt x."""
    x = np.linspace(-2.5, 2.5, 4001)
    below = np.cumsum(np.exp(-2 * (x**2 - 1) ** 2 - tilt * x))
    return np.interp(rng.random(n), below / below[-1], x)


def test_two_independent_double_wells():
    """Sampled exactly: the surface is the sum of the two, and F of two corners the sum of two differences.

    A bias of -U / 2 has been along x: what is sampled by exp(-U) is by exp(-3 U / 2) without it."""
    rng, n = np.random.default_rng(4), 40_000
    x, y = wells(n, 0.6, rng), wells(n, -0.3, rng)
    bias = -0.5 * THERMAL * (2 * (x**2 - 1) ** 2 + 0.6 * x)

    def energy(z, depth, tilt):
        return depth * (z**2 - 1) ** 2 + tilt * z

    def right(depth, tilt):
        z = np.linspace(-3, 3, 6001)
        weight = np.exp(-energy(z, depth, tilt))
        return -math.log(weight[z > 0].sum() / weight[z < 0].sum())

    columns = np.stack([x, y], axis=1)
    profile = free_energy_profile(
        columns, bias, KELVIN, bins=[16, 18], limits=[(-1.5, 1.5), (-1.5, 1.5)], skip=0.0
    )
    assert profile.converged, profile.verdict
    grid = np.meshgrid(*profile.axes, indexing="ij")
    exact = energy(grid[0], 3, 0.9) + energy(grid[1], 2, -0.3)
    known = (exact - exact.min() < 5) & np.isfinite(profile.error) & (profile.error > 0)
    off = profile.free_energy / THERMAL - exact
    off = (off - np.mean(off[known]))[known]
    assert np.sqrt(np.mean(off**2)) < 0.2
    assert np.sqrt(np.mean((off / (profile.error[known] / THERMAL)) ** 2)) < 1.5
    corners = (x < 0) & (y < 0), (x > 0) & (y > 0)
    found = free_energy_difference(*corners, bias, KELVIN, skip=0.0)
    assert abs(found.value / THERMAL - right(3, 0.9) - right(2, -0.3)) < 3 * found.error / THERMAL
    assert found.error < 0.05 * THERMAL
    minima = free_energy_minima(profile, KELVIN, [None, None])
    assert [tuple(np.sign(one.at)) for one in minima[:2]] == [(-1, 1), (-1, -1)]


def test_the_verdict_says_what_is_missing():
    once = np.repeat([0, 1], 500)
    found = free_energy_difference(once == 0, once == 1, np.zeros(1000), KELVIN, skip=0.0)
    assert not found.converged
    assert "only 1 transitions" in found.verdict
    drifting = np.tile([0, 1], 1500) * (np.arange(3000) > 1500)
    found = free_energy_difference(drifting == 0, drifting == 1, np.zeros(3000), KELVIN, skip=0.0)
    assert "the last third changed it by" in found.verdict
    with pytest.raises(DataError, match="no frame is in the second state"):
        free_energy_difference(once < 2, once > 2, np.zeros(1000), KELVIN)
    for values, bias, match in (
        (np.zeros(10), np.zeros(10), "too few"),
        (np.zeros(100), np.zeros(90), "do not fit"),
        (np.full(100, np.nan), np.zeros(100), "finite"),
    ):
        with pytest.raises(DataError, match=match):
            free_energy_profile(values, bias, KELVIN)
    with pytest.raises(ConfigError, match="limits"):
        free_energy_profile(walk(100), np.zeros(100), KELVIN, limits=[(0, 1), (0, 1)])


def windows_of_a_line(n=4000):
    """Windows on F = x^2 / 2 k_B T: normal numbers of which mean and variance are known."""
    x = Torsion(atoms=[0, 1, 2, 3])  # any variable will do, well within half a turn
    centers, stiffness = np.linspace(-2, 2, 9), 8 * THERMAL
    restraints = [Restraint(variables=[x], centers=[c], stiffness=[stiffness]) for c in centers]
    series = [8 * c / 9 + walk(n, 0.5, seed) / 3 for seed, c in enumerate(centers)]
    return series, restraints


def test_umbrella_windows():
    pytest.importorskip("pymbar")
    profile = umbrella_profile(*windows_of_a_line(), KELVIN, bins=25, limits=(-2.0, 2.0), resamples=10)
    expected = 0.5 * THERMAL * profile.axes[0] ** 2
    off = profile.free_energy - expected
    assert np.abs(off - off.mean()).max() < 0.15 * THERMAL
    assert np.sqrt(np.mean(((off - off.mean()) / np.maximum(profile.error, 1e-4)) ** 2)) < 3


def test_without_pymbar_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymbar", None)
    with pytest.raises(MissingDependencyError, match="adiabat\\[kinetics\\]"):
        umbrella_profile(*windows_of_a_line(50), KELVIN)


PLUMED = """\
#! FIELDS time phi psi sigma_phi sigma_psi height biasf
#! SET multivariate false
#! SET kerneltype gaussian
#! SET min_phi -pi
#! SET max_phi pi
#! SET min_psi -pi
#! SET max_psi pi
   1.000000  -1.5  1.0  0.35  0.35  1.3333333333333333  10
   2.000000   3.1 -3.1  0.35  0.35  1.2  10
"""


def test_files_of_plumed_are_read(tmp_path):
    """A HILLS file as PLUMED writes it; heights in it are times gamma / (gamma - 1)."""
    (tmp_path / "HILLS").write_text(PLUMED + PLUMED.splitlines()[0] + "\n 3.0 0 0 0.35")
    table = read_plumed(tmp_path / "HILLS")
    assert len(table) == 2  # the torn line is left out, the second header is none of them
    assert table.period("phi") == pytest.approx(2 * math.pi)
    assert table.period("height") is None
    there = sum_hills(table, np.array([[-1.5, 1.0], [-3.1, 3.1]]))
    apart = 2 * (2 * math.pi - 6.2) ** 2 / (2 * 0.35**2)
    assert there[0] == pytest.approx(1.2, rel=1e-6)
    assert there[1] == pytest.approx(1.2 * 0.9 * math.exp(-apart), rel=1e-3)
    assert np.allclose(hill_offsets(table, np.array([0.5]), 2.5), 0.0)
    # Many points of a grid are as good as an integral: the offset is that of what is filled.
    phi, psi = np.meshgrid(*[np.linspace(-np.pi, np.pi, 200, endpoint=False)] * 2)
    bias = sum_hills(table, np.stack([phi, psi], axis=-1).reshape(-1, 2))
    expected = 2.5 * np.log(np.mean(np.exp(10 / 9 * bias / 2.5)) / np.mean(np.exp(1 / 9 * bias / 2.5)))
    assert hill_offsets(table, np.array([9.0, 2.0]), 2.5) == pytest.approx([expected] * 2, rel=1e-6)
    for text, match in (
        ("1 2 3\n", "no line|columns"),
        ("#! FIELDS time x\n 1 2\n 1 a\n", "line 3: '1 a' are no numbers"),
        ("#! FIELDS time x\n 1 2 3\n 1 2\n", "line 2 has 3 numbers for 2 columns"),
        ("#! FIELDS time x\n#! FIELDS time y\n", "the columns change"),
        ("", "no line"),
    ):
        (tmp_path / "COLVAR").write_text(text)
        with pytest.raises(DataError, match=match):
            read_plumed(tmp_path / "COLVAR")
    with pytest.raises(DataError, match="cannot read"):
        read_plumed(tmp_path / "nothing")
    with pytest.raises(DataError, match="no column 'chi'"):
        table["chi"]


def test_what_is_written_is_in_units_of_plumed(tmp_path):
    columns = [Column("time", "fs"), Column("phi", "rad", 2 * math.pi), Column("d", "Å"), Column("b", "eV")]
    writer = PlumedWriter(tmp_path / "COLVAR", columns, rows=np.array([[1000.0, 0.5, 1.5, KJ_PER_MOL]]))
    writer.append(np.array([[2000.0, -0.5, 2.5, 2 * KJ_PER_MOL]]))
    text = (tmp_path / "COLVAR").read_text()
    assert text == (
        "#! FIELDS time phi d b\n#! SET min_phi -pi\n#! SET max_phi pi\n"
        "# units: time ps, length nm, energy kJ/mol, angle rad\n 1 0.5 0.15 1\n 2 -0.5 0.25 2\n"
    )
    np.testing.assert_allclose(read_plumed(tmp_path / "COLVAR")["d"], [0.15, 0.25])


TOML = """\
task = "md"
model = "general"
structure = "dipeptide.xyz"
steps = 100_000

[bias]
kind = "opes"
widths = [0.15, 0.15]
barrier = "50 kJ/mol"

[[variables]]
kind = "torsion"
atoms = [4, 6, 8, 14]
name = "phi"

[[variables]]
kind = "torsion"
atoms = [6, 8, 14, 16]
name = "psi"
"""


def test_a_configuration_makes_a_bias(tmp_path):
    (tmp_path / "md.toml").write_text(TOML)
    chosen = settings("md", tmp_path / "md.toml")
    bias = build_bias(chosen["bias"], chosen["variables"])
    assert isinstance(bias, OPES)
    assert bias.barrier == pytest.approx(50 * KJ_PER_MOL)
    assert [variable.name for variable in bias.variables] == ["phi", "psi"]
    assert bias.variables[1].members() == (6, 8, 14, 16)
    assert chosen["bias"]["every"] == 500
    (tmp_path / "md.toml").write_text(TOML.replace("atoms = [6", "atms = [6"))
    with pytest.raises(ConfigError, match=r"line 18: unknown key 'variables\.1\.atms'"):
        settings("md", tmp_path / "md.toml")
    (tmp_path / "md.toml").write_text(TOML.replace('"torsion"\natoms = [6, 8', '"torsion"\natoms = [8'))
    with pytest.raises(ConfigError, match="'psi' needs 4 atoms"):
        settings("md", tmp_path / "md.toml")
    with pytest.raises(ConfigError, match="needs variables"):
        build_bias(chosen["bias"], [])
    with pytest.raises(ConfigError, match="no bias on them"):
        build_bias({"kind": "none"}, chosen["variables"])


def test_a_bias_is_abstract_or_final():
    with pytest.raises(TypeError):
        AbstractBias()  # pyright: ignore[reportAbstractUsage]


def test_offsets_of_hills(tmp_path):
    """Between the outermost hills; in a flat valley that is filled evenly all of the bias is the same
    everywhere."""
    rows = [f"{k + 1} {x} 0.1 1.25 5" for k, x in enumerate([-1.0, 1.0, *np.linspace(-1, 1, 4001)])]
    (tmp_path / "HILLS").write_text("\n".join(["#! FIELDS time x sigma_x height biasf", *rows, ""]))
    table = read_plumed(tmp_path / "HILLS")
    first, last = hill_offsets(table, np.array([2.0, 1e5]), 2.5)

    one = [np.exp(-0.5 * ((np.linspace(-1, 1, 256)[:, None] - x) / 0.1) ** 2) for x in (-1.0, 1.0)]
    bias = sum(one)[:, 0]
    assert first == pytest.approx(2.5 * np.log(np.mean(np.exp(0.5 * bias)) / np.mean(np.exp(0.1 * bias))))
    height = 4000 / 2 * np.sqrt(2 * np.pi) * 0.1
    assert sum_hills(table, np.zeros((1, 1)))[0] == pytest.approx(height, rel=1e-3)
    assert last == pytest.approx(height, rel=1e-2)
    (tmp_path / "HILLS").write_text("#! FIELDS time x sigma_x height\n1 0 0.1 1\n")
    with pytest.raises(DataError, match="well-tempered"):
        hill_offsets(read_plumed(tmp_path / "HILLS"), np.array([1.0]), 2.5)


def test_states_of_umbrella_windows():
    """The share of normal numbers above one; windows with a gap between them are told."""
    pytest.importorskip("pymbar")
    series, restraints = windows_of_a_line()
    windows = [Window.of(one) for one in restraints]
    joined = JoinedWindows(series, windows, KELVIN)
    x = np.concatenate(series)
    found = joined.difference(x < 1, x > 1)
    above = 0.5 * math.erfc(1 / math.sqrt(2))
    expected = -THERMAL * math.log(above / (1 - above))
    assert abs(found.value - expected) < 3 * found.error
    assert found.error < 0.1 * THERMAL
    assert found.converged
    assert joined.gap is None
    assert joined.weights @ x**2 == pytest.approx(1.0, abs=0.15)
    apart = JoinedWindows([series[0], series[8]], [windows[0], windows[8]], KELVIN)
    ends = np.concatenate([series[0], series[8]])
    assert apart.gap == 1
    assert "window 1 does not overlap" in apart.difference(ends < 0, ends > 0).verdict
    assert "window 1 does not overlap" in apart.profile(ends, bins=10).verdict
    with pytest.raises(DataError, match="no frame is in the second state"):
        joined.difference(x < 9, x > 9)


def test_umbrella_windows_on_two_variables():
    """On F = (x^2 + y^2 + x y) / 2 k_B T, whose windows are normal numbers of known mean and covariance."""
    pytest.importorskip("pymbar")
    x, y = (Torsion(atoms=[0, 1, 2, 3], name=name) for name in "xy")
    spring, inverse = 3.0, np.array([[1.0, 0.5], [0.5, 1.0]])
    covariance = np.linalg.inv(inverse + spring * np.eye(2))
    rng = np.random.default_rng(1)
    centers = [[a, b] for a in (-1.4, 0.0, 1.4) for b in (-1.4, 0.0, 1.4)]
    series = [rng.multivariate_normal(spring * covariance @ center, covariance, 2000) for center in centers]
    windows = [
        Window.of(Restraint(variables=[x, y], centers=center, stiffness=[spring * THERMAL] * 2))
        for center in centers
    ]
    joined = JoinedWindows(series, windows, KELVIN, resamples=8)
    values = np.concatenate(series)
    profile = joined.profile(values, bins=12, limits=[(-1.5, 1.5), (-1.5, 1.5)])
    assert profile.converged, profile.verdict
    grid = np.stack(np.meshgrid(*profile.axes, indexing="ij"))
    off = profile.free_energy / THERMAL - 0.5 * np.einsum("iab,ij,jab->ab", grid, inverse, grid)
    assert np.abs(off - off.mean()).max() < 0.4
    same, other = values.prod(axis=1) > 0, values.prod(axis=1) < 0
    # Of a correlation of -1/2 signs are the same in 1/2 - asin(1/2) / pi = 1/3 of all.
    found = joined.difference(same, other)
    assert abs(found.value / THERMAL + math.log(2)) < 3 * found.error / THERMAL
    assert found.error < 0.05 * THERMAL


def test_a_state_of_few_frames_has_no_error_in_windows():
    """Resamples that miss it know nothing: an infinite error, as of weighed frames."""
    pytest.importorskip("pymbar")
    series, restraints = windows_of_a_line()
    windows = [Window.of(one) for one in restraints]
    joined = JoinedWindows(series, windows, KELVIN)
    every = np.concatenate(series)
    rare = np.arange(len(every)) == 100
    found = joined.difference(~rare, rare)
    assert found.error == np.inf
    assert "inf k_B T" in found.verdict


def test_windows_repeat_with_their_variable():
    window = Window.of(Restraint(variables=[PHI], centers=[3.0], stiffness=[2.0]))
    np.testing.assert_allclose(
        window.energies(np.array([[3.1], [-3.1]])), [0.01, (2 * math.pi - 6.1) ** 2], atol=1e-12
    )


def test_work_of_steered_runs():
    """Of normal numbers of mean m and variance v the difference is m - v / 2 [k_B T]; error bars cover it."""
    off = []
    for seed in range(60):
        work = THERMAL * (3.0 + np.random.default_rng(seed).normal(size=200))
        found = steered_difference(work, KELVIN, seed=seed)
        off.append((found.value / THERMAL - 2.5) / (found.error / THERMAL))
    assert abs(np.mean(off)) < 0.5
    assert 0.7 < np.std(off) < 1.4
    few = THERMAL * np.random.default_rng(0).normal(20, 5, size=12)
    assert "go slower" in steered_difference(few, KELVIN).verdict
    assert "only 3 trajectories" in steered_difference(few[:3], KELVIN).verdict
    with pytest.raises(DataError, match="no error bar"):
        steered_difference(few[:1], KELVIN)
    share = np.linspace(0, 1, 11)
    work = THERMAL * (3 * share + np.random.default_rng(1).normal(size=(500, 1)) * np.sqrt(share))
    profile = steered_profile(-1 + 2 * share, work, KELVIN)
    assert np.abs(profile.free_energy - 2.5 * THERMAL * share).max() < 4 * profile.error.max()
    assert profile.error[0] == 0
    assert profile.error[-1] < 0.15 * THERMAL


def test_the_verdict_on_a_profile():
    x = walk(20_000, 0.5)
    good = free_energy_profile(x, 0 * x, KELVIN, bins=20, limits=[(-2.0, 2.0)])
    assert good.converged, good.verdict
    x = np.concatenate([walk(3000, 0.5) - 1, walk(2000, 0.5, 1) + 2])
    bad = free_energy_profile(x, 0 * x, KELVIN, bins=20)
    assert not bad.converged
    assert "the last third changed it" in bad.verdict


def judged(*free_energies, error):
    """The verdict on a profile that did not change [k_B T]."""
    found = THERMAL * np.array(free_energies)
    return judged_profile(found, THERMAL * np.array(error), found, THERMAL)


def test_the_lowest_bin_says_nothing_of_a_profile():
    """It is zero, without an error, of any frames at all."""
    converged, verdict = judged(0.0, 1.0, error=[0.0, 0.9])
    assert not converged
    assert "its error is 0.90 k_B T" in verdict
    converged, verdict = judged(0.0, 7.0, np.inf, error=[0.0, 0.1, np.inf])
    assert not converged
    assert "nothing to judge it by" in verdict
    found, before = THERMAL * np.array([0.0, 1.0]), THERMAL * np.array([0.0, 2.0])
    assert "the last third changed it by 0.50" in judged_profile(found, 0 * found, before, THERMAL)[1]
    x = walk(4000)
    with pytest.raises(ConfigError, match="2 bins or more"):
        free_energy_profile(x, 0 * x, KELVIN, bins=1)
