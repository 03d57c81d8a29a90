"""``bound --gap`` and ``compare --gap``: both sides, progress, limits, signals, files and what goes on from them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from placement_opt.answer import checkpoint
from placement_opt.answer.answer import answer
from placement_opt.answer.prove_integer import certify_prices
from placement_opt.answer.resume import warm_prices
from placement_opt.base import room
from placement_opt.base.errors import InputError
from placement_opt.bounds.result import Prices
from placement_opt.certify.files import PriceCertificate
from placement_opt.certify.verify import verify_files
from placement_opt.cli import main
from placement_opt.cli.parser import share
from placement_opt.instance.instance import Instance
from placement_opt.instance.load import load_instance

REPO = Path(__file__).parents[2]


def run(capsys: pytest.CaptureFixture[str], *argv: object, code: int = 0) -> tuple[str, str]:
    """stdout and stderr of a command that must end with an exit code."""
    assert main([str(part) for part in argv]) == code
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return out, err


def document(capsys: pytest.CaptureFixture[str], *argv: object, code: int = 0) -> dict[str, object]:
    """The JSON of a command."""
    found = json.loads(run(capsys, *argv, "--json", "--quiet", code=code)[0])
    assert isinstance(found, dict)
    return found


# ---- the answer --------------------------------------------------------------------------------------------------------


def test_both_sides_are_printed(ahead: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Both values, the gap and the one asked for, the status, and what each side rests on."""
    lines = [line.rstrip() for line in run(capsys, "bound", ahead, "--gap", "1%")[0].splitlines()]
    facts = dict(line.split("  ", 1) for line in lines if "  " in line and not line.startswith(" "))
    assert facts["lower bound"].strip().startswith("49.")
    assert facts["schedule"].strip().startswith(("49.", "50."))
    assert facts["status"].strip() == "within gap"
    assert facts["gap"].strip().endswith(", 1.0 % wanted")
    assert facts["roofline"].strip() == "48.29296 ms"
    assert facts["bound by"].strip().startswith("weak duality")
    assert facts["schedule by"].strip() == "every move checked and timed by the simulator, reads split optimally"
    assert lines[-1].startswith("No schedule takes less than ")
    assert "the optimum is known to" in lines[-1]


