"""Explorations: the best of many designs for some workloads, and the front of what can be had of several things at once.

What is said of a design is proven: no schedule of it takes less than its bound, and a schedule of it takes its value. A design
is called the best only where its value is at most the bound of every other one, up to the gap; else those that are not told
apart are named (docs/explore.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from os import PathLike
from pathlib import Path

import numpy as np

from placement_opt.base.errors import PlacementError
from placement_opt.base.jobs import Jobs
from placement_opt.base.limits import Limits, check_limits
from placement_opt.base.tabular import Record as Row
from placement_opt.base.tabular import Tabular
from placement_opt.bounds.dual.shares import Backend
from placement_opt.study.explore_milp import Linear
from placement_opt.study.explore_read import read_spec
from placement_opt.study.explore_search import Search, Searched, workload_groups
from placement_opt.study.explore_space import Space, Unbuildable, check_parts
from placement_opt.study.explore_spec import AXES, COSTS, Spec
from placement_opt.study.explore_state import Kept, kept_in
from placement_opt.study.explore_work import Chunk, Record, Task, work

#: Bounds of the first rung that travel together.
_TOGETHER = 50


@dataclass(frozen=True)
class Design:
    """What is known of one design.

    Attributes
    ----------
    number, label
        From 0 on, and which alternatives it takes.
    status
        "best", "on the front", "not told apart", "beaten", "pruned" (beaten by its bound alone, never simulated), "impossible"
        (no room, or no schedule keeps what is asked for), "over budget" or "not looked at".
    lower, value
        On each axis, what is proven that no schedule falls below, and what the best schedule for the first axis reaches; None
        where nothing is known.
    by
        Its schedulers, one for each workload.
    proof
        What proved the bounds; why it is impossible.
    beaten_by
        The design that beats it.
    costs
        Money, area and power.
    """

    number: int
    label: str
    status: str
    lower: tuple[float | None, ...]
    value: tuple[float, ...] | None
    by: tuple[str, ...]
    proof: str
    beaten_by: int | None
    costs: dict[str, float]


@dataclass(frozen=True)
class Found:
    """One search: of the best design (one axis) or of a front, for all workloads or for one.

    Attributes
    ----------
    what
        "best" or "front".
    workload
        Its name, where each counts by itself; else "".
    axes
        What is minimised; "lifetime": the share of it that a run uses up.
    designs
        All of them, in order.
    simulated
        Of how many of them schedules were made.
    linear
        The design of the least roofline by one program over the choices, where the time is linear in them.
    """

    what: str
    workload: str
    axes: tuple[str, ...]
    gap: float
    designs: tuple[Design, ...]
    simulated: int = 0
    linear: Linear | None = None

    def of(self, *statuses: str) -> list[Design]:
        """The designs of these statuses."""
        return [design for design in self.designs if design.status in statuses]

    @property
    def best(self) -> Design | None:
        """On one axis: the design of the smallest value, proven the best or not; None where no schedule of any is known."""
        known = [design for design in self.of("best") or self.designs if design.value is not None]
        return min(known, key=lambda design: (design.value, design.number), default=None)

    @property
    def proven(self) -> bool:
        """Whether nothing is left open: every design is the best (on the front), beaten or none."""
        return not self.of("not told apart", "not looked at")

    @property
    def none(self) -> bool:
        """Whether it is proven that no design will do."""
        return all(design.status in ("impossible", "over budget") for design in self.designs)


@dataclass(frozen=True)
class Explored(Tabular):
    """What :func:`explore` found.

    Attributes
    ----------
    spec
        What was asked.
    best, fronts
        The search for the best, and that for the front where one was asked for: one, or one for each workload.
    interrupted, limited
        Whether somebody asked for a stop, or the time was up.
    reused
        Pieces of work that the state had.
    """

    spec: Spec
    best: tuple[Found, ...]
    fronts: tuple[Found, ...]
    interrupted: bool = False
    limited: bool = False
    reused: int = 0

    @property
    def exit_code(self) -> int:
        """130 interrupted, 1 where it is proven that no design will do, 3 where no schedule of any is known, else 0."""
        if self.interrupted:
            return 130
        if any(found.none for found in self.best):
            return 1
        return 3 if any(found.best is None for found in self.best) else 0

    def to_records(self) -> list[Row]:
        """One row for each search and design; times in seconds, energies in joules, lifetimes as the share a run uses up."""
        rows: list[Row] = []
        names = [choice.name for choice in self.spec.choices]
        for found in (*self.best, *self.fronts):
            for design in found.designs:
                row: Row = {"search": found.what, "workload": found.workload, "design": design.number + 1}
                row |= {f"choice {name}": one.name for name, one in zip(names, self.spec.chosen(design.number), strict=True)}
                row["status"] = design.status
                for axis in AXES:
                    n = found.axes.index(axis) if axis in found.axes else None
                    row[f"{axis}_lower"] = None if n is None else design.lower[n]
                    row[f"{axis}_value"] = None if n is None or design.value is None else design.value[n]
                row |= {"proof": design.proof, "schedulers": " ".join(design.by)}
                rows.append(row | {what: design.costs.get(what) for what in COSTS})
        return rows


def explore(
    spec: Spec | str | PathLike[str],
    *,
    backend: Backend | None = None,
    state: str | Path | None = None,
    limits: Limits | None = None,
    report: Callable[[str], None] | None = None,
) -> Explored:
    """The best design of a spec, proven, and its front.

    Parameters
    ----------
    spec
        One that is read, or its file (docs/explore.md).
    backend
        Where the work is done: without one, here; the answer does not depend on it.
    state
        A file that what is found is kept in; what it knows already is not done again.
    limits
        Deadline and stop request; what is known by then comes back.
    report
        Called with a line of text as pieces of work are done.

    Returns
    -------
    Explored
        Every design with its bounds and its best schedule.

    Raises
    ------
    InputError
        What is wrong with the spec or an instance that it makes, at the first of them; a state of another exploration.
    """
    check_limits(limits)
    limits = limits or Limits()
    spec = spec if isinstance(spec, Spec) else read_spec(spec)
    check_spec(spec)
    key = spec.digest()
    backend = backend or Backend()
    with kept_in(state, key) as (known, kept), Jobs(backend.jobs, limits) as pool:
        runner = _Runner(spec, key, known, kept, backend, pool, limits, report)
        searched = [
            [
                (name, Search(spec, axes, workloads, runner.run, lambda: limits.reached).search())
                for name, workloads in workload_groups(spec)
            ]
            for axes in ((spec.minimise,), spec.front)
            if axes
        ]
    best = tuple(_found(spec, "best", name, one) for name, one in searched[0])
    fronts = tuple(_found(spec, "front", name, one) for group in searched[1:] for name, one in group)
    return Explored(spec, best, fronts, limits.interrupted, limits.reached, runner.reused)


def check_spec(spec: Spec) -> None:
    """InputError at the first alternative of any choice, and at the first workload, that the instance does not take."""
    space, stride, looked = Space(spec), 1, [(0, w) for w in range(len(spec.workloads))]
    for choice in reversed(spec.choices):
        looked += [(n * stride, 0) for n in range(1, len(choice.alternatives))]
        stride *= len(choice.alternatives)
    memories = []
    for design, workload in looked:
        with suppress(Unbuildable):
            instance = space.instance(design, workload)
            memories.append(instance.memory)
            space.costs(design, [instance])
    check_parts(spec, memories)


@dataclass(eq=False)
class _Runner:
    """Does pieces of work that nobody has done, here or elsewhere, and keeps them."""

    spec: Spec
    key: str
    known: dict[Task, Record]
    kept: Kept | None
    backend: Backend
    pool: Jobs
    limits: Limits
    report: Callable[[str], None] | None

    def __post_init__(self) -> None:
        self._old, self.reused, self._done = set(self.known), 0, 0

    def run(self, tasks: Sequence[Task]) -> dict[Task, Record]:
        """What came of tasks; those that the limits left undone are missing."""
        missing = [task for task in tasks if task not in self.known]
        self.reused += sum(task in self._old for task in tasks)
        chunks = [Chunk(self.spec, self.key, part) for part in _parts(missing)]

        def done(number: int, results: Sequence[Record | PlacementError]) -> None:
            for task, result in zip(chunks[number].tasks, results, strict=False):
                self._take(task, result)

        if self.backend.name == "dask":
            self.backend.run(work, chunks, limits=self.limits, done=done)
        else:
            self.pool.run(work, chunks, done=done, lost=_lost)
        return {task: self.known[task] for task in tasks if task in self.known}

    def _take(self, task: Task, result: Record | PlacementError) -> None:
        if isinstance(result, PlacementError):
            raise result
        self.known[task] = result
        self._done += 1
        if self.kept is not None and not result.skipped:
            self.kept.keep(task, result)
        if self.report is not None:
            what = f"{self.spec.label(task.design)}; {self.spec.workloads[task.workload].name}: {task.action}"
            self.report(f"[{self._done}] {what}")


def _lost(chunk: Chunk, why: str) -> list[Record | PlacementError]:
    """What stands for the results of a chunk whose process was killed."""
    return [Record(proof=why, skipped=True) for _ in chunk.tasks]


def _parts(tasks: Sequence[Task]) -> Iterator[tuple[Task, ...]]:
    """Tasks that travel together: cheap ones of one workload by many, others one by one."""
    for (_, action), group in groupby(sorted(tasks, key=lambda t: (t.workload, t.action)), lambda t: (t.workload, t.action)):
        several, size = list(group), _TOGETHER if action == "bound roofline" else 1
        yield from (tuple(several[n : n + size]) for n in range(0, len(several), size))


def _found(spec: Spec, what: str, name: str, searched: Searched) -> Found:
    points = {point.design: point for point in sorted(searched.points, key=lambda one: one.values, reverse=True)}
    designs = []
    for number in range(spec.count):
        point, off = points.get(number), int(searched.off[number])
        status = _status(searched, number, off, "best" if what == "best" else "on the front")
        proof = searched.why.get(number) or searched.pruned_by.get(number) or "; ".join(filter(None, searched.proofs[number]))
        lower = tuple(None if np.isinf(value) else float(value) for value in searched.lower[number])
        designs.append(
            Design(
                number,
                spec.label(number),
                status,
                lower,
                None if point is None else point.values,
                () if point is None else searched.by[point],
                proof,
                off if off >= 0 and number not in searched.why else None,
                searched.costs.get(number, {}),
            )
        )
    return Found(what, name, searched.axes, searched.gap, tuple(designs), len(searched.simulated), searched.linear)


def _status(searched: Searched, number: int, off: int, best: str) -> str:
    if number in searched.why:
        return "over budget" if number in searched.over else "impossible"
    if number in searched.on:
        return best
    if off >= 0:
        return "beaten" if number in searched.simulated else "pruned"
    return "not told apart" if any(searched.proofs[number]) else "not looked at"
