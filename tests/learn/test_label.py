"""`adiabat.tasks.label`: files in, labelled files out, nothing replaced unasked, nothing lost."""

import ase.io
import numpy as np
import pytest

from adiabat.base import ConfigError, ConvergenceError, DataError, UnsupportedError
from adiabat.data import read_samples
from adiabat.data.labelers import LabelCache
from adiabat.data.labelers.xtb import GFN2
from adiabat.tasks.label import label

WATER = "O 0 0 0.1173\nH 0 0.7572 -0.4692\nH 0 -0.7572 -0.4692\n"
COLLIDED = "O 0 0 0.1173\nH 0 0 0.11\nH 0 -0.7572 -0.4692\n"


@pytest.fixture
def structures(tmp_path):
    """Water, a broken frame with an old label, and hydroxide with its charge."""
    path = tmp_path / "structures.xyz"
    path.write_text(
        f"3\nProperties=species:S:1:pos:R:3 name=first\n{WATER}"
        f'3\nProperties=species:S:1:pos:R:3 label_error="old" name=broken\n{COLLIDED}'
        "2\nProperties=species:S:1:pos:R:3 charge=-1\nO 0 0 0\nH 0 0 0.97\n"
    )
    return path


def test_labels_and_failures(structures, tmp_path):
    summary = label(structures, out=tmp_path / "out.xyz")
    assert (summary["n_labelled"], summary["n_failed"]) == (2, 1)
    water, hydroxide = read_samples(tmp_path / "out.xyz")
    assert water.info["name"] == "first"
    assert water.info["method"] == "gfn2"
    assert hydroxide.system.charge == -1
    assert water.energy == GFN2().compute(water.system).energy  # every digit
    np.testing.assert_array_equal(hydroxide.forces, GFN2().compute(hydroxide.system).forces)
    [broken] = ase.io.read(tmp_path / "out.failed.xyz", ":")
    assert broken.info["name"] == "broken"
    assert "apart" in broken.info["label_error"]
    assert not list(tmp_path.glob("*.jsonl"))


def test_charge_and_spin_of_all(tmp_path):
    path = tmp_path / "water.xyz"
    path.write_text(f"3\n\n{WATER}")
    label(path, out=tmp_path / "cation.xyz", charge=1, spin=1)
    label(path, out=tmp_path / "neutral.xyz", method="gfn1")
    [cation], [neutral] = (read_samples(tmp_path / f"{n}.xyz") for n in ("cation", "neutral"))
    assert (cation.system.charge, cation.system.spin) == (1, 1)
    assert neutral.info["method"] == "gfn1"
    with pytest.raises(DataError, match="unpaired") as error:
        label(path, out=tmp_path / "wrong.xyz", charge=1)
    assert "--spin 1" in str(error.value)


def test_nothing_is_replaced_unasked(structures, tmp_path):
    out = tmp_path / "out.xyz"
    label(structures, out=out)
    before = out.read_bytes()
    with pytest.raises(ConfigError, match="there already"):
        label(structures, out=out)
    label(structures, out=out, force=True)
    assert out.read_bytes() == before
    with pytest.raises(ConfigError, match="extended XYZ"):
        label(structures, out=tmp_path / "out.csv")
    with pytest.raises(ConfigError, match="did you mean 'gfn2'"):
        label(structures, out=tmp_path / "other.xyz", method="gfn22")


def test_an_interrupted_run_goes_on(structures, tmp_path, monkeypatch):
    [first, *_] = read_samples(structures, require=())
    cache_path = tmp_path / "out.labels.jsonl"
    with LabelCache(cache_path) as cache:
        GFN2(workers=1).label([first.system], cache=cache)
    with pytest.raises(ConfigError, match="--resume"):
        label(structures, out=tmp_path / "out.xyz")
    computed = []
    compute = GFN2.compute
    counting = lambda self, system: computed.append(system) or compute(self, system)  # noqa: E731
    monkeypatch.setattr(GFN2, "compute", counting)
    label(structures, out=tmp_path / "out.xyz", resume=True)
    assert len(computed) == 1  # only the hydroxide: water was known, and the broken one fails before
    assert not cache_path.exists()


def test_all_failed(tmp_path):
    path = tmp_path / "broken.xyz"
    path.write_text(f"3\n\n{COLLIDED}")
    with pytest.raises(ConvergenceError, match="all 1 structures"):
        label(path, out=tmp_path / "out.xyz")
    assert not (tmp_path / "out.xyz").exists()


def test_unsupported_element(tmp_path):
    path = tmp_path / "heavy.xyz"
    path.write_text("1\n\nU 0 0 0\n")
    with pytest.raises(UnsupportedError, match="Rn"):
        label(path, out=tmp_path / "out.xyz")
