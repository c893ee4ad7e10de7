"""Charges learned from energies and forces: salts whose charges are known, and molecules pulled apart."""

from dataclasses import replace

import ase.io
import equinox as eqx
import jax
import numpy as np
import pytest

from adiabat.base import ConfigError
from adiabat.base.runs import RunFolder
from adiabat.base.units import COULOMB
from adiabat.data import Sample, write_samples
from adiabat.dynamics import evaluate as predict_one
from adiabat.networks import LearnedPotential
from adiabat.potentials import AbstractPotential, AllPairs, Ewald, LennardJonesMixture
from adiabat.system import System, neighbor_list
from adiabat.tasks.predict import predict
from adiabat.training import Head, Trainer, TrainingOptions, evaluate, trainer
from adiabat.training.objective import training_step
from adiabat.training.start import first_charges

NETWORK = {"kind": "cartesian", "channels": 8, "n_interactions": 1, "cutoff": 4.0}
CHARGES, KINDS = {11: 1.0, 17: -1.0}, {11: (0.05, 1.8), 17: (0.05, 2.2)}
BOX = 10.0 * np.eye(3)


def labelled(potential: AbstractPotential, found: list[System]) -> list[Sample]:
    return evaluate(potential, [Sample(system) for system in found]).predicted()


def unlabelled_charges(samples: list[Sample]) -> list[Sample]:
    return [replace(sample, charges=None, dipole=None, stress=None) for sample in samples]


def apart(rng: np.random.Generator, count: int, least: float) -> np.ndarray:
    """Places in the box [Å], none nearer to another or an image."""
    placed: list[np.ndarray] = []
    while len(placed) < count:
        ways = np.array(placed).reshape(-1, 3) - (here := rng.uniform(0, 10.0, 3))
        if np.linalg.norm(ways - 10.0 * np.round(ways / 10.0), axis=1).min(initial=np.inf) > least:
            placed.append(here)
    return np.array(placed)


@pytest.fixture(scope="session")
def salt() -> list[Sample]:
    """A thin melt of 24 ions of 1 e, most of them farther from each other than the network sees."""
    rng, numbers = np.random.default_rng(0), [11, 17] * 12
    found = [System.create(numbers, apart(rng, 24, 2.3), BOX, True) for _ in range(130)]
    truth = LennardJonesMixture(kinds=KINDS, cutoff=4.0) + Ewald(charges=CHARGES, cell=BOX, cutoff=6.0)
    return unlabelled_charges(labelled(truth, found))


def begun(path, samples: list[Sample], steps: int, long_range: bool = True, **more) -> Trainer:
    run = RunFolder.create(path, "train", {"steps": steps}, resume=True)
    options = TrainingOptions(minutes=None, steps=steps, long_range=long_range)
    return Trainer(samples[10:], samples[:10], network=NETWORK, options=options, run=run, **more)


def fit(path, samples: list[Sample], steps: int, long_range: bool = True, **more) -> LearnedPotential:
    made = begun(path, samples, steps, long_range, **more)
    with made.run:
        return made.fit()


@pytest.mark.slow
def test_the_charges_of_a_salt_are_found(salt, tmp_path):
    """Each ion has its 1 e, whatever is around it, and the forces are several times better than without."""
    train, test = salt[:110], salt[110:]
    errors = {}
    for long_range in (True, False):
        found = fit(tmp_path / str(long_range), train, steps=500, long_range=long_range)
        said = evaluate(found, test)
        errors[long_range] = said.metrics["force_rmse_mev_per_ang"]
        if long_range:
            charges = np.concatenate([sample.charges for sample in said.predicted()]).reshape(-1, 2)
            print("charges", charges.mean(axis=0), charges.std(axis=0))
    print("force errors", errors)
    assert 3 * errors[True] < errors[False]
    np.testing.assert_allclose(charges.mean(axis=0), [1.0, -1.0], atol=0.1)
    assert (charges.std(axis=0) < 0.1).all()


@pytest.fixture(scope="session")
def pairs() -> list[Sample]:
    """Two molecules of sodium chloride, 3 to 8 Å apart."""
    rng = np.random.default_rng(1)
    return [of_pairs(two(rng, rng.uniform(3.5, 8.0))) for _ in range(120)]


def of_pairs(system: System) -> Sample:
    """With the labels of all pairs, and the dipole."""
    said = predict_one(AllPairs(**parameters()), system, neighbor_list(system, 100.0))
    dipole = np.array([1.0, -1.0, 1.0, -1.0]) @ system.positions
    return Sample(system, energy=float(said.energy), forces=np.asarray(said.forces), dipole=dipole)


def parameters() -> dict[str, np.ndarray]:
    charges, sigma = np.array([1.0, -1.0, 1.0, -1.0]), np.array([1.8, 2.2, 1.8, 2.2])
    return {
        "epsilon": np.full((4, 4), 0.05),
        "sigma": 0.5 * (sigma[:, None] + sigma),
        "charges": np.outer(charges, charges),
    }


