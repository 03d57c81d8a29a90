"""How many reads an instance file's trace has, as far as that can be told without making it."""

from __future__ import annotations

from pathlib import Path

from placement_opt.errors import PlacementError
from placement_opt.instancefile import load_layered


def expected_reads(path: str | Path) -> int | None:
    """Reads of a trace that comes layer by layer; None for other traces, and where something is wrong with the file."""
    try:
        layers = load_layered(path).layers
    except PlacementError:  # loading the instance says what is wrong, if anything is
        return None
    return sum(int(layers.reads(layer).sum()) for layer in range(layers.count))
