"""Instance files: what every key does to the numbers, and what every mistake in one is answered with."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from placement_opt.base import room
from placement_opt.base.errors import InputError, LimitError
from placement_opt.base.limits import Limits
from placement_opt.base.room import NoRoom
from placement_opt.base.units import parse_size
from placement_opt.instance.instance import Instance
from placement_opt.instance.load import build_instance, load_instance
from placement_opt.instance.start import save_initial
from placement_opt.schedulers.sa import head
from placement_opt.workload.files.npz import save_trace
from placement_opt.workload.llm import PRECISIONS, preset
from placement_opt.workload.paging import page
from placement_opt.workload.synth import ABOUT, GENERATORS, OUTLINES, synthesize
from placement_opt.workload.trace import Trace
from tests.small import make_trace
from tests.workload.traces import random_served

MEMORY = """\
schema = 1
name = "two"
processor = "gpu"
[tiers.hbm]
capacity = "1 MiB"
rate = "4.9 TB/s"
at = "gpu"
[tiers.lpddr]
capacity = "1 GiB"
rate = "500 GB/s"
at = "cpu"
[links.c2c]
from = "cpu"
to = "gpu"
up.rate = "450 GB/s"
down.rate = "450 GB/s"
"""

DRIFT = """\
schema = 1
name = "small"
[memory]
file = "memory.toml"
hbm.capacity = "100 KiB"
[llm]
layers = 2
kv_bytes = "1 KiB"
weight_bytes = "3 kB"
weight_resident = "20 KiB"
[trace]
synth = "drift"
layers = 2
prefill = 20
tokens = 5
seed = 1
[rules]
residency = "inclusive"
initial = "free"
"""


def edited(text: str, changes: Mapping[str, str]) -> str:
    """The text with lines replaced; each must be there exactly once."""
    for old, new in changes.items():
        assert text.count(f"{old}\n") == 1, old
        text = text.replace(f"{old}\n", f"{new}\n" if new else "")
    return text


def write(folder: Path, text: str = DRIFT, changes: Mapping[str, str] | None = None) -> Path:
    (folder / "memory.toml").write_text(MEMORY)
    path = folder / "case.toml"
    path.write_text(edited(text, changes or {}))
    return path


def load(folder: Path, text: str = DRIFT, changes: Mapping[str, str] | None = None) -> Instance:
    return load_instance(write(folder, text, changes))


def by_resource(instance: Instance, **loads: int) -> list[int]:
    return [loads.get(name.replace(".", "_"), 0) for name in instance.memory.resources]


def test_sizes_capacity_weights_and_rules(tmp_path: Path) -> None:
    """Blocks are kv_bytes each, weights leave hbm's capacity and load it at every step, the override is applied."""
    instance = load(tmp_path)
    assert (instance.name, instance.residency, instance.initial, instance.page_tokens) == ("small", "inclusive", None, 1)
    assert (instance.num_steps, instance.num_blocks) == (10, 50)
    assert set(instance.size.tolist()) == {1024}
    assert instance.capacity.tolist() == [80 * 1024, 2**30]
    assert instance.fixed.tolist() == [by_resource(instance, hbm=3000)] * 10
    assert instance.floor.tolist() == [0.0] * 10
    assert instance.memory.tiers[0].capacity == 100 * 1024


def test_the_trace_is_the_generators(tmp_path: Path) -> None:
    """synth with its parameters and seed is what the generator makes of them, and the seed is on record."""
    trace = load(tmp_path).trace
    params, generate = GENERATORS["drift"]
    expected = generate(params(layers=2, prefill=20, tokens=5), np.random.default_rng(1))
    assert (trace.blocks == expected.blocks).all()
    assert trace.meta == {**expected.meta, "seed": 1}
    assert (load(tmp_path, changes={"seed = 1": "seed = 2"}).trace.blocks != expected.blocks).any()


