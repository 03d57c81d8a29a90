"""``lmcache``: lookups in LMCache's log of hashes (``--lookup-hash-log-dir``), one JSON object a line.

``{"timestamp": 1776040000.5, "request_id": "r1", "model_name": "m", "chunk_size": 256, "seq_len": 600, "dtypes": ["bfloat16"],
"shapes": [[2, 32, 256, 1024]], "chunk_hashes": ["aa", "bb"]}``: timestamp in seconds; one hash for each *full* chunk, the tail
of the sequence has none. A hash stands for the whole prefix. All records must be of one model. Steps and blocks are as
:mod:`placement_opt.workload.formats.requests` says.
"""

from __future__ import annotations

from os import PathLike
from typing import Any

from placement_opt.base.errors import InputError
from placement_opt.workload.formats.columns import Keys
from placement_opt.workload.formats.lines import check_limit
from placement_opt.workload.formats.records import ids_of, need, time_of, whole
from placement_opt.workload.formats.requests import Requests, provenance, take
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.keep import Keep

_KEYS = Keys("timestamp", "seq_len", "chunk_hashes", size="chunk_size")


def read(path: str | PathLike[str], *, limit: int | None = None, keep: Keep | None = None) -> Trace:
    """The trace of an ``lmcache`` file, packed or not.

    Parameters are those of :func:`placement_opt.workload.formats.mooncake.read`, and errors likewise; two models in one file
    are one, too, for their blocks differ in size.
    """
    check_limit(limit)
    requests, models = Requests("s", "seq_len"), _Models()
    try:
        seen = take(path, requests, _KEYS, None, lambda record: _add(record, requests), models)
        about = provenance("lmcache", path, requests.tokens, seen.difference(_KEYS, {"model_name"})) | {"model": models.name}
        return requests.trace(about, limit, keep)
    except InputError as error:
        raise error.at(path=path) from None


class _Models:
    """The one model of all lookups."""

    name: str | None = None

    def fit(self, records: list[dict[str, Any]]) -> bool:
        names = [record.get("model_name", "") for record in records]
        return set(map(type, names)) == {str} and len({*names, names[0] if self.name is None else self.name}) == 1

    def note(self, records: list[dict[str, Any]]) -> None:
        for record in records:
            name = record.get("model_name", "")
            if not isinstance(name, str):
                raise InputError(f"found {name!r:.40}", "expected a text", field="model_name")
            if self.name not in (None, name):
                found = f"found {name!r:.40} after another model"
                raise InputError(found, "expected one model (split the file by model_name)", field="model_name")
            self.name = name


def _add(record: dict[str, Any], requests: Requests) -> None:
    requests.check_size(whole(record, "chunk_size", 1), "chunk_size")
    time = time_of(need(record, "timestamp"), "seconds", "timestamp")
    ids = ids_of(need(record, "chunk_hashes"), "chunk_hashes")
    requests.check_count(len(ids), whole(record, "seq_len"), field="chunk_hashes", fixed=True)
    requests.note(whole(record, "seq_len"))
    requests.add(time, ids, field="chunk_hashes", date=type(record["timestamp"]) is str)
