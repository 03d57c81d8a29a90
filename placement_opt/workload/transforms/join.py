"""Several traces as one: their steps in some order, their blocks apart or, where they are the same, one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from placement_opt.base.arrays import Flags, Int64
from placement_opt.base.errors import InputError
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.select import BY_BLOCK, BY_STEP, Lives, Rows, rebuilt, shares_of
from placement_opt.workload.transforms.served import joined_requests

#: What an array is where a trace has none of it and others have.
_DEFAULT = {"block_kind": 0, "step_floor": 0}


@dataclass(frozen=True, eq=False)
class Joined:
    """A trace, where each of its blocks and steps comes from, and what could not be carried.

    Attributes
    ----------
    trace
        Blocks of all traces, apart.
    of
        int64[B]: the number of the trace that each block is of.
    initial
        bool[B]: whether it is there when its own trace begins.
    lost
        Lines.
    """

    trace: Trace
    of: Int64
    initial: Flags
    lost: list[str]


def joined(traces: Sequence[Trace], when: Sequence[Int64], first: Sequence[int]) -> Joined:
    """Traces as one whose steps are theirs.

    Parameters
    ----------
    traces
        Of one unit of size.
    when
        int64[T] for each: the numbers that its steps have in the whole, rising.
    first
        For each the step, -1 for none, that produces what is there when it begins.

    Raises
    ------
    InputError
        Units differ, or shares have no common base below 2**16.
    """
    if len(units := sorted({trace.size_unit for trace in traces})) > 1:
        raise InputError(f"found blocks sized in {' and '.join(units)}", "expected one unit in all traces", field="size_unit")
    total = sum(trace.num_steps for trace in traces)
    order = np.argsort(np.concatenate(when), kind="stable")
    base = int(np.lcm.reduce([trace.share_base for trace in traces]))
    if base >= 2**16:
        raise InputError(f"found shares over {base} together", "expected a common base of at most 65535", field="shares")
    offset = np.concatenate([[0], np.cumsum([trace.num_blocks for trace in traces])])
    lives = [_lives(*each, total) for each in zip(traces, when, first, strict=True)]
    counts = np.concatenate([np.diff(trace.indptr) for trace in traces])
    starts = np.concatenate([[0], np.cumsum(counts)])
    indptr = np.concatenate([[0], np.cumsum(counts[order])]).astype(np.int64)
    reads = np.repeat(starts[order] - indptr[:-1], counts[order]) + np.arange(indptr[-1])
    blocks = np.concatenate([trace.blocks + np.int64(number) for trace, number in zip(traces, offset, strict=False)])
    arrays, lost = _arrays(traces)
    together = max(first) < 0
    if not together and any(trace.requests is not None for trace in traces):
        lost.append("lost: requests, whose times of arrival count from when each trace begins")
    shares = np.concatenate([shares_of(trace) * (base // trace.share_base) for trace in traces])
    whole = Trace(
        indptr=indptr,
        blocks=blocks[reads].astype(np.int32),
        birth=np.concatenate([birth for birth, _ in lives]).astype(np.int32),
        death=np.concatenate([death for _, death in lives]).astype(np.int32),
        size=_one_or_each(traces, "size", 1),
        size_unit=traces[0].size_unit,
        shares=None if all(trace.shares is None for trace in traces) else shares[reads].astype(np.uint16),
        share_base=base,
        position=None if (place := arrays.pop("position")) is None else place[reads],
        pieces=None if all(trace.pieces is None for trace in traces) else _one_or_each(traces, "pieces", 1),
        **{name: values if values is None or name not in BY_STEP else values[order] for name, values in arrays.items()},
        requests=joined_requests(traces, when) if together else None,
        meta=traces[0].meta,
    )
    of = np.repeat(np.arange(len(traces)), np.diff(offset))
    return Joined(whole, of, np.concatenate([trace.birth < 0 for trace in traces]), lost)


def _lives(trace: Trace, when: Int64, first: int, total: int) -> tuple[Int64, Int64]:
    """Births and deaths of a trace's blocks in the steps of the whole."""
    birth = np.where(trace.birth < 0, first, when[trace.birth])
    return birth, np.append(when, total)[trace.death]


def _arrays(traces: Sequence[Trace]) -> tuple[dict[str, Any], list[str]]:
    """The optional arrays of all traces behind each other; None, with a line, where some have one and others do not."""
    arrays: dict[str, Any] = {}
    lost = []
    for name in (*BY_STEP, *BY_BLOCK, "position"):
        given = [getattr(trace, name) for trace in traces]
        if all(values is None for values in given):
            arrays[name] = None
        elif name in _DEFAULT:
            dtype = next(values.dtype for values in given if values is not None)
            counts = [trace.num_steps if name in BY_STEP else trace.num_blocks for trace in traces]
            fill = [np.full(count, _DEFAULT[name], dtype=dtype) for count in counts]
            arrays[name] = np.concatenate([own if values is None else values for own, values in zip(fill, given, strict=True)])
        elif any(values is None for values in given):
            arrays[name] = None
            lost.append(f"lost: {name}, which not all of the traces have")
        else:
            arrays[name] = np.concatenate(given)
    return arrays, lost


