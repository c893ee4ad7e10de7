"""What the general model spares `adiabat learn` on molecules that it was not trained on.

    python -m benchmarks.transfer

learns each molecule with GFN2-xTB labels three times: without the general model, and by default, which is
with it, in half of the time and in the same. The tests are trajectories at 300 and 600 K from other
conformers, those of the first of the three. Runs that are in `--out` already are taken as they are.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from adiabat.base.runs import RunFolder
from adiabat.tasks.evaluate import evaluate
from adiabat.tasks.learn import learn
from benchmarks.record import record

# Left out when the general model was trained (docs/decisions/0005-general-model.md).
MOLECULES = {
    "malonaldehyde": "O=CCC=O",
    "paracetamol": "CC(=O)Nc1ccc(O)cc1",
    "uracil": "O=c1cc[nH]c(=O)[nH]1",
}
# Name, what to start from, minutes.
WAYS = (("without it", "scratch", 8.0), ("with it, half the time", None, 4.0), ("with it", None, 8.0))
ERRORS = {"energy_rmse_mev": ("energy RMSE", "meV"), "force_rmse_mev_per_ang": ("force RMSE", "meV/Å")}


def rows(name: str, smiles: str, folder: Path, seed: int) -> list[dict[str, Any]]:
    """Errors of the three ways on the tests of the first, and what was asked of the method."""
    found, tests = [], []
    for way, start, minutes in WAYS:
        out = folder / f"{name}-{way.replace(' ', '-')}-{seed}"
        summary = learn(smiles, out=out, start=start, seed=seed, minutes=minutes, resume=True)
        evaluations = RunFolder.open(out).results["evaluations"]
        labels = sum(summary["labels"].values())
        spent = f"{labels} labels, {evaluations} evaluations of GFN2, {summary['minutes']} min in all"
        tests = tests or sorted(out.glob("test_*K.xyz"))
        for test in tests:
            metrics = evaluate(summary["model"], test).metrics
            temperature = test.stem.removeprefix("test_").replace("K", " K")
            for key, (what, unit) in ERRORS.items():
                label = f"{name}, {temperature}, {what}, {way}"
                found.append({"what": label, "value": metrics[key], "unit": unit, "note": spent})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--molecules", nargs="+", choices=MOLECULES, default=list(MOLECULES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="for the run folders; a temporary one by default")
    options = parser.parse_args()
    folder = options.out or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    made = [row for name in options.molecules for row in rows(name, MOLECULES[name], folder, options.seed)]
    record("transfer", made, "python -m benchmarks.transfer", title="What the general model spares")


if __name__ == "__main__":
    main()
