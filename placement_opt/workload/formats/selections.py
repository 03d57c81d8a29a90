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
from contextlib import suppress
from itertools import chain, islice
from os import PathLike
from typing import Any

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError
from placement_opt.workload.formats.lines import check_limit, file_label
from placement_opt.workload.formats.records import LARGEST, need, read_many, whole
from placement_opt.workload.trace import MOST_LAYERS, Trace
from placement_opt.workload.transforms.keep import Keep

#: Blocks of all requests for each selected position, up to which a table of them is made instead of sorting.
MOST_TABLE = 8


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
        every = chain.from_iterable(records.each(path) for records in read_many(path))
        for line, record in islice(every, limit):
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
        self.positions: array[int] = array("q")

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
        positions = _positions(chosen, length)
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
        self.positions.extend(positions)

    def _bases(self) -> tuple[Int64, int | None]:
        """What the blocks of each request and layer are counted from; and how many all have, where a table can hold them."""
        blocks = np.array(self.length) // self.tokens + 1
        if blocks.sum() > MOST_TABLE * (len(self.positions) + len(self.stream)):
            return np.arange(len(blocks)) * LARGEST, None
        return np.cumsum(blocks) - blocks, int(blocks.sum())

    def trace(self, about: dict[str, Any]) -> Trace:
        stream, newest = np.frombuffer(self.stream, dtype=np.int64), np.frombuffer(self.newest, dtype=np.int64)
        steps, size, first = len(stream), self.tokens, np.array(self.first)
        counts = np.frombuffer(self.counts, dtype=np.int64)
        position = np.frombuffer(self.positions, dtype=np.int64) if self.positions else np.zeros(0, dtype=np.int64)
        base, dense = self._bases()
        wanted = np.repeat(base[stream], counts) + (position if size == 1 else position // size)
        # A row makes the block that its newest token lies in, where that begins behind the prefill and no row before made it.
        fresh = (newest // size) * size >= first[stream]
        made = (base[stream] + newest // size)[fresh]
        keys, number = _numbered(np.concatenate([made, wanted]), dense)
        of = np.searchsorted(base, keys, side="right") - 1
        begins = (keys - base[of]) * size
        # The row that produces a block: the first of its stream whose newest token is not before the block's first.
        order = np.lexsort((np.arange(steps), stream))
        reached = (stream * LARGEST + newest)[order]
        row = order[np.minimum(np.searchsorted(reached, of * LARGEST + begins), steps - 1)]
        birth = np.where(begins < first[of], -1, row)
        by_birth = np.lexsort((keys, birth))
        rank = np.empty(len(keys), dtype=np.int64)
        rank[by_birth] = np.arange(len(keys))
        block = number[len(made) :]
        step = np.repeat(np.arange(steps), counts)
        reads = (step << 32) | rank[block]
        if len(made):
            reads = reads[birth[block] < step]
        reads.sort()
        reads = reads[np.diff(reads, prepend=-1) > 0]
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


def _positions(chosen: list[int], length: int) -> array[int]:
    """Token positions below ``length``."""
    found: array[int] = array("q")
    with suppress(OverflowError):
        found.fromlist(chosen)
    numbers = np.frombuffer(found, dtype=np.int64) if found else np.full(min(len(chosen), 1), -1)
    if len(numbers) and (numbers.min() < 0 or numbers.max() >= length):
        wrong = next(one for one in chosen if not 0 <= one < length)
        expected = f"expected positions from 0 to {length - 1} (seq_len_current {length})"
        raise InputError(f"found {wrong!r:.40}", expected, field="selected_token_pos")
    return found


def _numbered(keys: Int64, most: int | None) -> tuple[Int64, Int64]:
    """The distinct keys, ascending, and of each key its number among them; ``most``: keys are below, where that is little."""
    if most is None:
        return np.unique(keys, return_inverse=True)
    found = np.zeros(most, dtype=bool)
    found[keys] = True
    return np.flatnonzero(found), (np.cumsum(found) - 1)[keys]
