"""How long chemprop predicts; it runs in an environment of its own and knows nothing of adiabat.

JOB.json has `known`, SMILES and values to train each member on for one epoch (more would not change how long
a prediction takes), `names` to predict and the number of `members`; the seconds are printed.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main():
    """Trains, then times the prediction of the command line, start of the program included."""
    job = json.loads(Path(sys.argv[1]).read_text())
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        table = "smiles,value\n" + "".join(f"{name},{value}\n" for name, value in job["known"])
        (folder / "known.csv").write_text(table)
        (folder / "names.csv").write_text("smiles\n" + "".join(f"{name}\n" for name in job["names"]))
        program = Path(sys.executable).with_name("chemprop")
        common = ["--accelerator", "cpu", "--devices", "1", "--num-workers", "0"]
        train = [program, "train", "-i", "known.csv", "-o", "model", "-t", "regression", "--epochs", "1"]
        train += ["--warmup-epochs", "0", "--ensemble-size", str(job["members"]), *common]
        # It reads the best of its own checkpoints, which torch refuses since 2.6 for more than weights.
        trusting = os.environ | {"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}
        subprocess.run(train, cwd=folder, check=True, stdout=subprocess.DEVNULL, env=trusting)
        predict = [program, "predict", "-i", "names.csv", "-o", "values.csv", *common]
        predict += ["--model-paths", "model", "--batch-size", "256"]
        begin = time.monotonic()
        subprocess.run(predict, cwd=folder, check=True, stdout=subprocess.DEVNULL, env=trusting)
        print(time.monotonic() - begin)


if __name__ == "__main__":
    main()
