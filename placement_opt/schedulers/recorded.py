"""The engine's own policy: the residency that a recording of its KV events tells, followed move by move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.base.cost import Cost
from placement_opt.base.errors import InputError, ScheduleError, shown
from placement_opt.base.limits import Limits
from placement_opt.base.toml import nearest
from placement_opt.bounds.size import Size
from placement_opt.instance.instance import Instance
from placement_opt.play.protocol import Ids, Moves, Resident, Setting, View
from placement_opt.schedulers.base import Policy, option, passing
from placement_opt.schedulers.hierarchy.transition import Sources, moves_to
from placement_opt.workload.formats.kv_batches import Order
from placement_opt.workload.formats.kv_events import assemble
from placement_opt.workload.formats.kv_history import History, read_history
from placement_opt.workload.trace import Trace

#: What a medium is mapped to that no tier of the instance is: its copies are as if they were not.
NOWHERE = "none"


@dataclass
class Recorded(Policy):
    """Lay every block where the engine laid it, as its recorded KV events say.

    For an instance of the rule cache whose trace was imported from the same recording (kv-events, kept for ever). What the
    events put between two steps is moved during the first of them: a block that the step reads or produces is stored in
    passing, any other is copied from where that takes least time; a load into the compute medium is a read from where the
    block lies, stored there. A copy that is announced after its source was evicted was made while that was there. Nothing is
    evicted that the recording does not evict: where the tiers have less room than the engine had, that is an error.
    """

    title: ClassVar[str] = "recorded"
    online: ClassVar[bool] = False
    family: ClassVar[str] = "serving"
    requires: ClassVar[tuple[str, ...]] = ("the rule cache", "a trace imported from the recording (kv-events), kept for ever")
    source: ClassVar[str] = "KV events of vLLM and SGLang"
    cost: ClassVar[Cost[Size]] = passing("static")

    file: str = option("", "the recording that the trace was imported from")
    media: str = option("", "tiers of the recording's media, such as GPU:hbm+CPU:dram; CPU:none leaves one out")

    def plan(self, instance: Instance, limits: Limits) -> None:  # noqa: ARG002
        if not self.file:
            expected = "expected the recording (recorded:file=engine.kvevents,media=GPU:hbm+CPU:dram)"
            raise InputError("found no file", expected, field="recorded:file")
        if instance.residency != "cache":
            found = f"found the rule {instance.residency}"
            raise InputError(found, "expected cache, for an engine forgets what it evicts", field="recorded")
        meta = instance.trace.meta
        history = read_history(self.file, Order("accept"), layers=_layers(meta), limit=instance.num_steps)
        trace, number = assemble(history, self.file, {})
        _check_same(trace, instance.trace, self.file)
        tiers = self._tiers(history, instance.memory.tier_names)
        self._changes = _changes(history, trace, number, tiers)

    def _tiers(self, history: History, names: Sequence[str]) -> npt.NDArray[np.int8]:
        """int8[media]: the tier of each, -1 for those left out."""
        table = _parse(self.media, names)
        found = np.full(len(history.media), -1, dtype=np.int8)
        for number, medium in enumerate(history.media):
            if medium not in table:
                example = "+".join(f"{one}:{table.get(one, 'TIER')}" for one in history.media)
                expected = f"expected the tier of each medium (media={example})"
                raise InputError(f"found no tier for {medium}", expected, field="recorded:media")
            if table[medium] != NOWHERE:
                found[number] = names.index(table[medium])
        return found

    def start(self, setting: Setting, first_reads: Sequence[Ids]) -> Resident | None:
        del first_reads
        self._setting, self._sources = setting, Sources(setting.memory)
        self._count = np.zeros((len(setting.capacity), len(setting.size)), dtype=np.int16)
        self._apply(0)
        resident = self._count > 0
        if setting.initial is None:
            return resident
        if (resident != setting.initial).any():
            raise ScheduleError('the recording starts with another residency than the one given (initial = "free" takes it)')
        return None

    def step(self, view: View) -> Moves:
        blocks = self._apply(view.step + 1)
        after = np.zeros(len(blocks), dtype=np.uint16)
        for tier, count in enumerate(self._count[:, blocks]):
            after |= (count > 0).astype(np.uint16) << np.uint16(tier)
        return moves_to(self._setting, view, blocks, after, self._sources)

    def _apply(self, state: int) -> Ids:
        """What holds from this state on; the blocks that it is about."""
        tiers, blocks, deltas = self._changes.at(state)
        np.add.at(self._count, (tiers, blocks), deltas)
        return np.unique(blocks)


@dataclass(frozen=True, eq=False)
class _Changes:
    """Copies that come (1) and go (-1), by the state that they hold from."""

    pointers: Int64
    tier: npt.NDArray[np.int8]
    block: npt.NDArray[np.int32]
    delta: npt.NDArray[np.int16]

    def at(self, state: int) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int32], npt.NDArray[np.int16]]:
        rows = slice(int(self.pointers[state]), int(self.pointers[state + 1]))
        return self.tier[rows], self.block[rows], self.delta[rows]


def _changes(history: History, trace: Trace, number: npt.NDArray[np.int32], tiers: npt.NDArray[np.int8]) -> _Changes:
    """Those of blocks that the trace has, in media that are tiers."""
    block = number[np.frombuffer(history.change_block, dtype=np.intc)]
    tier = tiers[np.frombuffer(history.change_medium, dtype=np.int8)]
    taken = (block >= 0) & (tier >= 0)
    block, tier = block[taken], tier[taken]
    delta = np.frombuffer(history.change_up, dtype=np.int8)[taken].astype(np.int16) * 2 - 1
    state = _in_time(np.frombuffer(history.change_state, dtype=np.intc)[taken], block, delta, trace)
    order = np.argsort(state, kind="stable")
    pointers = np.searchsorted(state[order], np.arange(trace.num_steps + 2))
    return _Changes(pointers, tier[order], block[order], delta[order])


def _in_time(
    state: npt.NDArray[np.intc], block: npt.NDArray[np.int32], delta: npt.NDArray[np.int16], trace: Trace
) -> npt.NDArray[np.intc]:
    """The states again, those of copies whose source is gone put back to when it went.

    An engine announces a copy when it is complete; by then the block may have left the medium that it was copied from.
    """
    state = state.copy()
    held, gone = dict[int, int](), dict[int, int]()
    for row, (now, one, change) in enumerate(zip(state.tolist(), block.tolist(), delta.tolist(), strict=True)):
        held[one] = held.get(one, 0) + change
        if not held[one]:
            gone[one] = now
        elif change > 0 and held[one] == 1 and now > 0 and not _at_hand(trace, now - 1, one):
            state[row] = gone.get(one, 0)
    return state


def _at_hand(trace: Trace, step: int, block: int) -> bool:
    """Whether a step reads or produces a block."""
    reads = trace.reads(step)
    at = int(np.searchsorted(reads, block))
    return bool(trace.birth[block] == step) or (at < len(reads) and bool(reads[at] == block))


def _check_same(recorded: Trace, trace: Trace, file: str) -> None:
    for name in ("indptr", "blocks", "birth", "death"):
        if not np.array_equal(getattr(recorded, name), getattr(trace, name)):
            found = f"found another trace than that of the instance ({name} differ)"
            raise InputError(found, "expected the recording that it was imported from, kept for ever", path=file)


def _layers(meta: Mapping[str, Any]) -> dict[int, int] | None:
    """The layers of groups that the trace was imported with."""
    given = meta.get("group_layers")
    if not isinstance(given, Mapping):
        return None
    return {int(group): layers for group, layers in given.items() if str(group).isdigit() and isinstance(layers, int)}


def _parse(text: str, names: Sequence[str]) -> dict[str, str]:
    """``GPU:hbm+CPU:dram``: medium, in capitals -> name of a tier, or ``none``."""
    table = dict[str, str]()
    for part in text.split("+") if text else []:
        medium, _, tier = (piece.strip() for piece in part.partition(":"))
        if not medium or not tier or medium.upper() in table:
            expected = "expected media, each once, and their tiers, such as GPU:hbm+CPU:dram"
            raise InputError(f"found {shown(part)}", expected, field="recorded:media")
        if tier != NOWHERE and tier not in names:
            raise InputError(f"found tier {shown(tier)}", nearest(tier, [*names, NOWHERE]), field="recorded:media")
        table[medium.upper()] = tier
    return table
