"""Numbers as people read them."""

import math
from typing import Any

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: Any, digits: int = 3) -> str:
    """A value with `digits` significant digits, a count in full, a dash for what is absent or not finite."""
    if value is None or isinstance(value, (str, bool)):
        return "–" if value is None else str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if exponent < -3 or exponent >= 6:
        mantissa, power = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa} × 10{str(int(power)).translate(_SUPERSCRIPT)}".replace("-", "−")
    return f"{value:.{max(digits - 1 - exponent, 0)}f}".replace("-", "−")


def with_error(value: float, error: float, unit: str = "") -> str:
    """`value ± error`, both to the place of the error's second significant digit."""
    tail = f" {unit}" if unit else ""
    if not (math.isfinite(value) and math.isfinite(error)):
        return f"{number(value)}{tail}"
    if error <= 0:
        return f"{number(value)} ± 0{tail}"
    size = math.floor(math.log10(max(abs(value), error)))
    shift = size if size < -3 or size >= 5 else 0
    decimals = max(1 - (math.floor(math.log10(error)) - shift), 0)
    both = f"{value / 10**shift:.{decimals}f} ± {error / 10**shift:.{decimals}f}".replace("-", "−")
    if shift:
        return f"({both}) × 10{str(shift).translate(_SUPERSCRIPT)}{tail}"
    return f"{both}{tail}"


def interval(low: float, high: float) -> str:
    """`low to high`."""
    return f"{number(low)} to {number(high)}"


def estimate(value: float, low: float, high: float) -> str:
    """`value (low–high)`."""
    return f"{number(value)} ({number(low)}–{number(high)})" if math.isfinite(value) else "–"


def flattened(mapping: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as one level, with dots between the keys, values as text."""
    items: dict[str, str] = {}
    for key, value in mapping.items():
        if isinstance(value, dict) and value:
            items |= flattened(value, f"{prefix}{key}.")
        elif isinstance(value, (list, tuple)):
            items[f"{prefix}{key}"] = ", ".join(str(entry) for entry in value) or "–"
        elif isinstance(value, float):
            items[f"{prefix}{key}"] = f"{value:g}"
        else:
            items[f"{prefix}{key}"] = "–" if value is None else str(value)
    return items
