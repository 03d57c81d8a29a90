"""The verifier stands alone, and what is handed to it is rounded safely."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import placement_opt.certify
from models import common, horizon
from placement_opt.answer.prove_integer import LOSS, certify_prices, certify_schedule, choose_quantum
from placement_opt.base.errors import CertificateError, InputError
from placement_opt.bounds import lp
from placement_opt.bounds.dual.evaluate import evaluate
from placement_opt.bounds.result import Prices
from placement_opt.certify.files import save_prices, save_schedule
from placement_opt.certify.parts import parts, step_costs
from placement_opt.certify.paths import tier_sets
from placement_opt.certify.verify import Verified, lower_bound, verify_prices
from placement_opt.instance.instance import Instance
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from tests.bounds.cases import absurd_prices
from tests.certify.certificates import draw, slow_value
from tests.cli.cases import write_ahead, write_drift
from tests.small import chain, fetch_ahead, make_instance, make_trace, two_tier
from tests.worlds import any_operations

REPO = Path(__file__).parents[2]
PROFILE = settings(derandomize=True, deadline=None, max_examples=30)
FOREIGN = ("bounds", "schedulers", "play", "layered", "answer", "memory.split")


def test_the_verifier_loads_no_solver_and_no_code_that_finds_what_it_checks() -> None:
    """Importing it brings in neither HiGHS, Pyomo, numba, networkx, scipy nor the rooms of bounds, schedulers and simulator."""
    code = (
        "import sys, placement_opt.certify.verify\n"
        f"foreign = ['placement_opt.' + name for name in {FOREIGN!r}]\n"
        "outside = ['highspy', 'pyomo', 'numba', 'networkx', 'scipy']\n"
        "bad = set(foreign + outside)\n"
        "loaded = [name for name in sys.modules if any(name == one or name.startswith(one + '.') for one in bad)]\n"
        "assert not loaded, loaded\n"
        "own = [name for name in sys.modules if name.startswith('placement_opt.certif')]\n"
        "assert len(own) == 10, own\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_verifier_reads_the_table_by_itself() -> None:
    """No module of it imports the law that programs, dual and simulator take loads and sets of tiers from, or asks for them."""
    files = sorted(Path(placement_opt.certify.__path__[0]).glob("*.py"))
    assert len(files) >= 10
    for path in files:
        text = path.read_text()
        assert "instance.law" not in text, path
        for name in (
            r"instance\.loads",
            "serving_ways",
            "usable",
            r"block_loads",
            r"operations\.uniform",
            r"operations\.plain",
        ):
            assert not re.search(rf"{name}\b", text), (path, name)


@pytest.mark.parametrize("write", [write_ahead, write_drift])
def test_the_command_needs_no_solver(tmp_path: Path, write) -> None:  # type: ignore[no-untyped-def]
    """``verify`` runs where HiGHS, Pyomo, numba and scipy cannot be imported."""
    from placement_opt.instance.load import load_instance

    path = write(tmp_path)
    instance = load_instance(path)
    prices, run = lp.bound(instance).prices, simulate(instance, make_scheduler("lru"), record=True)
    assert prices is not None
    assert run.schedule is not None
    save_prices(certify_prices(instance, prices), tmp_path / "p")
    save_schedule(certify_schedule(instance, run.schedule), tmp_path / "s")
    code = (
        "import sys\nfor name in ('highspy', 'pyomo', 'numba', 'scipy'): sys.modules[name] = None\n"
        "from placement_opt.cli import main\nsys.exit(main(sys.argv[1:]))"
    )
    argv = [sys.executable, "-c", code, "verify", str(path), str(tmp_path / "p"), str(tmp_path / "s")]
    done = subprocess.run(argv, cwd=REPO, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "No schedule takes less than" in done.stdout


@PROFILE
@given(st.integers(0, 10**6), st.sampled_from([0.01, 0.3, 1.0, 30.0, 1e6]))
def test_any_prices_become_a_certificate(seed: int, scale: float) -> None:
    """Negative, infinite, absurd: what comes out verifies, claims D of its integers exactly, and loses next to nothing."""
    rng, instance = draw(seed)
    prices = absurd_prices(rng, instance, scale)
    made = certify_prices(instance, prices)
    assert verify_prices(instance, made) == made.claim
    assert made.claim == max(0, slow_value(instance, made.quantum, made.rho, made.rent))
    value = evaluate(instance, prices).value_s
    assert float(made.claim) >= value * (1 - LOSS)


def test_low_prices_lose_no_more_than_high_ones() -> None:
    """Prices that use a hundredth of every second, at rates of bytes a second: a quantum for rates alone loses too much."""
    rng, instance = draw(61185)
    prices = absurd_prices(rng, instance, 0.01)
    assert float(certify_prices(instance, prices).claim) >= evaluate(instance, prices).value_s * (1 - LOSS)


@pytest.mark.parametrize("seed", range(18))
def test_rounding_loses_less_than_promised_at_good_prices(seed: int) -> None:
    """At the LP's prices the certificate claims the dual's value to 1e-9, on every rule and shape."""
    _, instance = draw(seed)
    prices = lp.bound(instance).prices
    assert prices is not None
    assert float(certify_prices(instance, prices).claim) == pytest.approx(evaluate(instance, prices).value_s, rel=LOSS)


@pytest.mark.parametrize("quantum", [1, 7, 10**6, 10**30, 2**128 - 1])
def test_any_quantum_gives_a_valid_certificate(quantum: int) -> None:
    """Coarse quanta prove less, fine ones are cut where 64 bits end: never invalid."""
    instance = fetch_ahead()
    prices = lp.bound(instance).prices
    assert prices is not None
    made = certify_prices(instance, prices, quantum)
    assert made.quantum == quantum
    assert verify_prices(instance, made) == made.claim <= Fraction(496472, 10**7)


@pytest.mark.parametrize("quantum", [0, -1, 2**128])
def test_quanta_out_of_range_are_refused(quantum: int) -> None:
    """A quantum is 1/Q with Q from 1 to 2**128 - 1."""
    instance = fetch_ahead()
    with pytest.raises(InputError, match=f"quantum: found {quantum}, expected a whole number from 1"):
        certify_prices(instance, Prices(np.zeros((22, 4)), np.zeros((23, 2))), quantum)


def test_the_quantum_leaves_room_for_windows() -> None:
    """On a real machine's rates a window of hundreds of steps fits 64 bits, and the quantum is a power of ten."""
    memory = two_tier(hbm=10**10, lpddr=10**12, rates=(4_900_000_000_000, 450_000_000_000, 500_000_000_000))
    instance = make_instance(memory, make_trace([[0], [0], [0]], [-1], sizes=[10**6]))
    prices = lp.bound(instance).prices
    assert prices is not None
    quantum = choose_quantum(instance, prices, 1e-6)
    assert str(quantum).strip("0") == "1"
    made = certify_prices(instance, prices, quantum)
    (part,) = parts(instance)
    assert max(step_costs(part, tier_sets(instance), made.rho, made.rent)) * 256 <= 2**59


