"""Exporters: one format a file, each ``write(trace, path) -> list[str]``: what the format cannot say; loaded when used."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Protocol

from placement_opt.base.registry import Registry

if TYPE_CHECKING:
    from placement_opt.workload.trace import Trace


class Writer(Protocol):
    """Writes a trace in one format, whole or not at all; what is lost, each loss in words."""

    def __call__(self, trace: Trace, path: str | PathLike[str]) -> list[str]: ...


#: Name of a format -> what writes it. Each can be read again by the reader of that name.
WRITERS: Mapping[str, Writer] = Registry(
    __name__,
    {
        "access-csv": "access_csv:write",
        "bailian": "bailian:write",
        "libcachesim-csv": "libcachesim_csv:write",
        "mooncake": "mooncake:write",
        "npz-csr": "npz_csr:write",
        "oracle-general": "oracle_general:write",
        "parquet": "parquet:write",
        "reads-csv": "reads_csv:write",
        "selections": "selections:write",
    },
)
