"""`adiabat train`: from labelled structures to a model with known errors."""

import logging
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from adiabat.base import ConfigError, DataError
from adiabat.base.runs import RunFolder
from adiabat.base.schema import build, resolve
from adiabat.base.units import parse
from adiabat.data import (
    Sample,
    describe,
    find_isolated_atoms,
    open_samples,
    preflight,
    preflight_head,
    read_samples,
    split,
    without_isolated_atoms,
)
from adiabat.data.read import LABELS
from adiabat.data.stored import elements_of
from adiabat.networks import MODEL_NAME, load_model, networks, of_size, save_model, shape_of
from adiabat.tasks.heads import KEPT, MAKES, evaluate_heads, kept, model_name, read_heads, structures_to_keep
from adiabat.tasks.precision import enable
from adiabat.tasks.prepare import PREPARATION, prepared
from adiabat.training import Evaluation, Head, Trainer, TrainingOptions, evaluate
from adiabat.training.batches import Bucket
from adiabat.training.memory import check_memory
from adiabat.training.start import SCRATCH, starting_point

if TYPE_CHECKING:
    from adiabat.networks import LearnedPotential

logger = logging.getLogger(__name__)
FEWEST_FRAMES = 10
REPORT_NAME = "report.html"


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """What is trained on.

    Args:
        train: files with energies and forces.
        heads: files with labels of other methods by the name of each: they are trained on beside, and each
            gets a model of its own. A part of each is held out for its errors.
        keep: structures of which the model that the training goes on from says something that is to be kept,
            in a model of its own; whatever their labels are.
        valid: a file that chooses among the weights; by default a part of the training files.
        test: files the errors are reported for.
        scan: files whose frames follow a path, such as a torsion or a reaction: energies along it are
            compared as well.
        valid_fraction: the part taken when no file is given.
        energy_key: where the energies are, when that is not clear.
        forces_key: likewise for forces.
        stress_key: likewise for stresses; "none" to leave them out.
        dipole_key: likewise for the dipoles of molecules [e Å].
        isolated_atoms: a file with the energies of free atoms; frames of one atom in the training files count
            too.
        preflight: check the data before training; errors stop the run.
    """

    train: list[str]
    heads: dict[str, list[str]] = field(default_factory=dict)
    keep: str | None = None
    valid: str | None = None
    test: list[str] = field(default_factory=list)
    scan: list[str] = field(default_factory=list)
    valid_fraction: float = 0.05
    energy_key: str | None = None
    forces_key: str | None = None
    stress_key: str | None = None
    dipole_key: str | None = None
    isolated_atoms: str | None = None
    preflight: bool = True

    def __post_init__(self):
        for name in self.heads:
            if not re.fullmatch(r"[A-Za-z0-9_-]+", name) or name == KEPT:
                raise ConfigError(
                    f"a head cannot be called {name!r}",
                    f"letters, digits, - and _ make a name; {KEPT!r} is that of --keep",
                )

    def keys(self) -> dict[str, str | None]:
        """The names of the labels, as the functions that read samples take them."""
        return {f"{label}_key": getattr(self, f"{label}_key") for label in LABELS}

    def read(self, path: str | Sequence[str], *require: str) -> list[Sample]:
        """The samples of files, with these keys."""
        return read_samples(path, **self.keys(), require=require or ("energy", "forces"))


# The tables of a configuration file: name, what is built from it, the kind when the table names none.
SECTIONS = (("data", DataOptions), ("model", networks, "cartesian"), ("training", TrainingOptions))


@dataclass(frozen=True)
class Training:
    """A finished training.

    Attributes:
        potential: the model with the best weights, for the method of the main labels.
        metrics: errors of each set ("valid", the name of each test file, and "valid NAME" of each head).
        folder: of the run.
        steps: how many were done.
        minutes: wall-clock time of this call.
    """

    potential: "LearnedPotential"
    metrics: dict[str, dict[str, float | int]]
    folder: Path
    steps: int
    minutes: float

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.folder / REPORT_NAME


