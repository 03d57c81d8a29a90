"""Messages of the KV event streams of vLLM and SGLang, once decoded: a batch, and the three events that it may hold.

A batch is ``[ts, events, data_parallel_rank]``, an event ``[tag, field, ...]``. Which fields there are depends on the release:
vLLM 0.9 and the first of SGLang have ``BlockStored(block_hashes, parent_block_hash, token_ids, block_size, lora_id)`` and
``BlockRemoved(block_hashes)``, 0.11 adds ``medium`` to both, 0.15 ``lora_name``, later ones ``extra_keys``, ``group_idx``,
``kv_cache_spec_kind`` and ``kv_cache_spec_sliding_window`` (BlockRemoved: ``group_idx``). A field that is added comes last, so
that the length tells the release; what has another kind than vLLM's is not taken, nor anything behind it. Since June 2026
(vLLM pull request 42892) events, and then batches, are maps by the names of their fields, the tag under ``type``; files of
JSON mostly have that form, too. Sources: vllm/distributed/kv_events.py, sglang/srt/disaggregation/kv_events.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from placement_opt.base.errors import InputError, shown
from placement_opt.workload.formats.records import time_of, whole

Hash = int | str
#: The medium that events without one are about: that of the engine's own blocks.
COMPUTE = "GPU"
#: Fields of each event by position, behind the tag, and what those that later releases added may be.
_FIELDS: dict[str, tuple[str, ...]] = {
    "BlockStored": ("block_hashes", "parent_block_hash", "token_ids", "block_size", "lora_id", "medium", "lora_name",
                    "extra_keys", "group_idx", "kv_cache_spec_kind", "kv_cache_spec_sliding_window"),
    "BlockRemoved": ("block_hashes", "medium", "group_idx"),
    "AllBlocksCleared": (),
}  # fmt: skip
_ADDED: dict[str, type] = {
    "medium": str,
    "lora_name": str,
    "extra_keys": list,
    "group_idx": int,
    "kv_cache_spec_kind": str,
    "kv_cache_spec_sliding_window": int,
}
_BATCH = ("ts", "events", "data_parallel_rank")
_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Stored:
    """Blocks of a group that came to lie in a medium, each behind the one before it, the first behind ``parent``.

    Attributes
    ----------
    hashes
        Of the blocks, each of which stands for all that lies before it, too; bytes as hex digits.
    tokens
        Of each block; 0 where a copy to another medium does not say.
    kind, window
        Of attention, and the tokens that a sliding window sees, where the event says.
    """

    hashes: list[Hash]
    parent: Hash | None
    tokens: int
    medium: str
    group: int
    kind: str | None
    window: int | None


@dataclass(frozen=True, slots=True)
class Removed:
    """Blocks that left a medium."""

    hashes: list[Hash]
    medium: str
    group: int


@dataclass(frozen=True, slots=True)
class Cleared:
    """The cache was reset: nothing lies anywhere."""


Event = Stored | Removed | Cleared


@dataclass(frozen=True, slots=True)
class Batch:
    """What one pass of the engine's scheduler changed, in order.

    Attributes
    ----------
    time
        Seconds, by the engine's clock.
    rank
        Of data parallelism, where the batch says.
    sequence
        Number of the message in its stream, where it was recorded.
    """

    time: float
    rank: int | None
    events: list[Event]
    sequence: int | None = None


def batch_of(value: Any, sequence: int | None = None, unread: set[str] | None = None) -> Batch:
    """A decoded message.

    Parameters
    ----------
    value
        A list or a dict; texts and numbers in it as JSON has them, or bytes.
    sequence
        Number of the message, where it came with one.
    unread
        Takes the names of fields that are not known.

    Raises
    ------
    InputError
        It is no batch of events; names the event, counted from 0, and the field.
    """
    unread = set() if unread is None else unread
    table = _by_position(value, _BATCH, "a batch") if isinstance(value, list) else _by_name(value, "a batch")
    for name in _BATCH[:2]:
        if name not in table:
            raise InputError("found no such field", "expected a batch [ts, events] or {ts, events}", field=name)
    unread.update(table.keys() - {*_BATCH})
    time, events = time_of(table["ts"], "seconds", "ts"), table["events"]
    if not isinstance(events, list):
        raise InputError(f"found {shown(events)}", "expected a list of events", field="events")
    rank = None if table.get("data_parallel_rank") is None else whole(table, "data_parallel_rank")
    found: list[Event] = []
    for number, event in enumerate(events):
        try:
            found.append(_event(event, unread))
        except InputError as error:
            within = "" if error.field is None else f".{error.field}"
            raise InputError(error.found, error.expected, field=f"events[{number}]{within}") from None
    return Batch(time, rank, found, sequence)


def _by_position(value: list[Any], names: tuple[str, ...], what: str) -> dict[str, Any]:
    if not 2 <= len(value) <= len(names):
        raise InputError(f"found {len(value)} values", f"expected {what} [{', '.join(names)}]")
    return dict(zip(names, value, strict=False))


def _by_name(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"found {shown(value)}", f"expected {what}: a list or a map")
    return {_text(name): one for name, one in value.items()}


def _event(value: Any, unread: set[str]) -> Event:
    tag, table = _tagged(value, unread)
    if tag == "AllBlocksCleared":
        return Cleared()
    hashes = _hashes(table.get("block_hashes"), once=tag == "BlockStored")
    medium = table.get("medium")
    medium = COMPUTE if medium is None else _name(medium, "medium").upper()
    group = 0 if table.get("group_idx") is None else whole(table, "group_idx")
    if tag == "BlockRemoved":
        return Removed(hashes, medium, group)
    parent = table.get("parent_block_hash")
    kind, window = (table.get(f"kv_cache_spec_{name}") for name in ("kind", "sliding_window"))
    return Stored(
        hashes,
        None if parent is None else _hash(parent, "parent_block_hash"),
        whole(table, "block_size"),
        medium,
        group,
        None if kind is None else _name(kind, "kv_cache_spec_kind"),
        None if window is None else whole(table, "kv_cache_spec_sliding_window", 1),
    )


def _tagged(value: Any, unread: set[str]) -> tuple[str, dict[str, Any]]:
    """An event's tag and its fields by name."""
    table = _by_name(value, "an event") if not isinstance(value, list) else {}
    tag = (value[0] if value else None) if isinstance(value, list) else table.pop("type", None)
    tag = _text(tag) if isinstance(tag, bytes) else tag
    if not isinstance(tag, str) or tag not in _FIELDS:
        raise InputError(f"found {shown(tag)}", f"expected one of {', '.join(_FIELDS)}", field="type")
    names = _FIELDS[tag]
    if isinstance(value, list):
        given = value[1 : 1 + len(names)]
        known = next((k for k, one in enumerate(given) if not _fits(names[k], one)), len(given))
        if known + 1 < len(value):
            unread.add(f"{tag}[{known + 1}]")
        table = dict(zip(names[:known], given, strict=False))
    else:
        unread.update(f"{tag}.{name}" for name in table.keys() - {*names})
    for name in names[: 4 if tag == "BlockStored" else 1]:
        if name not in table:
            raise InputError("found no such field", f"expected {tag} to have it", field=name)
    return tag, table


