"""Every refusal of a transform says which, which parameter, what was found and what was expected."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms import transform
from tests.small import make_trace

BYTES = Trace.from_reads([[0], [0, 1]], births=[-1, 0], sizes=8)
TOKENS = Trace.from_reads([[0, 1], [1]], sizes=1, size_unit="token-layers", layers=1)
NAMED = replace(TOKENS, block_token=np.array([0, 0], dtype=np.int32))

SPELT = {
    3: 'transforms: found 3, expected a transform such as "page:tokens=16"',
    "pages": "transforms: found transform 'pages', did you mean 'page'?",
    "": "transforms: found transform '', expected one of page, cluster, merge-runs, slots, segments, allocate, bytes, scale",
    "page:tokens": "page: found 'tokens', expected parameters such as tokens=16, with commas between them",
    "page:tokens=1,tokens=2": "page: found parameter 'tokens' twice, expected it once",
    "page:token=2": "page: found parameter 'token', did you mean 'tokens'?",
    "page:tokens=two": "page.tokens: found 'two', expected a whole number from 1 to 65535",
    "page:tokens=0": "page.tokens: found 0, expected a whole number from 1 to 65535",
    "cluster:size=0": "cluster.size: found 0, expected a whole number from 1 to 65536",
    "cluster:size=9,window=8": "cluster.size: found 9, expected at most window, 8",
    "cluster:by=keys": "cluster.by: found 'keys', expected one of reads, order",
    "cluster:seed=-1": "cluster.seed: found '-1', expected a whole number from 0 to 9223372036854775807",
    "merge-runs:length=0": "merge-runs.length: found 0, expected a whole number from 1 to 1048576",
    "merge-runs:runs=long": "merge-runs.runs: found 'long', expected one of drawn, fixed, alike",
    "merge-runs:alike=1.5": "merge-runs.alike: found 1.5, expected a finite number in [0, 1]",
    "slots": "slots.slots: found nothing, expected the number of slots of a layer",
    "slots:slots=1": "slots.slots: found 1, expected a whole number from 2 to 2147483647",
    "slots:slots=4,tail=2": "slots.tail: found 2.0, expected a finite number in [0, 1]",
    "slots:slots=4,decay=0": "slots.decay: found 0.0, expected a finite number in (0, 1]",
    "segments:blocks=0": "segments.blocks: found 0, expected a whole number from 1 to 1048576",
    "segments:changing=0": "segments.changing: found 0.0, expected a finite number in (0, 1]",
    "allocate:chunk=64": "allocate.chunk: found '64' without a unit, expected a size with its unit",
    "allocate:streams=0": "allocate.streams: found 0, expected a whole number from 1 to 64",
    "bytes": 'bytes.token: found nothing, expected the KV of one token in one layer, such as "4 KiB"',
    "bytes:token=4": "bytes.token: found '4' without a unit, expected a size with its unit",
    "scale:factor=0": "scale.factor: found '0', expected a factor above 0, at most 64",
    "scale:factor=1/0": "scale.factor: found '1/0', expected a factor above 0, at most 64",
    "scale:factor=65": "scale.factor: found '65', expected a factor above 0, at most 64",
    "scale:factor=half": "scale.factor: found 'half', expected a factor above 0, at most 64",
    "scale:layers=1/2": "scale.layers: found '1/2', expected factors of layers such as \"0-3:1 4-31:1/2\"",
    "scale:layers=3-1:1": "scale.layers: found '3-1:1', expected factors of layers",
    "scale:layers=0-2:1 2:1/2": "scale.layers: found '0-2:1 2:1/2', expected factors of layers",
    "scale:layers=0:1,deepest=1/2": "scale.deepest: found '1/2' beside layers, expected one of the two",
    "scale:recent=10": 'scale.recent: found \'10\', expected an age such as "128 tokens" or "100 steps"',
    "scale:recent=0 steps": "scale.recent: found '0 steps', expected an age such as",
    "scale:of=keys": "scale.of: found 'keys', expected one of kv, weights, all",
    "sample:rate=0": "sample.rate: found 0.0, expected a finite number in (0, 1]",
    "sample:rate=2": "sample.rate: found 2.0, expected a finite number in (0, 1]",
    "slice:start=2,stop=2": "slice.stop: found 2, expected more than start, 2",
    "split:layer=65536": "split.layer: found 65536, expected a whole number from 0 to 65535",
    "concat:same=names": "concat.same: found 'names', did you mean 'labels'?",
    "concat:initial=late": "concat.initial: found 'late', expected one of start, arrive",
    "merge:order=odd": "merge.order: found 'odd', expected one of turns, even",
    "merge:steps=0": "merge.steps: found 0, expected a whole number from 1 to 2147483647",
}


@pytest.mark.parametrize("step", SPELT, ids=str)
def test_what_is_no_transform(step: object) -> None:
    """Words, names and values, before any trace is looked at."""
    with pytest.raises(InputError) as error:
        transform(BYTES, step)  # type: ignore[arg-type]
    assert str(error.value).startswith(SPELT[step])  # type: ignore[index]


@pytest.mark.parametrize(
    ("trace", "step", "message"),
    [
        (BYTES, "page:tokens=2", "page.tokens: found 2 for blocks sized in bytes, expected 1, or a trace whose blocks are"),
        (NAMED, "page:tokens=2", "page.tokens: found two blocks for token 0 of layer 0, expected one token a block"),
        (
            replace(NAMED, size=np.array([4]), block_token=np.array([0, 4], dtype=np.int32)),
            "page:tokens=6",
            "page.tokens: found 6 for blocks of 4 tokens, which do not divide that, expected 4, or a trace of full pages of 4",
        ),
        (
            replace(NAMED, size=np.array([4]), block_token=np.array([0, 6], dtype=np.int32)),
            "page:tokens=8",
            "page.tokens: found 8 for blocks of 4 tokens, of which one begins within a page of 4, expected 4, or",
        ),
        (BYTES, "cluster", "cluster.window: found no 64 consecutive blocks of a layer that are alive together"),
        (BYTES, "merge-runs", "merge-runs.block_token: found blocks without token labels, expected labels, which say"),
        (make_trace([[]], [-1, -1], None, [1, 2]), "slots:slots=3", "slots: found blocks 0 and 1 of a layer, of 1 and 2 bytes"),
        (
            make_trace([[], []], [-1, 0, 0, 0]),
            "slots:slots=2",
            "slots: found 3 blocks of a layer produced by step 0, and 1 of 4 to be merged, expected more slots, or",
        ),
        (Trace.from_reads([[], [0]], births=[0]), "segments", "segments.blocks: found no block that is there from the start"),
        (TOKENS, "allocate", "allocate.chunk: found blocks sized in token-layers, expected bytes"),
        (replace(BYTES, pieces=np.array([2], dtype=np.int32)), "allocate", "allocate.chunk: found blocks in pieces"),
        (BYTES, "allocate:chunk=1 PiB", "allocate.chunk: found chunks of 1 PiB, expected blocks of at most 2**50 bytes"),
        (BYTES, "bytes:token=1 B", "bytes.token: found blocks sized in bytes, expected a trace sized in tokens"),
        (TOKENS, "bytes:token=1 B,layers=2", "bytes.layers: found layers for blocks sized in token-layers"),
        (replace(TOKENS, size_unit="tokens"), "bytes:token=1 B", "bytes.layers: found no layers for blocks sized in tokens"),
        (replace(TOKENS, size=np.array([2])), "bytes:token=1 PiB", "bytes.token: found 1 PiB for blocks of 2"),
        (TOKENS, "scale:factor=1/2", "scale.factor: found blocks sized in token-layers, expected bytes, which the transform"),
        (BYTES, "scale:layers=0:1/2", "scale.layers: found blocks without layers, expected a trace whose blocks are of layers"),
        (BYTES, "scale:deepest=1/2", "scale.deepest: found blocks without layers, expected"),
        (replace(TOKENS, size_unit="bytes"), "scale:layers=0-1:1/2", "scale.layers: found layer 1, expected layers up to 0"),
        (BYTES, "scale:factor=1/2,recent=1 tokens", "scale.recent: found steps or blocks without token labels, expected both"),
        (
            replace(
                BYTES, step_token=np.array([1, 0], dtype=np.int32), block_token=np.array([0, 1], dtype=np.int32)
            ),
            "scale:factor=1/2,recent=1 tokens",
            "scale.recent: found token 0 at step 1, after a later one, expected rising tokens",
        ),
        (BYTES, "sample:rate=1e-9", "sample.rate: found 1e-09, which leaves none of 2 blocks, expected a larger rate"),
        (BYTES, "slice:start=2", "slice.start: found 2, expected one of the 2 steps"),
        (BYTES, "slice:stop=3", "slice.stop: found 3, expected at most 2, the steps that there are"),
        (Trace.from_reads([[], [], [0]], births=[1]), "slice:stop=1", "slice.steps: found no block alive at these steps"),
        (BYTES, "split:layer=0", "split.layer: found steps without layers, expected a trace whose steps are of layers"),
        (TOKENS, "split", "split.layer: found no layer, expected one, or {layer} in the name of the file that is written"),
        (TOKENS, "split:layer=1", "split.layer: found 1, expected one of the 1 layers, up to 0"),
        (
            replace(TOKENS, block_layer=np.array([0, 5], dtype=np.int32)),
            "split:layer=0",
            "split.layer: found block 1 of layer 5 read by a step of layer 0, expected layers that read blocks of their own",
        ),
        (
            replace(Trace.from_reads([[], [0]], layers=2)),
            "split:layer=0",
            "split.layer: found no block of layer 0, expected one at least",
        ),
        (BYTES, "concat", "concat: found one trace, expected several traces, and this as the first transform"),
    ],
)  # fmt: skip
def test_traces_that_a_transform_is_not_for(trace: Trace, step: str, message: str) -> None:
    """Named by the transform and the parameter that asks for it."""
    with pytest.raises(InputError) as error:
        transform(trace, step)
    assert str(error.value).startswith(message)


def test_several_traces() -> None:
    """Are for joining, first of all, in one unit, over one base, of blocks that are the same where they are to be."""
    halves = [replace(BYTES, shares=np.ones(3, dtype=np.uint16), share_base=base) for base in (257, 509)]
    one, other = (make_trace([[0]], [-1], None, [size]) for size in (1, 2))
    for traces, steps, message in (
        ([BYTES, BYTES], ["page"], "trace: found 2 traces, expected one, or concat or merge as the first transform"),
        ([BYTES, BYTES], [], "trace: found 2 traces, expected one, or"),
        ([BYTES, BYTES], ["merge", "concat"], "concat: found it behind another, expected several traces"),
        ([BYTES, TOKENS], ["concat"], "concat.size_unit: found blocks sized in bytes and token-layers, expected one unit"),
        (halves, ["concat"], "concat.shares: found shares over 130813 together, expected a common base of at most 65535"),
        ([one, other], ["concat:same=ids"], "concat.same: found 1 and 2 bytes for the same block, expected blocks of one size"),
        ([BYTES, BYTES], ["merge:same=labels"], "merge.same: found blocks without token labels, expected them in all traces"),
        ([NAMED, NAMED], ["merge:same=labels"], "merge.same: found two blocks for token 0 of layer 0 in trace 0, expected one"),
        ([], ["page"], "trace: found no trace, expected one at least"),
        ([BYTES, 3], ["concat"], "trace: found 3, expected a trace, or a list of them"),
        ("t.npz", ["page"], "trace: found 't.npz', expected a trace, or a list of them"),
        (3, ["page"], "trace: found 3, expected a trace, or a list of them"),
    ):
        with pytest.raises(InputError) as error:
            transform(traces, *steps)  # type: ignore[arg-type]
        assert str(error.value).startswith(message)
