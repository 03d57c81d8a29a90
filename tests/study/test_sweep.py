"""Sweeps: points, order, prices lent between neighbours, and what is written."""

from __future__ import annotations

import csv
import importlib
import io
import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from placement_opt.answer.prove import Proof, prove, prove_known
from placement_opt.answer.quick import QUICK
from placement_opt.base.errors import InputError
from placement_opt.base.limits import Limits
from placement_opt.bounds import lp
from placement_opt.bounds.result import Status
from placement_opt.cli import main
from placement_opt.instance.instance import Instance
from placement_opt.instance.load import load_instance
from placement_opt.report.sweep import sweep_csv, sweep_document, sweep_text
from placement_opt.study import grid
from placement_opt.study.keys import MOST_POINTS, full_key, parse_key, parse_keys, parse_value
from placement_opt.study.scheduled import Outcome
from placement_opt.study.sweep import Point, Sweep, sweep
from tests.cli.cases import write_ahead, write_drift

#: The package's attribute of this name is the function.
MODULE = importlib.import_module("placement_opt.study.sweep")
ROOM = "hbm.capacity=256KiB,512KiB,768KiB"


@pytest.fixture
def drift(tmp_path: Path) -> Path:
    return write_drift(tmp_path)


def bounds(found: Sweep) -> list[float]:
    values = [point.compared.proof.bound.lower_bound_s for point in found.points]
    assert None not in values
    return [value for value in values if value is not None]


@pytest.mark.parametrize(
    ("text", "path", "values"),
    [
        ("hbm.capacity=18GiB,20 GiB", "memory.hbm.capacity", ("18GiB", "20 GiB")),
        ("c2c.up.rate = 450 GB/s", "memory.c2c.up.rate", ("450 GB/s",)),
        ("trace.drift=0.1,0.3", "trace.drift", ("0.1", "0.3")),
        ("memory.hbm.rate=1TB/s", "memory.hbm.rate", ("1TB/s",)),
        ("rules.residency=free", "rules.residency", ("free",)),
        ("hbm.capacity=1GiB..4GiB:7", "memory.hbm.capacity", ("1GiB", "1.5GiB", "2GiB", "2.5GiB", "3GiB", "3.5GiB", "4GiB")),
        ("hbm.capacity=0B, 1GiB .. 2GiB : 2", "memory.hbm.capacity", ("0B", "1GiB", "2GiB")),
        ("trace.file=../a..b.npz", "trace.file", ("../a..b.npz",)),
        ("trace2.capacity=1GiB", "memory.trace2.capacity", ("1GiB",)),  # a tier may have such a name
        ("hbm.capcity=1GiB", "memory.hbm.capcity", ("1GiB",)),  # the memory system says what it does not know
    ],
)
def test_keys(text: str, path: str, values: tuple[str, ...]) -> None:
    """A key below a table of the file stands; any other is one of the memory system."""
    key = parse_key(text)
    assert (key.path, key.values) == (path, values)
    assert full_key(path) == path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hbm.capacity", "--set: found 'hbm.capacity', expected KEY=VALUE,VALUE,..."),
        ("hbm.capacity=", "--set: found 'hbm.capacity=', expected KEY=VALUE,VALUE,..."),
        ("hbm.capacity=1GiB,,2GiB", "--set: found 'hbm.capacity=1GiB,,2GiB', expected KEY=VALUE,VALUE,..."),
        ("hbm.capacity=1GiB..2GiB", "--set: found '1GiB..2GiB', expected LOW..HIGH:COUNT such as 1GiB..4GiB:7"),
        ("hbm.capacity=1GiB..1GiB:2", "--set: found '1GiB' twice for hbm.capacity, expected each value once"),
        ("hbm.capacity=1GiB,1GiB", "--set: found '1GiB' twice for hbm.capacity, expected each value once"),
        ("trce.drift=1", "--set: found unknown key 'trce.drift', did you mean 'trace.drift'?"),
        ("capacity=1GiB", "--set: found unknown key 'capacity', expected TIER.capacity, LINK.rate or TABLE.KEY of an instance"),
        ("a..b=1", "--set: found key 'a..b', expected names separated by dots, such as hbm.capacity"),
        ("=1", "--set: found key '', expected names separated by dots, such as hbm.capacity"),
    ],
)
def test_bad_keys(text: str, message: str) -> None:
    """Each names what was found and what was expected."""
    with pytest.raises(InputError) as caught:
        parse_key(text)
    assert str(caught.value).startswith(message)


