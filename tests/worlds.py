"""Random instances: tiny ones of every kind, rule and field of the table of operations; drifting, swapping, decoding ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from placement_opt.instance.budgets import TIME, Budget, Objective
from placement_opt.instance.instance import Instance
from placement_opt.instance.rule import KEEPING
from placement_opt.memory.meters import Meters
from placement_opt.memory.operations import Operation, Operations, table
from placement_opt.memory.system import MemorySystem, Tier
from placement_opt.workload.synth import drift
from placement_opt.workload.trace import Trace
from tests.small import chain, make_instance, make_trace, random_instance, two_tier

#: Blocks by rule and number of tiers that enumeration finishes in milliseconds.
BLOCKS = {
    "inclusive": {1: 5, 2: 5, 3: 4, 4: 3},
    "exclusive": {1: 5, 2: 5, 3: 4, 4: 3},
    "free": {1: 5, 2: 4, 3: 3, 4: 2},
}


def wild_memory(rng: np.random.Generator, capacities: list[int], resources: int) -> MemorySystem:
    """Every operation loads resources of its own choosing, 0 to 2 bytes a byte: copies need not cost what their ends do."""
    tiers = len(capacities)

    def loads(*shape: int) -> np.ndarray:
        table = rng.choice([0, 0, 1, 1, 2], size=(*shape, resources))
        table[..., 0] += table.sum(axis=-1) == 0
        return table.astype(np.int64)

    copy = loads(tiers, tiers)
    copy[np.arange(tiers), np.arange(tiers)] = 0
    rates = rng.integers(1, 30, resources).astype(np.int64)
    operations = table([f"tier{k}" for k in range(tiers)], loads(tiers), loads(tiers), copy)
    return MemorySystem(
        name="wild",
        processor="gpu",
        tiers=tuple(Tier(f"tier{k}", capacity, "gpu", 1, 1, True) for k, capacity in enumerate(capacities)),
        links=(),
        resources=tuple(f"resource{r}" for r in range(resources)),
        rates=rates,
        operations=operations,
        routes={},
    )


def any_instance(seed: int) -> Instance:
    """A tiny instance of any rule and 1 to 4 tiers; sizes, shares, deaths, a given start, wild memory and floors by chance."""
    rng = np.random.default_rng(seed)
    residency, tiers = KEEPING[int(rng.integers(3))], 1 + int(rng.integers(4))
    unequal, shares, deaths, given, wild, floors = (bool(flag) for flag in rng.integers(0, 2, 6))
    instance = random_instance(
        rng,
        tiers,
        residency,
        blocks=BLOCKS[residency][tiers],
        steps=2 + int(rng.integers(4)),
        max_size=3 if unequal else 1,
        shares=shares,
        deaths=deaths,
        given=given,
    )
    instance = _born_last(instance)
    if wild:
        memory = wild_memory(rng, instance.capacity.tolist(), 1 + int(rng.integers(5)))
        fixed = rng.integers(0, 4, (instance.num_steps, len(memory.resources)))
        instance = replace(instance, memory=memory, fixed=fixed.astype(np.int64), home_tier=memory.largest)
    if floors:
        instance = replace(instance, floor=rng.random(instance.num_steps) * 0.5)
    return instance


def _born_last(instance: Instance) -> Instance:
    """The same, its last block produced by the last step if nobody reads it and it is not there from the start."""
    trace, last = instance.trace, instance.num_blocks - 1
    if trace.birth[last] < 0 or last in trace.blocks:
        return instance
    birth, death = trace.birth.copy(), trace.death.copy()
    birth[last], death[last] = trace.num_steps - 1, trace.num_steps
    return replace(instance, trace=replace(trace, birth=birth, death=death))


def with_operations(memory: MemorySystem, more: Sequence[Operation] = (), **columns: object) -> MemorySystem:
    """The system with further operations, ``calls`` and ``grains``."""
    operations = table(memory.tier_names, memory.read, memory.write, memory.copy, more, **columns)  # type: ignore[arg-type]
    return replace(memory, operations=operations)


def any_operations(seed: int) -> Instance:
    """:func:`any_instance` with attending, recomputing or refetching, calls and grains, the rule "cache", and operations that
    are for KV or weights only, by chance; blocks in pieces where those matter."""
    return _in_pieces(np.random.default_rng([seed, 17]), _of_kinds(np.random.default_rng([seed, 13]), _any_operations(seed)))


def _any_operations(seed: int) -> Instance:
    """The same for any block."""
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


def strict(seed: int) -> Instance:
    """A cache of :func:`any_operations` with strict prefixes: each step's in an order of its own, now and then with a gap."""
    number = next(n for n in range(seed * 100, seed * 100 + 100) if any_operations(n).forgets)
    rng, instance = np.random.default_rng([seed, 13]), any_operations(number)
    counts = np.diff(instance.trace.indptr).tolist()
    places = [rng.permutation(count + int(rng.random() < 0.2))[:count] for count in counts]
    trace = replace(instance.trace, position=np.concatenate(places).astype(np.int32))
    return replace(instance, trace=trace, prefix="strict")


def _of_kinds(rng: np.random.Generator, instance: Instance) -> Instance:
    """Some blocks are weights, and some of the further operations are for one kind only; what lies nowhere can be made anew."""
    memory, table = instance.memory, instance.memory.operations
    further = np.arange(table.first_serving + table.tiers, len(table.names))
    if not len(further) or rng.random() < 0.5:
        return instance
    applies, anew = table.applies.copy(), further[table.source[further] < 0]
    applies[further] = np.array([[True, False], [False, True], [True, True]])[rng.integers(3, size=len(further))]
    if instance.forgets and not applies[anew].any(axis=0).all():
        applies[anew[0]] = True
    trace = replace(instance.trace, block_kind=rng.integers(0, 2, instance.num_blocks).astype(np.int8))
    return replace(instance, memory=replace(memory, operations=replace(table, applies=applies)), trace=trace)


def _in_pieces(rng: np.random.Generator, instance: Instance) -> Instance:
    """Some blocks are stored in several pieces, or all in equally many."""
    if instance.memory.operations.uniform or rng.random() < 0.3:
        return instance
    chosen = [[n for n in range(1, size + 1) if size % n == 0] for size in instance.size.tolist()]
    pieces = np.array([rng.choice(some) for some in chosen], dtype=np.int32)
    if (instance.size == instance.size[0]).all() and rng.random() < 0.5:
        pieces = pieces[:1]
    return replace(instance, trace=replace(instance.trace, pieces=pieces))


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


def layered_trace(rng: np.random.Generator, layers: int, prefill: int, tokens: int, share: float, drift: float) -> Trace:
    """Decoding in small: at every token each layer reads ``share`` of its blocks, swaps ``drift`` of them, produces one."""
    births = [-1] * (layers * prefill)
    blocks = [list(range(layer * prefill, (layer + 1) * prefill)) for layer in range(layers)]
    read: list[list[int]] = [[] for _ in range(layers)]
    rows = []
    for step in range(layers * tokens):
        layer = step % layers
        stays = [b for b in read[layer] if rng.random() >= drift]
        others = [b for b in blocks[layer] if b not in stays]
        fresh = max(0, int(share * len(blocks[layer])) - len(stays))
        read[layer] = sorted(stays + rng.choice(others, fresh, replace=False).tolist())
        rows.append(read[layer])
        blocks[layer].append(len(births))
        births.append(step)
    return make_trace(rows, births, layers=layers)
