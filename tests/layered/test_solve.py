"""Both sides of a large question hold, whenever the work ends."""

from __future__ import annotations

import dataclasses
import itertools
import re
from pathlib import Path

import numpy as np
import pytest

from placement_opt.answer.standing import Standing, State
from placement_opt.base.backend import Backend
from placement_opt.base.errors import InputError
from placement_opt.base.limits import Limits
from placement_opt.bounds import METHODS
from placement_opt.bounds.result import Bound
from placement_opt.certify.layered_files import LargeSchedule
from placement_opt.instance.layered import Layered, layered_of
from placement_opt.instance.load import load_instance, load_layered
from placement_opt.layered import prepare as prepare_module
from placement_opt.layered import solve as solve_module
from placement_opt.layered.keep import RULES, Rule, idle_time
from placement_opt.layered.plan import Plan
from placement_opt.layered.prepare import _REFINED, Prepared, prepare, sample_blocks
from placement_opt.layered.solve import Work, begin, solve
from placement_opt.play.schedule import Schedule
from placement_opt.workload.files.npz import save_trace
from placement_opt.workload.layers import Drawn, Stored
from tests.layered.cases import Impatient, draw, exact_lp, layer_of, write
from tests.layered.solved import solved
from tests.runs import save_plain
from tests.small import make_trace


def with_trace(text: str, trace: str) -> str:
    """The same instance file with another trace."""
    return re.sub(r"\[trace\][^\[]*", f"[trace]\n{trace}\n", text)


@pytest.mark.parametrize(("room", "drift"), [(260, 0.05), (400, 0.2), (480, 0.4), (900, 0.1)])
def test_both_sides_enclose_the_exact_lp(tmp_path: Path, room: int, drift: float) -> None:
    """The bound is at least 97 % of it here, and never above; the schedule is never below."""
    path = write(tmp_path, room=room, drift=drift)
    exact = METHODS["lp"](load_instance(path)).value_s
    assert exact is not None
    answer = solved(load_layered(path))
    assert answer.complete
    assert 0.97 * exact <= answer.lower_s <= exact * (1 + 1e-9)
    assert answer.schedule_s >= exact * (1 - 1e-9)
    assert answer.roofline_s <= answer.lower_s


def test_a_drawn_question_is_the_one_in_rows(tmp_path: Path) -> None:
    """Reads, capacity, sizes and loads of the file read either way; so are the answers."""
    path = write(tmp_path)
    drawn, given = load_layered(path), layered_of(load_instance(path))
    for name in ("name", "block_bytes", "floor", "num_reads", "num_steps", "room"):
        assert getattr(drawn, name) == getattr(given, name)
    assert drawn.capacity.tolist() == given.capacity.tolist()
    assert drawn.fixed.tolist() == given.fixed.tolist()
    answers = [solved(each) for each in (drawn, given)]
    assert answers[0].lower_s == answers[1].lower_s
    assert answers[0].schedule_s == answers[1].schedule_s


def test_a_file_of_runs_gives_the_same_answers(tmp_path: Path) -> None:
    """Read layer by layer, drawn layer by layer, or held in rows: the same bound and the same schedule, to the last digit."""
    drawn = load_layered(write(tmp_path, drift=0.3))
    layers = [layer_of(drawn, layer) for layer in range(2)]
    save_plain(layers, 30, tmp_path / "t.runs", size_unit="token-layers", size=1)
    path = tmp_path / "stored.toml"
    path.write_text(with_trace((tmp_path / "instance.toml").read_text(), 'file = "t.runs"'))
    stored, rows = load_layered(path), load_instance(path)
    assert isinstance(stored.layers, Stored)
    assert stored.hash == layered_of(rows).hash != drawn.hash
    answers = [solved(each) for each in (drawn, stored, layered_of(rows))]
    assert len({answer.lower_s for answer in answers}) == len({answer.schedule_s for answer in answers}) == 1
    assert METHODS["lp"](rows).value_s == pytest.approx(METHODS["lp"](load_instance(tmp_path / "instance.toml")).value_s)


def test_two_processes_give_the_same_numbers_as_one(tmp_path: Path) -> None:
    problem = load_layered(write(tmp_path))
    one, two = solved(problem), solved(problem, jobs=2)
    assert (one.lower_s, one.schedule_s) == (two.lower_s, two.schedule_s)


