"""From what a scheduler did to a run: all of its steps timed at once."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Float64, Int32, Int64
from placement_opt.instance.instance import Instance
from placement_opt.instance.stacked import AnyQuestion
from placement_opt.memory.split.timing import StepTimer
from placement_opt.play.amounts import moving_loads
from placement_opt.play.budgeted import budgeted_split
from placement_opt.play.ledger import loops_for
from placement_opt.play.run import Run
from placement_opt.play.schedule import Schedule
from placement_opt.play.split_program import Moved

#: Up to so many tiers reads are counted by each set of them.
_FEW_TIERS = 4


def time_run(
    instance: Instance,
    scheduler: str,
    held: npt.NDArray[np.uint16],
    passed: npt.NDArray[np.bool_],
    moved: Int64,
    schedule: Schedule | None = None,
    per_step: bool = False,
) -> Run:
    """Time all steps at once.

    Parameters
    ----------
    held
        uint16[N]: the set of tiers whose copies may serve each read, as a mask: those that held its block, but none where
        strict prefixes forbid it.
    passed
        bool[N]: which reads were stored in passing, hence are served by operations that bring the block to the processor.
    moved
        As in :class:`Run`.

    Raises
    ------
    BudgetError
        No split of the reads keeps the instance's budgets.
    """
    timer, served = _read(instance, held, passed)
    base = instance.fixed + moved.astype(float) @ moving_loads(instance) / instance.share_base
    if not instance.timed:
        run = split_run(_moved(instance, timer, served, moved), scheduler, base, moved)
        run = replace(run, schedule=schedule, held=held)
        return with_steps(run) if per_step else run
    seconds = np.maximum(timer.times(served / instance.share_base, base), instance.floor)
    run = Run(instance, scheduler, math.fsum(seconds), seconds, timer, served, base, moved, schedule, held=held)
    return with_steps(run) if per_step else run


def not_split(instance: Instance, held: npt.NDArray[np.uint16], passed: npt.NDArray[np.bool_], moved: Int64) -> Moved:
    """The run before its reads are split; arguments as of :func:`time_run`."""
    return _moved(instance, *_read(instance, held, passed), moved)


def split_run(whole: Moved, scheduler: str, base: Float64, moved: Int64) -> Run:
    """The run with its reads split within the budgets, at the least cost; errors as :func:`time_run`.

    ``base`` and ``moved``: as in :class:`Run`.
    """
    split = budgeted_split(whole)
    parts = (whole.timer, whole.served, base, moved)
    return Run(whole.instance, scheduler, float(split.seconds), split.step_s, *parts, split=split)


def _read(instance: Instance, held: npt.NDArray[np.uint16], passed: npt.NDArray[np.bool_]) -> tuple[StepTimer, Int64]:
    """What knows the patterns of all reads, and what each step reads in each."""
    found, served = served_of(instance, held, passed)
    return StepTimer(instance.memory, found, instance.loads.serve.reshape(-1, instance.num_resources)), served


def served_of(
    instance: Instance, held: npt.NDArray[np.uint16], passed: npt.NDArray[np.bool_], steps: slice = slice(None)
) -> tuple[list[int], Int64]:
    """The patterns of all reads of these steps, ascending, and int64[T, P] exact sums of what each step reads in each."""
    trace, loads, tiers = instance.trace, instance.loads, instance.num_tiers
    starts, ends = trace.indptr[:-1][steps], trace.indptr[1:][steps]
    rows = slice(int(starts[0]), int(ends[-1])) if len(starts) else slice(0, 0)
    starts, ends, held, passed = starts - rows.start, ends - rows.start, held[rows], passed[rows]
    blocks, shares = trace.blocks[rows], None if trace.shares is None else trace.shares[rows]
    ways = len(loads.serves_from)
    mark: npt.NDArray[Any] = passed if len(loads.row) == 1 else 2 * loads.kind[blocks] + passed
    case: npt.NDArray[Any] = (mark.astype(np.int64) << tiers) + held if mark.any() else held
    alike = shares is None and len(loads.amount) > 0 and bool((loads.amount == loads.amount[0]).all())
    count = _counts(held, starts, ends, tiers) if alike and case is held else None
    cases = np.flatnonzero(np.bincount(case) if count is None else count.any(axis=0)).tolist()
    usable = [loads.usable(one & (1 << tiers) - 1, one >> tiers + 1, bringing=bool(one >> tiers & 1)) for one in cases]
    patterns = [found << (one >> tiers + 1) * ways for one, found in zip(cases, usable, strict=True)]
    distinct = sorted(set(patterns))
    served = np.zeros((len(starts), len(distinct)), dtype=np.int64)
    if count is not None:
        for one, pattern in zip(cases, patterns, strict=True):
            served[:, distinct.index(pattern)] += count[:, one] * loads.amount[0]
        return distinct, served
    sums = np.zeros(len(blocks) + 1, dtype=np.int64)
    amount = loads.amount[blocks] * (1 if shares is None else shares)
    for one, pattern in zip(cases, patterns, strict=True):
        # Differences of running sums are exact even where the sums themselves wrap around.
        np.cumsum(np.where(case == one, amount, 0), out=sums[1:])
        served[:, distinct.index(pattern)] += sums[ends] - sums[starts]
    return distinct, served


def _counts(held: npt.NDArray[np.uint16], starts: Int64, ends: Int64, tiers: int) -> Int64 | None:
    """int64[T, 2**K]: how many reads of each step were held by each set of tiers; None where that is not counted in a loop."""
    loops = loops_for(len(held)) if tiers <= _FEW_TIERS else None
    if loops is None:
        return None
    found = np.empty((len(starts), 1 << tiers), dtype=np.int64)
    loops.count(held, starts, ends, found)
    return found


def _moved(instance: Instance, timer: StepTimer, served: Int64, moved: Int64) -> Moved:
    """The same without its reads' split, in integers."""
    loads, scale = instance.loads, instance.share_base
    base = instance.fixed.astype(object) * scale + moved.astype(object) @ moving_loads(instance).astype(object)
    columns = len(loads.row) * loads.operations.first_serving
    each = loads.metered[:, : loads.operations.first_serving].reshape(columns, len(instance.used_meters)).astype(object)
    counted = instance.metered.astype(object) * scale + moved.astype(object).sum(axis=0) @ each
    return Moved(instance, timer, served, base, counted.tolist())


