"""Targets of the compact program: its counts given to blocks, legally, and close to the bound once made whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from placement_opt.base.errors import LimitError
from placement_opt.base.limits import Limits
from placement_opt.bounds import compact, targets
from placement_opt.bounds.columns.spread import held_counts, spread
from placement_opt.instance.instance import Instance
from placement_opt.instance.rule import KEEPING
from placement_opt.play.simulate import simulate
from placement_opt.schedulers.lp_rounded import LpRounded
from tests.small import chain, fetch_ahead, make_instance, make_trace, random_instance
from tests.worlds import drifting


def layered(residency: str = "inclusive") -> Instance:
    """A drifting read set over three tiers: 60 blocks and one more a step, 40 % read, a tenth of it swapped."""
    memory = chain([20, 30, 200], [4900, 500, 100], [450, 90])
    return make_instance(memory, drifting(1, 40, prefill=60).trace, residency)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(18))
def test_what_targets_say_is_a_placement(seed: int) -> None:
    """One to four tiers, all rules: shares in [0, 1], the home tier whole under inclusive, sums of one under exclusive.

    Each block has a target from its first state on, steps ascend, and each kind has as many blocks as the program counts.
    """
    rng = np.random.default_rng(seed)
    instance = random_instance(
        rng, 1 + seed % 4, KEEPING[seed // 4 % 3], blocks=6, steps=7, deaths=seed % 2 == 0, given=seed % 5 == 0
    )
    solution = compact.relax(instance)
    found = targets.from_compact(instance, solution)
    assert ((found.fraction >= 0.0) & (found.fraction <= 1.0)).all()
    assert (np.diff(found.step) >= 0).all()
    earliest = np.full(instance.num_blocks, instance.num_steps)
    np.minimum.at(earliest, found.block, found.step + 1)
    assert earliest.tolist() == instance.first_state.tolist()
    if instance.inclusive:
        assert (found.fraction[instance.home] == 1.0).all()
    program = solution.program
    assert program is not None
    opens, _ = spread(instance, solution.classes, program, solution.counts)
    owner = np.repeat(np.arange(len(solution.classes)), np.diff(program.intervals.start))
    blocks = solution.classes.count[owner]
    wanted, _ = held_counts(program, solution.counts)
    for k in range(instance.num_tiers):
        given = np.bincount(program.intervals.of, opens[k] * blocks, len(program.intervals))
        assert given == pytest.approx(wanted[k], abs=1e-6)
        if instance.residency == "exclusive":
            assert opens.sum(axis=0) == pytest.approx(np.ones(len(owner)), abs=1e-6)


def test_who_is_there_stays_and_who_is_read_longest_comes() -> None:
    """Two of three blocks fit: those read until the end are brought in and kept, the one that leaves its run early is not."""
    rows = [[0, 1, 2], [0, 1, 2], [0, 1], [0, 1], [0, 1]]
    instance = make_instance(chain([2, 9], [4900, 500], [450]), make_trace(rows, [-1] * 3))
    found = targets.from_compact(instance, compact.relax(instance, levels=["one"]))
    for step in range(-1, 4):
        here = found.step == step
        held = dict(zip(found.block[here].tolist(), found.fraction[0, here].tolist(), strict=True))
        assert held[0] == pytest.approx(1.0)
        assert held[1] == pytest.approx(1.0)
        assert held.get(2, 0.0) == pytest.approx(0.0)


@pytest.mark.parametrize(("residency", "gap"), [("inclusive", 0.15), ("free", 0.3)])
def test_three_tiers_round_close_to_the_bound(residency: str, gap: float) -> None:
    """A hundred blocks, forty read at a step: the schedule made of targets takes little more than the bound."""
    instance = layered(residency)
    assert not targets.solved_exactly(instance.trace.num_reads, instance.num_tiers)
    proven = compact.bound(instance).lower_bound_s
    assert proven is not None
    assert proven <= simulate(instance, LpRounded()).latency_s <= (1.0 + gap) * proven


def test_fetching_ahead_is_a_target(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the compact program as from the exact LP: blocks 10-19 rise in the fast tier during the idle steps."""
    monkeypatch.setattr(targets, "EXACT_READS", 0)
    instance = fetch_ahead()
    found = targets.find_targets(instance)
    ahead = (found.block >= 10) & (found.step >= 1) & (found.step <= 20) & found.rises[0]
    assert set(found.block[ahead].tolist()) <= set(range(10, 20))
    assert found.fraction[0, ahead].max() > 0.4


def test_the_exact_lp_where_it_is_affordable() -> None:
    """Few reads: its bound comes along; of three tiers only the smallest."""
    assert targets.find_targets(fetch_ahead()).bound.method == "lp"
    assert targets.find_targets(layered()).bound.method == "compact"
    few = random_instance(np.random.default_rng(1), 3, blocks=3, steps=4)
    assert targets.find_targets(few).bound.method == "lp"


def test_no_placement_within_the_limits() -> None:
    """Said, with what the bound knows of it."""
    instance = replace(layered(), name="late")
    with pytest.raises(LimitError, match="no relaxed placement within the limits"):
        targets.find_targets(instance, limits=Limits(0.0))
