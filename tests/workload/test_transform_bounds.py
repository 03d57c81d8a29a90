"""What is claimed of bounds of transformed traces, on instances small enough for exact values."""

from __future__ import annotations

import numpy as np
import pytest

import placement_opt as po
from placement_opt.workload.synth import synthesize
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.select import take_blocks
from tests.small import chain, make_instance, random_instance

SEEDS = range(8)


def exact(trace: Trace, seed: int, residency: str = "free") -> float:
    """The best time of whole blocks in two tiers by the byte, of which the second holds everything."""
    rng = np.random.default_rng(seed)
    memory = chain(
        [int(rng.integers(2, 8)), 10**6], [int(rng.integers(8, 30)), int(rng.integers(2, 8))], [int(rng.integers(2, 8))]
    )
    found = po.bound(make_instance(memory, trace, residency), "milp")  # type: ignore[arg-type]
    assert found.lower_bound_s is not None
    return found.lower_bound_s


def world(seed: int, **options: bool) -> Trace:
    return random_instance(np.random.default_rng(seed), 2, "free", blocks=5, steps=6, max_size=3, **options).trace


@pytest.mark.parametrize("seed", SEEDS)
def test_a_slice_takes_no_longer_than_the_whole(seed: int) -> None:
    """With a free start: the rest of a schedule is one."""
    trace = world(seed, deaths=True)
    assert exact(po.transform(trace, "slice:start=2,stop=5"), seed) <= exact(trace, seed) * (1 + 1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_fewer_and_smaller_blocks_take_no_longer(seed: int) -> None:
    """A sample at the same capacities, and factors up to 1."""
    trace = world(seed, shares=bool(seed % 2))
    whole = exact(trace, seed) * (1 + 1e-9)
    for number in (1, 3):
        assert exact(take_blocks(trace, np.arange(5) != number), seed) <= whole
    assert exact(po.transform(trace, "scale:factor=1/2"), seed) <= whole


@pytest.mark.parametrize("seed", SEEDS)
def test_clusters_of_the_prefill_take_no_less_than_their_blocks(seed: int) -> None:
    """Where copies load no more than a read and a write, and all is there from the start: blocks can follow their cluster."""
    rng = np.random.default_rng(seed)
    trace = Trace.from_reads([np.flatnonzero(rng.random(6) < 0.5).tolist() for _ in range(6)], births=[-1] * 6, sizes=1)
    for step in ("cluster:size=2,window=2,by=order", "segments:blocks=3"):
        assert exact(po.transform(trace, step), seed) >= exact(trace, seed) * (1 - 1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_pages_without_what_is_not_full_take_no_longer_than_the_rule(seed: int) -> None:
    """The same pages, less the loads of those that are being filled."""
    trace = synthesize("drift", {"layers": 2, "prefill": 14, "tokens": 6}, seed)
    memory, llm = {"preset": "gh200", "hbm.capacity": "20 KiB"}, {"kv_bytes": "1 KiB"}
    ruled = po.build_instance(memory, trace, llm=llm, rules={"page_tokens": 4})
    made = po.build_instance(memory, po.transform(trace, "page:tokens=4"), llm=llm)
    values = [po.bound(one, "lp").lower_bound_s for one in (made, ruled)]
    assert values[0] is not None
    assert values[1] is not None
    assert 0 < values[0] <= values[1] * (1 + 1e-9)
    assert ruled.fixed.sum() > made.fixed.sum() == 0


def test_traces_one_after_another_take_no_less_than_each() -> None:
    """Blocks apart, a free start."""
    one, other = world(1), world(2)
    both = exact(po.transform([one, other], "concat"), 3) * (1 + 1e-9)
    assert max(exact(one, 3), exact(other, 3)) <= both


def test_a_sample_estimates_the_bound_of_the_whole() -> None:
    """At capacities times the rate, over the rate: on the average of seeds to within a tenth where reads are independent."""
    trace = synthesize("zipf", {"blocks": 400, "steps": 40, "reads": 30}, 1)
    rules = {"residency": "inclusive"}

    def value(made: Trace, share: float) -> float:
        memory = {"preset": "gh200", "hbm.capacity": f"{int(share * 0.3 * trace.sizes.sum())} B", "lpddr.capacity": "unlimited"}
        found = po.bound(po.build_instance(memory, made, rules=rules), "compact").lower_bound_s
        assert found is not None
        return found

    samples = [value(po.transform(trace, f"sample:rate=0.5,seed={seed}"), 0.5) / 0.5 for seed in range(4)]
    assert np.mean(samples) == pytest.approx(value(trace, 1.0), rel=0.1)


def test_an_aged_block_costs_its_rewriting() -> None:
    """Read whole by the step that rewrites it, then small: by hand, in one tier of 8 bytes a second."""
    trace = Trace.from_reads([[], [0], [], [0], [0]], births=[0], sizes=8)
    made = po.transform(trace, "scale:factor=1/2,recent=2 steps")
    memory = chain([100], [8], [])
    times = [po.bound(make_instance(memory, one, "exclusive"), "milp").lower_bound_s for one in (trace, made)]
    # Written and read thrice, a second each; and with step 2 reading 8 bytes and writing 4, then twice half.
    assert times == [pytest.approx(1 + 3), pytest.approx(1 + 1 + 1.5 + 2 * 0.5)]
