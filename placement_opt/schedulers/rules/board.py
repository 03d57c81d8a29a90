"""What all rules share: two places, the fastest tier and the rest, and blocks that go from one to the other.

The rules know "HBM" and "external memory". Here that is the fastest of the tiers that cache, and the others, which are filled
fastest first; a block lies in one of them, beside its home copy under the inclusive rule. What leaves the fastest tier is
dropped where another copy is left, else it goes to the next tier with room, or stays where there is none; under the rule cache
it is dropped then. A block that comes leaves its old place.

A *token* of the paper is the number of a block among those of its layer, in the order in which they came.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placement_opt.base.arrays import Flags, Float64, Int64
from placement_opt.base.errors import ScheduleError
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View
from placement_opt.schedulers.base import cache_tiers, layer_of
from placement_opt.schedulers.hierarchy.transition import Sources, moves_to, stuck
from placement_opt.schedulers.rules.ahead import Ahead
from placement_opt.schedulers.static import fill_in_order, needs_room, prefer_fast

_INSTANT = 1e-18  # seconds a byte, where reading takes none
NONE: Ids = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Numbers:
    """What the rules count in; the defaults are the source's.

    ``page``: tokens in a page. ``full``: share of the fastest tier from which it counts as full. ``window``: steps of a layer.
    ``ratio``: share of the candidates. ``seed``: of random victims. ``slips``: which part of the rules does what the published
    code does where that is not what it says.
    """

    page: int = 16
    full: float = 0.99
    window: int = 16
    ratio: float = 1.0
    seed: int = 0
    slips: str = "none"


class Board:
    """The blocks of one run.

    Attributes
    ----------
    token, layer
        int64[B]: of each block; -1 while it has not come.
    last, since
        int64[B]: the step of its layer that read a block last, and that from which on every one did; being produced counts.
    alpha
        Share of the reads that the fastest tier serves where both finish together, ``B / (B + b)``, b the rate at which the
        fastest of the others is read.
    rates
        Bytes a second that the fastest tier is read at, and the fastest of the others.
    tick
        How many steps of the present layer came before.
    idle
        int64[L]: how many steps of each layer read nothing.
    kept_back
        What the weights that this step reads from the fastest tier leave less of it to blocks, in bytes: (1 - alpha) of them.
    pages
        Room that is left of what was promised to pages, in bytes; 0 where nothing was.
    ahead
        What is read later; rules that look ahead alone ask for it.
    """

    def __init__(self, setting: Setting, numbers: Numbers, ahead: Ahead | None) -> None:
        self.setting, self.numbers, self._ahead = setting, numbers, ahead
        layers = setting.num_layers
        self.size = setting.size
        self.layer = layer_of(setting).astype(np.int64) if layers > 1 else np.zeros(len(setting.size), dtype=np.int64)
        self.tiers = cache_tiers(setting)
        self.rng = np.random.default_rng(numbers.seed)
        self._sources = Sources(setting.memory)
        blocks = len(self.size)
        self.token = np.full(blocks, -1, dtype=np.int64)
        self.last, self.since = np.full(blocks, -1, dtype=np.int64), np.zeros(blocks, dtype=np.int64)
        self.born = np.full(blocks, -1, dtype=np.int64)
        self.mask = np.zeros(blocks, dtype=np.uint16)
        self.alive = np.zeros(blocks, dtype=bool)
        self.count = np.zeros(layers, dtype=np.int64)  # tokens of each layer so far
        self._ticks, self.idle = np.zeros(layers, dtype=np.int64), np.zeros(layers, dtype=np.int64)
        self.rates = _rates(setting, self.tiers)
        self.alpha = 1.0 if self.rates[1] == 0 else 1.0 / (1.0 + self.rates[1] / self.rates[0])
        self._weights = _weights(setting, self.tiers)
        self.pages: dict[tuple[int, int], int] = {}
        self._number(setting.initial_blocks)

    @property
    def ahead(self) -> Ahead:
        assert self._ahead is not None
        return self._ahead

    def slips(self, part: str) -> bool:
        """Whether this part (init, place, migrate) does as the published code does."""
        return self.numbers.slips in (part, "all")

    def _number(self, ids: Ids) -> None:
        order = ids[np.lexsort((ids, self.layer[ids]))]
        layers = self.layer[order]
        first = np.searchsorted(layers, layers)
        self.token[order] = self.count[layers] + np.arange(len(order)) - first
        self.count += np.bincount(layers, minlength=len(self.count))
        self.alive[ids] = True

    # ---- the start -------------------------------------------------------------------------------------------------

    def start(self, chosen: Ids) -> Resident | None:
        """State 0: as given, or with these blocks in the fastest tier, as far as they fit, and the others elsewhere."""
        setting = self.setting
        resident = np.zeros((len(setting.capacity), len(self.size)), dtype=bool)
        if setting.initial is not None:
            resident = setting.initial
        elif self.tiers:
            fast, *slower = self.tiers
            held = chosen[np.cumsum(self.size[chosen]) <= setting.capacity[fast]]
            resident[fast, held] = True
            rest = setting.initial_blocks[~resident[fast, setting.initial_blocks]]
            rest = rest[np.lexsort((self.layer[rest], self.token[rest]))]
            fill_in_order(setting, rest, slower if setting.residency == "inclusive" else [*slower, fast], resident)
        for tier, row in enumerate(resident):
            self.mask[row] |= np.uint16(1 << tier)
        if setting.residency == "inclusive":
            self.mask[setting.initial_blocks] |= np.uint16(1 << setting.home)
        return resident if setting.initial is None else None

    # ---- a step ----------------------------------------------------------------------------------------------------

    def begin(self, view: View) -> None:
        """Open a step: what is freed is gone, what is read and produced is noted."""
        self.alive[view.freed], self.mask[view.freed] = False, 0
        self._number(view.births.astype(np.int64))
        self.present = view.layer if len(self.count) > 1 else 0
        self.tick = int(self._ticks[self.present])
        self._ticks[self.present] += 1
        reads = view.reads.astype(np.int64)
        self.since[reads] = np.where(self.last[reads] == self.tick - 1, self.since[reads], self.tick)
        self.last[reads] = self.tick
        self.last[view.births] = self.since[view.births] = self.born[view.births] = self.tick
        self.idle[self.present] += not len(reads)
        self.kept_back = (1.0 - self.alpha) * float(self._weights @ view.fixed)
        self.read = np.zeros(len(self.size), dtype=bool)
        self.read[reads] = True
        self._at_hand = np.zeros(len(self.size), dtype=bool)
        if self.setting.residency == "cache":
            self._at_hand[np.setdiff1d(reads, stuck(self.setting, view))] = True
            self._at_hand[view.freed] = False
        self.step = view.step
        self.room = (self.setting.capacity - view.used).tolist()
        self._touched: list[int] = []

    def settle(self, births: Ids, fast: Flags) -> None:
        """Place what was produced: in the fastest tier where that is wanted and has room, else in the next one."""
        first, *slower = self.tiers
        inclusive, chosen = self.setting.residency == "inclusive", births[fast]
        groups, late = prefer_fast(chosen, self.size, [first], self.room)
        others = np.concatenate([births[~fast], np.array(late, dtype=np.int64)])
        more, homeless = prefer_fast(others, self.size, slower if inclusive else [*slower, first], self.room)
        if homeless and needs_room(self.setting):
            raise ScheduleError("produced, but no tier has room for it", step=self.step, block=homeless[0])
        self.mask[births] = 1 << self.setting.home if inclusive else 0
        for tier, ids in [*groups, *more]:
            self.mask[ids] |= np.uint16(1 << tier)
        self._touched += births.tolist()

    def moves(self, view: View) -> Moves:
        """What was decided in this step."""
        touched = np.unique(np.array(self._touched, dtype=np.int64))
        return moves_to(self.setting, view, touched, self.mask[touched], self._sources)

    # ---- who is where ----------------------------------------------------------------------------------------------

    @property
    def inside(self) -> Flags:
        """bool[B]: what the fastest tier holds."""
        return np.asarray(self.mask >> self.tiers[0] & 1 != 0)

    @property
    def own(self) -> Flags:
        """bool[B]: blocks of the present layer."""
        return np.asarray(self.alive & (self.layer == self.present))

    @property
    def own_reads(self) -> Flags:
        """bool[B]: what this step reads, but for what is freed after it."""
        return np.asarray(self.alive & self.read)

    @property
    def free(self) -> int:
        """Bytes of the fastest tier that are left."""
        return int(self.room[self.tiers[0]])

    @property
    def is_full(self) -> bool:
        capacity = int(self.setting.capacity[self.tiers[0]])
        return capacity - self.free >= self.numbers.full * capacity

    def of_tokens(self, tokens: Int64) -> Flags:
        """bool[B]: the blocks of these tokens, in all layers."""
        wanted = np.zeros(int(self.count.max(initial=0)) + 1, dtype=bool)
        wanted[tokens] = True
        return np.asarray(self.alive & wanted[self.token])

    def oldest_first(self, which: Flags) -> Ids:
        """Ids of flagged blocks, token by token."""
        ids = np.flatnonzero(which)
        return ids[np.lexsort((self.layer[ids], self.token[ids]))]

    # ---- moving ----------------------------------------------------------------------------------------------------

    def demote(self, ids: Ids) -> None:
        """Out of the fastest tier, as far as another place is found."""
        for block in ids[self.inside[ids]].tolist():
            self._leave(block)

    def promote(self, ids: Ids, victims: Ids = NONE) -> None:
        """Into the fastest tier, in this order, while there is room or victims, in theirs, make it."""
        inside = self.inside
        ids = ids[~inside[ids] & ((self.mask[ids] != 0) | self._at_hand[ids])]
        queue = victims[inside[victims]][::-1].tolist()
        left, fast = int(self.size[queue].sum()), self.tiers[0]
        for block, needed in zip(ids.tolist(), self.size[ids].tolist(), strict=True):
            if needed > self.room[fast] + left:
                continue
            while needed > self.room[fast] and queue:
                victim = queue.pop()
                size = int(self.size[victim])
                left -= size
                if needed <= self.room[fast] + size:
                    self._swap(block, victim)
                else:
                    self._leave(victim)
            if needed <= self.room[fast]:
                self._enter(block)

    def _enter(self, block: int) -> None:
        bit = np.uint16(1 << self.tiers[0])
        if self.mask[block] & bit:
            return
        if self.setting.residency != "inclusive":
            self._lift(block)
        self.mask[block] |= bit
        self.room[self.tiers[0]] -= int(self.size[block])
        self._touched.append(block)

    def _lift(self, block: int) -> None:
        """Give back the room of a block's other places."""
        for tier in self.tiers[1:]:
            if self.mask[block] >> tier & 1:
                self.room[tier] += int(self.size[block])
        self.mask[block] = 0

    def _swap(self, block: int, victim: int) -> None:
        """Victim out, block in: the room that the block leaves is the victim's if it wants it."""
        if self.setting.residency == "inclusive":
            self._leave(victim)
            return
        before, room = self.mask[block], list(self.room)
        self._lift(block)
        if self._leave(victim):
            self._enter(block)
        else:
            self.mask[block], self.room = before, room

    def _leave(self, block: int) -> bool:
        """Out of the fastest tier; False if there is nowhere else to be."""
        fast, size = self.tiers[0], int(self.size[block])
        rest = self.mask[block] & ~np.uint16(1 << fast)
        if not rest:
            tier = next((k for k in self.tiers[1:] if self.room[k] >= size), None)
            if tier is None and needs_room(self.setting):
                return False
            if tier is not None:
                rest = np.uint16(1 << tier)
                self.room[tier] -= size
        self.mask[block] = rest
        self.room[fast] += size
        self._touched.append(block)
        return True


def _rates(setting: Setting, tiers: tuple[int, ...]) -> tuple[float, float]:
    """Bytes a second that are read from the fastest tier and from the fastest of the others; 0 where there is none."""
    first, order = setting.memory.operations.first_serving, setting.memory.by_speed
    others = [k for k in order if k != tiers[0]] if tiers else []
    if not others:
        return 1.0, 0.0
    fast, slow = (float(setting.memory.seconds(first + k)[0]) for k in (tiers[0], others[0]))
    return 1.0 / max(fast, _INSTANT), 1.0 / max(slow, _INSTANT)


def _weights(setting: Setting, tiers: tuple[int, ...]) -> Float64:
    """float64[R]: what of the fixed load of a step counts as read from the fastest tier: that on the resource which its reads
    need longest."""
    memory = setting.memory
    load = memory.operations.per_byte[memory.operations.first_serving + tiers[0]] if tiers else np.zeros(len(memory.rates))
    row = np.zeros(len(memory.rates))
    if load.any():
        longest = int(np.argmax(load / memory.rates))
        row[longest] = 1.0 / load[longest]
    return row
