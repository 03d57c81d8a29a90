"""The compiled caches against slow ones with lists and copies, event by event."""

from __future__ import annotations

import numpy as np
import pytest

from placement_opt.instance.instance import Instance
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from tests.schedulers.cases import any_instance, as_cache
from tests.schedulers.reference import Holders, SlowCaches, followed
from tests.small import random_instance

NOTHING, NEVER = -(2**62), 2**40


def _quotas(instance: Instance, *, by_layer: bool, shares: bool) -> SlowCaches:
    """Slow caches as the policies set them up: groups by layer, even shares, the slowest tier for all."""
    layers = instance.trace.block_layer if by_layer else None
    group = [0] * instance.num_blocks if layers is None else layers.tolist()
    labels = set() if layers is None else set(group) | set(instance.trace.step_layer.tolist())
    count = max(1, len(labels))
    grouped = set(range(instance.num_tiers)) if count > 1 else set()
    if instance.residency in ("exclusive", "free"):
        grouped.discard(instance.memory.by_speed[-1])
    largest = max(int(instance.size[b]) for b in range(instance.num_blocks) if instance.first_state[b] == 0)
    quota = {
        (k, g): c * (g + 1) // count - c * g // count
        for k, c in enumerate(instance.capacity.tolist())
        for g in range(count)
        if shares and c // count >= largest
    }
    return SlowCaches(instance, group, quota, grouped)


def _steps(instance: Instance):
    """(step, reads, births, freed) as lists; freed blocks are still read."""
    trace = instance.trace
    for t in range(instance.num_steps):
        births = [b for b in range(instance.num_blocks) if trace.birth[b] == t]
        freed = [b for b in range(instance.num_blocks) if trace.death[b] == t]
        yield t, trace.reads(t).tolist(), births, freed


def _alive(instance: Instance, state: int) -> list[int]:
    return [b for b in range(instance.num_blocks) if instance.first_state[b] <= state <= instance.last_state[b]]


def _first_reads(instance: Instance) -> list[list[int]]:
    labels = [0] * instance.num_steps if instance.trace.step_layer is None else instance.trace.step_layer.tolist()
    firsts = [0] if instance.trace.step_layer is None else [labels.index(layer) for layer in sorted(set(labels))]
    existing = set(_alive(instance, 0))
    return [[b for b in instance.trace.reads(t).tolist() if b in existing] for t in firsts]


def _can_come(instance: Instance, caches: SlowCaches, t: int, b: int) -> bool:
    """Whether a block that a step reads or produces can be brought in: it lies somewhere, or is made anew here, whole."""
    if instance.residency != "cache" or instance.trace.birth[b] == t or caches.place.get(b) or caches.spare.get(b):
        return True
    rows = range(int(instance.trace.indptr[t]), int(instance.trace.indptr[t + 1]))
    operations = instance.memory.operations
    whole = all(instance.share(i) == 1.0 for i in rows if instance.trace.blocks[i] == b)
    return whole and any(operations.brings[o] and operations.source[o] < 0 for o in np.flatnonzero(operations.serves))


def _slow_lru(instance: Instance, *, by_layer: bool) -> list[Holders]:
    caches = _quotas(instance, by_layer=by_layer, shares=by_layer)
    early = _alive(instance, 0)
    recent = {b for ids in _first_reads(instance) for b in ids} if instance.initial is None else set()
    caches.start(instance, {b: b - (1 if b in recent else 2) * 2**31 for b in early})
    states = [caches.holders(instance, early)]
    for t, reads, births, freed in _steps(instance):
        for position, b in enumerate([*reads, *births]):
            caches.key[b] = (t + 1) * 10**6 + position
        for b in freed:
            caches.forget(b)
        wanted = [(b, caches.key[b], 0) for b in [*reads, *births] if b not in freed and _can_come(instance, caches, t, b)]
        caches.admit(wanted[::-1])
        states.append(caches.holders(instance, _alive(instance, t + 1)))
    return states


def _next_read(instance: Instance, block: int, after: int) -> int:
    later = [t for t in range(after + 1, instance.num_steps) if block in instance.trace.reads(t)]
    return later[0] if later else NEVER


