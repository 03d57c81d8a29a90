"""KVNAND's four systems (arXiv 2512.03608): presets and traces, each token simulated; shared by the tables about it."""

from __future__ import annotations

from functools import cache
from typing import Any

import placement_opt as po
from benchmarks.reproduce.play import Memory, decoding, placed
from benchmarks.reproduce.table import published

DATA = published("kvnand")
MODELS = tuple(entry["model"] for entry in DATA["throughput"])
CONTEXTS = (128, 1024, 10240, 102400)
DIES = 16
PAGE, PLANES = "4 KiB", 32
#: The compact system: new KV waits in 8 KB of each plane that all layers share, so that pages are written before they are full.
BUFFERED: dict[str, str | int] = {"layout": "head-grouped", "buffer": "8 KiB", "dies": DIES}
#: All heads' KV of a token together: each head group reads its part of every token by itself.
TOKEN_MAJOR: dict[str, str | int] = {"layout": "token-major"}
#: Where weights and KV lie in each system.
BASE1 = {"weights": "ifc", "kv": "dram"}
BASE2 = {"weights": "ifc", "kv": "nand"}
COMPACT = {"weights": "flash", "kv": "flash"}
DISCRETE = {"weights": "g1", "kv": "g2"}
NO_ROOM = "does not fit"


def label(context: int) -> str:
    """1K for 1,024."""
    return str(context) if context < 1024 else f"{context // 1024}K"


@cache
def token(model: str, context: int, steps: str, counted: bool = True, **layout: str | int) -> po.Trace:
    """One decoded token; what is decoded waits until it fills a page.

    ``counted``: as the paper must have counted. ``layout``: further settings of the generator.
    """
    given: dict[str, Any] = {"experts_read": "active", "page": PAGE, "planes": PLANES, **layout}
    for entry in DATA["counting"] if counted else ():
        if entry["model"] == model:
            given |= {key: value for key, value in entry.items() if key not in ("model", "why")}
    return decoding(model, context, steps=steps, **given)


def simulated(memory: Memory, trace: po.Trace, tiers: dict[str, str], joule: str = "") -> po.Run | None:
    """The run of a system whose tiers hold weights and KV, each in its own; None where they have no room.

    ``joule``: as for :func:`benchmarks.reproduce.play.placed`.
    """
    try:
        instance = placed(memory, trace, joule=joule, **tiers)
    except po.InputError:
        return None
    return po.simulate(instance, po.make_scheduler("static"))


def discrete(group: int) -> dict[str, Any]:
    """KVNAND-D with so many of the 16 dies for KV."""
    return {"preset": "kvnand-d", "g1.dies": DIES - group, "g2.dies": group}


@cache
def seconds_by_group(model: str, context: int, steps: str = "head-groups", counted: bool = True) -> dict[int, float]:
    """Seconds a token of KVNAND-D for every number of dies for KV with which weights and KV have room."""
    trace = token(model, context, steps, counted)
    runs = {group: simulated(discrete(group), trace, DISCRETE) for group in range(1, DIES)}
    return {group: run.latency_s for group, run in runs.items() if run is not None}


def best_group(model: str, context: int, steps: str = "head-groups", counted: bool = True) -> int:
    """The fewest dies for KV of those that are fastest."""
    found = seconds_by_group(model, context, steps, counted)
    return min(found, key=lambda group: (found[group], group))


@cache
def seconds(system: str, model: str, context: int, counted: bool = True) -> float | None:
    """Of Base-1, Base-2, C-16 or D-16 (at its best group); None where it does not fit."""
    if system == "D-16":
        return seconds_by_group(model, context, counted=counted)[best_group(model, context, counted=counted)]
    trace = token(model, context, "sequential", counted, **(BUFFERED if system == "C-16" else {}))
    preset, tiers = {"Base-1": ("kvnand-base1", BASE1), "Base-2": ("kvnand-base2", BASE2), "C-16": ("kvnand-c16", COMPACT)}[
        system
    ]
    run = simulated(preset, trace, tiers)
    return None if run is None else run.latency_s
