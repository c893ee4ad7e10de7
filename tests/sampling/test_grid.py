"""Hills on a grid: the same bias as their sum, inside the limits and outside, alone and under walkers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.sampling.test_biases import HILLS, LANGEVIN, THERMAL, X, together, walk

from adiabat.base import ConfigError
from adiabat.io.plumed import read_plumed
from adiabat.sampling import Biased, HillsFiles, Metadynamics, Torsion
from adiabat.testing.free_energies import Coordinate

Y = Coordinate(axis=1, name="y")
GRID = Metadynamics(variables=[X], widths=[0.1], height=THERMAL, bias_factor=8, every=2, limits=[[-1.6, 1.6]])


@pytest.mark.parametrize(
    ("variables", "widths", "limits"),
    [
        ([X], [0.1], [[-1.0, 1.2]]),
        ([X, Y], [0.1, 0.2], [[-1.0, 1.2], [-0.8, 1.0]]),
        ([Torsion(atoms=[0, 1, 2, 3]), Y], [0.3, 0.2], [[-1.0, 1.0], [-0.8, 1.0]]),
    ],
    ids=["x", "x and y", "a torsion and y"],
)
def test_the_grid_is_the_sum(variables, widths, limits):
    """To 1e-5 of the highest bias, and its slope to 3e-4, also near hills beyond the limits; outside of them
    it is the sum."""
    bias = Metadynamics(variables=variables, widths=widths, height=THERMAL, limits=limits, every=1)
    plain = Metadynamics(variables=variables, widths=widths, height=THERMAL, every=1)
    random = np.random.default_rng(0)
    low, high = np.array([(axis.low, axis.low + axis.spacing * axis.intervals) for axis in bias.axes]).T
    centers = random.uniform(low - 0.1, high + 0.1, (200, len(low)))
    visit = jax.jit(lambda memory, values: bias.visited(values, memory, jnp.asarray(THERMAL), 0))
    memory = bias.begin(jnp.asarray(THERMAL))
    for part in np.split(centers, 4):
        memory = visit(memory, part)

    def at(which):
        slopes = jax.value_and_grad(lambda x, m: which.energy(x, m, THERMAL))
        return jax.jit(jax.vmap(slopes, (0, None)))

    places = random.uniform(low, high, (1000, len(low)))
    (found, slope), (expected, right) = at(bias)(places, memory), at(plain)(places, memory)
    assert np.abs(found - expected).max() < 1e-5 * expected.max()
    assert np.abs(slope - right).max() < 3e-4 * np.abs(right).max()
    outside = places.copy()
    outside[:, -1] = high[-1] + 0.3 * (places[:, -1] - low[-1])
    assert np.array_equal(at(bias)(outside, memory)[0], at(plain)(outside, memory)[0])


def test_a_run_on_the_grid():
    """Goes where the run on the sum goes; the bias is that of the hills, to rounding where it was felt."""
    on_grid, summed = walk(GRID, steps=300), walk(HILLS, steps=300)
    np.testing.assert_allclose(on_grid.trajectory.positions, summed.trajectory.positions, atol=2e-4)
    for name in ("bias", "work"):
        one, other = (run.trajectory.observables[name] for run in (on_grid, summed))
        np.testing.assert_allclose(one, other, atol=2e-4 * np.ptp(other))


def test_interrupted_and_resumed(tmp_path):
    """The same bits as in one go, and the same file of hills."""
    biased, states = Biased(integrator=LANGEVIN, bias=GRID), {}
    for name, stops in (("whole", [200]), ("parts", [30, 131, 200])):
        for steps in stops:
            hills = HillsFiles(tmp_path / name, biased)
            options = {"folder": tmp_path / name, "resume": True, "on_chunk": hills.update}
            states[name] = walk(GRID, steps=steps, record_every=3, **options).state
    for name, values in states["whole"].extra.items():
        assert np.array_equal(values, states["parts"].extra[name]), name
    assert np.array_equal(states["whole"].momenta, states["parts"].momenta)
    tables = [(tmp_path / name / "HILLS").read_text() for name in states]
    assert tables[0] == tables[1]
    assert len(read_plumed(tmp_path / "whole" / "HILLS")) == 100


@pytest.mark.physics
@pytest.mark.parametrize("shared", [True, False])
def test_walkers(shared):
    options = {"variables": [X], "widths": [0.1], "every": 5, "shared": shared}
    runs, memories = together(Metadynamics(**options, limits=[[-1.6, 1.6]]), (0, 1, 2))
    plain, known = together(Metadynamics(**options), (0, 1, 2))
    for one, other in zip(runs, plain, strict=True):
        np.testing.assert_allclose(one.trajectory.positions, other.trajectory.positions, atol=2e-4)
    np.testing.assert_allclose(memories[2]["heights"], known[2]["heights"], rtol=1e-3, atol=1e-9)


def test_limits_that_make_no_sense_are_refused():
    for limits, match in (
        ([], "for each of 1 variables"),
        ([[1.0]], "a lower and an upper one"),
        ([[1.0, -1.0]], "a lower and an upper one"),
        ([[-1e6, 1e6]], "too large"),
    ):
        with pytest.raises(ConfigError, match=match):
            Metadynamics(variables=[X], widths=[0.1], limits=limits)
