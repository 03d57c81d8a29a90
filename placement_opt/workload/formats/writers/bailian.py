"""``bailian`` out: requests, each a chat of one turn, their steps as times in seconds."""

from __future__ import annotations

import json
from os import PathLike

from placement_opt.base.atomic import atomic_file
from placement_opt.workload.formats.bailian import BLOCK_TOKENS
from placement_opt.workload.formats.writers.prompts import block_tokens, prompts, prompts_lost
from placement_opt.workload.trace import Trace


def write(trace: Trace, path: str | PathLike[str]) -> list[str]:
    """Write each step's blocks, read or produced, in the order of its prefix; block ids are the trace's.

    A trace knows neither times nor which request goes on with which: steps are numbered, and every request is a first turn.

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
    with atomic_file(path) as handle:
        for step, ids in prompts(trace):
            record: dict[str, object] = {
                "chat_id": step,
                "parent_chat_id": -1,
                "timestamp": step,
                "input_length": size * len(ids),
            }
            record |= {"output_length": 0, "type": "text", "turn": 1, "hash_ids": ids}
            handle.write(json.dumps(record).encode("ascii") + b"\n")
    said = [] if size == BLOCK_TOKENS else [f"the tokens of a block (--block-tokens {size} says them)"]
    return said + ["which chat each request is of", *prompts_lost(trace)]
