import os
import signal
import threading

import pytest

from adiabat.base.interrupts import Interrupted, interruptible


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_loop_saves_and_then_leaves(signum, code):
    saved = []
    with pytest.raises(Interrupted) as caught, interruptible() as stop:  # noqa: PT012
        for step in range(10):
            if step == 3:
                os.kill(os.getpid(), signum)
            if stop.requested:
                saved.append(step)
                break
    assert saved == [3]
    assert caught.value.exit_code == code
    assert isinstance(caught.value, KeyboardInterrupt)


def test_asking_twice_leaves_at_once():
    with pytest.raises(Interrupted), interruptible():  # noqa: PT012
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("the second signal did not raise")


def test_handlers_are_put_back():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with interruptible() as stop:
        assert not stop.requested
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_an_error_in_the_block_comes_first():
    with pytest.raises(ZeroDivisionError), interruptible():  # noqa: PT012
        os.kill(os.getpid(), signal.SIGINT)
        raise ZeroDivisionError


def test_in_another_thread_nothing_happens():
    seen = []

    def work():
        with interruptible() as stop:
            seen.append(stop.requested)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
