"""Recordings of random engines, read by a slow twin: the same steps, places and residency; and damaged at random."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from placement_opt.workload.formats import kv_events
from tests.schedulers.recordings import asked, engine, held
from tests.workload.engine import conversations, serve
from tests.workload.kv_events import lines, recorded

Blocks = dict[int, int]


def walk(batches: list[dict[str, Any]]) -> tuple[list[Blocks], list[int], list[dict[str, set[int]]]]:
    """(block -> place of each step's reads, step of each block's production, media -> blocks at each state), event by event.

    Blocks are numbered as they are produced; a batch of this engine computes one chain at most.
    """
    before, number, steps, births = dict[int, int | None](), Blocks(), list[Blocks](), list[int]()
    lies: dict[str, set[int]] = {"GPU": set(), "CPU": set()}
    states = []
    for event in (event for one in batches for event in one["events"]):
        hashes = event["block_hashes"]
        if event["type"] == "BlockRemoved":
            lies[event["medium"]] -= set(hashes)
            continue
        if event["medium"] == "GPU":
            states.append({medium: {number[block] for block in blocks} for medium, blocks in lies.items()})
            parent, chain = event["parent_block_hash"], list[int]()
            last = parent
            while last is not None:
                chain.insert(0, last)
                last = before[last]
            wanted = chain + hashes
            steps.append({number[block]: place for place, block in enumerate(wanted) if block in number})
            for ahead, block in zip([parent, *hashes], hashes, strict=False):
                if block not in number:
                    before[block], number[block] = ahead, len(number)
                    births.append(len(states) - 1)
        lies[event["medium"]] |= set(hashes)
    states.append({medium: {number[block] for block in blocks} for medium, blocks in lies.items()})
    return steps, births, states


@pytest.mark.parametrize("seed", range(12))
def test_random_engines(tmp_path: Path, seed: int) -> None:
    """Conversations of any number, caches of any size."""
    rng = np.random.default_rng(seed)
    prompts = conversations(rng, int(rng.integers(1, 5)), int(rng.integers(1, 6)))
    longest = max(map(len, prompts))
    batches = serve(prompts, longest + int(rng.integers(0, 10)), longest + int(rng.integers(0, 30)))
    steps, births, states = walk(batches)
    instance = asked(tmp_path, batches, room=4096)
    trace = instance.trace
    assert trace.position is not None
    rows = [slice(trace.indptr[step], trace.indptr[step + 1]) for step in range(trace.num_steps)]
    assert [dict(zip(trace.blocks[row].tolist(), trace.position[row].tolist(), strict=True)) for row in rows] == steps
    assert trace.birth.tolist() == births
    found = held(simulate(instance, make_scheduler(engine(tmp_path)), record=True))
    assert [[set(tier) for tier in state] for state in found] == [[state["GPU"], state["CPU"]] for state in states]


@pytest.mark.parametrize("form", [lines, recorded])
def test_damaged_at_random(tmp_path: Path, form: Any) -> None:
    """Pieces moved, doubled, overwritten: a trace or an InputError that names the file."""
    rng, path = np.random.default_rng(5), tmp_path / "t"
    whole = form(tmp_path / "whole", serve(conversations(rng, 2, 2), 9, 12)).read_bytes()
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(int(rng.integers(1, 4))):
            at, to, size = (int(each) for each in rng.integers(0, len(data), 3))
            piece = bytes(data[at : at + size % 20])
            data[to : to + int(rng.integers(0, 2)) * len(piece)] = piece if rng.random() < 0.7 else rng.bytes(len(piece))
        path.write_bytes(bytes(data))
        try:
            kv_events.read(path, gaps="accept")
        except InputError as error:
            message = str(error)
        else:
            message = f"{path}: a trace"
        assert message.startswith(f"{path}:")
