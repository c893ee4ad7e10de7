"""Free energies out of run folders, by the command line."""

import csv
import shutil

import ase.io
import h5py
import numpy as np
import pytest

import adiabat as package
from adiabat.base.units import KJ_PER_MOL
from adiabat.cli.options import interval
from adiabat.dynamics import Langevin, at_temperature
from adiabat.io.trajectory import read_trajectory
from adiabat.potentials import HarmonicAngles, HarmonicBonds
from adiabat.sampling import OPES, Distance, Metadynamics, MovingRestraint, Restraint, Torsion
from adiabat.system import System
from adiabat.tasks.biased_frames import read_frames
from adiabat.testing.free_energies import KELVIN, THERMAL, Coordinate
from adiabat.testing.surfaces import DoubleWell

WELL, X = DoubleWell(unit=THERMAL), Coordinate()
LANGEVIN = Langevin(timestep=2, temperature=KELVIN, friction=0.01)
CENTERS = np.linspace(-1.5, 1.5, 9)


def at(x):
    return System.create([6], [[x, 0, 0]], masses=[12.0])


def together(out, starts, bias, steps, record_every=10):
    package.simulate_replicas(
        [at(x) for x in starts],
        WELL,
        [LANGEVIN] * len(starts),
        bias=bias,
        steps=steps,
        record_every=record_every,
        out=out,
    )
    return out


def windows(out, steps, centers=CENTERS):
    each = [Restraint(variables=[X], centers=[c], stiffness=[20 * THERMAL]) for c in centers]
    return together(out, centers, each, steps)


def steered(out, runs, steps, past=500):
    bias = MovingRestraint(variables=[X], start=[-1.0], end=[1.0], stiffness=[100 * THERMAL], steps=steps)
    return together(out, [-1.0] * runs, bias, steps + past)


UMBRELLA = """\
task = "md"
model = '{model}'
structure = '{start}'
steps = 200
record_every = 5
[bias]
kind = "umbrella"
centers = [2.5, 2.6]
stiffness = [20.0]
[[variables]]
kind = "distance"
atoms = [0, 1]
name = "d"
"""


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """Two windows near the barrier."""
    return windows(tmp_path_factory.mktemp("few") / "run", 2000, (-0.2, 0.2))


Y = Coordinate(axis=1, name="y")


@pytest.fixture(scope="module")
def flat(tmp_path_factory):
    """Walkers in both wells under a bias on x and y."""
    bias = OPES(variables=[X, Y], widths=[0.15, 0.1], barrier=6 * THERMAL, every=100, shared=True)
    return together(tmp_path_factory.mktemp("flat") / "run", [-1.0, 1.0] * 4, bias, 1500)


BOTH = ("--variable", "x", "--variable", "y")


