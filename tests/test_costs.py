"""One cost model: what can be chosen declares what it takes, and every factor stands in the calibration and nowhere else."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import placement_opt
from placement_opt.answer import by_layer, rungs
from placement_opt.answer.checkpoint import PROOFS, WRITTEN
from placement_opt.base import highs
from placement_opt.base.cost import Cost, bytes_of, calibration, costs, once, seconds_of
from placement_opt.bounds import METHODS, ascent, compact
from placement_opt.bounds.dual.classes import classify
from placement_opt.bounds.lp import horizon_program
from placement_opt.bounds.size import Size
from placement_opt.instance.gate import ROWS
from placement_opt.instance.load import load_instance
from placement_opt.instance.outline import read_outline
from placement_opt.layered import solve
from placement_opt.schedulers import REGISTRY
from placement_opt.schedulers.lp_rounded import ROUNDING
from placement_opt.schedulers.optimised import SEARCH
from placement_opt.schedulers.search import rounding, stays
from placement_opt.schedulers.search.game import make_game
from tests.cli.cases import DRIFT
from tests.schedulers.cases import drift
from tests.small import random_instance

PACKAGE = Path(placement_opt.__file__).parent
#: Every cost there is, by who declares it.
DECLARED: dict[str, Cost[Any]] = {
    **{f"bound {name}": method.cost for name, method in METHODS.items()},
    **{f"scheduler {name}": policy.cost for name, policy in REGISTRY.items()},
    **{f"proof of {kind}": cost for kind, cost in PROOFS.items()},
    **{f"proof of {kind} in runs": cost for kind, cost in WRITTEN.items()},
    "refined": compact.REFINED,
    "ascent": ascent.COST,
    "rounding": ROUNDING,
    "search": SEARCH,
    "rounded": rounding.COST,
    "stays": stays.COST,
    "runs": solve.COST,
    "layers": by_layer.COST,
    "rows": ROWS,
}
#: Modules that choose by costs: they may hold none of their own.
CHOOSING = ("answer/costs.py", "answer/rungs.py", "answer/rungs_prices.py", "answer/checkpoint.py", "bounds/auto.py")
CHOOSING += ("bounds/size.py", "base/room.py", "instance/gate.py", "instance/layered.py", "study/check.py")


def looked_up() -> Iterator[tuple[str, str, str]]:
    """(kind, section, key) of all factors that modules look up one by one, which they do by literal names."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            if called in ("seconds_of", "bytes_of") and path.name != "cost.py":
                section, key = (ast.literal_eval(each) for each in node.args)
                yield called.removesuffix("_of"), section, key


def size(seed: int) -> Size:
    rng = np.random.default_rng(seed)
    return Size.of(random_instance(rng, int(rng.integers(1, 4)), blocks=6, steps=6))


def test_every_bound_and_every_scheduler_declares_what_it_takes() -> None:
    """Under its own name, or that of a scheduler that works alike, with factors of time and of memory."""
    sections = {name: cost.section for name, cost in DECLARED.items() if name.startswith(("bound ", "scheduler "))}
    assert sections.pop("scheduler milp") == "milp-schedule"
    alike = {name for name in REGISTRY if REGISTRY[name].cost.section == name}
    for name, section in sections.items():
        assert name.endswith(f" {section}") or (name.startswith("scheduler ") and section in alike), name
    for name in (*sections, "scheduler milp"):
        assert DECLARED[name].seconds, name
        assert DECLARED[name].bytes, name


def test_every_factor_is_used_and_every_use_has_a_factor() -> None:
    """Nothing in the file that no cost takes, nothing taken that is not there; the reference is the command's."""
    used = {("seconds", "reference", "loop"), *looked_up()}
    for cost in DECLARED.values():
        used |= {("seconds", cost.section, key) for key in cost.seconds} | {("bytes", cost.section, key) for key in cost.bytes}
    known = {
        (kind, name, key)
        for name, section in calibration().items()
        for kind in ("seconds", "bytes")
        for key in section.get(kind, {})
    }
    assert used == known


def test_every_section_says_what_was_measured_and_when() -> None:
    """And its factors are numbers that are not negative, of bytes whole ones."""
    for name, section in calibration().items():
        assert section["what"], name
        assert section["date"].year >= 2026, name
        assert set(section) <= {"what", "date", "seconds", "bytes"}, name
        assert all(factor >= 0.0 for factor in section.get("seconds", {}).values()), name
        assert all(isinstance(factor, int) and factor >= 0 for factor in section.get("bytes", {}).values()), name
        assert sum(section.get("seconds", {}).values()) + sum(section.get("bytes", {}).values()) > 0, name


