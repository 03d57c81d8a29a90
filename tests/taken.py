"""Memory that something takes, whatever ran before it in the same process."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager


class Taken:
    """Bytes of Python's objects and numpy's arrays that were made within and are still there, and the most at once."""

    held = peak = -1


@contextmanager
def taken() -> Iterator[Taken]:
    """Count from nothing, and stop counting however this ends: else all that is counted later had this one's peak, too."""
    found = Taken()
    tracemalloc.stop()
    tracemalloc.start()
    try:
        yield found
        found.held, found.peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
