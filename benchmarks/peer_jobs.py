"""The jobs that `benchmarks.speed` gives to every peer; it runs in their environments and knows nothing of
adiabat.

JOB.json is a list of [kind, structure file]; the times [s] are printed as one JSON list.
"""

import json
import sys
import time

import ase.io
import torch
from ase import units
from ase.md.langevin import Langevin

CUTOFF = 5.0
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def best(call, repeats):
    """The shortest of several times [s], after one to warm up."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        call()
        if DEVICE == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def energy_and_forces(peer, structures):
    """One call, the neighbor list left out."""
    _, predict = peer.prepared(structures, neighbors=50.0)
    few = DEVICE == "cpu" and len(structures[0]) >= 1000  # half a minute each; TorchScript compiles twice
    return best(lambda: predict(training=False), 1 if few else 5)


def training_step(peer, structures):
    """Loss and its gradient for a batch; the optimizer left out."""
    model, predict = peer.prepared(structures, neighbors=12.0)

    def step():
        model.zero_grad()
        energies, forces = predict(training=True)
        (forces.pow(2).mean() + energies.pow(2).mean()).backward()

    return best(step, 5)


def dynamics_step(peer, structures, steps=10):
    """A Langevin step of ASE with the peer's calculator."""
    atoms = structures[0]
    atoms.calc = peer.calculator(atoms, neighbors=15.0)
    run = Langevin(atoms, 0.5 * units.fs, temperature_K=1.0, friction=0.1 / units.fs)
    return best(lambda: run.run(steps), 2) / steps


JOBS = {
    "energy_and_forces": energy_and_forces,
    "training_step": training_step,
    "dynamics_step": dynamics_step,
}


def main(peer):
    """Does the jobs.

    Args:
        peer: a module with `prepared(structures, neighbors)`, which gives a model of torch and a function
            `predict(training)` of energies and forces, and `calculator(atoms, neighbors)` for ASE;
            `neighbors` is the mean number of an atom's. Weights are random: they do not change the work.
    """
    with open(sys.argv[1]) as file:
        jobs = json.load(file)
    torch.set_default_dtype(torch.float32)
    times = [JOBS[kind](peer, ase.io.read(path, ":", format="extxyz")) for kind, path in jobs]
    print(json.dumps(times))
