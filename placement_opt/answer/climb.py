"""Turns of both sides of the ladder beside each other, until the gap is closed, nothing is left or a limit is reached."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from placement_opt.answer.standing import State
from placement_opt.answer.turns import Turn, closed, pick
from placement_opt.answer.work import Rung, Side, Work
from placement_opt.base import clock, room
from placement_opt.base.errors import PlacementError
from placement_opt.base.limits import Limits

#: A rung that is done in one turn gets this many times what it should take, and this many seconds.
_PATIENCE, _LEAST_S = 4.0, 5.0
#: ... but where others wait no more than half of what is left, or this many times what it should take.
_SLACK = 1.25
#: Seconds that the turn of a rung without an end lasts at least.
_SHORTEST_S = 0.3
#: Seconds between two looks of a side that waits for the others.
_WAIT_S = 0.02


def climb(work: Work, rungs: Sequence[Rung], limits: Limits) -> None:
    """Take turns on both sides until the gap is closed, which ends the turns of both, nothing is left or a limit is reached."""
    work.limits = limits = limits.apart() if work.in_rows else limits

    def changed() -> None:
        if work.in_rows and work.enough_s is None and work.enough:
            limits.interrupt()

    work.standing.changed = changed
    sides: dict[Side, list[Turn]] = {}
    for rung in rungs:
        if (work.in_rows or rung.runs) and rung.suits(work):
            sides.setdefault(rung.side, []).append(Turn(rung, rung.expected_s(work)))
    work.at_work = set(sides)
    threads = [
        threading.Thread(target=_climb_side, args=(work, side, turns, limits), daemon=True) for side, turns in sides.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _climb_side(work: Work, side: Side, turns: list[Turn], limits: Limits) -> None:
    """The turns of one side; others that have turns left may make a rung of it ready."""
    began = clock.now()
    while turns and not (limits.reached or work.enough or (side == "bound" and work.exhausted)):
        ready = [turn for turn in turns if turn.rung.ready(work)]
        if not ready:
            if work.at_work == {side}:
                break
            time.sleep(_WAIT_S)
            continue
        turn = pick(ready, clock.now() - began, limits.remaining)
        before, since = work.standing.state, clock.now()
        if not _take_turn(turn, work, limits, alone=len(ready) == 1):
            turns.remove(turn)
            work.gone.add(turn.rung.name)
        turn.done(clock.now() - since, _closed(turn.rung.side, before, work.standing.state))
    work.at_work.discard(side)


def _closed(side: Side, before: State, after: State) -> float:
    """Share of the gap that a turn closed on its own side."""
    if side == "bound":
        return closed(before.lower_s, after.lower_s, after.latency_s)
    return closed(before.latency_s, after.latency_s, after.lower_s)


def _take_turn(turn: Turn, work: Work, limits: Limits, *, alone: bool) -> bool:
    """Whether another turn could bring more; troubles become notes, because what is proven must not be lost to them."""
    name = turn.rung.name
    try:
        if short := room.shortage(name, turn.rung.memory(work), limits):
            work.notes.append(f"passed over: {short}")
            return False
        return turn.rung.climb(work, limits.within(_turn_s(turn, limits.remaining, alone=alone)))
    except PlacementError as error:
        if not limits.reached:
            work.notes.append(f"{name} gave no answer ({error})")
    except MemoryError:
        work.notes.append(f"{name} ran out of memory")
    except Exception as error:
        work.notes.append(f"{name} failed, a fault of placement-opt itself ({type(error).__name__}: {error})")
    return False


def _turn_s(turn: Turn, left_s: float, *, alone: bool) -> float:
    """Seconds that a turn lasts at most: half of what is left, unless there is no other, or it needs more, which is left."""
    most, needed = _PATIENCE * turn.next_s + _LEAST_S, _SLACK * turn.next_s
    if turn.rung.endless:
        most, needed = max(turn.next_s, _SHORTEST_S), 0.0
    return most if alone else min(most, max(left_s / 2, needed if needed <= left_s else 0.0))
