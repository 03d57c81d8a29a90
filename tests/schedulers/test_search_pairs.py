"""The best paths of two blocks together: the optimum where there are only two, exchanges where there are more."""

from __future__ import annotations

import numpy as np
import pytest

from placement_opt.base.limits import Limits
from placement_opt.instance.instance import Instance
from placement_opt.instance.rule import KEEPING
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from placement_opt.schedulers.optimised import optimise
from placement_opt.schedulers.packing import Packing
from placement_opt.schedulers.search.game import searchable
from placement_opt.schedulers.search.paths import paths_of
from placement_opt.schedulers.search.search import Search
from tests.brute import optimum
from tests.small import chain, make_instance, make_trace, random_instance


def started(instance: Instance) -> Search:
    """A search that begins with some legal paths."""
    run = simulate(instance, Packing(), record=True)
    assert run.schedule is not None
    search = Search(instance, None, 1)
    search.begin(paths_of(instance, run.schedule))
    return search


@pytest.mark.parametrize("seed", range(30))
def test_two_blocks_find_their_optimum(seed: int) -> None:
    """All rules, two tiers, births, deaths, shares, unequal sizes, given starts, against enumeration."""
    rng = np.random.default_rng(seed)
    options = {"max_size": 1 + seed % 3, "shares": seed % 4 == 0, "deaths": seed % 3 == 1, "given": seed % 5 == 0}
    instance = random_instance(rng, 2, KEEPING[seed % 3], blocks=2, steps=7, **options)
    search = started(instance)
    search.shake(times=0, budget=10**9, enough=0.0, limits=Limits(), improved=lambda: None)
    assert search.best == pytest.approx(optimum(instance).seconds, rel=1e-9)


@pytest.mark.parametrize("tiers", [2, 3, 4])
def test_never_worse_and_true_to_its_time(tiers: int) -> None:
    """Of more blocks every pair is tried: the paths stay legal, take what the search says, and no longer than before."""
    for seed in range(9):
        instance = random_instance(np.random.default_rng(seed), tiers, KEEPING[seed % 3], blocks=5, steps=6, max_size=2)
        search = started(instance)
        before = search.best
        search.shake(times=5, budget=10**6, enough=0.0, limits=Limits(), improved=lambda: None)
        assert search.best <= before
        assert (search._game.room >= 0).all()
        assert search.begin(search.paths()) == pytest.approx(search.best, rel=1e-12)


def test_two_blocks_change_places() -> None:
    """One block has the room and reads little, the other would use it: neither moves alone, a chain would move one whole."""
    reads = [[], [], [0, 1], [0], [0], [0, 1], [1], [0, 1]]
    shares = [[], [], [4, 2], [2], [1], [3, 4], [4], [4, 1]]
    trace = make_trace(reads, [-1, -1], shares=shares, share_base=4)
    instance = make_instance(chain([1, 5], [31, 24], [7]), trace, "free", fixed=[2, 0, 0])
    assert optimise(instance, limits=Limits())[1] == pytest.approx(optimum(instance).seconds, rel=1e-9)


def test_work_is_counted_and_ends_it() -> None:
    """Pairs and pushes spend work of the same budget, and stop where it is spent."""
    instance = random_instance(np.random.default_rng(3), 3, "free", blocks=8, steps=8)
    search = started(instance)
    search.shake(times=1000, budget=50_000, enough=0.0, limits=Limits(), improved=lambda: None)
    assert 50_000 <= search.work < 60_000


def test_five_tiers_are_searched_under_every_rule() -> None:
    """31 tier sets, the free rule's on five tiers, are few enough; more make a (block, state) pair count for more work."""
    for rule in KEEPING:
        instance = random_instance(np.random.default_rng(2), 5, rule)
        assert searchable(instance)
        quick = min(simulate(instance, make_scheduler(name)).latency_s for name in ("belady", "lru", "static"))
        assert optimise(instance, limits=Limits(), budget=1)[1] <= quick
