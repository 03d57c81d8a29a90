"""A schedule as one path a block: the set of tiers that holds it at every state of its life."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64, Ints
from placement_opt.instance.instance import Instance
from placement_opt.play.schedule import Schedule, numbered
from placement_opt.schedulers.hierarchy.transition import Masks, Sources, moves_between
from placement_opt.schedulers.kinds import chooses

#: Blocks, steps, the sets before and after, and whether each is stored in passing where it is read.
_Moved = tuple[Ints, Ints, Masks, Masks, npt.NDArray[np.bool_]]


@dataclass(frozen=True, eq=False)
class Paths:
    """Where every block lies; S tier sets.

    Attributes
    ----------
    sets
        uint16[S]: the tier sets that the instance's rule allows, bit k for tier k.
    start
        int64[B + 1]: states of block b are ``start[b]:start[b + 1]``, from its first state to its last.
    number
        uint8[start[B]]: which set holds the block at each of them (the last is that until which it may be of use,
        :attr:`placement_opt.instance.instance.Instance.kept_until`; after that it lies nowhere), in the bits
        :data:`placement_opt.schedulers.search.paths_kernels.SET`; and how the step moves it (``COPIED``, where it is read).
    """

    sets: Masks
    start: Int64
    number: npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Stays:
    """The same by the changes alone, where lives are long and blocks move seldom.

    Attributes
    ----------
    sets
        uint16[S].
    start
        int64[B + 1]: the stays of block b are ``start[b]:start[b + 1]``; none where it lies nowhere from its first state on.
    state
        int32[start[B]]: the first state of each, of a block's first one its own first state.
    number
        uint8[start[B]]: in which set, with ``COPIED`` where the block came there by copies alone although it was read.
    """

    sets: Masks
    start: Int64
    state: npt.NDArray[np.int32]
    number: npt.NDArray[np.uint8]


def num_states(instance: Instance) -> int:
    """How many pairs there are of a block and a state at which it may be of use that it lies somewhere."""
    return int((instance.kept_until - instance.first_state + 1).sum())


def first_places(instance: Instance) -> Int64:
    """int64[B + 1]: where the states of each block begin in an array of all (block, state) pairs."""
    start = np.zeros(instance.num_blocks + 1, dtype=np.int64)
    np.cumsum(instance.kept_until - instance.first_state + 1, out=start[1:])
    return start


def paths_of(instance: Instance, schedule: Schedule) -> Paths:
    """The paths that a (legal) schedule makes its blocks take."""
    from placement_opt.instance.law import tier_sets
    from placement_opt.schedulers.search.paths_kernels import follow

    tiers, sets = instance.num_tiers, tier_sets(instance).astype(np.uint16)
    numbers = np.zeros(1 << tiers, dtype=np.uint8)
    numbers[sets] = np.arange(len(sets))
    held = _masks(schedule.initial)
    held[instance.first_state > 0] = 1 << instance.home if instance.inclusive else 0
    op = schedule.op.astype(np.int64)
    target = np.where(op < tiers, op, (op - tiers) % tiers)  # a drop's tier is its number modulo K as well
    bit, drops = np.uint16(1) << target.astype(np.uint16), op >= tiers + tiers * tiers
    adds, loses = np.where(drops, 0, bit).astype(np.uint16), np.where(drops, bit, 0).astype(np.uint16)
    start = first_places(instance)
    path = np.zeros(start[-1], dtype=np.uint8)
    follow(instance.first_state, instance.kept_until, start, held, schedule.indptr, schedule.block, adds, loses, numbers, path)
    if chooses(instance.memory.operations):
        _mark_copied(instance, schedule, start, path)
    return Paths(sets, start, path)


def _mark_copied(instance: Instance, schedule: Schedule, start: Int64, path: npt.NDArray[np.uint8]) -> None:
    """Mark the steps that read a block and copy it, and store it nowhere."""
    from placement_opt.schedulers.search.paths_kernels import COPIED

    tiers, op, block = instance.num_tiers, schedule.op, schedule.block.astype(np.int64)
    step = np.repeat(np.arange(instance.num_steps), np.diff(schedule.indptr))
    at = start[block] + step - instance.first_state[block]
    fetched = (op >= tiers) & (op < tiers + tiers * tiers) & _reads(instance, block, step)
    path[np.setdiff1d(at[fetched], at[op < tiers])] |= np.uint8(COPIED)


def without_the_unread(instance: Instance, paths: Paths) -> Paths:
    """Under the rule cache the same paths without what is held after a block's last read: no slower, and no more room."""
    from placement_opt.schedulers.search.paths_kernels import let_go

    if not instance.forgets:
        return paths
    pointers, order = instance.trace.by_block
    number = paths.number.copy()
    first = instance.first_state
    begun = number[paths.start[:-1]]  # a given start is what it is
    let_go(first, paths.start, pointers, instance.trace.read_step[order].astype(np.int64), int(paths.sets.argmin()), number)
    if instance.initial is not None:
        given = np.flatnonzero(first == 0)
        number[paths.start[given]] = begun[given]
    return Paths(paths.sets, paths.start, number)