def test_a_surface(flat, adiabat, tmp_path):
    files = [tmp_path / f"fes.{kind}" for kind in ("csv", "npz", "html")]
    outs = [word for file in files for word in ("--out", file)]
    states = [f"--state={name}: x={ends}; y=-1,1" for name, ends in (("left", "-inf,0"), ("right", "0,inf"))]
    words = ("free-energy", flat, *BOTH, "--bins", 12, "--limits", "y=-0.6, 0.6")
    answer = adiabat(*words, *states, *outs, "--json")
    assert answer.code == 0, answer.err
    found = answer.json
    assert (found["method"], found["variable"], found["unit"]) == ("reweighting", ["x", "y"], ["Å", "Å"])
    x, y = (np.array(axis) for axis in found["profile"]["value"])
    energies = np.array(found["profile"]["free_energy_kj_per_mol"], float)
    assert energies.shape == np.shape(found["profile"]["error_kj_per_mol"]) == (12, 12)
    assert y == pytest.approx(np.linspace(-0.55, 0.55, 12))
    lowest = np.unravel_index(np.nanargmin(energies), energies.shape)
    assert found["lowest_at"] == [x[lowest[0]], y[lowest[1]]]
    assert found["minima"][0]["at"] == found["lowest_at"]
    assert found["minima"][0]["free_energy_kj_per_mol"] == 0
    [row] = found["differences"]
    assert (row["state"], row["compared_with"]) == ("right", "left")
    assert abs(row["difference_kj_per_mol"] - 0.932417 * THERMAL / KJ_PER_MOL) < 3
    # The states are the same as those of x alone, and their frames have the same weights.
    alone = adiabat("free-energy", flat, "--state", "0,inf", "--json").json
    assert row["difference_kj_per_mol"] == pytest.approx(alone["difference_kj_per_mol"])
    assert row["verdict"] == alone["verdict"]
    with files[0].open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["x [Å]", "y [Å]", "free energy [kJ/mol]", "error [kJ/mol]"]
    table = np.array(rows[1:], float).reshape(12, 12, 4)
    np.testing.assert_allclose(table[3, :, 1], y, rtol=1e-4)
    np.testing.assert_allclose(table[:, 3, 0], x, rtol=1e-4)
    shown = np.isfinite(table[..., 2])
    np.testing.assert_allclose(table[..., 2][shown], energies[shown], rtol=1e-4, atol=1e-9)
    with np.load(files[1]) as arrays:
        assert arrays["variables"].tolist() == ["x [Å]", "y [Å]"]
        np.testing.assert_array_equal(arrays["axis_1"], y)
        np.testing.assert_array_equal(arrays["free_energy_kj_per_mol"][shown], energies[shown])
    page = files[2].read_text()
    assert page.count("<svg") == 2
    assert all(word in page for word in (">left<", ">right<", "free energy [kJ/mol]", "lowest way out"))
    told = adiabat(*words, *states, "--out", tmp_path / "again.csv").out
    assert "x, y" in told
    assert "lowest way out [kJ/mol]" in told
    assert " ± " in told.splitlines()[-1]
    assert "fes.html exists" in adiabat(*words, "--out", files[2]).err


def test_a_state_of_a_surface_and_a_state_of_more(flat, adiabat):
    """One without a name is compared with all else; one of a single variable may be said of one as well."""
    surface = adiabat("free-energy", flat, *BOTH, "--state", "x=0,inf", "--json").json
    line = adiabat("free-energy", flat, "--state", "x=0,inf; y=-9,9", "--json").json
    assert surface["difference_kj_per_mol"] == pytest.approx(line["difference_kj_per_mol"])
    assert "differences" not in surface
    assert "minima" not in line
    third = [f"--state={ends}" for ends in ("-2,-0.5", "-0.5,0.5", "0.5,2")]
    rows = adiabat("free-energy", flat, *third, "--json").json["differences"]
    assert [(row["state"], row["compared_with"]) for row in rows] == [
        ("-0.5,0.5", "-2,-0.5"),
        ("0.5,2", "-2,-0.5"),
    ]
    assert rows[0]["difference_kj_per_mol"] > rows[1]["difference_kj_per_mol"]


def test_the_report_shows_both_variables(flat, adiabat, tmp_path):
    found = adiabat("analyze", flat, "--out", tmp_path / "report.html", "--json")
    assert found.code == 0, found.err
    page = (tmp_path / "report.html").read_text()
    assert "<h3>x [Å]</h3>" in page
    assert "<h3>y [Å]</h3>" in page
    assert "work [" not in page