def test_the_name_is_not_in_the_hash_and_the_rules_are(tmp_path: Path) -> None:
    """Renamed, an instance is the same; with another rule or size it is not."""
    one = load(tmp_path).hash
    assert load(tmp_path, changes={'name = "small"': 'name = "other"'}).hash == one
    for old, new in [
        ('residency = "inclusive"', 'residency = "free"'),
        ('kv_bytes = "1 KiB"', 'kv_bytes = "2 KiB"'),
        ('initial = "free"', 'initial = "first-fit"'),
        ('initial = "free"', 'floor = "1 us"'),
    ]:
        assert load(tmp_path, changes={old: new}).hash != one


def test_rules_and_llm_may_be_left_out(tmp_path: Path) -> None:
    """With blocks sized in bytes no [llm] is needed; without [rules] the start is free and home keeps everything."""
    text = 'schema = 1\nname = "z"\n[memory]\nfile = "memory.toml"\n[trace]\nsynth = "zipf"\nseed = 0\nblocks = 9\nreads = 2\n'
    instance = load(tmp_path, text)
    assert (instance.residency, instance.initial) == ("inclusive", None)
    assert set(instance.size.tolist()) == {2**16}
    assert not instance.fixed.any()
    assert instance.capacity.tolist() == [2**20, 2**30]


def test_a_trace_file_is_found_beside_the_instance(tmp_path: Path) -> None:
    """Paths are relative to the TOML, wherever one stands."""
    (tmp_path / "deep").mkdir()
    save_trace(make_trace([[0], [1]], [-1, 0], sizes=[5, 7]), tmp_path / "deep" / "t.npz")
    text = 'schema = 1\nname = "f"\n[memory]\nfile = "memory.toml"\n[trace]\nfile = "deep/t.npz"\n'
    instance = load(tmp_path, text)
    assert (instance.size.tolist(), instance.trace.reads(1).tolist()) == ([5, 7], [1])


def test_tokens_count_in_all_layers(tmp_path: Path) -> None:
    """A block of 64 tokens of all layers has 64 x layers x kv_bytes."""
    text = 'schema = 1\nname = "r"\n[memory]\npreset = "gh200"\n[llm]\nlayers = 5\nkv_bytes = "1 KiB"\n'
    text += '[trace]\nsynth = "requests"\nrequests = 3\nblock_tokens = 64\nseed = 1\n'
    assert set(load(tmp_path, text).size.tolist()) == {64 * 5 * 1024}


def test_weights_in_another_tier(tmp_path: Path) -> None:
    """weight_tier moves their reads and their room; reading them from lpddr loads the link too."""
    changes = {'weight_bytes = "3 kB"': 'weight_bytes = "3 kB"\nweight_tier = "lpddr"'}
    instance = load(tmp_path, changes=changes)
    assert instance.capacity.tolist() == [100 * 1024, 2**30 - 20 * 1024]
    assert instance.fixed.tolist() == [by_resource(instance, lpddr=3000, c2c_up=3000)] * 10


BIG = {
    'file = "memory.toml"': 'preset = "gh200"',
    'hbm.capacity = "100 KiB"': 'hbm.capacity = "25 GiB"',
    'weight_bytes = "3 kB"': "",
    'weight_resident = "20 KiB"': "",
}


def test_an_llm_preset_for_a_layered_trace(tmp_path: Path) -> None:
    """Every step reads one layer's weights; all parameters leave hbm's capacity."""
    text = DRIFT.replace("[llm]\nlayers = 2\n", '[llm]\npreset = "llama-3.1-8b"\n')
    instance = load(tmp_path, text, BIG | {'kv_bytes = "1 KiB"': ""})
    model = preset("llama-3.1-8b")
    assert set(instance.size.tolist()) == {model.kv_bytes} == {4096}
    assert instance.fixed[:, instance.memory.resources.index("hbm")].tolist() == [model.weight_bytes] * 10
    assert instance.capacity[0] == parse_size("25 GiB") - model.weight_resident


def test_numbers_go_before_the_presets(tmp_path: Path) -> None:
    """A preset beside numbers fills in what they leave out."""
    text = DRIFT.replace("[llm]\nlayers = 2\n", '[llm]\npreset = "llama-3.1-8b"\n')
    instance = load(tmp_path, text, {'hbm.capacity = "100 KiB"': ""})
    assert set(instance.size.tolist()) == {1024}
    assert instance.capacity[0] == 2**20 - 20 * 1024
    assert instance.fixed[0].tolist() == by_resource(instance, hbm=3000)


