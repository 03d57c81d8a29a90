"""What holds of transforms whatever the trace: valid traces, and nothing done by parameters that ask for nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement_opt.base.errors import InputError
from placement_opt.report.trace_info import info_text
from placement_opt.workload.files.npz import load_trace, save_trace
from placement_opt.workload.stats import describe_trace
from placement_opt.workload.synth import synthesize
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms import transform
from placement_opt.workload.transforms.names import TRANSFORMS
from placement_opt.workload.transforms.select import take_blocks, take_steps
from tests.small import make_trace
from tests.workload.transforming import reads_of, rich, same

#: Transforms that suit any trace in bytes, and those that want blocks of one size.
ANY = ["cluster:size=2,window=4", "cluster:size=2,window=4,by=order", "segments:blocks=2,updates=3", "slice:start=2,stop=6"]
ANY += ["sample:rate=0.6", "scale:factor=1/3", "scale:factor=1/2,recent=2 steps", "scale:factor=2,of=all"]
EQUAL = ["slots:slots=5,tail=0.2", "allocate:chunk=8 B,streams=1", "allocate:chunk=7 B,streams=2"]
LABELLED = [
    "merge-runs:length=3,runs=fixed",
    "merge-runs:length=2",
    "merge-runs:runs=alike,length=4,alike=0.3",
    "split:layer=1",
]
LABELLED += ["scale:factor=1/2,recent=2 tokens", "scale:deepest=1/4", "scale:layers=1:1/3,recent=1 tokens"]
NOTHING = ["cluster:size=1", "merge-runs:length=1", "segments:blocks=1", "slice:start=0", "sample:rate=1", "scale:factor=1"]
NOTHING += ["slots:slots=17", "scale:factor=1,recent=1 steps"]

seeds = st.integers(0, 10_000)


def applied(trace: Trace, *steps: str) -> Trace | None:
    """None where the trace is none for them."""
    try:
        return transform(trace, *steps)
    except InputError:
        return None


@given(seeds, st.sampled_from(ANY + LABELLED))
@settings(max_examples=120)
def test_a_transformed_trace_is_valid(seed: int, step: str) -> None:
    """Whatever arrays it has (a trace checks itself), with the same steps' labels, and read in no step that read nothing."""
    trace = rich(seed)
    made = applied(trace, step)
    if made is None or step.startswith(("slice", "split")):
        return
    assert made.num_steps == trace.num_steps
    assert (made.step_layer is None) == (trace.step_layer is None)
    assert (made.block_kind is None) == (trace.block_kind is None)
    assert (made.pieces is None) == (trace.pieces is None)


@given(seeds, st.sampled_from(EQUAL))
@settings(max_examples=40)
def test_so_is_one_of_slots_and_chunks(seed: int, step: str) -> None:
    """Of blocks of one size."""
    made = applied(rich(seed, equal=True), step)
    assert made is None or made.num_steps == 8


@given(seeds, st.sampled_from(NOTHING))
@settings(max_examples=60)
def test_parameters_that_ask_for_nothing_change_nothing(seed: int, step: str) -> None:
    """Every array is the same."""
    trace = rich(seed, equal=step.startswith("slots"))
    made = applied(trace, step)
    assert made is None or same(made, trace)


def test_and_none_of_them_is_refused() -> None:
    """Where the trace has labels and blocks of one size."""
    trace = synthesize("drift", {"layers": 2, "prefill": 6, "tokens": 3}, 1)
    small = transform(trace, "bytes:token=1 B")
    for step in NOTHING:
        assert same(transform(small, step), small)
    assert same(transform(trace, "page:tokens=1"), trace)


@given(seeds, st.integers(1, 7))
@settings(max_examples=40)
def test_slices_concatenated_are_the_whole(seed: int, cut: int) -> None:
    """Blocks are told by their labels; what cannot be carried is where a slice has no block at all."""
    trace = rich(seed)
    if trace.block_token is None:
        return
    try:
        parts = [transform(trace, f"slice:stop={cut}"), transform(trace, f"slice:start={cut}")]
    except InputError:  # a slice has no block at all
        return
    whole = transform(parts, "concat:same=labels")
    order = np.lexsort((np.arange(16), trace.block_token, trace.block_layer))
    back = np.lexsort((np.arange(16), whole.block_token, whole.block_layer))
    for name in ("birth", "death", "sizes"):
        assert np.array_equal(getattr(whole, name)[back], getattr(trace, name)[order])
    number = dict(zip(back.tolist(), order.tolist(), strict=True))
    assert [{number[block]: share for block, share in row.items()} for row in reads_of(whole)] == reads_of(trace)


def test_slices_of_a_drawn_trace_are_the_whole_to_the_last_id() -> None:
    """Whose blocks are numbered as they are produced."""
    trace = synthesize("drift", {"layers": 2, "prefill": 20, "tokens": 9}, 1)
    parts = [transform(trace, f"slice:start={low},stop={low + 6}") for low in (0, 6, 12)]
    assert same(transform(parts, "concat:same=labels"), trace)


@given(st.integers(0, 100), st.sampled_from([(2, 4), (2, 6), (3, 9), (4, 8)]))
@settings(max_examples=12)
def test_pages_of_pages_are_pages_of_the_product(seed: int, tokens: tuple[int, int]) -> None:
    """In every array, and so are the reads that are lost of pages not yet full, together."""
    trace = synthesize("drift", {"layers": 2, "prefill": 30, "tokens": 12}, seed)
    small, large = tokens
    once = transform(trace, f"page:tokens={large}")
    twice = transform(trace, f"page:tokens={small}", f"page:tokens={large}")
    assert same(once, twice)
    lost = [sum(one["found"]["tail_read_tokens"] for one in made.meta["transforms"]) for made in (once, twice)]
    assert lost[0] == lost[1]


