"""``libcachesim-csv`` out: the table that libCacheSim's CSV reader takes, with a header."""

from __future__ import annotations

from os import PathLike

from placement_opt.base.atomic import atomic_file
from placement_opt.workload.formats.writers.access_csv import ROWS
from placement_opt.workload.formats.writers.losses import unit_lost
from placement_opt.workload.formats.writers.oracle_general import of_records, records_lost
from placement_opt.workload.formats.writers.rows import accesses, check_accesses, check_one_size, next_accesses
from placement_opt.workload.trace import Trace


def write(trace: Trace, path: str | PathLike[str]) -> list[str]:
    """Write ``time,obj_id,obj_size,next_access_vtime``, without ``obj_size`` where sizes are no bytes; the step is the time.

    libCacheSim reads it with ``-t "time-col=1, obj-id-col=2, obj-size-col=3, obj-id-is-num=true, has-header=true"``.

    Returns
    -------
    list of str
        What is lost.

    Raises
    ------
    InputError
        Blocks of several sizes in tokens; no access; a place that cannot be written to.
    """
    check_one_size(trace)
    check_accesses(trace)
    step, block, made = accesses(trace)
    table = {"time": step, "obj_id": block}
    if trace.size_unit == "bytes":
        table["obj_size"] = trace.sizes[block]
    table["next_access_vtime"] = next_accesses(block)
    with atomic_file(path) as handle:
        handle.write(",".join(table).encode("ascii") + b"\n")
        for start in range(0, len(step), ROWS):
            rows = zip(*(column[start : start + ROWS].tolist() for column in table.values()), strict=True)
            handle.write("".join(f"{','.join(map(str, row))}\n" for row in rows).encode("ascii"))
    return of_records(step, made) + unit_lost(trace, layered=False) + records_lost(trace)
