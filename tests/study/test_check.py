"""``check``: sizes, ways, what is taken and what binds, known before anything is drawn; exit codes that say whether it fits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from placement_opt.base import room
from placement_opt.base.errors import InputError
from placement_opt.base.limits import Limits
from placement_opt.bounds.auto import plan
from placement_opt.bounds.roofline import bound as roofline
from placement_opt.bounds.size import Size
from placement_opt.cli import main
from placement_opt.instance import trace_source as tracesource
from placement_opt.instance.gate import rows_bytes
from placement_opt.instance.load import load_instance
from placement_opt.instance.outline import read_outline
from placement_opt.report.check import _rough, checks_text
from placement_opt.study import check as check_module
from placement_opt.study.check import Checked, check
from tests.cli.cases import DRIFT
from tests.instance.cases import HUGE, forbid_drawing

GIB = 1 << 30


@pytest.fixture
def huge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An instance file of 2.5e10 reads; drawing it fails the test. The machine has 20 GiB."""

    forbid_drawing(monkeypatch)
    monkeypatch.setattr(room, "available", lambda: 20 * GIB)
    monkeypatch.setattr(room, "taken", lambda: 0)
    path = tmp_path / "huge.toml"
    path.write_text(HUGE)
    return path


def ways(found: Checked) -> dict[str, str]:
    return {way.name: "taken" if way.taken else way.verdict for way in found.ways}


def test_a_small_instance_is_drawn_and_takes_what_auto_takes(drift: str) -> None:
    """The ways taken are those of auto's plan, on the size that auto sees."""
    found, size = check(drift), Size.of(load_instance(drift))
    assert found.drawn
    assert [way.name for way in found.ways if way.taken] == ["rows", "roofline", *plan(size, 60.0).methods]
    assert found.reason == plan(size, 60.0).reason
    assert found.fits
    assert found.ways_out == ()


