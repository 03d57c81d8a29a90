"""What a run tells where blocks are served in more ways than by reading them."""

from __future__ import annotations

from pathlib import Path

import pytest

import placement_opt as po
from placement_opt.answer.prove import prove
from placement_opt.report.simulation import simulation_document, simulation_text
from placement_opt.report.worth import worth_document, worth_text

EXAMPLE = Path(__file__).parents[1] / "instance" / "examples" / "inflash.toml"


def test_further_operations_have_a_table_of_their_own() -> None:
    """What was read from tiers and what was served otherwise is all that was read."""
    instance = po.load_instance(EXAMPLE)
    run = po.simulate(instance, po.make_scheduler("static"))
    proof = prove(instance, "roofline")
    found = simulation_document(run, proof)
    (further,) = found["further"]
    assert further["operation"] == "attend flash"
    assert further["served_bytes"] > 0
    total = further["served_bytes"] + sum(tier["read_bytes"] for tier in found["tiers"])
    assert total == pytest.approx(found["read_bytes"])
    assert "served by" in simulation_text(run, proof)


def test_plain_systems_have_no_such_table(tmp_path: Path) -> None:
    """Where there are only tiers, nothing is said of others."""
    instance = po.build_instance("gh200", po.Trace.from_reads([[0], [0]], sizes=1 << 20))
    run = po.simulate(instance, po.make_scheduler("static"))
    proof = prove(instance, "roofline")
    assert simulation_document(run, proof)["further"] == []
    assert "served by" not in simulation_text(run, proof)


def test_rates_are_shown_in_their_own_units() -> None:
    """A resource that counts fractions has the rate of its file; requests are requests."""
    instance = po.load_instance(EXAMPLE)
    worth = po.worth(instance, po.bound(instance, "lp"))
    rows = {row["resource"]: row for row in worth_document(worth)["rates"]}
    scales = {name: scale for name, scale in instance.memory.scale.items() if scale > 1}
    assert scales
    for name in scales:
        table = int(instance.memory.rates[instance.memory.resources.index(name)])
        assert rows[name]["rate_bytes_per_s"] == rows[name]["rate_per_s"] == table // scales[name]
    requests = [name for name, unit in instance.memory.units.items() if unit != "bytes"]
    assert requests
    assert all(rows[name]["rate_bytes_per_s"] is None for name in requests)
    assert "IOPS" in worth_text(worth)
