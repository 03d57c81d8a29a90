"""A pass by layer on a Dask cluster of two workers on this machine: what a layer takes of a core, and how many bytes travel."""

from __future__ import annotations

import pickle
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.cases.four_tiers import four_tiers
from benchmarks.cases.scale import drifting
from benchmarks.registry import Figure, Spec, State, register
from placement_opt.answer.by_layer import LayerTask, both_sides
from placement_opt.answer.prove_integer import whole_prices
from placement_opt.base.backend import Backend, packed
from placement_opt.base.limits import Limits
from placement_opt.bounds.dual.evaluate import legal
from placement_opt.bounds.roofline import bound as roofline
from placement_opt.instance.stacked import Large
from placement_opt.layered.prepare import prepare
from placement_opt.layered.solve import _layer, _Task, certified_prices

_WORKERS = 2


@dataclass(frozen=True, eq=False)
class _Pass:
    """The work on a layer, the layers, and what they share."""

    question: Large
    work: Callable[[Any, Limits], Any]
    tasks: list[Any]
    shared: tuple[object, ...]
    folder: tempfile.TemporaryDirectory[str]

    def into(self, name: str) -> list[Any]:
        """The tasks with their moves in a folder of their own."""
        place = Path(self.folder.name) / name
        place.mkdir()
        return [replace(task, section=place / f"layer-{task.layer}") for task in self.tasks]


def _runs(turns: int) -> _Pass:
    """Eight layers in runs, at prices and with the rule that the engine chooses."""
    block = (4 << 20) * 2000 // turns
    question = drifting(8, 3 * turns, turns, 0.1, int(0.3 * 8 * 4 * turns) * block, block)
    prepared = prepare(question, 0.005, Limits())
    assert prepared is not None
    tasks = [_Task(question, prepared.knots, layer, prepared.rule, prepared.priced, None) for layer in range(8)]
    return _Pass(question, _layer, tasks, (question, prepared.knots), tempfile.TemporaryDirectory())


def _rows(turns: int) -> _Pass:
    """Eight layers in rows on four tiers, in pages, at the prices of the roofline."""
    folder = tempfile.TemporaryDirectory()
    question = four_tiers(Path(folder.name), 8, "inclusive", 16, "0 B", (16 * turns, turns))
    first = question.layer(0)
    found = roofline(first)
    assert found.prices is not None
    prices = certified_prices(whole_prices(first, legal(first, found.prices), found.lower_bound_s or 0.0, question.hash))
    tasks = [LayerTask(question, layer, prices, 1.0, 0, None) for layer in range(8)]
    return _Pass(question, both_sides, tasks, (question, prices), folder)


def _alone(state: State) -> Mapping[str, Figure]:
    """In this process, one after the other: seconds of the processor, and what would travel."""
    asked: _Pass = state["pass"]
    question, tasks = asked.question, asked.into("alone")
    asked.work(asked.into("warm")[0], Limits())  # whatever is compiled is compiled
    began = time.process_time()
    results = [asked.work(task, Limits()) for task in tasks]
    took = time.process_time() - began
    state["results"] = [_result(one) for one in results]
    layers, moves = len(tasks), sum(task.section.stat().st_size for task in tasks)
    return {
        "layers": layers,
        "turns": question.num_steps // layers,
        "reads a layer": question.num_reads // layers,
        "core seconds a layer": took / layers,
        "reads a core second": question.num_reads / took,
        "bytes shared": len(packed(asked.shared)),
        "bytes a task": max(len(packed(task, asked.shared)) for task in tasks),
        "bytes a result": max(len(pickle.dumps(one)) for one in results),
        "bytes of moves a layer": moves // layers,
        "memory of a worker": question.memory_needed(1) // (2 if asked.work is _layer else 1),
    }


def _away(state: State) -> Mapping[str, Figure]:
    """The same on two workers: wall time, and whether all integers and files are the same."""
    import dask
    from distributed import LocalCluster

    asked: _Pass = state["pass"]
    options: dict[str, Any] = {"n_workers": _WORKERS, "threads_per_worker": 1, "processes": True}
    quiet = dask.config.set({"distributed.admin.log-length": 0})
    with quiet, LocalCluster(dashboard_address=":0", silence_logs=50, **options) as cluster:
        there = Backend("dask", address=cluster.scheduler_address)
        there.run(asked.work, asked.into("warmer"), shared=asked.shared)  # in each of them
        tasks = asked.into("away")
        began = time.perf_counter()
        results = there.run(asked.work, tasks, shared=asked.shared)
        took = time.perf_counter() - began
    same = [_result(one) for one in results] == state["results"] and all(
        task.section.read_bytes() == (task.section.parents[1] / "alone" / task.section.name).read_bytes() for task in tasks
    )
    asked.folder.cleanup()
    return {"workers": _WORKERS, "pass_wall_s": took, "same integers and files": "yes" if same else "no"}


def _result(one: Any) -> tuple[object, ...]:
    """What a layer gives, but for where it lies."""
    names = ("paths", "schedule_s", "runs", "lower", "least_s", "upper", "source")
    return tuple(getattr(one, name, None) for name in names)


for _name, _make, _about in (
    ("runs", _runs, "One pass over eight layers in runs, drift 10 %, in one process and on two Dask workers of one machine."),
    ("rows", _rows, "One pass over eight layers in rows, four tiers, pages of 16, in one process and on two Dask workers."),
):
    register(
        Spec(
            name=f"cluster-{_name}",
            about=_about,
            build=lambda turns, make=_make: {"pass": make(turns)},  # type: ignore[misc]
            phases={"alone": _alone, "away": _away},
            sizes=(24, 2000 if _name == "runs" else 512),
        )
    )