def _one_or_each(traces: Sequence[Trace], name: str, default: int) -> Any:
    """An array with one entry for all blocks or one each; one entry where all traces have the same one."""
    given = [getattr(trace, name) for trace in traces]
    dtype = next(values.dtype for values in given if values is not None)
    given = [np.array([default], dtype=dtype) if values is None else values for values in given]
    if all(len(values) == 1 for values in given) and len({int(values[0]) for values in given}) == 1:
        return given[0]
    return np.concatenate([np.broadcast_to(values, trace.num_blocks) for values, trace in zip(given, traces, strict=True)])


def unified(found: Joined, same: str, *, later_says: bool) -> tuple[Joined, int]:
    """Blocks that are the same in several traces as one, and how many are in more than one.

    Two lives of a block are one where the second begins while the first lasts. What the second trace produces then is there
    already: it is read instead. Else they are two blocks, as if they were not the same.

    Parameters
    ----------
    found
        The traces.
    same
        "ids" or "labels" (kind, layer and token).
    later_says
        Whether a block that is in a later trace too is freed when that one frees it; else, when the last of them does.
    """
    trace, lost = found.trace, list(found.lost)
    life, birth, death, initial, reads = _one_life_each(found, _keys(found, same), later_says=later_says)
    stays = np.unique(life)
    shared = trace.num_blocks - len(stays)
    if not shared:
        return found, 0
    number = np.zeros(trace.num_blocks, dtype=np.int64)
    number[stays] = np.arange(len(stays))
    rows = Rows(
        np.concatenate([trace.read_step.astype(np.int64), reads[:, 0]]),
        number[np.concatenate([life[trace.blocks], reads[:, 1]])],
        np.concatenate([shares_of(trace), np.full(len(reads), trace.share_base)]),
        trace.share_base,
        None if trace.position is None or len(reads) else trace.position.astype(np.int64),
    )
    lives = Lives(stays, birth[stays], death[stays], trace.sizes[stays])
    made = rebuilt(trace, lives, rows)
    if len(reads):
        lost.append(f"{len(reads):,} blocks that are there already are read where a trace produced them")
    if trace.position is not None and made.position is None:
        lost.append("lost: position, which blocks that are read instead have none of")
    order = stays[lives.ordered(trace)]
    return Joined(made, found.of[order], initial[order], lost), shared


def _one_life_each(found: Joined, key: Int64, *, later_says: bool) -> tuple[Int64, Int64, Int64, Flags, Int64]:
    """(int64[B] the block that each is one with, births, deaths and whether initial of those, int64[n, 2] reads instead)."""
    trace = found.trace
    order = np.lexsort((found.of, key))
    life, birth, death = np.arange(trace.num_blocks), trace.birth.astype(np.int64), trace.death.astype(np.int64)
    initial = found.initial.copy()
    reads: list[tuple[int, int]] = []
    for at in np.flatnonzero(np.diff(key[order]) == 0).tolist():
        one, other = int(life[order[at]]), int(order[at + 1])
        if trace.sizes[one] != trace.sizes[other]:
            text = f"found {trace.sizes[one]} and {trace.sizes[other]} {trace.size_unit} for the same block"
            raise InputError(text, "expected blocks of one size, or same = no", field="same")
        early, late = (one, other) if birth[one] <= birth[other] else (other, one)
        if birth[late] >= death[early]:  # gone, and there again as another block
            initial[late] &= birth[late] < 0
            continue
        life[other] = one
        if birth[late] > birth[early] and not initial[late]:
            reads.append((int(birth[late]), one))
        birth[one], initial[one] = birth[early], initial[early]
        death[one] = death[other] if later_says else max(death[one], death[other])
    return life, birth, death, initial, np.array(reads, dtype=np.int64).reshape(-1, 2)


def _keys(found: Joined, same: str) -> Int64:
    """int64[B]: equal where blocks are the same, each once in a trace."""
    trace, first = found.trace, np.searchsorted(found.of, found.of)
    if same == "ids":
        return np.arange(trace.num_blocks) - first
    if trace.block_token is None:
        raise InputError("found blocks without token labels", "expected them in all traces, or same = ids", field="same")
    layer = np.zeros(trace.num_blocks, dtype=np.int64) if trace.block_layer is None else trace.block_layer.astype(np.int64)
    kind = 0 if trace.block_kind is None else trace.block_kind.astype(np.int64)
    key = (layer * 2 + kind) << 32 | trace.block_token
    own = np.stack([found.of, key])
    pairs, counts = np.unique(own, axis=1, return_counts=True)
    if (counts > 1).any():
        twice = pairs[:, np.argmax(counts > 1)]
        where = f"token {twice[1] & (2**32 - 1)} of layer {(twice[1] >> 32) // 2}"
        raise InputError(f"found two blocks for {where} in trace {twice[0]}", "expected one, or same = ids", field="same")
    return key
