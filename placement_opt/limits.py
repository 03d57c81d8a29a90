"""How long a computation may go on, and whether somebody asked it to stop."""

from __future__ import annotations

import threading
import time


class Limits:
    """A deadline and a stop request, handed to everything that may take long.

    A limit ends work, never truth: whoever stops returns what is proven so far and says that it stopped.

    Parameters
    ----------
    seconds
        Time from now, or None for no deadline.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self._deadline = None if seconds is None else time.monotonic() + seconds
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
        return float("inf") if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    @property
    def reached(self) -> bool:
        """Whether to stop now, for either reason."""
        return self.interrupted or self.remaining <= 0.0

    def within(self, seconds: float) -> Limits:
        """The same stop request with a deadline at most ``seconds`` away."""
        inner = Limits(min(seconds, self.remaining))
        inner._stop = self._stop
        return inner