def test_the_quantum_knows_calls_and_pages() -> None:
    """Where a block is paid for as a whole: windows of hundreds of steps fit 64 bits, and a finer quantum proves no more."""
    seen = 0
    for seed in range(60):
        instance = any_operations(seed)
        if instance.memory.operations.uniform:
            continue
        model = horizon.build(instance, relax=True)
        prices = Prices(common.prices(model, instance), common.rents(model, instance))
        fine = proven(instance, prices, 10**17)
        quantum = choose_quantum(instance, prices, float(fine))
        assert fine * (1 - Fraction(LOSS)) <= proven(instance, prices, quantum) <= fine * (1 + Fraction(LOSS))
        rho, rent = whole(prices, quantum)
        costs = [max(step_costs(part, tier_sets(instance), rho, rent)) for part in parts(instance)]
        assert max(costs) * 256 <= 2**59
        seen += 1
    assert seen >= 10


def whole(prices: Prices, quantum: int) -> tuple[np.ndarray, np.ndarray]:
    return np.floor(prices.rho * ((1 - 2.0**-44) * quantum)).astype(np.int64), np.rint(prices.rent * quantum).astype(np.int64)


def proven(instance: Instance, prices: Prices, quantum: int) -> Fraction:
    """What the prices prove as multiples of 1/quantum."""
    return lower_bound(instance, quantum, *whole(prices, quantum))


def far_apart() -> Instance:
    """Two blocks of 1 MB, both read twice; room for one in a tier of 8 TB/s, the other waits for 1 kB/s: 2,000 s."""
    memory = chain([10**6, 4 * 10**6], [8 * 10**12, 1000], [10**15])
    return make_instance(memory, make_trace([[0, 1], [0, 1]], [-1, -1], sizes=[10**6, 10**6]))


def test_the_quantum_holds_the_largest_price() -> None:
    """Rates 8e9 times apart ask for a quantum so fine that prices were cut at 2**62, and more than half of the bound lost."""
    instance = far_apart()
    found = lp.bound(instance)
    assert found.prices is not None
    assert found.lower_bound_s == pytest.approx(2000.0, rel=1e-6)
    made = certify_prices(instance, found.prices)
    assert max(int(made.rho.max()), int(made.rent.max())) < 2**62 + 2**10
    assert float(made.claim) == pytest.approx(2000.0, rel=1e-6)
    assert verify_prices(instance, made) == made.claim


@pytest.mark.parametrize("seed", range(18))
def test_no_price_is_cut_at_any_rates(seed: int) -> None:
    """Rates drawn over twelve decades: the certificate of the LP's prices loses no more than 1e-6 of what they prove."""
    rng, instance = draw(seed)
    rates = instance.memory.rates * 10 ** rng.integers(0, 12, instance.num_resources)
    memory = dataclasses.replace(instance.memory, rates=rates)
    instance = dataclasses.replace(instance, memory=memory, home_tier=instance.home)
    prices = lp.bound(instance).prices
    assert prices is not None
    made, value = certify_prices(instance, prices), evaluate(instance, prices)
    assert float(made.claim) >= value.value_s * (1 - 1e-6)
    assert made.rho.max() <= 2**62
    assert made.rent.max() <= 2**62


