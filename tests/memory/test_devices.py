"""Pages, requests a second, computing where blocks lie, and what comes from outside: their rows, keys and refusals."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.base.toml import read_toml
from placement_opt.memory import Link, MemorySystem, Tier, build_memory, files, load_memory, override, preset, preset_names
from placement_opt.memory.compute_keys import as_result
from placement_opt.memory.device_keys import as_page
from placement_opt.memory.system import Compute, Outside
from tests.memory.systems import kvnand, link, random_tree, tier

FLASH = """\
schema = 1
name = "inflash"
processor = "gpu"
[tiers.hbm]
capacity = "80 GB"
rate = "3.35 TB/s"
at = "gpu"
source = "an example"
date = "2025-01"
[tiers.flash]
capacity = "2 TB"
read_rate = "64 GB/s"
write_rate = "4 GB/s"
at = "die"
page = "16 KiB"
read_iops = "1.5M IOPS"
write_iops = "200 kIOPS"
compute.rate = "40 GB/s"
compute.result = "1/64"
source = "an example"
date = "2025-01"
[links.channel]
from = "die"
to = "gpu"
up.rate = "8 GB/s"
down.rate = "7 GB/s"
source = "an example"
date = "2025-01"
"""


def write(folder: Path, text: str = FLASH, changes: tuple[tuple[str, str], ...] = ()) -> Path:
    for old, new in changes:
        assert text.count(f"{old}\n") == 1, old
        text = text.replace(f"{old}\n", f"{new}\n" if new else "")
    path = folder / "mine.toml"
    path.write_text(text)
    return path


def rows(memory: MemorySystem) -> dict[str, tuple[dict[str, Fraction], dict[str, int], int]]:
    """Operation -> loads of a byte and of a block by resource, in the resource's own unit, and the grain."""
    table, found = memory.operations, {}
    for o, name in enumerate(table.names):
        each = [Fraction(int(c), memory.scale.get(r, 1)) for r, c in zip(memory.resources, table.per_byte[o], strict=True)]
        calls = table.per_call[o].tolist()
        found[name] = (
            {r: c for r, c in zip(memory.resources, each, strict=True) if c},
            {r: c for r, c in zip(memory.resources, calls, strict=True) if c},
            int(table.grain[o]),
        )
    return found


def test_attending_loads_the_cells_whole_and_the_way_out_by_the_result() -> None:
    """Array 10 B/s, channel 1 B/s: reading loads both by a byte, attending the array by a byte, the channel by a sixteenth."""
    memory = kvnand()
    found = rows(memory)
    assert found["read flash"] == ({"flash": 1, "channel": 1}, {}, 1)
    assert found["attend flash"] == ({"flash": 1, "channel": Fraction(1, 16)}, {}, 1)
    assert (memory.rates.tolist(), memory.scale) == ([10, 16], {"channel": 16})
    operations = memory.operations
    attend = operations.names.index("attend flash")
    assert (operations.source[attend], operations.serves[attend], operations.brings[attend]) == (0, True, False)
    assert operations.uniform
    assert not operations.plain
    seconds = [
        max(Fraction(int(c), int(r)) for c, r in zip(row, memory.rates, strict=True)) for row in operations.block_loads(160)
    ]
    assert seconds[operations.first_serving :] == [160, 16]
    assert memory.bottleneck(operations.per_byte[attend]) == 10


