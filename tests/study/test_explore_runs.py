"""Explorations wherever they run and however they end: processes, a cluster, a state that survives, limits."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from placement_opt.base.backend import Backend
from placement_opt.base.errors import InputError
from placement_opt.base.limits import Limits
from placement_opt.report.explore import explore_document
from placement_opt.study.explore import work as explore_work
from placement_opt.study.explore.explore import explore
from placement_opt.study.explore.read import read_spec
from placement_opt.study.explore.work import Chunk, Played, Record, Task, of_plain, plain
from tests.study.spaces import write_space

#: The package's attribute of this name is the function.
MODULE = importlib.import_module("placement_opt.study.explore.explore")


def said(found: Any) -> dict[str, Any]:
    """All that is said, but for what was reused."""
    return {**explore_document(found), "reused": 0}


@pytest.fixture
def space(tmp_path: Path) -> Path:
    return write_space(tmp_path, 2, more='front = ["time", "cost"]')


def test_processes_change_nothing(space: Path) -> None:
    """Two processes say what one says, in as many rounds as it takes."""
    assert said(explore(space, backend=Backend(jobs=2))) == said(explore(space))


def test_what_a_state_knows_is_not_done_again(space: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same answer, without any work; a line that was cut off is only done again."""
    state = tmp_path / "state.jsonl"
    first = explore(space, state=state)
    assert first.reused == 0
    asked: list[Task] = []
    work = explore_work.done

    def counted(space: Any, task: Task, limits: Limits) -> Record:
        asked.append(task)
        return work(space, task, limits)

    monkeypatch.setattr(explore_work, "done", counted)
    again = explore(space, state=state)
    assert asked == []
    assert again.reused > 20
    assert said(again) == said(first)
    lines = state.read_text().split("\n")
    state.write_text("\n".join(lines[:10]) + "\n" + lines[10][:15])
    assert said(explore(space, state=state)) == said(first)
    assert len(asked) > 5
    assert len(asked) < again.reused


def test_a_killed_exploration_goes_on(space: Path, tmp_path: Path) -> None:
    """A process killed in the middle leaves a state from which another finishes, with the answer of one that was not."""
    state = tmp_path / "state.jsonl"
    code = (
        "import os, signal\n"
        "from placement_opt.study.explore import state as explore_state\n"
        "from placement_opt.study.explore.explore import explore\n"
        "keep, count = explore_state.Kept.keep, []\n"
        "def kept(self, *what):\n"
        "    keep(self, *what)\n"
        "    count.append(1)\n"
        "    if len(count) == 15: os.kill(os.getpid(), signal.SIGKILL)\n"
        "explore_state.Kept.keep = kept\n"
        f"explore({str(space)!r}, state={str(state)!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    found = explore(space, state=state)
    assert found.reused >= 15
    assert said(found) == said(explore(space))


def test_states_of_something_else_are_refused(space: Path, tmp_path: Path) -> None:
    """A state of another spec, of other files that the spec names, and what is no state at all."""
    state = tmp_path / "state.jsonl"
    explore(space, state=state)
    memory = space.with_name("two.memory.toml")
    memory.write_text(memory.read_text().replace("1000 cycles", "2000 cycles"))
    with pytest.raises(InputError, match=r"state\.jsonl:1: found the state of another exploration, expected that of this file"):
        explore(space, state=state)
    state.write_text("something\n")
    with pytest.raises(InputError, match=r"state\.jsonl:1: found no exploration's state, expected a file that --resume wrote"):
        explore(space, state=state)
    assert state.read_text() == "something\n"


def test_a_stop_leaves_what_is_known(space: Path) -> None:
    """Stopped before anything was done: nothing is said of any design; later, bounds stand and none is called best."""
    limits = Limits()
    limits.interrupt()
    found = explore(space, limits=limits)
    assert found.interrupted
    assert found.exit_code == 130
    assert {design.status for design in found.best[0].designs} == {"not looked at"}
    limits = Limits()
    lines: list[str] = []

    def stop(line: str) -> None:
        lines.append(line)
        if "schedule" in line:
            limits.interrupt()

    found = explore(space, limits=limits, report=stop)
    assert lines[0].startswith("[1] hbm=")
    assert found.interrupted
    assert not found.best[0].proven
    assert all(design.lower[0] is not None for design in found.best[0].designs)


def test_records_are_read_back_as_they_were() -> None:
    """To the last bit, infinite bounds and what nothing says included."""
    for record in (
        Record(0.1 + 0.2, "lp"),
        Record(float("inf"), "no room"),
        Record(played=(Played("lru", 1 / 3, None, 0.0),), proof="belady: no"),
        Record(1.0, costs=(("money", "1/3"),), shape=explore_work.Shape("ab", (1, 2**60), (0,))),
    ):
        assert of_plain(json.loads(json.dumps(plain(record)))) == record


def test_a_lost_process_loses_what_it_was_at(space: Path) -> None:
    """Its tasks count as not done, and are not kept."""
    spec = read_spec(space)
    chunk = Chunk(spec, "key", (Task(0, 0, "time", "bound lp"), Task(1, 0, "time", "bound lp")))
    lost = MODULE._lost(chunk, "its worker process was killed")
    assert [(record.skipped, record.lower) for record in lost] == [(True, None)] * 2


def _die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _replace_work(work: Any) -> None:
    explore_work.work = work


def test_a_cluster_one_of_whose_workers_dies_says_the_same(cluster: Any, space: Path) -> None:
    """What the killed worker was at goes to the other one."""
    import distributed

    with distributed.Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(2)
        victim = sorted(client.scheduler_info()["workers"])[0]
        process = client.run(os.getpid, workers=[victim])[victim]
        client.run(_replace_work, _die, workers=[victim])
        found = explore(space, backend=Backend("dask", address=cluster.scheduler_address))
        alive = client.run(os.getpid)
    assert process not in alive.values()
    assert said(found) == said(explore(space))
