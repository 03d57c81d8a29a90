"""Passes on an accelerator: values and slopes of the processor's, in numba's simulator of a device; and what is refused."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks import accelerator as measured
from placement_opt.answer import rungs_prices
from placement_opt.answer.answer import answer
from placement_opt.answer.rungs import RUNGS
from placement_opt.base import accelerator, clock
from placement_opt.base.backend import Backend
from placement_opt.base.errors import InputError
from placement_opt.base.limits import Limits
from placement_opt.bounds import ascent as ascents
from placement_opt.bounds import sample
from placement_opt.bounds.dual import climb, device, tracked
from placement_opt.bounds.dual.classes import classify
from placement_opt.bounds.dual.evaluate import evaluate
from placement_opt.bounds.dual.futures import Futures, merge_futures
from placement_opt.bounds.dual.idle_kernels import cover
from placement_opt.bounds.dual.shares import futures_on
from placement_opt.bounds.dual.slopes import slopes
from placement_opt.bounds.dual.tracked import tracked_sets
from placement_opt.bounds.result import Prices
from placement_opt.bounds.roofline import bound as roofline
from placement_opt.cli import main
from placement_opt.instance.instance import Instance
from placement_opt.study.compare import compare
from placement_opt.study.explore.explore import explore
from tests.bounds.cases import draw, positive_prices
from tests.budgets import ENERGY, two_copies, worn
from tests.operations import attended, cached, calls, flash
from tests.small import random_instance

REPO = Path(__file__).parents[2]

# ---- in the simulator --------------------------------------------------------------------------------------------------


def questions() -> Iterator[tuple[str, Instance]]:
    """Random ones of every rule and of two to four tiers, and others whose operations differ: tiny, threads are slow there."""
    rng = np.random.default_rng(5)
    for rule in ("inclusive", "exclusive", "free"):
        for tiers in (2, 3, 4):
            given, shares = bool(rng.integers(2)), bool(rng.integers(2))
            drawn = random_instance(rng, tiers, rule, blocks=5, steps=4, max_size=2, deaths=True, given=given, shares=shares)
            yield f"{rule}, {tiers} tiers", drawn
    reads = [[0, 1], [1, 2], [], [0], [2]]
    yield from (("cache", cached(reads)), ("cache, free start", cached(reads, start="free")))
    yield from (("attended", attended()), ("attended and brought", attended(brings=True)), ("calls", calls()))
    yield from (("grains", flash(20, 4, grain=16)), ("weights", flash(16, 4, dram=True, weights=2)))
    yield from (("energy", two_copies(10, ENERGY)), ("wear", worn()), ("one tier", draw(11, 1)))


def near(found: Any, expected: Any, rel: float) -> None:
    scale = float(np.abs(expected).max(initial=0.0))
    np.testing.assert_allclose(found, expected, rtol=rel, atol=rel * scale)


def compared(instance: Instance, prices: Prices, sets: tracked.Tracked | None = None) -> None:
    """A pass there is one here: to rounding where minima are hard, to the table of exponentials where they are soft."""
    here = merge_futures(classify(instance))
    there = device.on_device(here, instance.num_steps)
    for soft, rel in ((0.0, 1e-13), (3e-3, 1e-8)):
        expected = slopes(instance, prices, futures=here, soft=soft, tracked=sets)
        found = slopes(instance, prices, futures=there, soft=soft, tracked=sets)
        near(found.value_s, expected.value_s, rel)
        for name in ("rho", "rent", "mu", "weighed_s"):
            near(getattr(found, name), getattr(expected, name), rel)


def equal_passes() -> None:
    rng = np.random.default_rng(3)
    for name, instance in questions():
        try:
            compared(instance, replace(positive_prices(instance, rng), mu=np.full(len(instance.budgets), 0.1)))
        except Exception as error:
            raise AssertionError(f"{name}: {error}") from error


def parts_of_sums() -> None:
    device._RUN = 2
    rng = np.random.default_rng(1)
    instance = random_instance(rng, 2, "free", blocks=8, steps=6)
    compared(instance, positive_prices(instance, rng))


def untracked_tiers() -> None:
    tracked.FEW_SETS = tracked.MOST_SETS = 3
    rng = np.random.default_rng(2)
    instance = random_instance(rng, 3, "free", blocks=4, steps=4)
    assert tracked_sets(instance).always
    compared(instance, positive_prices(instance, rng))


def other_sets() -> None:
    """With fewer sets of tiers, and with all of them again: each pass to the last bit the one before with as many."""
    rng = np.random.default_rng(7)
    instance = random_instance(rng, 3, "free", blocks=4, steps=4)
    prices, every = positive_prices(instance, rng), tracked_sets(instance)
    fewer = every.without(np.array([True, False, False]))
    compared(instance, prices, fewer)
    there = device.on_device(merge_futures(classify(instance)), instance.num_steps)
    found = [slopes(instance, prices, futures=there, soft=1e-3, tracked=sets) for sets in (every, fewer, every, every)]
    assert found[0].value_s == found[2].value_s == found[3].value_s != found[1].value_s
    for name in ("rho", "rent"):
        assert (getattr(found[0], name) == getattr(found[2], name)).all()
    (made,) = there
    assert isinstance(made.elsewhere, device.DevicePass)
    # rates, stores and sources of each step, sets of each state, and what idle steps add: float64, up and down alike
    steps, tiers, sets = instance.num_steps, instance.num_tiers, [len(one.masks) for one in (every, fewer, every, every)]
    assert made.elsewhere.sent == 8 * sum(steps * (s * s + s + s * tiers + tiers) + (steps + 1) * s for s in sets)
    assert made.elsewhere.fetched >= 8 * sum(steps * s * s for s in sets)
    assert made.elsewhere.laid > 8 * 2 * sum(len(one.hop_step) for one in there) * sets[0] ** 2


def a_climb() -> None:
    """What is climbed there is proven here, and is what a climb here finds; so it is on a sample."""
    climb._MOST_STEPS, climb._LEAST_STEPS = 10, 5
    instance = random_instance(np.random.default_rng(7), 2, "inclusive", blocks=6, steps=3)
    start, backend = roofline(instance).prices, Backend("accelerator")
    assert start is not None
    found = ascents.ascend(instance, start, backend=backend)
    here = ascents.ascend(instance, start)
    assert found.value_s > evaluate(instance, start).value_s
    assert found.value_s <= evaluate(instance, found.prices).value_s * (1.0 + 1e-12)
    near(found.value_s, here.value_s, 1e-6)
    asked: list[tuple[Futures, ...]] = []
    honest = sample.futures_on
    sample.futures_on = lambda *arguments: asked.append(honest(*arguments)) or asked[-1]
    sampled = sample.SampleAscent(
        instance, evaluate(instance, start), lambda p: evaluate(instance, p), share=0.4, backend=backend
    )
    sampled.run()
    assert sampled.best.value_s >= evaluate(instance, start).value_s
    assert asked
    assert all(one.elsewhere.sent > 0 for futures in asked for one in futures)


def a_measurement() -> None:
    """Both passes say the same there too, and the table has a column for each number of reads."""
    with redirect_stdout(StringIO()) as text:
        assert measured.main(["20", "20", "--passes", "1"]) == 0
    for residency in text.getvalue().split("\n\n")[1:]:
        rows = {line[:22].strip(): [float(word) for word in line[22:].split()] for line in residency.splitlines()[1:]}
        assert all(len(row) == 2 for row in rows.values())
        assert max(rows["value differs"] + rows["slope differs"]) < 1e-6
        assert min(rows["up [MB]"] + rows["down [MB]"] + rows["laid [MB]"] + rows["ratio"]) > 0.0


def a_first_pass() -> None:
    """The clock stands while a kernel is launched for the first time, and then no more."""
    kernels = importlib.import_module("placement_opt.bounds.dual.device_kernels")
    stood: list[bool] = []
    honest = kernels.compiling

    @contextmanager
    def told() -> Iterator[None]:
        with honest():
            before = clock.now()
            stood.append(clock.now() == before)
            yield

    kernels.compiling = told
    instance = random_instance(np.random.default_rng(6), 2, "free", blocks=3, steps=3)
    there, prices = device.on_device(merge_futures(classify(instance)), 3), positive_prices(instance, np.random.default_rng(6))
    slopes(instance, prices, futures=there)
    first = list(stood)
    slopes(instance, prices, futures=there, soft=1e-3)
    # summing, hops and entries there and back, chains, parts, and levels of the tree up and down
    assert first == stood == [True] * 9


CHECKS: dict[str, Callable[[], None]] = {
    one.__name__: one
    for one in (a_first_pass, equal_passes, parts_of_sums, other_sets, a_climb, a_measurement, untracked_tiers)
}


def run_checks() -> None:
    """What became of each check, as JSON: in a process where numba simulates a device."""
    told = {}
    for name, check in CHECKS.items():
        try:
            check()
            told[name] = ""
        except Exception as error:
            told[name] = f"{type(error).__name__}: {error}"
    print(json.dumps(told))


@pytest.fixture(scope="module")
def simulated() -> dict[str, str]:
    """What became of the checks in a simulator."""
    if importlib.util.find_spec("numba.cuda.simulator") is None:
        pytest.skip("this numba has no numba.cuda.simulator")
    path = os.pathsep.join([str(REPO), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-m", "tests.bounds.test_device"],
        cwd=REPO,
        env={**os.environ, "PYTHONPATH": path, "NUMBA_ENABLE_CUDASIM": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, str] = json.loads(done.stdout)
    return told


def test_passes_are_those_of_the_processor(simulated: dict[str, str]) -> None:
    """Values, loads and what is held, of every rule and kind of operation, hard and softened."""
    assert simulated["equal_passes"] == ""


def test_sums_in_parts_are_sums(simulated: dict[str, str]) -> None:
    """Where more rows add up than one thread takes."""
    assert simulated["parts_of_sums"] == ""


def test_tiers_that_are_not_tracked_are_there_too(simulated: dict[str, str]) -> None:
    """Where there are more sets of tiers than tables have room for."""
    assert simulated["untracked_tiers"] == ""


def test_passes_with_other_sets_and_again(simulated: dict[str, str]) -> None:
    """Sets of tiers may change between passes; equal passes are equal to the last bit, and the bytes that move are counted."""
    assert simulated["other_sets"] == ""


def test_a_climb_by_passes_there_is_proven_here(simulated: dict[str, str]) -> None:
    """The bound is that of its prices, and as good as without an accelerator."""
    assert simulated["a_climb"] == ""


def test_compiling_for_a_device_does_not_count(simulated: dict[str, str]) -> None:
    """A time limit is one of work; it goes on once kernels are compiled."""
    assert simulated["a_first_pass"] == ""


def test_the_benchmark_compares_both(simulated: dict[str, str]) -> None:
    """It runs where there is a device, and what it says of the bytes and of the differences follows from the passes."""
    assert simulated["a_measurement"] == ""


class _Host(np.ndarray):
    """An array of the processor in place of one of a device."""

    def copy_to_device(self, array: np.ndarray) -> None:
        self[...] = array

    def copy_to_host(self) -> np.ndarray:
        return np.array(self)


def test_kernels_compile_for_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of a pass, for the types that it hands over: the simulator runs what a compiler would refuse."""
    kernels = pytest.importorskip("placement_opt.bounds.dual.device_kernels", reason="this numba has no numba.cuda")
    numba: Any = pytest.importorskip("numba")
    if not kernels.cuda.is_available():
        some = SimpleNamespace(compute_capability=(8, 0))
        monkeypatch.setattr("numba.cuda.dispatcher.get_current_device", lambda: some)
    try:
        kernels.cuda.compile_ptx(_nothing, (), cc=(8, 0))
    except Exception as error:
        pytest.skip(f"no CUDA toolkit that compiles for a device: {str(error).splitlines()[0]}")
    found: dict[str, str] = {}

    def note(kernel: Any, threads: int, *arguments: Any) -> None:
        assert threads > 0
        types = tuple(numba.typeof(np.asarray(one) if isinstance(one, np.ndarray) else one) for one in arguments)
        name = kernel.py_func.__name__
        found[name] = found.get(name) or kernels.cuda.compile_ptx(kernel.py_func, types, cc=(8, 0))[0]

    memory = _Small(2.0**30)
    memory.to_device = lambda array: np.array(array).view(_Host)
    memory.device_array = lambda shape, dtype: np.zeros(shape, dtype).view(_Host)
    monkeypatch.setattr(device, "device", lambda: memory)
    monkeypatch.setattr(kernels, "launch", note)
    instance = random_instance(np.random.default_rng(6), 2, "free", blocks=3, steps=3)
    there = device.on_device(merge_futures(classify(instance)), instance.num_steps)
    slopes(instance, positive_prices(instance, np.random.default_rng(6)), futures=there)
    levels, flows = ["join_level", "part_level"], ["begin_costs", "begin_flows", "hop_costs", "hop_flows"]
    assert sorted(found) == sorted([*levels, *flows, "chains", "hop_parts", "sum_runs"])
    assert all(".visible .entry" in one for one in found.values())


