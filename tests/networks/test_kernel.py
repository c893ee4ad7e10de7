"""The C++ kernel against the network it stands for."""

import contextlib
import functools
import logging
import subprocess
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adiabat.base import ConfigError, UnsupportedError, native
from adiabat.dynamics import VelocityVerlet, run_dynamics
from adiabat.networks import LearnedPotential, networks, save_model
from adiabat.networks.kernel import KernelNetwork, build
from adiabat.networks.kernel.packing import radial_table
from adiabat.potentials import ZBL, AbstractPotential
from adiabat.potentials.smoothing import polynomial_cutoff
from adiabat.system import System, batch_systems, neighbor_list
from adiabat.testing import PotentialChecks, systems

ELEMENTS = (1, 6, 8)
CUTOFF = 4.0

needs_kernel = pytest.mark.skipif(build.kernel() is None, reason="there is no C++ compiler")


def make(channels: int = 6, n_interactions: int = 2, cutoff: float = CUTOFF, **options) -> LearnedPotential:
    """A potential with random weights, every bias and shift among them."""
    network = networks.get("cartesian")(
        channels=channels,
        n_interactions=n_interactions,
        cutoff=cutoff,
        n_elements=len(ELEMENTS),
        density=6.0,
        key=jax.random.key(1),
    )
    leaves, structure = jax.tree.flatten(network)
    keys = jax.random.split(jax.random.key(2), len(leaves))
    noise = [0.1 * jax.random.normal(k, leaf.shape, leaf.dtype) for k, leaf in zip(keys, leaves, strict=True)]
    network = jax.tree.unflatten(structure, [leaf + n for leaf, n in zip(leaves, noise, strict=True)])
    return LearnedPotential(
        network=network,
        elements=ELEMENTS,
        references={1: -13.6, 6: -1028.0, 8: -2041.0},
        **({"scale": 1.0, "repulsion": ZBL(longest=cutoff)} | options),
    )


@eqx.filter_jit
def edges(system, near):
    """What a network gets: species, vectors and envelope."""
    vectors = near.vectors(system.positions, system.atom_cells()).astype(np.float32)
    distances = jnp.sqrt(jnp.sum(vectors**2, axis=-1))
    envelope = jnp.where(near.mask, polynomial_cutoff(distances, CUTOFF), 0.0).astype(np.float32)
    species = jnp.searchsorted(jnp.asarray(ELEMENTS), system.numbers)
    return species, vectors, envelope


@eqx.filter_jit
def cotangents(network, species, vectors, envelope, near):
    """Energies, and the derivatives of a weighted sum of them."""
    weights = jnp.cos(jnp.arange(3.0))[species].astype(np.float32)
    energies, back = jax.vjp(lambda v, e: network(species, v, e, near), vectors, envelope)
    return energies, *back(weights)


@eqx.filter_jit
def environments_of(potential, system, near):
    """What its network is given of a structure, and the derivatives of a weighted sum of that."""
    species = jnp.searchsorted(jnp.asarray(ELEMENTS), system.numbers)

    def of(positions, cell):
        moved = eqx.tree_at(lambda s: (s.positions, s.cell), system, (positions, cell))
        return potential.network.environments(moved, species, near, potential.repulsion, ELEMENTS)

    def weights_for(a):
        # Unused entries are not felt: what they are given does not matter.
        used = near.mask.reshape(near.mask.shape + (1,) * (a.ndim - 2)) if a.ndim > 1 else True
        return jnp.where(used, jnp.cos(jnp.arange(a.size)).reshape(a.shape), 0.0).astype(a.dtype)

    values, back = jax.vjp(of, jnp.asarray(system.positions), jnp.asarray(system.cell))
    return values, back(jax.tree.map(weights_for, values))


call = eqx.filter_jit(lambda potential, system, near: potential(system, near))


@functools.cache
def tame_kernel() -> AbstractPotential:
    """Of half the random weights, as in `test_potential.TestSingle`."""
    wild = make(channels=16)
    return jax.tree.map(lambda a: 0.5 * a if eqx.is_inexact_array(a) else a, wild).for_inference()


