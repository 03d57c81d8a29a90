"""What knowing the future is worth: from the best online policy to the bound, by how far ahead is known.

Between what the best online policy takes and what no policy can beat lies a distance. A policy that is shown the next w steps
goes some of it, one that is shown all goes more; what is left is nobody's for want of knowledge. The curve over w says which
part a better guess of the near future could save, and where more of it stops to help.

Two policies stand for each w: ``lookahead`` (Belady's rule, made to know w steps) and, where it fits, ``mpc`` (the LP of these
steps); for the whole trace ``optimised``, too, which searches. More knowledge can be ignored, so that what w steps are worth is
what the best policy with w steps or fewer saves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from placement_opt.answer.prove import Proof
from placement_opt.base.errors import InputError
from placement_opt.base.given import check_kind
from placement_opt.base.limits import Limits, check_limits
from placement_opt.base.tabular import Record, Tabular
from placement_opt.instance.instance import Instance
from placement_opt.instance.load import Source
from placement_opt.instance.stacked import AnyQuestion
from placement_opt.schedulers import as_scheduler, name_of
from placement_opt.study.compare import Named, compare, named_schedulers, sources_of
from placement_opt.study.comparison import Comparison
from placement_opt.study.grid import Question
from placement_opt.study.scheduled import Compared, Outcome, Scheduled, fastest

#: Online policies of several kinds, where none are asked for.
ONLINE = ("static", "reactive", "rules", "lru", "lru:scope=global", "arc", "lirs", "w-tinylfu", "myopic")
#: What is shown the next steps, by a number of them.
POLICIES = ("lookahead", "mpc")
#: What is shown all besides.
WHOLE = "optimised"
#: Most steps that a window may be asked to have.
_MOST = 2**31 - 1


@dataclass(frozen=True)
class Window:
    """So many steps known, and what came of it.

    Attributes
    ----------
    steps
        Of a layer; of the trace where it has none.
    whole
        Whether that is all of the trace.
    schedules
        ``lookahead`` and ``mpc``, and ``optimised`` for the whole trace, in this order; ``mpc`` declines what is too large.
    known_s
        What the best policy takes that knows so many steps or fewer, or none; None where none was timed.
    saved_s
        How much less that is than what the best online policy takes.
    share
        The same as a share of the distance from the best online policy to the bound; None where there is none.
    """

    steps: int
    whole: bool
    schedules: tuple[Scheduled, ...]
    known_s: float | None
    saved_s: float | None
    share: float | None


@dataclass(frozen=True, repr=False)
class Future(Tabular):
    """What knowing the future of an instance is worth.

    Attributes
    ----------
    proof
        What is proven of it.
    online
        The online policies, in the order asked for.
    windows
        By how much is known, least first.
    interrupted
        Whether somebody asked for a stop.

    Examples
    --------
    >>> trace = po.Trace.from_reads([[0], [1], [2]] * 2, sizes=4_500_000)
    >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
    >>> found = po.future(instance, windows=[1, 2, 6], online="lru", method="lp")
    >>> found, found.best_online
    (Future(instance: 3 windows, lru at 6e-05 s), 'lru')
    """

    proof: Proof
    online: tuple[Scheduled, ...]
    windows: tuple[Window, ...]
    interrupted: bool = False

    def __repr__(self) -> str:
        best = "nothing online timed" if self.online_s is None else f"{self.best_online} at {self.online_s:.6g} s"
        return f"Future({self.proof.instance}: {len(self.windows)} windows, {best})"

    @property
    def best_online(self) -> str | None:
        """The best of the online policies.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
        >>> po.future(instance, windows=[1], online="lru,static", method="lp").best_online
        'lru'
        """
        best = fastest(self.online)
        return None if best is None else best[0]

    @property
    def online_s(self) -> float | None:
        """What it takes, in seconds.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
        >>> round(po.future(instance, windows=[1], online="lru", method="lp").online_s, 8)
        2.084e-05
        """
        best = fastest(self.online)
        return None if best is None else best[1]

    @property
    def distance_s(self) -> float | None:
        """What lies between it and the bound, in seconds.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
        >>> round(po.future(instance, windows=[1], online="lru", method="lp").distance_s, 9)
        8.41e-07
        """
        bound = self.proof.bound.lower_bound_s
        return None if self.online_s is None or bound is None else self.online_s - bound

    @property
    def comparison(self) -> Comparison:
        """All that was timed, as a comparison of one instance.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
        >>> po.future(instance, windows=[1], online="lru", method="lp").comparison
        Comparison(1 instances, 3 schedules)
        """
        rows = (*self.online, *(row for one in self.windows for row in one.schedules))
        return Comparison((Compared(self.proof, rows),), self.interrupted)

    def to_records(self) -> list[Record]:
        """One row a window, after one for the best online policy, which knows nothing.

        Returns
        -------
        list of dict
            Times in seconds.

        Examples
        --------
        >>> trace = po.Trace.from_reads([[0], [1], [2]] * 2, sizes=4_500_000)
        >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
        >>> rows = po.future(instance, windows=[1, 6], online="lru", method="lp").to_records()
        >>> [(row["steps"], row["share"] is None or row["share"] >= 0) for row in rows]
        [(0, True), (1, True), (6, True)]
        """
        none: Record = {"steps": 0, "whole": False, **{f"{name}_s": None for name in (*POLICIES, WHOLE)}}
        rows = [none | {"known_s": self.online_s, "saved_s": 0.0 if self.online else None, "share": None}]
        for one in self.windows:
            row: Record = {"steps": one.steps, "whole": one.whole}
            costs = [*(each.cost_s for each in one.schedules), None]
            row |= {f"{name}_s": cost for name, cost in zip((*POLICIES, WHOLE), costs, strict=False)}
            rows.append(row | {"known_s": one.known_s, "saved_s": one.saved_s, "share": one.share})
        return [row | {"lower_bound_s": self.proof.bound.lower_bound_s} for row in rows]


def future(
    instance: Source,
    windows: Sequence[int] | None = None,
    online: Named | Sequence[Named] = ONLINE,
    *,
    method: str = "auto",
    bound_seconds: float | None = None,
    jobs: int = 1,
    limits: Limits | None = None,
    report: Callable[[str], None] | None = None,
) -> Future:
    """What knowing the next steps is worth: from the best online policy towards the bound, by how far ahead is known.

    Parameters
    ----------
    instance
        A question in rows, or its file.
    windows
        Steps known ahead, of a layer (of the trace where it has none); None: 1, 2, 4, ... and all. As many as the trace has or
        more are all.
    online
        Online policies, as in :func:`placement_opt.study.compare.compare`; the best of them knows nothing.
    method, bound_seconds, jobs, report
        As in :func:`placement_opt.study.compare.compare`.
    limits
        Deadline and stop request of the whole, half of it for the policies.

    Returns
    -------
    Future
        Times in seconds.

    Raises
    ------
    InputError
        No window or one below 1, a policy that sees the future among those that are to be online, a question in runs.

    Examples
    --------
    Three blocks in turn, room for one: lru keeps what is read last and always misses. Who sees three steps ahead keeps one.

    >>> trace = po.Trace.from_reads([[0], [1], [2]] * 6, sizes=4_500_000)
    >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
    >>> found = po.future(instance, windows=[1, 3, 18], online="lru", method="lp")
    >>> [(one.steps, one.whole, one.saved_s > 0) for one in found.windows]
    [(1, False, True), (3, False, True), (18, True, True)]
    """
    check_limits(limits)
    limits, (source,) = limits or Limits(), _one(instance)
    question = Question(source).instance()
    if not isinstance(question, Instance):
        raise InputError(f"found {question.name}, a question in runs", "expected one in rows", field="instance")
    steps = default_windows(question) if windows is None else checked_windows(windows, question)
    named = named_schedulers(online, copied=jobs > 1)
    for one in named:
        if not as_scheduler(one).online:
            found = f"found {name_of(one)}, which sees the future"
            raise InputError(found, "expected policies that do not", field="online")
    ahead: list[str] = []
    for each in steps:
        whole = each >= question.num_steps
        ahead += [f"{name}:steps={_MOST if whole else each}" for name in POLICIES] + [WHOLE] * whole
    seconds = {"method": method, "bound_seconds": bound_seconds}
    compared = compare(question, [*named, *ahead], jobs=jobs, limits=limits, report=report, **seconds)  # type: ignore[arg-type]
    if not compared.instances:
        raise InputError("found nothing finished", "expected more time", field="future")
    return _curve(compared.instances[0], steps, len(named), question, interrupted=compared.interrupted)


def default_windows(instance: Instance) -> tuple[int, ...]:
    """1, 2, 4, ... steps below the number of steps of the layer that has most, and all."""
    layer = instance.trace.step_layer
    most = instance.num_steps if layer is None else int(np.bincount(layer).max())
    return (*(1 << n for n in range(max(most - 1, 0).bit_length())), instance.num_steps)


def checked_windows(windows: Sequence[int], instance: Instance) -> tuple[int, ...]:
    """The windows in ascending order, each once, none longer than the trace."""
    for one in windows:
        check_kind(one, int, "a number of steps", field="windows")
        if not 1 <= one <= _MOST:
            raise InputError(f"found a window of {one} steps", f"expected from 1 to {_MOST}", field="windows")
    if not windows:
        raise InputError("found no window", "expected at least one", field="windows")
    return tuple(sorted({min(one, instance.num_steps) for one in windows}))


def _one(instance: Source) -> list[AnyQuestion | Path]:
    found = sources_of(instance)
    if len(found) != 1:
        raise InputError(f"found {len(found)} instances", "expected one", field="instance")
    return found


def _curve(found: Compared, steps: Sequence[int], online: int, instance: Instance, *, interrupted: bool) -> Future:
    """Each window with what was saved by then."""
    rows, windows = found.schedules, []
    start = fastest(rows[:online])
    best, bound = None if start is None else start[1], found.proof.bound.lower_bound_s
    for n, each in enumerate(steps):
        whole, first = each >= instance.num_steps, online + len(POLICIES) * n  # the whole trace comes last
        own = rows[first : first + len(POLICIES) + whole]
        here = fastest(own)
        if best is None or (here is not None and here[1] < best):
            best = None if here is None else here[1]
        saved = None if start is None or best is None else start[1] - best
        distance = None if start is None or bound is None else start[1] - bound
        share = saved / distance if saved is not None and distance is not None and distance > 0 else None
        windows.append(Window(each, whole, tuple(own), best, saved, share))
    return Future(found.proof, tuple(rows[:online]), tuple(windows), interrupted)


def refused(found: Future) -> tuple[Scheduled, ...]:
    """Online policies that decline the instance."""
    return tuple(row for row in found.online if row.outcome is Outcome.REFUSED)
