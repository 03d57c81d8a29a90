"""The rules of published systems, on rooms small enough to follow by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from placement_opt.schedulers.systems.kvmerger import runs
from placement_opt.schedulers.systems.sparse_dllm import best_nearby
from tests.schedulers.rooms import busy, contents, empty, missed, room


def test_kelle_forgets_old_reads() -> None:
    """Three reads of block 0 fade to less than one of 1 or 2; without fading they stay."""
    instance = empty(2, [[0], [0], [0], [1], [2], [2], [3]], 4)
    filling = [[], [0], [0], [0], [0, 1]]
    assert contents(instance, "kelle:sinks=0,recent=0.0,decay=0.5") == [*filling, [1, 2], [1, 2], [2, 3]]
    assert contents(instance, "kelle:sinks=0,recent=0.0,decay=1.0") == [*filling, [0, 2], [0, 2], [0, 2]]
    # of four blocks the read one and the newest are kept after step 0
    assert missed(instance, "kelle:sinks=0,recent=0.0,decay=0.5") == pytest.approx(3)


def test_kelle_keeps_the_first_blocks() -> None:
    """As above, but block 0 is a sink."""
    instance = empty(2, [[0], [0], [0], [1], [2], [2], [3]], 4)
    assert contents(instance, "kelle:sinks=1,recent=0.0,decay=0.5")[-3:] == [[0, 2], [0, 2], [0, 3]]


def test_zsmerge_gives_a_slot_to_what_leaves_the_tail() -> None:
    """A tail of one. At step 1 block 2, never read, leaves it and takes the slot of 1, read once; at step 2 block 3 takes its.
    By counts alone (h2o) 1 stays."""
    instance = room(3, [[0, 1], [0], [0], [2], [3]], 2, [0, 1, 2])
    held = [[0, 1], [0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 3, 4], [0, 3, 4]]
    assert contents(instance, "zsmerge:tail=0.34,decay=1.0") == held
    assert missed(instance, "zsmerge:tail=0.34,decay=1.0") == pytest.approx(1)  # 2
    assert contents(instance, "h2o:recent=0.34")[1:4] == [[0, 1, 2], [0, 1, 3], [0, 1, 4]]
    assert missed(instance, "h2o:recent=0.34") == pytest.approx(2)  # 2 and 3


def test_corm_counts_votes_of_a_window() -> None:
    """A window of two steps; block 3 is the newest. After step 1 block 2 has no vote and is dropped, so that both of its reads
    are missed; without the newest, 3 is dropped, too."""
    instance = empty(2, [[0], [0, 1], [2], [1], [3], [2]], 4)
    assert contents(instance, "corm:window=2,recent=1") == [[], [0], [0, 1], [1, 2], [1, 2], [1, 3], [2, 3]]
    assert missed(instance, "corm:window=2,recent=1") == pytest.approx(2)
    assert missed(instance, "corm:window=2,recent=0") == pytest.approx(3)


def test_corm_ranks_by_votes() -> None:
    """Two votes of the last three steps stay before one, however old."""
    instance = empty(2, [[0], [0], [1], [2], [3]], 4)
    assert contents(instance, "corm:window=3,recent=0") == [[], [0], [0], [0, 1], [1, 2], [2, 3]]
    assert contents(instance, "corm:window=5,recent=0") == [[], [0], [0], [0, 1], [0, 2], [0, 3]]


def test_sparse_dllm_chooses_late_and_anew() -> None:
    """Periods of four steps, the second of which chooses half of the blocks: 0 and 1 of four and a new one, later 3 and 4.
    Missed are the reads of others after the choice: 3 at step 3, and 1 at steps 6 and 7."""
    instance = room(2, [[0, 1], [0, 3], [0, 1], [3], [3], [3, 4], [1, 4], [1]], 4, [1])
    spec = "sparse-dllm:keep=0.5,period=4,delay=1,kernel=1"
    assert contents(instance, spec) == [[0, 1]] * 6 + [[3, 4]] * 3
    assert missed(instance, spec) == pytest.approx(3)


def test_the_best_nearby() -> None:
    """The largest of so many neighbours."""
    assert best_nearby(np.array([5.0, 0.0, 0.0, 1.0]), 3).tolist() == [5.0, 5.0, 1.0, 1.0]
    assert best_nearby(np.array([5.0, 0.0, 0.0, 1.0]), 2).tolist() == [5.0, 0.0, 1.0, 1.0]
    assert best_nearby(np.zeros(0), 3).tolist() == []


def test_mec_pins_what_is_popular() -> None:
    """A look every three steps pins 0 and 1; 2, read twice, comes in at the next look, when it has more reads than 0."""
    instance = empty(2, [[0], [1], [1], [2], [2], [2], [0], [3]], 4)
    assert contents(instance, "mec:every=3") == [[], [0], [0, 1], [0, 1], [0, 1], [0, 1], [1, 2], [1, 2], [1, 2]]


def test_kvmerger_moves_runs_together() -> None:
    """Blocks 0 and 1, read alike at first, are as recent as each other's reads: 3 makes way before 0, and 0 brings 1 back."""
    instance = empty(3, [[0, 1], [0, 1], [3], [1], [2], [3], [0]], 4)
    held = [[], [0, 1], [0, 1], [0, 1, 3], [0, 1, 3], [0, 1, 2], [1, 2, 3], [0, 1, 3]]
    assert contents(instance, "kvmerger:steps=2") == held
    assert contents(instance, "kvmerger:steps=1")[4:] == [[0, 1, 3], [0, 1, 2], [1, 2, 3], [0, 1, 3]]
    assert contents(instance, "hisparse")[5:] == [[1, 2, 3], [1, 2, 3], [0, 2, 3]]


