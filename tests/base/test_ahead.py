"""Items made in another thread."""

import pytest

from adiabat.base.ahead import ahead


def test_items_come_in_order_and_no_more_than_one_ahead():
    made = []

    def items():
        for k in range(10):
            made.append(k)
            yield k

    for k in ahead(items()):
        assert k in made
        assert len(made) <= k + 2
        if k == 7:
            break
    assert made[:8] == list(range(8))
    assert list(ahead([])) == []


def test_an_error_comes_after_the_items_before_it():
    def items():
        yield 1
        raise ValueError("the second")

    found = ahead(items())
    assert next(found) == 1
    with pytest.raises(ValueError, match="second"):
        next(found)
