"""Certificates of the best so far, written while the climb goes on: a run that is killed leaves files that verify, or none.

Each file is complete or absent at any moment (:mod:`placement_opt.files`). What a file claims is proved in exact integers
before it is written, which takes a while, so it is not done at every improvement.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from placement_opt.certificate import PriceCertificate, ScheduleCertificate, save_prices, save_schedule
from placement_opt.certify import Verified
from placement_opt.errors import LimitError
from placement_opt.instance import Instance
from placement_opt.prove_integer import certify_prices, certify_schedule
from placement_opt.standing import State

#: Seconds between two writes at least, and how many times as long as the last one took.
PAUSE_S, PAUSES = 1.0, 10.0


class Checkpoints:
    """The files that ``--certificate`` and ``--schedule`` name.

    Parameters
    ----------
    instance
        The question.
    files
        "prices", "schedule" -> name of the file, for those that were asked for.
    resumed
        Certificates that the run began with: they are written again where nothing better was found.
    """

    def __init__(self, instance: Instance, files: Mapping[str, str], resumed: Verified | None = None) -> None:
        self._files = dict(files)
        self._resumed = resumed or Verified(instance)
        self._found = Verified(instance)
        self._written: State | None = None
        self._took = _expected_s(instance, self._files)
        self._next = time.monotonic() + max(PAUSE_S, PAUSES / 10 * self._took)

    def keep(self, state: State) -> None:
        """Write what has improved, if the last write was long enough ago; to be called now and then."""
        began = time.monotonic()
        if self._files and state is not self._written and began >= self._next:
            self._write(state)
            now = time.monotonic()
            self._took = now - began
            self._next = now + max(PAUSE_S, PAUSES * self._took)

    def closing_s(self) -> float:
        """Seconds that :meth:`finish` should take: what the last write took, or a guess."""
        return self._took

    def finish(self, state: State) -> Verified | None:
        """Write what is not written yet; what the files prove, None where none were asked for.

        LimitError where there is no schedule to write.
        """
        if not self._files:
            return None
        self._write(state)
        if "schedule" in self._files and self._found.schedule is None:
            raise LimitError(f"{self._files['schedule']}: not written, no schedule was found within the limits")
        return self._found

    def _write(self, state: State) -> None:
        last = self._written
        if "prices" in self._files and state.prices is not None and (last is None or last.prices is not state.prices):
            prices, lower = self._prices(state)
            save_prices(prices, self._files["prices"])
            self._found = replace(self._found, prices=prices, lower=lower)
        if "schedule" in self._files and state.schedule is not None and (last is None or last.schedule is not state.schedule):
            schedule, upper = self._schedule(state)
            save_schedule(schedule, self._files["schedule"])
            self._found = replace(self._found, schedule=schedule, upper=upper)
        self._written = state

    def _prices(self, state: State) -> tuple[PriceCertificate, Fraction]:
        """The certificate of the state's prices, or a better one that the run began or went on with."""
        assert state.prices is not None
        found = certify_prices(self._found.instance, state.prices)
        best = (found, found.claim)
        for known in (self._resumed, self._found):
            if known.prices is not None and known.lower is not None and known.lower >= best[1]:
                best = (known.prices, known.lower)
        return best

    def _schedule(self, state: State) -> tuple[ScheduleCertificate, Fraction]:
        assert state.schedule is not None
        found = certify_schedule(self._found.instance, state.schedule)
        best = (found, found.claim)
        for known in (self._resumed, self._found):
            if known.schedule is not None and known.upper is not None and known.upper <= best[1]:
                best = (known.schedule, known.upper)
        return best


def _expected_s(instance: Instance, files: Mapping[str, str]) -> float:
    """Seconds that it takes to prove the files in exact integers (fitted to 1e5 to 1e6 reads, two to four tiers)."""
    reads, steps, sets = instance.trace.num_reads, instance.num_steps, 1 << instance.num_tiers
    prices = 5e-7 * reads * sets + 1e-6 * steps * sets**2
    schedule = 1e-6 * reads + 5e-5 * steps
    return ("prices" in files) * prices + ("schedule" in files) * schedule
