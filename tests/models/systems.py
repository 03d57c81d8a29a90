"""Memory systems and traces that stress the statements: arbitrary loads, layers with births, everything drawn at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from placement_opt.instance.instance import KEEPING, Instance
from placement_opt.memory.operations import table
from placement_opt.memory.system import MemorySystem, Tier
from placement_opt.workload.trace import Trace
from tests.small import make_trace, random_instance

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
