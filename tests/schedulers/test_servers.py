"""What servers of language models do with their tiers, step by step, on traces of a few blocks and three tiers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from placement_opt.base.errors import InputError, ScheduleError
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from tests.schedulers.cases import any_instance, as_cache
from tests.schedulers.places import places, served, three


def test_hicache_writes_through_at_once_at_the_second_touch_or_when_it_makes_way() -> None:
    """New blocks 1 and 2 follow each other in the GPU, which has room for one."""
    instance = three([[], []], "2", room=(1, 9, 9), births=2)
    assert places(instance, "hicache") == ["2 - -", "2 012 -", "2 12 012"]
    assert places(instance, "hicache:write=write_back") == ["2 - -", "2 0 -", "2 1 0"]
    read = three([[], [1], [1]], "2", room=(1, 9, 9), births=1)
    assert places(read, "hicache:write=write_through_selective") == ["2 -", "2 0", "2 012", "2 012"]
    assert places(read, "hicache:write=write_through_selective,hits=3")[2:] == ["2 0", "2 012"]


def test_hicache_drops_what_was_never_written() -> None:
    """Where nothing has to be anywhere, a block touched once is gone when it makes way."""
    instance = three([[], []], "2", room=(1, 9, 9), births=2, rule="cache")
    assert places(instance, "hicache:write=write_through_selective")[-1] == "2 - 0"
    assert places(instance, "hicache:write=write_back")[-1] == "2 1 0"


def test_hicache_brings_from_storage_what_its_share_allows() -> None:
    """The host has two bytes more than the GPU: half of that is one block a step, the newest; few blocks are left alone."""
    instance = three([[0, 1]], "2 2", room=(2, 4, 9))
    assert places(instance, "hicache:write=write_back,share=0.5")[-1] == "2 012"
    assert places(instance, "hicache:write=write_back,share=1.0")[-1] == "012 012"
    assert places(instance, "hicache:write=write_back,share=1.0,least=3")[-1] == "2 2"


def test_hicache_writes_ahead_from_a_threshold_on() -> None:
    """With two blocks in a GPU for two, the one next to make way is written at a threshold of a half; at 0 it is write_through,
    at 1 write_back."""
    instance = three([[], [], []], "2", room=(2, 9, 9), births=3)
    half = places(instance, "hicache:write=write_back,threshold=0.5")
    assert half == ["2 - - -", "2 0 - -", "2 01 0 -", "2 1 01 0"]
    assert places(instance, "hicache:write=write_back,threshold=0") == places(instance, "hicache")
    assert places(instance, "hicache:write=write_back,threshold=1") == ["2 - - -", "2 0 - -", "2 0 0 -", "2 1 0 0"]
    host = three([[], [], []], "2", room=(1, 2, 9), births=3)
    assert places(host, "hicache:write=write_back,threshold=0.5")[-1] == "2 2 12 01"
    once = three([[], []], "2", room=(2, 9, 9), births=2, rule="exclusive")
    assert places(once, "hicache:write=write_back,threshold=0") == places(once, "hicache:write=write_back")


def test_hicache_prefetches_as_long_as_said() -> None:
    """A block takes 0.1 s from storage, and its two reads keep storage busy: beside them nothing comes for nothing, but where
    the step takes a second anyway, or as many as are waited for, the newest first."""
    instance = three([[0, 1]], "2 2", room=(2, 4, 9))
    slow = replace(instance, floor=np.ones(2))
    for more, wanted in (
        ("wait_complete", "012 012"),
        ("best_effort", "2 2"),
        ("timeout,timeout=0.1,timeout_per_ki_token=0", "2 012"),
        ("timeout,timeout=0.2,timeout_per_ki_token=0", "012 012"),
        ("timeout,timeout=0,timeout_per_ki_token=1.6", "012 012"),  # of 2 blocks of 64 tokens
        ("timeout,timeout=0,timeout_per_ki_token=1.6,page=32", "2 012"),
    ):
        assert places(instance, f"hicache:write=write_back,share=1.0,prefetch={more}")[-1] == wanted, more
    assert places(slow, "hicache:write=write_back,share=1.0,prefetch=best_effort")[-1] == "012 012"


def test_hicache_brings_ahead_what_followed_the_last_time() -> None:
    """Blocks were touched in the order 0, 3, 2, 1: behind 0 and 3 come 2, then 1, to the host, as far as the share goes."""
    instance = three([[0], [3], [2], [1], [0, 3]], "2 2 2 2", room=(1, 9, 9))
    for more, wanted in (
        ("share=1.0,depth=0", "2 2 2 012"),
        ("share=1.0,depth=1", "2 2 12 012"),
        ("share=1.0,depth=2", "2 12 12 012"),
        ("share=0.4,depth=2", "2 2 12 012"),
    ):
        assert places(instance, f"hicache:write=write_back,least=2,{more}")[-1] == wanted, more


def test_vllm_stores_when_said() -> None:
    """At the n-th touch, or when a block makes way; what comes from behind the CPU passes through it."""
    instance = three([[], [], []], "2", room=(1, 9, 9), births=2)
    assert places(instance, "vllm-offload")[1] == "2 012 -"
    assert places(instance, "vllm-offload:store_threshold=2")[1:3] == ["2 0 -", "2 1 0"]
    assert places(instance, "vllm-offload:store=on_evict")[1:3] == ["2 0 -", "2 1 0"]
    gone = three([[], []], "2", room=(1, 9, 9), births=2, rule="cache")
    assert places(gone, "vllm-offload:store_threshold=2")[-1] == "2 - 0"
    assert places(three([[0]], "2", room=(1, 1, 9)), "vllm-offload:store=on_evict")[-1] == "012"


def test_vllm_arc_keeps_what_was_read_again_until_the_others_are_missed() -> None:
    """A CPU for two blocks: 0 was read, so new blocks displace each other and not 0. The first of them that is missed (made
    anew) raises T1's target to one block, which gives way once more; the second raises it to two, and 0 goes."""
    instance = three([[0], [], [], [1], [2]], "1", room=(1, 2, 0), births=3, rule="cache")
    arc = ["1 - - -", "1 01 - -", "1 - 01 -", "1 - - 01", "1 01 - -", "- 1 01 -"]
    assert places(instance, "vllm-offload:evict=arc") == arc
    assert places(instance, "vllm-offload")[2] == "- 1 01 -"


