"""``selections`` out: what an indexer selects at each step and layer, all as one request."""

from __future__ import annotations

import json
from os import PathLike

from placement_opt.base.atomic import atomic_file
from placement_opt.workload.formats.writers.decoding import Decoding
from placement_opt.workload.formats.writers.losses import ACROSS, IDLE, LABELS, lost
from placement_opt.workload.trace import Trace


def write(trace: Trace, path: str | PathLike[str]) -> list[str]:
    """Write the first token of each block that a step reads, as the position selected.

    Returns
    -------
    list of str
        What is lost; blocks of several tokens are to be named when it is read (``--block-tokens``).

    Raises
    ------
    InputError
        A trace that is not of decoding (:class:`placement_opt.workload.formats.writers.decoding.Decoding`).
    """
    rows = Decoding(trace)
    with atomic_file(path) as handle:
        for step in range(trace.num_steps):
            record = {"request_id": "0", "layer_id": int(rows.layer[step]), "step_idx": step}
            record |= {"seq_len_current": int(rows.token[step]) + 1}
            record |= {"selected_token_pos": sorted(rows.begins[trace.reads(step)].tolist())}
            handle.write(json.dumps(record).encode("ascii") + b"\n")
    said = [] if rows.size == 1 else [f"the tokens of a block (--block-tokens {rows.size} says them)"]
    return said + lost(trace, {ACROSS, IDLE, LABELS})