def test_a_large_one_is_not_drawn(drift: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond so many reads the numbers are those of the totals: no fewer reads than there are."""
    monkeypatch.setattr(check_module, "DRAWN_READS", 619)
    monkeypatch.setattr(check_module, "load_instance", None)
    found = check(drift)
    assert not found.drawn
    assert "(620 reads once equal blocks are merged" in found.reason


def test_what_does_not_fit_in_rows_goes_by_runs(huge: Path) -> None:
    """All ways in rows need too much; runs are taken where they can be, with the memory that they need."""
    found = check(huge)
    names = ways(found)
    assert names.pop("runs") == "taken"
    assert (names.pop("milp"), set(names.values())) == ("not for this size", {"too much memory"})
    assert found.fits
    assert found.reason == "rows do not fit, runs are drawn layer by layer"
    assert "bound answers it in runs" in found.ways_out


def test_nothing_fits_where_runs_cannot_be(huge: Path) -> None:
    """Another rule: no way is left, and the way out is told."""
    huge.write_text(HUGE + '[rules]\nresidency = "free"\n')
    found = check(huge)
    assert not found.fits
    assert "runs" not in ways(found)
    assert found.reason == "rows do not fit"
    assert found.ways_out == ("trace.tokens = 72 fits",)


def test_tiers_are_filled_fastest_first(drift: str) -> None:
    """Capacity, weights, room, and what each holds of the 144 blocks alive in the end."""
    fast, slow = check(drift).tiers
    assert (fast.name, fast.capacity, fast.weights, fast.room, fast.held) == ("hbm", 2 << 20, 0, 2 << 20, 2 << 20)
    assert (slow.name, slow.held) == ("lpddr", 144 * (16 << 10) - (2 << 20))


def test_a_tier_without_a_limit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It has room for the peak, weights beside it; no number stands for its capacity."""
    path = tmp_path / "drift.toml"
    path.write_text(DRIFT.replace('"2 MiB"', '"unlimited"').replace("[trace]", 'weight_resident = "1 MiB"\n[trace]'))
    fast, slow = check(path).tiers
    assert (fast.capacity, fast.weights, fast.room, fast.held) == (None, 1 << 20, 144 * (16 << 10), 144 * (16 << 10))
    assert (slow.weights, slow.held) == (0, 0)
    assert main(["check", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["instances"][0]["tiers"][0]["capacity_bytes"] is None
    assert "unlimited" in checks_text([check(path)])


def test_a_home_by_name_serves_what_no_faster_tier_holds(tmp_path: Path) -> None:
    """With the fast tier as home everything lies in it."""
    path = tmp_path / "drift.toml"
    path.write_text(DRIFT.replace("2 MiB", "1 GiB") + '[rules]\nhome = "hbm"\n')
    found = check(path)
    assert found.binding.filled_resource == "hbm"
    assert [way.name for way in found.ways if way.side == "both"] == ["runs"]


def test_the_roofline_of_totals_is_near_the_roofline(drift: str) -> None:
    """Steps that read about as much: the average step says as much as all of them."""
    assert check(drift).binding.roofline_s == pytest.approx(roofline(load_instance(drift)).lower_bound_s, rel=0.05)


def test_what_binds_is_guessed(tmp_path: Path) -> None:
    """The room of the fast tier where it is small, a rate where everything has room in it, the floor where that is higher."""
    path = tmp_path / "drift.toml"

    def guess(text: str) -> str:
        path.write_text(text)
        return check(path).binding.sentence

    assert guess(DRIFT.replace("2 MiB", "256 KiB")) == (
        "the room of hbm, which holds 11.1 % of the blocks at their peak: "
        "if reads fell on all alike, c2c.up would take 10.6 times the roofline (hbm)"
    )
    roomy = DRIFT.replace("2 MiB", "1 GiB")
    assert guess(roomy) == "the rate of hbm: every tier has room for what the best split reads from it"
    assert guess(roomy + '[rules]\nresidency = "exclusive"\n') == (
        "the rate of hbm: hbm has room for all blocks at their peak, "
        "spread over all tiers they would be read 1.09 times as fast"
    )
    assert guess(
        DRIFT.replace('hbm.capacity = "2 MiB"', 'hbm.capacity = "2 MiB"\nlpddr.rate = "1 B/s"\nc2c.rate = "1 B/s"\n')
    ).startswith("the room")
    assert guess(DRIFT + '[rules]\nfloor = "1 s"\n') == "the floor under the time of a step"


def test_limits_of_time_are_kept(drift: str) -> None:
    """What would take too long is not taken; with no time at all nothing is."""
    none = check(drift, limits=Limits(0.0))
    assert not none.fits
    assert none.reason == "rows take longer to make than there is time"
    names = ways(none)
    assert names.pop("runs") == "fits", "both sides hold whenever they are stopped, but bound makes rows where they fit"
    assert set(names.values()) == {"too long", "not for this size"}


# ---- the command -------------------------------------------------------------------------------------------------------


def test_the_command_says_whether_it_fits(huge: Path, drift: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0 where every instance can be bounded, 3 where one cannot, 2 for bad input."""
    assert main(["check", str(huge), drift]) == 0
    assert capsys.readouterr().out.count("What binds") == 2
    assert main(["check", drift, "--memory-limit", "100 MiB"]) == 3
    assert "bound takes  nothing: no way fits" in capsys.readouterr().out
    assert main(["check", drift, "--time-limit", "0 s"]) == 3
    huge.write_text(HUGE.replace("[trace]", 'weight_resident = "3 GiB"\n[trace]'))
    capsys.readouterr()
    assert main(["check", str(huge)]) == 2
    assert "found 3 GiB of weights, which do not fit, expected at most the capacity of hbm, 2 GiB" in capsys.readouterr().err
    assert main(["check", str(tmp_path / "none.toml")]) == 2


def test_blocks_without_room_are_bad_input(huge: Path) -> None:
    """As they are for every other command."""
    huge.write_text(HUGE.replace("2 GiB", "2 KiB"))
    with pytest.raises(InputError, match="expected none or at least the largest block"):
        check(huge)


def test_the_document_has_the_numbers(huge: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every key of the docs, sizes in bytes, times in seconds, nothing infinite."""
    assert main(["check", str(huge), "--json", "--time-limit", "60 s"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["instances"]
    assert set(one) == {
        *("instance", "file", "files", "trace", "steps", "layers", "reads", "blocks", "counted", "largest_block_bytes"),
        *("peak_bytes", "tiers", "ways", "taken", "reason", "allowed_bytes", "time_limit_s", "fits", "ways_out", "binds"),
        *("roofline_s", "filled_s", "nowhere_share", "outside", "budgets", "objective"),
    }
    assert (one["reads"], one["steps"], one["layers"], one["counted"]) == (25_343_424_000, 960_000, 80, "exactly")
    assert one["files"] == [{"file": str(huge), "bytes": huge.stat().st_size}]
    assert (one["peak_bytes"], one["allowed_bytes"], one["taken"]) == (80 * 72_000 * (16 << 10), 20 * GIB, ["runs"])
    by_name: dict[str, Any] = {way["way"]: way for way in one["ways"]}
    assert by_name["rows"]["memory_bytes"] == rows_bytes(read_outline(huge).totals)
    assert by_name["milp"]["expected_s"] is None
    assert one["tiers"][0]["held_share"] == pytest.approx(2 * GIB / one["peak_bytes"])


def test_the_text_says_how_reads_are_counted(drift: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exactly without a word, else that it is a guess or an upper limit; files and limits where there are any."""
    assert "620 reads in 24 steps of 2 layers\n" in checks_text([check(drift)])
    path = tmp_path / "pages.toml"
    path.write_text(DRIFT + "[rules]\npage_tokens = 4\n")
    assert "steps of 2 layers (at most)\n" in checks_text([check(path)])
    monkeypatch.setattr(tracesource, "SAMPLED", 20)
    path.write_text(
        DRIFT[: DRIFT.index("[trace]")].replace("2 MiB", "2 GiB") + '[trace]\nsynth = "requests"\nrequests = 40\nseed = 1\n'
    )
    assert "in 40 steps (a guess)\n" in checks_text([check(path)])
    assert "time " in checks_text([check(path, limits=Limits(60.0))])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.2, "under 1 s"),
        (1.0, "about 1 s"),
        (99.0, "about 99 s"),
        (119.0, "about 119 s"),
        (480.0, "about 8 min"),
        (9720.0, "about 2.7 h"),
        (9.3 * 86400, "about 9.3 days"),
        (900.4 * 86400, "about 900 days"),
        (1e9, "years"),
    ],
)
def test_guesses_of_time_have_few_digits(value: float, text: str) -> None:
    """No more than they deserve."""
    assert _rough(value) == text
