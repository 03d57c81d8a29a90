"""Blocks in pieces: each piece is a request of its own and rounded up by itself, in whatever reads the table of operations."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from models import horizon, roofline, step
from placement_opt.answer.prove_integer import certify_prices, certify_schedule
from placement_opt.base.errors import InputError
from placement_opt.bounds import METHODS, flow
from placement_opt.certify.rows import kinds_of
from placement_opt.certify.verify import verify_prices, verify_schedule
from placement_opt.instance.budgets import Objective
from placement_opt.instance.instance import Instance
from placement_opt.instance.load import build_instance
from placement_opt.memory.meters import Meters
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import RECORDED, make_scheduler
from placement_opt.study.check import check
from placement_opt.workload.files.npz import save_trace
from placement_opt.workload.layered_rows import layers_of
from placement_opt.workload.trace import Trace
from tests.brute import num_transitions, optimum
from tests.operations import calls, flash
from tests.twins import whole_load
from tests.worlds import any_budgets, any_operations

#: Schedulers that do not search.
ONLINE = [name for name in RECORDED if name not in ("optimised", "sa", "milp")]
BOUNDS = ("roofline", "step", "step-integer", "lp", "milp")


def in_pieces(instance: Instance, *pieces: int) -> Instance:
    """The same with blocks in so many pieces: all, or each."""
    return replace(instance, trace=replace(instance.trace, pieces=np.array(pieces, dtype=np.int32)))


#: Of arXiv 2512.03608 (compact variant, 32 layers): KV waits in a plane's buffer and is written in runs of 512 B, and what is
#: read is a page of 4,096 B. Eight blocks of 4,096 B: 8 * 8 pages from an array of 10 B/s.
KVNAND = in_pieces(flash(4096, 8, grain=4096), 8)


def all_agree(instance: Instance, seconds: float) -> None:
    """Enumeration, every bound, algebra, the simulator and the verifier say that an instance takes so long."""
    assert optimum(instance).seconds == pytest.approx(seconds, rel=1e-9)
    for method in BOUNDS:
        found = METHODS[method](instance)
        assert found.lower_bound_s == pytest.approx(seconds, rel=3e-8), method
        assert found.prices is not None
        assert float(verify_prices(instance, certify_prices(instance, found.prices))) == pytest.approx(seconds, rel=3e-8)
    for module in (horizon, roofline, step):
        assert module.value(instance) == pytest.approx(seconds, rel=1e-9)
    run = simulate(instance, make_scheduler("lru"), record=True)
    assert run.schedule is not None
    assert run.latency_s == pytest.approx(seconds, rel=1e-12)
    assert verify_schedule(instance, certify_schedule(instance, run.schedule)) == run.exact_latency()


def test_pieces_of_an_eighth_page_are_read_as_eight_times_their_bytes() -> None:
    """Pieces of 512 B on pages of 4,096 B cost eight pages for 4,096 B, whole blocks one."""
    whole, eighths = flash(4096, 8, grain=4096), KVNAND
    all_agree(whole, 8 * 4096 / 10)
    all_agree(eighths, 8 * 8 * 4096 / 10)
    halves = in_pieces(flash(8192, 8, grain=4096), 2)  # whole pages each
    all_agree(halves, 8 * 8192 / 10)


def test_each_piece_is_a_request() -> None:
    """Blocks of 5 B in five pieces take five of 100 requests a second each."""
    all_agree(calls(), 0.08)
    all_agree(in_pieces(calls(), 5), 0.4)
    all_agree(in_pieces(calls(), *[1, 5] * 4), 0.24)


def test_all_agree_on_random_instances() -> None:
    """Where blocks are in pieces: enumeration = MILP engine = Pyomo, LP engine = Pyomo, no bound above, no schedule below."""
    seen = 0
    for seed in range(400):
        instance = any_operations(seed)
        if instance.pieces is None or num_transitions(instance) > 10_000 or seen == 9:
            continue
        seen += 1
        best = optimum(instance).seconds
        found = {method: METHODS[method](instance) for method in (*BOUNDS, *(["compact"] if instance.num_tiers == 2 else []))}
        assert found["milp"].lower_bound_s == pytest.approx(best, rel=1e-9), seed
        assert horizon.value(instance) == pytest.approx(best, rel=1e-9), seed
        assert found["lp"].lower_bound_s == pytest.approx(horizon.value(instance, relax=True), rel=1e-9), seed
        for bound in found.values():
            assert bound.lower_bound_s is not None
            assert bound.lower_bound_s <= best * (1 + 2e-8), (seed, bound.method)
            if bound.prices is not None and not instance.forgets:
                claim = verify_prices(instance, certify_prices(instance, bound.prices))
                assert claim <= Fraction(best) * (1 + Fraction(1, 10**8)), (seed, bound.method)
        for name in RECORDED if seen % 3 == 1 else ONLINE:
            run = simulate(instance, make_scheduler(name), record=True)
            assert run.schedule is not None
            assert best <= run.latency_s * (1 + 1e-9), (seed, name)
            assert verify_schedule(instance, certify_schedule(instance, run.schedule)) == run.exact_latency(), (seed, name)
    assert seen == 9


def test_meters_count_what_pieces_are_rounded_up_to() -> None:
    """What the table adds to meters is rounded up piece by piece, in the run, its bound and the verifier alike."""
    counted = Meters(("energy",), ("J",), (1,), np.full((len(KVNAND.memory.operations.names), 1), 3, dtype=np.int64))
    memory = replace(KVNAND.memory, counted=counted)
    instance = replace(KVNAND, memory=memory, objective=Objective(Fraction(1), ((0, Fraction(1, 8)),)))
    run = simulate(instance, make_scheduler("lru"))
    assert run.metered.tolist() == [3 * 8 * 8 * 4096]
    cost = 8 * 8 * 4096 / 10 + 3 * 8 * 8 * 4096 / 8
    assert run.cost_s == pytest.approx(cost, rel=1e-12)
    for method in ("roofline", "lp", "milp"):
        found = METHODS[method](instance)
        assert found.lower_bound_s == pytest.approx(cost, rel=1e-8)
        assert found.prices is not None
        assert float(verify_prices(instance, certify_prices(instance, found.prices))) == pytest.approx(cost, rel=1e-8)
    assert horizon.value(instance) == pytest.approx(cost, rel=1e-9)


def test_budgets_hold_with_pieces() -> None:
    """Random instances with budgets: the MILP is what algebra says."""
    drawn = ((seed, any_budgets(seed)) for seed in range(300))
    some = [(seed, one) for seed, one in drawn if one.pieces is not None and num_transitions(one) <= 10_000]
    for seed, instance in some:
        found = METHODS["milp"](instance)
        if found.lower_bound_s is not None and np.isfinite(found.lower_bound_s) and found.value_s is not None:
            assert found.lower_bound_s == pytest.approx(horizon.value(instance), rel=1e-7), seed
    assert len(some) >= 6


def test_every_reader_of_the_table_loads_the_same() -> None:
    """The law, the verifier's own rows and the obvious twin: for every block and operation."""
    seen = 0
    for seed in range(300):
        instance = any_operations(seed)
        if instance.pieces is None:
            continue
        seen += 1
        loads, rows, first = instance.loads, kinds_of(instance), instance.memory.operations.first_serving
        for block in range(instance.num_blocks):
            slow = np.array([whole_load(instance, o, block) for o in range(len(instance.memory.operations.names))])
            assert (loads.amount[block] * loads.row[loads.kind[block]]).tolist() == slow.tolist()
            assert (rows.amount[block] * rows.rows[rows.kind[block]].serve).tolist() == slow[first:].tolist()
    assert seen >= 12


