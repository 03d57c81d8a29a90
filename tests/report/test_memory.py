"""What memory list and memory show say."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest

from placement_opt.memory import build_memory, preset, preset_names
from placement_opt.report.memory import memory_info, memory_text, presets_info, presets_text
from tests.memory.systems import link, tier


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
    assert len(lines) == 2 + sum(len(preset(name).tiers) for name in preset_names())
    first = next(line for line in lines if line.startswith("h100-pcie5"))
    assert first.split() == ["h100-pcie5", "hbm", "80", "GB", "74.51", "GiB", "3.35", "TB/s", "3.047", "TiB/s"]
