"""The home tier of the inclusive rule: which it is, how it is named, and what is said where it is too small."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.bounds.bound import bound
from placement_opt.instance.instance import Instance
from placement_opt.instance.layered import layered_of
from placement_opt.instance.load import load_instance, load_layered
from placement_opt.memory import load_memory, preset_names
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import RECORDED, make_scheduler
from placement_opt.workload.files.npz import save_trace
from tests.memory.systems import NO_LADDERS, preset_given
from tests.small import chain, make_trace, two_tier

MEMORY = """\
schema = 1
name = "two"
processor = "gpu"
[tiers.hbm]
capacity = "4 MiB"
rate = "1000 GB/s"
at = "gpu"
[tiers.disk]
capacity = "3 MiB"
read_rate = "1 GB/s"
write_rate = "1 GB/s"
at = "gpu"
"""
CASE = """\
schema = 1
name = "home"
[memory]
file = "memory.toml"
[llm]
weight_resident = "0 B"
[trace]
file = "t.npz"
[rules]
residency = "inclusive"
"""
MIB = 2**20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two blocks of one MiB, read in turns; a third is produced on the way."""
    (tmp_path / "memory.toml").write_text(MEMORY)
    (tmp_path / "case.toml").write_text(CASE)
    save_trace(make_trace([[0], [1], [0], [1, 2]], [-1, -1, 1], sizes=[MIB]), tmp_path / "t.npz")
    return tmp_path


def load(folder: Path, **rules: Any) -> Instance:
    changes: Mapping[str, Any] = {f"rules.{key}": value for key, value in rules.items()}
    return load_instance(folder / "case.toml", changes)


def refused(folder: Path, **changes: Any) -> str:
    with pytest.raises(InputError) as caught:
        load_instance(folder / "case.toml", {key.replace("__", "."): value for key, value in changes.items()})
    return str(caught.value).removeprefix(f"{folder / 'case.toml'}: ")


def test_the_home_is_the_largest_tier_but_the_fastest() -> None:
    """However large the fastest is; the slowest of equals; a system's only tier."""
    assert two_tier(hbm=10**12).home == 1
    assert two_tier(hbm=10**12).largest == 0
    assert chain([9, 5, 7], [90, 80, 70], [50, 50]).home == 2
    assert chain([9, 7, 5], [90, 80, 70], [50, 50]).home == 1
    assert chain([9, 7, 7], [90, 80, 70], [50, 50]).home == 2
    assert chain([9], [90], []).home == 0


def test_a_fast_tier_larger_than_the_one_behind_it(folder: Path) -> None:
    """The blocks fit in what lies behind, so there is an answer; the rules that have no home know nothing of it."""
    instance = load(folder)
    assert (instance.home, instance.num_blocks) == (1, 3)
    assert bound(instance, "lp").lower_bound_s is not None
    free = load(folder, residency="free")
    assert (free.home, free.hash) == (0, load(folder, residency="free", home="disk").hash)


def test_a_home_by_name(folder: Path) -> None:
    """Naming the default changes nothing, hash included; another tier is another problem."""
    assert load(folder, home="disk").hash == load(folder).hash
    named = load(folder, home="hbm")
    assert (named.home, named.hash == load(folder).hash) == (0, False)
    started = load(folder, home="hbm", initial="first-fit")
    assert started.initial is not None
    assert started.initial.tolist() == [[True, True, False], [False, False, False]]
    behind = load(folder, home="disk", initial="first-fit")
    assert behind.initial is not None
    assert behind.initial.tolist() == [[True, True, False], [True, True, False]]


@pytest.mark.parametrize("home", ["hbm", "disk"])
def test_every_scheduler_and_bound_keeps_the_named_home(folder: Path, home: str) -> None:
    """Schedules are legal under it (the simulator checks), and none is below what is proven."""
    instance = load(folder, home=home)
    proven = [bound(instance, method).lower_bound_s or 0.0 for method in ("roofline", "step", "lp", "compact", "milp")]
    for name in RECORDED:
        latency = simulate(instance, make_scheduler(name)).latency_s
        assert latency >= max(proven) * (1 - 1e-9), name


