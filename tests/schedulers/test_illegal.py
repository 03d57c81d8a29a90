"""Every illegal action is refused with its own message, which names the scheduler, the step and the block."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from placement_opt.base.errors import InputError, ScheduleError
from placement_opt.instance.rule import Residency
from placement_opt.play import ledger
from placement_opt.play.ledger import Ledger
from placement_opt.play.protocol import Moves, cheapest_source
from placement_opt.play.replay import Replay
from placement_opt.play.simulate import simulate
from tests.schedulers.cases import Scripted, ids
from tests.small import chain, make_instance, make_trace, two_tier

#: Steps: 0 reads 0, 1; 1 reads 2, 3 and produces 4; 2 reads 4. Block 3 is freed after step 1. hbm holds 2 blocks, dram 4.
READS, BIRTHS, DEATHS = [[0, 1], [2, 3], [4]], [-1, -1, -1, -1, 1], [3, 3, 3, 1, 3]
HBM, DRAM, CXL = 0, 1, 2
#: Messages that several cases share.
IDS, THERE, AWAY = "expected one axis of integer block ids", "where it is or arrives already", "where it is not"
FREED, TWO = "moved, but freed after this step or before", "in two tiers at once, but the rule is exclusive"


def _instance(rule: Residency = "free"):
    memory = chain([2, 4, 100], [40, 20, 10], [15, 5])
    return make_instance(memory, make_trace(READS, BIRTHS, DEATHS), rule)


def _start(rule: str) -> np.ndarray:
    """Everything in cxl; block 0 in hbm, beside it unless the rule is exclusive."""
    start = np.zeros((3, 5), dtype=bool)
    start[CXL, :4] = start[HBM, 0] = True
    start[CXL, 0] = rule != "exclusive"
    return start


BORN = {1: Moves(store=[(CXL, ids(4))])}
CASES = {
    "not moves": ("free", 0, [], "step 0: the step's moves are a value of type list, expected Moves"),
    "nothing": ("free", 0, None, "step 0: the step's moves are nothing, expected Moves"),
    "unknown tier": ("free", 0, Moves(store=[(3, ids(0))]), "step 0: store: found tier 3, expected 0 to 2"),
    "tier of another type": ("free", 0, Moves(drop=[("hbm", ids(0))]), "step 0: drop: found tier 'hbm', expected 0 to 2"),
    "list": ("free", 0, Moves(drop=[(HBM, [0])]), f"step 0: drop: found a value of type list, {IDS}"),
    "floats": (
        "free", 0, Moves(fetch=[(HBM, DRAM, np.array([0.0]))]),
        f"step 0: fetch: found float64(1,), {IDS}",
    ),
    "two axes": (
        "free", 0, Moves(store=[(DRAM, np.array([[0]]))]),
        f"step 0: store: found int64(1, 1), {IDS}",
    ),
    "unknown id": ("free", 0, Moves(store=[(DRAM, ids(0, 5))]), "step 0, block 5: store: no such block, ids are 0 to 4"),
    "negative id": ("free", 0, Moves(drop=[(HBM, ids(-1))]), "step 0, block -1: drop: no such block, ids are 0 to 4"),
    "twice in one group": ("free", 0, Moves(store=[(DRAM, ids(1, 0, 1))]), "step 0, block 1: store: named twice"),
    "more ids than blocks": ("free", 0, Moves(store=[(DRAM, ids(0, 1, 2, 3, 4, 1))]), "step 0, block 1: store: named twice"),
    "stored twice": (
        "free", 0, Moves(store=[(DRAM, ids(1)), (DRAM, ids(1))]),
        f"step 0, block 1: moved to dram, {THERE}",
    ),
    "stored and fetched": (
        "free", 0, Moves(store=[(DRAM, ids(1))], fetch=[(CXL, DRAM, ids(1))]),
        f"step 0, block 1: moved to dram, {THERE}",
    ),
    "stored where it is": ("free", 0, Moves(store=[(HBM, ids(0))]), f"step 0, block 0: moved to hbm, {THERE}"),
    "dropped and stored": (
        "free", 0, Moves(store=[(HBM, ids(0))], drop=[(HBM, ids(0))]),
        f"step 0, block 0: moved to hbm, {THERE}",
    ),
    "dropped twice": ("free", 0, Moves(drop=[(HBM, ids(0)), (HBM, ids(0))]), "step 0, block 0: drop: named twice"),
    "dropped on arrival": (
        "free", 0, Moves(store=[(DRAM, ids(1))], drop=[(DRAM, ids(1))]), f"step 0, block 1: dropped from dram, {AWAY}",
    ),
    "stored unread": (
        "free", 0, Moves(store=[(HBM, ids(1, 2))]),
        "step 0, block 2: stored to hbm, but neither read nor produced at this step",
    ),
    "fetched from elsewhere": ("free", 0, Moves(fetch=[(DRAM, HBM, ids(1))]), f"step 0, block 1: fetched from dram, {AWAY}"),
    "fetched before its birth": ("free", 0, Moves(fetch=[(CXL, HBM, ids(4))]), f"step 0, block 4: fetched from cxl, {AWAY}"),
    "fetched at its birth": ("inclusive", 1, Moves(fetch=[(CXL, HBM, ids(4))]), f"step 1, block 4: fetched from cxl, {AWAY}"),
    "fetched to itself": ("free", 0, Moves(fetch=[(CXL, CXL, ids(1))]), "step 0, block 1: fetched from cxl to itself"),
    "dropped from elsewhere": ("free", 0, Moves(drop=[(HBM, ids(1))]), f"step 0, block 1: dropped from hbm, {AWAY}"),
    "freed and stored": (
        "free", 1, Moves(store=[(CXL, ids(4)), (HBM, ids(2, 3))]), f"step 1, block 3: {FREED}",
    ),
    "freed and fetched": (
        "free", 1, Moves(store=[(CXL, ids(4))], fetch=[(CXL, HBM, ids(3))]),
        f"step 1, block 3: {FREED}",
    ),
    "dead": (
        "free", 2, Moves(fetch=[(CXL, HBM, ids(3))]), f"step 2, block 3: fetched from cxl, {AWAY}",
    ),
    "no copy": ("free", 0, Moves(drop=[(CXL, ids(1))]), "step 0, block 1: dropped, but no other copy remains"),
    "newborn nowhere": ("free", 1, Moves(), "step 1, block 4: produced, but stored nowhere"),
    "newborn nowhere, exclusive": ("exclusive", 1, Moves(), "step 1, block 4: produced, but stored nowhere"),
    "two copies": ("exclusive", 0, Moves(store=[(DRAM, ids(1))]), f"step 0, block 1: {TWO}"),
    "newborn in two tiers": (
        "exclusive", 1, Moves(store=[(DRAM, ids(4)), (CXL, ids(4))]),
        f"step 1, block 4: {TWO}",
    ),
    "home copy dropped": (
        "inclusive", 0, Moves(drop=[(CXL, ids(0))]),
        "step 0, block 0: dropped from cxl, where the inclusive rule keeps every block",
    ),
    "newborn stored home": (
        "inclusive", 1, Moves(store=[(CXL, ids(4))]), f"step 1, block 4: moved to cxl, {THERE}",
    ),
    "too much": (
        "free", 1, Moves(store=[(CXL, ids(4)), (HBM, ids(2)), (HBM, ids(4))]),
        "step 1, block 4: hbm would hold 3 bytes, capacity 2 bytes",
    ),
    "too much at the last state": (
        "free", 2, Moves(store=[(HBM, ids(4))], fetch=[(CXL, HBM, ids(2))]),
        "step 2, block 2: hbm would hold 3 bytes, capacity 2 bytes",
    ),
}  # fmt: skip


@pytest.mark.parametrize("reads", [0, 2**62], ids=["array by array", "in loops"])
@pytest.mark.parametrize("case", CASES)
def test_illegal_moves(case: str, reads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The move is refused with this message, and no other part of the run is; however moves are checked."""
    loops = ledger.loops_for(2**62) if reads else None
    monkeypatch.setattr(ledger, "loops_for", lambda reads: loops)  # noqa: ARG005
    rule, step, moves, message = CASES[case]
    legal = {} if rule == "inclusive" else BORN
    with pytest.raises(ScheduleError) as caught:
        simulate(_instance(rule), Scripted(legal | {step: moves}, _start(rule)))
    assert str(caught.value) == f"scheduler scripted, {message}"
    assert (caught.value.step, caught.value.scheduler) == (step, "scripted")
    simulate(_instance(rule), Scripted(legal, _start(rule)))


