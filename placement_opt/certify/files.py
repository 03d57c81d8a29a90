"""Certificates as files: integer prices that prove a lower bound, and the moves of a schedule that proves an upper one.

Both are small binary files with a checksum, described byte by byte in docs/certificates.md. A file is read for one instance and
without trust: its length is held against the instance before it is read, its hash and its sizes before anything is unpacked.
Nothing is unpacked beyond what an instance of that size takes, or what there is memory for. That a file is well formed says
nothing of its claim; :mod:`placement_opt.certify.verify` does.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, BinaryIO, Literal, Protocol

import numpy as np
import numpy.typing as npt

from placement_opt.base import binary, room
from placement_opt.base.arrays import Array
from placement_opt.base.atomic import AnyPath, open_regular, write_bytes_atomic
from placement_opt.base.binary import CHECKSUM, checksum, planes
from placement_opt.base.errors import CertificateError, InputError
from placement_opt.base.limits import Limits
from placement_opt.instance.budgets import Budget
from placement_opt.instance.instance import Instance

Kind = Literal["prices", "schedule"]

#: Of an instance in which time alone counts, and of one with budgets or another objective.
VERSION, LIMITED = 1, 2
_MAGIC: dict[Kind, bytes] = {"prices": b"\x89POP\r\n\x1a\n", "schedule": b"\x89POS\r\n\x1a\n"}
#: magic, version, instance hash, lengths of the claim's numerator and denominator and of what is packed
_HEAD = struct.Struct("<8sI32sHHQ")
#: resources, tiers, steps, quantum (low and high half)
_PRICES = struct.Struct("<IIIQQ")
#: tiers, steps, blocks, moves, length of the scheduler's name
_SCHEDULE = struct.Struct("<IIIQH")
#: budgets, whether the claim is that no schedule keeps them
_MU = struct.Struct("<IB")
#: parts of a unit, numbers of the split
_SPLIT = struct.Struct("<QQ")
LARGEST_QUANTUM, LARGEST_PARTS = 2**128 - 1, 2**62
LONGEST_NAME = 200


class Priced(Protocol):
    """What prices are for: an instance, in rows or in runs."""

    @property
    def hash(self) -> str: ...

    @property
    def num_steps(self) -> int: ...

    @property
    def num_tiers(self) -> int: ...

    @property
    def num_resources(self) -> int: ...

    @property
    def budgets(self) -> tuple[Budget, ...]: ...

    @property
    def timed(self) -> bool: ...


@dataclass(frozen=True, eq=False)
class PriceCertificate:
    """Prices as integers, and the lower bound that they are said to prove (problem statement, section 4).

    Attributes
    ----------
    instance_hash
        Hash of the instance, 64 hexadecimal digits.
    quantum
        Prices are multiples of 1/quantum seconds per byte.
    rho
        int64[T, R] >= 0: price of one byte of load on resource r during step t.
    rent
        int64[T + 1, K] >= 0: rent of one byte held in tier k at state t.
    claim
        Seconds: "no schedule takes less" (costs less, by the objective of the instance).
    mu
        int64[H] >= 0: price of a part of the meter of each budget of the instance (of a second, where it has none); None where
        time alone counts.
    no_schedule
        The claim is "no schedule keeps the budgets": prices without an objective, whose D is ``claim`` > 0.
    """

    instance_hash: str
    quantum: int
    rho: npt.NDArray[np.int64]
    rent: npt.NDArray[np.int64]
    claim: Fraction
    mu: npt.NDArray[np.int64] | None = None
    no_schedule: bool = False


@dataclass(frozen=True, eq=False)
class ScheduleCertificate:
    """The moves of a schedule, and the time that it is said to take at most.

    Operations have numbers, with K tiers: ``k`` stores in passing to tier k, ``K + j * K + k`` fetches from tier j to tier k,
    ``K + K * K + k`` drops from tier k.

    Attributes
    ----------
    instance_hash
        Hash of the instance, 64 hexadecimal digits.
    scheduler
        Whose moves they are, a label.
    initial
        bool[K, B]: residency at state 0.
    indptr
        int64[T + 1]: step t makes the moves ``indptr[t]:indptr[t + 1]``.
    op, block
        uint16[M] operation and int32[M] block of each move, those of a step strictly ascending by (operation, block).
    claim
        Seconds: "this schedule takes no longer" (costs no more, by the objective of the instance).
    parts, split
        How reads are split, where the instance has budgets or another objective: int64[S] numbers of 1/parts of a unit (a byte
        over the share base; a block where operations are paid for by the block). For every step, for each kind of block and
        set of operations that can serve what is read of it, two at least, ascending: what each of them serves, but the last,
        which serves the rest.
    """

    instance_hash: str
    scheduler: str
    initial: npt.NDArray[np.bool_]
    indptr: npt.NDArray[np.int64]
    op: npt.NDArray[np.uint16]
    block: npt.NDArray[np.int32]
    claim: Fraction
    parts: int = 1
    split: npt.NDArray[np.int64] | None = None

    @property
    def moves(self) -> int:
        """How many there are."""
        return len(self.op)


def kind_of(path: AnyPath) -> Kind:
    """Which of the two a file is, by its first bytes; InputError if it is neither."""
    with open_regular(path) as handle:
        start = handle.read(8)
    for kind, magic in _MAGIC.items():
        if start == magic:
            return kind
    raise InputError("found another kind of file", "expected a certificate of prices or of a schedule", path=path)


def instance_hash(path: AnyPath) -> str:
    """The hash of the instance that a certificate says it is of; InputError where the file is none."""
    kind_of(path)
    with open_regular(path) as handle:
        head = handle.read(_HEAD.size)
    if len(head) < _HEAD.size:
        raise InputError(f"found {len(head)} bytes", "expected a certificate", path=path)
    digest: bytes = _HEAD.unpack(head)[2]
    return digest.hex()


def save_prices(certificate: PriceCertificate, path: AnyPath) -> None:
    """Write a certificate of prices, whole or not at all; InputError where it cannot be written or does not fit the format."""
    write_bytes_atomic(path, pack_prices(certificate))


def pack_prices(certificate: PriceCertificate) -> bytes:
    """The bytes of a certificate of prices; InputError where it does not fit the format."""
    steps, resources = certificate.rho.shape
    quantum, tiers = certificate.quantum, certificate.rent.shape[1]
    if not 1 <= quantum <= LARGEST_QUANTUM:
        raise InputError(f"found a quantum of 1/{quantum}", "expected one from 1 to 1/(2**128 - 1)", field="quantum")
    about = _PRICES.pack(resources, tiers, steps, quantum % 2**64, quantum // 2**64)
    data = planes(certificate.rho, "<u8") + planes(certificate.rent, "<u8")
    if certificate.mu is not None:
        about += _MU.pack(len(certificate.mu), certificate.no_schedule)
        data += planes(certificate.mu, "<u8")
    version = VERSION if certificate.mu is None else LIMITED
    return _packed("prices", version, certificate.instance_hash, certificate.claim, about, data)


def save_schedule(certificate: ScheduleCertificate, path: AnyPath) -> None:
    """Write a certificate of a schedule, whole or not at all; InputError where it cannot be written or does not fit."""
    write_bytes_atomic(path, pack_schedule(certificate))


def pack_schedule(certificate: ScheduleCertificate) -> bytes:
    """The bytes of a certificate of a schedule; InputError where it does not fit the format."""
    tiers, blocks = certificate.initial.shape
    name = certificate.scheduler.encode()
    if len(name) > LONGEST_NAME:
        raise InputError(f"found a name of {len(name)} bytes", f"expected at most {LONGEST_NAME}", field="scheduler")
    counts = np.diff(certificate.indptr)
    about = _SCHEDULE.pack(tiers, len(counts), blocks, len(certificate.op), len(name)) + name
    parts = [
        np.packbits(certificate.initial, axis=1, bitorder="little").tobytes(),
        planes(counts, "<u4"),
        planes(certificate.op, "<u2"),
        planes(certificate.block, "<u4"),
    ]
    if certificate.split is not None:
        if not 1 <= certificate.parts <= LARGEST_PARTS:
            raise InputError(f"found {certificate.parts} parts of a unit", f"expected 1 to {LARGEST_PARTS}", field="parts")
        about += _SPLIT.pack(certificate.parts, len(certificate.split))
        parts.append(planes(certificate.split, "<u8"))
    version = VERSION if certificate.split is None else LIMITED
    return _packed("schedule", version, certificate.instance_hash, certificate.claim, about, b"".join(parts))


def load_prices(path: AnyPath | bytes, instance: Priced, limits: Limits | None = None) -> PriceCertificate:
    """Read what :func:`save_prices` wrote for this instance, from a file or from the bytes of one.

    Parameters
    ----------
    path, instance
        What to read, and for which instance.
    limits
        Memory; without it, what is free.

    Raises
    ------
    InputError
        The file is not such a file; no other exception than these three, in time and memory bounded by the instance.
    CertificateError
        It is, but damaged, or made for another instance.
    LimitError
        It needs more memory than there is.
    """
    length = 8 * (instance.num_steps * instance.num_resources + (instance.num_steps + 1) * instance.num_tiers)
    budgets = None if instance.timed else len(instance.budgets)
    length += 8 * (budgets or 0)
    digest, claim, content = _open(path, "prices", instance, length, limits)
    path = _named(path)
    resources, tiers, steps, low, high = content.unpack(_PRICES)
    content.same(resources=(resources, instance.num_resources), tiers=(tiers, instance.num_tiers))
    content.same(steps=(steps, instance.num_steps))
    quantum = low + (high << 64)
    if quantum == 0:
        raise InputError("found 0", "expected at least 1", path=path, field="quantum")
    no_schedule = 0
    if budgets is not None:
        found, no_schedule = content.unpack(_MU)
        content.same(budgets=(found, budgets))
        if no_schedule > 1:
            raise InputError(f"found {no_schedule}", "expected 0 or 1", path=path, field="no schedule")
    content.unzip(length)
    rho = content.planes("rho", "<u8", np.int64, (steps, resources))
    rent = content.planes("rent", "<u8", np.int64, (steps + 1, tiers))
    mu = None if budgets is None else content.planes("mu", "<u8", np.int64, (budgets,))
    return PriceCertificate(digest, quantum, rho, rent, claim, mu, no_schedule == 1)


def load_schedule(path: AnyPath | bytes, instance: Instance, limits: Limits | None = None) -> ScheduleCertificate:
    """Read what :func:`save_schedule` wrote for this instance; as :func:`load_prices`."""
    most = most_moves(instance)
    row = -(-instance.num_blocks // 8)
    fixed = instance.num_tiers * row + 4 * instance.num_steps
    splits = 0 if instance.timed else most_split(instance)
    digest, claim, content = _open(path, "schedule", instance, fixed + 6 * most + 8 * splits, limits)
    path = _named(path)
    tiers, steps, blocks, moves, length = content.unpack(_SCHEDULE)
    content.same(tiers=(tiers, instance.num_tiers), steps=(steps, instance.num_steps), blocks=(blocks, instance.num_blocks))
    name = content.text(length)
    if moves > most:
        raise InputError(f"found {moves} moves", f"expected at most {most} on this instance", path=path, field="moves")
    pieces, numbers = 1, 0
    if not instance.timed:
        pieces, numbers = content.unpack(_SPLIT)
        if not 1 <= pieces <= LARGEST_PARTS:
            raise InputError(f"found {pieces} parts of a unit", f"expected 1 to {LARGEST_PARTS}", path=path, field="parts")
        if numbers > splits:
            expected = f"expected at most {splits} on this instance"
            raise InputError(f"found {numbers} numbers of the split", expected, path=path, field="split")
    content.unzip(fixed + 6 * moves + 8 * numbers)
    bits = np.frombuffer(content.take(tiers * row), dtype=np.uint8).reshape(tiers, row)
    initial = np.unpackbits(bits, axis=1, bitorder="little").astype(np.bool_)
    if initial[:, blocks:].any():
        raise InputError("found bits beyond the last block", "expected zeros", path=path, field="initial")
    counts = content.planes("counts", "<u4", np.int64, (steps,))
    indptr = np.concatenate([[0], np.cumsum(counts)])
    if indptr[-1] != moves:
        raise InputError(f"found {indptr[-1]} moves in all steps", f"expected {moves}", path=path, field="counts")
    op = content.planes("op", "<u2", np.uint16, (moves,))
    block = content.planes("block", "<u4", np.int32, (moves,))
    split = None if instance.timed else content.planes("split", "<u8", np.int64, (numbers,))
    start = np.ascontiguousarray(initial[:, :blocks])
    return ScheduleCertificate(digest, name, start, indptr, op, block, claim, pieces, split)


def most_moves(instance: Instance) -> int:
    """More moves no schedule makes: each block, at each step before a state that it lives to see, into or out of each tier."""
    return instance.num_tiers * int((instance.last_state - instance.first_state + 1).sum())


@contextmanager
def opened(
    path: AnyPath, magic: bytes, version: int, head: struct.Struct, least: int, what: str, question: Priced
) -> Iterator[tuple[BinaryIO, tuple[Any, ...], int]]:
    """A file in sections, made for a question, whose head begins with ``magic``, version and hash.

    The file after its head, the rest of the head, and where the checksum begins. ``least``: bytes that follow the head at
    least; ``what`` it is, in words.

    InputError where it is no such file, CertificateError where it is damaged or made for another question.
    """
    with open_regular(path) as handle:
        length = handle.seek(0, 2)
        handle.seek(0)
        raw = handle.read(head.size)
        if len(raw) < head.size or raw[: len(magic)] != magic:
            raise InputError("found another kind of file", f"expected {what}", path=path)
        _, found, digest, *rest = head.unpack(raw)
        if found != version:
            raise InputError(f"found version {found}", f"expected {version}", path=path)
        end = length - CHECKSUM
        handle.seek(max(0, end))
        intact = end >= head.size + least and handle.read() == checksum(path, end)
        check_whole(path, digest, question, intact=intact)
        handle.seek(head.size)
        yield handle, tuple(rest), end


def check_whole(path: AnyPath, digest: bytes, instance: Priced, *, intact: bool) -> None:
    """Refuse a file whose checksum was not found ``intact``, then one that was made for another instance."""
    if not intact:
        raise CertificateError("the checksum does not match: the file is damaged, cut short or changed", path=path)
    try:
        check_instance_hash(digest.hex(), instance)
    except CertificateError as error:
        raise error.at(path) from None


def most_split(instance: Instance) -> int:
    """More numbers no split has: each read is served by each operation that serves, but one."""
    return instance.trace.num_reads * (int(instance.memory.operations.serves.sum()) - 1)


def check_instance_hash(digest: str, instance: Priced) -> None:
    """Refuse what was made for another instance."""
    if digest != instance.hash:
        raise CertificateError(f"made for another instance: found hash {digest[:12]}, this instance's is {instance.hash[:12]}")


def _packed(kind: Kind, version: int, instance_hash: str, claim: Fraction, about: bytes, data: bytes) -> bytes:
    over, under = binary.ratio_bytes(claim, "claim")
    packed = zlib.compress(data, 6)
    head = _HEAD.pack(_MAGIC[kind], version, bytes.fromhex(instance_hash), len(over), len(under), len(packed))
    body = b"".join([head, about, over, under, packed])
    return body + hashlib.sha256(body).digest()


def _read(path: AnyPath, kind: Kind, instance: Priced, length: int, limits: Limits) -> bytes:
    """The whole of a file that is no longer than one for this instance, of so many bytes unpacked, can be."""
    most = _HEAD.size + max(_PRICES.size + _MU.size, _SCHEDULE.size + _SPLIT.size) + LONGEST_NAME
    most += 2 * binary.LONGEST_NUMBER + binary.most_packed(length) + CHECKSUM
    with open_regular(path) as handle:
        size = handle.seek(0, 2)
        handle.seek(0)
        if size > most:
            head = handle.read(_HEAD.size)
            if head[:8] == _MAGIC[kind]:
                check_instance_hash(_HEAD.unpack(head)[2].hex(), instance)
            raise InputError(f"found {size} bytes", f"expected at most {most} for this instance", path=path)
        room.check(f"{os.fspath(path)}: reading it", 2 * size, limits)
        return handle.read(size)


def _named(path: AnyPath | bytes) -> AnyPath:
    """What errors call it."""
    return "certificate" if isinstance(path, bytes) else path


def _open(
    path: AnyPath | bytes, kind: Kind, instance: Priced, length: int, limits: Limits | None
) -> tuple[str, Fraction, _Content]:
    """The parts that both kinds have, checked, and the content between them and the packed data (at most ``length`` bytes)."""
    limits = limits or Limits()
    try:
        data = path if isinstance(path, bytes) else _read(path, kind, instance, length, limits)
    except CertificateError as error:
        raise error.at(_named(path)) from None
    path = _named(path)
    if data[:8] != _MAGIC[kind] or len(data) < _HEAD.size + CHECKSUM:
        raise InputError("found another kind of file", f"expected a certificate of {_WHAT[kind]}", path=path)
    _, version, digest, over, under, packed = _HEAD.unpack_from(data)
    if version != (expected := VERSION if instance.timed else LIMITED) and digest.hex() == instance.hash:
        raise InputError(f"found version {version}", f"expected {expected} for this instance", path=path)
    intact = hashlib.sha256(memoryview(data)[:-CHECKSUM]).digest() == data[-CHECKSUM:]
    check_whole(path, digest, instance, intact=intact)
    start = len(data) - CHECKSUM - packed - under - over
    if start < _HEAD.size:
        raise InputError(f"found {len(data)} bytes", "expected more: the parts do not fit", path=path)
    claim = binary.ratio_of(memoryview(data)[start : start + over + under], over, path, "claim")
    content = _Content(path, data[_HEAD.size : start], data[start + over + under : -CHECKSUM], limits)
    return digest.hex(), claim, content


_WHAT: dict[Kind, str] = {"prices": "prices", "schedule": "a schedule"}


class _Content:
    """What lies between the head and the claim, and the packed data: read from the front, each part checked."""

    def __init__(self, path: AnyPath, about: bytes, packed: bytes, limits: Limits) -> None:
        self._path, self._rest, self._packed, self._limits = path, memoryview(about), packed, limits

    def take(self, length: int) -> memoryview:
        part, self._rest = self._rest[:length], self._rest[length:]
        return part

    def unpack(self, layout: struct.Struct) -> tuple[Any, ...]:
        if len(self._rest) < layout.size:
            raise InputError(f"found {len(self._rest)} bytes of sizes", f"expected {layout.size}", path=self._path)
        return layout.unpack(self.take(layout.size))

    def same(self, **sizes: tuple[int, int]) -> None:
        for name, (found, expected) in sizes.items():
            if found != expected:
                raise InputError(f"found {found} {name}", f"expected the instance's {expected}", path=self._path, field=name)

    def text(self, length: int) -> str:
        name = bytes(self.take(length))
        if len(name) != length or length > LONGEST_NAME:
            raise InputError(f"found a name of {length} bytes", f"expected at most {LONGEST_NAME}", path=self._path)
        try:
            return name.decode()
        except UnicodeDecodeError:
            raise InputError("found a name that is no UTF-8", "expected text", path=self._path, field="scheduler") from None

    def unzip(self, length: int) -> None:
        """Unpack the data, which must be so long and no longer; what was read so far must have been everything."""
        if self._rest:
            raise InputError(f"found {len(self._rest)} bytes too many", "expected the claim", path=self._path)
        # unpacked, out of its planes, and as the numbers that it is
        room.check(f"{os.fspath(self._path)}: reading it", 3 * length, self._limits)
        self._rest = memoryview(binary.unpacked(self._packed, length, self._path))

    def planes(self, name: str, stored: str, wanted: type[np.integer[Any]], shape: tuple[int, ...]) -> Array:
        count = int(np.prod(shape, dtype=object))
        values = binary.of_planes(self.take(count * np.dtype(stored).itemsize), stored, count).reshape(shape)
        if count and int(values.max()) > np.iinfo(wanted).max:
            found = f"found {int(values.max())}"
            raise InputError(found, f"expected at most {np.iinfo(wanted).max}", path=self._path, field=name)
        return values.astype(wanted)