def test_a_file_with_every_key(tmp_path: Path) -> None:
    """Pages round reads, stores, copies and attending; requests count blocks at their own end; computing has a rate."""
    memory = load_memory(write(tmp_path))
    assert memory.resources == (
        "hbm", "flash.read", "flash.write", "channel.up", "channel.down", "flash.read_iops", "flash.write_iops", "flash.compute"
    )  # fmt: skip
    assert memory.rates.tolist()[5:] == [1_500_000, 200_000, 40 * 10**9]
    assert memory.units == {"flash.read_iops": "requests", "flash.write_iops": "requests"}
    assert memory.scale == {"channel.up": 64}
    assert memory.rates[3] == 64 * 8 * 10**9
    page, reads, writes = 16 * 1024, {"flash.read_iops": 1}, {"flash.write_iops": 1}
    assert rows(memory) == {
        "store hbm": ({"hbm": 1}, {}, 1),
        "store flash": ({"channel.down": 1, "flash.write": 1}, writes, page),
        "copy hbm->hbm": ({}, {}, 1),
        "copy hbm->flash": ({"hbm": 1, "channel.down": 1, "flash.write": 1}, writes, page),
        "copy flash->hbm": ({"flash.read": 1, "channel.up": 1, "hbm": 1}, reads, page),
        "copy flash->flash": ({}, {}, 1),
        "read hbm": ({"hbm": 1}, {}, 1),
        "read flash": ({"flash.read": 1, "channel.up": 1}, reads, page),
        "attend flash": ({"flash.read": 1, "channel.up": Fraction(1, 64), "flash.compute": 1}, reads, page),
    }
    assert memory.routes["attend flash"] == memory.routes["read flash"]


def test_a_copy_rounds_by_the_larger_page_and_asks_at_both_ends() -> None:
    """From pages of 4 B to pages of 6 B and back: multiples of 6 B, a request at either end; one iops serves both ways."""
    one = replace(tier("a", "gpu"), page=4, read_iops=9, write_iops=9, shared_iops=True)
    two = replace(tier("b", "gpu"), page=6, write_iops=5)
    memory = build_memory("m", "gpu", [one, two], [])
    assert memory.resources == ("a", "b", "a.iops", "b.write_iops")
    found = rows(memory)
    assert found["copy a->b"] == ({"a": 1, "b": 1}, {"a.iops": 1, "b.write_iops": 1}, 6)
    assert found["copy b->a"] == ({"a": 1, "b": 1}, {"a.iops": 1}, 6)
    assert (found["read a"][1:], found["store a"][1:]) == (({"a.iops": 1}, 4), ({"a.iops": 1}, 4))
    assert (found["read b"][1:], found["store b"][1:]) == (({}, 6), ({"b.write_iops": 1}, 6))
    assert memory.operations.block_loads(7)[memory.operations.names.index("copy a->b")].tolist() == [12, 12, 1, 1]


def test_what_comes_from_outside_has_a_resource_of_its_own() -> None:
    """An operation without a source, a byte of its resource for each byte, at the processor afterwards."""
    outside = [Outside("recompute", "recompute", 20), Outside("refetch s3", "s3", 3)]
    memory = build_memory("m", "gpu", [tier("hbm", "gpu")], [], outside)
    assert (memory.resources, memory.rates.tolist()) == (("hbm", "recompute", "s3"), [100, 20, 3])
    operations = memory.operations
    assert operations.names[-2:] == ("recompute", "refetch s3")
    assert operations.source[-2:].tolist() == [-1, -1]
    assert operations.brings[-2:].all()
    assert operations.per_byte[-2:].tolist() == [[0, 1, 0], [0, 0, 1]]


def test_efficiency_scales_all_rates_of_a_tier() -> None:
    """Requests and computing are the datasheet's too."""
    flash = replace(tier("flash", "die", 100), efficiency=Fraction(1, 2), read_iops=9, compute=Compute(7, Fraction(1, 2)))
    memory = build_memory("m", "gpu", [flash], [link("channel", "die", "gpu", 10)])
    assert dict(zip(memory.resources, memory.rates.tolist(), strict=True)) == {
        "flash": 50,
        "channel": 20,
        "flash.read_iops": 4,
        "flash.compute": 3,
    }


