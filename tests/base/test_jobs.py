"""Pieces of work in this process and in several."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from placement_opt.base import jobs as module
from placement_opt.base.errors import LimitError
from placement_opt.base.jobs import run_jobs
from placement_opt.base.limits import Limits
from tests.base.work import deaf, square


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


def die_or_square(task: int, limits: Limits) -> int:
    if task < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return square(task, limits)


def memory(_: int, limits: Limits) -> int | None:
    return limits.memory


def blocked(_: int, __: Limits) -> set[int]:
    return set(signal.pthread_sigmask(signal.SIG_BLOCK, ()))


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
    with pytest.raises(LimitError, match=r"its worker process ended with exit code 3; .*fewer --jobs"):
        run_jobs(die, [1, 2], jobs=2)


def test_a_process_that_dies_takes_one_task_with_it() -> None:
    """The others are done all the same, by a new process where none is left; each is told, the lost ones with a reason."""
    reasons: dict[int, str] = {}
    told: dict[int, int] = {}

    def lost(task: int, why: str) -> int:
        reasons[task] = why
        return 0

    tasks = [-1, 2, -3, 4, -5, 6]
    assert run_jobs(die_or_square, tasks, jobs=2, done=told.__setitem__, lost=lost) == [0, 4, 0, 16, 0, 36]
    assert told == dict(enumerate([0, 4, 0, 16, 0, 36]))
    why = "its worker process was killed (SIGKILL); most likely memory ran out (try fewer --jobs)"
    assert reasons == {-1: why, -3: why, -5: why}


def test_processes_that_cannot_begin_are_no_hang(tmp_path: Path) -> None:
    """A script without a guard is run again by each process that is started: every task is lost, with the reason."""
    script = tmp_path / "script.py"
    script.write_text(
        "import multiprocessing, sys\n"
        "if multiprocessing.parent_process() is not None:\n"
        "    sys.exit(7)\n"
        "from placement_opt.base.jobs import run_jobs\n"
        "from tests.base.work import square\n"
        "print(run_jobs(square, [1, 2, 3], jobs=2, lost=lambda task, why: why.partition(';')[0]))\n"
    )
    repo = str(Path(__file__).parents[2])
    argv = [sys.executable, str(script)]
    done = subprocess.run(argv, env=os.environ | {"PYTHONPATH": repo}, capture_output=True, text=True, check=False)
    assert done.stdout == f"{['its worker process could not be started'] * 3}\n"


def test_the_limit_of_memory_is_handed_on() -> None:
    """Work in other processes holds its estimates against the same limit."""
    assert run_jobs(memory, [1, 2], jobs=2, limits=Limits(None, 12345)) == [12345, 12345]


def test_ctrl_c_is_for_the_parent_alone() -> None:
    """Workers are begun deaf to it, so that none dies of it, or shows a traceback, while its modules are loaded."""
    for heard in run_jobs(blocked, [1, 2, 3], jobs=2):
        assert heard is not None
        assert {signal.SIGINT, signal.SIGHUP} <= heard
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_what_does_not_come_back_is_ended_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a stop request: work that is deaf to it has no result, and no file of it is left."""
    monkeypatch.setattr(module, "_MERCY_S", 0.0)
    limits = Limits()

    def wait() -> None:
        while not all((tmp_path / name / "marker").exists() for name in "ab"):
            pass
        limits.interrupt()

    for name in "ab":
        (tmp_path / name).mkdir()
    thread = threading.Thread(target=wait)
    thread.start()
    assert run_jobs(deaf, [tmp_path / name / "marker" for name in "ab"], jobs=2, limits=limits) == [None, None]
    thread.join()
    assert [os.listdir(tmp_path / name) for name in "ab"] == [["marker"], ["marker"]]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_fault_of_the_work_comes_through(jobs: int) -> None:
    """An error that the work does not handle is the caller's to see."""
    with pytest.raises(ValueError, match=r"no [12] False"):
        run_jobs(fail, [1, 2], jobs=jobs)
