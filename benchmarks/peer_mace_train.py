"""What `benchmarks.learning_curves` runs inside MACE's own environment; knows nothing of adiabat.

    python peer_mace_train.py JOB.json

JOB.json has `train` and `test` (extended XYZ), `free_atoms` (energies [eV] in the order of the atomic
numbers), `times` (minutes at which the test error is taken; the last ends the training) and `seed`. Minutes
and errors [meV/Å] are printed as one JSON list. Optimizer, loss and averaging are mace_run_train's with its
defaults, amsgrad and averaging on, as its documentation recommends. Time for the errors does not count.
"""

import argparse
import json
import sys
import time

import ase.io
import numpy as np
import torch
from peer_jobs import DEVICE
from peer_mace import CUTOFF, model

from mace import data, modules, tools  # isort: skip  (peer_mace prepares torch for it)
from mace.tools import scripts_utils, torch_geometric  # isort: skip
from torch_ema import ExponentialMovingAverage

BATCH, LEARNING_RATE, AVERAGING, CLIP = 5, 0.01, 0.99, 10.0
ENERGY_WEIGHT, FORCES_WEIGHT = 1.0, 100.0
DECAY, BETA = 5e-7, 0.9


def loader(file, elements, shuffle):
    """Batches of the frames of a file, with their neighbor lists."""
    graphs = []
    for atoms in ase.io.read(file, ":", format="extxyz"):
        atoms.info["REF_energy"], atoms.arrays["REF_forces"] = (
            atoms.get_potential_energy(),
            atoms.get_forces(),
        )
        keys = data.KeySpecification(info_keys={"energy": "REF_energy"}, arrays_keys={"forces": "REF_forces"})
        config = data.config_from_atoms(atoms, key_specification=keys)
        graphs.append(data.AtomicData.from_config(config, z_table=elements, cutoff=CUTOFF))
    return torch_geometric.dataloader.DataLoader(graphs, batch_size=BATCH, shuffle=shuffle, drop_last=shuffle)


def force_error(made, batches):
    """Root mean square error of a component [meV/Å]."""
    squares = [
        (made(batch.to(DEVICE).to_dict(), training=False)["forces"].detach() - batch.forces).pow(2)
        for batch in batches
    ]
    return 1e3 * float(torch.cat(squares).mean().sqrt())


def main():
    """Trains, and prints the curve."""
    with open(sys.argv[1]) as file:
        job = json.load(file)
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(job["seed"])
    began = time.monotonic()
    frames = ase.io.read(job["train"], ":", format="extxyz")
    numbers = frames[0].numbers
    free = dict(zip(sorted(set(numbers.tolist())), job["free_atoms"], strict=True))
    bound = [(a.get_potential_energy() - sum(free[z] for z in a.numbers.tolist())) / len(a) for a in frames]
    forces = float(np.sqrt(np.mean([a.get_forces() ** 2 for a in frames])))
    elements = tools.AtomicNumberTable(sorted(free))
    training, testing = loader(job["train"], elements, True), loader(job["test"], elements, False)
    neighbors = modules.compute_avg_num_neighbors(training)
    made, _ = model(numbers.tolist(), neighbors, job["free_atoms"], forces, float(np.mean(bound)))
    made.to(DEVICE)
    settings = {"lr": LEARNING_RATE, "weight_decay": DECAY, "beta": BETA, "amsgrad": True}
    given = argparse.Namespace(**settings, lr_params_factors="{}", freeze=None)
    optimizer = torch.optim.Adam(**scripts_utils.get_params_options(given, made))
    average = ExponentialMovingAverage(made.parameters(), decay=AVERAGING)
    loss = modules.WeightedEnergyForcesLoss(energy_weight=ENERGY_WEIGHT, forces_weight=FORCES_WEIGHT)
    curve, times, lost = [], list(job["times"]), 0.0
    while times:
        for batch in (batch.to(DEVICE) for batch in training):
            optimizer.zero_grad(set_to_none=True)
            loss(pred=made(batch.to_dict(), training=True), ref=batch).backward()
            torch.nn.utils.clip_grad_norm_(made.parameters(), max_norm=CLIP)
            optimizer.step()
            average.update()
            now = time.monotonic()
            minutes = (now - began - lost) / 60
            if times and minutes >= times[0]:
                with average.average_parameters():
                    curve.append((minutes, force_error(made, testing)))
                times = [t for t in times if t > minutes]
                lost += time.monotonic() - now
            if not times:
                break
    print(json.dumps(curve))


if __name__ == "__main__":
    main()
