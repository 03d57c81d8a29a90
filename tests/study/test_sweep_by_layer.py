"""Sweeps of questions whose reads have no room as rows: in runs, layer by layer, and at some points only."""

from __future__ import annotations

import csv
import importlib
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import placement_opt as po
from placement_opt.answer.prove import Proof, prove, prove_known
from placement_opt.answer.standing import Standing, State
from placement_opt.base.errors import InputError, LimitError
from placement_opt.base.limits import Limits
from placement_opt.bounds import METHODS
from placement_opt.bounds.result import Bound, Prices, Status
from placement_opt.certify.files import save_prices
from placement_opt.certify.layered import verify_large
from placement_opt.certify.stacked import verify_stacked
from placement_opt.cli import main
from placement_opt.instance.instance import Instance
from placement_opt.instance.layered import Layered
from placement_opt.instance.load import in_layers, in_runs
from placement_opt.instance.outline import read_outline
from placement_opt.instance.stacked import AnyQuestion, Large, Stacked
from placement_opt.layered.dual import below
from placement_opt.layered.solve import CertifiedPrices
from placement_opt.report.sweep import sweep_text
from placement_opt.study.asked import asked_at
from placement_opt.study.auto_capacity import spelt_out
from placement_opt.study.compare import compare
from placement_opt.study.neighbours import Lending, lending
from placement_opt.study.scheduled import Outcome
from placement_opt.study.sweep import Sweep, sweep
from placement_opt.workload.synth import params
from tests.layered.cases import write
from tests.stacking import written

ROOMS = ("330MiB", "400MiB", "500MiB", "800MiB")
ROOM = f"hbm.capacity={','.join(ROOMS)}"
MANY = params.LARGEST_READS


def raised(part: Instance, gap: float, limits: Limits, start: Prices | None, names: Sequence[str]) -> State:
    """What the ladder proves of a part of a question: by one method, which does not depend on how long anything takes."""
    del gap, limits, start, names
    standing = Standing()
    standing.raise_to(METHODS["lp"](part), "lp")
    return standing.state


@pytest.fixture
def no_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer has room for its reads as rows; both layers, or all three, have none."""
    monkeypatch.setattr(params, "LARGEST_READS", 300)
    monkeypatch.setattr(importlib.import_module("placement_opt.answer.answer"), "_raised", raised)


def in_rows(*arguments: Any, **named: Any) -> Sweep:
    """The same sweep with room for rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(params, "LARGEST_READS", MANY)
        return sweep(*arguments, **named)


def bounds(found: Sweep) -> list[float]:
    values = [point.compared.proof.bound.lower_bound_s for point in found.points]
    assert None not in values
    return [value for value in values if value is not None]


def latencies(found: Sweep) -> list[list[float | None]]:
    return [[row.latency_s for row in point.compared.schedules] for point in found.points]


# ---- the same as in rows -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_rows")
def test_runs_have_the_bounds_of_rows(tmp_path: Path) -> None:
    """Up to what the method leaves open; never rising with room; below every schedule, of which lru takes exactly as long."""
    path = write(tmp_path)
    found, rows = sweep(path, ROOM, "lru"), in_rows(path, ROOM, "lru", method="compact")
    assert [point.values for point in found.points] == [(room,) for room in ROOMS]
    assert {point.compared.proof.bound.method for point in found.points} == {"scale"}
    assert latencies(found) == latencies(rows)
    assert bounds(found) == sorted(bounds(found), reverse=True)
    assert bounds(found)[0] > bounds(found)[-1]
    for ours, theirs, point, other in zip(bounds(found), bounds(rows), found.points, rows.points, strict=True):
        best_s = point.compared.proof.best_s
        assert best_s is not None
        assert ours <= min(best_s, other.compared.proof.best_s or 0.0)
        assert ours == pytest.approx(theirs, rel=0.02)
        assert point.compared.schedules[0].outcome is Outcome.TIMED
    assert bounds(sweep(path, ROOM, method="roofline")) == pytest.approx(bounds(in_rows(path, ROOM, method="roofline")))


