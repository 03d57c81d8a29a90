"""Where policies lose: by hand on two blocks that are read in turn."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

import placement_opt as po
from placement_opt.cli import main
from placement_opt.report.comparison import comparison_csv, comparison_document, comparison_text
from placement_opt.study.why import losses
from tests.cli.cases import write_drift
from tests.schedulers.cases import any_instance
from tests.turns import Stay, Turn, turns

HIT, MISS = 1 / 5350, 1 / 450


def test_resources_by_hand() -> None:
    """Every other step is a miss, where only the link and what is behind it carry anything; a hit is read from both tiers."""
    run = po.simulate(turns(), Stay())
    use, whole = run.use, 4 * HIT + 4 * MISS
    hbm, lpddr, up, down = use.resources
    assert (up.busy, up.full, up.idle) == (pytest.approx(1.0), pytest.approx(1.0), 0.0)
    assert (hbm.full, hbm.idle) == (pytest.approx(4 * HIT / whole), pytest.approx(4 * MISS / whole))
    assert lpddr.busy == pytest.approx(450 / 500)
    assert (down.load, down.idle) == (0.0, pytest.approx(1.0))
    assert use.idle == pytest.approx(4 * MISS / whole)  # that of hbm: nothing ever goes down
    wanted = [(1, MISS), (3, MISS), (5, MISS), (7, MISS), (0, HIT)]
    assert use.longest == tuple((step, pytest.approx(seconds)) for step, seconds in wanted)
    assert use.written == (("hbm", 0.0), ("lpddr", 0.0))
    assert po.simulate(turns(), Turn()).use.written == (("hbm", 8.0), ("lpddr", 0.0))
    assert sum(size for _, size in use.served) == pytest.approx(8.0)


def test_misses_that_need_not_have_been() -> None:
    """At least those that another schedule here does without; the faster one misses more, which is said as it is."""
    (one,) = po.compare([turns()], [Stay(), Turn()], method="step", why=True).instances
    stay, turn = losses(one)
    assert (stay.missed_bytes, stay.avoidable_least_bytes, stay.avoidable_most_bytes) == (4.0, 4.0, 4.0)
    assert (turn.missed_bytes, turn.avoidable_least_bytes, turn.avoidable_most_bytes) == (0.0, 0.0, 0.0)
    assert one.proof.best_from == "stay"
    assert (stay.more_than_best_bytes, turn.more_than_best_bytes) == (0.0, -4.0)
    assert stay.longest[0].step == 1
    assert stay.longest[0].bound_s == pytest.approx(HIT)


def test_documents_and_text() -> None:
    """JSON, CSV and text tell the same; nothing where it was not asked for."""
    found = po.compare([turns()], [Stay(), Turn()], method="step", why=True)
    rows = comparison_document(found)["instances"][0]["schedules"]
    assert rows[1]["why"]["more_than_best_bytes"] == -4.0
    assert rows[1]["why"]["written"] == [{"tier": "hbm", "bytes": 8.0}, {"tier": "lpddr", "bytes": 0.0}]
    (first, second) = csv.DictReader(io.StringIO(comparison_csv(found)))
    assert (first["missed_bytes"], second["avoidable_most_bytes"]) == ("4.0", "0.0")
    text = comparison_text(found, why=True)
    assert "4 B to 4 B" in text
    assert "longest step" in text
    assert "longest step" not in comparison_text(found)
    plain = po.compare([turns()], [Stay()], method="step")
    assert losses(plain.instances[0]) == []
    assert comparison_document(plain)["instances"][0]["schedules"][0]["why"] is None


@pytest.mark.parametrize("seed", range(12))
def test_shares_are_shares(seed: int) -> None:
    """Any rule and system: nothing is full and idle at once, and what must not be missed is no more than what was."""
    instance = any_instance(seed)
    (one,) = po.compare([instance], "lru,static", method="roofline", why=True).instances
    for loss in losses(one):
        assert -1e-9 <= loss.avoidable_least_bytes <= loss.avoidable_most_bytes + 1e-9 <= loss.missed_bytes + 2e-9
        assert all(0.0 <= each.idle + each.full <= 1.0 + 1e-9 and each.busy <= 1.0 + 1e-9 for each in loss.resources)


def test_the_command_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where it is asked for."""
    file = str(write_drift(tmp_path))
    assert main(["compare", file, "--schedulers", "lru", "--method", "step", "--why"]) == 0
    assert "need not have been" in capsys.readouterr().out
