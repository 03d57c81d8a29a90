"""Where each policy of a comparison loses: reads it need not have missed, its longest steps, resources that wait for others.

A read is missed where the fastest tier had no copy that might serve it. With M the bytes of a policy's missed reads,

* at least M - (the fewest that any schedule of the comparison misses) need not have been missed: that schedule exists;
* at most M - (all bytes read) (1 - ``hits_most``) (:mod:`placement_opt.play.hits`): no policy misses fewer;
* M - (what the best schedule known misses), of either sign, where that schedule is one of the comparison's: where it is
  negative the faster one misses more, so that hits are not what its lead comes from.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from placement_opt.base.tabular import Record
from placement_opt.play.use import ResourceUse
from placement_opt.study.scheduled import Compared, Scheduled


@dataclass(frozen=True)
class LongStep:
    """One of a run's longest steps, and how long the bound has it last, where it says (:attr:`Bound.step_s`)."""

    step: int
    seconds: float
    bound_s: float | None


@dataclass(frozen=True)
class Loss:
    """Where one policy loses on one instance.

    Attributes
    ----------
    instance, scheduler
        Which.
    missed_bytes
        Of reads that the fastest tier could not serve.
    avoidable_least_bytes, avoidable_most_bytes
        Of these, bytes that need not have been missed; see the module.
    more_than_best_bytes
        Missed bytes above those of the best schedule known; None where that is none of the comparison's.
    written
        (tier, bytes).
    resources
        What each carried, and for what share of the time it was full, or idle while another was full.
    idle_share
        The share of the time in which some resource that is ever loaded is idle while another one is full.
    longest
        The longest steps.
    """

    instance: str
    scheduler: str
    missed_bytes: float
    avoidable_least_bytes: float
    avoidable_most_bytes: float
    more_than_best_bytes: float | None
    written: tuple[tuple[str, float], ...]
    resources: tuple[ResourceUse, ...]
    idle_share: float
    longest: tuple[LongStep, ...]

    def to_record(self) -> Record:
        """For JSON: plain values."""
        return asdict(self) | {"written": [{"tier": tier, "bytes": size} for tier, size in self.written]}


def losses(one: Compared) -> list[Loss]:
    """Of each schedule whose use was asked for, in their order."""
    known = {row.scheduler: row.hits.missed_bytes for row in one.schedules if row.hits is not None}
    return [_loss(one, row, known) for row in one.schedules if row.use is not None and row.hits is not None]


def _loss(one: Compared, row: Scheduled, known: dict[str, float]) -> Loss:
    assert row.hits is not None
    assert row.use is not None
    missed, best, steps = row.hits.missed_bytes, known.get(one.proof.best_from), one.proof.bound.step_s
    least = sum(row.hits.bytes) * (1.0 - row.hits.ceiling.most)
    longest = [
        LongStep(step, seconds, None if steps is None or step >= len(steps) else float(steps[step]))
        for step, seconds in row.use.longest
    ]
    return Loss(
        instance=one.proof.instance,
        scheduler=row.scheduler,
        missed_bytes=missed,
        avoidable_least_bytes=missed - min(known.values()),
        avoidable_most_bytes=max(missed - least, missed - min(known.values())),
        more_than_best_bytes=None if best is None else missed - best,
        written=row.use.written,
        resources=row.use.resources,
        idle_share=row.use.idle,
        longest=tuple(longest),
    )