@pytest.mark.usefixtures("no_rows")
def test_layers_have_bounds_below_every_schedule_of_rows(tmp_path: Path) -> None:
    """Of any scheduler, played in shares of the room; more room never raises the bound, whichever way the points go."""
    path = written(tmp_path)
    values = {}
    for rooms in ("10%,20%,40%", "40%,20%,10%"):
        key = f"fast.capacity={rooms}"
        found = sweep(path, key, "lru,belady", bound_seconds=1.0)
        assert {point.compared.proof.bound.method for point in found.points} == {"layers"}
        rows = in_rows(path, key, "lru,belady", method="lp")
        values[rooms] = bounds(found)
        for point, other, value in zip(found.points, rows.points, bounds(found), strict=True):
            known = [row.latency_s for each in (point, other) for row in each.compared.schedules]
            assert value <= min(one for one in [*known, point.compared.proof.best_s] if one is not None)
            assert value >= (point.compared.proof.roofline_s or 0.0) * (1 - 1e-12)
    ascending, descending = values.values()
    assert ascending == sorted(ascending, reverse=True)
    assert ascending[0] > ascending[-1]
    assert descending == sorted(descending)


@pytest.mark.usefixtures("no_rows")
def test_the_answer_does_not_depend_on_jobs(tmp_path: Path) -> None:
    """Layers are worked on in two processes, one piece of the sweep after the other."""
    said: list[str] = []
    one = sweep(write(tmp_path), "hbm.capacity=330MiB", "lru")
    two = sweep(write(tmp_path), "hbm.capacity=330MiB", "lru", jobs=2, report=said.append)
    assert (bounds(one), latencies(one)) == (bounds(two), latencies(two))
    assert [line.split("  ")[0] for line in said] == [
        "[1/2] memory.hbm.capacity=330MiB: bound",
        "[2/2] memory.hbm.capacity=330MiB: lru",
    ]


