"""Room claimed ahead and pages reclaimed late: by hand on blocks of a byte, and as a plain twin has it."""

from __future__ import annotations

import numpy as np
import pytest

from placement_opt.base.errors import ScheduleError
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from tests.schedulers.cases import any_instance, as_cache
from tests.schedulers.places import places, served, three
from tests.small import make_instance, make_trace, two_tier


def test_pages_stay_until_room_is_needed() -> None:
    """Blocks 0 and 1 end with step 0. The second new block needs the place of one, the last; who returns finds the other."""
    instance = three([[0, 1], [2], [2, 3], [0, 2, 3]], "0 0", room=(3, 9, 9), births=2)
    assert places(instance, "vattention:ahead=0") == ["0 0 - -", "0 0 0 -", "0 1 0 0", "0 1 0 0", "0 1 0 0"]


def test_room_is_claimed_for_what_comes() -> None:
    """A step that produced a block makes room for one more; looking two iterations back, for as many as those did."""
    instance = three([[0, 1], [2], [2, 3], [2, 3]], "0 0", room=(3, 9, 9), births=2)
    assert places(instance, "vattention")[2:4] == ["1 1 0 0", "1 1 0 0"]
    wide = three([[0, 1, 2], [3], [3, 4]], "0 0 0", room=(6, 9, 9), births=2)
    assert places(wide, "vattention")[-1] == "0 0 0 0 0"
    assert places(wide, "vattention:ahead=2")[-1] == "0 0 1 0 0"


def test_a_share_is_kept_free_as_far_as_ended_requests_make_room() -> None:
    """Three of four bytes are to be free: what step 1 does not read goes, what it reads stays."""
    instance = three([[0, 1], [1], [1]], "0 0", room=(4, 9, 9))
    assert places(instance, "vattention:reserve=0.75") == ["0 0", "0 0", "1 0", "1 0"]
    assert places(instance, "vattention:reserve=1.0") == ["0 0", "0 0", "1 0", "1 0"]
    assert places(instance, "vattention:reserve=0.5") == ["0 0"] * 4


def test_pages_go_whole_and_run_whole() -> None:
    """In pages of two, block 2 shares one with block 3, which runs: blocks 0 and 1 go for one new block."""
    instance = three([[0, 1, 2], [3], [3, 4]], "0 0 0", room=(4, 9, 9), births=2)
    assert places(instance, "vattention:ahead=0,page=2")[-1] == "1 1 0 0 0"
    assert places(instance, "vattention:ahead=0")[-1] == "0 0 1 0 0"


def test_pages_are_claimed_whole() -> None:
    """One block was produced, in pages of three: room for three is claimed."""
    instance = three([[0, 1], [2], [2, 3]], "0 0", room=(5, 9, 9), births=2)
    assert places(instance, "vattention:page=1")[-1] == "0 0 0 0"
    assert places(instance, "vattention:page=3")[-1] == "0 0 0 0"  # block 2 runs, and with it the page of 0 and 1
    apart = three([[0, 1, 2], [3], [3, 4]], "0 0 0", room=(6, 9, 9), births=2)
    assert places(apart, "vattention:page=3")[-1] == "1 1 1 0 0"


def test_reclaiming_earlier() -> None:
    """What nobody needs the room of: all at once, one page a step that produced nothing, or never."""
    instance = three([[0, 1], [2], [2], [2]], "0 0", room=(9, 9, 9), births=1)
    assert places(instance, "vattention:reclaim=eager")[2:] == ["1 1 0", "1 1 0", "1 1 0"]
    assert places(instance, "vattention:reclaim=background")[2:] == ["0 1 0", "1 1 0", "1 1 0"]
    assert places(instance, "vattention")[2:] == ["0 0 0"] * 3


def test_whose_requests_have_ended_is_what_the_trace_says() -> None:
    """Block 0 came with a request that goes on, block 1 later with one that has ended; not knowing, the older one goes."""
    reads = three([[0], [1], [2]], "2 2 2", room=(2, 9, 9))
    assert places(served(reads, [0, 1], [2, 1]), "vattention")[-1] == "0 1 0"
    assert places(served(reads, [0, 1], [0, 2]), "vattention")[-1] == "1 0 0"
    assert places(reads, "vattention")[-1] == "1 0 0"


def test_how_long_untouched_is_ended() -> None:
    """A claim takes what was untouched for an iteration, not for two."""
    instance = three([[0], [1], [1]], "0 0", room=(2, 9, 9))
    assert places(instance, "vattention:reserve=0.5")[2] == "1 0"
    assert places(instance, "vattention:reserve=0.5,idle=2")[2:] == ["0 0", "1 0"]


