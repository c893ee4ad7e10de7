"""`adiabat property train`: from a table of measured molecules to a model that knows its errors."""

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from adiabat.base import ConfigError
from adiabat.base.files import atomic_write
from adiabat.base.interrupts import interruptible
from adiabat.base.progress import progress
from adiabat.base.runs import RunFolder
from adiabat.properties import (
    Standardizer,
    Table,
    audit,
)
from adiabat.properties.censored import to_fit
from adiabat.properties.evaluate import Score, class_scores, scores
from adiabat.properties.holdout import ClassesHoldout, Holdout, hold_out, hold_out_classes
from adiabat.properties.inputs import (
    Input,
    computed_inputs,
    encode,
    find_inputs,
    keeping,
    with_molecules,
)
from adiabat.properties.leakage import Leakage
from adiabat.properties.message_passing import MessagePassing
from adiabat.properties.model import (
    BASELINES,
    MODEL_NAME,
    CrossValidation,
    Prediction,
    PropertyModel,
    described,
    fit_property_model,
    save_property_model,
)
from adiabat.properties.molecules import Molecules
from adiabat.properties.predictor import AbstractPredictor, Estimate, predictors
from adiabat.properties.pretrained import SCRATCH, load_pretrained
from adiabat.properties.reaction_splits import audit_reactions
from adiabat.properties.reaction_standardizer import ReactionStandardizer
from adiabat.properties.reactions import Reactions
from adiabat.properties.reversible import fit_kind
from adiabat.properties.student import Student
from adiabat.properties.table import columns_of_relations
from adiabat.properties.targets import find_targets, folds_of, labels_of, wide
from adiabat.tasks.precision import enable
from adiabat.tasks.property_files import as_csv, predictions_csv
from adiabat.tasks.property_parts import BY_COLUMN, AnyStandardizer, Parts, read_parts, strings_of
from adiabat.tasks.train import REPORT_NAME

PREDICTIONS, REJECTED, SPLIT = "predictions.csv", "rejected.csv", "split.json"
# What GFN2-xTB and the learned potential said.
COMPUTED = "computed.jsonl"
# Not by default the additive networks: they explain themselves exactly, and predict worse.
KINDS = (*BASELINES, "multi-kernel", "graph")
_NETWORKS = ("graph", "additive")
SPLITS = ("random", "scaffold", "cluster", "none", *BY_COLUMN)

Fitted = dict[str, tuple[AbstractPredictor, Estimate]]


@dataclass(frozen=True)
class PropertyTraining:
    """A finished training of a property model.

    Attributes:
        model: the weighed predictors.
        tests: of each target on the test part; empty without one.
        validated: scores of the training molecules by predictors that had not seen them, by target, then by
            column of several classes.
        folder: of the run.
        classes: as `tests`, of each column of several classes.
    """

    model: PropertyModel
    tests: dict[str, Holdout]
    validated: dict[str, dict[str, Score]]
    folder: Path
    classes: dict[str, ClassesHoldout] = field(default_factory=dict)

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.folder / REPORT_NAME