def test_weights_do_not_make_another_home(folder: Path) -> None:
    """A fast tier that is the largest only before its weights is no home either."""
    changes = {"memory.hbm.capacity": "8 MiB", "llm.weight_resident": "6 MiB"}
    assert load_instance(folder / "case.toml", changes).home == 1


def test_a_name_that_is_no_tier(folder: Path) -> None:
    """Misspelt names are answered with the nearest, whatever the rule."""
    for rule in ("inclusive", "free"):
        assert refused(folder, rules__home="dis", rules__residency=rule) == (
            "rules.home (override): found 'dis', did you mean 'disk'?"
        )
    assert refused(folder, rules__home=1).startswith("rules.home (override): found 1, expected a non-empty text")


def test_a_home_that_is_too_small(folder: Path) -> None:
    """The message says which tier, why it is the home, and what else could be."""
    assert refused(folder, memory__disk__capacity="2 MiB") == (
        "memory.disk.capacity (override): found room for 2 MiB in disk, the home tier (the largest that is not the fastest), "
        'expected at least 3 MiB, every block at its peak, or home = "hbm" in [rules]'
    )
    assert refused(folder, memory__hbm__capacity="2 MiB", rules__home="hbm") == (
        "memory.hbm.capacity (override): found room for 2 MiB in hbm, the home tier (named by the rules), "
        'expected at least 3 MiB, every block at its peak, or home = "disk" in [rules]'
    )
    assert refused(folder, memory__disk__capacity="2 MiB", memory__hbm__capacity="1 MiB").endswith(
        'at least 3 MiB, every block at its peak (so much no tier has that home = "..." in [rules] could name)'
    )
    one = MEMORY[: MEMORY.index("[tiers.disk]")].replace("4 MiB", "2 MiB")
    (folder / "memory.toml").write_text(one)
    assert "in hbm, the home tier (the only one), expected" in refused(folder)


RUNS = """\
schema = 1
name = "runs"
[memory]
file = "memory.toml"
[llm]
kv_bytes = "1 KiB"
[trace]
synth = "drift"
layers = 2
prefill = 20
tokens = 5
seed = 1
[rules]
residency = "inclusive"
"""


def test_the_engine_on_runs_keeps_the_named_home(folder: Path) -> None:
    """A question in runs has the home of its rules, in both ways to one, and says the same of a home that is too small."""
    path = folder / "runs.toml"
    for home, tier in (("", 1), ('home = "disk"\n', 1), ('home = "hbm"\n', 0)):
        path.write_text(RUNS + home)
        assert (load_layered(path).home, load_layered(path).fast) == (tier, 1 - tier)
        assert layered_of(load_instance(path)).home == tier
    assert load_layered(path).hash != layered_of(load_instance(path)).hash  # that of rows names every read
    path.write_text(RUNS.replace('"memory.toml"', '"memory.toml"\nhbm.capacity = "10 KiB"') + 'home = "hbm"\n')
    with pytest.raises(InputError, match=r"hbm\.capacity: found room for 10 KiB in hbm, the home tier \(named by the rules\)"):
        load_layered(path)


def test_both_engines_agree_under_a_named_home(folder: Path) -> None:
    """The same question in rows and in runs has the same proven time at the same prices, whatever tier is home."""
    from tests.layered.solved import solved

    path = folder / "runs.toml"
    path.write_text(RUNS.replace('"memory.toml"', '"memory.toml"\nhbm.capacity = "60 KiB"') + 'home = "hbm"\n')
    instance = load_instance(path)
    assert np.isclose(solved(load_layered(path)).lower_s, bound(instance, "compact").lower_bound_s, rtol=0.02)


def test_the_default_home_of_the_presets_is_the_last_tier() -> None:
    """Nothing that comes with the package as a ladder of tiers changes its home by the fastest being left out."""
    for name in set(preset_names()) - set(NO_LADDERS):
        assert preset_given(name).home == preset_given(name).largest


def test_the_memory_file_of_the_case_is_what_it_seems(folder: Path) -> None:
    """The fast tier is the larger one."""
    memory = load_memory(folder / "memory.toml")
    assert (memory.largest, memory.fastest, memory.home) == (0, 0, 1)
