"""What `benchmarks.speed` runs inside MACE's own environment; knows nothing of adiabat.

    python peer_mace.py JOB.json

JOB.json names structure files; the times [s] are printed as one JSON object. Weights are random: they do not
change the work.
"""

import json
import sys
import time

import ase.io
import numpy as np
import torch

torch.serialization.add_safe_globals([slice])  # or e3nn cannot read its own constants with this torch

from e3nn import o3  # noqa: E402
from mace import data, modules, tools  # noqa: E402
from mace.tools import torch_geometric  # noqa: E402

CUTOFF = 5.0


def model(numbers, neighbors, free_atoms=None, scale=1.0, shift=0.0):
    """128x0e+128x1o, two layers, spherical harmonics to rank 3, correlation 3; energies of free atoms in the
    order of their numbers, scale and shift of what is learned in eV."""
    elements = tools.AtomicNumberTable(sorted(set(numbers)))
    made = modules.ScaleShiftMACE(
        r_max=CUTOFF,
        num_bessel=8,
        num_polynomial_cutoff=5,
        max_ell=3,
        interaction_cls=modules.interaction_classes["RealAgnosticResidualInteractionBlock"],
        interaction_cls_first=modules.interaction_classes["RealAgnosticResidualInteractionBlock"],
        num_interactions=2,
        num_elements=len(elements),
        hidden_irreps=o3.Irreps("128x0e + 128x1o"),
        MLP_irreps=o3.Irreps("16x0e"),
        gate=torch.nn.functional.silu,
        atomic_energies=np.zeros(len(elements)) if free_atoms is None else np.array(free_atoms),
        avg_num_neighbors=neighbors,
        atomic_numbers=elements.zs,
        correlation=3,
        atomic_inter_scale=scale,
        atomic_inter_shift=shift,
    )
    return made, elements


def batch(structures, elements):
    """Structures with their neighbor lists."""
    graphs = [
        data.AtomicData.from_config(data.config_from_atoms(atoms), z_table=elements, cutoff=CUTOFF)
        for atoms in structures
    ]
    return next(iter(torch_geometric.dataloader.DataLoader(graphs, batch_size=len(graphs)))).to_dict()


def best(call, repeats):
    """The shortest of several times [s], after one to warm up."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def energy_and_forces(file):
    """One call, the neighbor list left out."""
    atoms = ase.io.read(file, format="extxyz")
    made, elements = model(atoms.numbers.tolist(), 50.0)
    inputs = batch([atoms], elements)
    return best(lambda: made(inputs, training=False, compute_force=True), 3 if len(atoms) < 1000 else 1)


def training_step(file):
    """Loss and its gradient for a batch; the optimizer left out."""
    structures = ase.io.read(file, ":", format="extxyz")
    made, elements = model(structures[0].numbers.tolist(), 12.0)
    inputs = batch(structures, elements)

    def step():
        made.zero_grad()
        found = made(inputs, training=True, compute_force=True)
        (found["forces"].pow(2).mean() + found["energy"].pow(2).mean()).backward()

    return best(step, 5)


def dynamics_step(file, steps=10):
    """A Langevin step of ASE with MACE's calculator."""
    from ase import units
    from ase.md.langevin import Langevin
    from mace.calculators import MACECalculator

    atoms = ase.io.read(file, format="extxyz")
    made, _ = model(atoms.numbers.tolist(), 15.0)
    atoms.calc = MACECalculator(models=[made.double()], device="cpu", default_dtype="float32")
    run = Langevin(atoms, 0.5 * units.fs, temperature_K=1.0, friction=0.1 / units.fs)
    return best(lambda: run.run(steps), 2) / steps


JOBS = {
    "energy_and_forces": energy_and_forces,
    "training_step": training_step,
    "dynamics_step": dynamics_step,
}


def main():
    """Does the jobs."""
    with open(sys.argv[1]) as file:
        jobs = json.load(file)
    torch.set_default_dtype(torch.float32)
    print(json.dumps([JOBS[kind](path) for kind, path in jobs]))


if __name__ == "__main__":
    main()