@needs_kernel
@pytest.mark.physics
class TestKernel(PotentialChecks):
    """The conformance kit on what users run, but for its second derivatives: the kernel has none, and
    `test_soundness` looks at the cut-off."""

    single = True

    def potential(self):
        return tame_kernel()

    def structures(self):
        return [systems.ethanol(displacement=0.05), systems.random_gas([1, 6, 8, 1], size=4.5)]

    def test_smooth_at_the_cutoff(self):
        pass


@needs_kernel
# The largest takes a minute of compilation.
@pytest.mark.parametrize(
    ("channels", "n_interactions"), [(6, 1), (16, 2), pytest.param(40, 3, marks=pytest.mark.slow)]
)
def test_it_gives_the_numbers_of_the_network(channels, n_interactions):
    """Molecules and a cell smaller than the cut-off, whose atoms see images of themselves."""
    plain = make(channels, n_interactions)
    fast = plain.for_inference()
    assert isinstance(fast.network, KernelNetwork)
    for system in (systems.ethanol(displacement=0.05), systems.random_gas([1, 6, 8, 1], size=3.5)):
        near = neighbor_list(system, CUTOFF, capacity=100)
        expected, found = call(plain, system, near), call(fast, system, near)
        size = np.abs(expected.forces).max()
        np.testing.assert_allclose(found.atom_energies, expected.atom_energies, atol=3e-6 * size)
        np.testing.assert_allclose(found.forces, expected.forces, atol=3e-5 * size)
        if expected.stress is not None:
            np.testing.assert_allclose(
                found.stress, expected.stress, atol=3e-5 * np.abs(expected.stress).max()
            )


@needs_kernel
def test_many_atoms_in_any_order():
    """They are worked on in another order than they come in."""
    plain = make()
    system = systems.random_gas([1, 6, 8] * 200, size=22.0)
    near = neighbor_list(system, CUTOFF)
    expected, found = call(plain, system, near), call(plain.for_inference(), system, near)
    size = np.abs(expected.forces).max()
    np.testing.assert_allclose(found.atom_energies, expected.atom_energies, atol=3e-6 * size)
    np.testing.assert_allclose(found.forces, expected.forces, atol=3e-5 * size)
    order = np.random.default_rng(0).permutation(system.n_atoms)
    shuffled = System.from_ase(system.to_ase()[order])
    again = call(plain.for_inference(), shuffled, neighbor_list(shuffled, CUTOFF))
    np.testing.assert_allclose(again.forces, found.forces[order], atol=3e-6 * size)


@needs_kernel
@pytest.mark.parametrize("repulsion", [ZBL(longest=CUTOFF), None])
def test_environments_are_those_of_the_formulas(repulsion):
    """Edges, shares and repulsion, and their derivatives by positions and cell, also where atoms touch."""
    plain = make(repulsion=repulsion)
    squeezed = systems.ethanol(displacement=0.05)
    squeezed = squeezed.moved(0.55 * np.asarray(squeezed.positions))
    for system in (squeezed, systems.random_gas([1, 6, 8, 1], size=3.5)):
        near = neighbor_list(system, CUTOFF, capacity=100)
        expected, found = (environments_of(p, system, near) for p in (plain, plain.for_inference()))
        touches = repulsion is not None and system is squeezed
        assert (np.max(expected[0].repelled) > 1.0) == touches
        for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-6, atol=1e-5 * np.abs(b).max())


@needs_kernel
def test_all_derivatives_by_the_edges():
    """Of every edge by itself, also where its envelope is not that of its reverse."""
    system = systems.ethanol(displacement=0.05)
    near = neighbor_list(system, CUTOFF)
    species, vectors, envelope = edges(system, near)
    envelope = envelope * np.random.default_rng(0).uniform(0.5, 1.0, envelope.shape).astype(np.float32)
    plain = make()
    expected = cotangents(plain.network, species, vectors, envelope, near)
    found = cotangents(plain.for_inference().network, species, vectors, envelope, near)
    felt = np.asarray(envelope) > 0
    for a, b in zip(found, expected, strict=True):
        a, b = (np.asarray(x)[felt] if x.ndim > 1 else np.asarray(x) for x in (a, b))
        np.testing.assert_allclose(a, b, atol=3e-5 * np.abs(b).max())


