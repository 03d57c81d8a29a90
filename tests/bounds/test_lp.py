"""The exact LP: section 7, its limits, and what it says when it is stopped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import placement_opt.bounds.lp as lp
from models.horizon import value
from placement_opt.base.errors import LimitError
from placement_opt.base.highs import Ended, solve
from placement_opt.base.limits import Limits
from placement_opt.bounds import milp, roofline, step
from placement_opt.bounds.dual.classes import classify
from placement_opt.bounds.result import Status
from placement_opt.instance.instance import Instance
from placement_opt.instance.load import build_instance
from placement_opt.instance.rule import KEEPING
from placement_opt.workload.trace import Trace
from tests.small import chain, fetch_ahead, make_instance, make_trace, random_instance, two_tier
from tests.worlds import any_instance

PROFILE = settings(derandomize=True, deadline=None, max_examples=40)


def draw(seed: int, tiers: int | None = None, *, shares: bool = True) -> Instance:
    rng = np.random.default_rng(seed)
    return random_instance(
        rng,
        int(rng.integers(1, 5)) if tiers is None else tiers,
        KEEPING[seed % 3],
        blocks=int(rng.integers(1, 6)),
        steps=int(rng.integers(2, 8)),
        max_size=1 + seed % 3,
        shares=shares and seed % 2 == 0,
        deaths=seed % 5 == 0,
        given=seed % 4 == 0,
    )


def test_section_7_fetch_ahead() -> None:
    """Exact LP 0.0496471 s, MILP 0.0499256 s."""
    instance = fetch_ahead()
    relaxed, optimum = lp.bound(instance), milp.bound(instance)
    assert relaxed.lower_bound_s == pytest.approx(0.0496471, abs=5e-8)
    assert relaxed.status is Status.OPTIMAL
    assert optimum.lower_bound_s == pytest.approx(0.0499256, abs=5e-8)
    assert optimum.status is Status.OPTIMAL


@pytest.mark.parametrize(
    ("room", "expected"),
    [(100, 100 / 5350), (0, 100 / 450)],
)
def test_section_7_one_step(room: int, expected: float) -> None:
    """A step that reads 100 bytes: n/5350 with room for all in hbm, n/450 with none."""
    instance = make_instance(two_tier(hbm=room), make_trace([list(range(100))], [-1] * 100))
    assert lp.bound(instance).lower_bound_s == pytest.approx(expected, rel=1e-12)


def test_section_7_a_block_read_at_every_step_is_kept() -> None:
    """Its cost is 1/5350 s a step where the split is free."""
    instance = make_instance(two_tier(hbm=1), make_trace([[0]] * 6, [-1]))
    assert lp.bound(instance).lower_bound_s == pytest.approx(6 / 5350, rel=1e-12)


@PROFILE
@given(st.integers(0, 10**6))
def test_published_value_is_the_programs_own(seed: int) -> None:
    """On small instances every step offers copies, and weak duality meets the primal value to 1e-9."""
    instance = draw(seed)
    result = lp.bound(instance)
    assert result.status is Status.OPTIMAL
    assert result.value_s is not None
    assert result.lower_bound_s == pytest.approx(result.value_s, rel=1e-9, abs=1e-300)


@PROFILE
@given(st.integers(0, 10**6))
def test_priced_fetch_back_reaches_the_full_program_on_two_tiers(seed: int) -> None:
    """Starting from copies at reads only, pricing ends at the value of the program with copies at every step (whole reads)."""
    instance = draw(seed, 2, shares=False)
    full = lp.bound(instance)
    few, lp.EVERY_STEP = lp.EVERY_STEP, -1
    try:
        priced = lp.bound(instance)
    finally:
        lp.EVERY_STEP = few
    assert priced.lower_bound_s == pytest.approx(full.lower_bound_s, rel=1e-7, abs=1e-300)


@PROFILE
@given(st.integers(0, 10**6))
def test_priced_fetch_back_proves_no_more_than_the_optimum(seed: int) -> None:
    """With any number of tiers the priced program's bound stays at or below the MILP's."""
    instance = draw(seed)
    few, lp.EVERY_STEP = lp.EVERY_STEP, -1
    try:
        priced = lp.bound(instance)
    finally:
        lp.EVERY_STEP = few
    optimum = milp.bound(instance).value_s
    assert optimum is not None
    assert priced.lower_bound_s is not None
    assert priced.lower_bound_s <= optimum * (1 + 1e-9) + 1e-300


@PROFILE
@given(st.integers(0, 10**6), st.integers(0, 3))
def test_more_capacity_or_rate_never_raises_the_bound(seed: int, what: int) -> None:
    """Doubling one tier's room or one resource's rate leaves the LP where it is or lowers it."""
    instance = draw(seed)
    memory = instance.memory
    if what % 2:
        capacity = instance.capacity.copy()
        capacity[what % instance.num_tiers] *= 2
        better = replace(instance, capacity=capacity)
    else:
        rates = memory.rates.copy()
        rates[what % instance.num_resources] *= 2
        better = replace(instance, memory=replace(memory, rates=rates))
    if better.home != instance.home:
        return
    before, after = lp.bound(instance).lower_bound_s, lp.bound(better).lower_bound_s
    assert before is not None
    assert after is not None
    assert after <= before * (1 + 1e-9) + 1e-300


@PROFILE
@given(st.integers(0, 10**6))
def test_scaling_bytes_and_rates_together_changes_nothing(seed: int) -> None:
    """A thousand times the bytes at a thousand times the rates takes the same time."""
    instance = draw(seed)
    memory = replace(instance.memory, rates=instance.memory.rates * 1000)
    scaled = replace(
        instance,
        memory=memory,
        size=instance.size * 1000,
        capacity=instance.capacity * 1000,
        fixed=instance.fixed * 1000,
    )
    assert lp.bound(scaled).lower_bound_s == pytest.approx(lp.bound(instance).lower_bound_s, rel=1e-9, abs=1e-300)


@PROFILE
@given(st.integers(0, 10**6))
def test_relabelling_blocks_changes_nothing(seed: int) -> None:
    """Ids are labels."""
    instance = draw(seed)
    rng = np.random.default_rng(seed)
    order = rng.permutation(instance.num_blocks)
    new = np.argsort(order)
    trace = instance.trace
    blocks, shares = [], []
    for t in range(trace.num_steps):
        row = new[trace.reads(t)]
        here = np.argsort(row)
        blocks.append(row[here])
        if trace.shares is not None:
            shares.append(trace.shares[trace.indptr[t] : trace.indptr[t + 1]][here])
    relabelled = replace(
        trace,
        blocks=np.concatenate(blocks).astype(np.int32),
        birth=trace.birth[order],
        death=trace.death[order],
        size=instance.size[order],
        shares=np.concatenate(shares).astype(np.uint16) if shares else None,
    )
    initial = None if instance.initial is None else instance.initial[:, order]
    other = replace(instance, trace=relabelled, size=instance.size[order], initial=initial)
    assert lp.bound(other).lower_bound_s == pytest.approx(lp.bound(instance).lower_bound_s, rel=1e-9, abs=1e-300)


def test_floors_are_kept() -> None:
    """A step cannot be quicker than its floor, and an empty one costs just that."""
    instance = make_instance(two_tier(), make_trace([[0], []], [-1]), floor=0.25)
    assert lp.bound(instance).lower_bound_s == pytest.approx(0.5, rel=1e-12)


def test_an_expired_limit_falls_back_to_the_per_step_bound() -> None:
    """Without time for the program, the per-step prices still prove the roofline, and the status says what happened."""
    result = lp.bound(fetch_ahead(), limits=Limits(0.0))
    assert result.status is Status.LIMIT
    assert result.lower_bound_s == pytest.approx(0.0482930, abs=5e-8)
    assert "per-step bound" in result.note
    assert result.value_s is None


def test_an_interrupt_is_reported_as_such() -> None:
    """A stop request loses nothing proven and is no claim of optimality."""
    limits = Limits()
    limits.interrupt()
    result = lp.bound(fetch_ahead(), limits=limits)
    assert result.status is Status.INTERRUPTED
    assert result.lower_bound_s == pytest.approx(0.0482930, abs=5e-8)


@PROFILE
@given(st.integers(0, 10**6))
def test_never_below_the_per_step_bound(seed: int) -> None:
    """roofline <= step <= lp; and without any time still roofline <= lp."""
    instance = draw(seed)
    least, each, whole = (method.bound(instance).lower_bound_s for method in (roofline, step, lp))
    hurried = lp.bound(instance, limits=Limits(0.0)).lower_bound_s
    for low, high in ((least, each), (each, whole), (least, hurried), (hurried, whole)):
        assert low is not None
        assert high is not None
        assert low <= high * (1 + 1e-9) + 1e-300


def test_milp_refuses_what_is_far_too_large() -> None:
    """The message names the size and what to use instead."""
    trace = make_trace([[0]] * 400, [-1] * 200)
    with pytest.raises(LimitError, match=r"160\d+ residency variables, at most 60000 are tried; use lp or compact"):
        milp.bound(make_instance(two_tier(), trace))


def test_milp_with_sizes_in_thirds_is_not_called_infeasible() -> None:
    """Sizes 3, 1, 3 scaled to 1, 1/3, 1 once made the solver's presolve claim infeasibility; the optimum is 8 s."""
    result = milp.bound(any_instance(8727))
    assert result.status is Status.OPTIMAL
    assert result.lower_bound_s == pytest.approx(8.0, rel=1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_names_fit_the_arrays(seed: int) -> None:
    """One name a row and column, all different, rows named as in the statement."""
    instance = draw(seed)
    program = lp.build(instance)
    assert program.names is not None
    columns, rows = program.names()
    assert len(columns) == len(set(columns)) == program.num_columns
    assert len(rows) == len(set(rows)) == program.num_rows
    allowed = {"rate", "capacity", "keep", "source", "alive", "served", "resident"}
    assert {name.split("[")[0] for name in rows} <= allowed


@pytest.mark.parametrize("seed", range(20))
def test_merging_equal_blocks_changes_nothing(seed: int) -> None:
    """The program of merged classes and that of single blocks have the same value."""
    instance = draw(seed)
    merged = solve(lp.horizon_program(instance, classify(instance), every_step=True).build())
    program = lp.horizon_program(instance, milp.single_blocks(instance), every_step=True).build()
    single = solve(program)
    assert merged.ended is single.ended is Ended.SOLVED
    assert merged.objective == pytest.approx(single.objective, rel=1e-9, abs=1e-12)


def test_three_tiers_use_the_middle() -> None:
    """With no room in the fast tier the middle one serves: its own rate beats the link to the home tier."""
    memory = chain([0, 4, 100], [1000, 50, 10], [40, 5])
    instance = make_instance(memory, make_trace([[0, 1, 2, 3]] * 3, [-1] * 4))
    value = lp.bound(instance).lower_bound_s
    assert value == pytest.approx(3 * 4 / 45, rel=1e-9)


def test_a_given_start_may_be_left_at_once() -> None:
    """Blocks placed by others need not be held until their first read: with priced copies the LP still reaches the full one."""
    late = [[0], *[[1]] * 6, [0]]
    start = np.array([[True, False], [True, True]])
    instance = make_instance(two_tier(hbm=1), make_trace(late, [-1, -1]), initial=start)
    full = lp.bound(instance).lower_bound_s
    few, lp.EVERY_STEP = lp.EVERY_STEP, -1
    try:
        assert lp.bound(instance).value_s == pytest.approx(full, rel=1e-6)
    finally:
        lp.EVERY_STEP = few


def test_what_the_solver_cannot_scale_leaves_the_per_step_bound() -> None:
    """Blocks of 4 GB beside blocks of one byte: no error, the per-step bound with a note."""
    trace = make_trace([[0, 1, 2, 3]] * 3, [-1] * 4, sizes=[4 * 10**9, 4 * 10**9, 4 * 10**9, 1])
    result = lp.bound(make_instance(two_tier(hbm=4 * 10**9, lpddr=10**12), trace))
    assert result.lower_bound_s is not None
    assert result.lower_bound_s >= (step.bound(make_instance(two_tier(hbm=4 * 10**9, lpddr=10**12), trace)).lower_bound_s or 0)


def test_parts_of_a_block_are_not_multiplied() -> None:
    """Half a block copied from tier to tier is still half of it: the LP pays for bringing the rest.

    Two blocks of 1000 B are produced by step 0 and read by step 5. The fast tier holds one of them, the link passes 500 B/s
    each way, recomputing makes 100 B/s, and no step takes less than 1 s. What is stored behind the link, d, takes d / 500 s
    at step 0 and again at step 5, and what is recomputed, 1000 - d, as long as that: d = 2500 / 3, 5/3 + 4 + 5/3 s. Copies of
    halves in the fast tier, which the four steps between have time for, would spare it the first 2/3 s. Whole blocks: one is
    stored behind the link and its read shared with recomputing, 2 + 4 + 5/3 s.
    """
    memory = two_tier(1000, 10**4, rates=(10**6, 500, 10**6))
    trace = Trace.from_reads([[], [], [], [], [], [0, 1]], births=[0, 0], sizes=1000)
    instance = build_instance(memory, trace, rules={"residency": "cache", "floor": "1 s"}, recompute={"rate": "100 B/s"})
    found = lp.bound(instance)
    assert found.status is Status.OPTIMAL
    assert found.lower_bound_s == pytest.approx(22 / 3, rel=1e-6)
    assert value(instance, relax=True) == pytest.approx(22 / 3, rel=1e-6)
    assert milp.bound(instance).lower_bound_s == pytest.approx(23 / 3, rel=1e-6)