def two(rng: np.random.Generator, distance: float) -> System:
    """With any directions of their bonds."""
    places = []
    for k in range(2):
        way = rng.normal(size=3)
        bond = rng.uniform(1.9, 2.2) * way / np.linalg.norm(way)
        places += [[k * distance, 0, 0] - bond / 2, [k * distance, 0, 0] + bond / 2]
    return System.create([11, 17, 11, 17], np.array(places))


def in_line(distance: float) -> System:
    return System.create([11, 17, 11, 17], [[0, 0, 0], [2.0, 0, 0], [distance, 0, 0], [distance + 2.0, 0, 0]])


@pytest.mark.slow
def test_molecules_pulled_apart(pairs, tmp_path):
    """Two dipoles in line attract each other by -2 k mu^2 / r^3, beyond what the network and the training set
    reach; without the long range they do not."""
    found = {
        long_range: fit(tmp_path / str(long_range), unlabelled_charges(pairs), 700, long_range)
        for long_range in (True, False)
    }
    line = [of_pairs(in_line(distance)) for distance in (9.0, 11.0, 14.0, 60.0)]
    curves = {name: evaluate(one, line).energies for name, one in found.items()}
    curves["truth"] = np.array([sample.energy for sample in line])
    curves = {name: energies[:3] - energies[3] for name, energies in curves.items()}
    print(curves)
    assert curves["truth"][1] == pytest.approx(-2 * COULOMB * 4.0 / 11.0**3, rel=0.1)
    np.testing.assert_allclose(curves[True], curves["truth"], rtol=0.2)
    np.testing.assert_allclose(curves[False], 0.0, atol=1e-4)
    # Dipoles, which nobody had shown them.
    dipole = found[True].predict(in_line(11.0)).dipole
    np.testing.assert_allclose(dipole, [-4.0, 0, 0], atol=0.4)


@pytest.mark.slow
def test_dipoles_are_fitted_by_the_same_charges(pairs, tmp_path):
    found = fit(tmp_path / "run", pairs, steps=300)
    assert evaluate(found, pairs[:10]).metrics["dipole_rmse_debye"] < 1.0


@pytest.fixture(scope="session")
def model(salt, tmp_path_factory) -> LearnedPotential:
    """Of a training that has hardly begun."""
    return fit(tmp_path_factory.mktemp("long") / "run", salt[:30], steps=20)


def test_a_run_goes_on_to_the_bit(salt, model, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", 0.0)
    count = 0

    def interrupted(*arguments):
        nonlocal count
        count += 1
        if count > 8:
            raise KeyboardInterrupt
        return training_step(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(trainer, "training_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fit(tmp_path / "run", salt[:30], steps=20)
    again = fit(tmp_path / "run", salt[:30], steps=20)
    for one, other in zip(jax.tree.leaves(again), jax.tree.leaves(model), strict=True):
        np.testing.assert_array_equal(one, other)


def test_floors_are_those_of_the_network(salt, model):
    """What the charges add is not counted: nothing changes in the training set."""
    bottomless = eqx.tree_at(lambda p: p.floors, model, np.full(2, -np.inf, np.float32))
    known = salt[10:20]
    energies = [evaluate(one, known).energies for one in (model, bottomless)]
    np.testing.assert_allclose(*energies, atol=1e-5)
    for sample, near in zip(known, evaluate(model.at_short_range, known).atom_energies, strict=True):
        assert not model.unknown_atoms(np.asarray(sample.system.numbers), near).any()


def test_going_on_from_a_model_with_a_long_range(salt, model, tmp_path):
    """It keeps its charges, asked for or not; one without gets fresh ones."""
    samples = salt[:30]
    for number, asked in enumerate((False, True)):
        kept = begun(tmp_path / f"a{number}", samples, 10, asked, start=model).potential
        assert kept.long_range is not None
        expected = evaluate(model, samples[:2]).charges
        np.testing.assert_allclose(evaluate(kept, samples[:2]).charges, expected, atol=1e-6)
    fresh = begun(tmp_path / "b", samples, 10, start=model.at_short_range).potential
    assert fresh.long_range is not None
    head = Head("other", samples[10:], samples[:10], None)
    with pytest.raises(ConfigError, match="several methods"):
        begun(tmp_path / "c", samples, 10, others=[head])


def test_where_charges_begin():
    """Next to the noble gases they are negative."""
    for elements, negative in (((1, 8), 8), ((1, 6, 7, 8), 8), ((11, 17), 17), ((1, 3), 1), ((9, 17), 9)):
        assert elements[int(np.argmin(first_charges(elements)))] == negative


def test_charges_are_written(salt, model, tmp_path):
    """Those of a periodic structure as a column, without a dipole."""
    write_samples(tmp_path / "salt.xyz", salt[:3])
    predict(model, tmp_path / "salt.xyz", out=tmp_path / "predicted.xyz")
    assert ":charges:R:1" in (tmp_path / "predicted.xyz").read_text()
    back = ase.io.read(tmp_path / "predicted.xyz", index=0)
    np.testing.assert_allclose(back.get_charges(), evaluate(model, salt[:1]).charges[0], atol=1e-6)
    assert back.get_charges().sum() == pytest.approx(0.0, abs=1e-5)
    assert "dipole" not in back.calc.results
