"""One line about a trace that was written, in rows or in runs, or about a recording."""

from __future__ import annotations

from placement_opt.report.numbers import count
from placement_opt.workload.formats.kv_recorder import Recording
from placement_opt.workload.layers import Layers
from placement_opt.workload.trace import Trace


def saved(trace: Trace, path: str) -> str:
    """``"t.npz: 400 steps, 88,160 reads, 2,400 blocks"``."""
    return f"{path}: {count(trace.num_steps)} steps, {count(trace.num_reads)} reads, {count(trace.num_blocks)} blocks"


def saved_runs(layers: Layers, path: str) -> str:
    """``"t.runs: 4 layers of 100 turns, 88,160 reads"``."""
    reads = sum(int(layers.reads(layer).sum()) for layer in range(layers.count))
    return f"{path}: {count(layers.count)} layers of {count(layers.turns)} turns, {count(reads)} reads"


#: What ended a recording, in words.
_ENDED = {
    "messages": "",
    "time limit": "",
    "interrupt": "; ended by an interrupt",
    "gap": "; ended before missing messages",
    "restart": "; ended where the engine began to count anew",
    "foreign message": "; ended by a message that is none of KV events",
}


def recorded(recording: Recording, path: str) -> str:
    """``"e.kvevents: 40 messages, 0 to 41 (3 fetched), 2 missing in 1 gap"``."""
    fetched = f" ({count(recording.fetched)} fetched)" if recording.fetched else ""
    places = "1 gap" if recording.gaps == 1 else f"{count(recording.gaps)} gaps"
    missing = f"{count(recording.missing)} missing in {places}" if recording.gaps else "none missing"
    numbers = f"{recording.first} to {recording.last}{fetched}"
    return f"{path}: {count(recording.messages)} messages, {numbers}, {missing}{_ENDED[recording.ended]}"
