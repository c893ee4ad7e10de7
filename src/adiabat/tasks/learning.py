"""The stages of `adiabat learn`: each writes a product into the run folder; skipped once it is there."""

import logging
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from adiabat.base import SimulationError
from adiabat.base.progress import progress
from adiabat.base.runs import RunFolder
from adiabat.data import Sample, describe, read_samples, write_samples
from adiabat.data.labelers import AbstractLabeler, LabelCache, is_labelled, labelers
from adiabat.dynamics import Langevin, VelocityVerlet
from adiabat.generate import Filter, Plan, Surface, make_plan, minima
from adiabat.generate.datasets import held_out_sets, split_by_trajectory, training_frames
from adiabat.generate.sources import tagged
from adiabat.generate.torsions import turnable_bonds
from adiabat.networks import GENERAL, MODEL_NAME, LearnedPotential, load_model, save_model, shape_of
from adiabat.system import System
from adiabat.system.smiles import conformers
from adiabat.tasks.simulate import Run, simulate
from adiabat.tasks.visited import FRICTION, TIMESTEP, model_trajectories
from adiabat.training import Evaluation, Trainer, TrainingOptions, evaluate
from adiabat.training.batches import Bucket
from adiabat.training.start import SCRATCH, general_for, starting_point

logger = logging.getLogger(__name__)
STRUCTURES, TRAIN, VALID = "structures.xyz", "train.xyz", "valid.xyz"
CACHE, REPORT = "labels.cache", "report.html"
NVT, NVE = "nvt", "nve"
MAKES = (STRUCTURES, TRAIN, VALID, "test_*K.xyz", CACHE, NVT, NVE)
# Shares of the time: labelling; dynamics, evaluation and the report at the end. Training gets what is left.
LABELLING, AFTERWARDS = 0.22, 0.15
LEAST_TRAINING = 0.4
MIN_STEPS, MAX_STEPS = 2000, 400_000
RECORD_EVERY = 10
# The test sets start from conformers of another embedding than the training set's.
OTHER_EMBEDDING = 104_729
# The general model runs the trajectories for the training set, so many steps each and so far from frame to
# frame at least, where its forces are off by less than this [eV/Å]: those of heat are about 1 eV/Å.
EXPLORED_STEPS, EXPLORED_EVERY, FAMILIAR = 2500, 10, 0.3


@dataclass(frozen=True)
class _Sets:
    """The labelled structures of a run."""

    minima: list[Sample]
    train: list[Sample]
    valid: list[Sample]
    tests: dict[str, list[Sample]]


