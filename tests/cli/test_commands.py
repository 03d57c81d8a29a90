"""What every command answers, as text and as JSON."""

from __future__ import annotations

import csv
import gzip
import importlib
import io
import json
from pathlib import Path

import pytest

import placement_opt
from placement_opt.bounds.result import Bound, Status
from tests.cli.commands import answer, refusal

REPO = Path(__file__).parents[2]


# ---- bound -------------------------------------------------------------------------------------------------------------


def test_bound_prints_the_value_and_a_sentence(capsys: pytest.CaptureFixture[str], ahead: str) -> None:
    """The lines of the table stand below each other, seven digits for the value, and a sentence says what it means."""
    lines = answer(capsys, "bound", ahead, "--method", "lp").split("\n")
    assert lines[0].startswith("instance     fetch-ahead (")
    assert lines[1:5] == [
        "lower bound  49.64715 ms",
        "method       lp",
        "status       optimal",
        "roofline     48.29296 ms",
    ]
    assert "No schedule takes less than 49.65 ms: 1.354 ms above the roofline (2.7 % of the bound)" in " ".join(lines)


def test_bound_json_has_the_promised_keys(capsys: pytest.CaptureFixture[str], ahead: str) -> None:
    """Keys that others rely on, values in seconds, nothing else on stdout."""
    document = json.loads(answer(capsys, "bound", ahead, "--method", "lp", "--json"))
    assert document["schema"] == 1
    assert {"instance", "hash", "method", "status", "lower_bound_s", "solve_s"} <= set(document)
    assert document["lower_bound_s"] == pytest.approx(0.0496471485790, rel=1e-9)
    assert document["roofline_s"] == pytest.approx(0.0482929620446, rel=1e-9)
    assert document["unavoidable_s"] == document["lower_bound_s"] - document["roofline_s"]


@pytest.mark.parametrize(
    ("method", "low"), [("roofline", 0.0482929), ("step", 0.0482929), ("compact", 0.0496), ("milp", 0.0499256)]
)
def test_bound_runs_every_method(capsys: pytest.CaptureFixture[str], ahead: str, method: str, low: float) -> None:
    """The method asked for is the one that answers."""
    document = json.loads(answer(capsys, "bound", ahead, "--method", method, "--json"))
    assert document["method"] == method
    assert low <= document["lower_bound_s"] <= 0.0499257


def test_bound_by_whole_blocks_of_each_step(capsys: pytest.CaptureFixture[str], ahead: str) -> None:
    """--integer chooses the steps' MILPs."""
    assert json.loads(answer(capsys, "bound", ahead, "--method", "step", "--integer", "--json"))["method"] == "step-integer"


def test_bound_chooses_and_says_why(capsys: pytest.CaptureFixture[str], ahead: str) -> None:
    """Without a method, the note names the one taken and the reason."""
    document = json.loads(answer(capsys, "bound", ahead, "--json"))
    assert document["method"] == "milp"
    assert document["note"].startswith("auto took milp: small enough to decide every block (")


def test_a_method_that_proves_nothing_leaves_the_roofline(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, ahead: str
) -> None:
    """The roofline is an answer: its number, its sentence, and a note about the method."""
    nothing = Bound("compact", Status.LIMIT, None, 0.1, "", "the limit came before the first prices")
    monkeypatch.setattr(importlib.import_module("placement_opt.answer.prove"), "lower_bound", lambda *_, **__: nothing)
    document = json.loads(answer(capsys, "bound", ahead, "--method", "compact", "--json"))
    assert document["lower_bound_s"] == pytest.approx(0.0482929620446, rel=1e-9)
    assert (document["method"], document["status"]) == ("roofline", "limit reached")
    assert document["note"] == "compact proved nothing, so the roofline stands; the limit came before the first prices"
    assert document["sentence"].startswith("No schedule takes less than 48.29 ms, which is the roofline")


def test_auto_without_time_still_has_the_roofline(capsys: pytest.CaptureFixture[str], ahead: str) -> None:
    """What costs nothing is proven whatever the limit."""
    document = json.loads(answer(capsys, "bound", ahead, "--time-limit", "0 s", "--json"))
    assert document["method"] == "roofline"
    assert document["lower_bound_s"] == pytest.approx(0.0482929620446, rel=1e-9)


# ---- simulate ----------------------------------------------------------------------------------------------------------


