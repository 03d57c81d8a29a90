"""What more room and rate is worth: by hand, against solving again, and against the optimum."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement_opt.base.errors import InputError
from placement_opt.base.limits import Limits
from placement_opt.bounds import METHODS, lp, milp
from placement_opt.bounds.result import Status
from placement_opt.cli import main
from placement_opt.instance.instance import Instance
from placement_opt.report.worth import worth_document, worth_sentences, worth_text
from placement_opt.study.trials import more_rate, more_room
from placement_opt.study.worth import worth
from placement_opt.study.worths import Worth
from tests.bounds.cases import draw
from tests.cli.cases import write_ahead
from tests.small import chain, fetch_ahead, make_instance, make_trace, two_tier

PROFILE = settings(derandomize=True, deadline=None, max_examples=40)
HBM, LPDDR, UP, DOWN = range(4)


def one_step(room: int) -> Instance:
    """Problem statement, section 7: one step reads 100 resident blocks of a byte, of which hbm has room for some."""
    return make_instance(two_tier(hbm=room), make_trace([list(range(100))], [-1] * 100))


def priced(instance: Instance, method: str = "lp", **arguments: object) -> Worth:
    return worth(instance, METHODS[method](instance), **arguments)  # type: ignore[arg-type]


def value(instance: Instance, method: str = "lp") -> float:
    proven = METHODS[method](instance).lower_bound_s
    assert proven is not None
    return proven


@pytest.mark.parametrize("method", ["lp", "compact", "step"])
def test_room_by_hand(method: str) -> None:
    """With room for 40 of 100 bytes the link takes 60/450 s, so a byte of hbm saves 1/450 s and a byte/s of link 60/450^2 s."""
    found = priced(one_step(40), method)
    assert found.lower_bound_s == pytest.approx(60 / 450, rel=1e-9)
    assert [each.price_s for each in found.room] == pytest.approx([1 / 450, 0.0], rel=1e-9)
    assert found.room[0].per_gib_s == pytest.approx(2**30 / 450, rel=1e-9)
    assert [each.price_s for each in found.rates] == pytest.approx([0.0, 0.0, 60 / 450**2, 0.0], rel=1e-9)
    assert found.rates[UP].per_gb_s == pytest.approx(1e9 * 60 / 450**2, rel=1e-9)
    assert [each.share_of_time for each in found.rates] == pytest.approx([0.0, 0.0, 1.0, 0.0], abs=1e-9)
    assert [each.share_of_steps for each in found.rates] == [0.0, 0.0, 1.0, 0.0]
    assert found.floor_share == 0.0


def test_trials_by_hand() -> None:
    """10 % more are 4 bytes of room, which save what they promise, and 45 bytes/s of link, which save 60/450 - 60/495 s."""
    found = priced(one_step(40))
    room, rate = found.room[0].trials, found.rates[UP].trials
    assert [(trial.share, trial.extra) for trial in room] == [(0.01, 1), (0.1, 4)]
    assert room[1].predicted_s == pytest.approx(4 / 450, rel=1e-9)
    assert room[1].actual_s == pytest.approx(4 / 450, rel=1e-9)
    assert room[1].held == pytest.approx(1.0, rel=1e-9)
    assert [trial.extra for trial in rate] == [5, 45]
    assert rate[1].predicted_s == pytest.approx(45 * 60 / 450**2, rel=1e-9)
    assert rate[1].actual_s == pytest.approx(60 / 450 - 60 / 495, rel=1e-9)
    assert rate[1].held == pytest.approx(10 / 11, rel=1e-9)
    assert all(trial.solved and trial.status is Status.OPTIMAL for trial in (*room, *rate))


def test_a_price_that_is_rounding_is_none() -> None:
    """A solver leaves 1e-14 of the price with a resource that does not bind: worth nothing, and nothing is solved."""
    instance = one_step(40)
    bound = METHODS["lp"](instance)
    assert bound.prices is not None
    rho = bound.prices.rho.copy()
    rho[0, DOWN] = 1e-14 / 450
    found = worth(instance, replace(bound, prices=replace(bound.prices, rho=rho)))
    assert found.rates[DOWN].price_s == 0.0
    assert not any(trial.solved for trial in found.rates[DOWN].trials)
    assert found.lower_bound_s == pytest.approx(60 / 450, rel=1e-9)


def test_beyond_a_kink_room_saves_less_than_it_promises() -> None:
    """From 90 bytes of room on 99 the split becomes free at 100 * 4900/5350: 10/450 - 100/5350 s instead of 9/450 s."""
    trial = priced(one_step(90)).room[0].trials[1]
    assert trial.predicted_s == pytest.approx(9 / 450, rel=1e-9)
    assert trial.actual_s == pytest.approx(10 / 450 - 100 / 5350, rel=1e-9)


def test_rates_by_hand_where_the_split_is_free() -> None:
    """100/5350 s fall by 100/5350^2 s for a byte/s on hbm as on the link; room is worth nothing; both bind in every step."""
    found = priced(one_step(100))
    assert [each.price_s for each in found.room] == pytest.approx([0.0, 0.0], abs=1e-12)
    prices = np.array([100 / 5350**2, 0.0, 100 / 5350**2, 0.0])
    assert [each.price_s for each in found.rates] == pytest.approx(prices.tolist(), rel=1e-9)
    assert [each.share_of_time for each in found.rates] == pytest.approx([4900 / 5350, 0.0, 450 / 5350, 0.0], abs=1e-9)
    assert [each.share_of_steps for each in found.rates] == [1.0, 0.0, 1.0, 0.0]
    assert found.rates[HBM].trials[1].actual_s == pytest.approx(100 / 5350 - 100 / 5840, rel=1e-9)


def test_a_floor_leaves_nothing_to_gain() -> None:
    """Where every step lasts as long as its floor, nothing is worth anything, and that is proven without solving."""
    found = priced(replace(one_step(40), floor=np.array([1.0])), best_s=1.0)
    assert found.floor_share == pytest.approx(1.0, rel=1e-9)
    assert all(each.price_s == 0.0 for each in found.things)
    trials = [trial for each in found.things for trial in each.trials]
    assert all((trial.actual_s, trial.solved, trial.held) == (0.0, False, None) for trial in trials)
    assert worth_sentences(found) == ["Of the bound's time 100 % the floor under the steps' times."]


def test_nothing_is_tried_where_there_is_no_room() -> None:
    """A tier without room has a price but no share to try; without any steps' reads nothing has a price."""
    found = priced(one_step(0))
    assert found.room[0].price_s == pytest.approx(1 / 450, rel=1e-9)
    assert found.room[0].trials == ()
    idle = priced(make_instance(two_tier(), make_trace([[]], [-1])))
    assert [each.share_of_time for each in idle.rates] == [0.0] * 4
    assert idle.floor_share == 0.0


