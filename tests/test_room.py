"""Memory: what is left is known, and what needs more is refused with both numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from placement_opt import room
from placement_opt.errors import LimitError
from placement_opt.limits import Limits
from placement_opt.rows import expected_reads
from tests.cli_cases import write_ahead, write_drift

GIB = 1 << 30


def test_the_limit_is_handed_on() -> None:
    """Limits within limits keep the memory."""
    assert Limits(None, 5).within(1.0).memory == 5
    assert Limits().within(1.0).memory is None


def test_a_limit_counts_what_the_process_has_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left is the limit less what is held, or what the machine has free, whichever is less; never below 0."""
    monkeypatch.setattr(room, "available", lambda: 7 * GIB)
    monkeypatch.setattr(room, "taken", lambda: 2 * GIB)
    assert room.left(Limits()) == 7 * GIB
    assert room.left(Limits(None, 3 * GIB)) == 1 * GIB
    assert room.left(Limits(None, 30 * GIB)) == 7 * GIB
    assert room.left(Limits(None, 1 * GIB)) == 0


def test_a_shortage_names_both_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who needs how much, and what there is; nothing where it fits."""
    monkeypatch.setattr(room, "available", lambda: 7 * GIB)
    monkeypatch.setattr(room, "taken", lambda: 2 * GIB)
    assert room.shortage("lp", 7 * GIB, Limits()) == ""
    assert room.shortage("lp", 8 * GIB, Limits()) == "lp needs about 8 GiB of memory, 7 GiB are free"
    short = room.shortage("lp", 2 * GIB, Limits(None, 3 * GIB))
    assert short == "lp needs about 2 GiB of memory, 1 GiB are left of the limit of 3 GiB"


def test_rows_that_do_not_fit_are_refused_with_the_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names what is needed, what is allowed, and by whom."""
    monkeypatch.setattr(room, "available", lambda: 1 * GIB)
    monkeypatch.setattr(room, "taken", lambda: 0)
    room.check_rows(1000, Limits())
    with pytest.raises(LimitError, match=r"^found room for 1 GiB \(what is free\), expected about .* for 100,000,000 reads$"):
        room.check_rows(10**8, Limits())
    with pytest.raises(LimitError, match=r"^found room for 1 KiB \(--memory-limit\), expected about 250\.1 MiB of memory"):
        room.check_rows(1000, Limits(None, 1024))


def test_the_machine_says_what_it_has() -> None:
    """Some memory is free here, and this process holds some."""
    assert room.available() > 0
    assert room.taken() > 0


def test_a_control_group_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where a group allows less than the machine has, that is what there is; "max" is no limit, idle copies count as free."""
    most, used, details = tmp_path / "max", tmp_path / "current", tmp_path / "stat"
    monkeypatch.setattr(room, "_GROUPS", ((str(most), str(used), str(details), "inactive_file"),))
    free = room.available()
    most.write_text("max\n")
    used.write_text("5\n")
    assert room.available() == pytest.approx(free, rel=0.2)
    most.write_text("1005\n")
    assert room.available() == 1000
    used.write_text("2000\n")
    assert room.available() == 0
    details.write_text("anon 100\nactive_file 500\ninactive_file 1500\n")
    assert room.available() == 505


def test_what_is_read_is_asked_about_where_it_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files are read whatever the system says of its memory."""
    monkeypatch.setattr(room, "available", lambda: 0)
    room.check("t.npz: reading it", room.SMALL_BYTES, Limits())
    with pytest.raises(room.NoRoom, match=r"^t\.npz: reading it needs about 64 MiB of memory, 0 B are free$"):
        room.check("t.npz: reading it", room.SMALL_BYTES + 1, Limits())


def test_reads_are_counted_before_they_are_drawn(tmp_path: Path) -> None:
    """A drifting trace's are; of other traces and broken files nothing is said."""
    assert expected_reads(write_drift(tmp_path)) == 620
    assert expected_reads(write_ahead(tmp_path)) is None
    assert expected_reads(tmp_path / "none.toml") is None