def test_runs() -> None:
    """Neighbours read by the same steps, by a share of them, or by none at all."""
    place = np.arange(5)
    seen = np.array([0b11, 0b11, 0b01, 0b00, 0b00])
    assert runs(seen, place, 1.0).tolist() == [0, 0, 2, 3, 4]
    assert runs(seen, place, 0.5).tolist() == [0, 0, 0, 3, 4]
    assert runs(seen[:0], place[:0], 1.0).tolist() == []


def test_starc_brings_clusters_of_what_was_read() -> None:
    """Of eight blocks the four read at first are a cluster, the others another; one read brings all of it."""
    instance = empty(4, [[0, 2, 4, 6], [0, 2, 4], [1], [0], [3]], 8)
    even, odd = [0, 2, 4, 6], [1, 3, 5, 7]
    assert contents(instance, "starc:window=8,cluster=4,after=2") == [[], even, even, odd, even, odd]


def test_dynakv_splits_late_and_pins_what_is_new() -> None:
    """Clusters of two. Block 6 joins 4 and 5, which lie outside; only when 7 joins, and 6 is inside, the cluster splits, and 4
    comes with 5 alone. The cluster of the new blocks is pinned; with two pinned the other half is, too: 0 stays out."""
    instance = empty(4, [[0], [], [], [4], [1], [2]], 6, [1, 2])
    filling = [[], [0, 1], [0, 1, 6], [0, 1, 6, 7], [4, 5, 6, 7]]
    assert contents(instance, "dynakv:cluster=2,pinned=1") == [*filling, [0, 1, 6, 7], [2, 3, 6, 7]]
    assert contents(instance, "dynakv:cluster=2,pinned=2") == [*filling, [4, 5, 6, 7], [4, 5, 6, 7]]
    assert contents(instance, "dynakv:cluster=2,pinned=0") == [*filling, [0, 1, 4, 5], [0, 1, 2, 3]]


def test_keep_loads_in_idle_time() -> None:
    """Two layers of two blocks, room for two. Where the fast tier takes a second the link brings the next layer's blocks
    meanwhile, and from step 3 on everything is there; where the link is what is waited for, what comes first stays."""
    instance = empty(2, [[0, 1], [2, 3]] * 4, 4, layers=2)
    zero, one = [0, 1], [2, 3]
    assert contents(busy(instance), "keep") == [[], zero, zero, one, zero, one, zero, one, zero]
    assert contents(instance, "keep") == [[], *[zero] * 8]
    assert simulate(busy(instance), make_scheduler("keep")).hit_rate == 12 / 16
    assert simulate(busy(instance), make_scheduler("lru:scope=global")).hit_rate == 0.0


