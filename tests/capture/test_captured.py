"""``instances/captured``: a real capture, small, of a model that has learnt something; its tables follow from its files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import placement_opt as po
from instances.captured import compare
from instances.captured.character import character, layer_of
from instances.captured.train import CONTEXT, SHAPE
from placement_opt.workload.capture.again import select
from placement_opt.workload.files.npz import load_trace
from placement_opt.workload.formats.detect import read_any

FOLDER = compare.FOLDER


def test_the_folder_is_small() -> None:
    """Under 1 MiB in all, and no weights of a model."""
    files = [path for path in FOLDER.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in files) < 2**20
    assert {path.suffix for path in files} == {".py", ".md", ".toml", ".json", ".gz", ".npz"}


def test_the_model_has_learnt() -> None:
    """It says more of a text that it has not seen than frequencies of tokens do, and than it did before."""
    learnt, before = (json.loads((FOLDER / f"{name}.training.json").read_text()) for name in ("learnt", "untrained"))
    assert learnt["trained"] > before["trained"]
    assert learnt["loss"]["model"] < 0.75 * learnt["loss"]["unigram"] < 0.9 * learnt["loss"]["uniform"]
    assert before["loss"]["model"] > before["loss"]["unigram"]
    assert learnt["parameters"] == before["parameters"] < 10**6


@pytest.mark.parametrize("name", ["learnt", "untrained"])
def test_both_forms_are_of_one_model_and_prompt(name: str) -> None:
    """Tokens and pages: the same weights, the same text, the model that the script makes, a context of thousands of tokens."""
    tokens, pages = read_any(FOLDER / f"{name}.selections.jsonl.gz"), load_trace(FOLDER / f"{name}-pages.npz")
    assert tokens.meta["model"] == pages.meta["model"]
    assert tokens.meta["prompt_sha256"] == pages.meta["prompt_sha256"]
    assert tokens.meta["model"]["layers"] == SHAPE["num_hidden_layers"]
    for trace, decoded in ((tokens, 256), (pages, 64)):
        assert trace.num_steps == decoded * 4
        assert trace.step_token is not None
        assert (int(trace.step_token[0]), int(trace.step_token[-1])) == (2048, 2047 + decoded)
        assert 2048 + decoded <= CONTEXT
    assert int(pages.size[0]) == 16


def test_learnt_attention_is_not_drawn() -> None:
    """It reads again what it read, and near tokens, more than the same model does before it has learnt anything."""
    learnt, before = (character(read_any(path)) for path in (compare.LEARNT, compare.UNTRAINED))
    assert learnt.kept > 1.5 * before.kept
    assert learnt.newest > 3 * before.newest
    assert learnt.read < before.read


def test_weights_let_a_stricter_rule_choose(tmp_path: Path) -> None:
    """From the committed file, without a model: a quarter of the tokens, more than a quarter of their attention."""
    done = select(compare.LEARNT, tmp_path / "t.npz", top_k=16)
    whole = compare.masses(compare.LEARNT)
    assert set(done.chosen.values()) == {16.0}
    assert all(0.25 * whole[layer] < mass < whole[layer] for layer, mass in done.mass.items())


def test_one_layer_is_its_steps() -> None:
    """The part of a trace that is a layer has its reads and no others, in its own turns."""
    trace = compare.drifting(compare.beginning(read_any(compare.LEARNT), 8), "oldest")
    parts = [layer_of(trace, layer) for layer in range(4)]
    assert sum(part.num_reads for part in parts) == trace.num_reads
    assert trace.block_token is not None
    for layer, part in enumerate(parts):
        assert part.block_token is not None
        for turn in range(part.num_steps):
            whole = trace.block_token[trace.reads(turn * 4 + layer)]
            assert part.block_token[part.reads(turn)].tolist() == whole.tolist()
        assert sorted(set(part.birth.tolist())) == list(range(-1, 8))


def test_the_generator_is_matched() -> None:
    """It reads as many tokens a step and keeps as many as the learnt trace that it stands beside."""
    given = compare.traces()
    learnt = given.pop("learnt")
    assert learnt.step_token is not None
    for name, trace in given.items():
        assert trace.num_steps == learnt.num_steps
        assert trace.num_reads == pytest.approx(learnt.num_reads, rel=0.02)
        if name.startswith("drift"):
            assert character(trace).kept == pytest.approx(character(learnt).kept, abs=0.03)


def test_what_was_measured_comes_out_again(tmp_path: Path) -> None:
    """Of ``compare.json`` what takes no time: roofline and lru of the learnt trace; no bound is above a schedule."""
    measured = json.loads(compare.MEASURED.read_text())
    instance = compare.question(tmp_path, read_any(compare.LEARNT), "2 MiB")
    recorded = measured["2 MiB"]["learnt"]
    assert po.bound(instance, "roofline").lower_bound_s == pytest.approx(recorded["roofline"], rel=1e-9)
    assert po.simulate(instance, po.make_scheduler("lru")).latency_s == pytest.approx(recorded["lru"], rel=1e-9)
    assert tuple(measured) == compare.CAPACITIES
    for one in (found for each in measured.values() for found in each.values()):
        assert one["roofline"] <= one["bound"] <= min(one[name] for name in compare.SCHEDULERS)


def test_the_tables_follow_from_the_files() -> None:
    """The page is what ``python -m instances.captured.compare`` makes of traces and ``compare.json``."""
    assert compare.PAGE.read_text(encoding="utf-8") == compare.current()
