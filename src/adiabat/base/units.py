"""Units at the border and inside, from the constants of `scipy.constants`.

Inside adiabat: eV, Å, amu, e, K, hence time in Å sqrt(amu/eV), as in ASE. At every border: fs, K, GPa.
"""

import math
import re
from dataclasses import dataclass
from typing import Any, Literal, get_args

from scipy import constants

from adiabat.base.errors import ConfigError

Kind = Literal[
    "time",
    "temperature",
    "pressure",
    "length",
    "energy",
    "force",
    "stiffness",
    "angle",
    "friction",
    "viscosity",
    "mass",
]

FEMTOSECOND = 1e-15 * 1e10 * math.sqrt(constants.e / constants.atomic_mass)
"""Internal units of time, Å sqrt(amu/eV), in one femtosecond."""
GIGAPASCAL = 1e9 * 1e-30 / constants.e
"""eV/Å^3 in one GPa."""
BAR = 1e-4 * GIGAPASCAL
"""eV/Å^3 in one bar."""
BOLTZMANN = constants.k / constants.e
"""eV/K."""
HBAR = constants.hbar / constants.e * 1e15 * FEMTOSECOND
"""The reduced Planck constant [eV Å sqrt(amu/eV)]."""
KJ_PER_MOL = 1e3 / constants.N_A / constants.e
"""eV in one kJ/mol."""
KCAL_PER_MOL = constants.calorie * KJ_PER_MOL
"""eV in one kcal/mol (thermochemical calorie)."""
HARTREE = constants.physical_constants["Hartree energy in eV"][0]
"""eV in one hartree."""
BOHR = constants.physical_constants["Bohr radius"][0] * 1e10
"""Å in one bohr."""
COULOMB = HARTREE * BOHR
"""e^2 / (4 pi eps0) [eV Å]."""
DEBYE = 1e-11 / (constants.c * constants.e)
"""e Å in one debye."""

_WAVENUMBER = constants.h * constants.c * 100 / constants.e
_LENGTHS = {"Å": 1.0, "A": 1.0, "Ang": 1.0, "Angstrom": 1.0, "angstrom": 1.0, "nm": 10.0, "pm": 0.01}
_LENGTHS |= {"bohr": BOHR, "Bohr": BOHR, "a0": BOHR}
_ENERGIES = {"eV": 1.0, "meV": 1e-3, "kcal/mol": KCAL_PER_MOL, "kJ/mol": KJ_PER_MOL}
_ENERGIES |= {"Ha": HARTREE, "Eh": HARTREE, "hartree": HARTREE, "Hartree": HARTREE, "Ry": HARTREE / 2}
_TIMES = {"fs": 1.0, "as": 1e-3, "ps": 1e3, "ns": 1e6, "us": 1e9, "µs": 1e9, "μs": 1e9, "ms": 1e12, "s": 1e15}

# The first unit of each kind is the border's; the factor turns a value into it.
_UNITS: dict[str, dict[str, float]] = {
    "time": _TIMES,
    "temperature": {"K": 1.0, "mK": 1e-3, "°C": 1.0, "degC": 1.0},
    "pressure": {"GPa": 1.0, "MPa": 1e-3, "kPa": 1e-6, "Pa": 1e-9, "bar": 1e-4, "mbar": 1e-7, "kbar": 0.1}
    | {"Mbar": 100.0, "atm": constants.atm * 1e-9, "eV/Å^3": 1 / GIGAPASCAL, "eV/A^3": 1 / GIGAPASCAL},
    "length": _LENGTHS,
    "energy": _ENERGIES | {"cm^-1": _WAVENUMBER, "1/cm": _WAVENUMBER, "J": 1 / constants.e},
    "force": {f"{e}/{x}": v / w for e, v in _ENERGIES.items() for x, w in _LENGTHS.items()},
    "stiffness": {f"{e}/{x}^2": v / w**2 for e, v in _ENERGIES.items() for x, w in _LENGTHS.items()},
    "angle": {"rad": 1.0, "deg": math.pi / 180, "°": math.pi / 180},
    "friction": {form: 1 / v for u, v in _TIMES.items() for form in (f"1/{u}", f"{u}^-1")},
    "mass": {"amu": 1.0, "u": 1.0, "Da": 1.0, "g/mol": 1.0, "kg": 1 / constants.atomic_mass},
    "viscosity": {"mPa s": 1.0, "mPa*s": 1.0, "mPa·s": 1.0, "cP": 1.0, "Pa s": 1e3, "Pa*s": 1e3, "Pa·s": 1e3},
}
_CELSIUS = {"°C", "degC"}
_QUANTITY = re.compile(r"\s*([+-]?(?:\d+(?:_\d+)*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(\S.*?)?\s*")
_LONGEST = 64


