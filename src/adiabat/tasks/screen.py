"""`adiabat screen`: a library ranked by what property models say of it, of any size in little memory."""

import csv
import itertools
import json
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from adiabat.base import ConfigError, DataError
from adiabat.base.digest import digest
from adiabat.base.files import atomic_path, atomic_write, write_errors
from adiabat.base.interrupts import interruptible
from adiabat.base.machine import usable_cpus
from adiabat.base.processes import Processes, RayActors
from adiabat.base.progress import progress
from adiabat.base.runs import RunFolder
from adiabat.explain import Explanation
from adiabat.properties.filters import Filters
from adiabat.properties.library import Entry, read_library
from adiabat.properties.model import MODEL_NAME, PropertyModel, load_property_model
from adiabat.properties.optimize.objectives import Objective
from adiabat.properties.rows import check_there, name_of
from adiabat.properties.screening import Screen, Wish, place_names
from adiabat.properties.shortlist import ShortList
from adiabat.system.smiles import MAX_SMILES_LENGTH
from adiabat.tasks.explain import COUNT, explaining
from adiabat.tasks.precision import enable
from adiabat.tasks.property_files import as_csv
from adiabat.tasks.property_optimize import read_objective
from adiabat.tasks.screen_worker import jobs
from adiabat.tasks.train import REPORT_NAME

if TYPE_CHECKING:
    import pyarrow

MOLECULES, CANDIDATES, REJECTED = "molecules", "candidates.csv", "rejected.csv"
# A worker gets so many molecules at once; a file, and what a resumed run does not repeat, has so many rows.
CHUNK, PART = 512, 16_384
# Rejected rows that the report shows.
_SHOWN = 10
WORKER = "adiabat.tasks.screen_worker"


@dataclass(frozen=True)
class Screening:
    """A finished screening.

    Attributes:
        folder: of the run.
        counts: of rows `read`, `rejected`, `left_out` by filters and `predicted`.
        best: the most desirable molecules, with the columns of the table.
        front: those that no other is better than in everything.
        different: the most desirable of each kind.
    """

    folder: Path
    counts: dict[str, int]
    best: "pyarrow.Table"
    front: "pyarrow.Table"
    different: "pyarrow.Table"

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.folder / REPORT_NAME


class _Workers(Protocol):
    def map(self, jobs: Iterator[bytes]) -> Iterator[bytes]: ...