def _nothing() -> None:
    """A kernel that does nothing."""


# ---- how reads and idle stretches are laid out -------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_chains_are_the_reads_of_cells(seed: int) -> None:
    """Each cell's hops in their order, by where its reads are; hops know all their reads."""
    (futures,) = merge_futures(classify(draw(seed, blocks=30)))
    chains = device.lay_chains(futures)
    assert (np.diff(chains.length) <= 0).all()
    for rank, cell in enumerate(chains.cell):
        at, expected = futures.cell_node[cell], []
        while at >= 0:
            expected.append(futures.node_hop[at])
            at = futures.node_next[at]
        places = chains.base[: chains.length[rank]] + rank
        assert chains.hop[places].tolist() == expected
        assert chains.follow[places].tolist() == [*places[1:].tolist(), -1][: len(places)]
    assert sorted(chains.read) == list(range(len(chains.hop)))
    for h in range(len(futures.hop_step)):
        assert (chains.hop[chains.read[chains.of_hop[h] : chains.of_hop[h + 1]]] == h).all()


@pytest.mark.parametrize("steps", [1, 2, 5, 8, 37])
def test_stretches_are_covered_as_on_the_processor(steps: int) -> None:
    """The same nodes of the segment tree in the same order, and each is counted under its number."""
    rng, leaves = np.random.default_rng(steps), 1 << (steps - 1).bit_length()
    step, first = rng.integers(0, steps, 40), rng.integers(0, steps + 1, 10)
    until, begun = (np.minimum(one + rng.integers(0, steps + 1, len(one)), steps) for one in (step, first))
    futures: Any = SimpleNamespace(hop_step=step, hop_until=until, entry_first=first, entry_until=begun)
    found, nodes = device.lay_stretches(futures, leaves), np.empty(128, dtype=np.int64)
    stretches = [*zip(step + 1, until, strict=True), *zip(first, begun, strict=True)]
    for x, (low, high) in enumerate(stretches):
        count = cover(low, high, leaves, False, nodes)
        assert found.node[found.nodes[x] : found.nodes[x + 1]].tolist() == nodes[:count].tolist()
    assert found.deepest == np.diff(found.nodes).max()
    assert sorted(found.place) == list(range(len(found.node)))
    for number, place in zip(found.node, found.place, strict=True):
        assert found.of_node[number] <= place < found.of_node[number + 1]


