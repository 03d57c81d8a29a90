"""Every exporter: what its reader makes of the file is the trace, but for what was named as lost."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from placement_opt.base.errors import InputError
from placement_opt.workload.formats import OPTIONS, READERS
from placement_opt.workload.formats.writers import WRITERS, losses
from placement_opt.workload.formats.writers.prompts import TIMES
from placement_opt.workload.trace import Trace
from tests.workload.traces import random_trace

#: Losses that change nothing of what is compared below.
UNSEEN = {TIMES, "which chat each request is of", "in how many pieces blocks are stored", "what kind each block is of"}
ONE_STEP = "which accesses are of one step is told by their time alone"
MADE = "that steps produce blocks"
LAYERS = "which layer steps and blocks are of"
RECORDS = ("oracle-general", "libcachesim-csv")
#: Which kinds of traces each must take.
TAKES = {
    "access-csv": {"plain", "bytes", "layers", "requests", "decoding"},
    "parquet": {"plain", "bytes", "layers", "requests", "decoding"},
    "npz-csr": {"plain", "bytes", "layers", "requests", "decoding"},
    "libcachesim-csv": {"plain", "bytes", "layers", "requests", "decoding"},
    "oracle-general": {"bytes"},
    "mooncake": {"requests"},
    "bailian": {"requests"},
    "reads-csv": {"decoding"},
    "selections": {"decoding"},
}


def _plain(rng: np.random.Generator, **more: Any) -> Trace:
    steps, blocks = int(rng.integers(1, 7)), int(rng.integers(1, 9))
    return random_trace(rng, steps=steps, blocks=blocks, deaths=bool(rng.integers(2)), **more)


def _bytes(rng: np.random.Generator) -> Trace:
    trace = _plain(rng, sizes=bool(rng.integers(2)), shares=bool(rng.integers(2)), positions=bool(rng.integers(2)))
    return replace(trace, size_unit="bytes", pieces=np.ones(1, dtype=np.int32))


def _layers(rng: np.random.Generator) -> Trace:
    """Blocks that steps of their own layer alone produce and read."""
    layers, steps, blocks = int(rng.integers(1, 4)), int(rng.integers(1, 9)), int(rng.integers(1, 9))
    birth = np.where(rng.random(blocks) < 0.5, -1, rng.integers(0, steps, blocks))
    of = np.where(birth < 0, rng.integers(0, layers, blocks), birth % layers)
    reads = [np.flatnonzero((of == step % layers) & (birth < step) & (rng.random(blocks) < 0.6)) for step in range(steps)]
    unit = str(rng.choice(["bytes", "token-layers"]))
    return Trace.from_reads(reads, births=birth.tolist(), sizes=7, size_unit=unit, layers=layers)  # type: ignore[arg-type]


def _requests(rng: np.random.Generator) -> Trace:
    """Prompts that go on from one another, as they would be logged."""
    size, prompts = int(rng.choice([16, 64, 512])), [[0]]
    for _ in range(int(rng.integers(0, 6))):
        old = prompts[rng.integers(len(prompts))]
        kept = old[: rng.integers(0, len(old) + 1)]
        fresh = max(map(max, prompts)) + 1
        prompts.append(kept + list(range(fresh, fresh + int(rng.integers(1, 3)))))
    return _through("mooncake", "".join(f'{{"input_length": {size * len(ids)}, "hash_ids": {ids}}}\n' for ids in prompts), size)


def _decoding(rng: np.random.Generator) -> Trace:
    """Rows of tokens and layers, as a simulator would write them."""
    layers, prefill, text = int(rng.integers(1, 4)), int(rng.integers(1, 4)), "n,l,read_kv\n"
    for token in range(prefill, prefill + int(rng.integers(1, 4))):
        for layer in range(layers):
            text += f'{token},{layer},"[{",".join(map(str, np.flatnonzero(rng.random(token) < 0.5)))}]"\n'
    return _through("reads-csv", text)


def _through(name: str, text: str, block_tokens: int | None = None) -> Trace:
    import tempfile

    with tempfile.NamedTemporaryFile("w", suffix=".txt") as handle:
        handle.write(text)
        handle.flush()
        return READERS[name](handle.name, **({"block_tokens": block_tokens} if block_tokens else {}))


KINDS = {"plain": _plain, "bytes": _bytes, "layers": _layers, "requests": _requests, "decoding": _decoding}


def _forgotten(trace: Trace, lost: set[str]) -> Trace:
    """The trace without what is said to be lost."""
    if losses.FREED in lost:
        trace = replace(trace, death=np.full_like(trace.death, trace.num_steps))
    if losses.PREFIX in lost:
        trace = replace(trace, position=None)
    if "which share of a block is read" in lost:
        trace = replace(trace, shares=None, share_base=1)
    if losses.LABELS in lost:
        trace = replace(trace, step_token=None, block_token=None)
    return trace


def _seen(trace: Trace, lost: set[str]) -> list[Any]:
    """Everything of a trace but how its blocks are numbered: each block by its life, its labels and what reads it."""
    number = np.arange(trace.num_steps + 1)
    if losses.IDLE in lost:
        active = np.diff(trace.indptr) + np.diff(trace.births_by_step[0]) > 0
        number = np.concatenate([[0], np.cumsum(active)])
    blocks = []
    for block in range(trace.num_blocks):
        at = np.flatnonzero(trace.blocks == block)
        birth = int(trace.birth[block])
        if losses.UNREAD in lost and birth < 0 and not len(at):
            continue
        labels = [None if label is None else int(label[block]) for label in (trace.block_layer, trace.block_token)]
        life = (-1 if birth < 0 else int(number[birth]), int(number[trace.death[block]]), int(trace.sizes[block]))
        reads = [(int(number[trace.read_step[read]]), _of(trace.shares, read), _of(trace.position, read)) for read in at]
        blocks.append(repr((life, labels, reads)))
    steps = [None if label is None else label.tolist() for label in (trace.step_layer, trace.step_token)]
    if losses.IDLE in lost:
        steps = [
            None if label is None else [each for each, is_active in zip(label, active, strict=True) if is_active]
            for label in steps
        ]
    return [int(number[-1]), trace.size_unit, steps, sorted(blocks)]


def _of(array: Any, at: int) -> int | None:
    return None if array is None else int(array[at])


def _accesses(trace: Trace) -> list[tuple[int, int]]:
    """Each access in order, a block by when it was first met, and its size."""
    pairs = [(int(step), 0, int(block)) for step, block in zip(trace.read_step, trace.blocks, strict=True)]
    pairs += [(int(birth), 1, block) for block, birth in enumerate(trace.birth) if birth >= 0]
    met: dict[int, int] = {}
    return [(met.setdefault(block, len(met)), int(trace.sizes[block])) for _, _, block in sorted(pairs)]


def _options(name: str, trace: Trace) -> dict[str, int]:
    sized = trace.size_unit == "bytes" or name == "mooncake" or "block_tokens" not in OPTIONS[name]
    return {} if sized else {"block_tokens": int(trace.size[0])}


def test_all_are_held() -> None:
    """A writer for each row above, each with a reader of its name."""
    assert set(TAKES) == set(WRITERS) <= set(READERS)


@pytest.mark.parametrize("name", list(TAKES))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(list(KINDS)), seed=st.integers(0, 2**32 - 1))
def test_what_comes_back_is_the_trace(tmp_path: Path, name: str, kind: str, seed: int) -> None:
    """But for what was named as lost, and the numbers of blocks."""
    if name == "parquet" and importlib.util.find_spec("pyarrow") is None:
        pytest.skip("needs pyarrow")
    trace = KINDS[kind](np.random.default_rng(seed))
    path = tmp_path / "t"
    try:
        lost = set(WRITERS[name](trace, path))
    except InputError as error:
        if kind in TAKES[name] and "found no step that accesses a block" not in str(error):
            raise
        return
    found = READERS[name](path, **_options(name, trace))
    if name in RECORDS:
        assert _accesses(found) == _accesses(trace)
        assert (MADE in lost) == bool((trace.birth >= 0).any())
        assert (ONE_STEP in lost) == bool((np.diff(trace.indptr) + np.diff(trace.births_by_step[0]) > 1).any())
        assert (LAYERS in lost) == (trace.step_layer is not None)
        return
    left = {item for item in lost if "(--block-tokens" not in item} - UNSEEN
    known = {
        losses.FREED,
        losses.PREFIX,
        losses.REQUESTS,
        losses.LABELS,
        losses.UNREAD,
        losses.IDLE,
        "which share of a block is read",
    }
    unit = {item for item in left if item.startswith("that sizes are in ")}
    assert left - unit <= known
    found = replace(found, size_unit=trace.size_unit) if unit else found
    found = replace(found, position=None) if trace.position is None else found
    assert _seen(found, lost) == _seen(_forgotten(trace, lost), lost)


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """By what is wrong with the trace, and what would do."""
    shared = Trace.from_reads([[0], [0]], sizes=5, size_unit="token-layers", layers=2)
    labels = replace(
        shared,
        step_token=np.array([3, 3], dtype=np.int32),
        block_token=np.zeros(1, dtype=np.int32),
    )
    for name, trace, message in (
        ("selections", shared, "found another kind of trace, expected one of decoding, its steps and blocks labelled"),
        ("reads-csv", labels, "found blocks that are not those of one layer's tokens, expected one of decoding"),
        ("access-csv", Trace.from_reads([[]], births=[-1]), "found no step that accesses a block, expected one at least"),
        (
            "npz-csr",
            Trace.from_reads([[0, 1]], sizes=[1, 2], size_unit="tokens"),
            "size: found sizes in tokens, expected bytes",
        ),
    ):
        with pytest.raises(InputError, match=message):
            WRITERS[name](trace, tmp_path / "t")
        assert not (tmp_path / "t").exists()


def test_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parquet names the extra."""
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"found no pyarrow, .* \(pip install 'placement-opt\[parquet\]'\)"):
        WRITERS["parquet"](Trace.from_reads([[0]]), tmp_path / "t")
    (tmp_path / "t").write_bytes(b"PAR1" + bytes(8) + b"PAR1")
    with pytest.raises(InputError, match="t: found no pyarrow"):
        READERS["parquet"](tmp_path / "t")


def test_mooncake_says_its_blocks(tmp_path: Path) -> None:
    """Those of other than 512 tokens come back without being named."""
    trace = _requests(np.random.default_rng(3))
    WRITERS["mooncake"](trace, tmp_path / "t")
    size = int(trace.size[0])
    assert json.loads((tmp_path / "t").read_text().splitlines()[0]).get("block_size", 512) == size
    assert READERS["mooncake"](tmp_path / "t").size.tolist() == [size]
