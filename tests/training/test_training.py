"""Fitting: it learns, it resumes to the bit, it says when it fails."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adiabat.base import ConfigError, ConvergenceError, DataError
from adiabat.base.runs import RunFolder
from adiabat.data import Sample, write_samples
from adiabat.networks import load_model
from adiabat.potentials import LennardJones
from adiabat.system import System, neighbor_list
from adiabat.tasks.evaluate import evaluate as evaluate_task
from adiabat.testing import systems
from adiabat.training import Trainer, TrainingOptions, evaluate
from adiabat.training.batches import Bucket
from adiabat.training.memory import check_memory, expected_neighbors
from adiabat.training.muon import orthogonal_factors_of
from adiabat.training.objective import training_step, with_parameters
from adiabat.training.start import general_for, starting_point

ARGON = LennardJones(epsilon=0.0104, sigma=3.4, cutoff=6.0)
NETWORK = {"kind": "cartesian", "channels": 8, "n_interactions": 1, "cutoff": 6.0}


def fit(path, samples, **options):
    chosen = TrainingOptions(**({"minutes": None, "steps": 120} | options))
    with RunFolder.create(path, "train", {"steps": 120}, resume=True) as run:
        trainer = Trainer(samples[6:], samples[:6], network=NETWORK, options=chosen, run=run)
        return trainer.fit(), run.read("metrics")


def test_learns_lennard_jones(argon, tmp_path):
    """Ten seconds of training explain more than 99 % of the forces' variance on new clusters."""
    potential, history = fit(tmp_path / "run", argon, steps=400)
    test = argon[:6]
    size = 1e3 * np.sqrt(np.mean(np.concatenate([s.forces for s in test]) ** 2))
    metrics = evaluate(potential, test).metrics
    assert metrics["force_rmse_mev_per_ang"] < 0.1 * size
    assert metrics["n_structures"] == 6
    errors = [row["valid_force_rmse_mev_per_ang"] for row in history]
    assert errors[-1] < 0.3 * errors[0]
    assert [row["step"] for row in history] == sorted(row["step"] for row in history)


def test_constants_follow_the_energies(argon, tmp_path):
    """With steps of no length, the mean error of the energies shrinks by a fifth each time, and nothing else
    changes."""
    with RunFolder.create(tmp_path / "run", "train", {"steps": 5}) as run:
        made = Trainer(
            argon[6:], argon[:6], network=NETWORK, options=TrainingOptions(minutes=None, steps=5), run=run
        )
        objective = eqx.tree_at(lambda o: o.learning_rate, made._objective(5), jnp.float32(0.0))
    data = made.train.make(made.train.buckets[0], range(5))
    fit = objective.init(made.potential)

    def mean_error(fit):
        said = evaluate(with_parameters(made.potential, fit.parameters), [argon[6 + k] for k in range(5)])
        return np.mean((said.energies - said.reference_energies) / said.n_atoms)

    before, errors = jax.tree.map(np.asarray, fit.parameters), [mean_error(fit)]
    for number in range(5):
        fit, _ = training_step((objective, made.potential, data, jnp.float32(number)), fit)
        errors.append(mean_error(fit))
    assert abs(errors[0]) > 1e-3
    np.testing.assert_allclose(errors, errors[0] * 0.8 ** np.arange(6), rtol=1e-3)
    np.testing.assert_array_equal(fit.parameters.matrices, before.matrices)
    assert np.count_nonzero(np.asarray(fit.parameters.rest) != before.rest) == 1


def test_the_training_set_is_above_the_floors(argon, tmp_path):
    """Each element's floor is what the network says of one of the atoms, and changes no prediction."""
    potential, _ = fit(tmp_path / "run", argon, steps=40)
    free = eqx.tree_at(lambda p: p.floors, potential, None, is_leaf=lambda x: x is None)
    found, bare = (evaluate(p, argon[6:]) for p in (potential, free))
    learned = (np.concatenate(bare.atom_energies) - potential.references[0]) / potential.scale
    # To the rounding of single precision: constants were set anew between the floors and here.
    assert potential.floors[0] <= np.min(learned) + 1e-4
    np.testing.assert_allclose(found.energies, bare.energies, rtol=1e-12)