def test_points_are_asked_in_rows_where_they_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that changes how much there is of the trace: each point as by itself, in the order of the values."""
    path, tokens = write(tmp_path), "trace.tokens=30,5,20"
    monkeypatch.setattr(params, "LARGEST_READS", 500)
    points = (("trace.tokens", "30"),), (("trace.tokens", "5"),)
    assert [type(one.source) for one in asked_at(path, points, None, Limits())] == [Layered, type(path)]
    found = sweep(path, [tokens, "hbm.capacity=330MiB,500MiB"], "lru")
    assert [point.values[0] for point in found.points] == ["30", "30", "5", "5", "20", "20"]
    methods = [point.compared.proof.bound.method for point in found.points]
    assert [methods[0], methods[1], methods[4]] == ["scale"] * 3
    assert "scale" not in methods[2:4]
    rows = in_rows(path, [tokens, "hbm.capacity=330MiB,500MiB"], "lru", method="compact")
    assert latencies(found) == latencies(rows)
    assert bounds(found) == pytest.approx(bounds(rows), rel=0.02)
    for n in (0, 2, 4):
        assert bounds(found)[n] >= bounds(found)[n + 1]


@pytest.mark.usefixtures("no_rows")
def test_compare_varies_keys_too(tmp_path: Path) -> None:
    """Each point by itself, as a comparison of its own would say."""
    found = compare(write(tmp_path), "lru", keys="hbm.capacity=330MiB,500MiB")
    swept = sweep(write(tmp_path), "hbm.capacity=330MiB,500MiB", "lru")
    assert [dict(one.setting) for one in found.instances] == [{"memory.hbm.capacity": f"{n}MiB"} for n in (330, 500)]
    assert [[row.latency_s for row in one.schedules] for one in found.instances] == latencies(swept)
    assert [one.proof.bound.lower_bound_s for one in found.instances] == bounds(swept)


# ---- what prices prove at other points ---------------------------------------------------------------------------------


def question_of(path: Path, kind: str, overrides: dict[str, Any] | None = None) -> Large:
    outline = read_outline(path, overrides)
    return in_runs(outline) if kind == "runs" else in_layers(outline)


def solved(folder: Path, kind: str, more: dict[str, Any] | None = None) -> tuple[Path, Large, Bound, Lending]:
    path = write(folder) if kind == "runs" else written(folder)
    if kind == "layers":
        path.write_text(path.read_text() + '[rules]\nfloor = "90 us"\n')
    question = question_of(path, kind, more)
    proof = prove(question, limits=Limits(None if kind == "runs" else 2.0))
    return path, question, proof.bound, lending(question, proof)


def verified(question: Large, bound: Bound, claim: Fraction, folder: Path) -> Fraction | None:
    """What the verifier proves from the same prices, if they claim that of this question."""
    assert isinstance(bound.prices, CertifiedPrices)
    save_prices(replace(bound.prices.certificate, instance_hash=question.hash, claim=claim), folder / "c")
    if isinstance(question, Layered):
        return verify_large(question, [folder / "c"]).lower
    return verify_stacked(question, [folder / "c"]).lower


OTHERS: dict[str, tuple[dict[str, Any], ...]] = {
    "runs": ({"memory.hbm.capacity": "500 MiB"}, {"memory.hbm.capacity": "300 MiB"}, {"memory.lpddr.capacity": "300 GiB"}),
    "layers": (
        {"memory.fast.capacity": "22 %"},
        {"memory.fast.capacity": "26 %", "memory.middle.capacity": "30 %"},
        {"memory.fast.capacity": "10 %", "memory.slow.capacity": "2 MB"},
    ),
}


@pytest.mark.usefixtures("no_rows")
@pytest.mark.parametrize("kind", ["runs", "layers"])
def test_claims_at_other_room_are_what_the_verifier_proves(kind: str, tmp_path: Path) -> None:
    """To the last digit, block by block, with more room and less; at lower rates the floor has more, nothing else."""
    path, question, bound, lent = solved(tmp_path, kind)
    assert lent.claim is not None
    assert lent.claim.at(question) == lent.claim.seconds
    assert any(lent.claim.rents)
    assert lent.bound.prices is None
    for overrides in OTHERS[kind]:
        other = question_of(path, kind, overrides)
        claimed = lent.claim.at(other)
        assert claimed is not None
        assert claimed != lent.claim.seconds or "lpddr" in str(overrides)
        assert verified(other, bound, claimed, tmp_path) == claimed
    name = "c2c.up.rate" if kind == "runs" else "near.up.rate"
    slower = question_of(path, kind, {f"memory.{name}": "100 GB/s" if kind == "runs" else "14 MB/s"})
    assert lent.claim.at(slower) == lent.claim.seconds
    proven = verified(slower, bound, lent.claim.seconds, tmp_path)
    assert proven is not None
    assert proven >= lent.claim.seconds


@pytest.mark.usefixtures("no_rows")
@pytest.mark.parametrize("kind", ["runs", "layers"])
def test_claims_hold_where_nothing_else_differs(kind: str, tmp_path: Path) -> None:
    """Not of another trace, floor or rule, nor where a rate is higher that is charged for; one that is not may be."""
    path, question, _, lent = solved(tmp_path, kind)
    assert lent.claim is not None
    for overrides in ({"trace.seed": 9}, {"trace.tokens": 11}, {"rules.floor": "2 us"}, {"llm.kv_bytes": "2 kB"}):
        assert lent.claim.at(question_of(path, kind, overrides)) is None
    free = lent.claim.rates.index(None)
    for resource in range(question.num_resources):
        rates = question.memory.rates.copy()
        rates[resource] += 1
        more = replace(question, memory=replace(question.memory, rates=rates))
        assert (lent.claim.at(more) is None) == (lent.claim.rates[resource] is not None)
    assert free >= 0


def test_a_start_that_fills_tiers_is_another_one_in_other_room(tmp_path: Path) -> None:
    """And one in a file, or in the home tier, is not."""
    path = written(tmp_path)
    for initial, same in (("first-fit", False), ("home", True), ("free", True)):
        forms = [
            question_of(path, "layers", {"rules.initial": initial, "memory.fast.capacity": room}).form
            for room in ("20 %", "30 %")
        ]
        assert (forms[0] == forms[1]) == same
    slow = question_of(path, "layers", {"memory.fast.rate": "1 MB/s"})
    assert slow.form != question_of(path, "layers").form  # pages are filled in another tier


@pytest.mark.usefixtures("no_rows")
def test_prices_that_prove_nothing_lend_nothing(tmp_path: Path) -> None:
    """What was cut at 0 says nothing of less room; nor do a roofline without prices and a proof that no schedule exists."""
    _, question, bound, _ = solved(tmp_path, "runs")
    assert isinstance(bound.prices, CertifiedPrices)
    nothing = replace(bound.prices, certificate=replace(bound.prices.certificate, claim=Fraction(0)))
    proof = prove(question, "roofline")
    for other in (replace(bound, prices=nothing), replace(bound, status=Status.INFEASIBLE), proof.bound):
        assert lending(question, replace(proof, bound=other)).claim is None


@pytest.mark.usefixtures("no_rows")
@pytest.mark.parametrize("weak", [0, 1, 2, 3])
def test_a_weak_point_lives_on_the_prices_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weak: int) -> None:
    """Where a point's own bound is the roofline only, it gets what prices of the others prove there."""
    path, whole = write(tmp_path, room=400, prefill=100, tokens=80, drift=0.1), "hbm.capacity=300MiB,330MiB,360MiB,390MiB"

    def weak_somewhere(instance: AnyQuestion, method: str, **arguments: Any) -> Proof:
        room = (200, 230, 260, 290)[weak] * 2**20  # beside the weights
        return prove_known(instance, "roofline" if instance.capacity[0] == room else method, **arguments)

    own = sweep(path, whole)
    monkeypatch.setattr(sys.modules[Sweep.__module__], "prove_known", weak_somewhere)
    found = sweep(path, whole)
    assert [each.from_neighbour for each in found.points] == [n == weak for n in range(4)]
    proof = found.points[weak].compared.proof
    assert proof.roofline_s is not None
    assert proof.roofline_s < bounds(found)[weak] <= (own.points[weak].compared.proof.best_s or 0.0)
    assert bounds(found) == sorted(bounds(found), reverse=True)
    assert (proof.bound.method, proof.bound.status) == ("scale", Status.BOUND)
    assert proof.bound.note == "prices of a neighbouring point prove more here than roofline did"
    assert "in exact integers" in proof.bound.rests_on
    assert proof.binds
    given = lending(*_point(path, "hbm.capacity", ("300MiB", "330MiB", "360MiB", "390MiB")[weak - 1])).claim
    assert given is not None
    there = given.at(question_of(path, "runs", {"memory.hbm.capacity": found.points[weak].values[0]}))
    assert there is not None
    assert bounds(found)[weak] >= below(there)
    assert "By the prices of a neighbouring point: " in sweep_text(found)


