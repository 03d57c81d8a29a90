"""KV events as a trace: what is read of them, the same in every form, and what is refused with its place."""

from __future__ import annotations

import gzip
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from placement_opt.base import room
from placement_opt.base.errors import InputError, LimitError
from placement_opt.workload.formats import kv_batches, kv_events
from placement_opt.workload.formats.detect import detect, read_any
from placement_opt.workload.formats.kv_groups import parse_layers
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.keep import Keep
from tests.taken import taken
from tests.workload.kv_events import CLEARED, RELEASES, SMALL, batch, lines, packed, positional, recorded, removed, stored
from tests.workload.traces import same


def reads(trace: Trace) -> list[dict[int, int]]:
    """Block -> place, of each step."""
    assert trace.position is not None
    rows = [slice(trace.indptr[step], trace.indptr[step + 1]) for step in range(trace.num_steps)]
    return [dict(zip(trace.blocks[row].tolist(), trace.position[row].tolist(), strict=True)) for row in rows]


def test_by_hand(tmp_path: Path) -> None:
    """Ancestors are read in their order, what is new is produced, what was stored before is read again at its place."""
    trace = read_any(lines(tmp_path / "t", SMALL))
    assert reads(trace) == [{}, {0: 0, 1: 1}, {}, {0: 0, 1: 1, 2: 2}]
    assert trace.birth.tolist() == [0, 0, 0, 1, 2, 3]
    assert (trace.size.tolist(), trace.size_unit, trace.death.tolist()) == ([16], "tokens", [4] * 6)
    told = {"batches": 4, "stored": 7, "removed": 2, "copies_CPU": 1, "block_tokens": 16, "first_s": 1.0, "last_s": 4.0}
    assert told.items() <= trace.meta.items()
    assert len(trace.meta["assumptions"]) == 2


def test_chains_of_one_batch_are_one_step(tmp_path: Path) -> None:
    """An engine that stores block by block (SGLang) says the same as one that stores chains; other prompts stay apart."""
    chain = batch(1, stored([1, 2, 3]), stored([4], 2))
    single = batch(1, stored([1]), stored([2], 1), stored([3], 2), stored([4], 2))
    one, other = (kv_events.read(lines(tmp_path / "t", [each, batch(2, stored([5], 3))])) for each in (chain, single))
    assert same(one, other)
    assert reads(one) == [{}, {0: 0, 1: 1}, {0: 0, 1: 1, 2: 2}]
    apart = kv_events.read(lines(tmp_path / "t", [batch(1, stored([1])), batch(1, stored([2], 1))]))
    assert apart.num_steps == 2


def test_what_was_there_before(tmp_path: Path) -> None:
    """Parents and copies that no event of computing names exist from the start; those that nobody wants are left out."""
    batches = [
        batch(1, stored([5, 6], medium="CPU", size=0), stored([1], 9)),
        batch(2, stored([5], 9), removed([77]), stored([9], 4)),
    ]
    trace = kv_events.read(lines(tmp_path / "t", batches))
    assert trace.birth.tolist() == [-1, -1, -1, 0]  # 5, 9, then 4; then 1, which is produced
    assert reads(trace) == [{1: 0}, {0: 1, 1: 0}, {1: 1, 2: 0}]
    assert (trace.meta["unseen_parents"], trace.meta["removed_unknown"]) == (2, 1)


def test_stored_twice(tmp_path: Path) -> None:
    """Two requests that compute the same at once both wanted it: the second reads it."""
    trace = kv_events.read(lines(tmp_path / "t", [batch(1, stored([1, 2]), stored([1, 2]))]))
    assert reads(trace) == [{}, {0: 0, 1: 1}]
    assert trace.meta["stored_twice"] == 2


def test_windows_read_what_they_see(tmp_path: Path) -> None:
    """The first token of a chain behind a window of 33 sees 32 others, two blocks of 16; of a state that is carried on, the
    block before is all that is sure; places count within what is read."""
    for more, seen in (
        ({"kv_cache_spec_kind": "sliding_window", "kv_cache_spec_sliding_window": 33}, {2: 0, 3: 1}),
        ({"kv_cache_spec_kind": "sliding_window", "kv_cache_spec_sliding_window": 1}, {}),
        ({"kv_cache_spec_kind": "mamba"}, {3: 0}),
        ({"kv_cache_spec_kind": "mla_attention"}, {0: 0, 1: 1, 2: 2, 3: 3}),
    ):
        trace = kv_events.read(lines(tmp_path / "t", [batch(1, stored([1, 2, 3, 4])), batch(2, stored([5], 4, **more))]))
        assert reads(trace)[1] == seen


