"""Views of a trace against the slow and obvious way of counting them, and against caches that are run."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement_opt.workload.profile.distribution import Octaves, octave_edges
from placement_opt.workload.profile.hits import hit_curve
from placement_opt.workload.profile.hits_kernels import optimal_hits, read_after, sized_stack_distances
from placement_opt.workload.profile.last_reads import never_again
from placement_opt.workload.profile.popularity import popularity
from placement_opt.workload.profile.prefix import prefix_depth
from placement_opt.workload.stats import describe_trace
from placement_opt.workload.synth import synthesize
from placement_opt.workload.trace import Trace
from tests.small import make_trace
from tests.workload.traces import random_trace

SMALL = st.tuples(st.integers(0, 2**32), st.integers(1, 9), st.integers(1, 7), st.sampled_from([0.3, 0.6, 0.9]))


def drawn(case: tuple[int, int, int, float], **options: bool | int) -> Trace:
    seed, steps, blocks, density = case
    return random_trace(np.random.default_rng(seed), steps=steps, blocks=blocks, density=density, **options)  # type: ignore[arg-type]


def uses(trace: Trace) -> list[set[int]]:
    """What each step reads or produces."""
    return [set(trace.reads(t).tolist()) | set(np.flatnonzero(trace.birth == t).tolist()) for t in range(trace.num_steps)]


def most_hits(trace: Trace, room: int) -> int:
    """The most reads that any cache of so many blocks hits, by trying every content at every state."""
    used = uses(trace)
    best: dict[frozenset[int], int] = {frozenset(): 0}
    for step in range(trace.num_steps):
        reads = set(trace.reads(step).tolist())
        coming: dict[frozenset[int], int] = {}
        for content, hits in best.items():
            there, now = content | used[step], hits + len(content & reads)
            for count in range(min(room, len(there)) + 1):
                for kept in map(frozenset, itertools.combinations(sorted(there), count)):
                    coming[kept] = max(coming.get(kept, -1), now)
        best = coming
    return max(best.values())


@settings(derandomize=True, deadline=None, max_examples=40)
@given(SMALL, st.integers(0, 4))
def test_the_best_cache_is_the_best(case: tuple[int, int, int, float], room: int) -> None:
    """Belady's rule by steps hits as much as the best of all contents, tried one by one."""
    trace = drawn(case)
    births = trace.births_by_step
    after = read_after(trace.indptr, trace.blocks, trace.num_blocks, *births)
    ones = np.ones(trace.num_blocks, dtype=np.int64)
    assert optimal_hits(trace.indptr, trace.blocks, ones, *births, *after, room) == most_hits(trace, room)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(SMALL, st.booleans())
def test_curves_bracket_every_cache_of_whole_blocks(case: tuple[int, int, int, float], sizes: bool) -> None:
    """LRU run block by block, in two orders within a step, lies between the two curves at every size, in what it hits."""
    trace = drawn(case, sizes=sizes)
    found = hit_curve(trace)
    assert found is not None
    curve, _ = found
    size = trace.sizes.tolist()
    assert curve.wanted == sum(1 if curve.unit == "blocks" else size[b] for b in trace.blocks.tolist())
    assert curve.lru == sorted(curve.lru)
    for n, room in enumerate(curve.room):
        for order in (1, -1):
            cache: list[int] = []  # least recent first
            hits = 0
            for step, used in enumerate(uses(trace)):
                reads = set(trace.reads(step).tolist())
                hits += sum(1 if curve.exact else size[b] for b in reads & set(cache))
                for block in sorted(used)[::order]:
                    cache = [b for b in cache if b != block] + [block]
                while sum(size[b] for b in cache) > room:
                    cache.pop(0)
            share = hits / max(1, curve.wanted)
            assert curve.lru[n] - 1e-12 <= share <= curve.optimal[n] + 1e-12
    assert curve.lru[-1] == curve.optimal[-1] == pytest.approx(curve.ceiling)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(SMALL)
