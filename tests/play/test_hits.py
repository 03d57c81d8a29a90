"""Where reads find their blocks, and ceilings that no policy passes."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

import placement_opt as po
from placement_opt.answer.prove import prove
from placement_opt.instance.instance import Instance
from placement_opt.instance.layered import layered_of
from placement_opt.play.by_layer import by_layer
from placement_opt.play.hits import ceiling_of
from placement_opt.report.hits import hits_text
from placement_opt.report.simulation import simulation_document, simulation_text
from tests.schedulers.cases import any_instance
from tests.small import make_instance, make_trace, two_tier
from tests.turns import Stay, Turn, turns


def test_more_hits_can_take_longer() -> None:
    """Fetching ahead doubles the hits and fills the link at every step: the share that hits says nothing of time."""
    stay, turn = (po.simulate(turns(), one) for one in (Stay(), Turn()))
    assert (stay.hits.rate, turn.hits.rate) == (0.5, 1.0)
    assert turn.latency_s > 1.5 * stay.latency_s
    found = po.compare([turns()], [Stay(), Turn()], method="lp").instances[0]
    rates = {row.scheduler: row.hits.rate for row in found.schedules if row.hits is not None}
    assert rates == {"stay": 0.5, "turn": 1.0}
    assert [row.scheduler for row in found.timed] == ["stay", "turn"]


def test_ages_by_hand() -> None:
    """A first read, one of what the trace made, and one again; by tier, with layers."""
    trace = make_trace([[0, 1], [2], [0], [2]], [-1, -1, 0], sizes=(1, 3, 2), layers=2)
    run = po.simulate(make_instance(two_tier(hbm=3), trace), Stay())
    rows = {(row["layer"], row["age"], row["tier"]): row for row in run.hits.to_records()}
    assert [rows[0, "first", tier]["bytes"] for tier in ("hbm", "lpddr", "nowhere")] == [1.0, 3.0, 0.0]
    assert (rows[1, "fresh", "lpddr"]["reads"], rows[1, "again", "lpddr"]["reads"]) == (1, 1)
    assert (rows[0, "again", "hbm"]["bytes"], rows[0, "again", "hbm"]["share_of_bytes"]) == (1.0, 1.0)
    assert run.hits.by_age() == {"first": 0.25, "again": 1 / 3, "fresh": 0.0}
    assert run.hits.by_layer() == {0: 2 / 5, 1: 0.0}
    assert (run.hits.rate, run.hits.read_rate, run.hits.missed_bytes) == (2 / 9, 2 / 5, 7.0)


def test_what_lies_nowhere_is_a_row_of_its_own() -> None:
    """Under the rule "cache" a read may have no copy: it hits nothing, and no policy changes the first of a given start."""
    trace = po.Trace.from_reads([[0], [0], [0]], sizes=100)
    chosen = po.build_instance("gh200", trace, rules={"residency": "cache"}, recompute={"rate": "1 GB/s"})
    instance = replace(chosen, initial=np.zeros((2, 1), dtype=np.bool_))
    hits = po.simulate(instance, po.make_scheduler("lru")).hits
    assert hits.reads == (2, 0, 1)
    assert hits.ceiling.content == hits.ceiling.most == pytest.approx(2 / 3)


@pytest.mark.parametrize("seed", range(40))
def test_no_policy_passes_the_ceiling(seed: int) -> None:
    """Any rule, tiers, sizes, shares, deaths, starts; what the run says of itself stays, and sums to what was read."""
    instance = any_instance(seed)
    for spec in ("lru", "belady", "static", "fifo"):
        run = po.simulate(instance, po.make_scheduler(spec))
        hits, ceiling = run.hits, run.hits.ceiling
        assert hits.rate == pytest.approx(run.hit_rate, abs=1e-12)
        assert sum(hits.bytes) == pytest.approx(run.read_bytes)
        assert sum(hits.reads) == instance.num_reads
        assert hits.rate <= ceiling.most + 1e-12 <= ceiling.content + 2e-12


def best_on_demand(instance: Instance) -> float:
    """All contents of the fastest tier that a policy on demand can have, tried one by one."""
    trace, room, fast = instance.trace, int(instance.capacity[instance.memory.fastest]), instance.memory.fastest
    blocks = range(instance.num_blocks)
    early = {b for b in blocks if trace.birth[b] < 0 and (instance.initial is None or instance.initial[fast, b])}

    def fitting(of: set[int]) -> set[frozenset[int]]:
        every = itertools.chain.from_iterable(itertools.combinations(sorted(of), n) for n in range(len(of) + 1))
        return {frozenset(one) for one in every if sum(int(instance.size[b]) for b in one) <= room}

    best = dict.fromkeys(fitting(early), 0)
    for step in range(instance.num_steps):
        read = set(trace.reads(step).tolist())
        present = read | {b for b in blocks if trace.birth[b] == step}
        after: dict[frozenset[int], int] = {}
        for content, hit in best.items():
            value = hit + sum(int(instance.size[b]) for b in content & read)
            for kept in fitting({b for b in content | present if trace.death[b] > step}):
                after[kept] = max(after.get(kept, 0), value)
        best = after
    return max(best.values()) / max(1, int(instance.size[trace.blocks].sum()))


def test_on_demand_is_the_best_of_all_contents() -> None:
    """Attained where blocks are of one size, a ceiling where they are not."""
    equal = unequal = 0
    for seed in range(60):
        instance = any_instance(seed)
        if instance.trace.shares is not None or not instance.num_reads or instance.num_blocks > 6:
            continue
        best, told = best_on_demand(instance), ceiling_of(instance).on_demand
        assert told is not None
        if len(np.unique(instance.size)) == 1:
            assert told == pytest.approx(best)
            equal += 1
        else:
            assert best <= told + 1e-12
            unequal += 1
    assert equal > 5
    assert unequal > 5


def test_shares_leave_on_demand_unknown() -> None:
    """Half a block is hit by keeping all of it: the room is worth most where most is read."""
    trace = make_trace([[0, 1], [0, 1]], [-1, -1], shares=[[1, 4], [1, 4]], share_base=4)
    ceiling = ceiling_of(make_instance(two_tier(hbm=1), trace))
    assert ceiling.on_demand is None
    assert ceiling.unknown.startswith("reads transfer parts of blocks")
    assert ceiling.most == pytest.approx(0.8)


def test_in_runs_as_in_rows() -> None:
    """Layer by layer the same bytes; ages and what is on demand are for rows."""
    trace = make_trace([[0, 1], [2, 3], [0], [3], [1], [2]], [-1] * 4, layers=2)
    instance = make_instance(two_tier(hbm=2), trace)
    rows = po.simulate(instance, po.make_scheduler("lru")).hits
    runs = by_layer(layered_of(instance), po.make_scheduler("lru")).hits
    assert (runs.rate, runs.reads, runs.by_layer()) == (rows.rate, rows.reads, rows.by_layer())
    assert runs.ceiling.most == rows.ceiling.most
    assert (runs.ceiling.on_demand, list(runs.by_age())) == (None, ["any"])


def test_simulate_shows_them() -> None:
    """Rows by tier, columns by age, the ceilings below; the same under keys."""
    instance = turns()
    run = po.simulate(instance, Stay())
    text = simulation_text(run, prove(instance, "roofline"))
    assert hits_text(run.hits) in text
    assert hits_text(run.hits).splitlines() == [
        "fastest copy in  bytes  reads  first  again",
        "---------------  -----  -----  -----  -----",
        "hbm               50 %   50 %   50 %   50 %",
        "lpddr             50 %   50 %   50 %   50 %",
        "of                 8 B      8      2      6",
        "(at most 100 % of the bytes can hit hbm, 50 % where what comes there was just read or produced; "
        "curves over the room: trace info)",
    ]
    found = simulation_document(run, prove(instance, "roofline"))["hits"]
    assert (found["hit_rate"], found["hits_most"], found["hits_on_demand"]) == (0.5, 1.0, 0.5)
    assert [row["share_of_reads"] for row in found["tiers"]] == [0.5, 0.5, 0.0]
