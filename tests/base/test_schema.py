import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import equinox as eqx
import pytest

from adiabat.base import ConfigError
from adiabat.base.registry import Registry
from adiabat.base.schema import Supplied, Unit, arguments, build, build_kind, json_schema, resolve, template


class Thermostat(eqx.Module):
    """Couples the system to a bath.

    Args:
        temperature: of the bath.
        timestep: how far one step goes;
            a second line.
        kind_of_noise: what it draws.
        sizes: a tuple.
        path: a file.
        steps: how many.
    """

    temperature: float
    timestep: float
    kind_of_noise: str
    sizes: tuple[int, ...]
    path: Path | None
    steps: int

    def __init__(
        self,
        *,
        temperature: Annotated[float, Unit("temperature")],
        timestep: Annotated[float, Unit("time")] = 0.5,
        kind_of_noise: Literal["gauss", "uniform"] = "gauss",
        sizes: tuple[int, ...] = (1, 2),
        path: Path | None = None,
        steps: int = 10,
    ):
        self.temperature = temperature
        self.timestep = timestep
        self.kind_of_noise = kind_of_noise
        self.sizes = sizes
        self.path = path
        self.steps = steps
        if timestep > 10:
            raise ConfigError("the timestep is too long")


def function(*, pressure: Annotated[float, Unit("pressure")] | None = None, name: str = "x") -> tuple:
    """A function works too."""
    return pressure, name


REGISTRY = Registry("thermostat", {"bath": f"{__name__}:Thermostat", "other": f"{__name__}:function"})


def test_build_parses_units_lists_and_paths():
    made = build(
        Thermostat, {"temperature": "25 °C", "timestep": "2e-3 ps", "sizes": [4], "path": "a/b", "steps": 3}
    )
    assert made.temperature == pytest.approx(298.15)
    assert made.timestep == pytest.approx(2.0)
    assert (made.sizes, made.path, made.steps) == ((4,), Path("a/b"), 3)
    assert build(Thermostat, {"temperature": 300}).temperature == 300.0
    assert build(function, {"pressure": "1 bar"}) == (pytest.approx(1e-4), "x")
    assert build(function, {"pressure": None}) == (None, "x")


@pytest.mark.parametrize(
    ("mapping", "message", "key"),
    [
        ({}, "key 'bath.temperature' is missing", "bath.temperature"),
        ({"temperature": 1, "timstep": 1}, "did you mean 'timestep'", "bath.timstep"),
        ({"temperature": "1 bar"}, r"bath\.temperature: '1 bar' is not a temperature", "bath.temperature"),
        ({"temperature": float("nan")}, "not a finite", "bath.temperature"),
        ({"temperature": True}, "expected a temperature", "bath.temperature"),
        (
            {"temperature": 1, "steps": "5"},
            r"bath\.steps: input should be a valid integer, got '5'",
            "bath.steps",
        ),
        ({"temperature": 1, "steps": 1.5}, r"bath\.steps", "bath.steps"),
        ({"temperature": 1, "steps": True}, r"bath\.steps", "bath.steps"),
        ({"temperature": 1, "sizes": [1, "a"]}, r"bath\.sizes", "bath.sizes"),
        ({"temperature": 1, "kind_of_noise": "pink"}, "'gauss' or 'uniform'", "bath.kind_of_noise"),
        ({"temperature": 1, "timestep": 11}, r"\[bath\] the timestep is too long", "bath"),
        ([1], "must be a table", "bath"),
    ],
)
def test_wrong_values_are_named(mapping, message, key):
    with pytest.raises(ConfigError, match=message) as caught:
        build(Thermostat, mapping, where="bath")
    assert caught.value.key == key


def test_all_problems_are_listed_at_once():
    with pytest.raises(ConfigError) as caught:
        build(Thermostat, {"tempreture": 1, "steps": "x"})
    assert len(caught.value.message.splitlines()) == 3


def test_kinds():
    assert build_kind(REGISTRY, {"kind": "bath", "temperature": 5}).temperature == 5
    assert build_kind(REGISTRY, {"kind": "other", "name": "y"}) == (None, "y")
    with pytest.raises(
        ConfigError, match=r"thermostat\.kind: unknown thermostat 'bat'.*\n.*did you mean 'bath'"
    ):
        build_kind(REGISTRY, {"kind": "bat"}, where="thermostat")
    for mapping in ({}, {"kind": 3}):
        with pytest.raises(ConfigError, match="needs the key 'kind'"):
            build_kind(REGISTRY, mapping)


def test_resolve_fills_defaults_and_writes_units():
    assert resolve(REGISTRY, {"kind": "bath", "temperature": 300, "timestep": "1e-3 ps"}) == {
        "kind": "bath",
        "temperature": "300 K",
        "timestep": "1 fs",
        "kind_of_noise": "gauss",
        "sizes": (1, 2),
        "path": None,
        "steps": 10,
    }


def test_json_schema():
    schema = json_schema(Thermostat)
    assert schema["required"] == ["temperature"]
    assert schema["additionalProperties"] is False
    timestep = schema["properties"]["timestep"]
    assert timestep["unit"] == "fs"
    assert timestep["default"] == 0.5
    assert timestep["description"] == "how far one step goes; a second line."
    assert {"type": "string"} in timestep["anyOf"]
    assert schema["properties"]["kind_of_noise"]["enum"] == ["gauss", "uniform"]


def test_the_template_is_a_configuration():
    text = template(Thermostat, where="bath", values={"temperature": 300.0})
    assert "# how far one step goes; a second line." in text
    assert "One of: 'gauss', 'uniform'." in text
    assert '# path = ""' in text
    assert build(Thermostat, tomllib.loads(text)["bath"]).temperature == 300.0
    assert "to be given" in template(Thermostat)


@dataclass(kw_only=True)
class Options:
    """Some options.

    Attributes:
        files: a list.
    """

    files: list[str] = field(default_factory=list)


def test_dataclasses():
    assert resolve(Options, {}) == {"files": []}
    assert build(Options, {"files": ["a"]}).files == ["a"]
    assert template(Options) == "# a list.\nfiles = []\n"


def test_supplied_arguments_are_not_configured():
    def make(*, size: int = 1, key: Annotated[str, Supplied]):
        return size, key

    assert [a.name for a in arguments(make)] == ["size"]
    assert build(make, {"size": 2}, key="k") == (2, "k")
    with pytest.raises(ConfigError, match="unknown key 'key'"):
        build(make, {"key": "k"}, key="k")


def test_arguments():
    assert [a.name for a in arguments(Thermostat) if a.required] == ["temperature"]

    def bare(*, x): ...

    with pytest.raises(TypeError, match="annotation"):
        arguments(bare)