@pytest.mark.parametrize("seed", range(12))
def test_legal_on_every_rule_with_requests(seed: int) -> None:
    """On small random instances with random requests; where a new block finds no room, so does lru."""
    rng = np.random.default_rng(seed)
    for instance in (any_instance(seed), as_cache(any_instance(seed), seed)):
        span = np.sort(rng.integers(0, instance.num_steps, (2, 4)), axis=0)
        try:
            simulate(served(instance, span[0].tolist(), span[1].tolist()), make_scheduler("vattention:reserve=0.3,page=2"))
        except ScheduleError:
            with pytest.raises(ScheduleError):
                simulate(instance, make_scheduler("lru:scope=global"))


class Plain:
    """The fastest tier over a home that has everything, by sets and loops; blocks of a byte, one layer, no requests."""

    def __init__(self, room: int, ahead: int, reserve: float, page: int, reclaim: str, idle: int) -> None:
        self.room, self.reclaim, self.idle, self.page, self.ahead = room, reclaim, idle, page, ahead
        self.reserve = int(room * reserve)
        self.held, self.step = set[int](), -1
        self.touched, self.order, self.number, self.births = dict[int, int](), dict[int, int](), dict[int, int](), list[int]()

    def begin(self, blocks: list[int], held: set[int]) -> None:
        for block in blocks:
            self._new(block)
            self.touched[block] = -1
        self.held = held

    def _new(self, block: int) -> None:
        self.order[block] = len(self.number)
        self.number[block] = len(self.number) // self.page

    def _runs(self, block: int) -> bool:
        return self.touched[block] > self.step - self.idle

    def _ended(self) -> list[set[int]]:
        pages: dict[int, set[int]] = {}
        for block in self.held:
            pages.setdefault(self.number[block], set()).add(block)
        ended = [(max(self.touched[b] for b in held), -n, held) for n, held in pages.items() if not any(map(self._runs, held))]
        return [held for _, _, held in sorted(ended)]

    def _make(self, room: int) -> bool:
        went = False
        for held in self._ended():
            if self.room - len(self.held) >= room:
                break
            self.held -= held
            went = True
        return went

    def play(self, reads: list[int], births: list[int]) -> set[int]:
        self.step += 1
        for block in births:
            self._new(block)
        for at, block in enumerate([*reads, *births]):
            self.touched[block], self.order[block] = self.step, 1000 * (self.step + 1) + at
        missing = [block for block in (*births[::-1], *reads[::-1]) if block not in self.held]
        self.births.append(len(births))
        needed = self._make(len(missing)) if self.room else False
        needed |= bool(births)
        for block in missing:
            way = min(self.held, key=lambda b: (self._runs(b), self.order[b]), default=None)
            if len(self.held) < self.room:
                self.held.add(block)
            elif way is not None and (self._runs(way), self.order[way]) < (True, self.order[block]):
                self.held = self.held - {way} | {block}
        coming = sum(self.births[-self.ahead :]) if self.ahead else 0
        needed |= self._make(max(self.reserve, -(-coming // self.page) * self.page))
        if self.reclaim == "eager":
            self._make(self.room)
        elif self.reclaim == "background" and not needed:
            self._make(self.room - len(self.held) + 1)
        return self.held


@pytest.mark.parametrize("seed", range(8))
def test_it_does_what_a_plain_twin_does(seed: int) -> None:
    """The contents of the fastest tier at every step of random traces, with random options."""
    rng = np.random.default_rng(seed)
    for _ in range(6):
        ahead, page, idle = (int(x) for x in rng.integers([0, 1, 1], [4, 4, 4]))
        reserve, reclaim = float(rng.choice([0.0, 0.25, 0.5])), str(rng.choice(["deferred", "background", "eager"]))
        old, steps, room, density = 8, 25, int(rng.integers(0, 14)), rng.choice([0.2, 0.6])
        born = np.sort(rng.integers(0, steps - 1, 15)).tolist()
        birth = np.array([-1] * old + born)
        reads = [np.flatnonzero((birth < t) & (rng.random(len(birth)) < density)).tolist() for t in range(steps)]
        start = np.array([np.arange(len(birth)) < min(room, old), birth < 0])
        instance = make_instance(two_tier(hbm=room), make_trace([*reads, []], birth.tolist()), initial=start)
        plain = Plain(room, ahead, reserve, page, reclaim, idle)
        plain.begin(list(range(old)), set(np.flatnonzero(start[0]).tolist()))
        options = f"ahead={ahead},page={page},idle={idle},reserve={reserve},reclaim={reclaim}"
        seen = [{b for b, held in enumerate(step.split()) if "0" in held} for step in places(instance, f"vattention:{options}")]
        assert seen[0] == plain.held
        for t in range(steps):
            plain.play(reads[t], np.flatnonzero(birth == t).tolist())
            assert seen[t + 1] == plain.held, (options, t)
