"""Certificates of the best so far, written while the climb goes on: a run that is killed leaves files that verify, or none.

Each file is complete or absent at any moment (:mod:`placement_opt.base.atomic`). What a file claims is proved in exact integers
before it is written, which takes a while: so it is not done at every improvement, and not waited for when time is up. Claims in
runs are exact as they are found; the files of the layers' moves are put together.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from typing import Any, TypeVar

from placement_opt.answer.prove_integer import certify_prices, certify_schedule
from placement_opt.answer.standing import State
from placement_opt.base import watch
from placement_opt.base.atomic import write_bytes_atomic
from placement_opt.base.cost import Cost
from placement_opt.base.errors import LimitError
from placement_opt.base.limits import Limits
from placement_opt.base.watch import LeftBehind, run_watched
from placement_opt.certify.claims import AnyVerified, nothing_verified
from placement_opt.certify.files import PriceCertificate, ScheduleCertificate, pack_prices, pack_schedule
from placement_opt.certify.layered import VerifiedLarge
from placement_opt.certify.layered_files import LargeSchedule
from placement_opt.certify.stacked_files import StackedSchedule
from placement_opt.certify.verify import Verified
from placement_opt.instance.instance import Instance
from placement_opt.instance.layered import Layered
from placement_opt.instance.stacked import AnyQuestion, Stacked, stacked_of
from placement_opt.layered.plan import Plan, save_copy
from placement_opt.layered.solve import CertifiedPrices
from placement_opt.layered.stacked_plan import StackedPlan, save_stacked_copy
from placement_opt.play.schedule import Schedule

_T = TypeVar("_T")
#: Seconds between two writes at least, and how many times as long as the last one took.
PAUSE_S, PAUSES = 1.0, 10.0
#: How much longer than work that is asked to stop the last proofs get, when the time is up.
GRACE = 2.0
#: Kind of file -> what its proof takes.
PROOFS = {
    "prices": Cost[Instance](
        "certify-prices",
        {
            "per_read_and_set": lambda instance: instance.trace.num_reads << instance.num_tiers,
            "per_step_and_pair_of_sets": lambda instance: instance.num_steps << 2 * instance.num_tiers,
        },
    ),
    "schedule": Cost[Instance](
        "certify-schedule",
        {"per_read": lambda instance: instance.trace.num_reads, "per_step": lambda instance: instance.num_steps},
    ),
}
#: The same in runs, where prices are proven as they are found, and moves are only written.
WRITTEN = {
    "prices": Cost[Layered]("certify-prices-in-runs", {"per_step": lambda question: question.num_steps}),
    "schedule": Cost[Layered]("certify-schedule-in-runs", {"per_read": lambda question: question.num_reads}),
}


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
    limits
        Of the whole run: when they are reached, a proof gets a little longer and is then left behind.

    Attributes
    ----------
    late
        After :meth:`finish`, a line for each file that holds an earlier state, because the last one's proof came too late.
    """

    def __init__(
        self,
        instance: AnyQuestion,
        files: Mapping[str, str],
        resumed: AnyVerified | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.late: list[str] = []
        self._files = dict(files)
        self._resumed = resumed or nothing_verified(instance)
        self._found = nothing_verified(instance)
        self._limits = limits or Limits()
        self._written: State | None = None
        self._took = expected_s(instance, self._files)
        self._next = time.monotonic() + max(PAUSE_S, PAUSES / 10 * self._took)

    def keep(self, state: State) -> None:
        """Write what has improved, if the last write was long enough ago and time is left; to be called now and then."""
        began = time.monotonic()
        if not self._files or state is self._written or began < self._next or self._limits.remaining <= 2 * self._took:
            return
        with suppress(LeftBehind):
            self._write(state, grace=0.0)
        now = time.monotonic()
        self._took = now - began
        self._next = now + max(PAUSE_S, PAUSES * self._took)

    def closing_s(self) -> float:
        """Seconds that :meth:`finish` should take: what the last write took, or a guess."""
        return self._took

    def finish(self, state: State) -> AnyVerified | None:
        """Write what is not written yet; what the files prove, None where none were asked for.

        LimitError where there is no schedule to write, or nothing could be proved in time.
        """
        if not self._files:
            return None
        if not isinstance(self._found, Verified) or not hopeless(self._took, self._limits):
            with suppress(LeftBehind):
                self._write(state, grace=GRACE)
        held = {"prices": self._found.prices, "schedule": self._found.schedule}
        for kind, path in self._files.items():
            if kind == "schedule" and state.no_schedule is not None:
                continue
            if held[kind] is None and getattr(state, kind) is None:
                raise LimitError(f"{path}: not written, no {kind} {_WAS[kind]} found within the limits")
            if held[kind] is None:
                raise too_late(path)
            if self._written is None or getattr(self._written, kind) is not getattr(state, kind):
                self.late.append(
                    f"{path}: holds an earlier state, the proof of the last one takes longer than the limits allow"
                )
        return self._found

    def _write(self, state: State, grace: float) -> None:
        """Prove and write; LeftBehind when the limits are reached and the grace is over, and nothing was written then."""
        last = self._written or State()
        if "prices" in self._files and state.prices is not None and last.prices is not state.prices:
            prices, lower, data = self._within(lambda: self._prices(state), grace)
            write_bytes_atomic(self._files["prices"], data)
            none = prices.no_schedule
            self._found = replace(self._found, prices=prices, lower=None if none else lower, no_schedule=none)
            self._written = last = replace(last, prices=state.prices)
        if "schedule" in self._files and state.schedule is not None and last.schedule is not state.schedule:
            if not isinstance(self._found, Verified):
                self._found = self._joined(self._found, state)
            else:
                schedule, upper, data = self._within(lambda: self._schedule(state), grace)
                write_bytes_atomic(self._files["schedule"], data)
                self._found = replace(self._found, schedule=schedule, upper=upper)
        self._written = state

    def _within(self, work: Callable[[], _T], grace: float) -> _T:
        """A proof, given up a little after the limits; what is only written is waited for."""
        return work() if not isinstance(self._found, Verified) else run_watched(work, self._limits, grace=grace)

    def _prices(self, state: State) -> tuple[PriceCertificate, Fraction, bytes]:
        """The certificate of the state's prices, or a better one that the run began or went on with."""
        assert state.prices is not None
        none = state.no_schedule is not None
        if isinstance(self._found.instance, Instance):
            found = certify_prices(self._found.instance, state.prices, no_schedule=none)
        else:
            assert isinstance(state.prices, CertifiedPrices)
            found = state.prices.certificate
        if none:
            return found, found.claim, pack_prices(found)
        best = (found, found.claim)
        for known in (self._resumed, self._found):
            if known.prices is not None and known.lower is not None and known.lower >= best[1]:
                best = (known.prices, known.lower)
        return *best, pack_prices(best[0])

    def _schedule(self, state: State) -> tuple[ScheduleCertificate, Fraction, bytes]:
        assert isinstance(state.schedule, Schedule)
        assert isinstance(self._found.instance, Instance)
        found = certify_schedule(self._found.instance, state.schedule)
        best = (found, found.claim)
        for known in (self._resumed, self._found):
            if isinstance(known.schedule, ScheduleCertificate) and known.upper is not None and known.upper <= best[1]:
                best = (known.schedule, known.upper)
        return *best, pack_schedule(best[0])

    def _joined(self, found: AnyVerified, state: State) -> AnyVerified:
        """The moves of all layers written as one file, or the file that the run began with where it is as good."""
        path, plan, known = self._files["schedule"], state.schedule, self._resumed
        if isinstance(plan, Plan | StackedPlan):
            best = min((known.upper, found.upper, plan.seconds), key=lambda seconds: math.inf if seconds is None else seconds)
            if plan.seconds == best:
                saved: Any = plan.save(path)
                return replace(found, schedule=saved, upper=plan.seconds)
        if found.schedule is None and isinstance(known.schedule, StackedSchedule):
            assert isinstance(found, VerifiedLarge)
            question = stacked_of(found.instance)
            assert question is not None
            return replace(found, schedule=save_stacked_copy(known.schedule, question, path), upper=known.upper)
        if found.schedule is None and isinstance(known.schedule, LargeSchedule):
            assert isinstance(found.instance, Layered)
            return replace(found, schedule=save_copy(known.schedule, found.instance, path), upper=known.upper)
        return found


_WAS = {"prices": "were", "schedule": "was"}


def hopeless(expected_s: float, limits: Limits) -> bool:
    """Whether a proof is not worth beginning: it would be left behind even if it took a third of what it should take."""
    left = 0.0 if limits.interrupted else limits.remaining
    return expected_s / 3.0 > left + GRACE * watch.GRACE_S


def too_late(path: str) -> LimitError:
    """What is said of a certificate that cannot be proved within the limits."""
    return LimitError(f"{path}: not written, its proof in exact integers takes longer than the limits allow")


def expected_s(instance: AnyQuestion, files: Mapping[str, str]) -> float:
    """Seconds that it takes to prove the files in exact integers; in runs to write them, packed prices and moves."""
    if isinstance(instance, Instance):
        return sum(PROOFS[kind].expected_s(instance) for kind in files)
    if isinstance(instance, Stacked):
        return 1.0 * len(files)
    return sum(WRITTEN[kind].expected_s(instance) for kind in files)
