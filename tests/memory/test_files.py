"""Memory files, presets, overrides."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.base.toml import read_toml
from placement_opt.memory import MemorySystem, load_memory, override, preset, preset_names
from placement_opt.memory.tier_keys import as_efficiency
from tests.memory.systems import NO_LADDERS, preset_given

GOOD = """\
schema = 1
name = "three"
processor = "gpu"
[tiers.hbm]
capacity = "80 GiB"
rate = "3.35 TB/s"
at = "gpu"
[tiers.dram]
capacity = "480 GiB"
rate = "500 GB/s"
efficiency = 0.9
at = "host"
source = "a datasheet"
date = "2024-03"
[tiers.nvme]
capacity = "4 TB"
read_rate = "7 GB/s"
write_rate = "3 GB/s"
at = "host"
[links.c2c]
from = "host"
to = "gpu"
up.rate = "450 GB/s"
down.rate = "400 GB/s"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_read_with_all_its_keys(tmp_path: Path) -> None:
    """Names, capacities, rates, efficiency, source and date arrive where they belong, in file order."""
    memory = load_memory(write(tmp_path, GOOD))
    assert (memory.name, memory.processor, memory.tier_names) == ("three", "gpu", ("hbm", "dram", "nvme"))
    assert [item.capacity for item in memory.tiers] == [80 * 2**30, 480 * 2**30, 4 * 10**12]
    assert memory.resources == ("hbm", "dram", "nvme.read", "nvme.write", "c2c.up", "c2c.down")
    dram = memory.tiers[1]
    assert (dram.read_rate, dram.efficiency, dram.source, dram.date) == (500 * 10**9, Fraction(9, 10), "a datasheet", "2024-03")
    assert memory.rates.tolist() == [3_350_000_000_000, 450 * 10**9, 7 * 10**9, 3 * 10**9, 450 * 10**9, 400 * 10**9]
    assert (memory.by_speed, memory.home) == ((0, 1, 2), 2)


def test_a_system_without_links_needs_no_links_table(tmp_path: Path) -> None:
    """One tier beside the processor is a memory system."""
    text = 'schema = 1\nname = "one"\nprocessor = "gpu"\n[tiers.hbm]\ncapacity = "1 GB"\nrate = "1 GB/s"\nat = "gpu"\n'
    assert load_memory(write(tmp_path, text)).resources == ("hbm",)


@pytest.mark.parametrize("value", [0.9, 0.1, 1e-5, 1, 1.0])
def test_efficiency_is_the_decimal_that_is_written(value: float) -> None:
    """0.9 is nine tenths exactly, not the nearest binary number."""
    assert as_efficiency(value) == Fraction(str(value))


@pytest.mark.parametrize("value", [0, -0.5, 1.0000001, float("nan"), float("inf"), True, "0.9", None])
def test_other_efficiencies_are_refused(value: object) -> None:
    """Efficiency is a number above 0 and at most 1."""
    with pytest.raises(InputError, match="expected a number above 0, at most 1"):
        as_efficiency(value)


