"""Logs of requests other than ``mooncake``: what is read of them, and what is refused with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from placement_opt.base.errors import InputError
from placement_opt.workload.formats import READERS
from placement_opt.workload.formats.detect import read_any
from placement_opt.workload.transforms.keep import Keep
from tests.taken import taken
from tests.workload.traces import REAL

SESSIONS = REAL.parent.parent / "agentic"


def lines(path: Path, records: list[Any]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def chat(chat: int, parent: int, time: float, length: int, ids: list[Any], **more: Any) -> dict[str, Any]:
    return {"chat_id": chat, "parent_chat_id": parent, "timestamp": time, "input_length": length, "hash_ids": ids} | more


def lookup(time: float, length: int, hashes: list[Any], **more: Any) -> dict[str, Any]:
    return {"timestamp": time, "model_name": "m", "chunk_size": 256, "seq_len": length, "chunk_hashes": hashes} | more


def test_bailian(tmp_path: Path) -> None:
    """Seconds, blocks of 16 tokens, the tree in the metadata; a ttl is in the log's seconds."""
    path = lines(tmp_path / "t", [chat(8, 7, 9.5, 40, [5, 6, 8]), chat(7, -1, 2, 30, [5, 6]), chat(9, 4, 20, 16, [5])])
    trace = READERS["bailian"](path)
    assert [trace.reads(step).tolist() for step in range(3)] == [[], [0, 1], [0]]
    assert (trace.size.tolist(), trace.size_unit) == ([16], "tokens")
    assert {key: trace.meta[key] for key in ("roots", "orphans", "first_s", "last_s")} == {
        "roots": 1,
        "orphans": 1,
        "first_s": 2,
        "last_s": 20,
    }
    assert READERS["bailian"](path, keep=Keep.of("ttl", "8 s")).num_blocks == 4
    assert READERS["bailian"](path, keep=Keep("last-use")).death.tolist() == [2, 1, 2]


def test_lmcache(tmp_path: Path) -> None:
    """Full chunks by their hashes; the tail has none."""
    trace = READERS["lmcache"](lines(tmp_path / "t", [lookup(1.5, 600, ["a", "b"]), lookup(2, 300, ["a"])]))
    assert [trace.reads(step).tolist() for step in range(2)] == [[], [0]]
    assert (trace.size.tolist(), trace.meta["model"], trace.meta["partial_blocks"]) == ([256], "m", "left out")


def test_agentic_with_requests_within(tmp_path: Path) -> None:
    """Nested requests count from the outer one where they begin below it, else from the session's start."""
    inner = [{"t": 1, "in": 64, "hash_ids": [9]}]
    session = {
        "requests": [
            {"t": 5, "in": 130, "out": 1, "hash_ids": [1, 2], "requests": inner},
            {"t": 5.5, "in": 64, "hash_ids": [1]},
            {"t": 7, "requests": [{"t": 8, "in": 70, "hash_ids": [9]}]},
        ]
    }
    (tmp_path / "t").write_text(json.dumps(session, indent=1))
    trace = read_any(tmp_path / "t")
    assert [trace.reads(step).tolist() for step in range(4)] == [[], [0], [], [2]]  # at 5, 5.5, 6 and 8
    assert (trace.meta["scope"], trace.meta["last_s"], trace.size.tolist()) == ("local", 8.0, [64])


def test_lengths(tmp_path: Path) -> None:
    """Blocks of one request each; what is not known is said."""
    (tmp_path / "t").write_text("Timestamp,Model,Request tokens,Response tokens\n5,ChatGPT,1025,18\n3,GPT-4,7,490\n\n")
    trace = read_any(tmp_path / "t")
    assert (trace.birth.tolist(), trace.num_reads, trace.meta["prefixes"]) == ([0, 1, 1, 1], 0, "unknown")
    (tmp_path / "t").write_text("TIMESTAMP,ContextTokens\n2023-11-16 18:17:03.9799600,40\n2023-11-16 18:17:04.03,16\n")
    assert read_any(tmp_path / "t", block_tokens=16).birth.tolist() == [0, 0, 0, 1]
    path = lines(tmp_path / "t", [{"timestamp": 1500, "input_length": 600}])
    assert READERS["lengths"](path).meta["first_s"] == 1.5


