"""Policies by what attention reads, on rooms small enough to follow by hand: what they hold, what the lossy ones would miss."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from placement_opt.answer.prove import prove
from placement_opt.base.errors import InputError
from placement_opt.instance.instance import Instance
from placement_opt.play.simulate import simulate
from placement_opt.report.comparison import comparison_document, comparison_text
from placement_opt.report.simulation import simulation_document, simulation_text
from placement_opt.schedulers import REGISTRY, make_scheduler
from placement_opt.schedulers.attention.order import Order, Recent, Units
from placement_opt.schedulers.attention.scored import PROTECTED, Kept, Scored, keyed
from placement_opt.schedulers.attention.snapkv import pooled
from placement_opt.study.compare import compare
from tests.schedulers.cases import Scripted, any_instance
from tests.schedulers.rooms import contents, empty, missed, room
from tests.small import make_instance, make_trace, two_tier

LOSSY = [name for name, policy in REGISTRY.items() if issubclass(policy, Scored) and policy.lossy]


def test_sinks_and_the_newest() -> None:
    """Six blocks, room for three: the first and the two newest; block 3 and block 1 were dropped before they were read."""
    instance = room(3, [[0, 3], [1, 5], [6]], 6, [0])
    assert contents(instance, "sinks:sinks=1") == [[0, 4, 5], [0, 5, 6], [0, 5, 6], [0, 5, 6]]
    assert missed(instance, "sinks:sinks=1") == pytest.approx(2)


def test_a_window_of_sinks_drops_what_has_room() -> None:
    """With a window of one block 5 is dropped when 6 comes: it would be missed, but stays where there is room for it."""
    instance = room(3, [[0, 3], [1, 5], [6]], 6, [0])
    assert contents(instance, "sinks:sinks=1,window=1") == [[0, 4, 5], [0, 5, 6], [0, 5, 6], [0, 5, 6]]
    assert missed(instance, "sinks:sinks=1,window=1") == pytest.approx(3)


def test_h2o_keeps_the_most_read_and_the_newest() -> None:
    """Half of four for the newest. When 4 comes 2 leaves them unread, and its read at step 2 is missed; it comes back at step
    3, with two reads as 1 has, and goes when 1 has three. Dropped once, it is missed at step 3 again."""
    instance = room(4, [[0, 1], [0, 1], [0, 2], [2, 5], [1]], 4, [1, 2])
    held = [[0, 1, 2, 3], [0, 1, 2, 3], [0, 1, 3, 4], [0, 1, 4, 5], [0, 2, 4, 5], [0, 1, 4, 5]]
    assert contents(instance, "h2o") == held
    assert missed(instance, "h2o") == pytest.approx(2)


def test_shares_are_parts_of_reads() -> None:
    """Two halves are as much as one whole read, three more; bytes that would be missed are weighed by shares, too."""
    trace = make_trace([[0], [1], [1], [1], [0]], [-1] * 3, shares=[[2], [1], [1], [1], [1]], share_base=2)
    instance = replace(make_instance(two_tier(hbm=1), trace), initial=np.array([[False] * 3, [True] * 3]))
    assert contents(instance, "h2o:recent=0.0") == [[], [0], [0], [1], [1], [1]]
    run = simulate(instance, make_scheduler("h2o:recent=0.0"))
    assert run.would_miss == pytest.approx(1.5 / 3)  # 1 is dropped after step 0, and read in halves thrice; 0 is kept


def test_snapkv_keeps_what_was_voted_for() -> None:
    """Two steps vote for block 0; pooled over three blocks its neighbour has votes, too, and is kept in place of the newest."""
    instance = room(2, [[0], [0], [1], [5], [3], [1]], 6)
    assert contents(instance, "snapkv:votes=2,kernel=3,recent=0.0") == [[0, 5]] * 3 + [[0, 1]] * 4
    assert missed(instance, "snapkv:votes=2,kernel=3,recent=0.0") == pytest.approx(2)  # 5 and 3
    assert contents(instance, "snapkv:votes=2,kernel=1,recent=0.0") == [[0, 5]] * 7
    assert missed(instance, "snapkv:votes=2,kernel=1,recent=0.0") == pytest.approx(3)  # 1, 3 and 1


def test_votes_are_pooled() -> None:
    """Means over so many neighbours, in parts of 1/256, with nothing beyond the ends."""
    assert pooled(np.array([2.0, 0.0, 0.0, 4.0]), 1).tolist() == [2.0, 0.0, 0.0, 4.0]
    assert pooled(np.array([2.0, 0.0, 0.0, 4.0]), 2).tolist() == [1.0, 0.0, 2.0, 2.0]
    assert pooled(np.array([3.0, 0.0, 0.0, 6.0]), 3).tolist() == [1.0, 1.0, 2.0, 2.0]


def test_quest_brings_whole_pages() -> None:
    """Pages of four: the read of 4 brings 5, 6 and 7; at step 1 the pages are read alike, and the newer one counts first."""
    instance = empty(4, [[4], [0, 5], [4], [1]], 8)
    assert contents(instance, "quest:blocks=4") == [[], [4, 5, 6, 7], [4, 5, 6, 7], [4, 5, 6, 7], [0, 1, 2, 3]]
    run = simulate(instance, make_scheduler("quest:blocks=4"))
    assert (run.stored_bytes[0], run.copied_bytes[1, 0]) == (2, 6)


def test_quest_brings_the_best_pages_only() -> None:
    """Pages of two, one a step: of 0 and 5, in pages read alike, the newer's; what else is read comes where there is room."""
    instance = empty(4, [[4], [0, 5], [4], [1]], 8)
    assert contents(instance, "quest:blocks=2,pages=1") == [[], [4, 5], [0, 4, 5], [0, 4, 5], [0, 1, 4, 5]]


