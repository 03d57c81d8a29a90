"""Work that does not stop is left behind; nothing else changes by being watched."""

from __future__ import annotations

import threading

import pytest

from placement_opt.base import watch
from placement_opt.base.errors import InputError, LimitError
from placement_opt.base.limits import Limits
from placement_opt.base.watch import LeftBehind, left_behind, run_watched


def test_the_result_comes_back() -> None:
    """With and without a deadline."""
    assert run_watched(lambda: 7, Limits()) == 7
    assert run_watched(lambda: 8, Limits(60.0)) == 8


def test_what_the_work_raises_is_raised() -> None:
    """Errors are those of the work, a stop of the interpreter included."""

    def fail() -> int:
        raise InputError("found this", "expected that")

    def end() -> int:
        raise SystemExit(3)

    with pytest.raises(InputError, match="found this, expected that"):
        run_watched(fail, Limits())
    with pytest.raises(SystemExit):
        run_watched(end, Limits())


def test_work_that_goes_on_is_left_behind(stubborn: threading.Event) -> None:
    """The caller is told, and so is who ends the process, until the work ends after all."""
    with pytest.raises(LeftBehind, match="it did not stop when it was asked to"):
        run_watched(stubborn.wait, Limits(0.0))
    assert left_behind()
    stubborn.set()
    for thread in list(watch._left):
        thread.join()
    assert not left_behind()


def test_it_is_a_limit_that_was_reached() -> None:
    """Whoever handles limits handles this."""
    assert issubclass(LeftBehind, LimitError)


def test_the_work_is_asked_to_stop_once_and_given_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that stops when asked to is not left behind, and its result counts."""
    monkeypatch.setattr(watch, "GRACE_S", 60.0)
    asked, calls = threading.Event(), []

    def stop() -> None:
        calls.append(1)
        asked.set()

    assert run_watched(asked.wait, Limits(0.0), stop=stop)
    assert calls == [1]


def test_a_stop_request_ends_the_wait(stubborn: threading.Event) -> None:
    """Without any deadline, too: somebody looks now and then."""
    limits = Limits()
    with pytest.raises(LeftBehind):
        run_watched(stubborn.wait, limits, look=limits.interrupt)
    assert limits.interrupted


def test_the_caller_looks_while_the_work_goes_on() -> None:
    """``look`` runs in the caller's thread, the work in another one."""
    event, seen = threading.Event(), []

    def look() -> None:
        seen.append(threading.current_thread())
        event.set()

    def work() -> threading.Thread:
        event.wait()
        return threading.current_thread()

    assert run_watched(work, Limits(), look=look) is not threading.current_thread()
    assert seen[0] is threading.current_thread()
