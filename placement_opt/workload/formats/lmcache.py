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
from placement_opt.workload.formats.lines import check_limit
from placement_opt.workload.formats.records import ids_of, need, read_records, time_of, whole
from placement_opt.workload.formats.requests import Requests, provenance
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.keep import Keep

_KEYS = {"timestamp", "model_name", "chunk_size", "seq_len", "chunk_hashes"}


def read(path: str | PathLike[str], *, limit: int | None = None, keep: Keep | None = None) -> Trace:
    """The trace of an ``lmcache`` file, packed or not.

    Parameters are those of :func:`placement_opt.workload.formats.mooncake.read`, and errors likewise; two models in one file
    are one, too, for their blocks differ in size.
    """
    check_limit(limit)
    requests, unused, models = Requests("s", "seq_len"), set[str](), set[str]()
    try:
        for line, record in read_records(path):
            try:
                _add(record, requests)
                models.add(_model(record))
                if len(models) > 1:
                    found = f"found {record['model_name']!r:.40} after another model"
                    raise InputError(found, "expected one model (split the file by model_name)", field="model_name")
            except InputError as error:
                raise error.at(line=line) from None
            unused.update(record.keys() - _KEYS)
        about = provenance("lmcache", path, requests.tokens, unused) | {"model": models.pop()}
        return requests.trace(about, limit, keep)
    except InputError as error:
        raise error.at(path=path) from None


def _add(record: dict[str, Any], requests: Requests) -> None:
    requests.check_size(whole(record, "chunk_size", 1), "chunk_size")
    time = time_of(need(record, "timestamp"), "seconds", "timestamp")
    ids = ids_of(need(record, "chunk_hashes"), "chunk_hashes")
    requests.check_count(len(ids), whole(record, "seq_len"), field="chunk_hashes", fixed=True)
    requests.note(whole(record, "seq_len"))
    requests.add(time, ids, field="chunk_hashes", date=type(record["timestamp"]) is str)


def _model(record: dict[str, Any]) -> str:
    value = record.get("model_name", "")
    if not isinstance(value, str):
        raise InputError(f"found {value!r:.40}", "expected a text", field="model_name")
    return value
