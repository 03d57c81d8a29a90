"""Verdicts on instances where the truth is known: what is said of an interval holds wherever in it the optimum is."""

from __future__ import annotations

import importlib
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from placement_opt.answer.answer import Answer, answer
from placement_opt.answer.prove import prove, prove_judging
from placement_opt.answer.verdict import TOLERANCE, Interval, Judgement, Verdict, judge
from placement_opt.base.limits import Limits
from placement_opt.bounds import METHODS
from placement_opt.bounds.result import Status
from placement_opt.instance.instance import Instance
from placement_opt.play.simulate import simulate
from placement_opt.report.comparison import comparison_sentences
from placement_opt.report.judgement import above_sentence, above_text, interval_sentence, unavoidable_sentence, wide_text
from placement_opt.schedulers import make_scheduler
from placement_opt.study.compare import compare
from placement_opt.study.scheduled import Outcome
from tests.brute import optimum
from tests.small import make_instance, make_trace, random_instance, two_tier

RULES = ("inclusive", "exclusive", "free")
BLAMED = {Verdict.POLICY, Verdict.BOTH}


def far_apart() -> Instance:
    """Two blocks of which one fits beside the processor, read in turn and together: the roofline is half of the optimum."""
    return make_instance(two_tier(hbm=1), make_trace([[0], [1], [0], [0, 1], [1], [0]], [-1, -1]))


def roofline(instance: Instance) -> float:
    value = METHODS["roofline"](instance).lower_bound_s
    assert value is not None
    return value


# ---- the words ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("latency", "best", "line", "word"),
    [
        (1.1, 1.0, 0.5, Verdict.CAPACITY),  # a tenth above the optimum is what no policy wins back
        (1.0, 1.0, 0.01, Verdict.CAPACITY),
        (1.0, 1.0, 1.0, Verdict.CAPACITY),  # at the roofline
        (0.0, 0.0, 0.0, Verdict.CAPACITY),
        (1.2, 1.0, 0.5, Verdict.BOTH),  # 0.5 s of 0.7 s are unavoidable
        (3.0, 1.0, 1.0, Verdict.POLICY),
        (11.0, 1.0, 0.0, Verdict.POLICY),  # 1 s of 11 s is
        (3.0, 1.0, None, Verdict.UNKNOWN),  # without a roofline nothing is known of the rest
        (1.05, 1.0, None, Verdict.CAPACITY),
    ],
)
def test_the_word_where_the_optimum_is_known(latency: float, best: float, line: float | None, word: Verdict) -> None:
    """An interval of one point gives the word of the definition."""
    assert judge(latency, Interval(best, best), line).verdict is word


def test_an_interval_that_does_not_decide_is_unknown() -> None:
    """From a roofline of 9.2 s nothing follows for a schedule of 3,490 s that may well be the optimum; ranges say so."""
    found = judge(3490.0, Interval(9.2, 3490.0), 9.2)
    assert found.verdict is Verdict.UNKNOWN
    assert (found.above_least, found.unavoidable_least, found.unavoidable_most) == (0.0, 0.0, 1.0)
    assert found.above_most == pytest.approx(3490 / 9.2 - 1)
    assert Interval(9.2, 3490.0).weak
    tight = judge(3490.0, Interval(3340.0, 3398.0), 9.2)
    assert tight.verdict is Verdict.CAPACITY
    assert tight.above_least == pytest.approx(3490 / 3398 - 1)
    assert tight.above_most == pytest.approx(3490 / 3340 - 1)
    assert judge(9000.0, Interval(3340.0, 3398.0), 9.2).verdict is Verdict.BOTH


def test_widths() -> None:
    """best / bound - 1; nothing known is as weak as can be; at a tenth policies can be judged."""
    assert Interval(1.0).width is None
    assert Interval(0.0, 1.0).width is None
    assert Interval(0.0, 0.0).width == 0.0
    assert Interval(2.0, 2.0 * (1 - 1e-12)).width == 0.0
    assert [Interval(1.0, best).weak for best in (1.0, 1.0999, 1.1001)] == [False, False, True]
    assert Interval(1.0).weak


