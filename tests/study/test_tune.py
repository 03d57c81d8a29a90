"""Tuning: regrets, the best setting, leaving one out, on an instance whose best setting is known by hand."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

import placement_opt as po
from placement_opt.base.errors import InputError
from placement_opt.cli import main
from placement_opt.instance.instance import Instance
from placement_opt.report.tune import tuning_text
from placement_opt.study.scheduled import Outcome, Scheduled
from placement_opt.study.tune import carried_over
from placement_opt.study.tuned import Tuned, Tuning
from tests.schedulers.cases import with_layers
from tests.small import make_instance, make_trace, two_tier

TINY = Path(__file__).parents[2] / "instances/tiny/two-free.toml"


def uneven(blocks: int) -> Instance:
    """Two layers, of which the first reads ``blocks`` blocks again and again, and the second one; room for four blocks."""
    reads = [[2 * n for n in range(blocks)] if t % 2 == 0 else [1] for t in range(12)]
    return with_layers(make_instance(two_tier(hbm=4), make_trace(reads, [-1] * 6)), 2)


def regrets(one: Tuned) -> list[float | None]:
    return [one.regret(at) for at in range(len(one.compared.schedules))]


def test_regret_and_best() -> None:
    """Three blocks against one: an even share wastes room of the second layer that a common queue gives the first."""
    found = po.tune(uneven(3), "lru:scope=layer|global", method="lp")
    (one,) = found.instances
    layer, common = (po.simulate(uneven(3), po.make_scheduler(f"lru:scope={scope}")).latency_s for scope in ("layer", "global"))
    assert common < layer
    assert (one.default, one.best) == (0, 1)
    assert regrets(one) == [pytest.approx(layer / common - 1.0), 0.0]
    assert one.carried is None
    assert found.carries is None
    assert found.overall == 1
    assert "the default costs" in tuning_text(found)
    assert "scope=global" in tuning_text(found)


def test_the_default_is_the_best_of_equals() -> None:
    """Where nothing is better the default is what stands, wherever its value is in the list."""
    found = po.tune(uneven(1), "lru:scope=global|layer", method="roofline")
    assert found.settings.combinations[found.instances[0].best or 0] == ("layer",)
    assert "no setting is better than the default" in tuning_text(found)


def made(costs: list[list[float | None]]) -> Tuning:
    """A tuning whose costs are given, a row an instance; the first of three settings is the default."""
    found = po.tune(uneven(3), "slru:protected=0.8|0.5|0.2", method="roofline")
    rows = []
    for n, row in enumerate(costs):
        one = found.instances[0]
        schedules = tuple(
            Scheduled(f"s{n}", Outcome.TIMED if cost is not None else Outcome.REFUSED, latency_s=cost) for cost in row
        )
        rows.append(replace(one, name=f"i{n}", compared=replace(one.compared, schedules=schedules)))
    return replace(found, instances=carried_over(rows))


def test_leaving_one_out() -> None:
    """Chosen on the others by the geometric mean of their regrets; what carries over is in logarithms."""
    found = made([[2.0, 1.0, 1.5], [2.0, 1.1, 1.0], [1.0, 1.0, 4.0]])
    assert [one.best for one in found.instances] == [1, 2, 0]
    assert [one.carried for one in found.instances] == [1, 1, 1]
    defaults, carried = math.log(2.0) + math.log(2.0), math.log(1.1)
    assert found.mean_regret("default") == pytest.approx(math.exp(defaults / 3) - 1)
    assert found.mean_regret("carried") == pytest.approx(math.exp(carried / 3) - 1)
    assert found.carries == pytest.approx(1 - carried / defaults)
    assert found.overall == 1


def test_what_was_tuned_elsewhere_can_do_harm() -> None:
    """Two instances that want opposite settings: each is given the other's."""
    found = made([[1.2, 1.0, 3.0], [1.2, 3.0, 1.0]])
    assert [one.carried for one in found.instances] == [2, 1]
    assert found.carries is not None
    assert found.carries < 0
    assert "what was tuned elsewhere is no better than the default" in " ".join(tuning_text(found).split())


def test_settings_that_were_not_timed() -> None:
    """They are never the best, and no setting is chosen that failed on one of the instances."""
    found = made([[None, 1.0, 2.0], [1.0, None, 2.0]])
    assert [one.best for one in found.instances] == [1, 0]
    assert found.overall == 2
    assert found.mean_regret("default") is None
    assert regrets(found.instances[0]) == [None, 0.0, 1.0]
    nothing = made([[None, None, None]])
    assert nothing.instances[0].best is None
    assert "no setting could be timed" in tuning_text(nothing)
    assert nothing.exit_code() == 2


def test_points_count_as_instances() -> None:
    """Keys of the instance vary as in a sweep."""
    found = po.tune(TINY, "slru:protected=0|0.8", keys="hbm.capacity=1B,2B", method="roofline")
    assert [one.name for one in found.instances] == ["two-free, hbm.capacity=1B", "two-free, hbm.capacity=2B"]
    assert len(found.to_records()) == 4


def test_refused() -> None:
    """What the mean may be of; a question's points need its file."""
    found = po.tune(uneven(3), "lru:scope=layer|global", method="roofline")
    with pytest.raises(InputError, match="expected default, carried or overall"):
        found.mean_regret("best")
    with pytest.raises(InputError, match="neither from a file nor from keys"):
        po.tune(uneven(3), "lru:scope=layer|global", keys="hbm.capacity=1B,2B")


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Table, document, CSV and picture of one run say the same."""
    argv = ["tune", str(TINY), "--scheduler", "slru:protected=0..1:3", "--method", "lp", "--quiet"]
    assert main([*argv, "--csv", str(tmp_path / "t.csv"), "--plot", str(tmp_path / "t.svg")]) == 0
    text = capsys.readouterr().out
    assert "default's regret" in text
    assert main([*argv, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    (one,) = document["instances"]
    assert len(one["regrets"]) == len(one["schedules"]) == 4
    assert document["default"] == "slru:protected=0.8"
    lines = (tmp_path / "t.csv").read_text().splitlines()
    assert lines[0].startswith("instance,scheduler,protected,default,outcome,cost_s")
    assert len(lines) == 5
    assert "protected" in (tmp_path / "t.svg").read_text()


def test_command_refuses_before_it_computes(capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong knob, a picture of no format."""
    assert main(["tune", str(TINY), "--scheduler", "lru"]) == 2
    assert "nothing varies" in capsys.readouterr().err
    assert main(["tune", str(TINY), "--scheduler", "lru:scope=layer|global", "--plot", "x.pdf"]) == 2
    assert "expected a name that ends in .png or .svg" in capsys.readouterr().err
