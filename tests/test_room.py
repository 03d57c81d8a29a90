"""Memory: what is left is known, and what needs more is refused with both numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from placement_opt import room
from placement_opt.errors import LimitError
from placement_opt.limits import Limits

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


def test_what_does_not_fit_is_refused_with_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names what is needed, what is allowed, and by whom; and the way out, from what there is."""
    monkeypatch.setattr(room, "available", lambda: 1 * GIB)
    monkeypatch.setattr(room, "taken", lambda: 0)
    room.check_bytes(GIB, Limits(), "for this")
    with pytest.raises(LimitError, match=r"^found room for 1 GiB \(what is free\), expected about 2 GiB of memory for this$"):
        room.check_bytes(2 * GIB, Limits(), "for this")
    with pytest.raises(
        LimitError, match=r"^here: found room for 1 KiB \(--memory-limit\), .* 1 GiB of memory for this; take 1024$"
    ):
        room.check_bytes(GIB, Limits(None, 1024), "for this", place="here", ways=lambda most: f"take {most}")


def test_the_machine_says_what_it_has() -> None:
    """Some memory is free here, and this process holds some."""
    assert room.available() > 0
    assert room.taken() > 0


def test_a_control_group_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where a group allows less than the machine has, that is what there is; "max" is no limit."""
    most, used = tmp_path / "max", tmp_path / "current"
    monkeypatch.setattr(room, "_GROUPS", ((str(most), str(used)),))
    free = room.available()
    most.write_text("max\n")
    used.write_text("5\n")
    assert room.available() == pytest.approx(free, rel=0.2)
    most.write_text("1005\n")
    assert room.available() == 1000
    used.write_text("2000\n")
    assert room.available() == 0