def _point(path: Path, key: str, text: str) -> tuple[Large, Proof]:
    question = question_of(path, "runs", {f"memory.{key}": text})
    return question, prove(question)


@pytest.mark.usefixtures("no_rows")
def test_higher_rates_never_raise_the_bound(tmp_path: Path) -> None:
    """Of two keys that grow, too: a point with less of both has no lower bound."""
    found = sweep(write(tmp_path), ["hbm.capacity=330MiB,500MiB", "c2c.up.rate=100GB/s,200GB/s,400GB/s"])
    table = [bounds(found)[:3], bounds(found)[3:]]
    assert all(row == sorted(row, reverse=True) for row in table)
    assert all(less >= more for less, more in zip(*table, strict=True))


# ---- what keeps a point from its answer --------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_rows")
def test_a_stop_keeps_what_is_finished(tmp_path: Path) -> None:
    """The points whose bound is known come back, each with what it had by then."""
    limits = Limits()
    found = sweep(write(tmp_path), ROOM, "lru", limits=limits, report=lambda _: limits.interrupt())
    assert found.interrupted
    assert [point.values for point in found.points] == [("330MiB",)]
    assert bounds(found)[0] > 0.0
    assert found.points[0].compared.schedules[0].outcome == "not finished"
    assert sweep(write(tmp_path), ROOM, limits=Limits(0)).points == ()


