"""``verify``, and the options of ``bound`` and ``simulate`` that write what it takes."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from placement_opt.certify.files import load_prices, load_schedule, save_prices, save_schedule
from placement_opt.cli import main
from placement_opt.instance.load import load_instance
from tests.cli.cases import write_ahead, write_drift
from tests.cli.commands import answer, refusal


@pytest.fixture
def ahead(tmp_path: Path) -> str:
    return str(write_ahead(tmp_path))


@pytest.fixture
def certified(ahead: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, Path, Path]:
    """The instance of section 7 with certificates of its LP's prices and of a schedule."""
    prices, schedule = tmp_path / "bound.cert", tmp_path / "plan.cert"
    answer(capsys, "bound", ahead, "--method", "lp", "--certificate", prices, "--schedule", schedule)
    return ahead, prices, schedule


def test_both_sides(certified: tuple[str, Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """Section 7: at least the LP, 0.0496471 s, by prices; at most what the schedule takes; in either order, with the gap."""
    instance, prices, schedule = certified
    one = json.loads(answer(capsys, "verify", instance, prices, schedule, "--json"))
    assert one == json.loads(answer(capsys, "verify", instance, schedule, prices, "--json"))
    assert one["lower_bound_s"] == pytest.approx(0.0496471, abs=5e-8)
    assert 0.0499256 - 5e-8 <= one["upper_bound_s"] < 0.06
    assert one["gap"] == pytest.approx(one["upper_bound_s"] / one["lower_bound_s"] - 1)
    assert one["prices"] == {"file": str(prices), "quantum_s_per_byte": one["prices"]["quantum_s_per_byte"]}
    assert one["schedule"]["file"] == str(schedule)
    assert one["schedule"]["scheduler"] == "lp-rounded"
    assert one["instance"] == "fetch-ahead"
    text = " ".join(answer(capsys, "verify", instance, prices, schedule).split())
    assert f"certified at least 49.64715 ms by the prices in {prices}" in text
    assert f"moves of lp-rounded in {schedule}" in text
    assert "No schedule takes less than 49.64715 ms, and this one takes at most" in text
    assert "proved again in exact integers, without a solver." in text


def test_one_side(certified: tuple[str, Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """Each certificate stands alone; what was not given is null."""
    instance, prices, schedule = certified
    lower = json.loads(answer(capsys, "verify", instance, prices, "--json"))
    assert (lower["upper_bound_s"], lower["gap"], lower["schedule"]) == (None, None, None)
    upper = json.loads(answer(capsys, "verify", instance, schedule, "--json"))
    assert (upper["lower_bound_s"], upper["gap"], upper["prices"]) == (None, None, None)
    assert (
        answer(capsys, "verify", instance, prices)
        .splitlines()[-1]
        .startswith("No schedule takes less than 49.64715 ms: proved")
    )
    assert answer(capsys, "verify", instance, schedule).splitlines()[-1].startswith("The schedule takes at most")


def test_reported_numbers_are_rounded_outwards(certified: tuple[str, Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """The floats of the report lie on the safe side of the exact claims, and next to them."""
    name, prices, schedule = certified
    instance = load_instance(name)
    found = json.loads(answer(capsys, "verify", name, prices, schedule, "--json"))
    lower, upper = load_prices(prices, instance).claim, load_schedule(schedule, instance).claim
    assert lower * (1 - Fraction(1, 2**50)) < Fraction(found["lower_bound_s"]) <= lower
    assert upper <= Fraction(found["upper_bound_s"]) < upper * (1 + Fraction(1, 2**50))


def test_bound_says_what_it_wrote(ahead: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``bound`` adds the exact values to its report, as text and as JSON; what it wrote verifies."""
    files = "--certificate", tmp_path / "p", "--schedule", tmp_path / "s", "--scheduler", "lru"
    found = json.loads(answer(capsys, "bound", ahead, "--method", "lp", *files, "--json"))
    assert found["certified"]["lower_bound_s"] == pytest.approx(found["lower_bound_s"], rel=1e-9)
    assert found["certified"]["schedule"]["scheduler"] == "lru"
    again = json.loads(answer(capsys, "verify", ahead, tmp_path / "p", tmp_path / "s", "--json"))
    assert found["certified"] == {key: again[key] for key in found["certified"]}
    text = " ".join(answer(capsys, "bound", ahead, "--method", "lp", *files).split())
    assert f"certified at least 49.64715 ms by the prices in {tmp_path / 'p'}" in text
    assert f"of lru in {tmp_path / 's'}" in text


@pytest.mark.parametrize("method", ["roofline", "step", "compact", "lp", "milp", "flow"])
def test_every_method_can_be_certified(ahead: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], method: str) -> None:
    """The prices of each method prove what it publishes, to 1e-9; branch and bound alone may publish more."""
    found = json.loads(answer(capsys, "bound", ahead, "--method", method, "--certificate", tmp_path / "p", "--json"))
    proven = json.loads(answer(capsys, "verify", ahead, tmp_path / "p", "--json"))["lower_bound_s"]
    assert proven <= 0.0499257
    assert proven >= (found["details"]["root_s"] if method == "milp" else found["lower_bound_s"]) * (1 - 1e-9)


def test_simulate_writes_its_schedule(ahead: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The schedule of any scheduler, with the time that the simulator says, exactly."""
    done = json.loads(answer(capsys, "simulate", ahead, "--scheduler", "belady", "--schedule", tmp_path / "s", "--json"))
    again = json.loads(answer(capsys, "verify", ahead, tmp_path / "s", "--json"))
    assert again["upper_bound_s"] == pytest.approx(done["latency_s"], rel=1e-15)
    assert done["certified"]["upper_bound_s"] == again["upper_bound_s"]
    assert again["schedule"]["scheduler"] == "belady"
    assert "certified  at most" in answer(capsys, "simulate", ahead, "--scheduler", "belady", "--schedule", tmp_path / "s")


def test_refusals_end_with_1_and_name_file_and_reason(
    certified: tuple[str, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """A flipped bit, another instance, claims that are not met: exit code 1, nothing on stdout."""
    name, prices, schedule = certified
    other = write_drift(prices.parent)
    message = refusal(capsys, "verify", other, prices, code=1)
    assert message.startswith(f"error: {prices}: made for another instance: found hash")
    instance = load_instance(name)
    made, plan = load_prices(prices, instance), load_schedule(schedule, instance)
    data = bytearray(prices.read_bytes())
    data[100] ^= 1
    prices.write_bytes(data)
    message = refusal(capsys, "verify", name, schedule, prices, code=1)
    assert message == f"error: {prices}: the checksum does not match: the file is damaged, cut short or changed\n"
    object.__setattr__(made, "claim", made.claim * 2)
    save_prices(made, prices)
    assert "claims at least 0.0992942971562 s, but its prices prove 0.0496471485781 s less" in refusal(
        capsys, "verify", name, prices, code=1
    )
    object.__setattr__(made, "claim", Fraction(0))
    made.rho[3, 0] += made.quantum // 1000
    save_prices(made, prices)
    assert f"error: {prices}: step 3: the resource prices times rates" in refusal(capsys, "verify", name, prices, code=1)
    object.__setattr__(plan, "claim", plan.claim / 2)
    save_schedule(plan, schedule)
    assert f"error: {schedule}: claims at most" in refusal(capsys, "verify", name, schedule, code=1)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("verify", "{ahead}"), "the following arguments are required: CERTIFICATE"),
        (("verify", "{ahead}", "{ahead}"), "ahead.toml: found another kind of file, expected a certificate of prices or of a"),
        (("verify", "{ahead}", "none.cert"), "none.cert: found no such file, expected an existing file"),
        (("verify", "none.toml", "{prices}"), "none.toml: found no such file"),
        (
            ("verify", "{ahead}", "{prices}", "{prices}"),
            "bound.cert: found a second certificate of prices, expected at most one",
        ),
        (("bound", "{ahead}", "--scheduler", "lru"), "--scheduler: found it without --schedule, expected --schedule FILE"),
        (("bound", "{ahead}", "--schedule", "x", "--scheduler", "lur"), "found scheduler 'lur', did you mean 'lru'?"),
        (
            ("bound", "{ahead}", "--certificate", "none/x"),
            "none/x: --certificate: found no folder 'none', expected an existing folder",
        ),
        (("bound", "{ahead}", "--certificate", "x", "--schedule", "./x"), "--schedule: found the file of --certificate"),
        (("simulate", "{ahead}", "--scheduler", "lru", "--schedule", "none/x"), "none/x: --schedule: found no folder 'none'"),
    ],
)
def test_wrong_arguments(
    certified: tuple[str, Path, Path], capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], message: str
) -> None:
    """Bad input ends with 2 and says what was found and expected, before anything is computed."""
    ahead, prices, _ = certified
    assert message in refusal(capsys, *(part.format(ahead=ahead, prices=prices) for part in argv), code=2)


def test_a_schedule_that_fails_loses_no_bound(ahead: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the scheduler runs out of time the bound and its certificate are there, and the error is told."""
    argv = "bound", ahead, "--method", "lp", "--certificate", tmp_path / "p", "--schedule", tmp_path / "s"
    code = main([*map(str, argv), "--scheduler", "lp-rounded:budget=0", "--json"])
    out, err = capsys.readouterr()
    assert code == 3
    assert err.startswith("error: ")
    assert json.loads(out)["certified"]["lower_bound_s"] == pytest.approx(0.0496471, abs=5e-8)
    assert (tmp_path / "p").exists()
    assert not (tmp_path / "s").exists()