def test_a_preset_in_another_precision_on_several_devices(tmp_path: Path) -> None:
    """Bits of weights and of KV, and one device's share of the heads and the weights."""
    keys = '[llm]\npreset = "llama-3.1-8b"\nprecision = "w4a16"\ntensor_parallel = 8\n'
    text = DRIFT.replace("[llm]\nlayers = 2\n", keys)
    instance = load(tmp_path, text, BIG | {'kv_bytes = "1 KiB"': ""})
    model = preset("llama-3.1-8b", PRECISIONS["w4a16"], 8)
    assert set(instance.size.tolist()) == {model.kv_bytes} == {512}
    assert instance.fixed[:, instance.memory.resources.index("hbm")].tolist() == [model.weight_bytes] * 10
    assert instance.capacity[0] == parse_size("25 GiB") - model.weight_resident


def test_steps_that_are_no_layers_read_no_weights_of_a_preset(tmp_path: Path) -> None:
    """A request is no layer: a preset's weights lie in memory, and are read only if the file says how many bytes."""
    text = '[trace]\nsynth = "requests"\nrequests = 3\nseed = 1\n[memory]\npreset = "gh200"\n[llm]\npreset = "llama-3.1-8b"\n'
    text = 'schema = 1\nname = "r"\n' + text
    assert not load(tmp_path, text).fixed.any()
    instance = load(tmp_path, text + 'weight_bytes = "1 GB"\n')
    assert instance.fixed.tolist() == [by_resource(instance, hbm=10**9)] * 3
    assert set(instance.size.tolist()) == {512 * 32 * 4096}


def test_the_floor_of_a_step(tmp_path: Path) -> None:
    """floor is the seconds that every step takes at least."""
    assert load(tmp_path, changes={'initial = "free"': 'floor = "5 us"'}).floor.tolist() == [5e-6] * 10


def test_steps_with_floors_of_their_own(tmp_path: Path) -> None:
    """Nanoseconds of the trace or the floor of the rules, whichever is more; requests decide nothing."""
    trace = Trace.from_reads([[0], [0], [0]], floors=[0, 4_000, 7_001])
    save_trace(trace, tmp_path / "t.npz")
    text = 'schema = 1\nname = "f"\n[memory]\nfile = "memory.toml"\n[trace]\nfile = "t.npz"\n[rules]\nfloor = "5 us"\n'
    instance = load(tmp_path, text)
    assert instance.floor.tolist() == [5e-6, 5e-6, 7001e-9]
    assert load(tmp_path, text.replace("5 us", "8 us")).hash != instance.hash
    save_trace(dataclasses.replace(trace, requests=random_served(np.random.default_rng(1), 3)), tmp_path / "t.npz")
    served = load(tmp_path, text)
    assert served.trace.requests is not None
    assert served.hash == instance.hash
    plain = dataclasses.replace(trace, step_floor=None)
    assert head(served, 2).floor.tolist() == [5e-6, 5e-6]
    assert head(served, 2).trace.step_floor.tolist() == [0, 4000]
    assert build_instance("gh200", plain).hash == build_instance("gh200", Trace.from_reads([[0]] * 3, floors=[0] * 3)).hash


