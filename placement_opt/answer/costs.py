"""What a turn of a rung is expected to take: the costs that methods and schedulers declare beside themselves, joined.

A rung that goes on for as long as it is let is asked for a first turn long enough to come somewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from placement_opt.answer import by_layer
from placement_opt.answer.work import Work
from placement_opt.base.cost import Cost
from placement_opt.bounds import METHODS, ascent, compact
from placement_opt.bounds.size import Size
from placement_opt.instance.stacked import Stacked
from placement_opt.layered import solve
from placement_opt.schedulers import REGISTRY

#: A first turn of the local search is this share of what it takes until it finds no more.
FIRST_TURN = 0.1

Seconds = Callable[[Work], float]
Bytes = Callable[[Work], int]


def free(_: Work) -> float:
    """Of what comes before everything else, or takes what another rung left."""
    return 0.0


def seconds(cost: Callable[[], Cost[Size]], times: float = 1.0) -> Seconds:
    """So many times what a cost says; it is asked for late, so that no method is imported before it."""
    return lambda work: times * cost().expected_s(work.size)


def memory(cost: Callable[[], Cost[Size]]) -> Bytes:
    return lambda work: cost().expected_bytes(work.size)


def of_method(name: str) -> Callable[[], Cost[Size]]:
    return lambda: METHODS[name].cost


def of_scheduler(name: str) -> Callable[[], Cost[Size]]:
    return lambda: REGISTRY[name].cost


def of_refined() -> Cost[Size]:
    return compact.REFINED


def of_ascent() -> Cost[Size]:
    return ascent.COST


def of_search() -> Cost[Size]:
    from placement_opt.schedulers.optimised import SEARCH

    return SEARCH


def of_rounded() -> Cost[Size]:
    from placement_opt.schedulers.search.rounding import COST

    return COST


def of_stays() -> Cost[Size]:
    from placement_opt.schedulers.search.stays import COST

    return COST


def intervals_s(work: Work) -> float:
    """A first turn of prices on few intervals: none where they are to come before any program is built."""
    return 0.0 if work.size.hard else ascent.COST.expected_s(work.size)


def sample_s(sampled: int) -> Seconds:
    """An ascent with so many reads, and a pass over all of them that proves what came of it."""

    def seconds(work: Work) -> float:
        part = replace(work.size, reads=min(sampled, work.size.reads))
        return ascent.COST.expected_s(part) + ascent.COST.expected_s(work.size) / ascent.PASSES

    return seconds


def sample_memory(sampled: int) -> Bytes:
    """What an ascent with so many reads holds."""
    return lambda work: ascent.COST.expected_bytes(replace(work.size, reads=min(sampled, work.size.reads)))


def window_s(steps: int) -> Seconds:
    """Prices on few intervals of so many steps, and a pass over all of them that proves them."""

    def seconds(work: Work) -> float:
        size, share = work.size, min(1.0, steps / work.size.steps)
        names = ("steps", "blocks", "reads", "states", "all_reads", "triples")
        part = replace(size, **{name: math.ceil(share * getattr(size, name)) for name in names})
        return METHODS["intervals"].cost.expected_s(part) + ascent.COST.expected_s(size) / ascent.PASSES

    return seconds


def layers_s(work: Work) -> float:
    """Every layer in rows once, where the question is one of layers."""
    assert isinstance(work.question, Stacked)
    return by_layer.COST.expected_s(by_layer.Asked(work.question, work.jobs))


def layers_memory(work: Work) -> int:
    """One process, which is what it does with at least."""
    return work.question.memory_needed() if isinstance(work.question, Stacked) else 0


def runs_s(work: Work) -> float:
    """The engine on runs, where the question can be asked so."""
    assert work.large is not None
    return solve.COST.expected_s(solve.Asked(work.large, work.jobs))


def runs_memory(work: Work) -> int:
    return 0 if work.large is None else work.large.memory_needed(work.jobs)


def search_s(work: Work) -> float:
    """A first turn of the local search, and the schedule that it begins from; where the engine on runs has a better start, that
    goes first."""
    turn = FIRST_TURN * of_search().expected_s(work.size) + of_scheduler("static")().expected_s(work.size)
    return turn if work.large is None else max(turn, 1.1 * runs_s(work))
