"""Random tiny instances that use every field of the table of operations, every rule, and both together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from placement_opt.instance.instance import Instance
from placement_opt.memory.operations import Operation, Operations, table
from placement_opt.memory.system import MemorySystem
from placement_opt.workload.synth import drift
from tests.models.systems import any_instance
from tests.small import chain, make_instance, make_trace, two_tier


def with_operations(memory: MemorySystem, more: Sequence[Operation] = (), **columns: object) -> MemorySystem:
    """The system with further operations, ``calls`` and ``grains``."""
    operations = table(memory.tier_names, memory.read, memory.write, memory.copy, more, **columns)  # type: ignore[arg-type]
    return replace(memory, operations=operations)


def any_operations(seed: int) -> Instance:
    """:func:`any_instance` with attending, recomputing or refetching, calls and grains, and the rule "cache", by chance."""
    rng, instance = np.random.default_rng([seed, 7]), any_instance(seed)
    attends, remakes, calls, cache = (bool(flag) for flag in rng.integers(0, 2, 4))
    calls = calls and instance.share_base == 1
    memory = instance.memory
    more = _attending(rng, instance) if attends else []
    more += _remaking(rng, instance) if remakes or cache else []
    memory = replace(memory, operations=_table(rng, memory, more, calls=calls))
    if not cache:
        return replace(instance, memory=memory)
    initial = instance.initial
    if initial is not None:
        initial = initial & (rng.random(initial.shape) < 0.7)
    capacity = np.where(rng.random(instance.num_tiers) < 0.5, instance.capacity, instance.size.max())
    used = 0 if initial is None else initial @ instance.size
    return replace(instance, memory=memory, residency="cache", initial=initial, capacity=np.maximum(capacity, used))


def _attending(rng: np.random.Generator, instance: Instance) -> list[Operation]:
    """Reads that load other resources, or some of them less, and leave nothing at the processor, of one or two tiers."""
    resources, found = instance.num_resources, []
    for k in rng.choice(instance.num_tiers, size=min(2, instance.num_tiers), replace=False).tolist():
        row = np.maximum(0, instance.memory.read[k] - rng.integers(0, 2, resources))
        row[int(rng.integers(resources))] += 1
        found.append(Operation(f"attend {instance.memory.tier_names[k]}", k, tuple(row.tolist())))
    return found


def _remaking(rng: np.random.Generator, instance: Instance) -> list[Operation]:
    """One or two operations without a source."""
    resources = instance.num_resources
    rows = rng.integers(0, 3, (1 + int(rng.integers(2)), resources))
    rows[:, int(rng.integers(resources))] += 1
    return [
        Operation(name, None, tuple(row), brings=bool(n == 0 or rng.integers(2)))
        for n, (name, row) in enumerate(zip(("recompute", "refetch"), rows.tolist(), strict=False))
    ]


def _table(rng: np.random.Generator, memory: MemorySystem, more: Sequence[Operation], *, calls: bool) -> Operations:
    if not calls:
        return table(memory.tier_names, memory.read, memory.write, memory.copy, more)
    tiers = len(memory.tiers)
    per_call = tuple(rng.integers(0, 2, part.shape) for part in (memory.read, memory.write, memory.copy))
    per_call[2][np.arange(tiers), np.arange(tiers)] = 0
    grains = tuple(rng.integers(1, 4, shape) for shape in (tiers, tiers, (tiers, tiers)))
    some = [
        replace(one, per_call=tuple(rng.integers(0, 2, len(memory.resources)).tolist()), grain=int(rng.integers(1, 3)))
        for one in more
    ]
    return table(memory.tier_names, memory.read, memory.write, memory.copy, some, calls=per_call, grains=grains)  # type: ignore[arg-type]


def swapping(seed: int, residency: str = "inclusive") -> Instance:
    """30 blocks, 12 of them read at each of 40 steps, 2 swapped a step, room for 10."""
    rng = np.random.default_rng(seed)
    now = rng.choice(30, 12, replace=False)
    rows = []
    for _ in range(40):
        out = rng.choice(12, 2, replace=False)
        now[out] = rng.choice(np.setdiff1d(np.arange(30), now), 2, replace=False)
        rows.append(sorted(now.tolist()))
    memory = chain([10, 100], [4900, 500], [450])
    return make_instance(memory, make_trace(rows, [-1] * 30), residency)  # type: ignore[arg-type]


def drifting(layers: int, tokens: int, *, prefill: int = 500, capacity: float = 0.3, swapped: float = 0.1) -> Instance:
    """40 % of the tokens read per step, room for a share of the final KV in the fast tier, section 7's rates."""
    params = drift.Params(layers=layers, prefill=prefill, tokens=tokens, read_share=0.4, drift=swapped)
    trace = replace(drift.generate(params, np.random.default_rng(1)), size_unit="bytes")
    return make_instance(two_tier(hbm=int(capacity * trace.num_blocks)), trace)
