"""What every generator owes: valid traces that a seed decides, amounts known beforehand, instances with a bound below all."""

from __future__ import annotations

import dataclasses
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from placement_opt.base.errors import LimitError
from placement_opt.bounds import METHODS
from placement_opt.cli import main
from placement_opt.instance import trace_source
from placement_opt.instance.load import build_instance
from placement_opt.instance.totals import totals_of
from placement_opt.instance.trace_source import Generated
from placement_opt.workload.files.npz import load_trace
from placement_opt.workload.synth import GENERATORS, OUTLINES, synthesize
from tests.agreement import check_schedules
from tests.small import make_instance, two_tier
from tests.workload.traces import digest

#: A small trace of each, with all that it may have.
SMALL: dict[str, list[dict[str, Any]]] = {
    "drift": [{"layers": 2, "prefill": 30, "tokens": 9}],
    "zipf": [
        {"blocks": 30, "steps": 9, "reads": 4},
        {"blocks": 30, "steps": 9, "reads": 4, "layers": 3, "drift": 0.1, "draws": "successive"},
    ],
    "requests": [{"requests": 40}, {"requests": 40, "keep": "ttl", "ttl": "60 s"}],
    "chat": [{"requests": 60, "spawn": 0.2}, {"requests": 60, "keep": "session"}],
    "rag": [
        {"requests": 40, "documents": 20, "order": order, **keep}
        for order in ("relevance", "popularity", "free")
        for keep in ({}, {"keep": "ttl", "ttl": "9 s"})
    ],
    "segments": [{"requests": 9}, {"requests": 7, "updates": 0}, {"requests": 6, "static": 0.0, "updates": 60, "layers": 2}],
    "diffusion": [{"layers": 3}, {"layers": 2, "blocks": 3, "steps": 11, "delay": 2, "refresh": 3, "keep": 0.31}],
    "needle": [{"tokens": 60, "returns": 0.1}, {"tokens": 40, "prefill": 70, "window": 2, "span": 2, "returns": 0.0}],
    "moe": [
        {"tokens": 5},
        {"tokens": 5, "batch": 3, "model": "llama-2-7b", "experts": 6, "active": 2, "expert_size": "3 kB", "layers": 2},
    ],
    "embedding": [{"steps": 5}, {"steps": 5, "layout": "popular", "tables": 1, "lookups": 3}],
    "decode": [{"model": "llama-2-7b", "layers": 2, "context": 9, "tokens": 2, "block_tokens": 4}],
}
CASES = [pytest.param(name, values, id=f"{name}-{n}") for name, each in SMALL.items() for n, values in enumerate(each)]
#: So few blocks that every scheduler ends at once; sizes in bytes, or KV bytes of a token and layer beside them.
TINY: dict[str, dict[str, Any]] = {
    "drift": {"layers": 1, "prefill": 5, "tokens": 3},
    "zipf": {"blocks": 3, "steps": 3, "reads": 2, "layers": 2, "drift": 0.5, "block_size": "100 B"},
    "requests": {"requests": 5, "prompt": 900, "question": 300},
    "chat": {"requests": 4, "prefix_tokens": 64, "opening": 64, "result": 40, "block_tokens": 64, "calls": 3.0, "spawn": 0.5},
    "rag": {"requests": 4, "documents": 3, "retrieved": 2, "document": 64, "prefix_tokens": 0},
    "segments": {"layers": 1, "groups": 2, "group_segments": 3, "requests": 4, "recalled": 3, "updates": 1},
    "diffusion": {"layers": 1, "prompt": 32, "blocks": 2, "steps": 4},
    "needle": {"layers": 2, "prefill": 96, "tokens": 3, "window": 1, "span": 2, "returns": 0.5},
    "moe": {"model": "llama-2-7b", "layers": 2, "experts": 3, "active": 1, "expert_size": "90 B", "tokens": 3},
    "embedding": {"tables": 1, "rows": 12, "smallest": 12, "row_size": "20 B", "page": "64 B", "steps": 5, "batch": 2},
    "decode": {"model": "llama-2-7b", "layers": 1, "heads": 2, "kv_heads": 2, "context": 4, "tokens": 3, "weights": "none"},
}
#: Those that are quick, of every family.
POLICIES = ("static", "lru", "belady", "reactive", "page", "lirs")
GOLDEN = Path(__file__).with_name("generators.txt")


def test_every_generator_is_held_here() -> None:
    """A new one has a small trace and a tiny question."""
    assert set(SMALL) == set(TINY) == set(GENERATORS)


@pytest.mark.parametrize(("name", "values"), CASES)
def test_a_seed_decides_everything(name: str, values: dict[str, Any]) -> None:
    """Equal seeds, equal traces; ``meta`` holds every parameter and the seed, so that the trace can be drawn again from it."""
    trace = synthesize(name, values, 5)
    again = synthesize(trace.meta["generator"], trace.meta["parameters"], trace.meta["seed"])
    assert digest(again) == digest(trace)
    if name not in ("diffusion", "decode") and values.get("returns") != 0:  # of which nothing is drawn
        assert digest(synthesize(name, values, 6)) != digest(trace)
    if name != "decode":  # which leaves out what is not given
        assert set(trace.meta["parameters"]) == {field.name for field in dataclasses.fields(GENERATORS[name][0])}


