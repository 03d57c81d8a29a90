"""The command that measures costs: what it fits, what it writes, and what it leaves as it is; nothing is timed here."""

from __future__ import annotations

import tomllib

import numpy as np
import pytest

from benchmarks.calibrate import KEPT, Run, above, fitted, jobs, main, merged, rounded, text_of
from placement_opt.base.cost import calibration

COUNTS = [{"once": 1.0, "per_read": float(reads), "per_step": float(steps)} for reads, steps in ((10, 7), (300, 2), (5000, 90))]


def test_factors_are_found_again() -> None:
    """Sums of known factors give these; one that is not there comes out as nothing."""
    values = [2.0 * row["once"] + 0.5 * row["per_read"] for row in COUNTS]
    assert fitted(COUNTS, values) == pytest.approx({"once": 2.0, "per_read": 0.5, "per_step": 0.0}, rel=1e-6, abs=1e-9)


def test_memory_is_nowhere_below_what_was_measured() -> None:
    """Whatever the values, with room to spare."""
    rng = np.random.default_rng(1)
    for _ in range(20):
        values = (rng.random(len(COUNTS)) * 1e6).tolist()
        factors = above(COUNTS, values)
        sums = [sum(factors[key] * times for key, times in row.items()) for row in COUNTS]
        assert all(total >= 1.2 * value for total, value in zip(sums, values, strict=True))
        assert min(factors.values()) >= 0.0


def test_numbers_have_two_digits() -> None:
    """Seconds to the nearest, bytes whole and up."""
    assert rounded({"a": 1.2345e-6, "b": 0.0}, "seconds") == {"a": 1.2e-6, "b": 0.0}
    assert rounded({"a": 1201.0, "b": 0.2, "c": 0.0}, "bytes") == {"a": 1300, "b": 1, "c": 0}


def test_the_file_is_what_the_command_writes() -> None:
    """Written and read again it is the same."""
    assert tomllib.loads(text_of(calibration())) == calibration()


def test_every_section_is_measured_or_kept() -> None:
    """What neither is could not be renewed."""
    measured = jobs()
    for name, section in calibration().items():
        for kind in ("seconds", "bytes"):
            assert kind not in section or name in measured or kind in KEPT[name], (name, kind)


def test_what_is_kept_stays() -> None:
    """Bytes of sections that need larger sizes, whatever a run held."""
    old = calibration()["rows"]
    new = merged(old, "rows", [Run({"per_read": 1000.0}, {}, 0.5, 10**9)])
    assert (new["bytes"], new["seconds"]) == (old["bytes"], {"per_read": 5e-4})


def test_an_unknown_section_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and the sections that there are."""
    assert main(["compat"]) == 2
    assert "error: found no section 'compat', expected one of roofline, step," in capsys.readouterr().err
