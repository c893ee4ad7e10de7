"""Stillinger-Weber and the embedded-atom method: conformance, known answers, and files that are not right."""

import ase.build
import equinox as eqx
import numpy as np
import pytest

from adiabat.base import ConfigError, DataError, UnsupportedError
from adiabat.dynamics import evaluate
from adiabat.potentials import EmbeddedAtom, StillingerWeber
from adiabat.system import System, neighbor_list
from adiabat.testing import PotentialChecks, systems


@pytest.mark.device
class TestStillingerWeber(PotentialChecks):
    def potential(self):
        return StillingerWeber()

    def structures(self):
        return [systems.silicon(displacement=0.2), systems.random_gas([14] * 5, size=5.0, pbc=False, seed=2)]


def test_the_crystal_of_stillinger_and_weber():
    """Its energy is two bonds an atom, -2 epsilon at the distance where their pair energy is -epsilon."""
    lattice = 4 / 3**0.5 * 2 ** (1 / 6) * 2.0951
    crystal = System.from_ase(ase.build.bulk("Si", "diamond", a=lattice))
    found = evaluate(StillingerWeber(), crystal, neighbor_list(crystal, StillingerWeber().cutoff))
    assert float(found.energy) == pytest.approx(-4 * 2.1683, rel=1e-8)
    np.testing.assert_allclose(found.stress, 0.0, atol=1e-8)


