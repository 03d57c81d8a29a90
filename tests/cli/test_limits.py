"""Everything that a command does counts towards its time limit: reading, certifying, work that is deaf to it."""

from __future__ import annotations

import importlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from placement_opt.answer import checkpoint, prove_integer
from placement_opt.answer.checkpoint import Checkpoints
from placement_opt.base.errors import LimitError
from placement_opt.base.limits import Limits
from placement_opt.certify.verify import verify_files
from placement_opt.cli import main
from placement_opt.instance import load as instancefile
from placement_opt.instance.load import load_instance
from tests.answer.cases import states

ROOFLINE = pytest.approx(0.0482929620446, rel=1e-9)
#: How time runs out in the middle of deaf work: the deadline passes, or somebody presses Ctrl-C.
ENDS = ["deadline", "SIGINT", "SIGTERM"]


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch, stubborn: threading.Event) -> Callable[[str], Callable[..., None]]:
    """Makes work in whose middle the time runs out, in one of the ways of ENDS, and which goes on regardless."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def make(end: str) -> Callable[..., None]:
        def work(*_: object, **__: object) -> None:
            if end == "deadline":
                now[0] += 1000.0
            else:
                os.kill(os.getpid(), getattr(signal, end))
            stubborn.wait()

        return work

    return make


@pytest.mark.parametrize("command", [("bound",), ("bound", "--gap", "1%"), ("simulate", "--scheduler", "lru")])
def test_reading_counts(
    ahead: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    deaf: Callable[[str], Callable[..., None]],
    command: tuple[str, ...],
) -> None:
    """An instance that takes too long to read has no answer: exit code 3, and it is said why."""
    monkeypatch.setattr(instancefile, "question_of", deaf("deadline"))
    assert main([*command, "--time-limit", "100s", ahead]) == 3
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"error: {ahead}: reading it takes longer than the limits allow\n")


@pytest.mark.parametrize("end", ENDS)
def test_what_cannot_be_certified_in_time_is_said(
    ahead: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    deaf: Callable[[str], Callable[..., None]],
    end: str,
) -> None:
    """The bound is printed, no file is written; exit code 3, or 130 where it was interrupted."""
    monkeypatch.setattr(prove_integer, "certify_prices", deaf(end))
    argv = ["bound", ahead, "--method", "roofline", "--time-limit", "100s", "--json", "--certificate", str(tmp_path / "p")]
    assert main(argv) == (3 if end == "deadline" else 130)
    out, err = capsys.readouterr()
    assert json.loads(out)["lower_bound_s"] == ROOFLINE
    assert err.endswith(
        f"error: {tmp_path / 'p'}: not written, its proof in exact integers takes longer than the limits allow\n"
    )
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize("end", ENDS)
def test_a_scheduler_that_is_deaf_is_left_behind(
    ahead: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    deaf: Callable[[str], Callable[..., None]],
    end: str,
) -> None:
    """No time comes out of it: exit code 3, or 130 where it was interrupted."""
    monkeypatch.setattr(importlib.import_module("placement_opt.play.simulate"), "_play", deaf(end))
    assert main(["simulate", ahead, "--scheduler", "lru", "--time-limit", "100s"]) == (3 if end == "deadline" else 130)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("error: lru takes longer than the limits allow\n")


def test_a_schedule_that_cannot_be_certified_in_time_was_timed(
    ahead: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    deaf: Callable[[str], Callable[..., None]],
) -> None:
    """simulate prints its time, and says of the file that it is not there; exit code 3."""
    monkeypatch.setattr(prove_integer, "certify_schedule", deaf("deadline"))
    argv = ["simulate", ahead, "--scheduler", "lru", "--time-limit", "100s", "--json", "--schedule", str(tmp_path / "s")]
    assert main(argv) == 3
    out, err = capsys.readouterr()
    assert json.loads(out)["latency_s"] > 0
    assert err == f"error: {tmp_path / 's'}: not written, its proof in exact integers takes longer than the limits allow\n"
    assert not (tmp_path / "s").exists()


def test_files_of_the_climb_that_come_too_late(
    drift: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stubborn: threading.Event
) -> None:
    """What was written before stays and verifies, and it is said that it is an earlier state; what never was is an error."""
    monkeypatch.setattr(checkpoint, "PAUSE_S", 0.0)
    monkeypatch.setattr(checkpoint, "PAUSES", 0.0)
    instance, limits = load_instance(drift), Limits()
    first, second, _ = states(instance)
    files = {"prices": str(tmp_path / "p")}
    kept = Checkpoints(instance, files, limits=limits)
    kept.keep(first)
    monkeypatch.setattr(checkpoint, "certify_prices", lambda *_, **__: stubborn.wait())
    limits.interrupt()
    kept.keep(second)
    found = kept.finish(second)
    assert found is not None
    assert found.lower == verify_files(instance, [tmp_path / "p"]).lower
    assert kept.late == [
        f"{tmp_path / 'p'}: holds an earlier state, the proof of the last one takes longer than the limits allow"
    ]
    never = Checkpoints(instance, {"prices": str(tmp_path / "q")}, limits=limits)
    with pytest.raises(LimitError, match="q: not written, its proof in exact integers takes longer than the limits allow"):
        never.finish(second)
    assert not (tmp_path / "q").exists()


def test_no_proof_is_begun_that_would_take_the_last_ones_time(
    drift: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where less time is left than two of them take, the last one alone is made."""
    monkeypatch.setattr(checkpoint, "PAUSE_S", 0.0)
    monkeypatch.setattr(checkpoint, "PAUSES", 0.0)
    monkeypatch.setattr(checkpoint, "expected_s", lambda *_: 1000.0)
    instance = load_instance(drift)
    first = states(instance)[0]
    kept = Checkpoints(instance, {"prices": str(tmp_path / "p")}, limits=Limits(1500.0))
    kept.keep(first)
    assert not (tmp_path / "p").exists()
    assert kept.finish(first) is not None
    assert (tmp_path / "p").exists()


def test_a_proof_that_cannot_be_done_in_time_is_not_begun() -> None:
    """By what it should take, with room for a guess that is three times too high; without a limit none is hopeless."""
    assert not checkpoint.hopeless(1e9, Limits())
    assert not checkpoint.hopeless(3 * checkpoint.GRACE, Limits(0.0))
    assert checkpoint.hopeless(100.0, Limits(0.0))
    assert not checkpoint.hopeless(100.0, Limits(1000.0))
    stopped = Limits(1000.0)
    stopped.interrupt()
    assert checkpoint.hopeless(100.0, stopped)
