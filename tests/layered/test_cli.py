"""``bound`` answers from both sides where a trace would not fit in memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from placement_opt.base.limits import Limits
from placement_opt.cli import main
from placement_opt.instance.load import load_instance
from placement_opt.workload.files.npz import save_trace
from placement_opt.workload.synth import params
from tests.cli.cases import MEMORY
from tests.layered.cases import write
from tests.small import make_trace


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An instance file whose trace counts as too large for rows, on a machine of one processor."""
    monkeypatch.setattr(params, "LARGEST_READS", 100)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    return str(write(tmp_path))


def test_bound_of_a_large_file_gives_both_sides(large: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bound", large, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["instance"] == "drawn"
    assert answer["method"] == "scale"
    assert 0 < answer["roofline_s"] <= answer["lower_bound_s"] <= answer["schedule_s"]
    assert answer["gap"] == pytest.approx(answer["schedule_s"] / answer["lower_bound_s"] - 1)
    assert main(["bound", large]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "No schedule takes less than" in text
    assert "the optimum is known to" in text


def test_a_method_that_needs_rows_still_refuses_a_large_file(large: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And says how many reads there are."""
    for options in (["--method", "lp"], ["--prices"]):
        assert main(["bound", large, *options]) != 0
        assert "reads, expected at most" in capsys.readouterr().err


def test_a_large_file_is_refused_where_memory_is_short(
    large: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sysconf", lambda _: 1000)
    assert main(["bound", large]) != 0
    assert "runs a layer" in capsys.readouterr().err


def test_certificates_of_a_large_file_are_written_and_verified(
    large: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both sides within the gap asked for, lines of progress in columns; then from the files alone."""
    files = [str(tmp_path / name) for name in ("prices", "plan")]
    command = ["bound", large, "--gap", "40%", "--certificate", files[0], "--schedule", files[1], "--json"]
    assert main(command) == 0
    printed = capsys.readouterr()
    answer = json.loads(printed.out)
    assert answer["status"] == "within gap"
    assert answer["gap_wanted"] == pytest.approx(0.4)
    lines = printed.err.splitlines()
    assert lines[0].split() == ["time", "[s]", "bound", "[ms]", "incumbent", "[ms]", "gap", "from"]
    assert "layer" in lines[-1]
    assert main(["verify", large, *files, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["hash"] == answer["hash"]
    assert 0.98 * answer["lower_bound_s"] <= found["lower_bound_s"] <= answer["lower_bound_s"]  # the roofline may be more
    assert found["upper_bound_s"] == pytest.approx(answer["schedule_s"], rel=1e-12)
    assert main(["verify", large, files[1]]) == 0
    assert "The schedule takes at most" in " ".join(capsys.readouterr().out.split())


def test_a_schedule_at_scale_is_refused_for_an_instance_that_is_none(
    large: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bound", large, "--schedule", str(tmp_path / "plan"), "--quiet"]) == 0
    capsys.readouterr()
    path = Path(large)
    path.write_text(path.read_text().replace('residency = "inclusive"', 'residency = "free"'))
    assert main(["verify", large, str(tmp_path / "plan")]) == 2
    assert "expected 'inclusive' at this size" in capsys.readouterr().err


def test_a_limit_of_no_time_leaves_both_certificates(
    large: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The schedule that keeps nothing, and prices about as good as the roofline: both verify."""
    monkeypatch.setattr(Limits, "reached", True)
    files = [str(tmp_path / name) for name in ("prices", "plan")]
    assert main(["bound", large, "--certificate", files[0], "--schedule", files[1]]) == 0
    assert "limit reached" in capsys.readouterr().out
    assert main(["verify", large, *files]) == 0


def test_runs_are_written_from_rows_and_from_an_instance(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same file either way; what is no layered trace of equal blocks is refused."""
    path = write(tmp_path)
    save_trace(load_instance(path).trace, tmp_path / "t.npz")
    for source, target in ((path, "a.runs"), (tmp_path / "t.npz", "b.runs")):
        assert main(["trace", "runs", str(source), "-o", str(tmp_path / target)]) == 0
        assert "2 layers of 30 turns, 1,764 reads" in capsys.readouterr().out
    assert (tmp_path / "a.runs").read_bytes() == (tmp_path / "b.runs").read_bytes()
    save_trace(make_trace([[0], []], [-1], deaths=[1]), tmp_path / "freed.npz")
    assert main(["trace", "runs", str(tmp_path / "freed.npz"), "-o", str(tmp_path / "c.runs")]) == 2
    assert "freed.npz: death: found blocks that are freed" in capsys.readouterr().err
    assert main(["trace", "runs", str(path), "-o", str(path)]) == 2
    assert "found an input of this command" in capsys.readouterr().err


def test_a_trace_in_rows_that_runs_cannot_hold_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """More layers than a file of runs has: the trace is named, and no file is left."""
    steps = 4097
    trace = make_trace([[step] for step in range(steps)], [-1] * steps, layers=steps)
    save_trace(trace, tmp_path / "wide.npz")
    assert main(["trace", "runs", str(tmp_path / "wide.npz"), "-o", str(tmp_path / "wide.runs")]) == 2
    found = "found 4097 layers, 1 turns and blocks of size 1, expected 1 to 4096 layers"
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / 'wide.npz'}: {found}")
    assert [path.name for path in tmp_path.iterdir()] == ["wide.npz"]


def test_runs_of_a_layer_without_blocks_are_read_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What trace runs writes an instance takes, with the answer of the rows."""
    trace = make_trace([[0], [], [0], []], [-1], layers=2)
    save_trace(trace, tmp_path / "t.npz")
    assert main(["trace", "runs", str(tmp_path / "t.npz"), "-o", str(tmp_path / "t.runs")]) == 0
    (tmp_path / "memory.toml").write_text(MEMORY)
    capsys.readouterr()
    bounds = []
    for name in ("t.npz", "t.runs"):
        case = f'schema = 1\nname = "c"\n[memory]\nfile = "memory.toml"\n[trace]\nfile = "{name}"\n'
        (tmp_path / "case.toml").write_text(case)
        assert main(["bound", str(tmp_path / "case.toml"), "--method", "lp", "--json"]) == 0
        bounds.append(json.loads(capsys.readouterr().out)["lower_bound_s"])
    assert bounds[0] == bounds[1] > 0