def test_sized_distances_are_sums_over_sets(case: tuple[int, int, int, float]) -> None:
    """Each read's distance is the size of what was used from its previous use up to the step before."""
    trace, size = drawn(case, sizes=True), None
    size = trace.sizes.astype(np.int64)
    used, distances = uses(trace), []
    for step in range(trace.num_steps):
        for block in trace.reads(step).tolist():
            last = [s for s in range(step) if block in used[s]]
            if last:
                distances.append((int(size[list(set().union(*used[last[-1] : step]))].sum()), int(size[block])))
    edges = np.array([0, 50, 100, 200, 400], dtype=np.int64)
    reads, sizes = sized_stack_distances(trace.indptr, trace.blocks, size, *trace.births_by_step, edges)
    place = [int(np.searchsorted(edges, distance)) for distance, _ in distances]
    assert reads.tolist() == [place.count(n) for n in range(6)]
    assert sizes.tolist() == [sum(of for p, (_, of) in zip(place, distances, strict=True) if p == n) for n in range(6)]
    found = hit_curve(trace)
    assert found is not None
    octaves = Counter(2 ** (distance.bit_length() - 1) for distance, _ in distances)
    assert dict(zip(found[1].low, found[1].count, strict=True)) == {
        low: octaves[low] for low in map(int, octave_edges(max(octaves, default=0)) if octaves else [])
    }


def test_octaves_by_hand() -> None:
    """0 is left out; 1 | 2, 3 | 4 .. 7."""
    assert Octaves.of_histogram(np.array([9, 1, 2, 3, 4, 0, 0, 5])) == Octaves([1, 2, 4], [1, 5, 9])
    assert Octaves.of_histogram(np.array([9])) == Octaves.of_histogram(np.array([9, 0, 0])) == Octaves([], [])
    assert Octaves([1, 2], [1, 3]).shares(3).tolist() == [0.25, 0.75, 0]
    assert Octaves([], []).shares(2).tolist() == [0, 0]


@settings(derandomize=True, deadline=None, max_examples=40)
@given(SMALL, st.booleans())
def test_working_sets_and_last_reads_are_counted(case: tuple[int, int, int, float], layers: bool) -> None:
    """Alive and read per stretch, means over windows, shares never read again, layers: by sets and loops."""
    trace = drawn(case, sizes=True, deaths=True, layers=2 if layers else 0)
    steps, blocks = trace.num_steps, range(trace.num_blocks)
    size, info = trace.sizes.tolist(), describe_trace(trace)
    found = info.working_set
    reads = [set(trace.reads(t).tolist()) for t in range(steps)]
    assert found.end == list(range(1, steps + 1))
    alive = [[b for b in blocks if trace.birth[b] < t <= trace.death[b]] for t in found.end]
    assert found.alive_blocks == [len(ids) for ids in alive]
    assert found.alive_size == [sum(size[b] for b in ids) for ids in alive]
    assert found.read_blocks == [len(ids) for ids in reads]
    assert found.read_size == [sum(size[b] for b in ids) for ids in reads]
    for window, mean in zip(found.window, found.mean_blocks, strict=True):
        sets = [set().union(*reads[max(0, t - window + 1) : t + 1]) for t in range(steps)]
        assert mean == pytest.approx(sum(map(len, sets)) / steps)
    never = never_again(trace)
    last = {b: max((t for t in range(steps) if b in reads[t]), default=int(trace.birth[b])) for b in blocks}
    lives = {b: range(int(trace.birth[b]) + 1, int(trace.death[b]) + 1) for b in blocks}
    held = sum(size[b] * len(lives[b]) for b in blocks)
    idle = sum(size[b] * sum(t > last[b] for t in lives[b]) for b in blocks)
    assert never.room == pytest.approx(idle / held)
    born = [b for b in blocks if trace.birth[b] >= 0]
    unread = [b for b in born if not any(b in ids for ids in reads)]
    assert never.productions == (len(unread) / len(born) if born else None)
    assert never.reads == (len(set().union(*reads)) / trace.num_reads if trace.num_reads else None)
    if info.by_layer is not None:
        for one in info.by_layer:
            own = [t for t in range(steps) if t % 2 == one.layer]
            assert (one.steps, one.reads) == (len(own), sum(len(reads[t]) for t in own))
            assert one.read_blocks == len(set().union(*(reads[t] for t in own)))
            pairs = [(reads[a], reads[b]) for a, b in itertools.pairwise(own)]
            for middle, ratios in (
                (one.jaccard_mean, [len(a & b) / len(a | b) for a, b in pairs if a | b]),
                (one.kept_mean, [len(a & b) / len(a) for a, b in pairs if a]),
            ):
                assert middle == (pytest.approx(sum(ratios) / len(ratios)) if ratios else None)


