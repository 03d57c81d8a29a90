"""How much memory is left, so that what needs more is refused with the number instead of being killed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from placement_opt.base.cost import bytes_of
from placement_opt.base.errors import LimitError
from placement_opt.base.limits import Limits
from placement_opt.base.units import format_size

#: Bytes that a read takes in an instance, its classes and the passes over them, and what a process takes without any.
READ_BYTES, BASE_BYTES = bytes_of("rows", "per_read"), bytes_of("rows", "once")
#: Bytes that a block and a step take besides their reads.
BLOCK_BYTES, STEP_BYTES = bytes_of("rows", "per_block"), bytes_of("rows", "per_step")
#: Bytes that a read and a block take while they are drawn, and a read of a single token while it is gathered in a page.
DRAWN_READ_BYTES, DRAWN_BLOCK_BYTES = bytes_of("drawn", "per_read"), bytes_of("drawn", "per_block")
PAGED_BYTES = bytes_of("rows", "per_read_gathered")
#: Bytes that a byte of text takes while it is imported.
TEXT_BYTES = bytes_of("text", "per_byte")
#: What is read of a file is not asked about below this many bytes.
SMALL_BYTES = 64 << 20
#: Where control groups are, and the files of one with its limit and its use: version 2, version 1.
_GROUPS = (
    ("/sys/fs/cgroup", "memory.max", "memory.current"),
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
)
_MEMBER = "/proc/self/cgroup"


class NoRoom(LimitError):
    """More memory is needed than is left."""


def available() -> int:
    """Bytes that can still be taken: what the machine has free, or the control group's limit leaves, whichever is less."""
    found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            found = min(found, int(line.split()[1]) << 10)
    for folder, most, used in _groups():
        limit, taken = _read(f"{folder}/{most}").strip(), _read(f"{folder}/{used}").strip()
        if limit.isdigit() and taken.isdigit():
            found = min(found, max(0, int(limit) - max(0, int(taken) - _cached(folder))))
    return found


def _groups() -> Iterator[tuple[str, str, str]]:
    """(folder, limit, use) of the control groups that this process is in, from the innermost out."""
    for line in _read(_MEMBER).splitlines() or ["0::/"]:
        number, _, rest = line.partition(":")
        kinds, _, path = rest.partition(":")
        if number == "0" or "memory" in kinds.split(","):
            root, most, used = _GROUPS[number != "0"]
            parts = [part for part in path.split("/") if part not in ("", "..")]
            for depth in range(len(parts), -1, -1):
                yield "/".join([root, *parts[:depth]]), most, used


def _cached(folder: str) -> int:
    """Bytes of files that a control group counts as used and gives up when memory is asked for."""
    fields = dict(line.split()[:2] for line in _read(f"{folder}/memory.stat").splitlines() if len(line.split()) == 2)
    names = [prefix + name for name in ("active_file", "inactive_file") for prefix in ("total_", "")]
    found = [int(fields[name]) for name in names if fields.get(name, "").isdigit()]
    return sum(found[:: 2 if len(found) == 4 else 1])


def taken() -> int:
    """Bytes of memory that this process holds (0 where the system does not say)."""
    fields = _read("/proc/self/statm").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") if len(fields) > 1 else 0


def left(limits: Limits) -> int:
    """Bytes that work within these limits may still take."""
    free = available()
    return free if limits.memory is None else min(free, max(0, limits.memory - taken()))


def shortage(what: str, needed: int, limits: Limits) -> str:
    """``""`` where so many bytes more may be taken, else why not, with the numbers."""
    allowed = left(limits)
    if needed <= allowed:
        return ""
    return f"{what} needs about {format_size(needed)} of memory, {format_size(allowed)} {_why(limits)}"


def allowed(limits: Limits) -> int:
    """Bytes that all processes together may hold, this one included."""
    whole = available() + taken()
    return whole if limits.memory is None else min(whole, limits.memory)


def check(what: str, needed: int, limits: Limits) -> None:
    """Refuse to read what needs so many bytes more than are left, before it is read; NoRoom has the numbers."""
    if needed > SMALL_BYTES and (short := shortage(what, needed, limits)):
        raise NoRoom(short)


def check_bytes(needed: int, limits: Limits, what: str, *, place: str = "", ways: Callable[[int], str] | None = None) -> None:
    """NoRoom where all processes together would hold more than there is: ``... of memory WHAT; WAYS``."""
    most = allowed(limits)
    if needed <= most:
        return
    found = f"found room for {format_size(most)} ({'--memory-limit' if limits.memory == most else 'what is free'})"
    text = f"{found}, expected about {format_size(needed)} of memory {what}"
    out = "" if ways is None else ways(most)
    raise NoRoom("".join((f"{place}: " if place else "", text, f"; {out}" if out else "")))


def _why(limits: Limits) -> str:
    return "are free" if limits.memory is None else f"are left of the limit of {format_size(limits.memory)}"


def _read(path: str) -> str:
    with suppress(OSError):
        return Path(path).read_text(encoding="ascii", errors="replace")
    return ""
