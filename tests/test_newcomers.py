"""What people try first from Python: one or many instances, files or objects; and mistakes, each told with what would do."""

from __future__ import annotations

import dataclasses
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import placement_opt as po
from tests.small import fetch_ahead

FILE = Path(__file__).parents[1] / "instances" / "tiny" / "two-free.toml"
TRACE = po.Trace.from_reads([[0, 1], [1], [0]], sizes=1 << 20)


@pytest.fixture(scope="module")
def instance() -> po.Instance:
    """One block of two fits into the fast tier."""
    return po.build_instance({"preset": "gh200", "hbm.capacity": "1 MiB"}, TRACE, rules={"residency": "free"})


def test_one_or_many_instances_or_files(instance: po.Instance) -> None:
    """bound, compare, sweep and answer take an instance or a path; the first three a list of either, and a list comes back."""
    paths: list[Any] = [FILE, str(FILE), po.load_instance(FILE)]
    values = [po.bound(one, "roofline").lower_bound_s for one in paths]
    assert len(set(values)) == 1
    assert [found.lower_bound_s for found in po.bound([*paths, instance], "roofline")][:3] == values
    assert len(po.compare([FILE, instance], "static", method="roofline").to_records()) == 2
    assert len(po.compare(str(FILE), ("static", "lru"), method="roofline").to_records()) == 2
    one, other = po.sweep([FILE, instance], "hbm.capacity=8MiB,9MiB", "static", method="roofline")
    assert (one.file, other.file, len(one.points), len(other.to_records())) == (FILE, Path("instance"), 2, 2)
    assert po.answer(FILE, gap=10.0, limits=po.Limits(30)).gap is not None


def test_an_instance_sweeps_as_its_file_does(instance: po.Instance) -> None:
    """Its keys take other values, whether it came from a file, a file with other values or keys, in another process, too."""
    keys = "hbm.capacity=7B,8B"
    by_file = po.sweep(FILE, keys, method="lp").to_records()
    assert po.sweep(po.load_instance(FILE), keys, method="lp").to_records() == by_file
    other = po.load_instance(FILE, {"memory.hbm.capacity": "9 B"})
    assert po.sweep(other, keys, method="lp").to_records() == by_file
    sent = pickle.loads(pickle.dumps(instance))
    rooms = [point.compared for point in po.sweep(sent, "hbm.capacity=0B,2MiB", method="lp").points]
    assert rooms[0].proof.bound.lower_bound_s == pytest.approx(4 * 2**20 / 450e9)
    assert rooms[1].proof.bound.lower_bound_s == pytest.approx(4 * 2**20 / 5.35e12)
    assert instance.again is not None
    again = instance.again({"memory.hbm.capacity": "2 MiB", "rules.floor": "1 s"})
    assert again.again is not None
    assert (again.capacity[0], again.floor[0]) == (2 << 20, 1.0)
    assert again.again({"rules.floor": "2 s"}).capacity[0] == 2 << 20


def test_keys_that_are_handed_in_stay_as_they_are() -> None:
    """An instance's values are put into copies."""
    memory = {"preset": "gh200", "lpddr": {"capacity": "9 MiB", "compute": {"rate": "1 TB/s", "result": "1/64"}}}
    made = po.build_instance(memory, TRACE, rules={"residency": "free"})
    assert made.again is not None
    made.again({"memory.lpddr.compute.rate": "2 TB/s", "memory.lpddr.capacity": "8 MiB"})
    assert memory["lpddr"] == {"capacity": "9 MiB", "compute": {"rate": "1 TB/s", "result": "1/64"}}


def test_an_instance_made_of_arrays_has_no_keys() -> None:
    """Nor has one whose arrays were exchanged: that says so, in place of sweeping another question."""
    with pytest.raises(po.InputError, match="expected one of load_instance or build_instance, whose keys can vary"):
        po.sweep(fetch_ahead(), "hbm.capacity=8B,9B")
    made = po.build_instance("gh200", TRACE)
    assert dataclasses.replace(made, floor=made.floor + 1.0).again is None


class NoName:
    """A scheduler that forgot what it is called."""

    online = True
    start = step = len