def test_too_much_of_keys() -> None:
    """A key twice, also by its other name, and more points than anyone means."""
    with pytest.raises(InputError, match=r"^--set: found memory.hbm.capacity twice, expected each key once$"):
        parse_keys(["hbm.capacity=1GiB", "memory.hbm.capacity=2GiB"])
    many = ",".join(map(str, range(40)))
    with pytest.raises(InputError, match=rf"found 1,600 combinations of values, expected at most {MOST_POINTS:,}"):
        parse_keys([f"trace.seed={many}", f"trace.tokens={many}"])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("18GiB", "18GiB"),
        ("0.1", 0.1),
        ("3", 3),
        ("true", True),
        ('"25 GiB"', "25 GiB"),
        ("free", "free"),
        ("450 GB/s", "450 GB/s"),
        ("1\nother = 2", "1\nother = 2"),  # more than one value is none
        (f"{{ {'.'.join('x' * 10_000)} = 1 }}", f"{{ {'.'.join('x' * 10_000)} = 1 }}"),  # no parser is asked
        ("[" * 10_000, "[" * 10_000),
    ],
)
def test_values_are_what_toml_says(text: str, value: object) -> None:
    """TOML where it is TOML, the text itself where it is not."""
    found = parse_value(text)
    assert (type(found), found) == (type(value), value)


def test_more_room_never_raises_the_bound(drift: Path) -> None:
    """Ascending capacities give descending bounds, each at least the point's own, and every schedule stays above."""
    found = sweep(drift, [ROOM], ["lru"], method="compact")
    values = bounds(found)
    assert values == sorted(values, reverse=True)
    assert values[0] > values[-1]
    for text, value, point in zip(("256KiB", "512KiB", "768KiB"), values, found.points, strict=True):
        assert point.values == (text,)
        instance = load_instance(drift, {"memory.hbm.capacity": text})
        own = prove(instance, "compact").bound.lower_bound_s
        assert own is not None
        assert value >= own * (1 - 1e-12)
        assert point.compared.proof.hash == instance.hash
        latency = point.compared.schedules[0].latency_s
        assert latency is not None
        assert latency >= value


def test_all_combinations_last_key_fastest(drift: Path) -> None:
    """The product of the values, in the order of the keys."""
    found = sweep(drift, ["hbm.capacity=2MiB,3MiB", "rules.residency=inclusive,free"], method="roofline")
    assert [point.values for point in found.points] == [
        ("2MiB", "inclusive"),
        ("2MiB", "free"),
        ("3MiB", "inclusive"),
        ("3MiB", "free"),
    ]
    hashes = {point.compared.proof.hash for point in found.points}
    assert len(hashes) == 4


def test_shares_of_the_peak_and_no_limit(drift: Path) -> None:
    """A capacity in per cent is of the most bytes alive at once; with no limit there is nothing left to win."""
    found = sweep(drift, ["hbm.capacity=10%..30%:3,unlimited"], method="lp")
    assert [point.values for point in found.points] == [("10%",), ("20%",), ("30%",), ("unlimited",)]
    values = bounds(found)
    assert values[0] > values[1] > values[2] > values[3]
    peak = int(load_instance(drift).alive_bytes.max())
    rooms = [load_instance(drift, {"memory.hbm.capacity": text}).capacity[0] for text in ("10%", "30%", "unlimited")]
    assert rooms == [int(peak * share + 0.5) for share in (0.1, 0.3, 1.0)]


def test_the_answer_does_not_depend_on_jobs(drift: Path) -> None:
    """Two processes give the points, bounds and latencies of one, in the same order."""
    one = sweep(drift, [ROOM], ["static", "lru"], method="compact", jobs=1)
    two = sweep(drift, [ROOM], ["static", "lru"], method="compact", jobs=2)
    assert bounds(one) == bounds(two)
    assert [point.values for point in one.points] == [point.values for point in two.points]
    latencies = [[[row.latency_s for row in point.compared.schedules] for point in each.points] for each in (one, two)]
    assert latencies[0] == latencies[1]