def schedule_of(instance: Instance, paths: Paths | Stays, name: str) -> Schedule:
    """The cheapest moves that make the blocks take these paths; ``name`` says whose they are."""
    return _of_stays(instance, paths, name) if isinstance(paths, Stays) else _of_paths(instance, paths, name)


def _of_paths(instance: Instance, paths: Paths, name: str) -> Schedule:
    from placement_opt.schedulers.search.paths_kernels import COPIED, SET, changes

    first = instance.first_state
    block, step = changes(first, paths.start, paths.number)
    at = paths.start[block] + step - first[block]
    numbers, kept = paths.number & np.uint8(SET), paths.number[at] & np.uint8(COPIED) == 0
    begins, ends = paths.sets[numbers[paths.start[:-1]]], paths.sets[numbers[paths.start[1:] - 1]]
    moved = block, step, paths.sets[numbers[at]], paths.sets[numbers[at + 1]], kept
    return _written(instance, name, begins, ends, moved)


def _of_stays(instance: Instance, paths: Stays, name: str) -> Schedule:
    from placement_opt.schedulers.search.paths_kernels import COPIED, SET

    counts = np.diff(paths.start)
    some, nothing = counts > 0, np.zeros(instance.num_blocks, dtype=np.uint16)
    held = paths.sets[paths.number & np.uint8(SET)]
    begins, ends = nothing.copy(), nothing
    begins[some], ends[some] = held[paths.start[:-1][some]], held[paths.start[1:][some] - 1]
    later = np.ones(len(held), dtype=np.bool_)
    later[paths.start[:-1][some]] = False
    block = np.repeat(np.arange(instance.num_blocks, dtype=np.int32), np.maximum(counts - 1, 0))
    kept = paths.number[later] & np.uint8(COPIED) == 0
    moved = block, paths.state[later] - np.int32(1), held[:-1][later[1:]], held[later], kept
    return _written(instance, name, begins, ends, moved)


def _written(instance: Instance, name: str, begins: Masks, ends: Masks, moved: _Moved) -> Schedule:
    """The schedule of blocks that lie in ``begins`` first and in ``ends`` last, and in between change as ``moved`` says."""
    from placement_opt.schedulers.search.paths_kernels import put_in_order

    tiers, first = instance.num_tiers, instance.first_state
    block, step, before, after, near = _with_ends(instance, begins, ends, moved)
    sizes, pieces = instance.size[block], None if instance.pieces is None else instance.pieces[block]
    rows: Ints = np.arange(len(block)).astype(np.int32 if len(block) < 2**31 else np.int64)
    groups = list(numbered(moves_between(rows, before, after, near, Sources(instance.memory), sizes, pieces), tiers))
    del before, after, near, sizes, pieces
    which = np.concatenate([rows[:0], *(ids for _, ids in groups)])
    op = np.repeat(np.array([number for number, _ in groups], dtype=np.int16), [len(ids) for _, ids in groups])
    del groups
    indptr, ordered, blocks = (
        np.zeros(instance.num_steps + 1, dtype=np.int64),
        np.empty_like(op),
        np.empty(len(op), dtype=np.int32),
    )
    put_in_order(which, op, step, block, indptr, ordered, blocks)
    initial = np.zeros((tiers, instance.num_blocks), dtype=bool)
    exists = np.flatnonzero(first == 0)
    initial[:, exists] = (begins[exists] >> np.arange(tiers, dtype=np.uint16)[:, None] & 1) == 1
    return Schedule(name, initial, indptr, ordered, blocks)


def _with_ends(instance: Instance, begins: Masks, ends: Masks, moved: _Moved) -> _Moved:
    """The changes in between, those of births and those of who is let go; and whether each is at the processor."""
    block, step, before, after, kept = moved
    first = instance.first_state
    born = np.flatnonzero(first > 0)
    at_birth = np.full(len(born), 1 << instance.home if instance.inclusive else 0, dtype=np.uint16)
    gone = np.flatnonzero((instance.kept_until < instance.last_state) & (ends > 0))  # let go after its last read
    return (
        np.concatenate([block, born, gone], dtype=np.int32, casting="same_kind"),
        np.concatenate([step, first[born] - 1, instance.kept_until[gone]], dtype=np.int32, casting="same_kind"),
        np.concatenate([before, at_birth, ends[gone]]),
        np.concatenate([after, begins[born], np.zeros(len(gone), dtype=np.uint16)]),
        np.concatenate([_reads(instance, block, step) & kept, np.ones(len(born), dtype=bool), np.zeros(len(gone), dtype=bool)]),
    )


def _masks(resident: npt.NDArray[np.bool_]) -> Masks:
    """uint16[B] from bool[K, B]."""
    masks = np.zeros(resident.shape[1], dtype=np.uint16)
    for tier, row in enumerate(resident):
        masks[row] |= np.uint16(1 << tier)
    return masks


def _reads(instance: Instance, block: Ints, step: Ints) -> npt.NDArray[np.bool_]:
    """Whether each block is read at the step beside it."""
    from placement_opt.schedulers.search.paths_kernels import are_read

    pointers, order = instance.trace.by_block
    found = np.zeros(len(block), dtype=bool)
    are_read(pointers, instance.trace.read_step[order], block, step, found)
    return found