def test_hisparse_evicts_by_lru_or_by_clock() -> None:
    """Block 3 takes the place of 2, the only one not read again. For 4 the least recently read is 1, but the hand has passed 0
    and 1, forgetting that they were read, and comes to 0 first."""
    instance = empty(3, [[0], [1], [2], [1], [0], [3], [4]], 5)
    filling = [[], [0], [0, 1], [0, 1, 2], [0, 1, 2], [0, 1, 2], [0, 1, 3]]
    assert contents(instance, "hisparse") == [*filling, [0, 3, 4]]
    assert contents(instance, "hisparse:victims=clock") == [*filling, [1, 3, 4]]


def test_a_clock_that_finds_all_read_goes_round_again() -> None:
    """Both blocks were read since, so that the hand forgets it and takes the first that came."""
    instance = empty(2, [[0], [1], [0, 1], [2]], 3)
    assert contents(instance, "hisparse:victims=clock")[-1] == [1, 2]


def test_layers_do_not_take_each_others_room() -> None:
    """Room for two a layer: what layer 1 reads, however often, leaves layer 0's blocks where they are."""
    instance = empty(4, [[0, 2], [1, 3, 5], [0], [1, 3, 5]], 6, layers=2)
    for spec in ("h2o", "hisparse", "quest:blocks=1"):
        assert {0, 2} <= set(contents(instance, spec)[-1])
        assert len(contents(instance, spec)[-1]) == 4


# ---- what lossy policies would miss ------------------------------------------------------------------------------------


def test_who_would_miss_something() -> None:
    """Exactly the policies that follow a lossy one say a share, after a run; one that is not ours says what it likes."""
    instance = any_instance(0)
    assert {"sinks", "h2o", "snapkv", "kelle", "zsmerge", "corm", "sparse-dllm"} == set(LOSSY)
    for name in LOSSY:
        scheduler = make_scheduler(name)
        assert scheduler.would_miss is None
        assert 0.0 <= simulate(instance, scheduler).would_miss <= 1.0
    for name in ("quest", "hisparse", "lru", "static"):
        assert simulate(instance, make_scheduler(name)).would_miss is None
    mine = Scripted()
    assert simulate(room(1, [[0]], 1), mine).would_miss is None
    mine.would_miss = 0.25
    assert simulate(room(1, [[0]], 1), mine).would_miss == 0.25


