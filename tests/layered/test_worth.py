"""What more room and rate is worth to a question in runs: as in rows, and as asking again says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from placement_opt.answer.prove import prove
from placement_opt.base.errors import InputError
from placement_opt.base.limits import Limits
from placement_opt.bounds import METHODS
from placement_opt.bounds.result import Bound, Status
from placement_opt.cli import main
from placement_opt.instance.instance import Instance
from placement_opt.instance.layered import Layered, layered_of
from placement_opt.instance.load import load_instance, load_layered
from placement_opt.layered.again import roofline_explained, solve_again
from placement_opt.layered.solve import CertifiedPrices
from placement_opt.study.trials import more_rate, more_room
from placement_opt.study.worth import worth
from placement_opt.study.worths import Worth
from placement_opt.workload.synth import params
from tests.layered.cases import draw, write

#: Room binds always, room and rates both, rates alone.
CASES = (
    {"room": 330, "prefill": 100, "tokens": 80, "drift": 0.1},
    {"room": 700, "prefill": 200, "tokens": 40, "drift": 0.1},
    {"room": 4000, "prefill": 200, "tokens": 40, "drift": 0.1},
)
#: Prices of both kinds agree up to this share of the bound, were there twice as much of what they are for.
CLOSE = 0.03


def in_runs(folder: Path, case: dict[str, float]) -> tuple[Layered, Bound]:
    question = load_layered(write(folder, **case))
    return question, prove(question).bound


def as_shares(found: Worth) -> np.ndarray:
    """What twice the room of each tier and twice the rate of each resource would save at the margin, as shares of the bound."""
    room = [each.price_s * each.capacity for each in found.room]
    return np.array([*room, *(each.price_s * each.rate for each in found.rates)]) / found.lower_bound_s


@pytest.mark.parametrize("case", CASES)
def test_prices_are_those_of_the_same_question_in_rows(case: dict[str, float], tmp_path: Path) -> None:
    """Of each tier's room and each resource's rate; rates add up to all of the bound's time."""
    question, bound = in_runs(tmp_path, case)
    rows = load_instance(write(tmp_path, **case))
    found = worth(question, bound, shares=())
    expected = worth(rows, METHODS["compact"](rows), shares=())
    assert (found.method, found.note) == (bound.method, "")
    assert as_shares(found) == pytest.approx(as_shares(expected), abs=CLOSE)
    assert sum(each.share_of_time for each in found.rates) == pytest.approx(1.0, rel=1e-9)
    assert found.floor_share == found.unexplained == 0.0


def test_prices_are_finite_differences(tmp_path: Path) -> None:
    """1 % more of a thing saves its price; 1 % less room costs at least that, which the same prices prove."""
    question, bound = in_runs(tmp_path, CASES[1])
    found = worth(question, bound, shares=(0.01,))
    assert [bool(each.trials) for each in found.room] == [True, True]
    for each in found.things:
        [trial] = each.trials
        assert trial.actual_s == pytest.approx(trial.predicted_s, rel=0.1, abs=1e-5 * found.lower_bound_s)
    for trial in (each.trials[0] for each in found.room):
        assert trial.actual_s is not None
        assert 0.0 <= trial.actual_s <= trial.predicted_s
    assert isinstance(bound.prices, CertifiedPrices)
    assert bound.prices.knots is not None
    fast, less = question.fast, question.capacity[question.fast] // 100
    again = solve_again(more_room(question, fast, -int(less)), bound.prices.knots, limits=Limits())
    assert again.lower_bound_s is not None
    assert again.lower_bound_s >= found.lower_bound_s + found.room[fast].price_s * less * (1 - 1e-6)


