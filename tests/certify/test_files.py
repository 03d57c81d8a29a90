"""The files of certificates: what is written is read back, and nothing else is believed."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import struct
import zlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from placement_opt.answer.prove_integer import certify_schedule
from placement_opt.base import room
from placement_opt.base.errors import CertificateError, InputError, LimitError
from placement_opt.base.limits import Limits
from placement_opt.certify import files as certificate
from placement_opt.certify.files import (
    PriceCertificate,
    ScheduleCertificate,
    kind_of,
    load_prices,
    load_schedule,
    save_prices,
    save_schedule,
)
from placement_opt.instance.instance import Instance
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from tests.certify.certificates import draw, draw_prices, reseal, same_prices, same_schedule
from tests.small import fetch_ahead, make_instance, make_trace, two_tier
from tests.taken import taken

HEAD, PRICES, SCHEDULE = 56, 28, 22


def prices_of(instance: Instance, seed: int = 0, quantum: int = 10**12) -> PriceCertificate:
    rho, rent = draw_prices(np.random.default_rng(seed), instance, 10**12)
    return PriceCertificate(instance.hash, quantum, rho, rent, Fraction(22, 7))


def schedule_of(instance: Instance) -> ScheduleCertificate:
    made = simulate(instance, make_scheduler("lru"), record=True).schedule
    assert made is not None
    return certify_schedule(instance, made)


@pytest.mark.parametrize("seed", range(20))
def test_round_trip(tmp_path: Path, seed: int) -> None:
    """Prices and schedules of random instances come back as they were, and the same content gives the same bytes."""
    _, instance = draw(seed)
    prices, schedule = prices_of(instance, seed, 10**12 + seed * 2**70), schedule_of(instance)
    for name in ("one", "two"):
        save_prices(prices, tmp_path / f"{name}.prices")
        save_schedule(schedule, tmp_path / f"{name}.schedule")
    assert same_prices(load_prices(tmp_path / "one.prices", instance), prices)
    assert same_schedule(load_schedule(tmp_path / "one.schedule", instance), schedule)
    assert (tmp_path / "one.prices").read_bytes() == (tmp_path / "two.prices").read_bytes()
    assert kind_of(tmp_path / "one.prices") == "prices"
    assert kind_of(tmp_path / "one.schedule") == "schedule"


def test_bytes_of_prices_are_as_documented(tmp_path: Path) -> None:
    """Every field of a file of prices lies where docs/certificates.md says."""
    instance = fetch_ahead()
    made = prices_of(instance, quantum=2**64 * 5 + 3)
    save_prices(made, tmp_path / "p")
    data = (tmp_path / "p").read_bytes()
    assert data[:8] == b"\x89POP\r\n\x1a\n"
    assert data[8:12] == bytes([1, 0, 0, 0])
    assert data[12:44].hex() == instance.hash
    over, under, packed = struct.unpack("<HHQ", data[44:56])
    assert struct.unpack("<III", data[56:68]) == (4, 2, 22)
    assert int.from_bytes(data[68:84], "little") == 2**64 * 5 + 3
    assert (over, under) == (1, 1)
    assert data[84:86] == bytes([22, 7])
    unpacked = zlib.decompress(data[86 : 86 + packed])
    planes = np.frombuffer(unpacked[: 8 * 88], dtype=np.uint8).reshape(8, 88)
    assert [int.from_bytes(bytes(planes[:, i]), "little") for i in range(88)] == made.rho.ravel().tolist()
    planes = np.frombuffer(unpacked[8 * 88 :], dtype=np.uint8).reshape(8, 46)
    assert [int.from_bytes(bytes(planes[:, i]), "little") for i in range(46)] == made.rent.ravel().tolist()
    assert data[86 + packed :] == hashlib.sha256(data[: 86 + packed]).digest()


def test_bytes_of_a_schedule_are_as_documented(tmp_path: Path) -> None:
    """Every field of a file of a schedule lies where docs/certificates.md says."""
    instance = make_instance(two_tier(hbm=2), make_trace([[0, 1], [0], []], [-1] * 9))
    initial = np.array([[False, True] + [False] * 7, [True] * 9])
    moves = np.array([0, 2, 2, 3]), np.array([4, 6, 4], dtype=np.uint16), np.array([0, 1, 8], dtype=np.int32)
    save_schedule(ScheduleCertificate(instance.hash, "béla", initial, *moves, Fraction(300, 1)), tmp_path / "s")
    data = (tmp_path / "s").read_bytes()
    assert data[:12] == b"\x89POS\r\n\x1a\n\x01\x00\x00\x00"
    over, under, packed = struct.unpack("<HHQ", data[44:56])
    assert struct.unpack("<IIIQH", data[56:78]) == (2, 3, 9, 3, 5)
    assert data[78:83] == "béla".encode()
    assert (over, under) == (2, 1)
    assert data[83:86] == bytes([44, 1, 1])
    assert packed == len(data) - 86 - 32
    start = bytes([0b10, 0, 255, 1])
    counts, ops = bytes([2, 0, 1] + [0] * 9), bytes([4, 6, 4, 0, 0, 0])
    assert zlib.decompress(data[86 : 86 + packed]) == start + counts + ops + bytes([0, 1, 8] + [0] * 9)


@pytest.mark.parametrize("content", [b"", b"schema = 1\n", b"\x89PNG\r\n\x1a\n" + bytes(200), b"\x89POP\r\n\x1a"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    """Whatever does not begin like a certificate is none."""
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(InputError, match="x: found another kind of file, expected a certificate of prices or of a schedule"):
        kind_of(tmp_path / "x")
    with pytest.raises(InputError, match="x: found another kind of file, expected a certificate of prices"):
        load_prices(tmp_path / "x", fetch_ahead())


def test_each_reader_takes_its_own_kind(tmp_path: Path) -> None:
    """Prices are no schedule, and a beginning alone is nothing."""
    instance = fetch_ahead()
    save_prices(prices_of(instance), tmp_path / "p")
    with pytest.raises(InputError, match="p: found another kind of file, expected a certificate of a schedule"):
        load_schedule(tmp_path / "p", instance)
    (tmp_path / "p").write_bytes((tmp_path / "p").read_bytes()[:80])
    with pytest.raises(InputError, match="p: found another kind of file, expected a certificate of prices"):
        load_prices(tmp_path / "p", instance)


def test_damage_is_noticed(tmp_path: Path) -> None:
    """A file cut short by a byte, or with one appended, is damaged; so is one with any bit flipped."""
    instance = fetch_ahead()
    save_prices(prices_of(instance), tmp_path / "p")
    data = (tmp_path / "p").read_bytes()
    for changed in (data[:-1], data + b"\x00", data[:100] + bytes([data[100] ^ 4]) + data[101:]):
        (tmp_path / "q").write_bytes(changed)
        with pytest.raises(CertificateError) as caught:
            load_prices(tmp_path / "q", instance)
        assert str(caught.value) == f"{tmp_path / 'q'}: the checksum does not match: the file is damaged, cut short or changed"


def test_another_instance_is_refused_before_anything_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hash is compared first, and the message names both."""
    instance = fetch_ahead()
    other = dataclasses.replace(instance, fixed=instance.fixed + 1)
    save_prices(prices_of(instance), tmp_path / "p")
    save_schedule(schedule_of(instance), tmp_path / "s")
    monkeypatch.setattr(certificate.zlib, "decompressobj", None)
    found = f"made for another instance: found hash {instance.hash[:12]}, this instance's is {other.hash[:12]}"
    with pytest.raises(CertificateError, match=f"p: {found}"):
        load_prices(tmp_path / "p", other)
    with pytest.raises(CertificateError, match=f"s: {found}"):
        load_schedule(tmp_path / "s", other)


