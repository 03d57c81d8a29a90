"""An instance from what its file says and its trace, which is made: in pages, sizes in bytes, fixed loads, the start."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import partial

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Float64, Int64
from placement_opt.base.capacity import Contents
from placement_opt.base.errors import InputError
from placement_opt.instance.budgets import Budget
from placement_opt.instance.instance import Instance
from placement_opt.instance.llm_table import Model
from placement_opt.instance.outline import Outline
from placement_opt.instance.packing import refuse_unpackable
from placement_opt.instance.rule import MOST_LOAD
from placement_opt.instance.sound import check_largest
from placement_opt.instance.start import by_kind, cold, first_fit, load_initial
from placement_opt.instance.stated import blamed
from placement_opt.instance.totals import alive_bytes
from placement_opt.memory.system import MemorySystem
from placement_opt.workload.paging import Paged, page
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.weights import refuse_weights, with_weights


def of_trace(outline: Outline, trace: Trace) -> Instance:
    """The instance of an outline whose trace is made; InputError laid at the keys of its file."""
    model, rules = outline.model, outline.rules
    if model.placed is not None:
        blamed(outline.tables.llm, partial(refuse_weights, trace), "weights")
    outline.check_total(int(trace.sizes.sum()), trace.share_base)
    paged = blamed(outline.tables.rules, lambda: page(trace, rules.page_tokens), "page_tokens")
    paged, size = in_bytes(outline, paged)
    if not outline.totals.firm:
        outline = replace(outline, made=_contents(model, paged.trace, size))
    start = None if rules.initial == "free" else initial(outline, paged.trace.birth < 0, paged.trace.block_kind, size)
    return of_pages(outline, paged, size, outline.capacity, start, outline.budgets(trace.num_steps), whole=True)


def in_bytes(outline: Outline, paged: Paged) -> tuple[Paged, Int64]:
    """Pages beside the weights that are placed, and int64[B], the bytes of each."""
    model = outline.model
    outline.check_total(int(paged.trace.sizes.sum()), paged.trace.share_base)
    size = np.ascontiguousarray(paged.trace.sizes * model.unit_bytes)
    if model.placed is None:
        return paged, size
    paged = replace(paged, trace=with_weights(paged.trace, size, model.placed))
    return paged, np.ascontiguousarray(paged.trace.sizes)


def of_pages(
    outline: Outline,
    paged: Paged,
    size: Int64,
    capacity: Int64,
    start: npt.NDArray[np.bool_] | None,
    budgets: tuple[Budget, ...],
    *,
    whole: bool,
) -> Instance:
    """The instance of pages, int64[B] bytes each, in so much room (int64[K]), from a start, within budgets.

    ``whole``: not a layer of a question, whose share of a tier may be too little for its largest block.
    """
    rules = outline.rules
    try:
        instance = Instance(
            name=outline.name,
            memory=outline.memory,
            trace=paged.trace,
            residency=rules.residency,
            capacity=capacity,
            size=size,
            fixed=_fixed(outline, paged),
            floor=_floor(rules.floor, paged.trace),
            initial=start,
            page_tokens=rules.page_tokens,
            home_tier=outline.home_tier,
            prefix=rules.prefix,
            budgets=budgets,
            objective=outline.objective,
            fixed_metered=_fixed_metered(outline, paged),
        )
        if whole:
            check_largest(outline.memory, capacity, int(size.max()))
        refuse_unpackable(instance)
    except InputError as error:
        raise outline.placed(error) from None
    return instance


def _floor(least: Fraction, trace: Trace) -> Float64:
    """float64[T] seconds: what no step goes below, and what the trace says of each, whichever is more."""
    floor = np.full(trace.num_steps, float(least))
    return floor if trace.step_floor is None else np.maximum(floor, trace.step_floor / 1e9)


def _contents(model: Model, trace: Trace, size: Int64) -> Contents:
    """What capacities may count, of a trace of pages."""
    return Contents(model.token_bytes, int(size.min()), int(size.max()), int(alive_bytes(trace, size).max()))


def _fixed(outline: Outline, paged: Paged) -> Int64:
    """int64[T, R]: weights at every step, and what pages still being filled cost in the fastest tier; by the byte, both."""
    memory, model = outline.memory, outline.model
    if (load := model.weight_bytes * int(memory.read[model.weight_tier].max())) > MOST_LOAD:
        found = f"found weights that load {load:.3g} on one resource at a step"
        raise outline.tables.llm.error("weight_bytes", found, f"expected at most {MOST_LOAD:.3g}")
    weights = model.weight_bytes * memory.read[model.weight_tier]
    reads = paged.tail_read_tokens[:, None] * model.unit_bytes * memory.read[memory.fastest]
    writes = paged.tail_write_tokens[:, None] * model.unit_bytes * memory.write[memory.fastest]
    return np.asarray(weights + reads + writes, dtype=np.int64)


def _fixed_metered(outline: Outline, paged: Paged) -> Int64:
    """int64[H]: what the same adds to each meter over the whole run."""
    memory, model = outline.memory, outline.model
    first, fastest = memory.operations.first_serving, memory.fastest
    per_byte = memory.meters.per_byte
    amounts = [
        (per_byte[first + model.weight_tier], model.weight_bytes * len(paged.tail_read_tokens)),
        (per_byte[first + fastest], int(paged.tail_read_tokens.sum()) * model.unit_bytes),
        (per_byte[fastest], int(paged.tail_write_tokens.sum()) * model.unit_bytes),
    ]
    return meter_totals(memory, amounts)


def meter_totals(memory: MemorySystem, amounts: list[tuple[Int64, int]]) -> Int64:
    """int64[H]: what so many bytes add to each meter, by what a byte does (int64[H])."""
    totals = [sum(amount * int(row[m]) for row, amount in amounts) for m in range(len(memory.meters))]
    for name, total in zip(memory.meters.names, totals, strict=True):
        if total > MOST_LOAD:
            found = f"found weights and unfilled pages that add {total:.3g} parts to the meter {name!r}"
            raise InputError(found, f"expected at most {MOST_LOAD:.3g}: energies in fewer digits", field="trace")
    return np.array(totals, dtype=np.int64)


def initial(
    outline: Outline, exists: npt.NDArray[np.bool_], kind: npt.NDArray[np.int8] | None, size: Int64
) -> npt.NDArray[np.bool_]:
    """bool[K, B]: the start that an outline gives blocks, of which those that ``exists`` (bool[B]) says are there.

    ``kind``: int8[B] as in a trace; ``size``: int64[B] bytes. InputError laid at the key of the file.
    """
    rules, memory = outline.rules, outline.memory
    tiers, forgets = len(memory.tiers), rules.residency == "cache"
    home = outline.home if rules.residency == "inclusive" else None
    try:
        if rules.initial_file is not None:
            return load_initial(rules.initial_file, tiers, len(exists))
        if isinstance(rules.initial, dict):
            names = {kind: [memory.tier_index(name) for name in given] for kind, given in rules.initial.items()}
            return by_kind(home, names, kind, exists, size, outline.capacity)
        if rules.initial == "home":
            return cold(tiers, outline.home, exists, forgets=forgets)
        return first_fit(memory, home, exists, size, outline.capacity, forgets=forgets)
    except InputError as error:
        raise outline.placed(error) from None