def test_silicon_by_default():
    """Another element with silicon's scales is refused; with its own, those of LAMMPS' Ge.sw, it is bound as
    germanium is, by 3.86 eV."""
    crystal = System.from_ase(ase.build.bulk("Ge", "diamond", a=5.653))
    with pytest.raises(UnsupportedError, match="of Si only; the structure also has Ge"):
        StillingerWeber(strength=31.0).check(crystal)
    with pytest.raises(UnsupportedError, match=r"(?s)the sigma of Si only.*give sigma for Ge"):
        StillingerWeber(epsilon=1.93, strength=31.0).check(crystal)
    germanium = StillingerWeber(epsilon=1.93, sigma=2.181, strength=31.0)
    germanium.check(crystal)
    found = evaluate(germanium, crystal, neighbor_list(crystal, germanium.cutoff))
    assert float(found.energy) / 2 == pytest.approx(-3.86, abs=0.01)
    for wrong in ({"sigma": 0.0}, {"epsilon": -1.0}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            StillingerWeber(**wrong)


def tables(n: int = 400, cutoff: float = 5.0) -> dict:
    """Two elements whose functions go smoothly to zero."""
    r, rho = np.linspace(0, cutoff, n), np.linspace(0, 40, n)
    end = (1 - r / cutoff) ** 4
    decay = np.array([np.exp(-0.8 * r), 1.3 * np.exp(-0.7 * r)]) * 8 * end
    pair = np.stack([np.exp(-1.5 * r) * 60 * end * scale for scale in (1.0, 0.8, 1.2)])
    return {
        "elements": (29, 28),
        "embedding": np.array([-1.1 * np.sqrt(rho + 0.5), -0.9 * np.sqrt(rho + 0.3)]),
        "density": decay,
        "pair": np.array([[pair[0], pair[1]], [pair[1], pair[2]]]),
        "density_step": rho[1],
        "distance_step": r[1],
        "cutoff": cutoff,
    }


@pytest.mark.device
class TestEmbeddedAtom(PotentialChecks):
    def potential(self):
        return EmbeddedAtom(**tables(800))

    def structures(self):
        return [systems.random_gas([29, 28, 29, 28, 29], size=5.0, pbc=pbc, seed=2) for pbc in (True, False)]


def setfl(given: dict) -> str:
    """The tables as a file."""
    n = len(given["elements"])
    symbols = {28: "Ni", 29: "Cu"}
    lines = ["a table", "made by", "a test", f"{n} " + " ".join(symbols[z] for z in given["elements"])]
    size = given["embedding"].shape[1], given["density_step"], given["density"].shape[1]
    lines.append(" ".join(str(x) for x in (*size, given["distance_step"], given["cutoff"])))

    def rows(values):
        return [" ".join(f"{float(x)!r}" for x in part) for part in np.array_split(values, 80)]

    for k, number in enumerate(given["elements"]):
        lines += [f"{number} 60.0 3.6 FCC", *rows(given["embedding"][k]), *rows(given["density"][k])]
    for i in range(n):
        for j in range(i + 1):
            lines += rows(given["pair"][i, j])
    return "\n".join(lines) + "\n"


def test_what_lammps_gave():
    """Energies of LAMMPS (22 Jul 2025, update 4) for the same structures and tables."""
    gas = systems.random_gas([29, 28, 29, 28, 29], size=5.0, seed=2)
    potential = EmbeddedAtom(**tables())
    found = eqx.filter_jit(potential.energy)(gas, neighbor_list(gas, potential.cutoff))
    assert float(found) == pytest.approx(-3.820593152013339, rel=1e-12)
    gas = systems.random_gas([14] * 5, size=5.0, seed=2)
    potential = StillingerWeber(cosine=-0.333333333333)  # as Si.sw has it
    found = eqx.filter_jit(potential.energy)(gas, neighbor_list(gas, potential.cutoff))
    assert float(found) == pytest.approx(30.111955877921257, rel=1e-12)


def test_a_file_gives_what_was_written(tmp_path):
    path = tmp_path / "CuNi.eam.alloy"
    path.write_text(setfl(tables()))
    read, made = EmbeddedAtom.read(path), EmbeddedAtom(**tables())
    assert read.elements == made.elements
    np.testing.assert_array_equal(read.pair, made.pair)
    np.testing.assert_array_equal(read.embedding, made.embedding)


def test_a_file_of_one_element(tmp_path):
    path = tmp_path / "Cu.eam"
    values = "\n".join(["0.5D+00 1.0 1.5 2.0 2.5"] * 6)
    path.write_text(f"copper\n29 63.55 3.615 FCC\n10 0.1 10 0.5 4.5\n{values}\n")
    potential = EmbeddedAtom.read(path)
    assert potential.elements == (29,)
    np.testing.assert_allclose(potential.pair[0, 0, :5, 0], 27.2 * 0.529 * np.arange(0.5, 3.0, 0.5) ** 2)
    np.testing.assert_allclose(potential.density[0, 5:, 0], np.arange(0.5, 3.0, 0.5))


@pytest.mark.parametrize(
    ("wrong", "right", "message"),
    [
        ("29 60.0 3.6 FCC", "29", "line 6: expected 2 words"),
        ("2 Cu Ni", "2 Cu Xx", "line 4: 'Xx' is no element"),
        ("2 Cu Ni", "3 Cu Ni", "line 4: expected the symbols of 3"),
        ("2 Cu Ni", "999999999999 Cu Ni", "line 4: expected a whole number"),
        ("400 0.1", "400000000 0.1", "line 5: expected a whole number"),
        ("400 0.1", "4e2 0.1", "line 5: expected a whole number"),
        ("400 0.1", "400 nan", "line 5: 'nan0025"),
        ("400 0.1", "398 0.1", "should end with this line"),
        ("400 0.1", "402 0.1", "is not a finite number|should end|expected"),
        (" 5.0\n", " 50.0\n", "line 5: the cut-off 50"),
    ],
)
def test_damaged_files_name_the_line(tmp_path, wrong, right, message):
    text = setfl(tables())
    assert wrong in text
    path = tmp_path / "damaged.eam.alloy"
    path.write_text(text.replace(wrong, right, 1))
    with pytest.raises(DataError, match=message):
        EmbeddedAtom.read(path)


@pytest.mark.parametrize("text", ["", "\n\n\n", "\0\xff" * 100, "a\nb\nc\n1 Cu\n5 1 5 1 4\n29 63.5\n1 2 3\n"])
def test_other_files_are_refused(tmp_path, text):
    path = tmp_path / "other"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match="line"):
        EmbeddedAtom.read(path)


def test_what_does_not_fit_is_refused(tmp_path):
    with pytest.raises(DataError, match="cannot read"):
        EmbeddedAtom.read(tmp_path / "missing")
    with pytest.raises(DataError, match="do not fit"):
        EmbeddedAtom(**tables() | {"density": np.zeros((2, 3))})
    with pytest.raises(UnsupportedError, match="Cu Ni"):
        EmbeddedAtom(**tables()).check(systems.silicon())