#: field, byte offset, new bytes, message; the checksum is made to fit
FORGED_PRICES = {
    "version": (8, b"\x02", "found version 2, expected 1"),
    "claim without denominator": (46, b"\x00", "claim: found a denominator of 0"),
    "claim longer than the file": (44, b"\xff\xff", "found .* bytes, expected more: the parts do not fit"),
    "claim takes the sizes": (44, b"\x05", "found 24 bytes of sizes, expected 28"),
    "packed data longer than the file": (52, b"\xff", "found .* bytes, expected more: the parts do not fit"),
    "packed data shorter": (48, b"\x10\x00", "found .* bytes too many, expected the claim"),
    "resources": (56, b"\x05", "resources: found 5 resources, expected the instance's 4"),
    "tiers": (60, b"\x03", "tiers: found 3 tiers, expected the instance's 2"),
    "steps": (64, b"\xff\xff\xff\xff", "steps: found 4294967295 steps, expected the instance's 22"),
    "quantum": (68, bytes(16), "quantum: found 0, expected at least 1"),
    "packed data": (90, b"\xff\xff\xff\xff", "found data that cannot be unpacked"),
}


@pytest.mark.parametrize("case", FORGED_PRICES)
def test_forged_prices_are_refused(tmp_path: Path, case: str) -> None:
    """Fields that contradict the file or the instance, under a checksum that fits: refused by name."""
    instance = fetch_ahead()
    save_prices(prices_of(instance), tmp_path / "p")
    data = bytearray((tmp_path / "p").read_bytes())
    offset, new, message = FORGED_PRICES[case]
    data[offset : offset + len(new)] = new
    with pytest.raises(InputError, match=f"q: {message}"):
        load_prices(reseal(tmp_path / "q", bytes(data)), instance)