def test_draws_never_change() -> None:
    """Digests that were recorded; a change of one changes instances that people have."""
    found = [f"{name} {n} {digest(synthesize(name, values, 5))}" for name in SMALL for n, values in enumerate(SMALL[name])]
    assert found == GOLDEN.read_text().splitlines()


@pytest.mark.parametrize(("name", "values"), CASES)
def test_amounts_are_known_beforehand(name: str, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Exactly where a generator says so and where there is little, else no less than there is."""
    made = synthesize(name, values, 5)
    true = totals_of(made)
    source = Generated(None, name, values, 5)
    assert (source.totals.exact, source.totals.reads) == (True, true.reads)
    assert digest(source.make()) == digest(made)
    if (totals := OUTLINES[name].totals) is None:
        return
    stated = totals(GENERATORS[name][0](**values))
    if stated.exact:
        assert stated == dataclasses.replace(true, steps_of_token=stated.steps_of_token)
    monkeypatch.setattr(trace_source, "MADE", 0)
    large = Generated(None, name, values, 5)
    assert (large.totals.steps, large.totals.layers, large.totals.blocks) == (true.steps, true.layers, stated.blocks)
    for key in ("blocks", "reads", "pairs", "peak", "largest", "read_units"):
        if name != "decode" or key in ("blocks", "reads"):  # whose sizes are guessed
            assert getattr(stated, key) >= getattr(true, key), key
    if stated.firm:
        assert (stated.peak, stated.smallest, stated.largest) == (true.peak, true.smallest, true.largest)
    assert digest(large.make()) == digest(made)


@pytest.mark.parametrize(("name", "values"), CASES)
def test_the_probe_is_small_and_of_the_same_kind(name: str, values: dict[str, Any]) -> None:
    """Unit, kinds and labels are those of the trace."""
    probe, trace = Generated(None, name, values, 5).probe, synthesize(name, values, 5)
    assert probe.num_blocks <= max(500, trace.num_blocks)
    assert probe.size_unit == trace.size_unit
    for key in ("step_token", "step_layer", "block_token", "block_layer", "block_kind", "position", "pieces", "shares"):
        assert (getattr(probe, key) is None) == (getattr(trace, key) is None), key
    for key in ("step_layer", "block_layer"):
        if getattr(trace, key) is not None:
            assert getattr(probe, key).max() == getattr(trace, key).max()


@pytest.mark.parametrize("name", GENERATORS)
def test_a_tiny_instance_has_its_bound_below_every_policy(name: str) -> None:
    """The relaxation's is at most any scheduler's time."""
    trace = synthesize(name, TINY[name], 1)
    assert trace.num_reads > 0
    most, largest = int(trace.sizes.sum()), int(trace.sizes.max())
    instance = make_instance(two_tier(hbm=max(largest, most // 3), lpddr=2 * most), trace, "free")
    bound = METHODS["lp"](instance).lower_bound_s
    assert bound is not None
    assert bound > 0
    check_schedules(instance, bound, POLICIES)


@pytest.mark.parametrize("name", GENERATORS)
def test_files_and_command_line_draw_alike(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``trace synth NAME`` with an option for each parameter writes the trace of ``[trace] synth = NAME``."""
    options = [word for key, value in TINY[name].items() for word in ("--" + key.replace("_", "-"), str(value))]
    assert main(["trace", "synth", name, *options, "--seed", "1", "-o", str(tmp_path / "t.npz")]) == 0
    capsys.readouterr()
    made = synthesize(name, TINY[name], 1)
    assert digest(load_trace(tmp_path / "t.npz")) == digest(made)
    table = {"synth": name, "seed": 1, **TINY[name]}
    llm = {} if made.size_unit == "bytes" else {"kv_bytes": "1 B"} | ({"layers": 1} if made.step_layer is None else {})
    instance = build_instance({"preset": "gh200"}, table, llm=llm, rules={"residency": "free"})
    assert np.array_equal(instance.trace.blocks, made.blocks)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("zipf", {"steps": 10**8}),
        ("chat", {"requests": 10**5, "opening": 10**6, "block_tokens": 1, "longest": 10**7}),
        ("segments", {"requests": 10**7, "updates": 0}),
        ("diffusion", {"blocks": 1000, "steps": 1000, "prompt": 2**14}),
        ("needle", {"tokens": 2**20, "window": 2**10}),
        ("moe", {"tokens": 2**24, "batch": 9}),
        ("embedding", {"steps": 10**8}),
    ],
)
def test_more_reads_than_rows_hold_are_refused(name: str, values: dict[str, Any]) -> None:
    """Before much is made."""
    with pytest.raises(LimitError, match=r"found settings that make .* reads, expected at most"):
        synthesize(name, values, 0)


def test_the_page_has_them_all_and_its_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row and a section for each, parameters that there are, and commands that end well."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "generators.md").read_text(encoding="utf-8")
    for name in GENERATORS:
        assert f"| [`{name}`](#{name}) |" in page
        section = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
        fields = {field.name for field in dataclasses.fields(GENERATORS[name][0])}
        assert name == "decode" or fields & set(re.findall(r"`(\w+)", section))
    monkeypatch.chdir(tmp_path)
    example = page.split("```sh\n")[1].split("```")[0]
    text, commands = example.split("<<'END'\n")[1].split("END\n")
    Path("far.toml").write_text(text)
    for command in commands.splitlines():
        program, *words = shlex.split(command)
        assert program == "placement-opt"
        assert main(words) == 0
    assert "static is 12x the optimum" in " ".join(capsys.readouterr().out.split())