@pytest.mark.parametrize("name", LOSSY)
def test_where_all_has_room_nothing_is_missed(name: str) -> None:
    """Dropping is for want of room; sparse-dllm and corm, which drop without, are told to keep."""
    options = {"sparse-dllm": ":keep=1.0", "corm": ":recent=8"}.get(name, "")
    instance = room(8, [[0, 1], [2, 3], [0, 5], [4, 6], [1, 7]] * 2, 6, [0, 1])
    assert simulate(instance, make_scheduler(name + options)).would_miss == 0.0


def test_a_run_says_what_would_be_missed() -> None:
    """Records, the comparison's table and JSON have it where a schedule has it, and no column where none does."""
    instance = room(4, [[0, 1], [0, 1], [0, 2], [2, 5], [1]], 4, [1, 2])
    assert simulate(instance, make_scheduler("h2o")).to_records()[0]["would_miss"] == pytest.approx(2 / 9)
    assert "would_miss" not in simulate(instance, make_scheduler("lru")).to_records()[0]
    run, proof = simulate(instance, make_scheduler("h2o")), prove(instance, "roofline")
    assert simulation_document(run, proof)["would_miss"] == run.would_miss
    assert "would miss   22 % of the bytes, had it dropped what it keeps elsewhere\n" in simulation_text(run, proof)
    assert "would miss" not in simulation_text(simulate(instance, make_scheduler("lru")), proof)
    both = compare(instance, ["lru", "h2o"], method="roofline")
    rows = comparison_document(both)["instances"][0]["schedules"]
    assert [row["would_miss"] for row in rows] == [None, pytest.approx(2 / 9)]
    assert "would miss" in comparison_text(both)
    assert "22 %" in comparison_text(both)
    assert "would miss" not in comparison_text(compare(instance, ["lru"], method="roofline"))


def _slow_h2o(instance: Instance) -> Fraction:
    """What h2o would miss, from its rule: everything in lists, one layer."""
    trace, size = instance.trace, instance.size.tolist()
    room = int(instance.capacity[instance.memory.fastest])
    alive = [b for b in range(instance.num_blocks) if trace.birth[b] < 0]
    score, recent, kept, lost, total = dict.fromkeys(range(instance.num_blocks), Fraction(0)), [], list(alive), 0, 0

    def came(blocks: list[int]) -> None:
        recent.extend(blocks)
        while sum(size[b] for b in recent) > room // 2:
            recent.pop(0)

    came(alive)
    for step in range(instance.num_steps):
        born = [b for b in range(instance.num_blocks) if trace.birth[b] == step]
        for row in range(int(trace.indptr[step]), int(trace.indptr[step + 1])):
            block = int(trace.blocks[row])
            share = Fraction(1 if trace.shares is None else int(trace.shares[row]), trace.share_base)
            total, score[block] = total + share * size[block], score[block] + share
            lost += 0 if block in kept else share * size[block]
        gone = {b for b in range(instance.num_blocks) if trace.death[b] == step}
        alive += born
        recent = [b for b in recent if b not in gone]
        came(born)
        kept = [b for b in [*kept, *born] if b not in gone]
        order = sorted(kept, key=lambda b: (b in recent, 0 if b in recent else score[b], alive.index(b)))
        while sum(size[b] for b in kept) > room:
            kept.remove(order.pop(0))
    return Fraction(lost, total) if total else Fraction(0)


