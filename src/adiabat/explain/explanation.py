"""Why a property model says what it says of one molecule."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from threadpoolctl import ThreadpoolController

from adiabat.explain.anatomy import Anatomy
from adiabat.explain.fragments import fragment_smiles, fragments
from adiabat.explain.kinds import Attribution, of_atoms, worth_of
from adiabat.explain.shapley import coalitions, shapley_values
from adiabat.properties.domain import VERDICTS
from adiabat.properties.fingerprints import similarities
from adiabat.properties.model import Prediction, PropertyModel
from adiabat.properties.molecules import Molecules
from adiabat.properties.targets import Target

# Below, a model is too weak for its reasons to mean anything: docs/decisions/0029-explanations.md.
LEAST_SKILL = {"R2": 0.5, "AUROC": 0.7}


class Skill(NamedTuple):
    """How good a model is on molecules that it had not seen.

    Attributes:
        figure: R2, or AUROC of a class.
        value: of it.
        source: "test" or "cross-validation".
    """

    figure: str
    value: float
    source: str


class Neighbor(NamedTuple):
    """A molecule of the training set and how alike it is."""

    smiles: str
    similarity: float


@dataclass(frozen=True, eq=False)
class Explanation:
    """Contributions in the units of the targets. They add up to the prediction less the baseline: what the
    model says where there is no atom at all.

    Attributes:
        smiles: standardized, atoms in this order.
        targets: what is predicted.
        prediction: of the one molecule.
        baseline: shape (n_targets,).
        atoms: shape (n_atoms, n_targets).
        errors: standard errors of atoms whose contributions are sampled, else zero; likewise.
        fragment: to which each atom belongs, shape (n_atoms,).
        fragment_smiles: cut bonds end in an asterisk.
        fragments: exact Shapley values, shape (n_fragments, n_targets).
        residuals: how far atoms and fragments are from adding up, shape (2, n_targets).
        methods: by kind of predictor, for the atoms.
        neighbors: the most alike molecules of the training set.
        doubts: why contributions to a target should not be looked at; one list for each.
    """

    smiles: str
    targets: tuple[Target, ...]
    prediction: Prediction
    baseline: np.ndarray
    atoms: np.ndarray
    errors: np.ndarray
    fragment: np.ndarray
    fragment_smiles: tuple[str, ...]
    fragments: np.ndarray
    residuals: np.ndarray
    methods: Mapping[str, str]
    neighbors: tuple[Neighbor, ...]
    doubts: tuple[tuple[str, ...], ...]

    @property
    def fragment_sums(self) -> np.ndarray:
        """What the atoms of each fragment bring together, shape (n_fragments, n_targets): near to `fragments`
        where both ways agree."""
        return np.stack(
            [np.bincount(self.fragment, column, len(self.fragment_smiles)) for column in self.atoms.T], axis=1
        )


def explain(model: PropertyModel, molecules: Molecules, row: int = 0, *, level: float = 0.9) -> Explanation:
    """What each atom and fragment of a molecule brings to its prediction.

    Atoms by what is exact for each kind of predictor (`adiabat.explain.kinds`), weighed as the model weighs
    them. Fragments by exact Shapley values of the whole model, of what each member says of some of the atoms
    (`worth_of` there). A probability of a class is not a sum: contributions to the value before it is
    calibrated are shown in proportion.

    Args:
        model: to be explained.
        molecules: as for `PropertyModel.predict`.
        row: which of them.
        level: of the interval.
    """
    # Small products: threads of BLAS would mostly wait for each other, and take the cores from XLA's.
    with _pools().limit(limits=1, user_api="blas"):
        return _explained(model, molecules, row, level)


def _explained(model: PropertyModel, molecules: Molecules, row: int, level: float) -> Explanation:
    from rdkit import Chem

    anatomy = Anatomy.of(molecules, row)
    mol = Chem.MolFromSmiles(anatomy.molecule.smiles[0])
    pieces = fragments(mol)
    sets = coalitions(pieces.max() + 1)
    said = [worth_of(member, anatomy)(sets[:, pieces]) for member in model.members.values()]
    worth = (model.weights[:, None] * np.stack(said)).sum(axis=0)
    each = {kind: of_atoms(member, anatomy) for kind, member in model.members.items()}
    return _in_units(model, anatomy, pieces, fragment_smiles(mol, pieces), worth, each, level)


@cache
def _pools() -> ThreadpoolController:
    return ThreadpoolController()


def _in_units(
    model: PropertyModel,
    anatomy: Anatomy,
    pieces: np.ndarray,
    names: list[str],
    worth: np.ndarray,
    each: Mapping[str, Attribution],
    level: float,
) -> Explanation:
    weights = model.weights[:, None]
    atoms = (weights * np.stack([one.values for one in each.values()])).sum(axis=0)
    errors = np.sqrt(((weights * np.stack([one.errors for one in each.values()])) ** 2).sum(axis=0))
    ends = model.in_units(worth[[0, -1]])
    raised = worth[-1] - worth[0]
    scale = np.divide(ends[1] - ends[0], raised, out=np.ones_like(raised), where=np.abs(raised) > 1e-12)
    by_fragment = shapley_values(worth) * scale
    atoms, errors = atoms * scale, errors * scale
    prediction = model.predict(anatomy.molecule, level)
    whole = prediction.values[0] - ends[0]
    return Explanation(
        smiles=anatomy.molecule.smiles[0],
        targets=model.targets,
        prediction=prediction,
        baseline=ends[0],
        atoms=atoms,
        errors=errors,
        fragment=pieces,
        fragment_smiles=tuple(names),
        fragments=by_fragment,
        residuals=np.stack([atoms.sum(axis=0) - whole, by_fragment.sum(axis=0) - whole]),
        methods={kind: one.method for kind, one in each.items()},
        neighbors=_neighbors(model, anatomy, prediction),
        doubts=tuple(_doubts(model, target, prediction) for target in model.targets),
    )


def held_out_skill(model: PropertyModel, target: Target) -> Skill | None:
    """The model's own figure of merit: of its test where it has one, else of cross-validation; None where
    its file does not say."""
    figure = "AUROC" if target.is_class else "R2"
    for part, source in (("test", "test"), ("cross_validation", "cross-validation")):
        value = model.summary.get(part, {}).get(target.name, {}).get(figure)
        if value is not None:
            return Skill(figure, float(value), source)
    return None


def _doubts(model: PropertyModel, target: Target, prediction: Prediction) -> tuple[str, ...]:
    found = []
    skill = held_out_skill(model, target)
    if skill is None:
        found.append("the model file does not say how good the model is on molecules that it had not seen")
    elif skill.value < (least := LEAST_SKILL[skill.figure]):
        name = "R²" if skill.figure == "R2" else skill.figure
        found.append(
            f"the model is weak: {name} of its {skill.source} is {skill.value:.2f}, less than {least:g}"
        )
    taught = model.summary.get("student", {}).get("r2", {}).get(target.name)
    if taught is not None and taught < LEAST_SKILL["R2"]:
        least = LEAST_SKILL["R2"]
        found.append(
            f"the model has not learned what its teacher says: R² is {taught:.2f}, less than {least:g}"
        )
    if VERDICTS[prediction.placed.verdict[0]] == "outside":
        unknown = prediction.placed.unknown[0]
        found.append("the molecule is outside of what the model knows" + (f": {unknown}" if unknown else ""))
    return tuple(found)


def _neighbors(model: PropertyModel, anatomy: Anatomy, prediction: Prediction) -> tuple[Neighbor, ...]:
    known = prediction.placed.neighbors[0]
    alike = similarities(anatomy.molecule.counts, model.domain.counts[known])[0]
    return tuple(Neighbor(model.domain.smiles[k], float(s)) for k, s in zip(known, alike, strict=True))