@needs_kernel
@pytest.mark.parametrize(
    ("channels", "n_interactions"),
    [(6, 2), pytest.param(16, 1, marks=pytest.mark.slow), pytest.param(40, 3, marks=pytest.mark.slow)],
)
def test_the_derivative_by_the_weights(channels, n_interactions):
    """Of energies, forces and stresses together, as a loss asks for it: one sweep of the kernel in dual
    numbers against XLA's reverse over reverse; molecules, padding, and a cell smaller than the cut-off."""
    # Half of the random weights: three rounds of all of them reach 1e18 in a crowded cell.
    wild = make(channels, n_interactions)
    plain = jax.tree.map(lambda x: 0.5 * x if eqx.is_inexact_array(x) else x, wild)
    members = [systems.ethanol(displacement=0.05, seed=k) for k in range(3)]
    members.append(systems.random_gas([1, 6, 8, 1], size=3.5))
    lists = [neighbor_list(system, CUTOFF) for system in members]
    widest = max(near.max_neighbors for near in lists) + 3
    batch, near = batch_systems(members, lists, n_atoms=34, n_systems=5, max_neighbors=widest)
    rng = np.random.default_rng(0)
    by_energy, by_force, by_stress = (rng.normal(size=shape) for shape in ((5,), (34, 3), (5, 3, 3)))

    @eqx.filter_jit
    @eqx.filter_grad
    def slope(network, prepared):
        potential = eqx.tree_at(lambda p: p.network, plain, network)
        found = (potential.for_training() if prepared else potential)(batch, near, stress=True)
        weighted = jnp.sum(by_energy * found.energy) + jnp.sum(by_stress * found.stress)
        return weighted + jnp.sum(by_force * found.forces * batch.mask[:, None])

    expected, found = slope(plain.network, prepared=False), slope(plain.network, prepared=True)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3 * np.abs(b).max())
    a, b = (np.concatenate([np.ravel(x) for x in jax.tree.leaves(tree)]) for tree in (found, expected))
    assert np.linalg.norm(a - b) < 1e-4 * np.linalg.norm(b)


@needs_kernel
def test_an_atom_does_not_feel_who_else_is_in_the_batch():
    """To the bit: alone on one thread, and at another place of a batch that is spread over several."""
    members = [systems.ethanol(displacement=0.05, seed=k) for k in range(12)] + [systems.water(8)]
    lists = [neighbor_list(system, CUTOFF) for system in members]
    widest = max(near.max_neighbors for near in lists) + 5
    total = sum(system.n_atoms for system in members)
    batch, joined = batch_systems(
        members, lists, n_atoms=total + 7, n_systems=len(members) + 1, max_neighbors=widest
    )
    network = make(channels=20).for_inference().network
    species, vectors, envelope = edges(batch, joined)
    together = cotangents(network, species, vectors, envelope, joined)
    assert all(np.isfinite(x).all() for x in together)
    start = 0
    for near in lists:
        rows = slice(start, start + len(near.index))
        own = [np.asarray(x)[rows, : near.max_neighbors] for x in (vectors, envelope)]
        alone = cotangents(network, species[rows], *own, near)
        np.testing.assert_array_equal(alone[0], together[0][rows])
        for one, all_ in zip(alone[1:], together[1:], strict=True):
            np.testing.assert_array_equal(one, np.asarray(all_)[rows, : near.max_neighbors])
        start = rows.stop