def test_claims_take_no_memory(tmp_path: Path) -> None:
    """A few digits can claim any number of tokens; refused before anything is made of them."""
    (tmp_path / "t").write_text("input_length\n" + "2000000000\n" * 3)
    with (
        taken() as memory,
        pytest.raises(
            InputError, match=r":2: found 125000000 blocks up to here, expected fewer \(larger ones, with --block-tokens\)"
        ),
    ):
        READERS["lengths"](tmp_path / "t", block_tokens=16)
    assert memory.peak < 2**20


BROKEN = [
    ("bailian", [chat(1, -2, 0, 16, [1])], ":1: parent_chat_id: found -2, expected a whole number from -1"),
    ("bailian", [{"hash_ids": [1]}], ":1: timestamp: found no such key, expected it in every record"),
    ("bailian", [chat(1, -1, "x", 16, [1])], ":1: timestamp: found 'x', expected seconds from 0"),
    (
        "lmcache",
        [lookup(1, 256, ["a"]), lookup(1, 256, ["a"], model_name="n")],
        ":2: model_name: found 'n' after another model, expected one model (split the file by model_name)",
    ),
    ("lmcache", [lookup(1, 256, ["a"], model_name=3)], ":1: model_name: found 3, expected a text"),
    (
        "lmcache",
        [lookup(1, 256, [])],
        ":1: chunk_hashes: found 0 ids, expected 1 (seq_len 256 at 256 tokens a block)",
    ),
    (
        "lmcache",
        [lookup(1, 256, ["a"]), lookup(1, 128, ["b"], chunk_size=128)],
        ":2: chunk_size: found blocks of 128 tokens after some of 256, expected one size",
    ),
    ("agentic", [[1]], ": found [1], expected a JSON object with requests"),
    ("agentic", [{}], ": requests: found no such key, expected it in every record"),
    ("agentic", [{"requests": 3}], ": requests: found 3, expected a list of requests"),
    ("agentic", [{"requests": [3]}], ": requests[0]: found 3, expected a JSON object"),
    ("agentic", [{"requests": [{"t": -1}]}], ": requests[0].t: found -1, expected seconds from 0"),
    (
        "agentic",
        [{"requests": [{"t": 1, "requests": [{"t": 2}]}]}],
        ": requests[0].requests[0].hash_ids: found no such key, expected it in every record",
    ),
    (
        "agentic",
        [{"requests": [{"t": 1, "in": 9, "hash_ids": []}], "hash_id_scope": 1}],
        ': hash_id_scope: found 1, expected "local" or "global"',
    ),
]


@pytest.mark.parametrize(("name", "records", "message"), BROKEN)
def test_refused_with_its_place(tmp_path: Path, name: str, records: list[Any], message: str) -> None:
    """Line or place in the object, key, what was found and expected."""
    with pytest.raises(InputError) as caught:
        READERS[name](lines(tmp_path / "t", records))
    assert str(caught.value) == str(tmp_path / "t") + message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ":1: found an empty file, expected a header and rows"),
        ("input_length\n1.5\n", ":2: input_length: found '1.5', expected a whole number from 0 to 2147483647"),
        ("input_length\n1_0\n", ":2: input_length: found '1_0', expected a whole number from 0 to 2147483647"),
        ("input_length,b\n1\n", ":2: found 1 columns, expected 2"),
        ("timestamp,input_length\nnan,1\n", ":2: timestamp: found nan, expected seconds from 0"),
        (
            "timestamp,input_length\n1,1\n2023-11-16 18:17:03,1\n",
            ":3: timestamp: found a date after a number, expected all alike",
        ),
        (
            "a,b\n",
            ":1: found 'a,b', expected one of the columns contexttokens, request tokens, num_prefill_tokens, input_length,",
        ),
    ],
)
def test_tables_of_lengths_are_refused_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    """Line, column, what was found and expected."""
    (tmp_path / "t").write_text(text)
    with pytest.raises(InputError) as caught:
        READERS["lengths"](tmp_path / "t")
    assert str(caught.value).startswith(str(tmp_path / "t") + message)


@pytest.mark.skipif(not SESSIONS.exists(), reason=f"needs {SESSIONS.parent.name}/{SESSIONS.name}")
@pytest.mark.parametrize(("name", "requests", "reuse"), [("0504", 3, 0.65), ("0732", 84, 0.97), ("0047", 25, 0.92)])
def test_real_sessions(name: str, requests: int, reuse: float) -> None:
    """Requests and the share of references that were there before, as counted from the files."""
    trace = read_any(SESSIONS / f"trace_{name}.json")
    assert (trace.num_steps, round(trace.num_reads / (trace.num_reads + trace.num_blocks), 2)) == (requests, reuse)
