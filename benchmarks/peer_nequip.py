"""What `benchmarks.speed` runs inside NequIP's own environment; knows nothing of adiabat.

    python peer_nequip.py JOB.json

The job is one of `peer_jobs`.
"""

import sys

import peer_jobs
from nequip.data import AtomicDataDict, from_ase
from nequip.data.transforms import ChemicalSpeciesToAtomTypeMapper, NeighborListTransform
from nequip.integrations.ase import NequIPCalculator
from nequip.model import NequIPGNNModel
from nequip.utils.global_state import set_global_state


def made(atoms, neighbors):
    """Two layers, 64 features of each rank to 2 and each parity; and what prepares its data."""
    elements = sorted(set(atoms.get_chemical_symbols()))
    set_global_state()
    model = NequIPGNNModel(
        seed=0,
        model_dtype="float32",
        r_max=peer_jobs.CUTOFF,
        type_names=elements,
        num_layers=2,
        l_max=2,
        parity=True,
        num_features=64,
        num_bessels=8,
        avg_num_neighbors=neighbors,
        per_type_energy_scales=1.0,
        per_type_energy_shifts=0.0,
    )
    transforms = [
        ChemicalSpeciesToAtomTypeMapper(elements),
        NeighborListTransform(r_max=peer_jobs.CUTOFF),
    ]
    return model.eval(), transforms


def prepared(structures, neighbors):
    """The model, and a function that gives energies and forces of the structures."""
    model, transforms = made(structures[0], neighbors)
    graphs = []
    for atoms in structures:
        graph = from_ase(atoms)
        for transform in transforms:
            graph = transform(graph)
        graphs.append(graph)
    model.to(peer_jobs.DEVICE)
    inputs = AtomicDataDict.to_(AtomicDataDict.batched_from_list(graphs), peer_jobs.DEVICE)

    def predict(training):
        model.train(training)
        found = model(inputs)
        return found[AtomicDataDict.TOTAL_ENERGY_KEY], found[AtomicDataDict.FORCE_KEY]

    return model, predict


def calculator(atoms, neighbors):
    """Its calculator for ASE."""
    model, transforms = made(atoms, neighbors)
    return NequIPCalculator(model, device=peer_jobs.DEVICE, transforms=transforms)


if __name__ == "__main__":
    peer_jobs.main(sys.modules[__name__])