def test_simulate_prints_the_latency(capsys: pytest.CaptureFixture[str], drift: str) -> None:
    """Latency, throughput, hit rate, traffic of each tier and what decides."""
    text = answer(capsys, "simulate", drift, "--scheduler", "static")
    for line in ("scheduler    static", "tier   read from  stored to", "resource  decides"):
        assert line in text
    assert "tokens/s (12 tokens, 24 steps)" in text


def test_simulate_json_agrees_with_the_library(capsys: pytest.CaptureFixture[str], drift: str) -> None:
    """The command prints what ``simulate`` returns."""
    document = json.loads(answer(capsys, "simulate", drift, "--scheduler", "lru:scope=global", "--json"))
    run = placement_opt.simulate(placement_opt.load_instance(drift), placement_opt.make_scheduler("lru:scope=global"))
    assert document["latency_s"] == run.latency_s
    assert document["tokens_per_s"] == run.tokens_per_s
    assert document["scheduler"] == "lru:scope=global"
    assert sum(tier["read_bytes"] for tier in document["tiers"]) == pytest.approx(run.read_bytes)


@pytest.mark.parametrize(("case", "unit", "produced"), [("ahead", "steps", 22), ("drift", "tokens", 12)])
def test_rates_say_what_they_count(
    capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest, case: str, unit: str, produced: int
) -> None:
    """JSON has the text's unit; what is named after tokens is null where steps carry none."""
    file, tokens = request.getfixturevalue(case), unit == "tokens"
    bound = json.loads(answer(capsys, "bound", file, "--method", "roofline", "--json"))
    most = produced / bound["lower_bound_s"]
    assert (bound["unit"], bound["most_per_s"], bound["most_tokens_per_s"]) == (unit, most, most if tokens else None)
    assert f"{unit}/s" in answer(capsys, "bound", file, "--method", "roofline")
    run = json.loads(answer(capsys, "simulate", file, "--scheduler", "lru", "--json"))
    rate = produced / run["latency_s"]
    assert (run["unit"], run["per_s"], run["tokens_per_s"]) == (unit, rate, rate if tokens else None)
    assert run["tokens"] == (produced if tokens else None)
    assert f"{unit}/s" in answer(capsys, "simulate", file, "--scheduler", "lru")
    (compared,) = json.loads(answer(capsys, "compare", file, "--schedulers", "lru", "--method", "roofline", "--json"))[
        "instances"
    ]
    assert (compared["unit"], compared["most_per_s"], compared["most_tokens_per_s"]) == (unit, most, most if tokens else None)
    (row,) = compared["schedules"]
    assert (row["unit"], row["per_s"], row["tokens_per_s"]) == (unit, rate, rate if tokens else None)


def test_simulate_writes_every_step(capsys: pytest.CaptureFixture[str], drift: str, tmp_path: Path) -> None:
    """The CSV has one line a step, and its seconds add up to the latency."""
    target = tmp_path / "steps.csv"
    document = json.loads(answer(capsys, "simulate", drift, "--scheduler", "lru", "--per-step", str(target), "--json"))
    rows = list(csv.DictReader(io.StringIO(target.read_text())))
    assert [row["step"] for row in rows] == [str(step) for step in range(24)]
    assert sum(float(row["seconds"]) for row in rows) == pytest.approx(document["latency_s"], rel=1e-12)


def test_simulate_without_time_has_no_answer(capsys: pytest.CaptureFixture[str], drift: str, tmp_path: Path) -> None:
    """A schedule that is not finished is worth nothing: exit code 3 and no file."""
    target = tmp_path / "steps.csv"
    argv = ("simulate", drift, "--scheduler", "lru", "--time-limit", "0 s", "--per-step", str(target))
    assert "0 of 24 steps" in refusal(capsys, *argv, code=3)
    assert not target.exists()


def test_an_output_that_cannot_be_is_refused_before_the_work(
    capsys: pytest.CaptureFixture[str], drift: str, tmp_path: Path
) -> None:
    """A folder that is not there is found at once, not after the computation."""
    target = str(tmp_path / "none" / "x")
    for argv in (
        ("simulate", drift, "--scheduler", "lru", "--per-step", target),
        ("compare", drift, "--schedulers", "lru", "--csv", target),
        ("export", drift, "--format", "lp", "-o", target),
        ("trace", "synth", "drift", "-o", target),
    ):
        assert f"{target}: {argv[-2]}: found no folder" in refusal(capsys, *argv)


# ---- compare, schedulers, export ---------------------------------------------------------------------------------------


