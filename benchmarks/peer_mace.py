"""What `benchmarks.speed` runs inside MACE's own environment; knows nothing of adiabat.

    python peer_mace.py JOB.json

The job is one of `peer_jobs`.
"""

import sys

import numpy as np
import torch

torch.serialization.add_safe_globals([slice])  # or e3nn cannot read its own constants with this torch

from e3nn import o3  # noqa: E402
from mace import data, modules, tools  # noqa: E402
from mace.calculators import MACECalculator  # noqa: E402
from mace.tools import torch_geometric  # noqa: E402
from peer_jobs import CUTOFF, DEVICE, main  # noqa: E402


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
    return (
        next(iter(torch_geometric.dataloader.DataLoader(graphs, batch_size=len(graphs)))).to(DEVICE).to_dict()
    )


def prepared(structures, neighbors):
    """The model, and a function that gives energies and forces of the structures."""
    made, elements = model(structures[0].numbers.tolist(), neighbors)
    made.to(DEVICE)
    inputs = batch(structures, elements)

    def predict(training):
        found = made(inputs, training=training, compute_force=True)
        return found["energy"], found["forces"]

    return made, predict


def calculator(atoms, neighbors):
    """Its calculator for ASE."""
    made, _ = model(atoms.numbers.tolist(), neighbors)
    return MACECalculator(models=[made.double()], device=DEVICE, default_dtype="float32")


if __name__ == "__main__":
    main(sys.modules[__name__])
