"""Layer by layer, interrupted or killed at any moment and asked again: the files of one run that nobody interrupts."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from placement_opt.answer import by_layer, rungs_stacked
from placement_opt.answer.rungs_stacked import climb_stacked
from placement_opt.answer.standing import Standing, State
from placement_opt.answer.work import Work
from placement_opt.base import atomic
from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError
from placement_opt.base.limits import Limits
from placement_opt.bounds.dual.evaluate import evaluate
from placement_opt.bounds.result import Bound, Prices, Status
from placement_opt.certify.claims import verify_any
from placement_opt.cli import main
from placement_opt.instance.budgets import Budget
from placement_opt.instance.instance import Instance
from placement_opt.instance.layered import Layered, layered_of
from placement_opt.instance.stacked import Stacked
from placement_opt.layered.kept import kept_layers
from placement_opt.layered.plan import Plan
from placement_opt.layered.solve import CertifiedPrices, begin, solve
from placement_opt.layered.stacked_plan import StackedPlan
from placement_opt.schedulers.search.game import searchable
from placement_opt.workload.synth import params
from tests.answer.cases import question_of, roofline_state
from tests.bounds.cases import random_prices
from tests.layered.cases import Impatient, draw
from tests.stacking import layers_of, written
from tests.worlds import any_operations

REPO = Path(__file__).parents[2]
#: Random questions of each kind, and into how many tests those in rows are divided.
ROWS, PARTS, RUNS = 304, 4, 12
#: A gap that the first round closes wherever the prices prove anything.
WIDE = 1e12


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here is about power cuts, or about good schedules."""
    monkeypatch.setattr(atomic, "_sync", lambda _: None)
    monkeypatch.setattr(by_layer, "QUICK", ("static",))


@dataclass(frozen=True)
class _Given:
    """Layers at hand."""

    layers: tuple[Instance, ...]

    def __call__(self, layer: int, capacity: Int64, budgets: tuple[Budget, ...], limits: Limits) -> Instance:
        del limits
        assert budgets == ()
        assert (self.layers[layer].capacity == capacity).all()
        return self.layers[layer]

    @property
    def turn_token(self) -> None:
        return None

    def amounts(self, layer: int) -> tuple[Int64, Int64]:
        """Nothing is said to be read or produced, which is never more than what is."""
        none = np.zeros(self.layers[layer].num_steps, dtype=np.int64)
        return none, none


def in_rows(seed: int) -> Stacked | None:
    """Two layers (of one in eight: three) of a random world: any number of tiers, any rule; None where a layer has no block."""
    rng, instance = np.random.default_rng([seed, 7]), any_operations(seed)
    found = layers_of(rng, instance, 2 + (seed % 8 == 7))
    layers = [one for one in found if one is not None]
    if len(layers) < len(found) or not instance.timed:
        return None
    return Stacked(
        name="random",
        memory=instance.memory,
        residency=instance.residency,
        home_tier=instance.home_tier,
        capacity=instance.capacity * len(layers),
        layers=len(layers),
        turns=instance.num_steps,
        make=_Given(tuple(layers)),
        rooms=np.tile(instance.capacity, (len(layers), 1)),
        kv_bytes=np.full(len(layers), instance.size.max()),
        sizes=np.unique(instance.size),
        kinds=None,
        share_base=instance.share_base,
        fixed=np.zeros(instance.num_resources, dtype=np.int64),
        floor=0.0,
        stated=str(seed).encode(),
        num_reads=sum(layer.num_reads for layer in layers),
    )


class Counting(Impatient):
    """Reached at a look that may never come."""

    def __init__(self, looks: int = 10**9) -> None:
        super().__init__(looks)
        self.given = looks

    @property
    def taken(self) -> int:
        return self.given - self.looks


def climbed(question: Stacked, seed: int, folder: Path, limits: Limits) -> tuple[State, list[bytes]]:
    """Both sides at random prices, and the files of them that there are."""

    def raised(part: Instance, gap: float, limits: Limits, start: Prices | None, names: Sequence[str]) -> State:
        del gap, limits, start, names
        prices = random_prices(part, np.random.default_rng(seed))
        value, standing = evaluate(part, prices).value_s, Standing()
        standing.raise_to(Bound("random", Status.BOUND, value, 0.0, "", prices=prices), "random")
        return standing.state

    folder.mkdir(exist_ok=True)
    with kept_layers(folder / "kept", question.hash, WIDE) as kept:
        work = Work(question, Standing(), WIDE, limits=limits, folder=folder / "kept", kept=kept, raised=raised)
        climb_stacked(work, question)
        return work.standing.state, files_of(work.standing.state, folder)


