"""Exporters: a trace in a format of others, and what that format cannot say of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from os import PathLike

import numpy as np

from placement_opt.base.atomic import atomic_file
from placement_opt.base.errors import InputError
from placement_opt.workload.formats.oracle_general import RECORD
from placement_opt.workload.trace import Trace

#: Steps whose text is written at a time.
_STEPS = 1000


def write_access_csv(trace: Trace, path: str | PathLike[str]) -> list[str]:
    """``step,block`` with ``layer`` and ``bytes`` where the trace has them and ``rw`` where blocks are produced.

    Returns
    -------
    list of str
        What is lost besides the numbers of blocks: nothing, where sizes are in bytes or one (which ``--block-tokens``
        says), all blocks are accessed and live for ever, reads are whole and every step has one.

    Raises
    ------
    InputError
        Blocks of several sizes in tokens; a place that cannot be written to.
    """
    if trace.size_unit != "bytes" and len(np.unique(trace.size)) > 1:
        raise InputError(f"found sizes in {trace.size_unit}", "expected bytes, or one size (a column has bytes)", field="size")
    with atomic_file(path) as handle:
        for text in _rows(trace):
            handle.write(text.encode("ascii"))
    return _lost(trace, never_read=bool((np.diff(trace.by_block[0])[trace.birth < 0] == 0).any()))


def _rows(trace: Trace) -> Iterator[str]:
    in_bytes, layered, made = trace.size_unit == "bytes", trace.step_layer is not None, bool((trace.birth >= 0).any())
    yield "step,block" + ",bytes" * in_bytes + ",layer" * layered + ",rw" * made + "\n"
    pointers, produced = trace.births_by_step
    turn, last, lines = 0, -1, list[str]()
    for step in range(trace.num_steps):
        layer = int(trace.step_layer[step]) if trace.step_layer is not None else 0
        turn += not layered or layer <= last
        last = layer
        for ids, kind in ((trace.reads(step), "r"), (produced[pointers[step] : pointers[step + 1]], "w")):
            for block in ids.tolist():
                size = f",{int(trace.sizes[block])}" if in_bytes else ""
                lines.append(f"{turn - (not layered)},{block}{size}{f',{layer}' * layered}{f',{kind}' * made}\n")
        if step % _STEPS == _STEPS - 1 or step == trace.num_steps - 1:
            yield "".join(lines)
            lines.clear()


def write_oracle_general(trace: Trace, path: str | PathLike[str]) -> list[str]:
    """libCacheSim's records: the accesses of each step, those that produce blocks last, with the step as their time.

    The next access is the number of its record, counted from 0, and -1 where there is none.

    Returns
    -------
    list of str
        What is lost.

    Raises
    ------
    InputError
        Sizes that are not bytes below 2^32.
    """
    if trace.size_unit != "bytes" or int(trace.size.max()) >= 2**32:
        raise InputError(f"found sizes in {trace.size_unit}", "expected bytes, below 2**32", field="size")
    made = np.flatnonzero(trace.birth >= 0)
    step = np.concatenate([trace.read_step.astype(np.int64), trace.birth[made].astype(np.int64)])
    block = np.concatenate([trace.blocks.astype(np.int64), made])
    order = np.argsort(step, kind="stable")
    step, block = step[order], block[order]
    table = np.zeros(len(step), dtype=RECORD)
    table["time"], table["id"], table["size"], table["next"] = step, block, trace.sizes[block], -1
    by_block = np.argsort(block, kind="stable")
    again = block[by_block[1:]] == block[by_block[:-1]]
    table["next"][by_block[:-1][again]] = by_block[1:][again]
    with atomic_file(path) as handle:
        handle.write(table.tobytes())
    lost = ["which accesses are of one step is told by their time alone"] if len(np.unique(step)) < len(step) else []
    lost += ["that steps produce blocks"] if len(made) else []
    return lost + _lost(trace, never_read=bool((np.bincount(block, minlength=trace.num_blocks) == 0).any()))


def write_mooncake(trace: Trace, path: str | PathLike[str]) -> list[str]:
    """Requests: each step's blocks, read or produced, in the order of its prefix; block ids are the trace's.

    Times are not in a trace, so that the steps are numbered (``timestamp``, in ms); the prompt is as long as its blocks.

    Returns
    -------
    list of str
        What is lost.

    Raises
    ------
    InputError
        A trace without positions, with blocks that are there from the start, or of several sizes, or not in tokens.
    """
    if trace.position is None or (trace.birth < 0).any() or trace.size_unit != "tokens" or len(np.unique(trace.size)) > 1:
        found = "found another kind of trace"
        raise InputError(found, "expected one of requests (positions, one size in tokens, nothing there from the start)")
    size = int(trace.size[0])
    pointers, produced = trace.births_by_step
    with atomic_file(path) as handle:
        for step in range(trace.num_steps):
            reads, made = trace.reads(step).tolist(), sorted(produced[pointers[step] : pointers[step + 1]].tolist())
            places = dict(zip(trace.position[trace.indptr[step] : trace.indptr[step + 1]].tolist(), reads, strict=True))
            fresh = iter(made)
            ids = [places[place] if place in places else next(fresh, None) for place in range(len(reads) + len(made))]
            if None in ids or max(places, default=-1) >= len(ids):
                raise InputError(f"found places beyond the blocks of step {step}", "expected whole prompts", field="position")
            record = {"timestamp": step, "input_length": size * len(ids), "output_length": 0, "hash_ids": ids}
            handle.write(json.dumps(record).encode("ascii") + b"\n")
    return ["the times, lengths and outputs of the requests", *_lost(trace, never_read=False, places=False)]


def _lost(trace: Trace, *, never_read: bool, places: bool = True) -> list[str]:
    lost = {
        "when blocks are freed": bool((trace.death < trace.num_steps).any()),
        "the tokens of steps and blocks": trace.step_token is not None or trace.block_token is not None,
        "that layers share blocks": _across_layers(trace),
        "which share of a block is read": trace.shares is not None,
        "what kind each block is of": trace.block_kind is not None,
        "the order of each prefix": places and trace.position is not None,
        "how long steps take at least": trace.step_floor is not None and bool(trace.step_floor.any()),
        "when requests come, start and end": places and trace.requests is not None,
        "blocks that no step accesses": never_read,
        "steps that access nothing": bool((_accesses(trace) == 0).any()),
    }
    return [what for what, is_lost in lost.items() if is_lost]


def _across_layers(trace: Trace) -> bool:
    """Whether a step accesses a block of another layer than its own."""
    own, of = trace.step_layer, trace.block_layer
    if own is None:
        return False
    made = np.flatnonzero(trace.birth >= 0)
    if of is None:
        return True
    return bool((own[trace.read_step] != of[trace.blocks]).any() or (own[trace.birth[made]] != of[made]).any())


def _accesses(trace: Trace) -> np.ndarray:
    return np.diff(trace.indptr) + np.diff(trace.births_by_step[0])


#: Name of a format -> what writes it and says what is lost.
WRITERS: dict[str, Callable[[Trace, str | PathLike[str]], list[str]]] = {
    "access-csv": write_access_csv,
    "mooncake": write_mooncake,
    "oracle-general": write_oracle_general,
}
