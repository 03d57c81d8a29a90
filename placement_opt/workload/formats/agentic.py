"""``agentic``: one coding agent's session as one JSON object (the traces of kv-cache-tester, 64 tokens a block).

``{"id": "s", "block_size": 64, "hash_id_scope": "local", "requests": [{"t": 0.0, "in": 128, "out": 9, "hash_ids": [1, 2]}]}``:
``t`` in seconds from the session's start; one id for each full block; ids mean something within the file only. A request may
have ``requests`` of its own (those of a sub-agent): where the first of them has a ``t`` below that of the one that it is in,
theirs count from there. Steps and blocks are as :mod:`placement_opt.workload.formats.requests` says.
"""

from __future__ import annotations

from os import PathLike
from typing import Any

from placement_opt.base.errors import InputError
from placement_opt.base.json import parse_json
from placement_opt.workload.formats.lines import check_limit, read_lines
from placement_opt.workload.formats.records import ids_of, need, time_of, whole
from placement_opt.workload.formats.requests import Requests, provenance
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.keep import Keep

#: Bytes that a session may have: it is one value, and is read as a whole.
LARGEST_FILE = 2**26
#: Tokens in a block where the session does not say.
BLOCK_TOKENS = 64
_KEYS = {"t", "in", "out", "hash_ids", "requests"}


def read(path: str | PathLike[str], *, limit: int | None = None, keep: Keep | None = None) -> Trace:
    """The trace of an ``agentic`` file, packed or not.

    Parameters are those of :func:`placement_opt.workload.formats.mooncake.read`. ``meta`` has the session's ``scope`` of ids.

    Raises
    ------
    InputError
        With the place in the object: no session, missing keys, values of another kind, counts that disagree; a file of more
        than 64 MiB.
    """
    check_limit(limit)
    try:
        session = _session(path)
        requests, unused = Requests("s", "in"), set[str]()
        requests.check_size(whole(session, "block_size", 1) if "block_size" in session else BLOCK_TOKENS)
        _walk(session, "requests", 0.0, requests, unused)
        scope = session.get("hash_id_scope")
        if scope not in (None, "local", "global"):
            raise InputError(f"found {scope!r:.40}", 'expected "local" or "global"', field="hash_id_scope")
        return requests.trace(provenance("agentic", path, requests.tokens, unused) | {"scope": scope or "local"}, limit, keep)
    except InputError as error:
        raise error.at(path=path) from None


def _session(path: str | PathLike[str]) -> dict[str, Any]:
    parts, total = [], 0
    for line in read_lines(path, LARGEST_FILE):
        parts.append(line)
        total += len(line) + 1
        if total > LARGEST_FILE:
            raise InputError(f"found more than {LARGEST_FILE} bytes", "expected one session")
    try:
        session = parse_json(b"\n".join(parts).removeprefix(b"\xef\xbb\xbf").decode("utf-8"))
    except UnicodeDecodeError:
        raise InputError("found bytes that are not UTF-8", "expected a JSON object") from None
    if not isinstance(session, dict):
        raise InputError(f"found {session!r:.40}", "expected a JSON object with requests")
    return session


def _walk(outer: dict[str, Any], place: str, start: float, requests: Requests, unused: set[str]) -> None:
    """All requests of a list and, behind each, those within it; ``start``: what the times of this list count from."""
    inner = need(outer, "requests")
    if not isinstance(inner, list):
        raise InputError(f"found {inner!r:.40}", "expected a list of requests", field=place)
    for number, record in enumerate(inner):
        where = f"{place}[{number}]"
        if not isinstance(record, dict):
            raise InputError(f"found {record!r:.40}", "expected a JSON object", field=where)
        try:
            time = start + time_of(need(record, "t"), "seconds", "t")
            if "hash_ids" in record or "requests" not in record:
                _add(record, time, requests)
        except InputError as error:
            raise InputError(error.found, error.expected, field=f"{where}.{error.field}") from None
        unused.update(record.keys() - _KEYS)
        if "requests" in record:
            within = record["requests"]
            first = within[0].get("t") if isinstance(within, list) and within and isinstance(within[0], dict) else None
            later = isinstance(first, int | float) and start + first >= time
            _walk(record, f"{where}.requests", start if later else time, requests, unused)


def _add(record: dict[str, Any], time: float, requests: Requests) -> None:
    answer = whole(record, "out") if "out" in record else 0
    ids = ids_of(need(record, "hash_ids"), "hash_ids")
    requests.check_count(len(ids), whole(record, "in"), fixed=True)
    requests.note(whole(record, "in"), answer)
    requests.add(time, ids)
