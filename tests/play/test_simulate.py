"""The simulator: what it hands over, what it charges, what it adds up."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement_opt.base.errors import Interrupted, LimitError
from placement_opt.base.limits import Limits
from placement_opt.play import ledger_kernels, timed
from placement_opt.play.protocol import Moves
from placement_opt.play.replay import Replay
from placement_opt.play.simulate import Run, simulate
from placement_opt.schedulers import make_scheduler
from tests.play.wanderer import Wanderer
from tests.schedulers.cases import SPECS, Scripted, any_instance, ids, with_layers
from tests.schedulers.reference import Played, replay
from tests.small import chain, fetch_ahead, make_instance, make_trace, random_instance, two_tier


def _same(run: Run, played: Played) -> None:
    """Equal to the last bit where it is exact, and to rounding where it is a float."""
    base, tiers = run.instance.share_base, run.instance.num_tiers
    assert run.exact_latency() == played.latency
    assert run.latency_s == pytest.approx(float(played.latency), rel=1e-12, abs=1e-15)
    stored = {k: Fraction(int(run.moved[:, k].sum()), base) for k in range(tiers)}
    copied = {
        (j, k): Fraction(int(run.moved[:, tiers + j * tiers + k].sum()), base) for j in range(tiers) for k in range(tiers)
    }
    assert {k: x for k, x in stored.items() if x} == {k: x for k, x in played.stored.items() if x}
    assert {k: x for k, x in copied.items() if x} == {k: x for k, x in played.copied.items() if x}
    assert Fraction(int(run.served.sum()), base) == played.read
    assert run.hit_rate == pytest.approx(float(played.hit / played.read) if played.read else 1.0)


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), spec=st.sampled_from(SPECS))
def test_agrees_exactly_with_the_slow_simulator(seed: int, spec: str) -> None:
    """Every policy on random instances: legal by the slow simulator's letter, same bytes, same time as a fraction."""
    instance = any_instance(seed)
    run = simulate(instance, make_scheduler(spec), record=True)
    _same(run, replay(instance, run.schedule))


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6))
def test_random_legal_moves_are_charged_as_written(seed: int) -> None:
    """Arbitrary legal stores, fetches and drops, wasteful ones too, cost what the slow simulator says."""
    instance = any_instance(seed)
    run = simulate(instance, Wanderer(instance, seed), record=True)
    _same(run, replay(instance, run.schedule))


def test_reads_counted_in_a_loop_are_those_counted_in_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    """By what holds them, in every step: with compiled loops and, as if there were none, with running sums."""
    runs = [simulate(any_instance(seed), make_scheduler("lru")) for seed in range(12)]
    whole = [run for run in runs if run.instance.trace.shares is None]
    assert len(whole) > 3
    assert all(run.instance.num_tiers <= timed._FEW_TIERS for run in whole)

    def counted() -> list[tuple[list[int], list[list[int]]]]:
        found = [timed.served_of(run.instance, run.held, np.zeros(len(run.held), dtype=np.bool_)) for run in whole]
        return [(patterns, served.tolist()) for patterns, served in found]

    monkeypatch.setattr(timed, "loops_for", lambda _: ledger_kernels)
    loops = counted()
    monkeypatch.setattr(timed, "loops_for", lambda _: None)
    assert loops == counted()


def test_section_7_times() -> None:
    """n resident blocks with home copies take n/5350 s with room for all, n/450 s with none."""
    trace = make_trace([list(range(7))], [-1] * 7)
    assert simulate(make_instance(two_tier(), trace), make_scheduler("static")).exact_latency() == Fraction(7, 5350)
    assert simulate(make_instance(two_tier(hbm=0), trace), make_scheduler("static")).exact_latency() == Fraction(7, 450)


def test_fetching_ahead_by_hand() -> None:
    """Section 7's trace: fetching five of the later blocks at each of two idle steps takes the time worked out by hand."""
    instance = fetch_ahead()
    start = np.zeros((2, 20), dtype=bool)
    start[0, :10] = True
    moves = {
        1: Moves(fetch=[(1, 0, np.arange(10, 15))], drop=[(0, np.arange(5))]),
        2: Moves(fetch=[(1, 0, np.arange(15, 20))], drop=[(0, np.arange(5, 10))]),
    }
    run = simulate(instance, Scripted(moves, start))
    # Ten bytes of weights and ten of reads, split; weights alone; five bytes over the link, which takes longer than they do.
    assert run.exact_latency() == 2 * Fraction(20, 5350) + 18 * Fraction(10, 4900) + 2 * Fraction(5, 450)
    assert run.copied_bytes.tolist() == [[0, 0], [10, 0]]
    assert run.stored_bytes.tolist() == [0, 0]


def test_births_are_written_through() -> None:
    """Inclusive: a block produced is stored to the home tier whether or not the scheduler moves anything."""
    instance = make_instance(two_tier(), make_trace([[0], [1]], [-1, 0], sizes=[3, 5]))
    run = simulate(instance, Scripted())
    assert run.stored_bytes.tolist() == [0, 5]
    # Step 0 reads 3 bytes from lpddr and writes 5 there; step 1 reads those 5 over the link.
    assert run.exact_latency() == Fraction(3 + 5, 500) + Fraction(5, 450)


