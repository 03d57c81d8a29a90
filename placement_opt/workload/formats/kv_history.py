"""What a stream of KV events tells, in order: which chains of blocks were computed, and what lay in which medium meanwhile.

A *step* is a chain of blocks stored in the compute medium by one event, or by several of a batch each of which goes on where
the one before ended. What is sound to say of it: the engine needed all blocks before the chain, so it read them (a sliding
window: those that it sees); a block of the chain that nobody stored before was produced; one that was stored before, or that
another medium holds, was wanted again, and is read again, whether the engine made it anew or fetched it. A block stored in
another medium is a copy, and no step. Blocks that were there before the recording began exist from the start.

A block is a hash in a group of layers. Engines may hold a block twice, and say so by storing it twice: it lies in a medium
until it was removed as often as it was stored. A reset clears all media.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping
from os import PathLike

from placement_opt.base.errors import InputError, shown
from placement_opt.workload.formats.kv_batches import Order, read_batches
from placement_opt.workload.formats.kv_groups import reach
from placement_opt.workload.formats.kv_messages import COMPUTE, Batch, Cleared, Hash, Removed, Stored

#: Media are numbered in a byte and mapped to tiers.
_MOST_MEDIA = 16
#: The numbers of blocks, and of the steps of all, that are kept in 32 bits.
_MOST = 2**31 - 2


class History:
    """Blocks, steps and changes of residency, each in the order in which the recording has them.

    Parameters
    ----------
    layers
        Layers of each group of blocks, by its number; groups that it leaves out are passed over. None: there is one group.
    limit
        Steps after which the rest is passed over.

    Attributes
    ----------
    parent, depth, birth, group
        Of each block: the one before it (-1: none, or not known), how many lie before it (-1: its place is not known), the
        step that produced it (-1: there from the start), the group that it is of.
    tokens
        Of a block of each group.
    step_time, step_line, step_parent, step_reach, step_ends
        Of each step: the batch's time (made never to fall) and line, the block before its chain (-1: none), how many blocks
        before it are read at most, where its chain ends in ``chain``.
    change_state, change_medium, change_block, change_up
        Of each change of residency: the first state that it holds in, number of the medium, block, 1 (comes) or 0 (goes).
    media, counts, copies, unread
        Names of media by their numbers, 0 the compute medium; what was counted, and copies by their media; names of fields
        that are not known.
    full
        Whether the limit was reached, so that there is more.
    """

    def __init__(self, layers: Mapping[int, int] | None = None, limit: int | None = None) -> None:
        self.layers, self.limit = layers, limit
        self.parent, self.depth, self.birth, self.group = array("i"), array("i"), array("i"), array("i")
        self.step_time, self.step_line = array("d"), array("q")
        self.step_parent, self.step_reach, self.step_ends, self.chain = array("i"), array("i"), array("q"), array("i")
        self.change_state, self.change_medium = array("i"), array("b")
        self.change_block, self.change_up = array("i"), array("b")
        self.media: list[str] = [COMPUTE]
        self.tokens: dict[int, int] = {}
        self.counts: Counter[str] = Counter()
        self.copies: Counter[str] = Counter()
        self.unread: set[str] = set()
        self.full = False
        self._numbers: dict[int, dict[Hash, int]] = {}
        self._held: list[dict[int, int]] = [{}]
        self._kind: type | None = None
        self._last: tuple[int, int] | None = None  # group and last block of the chain that the event before stored

    @property
    def steps(self) -> int:
        return len(self.step_ends)

    def add(self, line: int, batch: Batch) -> None:
        """One more batch; InputError for what contradicts the batches before it."""
        self.counts["batches"] += 1
        self._last = None
        for number, event in enumerate(batch.events):
            if self.full:
                return
            try:
                self._take(line, batch.time, event)
            except InputError as error:
                raise InputError(error.found, error.expected, line=line, field=f"events[{number}]") from None

    def _take(self, line: int, time: float, event: Stored | Removed | Cleared) -> None:
        if isinstance(event, Cleared):
            self.counts["cleared"] += 1
            for medium, held in enumerate(self._held):
                for block in held:
                    self._change(medium, block, 0)
                held.clear()
            self._last = None
            return
        if self.layers is not None and event.group not in self.layers:
            self.counts["events_of_other_groups"] += 1
            return
        medium = self._medium(event.medium)
        self._check_kind(event.hashes)
        if isinstance(event, Removed):
            self._last = None
            self.counts["removed"] += len(event.hashes)
            self._remove(medium, event)
        elif medium:
            self._last = None
            self._copy(medium, event)
        elif event.hashes:
            self._step(line, time, event)

    def _step(self, line: int, time: float, event: Stored) -> None:
        """A chain in the compute medium: the next step, or more of the one before."""
        self._check_size(event)
        numbers = self._numbers.setdefault(event.group, {})
        parent = -1 if event.parent is None else self._ancestor(numbers, event)
        again = self._last == (event.group, parent)
        if not again:
            if self.steps == self.limit:
                self.full = True
                return
            self.step_time.append(max(time, self.step_time[-1]) if self.step_time else time)
            self.step_line.append(line)
            self.step_parent.append(parent)
            self.step_reach.append(reach(event))
            self.step_ends.append(len(self.chain))
        before = parent
        known = next((place for place, name in enumerate(event.hashes) if name not in numbers), len(event.hashes))
        fresh = known if numbers.keys().isdisjoint(event.hashes[known:]) else len(event.hashes)
        for name in event.hashes[:fresh]:
            block = self._number(numbers, name, event.group, self.steps - 1)
            if self.depth[block] < 0:
                self.parent[block], self.depth[block] = before, (self.depth[before] + 1 if before >= 0 else 0)
            elif self.parent[block] != before and (self.birth[block] >= 0 or self.parent[block] >= 0):
                expected = "expected the block before it to be the same each time (hashes that stand for their prefixes)"
                raise InputError(f"found {shown(name)} behind another block than before", expected)
            self._hold(0, block, self.steps)
            self.chain.append(block)
            before = block
        if fresh < len(event.hashes):
            before = self._produce(numbers, event.hashes[fresh:], event.group, before)
        self.step_ends[-1] = len(self.chain)
        self.counts["stored"] += len(event.hashes)
        self._last = (event.group, before)

    def _produce(self, numbers: dict[Hash, int], hashes: list[Hash], group: int, before: int) -> int:
        """A chain of new blocks behind a block, made and held all at once; the last of them."""
        first, count = len(self.parent), len(hashes)
        blocks = range(first, first + count)
        self._check_number(blocks[-1])
        depth = self.depth[before] + 1 if before >= 0 else 0
        numbers.update(zip(hashes, blocks, strict=True))
        self.parent.append(before)
        self.parent.extend(blocks[:-1])
        self.depth.extend(range(depth, depth + count))
        self.birth.extend([self.steps - 1] * count)
        self.group.extend([group] * count)
        self.chain.extend(blocks)
        self._held[0].update(dict.fromkeys(blocks, 1))
        self.change_state.extend([self.steps] * count)
        self.change_medium.extend([0] * count)
        self.change_block.extend(blocks)
        self.change_up.extend([1] * count)
        return blocks[-1]

    def _ancestor(self, numbers: dict[Hash, int], event: Stored) -> int:
        """The block before a chain. One that no event stored was there before the recording began, in the compute medium."""
        assert event.parent is not None
        self._check_kind([event.parent])
        known = event.parent in numbers
        block = self._number(numbers, event.parent, event.group, -1)
        if self.depth[block] < 0:
            self.depth[block] = 0
            self.counts["unseen_parents"] += 1
            if not known:
                self._held[0][block] = 1
                self._change(0, block, 1, 0)
        return block

    def _copy(self, medium: int, event: Stored) -> None:
        """Blocks that another medium holds from now on; those that no event stored exist from the start."""
        size = self.tokens.get(event.group, event.tokens)
        if event.tokens and event.tokens != size:
            expected = f"expected {size}, as in {COMPUTE} (offload blocks of the engine's own size, or let it describe them)"
            raise InputError(f"found blocks of {event.tokens} tokens in {event.medium}", expected)
        numbers = self._numbers.setdefault(event.group, {})
        for name in event.hashes:
            self._hold(medium, self._number(numbers, name, event.group, -1), self.steps)
        self.copies[event.medium] += len(event.hashes)

    def _remove(self, medium: int, event: Removed) -> None:
        numbers, held = self._numbers.get(event.group, {}), self._held[medium]
        for name in event.hashes:
            block = numbers.get(name, -1)
            if block not in held:
                self.counts["removed_unknown"] += 1
            elif held[block] > 1:
                held[block] -= 1
            else:
                del held[block]
                self._change(medium, block, 0)

    def _hold(self, medium: int, block: int, state: int) -> None:
        held = self._held[medium]
        held[block] = held.get(block, 0) + 1
        if held[block] == 1:
            self._change(medium, block, 1, state)
        elif not medium:
            self.counts["stored_twice"] += 1

    def _change(self, medium: int, block: int, up: int, state: int | None = None) -> None:
        self.change_state.append(self.steps if state is None else state)
        self.change_medium.append(medium)
        self.change_block.append(block)
        self.change_up.append(up)

    def _number(self, numbers: dict[Hash, int], name: Hash, group: int, birth: int) -> int:
        """The number of a block, a new one where it has none; ``birth``: the step that produced it in that case."""
        block = numbers.get(name)
        if block is None:
            block = numbers[name] = len(self.parent)
            self._check_number(block)
            self.parent.append(-1)
            self.depth.append(-1)
            self.birth.append(birth)
            self.group.append(group)
        return block

    def _check_number(self, block: int) -> None:
        if block > _MOST:
            raise InputError("found 2**31 blocks", "expected fewer (--limit takes the first steps)")

    def _medium(self, name: str) -> int:
        if name not in self.media:
            if len(self.media) == _MOST_MEDIA:
                raise InputError(f"found medium {shown(name)} after {_MOST_MEDIA} others", "expected fewer")
            self.media.append(name)
            self._held.append({})
        return self.media.index(name)

    def _check_kind(self, hashes: list[Hash]) -> None:
        self._kind = self._kind or (type(hashes[0]) if hashes else None)
        if hashes and {*map(type, hashes)} != {self._kind}:
            raise InputError("found hashes that are numbers and hashes that are bytes", "expected one kind")

    def _check_size(self, event: Stored) -> None:
        if self.layers is None and self.tokens and event.group not in self.tokens:
            groups = f"{next(iter(self.tokens))} and {event.group}"
            expected = "expected how many layers each has that is to be taken (--group-layers 0=8,1=24; 0=8: that one alone)"
            raise InputError(f"found blocks of groups {groups}, which are of different layers", expected)
        size = self.tokens.setdefault(event.group, event.tokens)
        if event.tokens != size or not size:
            found = f"found blocks of {event.tokens} tokens" + (f" after some of {size}" if size else "")
            raise InputError(found, "expected one size in a group, at least 1")


def read_history(
    path: str | PathLike[str], order: Order, *, layers: Mapping[int, int] | None = None, limit: int | None = None
) -> History:
    """What a recording tells.

    Parameters
    ----------
    path
        As of :func:`placement_opt.workload.formats.kv_batches.read_batches`.
    order
        Checks the numbers of the messages, and whether one may be missing.
    layers, limit
        As of :class:`History`.

    Raises
    ------
    InputError
        With the line, or message, and event: what is no recording, or contradicts itself.
    """
    history = History(layers, limit)
    for line, batch in read_batches(path, history.unread):
        try:
            order.check(batch)
            history.add(line, batch)
        except InputError as error:
            raise error.at(path=path, line=line) from None
        if history.full:
            break
    return history
