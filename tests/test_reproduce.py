"""Published figures beside ours: the page is that of the results, quick tables come out again, formulas of others agree."""

from __future__ import annotations

import json
import tomllib

import pytest

import placement_opt as po
from benchmarks.registry import Target
from benchmarks.reproduce import __main__ as command
from benchmarks.reproduce import kvnand, table
from benchmarks.reproduce.page import PAGE, document, load_results, render, section
from benchmarks.reproduce.table import PUBLISHED, Figure, Outcome, Table, all_tables, errors
from benchmarks.reproduce.tables import kvnand_energy, kvnand_proven

_TABLES = all_tables()
_RESULTS = {result["table"]: result for result in load_results()}
#: Bytes/s of a die, and of 8 channels of DRAM and of ONFI, as KVNAND's table I gives them.
_DIE, _DRAM, _ONFI = 32 * 4096 / 4e-6, 64e9, 38.4e9


def test_the_page_is_that_of_the_results_and_every_table_has_one():
    """``REPRODUCED.md`` is generated, never typed."""
    assert PAGE.read_text(encoding="utf-8") == render(list(_RESULTS.values()))
    assert set(_RESULTS) == set(_TABLES)


@pytest.mark.parametrize("name", [name for name, each in _TABLES.items() if each.quick])
def test_quick_tables_come_out_again(name):
    """What is committed is what the package gives today; numbers as near as solvers on two machines are."""
    made, kept = document(_TABLES[name]), _RESULTS[name]
    assert [(key, made[key]) for key in made if key not in ("figures", "summary")] == [
        (key, kept[key]) for key in made if key not in ("figures", "summary")
    ]
    for ours, theirs in zip(made["figures"], kept["figures"], strict=True):
        assert (ours["row"], ours["column"], ours["published"]) == (theirs["row"], theirs["column"], theirs["published"])
        assert ours["ours"] == theirs["ours"] or ours["ours"] == pytest.approx(theirs["ours"], rel=1e-5)
    assert made["summary"] == pytest.approx(kept["summary"], rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("name", [name for name, each in _TABLES.items() if not each.quick])
def test_targets_of_long_tables_follow_from_their_figures(name):
    """Their mean and worst errors are those of the committed cells, and words and targets are the table's."""
    kept, made = _RESULTS[name], _TABLES[name]
    assert (kept["title"], kept["how"], kept["assumes"]) == (made.title, made.how, list(made.assumes))
    assert [target["figure"] for target in kept["targets"]] == [target.figure for target in made.targets]
    for target, given in zip(kept["targets"], made.targets, strict=True):
        assert target["met"] == given.met(kept["summary"][given.figure])
    found = [abs(figure["error"]) for figure in kept["figures"] if figure["error"] is not None]
    if "mean error" in kept["summary"]:
        assert kept["summary"]["mean error"] == pytest.approx(sum(found) / len(found), abs=1e-4)
        assert kept["summary"]["worst error"] == pytest.approx(max(found), abs=1e-4)
    for figure in kept["figures"]:
        if figure["error"] is not None:
            assert figure["error"] == pytest.approx(figure["ours"] / figure["published"] - 1, abs=1e-4)


def test_published_files_say_where_they_are_from_and_are_whole():
    """Source, date and evidence in each, or in each of its parts; as many labels as the papers have."""
    for path in PUBLISHED.glob("*.toml"):
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        parts = [data] if "source" in data else [part for value in data.values() for part in _tables(value)]
        assert parts
        for part in parts:
            assert {"source", "date"} <= set(part), path.name
            assert "evidence" in part or path.stem == "offload", path.name
    cells = [cell for entry in kvnand.DATA["throughput"] for cell in entry["cells"]]
    assert len(cells) == 20
    assert sum(not isinstance(value, str) for cell in cells for value in cell[1:5]) == 77
    assert (
        sum(not isinstance(value, str) for entry in kvnand.DATA["energy"] for cell in entry["cells"] for value in cell[1:])
        == 16
    )


def _tables(value):
    return value if isinstance(value, list) else [value] if isinstance(value, dict) else []


def _parameters(experts=1, vocabulary=32000):
    """LLaMA 3.1 8B and Mixtral 8x7B: layers, KV heads; parameters of QKV, of the rest of a layer, of the head."""
    hidden, kv = 4096, 8 * 128
    return 32, 8, hidden * hidden + 2 * hidden * kv, hidden * hidden + 3 * hidden * 14336 * experts, vocabulary * hidden


@pytest.mark.parametrize(("model", "experts", "group"), [("llama-3.1-8b", 1, 4), ("mixtral-8x7b", 8, 2)])
def test_kvnand_agrees_with_a_resource_model_of_its_systems(model, experts, group):
    """Bytes over bytes a second, a maximum for each step of the pipeline, within 0.2 %: norms and routers are not in it."""
    layers, heads, qkv, rest, head = _parameters(experts)
    context, weights = 10240, 2 * (layers * (qkv + rest) + head)
    kv = 2 * layers * heads * 128 * 2 * context
    assert kvnand.seconds("Base-1", model, context) == pytest.approx(weights / (8 * _DIE) + kv / _DRAM, rel=2e-3)
    assert kvnand.seconds("Base-2", model, context) == pytest.approx(weights / (8 * _DIE) + kv / _ONFI, rel=2e-3)
    assert kvnand.seconds("C-16", model, context) == pytest.approx((weights + layers / 4 * kv) / (16 * _DIE), rel=2e-3)
    run = kvnand.simulated(kvnand.discrete(group), kvnand.token(model, context, "head-groups"), kvnand.DISCRETE)
    ours, theirs = 2 * qkv / ((16 - group) * _DIE), kv / layers / (group * _DIE)
    step = max(ours, theirs) + min(ours, theirs) / heads + 2 * rest / ((16 - group) * _DIE)
    assert run.latency_s == pytest.approx(layers * step + 2 * head / ((16 - group) * _DIE), rel=2e-3)
    cells = {(figure["row"], figure["column"]): figure["ours"] for figure in _RESULTS["kvnand-throughput"]["figures"]}
    assert 1 / run.latency_s == pytest.approx(cells[f"{model}, 10K", "D-16"], rel=1e-5)


def test_kvnand_joules_agree_with_the_energies_of_its_components():
    """7B at 10K: weights and KV in flash at 3 pJ a bit, KV from DRAM at 7, from plain NAND at 3 and 4.9; results add little."""
    weights = 8e-12 * 2 * (32 * (4 * 4096**2 + 3 * 4096 * 11008) + 32000 * 4096)
    kv = 8e-12 * 2 * 32 * 32 * 128 * 2 * 10240
    wanted = {"Base-1": 3 * weights + 7 * kv, "Base-2": 3 * weights + 7.9 * kv}
    for system, joules in wanted.items():
        assert kvnand_energy.joules(system, "llama-2-7b", 10240, 0.0) == pytest.approx(joules, rel=3e-3)
        assert kvnand_energy.joules(system, "llama-2-7b", 10240, 0.2) == pytest.approx(joules + 0.2 * weights, rel=3e-3)


def test_no_placement_on_16_dies_beats_all_bytes_over_all_dies_and_spreading_reaches_it():
    """The bound of one tier of 16 dies is that of two free groups; a schedule that spreads bytes evenly attains it."""
    layers, _, qkv, rest, head = _parameters()
    kv, weights = 2 * 32 * 8 * 128 * 2 * 10240, 2 * (layers * (qkv + rest) + head)
    bound = kvnand_proven.pooled("llama-3.1-8b", 10240)
    assert bound == pytest.approx((weights + kv) / (16 * _DIE), rel=2e-3)
    trace = kvnand.token("llama-3.1-8b", 10240, "head-groups", layers=2)
    pooled, free = (po.build_instance(memory, trace, rules={"residency": "exclusive"}) for memory in ("kvnand-c16", "kvnand-d"))
    assert po.bound(pooled, "lp").lower_bound_s == pytest.approx(po.bound(free, "lp").lower_bound_s, rel=1e-9)
    assert bound <= kvnand_proven.split("llama-3.1-8b", 10240) <= 1.0001 * bound


def _table(**changes):
    fields = {
        "name": "some",
        "title": "Some",
        "unit": "s",
        "data": ("links",),
        "how": "by hand",
        "compute": lambda: _outcome(1.0),
    }
    return Table(**(fields | changes))


def _outcome(ours):
    figures = (Figure("a", "x", ours, 2.0), Figure("a", "y", "does not fit", "OOM"), Figure("b", "x", 3.0))
    return Outcome(figures, errors(figures))


def test_a_section_shows_errors_targets_and_assumptions():
    """Ours, published and the error between; texts as they are; targets met or missed."""
    targets = (Target("mean error", "at most", 0.6), Target("worst error", "at most", 0.1))
    text = section(document(_table(targets=targets, assumes=("nothing",))))
    assert "| a | 1 / 2 (-50.0 %) | does not fit / OOM |" in text
    assert "| b | 3 |  |" in text
    assert "| mean error | 0.5 | at most 0.6: met |" in text
    assert "| worst error | 0.5 | at most 0.1: **missed** |" in text
    assert "* Assumed: nothing." in text


def test_the_command_writes_results_and_the_page(tmp_path, monkeypatch, capsys):
    """One file a table, the page from them; exit code 1 where a target is missed."""
    tables = {"good": _table(name="good"), "bad": _table(name="bad", targets=(Target("mean error", "at most", 0.1),))}
    monkeypatch.setattr(command, "all_tables", lambda: tables)
    monkeypatch.setattr(command, "RESULTS", tmp_path)
    monkeypatch.setattr(command, "PAGE", tmp_path / "PAGE.md")
    monkeypatch.setattr(command, "load_results", lambda: load_results(tmp_path))
    assert command.main(["good"]) == 0
    assert json.loads((tmp_path / "good.json").read_text())["summary"]["mean error"] == 0.5
    assert command.main(["all"]) == 1
    assert "| [bad](#bad) | mean error at most 0.1 | 0.5 | **missed** |" in (tmp_path / "PAGE.md").read_text()
    capsys.readouterr()
    assert command.main(["nonsense"]) == 2
    assert capsys.readouterr().err == "error: found no table 'nonsense', expected all or one of good, bad\n"


def test_a_second_table_of_one_name_is_refused(monkeypatch):
    """Two would write one result file."""
    monkeypatch.setattr(kvnand_proven, "TABLES", (*kvnand_proven.TABLES, *kvnand_energy.TABLES))
    with pytest.raises(ValueError, match="two tables have one name"):
        table.all_tables()
