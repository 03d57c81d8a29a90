"""The requests that a trace's steps serve: when each came, and at which steps it was let in, gave its first token and ended.

It decides no bound and no schedule, and is no part of an instance's hash; it says what a schedule means to whoever asked
(:mod:`placement_opt.play.latencies`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Flags, Int32, Int64
from placement_opt.base.errors import InputError

#: Arrivals are below this, so that sums of them and of a run's time fit: 146 years in nanoseconds.
LATEST = 2**62
#: A request has fewer tokens than this.
MOST_TOKENS = 2**31


@dataclass(frozen=True, eq=False)
class Served:
    """R requests of a trace of T steps.

    Attributes
    ----------
    arrival
        int64[R] nanoseconds from the beginning of step 0: when each came; 0 where it is there from the start.
    admitted
        int32[R]: the step that first works on it. It cannot begin before the request has come.
    first
        int32[R]: the step at whose end the first token of the answer is there, ``admitted`` or later.
    last
        int32[R]: the step at whose end the last one is, ``first`` or later.
    prompt_tokens, output_tokens
        int64[R]: of the prompt, and of the answer; 0 where there is none, or the log does not say.

    Raises
    ------
    InputError
        Arrays that contradict each other; names the array and the entry.
    """

    arrival: Int64
    admitted: Int32
    first: Int32
    last: Int32
    prompt_tokens: Int64
    output_tokens: Int64

    def __post_init__(self) -> None:
        for name, dtype in COLUMNS.items():
            array = getattr(self, name)
            if not isinstance(array, np.ndarray) or array.dtype != dtype or array.ndim != 1:
                kind = f"{array.dtype} with {array.ndim} axes" if isinstance(array, np.ndarray) else type(array).__name__
                raise InputError(f"found {kind}", f"expected one axis of {dtype}", field=f"requests.{name}")
            if len(array) != len(self.arrival):
                found = f"found {len(array)} entries"
                raise InputError(found, f"expected {len(self.arrival)}, one a request", field=f"requests.{name}")
        if not len(self.arrival):
            raise InputError("found no requests", "expected at least one, or no table of them", field="requests")
        early, late = self.arrival < 0, self.arrival >= LATEST
        _refuse("arrival", early | late, self.arrival, "nanoseconds from 0 and below 2**62")
        _refuse("admitted", self.admitted < 0, self.admitted, "steps from 0")
        _refuse("first", self.first < self.admitted, self.first, "the step that lets it in or a later one")
        _refuse("last", self.last < self.first, self.last, "the step of the first token or a later one")
        for name in ("prompt_tokens", "output_tokens"):
            counts = getattr(self, name)
            _refuse(name, (counts < 0) | (counts >= MOST_TOKENS), counts, "counts from 0 and below 2**31")

    def __len__(self) -> int:
        return len(self.arrival)

    def check_steps(self, steps: int) -> None:
        """Refuse requests that end behind the last of so many steps; InputError names the entry."""
        _refuse("last", self.last >= steps, self.last, f"a step from 0 to {steps - 1}")

    def running(self, steps: int) -> Flags:
        """bool[T]: whether any request is being worked on at each of so many steps; the others are idle."""
        change = np.bincount(self.admitted, minlength=steps + 1) - np.bincount(self.last + np.int32(1), minlength=steps + 1)
        return np.asarray(np.cumsum(change)[:steps] > 0)

    def within(self, first: int, stop: int) -> Served | None:
        """Those that are let in and end at steps ``first .. stop - 1``, steps counted from ``first``; None where none does.

        Arrivals stay as they are: times of the whole trace.
        """
        kept = np.flatnonzero((self.admitted >= first) & (self.last < stop))
        if not len(kept):
            return None
        shift = np.int32(first)
        return Served(
            self.arrival[kept],
            self.admitted[kept] - shift,
            self.first[kept] - shift,
            self.last[kept] - shift,
            self.prompt_tokens[kept],
            self.output_tokens[kept],
        )


_STEPS = ("admitted", "first", "last")
#: Array -> its dtype.
COLUMNS = {field.name: np.dtype(np.int32 if field.name in _STEPS else np.int64) for field in fields(Served)}


def _refuse(name: str, bad: Flags, values: npt.NDArray[np.integer], expected: str) -> None:
    if bad.any():
        where = int(np.argmax(bad))
        raise InputError(f"found {int(values[where])} at entry {where}", f"expected {expected}", field=f"requests.{name}")