def test_all_things_at_once_make_everything_faster(tmp_path: Path) -> None:
    """Twice all rates halve the bound, floor and room aside: the prices of rates times the rates are the bound."""
    question, bound = in_runs(tmp_path, CASES[1])
    question = replace(question, floor=0.0)
    assert isinstance(bound.prices, CertifiedPrices)
    assert bound.prices.knots is not None
    twice = question
    for resource in range(question.num_resources):
        twice = more_rate(twice, resource, int(question.memory.rates[resource]))
    halves = [solve_again(each, bound.prices.knots, limits=Limits()).lower_bound_s or 0.0 for each in (question, twice)]
    assert halves[1] == pytest.approx(halves[0] / 2, rel=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_the_roofline_is_explained_as_in_rows(seed: int) -> None:
    """Given bare, as ``bound --method roofline`` gives it: prices, shares and trials are those of the rows."""
    instance = draw(seed, floor=0.004 * seed)
    question = layered_of(instance)
    bare = prove(question, "roofline").bound
    assert bare.prices is None
    found, expected = worth(question, bare, shares=(0.1,)), worth(instance, METHODS["roofline"](instance), shares=(0.1,))
    assert as_shares(found) == pytest.approx(as_shares(expected), abs=1e-9)
    assert found.floor_share == pytest.approx(expected.floor_share, abs=1e-9)
    for one, other in zip(found.rates, expected.rates, strict=True):
        assert [trial.lower_bound_s for trial in one.trials] == pytest.approx([trial.lower_bound_s for trial in other.trials])


def test_a_bound_in_runs_that_explains_nothing_is_refused(tmp_path: Path) -> None:
    """Prices of a certificate alone say how the bound is proven and not where its time goes."""
    question, bound = in_runs(tmp_path, CASES[0])
    with pytest.raises(
        InputError, match="found a resumed bound without prices, expected one of roofline, scale or one of all layers"
    ):
        worth(question, replace(bound, method="resumed", step_s=None))
    with pytest.raises(InputError, match="found a bound of another instance"):
        worth(question, roofline_explained(load_layered(write(tmp_path, tokens=31))))


def test_no_time_leaves_trials_undone(tmp_path: Path) -> None:
    question, bound = in_runs(tmp_path, CASES[0])
    stopped = Limits()
    stopped.interrupt()
    found = worth(question, bound, shares=(0.01,), limits=stopped)
    assert found.unfinished
    assert {trial.status for each in found.things for trial in each.trials if trial.predicted_s} == {Status.NONE}
    assert isinstance(bound.prices, CertifiedPrices)
    assert bound.prices.knots is not None
    early = solve_again(question, bound.prices.knots, limits=stopped)
    assert (early.status, early.lower_bound_s) == (Status.INTERRUPTED, None)


def test_prices_of_a_large_file_have_the_keys_of_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By ``auto`` and by ``roofline``; words are in the document, too."""
    path = str(write(tmp_path, room=330))
    assert main(["bound", path, "--method", "compact", "--prices", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["worth"]
    monkeypatch.setattr(params, "LARGEST_READS", 100)
    for method in ("auto", "roofline"):
        assert main(["bound", path, "--method", method, "--prices", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)["worth"]
        assert set(found) == set(rows)
        assert [set(each) for part in ("room", "rates") for each in found[part]] == [
            set(each) for part in ("room", "rates") for each in rows[part]
        ]
        assert found["method"] == {"auto": "scale"}.get(method, method)
        assert not found["unfinished"]
        assert found["sentences"][0].startswith("Of the bound's time" if method == "auto" else "Weak")


def test_more_of_something_stays_what_it_was(tmp_path: Path) -> None:
    """A question in runs stays one, one in rows too, and neither is changed itself."""
    question, instance = load_layered(write(tmp_path)), draw(0)
    for one, kind in ((question, Layered), (instance, Instance)):
        room, rate = one.capacity.copy(), one.memory.rates.copy()
        assert isinstance(more_room(one, 0, 5), kind)
        assert more_room(one, 0, 5).capacity.tolist() == [room[0] + 5, room[1]]
        assert more_rate(one, 2, 7).memory.rates.tolist() == [*rate[:2], rate[2] + 7, rate[3]]
        assert (one.capacity == room).all()
        assert (one.memory.rates == rate).all()
