"""Slow and obvious twins of the classical policies: lists, dictionaries and the sources' words, by the hooks of a cache."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import placement_opt as po
from placement_opt.play.protocol import Ids, Resident


class Slow(po.CachePolicy):
    """What the twins share: sizes, and whether a block that leaves was evicted."""

    def init(self, capacity: int) -> None:
        self.capacity = capacity
        self.sizes: dict[int, int] = {}
        self.going = -1
        self.begin()

    def begin(self) -> None:
        raise NotImplementedError

    def miss(self, block: int, size: int) -> None:
        self.sizes[block] = size
        self.come(block)

    def evict(self) -> int:
        self.going = self.victim()
        return self.going

    def free(self, block: int) -> None:
        evicted, self.going = block == self.going, -1
        self.leave(block, evicted)

    def come(self, block: int) -> None:
        raise NotImplementedError

    def victim(self) -> int:
        raise NotImplementedError

    def leave(self, block: int, evicted: bool) -> None:
        raise NotImplementedError

    def bytes(self, blocks: list[int]) -> int:
        return sum(self.sizes[block] for block in blocks)


class Mru(Slow):
    def begin(self) -> None:
        self.stack: list[int] = []

    def hit(self, block: int, size: int) -> None:  # noqa: ARG002
        self.stack.remove(block)
        self.stack.append(block)

    def come(self, block: int) -> None:
        self.stack.append(block)

    def victim(self) -> int:
        return self.stack[-1]

    def leave(self, block: int, evicted: bool) -> None:  # noqa: ARG002
        self.stack.remove(block)


class Clock(Slow):
    """A ring in a list and a hand that is a position in it; what comes in is put right behind the hand."""

    def __init__(self, bits: int = 1) -> None:
        self.bits = bits

    def begin(self) -> None:
        self.ring: list[int] = []
        self.count: dict[int, int] = {}
        self.hand = 0

    def hit(self, block: int, size: int) -> None:  # noqa: ARG002
        self.count[block] = min(self.count[block] + 1, 2**self.bits - 1)

    def come(self, block: int) -> None:
        self.ring.insert(self.hand, block)
        self.hand = (self.hand + 1) % len(self.ring)
        self.count[block] = 0

    def victim(self) -> int:
        while self.count[self.ring[self.hand]]:
            self.count[self.ring[self.hand]] -= 1
            self.hand = (self.hand + 1) % len(self.ring)
        return self.ring[self.hand]

    def leave(self, block: int, evicted: bool) -> None:  # noqa: ARG002
        at = self.ring.index(block)
        del self.ring[at]
        if at < self.hand:
            self.hand -= 1
        if self.hand == len(self.ring):
            self.hand = 0


class Sieve(Slow):
    def begin(self) -> None:
        self.queue: list[int] = []  # oldest first
        self.visited: set[int] = set()
        self.hand: int | None = None  # a block

    def hit(self, block: int, size: int) -> None:  # noqa: ARG002
        self.visited.add(block)

    def come(self, block: int) -> None:
        self.queue.append(block)

    def next(self, block: int) -> int | None:
        at = self.queue.index(block) + 1
        return self.queue[at] if at < len(self.queue) else None

    def victim(self) -> int:
        if self.hand is None:
            self.hand = self.queue[0]
        while self.hand in self.visited:
            self.visited.remove(self.hand)
            following = self.next(self.hand)
            self.hand = self.queue[0] if following is None else following
        return self.hand

    def leave(self, block: int, evicted: bool) -> None:  # noqa: ARG002
        if self.hand == block:
            self.hand = self.next(block)
        self.visited.discard(block)
        self.queue.remove(block)


class Random(Slow):
    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def begin(self) -> None:
        self.state = self.seed
        self.row: list[int] = []

    def hit(self, block: int, size: int) -> None:
        pass

    def come(self, block: int) -> None:
        self.row.append(block)

    def victim(self) -> int:
        word = 2**64 - 1
        self.state = self.state + 0x9E3779B97F4A7C15 & word
        z = self.state
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & word
        z = (z ^ z >> 27) * 0x94D049BB133111EB & word
        z ^= z >> 31
        return self.row[(z >> 32) * len(self.row) >> 32]

    def leave(self, block: int, evicted: bool) -> None:  # noqa: ARG002
        last, at = self.row.pop(), None
        if last != block:
            at = self.row.index(block)
            self.row[at] = last


class Slru(Slow):
    def __init__(self, protected: float = 0.8) -> None:
        self.share = protected

    def begin(self) -> None:
        self.probation: list[int] = []
        self.protected: list[int] = []

    def hit(self, block: int, size: int) -> None:  # noqa: ARG002
        self.leave(block, False)
        self.protected.append(block)
        while self.bytes(self.protected) > int(self.share * self.capacity):
            self.probation.append(self.protected.pop(0))

    def come(self, block: int) -> None:
        self.probation.append(block)

    def victim(self) -> int:
        return (self.probation + self.protected)[0]

    def leave(self, block: int, evicted: bool) -> None:  # noqa: ARG002
        (self.probation if block in self.probation else self.protected).remove(block)


class TwoQ(Slow):
    def __init__(self, kin: float = 0.25, kout: float = 0.5) -> None:
        self.kin, self.kout = kin, kout

    def begin(self) -> None:
        self.a1in: list[int] = []
        self.a1out: list[int] = []
        self.am: list[int] = []
        self.found_in_a1out: int | None = None

    def hit(self, block: int, size: int) -> None:  # noqa: ARG002
        if block in self.am:
            self.am.remove(block)
            self.am.append(block)

    def ask(self, block: int, size: int) -> None:  # noqa: ARG002
        self.found_in_a1out = block if block in self.a1out else None

    def come(self, block: int) -> None:
        known = block == self.found_in_a1out or block in self.a1out
        self.found_in_a1out = None
        if block in self.a1out:
            self.a1out.remove(block)
        (self.am if known else self.a1in).append(block)

    def victim(self) -> int:
        if self.bytes(self.a1in) > int(self.kin * self.capacity):
            return self.a1in[0]
        return (self.am + self.a1in)[0]

    def leave(self, block: int, evicted: bool) -> None:
        if block in self.am:
            self.am.remove(block)
            return
        self.a1in.remove(block)
        if evicted:
            self.a1out.append(block)
            while self.bytes(self.a1out) > int(self.kout * self.capacity):
                self.a1out.pop(0)


class S3Fifo(Slow):
    def __init__(self, small: float = 0.1) -> None:
        self.share = small

    def begin(self) -> None:
        self.small: list[int] = []
        self.main: list[int] = []
        self.ghost: list[int] = []
        self.freq: dict[int, int] = {}
        self.most = self.capacity - min(self.capacity, max(1, int(self.share * self.capacity)))

    def hit(self, block: int, size: int) -> None:  # noqa: ARG002
        self.freq[block] = min(3, self.freq[block] + 1)

    def come(self, block: int) -> None:
        self.freq[block] = 0
        if block in self.ghost:
            self.ghost.remove(block)
            self.main.append(block)
        else:
            self.small.append(block)

    def victim(self) -> int:
        if self.small and self.bytes(self.main) <= self.most:
            while self.small:
                if self.freq[self.small[0]] <= 1:
                    return self.small[0]
                self.freq[self.small[0]] = 0
                self.main.append(self.small.pop(0))
        while self.freq[self.main[0]]:
            self.freq[self.main[0]] -= 1
            self.main.append(self.main.pop(0))
        return self.main[0]

    def leave(self, block: int, evicted: bool) -> None:
        if block in self.main:
            self.main.remove(block)
            return
        self.small.remove(block)
        if evicted:
            self.ghost.append(block)
            while self.bytes(self.ghost) > self.most:
                self.ghost.pop(0)


class Arc(Slow):
    def begin(self) -> None:
        self.t1: list[int] = []
        self.t2: list[int] = []
        self.b1: list[int] = []
        self.b2: list[int] = []
        self.p = 0.0
        self.in_b2 = False

    def hit(self, block: int, size: int) -> None:  # noqa: ARG002
        (self.t1 if block in self.t1 else self.t2).remove(block)
        self.t2.append(block)

    def adapt(self, block: int, size: int) -> None:
        if block in self.b1:
            self.p = min(self.capacity, self.p + size * max(1.0, self.bytes(self.b2) / self.bytes(self.b1)))
        if block in self.b2:
            self.p = max(0.0, self.p - size * max(1.0, self.bytes(self.b1) / self.bytes(self.b2)))

    def ask(self, block: int, size: int) -> None:
        self.in_b2 = block in self.b2
        self.adapt(block, size)

    def come(self, block: int) -> None:
        for ghosts in (self.b1, self.b2):
            if block in ghosts:
                ghosts.remove(block)
                self.t2.append(block)
                return
        self.t1.append(block)
        while self.b1 and self.bytes(self.t1 + self.b1) > self.capacity:
            self.b1.pop(0)
        while self.b2 and self.bytes(self.t1 + self.b1 + self.t2 + self.b2) > 2 * self.capacity:
            self.b2.pop(0)

    def victim(self) -> int:
        first = self.bytes(self.t1)
        if self.t1 and (first > self.p or (self.in_b2 and first == self.p) or not self.t2):
            return self.t1[0]
        return self.t2[0]

    def leave(self, block: int, evicted: bool) -> None:
        pages, ghosts = (self.t1, self.b1) if block in self.t1 else (self.t2, self.b2)
        pages.remove(block)
        if evicted:
            ghosts.append(block)


class Car(Arc):
    def begin(self) -> None:
        super().begin()
        self.marked: set[int] = set()

    def hit(self, block: int, size: int) -> None:  # noqa: ARG002
        self.marked.add(block)

    def ask(self, block: int, size: int) -> None:
        pass

    def come(self, block: int) -> None:
        self.marked.discard(block)
        self.adapt(block, self.sizes[block])
        super().come(block)

    def victim(self) -> int:
        while True:
            clock = self.t1 if self.t1 and (self.bytes(self.t1) >= self.p or not self.t2) else self.t2
            if clock[0] not in self.marked:
                return clock[0]
            self.marked.remove(clock[0])
            self.t2.append(clock.pop(0))


class Counted(Slow):
    """lfu and gdsf: the lowest of all keys, looked for."""

    def __init__(self, *, ages: bool, by_byte: bool) -> None:
        self.ages, self.by_byte = ages, by_byte

    def begin(self) -> None:
        self.reads: dict[int, int] = {}
        self.key: dict[int, float] = {}
        self.order: list[int] = []  # by last read
        self.age = 0.0

    def come(self, block: int) -> None:
        self.reads[block] = 0
        self.order.append(block)
        self.hit(block, self.sizes[block])

    def hit(self, block: int, size: int) -> None:
        self.reads[block] += 1
        self.key[block] = self.age + self.reads[block] / (size if self.by_byte else 1)
        self.order.remove(block)
        self.order.append(block)

    def victim(self) -> int:
        block = min(self.order, key=lambda one: self.key[one])
        if self.ages:
            self.age = self.key[block]
        return block

    def leave(self, block: int, evicted: bool) -> None:  # noqa: ARG002
        self.order.remove(block)


class WTinyLfu(Slow):
    def __init__(self, window: float = 0.01, sample: int = 10) -> None:
        self.window_share, self.sample = window, sample

    def begin(self) -> None:
        self.window: list[int] = []
        self.probation: list[int] = []
        self.protected: list[int] = []
        self.reads: dict[int, int] = {}
        self.seen = 0
        self.most_window = min(self.capacity, max(1, int(self.window_share * self.capacity)))
        self.most_protected = int(0.8 * (self.capacity - self.most_window))

    def count(self, block: int) -> None:
        self.reads[block] = min(15, self.reads.get(block, 0) + 1)
        self.seen += self.sizes[block]
        if self.seen >= self.sample * self.capacity:
            self.seen = 0
            self.reads = {one: reads // 2 for one, reads in self.reads.items()}

    def hit(self, block: int, size: int) -> None:  # noqa: ARG002
        self.count(block)
        if block in self.window:
            self.window.remove(block)
            self.window.append(block)
            return
        self.leave(block, False)
        self.protected.append(block)
        while self.bytes(self.protected) > self.most_protected:
            self.probation.append(self.protected.pop(0))

    def come(self, block: int) -> None:
        self.count(block)
        self.window.append(block)
        while len(self.window) > 1 and self.bytes(self.window) > self.most_window:
            self.probation.append(self.window.pop(0))

    def victim(self) -> int:
        main = self.probation + self.protected
        if not self.window or (main and self.bytes(self.window) < self.most_window):
            return main[0]
        if not main or self.reads[self.window[0]] <= self.reads[main[0]]:
            return self.window[0]
        self.probation.append(self.window.pop(0))
        return main[0]

    def leave(self, block: int, evicted: bool) -> None:  # noqa: ARG002
        for part in (self.window, self.probation, self.protected):
            if block in part:
                part.remove(block)


class Lirs(Slow):
    def __init__(self, hir: float = 0.01) -> None:
        self.share = hir

    def begin(self) -> None:
        self.stack: list[int] = []  # the most recent last
        self.queue: list[int] = []  # HIR blocks that are in the tier
        self.lir: set[int] = set()
        self.most = self.capacity - min(self.capacity, max(1, int(self.share * self.capacity)))

    def to_top(self, block: int) -> bool:
        stacked = block in self.stack
        if stacked:
            self.stack.remove(block)
        self.stack.append(block)
        return stacked

    def prune(self) -> None:
        while self.stack and self.stack[0] not in self.lir:
            self.stack.pop(0)

    def promote(self, block: int) -> None:
        self.lir.add(block)
        while self.bytes(list(self.lir)) > self.most:
            bottom = next(one for one in self.stack if one in self.lir)
            self.stack.remove(bottom)
            self.lir.remove(bottom)
            self.queue.append(bottom)
            self.prune()

    def hit(self, block: int, size: int) -> None:  # noqa: ARG002
        stacked = self.to_top(block)
        if block not in self.lir:
            self.queue.remove(block)
            if stacked:
                self.promote(block)
            else:
                self.queue.append(block)
        self.prune()

    def come(self, block: int) -> None:
        stacked = self.to_top(block)
        if stacked or self.bytes([*self.lir, block]) <= self.most:
            self.promote(block)
        else:
            self.queue.append(block)
        self.prune()

    def victim(self) -> int:
        return self.queue[0] if self.queue else self.stack[0]

    def leave(self, block: int, evicted: bool) -> None:
        was_lir = block in self.lir
        self.lir.discard(block)
        if block in self.queue:
            self.queue.remove(block)
        if block in self.stack and (was_lir or not evicted):
            self.stack.remove(block)
        self.prune()


class Tree(Slow):
    """Blocks extend the one before them on the path of the step in which they are first seen; turns from its end."""

    def start(self, setting: po.Setting, first_reads: Sequence[Ids]) -> Resident | None:
        resident = super().start(setting, first_reads)
        self.setting, self.seen = setting, set[int]()
        return resident

    def step(self, view: po.View) -> po.Moves:
        reads = view.reads.tolist()
        if view.places is not None:
            reads = [block for _, block in sorted(zip(view.places.tolist(), reads, strict=True))]
        path = reads + view.births.tolist()
        layer = self.setting.block_layer
        last: dict[int, int] = {}  # by layer
        for block in path:
            own = 0 if layer is None else int(layer[block])
            if block not in self.seen and own in last:
                for cache in self._caches.policies:
                    cache.learn(block, last[own])
            self.seen.add(block)
            last[own] = block
        return self._caches.step(view, np.array(path[::-1], dtype=np.int64))

    def begin(self) -> None:
        self.extends: dict[int, int] = {}
        self.held: list[int] = []

    def learn(self, block: int, before: int) -> None:
        self.extends[block] = before

    def leaf(self, block: int) -> bool:
        return not any(self.extends.get(other) == block for other in self.held)


class PrefixLru(Tree):
    def hit(self, block: int, size: int) -> None:  # noqa: ARG002
        self.held.remove(block)
        self.held.append(block)

    def come(self, block: int) -> None:
        self.held.append(block)

    def victim(self) -> int:
        return next(block for block in self.held if self.leaf(block))

    def leave(self, block: int, evicted: bool) -> None:  # noqa: ARG002
        self.held.remove(block)


class LeafRandom(Tree):
    """The blocks in a row, those that may go at its front; what joins or leaves the front changes places with its end."""

    def __init__(self, seed: int = 0) -> None:
        self.draws = Random(seed)

    def begin(self) -> None:
        super().begin()
        self.draws.begin()
        self.front = 0
        self.marked: set[int] = set()

    def swap(self, block: int, at: int) -> None:
        was = self.held.index(block)
        self.held[was], self.held[at] = self.held[at], self.held[was]

    def update(self, block: int) -> None:
        """To the front if it may go, else away from it."""
        may_go, there = block not in self.marked and self.leaf(block), self.held.index(block) < self.front
        if may_go and not there:
            self.swap(block, self.front)
            self.front += 1
        if there and not may_go:
            self.front -= 1
            self.swap(block, self.front)

    def update_before(self, block: int) -> None:
        if self.extends.get(block) in self.held:
            self.update(self.extends[block])

    def learn(self, block: int, before: int) -> None:
        super().learn(block, before)
        if block in self.held:
            self.update_before(block)

    def hit(self, block: int, size: int) -> None:  # noqa: ARG002
        self.marked.add(block)
        self.update(block)

    def come(self, block: int) -> None:
        self.held.append(block)
        self.marked.add(block)
        self.update_before(block)

    def victim(self) -> int:
        if not self.front:
            self.marked.clear()
            for at in range(len(self.held)):
                self.update(self.held[at])
        self.draws.row = self.held[: self.front]
        return self.draws.victim()

    def leave(self, block: int, evicted: bool) -> None:  # noqa: ARG002
        self.marked.add(block)
        self.update(block)
        self.swap(block, len(self.held) - 1)
        self.held.pop()
        self.marked.discard(block)
        self.update_before(block)


#: Name with options -> its twin.
TWINS: dict[str, Slow] = {
    "mru": Mru(),
    "clock": Clock(),
    "clock:bits=2": Clock(2),
    "sieve": Sieve(),
    "lfu": Counted(ages=False, by_byte=False),
    "lfu:ageing=dynamic": Counted(ages=True, by_byte=False),
    "slru": Slru(),
    "slru:protected=0.4": Slru(0.4),
    "2q": TwoQ(),
    "2q:kin=0.5,kout=1.0": TwoQ(0.5, 1.0),
    "arc": Arc(),
    "car": Car(),
    "lirs": Lirs(),
    "lirs:hir=0.4": Lirs(0.4),
    "s3-fifo": S3Fifo(),
    "s3-fifo:small=0.3": S3Fifo(0.3),
    "w-tinylfu": WTinyLfu(),
    "w-tinylfu:window=0.3,sample=2": WTinyLfu(0.3, 2),
    "gdsf": Counted(ages=True, by_byte=True),
    "random": Random(),
    "random:seed=7": Random(7),
    "prefix-lru": PrefixLru(),
    "leaf-random": LeafRandom(),
    "leaf-random:seed=7": LeafRandom(7),
}