# ---- what is refused ---------------------------------------------------------------------------------------------------

NONE = "accelerator asked for, none found: "
EXPECTED = ', expected a CUDA device and the extra "accelerator": pip install "placement-opt[accelerator]"'


def no_device(monkeypatch: pytest.MonkeyPatch, *, driver: bool = False, toolkit: bool = False) -> None:
    """As if there were none, or no toolkit to compile for it."""
    kernels = pytest.importorskip("placement_opt.bounds.dual.device_kernels", reason="this numba has no numba.cuda")

    def context() -> None:
        if not driver:
            raise RuntimeError("Error at driver init: \nno driver here. Look\nfor one:")

    monkeypatch.setattr(kernels.cuda, "current_context", context)
    monkeypatch.setattr(kernels.cuda, "is_available", lambda: toolkit)


def test_no_device_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """By what its driver says."""
    no_device(monkeypatch)
    with pytest.raises(InputError) as caught:
        Backend("accelerator")
    assert str(caught.value) == f"backend: {NONE}no driver here{EXPECTED}"


def test_no_toolkit_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device alone cannot be compiled for."""
    no_device(monkeypatch, driver=True)
    with pytest.raises(InputError) as caught:
        Backend("accelerator")
    assert str(caught.value) == f"backend: {NONE}a device, but not the CUDA toolkit that compiles for it{EXPECTED}"


def test_no_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A numba that comes without its CUDA target."""

    def none() -> None:
        raise ImportError("no CUDA target")

    monkeypatch.setattr(accelerator, "target", none)
    with pytest.raises(InputError) as caught:
        Backend("accelerator")
    assert str(caught.value).startswith(f"backend: {NONE}no numba.cuda (")
    assert str(caught.value).endswith(EXPECTED)


