"""What a model forgets of other molecules when it is trained on one, and what `--keep` changes of it.

    python -m benchmarks.forgetting --data ../shared/data --minutes 3

trains the general model on DFT labels of acetylacetone twice, once with `--keep` and once without. What was
known before is measured on other molecules, labelled by GFN2-xTB as the general model was: half of their
structures are kept, the other half is the test. Energies of the two methods have other zeros, so forces are
compared. The molecules have the elements of acetylacetone only: of others the model without `--keep` says
nothing any more.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from adiabat.data import read_samples, write_samples
from adiabat.networks import GENERAL, MODEL_NAME
from adiabat.tasks.evaluate import evaluate
from adiabat.tasks.heads import KEPT, model_name
from adiabat.tasks.label import label
from adiabat.tasks.sample import sample
from adiabat.tasks.train import train
from benchmarks.record import record

MOLECULES = """
CO CCO CCCO CC(C)O OCCO C1CCCC1O COC CCOCC C1CCOC1 C1COCCO1
CC=O CCC=O CC(C)=O CCC(C)=O O=C1CCCCC1 CC(=O)O CCC(=O)O COC=O COC(C)=O CCOC(C)=O
CC=C C=CC=O CC#C c1ccccc1 Cc1ccccc1 Oc1ccccc1 COc1ccccc1 O=Cc1ccccc1 c1ccoc1 CC(=O)C(C)=O
"""
PER_MOLECULE = 20


def other_molecules(folder: Path) -> tuple[Path, Path]:
    """Files of structures that are kept and of such that are the test, both with GFN2's labels."""
    listed, labelled = folder / "molecules.smi", folder / "labelled.xyz"
    listed.write_text("\n".join(MOLECULES.split()) + "\n", encoding="utf-8")
    sample(listed, per_molecule=PER_MOLECULE, out=folder / "structures.xyz", force=True)
    label(folder / "structures.xyz", method="gfn2", out=labelled, force=True)
    samples = read_samples(labelled)
    halves = folder / "keep.xyz", folder / "other-molecules.xyz"
    for number, path in enumerate(halves):
        write_samples(path, samples[number::2])
    return halves


def rows(data: Path, folder: Path, length: dict[str, Any]) -> list[dict[str, Any]]:
    """Force errors on the other molecules and on acetylacetone, before and after."""
    keep, others = other_molecules(folder)
    acac = data / "acac" / "test_MD_300K.xyz"
    options = {"data": str(data / "acac" / "train_300K.xyz"), "start": GENERAL, "force": True, **length}
    alone = train(out=folder / "without", **options)
    kept = train(out=folder / "with", keep=keep, **options)
    measured = (
        ("other molecules, general model", GENERAL, others, ""),
        ("other molecules, trained without --keep", alone.folder, others, f"{alone.steps} steps"),
        ("other molecules, head kept", kept.folder / model_name(KEPT), others, f"{kept.steps} steps"),
        ("acetylacetone at 300 K, trained without --keep", alone.folder, acac, ""),
        ("acetylacetone at 300 K, trained with --keep", kept.folder / MODEL_NAME, acac, ""),
    )
    found = []
    for what, model, test, note in measured:
        metrics = evaluate(model, test).metrics
        for name, key in (("RMSE", "force_rmse_mev_per_ang"), ("MAE", "force_mae_mev_per_ang")):
            row = {"what": f"{what}, force {name}", "value": metrics[key], "unit": "meV/Å"}
            found.append(row | ({"note": note} if note else {}))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds acac/")
    parser.add_argument("--minutes", type=float, default=3.0, help="of each training")
    parser.add_argument("--steps", type=int, help="instead; the figures are printed, not recorded")
    parser.add_argument("--out", type=Path, help="for the files; a temporary folder by default")
    options = parser.parse_args()
    folder = options.out or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    length = {"minutes": options.minutes} if options.steps is None else {"steps": options.steps}
    made = rows(options.data, folder, length)
    for row in made:
        print(f"{row['value']:8.1f} {row['unit']}  {row['what']}  {row.get('note', '')}")
    if options.steps is None:
        command = f"python -m benchmarks.forgetting --data ../shared/data --minutes {options.minutes:g}"
        record("forgetting", made, command, title="What a model forgets of other molecules")


if __name__ == "__main__":
    main()
