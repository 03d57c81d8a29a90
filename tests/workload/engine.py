"""A small serving engine for the tests: prefix caching in GPU, offload to CPU, and the KV events that vLLM sends of both."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.workload.kv_events import batch, removed, stored


class Cache:
    """Blocks of one medium, the least recently used first; a prompt's are used last to first, so that its end goes before its
    beginning."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.blocks: dict[int, None] = {}

    def use(self, chain: list[int]) -> list[int]:
        """Hold them all, and let go of what has no room then."""
        for block in reversed(chain):
            self.blocks.pop(block, None)
            self.blocks[block] = None
        gone = list(self.blocks)[: max(0, len(self.blocks) - self.room)]
        for block in gone:
            del self.blocks[block]
        return gone


def conversations(rng: np.random.Generator, count: int, turns: int) -> list[list[int]]:
    """Prompts as chains of blocks: two of a system's prompt that all share, then those of each turn so far."""
    chains, made, prompts = [[1, 2] for _ in range(count)], 2, []
    for one in rng.permutation(np.repeat(np.arange(count), turns)).tolist():
        fresh = int(rng.integers(1, 5))
        chains[one] = chains[one] + [made + 1 + place for place in range(fresh)]
        made += fresh
        prompts.append(chains[one])
    return prompts


def serve(prompts: list[list[int]], gpu: int, cpu: int) -> list[dict[str, Any]]:
    """A batch of events for each prompt, in the order of vLLM: evictions, what was stored, then the offload's."""
    hbm, dram, batches = Cache(gpu), Cache(cpu), []
    for number, chain in enumerate(prompts):
        hit = next((place for place, block in enumerate(chain) if block not in hbm.blocks), len(chain))
        fresh = [block for block in chain if block not in dram.blocks]
        gone, dropped = hbm.use(chain), dram.use(chain)
        events = [removed(gone, medium="GPU")] if gone else []
        if hit < len(chain):
            events.append(stored(chain[hit:], chain[hit - 1] if hit else None, medium="GPU"))
        events += [stored(fresh, medium="CPU", size=0)] if fresh else []
        events += [removed(dropped, medium="CPU")] if dropped else []
        batches.append(batch(1.8e9 + number, *events, data_parallel_rank=0))
    return batches


def recording() -> list[dict[str, Any]]:
    """What docs/kv_events.md records: 16 prompts of 4 conversations, 24 blocks in GPU and 40 in CPU."""
    return serve(conversations(np.random.default_rng(1), 4, 4), 24, 40)
