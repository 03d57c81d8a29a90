"""``mooncake``: requests with the hashes of their prompt's blocks (FAST'25 traces of arXiv 2407.00079), one JSON object a line.

``{"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46, 47, 2353]}``: timestamp in ms, lengths in
tokens, one id per block of 512 prompt tokens (or of ``block_size``, where the records have one). Equal ids stand for equal
prefixes. A step is a request, in order of time (those of equal time in file order): it reads its blocks that exist, and
produces the others. The last block of a prompt may be partial; ids tell no length, so it counts, like all others, as a whole
block, read as a whole. What a request generates is in no block: the format gives it no ids. Nothing is freed.
"""

from __future__ import annotations

from array import array
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from placement_opt.base.errors import InputError
from placement_opt.base.json import parse_json
from placement_opt.workload.formats.lines import check_limit, file_label, read_lines
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.keep import Keep

#: Tokens in a block where the records do not say.
BLOCK_TOKENS = 512
_LONGEST_LINE = 2**24
_LARGEST = 2**31
_KEYS = ("timestamp", "input_length", "output_length", "hash_ids")


class _Requests(NamedTuple):
    """All requests in file order; a few bytes each, for a small file can hold millions."""

    time: array[float]  # ms
    whole: bytearray  # whether the file has the time as a whole number
    blocks: array[int]  # how many each has
    ids: array[int]  # the blocks of all, numbered as the file first names them


def read(path: str | PathLike[str], *, limit: int | None = None, keep: Keep | None = None) -> Trace:
    """The trace of a ``mooncake`` file, packed with gzip or not.

    Blocks are numbered as they are produced; a read's position is that of its id in ``hash_ids``. ``meta`` says how many reads
    came after a block of the same prompt that did not exist (``reads_after_new``; 0 where ids stand for whole prefixes, as they
    should) and which keys of the records were not used.

    Parameters
    ----------
    path
        The file.
    limit
        Only the first requests in order of time, at least 1; None for all.
    keep
        How long blocks live; a ttl may be in time or in steps. None: for ever.

    Raises
    ------
    InputError
        With file, line and key: no JSON object, a missing key, values of another kind, a number of ids that disagrees with
        ``input_length``, an id twice in one request, changing block sizes, no requests.
    """
    check_limit(limit)
    try:
        requests, about = _parse(path)
        times = np.frombuffer(requests.time)
        taken = np.argsort(times, kind="stable")[:limit]
        trace = _assemble(requests, taken, about | ({"limit": limit} if limit else {}))
        return trace if keep is None else keep.applied(trace, times[taken] / 1000.0)
    except InputError as error:
        raise error.at(path=path) from None


