"""A question of layers that take turns, each of them an instance in rows when it is asked for: any number of tiers, all rules.

Step ``n * L + l`` of the whole is turn n of layer l. A layer by itself is an instance of N steps with a share of the room of
each tier and of every budget; the shares add up to the whole's. Schedules of the layers within their shares are together a
schedule of the whole, and at prices that are common to the layers of a turn the dual value of the whole is the sum of theirs
(docs/problem.md), so that both sides come layer by layer and one layer at a time lies in memory.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int32, Int64
from placement_opt.base.limits import Limits
from placement_opt.instance.budgets import TIME, Budget, Objective, used_meters
from placement_opt.instance.digest import feed_budgets
from placement_opt.instance.instance import Instance
from placement_opt.instance.law import Loads, loads_of
from placement_opt.instance.layered import Layered, OneSize
from placement_opt.instance.rule import Residency
from placement_opt.memory.system import MemorySystem


class Make(Protocol):
    """Makes layers in rows; picklable, because worker processes ask for theirs."""

    def __call__(self, layer: int, capacity: Int64, budgets: tuple[Budget, ...], limits: Limits) -> Instance:
        """A layer by itself, with so much room (int64[K], bytes), within budgets."""
        ...

    @property
    def turn_token(self) -> Int32 | None:
        """int32[N]: the label of each turn's token; None where turns carry none."""
        ...

    def amounts(self, layer: int) -> tuple[Int64, Int64]:
        """int64[N] twice, known without drawing it: bytes that each turn of a layer reads from wherever they lie, and bytes of
        the blocks that it produces."""
        ...


class Turned(NamedTuple):
    """A question as its turns."""

    hash: str
    num_steps: int
    num_tiers: int
    num_resources: int
    budgets: tuple[Budget, ...]
    timed: bool


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
        Makes one layer in rows.
    rooms
        int64[L, K]: the bytes of each layer; they add up to ``capacity``.
    kv_bytes
        int64[L]: size of every block of each layer but those of weights.
    sizes, kinds
        int64[n] and int8[n]: sizes that blocks have, and of which kind those are; None: all are KV.
    share_base
        Of reads in part, as in a trace.
    fixed
        int64[R]: what weights load at every step.
    floor
        Seconds under the time of every step.
    stated
        What the layers are made from, in bytes: tells questions apart.
    filling
        Bytes that a turn reads of pages that are still being filled, at most.
    num_reads, states
        How many reads all layers have, and how many pairs of a block and a state one has, about.
    layer_bytes
        What a process takes that holds a layer in rows and works on it, at most, about.
    budgets, objective
        As in an instance, of the whole.
    fixed_metered
        As in an instance, where all layers were drawn to tell.
    tokens
        Distinct token labels of the steps; None where they carry none.
    filled
        Whether the start is given by filling tiers, so that it depends on their room and speed.
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
    rooms: Int64
    kv_bytes: Int64
    sizes: Int64
    kinds: npt.NDArray[np.int8] | None
    share_base: int
    fixed: Int64
    floor: float
    stated: bytes
    filling: int = 0
    num_reads: int = 0
    states: int = 0
    layer_bytes: int = 0
    budgets: tuple[Budget, ...] = ()
    objective: Objective = TIME
    fixed_metered: Int64 | None = None
    tokens: int | None = None
    filled: bool = False
    why: str = field(default="", compare=False)

    def layer(self, layer: int, limits: Limits | None = None) -> Instance:
        """One layer by itself in its shares; it is drawn or read anew each time.

        Raises
        ------
        InputError
            The share of the room does not hold the layer, or a block of it.
        LimitError
            There is no room in memory for it, or the time ended before it was drawn.
        """
        return self.make(layer, self.rooms[layer], self.share_of_budgets, limits or Limits())

    @cached_property
    def heaviest(self) -> int:
        """The layer that reads most bytes, the first of such."""
        return int(np.argmax([int(self.make.amounts(layer)[0].sum()) for layer in range(self.layers)]))

    @property
    def share_of_budgets(self) -> tuple[Budget, ...]:
        """What each layer must keep: an even share of what budgets allow whatever the run takes."""
        return tuple(replace(budget, fixed=budget.fixed / self.layers) for budget in self.budgets)

    @property
    def turned(self) -> Turned:
        """What prices that are common to the layers are for."""
        return Turned(self.hash, self.turns, self.num_tiers, self.num_resources, self.budgets, self.timed)

    @property
    def timed(self) -> bool:
        """Whether time alone counts."""
        return not self.budgets and self.objective.plain

    @property
    def used_meters(self) -> tuple[int, ...]:
        """As in an instance."""
        return used_meters(self.budgets, self.objective)

    @cached_property
    def loads(self) -> Loads:
        """What operations load for each byte, or each block where not bytes alone count; kinds are those of every layer."""
        per_byte = self.memory.meters.per_byte[:, list(self.used_meters)]
        return loads_of(self.memory.operations, self.sizes, per_byte, self.kinds)

    @property
    def turn_token(self) -> Int32 | None:
        """int32[N]: the label of each turn's token; None where turns carry none."""
        return self.make.turn_token

    @property
    def num_layers(self) -> int:
        return self.layers

    @property
    def num_steps(self) -> int:
        return self.layers * self.turns

    @property
    def reads(self) -> int:
        """How many reads a layer has, about."""
        return self.num_reads // self.layers

    @cached_property
    def block_bytes(self) -> int:
        """What the sizes of all blocks are multiples of: the size, where they are one."""
        return int(np.gcd.reduce(self.sizes))

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
        return self._digest(self.memory.rates, self.capacity).hexdigest()

    @cached_property
    def form(self) -> str:
        """As in runs; what room and rates decide besides them, a start and where pages are filled, is in it."""
        rates, capacity = self.memory.rates, self.capacity
        digest = self._digest(rates * int(self.filled), capacity * int(self.filled))
        digest.update(str(self.memory.fastest).encode())
        return digest.hexdigest()

    def _digest(self, rates: Int64, capacity: Int64) -> hashlib._Hash:
        memory, digest = self.memory, hashlib.sha256()
        words = ["placement-opt stacked 1", self.residency, str(self.home), *memory.tier_names, *memory.resources]
        digest.update("\n".join([*words, str(self.layers), str(self.turns)]).encode() + b"\n" + self.stated)
        for array in (rates, memory.read, memory.write, memory.copy, capacity, self.fixed):
            digest.update(np.ascontiguousarray(array, dtype="<i8").data)
        if not (operations := memory.operations).plain:
            digest.update(("\noperations\n" + "\n".join(operations.names)).encode())
            for row in (operations.source, operations.brings, operations.per_byte, operations.per_call, operations.grain):
                digest.update(np.ascontiguousarray(row, dtype="<i8").data)
        if self.kinds is not None and operations.limited:
            digest.update(b"\nkinds" + operations.applies.tobytes())
        if not self.timed:
            feed_budgets(digest, self)
        return digest


#: A question that does not fit in rows, and any question.
Large = Layered | Stacked
AnyQuestion = Instance | Layered | Stacked


def stacked_of(question: Large) -> Stacked | None:
    """The same question with one layer in rows at a time; None where its runs are not from a file.

    InputError as :func:`placement_opt.instance.turns.in_layers`.
    """
    if isinstance(question, Stacked):
        return question
    return None if question.stacked is None else question.stacked()