class Learning:
    """One run of `adiabat learn`.

    Args:
        run: its folder.
        molecule: the SMILES string, or the structure.
        starts: conformers to start from.
    """

    def __init__(self, run: RunFolder, molecule: str | System, starts: list[System]):
        self.run, self.starts, self.molecule = run, starts, molecule
        self.config = run.config
        self._evaluations: dict[str, Evaluation] = {}
        self._began = time.monotonic()
        self._earlier = sum(run.results.get("seconds", {}).values())

    # Sampling and labelling

    def sample(self) -> None:
        """Relaxed conformers, then the training, validation and test sets."""
        if all(path.exists() for path in self._data_paths()):
            return
        labeler: AbstractLabeler = labelers.get(self.config["method"])()
        with self._stage("labelling"), labeler, LabelCache(self.run.path / CACHE) as cache:
            plan = self._plan(labeler)
            surface = Surface(self.starts[0], labeler, cache)
            with progress("relaxing conformers", unit="evaluations") as surface.progress:
                lowest = self._relaxed(surface, plan)
            energy, positions = lowest[0].energy, np.array([s.system.positions for s in lowest])
            assert energy is not None
            hottest = max(plan.temperatures)
            with progress("labelling", plan.n_evaluations, "evaluations") as surface.progress:
                keep = Filter(surface, positions[0], energy, hottest)
                try:
                    explore = self._explore if plan.explored else None
                    frames = training_frames(surface, positions, plan, keep, explore)
                except SimulationError as error:
                    if not plan.explored:
                        raise
                    logger.warning("the general model's dynamics failed, %s runs it: %s", labeler.name, error)
                    plan = self._new_plan(labeler, may_explore=False)
                    frames = training_frames(surface, positions, plan, keep)
            train, valid = split_by_trajectory(frames, plan.seed)
            with progress("labelling tests", plan.n_test_evaluations, "evaluations") as surface.progress:
                tests_keep = Filter(surface, positions[0], energy, hottest)
                others = np.array([s.positions for s in self._other_conformers(plan)])
                tests = held_out_sets(surface, others, plan, tests_keep)
            for path, samples in zip(self._data_paths()[1:], (train, valid, *tests), strict=True):
                write_samples(path, samples)
            failures = dict((surface.failures + Counter()).most_common(5))
            self.run.log(
                "labelled", evaluations=surface.n_evaluations, failures=failures, dropped=keep.dropped
            )
            self.run.result(
                evaluations=surface.n_evaluations,
                dropped=dict(keep.dropped),
                failures=failures,
                explored_by=GENERAL if plan.explored else labeler.name,
            )
        (self.run.path / CACHE).unlink(missing_ok=True)

    def _plan(self, labeler: AbstractLabeler) -> Plan:
        """How much is sampled; measured once, then kept in run.json."""
        if "sampling" in self.run.results:
            return Plan.from_dict(self.run.results["sampling"])
        return self._new_plan(labeler)

    def _new_plan(self, labeler: AbstractLabeler, may_explore: bool = True) -> Plan:
        """For the time that is left, with dynamics by the general model where it may and can."""
        system = self.starts[0]
        rng = np.random.default_rng(0)
        shaken = [
            system.moved(system.positions + rng.normal(scale=0.03, size=system.positions.shape))
            for _ in range(16)
        ]
        seconds = labeler.seconds_each(shaken)
        plan = make_plan(
            n_atoms=system.n_atoms,
            seconds=max(1.0, 60 * self.config["minutes"] * LABELLING - self._elapsed()),
            seconds_per_evaluation=seconds,
            temperature=self.config["temperature"],
            labels=self.config.get("labels"),
            seed=self.config["seed"],
            can_turn=bool(turnable_bonds(system)),
            explored=may_explore and self._is_familiar(labeler.label(shaken[:4])),
        )
        self.run.log("plan", seconds_per_evaluation=seconds, **plan.as_dict())
        self.run.result(sampling=plan.as_dict())
        return plan

    def _is_familiar(self, labelled: Sequence[Sample]) -> bool:
        """Whether the general model is to be used and knows this molecule well enough for its dynamics."""
        general = None if self.config.get("start") == SCRATCH else general_for(labelled)
        known = [sample for sample in labelled if is_labelled(sample)]
        if general is None or not known:
            return False
        error = evaluate(general, known).metrics["force_rmse_mev_per_ang"] / 1000
        self.run.log("general model", force_rmse_ev_per_ang=error)
        return error < FAMILIAR

    def _explore(
        self, starts: np.ndarray, temperatures: np.ndarray, frames: int, seed: int
    ) -> list[np.ndarray]:
        """An `Explorer`: the general model's dynamics."""
        systems = [self.starts[0].moved(one) for one in starts]
        general = general_for([Sample(self.starts[0])])
        assert general is not None
        every = max(EXPLORED_EVERY, EXPLORED_STEPS // frames)
        found = model_trajectories(general, systems, temperatures.tolist(), frames, every=every, seed=seed)
        return [np.array([s.positions for s in one]).reshape(-1, *starts.shape[1:]) for one in found]

    def _relaxed(self, surface: Surface, plan: Plan) -> list[Sample]:
        """The distinct minima, the lowest first."""
        path = self.run.path / STRUCTURES
        if not path.exists():
            starts = np.array([system.positions for system in self.starts[: plan.n_conformers]])
            found = minima(surface, starts, n=max(4, plan.n_minima))
            write_samples(path, tagged(surface.label(found), "minima"))
        return read_samples(path)

    def _other_conformers(self, plan: Plan) -> list[System]:
        return conformers(self.molecule, plan.test_replicas, self.config["seed"] + OTHER_EMBEDDING)

    def _data_paths(self) -> list[Path]:
        cold = self.config["temperature"]
        names = (STRUCTURES, TRAIN, VALID, f"test_{cold:g}K.xyz", f"test_{2 * cold:g}K.xyz")
        return [self.run.path / name for name in names]

    @cached_property
    def sets(self) -> _Sets:
        """The labelled structures, read from the folder."""
        structures, train, valid, *tests = self._data_paths()
        return _Sets(
            minima=read_samples(structures),
            # The time is planned for energies and forces; a training of its own, on this file, gives dipoles.
            train=read_samples(train, dipole_key="none"),
            valid=read_samples(valid),
            tests={path.stem.removeprefix("test_").replace("K", " K"): read_samples(path) for path in tests},
        )

    # Training

    def train(self) -> LearnedPotential:
        """The fitted potential."""
        path = self.run.path / MODEL_NAME
        if path.exists():
            return load_model(path)
        if "training_minutes" not in self.run.results:
            left = self.config["minutes"] * (1 - AFTERWARDS) - self._elapsed() / 60
            self.run.result(training_minutes=max(LEAST_TRAINING * self.config["minutes"], left))
        minutes = self.run.results["training_minutes"]
        with self._stage("training"):
            elements = {int(number) for number in self.starts[0].numbers}
            start, begun_from = starting_point(self.config.get("start"), self.sets.train)
            self.run.result(begun_from=begun_from)
            trainer = Trainer(
                self.sets.train,
                self.sets.valid,
                network={"kind": "cartesian"} if start is None else shape_of(start),
                start=start,
                options=TrainingOptions(minutes=minutes, seed=self.config["seed"]),
                run=self.run,
                isolated_atoms=labelers.get(self.config["method"])().isolated_atoms(elements),
            )
            potential = trainer.fit()
            self._evaluate(potential, trainer.train.buckets)
            errors = {name: evaluation.metrics for name, evaluation in self._evaluations.items()}
            training = {
                "molecule": self.config["molecule"],
                "method": self.config["method"],
                "n_structures": len(self.sets.train),
                "steps": self.run.results["steps"],
                "begun_from": begun_from,
            }
            potential = potential.with_summary({"training": training, "errors": errors})
            self.run.result(errors=errors)
            save_model(path, potential)
        return potential

    def _evaluate(self, potential: LearnedPotential, compiled: Sequence[Bucket] = ()) -> None:
        with progress("evaluating", len(self.sets.tests), "sets") as bar:
            for name, samples in self.sets.tests.items():
                self._evaluations[name] = evaluate(potential, samples, compiled=compiled)
                bar.advance()

    # Dynamics

    def simulate(self, potential: LearnedPotential) -> None:
        """NVT from a test structure, which is as warm as it is to be; NVE from where that ended."""
        system = next(iter(self.sets.tests.values()))[-1].system
        temperature = self.config["temperature"]
        langevin = Langevin(timestep=TIMESTEP, temperature=temperature, friction=FRICTION)
        with self._stage("dynamics"):
            if "dynamics_steps" not in self.run.results:
                self.run.result(dynamics_steps=self._plan_dynamics(system, potential, langevin))
            thermal = self._run(NVT, system, potential, langevin)
            verlet = VelocityVerlet(timestep=TIMESTEP, temperature=temperature)
            self._run(NVE, thermal.system, potential, verlet, velocities=thermal.velocities)

    def _plan_dynamics(
        self, system: System, potential: LearnedPotential, integrator: Langevin
    ) -> dict[str, int]:
        """Steps of each simulation in the time that is left."""
        rate = simulate(system, potential, integrator, steps=500).summary["steps_per_second"]
        whole = 60 * self.config["minutes"]
        left = max(0.5 * AFTERWARDS * whole, whole - self._elapsed())
        shares = {NVT: 0.4, NVE: 0.35}
        return {
            name: int(np.clip(share * left * rate, MIN_STEPS, MAX_STEPS)) // RECORD_EVERY * RECORD_EVERY
            for name, share in shares.items()
        }

    def _run(
        self, name: str, system: System, potential: LearnedPotential, integrator: Any, **more: Any
    ) -> Run:
        run = simulate(
            system,
            potential,
            integrator,
            steps=self.run.results["dynamics_steps"][name],
            record_every=RECORD_EVERY,
            seed=self.config["seed"],
            out=self.run.path / name,
            resume=True,
            **more,
        )
        if name not in self.run.results:
            self.run.result(**{name: run.summary})
        return run

    # The report

    def write_report(self, potential: LearnedPotential, failure: str | None = None) -> None:
        """One page on the labels, the errors and the dynamics."""
        path = self.run.path / REPORT
        # A page that tells of a failure gives way to one that tells of the repaired run.
        if path.exists() and not self.run.results.get("failure"):
            return
        from adiabat.tasks.learning_report import write

        if not self._evaluations:  # a process before this one trained
            self._evaluate(potential)
        self.run.result(minutes=self._elapsed() / 60, failure=failure)
        write(
            path,
            run=self.run,
            potential=potential,
            evaluations=self._evaluations,
            minima=self.sets.minima,
            train=self.sets.train,
            valid=self.sets.valid,
            description=describe(self.sets.train),
            failure=failure,
        )

    def summary(self) -> dict[str, Any]:
        """What the command prints."""
        results = self.run.results
        labels = Counter(str(s.info.get("origin")) for s in (*self.sets.train, *self.sets.valid))
        return {
            "molecule": self.config["molecule"],
            "method": self.config["method"],
            "n_atoms": self.starts[0].n_atoms,
            "labels": dict(labels),
            "errors": results["errors"],
            "nvt": results[NVT],
            "nve": results[NVE],
            "minutes": round(results["minutes"], 2),
            "model": str(self.run.path / MODEL_NAME),
            "report": str(self.run.path / REPORT),
        }

    # Time

    def _elapsed(self) -> float:
        """Seconds spent on this run, by this process and by those before that finished a stage."""
        return time.monotonic() - self._began + self._earlier

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        start = time.monotonic()
        self.run.log("stage", name=name)
        yield
        seconds = round(time.monotonic() - start, 2)
        self.run.log("stage done", name=name, seconds=seconds)
        self.run.result(seconds={**self.run.results.get("seconds", {}), name: seconds})
