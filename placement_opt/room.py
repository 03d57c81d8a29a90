"""How much memory is left, so that what needs more is refused with the number instead of being killed."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from placement_opt.errors import LimitError
from placement_opt.limits import Limits
from placement_opt.units import format_size

#: Bytes that a read takes in an instance, its classes and the passes over them, and what a process takes without any
#: (measured: 1e6 and 1e7 reads, two and three tiers).
READ_BYTES = 130
BASE_BYTES = 250 << 20
#: What is read of a file is not asked about below this many bytes.
SMALL_BYTES = 64 << 20
#: Where a control group's limit and use stand, and what of the use are copies of files, given up when they are in the way:
#: version 2, version 1.
_GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat", "inactive_file"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        "/sys/fs/cgroup/memory/memory.stat",
        "total_inactive_file",
    ),
)


class NoRoom(LimitError):
    """More memory is needed than is left."""


def available() -> int:
    """Bytes that can still be taken: what the machine has free, or the control group's limit leaves, whichever is less."""
    found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            found = min(found, int(line.split()[1]) << 10)
    for most, used, details, copies in _GROUPS:
        limit, taken = _read(most).strip(), _read(used).strip()
        if limit.isdigit() and taken.isdigit():
            given_up = sum(int(line.split()[1]) for line in _read(details).splitlines() if line.startswith(f"{copies} "))
            found = min(found, max(0, int(limit) - int(taken) + given_up))
    return found


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


def check(what: str, needed: int, limits: Limits) -> None:
    """Refuse to read what needs so many bytes more than are left, before it is read; NoRoom has the numbers."""
    if needed > SMALL_BYTES and (short := shortage(what, needed, limits)):
        raise NoRoom(short)


def check_rows(reads: int, limits: Limits) -> None:
    """Refuse an instance of so many reads, in rows, before it is made; NoRoom names what is needed and what is allowed."""
    needed = BASE_BYTES + READ_BYTES * reads
    allowed = available() + taken() if limits.memory is None else min(available() + taken(), limits.memory)
    if needed > allowed:
        found = f"found room for {format_size(allowed)} ({'--memory-limit' if limits.memory == allowed else 'what is free'})"
        raise NoRoom(f"{found}, expected about {format_size(needed)} of memory for {reads:,} reads")


def _why(limits: Limits) -> str:
    return "are free" if limits.memory is None else f"are left of the limit of {format_size(limits.memory)}"


def _read(path: str) -> str:
    with suppress(OSError):
        return Path(path).read_text(encoding="ascii", errors="replace")
    return ""
