"""Whether energies lie on two levels: those of two methods differ by a constant for each composition."""

import numpy as np

FEWEST = 20  # values that allow a verdict
# Heavy tails: what the trapezoid rule leaves of an energy is a few times larger in some pairs than in most.
FREEDOM = 3.0
SEPARATION = 4.0  # the distance of the levels, in the scale of the noise
EVIDENCE = 15.0  # log likelihood that two more parameters must explain
SHARES = (0.1, 0.9)  # of the pairs that lie across the levels
GRID, ROUNDS = 40, 30


def two_levels(residuals: np.ndarray) -> float | None:
    """How far apart the levels are, when differences between frames show two of them, else None.

    Differences on one level scatter around zero, those across two levels around plus and minus their
    distance D. A mixture of three Student distributions of one scale is fitted by expectation maximization
    for each of many D, and compared with the one around zero.

    Args:
        residuals: differences in energy of pairs of frames less the work of the forces [eV], shape (n,).
    """
    if len(residuals) < FEWEST:
        return None
    one = _fit(residuals, None)[0]
    size = np.abs(residuals)
    candidates = np.geomspace(max(np.quantile(size, 0.1), 1e-6), size.max() + 1e-6, GRID)
    found = [(*_fit(residuals, float(distance)), float(distance)) for distance in candidates]
    likelihood, scale, share, distance = max(found)
    certain = likelihood - one > EVIDENCE and distance > SEPARATION * scale
    return distance if certain and SHARES[0] < share < SHARES[1] else None


def _fit(residuals: np.ndarray, distance: float | None) -> tuple[float, float, float]:
    """Log likelihood, scale and share of the pairs across the levels, at the best scale and share."""
    centers = np.array([0.0] if distance is None else [0.0, -distance, distance])
    deviations = residuals[:, None] - centers
    scale = float(np.median(np.abs(deviations).min(axis=1))) + 1e-6
    share, likelihood = 0.5, 0.0
    for _ in range(ROUNDS):
        weights = np.array([1.0] if distance is None else [1 - share, share / 2, share / 2])
        # Student's density but for a constant, which both mixtures have.
        spread = 1 + (deviations / scale) ** 2 / FREEDOM
        densities = weights * spread ** (-0.5 * (FREEDOM + 1)) / scale
        total = densities.sum(axis=1)
        likelihood = float(np.log(total).sum())
        member = densities / total[:, None]
        share = float(np.clip(1 - member[:, 0].mean(), 1e-3, 1 - 1e-3))
        # The scale of a Student distribution: a mean of squares in which far values count less.
        trust = (FREEDOM + 1) / (FREEDOM * spread)
        scale = float(np.sqrt(np.mean(np.sum(member * trust * deviations**2, axis=1)))) + 1e-6
    return likelihood, scale, share