def _changed(*places: tuple[int, int], rule: str = "free") -> np.ndarray:
    start = _start(rule)
    for tier, block in places:
        start[tier, block] ^= True
    return start


STARTS = {
    "nothing": ("free", None, "the start is nothing, expected bool(3, 5)"),
    "shape": ("free", np.zeros((5, 3), dtype=bool), "the start is bool(5, 3), expected bool(3, 5)"),
    "dtype": ("free", np.zeros((3, 5)), "the start is float64(3, 5), expected bool(3, 5)"),
    "unborn": ("free", _changed((CXL, 4)), "block 4: placed at the start, but not yet produced"),
    "nowhere": ("free", _changed((CXL, 2)), "block 2: placed nowhere at the start"),
    "twice": (
        "exclusive", _changed((DRAM, 1), rule="exclusive"),
        "block 1: placed in two tiers at the start, but the rule is exclusive",
    ),
    "too much": (
        "inclusive", _changed((HBM, 2), (HBM, 3)), "block 3: hbm would hold 3 bytes, capacity 2 bytes",
    ),
}  # fmt: skip


class _Starts(Scripted):
    """Starts with whatever it is given."""

    def __init__(self, chosen: object) -> None:
        super().__init__()
        self.chosen = chosen

    def start(self, setting, first_reads):
        super().start(setting, first_reads)
        return self.chosen