def test_evaluation_of_the_labels_own_formula_is_exact(argon):
    found = evaluate(ARGON, argon)
    assert found.metrics["energy_rmse_mev"] < 1e-9
    assert found.metrics["force_mae_mev_per_ang"] < 1e-9
    shifted = [
        Sample(s.system, energy=s.energy + 0.013, forces=s.forces + 0.01)
        for s in argon
        if s.energy is not None
    ]
    metrics = evaluate(ARGON, shifted).metrics
    assert metrics["energy_mae_mev"] == pytest.approx(13.0)
    assert metrics["energy_mae_mev_per_atom"] == pytest.approx(1.0)
    assert metrics["force_rmse_mev_per_ang"] == pytest.approx(10.0)


def test_what_a_shift_of_each_element_leaves_of_the_energy_errors():
    """Labels of another level of theory: 3 eV for each argon, 5 eV for each neon, and an error of 2 meV."""
    model = LennardJones(epsilon=0.01, sigma=3.0, cutoff=6.0)
    random = np.random.default_rng(0)
    samples = []
    for _ in range(20):
        numbers = random.choice([10, 18], size=5)
        system = System.create(numbers, 4.0 * np.arange(15.0).reshape(5, 3))
        energy = float(model.energy(system, neighbor_list(system, model.cutoff)))
        shifts = np.where(numbers == 18, 3.0, 5.0).sum() + 0.002 * random.choice([-1, 1])
        samples.append(Sample(system, energy=energy - shifts))
    found = evaluate(model, samples)
    assert 3000 < found.metrics["energy_offset_mev_per_atom"] < 5000
    assert 0.3 < 1e3 * found.energy_error_beside_offset() <= 0.4
    assert np.isnan(evaluate(model, samples[:5]).energy_error_beside_offset())


@pytest.mark.parametrize(("factor", "named"), [(0.529, "eV/bohr"), (23.06, "kcal/mol"), (-1.0, "wrong sign")])
def test_labels_in_another_unit_are_not_taken_for_a_bad_model(argon, caplog, factor, named):
    wrong = [
        Sample(s.system, energy=s.energy, forces=factor * s.forces) for s in argon if s.forces is not None
    ]
    with caplog.at_level("WARNING", logger="adiabat"):
        evaluate_task(ARGON, argon)
        assert not caplog.records
        evaluate_task(ARGON, wrong)
    assert named in caplog.text


def test_energies_along_a_path(argon):
    """Labels 0, 30, 10 meV above the lowest; the model says 0, 25, 40: counted from the frame of label 0."""
    systems_of = [s.system for s in argon[:3]]
    labels = (5.0, 5.030, 5.010)
    found = evaluate(ARGON, [Sample(s, energy=e) for s, e in zip(systems_of, labels, strict=True)])
    found = replace(found, energies=np.array([-3.0, -2.975, -2.96]), is_path=True)
    predicted, references = found.profile()
    np.testing.assert_allclose(references, [0, 0.03, 0.01])
    np.testing.assert_allclose(predicted, [0, 0.025, 0.04])
    assert found.metrics["barrier_mev"] == pytest.approx(30.0)
    assert found.metrics["barrier_error_mev"] == pytest.approx(10.0)
    assert found.metrics["profile_rmse_mev"] == pytest.approx(np.sqrt((5**2 + 30**2) / 3))
    assert "profile_rmse_mev" not in replace(found, is_path=False).metrics


def fit_from(path, samples, start, **options):
    chosen = TrainingOptions(minutes=None, steps=10, start="given", **options)
    with RunFolder.create(path, "train", {"steps": 10}, resume=True) as run:
        trainer = Trainer(samples[6:], samples[:6], network=NETWORK, options=chosen, run=run, start=start)
        return trainer.potential, trainer


