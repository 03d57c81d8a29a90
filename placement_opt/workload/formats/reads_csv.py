"""``reads-csv``: one line per decode step and layer, with the tokens whose KV it reads.

The format of the simulator behind arXiv 2508.13231: a header ``n,l,read_kv``, then rows ``1000,0,"[3,17,42]"``: layer l, while
producing token n, reads these token positions (in any order, perhaps none). Rows in file order are the steps. Tokens below
the first n are the prefill: their blocks, one for each layer that the file has, exist from the start. Row (n, l) produces
block (n, l). Nothing is freed.
"""

from __future__ import annotations

from itertools import islice
from os import PathLike
from typing import NamedTuple

import numpy as np

from placement_opt.base.arrays import Int32, Int64
from placement_opt.base.errors import InputError
from placement_opt.workload.formats.lines import check_limit, file_label, read_lines, shown
from placement_opt.workload.trace import MOST_LAYERS, Trace
from placement_opt.workload.transforms.keep import Keep

#: Token positions are below this.
MOST_TOKENS = 2**24
#: Blocks of the prefill and of all rows; fewer where there are few reads, for a short file can ask for very many.
MOST_BLOCKS, SMALL_BLOCKS, MOST_PER_READ = 2**27, 2**22, 256
_HEADER = b"n,l,read_kv"
_LONGEST_LINE = 2**23
_BATCH_BYTES = 2**22
_ITEMS = b"0123456789,"


class _Rows(NamedTuple):
    """Some consecutive rows, parsed: tokens ascending within each row."""

    token: Int64  # n of each row
    layer: Int64  # l of each row
    counts: Int64  # tokens that each row reads
    reads: Int32  # these tokens, row after row


def read(path: str | PathLike[str], *, limit: int | None = None, keep: Keep | None = None) -> Trace:
    """The trace of a ``reads-csv`` file, packed with gzip or not.

    Blocks are one token of one layer, numbered as they are produced: the prefill token by token and within a token layer by
    layer, then the rows'. Steps and blocks carry their token and layer as labels.

    Parameters
    ----------
    path
        The file.
    limit
        Only the first rows, at least 1; None for all. (Layers are then those of these rows.)
    keep
        How long blocks live; a ttl is in steps (rows), which have no times. None: for ever.

    Raises
    ------
    InputError
        With file, line and column: an unclosed list, anything but whole numbers, a token that does not exist yet at its row
        or that the row names twice, rows out of order, other columns, no rows.
    """
    check_limit(limit)
    if keep is not None:
        keep.check_untimed()
    try:
        batches = _parse(path, limit)
        about: dict[str, object] = {"format": "reads-csv", "file": file_label(path)} | ({"limit": limit} if limit else {})
        trace = _assemble(batches, about)
        return trace if keep is None else keep.applied(trace)
    except InputError as error:
        raise error.at(path=path) from None


def _parse(path: str | PathLike[str], limit: int | None) -> list[_Rows]:
    """All rows, in batches of some megabytes of text each."""
    lines = read_lines(path, _LONGEST_LINE)
    header = next(lines, None)
    if header != _HEADER:
        found = "found an empty file" if header is None else f"found {shown(header)}"
        raise InputError(found, f"expected the header {_HEADER.decode()}", line=1)
    batches: list[_Rows] = []
    heads: list[tuple[int, int]] = []
    bodies: list[bytes] = []
    waiting, line, last = 0, 1, (-1, -1)
    for line, text in enumerate(islice(lines, limit), start=2):
        try:
            token, layer, body = _split(text)
            _check_order(token, layer, last)
        except InputError as error:
            _convert(heads, bodies, line - len(heads))  # an earlier line of this batch may be wrong, too
            raise error.at(line=line) from None
        last = (token, layer)
        heads.append(last)
        bodies.append(body)
        waiting += len(text)
        if waiting >= _BATCH_BYTES:
            batches.append(_convert(heads, bodies, line + 1 - len(heads)))
            heads, bodies, waiting = [], [], 0
    if line == 1:
        raise InputError("found no rows", "expected at least one after the header", line=1)
    batches.append(_convert(heads, bodies, line + 1 - len(heads)))
    return batches


def _check_order(token: int, layer: int, last: tuple[int, int]) -> None:
    if (token, layer) <= last:
        found = f"found row ({token}, {layer}) after row ({last[0]}, {last[1]})"
        field = "n" if token < last[0] else "l"
        raise InputError(found, "expected n never to fall and l to rise within n", field=field)


def _split(text: bytes) -> tuple[int, int, bytes]:
    """n, l and the inside of the list (digits and commas only) of one line."""
    columns = text.split(b",", 2)
    if len(columns) < 3:
        found = f"found {len(columns)} columns" if text else "found an empty line"
        raise InputError(found, 'expected three, such as 1000,0,"[3,17,42]"')
    field = columns[2]
    token = _number(columns[0], "n", MOST_TOKENS)
    layer = _number(columns[1], "l", MOST_LAYERS)
    if field.startswith(b'"[') and field.endswith(b']"'):
        body = field[2:-2]
    elif field.startswith(b"[") and field.endswith(b"]") and b"," not in field:
        body = field[1:-1]
    else:
        raise _no_list(field)
    body = body.replace(b", ", b",")
    if body and (body.translate(None, _ITEMS) or b",," in body or not body[:1].isdigit() or not body[-1:].isdigit()):
        item = next(item for item in body.split(b",") if not item.isdigit())
        raise InputError(f"found {shown(item)}", "expected token positions (whole numbers from 0)", field="read_kv")
    return token, layer, body


