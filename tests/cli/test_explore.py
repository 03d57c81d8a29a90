"""What ``explore`` prints and writes: the verdict, JSON, CSV, pictures, certificates, exit codes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from placement_opt.cli import main
from placement_opt.instance.load import load_instance
from placement_opt.report.explore_picture import cells, draw_front, draw_heat
from placement_opt.study.explore.certificates import toml_text
from placement_opt.study.explore.explore import explore
from placement_opt.study.explore.read import read_spec
from placement_opt.study.explore.space import Space

SPEC = """\
schema = 1
name = "rooms and links"
[base]
memory = { preset = "gh200" }
llm = { layers = 1, kv_bytes = "16 KiB" }
trace = { synth = "drift", layers = 1, prefill = 20, tokens = 3, drift = 0.1, seed = 1 }
[choices.hbm]
key = "hbm.capacity"
values = ["0B", "64KiB"]
[[choices.link]]
name = "slow"
set.c2c.up.rate = "50 GB/s"
money = 10
[[choices.link]]
name = "fast"
set.c2c.up.rate = "450 GB/s"
money = 30
[costs.hbm]
money_per_gb = 1000
[costs.c2c]
money = 5
"""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write(tmp_path)


def write(folder: Path, more: str = "", base: str = SPEC) -> Path:
    (folder / "spec.toml").write_text(base + more)
    return folder / "spec.toml"


def text(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> str:
    assert main(["explore", "spec.toml", *argv]) == code
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.usefixtures("spec")
def test_the_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    """The best design with its value and what proves it, how many were simulated, and a line for each design."""
    said = text(capsys)
    assert "Best by time: design 4, hbm=64KiB, link=fast, " in said
    assert "no design can be better by more than 1.0 %: proven by the bound of every other one." in said
    assert " of 4 designs simulated; " in said
    assert "by one program the least roofline is that of design " in said
    assert ", and the rooflines of all designs say the same." in said


def test_json_and_csv(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every design with both sides; costs by the GB, by the link and by the alternative."""
    write(spec.parent, '[objective]\nfront = ["time", "cost"]\n')
    assert main(["explore", "spec.toml", "--json", "--csv", "found.csv"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == 1
    best, front = document["searches"]
    assert (best["best"], best["proven"], front["search"]) == (4, True, "front")
    assert best["counts"]["pruned"] + best["simulated"] == 4
    assert [design["costs"]["money"] for design in best["designs"]] == pytest.approx([15, 35, 15.065536, 35.065536])
    assert front["designs"][0]["status"] == "on the front"
    assert front["designs"][0]["value"]["cost"] == 15
    assert front["designs"][0]["choices"] == {"hbm": "0B", "link": "slow"}
    rows = list(csv.DictReader((spec.parent / "found.csv").read_text().splitlines()))
    assert len(rows) == 8
    assert rows[3]["status"] == "best"
    assert float(rows[3]["time_value"]) == best["designs"][3]["value"]["time"]
    assert rows[3]["choice link"] == "fast"


def test_no_design_will_do(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 where that is proven of each: by what they cost, or by bounds under budgets."""
    write(spec.parent, '[objective]\nconstraints = ["time <= 1 ns", "cost <= 35.05"]\n')
    said = text(capsys, code=1)
    assert "No design will do: proven for each of them." in said
    assert "4: cost 35.0655, at most 35.05" in said
    assert "no schedule keeps the budgets" in said


def test_no_design_lasts(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that waits lasts longer: how long it must is bounded, and that no design lasts five years as fast as this."""
    worn = SPEC.replace('preset = "gh200"', 'preset = "gh200", lpddr.endurance = "1000000000 cycles", lpddr.capacity = "1 MB"')
    write(spec.parent, '[objective]\nconstraints = ["lifetime >= 5 years"]\n', worn)
    assert "Best by time: design 1, hbm=0B, link=slow, 7.75 ms; no design can be better" in text(capsys)
    write(spec.parent, '[objective]\nconstraints = ["lifetime >= 5 years", "time <= 7 ms"]\n', worn)
    assert "No design will do: proven for each of them." in text(capsys, code=1)
    write(spec.parent, '[objective]\nminimise = "lifetime"\n', worn)
    assert "Best by lifetime: design " in (said := text(capsys))
    assert " runs; no design can be better" in said


def test_designs_without_room_are_none(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Weights that do not fit, and blocks that do not, are why a design is none, and no mistake of the file."""
    weights = SPEC.replace('kv_bytes = "16 KiB"', 'kv_bytes = "16 KiB", weight_resident = "1 KiB"')
    write(spec.parent, "", weights)
    said = text(capsys)
    assert "2 impossible" in said
    assert "1, 2: llm.weight_resident: found 1 KiB of weights, which do not fit, expected at most the capacity of hbm" in said
    write(spec.parent, "", SPEC.replace('"0B"', '"1 KiB"'))
    assert "found room for 1 KiB, expected none or at least the largest block" in text(capsys)
    write(
        spec.parent,
        "",
        SPEC.replace("[choices.hbm]", 'rules = { residency = "exclusive" }\n[choices.hbm]').replace(
            '"gh200"', '"gh200", lpddr.capacity = "128 KiB"'
        ),
    )
    assert "found room for 128 KiB in all tiers together" in text(capsys, code=1)


def test_each_workload_by_itself(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its own best design, by its own bounds."""
    more = '[workloads]\ndrift = { key = "trace.drift", values = [0.1, 0.5] }\n[objective]\nover = "each"\n'
    write(spec.parent, more)
    said = text(capsys)
    assert "drift 0.1: Best by time: design 4" in said
    assert "drift 0.5: Best by time: design 4" in said


def test_certificates_prove_what_is_said(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An instance file of its own for the best design, whose certificates the verifier takes."""
    text(capsys, "--certificates", "proofs")
    names = ["proofs/design4-workload1" + end for end in (".toml", ".prices", ".schedule")]
    assert sorted(str(path) for path in Path("proofs").iterdir()) == sorted(names)
    assert main(["verify", *names]) == 0
    assert load_instance(names[0]).hash == Space(read_spec(spec)).instance(3, 0).hash


def test_certificates_of_energy_and_wear(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is weighed stands in the instance file: joules, and bytes written to the tier that wears."""
    worn = SPEC.replace('"gh200"', '"gh200", lpddr.endurance = "10 cycles", hbm.energy = "1 pJ/bit"')
    for minimise in ("energy", "lifetime"):
        write(spec.parent, f'[objective]\nminimise = "{minimise}"\n', worn)
        text(capsys, "--certificates", minimise)
        names = sorted(str(path) for path in Path(minimise).iterdir())
        assert len(names) == 3
        assert main(["verify", names[2], *names[:2]]) == 0
        capsys.readouterr()


def test_instances_are_those_of_their_keys(spec: Path, tmp_path: Path) -> None:
    """With traces and memory files at hand, an instance has the hash of the file that says the same."""
    space = Space(read_spec(spec))
    for design in range(4):
        (tmp_path / "one.toml").write_text(toml_text(space.tables(design, 0)))
        assert load_instance(tmp_path / "one.toml").hash == space.instance(design, 0).hash


def test_pictures(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The front and a heat map; the same answer gives the same bytes, cells have the least over what is not shown."""
    pytest.importorskip("matplotlib")
    path = write(spec.parent, '[objective]\nfront = ["time", "cost"]\n')
    text(capsys, "--plot", "front.svg", "--heat", "heat.png", "--heat-axes", "link,hbm")
    found = explore(path)
    assert Path("front.svg").read_bytes() == draw_front(found, "a.svg")
    assert b"on the front" in draw_front(found, "a.svg")
    assert Path("heat.png").read_bytes()[:4] == b"\x89PNG"
    value, lower = cells(found.spec, found.best[0], 1, 0)
    assert value.shape == lower.shape == (2, 2)
    assert np.isnan(value).sum() == 4 - found.best[0].simulated
    assert np.nanmin(value) == value[1, 1]
    assert b"rooms and links" in draw_heat(found, "a.svg", 0, 1)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--plot", "a.svg"], '--plot: found a front of nothing, expected front = ["time", "cost"] or the like in [objective]'),
        (["--heat", "a.pdf"], "--heat: found 'a.pdf', expected a name that ends in .png or .svg"),
        (
            ["--heat", "a.svg", "--heat-axes", "hbm,hbn"],
            "--heat-axes: found 'hbm,hbn', expected two different choices of hbm, link",
        ),
        (["--heat-axes", "hbm,link"], "--heat-axes: found it without --heat, expected --heat FILE"),
        (["--backend", "dask"], "--dask-address: found none, expected that of a Dask scheduler, such as tcp://10.0.0.1:8786"),
        (["--csv", "spec.toml"], "spec.toml: --csv: found an input of this command"),
        (["--certificates", "spec.toml"], "--certificates: found 'spec.toml', which cannot be made (File exists), expected"),
    ],
)
def test_arguments_are_refused(spec: Path, capsys: pytest.CaptureFixture[str], argv: list[str], message: str) -> None:
    """Before anything is computed."""
    before = spec.read_text()
    assert main(["explore", "spec.toml", *argv]) == 2
    out, err = capsys.readouterr()
    assert err.startswith(f"error: {message}")
    assert out == ""
    assert spec.read_text() == before