@pytest.mark.parametrize("seed", range(60))
def test_the_table_is_what_the_routes_say(seed: int) -> None:
    """On random trees with random devices: every load in its own unit is what walking the route adds up to."""
    rng = np.random.default_rng(seed)
    plain = random_tree(rng, int(rng.integers(1, 4)))
    tiers, linked = [], [len(plain.routes[f"read {one.name}"]) > 2 for one in plain.tiers]
    for one, far in zip(plain.tiers, linked, strict=True):
        result = Fraction(1, int(rng.integers(1, 9)))
        compute = Compute(int(rng.integers(1, 99)), result) if far and rng.random() < 0.7 else None
        tiers.append(replace(one, page=int(rng.integers(1, 5)), compute=compute, read_iops=7 if rng.random() < 0.5 else None))
    memory = build_memory("m", "gpu", tiers, plain.links)
    for resource, rate in zip(plain.resources, plain.rates.tolist(), strict=True):
        assert memory.rates[memory.resources.index(resource)] == rate * memory.scale.get(resource, 1)
    found = rows(memory)
    for k, one in enumerate(tiers):
        before = {r: Fraction(int(c)) for r, c in zip(plain.resources, plain.read[k], strict=True) if c}
        calls = {} if one.read_iops is None else {f"{one.name}.read_iops": 1}
        assert found[f"read {one.name}"] == (before, calls, one.page)
        if one.compute is None:
            assert f"attend {one.name}" not in found
            continue
        own = one.name if one.shared else f"{one.name}.read"
        loads = {r: c if r == own else c * one.compute.result for r, c in before.items()} | {f"{one.name}.compute": Fraction(1)}
        assert found[f"attend {one.name}"] == (loads, calls, one.page)
        for j, other in enumerate(tiers):
            if j != k:
                assert found[f"copy {other.name}->{one.name}"][2] == max(other.page, one.page)
    needed = {}
    for one in tiers:
        if one.compute is not None:
            for r in {r for r in found[f"read {one.name}"][0] if r.split(".")[0] != one.name}:
                parts = (one.compute.result * found[f"read {one.name}"][0][r]).denominator
                needed[r] = math.lcm(needed.get(r, 1), parts)
    assert memory.scale == {r: parts for r, parts in needed.items() if parts > 1}


def test_nothing_said_changes_nothing() -> None:
    """Pages of a byte, no requests, no computing: the table of reads, stores and copies."""
    for name in ("cxl3", "gh200", "gh200-nvlink3", "gh200-pcie6", "h100-pcie5", "nvme4"):
        memory = preset(name)
        assert memory.operations.plain
        assert (memory.outside, memory.units, memory.scale) == ((), {}, {})


@pytest.mark.parametrize(
    ("value", "share"),
    [
        ("1/64", Fraction(1, 64)),
        (" 3 / 4 ", Fraction(3, 4)),
        (0.0625, Fraction(1, 16)),
        (0.1, Fraction(1, 10)),
        (1, Fraction(1)),
    ],
)
def test_results_are_shares_as_written(value: object, share: Fraction) -> None:
    """Fractions and decimals alike, exactly."""
    assert as_result(value) == share


@pytest.mark.parametrize("value", ["1/0", "0/4", "5/4", "1:64", "0.1", "", 0, -1, 1.5, True, None, float("nan"), [1]])
def test_other_results_are_refused(value: object) -> None:
    """A share is above 0 and at most 1."""
    with pytest.raises(InputError, match=r'expected a share in \(0, 1\] such as "1/64"'):
        as_result(value)


@pytest.mark.parametrize(
    ("value", "expected"), [("0 B", "1 B to 1 GiB"), ("2 GiB", "1 B to 1 GiB"), (16, "a size with its unit")]
)
def test_pages_have_limits(value: object, expected: str) -> None:
    """No page is empty, none is larger than a GiB, all have a unit."""
    with pytest.raises(InputError, match=f"found {value!r}.*expected .*{expected}"):
        as_page(value)


