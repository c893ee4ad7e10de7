"""A few processes that label structures, fed with JSON lines through pipes.

Not `multiprocessing`: its `fork` must not follow JAX's threads, and its `spawn` runs the user's script again
unless that is guarded. Labels are floats and JSON keeps every bit of them.
"""

import contextlib
import json
import os
import selectors
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import adiabat

_PROGRAM = "from adiabat.data.labelers.worker import serve; serve()"


class WorkerPool:
    """`n` processes of one method.

    A job on which a process dies comes back as an error; the process is replaced.
    """

    def __init__(self, n: int, name: str, options: dict[str, Any]):
        self._method = json.dumps({"name": name, "options": options}).encode() + b"\n"
        self._processes = [self._start() for _ in range(n)]

    def run(self, jobs: Sequence[dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
        """(index, result) of every job, in the order in which they are ready."""
        waiting = iter(range(len(jobs)))
        finished = False
        with selectors.DefaultSelector() as selector:
            for slot in range(len(self._processes)):
                self._send(slot, jobs, waiting, selector)
            try:
                while selector.get_map():
                    for event, _ in selector.select():
                        slot, index = event.data
                        selector.unregister(event.fileobj)
                        result = self._receive(slot)
                        self._send(slot, jobs, waiting, selector)
                        yield index, result
                finished = True
            finally:
                if not finished:  # answers still in the pipes would be taken for those of the next jobs
                    self.close()
                    self._processes = [self._start() for _ in self._processes]

    def close(self) -> None:
        """Ends the processes, busy or not."""
        for process in self._processes:
            with contextlib.suppress(OSError):
                process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()

    def _start(self) -> subprocess.Popen:
        # One thread each: tblite gains nothing from two on molecules (measured: twice the CPU time, same wall
        # time).
        here = str(Path(adiabat.__file__).parents[1])
        path = os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path, "JAX_PLATFORMS": "cpu"}
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )
        with contextlib.suppress(OSError):  # one that dies at once is noticed when it is to answer
            assert process.stdin is not None
            process.stdin.write(self._method)
            process.stdin.flush()
        return process

    def _send(
        self,
        slot: int,
        jobs: Sequence[dict[str, Any]],
        waiting: Iterator[int],
        selector: selectors.BaseSelector,
    ) -> None:
        index = next(waiting, None)
        if index is None:
            return
        process = self._processes[slot]
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(jobs[index]).encode() + b"\n")
            process.stdin.flush()
        selector.register(process.stdout, selectors.EVENT_READ, (slot, index))

    def _receive(self, slot: int) -> dict[str, Any]:
        process = self._processes[slot]
        assert process.stdout is not None
        line = process.stdout.readline()
        if line.endswith(b"\n"):
            return json.loads(line)
        code = process.wait()
        self._processes[slot] = self._start()
        return {"error": f"the method crashed (exit status {code})"}