def test_a_bound_of_zero_says_at_least() -> None:
    """No most where nothing is proven, and still what the better schedule says."""
    found = judge(3.0, Interval(0.0, 2.0), 0.0)
    assert (found.verdict, found.above_least, found.above_most) == (Verdict.UNKNOWN, 0.5, None)
    assert above_text(found) == "from 50 %"
    assert above_sentence(found, "lru is") == "lru is at least 50 % above the optimum."


# ---- the truth ---------------------------------------------------------------------------------------------------------


def cases() -> list[tuple[Instance, float]]:
    """Tiny instances of two and three tiers under every rule, and their optima by enumeration."""
    rng, found = np.random.default_rng(2026), []
    for rule, tiers in product(RULES, (2, 3)):
        for _ in range(3):
            instance = random_instance(rng, tiers, rule, blocks=4, steps=4)  # type: ignore[arg-type]
            try:
                found.append((instance, optimum(instance).seconds))
            except ValueError:  # nothing fits
                continue
    assert len(found) >= 15
    return found


def agrees(word: Verdict, truth: Verdict, interval: Interval) -> bool:
    """Whether a word may be said: the truth, unknown, or by a close interval "policy" where the truth is "both"."""
    return word in (Verdict.UNKNOWN, truth) or (word is Verdict.POLICY and truth is Verdict.BOTH and not interval.weak)


def test_what_is_said_of_an_interval_is_true_of_the_optimum() -> None:
    """Whatever bound and schedule are known, the word is that of the truth or unknown, and every range holds the truth."""
    words = set()
    for instance, best in cases():
        line = roofline(instance)
        latencies = [simulate(instance, make_scheduler(name)).latency_s for name in ("static", "lru", "belady")]
        for latency in [best, 1.05 * best, 1.3 * best, 20.0 * best, *latencies]:
            truth = judge(latency, Interval(best, best), line)
            for lower, known in product((line, (line + best) / 2, best), (best, min(latencies), 3.0 * best)):
                found = judge(latency, Interval(lower, known), line)
                words.add(found.verdict)
                assert agrees(found.verdict, truth.verdict, Interval(lower, min(known, latency)))
                assert found.above_least <= truth.above_least + 1e-9
                assert found.above_most is None or found.above_most >= truth.above_least - 1e-9
                if found.unavoidable_least is not None and found.unavoidable_most is not None:
                    assert truth.unavoidable_least is not None
                    assert found.unavoidable_least - 1e-9 <= truth.unavoidable_least <= found.unavoidable_most + 1e-9
    assert words == set(Verdict)


def test_an_optimal_policy_is_never_blamed_and_a_bad_one_is_by_a_tight_bound() -> None:
    """The optimum under any bound is capacity or unknown; what is far above it is blamed once the bound is within a tenth."""
    for instance, best in cases():
        line = roofline(instance)
        for lower, known in product((0.0, line, (line + best) / 2, best), (best, np.inf)):
            assert judge(best, Interval(lower, known), line).verdict not in BLAMED
        for lower in (best / (1.0 + TOLERANCE), 0.97 * best, best):
            for times in (1.3, 2.0, 4.3, 30.0):
                assert judge(times * best, Interval(max(lower, line), best), line).verdict in BLAMED


def test_raising_the_bound_changes_no_word_but_unknown() -> None:
    """A word once said stays, however much closer bound and schedules come."""
    rng = np.random.default_rng(5)
    for _ in range(300):
        line, best = np.sort(rng.random(2))
        latency = best * (1.0 + rng.exponential(0.5))
        wide = Interval(line + rng.random() * (best - line), best + rng.random() * (latency - best))
        close = Interval(wide.lower_s + rng.random() * (best - wide.lower_s), best + rng.random() * (wide.best_s - best))
        before, after = (judge(latency, each, line).verdict for each in (wide, close))
        assert agrees(before, after, wide)


