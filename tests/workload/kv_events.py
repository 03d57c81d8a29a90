"""KV events as engines publish them, for the tests: batches by name, the same in every form that recordings have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

#: Fields of a stored and of a removed event by position, as vLLM has them: 0.9, 0.11, 0.15, and later ones.
STORED = ("block_hashes", "parent_block_hash", "token_ids", "block_size", "lora_id", "medium", "lora_name", "extra_keys",
          "group_idx", "kv_cache_spec_kind", "kv_cache_spec_sliding_window")  # fmt: skip
REMOVED = ("block_hashes", "medium", "group_idx")
RELEASES = {"0.9": (5, 1), "0.11": (6, 2), "0.15": (7, 2), "later": (11, 3)}


def stored(hashes: list[Any], parent: Any = None, *, size: int = 16, **more: Any) -> dict[str, Any]:
    """A BlockStored event by name; ``more``: fields that later releases have."""
    first = {"block_hashes": hashes, "parent_block_hash": parent, "token_ids": [7] * size * len(hashes), "block_size": size}
    return {"type": "BlockStored"} | first | {"lora_id": None} | more


def removed(hashes: list[Any], **more: Any) -> dict[str, Any]:
    """A BlockRemoved event by name."""
    return {"type": "BlockRemoved", "block_hashes": hashes} | more


CLEARED = {"type": "AllBlocksCleared"}


def batch(ts: float, *events: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A batch by name."""
    return {"ts": ts, "events": list(events)} | more


def positional(one: dict[str, Any], release: str = "later") -> list[Any]:
    """A batch as a list, with the fields that a release has."""
    of_stored, of_removed = RELEASES[release]
    names = {"BlockStored": STORED[:of_stored], "BlockRemoved": REMOVED[:of_removed], "AllBlocksCleared": ()}
    events = [[event["type"], *map(event.get, names[event["type"]])] for event in one["events"]]
    return [one["ts"], events, one.get("data_parallel_rank")]


def lines(path: Path, batches: list[Any]) -> Path:
    """As JSONL."""
    path.write_text("".join(json.dumps(one) + "\n" for one in batches))
    return path


def packed(path: Path, batches: list[Any]) -> Path:
    """As msgpack, one after the other."""
    msgpack = pytest.importorskip("msgpack")
    path.write_bytes(b"".join(map(msgpack.packb, batches)))
    return path


def recorded(path: Path, batches: list[Any], first: int = 0) -> Path:
    """In the recorder's own form, numbered from ``first``."""
    msgpack = pytest.importorskip("msgpack")
    messages = [[first + number, msgpack.packb(one)] for number, one in enumerate(batches)]
    path.write_bytes(b"".join(map(msgpack.packb, [{"kv-events": 1}, *messages])))
    return path


#: Two prompts of three blocks that share two; the third block of the first is evicted after a copy was made, and wanted again.
SMALL = [
    batch(1.0, stored([11, 12, 13])),
    batch(2.0, stored([13], medium="CPU", size=0), stored([14], 12)),
    batch(3.0, removed([13, 14]), stored([21])),
    batch(4.0, stored([13, 15], 12)),
]
