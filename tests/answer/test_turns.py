"""Whose turn is next: by what was closed a second, with everybody's first turn in time."""

from __future__ import annotations

import math

import pytest

from placement_opt.answer.turns import Turn, closed, pick
from placement_opt.answer.work import Rung, Work
from placement_opt.base.limits import Limits


def turn(name: str, next_s: float, *, early: bool = False, first_s: float = 0.0) -> Turn:
    def climb(work: Work, limits: Limits) -> bool:
        del work, limits
        return True

    return Turn(Rung(name, "bound", lambda _: True, lambda _: next_s, climb, early=early, first_s=first_s), next_s)


def test_first_turns_that_cost_little_come_at_once() -> None:
    """The shortest first, whatever moves."""
    turns = [turn("b", 0.9), turn("a", 0.2), turn("long", 50.0)]
    assert pick(turns, 0.0, 60.0).rung.name == "a"
    turns[1].done(0.2, 1.0)
    assert pick(turns, 0.2, 60.0).rung.name == "b"


def test_long_first_turns_come_when_they_are_little_of_the_time_spent() -> None:
    """And not while another closes much of the gap; without any that moves, the shortest is next."""
    moving, long = turn("moving", 0.1), turn("long", 5.0)
    moving.done(1.0, 0.5)
    assert pick([moving, long], 10.0, 60.0).rung.name == "moving"
    assert pick([moving, long], 30.0, 60.0).rung.name == "moving"  # it would close the gap twice over meanwhile
    moving.done(1.0, 0.0)
    moving.done(10.0, 0.02)
    assert pick([moving, long], 15.0, 60.0).rung.name == "moving"
    assert pick([moving, long], 30.0, 60.0).rung.name == "long"
    moving.done(1.0, 0.0)
    assert pick([moving, long], 1.0, 60.0).rung.name == "long"


def test_some_have_their_first_turn_early() -> None:
    """Within the first tenth of the time, whatever they cost and whatever else moves; without a deadline as the others do."""
    moving, early = turn("moving", 0.1), turn("early", 40.0, early=True)
    moving.done(0.1, 0.9)
    assert pick([moving, early], 2.0, 58.0).rung.name == "moving"
    assert pick([moving, early], 4.0, 56.0).rung.name == "early"
    assert pick([moving, early], 1e6, math.inf).rung.name != "early" or moving.rate * early.next_s <= 0.05


def test_some_have_their_first_turn_before_all_others() -> None:
    """Whatever they cost where there is time for it; the shortest of several; after that they wait like the others."""
    quick, early, first = turn("quick", 0.0), turn("early", 1.0, early=True), turn("first", 40.0, first_s=math.inf)
    assert pick([quick, early, first], 0.0, 60.0) is first
    assert pick([quick, early, first], 0.0, 30.0) is quick
    assert pick([quick, early, first, turn("warm", 0.0, first_s=math.inf)], 0.0, 60.0).rung.name == "warm"
    first.done(30.0, 0.0)
    assert pick([quick, early, first], 30.0, math.inf) is quick


def test_some_come_first_where_they_take_next_to_nothing() -> None:
    quick, short = turn("quick", 0.0), turn("short", 0.5, first_s=1.0)
    assert pick([quick, short], 0.0, 60.0) is short
    assert pick([quick, turn("long", 1.0, first_s=1.0)], 0.0, 60.0) is quick


def test_the_fastest_of_those_that_move_goes_on() -> None:
    """By the share of the gap that its last turn closed a second."""
    slow, fast = turn("slow", 0.1), turn("fast", 0.1)
    slow.done(10.0, 0.5)
    fast.done(1.0, 0.2)
    assert pick([slow, fast], 11.0, 60.0) is fast
    fast.done(2.0, 0.05)
    assert pick([slow, fast], 13.0, 60.0) is slow


def test_what_did_not_move_waits_longer_each_time() -> None:
    """Four times after nothing, twice after something; a fiftieth of the gap is something."""
    one = turn("one", 1.0)
    one.done(0.5, 0.019)
    assert (one.next_s, one.rate) == (4.0, 0.0)
    one.done(2.0, 0.02)
    assert (one.next_s, one.rate) == (8.0, 0.01)


@pytest.mark.parametrize(
    ("before", "after", "other", "share"),
    [
        (1.0, 1.0, 2.0, 0.0),
        (1.0, None, 2.0, 0.0),
        (None, 1.0, 2.0, 1.0),
        (0.0, 1.0, None, 1.0),
        (1.0, 2.0, 4.0, 0.5),
        (4.0, 2.0, 1.0, 0.5),
        (1.0, math.e, None, 1.0),
        (1.0, 1.5, 1.2, 1.0),
    ],
)
def test_the_share_of_the_gap(before: float | None, after: float | None, other: float | None, share: float) -> None:
    """On a logarithmic scale, of either side; a side where there was none closes all, and nothing closes more."""
    assert closed(before, after, other) == pytest.approx(share)
