import importlib.metadata
import sys

import pytest

from adiabat.base import ConfigError, MissingDependencyError
from adiabat.base.registry import Registry


@pytest.fixture
def registry():
    table = {"path": "pathlib:Path", "alien": "package_that_is_not_there.module:Thing"}
    return Registry("thing", table, group="adiabat.test_things")


def test_names_and_get(registry):
    from pathlib import Path

    assert registry.names() == ["alien", "path"]
    assert registry.get("path") is Path
    assert "path" in registry
    assert "nothing" not in registry


def test_unknown_names_get_a_hint(registry):
    with pytest.raises(ConfigError, match=r"unknown thing 'pth'.*\n.*did you mean 'path'"):
        registry.get("pth")
    with pytest.raises(ConfigError, match="choose one of: alien, path"):
        registry.get("zzz")


def test_a_missing_package_is_named(registry):
    with pytest.raises(MissingDependencyError, match="package_that_is_not_there") as caught:
        registry.get("alien")
    assert caught.value.hint == "pip install package_that_is_not_there"


def test_entry_points_of_other_packages(registry, monkeypatch):
    point = importlib.metadata.EntryPoint("fraction", "fractions:Fraction", "adiabat.test_things")
    monkeypatch.setattr(
        importlib.metadata, "entry_points", lambda group: [point] if group == point.group else []
    )
    assert registry.names() == ["alien", "fraction", "path"]
    assert registry.get("fraction")(1, 2) == 0.5


def test_listing_imports_nothing():
    sys.modules.pop("fractions", None)
    Registry("thing", {"fraction": "fractions:Fraction"}).names()
    assert "fractions" not in sys.modules
