"""Selections that are written: what comes back as a trace, equal bytes, endings."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from placement_opt.base.errors import InputError
from placement_opt.cli import main
from placement_opt.workload.capture import rows
from placement_opt.workload.capture.capture import target
from placement_opt.workload.capture.rules import Rule
from placement_opt.workload.files.npz import load_trace
from placement_opt.workload.formats.detect import read_any
from tests.capture.cases import rows_of

ABOUT = {"rule": "by hand", "chosen_pages": 4}


def written(path: Path, rule: Rule, seed: int = 1) -> Path:
    with target(path, ABOUT, rule.page_tokens) as file:
        for row, _ in rows_of(rule, seed):
            file.add(row)
    return path


def test_selections_are_read_as_what_was_chosen(tmp_path: Path) -> None:
    """Step by step the pages read, but for those that the step produces; the first row's words are the metadata."""
    rule = Rule(top_k=3, page_tokens=4)
    trace = read_any(written(tmp_path / "t.jsonl.gz", rule), block_tokens=4)
    assert trace.meta["rule"] == "by hand"
    made = {}
    for step, (row, _) in enumerate(rows_of(rule, 1)):
        for page in range((row.length - 1) // 4 + 1):
            made.setdefault((row.layer, page), -1 if page * 4 < 40 else step)
        pages = {page for page in (row.tokens // 4).tolist() if made[row.layer, page] < step}
        assert len(trace.reads(step)) == len(pages)
        assert {int(trace.block_layer[block]) for block in trace.reads(step)} <= {row.layer}  # type: ignore[index]
    assert trace.num_steps == 12


def test_a_trace_is_what_its_selections_are_read_as(tmp_path: Path) -> None:
    """Written straight, or as selections and imported."""
    rule = Rule(top_k=3, page_tokens=4)
    straight = load_trace(written(tmp_path / "t.npz", rule))
    assert (
        main(
            ["trace", "import", str(written(tmp_path / "t.jsonl", rule)), "--block-tokens", "4", "-o", str(tmp_path / "u.npz")]
        )
        == 0
    )
    imported = load_trace(tmp_path / "u.npz")
    assert straight.indptr.tolist() == imported.indptr.tolist()
    assert straight.blocks.tolist() == imported.blocks.tolist()
    assert straight.birth.tolist() == imported.birth.tolist()
    assert dict(straight.meta) == {key: value for key, value in imported.meta.items() if key != "file"}


def test_equal_rows_are_equal_bytes(tmp_path: Path) -> None:
    """Packed, too: no name and no time is in the file."""
    first, second = (written(tmp_path / name, Rule(top_k=3)).read_bytes() for name in ("a.jsonl.gz", "b.jsonl.gz"))
    assert first == second
    assert gzip.decompress(first) == written(tmp_path / "c.jsonl", Rule(top_k=3)).read_bytes()


def test_a_file_that_fails_is_not_there(tmp_path: Path) -> None:
    """Half a capture is none."""
    with pytest.raises(RuntimeError), target(tmp_path / "t.npz", ABOUT, 1):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_another_ending_is_refused(tmp_path: Path) -> None:
    """With those that there are."""
    with pytest.raises(InputError, match=r"^-o: found '.*x\.txt', expected a name that ends in \.npz, \.jsonl, \.jsonl\.gz, "):
        written(tmp_path / "x.txt", Rule(top_k=3))


def test_zstd_without_what_packs_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the package that would."""

    def nothing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(rows, "importlib", SimpleNamespace(import_module=nothing))
    with pytest.raises(InputError) as caught:
        written(tmp_path / "t.jsonl.zst", Rule(top_k=3))
    expected = "expected the package zstandard (or Python 3.14; or a name that ends in .jsonl.gz)"
    assert str(caught.value) == f"-o: found zstd, which nothing here packs, {expected}"


def test_zstd_comes_back(tmp_path: Path) -> None:
    """Where something packs it."""
    try:
        rows.check_ending("t.jsonl.zst")
    except InputError:
        pytest.skip("zstandard is not installed")
    plain, packed = (read_any(written(tmp_path / name, Rule(top_k=3))) for name in ("t.jsonl", "t.jsonl.zst"))
    assert plain.blocks.tolist() == packed.blocks.tolist()


def test_words_of_a_capture_are_an_object(tmp_path: Path) -> None:
    """Anything else under ``capture`` is refused with its place."""
    path = tmp_path / "t.selections.jsonl"
    row = {"capture": 3, "request_id": 0, "layer_id": 0, "seq_len_current": 2, "selected_token_pos": [0]}
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(InputError) as caught:
        read_any(path)
    assert str(caught.value) == f"{path}:1: capture: found 3, expected an object: where the rows come from"
