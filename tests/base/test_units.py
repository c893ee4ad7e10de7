import math

import ase.units
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adiabat.base import ConfigError, units

KINDS = ["time", "temperature", "pressure", "length", "energy", "force", "friction"]


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("0.5 fs", "time", 0.5),
        ("0.5fs", "time", 0.5),
        ("2 ps", "time", 2000.0),
        (1, "time", 1.0),
        (".5", "time", 0.5),
        ("300 K", "temperature", 300.0),
        ("25 °C", "temperature", 298.15),
        ("1 bar", "pressure", 1e-4),
        ("1 atm", "pressure", 1.01325e-4),
        ("1 eV/Å^3", "pressure", 160.21766),
        ("1 nm", "length", 10.0),
        ("1 bohr", "length", 0.529177),
        ("1 kcal/mol", "energy", 0.0433641),
        ("1 Ha", "energy", 27.211386),
        ("1000 cm^-1", "energy", 0.1239842),
        ("10 meV/Å", "force", 0.01),
        ("1 Ha/bohr", "force", 51.42207),
        ("1 ps^-1", "friction", 1e-3),
        ("1/ps", "friction", None),
        ("10_000 fs", "time", 10000.0),
    ],
)
def test_parse_known_values(text, kind, expected):
    if expected is None:
        with pytest.raises(ConfigError):
            units.parse(text, kind)
    else:
        assert units.parse(text, kind) == pytest.approx(expected, rel=1e-6)


def test_constants_agree_with_ase():
    assert pytest.approx(ase.units.fs, rel=1e-6) == units.FEMTOSECOND
    assert pytest.approx(ase.units.GPa, rel=1e-6) == units.GIGAPASCAL
    assert pytest.approx(ase.units.bar, rel=1e-6) == units.BAR
    assert pytest.approx(ase.units.kB, rel=1e-6) == units.BOLTZMANN
    assert pytest.approx(ase.units.kcal / ase.units.mol, rel=1e-6) == units.KCAL_PER_MOL
    assert pytest.approx(ase.units.kJ / ase.units.mol, rel=1e-6) == units.KJ_PER_MOL
    assert pytest.approx(ase.units.Hartree, rel=1e-6) == units.HARTREE
    assert pytest.approx(ase.units.Bohr, rel=1e-6) == units.BOHR


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("", "time"),
        ("fs", "time"),
        ("0,5 fs", "time"),
        ("1 furlong", "length"),
        ("1 bar", "time"),
        ("300", "nothing"),
        ("-1 K", "temperature"),
        ("-300 °C", "temperature"),
        ("nan", "time"),
        ("inf fs", "time"),
        (float("nan"), "time"),
        (float("inf"), "energy"),
        (True, "time"),
        (None, "time"),
        ([1.0], "time"),
        ("1 mPa", "pressure"),
        ("1e999 fs", "time"),
        (10**400, "time"),
        ("1" * 5000, "time"),
        ("__import__('os')", "time"),
    ],
)
def test_parse_refuses(value, kind):
    with pytest.raises(ValueError if kind == "nothing" else ConfigError):
        units.parse(value, kind)


def test_a_unit_of_another_kind_is_named():
    with pytest.raises(ConfigError, match="measures pressure"):
        units.parse("1 bar", "time")


@given(st.floats(0, 1e12, allow_subnormal=False), st.sampled_from(KINDS))
def test_format_then_parse_gives_the_value_back(value, kind):
    assert units.parse(units.format_quantity(value, kind), kind) == value
    assert units.parse(value, kind) == value


@given(
    st.floats(1e-6, 1e6), st.sampled_from([(k, u) for k in KINDS for u in units._UNITS[k] if "C" not in u])
)
def test_every_unit_scales_linearly(value, kind_unit):
    kind, unit = kind_unit
    one = units.parse(f"1 {unit}", kind)
    assert units.parse(f"{value!r} {unit}", kind) == pytest.approx(value * one, rel=1e-12)
    glue = " " if unit[0] == "1" else ""
    assert units.parse(f"  {value!r}{glue}{unit} ", kind) == pytest.approx(value * one, rel=1e-12)


@given(st.text(max_size=80), st.sampled_from(KINDS))
def test_any_text_parses_to_a_finite_number_or_a_config_error(text, kind):
    try:
        assert math.isfinite(units.parse(text, kind))
    except ConfigError as error:
        assert error.hint  # noqa: PT017
