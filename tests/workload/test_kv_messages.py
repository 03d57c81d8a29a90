"""One message of KV events: every release's fields, by position and by name, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from placement_opt.base.errors import InputError
from placement_opt.workload.formats.kv_messages import Batch, Cleared, Removed, Stored, batch_of
from tests.workload.kv_events import CLEARED, RELEASES, batch, positional, removed, stored

FULL = batch(
    1.5,
    stored([1, 2], 9, medium="cpu", lora_name="a", extra_keys=[None, ["x", 3]], group_idx=2,
           kv_cache_spec_kind="sliding_window", kv_cache_spec_sliding_window=64),
    removed([1], medium="CPU", group_idx=2),
    CLEARED,
    data_parallel_rank=3,
)  # fmt: skip


@pytest.mark.parametrize("release", RELEASES)
def test_every_release(release: str) -> None:
    """The fields that there are are taken, those that there are not are what they are where nothing is said."""
    newer = list(RELEASES).index(release)
    medium, group = ("CPU" if newer >= 1 else "GPU"), (2 if newer >= 3 else 0)
    kind, window = ("sliding_window", 64) if newer >= 3 else (None, None)
    unread: set[str] = set()
    found = batch_of(positional(FULL, release), 7, unread)
    assert found == Batch(
        1.5, 3, [Stored([1, 2], 9, 16, medium, group, kind, window), Removed([1], medium, group), Cleared()], 7
    )
    assert not unread


def test_by_name() -> None:
    """The same as the newest by position; a batch by position may hold events by name, as vLLM 0.26 sends them."""
    assert batch_of(FULL) == batch_of(positional(FULL)) == batch_of([1.5, FULL["events"], 3])


def test_hashes_are_numbers_bytes_or_texts() -> None:
    """Bytes are the same as their hex digits, as JSON has them; keys of maps may be bytes, too."""
    (event,) = batch_of(batch(0, stored([b"\x0a\xff"], b"\x01"))).events
    assert event == batch_of(batch(0, stored(["0aff"], "01"))).events[0]
    assert batch_of({b"ts": 0, b"events": [[b"BlockRemoved", [2**64 - 1, -(2**63)]]]}).events == [
        Removed([2**64 - 1, -(2**63)], "GPU", 0)
    ]


def test_what_is_not_known_is_named() -> None:
    """Further fields, and those of another kind than vLLM's with all behind them, are not taken."""
    unread: set[str] = set()
    later = [*positional(FULL)[1][0], "LOCAL"]
    other = ["BlockStored", [1], None, [], 16, None, "GPU", ["FULL"], None, 5]  # a list where vLLM has the adapter's name
    (one, two) = batch_of({"ts": 0, "events": [later, other], "who": 1}, None, unread).events
    assert (one, two) == (batch_of(FULL).events[0], Stored([1], None, 16, "GPU", 0, None, None))
    batch_of(batch(0, stored([1], locality="x")), None, unread)
    assert unread == {"who", "BlockStored[12]", "BlockStored[7]", "BlockStored.locality"}


NO_HASH = "expected a whole number of 64 bits, bytes or hex digits"
TEXT = "expected a text of 1 to 64 characters"
BROKEN: list[tuple[Any, str]] = [
    (5, "found 5, expected a batch: a list or a map"),
    ([1.5], "found 1 values, expected a batch [ts, events, data_parallel_rank]"),
    ([1, [], 0, 0], "found 4 values, expected a batch [ts, events, data_parallel_rank]"),
    ({"ts": 1}, "events: found no such field, expected a batch [ts, events] or {ts, events}"),
    ({1: 2}, "found 1, expected the name of a field"),
    (["x", []], "ts: found 'x', expected seconds from 0"),
    ([1, 5], "events: found 5, expected a list of events"),
    ([1, [], "x"], "data_parallel_rank: found 'x', expected a whole number from 0 to 2147483647"),
    ([1, [5]], "events[0]: found 5, expected an event: a list or a map"),
    ([1, [[]]], "events[0].type: found None, expected one of BlockStored, BlockRemoved, AllBlocksCleared"),
    ([1, [["Read", [1]]]], "events[0].type: found 'Read', expected one of BlockStored, BlockRemoved, AllBlocksCleared"),
    ([1, [["AllBlocksCleared"], ["BlockRemoved"]]], "events[1].block_hashes: found no such field, expected BlockRemoved to "
     "have it"),
    ([1, [["BlockStored", [1], None, []]]], "events[0].block_size: found no such field, expected BlockStored to have it"),
    ([1, [["BlockRemoved", 5]]], "events[0].block_hashes: found 5, expected a list of hashes"),
    ([1, [["BlockRemoved", [1.5]]]], f"events[0].block_hashes: found 1.5, {NO_HASH}"),
    ([1, [["BlockRemoved", [True]]]], f"events[0].block_hashes: found True, {NO_HASH}"),
    ([1, [["BlockRemoved", [""]]]], f"events[0].block_hashes: found '', {NO_HASH}"),
    ([1, [["BlockRemoved", [2**64]]]], f"events[0].block_hashes: found 18446744073709551616, {NO_HASH}"),
    (batch(1, stored([4], [])), f"events[0].parent_block_hash: found a list, {NO_HASH}"),
    (
        batch(1, stored([4, 5, 4])),
        "events[0].block_hashes: found 4 twice, expected each hash once in an event "
        "(it stands for a block and all that lies before it)",
    ),
    (batch(1, stored([4], size=-1)), "events[0].block_size: found -1, expected a whole number from 0 to 2147483647"),
    (batch(1, stored([4], medium="x" * 65)), f"events[0].medium: found {'x' * 65!r:.57}..., {TEXT}"),
    (batch(1, removed([4], group_idx=-1)), "events[0].group_idx: found -1, expected a whole number from 0 to 2147483647"),
    (
        batch(1, stored([4], kv_cache_spec_sliding_window=0)),
        "events[0].kv_cache_spec_sliding_window: found 0, expected a whole number from 1 to 2147483647",
    ),
    (batch(1, stored([4], kv_cache_spec_kind=3)), f"events[0].kv_cache_spec_kind: found 3, {TEXT}"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "message"), BROKEN)
def test_refused_with_its_place(value: Any, message: str) -> None:
    """Event and field, what was found and expected."""
    with pytest.raises(InputError) as caught:
        batch_of(value)
    assert str(caught.value) == message
