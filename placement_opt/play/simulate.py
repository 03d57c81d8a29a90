"""Times a scheduler on an instance: hands it what it may see, applies its moves or refuses them, and adds up the time.

The reads of each step are split optimally over all that can serve them, the copies and what needs none, and the step lasts as
long as its most loaded resource (problem statement, section 2). The split is no choice of the scheduler, because residency
decides it (and under strict prefixes what is missing before a block in its step's prefix), and which reads are stored in
passing: those are served by what brings the block to the processor. Where the
instance has budgets or another objective than time all steps are split together (:mod:`placement_opt.play.budgeted`); moves
with which no split keeps the budgets are refused.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError, Interrupted, LimitError, ScheduleError, shown
from placement_opt.base.given import check_kind
from placement_opt.base.limits import Limits, check_limits
from placement_opt.instance.instance import Instance
from placement_opt.instance.law import behind
from placement_opt.play.at_once import played_at_once
from placement_opt.play.ledger import Ledger, Mask
from placement_opt.play.past import Past
from placement_opt.play.protocol import Clairvoyant, Ids, Scheduler, Setting, View
from placement_opt.play.replay import Replay
from placement_opt.play.run import Run
from placement_opt.play.schedule import Recorder, Schedule
from placement_opt.play.split_program import Moved
from placement_opt.play.timed import not_split, time_run

__all__ = ["Run", "simulate"]

_STEPS_BETWEEN_LOOKS = 64
#: What every scheduler has.
_PARTS = ("name", "online", "start", "step")
_Array = TypeVar("_Array", bound=npt.NDArray[Any])


def simulate(
    instance: Instance,
    scheduler: Scheduler,
    *,
    per_step: bool = False,
    record: bool = False,
    limits: Limits | None = None,
) -> Run:
    """Run a scheduler through an instance.

    Parameters
    ----------
    instance
        The question.
    scheduler
        Online schedulers are handed the :class:`Setting` and one :class:`View` after the other, copies that lead to nothing
        of the future; clairvoyant ones the instance as well, before the start. All arrays handed out are read-only.
    per_step
        Keep a table of every step (:attr:`Run.per_step`).
    record
        Keep the moves (:attr:`Run.schedule`), so that they can be checked and played again.
    limits
        Deadline and stop request; a schedule that is not finished is worth nothing, so nothing comes back then. A scheduler
        that searches may stop searching in time to be played, and says so (:attr:`Run.effort`).

    Returns
    -------
    Run
        Times in seconds, by problem statement, section 2.

    Raises
    ------
    InputError
        What is no instance or no scheduler.
    ScheduleError
        The scheduler did something the rules forbid; names the step and, where there is one, the block.
    LimitError, Interrupted
        The deadline or a stop request came first.

    Examples
    --------
    >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
    >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
    >>> po.simulate(instance, po.make_scheduler("lru"))
    Run(lru on instance: 2.08411e-05 s)
    """
    check_limits(limits)
    check_kind(instance, Instance, "an instance (load_instance, build_instance)", field="instance")
    check_scheduler(scheduler)
    try:
        ledger, held, passed, schedule = _play(instance, scheduler, record, limits or Limits())
        run = time_run(instance, scheduler.name, held, passed, ledger.moved, schedule, per_step)
    except ScheduleError as error:
        raise said_by(scheduler, error) from None
    return replace(run, effort=getattr(scheduler, "effort", None), would_miss=getattr(scheduler, "would_miss", None))


def play_alone(
    instance: Instance, scheduler: Scheduler, limits: Limits, *, record: bool = False
) -> tuple[Moved, Int64, Schedule | None]:
    """A part of a run by itself, its reads not yet split because budgets tie them to those of others; what was moved (as in a
    run), and the moves where they are recorded. Errors as :func:`simulate`."""
    try:
        ledger, held, passed, schedule = _play(instance, scheduler, record, limits)
    except ScheduleError as error:
        raise said_by(scheduler, error) from None
    return not_split(instance, held, passed, ledger.moved), ledger.moved, schedule


def said_by(scheduler: Scheduler, error: ScheduleError) -> ScheduleError:
    """The same error, with whose it is."""
    return type(error)(error.message, scheduler=scheduler.name, step=error.step, block=error.block)


def check_scheduler(scheduler: object) -> None:
    """InputError for what is no scheduler."""
    if missing := [name for name in _PARTS if not hasattr(scheduler, name)] or isinstance(scheduler, type):
        lacks = f" without {', '.join(missing)}" if missing is not True else ""
        expected = 'expected a scheduler such as make_scheduler("lru"), or an object like placement_opt.Scheduler'
        raise InputError(f"found {shown(scheduler)}{lacks}", expected, field="scheduler")


def _play(
    instance: Instance, scheduler: Scheduler, record: bool, limits: Limits
) -> tuple[Ledger, npt.NDArray[np.uint16], npt.NDArray[np.bool_], Schedule | None]:
    """All steps, not yet timed: the ledger, of each read the tiers that held the block and might serve it (a mask) and whether
    it was stored in passing (as far as that matters), and the moves."""
    ledger, steps = Ledger(instance), Steps(instance)
    if not scheduler.online:
        cast(Clairvoyant, scheduler).plan(instance, limits)
    _start(ledger, steps, scheduler)
    held, stored = np.empty(instance.trace.num_reads, dtype=Mask), np.zeros(instance.trace.num_reads, dtype=np.bool_)
    if type(scheduler) is Replay and not record:  # what is derived from it may look on

        def at(step: int) -> None:
            look(limits, scheduler.name, step, instance.num_steps)

        if played_at_once(ledger, scheduler.schedule, steps.births, steps.ends, held, stored, at):
            return ledger, held, stored, None
        ledger = Ledger(instance)  # step by step it is found out what is wrong
        _start(ledger, steps, scheduler)
    recorder = Recorder(ledger.resident) if record else None
    resident, floors = read_only(ledger.resident.view()), instance.floor.tolist()
    past = Past(instance, held, stored, ledger.moved)
    for step in range(instance.num_steps):
        if step % _STEPS_BETWEEN_LOOKS == 0:
            look(limits, scheduler.name, step, instance.num_steps)
        reads, shares, births, freed = steps.at(step)
        found, places = held[steps.rows(step)], steps.places(step)
        used = read_only(ledger.begin(step, reads, shares, births, freed, found))
        if places is not None:
            found[behind(places, found != 0)] = 0
        fixed, floor = read_only(instance.fixed[step].copy()), floors[step]
        layer = steps.layer(step)
        clock = partial(past.seconds, step)
        view = View(
            step, layer, reads, shares, births, resident, used, fixed, floor, freed, places, steps.requests(step), clock
        )
        moves = scheduler.step(view)
        ledger.apply(moves)
        if (passed := ledger.passed(reads)) is not None:
            stored[steps.rows(step)] = passed
        if recorder is not None:
            recorder.add(moves)
    return ledger, held, stored, None if recorder is None else recorder.schedule(scheduler.name)


def _start(ledger: Ledger, steps: Steps, scheduler: Scheduler) -> None:
    given = ledger.instance.initial
    chosen = scheduler.start(steps.setting(), steps.first_reads() if given is None else [])
    if given is None:
        ledger.place_chosen(chosen)
        return
    if chosen is not None:
        raise ScheduleError("chose a start, but the initial residency is given")
    ledger.place(given)


def look(limits: Limits, name: str, step: int, steps: int, what: str = "steps") -> None:
    """Interrupted or LimitError where the limits say to stop."""
    if limits.interrupted:
        raise Interrupted(f"{name} was stopped after {step} of {steps} {what}")
    if limits.reached:
        raise LimitError(f"{name} had done {step} of {steps} {what} when its time was up")


def read_only(array: _Array) -> _Array:
    array.flags.writeable = False
    return array


class Steps:
    """What each step does, cut from the trace as copies that hold nothing of other steps.

    Attributes
    ----------
    births, ends
        (int64[>= T + 1] pointers, block ids): the blocks that each step produces, and those that end after it.
    """

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        trace = instance.trace
        self._indptr: list[int] = trace.indptr.tolist()
        pointers = np.concatenate([[0], np.cumsum(np.bincount(trace.death, minlength=instance.num_steps + 1))])
        self.births, self.ends = trace.births_by_step, (pointers, np.argsort(trace.death, kind="stable"))
        self._born, self._ending = self.births[1], self.ends[1]
        self._birth_ends: list[int] = self.births[0].tolist()
        self._death_ends: list[int] = self.ends[0].tolist()
        self._no_births, self._no_ends = read_only(self._born[:0].copy()), read_only(self._ending[:0].copy())
        self._position = trace.position if instance.strict else None
        self._sizes = np.where(instance.first_state == 0, instance.size, 0)
        self._layers = 1
        self._step_layer = self._block_layer = None
        if trace.step_layer is not None and trace.block_layer is not None:
            labels = np.unique(np.concatenate([trace.step_layer, trace.block_layer]))
            self._layers = len(labels)
            self._step_layer = np.searchsorted(labels, trace.step_layer)
            self._block_layer = read_only(np.searchsorted(labels, trace.block_layer).astype(np.int32))

    def setting(self) -> Setting:
        instance = self.instance
        return Setting(
            memory=instance.memory,
            residency=instance.residency,
            prefix=instance.prefix,
            home=instance.home,
            capacity=read_only(instance.capacity.copy()),
            size=read_only(self._sizes.view()),
            block_layer=self._block_layer,
            block_kind=None if (kind := instance.trace.block_kind) is None else read_only(kind.copy()),
            pieces=None if instance.pieces is None else read_only(instance.pieces.copy()),
            initial_blocks=read_only(np.flatnonzero(instance.first_state == 0)),
            initial=None if instance.initial is None else read_only(instance.initial.copy()),
            fixed=read_only(instance.fixed[0].copy()),
            share_base=instance.share_base,
            num_layers=self._layers,
        )

    def first_reads(self) -> list[Ids]:
        """The first read set of each layer, as far as it exists at the start."""
        trace = self.instance.trace
        firsts = [0] if trace.step_layer is None else np.unique(trace.step_layer, return_index=True)[1].tolist()
        reads = [trace.reads(step) for step in firsts]
        return [read_only(ids[self.instance.first_state[ids] == 0]) for ids in reads]

    def layer(self, step: int) -> int:
        return 0 if self._step_layer is None else int(self._step_layer[step])

    def places(self, step: int) -> npt.NDArray[np.int32] | None:
        """Of the step's reads in its prefix, under strict prefixes."""
        return None if self._position is None else read_only(self._position[self.rows(step)].copy())

    def requests(self, step: int) -> Ids | None:
        """The requests that a step serves; steps are asked for one after the other, from 0."""
        if (served := self.instance.trace.requests) is None:
            return None
        if step == 0:
            self._let_in = np.argsort(served.admitted, kind="stable")
            self._next = np.searchsorted(served.admitted[self._let_in], np.arange(self.instance.num_steps + 1))
            self._running = np.zeros(0, dtype=np.int64)
        running = self._running[served.last[self._running] >= step]
        self._running = np.sort(np.concatenate([running, self._let_in[self._next[step] : self._next[step + 1]]]))
        return read_only(self._running.copy())

    def rows(self, step: int) -> slice:
        return slice(self._indptr[step], self._indptr[step + 1])

    def at(self, step: int) -> tuple[Ids, npt.NDArray[np.uint16] | None, Ids, Ids]:
        """(reads, shares, births, freed); the sizes of the births are known from here on."""
        trace, rows = self.instance.trace, self.rows(step)
        first, last = self._birth_ends[step], self._birth_ends[step + 1]
        births = freed = None
        if first < last:
            births = read_only(self._born[first:last].copy())
            self._sizes[births] = self.instance.size[births]
        first, last = self._death_ends[step], self._death_ends[step + 1]
        if first < last:
            freed = read_only(self._ending[first:last].copy())
        shares = None if trace.shares is None else read_only(trace.shares[rows].copy())
        reads = read_only(trace.blocks[rows].copy())
        return reads, shares, self._no_births if births is None else births, self._no_ends if freed is None else freed
