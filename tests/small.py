"""Small instances built by hand, shared by all tests: systems as plain tables, traces as lists of lists."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from placement_opt.instance.instance import Instance
from placement_opt.instance.rule import Residency
from placement_opt.memory.operations import table
from placement_opt.memory.system import Link, MemorySystem, Tier
from placement_opt.workload.trace import Trace


def two_tier(hbm: int = 10**6, lpddr: int = 10**9, rates: tuple[int, int, int] = (4900, 450, 500)) -> MemorySystem:
    """The system of problem.md section 7: hbm, one link with two directions, lpddr; rates in bytes/s."""
    fast, link, slow = rates
    return MemorySystem(
        name="two",
        processor="gpu",
        tiers=(
            Tier("hbm", hbm, "gpu", fast, fast, True),
            Tier("lpddr", lpddr, "cpu", slow, slow, True),
        ),
        links=(Link("c2c", "cpu", "gpu", link, link, False),),
        resources=("hbm", "lpddr", "c2c.up", "c2c.down"),
        rates=np.array([fast, slow, link, link], dtype=np.int64),
        operations=table(
            ("hbm", "lpddr"),
            read=np.array([[1, 0, 0, 0], [0, 1, 1, 0]], dtype=np.int64),
            write=np.array([[1, 0, 0, 0], [0, 1, 0, 1]], dtype=np.int64),
            copy=np.array([[[0, 0, 0, 0], [1, 1, 0, 1]], [[1, 1, 1, 0], [0, 0, 0, 0]]], dtype=np.int64),
        ),
        routes={},
    )


def chain(capacities: Sequence[int], device_rates: Sequence[int], link_rates: Sequence[int]) -> MemorySystem:
    """Tier 0 at the processor, every other tier on a link of its own to the processor's switch.

    Resources: one shared rate per tier, then one shared rate per link (of tiers 1, 2, ...).
    """
    tiers = len(capacities)
    names = ("hbm", "dram", "cxl", "nvme", "disk", *(f"tier{k}" for k in range(5, tiers)))[:tiers]
    resources = names + tuple(f"link{k}" for k in range(1, tiers))
    path = np.zeros((tiers, len(resources)), dtype=np.int64)
    for k in range(tiers):
        path[k, k] = 1
        if k:
            path[k, tiers + k - 1] = 1
    copy = path[:, None, :] + path[None, :, :]
    copy[np.arange(tiers), np.arange(tiers)] = 0
    return MemorySystem(
        name=f"chain{tiers}",
        processor="gpu",
        tiers=tuple(Tier(n, c, "gpu", r, r, True) for n, c, r in zip(names, capacities, device_rates, strict=True)),
        links=tuple(Link(f"link{k}", "gpu", names[k], link_rates[k - 1], link_rates[k - 1], True) for k in range(1, tiers)),
        resources=resources,
        rates=np.array([*device_rates, *link_rates], dtype=np.int64),
        operations=table(names, path, path, copy),
        routes={},
    )


def make_trace(
    reads: Sequence[Sequence[int]],
    births: Sequence[int],
    deaths: Sequence[int] | None = None,
    sizes: Sequence[int] = (1,),
    shares: Sequence[Sequence[int]] | None = None,
    share_base: int = 1,
    layers: int | None = None,
) -> Trace:
    """A trace from the ids each step reads; ``births`` -1 for initial; sizes in bytes; with layers step t is of t % layers."""
    steps, blocks = len(reads), len(births)
    label = None if layers is None else (np.arange(steps) % layers).astype(np.int32)
    owner = None
    if label is not None:
        owner = np.zeros(blocks, dtype=np.int32)
        for step, ids in enumerate(reads):
            owner[list(ids)] = label[step]
    return Trace(
        indptr=np.concatenate([[0], np.cumsum([len(ids) for ids in reads])]).astype(np.int64),
        blocks=np.array([b for ids in reads for b in ids], dtype=np.int32),
        birth=np.array(births, dtype=np.int32),
        death=np.array([steps] * blocks if deaths is None else deaths, dtype=np.int32),
        size=np.array(sizes, dtype=np.int64),
        size_unit="bytes",
        shares=None if shares is None else np.array([s for row in shares for s in row], dtype=np.uint16),
        share_base=share_base,
        step_layer=label,
        block_layer=owner,
    )


def make_instance(
    memory: MemorySystem,
    trace: Trace,
    residency: Residency = "inclusive",
    *,
    fixed: Sequence[int] | np.ndarray | None = None,
    initial: np.ndarray | None = None,
    floor: float = 0.0,
) -> Instance:
    """An instance; ``fixed`` int[R] is the load of every step (or int[T, R])."""
    steps, resources = trace.num_steps, len(memory.resources)
    load = np.zeros((steps, resources), dtype=np.int64)
    if fixed is not None:
        load[:] = np.asarray(fixed, dtype=np.int64)
    return Instance(
        name="small",
        memory=memory,
        trace=trace,
        residency=residency,
        capacity=np.array([tier.capacity for tier in memory.tiers], dtype=np.int64),
        size=np.ascontiguousarray(trace.sizes, dtype=np.int64),
        fixed=load,
        floor=np.full(steps, floor),
        initial=initial,
    )


def fetch_ahead() -> Instance:
    """Problem.md section 7: fetching ahead pays (roofline 0.0482930, exact LP 0.0496471, MILP 0.0499256 s)."""
    reads = [list(range(10)), *[[] for _ in range(20)], list(range(10, 20))]
    return make_instance(two_tier(hbm=10), make_trace(reads, [-1] * 20), fixed=[10, 0, 0, 0])


def random_instance(
    rng: np.random.Generator,
    tiers: int = 2,
    residency: Residency = "inclusive",
    *,
    blocks: int = 4,
    steps: int = 5,
    max_size: int = 1,
    shares: bool = False,
    deaths: bool = False,
    given: bool = False,
) -> Instance:
    """A random instance with births, binding capacities and, where asked for, unequal sizes, shares, deaths, a given start."""
    sizes = rng.integers(1, max_size + 1, blocks)
    births = np.sort(np.where(rng.random(blocks) < 0.6, -1, rng.integers(0, steps, blocks)))
    births[0] = -1
    ends = np.full(blocks, steps)
    if deaths:
        ends = np.minimum(steps, births + 1 + rng.integers(0, steps + 1, blocks))
    reads = [[b for b in range(blocks) if births[b] < t <= ends[b] and rng.random() < 0.5] for t in range(steps)]
    parts = [[int(rng.integers(1, 5)) for _ in row] for row in reads] if shares else None
    trace = make_trace(reads, births.tolist(), ends.tolist(), sizes.tolist(), parts, 4 if shares else 1)
    total, largest = int(sizes.sum()), int(sizes.max())
    small = [
        0 if rng.random() < 0.1 else int(rng.integers(largest, max(largest + 1, total * 2 // 3 + 1))) for _ in range(tiers - 1)
    ]
    device = sorted((int(r) for r in rng.integers(3, 40, tiers)), reverse=True)
    memory = chain([*small, total + max(small, default=0) + 1], device, [int(r) for r in rng.integers(2, 20, tiers - 1)])
    fixed = np.zeros(len(memory.resources), dtype=np.int64)
    fixed[0] = int(rng.integers(0, 4))
    initial = None
    if given:
        initial = np.zeros((tiers, blocks), dtype=bool)
        exist = births < 0
        initial[tiers - 1, exist] = True
        if residency != "exclusive":
            room = small[0] if small else 0
            for b in np.flatnonzero(exist):
                if sizes[b] <= room and rng.random() < 0.5:
                    initial[0, b] = True
                    room -= int(sizes[b])
    return make_instance(memory, trace, residency, fixed=fixed, initial=initial)
