"""What a user may set of a training."""

from dataclasses import asdict, dataclass
from typing import Any

from adiabat.base import ConfigError

# Learning rates for fresh weights, and for those of a model that knows something already.
FRESH_RATE, CONTINUED_RATE = 0.005, 0.003


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How a network is fitted. The defaults are meant for every data set.

    Args:
        minutes: wall-clock time of the whole training, compilation included; a short timing run turns it into
            a number of steps.
        steps: number of steps; given, it replaces `minutes`.
        seed: of fresh weights and of the order of the batches.
        start: a model whose weights the training goes on from: a file, a run folder, "general" for the one
            that comes with adiabat, or "scratch" for fresh weights; by default fresh weights, which for a few
            organic molecules, or clusters of them out of a liquid or crystal, learn labels of GFN2-xTB first.
        learning_rate: the largest step of the matrices (Muon); reached after a warm-up; it decays to zero. By
            default 0.005, and for a model that is trained on 0.003.
        energy_weight: weight of the squared error of the energy, divided by the number of atoms, against that
            of a component of a force [1/Å²], over the last part of the training.
        atoms_per_batch: about how many atoms a batch has.
        patience: stop when so many of the forty validations in a row found no better weights; by default
            never.
        repulsion: add the screened repulsion of nuclei (ZBL) at distances shorter than any bond.
        long_range: give the atoms charges, learned with the energies and forces, and add their Coulomb energy
            at all distances; a model with such charges that the training goes on from keeps them either way.
    """

    minutes: float | None = 8.0
    steps: int | None = None
    seed: int = 0
    start: str | None = None
    learning_rate: float | None = None
    energy_weight: float = 1.0
    atoms_per_batch: int = 75
    patience: int | None = None
    repulsion: bool = True
    long_range: bool = False

    def __post_init__(self):
        if self.steps is None and self.minutes is None:
            raise ConfigError("a training needs either minutes or steps", "pass --minutes 8, for instance")
        for name in ("minutes", "steps", "learning_rate", "energy_weight", "atoms_per_batch", "patience"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"{name} must be positive, got {value}")

    def largest_step(self, continued: bool) -> float:
        """The learning rate that is meant, for fresh weights or those of another model."""
        if self.learning_rate is not None:
            return self.learning_rate
        return CONTINUED_RATE if continued else FRESH_RATE

    def as_dict(self) -> dict[str, Any]:
        """Plain values, without what was not set."""
        return {name: value for name, value in asdict(self).items() if value is not None}
