"""Sections on the test of a property model: figures with intervals, paired tests, verdicts."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from adiabat.report.cards import (
    Chart,
    Columns,
    Facts,
    Section,
    Series,
    Table,
    Text,
    Verdict,
)
from adiabat.report.formatting import estimate, number

if TYPE_CHECKING:
    from adiabat.properties.holdout import ClassesHoldout, Holdout
    from adiabat.properties.targets import Classes, Target

# A 90 % interval is thought right when it covers this share of the test.
COVERED = (0.86, 0.94)
SIGNIFICANT = 0.05
_RELIABILITY = (
    "Test molecules by their probability to be in the class. Probabilities are calibrated where the last two "
    "columns agree."
)


def target_tested(target: "Target", found: "Holdout") -> Section:
    if not found.scores:
        facts = Facts({"limits on the right side": _right_side(found)}, title="Test limits")
        text = Text("The test part has no value that is not a limit: there is no error to give.")
        return Section(f"Test: {target.name}", [text, *([facts] if found.limits[0] else [])])
    unit = f" [{target.unit}]" if target.unit else ""
    caption = (
        "Test molecules, with 95 % intervals of a bootstrap. The last column: how much smaller (−) or larger "
        f"the mean {'squared' if target.is_class else 'absolute'} error of the model is than of that kind, "
        "and p of Wilcoxon's signed-rank test."
    )
    cards: list[Any] = [_by_kind(found, caption)]
    boxes: list[Any] = []
    if found.coverage:
        shares = {f"{level:.0%} intervals": f"{share:.1%}" for level, share in found.coverage.items()}
        title = "Test molecules whose class is in the set" if target.is_class else "Test values inside"
        if target.is_class:
            shares = {
                f"{level:.0%} sets": f"{share:.1%}; one class in {found.single[level]:.0%}"
                for level, share in found.coverage.items()
            }
        boxes.append(Facts(shares, title=title))
    if found.limits[0]:
        boxes.append(Facts({"on the right side": _right_side(found)}, title="Test limits (< or >)"))
    if len(found.curve) > 1:
        counts, errors = zip(*found.curve, strict=True)
        label = "1 − AUROC" if target.is_class else f"RMSE{unit}"
        line = Series("Gaussian process", errors, points=True)
        boxes.append(
            Chart(
                {"molecules to learn from": counts},
                [line],
                label,
                alt=f"{label} of the test against the number of training molecules",
                title="Would more data help?",
            )
        )
    cards += [Columns(boxes)] if len(boxes) > 1 else boxes
    if found.reliability:
        bins = [[str(one.count), number(one.predicted, 2), number(one.true, 2)] for one in found.reliability]
        cards.append(Table(["molecules", "mean probability", "share in the class"], bins, _RELIABILITY))
    return Section(
        f"Test: {target.name}", cards, verdicts=_verdicts(target, found), citations=("conformal", "wilcoxon")
    )


def classes_tested(column: "Classes", found: "ClassesHoldout", each: "Mapping[str, Holdout]") -> Section:
    caption = (
        "Test molecules, with 95 % intervals of a bootstrap: the share whose likeliest class is theirs, its "
        "mean over the classes, and the mean area under the ROC curves of each class against the rest. The "
        "last column: how much smaller (−) or larger the mean squared error of the model's probabilities is "
        "than of that kind, and p of Wilcoxon's signed-rank test."
    )
    counts = [
        [word, *(str(count) for count in row)]
        for word, row in zip(column.words, found.confusion.tolist(), strict=True)
    ]
    said = "Test molecules of each class, and which class is the likeliest for them."
    names = list(dict.fromkeys(name for one in each.values() for name in one.scores.get("model", {})))
    own = {word: one.scores.get("model", {}) for word, one in each.items()}
    shown = [
        [word, *(estimate(*own[word][name]) if name in own[word] else "–" for name in names)]
        for word in column.words
    ]
    shares = {
        f"{level:.0%} sets": f"{share:.1%}; {number(found.sizes[level], 2)} classes on average"
        for level, share in found.coverage.items()
    }
    share = found.coverage[0.9]
    good = {kind: c for kind, c in found.comparisons.items() if kind in ("mean", "nearest")}
    beaten = all(c.difference < 0 and c.p_value < SIGNIFICANT for c in good.values())
    figure = found.scores["model"].get("balanced accuracy")
    verdicts = [
        Verdict(
            "90 % sets",
            f"hold {share:.0%}",
            "good" if share >= COVERED[0] else "fair",
            "good from 86 % of the test molecules on",
            f"a set has {number(found.sizes[0.9], 2)} of {len(column.words)} classes on average",
        )
    ]
    if figure is not None:
        verdict = Verdict(
            f"Balanced accuracy of {column.name}",
            f"{figure.value:.0%}",
            "good" if beaten else "poor",
            "good when the probabilities are better than the mean and the nearest neighbor, p < 0.05",
            f"95 % interval {figure.lower:.0%} to {figure.upper:.0%}; by chance {1 / len(column.words):.0%}",
        )
        verdicts.insert(0, verdict)
    cards: list[Any] = [
        _by_kind(found, caption),
        Table(["class", *column.words], counts, said),
        Table(["class against the rest", *names], shown),
        Facts(shares, title="Test molecules whose class is in the set"),
    ]
    return Section(f"Test: {column.name}", cards, verdicts=verdicts, citations=("conformal", "wilcoxon"))


def _by_kind(found: "Holdout | ClassesHoldout", caption: str) -> Table:
    """The figures of each kind, and the paired test of the model against it."""
    figures_of = list(found.scores["model"])
    rows = []
    for kind, own in found.scores.items():
        cells = [estimate(*own[name]) if name in own else "–" for name in figures_of]
        compared = found.comparisons.get(kind)
        cells.append("–" if compared is None else _compared(compared.difference, compared.p_value))
        rows.append([kind, *cells])
    return Table(["kind", *figures_of, "model against it"], rows, caption)


def _right_side(found: "Holdout") -> str:
    count, share = found.limits
    return f"{share:.1%} of {count}"


def _compared(difference: float, p_value: float) -> str:
    sign = "+" if difference > 0 else ""
    return f"{sign}{number(difference)} (p {number(p_value, 2)})"


def _best_alone(name: str, found: "Holdout") -> str:
    """The best of the kinds by themselves, and whether the model's errors are smaller than its."""
    alone = {kind: own[name].value for kind, own in found.scores.items() if kind != "model" and name in own}
    if not alone:
        return ""
    best = (max if name == "AUROC" else min)(alone, key=lambda kind: alone[kind])
    compared = found.comparisons[best]
    return f"; the best kind alone, {best}, {number(alone[best])}, model against it {_compared(*compared)}"