def test_what_is_no_surface_is_refused(flat, adiabat, tmp_path):
    for words, message in (
        (["--variable", "x", "--variable", "x"], "the variable 'x' is given twice"),
        ([*BOTH, "--variable", "z"], "along one or two variables, not 3: x, y, z"),
        (["--variable", "x", "--variable", "z"], "has no variable 'z'"),
        ([*BOTH, "--state", "x=0,1; z=0,1"], "has no variable 'z'"),
        ([*BOTH, "--state", "0,1"], "a state from 0 to 1 could be of x or y"),
        ([*BOTH, "--limits", "0,1"], "a profile from 0 to 1 could be of x or y"),
        ([*BOTH, "--limits", "z=0,1"], "the profile is not along 'z'"),
        ([*BOTH, "--limits", "y=1,0"], "has no bins"),
        ([*BOTH, "--limits", "y=5,6"], "no frame is between 5 and 6: 'y' went from"),
        ([*BOTH, "--limits", "x=-1.2,-0.8; y=0.5,0.501"], "no frame"),
        ([*BOTH, "--state", "x=0,1; x=2,3"], "bounds 'x' twice"),
        ([*BOTH, "--state", "x=0,1; 2,3"], "'2,3' has no variable"),
        ([*BOTH, "--state", "x=here"], "'here' is no interval"),
        ([*BOTH, "--state", "A: x=0,1", "--state", "A: x=2,3"], "two states are called 'A'"),
        ([*BOTH, "--state", "A: x=0,1", "--state", "B: y=-1,1"], "the states A and B overlap"),
        ([*BOTH, "--state", "A: x=-1,1", "--state", "B: x=50,60"], "no frame is in the state B"),
        (["--out", tmp_path / "fes.pdf"], "cannot write 'fes.pdf'"),
        (["--out", tmp_path / "fes.csv", "--out", tmp_path / "fes.csv"], "fes.csv is given twice"),
    ):
        answer = adiabat("free-energy", flat, *words)
        assert answer.code in (1, 2)
        assert message in answer.err, answer.err
        assert "->" in answer.err, answer.err


def test_the_profile_as_a_table(few, adiabat, tmp_path):
    pytest.importorskip("pymbar")
    words = ("free-energy", few, "--bins", 10, "--state", "0,inf", "--out", tmp_path / "fes.csv")
    found = adiabat(*words, "--json").json
    assert found["method"] == "MBAR"
    assert (found["variable"], found["unit"], found["trajectories"]) == ("x", "Å", 2)
    assert abs(found["difference_kj_per_mol"]) < 5 * THERMAL / KJ_PER_MOL
    assert found["difference_kj_per_mol_error"] > 0
    with (tmp_path / "fes.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["x [Å]", "free energy [kJ/mol]", "error [kJ/mol]"]
    assert len(rows) == 11
    assert [float(row[0]) for row in rows[1:]] == pytest.approx(found["profile"]["value"], rel=1e-4)
    assert min(float(row[1]) for row in rows[1:]) == 0
    assert "fes.csv exists" in adiabat(*words).err


def test_what_does_not_go_together_is_refused(few, adiabat, tmp_path):
    def changed(name, *pairs):
        """The same frames under other settings."""
        shutil.copytree(few, tmp_path / name)
        config = tmp_path / name / "config.toml"
        text = config.read_text()
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new)
        config.write_text(text)
        return tmp_path / name

    hills = changed("hills", ('kind = "restraint"', 'kind = "metadynamics"'))
    other = changed("plain", ('"restraint"', '"none"'))
    hot = changed("hot", ("temperature = 300.0", "temperature = 400.0"))
    ballistic = changed("ballistic", ('kind = "langevin"', 'kind = "velocity_verlet"'))
    ase.io.write(tmp_path / "c.xyz", ase.Atoms("C"))
    other_x = f"[[variables]]\nkind = 'rmsd'\nreference = '{tmp_path / 'c.xyz'}'\nname = 'x'\n"
    (tmp_path / "x.toml").write_text(other_x)
    (tmp_path / "twice.toml").write_text(2 * other_x)
    for words, message in (
        ([few, few.parent / "run" / "."], "is given twice"),
        ([few, "--variables", tmp_path / "x.toml"], "another variable 'x'"),
        ([few, "--variables", tmp_path / "twice.toml"], "two variables 'x'"),
        ([few, "--limits", "10, 20"], "no frame is between 10 and 20: 'x' went from"),
        ([few, "--state", "1, -1"], "a state from 1 to -1 is empty"),
        ([few, "--state", "-2, 0", "--state", "-1, 1"], "the two states overlap"),
        ([few, "--state", "1, 2", "--state", "2, 3", "--state", "4, 5"], "no frame is in the state 1, 2"),
        ([few, "--state", "here"], "'here' is no interval"),
        ([few, "--variable", "y"], "has no variable 'y'"),
        ([few, "--limits", "1, inf"], "has no bins"),
        ([few, "--skip", "1"], "a share of 1"),
        ([few, hills], "several kinds of bias: metadynamics, restraint"),
        ([few, hot], "several temperatures: 300, 400 K"),
        ([few, "--temperature", "310 K"], "no frames at 310 K"),
        ([hills, changed("again", ('"restraint"', '"metadynamics"'))], "weights of their own"),
        ([other], "has recorded no variables"),
        ([ballistic], "constant energy"),
        ([tmp_path], "not a run folder"),
    ):
        answer = adiabat("free-energy", *words)
        assert answer.code in (1, 2)
        assert message in answer.err, answer.err