def test_pages_and_what_is_still_being_filled(tmp_path: Path) -> None:
    """Full pages are blocks; reads and appends of unfinished pages load the fastest tier, wherever the weights lie."""
    changes = {'initial = "free"': "page_tokens = 3", 'weight_bytes = "3 kB"': 'weight_bytes = "3 kB"\nweight_tier = "lpddr"'}
    instance = load(tmp_path, changes=changes)
    plain = load(tmp_path, changes={'initial = "free"': 'initial = "free"'})
    paged = page(plain.trace, 3)
    assert instance.page_tokens == 3
    assert set(instance.size.tolist()) == {3 * 1024}
    assert instance.share_base == 3
    tail = (paged.tail_read_tokens + paged.tail_write_tokens) * 1024
    assert tail.any()
    hbm = instance.memory.resources.index("hbm")
    assert instance.fixed[:, hbm].tolist() == tail.tolist()
    rest = np.delete(instance.fixed, hbm, axis=1)
    assert rest.tolist() == np.delete([by_resource(instance, lpddr=3000, c2c_up=3000)] * 10, hbm, axis=1).tolist()
    read = np.bincount(instance.trace.read_step, weights=instance.read_bytes, minlength=10) / 3
    assert (read + paged.tail_read_tokens * 1024 == np.diff(plain.trace.indptr) * 1024).all()


def test_appends_load_the_write_side(tmp_path: Path) -> None:
    """Where reads and writes have rates of their own, what is appended loads the writes."""
    path = write(tmp_path, changes={'initial = "free"': "page_tokens = 3"})
    memory = MEMORY.replace('rate = "4.9 TB/s"', 'read_rate = "4.9 TB/s"\nwrite_rate = "2 TB/s"')
    (tmp_path / "memory.toml").write_text(memory)
    instance = load_instance(path)
    paged = page(load(tmp_path).trace, 3)
    names = instance.memory.resources
    assert instance.fixed[:, names.index("hbm.read")].tolist() == (paged.tail_read_tokens * 1024 + 3000).tolist()
    assert instance.fixed[:, names.index("hbm.write")].tolist() == (paged.tail_write_tokens * 1024).tolist()


def test_first_fit(tmp_path: Path) -> None:
    """80 KiB hold all 40 initial blocks of 1 KiB; with room for 30 the first 30 ids are in hbm; home has all 40."""
    for capacity, fast in (("100 KiB", 40), ("50 KiB", 30)):
        changes = {'initial = "free"': 'initial = "first-fit"', 'hbm.capacity = "100 KiB"': f'hbm.capacity = "{capacity}"'}
        initial = load(tmp_path, changes=changes).initial
        assert initial is not None
        assert np.flatnonzero(initial[0]).tolist() == list(range(fast))
        assert np.flatnonzero(initial[1]).tolist() == list(range(40))
    changes |= {'residency = "inclusive"': 'residency = "exclusive"'}
    initial = load(tmp_path, changes=changes).initial
    assert initial is not None
    assert np.flatnonzero(initial[1]).tolist() == list(range(30, 40))


def test_a_cold_start(tmp_path: Path) -> None:
    """Initial blocks lie in the home tier alone, whatever the fast one has room for; where they may be forgotten, nowhere."""
    for residency in ("inclusive", "exclusive", "free"):
        changes = {'initial = "free"': 'initial = "home"', 'residency = "inclusive"': f'residency = "{residency}"'}
        initial = load(tmp_path, changes=changes).initial
        assert initial is not None
        assert [np.flatnonzero(row).tolist() for row in initial] == [[], list(range(40))]
    trace = Trace.from_reads([[0], [0, 1]], births=[-1, 0])
    rules = {"residency": "cache", "initial": "home"}
    cache = build_instance("gh200", trace, rules=rules, recompute={"rate": "1 GB/s"})
    assert cache.initial is not None
    assert not cache.initial.any()
    full = {"preset": "gh200", "hbm.capacity": "1 GB", "lpddr.capacity": "1 B"}
    with pytest.raises(InputError, match=r"found 2 B placed in lpddr, expected at most 1 B"):
        build_instance(full, Trace.from_reads([[0], [1]]), rules={"residency": "free", "initial": "home"})


FROM_FILE = {'initial = "free"': 'initial = "file"\ninitial_file = "start.npz"'}


def test_a_start_from_a_file(tmp_path: Path) -> None:
    """The residency of the file is the start."""
    resident = np.zeros((2, 50), dtype=bool)
    resident[1, :40] = resident[0, 3:9] = True
    save_initial(resident, tmp_path / "start.npz")
    initial = load(tmp_path, changes=FROM_FILE).initial
    assert initial is not None
    assert (initial == resident).all()


