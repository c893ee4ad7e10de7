"""Items made in another thread."""

import threading

import pytest

from adiabat.base.ahead import ahead


def test_items_come_in_order_and_one_is_made_ahead():
    made = [threading.Event() for _ in range(10)]

    def items():
        for k, event in enumerate(made):
            event.set()
            yield k

    for k in ahead(items()):
        assert k == 9 or made[k + 1].wait(timeout=30)
        assert k > 7 or not made[k + 2].is_set()
        if k == 8:
            break
    assert list(ahead([])) == []


def test_an_error_comes_after_the_items_before_it():
    def items():
        yield 1
        raise ValueError("the second")

    found = ahead(items())
    assert next(found) == 1
    with pytest.raises(ValueError, match="second"):
        next(found)