def train(
    data: str | Sequence[str] | None = None,
    *,
    out: str | os.PathLike,
    valid: str | None = None,
    test: str | Sequence[str] | None = None,
    scan: str | Sequence[str] | None = None,
    minutes: float | None = None,
    steps: int | None = None,
    seed: int | None = None,
    size: Literal["fast", "accurate"] | None = None,
    start: str | os.PathLike | None = None,
    heads: Mapping[str, str | Sequence[str]] | None = None,
    keep: str | os.PathLike | None = None,
    long_range: bool | None = None,
    config: Mapping[str, Mapping[str, Any]] | None = None,
    resume: bool = False,
    force: bool = False,
) -> Training:
    """Check the data, fit a network for some minutes, evaluate it and write a run folder with model and
    report.

    Args:
        data: one or several files with energies and forces.
        out: the run folder.
        valid: a file that chooses among the weights; by default a part of `data`.
        test: files whose errors are reported.
        scan: files whose frames follow a path; the energies along it are reported as well.
        minutes: wall-clock time of the whole training; 8 by default.
        steps: number of steps, instead of minutes.
        seed: of weights and batches; 0 by default.
        size: "fast" or "accurate" (the default).
        start: a model to go on from, "general" for the one that comes with adiabat, "scratch" for fresh
            weights; by default these, which for a few organic molecules, or clusters of them out of a liquid
            or crystal, learn labels of GFN2-xTB first.
        heads: files with labels of other methods, by the name of each, that are trained on beside.
        keep: a file of structures of which the model to go on from is not forgotten.
        long_range: learn charges of the atoms, with their Coulomb energy at all distances; not by default.
        config: tables "data", "model", "training" of settings; the arguments above come first.
        resume: go on with the run in the folder.
        force: start over in a folder that holds a run.

    Raises:
        ConfigError: an unknown or senseless setting.
        DataError: a file that cannot be read, or data that cannot be right.
        ConvergenceError: the training diverged.
    """
    began = time.monotonic()
    environment = enable()
    given = {
        "minutes": minutes,
        "steps": steps,
        "seed": seed,
        "start": None if start is None else str(start),
        "long_range": long_range,
    }
    settings = _settings(
        config or {},
        {"train": data, "test": test, "scan": scan, "valid": valid, "keep": keep},
        heads=heads or {},
        size=size,
        training=given,
    )
    options = build(DataOptions, settings["data"], where="data")
    fitting = build(TrainingOptions, settings["training"], where="training")
    makes = (*PREPARATION, *MAKES)
    with RunFolder.create(
        out, "train", settings, resume=resume, force=force, seed=fitting.seed, makes=makes
    ) as run:
        run.note(**environment)
        cutoff = parse(settings["model"].get("cutoff", 5.0), "length")
        sets, isolated = read_sets(options, fitting.seed, cutoff)
        others = read_heads(options, cutoff, fitting.seed)
        bytes_per_edge = networks.get(settings["model"]["kind"]).bytes_per_edge(settings["model"])
        for samples in (sets["train"], *(head.train for head in others)):
            check_memory(samples, cutoff, fitting.atoms_per_batch, bytes_per_edge)
        findings = _preflight(run, sets, others, cutoff) if options.preflight else []
        before, others = _begin(run, sets["train"], others, options, fitting, settings["model"], began)
        trainer = Trainer(
            sets["train"],
            sets["valid"],
            network=settings["model"],
            options=fitting,
            run=run,
            isolated_atoms=isolated,
            start=before,
            held=bool(run.results.get("prepared_on")),
            others=others,
            began=began,
        )
        for sample in (sample for name in sets if name != "train" for sample in sets[name]):
            trainer.begun[0].check(sample.system)  # before the training, not after it
        n_tests = sum(len(sets[name]) for name in sets if name not in ("train", "valid"))
        n_tests += sum(len(head.valid) for head in others)
        made = trainer.fit_heads(n_tests)
        evaluations = evaluate_sets(made[0], sets, options, compiled=trainer.train.buckets)
        evaluations |= evaluate_heads(made[1:], others, compiled=trainer.train.buckets)
        return _finish(run, made, evaluations, sets["train"], others, findings, began)