FORGED_SCHEDULE = {
    "tiers": (56, b"\x03", "tiers: found 3 tiers, expected the instance's 2"),
    "steps": (60, b"\x01", "steps: found 1 steps, expected the instance's 22"),
    "blocks": (64, b"\x15", "blocks: found 21 blocks, expected the instance's 20"),
    "moves beyond all reason": (68, b"\xff" * 8, "moves: found 18446744073709551615 moves, expected at most 920 on this"),
    "more moves than the instance allows": (68, b"\x99\x03", "moves: found 921 moves, expected at most 920 on this instance"),
    "one move too many": (68, b"\x01", "found data of another length"),
    "name longer than the file": (76, b"\xff\xff", "found a name of 65535 bytes, expected at most 200"),
    "name too short": (76, b"\x02", "found 1 bytes too many, expected the claim"),
    "name no text": (78, b"\xff", "scheduler: found a name that is no UTF-8"),
}


@pytest.mark.parametrize("case", FORGED_SCHEDULE)
def test_forged_schedules_are_refused(tmp_path: Path, case: str) -> None:
    """The same for the fields of a schedule."""
    instance = fetch_ahead()
    empty = np.zeros(23, dtype=np.int64), np.zeros(0, dtype=np.uint16), np.zeros(0, dtype=np.int32)
    start = np.array([[False] * 20, [True] * 20])
    save_schedule(ScheduleCertificate(instance.hash, "lru", start, *empty, Fraction(1)), tmp_path / "s")
    data = bytearray((tmp_path / "s").read_bytes())
    offset, new, message = FORGED_SCHEDULE[case]
    data[offset : offset + len(new)] = new
    with pytest.raises(InputError, match=f"q: {message}"):
        load_schedule(reseal(tmp_path / "q", bytes(data)), instance)


def repacked(data: bytes, start: int, change: bytes) -> bytes:
    """A certificate with other packed data (and a place for the checksum); ``start``: where the packed data begins."""
    packed = zlib.compress(change)
    return data[:48] + struct.pack("<Q", len(packed)) + data[56:start] + packed + bytes(32)


def test_packed_data_is_checked(tmp_path: Path) -> None:
    """Prices beyond 63 bits, bits behind the last block, counts that do not add up, blocks beyond 31 bits, another length."""
    instance = fetch_ahead()
    save_prices(prices_of(instance), tmp_path / "p")
    data = (tmp_path / "p").read_bytes()
    high = b"\x00" * (7 * 88) + b"\x80" + b"\x00" * (87 + 8 * 46)
    with pytest.raises(InputError, match="rho: found 9223372036854775808, expected at most 9223372036854775807"):
        load_prices(reseal(tmp_path / "q", repacked(data, 86, high)), instance)
    for length in (0, 8 * 134 - 1, 8 * 134 + 1, 10**6):
        with pytest.raises(InputError, match="found data of another length, expected 1072 bytes unpacked"):
            load_prices(reseal(tmp_path / "q", repacked(data, 86, bytes(length))), instance)
    save_schedule(schedule_of(instance), tmp_path / "s")
    data = (tmp_path / "s").read_bytes()
    start = len(data) - 32 - struct.unpack("<Q", data[48:56])[0]
    moves = struct.unpack("<Q", data[68:76])[0]
    assert moves > 0
    good = bytearray(zlib.decompress(data[start:-32]))
    for place, value, message in (
        (2, 0x10, "initial: found bits beyond the last block, expected zeros"),
        (6, 99, "counts: found .* moves in all steps, expected"),
        (len(good) - 1, 0x80, "block: found 214748.*, expected at most 2147483647"),
    ):
        bad = bytearray(good)
        bad[place] |= value
        with pytest.raises(InputError, match=message):
            load_schedule(reseal(tmp_path / "q", repacked(data, start, bytes(bad))), instance)


