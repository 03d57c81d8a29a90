"""Importers: one format a file, each ``read(path, *, limit=None, keep=None) -> Trace``, loaded when it is first used."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from placement_opt.workload.trace import Trace
    from placement_opt.workload.transforms.keep import Keep


class Reader(Protocol):
    """Reads a file of one format; ``limit`` keeps its first steps only, ``keep`` says how long blocks live (None: for ever)."""

    def __call__(self, path: str | PathLike[str], *, limit: int | None = None, keep: Keep | None = None) -> Trace: ...


def _reads_csv(path: str | PathLike[str], *, limit: int | None = None, keep: Keep | None = None) -> Trace:
    from placement_opt.workload.formats.reads_csv import read

    return read(path, limit=limit, keep=keep)


def _mooncake(path: str | PathLike[str], *, limit: int | None = None, keep: Keep | None = None) -> Trace:
    from placement_opt.workload.formats.mooncake import read

    return read(path, limit=limit, keep=keep)


#: Name of a format -> its reader.
READERS: Mapping[str, Reader] = MappingProxyType({"reads-csv": _reads_csv, "mooncake": _mooncake})
