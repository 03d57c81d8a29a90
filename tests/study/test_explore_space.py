"""Designs as instances: bases in files, systems and traces that take each other's place, what is shared and refused."""

from __future__ import annotations

import json
import tomllib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.instance.load import load_instance
from placement_opt.study.explore.certificates import toml_text
from placement_opt.study.explore.explore import check_spec, explore
from placement_opt.study.explore.front import Reached, eliminate, in_order, proven_on, settle
from placement_opt.study.explore.read import parse_constraint, read_spec
from placement_opt.study.explore.shapes import combined
from placement_opt.study.explore.space import Space, shape_of
from placement_opt.workload.files.npz import save_trace
from tests.cli.cases import write_ahead, write_drift
from tests.small import fetch_ahead

HEAD = 'schema = 1\nname = "s"\nbase = {{ file = "{}" }}\n'


def write(folder: Path, base: str, rest: str) -> Path:
    (folder / "spec.toml").write_text(HEAD.format(base) + rest)
    return folder / "spec.toml"


def test_memory_systems_take_each_others_place(tmp_path: Path) -> None:
    """A preset in place of the base's file, and the file again, are what their files would be; each is read once."""
    write_ahead(tmp_path)
    rest = (
        "[choices]\n"
        '[[choices.system]]\nname = "file"\n'
        '[[choices.system]]\nname = "preset"\nset.memory.preset = "gh200"\n'
        '[[choices.system]]\nname = "file again"\nset.memory.file = "two.memory.toml"\n'
    )
    space = Space(read_spec(write(tmp_path, "ahead.toml", rest)))
    found = [space.instance(design, 0) for design in range(3)]
    assert [instance.memory.name for instance in found] == ["two", "gh200", "two"]
    assert found[0].hash == found[2].hash == load_instance(tmp_path / "ahead.toml").hash
    for design in range(3):
        (tmp_path / "one.toml").write_text(toml_text(space.tables(design, 0)))
        assert load_instance(tmp_path / "one.toml").hash == found[design].hash
    assert found[0].trace is found[1].trace


def test_traces_take_each_others_place(tmp_path: Path) -> None:
    """A file of a trace in place of what the base draws, and the other way round, as workloads."""
    write_drift(tmp_path)
    save_trace(fetch_ahead().trace, tmp_path / "ahead.npz")
    rest = (
        '[choices.hbm]\nkey = "hbm.capacity"\nvalues = ["1 MiB"]\n'
        '[[workloads.both]]\nname = "drawn"\n[[workloads.both]]\nname = "read"\nset.trace.file = "ahead.npz"\n'
    )
    spec = read_spec(write(tmp_path, "drift.toml", rest))
    assert [one.name for one in spec.workloads] == ["both drawn", "both read"]
    assert [file.name for file in spec.files()] == ["spec.toml", "drift.toml", "ahead.npz"]
    drawn, read = (Space(spec).instance(0, w) for w in range(2))
    assert drawn.num_steps == 24
    np.testing.assert_array_equal(read.trace.blocks, fetch_ahead().trace.blocks)


def test_bases_that_say_what_is_minimised_are_refused(tmp_path: Path) -> None:
    """The exploration says that."""
    path = write_drift(tmp_path)
    path.write_text(path.read_text() + "[objective]\ntime = 2\n")
    with pytest.raises(InputError, match=r"drift\.toml:\d+: objective: found what is minimised, expected that in"):
        read_spec(write(tmp_path, "drift.toml", '[choices.hbm]\nkey = "hbm.capacity"\nvalues = ["1 MiB"]\n'))


def test_what_is_wrong_at_one_design_is_named_with_it(tmp_path: Path) -> None:
    """Combined, alternatives may be wrong that are right alone: the complaint says which design it is of."""
    write_drift(tmp_path)
    rest = (
        '[choices.rate]\nkey = "hbm.rate"\nvalues = ["1 TB/s"]\n'
        '[[choices.both]]\nname = "none"\n[[choices.both]]\nname = "read"\nset.hbm.read_rate = "1 TB/s"\n'
    )
    spec = read_spec(write(tmp_path, "drift.toml", rest))
    with pytest.raises(InputError, match=r"memory\.hbm\.read_rate \(override\): found .* \(at rate=1 TB/s, both=read; base\)"):
        check_spec(spec)


def test_a_larger_design_bounds_smaller_ones(tmp_path: Path) -> None:
    """Raised once for the one that has most of everything, a bound puts off all that have no more, unsimulated."""
    write_drift(tmp_path)
    rest = '[choices.hbm]\nkey = "hbm.capacity"\nvalues = ["0B", "512KiB", "1MiB"]\n[search]\nbounds = ["roofline", "lp"]\n'
    rest += '[[choices.link]]\nname = "slow"\nset.c2c.up.rate = "450 GB/s"\nmoney = 1\n'
    spec = read_spec(write(tmp_path, "drift.toml", rest + '[objective]\nfront = ["time", "cost"]\n'))
    (front,) = explore(spec).fronts
    lower = [design.lower[0] for design in front.designs]
    assert lower == sorted(lower, key=lambda value: -(value or 0.0))


