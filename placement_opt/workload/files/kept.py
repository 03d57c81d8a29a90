"""Traces of imported files, kept in the user's cache, so that a log is imported once whatever instances name it.

A trace is kept under the SHA-256 of all that it follows from: the bytes of the file, its name (which the metadata has), format
and options, and the sources of the importers. What cannot be read, written or used there is as if it were not there. The folder
is ``placement-opt/traces`` in ``$XDG_CACHE_HOME``, else in ``~/.cache``; only one that nobody else can write to is used.
"""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Any

from placement_opt.base.atomic import open_regular
from placement_opt.base.errors import InputError, PlacementError, shown
from placement_opt.base.json import dump_json
from placement_opt.base.units import parse_size
from placement_opt.base.user_cache import usable, user_cache
from placement_opt.workload.files.npz import load_trace, save_trace
from placement_opt.workload.formats.detect import detect, read_any
from placement_opt.workload.formats.lines import file_label
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.keep import Keep

#: The environment variable that says how many bytes may be kept, or "off"; and what holds without it.
VARIABLE, MOST = "PLACEMENT_OPT_TRACE_CACHE", 2**30
_PACKAGE = Path(__file__).resolve().parents[2]
#: Seconds after which a file that was begun and not finished is nobody's any more.
_ABANDONED = 86_400


def read_kept(path: str | PathLike[str], format: str | None, *, limit: int | None, keep: Keep | None, **options: Any) -> Trace:
    """As :func:`placement_opt.workload.formats.detect.read_any`, which is asked only where the trace is not kept yet.

    Raises
    ------
    InputError
        As that; a size in the environment that is none.
    """
    most = _most()
    name = detect(path) if format is None else format
    place = None if most == 0 else _place(path, name, {"limit": limit, "keep": repr(keep), **options})
    if place is not None and (trace := _found(place)) is not None:
        return trace
    before = _state(path)
    trace = read_any(path, name, limit=limit, keep=keep, **options)
    if place is not None and before is not None and before == _state(path):
        _keep(trace, place, most)
    return trace


def _most() -> int:
    """Bytes that may be kept."""
    text = os.environ.get(VARIABLE, "")
    if not text:
        return MOST
    if text in ("off", "0"):
        return 0
    try:
        return parse_size(text)
    except InputError:
        raise InputError(f"found {shown(text)}", 'expected "off" or a size such as "4 GiB"', field=VARIABLE) from None


def _place(path: str | PathLike[str], format: str, options: dict[str, Any]) -> Path | None:
    """The file that the trace is kept in, or would be; None where there is no such folder."""
    cache = user_cache()
    if cache is None or not usable(cache / "traces", private=True):
        return None
    about = [file_label(path), format, options, _importers()]
    digest = hashlib.sha256(dump_json(about).encode("ascii"))
    with open_regular(path) as handle:
        while data := handle.read(2**20):
            digest.update(data)
    return cache / "traces" / f"{digest.hexdigest()}.npz"


@cache
def _importers() -> str:
    """Of all sources that a trace of an imported file may depend on."""
    digest = hashlib.sha256()
    for folder in ("base", "workload"):
        for source in sorted((_PACKAGE / folder).rglob("*.py")):
            digest.update(hashlib.sha256(source.read_bytes()).digest())
    return digest.hexdigest()


def _found(place: Path) -> Trace | None:
    try:
        trace = load_trace(place)
        os.utime(place)  # the one that was not used for longest goes first
    except (PlacementError, OSError):
        return None
    return trace


def _state(path: str | PathLike[str]) -> tuple[int, ...] | None:
    """What changes when a file does."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _keep(trace: Trace, place: Path, most: int) -> None:
    with suppress(PlacementError, OSError):
        save_trace(trace, place)
        if place.stat().st_size > most:
            place.unlink()
        _make_room(place.parent, most)


def _make_room(folder: Path, most: int) -> None:
    """Remove what was not used for longest, until the rest takes at most so many bytes; and what was never finished."""
    ages = []
    for one in folder.iterdir():
        with suppress(OSError):
            found = one.stat()
            if one.suffix == ".npz":
                ages.append((found.st_mtime_ns, found.st_size, one))
            elif found.st_mtime < time.time() - _ABANDONED:
                one.unlink()
    total = sum(size for _, size, _ in ages)
    for _, size, one in sorted(ages):
        if total <= most:
            return
        with suppress(OSError):
            one.unlink()
        total -= size
