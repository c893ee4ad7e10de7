"""Structure factors and hydrogen bonds of arrangements made by hand."""

import numpy as np
import pytest
from ase.build import bulk, molecule

from adiabat import analysis
from adiabat.base import DataError
from adiabat.base.units import BOLTZMANN

WATER = molecule("H2O")


def random_spheres(n_atoms, length, diameter, rng):
    """Points in a periodic cube, none nearer to another than a diameter."""
    placed = np.zeros((0, 3))
    while len(placed) < n_atoms:
        trial = rng.random(3) * length
        apart = placed - trial
        apart -= length * np.round(apart / length)
        if (np.sum(apart**2, axis=1) > diameter**2).all():
            placed = np.vstack([placed, trial])
    return placed


def test_structure_factor_of_an_ideal_gas_is_one():
    cell = np.array([[11.0, 0, 0], [2.0, 12.0, 0], [0.5, -1.0, 10.0]])
    frames = np.random.default_rng(0).random((40, 150, 3)) @ cell
    found = analysis.structure_factor(frames, cell, q_max=5.0)
    assert found.s.mean() == pytest.approx(1.0, abs=0.01)
    assert np.mean(np.abs(found.s - 1) < 3 * found.error + 1e-3) > 0.9


def test_structure_factor_of_a_crystal_peaks_at_its_reciprocal_lattice():
    copper = bulk("Cu", "fcc", a=3.615, cubic=True) * (4, 4, 4)
    found = analysis.structure_factor(copper.positions[None], copper.cell.array, q_max=6.0, width=0.02)
    bragg = 2 * np.pi / 3.615 * np.sqrt([3, 4, 8, 11])  # 111, 200, 220, 311
    peaks = found.wavevector[found.s > 1.0]
    assert all(np.abs(bragg - q).min() < 0.02 for q in peaks)
    assert all(np.abs(peaks - q).min() < 0.02 for q in bragg)
    # All waves between are exactly silent.
    silent = np.abs(found.wavevector[:, None] - bragg).min(axis=1) > 0.05
    assert found.s[silent].max() < 1e-4


def test_structure_factor_equals_its_definition():
    rng = np.random.default_rng(0)
    cell = np.diag([7.0, 8.0, 9.0]) + rng.normal(scale=0.5, size=(3, 3))
    positions = rng.normal(scale=10, size=(1, 12, 3))
    found = analysis.structure_factor(
        positions, cell, q_max=3.0, width=1e-7
    )  # every vector a shell of its own
    h = np.array([[a, b, c] for a in range(-4, 5) for b in range(-5, 6) for c in range(-5, 6)])
    q = 2 * np.pi * h @ np.linalg.inv(cell).T
    direct = np.abs(np.exp(1j * positions[0] @ q.T).sum(axis=0)) ** 2 / 12
    for wavevector, value in zip(found.wavevector[:40], found.s[:40], strict=True):
        near = np.argmin(np.abs(np.linalg.norm(q, axis=1) - wavevector))
        assert value == pytest.approx(direct[near], abs=1e-4)


def test_the_transform_of_g_agrees_with_the_direct_sum():
    """Two elements of hard spheres at random, at half of the density of a liquid."""
    rng, length = np.random.default_rng(0), 16.0
    numbers = np.repeat([18, 10], [80, 40])
    frames = np.array([random_spheres(120, length, 2.4, rng) for _ in range(40)])
    cell = np.eye(3) * length
    direct = analysis.structure_factor(frames, cell, q_max=8.0, width=0.2)
    pairs = analysis.radial_distribution(numbers, frames, cell, n_bins=160)
    found = analysis.structure_factor_from_radial(pairs, numbers, length**3, direct.wavevector)
    far = direct.wavevector > 1.5
    assert np.ptp(direct.s[far]) > 0.25  # there is structure to agree on
    assert np.abs(found - direct.s)[far].max() < 0.06
    assert np.corrcoef(found[far], direct.s[far])[0, 1] > 0.95


def dimer(distance, tilt):
    """Two waters: the first gives a hydrogen to the second, its O-H turned by `tilt` degrees off O...O."""
    angle = np.radians(tilt)
    bend = np.radians(104.5)
    first = 0.97 * np.array([
        [0, 0, 0],
        [np.cos(angle), np.sin(angle), 0],
        [np.cos(angle + bend), np.sin(angle + bend), 0],
    ])  # fmt: skip
    half = bend / 2
    second = 0.97 * np.array([[0, 0, 0], [np.cos(half), 0, np.sin(half)], [np.cos(half), 0, -np.sin(half)]])
    return np.concatenate([first, second + [distance, 0, 0]])