@PROFILE
@given(st.integers(0, 10**6))
def test_one_more_byte_is_worth_what_the_program_says(seed: int) -> None:
    """The price of room lies between what one byte more saves and what one byte less costs (all rules, up to four tiers)."""
    instance = draw(seed)
    found = priced(instance, shares=())
    bound, block = value(instance), int(instance.size.max())
    for k, each in enumerate(found.room):
        if each.capacity:
            assert bound - value(more_room(instance, k, 1)) <= each.price_s + 1e-8 * bound
        if each.capacity > block and k != instance.home and instance.initial is None:
            assert value(more_room(instance, k, -1)) - bound >= each.price_s - 1e-8 * bound


@PROFILE
@given(st.integers(0, 10**6))
def test_room_never_saves_more_than_predicted(seed: int) -> None:
    """The bound is convex in the room: 1 %, 10 % and 100 % more save at most what the price says, and never cost anything."""
    instance = draw(seed)
    found = priced(instance, shares=(0.01, 0.1, 1.0))
    for each in found.room:
        for trial in each.trials:
            assert trial.actual_s is not None
            assert -1e-7 * found.lower_bound_s <= trial.actual_s <= trial.predicted_s + 1e-8 * found.lower_bound_s


@settings(PROFILE, max_examples=20)
@given(st.integers(0, 10**6))
def test_no_policy_beats_what_the_prices_leave(seed: int) -> None:
    """The optimum with more room is at least the bound less the predicted saving, whole blocks or not."""
    instance = draw(seed)
    found, block = priced(instance, shares=()), int(instance.size.max())
    for k, each in enumerate(found.room):
        optimum = milp.bound(more_room(instance, k, block)).value_s
        assert optimum is not None
        assert optimum >= found.lower_bound_s - block * each.price_s - 1e-7 * found.lower_bound_s