def test_the_benchmark_is_skipped_without_a_device(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It says why, and that is no failure."""
    no_device(monkeypatch)
    assert measured.main([]) == 0
    assert capsys.readouterr().out == f"skipped: {NONE}no driver here{EXPECTED}\n"


def test_the_command_names_its_option(ahead: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is read, exit code 2."""
    no_device(monkeypatch)
    assert main(["bound", ahead, "--gap", "1%", "--backend", "accelerator"]) == 2
    assert capsys.readouterr().err == f"error: --backend: {NONE}no driver here{EXPECTED}\n"


@pytest.mark.parametrize("command", ["compare", "explore"])
def test_whole_bounds_and_schedules_are_not_for_it(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The commands do not offer it."""
    assert main([command, "x", "--backend", "accelerator"]) == 2
    assert f"found 'accelerator', expected one of local, dask (see placement-opt {command} --help)" in capsys.readouterr().err


def test_whole_bounds_and_schedules_are_not_for_it_from_python(
    monkeypatch: pytest.MonkeyPatch, ahead: str, tmp_path: Path
) -> None:
    """Nor do the functions take it."""
    no_device(monkeypatch, driver=True, toolkit=True)
    backend = Backend("accelerator")
    message = "backend: found accelerator, expected local or dask: an accelerator is for `answer`"
    with pytest.raises(InputError, match=message):
        compare(ahead, "lru", backend=backend)
    spec = tmp_path / "spec.toml"
    spec.write_text(SPEC)
    with pytest.raises(InputError, match=message):
        explore(spec, backend=backend)


SPEC = """
schema = 1
name = "room"
[base]
memory = { preset = "gh200", hbm.capacity = "64 KiB" }
llm = { layers = 1, kv_bytes = "16 KiB" }
trace = { synth = "drift", layers = 1, prefill = 4, tokens = 2, seed = 1 }
[choices]
more = [{ name = "room", set = { hbm.capacity = "128 KiB" } }]
"""


class _Small:
    """A device that has a little memory."""

    to_device: Any = None
    device_array: Any = None

    def __init__(self, free: float) -> None:
        self._free = free

    def current_context(self) -> Any:
        return SimpleNamespace(get_memory_info=lambda: (self._free, self._free))


def one_pass(monkeypatch: pytest.MonkeyPatch, free: float = 2.0**30, sets: int = 3) -> None:
    """A pass on a device that is none."""
    kernels = pytest.importorskip("placement_opt.bounds.dual.device_kernels", reason="this numba has no numba.cuda")
    monkeypatch.setattr(device, "device", lambda: _Small(free))
    monkeypatch.setattr(kernels, "loops", lambda *_: None)
    monkeypatch.setattr(device, "MOST_SETS", sets)
    instance = random_instance(np.random.default_rng(1), 2, "free")
    there = device.on_device(merge_futures(classify(instance)), instance.num_steps)
    slopes(instance, positive_prices(instance, np.random.default_rng(1)), futures=there)


def test_too_little_memory_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is put there."""
    with pytest.raises(InputError, match=r"found 1e-06 GiB free on the accelerator, expected [1-9]\S* GiB for a pass"):
        one_pass(monkeypatch, free=1e-6 * 2**30)


def test_too_many_sets_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of tiers in which a block may lie: threads keep tables of their pairs."""
    with pytest.raises(InputError, match="found 3 sets of tiers in which a block may lie, expected at most 2 with an acc"):
        one_pass(monkeypatch, sets=2)


def test_too_many_reads_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers of reads are kept in 32 bits there."""
    monkeypatch.setattr(device, "MOST_READS", 3)
    with pytest.raises(InputError, match=r"found [0-9]+ reads, expected at most 3 with an accelerator"):
        device.lay_chains(merge_futures(classify(draw(3, blocks=30)))[0])


def test_other_backends_pass_here() -> None:
    """Only an accelerator makes passes elsewhere."""
    instance = random_instance(np.random.default_rng(1))
    assert all(one.elsewhere is None for one in futures_on(Backend(), instance, classify(instance)))
    assert not Backend().away


@pytest.mark.parametrize("name", ["ascent", "sample"])
def test_rungs_climb_where_the_backend_says(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that pass over all blocks, or over a sample of them, ask it for what they pass over."""
    monkeypatch.setattr(climb, "_MOST_STEPS", 3)
    monkeypatch.setattr(rungs_prices, "_SAMPLED", 5)
    asked = []

    def told(*arguments: Any) -> tuple[Futures, ...]:
        asked.append(arguments)
        return futures_on(*arguments)

    monkeypatch.setattr(sample, "futures_on", told)
    monkeypatch.setattr(ascents, "futures_on", told)
    (rung,) = (one for one in RUNGS if one.name == name)
    instance = random_instance(np.random.default_rng(7), 2, "inclusive", blocks=12, steps=6)
    answer(instance, rungs=[replace(rung, suits=lambda _: True)], backend=Backend(), limits=Limits(30.0))
    assert asked


if __name__ == "__main__":
    run_checks()