class _PlainArc:
    """The same order for blocks of a byte, from sequences of touches and stores, by lists alone."""

    def __init__(self, room: int) -> None:
        self.room, self.target, self.victims = room, 0.0, set[bool]()
        self.once, self.often, self.gone_once, self.gone_often = [list[int]() for _ in range(4)]

    def touch(self, blocks: list[int]) -> None:
        for block in reversed(blocks):
            if block in self.once or block in self.often:
                (self.once if block in self.once else self.often).remove(block)
                self.often.append(block)
            elif block in self.gone_once:
                self.target = min(self.room, self.target + max(1.0, len(self.gone_often) / len(self.gone_once)))
            elif block in self.gone_often:
                self.target = max(0.0, self.target - max(1.0, len(self.gone_once) / len(self.gone_often)))

    def store(self, block: int, kept: list[int]) -> None:
        if len(self.once) + len(self.often) == self.room:
            lists = [(self.once, self.gone_once), (self.often, self.gone_often)]
            for held, gone in lists if len(self.once) >= self.target else lists[::-1]:
                victim = next((one for one in held if one not in kept), None)
                if victim is not None:
                    held.remove(victim)
                    gone.append(victim)
                    self.victims.add(held is self.often)
                    break
            else:
                return
        self.once.append(block)
        for gone in (self.gone_once, self.gone_often):
            if block in gone:
                gone.remove(block)
            del gone[: max(0, len(gone) - self.room)]


@pytest.mark.parametrize("seed", range(5))
def test_vllm_arc_is_that_of_lists(seed: int) -> None:
    """The CPU's contents at every step, where one block a step is read or produced and the GPU has room for none."""
    rng = np.random.default_rng(seed)
    reads = [[int(block)] if rng.random() < 0.8 else [] for block in rng.zipf(1.3, 100).clip(max=9) - 1]
    instance = three(reads, "- " * 9, room=(0, 4, 0), births=6, rule="cache")
    plain, wanted = _PlainArc(4), list[list[int]]()
    for step, ids in enumerate([*reads, []]):
        wanted.append(sorted(plain.once + plain.often))
        arrived = [*ids, *([9 + step] if step < 6 else [])]
        plain.touch(arrived)
        for block in arrived[::-1]:
            if block not in plain.once + plain.often:
                plain.store(block, arrived)
    seen = places(instance, "vllm-offload:evict=arc")
    assert [[n for n, tiers in enumerate(where.split()) if tiers == "1"] for where in seen] == wanted
    assert plain.victims == {False, True}


