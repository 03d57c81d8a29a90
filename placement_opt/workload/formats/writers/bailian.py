"""``bailian`` out: requests, each a chat of one turn, their steps as times in seconds."""

from __future__ import annotations

import json
from os import PathLike

from placement_opt.base.atomic import atomic_file
from placement_opt.workload.formats.bailian import BLOCK_TOKENS
from placement_opt.workload.formats.writers.prompts import asked, block_tokens, of_request, prompts, prompts_lost
from placement_opt.workload.trace import Trace


def write(trace: Trace, path: str | PathLike[str]) -> list[str]:
    """Write each step's blocks, read or produced, in the order of its prefix; block ids are the trace's.

    A trace does not know which request goes on with which: every one is a first turn. Times (s) and lengths are as for
    :func:`placement_opt.workload.formats.writers.mooncake.write`.

    Returns
    -------
    list of str
        What is lost; the format has blocks of 16 tokens, and others are to be named when it is read (``--block-tokens``).

    Raises
    ------
    InputError
        As :func:`placement_opt.workload.formats.writers.mooncake.write`.
    """
    size = block_tokens(trace)
    table = asked(trace, size)
    with atomic_file(path) as handle:
        for step, ids in prompts(trace):
            came, prompt, answer = of_request(table, step, size * len(ids), 10**9)
            record: dict[str, object] = {
                "chat_id": step,
                "parent_chat_id": -1,
                "timestamp": came,
                "input_length": prompt,
            }
            record |= {"output_length": answer, "type": "text", "turn": 1, "hash_ids": ids}
            handle.write(json.dumps(record).encode("ascii") + b"\n")
    said = [] if size == BLOCK_TOKENS else [f"the tokens of a block (--block-tokens {size} says them)"]
    return said + ["which chat each request is of", *prompts_lost(trace, table)]
