"""Making the next item while this one is worked on."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor


def ahead[T](items: Iterable[T]) -> Iterator[T]:
    """The items, in order; the next one is made in another thread while the caller works on the last.

    What making an item raises is raised where that item would be yielded.
    """
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1) as worker:
        coming = worker.submit(next, iterator, end)
        while (item := coming.result()) is not end:
            coming = worker.submit(next, iterator, end)
            yield item  # pyright: ignore[reportReturnType]
