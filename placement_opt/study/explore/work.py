"""One piece of work of an exploration: a bound of one design with one workload, or some schedules of it.

What comes back is plain, so that it can be kept in a file of lines and come from any machine: it is the same wherever it is
done, for whatever may take long is limited by counted work.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from placement_opt.base.capacity import UNLIMITED
from placement_opt.base.errors import BudgetError, LimitError, PlacementError
from placement_opt.base.limits import Limits
from placement_opt.base.watch import in_time
from placement_opt.bounds import METHODS
from placement_opt.bounds.bound import bound
from placement_opt.bounds.result import Bound, Status
from placement_opt.bounds.size import Size
from placement_opt.instance.instance import Instance
from placement_opt.memory.system import MemorySystem
from placement_opt.play.consumption import Consumption
from placement_opt.play.run import Run
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from placement_opt.study.explore.space import Shape, Space, Unbuildable, shape_of, wear_weights
from placement_opt.study.explore.spec import Spec

#: What is expected to take longer than this, in seconds, is not tried.
LONGEST_S = 60.0
#: Rooflines of one shape but for its rooms that are kept.
_KEPT = 4096
#: What the designs of a spec have in common, by its digest; of one spec at a time.
_SPACES: dict[str, Space] = {}


@dataclass(frozen=True)
class Task:
    """``action``: "bound METHOD" or "schedule NAME,NAME,...", for ``goal``: "time", "energy" or "wear"."""

    design: int
    workload: int
    goal: str
    action: str


@dataclass(frozen=True)
class Chunk:
    """Tasks that travel together; ``key``: the digest of the spec, by which what its designs have in common is kept at hand."""

    spec: Spec
    key: str
    tasks: tuple[Task, ...]


@dataclass(frozen=True)
class Played:
    """One schedule: what it takes in seconds, joules and shares of its tiers' lives (None: nothing says), and whose it is."""

    scheduler: str
    time: float
    energy: float | None
    wear: float | None

    def of(self, goal: str) -> float:
        found = {"time": self.time, "energy": self.energy, "wear": self.wear}[goal]
        return math.inf if found is None else found


@dataclass(frozen=True)
class Record:
    """What came of a task.

    Attributes
    ----------
    lower
        Proven: no schedule takes less; infinite where none exists. None: nothing proven.
    proof
        What proved it, or why nothing is proven or no schedule exists.
    played
        The schedules.
    costs
        Money, area and power, as texts of fractions; of the first bound alone.
    shape
        Likewise, of an instance without budgets.
    skipped
        The task was not done: it would take too long, or was lost.
    """

    lower: float | None = None
    proof: str = ""
    played: tuple[Played, ...] = ()
    costs: tuple[tuple[str, str], ...] = ()
    shape: Shape | None = None
    skipped: bool = False


def work(chunk: Chunk, limits: Limits | None = None) -> list[Record | PlacementError]:
    """What comes of each task; expected errors come back. Shorter where the limits end it."""
    limits = limits or Limits()
    space = _SPACES.get(chunk.key) or _SPACES.setdefault(chunk.key, Space(chunk.spec))
    for other in [key for key in _SPACES if key != chunk.key]:
        del _SPACES[other]
    found: list[Record | PlacementError] = []
    for task in chunk.tasks:
        if limits.reached:
            break
        try:
            found.append(done(space, task, limits))
        except Unbuildable as error:
            found.append(Record(math.inf, str(error)))
        except PlacementError as error:
            found.append(error)
    return found


def done(space: Space, task: Task, limits: Limits) -> Record:
    """What comes of one task.

    Raises
    ------
    Unbuildable
        The design has too little room.
    PlacementError
        Whatever is wrong with the spec.
    """
    kind, _, names = task.action.partition(" ")
    instance = space.instance(task.design, task.workload, task.goal)
    if task.goal == "wear" and not wear_weights(instance.memory):
        return Record(0.0, "no tier wears") if kind == "bound" else _schedules(instance, names.split(","), limits)
    if kind == "schedule":
        return _schedules(instance, names.split(","), limits)
    if names != "roofline":
        return bounded(instance, names, limits)
    shape = shape_of(instance) if instance.timed else None
    costs = tuple((what, str(value)) for what, value in space.costs(task.design, [instance]).items())
    if shape is None:
        return replace(bounded(instance, names, limits), costs=costs)
    key = (shape.kind, shape.rates)  # room is nothing to the roofline
    if key not in space.rooflines:
        if len(space.rooflines) >= _KEPT:
            space.rooflines.clear()
        space.rooflines[key] = bounded(instance, names, limits).lower or 0.0
    return Record(space.rooflines[key], names, costs=costs, shape=shape)


