"""The tables [budgets] and [objective], by hand."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import placement_opt as po
from placement_opt.base.errors import InputError
from placement_opt.instance.budget_keys import said
from placement_opt.instance.budgets import Objective
from placement_opt.instance.instance import Instance
from tests.memory.systems import WORN


def _instance(tmp_path: Path, text: str, memory: str = WORN) -> Instance:
    (tmp_path / "m.toml").write_text(memory)
    path = tmp_path / "i.toml"
    path.write_text(f"""
schema = 1
name = "i"
[memory]
file = "m.toml"
[llm]
kv_bytes = "1 B"
layers = 2
weight_bytes = "5 B"
[trace]
synth = "drift"
seed = 1
layers = 2
tokens = 3
prefill = 40
read_share = 0.5
drift = 0.1
{text}
""")
    return po.load_instance(path)


def test_what_a_run_must_keep(tmp_path: Path) -> None:
    text = """
    [budgets]
    energy = "2 nJ/token"
    time = "10 s"
    hbm.promotions = "30 B"
    hbm.written = "1 MB/s"
    flash.lifetime = "5 years"
    """
    instance = _instance(tmp_path, text)
    parts = instance.memory.meters.parts[0]
    fixed = {budget.name: budget.fixed for budget in instance.budgets}
    rate = {budget.name: budget.per_second for budget in instance.budgets}
    meter = {
        budget.name: None if budget.meter is None else instance.memory.meters.names[budget.meter] for budget in instance.budgets
    }
    assert fixed == {
        "energy": Fraction(6, 10**9) * parts,
        "time": 10,
        "hbm.written": 0,
        "hbm.promotions": 30,
        "flash.lifetime": 0,
    }
    assert rate == {
        "energy": -Fraction(2, 1000) * parts,
        "time": -1,
        "hbm.written": 10**6,
        "hbm.promotions": 0,
        "flash.lifetime": Fraction(3000 * 4000 * 2, 3 * 5 * 365 * 86400),
    }
    assert meter == {
        "energy": "energy",
        "time": None,
        "hbm.written": "written hbm",
        "hbm.promotions": "into hbm",
        "flash.lifetime": "written flash",
    }
    assert [said(budget, instance.memory) for budget in instance.budgets] == [
        "at most 6 nJ less 2 mW",
        "at most 10 s",
        "at most 1 MB/s",
        "at most 30 B",
        "at most 0.05074 B/s",
    ]
    assert not instance.timed
    assert instance.objective.plain


def test_weights_are_counted(tmp_path: Path) -> None:
    instance = _instance(tmp_path, '[budgets]\nenergy = "35 W"')
    # six steps read 5 B from hbm at 24 pJ each
    assert Fraction(int(instance.metered[0]), instance.memory.meters.parts[0]) == Fraction(6 * 5 * 24, 10**12)
    assert instance.budgets[0].per_second == (35 - Fraction(2, 1000)) * instance.memory.meters.parts[0]


def test_what_is_minimised(tmp_path: Path) -> None:
    instance = _instance(tmp_path, '[objective]\ntime = 0\nenergy = "0.5 s/J"\nflash.written = "2 s/kB"')
    written = instance.memory.meters.index("written flash")
    parts = instance.memory.meters.parts[0]
    weights = ((0, Fraction(1, 2 * parts)), (written, Fraction(2, 1000)))
    assert instance.objective == Objective(Fraction(1, 1000), weights)  # background power weighs as long as the run lasts


def test_what_nothing_bounds_changes_nothing(tmp_path: Path) -> None:
    bare = WORN
    for key in (
        "energy",
        "read_energy",
        "write_energy",
        "compute.energy",
        "background_power",
        "endurance",
        "write_amplification",
    ):
        bare = "\n".join(line for line in bare.splitlines() if not line.startswith(f"{key} "))
    with_energy, without = _instance(tmp_path, ""), _instance(tmp_path, "", bare)
    assert with_energy.hash == without.hash
    assert with_energy.timed


def test_what_decides_is_in_the_hash(tmp_path: Path) -> None:
    texts = [
        "",
        '[budgets]\nenergy = "1 J"',
        '[budgets]\nenergy = "2 J"',
        '[budgets]\ntime = "2 s"',
        '[objective]\nenergy = "1 s/J"',
    ]
    hashes = {_instance(tmp_path, text).hash for text in texts}
    louder = _instance(tmp_path, texts[1], WORN.replace('"3 pJ/bit"', '"4 pJ/bit"'))
    assert len(hashes | {louder.hash}) == len(texts) + 1


def test_from_python(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(WORN)
    trace = po.Trace.from_reads([[0, 1], [1]], sizes=np.array([1, 1]))
    made = po.build_instance(po.load_memory(tmp_path / "m.toml"), trace, budgets={"energy": "1 J", "hbm.promotions": "1 B"})
    assert [budget.name for budget in made.budgets] == ["energy", "hbm.promotions"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[budgets]\nenergy = "1"', "budgets.energy: found '1' without a unit, expected a budget such as"),
        ('[budgets]\nenergy = "1 J/day"', 'expected a budget such as "100 J", "2 J/token"'),
        ('[budgets]\nflash.lifetime = "5 yrs"', "budgets.flash.lifetime: found unit 'yrs' in '5 yrs'"),
        ('[budgets]\nhbm.lifetime = "5 years"', "found a lifetime of hbm, whose endurance nothing says"),
        ('[budgets]\nflash.lifetme = "5 years"', "found unknown key 'lifetme', did you mean 'lifetime'?"),
        ('[budgets]\nflsh.lifetime = "5 years"', "found unknown key 'flsh', did you mean 'flash'?"),
        ('[budgets]\nhbm.promotions = "3 blocks"', 'expected a budget such as "2 GiB", "10 MB/s" or "143 TB/day"'),
        ('[objective]\nenergy = "1 J"', "found unit 'J' in '1 J', expected a weight with its unit such as"),
        ("[objective]\ntime = 0", "found nothing that weighs anything"),
        ("[objective]\ntime = -1", "found -1, expected a number from 0"),
        ('[objective]\nhbm = "1 s/B"', "expected a table"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        _instance(tmp_path, text)
    assert message in str(caught.value)
    assert "i.toml:" in str(caught.value)


def test_a_system_without_energies_has_no_budget_of_it() -> None:
    trace = po.Trace.from_reads([[0]])
    with pytest.raises(InputError, match="found no energy of any tier or link"):
        po.build_instance("gh200", trace, budgets={"energy": "1 J"})