def test_no_factor_is_typed_where_costs_decide() -> None:
    """No number that could be seconds for a read or a step, in the modules that choose or refuse."""
    trees = {name: ast.parse((PACKAGE / name).read_text(encoding="utf-8")) for name in CHOOSING}
    numbers = [(name, node) for name, tree in trees.items() for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    small = [
        (name, node.lineno, node.value) for name, node in numbers if isinstance(node.value, float) and 1e-9 < node.value < 1e-3
    ]
    assert small == []


def test_more_to_do_never_costs_less() -> None:
    """Each figure of a size doubled: no fewer seconds where it is still defined, no fewer bytes."""
    for seed in range(5):
        small = size(seed)
        for field in ("steps", "blocks", "all_reads", "triples"):
            large = replace(small, **{field: 2 * getattr(small, field)})
            for name, cost in DECLARED.items():
                if name.startswith(("proof", "runs", "rows", "layers")):
                    continue
                assert cost.expected_s(large) >= cost.expected_s(small) * (1.0 - 1e-12), (name, field)
                assert cost.expected_bytes(large) >= cost.expected_bytes(small), (name, field)


def test_a_cost_is_the_sum_of_its_factors_and_its_parts() -> None:
    """By hand from the file; infinite where the method is not defined."""
    part = Cost[int]("roofline", {"per_step": lambda n: n}, {"per_read": lambda n: 2.5 * n})
    whole = Cost[int]("step", {"once": once, "per_read_and_tier": lambda n: n}, {"once": once}, parts=lambda _: [part, part])
    own = seconds_of("step", "once") + 7 * seconds_of("step", "per_read_and_tier")
    assert whole.expected_s(7) == pytest.approx(own + 14 * seconds_of("roofline", "per_step"), rel=1e-12)
    assert whole.expected_bytes(7) == bytes_of("step", "once") + 2 * -(-bytes_of("roofline", "per_read") * 35 // 2)
    assert replace(whole, defined=lambda n: n < 7).expected_s(7) == float("inf")
    with pytest.raises(KeyError, match="per_dream"):
        Cost[int]("step", {"per_dream": once}).expected_s(7)


def test_a_declared_cost_is_an_attribute() -> None:
    """The function stays what it was."""
    cost = Cost[int]("step")

    def doubled(n: int) -> int:
        return 2 * n

    assert costs(cost)(doubled) is doubled
    assert (doubled(3), doubled.cost) == (6, cost)  # type: ignore[attr-defined]


def test_the_size_of_an_outline_is_that_of_its_instance(tmp_path: Path) -> None:
    """Before equal blocks are merged, and where steps carry tokens."""
    path = tmp_path / "drift.toml"
    path.write_text(DRIFT)
    before, after = Size.of_outline(read_outline(path)), Size.of(load_instance(path))
    assert replace(after, reads=after.all_reads, states=after.triples // after.tiers) == before
    assert (after.reads <= before.reads, after.states <= before.states) == (True, True)


def test_memory_of_programs_and_of_the_search_is_expected_to_be_more_than_their_arrays() -> None:
    """Those of the exact LP, with what the solver is allowed for them, and the tables of the search, of a drifting trace."""
    instance = drift(layers=2, prefill=150, tokens=30)
    size = Size.of(instance)
    program = horizon_program(instance, classify(instance), extra=np.zeros((2, 0), dtype=np.int64)).build()
    assert 10**5 < held(program) + highs.ENTRY_BYTES * len(program.value) <= METHODS["lp"].cost.expected_bytes(size)
    assert 10**5 < held(make_game(instance, None, 1)) <= SEARCH.expected_bytes(size)


def held(thing: Any) -> int:
    """Bytes of the arrays that an object holds."""
    parts = thing if isinstance(thing, tuple) else vars(thing).values()
    return sum(part.nbytes for part in parts if isinstance(part, np.ndarray))


def test_rungs_take_what_methods_and_schedulers_declare() -> None:
    """A rung of a method or of a scheduler expects what that declares, in seconds and in bytes."""
    from placement_opt.answer.standing import Standing
    from placement_opt.answer.work import Work

    work = Work(random_instance(np.random.default_rng(3), 2, blocks=6, steps=6), Standing(), 0.0)
    for rung in rungs.RUNGS:
        cost = METHODS[rung.name].cost if rung.side == "bound" and rung.name in ("step", "compact", "lp") else None
        cost = REGISTRY[rung.name].cost if rung.side == "schedule" and rung.name in ("static", "belady", "milp") else cost
        if cost is not None:
            assert (rung.expected_s(work), rung.memory(work)) == (cost.expected_s(work.size), cost.expected_bytes(work.size))


def test_rungs_of_layers_and_of_windows_take_what_their_parts_declare(tmp_path: Path) -> None:
    """Layers by what each process does of them; a window as prices on few intervals of so many steps, and a pass over all."""
    from placement_opt.answer.costs import layers_s, window_s
    from placement_opt.answer.standing import Standing
    from placement_opt.answer.work import Work
    from placement_opt.bounds.dual.shares import Backend
    from tests.stacking import both

    whole, question = both(tmp_path)
    one, two, many = (layers_s(Work(question, Standing(), 0.0, Backend("local", jobs))) for jobs in (1, 2, 8))
    assert one == pytest.approx(2 * two) == pytest.approx(3 * many)
    layer = question.layer(0)
    assert question.reads == layer.num_reads
    assert question.states == pytest.approx(int((layer.last_state - layer.first_state + 1).sum()), rel=0.1)
    work = Work(whole, Standing(), 0.0)
    passed = ascent.COST.expected_s(work.size) / ascent.PASSES
    assert window_s(whole.num_steps)(work) == pytest.approx(METHODS["intervals"].cost.expected_s(work.size) + passed)
    assert passed < window_s(2)(work) < window_s(12)(work) < window_s(10**6)(work) == window_s(whole.num_steps)(work)


def test_more_levels_cost_cascades_more() -> None:
    """What makes way may go down through each of them: with three tiers three times as much a read as with two."""
    few = replace(size(1), tiers=2, steps=100, all_reads=10**6)
    step = 100 * seconds_of("cascade", "per_step")
    for name in ("cascade", "victim", "ttl"):
        cost = DECLARED[f"scheduler {name}"]
        assert cost.expected_s(replace(few, tiers=3)) - step == pytest.approx(3 * (cost.expected_s(few) - step))
    assert DECLARED["scheduler cascade"].expected_s(few) > 2 * DECLARED["scheduler lru"].expected_s(few)
