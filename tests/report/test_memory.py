"""What memory list and memory show say."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from placement_opt.memory import build_memory, load_memory, preset, preset_names
from placement_opt.memory.system import Compute, Outside
from placement_opt.report.memory import memory_info, memory_text
from placement_opt.report.presets import presets_info, presets_text
from tests.memory.systems import WORN, kvnand, link, preset_given, tier


@pytest.mark.parametrize("name", ["gh200", "nvme4"])
def test_info_is_json_and_complete(name: str) -> None:
    """The dictionary survives JSON and has every operation with its loads, bottleneck and rate."""
    memory = preset(name)
    info = json.loads(json.dumps(memory_info(memory)))
    assert info == memory_info(memory)
    tiers = len(memory.tiers)
    assert len(info["operations"]) == tiers * (tiers + 1)
    for operation in info["operations"]:
        assert tuple(operation["route"]) == memory.routes[operation["name"]]
        rates = dict(zip(memory.resources, memory.rates.tolist(), strict=True))
        slowest = min(Fraction(rates[name], load) for name, load in operation["loads"].items())
        assert (
            operation["rate"]
            == slowest
            == Fraction(rates[operation["bottleneck"]], operation["loads"][operation["bottleneck"]])
        )


def test_gh200_operations_have_the_known_bottlenecks() -> None:
    """The link binds before lpddr does, in both directions."""
    found = {
        operation["name"]: (operation["bottleneck"], operation["rate"])
        for operation in memory_info(preset("gh200"))["operations"]
    }
    assert found == {
        "read hbm": ("hbm", 4_900 * 10**9),
        "read lpddr": ("c2c.up", 450 * 10**9),
        "write hbm": ("hbm", 4_900 * 10**9),
        "write lpddr": ("c2c.down", 450 * 10**9),
        "copy hbm->lpddr": ("c2c.down", 450 * 10**9),
        "copy lpddr->hbm": ("c2c.up", 450 * 10**9),
    }


def test_text_shows_both_conventions_routes_and_sources() -> None:
    """Sizes and rates stand in powers of ten and of two; every operation stands with its route and bottleneck."""
    text = memory_text(preset("gh200"))
    for part in ("144 GB", "134.1 GiB", "4.9 TB/s", "4.457 TiB/s", "450 GB/s each way", "419.1 GiB/s each way"):
        assert part in text
    assert "lpddr -> cpu -> gpu" in text
    assert "arXiv 2508.13231" in text
    assert "(2025-08)" in text
    line = next(line for line in text.splitlines() if line.startswith("read lpddr"))
    assert line.split()[-5:] == ["c2c.up", "450", "GB/s", "419.1", "GiB/s"]


def test_text_of_unequal_ways_and_no_sources() -> None:
    """Unequal rates are named by their ways; a file without sources has no list of them; efficiency shows in the resources."""
    memory = build_memory("m", "gpu", [tier("nvme", "host", 7_000, 3_000)], [link("pcie", "host", "gpu", 32_000, 16_000)])
    text = memory_text(memory)
    assert "read 7 kB/s, write 3 kB/s" in text
    assert "up 32 kB/s, down 16 kB/s" in text
    assert "sources" not in text
    assert "link" not in memory_text(build_memory("m", "gpu", [tier("hbm", "gpu", 7_000)], []))


def test_list_has_every_preset() -> None:
    """One entry for each preset, one line for each tier."""
    info = json.loads(json.dumps(presets_info()))
    assert [entry["name"] for entry in info] == list(preset_names())
    gh200 = next(entry for entry in info if entry["name"] == "gh200")
    assert gh200["links"] == ["c2c"]
    assert gh200["tiers"][1] == {
        "name": "lpddr",
        "capacity": 480 * 10**9,
        "read_rate": 500 * 10**9,
        "write_rate": 500 * 10**9,
    }
    lines = presets_text().splitlines()
    assert len(lines) == 2 + sum(len(preset_given(name).tiers) for name in preset_names())
    first = next(line for line in lines if line.startswith("h100-pcie5"))
    assert first.split() == ["h100-pcie5", "hbm", "80", "GB", "74.51", "GiB", "3.35", "TB/s", "3.047", "TiB/s"]


def test_loads_are_shown_in_their_own_units() -> None:
    """A sixteenth is a sixteenth, not one of a resource sixteen times as fast; and what a block takes follows."""
    info = memory_info(kvnand())
    assert info["resources"] == [
        {"name": "flash", "rate": 10, "unit": "bytes"},
        {"name": "channel", "rate": 1, "unit": "bytes"},
    ]
    found = {operation["name"]: operation for operation in info["operations"]}
    assert list(found) == ["read flash", "write flash", "attend flash"]
    attend = found["attend flash"]
    assert (attend["loads"], attend["bottleneck"], attend["rate"]) == ({"flash": 1, "channel": 0.0625}, "flash", 10)
    assert attend["route"] == ["flash", "die", "gpu"]
    assert info["block_bytes"] == [65536]
    assert (attend["block_s"], found["read flash"]["block_s"]) == ([6553.6], [65536.0])
    assert "attend flash  flash 1, channel 1/16" in memory_text(kvnand())


def test_pages_requests_and_what_comes_from_outside() -> None:
    """The table says what a block asks for and what bytes are rounded to; each page has its column of times."""
    flash = replace(tier("flash", "die", 10_000), page=4096, read_iops=1000, compute=Compute(5000, Fraction(1, 4)))
    outside = [Outside("recompute", "recompute", 32768)]
    memory = build_memory("m", "gpu", [flash], [link("l", "die", "gpu", 2000)], outside)
    info = memory_info(memory)
    assert info["block_bytes"] == [65536, 4096]
    assert info["resources"][2] == {"name": "flash.read_iops", "rate": 1000, "unit": "requests"}
    found = {operation["name"]: operation for operation in info["operations"]}
    assert (found["read flash"]["calls"], found["read flash"]["grain"]) == ({"flash.read_iops": 1}, 4096)
    assert found["write flash"]["calls"] == {}
    assert found["recompute"]["route"] == []
    assert found["recompute"]["block_s"] == [2.0, 0.125]
    assert found["attend flash"]["block_s"] == [65536 / 5000, 4096 / 5000]
    assert info["tiers"][0]["compute"] == {"rate": 5000, "result": "1/4", "energy": None}
    lines = memory_text(memory).splitlines()
    assert ["flash.read_iops", "1", "kIOPS"] in [line.split() for line in lines]
    (heads,) = (line for line in lines if "loads a byte" in line)
    assert heads.split("  ")[-2:] == ["64 KiB takes", "4 KiB takes"]
    attends = [line.split() for line in lines if line.startswith("attend flash")][1]
    assert attends[2:8] == ["flash", "1,", "l", "1/4,", "flash.compute", "1"]
    assert attends[8:] == ["flash.read_iops", "1", "4", "KiB", "13.11", "s", "819.2", "ms"]


def test_requests_decide_where_blocks_are_small() -> None:
    """Eight requests of a byte at 100 requests/s take 0.08 s, whatever the bytes allow."""
    memory = build_memory("m", "gpu", [replace(tier("nvme", "gpu", 10**9), read_iops=100)], [])
    loads = memory.operations.block_loads(1)[memory.operations.first_serving]
    assert max(Fraction(int(load), int(rate)) for load, rate in zip(loads, memory.rates, strict=True)) * 8 == Fraction(8, 100)


def test_energies_and_wear_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_text(WORN.replace('energy = "2 pJ/bit"\n', ""))
    memory = load_memory(path)
    info, text = memory_info(memory), memory_text(memory)
    joules = {one["name"]: one["block_j"][0] for one in info["operations"]}
    assert joules["read flash"] == pytest.approx(48e-12 * 2**16)
    assert joules["copy flash->hbm"] == pytest.approx((48 + 24) * 1e-12 * 2**16)
    assert info["energy_unsaid"] == ["c2c"]
    assert "energy: nothing is said of c2c, which count as none" in text
    assert "flash  3,000 cycles            1.5            8 MB        2 mW" in text
    assert memory_info(preset("gh200"))["operations"][0]["block_j"] is None