def test_work_of_steered_runs(adiabat, tmp_path):
    run = steered(tmp_path / "run", 3, 200, past=100)
    found = adiabat("free-energy", run, "--json").json
    assert found["method"] == "work of steered runs"
    assert found["profile"]["value"] == pytest.approx(np.linspace(-1, 1, 21))
    assert "only 3 trajectories" in found["verdict"]
    assert "in equilibrium" in found["note"]
    assert "not divided into states" in adiabat("free-energy", run, "--state", "0, 1").err
    ase.io.write(tmp_path / "c.xyz", ase.Atoms("C"))
    other = f"[[variables]]\nkind = 'rmsd'\nreference = '{tmp_path / 'c.xyz'}'\nname = 'y'\n"
    (tmp_path / "y.toml").write_text(other)
    surface = adiabat("free-energy", run, "--variables", tmp_path / "y.toml", *BOTH)
    assert "steered runs follow one line" in surface.err, surface.err
    page = adiabat("free-energy", run, "--out", tmp_path / "work.html")
    assert page.code == 0, page.err
    assert "for runs that began in equilibrium" in (tmp_path / "work.html").read_text()
    config = run / "config.toml"
    config.write_text(config.read_text().replace("steps = 200", "steps = 400"))
    assert "75 % of their way" in adiabat("free-energy", run).err


@pytest.mark.slow
def test_windows_are_replicas_or_runs(copper, adiabat, tmp_path):
    """Of one run of md, or a run folder for each window: the same frames, the same free energies."""
    pytest.importorskip("pymbar")
    (tmp_path / "md.toml").write_text(UMBRELLA.format(model=copper.run, start=copper.start))
    run = adiabat("md", "--config", tmp_path / "md.toml", "--out", tmp_path / "run", "--json")
    assert run.code == 0, run.err
    assert run.json["replicas"] == 2
    found = adiabat("free-energy", tmp_path / "run", "--json")
    assert found.code == 0, found.err
    for number, center in enumerate(("2.5", "2.6")):
        one = (f"bias.centers=[{center}]", "bias.kind=restraint", f"seed={number}")
        sets = [word for text in one for word in ("--set", text)]
        again = adiabat("md", "--config", tmp_path / "md.toml", *sets, "--out", tmp_path / f"w{number}")
        assert again.code == 0, again.err
    apart = adiabat("free-energy", tmp_path / "w0", tmp_path / "w1", "--json").json
    assert apart["trajectories"] == found.json["trajectories"] == 2
    assert apart["lowest_at"] == pytest.approx(found.json["lowest_at"], abs=1e-3)
    assert apart["n_effective"] == pytest.approx(found.json["n_effective"], rel=1e-2)


