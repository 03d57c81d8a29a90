"""Tiers of dies, rates that follow from pages and times, cores, channels: files, overrides and what they show."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from placement_opt.base.capacity import UNLIMITED
from placement_opt.base.errors import InputError
from placement_opt.base.toml import Table
from placement_opt.instance.outline import read_outline
from placement_opt.instance.scaled import LayerShare
from placement_opt.memory import MemorySystem, load_memory, override, preset
from placement_opt.report.memory import memory_info, memory_text

#: One die of flash as arXiv 2512.03608 has it: a page of 4 KiB in each of 32 planes in 4 us.
DIE = """
schema = 1
name = "inflash"
processor = "npu"
[tiers.dram]
capacity = "2 GB"
rate = "8 GB/s"
dies = 8
background_power = "10 mW"
at = "npu"
[tiers.flash]
capacity = "16 GB"
dies = 16
planes = 32
page = "4 KiB"
read_time = "4 us"
program_time = "75 us"
read_iops = "1 MIOPS"
compute = { cores = 32, result = "1/64", energy = "0.2 pJ/bit" }
read_energy = "3 pJ/bit"
at = "ifc"
assumed = "result: nobody says how large it is"
[links.onfi]
from = "ifc"
to = "npu"
up.rate = "4.8 GB/s"
down.rate = "2.4 GB/s"
channels = 8
"""


def made(folder: Path, text: str = DIE, **overrides: object) -> MemorySystem:
    """The system of a text, with overrides whose dots are written as two underscores."""
    path = folder / "m.toml"
    path.write_text(text)
    return load_memory(path, {key.replace("__", "."): value for key, value in overrides.items()})


def again(memory: MemorySystem, values: dict[str, object]) -> MemorySystem:
    return override(memory, Table({}, Path("o.toml"), "", {}).overridden(values))


def test_a_tier_has_the_totals_of_its_dies(tmp_path: Path) -> None:
    """32 planes of 4,096 B in 4 us are 32.768 GB/s a die exactly; capacity, requests, power and cores add up."""
    memory = made(tmp_path)
    dram, flash = memory.tiers
    assert (dram.capacity, dram.read_rate, dram.background_power) == (16 * 10**9, 64 * 10**9, Fraction(8, 100))
    assert (flash.capacity, flash.read_rate, flash.read_iops) == (256 * 10**9, 16 * 32_768_000_000, 16 * 10**6)
    assert flash.write_rate == int(16 * 32 * 4096 / Fraction(75, 10**6))
    assert flash.compute is not None
    assert flash.compute.rate == flash.read_rate
    assert (memory.links[0].up_rate, memory.links[0].down_rate) == (38_400_000_000, 19_200_000_000)
    assert memory.resources[1:3] == ("flash.read", "flash.write")
    assert made(tmp_path, flash__dies=1).rates[1] == 32_768_000_000


@pytest.mark.parametrize("dies", [1, 3, 7, 12, 65_536])
def test_another_number_of_dies_rescales(tmp_path: Path, dies: int) -> None:
    """Said in the file or over it, once or again and again: the same system, and back again."""
    memory = made(tmp_path)
    one = again(memory, {"flash.dies": dies, "dram.dies": dies, "onfi.channels": dies})
    text = DIE.replace("dies = 16", f"dies = {dies}").replace("dies = 8", f"dies = {dies}")
    other = made(tmp_path, text.replace("channels = 8", f"channels = {dies}"))
    assert (one.tiers, one.links) == (other.tiers, other.links)
    assert again(one, {"flash.dies": dies}).tiers == one.tiers
    assert again(one, {"flash.dies": 16, "dram.dies": 8, "onfi.channels": 8}).tiers == memory.tiers


def test_numbers_over_a_tier_of_dies_are_of_one(tmp_path: Path) -> None:
    """As in the file; with another number of dies beside them, too."""
    memory = again(made(tmp_path), {"dram.capacity": "3 GB", "dram.rate": "9 GB/s", "flash.capacity": "20 GB", "flash.dies": 2})
    dram, flash = memory.tiers
    assert (dram.capacity, dram.read_rate, flash.capacity, flash.read_rate) == (
        24 * 10**9, 72 * 10**9, 40 * 10**9, 65_536_000_000
    )  # fmt: skip
    channel = again(made(tmp_path), {"onfi.up.rate": "1 GB/s", "onfi.channels": 3}).links[0]
    assert (channel.up_rate, channel.down_rate, channel.channels) == (3 * 10**9, 7_200_000_000, 3)


def test_a_tier_without_dies_is_one() -> None:
    """Four of what a preset has; no limit stays none."""
    memory = preset("gh200", {"hbm.dies": 4, "lpddr.capacity": "unlimited", "lpddr.dies": 2})
    assert (memory.tiers[0].capacity, memory.tiers[0].read_rate) == (4 * 144 * 10**9, 4 * 4900 * 10**9)
    assert (memory.tiers[1].capacity, memory.tiers[1].read_rate) == (UNLIMITED, 10**12)
    assert again(memory, {"hbm.dies": 1, "lpddr.dies": 1}).rates.tolist() == preset("gh200").rates.tolist()


def test_a_capacity_that_counts_is_of_the_whole_tier(tmp_path: Path) -> None:
    """So many tokens are what all dies hold, whatever their number; and rescaled from the whole afterwards."""
    table = Table({}, Path("o.toml"), "", {}).overridden({"dram.capacity": "30 tokens", "dram.dies": 3})
    memory = override(made(tmp_path), table, lambda *_: 1000)
    assert (memory.tiers[0].capacity, memory.tiers[0].dies, memory.tiers[0].read_rate) == (1000, 3, 24 * 10**9)
    assert again(memory, {"dram.rate": "1 GB/s"}).tiers[0].capacity == 1000
    assert again(memory, {"dram.dies": 2}).tiers[0].capacity == 666


@pytest.mark.parametrize(
    ("key", "value", "read", "write", "compute"),
    [
        ("planes", 16, 8 * 32_768_000_000, Fraction(16 * 16 * 4096 * 10**6, 75), 16 * 32_768_000_000),
        ("page", "8 KiB", 32 * 32_768_000_000, Fraction(16 * 32 * 8192 * 10**6, 75), 32 * 32_768_000_000),
        ("read_time", "3 us", Fraction(16 * 32 * 4096 * 10**6, 3), Fraction(16 * 32 * 4096 * 10**6, 75), None),
        ("program_time", "8 us", 16 * 32_768_000_000, 8 * 32_768_000_000, 16 * 32_768_000_000),
        ("compute.cores", 8, 16 * 32_768_000_000, Fraction(16 * 32 * 4096 * 10**6, 75), 4 * 32_768_000_000),
        ("compute.page_time", "16 us", 16 * 32_768_000_000, Fraction(16 * 32 * 4096 * 10**6, 75), 4 * 32_768_000_000),
    ],
)
def test_what_follows_follows_from_new_numbers(
    tmp_path: Path, key: str, value: object, read: Fraction, write: Fraction, compute: Fraction | None
) -> None:
    """Rates are pages over times, rounded down; a core takes as long as a plane unless it says otherwise."""
    flash = again(made(tmp_path), {f"flash.{key}": value}).tiers[1]
    assert flash.compute is not None
    assert (flash.read_rate, flash.write_rate) == (int(read), int(write))
    assert flash.compute.rate == int(read if compute is None else compute)


def test_one_way_may_follow_and_the_other_be_given(tmp_path: Path) -> None:
    """A time for reading and a rate for writing: each for its own way."""
    text = DIE.replace('program_time = "75 us"', 'write_rate = "1 GB/s"')
    flash = made(tmp_path, text).tiers[1]
    assert (flash.read_rate, flash.write_rate, flash.shared) == (16 * 32_768_000_000, 16 * 10**9, False)
    assert made(tmp_path, text, flash__write_rate="2 GB/s").tiers[1].write_rate == 32 * 10**9
    timed = made(tmp_path, text, flash__program_time="8 us").tiers[1]
    assert timed.write_rate == 8 * 32_768_000_000


def test_cores_may_be_given_where_nothing_limits_them(tmp_path: Path) -> None:
    """A tier that computes as fast as it reads gets a rate of its own; one with a rate keeps it."""
    text = DIE.replace("cores = 32, ", "")
    assert made(tmp_path, text, flash__compute__cores=8).tiers[1].compute.rate == 4 * 32_768_000_000  # type: ignore[union-attr]
    with pytest.raises(InputError, match=r"found cores for a tier whose compute\.rate is given as such, expected rate"):
        made(tmp_path, text.replace("compute = {", 'compute = { rate = "1 GB/s",'), flash__compute__cores=8)


def test_what_is_shown_of_dies(tmp_path: Path) -> None:
    """A line for the tiers that have some, one for channels; nothing more of systems that say nothing."""
    memory = made(tmp_path)
    text, info = memory_text(memory), memory_info(memory)
    lines = [line.split() for line in text.splitlines()]
    assert ["flash", "16", "32", "4", "KiB", "4", "us", "75", "us", "32", "4", "us"] in lines
    assert ["dram", "8", "-", "-", "-", "-", "-", "-"] in lines
    assert ["onfi", "8", "up", "4.8", "GB/s,", "down", "2.4", "GB/s"] in lines
    assert "assumed  flash: result: nobody says how large it is" in text
    assert info["assumptions"] == ["flash: result: nobody says how large it is"]
    flash = info["tiers"][1]
    assert {key: flash[key] for key in ("dies", "planes", "read_time_s", "program_time_s")} == {
        "dies": 16, "planes": 32, "read_time_s": 4e-6, "program_time_s": 75e-6
    }  # fmt: skip
    assert (flash["compute"]["cores"], info["links"][0]["channels"]) == (32, 8)
    plain = memory_info(preset("gh200"))
    assert not {"dies", "planes", "assumed"} & set(plain["tiers"][0])
    assert not {"engines", "assumptions"} & set(plain)
    assert "cores" not in memory_text(preset("gh200"))


def test_dies_scale_what_a_share_of_the_layers_leaves(tmp_path: Path) -> None:
    """A tier's room at half of the layers is half of all its dies."""
    (tmp_path / "m.toml").write_text(DIE)
    path = tmp_path / "i.toml"
    path.write_text(
        'schema = 1\nname = "i"\nmemory = { file = "m.toml" }\nllm = { layers = 4, kv_bytes = "1 KiB" }\n'
        'trace = { synth = "drift", seed = 1, layers = 4, prefill = 16, tokens = 4 }\n'
    )
    whole, half = read_outline(path), read_outline(path, layers=LayerShare(1, 2))
    assert [tier.capacity for tier in half.memory.tiers] == [tier.capacity // 2 for tier in whole.memory.tiers]
    assert replace(half.memory.tiers[1], capacity=0) == replace(whole.memory.tiers[1], capacity=0)
