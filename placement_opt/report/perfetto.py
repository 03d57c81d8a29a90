"""A run as a trace for ui.perfetto.dev or chrome://tracing: steps, what each resource was busy with, moves, bytes in tiers.

The format is JSON with one object an event (``traceEvents``); times are in microseconds from the start of the run, at whole
nanoseconds: viewers round to these, and one that rounds the end of a slice behind the start of the next one drops it. What
begins and ends is rounded, so that no rounding adds up; exact seconds are among the arguments. There are four processes, as
these viewers call a group of tracks:

* the run: one slice a step, as long as the step; in its arguments what decides it and what it reads;
* resources: one slice a step and resource, as long as the resource needs for its load alone, from the start of the step;
* moves: one instant a step and operation, at the start of the step, with how many blocks and bytes;
* tiers: one counter a tier, the bytes in it from the start of the step on, written where it changes, and at the end.

Events are made one after the other, so that a long run needs no memory for them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError, LimitError
from placement_opt.play.run import Run
from placement_opt.play.trail import Trail

#: Events that a file may have: some 300 MB, which viewers still open.
MOST_EVENTS = 2_000_000
#: Numbers of the groups of tracks.
_RUN, _RESOURCES, _MOVES, _TIERS = 1, 2, 3, 4
_NANO, _MICRO = 1e9, 1e3
Event = dict[str, Any]


def check_events(steps: int) -> None:
    """LimitError where the steps alone are more events than a file may have."""
    _check(steps, "steps")


def perfetto_chunks(run: Run, trail: Trail) -> Iterator[bytes]:
    """The file's bytes, piece by piece, of a run with its table of steps, and what it moved and held.

    Raises
    ------
    InputError
        The run has no table.
    LimitError
        There are more events than ``MOST_EVENTS``, which is known before the first piece.
    """
    if run.per_step is None:
        raise InputError("found a run without its table of steps", "expected one with per_step=True", field="run")
    _check(_count(run, trail), "events")
    head = {"instance": run.instance.name, "hash": run.instance.hash, "scheduler": run.scheduler}
    yield f'{{"displayTimeUnit": "ns", "otherData": {json.dumps(head)}, "traceEvents": [\n'.encode()
    for at, event in enumerate(_events(run, trail)):
        yield (b",\n" if at else b"") + json.dumps(event, separators=(",", ":")).encode()
    yield b"\n]}\n"


def _check(count: int, what: str) -> None:
    if count > MOST_EVENTS:
        fewer = "take fewer steps of the trace (placement-opt trace transform), or --per-step for a table"
        raise LimitError(f"found {count:,} {what}, a file for Perfetto has at most {MOST_EVENTS:,}: {fewer}")


def _count(run: Run, trail: Trail) -> int:
    """Events but for a few: steps, busy resources, moves, changes of counters."""
    changes = int((np.diff(trail.held, axis=0) != 0).sum())
    return len(run.step_s) + int((run.step_loads > 0).sum()) + len(trail.step) + changes


def _events(run: Run, trail: Trail) -> Iterator[Event]:
    start = np.rint(np.concatenate([[0.0], np.cumsum(run.step_s)]) * _NANO).astype(np.int64)
    return chain(_names(run, trail), _steps(run, start), _busy(run, start), _moves(run, trail, start), _held(run, trail, start))


def _names(run: Run, trail: Trail) -> Iterator[Event]:
    """What groups and tracks are called, in the order in which they are shown."""
    instance = run.instance
    groups = {_RUN: f"{run.scheduler} on {instance.name}", _RESOURCES: "resources", _MOVES: "moves", _TIERS: "bytes in tiers"}
    for group, name in groups.items():
        yield {"ph": "M", "pid": group, "name": "process_name", "args": {"name": name}}
        yield {"ph": "M", "pid": group, "name": "process_sort_index", "args": {"sort_index": group}}
    tracks = [(_RUN, 0, "steps")]
    tracks += [(_RESOURCES, at, name) for at, name in enumerate(instance.memory.resources)]
    moving = np.unique(trail.operation).tolist()
    tracks += [(_MOVES, at, _operations(run)[at]) for at in moving]
    for group, track, name in tracks:
        yield {"ph": "M", "pid": group, "tid": track, "name": "thread_name", "args": {"name": name}}
        yield {"ph": "M", "pid": group, "tid": track, "name": "thread_sort_index", "args": {"sort_index": track}}


def _operations(run: Run) -> list[str]:
    """What the numbers of a schedule's operations mean."""
    operations = run.instance.memory.operations
    return [*operations.names[: operations.first_serving], *(f"drop {name}" for name in run.instance.memory.tier_names)]


def _steps(run: Run, start: Int64) -> Iterator[Event]:
    table = run.per_step or {}
    told = {name: table[name].tolist() for name in ("token", "layer", "critical", "read", "hit") if name in table}
    long = np.diff(start).tolist()
    for step, seconds in enumerate(run.step_s.tolist()):
        args = {"step": step, "seconds": seconds} | {name: column[step] for name, column in told.items()}
        yield _slice(_RUN, 0, f"step {step}", int(start[step]), long[step], args)
    if run.waited_s > 0:
        args = {"seconds": run.waited_s}
        yield _slice(_RUN, 0, "waits, so that the budgets are kept", int(start[-1]), round(run.waited_s * _NANO), args)


def _busy(run: Run, start: Int64) -> Iterator[Event]:
    rates, names = run.instance.memory.rates, run.instance.memory.resources
    scales = [run.instance.memory.scale.get(name, 1) for name in names]
    units = [run.instance.memory.units.get(name, "bytes") for name in names]
    long = np.diff(start).tolist()
    for step, loads in enumerate(run.step_loads):
        for r in np.flatnonzero(loads > 0).tolist():
            seconds = float(loads[r]) / float(rates[r])
            args = {"seconds": seconds, units[r]: float(loads[r]) / scales[r]}
            yield _slice(_RESOURCES, r, names[r], int(start[step]), min(round(seconds * _NANO), long[step]), args)


def _moves(run: Run, trail: Trail, start: Int64) -> Iterator[Event]:
    names = _operations(run)
    groups = (trail.step, trail.operation, trail.blocks, trail.moved)
    for step, number, blocks, size in zip(*(column.tolist() for column in groups), strict=True):
        event = {"ph": "i", "s": "t", "pid": _MOVES, "tid": number, "name": names[number]}
        yield event | {"ts": int(start[step]) / _MICRO, "args": {"blocks": blocks, "bytes": size}}


def _held(run: Run, trail: Trail, start: Int64) -> Iterator[Event]:
    held = trail.held
    changed = np.ones(held.shape, dtype=bool)
    changed[1:-1] = held[1:-1] != held[:-2]
    for state, row in enumerate(held.tolist()):
        for tier in np.flatnonzero(changed[state]).tolist():
            event = {"ph": "C", "pid": _TIERS, "name": run.instance.memory.tier_names[tier]}
            yield event | {"ts": int(start[state]) / _MICRO, "args": {"bytes": row[tier]}}


def _slice(group: int, track: int, name: str, start: int, long: int, args: Event) -> Event:
    """From so many nanoseconds on, as long."""
    place = {"ph": "X", "pid": group, "tid": track, "name": name}
    return place | {"ts": start / _MICRO, "dur": long / _MICRO, "args": args}
