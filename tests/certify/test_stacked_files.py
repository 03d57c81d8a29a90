"""Certificates of a question whose layers are in rows: they prove what they claim, and changed ones nothing that is false."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from placement_opt.answer.prove_integer import certify_schedule, whole_prices
from placement_opt.base.backend import Backend
from placement_opt.base.errors import CertificateError, InputError
from placement_opt.base.limits import Limits
from placement_opt.bounds import METHODS
from placement_opt.bounds.dual.evaluate import evaluate, legal
from placement_opt.bounds.result import Prices
from placement_opt.bounds.turns import Least, roofline
from placement_opt.certify.files import PriceCertificate, ScheduleCertificate, save_prices, save_schedule
from placement_opt.certify.stacked import layer_bound, verify_stacked
from placement_opt.certify.stacked_files import save_stacked_schedule
from placement_opt.certify.verify import schedule_time, signed_bound
from placement_opt.instance.instance import Instance
from placement_opt.instance.load import load_instance
from placement_opt.instance.outline import read_outline
from placement_opt.instance.stacked import Stacked
from placement_opt.instance.turns import in_layers
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from tests.certify.certificates import draw_prices
from tests.certify.played import flipped, other_moves, other_prices
from tests.stacking import both, spread, written

Case = tuple[Instance, Stacked, PriceCertificate, list[ScheduleCertificate]]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """(the whole in rows, the same layer by layer, prices of turns, a schedule of each layer)."""
    whole, question = both(tmp_path_factory.mktemp("stacked"), page_tokens=4)
    first = question.layer(0)
    rho = np.zeros((question.turns, question.num_resources))
    rho[:, [1, 4]] = 0.3 / question.memory.rates[[1, 4]]
    prices = legal(first, Prices(rho, np.zeros((question.turns + 1, 3))))
    made = whole_prices(first, prices, evaluate(first, prices).value_s, question.hash)
    claim = sum((layer_bound(question.layer(n), made) for n in range(question.layers)), Fraction(0))
    assert claim > 0
    made = dataclasses.replace(made, claim=claim)
    plans = []
    for layer in range(question.layers):
        alone = question.layer(layer)
        run = simulate(alone, make_scheduler("belady"), record=True)
        assert run.schedule is not None
        plans.append(certify_schedule(alone, run.schedule))
    return whole, question, made, plans


def saved(folder: Path, question: Stacked, plans: list[ScheduleCertificate], claim: Fraction | None = None) -> Path:
    path, sections = folder / "plan.cert", dict[int, Path]()
    for layer, plan in enumerate(plans):
        sections[layer] = folder / f"layer-{layer}"
        save_schedule(plan, sections[layer])
    moves = sum(plan.moves for plan in plans)
    total = sum((plan.claim for plan in plans), Fraction(0))
    save_stacked_schedule(path, question.hash, sections, total if claim is None else claim, moves)
    return path


@pytest.mark.parametrize("jobs", [1, 2])
def test_both_sides_are_proven(case: Case, tmp_path: Path, jobs: int) -> None:
    """In this process and in two: what is claimed, and what the whole in rows says at the same prices, or less."""
    whole, question, made, plans = case
    save_prices(made, tmp_path / "prices.cert")
    found = verify_stacked(question, [tmp_path / "prices.cert", saved(tmp_path, question, plans)], backend=Backend(jobs=jobs))
    assert found.lower == made.claim
    assert found.upper == sum(plan.claim for plan in plans)
    assert made.claim <= signed_bound(whole, made.quantum, *spread(made.rho, made.rent, question.layers))


def test_changed_prices_are_refused_or_true(case: Case, tmp_path: Path) -> None:
    whole, question, made, _ = case
    rng, path, refused = np.random.default_rng(5), tmp_path / "prices.cert", 0
    for _ in range(60):
        other = other_prices(rng, made)
        try:
            save_prices(other, path)
            verify_stacked(question, [path])
        except (CertificateError, InputError, OverflowError):
            refused += 1
            continue
        assert other.claim <= signed_bound(whole, other.quantum, *spread(other.rho, other.rent, question.layers))
    assert refused >= 15
    save_prices(made, path)
    data = path.read_bytes()
    for _ in range(20):
        path.write_bytes(flipped(rng, data))
        with pytest.raises((CertificateError, InputError)):
            verify_stacked(question, [path])


def test_changed_schedules_are_refused_or_true(case: Case, tmp_path: Path) -> None:
    _, question, _, plans = case
    rng, refused = np.random.default_rng(6), list[str]()
    layers = [question.layer(n) for n in range(question.layers)]
    for _ in range(60):
        layer = int(rng.integers(len(plans)))
        changed = [*plans]
        changed[layer] = other_moves(rng, plans[layer])
        path = saved(tmp_path, question, changed)
        try:
            verify_stacked(question, [path])
        except (CertificateError, InputError) as error:
            refused.append(str(error))
            continue
        taken = schedule_time(layers[layer], changed[layer])
        assert taken <= changed[layer].claim
    assert len(refused) >= 30
    assert all("plan.cert" in message for message in refused)
    data = saved(tmp_path, question, plans).read_bytes()
    for _ in range(20):
        (tmp_path / "plan.cert").write_bytes(flipped(rng, data))
        with pytest.raises((CertificateError, InputError)):
            verify_stacked(question, [tmp_path / "plan.cert"])


def test_refusals_say_where(case: Case, tmp_path: Path) -> None:
    """File, layer, turn and block of what breaks a rule; and what does not add up."""
    _, question, made, plans = case
    with pytest.raises(CertificateError, match=r"plan.cert: layer 0: .*made for another instance"):
        verify_stacked(question, [saved(tmp_path, question, [plans[1], plans[0], plans[2]])])
    total = sum((plan.claim for plan in plans), Fraction(0))
    with pytest.raises(CertificateError, match=r"plan.cert: claims at most .*, but its schedule takes .* more"):
        verify_stacked(question, [saved(tmp_path, question, plans, total - Fraction(1, 10**9))])
    wrong = dataclasses.replace(
        plans[1],
        indptr=np.array([0, *[1] * question.turns], dtype=np.int64),
        op=np.array([3 + 9], dtype=np.uint16),
        block=np.array([2], dtype=np.int32),
        initial=np.array([[False], [False], [True]]) & (question.layer(1).first_state == 0),
    )
    with pytest.raises(CertificateError, match=r"plan.cert: layer 1, turn 0, block 2: is dropped from fast, where it is not"):
        verify_stacked(question, [saved(tmp_path, question, [plans[0], wrong, plans[2]])])
    path = tmp_path / "prices.cert"
    save_prices(dataclasses.replace(made, claim=made.claim + Fraction(1, 10**9)), path)
    with pytest.raises(CertificateError, match=r"prices.cert: claims at least .*, but its prices prove .* less"):
        verify_stacked(question, [path])
    save_prices(made, path)
    with pytest.raises(InputError, match="found a second certificate of prices"):
        verify_stacked(question, [path, path])


def test_a_layer_must_be_its_share_of_the_question(case: Case, tmp_path: Path) -> None:
    """Whoever draws layers with other room or other turns gets nothing proven."""
    _, question, made, _ = case
    save_prices(made, tmp_path / "prices.cert")

    class More(Stacked):
        def layer(self, layer: int, limits: Limits | None = None) -> Instance:
            alone = super().layer(layer, limits)
            return dataclasses.replace(alone, capacity=alone.capacity - 1)

    more = More(**{field.name: getattr(question, field.name) for field in dataclasses.fields(question)})
    with pytest.raises(CertificateError, match=r"layer 0: .*found 12 turns and room for .* bytes, expected 12"):
        verify_stacked(more, [tmp_path / "prices.cert"])


@pytest.mark.parametrize("residency", ["inclusive", "exclusive", "free"])
@pytest.mark.parametrize("page_tokens", [1, 4])
def test_layers_not_drawn_count_with_no_more_than_they_pay(tmp_path: Path, residency: str, page_tokens: int) -> None:
    """At any prices, by how much their turns read; a certificate of some layers and the least of others claims less."""
    overrides = {"rules.residency": residency, "rules.page_tokens": page_tokens, "rules.floor": "1 us", "llm.weights": "placed"}
    question = in_layers(
        read_outline(written(tmp_path), overrides | {"memory.fast.energy": "1 pJ/bit", "budgets.energy": "1 J"})
    )
    layers, rng = [question.layer(layer) for layer in range(question.layers)], np.random.default_rng(8)
    for _ in range(20):
        rho, rent = draw_prices(rng, layers[0], 10**12)
        made = PriceCertificate("", 10**12, rho // 2, rent, Fraction(0), np.array([int(rng.integers(0, 3))]))
        exact = [layer_bound(layer, made) for layer in layers]
        least = Least(question, made)
        assert all(least.of(layer) <= value for layer, value in enumerate(exact))
    line = sum(METHODS["roofline"](layer).lower_bound_s or 0.0 for layer in layers)
    found = roofline(question).lower_bound_s
    assert found is not None
    assert found <= line * (1.0 + 1e-9)
    assert found == pytest.approx(line, rel=1e-9 if page_tokens == 1 else 0.5)


@pytest.mark.parametrize("no_schedule", [False, True])
def test_prices_of_budgets_prove_no_more_than_of_the_whole(tmp_path: Path, no_schedule: bool) -> None:
    """What layers prove within their shares adds up to no more than the whole in rows, with weights and watts."""
    overrides = {
        **{f"memory.{tier}.energy": energy for tier, energy in (("fast", "1 pJ/bit"), ("slow", "50 pJ/bit"))},
        "memory.slow.endurance": "3000 cycles",
        "budgets.energy": "50 uJ",
        "budgets.time": "30 ms",
        "budgets.slow.lifetime": "5 years",
        "objective.energy": "10 s/J",
        "rules.page_tokens": 2,
    }
    path, rng, seen = written(tmp_path), np.random.default_rng(9), 0
    whole, question = load_instance(path, overrides), in_layers(read_outline(path, overrides))
    layers = [question.layer(layer) for layer in range(question.layers)]
    parts = question.memory.meters.parts[question.used_meters[-1]]
    for _ in range(20):
        quantum = 10**15 * parts
        rho, rent = draw_prices(rng, layers[0], 10**12)
        rho = rho * (0 if no_schedule else 10**3 // 2)
        mu = np.array([int(rng.integers(0, 10**9)), int(rng.integers(0, quantum // 10**6)), 0])
        made = PriceCertificate("", quantum, rho, rent, Fraction(0), mu, no_schedule)
        found = sum((layer_bound(layer, made) for layer in layers), Fraction(0))
        rows = spread(rho, rent, question.layers)
        expected = signed_bound(whole, quantum, *rows, mu, no_schedule=no_schedule)
        least = Least(question, made)
        assert sum((least.of(layer) for layer in range(question.layers)), Fraction(0)) <= found <= expected
        seen += found != 0
    assert seen >= 15