def test_a_start_from_a_file_that_breaks_the_rules(tmp_path: Path) -> None:
    """A residency that the rules forbid is refused at the line that names the file."""
    save_initial(np.zeros((2, 50), dtype=bool), tmp_path / "start.npz")
    path = write(tmp_path, changes=FROM_FILE)
    with pytest.raises(InputError) as caught:
        load_instance(path)
    expected = "rules.initial_file: found block 0 in no tier, expected what the inclusive rule allows"
    assert str(caught.value) == f"{path}:20: {expected}"


def test_a_start_from_a_file_of_another_instance(tmp_path: Path) -> None:
    """What is wrong inside the file is told of the file."""
    save_initial(np.zeros((2, 9), dtype=bool), tmp_path / "start.npz")
    with pytest.raises(InputError) as caught:
        load(tmp_path, changes=FROM_FILE)
    assert str(caught.value) == f"{tmp_path / 'start.npz'}: resident: found 2 x 9, expected 2 tiers x 50 blocks"


UNIT = 'without a unit, expected a size with its unit such as "80 GiB" or "80 GB"'
BAD = [
    # schema, name, tables
    ({"schema = 1": "schema = 2"}, ":1: schema: found 2, expected 1, the form that this version reads"),
    ({"schema = 1": "schema = true"}, ":1: schema: found True, expected 1, the form that this version reads"),
    ({"schema = 1": "schema = 1.0"}, ":1: schema: found 1.0, expected 1, the form that this version reads"),
    ({"schema = 1": ""}, ": schema: found nothing, expected this key"),
    ({'name = "small"': ""}, ": name: found nothing, expected this key"),
    ({'name = "small"': "name = 3"}, ":2: name: found 3, expected a non-empty text in quotes, on one line"),
    ({"[rules]": "[rule]"}, ":17: rule: found unknown key 'rule', did you mean 'rules'?"),
    ({"[memory]": "[memroy]"}, ":3: memroy: found unknown key 'memroy', did you mean 'memory'?"),
    # memory
    ({'file = "memory.toml"': ""}, ":3: memory.preset: found nothing, expected preset or file"),
    ({'file = "memory.toml"': 'fil = "x"'}, ":4: memory.fil: found unknown key 'fil', did you mean 'file'?"),
    (
        {'file = "memory.toml"': 'file = "m"\npreset = "gh200"'},
        ":4: memory.file: found file beside preset, expected one of the two",
    ),
    ({'file = "memory.toml"': 'preset = "gh20"'}, ":4: memory.preset: found no preset 'gh20', did you mean 'gh200'?"),
    (
        {'file = "memory.toml"': 'file = "none.toml"'},
        ":4: memory.file: found no such file, '{folder}/none.toml', expected an existing file",
    ),
    ({'hbm.capacity = "100 KiB"': "hbm.capacity = 25"}, f":5: memory.hbm.capacity: found 25 {UNIT}"),
    ({'hbm.capacity = "100 KiB"': 'hbm.capacity = "25"'}, f":5: memory.hbm.capacity: found '25' {UNIT}"),
    (
        {'hbm.capacity = "100 KiB"': 'hbm.capacty = "25 GiB"'},
        ":5: memory.hbm.capacty: found unknown key 'capacty', did you mean 'capacity'?",
    ),
    ({'hbm.capacity = "100 KiB"': 'hmb.capacity = "25 GiB"'}, ":5: memory.hmb: found unknown key 'hmb', did you mean 'hbm'?"),
    (
        {'hbm.capacity = "100 KiB"': 'hbm.capacity = "20.5 KiB"'},
        ":5: memory.hbm.capacity: found room for 512 B, beside 20 KiB of weights, "
        "expected none or at least the largest block, 1 KiB",
    ),
    (
        {'hbm.capacity = "100 KiB"': 'hbm.capacity = "20 KiB"\nlpddr.capacity = "40 KiB"'},
        ":6: memory.lpddr.capacity: found room for 40 KiB in lpddr, "
        "the home tier (the largest that is not the fastest), expected at least 50 KiB, every block at its peak "
        '(so much no tier has that home = "..." in [rules] could name)',
    ),
    # llm
    ({'kv_bytes = "1 KiB"': "kv_bytes = 1024"}, f":8: llm.kv_bytes: found 1024 {UNIT}"),
    ({'kv_bytes = "1 KiB"': "kv_bytes = nan"}, f":8: llm.kv_bytes: found nan {UNIT}"),
    ({'kv_bytes = "1 KiB"': 'kv_bytes = "0 B"'}, ":8: llm.kv_bytes: found '0 B', expected a size above zero"),
    ({'kv_bytes = "1 KiB"': 'kv_byte = "1 KiB"'}, ":8: llm.kv_byte: found unknown key 'kv_byte', did you mean 'kv_bytes'?"),
    (
        {'kv_bytes = "1 KiB"': ""},
        ":6: llm.kv_bytes: found nothing, expected kv_bytes, because the trace's blocks are sized in token-layers",
    ),
    (
        {'kv_bytes = "1 KiB"': 'preset = "llama-3.1-8"'},
        ":8: llm.preset: found unknown model 'llama-3.1-8', did you mean 'llama-3.1-8b'?",
    ),
    (
        {'kv_bytes = "1 KiB"': 'kv_bytes = "1 KiB"\nweight_tier = "lpdr"'},
        ":9: llm.weight_tier: found 'lpdr', did you mean 'lpddr'?",
    ),
    (
        {'weight_resident = "20 KiB"': 'weight_resident = "200 KiB"'},
        ":10: llm.weight_resident: found 200 KiB of weights, which do not fit, expected at most the capacity of hbm, 100 KiB",
    ),
    (
        {'kv_bytes = "1 KiB"': 'kv_bytes = "900 PiB"'},
        ":11: trace: found blocks of 4.5e+04 PiB in all, expected at most 2048 PiB",
    ),
    # trace
    ({"seed = 1": ""}, ":11: trace.seed: found nothing, expected this key"),
    ({"seed = 1": "seed = -1"}, ":16: trace.seed: found -1, expected a whole number from 0 to 4611686018427387904"),
    ({"seed = 1": 'seed = "1"'}, ":16: trace.seed: found '1', expected a whole number from 0 to 4611686018427387904"),
    ({'synth = "drift"': 'synth = "drfit"'}, ":12: trace.synth: found 'drfit', did you mean 'drift'?"),
    ({'synth = "drift"': ""}, ":11: trace.file: found nothing, expected file or synth"),
    ({'synth = "drift"': 'synht = "drift"'}, ":12: trace.synht: found unknown key 'synht', did you mean 'synth'?"),
    (
        {'synth = "drift"': 'synth = "drift"\nfile = "t.npz"'},
        ":12: trace.synth: found synth beside file, expected one of the two",
    ),
    ({"prefill = 20": "prefil = 20"}, ":14: trace.prefil: found unknown key 'prefil', did you mean 'prefill'?"),
    ({"prefill = 20": "prefill = 20.0"}, ":14: trace.prefill: found 20.0, expected a whole number from 1 to 2147483647"),
    ({"prefill = 20": "drift = nan"}, ":14: trace.drift: found nan, expected a finite number in [0, 1]"),
    ({"prefill = 20": "window = 0.1"}, ":14: trace.window: found 0.1, expected at least read_share, 0.4"),
    ({"prefill = 20": "read_share = inf"}, ":14: trace.read_share: found inf, expected a finite number in (0, 1]"),
    # rules
    (
        {'residency = "inclusive"': 'residency = "inklusive"'},
        ":18: rules.residency: found 'inklusive', did you mean 'inclusive'?",
    ),
    ({'initial = "free"': 'initial = "firstfit"'}, ":19: rules.initial: found 'firstfit', did you mean 'first-fit'?"),
    (
        {'initial = "free"': 'initial = "file"'},
        ':17: rules.initial_file: found nothing, expected a file with "file" only',
    ),
    (
        {'initial = "free"': 'initial_file = "start.npz"'},
        ":19: rules.initial_file: found 'start.npz' beside initial = 'free', expected a file with \"file\" only",
    ),
    (
        {'initial = "free"': 'initial = "file"\ninitial_file = "none.npz"'},
        ":20: rules.initial_file: found no such file, '{folder}/none.npz', expected an existing file",
    ),
    ({'initial = "free"': "page_tokens = 0"}, ":19: rules.page_tokens: found 0, expected a whole number from 1 to 65535"),
    (
        {'initial = "free"': "page_tokens = 99"},
        ":19: rules.page_tokens: found pages of 99 tokens, none of which is ever full, expected smaller pages",
    ),
    (
        {'initial = "free"': "floor = 5"},
        ':19: rules.floor: found 5 without a unit, expected a duration with its unit such as "10 us"',
    ),
    (
        {'initial = "free"': "page_token = 2"},
        ":19: rules.page_token: found unknown key 'page_token', did you mean 'page_tokens'?",
    ),
]


