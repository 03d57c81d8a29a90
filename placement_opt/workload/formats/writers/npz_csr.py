"""``npz-csr`` out: the sparse matrix of steps and blocks as plain arrays, for NumPy and whoever reads NPZ."""

from __future__ import annotations

import zipfile
from os import PathLike

from placement_opt.base.arrays import Array
from placement_opt.base.atomic import atomic_file
from placement_opt.base.npz import write_vectors
from placement_opt.workload.formats.writers.losses import ACROSS, FREED, IDLE, UNREAD, lost, unit_lost
from placement_opt.workload.formats.writers.rows import check_one_size
from placement_opt.workload.trace import Trace


def write(trace: Trace, path: str | PathLike[str]) -> list[str]:
    """Write ``indptr`` and ``indices``, ``births`` and ``deaths``, ``sizes`` in bytes, and layers where the trace has them.

    Returns
    -------
    list of str
        What is lost; a size in tokens is to be named when it is read (``--block-tokens``).

    Raises
    ------
    InputError
        Blocks of several sizes in tokens; a place that cannot be written to.
    """
    check_one_size(trace)
    arrays: dict[str, Array] = {"indptr": trace.indptr, "indices": trace.blocks, "births": trace.birth}
    if (trace.death < trace.num_steps).any():
        arrays["deaths"] = trace.death
    if trace.size_unit == "bytes":
        arrays["sizes"] = trace.size
    if trace.step_layer is not None:
        arrays["layers"] = trace.step_layer
    if trace.block_layer is not None:
        arrays["block_layers"] = trace.block_layer
    with atomic_file(path) as handle:
        write_vectors(handle, arrays, dict.fromkeys(arrays, "<i8"), zipfile.ZIP_STORED)
    return unit_lost(trace, layered=True) + lost(trace, {ACROSS, FREED, IDLE, UNREAD})