@pytest.mark.parametrize("case", STARTS)
def test_illegal_starts(case: str) -> None:
    """The start is refused with this message."""
    rule, start, message = STARTS[case]
    with pytest.raises(ScheduleError) as caught:
        simulate(_instance(rule), _Starts(start))
    separator = ", " if message.startswith("block") else ": "
    assert str(caught.value) == f"scheduler scripted{separator}{message}"


def test_the_home_row_of_an_inclusive_start_may_be_left_out() -> None:
    """The simulator fills in the home copies."""
    start = np.zeros((3, 5), dtype=bool)
    start[HBM, 0] = True
    run = simulate(_instance("inclusive"), Scripted(initial=start), record=True)
    assert run.schedule.initial.tolist() == _start("inclusive").tolist()


def test_a_given_start_is_not_chosen() -> None:
    """A scheduler that chooses where there is nothing to choose is refused."""
    instance = replace(_instance("free"), initial=_start("free"))
    with pytest.raises(ScheduleError, match=r"^scheduler scripted: chose a start, but the initial residency is given$"):
        simulate(instance, Scripted(BORN, _start("free")))


def test_replay_of_a_shorter_schedule() -> None:
    """A schedule of fewer steps than the instance has is refused at the first step it lacks."""
    trace = make_trace([[0]], [-1])
    short = simulate(make_instance(two_tier(), trace), Scripted(), record=True).schedule
    longer = make_instance(two_tier(), make_trace([[0], [0]], [-1]))
    with pytest.raises(ScheduleError, match=r"^scheduler replay of scripted, step 1: the schedule has moves for 1 steps only$"):
        simulate(longer, Replay(short))


def test_sums_beyond_64_bits_are_refused() -> None:
    """Bytes alive times the share base must fit; the message says both."""
    trace = make_trace([[0]], [-1], sizes=[2**50], shares=[[1]], share_base=2**13)
    memory = two_tier(hbm=2**50, lpddr=2**51)
    with pytest.raises(
        InputError, match=r"^shares: found 1 PiB alive at once with shares of 1/8192, expected their product below"
    ):
        Ledger(make_instance(memory, trace))


def test_too_many_tiers_are_refused() -> None:
    """Sets of tiers are bit masks; beyond sixteen tiers the number is named."""
    memory = chain([10] * 5, [9, 8, 7, 6, 5], [4, 4, 4, 4])
    with pytest.raises(InputError, match=r"^tiers: found 20 tiers, expected at most 16$"):
        cheapest_source(replace(memory, tiers=memory.tiers * 4))