def test_groups_are_blocks_of_their_own(tmp_path: Path) -> None:
    """The same hash in two groups is two blocks, in token-layers; a group that is left out leaves nothing."""
    both = [stored([1, 2]), stored([1], group_idx=1, size=32), stored([3], 2), removed([1], group_idx=1)]
    path = lines(tmp_path / "t", [batch(1, *both)])
    with pytest.raises(
        InputError, match=r"t:1: events\[1\]: found blocks of groups 0 and 1, which are of different layers, exp"
    ):
        kv_events.read(path)
    trace = kv_events.read(path, group_layers={0: 8, 1: 24})
    assert (trace.size.tolist(), trace.size_unit, trace.birth.tolist()) == ([128, 128, 768, 128], "token-layers", [0, 0, 1, 2])
    assert trace.meta["group_layers"] == {"0": 8, "1": 24}
    assert trace.meta["block_tokens"] == {"0": 16, "1": 32}
    alone = kv_events.read(path, group_layers={0: 8})
    assert (alone.size.tolist(), reads(alone), alone.meta["events_of_other_groups"]) == ([128], [{}], 2)


def test_a_reset_is_no_end(tmp_path: Path) -> None:
    """What was cleared and is stored again is the same block, read again."""
    trace = kv_events.read(lines(tmp_path / "t", [batch(1, stored([1])), batch(2, CLEARED, stored([1]))]))
    assert (trace.num_blocks, reads(trace), trace.meta["cleared"]) == (1, [{}, {0: 0}], 1)


def test_every_form_is_the_same_trace(tmp_path: Path) -> None:
    """Objects, lists, msgpack by name and by position, the recorder's form, packed and not; each is recognised."""
    pytest.importorskip("msgpack")
    lists = [positional(one) for one in SMALL]
    files = [lines(tmp_path / "a", SMALL), lines(tmp_path / "b", lists), packed(tmp_path / "c", SMALL)]
    files += [packed(tmp_path / "d", lists), recorded(tmp_path / "e", SMALL), recorded(tmp_path / "f", lists, first=5)]
    for file in (files[0], files[-1]):
        file.with_suffix(".gz").write_bytes(gzip.compress(file.read_bytes()))
        files.append(file.with_suffix(".gz"))
    traces = [read_any(file) for file in files]
    assert all(np.array_equal(trace.blocks, traces[0].blocks) and same_places(trace, traces[0]) for trace in traces)
    assert [trace.meta.get("first_message") for trace in traces] == [None] * 4 + [0, 5, None, 5]


def same_places(one: Trace, other: Trace) -> bool:
    return reads(one) == reads(other) and one.birth.tolist() == other.birth.tolist()


@pytest.mark.parametrize("release", RELEASES)
def test_every_release_is_a_trace(tmp_path: Path, release: str) -> None:
    """Before there were media, all that was stored was computed."""
    trace = kv_events.read(lines(tmp_path / "t", [positional(one, release) for one in SMALL[:1] + SMALL[2:]]))
    assert reads(trace) == [{}, {}, {0: 0, 1: 1, 2: 2}]


def test_limit_and_keep(tmp_path: Path) -> None:
    """The first steps of it, read no further; times are the engine's, made never to fall."""
    path = lines(tmp_path / "t", [*SMALL, "nonsense"])
    trace = kv_events.read(path, limit=2)
    assert (trace.num_steps, trace.num_blocks, trace.meta["limit"]) == (2, 4, 2)
    times = lines(tmp_path / "u", [batch(5, stored([1])), batch(4, stored([2], 1)), batch(9, stored([3], 2))])
    assert kv_events.read(times, keep=Keep.of("ttl", "1 s")).num_blocks == 5  # at 5, 5 and 9: two are made again
    assert kv_events.read(times, keep=Keep("last-use")).death.tolist() == [2, 2, 3]