def test_going_on_from_another_model(argon, tmp_path):
    """It begins with what the other knew, up to the zero of energy, and learns less in its first steps than
    fresh weights have to."""
    first, _ = fit(tmp_path / "first", argon, steps=200)
    shifted = [Sample(s.system, energy=s.energy + 5.0 * s.n_atoms, forces=s.forces) for s in argon]
    begun, trainer = fit_from(tmp_path / "second", shifted, first)
    before, at_start = evaluate(first, argon[:6]), evaluate(begun, shifted[:6])
    for one, other in zip(before.forces, at_start.forces, strict=True):
        np.testing.assert_allclose(other, one, atol=1e-5)
    assert at_start.metrics["energy_mae_mev_per_atom"] < 2 * before.metrics["energy_mae_mev_per_atom"] + 0.1
    after = evaluate(trainer.fit(), shifted[:6]).metrics
    fresh = evaluate(fit(tmp_path / "third", argon, steps=10)[0], argon[:6]).metrics
    assert after["force_rmse_mev_per_ang"] < 0.5 * fresh["force_rmse_mev_per_ang"]


def test_a_training_that_is_held_is_pulled_back(argon, tmp_path):
    """By the learning rate, the pull and how far the matrices have come."""
    start, _ = fit(tmp_path / "start", argon, steps=10)
    with RunFolder.create(tmp_path / "run", "train", {}) as run:
        options = TrainingOptions(minutes=None, steps=200)
        given = {"network": NETWORK, "options": options, "run": run, "start": start}
        made = Trainer(argon[6:], argon[:6], **given, held=True)
        assert Trainer(argon[6:], argon[:6], **given)._objective(200).pull == 0
    objective = made._objective(200)
    assert float(objective.pull) == pytest.approx(3.0 / (13 * len(argon[6:])) ** 0.5)
    data = made.train.make(made.train.buckets[0], range(5))
    found = []
    for pull in (0.0, 0.5):
        changed = eqx.tree_at(lambda o: o.pull, objective, jnp.float32(pull))
        fitted = objective.init(made.potential)
        begun = np.array(fitted.parameters.matrices)
        away = fitted.parameters._replace(matrices=fitted.parameters.matrices + 0.1)
        inputs = (changed, made.potential, data, jnp.float32(0))
        fitted, _ = training_step(inputs, fitted._replace(parameters=away))
        inputs = (changed, made.potential, data, jnp.float32(50))
        before = np.array(fitted.parameters.matrices)
        found.append(np.array(training_step(inputs, fitted)[0].parameters.matrices))
        assert np.abs(before - begun).min() > 0.05
    rate = float(objective.schedule(50))
    np.testing.assert_allclose(found[0] - found[1], 0.5 * rate * (before - begun), atol=1e-6)


@pytest.mark.parametrize("begun", [True, False])
def test_passes_over_the_samples_are_few_after_another_model(begun, argon, tmp_path, monkeypatch):
    """And as many as there is time for with fresh weights."""
    monkeypatch.setattr("adiabat.training.trainer.PASSES", 4)
    start, _ = fit(tmp_path / "start", argon, steps=10)
    with RunFolder.create(tmp_path / "run", "train", {}) as run:
        options = TrainingOptions(minutes=0.1)
        trainer = Trainer(
            argon[6:], argon[:6], network=NETWORK, options=options, run=run, start=start if begun else None
        )
        trainer.fit()
        four = 4 * len(trainer.train.epoch(0, 0))
        assert (run.results["steps"] == max(four, 40)) == begun


def test_what_the_other_model_knew_of_other_elements_is_kept(argon, tmp_path):
    """A model of argon and neon, gone on with argon alone and then with krypton."""
    mixed = [
        Sample(System.create(np.where(np.arange(13) % 2, 10, 18), s.system.positions), s.energy, s.forces)
        for s in argon
    ]
    first, _ = fit(tmp_path / "first", mixed, steps=30)
    krypton = [Sample(System.create([36] * 13, s.system.positions), s.energy, s.forces) for s in argon]
    begun, _ = fit_from(tmp_path / "second", krypton, first)
    assert begun.elements == (10, 18, 36)
    for sample in mixed[:3]:
        one, other = first.predict(sample.system), begun.predict(sample.system)
        np.testing.assert_allclose(other.forces, one.forces, atol=1e-6)
    assert begun.repulsion is not None
    assert {(a, b) for a, b, _ in begun.repulsion.ends} >= {(10, 10), (10, 18), (18, 18), (36, 36)}