def test_pieces_change_nothing_where_bytes_are_all_that_counts() -> None:
    """Neither loads nor hash; nor do pieces that are whole blocks where more counts. Pieces that matter change the hash."""
    plain, paged = flash(4096, 3), flash(4096, 3, grain=512)
    assert (in_pieces(plain, 8).pieces, in_pieces(plain, 8).hash) == (None, plain.hash)
    assert (in_pieces(paged, 1, 1, 1).pieces, in_pieces(paged, 1).hash) == (None, paged.hash)
    others = [in_pieces(paged, 16), in_pieces(paged, 8), in_pieces(paged, 16, 16, 1), in_pieces(paged, 1, 16, 16)]
    assert len({one.hash for one in [paged, *others]}) == 5
    assert in_pieces(paged, 16, 16, 16).hash == others[0].hash


def test_pieces_are_whole_bytes_of_what_blocks_are_in_the_end() -> None:
    """Of blocks in tokens that is known where tokens have bytes."""
    tokens = Trace.from_reads([[0, 1]], sizes=[16, 3], size_unit="tokens", pieces=[32, 4])
    with pytest.raises(InputError) as caught:
        build_instance({"preset": "gh200", "lpddr.page": "64 B"}, tokens, llm={"kv_bytes": "2 B", "layers": 1})
    message = "instance: trace: found 4 pieces of block 1, which has 6 bytes, expected equal pieces of whole bytes"
    assert str(caught.value) == message
    found = build_instance({"preset": "gh200", "lpddr.page": "64 B"}, tokens, llm={"kv_bytes": "4 B", "layers": 1})
    assert found.pieces is not None
    assert (found.size.tolist(), found.pieces.tolist()) == ([64, 12], [32, 4])


