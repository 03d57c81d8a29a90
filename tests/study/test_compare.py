"""Schedulers held against the bound."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from placement_opt.answer import quick
from placement_opt.answer.prove import Proof, proof_of, prove
from placement_opt.base.errors import InputError, Interrupted, LimitError, ScheduleError
from placement_opt.base.limits import Limits
from placement_opt.bounds import METHODS
from placement_opt.bounds.dual.evaluate import evaluate
from placement_opt.bounds.result import Bound, Status
from placement_opt.cli import main
from placement_opt.instance.instance import Instance
from placement_opt.report.comparison import comparison_document, comparison_sentences, comparison_text
from placement_opt.report.machine import to_json
from placement_opt.study import grid, scheduled
from placement_opt.study.compare import chosen_schedulers, compare
from placement_opt.study.comparison import Comparison
from placement_opt.study.scheduled import Outcome, Scheduled, distance, held_against
from tests.cli.cases import write_ahead, write_drift
from tests.small import fetch_ahead, make_instance, make_trace, random_instance, two_tier

#: The package's attribute of this name is the function.
MODULE = importlib.import_module("placement_opt.study.compare")


def proof(lower: float | None, roofline: float | None, *, method: str = "lp", status: Status = Status.OPTIMAL) -> Proof:
    bound = Bound(method, status, lower, 0.5, "weak duality")
    extra = None if lower is None or roofline is None else lower - roofline
    return Proof("case", "ab" * 32, bound, roofline, extra, 10, "tokens", 10 / lower if lower else None)


# ---- the list of schedulers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "specs"),
    [
        ("lru", ("lru",)),
        ("static, lru", ("static", "lru")),
        ("static,sa:window=3,ratio=0.5,lru", ("static", "sa:window=3,ratio=0.5", "lru")),
        ("lru:scope=global,lru:scope=layer", ("lru:scope=global", "lru:scope=layer")),
    ],
)
def test_options_stay_with_their_scheduler(text: str, specs: tuple[str, ...]) -> None:
    """A comma separates schedulers, except before one more key=value of the same."""
    assert chosen_schedulers(text) == specs


def test_all_is_every_scheduler_there_is() -> None:
    """``all`` follows the registry."""
    from placement_opt.schedulers import REGISTRY

    assert chosen_schedulers("all") == tuple(REGISTRY)


@pytest.mark.parametrize("text", ["", "lru,", ",lru"])
def test_an_empty_name_is_refused(text: str) -> None:
    """An empty piece is a slip, not a scheduler."""
    with pytest.raises(InputError, match="found an empty name"):
        chosen_schedulers(text)


# ---- numbers -----------------------------------------------------------------------------------------------------------


def test_the_distance_from_the_roofline_is_shared_out() -> None:
    """above roofline = unavoidable + own; gap, factor and worth are of the bound."""
    row = distance(Scheduled("static", Outcome.TIMED, latency_s=8.0), proof(2.0, 1.5))
    assert (row.gap, row.times_bound, row.worth) == (3.0, 4.0, 0.75)
    assert (row.above_roofline_s, row.unavoidable_s, row.own_s) == (6.5, 0.5, 6.0)
    assert row.outcome is Outcome.TIMED


def test_without_a_bound_there_is_no_distance() -> None:
    """A schedule is shown with its latency alone where nothing was proven."""
    row = Scheduled("static", Outcome.TIMED, latency_s=8.0)
    assert distance(row, proof(None, 1.5, status=Status.NONE)) == row


def test_a_bound_of_zero_has_no_ratio() -> None:
    """Nothing to do takes no time, and nothing is divided by it."""
    row = distance(Scheduled("static", Outcome.TIMED, latency_s=0.0), proof(0.0, 0.0))
    assert (row.gap, row.times_bound, row.worth, row.own_s) == (None, None, None, 0.0)


def test_rounding_is_no_contradiction() -> None:
    """A schedule below the bound by less than rounding is at the bound."""
    row = distance(Scheduled("belady", Outcome.TIMED, latency_s=2.0 * (1 - 1e-10)), proof(2.0, 1.5))
    assert row.outcome is Outcome.TIMED


def test_a_schedule_below_the_bound_is_a_contradiction() -> None:
    """Beyond rounding, one of the two is wrong, and the outcome says so."""
    row = distance(Scheduled("belady", Outcome.TIMED, latency_s=2.0 * (1 - 1e-8)), proof(2.0, 1.5))
    assert row.outcome is Outcome.BELOW_BOUND


def test_a_contradiction_judges_nobody() -> None:
    """Where one schedule lies below the bound nothing follows for the others either, and the sentences complain."""
    rows = [Scheduled(name, Outcome.TIMED, latency_s=at) for name, at in (("static", 8.0), ("belady", 1.9))]
    one = held_against(proof(2.0, 1.5), rows)
    assert [row.outcome for row in one.schedules] == [Outcome.TIMED, Outcome.BELOW_BOUND]
    assert [row.judgement for row in one.schedules] == [None, None]
    (sentence,) = comparison_sentences(one)
    assert "LESS than the proven lower bound" in sentence


def test_the_better_of_method_and_roofline_stands() -> None:
    """A method that proves less than the roofline gives way to it, and the note says so."""
    instance = fetch_ahead()
    roofline = METHODS["roofline"](instance)
    least = roofline.lower_bound_s
    weak = proof_of(instance, Bound("flow", Status.LIMIT, 0.01, 0.5, "weak duality"))
    assert (weak.bound.method, weak.bound.lower_bound_s, weak.unavoidable_s) == ("roofline", least, 0.0)
    assert weak.bound.status is Status.LIMIT
    assert weak.bound.note == "flow proved only 0.01 s, so the roofline stands"
    assert weak.bound.prices is not None
    assert evaluate(instance, weak.bound.prices).value_s == pytest.approx(least, rel=1e-9)
    assert least is not None
    assert weak.most_tokens_per_s == pytest.approx(22 / least)
    nothing = proof_of(instance, Bound("lp", Status.NONE, None, 0.5, ""))
    assert (nothing.bound.method, nothing.bound.lower_bound_s, nothing.bound.status) == ("roofline", least, Status.BOUND)
    assert proof_of(instance, Bound("lp", Status.OPTIMAL, 0.049, 0.5, "")).bound.method == "lp"


def test_a_method_that_is_left_behind_leaves_the_roofline(monkeypatch: pytest.MonkeyPatch, stubborn: threading.Event) -> None:
    """Whatever a method was doing when its time was up: the roofline is proven, and the status says what happened."""
    module = importlib.import_module("placement_opt.answer.prove")
    monkeypatch.setattr(module, "lower_bound", lambda *_, **__: stubborn.wait())
    found = prove(fetch_ahead(), "lp", limits=Limits(0.0)).bound
    assert found.lower_bound_s == pytest.approx(0.0482929620446, rel=1e-9)
    assert (found.method, found.status) == ("roofline", Status.LIMIT)
    assert found.note == "lp proved nothing, so the roofline stands; lp: it did not stop when it was asked to"


def test_bounds_that_differ_by_rounding_are_the_same() -> None:
    """A method that finds the roofline by other sums shows no distance from it, of either sign."""
    found = prove(make_instance(two_tier(), make_trace([[0, 1], [0, 1]], [-1, -1])), "compact")
    assert found.unavoidable_s == 0.0
    assert found.bound.method == "compact"


def test_tokens_are_those_of_the_labels() -> None:
    """Steps that carry tokens are counted by token, others one by one."""
    instance = fetch_ahead()
    assert (prove(instance, "roofline").tokens, prove(instance, "roofline").counts) == (22, "steps")
    labels = np.array([0, 0, 1, 1] + [2] * 18, dtype=np.int32)
    labelled = replace(instance, trace=replace(instance.trace, step_token=labels))
    found = prove(labelled, "roofline")
    assert (found.tokens, found.counts) == (3, "tokens")
    assert found.most_tokens_per_s == pytest.approx(3 / found.roofline_s) if found.roofline_s else False


@pytest.mark.parametrize("residency", ["inclusive", "exclusive", "free"])
def test_random_instances_keep_the_order(residency: str) -> None:
    """On small random instances no scheduler is below the bound, whatever the rule."""
    rng = np.random.default_rng(7)
    instances = [random_instance(rng, 2, residency, blocks=5, steps=6) for _ in range(5)]  # type: ignore[arg-type]
    found = compare(instances, ["static", "lru", "belady"], method="lp")
    assert not found.of(Outcome.BELOW_BOUND, Outcome.ILLEGAL)
    assert all(row.gap is not None and row.gap >= -1e-9 for one in found.instances for row in one.schedules)


# ---- what comes of a scheduler -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "outcome", "code"),
    [
        (ScheduleError("moves a block that is not there", scheduler="lru", step=3, block=1), Outcome.ILLEGAL, 1),
        (InputError("found one layer", "expected several"), Outcome.REFUSED, 2),
        (LimitError("too many blocks"), Outcome.LIMIT, 3),
        (Interrupted("stopped"), Outcome.UNFINISHED, 0),
    ],
)
def test_expected_troubles_become_outcomes(
    monkeypatch: pytest.MonkeyPatch, error: Exception, outcome: Outcome, code: int
) -> None:
    """A scheduler that declines, breaks a rule or runs out of time does not end the comparison of the others."""

    def fake(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(scheduled, "play", fake)
    found = compare([fetch_ahead()], ["lru"], method="roofline")
    row = found.instances[0].schedules[0]
    assert (row.outcome, row.note, row.latency_s) == (outcome, str(error), None)
    assert found.exit_code(everything=False) == code
    assert f"{outcome}: {error}" in comparison_text(found)
    json.loads(to_json(comparison_document(found)))


def test_declining_is_no_failure_where_all_were_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``all``, a scheduler that is not made for the instance is shown and passed over."""

    def fake(*_: object, **__: object) -> None:
        raise InputError("found one layer", "expected several")

    monkeypatch.setattr(scheduled, "play", fake)
    found = compare([fetch_ahead()], ["lru"], method="roofline")
    assert found.exit_code(everything=True) == 0