def test_compare_prints_a_table_and_sentences(capsys: pytest.CaptureFixture[str], drift: str) -> None:
    """One line for each scheduler, in the order asked for, and what they mean."""
    lines = answer(capsys, "compare", drift, "--schedulers", "static,belady").split("\n")
    header = next(number for number, line in enumerate(lines) if line.startswith("scheduler"))
    assert lines[header].split()[:3] == ["scheduler", "latency", "[us]"]
    assert [line.split()[0] for line in lines[header + 2 : header + 4]] == ["static", "belady"]
    assert "static is at most 2.0 % above the optimum, and at least 1.5 %." in " ".join(lines)
    assert lines[header].split()[-1] == "verdict"
    assert [line.split()[-1] for line in lines[header + 2 : header + 4]] == ["capacity", "capacity"]


def test_compare_json_has_the_promised_keys(capsys: pytest.CaptureFixture[str], drift: str, ahead: str) -> None:
    """Instances and schedules in the order asked for; gap is latency over bound less one."""
    document = json.loads(answer(capsys, "compare", ahead, drift, "--schedulers", "static,lru:scope=global", "--json"))
    assert [one["instance"] for one in document["instances"]] == ["fetch-ahead", "drift"]
    for one in document["instances"]:
        assert {"instance", "lower_bound_s", "roofline_s", "schedules"} <= set(one)
        assert [row["scheduler"] for row in one["schedules"]] == ["static", "lru:scope=global"]
        for row in one["schedules"]:
            assert row["gap"] == row["latency_s"] / one["lower_bound_s"] - 1
            assert row["own_s"] == row["latency_s"] - one["lower_bound_s"]
            assert row["unavoidable_s"] == one["lower_bound_s"] - one["roofline_s"]


def test_compare_writes_csv(capsys: pytest.CaptureFixture[str], drift: str, tmp_path: Path) -> None:
    """The CSV holds the numbers of the JSON, digit for digit."""
    target = tmp_path / "table.csv"
    document = json.loads(answer(capsys, "compare", drift, "--schedulers", "static,lru", "--csv", str(target), "--json"))
    rows = list(csv.DictReader(io.StringIO(target.read_text())))
    schedules = document["instances"][0]["schedules"]
    assert [row["scheduler"] for row in rows] == ["static", "lru"]
    assert [float(row["latency_s"]) for row in rows] == [row["latency_s"] for row in schedules]


def test_compare_in_processes_gives_the_same_answer(capsys: pytest.CaptureFixture[str], drift: str, ahead: str) -> None:
    """The number of processes changes nothing but the time taken."""
    argv = ("compare", drift, ahead, "--schedulers", "static,lru", "--method", "lp", "--json")
    assert without_clock(answer(capsys, *argv)) == without_clock(answer(capsys, *argv, "--jobs", "2"))


def without_clock(text: str) -> object:
    """A JSON document less what the clock says."""

    def drop(value: object) -> object:
        if isinstance(value, dict):
            return {key: drop(inner) for key, inner in value.items() if key not in ("solve_s", "wall_s")}
        return [drop(inner) for inner in value] if isinstance(value, list) else value

    return drop(json.loads(text))


def test_schedulers_lists_names_and_sources(capsys: pytest.CaptureFixture[str]) -> None:
    """Every registered scheduler, whether it is online and where it comes from."""
    known = json.loads(answer(capsys, "schedulers", "--json"))["schedulers"]
    assert {"static", "reactive", "page", "sa", "lru", "belady"} <= {one["name"] for one in known}
    for one in known:
        assert isinstance(one["online"], bool)
        assert one["source"]
    text = answer(capsys, "schedulers")
    assert all(f"\n{one['name']}: {one['text']}\n" in f"\n{text}" for one in known)


@pytest.mark.parametrize(("format", "start"), [("lp", "\\"), ("mps", "NAME")])
def test_export_writes_the_program(
    capsys: pytest.CaptureFixture[str], ahead: str, tmp_path: Path, format: str, start: str
) -> None:
    """The file is written, and the command says how its objective becomes seconds."""
    target = tmp_path / f"out.{format}"
    text = answer(capsys, "export", ahead, "--format", format, "-o", str(target))
    assert text.startswith(f"{target}: ")
    assert "seconds = objective x " in text
    assert target.read_text().lstrip().startswith(start)


