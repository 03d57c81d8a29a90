"""Today's machines as presets: what their sources say, and the page that is made of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import presets
from placement_opt.base.errors import InputError
from placement_opt.base.toml import read_toml
from placement_opt.memory import MemorySystem, files, load_memory, override, preset, preset_names
from placement_opt.report.memory import memory_info, memory_text

GB, GIB, MIB = 10**9, 2**30, 2**20
#: Preset -> (capacity as its vendor says, what the driver reports, bytes/s) of its HBM.
HBM = {
    "a100": (80 * GIB, None, 2_039 * GB),
    "b200": (180 * GIB, 183_359 * MIB, 7_700 * GB),
    "b200-nvme5": (180 * GIB, 183_359 * MIB, 7_700 * GB),
    "b300": (288 * GIB, 275_040 * MIB, 7_750 * GB),
    "b300-nvme6": (288 * GIB, 275_040 * MIB, 7_750 * GB),
    "gb200": (186 * GIB, 189_471 * MIB, 576_000 // 72 * GB),
    "gb300": (288 * GIB, 284_208 * MIB, 576_000 // 72 * GB),
    "h100-cxl2": (80 * GIB, 81_559 * MIB, 3_350 * GB),
    "h100-nvme5": (80 * GIB, 81_559 * MIB, 3_350 * GB),
    "h100-pcie-card": (80 * GIB, None, 2_000 * GB),
    "h100-sxm": (80 * GIB, 81_559 * MIB, 3_350 * GB),
    "h200": (141 * GIB, 143_771 * MIB, 4_800 * GB),
    "h200-nvme5": (141 * GIB, 143_771 * MIB, 4_800 * GB),
    "mi300x": (192 * GIB, None, 5_300 * GB),
    "mi325x": (256 * GIB, None, 6_000 * GB),
    "mi355x": (288 * GIB, None, 8_000 * GB),
    "tpu-7x": (192 * GIB, None, 7_380 * GB),
    "tpu-v5p": (95 * GIB, None, 2_765 * GB),
    "tpu-v6e": (32 * GIB, None, 1_638 * GB),
    "trainium2": (96 * GIB, None, 2_900 * GB),
}
#: Preset -> channels of the host's memory and bytes/s of one.
HOSTS = {
    "a100": (8, 25_600_000_000),
    "b200": (12, 51_200_000_000),
    "b200-nvme5": (12, 51_200_000_000),
    "b300": (12, 51_200_000_000),
    "b300-nvme6": (12, 51_200_000_000),
    "h100-cxl2": (12, 38_400_000_000),
    "h100-nvme5": (8, 38_400_000_000),
    "h100-pcie-card": (8, 38_400_000_000),
    "h100-sxm": (8, 38_400_000_000),
    "h200": (8, 38_400_000_000),
    "h200-nvme5": (8, 38_400_000_000),
    "mi300x": (12, 38_400_000_000),
    "mi325x": (12, 38_400_000_000),
    "mi355x": (12, 48_000_000_000),
}
#: PCI Express by generation: GT/s of a lane, of which each moves an eighth of a GB/s before overhead.
LANES = {4: 16, 5: 32, 6: 64}
#: Preset -> generation of the link to the host; of a further device on how many lanes.
PCIE: dict[str, tuple[int, tuple[int, int] | None]] = dict.fromkeys(HOSTS, (5, None)) | {
    "a100": (4, None),
    "b200-nvme5": (5, (5, 4)),
    "b300": (6, None),
    "b300-nvme6": (6, (6, 4)),
    "h100-cxl2": (5, (5, 4 * 8)),
    "h100-nvme5": (5, (5, 4)),
    "h200-nvme5": (5, (5, 4)),
}
OLD = {"cxl3", "gh200", "gh200-nvlink3", "gh200-pcie6", "h100-pcie5", "nvme4"}
MEMORY = """\
schema = 1
name = "m"
processor = "gpu"
[tiers.hbm]
capacity = "80 GiB"
usable = "79 GiB"
rate = "1 TB/s"
at = "gpu"
"""


def overridden(folder: Path, memory: MemorySystem, text: str) -> MemorySystem:
    """With some numbers replaced, as an instance would."""
    path = folder / "override.toml"
    path.write_text(text)
    return override(memory, read_toml(path))


@pytest.mark.parametrize(("name", "expected"), list(HBM.items()))
def test_hbm_is_what_its_source_says(name: str, expected: tuple[int, int | None, int]) -> None:
    """The vendor's capacity, what is left of it, the rate of reads and writes together."""
    nominal, usable, rate = expected
    hbm = preset(name).tiers[0]
    assert (hbm.name, hbm.shared, hbm.read_rate) == ("hbm", True, rate)
    assert (hbm.nominal, hbm.capacity) == ((None, nominal) if usable is None else (nominal, usable))
    assert usable is None or usable > nominal // GIB * GB, "or GB would not have to be GiB"


