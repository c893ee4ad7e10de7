"""Energies, forces, training and dynamics against MACE and NequIP, in one run on one machine.

    python -m benchmarks.speed --data ../shared/data --peers .peers

The peers' environments are made on the first run (torch and the peer, a few hundred MB each). Networks have
random weights: they do not change the work. All have two layers of 5 Å, in single precision; the peers run as
their Python interfaces make them, not exported. Times are the shortest of several. Where JAX and torch find a
GPU all of it runs there, and is recorded as `speed-gpu`, without what is of a CPU only.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import ase.io
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from adiabat.data import Sample, read_samples
from adiabat.dynamics import Langevin, VerletList, run_dynamics
from adiabat.networks import LearnedPotential, of_size
from adiabat.networks.cartesian import CartesianNetwork
from adiabat.system import System, neighbor_list
from adiabat.tasks.precision import enable
from adiabat.training.batches import Batches, Listed, plan_buckets
from adiabat.training.objective import Objective, training_step
from adiabat.training.start import new_potential
from benchmarks.dynamics_speed import forces_only
from benchmarks.operations import operations
from benchmarks.peer import run_peer
from benchmarks.record import record
from benchmarks.timing import best

CUTOFF = 5.0
PEERS = {"MACE": "mace", "NequIP": "nequip"}
Row = dict[str, Any]


def potential(samples: list[Sample], size: str) -> LearnedPotential:
    """Fresh weights for these samples."""
    network = {"kind": "cartesian", "cutoff": CUTOFF, **of_size(size)}
    return new_potential(Listed(samples, CUTOFF), network, seed=0)


def repeated(system: System, times: int) -> System:
    """A cell, `times` in each direction."""
    return System.from_ase(system.to_ase() * (times, times, times))


def force_call(model: Any, system: System) -> float:
    """Seconds for energy and forces, the neighbor list left out."""
    near = jax.tree.map(jnp.asarray, neighbor_list(system, CUTOFF))
    here = jax.tree.map(jnp.asarray, system)
    call = eqx.filter_jit(lambda m, s, n: m(s, n, stress=False))
    return best(lambda: call(model, here, near), 10 if system.n_atoms < 2000 else 3)


def dynamics_step(model: Any, thermostat: Langevin, system: System) -> tuple[float, float]:
    """Seconds of a step of dynamics, all in, and of energy and forces where a compiled loop asks for them.

    The shortest of several, taken in turn.
    """
    calls, prepared, whole, alone = 2000, model.for_inference(), [], []
    with jax.enable_x64(True):
        neighbors = VerletList(CUTOFF).build(system)
        state = thermostat.init(system, prepared, neighbors, key=jax.random.key(0))
        for _ in range(3 if on_gpu() else 25):
            whole.append(1 / run_dynamics(system, model, thermostat, steps=calls).steps_per_second)
            alone.append(best(lambda: forces_only(prepared, state, neighbors, calls), 1) / calls)
    return min(whole), min(alone)


def step_time(samples: list[Sample], size: str) -> float:
    """Seconds for a training step on these samples, the optimizer included."""
    model = potential(samples, size)
    listed = Listed(samples, CUTOFF)
    batches = Batches(listed, plan_buckets(listed.sizes, sum(s.n_atoms for s in samples)))
    data = jax.tree.map(jnp.asarray, batches.make(*batches.in_order()[0]))
    objective = Objective(steps=1000, learning_rate=1e-3, energy_weight=1.0, with_stress=False)
    fit, times = objective.init(model), []
    for _ in range(30):
        start = time.perf_counter()
        fit, loss = training_step((objective, model, data, jnp.float32(1.0)), fit)
        loss.block_until_ready()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def peer_times(environments: Path, name: str, structures: dict[str, list[System]]) -> dict[str, float]:
    """Seconds that a peer takes for each job."""
    with tempfile.TemporaryDirectory() as folder:
        jobs = []
        for job, systems in structures.items():
            path = str(Path(folder) / f"{job}.xyz")
            ase.io.write(path, [system.to_ase() for system in systems], format="extxyz")
            kind = {"acac": "training_step", "aspirin": "dynamics_step"}.get(job, "energy_and_forces")
            jobs.append((kind, path))
        return dict(zip(structures, run_peer(environments, name, f"peer_{name}.py", jobs), strict=True))


def against_peers(data: Path, environments: Path, peers: list[str]) -> list[Row]:
    """The rows of the comparison; the bars are for MACE on a CPU."""
    water = read_samples(data / "water" / "data" / "data_0")[:8]
    acac = read_samples(data / "acac" / "train_300K.xyz")[:5]
    aspirin = read_samples(data / "rmd17" / "rmd17_aspirin_train_01.npz")[:8]
    boxes = [water[0].system, repeated(water[0].system, 2)]
    structures = {
        "192": [boxes[0]],
        "1536": [boxes[1]],
        "acac": [s.system for s in acac],
        "aspirin": [aspirin[0].system],
    }
    theirs = {peer: peer_times(environments, name, structures) for peer in peers for name in [PEERS[peer]]}
    rows: list[Row] = []

    def compare(what: str, name: str, job: str, ours: float, least: int) -> None:
        rows.append({"what": f"{what}, {name}", "value": 1e3 * ours, "unit": "ms"})
        for peer, times in theirs.items():
            ratio: Row = {"what": f"{what}, {name}: times faster than {peer}", "value": times[job] / ours}
            rows.append(ratio | (bar(f">= {least}") if peer == "MACE" else {}))

    def list_peers(what: str, job: str, how: str = "") -> None:
        for peer, times in theirs.items():
            rows.append({"what": f"{what}, {how}{peer}", "value": 1e3 * times[job], "unit": "ms"})

    for box in boxes:
        what, job = f"{box.n_atoms} atoms of water, energy and forces", str(box.n_atoms)
        list_peers(what, job)
        for size, least in (("accurate", 40), ("fast", 200)):
            plain = potential(water, size)
            compare(what, size, job, force_call(plain.for_inference(), box), least)
            if box is boxes[0] and not on_gpu():
                by_xla = 1e3 * force_call(plain, box)
                rows.append({"what": f"{what}, {size} by XLA", "value": by_xla, "unit": "ms"})
    what = "training step, 5 acac"
    list_peers(what, "acac")
    compare(what, "accurate", "acac", step_time(acac, "accurate"), 25)
    # Random weights, made so weak that the molecule flies along unbound; the work is the same.
    model = eqx.tree_at(lambda p: p.scale, potential(aspirin, "accurate"), np.asarray(1e-4))
    thermostat = Langevin(timestep=0.5, temperature=1.0, friction=0.1)
    system = aspirin[0].system
    called = force_call(model.for_inference(), system)
    step, forces = dynamics_step(model, thermostat, system)
    what = "dynamics of aspirin, a step"
    list_peers(what, "aspirin", "ASE with ")
    compare(what, "accurate", "aspirin", step, 40)
    rows += [
        {"what": f"{what}, forces alone in a compiled loop", "value": 1e3 * forces, "unit": "ms"},
        {"what": f"{what}, outside of the potential", "value": 100 * (1 - forces / step), "unit": "%"}
        | bar("< 10"),
        {"what": "one force call of the same from Python", "value": 1e3 * called, "unit": "ms"},
    ]
    return rows


def scaling(data: Path) -> list[Row]:
    """Cost and memory for each atom of larger and larger boxes of water, the neighbor list included.

    The shortest of several calls, of all boxes in turn.
    """
    water = read_samples(data / "water" / "data" / "data_0")[:8]
    model = potential(water, "accurate").for_inference()
    boxes = [repeated(water[0].system, times) for times in (1, 2, 4)]
    added, listed, called = [], [[], [], []], [[], [], []]
    for turn in range(8):
        for box, lists, calls in zip(boxes, listed, called, strict=True):
            before = most_memory()
            start = time.perf_counter()
            neighbor_list(box, CUTOFF)
            lists.append(1e6 * (time.perf_counter() - start) / box.n_atoms)
            calls.append(1e6 * force_call(model, box) / box.n_atoms)
            if turn == 0:
                added.append((most_memory() - before) / box.n_atoms)
    rows: list[Row] = []
    for box, lists, calls, memory in zip(boxes, listed, called, added, strict=True):
        name = f"{box.n_atoms} atoms of water"
        rows.append({"what": f"{name}, energy and forces", "value": min(calls), "unit": "µs/atom"})
        rows.append({"what": f"{name}, neighbor list", "value": min(lists), "unit": "µs/atom"})
        if memory > 0:  # a small box fits into what others used before
            rows.append({"what": f"{name}, memory added", "value": memory, "unit": "KiB/atom"})
    costs = [min(calls) + min(lists) for lists, calls in zip(listed, called, strict=True)]
    what = "cost for an atom, the dearest box over the cheapest, lists included"
    rows.append({"what": what, "value": max(costs) / min(costs)} | bar("<= 1.25"))
    return rows


def efficiency(data: Path) -> list[Row]:
    """How much of the peak of matrix products the network reaches, and what else a call is made of."""
    water = read_samples(data / "water" / "data" / "data_0")[:8]
    box, top = water[0].system, peak()
    near = jax.tree.map(jnp.asarray, neighbor_list(box, CUTOFF))
    here = jax.tree.map(jnp.asarray, box)
    parts = {
        "energies alone": eqx.filter_jit(lambda m, s, n: m.energy(s, n)),
        "an empty function of the same from Python": eqx.filter_jit(lambda _m, s, _n: s.positions[0]),
    }
    rows: list[Row] = [{"what": "product of large matrices, this machine", "value": top, "unit": "GFLOP/s"}]
    for size in ("accurate", "fast"):
        plain, name = potential(water, size), f"{box.n_atoms} atoms of water, {size}"
        assert isinstance(plain.network, CartesianNetwork)
        counted = operations(plain.network, box.n_atoms, int(jnp.sum(near.mask)))
        note = ", ".join(f"{part} {share / sum(counted):.0%}" for part, share in counted._asdict().items())
        model = plain.for_inference()
        whole = force_call(model, box)
        achieved = 1e-9 * sum(counted) / whole
        rows += [
            {"what": f"{name}, operations", "value": 1e-6 * sum(counted), "unit": "MFLOP", "note": note},
            {"what": f"{name}, energy and forces", "value": 1e3 * whole, "unit": "ms"},
            {"what": f"{name}, achieved", "value": achieved, "unit": "GFLOP/s"},
            {"what": f"{name}, share of that product's", "value": 100 * achieved / top, "unit": "%"},
        ]
        for part, call in parts.items():
            seconds = best(lambda call=call, model=model: call(model, here, near), 20)
            rows.append({"what": f"{name}, {part}", "value": 1e3 * seconds, "unit": "ms"})
    return rows


def peak() -> float:
    """GFLOP/s of a large product of float32 matrices."""
    size = 3000
    a = jnp.asarray(np.random.default_rng(0).normal(size=(size, size)), jnp.float32)
    multiply = jax.jit(lambda a: a @ a)
    return 2e-9 * size**3 / best(lambda: multiply(a), 5)


def bar(aim: str) -> Row:
    """What is aimed at on a CPU."""
    return {} if on_gpu() else {"bar": aim}


def most_memory() -> float:
    """The most this process has had so far [KiB]: of the GPU's memory where it runs on one."""
    if on_gpu():
        return jax.devices()[0].memory_stats()["peak_bytes_in_use"] / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def on_gpu() -> bool:
    """Whether JAX computes on something else than the CPU."""
    return jax.default_backend() != "cpu"


def main() -> None:
    """Measures and records."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--peers", type=Path, default=Path(".peers"))
    parser.add_argument("--against", nargs="+", choices=PEERS, default=list(PEERS))
    arguments = parser.parse_args()
    enable()
    rows = against_peers(arguments.data, arguments.peers, arguments.against) + scaling(arguments.data)
    if not on_gpu():
        rows += efficiency(arguments.data)
    for row in rows:
        print(f"{row['what']:60s} {row['value']:>10.4g} {row.get('unit', '')}", file=sys.stderr)
    peers = " and ".join(arguments.against)
    record(
        "speed",
        rows,
        "python -m benchmarks.speed --data ../shared/data",
        title=f"Speed against {peers}",
    )


if __name__ == "__main__":
    main()
