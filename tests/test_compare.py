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

from placement_opt.bounds import METHODS
from placement_opt.bounds.dual import evaluate
from placement_opt.bounds.result import Bound, Status
from placement_opt.cli import main
from placement_opt.compare import Compared, Comparison, Scheduled, Verdict, chosen_schedulers, compare, distance
from placement_opt.errors import InputError, Interrupted, LimitError, ScheduleError
from placement_opt.limits import Limits
from placement_opt.prove import Proof, proof_of, prove
from placement_opt.report.comparison import comparison_document, comparison_sentences, comparison_text
from placement_opt.report.machine import to_json
from tests.cli_cases import write_ahead, write_drift
from tests.small import fetch_ahead, make_instance, make_trace, random_instance, two_tier

#: The package's attribute of this name is the function.
MODULE = importlib.import_module("placement_opt.compare")


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
    row = distance(Scheduled("static", Verdict.TIMED, latency_s=8.0), proof(2.0, 1.5))
    assert (row.gap, row.times_bound, row.worth) == (3.0, 4.0, 0.75)
    assert (row.above_roofline_s, row.unavoidable_s, row.own_s) == (6.5, 0.5, 6.0)
    assert row.verdict is Verdict.TIMED


def test_without_a_bound_there_is_no_distance() -> None:
    """A schedule is shown with its latency alone where nothing was proven."""
    row = Scheduled("static", Verdict.TIMED, latency_s=8.0)
    assert distance(row, proof(None, 1.5, status=Status.NONE)) == row


def test_a_bound_of_zero_has_no_ratio() -> None:
    """Nothing to do takes no time, and nothing is divided by it."""
    row = distance(Scheduled("static", Verdict.TIMED, latency_s=0.0), proof(0.0, 0.0))
    assert (row.gap, row.times_bound, row.worth, row.own_s) == (None, None, None, 0.0)


def test_rounding_is_no_contradiction() -> None:
    """A schedule below the bound by less than rounding is at the bound."""
    row = distance(Scheduled("belady", Verdict.TIMED, latency_s=2.0 * (1 - 1e-10)), proof(2.0, 1.5))
    assert row.verdict is Verdict.TIMED


def test_a_schedule_below_the_bound_is_a_contradiction() -> None:
    """Beyond rounding, one of the two is wrong, and the verdict says so."""
    row = distance(Scheduled("belady", Verdict.TIMED, latency_s=2.0 * (1 - 1e-8)), proof(2.0, 1.5))
    assert row.verdict is Verdict.BELOW_BOUND


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
    module = importlib.import_module("placement_opt.prove")
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
    assert not found.verdicts(Verdict.BELOW_BOUND, Verdict.ILLEGAL)
    assert all(row.gap is not None and row.gap >= -1e-9 for one in found.instances for row in one.schedules)


# ---- what comes of a scheduler -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "verdict", "code"),
    [
        (ScheduleError("moves a block that is not there", scheduler="lru", step=3, block=1), Verdict.ILLEGAL, 1),
        (InputError("found one layer", "expected several"), Verdict.REFUSED, 2),
        (LimitError("too many blocks"), Verdict.LIMIT, 3),
        (Interrupted("stopped"), Verdict.UNFINISHED, 0),
    ],
)
def test_expected_troubles_become_verdicts(
    monkeypatch: pytest.MonkeyPatch, error: Exception, verdict: Verdict, code: int
) -> None:
    """A scheduler that declines, breaks a rule or runs out of time does not end the comparison of the others."""

    def fake(instance: object, scheduler: object, *, limits: object) -> None:
        del instance, scheduler, limits
        raise error

    monkeypatch.setattr(MODULE, "simulate", fake)
    found = compare([fetch_ahead()], ["lru"], method="roofline")
    row = found.instances[0].schedules[0]
    assert (row.verdict, row.note, row.latency_s) == (verdict, str(error), None)
    assert found.exit_code(everything=False) == code
    assert f"{verdict}: {error}" in comparison_text(found)
    json.loads(to_json(comparison_document(found)))


def test_declining_is_no_failure_where_all_were_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``all``, a scheduler that is not made for the instance is shown and passed over."""

    def fake(*_: object, **__: object) -> None:
        raise InputError("found one layer", "expected several")

    monkeypatch.setattr(MODULE, "simulate", fake)
    found = compare([fetch_ahead()], ["lru"], method="roofline")
    assert found.exit_code(everything=True) == 0


def test_a_schedule_below_the_bound_is_said_loudly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Exit code 1, an error with both numbers, and the same in the sentences."""
    true = MODULE.prove

    def inflated(instance: object, method: str, **rest: object) -> Proof:
        found: Proof = true(instance, method, **rest)
        assert found.bound.lower_bound_s is not None
        return replace(found, bound=replace(found.bound, lower_bound_s=10 * found.bound.lower_bound_s), unavoidable_s=1.0)

    monkeypatch.setattr(MODULE, "prove", inflated)
    assert main(["compare", str(write_ahead(tmp_path)), "--schedulers", "static", "--method", "lp"]) == 1
    out, err = capsys.readouterr()
    assert err.startswith("error: fetch-ahead: scheduler static takes 0.0667")
    for text in (out, err):
        assert "LESS than the proven lower bound" in " ".join(text.split())
    assert "below the bound" in out