def test_intervals():
    assert interval("-1.5, inf") == (-1.5, np.inf)
    with pytest.raises(package.base.ConfigError, match="no interval"):
        interval("1,nan")


def chains(out, **options):
    """Two replicas of a chain of four atoms, whose torsion is free."""
    bonds = HarmonicBonds(atoms=[[0, 1], [1, 2], [2, 3]], stiffness=20.0, length=1.5)
    angles = HarmonicAngles(atoms=[[0, 1, 2], [1, 2, 3]], stiffness=5.0, angle=1.9)
    chain = System.create([6] * 4, [[-0.5, 1.4, 0], [0, 0, 0], [1.5, 0, 0], [2.0, 0, 1.4]])
    thermostats = [Langevin(timestep=1, temperature=kelvin, friction=0.02) for kelvin in (300.0, 400.0)]
    thermostats = thermostats if options else thermostats[:1] * 2
    package.simulate_replicas([chain] * 2, bonds + angles, thermostats, steps=4000, out=out, **options)
    (out / "phi.toml").write_text('[[variables]]\nkind = "torsion"\natoms = [0, 1, 2, 3]\nname = "phi"\n')
    return out


def cut(run, leave=None):
    """As a killed run may leave them: one replica has five frames less than the other, or as many as said."""
    with h5py.File(run / "replica-001" / "trajectory.h5", "r+") as file:
        found = []
        file.visititems(lambda _, one: found.append(one))
        for one in found:
            if isinstance(one, h5py.Dataset) and one.maxshape and one.maxshape[0] is None:
                one.resize(len(one) - 5 if leave is None else leave, axis=0)


def test_states_through_the_end_of_a_period(adiabat, tmp_path):
    """From 2 to -2 is from 2 to 4.28; of replicas of different lengths the frames that both have count."""
    run = chains(tmp_path / "run")
    words = ("free-energy", run, "--variables", run / "phi.toml", "--json")
    through = f"2, {2 * np.pi - 2}"
    found = [adiabat(*words, f"--state={ends}").json for ends in ("2, -2", through, "-2, 2")]
    values = [one["difference_kj_per_mol"] for one in found]
    assert values[0] == pytest.approx(values[1], abs=1e-9)
    assert values[0] == pytest.approx(-values[2], abs=1e-9)
    assert "is everything" in adiabat(*words, "--state=-4, 4").err
    # Limits as well: a profile from 0 to 2 pi is that from -pi to pi in another order.
    whole = adiabat(*words).json["profile"]["free_energy_kj_per_mol"]
    turned = adiabat(*words, f"--limits=0, {2 * np.pi}").json["profile"]["free_energy_kj_per_mol"]
    np.testing.assert_allclose(np.array(turned, float), np.roll(np.array(whole, float), 30), atol=1e-9)
    ends = [adiabat(*words, "--bins=6", f"--limits={one}").json["profile"] for one in ("2, -2", through)]
    assert ends[0]["value"] == pytest.approx(ends[1]["value"])
    assert ends[0]["free_energy_kj_per_mol"] == pytest.approx(ends[1]["free_energy_kj_per_mol"])
    assert "from 1 to 1 is empty" in adiabat(*words, "--state=1, 1").err
    cut(run)
    assert adiabat(*words).json["frames"] == found[0]["frames"] - 10
    cut(run, leave=0)
    for answer in (adiabat(*words), adiabat("analyze", run)):
        assert answer.code == 2
        assert "no frames yet" in answer.err


def test_replicas_of_different_lengths_that_exchange(adiabat, tmp_path):
    run = chains(tmp_path / "run", exchange_every=50)
    cut(run)
    found = adiabat("free-energy", run, "--variables", run / "phi.toml", "--temperature", "400 K", "--json")
    assert found.json["frames"] == 396
    assert adiabat("analyze", run, "--json").json["at"]["300 K"]["frames"] == 396


