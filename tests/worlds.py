"""Random tiny instances that use every field of the table of operations, every rule, and both together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from placement_opt.instance.budgets import TIME, Budget, Objective
from placement_opt.instance.instance import Instance
from placement_opt.memory.meters import Meters
from placement_opt.memory.operations import Operation, Operations, table
from placement_opt.memory.system import MemorySystem
from tests.models.systems import any_instance


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


def any_budgets(seed: int) -> Instance:
    """:func:`any_operations` with one or two meters, budgets of all kinds and objectives; some of them cannot be kept."""
    rng, instance = np.random.default_rng([seed, 11]), any_operations(seed)
    rows, meters = len(instance.memory.operations.names), 1 + int(rng.integers(2))
    per_byte = rng.integers(0, 4, (rows, meters)).astype(np.int64)
    names = tuple(f"meter {m}" for m in range(meters))
    memory = replace(instance.memory, counted=Meters(names, ("J",) * meters, (1,) * meters, per_byte))
    moved = int((np.diff(instance.trace.by_block[0]) * instance.size).sum() + instance.size.sum())
    lasts = max(1, round(float(instance.floor.sum()) + 2 * moved / int(np.median(instance.memory.rates))))
    budgets = [_any_budget(rng, h, int(rng.integers(meters)), moved, lasts) for h in range(int(rng.integers(1, 3)))]
    objective, weighed = TIME, tuple((m, Fraction(int(rng.integers(1, 8)), 8)) for m in range(meters))
    if rng.random() < 0.4:
        objective = Objective(Fraction(int(rng.integers(0, 3)), 2), weighed)
        budgets = budgets[: int(rng.integers(0, 2))]
    fixed = None if rng.random() < 0.5 else rng.integers(0, 4, meters).astype(np.int64)
    return replace(instance, memory=memory, budgets=tuple(budgets), objective=objective, fixed_metered=fixed)


def _any_budget(rng: np.random.Generator, number: int, meter: int, moved: int, lasts: int) -> Budget:
    """Of what a run may need about: all at once, by the second, both, less for each second, or a time."""
    some, kind = Fraction(int(rng.integers(1, 13)) * moved, 8), int(rng.integers(6))
    name = f"budget {number}"
    if kind in (0, 5):
        return Budget(name, meter, some)
    if kind == 1:
        return Budget(name, meter, Fraction(int(rng.integers(-1, 2))), some / lasts)
    if kind == 2:
        return Budget(name, meter, some / 2, some / (2 * lasts))
    if kind == 3:
        return Budget(name, meter, 2 * some, -some / (4 * lasts))
    return Budget(name, None, Fraction(int(rng.integers(1, 9)) * lasts, 4), Fraction(-1))
