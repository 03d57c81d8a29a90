"""Tail-optimised LRU, by hand: rooms of four blocks, two conversations, and a third that needs room."""

from __future__ import annotations

from tests.schedulers.caches import held, paths

_TURNS = [[0, 1], [2, 3], [0, 1], [4, 5]]


def test_ends_that_the_threshold_covers_go_first() -> None:
    """One block may be missing: 3 goes for 4, and 1, although read after 2, for 5."""
    assert held(paths(_TURNS, 4), "tail-lru:xi=1,prompt=0")[-1] == [0, 2, 4, 5]


def test_a_longer_prompt_leaves_less_to_miss() -> None:
    """Two blocks may be missing, one is expected of the prompt."""
    assert held(paths(_TURNS, 4), "tail-lru:xi=2,prompt=1")[-1] == [0, 2, 4, 5]


def test_where_nothing_or_everything_may_be_missing_it_is_last_use() -> None:
    """Nothing, nothing beside the prompt, everything: 3 and 2 go."""
    for options in ("xi=0,prompt=0", "xi=2,prompt=2", "xi=2,prompt=0"):
        assert held(paths(_TURNS, 4), f"tail-lru:{options}")[-1] == [0, 1, 4, 5]


def test_the_prompt_is_the_mean_of_what_turns_brought() -> None:
    """Of three that may be missing the first turns' two blocks leave one (1, then 3); the third turn brings nothing, mean 4/3,
    so that its two blocks may be missing, as may the last turn's (mean 6/4): 3 goes for 5, then 1 for 4."""
    assert held(paths(_TURNS, 4), "tail-lru:xi=3")[-1] == [0, 2, 4, 5]


def test_what_may_be_missing_takes_nothing_from_others() -> None:
    """One block may be missing, room for two: of 2-3 the end finds no older end to take the place of and stays out."""
    assert held(paths([[0], [0, 1], [2, 3, 4]], 3), "tail-lru:xi=1,prompt=0")[-1] == [0, 2, 3]