BAD = [
    ("schema = 1", "", ": schema: found nothing, expected this key"),
    ("schema = 1", "schema = 2", ":1: schema: found 2, expected 1, the form that this version reads"),
    ("schema = 1", "schema = true", ":1: schema: found True, expected 1"),
    ("schema = 1", "schema = 1.0", ":1: schema: found 1.0, expected 1"),
    ("schema = 1", "schema = 1\nscheme = 1", ":2: scheme: found unknown key 'scheme', did you mean 'schema'?"),
    ('name = "three"', 'name = ""', ":2: name: found '', expected a non-empty text in quotes, on one line"),
    (
        'processor = "gpu"',
        'processor = "gpus"',
        ":3: processor: found 'gpus', where no tier hangs and no link ends, did you mean",
    ),
    ('processor = "gpu"', 'procesor = "gpu"', ":3: procesor: found unknown key 'procesor', did you mean 'processor'?"),
    ('capacity = "80 GiB"', "capacity = 80", ":5: tiers.hbm.capacity: found 80 without a unit, expected a size with its unit"),
    (
        'capacity = "80 GiB"',
        'capcity = "80 GiB"',
        ":5: tiers.hbm.capcity: found unknown key 'capcity', did you mean 'capacity'?",
    ),
    (
        'rate = "3.35 TB/s"',
        'rate = "3.35 TB"',
        ":6: tiers.hbm.rate: found unit 'TB' in '3.35 TB', expected a rate with its unit",
    ),
    ('rate = "3.35 TB/s"', 'rate = "0 TB/s"', ":6: tiers.hbm.rate: found '0 TB/s', expected a rate above zero"),
    ('rate = "3.35 TB/s"', "", ":4: tiers.hbm.rate: found nothing, expected one shared rate, or read_rate and write_rate"),
    ('rate = "3.35 TB/s"', 'rat = "3 TB/s"', ":6: tiers.hbm.rat: found unknown key 'rat', did you mean 'rate'?"),
    (
        'rate = "3.35 TB/s"',
        'rate = "3.35 TB/s"\nread_rate = "3 TB/s"',
        ":7: tiers.hbm.read_rate: found read_rate beside one shared rate, expected either rate, or read_rate and write_rate",
    ),
    ('write_rate = "3 GB/s"', "", ":15: tiers.nvme.write_rate: found nothing, expected this key"),
    ("efficiency = 0.9", "efficiency = 1.5", ":11: tiers.dram.efficiency: found 1.5, expected a number above 0, at most 1"),
    (
        "efficiency = 0.9",
        "efficiency = 1e-12",
        ":10: tiers.dram.rate: found 500000000000 B/s at an efficiency of 1e-12, expected",
    ),
    ('date = "2024-03"', 'date = "March"', ":14: tiers.dram.date: found 'March', expected a date in quotes such as"),
    (
        'date = "2024-03"',
        "date = 2024-03-01",
        ":14: tiers.dram.date: found the date or time 2024-03-01, expected a date in quotes",
    ),
    ('date = "2024-03"', 'date = "2024-13"', ":14: tiers.dram.date: found '2024-13', expected a date"),
    ('at = "gpu"', 'at = "gup"', ":7: tiers.hbm.at: found 'gup', from which no link leads to 'gpu', did you mean 'gpu'?"),
    (
        'from = "host"',
        'from = "hots"',
        ":12: tiers.dram.at: found 'host', from which no link leads to 'gpu', did you mean 'hots'?",
    ),
    ('from = "host"', 'from = "gpu"', ":22: links.c2c.to: found a link from 'gpu' to itself, expected two nodes"),
    ('up.rate = "450 GB/s"', "", ":20: links.c2c.up.rate: found nothing, expected this key"),
    ('up.rate = "450 GB/s"', 'up = "450 GB/s"', ":23: links.c2c.up: found '450 GB/s', expected a table"),
    ('up.rate = "450 GB/s"', 'up.rat = "450 GB/s"', ":23: links.c2c.up.rat: found unknown key 'rat', did you mean 'rate'?"),
    (
        'up.rate = "450 GB/s"\ndown.rate = "400 GB/s"\n',
        "",
        ":20: links.c2c.rate: found nothing, expected one shared rate, or up and down",
    ),
    (
        'down.rate = "400 GB/s"',
        'rate = "400 GB/s"',
        ":23: links.c2c.up: found up beside one shared rate, expected either rate, or up and down",
    ),
    ("[links.c2c]", "[lnks.c2c]", ":20: lnks: found unknown key 'lnks', did you mean 'links'?"),
    ("[tiers.hbm]", "[tiers.preset]", ":4: tiers.preset: found the name 'preset', expected another name"),
    ("[tiers.hbm]", '[tiers."h b m"]', "found the name 'h b m', expected a letter"),
    ("[tiers.hbm]\n", "[[tiers]]\n[other]\n", ":4: tiers: found a list, expected a table"),
]


