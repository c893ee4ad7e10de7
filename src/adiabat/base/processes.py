"""Work spread over a few processes: bytes in, bytes out, in order.

Not `multiprocessing`: its `fork` must not follow JAX's threads, and its `spawn` runs the user's script again
unless that is guarded.
"""

import contextlib
import itertools
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import IO, Self

from adiabat.base.errors import AdiabatError, DataError, MissingDependencyError

_HEADER = 8
# Jobs that wait for each process while it is busy.
_AHEAD = 2
# One thread each: the processes are as many as there are cores. What an array leaves is kept for the next:
# glibc would give large ones back to the system, which clears their pages each time.
_USUAL = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "MALLOC_MMAP_THRESHOLD_": str(1 << 25),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 28),
}


class Processes:
    """Processes of one program that answer bytes with bytes.

    A process that dies is replaced and its job given to the new one, once.

    Args:
        n: how many.
        module: a module with a function `prepared(settings: bytes)`, which gives the function from job to
            answer; it is called once in each process.
        settings: what it gets.
        environment: further variables of the processes.
    """

    def __init__(self, n: int, module: str, settings: bytes, environment: Mapping[str, str] | None = None):
        self.n = n
        self._program = f"from adiabat.base.processes import serve; serve({module!r})"
        self._settings, self._environment = settings, dict(environment or {})
        self._free: SimpleQueue[subprocess.Popen] = SimpleQueue()
        self._all: set[subprocess.Popen] = set()
        self._closed = False
        self._threads = ThreadPoolExecutor(n)
        for _ in range(n):
            self._free.put(self._start())

    def map(self, jobs: Iterable[bytes]) -> Iterator[bytes]:
        """The answers, in the order of the jobs; few jobs are taken ahead.

        Raises:
            AdiabatError: what the program raised.
            DataError: two processes died of one job.
        """
        yield from in_order(lambda job: self._threads.submit(self._answer, job), jobs, self.n * _AHEAD)

    def close(self) -> None:
        """Ends the processes, busy or not."""
        self._closed = True
        for process in list(self._all):
            with contextlib.suppress(OSError):
                process.kill()
        self._threads.shutdown(cancel_futures=True)
        for process in list(self._all):
            self._end(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _answer(self, job: bytes) -> bytes:
        for attempt in range(2):
            process = self._free.get()
            try:
                assert process.stdin is not None
                assert process.stdout is not None
                with contextlib.suppress(BrokenPipeError):
                    _send(process.stdin, job)
                answer = _receive(process.stdout)
            except BaseException:
                self._free.put(process)
                raise
            if answer is not None:
                self._free.put(process)
                return _without_error(answer)
            code = self._end(process)
            if self._closed:
                break
            self._free.put(self._start())
            if attempt:
                raise DataError(
                    f"a worker process died twice on the same part of the work (exit status {code})",
                    "-9 means that it was killed, most often for want of memory: use fewer workers",
                )
        raise DataError("the worker processes were ended")

    def _start(self) -> subprocess.Popen:
        import adiabat

        here = str(Path(adiabat.__file__).parents[1])
        path = os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])
        # In a session of its own: Ctrl-C is for the one who saves. The end of the pipe ends the process.
        process = subprocess.Popen(
            [sys.executable, "-c", self._program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **_USUAL, "PYTHONPATH": path, **self._environment},
            start_new_session=True,
        )
        self._all.add(process)
        with contextlib.suppress(OSError):  # one that dies at once is noticed when it is to answer
            assert process.stdin is not None
            _send(process.stdin, self._settings)
        return process

    def _end(self, process: subprocess.Popen) -> int:
        self._all.discard(process)
        code = process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        return code


def in_order[Job, Answer](
    submit: Callable[[Job], "Future[Answer]"], jobs: Iterable[Job], ahead: int
) -> Iterator[Answer]:
    """Answers in the order of the jobs, of which `ahead` at most are under way."""
    waiting: deque[Future[Answer]] = deque()
    try:
        for job in jobs:
            waiting.append(submit(job))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def serve(module: str) -> None:
    """Answers jobs from standard input on standard output until there are no more; see `Processes`."""
    import importlib

    jobs, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    settings = _receive(jobs)
    if settings is None:
        return
    function: Callable[[bytes], bytes] | None = None
    while (job := _receive(jobs)) is not None:
        function = function or importlib.import_module(module).prepared(settings)
        assert function is not None
        answer = _answered(function, job)
        with contextlib.suppress(BrokenPipeError):
            _send(answers, answer)


def _answered(function: Callable[[bytes], bytes], job: bytes) -> bytes:
    try:
        return b"\0" + function(job)
    except AdiabatError as error:
        return b"\1" + "\n".join([error.message, error.hint or ""]).encode()


def _without_error(answer: bytes) -> bytes:
    if answer[:1] == b"\1":
        message, _, hint = answer[1:].decode().partition("\n")
        raise DataError(message, hint or None)
    return answer[1:]


def _send(pipe: IO[bytes], content: bytes) -> None:
    pipe.write(len(content).to_bytes(_HEADER, "big") + content)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> bytes | None:
    """None at the end."""
    header = pipe.read(_HEADER)
    if len(header) < _HEADER:
        return None
    size = int.from_bytes(header, "big")
    content = pipe.read(size)
    return content if len(content) == size else None


class RayActors:
    """The same on a Ray cluster: actors instead of processes.

    Args:
        module: as of `Processes`.
        settings: likewise.
        address: of the cluster; None starts one on this machine.
        n: how many actors; by default one for each core of the cluster.

    Raises:
        MissingDependencyError: Ray is not installed.
        DataError: there is no such cluster.
    """

    def __init__(self, module: str, settings: bytes, address: str | None, n: int | None = None):
        try:
            import ray  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise MissingDependencyError("Ray is not installed", 'pip install "adiabat[ray]"') from error
        self._ray = ray
        try:
            ray.init(address=address, log_to_driver=False, ignore_reinit_error=True, include_dashboard=False)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise DataError(f"no Ray cluster answers at {address}: {error}") from error
        count = n or int(ray.cluster_resources().get("CPU", 1))
        actor = ray.remote(num_cpus=1, runtime_env={"env_vars": _USUAL})(_Actor)
        self._actors = [actor.remote(module, settings) for _ in range(count)]

    def map(self, jobs: Iterable[bytes]) -> Iterator[bytes]:
        """The answers, in the order of the jobs.

        Raises:
            AdiabatError: what the program raised.
            DataError: an actor died.
        """
        turns = itertools.cycle(self._actors)
        try:
            for answer in in_order(
                lambda job: next(turns).answer.remote(job).future(), jobs, len(self._actors) * _AHEAD
            ):
                yield _without_error(answer)
        except self._ray.exceptions.RayError as error:
            raise DataError(
                f"a worker on the cluster failed: {str(error).splitlines()[0]}", "go on with --resume"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for actor in self._actors:
            self._ray.kill(actor)
        self._ray.shutdown()


class _Actor:
    """What works on a node of a cluster."""

    def __init__(self, module: str, settings: bytes):
        import importlib

        self._function = importlib.import_module(module).prepared(settings)

    def answer(self, job: bytes) -> bytes:
        return _answered(self._function, job)
