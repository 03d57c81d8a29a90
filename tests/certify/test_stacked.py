"""Layers that take turns: what is proven of each adds up to what is proven of the whole, and what is changed proves nothing."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from placement_opt.certify import paths
from placement_opt.certify.verify import schedule_time, signed_bound
from tests.brute import num_transitions, optimum
from tests.certify.certificates import draw_prices
from tests.certify.played import random_schedule
from tests.small import chain, make_instance, make_trace
from tests.stacking import Layer, layers_of, spread, together, whole_of
from tests.worlds import any_operations

PARTS = 4
EACH = 80
#: Pairs of joint residencies beyond which brute force is left out.
FEW = 3_000
#: Optima in floating point are right to this.
CLOSE = 1 + Fraction(1, 10**8)


def in_turns(layers: list[Layer], quantum: int, rho: np.ndarray, rent: np.ndarray) -> Fraction:
    some = [one for one in layers if one is not None]
    return sum((signed_bound(one, quantum, rho, rent, turns=True) for one in some), Fraction(0))


@pytest.mark.parametrize("part", range(PARTS))
def test_layers_prove_no_more_than_the_whole_whatever_operations_load(part: int) -> None:
    """At any prices, of any rule and memory; the whole in rows is at most its optimum."""
    below = few = caches = 0
    for seed in range(EACH * part, EACH * (part + 1)):
        rng = np.random.default_rng([seed, 1])
        instance = any_operations(seed)
        layers = layers_of(rng, instance, 2 + seed % 3)
        whole, quantum = whole_of(layers), 10 ** int(rng.choice([4, 12, 20]))
        rho, rent = draw_prices(rng, instance, min(quantum, 10**17))
        found = in_turns(layers, quantum, rho, rent)
        expected = signed_bound(whole, quantum, *spread(rho, rent, len(layers)))
        assert found <= expected, seed
        below += found < expected
        caches += instance.forgets
        if num_transitions(whole) <= FEW:
            few += 1
            assert found <= Fraction(optimum(whole).seconds) * CLOSE, seed
    assert caches >= 10
    assert few >= 3
    assert below < EACH // 2


def test_with_steps_enough_before_and_after_it_is_the_same() -> None:
    """Whole reads, four tiers at most: three steps of other layers are as many as copies can use one after the other."""
    seen = 0
    for seed in range(120):
        instance = any_operations(seed)
        if instance.share_base > 1:
            continue
        seen += 1
        rng = np.random.default_rng([seed, 2])
        rho, rent = draw_prices(rng, instance, 10**9)
        layers: list[Layer] = [None] * 7
        layers[3] = instance
        expected = signed_bound(whole_of(layers), 10**9, *spread(rho, rent, 7))
        assert in_turns(layers, 10**9, rho, rent) == expected, seed
    assert seen >= 40


def test_schedules_of_layers_are_one_of_the_whole() -> None:
    """It is legal there, and takes the sum of their times."""
    seen = 0
    for seed in range(60):
        rng = np.random.default_rng([seed, 3])
        layers = layers_of(rng, any_operations(seed), 2 + seed % 3)
        some = [one for one in layers if one is not None]
        made = [random_schedule(rng, one) for one in some]
        played = [one for one in made if one is not None]
        if len(played) < len(made):
            continue
        seen += 1
        times = [schedule_time(one, moves) for one, moves in zip(some, played, strict=True)]
        assert schedule_time(whole_of(layers), together(layers, played)) == sum(times)
    assert seen >= 30


def test_copied_on_while_others_have_their_steps() -> None:
    """By hand: a block wanted near soon and in the middle later comes from afar once in the whole, twice in rows alone."""
    memory = chain([10, 10, 10], [10, 10, 10], [10, 10])
    start = np.array([[False], [False], [True]])
    alone = make_instance(memory, make_trace([[], [0], [], [0]], [-1]), initial=start)
    rho = np.zeros((4, 5), dtype=np.int64)
    rho[:, 2], rho[1, 3] = 1, 1  # far at every turn; the link to the middle at turn 1
    rent = np.zeros((5, 3), dtype=np.int64)
    rent[2:4, 0] = 1  # near, while it waits for the second read
    room = Fraction(2 * 10, 20)
    expected = signed_bound(whole_of([alone, None]), 20, *spread(rho, rent, 2)) + room
    assert expected == Fraction(1, 20)
    assert signed_bound(alone, 20, rho, rent) + room == Fraction(2, 20)
    assert signed_bound(alone, 20, rho, rent, turns=True) + room == expected


@pytest.mark.parametrize(("name", "value"), [("_ROOM", 0), ("_WINDOW", 2)])
def test_windows_and_long_integers_change_nothing(monkeypatch: pytest.MonkeyPatch, name: str, value: int) -> None:
    for seed in range(25):
        instance, rng = any_operations(seed), np.random.default_rng(seed)
        rho, rent = draw_prices(rng, instance, 10**12)
        expected = paths.paths_total(instance, rho, rent, turns=True)
        with monkeypatch.context() as patch:
            patch.setattr(paths, name, value)
            assert paths.paths_total(instance, rho, rent, turns=True) == expected
