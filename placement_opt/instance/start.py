"""A given start: which tiers hold which initial blocks when step 0 begins, bool[K, B]; cold, first-fit, by kind, from a file.

The file is an NPZ with one array, ``resident``. It is read without trust: nothing is unpacked beyond the bytes that so many
tiers and blocks take, and no code in it is run.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from placement_opt.base import npz
from placement_opt.base.arrays import Int64
from placement_opt.base.atomic import atomic_file
from placement_opt.base.errors import InputError
from placement_opt.base.units import format_size
from placement_opt.memory.operations import BLOCK_KINDS
from placement_opt.memory.system import MemorySystem

_MEMBER = "resident.npy"
_LARGEST_HEADER = 4096


def cold(tiers: int, home: int, exists: npt.NDArray[np.bool_], *, forgets: bool) -> npt.NDArray[np.bool_]:
    """bool[K, B]: every initial block (``exists``: bool[B]) in one of so many tiers alone; nowhere where it may be so."""
    resident = np.zeros((tiers, len(exists)), dtype=np.bool_)
    resident[home] = exists & (not forgets)
    return resident


def first_fit(
    memory: MemorySystem,
    home: int | None,
    exists: npt.NDArray[np.bool_],
    size: Int64,
    capacity: Int64,
    *,
    forgets: bool = False,
) -> npt.NDArray[np.bool_]:
    """bool[K, B]: every initial block, in order of ids, in the fastest tier that has room for it.

    Parameters
    ----------
    memory, home
        Where there is a home tier all initial blocks lie in it, and in at most one faster tier besides.
    exists
        bool[B]: the initial blocks.
    size, capacity
        int64[B] and int64[K], bytes.
    forgets
        A block without room lies nowhere.

    Raises
    ------
    InputError
        A block finds no room.
    """
    resident = np.zeros((len(capacity), len(size)), dtype=np.bool_)
    order, room = list(memory.by_speed), capacity.tolist()
    if home is not None:
        resident[home] = exists
        order = order[: order.index(home)]
    ids = np.flatnonzero(exists)
    chosen = _filled(size[ids], order, room)
    if home is None and not forgets and (left := np.flatnonzero(chosen < 0)).size:
        found = f"found no room left for block {ids[left[0]]} of {format_size(int(size[ids[left[0]]]))}"
        raise InputError(found, "expected a start that fits", field="initial")
    resident[chosen[chosen >= 0], ids[chosen >= 0]] = True
    return resident


def by_kind(
    home: int | None,
    tiers: Mapping[str, Sequence[int]],
    kind: npt.NDArray[np.int8] | None,
    exists: npt.NDArray[np.bool_],
    size: Int64,
    capacity: Int64,
) -> npt.NDArray[np.bool_]:
    """bool[K, B]: every initial block, in order of ids, in the first tier of its kind that has room for it.

    Parameters
    ----------
    home
        Where there is a home tier all initial blocks lie in it besides; one of the other tiers must have room where the kind's
        are others alone.
    tiers
        Kind -> tiers, filled in this order; kinds are placed in the order given.
    kind
        int8[B]: positions in ``BLOCK_KINDS``; None: all are KV.
    exists
        bool[B]: the initial blocks.
    size, capacity
        int64[B] and int64[K], bytes.

    Raises
    ------
    InputError
        A block finds no room, or is of a kind for which there is no tier.
    """
    resident = np.zeros((len(capacity), len(size)), dtype=np.bool_)
    room = capacity.tolist()
    if home is not None:
        resident[home] = exists
        room[home] = int(size[exists].sum())  # what lies there lies there anyway; its capacity is the instance's to check
    labels = np.zeros(len(size), dtype=np.int8) if kind is None else kind
    for number, name in enumerate(BLOCK_KINDS):
        if name not in tiers and (count := int(np.count_nonzero(exists & (labels == number)))):
            found = f"found no tier for {name}, of which {count} blocks are there at the start"
            raise InputError(found, "expected tiers of every kind", field="initial")
    for name, order in tiers.items():
        ids = np.flatnonzero(exists & (labels == BLOCK_KINDS.index(name)))
        chosen = _filled(size[ids], order, room)
        if (left := np.flatnonzero(chosen < 0)).size:
            block, need = ids[left[0]], format_size(int(size[ids[left[0]]]))
            found = f"found no room left for block {block} ({name}) of {need} in the tiers of its kind"
            raise InputError(found, "expected a start that fits", field=f"initial.{name}")
        resident[chosen, ids] = True
    return resident


def _filled(size: Int64, order: Sequence[int], room: list[int]) -> Int64:
    """int64[n]: the first tier of an order that has room for each block in turn, which it takes of ``room``; -1: none has.

    Blocks of one size that follow each other fill tier after tier.
    """
    chosen = np.full(len(size), -1, dtype=np.int64)
    ends = np.append(np.flatnonzero(np.diff(size)) + 1, len(size)).tolist()
    low = 0
    for high in ends if len(size) else ():
        each = max(1, int(size[low]))
        for tier in order:
            count = min(high - low, room[tier] // each)
            chosen[low : low + count] = tier
            room[tier] -= count * each
            low += count
        low = high
    return chosen


def save_initial(resident: npt.NDArray[np.bool_], path: str | PathLike[str]) -> None:
    """Write a residency at state 0, bool[K, B], whole or not at all; equal arrays give equal bytes.

    Raises
    ------
    InputError
        The array is not bool of two axes, or the place cannot be written to.
    """
    if resident.dtype != np.bool_ or resident.ndim != 2:
        raise InputError(
            f"found {resident.dtype} with {resident.ndim} axes", "expected bool of tiers x blocks", field="resident"
        )
    member = io.BytesIO()
    np.lib.format.write_array(member, np.ascontiguousarray(resident), version=(1, 0), allow_pickle=False)
    with atomic_file(path) as handle, zipfile.ZipFile(handle, "w") as archive:
        archive.writestr(npz.entry("resident", zipfile.ZIP_DEFLATED), member.getvalue())


def load_initial(path: str | PathLike[str], tiers: int, blocks: int) -> npt.NDArray[np.bool_]:
    """Read what :func:`save_initial` (or ``numpy.savez(path, resident=...)``) wrote for so many tiers and blocks.

    Raises
    ------
    InputError
        Whatever is wrong with the file; no other exception.
    """
    with npz.opened(path, "an initial residency", "a smaller one") as handle:
        try:
            return _array(_member(handle, tiers * blocks), tiers, blocks)
        except InputError as error:
            raise error.at(field="resident") from None


def _member(handle: BinaryIO, entries: int) -> bytes:
    """The one member of an archive, no more of it than an array of so many entries takes, and a byte."""
    if (length := handle.seek(0, 2)) > (most := _LARGEST_HEADER + 2 * entries):
        raise InputError(f"found {length} bytes", f"expected at most {most}")
    with zipfile.ZipFile(handle) as archive:
        names = archive.namelist()
        if names != [_MEMBER]:
            raise InputError(f"found the members {', '.join(names)!r:.60}", f"expected {_MEMBER} alone")
        with archive.open(_MEMBER) as stream:
            return stream.read(_LARGEST_HEADER + entries + 1)


def _array(data: bytes, tiers: int, blocks: int) -> npt.NDArray[np.bool_]:
    head = npz.read_head(io.BytesIO(data))
    if head is None or head.dtype != "|b1" or len(head.shape) != 2:
        raise InputError("found another kind of array", "expected bool of tiers x blocks")
    if head.shape != (tiers, blocks):
        raise InputError(f"found {head.shape[0]} x {head.shape[1]}", f"expected {tiers} tiers x {blocks} blocks")
    values = np.frombuffer(data, dtype=np.uint8, offset=head.length)
    if len(values) != tiers * blocks or values.max(initial=0) > 1:
        raise InputError(
            f"found {len(values)} bytes, the largest {values.max(initial=0)}", f"expected {tiers * blocks} of 0 or 1"
        )
    return values.astype(np.bool_).reshape(head.shape, order="F" if head.columns else "C")