def _slow_belady(instance: Instance) -> list[Holders]:
    caches = _quotas(instance, by_layer=False, shares=False)
    early = _alive(instance, 0)
    forgets = instance.residency == "cache"
    useful = [b for b in early if not forgets or instance.initial is not None or _next_read(instance, b, -1) < NEVER]
    caches.start(instance, {b: -_next_read(instance, b, -1) for b in useful})
    states = [caches.holders(instance, early)]
    for t, reads, births, freed in _steps(instance):
        for b in [*reads, *births]:
            caches.key[b] = -_next_read(instance, b, t)
        for b in freed:
            caches.forget(b)
        lowest = len(caches.levels) - (0 if instance.inclusive or forgets else 1)
        stuck = [b for b in reads if not _can_come(instance, caches, t, b)]
        if forgets:
            for b in [*(early if t == 0 else []), *reads]:
                if caches.key.get(b, -NEVER) == -NEVER:
                    caches.forget(b)
        soonest = sorted([*reads, *births], key=lambda b: (caches.key[b], b), reverse=True)
        again = [b for b in soonest if b not in freed and b not in stuck and (b in births or caches.key[b] > -NEVER)]
        caches.admit([(b, caches.key[b], 0 if caches.key[b] > -NEVER else lowest) for b in again])
        states.append(caches.holders(instance, _alive(instance, t + 1)))
    return states


def _slow_reactive(instance: Instance, *, flush: bool) -> list[Holders]:
    caches = _quotas(instance, by_layer=True, shares=False)
    early = _alive(instance, 0)
    order = [b for ids in _first_reads(instance) for b in ids] if instance.initial is None else []
    last = {b: -position for position, b in enumerate(order)}  # a block that several layers read counts where it comes last
    caches.start(instance, {b: last.get(b, -(10**6)) for b in early})
    states = [caches.holders(instance, early)]
    for t, reads, births, freed in _steps(instance):
        for position, b in enumerate([*reads, *births]):
            caches.key[b] = (t + 1) * 10**6 + position
        for b in freed:
            caches.forget(b)
        staying = [b for b in reads if b not in freed and _can_come(instance, caches, t, b)]
        if flush:
            caches.flush_in(staying)
        else:
            caches.admit([(b, caches.key[b], 0) for b in staying[::-1]])
        caches.admit([(b, NOTHING, 0) for b in births])
        states.append(caches.holders(instance, _alive(instance, t + 1)))
    return states


TWINS = {
    "lru": lambda instance: _slow_lru(instance, by_layer=True),
    "lru:scope=global": lambda instance: _slow_lru(instance, by_layer=False),
    "belady": _slow_belady,
    "reactive": lambda instance: _slow_reactive(instance, flush=True),
    "reactive:victims=lru": lambda instance: _slow_reactive(instance, flush=False),
}


@pytest.mark.parametrize("spec", TWINS)
def test_residency_is_that_of_the_slow_twin(spec: str) -> None:
    """At every state every block lies where the slow twin puts it: all rules, 1 to 4 tiers, unequal sizes, deaths, layers."""
    for seed in range(36):
        _compare(any_instance(seed), spec, seed)


@pytest.mark.parametrize("spec", TWINS)
def test_a_cache_holds_what_the_slow_twin_does(spec: str) -> None:
    """The same where blocks may lie nowhere, have to be made anew, or come from outside without passing the processor."""
    for seed in range(36):
        _compare(as_cache(any_instance(seed), seed), spec, seed)


def _compare(instance: Instance, spec: str, seed: int) -> None:
    schedule = simulate(instance, make_scheduler(spec), record=True).schedule
    fast, slow = followed(instance, schedule), TWINS[spec](instance)
    for state, (a, b) in enumerate(zip(fast, slow, strict=True)):
        shown = [k for k in instance.memory.by_speed if not instance.inclusive or _counts(instance, k)]
        assert _only(a, shown) == _only(b, shown), f"seed {seed}, state {state}"


def _counts(instance: Instance, tier: int) -> bool:
    """Whether a policy looks at a tier: under the inclusive rule, not if it is slower than the home tier."""
    order = instance.memory.by_speed
    return order.index(tier) <= order.index(instance.home)


def _only(held: Holders, tiers: list[int]) -> Holders:
    return {b: where & frozenset(tiers) for b, where in held.items()}


@pytest.mark.parametrize("seed", range(20))
def test_belady_has_the_fewest_misses(seed: int) -> None:
    """One cache of equal blocks: no policy that only stores in passing hits more than Belady's."""
    instance = random_instance(np.random.default_rng(seed), 2, "inclusive", blocks=12, steps=14)
    best = simulate(instance, make_scheduler("belady")).hit_rate
    others = ["static:fill=reads", "sa:window=3,ratio=1.0", *TWINS]
    assert best >= max(simulate(instance, make_scheduler(spec)).hit_rate for spec in others)