def _number(text: bytes, field: str, end: int) -> int:
    if not text.isdigit() or len(text) > 9 or int(text) >= end:
        raise InputError(f"found {shown(text)}", f"expected a whole number from 0 to {end - 1}", field=field)
    return int(text)


def _no_list(field: bytes) -> InputError:
    """What is wrong with a third column that is no list in quotes."""
    expected = 'expected a list in quotes such as "[3,17,42]"'
    if b"[" not in field:
        return InputError(f"found {shown(field)}", expected, field="read_kv")
    if b"]" not in field:
        return InputError(f"found {shown(field)}, a list that is not closed", expected, field="read_kv")
    inside, _, rest = field.partition(b"]")
    if (more := rest.removeprefix(b'"')).startswith(b","):
        return InputError(f"found more columns after the list ({shown(more)})", "expected three", field="read_kv")
    if inside.startswith(b"[") and b"," in inside:
        return InputError("found a list of several tokens without quotes", expected, field="read_kv")
    return InputError(f"found {shown(field)}", expected, field="read_kv")


def _convert(heads: list[tuple[int, int]], bodies: list[bytes], first_line: int) -> _Rows:
    """Text to numbers for many rows at once; refuses tokens that are not before their row's n, and repeated ones."""
    token, layer = np.array(heads, dtype=np.int64).reshape(-1, 2).T
    counts = np.array([body.count(b",") + 1 if body else 0 for body in bodies], dtype=np.int64)
    text = b",".join([body for body in bodies if body])
    reads = np.fromstring(text, dtype=np.int64, sep=",") if text else np.empty(0, dtype=np.int64)
    rows = np.repeat(np.arange(len(heads), dtype=np.int64), counts)
    late = reads >= token[rows]  # numbers beyond 64 bits arrive as the largest one and are late, too
    end = int(np.argmax(late)) if late.any() else len(reads)
    keys = (rows[:end] << 32) | reads[:end]
    keys.sort()
    twice = keys[1:] == keys[:-1]
    if twice.any():
        row, double = divmod(int(keys[np.argmax(twice)]), 2**32)
        raise InputError(f"found token {double} twice", "expected each token once", line=first_line + row, field="read_kv")
    if end < len(reads):
        row = int(rows[end])
        item = bodies[row].split(b",")[end - int(counts[:row].sum())][:20].decode()
        expected = f"expected tokens before n = {int(token[row])}"
        raise InputError(f"found token {item}", expected, line=first_line + row, field="read_kv")
    return _Rows(token, layer, counts, (keys & (2**32 - 1)).astype(np.int32))


def _assemble(batches: list[_Rows], meta: dict[str, object]) -> Trace:
    """Token positions to block ids, once the layers are known."""
    token = np.concatenate([batch.token for batch in batches])
    label = np.concatenate([batch.layer for batch in batches])
    counts = np.concatenate([batch.counts for batch in batches])
    layers, layer = np.unique(label, return_inverse=True)
    steps, prefill = len(token), int(token[0])
    old = prefill * len(layers)
    most = min(MOST_BLOCKS, SMALL_BLOCKS + MOST_PER_READ * (steps + int(counts.sum())))
    if old + steps > most:
        found = f"found {prefill} prefill tokens, {len(layers)} layers and {steps} rows"
        raise InputError(found, f"expected at most {most} blocks with so many reads", line=2, field="n")
    produced = token * len(layers) + layer  # of each row the block it produces, counted as if no row were missing
    blocks = np.empty(int(counts.sum()), dtype=np.int32)
    row = place = 0
    for number, batch in enumerate(batches):
        rows = np.repeat(np.arange(row, row + len(batch.counts)), batch.counts)
        wanted = batch.reads * np.int64(len(layers)) + layer[rows]
        blocks[place : place + len(wanted)] = _ids(wanted, rows, old, produced, label)
        row, place = row + len(batch.counts), place + len(wanted)
        batches[number] = batch._replace(reads=batch.reads[:0])  # half the memory at the end
    step_token, step_layer = token.astype(np.int32), label.astype(np.int32)
    return Trace(
        indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        blocks=blocks,
        birth=np.concatenate([np.full(old, -1, dtype=np.int32), np.arange(steps, dtype=np.int32)]),
        death=np.full(old + steps, steps, dtype=np.int32),
        size=np.ones(1, dtype=np.int64),
        size_unit="token-layers",
        step_token=step_token,
        step_layer=step_layer,
        block_token=np.concatenate([np.repeat(np.arange(prefill, dtype=np.int32), len(layers)), step_token]),
        block_layer=np.concatenate([np.tile(layers.astype(np.int32), prefill), step_layer]),
        meta=meta | {"rows": steps, "prefill_tokens": prefill, "layers": len(layers)},
    )


def _ids(wanted: Int64, rows: Int64, old: int, produced: Int64, label: Int64) -> Int64:
    """Ids of the blocks ``wanted`` = token * layers + layer; InputError for one that no earlier row produced.

    Where no row is missing these are the ids already.
    """
    if produced[0] == old and produced[-1] == old + len(produced) - 1:
        return wanted
    place = np.minimum(np.searchsorted(produced, wanted), len(produced) - 1)
    missing = (wanted >= old) & (produced[place] != wanted)
    if missing.any():
        read = int(np.argmax(missing))
        row = int(rows[read])
        token = int(wanted[read]) // len(np.unique(label))
        found = f"found token {token}, which layer {int(label[row])} did not produce"
        raise InputError(found, "expected tokens of the prefill or of an earlier row", line=row + 2, field="read_kv")
    return np.where(wanted >= old, old + place, wanted)
