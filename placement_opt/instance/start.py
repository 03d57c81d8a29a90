"""A given start: which tiers hold which initial blocks when step 0 begins, bool[K, B]; filled first-fit, or from a file.

The file is an NPZ with one array, ``resident``. It is read without trust: nothing is unpacked beyond the bytes that so many
tiers and blocks take, and no code in it is run.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from os import PathLike

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.base.atomic import atomic_file, open_regular
from placement_opt.base.errors import InputError
from placement_opt.base.units import format_size
from placement_opt.memory.system import MemorySystem

_MEMBER = "resident.npy"
_LARGEST_HEADER = 4096
_NPY = re.compile(
    rb"\{\s*'descr':\s*'\|b1',\s*'fortran_order':\s*(False|True),\s*'shape':\s*\(([0-9]{1,18}),\s*([0-9]{1,18})\),?\s*\}\s*"
)
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, NotImplementedError, OverflowError)


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
    order = list(memory.by_speed)
    room = [int(capacity[tier]) for tier in order]
    if home is not None:
        resident[home] = exists
        order = order[: order.index(home)]
    ids, sizes = np.flatnonzero(exists), size[exists].tolist()
    chosen = np.full(len(ids), -1)
    for i, need in enumerate(sizes):
        for place in range(len(order)):
            if need <= room[place]:
                room[place] -= need
                chosen[i] = order[place]
                break
        else:
            if home is None and not forgets:
                found = f"found no room left for block {ids[i]} of {format_size(need)}"
                raise InputError(found, "expected a start that fits", field="initial")
    resident[chosen[chosen >= 0], ids[chosen >= 0]] = True
    return resident


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
    info = zipfile.ZipInfo(_MEMBER, (1980, 1, 1, 0, 0, 0))
    info.compress_type, info.create_system, info.external_attr = zipfile.ZIP_DEFLATED, 3, 0o100644 << 16
    with atomic_file(path) as handle, zipfile.ZipFile(handle, "w") as archive:
        archive.writestr(info, member.getvalue())


def load_initial(path: str | PathLike[str], tiers: int, blocks: int) -> npt.NDArray[np.bool_]:
    """Read what :func:`save_initial` (or ``numpy.savez(path, resident=...)``) wrote for so many tiers and blocks.

    Raises
    ------
    InputError
        Whatever is wrong with the file; no other exception.
    """
    with open_regular(path) as handle:
        try:
            if (length := handle.seek(0, 2)) > (most := _LARGEST_HEADER + 2 * tiers * blocks):
                raise InputError(f"found {length} bytes", f"expected at most {most}")
            with zipfile.ZipFile(handle) as archive:
                names = archive.namelist()
                if names != [_MEMBER]:
                    raise InputError(f"found the members {', '.join(names)!r:.60}", f"expected {_MEMBER} alone")
                with archive.open(_MEMBER) as stream:
                    data = stream.read(_LARGEST_HEADER + tiers * blocks + 1)
            return _array(data, tiers, blocks)
        except InputError as error:
            raise error.at(path=path, field="resident") from None
        except _BROKEN as error:
            found = f"found no readable NPZ ({str(error) or type(error).__name__})"
            raise InputError(found, "expected an initial residency", path=path) from None


def _array(data: bytes, tiers: int, blocks: int) -> npt.NDArray[np.bool_]:
    start = 10 + int.from_bytes(data[8:10], "little")
    about = _NPY.fullmatch(data[10:start]) if data[:8] == b"\x93NUMPY\x01\x00" else None
    if about is None:
        raise InputError("found another kind of array", "expected bool of tiers x blocks")
    shape = int(about[2]), int(about[3])
    if shape != (tiers, blocks):
        raise InputError(f"found {shape[0]} x {shape[1]}", f"expected {tiers} tiers x {blocks} blocks")
    values = np.frombuffer(data, dtype=np.uint8, offset=start)
    if len(values) != tiers * blocks or values.max(initial=0) > 1:
        raise InputError(
            f"found {len(values)} bytes, the largest {values.max(initial=0)}", f"expected {tiers * blocks} of 0 or 1"
        )
    return values.astype(np.bool_).reshape(shape, order="F" if about[1] == b"True" else "C")
