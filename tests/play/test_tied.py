"""Budgets and objectives tie the reads of all layers to each other: played layer by layer, a run is that of the rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from placement_opt.base.errors import BudgetError
from placement_opt.base.limits import Limits
from placement_opt.instance.load import load_instance
from placement_opt.instance.outline import read_outline
from placement_opt.instance.turns import in_layers
from placement_opt.schedulers import make_scheduler
from placement_opt.study.scheduled import Outcome, run_scheduler
from tests.stacking import run_of, written

_ENERGY = {"memory.fast.energy": "1 pJ/bit", "memory.middle.energy": "20 pJ/bit", "memory.slow.energy": "50 pJ/bit"}
#: Energy beside time, an allowance that is kept, and some that grow with the time: the run waits for them.
ASKED: list[dict[str, object]] = [
    {"objective.energy": "10 s/J"},
    {"objective.time": 0, "objective.energy": "1 s/J"},
    {"budgets.energy": "130 uJ"},
    {"budgets.energy": "2 mW"},
    {"objective.energy": "10 s/J", "budgets.energy": "2 mW"},
]
RULES: list[dict[str, object]] = [
    {"rules.residency": "inclusive"},
    {"rules.residency": "exclusive", "rules.page_tokens": 2},
    {"rules.residency": "free", "rules.page_tokens": 2},
    {"rules.residency": "inclusive", "llm.weights": "placed", "memory.fast.page": "512 B"},
]


@pytest.mark.parametrize("rules", RULES, ids=lambda rules: "-".join(map(str, rules.values())))
@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: "-".join(asked))
def test_a_run_by_layer_is_that_of_the_rows(tmp_path: Path, asked: dict[str, object], rules: dict[str, object]) -> None:
    """`lru` gives every layer its even share anyway: the same moves, and one split of all reads, to the last part."""
    overrides = {**_ENERGY, **asked, **rules, "rules.initial": "home"}
    if rules["rules.residency"] != "inclusive":
        overrides["rules.initial"] = {"kv": ["slow"], "weights": ["slow"]}
    path = written(tmp_path)
    rows, layers = load_instance(path, overrides), in_layers(read_outline(path, overrides))
    assert not layers.timed
    whole = run_of(rows, make_scheduler("lru"))
    run = run_of(layers, make_scheduler("lru"))
    assert (run.served == whole.served).all()
    assert (run.moved == whole.moved).all()
    assert run.split is not None
    assert whole.split is not None
    assert run.exact_latency() == whole.exact_latency()
    assert run.split.waited == whole.split.waited
    assert run.split.counted == whole.split.counted
    assert (run.waited_s > 0) == (asked.get("budgets.energy") == "2 mW")
    assert (run.cost_s, run.waited_s) == (whole.cost_s, whole.waited_s)
    assert (run.step_s == whole.step_s).all()
    assert run.metered == pytest.approx(whole.metered)
    assert run.critical_share == pytest.approx(whole.critical_share)


def test_what_no_split_keeps_is_refused_alike(tmp_path: Path) -> None:
    """By as much as in rows; in a comparison that is said of the scheduler, and no error."""
    overrides = {**_ENERGY, "budgets.energy": "1 uJ"}
    path = written(tmp_path)
    said = []
    for question in (load_instance(path, overrides), in_layers(read_outline(path, overrides))):
        with pytest.raises(BudgetError, match=r"breaks the budget energy: .* at least") as caught:
            run_of(question, make_scheduler("lru"))
        said.append(str(caught.value))
    assert said[0] == said[1]
    found, run = run_scheduler(in_layers(read_outline(path, overrides)), "lru", Limits())
    assert (found.outcome, run) == (Outcome.OVER_BUDGET, None)