def test_restrained_replicas_that_exchange(adiabat, tmp_path):
    """The frames at one temperature, of whatever replica, each with its own value and bias."""
    spring = Restraint(variables=[Torsion(atoms=[0, 1, 2, 3], name="phi")], centers=[1.0], stiffness=[0.02])
    run = chains(tmp_path / "run", exchange_every=50, bias=spring)
    found = adiabat(
        "free-energy", run, "--temperature", "400 K", "--out", tmp_path / "phi.csv", "--json"
    ).json
    assert found["frames"] == 401
    assert found["temperature_k"] == 400
    [frames] = read_frames(run, (), 400.0)
    files = [read_trajectory(run / f"replica-00{k}" / "trajectory.h5") for k in range(2)]
    phi = at_temperature(files, 400.0).observables["phi"]
    assert np.array_equal(frames.values["phi"], phi)
    assert not np.array_equal(phi, files[1].observables["phi"])
    apart = (phi - 1.0 + np.pi) % (2 * np.pi) - np.pi
    np.testing.assert_allclose(frames.bias, 0.01 * apart**2, atol=1e-9)
    assert adiabat("analyze", run, "--out", tmp_path / "report.html").code == 0
    # At both temperatures.
    assert (tmp_path / "report.html").read_text().count("<h3>phi [rad]</h3>") == 2


def test_of_a_hot_solute_only_the_first_temperature(adiabat, tmp_path):
    run = chains(tmp_path / "run", exchange_every=50, solute=[0, 1])
    words = ("free-energy", run, "--variables", run / "phi.toml", "--json")
    assert adiabat(*words).json["temperature_k"] == 300
    assert "true potential" in adiabat(*words, "--temperature", "400 K").err


@pytest.mark.physics
@pytest.mark.parametrize("kind", ["umbrella", "opes", "metadynamics", "steered"])
def test_double_well(kind, adiabat, tmp_path):
    """4 (x^2 - 1)^2 + x / 2 at k_B T = 1: the right well is 0.932417 higher; with the springs, quadrature."""
    expected = 0.932417
    if kind == "umbrella":
        pytest.importorskip("pymbar")
        run = windows(tmp_path / "run", 60_000)
    elif kind == "steered":
        run = steered(tmp_path / "run", 60, 15_000)
        x = np.linspace(-3, 3, 100_000)
        plain = np.exp(-4 * (x**2 - 1) ** 2 - x / 2)
        left, right = (np.sum(plain * np.exp(-50 * (x - center) ** 2)) for center in (-1, 1))
        expected = np.log(left / right)
    else:
        opes = OPES(variables=[X], widths=[0.12], barrier=7 * THERMAL, every=100, shared=True)
        hills = Metadynamics(
            variables=[X],
            widths=[0.12],
            height=0.1 * THERMAL,
            bias_factor=6,
            every=1000,
            shared=True,
            limits=[(-2.5, 2.5)],
        )
        starts = [-1.0, 1.0] * 8
        run = together(tmp_path / "run", starts, opes if kind == "opes" else hills, 40_000, record_every=20)
    words = () if kind == "steered" else ("--state", "0, inf")
    found = adiabat("free-energy", run, *words, "--json").json
    unit = THERMAL / KJ_PER_MOL
    value, error = (found[f"difference_kj_per_mol{end}"] / unit for end in ("", "_error"))
    print(f"{kind}: {value:.3f} +- {error:.3f}, exact {expected:.3f}; {found['verdict']}")
    assert found["converged"], found["verdict"]
    assert error < 0.2
    assert abs(value - expected) < 3 * error


