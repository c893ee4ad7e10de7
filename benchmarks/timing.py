"""How the benchmarks time a call."""

import time
from collections.abc import Callable
from typing import Any

import jax


def best(call: Callable[[], Any], repeats: int = 7) -> float:
    """The shortest of several times [s], after one to compile; other programs can only make it longer."""
    jax.block_until_ready(call())
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(call())
        times.append(time.perf_counter() - start)
    return min(times)
