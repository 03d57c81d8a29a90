"""Files of the best so far: complete or absent at any moment, never worse than before, and true."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from placement_opt.answer import checkpoint
from placement_opt.answer.checkpoint import Checkpoints
from placement_opt.answer.standing import Standing
from placement_opt.base.errors import LimitError
from placement_opt.bounds import METHODS
from placement_opt.certify.files import load_prices, load_schedule
from placement_opt.certify.verify import Verified, verify_files
from placement_opt.instance.instance import Instance
from placement_opt.instance.load import load_instance
from tests.answer.cases import KINDS, MOMENTS, states
from tests.cli.cases import write_drift

REPO = Path(__file__).parents[2]


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    return load_instance(write_drift(tmp_path))


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    return {kind: str(tmp_path / f"{kind}.cert") for kind in KINDS}


@pytest.fixture
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "PAUSE_S", 0.0)
    monkeypatch.setattr(checkpoint, "PAUSES", 0.0)


@pytest.mark.usefixtures("_no_pause")
def test_every_improvement_is_written(instance: Instance, files: dict[str, str]) -> None:
    """What is on disk verifies after each of them, and only ever gets better."""
    kept = Checkpoints(instance, files)
    gaps = []
    for state in states(instance):
        kept.keep(state)
        gaps.append(verify_files(instance, list(files.values())).gap)
    assert None not in gaps
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[0] > gaps[-1]
    last = kept.finish(state)
    assert last is not None
    assert last.gap == gaps[-1]


def test_writes_keep_a_pause(instance: Instance, files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """By the clock that is handed in: no write before the pause, none while ten times the last write's time is not over."""
    now = [100.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    kept, (first, second, third) = Checkpoints(instance, files), states(instance)
    place = Path(files["prices"])
    kept.keep(first)
    assert not place.exists()
    now[0] += checkpoint.PAUSE_S
    kept.keep(first)
    before = place.read_bytes()
    kept.keep(second)
    kept.keep(third)
    assert place.read_bytes() == before
    now[0] += checkpoint.PAUSE_S
    kept.keep(third)
    assert place.read_bytes() != before
    assert kept.closing_s() == 0.0


def test_what_it_takes_to_finish_is_guessed_then_known(instance: Instance, files: dict[str, str]) -> None:
    """Before the first write by the size of the instance, nothing without files; then by the last write."""
    assert Checkpoints(instance, {}).closing_s() == 0.0
    one, both = (Checkpoints(instance, dict(list(files.items())[:count])).closing_s() for count in (1, 2))
    assert 0.0 < one < both < 1.0


@pytest.mark.usefixtures("_no_pause")
def test_only_what_was_asked_for_is_written(instance: Instance, files: dict[str, str], tmp_path: Path) -> None:
    """Nothing without files, one file for one."""
    before = set(tmp_path.iterdir())
    kept = Checkpoints(instance, {})
    kept.keep(states(instance)[-1])
    assert kept.finish(states(instance)[-1]) is None
    assert set(tmp_path.iterdir()) == before
    one = Checkpoints(instance, {"prices": files["prices"]})
    found = one.finish(states(instance)[-1])
    assert found is not None
    assert (found.schedule, {path.name for path in set(tmp_path.iterdir()) - before}) == (None, {"prices.cert"})


@pytest.mark.usefixtures("_no_pause")
def test_what_was_resumed_is_written_where_nothing_better_was_found(instance: Instance, files: dict[str, str]) -> None:
    """A run that begins with certificates never leaves worse ones."""
    first, _, third = states(instance)
    done = Checkpoints(instance, files).finish(third)
    assert done is not None
    best = Verified(instance, done.prices, done.lower, done.schedule, done.upper)
    for path in files.values():
        Path(path).unlink()
    Checkpoints(instance, files, best).finish(first)
    again = verify_files(instance, list(files.values()))
    assert (again.lower, again.upper) == (best.lower, best.upper)


def test_a_schedule_that_was_not_found_is_told(instance: Instance, files: dict[str, str]) -> None:
    """The prices are written all the same."""
    standing = Standing()
    standing.raise_to(METHODS["roofline"](instance), "roofline")
    with pytest.raises(LimitError, match=r"schedule\.cert: not written, no schedule was found within the limits"):
        Checkpoints(instance, files).finish(standing.state)
    assert verify_files(instance, [files["prices"]]).lower is not None
    assert not Path(files["schedule"]).exists()


# ---- kill -9 -----------------------------------------------------------------------------------------------------------

#: Forks a process for each moment, which is killed there; prints how each ended.
KILLER = """
import os, signal, sys
from pathlib import Path

from placement_opt.answer import checkpoint
from placement_opt.base import atomic as files
from placement_opt.answer.checkpoint import Checkpoints
from placement_opt.instance.load import load_instance
from tests.answer.cases import KINDS, MOMENTS, states

instance = load_instance(sys.argv[1])
found = states(instance)
checkpoint.PAUSE_S = checkpoint.PAUSES = 0.0


def work(folder, moment, number):
    seen = {}

    def now(name):
        seen[name] = seen.get(name, 0) + 1
        if (name, seen[name]) == (moment, number):
            os.kill(os.getpid(), signal.SIGKILL)

    true_open, true_sync, true_replace = open, os.fsync, os.replace

    class Half:
        def __init__(self, *args):
            self.handle = true_open(*args)
            now("created")

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.handle.close()

        def write(self, data):
            self.handle.write(data[: len(data) // 2])
            self.handle.flush()
            now("half written")
            self.handle.write(data[len(data) // 2 :])

        def flush(self):
            self.handle.flush()

        def fileno(self):
            return self.handle.fileno()

    def replace(source, target):
        now("written")
        true_replace(source, target)
        now("moved")

    files.open = lambda *args: Half(*args) if args[1] == "xb" else true_open(*args)
    files.os.replace = replace
    kept = Checkpoints(instance, {kind: str(folder / kind) for kind in KINDS})
    for state in found:
        kept.keep(state)


for number, (moment, count) in enumerate(MOMENTS):
    folder = Path(sys.argv[2]) / str(number)
    folder.mkdir()
    child = os.fork()
    if not child:
        work(folder, moment, count)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_kill_9_leaves_files_that_verify_or_none(tmp_path: Path) -> None:
    """At ten moments: every file that is there verifies, what came before the moment is there, and it only gets better."""
    path = write_drift(tmp_path)
    argv = [sys.executable, "-W", "ignore", "-c", KILLER, str(path), str(tmp_path)]
    done = subprocess.run(argv, cwd=REPO, capture_output=True, text=True)
    assert done.stdout.split() == ["-9"] * len(MOMENTS), done.stderr
    instance = load_instance(path)
    known = states(instance)
    for number, (moment, count) in enumerate(MOMENTS):
        there = [place for kind in KINDS if (place := tmp_path / str(number) / kind).exists()]
        complete = count if moment == "moved" else count - 1
        assert len(there) == min(2, complete), (moment, count)
        if there:
            verify_files(instance, there)
        written = complete // 2  # states of which both files were written
        if written:
            lower = load_prices(tmp_path / str(number) / "prices", instance).claim
            upper = load_schedule(tmp_path / str(number) / "schedule", instance).claim
            latency = known[written - 1].latency_s
            assert latency is not None
            assert lower >= Fraction(known[written - 1].prices_s) * (1 - Fraction(1, 10**8))
            assert upper <= Fraction(latency) * (1 + Fraction(1, 10**12))
