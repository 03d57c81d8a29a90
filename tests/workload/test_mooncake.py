"""``mooncake``: which blocks a request reads and produces, and what is refused with its line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement_opt.base.errors import InputError
from placement_opt.workload.formats import READERS, mooncake
from placement_opt.workload.transforms.keep import Keep
from tests.taken import taken
from tests.workload.traces import REAL, needs_data, same


def record(time: float, ids: list[Any], **more: Any) -> dict[str, Any]:
    return {"timestamp": time, "input_length": 512 * len(ids), "output_length": 7, "hash_ids": ids} | more


def written(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in records))
    return path


def test_millions_of_short_lines_take_little_memory(tmp_path: Path) -> None:
    """A request without blocks takes a few bytes, so that a small packed file does not become gigabytes."""
    line = json.dumps(record(5, [])).encode() + b"\n"
    requests = 50_000
    (tmp_path / "t.gz").write_bytes(gzip.compress(line * requests))
    with taken() as memory:
        found, _ = mooncake._parse(tmp_path / "t.gz")
    assert memory.held < 30 * requests
    assert len(found.time) == requests


def test_small_file_by_hand(tmp_path: Path) -> None:
    """Requests in order of time, equal times in file order; a first use produces a block, every later one reads it."""
    records = [
        record(30, [5, 6, 9]),
        record(0, [5, 6]),
        record(30, []),
        record(10.5, [5, 7], input_length=513),
    ]
    trace = mooncake.read(written(tmp_path / "t.jsonl", records))
    # In order of time: [5, 6], [5, 7], [5, 6, 9], []; production: 5, 6, 7, 9.
    assert [trace.reads(step).tolist() for step in range(4)] == [[], [0], [0, 1], []]
    assert trace.position is not None
    assert trace.position.tolist() == [0, 0, 1]
    assert trace.birth.tolist() == [0, 0, 1, 2]
    assert trace.death.tolist() == [4] * 4
    assert (trace.size.tolist(), trace.size_unit, trace.shares, trace.step_layer) == ([512], "tokens", None, None)
    assert trace.meta == {
        "format": "mooncake",
        "file": "t.jsonl",
        "block_tokens": 512,
        "unused_keys": [],
        "requests": 4,
        "first_ms": 0,
        "last_ms": 30,
        "distinct_times": 3,
        "reads_after_new": 0,
    }


def test_text_ids_block_size_and_other_keys(tmp_path: Path) -> None:
    """Ids may be texts, records may bring their block size; keys that mean nothing here are named in the metadata."""
    records = [
        record(0, ["a", "b"], block_size=16, input_length=17, priority=1),
        record(1, ["a", "c", "b"], block_size=16, input_length=48, session="x"),
    ]
    trace = READERS["mooncake"](written(tmp_path / "t.jsonl", records))
    assert trace.reads(1).tolist() == [0, 1]
    assert trace.size.tolist() == [16]
    assert trace.meta["unused_keys"] == ["priority", "session"]
    assert trace.meta["reads_after_new"] == 1  # b exists, but c before it did not
    assert trace.position is not None
    assert trace.position.tolist() == [0, 2]


def test_limit_keeps_the_first_requests_in_time(tmp_path: Path) -> None:
    """A limit counts requests in order of time, not of the file."""
    path = written(tmp_path / "t.jsonl", [record(9, [1, 2]), record(3, [3]), record(1, [4])])
    trace = mooncake.read(path, limit=2)
    assert (trace.num_steps, trace.num_blocks) == (2, 2)
    assert (trace.meta["limit"], trace.meta["last_ms"]) == (2, 3)
    with pytest.raises(InputError, match="limit: found -1, expected at least 1"):
        mooncake.read(path, limit=-1)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.integers(0, 2**32))
def test_reader_equals_the_obvious_one(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    """Against a dictionary of blocks and a loop over the requests, sorted by time."""
    rng = np.random.default_rng(seed)
    records = [
        record(int(rng.integers(0, 5)), rng.choice(12, rng.integers(0, 6), replace=False).tolist())
        for _ in range(rng.integers(1, 10))
    ]
    records.append(record(2, [3]))
    trace = mooncake.read(written(tmp_path_factory.mktemp("m") / "t.jsonl", records))
    known: dict[int, int] = {}
    births, places, late = [], [], 0
    for step, request in enumerate(sorted(records, key=lambda one: one["timestamp"])):
        assert trace.reads(step).tolist() == sorted(known[i] for i in request["hash_ids"] if i in known)
        ids = request["hash_ids"]
        places += [k for _, k in sorted((known[i], k) for k, i in enumerate(ids) if i in known)]
        fresh = [i for i in ids if i not in known]
        late += sum(i in known and any(j in fresh for j in ids[:k]) for k, i in enumerate(ids))
        for one in fresh:
            known[one] = len(known)
            births.append(step)
    assert trace.birth.tolist() == births
    assert trace.position is not None
    assert trace.position.tolist() == places
    assert trace.meta["reads_after_new"] == late


def test_variants(tmp_path: Path) -> None:
    """Whole floats, dates, no output, no times, other block sizes, ids without the partial block, a mark, blank last lines."""
    path = written(tmp_path / "t.jsonl", [record(5.0, [1, 2], input_length=600.0), record(2, [1], input_length=100.0)])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes() + b"\n \n")
    trace = mooncake.read(path)
    assert [trace.reads(step).tolist() for step in range(2)] == [[], [0]]
    dates = [{"timestamp": f"2023-11-16 18:17:0{s}.97", "input_length": 600, "hash_ids": ["a"]} for s in (4, 3)]
    trace = mooncake.read(written(path, dates))
    assert trace.meta["last_ms"] - trace.meta["first_ms"] == 1000
    assert trace.meta["partial_blocks"] == "left out"
    untimed = [{"input_length": 48, "hash_ids": [3, 2**64, -1]}, {"input_length": 32, "hash_ids": [3, 2**64]}]
    trace = mooncake.read(written(path, untimed), block_tokens=16)
    assert trace.reads(1).tolist() == [0, 1]
    assert (trace.meta["order"], trace.size.tolist()) == ("file", [16])
    assert "first_ms" not in trace.meta
    with pytest.raises(InputError, match="ttl: found a duration for a format without times"):
        mooncake.read(path, block_tokens=16, keep=Keep.of("ttl", "3s"))


def test_packed_file_reads_the_same(tmp_path: Path) -> None:
    """Gzip is recognised by content."""
    records = [record(0, [1, 2]), record(1, [1, 3])]
    plain = mooncake.read(written(tmp_path / "t.jsonl", records))
    packed = gzip.compress((tmp_path / "t.jsonl").read_bytes())
    (tmp_path / "t.jsonl").write_bytes(packed)
    assert same(mooncake.read(tmp_path / "t.jsonl"), plain)


GOOD = json.dumps(record(0, [1, 2]))
BROKEN = [
    ("", ":1: found an empty file, expected one JSON object a line"),
    ("\n", ":1: found an empty file, expected one JSON object a line"),
    (f"{GOOD}\n\n{GOOD}", ":2: found an empty line, expected a JSON object"),
    (f"[{GOOD}]\n", ":1: found one JSON list of objects, expected one object a line (`jq -c '.[]' FILE` writes it so)"),
    (
        f"{GOOD}\n" + json.dumps({"input_length": 512, "hash_ids": [1]}),
        ":2: timestamp: found no time after a number, expected all alike",
    ),
    (
        f"{GOOD}\n" + json.dumps(record(0, [1]) | {"timestamp": "2023-11-16 18:17:03"}),
        ":2: timestamp: found a date after a number, expected all alike",
    ),
    (
        json.dumps(record(0, [0, 1, 2], input_length=48)),
        ":1: hash_ids: found 3 ids, expected 1, or 0 without a partial block (input_length 48 at 512 tokens a block;"
        " --block-tokens 16 fits)",
    ),
    (
        "\n".join(json.dumps(record(0, [n], input_length=length)) for n, length in ((1, 513), (2, 500))),
        ":2: hash_ids: found 1 ids, expected 0 (input_length 500 at 512 tokens a block; earlier records leave out the partial"
        " block)",
    ),
    (f"{GOOD}\n[1]\n", ":2: found [1], expected a JSON object"),
    (f"{GOOD}\n{GOOD[:-1]}\n", f":2: found no valid JSON (Expecting ',' delimiter at column {len(GOOD)}), expected JSON"),
    ('{"timestamp": NaN}', ":1: found NaN, expected a finite number"),
    ('{"timestamp": 1, "timestamp": 2}', ":1: found the key 'timestamp' twice, expected each key once"),
    (
        '{"timestamp": 1, "input_length": 1, "output_length": 1}',
        ":1: hash_ids: found no such key, expected it in every record (--format lengths takes a log without ids, no prefix of"
        " which is known to be shared)",
    ),
    (json.dumps(record(-1, [1])), ":1: timestamp: found -1, expected milliseconds from 0"),
    (json.dumps(record(True, [1])), ":1: timestamp: found True, expected milliseconds from 0"),
    (json.dumps(record(0, [1]) | {"timestamp": "0"}), ":1: timestamp: found '0', expected milliseconds from 0"),
    (json.dumps(record(0, [1], input_length=1.5)), ":1: input_length: found 1.5, expected a whole number from 0 to 2147483647"),
    (json.dumps(record(0, [1], input_length=-5)), ":1: input_length: found -5, expected a whole number from 0 to 2147483647"),
    (
        json.dumps(record(0, [1], output_length=None)),
        ":1: output_length: found None, expected a whole number from 0 to 2147483647",
    ),
    (json.dumps(record(0, [1]) | {"hash_ids": "1"}), ":1: hash_ids: found '1', expected a list of ids"),
    (json.dumps(record(0, [1.0])), ":1: hash_ids: found 1.0, expected whole numbers or texts"),
    (json.dumps(record(0, [False])), ":1: hash_ids: found False, expected whole numbers or texts"),
    (json.dumps(record(0, [""])), ":1: hash_ids: found '', expected whole numbers or texts"),
    (
        json.dumps(record(0, [1, 2], input_length=9000)),
        ":1: hash_ids: found 2 ids, expected 18, or 17 without a partial block (input_length 9000 at 512 tokens a block)",
    ),
    (
        f"{GOOD}\n" + json.dumps(record(0, [1, 2], input_length=512)),
        ":2: hash_ids: found 2 ids, expected 1 (input_length 512 at 512 tokens a block; --block-tokens 256 fits)",
    ),
    (
        json.dumps(record(0, [1, 2, 1])),
        ":1: hash_ids: found 1 twice, expected each id once in a request"
        " (an id stands for a block and all that lies before it)",
    ),
    (json.dumps(record(0, [1, "1"])), ":1: hash_ids: found whole numbers and texts mixed, expected ids of one kind"),
    (
        f"{GOOD}\n" + json.dumps(record(0, ["a"])),
        ":2: hash_ids: found whole numbers and texts mixed, expected ids of one kind",
    ),
    (
        f"{GOOD}\n" + json.dumps(record(0, [1], block_size=256, input_length=256)),
        ":2: block_size: found blocks of 256 tokens after some of 512, expected one size",
    ),
    (json.dumps(record(0, [1], block_size=0)), ":1: block_size: found 0, expected a whole number from 1 to 2147483647"),
    (json.dumps(record(0, [])), ": birth: found no blocks, expected at least one"),
]


@pytest.mark.parametrize(("text", "message"), BROKEN, ids=[message[:60] for _, message in BROKEN])
def test_bad_file_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    """Each wrong file names the line, the key, what was found and what was expected."""
    (tmp_path / "t.jsonl").write_text(text)
    with pytest.raises(InputError) as caught:
        mooncake.read(tmp_path / "t.jsonl")
    assert str(caught.value) == str(tmp_path / "t.jsonl") + message


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    """A line that is not UTF-8 is refused with its number."""
    (tmp_path / "t.jsonl").write_bytes(GOOD.encode() + b"\n\xff\n")
    with pytest.raises(InputError, match=":2: found bytes that are not UTF-8, expected a JSON object"):
        mooncake.read(tmp_path / "t.jsonl")


def test_mutated_files_are_refused_or_valid(tmp_path: Path) -> None:
    """Whatever bytes change in a file: an InputError that names it, or a trace."""
    text = "".join(json.dumps(record(step, [1, 2, step + 3])) + "\n" for step in range(4)).encode()
    rng = np.random.default_rng(6)
    path = tmp_path / "t.jsonl"
    letters = np.frombuffer(b'0123456789,[]{}":\\-.eE tu\n\xff', dtype=np.uint8)
    for _ in range(600):
        data = bytearray(text)
        for place in rng.integers(0, len(data), rng.integers(1, 3)):
            data[place] = int(rng.choice(letters))
        path.write_bytes(data)
        try:
            trace = mooncake.read(path)
        except InputError as error:
            message = str(error)
        else:
            message = f"{path}: a trace of {trace.num_steps} steps"
        assert message.startswith(f"{path}:")


@needs_data
def test_real_trace() -> None:
    """The public conversation trace obeys the law of its ids, and its requests, blocks and reads are counted by hand."""
    lines = [json.loads(line) for line in REAL.read_text().splitlines()]
    assert all(len(one["hash_ids"]) == -(-one["input_length"] // 512) for one in lines)
    trace = mooncake.read(REAL)
    blocks = len({one for line in lines for one in line["hash_ids"]})
    assert (trace.num_steps, trace.num_blocks) == (12_031, blocks) == (12_031, 182_790)
    assert trace.num_reads == sum(len(line["hash_ids"]) for line in lines) - blocks == 105_710
    assert trace.meta["reads_after_new"] == 0
    assert trace.meta["last_ms"] == lines[-1]["timestamp"]


@needs_data
def test_first_requests_of_the_real_trace() -> None:
    """A limit gives the beginning of the whole trace, blocks numbered alike."""
    whole, part = mooncake.read(REAL), mooncake.read(REAL, limit=2000)
    assert part.num_steps == 2000
    assert np.array_equal(part.blocks, whole.blocks[: whole.indptr[2000]])
    assert np.array_equal(part.birth, whole.birth[: part.num_blocks])
