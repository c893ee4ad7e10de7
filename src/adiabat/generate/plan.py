"""How many structures of which kind, from the cost of one evaluation and the time there is."""

from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

# Evaluations that a relaxation takes, about.
RELAXATION = 50
# Shares of the labels: dynamics visits what dynamics will visit, and gives the lowest errors there; the rest
# keeps the potential sensible beyond. docs/decisions/0002-generating-labels.md has the measurements.
SHARES = {"dynamics": 0.93, "normal modes": 0.03, "torsions": 0.02, "bonds": 0.02}
TIMESTEP = 1.0
# Steps of a test trajectory before its first frame: five times its thermostat's 20 fs.
EQUILIBRATION = 100
# Frames of each test set that are enough, and the least steps between two of them.
TEST_FRAMES, TEST_STRIDE = 200, 5
MAX_LABELS = 4000


@dataclass(frozen=True)
class Plan:
    """What is generated; what depended on a clock is a number in here, so that a resumed run agrees.

    Attributes:
        temperature: the one the potential is for [K].
        temperatures: those sampled for training, rising [K].
        hot: that of the second test set [K].
        labels: training and validation structures of each source.
        n_conformers: relaxed first.
        n_minima: of those, how many get normal modes; 0 leaves them out.
        hessian: evaluations that the normal modes of one minimum take.
        n_replicas: trajectories side by side for training.
        steps: of each, by the method.
        explored: a model runs the trajectories, and the method labels their frames only.
        test_replicas: trajectories of each test set.
        test_steps: of each, those of the equilibration included.
        seed: of everything random.
    """

    temperature: float
    temperatures: tuple[float, ...]
    hot: float
    labels: dict[str, int]
    n_conformers: int
    n_minima: int
    hessian: int
    n_replicas: int
    steps: int
    test_replicas: int
    test_steps: int
    seed: int
    explored: bool = False

    @property
    def n_evaluations(self) -> int:
        """Evaluations that the training structures take, about; the conformers' relaxation not included."""
        others = sum(n for source, n in self.labels.items() if source != "dynamics")
        dynamics = self.labels["dynamics"] if self.explored else self.n_replicas * (self.steps + 1)
        return dynamics + self.n_minima * self.hessian + others

    @property
    def n_test_evaluations(self) -> int:
        """Evaluations that both test sets take."""
        return 2 * self.test_replicas * (self.test_steps + 1)

    @property
    def test_stride(self) -> int:
        """Steps between two frames of a test trajectory."""
        return max(TEST_STRIDE, self.test_replicas * (self.test_steps - EQUILIBRATION) // TEST_FRAMES)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The inverse of `as_dict`."""
        return cls(**{**values, "temperatures": tuple(values["temperatures"])})


def make_plan(
    *,
    n_atoms: int,
    seconds: float,
    seconds_per_evaluation: float,
    temperature: float,
    labels: int | None,
    seed: int,
    can_turn: bool = True,
    explored: bool = False,
) -> Plan:
    """The plan that fits.

    Args:
        n_atoms: of the molecule.
        seconds: for all evaluations, those of the test sets included.
        seconds_per_evaluation: measured, on all cores.
        temperature: the one the potential is for [K].
        labels: training and validation structures wanted, None for as many as the time allows.
        seed: of everything random.
        can_turn: the molecule has a torsion.
        explored: see `Plan`.
    """
    evaluations = max(300, int(seconds / seconds_per_evaluation))
    test_replicas = 4 if evaluations > 6000 else 2
    test_steps = int(np.clip(0.2 * evaluations / (2 * test_replicas), EQUILIBRATION + 60, 1000))
    n_conformers = int(np.clip(0.1 * evaluations / RELAXATION, 2, 12))
    hessian = 6 * n_atoms
    n_minima = int(np.clip(0.2 * evaluations / hessian, 0, 4))
    rest = max(100, int(evaluations * 0.7) - n_conformers * RELAXATION - n_minima * hessian)
    # Frames of a trajectory nearer than 8 fs teach little, unless there are few of them. A model's are as far
    # from each other as one likes.
    spaced = rest / (1 if explored else 8)
    total = labels if labels is not None else int(np.clip(spaced, min(150, rest // 2), MAX_LABELS))
    shares = dict(SHARES)
    if n_minima == 0:
        shares["dynamics"] += shares.pop("normal modes")
    if not can_turn:
        shares["dynamics"] += shares.pop("torsions")
    counts = {source: round(total * share) for source, share in shares.items()}
    counts["dynamics"] += total - sum(counts.values())
    n_replicas = 16 if rest > 4000 else 8
    return Plan(
        temperature=temperature,
        temperatures=(temperature, 2 * temperature, max(2 * temperature, min(3.3 * temperature, 1200.0))),
        hot=2 * temperature,
        labels=counts,
        n_conformers=n_conformers,
        n_minima=n_minima,
        hessian=hessian,
        n_replicas=n_replicas,
        steps=max(-(-counts["dynamics"] // n_replicas), rest // n_replicas),
        test_replicas=test_replicas,
        test_steps=test_steps,
        seed=seed,
        explored=explored,
    )