BAD = [
    (('page = "16 KiB"', "page = 16384"), ":15: tiers.flash.page: found 16384 without a unit, expected a size with its unit"),
    (('page = "16 KiB"', 'pages = "16 KiB"'), ":15: tiers.flash.pages: found unknown key 'pages', did you mean 'page'?"),
    (
        ('read_iops = "1.5M IOPS"', "read_iops = 1500000"),
        ":16: tiers.flash.read_iops: found 1500000 without a unit, "
        'expected requests a second with their unit such as "1.5M IOPS"',
    ),
    (('read_iops = "1.5M IOPS"', 'read_iops = "1.5 GB/s"'), ":16: tiers.flash.read_iops: found unit 'GB/s' in '1.5 GB/s'"),
    (
        ('read_iops = "1.5M IOPS"', 'read_iop = "1.5M IOPS"'),
        ":16: tiers.flash.read_iop: found unknown key 'read_iop', did you mean 'read_iops'?",
    ),
    (
        ('read_iops = "1.5M IOPS"', 'iops = "1M IOPS"'),
        ":17: tiers.flash.write_iops: found write_iops beside iops, which is for both ways, expected one of the two",
    ),
    (
        ('compute.rate = "40 GB/s"', "compute.rate = 40"),
        ":18: tiers.flash.compute.rate: found 40 without a unit, expected a rate",
    ),
    (('compute.result = "1/64"', 'compute.result = "2/1"'), ":19: tiers.flash.compute.result: found '2/1', expected a share"),
    (('compute.result = "1/64"', ""), ":18: tiers.flash.compute.result: found nothing, expected this key"),
    (
        ('compute.result = "1/64"', 'compute.results = "1/64"'),
        ":19: tiers.flash.compute.results: found unknown key 'results', did you mean 'result'?",
    ),
    (
        ('compute.result = "1/64"', "compute.result = 1e-7"),
        ":19: tiers.flash.compute.result: found 1e-07, expected a share in whole parts of at most 1,048,576",
    ),
    (
        ('at = "die"', 'at = "gpu"'),
        ":18: tiers.flash.compute: found no link between flash and the processor, "
        "so that attending would load all that reading does, expected the rate of its cells as the tier's, "
        "and a link with the rate at which data leave it",
    ),
    (
        ('up.rate = "8 GB/s"', 'up.rate = "800 PB/s"'),
        ":19: tiers.flash.compute.result: found results that make channel.up, of 800 PB/s, count in 64ths of a byte, "
        "expected denominators with which its rate stays within 2**60",
    ),
    (
        ('page = "16 KiB"', 'page = "16 KiB"\nefficiency = 1e-6'),
        ":18: tiers.flash.write_iops: found 200000 requests/s at an efficiency of 1e-06, expected at least 1 requests/s",
    ),
]