@needs_kernel
def test_the_number_of_threads_does_not_matter():
    """The same bits in a process that may use one processor only."""
    program = (
        "import os, sys\n"
        "if sys.argv[1] == 'one': os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "import jax; jax.config.update('jax_enable_x64', True)\n"
        "from tests.networks.test_kernel import bits; print(bits())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program, which],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for which in ("one", "all")
    }
    assert len(found) == 1


def bits() -> str:
    """Of the derivatives in a box of water."""
    from adiabat.base.digest import digest

    system = systems.water(64)
    near = neighbor_list(system, CUTOFF)
    species, vectors, envelope = edges(system, near)
    potential = make()
    found = cotangents(potential.for_inference().network, species, vectors, envelope, near)

    @jax.jit
    @jax.grad
    def slope(weights):
        network = eqx.tree_at(lambda n: n.readout.layers[0].weight, potential.network, weights)
        trained = eqx.tree_at(lambda p: p.network, potential, network).for_training()
        return jnp.sum(trained(system, near, stress=False).forces ** 2)

    by_weights = slope(potential.network.readout.layers[0].weight)
    return digest(*map(np.asarray, (*found, by_weights)))


@needs_kernel
def test_forces_are_the_slope_of_the_energy():
    """Across many knots of the tables, in single precision: steps far longer than its rounding."""
    fast = make(channels=16).for_inference()

    def curve(r):
        system = System.create([8, 1, 1], [[0.0, 0, 0], [r, 0, 0], [-0.3, 0.9, 0]])
        found = call(fast, system, neighbor_list(system, 6.0))
        return float(found.energy), float(found.forces[1, 0])

    h = 0.002
    for r in np.linspace(1.7, 3.9, 13):  # nearer, random weights make steeper curves than the step resolves
        points = [curve(r + step * h)[0] for step in (-2, -1, 1, 2)]
        slope = np.dot([1, -8, 8, -1], points) / (12 * h)
        assert slope == pytest.approx(-curve(r)[1], abs=0.1 + 1e-3 * abs(slope))


def test_the_tables_are_smooth_and_exact():
    """Values between the knots in double precision, down to distances that no two atoms have."""
    radial = make(channels=6).network.interactions[1].radial
    knots = 1024
    with jax.enable_x64(True):
        double = jax.tree.map(lambda a: np.asarray(a, np.float64) if eqx.is_array(a) else a, radial)
        table = np.asarray(radial_table(double, knots))
    distances = np.linspace(0.01, CUTOFF, 1000)
    place = distances / CUTOFF * knots
    k = np.minimum(place.astype(int), knots - 1)
    t = (place - k)[:, None, None]
    weights = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    found = sum(w / 6 * table[k + row] for row, w in enumerate(weights))
    with jax.enable_x64(True):
        exact = np.stack(radial(jnp.asarray(distances), jnp.ones(len(distances))), axis=1)
    np.testing.assert_allclose(found, exact, atol=1e-7 * np.abs(exact).max())


@needs_kernel
def test_atoms_without_neighbors_and_atoms_that_touch():
    plain = make()
    fast = plain.for_inference()
    for system in (
        System.create([8], [[0.0, 0, 0]]),
        System.create([8, 1, 6], [[0.0, 0, 0], [9.0, 0, 0], [0, 9.0, 0]]),
        System.create([8, 8, 1], [[0.0, 0, 0], [0.3, 0, 0], [0.2, 1.2, 0]]),
    ):
        near = neighbor_list(system, CUTOFF)
        expected, found = call(plain, system, near), call(fast, system, near)
        np.testing.assert_allclose(found.energy, expected.energy, rtol=1e-8)
        np.testing.assert_allclose(found.forces, expected.forces, rtol=1e-5, atol=1e-4)


@needs_kernel
def test_without_a_repulsion_short_distances_are_felt():
    plain = make(repulsion=None)
    system = System.create([8, 8], [[0.0, 0, 0], [0.15, 0, 0]])
    near = neighbor_list(system, CUTOFF)
    expected, found = call(plain, system, near), call(plain.for_inference(), system, near)
    size = np.abs(expected.forces).max()
    np.testing.assert_allclose(found.forces, expected.forces, atol=1e-4 * size)


