"""Memory: what is left is known, and what needs more is refused with both numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from placement_opt.base import room
from placement_opt.base.errors import LimitError
from placement_opt.base.limits import Limits

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


def group(folder: Path, limit: str, used: str, stat: str = "") -> None:
    """The files of a control group of version 2."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(stat)


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree of control groups, this process in /a/b of it."""
    member = tmp_path / "cgroup"
    member.write_text("3:cpu:/elsewhere\n0::/a/b\n")
    monkeypatch.setattr(room, "_MEMBER", str(member))
    monkeypatch.setattr(room, "_GROUPS", ((str(tmp_path), "memory.max", "memory.current"),) * 2)
    return tmp_path


def test_a_control_group_counts(groups: Path) -> None:
    """Where a group allows less than the machine has, that is what there is; "max" is no limit."""
    free = room.available()
    group(groups / "a" / "b", "max", "5")
    assert room.available() == pytest.approx(free, rel=0.2)
    group(groups / "a" / "b", "1005", "5")
    assert room.available() == 1000
    group(groups / "a" / "b", "1005", "2000")
    assert room.available() == 0


def test_what_is_read_is_asked_about_where_it_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files are read whatever the system says of its memory."""
    monkeypatch.setattr(room, "available", lambda: 0)
    room.check("t.npz: reading it", room.SMALL_BYTES, Limits())
    with pytest.raises(room.NoRoom, match=r"^t\.npz: reading it needs about 64 MiB of memory, 0 B are free$"):
        room.check("t.npz: reading it", room.SMALL_BYTES + 1, Limits())


def test_the_groups_around_a_group_count_too(groups: Path) -> None:
    """The least of what they leave; other branches of the tree are not asked."""
    group(groups / "a" / "b", "9000", "0")
    group(groups / "a", "7000", "1000")
    group(groups, "8000", "1000")
    group(groups / "elsewhere", "10", "0")
    assert room.available() == 6000


def test_files_in_the_cache_are_no_use_of_memory(groups: Path) -> None:
    """A group counts them, and lets go of them when memory is asked for; sums over its members go before its own."""
    group(groups / "a" / "b", "9000", "8000", "anon 100\ninactive_file 3000\nactive_file 2000\nodd line of text\n")
    assert room.available() == 6000
    both = "active_file 1\ninactive_file 1\ntotal_active_file 3000\ntotal_inactive_file 2000\n"
    group(groups / "a" / "b", "9000", "8000", both)
    assert room.available() == 6000


def test_groups_of_version_1_are_found(groups: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the line that names memory; without any line the root of version 2 is asked."""
    monkeypatch.setattr(room, "_GROUPS", (("/nowhere", "x", "y"), (str(groups), "memory.max", "memory.current")))
    (groups / "cgroup").write_text("5:cpu,memory:/old\n4:cpuset:/\n")
    group(groups / "old", "1005", "5")
    assert room.available() == 1000
    monkeypatch.setattr(room, "_MEMBER", "/nowhere")
    monkeypatch.setattr(room, "_GROUPS", ((str(groups), "memory.max", "memory.current"),) * 2)
    group(groups, "2005", "5")
    assert room.available() == 2000