def _begin(
    run: RunFolder,
    samples: Sequence[Sample],
    others: Sequence[Head],
    options: DataOptions,
    fitting: TrainingOptions,
    network: Mapping[str, Any],
    began: float,
) -> tuple["LearnedPotential | None", list[Head]]:
    """The potential to go on from, if any, and the other heads with that of what is not to be forgotten."""
    keep = structures_to_keep(options)
    # What the run was begun from stays, whatever the default has become.
    chosen = fitting.start or run.results.get("begun_from")
    beside = [*(head.train for head in others), keep]
    before, begun_from = starting_point(chosen, samples, beside)
    run.result(begun_from=begun_from)
    heads = list(others)
    if keep:
        heads.append(kept(keep, begun_from, run, options.valid_fraction, fitting.seed))
    if fitting.start is None and fitting.steps is None and not heads:
        before = prepared(run, samples, network, fitting, began)
    return before, heads


def _settings(
    config: Mapping[str, Mapping[str, Any]], files: Mapping[str, Any], **given: Any
) -> dict[str, dict[str, Any]]:
    """The tables of the configuration with the arguments put in, checked and with their defaults."""
    tables = {name: dict(config.get(name, {})) for name in ("data", "model", "training")}
    several = {name: files[name] for name in ("train", "test", "scan") if files[name] is not None}
    tables["data"] |= {name: _listed(value) for name, value in several.items()}
    tables["data"] |= {name: str(files[name]) for name in ("valid", "keep") if files[name] is not None}
    if given["heads"]:
        tables["data"]["heads"] = {name: _listed(value) for name, value in given["heads"].items()}
    if "train" not in tables["data"]:
        raise ConfigError(
            "there is nothing to train on", 'pass --data FILE, or write [data] train = ["FILE"]'
        )
    if given["size"] is not None:
        tables["model"] |= of_size(given["size"])
    tables["training"] |= {name: value for name, value in given["training"].items() if value is not None}
    if tables["training"].get("start") not in (None, SCRATCH):
        # Only what differs from the defaults was asked for.
        defaults = resolve(networks, {"kind": "cartesian"}, "model")
        asked = {name: value for name, value in tables["model"].items() if defaults.get(name) != value}
        tables["model"] = shape_of(load_model(tables["training"]["start"])) | asked
    tables["model"].setdefault("kind", "cartesian")
    targets = {"data": DataOptions, "model": networks, "training": TrainingOptions}
    resolved = {name: resolve(targets[name], table, name) for name, table in tables.items()}
    if resolved["training"]["steps"] is not None:
        resolved["training"]["minutes"] = None  # has no say
    return {name: {k: v for k, v in table.items() if v not in (None, {})} for name, table in resolved.items()}


def _listed(files: str | os.PathLike | Sequence[str | os.PathLike]) -> list[str]:
    """The names of one or several files."""
    return [str(file) for file in ([files] if isinstance(files, (str, os.PathLike)) else files)]


def read_sets(
    options: DataOptions, seed: int, cutoff: float
) -> tuple[dict[str, Sequence[Sample]], dict[int, float] | None]:
    """The training, validation and test sets by name, and the energies of the free atoms that were found.

    A training set of large HDF5 files stays there, and is looked at with the `cutoff` of the network [Å].
    """
    samples = open_samples(options.train, cutoff=cutoff, **options.keys())
    isolated = find_isolated_atoms(samples)
    if options.isolated_atoms is not None:
        isolated |= find_isolated_atoms(options.read(options.isolated_atoms, "energy"))
    samples = without_isolated_atoms(samples)
    if options.valid is not None:
        sets = {"train": samples, "valid": _structures(options, options.valid)}
    else:
        train, valid = split(samples, options.valid_fraction, seed=seed)
        sets = {"train": train, "valid": valid}
    if len(sets["train"]) + len(sets["valid"]) < FEWEST_FRAMES:
        raise DataError(
            f"there are {len(sets['train'])} frames to train on and {len(sets['valid'])} to validate with; "
            f"a training needs {FEWEST_FRAMES} in all",
            "label more structures (adiabat label), or have adiabat learn choose them",
        )
    for path in (*options.test, *options.scan):
        name = Path(path).stem
        sets[name if name not in sets else path] = _structures(options, path, "energy")
    elements = elements_of(sets["train"])
    if isolated and not elements <= set(isolated):
        logger.warning("free-atom energies of some elements are missing: all are fitted to the compositions")
    return sets, isolated if elements <= set(isolated) else None


