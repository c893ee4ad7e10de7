"""Runs LAMMPS with a potential and writes what came of it, on all processes of MPI."""

import sys

import ase.io
import jax
import numpy as np

from adiabat.tasks.precision import enable

enable()

from tests.networks.test_kernel import make  # noqa: E402

from adiabat.interfaces.lammps import LammpsForce, import_lammps  # noqa: E402
from adiabat.potentials import LennardJones  # noqa: E402
from adiabat.testing import systems  # noqa: E402

PRESSURES = ("pxx", "pyy", "pzz", "pxy", "pxz", "pyz")


def potential_of(kind: str):
    """A potential for argon, or one with random weights for water: as it is, or in double precision."""
    if kind.startswith("argon"):
        return LennardJones(cutoff=6.0)
    network = make(channels=4, cutoff=3.0)
    if kind == "water":
        return network
    return jax.tree.map(
        lambda x: x.astype(np.float64) if getattr(x, "dtype", None) == np.float32 else x, network
    )


def atoms_of(kind: str):
    """The structure, with what LAMMPS needs of a cell: one that leans but not more than half its length."""
    if kind.startswith("argon"):
        atoms = systems.argon(500, density=1.2, displacement=0.05).to_ase()
    else:
        atoms = systems.water(64).to_ase()
    if kind != "argon-liquid":
        atoms.set_cell(atoms.cell.array @ [[1, 0, 0], [0.2, 1, 0], [-0.1, 0.15, 1]], scale_atoms=True)
    return atoms


def main(kind: str, out: str, steps: int) -> None:
    module, mpi = import_lammps()
    world = mpi.COMM_WORLD
    if world.rank == 0:
        options = {"format": "lammps-data", "masses": True, "specorder": order(kind)}
        ase.io.write(f"{out}.data", atoms_of(kind), parallel=False, **options)
    world.Barrier()
    program = module.lammps(cmdargs=["-log", "none", "-screen", "none"])
    program.commands_list(["units metal", "atom_modify map yes", f"read_data {out}.data"])
    force = LammpsForce(program, potential_of(kind))
    program.commands_list(["compute each all pe/atom", "compute sum all reduce sum c_each", "timestep 0.005"])
    program.command("thermo_style custom step pe etotal temp press c_sum")
    force.run(0)
    found = {
        "energy": program.get_thermo("pe"),
        "pressure": [program.get_thermo(name) for name in PRESSURES],
        "forces": np.array(program.gather_atoms("f", 1, 3)).reshape(-1, 3),
        "positions": np.array(program.gather_atoms("x", 1, 3)).reshape(-1, 3),
        "sum": float(program.numpy.extract_compute("sum", 0, 0)),
    }
    if steps:
        program.commands_list(["velocity all create 240 1 loop all", "fix move all nve"])
        own = set(program.numpy.extract_atom("id")[: program.extract_setting("nlocal")].tolist())
        totals = []
        for _ in range(steps // 10):
            force.run(10)
            totals.append(program.get_thermo("etotal"))
        now = set(program.numpy.extract_atom("id")[: program.extract_setting("nlocal")].tolist())
        found["totals"] = np.array(totals)
        found["temperature"] = program.get_thermo("temp")
        found["moved"] = world.allreduce(len(own - now))
        found["builds"] = force.builds
    if world.rank == 0:
        np.savez(out, **found)


def order(kind: str) -> list[str]:
    return ["Ar"] if kind.startswith("argon") else ["O", "H"]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