@pytest.mark.parametrize(("old", "new", "message"), BAD, ids=[f"{new or old}" for old, new, _ in BAD])
def test_a_broken_file_is_refused_with_its_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    """One key of a good file broken gives FILE:LINE: FIELD: what was found, what was expected."""
    assert GOOD.count(old) >= 1
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        load_memory(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


def test_tiers_must_be_tables(tmp_path: Path) -> None:
    """tiers and links are tables of tables."""
    for text, message in (
        ("tiers = 3\n", ":4: tiers: found 3, expected a table"),
        ("tiers.hbm = 3\n", ":4: tiers.hbm: found 3, expected a table"),
        ("[[tiers]]\n", ":4: tiers: found a list, expected a table"),
        ("", ": tiers: found no tier, expected at least one"),
    ):
        path = write(tmp_path, 'schema = 1\nname = "x"\nprocessor = "gpu"\n' + text)
        with pytest.raises(InputError) as caught:
            load_memory(path)
        assert str(caught.value) == f"{path}{message}"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(InputError, match=r"none\.toml: found no such file, expected an existing file"):
        load_memory(tmp_path / "none.toml")


def test_presets_have_names_that_instances_rely_on() -> None:
    """Those that there have been since the first release."""
    assert {"cxl3", "gh200", "gh200-nvlink3", "gh200-pcie6", "h100-pcie5", "nvme4"} <= set(preset_names())


@pytest.mark.parametrize("name", preset_names())
def test_every_number_of_a_preset_has_source_and_date(name: str) -> None:
    """Each tier, link and engine of each preset says where its numbers come from and from when; names agree with the files."""
    memory = preset_given(name)
    assert memory.name == name
    for item in (*memory.tiers, *memory.links, *memory.engines):
        assert item.source, item.name
        assert re.fullmatch(r"20[0-9]{2}(-[0-9]{2}){0,2}", item.date), item.name


@pytest.mark.parametrize("name", sorted(set(preset_names()) - set(NO_LADDERS)))
def test_a_preset_slows_down_and_grows_from_tier_to_tier(name: str) -> None:
    """In file order tiers get slower and larger, so the first is the fastest and the last is the home."""
    memory = preset_given(name)
    assert memory.by_speed == tuple(range(len(memory.tiers)))
    assert memory.home == len(memory.tiers) - 1
    assert [item.capacity for item in memory.tiers] == sorted(item.capacity for item in memory.tiers)


def test_gh200_has_the_numbers_of_the_paper() -> None:
    """arXiv 2508.13231: 4.9 TB/s, 450 GB/s each way, 500 GB/s; tiers hbm and lpddr, link c2c."""
    memory = preset("gh200")
    assert memory.resources == ("hbm", "lpddr", "c2c.up", "c2c.down")
    assert memory.rates.tolist() == [4_900 * 10**9, 500 * 10**9, 450 * 10**9, 450 * 10**9]
    assert memory.read.tolist() == [[1, 0, 0, 0], [0, 1, 1, 0]]
    assert memory.write.tolist() == [[1, 0, 0, 0], [0, 1, 0, 1]]
    assert memory.copy[1, 0].tolist() == [1, 1, 1, 0]


@pytest.mark.parametrize(("name", "rate"), [("gh200-nvlink3", 300), ("gh200-pcie6", 64)])
def test_link_variants_differ_from_gh200_in_the_link_only(name: str, rate: int) -> None:
    """The paper's variants have another link and nothing else."""
    memory, base = preset(name), preset("gh200")
    assert memory.tiers == base.tiers
    assert memory.rates.tolist() == [4_900 * 10**9, 500 * 10**9, rate * 10**9, rate * 10**9]
    np.testing.assert_array_equal(memory.read, base.read)


def test_unknown_preset_is_refused_with_the_nearest() -> None:
    """A misspelt preset is answered with the one meant."""
    with pytest.raises(InputError, match=r"preset: found no preset 'gh20', did you mean 'gh200'\?"):
        preset("gh20")
    with pytest.raises(InputError, match=r"found no preset '\.\./gh200'"):
        preset("../gh200")


def overridden(folder: Path, text: str, base: str = "nvme4") -> MemorySystem:
    path = folder / "instance.toml"
    path.write_text(f'[memory]\npreset = "{base}"\n{text}\n', encoding="utf-8")
    table = read_toml(path).table("memory")
    assert table is not None
    return override(preset(table.need("preset", str)), table)


def test_overrides_replace_what_they_name_and_nothing_else(tmp_path: Path) -> None:
    """Capacity, rates and efficiency of tiers and links, in the form the file has."""
    text = """
hbm.capacity = "25 GiB"
hbm.rate = "4 TB/s"
hbm.efficiency = 0.5
nvme.write_rate = "1 GB/s"
pcie.up.rate = "20 GB/s"
nvme_x4.efficiency = 0.75
"""
    memory, base = overridden(tmp_path, text), preset("nvme4")
    assert memory.tiers[0].capacity == 25 * 2**30
    assert memory.tiers[1] == base.tiers[1]
    changed = dict(zip(memory.resources, memory.rates.tolist(), strict=True))
    expected = dict(zip(base.resources, base.rates.tolist(), strict=True))
    expected |= {
        "hbm": 2 * 10**12,
        "nvme.write": 10**9,
        "pcie.up": 20 * 10**9,
        "nvme_x4.up": 6 * 10**9,
        "nvme_x4.down": 6 * 10**9,
    }
    assert changed == expected
    np.testing.assert_array_equal(memory.copy, base.copy)
    assert (memory.name, memory.routes) == (base.name, base.routes)


def test_a_shared_link_is_overridden_by_its_rate(tmp_path: Path) -> None:
    """LINK.rate replaces the one rate of a link that has one."""
    path = write(tmp_path, GOOD.replace('up.rate = "450 GB/s"\ndown.rate = "400 GB/s"', 'rate = "9 GB/s"'))
    memory = load_memory(path)
    assert memory.rates.tolist()[-1] == 9 * 10**9
    over = tmp_path / "over.toml"
    over.write_text('c2c.rate = "8 GB/s"\n', encoding="utf-8")
    assert override(memory, read_toml(over)).rates.tolist()[-1] == 8 * 10**9


def test_one_way_of_a_shared_link_cannot_be_overridden(tmp_path: Path) -> None:
    """LINK.up.rate of a link that has one rate would say nothing of the other way."""
    memory = load_memory(write(tmp_path, GOOD.replace('up.rate = "450 GB/s"\ndown.rate = "400 GB/s"', 'rate = "9 GB/s"')))
    over = tmp_path / "over.toml"
    over.write_text('c2c.up.rate = "8 GB/s"\n', encoding="utf-8")
    with pytest.raises(InputError, match="up: found up for a link whose ways share one rate, expected rate"):
        override(memory, read_toml(over))


def test_rate_sets_both_ways_where_they_are_separate(tmp_path: Path) -> None:
    """TIER.rate of a tier with read and write rate, LINK.rate of a link with up and down: both become that rate."""
    memory, base = overridden(tmp_path, 'nvme.rate = "1 GB/s"\npcie.rate = "20 GB/s"'), preset("nvme4")
    expected = dict(zip(base.resources, base.rates.tolist(), strict=True))
    expected |= dict.fromkeys(("nvme.read", "nvme.write"), 10**9) | dict.fromkeys(("pcie.up", "pcie.down"), 20 * 10**9)
    assert dict(zip(memory.resources, memory.rates.tolist(), strict=True)) == expected


def test_no_override_changes_nothing(tmp_path: Path) -> None:
    """An instance that overrides nothing has the preset's tables."""
    memory, base = overridden(tmp_path, ""), preset("nvme4")
    assert (memory.tiers, memory.links) == (base.tiers, base.links)


BAD_OVERRIDES = [
    ('hbn.capacity = "1 GB"', ":3: memory.hbn: found unknown key 'hbn', did you mean 'hbm'?"),
    ('hbm.capacty = "1 GB"', ":3: memory.hbm.capacty: found unknown key 'capacty', did you mean 'capacity'?"),
    ("hbm.capacity = 25", ":3: memory.hbm.capacity: found 25 without a unit, expected a size with its unit"),
    ("hbm = 25", ":3: memory.hbm: found 25, expected a table"),
    (
        'hbm.read_rate = "1 GB/s"',
        ":3: memory.hbm.read_rate: found read_rate for a tier whose ways share one rate, expected rate",
    ),
    ('hbm.write_rate = "1 GB/s"', ":3: memory.hbm.write_rate: found write_rate for a tier whose ways share one rate"),
    (
        'nvme.rate = "1 GB/s"\nnvme.write_rate = "1 GB/s"',
        ":4: memory.nvme.write_rate: found write_rate beside rate, which sets both ways, expected one of the two",
    ),
    ('pcie.rate = "1 GB/s"\npcie.up.rate = "1 GB/s"', ":4: memory.pcie.up: found up beside rate, which sets both ways"),
    ('pcie.rte = "1 GB/s"', ":3: memory.pcie.rte: found unknown key 'rte', did you mean 'rate'?"),
    ('pcie.up.rat = "1 GB/s"', ":3: memory.pcie.up.rat: found unknown key 'rat', did you mean 'rate'?"),
    ("pcie.up = {}", ":3: memory.pcie.up.rate: found nothing, expected this key"),
    ("nvme.efficiency = 1e-11", ":3: memory.nvme.read_rate: found 6500000000 B/s at an efficiency of 1e-11, expected at least"),
]


@pytest.mark.parametrize(("text", "message"), BAD_OVERRIDES, ids=[text for text, _ in BAD_OVERRIDES])
def test_a_broken_override_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    """Unknown tiers, links and keys are answered with the nearest; values are checked as in files."""
    with pytest.raises(InputError) as caught:
        overridden(tmp_path, text)
    assert message in str(caught.value)
