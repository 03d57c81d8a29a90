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

from placement_opt.base.backend import Backend
from placement_opt.base.errors import PlacementError
from placement_opt.base.jobs import Jobs
from placement_opt.base.limits import Limits, check_limits
from placement_opt.study.explore.found import Explored, found_of
from placement_opt.study.explore.read import read_spec
from placement_opt.study.explore.search import Search
from placement_opt.study.explore.shapes import workload_groups
from placement_opt.study.explore.space import Space, Unbuildable, check_parts
from placement_opt.study.explore.spec import Spec
from placement_opt.study.explore.state import Kept, kept_in
from placement_opt.study.explore.work import Chunk, Record, Task, work

#: Bounds of the first rung that travel together.
_TOGETHER = 50


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

    Examples
    --------
    Is twice the link worth more than twice the room?

    >>> from pathlib import Path
    >>> text = '''schema = 1
    ... name = "room or link"
    ... [base]
    ... memory = { preset = "gh200", hbm.capacity = "64 KiB" }
    ... llm = { layers = 1, kv_bytes = "16 KiB" }
    ... trace = { synth = "drift", layers = 1, prefill = 10, tokens = 4, seed = 1 }
    ... [choices]
    ... more = [{ name = "room", set = { hbm.capacity = "128 KiB" } }, { name = "link", set = { c2c.up.rate = "900 GB/s" } }]
    ... '''
    >>> written = Path("spec.toml").write_text(text)
    >>> (found,) = po.explore("spec.toml").best
    >>> found.proven, found.best.label
    (True, 'more=room')
    """
    check_limits(limits)
    limits = limits or Limits()
    spec = spec if isinstance(spec, Spec) else read_spec(spec)
    check_spec(spec)
    key = spec.digest()
    backend = backend or Backend()
    backend.check_whole()
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
    best = tuple(found_of(spec, "best", name, one) for name, one in searched[0])
    fronts = tuple(found_of(spec, "front", name, one) for group in searched[1:] for name, one in group)
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

        if self.backend.away:
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