def test_overlap_over_time_is_that_of_its_stretches() -> None:
    """250 steps in 100 stretches: each mean is that of its own steps, the first has none to look back to."""
    rng = np.random.default_rng(4)
    trace = random_trace(rng, steps=250, blocks=30)
    found = describe_trace(trace).overlap_over_time
    reads = [set(trace.reads(t).tolist()) for t in range(250)]
    assert len(found.end) == 100
    for start, end, mean in zip([0, *found.end], found.end, found.jaccard_mean, strict=False):
        ratios = [len(reads[t] & reads[t - 1]) / len(reads[t] | reads[t - 1]) for t in range(max(1, start), end)]
        ratios = ratios if start or end > 1 else []
        assert mean == (pytest.approx(sum(ratios) / len(ratios)) if ratios else None)


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 1.5])
def test_the_exponent_of_a_zipf_law_is_found(exponent: float) -> None:
    """Reads in exact proportion to the law give back its exponent, to what rounding the counts does."""
    wanted = np.maximum(1, np.round(3000 * np.arange(1, 201) ** -exponent)).astype(int)
    steps = [[block for block in range(200) if step < wanted[block]] for step in range(int(wanted[0]))]
    trace = make_trace(steps, [-1] * 200)
    found = popularity(trace)
    assert found is not None
    assert found.exponent == pytest.approx(exponent, abs=0.02)
    assert found.distance < 0.02
    assert (found.rank[0], found.rank[-1]) == (1, 200)


def test_what_is_no_zipf_law_is_said_to_be_far_from_one() -> None:
    """Half of the blocks read always, half once: no power of the rank comes near."""
    found = popularity(make_trace([[*range(20)], *[[*range(10)]] * 99], [-1] * 20))
    assert found is not None
    assert found.distance > 0.1
    assert found.top_share["50 %"] == pytest.approx(1000 / 1010)
    assert popularity(make_trace([[]], [-1])) is None


def test_depth_of_prefixes_by_hand() -> None:
    """Step 1 finds two blocks in a row and one behind a hole; step 2 nothing; step 3 all that it asks for."""
    trace = Trace.from_reads([[], [0, 1, 2], [], [1, 0]], [0, 0, 0, 1, 2], sizes=1, positions=True)
    places = np.array([0, 1, 3, 1, 0], dtype=np.int32)
    found = prefix_depth(Trace(trace.indptr, trace.blocks, trace.birth, trace.death, trace.size, position=places))
    assert found is not None
    assert (found.depth.count, found.depth.mean, found.depth.greatest) == (4, 1.0, 2)
    assert (found.cold, found.whole) == (0.5, 0.25)
    assert found.behind_holes == pytest.approx(0.2)
    assert prefix_depth(make_trace([[0]], [-1])) is None


def test_productions_of_requests_are_wanted() -> None:
    """What a request produces was asked for and not there: it counts among what could have been hit, and never is."""
    found = hit_curve(synthesize("requests", {"requests": 60}, 1))
    assert found is not None
    curve, trace = found[0], synthesize("requests", {"requests": 60}, 1)
    assert (curve.counted_over, curve.wanted) == ("reads and productions", trace.num_reads + trace.num_blocks)
    assert curve.ceiling == pytest.approx(trace.num_reads / curve.wanted)


def test_sums_that_64_bits_do_not_hold_have_no_curve() -> None:
    """Sizes without a common unit near the largest there are, read often: said to be unknown, not wrong."""
    sizes = [2**50 - 1, 2**50 - 3]
    trace = make_trace([[0, 1]] * 4000, [-1, -1], sizes=sizes)
    info = describe_trace(trace)
    assert (info.hits, info.histograms["stack_size"]) == (None, None)
    assert math.isclose(info.never_again.room, 2 / 8002, rel_tol=1)