@pytest.mark.parametrize("weak", [0, 1, 2])
def test_a_weak_point_lives_on_its_neighbours_prices(drift: Path, monkeypatch: pytest.MonkeyPatch, weak: int) -> None:
    """Where a point's own bound is the roofline only, its neighbours' prices are tried there; what they prove is a bound."""
    rooms = ("256KiB", "384KiB", "512KiB")

    def weak_somewhere(instance: Instance, method: str, **arguments: Any) -> Proof:
        return prove_known(instance, "roofline" if instance.capacity[0] == (weak + 2) * 2**17 else method, **arguments)

    monkeypatch.setattr(sys.modules[Sweep.__module__], "prove_known", weak_somewhere)
    found = sweep(drift, [f"hbm.capacity={','.join(rooms)}"], ["lru"], method="lp")
    point = found.points[weak]
    assert [each.from_neighbour for each in found.points] == [n == weak for n in range(3)]
    proof, instance = point.compared.proof, load_instance(drift, {"memory.hbm.capacity": rooms[weak]})
    roofline, exact, value = proof.roofline_s, lp.bound(instance).lower_bound_s, proof.bound.lower_bound_s
    assert roofline is not None
    assert exact is not None
    assert value is not None
    assert roofline * 2 < value <= exact * (1 + 1e-9)
    assert bounds(found) == sorted(bounds(found), reverse=True)
    assert (proof.bound.method, proof.bound.value_s, proof.bound.step_s) == ("lp", None, None)
    assert (proof.bound.status, proof.bound.details) == (Status.BOUND, {})  # the roofline's "optimal" is of another value
    assert proof.bound.note == "prices of a neighbouring point prove more here than roofline did"
    assert "prices of a neighbouring point" in proof.bound.rests_on
    assert proof.unavoidable_s == pytest.approx(value - roofline)
    row = point.compared.schedules[0]
    assert row.latency_s is not None
    assert row.gap == pytest.approx(row.latency_s / value - 1)
    assert f"By the prices of a neighbouring point: {rooms[weak]}." in sweep_text(found)


def test_points_of_other_shapes_lend_no_prices(drift: Path) -> None:
    """Prices fit only where there are as many steps; elsewhere each point keeps its own bound."""
    found = sweep(drift, ["trace.tokens=10,12"], method="compact")
    for tokens, value in zip((10, 12), bounds(found), strict=True):
        own = prove(load_instance(drift, {"trace.tokens": tokens}), "compact").bound.lower_bound_s
        assert value == own


def test_an_edited_file_is_read_again(drift: Path) -> None:
    """Nothing of an earlier sweep is kept."""
    before = bounds(sweep(drift, ["hbm.capacity=2MiB"], method="compact"))
    drift.write_text(drift.read_text().replace("prefill = 60", "prefill = 80"))
    assert bounds(sweep(drift, ["hbm.capacity=2MiB"], method="compact")) != before


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_point_that_is_no_instance_ends_the_sweep(drift: Path, jobs: int) -> None:
    """The complaint names the file's key and the point."""
    with pytest.raises(InputError) as caught:
        sweep(drift, ["hbm.capacity=2MiB,1KiB"], method="roofline", jobs=jobs)
    message = str(caught.value)
    assert message.startswith(f"{drift}: memory.hbm.capacity (override): found room for 1 KiB")
    assert message.endswith("(at memory.hbm.capacity=1KiB)")


def test_a_stop_keeps_what_is_finished(drift: Path) -> None:
    """The points whose bound is known come back, their schedulers marked as not finished; before that, nothing."""
    limits = Limits()
    found = sweep(drift, [ROOM], ["lru"], method="roofline", limits=limits, report=lambda _: limits.interrupt())
    assert found.interrupted
    assert [point.values for point in found.points] == [("256KiB",)]
    assert found.points[0].compared.schedules[0].outcome == "not finished"
    assert "interrupted: this is what was finished" in sweep_text(found)
    none = sweep(drift, [ROOM], method="roofline", limits=Limits(0))
    assert none.points == ()
    assert sweep_text(none) == "interrupted before any point was finished\n"


def killed(cell: grid.Cell, limits: Limits) -> object:
    """Stands for the work on a piece: the process that is at the second point's bound is killed."""
    if isinstance(cell, grid.Bounding) and "512KiB" in str(cell.question):
        os.kill(os.getpid(), signal.SIGKILL)
    return grid.work(cell, limits)