NUMBERS = np.array([8, 1, 1, 8, 1, 1])


@pytest.mark.parametrize(
    ("distance", "tilt", "bonded"), [(2.9, 0, 1), (2.9, 28, 1), (2.9, 32, 0), (3.45, 0, 1), (3.55, 0, 0)]
)
def test_a_dimer_has_one_hydrogen_bond_within_the_criterion(distance, tilt, bonded):
    frames = np.repeat(dimer(distance, tilt)[None], 8, axis=0)
    found = analysis.hydrogen_bonds(np.arange(8.0), NUMBERS, frames)
    assert found.n_molecules == 2
    assert found.per_molecule.mean == bonded  # one gives it, the other takes it
    # Across a face of a cell, and turned.
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    cell = np.eye(3) * 9.0
    wrapped = np.mod(frames - [1.0, 0.2, 0.1], 9.0) @ turn
    assert analysis.hydrogen_bonds(np.arange(8.0), NUMBERS, wrapped, cell @ turn).per_molecule.mean == bonded


def test_a_bond_within_a_molecule_follows_its_proton():
    """O-H...O of one molecule, the proton on one oxygen, then on the other."""
    numbers = np.array([8, 6, 6, 6, 8, 1])
    positions = np.array([[-1.25, 0, 0], [-1.2, 1.3, 0], [0, 2, 0], [1.2, 1.3, 0], [1.25, 0, 0], [0, 0, 0]])
    frames = np.repeat(positions[None], 10, axis=0)
    frames[:5, 5, 0], frames[5:, 5, 0] = -0.25, 0.25
    found = analysis.hydrogen_bonds(np.arange(10.0), numbers, frames)
    assert (found.n_molecules, found.per_molecule.mean) == (1, 1.0)
    assert not found.correlation.any()  # always there, whichever way round
    frames[1::3, 5, 1] = -1.2  # broken now and then
    again = analysis.hydrogen_bonds(np.arange(10.0), numbers, frames)
    assert again.per_molecule.mean == pytest.approx(0.7)
    assert again.correlation[0] == pytest.approx(1.0)
    assert np.abs(again.correlation).max() < 1.5


def test_lifetime_of_bonds_that_come_and_go():
    """Ten dimers whose bonds break and form at random: the correlation is exp(-(k_on + k_off) t)."""
    rng, n, dimers = np.random.default_rng(0), 1500, 10
    breaks, forms, step = 0.04, 0.06, 10.0
    draws = rng.random((n, dimers))
    state = np.ones((n, dimers), dtype=bool)
    state[0] = draws[0] < 0.6
    for k in range(1, n):
        state[k] = np.where(state[k - 1], draws[k] > breaks, draws[k] < forms)
    frames = np.where(state[:, :, None, None], dimer(2.9, 0), dimer(2.9, 50))
    frames = frames + 20.0 * np.arange(dimers)[:, None, None] * [0, 1, 0]
    numbers = np.tile(NUMBERS, dimers)
    found = analysis.hydrogen_bonds(step * np.arange(n), numbers, frames.reshape(n, -1, 3))
    share = forms / (forms + breaks)
    assert found.n_molecules == 20
    assert found.per_molecule.mean == pytest.approx(share, abs=4 * found.per_molecule.error)
    # The same partner may come back, so that not all memory is lost: each of 190 pairs of oxygens might bond.
    unrelated = share * dimers / 190
    rest = (share - unrelated) / (1 - unrelated)
    decay = (found.correlation[:30] - rest) / (1 - rest)
    np.testing.assert_allclose(decay, (1 - breaks - forms) ** np.arange(30), atol=0.08)


