"""What makes an instance sound: shapes, rules, room, a start that its rule allows; everything else is refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError
from placement_opt.base.given import check_kind
from placement_opt.base.units import format_size
from placement_opt.instance.rule import MOST_LOAD, PREFIXES, RESIDENCIES, Prefix, Residency
from placement_opt.memory.operations import BLOCK_KINDS
from placement_opt.memory.system import MemorySystem
from placement_opt.workload.trace import Trace, check_piece_bytes

if TYPE_CHECKING:
    from placement_opt.instance.instance import Instance


def check_instance(instance: Instance) -> None:
    """Refuse an instance that no schedule can satisfy or whose arrays do not fit; InputError says what and by how much."""
    check_kind(instance.memory, MemorySystem, "a memory system (preset, load_memory)", field="memory")
    check_kind(instance.trace, Trace, "a trace (Trace.from_reads, load_trace)", field="trace")
    tiers, resources, steps, blocks = (
        instance.num_tiers,
        instance.num_resources,
        instance.num_steps,
        instance.num_blocks,
    )
    shapes = {"capacity": (tiers,), "size": (blocks,), "fixed": (steps, resources), "floor": (steps,)}
    for name, shape in shapes.items():
        check_kind(getattr(instance, name), np.ndarray, f"an array of shape {shape}", field=name)
        if getattr(instance, name).shape != shape:
            raise InputError(f"found shape {getattr(instance, name).shape}", f"expected {shape}", field=name)
    if instance.residency not in RESIDENCIES:
        raise InputError(f"found {instance.residency!r}", f"expected one of {', '.join(RESIDENCIES)}", field="residency")
    check_prefix(instance.prefix, instance.residency, instance.trace)
    for name in ("capacity", "fixed", "floor"):
        values = getattr(instance, name)
        if (values < 0).any() or not np.isfinite(values).all():
            raise InputError(
                f"found {values[(values < 0) | ~np.isfinite(values)][0]}", "expected no negative value", field=name
            )
    _check_operations(instance)
    peak = int(instance.alive_bytes.max())
    check_room(instance.memory, instance.residency, instance.home_tier, instance.capacity, peak=peak)
    if instance.initial is not None:
        _check_initial(instance, instance.initial)


def check_prefix(prefix: Prefix, residency: Residency, trace: Trace) -> None:
    """Refuse strict prefixes where blocks lie somewhere always, or the trace (or one of its kind) knows no prefixes."""
    if prefix not in PREFIXES:
        raise InputError(f"found {prefix!r}", f"expected one of {', '.join(PREFIXES)}", field="prefix")
    if prefix == "free":
        return
    if residency != "cache":
        found = f"found strict prefixes under the rule {residency}"
        raise InputError(found, "expected them under cache, where a block may be missing", field="prefix")
    if trace.position is None and trace.requests is not None:
        found = "found a trace whose steps serve several requests at once, and decoded tokens, which ask for no prefix"
        raise InputError(found, 'expected "free", or a trace whose steps are requests (trace import)', field="prefix")
    if trace.position is None:
        expected = "expected one that does: imported from mooncake, drawn by requests, or with the array position"
        raise InputError("found a trace that does not say in which order its steps ask for blocks", expected, field="prefix")


def _check_operations(instance: Instance) -> None:
    """What the rule and the trace ask of the table."""
    operations = instance.memory.operations
    if instance.forgets and not (operations.serves & (operations.source < 0)).any():
        expected = "expected one: what lies nowhere must be made anew or come from outside"
        raise InputError("found no operation without a source under the rule cache", expected, field="residency")
    if instance.trace.pieces is not None:
        check_piece_bytes(instance.trace.pieces, instance.size)
    _check_kinds(instance)
    labels = [0] if instance.trace.block_kind is None else np.unique(instance.trace.block_kind)
    if instance.strict and not operations.remakes[labels].all():
        expected = "expected one: what is made anew behind a missing block may be stored in passing"
        raise InputError("found no operation without a source that brings the block to the processor", expected, field="prefix")
    if not operations.uniform and instance.share_base > 1:
        expected = "expected whole reads: what a part of a block costs in requests and pages is not said"
        raise InputError(f"found reads in shares of 1/{instance.share_base}", expected, field="shares")
    if not operations.plain and (most := _largest_load(instance)) > MOST_LOAD:
        found = f"found blocks that load up to {most:.3g} on one resource, all together"
        raise InputError(found, f"expected at most {MOST_LOAD:.3g}: smaller pages, or results in fewer parts", field="trace")
    for m, meter in enumerate(instance.used_meters):
        if not 0 <= meter < len(instance.memory.meters):
            raise InputError(f"found meter {meter}", f"expected one of {len(instance.memory.meters)}", field="budgets")
        most = instance.share_base * _most(instance, instance.memory.meters.per_byte[:, meter])
        if most + int(instance.metered[m]) > MOST_LOAD:
            found = f"found blocks that add up to {most:.3g} parts to the meter {instance.memory.meters.names[meter]!r}"
            raise InputError(found, f"expected at most {MOST_LOAD:.3g}: energies in fewer digits", field="budgets")


def _check_kinds(instance: Instance) -> None:
    """Under the rule cache each kind of block that there is has an operation without a source; a read serves the others."""
    if not instance.forgets or not instance.memory.operations.limited:
        return
    anew = np.asarray(instance.loads.applies[:, instance.loads.serves_from < 0].any(axis=1))
    if not anew.all():
        block = int(np.argmin(anew[instance.loads.kind]))
        label = 0 if instance.trace.block_kind is None else int(instance.trace.block_kind[block])
        found = f"found no operation without a source for {BLOCK_KINDS[label]} (block {block}) under the rule cache"
        raise InputError(found, "expected one: what lies nowhere must be made anew or come from outside", field="kinds")


def _most(instance: Instance, per_byte: Int64) -> int:
    """At least what one operation on every block adds by the byte (int64[O])."""
    total, pieces = int(instance.size.sum()), _all_pieces(instance)
    rows = zip(per_byte.tolist(), instance.memory.operations.grain.tolist(), strict=True)
    return max(int(load) * (total + pieces * (int(grain) - 1)) for load, grain in rows)


def _all_pieces(instance: Instance) -> int:
    """Of all blocks together."""
    return instance.num_blocks if instance.pieces is None else int(instance.pieces.sum())


def _largest_load(instance: Instance) -> int:
    """At least what one operation on every block loads on one resource, times the base of the shares."""
    operations, total, pieces = instance.memory.operations, int(instance.size.sum()), _all_pieces(instance)
    rows = zip(operations.per_byte.max(axis=1), operations.per_call.max(axis=1), operations.grain, strict=True)
    each = ((int(byte), int(call), int(grain)) for byte, call, grain in rows)
    return instance.share_base * max(byte * (total + pieces * (grain - 1)) + call * pieces for byte, call, grain in each)


def check_room(memory: MemorySystem, residency: Residency, home_tier: int | None, capacity: Int64, *, peak: int) -> None:
    """Refuse tiers without room for the bytes alive at their peak; InputError with both numbers.

    ``home_tier``: as in an instance, of the inclusive rule.
    """
    total = int(capacity.sum())
    if residency == "inclusive":
        _check_home(memory, home_tier, capacity, peak)
    elif peak > total and residency != "cache":
        found = f"found room for {format_size(total)} in all tiers together"
        raise InputError(found, f"expected at least {format_size(peak)}, every block at its peak", field="capacity")


def check_largest(memory: MemorySystem, capacity: Int64, largest: int) -> None:
    """Refuse a tier of a whole question with some room, but not for its largest block; a part of one may have such shares."""
    for tier, room in zip(memory.tiers, capacity, strict=True):
        if 0 < room < largest:
            found = f"found room for {format_size(int(room))}"
            expected = f"expected none or at least the largest block, {format_size(largest)}"
            raise InputError(found, expected, field=f"{tier.name}.capacity")


def _check_home(memory: MemorySystem, home_tier: int | None, capacity: Int64, peak: int) -> None:
    home, names = memory.home if home_tier is None else home_tier, memory.tier_names
    if peak <= capacity[home]:
        return
    default = "the largest that is not the fastest" if len(names) > 1 else "the only one"
    why = default if home_tier is None else "named by the rules"
    found = f"found room for {format_size(int(capacity[home]))} in {names[home]}, the home tier ({why})"
    roomy = [f'home = "{names[k]}"' for k in memory.by_speed[::-1] if capacity[k] >= peak]
    instead = f", or {roomy[0]} in [rules]" if roomy else ' (so much no tier has that home = "..." in [rules] could name)'
    expected = f"expected at least {format_size(peak)}, every block at its peak{instead}"
    raise InputError(found, expected, field=f"{names[home]}.capacity")


def _check_initial(instance: Instance, initial: npt.NDArray[np.bool_]) -> None:
    if initial.shape != (instance.num_tiers, instance.num_blocks) or initial.dtype != np.bool_:
        raise InputError(f"found {initial.dtype}{initial.shape}", "expected bool of tiers x blocks", field="initial")
    exists = instance.first_state == 0
    copies = initial.sum(axis=0)
    if (copies[~exists] > 0).any():
        block = int(np.flatnonzero(~exists & (copies > 0))[0])
        raise InputError(f"found block {block} placed before it is produced", "expected only initial blocks", field="initial")
    low, high = 0 if instance.forgets else 1, 1 if instance.residency == "exclusive" else instance.num_tiers
    wrong = exists & ((copies < low) | (copies > high))
    if instance.inclusive:
        wrong |= exists & ~initial[instance.home]
    if wrong.any():
        block = int(np.flatnonzero(wrong)[0])
        where = [name for name, held in zip(instance.memory.tier_names, initial[:, block], strict=True) if held]
        found = f"found block {block} in {where or 'no tier'}"
        raise InputError(found, f"expected what the {instance.residency} rule allows", field="initial")
    used = initial @ instance.size
    for tier, capacity, bytes_used in zip(instance.memory.tiers, instance.capacity, used, strict=True):
        if bytes_used > capacity:
            found = f"found {format_size(int(bytes_used))} placed in {tier.name}"
            raise InputError(found, f"expected at most {format_size(int(capacity))}", field="initial")
