"""Files of the shapes that public traces have: each is imported as it is, or refused with the way out named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from placement_opt.base.errors import InputError
from placement_opt.workload.formats.detect import detect, read_any
from placement_opt.workload.transforms.keep import Keep

CASES = Path(__file__).parents[2] / ".." / "shared" / "cases" / "lines"
#: Name of a case -> options, requests or steps, blocks; or what is said.
IMPORTED: dict[str, tuple[dict[str, Any], int, int]] = {
    "agentic.jsonl": ({}, 2, 3),
    "bailian.jsonl": ({}, 1, 3),
    "bigid.jsonl": ({}, 1, 2),
    "blankend.jsonl": ({}, 1, 2),
    "bom.jsonl": ({}, 1, 2),
    "burst.csv": ({}, 1, 1),
    "dsa.jsonl": ({}, 1, 3),
    "fl.jsonl": ({}, 1, 2),
    "floor.jsonl": ({}, 1, 1),
    "iso.jsonl": ({}, 1, 2),
    "lmcache.jsonl": ({}, 1, 2),
    "moon16.jsonl": ({"block_tokens": 16}, 2, 4),
    "nohash.jsonl": ({"format": "lengths"}, 1, 2),
    "noout.jsonl": ({}, 1, 2),
    "notime.jsonl": ({}, 2, 2),
}
REFUSED = {
    "array.json": r":1: found one JSON list of objects, expected one object a line \(`jq -c '.\[\]' FILE` writes it so\)",
    "moon16.jsonl": r":1: hash_ids: found 3 ids, expected 1, .*; --block-tokens 16 fits",
    "nohash.jsonl": r":1: hash_ids: found no such key, .* \(--format lengths takes a log without ids",
    "rep.jsonl": r":1: hash_ids: found 1 twice, expected each id once in a request",
}
needs_cases = pytest.mark.skipif(not CASES.exists(), reason="needs ../shared/cases/lines")


@needs_cases
@pytest.mark.parametrize("name", list(IMPORTED))
def test_cases_are_imported(name: str) -> None:
    """Their requests and blocks."""
    options, steps, blocks = IMPORTED[name]
    trace = read_any(CASES / name, **options)
    assert (trace.num_steps, trace.num_blocks) == (steps, blocks)


@needs_cases
@pytest.mark.parametrize("name", list(REFUSED))
def test_cases_are_refused(name: str) -> None:
    """With the way out."""
    with pytest.raises(InputError, match=REFUSED[name]):
        read_any(CASES / name)


@needs_cases
def test_every_case_is_held() -> None:
    """In one of the tables, but for KV events, which have tests of their own."""
    assert {path.name for path in CASES.iterdir()} == {*IMPORTED, *REFUSED, "kvevents.jsonl"}


PUBLIC: dict[str, tuple[str, str, int, int, int]] = {  # text, format, steps, blocks, reads
    "Azure 2023": (
        "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:15:46.6805900,374,44\r\n"
        "2023-11-16 18:15:50.9951690,1396,109\r\n",
        "lengths",
        2,
        4,
        0,
    ),
    "Azure 2024": ("TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-10 00:00:00.009930+00:00,2162,5\n", "lengths", 1, 5, 0),
    "BurstGPT": (
        "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
        "19440110.0,1722ac82,43,GPT-4,906,446,1352,Conversation log\n",
        "lengths",
        1,
        2,
        0,
    ),
    "Vidur": ("arrived_at,num_prefill_tokens,num_decode_tokens\n0.5,1000,20\n", "lengths", 1, 2, 0),
    "LLMServingSim": ('{"input_toks": 600, "output_toks": 5, "arrival_time_ns": 1500000000}\n', "lengths", 1, 2, 0),
    "qwen-bailian": (
        '{"chat_id": 159, "parent_chat_id": 55, "timestamp": 61.114, "input_length": 40, "output_length": 16, "type": "text", '
        '"turn": 2, "hash_ids": [1089, 1090, 1091]}\n',
        "bailian",
        1,
        3,
        0,
    ),
    "Mooncake": (
        f'{{"timestamp": 0, "input_length": 6758, "output_length": 500, "hash_ids": {list(range(14))}}}\n',
        "mooncake",
        1,
        14,
        0,
    ),
    "AIPerf sessions": (
        '{"session_id": "s", "timestamp": 100, "input_length": 600, "hash_ids": [0, 1]}\n'
        '{"session_id": "s", "delay": 500, "input_length": 1100, "hash_ids": [0, 1, 2]}\n',
        "aiperf",
        2,
        3,
        2,
    ),
    "AIPerf export": (
        '{"metadata": {"request_start_ns": 1759522419158355424}, "metrics": '
        '{"input_sequence_length": {"value": 550, "unit": "tokens"}}}\n'
        '{"metadata": {"request_start_ns": 1759522419158355424}, "metrics": {}, "error": {"code": 503}}\n',
        "aiperf",
        1,
        2,
        0,
    ),
}


@pytest.mark.parametrize("name", list(PUBLIC))
def test_public_shapes_are_imported(tmp_path: Path, name: str) -> None:
    """Recognised, and read."""
    text, format, steps, blocks, reads = PUBLIC[name]
    (tmp_path / "t").write_bytes(text.encode())
    trace = read_any(tmp_path / "t")
    assert (detect(tmp_path / "t"), trace.num_steps, trace.num_blocks, trace.num_reads) == (format, steps, blocks, reads)


WORDS = {
    "ShareGPT": ('[{"id": "a", "conversations": [{"from": "human", "value": "Hello"}]}]', "conversations as ShareGPT has them"),
    "SageMaker": (
        '{"captureData": {"endpointInput": {"data": "e30=", "encoding": "BASE64"}}, "eventMetadata": {"eventId": "a"}}\n',
        "SageMaker's data capture",
    ),
    "inputs.json": (
        '{\n  "data": [\n    {"session_id": "a", "payloads": [{"messages": []}]}\n  ]\n}\n',
        "AIPerf's inputs.json",
    ),
    "multi-turn": ('{"session_id": "a", "turns": [{"text": "Hello", "delay": 5}]}\n', "AIPerf's multi-turn conversations"),
}


@pytest.mark.parametrize("name", list(WORDS))
def test_prompts_in_words_are_refused(tmp_path: Path, name: str) -> None:
    """By what the file is, with what would do."""
    text, what = WORDS[name]
    (tmp_path / "t").write_text(text)
    with pytest.raises(InputError) as caught:
        read_any(tmp_path / "t")
    expected = "expected ids of blocks (what a server looks up or stores, such as LMCache's log), or lengths (--format lengths)"
    assert str(caught.value) == f"{tmp_path}/t:1: found {what}, whose prompts are texts, {expected}"


def turns(*records: dict[str, Any]) -> str:
    return "".join(
        json.dumps({"input_length": 512 * len(record.get("hash_ids", [])) or 9} | record) + "\n" for record in records
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"text_input": "Hello"}\n',
            ":1: text_input: found a prompt in words, which has no ids, expected input_length and hash_ids",
        ),
        ('{"messages": [{"role": "user"}]}\n', ":1: messages: found a prompt in words"),
        (turns({"session_id": 5, "hash_ids": [1]}), ":1: session_id: found 5, expected a text"),
        (turns({"session_id": "s", "delay": -1, "hash_ids": [1]}), ":1: delay: found -1, expected milliseconds from 0"),
        (
            turns({"session_id": "s", "hash_ids": [1]}, {"session_id": "s", "delay": 1, "hash_ids": [2]}),
            ": hash_ids: found turns none of which repeats the turn before it (deltas, whose history AIPerf adds",
        ),
        (turns({"session_id": "s", "delay": 0, "context_mode": "x"}), ""),
        ('{"metadata": {}, "metrics": {"input_sequence_length": {"value": 1}}}\n', ":1: timestamp_ns: found no such key"),
        ('{"metadata": {"request_start_ns": 1}, "metrics": {"a": 1}}\n', ":1: value: found no such key"),
        ('{"metadata": {"request_start_ns": 1}, "metrics": {}}\n', ": found no request that was answered"),
        ('{"metadata": 1, "metrics": {}}\n', ":1: metrics: found no table, expected metadata and metrics"),
    ],
)
def test_aiperf_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """With line and key."""
    (tmp_path / "t").write_text(text)
    with pytest.raises(InputError) as caught:
        read_any(tmp_path / "t", "aiperf")
    assert str(caught.value).startswith(str(tmp_path / "t") + message)


def test_aiperf_turns_have_times(tmp_path: Path) -> None:
    """A delay counts from the turn before it; a ttl is in that time."""
    chat = [{"session_id": "s", "timestamp": 1000, "hash_ids": [1]}, {"session_id": "s", "delay": 500, "hash_ids": [1, 2]}]
    (tmp_path / "t").write_text(turns(chat[0], chat[1], {"session_id": "u", "timestamp": 1200, "hash_ids": [3]}))
    trace = read_any(tmp_path / "t")
    assert [trace.reads(step).tolist() for step in range(3)] == [[], [], [0]]
    assert {key: trace.meta[key] for key in ("sessions", "turns", "last_ms")} == {"sessions": 2, "turns": 1, "last_ms": 1500}
    assert read_any(tmp_path / "t", keep=Keep.of("ttl", "400 ms")).num_blocks == 4
    (tmp_path / "t").write_text(turns(chat[0], chat[1] | {"hash_ids": [7], "context_mode": "message_array_with_responses"}))
    assert read_any(tmp_path / "t").num_reads == 0
