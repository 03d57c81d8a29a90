"""What decides the answers of an instance, as a hash: memory tables, trace arrays, sizes, rules; names decide nothing."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from placement_opt.instance.budgets import Budget, Objective
from placement_opt.memory.system import MemorySystem

if TYPE_CHECKING:
    from placement_opt.instance.instance import Instance


def digest_of(instance: Instance) -> str:
    """Hex SHA-256 (:attr:`placement_opt.instance.instance.Instance.hash`)."""
    digest = hashlib.sha256()
    header = ["placement-opt instance 1", instance.residency, str(instance.home), str(instance.share_base)]
    header += ["free" if instance.initial is None else "given", *instance.memory.tier_names, *instance.memory.resources]
    digest.update("\n".join(header).encode())
    memory: list[npt.NDArray[Any] | None] = [
        instance.memory.rates,
        instance.memory.read,
        instance.memory.write,
        instance.memory.copy,
        instance.capacity,
    ]
    trace: list[npt.NDArray[Any] | None] = [
        instance.trace.indptr,
        instance.trace.blocks,
        instance.trace.birth,
        instance.trace.death,
        instance.size,
    ]
    labels: list[npt.NDArray[Any] | None] = [instance.trace.block_layer, instance.trace.step_layer, instance.trace.shares]
    trace += [instance.fixed, instance.floor, instance.initial]
    for array in memory + labels + trace:
        feed(digest, array)
    if not (operations := instance.memory.operations).plain:
        digest.update(("\noperations\n" + "\n".join(operations.names)).encode())
        for array in (operations.source, operations.brings, operations.per_byte, operations.per_call, operations.grain):
            feed(digest, array)
    if instance.strict:
        digest.update(b"\nprefix strict")
        feed(digest, instance.trace.position)
    if operations.limited:
        digest.update(b"\nkinds")
        feed(digest, operations.applies)
    if instance.trace.block_kind is not None and instance.trace.block_kind.any():
        digest.update(b"\nblock kinds")
        feed(digest, instance.trace.block_kind)
    if instance.pieces is not None:
        digest.update(b"\npieces")
        feed(digest, instance.pieces)
    if not instance.timed:
        feed_budgets(digest, instance)
        feed(digest, instance.metered)
    return digest.hexdigest()


class Budgeted(Protocol):
    """A question with budgets or weights."""

    @property
    def memory(self) -> MemorySystem: ...

    @property
    def budgets(self) -> tuple[Budget, ...]: ...

    @property
    def objective(self) -> Objective: ...

    @property
    def used_meters(self) -> tuple[int, ...]: ...


def feed_budgets(digest: hashlib._Hash, instance: Budgeted) -> None:
    """What bounds and weighs a run, and the meters that it is counted by; their names and units decide nothing."""
    used = list(instance.used_meters)
    place = {meter: m for m, meter in enumerate(used)}
    lines = ["", "budgets"]
    for budget in instance.budgets:
        meter = "time" if budget.meter is None else str(place[budget.meter])
        lines.append(f"{meter} {budget.fixed} {budget.per_second}")
    lines += ["objective", str(instance.objective.time)]
    lines += [f"{place[meter]} {weight}" for meter, weight in instance.objective.weights]
    digest.update("\n".join(lines).encode())
    feed(digest, instance.memory.meters.per_byte[:, used])


def feed(digest: hashlib._Hash, array: npt.NDArray[Any] | None) -> None:
    if array is None:
        digest.update(b"\nnone")
        return
    digest.update(f"\n{array.dtype.str}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
