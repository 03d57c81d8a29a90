"""The oracle against what can be worked out by hand, and its two sides against each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.brute import Enumeration, num_transitions, optimum, tier_sets
from tests.models.systems import any_instance
from tests.small import chain, make_instance, make_trace, two_tier

INITIAL = [-1]
RULES = ("inclusive", "exclusive", "free")


def seconds(*args, **kwargs) -> float:
    return optimum(make_instance(*args, **kwargs)).seconds


def at_home(blocks: int) -> np.ndarray:
    """A given start with every block in lpddr alone."""
    return np.array([[False] * blocks, [True] * blocks])


def test_one_step_splits_resident_blocks_over_both_tiers():
    """n blocks with copies in both tiers take n / (4900 + 450) s."""
    assert seconds(two_tier(hbm=4), make_trace([[0, 1, 2, 3]], INITIAL * 4)) == pytest.approx(4 / 5350, rel=1e-12)


def test_one_step_without_room_waits_for_the_link():
    """With no room in hbm n blocks take n / 450 s: the link binds before lpddr does."""
    assert seconds(two_tier(hbm=0), make_trace([[0, 1, 2, 3]], INITIAL * 4)) == pytest.approx(4 / 450, rel=1e-12)


def test_a_block_read_at_every_step_is_kept():
    """One block with room for it costs 1/5350 s a step."""
    assert seconds(two_tier(hbm=1), make_trace([[0]] * 5, INITIAL)) == pytest.approx(5 / 5350, rel=1e-12)


def test_a_cold_block_is_stored_in_passing():
    """Read over the link once (1/450 s, the write to hbm hides behind it), then from both tiers."""
    value = seconds(two_tier(hbm=1), make_trace([[0], [0]], INITIAL), initial=at_home(1))
    assert value == pytest.approx(1 / 450 + 1 / 5350, rel=1e-12)


def test_one_block_is_fetched_ahead_behind_the_weights():
    """10 bytes of weights a step; step 1 reads 3 blocks from lpddr. Fetching one at step 0 pays, fetching a second does not.

    None: 10/4900 + 3/450 = 0.00871. One: 11/4900 + 2/450 = 0.00669. Two: 2/450 + 13/5350 = 0.00687 (the link is full).
    """
    value = seconds(two_tier(hbm=3), make_trace([[], [0, 1, 2]], INITIAL * 3), initial=at_home(3), fixed=[10, 0, 0, 0])
    assert value == pytest.approx(11 / 4900 + 2 / 450, rel=1e-12)


def test_a_partly_read_block_is_completed_by_a_copy():
    """Half of it is stored in passing, half is copied: the link carries 1 byte in all; step 1 then splits."""
    trace = make_trace([[0], [0]], INITIAL, shares=[[1], [2]], share_base=2)
    value = seconds(two_tier(hbm=1), trace, initial=at_home(1))
    assert value == pytest.approx(1 / 450 + 1 / 5350, rel=1e-12)


@pytest.mark.parametrize("step", [0, 2])
def test_a_new_block_is_written_home(step):
    """Under the inclusive rule the write of 1 byte over the link is charged, by the last step too."""
    assert seconds(two_tier(), make_trace([[]] * 3, [-1, step])) == pytest.approx(1 / 450, rel=1e-12)


def test_a_new_block_may_be_written_to_hbm_alone():
    """Under the other rules it goes where it is cheapest: 1/4900 s, if it fits there at the last state as well."""
    trace = make_trace([[]], [0])
    assert seconds(two_tier(hbm=1), trace, "exclusive") == pytest.approx(1 / 4900, rel=1e-12)
    assert seconds(two_tier(hbm=1), trace, "free") == pytest.approx(1 / 4900, rel=1e-12)
    assert seconds(two_tier(hbm=0), trace, "free") == pytest.approx(1 / 450, rel=1e-12)


def test_a_new_block_is_read_from_where_it_was_written():
    """Under the free rule one write to hbm and one read from it are enough: 2/4900 s."""
    assert seconds(two_tier(hbm=1), make_trace([[], [0]], [0]), "free") == pytest.approx(2 / 4900, rel=1e-12)


def test_an_exclusive_block_is_read_where_it_lies():
    """One copy, no split: 1/4900 s in hbm."""
    assert seconds(two_tier(hbm=1), make_trace([[0]], INITIAL), "exclusive") == pytest.approx(1 / 4900, rel=1e-12)


def test_exclusive_blocks_change_places_at_a_price():
    """Block 0 is demoted as it is read, block 1 promoted: lpddr carries a read and a write, 2/500 s; step 1 takes 1/4900 s.

    Leaving both where they are takes 1/450 s twice, which is more.
    """
    start = np.array([[True, False], [False, True]])
    value = seconds(two_tier(hbm=1), make_trace([[0, 1], [1]], INITIAL * 2), "exclusive", initial=start)
    assert value == pytest.approx(2 / 500 + 1 / 4900, rel=1e-12)


def test_one_slot_for_two_blocks():
    """Two blocks a step and room for one: the other comes over the link, 1/450 s, whichever it is."""
    assert seconds(two_tier(hbm=1), make_trace([[0, 1]] * 3, INITIAL * 2)) == pytest.approx(3 / 450, rel=1e-12)


def test_three_tiers_in_a_chain():
    """Tiers of 10, 5 and 2 bytes/s on links of 4 and 1: one block held by all three is split 10 : 4 : 1."""
    memory = chain([1, 1, 5], [10, 5, 2], [4, 1])
    assert seconds(memory, make_trace([[0]], INITIAL), "free") == pytest.approx(1 / 15, rel=1e-12)


def test_the_floor_holds_where_traffic_is_less():
    """A step takes its floor or its traffic, whichever is longer."""
    assert seconds(two_tier(hbm=0), make_trace([[0], []], INITIAL), floor=0.001) == pytest.approx(1 / 450 + 0.001, rel=1e-12)


def test_tier_sets_follow_the_rule():
    """Home in every set, exactly one tier, at least one; a tier too small for the block is in none."""
    trace = make_trace([[0]], INITIAL)
    sets = {rule: tier_sets(make_instance(chain([1, 1, 5], [3, 2, 1], [1, 1]), trace, rule), 0) for rule in RULES}
    assert [len(sets[rule]) for rule in RULES] == [4, 3, 7]
    assert tier_sets(make_instance(two_tier(hbm=0), trace, "free"), 0) == (frozenset({1}),)


def test_too_large_is_refused():
    """Nobody waits for 2**60 joint residencies."""
    instance = make_instance(two_tier(), make_trace([list(range(30))], INITIAL * 30))
    assert num_transitions(instance) == 2**60
    with pytest.raises(ValueError, match="at most 20000000 are enumerated"):
        optimum(instance)


def test_what_fits_nowhere_is_refused():
    """Three blocks of 2 bytes in two tiers of 3: room enough by bytes, but not for whole blocks."""
    memory = chain([3, 3], [2, 1], [1])
    with pytest.raises(ValueError, match="no joint residency fits"):
        optimum(make_instance(memory, make_trace([[0]], INITIAL * 3, sizes=[2]), "exclusive"))


@settings(derandomize=True, deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1))
def test_no_price_exceeds_the_time_of_a_transition(seed):
    """At any prices what a transition is said to cost at least is at most what its LP needs: the lower side is one."""
    rng = np.random.default_rng(seed)
    search = Enumeration(any_instance(seed))
    for _ in range(3):
        search._add(rng.random(len(search.rates)) * rng.integers(0, 2, len(search.rates)))
    for t, cost in enumerate(search.cost):
        i, j = (int(rng.integers(0, n)) for n in cost.shape)
        time, _ = search._transition(t, i, j)
        assert cost[i, j] <= time * (1 + 1e-9) + 1e-12


@settings(derandomize=True, deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_residency_returned_is_legal(seed):
    """Capacity, the rule and the given start hold at every state of the sequence that attains the optimum."""
    instance = any_instance(seed)
    resident = optimum(instance).resident
    assert (resident @ instance.size <= instance.capacity).all()
    copies = resident.sum(axis=1)
    for b in range(instance.num_blocks):
        life = slice(int(instance.first_state[b]), int(instance.last_state[b]) + 1)
        assert (copies[life, b] >= 1).all()
        assert copies[:, b].sum() == copies[life, b].sum()
        if instance.residency == "exclusive":
            assert (copies[life, b] == 1).all()
        if instance.residency == "inclusive":
            assert resident[life, instance.home, b].all()
    if instance.initial is not None:
        assert (resident[0] == instance.initial).all()


@settings(derandomize=True, deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_names_of_blocks_do_not_matter(seed):
    """Turning the ids of equally born blocks around leaves the optimum where it was."""
    instance = any_instance(seed)
    trace, blocks = instance.trace, instance.num_blocks
    turned = replace(
        trace,
        blocks=np.concatenate([np.sort(blocks - 1 - trace.reads(t)) for t in range(trace.num_steps)]).astype(np.int32),
        birth=trace.birth[::-1].copy(),
        death=trace.death[::-1].copy(),
        size=trace.size[::-1].copy(),
        shares=None if trace.shares is None else _turn_rows(trace),
        block_layer=None,
    )
    mirror = replace(
        instance,
        trace=turned,
        size=instance.size[::-1].copy(),
        initial=None if instance.initial is None else instance.initial[:, ::-1].copy(),
    )
    assert optimum(mirror).seconds == pytest.approx(optimum(instance).seconds, rel=1e-9)


def _turn_rows(trace) -> np.ndarray:
    rows = [trace.shares[trace.indptr[t] : trace.indptr[t + 1]][::-1] for t in range(trace.num_steps)]
    return np.concatenate(rows).astype(np.uint16)
