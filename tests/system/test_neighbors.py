"""The neighbor list against every pair, and the gather whose derivative is a gather."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adiabat.base import DataError
from adiabat.system import System, batch_systems, cell_list, gather, neighbor_list, neighbors
from adiabat.system.cell_list import has_one_image, table_by_cells
from adiabat.system.device_neighbors import device_neighbor_list, is_for_device
from adiabat.system.neighbors import _sorted, _table, filled_cell, pairs_within
from adiabat.system.order import working_order


def test_a_flat_structure_that_is_far_too_large_is_refused():
    """The grid of vesin would have no cell along its shortest vector, and end the process."""
    positions = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 3.0]])
    for cell, seen in (([10, 10, 1e7], False), ([4, 1e5, 1e5], False), ([1e7, 1e7, 1e7], True)):
        if seen:
            assert len(pairs_within(positions, np.diag(cell), (True,) * 3, 3.0)[0]) == 1
            continue
        with pytest.raises(DataError, match="too far, for so flat a one"):
            pairs_within(positions, np.diag(cell), (True,) * 3, 3.0)


def test_a_dense_slab_behind_a_thin_gas():
    """The atoms that come first, from which the memory is guessed, say nothing of the rest."""
    random = np.random.default_rng(0)
    gas = random.uniform(0, 1, (300, 3)) * [30, 30, 150] + [0, 0, 40]
    grid = np.stack(np.meshgrid(*[np.arange(0, 30, 2.0)] * 2, np.arange(0, 36, 2.0), indexing="ij"), axis=-1)
    slab = grid.reshape(-1, 3) + random.normal(scale=0.1, size=(grid.size // 3, 3))
    positions, cell = np.concatenate([gas, slab]), np.diag([30.0, 30.0, 200.0])
    system = System.create(np.full(len(positions), 18), positions, cell=cell, pbc=True)
    found = neighbor_list(system, 6.0)
    assert np.sum(found.mask) == 2 * len(pairs_within(positions, cell, (True,) * 3, 6.0)[0])
    assert np.sum(found.mask[:256]) < 0.02 * np.sum(found.mask)


needs_compiler = pytest.mark.skipif(cell_list._library() is None, reason="there is no C++ compiler")


def brute_force(system: System, cutoff: float) -> set[tuple[int, int, int, int, int]]:
    """Every (i, j, shift) nearer than the cut-off, by trying all images that could be."""
    cell, pbc = np.asarray(system.cell), np.asarray(system.pbc)
    positions = np.asarray(system.positions)
    reach = cutoff + np.ptp(positions, axis=0).max() * np.sqrt(3)
    ranges = [range(1)] * 3
    if pbc.any():
        dual = np.linalg.pinv(np.where(pbc[:, None], cell, 0.0))
        ranges = [
            range(-n, n + 1)
            for n in np.where(pbc, np.ceil(reach * np.linalg.norm(dual, axis=0)), 0).astype(int)
        ]
    found = set()
    for shift in itertools.product(*ranges):
        moved = positions + np.asarray(shift) @ cell
        distance = np.linalg.norm(moved[None] - positions[:, None], axis=-1)
        for i, j in np.argwhere(distance < cutoff):
            if i != j or any(shift):
                found.add((int(i), int(j), *shift))
    return found


def as_edges(neighbors) -> list[tuple[int, int, int, int, int]]:
    i, k = np.nonzero(neighbors.mask)
    return [
        (int(a), int(neighbors.index[a, b]), *(int(s) for s in neighbors.shift[a, b]))
        for a, b in zip(i, k, strict=True)
    ]


@pytest.mark.device
@settings(max_examples=8)  # each number of atoms is compiled
@pytest.mark.parametrize("size", [12.0, 24.0], ids=["of all pairs", "by cells"])
@given(st.integers(0, 2**31), st.integers(2, 40), st.floats(0.0, 0.4))
def test_the_list_of_a_device_is_the_same_table(size: float, seed: int, n_atoms: int, skew: float):
    random = np.random.default_rng(seed)
    n_atoms *= round(size / 12.0) ** 3
    cell = size * (np.diag(random.uniform(0.9, 1.5, 3)) + skew * np.tril(random.uniform(-1, 1, (3, 3)), -1))
    positions = random.uniform(-3, 3, (n_atoms, 3)) @ cell  # atoms outside the cell
    system = System.create(np.full(n_atoms, 18), positions, cell=cell, pbc=True)
    here = neighbor_list(system, 3.5, skin=0.5)
    assert has_one_image(cell, 4.0)
    there = device_neighbor_list(system, 3.5, skin=0.5)
    for name in ("index", "shift", "mask", "reverse", "overflow", "reference_positions", "reference_cell"):
        np.testing.assert_array_equal(getattr(here, name), getattr(there, name), err_msg=name)
    wide = device_neighbor_list(system, 3.5, skin=0.5, columns=48)
    np.testing.assert_array_equal(here.widened(48).reverse, wide.reverse)
    np.testing.assert_array_equal(here.widened(48).index, wide.index)


def test_what_the_list_of_a_device_refuses():
    """Two images of an atom within reach, and what the other list refuses."""
    assert not has_one_image(np.diag([9.0, 9.0, 7.9]), 4.0)
    assert not has_one_image(np.array([[9.0, 0, 0], [8.0, 7.0, 0], [0, 0, 9.0]]), 4.0)
    twice = System.create([18, 18], [[0, 0, 0], [9.0, 0, 1e-4]], cell=np.eye(3) * 9.0, pbc=True)
    assert device_neighbor_list(twice, 4.0) is None
    assert not is_for_device(System.create([18], [[0, 0, 0]], cell=np.eye(3) * 9.0, pbc=True), 4.0)  # a CPU


@needs_compiler
@settings(max_examples=30)
@given(
    st.integers(0, 2**31),
    st.integers(1, 1500),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
    st.floats(2.0, 7.0),
    st.sampled_from(["inside", "outside", "in a plane", "in two far places"]),
    st.sampled_from([0, 200]),
    st.integers(1, 5),
)
def test_a_list_by_cells_is_the_same_table(seed, n_atoms, pbc, radius, where, columns, threads):
    random = np.random.default_rng(seed)
    cell = np.diag(random.uniform(20, 50, 3)) + np.tril(random.uniform(-8, 8, (3, 3)), -1)
    spread = (-2, 3) if where == "outside" else (0, 1)
    positions = random.uniform(*spread, (n_atoms, 3)) @ cell
    if where == "in a plane":
        positions[:, 2] = 1.0
    if where == "in two far places" and not any(pbc):
        positions[::2] += 1e5
    box = filled_cell(cell, pbc)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cell_list, "_MANY_ATOMS", 0)
        patch.setattr(cell_list, "usable_threads", lambda: threads)
        found = table_by_cells(positions, box, pbc, radius, columns)
    assert (found is None) == (not has_one_image(box, radius, pbc))
    if found is not None:
        expected, _ = _table(positions, cell, pbc, radius, columns=columns)
        for name, here, there in zip(found._fields, found, expected, strict=True):
            np.testing.assert_array_equal(here, there, err_msg=name)


@needs_compiler
def test_a_large_list_refuses_as_a_small_one(monkeypatch):
    positions = 3.0 * np.stack(np.meshgrid(*[np.arange(10.0)] * 3), axis=-1).reshape(-1, 3)
    positions[7] = positions[500] + 1e-5
    with pytest.raises(DataError, match="at the same place"):
        neighbor_list(System.create(np.full(1000, 18), positions), 4.0)
    positions[7] = -9.0
    for module in (cell_list, neighbors):
        monkeypatch.setattr(module, "MAX_NEIGHBORS", 20)
    neighbor_list(System.create(np.full(1000, 18), positions), 5.0)  # 18 neighbors
    with pytest.raises(DataError, match="far too dense"):
        neighbor_list(System.create(np.full(1000, 18), positions), 5.5)  # 26


@given(st.integers(0, 2**31), st.integers(1, 1500), st.booleans())
def test_atoms_are_worked_on_near_each_other(seed, n_atoms, periodic):
    """Each once; of many, one is much nearer to the next than two are at random."""
    random = np.random.default_rng(seed)
    cell = np.diag([30.0, 30.0, 30.0])
    positions = random.uniform(-1, 2, (n_atoms, 3)) @ cell
    pbc = (periodic,) * 3
    order = working_order(positions, cell, pbc)
    assert np.array_equal(np.sort(order), np.arange(n_atoms))
    system = System.create(np.full(n_atoms, 18), positions, cell=cell, pbc=pbc)
    near = neighbor_list(system, 3.0)
    assert np.array_equal(near.order, order)
    sizes = {"n_atoms": 2 * n_atoms + 1, "n_systems": 2, "max_neighbors": near.max_neighbors}
    _, joined = batch_systems([system, system], [near, near], **sizes)
    assert np.array_equal(joined.order, [*order, *(order + n_atoms), 2 * n_atoms])
    if n_atoms > 1000:
        edge = 30.0 if periodic else 90.0
        inside = positions % 30.0 if periodic else positions
        steps = np.linalg.norm(np.diff(inside[order], axis=0), axis=1)
        assert np.mean(steps) < 0.3 * 0.66 * edge  # two at random are 0.66 edges apart


@st.composite
def structures(draw):
    seed = draw(st.integers(0, 2**31))
    random = np.random.default_rng(seed)
    n_atoms = draw(st.integers(1, 7))
    pbc = draw(st.tuples(st.booleans(), st.booleans(), st.booleans()))
    size = draw(st.floats(1.6, 7.0))
    skew = draw(st.floats(0.0, 1.2))
    cell = size * (np.diag(random.uniform(0.7, 1.5, 3)) + skew * np.tril(random.uniform(-1, 1, (3, 3)), -1))
    rotation = np.linalg.qr(random.normal(size=(3, 3)))[0]
    spread = draw(st.sampled_from([1.0, 3.0]))  # 3: atoms outside the cell
    positions = random.uniform(-spread, spread, (n_atoms, 3)) @ cell
    return System.create(np.full(n_atoms, 18), positions @ rotation, cell=cell @ rotation, pbc=pbc)


@given(structures(), st.floats(0.8, 4.0))
def test_list_is_every_pair(system, cutoff):
    expected = brute_force(system, cutoff)
    try:
        neighbors = neighbor_list(system, cutoff)
    except DataError:
        # Only for atoms at one place, which random positions hardly make.
        assert brute_force(system, 1e-3)
        return
    edges = as_edges(neighbors)
    assert len(edges) == len(set(edges))
    assert set(edges) == expected
    assert not neighbors.overflow


@given(structures(), st.floats(0.8, 4.0))
def test_reverse_is_an_involution_that_turns_edges_around(system, cutoff):
    neighbors = neighbor_list(system, cutoff)
    reverse = np.asarray(neighbors.reverse).ravel()
    assert np.array_equal(np.sort(reverse), np.arange(reverse.size))
    assert np.array_equal(reverse[reverse], np.arange(reverse.size))
    mask = np.asarray(neighbors.mask)
    vectors = np.asarray(neighbors.vectors(jnp.asarray(system.positions), system.atom_cells()))
    back = vectors.reshape(-1, 3)[reverse].reshape(vectors.shape)
    np.testing.assert_allclose(back[mask], -vectors[mask], atol=1e-12)
    assert np.all(np.linalg.norm(vectors[mask], axis=1) < cutoff)
    assert np.all(np.linalg.norm(vectors[~mask], axis=1) > cutoff)


def test_skin_holds_every_pair_until_half_of_it():
    random = np.random.default_rng(3)
    cell = np.diag([9.0, 8.0, 7.5])
    start = System.create(np.full(30, 18), random.uniform(0, 1, (30, 3)) @ cell, cell=cell, pbc=True)
    near = neighbor_list(start, 3.0, skin=0.6)
    step = random.normal(size=(30, 3))
    step *= 0.299 / np.linalg.norm(step, axis=1)[:, None]
    moved = System.create(start.numbers, start.positions + step, cell=cell, pbc=True)
    assert near.is_complete(moved, 3.0)
    assert brute_force(moved, 3.0) <= set(as_edges(near))
    far = start.moved(jnp.asarray(start.positions).at[4, 0].add(0.301))
    assert not near.is_complete(far, 3.0)


@given(st.integers(0, 2**31))
def test_complete_after_a_strain(seed):
    """Whenever a strained list is called complete, it is."""
    random = np.random.default_rng(seed)
    cell = np.diag(random.uniform(4, 6, 3)) + random.uniform(-1, 1, (3, 3))
    start = System.create(np.full(8, 18), random.uniform(0, 1, (8, 3)) @ cell, cell=cell, pbc=True)
    near = neighbor_list(start, 3.0, skin=1.0)
    strained = start.strained(jnp.asarray(random.normal(scale=0.05, size=(3, 3))))
    positions = strained.positions + random.uniform(-0.1, 0.1, (8, 3))
    after = System.create(start.numbers, positions, cell=strained.cell, pbc=True)
    if near.is_complete(after, 3.0, same_cell=False):
        assert brute_force(after, 3.0) <= set(as_edges(near))


@pytest.mark.parametrize("limit", [7, 1 << 16, 100_000, 1 << 20])
def test_the_order_of_many_atoms_is_a_stable_one(limit):
    """Structures of more than 65,536 atoms are too large for the other tests."""
    numbers = np.random.default_rng(0).integers(0, limit, 20_000).astype(np.uint32)
    np.testing.assert_array_equal(_sorted(numbers, limit), np.argsort(numbers, kind="stable"))


def test_overflow_drops_edges_in_pairs_and_says_so():
    positions = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]])
    near = neighbor_list(System.create(np.full(5, 18), positions), 3.0, capacity=2)
    assert near.overflow
    assert near.index.shape == (5, 2)
    edges = set(as_edges(near))
    assert edges == {(j, i, *s) for i, j, *s in edges}


def test_widened_table_is_the_same_list():
    random = np.random.default_rng(0)
    system = System.create(np.full(9, 18), random.uniform(0, 4, (9, 3)), cell=np.eye(3) * 4, pbc=True)
    near = neighbor_list(system, 2.5)
    wide = near.widened(near.max_neighbors + 8)
    assert as_edges(wide) == as_edges(near)
    flat = np.asarray(wide.reverse).ravel()
    assert np.array_equal(flat[flat], np.arange(flat.size))
    values = random.normal(size=(9, 2))

    def energy(list_, v):
        return jnp.sum(jnp.where(list_.mask[..., None], gather(v, list_.index, list_.reverse), 0) ** 3)

    np.testing.assert_allclose(
        jax.grad(energy, 1)(wide, values), jax.grad(energy, 1)(near, values), rtol=1e-12
    )


@pytest.mark.parametrize("pbc", [False, True])
def test_atoms_at_one_place(pbc):
    system = System.create([18, 18], [[0.0, 0, 0], [0, 0, 10.0 if pbc else 0]], cell=np.eye(3) * 10, pbc=pbc)
    with pytest.raises(DataError, match="same place"):
        neighbor_list(system, 3.0)


def test_far_too_dense():
    system = System.create(
        np.full(10, 1), np.random.default_rng(0).uniform(0, 0.5, (10, 3)), np.eye(3) * 0.5, True
    )
    with pytest.raises(DataError, match="too dense"):
        neighbor_list(system, 5.0)


@pytest.mark.parametrize("cutoff", [1.0, 1.2, 1.6, 1000.0])
def test_a_molecule_smaller_than_the_cutoff(cutoff):
    """It has all its pairs, and is not looked for in cells of its own size: that took a minute."""
    water = System.create([8, 1, 1], [[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    found = as_edges(neighbor_list(water, cutoff))
    assert set(found) == brute_force(water, cutoff)
    assert len(found) == {1.0: 4, 1.2: 4, 1.6: 6, 1000.0: 6}[cutoff]
    assert found == sorted(found)


def test_lone_atom_has_an_empty_table():
    near = neighbor_list(System.create([18], [[0.0, 0, 0]]), 5.0)
    assert not near.mask.any()
    assert near.index.shape == (1, 4)


@settings(max_examples=8)  # each of another shape, and compiled
@given(st.integers(0, 2**31), st.booleans())
def test_derivatives_of_gather(seed, periodic):
    """First and second derivatives are those of plain indexing."""
    random = np.random.default_rng(seed)
    n_atoms = int(random.integers(2, 8))
    system = System.create(np.full(n_atoms, 18), random.uniform(0, 3, (n_atoms, 3)), np.eye(3) * 3, periodic)
    near = jax.tree.map(jnp.asarray, neighbor_list(system, 2.5))
    weights = jnp.asarray(random.normal(size=(*near.index.shape, 3)))
    values = jnp.asarray(random.normal(size=(n_atoms, 3)))
    direction = jnp.asarray(random.normal(size=(n_atoms, 3)))

    def sum_of(get):
        return lambda v: jnp.sum(jnp.where(near.mask[..., None], jnp.sin(get(v) * weights) * v[:, None], 0))

    ours, plain = (
        jax.grad(sum_of(g)) for g in (lambda v: gather(v, near.index, near.reverse), lambda v: v[near.index])
    )
    np.testing.assert_allclose(ours(values), plain(values), atol=1e-12)
    second = [jax.grad(lambda v, g=g: jnp.sum(g(v) * direction))(values) for g in (ours, plain)]
    np.testing.assert_allclose(second[0], second[1], atol=1e-11)


@settings(max_examples=4)  # each of another shape, and compiled
@given(st.integers(0, 2**31), st.booleans())
def test_derivatives_of_squared_distances(seed, periodic):
    """First and second derivatives by positions and cell are those of the vectors' squares."""
    random = np.random.default_rng(seed)
    n_atoms = int(random.integers(2, 8))
    cell = 3 * np.eye(3) + 0.3 * np.tril(random.normal(size=(3, 3)), -1)
    system = System.create(np.full(n_atoms, 18), random.uniform(0, 3, (n_atoms, 3)), cell, periodic)
    near = jax.tree.map(jnp.asarray, neighbor_list(system, 2.5))
    weights = jnp.asarray(random.normal(size=near.index.shape))  # an edge and its reverse have different ones
    given = jnp.asarray(system.positions), jnp.asarray(cell)[None]
    direction = jax.tree.map(lambda leaf: jnp.asarray(random.normal(size=leaf.shape)), given)

    def first(lengths):
        def total(given):
            return jnp.sum(jnp.where(near.mask, jnp.sin(lengths(*given)) * weights, 0))

        return jax.grad(total)

    def along(gradient):
        def total(given):
            return sum(jnp.sum(a * b) for a, b in zip(gradient(given), direction, strict=True))

        return jax.grad(total)

    ours = first(near.squared_distances)
    plain = first(lambda *given: jnp.sum(near.vectors(*given) ** 2, axis=-1))
    for one, other in ((ours, plain), (along(ours), along(plain))):
        for a, b in zip(one(given), other(given), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-10)