def test_lmcache_writes_everywhere_and_reads_up() -> None:
    """A new block is in all tiers; the one it displaces stays below; one read from the last tier is in all then."""
    assert places(three([[]], "2", room=(1, 2, 9), births=1), "lmcache")[-1] == "2 012"
    assert places(three([[0], [1]], "2 2", room=(1, 2, 9)), "lmcache") == ["2 2", "012 2", "12 012"]
    assert places(three([[], []], "2", room=(1, 9, 9), births=2, rule="exclusive"), "lmcache")[-1] == "2 1 0"


def test_lmcache_stores_reads_and_evicts_chunks() -> None:
    """Chunks of two: a new block is written below when the next one has come; both make way together, here for new ones; one
    read from the last tier brings the other into the CPU; the last of three at the start is a chunk by itself."""
    born = three([[], [], [], []], "2", room=(2, 9, 9), births=4)
    assert places(born, "lmcache:chunk=2") == ["2 - - - -", "2 0 - - -", "2 012 012 - -", "2 12 012 0 -", "2 12 12 012 012"]
    assert places(born, "lmcache:chunk=3")[2:4] == ["2 0 0 - -", "2 12 012 012 -"]
    read = three([[0], [2]], "2 2 2", room=(1, 3, 9))
    assert places(read, "lmcache:chunk=2") == ["2 2 2", "012 12 2", "12 12 012"]
    assert places(read, "lmcache") == ["2 2 2", "012 2 2", "12 2 012"]
    again = three([[0], [2], [1], [5]], "02 02 02 2 2 2", room=(3, 0, 9))
    assert places(again, "lmcache")[-1] == "2 02 02 2 2 02", "0 was read longest ago"
    assert places(again, "lmcache:chunk=2")[-1] == "02 02 2 2 2 02", "1 was read, which is of 0's chunk"


def test_trtllm_keeps_what_has_priority() -> None:
    """A prompt's block of priority 80 stays although blocks of the answer are newer, until it was unread for two steps."""
    reads = [[0], [0], [1], [1], [1]]
    instance = three(reads, "2 0", room=(1, 9, 9))
    assert places(instance, "trtllm")[1:4] == ["0 1", "0 1", "1 0"]
    prompts = three([[0], [], []], "2", room=(1, 9, 9), births=3)
    assert places(prompts, "trtllm:prompt=80")[-1] == "1 1 1 0"
    born = three([[0], [0], [0], [0]], "0", room=(1, 9, 9), births=2)
    assert places(born, "trtllm:decode=80")[1:3] == ["1 0 -", "1 1 0"]


def test_trtllm_priorities_run_out() -> None:
    """Two steps after its last read a block of priority 80 is as any other, and the next one read displaces it."""
    instance = three([[0], [1], [1]], "0", room=(1, 9, 9), births=1)
    assert places(instance, "trtllm:prompt=80,duration=2") == ["0 -", "0 1", "0 1", "1 0"]
    assert places(instance, "trtllm:prompt=80")[-1] == "0 1"


def test_trtllm_priorities_run_out_by_the_clock() -> None:
    """As after two steps where these take longer than the milliseconds, and not yet where they take less; answers by theirs."""
    instance = three([[0], [1], [1]], "0", room=(1, 9, 9), births=1)
    two_ms = 1e3 * float(simulate(instance, make_scheduler("trtllm:prompt=80")).step_s[:2].sum())
    assert places(instance, f"trtllm:prompt=80,duration_ms={0.999 * two_ms}") == ["0 -", "0 1", "0 1", "1 0"]
    assert places(instance, f"trtllm:prompt=80,duration_ms={1.001 * two_ms}")[-1] == "0 1"
    assert places(instance, f"trtllm:prompt=80,decode_duration_ms={0.999 * two_ms}")[-1] == "0 1"
    born = three([[0], [0], [0], [0]], "0", room=(1, 9, 9), births=2)
    assert places(born, "trtllm:decode=80")[1:5] == ["1 0 -", "1 1 0", "1 1 0", "1 1 0"]
    assert places(born, "trtllm:decode=80,decode_duration_ms=0.001")[2:5] == ["1 1 0", "0 1 1", "0 1 1"]


def test_trtllm_offloads_from_a_priority_on() -> None:
    """What makes way is dropped below that priority where it may be, and goes down from it on."""
    instance = three([[], []], "2", room=(1, 9, 9), births=2, rule="cache")
    assert places(instance, "trtllm")[-1] == "2 1 0"
    assert places(instance, "trtllm:offload=36")[-1] == "2 - 0"