def test_standard_input_is_jsonl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named, for nothing can be looked at twice."""
    text = lines(tmp_path / "t", SMALL).read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    assert read_any("-", "kv-events").num_steps == 4


def numbered(*sequence: Any) -> list[Any]:
    return [
        batch(1, stored([place + 1])) | ({} if number is None else {"seq": number}) for place, number in enumerate(sequence)
    ]


def test_gaps(tmp_path: Path) -> None:
    """Refused with what is missing, unless they are accepted; then they are counted, and assumed."""
    path = lines(tmp_path / "t", numbered(3, 4, 7, 9))
    with pytest.raises(InputError) as caught:
        kv_events.read(path)
    expected = "expected all (--gaps accept goes on with what there is)"
    assert str(caught.value) == f"{path}:3: seq: found 7 after 4, 2 missing, {expected}"
    meta = kv_events.read(path, gaps="accept").meta
    assert (meta["gaps"], meta["missing"], meta["first_message"], meta["last_message"]) == (2, 3, 3, 9)
    assert meta["assumptions"][2] == "3 messages are missing in 2 places: what they stored and evicted is not known"


ROOT = ": found nothing stored in GPU, expected blocks that the engine computed"
AGAIN = "behind another block than before, expected the block before it to be the same each time (hashes that stand for "
AGAIN += "their prefixes)"
BROKEN: list[tuple[list[Any], str]] = [
    ([batch(1)], ROOT),
    ([batch(1, stored([1], medium="CPU", size=0), removed([1]))], ROOT),
    ([[1]], ":1: found 1 values, expected a batch [ts, events, data_parallel_rank]"),
    ([batch(1, stored([1], size=0))], ":1: events[0]: found blocks of 0 tokens, expected one size in a group, at least 1"),
    (
        [batch(1, stored([1])), batch(2, stored([2], size=8))],
        ":2: events[0]: found blocks of 8 tokens after some of 16, expected one size in a group, at least 1",
    ),
    (
        [batch(1, stored([1, 2]), stored([2], medium="CPU", size=64))],
        ":1: events[1]: found blocks of 64 tokens in CPU, expected 16, as in GPU (offload blocks of the engine's own size, or "
        "let it describe them)",
    ),
    (
        [batch(1, stored([1]), stored(["a"]))],
        ":1: events[1]: found hashes that are numbers and hashes that are bytes, expected one kind",
    ),
    (
        [batch(1, stored([1], "a"))],
        ":1: events[0]: found hashes that are numbers and hashes that are bytes, expected one kind",
    ),
    ([batch(1, stored([1, 2])), batch(2, stored([2]))], f":2: events[0]: found 2 {AGAIN}"),
    ([batch(1, stored([1, 2, 3])), batch(2, stored([2, 1]))], f":2: events[0]: found 2 {AGAIN}"),
    (
        [batch(1, stored([2], 1)), batch(2, stored([1], 2))],
        ":2: found a chain that holds a block of what lies before it, expected hashes that stand for their prefixes",
    ),
    (
        [batch(1, data_parallel_rank=0), batch(1, data_parallel_rank=1)],
        ":2: data_parallel_rank: found rank 1 after 0, expected one (each rank has a cache of its own: record its endpoint, or "
        "split the file by it)",
    ),
    (
        numbered(5, 5),
        ":2: seq: found 5 after 5, expected numbers that rise (where the engine began anew, so did its cache: split the file "
        "there)",
    ),
    (numbered(5, None), ":2: seq: found batches with numbers and without, expected all alike"),
    (numbered(None, 5), ":2: seq: found batches with numbers and without, expected all alike"),
    (numbered(-1), ":1: seq: found -1, expected a number from 0"),
    (
        [batch(1, *(stored([1], medium=f"m{n}", size=0) for n in range(16)))],
        ":1: events[15]: found medium 'M15' after 16 others, expected fewer",
    ),
]


@pytest.mark.parametrize(("batches", "message"), BROKEN)
def test_refused_with_its_place(tmp_path: Path, batches: list[Any], message: str) -> None:
    """Line, event and field, what was found and expected."""
    with pytest.raises(InputError) as caught:
        kv_events.read(lines(tmp_path / "t", batches))
    assert str(caught.value) == str(tmp_path / "t") + message


def test_options_are_checked(tmp_path: Path) -> None:
    """Words and numbers that are none of theirs, told with what would do."""
    path = lines(tmp_path / "t", SMALL)
    with pytest.raises(InputError, match="gaps: found 'maybe', expected refuse or accept"):
        kv_events.read(path, gaps="maybe")
    with pytest.raises(InputError, match="group_layers: found it with the format mooncake, expected a format that has a use"):
        read_any(path, "mooncake", group_layers={0: 1})
    assert parse_layers("0=8, 1 = 24") == {0: 8, 1: 24}
    for text in ("", "0", "0=0", "0=8,0=9", "a=1", "0=1=2", "٣=1", "0=70000", "1234567=1"):
        with pytest.raises(InputError, match='expected groups, each once, and their layers, such as "0=8,1=24"'):
            parse_layers(text)


def test_more_reads_than_there_is_memory_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few bytes can mean many reads: they are counted before they are made."""
    path = lines(
        tmp_path / "t", [batch(1, stored(list(range(1, 1001))))] + [batch(2, stored([5000 + n], 1000)) for n in range(50)]
    )
    monkeypatch.setattr(kv_events, "_READ_BYTES", 2**40)
    with pytest.raises(LimitError, match=r"of memory for 50,000 reads; --limit N takes its first steps"):
        kv_events.read(path)
    assert room.BASE_BYTES > 0