def test_the_general_model_is_for_neutral_molecules_of_its_elements(argon):
    molecules = [Sample(systems.ethanol())]
    known = general_for(molecules)
    assert known is not None
    assert known.elements == (1, 6, 8)
    assert general_for(argon) is None
    assert general_for([*molecules, Sample(systems.water(8))]) is None  # periodic
    charged = System.create([8, 1], [[0.0, 0, 0], [0.97, 0, 0]], charge=-1)
    assert general_for([Sample(charged)]) is None


def test_where_a_training_begins():
    molecules = [Sample(systems.ethanol())]
    assert starting_point(None, molecules) == (None, "scratch")
    assert starting_point("scratch", molecules) == (None, "scratch")
    assert starting_point("general", molecules)[1] == "general"
    with pytest.raises(DataError):
        starting_point("no-such-run", molecules)


def test_of_the_general_model_only_the_elements_of_the_samples_are_kept(tmp_path, monkeypatch):
    """Also in a folder where something is called like it."""
    (tmp_path / "general").mkdir()
    monkeypatch.chdir(tmp_path)
    whole, ethanol = load_model("general"), systems.ethanol(displacement=0.05)
    start, _ = starting_point("general", [Sample(ethanol)])
    assert start is not None
    assert start.elements == (1, 6, 8)
    one, other = start.predict(ethanol), whole.predict(ethanol)
    np.testing.assert_allclose(one.forces, other.forces, atol=1e-5)
    np.testing.assert_allclose(one.energy, other.energy, atol=1e-5)


def test_a_network_of_another_shape_cannot_go_on(argon, tmp_path):
    first, _ = fit(tmp_path / "first", argon, steps=2)
    other = {**NETWORK, "channels": 4}
    with (
        RunFolder.create(tmp_path / "second", "train", {}) as run,
        pytest.raises(ConfigError, match="channels = 8"),
    ):
        Trainer(argon[6:], argon[:6], network=other, options=TrainingOptions(steps=2), run=run, start=first)


def test_a_cutoff_that_does_not_fit_into_the_memory_is_refused(argon):
    crystal = [Sample(systems.copper(2)), *argon]
    check_memory(crystal, 6.0, 75, 10_000)
    with pytest.raises(ConfigError, match=r"4000 Å gives atoms about .* GiB .* are free"):
        check_memory(crystal, 4000.0, 75, 10_000)
    by_density = 4 / 3.615**3 * 4 / 3 * np.pi * 125
    assert expected_neighbors(systems.copper(2), 5.0) == pytest.approx(by_density)
    assert expected_neighbors(argon[0].system, 5.0) == 12


def test_a_training_that_gets_no_better_is_stopped(argon, tmp_path):
    """Labels at random and large steps: soon nothing but the noise of the training set is learned."""
    rng = np.random.default_rng(0)
    noise = [Sample(s.system, rng.normal(), rng.normal(size=(13, 3))) for s in argon]
    options = {"steps": 400, "patience": 3, "learning_rate": 0.05}
    _, history = fit(tmp_path / "run", noise, **options)
    assert history[-1]["step"] < 400
    _, again = fit(tmp_path / "run", noise, **options)
    assert again == history


