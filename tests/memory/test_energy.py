"""What a memory system counts over a whole run, by hand."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from placement_opt.base.errors import InputError
from placement_opt.memory import MemorySystem, load_memory, preset
from placement_opt.memory.energy import unsaid
from tests.memory.systems import WORN


def _memory(tmp_path: Path, text: str = WORN) -> MemorySystem:
    path = tmp_path / "m.toml"
    path.write_text(text)
    return load_memory(path)


def test_an_operation_takes_the_energy_of_every_place_that_it_passes(tmp_path: Path) -> None:
    memory = _memory(tmp_path)
    meters = memory.meters
    joules = {
        name: Fraction(int(row[0]), meters.parts[0]) * 10**12
        for name, row in zip(memory.operations.names, meters.per_byte, strict=True)
    }
    assert joules == {
        "store hbm": 24,
        "store flash": 16 + 480,
        "copy hbm->hbm": 0,
        "copy hbm->flash": 24 + 16 + 480,
        "copy flash->hbm": 48 + 16 + 24,
        "copy flash->flash": 0,
        "read hbm": 24,
        "read flash": 48 + 16,
        "attend flash": 48 + 4 + 4,
    }
    assert memory.background_power == Fraction(2, 1000)
    assert memory.tiers[1].endurance == 3000
    assert memory.tiers[1].write_amplification == Fraction(3, 2)
    assert unsaid(memory) == ()


def test_what_is_written_to_a_tier_and_what_is_moved_into_it(tmp_path: Path) -> None:
    memory = _memory(tmp_path)
    counted = {
        name: {
            memory.operations.names[row]
            for row, load in enumerate(memory.meters.per_byte[:, memory.meters.index(name)].tolist())
            if load
        }
        for name in memory.meters.names[1:]
    }
    assert counted == {
        "written hbm": {"store hbm", "copy flash->hbm"},
        "into hbm": {"copy flash->hbm"},
        "written flash": {"store flash", "copy hbm->flash"},
        "into flash": {"copy hbm->flash"},
    }


def test_a_system_that_says_nothing_of_energy_counts_bytes_alone() -> None:
    memory = preset("gh200")
    assert memory.meters.names == ("written hbm", "into hbm", "written lpddr", "into lpddr")


def test_what_is_not_said_is_named(tmp_path: Path) -> None:
    text = WORN.replace('energy = "2 pJ/bit"\n', "").replace('compute.energy = "0.5 pJ/bit"\n', "")
    assert unsaid(_memory(tmp_path, text)) == ("flash.compute", "c2c")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"48 pJ/B"', "48", "read_energy: found 48 without a unit, expected an energy of data such as"),
        ('"48 pJ/B"', '"48 pJ"', "found unit 'pJ' in '48 pJ', expected an energy of data"),
        ('"48 pJ/B"', '"2 J/B"', "found '2 J/B', expected at most 1 J/B"),
        ('"48 pJ/B"', '"1e-30 J/B"', "found energies that only parts of 1/"),
        ('energy = "3 pJ/bit"', 'energy = "3 pJ/bit"\nread_energy = "3 pJ/bit"', "found read_energy beside energy"),
        ('"2 mW"', '"2 J"', "found unit 'J' in '2 J', expected a power"),
        ('"3000 cycles"', "3000", "found 3000 without a unit, expected cycles"),
        ('"3000 cycles"', '"0 cycles"', "found '0 cycles', expected more than zero"),
        ("= 1.5", "= 0.5", "found 0.5, expected a number from 1 to 1000"),
        ("= 1.5", '= "1.5"', "found '1.5', expected a number from 1 to 1000"),
    ],
)
def test_what_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        _memory(tmp_path, WORN.replace(old, new, 1))
    assert message in str(caught.value)
