"""A deadline for work that does not look at the clock: a solver's presolve, arrays that take long to build.

The work runs in a thread of its own and the caller keeps time. What has not come back a little after the limit is left behind:
the caller goes on with what it has, and whoever ends the process ends that work too (:func:`left_behind`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from placement_opt.base.errors import LimitError
from placement_opt.base.limits import Limits

#: Seconds that work gets to come back after it was asked to stop; work that waits for such work gets twice as long.
GRACE_S = 1.0
#: Seconds between two looks at a stop request.
PATIENCE_S = 0.1
_T = TypeVar("_T")
_left: list[threading.Thread] = []


class LeftBehind(LimitError):
    """Work went on past its limit and was left behind."""


def run_watched(
    work: Callable[[], _T],
    limits: Limits,
    *,
    stop: Callable[[], None] | None = None,
    look: Callable[[], None] | None = None,
    grace: float = 1.0,
) -> _T:
    """``work()``, waited for until a little after the limits are reached.

    Parameters
    ----------
    work
        Runs in another thread; what it raises is raised here.
    limits
        Deadline and stop request, which ``work`` should but need not look at. Counted work is for ``work`` alone to look at:
        waited for by the clock it would not be the same twice.
    stop
        Asks the work to stop; called once, when the limits are reached.
    look
        Called now and then in this thread while the work goes on.
    grace
        How many times ``GRACE_S`` the work gets after that.

    Raises
    ------
    LeftBehind
        The work did not come back in time; it goes on unseen.
    """
    results: list[_T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # the thread must not print a traceback; the caller raises it
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while thread.is_alive() and not limits.cut_short:
            thread.join(min(PATIENCE_S, limits.remaining))
            if look is not None:
                look()
        if thread.is_alive():
            if stop is not None:
                stop()
            thread.join(grace * GRACE_S)
    finally:
        if thread.is_alive():
            _left.append(thread)
    if thread.is_alive():
        raise LeftBehind("it did not stop when it was asked to")
    if failures:
        raise failures[0]
    return results[0]


def in_time(what: str, work: Callable[[], _T], limits: Limits, *, grace: float = 1.0) -> _T:
    """``work()``, or LeftBehind in words: that ``what`` takes longer than the limits allow."""
    try:
        return run_watched(work, limits, grace=grace)
    except LeftBehind:
        raise LeftBehind(f"{what} takes longer than the limits allow") from None


def left_behind() -> bool:
    """Whether work that was left behind still goes on, so that the process should end without waiting for it."""
    _left[:] = [thread for thread in _left if thread.is_alive()]
    return bool(_left)