@needs_kernel
def test_a_coordinate_that_is_not_a_number_shows():
    fast = make(repulsion=None).for_inference()
    system = systems.ethanol()
    near = neighbor_list(system, CUTOFF)
    broken = eqx.tree_at(
        lambda s: s.positions, system, np.where(np.arange(27).reshape(9, 3) == 4, np.nan, system.positions)
    )
    assert not np.isfinite(call(fast, broken, near).energy)


@needs_kernel
def test_what_it_cannot_do_is_refused(tmp_path):
    """No second derivatives, no file; silence would be zeros."""
    fast = make().for_inference()
    system = systems.water()
    near = neighbor_list(system, CUTOFF)

    def energy(positions):
        return fast.energy(eqx.tree_at(lambda s: s.positions, system, positions), near)

    with pytest.raises(UnsupportedError, match="second"):
        jax.grad(lambda x: jnp.sum(jax.grad(energy)(x) ** 2))(jnp.asarray(system.positions))
    with pytest.raises(UnsupportedError, match="stored"):
        save_model(tmp_path / "model.safetensors", fast)


@needs_kernel
def test_double_precision_and_other_potentials_stay_as_they_are():
    double = jax.tree.map(lambda a: a.astype(np.float64) if eqx.is_inexact_array(a) else a, make())
    assert double.for_inference() is double
    repulsion = ZBL()
    assert repulsion.for_inference() is repulsion
    summed = (make() + repulsion).for_inference()
    assert isinstance(summed.terms[0].network, KernelNetwork)


@needs_kernel
def test_a_run_is_not_resumed_with_other_rounding(tmp_path, monkeypatch):
    run = {"steps": 3, "folder": tmp_path}
    arguments = (systems.water(), make(scale=1e-3), VelocityVerlet(timestep=0.1, temperature=100))
    run_dynamics(*arguments, **run)
    monkeypatch.setattr(LearnedPotential, "for_inference", lambda self: self)
    with pytest.raises(ConfigError, match="XLA"):
        run_dynamics(*arguments, **run, resume=True)


@contextlib.contextmanager
def heard(caplog):
    """The command line, when it ran before in this process, keeps what adiabat logs to itself."""
    logger = logging.getLogger("adiabat")
    before = logger.propagate
    logger.propagate = True
    try:
        with caplog.at_level("INFO", logger="adiabat"):
            yield
    finally:
        logger.propagate = before


def test_without_a_compiler_the_network_stays(monkeypatch, caplog):
    monkeypatch.setattr(native.shutil, "which", lambda _: None)
    build._kernel.cache_clear()
    try:
        with heard(caplog):
            potential = make()
            assert potential.for_inference() is potential
            assert potential.for_inference() is potential
        # One record may reach the fixture's handler by two loggers.
        told = {id(record) for record in caplog.records if "no C++ compiler" in record.getMessage()}
        assert len(told) == 1
    finally:
        build._kernel.cache_clear()


@needs_kernel
def test_a_damaged_library_is_made_again(tmp_path, monkeypatch):
    """Before it is loaded: a library cut short ends the process with a bus error."""
    monkeypatch.setattr(build, "FLAGS", (*build.FLAGS, "-O0"))  # to be quick
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "first"))
    whole, key = build._library()
    content = whole.read_bytes()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = native.compiled_folder(jax.__version__)
    assert folder is not None
    (folder / whole.name).write_bytes(content[: len(content) // 2])
    made, _ = build._library()
    assert made.stem == f"kernel-{key}-{native._hash(made)}"
    assert [path.name for path in folder.iterdir()] == [made.name]


def test_a_compiler_that_fails_is_survived(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(build, "FLAGS", (*build.FLAGS, "-no-such-option"))
    build._kernel.cache_clear()
    try:
        with heard(caplog):
            assert build.kernel() is None
        assert "failed" in caplog.text or "no C++ compiler" in caplog.text
    finally:
        build._kernel.cache_clear()
