"""Which format a file has, by what it begins with, and the trace of a file of any format."""

from __future__ import annotations

import os
import re
from os import PathLike
from typing import Any

from placement_opt.base.errors import InputError
from placement_opt.base.json import parse_json
from placement_opt.workload.formats import OPTIONS, READERS
from placement_opt.workload.formats.foreign import check_foreign
from placement_opt.workload.formats.kv_batches import is_packed
from placement_opt.workload.formats.lines import STDIN, open_unpacked, shown
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.keep import Keep

#: Bytes of a file that are looked at.
_HEAD = 2**20
_MARK = b"\xef\xbb\xbf"
#: How a batch of KV events begins that is written as a list.
_BATCH = re.compile(rb"\[\s*[0-9.eE+-]+\s*,\s*\[")
#: Columns of a prompt's length, as they are usually called, in lower case.
LENGTHS = ("contexttokens", "request tokens", "num_prefill_tokens", "input_length", "input_toks", "prompt_len")
#: Keys of a first record -> the format; the first whose keys are all there.
_BY_KEYS: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"hash_ids", "parent_chat_id"}), "bailian"),
    (frozenset({"chunk_hashes"}), "lmcache"),
    (frozenset({"selected_token_pos"}), "selections"),
    (frozenset({"ts", "events"}), "kv-events"),
    (frozenset({"requests"}), "agentic"),
    *((frozenset({"hash_ids", key}), "aiperf") for key in ("session_id", "delay", "context_mode")),
    (frozenset({"metadata", "metrics"}), "aiperf"),
    (frozenset({"hash_ids"}), "mooncake"),
    (frozenset({"input_length"}), "mooncake"),
    *((frozenset({key}), "aiperf") for key in ("text_input", "messages", "payload")),
    (frozenset({"input_toks"}), "lengths"),
)
#: What the first line of a table may have in it.
_PRINTABLE = re.compile(rb"[\t\x20-\x7e\x80-\xff]+")
#: How binary files begin -> the format.
_BY_MAGIC = {b"PAR1": "parquet", b"PK\x03\x04": "npz-csr", b"\x93NUMPY": "npy"}


def read_any(
    path: str | PathLike[str],
    format: str | None = None,
    *,
    limit: int | None = None,
    keep: Keep | None = None,
    **options: Any,
) -> Trace:
    """The trace of a file of the named format, or of the one that it is found to have.

    ``options``: further keywords of readers (``block_tokens``); those that are None are left out.

    Raises
    ------
    InputError
        As the reader's; a format that is not recognised; an option that the format has no use for.
    """
    name = detect(path) if format is None else format
    given = {key: value for key, value in options.items() if value is not None}
    for key in given.keys() - set(OPTIONS[name]):
        raise InputError(f"found it with the format {name}", "expected a format that has a use for it", field=key)
    return READERS[name](path, limit=limit, keep=keep, **given)


def detect(path: str | PathLike[str]) -> str:
    """The format of a file, by its first line (binary ones by their names); InputError for none that is known."""
    if os.fspath(path) == STDIN:
        raise InputError("found nothing with standard input", f"expected one of {', '.join(READERS)}", field="format")
    if os.fspath(path).endswith((".oracleGeneral", ".oracleGeneral.bin")):
        return "oracle-general"
    try:
        head = _head(path)
        found = _of_text(head)
        if found is None:
            _check_table(head)
    except InputError as error:
        raise error.at(path=path) from None
    if found is None:
        expected = f"expected one that is known, or its name (--format {', '.join(READERS)})"
        raise InputError("found a format that is not recognised", expected, path=path)
    return found


def _head(path: str | PathLike[str]) -> bytes:
    """The first bytes, unpacked; what is wrong with packed data is for the reader to say."""
    with open_unpacked(path) as (stream, most):
        if most is None:
            return stream.read(_HEAD)
        try:
            return stream.read(_HEAD)
        except InputError:
            raise
        except Exception as error:
            raise InputError(
                f"found a file that cannot be read on ({error})", "expected whole packed data", path=path
            ) from None


def _of_text(head: bytes) -> str | None:
    if name := next((name for magic, name in _BY_MAGIC.items() if head.startswith(magic)), None):
        return name
    if is_packed(head):
        return "kv-events"
    head = head.removeprefix(_MARK).lstrip()
    check_foreign(head)
    line = head.split(b"\n", 1)[0].strip()
    if line.startswith(b"["):
        return "mooncake" if line.startswith(b"[{") else "kv-events" if _BATCH.match(line) else None
    if not line.startswith(b"{"):
        return _of_table(line)
    try:
        record = parse_json(line.decode("utf-8"))
    except (InputError, UnicodeDecodeError):
        return next((name for keys, name in _BY_KEYS if all(b'"%s"' % key.encode() in head for key in keys)), None)
    return next((name for keys, name in _BY_KEYS if keys <= record.keys()), None)


def _of_table(line: bytes) -> str | None:
    columns = columns_of(line)
    if columns[:3] == ["n", "l", "read_kv"]:
        return "reads-csv"
    if {"step", "block"} <= set(columns):
        return "access-csv"
    if {"obj_id", "obj-id", "object_id"} & set(columns):
        return "libcachesim-csv"
    return "lengths" if any(name in columns for name in LENGTHS) else None


def _check_table(head: bytes) -> None:
    """Say what a table of accesses lacks; nothing of what is none."""
    if not head.removeprefix(_MARK).strip():
        raise InputError("found an empty file", "expected a log, or a table with a header")
    line = head.removeprefix(_MARK).lstrip().split(b"\n", 1)[0].strip()
    for separator in (b";", b"\t", b"|"):
        if separator in line and b"," not in line and _PRINTABLE.fullmatch(line):
            raise InputError(f"found columns apart by {separator.decode()!r}", "expected commas", line=1)
    if b"," in line and _PRINTABLE.fullmatch(line) and line[:1] not in b"{[":
        expected = "expected one with step and block (and perhaps bytes, layer, rw), or of another table of docs/formats.md"
        raise InputError(f"found the header {shown(line)}", expected, line=1)


def columns_of(line: bytes) -> list[str]:
    """The names in the header of a table, in lower case."""
    return [part.strip().strip('"').lower() for part in line.removeprefix(_MARK).decode("utf-8", "replace").split(",")]