@pytest.mark.parametrize(("changes", "message"), BAD, ids=[message.split(" found")[0] for _, message in BAD])
def test_every_mistake_is_answered_with_its_place(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    """File, line and key, what was found and what was expected."""
    path = write(tmp_path, changes=changes)
    with pytest.raises(InputError) as caught:
        load_instance(path)
    assert str(caught.value) == f"{path}{message.format(folder=tmp_path)}"


def test_more_layers_in_the_trace_than_in_the_model(tmp_path: Path) -> None:
    """A trace of two layers does not belong to a model of one."""
    path = write(tmp_path, DRIFT.replace("[llm]\nlayers = 2", "[llm]\nlayers = 1"))
    with pytest.raises(InputError) as caught:
        load_instance(path)
    assert str(caught.value) == f"{path}:7: llm.layers: found 1 layers, expected at least the trace's 2"


def test_token_sizes_without_a_model(tmp_path: Path) -> None:
    """Without [llm], blocks that count in tokens have no bytes."""
    text = DRIFT.replace("[llm]\nlayers = 2\n", "")
    for key in ("kv_bytes", "weight_bytes", "weight_resident"):
        text = "\n".join(line for line in text.split("\n") if not line.startswith(key))
    path = write(tmp_path, text)
    with pytest.raises(InputError) as caught:
        load_instance(path)
    expected = "found nothing, expected kv_bytes, because the trace's blocks are sized in token-layers"
    assert str(caught.value) == f"{path}: llm: {expected}"


def test_weights_of_a_preset_that_do_not_fit(tmp_path: Path) -> None:
    """16 GB of weights do not fit into 1 MiB: told at the preset."""
    text = DRIFT.replace("[llm]\nlayers = 2\n", '[llm]\npreset = "llama-3.1-8b"\n')
    path = write(tmp_path, text, {'hbm.capacity = "100 KiB"': "", 'weight_resident = "20 KiB"': ""})
    with pytest.raises(InputError) as caught:
        load_instance(path)
    expected = "found 14.96 GiB of weights, which do not fit, expected at most the capacity of hbm, 1 MiB"
    assert str(caught.value) == f"{path}:6: llm.preset: {expected}"


def test_pages_of_requests(tmp_path: Path) -> None:
    """Blocks of whole prefixes cannot be cut into pages."""
    text = 'schema = 1\nname = "r"\n[memory]\npreset = "gh200"\n[llm]\npreset = "llama-3.1-8b"\n'
    text += '[trace]\nsynth = "requests"\nrequests = 3\nseed = 1\n[rules]\npage_tokens = 16\n'
    path = write(tmp_path, text)
    with pytest.raises(InputError) as caught:
        load_instance(path)
    expected = "found 16 for blocks sized in tokens, expected 1, or a trace whose blocks are single tokens of single layers"
    assert str(caught.value) == f"{path}:12: rules.page_tokens: {expected}"


def test_what_is_wrong_in_another_file_is_told_of_that_file(tmp_path: Path) -> None:
    """A garbage trace, or a memory file with a mistake, is named itself."""
    (tmp_path / "t.npz").write_bytes(b"garbage" * 9)
    text = 'schema = 1\nname = "f"\n[memory]\nfile = "memory.toml"\n[trace]\nfile = "t.npz"\n'
    with pytest.raises(InputError) as caught:
        load(tmp_path, text)
    assert caught.value.path == str(tmp_path / "t.npz")
    path = write(tmp_path)
    (tmp_path / "memory.toml").write_text(MEMORY.replace("1 GiB", "1"))
    with pytest.raises(InputError) as caught:
        load_instance(path)
    assert str(caught.value) == f"{tmp_path / 'memory.toml'}:9: tiers.lpddr.capacity: found '1' {UNIT}"


def test_missing_instance_file(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(InputError) as caught:
        load_instance(tmp_path / "none.toml")
    assert str(caught.value) == f"{tmp_path / 'none.toml'}: found no such file, expected an existing file"


def test_a_trace_larger_than_memory(tmp_path: Path) -> None:
    """The paper's full size is no bad input: it is refused as beyond what rows can hold, before anything is made."""
    path = write(tmp_path, changes={"prefill = 20": "prefill = 3000", "tokens = 5": "tokens = 125000"})
    with pytest.raises(
        NoRoom, match=r"case\.toml: trace: found room for .*, expected about 793\.4 GiB of memory for 6,549,850,000"
    ):
        load_instance(path, limits=Limits(memory=2**34))


def test_a_trace_larger_than_any_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine with room for anything, rows have a limit of their own."""
    monkeypatch.setattr(room, "available", lambda: 2**60)
    with pytest.raises(LimitError, match=r"case\.toml: trace: found settings that make 6\.55e\+09 reads"):
        load(tmp_path, changes={"prefill = 20": "prefill = 3000", "tokens = 5": "tokens = 125000"})


def test_synthesize_is_what_files_and_command_line_share() -> None:
    """Parameters left out are at their defaults; a wrong one is named."""
    trace = synthesize("zipf", {"blocks": 9, "reads": 2}, 4)
    params, generate = GENERATORS["zipf"]
    assert (trace.blocks == generate(params(blocks=9, reads=2), np.random.default_rng(4)).blocks).all()
    with pytest.raises(InputError, match="reads: found 10, expected at most the number of blocks, 9"):
        synthesize("zipf", {"blocks": 9, "reads": 10}, 4)


def test_every_parameter_of_every_generator_explains_itself() -> None:
    """Help, a type and a conversion for each, and defaults that pass their own checks."""
    assert {"drift", "zipf", "requests", "decode"} <= set(GENERATORS)
    assert list(GENERATORS) == list(OUTLINES) == list(ABOUT)
    with pytest.raises(KeyError):
        GENERATORS["drfit"]
    for name, (params, _) in GENERATORS.items():
        chosen = params()
        for field in dataclasses.fields(params):
            assert field.metadata["help"]
            assert field.metadata["type"] in (int, float, str)
            assert getattr(chosen, field.name) == field.default
        assert OUTLINES[name].longer in {field.name for field in dataclasses.fields(params)}


JUNK = [
    "true",
    "-1",
    "1.5",
    "nan",
    "-inf",
    '""',
    '"x"',
    "[]",
    "{}",
    "1979-05-27",
    "1" + "0" * 40,
    '"1e999 GiB"',
    '"1e18 EB"',
    '"-3 B"',
]


@pytest.mark.parametrize("line", [number for number, text in enumerate(DRIFT.splitlines()) if "=" in text])
@pytest.mark.parametrize("junk", JUNK)
def test_junk_in_any_place_is_an_input_error_or_an_instance(tmp_path: Path, line: int, junk: str) -> None:
    """Whatever stands where a value should, the answer is an instance or an InputError that names the file and the line."""
    lines = DRIFT.splitlines()
    lines[line] = f"{lines[line].split(' =')[0]} = {junk}"
    path = write(tmp_path, "\n".join(lines))
    place = (str(path), line + 1)
    try:
        load_instance(path)
    except InputError as error:
        place = (str(error.path), error.line or 0)
    assert place == (str(path), line + 1)
