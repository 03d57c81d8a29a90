"""The question at scale: a layered trace that is drawn or handed over one layer at a time, on two tiers, inclusive."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from placement_opt.errors import InputError
from placement_opt.instance import Instance
from placement_opt.instancefile import load_synthetic
from placement_opt.memory.system import Int64, MemorySystem
from placement_opt.units import format_size
from placement_opt.workload import runs
from placement_opt.workload.runs import LayerRuns
from placement_opt.workload.synth import drift


class Layers(Protocol):
    """Where layers come from; picklable, because worker processes ask for theirs."""

    @property
    def count(self) -> int: ...

    @property
    def turns(self) -> int: ...

    def layer(self, layer: int) -> LayerRuns:
        """The runs of one layer."""
        ...

    def reads(self, layer: int) -> Int64:
        """int64[N]: blocks that each turn of a layer reads."""
        ...

    def births(self, layer: int) -> Int64:
        """int64[N]: blocks that each turn of a layer produces."""
        ...

    @property
    def blocks(self) -> int:
        """Blocks of the largest layer."""
        ...

    @property
    def runs(self) -> int:
        """Runs of the largest layer, at most."""
        ...


@dataclass(frozen=True)
class Drawn:
    """Layers of the drift generator, each drawn when it is asked for."""

    params: drift.Params
    seed: int

    @property
    def count(self) -> int:
        return self.params.layers

    @property
    def turns(self) -> int:
        return self.params.tokens

    def layer(self, layer: int) -> LayerRuns:
        return runs.drift_layer(self.params, self.seed, layer)

    def reads(self, layer: int) -> Int64:
        del layer
        return runs.drift_reads(self.params)

    def births(self, layer: int) -> Int64:
        del layer
        return np.ones(self.params.tokens, dtype=np.int64)

    @property
    def blocks(self) -> int:
        return self.params.prefill + self.params.tokens

    @property
    def runs(self) -> int:
        held = runs.drift_reads(self.params)
        # what a turn adds: what the set grows by and what is swapped
        return int(held[0] + np.ceil(self.params.swapped * held).sum() + 2 * len(held) + held[-1])


@dataclass(frozen=True, eq=False)
class Given:
    """Layers at hand."""

    layers: tuple[LayerRuns, ...]

    @property
    def count(self) -> int:
        return len(self.layers)

    @property
    def turns(self) -> int:
        return self.layers[0].turns

    def layer(self, layer: int) -> LayerRuns:
        return self.layers[layer]

    def reads(self, layer: int) -> Int64:
        return self.layers[layer].reads_per_turn

    def births(self, layer: int) -> Int64:
        return self.layers[layer].births_per_turn

    @property
    def blocks(self) -> int:
        return max(layer.num_blocks for layer in self.layers)

    @property
    def runs(self) -> int:
        return max(layer.num_runs for layer in self.layers)


@dataclass(frozen=True, eq=False)
class Large:
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
        Bytes of every block.
    fixed
        int64[R]: bytes that every step loads whatever the placement.
    floor
        Seconds under the time of every step.
    """

    name: str
    memory: MemorySystem
    layers: Layers
    capacity: Int64
    block_bytes: int
    fixed: Int64
    floor: float = 0.0

    def __post_init__(self) -> None:
        if len(self.memory.tiers) != 2:
            raise InputError(f"found {len(self.memory.tiers)} tiers", "expected two at this size", field="memory")
        most = sum(layer_blocks(self.layers, n) for n in range(self.layers.count)) * self.block_bytes
        if most > self.capacity[self.home]:
            found = f"found room for {format_size(int(self.capacity[self.home]))} in {self.memory.tier_names[self.home]}"
            expected = f"expected at least {format_size(most)}, every block at its peak"
            raise InputError(found, expected, field=f"{self.memory.tier_names[self.home]}.capacity")

    @property
    def home(self) -> int:
        """The tier that keeps everything."""
        return self.memory.home

    @property
    def fast(self) -> int:
        """The other one."""
        return 1 - self.home

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


def layer_blocks(layers: Layers, layer: int) -> int:
    """Blocks of one layer at the end."""
    if isinstance(layers, Drawn):
        return layers.blocks
    return layers.layer(layer).num_blocks


def load_large(path: str | Path) -> Large:
    """The question of an instance file whose trace would not fit in memory; the layers are drawn when needed.

    Raises
    ------
    InputError
        As :func:`placement_opt.instancefile.load_instance`; and where the file's trace is not the drift generator's, its memory
        system has not two tiers, or its rules are not inclusive residency, a free start and pages of one token.
    """
    file = load_synthetic(path)
    params = file.parameters
    if not isinstance(params, drift.Params):
        raise InputError(f"found {file.generator!r}", "expected drift at this size", path=path, field="trace.synth")
    rules = (file.rules.residency, file.rules.initial, file.rules.page_tokens)
    for key, found, expected in zip(("residency", "initial", "page_tokens"), rules, ("inclusive", "free", 1), strict=True):
        if found != expected:
            raise InputError(f"found {found!r}", f"expected {expected!r} at this size", path=path, field=f"rules.{key}")
    layers = Drawn(params, file.seed)
    try:
        return Large(file.name, file.memory, layers, file.capacity, file.unit_bytes, file.weight_load, float(file.rules.floor))
    except InputError as error:
        raise error.at(path=path) from None


def large_of(instance: Instance) -> Large:
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
    layers = Given(tuple(runs.layers_of(instance.trace)))
    fixed, floor = instance.fixed[0], float(instance.floor[0])
    return Large(instance.name, instance.memory, layers, instance.capacity, int(instance.size[0]), fixed, floor)
