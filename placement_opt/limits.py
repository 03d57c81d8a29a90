"""How long a computation may go on, how much memory it may take, and whether somebody asked it to stop."""

from __future__ import annotations

import threading

from placement_opt import clock


class Limits:
    """A deadline, a limit of memory and a stop request, handed to everything that may take long.

    A limit ends work, never truth: whoever stops returns what is proven so far and says that it stopped.

    Parameters
    ----------
    seconds
        Time from now, or None for no deadline; compiling does not count (:mod:`placement_opt.clock`).
    memory
        Bytes that the process may take, or None where only the machine limits it; what is estimated to need more is not begun
        (:mod:`placement_opt.room`).
    """

    def __init__(self, seconds: float | None = None, memory: int | None = None) -> None:
        self.memory = memory
        self._deadline = None if seconds is None else clock.now() + seconds
        self._stop = threading.Event()

    def interrupt(self) -> None:
        """Ask for a stop; safe to call from a signal handler."""
        self._stop.set()

    @property
    def interrupted(self) -> bool:
        return self._stop.is_set()

    @property
    def remaining(self) -> float:
        """Seconds left (infinite without a deadline, never negative)."""
        return float("inf") if self._deadline is None else max(0.0, self._deadline - clock.now())

    @property
    def reached(self) -> bool:
        """Whether to stop now, for either reason."""
        return self.interrupted or self.remaining <= 0.0

    def within(self, seconds: float) -> Limits:
        """The same memory and stop request with a deadline at most ``seconds`` away."""
        inner = Limits(min(seconds, self.remaining), self.memory)
        inner._stop = self._stop
        return inner