def test_a_bound_that_proves_nothing_has_no_answer() -> None:
    """Exit code 3 where an instance has no bound at all."""
    unknown = proof(None, None, status=Status.NONE)
    one = Compared(unknown, (distance(Scheduled("lru", Verdict.TIMED, latency_s=1.0), unknown),))
    assert Comparison((one,)).exit_code(everything=True) == 3
    assert comparison_sentences(one) == []
    assert "lower bound  -  (lp, no bound)" in comparison_text(Comparison((one,)))


# ---- sentences ---------------------------------------------------------------------------------------------------------


def said(rows: dict[str, float], lower: float = 1.0, roofline: float = 0.5) -> str:
    known = proof(lower, roofline)
    found = tuple(distance(Scheduled(name, Verdict.TIMED, latency_s=value), known) for name, value in rows.items())
    return " ".join(comparison_sentences(Compared(known, found)))


def test_the_sentence_an_architect_asks_for() -> None:
    """How far the slowest is from the bound, what of that is its own, and how far the fastest is."""
    assert said({"static": 4.6, "lru": 1.024}) == (
        "static is 4.6x the bound; moving data optimally is worth at most 78 %. "
        "Of its 4.1 s above the roofline, 12 % (500 ms) cannot be avoided by any policy and 88 % (3.6 s) is its own. "
        "lru is 2.4 % above the bound; moving data optimally is worth at most 2.3 %."
    )


def test_schedulers_that_are_alike_are_named_together() -> None:
    """Equal latencies are one sentence."""
    assert said({"static": 2.0, "lru": 2.0}).startswith("static and lru are both 2.0x the bound; moving data")
    assert said({"a": 2.0, "b": 2.0, "c": 2.0}).startswith("a, b and c are all 2.0x the bound")


def test_a_scheduler_at_the_bound_has_nothing_to_gain() -> None:
    """No percentage of nothing."""
    assert said({"belady": 1.0}).startswith("belady is at the bound: nothing is left to gain.")


def test_a_bound_at_the_roofline_avoids_nothing() -> None:
    """Where the bound is the roofline, the whole distance counts as the policy's, as far as the bound sees."""
    assert said({"lru": 1.5}, lower=1.0, roofline=1.0).endswith(
        "As far as this bound sees, all of its 500 ms above the roofline is its own."
    )


def test_bad_input_is_found_before_the_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The second of two files is wrong: nothing is computed for the first."""

    def work(*_: object, **__: object) -> None:
        raise AssertionError("computed something")

    monkeypatch.setattr(MODULE, "prove", work)
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
    assert [row.verdict for row in found.instances[0].schedules] == [Verdict.TIMED, Verdict.UNFINISHED]
    assert len(found.instances) == 1
    assert comparison_text(found).endswith("interrupted: this is what was finished\n")


def killed(task: object, limits: Limits) -> object:
    """Stands for the work on a piece: the process that is at lru, or at the bound of the first instance, is killed."""
    if task.scheduler == "lru" or (task.scheduler is None and task.source.stem == "drift"):  # type: ignore[attr-defined]
        os.kill(os.getpid(), signal.SIGKILL)
    return MODULE._work(task, limits)


def test_a_killed_process_loses_its_piece_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What was finished is printed, what was lost is named with the reason; exit code 3."""
    monkeypatch.setattr(MODULE, "_work", killed)
    files = [str(write_drift(tmp_path)), str(write_ahead(tmp_path))]
    argv = ["compare", *files, "--schedulers", "static,lru", "--method", "roofline", "--jobs", "2", "--json"]
    assert main(argv) == 3
    first, second = json.loads(capsys.readouterr().out)["instances"]
    why = "its worker process was killed (SIGKILL); most likely memory ran out (try fewer --jobs)"
    assert (first["instance"], first["lower_bound_s"], first["status"], first["note"]) == ("drift", None, "no bound", why)
    assert second["lower_bound_s"] == pytest.approx(0.0482929620446, rel=1e-9)
    for one in (first, second):
        static, lru = one["schedules"]
        assert static["latency_s"] > 0
        assert (lru["verdict"], lru["latency_s"], lru["note"]) == ("limit reached", None, why)


def test_progress_counts_the_pieces() -> None:
    """One line a finished bound or schedule, with its value."""
    lines: list[str] = []
    compare([fetch_ahead()], ["static"], method="roofline", report=lines.append)
    assert lines == ["[1/2] small: bound  48.29 ms by roofline", "[2/2] small: static  66.78 ms"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_prints_what_is_finished(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, number: signal.Signals
) -> None:
    """Ctrl-C in the middle of ``compare`` prints the table so far, ends with 130, and leaves the handlers as they were."""
    true, before = MODULE.simulate, signal.getsignal(number)

    def hit(*args: object, **rest: object) -> object:
        run = true(*args, **rest)
        os.kill(os.getpid(), number)
        return run

    monkeypatch.setattr(MODULE, "simulate", hit)
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