# ---- compare -----------------------------------------------------------------------------------------------------------


def test_compare_says_unknown_of_an_optimal_policy_under_a_weak_bound() -> None:
    """By the roofline, half of the truth, belady is not blamed, and a line says why and what to do."""
    instance = far_apart()
    best = optimum(instance).seconds
    assert roofline(instance) < best / 2
    (one,) = compare([instance], ["belady"], method="roofline").instances
    row = one.schedules[0]
    assert row.latency_s == pytest.approx(best, rel=1e-9)
    assert row.judgement is not None
    assert row.judgement.verdict is Verdict.UNKNOWN
    text = " ".join(comparison_sentences(one))
    assert "policies cannot be judged by this bound yet" in text
    assert "--gap or a longer --time-limit goes on" in text
    assert "its own" not in text
    # by default the same policy is found to be as good as any
    (one,) = compare([instance], ["belady"]).instances
    assert one.schedules[0].judgement is not None
    assert one.schedules[0].judgement.verdict is Verdict.CAPACITY
    assert not one.proof.interval.weak


def test_compare_blames_a_bad_policy_by_a_tight_bound() -> None:
    """static leaves most of the reads to the slow tier where everything would fit in time: its own fault, and said so."""
    instance = make_instance(two_tier(hbm=2), make_trace([[0, 1]] * 10 + [[2, 3]] * 10, [-1] * 4))
    best = min(simulate(instance, make_scheduler(name)).latency_s for name in ("lru", "belady"))
    (one,) = compare([instance], ["static"], method="milp").instances  # the best known is none of those asked for
    row = one.schedules[0]
    assert row.latency_s is not None
    assert row.latency_s > 1.5 * best
    assert one.proof.best_s is not None
    assert one.proof.best_s <= best * (1 + 1e-9)
    assert row.judgement is not None
    assert row.judgement.verdict in BLAMED


def test_a_better_schedule_on_the_way_judges_those_that_were_asked_for() -> None:
    """Asked for static alone, compare knows of belady that a better one exists."""
    instance = make_instance(two_tier(hbm=2), make_trace([[0, 1]] * 10 + [[2, 3]] * 10, [-1] * 4))
    (one,) = compare([instance], ["static"]).instances
    assert one.proof.best_from != "static"
    assert [row.scheduler for row in one.schedules] == ["static"]


def test_raising_until_a_gap_knows_better_schedules_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """With --gap and only a bad scheduler asked for, the cheap ones still tell how close the bound is."""
    instance = make_instance(two_tier(hbm=2), make_trace([[0, 1]] * 10 + [[2, 3]] * 10, [-1] * 4))
    module = importlib.import_module("placement_opt.study.compare")
    monkeypatch.setattr(module, "prove_until", lambda instance, *_, **__: prove(instance, "lp"))
    (one,) = compare([instance], ["static"], gap=0.01).instances
    assert one.proof.best_from == "belady"
    assert one.schedules[0].judgement is not None
    assert one.schedules[0].judgement.verdict in BLAMED