@PROFILE
@given(st.integers(0, 10**6))
def test_rates_times_their_worth_are_the_bound(seed: int) -> None:
    """Twice all rates halve the time, so the prices of rates add up to the bound (Euler), whatever the rules."""
    instance = draw(seed)
    instance = replace(instance, floor=np.zeros_like(instance.floor))
    for method in ("lp", "step", "roofline"):
        found = priced(instance, method, shares=())
        total = sum(each.price_s * each.rate for each in found.rates)
        assert total == pytest.approx(found.lower_bound_s, rel=1e-6, abs=1e-12)
        if total > 0:
            assert sum(each.share_of_time for each in found.rates) == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize("method", ["lp", "compact"])
def test_small_changes_of_a_rate_save_what_is_predicted(method: str) -> None:
    """Fetching ahead, bytes and rates scaled up: 0.01 % more rate saves the derivative to a thousandth."""
    small = fetch_ahead()
    scale = 10**6
    tiers = tuple(replace(tier, capacity=tier.capacity * scale) for tier in small.memory.tiers)
    instance = replace(
        small,
        memory=replace(small.memory, tiers=tiers, rates=small.memory.rates * scale),
        capacity=small.capacity * scale,
        size=small.size * scale,
        fixed=small.fixed * scale,
    )
    found = priced(instance, method, shares=(1e-4,))
    assert found.lower_bound_s == pytest.approx(0.0496471, abs=5e-8)
    assert sum(each.price_s > 0 for each in found.rates) >= 2
    for each in found.rates:
        assert each.trials[0].actual_s == pytest.approx(each.trials[0].predicted_s, rel=1e-3, abs=1e-6 * found.lower_bound_s)


def test_where_a_price_is_zero_solving_again_would_find_nothing() -> None:
    """What the prices prove without solving is what solving says."""
    instance = one_step(40)
    for r, each in enumerate(priced(instance).rates):
        if each.price_s == 0:
            assert not any(trial.solved for trial in each.trials)
            assert value(more_rate(instance, r, each.trials[1].extra)) == pytest.approx(60 / 450, rel=1e-9)


@pytest.mark.parametrize(("method", "taken"), [("milp", "lp"), ("step-integer", "step"), ("flow", "compact")])
def test_methods_without_prices_of_their_own(method: str, taken: str) -> None:
    """Prices are those of the relaxation, which the note and every trial say."""
    instance = one_step(40)
    found = priced(instance, method)
    assert (found.method, found.lower_bound_s) == (taken, pytest.approx(60 / 450, rel=1e-9))
    assert found.note == f"{method} has no prices of its own: these are those of {taken}"
    assert found.room[0].price_s == pytest.approx(1 / 450, rel=1e-9)


def test_a_bound_without_prices_is_refused() -> None:
    """Worth is read from prices and step times."""
    instance = one_step(40)
    bare = replace(lp.bound(instance), prices=None)
    with pytest.raises(InputError, match="found a lp bound without prices, expected one of roofline, step, compact or lp"):
        worth(instance, bare)


def test_limits_leave_trials_undone() -> None:
    """Without time left there are predictions and no actual savings, and the text says so."""
    instance = one_step(40)
    found = worth(instance, lp.bound(instance), limits=Limits(0))
    trial = found.room[0].trials[0]
    assert (trial.lower_bound_s, trial.actual_s, trial.held, trial.status) == (None, None, None, Status.NONE)
    assert trial.predicted_s == pytest.approx(1 / 450, rel=1e-9)
    assert found.unfinished
    assert "Some trials were not solved within the limits." in worth_text(found).replace("\n", " ")


def test_a_saving_below_zero_is_explained() -> None:
    """If the bound was not the best, solving again can prove more with more; that is said, not hidden."""
    instance = one_step(40)
    weak = lp.bound(instance)
    assert weak.lower_bound_s is not None
    found = worth(instance, replace(weak, lower_bound_s=weak.lower_bound_s / 2))
    assert (found.room[0].trials[0].actual_s or 0) < 0
    assert any(sentence.startswith("A saving below zero says") for sentence in worth_sentences(found))


def test_progress_names_every_trial() -> None:
    """One line before each program is solved again."""
    said: list[str] = []
    priced(one_step(40), report=said.append)
    assert said == [
        "lp again with +1% room in hbm",
        "lp again with +10% room in hbm",
        "lp again with +1% rate of c2c.up",
        "lp again with +10% rate of c2c.up",
    ]


