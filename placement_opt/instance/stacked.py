"""A question of layers that take turns, each of them an instance in rows when it is asked for: any number of tiers, all rules.

Step ``n * L + l`` of the whole is turn n of layer l. A layer by itself is an instance of N steps with an even share of the room
of each tier; the shares add up to the room. Schedules of the layers within their shares are together a schedule of the whole,
and at prices that are common to the layers of a turn the dual value of the whole is the sum of theirs (docs/problem.md), so
that both sides come layer by layer and one layer at a time lies in memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.base.limits import Limits
from placement_opt.instance.instance import Instance, Residency
from placement_opt.instance.layered import Layered, OneSize
from placement_opt.memory.system import MemorySystem

#: Makes a layer by itself, with so much room (int64[K], bytes).
Make = Callable[[int, Int64, Limits], Instance]


class Turned(NamedTuple):
    """A question as its turns."""

    hash: str
    num_steps: int
    num_tiers: int
    num_resources: int


@dataclass(frozen=True, eq=False)
class Stacked(OneSize):
    """L layers of N turns; K tiers, R resources.

    Attributes
    ----------
    name, memory, residency, home_tier
        As in an instance.
    capacity
        int64[K]: bytes for KV, of all layers.
    layers, turns
        L and N.
    make
        Makes one layer in rows; picklable, because worker processes ask for theirs.
    block_bytes
        Size of every block.
    share_base
        Of reads in part, as in a trace.
    floor
        Seconds under the time of every step.
    stated
        What the layers are made from, in bytes: tells questions apart.
    reads
        How many reads a layer has, about.
    layer_bytes
        What a process takes that holds a layer in rows and works on it, at most, about.
    idle_s
        Seconds that each step takes at least, whatever is moved: its floor and its fixed loads.
    fixed_metered
        As in an instance, where all layers were drawn to tell.
    tokens
        Distinct token labels of the steps; None where they carry none.
    why
        What keeps the question out of rows, in words; "" where nobody tried.
    """

    name: str
    memory: MemorySystem
    residency: Residency
    home_tier: int | None
    capacity: Int64
    layers: int
    turns: int
    make: Make
    block_bytes: int
    share_base: int
    floor: float
    stated: bytes
    reads: int = 0
    layer_bytes: int = 0
    idle_s: float = 0.0
    fixed_metered: Int64 | None = None
    tokens: int | None = None
    why: str = field(default="", compare=False)

    def layer(self, layer: int, limits: Limits | None = None) -> Instance:
        """One layer by itself in its share of the room; it is drawn or read anew each time.

        Raises
        ------
        InputError
            The share of the room does not hold the layer, or a block of it.
        """
        return self.make(layer, self.share(layer), limits or Limits())

    def share(self, layer: int) -> Int64:
        """int64[K]: the bytes of a layer; those of all layers are the whole's."""
        whole, count = self.capacity.tolist(), self.layers
        return np.array([room * (layer + 1) // count - room * layer // count for room in whole], dtype=np.int64)

    @property
    def turned(self) -> Turned:
        """What prices that are common to the layers are for."""
        return Turned(self.hash, self.turns, self.num_tiers, self.num_resources)

    @property
    def num_layers(self) -> int:
        return self.layers

    @property
    def num_steps(self) -> int:
        return self.layers * self.turns

    @property
    def num_reads(self) -> int:
        return self.reads * self.layers

    @property
    def forgets(self) -> bool:
        """Whether a block may lie nowhere."""
        return self.residency == "cache"

    def memory_needed(self, jobs: int = 1) -> int:
        """Bytes that both sides take at most, in so many processes beside the one that began them."""
        return self.layer_bytes * max(1, jobs)

    @cached_property
    def hash(self) -> str:
        """Hex SHA-256 over everything that decides an answer; not that of the same question in rows, which names every read."""
        memory, digest = self.memory, hashlib.sha256()
        words = ["placement-opt stacked 1", self.residency, str(self.home), *memory.tier_names, *memory.resources]
        digest.update("\n".join([*words, str(self.layers), str(self.turns)]).encode() + b"\n" + self.stated)
        for array in (memory.rates, memory.read, memory.write, memory.copy, self.capacity):
            digest.update(np.ascontiguousarray(array, dtype="<i8").data)
        if not (operations := memory.operations).plain:
            digest.update(("\noperations\n" + "\n".join(operations.names)).encode())
            for row in (operations.source, operations.brings, operations.per_byte, operations.per_call, operations.grain):
                digest.update(np.ascontiguousarray(row, dtype="<i8").data)
        return digest.hexdigest()


#: A question that does not fit in rows, and any question.
Large = Layered | Stacked
AnyQuestion = Instance | Layered | Stacked
