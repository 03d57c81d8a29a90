"""One search over the designs of a spec: for the best on one axis, or for the front of several.

Every design has a proven lower bound on each axis; some have points that their schedules reach. The next piece of work is
always for the designs that may be best by their bounds: first cheap schedules, then better bounds, then better schedules. A
design that a point of another beats on all axes by its bounds alone is done with, and where that was before any schedule of
it, it is never simulated. How many designs are looked at together depends on nothing but the round, so that the answer is the
same with any number of processes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from placement_opt.answer.quick import QUICK
from placement_opt.base.arrays import Float64, Int64
from placement_opt.base.limits import Limits
from placement_opt.study.explore.front import Reached, eliminate, in_order, proven_on, settle
from placement_opt.study.explore.milp import Linear, least_roofline
from placement_opt.study.explore.shapes import Shapes, combined
from placement_opt.study.explore.space import Space
from placement_opt.study.explore.spec import Spec
from placement_opt.study.explore.work import Played, Record, Task

#: Designs looked at together, at most; the first round is for one.
_BATCH = 32
#: What the program over the choices may take, in (iteration, matrix entry) pairs: some ten seconds.
_WORK = 2e9
#: The program's optimum and the least roofline agree within the solver's tolerance.
_SOLVED = 1e-6
#: Bounds and schedules this close, relatively, are equal: sums of the same numbers.
ROUNDING = 1e-9
GOALS = {"time": "time", "energy": "energy", "lifetime": "wear"}
_MONEY = {"cost": "money", "area": "area", "power": "power"}
Run = Callable[[Sequence[Task]], dict[Task, Record]]


@dataclass(frozen=True)
class Searched:
    """What a search found, of D designs on A axes.

    Attributes
    ----------
    axes, workloads
        What is minimised, and the numbers of the workloads that count.
    lower
        float64[D, A], infinite for designs that no schedule makes one.
    points
        What schedules reach.
    off
        int64[D]: who beats each design, -1 for nobody.
    why
        Design -> why it is none: no room, over a budget.
    proofs
        For each design and axis what proved its bound.
    simulated
        Designs of which schedules were made.
    pruned_by
        Design -> what proved the bound by which it was put off before it was simulated.
    over
        Designs that cost more than they may, whatever they run.
    costs
        Design -> money, area and power.
    linear
        What one program over the choices says of rooflines, where the designs are of its class.
    """

    axes: tuple[str, ...]
    workloads: tuple[int, ...]
    gap: float
    lower: Float64
    points: tuple[Reached, ...]
    by: dict[Reached, tuple[str, ...]]
    off: Int64
    on: tuple[int, ...]
    why: dict[int, str]
    proofs: list[tuple[str, ...]]
    simulated: frozenset[int]
    pruned_by: dict[int, str]
    over: frozenset[int]
    costs: dict[int, dict[str, float]]
    linear: Linear | None


@dataclass(eq=False)
class Search:
    """A search that is under way."""

    spec: Spec
    axes: tuple[str, ...]
    workloads: tuple[int, ...]
    run: Run
    stop: Callable[[], bool]
    lower: Float64 = field(init=False)
    off: Int64 = field(init=False)
    place: Int64 = field(init=False)
    why: dict[int, str] = field(default_factory=dict, init=False)
    pruned_by: dict[int, str] = field(default_factory=dict, init=False)
    points: dict[int, list[Reached]] = field(default_factory=dict, init=False)
    by: dict[Reached, tuple[str, ...]] = field(default_factory=dict, init=False)
    known: dict[Task, Record] = field(default_factory=dict, init=False)
    simulated: set[int] = field(default_factory=set, init=False)
    over: set[int] = field(default_factory=set, init=False)
    linear: Linear | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        count, spec = self.spec.count, self.spec
        # costs are exact
        self.gap = np.array([ROUNDING if axis == "cost" else max(spec.gap, ROUNDING) for axis in self.axes])
        self.goals = tuple(GOALS[axis] for axis in self.axes if axis in GOALS) or ("time",)
        quick = [name for name in spec.schedulers if name in QUICK] or [spec.schedulers[0]]
        rest = [f"schedule {name}" for name in spec.schedulers if name not in quick]
        more = [name for name in spec.bounds if name != "roofline"]  # which says what a design costs and has, too
        self.ladder = ("bound roofline", f"schedule {','.join(quick)}", *(f"bound {name}" for name in more), *rest)
        self.off, self.place = np.full(count, -1, dtype=np.int64), np.zeros(count, dtype=np.int64)
        self.lower = np.zeros((count, len(self.axes)))
        self.raised: dict[tuple[int, int, str], tuple[float, str]] = {}
        self.shapes: dict[int, Shapes] = {}
        self._means = np.zeros(count, dtype=np.int64)
        self._costs: dict[int, dict[str, Fraction]] = {}

    def search(self) -> Searched:
        """Until nothing is left to do, or a stop is asked for."""
        every = range(self.spec.count)
        self._do(every, 0)
        self._over_budget()
        self.linear = self._linear()
        least = self.lower[:, 0].min()
        if self.linear is not None and math.isfinite(least):
            self.linear = replace(self.linear, confirmed=abs(self.linear.value_s - least) <= _SOLVED * least)
        self.shapes = {w: Shapes.of(self.known, self._first(w), every) for w in self.workloads} if "time" in self.goals else {}
        for shapes in self.shapes.values():
            shapes.add_ranks(self._means)
        batch = 1
        while not self.stop():
            self._eliminate()
            chosen = self._chosen(batch)
            if not chosen:
                break
            self._ask([task for design in chosen for task in self._tasks(design, int(self.place[design]))])
            for design in chosen:
                self._raise(design, int(self.place[design]))
                self.place[design] += 1
            for design in chosen:
                self._look(design)
            batch = min(2 * batch, _BATCH)
        self._eliminate()
        return self._searched()

    def _linear(self) -> Linear | None:
        """The design of the least roofline by one program, where the designs are of its class."""
        if self.axes != ("time",) or self.stop():
            return None
        known = [[self.known.get(self._first(w)(d)) for d in range(self.spec.count)] for w in self.workloads]
        if any(record is None or record.shape is None for group in known for record in group):
            return None
        costs = []
        for one in self.spec.constraints:
            if one.what in _MONEY:
                each = [(self.costs(d) or {})[_MONEY[one.what]] for d in range(self.spec.count)]
                costs.append((float(one.value), each))
        space, limits = Space(self.spec), Limits().counted(_WORK)
        instances = [space.instance(0, w) for w in self.workloads]
        shapes = [[record.shape for record in group if record is not None] for group in known]
        return least_roofline(self.spec, instances, shapes, self._weights, costs, limits)

    def _first(self, workload: int) -> Callable[[int], Task]:
        return lambda design: Task(design, workload, "time", self.ladder[0])

    def _tasks(self, design: int, place: int) -> list[Task]:
        return [Task(design, w, goal, self.ladder[place]) for w in self.workloads for goal in self.goals]

    def _ask(self, tasks: Sequence[Task]) -> None:
        self.known.update(self.run(tasks))
        self.simulated.update(task.design for task in tasks if task.action.startswith("schedule"))

    def _do(self, designs: Sequence[int], place: int) -> None:
        """One rung for all of these designs."""
        self._ask([task for design in designs for task in self._tasks(design, place)])
        for design in designs:
            self._raise(design, place)
            self._look(design)
            self.place[design] = place + 1

    def _raise(self, design: int, place: int) -> None:
        """What a rung proved of a design, and of all that have no more of anything."""
        if not self.ladder[place].startswith("bound"):
            return
        for task in self._tasks(design, place):
            record = self.known.get(task)
            if record is None or record.lower is None:
                continue
            if math.isinf(record.lower):
                self.why.setdefault(design, record.proof)
            self._lift(design, task.workload, task.goal, record.lower, record.proof)
            if place and task.goal == "time" and (shapes := self.shapes.get(task.workload)) is not None:
                for other in shapes.below(design):
                    if self.off[other] >= 0:
                        continue
                    text = f"{record.proof} of design {design + 1}, which has no less of anything"
                    if self._lift(other, task.workload, "time", record.lower, text):
                        self._look(other, points=False)

    def _lift(self, design: int, workload: int, goal: str, lower: float, proof: str) -> bool:
        before = self.raised.get((design, workload, goal), (-math.inf, ""))[0]
        if lower > before:
            self.raised[design, workload, goal] = lower, proof
        return lower > before

    def _over_budget(self) -> None:
        """Designs that cost more than they may."""
        most = [(one, _MONEY[one.what]) for one in self.spec.constraints if one.what in _MONEY]
        for design in range(self.spec.count) if most else ():
            for one, what in most:
                costs = self.costs(design)
                if costs is not None and costs[what] > one.value and design not in self.why:
                    self.over.add(design)
                    self.why[design] = f"{one.what} {float(costs[what]):g}, at most {one.text}"
                    self.lower[design] = math.inf

    def costs(self, design: int) -> dict[str, Fraction] | None:
        """Money, area and power, the most over the workloads; None where the design cannot be built."""
        if design not in self._costs:
            records = [self.known.get(Task(design, w, self.goals[0], self.ladder[0])) for w in self.workloads]
            found = [dict(record.costs) for record in records if record is not None and record.costs]
            if not found:
                return None
            self._costs[design] = {what: max(Fraction(one[what]) for one in found) for what in _MONEY.values()}
        return self._costs[design]

    def _look(self, design: int, *, points: bool = True) -> None:
        """The bounds and ``points`` of a design from what is known of it."""
        lower: list[float] = []
        for axis in self.axes:
            if axis == "cost":
                costs = self.costs(design)
                lower.append(math.inf if costs is None and design in self.why else float(costs["money"]) if costs else 0.0)
            else:
                values = [max(0.0, self.raised.get((design, w, GOALS[axis]), (0.0, ""))[0]) for w in self.workloads]
                lower.append(combined(self.spec.over, self._weights, values))
        impossible = design in self.why or any(
            math.isinf(self.raised.get((design, w, goal), (0.0, ""))[0]) for w in self.workloads for goal in self.goals
        )
        self.lower[design] = [math.inf] * len(lower) if impossible else lower
        if points and not impossible:
            self.points[design] = self._points(design)

    @property
    def _weights(self) -> list[Fraction]:
        return [self.spec.workloads[w].weight for w in self.workloads]

    def _points(self, design: int) -> list[Reached]:
        """For each goal what the best schedules of all workloads reach together."""
        found = []
        for goal in self.goals:
            best: list[Played] = []
            for w in self.workloads:
                played = [
                    one
                    for other in self.goals
                    for action in self.ladder
                    if action.startswith("schedule") and (record := self.known.get(Task(design, w, other, action))) is not None
                    for one in record.played
                ]
                if played:
                    best.append(min(played, key=lambda one: one.of(goal)))
            if len(best) < len(self.workloads):
                continue
            values = tuple(
                float((self.costs(design) or {})["money"])
                if axis == "cost"
                else combined(self.spec.over, self._weights, [one.of(GOALS[axis]) for one in best])
                for axis in self.axes
            )
            if all(map(math.isfinite, values)):
                point = Reached(design, values)
                self.by.setdefault(point, tuple(one.scheduler for one in best))
                found.append(point)
        return list(dict.fromkeys(found))

    def _all_points(self) -> list[Reached]:
        return [point for found in self.points.values() for point in found]

    def _eliminate(self) -> None:
        before = self.off.copy()
        eliminate(self.lower, [point for point in self._all_points() if point.design not in self.why], self.off, self.gap)
        for design in np.flatnonzero((before < 0) & (self.off >= 0)).tolist():
            if design not in self.simulated and design not in self.why:
                self.pruned_by[design] = ", ".join(dict.fromkeys(self._proof(design)))

    def _proof(self, design: int) -> tuple[str, ...]:
        """What proved the bound of a design, on each axis."""
        found = []
        for axis in self.axes:
            proofs = [self.raised.get((design, w, GOALS.get(axis, "time")), (0.0, ""))[1] for w in self.workloads]
            found.append("its cost" if axis == "cost" else ", ".join(dict.fromkeys(filter(None, proofs))))
        return tuple(found)

    def _chosen(self, batch: int) -> list[int]:
        """The designs that may be best among those on which something is left to do."""
        on = proven_on(self.lower, self._all_points(), self.off, self.gap)
        open_ = (self.off < 0) & (self.place < len(self.ladder)) & np.isfinite(self.lower).all(axis=1)
        if open_.any() and not (open_ & ~on).any():
            return []
        found: list[int] = []
        for design in in_order(self.lower, self._means).tolist():
            if open_[design] and not self._closed(design):
                found.append(design)
                if len(found) == batch:
                    break
        return found

    def _closed(self, design: int) -> bool:
        """Whether nothing is left to find out of a design: a point of it reaches its bounds."""
        bounds = self.lower[design] * (1.0 + ROUNDING)
        return any((np.array(point.values) <= bounds).all() for point in self.points.get(design, ()))

    def _searched(self) -> Searched:
        points = tuple(point for point in self._all_points() if point.design not in self.why)
        off = settle(self.lower, points, self.gap)
        on = np.flatnonzero(proven_on(self.lower, points, off, self.gap) & np.isfinite(self.lower).all(axis=1)).tolist()
        proofs = [self._proof(design) for design in range(self.spec.count)]
        pruned = {design: text for design, text in self.pruned_by.items() if off[design] >= 0}
        for design in range(self.spec.count):
            self.costs(design)
        costs = {one: {what: float(value) for what, value in found.items()} for one, found in self._costs.items()}
        return Searched(
            axes=self.axes,
            workloads=self.workloads,
            gap=float(self.gap.max()),
            lower=self.lower,
            points=points,
            by=self.by,
            off=off,
            on=tuple(on),
            why=self.why,
            proofs=proofs,
            simulated=frozenset(self.simulated),
            pruned_by=pruned,
            over=frozenset(self.over),
            costs=costs,
            linear=self.linear,
        )