def test_loads_of_many_pieces_are_added_up_before_they_pass_64_bits() -> None:
    """A page for each of 2^30 pieces of each block."""
    paged = flash(2**30, 1, grain=2**40)
    assert paged.pieces is None
    with pytest.raises(InputError, match=r"^trace: found blocks that load up to \S+ on one resource, all together, expected"):
        in_pieces(paged, 2**30)


def test_flow_is_for_blocks_in_equally_many_pieces() -> None:
    """It says so where they differ."""
    called = flash(8, 4, dram=True, grain=2, attends=False)
    assert flow.bound(in_pieces(called, 4)).lower_bound_s is not None
    with pytest.raises(InputError) as caught:
        flow.bound(in_pieces(called, 1, 2, 4, 4))
    expected = "expected equally many: flow is defined for equal blocks"
    assert str(caught.value) == f"method flow: found blocks in 1 to 4 pieces, {expected}"


def test_runs_are_for_blocks_in_one_piece() -> None:
    """They say so; pieces that are whole blocks are none."""
    paged = flash(4096, 8, grain=512).trace
    assert len(layers_of(replace(paged, pieces=np.array([1], dtype=np.int32)))) == 1
    with pytest.raises(InputError) as caught:
        layers_of(replace(paged, pieces=np.array([8], dtype=np.int32)))
    assert str(caught.value) == "pieces: found blocks in pieces, expected each in one, which is what runs are for"


def test_check_counts_pieces(tmp_path: Path) -> None:
    """What binds is guessed with the pieces of the largest blocks."""
    seconds = []
    for pieces in (1, 8):
        save_trace(Trace.from_reads([[0, 1]], sizes=4096, pieces=pieces), tmp_path / "t.npz")
        pages = 'lpddr.page = "4 KiB"\nhbm.page = "4 KiB"'
        text = f'schema = 1\nname = "pages"\n[memory]\npreset = "gh200"\n{pages}\n[trace]\nfile = "t.npz"\n'
        (tmp_path / "i.toml").write_text(text)
        seconds.append(check(tmp_path / "i.toml").binding.roofline_s)
    assert seconds[1] == pytest.approx(8 * seconds[0], rel=1e-9)