def test_what_h2o_would_miss_is_what_its_slow_twin_misses() -> None:
    """Unequal sizes, shares, births and deaths, any rule."""
    shares = []
    for seed in range(60):
        instance = any_instance(seed)
        if instance.trace.step_layer is None:
            shares.append(simulate(instance, make_scheduler("h2o")).would_miss)
            assert shares[-1] == pytest.approx(float(_slow_h2o(instance))), seed
    assert sum(0.0 < share < 1.0 for share in shares) > 5


# ---- what they are made of ---------------------------------------------------------------------------------------------


class _Setting:
    """As much of a setting as orders and kept sets look at."""

    def __init__(self, sizes: list[int], initial: int, capacity: int, layers: list[int] | None = None) -> None:
        self.size, self.initial_blocks = np.array(sizes), np.arange(initial)
        self.block_layer = None if layers is None else np.array(layers, dtype=np.int32)
        self.num_layers = 1 if layers is None else max(layers) + 1
        self.capacity = np.array([capacity, 10**6])


def test_order() -> None:
    """Blocks of each layer in the order in which they came, whatever their ids."""
    order = Order(_Setting([1] * 6, 2, 10, [0, 1, 0, 1, 0, 1]))
    order.add(np.array([5]))
    order.add(np.array([2, 3, 4]))
    assert (order.of(0).tolist(), order.of(1).tolist()) == ([0, 2, 4], [1, 5, 3])
    assert (order.place.tolist(), order.arrival.tolist()) == ([0, 0, 1, 2, 2, 1], [0, 1, 3, 4, 5, 2])


def test_recent() -> None:
    """The newest by bytes; one that is gone makes room for those that come."""
    order = Order(_Setting([2, 2, 1, 3, 1], 3, 10))
    recent = Recent(order, np.array([2, 2, 1, 3, 1]), [4])
    assert np.flatnonzero(recent.inside).tolist() == [1, 2]
    recent.leave(np.array([1]))
    order.add(np.array([3]))
    assert recent.enter(np.array([3])).tolist() == []
    order.add(np.array([4]))
    assert recent.enter(np.array([4])).tolist() == [2]
    assert np.flatnonzero(recent.inside).tolist() == [3, 4]


def test_units() -> None:
    """Pages of two; blocks that are gone belong to none."""
    order = Order(_Setting([1] * 5, 5, 10))
    units = Units(order)
    units.pages(order.of(0), 2)
    order.alive[3] = False
    assert units.counts(0, np.array([0, 1, 4])).tolist() == [2.0, 0.0, 1.0]
    assert units.members(0, np.array([False, True, True])).tolist() == [2, 4]


def test_kept() -> None:
    """The lowest keys go until the rest fits, many at once too; what is gone needs no room."""
    setting = _Setting([1] * 40 + [5], 40, 10)
    kept, key = Kept(setting, Order(setting), 0), np.arange(41)[::-1]
    kept.settle(0, key)
    assert np.flatnonzero(kept.has).tolist() == list(range(10))
    kept.leave(np.array([0, 1]))
    kept.add(np.array([40]))
    key[40] = 100
    kept.settle(0, key)
    assert np.flatnonzero(kept.has).tolist() == [2, 3, 4, 5, 6, 40]


def test_keys_are_ordered_by_score_and_then_by_arrival() -> None:
    """And none reaches what is protected."""
    keys = keyed(np.array([0, 3, 3, 2**40]), np.array([9, 1, 2, 0]))
    assert (np.diff(keys) > 0).all()
    assert keys[-1] < PROTECTED


def test_options_are_checked() -> None:
    """Shares and counts beyond their ranges are refused."""
    with pytest.raises(InputError, match=r"^h2o:recent: found 1.5, expected from 0.0 to 1.0$"):
        make_scheduler("h2o:recent=1.5")
    with pytest.raises(InputError, match=r"^hisparse:victims: found 'fifo', expected one of lru, clock$"):
        make_scheduler("hisparse:victims=fifo")