def test_step_times_add_up_to_the_value() -> None:
    """Where the time goes: the relaxed steps of lp and compact sum to the program's value, three tiers included."""
    for instance, method in ((fetch_ahead(), "lp"), (fetch_ahead(), "compact"), (three_tiers(), "lp")):
        bound = METHODS[method](instance)
        assert bound.step_s is not None
        assert bound.lower_bound_s is not None
        assert bound.step_s.shape == (instance.num_steps,)
        assert bound.step_s.sum() == pytest.approx(bound.lower_bound_s, rel=1e-6)


def three_tiers() -> Instance:
    return make_instance(chain([2, 3, 20], [40, 9, 5], [8, 3]), make_trace([[0, 1, 2], [3, 4], [0, 4, 5]], [-1] * 6))


def test_text_names_units_and_what_binds() -> None:
    """One line a thing and trial; units at every number; what binds and where a little more saves most."""
    text = worth_text(priced(one_step(40), best_s=60 / 450))
    lines = {line.split("  ")[0]: line for line in text.splitlines()}
    assert "2.386e+06 s per GiB" in lines["hbm: room"]
    assert "1 B (2.5 %)" in lines["hbm: room"]
    assert "nothing" in lines["lpddr: room"]
    assert "296.3 s per GB/s" not in lines["c2c.up: rate"]
    assert "2.963e+05 s per GB/s" in lines["c2c.up: rate"]
    assert "5 B/s (1.1 %)" in lines["c2c.up: rate"]
    assert "predicted [ms]" in text
    assert "Of the bound's time 100 % is c2c.up." in text
    assert "Of the first trials, 1 B (2.5 %) more in hbm saves most: 1.7 % of the bound." in text.replace("\n", " ")
    assert "With more room in hbm no policy takes less than 133.3 ms less 2.386e+06 s for each GiB." in text.replace("\n", " ")


def test_document_keys() -> None:
    """Keys spell their units; trials say what was predicted, what came and whether it was solved."""
    document = worth_document(priced(one_step(40)))
    assert document["method"] == "lp"
    assert document["room"][0].keys() == {"tier", "capacity_bytes", "seconds_per_gib", "trials"}
    assert document["rates"][UP]["seconds_per_gb_per_s"] == pytest.approx(1e9 * 60 / 450**2, rel=1e-9)
    trial = document["rates"][UP]["trials"][1]
    assert (trial["share"], trial["extra_bytes_per_s"], trial["status"], trial["solved_again"]) == (0.1, 45, "optimal", True)
    assert trial["held"] == pytest.approx(10 / 11, rel=1e-9)


