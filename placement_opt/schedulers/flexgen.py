"""FlexGen's static split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from placement_opt.base.arrays import Float64
from placement_opt.base.cost import Cost
from placement_opt.base.errors import InputError, ScheduleError
from placement_opt.base.limits import Limits
from placement_opt.bounds.size import Size
from placement_opt.instance.instance import Instance
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View
from placement_opt.schedulers.base import Policy, layer_of, option, passing
from placement_opt.schedulers.static import needs_room, prefer_fast


@dataclass
class FlexGen(Policy):
    """A fixed percentage of the KV cache in each tier, chosen beforehand by a linear program; nothing moves.

    The program minimises the time of reading all that lives at its peak once, each resource by itself, such that each tier has
    room for its percentage. ``by=token`` splits the blocks of each layer alike, as they come; ``by=layer`` puts whole layers
    into tiers, the first into the fastest. A block for which its tier has no room goes to the next slower one that has, or
    else to any. Where the start is given, blocks stay where they are. Like FlexGen, which is told the lengths of prompt and
    answer, it knows the bytes at the peak and nothing else of the trace. FlexGen's program has weights, activations, the
    batch, and computing on the CPU: here weights are a load of the instance, the rest is the trace's. Under the rule
    inclusive every block also lies at home.
    """

    title: ClassVar[str] = "flexgen"
    family: ClassVar[str] = "fixed"
    online: ClassVar[bool] = False
    source: ClassVar[str] = "Sheng et al., FlexGen, ICML 2023, section 4.3 (policy search by a linear program)"
    cost: ClassVar[Cost[Size]] = passing("static")

    by: str = option("token", "split the blocks of each layer, or give whole layers to tiers", choices=("token", "layer"))

    def plan(self, instance: Instance, limits: Limits) -> None:
        self._percent = percentages(instance, limits)

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:  # noqa: ARG002
        if self.by == "layer" and setting.num_layers == 1:
            raise InputError("found no layers", "expected blocks of several for by=layer", field=self.title)
        self._setting, self._layer = setting, layer_of(setting)
        tiers = len(setting.capacity)
        self._placed = np.zeros((setting.num_layers, tiers))
        self._ends = np.cumsum(self._percent[list(setting.memory.by_speed)])
        if setting.initial is not None:
            return None
        resident = np.zeros((tiers, len(setting.size)), dtype=bool)
        for tier, ids in self._split(setting.initial_blocks, setting.capacity.tolist(), None):
            resident[tier, ids] = True
        return resident

    def step(self, view: View) -> Moves:
        room = (self._setting.capacity - view.used).tolist()
        stores = self._split(view.births, room, view.step)
        inclusive = self._setting.residency == "inclusive"
        return Moves(store=[(tier, ids) for tier, ids in stores if not inclusive or tier != self._setting.home])

    def _split(self, ids: Ids, room: list[int], step: int | None) -> list[tuple[int, Ids]]:
        """(tier, ids) groups; ``room`` shrinks. Under the rule inclusive the home tier has the room of its own."""
        setting, found = self._setting, []
        order = list(setting.memory.by_speed)
        if setting.residency == "inclusive":
            room[setting.home] = 2**62
        for block in ids.tolist():
            layer = int(self._layer[block])
            at = self._level(layer)
            self._placed[layer, order[at]] += 1
            stores, homeless = prefer_fast(np.array([block]), setting.size, [*order[at:], *order[:at]], room)
            if homeless and needs_room(setting):
                raise ScheduleError("no tier has room for it", step=step, block=block)
            found += stores
        return found

    def _level(self, layer: int) -> int:
        """The level of the next block of a layer: that of the layer, or the one that lacks most of its percentage."""
        if self.by == "layer":
            return int(np.searchsorted(self._ends[:-1], (layer + 0.5) / self._setting.num_layers, side="right"))
        placed, order = self._placed[layer], list(self._setting.memory.by_speed)
        lacking = (self._percent * (placed.sum() + 1) - placed)[order]
        return int(np.argmax(np.round(lacking, 9)))


def percentages(instance: Instance, limits: Limits) -> Float64:
    """float64[K], adding up to 1: of the bytes at the peak in each tier, so that reading all of them takes least time."""
    from placement_opt.base import highs

    tiers, peak = instance.num_tiers, float(max(int(instance.alive_bytes.max()), 1))
    table, rates = instance.memory.operations, instance.memory.rates
    size = max(int(instance.size.max()), 1)
    reads = table.block_loads(size, 1)[table.first_serving : table.first_serving + tiers] / size / rates
    reads = reads / max(float(reads.max()), 1e-300)
    resources, time = reads.shape[1], tiers
    rows, columns = np.indices((resources + 1, tiers + 1))
    values = np.zeros((resources + 1, tiers + 1))
    values[:resources, :tiers], values[:resources, time], values[resources, :tiers] = reads.T, -1.0, 1.0
    some = values != 0
    upper = np.append(np.minimum(instance.capacity / peak, 1.0), np.inf)
    if instance.residency == "inclusive":
        upper[instance.home] = 1.0
    total = min(1.0, float(upper[:tiers].sum()))  # under the rule cache there may be room for less
    program = highs.LinearProgram(
        np.append(np.zeros(tiers), 1.0), np.zeros(tiers + 1), upper,
        np.append(np.full(resources, -np.inf), total), np.append(np.zeros(resources), total),
        *highs.from_triplets(tiers + 1, rows[some], columns[some], values[some]),
    )  # fmt: skip
    solution = highs.solve(program, limits=limits)
    if not len(solution.x):
        raise ScheduleError(f"no percentages were found: {solution.message}")
    share = np.maximum(solution.x[:tiers], 0.0)
    return np.asarray(share / share.sum())