def test_lifetime_has_an_error_bar():
    """Of a liquid in which every partner is as likely: a bond jumps to a random one of the others."""
    rng, n, n_waters, step, jumps = np.random.default_rng(1), 1500, 12, 20.0, 0.05
    centers = 12.0 * np.arange(n_waters)
    numbers = np.tile(WATER.numbers, n_waters)
    partner = rng.integers(n_waters - 1, size=n_waters)
    frames = np.zeros((n, n_waters, 3, 3))
    frames[:, :, 0, 2] = centers
    frames[:, :, 1, 2], frames[:, :, 1, 0] = centers, 0.97
    frames[:, :, 2, 2], frames[:, :, 2, 0] = centers, -0.24
    frames[:, :, 2, 1] = 0.94
    for k in range(n):
        moved = rng.random(n_waters) < jumps
        partner = np.where(moved, rng.integers(n_waters - 1, size=n_waters), partner)
        # The partner of the first water stands 2.9 Å before it; all others are far away.
        other = 1 + partner[0]
        frames[k, other] += [2.9, 0, centers[0] - centers[other]]
    found = analysis.hydrogen_bonds(step * np.arange(n), numbers, frames.reshape(n, -1, 3))
    assert found.lifetime is not None
    # It decays to the chance of the same partner, one in eleven, less that of unrelated pairs, one in 66.
    rest = (1 / 11 - 1 / 66) / (1 - 1 / 66)
    exact = step * np.log((np.exp(-1) - rest) / (1 - rest)) / np.log(1 - jumps)
    assert abs(found.lifetime.mean - exact) < 4 * found.lifetime.error + step
    assert 0 < found.lifetime.error < 0.5 * found.lifetime.mean
    expected = (1 / 11 + (1 - 1 / 11) * (1 - jumps) ** np.arange(20) - 1 / 66) / (1 - 1 / 66)
    assert len(found.correlation) == len(found.correlation_error) == len(found.lag) == 150
    off = (found.correlation[1:20] - expected[1:]) / found.correlation_error[1:20]
    assert np.abs(off).max() < 4


def test_hydrogen_bonds_need_a_donor():
    with pytest.raises(DataError, match="O-H"):
        analysis.hydrogen_bonds(
            np.arange(9.0), np.array([8, 6]), np.zeros((9, 2, 3)) + [[0, 0, 0], [1.1, 0, 0]]
        )


def test_heat_capacity_of_harmonic_oscillators_is_k_for_each_mode():
    n_modes, kelvin = 12, 300.0
    draws = np.random.default_rng(0).normal(size=(30_000, 2 * n_modes))  # of positions and of momenta
    energy = 0.5 * BOLTZMANN * kelvin * np.sum(draws**2, axis=1)
    found = analysis.heat_capacity(energy - 4000.0, kelvin)
    assert found.mean == pytest.approx(n_modes * BOLTZMANN, rel=0.03)
    assert abs(found.mean - n_modes * BOLTZMANN) < 4 * found.error
    with pytest.raises(DataError, match="above zero"):
        analysis.heat_capacity(energy, 0.0)


def test_errors_of_a_heat_capacity_cover_the_truth_and_shrink():
    """Correlated energies of 10 modes: the error bars hold as often as they should."""
    from scipy.signal import lfilter

    def series(n, phi, seed):
        noise = np.random.default_rng(seed).normal(size=(n + 400, 20)) * np.sqrt(1 - phi**2)
        modes = lfilter([1.0], [1.0, -phi], noise, axis=0)[400:]
        return 0.5 * BOLTZMANN * 300 * np.sum(modes**2, axis=1)

    found = [analysis.heat_capacity(series(4000, 0.9, seed), 300.0) for seed in range(100)]
    inside = np.mean([abs(one.mean - 10 * BOLTZMANN) < 1.96 * one.error for one in found])
    assert 0.87 < inside < 0.98
    assert np.mean([one.mean for one in found]) == pytest.approx(10 * BOLTZMANN, rel=0.01)
    longer = [analysis.heat_capacity(series(16_000, 0.9, seed), 300.0).error for seed in range(20)]
    assert np.mean(longer) == pytest.approx(np.mean([one.error for one in found]) / 2, rel=0.15)


def test_bonds_without_a_reference():
    rng = np.random.default_rng(0)
    ethanol = molecule("CH3CH2OH")
    frames = ethanol.positions + rng.normal(scale=0.03, size=(400, 9, 3))
    found = analysis.bond_statistics(ethanol.numbers, frames)
    bond = next(one for one in found if one.label == "C–C")
    exact = ethanol.get_distance(0, 1)
    assert bond.average.mean == pytest.approx(exact, abs=4 * bond.average.error + 0.002)
    assert bond.average.error == pytest.approx(np.sqrt(2) * 0.03 / np.sqrt(400), rel=0.3)
    assert np.isnan(bond.divergence)
    assert np.isnan(bond.reference_mean)
    edges, density, reference = bond.histograms()
    assert np.sum(density * np.diff(edges)) == pytest.approx(1.0)
    assert not reference.any()
