"""What a file of runs may say: one law for those who write it and those who read it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from placement_opt.base.errors import InputError
from placement_opt.workload.runs import LayerRuns
from placement_opt.workload.trace import LARGEST_BLOCK, MOST_UNITS

LARGEST_LAYERS, LARGEST_TURNS, LARGEST_BLOCKS, LARGEST_RUNS = 4096, 2**31 - 2, 2**31 - 1, 2**40


def check_shape(layers: int, turns: int, size: int, share_base: int = 1) -> None:
    """Refuse what no file of runs has, before there is any layer."""
    if not (1 <= layers <= LARGEST_LAYERS and 1 <= turns <= LARGEST_TURNS and 1 <= size <= LARGEST_BLOCK):
        expected = f"expected 1 to {LARGEST_LAYERS} layers, 1 to {LARGEST_TURNS} turns and sizes from 1 to 2**50"
        raise InputError(f"found {layers} layers, {turns} turns and blocks of size {size}", expected)
    if not 1 <= share_base < 2**16:
        raise InputError(f"found shares over {share_base}", "expected a base from 1 to 65535")


def check_table(layers: Sequence[tuple[int, int, int]]) -> None:
    """Refuse numbers of (blocks, runs) and sizes that no file of runs has; a layer may have none."""
    for blocks, runs, size in layers:
        if blocks > LARGEST_BLOCKS or runs > LARGEST_RUNS:
            raise InputError(f"found a layer of {blocks} blocks and {runs} runs", "expected fewer")
        if not 1 <= size <= LARGEST_BLOCK:
            raise InputError(f"found a layer of blocks of size {size}", "expected sizes from 1 to 2**50")
    total, sizes = sum(blocks for blocks, _, _ in layers), {size for _, _, size in layers}
    if total == 0:
        raise InputError("found no block in any layer", "expected at least one")
    if sum(blocks * size for blocks, _, size in layers) > MOST_UNITS:
        raise InputError(f"found {total} blocks of size {max(sizes)}", "expected at most 2**60 in all")


def check_runs(runs: LayerRuns, layer: int, share_base: int = 1) -> None:
    """Refuse a layer whose arrays contradict each other."""
    if complaint := _complaint(runs) or _other_complaint(runs, share_base):
        raise InputError(*complaint, field=f"layer {layer}")


def _complaint(runs: LayerRuns) -> tuple[str, str] | None:
    """What is wrong with runs; None where nothing is."""
    birth, first, last = runs.birth, runs.first, runs.last
    if (birth < -1).any() or (birth >= runs.turns).any():
        return "found a block that is produced at no turn", f"expected turns from -1 to {runs.turns - 1}"
    if (first < 0).any() or (last < first).any() or (last >= runs.turns).any():
        return "found a run that is none", f"expected 0 <= first <= last < {runs.turns}"
    owner = np.repeat(np.arange(runs.num_blocks, dtype=np.int32), np.diff(runs.start))
    paused = last[:-1] + 1
    if runs.shares is not None:
        paused -= runs.shares[1:] != runs.shares[:-1]
    if ((first[1:] <= paused) & (owner[1:] == owner[:-1])).any():
        expected = "expected a pause between them" if runs.shares is None else "expected a pause between them, or other shares"
        return "found runs of one block that touch or are out of order", expected
    if (first <= birth[owner]).any():
        return "found a block that is read before it is there", "expected reads after its birth"
    if runs.death is not None and (last > runs.death[owner]).any():
        return "found a block that is read after it was freed", "expected no read after its last turn"
    return None


def _other_complaint(runs: LayerRuns, share_base: int) -> tuple[str, str] | None:
    """The same of lives and shares."""
    if runs.death is not None and ((runs.death <= runs.birth) | (runs.death > runs.turns)).any():
        return "found a block that is freed at no turn", f"expected turns after its birth, up to {runs.turns}"
    if runs.shares is not None and ((runs.shares < 1) | (runs.shares > share_base)).any():
        return "found a share that is none", f"expected 1 to {share_base}"
    return None
