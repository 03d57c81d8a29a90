"""Lines are read in bounded memory, packed or not."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from placement_opt.base import room
from placement_opt.base.errors import InputError, LimitError
from placement_opt.workload.formats import lines
from placement_opt.workload.formats.lines import file_label, read_lines, shown
from tests.taken import taken


def refusal(path: Path, longest: int = 100) -> str:
    with pytest.raises(InputError) as caught:
        for _ in read_lines(path, longest):
            pass
    return str(caught.value).removeprefix(str(path))


def test_lines_come_without_their_ends(tmp_path: Path) -> None:
    """LF and CR LF end a line, a lone CR does not, and the last line needs no end; the same from gzip."""
    data = b"a\nb\r\n\r\n\nc\rd\re"
    (tmp_path / "t").write_bytes(data)
    (tmp_path / "z").write_bytes(gzip.compress(data[:5]) + gzip.compress(data[5:]))
    for name in ("t", "z"):
        assert list(read_lines(tmp_path / name, 10)) == [b"a", b"b", b"", b"", b"c\rd\re"]


def test_long_line_is_refused(tmp_path: Path) -> None:
    """A line beyond what the format needs ends the reading, however long it is."""
    (tmp_path / "t").write_bytes(b"short\n" + b"x" * 200)
    assert refusal(tmp_path / "t") == ":2: found a line of more than 100 bytes, expected shorter lines"


def test_damaged_gzip_is_refused(tmp_path: Path) -> None:
    """Cut off, with a wrong checksum, or with something else after its end."""
    packed = gzip.compress(b"line\n" * 1000)
    (tmp_path / "cut").write_bytes(packed[:-9])
    (tmp_path / "checksum").write_bytes(packed[:-8] + bytes(8))
    (tmp_path / "tail").write_bytes(packed + b"tail")
    (tmp_path / "data").write_bytes(packed[:12] + b"\xff\xff" + packed[14:])
    for name in ("cut", "checksum", "tail", "data"):
        assert ": found a file that cannot be read on (" in refusal(tmp_path / name)


def test_gzip_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text that packs suspiciously well is cut off at a multiple of its packed size, in little memory."""
    monkeypatch.setattr(lines, "SMALL_TEXT", 2**16)
    (tmp_path / "t").write_bytes(gzip.compress(b"0123456\n" * 2**17))
    size = (tmp_path / "t").stat().st_size
    with taken() as memory:
        message = refusal(tmp_path / "t")
    assert memory.peak < 2**21
    most = max(2**16, 100 * size)
    assert most < 2**20
    expected = "expected at most 100 times their size (or unpack the file first)"
    assert message == f": found gzip data that unpack to more than {most} bytes, {expected}"


def test_text_that_fills_the_memory_ends_with_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is made of the lines is looked at now and then: a limit with the line, both numbers and the way out."""
    (tmp_path / "t").write_bytes(b"0123456\n" * 100)
    free = iter([lines._RESERVE, 1000])
    monkeypatch.setattr(lines, "_PIECE", 260)
    monkeypatch.setattr(lines, "_LOOK", 256)
    monkeypatch.setattr(room, "available", lambda: next(free))
    with pytest.raises(LimitError) as caught:
        list(read_lines(tmp_path / "t", 100))
    found = "found 1000 B of memory left after so many lines, expected 256 MiB (take a part, with --limit)"
    assert str(caught.value) == f"{tmp_path / 't'}:33: {found}"


def test_packed_line_without_end_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    """Megabytes of packed zeros without a line end cost no more than one line."""
    (tmp_path / "t").write_bytes(gzip.compress(bytes(2**25)))
    with taken() as memory:
        assert refusal(tmp_path / "t", 1000) == ":1: found a line of more than 1000 bytes, expected shorter lines"
    assert memory.peak < 2**21


def test_what_is_shown_is_short_and_printable() -> None:
    """Bytes of a file appear in messages quoted, cut and without control characters."""
    assert shown(b"a\x1b[31m") == "'a\\x1b[31m'"
    assert shown(b"x" * 50) == repr("x" * 37 + "...")
    assert file_label("some/folder/t.csv") == "t.csv"
    assert file_label("some/\udcff.csv") == "?.csv"
