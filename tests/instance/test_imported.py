"""``trace.file`` may name a log itself: it is imported as ``trace import`` does it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from placement_opt.base.errors import InputError
from placement_opt.instance.load import load_instance
from placement_opt.workload.files.npz import save_trace
from placement_opt.workload.formats import mooncake
from placement_opt.workload.transforms.keep import Keep

TEXT = 'schema = 1\nname = "s"\n[memory]\npreset = "gh200"\n[llm]\npreset = "llama-3.1-8b"\n[rules]\nresidency = "free"\n'
TEXT += '[trace]\nfile = "{}"\n'


def test_a_log_is_imported_on_the_fly(tmp_path: Path) -> None:
    """The instance is the same as that of the trace imported before."""
    log = [
        {"timestamp": t, "input_length": 1024, "output_length": 1, "hash_ids": ids} for t, ids in enumerate([[7, 5], [7, 6]])
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, log)))
    save_trace(mooncake.read(tmp_path / "t.jsonl"), tmp_path / "t.npz")
    hashes = set()
    for name in ("t.jsonl", "t.npz"):
        (tmp_path / "s.toml").write_text(TEXT.format(name))
        hashes.add(load_instance(tmp_path / "s.toml").hash)
    assert len(hashes) == 1


def test_what_is_no_log_is_refused(tmp_path: Path) -> None:
    """By its own name, with the formats that there are."""
    (tmp_path / "t.txt").write_text("hello\n")
    (tmp_path / "s.toml").write_text(TEXT.format("t.txt"))
    with pytest.raises(
        InputError, match=r"t.txt: found a format that is not recognised, expected one that is known, or its name"
    ):
        load_instance(tmp_path / "s.toml")


def test_how_a_log_is_imported(tmp_path: Path) -> None:
    """The keys of [trace] are the options of `trace import`."""
    log = [{"timestamp": t, "input_length": 32, "hash_ids": ids} for t, ids in enumerate([[7, 5], [7, 6], [7, 8]])]
    (tmp_path / "t.log").write_text("\n".join(map(json.dumps, log)))
    save_trace(
        mooncake.read(tmp_path / "t.log", limit=2, keep=Keep("last-use"), block_tokens=16, time_unit="s"), tmp_path / "t.npz"
    )
    options = 'format = "mooncake"\nblock_tokens = 16\nkeep = "last-use"\nlimit = 2\ntime_unit = "s"\n'
    (tmp_path / "s.toml").write_text(TEXT.format("t.log") + options)
    (tmp_path / "u.toml").write_text(TEXT.format("t.npz"))
    assert load_instance(tmp_path / "s.toml").hash == load_instance(tmp_path / "u.toml").hash


@pytest.mark.parametrize(
    ("file", "options", "message"),
    [
        ("t.npz", "limit = 2", "trace.limit: found it with the trace file 't.npz', expected it with a log that is imported"),
        ("t.jsonl", 'format = "moncake"', "trace.format: found 'moncake', did you mean 'mooncake'?"),
        ("t.jsonl", "block_tokens = 0", "trace.block_tokens: found 0, expected a whole number from 1 to 2147483647"),
        ("t.jsonl", 'keep = "ttl"', "trace.ttl: found none with keep = 'ttl', expected one with keep = \"ttl\", and only then"),
        (
            "t.jsonl",
            'ttl = "5 s"',
            "trace.ttl: found a time with keep = 'forever', expected one with keep = \"ttl\", and only then",
        ),
        ("t.jsonl", 'time_unit = "us"', "trace.time_unit: found 'us', did you mean 's'?"),
        (
            "t.lmcache.jsonl",
            "block_tokens = 16",
            "trace.block_tokens: found it with the format lmcache, expected a format that has a use for it",
        ),
        ("t.jsonl", "limt = 2", "trace.limt: found unknown key 'limt', did you mean 'limit'?"),
    ],
)
def test_what_cannot_be_said_of_an_import(tmp_path: Path, file: str, options: str, message: str) -> None:
    """Each wrong key is named with its line."""
    (tmp_path / "t.jsonl").write_text('{"timestamp": 0, "input_length": 512, "hash_ids": [1]}\n')
    (tmp_path / "t.lmcache.jsonl").write_text(
        '{"timestamp": 0, "chunk_size": 16, "seq_len": 16, "model_name": "m", "chunk_hashes": ["a"]}\n'
    )
    save_trace(mooncake.read(tmp_path / "t.jsonl"), tmp_path / "t.npz")
    (tmp_path / "s.toml").write_text(TEXT.format(file) + options + "\n")
    with pytest.raises(InputError) as caught:
        load_instance(tmp_path / "s.toml")
    assert str(caught.value).partition(": ")[2] == message