def test_rents_that_nobody_pays_are_no_reason_for_a_coarse_quantum() -> None:
    """A rent of 1e30 s a byte where there is no room costs nothing and means no more than one that nobody would pay."""
    instance = make_instance(two_tier(hbm=0), make_trace([[0], [0]], [-1]))
    prices = Prices(np.full((2, 4), 1e-4), np.array([[1e30, 0.0]] * 3))
    made = certify_prices(instance, prices)
    assert made.rent.max() < made.quantum
    assert float(made.claim) >= evaluate(instance, prices).value_s * (1 - LOSS) > 0.0


def test_short_of_a_bound() -> None:
    """What certified prices prove less than a bound, as a share of it; a millionth is nothing to say, nor is one side alone."""
    found = Verified(fetch_ahead(), lower=Fraction(1, 2))
    assert found.short_of(1.0) == 0.5
    assert found.short_of(0.5 * (1 + 9e-7)) is None
    assert found.short_of(0.5 * (1 + 2e-6)) == pytest.approx(2e-6, rel=1e-3)
    assert found.short_of(0.4) is found.short_of(0.0) is found.short_of(None) is None
    assert Verified(fetch_ahead()).short_of(1.0) is None


def test_schedules_are_written_in_one_order() -> None:
    """Moves of a step come out ascending by (operation, block), whatever order the scheduler gave them in."""
    instance = fetch_ahead()
    run = simulate(instance, make_scheduler("lru"), record=True)
    assert run.schedule is not None
    made = certify_schedule(instance, run.schedule)
    reverse = np.concatenate([np.arange(a, b)[::-1] for a, b in zip(made.indptr[:-1], made.indptr[1:], strict=True)])
    backwards = dataclasses.replace(run.schedule, op=made.op[reverse].astype(np.int16), block=made.block[reverse])
    again = certify_schedule(instance, backwards)
    assert np.array_equal(again.op, made.op)
    assert np.array_equal(again.block, made.block)
    assert again.claim == made.claim == run.exact_latency()


def test_sides_that_contradict_each_other_are_no_result() -> None:
    """A schedule below a lower bound would mean that one of the two proofs is wrong."""
    instance = fetch_ahead()
    assert Verified(instance, lower=Fraction(1, 3), upper=Fraction(1, 2)).gap == 0.5
    with pytest.raises(CertificateError, match=r"takes 0.25 s, below the lower bound 0.5 s: one is wrong"):
        Verified(instance, lower=Fraction(1, 2), upper=Fraction(1, 4))


def test_floats_of_exact_values_are_on_the_safe_side() -> None:
    """Thirds and numbers beyond floats: the lower bound is rounded down, the upper one up, the gap is theirs."""
    instance = fetch_ahead()
    third = Verified(instance, lower=Fraction(1, 3), upper=Fraction(2, 3))
    assert third.lower_s is not None
    assert third.upper_s is not None
    assert Fraction(third.lower_s) < Fraction(1, 3) < Fraction(np.nextafter(third.lower_s, 1))
    assert Fraction(np.nextafter(third.upper_s, 0)) < Fraction(2, 3) < Fraction(third.upper_s)
    huge = Verified(instance, lower=Fraction(10**400), upper=Fraction(10**401))
    assert (huge.lower_s, huge.upper_s, huge.gap) == (np.finfo(float).max, np.inf, 9.0)
    exact = Verified(instance, lower=Fraction(0), upper=Fraction(1, 4))
    assert (exact.lower_s, exact.upper_s, exact.gap) == (0.0, 0.25, None)
    assert Verified(instance).lower_s is Verified(instance).upper_s is None


def test_errors_name_file_step_and_block() -> None:
    """What is known of the place stands before the reason; a file is filled in once; the exit code is 1."""
    error = CertificateError("is not there", step=3, block=7)
    assert str(error) == "step 3, block 7: is not there"
    assert str(error.at("a.cert").at("b.cert")) == "a.cert: step 3, block 7: is not there"
    assert str(CertificateError("damaged")) == "damaged"
    assert error.at("a.cert").exit_code == 1


def test_claims_of_any_size_are_told() -> None:
    """A claim that no float holds is refused in words."""
    instance = fetch_ahead()
    made = certify_prices(instance, Prices(np.zeros((22, 4)), np.zeros((23, 2))))
    assert lower_bound(instance, made.quantum, made.rho, made.rent) == 0
    with pytest.raises(CertificateError, match="claims at least inf s, but its prices prove inf s less"):
        verify_prices(instance, dataclasses.replace(made, claim=Fraction(10**400)))
