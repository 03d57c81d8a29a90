"""Layers that take turns, drawn at random: blocks with sizes of their own in each, born and freed, read whole or in part."""

from __future__ import annotations

import numpy as np

from placement_opt.workload.trace import Trace


def any_layered(rng: np.random.Generator, *, base: int = 1, frees: bool = True, layers: int | None = None) -> Trace:
    """Shares are numerators over ``base``; without ``frees`` no block is freed. Ids are mixed, a layer may have no block."""
    count, turns = layers or int(rng.integers(1, 4)), int(rng.integers(2, 8))
    steps = count * turns
    sizes = rng.integers(1, 4, count)
    owner = rng.integers(0, count, int(rng.integers(2, 5)) * count)
    birth, death, read = np.full((2, len(owner)), -1), np.full(len(owner), steps), list[tuple[int, int, int]]()
    birth = birth[0]
    for block, layer in enumerate(owner.tolist()):
        born = int(rng.integers(-1, turns - 1))
        freed = int(rng.integers(born + 1, turns + 1)) if frees else turns
        birth[block] = born * count + layer if born >= 0 else -1
        death[block] = freed * count + layer if freed < turns else steps
        share = int(rng.integers(1, base + 1))
        for turn in range(born + 1, min(freed, turns - 1) + 1):
            share = share if rng.random() < 0.6 else int(rng.integers(1, base + 1))
            if rng.random() < 0.6:
                read.append((turn * count + layer, block, share))
    read.sort()
    step, block, share = np.array(read, dtype=np.int64).reshape(-1, 3).T
    return Trace(
        indptr=np.searchsorted(step, np.arange(steps + 1)).astype(np.int64),
        blocks=block.astype(np.int32),
        birth=birth.astype(np.int32),
        death=death.astype(np.int32),
        size=sizes[owner],
        size_unit="bytes",
        shares=share.astype(np.uint16) if base > 1 else None,
        share_base=base,
        step_layer=np.tile(np.arange(count, dtype=np.int32), turns),
        block_layer=owner.astype(np.int32),
    )
