from importlib import metadata

import pytest

from adiabat.base import MissingDependencyError
from adiabat.tasks import precision


def test_enable_sets_and_reports():
    import jax

    facts = precision.enable()
    assert jax.config.jax_enable_x64  # pyright: ignore[reportAttributeAccessIssue]
    assert facts["x64"] is True
    assert facts["jax"] == jax.__version__
    assert facts["devices"]
    assert facts["platform"] == jax.default_backend()


@pytest.mark.parametrize("version", ["0.10.2", "0.11.1", "0.4.30", "0.11.0.dev3"])
def test_versions_that_compute_wrong_numbers_are_refused(monkeypatch, version):
    monkeypatch.setattr(metadata, "version", lambda _: version)
    with pytest.raises(MissingDependencyError, match="wrong numbers") as caught:
        precision.enable()
    assert "pip install" in caught.value.hint


@pytest.mark.parametrize("version", ["0.11.2", "0.12.0.1", "1.0", "0.12.0rc1"])
def test_versions_that_are_well(monkeypatch, version):
    monkeypatch.setattr(metadata, "version", lambda _: version)
    assert precision.check_jax() == version


def test_no_jax(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    with pytest.raises(MissingDependencyError, match="not installed"):
        precision.enable()
