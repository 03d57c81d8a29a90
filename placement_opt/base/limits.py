"""How long a computation may go on, how much work and memory it may take, and whether somebody asked it to stop."""

from __future__ import annotations

import math
import threading

from placement_opt.base import clock
from placement_opt.base.given import check_kind, check_number


class Limits:
    """A deadline, counted work, a limit of memory and a stop request, handed to everything that may take long.

    A limit ends work, never truth: whoever stops returns what is proven so far and says that it stopped. What the clock ends is
    another answer on another machine (:attr:`cut_short`); what counted work ends is the same everywhere, at any load.

    Parameters
    ----------
    seconds
        Time from now, or None for no deadline; compiling does not count (:mod:`placement_opt.base.clock`).
    memory
        Bytes that the process may take, or None where only the machine limits it; what is estimated to need more is not begun
        (:mod:`placement_opt.base.room`).

    Raises
    ------
    InputError
        Seconds or bytes that are no number from 0.

    Examples
    --------
    >>> limits = po.Limits(seconds=60, memory=2 << 30)
    >>> 59 < limits.remaining <= 60, limits.memory
    (True, 2147483648)
    >>> po.Limits().remaining
    inf
    """

    def __init__(self, seconds: float | None = None, memory: int | None = None) -> None:
        if seconds is not None:
            check_number(seconds, field="seconds")
        if memory is not None:
            check_number(memory, field="memory")
        self.memory = memory
        self._deadline = None if seconds is None else clock.now() + seconds
        self._stops: tuple[threading.Event, ...] = (threading.Event(),)
        self._work = _Work(math.inf)

    def interrupt(self) -> None:
        """Ask for a stop; safe to call from a signal handler.

        Examples
        --------
        >>> limits = po.Limits()
        >>> limits.interrupted, limits.reached
        (False, False)
        >>> limits.interrupt()
        >>> limits.interrupted, limits.cut_short, limits.reached
        (True, True, True)
        """
        self._stops[-1].set()

    @property
    def interrupted(self) -> bool:
        """Whether somebody asked for a stop."""
        return any(stop.is_set() for stop in self._stops)

    @property
    def remaining(self) -> float:
        """Seconds left (infinite without a deadline, never negative)."""
        return float("inf") if self._deadline is None else max(0.0, self._deadline - clock.now())

    @property
    def work_left(self) -> float:
        """(Iteration, matrix entry) pairs that solvers may still go through; infinite where nothing is counted."""
        return self._work.left

    @property
    def cut_short(self) -> bool:
        """Whether the clock or a stop request says to stop now, so that what there is depends on the machine."""
        return self.interrupted or self.remaining <= 0.0

    @property
    def reached(self) -> bool:
        """Whether to stop now, for whatever reason."""
        return self.cut_short or self.work_left <= 0.0

    def spend(self, work: float) -> None:
        """Count work that was done.

        Parameters
        ----------
        work
            (Iteration, matrix entry) pairs.

        Examples
        --------
        >>> limits = po.Limits().counted(100.0)
        >>> limits.spend(60.0)
        >>> limits.work_left
        40.0
        """
        self._work.left -= work

    def within(self, seconds: float) -> Limits:
        """The same memory, work and stop request with a deadline at most so far away.

        Parameters
        ----------
        seconds
            From now; an earlier deadline stays.

        Returns
        -------
        Limits
            Interrupting either interrupts both.

        Examples
        --------
        >>> whole = po.Limits(60)
        >>> part = whole.within(5)
        >>> part.remaining <= 5, part.within(90).remaining <= 5
        (True, True)
        >>> whole.interrupt()
        >>> part.interrupted
        True
        """
        inner = Limits(max(0.0, min(seconds, self.remaining)), self.memory)
        inner._stops, inner._work = self._stops, self._work
        return inner

    def counted(self, work: float) -> Limits:
        """The same deadline, memory and stop request, with so much solver work: what that ends is the same on any machine.

        Parameters
        ----------
        work
            (Iteration, matrix entry) pairs.

        Returns
        -------
        Limits
            Interrupting either interrupts both.

        Examples
        --------
        >>> limits = po.Limits().counted(0.0)
        >>> limits.reached, limits.cut_short
        (True, False)
        """
        inner = Limits(None, self.memory)
        inner._stops, inner._deadline, inner._work = self._stops, self._deadline, _Work(work)
        return inner

    def apart(self) -> Limits:
        """The same deadline, memory and work, to be stopped alone.

        Returns
        -------
        Limits
            Interrupting it leaves these as they are; interrupting these interrupts both.

        Examples
        --------
        >>> whole = po.Limits()
        >>> part = whole.apart()
        >>> part.interrupt()
        >>> part.interrupted, whole.interrupted
        (True, False)
        """
        inner = Limits(None, self.memory)
        inner._stops, inner._deadline, inner._work = (*self._stops, threading.Event()), self._deadline, self._work
        return inner


class _Work:
    """Work that is left, of one budget that several limits may share."""

    def __init__(self, left: float) -> None:
        self.left = left


def check_limits(value: object) -> None:
    """Refuse what is handed in as limits and is neither any nor None."""
    check_kind(value, (Limits, type(None)), "limits such as Limits(seconds=60)", field="limits")
