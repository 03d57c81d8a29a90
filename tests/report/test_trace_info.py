"""What a trace looks like, for people: lines, layers, words for where it is from, and the picture."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from placement_opt.cli import main
from placement_opt.report.trace_info import cache_at, info_text, meta_rows
from placement_opt.report.trace_picture import draw
from placement_opt.workload.files.npz import save_trace
from placement_opt.workload.profile.hits import HitCurve
from placement_opt.workload.stats import describe_trace
from placement_opt.workload.synth import synthesize
from tests.cli.cases import write_drift
from tests.small import make_trace
from tests.workload.traces import DATA, REAL, needs_data

LOG = "".join(
    f'{{"timestamp": {n}, "input_length": {512 * len(ids)}, "output_length": 1, "hash_ids": {ids}}}\n'
    for n, ids in enumerate([[1, 2], [1, 2, 3], [4]])
)


def info(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> str:
    assert main(["trace", "info", *argv]) == code
    out = capsys.readouterr()
    return out.err if code else out.out


def test_whatever_has_a_trace_is_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A log, rows, runs, and an instance, whose sizes are bytes: the same reads."""
    (tmp_path / "log.jsonl").write_text(LOG)
    assert json.loads(info(capsys, str(tmp_path / "log.jsonl"), "--json"))["reads"] == 2
    question = write_drift(tmp_path)
    assert main(["trace", "runs", str(question), "-o", str(tmp_path / "t.runs")]) == 0
    capsys.readouterr()
    runs, whole = (json.loads(info(capsys, str(path), "--json")) for path in (tmp_path / "t.runs", question))
    assert (runs["schema"], runs["size_unit"], whole["size_unit"]) == (1, "token-layers", "bytes")
    for key in ("steps", "reads", "blocks", "layers", "reuse_distance", "stack_distance", "overlap", "by_layer"):
        assert runs[key] == whole[key], key
    assert whole["total_size"] % whole["blocks"] == 0
    assert whole["total_size"] > runs["total_size"]


def test_what_has_no_trace_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Text of no known format, a picture of no known format, an output that is the input."""
    (tmp_path / "x.txt").write_text("hello\n")
    assert "found a format that is not recognised" in info(capsys, str(tmp_path / "x.txt"), code=2)
    assert "expected a name that ends in .png or .svg" in info(capsys, str(tmp_path / "x.txt"), "--plot", "x.pdf", code=2)
    save_trace(make_trace([[0]], [-1]), tmp_path / "t.svg")
    assert "--plot" in info(capsys, str(tmp_path / "t.svg"), "--plot", str(tmp_path / "t.svg"), code=2)


def test_runs_that_do_not_fit_in_rows_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the number of reads and both amounts of memory."""
    assert main(["trace", "runs", str(write_drift(tmp_path)), "-o", str(tmp_path / "t.runs")]) == 0
    capsys.readouterr()
    err = info(capsys, str(tmp_path / "t.runs"), "--memory-limit", "64 MiB", code=3)
    assert "found room for 64 MiB (--memory-limit), expected about " in err


def test_many_layers_are_summed_up() -> None:
    """Up to 16 layers have a line each, more of them the least, middle and greatest of each column."""
    for layers, first, count in ((16, "0 ", 16), (17, "least", 3)):
        trace = synthesize("drift", {"layers": layers, "prefill": 20, "tokens": 5}, 1)
        lines = info_text(describe_trace(trace), trace).partition("\n\n")[2].splitlines()
        assert (len(lines), lines[2].startswith(first)) == (2 + count, True)


def test_where_a_trace_is_from_is_told_in_words() -> None:
    """Tables on lines of their own, what importers noted as assumptions, nothing of what is 0 or empty."""
    meta = {
        "format": "mooncake",
        "parameters": {"a": 1, "b": None, "deep": {"c": [2, 3]}},
        "reads_after_new": 0,
        "unused_keys": ["x", "y"],
        "orphans": 4,
        "assumptions": ["one", "two"],
    }
    assert meta_rows(meta) == [
        ("source", "format mooncake"),
        ("parameters", "a 1, deep (c 2 and 3)"),
        ("assumed", "one"),
        ("assumed", "two"),
        ("assumed", "keys without a use here: x and y"),
        ("assumed", "4 later turns, whose parent is not in the log, are first turns"),
    ]
    assert meta_rows({"assumptions": "alone"}) == [("assumed", "alone")]
    assert meta_rows({}) == []


def test_unequal_blocks_have_a_ceiling_not_an_optimum() -> None:
    """The words say which of the two it is."""
    for sizes, words in (([3], "the best on demand"), ([3, 5], "no cache on demand more than")):
        trace = make_trace([[0, 1], [0, 1]], [-1, -1], sizes=sizes * (2 if len(sizes) == 1 else 1))
        assert words in info_text(describe_trace(trace), trace)
    curve = HitCurve("blocks", "reads", 9, 1.0, True, [1, 2, 5, 10], [0.0] * 4, [0.0] * 4)
    assert [cache_at(curve, share) for share in (0.01, 0.2, 0.21, 1.0)] == [0, 1, 2, 3]


@pytest.mark.parametrize("case", ["requests", "drift", "unread", "sizes"])
def test_pictures_are_what_they_are_called(case: str) -> None:
    """PNG and SVG of traces with and without layers, positions, reads and equal sizes; the same twice."""
    pytest.importorskip("matplotlib")
    trace = {
        "requests": lambda: synthesize("requests", {"requests": 40}, 1),
        "drift": lambda: synthesize("drift", {"prefill": 30, "tokens": 6}, 1),
        "unread": lambda: make_trace([[]], [-1]),
        "sizes": lambda: make_trace([[0, 1], [0, 1], [0]], [-1, -1], sizes=[1000, 3]),
    }[case]()
    found = describe_trace(trace)
    svg = draw(found, "name of it", "x.svg")
    assert b"name of it" in svg
    titles = {
        "requests": [b"What caches hit", b"reads and productions hit", b"Depth of the prefix"],
        "drift": [b"What caches hit", b"best on demand", b"Overlap of consecutive steps, by layer"],
        "unread": [b"Working set over time"],
        "sizes": [b"ceiling of any on demand", b"bytes of distinct blocks"],
    }
    assert [title for title in titles[case] if title not in svg] == []
    assert (b"What caches hit" in svg) == (case != "unread")
    if case == "unread":
        assert svg == draw(found, "name of it", "x.svg")
        assert struct.unpack(">8sI4s", draw(found, "name", "x.png")[:16]) == (b"\x89PNG\r\n\x1a\n", 13, b"IHDR")


@needs_data
def test_real_requests(capsys: pytest.CaptureFixture[str]) -> None:
    """Reuse of Mooncake's conversations and of two sessions of agents, as their publishers count it: the ceiling."""
    shares = {REAL: 0.366, DATA.parent / "agentic" / "trace_0504.json": 0.65, DATA.parent / "agentic" / "trace_0732.json": 0.97}
    for path, share in shares.items():
        hits = json.loads(info(capsys, str(path), "--json"))["hits"]
        assert hits["ceiling"] == pytest.approx(share, abs=0.005)
        assert hits["lru"][-1] == hits["optimal"][-1] == hits["ceiling"]