@pytest.mark.usefixtures("no_rows")
def test_a_killed_process_loses_its_point_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are there, and lend it what they prove."""

    def killed(instance: AnyQuestion, method: str, **arguments: Any) -> Proof:
        if instance.capacity[0] == 300 * 2**20:
            raise LimitError("its worker process was killed (SIGKILL)")
        return prove_known(instance, method, **arguments)

    monkeypatch.setattr(sys.modules[Sweep.__module__], "prove_known", killed)
    found = sweep(write(tmp_path), "hbm.capacity=330MiB,400MiB,500MiB", "lru")
    assert [point.from_neighbour for point in found.points] == [False, True, False]
    lost = found.points[1].compared
    assert lost.proof.bound.note.startswith("its worker process was killed (SIGKILL); prices of a neighbouring point")
    assert lost.schedules[0].latency_s is not None
    assert sweep_text(found)


@pytest.mark.usefixtures("no_rows")
def test_what_needs_rows_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A method, before any work; a scheduler whose layers have no room either; a question that does not know its file."""
    path = write(tmp_path)
    argv = ["sweep", str(path), "--set", ROOM]
    assert main([*argv, "--method", "compact"]) == 3
    assert "reads, expected at most 300 to be held in memory; compact needs the reads as rows" in capsys.readouterr().err
    assert main([*argv, "--method", "roofline", "--schedulers", "lru,belady"]) == 3
    said = " ".join(capsys.readouterr().out.split())
    assert "330MiB: belady limit reached: found settings that make 882 reads, expected at most 300 to be held in memory" in said
    runs, layers = po.load(path), po.load(written(tmp_path))
    assert isinstance(runs, Layered)
    assert isinstance(layers, Stacked)
    for question, kind in ((runs, "in runs"), (layers, "layer by layer")):
        found = f"found {question.name}, a question {kind}, which does not know its file, expected the name of its file"
        with pytest.raises(InputError, match=f"^instance: {found}, whose keys can vary$"):
            po.sweep(question, "hbm.capacity=1GiB,2GiB")
        with pytest.raises(InputError, match=f"^keys: {found}"):
            po.compare(question, "lru", keys="hbm.capacity=1GiB,2GiB")


@pytest.mark.usefixtures("no_rows")
def test_a_point_that_has_no_form_is_refused(tmp_path: Path) -> None:
    """With the point, before any work: one without room for its blocks, a trace that does not come layer by layer."""
    with pytest.raises(InputError, match=r"found 100 MiB of weights, .*\(at memory.hbm.capacity=50MiB\)$"):
        sweep(write(tmp_path), "hbm.capacity=330MiB,50MiB", report=pytest.fail)
    path = written(tmp_path, '[rules]\nresidency = "cache"\nprefix = "strict"\n[recompute]\nrate = "1 GB/s"\n')
    with pytest.raises(InputError, match=r"rules.prefix: found .* \(at trace.tokens=12\)$"):
        sweep(path, "trace.tokens=12,20", report=pytest.fail)


# ---- keys and what is written ------------------------------------------------------------------------------------------


def test_capacities_chosen_alone_are_those_of_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From what the largest step reads to everything; shares are of the same bytes."""
    for path, key in ((write(tmp_path), "hbm.capacity"), (written(tmp_path), "fast.capacity")):
        with monkeypatch.context() as patch:
            rows = spelt_out([f"{key}=auto:4"], path)
            patch.setattr(params, "LARGEST_READS", 300)
            assert spelt_out([f"{key}=auto:4"], path) == rows
            (values,) = (each.partition("=")[2].split(",") for each in rows)
            points = [((f"memory.{key}", text),) for text in values]
            large = [one.instance().capacity.tolist() for one in asked_at(path, points, None, Limits())]
        assert large == [one.instance().capacity.tolist() for one in asked_at(path, points, None, Limits())]


@pytest.mark.usefixtures("no_rows")
def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Text, JSON, CSV and picture; ``auto`` spelt out."""
    pytest.importorskip("matplotlib")
    table, picture = tmp_path / "points.csv", tmp_path / "curve.svg"
    argv = ["sweep", str(write(tmp_path)), "--set", "hbm.capacity=auto:3", "--schedulers", "lru", "--csv", str(table)]
    assert main([*argv, "--plot", str(picture)]) == 0
    assert "100%" in capsys.readouterr().out
    assert picture.read_text().startswith("<?xml")
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert main([*argv, "--json"]) == 0
    points = json.loads(capsys.readouterr().out)["points"]
    assert [float(row["lower_bound_s"]) for row in rows] == [point["lower_bound_s"] for point in points]
    assert [point["method"] for point in points] == ["scale"] * 3
    assert points[0]["lower_bound_s"] > points[-1]["lower_bound_s"]
