"""``lp-rounded`` is legal everywhere and close to the bound where blocks are many."""

from __future__ import annotations

import numpy as np
import pytest

from placement_opt.base.errors import LimitError, ScheduleError
from placement_opt.bounds import targets
from placement_opt.instance.rule import KEEPING
from placement_opt.play.simulate import simulate
from placement_opt.schedulers.lp_rounded import LpRounded
from tests.small import chain, fetch_ahead, make_instance, make_trace, random_instance
from tests.worlds import swapping


@pytest.mark.parametrize("seed", range(60))
def test_legal_and_never_below_the_bound(seed: int) -> None:
    """All rules, one to four tiers, unequal sizes, shares, deaths, given starts: the simulator accepts every move."""
    rng = np.random.default_rng(seed)
    instance = random_instance(
        rng,
        1 + seed % 4,
        KEEPING[seed % 3],
        blocks=int(rng.integers(2, 7)),
        steps=int(rng.integers(2, 8)),
        max_size=1 + seed % 3,
        shares=seed % 2 == 0,
        deaths=seed % 5 == 0,
        given=seed % 7 == 0,
    )
    scheduler = LpRounded()
    run = simulate(instance, scheduler)
    proven = targets.find_targets(instance).bound.lower_bound_s
    assert proven is not None
    assert run.latency_s >= proven * (1 - 1e-9)


@pytest.mark.parametrize("residency", KEEPING)
@pytest.mark.parametrize("exact", [True, False])
def test_close_to_the_bound_on_swapping_read_sets(residency: str, exact: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the exact LP and the compact one, with room for ten blocks (under exclusive the compact LP forgets who moves)."""
    if not exact:
        monkeypatch.setattr(targets, "EXACT_READS", 0)
    instance = swapping(0, residency)
    run = simulate(instance, LpRounded())
    proven = targets.find_targets(instance).bound.lower_bound_s
    assert proven is not None
    assert run.latency_s <= (1.3 if residency == "exclusive" and not exact else 1.12) * proven


def test_fetches_ahead_on_the_trace_of_section_7() -> None:
    """It brings blocks 10-19 in during the idle steps: far below the 0.0630 s of never fetching back."""
    assert simulate(fetch_ahead(), LpRounded()).latency_s < 0.0510


def test_no_relaxed_placement_within_the_limit() -> None:
    """A limit of nothing is said, not worked around."""
    with pytest.raises(LimitError, match="no relaxed placement within the limits"):
        simulate(fetch_ahead(), LpRounded(budget=0))


def test_no_room_is_a_refusal_not_a_crash() -> None:
    """Rooms of one and a half blocks twice hold two blocks, not three: said with step and block."""
    memory = chain([3, 3], [9, 5], [4])
    instance = make_instance(memory, make_trace([[0], [0]], [-1, -1, 0], sizes=[2, 2, 2]), "exclusive")
    with pytest.raises(ScheduleError, match="step 0, block 2: no tier has room for it"):
        simulate(instance, LpRounded())


def test_second_copies_make_way_for_new_blocks() -> None:
    """Under the free rule both tiers may be full of copies of one block when another is produced."""
    memory = chain([1, 2], [9, 5], [4])
    instance = make_instance(memory, make_trace([[0], [0], [0, 1, 2]], [-1, 0, 1]), "free")
    assert simulate(instance, LpRounded()).latency_s > 0