def test_a_killed_process_loses_its_piece_alone(drift: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other points are there, and what is lost says why."""
    monkeypatch.setattr(grid, "work", killed)
    found = sweep(drift, [ROOM], ["lru"], method="roofline", jobs=2)
    assert [point.compared.schedules[0].latency_s is None for point in found.points] == [False] * 3
    notes = [point.compared.proof.bound.note for point in found.points]
    assert [note.startswith("its worker process was killed (SIGKILL)") for note in notes] == [False, True, False]
    assert sweep_text(found)


def test_points_without_schedules_are_named(drift: Path) -> None:
    """Where none exists, or that is not known, it is said so, and nothing of weak bounds."""
    found = sweep(drift, [ROOM], method="roofline")
    points = []
    for point, packable in zip(found.points, (False, None, True), strict=True):
        proof = replace(point.compared.proof, packable=packable, best_s=None, best_from="")
        points.append(replace(point, compared=replace(point.compared, proof=proof)))
    text = " ".join(sweep_text(replace(found, points=tuple(points))).split())
    assert "At 256KiB: no schedule exists: at some state the blocks alive do not fit into the tiers whole." in text
    assert "At 512KiB: it is not known whether any schedule exists: the bytes have room in the tiers" in text
    assert "Weak at 768KiB: " in text


def test_progress_names_point_and_result(drift: Path) -> None:
    """One line for each finished piece."""
    said: list[str] = []
    sweep(drift, ["hbm.capacity=2MiB"], ["lru"], method="roofline", report=said.append)
    assert [line.split("  ")[0] for line in said] == [
        "[1/2] memory.hbm.capacity=2MiB: bound",
        "[2/2] memory.hbm.capacity=2MiB: lru",
    ]
    assert said[0].endswith(" s by roofline")


def test_unknown_schedulers_are_refused_first(drift: Path) -> None:
    """Before anything is computed."""
    with pytest.raises(InputError, match="found scheduler 'lruu', did you mean 'lru'"):
        sweep(drift, [ROOM], ["lruu"], report=pytest.fail)


# ---- what is written ----------------------------------------------------------------------------------------------------


def test_csv_has_a_line_for_each_point_and_scheduler(drift: Path) -> None:
    """Values as they were given, the columns of compare behind them; without schedulers one line a point."""
    found = sweep(drift, [ROOM], ["static", "lru"], method="compact")
    rows = list(csv.DictReader(io.StringIO(sweep_csv(found))))
    assert [(row["memory.hbm.capacity"], row["scheduler"]) for row in rows] == [
        (room, name) for room in ("256KiB", "512KiB", "768KiB") for name in ("static", "lru")
    ]
    assert [float(row["lower_bound_s"]) for row in rows[::2]] == bounds(found)
    assert float(rows[1]["gap"]) == pytest.approx(float(rows[1]["latency_s"]) / float(rows[1]["lower_bound_s"]) - 1)
    bare = list(csv.DictReader(io.StringIO(sweep_csv(replace(found, points=tuple(map(without_schedules, found.points)))))))
    assert [(row["memory.hbm.capacity"], row["scheduler"], row["latency_s"]) for row in bare] == [
        ("256KiB", "", ""),
        ("512KiB", "", ""),
        ("768KiB", "", ""),
    ]


def without_schedules(point: Point) -> Point:
    return replace(point, compared=replace(point.compared, schedules=()))


def test_document_has_the_keys_of_compare(drift: Path) -> None:
    """Every point carries its values beside what compare says of an instance."""
    found = sweep(drift, [ROOM], ["lru"], method="compact")
    document = sweep_document(found)
    assert document["keys"] == [{"key": "memory.hbm.capacity", "values": ("256KiB", "512KiB", "768KiB")}]
    point = document["points"][1]
    assert point["values"] == {"memory.hbm.capacity": "512KiB"}
    assert point["lower_bound_s"] == bounds(found)[1]
    assert point["method"] == "compact"
    assert point["from_neighbour"] is False
    assert point["schedules"][0]["scheduler"] == "lru"


def test_text_shows_what_each_value_saves(drift: Path) -> None:
    """One key: a column of differences between neighbours; two keys: none."""
    found = sweep(drift, [ROOM], ["lru"], method="compact")
    lines = sweep_text(found).splitlines()
    header = next(line for line in lines if line.startswith("hbm.capacity"))
    assert header.split() == ["hbm.capacity", "roofline", "[us]", "bound", "saved", "known", "to", "lru", "above", "optimum"]
    cells = next(line for line in lines if line.strip().startswith("512KiB")).split()
    values = bounds(found)
    assert float(cells[2]) == pytest.approx(values[1] * 1e6, rel=1e-3)
    assert float(cells[3]) == pytest.approx((values[0] - values[1]) * 1e6, rel=1e-2)
    assert lines[-1] == "Bounds: compact (bound)."
    two = sweep_text(sweep(drift, ["hbm.capacity=2MiB", "trace.seed=1,2"], method="roofline"))
    assert "saved" not in two


def test_text_tells_of_schedulers_that_declined(tmp_path: Path) -> None:
    """A scheduler that is not made for a point says why below the table."""
    path = write_drift(tmp_path)
    found = sweep(path, ["trace.tokens=12"], ["static"], method="roofline")
    row = replace(found.points[0].compared.schedules[0], outcome=Outcome.REFUSED, latency_s=None, note="too large")
    point = replace(found.points[0], compared=replace(found.points[0].compared, schedules=(row,)))
    assert "12: static refused: too large" in sweep_text(replace(found, points=(point,)))


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``sweep`` prints the table or JSON and writes the CSV; the exit code is that of compare."""
    path, table = str(write_ahead(tmp_path)), tmp_path / "points.csv"
    arguments = ["sweep", path, "--set", "hbm.capacity=10B,12B", "--schedulers", "lru", "--method", "compact"]
    assert main([*arguments, "--csv", str(table)]) == 0
    assert "hbm.capacity" in capsys.readouterr().out
    assert table.read_text().startswith("memory.hbm.capacity,instance,hash,method,status,lower_bound_s,")
    assert main([*arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == 1
    assert document["points"][0]["lower_bound_s"] == pytest.approx(0.0496471, abs=5e-8)
    assert document["points"][1]["lower_bound_s"] < document["points"][0]["lower_bound_s"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "hmb.capacity=1GiB"], "error: {path}: memory.hmb (override): found unknown key 'hmb', did you mean 'hbm'?"),
        (["--set", "trce.drift=1"], "error: --set: found unknown key 'trce.drift', did you mean 'trace.drift'?"),
        (["--set", "hbm.capacity=1GiB", "--schedulers", ""], "error: --schedulers: found an empty name in ''"),
        (
            ["--set", "hbm.capacity=1GiB", "--csv", "{folder}"],
            "error: {folder}: --csv: found a folder, expected the name of a file",
        ),
        (["--set", "hbm.capacity=1GiB", "--plot", "a.pdf"], "error: --plot: found 'a.pdf', expected a name that ends in .png"),
        ([], "error: the following arguments are required: --set"),
    ],
)
def test_command_refusals(drift: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    """Each bad argument has its message, exit code 2 and no output."""
    places = {"path": drift, "folder": drift.parent}
    assert main(["sweep", str(drift), *(text.format(**places) for text in arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(message.format(**places))


def test_nothing_is_claimed_of_weak_points(drift: Path) -> None:
    """Where schedule and bound are far apart the point is marked, saves nothing, judges nobody, and a line says what to do."""
    found = sweep(drift, ["hbm.capacity=256KiB,64MiB"], ["static"], method="roofline")
    weak = [point.compared.proof.interval.weak for point in found.points]
    assert weak == [True, False]
    text = sweep_text(found)
    first, second = (next(line for line in text.splitlines() if line.strip().startswith(name)) for name in ("256KiB", "64MiB"))
    assert "weak" in first
    assert "weak" not in second
    assert second.split()[3] == "-"  # saved
    assert "Weak at 256KiB: the optimum is not known to 10 %" in text
    assert "a longer --time-limit or bound --gap goes on." in " ".join(text.split())
    rows = list(csv.DictReader(io.StringIO(sweep_csv(found))))
    assert [row["weak"] for row in rows] == ["True", "False"]
    assert rows[0]["verdict"] == "unknown"
    assert float(rows[0]["above_optimum_least"]) < float(rows[0]["above_optimum_most"])
    assert sweep_document(found)["points"][0]["binds"]


def test_points_without_schedulers_know_how_close_they_are(drift: Path) -> None:
    """A few cheap schedulers are run for that, though none was asked for."""
    found = sweep(drift, ["hbm.capacity=2MiB"], method="compact")
    proof = found.points[0].compared.proof
    assert proof.best_s is not None
    assert proof.best_from in QUICK
    assert found.points[0].compared.schedules == ()