def train_property(
    data: str | os.PathLike,
    *,
    out: str | os.PathLike,
    smiles: str = "smiles",
    reaction: str | None = None,
    targets: Sequence[str] = (),
    positive: Sequence[str] = (),
    balance: str | None = None,
    units: Sequence[str] = (),
    relations: Sequence[str] = (),
    inputs: Sequence[str] = (),
    solvents: Sequence[str] = (),
    temperatures: Sequence[str] = (),
    split: str = "random",
    by: str | None = None,
    test: str | os.PathLike | None = None,
    kinds: Sequence[str] = KINDS,
    tautomers: bool = False,
    xtb: bool = False,
    embedding: bool = False,
    start: str | os.PathLike = SCRATCH,
    seed: int = 0,
    resume: bool = False,
    force: bool = False,
) -> PropertyTraining:
    """Reads and standardizes a table, splits it, fits predictors, weighs them by cross-validation, tests, and
    writes a run folder with model, predictions and report.

    Args:
        data: a CSV, TSV or Parquet file with a header.
        out: the run folder.
        smiles: its column of molecules.
        reaction: its column of reactions, instead of molecules.
        targets: its columns of measured values; cells such as `<5` are limits.
        positive: of targets of two words the one that is predicted the probability of; by default the one
            without a negation, else the second in the alphabet.
        balance: a column that says by how much the target is larger than that of the reverse reaction: the
            reaction energy of a barrier, the logarithm of the equilibrium constant of one of a rate constant.
            Predictions then agree in both directions. It is a target too, in the same unit, and may be the
            only one.
        units: of the targets, for the report.
        relations: of each target the column that has the sign of its limits (<, >), where it is not in the
            cells themselves.
        inputs: columns that the values depend on as well: numbers or a few different words.
        solvents: such columns with SMILES strings.
        temperatures: such columns of temperatures, in K or with their unit.
        split: how the test part is chosen: random, scaffold, cluster, by a column (time, group, file), or
            none.
        by: that column; one of a file says train, valid or test.
        test: another file to test with, instead of a split.
        kinds: of predictors.
        tautomers: write one tautomer for all.
        xtb: ask GFN2-xTB of each molecule (`adiabat.properties.quantum`), and give all predictors what it
            says. What it cannot treat is left out.
        embedding: give all predictors what the general potential makes of the molecule's atoms too
            (`adiabat.properties.embedding`). Molecules with elements that it does not know are left out.
        start: message passing that the graph networks begin with: a file, a run folder of
            `pretrain_property`, "general" for the one that comes with adiabat, "scratch" for random weights.
        seed: of everything random.
        resume: go on with the run in the folder.
        force: start over in a folder that holds a run.

    Raises:
        ConfigError: a column, split or kind that does not exist.
        DataError: a file that cannot be read or taught from.
    """
    environment = enable()
    if balance and targets and len(units) == 1:
        units = [*units, *units]  # a difference has the unit of what it is one of
    targets = [*targets, *([balance] if balance else [])]
    _check(split, by, kinds, targets)
    if test is not None and split not in ("random", "none"):
        raise ConfigError(
            f"a file to test with takes the place of the split {split!r}", "leave --split or --test out"
        )
    if balance and (reaction is None or len(targets) > 2):
        raise ConfigError(
            "a balance belongs to one target of a reaction", "give --reaction COLUMN and at most one --target"
        )
    config: dict[str, Any] = {
        "data": os.fspath(data),
        "smiles": reaction or smiles,
        "targets": list(targets),
        "units": list(units),
        "inputs": list(inputs),
        "solvents": list(solvents),
        "split": split,
        "kinds": list(kinds),
        "tautomers": tautomers,
        "seed": seed,
    }
    config |= {"reactions": True} if reaction else {}
    config |= {"balance": balance} if balance else {}
    config |= {"positive": list(positive)} if positive else {}
    config |= {"relations": list(relations)} if relations else {}
    config |= {"temperatures": list(temperatures)} if temperatures else {}
    config |= {"xtb": True} if xtb else {}
    config |= {"embedding": True} if embedding else {}
    config |= {"start": os.fspath(start)} if start != SCRATCH else {}
    config |= {"by": by} if by else {}
    config |= {"test": os.fspath(test)} if test else {}
    if reaction and (xtb or embedding or start != SCRATCH):
        raise ConfigError(
            "what is computed of molecules is no help with reactions",
            "leave --xtb, --embedding and --from out",
        )
    computed = computed_inputs(xtb=xtb, embedding=embedding)
    messages = None if start == SCRATCH else load_pretrained(start).messages
    makes = (PREDICTIONS, REJECTED, SPLIT, COMPUTED)
    with (
        RunFolder.create(out, "property", config, resume=resume, force=force, makes=makes) as run,
        keeping(run.path / COMPUTED) if computed else nullcontext(),
    ):
        run.note(**environment)
        standardizer = ReactionStandardizer() if reaction else Standardizer(tautomers=tautomers)
        parts = read_parts(config, standardizer, computed)
        named = [config["smiles"], *targets, *relations]
        parts = replace(parts, signs=columns_of_relations(data, named))
        # What cannot be taught from is said before anything is left in the folder.
        parts = parts.teachable(reversible=balance is not None)
        given = [*inputs, *solvents, *temperatures]
        asked = find_inputs(strings_of(parts.train), given, solvents, temperatures)
        parts = parts.answerable(asked)
        found = (*asked, *computed)
        molecules = _molecules(parts.train, found, standardizer)
        rejected = as_csv(["row", "smiles", "reason", "file"], parts.rejected(config))
        atomic_write(run.path / REJECTED, rejected)
        atomic_write(run.path / SPLIT, json.dumps(parts.split))
        fitted = _fit_kinds(run, parts.train, molecules, kinds, seed, messages)
        model, validation = fit_property_model(
            parts.train,
            molecules,
            kinds=kinds,
            inputs=found,
            standardizer=standardizer,
            reversible=balance is not None,
            seed=seed,
            fitted=fitted,
        )
        return _finish(run, parts, model, validation, fitted, molecules)