def evaluate_sets(
    potential: "LearnedPotential",
    sets: Mapping[str, Sequence[Sample]],
    options: DataOptions,
    compiled: Sequence[Bucket] = (),
) -> dict[str, Evaluation]:
    """What a potential says of every set but the training set; sets as `read_sets` made them."""
    names = [name for name in sets if name != "train"]
    paths = names[len(names) - len(options.scan) :]  # they were read last
    found = {name: evaluate(potential, sets[name], compiled=compiled) for name in names}
    return found | {name: replace(found[name], is_path=True) for name in paths}


def _structures(options: DataOptions, path: str, *require: str) -> Sequence[Sample]:
    """The samples of a file but for free atoms, which have nothing to be right or wrong about.

    Raises:
        DataError: none is left.
    """
    samples = without_isolated_atoms(options.read(path, *require))
    if not samples:
        raise DataError(f"{path} holds free atoms only", "give their energies as data.isolated_atoms")
    return samples


def _preflight(
    run: RunFolder, sets: Mapping[str, Sequence[Sample]], others: Sequence[Head], cutoff: float
) -> list[Any]:
    """Check the data; errors stop the run, the rest is shown and kept for the report."""
    tests = [sample for name, samples in sets.items() if name not in ("train", "valid") for sample in samples]
    checked = preflight(sets["train"], sets["valid"], tests, cutoff=cutoff)
    held_out = [*sets["valid"], *tests]
    for head in others:
        checked += preflight_head(head.name, head.train, head.valid, held_out, cutoff)
    run.log("preflight", **checked.as_dict())
    for finding in checked.findings:
        if finding.level == "warning":
            logger.warning("%s: %s", finding.title, finding.detail)
    checked.raise_errors()
    return list(checked.findings)


def _finish(
    run: RunFolder,
    made: Sequence["LearnedPotential"],
    evaluations: dict[str, Evaluation],
    trained_on: Sequence[Sample],
    others: Sequence[Head],
    findings: list[Any],
    began: float,
) -> Training:
    """Write the models with what is known of them, the results and the report."""
    metrics = {name: evaluation.metrics for name, evaluation in evaluations.items()}
    steps = run.results["steps"]
    description = describe(trained_on)
    training = {
        "n_structures": len(trained_on),
        "steps": steps,
        "seed": run.info["seed"],
        "begun_from": run.results["begun_from"],
        "prepared_on": run.results.get("prepared_on", 0),
    }
    if others:
        training["heads"] = {head.name: len(head.train) for head in others}
    potential = made[0].with_summary({"training": training, "errors": metrics})
    for head, other in zip(others, made[1:], strict=True):
        of_head = training | {"n_structures": len(head.train), "head": head.name}
        errors = {"valid": metrics[f"valid {head.name}"]}
        save_model(
            run.path / model_name(head.name), other.with_summary({"training": of_head, "errors": errors})
        )
    save_model(run.path / MODEL_NAME, potential)
    run.result(metrics=metrics, data=description)
    _write_report(run, potential, evaluations, description, findings)
    run.result(minutes=run.minutes)
    minutes = (time.monotonic() - began) / 60
    return Training(potential, metrics, run.path, steps, minutes)


def _write_report(
    run: RunFolder,
    potential: "LearnedPotential",
    evaluations: dict[str, Evaluation],
    description: dict[str, Any],
    findings: list[Any],
) -> None:
    from adiabat.report import Page, data_sections, provenance_sections, training_sections

    page = Page(f"Training of {run.path.name}", f"{description['n_structures']} structures")
    page.add(
        *training_sections(history=run.read("metrics"), evaluations=evaluations, summary=potential.summary)
    )
    page.add(*data_sections(description, findings))
    page.add(*provenance_sections(run.provenance))
    page.write(run.path / REPORT_NAME)
