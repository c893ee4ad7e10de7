"""The page that `adiabat learn` ends with."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from adiabat.base.runs import RunFolder
from adiabat.data import Sample
from adiabat.dynamics import TRAJECTORY_FILE
from adiabat.networks import LearnedPotential
from adiabat.report import Page, data_sections, dynamics_sections, provenance_sections, training_sections
from adiabat.report.cards import Facts, Frame, Section, Table, Text, Verdict, Viewer
from adiabat.report.measurements import Measurements
from adiabat.tasks.motions import trajectory_motion
from adiabat.training import Evaluation

CITATIONS = {
    "gfn2": "C. Bannwarth, S. Ehlert, S. Grimme, GFN2-xTB, doi:10.1021/acs.jctc.8b01176",
    "gfn1": "S. Grimme, C. Bannwarth, P. Shushkov, GFN1-xTB, doi:10.1021/acs.jctc.7b00118",
}
MAX_REFERENCES = 2000


def write(
    path: Path,
    *,
    run: RunFolder,
    potential: LearnedPotential,
    evaluations: Mapping[str, Evaluation],
    minima: Sequence[Sample],
    train: Sequence[Sample],
    valid: Sequence[Sample],
    description: Mapping[str, Any],
    failure: str | None = None,
) -> None:
    """Writes the page: verdicts, errors, dynamics, labels, reproduction.

    Args:
        path: of the page.
        run: the run.
        potential: the model.
        evaluations: on each test set, by name, the training's temperature first.
        minima: relaxed conformers.
        train: what the model was fitted to.
        valid: what chose among its weights.
        description: of the training set.
        failure: why the dynamics ended before its time.
    """
    config = run.config
    page = Page(f"A force field for {config['molecule']}", f"learned from {config['method']}")
    page.add(
        *training_sections(history=run.read("metrics"), evaluations=evaluations, summary=potential.summary)
    )
    if failure is not None:
        bar = "good when the simulation reaches its end"
        page.add(Section("Dynamics", [Text(failure)], verdicts=[Verdict("Stability", "failed", "poor", bar)]))
    page.add(*_dynamics(run, train))
    page.add(_sampling(run, minima, [*train, *valid], evaluations), *data_sections(description, ()))
    citations = [CITATIONS[config["method"]]] if config["method"] in CITATIONS else []
    page.add(*provenance_sections({**run.provenance, "citations": citations}))
    page.write(path)


def _dynamics(run: RunFolder, train: Sequence[Sample]) -> list[Section]:
    """Sections on the simulations that are there."""
    chosen = train[:: -(-len(train) // MAX_REFERENCES)]
    references = [np.asarray(sample.system.positions) for sample in chosen]
    temperature = run.config["temperature"]
    sections = []
    for name in ("nvt", "nve"):
        file = run.path / name / TRAJECTORY_FILE
        if file.exists():
            motion = trajectory_motion(file)
            sections += dynamics_sections(
                title=f"{name.upper()} at {temperature:g} K",
                numbers=motion.numbers,
                trajectory=motion,
                reference_positions=references,
                measurements=Measurements(motion),
            )
    return sections


def _sampling(
    run: RunFolder, minima: Sequence[Sample], labels: Sequence[Sample], evaluations: Mapping[str, Evaluation]
) -> Section:
    """How structures were chosen and how the test sets were made."""
    plan, method = run.results["sampling"], run.config["method"]
    counts = Counter((str(s.info.get("origin")), s.info.get("temperature")) for s in labels)
    rows = [
        [origin, "–" if temperature is None else f"{temperature:g} K", str(count)]
        for (origin, temperature), count in sorted(counts.items(), key=lambda item: str(item[0]))
    ]
    energies = np.array([float(sample.energy or 0.0) for sample in minima])
    frames = [
        Frame(
            positions=np.asarray(s.system.positions) - np.asarray(s.system.positions).mean(axis=0),
            label=f"{1000 * (energy - energies.min()):.0f} meV",
            numbers=np.asarray(s.system.numbers),
        )
        for s, energy in zip(minima, energies, strict=True)
    ]
    facts: dict[str, Any] = {f"dropped: {why}": str(n) for why, n in run.results.get("dropped", {}).items()}
    facts |= {f"{run.config['method']} failed: {why}": str(n) for why, n in run.results["failures"].items()}
    tests = "; ".join(f"{len(e.energies)} at {name}" for name, e in evaluations.items())
    explorer = run.results["explored_by"]
    known = "" if explorer == method else f"Dynamics with the {explorer} model came by most of them. "
    lead = (
        f"{len(labels)} structures labelled with {method}. {known}"
        f"Test structures ({tests}) are frames of separate {method} trajectories, {plan['test_replicas']} at "
        "each temperature. They start with velocities of their own, from other conformers where there are "
        "any, and are equilibrated for 0.1 ps; none is a neighbor in time of a training structure."
    )
    cards: list[Any] = [
        Table(["source", "temperature", "structures"], rows, "Training and validation structures."),
        Viewer(frames, "The minima found, with their energies above the lowest", title="Conformers"),
    ]
    return Section("Sampling", [*cards, *([Facts(facts, title="Not used")] if facts else [])], lead=lead)