def _check(split: str, by: str | None, kinds: Sequence[str], targets: Sequence[str]) -> None:
    if split not in SPLITS:
        raise ConfigError(f"there is no split {split!r}", f"choose one of {', '.join(SPLITS)}")
    if (split in BY_COLUMN) != (by is not None):
        ways = ", ".join(BY_COLUMN)
        raise ConfigError(
            f"the split {split!r} {'needs a column' if by is None else 'takes no column'}",
            f"--by COLUMN belongs to {ways}",
        )
    for kind in kinds:
        predictors.get(kind)
        if kind == Student.kind:
            raise ConfigError(
                "a student learns from a model, not from a table", "see adiabat property distill"
            )
    if len(set(targets)) < len(targets):
        raise ConfigError("a target is named twice")


def _molecules(table: Table, inputs: Sequence[Input], standardizer: AnyStandardizer) -> Molecules:
    columns = with_molecules(inputs, strings_of(table), table.smiles)
    return described(standardizer, table.smiles, encode(inputs, columns, len(table), table.rows))


def _fit_kinds(
    run: RunFolder,
    table: Table,
    molecules: Molecules,
    kinds: Sequence[str],
    seed: int,
    start: MessagePassing | None,
) -> Fitted:
    """Each kind fitted; what was fitted before an interruption is taken from the checkpoint."""
    reversible = "balance" in run.config
    targets = find_targets(table, reversible=reversible)
    labels = labels_of(table, targets, reversible=reversible)
    folds = folds_of(table.smiles, seed)
    store = run.checkpoints("property")
    done = _restored(store.latest())
    with (
        progress("fitting", total=len(kinds), unit="models", completed=len(done)) as bar,
        interruptible() as stop,
    ):
        for kind, learned in to_fit(kinds, molecules, labels, folds, done, seed):
            # Only a network takes long enough to say how far it is.
            told: dict[str, Any] = {}
            if kind in _NETWORKS:
                told = {"on_epoch": lambda k, n, _: bar.advance(0, epoch=f"{k}/{n}"), "start": start}
            done[kind] = fit_kind(kind, molecules, learned, folds, seed, **told)
            store.save(len(done), *_stored(done))
            bar.advance(last=kind)
            if stop.requested:
                break
    return done


def _stored(done: Fitted) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    arrays, settings = {}, {}
    for kind, (model, outside) in done.items():
        own, settings[kind] = model.stored()
        arrays |= {f"{kind}/model/{name}": array for name, array in own.items()}
        arrays |= {f"{kind}/outside/{name}": array for name, array in outside._asdict().items()}
    return arrays, settings


def _restored(checkpoint: Any) -> Fitted:
    if checkpoint is None:
        return {}
    done: Fitted = {}
    for kind, settings in checkpoint.header.items():
        start = f"{kind}/model/"
        own = {k.removeprefix(start): v for k, v in checkpoint.arrays.items() if k.startswith(start)}
        outside = Estimate(*(checkpoint.arrays[f"{kind}/outside/{name}"] for name in Estimate._fields))
        done[kind] = predictors.get(kind).restored(own, settings), outside
    return done


def _finish(
    run: RunFolder,
    parts: Parts,
    model: PropertyModel,
    validation: CrossValidation,
    fitted: Fitted,
    molecules: Molecules,
) -> PropertyTraining:
    """Tests, files and report."""
    tests, classes, prediction, leakage = {}, {}, None, None
    if parts.test is not None:
        asked = _molecules(parts.test, model.inputs, model.standardizer)
        prediction = model.predict(asked)
        others = {kind: one for kind, (one, _) in fitted.items()}
        tests = hold_out(model, others, (parts.train, molecules), (parts.test, asked), prediction)
        classes = hold_out_classes(model, others, (parts.test, asked), prediction)
        leakage = asdict(_audit(molecules, asked))
    said, known = validation.values["stack"], parts.train.measured
    validated = {
        target.name: scores(
            parts.train.values[known[:, k], k], said[known[:, k], k], is_class=target.is_class
        )
        for k, target in enumerate(model.targets)
    }
    for one in model.classes:
        rows = known[:, one.places].all(axis=1)
        validated[one.name] = class_scores(parts.train.values[rows][:, one.places], said[rows][:, one.places])
    model = replace(model, summary=_summary(run, parts, model, tests, classes, validated, leakage))
    save_property_model(run.path / MODEL_NAME, model)
    table = predictions_csv(model, parts.train, validation, parts.test, prediction)
    atomic_write(run.path / PREDICTIONS, table)
    run.result(**model.summary)
    _report(run, parts, model, tests, classes, validation, prediction)
    return PropertyTraining(model, tests, validated, run.path, classes)