def test_a_schedule_below_the_bound_is_said_loudly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Exit code 1, an error with both numbers, and the same in the sentences."""
    true = MODULE.prove_judging

    def inflated(*args: object, **rest: object) -> Proof:
        found: Proof = true(*args, **rest)
        assert found.bound.lower_bound_s is not None
        return replace(found, bound=replace(found.bound, lower_bound_s=10 * found.bound.lower_bound_s), unavoidable_s=1.0)

    monkeypatch.setattr(MODULE, "prove_judging", inflated)
    assert main(["compare", str(write_ahead(tmp_path)), "--schedulers", "static", "--method", "lp"]) == 1
    out, err = capsys.readouterr()
    assert err.startswith("error: fetch-ahead: scheduler static takes 0.0667")
    for text in (out, err):
        assert "LESS than the proven lower bound" in " ".join(text.split())
    assert "below the bound" in out


def test_a_bound_that_proves_nothing_has_no_answer() -> None:
    """Exit code 3 where an instance has no bound at all."""
    one = held_against(proof(None, None, status=Status.NONE), [Scheduled("lru", Outcome.TIMED, latency_s=1.0)])
    assert Comparison((one,)).exit_code(everything=True) == 3
    assert comparison_sentences(one) == []
    assert "lower bound  -  (lp, no bound)" in comparison_text(Comparison((one,)))


# ---- sentences ---------------------------------------------------------------------------------------------------------


def said(rows: dict[str, float], lower: float = 1.0, roofline: float = 0.5) -> str:
    known = proof(lower, roofline)
    return " ".join(
        comparison_sentences(held_against(known, [Scheduled(name, Outcome.TIMED, latency_s=at) for name, at in rows.items()]))
    )


def test_the_sentence_an_architect_asks_for() -> None:
    """Where the optimum is, how far the slowest is above it, what of that no policy can avoid, and how far the fastest is."""
    assert said({"static": 4.6, "lru": 1.024}) == (
        "The optimum lies between 1 s and 1.024 s (lru): it is known to 2.4 %. "
        "static is at most 4.6x the optimum, and at least 4.5x. "
        "Of its 4.1 s above the roofline between 12 % and 13 % cannot be avoided by any policy. "
        "lru is at most 2.4 % above the optimum, and at least 0 %."
    )


def test_schedulers_that_are_alike_are_named_together() -> None:
    """Equal latencies are one sentence."""
    assert "static and lru are both at most 2.0x the optimum, and at least 1.00x." in said({"static": 2.0, "lru": 2.0})
    assert " a, b and c are all at most 2.0x the optimum" in said({"a": 2.0, "b": 2.0, "c": 2.0})


def test_a_scheduler_at_the_bound_has_nothing_to_gain() -> None:
    """No percentage of nothing."""
    assert said({"belady": 1.0}) == (
        "The optimum is known: 1 s (belady) is at the bound. belady is at the optimum: nothing is left to gain. "
        "Of its 500 ms above the roofline 100 % cannot be avoided by any policy."
    )


def test_a_bound_at_the_roofline_avoids_nothing() -> None:
    """Where the bound is the roofline, nothing is said of whose fault the distance is."""
    assert said({"lru": 1.5}, lower=1.0, roofline=1.0) == (
        "The optimum lies between 1 s and 1.5 s (lru): policies cannot be judged by this bound yet, 50 % wide where 10 % is "
        "needed; --gap or a longer --time-limit goes on. lru is at most 50 % above the optimum, and at least 0 %."
    )


def test_bad_input_is_found_before_the_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The second of two files is wrong: nothing is computed for the first."""

    def work(*_: object, **__: object) -> None:
        raise AssertionError("computed something")

    monkeypatch.setattr(scheduled, "play", work)
    monkeypatch.setattr(MODULE, "prove_judging", work)
    broken = tmp_path / "broken.toml"
    broken.write_text("schema = 2\n")
    assert main(["compare", str(write_ahead(tmp_path)), str(broken), "--schedulers", "lru"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {broken}:1: schema: found 2, expected 1")


# ---- stopping ----------------------------------------------------------------------------------------------------------


def test_an_interrupted_comparison_returns_what_is_finished() -> None:
    """A stop request between two pieces keeps the finished ones and marks the others."""
    limits = Limits()

    def stop(line: str) -> None:
        if ": static" in line:
            limits.interrupt()

    found = compare([fetch_ahead(), fetch_ahead()], ["static", "lru"], method="roofline", limits=limits, report=stop)
    assert found.interrupted
    assert found.exit_code(everything=True) == 130
    assert [row.outcome for row in found.instances[0].schedules] == [Outcome.TIMED, Outcome.UNFINISHED]
    assert [row.outcome for row in found.instances[1].schedules] == [Outcome.UNFINISHED] * 2
    assert {one.proof.bound.method for one in found.instances} == {"roofline"}  # known of all, raised for none
    assert comparison_text(found).endswith("interrupted: this is what was finished\n")


def killed(cell: grid.Cell, limits: Limits) -> object:
    """Stands for the work on a cell: the processes that are at lru, and at the bound of the first instance, are killed."""
    if cell.scheduler == "lru" if isinstance(cell, grid.Timing) else str(cell.question) == "drift.toml":
        os.kill(os.getpid(), signal.SIGKILL)
    return grid.work(cell, limits)


def test_a_killed_process_loses_its_piece_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What was finished is printed, what was lost is named with the reason; exit code 3."""
    monkeypatch.setattr(grid, "work", killed)
    files = [str(write_drift(tmp_path)), str(write_ahead(tmp_path))]
    options = ["--method", "roofline", "--jobs", "2", "--json"]
    assert main(["compare", *files, "--schedulers", "static,lru", *options]) == 3
    first, second = json.loads(capsys.readouterr().out)["instances"]
    why = "its worker process was killed (SIGKILL); most likely memory ran out (try fewer --jobs)"
    assert (first["instance"], first["method"], first["status"]) == ("drift", "roofline", "limit reached")
    assert (first["lower_bound_s"], first["note"]) == (first["roofline_s"], f"{why}, so the roofline stands")
    assert second["lower_bound_s"] == pytest.approx(0.0482929620446, rel=1e-9)
    for one in (first, second):
        static, lru = one["schedules"]
        assert static["latency_s"] > 0
        assert (lru["outcome"], lru["latency_s"], lru["note"]) == ("limit reached", None, why)
    assert main(["compare", *files, "--schedulers", "static", *options]) == 3, "the bound alone is lost"


def test_a_scheduler_that_is_deaf_is_left_behind(monkeypatch: pytest.MonkeyPatch, stubborn: threading.Event) -> None:
    """It has no time; the comparison and the others do not wait for it, nor do the schedules that are run beside a bound."""
    monkeypatch.setattr(scheduled, "play", lambda *_, **__: stubborn.wait())
    late = scheduled.time_scheduler(fetch_ahead(), "lru", Limits(0.0))
    assert (late.outcome, late.note) == (Outcome.LIMIT, "lru takes longer than the limits allow")
    stopped = Limits()
    stopped.interrupt()
    assert scheduled.time_scheduler(fetch_ahead(), "lru", stopped).outcome is Outcome.UNFINISHED
    monkeypatch.setattr(quick, "simulate", lambda *_, **__: stubborn.wait())
    assert quick.quick_run(fetch_ahead(), 1.0, limits=Limits(0.0)) is None


def test_a_share_of_the_layers_is_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--scale-layers holds for the roofline, the schedulers and the bound alike, in this process and in others."""
    argv = ["compare", str(write_drift(tmp_path)), "--schedulers", "static,lru", "--method", "lp", "--json"]
    found = []
    for more in ([], ["--scale-layers", "1/2"], ["--scale-layers", "1/2", "--jobs", "2"]):
        assert main([*argv, *more]) == 0
        (one,) = json.loads(capsys.readouterr().out)["instances"]
        found.append([one["hash"], one["roofline_s"], one["lower_bound_s"], *(row["latency_s"] for row in one["schedules"])])
    whole, half, again = found
    assert half == again
    assert all(part < all_of_it for part, all_of_it in zip(half[1:], whole[1:], strict=True))
    assert half[1] <= half[2] <= min(half[3:])


def test_progress_counts_the_pieces() -> None:
    """One line a finished bound or schedule, with its value."""
    lines: list[str] = []
    compare([fetch_ahead()], ["static"], method="roofline", report=lines.append)
    assert lines == ["[1/2] small: static  66.78 ms", "[2/2] small: bound  48.29 ms by roofline"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_prints_what_is_finished(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, number: signal.Signals
) -> None:
    """Ctrl-C in the middle of ``compare`` prints the table so far, ends with 130, and leaves the handlers as they were."""
    true, before = scheduled.play, signal.getsignal(number)

    def hit(*args: object, **rest: object) -> object:
        run = true(*args, **rest)
        os.kill(os.getpid(), number)
        return run

    monkeypatch.setattr(scheduled, "play", hit)
    assert main(["compare", str(write_drift(tmp_path)), "--schedulers", "static,lru", "--method", "roofline"]) == 130
    out, _ = capsys.readouterr()
    assert "\nstatic" in out
    assert "not finished: not begun" in out
    assert out.endswith("interrupted: this is what was finished\n")
    assert signal.getsignal(number) == before


def test_a_signal_to_bound_prints_what_is_proven(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Ctrl-C after the roofline and before the next method: the roofline is printed, exit code 130."""
    module = sys.modules["placement_opt.bounds.auto"]
    true = module.plan

    def hit(*args: object) -> object:
        os.kill(os.getpid(), signal.SIGINT)
        return true(*args)

    monkeypatch.setattr(module, "plan", hit)
    assert main(["bound", str(write_ahead(tmp_path)), "--json"]) == 130
    document = json.loads(capsys.readouterr().out)
    assert (document["method"], document["status"]) == ("roofline", "interrupted")
    assert document["lower_bound_s"] == pytest.approx(0.0482929620446, rel=1e-9)


def test_ctrl_c_while_the_bound_is_raised_leaves_the_schedules(monkeypatch: pytest.MonkeyPatch) -> None:
    """The schedulers come first: what they took is there, judged by the roofline, and no policy is blamed by that."""
    limits = Limits()

    def hit(*_: object, **__: object) -> Proof:
        limits.interrupt()
        raise Interrupted("stopped")

    monkeypatch.setattr(MODULE, "prove_judging", hit)
    found = compare([fetch_ahead()], ["static", "lru"], limits=limits)
    (one,) = found.instances
    assert (one.proof.bound.method, one.proof.bound.status) == ("roofline", Status.INTERRUPTED)
    assert one.proof.bound.note == "stopped, so the roofline stands"
    assert all(row.latency_s is not None and row.judgement is not None for row in one.schedules)
    assert found.exit_code(everything=True) == 130


def test_a_bound_that_is_too_large_leaves_the_schedules(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the method complains of is a note beside the roofline; bad input is still an error."""

    def large(*_: object, **__: object) -> Proof:
        raise LimitError("lp: too many rows")

    def bad(*_: object, **__: object) -> Proof:
        raise InputError("found three tiers", "expected two")

    monkeypatch.setattr(MODULE, "prove_judging", large)
    (one,) = compare([fetch_ahead()], ["lru"], method="lp").instances
    assert (one.proof.bound.status, one.proof.bound.note) == (Status.LIMIT, "lp: too many rows, so the roofline stands")
    assert one.schedules[0].latency_s is not None
    monkeypatch.setattr(MODULE, "prove_judging", bad)
    with pytest.raises(InputError, match="found three tiers, expected two"):
        compare([fetch_ahead()], ["lru"], method="flow")


def test_reading_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An instance that takes longer to read than there is time is said, not waited for; a stop request leaves it out."""
    path, end = write_ahead(tmp_path), threading.Event()
    monkeypatch.setattr("placement_opt.base.watch.GRACE_S", 0.0)
    monkeypatch.setattr(grid, "load_instance", lambda *_, **__: end.wait())
    try:
        assert main(["compare", str(path), "--schedulers", "lru", "--time-limit", "0 s"]) == 3
        assert capsys.readouterr().err == f"error: {path}: reading it takes longer than the limits allow\n"
        limits = Limits()
        limits.interrupt()
        found = compare([path], ["lru"], limits=limits)
        assert (found.instances, found.exit_code(everything=True)) == ((), 130)
    finally:
        end.set()


def test_the_time_limit_is_for_all_of_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """``--time-limit`` holds for schedulers and bounds: half for the former, then equal shares for the bounds that are left."""
    given: dict[str, list[float]] = {"lru": [], "static": [], "bound": []}

    def timed(instance: object, spec: str, limits: Limits, **_: object) -> Scheduled:
        del instance
        given[spec].append(limits.remaining)
        return Scheduled(spec, Outcome.TIMED, latency_s=1.0, tokens_per_s=1.0)

    def proved(instance: Instance, *_: object, limits: Limits, **__: object) -> Proof:
        given["bound"].append(limits.remaining)
        return prove(instance, "roofline")

    monkeypatch.setattr(grid, "time_scheduler", timed)
    monkeypatch.setattr(MODULE, "prove_judging", proved)
    path = str(write_ahead(tmp_path))
    assert main(["compare", path, path, "--schedulers", "static,lru", "--time-limit", "3600000 s", "--json"]) == 0
    hours = {name: [round(seconds / 3600) for seconds in each] for name, each in given.items()}
    assert hours == {"static": [250, 250], "lru": [250, 500], "bound": [500, 1000]}
    for each in given.values():
        each.clear()
    assert main(["compare", path, "--schedulers", "static,lru", "--json"]) == 0
    assert all(seconds == float("inf") for each in given.values() for seconds in each)


def test_json_and_csv_have_outcome_and_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The outcome of the run, the verdict and its ranges; the interval of the instance and what binds."""
    table = tmp_path / "gaps.csv"
    argv = ["compare", str(write_ahead(tmp_path)), "--schedulers", "static,belady", "--method", "milp", "--csv", str(table)]
    assert main([*argv, "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["instances"]
    assert one["best_s"] == min(row["latency_s"] for row in one["schedules"])
    assert one["known_to"] == pytest.approx(one["best_s"] / one["lower_bound_s"] - 1)
    assert one["weak"] is (one["known_to"] > 0.1)
    assert one["binds"][0]["resource"] == "hbm"
    assert 0 < one["binds"][0]["share_of_steps"] <= 1
    for row in one["schedules"]:
        assert row["outcome"] == "timed"
        assert row["verdict"] in ("capacity", "policy", "both", "unknown")
        assert 0 <= row["above_optimum_least"] <= row["above_optimum_most"]
        assert row["above_optimum_most"] == pytest.approx(row["gap"])
        assert 0 <= row["unavoidable_least"] <= row["unavoidable_most"] <= 1
    assert table.read_text().startswith(
        "instance,hash,method,status,lower_bound_s,roofline_s,best_s,known_to,weak,scheduler,outcome,verdict,latency_s,"
    )
