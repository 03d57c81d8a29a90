"""Computing by kinds of block, engines that traffic passes, and numbers that are left to the user."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.instance.load import load_instance
from placement_opt.memory import Link, MemorySystem, Tier, build_memory, load_memory, preset
from placement_opt.memory.energy import ENERGY, unsaid
from placement_opt.memory.operations import BLOCK_KINDS
from placement_opt.memory.system import Compute, Engine
from placement_opt.report.memory import memory_info, memory_text
from tests.memory.systems import random_tree

KINDS = """
schema = 1
name = "kinds"
processor = "npu"
[tiers.flash]
capacity = "16 GB"
rate = "100 B/s"
at = "ifc"
read_energy = "3 J/MB"
compute = { rate = "80 B/s", energy = "1 J/MB" }
[links.onfi]
from = "ifc"
to = "npu"
rate = "10 B/s"
energy = "32 J/MB"
"""


def made(folder: Path, inner: str, **overrides: object) -> MemorySystem:
    """The system of KINDS with more in the table of computing, and overrides whose dots are written as two underscores."""
    path = folder / "m.toml"
    path.write_text(KINDS.replace('energy = "1 J/MB" }', f'energy = "1 J/MB", {inner} }}'))
    return load_memory(path, {key.replace("__", "."): value for key, value in overrides.items()})


def loads(memory: MemorySystem, name: str) -> dict[str, Fraction]:
    """Resource -> bytes a byte of block, of an operation, where it loads it."""
    row = memory.operations.per_byte[memory.operations.names.index(name)].tolist()
    each = {r: Fraction(c, memory.scale.get(r, 1)) for r, c in zip(memory.resources, row, strict=True)}
    return {r: c for r, c in each.items() if c}


def joules(memory: MemorySystem, name: str) -> Fraction:
    """Of a megabyte."""
    column = memory.meters.index(ENERGY)
    count = int(memory.meters.per_byte[memory.operations.names.index(name), column])
    return Fraction(count, memory.meters.parts[column]) * 10**6


def test_kv_and_weights_are_computed_with_apart(tmp_path: Path) -> None:
    """Two operations for their kinds, one resource; a result and an energy each, or those of all."""
    memory = made(tmp_path, 'kv = { result = "1/2", energy = "2 J/MB" }, weights = { result = "1/8" }')
    operations = memory.operations
    assert operations.names[-2:] == ("attend flash", "multiply flash")
    assert operations.applies[-2:].tolist() == [[kind == own for kind in BLOCK_KINDS] for own in ("kv", "weights")]
    assert loads(memory, "attend flash") == {"flash": 1, "onfi": Fraction(1, 2), "flash.compute": 1}
    assert loads(memory, "multiply flash") == {"flash": 1, "onfi": Fraction(1, 8), "flash.compute": 1}
    assert (joules(memory, "attend flash"), joules(memory, "multiply flash")) == (3 + 2 + 16, 3 + 1 + 4)
    assert memory.routes["multiply flash"] == memory.routes["read flash"] == ("flash", "ifc", "npu")


def test_what_one_kind_leaves_out_it_takes_from_all(tmp_path: Path) -> None:
    """The result of all stands in, also when an instance changes it; what a kind says of its own stays."""
    memory = made(tmp_path, 'result = "1/4", kv = {}, weights = { result = "1/8" }')
    assert (loads(memory, "attend flash")["onfi"], loads(memory, "multiply flash")["onfi"]) == (Fraction(1, 4), Fraction(1, 8))
    memory = made(tmp_path, 'result = "1/4", kv = {}, weights = { result = "1/8" }', flash__compute__result="1/16")
    assert (loads(memory, "attend flash")["onfi"], loads(memory, "multiply flash")["onfi"]) == (Fraction(1, 16), Fraction(1, 8))


def test_computing_with_weights_alone_attends_nothing(tmp_path: Path) -> None:
    """KV is read then; an instance may add attending."""
    memory = made(tmp_path, 'weights = { result = "1/8" }')
    assert memory.operations.names[-2:] == ("read flash", "multiply flash")
    memory = made(tmp_path, 'weights = { result = "1/8" }', flash__compute__kv__result="1/2")
    assert memory.operations.names[-2:] == ("attend flash", "multiply flash")
    assert made(tmp_path, 'result = "1/8"').operations.names[-1] == "attend flash"
    assert not made(tmp_path, 'result = "1/8"').operations.limited


def test_kinds_are_shown(tmp_path: Path) -> None:
    """Results and energies of each kind, what they take from all of it included; unsaid where one of them is."""
    memory = made(tmp_path, 'kv = { result = "1/2" }, weights = { result = "1/8", energy = "2 J/MB" }')
    compute = memory_info(memory)["tiers"][0]["compute"]
    assert compute == {
        "rate": 80, "result": None, "energy": 1e-6,
        "kv": {"result": "1/2", "energy": 1e-6}, "weights": {"result": "1/8", "energy": 2e-6},
    }  # fmt: skip
    assert any(line.split()[:2] == ["multiply", "flash"] for line in memory_text(memory).splitlines())
    assert "flash.compute" not in unsaid(memory)
    path = tmp_path / "m.toml"
    path.write_text(path.read_text().replace('energy = "1 J/MB", ', ""))
    assert "flash.compute" in unsaid(load_memory(path))


CXL = [Tier("hbm", 99, "gpu", 100, 100, True), Tier("cxl", 999, "pool", 50, 40, False, read_energy=Fraction(3))]
PCIE = [Link("pcie", "pool", "gpu", 30, 20, False, energy=Fraction(32))]


def test_an_engine_is_passed_once_by_whatever_passes_its_places() -> None:
    """A decompressor on link and tier: its rate counts blocks as they are, its places five sixteenths of that."""
    engine = Engine("zip", 51, ("pcie", "cxl"), Fraction(5, 16), Fraction(7))
    memory = build_memory("m", "gpu", CXL, PCIE, engines=[engine])
    assert memory.resources == ("hbm", "cxl.read", "cxl.write", "pcie.up", "pcie.down", "zip")
    assert memory.scale == dict.fromkeys(("cxl.read", "cxl.write", "pcie.up", "pcie.down"), 16)
    assert memory.rates.tolist() == [100, 800, 640, 480, 320, 51]
    share = Fraction(5, 16)
    assert loads(memory, "read cxl") == {"cxl.read": share, "pcie.up": share, "zip": 1}
    assert loads(memory, "store cxl") == {"cxl.write": share, "pcie.down": share, "zip": 1}
    assert loads(memory, "copy cxl->hbm") == {"cxl.read": share, "pcie.up": share, "hbm": 1, "zip": 1}
    assert loads(memory, "read hbm") == {"hbm": 1}
    assert joules(memory, "read cxl") == (3 * share + 32 * share + 7) * 10**6
    assert joules(memory, "read hbm") == 0
    assert not memory.operations.limited
    assert memory.operations.plain


def test_an_engine_on_a_link_takes_results_where_only_these_pass() -> None:
    """Attending loads an engine on the way out by the result, one on the tier itself by every byte."""
    flash = Tier("flash", 999, "die", 100, 100, True, compute=Compute(None, Fraction(1, 4), Fraction(1)))
    channel = [Link("channel", "die", "gpu", 10, 10, True, energy=Fraction(8))]
    far = build_memory("m", "gpu", [flash], channel, engines=[Engine("e", 5, ("channel",), Fraction(1, 2), Fraction(4))])
    assert loads(far, "attend flash") == {"flash": 1, "channel": Fraction(1, 8), "e": Fraction(1, 4)}
    assert (far.scale, far.rates.tolist()) == ({"channel": 8, "e": 4}, [100, 80, 20])
    assert loads(far, "read flash") == {"flash": 1, "channel": Fraction(1, 2), "e": 1}
    assert joules(far, "attend flash") == (1 + 8 * Fraction(1, 8) + 1) * 10**6
    near = build_memory("m", "gpu", [flash], channel, engines=[Engine("e", 5, ("flash",), Fraction(1, 2), Fraction(4))])
    assert loads(near, "attend flash") == {"flash": Fraction(1, 2), "channel": Fraction(1, 4), "e": 1}
    assert joules(near, "attend flash") == (1 + 8 * Fraction(1, 4) + 4) * 10**6


@pytest.mark.parametrize("seed", range(20))
def test_engines_load_what_the_routes_say(seed: int) -> None:
    """On random trees: every load of an operation is that without engines, times the ratio of the place, and a byte each."""
    rng = np.random.default_rng(seed)
    plain = random_tree(rng, int(rng.integers(1, 4)))
    names = [one.name for one in (*plain.tiers, *plain.links)]
    some = [str(name) for name in rng.permutation(names)]
    cut = int(rng.integers(1, len(some)))
    engines = [Engine("e0", 7, tuple(some[:cut]), Fraction(1, int(rng.integers(1, 5)))), Engine("e1", 9, tuple(some))]
    memory = build_memory("m", "gpu", plain.tiers, plain.links, engines=engines)
    for row, name in enumerate(plain.operations.names):
        before = {r: int(c) for r, c in zip(plain.resources, plain.operations.per_byte[row], strict=True) if c}
        wanted = {r: c * (engines[0].ratio if r.split(".")[0] in engines[0].on else 1) for r, c in before.items()}
        wanted |= {e.name: Fraction(1) for e in engines if any(r.split(".")[0] in e.on for r in before)}
        assert loads(memory, name) == wanted, (row, name)
    alone = build_memory("m", "gpu", plain.tiers, plain.links, engines=[])
    assert (alone.rates.tolist(), alone.resources) == (plain.rates.tolist(), plain.resources)


def test_engines_in_files(tmp_path: Path) -> None:
    """Their keys, in files and over them; what is shown."""
    path = tmp_path / "m.toml"
    path.write_text(
        KINDS.replace('compute = { rate = "80 B/s", energy = "1 J/MB" }', "")
        + '[engines.zip]\nrate = "51.2 GB/s"\non = ["onfi"]\nratio = "5/16"\nenergy = "1 pJ/bit"\nsource = "arXiv"\n'
        + 'date = "2026"\nassumed = "ratio: of the middle layers"\n'
    )
    memory = load_memory(path)
    (engine,) = memory.engines
    assert (engine.rate, engine.on, engine.ratio, engine.energy) == (
        51_200_000_000,
        ("onfi",),
        Fraction(5, 16),
        Fraction(8, 10**12),
    )
    changed = load_memory(path, {"zip.rate": "10 GB/s", "zip.ratio": 0.5, "zip.energy": "2 pJ/bit"}).engines[0]
    assert (changed.rate, changed.ratio, changed.energy, changed.on) == (
        10**10,
        Fraction(1, 2),
        Fraction(16, 10**12),
        ("onfi",),
    )
    assert load_memory(path, {"flash.rate": "50 B/s"}).engines == memory.engines
    text, info = memory_text(memory), memory_info(memory)
    assert ["zip", "onfi", "51.2", "GB/s", "5/16"] in [line.split() for line in text.splitlines()]
    assert "zip  arXiv (2026)" in text
    assert info["engines"][0]["ratio"] == "5/16"
    assert info["assumptions"] == ["zip: ratio: of the middle layers"]


LEFT = """
schema = 1
name = "left"
processor = "gpu"
required = ["far.read_time", "l.rate"]
[tiers.hbm]
capacity = "80 MB"
rate = "100 GB/s"
at = "gpu"
[tiers.far]
capacity = "1 GB"
page = "4 KiB"
write_rate = "1 GB/s"
at = "host"
[links.l]
from = "host"
to = "gpu"
assumed = "no overhead"
"""


def test_numbers_left_to_the_user(tmp_path: Path) -> None:
    """Nothing is made of a system without them; each one that is missing is named; given, they are as any other."""
    path = tmp_path / "m.toml"
    path.write_text(LEFT)
    with pytest.raises(InputError, match=r"^memory: found no far\.read_time, which left leaves to its user"):
        load_memory(path)
    with pytest.raises(InputError, match=r"m\.toml: l\.rate: found nothing, and left leaves it to its user, expected this key"):
        load_memory(path, {"far.read_time": "4 us"})
    memory = load_memory(path, {"far.read_time": "4 us", "l.rate": "2 GB/s"})
    assert memory.rates.tolist() == [10**11, 1_024_000_000, 10**9, 2 * 10**9]
    given = tmp_path / "i.toml"
    given.write_text(
        'schema = 1\nname = "i"\n[memory]\nfile = "m.toml"\nfar.read_time = "4 us"\nl.rate = "2 GB/s"\n'
        '[llm]\nlayers = 2\nkv_bytes = "1 MiB"\n[trace]\nsynth = "drift"\nseed = 1\nlayers = 2\nprefill = 16\ntokens = 4\n'
    )
    instance = load_instance(given)
    assert instance.memory.rates.tolist() == memory.rates.tolist()
    assert load_instance(given, {"memory.far.read_time": "8 us"}).memory.rates.tolist()[1] == 512_000_000
    assert instance.memory.assumptions == ("l: no overhead",)


def test_presets_are_given_numbers_too() -> None:
    """Over a preset as over a file."""
    assert preset("gh200", {"hbm.capacity": "1 GB"}).tiers[0].capacity == 10**9
    with pytest.raises(InputError, match="found unknown key 'hmb', did you mean 'hbm'"):
        preset("gh200", {"hmb.capacity": "1 GB"})


def test_the_second_example_of_the_docs_is_a_memory_system(tmp_path: Path) -> None:
    """The page of formats shows keys that are read, and says what follows from them."""
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()
    (example,) = re.findall(r"a number that nobody has published:\n\n```toml\n(.*?)```", page, re.DOTALL)
    path = tmp_path / "m.toml"
    path.write_text(example)
    memory = load_memory(path, {"ufs.read_rate": "4 GB/s"})
    flash = memory.tiers[0]
    assert (flash.read_rate, flash.compute.rate) == (16 * 32_768_000_000, 16 * 32_768_000_000)  # type: ignore[union-attr]
    assert memory.operations.names[-2:] == ("attend flash", "multiply flash")
    assert loads(memory, "read ufs") == {"ufs.read": 1, "bus": Fraction(5, 16), "zip": 1}
