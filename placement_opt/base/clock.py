"""The time that counts: time limits and measured seconds, less what was spent on compiling loops.

A loop is compiled once an installation and takes seconds for it; whoever is allowed ten seconds is allowed ten of work.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

#: Seconds stopped so far, and since when the clock stands (None where it runs): one pair, which a reader sees whole.
_stopped: tuple[float, float | None] = (0.0, None)
_depth = 0


def now() -> float:
    """Seconds from some moment on, never going back; standing still while :func:`stopped`."""
    before, since = _stopped
    return (time.monotonic() if since is None else since) - before


@contextmanager
def stopped() -> Iterator[None]:
    """The clock stands until the end. In one thread at a time; inside itself it changes nothing."""
    stop()
    try:
        yield
    finally:
        go()


def stop() -> None:
    """Let the clock stand; every call needs its :func:`go`."""
    global _stopped, _depth
    _depth += 1
    if _depth == 1:
        _stopped = (_stopped[0], time.monotonic())


def go() -> None:
    """Undo one :func:`stop`."""
    global _stopped, _depth
    _depth -= 1
    before, since = _stopped
    if _depth == 0 and since is not None:
        _stopped = (before + time.monotonic() - since, None)
