"""How ``auto`` chooses, and what comes back however the climb ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from placement_opt.base import room
from placement_opt.base.cost import Cost
from placement_opt.base.errors import InputError, LimitError
from placement_opt.base.limits import Limits
from placement_opt.bounds import METHODS, auto
from placement_opt.bounds.auto import Plan, affordable, plan
from placement_opt.bounds.bound import bound
from placement_opt.bounds.result import Bound, Status
from placement_opt.bounds.size import Size
from placement_opt.instance.instance import Instance
from tests.small import fetch_ahead, make_instance, make_trace, random_instance, two_tier

LARGE = Size(
    steps=400,
    blocks=2_000,
    tiers=2,
    sets=2,
    reads=50_000,
    states=700_000,
    all_reads=60_000,
    triples=2_000_000,
    equal=True,
    hard=False,
)


def proven(method: str, value: float | None, status: Status = Status.BOUND) -> Bound:
    return Bound(method, status, value, 0.1, "weak duality", f"{method} speaks" if value is None else "")


def climb(
    monkeypatch: pytest.MonkeyPatch,
    chosen: tuple[str, ...],
    answers: dict[str, Bound | Exception],
    limits: Limits | None = None,
) -> Bound:
    """``auto`` with a given plan and given answers of the methods."""
    costs = {name: METHODS[name].cost for name in answers}

    def method(name: str) -> Callable[..., Bound]:
        def run(instance: Instance, *, limits: Limits) -> Bound:
            del instance, limits
            answer = answers[name]
            if isinstance(answer, Exception):
                raise answer
            return answer

        run.cost = costs[name]  # type: ignore[attr-defined]
        return run

    monkeypatch.setattr(auto, "METHODS", {name: method(name) for name in answers})
    monkeypatch.setattr(auto, "plan", lambda *_: Plan(chosen, "because"))
    return auto.bound(fetch_ahead(), limits=limits)


# ---- the plan ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "seconds", "methods"),
    [
        (replace(LARGE, triples=2_000, states=900, reads=20), 60.0, ("compact", "milp")),
        (LARGE, 60.0, ("compact", "lp")),
        (replace(LARGE, reads=300_000), 60.0, ("compact",)),
        (replace(LARGE, reads=300_000), 600.0, ("compact", "lp")),
        (replace(LARGE, reads=1_000_000_000), 60.0, ()),
        (replace(LARGE, tiers=3, sets=4, reads=3_000), 60.0, ("compact", "lp")),
        (replace(LARGE, tiers=3, sets=4, reads=300_000), 60.0, ("compact",)),
        (replace(LARGE, tiers=3, sets=8, steps=17_000, reads=1_000_000, all_reads=1_000_000), 60.0, ("step",)),
        (replace(LARGE, tiers=1, sets=1), 60.0, ("step", "lp")),
        (LARGE, 0.0, ()),
        (replace(LARGE, tiers=3, sets=4, reads=300_000, hard=True), 60.0, ("intervals", "compact")),
        (replace(LARGE, hard=True), 0.0, ("intervals",)),
    ],
)
def test_the_size_decides(size: Size, seconds: float, methods: tuple[str, ...]) -> None:
    """Prices on few intervals where programs are slow; quick methods; the exact LP or whole blocks where they should fit."""
    assert plan(size, seconds).methods == methods


def test_the_reason_names_the_sizes() -> None:
    """The reason says what decided, in numbers."""
    assert plan(replace(LARGE, reads=300_000), 60.0).reason == (
        "the exact LP would take longer than 60 s (300,000 reads once equal blocks are merged, 2 tiers)"
    )


def test_more_time_never_means_fewer_methods() -> None:
    """Whatever fits into some time fits into more."""
    rng = np.random.default_rng(3)
    for _ in range(200):
        steps, tiers, reads = (int(rng.integers(1, high)) for high in (5_000, 5, 10**7))
        size = replace(LARGE, steps=steps, tiers=tiers, sets=2**tiers - 1, reads=reads, states=10 * reads, triples=100 * reads)
        short, long = (sum(method.cost.expected_s(size) <= time for method in METHODS.values()) for time in (5.0, 50.0))
        assert short <= long


def test_what_is_not_defined_is_not_affordable() -> None:
    """flow is for two tiers and equal blocks; milp for small instances."""
    rng = np.random.default_rng(5)
    assert affordable(fetch_ahead(), 30.0) == tuple(METHODS)
    assert set(METHODS) - set(affordable(random_instance(rng, 3), 30.0)) == {"flow"}
    unequal = make_instance(two_tier(), make_trace([[0, 1]], [-1, -1], sizes=[1, 2]))
    assert "flow" not in affordable(unequal, 30.0)
    assert affordable(fetch_ahead(), 0.0) == ()


@pytest.mark.parametrize("tiers", [1, 2, 3])
def test_every_affordable_method_answers(tiers: int) -> None:
    """What is offered for an instance runs on it and proves something, no method above the MILP."""
    instance = random_instance(np.random.default_rng(11), tiers, blocks=4, steps=5)
    values = {method: METHODS[method](instance).lower_bound_s for method in affordable(instance, 30.0)}
    top = values["milp"]
    assert top is not None
    assert all(value is not None and value <= top * (1 + 1e-9) for value in values.values())


def test_identical_blocks_count_once() -> None:
    """Merged blocks cost nothing more, so they do not count."""
    one = Size.of(make_instance(two_tier(), make_trace([[0], [0]], [-1])))
    many = Size.of(make_instance(two_tier(), make_trace([list(range(9))] * 2, [-1] * 9)))
    assert (one.reads, one.states) == (many.reads, many.states) == (2, 3)
    assert (one.triples, many.triples) == (6, 54)


# ---- the climb ---------------------------------------------------------------------------------------------------------


def test_the_best_number_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A later method that proves less does not replace an earlier one."""
    answers = {"roofline": proven("roofline", 1.0), "compact": proven("compact", 3.0), "lp": proven("lp", 2.0)}
    found = climb(monkeypatch, ("compact", "lp"), answers)
    assert (found.method, found.lower_bound_s, found.status) == ("compact", 3.0, Status.BOUND)
    assert found.note == "auto took compact: because; lp proved no more"