def test_ttl_goes_without_need() -> None:
    """Unread for two steps, a block leaves for the slowest tier, or for good where it may."""
    reads: list[list[int]] = [[0], [], [], []]
    assert places(three(reads, "0", room=(9, 9, 9)), "ttl:steps=2") == ["0", "0", "0", "2", "2"]
    assert places(three(reads, "02", room=(9, 9, 9), rule="inclusive"), "ttl:steps=2")[-1] == "2"
    assert places(three(reads, "01", room=(9, 9, 9), rule="cache"), "ttl:steps=2")[2:] == ["01", "-", "-"]


def test_ttl_by_the_clock() -> None:
    """Block 1 takes 10 ms to read: after 20 ms, or 30, block 0 goes, whatever the steps are."""
    instance = three([[0], [1], [1], [1]], "0 0", room=(9, 9, 9))
    assert places(instance, "ttl:seconds=0.02,steps=1") == ["0 0", "0 0", "0 0", "2 0", "2 0"]
    assert places(instance, "ttl:seconds=0.03") == ["0 0", "0 0", "0 0", "0 0", "2 0"]


def test_session_keeps_what_isserved() -> None:
    """Block 0 came with a request that goes on, block 1 later with one that has ended: that makes way, though it is younger."""
    reads = three([[0], [1], [2]], "2 2 2", room=(2, 9, 9))
    goes_on = served(reads, [0, 1], [2, 1])
    assert places(goes_on, "session:wait=0")[-1] == "0 1 0"
    assert places(goes_on, "cascade")[-1] == "1 0 0"
    ended = served(reads, [0, 1], [0, 2])
    assert places(ended, "session:wait=0")[-1] == "1 0 0"


def test_session_waits_for_a_return() -> None:
    """Both requests have ended, block 0's a step later: whichever alone is still waited for keeps its block."""
    instance = served(three([[0], [1], [], [2]], "2 2 2", room=(2, 9, 9)), [0, 1, 3], [2, 1, 3])
    assert places(instance, "session:wait=0")[-1] == "1 0 0"
    assert places(instance, "session:wait=1")[-1] == "0 1 0"
    assert places(instance, "session:wait=2")[-1] == "1 0 0"


@pytest.mark.parametrize("seed", range(12))
def test_session_is_legal_on_every_rule(seed: int) -> None:
    """On small random instances with random requests; where a new block finds no room, so does lru."""
    rng = np.random.default_rng(seed)
    for instance in (any_instance(seed), as_cache(any_instance(seed), seed)):
        span = np.sort(rng.integers(0, instance.num_steps, (2, 4)), axis=0)
        try:
            simulate(served(instance, span[0].tolist(), span[1].tolist()), make_scheduler("session:wait=1"))
        except ScheduleError:
            with pytest.raises(ScheduleError):
                simulate(instance, make_scheduler("lru:scope=global"))


def test_session_needs_requests() -> None:
    """A trace that does not say which requests its steps serve is refused."""
    with pytest.raises(InputError, match="session: found a trace that does not say which requests its steps serve"):
        places(three([[0]], "2"), "session")


def test_a_view_shows_running_requests_only() -> None:
    """Those let in and not yet ended, in ascending order; nothing of the one that is to come."""
    seen = []

    class Nosy:
        name, online, source = "nosy", True, "tests"

        def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:  # noqa: ARG002
            return None

        def step(self, view: View) -> Moves:
            assert view.requests is not None
            seen.append(view.requests.tolist())
            return Moves()

    simulate(served(three([[], [], []], "2"), [2, 0, 1], [2, 1, 2]), Nosy())
    assert seen == [[1], [1, 2], [0, 2], []]


def test_all_slow_moves_nothing() -> None:
    """New blocks go to the slowest tier with room, and nothing comes up."""
    assert places(three([[0], [0]], "2", room=(9, 9, 2), births=2), "all-slow") == ["2 - -", "2 2 -", "2 2 1"]


def test_options_are_checked() -> None:
    """Words and numbers outside what is meant are refused."""
    with pytest.raises(InputError, match="expected one of write_through, write_through_selective, write_back"):
        make_scheduler("hicache:write=never")
    with pytest.raises(InputError, match="found 101, expected from 0 to 100"):
        make_scheduler("trtllm:prompt=101")
    with pytest.raises(InputError, match="found 0, expected at least 1"):
        make_scheduler("ttl:steps=0")