def bounded(instance: Instance, method: str, limits: Limits) -> Record:
    """A bound, as a record."""
    if method not in ("auto", "roofline") and METHODS[method].cost.expected_s(Size.of(instance)) > LONGEST_S:
        return Record(proof=f"{method} would take longer than {LONGEST_S:g} s", skipped=True)
    try:
        found = bound(instance, method, limits=limits)
    except LimitError as error:
        return Record(proof=str(error), skipped=True)
    early = limits.reached and found.status in (Status.LIMIT, Status.INTERRUPTED)
    return replace(said(found), skipped=early)


def said(found: Bound) -> Record:
    """A bound in a record."""
    if found.status is Status.INFEASIBLE:
        return Record(math.inf, f"{found.method}: no schedule keeps the budgets")
    return Record(found.lower_bound_s, found.method)


def _schedules(instance: Instance, names: Sequence[str], limits: Limits) -> Record:
    played, why, size = [], [], None
    for name in names:
        size = size or Size.of(instance)
        cost = getattr(make_scheduler(name), "cost", None)
        if cost is not None and (seconds := cost.expected_s(size)) > LONGEST_S:
            why.append(f"{name} " + ("is not for it" if math.isinf(seconds) else f"would take longer than {LONGEST_S:g} s"))
            continue
        try:
            run = played_by(instance, name, limits)
        except BudgetError as error:
            why.append(f"{name}: {error.message}")
        except PlacementError as error:
            why.append(f"{name}: {error}")
        else:
            used = run.consumption
            played.append(Played(name, run.latency_s, used.joules, wear_of(instance.memory, used)))
        if limits.reached:
            break
    return Record(proof="; ".join(why), played=tuple(played), skipped=limits.reached)


def played_by(instance: Instance, name: str, limits: Limits, *, record: bool = False) -> Run:
    """A run of a scheduler."""
    scheduler = make_scheduler(name)
    return in_time(name, lambda: simulate(instance, scheduler, record=record, limits=limits), limits)


def wear_of(memory: MemorySystem, used: Consumption) -> float:
    """The share of its tiers' lives that a run uses up, all tiers' shares together."""
    lives = {
        tier.name: float(tier.endurance * tier.capacity / tier.write_amplification)
        for tier in memory.tiers
        if tier.endurance is not None and tier.capacity not in (0, UNLIMITED)
    }
    return math.fsum(tier.written_bytes / lives[tier.tier] for tier in used.tiers if tier.tier in lives)


def plain(record: Record) -> dict[str, Any]:
    """A record as JSON; what is not there is left out."""
    found: dict[str, Any] = {}
    if record.lower is not None:
        found["lower"] = "inf" if math.isinf(record.lower) else record.lower
    if record.proof:
        found["proof"] = record.proof
    if record.played:
        found["played"] = [[one.scheduler, one.time, one.energy, one.wear] for one in record.played]
    if record.costs:
        found["costs"] = dict(record.costs)
    if record.shape is not None:
        found["shape"] = [record.shape.kind, list(record.shape.rates), list(record.shape.rooms)]
    return found


def of_plain(found: dict[str, Any]) -> Record:
    """A record from its JSON; KeyError, TypeError or ValueError where it is none."""
    lower = found.get("lower")
    shape = found.get("shape")
    return Record(
        lower=None if lower is None else float(lower),
        proof=str(found.get("proof", "")),
        played=tuple(Played(str(a), float(b), _or_none(c), _or_none(d)) for a, b, c, d in found.get("played", ())),
        costs=tuple((str(key), str(value)) for key, value in dict(found.get("costs", {})).items()),
        shape=None if shape is None else Shape(str(shape[0]), tuple(map(int, shape[1])), tuple(map(int, shape[2]))),
    )


def _or_none(value: Any) -> float | None:
    return None if value is None else float(value)
