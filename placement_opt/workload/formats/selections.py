"""``selections``: what a sparse-attention indexer selects at every decode step and layer, one JSON object a line.

``{"request_id": "r", "layer_id": 0, "step_idx": 0, "seq_len_current": 100, "selected_token_pos": [3, 50, 99]}``: of a sequence
of 100 tokens, the last of which (position 99) is being made, these are read. Rows in file order are the steps. Blocks are of
one request and layer, of ``block_tokens`` tokens. Tokens before the newest of a request's first row in a layer are the prefill,
whose blocks exist from the start; a later block is produced by the first row whose newest token lies in it or beyond. What a
row selects in the block that it produces itself is at hand and no read. A block of the prefill that no row selects is left out.

Beside these keys the first row may say where all of them come from, in an object ``capture`` that goes into the metadata, and
each may say what attention its tokens have: ``selected_weight_ppm``, which a trace has no place for.
"""

from __future__ import annotations

from array import array
from itertools import islice
from os import PathLike
from typing import Any

import numpy as np

from placement_opt.base.errors import InputError
from placement_opt.workload.formats.lines import check_limit, file_label
from placement_opt.workload.formats.records import LARGEST, need, read_records, whole
from placement_opt.workload.trace import MOST_LAYERS, Trace
from placement_opt.workload.transforms.keep import Keep


def read(
    path: str | PathLike[str], *, limit: int | None = None, keep: Keep | None = None, block_tokens: int | None = None
) -> Trace:
    """The trace of a ``selections`` file, packed or not; steps and blocks carry their layer, those of one request their token.

    Parameters
    ----------
    path
        The file.
    limit
        Only the first rows, at least 1; None for all.
    keep
        How long blocks live; a ttl in steps only. None: for ever.
    block_tokens
        Tokens of a block; None: 1.

    Raises
    ------
    InputError
        With file, line and key: no JSON object, missing keys, values of another kind, a position beyond the sequence, a
        sequence that becomes shorter.
    """
    check_limit(limit)
    if keep is not None:
        keep.check_untimed()
    rows = _Rows(block_tokens or 1)
    about: dict[str, Any] = {"format": "selections", "file": file_label(path)} | ({"limit": limit} if limit else {})
    try:
        for line, record in islice(read_records(path), limit):
            try:
                if not rows.first:
                    about = _captured(record) | about
                rows.add(record)
            except InputError as error:
                raise error.at(line=line) from None
        trace = rows.trace(about)
        return trace if keep is None else keep.applied(trace)
    except InputError as error:
        raise error.at(path=path) from None


def _captured(record: dict[str, Any]) -> dict[str, Any]:
    """What the first row says of where the rows come from."""
    said = record.get("capture", {})
    if not isinstance(said, dict):
        raise InputError(f"found {said!r:.40}", "expected an object: where the rows come from", field="capture")
    return said


class _Rows:
    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self.streams: dict[tuple[Any, int], int] = {}  # request and layer -> number
        self.first: list[int] = []  # of each stream: tokens of the prefill
        self.length: list[int] = []  # of each stream: tokens by now
        self.stream: array[int] = array("q")  # of each row
        self.newest: array[int] = array("q")  # of each row: position of the token that is made
        self.layer: array[int] = array("i")
        self.counts: array[int] = array("q")
        self.positions: array[int] = array("i")

    def add(self, record: dict[str, Any]) -> None:
        request, layer = record.get("request_id"), whole(record, "layer_id")
        if type(request) not in (int, str, type(None)):
            raise InputError(f"found {request!r:.40}", "expected a text or a whole number", field="request_id")
        if layer >= MOST_LAYERS:
            raise InputError(f"found {layer}", f"expected a layer below {MOST_LAYERS}", field="layer_id")
        length = whole(record, "seq_len_current", 1)
        chosen = need(record, "selected_token_pos")
        if not isinstance(chosen, list) or not set(map(type, chosen)) <= {int}:
            raise InputError(f"found {chosen!r:.40}", "expected a list of token positions", field="selected_token_pos")
        if chosen and not 0 <= min(chosen) <= max(chosen) < length:
            found = f"found {max(chosen) if min(chosen) >= 0 else min(chosen)!r:.40}"
            expected = f"expected positions from 0 to {length - 1} (seq_len_current {length})"
            raise InputError(found, expected, field="selected_token_pos")
        stream = self.streams.setdefault((request, layer), len(self.streams))
        if stream == len(self.first):
            self.first.append(length - 1)
            self.length.append(length)
        if length < self.length[stream]:
            expected = f"expected at least {self.length[stream]}, as before in this request and layer"
            raise InputError(f"found {length}", expected, field="seq_len_current")
        self.length[stream] = length
        self.stream.append(stream)
        self.newest.append(length - 1)
        self.layer.append(layer)
        self.counts.append(len(chosen))
        self.positions.extend(chosen)

    def trace(self, about: dict[str, Any]) -> Trace:
        stream, newest = np.frombuffer(self.stream, dtype=np.int64), np.frombuffer(self.newest, dtype=np.int64)
        steps, size = len(stream), self.tokens
        step = np.repeat(np.arange(steps), np.frombuffer(self.counts, dtype=np.int64))
        position = np.frombuffer(self.positions, dtype=np.intc) if step.size else np.zeros(0, dtype=np.intc)
        wanted = stream[step] * LARGEST + position // size
        # A row makes the block that its newest token lies in, where that begins behind the prefill and no row before made it.
        made = stream * LARGEST + newest // size
        fresh = (newest // size) * size >= np.array(self.first)[stream]
        keys, number = np.unique(np.concatenate([made[fresh], wanted]), return_inverse=True)
        # The row that produces a block: the first of its stream whose newest token is not before the block's first.
        order = np.lexsort((np.arange(steps), stream))
        reached = (stream * LARGEST + newest)[order]
        begins = (keys % LARGEST) * size
        of = keys // LARGEST
        row = order[np.minimum(np.searchsorted(reached, of * LARGEST + begins), steps - 1)]
        birth = np.where(begins < np.array(self.first)[of], -1, row)
        by_birth = np.lexsort((keys, birth))
        rank = np.empty(len(keys), dtype=np.int64)
        rank[by_birth] = np.arange(len(keys))
        block = number[int(fresh.sum()) :]
        old = birth[block] < step
        reads = np.unique((step[old] << 32) | rank[block[old]])
        layers = np.frombuffer(self.layer, dtype=np.intc).astype(np.int32)
        one = np.zeros(len(self.first), dtype=np.int32)
        one[stream] = layers
        requests = len({request for request, _ in self.streams})
        alone = requests == 1  # tokens of several requests would be numbered alike
        return Trace(
            indptr=np.searchsorted(reads, np.arange(steps + 1, dtype=np.int64) << 32).astype(np.int64),
            blocks=(reads & (2**32 - 1)).astype(np.int32),
            birth=birth[by_birth].astype(np.int32),
            death=np.full(len(keys), steps, dtype=np.int32),
            size=np.array([size], dtype=np.int64),
            size_unit="token-layers",
            step_layer=layers,
            block_layer=one[of[by_birth]],
            step_token=newest.astype(np.int32) if alone else None,
            block_token=begins[by_birth].astype(np.int32) if alone else None,
            meta=about | {"rows": steps, "block_tokens": size, "requests": requests},
        )
