"""``parquet`` out: the columns of ``access-csv``, in row groups of a million rows."""

from __future__ import annotations

from os import PathLike

from placement_opt.base.atomic import atomic_file
from placement_opt.workload.formats.parquet import arrow
from placement_opt.workload.formats.writers.losses import lost, unit_lost
from placement_opt.workload.formats.writers.rows import check_accesses, columns
from placement_opt.workload.trace import Trace

_GROUP = 2**20


def write(trace: Trace, path: str | PathLike[str]) -> list[str]:
    """Write the accesses of each step, those that produce blocks last, packed with Snappy.

    Returns
    -------
    list of str
        What is lost: the same as in ``access-csv``.

    Raises
    ------
    InputError
        As :func:`placement_opt.workload.formats.writers.access_csv.write`; there is no pyarrow.
    """
    check_accesses(trace)
    pyarrow, parquet = arrow()
    table = pyarrow.table({name: pyarrow.array(column) for name, column in columns(trace).items()})
    with atomic_file(path) as handle:
        parquet.write_table(table, handle, row_group_size=_GROUP, compression="snappy")
    return unit_lost(trace, layered=True) + lost(trace)
