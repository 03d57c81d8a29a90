"""``trace derive`` and ``derive``: what they take, refuse and tell, and the page that describes them."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import placement_opt as po
from placement_opt.base import room
from placement_opt.base.errors import InputError, LimitError
from placement_opt.cli import main
from placement_opt.workload.files.npz import load_trace, save_trace
from placement_opt.workload.formats.detect import read_any
from placement_opt.workload.synth import params, synthesize
from placement_opt.workload.transforms.keep import Keep
from tests.workload.traces import REAL, needs_data, same

PAGE = Path(__file__).parents[2] / "docs" / "derive.md"


def log(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def some(path: Path) -> Path:
    """Three requests of two blocks of 16 tokens; the second finds the first's, the third comes much later."""
    times = [0, 20, 1000]
    ids = [[1, 2], [1, 2], [1, 3]]
    rows = zip(times, ids, strict=True)
    return log(
        path, [{"timestamp": t, "input_length": 32, "output_length": 3, "hash_ids": one, "block_size": 16} for t, one in rows]
    )


def test_the_command_writes_what_python_makes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says how much was batched and what is assumed; trace info says the latter again."""
    file = some(tmp_path / "log.jsonl")
    options = ["--model", "gemma-3-1b", "--page-tokens", "8", "--layers", "each", "--max-running", "2", "--keep", "last-use"]
    assert main(["trace", "derive", str(file), "-o", str(tmp_path / "t.npz"), *options]) == 0
    shown = capsys.readouterr().out
    assert "iterations  8, of which 1 wait for requests\n" in shown
    assert "pages       6 produced, 6 found by prompts that begin alike\n" in shown
    assert "layers      26 apart\n" in shown
    assert "assumed     layers with a window attend to the latest tokens" in shown
    made = po.derive(file, model="gemma-3-1b", page_tokens=8, layers="each", max_running=2, keep="last-use")
    assert same(load_trace(tmp_path / "t.npz"), made)
    assert main(["trace", "info", str(tmp_path / "t.npz")]) == 0
    told = capsys.readouterr().out
    assert all(text in told for text in made.meta["assumptions"])


def test_a_log_its_trace_and_its_file_are_one(tmp_path: Path) -> None:
    """Imported first or not."""
    file = some(tmp_path / "log.jsonl")
    trace = read_any(file)
    save_trace(trace, tmp_path / "t.npz")
    assert same(po.derive(trace), po.derive(file))
    assert same(po.derive(tmp_path / "t.npz"), po.derive(file))


def test_every_log_of_requests_is_taken(tmp_path: Path) -> None:
    """Their times, prompts and answers, whatever they are called; without ids nothing is found."""
    bailian = [
        {"chat_id": 1, "parent_chat_id": -1, "timestamp": t, "input_length": 32, "output_length": 3, "hash_ids": [1, 2]}
        for t in (0, 0.5)
    ]
    lookups = [{"timestamp": t, "chunk_size": 16, "seq_len": 33, "chunk_hashes": ["a", "b"]} for t in (7, 7.5)]
    session = [{"requests": [{"t": t, "in": 33, "out": 3, "hash_ids": [1, 2]} for t in (0, 0.5)], "block_size": 16}]
    log(tmp_path / "b.jsonl", bailian)
    log(tmp_path / "l.jsonl", lookups)
    log(tmp_path / "a.json", session)
    (tmp_path / "c.csv").write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n0,32,3\n0.5,32,3\n")
    found = [
        po.derive(tmp_path / "b.jsonl"),
        po.derive(tmp_path / "l.jsonl", output_tokens=3),
        po.derive(tmp_path / "a.json"),
        po.derive(tmp_path / "c.csv", block_tokens=16),
    ]
    for trace in found:
        assert trace.requests is not None
        assert trace.requests.arrival.tolist() == [0, 500_000_000]
        assert trace.requests.output_tokens.tolist() == [3, 3]
    assert [trace.num_blocks for trace in found] == [2, 2, 2, 4]
    assert found[1].requests is not None
    assert found[1].requests.prompt_tokens.tolist() == [33, 33]


def test_drawn_requests_are_taken() -> None:
    """The trace of the generator has no answers, and no times: all are there at the start."""
    trace = synthesize("requests", {"requests": 5}, 1)
    made = po.derive(trace, output_tokens=4)
    assert made.requests is not None
    assert (len(made.requests), made.requests.arrival.tolist()) == (5, [0] * 5)
    assert "all requests are there at the start, in the order of the log" in made.meta["assumptions"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"page_tokens": 7}, "page_tokens: found 7 beside blocks of 16 tokens, expected a number that divides them"),
        ({"model": "llama-9"}, "model: found 'llama-9', did you mean"),
        ({"attention": "sparse"}, "top_pages: found none with attention = 'sparse', expected a number of pages"),
        ({"top_pages": 3}, "top_pages: found 3 with attention = 'dense', expected it with sparse only"),
        ({"window": 3}, "window: found 3 with attention = 'dense', expected it with window or hybrid only"),
        ({"attention": "window"}, "window: found none, and llama-3.1-8b has none, expected a number of tokens"),
        ({"attention": "hybrid", "window": 4}, "hybrid: found none, and llama-3.1-8b does not say which layers have a window"),
        ({"attention": "hybrid", "window": 4, "hybrid": "2"}, "hybrid: found '2', expected two counts of layers, such as 1:5"),
        (
            {"max_running": 9000},
            "max_running: found 9000 requests at once, beside 8192 tokens of an iteration, expected at most",
        ),
        ({"step_time": "20"}, "step_time: found '20' without a unit, expected"),
        ({"step_time": "0 s"}, "step_time: found '0 s', expected at least a nanosecond"),
        ({"overlap": 1.5}, "overlap: found 1.5, expected"),
        ({"speed": 1}, "speed: found the setting speed, expected one of model, attention"),
        ({"keep": "ttl"}, "ttl: found none with keep = 'ttl'"),
        ({"seed": "a"}, "seed: found 'a', expected a whole number"),
    ],
)
def test_wrong_settings_are_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    """Each with its name, what was found and what would do."""
    file = some(tmp_path / "log.jsonl")
    with pytest.raises(InputError) as caught:
        po.derive(file, **options)
    assert str(caught.value).startswith(message)


def test_the_command_names_its_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A setting that is refused is told by its option."""
    file, out = some(tmp_path / "log.jsonl"), str(tmp_path / "t.npz")
    assert main(["trace", "derive", str(file), "-o", out, "--page-tokens", "7"]) == 2
    assert "--page-tokens: found 7 beside blocks of 16 tokens" in capsys.readouterr().err
    assert main(["trace", "derive", str(file), "-o", out, "--no-arrivals", "--limit", "2"]) == 0
    trace = load_trace(out)
    assert trace.requests is not None
    assert trace.requests.admitted.tolist() == [0, 0]