def screen(
    models: Sequence[str | os.PathLike],
    library: str | os.PathLike,
    *,
    out: str | os.PathLike,
    top: int = 100,
    explained: int = COUNT,
    smiles: str = "smiles",
    name: str | None = None,
    kind: str | None = None,
    objectives: Sequence[str] = (),
    weights: Sequence[float] = (),
    rules: Sequence[str] = (),
    forbidden: Sequence[str] = (),
    required: Sequence[str] = (),
    least_qed: float | None = None,
    most_sa: float | None = None,
    level: float = 0.9,
    caution: float = 1.0,
    outside: bool = False,
    alike: float = 0.5,
    workers: int | None = None,
    ray: str | None = None,
    resume: bool = False,
    force: bool = False,
) -> Screening:
    """Asks models for every molecule of a library and writes a run folder: tables of all values in
    `molecules`, the best of them in `candidates.csv` and a report, what cannot be used in `rejected.csv`.

    Args:
        models: property models or their run folders.
        library: a file (.smi, .csv, .tsv, .sdf, .parquet, also .gz), read as a stream; "-" is standard input.
        out: the run folder.
        top: how many of the best are listed and drawn.
        explained: of how many of them the report says why the models like them.
        smiles: the column of molecules of a table.
        name: its column of names.
        kind: of the library, see `read_library`.
        objectives: what targets should be, see `read_objective`; by default all are maximized.
        weights: of the objectives, in the same order; by default equal.
        rules: pains, brenk, nih, lipinski, veber; molecules that break one are not predicted.
        forbidden: SMARTS.
        required: SMARTS.
        least_qed: drug-likeness at least.
        most_sa: synthetic accessibility at most.
        level: the share of true values that intervals are to hold.
        caution: molecules are ranked by the worst value within so many standard errors.
        outside: also rank molecules outside of the domain of a model.
        alike: Tanimoto similarity from which two molecules are of one kind.
        workers: processes; by default as many as there are cores. They do not change the result.
        ray: the address of a Ray cluster to work on instead, or "local" for one on this machine. Models have
            to be at the same path there.
        resume: go on with the run in the folder. A stream has to begin anew; what was done is skipped.
        force: start over in a folder that holds a run.

    Raises:
        ConfigError: models or objectives that do not go together, a column that is missing, another library
            than that of the run to go on with.
        DataError: a file that cannot be read to its end, a full disk; what was done is kept.
        Interrupted: stopped by a signal; the run can be resumed.
    """
    environment = enable()
    if top < 1:
        raise ConfigError(f"the best {top} cannot be listed", "give --top at least 1")
    if explained < 0:
        raise ConfigError(f"{explained} molecules cannot be explained", "give --explained at least 0")
    if not 0 <= caution < math.inf:
        raise ConfigError(f"values cannot be the worst within {caution:g} standard errors", "give 0 or more")
    if not 0 < alike <= 1:
        raise ConfigError(f"similarities are from 0 to 1, not {alike:g}", "give --alike above 0, to 1")
    library = Path(library)
    loaded = [load_property_model(path) for path in models]
    digests = _digests(models)
    wish = _wish(loaded, objectives, weights, caution)
    filters = {
        "rules": list(rules),
        "forbidden": list(forbidden),
        "required": list(required),
        "least_qed": least_qed,
        "most_sa": most_sa,
    }
    Screen(loaded, Filters(**filters), wish, level)  # what is wrong is said before the first worker starts
    check_there(Path(library))
    config: dict[str, Any] = {
        "models": [os.fspath(path) for path in models],
        "digests": digests,
        "library": os.fspath(library),
        "smiles": smiles,
        "objectives": [f"{one.name}={_goal(one)}" for one in wish.objectives],
        "weights": [one.weight for one in wish.objectives],
        "level": level,
        "caution": caution,
        "outside": outside,
        **{key: value for key, value in filters.items() if value is not None},
        "top": top,
        "explained": explained,
        "alike": alike,
    }
    is_file = library.is_file()
    config |= {"library_bytes": library.stat().st_size} if is_file else {}
    config |= {key: value for key, value in (("name", name), ("kind", kind)) if value}
    settings = json.dumps(
        {
            "models": [os.path.abspath(path) for path in models],
            "objectives": [(one.name, one.goal, one.weight) for one in wish.objectives],
            "scales": wish.scales.tolist(),
            "caution": caution,
            "filters": filters,
            "level": level,
        }
    ).encode()
    verdicts = () if outside else tuple(place_names(loaded, model)[0] for model in loaded)
    makes = (MOLECULES, CANDIDATES, REJECTED)
    with RunFolder.create(
        out,
        "screen",
        config,
        resume=resume,
        force=force,
        # What a shell calls a pipe changes from one to the next.
        may_change=("top", "explained", "alike", *(() if is_file else ("library",))),
        makes=makes,
    ) as run:
        run.note(**environment)
        files = _Files(run.path)
        short = ShortList(top, wish, verdicts, loaded[0].of_molecules)
        for part in files.resumed():
            short.add(part)
        entries = files.left(read_library(library, smiles=smiles, name=name, kind=kind))
        first = next(entries, None)
        with _workers(workers, ray, settings) as pool:
            _work(pool, itertools.chain([] if first is None else [first], entries), files, short)
        if not files.counts["predicted"]:
            raise DataError(_nothing(files, library))
        return _finish(run, loaded, wish, files, short, alike)


def _work(pool: _Workers, entries: Iterator[Any], files: "_Files", short: ShortList) -> None:
    import pyarrow

    waiting: list[Any] = []
    with (
        progress("screening", unit="molecules", completed=files.done) as bar,
        interruptible() as stop,
    ):
        for answer in pool.map(jobs(entries, CHUNK)):
            waiting += pyarrow.ipc.open_stream(answer)
            bar.advance(waiting[-1].num_rows)
            if len(waiting) * CHUNK == PART:
                short.add(files.save(pyarrow.Table.from_batches(waiting)))
                waiting = []
            if stop.requested:
                return
        if waiting and not stop.requested:  # a stream may have ended by the same signal
            short.add(files.save(pyarrow.Table.from_batches(waiting)))


