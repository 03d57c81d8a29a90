"""The explorations among the instances: their files are what they say, and the first of them has an answer."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from placement_opt.cli import main
from placement_opt.study.explore.explore import check_spec, explore
from placement_opt.study.explore.read import read_spec
from placement_opt.study.explore.space import Space
from placement_opt.study.explore.spec import BOUNDS, GAP, SCHEDULERS

FOLDER = Path(__file__).parents[2] / "instances" / "explore"


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.toml")))
def test_they_can_be_explored(name: str) -> None:
    """Every alternative and every workload makes an instance."""
    spec = read_spec(FOLDER / name)
    check_spec(spec)
    assert len(spec.workloads) == 4


def test_the_start_of_kvnand_is_by_roles() -> None:
    """Weights in g1, KV in g2, at every context and for every number of dies that keep the KV."""
    spec = read_spec(FOLDER / "kvnand-g2.toml")
    assert spec.count == 15
    for design, workload in ((0, 0), (14, 3)):
        instance = Space(spec).instance(design, workload)
        assert instance.initial is not None
        there, kind = instance.trace.birth < 0, instance.trace.block_kind
        assert kind is not None
        np.testing.assert_array_equal(instance.initial, [there & (kind == 1), there & (kind == 0)])


def test_few_dies_keep_a_short_context() -> None:
    """At a thousand tokens one die for the KV is better than two or three, proven."""
    spec = read_spec(FOLDER / "kvnand-g2.toml")
    few = replace(spec.choices[0], alternatives=spec.choices[0].alternatives[:3])
    (found,) = explore(replace(spec, choices=(few,), workloads=spec.workloads[:1])).best
    assert found.proven
    assert found.best is not None
    assert found.best.label == "g2=1"


def test_the_file_of_the_page_can_be_explored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file that docs/explore.md shows is one, names every key that there is, and its exploration begins as shown."""
    page = (FOLDER.parents[1] / "docs" / "explore.md").read_text()
    (text,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "spec.toml").write_text(text)
    spec = read_spec(tmp_path / "spec.toml")
    check_spec(spec)
    assert (spec.bounds, spec.schedulers, spec.gap) == (BOUNDS, SCHEDULERS, GAP)
    (shown,) = re.findall(r"\$ placement-opt explore spec.toml\n(.*?)\.\.\.\n", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    assert main(["explore", "spec.toml"]) == 0
    assert capsys.readouterr().out.startswith(shown)