def test_of_equal_numbers_the_later_method_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exact LP that finds what compact found shows that there is nothing more."""
    answers = {"roofline": proven("roofline", 3.0), "lp": proven("lp", 3.0 * (1 - 1e-14), Status.OPTIMAL)}
    found = climb(monkeypatch, ("lp",), answers)
    assert (found.method, found.status) == ("lp", Status.OPTIMAL)


@pytest.mark.parametrize("late", [proven("lp", 2.0, Status.LIMIT), proven("lp", None, Status.NONE)])
def test_a_method_cut_off_leaves_what_was_proven(monkeypatch: pytest.MonkeyPatch, late: Bound) -> None:
    """The limit ends the climb, not the truth, and the status says that a limit was reached."""
    answers = {"roofline": proven("roofline", 1.0), "compact": proven("compact", 3.0), "lp": late}
    found = climb(monkeypatch, ("compact", "lp"), answers)
    assert (found.method, found.lower_bound_s, found.status) == ("compact", 3.0, Status.LIMIT)
    assert found.note == "auto took compact: because; lp ended early without a better bound"


@pytest.mark.parametrize("error", [LimitError("too large"), InputError("found 3 tiers", "expected two")])
def test_a_method_that_declines_is_passed_over(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Another method still answers, and the note says who declined and why."""
    answers = {"roofline": proven("roofline", 1.0), "compact": error, "lp": proven("lp", 2.0, Status.OPTIMAL)}
    found = climb(monkeypatch, ("compact", "lp"), answers)
    assert (found.method, found.lower_bound_s) == ("lp", 2.0)
    assert found.note == f"auto took lp: because; compact gave no answer ({error})"


def test_a_stop_request_ends_the_climb(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing more is begun, and the status says that somebody asked for a stop."""
    limits = Limits()
    limits.interrupt()
    found = climb(monkeypatch, ("compact",), {"roofline": proven("roofline", 1.0)}, limits)
    assert (found.method, found.status) == ("roofline", Status.INTERRUPTED)
    assert found.note == "auto took roofline: because; compact was not begun"


def test_a_method_without_room_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it is expected to take is held against what is left, and the note has both; small methods are begun anyway."""
    monkeypatch.setattr(room, "available", lambda: 0)
    answers = {"roofline": proven("roofline", 1.0), "compact": proven("compact", 2.0), "lp": proven("lp", 3.0)}
    found = climb(monkeypatch, ("compact", "lp"), answers)
    assert (found.method, found.note) == ("lp", "auto took lp: because")
    monkeypatch.setattr(Cost, "expected_bytes", lambda self, _: room.SMALL_BYTES + (self.section == "lp"))
    found = climb(monkeypatch, ("compact", "lp"), answers)
    assert (found.method, found.status) == ("compact", Status.LIMIT)
    assert found.note == ("auto took compact: because; lp was not begun (lp needs about 64 MiB of memory, 0 B are free)")


def test_nothing_at_all_stays_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no method proves anything, the result says so."""
    found = climb(monkeypatch, (), {"roofline": proven("roofline", None, Status.NONE)})
    assert (found.lower_bound_s, found.status) == (None, Status.NONE)


def test_the_climb_is_reported() -> None:
    """A line before each method, with what is proven so far."""
    lines: list[str] = []
    bound(fetch_ahead(), report=lines.append)
    begun = [line.split("; ")[0] for line in lines]
    assert begun == ["intervals begun", "compact begun", "milp begun"]
    assert lines[0].endswith("proven so far 48.29 ms by roofline")
    assert lines[2].endswith("proven so far 49.65 ms by compact")


def test_auto_finds_the_optimum_of_the_statement() -> None:
    """Problem statement, section 7: the instance where fetching ahead pays."""
    found = bound(fetch_ahead())
    assert found.method == "milp"
    assert found.lower_bound_s == pytest.approx(0.0499256, rel=1e-5)


# ---- the registry ------------------------------------------------------------------------------------------------------


def test_every_method_says_its_own_name() -> None:
    """The names of the registry are those in the results."""
    instance = fetch_ahead()
    assert [METHODS[name](instance).method for name in METHODS] == list(METHODS)


def test_an_unknown_method_is_refused() -> None:
    """With the nearest name there is."""
    with pytest.raises(InputError, match=r"--method: found method 'compat', did you mean 'compact'\?"):
        bound(fetch_ahead(), "compat")
    with pytest.raises(KeyError):
        METHODS["compat"]
    assert "compat" not in METHODS