class _Files:
    """The tables of a run, and what is left out of them.

    A table of `PART` rows of the library is written once and never changed: what is there is done.

    Attributes:
        done: rows of the library that need not be looked at again.
        counts: of rows, see `Screening`.
    """

    def __init__(self, folder: Path):
        self._folder, self._rejected = folder / MOLECULES, folder / REJECTED
        self.done = self._parts = 0
        self._last: tuple[int, str] | None = None
        self.counts: dict[str, int] = dict.fromkeys(("read", "rejected", "left_out", "predicted"), 0)
        self.reasons: list[tuple[int, str, str]] = []

    def resumed(self) -> Iterator["pyarrow.Table"]:
        """The tables that are there, in order."""
        import pyarrow.parquet

        while (path := self._path()).exists():
            try:
                table = pyarrow.parquet.read_table(path)
            except (pyarrow.ArrowException, OSError) as error:
                raise DataError(f"{path} cannot be read: {error}", "start over with --force") from error
            self.done = int(table.schema.metadata[b"rows"])
            self._parts += 1
            if len(table):
                self._last = table["row"][-1].as_py(), table["smiles"][-1].as_py()
            self._count(table)
            yield table
        self._keep()

    def left(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        """What is not done of a library.

        Raises:
            ConfigError: it is not the one of which the rest was done.
        """
        row = 0
        for entry in entries:
            row = entry.row
            if self._last and row == self._last[0] and entry.smiles != self._last[1]:
                raise ConfigError(
                    f"row {row} of the library was {self._last[1]!r} and is {entry.smiles!r} now",
                    "go on with the library of the run, or choose another --out",
                )
            if row > self.done:
                yield entry
        if row < self.done:
            raise ConfigError(
                f"the library has {row} rows, {self.done} of it are done already",
                "a stream has to begin anew; what is done is skipped",
            )

    def save(self, table: "pyarrow.Table") -> "pyarrow.Table":
        """Writes the next table, and rows with an error beside it; gives the molecules without one."""
        import pyarrow.parquet

        bad = np.array(table["error"].to_pylist()) != ""
        rejected = table.filter(pyarrow.array(bad)).select(["row", "smiles", "error"])
        good = table.filter(pyarrow.array(~bad)).drop_columns(["error"])
        # What is no molecule may be long, and there may be much of it.
        self._reject(
            [(row["row"], row["smiles"][:MAX_SMILES_LENGTH], row["error"]) for row in rejected.to_pylist()]
        )
        self.done += len(table)
        good = good.replace_schema_metadata({"rows": str(self.done)})
        with atomic_path(self._path()) as path:
            pyarrow.parquet.write_table(good, path, compression="zstd")
        self._parts += 1
        self._count(good)
        return good

    def _path(self) -> Path:
        """Of the next part."""
        return self._folder / f"part-{self._parts:06d}.parquet"

    def _count(self, table: "pyarrow.Table") -> None:
        left_out = int((table["left_out"].to_numpy() != "").sum())
        self.counts["left_out"] += left_out
        self.counts["predicted"] += len(table) - left_out
        self.counts["read"] = self.done
        self.counts["rejected"] = self.done - self.counts["left_out"] - self.counts["predicted"]

    def _reject(self, rows: Sequence[tuple[Any, ...]]) -> None:
        text = as_csv([], rows)[1:] if rows else ""
        self.reasons += list(rows[: _SHOWN - len(self.reasons)])  # pyright: ignore[reportArgumentType]
        with write_errors(self._rejected), self._rejected.open("a", encoding="utf-8", newline="") as file:
            file.write(("" if file.tell() else "row,smiles,reason\n") + text)
            file.flush()
            os.fsync(file.fileno())

    def _keep(self) -> None:
        """Takes back rejected rows of a part that was not written."""
        if not self._rejected.exists():
            return
        csv.field_size_limit(1 << 24)
        with (
            self._rejected.open(encoding="utf-8", newline="", errors="replace") as file,
            atomic_path(self._rejected) as path,
            path.open("w", encoding="utf-8", newline="") as kept,
        ):
            writer = csv.writer(kept, lineterminator="\n")
            writer.writerow(["row", "smiles", "reason"])
            for cells in itertools.islice(csv.reader(file), 1, None):
                if len(cells) < 3 or not cells[0].isdigit() or int(cells[0]) > self.done:
                    break
                writer.writerow(cells)
                if len(self.reasons) < _SHOWN:
                    self.reasons.append((int(cells[0]), cells[1], cells[2]))


def _workers(workers: int | None, ray: str | None, settings: bytes) -> AbstractContextManager[_Workers]:
    if ray is not None:
        return RayActors(WORKER, settings, None if ray == "local" else ray, workers)
    return Processes(cores(workers), WORKER, settings)


def cores(workers: int | None) -> int:
    """How many processes work: as many as asked for, or as there are cores for this one.

    Raises:
        ConfigError: none.
    """
    if workers is not None and workers < 1:
        raise ConfigError(f"{workers} processes cannot work", "give --workers at least 1")
    return workers or usable_cpus()


def _wish(
    models: Sequence[PropertyModel], objectives: Sequence[str], weights: Sequence[float], caution: float
) -> Wish:
    from adiabat.base import did_you_mean

    if not models:
        raise ConfigError("there is no model", "adiabat screen MODEL... LIBRARY")
    targets = {target.name: target for model in models for target in model.targets}
    if not objectives and (one := next((t for t in targets.values() if t.column), None)):
        raise ConfigError(
            f"which class of {one.column!r} is wanted is not said", f"--objective '{one.name}=maximize'"
        )
    asked = objectives or [f"{name}=maximize" for name in targets]
    if weights and len(weights) != len(asked):
        raise ConfigError(f"{len(weights)} weights are given for {len(asked)} objectives")
    found = [
        read_objective(text, weight)
        for text, weight in zip(asked, weights or [1.0] * len(asked), strict=True)
    ]
    for one in found:
        if one.name not in targets:
            raise ConfigError(f"no model predicts {one.name!r}", did_you_mean(one.name, list(targets)))
    return Wish(tuple(found), np.array([targets[one.name].scale for one in found]), caution)


def _goal(objective: Objective) -> str:
    goal = objective.goal
    return goal if isinstance(goal, str) else "..".join(f"{end:g}" for end in np.atleast_1d(goal))


def _digests(models: Sequence[str | os.PathLike]) -> list[str]:
    found: list[str] = []
    for path in map(Path, models):
        file = path / MODEL_NAME if path.is_dir() else path
        found.append(digest(np.frombuffer(file.read_bytes(), np.uint8)))
        if found.count(found[-1]) > 1:
            raise ConfigError(f"{path} is given twice", "give each model once")
    return found


def _nothing(files: _Files, library: Path) -> str:
    if not files.counts["read"]:
        return f"{name_of(library)} has no molecules"
    if files.reasons:
        return f"none of the {files.counts['read']} molecules can be predicted: {files.reasons[0][2]}"
    return f"none of the {files.counts['read']} molecules passes the filters"


def _finish(
    run: RunFolder, models: Sequence[PropertyModel], wish: Wish, files: _Files, short: ShortList, alike: float
) -> Screening:
    best, front, different = short.best(), short.front(), short.different(alike)
    assert best is not None
    assert front is not None
    assert different is not None
    found = Screening(run.path, dict(files.counts), best, front, different)
    atomic_write(run.path / CANDIDATES, candidates_csv(found))
    run.result(**summary_of(found))
    texts = best["smiles"].to_pylist()[: run.config["explained"]]
    with explaining(models, level=run.config["level"], total=len(texts)) as why:
        _report(run, found, models, wish, files, list(map(why, texts)))
    return found


def candidates_csv(found: Screening) -> str:
    """The best molecules, then those of the front and the different ones that are not among them."""
    ranks = {row: k + 1 for k, row in enumerate(found.best["row"].to_pylist())}
    front, different = (set(table["row"].to_pylist()) for table in (found.front, found.different))
    rows = {
        row["row"]: row for table in (found.best, found.front, found.different) for row in table.to_pylist()
    }
    header = [name for name in found.best.column_names if name != "left_out"]
    marks = [
        [ranks.get(k, ""), "yes" if k in front else "no", "yes" if k in different else "no"] for k in rows
    ]
    cells = [[_cell(row[name]) for name in header] for row in rows.values()]
    return as_csv(["rank", "front", "different", *header], [a + b for a, b in zip(marks, cells, strict=True)])


def summary_of(found: Screening) -> dict[str, Any]:
    """Counts and the best molecules, as JSON holds them."""
    names = [
        name
        for name in found.best.column_names
        if name not in ("left_out", "nearest") and not _is_empty(found.best[name])
    ]
    best = found.best.select(names).slice(0, 10).to_pylist()
    return {**found.counts, "front": len(found.front), "best": best}


def _is_empty(column: "pyarrow.ChunkedArray") -> bool:
    """Whether it has no number, as of the errors of classes."""
    import pyarrow

    return pyarrow.types.is_floating(column.type) and bool(np.isnan(column.to_numpy()).all())


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return "" if value is None else value


def _report(
    run: RunFolder,
    found: Screening,
    models: Sequence[PropertyModel],
    wish: Wish,
    files: _Files,
    explained: Sequence[Sequence[Explanation]],
) -> None:
    from adiabat.report import Page, provenance_sections
    from adiabat.report.screening import screening_sections

    targets = [target for model in models for target in model.targets]
    library = Path(name_of(run.config["library"])).name
    page = Page("Screened molecules", f"{found.counts['read']} molecules of {library}")
    page.add(
        *screening_sections(
            counts=found.counts,
            best=found.best,
            front=found.front,
            different=found.different,
            objectives=wish.objectives,
            units={target.name: target.unit for target in targets},
            places=[place_names(models, model) for model in models],
            reasons=files.reasons,
            explained=explained,
            level=run.config["level"],
        )
    )
    page.add(*provenance_sections(run.provenance))
    page.write(run.path / REPORT_NAME)
