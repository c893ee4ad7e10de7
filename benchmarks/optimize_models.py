"""Candidates for solubility and potency by learned models, judged by models of other molecules.

    python -m benchmarks.optimize_models --data ../shared/data

Each of two tables, ESOL (log mol/L) and BACE (active or not), is halved: a model of one half is optimized,
one of the other half judges, which the search never asks (the data control score of Renz et al. 2019,
doi 10.1016/j.ddtec.2020.09.003). From 20 molecules of BACE that the models know, 100 evaluations: within the
domains of the models, which is the default, and outside as well; each beside random edits.

- Hypervolume of the front above -10 log mol/L and no chance to be active, as the models say, and the share of
  the front of random edits that it dominates; the same as the judges say.
- How much higher the models value the 20 best than the judges do: what the search gained of errors.
- The share of the intervals of solubility of these that hold what the judges say, who have errors too.
"""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rdkit import RDLogger

from adiabat.properties import Standardizer, Table, curate, read_table
from adiabat.properties.model import PropertyModel, fit_property_model
from adiabat.properties.molecules import Molecules
from adiabat.properties.optimize import (
    Archive,
    Limits,
    ModelScores,
    Objective,
    Optimization,
    Search,
    optimize_molecules,
    scores_of,
)
from adiabat.properties.optimize.objectives import weights
from adiabat.properties.ranking import hypervolume, pareto_front
from benchmarks.optimize import dominated, random_edits
from benchmarks.record import record

TABLES = {
    "logS": ("moleculenet/delaney.csv", "smiles", "logp"),
    "active": ("moleculenet/bace.csv", "mol", "Class"),
}
KINDS = ("forest", "gaussian-process")
OBJECTIVES = (Objective("logS", scale=2.1), Objective("active", scale=0.5))
WAYS = ("within the domains", "random edits within", "outside too", "random edits")
EVALUATIONS, START, BEST = 100, 20, 20
REFERENCE = np.array([-10.0, 0.0])


class Halves(NamedTuple):
    """Models that are optimized, and those of the other halves that judge."""

    asked: ModelScores
    judges: ModelScores
    start: list[str]


def trained(data: Path, seed: int) -> Halves:
    """The models of one division into halves, and 20 molecules of BACE that they know."""
    asked, judges, pool = [], [], []
    for name, (file, smiles, target) in TABLES.items():
        table = curate(read_table(data / file, smiles=smiles, targets=[target]), Standardizer()).table
        order = np.random.default_rng(seed).permutation(len(table))
        for rows, models in zip(np.array_split(order, 2), (asked, judges), strict=True):
            models.append(_model(name, table.taken(np.sort(rows)), seed))
        pool = [table.smiles[k] for k in order[: len(order) // 2]]
    scores = scores_of(asked, OBJECTIVES)
    known = [domain.place(Molecules(tuple(pool))).verdict > 0 for domain in scores.domains]
    start = [text for text, good in zip(pool, np.all(known, axis=0), strict=True) if good][:START]
    return Halves(scores, scores_of(judges, OBJECTIVES), start)


def _model(name: str, table: Table, seed: int) -> PropertyModel:
    table = Table(table.smiles, table.rows, (name,), table.values, table.limits)
    return fit_property_model(table, Molecules(table.smiles), kinds=KINDS, seed=seed)[0]


def searched(halves: Halves, way: str, seed: int) -> Optimization:
    """The molecules that one way looks at."""
    limits = Limits(domains=halves.asked.domains if "within" in way else ())
    if "random edits" in way:
        names = random_edits(halves.start, EVALUATIONS, seed, limits)
        archive = Archive.empty(len(OBJECTIVES))
        archive.add(names, *halves.asked(names), [""] * len(names), 0)
        return Optimization(OBJECTIVES, archive, 1.0, START)
    search = Search(evaluations=EVALUATIONS, first=30, proposals=100, generations=3)
    return optimize_molecules(halves.start, halves.asked, OBJECTIVES, limits=limits, search=search, seed=seed)


class Found(NamedTuple):
    """What one way found: values of its front by the models and by the judges, how much more desirable the
    models find the best, and the share of intervals that hold what judges say."""

    said: np.ndarray
    judged: np.ndarray
    gained: float
    held: float
    outside: float


def measured(halves: Halves, way: str, seed: int) -> Found:
    found = searched(halves, way, seed)
    archive, best = found.archive, found.best(BEST)
    judged = halves.judges(list(archive.smiles))[0]
    scale = np.array([objective.scale for objective in OBJECTIVES])
    gained = float((((archive.mean - judged)[best] / scale) @ weights(OBJECTIVES)).mean())
    trust = halves.asked.trust(found, best)
    held = float(((trust.lower <= judged[best]) & (judged[best] <= trust.upper))[:, 0].mean())
    front = [_front(values) for values in (archive.mean, judged)]
    return Found(front[0], front[1], gained, held, float((trust.verdict == 0).mean()))


def _front(values: np.ndarray) -> np.ndarray:
    return values[pareto_front(values)]


def rows_of(found: dict[str, list[Found]]) -> list[dict[str, Any]]:
    rows = []
    for way, ones in found.items():
        for who in ("said", "judged"):
            fronts = [getattr(one, who) for one in ones]
            volumes = [hypervolume(front, REFERENCE) for front in fronts]
            each = ", ".join(f"{volume:.2f}" for volume in volumes)
            by = "models" if who == "said" else "judges"
            rows.append(
                {
                    "what": f"{way}: hypervolume by the {by}, mean",
                    "value": float(np.mean(volumes)),
                    "note": f"each: {each}",
                }
            )
            if "random edits" in way:
                continue
            random = "random edits within" if "within" in way else "random edits"
            others = [getattr(one, who) for one in found[random]]
            shares = [dominated(a, b) for a, b in zip(others, fronts, strict=True)]
            each = ", ".join(f"{share:.0%}" for share in shares)
            rows.append(
                {
                    "what": f"{way}: share of the front of {random} that is dominated, by the {by}",
                    "value": 100 * float(np.mean(shares)),
                    "unit": "%",
                    "note": f"each: {each}",
                }
            )
        for name, what, unit in (
            ("gained", "models value the 20 best higher than judges by", "scales"),
            ("held", "intervals of logS of the 20 best that hold what judges say", "%"),
            ("outside", "of the 20 best outside of a domain", "%"),
        ):
            factor = 100 if unit == "%" else 1
            each = [factor * getattr(one, name) for one in ones]
            note = "each: " + ", ".join(f"{value:.2f}" for value in each)
            rows.append({"what": f"{way}: {what}", "value": float(np.mean(each)), "unit": unit, "note": note})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="the folder with moleculenet")
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    RDLogger.DisableLog("rdApp.*")  # pyright: ignore[reportAttributeAccessIssue]
    found: dict[str, list[Found]] = {way: [] for way in WAYS}
    for seed in range(options.seeds):
        halves = trained(options.data, seed)
        for way in WAYS:
            found[way].append(measured(halves, way, seed))
            print(
                seed,
                way,
                found[way][-1][2:],
                [hypervolume(f, REFERENCE) for f in found[way][-1][:2]],
                flush=True,
            )
    command = "python -m benchmarks.optimize_models --data ../shared/data"
    record("optimize-models", rows_of(found), command, title="Improving molecules by learned models")


if __name__ == "__main__":
    main()