def test_partial_reads_store_only_their_share_in_passing() -> None:
    """A quarter of 8 bytes is at the processor: storing the block writes 2 and copies 6 from the cheapest other tier."""
    memory = chain([100, 100, 1000], [100, 50, 10], [20, 5])
    trace = make_trace([[0]], [-1], sizes=[8], shares=[[1]], share_base=4)
    start = np.array([[False], [True], [True]])
    run = simulate(make_instance(memory, trace), Scripted({0: Moves(store=[(0, ids(0))])}, start), record=True)
    assert run.stored_bytes.tolist() == [2, 0, 0]
    assert run.copied_bytes.tolist() == [[0, 0, 0], [6, 0, 0], [0, 0, 0]]
    _same(run, replay(run.instance, run.schedule))


def test_floor_lies_under_every_step() -> None:
    """A step never takes less than its floor, exactly."""
    instance = replace(make_instance(two_tier(), make_trace([[0], []], [-1])), floor=np.array([0.25, 0.5]))
    run = simulate(instance, make_scheduler("static"))
    assert run.exact_latency() == Fraction(3, 4)
    assert run.critical_share.tolist() == [0, 0, 0, 0]


def test_tokens_are_labels_or_steps() -> None:
    """Throughput counts distinct token labels, or steps where there are none."""
    trace = make_trace([[0], [0], [0]], [-1])
    bare = simulate(make_instance(two_tier(), trace), make_scheduler("static"))
    labelled = replace(trace, step_token=np.array([4, 4, 5], dtype=np.int32))
    run = simulate(make_instance(two_tier(), labelled), make_scheduler("static"))
    assert (bare.tokens, run.tokens) == (3, 2)
    assert run.tokens_per_s == pytest.approx(2 / run.latency_s)


def test_nothing_to_do_takes_no_time() -> None:
    """A trace without reads or loads: no time, every (no) read a hit, throughput without limit."""
    run = simulate(make_instance(two_tier(), make_trace([[], []], [-1])), make_scheduler("lru"), per_step=True)
    assert (run.latency_s, run.hit_rate, run.tokens_per_s, run.read_bytes) == (0.0, 1.0, math.inf, 0.0)
    assert run.critical_share.tolist() == [0] * 4


def test_critical_resources() -> None:
    """With copies on both sides of the split hbm and the link bind together; with none in hbm only the link does."""
    trace = make_trace([[0, 1, 2]], [-1] * 3)
    both = simulate(make_instance(two_tier(), trace), make_scheduler("static"))
    assert both.critical_share.tolist() == [1, 0, 1, 0]
    link = simulate(make_instance(two_tier(hbm=0), trace), make_scheduler("static"))
    assert link.critical_share.tolist() == [0, 0, 1, 0]


def test_per_step_table_adds_up() -> None:
    """The table's columns sum to the run's totals."""
    instance = with_layers(random_instance(np.random.default_rng(5), 3, "exclusive", blocks=8, steps=9, max_size=3), 2)
    run = simulate(instance, make_scheduler("lru"), per_step=True)
    table = run.per_step
    assert math.fsum(table["seconds"]) == run.latency_s
    names = instance.memory.tier_names
    assert [table[f"read {name}"].sum() for name in names] == pytest.approx(run.tier_read_bytes.tolist())
    assert table["read"].sum() == run.read_bytes == pytest.approx(run.tier_read_bytes.sum())
    assert table["hit"].sum() == run.hit_rate * run.read_bytes
    moved = {name: column.sum() for name, column in table.items() if name.startswith(("store ", "copy "))}
    assert sum(moved.values()) == run.stored_bytes.sum() + run.copied_bytes.sum()
    assert table["layer"].tolist() == [0, 1, 0, 1, 0, 1, 0, 1, 0]
    assert set("+".join(table["critical"]).split("+")) <= {*instance.memory.resources, ""}
    assert simulate(instance, make_scheduler("lru")).per_step is None


def test_recorded_schedules_play_again() -> None:
    """A recorded schedule, played on the same instance, is the same schedule and takes the same time."""
    for seed in range(12):
        instance = any_instance(seed)
        run = simulate(instance, make_scheduler("lru"), record=True)
        again = simulate(instance, Replay(run.schedule), record=True)
        assert again.scheduler == "replay of lru"
        assert again.exact_latency() == run.exact_latency()
        assert (again.moved == run.moved).all()
        assert again.schedule.num_moves == run.schedule.num_moves
    assert simulate(instance, make_scheduler("lru")).schedule is None


