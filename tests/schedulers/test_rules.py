"""The rules of the paper's simulator, each on a trace that can be followed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.instance.instance import Instance
from placement_opt.instance.rule import Residency
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from placement_opt.schedulers.hierarchy.future import NEVER, layer_clock
from placement_opt.schedulers.rules.ahead import Ahead
from placement_opt.schedulers.rules.tables import INITS, INITS_AHEAD, MIGRATIONS, MIGRATIONS_AHEAD, PLACES, PLACES_AHEAD
from tests.schedulers.cases import any_instance, as_cache
from tests.schedulers.reference import replay
from tests.small import make_instance, make_trace, two_tier

OLD = [-1, -1, -1, -1]
#: Both sides are read at the same rate: alpha is a half.
EVEN = (500, 500, 500)


def _states(instance: Instance, spec: str) -> list[list[int]]:
    states = replay(instance, simulate(instance, make_scheduler(spec), record=True).schedule).states
    return [sorted(b for b, where in held.items() if 0 in where) for held in states]


def _two(
    room: int, reads: Sequence[Sequence[int]], births: Sequence[int] = OLD, *, even: bool = False, layers: int | None = None
) -> Instance:
    memory = two_tier(hbm=room, rates=EVEN) if even else two_tier(hbm=room)
    return make_instance(memory, make_trace(reads, births, layers=layers))


@pytest.mark.parametrize(
    ("rule", "room", "held"),
    [
        ("init=oldest", 2, [0, 1]),
        ("init=pages,page=2", 3, [0, 1]),
        ("init=pages,page=3", 2, []),
        ("init=pages,page=2,slips=init", 2, [0, 2]),
        ("init=first-step", 2, [3]),
        ("init=soonest", 2, [1, 3]),
    ],
)
def test_starts(rule: str, room: int, held: list[int]) -> None:
    """Of four blocks, of which the first step reads 3 and the next one 1; the published code leaves out a part of each page."""
    name = "rules-ahead" if rule == "init=soonest" else "rules"
    assert _states(_two(room, [[3], [1]]), f"{name}:{rule},place=fast,migrate=none")[0] == held


def test_a_start_spread_over_the_tokens() -> None:
    """Of 32 tokens floor(32 alpha) + 1 come: 17 where alpha is a half."""
    held = _states(_two(40, [[0]], [-1] * 40, even=True), "rules:init=spread,migrate=none")[0]
    assert held == [*range(17), *range(32, 40)]


@pytest.mark.parametrize("place", ["pages", "own-pages"])
def test_new_pages(place: str) -> None:
    """Pages of two. Token 1 is of a page that was never asked for; 2 asks and 3 follows it; there is no room for 4 and 5."""
    instance = _two(3, [[]] * 5, [-1, 0, 1, 2, 3, 4])
    assert _states(instance, f"rules:place={place},page=2,migrate=none")[-1] == [0, 2, 3]


def test_new_pages_of_all_layers() -> None:
    """Two layers, room for three: a page of two in both does not fit, one of the first layer does."""
    instance = _two(3, [[], [], [0], [1], [2], [3]], [0, 1, 2, 3], layers=2)
    assert _states(instance, "rules:place=pages,page=2,migrate=none")[-1] == []
    assert _states(instance, "rules:place=own-pages,page=2,migrate=none")[-1] == [0, 2]


def test_new_blocks_by_layer_and_by_number() -> None:
    """alpha is a half: of four layers those up to 2, of 16 tokens those up to 8, and in a layer while no more than half are."""
    layered = _two(9, [[], [], [], [], [0], [1], [2], [3]], [0, 1, 2, 3], even=True, layers=4)
    assert _states(layered, "rules:place=layers,migrate=none")[-1] == [0, 1, 2]
    many = _two(40, [[]] * 20, list(range(20)), even=True)
    assert _states(many, "rules:place=batch,migrate=none")[-1] == [*range(9), *range(16, 20)]
    few = _two(9, [[]] * 4, [-1, 0, 1, 2, 3], even=True)
    assert _states(few, "rules:place=balance,migrate=none")[-1] == [0, 2, 4]


def test_new_blocks_of_an_unimportant_layer() -> None:
    """50 steps that read nothing do not matter, 51 do."""
    assert _states(_two(9, [[]] * 51, [49, 50]), "rules:place=important,migrate=none")[-1] == [0]


def test_new_blocks_that_are_read_later() -> None:
    """1 is read the step after the next, 2 never; in the published code neither is ever found skipped."""
    instance = _two(9, [[], [], [1]], [-1, 0, 0])
    assert _states(instance, "rules-ahead:init=oldest,place=unskipped,migrate=none")[1] == [0, 1]
    assert _states(instance, "rules-ahead:init=oldest,place=unskipped,migrate=none,slips=place")[1] == [0, 1, 2]


def test_new_blocks_that_are_read_next() -> None:
    """2 is read next, and the oldest that is not, 1, makes way; 3 is not read next."""
    instance = _two(2, [[], [0, 2], []], [-1, -1, 0, 1])
    assert _states(instance, "rules-ahead:init=oldest,place=next,migrate=none")[1:] == [[0, 2]] * 3


@pytest.mark.parametrize(
    ("rule", "reads", "held"),
    [
        ("none", [[2]], [[0, 1], [0, 1]]),
        ("prior", [[2]], [[0, 1], []]),
        ("skipped", [[0]], [[0, 1], [0]]),
        ("window,window=2", [[0, 1], [0, 1], [0], [0, 1]], [[0, 1], [0, 1], [0, 1], [0], [0]]),
        ("reactive", [[0, 2], [3]], [[0, 1], [0, 2], [2, 3]]),
        ("reactive,slips=migrate", [[0, 2], [3], [1]], [[0, 1], [2], [2, 3], [1]]),
        ("just-in-time", [[0, 2]], [[0, 1], [0, 2]]),
        ("skipped-next", [[0], [2], []], [[0, 1], [2], [], []]),
        ("skipped-batch,window=2", [[0], [2], [1], []], [[0, 1], [1, 2], [1], [], []]),
        ("skipped-batch,window=2,slips=migrate", [[0], [2], [1]], [[0, 1], [0], [2], [1]]),
        ("paid-for", [[0, 2], [2, 3]], [[0, 1], [1, 2], [1, 2]]),
        ("everything", [[0], [2, 3]], [[0, 1], [2, 3], [2, 3]]),
        ("pages,page=2", [[0], [2]], [[0, 1], [2, 3], [2, 3]]),
        ("own-pages,page=2", [[0], [2], [0]], [[0, 1], [0, 1], [0, 1], [0, 1]]),
        ("own-pages,page=2", [[], [2]], [[0, 1], [2, 3], [2, 3]]),
        ("slack", [[2, 3], [2], [2, 3]], [[0, 1], [2, 3], [2, 3], [2, 3]]),
        ("soon,window=2,ratio=0.5", [[2, 3], [2], [3]], [[0, 1], [1, 2], [1, 2], [1, 2]]),
        ("soon,window=1", [[2, 3], [2], [3]], [[0, 1], [1, 2], [1, 2], [1, 2]]),
    ],
)
def test_migrations(rule: str, reads: list[list[int]], held: list[list[int]]) -> None:
    """Four blocks, room for two of them, the oldest at first: what is there at every state."""
    ahead = rule.partition(",")[0] in MIGRATIONS_AHEAD
    assert _states(_two(2, reads), f"{'rules-ahead' if ahead else 'rules'}:init=oldest,place=fast,migrate={rule}") == held


def test_balance_of_the_next_step() -> None:
    """alpha is a half. Of two that are read next, both there, the oldest leaves; of two that are not there the newest comes."""
    spec = "rules-ahead:init=oldest,place=fast,migrate=balanced"
    assert _states(_two(2, [[], [0, 1]], even=True), spec)[1] == [1]
    assert _states(_two(2, [[], [2, 3]], even=True), spec)[1] == [1, 3]


def test_weights_leave_less_of_the_fastest_tier_to_blocks() -> None:
    """alpha is a half; with a byte of weights read there, too, a half byte less of blocks makes both sides finish together."""
    spec = "rules-ahead:init=oldest,place=fast,migrate=balanced"
    trace = make_trace([[], [0, 1, 2]], OLD)
    assert _states(make_instance(two_tier(hbm=3, rates=EVEN), trace), spec)[1] == [1, 2]
    assert _states(make_instance(two_tier(hbm=3, rates=EVEN), trace, fixed=[1, 0, 0, 0]), spec)[1] == [2]


def test_slack_is_half_where_it_is_counted_twice() -> None:
    """Both sides are read at the same rate: while the slower serves two bytes, two could be written, or by the code one."""
    instance = _two(2, [[2, 3], [2], [2, 3]], even=True)
    spec = "rules-ahead:init=oldest,place=fast,migrate=slack"
    assert _states(instance, spec)[1] == [2, 3]
    assert 2 in _states(instance, f"{spec},slips=migrate")[1]
    assert 3 not in _states(instance, f"{spec},slips=migrate")[1]


def test_tokens_move_in_all_layers() -> None:
    """Blocks 0 and 1 are token 0 of layers 0 and 1, 2 and 3 token 1: what layer 0 skips leaves layer 1, too."""
    instance = _two(4, [[0], [1, 3], [0], [1]], layers=2)
    assert _states(instance, "rules:migrate=skipped")[1] == [0, 1]


@pytest.mark.parametrize("residency", ["exclusive", "free"])
def test_a_swap_needs_no_third_place(residency: Residency) -> None:
    """Room for one and for two: the block that comes leaves its place to the one that goes."""
    instance = make_instance(two_tier(hbm=1, lpddr=2), make_trace([[0], [2], [2]], [-1] * 3), residency)
    assert _states(instance, "rules-ahead:init=oldest,migrate=everything") == [[0], [2], [2], [2]]


def test_every_rule_plays_under_every_residency() -> None:
    """Each part with the others at their defaults, on small instances of all kinds; the same at every run."""
    specs = [f"rules:init={init},page=2" for init in INITS] + [f"rules:place={place},page=2" for place in PLACES]
    specs += [f"rules:migrate={migrate},full=0.5" for migrate in MIGRATIONS]
    specs += [f"rules-ahead:init={init}" for init in INITS_AHEAD] + [f"rules-ahead:place={place}" for place in PLACES_AHEAD]
    specs += [f"rules-ahead:migrate={migrate},page=2,window=2" for migrate in MIGRATIONS_AHEAD]
    for seed, spec in enumerate(specs * 3):
        instance = as_cache(any_instance(seed), seed) if seed % 4 == 3 else any_instance(seed)
        assert simulate(instance, make_scheduler(spec)).latency_s == simulate(instance, make_scheduler(spec)).latency_s


def test_who_sees_the_future() -> None:
    """A rule that looks ahead is no choice of rules; rules-ahead wants one."""
    assert (make_scheduler("rules").online, make_scheduler("rules-ahead").online) == (True, False)
    assert not set(MIGRATIONS) & set(MIGRATIONS_AHEAD)
    with pytest.raises(InputError) as caught:
        make_scheduler("rules-ahead:init=oldest,place=fast,migrate=none")
    assert str(caught.value) == "rules-ahead: found no rule that looks ahead, expected one; rules plays those that do not"
    with pytest.raises(InputError, match=r"^rules:place: found 'next', expected one of fast, pages, "):
        make_scheduler("rules:place=next")


def test_what_is_read_later() -> None:
    """Counts, first reads and sums of 1/offset are those of loops over the trace."""
    for seed in range(20):
        instance = any_instance(seed)
        trace, clock = instance.trace, layer_clock(instance.trace)
        ahead, ids = Ahead(trace), np.arange(trace.num_blocks)
        times = [sorted(int(clock[t]) for t in range(trace.num_steps) if b in trace.reads(t)) for b in ids.tolist()]
        assert all(early < late for each in times for early, late in pairwise(each))
        assert ahead.when(ids).tolist() == [each[0] if each else NEVER for each in times]
        for step in range(trace.num_steps):
            ahead.begin(step)
            for window in (1, 3, 100):
                near = [[at - clock[step] for at in each if clock[step] < at <= clock[step] + window] for each in times]
                assert ahead.count(ids, window).tolist() == [len(each) for each in near]
                assert ahead.closeness(ids, window) == pytest.approx([sum(1 / offset for offset in each) for each in near])


def test_the_page_names_every_rule() -> None:
    """docs/rules.md has a row for each rule, under its part, and says rightly whether it looks ahead."""
    text = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
    parts = {"init": (INITS, INITS_AHEAD), "place": (PLACES, PLACES_AHEAD), "migrate": (MIGRATIONS, MIGRATIONS_AHEAD)}
    for part, (plain, ahead) in parts.items():
        section = text.split(f": `{part}`\n")[1].split("\n## ")[0]
        rows = [[cell.strip() for cell in line.split("|")] for line in section.splitlines() if line.startswith("|")][2:]
        sees = {row[2].strip("`"): row[3] for row in rows}
        assert set(sees) == {*plain, *ahead}
        assert {name for name, what in sees.items() if what not in ("nothing", "the first step, as every start does")} == set(
            ahead
        )
