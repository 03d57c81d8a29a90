"""``aiperf``: requests as AIPerf's ``mooncake_trace`` has them, in sessions, or as its ``profile_export.jsonl`` records them.

``{"session_id": "s", "timestamp": 0, "input_length": 600, "output_length": 9, "hash_ids": [1, 2]}`` (ms, 512 tokens a block
unless ``block_size`` or the caller says other), further turns of the session with ``delay`` (ms after the turn before) instead
of a time. How long a turn takes is in no such file, so that the next is as early as can be; turns of sessions without times
follow in file order. The ids of each turn are those of its whole prompt; a file none of whose turns repeats anything of the
turn before (deltas, to which AIPerf puts the history when it replays them) is refused.

An export has a record ``{"metadata": {"request_start_ns": 5}, "metrics": {"input_sequence_length": {"value": 550}}}`` for each
request that was answered: lengths without ids, whose blocks are read by nobody (``prefixes``: "unknown"). Records that are
texts (``text_input``, ``messages``, ``payload``, ``inputs.json``) have no blocks, and are refused.
"""

from __future__ import annotations

from os import PathLike
from typing import Any

from placement_opt.base.errors import InputError
from placement_opt.workload.formats.lengths import MOST_BLOCKS, MOST_PER_LINE
from placement_opt.workload.formats.lines import check_limit
from placement_opt.workload.formats.records import ids_of, need, read_records, time_of, whole
from placement_opt.workload.formats.requests import Requests, provenance
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.keep import Keep

#: Tokens in a block where neither the records nor the caller say.
BLOCK_TOKENS = 512
_TEXTS = ("text_input", "messages", "payload", "payloads", "data", "turns", "text", "texts")
_KEYS = {"session_id", "timestamp", "delay", "input_length", "output_length", "hash_ids", "block_size", "context_mode"}


def read(
    path: str | PathLike[str], *, limit: int | None = None, keep: Keep | None = None, block_tokens: int | None = None
) -> Trace:
    """The trace of an ``aiperf`` file, packed or not.

    Parameters are those of :func:`placement_opt.workload.formats.mooncake.read`, and errors likewise; besides, an InputError
    for texts and for deltas. ``meta`` counts the ``sessions`` and their further ``turns``.
    """
    check_limit(limit)
    try:
        file = _File(BLOCK_TOKENS if block_tokens is None else block_tokens)
        for line, record in read_records(path):
            try:
                file.add(record, line)
            except InputError as error:
                raise error.at(line=line) from None
        about = provenance("aiperf", path, file.requests.tokens, file.unused)
        return file.requests.trace(about | file.about(), limit, keep)
    except InputError as error:
        raise error.at(path=path) from None


class _File:
    """What is known of the records so far."""

    def __init__(self, block_tokens: int) -> None:
        self.requests = Requests("ms")
        self.default = block_tokens
        self.unused = set[str]()
        self.last: dict[str, tuple[float | None, int | str | None]] = {}  # of each session the time and the first id
        self.turns = self.repeating = self.errors = self.blocks = 0
        self.whole = self.exported = False

    def add(self, record: dict[str, Any], line: int) -> None:
        """One more record, of either kind."""
        if text := next((key for key in _TEXTS if key in record), None):
            expected = (
                "expected input_length and hash_ids (AIPerf's traces with hashes; or log what the server looks up or stores)"
            )
            raise InputError("found a prompt in words, which has no ids", expected, field=text)
        if "metrics" in record:
            self._add_export(record, line)
        else:
            self._add_turn(record)
            self.unused.update(record.keys() - _KEYS)

    def _add_turn(self, record: dict[str, Any]) -> None:
        said = "block_size" in record
        self.requests.check_size(whole(record, "block_size", 1) if said else self.default)
        if "output_length" in record:
            whole(record, "output_length")
        length = whole(record, "input_length")
        if "hash_ids" not in record:
            why = "expected it in every record (--format lengths takes a log without ids, whose prefixes are unknown)"
            raise InputError("found no such key", why, field="hash_ids")
        ids = ids_of(record["hash_ids"], "hash_ids")
        self.requests.check_count(len(ids), length, fixed=said)
        session = record.get("session_id")
        if session is not None and type(session) is not str:
            raise InputError(f"found {session!r:.40}", "expected a text", field="session_id")
        known = self.last.get(session) if session is not None else None
        time = self._time(record, known)
        if known is not None:
            self.turns += 1
            self.whole |= record.get("context_mode") == "message_array_with_responses"
            self.repeating += bool(ids) and ids[0] == known[1]
        if session is not None:
            self.last[session] = (time, ids[0] if ids else None)
        self.requests.add(time, ids)

    def _time(self, record: dict[str, Any], known: tuple[float | None, int | str | None] | None) -> float | None:
        """When a turn is sent at the earliest; None where nothing says."""
        if record.get("timestamp") is not None:
            return time_of(record["timestamp"], "milliseconds", "timestamp")
        delay = 0 if record.get("delay") is None else time_of(record["delay"], "milliseconds", "delay")
        return None if known is None or known[0] is None else known[0] + delay

    def _add_export(self, record: dict[str, Any], line: int) -> None:
        self.exported = True
        self.requests.check_size(self.default)
        about, metrics = record.get("metadata"), record["metrics"]
        if not isinstance(about, dict) or not isinstance(metrics, dict):
            raise InputError("found no table", "expected metadata and metrics", field="metrics")
        if not metrics:  # what failed has none
            self.errors += 1
            return
        start = need(about, "request_start_ns" if "request_start_ns" in about else "timestamp_ns")
        if type(start) is not int or not 0 <= start < 2**63:
            raise InputError(f"found {start!r:.40}", "expected nanoseconds from 0", field="request_start_ns")
        length = metrics.get("input_sequence_length")
        length = whole(length if isinstance(length, dict) else {}, "value")
        blocks = -(-length // self.default)
        self.blocks += blocks
        if self.blocks > MOST_BLOCKS + MOST_PER_LINE * line:
            raise InputError(f"found {self.blocks} blocks up to here", "expected fewer (larger ones, with --block-tokens)")
        self.requests.add_fresh(start / 1e6, blocks)

    def about(self) -> dict[str, Any]:
        """For the metadata; InputError for a file of deltas, or without a request."""
        if not len(self.requests.blocks):
            raise InputError("found no request that was answered", "expected one at least")
        if self.exported:
            return {"prefixes": "unknown"} | ({"failed": self.errors} if self.errors else {})
        if self.turns and not self.repeating and not self.whole:
            found = (
                "found turns none of which repeats the turn before it (deltas, whose history AIPerf adds when it replays them)"
            )
            expected = (
                "expected the ids of each turn's whole prompt (context_mode message_array_with_responses says that they are)"
            )
            raise InputError(found, expected, field="hash_ids")
        return {"sessions": len(self.last), "turns": self.turns, "times": "a turn's own time is not known and counts as none"}
