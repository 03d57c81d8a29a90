"""``bailian``: requests of chats with the hashes of their prompt's blocks (arXiv 2506.02634), one JSON object a line.

``{"chat_id": 7, "parent_chat_id": -1, "timestamp": 12.5, "input_length": 40, "output_length": 9, "type": "text", "turn": 1,
"hash_ids": [5, 6, 7]}``: timestamp in *seconds*, 16 prompt tokens a block (or as many as the caller says). A turn names the
one before it as its parent, a first one -1. Steps and blocks are as :mod:`placement_opt.workload.formats.requests` says; the
tree is counted in the metadata, and which blocks turns share is what their ids say.
"""

from __future__ import annotations

from os import PathLike
from typing import Any

from placement_opt.base.errors import InputError
from placement_opt.workload.formats.lines import check_limit
from placement_opt.workload.formats.records import ids_of, need, read_records, time_of, whole
from placement_opt.workload.formats.requests import Requests, provenance
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.keep import Keep

#: Tokens in a block where the caller does not say.
BLOCK_TOKENS = 16
_KEYS = {"chat_id", "parent_chat_id", "timestamp", "input_length", "output_length", "hash_ids"}


def read(
    path: str | PathLike[str], *, limit: int | None = None, keep: Keep | None = None, block_tokens: int | None = None
) -> Trace:
    """The trace of a ``bailian`` file, packed or not.

    Parameters are those of :func:`placement_opt.workload.formats.mooncake.read`, and errors likewise. ``meta`` counts the
    chats' first turns (``roots``) and the turns whose parent is not in the file (``orphans``).
    """
    check_limit(limit)
    requests, unused = Requests("s"), set[str]()
    requests.check_size(BLOCK_TOKENS if block_tokens is None else block_tokens)
    chats, parents, roots = set[int](), list[int](), 0
    try:
        for line, record in read_records(path):
            try:
                _add(record, requests)
                chat, parent = _number(record, "chat_id"), _number(record, "parent_chat_id")
            except InputError as error:
                raise error.at(line=line) from None
            chats.add(chat)
            roots += parent == -1
            if parent != -1:
                parents.append(parent)
            unused.update(record.keys() - _KEYS)
        about = provenance("bailian", path, requests.tokens, unused)
        about |= {"roots": roots, "orphans": sum(parent not in chats for parent in parents)}
        return requests.trace(about, limit, keep)
    except InputError as error:
        raise error.at(path=path) from None


def _add(record: dict[str, Any], requests: Requests) -> None:
    time = time_of(need(record, "timestamp"), "seconds", "timestamp")
    answer = whole(record, "output_length") if "output_length" in record else 0
    ids = ids_of(need(record, "hash_ids"), "hash_ids")
    requests.check_count(len(ids), whole(record, "input_length"))
    requests.note(whole(record, "input_length"), answer)
    requests.add(time, ids, date=type(record["timestamp"]) is str)


def _number(record: dict[str, Any], key: str) -> int:
    value = need(record, key)
    if type(value) is not int or not -1 <= value < 2**63:
        raise InputError(f"found {value!r:.40}", "expected a whole number from -1", field=key)
    return value
