"""The question at scale: a layered trace that is drawn or read one layer at a time, on two tiers, inclusive."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int32, Int64
from placement_opt.base.cost import bytes_of
from placement_opt.base.errors import InputError
from placement_opt.instance.budgets import TIME, Budget, Objective
from placement_opt.instance.instance import Instance
from placement_opt.instance.law import Loads, loads_of
from placement_opt.instance.sound import check_largest, check_room
from placement_opt.memory.system import MemorySystem
from placement_opt.workload.layered_rows import check_plain, layers_of
from placement_opt.workload.layers import Given, Layers

if TYPE_CHECKING:
    from placement_opt.instance.stacked import Stacked


def held_bytes(layers: Layers) -> int:
    """Bytes of one layer's runs and blocks in a process."""
    return bytes_of("runs", "per_run") * layers.runs + bytes_of("runs", "per_block") * layers.blocks


class OneSize:
    """What questions share whose blocks have one size, and in which time alone counts where they do not say otherwise."""

    memory: MemorySystem
    home_tier: int | None

    if TYPE_CHECKING:

        @property
        def block_bytes(self) -> int:
            """What the sizes of blocks are multiples of."""
            ...

    @property
    def home(self) -> int:
        """The tier that an inclusive rule keeps everything in."""
        return self.memory.home if self.home_tier is None else self.home_tier

    @property
    def size(self) -> Int64:
        """int64[1]: bytes of each kind of block, of which there is one."""
        return np.array([self.block_bytes], dtype=np.int64)

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """None: time alone counts."""
        return ()

    @property
    def objective(self) -> Objective:
        """Time."""
        return TIME

    @property
    def timed(self) -> bool:
        """Whether time alone counts."""
        return True

    @cached_property
    def loads(self) -> Loads:
        """What operations load for each byte, or each block where not bytes alone count."""
        return loads_of(self.memory.operations, self.size)

    @property
    def num_tiers(self) -> int:
        return len(self.memory.tiers)

    @property
    def num_resources(self) -> int:
        return len(self.memory.resources)


@dataclass(frozen=True, eq=False)
class Layered(OneSize):
    """A question of L layers and N turns: step ``n * L + l`` is turn n of layer l; two tiers, inclusive, free start.

    Attributes
    ----------
    name, memory
        As in an instance.
    layers
        Where the runs come from.
    capacity
        int64[2]: bytes for KV.
    block_bytes
        Size of every block.
    fixed
        int64[R]: bytes that every step loads whatever the placement.
    floor
        Seconds under the time of every step.
    home_tier
        As in an instance.
    tokens
        Distinct token labels of the steps; None where they carry none.
    why
        What keeps the question out of rows, in words; "" where nobody tried.
    fixed_metered
        As in an instance.
    stacked
        Makes the same question with one layer in rows at a time; None where its layers are not from a file.
    """

    name: str
    memory: MemorySystem
    layers: Layers
    capacity: Int64
    block_bytes: int
    fixed: Int64
    floor: float = 0.0
    home_tier: int | None = None
    tokens: int | None = None
    why: str = ""
    fixed_metered: Int64 | None = None
    stacked: Callable[[], Stacked] | None = None

    def __post_init__(self) -> None:
        if len(self.memory.tiers) != 2:
            raise InputError(f"found {len(self.memory.tiers)} tiers", "expected two at this size", field="memory")
        most = sum(self.layers.blocks_of(n) for n in range(self.layers.count)) * self.block_bytes
        check_room(self.memory, "inclusive", self.home_tier, self.capacity, peak=most)
        check_largest(self.memory, self.capacity, self.block_bytes)

    @property
    def fast(self) -> int:
        """The other one."""
        return 1 - self.home

    @property
    def share_base(self) -> int:
        """Blocks are read whole."""
        return 1

    @property
    def forgets(self) -> bool:
        """Whether a block may lie nowhere: never, home keeps everything."""
        return False

    @property
    def turn_token(self) -> Int32 | None:
        """int32[N]: the label of each turn's token; None where turns carry none."""
        return self.layers.turn_token

    @property
    def num_layers(self) -> int:
        return self.layers.count

    @property
    def num_steps(self) -> int:
        return self.layers.count * self.layers.turns

    @property
    def num_reads(self) -> int:
        return sum(int(self.layers.reads(layer).sum()) for layer in range(self.layers.count))

    @property
    def room(self) -> int:
        """Blocks that the fast tier holds."""
        return int(self.capacity[self.fast]) // self.block_bytes

    def room_of(self, layer: int) -> int:
        """Blocks of that room that one layer gets where they share it evenly."""
        each, rest = divmod(self.room, self.layers.count)
        return each + (layer < rest)

    def per_step(self, per_layer: list[Int64]) -> npt.NDArray[np.int64]:
        """int64[T]: an array of turns for each layer, in the order of the steps."""
        return np.stack(per_layer, axis=1).ravel()

    def memory_needed(self, jobs: int = 1) -> int:
        """Bytes that both sides take at most, in so many processes and the one that began them."""
        each = held_bytes(self.layers) + bytes_of("runs", "per_turn") * self.layers.turns
        prices = self.num_steps * 8 * (3 * self.num_resources + 20)
        return (bytes_of("runs", "once") + each + prices) * (max(1, jobs) + 1)

    @cached_property
    def hash(self) -> str:
        """Hex SHA-256 over everything that decides an answer: memory tables, what the layers are made from, sizes, loads.

        Not that of the same question in rows, which names every read.
        """
        return self._digest(self.memory.rates, self.capacity).hexdigest()

    @cached_property
    def form(self) -> str:
        """The same over everything but room and rates: where questions agree in it, prices that are legal in both differ in
        what they prove by rents of room and floors alone."""
        return self._digest(np.zeros_like(self.memory.rates), np.zeros_like(self.capacity)).hexdigest()

    def _digest(self, rates: Int64, capacity: Int64) -> hashlib._Hash:
        memory = self.memory
        digest = hashlib.sha256()
        words = ["placement-opt large 1", "inclusive", "free", str(self.home), *memory.tier_names, *memory.resources]
        words += [str(self.block_bytes), float(self.floor).hex(), self.layers.digest.hex()]
        digest.update("\n".join(words).encode())
        for array in (rates, memory.read, memory.write, memory.copy, capacity, self.fixed):
            digest.update(np.ascontiguousarray(array, dtype="<i8").data)
        return digest


def layered_of(instance: Instance) -> Layered:
    """An instance in rows as a question in runs.

    Raises
    ------
    InputError
        It is not one of two tiers, inclusive, with a free start, equal blocks, equal fixed loads, and layers that take turns.
    """
    if not instance.inclusive or instance.initial is not None:
        raise InputError(f"found {instance.residency} residency", "expected inclusive with a free start", field="rules")
    if len(np.unique(instance.size)) > 1:
        raise InputError("found blocks of different sizes", "expected equal ones", field="size")
    if (instance.fixed != instance.fixed[0]).any() or (instance.floor != instance.floor[0]).any():
        raise InputError("found fixed loads that change", "expected the same at every step", field="fixed")
    check_plain(instance.trace)
    layers = Given(tuple(layers_of(instance.trace)))
    fixed, floor = instance.fixed[0], float(instance.floor[0])
    size, home, tokens = int(instance.size[0]), instance.home_tier, instance.tokens
    return Layered(instance.name, instance.memory, layers, instance.capacity, size, fixed, floor, home, tokens)
