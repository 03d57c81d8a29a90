"""Questions whose layers are in rows, from both sides: what is found holds in the whole, and its files prove it again."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from placement_opt.answer import answer as answering
from placement_opt.answer import by_layer, rungs_stacked
from placement_opt.answer.answer import Answer, answer
from placement_opt.answer.by_layer import LayerDone, LayerTask, both_sides
from placement_opt.answer.prove_integer import whole_prices
from placement_opt.answer.resume import floats_of
from placement_opt.answer.standing import State
from placement_opt.answer.work import EXACT
from placement_opt.base.errors import CertificateError, InputError
from placement_opt.base.limits import Limits
from placement_opt.bounds import METHODS, turns
from placement_opt.bounds.compact import placed_s, relax
from placement_opt.bounds.result import Prices
from placement_opt.bounds.turns import Least
from placement_opt.certify.claims import kind_of_any, verify_any
from placement_opt.certify.files import save_prices
from placement_opt.certify.layered import VerifiedLarge
from placement_opt.certify.stacked import layer_bound, verify_stacked
from placement_opt.instance.instance import Instance
from placement_opt.instance.load import load_instance
from placement_opt.instance.outline import read_outline
from placement_opt.instance.stacked import Stacked
from placement_opt.instance.turns import in_layers
from placement_opt.layered.solve import CertifiedPrices
from placement_opt.layered.stacked_plan import StackedPlan
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from placement_opt.schedulers.search.rounding import Rounding
from placement_opt.study.worth import worth
from tests.stacking import both, run_of, written

#: A gap that the first round closes.
_WIDE = 3.0


def _answered(question: Stacked, folder: Path, gap: float = _WIDE) -> Answer:
    (folder / "moves").mkdir(exist_ok=True)
    return answer(question, gap=gap, limits=Limits(seconds=60), folder=folder / "moves")


def _files(found: Answer, folder: Path) -> tuple[Path, Path]:
    assert isinstance(found.state.prices, CertifiedPrices)
    assert isinstance(found.schedule, StackedPlan)
    save_prices(found.state.prices.certificate, folder / "prices")
    found.schedule.save(folder / "schedule")
    return folder / "prices", folder / "schedule"


@pytest.fixture(scope="module")
def solved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Instance, Stacked, Path]:
    folder = tmp_path_factory.mktemp("solved")
    whole, question = both(folder, page_tokens=2)
    _files(_answered(question, folder), folder)
    return whole, question, folder


@pytest.mark.parametrize("residency", ["inclusive", "exclusive", "free"])
def test_both_sides_hold_in_the_whole(tmp_path: Path, residency: str) -> None:
    whole, question = both(tmp_path, residency=residency, page_tokens=2)
    found = _answered(question, tmp_path)
    assert str(found.outcome) == "within gap"
    assert found.latency_s is not None
    assert found.roofline_s <= found.state.lower_s <= found.latency_s
    assert found.state.lower_s <= simulate(whole, make_scheduler("belady")).latency_s
    verified = verify_any(question, _files(found, tmp_path))
    assert isinstance(verified, VerifiedLarge)
    assert verified.lower_s is not None
    assert verified.upper_s is not None
    assert verified.lower_s <= found.state.lower_s * (1.0 + 1e-9)
    assert verified.upper_s == pytest.approx(found.latency_s, rel=1e-9)
    assert [kind_of_any(path) for path in (tmp_path / "prices", tmp_path / "schedule")] == ["prices", "schedule"]


#: Energies of all tiers, and what budgets and weights make of them.
_ENERGY = {"memory.fast.energy": "1 pJ/bit", "memory.middle.energy": "20 pJ/bit", "memory.slow.energy": "50 pJ/bit"}


@pytest.mark.parametrize("asked", [{"budgets.energy": "100 uJ"}, {"objective.energy": "10 s/J"}], ids=lambda asked: min(asked))
def test_both_sides_within_budgets(tmp_path: Path, asked: dict[str, str]) -> None:
    """What every layer keeps of its share the whole keeps; prices of budgets are common to the layers."""
    overrides = {**_ENERGY, **asked, "rules.page_tokens": 2}
    path = written(tmp_path)
    whole, question = load_instance(path, overrides), in_layers(read_outline(path, overrides))
    found = _answered(question, tmp_path)
    assert str(found.outcome) == "within gap"
    assert isinstance(found.state.prices, CertifiedPrices)
    assert found.state.prices.certificate.mu is not None
    assert found.state.lower_s <= answer(whole, gap=0.5, limits=Limits(seconds=60)).latency_s
    verified = verify_any(question, _files(found, tmp_path))
    assert verified.lower_s is not None
    assert verified.lower_s == pytest.approx(found.state.lower_s)
    assert verified.upper_s == pytest.approx(found.latency_s)


def test_no_schedule_keeps_the_budgets(tmp_path: Path) -> None:
    path, overrides = written(tmp_path), {**_ENERGY, "budgets.energy": "1 uJ"}
    question = in_layers(read_outline(path, overrides))
    found = _answered(question, tmp_path)
    assert str(found.outcome) == "no schedule keeps the budgets"
    assert isinstance(found.state.prices, CertifiedPrices)
    made = found.state.prices.certificate
    save_prices(made, tmp_path / "prices")
    assert verify_stacked(question, [tmp_path / "prices"]).no_schedule
    save_prices(dataclasses.replace(made, mu=np.zeros_like(made.mu)), tmp_path / "prices")
    with pytest.raises(CertificateError, match="claims that no schedule keeps the budgets, but its prices do not prove that"):
        verify_stacked(question, [tmp_path / "prices"])


def test_schedulers_play_layer_by_layer(solved: tuple[Instance, Stacked, Path]) -> None:
    _, question, _ = solved
    run = run_of(question, make_scheduler("belady"))
    alone = [simulate(question.layer(n), make_scheduler("belady")) for n in range(question.layers)]
    assert run.latency_s == pytest.approx(sum(one.latency_s for one in alone), rel=1e-12)
    for layer, one in enumerate(alone):
        assert (run.step_s[layer :: question.layers] == one.step_s).all()
    assert run.read_bytes == sum(one.read_bytes for one in alone)
    assert float(run.exact_latency()) == pytest.approx(run.latency_s, rel=1e-12)
    assert run.hits.rate == pytest.approx(run.hit_rate)


def test_more_room_and_rate_are_worth_what_the_prices_say(tmp_path: Path) -> None:
    """A byte of room in a tier is worth its rents of all turns; what the resources cost is the time, or less."""
    _, question = both(tmp_path, page_tokens=2)
    found = _answered(question, tmp_path)
    assert found.state.prices is not None
    explained = worth(question, found.bound)
    assert [each.price_s for each in explained.room] == pytest.approx(found.state.prices.rent.sum(axis=0).tolist())
    assert 0.5 < sum(each.share_of_time for each in explained.rates) <= 1.0 + 1e-9
    assert all(each.trials == () for each in explained.things)
    with pytest.raises(InputError, match="found a roofline bound without prices"):
        worth(question, turns.roofline(question))


def test_resumed_from_its_files(solved: tuple[Instance, Stacked, Path], tmp_path: Path) -> None:
    _, question, folder = solved
    known = verify_stacked(question, [folder / "prices", folder / "schedule"])
    again = answer(question, gap=_WIDE, limits=Limits(seconds=60), resume=known, folder=tmp_path)
    assert again.state.bound_from == "resumed"
    assert again.state.schedule_from == "resumed layers"
    assert again.latency_s == known.upper_s


@pytest.mark.parametrize("name", ["prices", "schedule"])
def test_a_changed_file_is_refused(solved: tuple[Instance, Stacked, Path], tmp_path: Path, name: str) -> None:
    _, question, folder = solved
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / name).write_bytes(data)
    with pytest.raises(CertificateError, match="checksum does not match"):
        verify_stacked(question, [tmp_path / name])
    (tmp_path / name).write_bytes(data[: len(data) // 3])
    with pytest.raises((CertificateError, InputError)):
        verify_stacked(question, [tmp_path / name])


@pytest.mark.parametrize("name", ["prices", "schedule"])
def test_a_file_of_another_question_is_refused(solved: tuple[Instance, Stacked, Path], name: str) -> None:
    _, question, folder = solved
    other = dataclasses.replace(question, stated=question.stated + b"!")
    with pytest.raises(CertificateError, match="made for another instance"):
        verify_stacked(other, [folder / name])


def test_claims_beyond_what_is_proven_are_refused(solved: tuple[Instance, Stacked, Path], tmp_path: Path) -> None:
    _, question, folder = solved
    known = verify_stacked(question, [folder / "prices", folder / "schedule"])
    assert known.prices is not None
    assert known.lower is not None
    assert known.upper is not None
    save_prices(dataclasses.replace(known.prices, claim=known.lower + Fraction(1, 10**12)), tmp_path / "prices")
    with pytest.raises(CertificateError, match="claims at least"):
        verify_stacked(question, [tmp_path / "prices"])
    parts = {}
    assert known.schedule is not None
    for layer in range(question.layers):
        parts[layer] = tmp_path / f"layer-{layer}"
        parts[layer].write_bytes(known.schedule.section(layer))
    StackedPlan(question, parts, known.upper - Fraction(1, 10**12), 1).save(tmp_path / "schedule")
    with pytest.raises(CertificateError, match="claims at most"):
        verify_stacked(question, [tmp_path / "schedule"])
    parts[0], parts[1] = parts[1], parts[0]
    StackedPlan(question, parts, known.upper, 1).save(tmp_path / "schedule")
    with pytest.raises(CertificateError, match=r"made for another instance"):
        verify_stacked(question, [tmp_path / "schedule"])
    with pytest.raises(InputError, match="second certificate of prices"):
        verify_stacked(question, [folder / "prices", folder / "prices"])


def test_a_stop_before_the_first_layer_leaves_the_roofline(tmp_path: Path) -> None:
    whole, question = both(tmp_path)
    limits = Limits()
    limits.interrupt()
    found = answer(question, limits=limits)
    assert str(found.outcome) == "interrupted"
    assert found.latency_s is None
    assert found.state.lower_s == pytest.approx(METHODS["roofline"](whole).lower_bound_s, rel=1e-9)


def test_the_file_of_the_instance_is_not_needed_twice(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert path.exists()
    _, question = both(tmp_path)
    path.unlink()
    assert question.layer(1).num_steps == question.turns


def test_what_was_done_of_the_layers_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped after two of three: two layers as they were priced and the least of the third, which its certificate proves."""
    _, question = both(tmp_path, page_tokens=2)

    def stopping(task: LayerTask, limits: Limits) -> LayerDone | None:
        done = both_sides(task, limits)
        if task.layer == 1:
            limits.interrupt()
        return done

    monkeypatch.setattr(rungs_stacked, "both_sides", stopping)
    found = answer(question, limits=Limits(seconds=60))
    assert (str(found.outcome), found.latency_s) == ("limit reached", None)
    assert found.notes == ("layers: 2 of 3 layers were reached",)
    prices = found.state.prices
    assert isinstance(prices, CertifiedPrices)
    parts = [layer_bound(question.layer(layer), prices.certificate) for layer in range(2)]
    assert prices.certificate.claim == sum(parts, Least(question, prices.certificate).of(2))
    save_prices(prices.certificate, tmp_path / "prices")
    proven = verify_stacked(question, [tmp_path / "prices"]).lower
    assert proven is not None
    assert 0 < prices.certificate.claim < proven
    assert found.roofline_s <= found.state.lower_s


