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


#: Name of a format -> where its reader is, how names of its files end, and what its reader can be told
#: besides. An ending that is longer than another comes first.
_FORMATS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "bailian": ("bailian:read", (".bailian.jsonl",), ("block_tokens", "time_unit")),
    "lmcache": ("lmcache:read", (".lmcache.jsonl",), ()),
    "kv-events": ("kv_events:read", (".kvevents.jsonl", ".kvevents"), ("gaps", "group_layers")),
    "agentic": ("agentic:read", (".agentic.json",), ()),
    "selections": ("selections:read", (".selections.jsonl",), ("block_tokens",)),
    "access-csv": ("access_csv:read", (".access.csv",), ("block_tokens",)),
    "oracle-general": ("oracle_general:read", (".oracleGeneral", ".oracleGeneral.bin"), ()),
    "libcachesim-csv": ("libcachesim_csv:read", (".libcachesim.csv",), ("block_tokens",)),
    "parquet": ("parquet:read", (".parquet",), ("block_tokens",)),
    "npz-csr": ("npz_csr:read", (".csr.npz",), ("block_tokens",)),
    "npy": ("npy:read", (".npy",), ("block_tokens",)),
    "aiperf": ("aiperf:read", (".aiperf.jsonl",), ("block_tokens",)),
    "lengths": ("lengths:read", (".lengths.csv",), ("block_tokens",)),
    "reads-csv": ("reads_csv:read", (".csv",), ()),
    "mooncake": ("mooncake:read", (".jsonl", ".jsonl.gz", ".jsonl.zst"), ("block_tokens", "time_unit")),
}
#: Name of a format -> its reader.
READERS: Mapping[str, Reader] = Registry(__name__, {name: place for name, (place, _, _) in _FORMATS.items()})
#: How a file's name ends -> its format.
ENDINGS = {ending: name for name, (_, endings, _) in _FORMATS.items() for ending in endings}
#: Name of a format -> keywords of its reader beside ``limit`` and ``keep``.
OPTIONS = {name: options for name, (_, _, options) in _FORMATS.items()}