@pytest.mark.parametrize("looks", [0, 1, 3, 8, 40, 80, 120, 200, 258, 260])
def test_both_sides_hold_whenever_the_work_ends(tmp_path: Path, looks: int) -> None:
    path = write(tmp_path, drift=0.3)
    exact = exact_lp(path.read_text())
    answer = solved(load_layered(path), limits=Impatient(looks))
    assert answer.roofline_s <= answer.lower_s <= exact * (1 + 1e-9)
    assert answer.schedule_s >= exact * (1 - 1e-9)
    assert looks > 0 or not answer.complete


class Told(Standing):
    """Keeps every state that it has been in."""

    def __init__(self) -> None:
        super().__init__()
        self.states: list[State] = []

    def raise_to(self, bound: Bound, source: str) -> bool:
        better = super().raise_to(bound, source)
        self.states.append(self.state)
        return better

    def lower_to(self, schedule: Schedule | Plan | LargeSchedule | None, latency_s: float, source: str) -> bool:
        better = super().lower_to(schedule, latency_s, source)
        self.states.append(self.state)
        return better


def test_both_sides_are_told_as_they_are_found(tmp_path: Path) -> None:
    """The roofline first, then the schedule that keeps nothing, in the end all layers; nothing ever gets worse."""
    told, question = Told(), load_layered(write(tmp_path))
    begin(question, told, moves=False)
    assert (told.states[0].bound_from, told.states[0].latency_s) == ("roofline", None)
    assert told.states[-1].latency_s == pytest.approx(sum(idle_time(question, layer) for layer in range(2)))
    assert solve(question, told)
    assert told.state.bound is not None
    details = told.state.bound.details
    assert details["layers_done"] == 2
    # both layers are few blocks, so that prices look at both; each is drawn once more to be priced and scheduled, and again by
    # the best rule of those that were tried on the first one
    assert [details[f"layers_{what}"] for what in ("drawn", "priced", "scheduled")] == [7, 2, 2]
    assert details["sample_looks"] > 0
    assert 1 <= details["rules_tried"] <= len(RULES) + _REFINED  # block by block again at better prices
    assert told.state.schedule is None  # nobody has kept its moves
    with_times = [state for state in told.states if state.latency_s is not None]
    assert all(a.lower_s <= b.lower_s and a.latency_s >= b.latency_s for a, b in itertools.pairwise(with_times))
    assert with_times[0].latency_s > with_times[-1].latency_s


def test_each_layer_keeps_the_better_of_two_passes(tmp_path: Path) -> None:
    """Whatever the second rule is, and wherever it is stopped; prices and what they prove stay."""
    question = load_layered(write(tmp_path))
    prepared = prepare(question, 0.0, Limits())
    assert prepared is not None
    other = dataclasses.replace(prepared, rule=Rule(), priced=False)
    alone = []
    for one in (prepared, other):
        work = Work(question, Standing(), Limits(), Backend(), None)
        assert work.run(one)
        alone.append([work.done[layer].schedule_s for layer in range(2)])
    assert alone[0] != alone[1]
    for rules in ((prepared, other), (other, dataclasses.replace(prepared, priced=True))):
        both = Work(question, Standing(), Limits(), Backend(), tmp_path)
        assert both.run(rules[0])
        assert both.run(rules[1], 1)
        assert both.seconds == [min(layer) for layer in zip(*alone, strict=True)]
        plan = both.plan()
        assert plan is not None
        assert float(plan.seconds) == pytest.approx(sum(both.seconds), rel=1e-9)
        assert both.best is not None
        proven = both.best.certificate.claim
    work = Work(question, Standing(), Limits(), Backend(), None)
    assert work.run(prepared)
    work.limits.interrupt()
    assert work.run(other, 1)  # whatever it came to, all layers were done before
    assert work.seconds == alone[0]
    assert work.best is not None
    assert work.best.certificate.claim == proven


def test_rules_turn_by_turn_are_tried_where_the_schedule_is_far_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """... once all layers have a schedule; not where it is near enough, nor where none of them does better."""
    question, tried = load_layered(write(tmp_path)), list[float]()
    honest = prepare_module.by_turn

    def told(problem: Layered, prepared: Prepared, first_s: float, gap: float, limits: Limits) -> Prepared | None:
        tried.append(gap)
        return honest(problem, prepared, first_s, gap, limits)

    monkeypatch.setattr(solve_module, "by_turn", told)
    for gap, expected in ((100.0, []), (0.0, [0.0])):
        assert solve(question, Standing(), gap=gap)
        assert tried == expected
    prepared = prepare(question, 0.0, Limits())
    assert prepared is not None
    assert honest(question, prepared, 0.0, 0.0, Limits()) is None


