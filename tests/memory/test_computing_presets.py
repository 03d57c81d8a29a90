"""Presets of memory that computes, and of others that papers describe: they build, and give the figures of their sources."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.instance.load import load_instance
from placement_opt.memory import MemorySystem, preset, preset_names
from placement_opt.memory.files import preset_with_required
from tests.memory.systems import GIVEN, preset_given

#: Bytes/s of a die of arXiv 2512.03608: 32 planes, each 4,096 B in 4 us.
DIE = 32_768_000_000
KVNAND = [name for name in preset_names() if name.startswith("kvnand-")]


def rates(memory: MemorySystem) -> dict[str, float]:
    """Resource -> bytes/s (requests/s), in its own unit."""
    pairs = zip(memory.resources, memory.rates.tolist(), strict=True)
    return {name: rate / memory.scale.get(name, 1) for name, rate in pairs}


def joules(memory: MemorySystem, name: str) -> float:
    """pJ a bit of an operation."""
    counted = int(memory.meters.per_byte[memory.operations.names.index(name), 0])
    return float(Fraction(counted, memory.meters.parts[0]) / 8 * 10**12)


@pytest.mark.parametrize("name", sorted(GIVEN))
def test_numbers_that_nobody_has_published_are_asked_for(name: str) -> None:
    """Each of them is named, and none of them has a number."""
    required = preset_with_required(name)[1]
    assert set(required) == set(GIVEN[name])
    with pytest.raises(InputError, match=f"found no {required[0]}, which {name} leaves to its user"):
        preset(name)
    for key in required:
        with pytest.raises(InputError, match=f"{key}.*: found nothing, and {name} leaves it to its user, expected this key"):
            preset(name, {other: value for other, value in GIVEN[name].items() if other != key})


@pytest.mark.parametrize("name", KVNAND)
def test_a_die_of_kvnand_reads_and_computes_alike(name: str) -> None:
    """32.768 GB/s a die, however many; a page is computed in the time that it is read; 132.75 Gib a die."""
    memory = preset(name)
    for tier in memory.tiers:
        if tier.name == "dram":
            assert (tier.read_rate, tier.capacity) == (64 * 10**9, 8 * 2 * 2**30)
            continue
        assert tier.read_rate == tier.dies * DIE
        assert tier.write_rate == int(tier.dies * 32 * 4096 / Fraction(75, 10**6))
        assert tier.capacity * 8 == tier.dies * Fraction(13275, 100) * 2**30
        assert tier.endurance == 100_000
        assert joules(memory, f"read {tier.name}") == pytest.approx(3 + 4.9)
        assert joules(memory, f"store {tier.name}") == pytest.approx(7.5 + 4.9)
        if tier.compute is not None:
            assert tier.compute.rate == tier.read_rate
            assert joules(memory, f"multiply {tier.name}") == pytest.approx(3.2 + 4.9 / 1024)
    assert rates(memory)["onfi"] == 38.4e9


@pytest.mark.parametrize(
    ("name", "operations"),
    [
        ("kvnand-base1", ["multiply ifc"]),
        ("kvnand-base2", ["multiply ifc"]),
        ("kvnand-c16", ["attend flash", "multiply flash"]),
        ("kvnand-d", ["attend g1", "multiply g1", "attend g2", "multiply g2"]),
    ],
)
def test_what_the_systems_of_kvnand_compute(name: str, operations: list[str]) -> None:
    """The two bases multiply weights alone, and read KV to attend it; the others compute with both."""
    memory = preset(name)
    assert list(memory.operations.names[memory.operations.first_serving + len(memory.tiers) :]) == operations


@pytest.mark.parametrize(("name", "groups"), [("kvnand-d", (9, 7)), ("kvnand-d8", (4, 4))])
def test_the_groups_of_kvnand_are_any(name: str, groups: tuple[int, int]) -> None:
    """The paper tries every split of its dies: an override each."""
    memory = preset(name)
    assert tuple(tier.dies for tier in memory.tiers) == groups
    other = preset(name, {"g1.dies": 15, "g2.dies": 1})
    assert [tier.read_rate for tier in other.tiers] == [15 * DIE, DIE]
    assert sum(tier.capacity for tier in other.tiers) == 16 * memory.tiers[0].capacity // groups[0]
    assert memory.assumptions == (f"g1, g2: {memory.tiers[0].assumed}",)
    assert [preset(f"kvnand-c{dies}").tiers[0].dies for dies in (8, 16)] == [8, 16]


def _seconds(memory: MemorySystem, loads: dict[str, float]) -> float:
    """Of a step in which each operation takes so many bytes."""
    row = sum(
        (memory.operations.per_byte[memory.operations.names.index(name)] * size for name, size in loads.items()),
        np.zeros(len(memory.resources)),
    )
    return float((row / memory.rates).max())


def test_steps_of_kvnand_take_what_its_resource_model_says() -> None:
    """Weights of 13.2 GB and KV of 0.5 GB: W over dies that multiply, V over what attends or is read, as the labels have it.

    LLaMA2-7B at 1K (32 layers, 32 heads of 128): 16.95 tokens/s on Base-1, 15.48 on Base-2, within the 2.3 % of the model.
    """
    weights = 2 * (32 * (4 * 4096**2 + 3 * 4096 * 11008) + 32_000 * 4096)
    kv = 2 * 32 * 32 * 128 * 2 * 1024
    base1 = _seconds(preset("kvnand-base1"), {"multiply ifc": weights}) + _seconds(preset("kvnand-base1"), {"read dram": kv})
    base2 = _seconds(preset("kvnand-base2"), {"multiply ifc": weights}) + _seconds(preset("kvnand-base2"), {"read nand": kv})
    assert base1 == pytest.approx(weights / (8 * DIE) + kv / 64e9)
    assert base2 == pytest.approx(weights / (8 * DIE) + kv / 38.4e9)
    assert 1 / base1 == pytest.approx(16.95, rel=0.023)
    assert 1 / base2 == pytest.approx(15.48, rel=0.023)
    compact = preset("kvnand-c16")
    assert _seconds(compact, {"multiply flash": weights, "attend flash": kv}) == pytest.approx((weights + kv) / (16 * DIE))


def test_energies_of_kvnand() -> None:
    """LLaMA2-7B at 10K: 0.63 J a token on Base-1, 0.67 on Base-2, 0.47 in flash (figure 16), within the 2.1 % of the model."""
    weights, kv = 2 * (32 * (4 * 4096**2 + 3 * 4096 * 11008) + 32_000 * 4096), 2 * 32 * 32 * 128 * 2 * 10 * 1024
    wanted = [("base1", "multiply ifc", "read dram", 0.63), ("base2", "multiply ifc", "read nand", 0.67)]
    for name, multiplies, reads, total in [*wanted, ("c16", "multiply flash", "attend flash", 0.47)]:
        memory = preset(f"kvnand-{name}")
        found = 8e-12 * (weights * joules(memory, multiplies) + kv * joules(memory, reads))
        assert found == pytest.approx(total, rel=0.021), name


@pytest.mark.parametrize(
    ("size", "computed", "streamed", "split", "channels", "cores"),
    [("s", 17.3, 7.9, 0.69, 8, 4), ("m", 69.1, 15.6, 0.82, 16, 8), ("l", 274.9, 30.9, 0.90, 32, 16)],
)
def test_cambricon_balances_computing_and_streaming(
    size: str, computed: float, streamed: float, split: float, channels: int, cores: int
) -> None:
    """Weights flow both ways at once: the best split fills cores and channels, at the rates that follow from its tiles."""
    memory = preset(f"cambricon-{size}")
    flash = memory.tiers[1]
    assert flash.dies == channels * cores
    by_rate = rates(memory)
    share = float(Fraction(int(memory.operations.per_byte[-1][memory.resources.index("channel")]), memory.scale["channel"]))
    tile = (cores * 16384) ** 0.5
    assert share == pytest.approx(2 * tile / (cores * 16384), rel=2e-4)
    assert by_rate["flash.compute"] == pytest.approx(channels * cores * 16384 / (30e-6 + tile / 1e9), rel=1e-4)
    stream = by_rate["channel"] - share * by_rate["flash.compute"]
    assert round(by_rate["flash.compute"] / 1e9, 1) == computed
    assert round(stream / 1e9, 1) == streamed
    assert computed + streamed < by_rate["flash.read"] / 1e9
    assert round(by_rate["flash.compute"] / (by_rate["flash.compute"] + stream), 2) == split
    both = {"multiply flash": split * 1e9, "read flash": (1 - split) * 1e9}
    assert _seconds(memory, both) == pytest.approx(1 / (computed + streamed), rel=0.04)
    assert by_rate["dram"] == 40e9


@pytest.mark.parametrize("packages", [2, 4])
def test_lincoln_computes_at_what_its_dies_do(packages: int) -> None:
    """34 GB/s a die, less than its planes read; both memories leave a package by one bus of 64 bits."""
    memory = preset(f"lincoln-{packages}")
    by_rate = rates(memory)
    assert by_rate["flash.compute"] == packages * 4 * 34e9
    assert by_rate["flash.read"] == pytest.approx(packages * 4 * 32 * 4096 / 3.426e-6)
    assert by_rate["lpddr"] == packages * 8 * 8.533e9
    assert memory.tiers[1].read_energy == pytest.approx(98e-9 / 4096, rel=1e-3)


def test_rates_of_the_others() -> None:
    """As their sources have them."""
    aif = rates(preset_given("aif"))
    assert (aif["flash.read"], aif["channel"], aif["pcie.up"], aif["dram"]) == (102.4e9, 16e9, 8e9, 86.4e9)
    pim = preset("attacc-pim")
    assert (rates(pim)["hbm"], rates(pim)["hbm.compute"]) == (40 * 16 * 670.4e9, 40 * 9 * 670.4e9)
    assert joules(pim, "read hbm") == pytest.approx(3.59)
    kelle = rates(preset("kelle-edram"))
    assert (kelle["edram"], kelle["sram"], kelle["lpddr"]) == (256e9, 128e9, 64e9)
    pool = preset_given("cxl-speckv")
    assert rates(pool)["codec"] == 51.2e9
    read = pool.operations.per_byte[pool.operations.names.index("read pool")].tolist()
    loads = {name: Fraction(load, pool.scale.get(name, 1)) for name, load in zip(pool.resources, read, strict=True) if load}
    assert loads == {"pool": 1, "cxl": Fraction(5, 16), "codec": 1}


@pytest.mark.parametrize(("grade", "rate"), [(1, 0.384), (2, 1.536), (3, 3.072)])
def test_grades_of_high_bandwidth_flash(grade: int, rate: float) -> None:
    """The base die's rate is the grade's, the array's follows from the time that a page takes: 256 banks of 4 KiB."""
    memory = preset(f"hbf-g{grade}", {"hbf.read_time": "2 us", "hbf.program_time": "100 us"})
    by_rate = rates(memory)
    assert by_rate["ucie.up"] == pytest.approx(rate * 1e12)
    assert by_rate["hbf.read"] == pytest.approx(256 * 4096 / 2e-6)
    assert by_rate["hbf.write"] == pytest.approx(256 * 4096 / 100e-6)
    assert memory.tiers[0].capacity == 512 * 2**30
    assert memory.operations.grain[memory.operations.first_serving] == 2**16
    assert any("no silicon yet" in text for text in memory.assumptions)
    assert memory.tiers[0].endurance is None


def test_how_often_high_bandwidth_flash_is_written_is_asked_for_where_it_matters(tmp_path: Path) -> None:
    """A budget of wear needs the endurance that the specification leaves to the product; nothing else does."""
    path = tmp_path / "i.toml"
    path.write_text(
        'schema = 1\nname = "i"\n[memory]\npreset = "hbf-g1"\nhbf.read_time = "3 us"\nhbf.program_time = "100 us"\n'
        '[llm]\nlayers = 2\nkv_bytes = "1 MiB"\n[trace]\nsynth = "drift"\nseed = 1\nlayers = 2\nprefill = 16\ntokens = 4\n'
    )
    assert load_instance(path).memory.tier_names == ("hbf",)
    path.write_text(path.read_text() + '[budgets]\nhbf.lifetime = "5 years"\n')
    with pytest.raises(InputError, match="found a lifetime of hbf, whose endurance nothing says, expected endurance"):
        load_instance(path)
    assert len(load_instance(path, {"memory.hbf.endurance": "100000 cycles"}).budgets) == 1