@pytest.mark.parametrize(
    ("change", "message"), BAD, ids=[message.split(" found")[0] + str(n) for n, (_, message) in enumerate(BAD)]
)
def test_a_broken_file_is_refused_with_its_place(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    """File, line and key, what was found and what was expected."""
    path = write(tmp_path, changes=(change,))
    with pytest.raises(InputError) as caught:
        load_memory(path)
    assert str(caught.value).startswith(f"{path}{message}")


def overridden(folder: Path, memory: MemorySystem, text: str) -> MemorySystem:
    path = folder / "override.toml"
    path.write_text(text)
    return override(memory, read_toml(path))


def test_overrides_change_one_number_each(tmp_path: Path) -> None:
    """Pages, requests and computing are replaced one by one, and may be set where the file has none."""
    memory = load_memory(write(tmp_path))
    text = 'flash.page = "4 KiB"\nflash.read_iops = "1M IOPS"\nflash.compute.result = "1/32"\n'
    text += 'hbm.page = "64 B"\nhbm.iops = "2 GIOPS"\n'
    found = overridden(tmp_path, memory, text)
    hbm, flash = found.tiers
    assert (flash.page, flash.read_iops, flash.write_iops) == (4096, 10**6, 200_000)
    assert flash.compute == Compute(40 * 10**9, Fraction(1, 32))
    assert (hbm.page, hbm.read_iops, hbm.write_iops, hbm.shared_iops) == (64, 2 * 10**9, 2 * 10**9, True)
    found = overridden(tmp_path, found, 'flash.compute.rate = "1 GB/s"\nflash.iops = "9 IOPS"\n')
    assert found.tiers[1].compute == Compute(10**9, Fraction(1, 32))
    assert (found.tiers[1].read_iops, found.tiers[1].write_iops, found.tiers[1].shared_iops) == (9, 9, False)
    computing = overridden(tmp_path, preset("gh200"), 'lpddr.compute.result = "1/64"\n')
    assert computing.operations.names[-1] == "attend lpddr"


def test_overrides_keep_what_comes_from_outside(tmp_path: Path) -> None:
    """Another capacity is no reason to forget how blocks are made anew."""
    memory = preset("gh200")
    memory = build_memory(memory.name, memory.processor, memory.tiers, memory.links, [Outside("recompute", "recompute", 5)])
    found = overridden(tmp_path, memory, 'hbm.capacity = "1 GiB"\n')
    assert found.outside == memory.outside
    assert found.operations.names == memory.operations.names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'a.read_iops = "5 IOPS"\n',
            ":1: a.read_iops: found read_iops for a tier whose ways share one number of requests, expected iops",
        ),
        ('a.compute.rate = "5 B/s"\n', ":1: a.compute.result: found nothing, expected this key"),
        ('a.compute.result = "1/2"\n', ":1: a.compute: found no link between a and the processor"),
    ],
)
def test_a_broken_override_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """One way of requests that are shared, computing without a result, computing at the processor."""
    one = replace(tier("a", "gpu"), read_iops=9, write_iops=9, shared_iops=True)
    with pytest.raises(InputError) as caught:
        overridden(tmp_path, build_memory("m", "gpu", [one], []), text)
    assert str(caught.value).startswith(f"{tmp_path / 'override.toml'}{message}")


@pytest.mark.parametrize(
    ("outside", "message"),
    [
        ([Outside("refetch hbm", "hbm", 1)], "hbm: found the name 'hbm' twice, here and in tiers, expected two names"),
        ([Outside("refetch l", "l", 1)], "l: found the name 'l' twice, here and in links, expected two names"),
        ([Outside("a", "x", 1), Outside("b", "x", 1)], "x: found the name 'x' twice, here and in outside, expected two names"),
        ([Outside("refetch s.3", "s.3", 1)], "s.3: found the name 's.3', expected a letter"),
    ],
)
def test_names_outside_are_their_own(outside: list[Outside], message: str) -> None:
    """A resource has one owner."""
    tiers, links = [Tier("hbm", 9, "gpu", 5, 5, True)], [Link("l", "host", "gpu", 5, 5, True)]
    with pytest.raises(InputError) as caught:
        build_memory("m", "gpu", tiers, links, outside)
    assert str(caught.value).startswith(message)


def test_a_preset_with_a_device_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A TOML among the presets is a preset: nothing else names it."""
    (tmp_path / "inflash.toml").write_text(FLASH)
    monkeypatch.setattr(files, "_PRESETS", tmp_path)
    assert preset_names() == ("inflash",)
    assert "attend flash" in preset("inflash").operations.names


def test_the_example_of_the_docs_is_a_memory_system(tmp_path: Path) -> None:
    """The page of formats shows keys that are read."""
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()
    (example,) = re.findall(r"## Memory system \(TOML\)\n\n```toml\n(.*?)```", page, re.DOTALL)
    memory = load_memory(write(tmp_path, example))
    hbm, dram = memory.tiers
    assert (hbm.page, dram.read_iops, dram.compute) == (
        64,
        1_500_000,
        Compute(2 * 10**12, Fraction(1, 64), Fraction(8, 10**12)),
    )
    assert (dram.read_energy, dram.background_power, dram.endurance) == (Fraction(24, 10**12), 2, 100_000)
    assert memory.operations.names[-1] == "attend dram"
