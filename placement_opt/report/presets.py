"""What ``placement-opt memory list`` says of the memory systems that come with the program."""

from __future__ import annotations

from typing import Any

from placement_opt.base.capacity import stated_bytes
from placement_opt.memory.files import preset_names, preset_with_required
from placement_opt.memory.system import MemorySystem, Tier
from placement_opt.report.numbers import rates_shown, sizes_shown
from placement_opt.report.table import table

_BOTH = ("dies", "planes", "page", "rate")
#: What is shown of a tier, and the keys without which it cannot be known.
_DECISIVE = {
    "capacity": ("capacity", "dies"),
    "read_rate": (*_BOTH, "read_rate", "read_time"),
    "write_rate": (*_BOTH, "write_rate", "program_time"),
}


def presets_info() -> list[dict[str, Any]]:
    """One dictionary for each preset: ``name``, ``tiers`` (name, capacity, read rate, write rate) and ``links`` (names).

    Where a preset leaves numbers to its user, ``required`` has their keys, and what would follow from them is None.
    """
    found = []
    for name in preset_names():
        memory, required = preset_with_required(name)
        tiers = [_stated(tier) for tier in memory.tiers]
        for tier in tiers:
            own = {key.rpartition(".")[2] for key in required if key.startswith(f"{tier['name']}.")}
            tier |= dict.fromkeys(key for key, decisive in _DECISIVE.items() if own & set(decisive))
        found.append({"name": name, "tiers": tiers, "links": [link.name for link in memory.links]})
        found[-1] |= {"required": list(required)} if required else {}
    return found


def presets_text() -> str:
    """The presets as a table: one line for each tier, with its capacity and the rate at which the processor reads it alone."""
    rows = []
    for name, info in zip(preset_names(), presets_info(), strict=True):
        memory, required = preset_with_required(name)
        for k, tier in enumerate(memory.tiers):
            capacity = sizes_shown(info["tiers"][k]["capacity"])
            alone = rates_shown(int(memory.bottleneck(memory.read[k])))
            if own := [key for key in required if key in [f"{tier.name}.{last}" for last in _DECISIVE["capacity"]]]:
                capacity = _needed(own)
            if own := [key for key in required if _on_the_way(memory, k, key)]:
                alone = _needed(own)
            rows.append(["" if k else name, tier.name, *capacity, *alone])
    return table(["memory", "tier", "capacity", "", "read alone", ""], rows, "llrrrr") + "\n"


def _needed(keys: list[str]) -> tuple[str, str]:
    return f"needs {', '.join(keys)}", ""


def _on_the_way(memory: MemorySystem, k: int, key: str) -> bool:
    """Whether how fast tier k is read rests on a key that is left to the user."""
    owner, last = key.partition(".")[0], key.rpartition(".")[2]
    if last not in (*_DECISIVE["read_rate"], "channels", "ratio"):
        return False
    passed = (name for name, load in zip(memory.resources, memory.read[k].tolist(), strict=True) if load)
    return any(name.partition(".")[0] == owner for name in passed)


def _stated(tier: Tier) -> dict[str, Any]:
    capacity = stated_bytes(tier.capacity)
    return {"name": tier.name, "capacity": capacity, "read_rate": tier.read_rate, "write_rate": tier.write_rate}
