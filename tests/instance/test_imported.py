"""``trace.file`` may name a log itself: it is imported as ``trace import`` does it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from placement_opt.base.errors import InputError
from placement_opt.instance.load import load_instance
from placement_opt.workload.files.npz import save_trace
from placement_opt.workload.formats import mooncake

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