def test_layers_are_priced_alone_where_there_is_no_time_for_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound of all layers is worth more than both sides of some."""
    _, question = both(tmp_path, page_tokens=2)
    seen = []

    def watched(task: LayerTask, limits: Limits) -> LayerDone | None:
        seen.append(task.scheduled)
        if len(seen) == question.layers:
            limits.interrupt()
        return both_sides(task, limits)

    monkeypatch.setattr(rungs_stacked, "both_sides", watched)
    monkeypatch.setattr(rungs_stacked, "_HOPED", 1e-9)
    found = answer(question, limits=Limits(seconds=60))
    assert seen == [False] * 3
    assert found.latency_s is None


def test_layers_leave_time_to_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounding is done again within a layer's part of the time: where many wait there is one sweep, and still a schedule."""
    question, within = in_layers(read_outline(written(tmp_path))), list[tuple[int, bool]]()
    sweep = Rounding.sweep

    def noted(rounding: Rounding, number: int, sweeps: int, limits: Limits) -> bool:
        within.append((number, limits.remaining < 1.0))
        return sweep(rounding, number, sweeps, limits)

    monkeypatch.setattr(Rounding, "sweep", noted)
    prices = METHODS["roofline"](question.layer(0)).prices
    assert prices is not None
    made = whole_prices(question.layer(0), prices, 1.0, question.hash)
    whole = CertifiedPrices(prices.rho, prices.rent, certificate=made)
    for waiting in (1, 10**9):
        done = both_sides(LayerTask(question, 0, whole, 0.0, 0, None, waiting=waiting), Limits(1000.0))
        assert done is not None
        assert done.upper is not None
        within.append((-1, False))
    alone, among = within[: within.index((-1, False))], within[within.index((-1, False)) + 1 : -1]
    assert [number for number, _ in alone] == list(range(len(alone)))
    assert len(alone) > 1
    assert among == [(0, False)]