def _audit(train: Molecules, test: Molecules) -> Leakage:
    if isinstance(train, Reactions) and isinstance(test, Reactions):
        return audit_reactions(train, test)
    return audit(train.smiles, test.smiles)


def _summary(
    run: RunFolder,
    parts: Parts,
    model: PropertyModel,
    tests: Mapping[str, Holdout],
    classes: Mapping[str, ClassesHoldout],
    validated: Mapping[str, Mapping[str, Score]],
    leakage: Mapping[str, float] | None,
) -> dict[str, Any]:
    """What the model card says, as JSON holds it."""
    tested: dict[str, Holdout | ClassesHoldout] = {**tests, **classes}
    begun = (
        {"start": run.config["start"]}
        if "start" in run.config and set(_NETWORKS) & set(model.members)
        else {}
    )
    return {
        "data": run.config["data"],
        "split": run.config.get("test") or run.config["split"],
        "n_train": len(parts.train),
        "n_test": 0 if parts.test is None else len(parts.test),
        "n_train_values": _counted(parts.train),
        "n_test_values": {} if parts.test is None else _counted(parts.test),
        "n_rejected": len(parts.curation.table.rejected),
        **({"n_rejected_test": len(parts.tested.table.rejected)} if parts.tested else {}),
        "n_merged": parts.curation.merged,
        "n_conflicts": len(parts.curation.conflicts),
        "weights": {
            kind: [round(float(w), 3) for w in row]
            for kind, row in zip(model.members, model.weights, strict=True)
        },
        "cross_validation": _valued(validated),
        "test": _valued({name: one.scores.get("model", {}) for name, one in tested.items()}),
        "coverage": {
            name: {f"{level:.0%}": round(share, 3) for level, share in one.coverage.items()}
            for name, one in tested.items()
        },
        **({"classes": {one.name: list(one.words) for one in model.classes}} if model.classes else {}),
        "limits": {
            name: {"n": one.limits[0], "right_side": round(one.limits[1], 3)}
            for name, one in tests.items()
            if one.limits[0]
        },
        "leakage": dict(leakage or {}),
        **({"targets_left_out": parts.untaught} if parts.untaught else {}),
        **({"wide": spans} if (spans := wide(parts.train)) else {}),
        **({"signs_not_used": list(parts.signs)} if parts.signs else {}),
        **({"limits_left_out": {str(one.row): one.reason for one in parts.odd}} if parts.odd else {}),
        **begun,
    }


def _counted(table: Table) -> dict[str, int]:
    """How many values of each target errors are of: neither gaps nor limits."""
    counts = dict(zip(table.targets, table.measured.sum(axis=0).tolist(), strict=True))
    return counts | {
        name: counts[table.targets[next(iter(own.values()))]] for name, own in table.several.items()
    }


def _valued(found: Mapping[str, Mapping[str, Score]]) -> dict[str, dict[str, float]]:
    return {name: {figure: score.value for figure, score in one.items()} for name, one in found.items()}


def _report(
    run: RunFolder,
    parts: Parts,
    model: PropertyModel,
    tests: Mapping[str, Holdout],
    classes: Mapping[str, ClassesHoldout],
    validation: CrossValidation,
    prediction: Prediction | None,
) -> None:
    from adiabat.report import Page, provenance_sections
    from adiabat.report.properties import property_sections

    what = "reactions" if isinstance(model.standardizer, ReactionStandardizer) else "molecules"
    names = dict.fromkeys(target.column or target.name for target in model.targets)
    page = Page(", ".join(names), f"{len(parts.train)} {what} learned")
    page.add(
        *property_sections(
            model=model,
            curation=parts.curation,
            tested=parts.tested,
            train=parts.train,
            test=parts.test,
            tests=tests,
            classes=classes,
            validation=validation,
            prediction=prediction,
        )
    )
    page.add(*provenance_sections(run.provenance))
    page.write(run.path / REPORT_NAME)