def test_the_ladder_goes_on_where_auto_is_too_weak(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound of auto's that judges nothing is raised by the ladder; a method that was asked for stands as it is."""
    module, instance = importlib.import_module("placement_opt.answer.prove"), far_apart()
    weak = prove(instance, "roofline").bound
    monkeypatch.setattr(module, "lower_bound", lambda *_, **__: weak)
    found = prove_judging(instance, "auto", limits=Limits(60.0))
    assert not found.interval.weak
    assert found.bound.lower_bound_s is not None
    assert found.bound.lower_bound_s <= optimum(instance).seconds * (1 + 1e-9)
    assert "raised by the ladder" in found.bound.note
    stands = prove_judging(instance, "roofline", limits=Limits(60.0))
    assert stands.interval.weak
    assert (stands.bound.method, stands.best_from) == ("roofline", "static")


def test_enough_ends_the_ladder_and_is_no_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rung that was stopped because policies can be judged leaves a bound that nobody interrupted."""
    module, instance = importlib.import_module("placement_opt.answer.answer"), far_apart()
    true, weak = answer, prove(instance, "roofline").bound

    def stopped(*args: Any, **kwargs: Any) -> Answer:
        found = true(*args, **kwargs)
        return replace(found, state=replace(found.state, bound=replace(found.bound, status=Status.INTERRUPTED)))

    monkeypatch.setattr(importlib.import_module("placement_opt.answer.prove"), "lower_bound", lambda *_, **__: weak)
    monkeypatch.setattr(module, "answer", stopped)
    found = prove_judging(instance, "auto", limits=Limits(60.0))
    assert "raised by the ladder" in found.bound.note
    assert found.bound.status is Status.BOUND


def test_nothing_is_begun_without_time() -> None:
    """compare with no time left: the roofline, and every scheduler told of as not begun; exit code 3."""
    found = compare([far_apart()], ["static", "lru"], limits=Limits(0.0))
    (one,) = found.instances
    assert (one.proof.bound.method, one.proof.bound.status) == ("roofline", "limit reached")
    assert [(row.outcome, row.note) for row in one.schedules] == [(Outcome.LIMIT, "not begun")] * 2
    assert found.exit_code(everything=True) == 3


# ---- the sentences -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("judgement", "above", "unavoidable"),
    [
        (
            Judgement(Verdict.CAPACITY, 0.0, 0.05, 0.31, 0.64),
            "lru is at most 5.0 % above the optimum, and at least 0 %.",
            "Of its 2 s above the roofline between 31 % and 64 % cannot be avoided by any policy.",
        ),
        (
            Judgement(Verdict.BOTH, 0.68, 0.68, 0.52, 0.52),
            "lru is 68 % above the optimum.",
            "Of its 2 s above the roofline 52 % cannot be avoided by any policy.",
        ),
        (Judgement(Verdict.UNKNOWN, 0.05, 378.0, 0.0, 1.0), "lru is at most 379x the optimum, and at least 1.05x.", ""),
        (
            Judgement(Verdict.POLICY, 4.2, 4.2, 0.0, 0.0),
            "lru is 5.2x the optimum.",
            "All of its 2 s above the roofline can be avoided.",
        ),
        (Judgement(Verdict.CAPACITY, 0.0, 0.0, None, None), "lru is at the optimum: nothing is left to gain.", ""),
    ],
)
def test_sentences_speak_of_the_interval(judgement: Judgement, above: str, unavoidable: str) -> None:
    """At most and at least, and only where the two differ."""
    assert above_sentence(judgement, "lru is") == above
    assert unavoidable_sentence(judgement, 2.0, "its") == unavoidable


def test_the_interval_in_words() -> None:
    """Known, close, too wide, and not known at all, which does not say that a schedule exists."""
    proof = prove(far_apart(), "roofline")
    low = proof.interval.lower_s
    assert interval_sentence(proof) == ("No schedule has been found, though some exist: how close the bound is, is not known.")
    assert interval_sentence(proof.with_schedule("lru", low)).endswith("(lru) is at the bound.")
    assert interval_sentence(proof.with_schedule("lru", 1.05 * low)).endswith("(lru): it is known to 5.0 %.")
    wide = interval_sentence(proof.with_schedule("lru", 3.0 * low), "do this")
    assert wide.endswith("(lru): policies cannot be judged by this bound yet, 200 % wide where 10 % is needed; do this.")
    assert (wide_text(None), wide_text(0.0076), wide_text(368.4)) == ("-", "0.76 %", "368 times")


def test_the_better_schedule_is_kept() -> None:
    """A schedule known before gives way to a better one only."""
    proof = prove(far_apart(), "roofline").with_schedule("lru", 2.0)
    assert proof.with_schedule("static", 3.0) is proof
    assert proof.with_schedule("belady", 1.0).best_from == "belady"
