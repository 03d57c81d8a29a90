"""What a memory system assumes is told by all that rests on it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from placement_opt.cli import main

INSTANCE = """
schema = 1
name = "i"
[memory]
file = "m.toml"
[llm]
layers = 2
kv_bytes = "1 MiB"
[trace]
synth = "drift"
seed = 1
layers = 2
prefill = 16
tokens = 4
"""
MEMORY = """
schema = 1
name = "m"
processor = "gpu"
[tiers.hbm]
capacity = "20 MiB"
rate = "100 GB/s"
at = "gpu"
[tiers.far]
capacity = "1 GB"
rate = "10 GB/s"
at = "host"
assumed = "rate: what the maker says of the one before"
[links.l]
from = "host"
to = "gpu"
rate = "2 GB/s"
assumed = "no overhead"
"""
FOUND = ["far: rate: what the maker says of the one before", "l: no overhead"]


@pytest.fixture
def instance(tmp_path: Path) -> str:
    (tmp_path / "m.toml").write_text(MEMORY)
    (tmp_path / "i.toml").write_text(INSTANCE)
    return str(tmp_path / "i.toml")


@pytest.mark.parametrize(
    "options",
    [
        ("bound", "--method", "roofline"),
        ("bound", "--gap", "50%"),
        ("sweep", "--set", "hbm.capacity=20MiB", "--method", "roofline"),
        ("simulate", "--scheduler", "static"),
        ("compare", "--schedulers", "static", "--method", "roofline"),
    ],
)
def test_assumptions_are_told(instance: str, options: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """In text one a line, in JSON as a list; without assumptions neither."""
    words = [options[0], instance, *options[1:]]
    assert main(words) == 0
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert [line[1] for line in lines if line and line[0] == "assumed"] == FOUND
    assert main([*words, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    document = next((document[key][0] for key in ("instances", "points") if key in document), document)
    assert document["assumptions"] == FOUND
    plain = Path(instance).with_name("m.toml")
    plain.write_text("\n".join(line for line in MEMORY.splitlines() if not line.startswith("assumed")))
    assert main([*words, "--json"]) == 0
    assert '"assumptions"' not in capsys.readouterr().out


def test_show_takes_numbers(instance: str, capsys: pytest.CaptureFixture[str]) -> None:
    """memory show with other numbers, as an instance would have them; what is no number of anything is refused."""
    path = str(Path(instance).with_name("m.toml"))
    assert main(["memory", "show", path, "--set", "far.dies=3", "--set", "memory.l.rate=4 GB/s", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["rate"] for one in found["resources"]] == [100 * 10**9, 30 * 10**9, 4 * 10**9]
    assert main(["memory", "show", "gh200", "--set", "hbm.capacity=96GB", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tiers"][0]["capacity"] == 96 * 10**9
    assert main(["memory", "show", path, "--set", "far.dies"]) == 2
    assert "--set: found 'far.dies', expected KEY=VALUE such as flash.dies=12" in capsys.readouterr().err
    assert main(["memory", "show", path, "--set", "far.dice=3"]) == 2
    assert "far.dice (override): found unknown key 'dice', did you mean 'dies'?" in capsys.readouterr().err