@dataclass(frozen=True)
class Unit:
    """Marks a constructor's argument as a quantity: `Annotated[float, Unit("time")]` accepts "0.5 fs" too."""

    kind: Kind

    @property
    def symbol(self) -> str:
        """The unit of a bare number."""
        return symbol(self.kind)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        def convert(value: Any) -> Any:
            return value if value is None else converted(value, self.kind)

        return core_schema.no_info_before_validator_function(convert, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        numeric = handler(schema)
        shown = numeric.get("anyOf", [numeric])
        return {"anyOf": [*shown, {"type": "string"}], "unit": self.symbol, "quantity": self.kind}


def converted(value: Any, kind: Kind) -> float:
    """As `parse`, for a validator of pydantic: an error keeps its hint."""
    from pydantic_core import PydanticCustomError

    try:
        return parse(value, kind)
    except ConfigError as error:
        context = {"message": error.message, "hint": error.hint}
        raise PydanticCustomError("quantity", "{message}", context) from error


def symbol(kind: Kind) -> str:
    """The unit of a bare number of this kind: fs, K, GPa, Å, eV, eV/Å, eV/Å^2, rad, 1/fs, mPa s or amu."""
    return next(iter(_UNITS[kind]))


def parse(value: str | float | int, kind: Kind) -> float:
    """A quantity such as "0.5 fs", "1 bar" or 300 in the border's unit: fs, K, GPa, Å, eV, eV/Å, eV/Å^2,
    rad, 1/fs, mPa s, amu.

    Args:
        value: a number with a unit; a bare number is in the border's unit.
        kind: what it measures.

    Raises:
        ConfigError: no number, not finite, an unknown unit or one of another kind, or below absolute zero.
    """
    if kind not in get_args(Kind):
        raise ValueError(f"unknown kind of quantity {kind!r}")
    number, unit = _split(value, kind)
    factors = _UNITS[kind]
    if unit not in factors:
        others = [name for name, table in _UNITS.items() if unit in table]
        measures = f"{unit!r} measures {others[0]}" if others else f"unknown unit {unit!r}"
        shown = ", ".join(dict.fromkeys(factors))
        hint = f"units of {kind}: {shown[:200]}"
        raise ConfigError(f"{value!r} is not {_one(kind)}: {measures}", hint=hint)
    result = number * factors[unit] + (constants.zero_Celsius if unit in _CELSIUS else 0.0)
    if not math.isfinite(result):
        raise ConfigError(
            f"{value!r} is not a finite {kind}", hint=f'type a number and a unit, as "1 {symbol(kind)}"'
        )
    if kind == "temperature" and result < 0:
        raise ConfigError(
            f"{value!r} lies below absolute zero", hint='a temperature is written "300 K" or "25 °C"'
        )
    return result


def _split(value: Any, kind: Kind) -> tuple[float, str]:
    hint = f'type a number and a unit, as "1 {symbol(kind)}"; a bare number is in {symbol(kind)}'
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        if not hasattr(value, "__float__") or isinstance(value, bool):
            raise ConfigError(f"expected {_one(kind)}, got {value!r}", hint=hint)
        value = float(value)
    if not isinstance(value, str):
        try:
            return float(value), symbol(kind)
        except OverflowError as error:
            raise ConfigError(f"{str(value)[:20]}... is too large for {_one(kind)}", hint=hint) from error
    match = _QUANTITY.fullmatch(value) if len(value) <= _LONGEST else None
    if match is None:
        raise ConfigError(f"cannot read {value[:_LONGEST]!r} as {_one(kind)}", hint=hint)
    return float(match[1]), match[2] or symbol(kind)


def _one(kind: Kind) -> str:
    """With its article."""
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def format_quantity(value: float, kind: Kind) -> str:
    """A value in the border's unit, written so that `parse` gives it back exactly, as "0.5 fs"."""
    return f"{value:g} {symbol(kind)}" if float(f"{value:g}") == value else f"{value!r} {symbol(kind)}"