def _verdicts(target: "Target", found: "Holdout") -> list[Verdict]:
    name = "AUROC" if target.is_class else "RMSE"
    figure = found.scores["model"].get(name)
    if figure is None:
        return []
    simple = {kind: c for kind, c in found.comparisons.items() if kind in ("mean", "nearest")}
    beaten = all(c.difference < 0 and c.p_value < SIGNIFICANT for c in simple.values())
    unit = f" {target.unit}" if target.unit and not target.is_class else ""
    verdicts = [
        Verdict(
            f"{name} of {target.name}",
            f"{number(figure.value)}{unit}",
            "good" if beaten else "poor",
            "good when better than the mean and the nearest neighbor, p < 0.05",
            f"95 % interval {number(figure.lower)} to {number(figure.upper)}{_best_alone(name, found)}",
        )
    ]
    if target.is_class and 0.9 in found.coverage:
        share = found.coverage[0.9]
        verdicts.append(
            Verdict(
                "90 % sets",
                f"hold {share:.0%}",
                "good" if share >= COVERED[0] else "fair",
                "good from 86 % of the test molecules on",
                f"{found.single[0.9]:.0%} of the sets name one class, the others both: the model cannot tell",
            )
        )
    elif 0.9 in found.coverage:
        share = found.coverage[0.9]
        inside = COVERED[0] <= share <= COVERED[1]
        verdicts.append(
            Verdict(
                "90 % intervals",
                f"hold {share:.0%}",
                "good" if inside else "fair",
                "good between 86 and 94 % of test values",
                "expected for molecules like those of training; new scaffolds are held less often",
            )
        )
    return verdicts