def _parse(path: str | PathLike[str]) -> tuple[_Requests, dict[str, Any]]:
    requests = _Requests(array("d"), bytearray(), array("q"), array("i"))
    numbers: dict[int | str, int] = {}
    unused: set[str] = set()
    kind: type | None = None
    tokens: int | None = None
    for line, text in enumerate(read_lines(path, _LONGEST_LINE), start=1):
        try:
            record = _record(text)
            size = _whole(record, "block_size", 1) if "block_size" in record else BLOCK_TOKENS
            if tokens not in (None, size):
                raise InputError(
                    f"found blocks of {size} tokens after some of {tokens}", "expected one size", field="block_size"
                )
            tokens = size
            time = _time(record["timestamp"])
            _whole(record, "output_length", 0)
            ids = _ids(record["hash_ids"], -(-_whole(record, "input_length", 0) // size), record["input_length"], size)
            kind = kind or (type(ids[0]) if ids else None)
            if not all(type(item) is kind for item in ids):
                raise InputError("found whole numbers and texts mixed", "expected ids of one kind", field="hash_ids")
        except InputError as error:
            raise error.at(line=line) from None
        requests.time.append(time)
        requests.whole.append(type(time) is int)
        requests.blocks.append(len(ids))
        requests.ids.extend(numbers.setdefault(item, len(numbers)) for item in ids)
        unused.update(record.keys() - {*_KEYS, "block_size"})
    if tokens is None:
        raise InputError("found an empty file", "expected one JSON object a line", line=1)
    about = {"format": "mooncake", "file": file_label(path), "block_tokens": tokens, "unused_keys": sorted(unused)}
    return requests, about


def _record(text: bytes) -> dict[str, Any]:
    """The object of one line, all keys there."""
    if not text.strip():
        raise InputError("found an empty line", "expected a JSON object")
    try:
        record = parse_json(text.decode("utf-8"))
    except UnicodeDecodeError:
        raise InputError("found bytes that are not UTF-8", "expected a JSON object") from None
    if not isinstance(record, dict):
        raise InputError(f"found {record!r:.40}", "expected a JSON object")
    for key in _KEYS:
        if key not in record:
            raise InputError("found no such key", "expected it in every record", field=key)
    return record


def _whole(record: dict[str, Any], key: str, low: int) -> int:
    value = record[key]
    if type(value) is not int or not low <= value < _LARGEST:
        raise InputError(f"found {value!r:.40}", f"expected a whole number from {low} to {_LARGEST - 1}", field=key)
    return value


def _time(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value < 2**53:
        raise InputError(f"found {value!r:.40}", "expected milliseconds from 0", field="timestamp")
    return value  # type: ignore[no-any-return]


def _ids(value: Any, expected: int, length: int, size: int) -> list[int | str]:
    if not isinstance(value, list):
        raise InputError(f"found {value!r:.40}", "expected a list of ids", field="hash_ids")
    for item in value:
        if type(item) not in (int, str) or item == "":
            raise InputError(f"found {item!r:.40}", "expected whole numbers or texts", field="hash_ids")
    if len(value) != expected:
        why = f"input_length {length} at {size} tokens a block"
        raise InputError(f"found {len(value)} ids", f"expected {expected} ({why})", field="hash_ids")
    seen: set[int | str] = set()
    for item in value:
        if item in seen:
            raise InputError(f"found {item!r:.40} twice", "expected each id once in a request", field="hash_ids")
        seen.add(item)
    return value


def _assemble(requests: _Requests, taken: npt.NDArray[np.int64], about: dict[str, Any]) -> Trace:
    """Blocks in order of production, each request's ids split into those that exist and those it produces.

    ``taken``: int64[T], the numbers of the requests in order of time.
    """
    steps = len(taken)
    every = np.frombuffer(requests.blocks, dtype=np.int64)
    counts = every[taken]
    step = np.repeat(np.arange(steps), counts)
    ends = np.cumsum(counts)
    place = np.arange(len(step)) + np.repeat((np.cumsum(every) - every)[taken] - (ends - counts), counts)
    named = np.frombuffer(requests.ids, dtype=np.intc)[place] if len(place) else np.zeros(0, dtype=np.intc)
    _, first, inverse = np.unique(named, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    block = rank[inverse]
    new = np.zeros(len(named), dtype=bool)
    new[first] = True
    keys = (step[~new] << 32) | block[~new]
    sort = np.argsort(keys)
    in_prompt = np.arange(len(named)) - np.repeat(ends - counts, counts)
    reads = np.bincount(step[~new], minlength=steps)
    new_before = np.concatenate([[0], np.cumsum(new)])
    new_before = new_before[:-1] - np.repeat(new_before[ends - counts], counts)  # within the same request
    meta = about | {
        "requests": steps,
        "first_ms": _as_written(requests, int(taken[0])),
        "last_ms": _as_written(requests, int(taken[-1])),
        "distinct_times": len(np.unique(np.frombuffer(requests.time)[taken])),
        "reads_after_new": int(np.count_nonzero((new_before > 0) & ~new)),
    }
    return Trace(
        indptr=np.concatenate([[0], np.cumsum(reads)]).astype(np.int64),
        blocks=(keys[sort] & (2**32 - 1)).astype(np.int32),
        birth=step[np.sort(first)].astype(np.int32),
        death=np.full(len(order), steps, dtype=np.int32),
        size=np.array([about["block_tokens"]], dtype=np.int64),
        size_unit="tokens",
        position=in_prompt[~new][sort].astype(np.int32),
        meta=meta,
    )


def _as_written(requests: _Requests, number: int) -> float:
    """The time of a request, whole where the file has it so."""
    time = requests.time[number]
    return int(time) if requests.whole[number] else time