def test_samples_are_nested_and_of_the_size_asked_for() -> None:
    """A smaller rate takes some of what a larger one takes, another seed others; the share is right within 5 deviations."""
    trace = Trace.from_reads([range(10_000)], layers=1)
    trace = replace(trace, block_token=np.arange(10_000, dtype=np.int32))
    taken = {
        (rate, seed): set(transform(trace, f"sample:rate={rate},seed={seed}").block_token.tolist())
        for rate in (0.1, 0.4)
        for seed in (0, 1)
    }
    for (rate, seed), ids in taken.items():
        assert abs(len(ids) - rate * 10_000) < 5 * (rate * (1 - rate) * 10_000) ** 0.5
        assert ids <= taken[0.4, seed]
    assert len(taken[0.4, 0] & taken[0.4, 1]) < 2000


def test_the_error_of_a_sample_is_the_one_told() -> None:
    """Over 200 seeds the share read deviates by the standard error, within a quarter of it."""
    trace = synthesize("zipf", {"blocks": 60, "steps": 20, "reads": 10}, 1)
    found = [transform(trace, f"sample:rate=0.5,seed={seed}").meta["transforms"][0]["found"] for seed in range(200)]
    spread = np.std([one["read_share"] / 0.5 for one in found])
    assert spread == pytest.approx(found[0]["standard_error"], rel=0.25)
    assert np.mean([one["read_share"] for one in found]) == pytest.approx(0.5, abs=3 * spread * 0.5 / 200**0.5)


def test_a_sample_of_a_prefix_closes_up() -> None:
    """Places of what is left move up by what is gone before them; a place of what is not there yet stays one."""
    trace = replace(
        make_trace([[0, 1, 2, 3], [1, 3]], [-1] * 4),
        position=np.array([2, 0, 4, 1, 3, 0], dtype=np.int32),
    )
    for kept, places in {(0, 1): [1, 0, 2], (1, 2): [0, 2, 2], (3,): [0, 0], (0, 1, 3): [2, 0, 1, 3, 0]}.items():
        made = take_blocks(trace, np.isin(np.arange(4), kept))
        assert made.position.tolist() == places  # of (1, 2) the gap at 3 stays in front of what stood at 4


@given(seeds, st.sampled_from(["order=turns", "order=even", "order=turns,steps=3", "order=even,steps=2"]))
@settings(max_examples=25)
def test_merged_traces_keep_their_order(seed: int, how: str) -> None:
    """The steps of each are there, in its order, with its reads."""
    one, other = rich(seed), take_steps(rich(seed + 1), np.arange(5))
    made = transform([one, other], f"merge:{how}")
    rows, second = reads_of(made), [{block + 16: share for block, share in row.items()} for row in reads_of(other)]
    for wanted in (reads_of(one), second):
        left = iter(rows)
        assert all(any(row == step for row in left) for step in wanted)
    assert made.num_steps == 13


def test_turns_and_even_steps() -> None:
    """Turns: one after the other while there are steps; even: both end together."""
    long, short = Trace.from_reads([[0]] * 4), Trace.from_reads([[0]] * 2)
    which = [[next(iter(row)) for row in reads_of(transform([long, short], f"merge:order={how}"))] for how in ("turns", "even")]
    assert which == [[0, 1, 0, 1, 0, 0], [0, 1, 0, 0, 1, 0]]


def test_every_transform_is_recorded_and_told(tmp_path: Path) -> None:
    """In the file, in order, and in what trace info says; of joined traces with the metadata of each."""
    trace = synthesize("drift", {"layers": 2, "prefill": 40, "tokens": 8}, 1)
    made = transform(
        [transform(trace, "slice:stop=8"), trace], "merge:steps=2,same=labels", "page:tokens=4", "sample:rate=0.5,seed=2"
    )
    save_trace(made, tmp_path / "t.npz")
    back = load_trace(tmp_path / "t.npz")
    records = back.meta["transforms"]
    assert [one["name"] for one in records] == ["merge", "page", "sample"]
    assert [one["parameters"] for one in records][1:] == [{"tokens": 4}, {"rate": 0.5, "seed": 2}]
    assert [one.get("generator") for one in records[0]["of"]] == ["drift", "drift"]
    assert records[0]["of"][0]["transforms"][0]["name"] == "slice"
    text = info_text(describe_trace(back), back)
    assert "transform       merge of 2 traces: order turns, same labels, steps 2" in text
    assert "every capacity must be" in text


def test_metadata_of_others_are_shown_as_far_as_they_go() -> None:
    """A file may have anything under that name."""
    for meta in ({"transforms": 3}, {"transforms": [3, {"name": "x", "parameters": 1, "told": 2, "of": 3}]}):
        trace = replace(Trace.from_reads([[0]]), meta=meta)
        assert info_text(describe_trace(trace), trace).count("transform") <= 2


def test_each_transform_is_imported_when_it_is_asked_for() -> None:
    """And says of each parameter what it means."""
    for name, kind in TRANSFORMS.items():
        assert all(field.metadata["help"] for field in kind.params.__dataclass_fields__.values()), name
