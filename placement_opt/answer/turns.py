"""Whose turn is next, among the rungs of one side of the ladder: by what they proved a second, as measured.

A rung's first turn comes when it should take no longer than a quarter of all turns before it, so that a wrong guess of its
cost only moves it a little, and when none closes much of the gap meanwhile; some have theirs before all others where
there is time for them, or early, whatever they cost. After that the rung that closes most of the gap a second goes on. One that
moved next to nothing waits, four times as long each time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from placement_opt.answer.work import Rung

#: First turns of up to so many seconds come at once, longer ones when they are this share of the time spent; early ones when
#: this share of the whole time is over.
AT_ONCE_S, _SHARE, _EARLY = 1.0, 0.25, 0.05
#: ... but not while another would close more than this share of the gap in the time that the first turn should take.
_WORTH = 0.05
#: A turn that closes less than this share of the gap (or moves its side by less than this, where the gap is not known) did not
#: move it.
_MOVED = 0.02
#: How many times as long a next turn is after one that moved its side, and after one that did not.
_LONGER, _WAITS = 2.0, 4.0


@dataclass
class Turn:
    """A rung and when it is next.

    Attributes
    ----------
    rung
        Whose turn it is.
    next_s
        Seconds that its next turn should take.
    taken
        Whether it had one.
    rate
        Share of the gap that its last turn closed, a second; 0 where that was next to nothing.
    """

    rung: Rung
    next_s: float
    taken: bool = False
    rate: float = 0.0

    def done(self, took_s: float, closed: float) -> None:
        """It took so long and closed this share of the gap."""
        self.taken = True
        moved = closed >= _MOVED
        self.rate = closed / max(took_s, 1e-6) if moved else 0.0
        self.next_s = max(self.next_s, took_s) * (_LONGER if moved else _WAITS)


def pick(turns: Sequence[Turn], spent_s: float, left_s: float) -> Turn:
    """The next of some turns (at least one), after so many seconds and with so many left (infinite without a deadline)."""
    fresh = [turn for turn in turns if not turn.taken]
    if first := [turn for turn in fresh if turn.next_s < turn.rung.first_s and turn.next_s <= left_s]:
        return _shortest(first)
    early = [turn for turn in fresh if turn.rung.early]
    if early and spent_s >= _EARLY * (spent_s + left_s):
        return _shortest(early)
    moving = max(turns, key=lambda turn: turn.rate)
    quick = [turn for turn in fresh if turn.next_s <= AT_ONCE_S]
    due = [turn for turn in fresh if turn.next_s <= _SHARE * spent_s and turn.next_s * moving.rate <= _WORTH]
    if quick or due:
        return _shortest(quick or due)
    if moving.rate > 0.0:
        return moving
    return _shortest(turns)


def closed(before: float | None, after: float | None, other: float | None) -> float:
    """Share of the gap that one side closed as it went from ``before`` to ``after`` seconds, the other side being at ``other``.

    Without another side, by how much it moved, as a logarithm; a side that was found where there was none closes all.
    """
    if not after or after == before:
        return 0.0
    if not before:
        return 1.0
    gap = abs(math.log(before / other)) if other else 1.0
    return min(1.0, abs(math.log(after / before)) / max(gap, 1e-12))


def _shortest(turns: Iterable[Turn]) -> Turn:
    return min(turns, key=lambda turn: turn.next_s)