@pytest.mark.physics
@pytest.mark.parametrize("kind", ["umbrella", "opes"])
def test_double_well_on_a_surface(kind, adiabat, tmp_path):
    """The same well, and a spring along y, which does not change the difference: F is known everywhere."""
    if kind == "umbrella":
        pytest.importorskip("pymbar")
        each = [
            Restraint(variables=[X, Y], centers=[c, 0.0], stiffness=[20 * THERMAL, 10 * THERMAL])
            for c in CENTERS
        ]
        run = together(tmp_path / "run", CENTERS, each, 60_000)
    else:
        bias = OPES(variables=[X, Y], widths=[0.12, 0.1], barrier=7 * THERMAL, every=100, shared=True)
        run = together(tmp_path / "run", [-1.0, 1.0] * 8, bias, 60_000, record_every=20)
    states = ("--state", "A: x=-inf,0; y=-1,1", "--state", "B: x=0,inf; y=-1,1")
    words = ("--bins", 24, "--limits", "x=-1.5,1.5; y=-0.45,0.45", *BOTH)
    found = adiabat("free-energy", run, *words, *states, "--json").json
    unit = THERMAL / KJ_PER_MOL
    [row] = found["differences"]
    value, error = (row[f"difference_kj_per_mol{end}"] / unit for end in ("", "_error"))
    print(f"{kind}: {value:.3f} +- {error:.3f}, exact 0.932; {row['verdict']}; {found['minima']}")
    assert found["converged"], row["verdict"]
    assert error < 0.2
    assert abs(value - 0.932417) < 3 * error
    axes = np.meshgrid(*found["profile"]["value"], indexing="ij")
    exact = 4 * (axes[0] ** 2 - 1) ** 2 + axes[0] / 2 + 25 * axes[1] ** 2
    energies = np.array(found["profile"]["free_energy_kj_per_mol"], float) / unit
    errors = np.array(found["profile"]["error_kj_per_mol"], float) / unit
    low = (exact < exact.min() + 4) & np.isfinite(errors) & (errors > 0)
    off = energies - exact
    off = (off - np.average(off[low], weights=errors[low] ** -2))[low] / errors[low]
    assert low.sum() > 100
    assert np.sqrt(np.mean(off**2)) < 2
    places = np.array([one["at"] for one in found["minima"]])
    assert places == pytest.approx(np.array([[-1.015, 0.0], [0.984, 0.0]]), abs=0.2)
    second = found["minima"][1]
    assert abs(second["free_energy_kj_per_mol"] / unit - 1.0) < 0.7


@pytest.mark.physics
def test_frames_of_one_temperature(adiabat, tmp_path):
    """Of exchanging replicas the coldest; the variable is computed of the frames: two atoms on a spring."""
    pair = System.create([6, 6], [[0.0, 0, 0], [1.5, 0, 0]])
    spring = HarmonicBonds(atoms=[[0, 1]], stiffness=5.0, length=1.5)
    ladder = [Langevin(timestep=2, temperature=kelvin, friction=0.02) for kelvin in (300.0, 500.0)]
    package.simulate_replicas(
        [pair] * 2, spring, ladder, steps=40_000, exchange_every=50, out=tmp_path / "run"
    )
    (tmp_path / "d.toml").write_text('[[variables]]\nkind = "distance"\natoms = [0, 1]\nname = "d"\n')
    words = ("free-energy", tmp_path / "run", "--variables", tmp_path / "d.toml", "--state", "1.55, inf")
    d = np.linspace(0.5, 3, 100_000)
    assert Distance(atoms=[0, 1]).unit == "Å"
    for kelvin, more in ((300, ()), (500, ("--temperature", "500 K"))):
        thermal = THERMAL * kelvin / 300
        weight = d**2 * np.exp(-2.5 * (d - 1.5) ** 2 / thermal)
        expected = -thermal * np.log(weight[d > 1.55].sum() / weight[d < 1.55].sum()) / KJ_PER_MOL
        found = adiabat(*words, *more, "--json").json
        assert found["temperature_k"] == kelvin
        assert abs(found["difference_kj_per_mol"] - expected) < 3 * found["difference_kj_per_mol_error"]
        assert found["difference_kj_per_mol_error"] < 0.3