def with_steps(run: Run) -> Run:
    """The same with its table of steps (:attr:`Run.per_step`), in rows or layer by layer."""
    return replace(run, per_step=_table(run))


def _labels(question: AnyQuestion) -> tuple[Int32 | None, Int32 | None]:
    """int32[T] twice: the token and the layer of each step; None where it carries none."""
    if isinstance(question, Instance):
        return question.trace.step_token, question.trace.step_layer
    layers, token = question.num_layers, question.turn_token
    layer = np.tile(np.arange(layers, dtype=np.int32), question.num_steps // layers)
    return None if token is None else np.repeat(token, layers), layer


def _table(run: Run) -> dict[str, npt.NDArray[Any]]:
    instance, operations = run.instance, run.instance.loads.operations
    base, moving = run.instance.share_base, operations.first_serving
    token, layer = _labels(instance)
    labels = {"step": np.arange(instance.num_steps), "token": token, "layer": layer}
    table: dict[str, npt.NDArray[Any]] = {name: label for name, label in labels.items() if label is not None}
    table["seconds"] = run.step_s
    resources = instance.memory.resources
    table["critical"] = np.array(["+".join(resources[r] for r in np.flatnonzero(row)) for row in run._critical], dtype=object)
    read, hits = run.served * run._size, run._hits
    table["read"], table["hit"] = read.sum(axis=1) / base, read[:, hits].sum(axis=1) / base
    for way, name in enumerate(operations.names[moving:]):
        if way < instance.num_tiers or run._ways[:, way].any():
            table[name] = run._ways[:, way]
    moved = run.moved.reshape(instance.num_steps, -1, moving)
    for row, name in enumerate(operations.names[:moving]):
        if moved[:, :, row].any():
            table[name] = moved[:, :, row] @ instance.loads.size / base
    return table
