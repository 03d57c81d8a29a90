"""Importers: one format a file, each ``read(path, *, limit=None, keep=None) -> Trace``, loaded when it is first used."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Protocol

from placement_opt.base.registry import Registry

if TYPE_CHECKING:
    from placement_opt.workload.trace import Trace
    from placement_opt.workload.transforms.keep import Keep


class Reader(Protocol):
    """Reads a file of one format; ``limit`` keeps its first steps only, ``keep`` says how long blocks live (None: for ever)."""

    def __call__(self, path: str | PathLike[str], *, limit: int | None = None, keep: Keep | None = None) -> Trace: ...


#: Name of a format -> its reader.
READERS: Mapping[str, Reader] = Registry(__name__, {"reads-csv": "reads_csv:read", "mooncake": "mooncake:read"})
