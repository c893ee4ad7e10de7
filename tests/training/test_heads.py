"""Labels of several methods in one network, and models that do not forget."""

from dataclasses import replace

import jax
import numpy as np
import pytest

import adiabat.training.trainer as trainer_module
from adiabat.base import ConfigError, DataError, UnsupportedError
from adiabat.base.runs import RunFolder
from adiabat.data import Sample, preflight_head, write_samples
from adiabat.networks import load_model
from adiabat.system import System
from adiabat.tasks.evaluate import evaluate as evaluate_file
from adiabat.tasks.train import train
from adiabat.training import Head, Trainer, TrainingOptions, evaluate
from adiabat.training.batches import Batches, Listed, Mixed, plan_buckets
from adiabat.training.heads import by_heads

NETWORK = {"kind": "cartesian", "channels": 4, "n_interactions": 1, "cutoff": 6.0}
SHIFT = 3.0  # eV for each atom


def by_another_method(samples: list[Sample]) -> list[Sample]:
    """The same structures with forces of half as much again, and other zeros of energy."""
    return [
        replace(s, energy=1.5 * s.energy + SHIFT * s.n_atoms, forces=1.5 * s.forces, source="other")
        for s in samples
        if s.energy is not None and s.forces is not None
    ]


def with_neon(samples: list[Sample]) -> list[Sample]:
    """The same labels for clusters of which a part is neon."""
    numbers = np.where(np.arange(13) % 3, 18, 10)
    return [replace(s, system=System.create(numbers, s.system.positions)) for s in samples]


@pytest.fixture
def begin(argon, tmp_path):
    """A trainer of 24 frames of the main method and 20 of another."""

    def begin(name="run", others=None, steps=20, **options):
        head = Head("other", by_another_method(argon[30:50]), by_another_method(argon[50:]), None)
        chosen = TrainingOptions(minutes=None, steps=steps, start=options.pop("called", None))
        run = RunFolder.create(tmp_path / name, "train", {"steps": steps}, resume=True)
        given = {"network": NETWORK, "options": chosen, "run": run, "others": others or [head]}
        return run, Trainer(argon[6:30], argon[:6], **given, **options)

    return begin


def test_each_method_gets_a_potential(begin, argon):
    """They differ by what belongs to the elements, the zeros among it, and share all else."""
    run, trainer = begin(steps=150)
    with run:
        main, other = trainer.fit_heads()
    assert other.references - main.references == pytest.approx(SHIFT, abs=0.1)
    assert main.elements == other.elements == (18,)
    for name in ("embedding", "shift"):
        assert not np.array_equal(getattr(main.network, name), getattr(other.network, name))
    for one, two in zip(*(jax.tree.leaves(p.network.readout) for p in (main, other)), strict=True):
        np.testing.assert_array_equal(one, two)
    assert main.floors is not None
    assert other.floors is not None
    tests = argon[:6], by_another_method(argon[:6])
    errors = [
        [evaluate(p, samples).metrics["force_rmse_mev_per_ang"] for p in (main, other)] for samples in tests
    ]
    assert errors[0][0] < errors[0][1]
    assert errors[1][1] < errors[1][0]
    assert evaluate(other, tests[1]).metrics["energy_mae_mev_per_atom"] < 20


def test_each_head_begins_with_the_other_model(begin, argon):
    """Before the first step the network of all heads says what each of them does, in a mixed batch too."""
    run, trainer = begin("first", steps=2)
    with run:
        start = trainer.fit()
    neon = with_neon(argon[30:50])
    for sample in neon:
        assert sample.energy is not None
    run, trainer = begin("second", [Head("neon", neon, neon[:2], None)], start=start, called="first")
    with run:
        assert trainer.begun[0].elements == (18,)
        assert trainer.potential.elements == (10, 18)
        main, other = trainer.begun
        np.testing.assert_array_equal(other.network.embedding[1], start.network.embedding[0])
        bucket = trainer.train.buckets[-1]
        data = trainer.train.make(bucket, [0, 30])
        prediction = by_heads(trainer.potential, data)(data.batch, data.neighbors)
        assert list(data.heads[:2]) == [0, 1]
        for k, (begun, sample) in enumerate(((main, argon[6]), (other, neon[6]))):
            alone = begun.predict(sample.system)
            np.testing.assert_allclose(prediction.forces[13 * k : 13 * k + 13], alone.forces, atol=1e-5)
            error = float(alone.energy) - sample.energy
            assert float(prediction.energy[k] - data.energy[k]) == pytest.approx(error, abs=1e-4)


def test_other_methods_have_at_most_half_of_an_epoch(make_argon):
    """All main frames in each; of the others as many, and in turn all of them."""
    parts = [Listed(make_argon(n, atoms), 6.0) for n, atoms in ((6, 13), (20, 13), (9, 5))]
    mixed = Mixed(parts, np.zeros((3, 119)))
    batches = Batches(mixed, plan_buckets(mixed.sizes, 40))
    seen = set()
    for epoch in range(7):
        visited = [n for _, numbers in batches.epoch(1, epoch) for n in numbers]
        assert len(batches.epoch(1, epoch)) == batches.per_epoch
        assert set(range(6)) <= set(visited)
        assert len({n for n in visited if n >= 6}) == 6
        seen |= set(visited)
        assert list(batches.epoch(1, epoch)) == list(batches.epoch(1, epoch))
    assert seen == set(range(35))


