"""``mooncake`` out: requests, their steps as times."""

from __future__ import annotations

import json
from os import PathLike

from placement_opt.base.atomic import atomic_file
from placement_opt.workload.formats.mooncake import BLOCK_TOKENS
from placement_opt.workload.formats.writers.prompts import asked, block_tokens, of_request, prompts, prompts_lost
from placement_opt.workload.trace import Trace


def write(trace: Trace, path: str | PathLike[str]) -> list[str]:
    """Write each step's blocks, read or produced, in the order of its prefix; block ids are the trace's.

    Times (ms) and lengths are those of the trace's table of requests. Without one, or where steps serve several, the steps are
    numbered and a prompt is as long as its blocks, whose tokens are in the record (``block_size``) where they are not 512.

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
    table = asked(trace, size)
    more = {} if size == BLOCK_TOKENS else {"block_size": size}
    with atomic_file(path) as handle:
        for step, ids in prompts(trace):
            came, prompt, answer = of_request(table, step, size * len(ids), 10**6)
            record = {"timestamp": came, "input_length": prompt, "output_length": answer, "hash_ids": ids} | more
            handle.write(json.dumps(record).encode("ascii") + b"\n")
    return prompts_lost(trace, table)
