"""Kelle: refresh of eDRAM as background power, its share of energy and what longer intervals save."""

from __future__ import annotations

import placement_opt as po
from benchmarks.reproduce.play import run
from benchmarks.reproduce.table import Figure, Outcome, Table, published
from placement_opt.base.units import parse_duration


def compute() -> Outcome:
    """The published share at the shortest intervals fixes the power; the mean interval of the paper lowers it in proportion."""
    said = published("kelle")
    share = said["refresh_share"]
    without = _run("0 W").consumption
    assert without.joules is not None
    power = share / (1 - share) * without.joules / _run("0 W").latency_s
    shortest = _run(f"{power:.9e} W").consumption
    longer = _run(
        f"{power * float(parse_duration(said['worst_case_interval']) / parse_duration(said['mean_interval'])):.9e} W"
    ).consumption
    assert shortest.joules is not None
    assert longer.joules is not None
    return Outcome(
        (
            Figure("refresh, worst-case intervals", "share of energy", shortest.background_joules / shortest.joules, share),
            Figure("refresh, its intervals", "share of energy", longer.background_joules / longer.joules),
            Figure("its intervals", "energy gain", shortest.joules / longer.joules, said["energy_gain_of_intervals"]),
        )
    )


def _run(power: str) -> po.Run:
    """A step that reads the whole eDRAM; what a bit takes does not matter to a share."""
    trace = po.Trace.from_reads([range(64)], sizes=2**16)
    memory = {"preset": "kelle-edram", "edram.energy": "1 pJ/bit", "edram.background_power": power}
    return run(memory, trace, kv="edram")


TABLES = (
    Table(
        name="kelle-refresh",
        title="Refresh of eDRAM",
        unit="of energy",
        data=("kelle",),
        how="the preset with the background power that gives the published share, and with that of the paper's mean interval",
        compute=compute,
        assumes=(
            "the share itself is an input, not reproduced: the energies of an access and of a refresh were not found",
            "refresh takes power in proportion to its rate; the published gain is of the step with a scheduler, after others",
        ),
        quick=True,
    ),
)
