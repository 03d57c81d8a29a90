"""Memory systems: tiers, links, the resources that transfers contend for, and how long loads take on them."""

from placement_opt.memory.files import load_memory, override, preset, preset_names
from placement_opt.memory.routes import build_memory
from placement_opt.memory.system import Link, MemorySystem, Tier

__all__ = ["Link", "MemorySystem", "Tier", "build_memory", "load_memory", "override", "preset", "preset_names"]