SPREAD = """
import sys
import jax, numpy as np
jax.config.update("jax_enable_x64", True)
from adiabat.data import read_samples
from adiabat.base.runs import RunFolder
from adiabat.training import Trainer, TrainingOptions, evaluate
from adiabat.training.objective import training_step
assert jax.local_device_count() == 2
samples = read_samples(sys.argv[1])
options = TrainingOptions(minutes=None, steps=40, atoms_per_batch=26)
network = {"kind": "cartesian", "channels": 8, "n_interactions": 1, "cutoff": 6.0}
with RunFolder.create(sys.argv[2], "train", {}) as run:
    trainer = Trainer(samples[6:], samples[:6], network=network, options=options, run=run)
    bucket, numbers = trainer.train.epoch(0, 0)[0]
    assert len(numbers) == 4
    objective = trainer._objective(40)
    whole = trainer.train.for_step(bucket, numbers)
    assert whole.energy.shape == (2, 2)
    losses = []
    for data in (whole, *(trainer.train.make(bucket, numbers[k : k + 2]) for k in (0, 2))):
        inputs = (objective, trainer.potential, data, jax.numpy.float32(0))
        losses.append(float(training_step(inputs, objective.init(trainer.potential))[1]))
    np.testing.assert_allclose(losses[0], np.mean(losses[1:]), rtol=1e-5)
    potential = trainer.fit()
    print(evaluate(potential, samples[:6]).metrics["force_rmse_mev_per_ang"])
"""


