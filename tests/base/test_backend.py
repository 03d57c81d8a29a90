"""Where pieces of work are done: what they share travels once, and what a cluster loses is done here."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from placement_opt.base import room
from placement_opt.base.atomic import Part, write_part
from placement_opt.base.backend import Backend, _unpacked, packed
from placement_opt.base.errors import LimitError
from placement_opt.base.limits import Limits


def double(task: int, limits: Limits) -> int:
    assert limits.memory == 5
    return 2 * task


def refuse(task: int, limits: Limits) -> int:
    del limits
    raise ImportError(f"no module {task}")


def seconds_left(task: int, limits: Limits) -> tuple[int, float]:
    return task, limits.remaining


def test_what_is_shared_is_one_object_and_no_part_of_a_task() -> None:
    """Named by its number where a task has it, however deep."""
    long, other = list(range(100_000)), {"a": 1}
    task = [{"x": long, "y": 3}, (other, other)]
    data = packed(task, (long, other))
    assert len(data) < 100 < len(pickle.dumps(long)) / 100
    assert len(packed(long)) > 10 * len(data)
    again = _unpacked(data, (long, other))
    assert again == task
    assert again[0]["x"] is long
    assert again[1][0] is again[1][1] is other


def test_a_cluster_works_within_the_limits(cluster: Any) -> None:
    """Memory and the seconds that were left travel with a task; with none left nobody is asked."""
    there = Backend("dask", address=cluster.scheduler_address)
    told: list[tuple[int, int]] = []
    assert there.run(double, [1, 2, 3], limits=Limits(memory=5), done=lambda *one: told.append(one)) == [2, 4, 6]
    assert sorted(told) == [(0, 2), (1, 4), (2, 6)]
    ((task, left),) = (one for one in there.run(seconds_left, [7], limits=Limits(1e6)) if one is not None)
    assert task == 7
    assert 1e5 < left <= 1e6
    assert there.run(seconds_left, [7]) == [(7, float("inf"))]
    assert there.run(double, [1], limits=Limits(0.0)) == [None]
    assert there.run(double, []) == []


def test_workers_that_cannot_load_the_package_are_told(cluster: Any) -> None:
    """Each of them would fail alike."""
    there = Backend("dask", address=cluster.scheduler_address)
    with pytest.raises(LimitError, match=r"the workers of tcp://.* cannot load placement-opt: no module 3"):
        there.run(refuse, [3])


def test_a_scheduler_that_is_lost_leaves_the_rest_to_this_process() -> None:
    """Closed when the first result has come: the others are worked out here."""
    dask, distributed = pytest.importorskip("dask"), pytest.importorskip("distributed")
    options: dict[str, Any] = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "protocol": "tcp"}
    options |= {"dashboard_address": ":0", "silence_logs": 50}
    with dask.config.set({"distributed.admin.log-length": 0, "distributed.comm.timeouts.connect": "0.1s"}):
        cluster = distributed.LocalCluster(**options)
        there = Backend("dask", address=cluster.scheduler_address)
        seen: list[int] = []

        def done(position: int, result: int) -> None:
            del result
            seen.append(position)
            if len(seen) == 1:
                cluster.close()

        assert there.run(double, list(range(40)), limits=Limits(memory=5), done=done) == [2 * n for n in range(40)]
        assert sorted(seen) == list(range(40))


def test_a_part_is_at_its_place_or_comes_back(tmp_path: Path) -> None:
    """Where there is no such folder it is bytes, until it has landed."""
    here = write_part(tmp_path / "a", lambda handle: handle.write(b"moves"))
    assert here == Part(tmp_path / "a")
    away = write_part(tmp_path / "no" / "b", lambda handle: handle.write(b"moves"))
    assert away.data == b"moves"
    (tmp_path / "no").mkdir()
    assert [part.landed().read_bytes() for part in (here, away)] == [b"moves"] * 2


def test_so_many_processes_as_there_is_memory_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than tasks, at least one; on a cluster the workers see to theirs."""
    monkeypatch.setattr(room, "available", lambda: 1000)

    def needed(jobs: int) -> int:
        return 300 * jobs

    assert [Backend(jobs=jobs).fitting(9, needed, Limits()).jobs for jobs in (1, 2, 3, 4, 9)] == [1, 2, 3, 3, 3]
    assert Backend(jobs=4).fitting(2, needed, Limits()).jobs == 2
    assert Backend(jobs=4).fitting(9, lambda jobs: 2000 * jobs, Limits()).jobs == 1
    away = Backend("dask", address="tcp://10.0.0.1:8786")
    assert away.fitting(1, needed, Limits()) is away
