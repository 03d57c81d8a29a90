"""Random traces for the tests of this folder."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import numpy as np
import pytest

from placement_opt.workload.served import COLUMNS, Served
from placement_opt.workload.trace import Trace


def random_trace(
    rng: np.random.Generator,
    *,
    steps: int = 6,
    blocks: int = 8,
    layers: int = 0,
    shares: bool = False,
    sizes: bool = False,
    deaths: bool = False,
    positions: bool = False,
    density: float = 0.5,
) -> Trace:
    """A valid trace; with ``layers``, step t is of layer t % layers and reads blocks of its layer only, all labels set.

    With ``positions`` the reads of a step have places of their own in its prefix, some of them skipped.
    """
    birth = np.sort(np.where(rng.random(blocks) < 0.5, -1, rng.integers(0, steps, blocks)))
    death = np.minimum(steps, birth + 1 + rng.integers(0, steps + 1, blocks)) if deaths else np.full(blocks, steps)
    rows = []
    for step in range(steps):
        wanted = (birth < step) & (step <= death) & (rng.random(blocks) < density)
        if layers:
            wanted &= np.arange(blocks) % layers == step % layers
        rows.append(np.flatnonzero(wanted))
    count = sum(map(len, rows))
    places = [rng.permutation(len(row) + 2)[: len(row)] for row in rows] if positions else []
    labels = {}
    if layers:
        labels = {
            "step_token": np.arange(steps, dtype=np.int32) // layers,
            "step_layer": np.arange(steps, dtype=np.int32) % layers,
            "block_token": np.arange(blocks, dtype=np.int32) // layers,
            "block_layer": np.arange(blocks, dtype=np.int32) % layers,
        }
    return Trace(
        indptr=np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64),
        blocks=np.concatenate(rows).astype(np.int32),
        birth=birth.astype(np.int32),
        death=death.astype(np.int32),
        size=rng.integers(1, 100, blocks) if sizes else np.array([3]),
        size_unit="tokens",
        shares=rng.integers(1, 9, count).astype(np.uint16) if shares else None,
        share_base=8 if shares else 1,
        position=np.concatenate(places).astype(np.int32) if positions else None,
        meta={"format": "random", "numbers": [1, 2.5, None], "deep": {"name": "é"}},
        **labels,
    )


def random_served(rng: np.random.Generator, steps: int, requests: int = 3) -> Served:
    """Requests that fit so many steps."""
    admitted, first, last = np.sort(rng.integers(0, steps, (3, requests)), axis=0).astype(np.int32)
    tokens = rng.integers(1, 100, (2, requests))
    return Served(np.sort(rng.integers(0, 10**9, requests)), admitted, first, last, tokens[0], tokens[1])


def same(one: Trace, other: Trace) -> bool:
    """Whether two traces are equal in everything, types included."""
    names = ["indptr", "blocks", "birth", "death", "size", "shares", "position", "step_token", "step_layer"]
    names += ["block_token", "block_layer", "block_kind", "pieces", "step_floor"]
    pairs = [(getattr(one, name), getattr(other, name)) for name in names]
    if (one.requests is None) != (other.requests is None):
        return False
    if one.requests is not None:
        pairs += [(getattr(one.requests, name), getattr(other.requests, name)) for name in COLUMNS]
    for left, right in pairs:
        if (left is None) != (right is None):
            return False
        if left is not None and not (left.dtype == right.dtype and np.array_equal(left, right)):
            return False
    return (one.size_unit, one.share_base, dict(one.meta)) == (other.size_unit, other.share_base, dict(other.meta))


DATA = Path(__file__).parents[2] / ".." / "shared" / "data" / "mooncake"


REAL = DATA / "conversation_trace.jsonl"


needs_data = pytest.mark.skipif(not REAL.exists(), reason="needs the public traces in ../shared/data/mooncake")


def digest(trace: Trace) -> str:
    """Tells traces apart by all their arrays, a few letters long: what a generator draws must never change."""
    found = hashlib.sha256()
    arrays = ("indptr", "blocks", "birth", "death", "size", "shares", "position", "pieces", "block_kind")
    for name in (*arrays, "step_token", "step_layer", "block_token", "block_layer"):
        array = getattr(trace, name)
        found.update(b"-" if array is None else array.tobytes())
    return found.hexdigest()[:12]


def inclusion(weights: list[float], draws: int) -> list[float]:
    """How often each item is among so many successive draws without putting back, by enumeration of all orders."""
    chance = [0.0] * len(weights)
    for order in itertools.permutations(range(len(weights)), draws):
        left, probability = sum(weights), 1.0
        for item in order:
            probability *= weights[item] / left
            left -= weights[item]
        for item in order:
            chance[item] += probability
    return chance