def _fits(name: str, value: Any) -> bool:
    """Whether a value can be that of a field that a later release added; the first ones have to be."""
    kind = _ADDED.get(name)
    return kind is None or value is None or type(value) is kind


def _hashes(value: Any, *, once: bool) -> list[Hash]:
    if not isinstance(value, list):
        raise InputError(f"found {shown(value)}", "expected a list of hashes", field="block_hashes")
    small = {*map(type, value)} == {int} and min(value) >= -(2**63) and max(value) < 2**64
    found = value if small else [_hash(one, "block_hashes") for one in value]
    if once and len({*found}) < len(found):
        seen: set[Hash] = set()
        twice = next(one for one in found if one in seen or seen.add(one))  # type: ignore[func-returns-value]
        expected = "expected each hash once in an event (it stands for a block and all that lies before it)"
        raise InputError(f"found {shown(twice)} twice", expected, field="block_hashes")
    return found


def _hash(value: Any, field: str) -> Hash:
    if isinstance(value, bytes) and value:
        return value.hex()
    if (type(value) is int and -(2**63) <= value < 2**64) or (isinstance(value, str) and value):
        return value
    raise InputError(f"found {shown(value)}", "expected a whole number of 64 bits, bytes or hex digits", field=field)


def _name(value: Any, field: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_NAME:
        raise InputError(f"found {shown(value)}", f"expected a text of 1 to {_LONGEST_NAME} characters", field=field)
    return value


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if not isinstance(value, str):
        raise InputError(f"found {shown(value)}", "expected the name of a field")
    return value
