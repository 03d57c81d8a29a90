"""``mooncake``: requests with the hashes of their prompt's blocks (FAST'25 traces of arXiv 2407.00079), one JSON object a line.

``{"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46, 47, 2353]}``: timestamp in ms (or a date and
time; without any, file order), lengths in tokens, one id per block of 512 prompt tokens, or of as many as ``block_size`` in the
records or the importer's caller says. Ids may leave the partial last block out, in all records alike. Steps and blocks are as
:mod:`placement_opt.workload.formats.requests` says. Nothing is freed unless ``keep`` says so.
"""

from __future__ import annotations

from os import PathLike
from typing import Any

from placement_opt.base.errors import InputError
from placement_opt.workload.formats.columns import Keys
from placement_opt.workload.formats.lines import check_limit
from placement_opt.workload.formats.records import UNITS, ids_of, time_of, whole
from placement_opt.workload.formats.requests import Requests, provenance, take
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.keep import Keep

#: Tokens in a block where neither the records nor the caller say.
BLOCK_TOKENS = 512
_KEYS = Keys("timestamp", "input_length", "hash_ids", generated="output_length", size="block_size", untimed=True)


def read(
    path: str | PathLike[str],
    *,
    limit: int | None = None,
    keep: Keep | None = None,
    block_tokens: int | None = None,
    time_unit: str | None = None,
) -> Trace:
    """The trace of a ``mooncake`` file, packed or not.

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
    block_tokens
        Tokens of a block where the records do not say; None: 512.
    time_unit
        Of the timestamps: ``"s"`` or ``"ms"``; None: ms.

    Raises
    ------
    InputError
        With file, line and key: no JSON object, a missing key, values of another kind, a number of ids that disagrees with
        ``input_length``, an id twice in one request, changing block sizes, no requests.
    """
    check_limit(limit)
    try:
        requests, about = _parse(path, block_tokens, time_unit)
        return requests.trace(about, limit, keep)
    except InputError as error:
        raise error.at(path=path) from None


def _parse(
    path: str | PathLike[str], block_tokens: int | None = None, time_unit: str | None = None
) -> tuple[Requests, dict[str, Any]]:
    requests = Requests(time_unit or "ms")
    default = BLOCK_TOKENS if block_tokens is None else block_tokens
    seen = take(path, requests, _KEYS, default, lambda record: _add(record, requests, default))
    return requests, provenance("mooncake", path, requests.tokens, seen.difference(_KEYS))


def _add(record: dict[str, Any], requests: Requests, default: int) -> None:
    said = "block_size" in record
    requests.check_size(whole(record, "block_size", 1) if said else default)
    time = time_of(record["timestamp"], UNITS[requests.unit], "timestamp") if "timestamp" in record else None
    answer = whole(record, "output_length") if "output_length" in record else 0
    length = whole(record, "input_length")
    if "hash_ids" not in record:
        why = "expected it in every record (--format lengths takes a log without ids, no prefix of which is known to be shared)"
        raise InputError("found no such key", why, field="hash_ids")
    ids = ids_of(record["hash_ids"], "hash_ids")
    requests.check_count(len(ids), length, fixed=said)
    requests.note(length, answer)
    requests.add(time, ids, date=type(record.get("timestamp")) is str)