def test_constraints_are_read_with_their_units() -> None:
    """Times and lifetimes in seconds, costs as they are; energies as the table of budgets reads them."""
    assert parse_constraint("time <= 20 ms").value == Fraction(1, 50)
    assert parse_constraint("lifetime >= 2 days").value == 2 * 86400
    assert parse_constraint("cost<=200.5").value == Fraction("200.5")
    assert parse_constraint("energy <= 3 J/token").text == "3 J/token"
    for text in ("time < 3 s", "lifetime <= 5 years", "speed <= 3", "cost <= 3 $", "cost <= -1"):
        with pytest.raises(InputError):
            parse_constraint(text)


def test_workloads_together() -> None:
    """The most, the sum and the geometric mean, weighted."""
    weights = [Fraction(1), Fraction(3)]
    assert combined("max", weights, [4.0, 2.0]) == 6.0
    assert combined("sum", weights, [4.0, 2.0]) == 10.0
    assert combined("geomean", weights, [16.0, 1.0]) == pytest.approx(2.0)
    assert combined("geomean", weights, [0.0, 1.0]) == 0.0


def test_who_is_put_off() -> None:
    """By a point at most the gap above the bounds on every axis; of equals one stays; who is off puts nobody off."""
    lower = np.array([[1.0, 5.0], [2.0, 5.0], [1.0, 5.0], [0.5, 9.0], [3.0, 1.0]])
    points = [Reached(0, (1.0, 5.0)), Reached(2, (1.0, 5.0)), Reached(4, (3.0, 1.0))]
    off, gap = np.full(5, -1, dtype=np.int64), np.array([0.01, 0.0])
    eliminate(lower, points, off, gap)
    assert off.tolist() == [-1, 0, 0, -1, -1]
    assert settle(lower, points, gap).tolist() == [-1, 0, 0, -1, -1]
    # the fourth may be faster, though never as cheap: it keeps nobody off the front
    assert proven_on(lower, points, off, gap).tolist() == [True, False, False, False, True]
    lower[3, 1] = 4.0
    assert proven_on(lower, points, off, gap).tolist() == [False, False, False, False, True]
    assert in_order(lower, np.zeros(5, dtype=np.int64)).tolist()[0] == 3
    assert in_order(np.ones((3, 1)), np.array([1, 9, 5])).tolist() == [1, 2, 0]


def test_files_are_written_as_toml() -> None:
    """Tables within tables as dotted keys, odd names in quotes, numbers as they were."""
    data = {"schema": 1, "name": 'a "b"', "memory": {"x y": {"rate": "1 B/s"}, "n": 0.1}, "flag": True}
    text = toml_text(data)
    assert tomllib.loads(text) == json.loads(json.dumps(data))


def test_shapes_differ_by_all_but_rates_and_rooms(tmp_path: Path) -> None:
    """Equal kinds for other rates and rooms; another trace, rule, weight or home is another kind."""
    write_drift(tmp_path)
    base = load_instance(tmp_path / "drift.toml")
    same = {"memory.hbm.capacity": "1 MiB", "memory.hbm.rate": "1 TB/s", "memory.c2c.up.rate": "30 GB/s"}
    assert shape_of(load_instance(tmp_path / "drift.toml", same)).kind == shape_of(base).kind
    assert shape_of(load_instance(tmp_path / "drift.toml", same)).rates != shape_of(base).rates
    others = [("trace.seed", 2), ("rules.residency", "free"), ("llm.weight_bytes", "1 MB"), ("rules.home", "hbm")]
    others += [("llm.kv_bytes", "8 KiB"), ("rules.floor", "1 us"), ("memory.hbm.page", "4 KiB"), ("rules.initial", "first-fit")]
    for key, value in others:
        room = {"memory.hbm.capacity": "10 MiB"}
        assert shape_of(load_instance(tmp_path / "drift.toml", {**room, key: value})).kind != shape_of(base).kind, key


def test_the_roofline_goes_first(tmp_path: Path) -> None:
    """Costs are known whatever bounds are asked for."""
    write_drift(tmp_path)
    rest = '[[choices.hbm]]\nset.hbm.capacity = "1 MiB"\nmoney = 3\n[search]\nbounds = ["lp"]\n'
    rest += '[objective]\nfront = ["time", "cost"]\n'
    found = explore(write(tmp_path, "drift.toml", rest))
    assert found.fronts[0].designs[0].value is not None
    assert found.fronts[0].designs[0].value[1] == 3.0
