"""Pieces of work in this process and in several."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from placement_opt.errors import LimitError
from placement_opt.jobs import run_jobs
from placement_opt.limits import Limits


def square(task: int, limits: Limits) -> int:
    assert not limits.reached
    return task * task


def until_begun(task: tuple[str, Path], limits: Limits) -> str:
    """Two pieces that meet: "first" returns once "second" has begun, which goes on until it is stopped."""
    name, marker = task
    if name == "second":
        marker.touch()
        return until_stopped(1, limits)
    while not marker.exists():
        pass
    return "done"


def until_stopped(_: int, limits: Limits) -> str:
    while not limits.reached:
        pass
    return "stopped" if limits.interrupted else "late"


def die(_: int, limits: Limits) -> int:
    os._exit(3 if not limits.reached else 4)


def fail(task: int, limits: Limits) -> int:
    raise ValueError(f"no {task} {limits.reached}")


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_keep_the_order_of_the_tasks(jobs: int) -> None:
    """Whatever finishes first, results stand where their tasks stood, and each is told once."""
    told: dict[int, int] = {}
    assert run_jobs(square, [3, 1, 2], jobs=jobs, done=told.__setitem__) == [9, 1, 4]
    assert told == {0: 9, 1: 1, 2: 4}


def test_nothing_to_do_is_done() -> None:
    """No tasks give no results."""
    assert run_jobs(square, [], jobs=2) == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_tasks_not_begun_before_a_stop_have_no_result(jobs: int) -> None:
    """A stop request that came before the work leaves every result empty."""
    limits = Limits()
    limits.interrupt()
    assert run_jobs(until_stopped, [1, 1], jobs=jobs, limits=limits)[0] in (None, "stopped")


def test_a_stop_request_reaches_work_in_other_processes(tmp_path: Path) -> None:
    """Work that is under way when somebody asks for a stop sees it and returns what it has."""
    limits = Limits()

    def stop(_: int, result: str) -> None:
        if result == "done":
            limits.interrupt()

    tasks = [("first", tmp_path / "begun"), ("second", tmp_path / "begun")]
    assert run_jobs(until_begun, tasks, jobs=2, limits=limits, done=stop) == ["done", "stopped"]


def test_a_deadline_holds_in_other_processes() -> None:
    """A deadline of the whole ends work in the processes."""
    results = run_jobs(until_stopped, [1, 1], jobs=2, limits=Limits(0.05))
    assert set(results) <= {None, "late", "stopped"}


def test_a_process_that_dies_is_no_answer() -> None:
    """A worker killed by the system (memory) gives an error with a hint, not a hang."""
    with pytest.raises(LimitError, match=r"ended abruptly.*fewer --jobs"):
        run_jobs(die, [1, 2], jobs=2)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_fault_of_the_work_comes_through(jobs: int) -> None:
    """An error that the work does not handle is the caller's to see."""
    with pytest.raises(ValueError, match=r"no [12] False"):
        run_jobs(fail, [1, 2], jobs=jobs)