@pytest.mark.parametrize("name", list(HOSTS))
def test_hosts_and_links_are_what_their_sources_say(name: str) -> None:
    """Channels of memory behind 16 lanes; a further device behind lanes of its own, which go both ways at once."""
    memory = preset(name)
    channels, rate = HOSTS[name]
    assert memory.tiers[1].read_rate == channels * rate
    assert memory.tiers[1].capacity == channels * 64 * GB
    generation, further = PCIE[name]
    lanes = [(generation, 16), *([] if further is None else [further])]
    assert [link.up_rate for link in memory.links] == [LANES[one] * count * GB // 8 for one, count in lanes]
    assert all(link.up_rate == link.down_rate and not link.shared for link in memory.links)


def test_drives_modules_and_superchips() -> None:
    """As their vendors announced them; of a superchip's memory one GPU has half."""
    rates = {name: (preset(name).tiers[2].read_rate, preset(name).tiers[2].write_rate) for name in PCIE if PCIE[name][1]}
    drive = (14 * GB, 10 * GB)
    expected = {"b200-nvme5": drive, "h100-nvme5": drive, "h200-nvme5": drive, "b300-nvme6": (28 * GB, 14 * GB)}
    assert rates == expected | {"h100-cxl2": (4 * 36 * GB, 4 * 36 * GB)}
    assert preset("h100-cxl2").tiers[2].capacity == 4 * 256 * GB
    superchip = preset("gb200")
    assert (superchip.tiers[1].capacity, superchip.tiers[1].read_rate) == (480 * GB // 2, 512 * GB // 2)
    assert superchip.links[0].up_rate == superchip.links[0].down_rate == 900 * GB // 2


def test_every_preset_stands_in_a_table() -> None:
    """None is left out of the checks above."""
    assert set(preset_names()) >= set(HBM) | OLD
    assert set(HOSTS) <= set(HBM)


def test_the_page_of_presets_is_that_of_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``docs/presets.md`` is made, never typed: it is what the script makes, and a page that differs is found."""
    assert presets.main(["--check"]) == 0
    monkeypatch.setattr(presets, "PAGE", tmp_path / "presets.md")
    assert presets.main(["--check"]) == 1
    assert presets.main([]) == 0
    assert presets.main(["--check"]) == 0
    assert "| hbm | 180 GiB | 179.1 GiB | 7.7 TB/s |" in presets.PAGE.read_text()


def test_the_page_says_what_is_left_to_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A preset that leaves a number open names its key, and shows no rate as if it were known."""
    text = MEMORY.replace('processor = "gpu"', 'processor = "gpu"\nrequired = ["hbm.rate"]').replace('rate = "1 TB/s"\n', "")
    (tmp_path / "open.toml").write_text(text.replace('"m"', '"open"'))
    monkeypatch.setattr(files, "_PRESETS", tmp_path)
    page = presets.render()
    assert "Left to the user: `hbm.rate`." in page
    assert "| hbm | 80 GiB | 79 GiB | left to the user |" in page


def written(tmp_path: Path, old: str = "", new: str = "") -> Path:
    """The file with one thing changed."""
    path = tmp_path / "m.toml"
    path.write_text(MEMORY.replace(old, new))
    return path


def test_usable_is_what_counts_and_both_are_shown(tmp_path: Path) -> None:
    """Of all dies; an override of the capacity stands in place of both."""
    memory = load_memory(written(tmp_path))
    assert (memory.tiers[0].capacity, memory.tiers[0].nominal) == (79 * GIB, 80 * GIB)
    info = memory_info(memory)["tiers"][0]
    assert (info["capacity"], info["nominal"]) == (79 * GIB, 80 * GIB)
    (line,) = (line for line in memory_text(memory).splitlines() if "80 GiB" in line)
    assert line.split() == ["hbm", "85.9", "GB", "80", "GiB", "84.83", "GB", "79", "GiB"]
    dies = load_memory(written(tmp_path, 'at = "gpu"', 'at = "gpu"\ndies = 3'))
    assert (dies.tiers[0].capacity, dies.tiers[0].nominal) == (3 * 79 * GIB, 3 * 80 * GIB)
    other = overridden(tmp_path, dies, "hbm.dies = 2\n").tiers[0]
    assert (other.capacity, other.nominal) == (2 * 79 * GIB, 2 * 80 * GIB)
    stated = overridden(tmp_path, memory, 'hbm.capacity = "40 GiB"\n')
    assert (stated.tiers[0].capacity, stated.tiers[0].nominal) == (40 * GIB, None)
    assert "nominal" not in memory_text(stated)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"79 GiB"', '"81 GiB"', "found 81 GiB, expected more than nothing, at most the capacity, 80 GiB"),
        ('"79 GiB"', '"0 B"', "found 0 B, expected more than nothing, at most the capacity, 80 GiB"),
        ('"80 GiB"', '"unlimited"', "found usable beside an unlimited capacity, expected a size as capacity"),
    ],
)
def test_usable_that_cannot_be_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    """Nothing, more than all, or a part of what has no end."""
    path = written(tmp_path, old, new)
    with pytest.raises(InputError) as caught:
        load_memory(path)
    assert str(caught.value) == f"{path}:6: tiers.hbm.usable: {message}"
