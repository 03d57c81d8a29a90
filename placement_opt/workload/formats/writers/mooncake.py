"""``mooncake`` out: requests, their steps as times."""

from __future__ import annotations

import json
from os import PathLike

from placement_opt.base.atomic import atomic_file
from placement_opt.workload.formats.mooncake import BLOCK_TOKENS
from placement_opt.workload.formats.writers.prompts import block_tokens, prompts, prompts_lost
from placement_opt.workload.trace import Trace


def write(trace: Trace, path: str | PathLike[str]) -> list[str]:
    """Write each step's blocks, read or produced, in the order of its prefix; block ids are the trace's.

    Times are not in a trace, so that the steps are numbered (``timestamp``, in ms); the prompt is as long as its blocks,
    whose tokens are in the record (``block_size``) where they are not 512.

    Returns
    -------
    list of str
        What is lost.

    Raises
    ------
    InputError
        A trace without positions, with blocks that are there from the start, or of several sizes, or not in tokens.
    """
    size = block_tokens(trace)
    more = {} if size == BLOCK_TOKENS else {"block_size": size}
    with atomic_file(path) as handle:
        for step, ids in prompts(trace):
            record = {"timestamp": step, "input_length": size * len(ids), "output_length": 0, "hash_ids": ids} | more
            handle.write(json.dumps(record).encode("ascii") + b"\n")
    return prompts_lost(trace)
