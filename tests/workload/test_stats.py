"""Statistics of a trace against the slow and obvious way of counting them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement_opt.report.trace_info import info_text
from placement_opt.workload.profile.distribution import QUANTILES, Distribution
from placement_opt.workload.stats import TraceInfo, describe_trace
from placement_opt.workload.stats_kernels import reuse_distances, shared_reads, stack_distances
from placement_opt.workload.trace import Trace
from tests.small import make_trace
from tests.workload.traces import REAL, needs_data, random_trace


def spread(values: list[int]) -> Distribution | None:
    """The distribution of some numbers, by sorting them."""
    if not values:
        return None
    ordered = sorted(values)
    percentiles = {f"p{q}": next(v for i, v in enumerate(ordered, 1) if 100 * i >= q * len(ordered)) for q in QUANTILES}
    return Distribution(len(values), sum(values) / len(values), ordered[0], ordered[-1], percentiles)


def slow_reuse(trace: Trace, turns: bool) -> list[int]:
    """Steps, or turns of the layer, since the previous read, by looking back."""
    found = []
    for step in range(trace.num_steps):
        for block in trace.reads(step):
            earlier = [s for s in range(step) if block in trace.reads(s)]
            if earlier:
                between = range(earlier[-1] + 1, step + 1)
                found.append(sum(not turns or trace.step_layer[s] == trace.step_layer[step] for s in between))  # type: ignore[index]
    return found


def slow_stack(trace: Trace) -> list[int]:
    """Distinct blocks used since the last use, by collecting them."""
    used = [
        set(trace.reads(step).tolist()) | set(np.flatnonzero(trace.birth == step).tolist()) for step in range(trace.num_steps)
    ]
    found = []
    for step in range(trace.num_steps):
        for block in trace.reads(step).tolist():
            last = [s for s in range(step) if block in used[s]]
            if last:
                found.append(len(set().union(*used[last[-1] : step])))
    return found


def slow_overlap(trace: Trace) -> tuple[int, list[float], list[float]]:
    """Pairs of consecutive steps of a layer, their Jaccard indices and the kept shares, with sets."""
    pairs, jaccard, kept = 0, [], []
    for step in range(trace.num_steps):
        same = [s for s in range(step) if trace.step_layer is None or trace.step_layer[s] == trace.step_layer[step]]
        if same:
            pairs += 1
            before, now = set(trace.reads(same[-1]).tolist()), set(trace.reads(step).tolist())
            if before | now:
                jaccard.append(len(before & now) / len(before | now))
            if before:
                kept.append(len(before & now) / len(before))
    return pairs, jaccard, kept


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    st.integers(0, 2**32),
    st.integers(1, 12),
    st.integers(1, 12),
    st.integers(0, 3),
    st.booleans(),
    st.sampled_from([0, 0.4, 0.9]),
)
def test_description_equals_the_obvious_one(
    seed: int, steps: int, blocks: int, layers: int, rich: bool, density: float
) -> None:
    """Every number of the description, counted with sets and loops."""
    rng = np.random.default_rng(seed)
    options = {"shares": rich, "sizes": rich, "deaths": rich}
    trace = random_trace(rng, steps=steps, blocks=blocks, layers=layers, density=density, **options)
    info = describe_trace(trace)
    assert (info.steps, info.reads, info.blocks) == (steps, trace.num_reads, blocks)
    assert info.layers == (None if layers == 0 else min(layers, steps))
    assert (info.initial_blocks, info.born_blocks) == (int(sum(trace.birth < 0)), int(sum(trace.birth >= 0)))
    assert info.freed_blocks == sum(trace.death < steps)
    sizes = trace.sizes.tolist()
    assert info.total_size == sum(sizes)
    shares = [trace.share_base] * trace.num_reads if trace.shares is None else trace.shares.tolist()
    weighted = sum(sizes[block] * share for block, share in zip(trace.blocks.tolist(), shares, strict=True))
    assert info.read_size == pytest.approx(weighted / trace.share_base, rel=1e-12)
    ever = set(trace.blocks.tolist())
    assert (info.read_blocks, info.read_blocks_size) == (len(ever), sum(sizes[block] for block in ever))
    assert info.never_read == pytest.approx(1 - len(ever) / blocks)
    alive = [[b for b in range(blocks) if trace.birth[b] < state <= trace.death[b]] for state in range(steps + 1)]
    assert info.peak_alive_blocks == max(map(len, alive))
    assert info.peak_alive_size == max(sum(sizes[b] for b in state) for state in alive)
    assert info.reads_per_step == spread([len(trace.reads(step)) for step in range(steps)])
    assert info.empty_steps == sum(len(trace.reads(step)) == 0 for step in range(steps))
    assert info.reuse_unit == ("turns of the layer" if layers else "steps")
    assert info.reuse_distance == spread(slow_reuse(trace, layers > 0))
    assert info.stack_distance == spread(slow_stack(trace))
    pairs, jaccard, kept = slow_overlap(trace)
    assert info.overlap.pairs == pairs
    for values, mean, least in (
        (jaccard, info.overlap.jaccard_mean, info.overlap.jaccard_least),
        (kept, info.overlap.kept_mean, info.overlap.kept_least),
    ):
        assert least == (min(values) if values else None)
        assert mean == (pytest.approx(sum(values) / len(values)) if values else None)


def test_kernels_by_hand() -> None:
    """A trace small enough to count on paper: blocks 0 and 1 initial, 2 produced by step 0."""
    trace = make_trace([[0], [1, 2], [], [0, 2]], births=[-1, -1, 0])
    no_layers = np.zeros(4, dtype=np.int32)
    steps, turns, mixed = reuse_distances(trace.indptr, trace.blocks, 3, np.arange(4), no_layers)
    assert (steps.tolist(), turns.tolist(), mixed) == ([0, 0, 1, 1, 0], [0, 0, 1, 1, 0], False)
    # Step 1 reads 2: since its production 0 and 2 were used. Step 3 reads 0: since step 0 all three; 2: since step 1, 1 and 2.
    assert stack_distances(trace.indptr, trace.blocks, 3, *trace.births_by_step).tolist() == [0, 0, 2, 1]
    assert shared_reads(trace.indptr, trace.blocks, np.array([-1, 0, 1, 1])).tolist() == [0, 0, 0, 1]


def test_blocks_read_by_several_layers_are_measured_in_steps() -> None:
    """Where a block is read by two layers, turns of a layer mean nothing and steps are counted."""
    trace = replace(make_trace([[0], [0], [0]], births=[-1]), step_layer=np.array([0, 1, 0], dtype=np.int32))
    info = describe_trace(trace)
    assert info.reuse_unit == "steps"
    assert info.reuse_distance == spread([1, 1])


def test_trace_without_reads_has_no_distances() -> None:
    """Nothing read: no distances, no overlap, and still a description."""
    trace = make_trace([[], []], births=[-1, 0])
    info = describe_trace(trace)
    assert (info.reads, info.reuse_distance, info.stack_distance, info.never_read) == (0, None, None, 1.0)
    assert (info.overlap.pairs, info.overlap.jaccard_mean, info.overlap.kept_least) == (1, None, None)
    assert "reuse distance  none (steps)" in info_text(info, trace)


def test_description_as_json_and_as_text() -> None:
    """The dictionary is plain JSON with every field, the text one line a number, in the unit of the trace."""
    trace = make_trace([[0, 1], [0], [0, 1]], births=[-1, -1], sizes=[2048], layers=1)
    info = describe_trace(trace)
    table = json.loads(json.dumps(info.as_dict()))
    assert set(table) == set(TraceInfo.__dataclass_fields__)
    assert table["reuse_distance"]["percentiles"] == {"p10": 1, "p25": 1, "p50": 1, "p75": 2, "p90": 2, "p99": 2}
    assert info_text(info, trace).splitlines() == [
        "steps           3, 1 layers, 0 without reads",
        "blocks          2, 4 KiB (4.096 kB)",
        "                2 initial, 0 produced, 0 freed",
        "alive at once   at most 2, 4 KiB (4.096 kB)",
        "working set     2 blocks ever read, 4 KiB (4.096 kB)",
        "never read      0.0% of the blocks",
        "                0.0% of the blocks, 0.0% of their size, are not freed either",
        "held in vain    25.0% of size x steps: by blocks that are never freed, after their last read",
        "reads           5, 10 KiB (10.24 kB)",
        "reads per step  mean 1.7, p50 2, p90 2, p99 2, max 2",
        "reuse distance  mean 1.3, p50 1, p90 2, p99 2, max 2 (turns of the layer)",
        "stack distance  mean 1.7, p50 2, p90 2, p99 2, max 2 (distinct blocks)",
        "overlap         Jaccard mean 0.500, least 0.500 (consecutive steps of a layer)",
        "                kept mean 0.750, least 0.500",
        "never again     40 % of the reads, 25 % of size x states",
        "popularity      the most read 1 %, 10 %, 50 % of the blocks have 60 %, 60 %, 60 % of the reads",
        "                Zipf exponent 0.58, off by 0 % of the reads at most",
        "hits at most    60 % of reads: the others are first uses, which no cache of any size has kept",
        "cache of 50 %   lru 20 %, the best on demand 40 %  (2 KiB (2.048 kB))",
        "cache of 100 %  lru 60 %, the best on demand 60 %  (4 KiB (4.096 kB))",
    ]
    tokens = replace(trace, size_unit="tokens", meta={"format": "mine"})
    text = info_text(describe_trace(tokens), tokens)
    assert text.splitlines()[-1] == "source          format mine"
    assert "5, 10,240 tokens" in text


@needs_data
def test_real_trace_as_an_lru_cache() -> None:
    """On real requests the stack distances give the hit counts of an LRU cache of whole requests, run step by step."""
    from placement_opt.workload.formats.mooncake import read

    trace = read(REAL, limit=800)
    pointers, born = trace.births_by_step
    histogram = stack_distances(trace.indptr, trace.blocks, trace.num_blocks, pointers, born)
    assert histogram.sum() == trace.num_reads  # every block was produced before it is read
    for room in (500, 3000):
        cache: dict[int, int] = {}  # block -> step of its last use
        hits = 0
        for step in range(trace.num_steps):
            # What fits of the latest steps, whole steps only: the worst order within a step.
            latest = sorted(set(cache.values()), reverse=True)
            count, kept = 0, set()
            sizes: dict[int, int] = {}
            for last in cache.values():
                sizes[last] = sizes.get(last, 0) + 1
            for last in latest:
                count += sizes[last]
                if count > room:
                    break
                kept.add(last)
            hits += sum(cache.get(block) in kept for block in trace.reads(step).tolist())
            cache |= dict.fromkeys([*trace.reads(step).tolist(), *born[pointers[step] : pointers[step + 1]].tolist()], step)
        assert hits == histogram[: room + 1].sum()
