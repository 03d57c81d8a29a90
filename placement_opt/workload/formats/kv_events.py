"""``kv-events``: the KV events of a serving engine (vLLM, SGLang), recorded as JSONL or msgpack.

``{"seq": 7, "ts": 1.5, "events": [{"type": "BlockStored", "block_hashes": [11, 12], "parent_block_hash": null,
"token_ids": [], "block_size": 16, "medium": "GPU"}]}`` a line, or one of the forms of
:mod:`placement_opt.workload.formats.kv_batches`. Events say what was stored and evicted; what follows from them, and is a step,
:mod:`placement_opt.workload.formats.kv_history` says. Reads of which there is no event (requests that found all their blocks,
all but the first token that is decoded in a block) are not in the trace: it reads at most what the engine read.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike, fspath
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.base import room
from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError
from placement_opt.base.limits import Limits
from placement_opt.workload.formats.kv_batches import Order
from placement_opt.workload.formats.kv_history import History, read_history
from placement_opt.workload.formats.lines import check_limit, file_label
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.keep import Keep

#: Bytes that a read takes while the trace is put together.
_READ_BYTES = 80
_ASSUMED = (
    "a step is a chain of blocks that the engine stored in GPU; it reads what lies before the chain, and what of the chain was "
    "stored before",
    "requests that found all their blocks, and tokens decoded within a block, leave no event: the engine read more than this",
)


def read(
    path: str | PathLike[str],
    *,
    limit: int | None = None,
    keep: Keep | None = None,
    gaps: str = "refuse",
    group_layers: Mapping[int, int] | None = None,
) -> Trace:
    """The trace of a ``kv-events`` recording.

    Parameters
    ----------
    path
        A file, packed or not; ``-``: JSONL on standard input.
    limit
        Only the first steps, at least 1; None for all.
    keep
        How long blocks live; a ttl may be in time or in steps. None: for ever.
    gaps
        "refuse" a stream of which messages are missing, for then nobody knows what lies where, nor which blocks were made anew;
        or "accept" it: ``meta["missing"]`` says how many.
    group_layers
        Layers of each group of blocks that is to be taken, where the model has several (sliding windows beside whole
        attention); None: there is one group, of all layers.

    Returns
    -------
    Trace
        Steps and blocks as the module says, in the order of the stream; sizes in tokens, or in token-layers with
        ``group_layers``; ``position``: the place in the prefix.

    Raises
    ------
    InputError
        With the line, or message, and event: no such recording, missing messages, hashes that do not stand for their prefixes,
        sizes or groups that differ.
    LimitError
        There is too little memory for so many reads.
    """
    check_limit(limit)
    order = Order(gaps)
    history = read_history(path, order, layers=group_layers, limit=limit)
    trace, _ = assemble(history, path, _about(history, order, path, limit))
    return trace if keep is None else keep.applied(trace, np.frombuffer(history.step_time))


def _about(history: History, order: Order, path: str | PathLike[str], limit: int | None) -> dict[str, Any]:
    """The metadata: what was counted, and what nobody knows."""
    about: dict[str, Any] = {"format": "kv-events", "file": file_label(path)} | ({"limit": limit} if limit else {})
    sizes = {str(group): size for group, size in history.tokens.items()}
    about["block_tokens"] = next(iter(sizes.values())) if len(sizes) == 1 else sizes
    if history.layers is not None:
        about["group_layers"] = {str(group): layers for group, layers in history.layers.items()}
    if history.steps:
        about |= {"first_s": history.step_time[0], "last_s": history.step_time[-1]}
    about |= {name: count for name, count in sorted(history.counts.items()) if count}
    about |= {f"copies_{name}": count for name, count in sorted(history.copies.items())}
    if order.last is not None:
        about |= {"first_message": order.first, "last_message": order.last}
    if order.gaps:
        about |= {"gaps": order.gaps, "missing": order.missing}
    gap = [f"{order.missing} messages are missing in {order.gaps} places: what they stored and evicted is not known"]
    return about | {"unused_keys": sorted(history.unread), "assumptions": [*_ASSUMED, *(gap if order.gaps else [])]}


def assemble(history: History, path: str | PathLike[str], about: dict[str, Any]) -> tuple[Trace, npt.NDArray[np.int32]]:
    """The trace of a recording, and int32[n]: its block for each of the history's, -1 for those that no step wants."""
    if not history.steps:
        raise InputError("found nothing stored in GPU", "expected blocks that the engine computed", path=path)
    parent, depth = np.frombuffer(history.parent, dtype=np.intc), np.frombuffer(history.depth, dtype=np.intc)
    birth, chain = np.frombuffer(history.birth, dtype=np.intc), np.frombuffer(history.chain, dtype=np.intc)
    first, leaf = np.frombuffer(history.step_ends, dtype=np.int64), np.frombuffer(history.step_parent, dtype=np.intc)
    lengths = np.diff(first, prepend=0)
    in_chain = np.repeat(np.arange(history.steps), lengths)
    old = birth[chain] < in_chain
    reach = np.frombuffer(history.step_reach, dtype=np.intc)
    before = np.where(leaf >= 0, np.minimum(depth[leaf].astype(np.int64) + 1, reach), 0)
    _check_room(int(before.sum()) + int(old.sum()), path)
    block, step, place = _before(parent, leaf, before)
    position = np.arange(len(chain)) - np.repeat(first - lengths, lengths) + before[in_chain]
    block, step = np.concatenate([block, chain[old]]), np.concatenate([step, in_chain[old]])
    place = np.concatenate([place, position[old]])
    number = _numbers(birth, block)
    rows = step << 32 | number[block]
    sort = np.argsort(rows)
    rows = rows[sort]
    _check_once(history, rows, path)
    kept = np.flatnonzero(number >= 0)
    kept = kept[np.argsort(number[kept])]
    trace = Trace(
        indptr=np.searchsorted(rows, np.arange(history.steps + 1, dtype=np.int64) << 32).astype(np.int64),
        blocks=(rows & (2**32 - 1)).astype(np.int32),
        birth=birth[kept].astype(np.int32),
        death=np.full(len(kept), history.steps, dtype=np.int32),
        size=_sizes(history, kept),
        size_unit="tokens" if history.layers is None else "token-layers",
        position=place[sort].astype(np.int32),
        meta=about,
    )
    return trace, number