def test_the_document_has_both_sides(ahead: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The keys of ``bound``, and those of the schedule; gap is schedule over bound less one."""
    found = document(capsys, "bound", ahead, "--gap", "1%")
    assert {"instance", "hash", "method", "status", "lower_bound_s", "solve_s"} <= set(found)
    assert found["status"] == "within gap"
    assert found["lower_bound_s"] == pytest.approx(0.0496471, rel=1e-2)
    assert 0.0499255 <= found["schedule_s"] <= 0.0499256 * 1.01
    assert found["gap"] == pytest.approx(found["schedule_s"] / found["lower_bound_s"] - 1.0, abs=1e-12)
    assert (found["gap"] <= 0.01, found["gap_wanted"]) == (True, 0.01)
    assert found["scheduler"]
    assert found["rests_on"]
    assert found["schedule_rests_on"]


def test_a_wider_gap_is_enough_sooner(drift: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever comes first within the gap ends the climb: at 50 % one of those that take a pass, however far the bound was
    raised by then; which one is a matter of time."""
    found = document(capsys, "bound", drift, "--gap", "50%")
    assert found["status"] == "within gap"
    assert found["scheduler"] in ("static", "belady", "lp-rounded")
    assert found["gap"] <= 0.5


def test_without_time_the_roofline_is_left(drift: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The status says why, the schedule is null, and that is no error."""
    found = document(capsys, "bound", drift, "--gap", "0.1%", "--time-limit", "0 s")
    assert (found["status"], found["method"], found["schedule_s"], found["gap"]) == ("limit reached", "roofline", None, None)
    text = run(capsys, "bound", drift, "--gap", "0.1%", "--time-limit", "0 s")[0]
    assert "schedule     none found" in text
    assert text.endswith("; no schedule was found.\n")


# ---- progress ----------------------------------------------------------------------------------------------------------


def test_progress_has_fixed_columns(drift: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A header and a line for each improvement, terminal or not, numbers below each other; nothing with --quiet."""
    out, err = run(capsys, "bound", drift, "--gap", "0.2%")
    header, *lines = err.splitlines()
    assert header.split() == ["time", "[s]", "bound", "[us]", "incumbent", "[us]", "gap", "from"]
    assert lines
    ends = [header.index(word) + len(word) for word in ("[s]", "bound [us]", "incumbent [us]", "gap")]
    bounds, latencies = [], []
    for line in lines:
        assert [line[end : end + 2] for end in ends] == ["  "] * 4
        assert all(line[end - 1] != " " for end in ends)
        bounds.append(float(line.split()[1]))
        latencies.append(float(line.split()[2].replace("-", "inf")))
    assert bounds == sorted(bounds)
    assert latencies == sorted(latencies, reverse=True)
    assert "within gap" in out
    assert run(capsys, "bound", drift, "--gap", "0.2%", "--quiet")[1] == ""


def test_progress_leaves_json_alone(drift: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One document on stdout, the lines on stderr."""
    out, err = run(capsys, "bound", drift, "--gap", "1%", "--json")
    assert json.loads(out)["schema"] == 1
    assert err.startswith("time [s]")


# ---- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("--gap", "0.001"), "argument --gap: found '0.001', expected a share in per cent such as \"0.1%\""),
        (("--gap", "-1%"), "argument --gap: found '-1%', expected a share in per cent"),
        (("--gap", "nan%"), "argument --gap: found 'nan%', expected a share in per cent"),
        (("--gap", "1%", "--method", "lp"), "--gap: found it with --method lp, expected auto, which climbs them all"),
        (("--gap", "1%", "--prices"), "--prices: found it with --gap, expected one of the two"),
        (("--gap", "1%", "--schedule", "x", "--scheduler", "lru"), "--scheduler: found it with --gap, expected one of the two"),
        (("--resume", "x"), "--resume: found it without --gap, expected --gap SHARE"),
        (("--jobs", "2"), "--jobs: found it without --gap, expected --gap SHARE"),
        (("--gap", "1%", "--jobs", "0"), "argument --jobs: found '0', expected a whole number from 1 to 1024"),
        (("--gap", "1%", "--memory-limit", "8"), "argument --memory-limit: found '8' without a unit, expected a size"),
        (("--gap", "1%", "--resume", "none.cert"), "none.cert: found no such file, expected an existing file"),
        (("--gap", "1%", "--resume", "{ahead}"), "ahead.toml: found another kind of file, expected a certificate of prices"),
        (("--warm-start", "x"), "--warm-start: found it without --gap, expected --gap SHARE"),
        (("--gap", "1%", "--warm-start", "none.cert"), "none.cert: found no such file, expected an existing file"),
        (("--gap", "1%", "--warm-start", "{ahead}"), "ahead.toml: found another kind of file, expected a certificate"),
        (("--backend", "dask"), "--backend: found it without --gap, expected --gap SHARE"),
        (("--dask-address", "x"), "--dask-address: found it without --gap, expected --gap SHARE"),
        (("--gap", "1%", "--backend", "dusk"), "argument --backend: found 'dusk', did you mean 'dask'?"),
        (("--gap", "1%", "--backend", "dask"), "--dask-address: found none, expected that of a Dask scheduler, such as"),
        (("--gap", "1%", "--dask-address", "x"), "--dask-address: found 'x', expected none with backend local"),
        (("--gap", "1%", "--certificate", "none/x"), "none/x: --certificate: found no folder 'none'"),
        (("--gap", "1%", "--certificate", "{ahead}"), "--certificate: found an input of this command"),
    ],
)
def test_wrong_options_are_named(ahead: str, capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], message: str) -> None:
    """Exit code 2, one line that says what was found and what was expected, nothing on stdout."""
    out, err = run(capsys, "bound", ahead, *(part.format(ahead=ahead) for part in argv), code=2)
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


def test_compare_takes_a_gap_with_auto_only(ahead: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As ``bound`` does."""
    err = run(capsys, "compare", ahead, "--gap", "1%", "--method", "lp", code=2)[1]
    assert err == "error: --gap: found it with --method lp, expected auto, which climbs them all\n"


@pytest.mark.parametrize(("text", "value"), [("0.1%", 0.001), ("0.1 %", 0.001), ("0%", 0.0), ("150%", 1.5)])
def test_shares_are_per_cent(text: str, value: float) -> None:
    """Digits, a point and a sign that says what is meant."""
    assert share(text) == value


@pytest.mark.parametrize("text", ["", "%", "1", "1 percent", "1e-3%", "\u0661%", "1  %", "1%%"])
def test_other_shares_are_refused(text: str) -> None:
    """Bare numbers could mean either; other digits and signs nothing."""
    with pytest.raises(InputError, match="expected a share in per cent"):
        share(text)


# ---- memory ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [(), ("--gap", "1%"), ("--method", "roofline")])
def test_too_little_memory_is_refused_with_the_number(
    ahead: str, capsys: pytest.CaptureFixture[str], more: tuple[str, ...]
) -> None:
    """With and without --gap: exit code 3, what is allowed and what is needed."""
    out, err = run(capsys, "bound", ahead, "--memory-limit", "1 MiB", *more, code=3)
    assert out == ""
    found = f"{ahead}: trace: found room for 1 MiB (--memory-limit)"
    assert err == f"error: {found}, expected about 250 MiB of memory for 20 reads; no part of it fits\n"


def test_a_trace_too_large_for_rows_goes_by_runs(
    drift: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where memory is short for rows and the trace comes layer by layer, the answer comes from there."""
    monkeypatch.setattr(room, "READ_BYTES", 10**12)
    found = document(capsys, "bound", drift)
    assert (found["best_from"], found["method"]) == ("scale", "roofline")


# ---- files -------------------------------------------------------------------------------------------------------------


def certified(path: str, *files: Path) -> tuple[float, float]:
    found = verify_files(load_instance(path), files)
    assert found.lower_s is not None
    assert found.upper_s is not None
    return found.lower_s, found.upper_s


def test_what_was_found_is_certified(drift: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both files verify, and the report says what they prove."""
    prices, schedule = tmp_path / "p", tmp_path / "s"
    found = document(capsys, "bound", drift, "--gap", "0.1%", "--certificate", prices, "--schedule", schedule)
    lower, upper = certified(drift, prices, schedule)
    assert lower == pytest.approx(found["lower_bound_s"], rel=1e-8)
    assert upper == pytest.approx(found["schedule_s"], rel=1e-12)
    certificate = found["certified"]
    assert isinstance(certificate, dict)
    assert (certificate["lower_bound_s"], certificate["upper_bound_s"]) == (lower, upper)


def test_a_run_goes_on_from_its_files(drift: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From both files at once a run without time ends where the other did; from a rough one a run with time gets further."""
    prices, schedule = tmp_path / "p", tmp_path / "s"
    run(capsys, "bound", drift, "--gap", "10%", "--certificate", prices, "--schedule", schedule)
    lower, upper = certified(drift, prices, schedule)
    resume = ("--resume", prices, "--resume", schedule)
    found = document(capsys, "bound", drift, "--gap", "0%", "--time-limit", "0 s", *resume)
    assert isinstance(found["lower_bound_s"], float)
    assert found["lower_bound_s"] >= lower  # the roofline's own float may be above its certificate by rounding
    assert (found["schedule_s"], found["status"]) == (upper, "limit reached")
    again = ("--certificate", prices, "--schedule", schedule)
    better = document(capsys, "bound", drift, "--gap", "0.2%", *resume, *again)
    assert better["status"] == "within gap"
    assert certified(drift, prices, schedule)[0] >= lower
    assert certified(drift, prices, schedule)[1] < upper


def test_files_of_another_instance_are_refused(
    drift: str, ahead: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the file's name and both hashes, before any work."""
    run(capsys, "bound", ahead, "--gap", "10%", "--certificate", tmp_path / "p")
    out, err = run(capsys, "bound", drift, "--gap", "1%", "--resume", tmp_path / "p", code=1)
    assert out == ""
    assert err.startswith(f"error: {tmp_path / 'p'}: made for another instance: found hash ")


def test_prices_of_another_instance_are_a_start(
    drift: str, ahead: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are proven anew, here first of all; those of another kind of system, schedules and damaged files are refused."""
    files = "--certificate", tmp_path / "p", "--schedule", tmp_path / "s"
    run(capsys, "bound", drift, "--gap", "0.3%", *files)
    roomier = tmp_path / "roomier.toml"
    roomier.write_text(Path(drift).read_text().replace('"2 MiB"', '"2200 KiB"').replace("tokens = 12", "tokens = 14"))
    instance = load_instance(roomier)
    warm = answer(instance, warm=warm_prices(tmp_path / "p", instance), rungs=[])
    assert warm.bound.method == "warm start"
    assert warm.roofline_s < warm.state.lower_s
    assert document(capsys, "bound", roomier, "--gap", "1%", "--warm-start", tmp_path / "p")["status"] == "within gap"
    err = run(capsys, "bound", ahead, "--gap", "1%", "--warm-start", tmp_path / "s", code=2)[1]
    assert err == f"error: {tmp_path / 's'}: found a certificate of a schedule, expected one of prices\n"
    three = tmp_path / "three.toml"
    three.write_text(Path(drift).read_text().replace("gh200", "nvme4"))
    err = run(capsys, "bound", three, "--gap", "1%", "--warm-start", tmp_path / "p", code=2)[1]
    assert f"error: {tmp_path / 'p'}: prices: found prices of" in err
    data = (tmp_path / "p").read_bytes()
    (tmp_path / "p").write_bytes(data[:60])
    err = run(capsys, "bound", ahead, "--gap", "1%", "--warm-start", tmp_path / "p", code=2)[1]
    assert err == f"error: {tmp_path / 'p'}: found 60 bytes, expected a certificate of prices\n"
    (tmp_path / "p").write_bytes(data[:-1])
    err = run(capsys, "bound", ahead, "--gap", "1%", "--warm-start", tmp_path / "p", code=1)[1]
    assert err.startswith(f"error: {tmp_path / 'p'}: the checksum does not match")


def test_a_cluster_that_does_not_answer_is_refused(
    drift: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, stubborn: threading.Event
) -> None:
    """Before the climb, with its address."""
    monkeypatch.setattr("placement_opt.base.backend._connect", lambda *_: stubborn.wait())
    monkeypatch.setattr("placement_opt.base.backend._ANSWER_S", 0.05)
    options = "--backend", "dask", "--dask-address", "tcp://127.0.0.1:1"
    err = run(capsys, "bound", drift, "--gap", "1%", *options, code=2)[1]
    assert err.endswith("error: dask-address: found no Dask scheduler at 'tcp://127.0.0.1:1' within 0.05 s\n")


def test_a_file_is_no_cluster(drift: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is loaded, by the option's name."""
    options = "--backend", "dask", "--dask-address", "file:///etc/passwd"
    err = run(capsys, "bound", drift, "--gap", "1%", *options, code=2)[1]
    expected = "expected such as tcp://10.0.0.1:8786 (tcp, tls, ws or wss)"
    assert err == f"error: --dask-address: found 'file:///etc/passwd', {expected}\n"


def test_a_damaged_file_is_refused(drift: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing in it is believed."""
    run(capsys, "bound", drift, "--gap", "10%", "--certificate", tmp_path / "p")
    data = bytearray((tmp_path / "p").read_bytes())
    data[-40] ^= 1
    (tmp_path / "p").write_bytes(data)
    err = run(capsys, "bound", drift, "--gap", "1%", "--resume", tmp_path / "p", code=1)[1]
    assert err == f"error: {tmp_path / 'p'}: the checksum does not match: the file is damaged, cut short or changed\n"


def test_a_schedule_that_was_not_found_is_told(drift: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The bound is printed and certified all the same; exit code 3."""
    files = "--certificate", tmp_path / "p", "--schedule", tmp_path / "s"
    out, err = run(capsys, "bound", drift, "--gap", "1%", "--time-limit", "0 s", *files, "--quiet", code=3)
    assert "lower bound" in out
    assert err == f"error: {tmp_path / 's'}: not written, no schedule was found within the limits\n"
    assert (tmp_path / "p").exists()


# ---- signals -----------------------------------------------------------------------------------------------------------

#: The command line with a last rung that never comes to an end; with "deaf" it does not look at its limits either.
ENDLESS = """
import os, sys, threading
from placement_opt import __main__
from placement_opt.answer import answer, checkpoint
from placement_opt.answer.rungs import RUNGS
from placement_opt.answer.work import Rung

kind = sys.argv.pop(1)

def endless(work, limits):
    os.write(2, b"endless\\n")  # at once: progress comes from another thread
    while kind == "deaf" or not limits.reached:
        threading.Event().wait(0.01)
    return False

checkpoint.PAUSE_S = checkpoint.PAUSES = 0.0
table = [one for one in RUNGS if one.name in ("step", "static", "belady", "compact")]
answer.RUNGS = (*table, Rung("endless", "bound", lambda _: True, lambda _: 1e9, endless))
sys.exit(__main__.entry())
"""


def interrupted(drift: str, folder: Path, kind: str, number: int) -> tuple[int, dict[str, object]]:
    """Start the endless command, send it a signal in its last rung; exit code and document."""
    files = ["--certificate", str(folder / "p"), "--schedule", str(folder / "s")]
    argv = [sys.executable, "-c", ENDLESS, kind, "bound", drift, "--gap", "0%", "--time-limit", "1000 s", "--json", *files]
    process = subprocess.Popen(argv, cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line == "endless\n":
            break
    process.send_signal(number)
    out, _ = process.communicate()
    return process.returncode, json.loads(out) if out else {}


@pytest.mark.parametrize(("kind", "number"), [("good", signal.SIGINT), ("good", signal.SIGTERM), ("deaf", signal.SIGINT)])
def test_a_signal_loses_nothing(drift: str, tmp_path: Path, kind: str, number: int) -> None:
    """Exit code 130, both sides printed and certified; also where the rung at work does not listen."""
    code, found = interrupted(drift, tmp_path, kind, number)
    assert (code, found["status"]) == (130, "interrupted")
    assert found["scheduler"] == "belady"
    lower, upper = certified(drift, tmp_path / "p", tmp_path / "s")
    assert lower == pytest.approx(found["lower_bound_s"], rel=1e-8)
    assert upper == pytest.approx(found["schedule_s"], rel=1e-12)
    assert ("left behind" in str(found["note"])) is (kind == "deaf")


def test_kill_9_in_the_middle_of_the_climb(drift: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The files written by then verify, and a run goes on from them."""
    code, _ = interrupted(drift, tmp_path, "deaf", signal.SIGKILL)
    assert code == -signal.SIGKILL
    there = [path for path in (tmp_path / "p", tmp_path / "s") if path.exists()]
    found = verify_files(load_instance(drift), there)
    resume = [part for path in there for part in ("--resume", path)]
    again = document(capsys, "bound", drift, "--gap", "0%", "--time-limit", "0 s", *resume)
    assert isinstance(again["lower_bound_s"], float)
    assert again["lower_bound_s"] >= (found.lower_s or 0.0)
    assert again["schedule_s"] == found.upper_s


def test_a_deaf_rung_does_not_pass_the_deadline(drift: str) -> None:
    """The limit is kept even where the rung at work never looks at it: the command ends, with code 0."""
    argv = [sys.executable, "-c", ENDLESS, "deaf", "bound", drift, "--gap", "0%", "--time-limit", "3 s", "--json", "--quiet"]
    done = subprocess.run(argv, cwd=REPO, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert json.loads(done.stdout)["status"] == "limit reached"


@pytest.mark.parametrize("module", ["numpy", "placement_opt.cli.bound"])
def test_ctrl_c_while_modules_are_loaded_shows_no_traceback(ahead: str, module: str) -> None:
    """From the first module on: ended by the signal or with 130, not a word of Python's."""
    code = (
        "import os, signal, sys\n"
        "class Hit:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}:\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Hit())\n"
        "from placement_opt.__main__ import entry\n"
        f"sys.exit(entry())\n"
    )
    done = subprocess.run([sys.executable, "-c", code, "bound", ahead], cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode in (130, -signal.SIGINT)
    assert done.stdout == ""
    assert done.stderr in ("", "error: interrupted\n", "\nstopping; once more to end at once\n")


# ---- compare -----------------------------------------------------------------------------------------------------------


def test_compare_raises_the_bound_until_it_is_close(drift: str, ahead: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Bounds come after the schedules, and the best of these is within the gap."""
    argv = "compare", drift, ahead, "--schedulers", "static,belady,lp-rounded", "--gap", "4%"
    instances = document(capsys, *argv)["instances"]
    assert isinstance(instances, list)
    for one in instances:
        assert [row["scheduler"] for row in one["schedules"]] == ["static", "belady", "lp-rounded"]
        gaps = [row["gap"] for row in one["schedules"]]
        assert min(gaps) <= 0.04
        assert max(gaps) > 0.02


def test_compare_stops_at_its_limit(drift: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The roofline is proven whatever the limit; that nothing was timed is exit code 3."""
    argv = "compare", drift, "--schedulers", "static", "--gap", "0%", "--time-limit", "0 s"
    instances = document(capsys, *argv, code=3)["instances"]
    assert isinstance(instances, list)
    assert (instances[0]["method"], instances[0]["status"]) == ("roofline", "limit reached")
    assert instances[0]["schedules"][0]["outcome"] == "limit reached"


def test_compare_without_a_schedule_bounds_as_ever(
    drift: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no scheduler was timed there is nothing to come close to."""

    def refuse(*_: object, **__: object) -> None:
        raise InputError("found one layer", "expected several")

    monkeypatch.setattr("placement_opt.study.scheduled.play", refuse)
    instances = document(capsys, "compare", drift, "--schedulers", "static", "--gap", "1%", code=2)["instances"]
    assert isinstance(instances, list)
    assert instances[0]["note"].startswith("auto took")


# ---- certificates that prove less ----------------------------------------------------------------------------------------


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Certificates of prices so coarse that they prove some 2 % less."""

    def coarsely(instance: Instance, prices: Prices, *, no_schedule: bool) -> PriceCertificate:
        return certify_prices(instance, prices, 200_000, no_schedule=no_schedule)

    monkeypatch.setattr(checkpoint, "certify_prices", coarsely)


@pytest.mark.usefixtures("coarse")
def test_a_certificate_that_proves_less_is_not_within_the_gap(
    ahead: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both sides are within 1 %, the certificate is not: the status says so, and by how much it falls short."""
    files = ["--certificate", tmp_path / "p", "--schedule", tmp_path / "s"]
    found = document(capsys, "bound", ahead, "--gap", "1%", *files)
    assert found["status"] == "not certified"
    assert found["gap"] <= 0.01  # type: ignore[operator]
    certified = found["certified"]
    assert isinstance(certified, dict)
    assert certified["short_of_lower_bound"] == pytest.approx(1 - certified["lower_bound_s"] / found["lower_bound_s"])  # type: ignore[operator]
    assert certified["gap"] > 0.01
    out = run(capsys, "bound", ahead, "--gap", "1%", *files)[0]
    assert "status       not certified: within gap, but the certificate proves less than the bound\n" in out
    assert "less than the lower bound above: only that much is certified" in out


@pytest.mark.usefixtures("coarse")
def test_a_certificate_that_proves_enough_is_within_the_gap(
    ahead: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Less than the bound, but within the gap asked for: said, and no trouble."""
    found = document(capsys, "bound", ahead, "--gap", "30%", "--certificate", tmp_path / "p")
    assert found["status"] == "within gap"


def test_a_certificate_of_the_whole_bound_says_nothing_more(
    ahead: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing falls short: no key in the document, no line in the text."""
    found = document(capsys, "bound", ahead, "--method", "lp", "--certificate", tmp_path / "p")
    assert isinstance(found["certified"], dict)
    assert "short_of_lower_bound" not in found["certified"]
    assert "only that much" not in run(capsys, "bound", ahead, "--method", "lp", "--certificate", tmp_path / "p")[0]


def test_one_sided_bounds_say_it_too(ahead: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What branch and bound adds to the root is in no prices, so the certificate is of the root."""
    out = run(capsys, "bound", ahead, "--method", "milp", "--certificate", tmp_path / "p")[0]
    assert "note       the prices prove 0.56 % less than the lower bound above: only that much is certified" in out