def test_command_prints_table_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``bound --prices``: the bound first, then the table; in JSON the key ``worth``; without --prices neither."""
    path = str(write_ahead(tmp_path))
    assert main(["bound", path, "--prices", "--method", "compact"]) == 0
    text = capsys.readouterr().out
    assert text.index("No schedule takes less than") < text.index("prices of  the compact bound, 49.647")
    assert main(["bound", path, "--prices", "--method", "compact", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == 1
    assert [each["tier"] for each in document["worth"]["room"]] == ["hbm", "lpddr"]
    assert [each["resource"] for each in document["worth"]["rates"]] == ["hbm", "lpddr", "c2c.up", "c2c.down"]
    assert document["worth"]["lower_bound_s"] == document["lower_bound_s"]
    assert main(["bound", path, "--method", "compact", "--json"]) == 0
    assert "worth" not in json.loads(capsys.readouterr().out)


# ---- how far the bound can be believed -----------------------------------------------------------------------------------


def test_prices_of_a_weak_bound_carry_the_word() -> None:
    """The roofline of a step without room is a twelfth of what it takes: said first, and no trial is praised."""
    instance = one_step(0)
    found = priced(instance, "roofline", best_s=100 / 450)
    assert found.weak
    text = " ".join(worth_text(found).split())
    assert "prices of the roofline bound, 18.69159 ms (weak, as far as is known)" in text
    assert "Weak, as far as is known: the best schedule known takes 222.2 ms, the bound is 18.69 ms. " in text
    assert "saves most" not in text
    document = worth_document(found)
    assert document["weak"] is True
    assert document["known_to"] == pytest.approx(5350 / 450 - 1)
    unknown = priced(instance, "lp")
    assert worth_sentences(unknown)[0].startswith("Weak, as far as is known: no schedule is known that shows how close")
    close = priced(instance, "lp", best_s=100 / 450)
    assert "eak" not in worth_text(close)
    assert worth_document(close)["weak"] is False


def test_dust_is_nothing() -> None:
    """A price at which twice the rate would save a hundred-thousandth of the bound is no price, of no share, and not tried."""
    instance = one_step(40)
    bound = METHODS["lp"](instance)
    assert bound.prices is not None
    rho, rent = bound.prices.rho.copy(), bound.prices.rent.copy()
    rho[0, UP] -= 1e-5 / 450
    rho[0, DOWN] = 1e-5 / 450
    rent[0, LPDDR] = 1e-16
    found = worth(instance, replace(bound, prices=replace(bound.prices, rho=rho, rent=rent)), best_s=60 / 450)
    assert (found.rates[DOWN].price_s, found.rates[DOWN].share_of_time, found.rates[DOWN].trials) == (0.0, 0.0, ())
    assert (found.room[LPDDR].price_s, found.room[LPDDR].trials) == (0.0, ())
    assert "nothing" in next(line for line in worth_text(found).splitlines() if line.startswith("c2c.down: rate"))
    assert found.rates[UP].price_s > 0


def test_what_prices_do_not_explain_is_said() -> None:
    """Prices of half a step explain half of the time; without a floor the rest is nobody's, and not the floor's."""
    instance = one_step(40)
    bound = METHODS["lp"](instance)
    assert bound.prices is not None
    assert bound.lower_bound_s is not None
    half = replace(bound.prices, rho=bound.prices.rho / 2, rent=bound.prices.rent / 2)
    found = worth(instance, replace(bound, prices=half, lower_bound_s=bound.lower_bound_s / 2))
    assert (found.unexplained, found.floor_share) == (pytest.approx(0.5), 0.0)
    assert worth_document(found)["unexplained_share_of_time"] == pytest.approx(0.5)
    assert "50 % of it these prices do not explain: they are not the best for this bound." in worth_sentences(found)
    assert priced(instance).unexplained == 0.0


def test_what_was_not_solved_is_not_a_dash() -> None:
    """Where no trial came in time its columns are left out; where one did, the others say that they were not solved."""
    instance = one_step(40)
    none = worth_text(worth(instance, lp.bound(instance), limits=Limits(0)))
    assert "actual" not in none
    assert "held" not in none
    assert "predicted" in none
    limits = Limits()
    said: list[str] = []

    def stop(line: str) -> None:
        said.append(line)
        if len(said) == 3:
            limits.interrupt()

    some = worth_text(worth(instance, lp.bound(instance), limits=limits, report=stop))
    assert "actual" in some
    assert "not solved" in some


def test_command_knows_how_close_the_bound_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``bound --prices`` runs a few cheap schedulers: the bound of fetching ahead is 10 % and more below what they find."""
    path = str(write_ahead(tmp_path))
    assert main(["bound", path, "--prices", "--method", "compact", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["worth"]["known_to"] == pytest.approx(document["best_s"] / document["worth"]["lower_bound_s"] - 1)
    assert document["worth"]["weak"] is (document["worth"]["known_to"] > 0.1)


def test_a_bound_that_a_limit_ended_is_not_solved_again() -> None:
    """It would be ended again: the predictions stand alone."""
    instance, said = one_step(40), list[str]()
    found = worth(instance, replace(lp.bound(instance), status=Status.LIMIT), report=said.append)
    assert said == []
    assert found.unfinished
    assert found.room[HBM].trials[0].predicted_s == pytest.approx(1 / 450, rel=1e-9)


def test_a_trial_that_does_not_come_back_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Solving again takes far longer than the bound did: it is left behind, and the prediction has no actual saving."""
    instance, end = one_step(40), threading.Event()
    bound = lp.bound(instance)
    monkeypatch.setattr("placement_opt.base.watch.GRACE_S", 0.0)
    monkeypatch.setattr("placement_opt.study.trials.TRIAL_S", 0.0)
    monkeypatch.setattr("placement_opt.study.trials.METHODS", {"lp": lambda *_, **__: end.wait()})
    try:
        found = worth(instance, replace(bound, solve_s=0.0))
    finally:
        end.set()
    assert found.unfinished
    assert found.rates[UP].trials[0].actual_s is None