def test_bomb_takes_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data that would unpack to a gigabyte is unpacked to one byte more than it should have, and refused."""
    instance = fetch_ahead()
    save_prices(prices_of(instance), tmp_path / "p")
    packer = zlib.compressobj(9)
    packed = b"".join([*(packer.compress(bytes(2**20)) for _ in range(64)), packer.flush()])
    data = (tmp_path / "p").read_bytes()
    data = data[:48] + struct.pack("<Q", len(packed)) + data[56:86] + packed + bytes(32)
    made = zlib.decompressobj
    asked = []

    class Counted:
        def __init__(self) -> None:
            self._inner = made()
            self.eof, self.unused_data = False, b""

        def decompress(self, packed: bytes, most: int) -> bytes:
            asked.append(most)
            return self._inner.decompress(packed, most)

    monkeypatch.setattr(certificate.zlib, "decompressobj", Counted)
    with pytest.raises(InputError, match="found data of another length"):
        load_prices(reseal(tmp_path / "q", data), instance)
    assert asked == [8 * 134 + 1]


def test_files_longer_than_the_instance_allows_are_not_read(tmp_path: Path) -> None:
    """A file of 3 GiB (a hole) is refused by its length, or for its hash, in the memory that a small one takes."""
    instance = fetch_ahead()
    other = dataclasses.replace(instance, fixed=instance.fixed + 1)
    save_prices(prices_of(instance), tmp_path / "p")
    save_schedule(schedule_of(instance), tmp_path / "s")
    with taken() as memory:
        for name, load in (("p", load_prices), ("s", load_schedule)):
            os.truncate(tmp_path / name, 3 << 30)
            with pytest.raises(InputError, match=f"{name}: found 3221225472 bytes, expected at most 13.... for this instance"):
                load(tmp_path / name, instance)  # type: ignore[operator]
            with pytest.raises(CertificateError, match=f"{name}: made for another instance"):
                load(tmp_path / name, other)  # type: ignore[operator]
    assert memory.peak < 2**20


@pytest.mark.parametrize("free", [0, 3000])
def test_what_there_is_no_memory_for_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    """Neither the file nor what is in it: a limit that is told with both numbers."""
    instance = fetch_ahead()
    save_prices(prices_of(instance), tmp_path / "p")
    assert (tmp_path / "p").stat().st_size < 1500
    monkeypatch.setattr(room, "SMALL_BYTES", 0)
    monkeypatch.setattr(room, "available", lambda: free)
    with pytest.raises(LimitError, match=r"p: reading it needs about .* of memory, .* are free"):
        load_prices(tmp_path / "p", instance)
    monkeypatch.setattr(room, "available", lambda: 1 << 30)
    monkeypatch.setattr(room, "taken", lambda: 5000)
    with pytest.raises(LimitError, match=r"p: reading it needs about .* of memory, .* are left of the limit of"):
        load_prices(tmp_path / "p", instance, Limits(None, 5000 + free))


@pytest.mark.parametrize("seed", range(20))
def test_every_packer_is_believed(tmp_path: Path, seed: int) -> None:
    """A file that is not packed at all, and noise, is no longer than one for its instance may be."""
    _, instance = draw(seed)
    rng = np.random.default_rng(seed)
    rho = rng.integers(0, 2**62, (instance.num_steps, instance.num_resources))
    rent = rng.integers(0, 2**62, (instance.num_steps + 1, instance.num_tiers))
    with pytest.MonkeyPatch.context() as patch:
        compress = zlib.compress
        patch.setattr(certificate.zlib, "compress", lambda data, _: compress(data, 0))
        save_prices(PriceCertificate(instance.hash, 1, rho, rent, Fraction(2**524279 + 1, 2**524279)), tmp_path / "p")
    assert (load_prices(tmp_path / "p", instance).rho == rho).all()


def test_missing_files_and_pipes_are_refused(tmp_path: Path) -> None:
    """A certificate is a regular file that is there."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe: found something that is not a regular file"):
        load_prices(tmp_path / "pipe", fetch_ahead())
    with pytest.raises(InputError, match="none: found no such file"):
        kind_of(tmp_path / "none")


def test_what_the_format_cannot_hold_is_not_written(tmp_path: Path) -> None:
    """Quanta, names and claims out of range are refused, and nothing is left behind."""
    instance = fetch_ahead()
    prices, schedule = prices_of(instance), schedule_of(instance)
    for quantum in (0, 2**128):
        with pytest.raises(InputError, match=f"quantum: found a quantum of 1/{quantum}, expected"):
            save_prices(dataclasses.replace(prices, quantum=quantum), tmp_path / "p")
    with pytest.raises(InputError, match="claim: found a claim of 1/65536 bytes, expected at most 65535"):
        save_prices(dataclasses.replace(prices, claim=Fraction(1, 2**524287)), tmp_path / "p")
    with pytest.raises(InputError, match="scheduler: found a name of 201 bytes, expected at most 200"):
        save_schedule(dataclasses.replace(schedule, scheduler="x" * 201), tmp_path / "s")
    assert os.listdir(tmp_path) == []