@pytest.mark.parametrize(("room", "gap", "priced"), [(130, 0.3, 0), (200, 0.02, 0), (400, 0.02, 2)])
def test_layers_are_priced_only_where_that_proves_more(tmp_path: Path, room: int, gap: float, priced: int) -> None:
    """No layer where the schedule is near enough, or what reads and rents cost at least is as much as any path; else all."""
    told, path = Told(), write(tmp_path, room=room)
    begin(load_layered(path), told, moves=False)
    assert solve(load_layered(path), told, gap=gap)
    bounds = [state.bound for state in told.states if state.bound is not None and state.bound.method == "scale"]
    assert told.state.within(max(0.06, gap))
    assert (max((bound.details["layers_priced"] for bound in bounds), default=0)) == priced
    exact = METHODS["lp"](load_instance(path)).value_s
    assert exact is not None
    assert 0.98 * exact <= told.state.lower_s <= exact * (1 + 1e-9)


def test_the_estimate_of_runs_is_never_too_small(tmp_path: Path) -> None:
    for drift in (0.0, 0.1, 0.7):
        layers = load_layered(write(tmp_path, drift=drift)).layers
        assert max(layers.layer(n).num_runs for n in range(layers.count)) <= layers.runs


def test_a_long_layer_is_sampled_and_a_short_one_taken_whole(tmp_path: Path) -> None:
    problem = load_layered(write(tmp_path))
    first = layer_of(problem, 0)
    assert [part.num_blocks for part in sample_blocks(problem, first, Limits()) or ()] == [first.num_blocks] * 2
    long = dataclasses.replace(first, turns=10**7)
    parts = sample_blocks(problem, long, Limits())
    assert parts is not None
    assert len(parts) == 1
    assert 0 < parts[0].num_blocks <= 5


def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    """Another residency or start, a trace in a file, another generator, three tiers, too small a home: named."""
    for changed, message in (
        ({"residency": "free"}, "rules.residency: found 'free'"),
        ({"initial": "first-fit"}, "rules.initial: found 'first-fit'"),
    ):
        with pytest.raises(InputError, match=message):
            load_layered(write(tmp_path, **changed))
    path = write(tmp_path)
    text = path.read_text()
    save_trace(load_instance(path).trace, tmp_path / "rows.npz")
    for trace, message in (('file = "rows.npz"', "found a trace in rows"), ('synth = "zipf"\nseed = 1', "expected drift")):
        path.write_text(with_trace(text, trace))
        with pytest.raises(InputError, match=message):
            load_layered(path)
    for old, new, message in (
        ('preset = "gh200"', 'preset = "cxl3"', "expected two"),
        ('hbm.capacity = "400 MiB"', 'hbm.capacity = "400 MiB"\nlpddr.capacity = "500 MiB"', "every block at its peak"),
    ):
        path.write_text(text.replace(old, new))
        with pytest.raises(InputError, match=message):
            load_layered(path)


def test_rows_that_are_no_such_question_are_refused() -> None:
    """Sizes that differ, loads that change, a given start."""
    instance = draw(0)
    count = instance.num_blocks
    fixed = instance.fixed.copy()
    fixed[1] += 1
    start = np.zeros((2, count), dtype=bool)
    start[1, instance.first_state == 0] = True
    for changed, message in (
        ({"size": 1 + np.arange(count) % 2}, "different sizes"),
        ({"fixed": fixed}, "loads that change"),
        ({"initial": start}, "free start"),
    ):
        with pytest.raises(InputError, match=message):
            layered_of(dataclasses.replace(instance, **changed))
    with pytest.raises(InputError, match="freed"):
        layered_of(dataclasses.replace(instance, trace=make_trace([[0]] * 12, [-1], [11]), size=np.ones(1, dtype=np.int64)))


def test_full_size_files_are_read_without_drawing_them() -> None:
    """The paper's experiment: 4.77e9 reads in 32 layers."""
    folder = Path(__file__).resolve().parents[2] / "instances" / "seed" / "full"
    problem = load_layered(folder / "nvlink4-25gib-drift03-full.toml")
    assert isinstance(problem.layers, Drawn)
    assert problem.num_reads == 4_772_782_880
    assert problem.room == 20480 * 32
