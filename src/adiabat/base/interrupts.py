"""Stopping a long loop without losing anything: Ctrl-C and SIGTERM ask, the loop saves and leaves."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """A loop was asked to stop, saved its state and left.

    Attributes:
        exit_code: 130 after SIGINT, 143 after SIGTERM, as shells expect.
    """

    def __init__(self, signum: int = signal.SIGINT):
        super().__init__(f"{signal.Signals(signum).name} came; everything is saved")
        self.exit_code = 128 + signum


class Stop:
    """Whether a signal asked the loop to stop."""

    def __init__(self) -> None:
        self.signum: int | None = None

    @property
    def requested(self) -> bool:
        """True once SIGINT or SIGTERM came."""
        return self.signum is not None

    def _handle(self, signum: int, _frame: FrameType | None) -> None:
        if self.requested:  # asked twice: do not wait for the loop to notice
            raise Interrupted(signum)
        self.signum = signum


@contextlib.contextmanager
def interruptible() -> Iterator[Stop]:
    """Within the block, a first SIGINT or SIGTERM only sets `stop.requested`; a second one raises at once.

    The loop looks at `stop.requested`, saves inside the block and breaks; on leaving the block, `Interrupted`
    is raised, so that nothing that follows runs by mistake. Outside the main thread the block does nothing.

    Example:
        >>> with interruptible() as stop:
        ...     while step < steps:
        ...         step += 1
        ...         if stop.requested:
        ...             store.save(step, arrays, header)
        ...             break

    Raises:
        Interrupted: on leaving, when a signal came.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    previous = {signum: signal.signal(signum, stop._handle) for signum in _SIGNALS}
    try:
        yield stop
    finally:
        for signum, handler in previous.items():
            signal.signal(signum, handler)
    if stop.signum is not None:
        raise Interrupted(stop.signum)
