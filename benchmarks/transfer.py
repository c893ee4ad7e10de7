"""What the general model spares `adiabat learn` on molecules that it was not trained on.

    python -m benchmarks.transfer

learns each molecule with GFN2-xTB labels three times: from fresh weights, from the general model with half of
the labels, and from the general model with all labels in half of the time. The tests are trajectories at 300
and 600 K from other conformers, those of the first of the three.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from adiabat.tasks.evaluate import evaluate
from adiabat.tasks.learn import learn
from benchmarks.record import record

# Left out when the general model was trained (docs/decisions/0005-general-model.md).
MOLECULES = {
    "malonaldehyde": "O=CCC=O",
    "paracetamol": "CC(=O)Nc1ccc(O)cc1",
    "uracil": "O=c1cc[nH]c(=O)[nH]1",
}
LABELS, MINUTES = 400, 4.0
# Name, what to start from, shares of labels and minutes.
WAYS = (
    ("scratch", "scratch", 1.0, 1.0),
    ("half the labels", "general", 0.5, 1.0),
    ("half the time", "general", 1.0, 0.5),
)


def rows(name: str, smiles: str, folder: Path, seed: int) -> list[dict[str, Any]]:
    """Errors of the three ways, all on the tests of the first."""
    found, tests = [], []
    for way, start, labels, minutes in WAYS:
        out = folder / f"{name}-{way.replace(' ', '-')}-{seed}"
        options = {"minutes": minutes * MINUTES, "labels": round(labels * LABELS)}
        summary = learn(smiles, out=out, start=start, seed=seed, **options)
        tests = tests or sorted(out.glob("test_*K.xyz"))
        for test in tests:
            metrics = evaluate(summary["model"], test).metrics
            found.append(
                {
                    "what": f"{name}, {test.stem.removeprefix('test_')}, force RMSE, {way}, from {start}",
                    "value": metrics["force_rmse_mev_per_ang"],
                    "unit": "meV/Å",
                    "note": f"{options['labels']} labels, {summary['minutes']} min in all",
                }
            )
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