def test_trace_models_lists_the_models_that_llm_may_name(capsys: pytest.CaptureFixture[str]) -> None:
    """Layers, KV of a token, windows, weights and where they are from; in the precision that is asked for."""
    known = {one["name"]: one for one in json.loads(answer(capsys, "trace", "models", "--json"))["models"]}
    assert known["deepseek-v3"]["token_bytes"] == 61 * 576 * 2
    assert (known["gpt-oss-120b"]["window"], known["gpt-oss-120b"]["windowed_layers"]) == (128, 18)
    assert known["llama-3.1-8b"]["window"] is None
    halved = json.loads(answer(capsys, "trace", "models", "--precision", "w8a8", "--json"))["models"]
    assert [2 * one["weight_resident"] for one in halved] == [one["weight_resident"] for one in known.values()]
    lines = answer(capsys, "trace", "models").splitlines()
    assert [line.split()[0] for line in lines[2:]] == list(known)
    assert all(known[line.split()[0]]["source"] in line for line in lines[2:])


# ---- trace, memory -----------------------------------------------------------------------------------------------------


def test_a_generated_trace_is_that_of_the_instance_file(capsys: pytest.CaptureFixture[str], drift: str, tmp_path: Path) -> None:
    """``trace synth`` and ``synth =`` in an instance give the same trace for the same seed."""
    target = tmp_path / "t.npz"
    argv = ["trace", "synth", "drift", "--layers", "2", "--prefill", "60", "--tokens", "12", "--drift", "0.1", "--seed", "1"]
    assert answer(capsys, *argv, "-o", str(target)) == f"{target}: 24 steps, 620 reads, 144 blocks\n"
    made, wanted = placement_opt.load_trace(target), placement_opt.load_instance(drift).trace
    assert made.blocks.tolist() == wanted.blocks.tolist()
    assert dict(made.meta) == dict(wanted.meta)


def test_traces_are_imported_and_described(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """CSV in, NPZ out, its description as text and JSON; --limit keeps the first steps."""
    source, target = tmp_path / "in.csv", tmp_path / "out.npz"
    source.write_text('n,l,read_kv\n3,0,"[0,1]"\n3,1,"[2]"\n4,0,"[]"\n4,1,"[0,2]"\n')
    argv = ("trace", "import", str(source), "--format", "reads-csv", "-o", str(target))
    assert answer(capsys, *argv) == f"{target}: 4 steps, 5 reads, 10 blocks\n"
    assert json.loads(answer(capsys, "trace", "info", str(target), "--json"))["reads"] == 5
    assert answer(capsys, "trace", "info", str(target)).startswith("steps ")
    assert "2 steps, 3 reads" in answer(capsys, *argv, "--limit", "2")


def test_mooncake_is_imported(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Requests become steps, also from a gzip."""
    source, target = tmp_path / "in.jsonl.gz", tmp_path / "out.npz"
    lines = [
        '{"timestamp": 0, "input_length": 1024, "output_length": 5, "hash_ids": [1, 2]}\n',
        '{"timestamp": 9, "input_length": 1000, "output_length": 5, "hash_ids": [1, 3]}\n',
    ]
    source.write_bytes(gzip.compress("".join(lines).encode()))
    text = answer(capsys, "trace", "import", str(source), "--format", "mooncake", "-o", str(target))
    assert text == f"{target}: 2 steps, 1 reads, 3 blocks\n"


def test_a_trace_that_is_refused_leaves_no_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Bad input: the message names file, line and column, and there is no output."""
    source, target = tmp_path / "in.csv", tmp_path / "out.npz"
    source.write_text('n,l,read_kv\n3,0,"[0,1"\n')
    text = refusal(capsys, "trace", "import", str(source), "--format", "reads-csv", "-o", str(target))
    assert text.startswith(f"error: {source}:2: read_kv: found ")
    assert not target.exists()


def test_memory_systems_are_listed_and_shown(capsys: pytest.CaptureFixture[str], ahead: str) -> None:
    """Presets by name, files by path; rates in both conventions; JSON with a schema number."""
    assert "gh200 " in answer(capsys, "memory", "list")
    presets = json.loads(answer(capsys, "memory", "list", "--json"))["presets"]
    assert {"gh200", "nvme4", "cxl3"} <= {one["name"] for one in presets}
    text = answer(capsys, "memory", "show", "gh200")
    assert "4.9 TB/s  4.457 TiB/s" in text
    assert "lpddr -> cpu -> gpu" in text
    document = json.loads(answer(capsys, "memory", "show", str(Path(ahead).with_name("two.memory.toml")), "--json"))
    assert (document["schema"], document["name"]) == (1, "two")