def test_small_layers_are_searched_where_rounding_is_not_near(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not where that should take too long, nor where the best is near; never slower."""
    question = in_layers(read_outline(written(tmp_path)))
    prices = METHODS["roofline"](question.layer(0)).prices
    assert prices is not None
    whole = CertifiedPrices(prices.rho, prices.rent, certificate=whole_prices(question.layer(0), prices, 1.0, question.hash))

    def done(gap: float) -> LayerDone:
        found = both_sides(LayerTask(question, 0, whole, gap, 0, None), Limits())
        assert found is not None
        assert found.upper is not None
        return found

    searched, near = done(0.0), done(1e9)
    monkeypatch.setattr(by_layer, "_MOST_S", 0.0)
    quick = done(0.0)
    assert searched.source == "optimised"
    assert "optimised" not in (near.source, quick.source)
    assert searched.upper is not None
    assert quick.upper is not None
    assert searched.upper < quick.upper


def test_prices_come_from_a_program_where_it_is_small_and_near(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They prove what its placement takes, but for the gap; where it is not near they are raised from there."""
    question, began = in_layers(read_outline(written(tmp_path))), list[Prices | None]()

    def raised(part: Instance, gap: float, limits: Limits, start: Prices | None, names: Sequence[str]) -> State:
        del part, gap, limits, names
        began.append(start)
        return State()

    monkeypatch.setattr(answering, "_raised", raised)
    near = answer(question, gap=_WIDE, limits=Limits(seconds=60))
    assert not began
    assert near.state.bound_from == "layers"
    placed = sum(placed_s(relax(question.layer(n), gap=_WIDE / EXACT).bound) for n in range(question.layers))
    assert near.state.lower_s * (1.0 + _WIDE / EXACT) >= placed * (1.0 - 1e-9)
    monkeypatch.setattr(rungs_stacked, "placed_s", lambda _: float("inf"))
    answer(question, gap=_WIDE, limits=Limits(seconds=60))
    assert len(began) == 1
    assert began[0] is not None


def test_prices_of_fewer_turns_begin_it_too(solved: tuple[Instance, Stacked, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretched to the turns that there are: what is raised begins with what they prove."""
    _, question, folder = solved
    known = verify_stacked(question, [folder / "prices"]).prices
    assert known is not None
    warm = floats_of(known)
    fewer = Prices(warm.rho[::2], np.concatenate([warm.rent[:-1:2], warm.rent[-1:]]))
    began = []

    def raised(part: Instance, gap: float, limits: Limits, start: Prices | None, names: Sequence[str]) -> State:
        del part, gap, limits, names
        began.append(start)
        return State()

    monkeypatch.setattr(answering, "_raised", raised)
    found = answer(question, limits=Limits(seconds=60), warm=fewer)
    assert found.state.bound_from == "roofline"
    assert began[0] is not None
    assert began[0].rho.shape == warm.rho.shape
    assert began[0].rent.sum() == pytest.approx(fewer.rent.sum() * len(warm.rent) / len(fewer.rent), rel=0.5)
