"""``reads-csv`` out: a row ``n,l,"[...]"`` for each step of decoding (the form of the traces of arXiv 2508.13231)."""

from __future__ import annotations

from os import PathLike

import numpy as np

from placement_opt.base.atomic import atomic_file
from placement_opt.base.errors import InputError
from placement_opt.workload.formats.writers.decoding import Decoding
from placement_opt.workload.formats.writers.losses import ACROSS, IDLE, LABELS, UNREAD, lost
from placement_opt.workload.trace import Trace


def write(trace: Trace, path: str | PathLike[str]) -> list[str]:
    """Write what each layer reads at each token.

    Returns
    -------
    list of str
        What is lost: nothing of a trace that was read from such a file.

    Raises
    ------
    InputError
        A trace that is not of decoding, a token a block, by steps whose (token, layer) ascend.
    """
    rows = Decoding(trace)
    if rows.size != 1:
        raise InputError(f"found blocks of {rows.size} tokens", "expected blocks of one token", field="size")
    if (np.diff(rows.token * 2**16 + rows.layer) <= 0).any():
        raise InputError("found steps out of order", "expected tokens never to fall and layers to rise within one")
    if (rows.first != rows.token[0])[np.unique(rows.layer)].any():
        raise InputError("found layers that begin at several tokens", "expected one prefill", field="step_token")
    with atomic_file(path) as handle:
        handle.write(b"n,l,read_kv\n")
        for step in range(trace.num_steps):
            reads = ",".join(map(str, sorted(rows.begins[trace.reads(step)].tolist())))
            handle.write(f'{rows.token[step]},{rows.layer[step]},"[{reads}]"\n'.encode("ascii"))
    whole = rows.token[0] * len(np.unique(rows.layer)) == np.count_nonzero(trace.birth < 0)
    missing = [] if whole else ["which tokens of the prefill have no block (they come back as blocks that nobody reads)"]
    return missing + lost(trace, {ACROSS, IDLE, LABELS, UNREAD})