def solved(question: Layered, folder: Path, limits: Limits) -> tuple[State, list[bytes]]:
    folder.mkdir(exist_ok=True)
    standing = Standing()
    with kept_layers(folder / "kept", question.hash, 0.0) as kept:
        begin(question, standing, moves=True)
        solve(question, standing, limits=limits, folder=folder / "kept", kept=kept)
        return standing.state, files_of(standing.state, folder)


def files_of(state: State, folder: Path) -> list[bytes]:
    """Prices as they are certified, and the file of the schedule."""
    from placement_opt.certify.files import pack_prices

    assert not isinstance(state.prices, Prices) or isinstance(state.prices, CertifiedPrices)
    files = [] if state.prices is None else [pack_prices(state.prices.certificate)]
    if isinstance(state.schedule, Plan | StackedPlan):
        state.schedule.save(folder / "schedule")
        files.append((folder / "schedule").read_bytes())
    return files


def same(one: State, other: State) -> bool:
    return (one.lower_s, one.latency_s, one.schedule_from) == (other.lower_s, other.latency_s, other.schedule_from)


@pytest.mark.parametrize("part", range(PARTS))
def test_layers_in_rows_interrupted_anywhere_go_on(part: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a random look at the limits, some of them twice: the last run has the files of one that was not interrupted."""
    seen, cut, tiers, rules = 0, 0, set[int](), set[str]()
    for seed in range(part, 10**6, PARTS):
        question = in_rows(seed)
        if question is None:
            continue
        seen += 1
        tiers.add(question.num_tiers)
        rules.add(question.residency)
        limits, rng, often = Counting(), np.random.default_rng([seed, 8]), seen % 4 == 0
        monkeypatch.setattr(by_layer, "searchable", searchable if often else lambda _: False)  # rounding takes its time
        whole, files = climbed(question, seed, tmp_path / f"{seed}", limits)
        for looks in rng.integers(0, limits.taken + 1, 1 + often).tolist():
            early, _ = climbed(question, seed, tmp_path / f"{seed}-cut", Impatient(looks))
            assert early.lower_s <= whole.lower_s
            cut += not same(early, whole)
        last, copies = climbed(question, seed, tmp_path / f"{seed}-cut", Limits())
        assert same(last, whole), seed
        assert copies == files, seed
        if seen == ROWS // PARTS:
            break
    assert cut >= ROWS // PARTS // 3
    assert len(tiers) >= 3
    assert rules == {"inclusive", "exclusive", "free", "cache"}


@pytest.mark.parametrize("seed", range(RUNS))
def test_runs_interrupted_anywhere_go_on(seed: int, tmp_path: Path) -> None:
    """The same of the engine on runs."""
    question = layered_of(draw(seed))
    limits, rng = Counting(), np.random.default_rng([seed, 9])
    whole, files = solved(question, tmp_path / "whole", limits)
    for looks in rng.integers(0, limits.taken + 1, 2).tolist():
        solved(question, tmp_path / "cut", Impatient(looks))
    last, copies = solved(question, tmp_path / "cut", Limits())
    assert same(last, whole)
    assert copies == files


# ---- kill -9 -----------------------------------------------------------------------------------------------------------

#: Runs once, counts the moments at which files and lines are written; then, for each moment that is drawn, forks a process that
#: is killed there, one more that is killed later, and goes on itself. Prints how each ended and whether all is as it was.
KILLER = """
import importlib, os, random, signal, sys
from pathlib import Path

from placement_opt.answer.answer import answer
from placement_opt.base import atomic
from placement_opt.certify.files import save_prices
from placement_opt.layered import kept as module
from tests.answer.cases import question_of, roofline_state

importlib.import_module("placement_opt.answer.answer")._raised = roofline_state
folder, kind, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
question, seen, deadly = question_of(folder, kind), 0, None
true_replace, true_write = os.replace, module.KeptLayers._write


def now():
    global seen
    seen += 1
    if seen == deadly:
        os.kill(os.getpid(), signal.SIGKILL)


def replace(source, target):
    mine = str(target).startswith(str(folder))  # others move files as well, such as numba a loop that was not compiled yet
    mine and now()
    true_replace(source, target)
    mine and now()


class Half:
    def __init__(self, file):
        self.file = file

    def write(self, line):
        self.file.write(line[: len(line) // 2])
        self.file.flush()
        now()
        self.file.write(line[len(line) // 2 :])

    def flush(self):
        self.file.flush()
        now()


def write(self, key, record, file):
    if not isinstance(self._file, Half):
        self._file = Half(self._file)
    true_write(self, key, record, file)


atomic.os.replace, atomic._sync, module.KeptLayers._write = replace, lambda _: None, write


def run(place):
    place.mkdir(exist_ok=True)
    with module.kept_layers(place / "kept", question.hash, 3.0) as kept:
        found = answer(question, gap=3.0, folder=place / "kept", kept=kept)
    save_prices(found.state.prices.certificate, place / "prices")
    found.schedule.save(place / "schedule")
    return found.state.lower_s, found.latency_s, *((place / name).read_bytes() for name in ("prices", "schedule"))


whole, events, draw = run(folder / "whole"), seen, random.Random(5)
for number in range(count):
    place, ends = folder / str(number), []
    for low in (1, 1):
        child = os.fork()
        if not child:
            seen, deadly = 0, draw.randint(low, events)
            run(place)
            os._exit(0)
        draw.random()
        ends.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    print(*ends, run(place) == whole)
"""


@pytest.mark.parametrize("kind", ["runs", "rows"])
def test_kill_9_between_layers(kind: str, tmp_path: Path) -> None:
    """At random counted moments, and once more: the same numbers and, byte by byte, the same files as in one run."""
    argv = [sys.executable, "-W", "ignore", "-c", KILLER, str(tmp_path), kind, "6"]
    done = subprocess.run(argv, cwd=REPO, capture_output=True, text=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[2] for line in lines] == ["True"] * 6, done.stderr
    assert [line[0] for line in lines] == ["-9"] * 6  # the second may have had too little left to do
    assert "-9" in [line[1] for line in lines]


# ---- the folder --------------------------------------------------------------------------------------------------------


def bound(capsys: pytest.CaptureFixture[str], path: Path, *options: object, code: int = 0) -> Any:
    assert main(["bound", str(path), "--gap", "300%", "--quiet", "--json", *map(str, options)]) == code
    out, err = capsys.readouterr()
    return json.loads(out) if code in (0, 130) else err


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An instance file that is answered layer by layer, at prices that do not depend on time."""
    monkeypatch.setattr(params, "LARGEST_READS", 300)
    monkeypatch.setattr(importlib.import_module("placement_opt.answer.answer"), "_raised", roofline_state)
    return written(tmp_path)


def test_the_command_goes_on_from_its_folder(
    large: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped after the first layer, the next run works on the others alone; asked once more, on none."""
    files, worked = ["--certificate", tmp_path / "c", "--schedule", tmp_path / "s"], list[int]()
    work = by_layer.both_sides
    whole = bound(capsys, large, *files)
    before = [path.read_bytes() for path in (tmp_path / "c", tmp_path / "s")]

    def told(task: by_layer.LayerTask, limits: Limits) -> Any:
        worked.append(task.layer)
        done = work(task, limits)
        if len(worked) == 2:
            limits.interrupt()
        return done

    monkeypatch.setattr(rungs_stacked, "both_sides", told)
    keep = ["--keep", tmp_path / "kept"]
    assert "s: not written, no schedule was found within the limits" in bound(capsys, large, *files, *keep, code=3)
    for expected in ([0, 1, 1, 2], [0, 1, 1, 2]):
        found = bound(capsys, large, *files, *keep)
        assert worked == expected
        assert [path.read_bytes() for path in (tmp_path / "c", tmp_path / "s")] == before
        assert (found["lower_bound_s"], found["schedule_s"]) == (whole["lower_bound_s"], whole["schedule_s"])


def test_what_a_folder_keeps_is_of_one_question(large: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another gap or question, another file in its place, a file where the folder should be: each says what was found."""
    keep = tmp_path / "kept"
    bound(capsys, large, "--keep", keep)
    lines, first = keep / "layers.jsonl", (keep / "layers.jsonl").read_text().split("\n")[0]
    assert "found layers of another gap (3.0), expected 0.5, or an empty folder" in bound(
        capsys, large, "--keep", keep, "--gap", "50%", code=2
    )
    for text, message in (
        (first.replace('"question": "', '"question": "x'), "found layers of another question (x"),
        (first.replace('"release": "', '"release": "x'), "found layers of another release (x"),
        ("hello", "found no layers, expected a folder that bound --keep wrote, or an empty one"),
    ):
        lines.write_text(text + "\n")
        assert message in bound(capsys, large, "--keep", keep, code=2)
    assert "found no folder, and it cannot be made" in bound(capsys, large, "--keep", large, code=2)
    assert "--keep: found it with --method roofline, expected auto" in _refused(capsys, large, "--method", "roofline", keep)


def _refused(capsys: pytest.CaptureFixture[str], path: Path, option: str, value: str, keep: Path) -> str:
    assert main(["bound", str(path), option, value, "--keep", str(keep)]) == 2
    return capsys.readouterr().err


def test_a_question_in_rows_keeps_no_layers(drift: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It has none."""
    assert main(["bound", drift, "--gap", "1%", "--keep", str(tmp_path / "kept")]) == 2
    assert "--keep: found it for a question in rows, expected one that comes layer by layer" in capsys.readouterr().err


@pytest.mark.parametrize("seed", [26, 30, 36, 45])
def test_layers_done_at_prices_that_are_lost_count_for_nothing(seed: int, tmp_path: Path) -> None:
    """What they prove would be added to what others prove at other prices: more than any proves."""
    question = in_rows(seed)
    assert question is not None
    climbed(question, seed, tmp_path, Limits())
    (tmp_path / "kept" / "prices-0").unlink()
    _, files = climbed(question, seed + 1000, tmp_path, Limits())
    (tmp_path / "prices").write_bytes(files[0])
    verify_any(question, [tmp_path / "prices"])


def test_a_folder_is_one_runs_at_a_time(tmp_path: Path) -> None:
    """Two that raise prices each, and keep layers of both, would prove what neither does."""
    with kept_layers(tmp_path / "kept", "00", 0.0) as kept:
        assert kept is not None
        message = "found another run at work in it, expected a folder of its own"
        with pytest.raises(InputError, match=message), kept_layers(tmp_path / "kept", "00", 0.0):
            pass
        kept.keep("layer 0 0", {"moves": 1})
    for part in range(3):  # whatever of its first line there is
        lines = tmp_path / "kept" / "layers.jsonl"
        lines.write_text(lines.read_text()[: part * 9])
        with kept_layers(tmp_path / "kept", "00", 0.0) as kept:
            assert kept is not None
            assert kept.find("layer 0 0") is None
            kept.keep("layer 0 0", {"moves": 1})
        with kept_layers(tmp_path / "kept", "00", 0.0) as kept:
            assert kept is not None
            assert kept.find("layer 0 0") == {"moves": 1, "at": ""}


@pytest.mark.parametrize("seed", range(20))
def test_a_changed_line_is_no_line(seed: int, tmp_path: Path) -> None:
    rng, folder = np.random.default_rng(seed), tmp_path / "kept"
    record = {"lower": "3f/10", "moves": 7, "source": "static"}
    with kept_layers(folder, "00", 0.0) as kept:
        assert kept is not None
        kept.keep("layer 0 0", record)
    head, line, _ = (folder / "layers.jsonl").read_bytes().split(b"\n")
    changed = bytearray(line)
    changed[int(rng.integers(len(line)))] ^= 1 << int(rng.integers(8))
    (folder / "layers.jsonl").write_bytes(head + b"\n" + changed + b"\n")
    with kept_layers(folder, "00", 0.0) as kept:
        assert kept is not None
        assert kept.find("layer 0 0") is None


def test_damaged_files_of_layers_are_done_again_or_refused(tmp_path: Path) -> None:
    """Moves of another length: the layer is done again; prices that cannot be read are named."""
    question = question_of(tmp_path, "runs")
    assert isinstance(question, Layered)
    whole, files = solved(question, tmp_path / "whole", Limits())
    kept = tmp_path / "whole" / "kept"
    (kept / "layer-1-0").write_bytes(b"")
    again, copies = solved(question, tmp_path / "whole", Limits())
    assert same(again, whole)
    assert copies == files
    data = (kept / "prepared-0").read_bytes()
    (kept / "prepared-0").write_bytes(b"x" * len(data))
    with pytest.raises(InputError, match=r"prepared-0: found arrays that cannot be read"):
        solved(question, tmp_path / "whole", Limits())