def survives(path: Path, data: bytes) -> None:
    """A trace, or an InputError that names the file, whatever is cut off or flipped."""
    for place in range(len(data)):
        for broken in (data[:place], data[:place] + bytes([data[place] ^ (1 << place % 8)]) + data[place + 1 :]):
            path.write_bytes(broken)
            try:
                kv_events.read(path)
            except InputError as error:
                message = str(error)
            else:
                message = f"{path}: a trace"
            assert message.startswith(f"{path}:")


@pytest.mark.parametrize("form", [lines, packed, recorded])
def test_damaged_anywhere(tmp_path: Path, form: Any) -> None:
    """In every form, at every byte."""
    few = [batch(1.5, stored([3, 4], 2, size=1)), batch(2.5, removed([3]), stored([3], 2, size=1))]
    survives(tmp_path / "t", form(tmp_path / "whole", [positional(one) for one in few]).read_bytes())


def test_damaged_messages(tmp_path: Path) -> None:
    """What is no msgpack, is cut off, or is no message of the recorder's, told with its number."""
    msgpack = pytest.importorskip("msgpack")
    path, good, pack = tmp_path / "t", recorded(tmp_path / "good", SMALL).read_bytes(), msgpack.packb
    second = ":2: found "
    for data, message in (
        (good[:-1], ":4: found a message that is cut off, expected whole messages"),
        (good[:20], ":1: found a message that is cut off, expected whole messages"),
        (packed(path, SMALL[:1]).read_bytes() + b"\xc1", second + "no valid msgpack ("),
        (packed(path, SMALL[:1]).read_bytes() + b"\x81\x01\x02", second + "no valid msgpack ("),
        (pack({"kv-events": 2}), ":1: kv-events: found version 2, expected 1 (a newer placement-opt wrote it)"),
        (pack({"kv-events": 1}) + pack(5), ":1: found 5, expected [sequence number, payload]"),
        (pack({"kv-events": 1}) + pack([0, [1.5, []]]), ":1: found a list, expected [sequence number, payload]"),
        (pack({"kv-events": 1}) + pack([0, b"\xc1"]), ":1: found no valid msgpack ("),
        (pack({"kv-events": 1}) + pack([-1, b"\xc0"]), ":1: seq: found -1, expected a number from 0"),
        (pack({"kv-events": 1}) + pack([0, b"\xc0"]), ":1: found None, expected a batch: a list or a map"),
    ):
        path.write_bytes(data)
        with pytest.raises(InputError) as caught:
            kv_events.read(path)
        assert str(caught.value).startswith(str(path) + message)


def test_claims_and_depth_take_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists that claim to be long, lists in lists, and messages without an end are refused before room is made for them."""
    pytest.importorskip("msgpack")
    monkeypatch.setattr(kv_batches, "LONGEST", 2**18)
    head, deep = b"\x92\xcb" + bytes(8), b"\x91" * 100_000
    claims = [b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdd\x00\x10\x00\x00" * 600, deep]
    claims += [b"\xdd\x00\x0f\xff\xff" + b"\x01" * 2**19, b"\xc6\xff\xff\xff\xff" + bytes(2**19)]
    for claim in claims:
        (tmp_path / "t").write_bytes(head + claim)
        with (
            taken() as memory,
            pytest.raises(InputError, match=r"t:\d: found (no valid msgpack|a message (of more than|that is cut off))"),
        ):
            kv_events.read(tmp_path / "t")
        assert memory.peak < 4 << 20


def test_huge_numbers_and_depth_in_text(tmp_path: Path) -> None:
    """As other JSON: numbers of thousands of digits, endless nesting, infinities."""
    text = json.dumps(SMALL[0])
    for before, after in (("11", "1" * 5000), ("11", "[" * 100_000), ("1.0", "1e999"), ('"events"', '"ts"')):
        (tmp_path / "t").write_text(text.replace(before, after, 1))
        with pytest.raises(InputError, match=r"t:1: "):
            kv_events.read(tmp_path / "t")


def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text needs none; msgpack names the extra."""
    text, data = lines(tmp_path / "t", SMALL), recorded(tmp_path / "m", SMALL)
    monkeypatch.setitem(sys.modules, "msgpack", None)
    assert kv_events.read(text).num_steps == 4
    assert detect(data) == "kv-events"
    with pytest.raises(
        InputError, match=r'found no package msgpack, expected the extra "events": pip install "placement-opt\[ev'
    ):
        kv_events.read(data)
