"""Cascades: what each of them has where, step by step, on traces of a few blocks and three tiers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from placement_opt.base.errors import InputError, ScheduleError
from placement_opt.instance.rule import Residency
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from tests.schedulers.cases import with_layers
from tests.schedulers.places import places, three

#: Blocks 0 and 1 are read in turn; tiers 0 and 1 have room for one each, tier 2 for all.
TURNS = [[0], [1], [0]]


def test_inclusive_holds_the_same_blocks_above_each_other() -> None:
    """What is read enters both upper tiers, and what it displaces is dropped there: the two serve as one."""
    assert places(three(TURNS, "2 2"), "inclusive-cascade") == ["2 2", "012 2", "2 012", "012 2"]


def test_exclusive_moves_up_and_down() -> None:
    """What is read leaves below; what it displaces goes one tier down, so that the tiers hold different blocks."""
    assert places(three(TURNS, "2 2"), "exclusive-cascade") == ["2 2", "0 2", "1 0", "0 1"]


def test_exclusive_under_the_inclusive_rule() -> None:
    """The home tier keeps everything; the two above it differ."""
    found = places(three(TURNS, "2 2", rule="inclusive"), "exclusive-cascade")
    assert found == ["2 2", "02 2", "12 02", "02 12"]


def test_victims_of_victims_go() -> None:
    """The second tier takes what the first evicts; what that displaces is dropped where it may, and goes down where not."""
    reads = [[0], [1], [2]]
    assert places(three(reads, "2 2 2", rule="inclusive"), "victim")[-1] == "2 12 02"
    assert places(three(reads, "2 2 2", rule="cache"), "victim")[-1] == "- 1 0"
    assert places(three(reads, "2 2 2"), "victim")[-1] == "2 1 0"
    assert places(three(reads, "2 2 2", rule="cache"), "exclusive-cascade")[-1] == "2 1 0"


def test_staged_goes_through_the_middle() -> None:
    """From the slowest tier a block comes into the middle one only; read again, into the fastest."""
    assert places(three([[0], [0], [0]], "2 0"), "staged") == ["2 0", "1 0", "0 1", "0 1"]
    assert places(three([[0], [0]], "2 0"), "staged:up=copy") == ["2 0", "12 0", "012 2"]


def test_nth_hit_waits() -> None:
    """A block comes up at its second read, or as often as said."""
    assert places(three([[0], [0], [1]], "2 2"), "nth-hit") == ["2 2", "2 2", "0 2", "0 2"]
    assert places(three([[0], [0]], "2 2"), "nth-hit:hits=3")[-1] == "2 2"


def test_rarely_read_blocks_displace_none_that_are_read_often() -> None:
    """Block 0 was read twice, block 2 once: by lfu it stays out, by lru it comes in."""
    instance = three([[0], [0], [2]], "2 2 2", room=(1, 0, 9))
    assert places(instance, "exclusive-cascade:order=lfu")[-1] == "0 2 2"
    assert places(instance, "exclusive-cascade:order=lru")[-1] == "2 2 0"


def test_fifo_does_not_see_hits() -> None:
    """Two blocks in the fastest tier: the one that came first makes way although it was read last; under lru the other does."""
    instance = three([[0], [1], [0], [2]], "2 2 2", room=(2, 9, 9))
    assert places(instance, "cascade:order=fifo")[-1] == "1 0 0"
    assert places(instance, "cascade:order=lru")[-1] == "0 1 0"


def test_drop_and_copy() -> None:
    """With copies left below, what makes way is dropped; without, it goes down unless nothing has to be anywhere."""
    assert places(three(TURNS, "2 2"), "cascade:up=copy,down=drop")[-1] == "02 2"
    assert places(three(TURNS, "2 2", rule="cache"), "cascade:down=drop")[1:] == ["0 2", "- 0", "0 -"]
    assert places(three(TURNS, "2 2"), "cascade:path=staged,up=move")[-1] == "1 2"


def test_second_copies_make_way_in_the_slowest_tier() -> None:
    """A new block takes the place of a copy that is held above, too, where everything has to be somewhere."""
    instance = three([[0]], "02 2", room=(1, 0, 2), births=1)
    assert places(instance, "cascade:up=copy")[-1] == "2 2 0"


@pytest.mark.parametrize("rule", ["inclusive", "exclusive", "free", "cache"])
def test_new_blocks_enter_the_fastest_tier(rule: Residency) -> None:
    """And push the least recent one tier down."""
    last = places(three([[]], "02" if rule == "inclusive" else "0", rule=rule, births=1), "cascade")[-1]
    assert last == ("12 02" if rule == "inclusive" else "1 0")


def test_a_block_without_room_is_an_error() -> None:
    """Nothing is lost in silence: two bytes are left, one in each of two tiers, and the new block has two."""
    instance = three([[]], "0 1", rule="exclusive", births=1)
    sizes = np.full(3, 2)
    instance = replace(instance, trace=replace(instance.trace, size=sizes), size=sizes, capacity=np.array([3, 3, 0]))
    with pytest.raises(ScheduleError, match="produced, but no tier has room for it"):
        simulate(instance, make_scheduler("cascade:down=drop"))


def test_options_are_checked() -> None:
    """A count below one and an unknown order are refused."""
    with pytest.raises(InputError, match="found 0, expected at least 1"):
        make_scheduler("nth-hit:hits=0")
    with pytest.raises(InputError, match="expected one of lru, fifo, lfu"):
        make_scheduler("cascade:order=mru")


def test_layers_have_their_shares() -> None:
    """Blocks 0 and 2 are of one layer, 1 and 3 of another, a place in the GPU each: what is read displaces its own layer's,
    where it would displace block 1, read longest ago, in a cache for all."""
    instance = with_layers(three([[0], [1], [0], [], [2]], "2 2 2 2", room=(2, 9, 9)), 2)
    assert places(instance, "exclusive-cascade")[-1] == "0 1 0 2"
    assert places(instance, "exclusive-cascade:scope=layer")[-1] == "1 0 0 2"


def test_what_must_be_somewhere_takes_what_room_there_is() -> None:
    """All new blocks are of a layer whose share is one of four places, and nothing is dropped; the other layer's share is lent,
    and what comes later to that finds no more room than there is."""
    instance = three([[], [], [], []], "2", room=(2, 1, 1), births=3, rule="exclusive")
    layers = replace(instance.trace, step_layer=np.arange(5, dtype=np.int32) % 2, block_layer=np.zeros(4, dtype=np.int32))
    assert places(replace(instance, trace=layers), "exclusive-cascade:scope=layer")[-1] == "2 0 0 1"
    assert places(instance, "exclusive-cascade")[-1] == "2 1 0 0"
    late = replace(layers, block_layer=np.array([0, 0, 0, 1], dtype=np.int32))
    assert places(replace(instance, trace=late), "exclusive-cascade:scope=layer")[-1] == "2 0 0 1"
