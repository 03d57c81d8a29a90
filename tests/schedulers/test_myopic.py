"""Each step's program against an enumeration of everything it may choose."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.instance.instance import KEEPING, Instance
from placement_opt.memory.split.timing import StepTimer
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from placement_opt.schedulers.myopic_program import Class, StepProgram
from tests.schedulers.cases import drift
from tests.schedulers.reference import quickest
from tests.small import chain, make_instance, make_trace, two_tier


def _objective(instance: Instance, repeat: int, classes: list[Class], after: list[int], served, base, floor: float) -> float:
    """Seconds of the step with these masks at the next state, plus those of the steps like it that follow."""
    memory, tiers = instance.memory, instance.num_tiers
    timer = StepTimer(memory, range(1, 1 << tiers))
    load, following = base.astype(float).copy(), np.zeros(1 << tiers)
    held = [kind for kind in classes for _ in range(kind.number)]
    for kind, mask in zip(held, after, strict=True):
        present = frozenset(k for k in range(tiers) if kind.mask >> k & 1)
        for k in range(tiers):
            if mask >> k & 1 and not kind.mask >> k & 1:
                load += kind.share * kind.size * memory.write[k]
                if kind.share < 1:
                    load += (1 - kind.share) * kind.size * memory.copy[quickest(instance, present, k), k]
        following[mask] += kind.share * kind.size
    now = max(floor, float(timer.times(served[1:], load)[0]))
    return now + repeat * max(floor, float(timer.times(following[1:], base)[0]))


def _allowed(instance: Instance, mask: int) -> bool:
    if instance.residency == "exclusive":
        return mask.bit_count() == 1
    if instance.residency == "free":
        return mask > 0
    order = instance.memory.by_speed
    useful = order[: order.index(instance.home) + 1]  # a copy in a tier slower than the home tier is of no use
    return bool(mask >> instance.home & 1) and all(k in useful for k in order if mask >> k & 1)


@pytest.mark.parametrize("rule", KEEPING)
@pytest.mark.parametrize("seed", range(8))
def test_the_program_finds_the_best_next_state(rule: str, seed: int) -> None:
    """No assignment of the next state's copies is better by more than the price of inertia and the solver's gap."""
    rng = np.random.default_rng(seed)
    tiers, repeat = int(rng.integers(2, 4)), int(rng.integers(1, 4))
    rates = [int(x) for x in rng.integers(2, 40, 2 * tiers - 1)]
    memory = chain([6] * (tiers - 1) + [60], rates[:tiers], rates[tiers:])
    instance = make_instance(memory, make_trace([[0]], [-1]), rule)
    masks = [m for m in range(1, 1 << tiers) if _allowed(instance, m)]
    kinds = {(int(rng.choice(masks)), float(rng.choice([0, 0.5, 1])), int(rng.integers(1, 4))) for _ in range(3)}
    classes = [Class(*kind, int(rng.integers(1, 3))) for kind in sorted(kinds)]
    room = np.array([int(x) for x in rng.integers(3, 8, tiers - 1)] + [60])
    for k in range(tiers):
        room[k] = max(room[k], sum(kind.size * kind.number for kind in classes if kind.mask >> k & 1))
    served = np.zeros(1 << tiers)
    for kind in classes:
        served[kind.mask] += kind.share * kind.size * kind.number
    base, floor = rng.integers(0, 5, len(memory.resources)).astype(float), float(rng.choice([0.0, 0.3]))
    found = StepProgram(memory, rule, instance.home, repeat).solve(classes, room, served, base, floor)
    held = [kind for kind in classes for _ in range(kind.number)]
    sizes = np.array([kind.size for kind in held])

    def fits(after) -> bool:
        return all(int(sizes @ (np.array(after) >> k & 1)) <= room[k] for k in range(tiers))

    assert fits(found)
    assert all(_allowed(instance, mask) for mask in found.tolist())
    best = min(
        _objective(instance, repeat, classes, list(after), served, base, floor)
        for after in product(masks, repeat=len(held))
        if fits(after)
    )
    value = _objective(instance, repeat, classes, found.tolist(), served, base, floor)
    assert best * (1 - 1e-12) <= value <= best * (1 + 4e-4) + 1e-12


def test_nothing_moves_for_nothing() -> None:
    """Where the next step gains nothing from it, no copy is made or dropped."""
    instance = make_instance(two_tier(hbm=2), make_trace([[0, 1]] * 4, [-1, -1]))
    run = simulate(instance, make_scheduler("myopic"), record=True)
    assert run.schedule.num_moves == 0


def test_promotes_what_is_read() -> None:
    """A block read from the slow tier takes the place of one that the step does not read, if the saving outweighs its write."""
    start = np.array([[True, False], [True, True]])
    instance = make_instance(two_tier(hbm=1), make_trace([[1], [1], [1]], [-1, -1]), initial=start)
    run = simulate(instance, make_scheduler("myopic"), record=True)
    assert [(k, ids.tolist()) for k, ids in run.schedule.moves(0).store] == [(0, [1])]
    assert run.schedule.num_moves == 2


def test_about_as_good_as_lru_where_reads_repeat() -> None:
    """On the paper's kind of trace most reads do repeat: within a tenth of lru, which is within a few percent of the bound."""
    instance = drift(0.3, tokens=20, prefill=100, layers=2)
    myopic, lru = (simulate(instance, make_scheduler(spec)).latency_s for spec in ("myopic", "lru"))
    assert myopic < 1.1 * lru


def test_too_many_tiers_are_refused() -> None:
    """Every set of tiers is a choice, so their number is limited; the message says to what."""
    memory = two_tier()
    with pytest.raises(InputError, match=r"^myopic: found 8 tiers, expected at most 6 for this scheduler$"):
        StepProgram(replace(memory, tiers=memory.tiers * 4), "free", 0, 1)
