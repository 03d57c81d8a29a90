"""What knowing the future is worth: by hand, its refusals, and what is said of it."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest

from placement_opt.base.errors import InputError
from placement_opt.cli import main
from placement_opt.instance.instance import Instance
from placement_opt.play.simulate import simulate
from placement_opt.report.future import future_csv, future_document, future_sentences, future_text, share_text
from placement_opt.schedulers import make_scheduler
from placement_opt.study.future import Future, default_windows, future
from placement_opt.study.scheduled import Outcome
from tests.cli.cases import write_ahead
from tests.schedulers.cases import with_layers
from tests.small import make_instance, make_trace, two_tier


def in_turn() -> Instance:
    """Three blocks in turn, of which the fast tier holds one: lru always misses, who sees ahead keeps one for its next read."""
    return make_instance(two_tier(hbm=1), make_trace([[0], [1], [2]] * 4, [-1] * 3))


@pytest.fixture(scope="module")
def found() -> Future:
    return future(in_turn(), [12, 1, 3], ["lru"], method="lp")


def test_the_curve_by_hand(found: Future) -> None:
    """All known is what belady takes; a window is worth what the best with as much or less takes, beside the distance."""
    assert (found.best_online, found.online_s) == ("lru", pytest.approx(simulate(in_turn(), make_scheduler("lru")).latency_s))
    assert [(one.steps, one.whole) for one in found.windows] == [(1, False), (3, False), (12, True)]
    belady = simulate(in_turn(), make_scheduler("belady")).latency_s
    assert found.windows[-1].schedules[0].latency_s == pytest.approx(belady)
    assert found.online_s is not None
    assert found.distance_s is not None
    best = found.online_s
    for one in found.windows:
        best = min(best, *(row.latency_s for row in one.schedules if row.latency_s is not None))
        assert one.known_s == pytest.approx(best)
        assert one.saved_s == pytest.approx(found.online_s - best)
        assert one.share == pytest.approx((found.online_s - best) / found.distance_s)
    assert 0.0 < (found.windows[-1].saved_s or 0.0) <= found.distance_s


def test_what_is_said(found: Future) -> None:
    """The table has a line for each window, the JSON all schedules, the CSV a line more; sentences name the distance."""
    text, document = future_text(found), future_document(found)
    known = [line.split()[0] for line in text.splitlines() if line.startswith("  ") and not line.startswith("   -")]
    assert known == ["none", "1", "3", "all"]
    assert [row["steps"] for row in document["windows"]] == [1, 3, 12]
    assert [row["scheduler"] for row in document["schedules"][:2]] == ["lru", "lookahead:steps=1"]
    assert len(future_csv(found).splitlines()) == 5
    assert future_sentences(found)[0].startswith("From lru to the bound it is ")
    assert "Knowing the whole trace saves " in text
    assert (share_text(None), share_text(1e-5), share_text(0.5)) == ("-", "0 %", "50 %")


def test_nothing_to_gain() -> None:
    """Where all fits, the best online policy is at the bound: no share, and no more to say."""
    trace = make_trace([[0], [1], [0]], [-1, -1])
    alone = future(make_instance(two_tier(hbm=2), trace), [1], "static", method="lp")
    windows = (replace(alone.windows[0], share=None),)
    assert len(future_sentences(replace(alone, windows=windows))) == 1


def test_nothing_known() -> None:
    """Without an online policy that was timed there is no distance."""
    alone = future(in_turn(), [1], "lru", method="lp")
    lost = replace(alone, online=tuple(replace(row, outcome=Outcome.LIMIT, latency_s=None) for row in alone.online))
    assert future_sentences(lost) == ["No online policy was timed."]
    assert lost.distance_s is None
    proof = alone.proof
    unbound = replace(alone, proof=replace(proof, bound=replace(proof.bound, lower_bound_s=None)))
    assert future_sentences(unbound) == ["No bound is known, so that no distance is."]


def test_windows_by_default() -> None:
    """Powers of two below the steps of a layer, and all."""
    assert default_windows(in_turn()) == (1, 2, 4, 8, 12)
    assert default_windows(with_layers(in_turn(), 3)) == (1, 2, 12)
    assert default_windows(make_instance(two_tier(), make_trace([[0]], [-1]))) == (1,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"windows": []}, "windows: found no window, expected at least one"),
        ({"windows": [0]}, "windows: found a window of 0 steps, expected from 1 to 2147483647"),
        (
            {"windows": [1], "online": "lru,belady"},
            "online: found belady, which sees the future, expected policies that do not",
        ),
    ],
)
def test_refusals(arguments: dict[str, object], message: str) -> None:
    """Windows that are none, and policies that see the future."""
    with pytest.raises(InputError) as caught:
        future(in_turn(), **arguments)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_one_instance() -> None:
    """Two at once are refused."""
    with pytest.raises(InputError, match=r"^instance: found 2 instances, expected one$"):
        future([in_turn(), in_turn()], [1])  # type: ignore[arg-type]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints the table or the document, writes the curve, and draws it, the same bytes each time."""
    path = write_ahead(tmp_path)
    arguments = ["future", str(path), "--windows", "1,2", "--online", "lru", "--method", "lp"]
    assert main([*arguments, "--csv", str(tmp_path / "curve.csv")]) == 0
    assert "steps known" in capsys.readouterr().out
    assert (
        (tmp_path / "curve.csv")
        .read_text()
        .startswith("steps,whole,lookahead_s,mpc_s,optimised_s,known_s,saved_s,share,lower_bound_s\n0,")
    )
    assert main([*arguments, "--json"]) == 0
    assert [row["steps"] for row in json.loads(capsys.readouterr().out)["windows"]] == [1, 2]
    assert main([*arguments[:-4], "--windows", "0"]) == 2
    assert "found '0', expected a whole number from 1 to 2147483647" in capsys.readouterr().err
    assert main([*arguments, "--plot", "curve.pdf"]) == 2
    assert "found 'curve.pdf', expected a name that ends in .png or .svg" in capsys.readouterr().err
    if importlib.util.find_spec("matplotlib") is not None:
        pictures = [tmp_path / "a.svg", tmp_path / "b.svg"]
        for picture in pictures:
            assert main([*arguments, "--plot", str(picture)]) == 0
        assert pictures[0].read_bytes() == pictures[1].read_bytes()
        assert b"worth of knowing" in pictures[0].read_bytes()
