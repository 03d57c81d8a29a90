"""Belady with a horizon: nothing known is lru, everything known is belady, and in between what is known decides."""

from __future__ import annotations

import numpy as np
import pytest

from placement_opt.base.errors import ScheduleError
from placement_opt.instance.instance import Instance
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from placement_opt.schedulers.hierarchy.future import horizon
from tests.schedulers.cases import any_instance, as_cache, with_layers
from tests.schedulers.reference import replay
from tests.small import make_instance, make_trace, two_tier


def _played(instance: Instance, spec: str) -> object:
    """Moves of a scheduler step by step, in no order within a step, and its start; the error where there is none."""
    try:
        found = simulate(instance, make_scheduler(spec), record=True).schedule
    except ScheduleError as error:
        return str(error)
    steps = np.repeat(np.arange(instance.num_steps), np.diff(found.indptr)).tolist()
    return found.initial.tolist(), sorted(zip(steps, found.op.tolist(), found.block.tolist(), strict=True))


def _fast(instance: Instance, spec: str) -> list[set[int]]:
    states = replay(instance, simulate(instance, make_scheduler(spec), record=True).schedule).states
    return [{b for b, where in held.items() if 0 in where} for held in states]


def test_nothing_and_everything() -> None:
    """0 steps: the moves of lru over all layers; as many as there are: those of belady; under every rule."""
    for seed in range(60):
        instance = any_instance(seed)
        instance = as_cache(instance, seed) if seed % 4 == 3 else instance
        assert _played(instance, "lookahead:steps=0") == _played(instance, "lru:scope=global"), seed
        assert _played(instance, f"lookahead:steps={instance.num_steps}") == _played(instance, "belady"), seed


def test_by_hand() -> None:
    """Room for one. When block 1 is read, one step ahead sees block 0 come again, which stays; two steps where it takes two."""
    instance = make_instance(two_tier(hbm=1), make_trace([[0], [1], [0], [1]], [-1, -1]))
    assert _fast(instance, "lookahead:steps=1") == [{0}] * 5
    assert _fast(instance, "lru") == [{0}, {0}, {1}, {0}, {1}]
    apart = make_instance(two_tier(hbm=1), make_trace([[0], [1], [2], [0]], [-1, -1, -1]))
    assert _fast(apart, "lookahead:steps=1")[2] == {1}
    assert _fast(apart, "lookahead:steps=2")[2] == {0}


def test_what_ends_within_the_horizon_goes_first() -> None:
    """Block 0 is read last, and freed unread after step 3: known one step before, block 1 stays when 2 comes."""
    for death, left in ((4, {0, 2}), (3, {1, 2})):
        trace = make_trace([[1], [0], [2], [2], []], [-1] * 3, [death, 5, 5])
        assert _fast(make_instance(two_tier(hbm=2), trace), "lookahead:steps=1")[3] == left


def _slow(instance: Instance, steps: int, start: set[int]) -> list[set[int]]:
    """One read a step, blocks of a byte, room for some: what lies in the fast tier, every key made afresh at every step."""
    reads = [instance.trace.reads(t).tolist()[0] for t in range(instance.num_steps)]
    room, held, states = int(instance.capacity[0]), set(start), [set(start)]
    for t, block in enumerate(reads):

        def key(b: int, t: int = t) -> float:
            ahead = [s for s in range(t + 1, min(t + steps, len(reads) - 1) + 1) if reads[s] == b]
            if ahead:
                return -ahead[0]
            last = max((s for s in range(t + 1) if reads[s] == b), default=-2.0 + b / 100)
            return -2e9 if t + steps >= len(reads) else last - 1e6

        if block not in held and key(block) > -2e9:
            if len(held) < room:
                held.add(block)
            elif (worst := min(held, key=key)) is not None and key(worst) < key(block):
                held = held - {worst} | {block}
        states.append(set(held))
    return states


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 8])
def test_keys_follow_the_horizon(steps: int) -> None:
    """What the window learns on the way counts as if all keys were made afresh at each step."""
    for seed in range(8):
        rng = np.random.default_rng(seed)
        reads = [[int(b)] for b in rng.integers(0, 6, 30)]
        instance = make_instance(two_tier(hbm=3), make_trace(reads, [-1] * 6))
        spec = f"lookahead:steps={steps}"
        states = _fast(instance, spec)
        assert states == _slow(instance, steps, states[0]), seed


def test_horizon() -> None:
    """The steps that are known, of two layers in turn; none; and all."""
    trace = with_layers(make_instance(two_tier(), make_trace([[0]] * 6, [-1])), 2).trace
    assert horizon(trace, 1).tolist() == [2, 3, 4, 5, 6, 6]
    assert horizon(trace, 2).tolist() == [4, 5, 6, 6, 6, 6]
    assert horizon(trace, 0).tolist() == [-1] * 6
    assert horizon(trace, 2**31 - 1).tolist() == [6] * 6
