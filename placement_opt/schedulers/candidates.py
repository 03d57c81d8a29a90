"""Schedules to begin with: what other schedulers do, quick ones first, and the best of them."""

from __future__ import annotations

from collections.abc import Callable

from placement_opt.base.errors import InputError, Interrupted, LimitError, ScheduleError
from placement_opt.base.limits import Limits
from placement_opt.bounds.targets import Targets, find_targets
from placement_opt.instance.instance import Instance
from placement_opt.play.protocol import Scheduler
from placement_opt.play.replay import Replay
from placement_opt.play.run import Run
from placement_opt.play.schedule import Schedule
from placement_opt.schedulers import make_scheduler
from placement_opt.schedulers.home_kept import home_kept
from placement_opt.schedulers.lp_rounded import LpRounded
from placement_opt.schedulers.packing import Packing
from placement_opt.schedulers.sa import SA

#: Schedulers that take little longer than reading the trace.
QUICK = ("belady", "lru", "static")
#: Reads beyond which no relaxation is solved, and solver work, in (iteration, matrix entry) pairs, after which it is given up.
RELAXED_READS, _GIVEN_UP = 200_000, 15e9
#: Reads in the steps that ``sa`` tries its parameters on, beyond which it is no candidate.
ANNEALED = 10**6


class Rounded(LpRounded):
    """``lp-rounded`` from targets at hand."""

    def __init__(self, targets: Targets) -> None:
        super().__init__()
        self._given = targets

    def plan(self, instance: Instance, limits: Limits) -> None:  # noqa: ARG002
        self.take(instance, self._given)


class Best:
    """The best schedule so far.

    Parameters
    ----------
    improved
        Called with each better one: the schedule, its latency in seconds, and where it is from.

    Attributes
    ----------
    schedule, latency_s
        None and infinite at first; what it costs, where the instance minimises more than time.
    others
        (Latency, schedule) of the schedulers that were run.
    """

    def __init__(self, instance: Instance, improved: Callable[[Schedule, float, str], None] | None) -> None:
        self.instance = instance
        self.schedule: Schedule | None = None
        self.latency_s = float("inf")
        self.others: list[tuple[float, Schedule]] = []
        self._improved = improved

    def play(self, scheduler: Scheduler, limits: Limits, where_from: str) -> None:
        """Run a scheduler and keep what it does if that is better; nothing is kept where limits end the run.

        Raises
        ------
        ScheduleError
            What it does is illegal.
        """
        try:
            run = _simulated(self.instance, scheduler, limits)
        except (LimitError, Interrupted):
            return
        assert run.schedule is not None
        self.others.append((run.cost_s, run.schedule))
        self._offer(run.schedule, run.cost_s, where_from)

    def replay(self, schedule: Schedule, where_from: str) -> None:
        """The same for a recorded schedule, limits or not: it is quick. One that breaks a budget is passed over."""
        try:
            cost_s = _simulated(self.instance, Replay(schedule), Limits()).cost_s
        except ScheduleError:
            if self.instance.timed:
                raise
            return
        self._offer(schedule, cost_s, where_from)

    def _offer(self, schedule: Schedule, latency_s: float, where_from: str) -> None:
        if latency_s < self.latency_s:
            self.schedule, self.latency_s = schedule, latency_s
            if self._improved is not None:
                self._improved(schedule, latency_s, where_from)

    def try_all(self, schedulers: list[tuple[str, Scheduler]], limits: Limits, enough: float) -> None:
        """Run some until one is good enough; those that do something illegal, or decline, are passed over."""
        for where_from, scheduler in schedulers:
            if limits.reached or self.latency_s <= enough:
                return
            try:
                self.play(scheduler, limits, where_from)
            except (ScheduleError, InputError):
                continue

    def fall_back(self) -> Schedule:
        """What there is by now, or any legal schedule, limits or not.

        Raises
        ------
        ScheduleError
            None was found.
        """
        if self.schedule is None:
            self.play(Packing(), Limits(), "packing")
        assert self.schedule is not None
        return self.schedule


def _simulated(instance: Instance, scheduler: Scheduler, limits: Limits) -> Run:
    from placement_opt.play.simulate import simulate  # it imports this package; only policies that compare others run it

    return simulate(instance, scheduler, record=not isinstance(scheduler, Replay), limits=limits)


def quick(instance: Instance) -> list[tuple[str, Scheduler]]:
    """Candidates at little cost; where the rule is free also what they do with every block kept at home."""
    found: list[tuple[str, Scheduler]] = [(name, make_scheduler(name)) for name in QUICK]
    kept = [home_kept(instance, make_scheduler(name)) for name in QUICK]
    return found + [(one.name, one) for one in kept if one is not None]


def relaxed(instance: Instance, limits: Limits) -> Targets | None:
    """A relaxation to be rounded, where there is one, affordable and found within counted work."""
    if instance.trace.num_reads > RELAXED_READS or limits.reached:
        return None
    try:
        return find_targets(instance, limits=limits.counted(_GIVEN_UP))
    except (InputError, LimitError, Interrupted):
        return None


def annealed(instance: Instance) -> list[tuple[str, Scheduler]]:
    """The paper's annealing, where its runs are affordable."""
    return [("sa", make_scheduler("sa"))] if int(instance.trace.indptr[: SA().sample + 1][-1]) <= ANNEALED else []