def test_what_is_no_log_of_requests_is_refused(tmp_path: Path) -> None:
    """Steps without prompts, freed blocks, a trace that was derived already, answers of unknown length, pages never full."""
    file = some(tmp_path / "log.jsonl")
    derived = po.derive(file)
    short = log(tmp_path / "s.jsonl", [{"timestamp": 0, "input_length": 9, "output_length": 2, "hash_ids": [1]}])
    silent = log(tmp_path / "n.jsonl", [{"timestamp": 0, "input_length": 600, "hash_ids": [1, 2]}])
    kept = read_any(file, keep=Keep("last-use"))
    for source, options, message in (
        (derived, {}, "trace: found a trace whose steps are no requests with their prompts"),
        (po.Trace.from_reads([[0]]), {}, "trace: found a trace whose steps are no requests with their prompts"),
        (short, {}, "page_tokens: found no page of 512 tokens that is ever full, expected smaller pages"),
        (
            silent,
            {},
            "output_tokens: found no length of the answer to request 0, expected it in the log, or as --output-tokens",
        ),
        (kept, {}, "trace: found a trace that frees blocks, expected one imported with --keep forever"),
        (read_any(file), {"limit": 3}, "limit: found it with a trace, expected a log with it"),
        (7, {}, "source: found 7, expected a log, a trace of requests, or the name of a file"),
    ):
        with pytest.raises(InputError) as caught:
            po.derive(source, **options)  # type: ignore[arg-type]
        assert str(caught.value).startswith(message)


def test_more_than_fits_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it is made: iterations, chunks, pages, reads."""
    file = log(tmp_path / "s.jsonl", [{"timestamp": 0, "input_length": 512, "output_length": 2**30, "hash_ids": [1]}])
    with pytest.raises(LimitError, match="found requests that take more than 134217728 iterations or 2097152 chunks"):
        po.derive(file)
    few = some(tmp_path / "l.jsonl")
    monkeypatch.setattr(params, "LARGEST_READS", 3)
    with pytest.raises(LimitError, match="found settings that make 15 reads, expected at most 3 to be held in memory"):
        po.derive(few)
    with pytest.raises(LimitError, match="found settings that make 4 reads"):
        po.derive(few, attention="sparse", top_pages=2)
    monkeypatch.undo()
    monkeypatch.setattr(room, "SMALL_BYTES", 0)
    monkeypatch.setattr(room, "available", lambda: 100)
    with pytest.raises(room.NoRoom, match="deriving it: pages needs about 1"):
        po.derive(read_any(few))


def test_the_page_shows_every_setting() -> None:
    """Each option of the command is in docs/derive.md."""
    text = PAGE.read_text()
    from dataclasses import fields

    from placement_opt.workload.derive.params import Serving

    names = ["--" + field.name.replace("_", "-") for field in fields(Serving) if field.name not in ("model", "arrivals")]
    assert [name for name in [*names, "--no-arrivals", "--seed", "--keep", "--ttl"] if name not in text] == []


def head(path: Path, lines: int) -> Path:
    """The first lines of the real log, which is in order of time."""
    with REAL.open() as file:
        path.write_text("".join(itertools.islice(file, lines)))
    return path


@needs_data
def test_the_script_of_the_page_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As it stands, on the first twelve requests: bound and policies, none of which is below it; it has ten lines."""
    script = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[0]
    lines = [line for line in script.splitlines() if line]
    assert len(lines) <= 10
    small = script.replace('"conversation_trace.jsonl"', repr(str(head(tmp_path / "log.jsonl", 12))))
    exec(compile(small, "script", "exec"), {})
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if not line.startswith("Trace")]
    assert len(rows) == 10
    assert all(float(row[1]) >= float(row[2]) and np.isfinite(float(row[3])) for row in rows)


@needs_data
def test_mooncake_by_its_numbers(tmp_path: Path) -> None:
    """The first 1,000 requests: what the page says of them."""
    trace = po.derive(head(tmp_path / "log.jsonl", 1_000))
    assert (trace.num_steps, trace.num_blocks, trace.num_reads) == (17_347, 21_218, 9_819_462)
    assert (trace.meta["pages_found"], trace.meta["prefill_tokens"], trace.meta["decoded_tokens"]) == (
        5_779,
        10_774_096,
        348_357,
    )
