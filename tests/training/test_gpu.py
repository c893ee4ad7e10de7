"""Training on a GPU: it learns, repeats itself, and begins as on the CPU."""

from pathlib import Path

import jax
import numpy as np
import pytest

from adiabat.base.runs import RunFolder
from adiabat.networks import LearnedPotential
from adiabat.networks.parameters import to_arrays
from adiabat.training import Trainer, TrainingOptions, evaluate

pytestmark = pytest.mark.gpu


def fit(folder: Path, argon: list, steps: int) -> LearnedPotential:
    """Trained on fifty clusters."""
    options = TrainingOptions(steps=steps)
    network = {"kind": "cartesian", "channels": 8, "cutoff": 6.0}
    with RunFolder.create(folder, "train", {}, seed=0) as run:
        return Trainer(argon[10:], argon[:10], network=network, options=options, run=run).fit()


def test_it_learns_and_gives_the_same_weights_again(tmp_path: Path, argon: list):
    first, again = (fit(tmp_path / name, argon, 400) for name in ("first", "again"))
    for one, other in zip(to_arrays(first).values(), to_arrays(again).values(), strict=True):
        np.testing.assert_array_equal(one, other)
    error = evaluate(first, argon[:10]).metrics["force_rmse_mev_per_ang"]
    assert error < 0.2 * 1e3 * np.std([sample.forces for sample in argon[:10]])


def test_the_first_steps_are_those_of_the_cpu(tmp_path: Path, argon: list):
    """As long as rounding has not grown."""
    here = evaluate(fit(tmp_path / "here", argon, 3), argon[:10])
    with jax.default_device(jax.devices("cpu")[0]):
        there = evaluate(fit(tmp_path / "there", argon, 3), argon[:10])
    for name, value in here.metrics.items():
        np.testing.assert_allclose(value, there.metrics[name], rtol=1e-3, err_msg=name)