#: The package, and what is handed to it, as who makes mistakes sees them: without types.
loose: Any = po
trace: Any = TRACE
file: Any = FILE
MISTAKES: dict[str, tuple[Callable[[Any], object], str]] = {
    "one list": (lambda _: loose.Trace.from_reads([0, 1]), "reads.0.: found 0, expected a list of block ids, whole numbers"),
    "no list": (lambda _: loose.Trace.from_reads(5), "reads: found 5, expected a list of the ids that each step reads"),
    "a text": (lambda _: loose.Trace.from_reads("ab"), "reads: found 'ab', expected a list of the ids that each step"),
    "no step": (lambda _: loose.Trace.from_reads([]), "reads: found no steps, expected at least one"),
    "no block": (lambda _: loose.Trace.from_reads([[]]), "reads: found no block in any step, expected at least one, or births"),
    "ids of text": (lambda _: loose.Trace.from_reads([["a"]]), "reads.0.: found 'a' at entry 0, expected block ids"),
    "half an id": (lambda _: loose.Trace.from_reads([[0.5]]), "reads.0.: found 0.5 at entry 0, expected block ids"),
    "ids of lists": (lambda _: loose.Trace.from_reads([[[0], [1, 2]]]), "reads.0.: found a list at entry 0, expected"),
    "id below 0": (lambda _: loose.Trace.from_reads([[0, -1]]), "reads.0.: found -1, expected ids from 0"),
    "births": (lambda _: loose.Trace.from_reads([[0]], births=-1), "births: found -1, expected a list of steps"),
    "true": (lambda _: loose.Trace.from_reads([[0]], births=[True]), "births: found True at entry 0, expected steps"),
    "deaths": (lambda _: loose.Trace.from_reads([[0]], deaths=["x"]), "deaths: found 'x' at entry 0, expected steps"),
    "size below 0": (lambda _: loose.Trace.from_reads([[0]], sizes=-1), "sizes: found -1 at entry 0, expected sizes above 0"),
    "size with unit": (lambda _: loose.Trace.from_reads([[0]], sizes="1 MiB"), "found '1 MiB', .* such as 1 << 20 for 1 MiB"),
    "half a byte": (
        lambda _: loose.Trace.from_reads([[0]], sizes=[1.5]),
        "sizes: found 1.5 at entry 0, expected whole numbers",
    ),
    "layers": (lambda _: loose.Trace.from_reads([[0]], layers=0), "layers: found 0, expected at least one layer"),
    "layers text": (lambda _: loose.Trace.from_reads([[0]], layers="2"), "layers: found '2', expected a whole number"),
    "shares": (lambda _: loose.Trace.from_reads([[0]], shares=5), "shares: found 5, expected a table .block: share. for each"),
    "a share": (lambda _: loose.Trace.from_reads([[0]], shares=[5]), "shares.0.: found 5, expected a table .block: share."),
    "share text": (lambda _: loose.Trace.from_reads([[0]], shares=[{0: "x"}]), "found a share of 'x', expected shares above 0"),
    "share nought": (
        lambda _: loose.Trace.from_reads([[0]], shares=[{0: 1e-9}]),
        "found a share of 1e-09, expected shares from",
    ),
    "step": (lambda _: trace.reads(3), "step: found 3, expected a step from 0 to 2"),
    "step from behind": (lambda _: trace.reads(-1), "step: found -1, expected a step from 0 to 2"),
    "save nothing": (lambda _: loose.save_trace(None, "t.npz"), "trace: found None, expected a trace such as Trace.from_reads"),
    "save nowhere": (lambda _: loose.save_trace(trace, 5), "path: found 5, expected the name of a file"),
    "trace": (lambda _: loose.load_trace(None), "path: found None, expected the name of a file"),
    "memory file": (lambda _: loose.load_memory(None), "path: found None, expected the name of a file"),
    "instance file": (lambda one: loose.load_instance(one), "path: found Instance.*, expected the name of a file"),
    "preset": (lambda _: loose.preset("gh20"), "preset: found no preset 'gh20', did you mean 'gh200'?"),
    "no preset": (lambda _: loose.preset(None), "preset: found None, expected the name of a preset"),
    "tier": (lambda one: one.memory.tier_index("hbn"), "tier: found no tier 'hbn', did you mean 'hbm'?"),
    "memory": (lambda _: loose.build_instance(["gh200"], trace), "memory: found a list, expected a memory system"),
    "reads": (lambda _: loose.build_instance("gh200", [[0]]), "trace: found a list, expected a trace .Trace.from_reads"),
    "a path": (lambda _: loose.build_instance("gh200", "t.npz"), 'trace: found .* or keys such as {"file": "t.npz"}'),
    "rules": (
        lambda _: loose.build_instance("gh200", trace, rules="free"),
        'found .*, expected keys such as {"residency": "free"}',
    ),
    "llm": (lambda _: loose.build_instance("gh200", trace, llm=5), "llm: found 5, expected the name of a preset, or keys"),
    "name": (lambda _: loose.build_instance("gh200", trace, name=5), "name: found 5, expected a label"),
    "bare": (lambda _: loose.build_instance({"preset": "gh200", "hbm.capacity": 5}, trace), "hbm.capacity .* 5 without a unit"),
    "home": (lambda _: loose.build_instance("gh200", trace, rules={"home": "hbn"}), "rules.home .*did you mean 'hbm'?"),
    "arrays": (
        lambda one: loose.Instance("x", one.memory, trace, "free", *[None] * 4),
        "capacity: found None, expected an array",
    ),
    "bound of": (lambda _: loose.bound(trace), "instance: found Trace.*, expected an instance .load_instance, build_instance."),
    "no file": (lambda _: loose.bound("nosuch.toml"), "nosuch.toml: found no such file, expected an existing file"),
    "method": (lambda one: loose.bound(one, "roofine"), "found method 'roofine', did you mean 'roofline'?"),
    "no method": (lambda one: loose.bound(one, 3), 'method: found 3, expected the name of a method, such as "lp"'),
    "seconds": (lambda one: loose.bound(one, limits=5), "limits: found 5, expected limits such as Limits.seconds=60."),
    "seconds text": (lambda _: loose.Limits("5 s"), "seconds: found '5 s', expected a number from 0"),
    "seconds below 0": (lambda _: loose.Limits(-1), "seconds: found -1, expected a number from 0"),
    "memory text": (lambda _: loose.Limits(5, "1 GiB"), "memory: found '1 GiB', expected a number from 0"),
    "gap": (lambda one: loose.answer(one, gap="1 %"), "gap: found '1 %', expected a number from 0"),
    "answer of": (lambda _: loose.answer(trace), "instance: found Trace.*, expected an instance"),
    "scheduler": (lambda _: loose.make_scheduler("lruu"), "found scheduler 'lruu', did you mean 'lru'?"),
    "no scheduler": (lambda _: loose.make_scheduler(None), 'scheduler: found None, expected a name such as "lru"'),
    "by name": (lambda one: loose.simulate(one, "lru"), 'scheduler: found .lru. without .*such as make_scheduler."lru".'),
    "nameless": (lambda one: loose.simulate(one, NoName()), "found .*NoName.* without name, expected"),
    "a class": (
        lambda one: loose.simulate(one, type(loose.make_scheduler("lru"))),
        "found .class .*LRU.*, expected a scheduler",
    ),
    "simulate": (lambda _: loose.simulate(file, loose.make_scheduler("lru")), "instance: found .*, expected an instance"),
    "compare of": (lambda _: loose.compare([trace], "lru"), "instances: found Trace.*, expected an instance"),
    "compare none": (lambda _: loose.compare([], "lru"), "instances: found none, expected at least one instance or file"),
    "compare gap": (lambda one: loose.compare(one, "lru", gap=-1), "gap: found -1, expected a number from 0"),
    "objects": (
        lambda one: loose.compare(one, [loose.make_scheduler]),
        "found .*make_scheduler.*, expected a scheduler such as",
    ),
    "jobs": (lambda one: loose.compare(one, "lru", jobs=0), "jobs: found 0, expected a whole number of processes from 1"),
    "sweep of": (lambda _: loose.sweep(trace, "hbm.capacity=1B"), "instances: found Trace.*, expected an instance"),
    "sweep a table": (lambda one: loose.sweep(one, {"hbm.capacity": ["1B"]}), "keys: found a table, expected a text KEY=VALUE"),
    "sweep a tier": (lambda one: loose.sweep(one, "hbn.capacity=1B"), "found unknown key 'hbn', did you mean 'hbm'?"),
    "verify": (lambda _: loose.verify(file, []), "instance: found .*, expected an instance .load_instance"),
    "certificate": (lambda one: loose.verify(one, "nosuch"), "nosuch: found no such file, expected an existing file"),
    "certificates": (lambda one: loose.verify(one, 5), "paths: found 5, expected the name of a file"),
    "worth": (lambda one: loose.worth(one, 3.0), "bound: found 3.0, expected a bound of this instance, such as bound"),
    "of another": (
        lambda one: loose.worth(one, loose.bound(file, "roofline")),
        "found a bound of another instance, expected one",
    ),
    "worth of": (
        lambda one: loose.worth(one, loose.bound(one, "roofline"), shares=[0]),
        "shares: found 0, expected a number above 0",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told_with_what_would_do(instance: po.Instance, mistake: str) -> None:
    """Wrong kinds, unknown names, nothing at all, numbers below zero: an InputError that names the argument and the fix."""
    make, message = MISTAKES[mistake]
    with pytest.raises(po.InputError, match=message):
        make(instance)


def test_what_is_as_good_is_taken() -> None:
    """Whole floats, numpy's numbers and arrays, tuples and generators in place of lists."""
    wanted = po.Trace.from_reads([[0, 1], [1]], births=[-1, -1], sizes=[4, 8])
    for reads, sizes in (
        (((0, 1), (1,)), (4.0, 8.0)),
        ([np.array([1, 0]), np.array([1], dtype=np.uint8)], np.array([4, 8], dtype=np.int16)),
        ((row for row in ([0.0, 1], {1})), [np.int64(4), np.float32(8)]),
    ):
        made = po.Trace.from_reads(reads, births=(-1, -1.0), sizes=sizes)  # type: ignore[arg-type]
        assert (made.blocks.tolist(), made.sizes.tolist()) == (wanted.blocks.tolist(), wanted.sizes.tolist())
    assert po.Trace.from_reads([[], [0]], births=[-1]).indptr.tolist() == [0, 0, 1]


def test_pandas_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is not installed, the message says how to install it and what does without it."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(po.InputError, match=r"found no pandas, .*pip install placement-opt.pandas., or use to_records"):
        TRACE.to_pandas()