def _before(
    parent: npt.NDArray[np.intc], leaf: npt.NDArray[np.intc], count: Int64
) -> tuple[npt.NDArray[np.intc], Int64, Int64]:
    """(blocks, steps, places) of the ``count`` blocks up to ``leaf`` of each step, nearest first, all steps at once."""
    ends = np.cumsum(count)
    block = np.empty(int(ends[-1]), dtype=np.intc)
    steps, now, back = np.flatnonzero(count), leaf[count > 0], 0
    while len(steps):
        block[ends[steps] - 1 - back] = now
        back += 1
        further = count[steps] > back
        steps, now = steps[further], parent[now[further]]
    step = np.repeat(np.arange(len(leaf)), count)
    return block, step, np.arange(len(block)) - np.repeat(ends - count, count)


def _numbers(birth: npt.NDArray[np.intc], read: npt.NDArray[np.intc]) -> npt.NDArray[np.int32]:
    """int32[n]: blocks that are read or produced, numbered in order of production, those that were there first; others -1."""
    wanted = birth >= 0
    wanted[read] = True
    number = np.full(len(birth), -1, dtype=np.int32)
    order = np.flatnonzero(wanted)
    number[order[np.argsort(birth[order], kind="stable")]] = np.arange(len(order), dtype=np.int32)
    return number


def _sizes(history: History, kept: Int64) -> Int64:
    """int64[B] or int64[1]: tokens, times the layers of the group where they are given."""
    layers = history.layers
    each = {group: size * (1 if layers is None else layers[group]) for group, size in history.tokens.items()}
    if len({*each.values()}) == 1:
        return np.array([next(iter(each.values()))], dtype=np.int64)
    table = np.zeros(max(each) + 1, dtype=np.int64)
    table[list(each)] = list(each.values())
    return table[np.frombuffer(history.group, dtype=np.intc)[kept]]


def _check_once(history: History, rows: Int64, path: str | PathLike[str]) -> None:
    """A block that was there before the recording began may turn out to lie behind itself."""
    twice = np.flatnonzero(rows[1:] == rows[:-1])
    if len(twice):
        line = history.step_line[int(rows[twice[0]] >> 32)]
        expected = "expected hashes that stand for their prefixes"
        raise InputError("found a chain that holds a block of what lies before it", expected, path=path, line=line)


def _check_room(reads: int, path: str | PathLike[str]) -> None:
    way = "--limit N takes its first steps"
    needed = room.BASE_BYTES + _READ_BYTES * reads
    room.check_bytes(needed, Limits(), f"for {reads:,} reads", place=fspath(path), ways=lambda _: way)
