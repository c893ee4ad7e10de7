"""`adiabat label`: energies and forces of a reference method on given structures."""

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adiabat.base import ConfigError, ConvergenceError
from adiabat.base.progress import progress

if TYPE_CHECKING:
    from adiabat.data import Sample

FAILED_SUFFIX = ".failed.xyz"
CACHE_SUFFIX = ".labels.jsonl"


def label(
    structures: str | os.PathLike,
    *,
    method: str = "gfn2",
    out: str | os.PathLike,
    charge: int | None = None,
    spin: int | None = None,
    resume: bool = False,
    force: bool = False,
) -> dict[str, Any]:
    """Labels every structure of a file and writes extended XYZ or HDF5.

    Structures that the method fails on are written to OUT.failed.xyz with the reason, not to OUT. Labels are
    kept in OUT.labels.jsonl until all are done, so that a killed run loses nothing.

    Args:
        structures: a file or folder with structures; labels it may hold already are replaced.
        method: "gfn2", "gfn1", or another labeler by name.
        out: the file to write, `.xyz` or `.h5`.
        charge: total charge [e] of all structures; by default what the file says, else 0.
        spin: number of unpaired electrons of all structures; likewise.
        resume: take over what an interrupted run has labelled already.
        force: replace a finished file, and begin anew.

    Returns:
        `method`, `n_labelled`, `n_failed`, `failures` (reason: count) and the paths `out` and `failed`.

    Raises:
        ConfigError: an unknown method, or a file that is there already.
        DataError: structures that cannot be read or a spin that cannot be.
        UnsupportedError: an element or cell that the method cannot treat.
        ConvergenceError: the method failed on every structure.
    """
    from adiabat.data import read_samples
    from adiabat.data.labelers import LabelCache, labelers

    labeler = labelers.get(method)()
    out = Path(out)
    failed_path, cache_path = (out.with_name(out.stem + suffix) for suffix in (FAILED_SUFFIX, CACHE_SUFFIX))
    _check_out(out, cache_path, resume, force)
    samples = [_with_state(sample, charge, spin) for sample in read_samples(structures, require=())]
    with (
        LabelCache(cache_path) as cache,
        progress("labelling", len(samples), "structures") as bar,
    ):
        labelled = labeler.label([sample.system for sample in samples], bar, cache)
    labelled = [
        replace(new, info={**old.info, **new.info, "method": method})
        for old, new in zip(samples, labelled, strict=True)
    ]
    summary = _write(labelled, method, out, failed_path)
    cache_path.unlink()
    return summary


def _write(labelled: "list[Sample]", method: str, out: Path, failed_path: Path) -> dict[str, Any]:
    """Writes what succeeded and, apart, what failed; the summary."""
    from adiabat.data import write_samples
    from adiabat.data.labelers import is_labelled

    good = [sample for sample in labelled if is_labelled(sample)]
    failed = [sample for sample in labelled if not is_labelled(sample)]
    reasons = Counter(str(sample.info["label_error"]) for sample in failed)
    failed_path.unlink(missing_ok=True)
    if failed:
        write_samples(failed_path, failed)
    if not good:
        raise ConvergenceError(
            f"{method} failed on all {len(failed)} structures: {_shown(reasons)}",
            f"see {failed_path}; check charge, spin and the unit of the positions (Å)",
        )
    write_samples(out, good)
    return {
        "method": method,
        "n_labelled": len(good),
        "n_failed": len(failed),
        "failures": dict(reasons.most_common()),
        "out": str(out),
        "failed": str(failed_path) if failed else None,
    }


def _check_out(out: Path, cache: Path, resume: bool, force: bool) -> None:
    """Refuses to replace anything unasked; `force` forgets what an interrupted run has labelled."""
    from adiabat.data.read import is_written

    if not is_written(out):
        raise ConfigError(
            f"labels are written as extended XYZ or HDF5, not {out.suffix or out.name!r}", "--out FILE.xyz"
        )
    if force:
        cache.unlink(missing_ok=True)
    elif out.exists():
        raise ConfigError(f"{out} is there already", "choose another --out, or replace it with --force")
    elif cache.exists() and not resume:
        raise ConfigError(
            f"{cache} holds labels of an interrupted run", "go on with --resume, or add --force"
        )


def _with_state(sample: "Sample", charge: int | None, spin: int | None) -> "Sample":
    """The sample without labels, and with the charge and spin that were asked for."""
    from adiabat.data import Sample
    from adiabat.system import System

    old = sample.system
    system = System.create(
        old.numbers,
        old.positions,
        cell=old.cell,
        pbc=old.pbc,
        masses=old.masses,
        charge=old.charge if charge is None else charge,
        spin=old.spin if spin is None else spin,
    )
    info = {name: value for name, value in sample.info.items() if name != "label_error"}
    return Sample(system=system, info=info, source=sample.source, frame=sample.frame)


def _shown(reasons: Counter[str]) -> str:
    return "; ".join(f"{reason} ({count})" for reason, count in reasons.most_common(3))
