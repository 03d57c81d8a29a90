"""``access-csv`` out: ``step,block``, with ``bytes``, ``layer`` and ``rw`` (where blocks are produced) as it has them."""

from __future__ import annotations

from os import PathLike

from placement_opt.base.atomic import atomic_file
from placement_opt.workload.formats.writers.losses import lost, unit_lost
from placement_opt.workload.formats.writers.rows import check_accesses, columns
from placement_opt.workload.trace import Trace

#: Rows whose text is written at a time.
ROWS = 10_000


def write(trace: Trace, path: str | PathLike[str]) -> list[str]:
    """Write the accesses of each step, those that produce blocks last.

    Returns
    -------
    list of str
        What is lost besides the numbers of blocks: nothing, where sizes are in bytes or one (which ``--block-tokens``
        says), all blocks are accessed and live for ever, reads are whole and every step has one.

    Raises
    ------
    InputError
        Blocks of several sizes in tokens; no access; a place that cannot be written to.
    """
    check_accesses(trace)
    table = columns(trace)
    with atomic_file(path) as handle:
        handle.write(",".join(table).encode("ascii") + b"\n")
        for start in range(0, len(table["step"]), ROWS):
            rows = zip(*(column[start : start + ROWS].tolist() for column in table.values()), strict=True)
            handle.write("".join(f"{','.join(map(str, row))}\n" for row in rows).encode("ascii"))
    return unit_lost(trace, layered=True) + lost(trace)
