"""The rules of an instance by name: where copies of a block may lie, and what its prefix must do for a read."""

from __future__ import annotations

from typing import Literal

Residency = Literal["inclusive", "exclusive", "free", "cache"]
#: Rules under which every block that is alive lies somewhere.
KEEPING: tuple[Residency, ...] = ("inclusive", "exclusive", "free")
RESIDENCIES: tuple[Residency, ...] = (*KEEPING, "cache")
Prefix = Literal["free", "strict"]
PREFIXES: tuple[Prefix, ...] = ("free", "strict")
#: Loads of all blocks together: sums over the operations of a step then fit 64-bit integers.
MOST_LOAD = 2**62


def rule_text(residency: Residency, prefix: Prefix) -> str:
    """The rule of residency, and that of prefixes where it is strict."""
    return f"{residency}, strict prefixes" if prefix == "strict" else residency