def test_a_training_of_heads_goes_on_to_the_bit(begin, monkeypatch):
    run, trainer = begin("calm")
    with run:
        calm = trainer.fit_heads()
    monkeypatch.setattr(trainer_module, "CHECKPOINT_SECONDS", 0.0)
    step, calls = trainer_module.training_step, iter(range(100))

    def failing(*arguments):
        if next(calls) == 11:
            raise RuntimeError("the machine went down")
        return step(*arguments)

    monkeypatch.setattr(trainer_module, "training_step", failing)
    run, trainer = begin("broken")
    with pytest.raises(RuntimeError), run:
        trainer.fit_heads()
    monkeypatch.setattr(trainer_module, "training_step", step)
    run, trainer = begin("broken")
    with run:
        resumed = trainer.fit_heads()
    for one, two in zip(jax.tree.leaves(calm), jax.tree.leaves(resumed), strict=True):
        np.testing.assert_array_equal(one, two)


def test_other_labels_of_a_head_are_not_gone_on_with(begin, argon):
    run, trainer = begin(steps=3)
    with run:
        trainer.fit_heads()
    run, trainer = begin(others=[Head("other", argon[30:50], argon[50:], None)], steps=3)
    with pytest.raises(ConfigError, match="not those the run was begun with"), run:
        trainer.fit_heads()


@pytest.fixture(scope="module")
def files(argon, tmp_path_factory):
    """Files of two methods; the second knows neon as well."""
    folder = tmp_path_factory.mktemp("files")
    write_samples(folder / "main.xyz", argon[:30])
    write_samples(folder / "other.xyz", by_another_method([*argon[30:50], *with_neon(argon[50:])]))
    settings = {"model": NETWORK, "data": {"preflight": False}}
    train(
        folder / "main.xyz",
        heads={"lj": folder / "other.xyz"},
        out=folder / "run",
        steps=100,
        config=settings,
    )
    return folder


def test_each_head_has_a_model_file(files):
    main, other = load_model(files / "run"), load_model(files / "run" / "model-lj.safetensors")
    assert main.elements == (18,)
    assert other.elements == (10, 18)
    assert other.summary["training"]["head"] == "lj"
    assert main.summary["training"]["heads"] == {"lj": other.summary["training"]["n_structures"]}
    assert set(main.summary["errors"]) == {"valid", "valid lj"}
    found = evaluate_file(files / "run" / "model-lj.safetensors", files / "other.xyz").metrics
    assert found["force_mae_mev_per_ang"] > 0
    with pytest.raises(UnsupportedError, match="Ne"):
        evaluate_file(files / "run", files / "other.xyz")


def test_what_is_kept_is_not_forgotten(files, argon, tmp_path):
    """Trained on with labels of half the size, the head that keeps says what the old model said."""
    old = load_model(files / "run")
    halved = [replace(s, energy=0.5 * s.energy, forces=0.5 * s.forces) for s in argon[:20]]
    write_samples(tmp_path / "new.xyz", halved)
    write_samples(tmp_path / "keep.xyz", [Sample(s.system) for s in argon[20:50]])
    settings = {"data": {"preflight": False}}
    options = {"start": files / "run", "steps": 300, "config": settings}
    train(tmp_path / "new.xyz", out=tmp_path / "alone", **options)
    train(tmp_path / "new.xyz", keep=tmp_path / "keep.xyz", out=tmp_path / "run", **options)
    said = evaluate(old, argon[50:]).predicted()
    errors = [
        evaluate(load_model(tmp_path / name), said).metrics["force_rmse_mev_per_ang"]
        for name in ("alone", "run/model-kept.safetensors")
    ]
    assert errors[1] < 0.5 * errors[0]
    np.testing.assert_allclose(
        load_model(tmp_path / "run" / "model-kept.safetensors").references, old.references
    )
    assert (tmp_path / "run" / "kept.xyz").exists()
    # Over a finished run: what it made goes with it.
    train(tmp_path / "new.xyz", out=tmp_path / "run", force=True, **{**options, "steps": 2})
    assert not list((tmp_path / "run").glob("*kept*"))


def test_what_cannot_be_kept(files, tmp_path):
    keep = {"keep": files / "main.xyz", "steps": 2, "config": {"model": NETWORK}}
    for start in (None, "scratch"):
        with pytest.raises(ConfigError, match="fresh weights"):
            train(files / "main.xyz", start=start, out=tmp_path / "run", **keep)
    for name in ("kept", "a/b", ""):
        with pytest.raises(ConfigError, match="cannot be called"):
            train(files / "main.xyz", heads={name: files / "main.xyz"}, out=tmp_path / "run")
    with pytest.raises(UnsupportedError, match="Ne"):
        train(files / "main.xyz", start=files / "run", out=tmp_path / "b", keep=files / "other.xyz", steps=2)
    with pytest.raises(DataError):
        train(files / "main.xyz", heads={"a": tmp_path / "nothing.xyz"}, out=tmp_path / "c", steps=2)


def test_held_out_structures_with_other_labels_in_training_are_named(argon):
    other = by_another_method(argon)
    found = preflight_head("lj", other[:50], other[50:], argon[:3]).findings
    (leak,) = [f for f in found if f.title == "held-out structures are in head lj"]
    assert leak.level == "warning"
    assert "3 of 3" in leak.detail
    assert not any("in head" in f.title for f in preflight_head("lj", other[:50], other[50:], ()).findings)
