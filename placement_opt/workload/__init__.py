"""Traces: what is read at every step. Files, importers, generators and statistics, each loaded when it is first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from placement_opt.workload.files.npz import load_trace, save_trace
    from placement_opt.workload.formats import READERS
    from placement_opt.workload.stats import TraceInfo, describe_trace
    from placement_opt.workload.trace import Trace

_HOMES = {
    "READERS": "formats",
    "Trace": "trace",
    "TraceInfo": "stats",
    "describe_trace": "stats",
    "load_trace": "files.npz",
    "save_trace": "files.npz",
}
__all__ = ["READERS", "Trace", "TraceInfo", "describe_trace", "load_trace", "save_trace"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
