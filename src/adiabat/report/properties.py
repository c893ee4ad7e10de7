"""Sections on a property model: how good it is, how sure, on what data, and the model card."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from adiabat.report import figures
from adiabat.report.cards import (
    Columns,
    Facts,
    Figure,
    Findings,
    Section,
    Table,
    Text,
)
from adiabat.report.formatting import estimate, number
from adiabat.report.molecules import drawings, reaction_drawings
from adiabat.report.property_tests import classes_tested, target_tested

if TYPE_CHECKING:
    from adiabat.properties import Curation
    from adiabat.properties import Table as Measured
    from adiabat.properties.evaluate import Score
    from adiabat.properties.holdout import ClassesHoldout, Holdout
    from adiabat.properties.model import CrossValidation, Prediction, PropertyModel
    from adiabat.properties.targets import Classes, Target

_WORST, _SHOWN = 8, 20
# What the words of tables and predictions mean.
_DOMAIN = (
    "Domain: a molecule is inside where it is as alike to a known one as nine in ten known ones are to "
    "another, outside where it is less so than all but two in a hundred are, or has something that no known "
    "one has, and at the border in between. Intervals of molecules outside are guesses."
)
_LIMITS = (
    "Limits: a cell such as <5 or >100 says on which side of it the true value is. Models learn just that; "
    "errors are of exact values only, and of limits it is counted how many predictions are on the right side."
)
_INTERVALS = (
    "Intervals are as wide as molecules left out of training needed, so that they hold the share that is "
    "asked for. One from -inf to inf promises nothing: fewer exact values were left out than that share "
    "needs (4 for 80 %, 9 for 90 %, 19 for 95 %)."
)
_SETS = (
    "Of a class the interval is the set of what is possible: 0 to 0, 1 to 1, or 0 to 1 where the model "
    "cannot tell. Nine in ten molecules of either class are in theirs at 90 %."
)
_CLASS_SETS = (
    "Of several classes the set is of those that are possible: nine in ten molecules of each class are in "
    "theirs at 90 %. Probabilities of the classes add up to one; the likeliest is always in the set."
)


def property_sections(
    *,
    model: "PropertyModel",
    curation: "Curation",
    tested: "Curation | None" = None,
    train: "Measured",
    test: "Measured | None",
    tests: "Mapping[str, Holdout]",
    classes: "Mapping[str, ClassesHoldout] | None" = None,
    validation: "CrossValidation",
    prediction: "Prediction | None",
) -> list[Section]:
    """What to say of a trained model.

    Args:
        model: with its summary.
        curation: of the table it was trained on.
        tested: of another table that it was tested with.
        train: molecules it learned.
        test: molecules held out, if any.
        tests: what `hold_out` found, by target.
        classes: what `hold_out_classes` found, by column of several classes.
        validation: predictions of the training molecules.
        prediction: of the test.
    """
    sections = [_data(model, curation, tested, train)]
    for column in model.classes:
        if test is None or prediction is None:
            sections.append(_classes_validated(column, train, validation))
        elif (found := (classes or {})[column.name]).count:
            own = {
                word: tests[model.targets[k].name]
                for word, k in zip(column.words, column.places, strict=True)
            }
            sections.append(classes_tested(column, found, own))
            sections.append(_classes_drawn(column, _what(model), test, prediction))
        else:
            text = Text("The test part has no molecule of known class: there is no error to give.")
            sections.append(Section(f"Test: {column.name}", [text]))
    for k, target in enumerate(model.targets):
        if target.column:
            continue
        if test is not None and prediction is not None:
            sections.append(target_tested(target, tests[target.name]))
            if test.measured[:, k].any():
                sections.append(_drawn(target, k, _what(model), (train, validation), (test, prediction)))
        else:
            sections.append(_validated(target, k, train, validation))
    sections.append(_card(model))
    return sections


def _data(
    model: "PropertyModel", curation: "Curation", tested: "Curation | None", train: "Measured"
) -> Section:
    found, leakage = model.summary, model.summary["leakage"]
    what = _what(model)
    sure = train.columns.get("map confidence")
    counts = {
        f"{what}s to learn from": found["n_train"],
        f"{what}s to test with": found["n_test"],
        "rows left out": found["n_rejected"],
        f"rows joined with another of the same {what}": found["n_merged"],
        "atoms mapped here" if what == "reaction" else "rewritten by standardizing": curation.changed,
        **({"least sure map of those": number(sure.min())} if sure is not None else {}),
        "limits (< or >)": int((curation.table.limits != 0).sum()),
        "split": found["split"],
    }
    if tested is not None:
        counts |= {
            "rows of the test file left out": len(tested.table.rejected),
            f"rows of the test file joined with another of the same {what}": tested.merged,
        }
    boxes: list[Any] = [
        Facts({key: number(value) for key, value in counts.items()}, title=f"{what.capitalize()}s")
    ]
    if leakage:
        told = {
            "in training as well": leakage["exact"],
            "in training but for stereochemistry": leakage["stereoisomers"],
            "more than 0.9 alike to one in training": leakage["near"],
            f"with a scaffold {'of reactants ' if what == 'reaction' else ''}of training": leakage[
                "scaffolds"
            ],
        }
        facts = {key: f"{share:.1%}" for key, share in told.items()}
        facts["median similarity to training"] = number(leakage["median_similarity"])
        boxes.append(Facts(facts, title=f"Test {what}s"))
    cards: list[Any] = [Columns(boxes)]
    messages = [
        ("warning", f"{c.smiles}: {c.target}", f"rows {', '.join(map(str, c.rows))}: {', '.join(c.written)}")
        for c in curation.conflicts[:_SHOWN]
    ]
    for name, span in found.get("wide", {}).items():
        said = (
            "over powers of ten logarithms are better learned: errors and intervals are those of the largest"
        )
        messages.append(("warning", f"values of {name} are {span}", said))
    for name in found.get("signs_not_used", ()):
        said = "it has signs of limits (< or >), which --relation would use: all values count as exact"
        messages.append(("warning", f"the column {name} is not looked at", said))
    for name, reason in found.get("targets_left_out", {}).items():
        messages.append(("warning", f"the target {name} is left out", reason))
    odd = list(found.get("limits_left_out", {}).items())
    messages += [("warning", f"row {row} is left out", reason) for row, reason in odd[:_SHOWN]]
    rejected = [
        (f"row {row.row}", row.reason)
        for row in curation.table.rejected
        if (str(row.row), row.reason) not in odd
    ]
    if tested is not None:
        rejected += [(f"row {row.row} of the test file", row.reason) for row in tested.table.rejected]
    messages += [("info", f"{row} is left out", reason) for row, reason in rejected[:_SHOWN]]
    if messages:
        cards.append(Findings(messages))
        more = sum(max(0, len(one) - _SHOWN) for one in (curation.conflicts, odd, rejected))
        if more:
            cards.append(Text(f"And {more} more; all rows left out are in rejected.csv."))
    lead = (
        f"Conflicts are rows of one {what} that differ; the median is taken, and nothing of limits that "
        "contradict each other."
    )
    return Section("Data", cards, lead=lead)


def _what(model: "PropertyModel") -> str:
    """What the model is of: molecule or reaction."""
    from adiabat.properties.reaction_standardizer import ReactionStandardizer

    return "reaction" if isinstance(model.standardizer, ReactionStandardizer) else "molecule"


def _classes_drawn(column: "Classes", what: str, test: "Measured", prediction: "Prediction") -> Section:
    known = np.flatnonzero(test.measured[:, column.places].all(axis=1))
    true, said = (array[known][:, column.places] for array in (test.values, prediction.values))
    of_true = (true * said).sum(axis=1)
    worst = np.argsort(of_true, kind="stable")[:_WORST]
    words = np.array([*column.words, "another class"])
    own = np.where(true.any(axis=1), true.argmax(axis=1), len(column.words))
    legends = [
        f"{words[own[k]]} ({of_true[k]:.0%}), predicted {words[said[k].argmax()]} ({said[k].max():.0%})"
        for k in worst
    ]
    draw = reaction_drawings if what == "reaction" else drawings
    svg = draw([test.smiles[known[k]] for k in worst], legends)
    caption = "The test's least likely classes."
    figure = Figure(svg, f"the test {what}s whose class has the lowest probability", caption)
    return Section(f"Predictions: {column.name}", [figure])


def _classes_validated(column: "Classes", train: "Measured", validation: "CrossValidation") -> Section:
    from adiabat.properties.evaluate import class_scores

    rows = train.measured[:, column.places].all(axis=1)
    true = train.values[rows][:, column.places]
    found = {
        kind: class_scores(true, values[rows][:, column.places]) for kind, values in validation.values.items()
    }
    return _validation(column.name, found)


def _drawn(
    target: "Target",
    k: int,
    what: str,
    trained: "tuple[Measured, CrossValidation]",
    tested: "tuple[Measured, Prediction]",
) -> Section:
    (train, validation), (test, prediction) = trained, tested
    rows = np.flatnonzero(test.measured[:, k])
    true, said = test.values[rows, k], prediction.values[rows, k]
    cards: list[Any] = []
    if not target.is_class:
        known = train.measured[:, k]
        panels = [
            figures.Parity("test", true, said),
            figures.Parity(
                "training, left out",
                train.values[known, k],
                validation.values["stack"][known, k],
            ),
        ]
        unit = target.unit or "unit"
        svg = figures.parity(panels, f"{target.name} [{unit}]", unit, per_unit=1.0)
        caption = "Each molecule of training is predicted by models that had not seen it."
        cards.append(Figure(svg, f"predicted against measured {target.name}", caption))
    worst = rows[np.argsort(-np.abs(said - true), kind="stable")[:_WORST]]
    legends = [f"{test.values[r, k]:.3g}, predicted {prediction.values[r, k]:.3g}" for r in worst]
    if (sure := test.columns.get("map confidence")) is not None:
        legends = [f"{text}; map sure to {sure[r]:.0%}" for text, r in zip(legends, worst, strict=True)]
    draw = reaction_drawings if what == "reaction" else drawings
    svg = draw([test.smiles[r] for r in worst], legends)
    cards.append(Figure(svg, f"the test {what}s with the largest errors", "The largest errors of the test."))
    return Section(f"Predictions: {target.name}", cards)


def _validated(target: "Target", k: int, train: "Measured", validation: "CrossValidation") -> Section:
    from adiabat.properties.evaluate import scores

    rows = train.measured[:, k]
    true = train.values[rows, k]
    found = {
        kind: scores(true, values[rows, k], is_class=target.is_class)
        for kind, values in validation.values.items()
    }
    return _validation(target.name, found)


def _validation(name: str, found: "Mapping[str, Mapping[str, Score]]") -> Section:
    """Figures of each kind by cross-validation."""
    names = list(found["stack"])
    table = [
        [kind, *(estimate(*own[figure]) if figure in own else "–" for figure in names)]
        for kind, own in found.items()
    ]
    caption = "Each molecule predicted by models that had not seen it (five folds at random)."
    return Section(f"Cross-validation: {name}", [Table(["kind", *names], table, caption)])


def _card(model: "PropertyModel") -> Section:
    weights = Table(
        ["kind", *(target.name for target in model.targets)],
        [
            [kind, *(number(float(w)) for w in row)]
            for kind, row in zip(model.members, model.weights, strict=True)
        ],
        "How much each kind weighs, by cross-validation within training; never by the test.",
    )
    is_reaction = _what(model) == "reaction"
    facts = {
        "predicts": ", ".join(
            [_named(target) for target in model.targets if not target.column]
            + [f"{one.name}: one of {', '.join(one.words)}" for one in model.classes]
        ),
        "from": ("reaction SMILES" if is_reaction else "SMILES")
        + "".join(f", {one.name} ({one.kind})" for one in model.inputs),
        **({"graph networks began with": model.summary["start"]} if "start" in model.summary else {}),
        **_written(model),
        "meant for": f"{_what(model)}s like those of training; the domain of each prediction says so",
        "inside the domain": f"{number(float(model.domain.limits[1]))} alike to a known one, or more",
        "outside": f"less than {number(float(model.domain.limits[0]))}, an element that none has, more than "
        f"a tenth above {model.domain.largest:g} heavy atoms"
        + (", or inputs that are not as in training" if model.inputs else ""),
    }
    return Section("Model card", [Facts(facts), weights, *map(Text, _meanings(model))])


def _meanings(model: "PropertyModel") -> list[str]:
    """What the words in predictions of this model mean."""
    classes = [target.is_class for target in model.targets]
    two = any(target.is_class and not target.column for target in model.targets)
    values = [] if all(classes) else [_LIMITS, _INTERVALS]
    return [_DOMAIN, *values, *([_SETS] if two else []), *([_CLASS_SETS] if model.classes else [])]


def _named(target: "Target") -> str:
    """A target with its unit, or with what its probability is of."""
    if target.words:
        return f"{target.name}: the probability of {target.words[1]}, not {target.words[0]}"
    return target.name + (f" [{target.unit}]" if target.unit else "")


def _written(model: "PropertyModel") -> dict[str, str]:
    """How molecules or reactions are standardized, and which are not meant."""
    from adiabat.properties.reaction_standardizer import ReactionStandardizer

    if not isinstance(model.standardizer, ReactionStandardizer):
        tautomer = ", one tautomer" if model.standardizer.tautomers else ""
        return {
            "molecules": f"salts and solvents taken away, neutralized{tautomer}",
            "not meant for": "metals, polymers, mixtures, and decisions without the interval",
        }
    found = {
        "reactions": "balanced and atom-mapped; without map numbers those whose map is sure to "
        f"{model.standardizer.confidence:.0%}",
        "not meant for": "reactions in several steps where those of training have one, and decisions without "
        "the interval",
    }
    if model.reversible:
        name = model.targets[-1].name
        found["directions"] = (
            f"agree: {name} is the value less that of the reverse reaction, for every prediction"
        )
    return found