def test_limits_end_a_run() -> None:
    """A deadline or a stop request ends the run with its own error, saying how far it had come."""
    instance = make_instance(two_tier(), make_trace([[0]] * 3, [-1]))
    with pytest.raises(LimitError, match=r"^lru had done 0 of 3 steps when its time was up$"):
        simulate(instance, make_scheduler("lru"), limits=Limits(0.0))
    stopped = Limits()
    stopped.interrupt()
    with pytest.raises(Interrupted, match=r"^lru was stopped after 0 of 3 steps$"):
        simulate(instance, make_scheduler("lru"), limits=stopped)


def test_views_are_read_only_and_lead_nowhere() -> None:
    """No array of the setting or of a view can be written to, and none is a window on the trace."""
    trace = replace(
        make_trace([[0], [0, 1]], [-1, 0], sizes=[2, 3], shares=[[1], [1, 1]], share_base=2),
        step_layer=np.array([0, 7], dtype=np.int32),
        block_layer=np.array([0, 7], dtype=np.int32),
    )
    instance = make_instance(two_tier(), trace)
    seen = []
    scripted = Scripted(look=seen.append)
    simulate(instance, scripted)
    arrays = [x for one in (scripted.setting, *seen) for x in vars(one).values() if isinstance(x, np.ndarray)]
    assert len(arrays) == 19
    assert not any(array.flags.writeable for array in arrays)
    own = [trace.blocks, trace.indptr, trace.birth, trace.death, trace.shares, instance.size, instance.fixed, instance.capacity]
    assert not any(np.shares_memory(array, mine) for array in arrays for mine in own)
    assert [view.layer for view in seen] == [0, 1]
    assert scripted.setting.num_layers == 2


def test_sizes_of_blocks_to_come_are_not_told() -> None:
    """A setting shows the size of a block from the step on that produces it."""
    instance = make_instance(two_tier(), make_trace([[0], [0], [1]], [-1, 1], sizes=[2, 3]))
    sizes = []
    scripted = Scripted(look=lambda _: sizes.append(scripted.setting.size.tolist()))
    simulate(instance, scripted)
    assert sizes == [[2, 0], [2, 3], [2, 3]]


def test_first_reads_are_shown_where_the_start_is_free() -> None:
    """A free start is shown the first read set of each layer as far as it exists; a given start nothing."""
    trace = make_trace([[0, 1], [2], [0]], [-1, -1, 0])
    scripted = Scripted()
    simulate(make_instance(two_tier(), trace), scripted)
    assert [ids.tolist() for ids in scripted.first_reads] == [[0, 1]]
    simulate(with_layers(make_instance(two_tier(), trace), 2), scripted)
    assert [ids.tolist() for ids in scripted.first_reads] == [[0, 1], []]
    given_start = np.array([[False] * 3, [True, True, False]])
    scripted.initial = None
    simulate(make_instance(two_tier(), trace, initial=given_start), scripted)
    assert list(scripted.first_reads) == []
    assert (scripted.setting.initial == given_start).all()


@pytest.mark.parametrize("spec", [spec for spec in SPECS if make_scheduler(spec).online])
def test_online_schedulers_do_not_depend_on_the_future(spec: str) -> None:
    """Two traces that agree up to a step, but not on what follows or on how many blocks there will be: equal moves up to it."""
    for seed in range(8):
        rng = np.random.default_rng(seed)
        known = [sorted(rng.choice(6, int(rng.integers(1, 5)), replace=False).tolist()) for _ in range(4)]
        futures = [[[0, 1], [5]], [[2, 3, 6, 7], [0, 4, 8], [1], [1]]]
        births = [[-1] * 6 + [2], [-1] * 6 + [2, 3, 4]]
        schedules = []
        for future, born in zip(futures, births, strict=True):
            sizes = [1] * 7 + [3, 2][: len(born) - 7]
            trace = make_trace([*known, *future], born, sizes=sizes)
            instance = with_layers(make_instance(chain([3, 4, 40], [40, 20, 10], [15, 5]), trace, "free"), 2)
            schedules.append(simulate(instance, make_scheduler(spec), record=True).schedule)
        one, other = schedules
        assert (one.initial[:, :7] == other.initial[:, :7]).all()
        end = one.indptr[3]
        assert (one.indptr[:4] == other.indptr[:4]).all()
        assert (one.op[:end] == other.op[:end]).all()
        assert (one.block[:end] == other.block[:end]).all()


@pytest.mark.parametrize("spec", SPECS)
def test_runs_are_repeatable(spec: str) -> None:
    """The same scheduler run twice, after another instance in between, makes the same moves."""
    scheduler = make_scheduler(spec)
    for seed in (1, 2, 3):
        instance = any_instance(seed)
        first = simulate(instance, scheduler, record=True).schedule
        simulate(any_instance(seed + 50), scheduler)
        again = simulate(instance, scheduler, record=True).schedule
        assert (first.op == again.op).all()
        assert (first.block == again.block).all()
        assert (first.initial == again.initial).all()


def test_tuning_obeys_the_limits_too() -> None:
    """Annealing simulates the trace many times over; a deadline ends that as well."""
    with pytest.raises(LimitError):
        simulate(fetch_ahead(), make_scheduler("sa"), limits=Limits(0.0))
