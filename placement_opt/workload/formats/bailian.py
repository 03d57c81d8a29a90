"""``bailian``: requests of chats with the hashes of their prompt's blocks (arXiv 2506.02634), one JSON object a line.

``{"chat_id": 7, "parent_chat_id": -1, "timestamp": 12.5, "input_length": 40, "output_length": 9, "type": "text", "turn": 1,
"hash_ids": [5, 6, 7]}``: timestamp in *seconds*, 16 prompt tokens a block (or as many as the caller says). A turn names the
one before it as its parent, a first one -1. Steps and blocks are as :mod:`placement_opt.workload.formats.requests` says; the
tree is counted in the metadata, and which blocks turns share is what their ids say.
"""

from __future__ import annotations

from array import array
from os import PathLike
from typing import Any

import numpy as np

from placement_opt.base.errors import InputError
from placement_opt.workload.formats.columns import Keys
from placement_opt.workload.formats.lines import check_limit
from placement_opt.workload.formats.records import UNITS, ids_of, need, time_of, whole
from placement_opt.workload.formats.requests import Requests, provenance, take
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.keep import Keep

#: Tokens in a block where the caller does not say.
BLOCK_TOKENS = 16
_KEYS = Keys("timestamp", "input_length", "hash_ids", generated="output_length")
_OTHERS = ("chat_id", "parent_chat_id")


def read(
    path: str | PathLike[str],
    *,
    limit: int | None = None,
    keep: Keep | None = None,
    block_tokens: int | None = None,
    time_unit: str | None = None,
) -> Trace:
    """The trace of a ``bailian`` file, packed or not.

    Parameters are those of :func:`placement_opt.workload.formats.mooncake.read`, but for times (None: s), and errors
    likewise. ``meta`` counts the
    chats' first turns (``roots``) and the turns whose parent is not in the file (``orphans``).
    """
    check_limit(limit)
    requests, turns = Requests(time_unit or "s"), _Turns()
    tokens = BLOCK_TOKENS if block_tokens is None else block_tokens
    requests.check_size(tokens)
    try:
        seen = take(path, requests, _KEYS, tokens, lambda record: _add(record, requests), turns)
        about = provenance("bailian", path, requests.tokens, seen.difference(_KEYS, _OTHERS)) | turns.counts()
        return requests.trace(about, limit, keep)
    except InputError as error:
        raise error.at(path=path) from None


class _Turns:
    """Which chat each turn is, and which it follows."""

    def __init__(self) -> None:
        self.chats: array[int] = array("q")
        self.parents: array[int] = array("q")

    def fit(self, records: list[dict[str, Any]]) -> bool:
        every: list[Any] = [record.get(key) for key in _OTHERS for record in records]
        return set(map(type, every)) == {int} and min(every) >= -1 and max(every) < 2**63

    def note(self, records: list[dict[str, Any]]) -> None:
        self.chats.extend([_number(record, "chat_id") for record in records])
        self.parents.extend([_number(record, "parent_chat_id") for record in records])

    def counts(self) -> dict[str, int]:
        chats, parents = np.frombuffer(self.chats, dtype=np.int64), np.frombuffer(self.parents, dtype=np.int64)
        orphans = (parents != -1) & ~np.isin(parents, chats)
        return {"roots": int(np.count_nonzero(parents == -1)), "orphans": int(orphans.sum())}


def _add(record: dict[str, Any], requests: Requests) -> None:
    time = time_of(need(record, "timestamp"), UNITS[requests.unit], "timestamp")
    answer = whole(record, "output_length") if "output_length" in record else 0
    ids = ids_of(need(record, "hash_ids"), "hash_ids")
    length = whole(record, "input_length")
    requests.check_count(len(ids), length)
    requests.note(length, answer)
    requests.add(time, ids, date=type(record["timestamp"]) is str)


def _number(record: dict[str, Any], key: str) -> int:
    value = need(record, key)
    if type(value) is not int or not -1 <= value < 2**63:
        raise InputError(f"found {value!r:.40}", "expected a whole number from -1", field=key)
    return value