def test_next_tile_follows_the_reads() -> None:
    """Without layers the block after the last one read comes while it is read, if the link is idle; tiles of two bring two."""
    instance = empty(3, [[0], [1], [2], [5]], 6)
    assert contents(busy(instance), "next-tile:tile=1") == [[], [0, 1], [0, 1, 2], [1, 2, 3], [0, 3, 5]]
    assert contents(busy(instance), "next-tile:tile=2") == [[], [0, 1, 2], [1, 2, 3], [2, 3, 4], [0, 1, 5]]
    assert contents(instance, "next-tile") == [[], [0], [0, 1], [0, 1, 2], [1, 2, 5]]


def test_next_tile_follows_the_layers() -> None:
    """With layers it is what the next one read last."""
    instance = empty(2, [[0, 1], [2, 3]] * 3, 4, layers=2)
    assert contents(busy(instance), "next-tile")[2:] == [[0, 1], [2, 3], [0, 1], [2, 3], [0, 1]]


def test_cxl_speckv_fetches_what_the_next_layer_read() -> None:
    """Three layers of two blocks, room for four, half of it a buffer: after one round everything is there when it is read. With
    one block outstanding half of it is, and without a buffer next to nothing: what is fetched is overwritten at once."""
    instance = empty(4, [[0, 1], [2, 3], [4, 5]] * 3, 6, layers=3)
    assert contents(instance, "cxl-speckv:buffer=0.5")[3:] == [[0, 1, 4, 5], [0, 1, 2, 3], [2, 3, 4, 5]] * 2 + [[0, 1, 4, 5]]
    rates = [
        simulate(instance, make_scheduler(f"cxl-speckv:{more}")).hit_rate for more in ("buffer=0.5", "buffer=0.5,outstanding=1")
    ]
    assert rates == [12 / 18, 6 / 18]
    assert contents(instance, "cxl-speckv:buffer=0.0")[4] == [0, 1, 4, 5]


def test_cxl_speckv_fetches_for_nothing_where_it_is_wrong() -> None:
    """Of four blocks one is read again and again, by each of two layers: predicted at random it is fetched less often, the
    depth stays at its least, and the same seed draws the same."""
    instance = empty(2, [[0], [4]] * 12, 8, layers=2)
    instance = replace(instance, trace=replace(instance.trace, block_layer=np.array([0] * 4 + [1] * 4, dtype=np.int32)))
    rates, deep = [], []
    for more in ("accuracy=1.0", "accuracy=0.0", "accuracy=0.0", "accuracy=0.0,seed=1"):
        scheduler = make_scheduler(f"cxl-speckv:buffer=0.5,{more}")
        run = simulate(instance, scheduler)
        rates.append((run.hit_rate, run.copied_bytes.sum()))
        deep.append(scheduler._deep)
    assert rates[1] == rates[2] != rates[3]
    assert rates[0][0] > max(rates[1][0], rates[3][0])
    assert rates[0][1] < min(rates[1][1], rates[3][1])
    assert deep == [8, 2, 2, 2]


def test_cxl_speckv_goes_deeper_while_it_is_right() -> None:
    """Reads that never change are predicted, reads that never come again are not."""
    for reads, deep in (([[0]] * 16, 8), ([[b] for b in range(16)], 2)):
        scheduler = make_scheduler("cxl-speckv")
        simulate(empty(4, reads, 16), scheduler)
        assert scheduler._deep == deep


def test_options_are_checked() -> None:
    """Beyond their ranges they are refused."""
    with pytest.raises(InputError, match=r"^kelle:decay: found 0.0, expected from 0.01 to 1.0$"):
        make_scheduler("kelle:decay=0")
    with pytest.raises(InputError, match=r"^cxl-speckv:depth: found 9, expected from 2 to 8$"):
        make_scheduler("cxl-speckv:depth=9")