def test_two_devices_share_a_step(argon, tmp_path):
    """Each takes a batch; the loss is the mean of the two, and the training learns as on one."""
    write_samples(tmp_path / "argon.xyz", argon)
    flags = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    words = [sys.executable, "-c", SPREAD, str(tmp_path / "argon.xyz"), str(tmp_path / "run")]
    done = subprocess.run(words, env=flags, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    alone = evaluate(fit(tmp_path / "one", argon, steps=40)[0], argon[:6]).metrics
    assert float(done.stdout) < 1.2 * alone["force_rmse_mev_per_ang"]


@pytest.mark.parametrize("columns", [12, 4])
def test_evaluation_in_shapes_that_are_compiled_already(argon, columns):
    """The same errors; shapes that are too small for the samples are left alone."""
    expected = evaluate(ARGON, argon[:10])
    found = evaluate(ARGON, argon[:10], compiled=[Bucket(n_atoms=16, max_neighbors=columns, batch_size=3)])
    np.testing.assert_allclose(found.energies, expected.energies, rtol=1e-12)
    np.testing.assert_allclose(np.concatenate(found.forces), np.concatenate(expected.forces), atol=1e-12)


def test_a_prediction_that_is_not_a_number_shows(argon):
    found = evaluate(LennardJones(epsilon=float("nan"), cutoff=6.0), argon[:4])
    assert np.isnan(found.metrics["energy_rmse_mev"])
    assert np.isnan(found.metrics["force_mae_mev_per_ang"])


def test_stress_is_learned_when_it_is_there(tmp_path):
    """Squeezed and stretched argon crystals; the stress error falls well below the stress itself."""
    random = np.random.default_rng(0)
    samples = []
    for _ in range(24):
        start = systems.argon(4)
        deformation = np.eye(3) + 0.03 * random.normal(size=(3, 3))
        start = start.strained(jnp.asarray(deformation - np.eye(3)))
        system = type(start).create(start.numbers, start.positions, start.cell, True)
        p = ARGON(system, neighbor_list(system, ARGON.cutoff))
        samples.append(Sample(system, float(p.energy), np.asarray(p.forces), np.asarray(p.stress)))
    potential, _ = fit(tmp_path / "run", samples, steps=250)
    found = evaluate(potential, samples)
    size = np.sqrt(np.mean([s.stress**2 for s in samples if s.stress is not None])) / 0.00624150907
    assert found.metrics["stress_rmse_gpa"] < 0.2 * size


def test_the_same_seed_gives_the_same_bits(argon, tmp_path):
    first, second = (fit(tmp_path / name, argon, steps=40)[0] for name in ("a", "b"))
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_array_equal(a, b)
    other, _ = fit(tmp_path / "c", argon, steps=40, seed=1)
    assert not np.array_equal(other.network.embedding, first.network.embedding)


def test_minutes_are_kept(argon, tmp_path):
    start = time.monotonic()
    fit(tmp_path / "run", argon, minutes=0.4, steps=None)
    assert time.monotonic() - start == pytest.approx(24, rel=0.5)  # 10 % on a quiet machine


def test_a_training_that_diverges_says_so(argon, tmp_path):
    with pytest.raises(ConvergenceError, match="diverged"):
        fit(tmp_path / "run", argon, learning_rate=1e20)


def test_options_that_make_no_sense_are_refused():
    for options in ({"minutes": None}, {"minutes": -1.0}, {"steps": 0}, {"learning_rate": 0.0}):
        with pytest.raises(ConfigError):
            TrainingOptions(**options)


def test_orthogonal_factors():
    """Singular values end between 0.6 and 1.3 (Muon's quintic does not converge to 1), the vectors stay."""
    shapes = [(3, 12, 7), (1, 20, 40), (2, 7, 12)]
    matrices = [jax.random.normal(jax.random.key(k), shape) for k, shape in enumerate(shapes)]
    vector = jnp.concatenate([jnp.ravel(part) for part in matrices])
    factors = np.asarray(orthogonal_factors_of(vector, shapes))
    # In single precision it is the kernel's work, where there is one.
    single = np.asarray(orthogonal_factors_of(vector.astype(np.float32), shapes))
    np.testing.assert_allclose(single, factors, atol=1e-5)
    parts = np.split(factors, np.cumsum([part.size for part in matrices])[:-1])
    for part, found in zip(matrices, parts, strict=True):
        for matrix, factor in zip(np.asarray(part), found.reshape(part.shape), strict=True):
            u, _, vt = np.linalg.svd(matrix, full_matrices=False)
            core = u.T @ factor @ vt.T
            assert np.all((np.diag(core) > 0.6) & (np.diag(core) < 1.3))
            np.testing.assert_allclose(core - np.diag(np.diag(core)), 0, atol=1e-5)


COMMAND = """
import sys, jax
jax.config.update("jax_enable_x64", True)
import adiabat.training.trainer as trainer
trainer.CHECKPOINT_SECONDS = 0.2  # many checkpoints, so that the kill falls between, before and into them
from adiabat.tasks.train import train
model = {"channels": 8, "n_interactions": 1, "cutoff": 6.0}
train(sys.argv[1], out=sys.argv[2], steps=300, config={"model": model}, resume=True)
"""


def _killed_trainings(tmp_path: Path, argon: list[Sample], kills: int) -> None:
    """Kills a training at random moments, resumes it, and compares it with one that nobody disturbed."""
    data = tmp_path / "argon.xyz"
    write_samples(data, argon)
    command = [sys.executable, "-c", COMMAND, str(data)]
    subprocess.run([*command, str(tmp_path / "calm")], check=True, capture_output=True)
    random = np.random.default_rng()
    hurried = [*command, str(tmp_path / "killed")]
    checkpoints = tmp_path / "killed" / "checkpoints"
    done = 0
    while done < kills:
        process = subprocess.Popen(hurried, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        before = sorted(p.name for p in checkpoints.glob("step-*.safetensors"))
        while (
            process.poll() is None
            and sorted(p.name for p in checkpoints.glob("step-*.safetensors")) == before
        ):
            time.sleep(0.02)
        time.sleep(random.uniform(0, 0.6))
        if process.poll() is not None:
            assert process.returncode == 0, process.stderr.read().decode()  # pyright: ignore
            break
        process.kill()
        process.wait()
        done += 1
    subprocess.run(hurried, check=True, capture_output=True)
    assert done > 0
    names = ("model.safetensors",)
    for name in names:
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "calm" / name).read_bytes()
    rows = [RunFolder.open(tmp_path / name).read("metrics") for name in ("calm", "killed")]
    for calm, killed in zip(*rows, strict=True):
        assert {k: v for k, v in calm.items() if k != "minutes"} == {
            k: v for k, v in killed.items() if k != "minutes"
        }
    assert load_model(tmp_path / "killed").summary["training"]["steps"] == 300


def test_three_kills_change_nothing(argon, tmp_path):
    _killed_trainings(tmp_path, argon, kills=3)


@pytest.mark.slow
def test_twenty_kills_change_nothing(argon, tmp_path):
    for number in range(5):
        folder = tmp_path / str(number)
        folder.mkdir()
        _killed_trainings(folder, argon, kills=4)
