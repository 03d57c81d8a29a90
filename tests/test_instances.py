"""The instance files are what their generator makes, cover what they should, and the hostile ones are refused as recorded."""

from __future__ import annotations

import json
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from instances.example import README, current
from instances.make import make_all
from instances.optimum import RECORD, enumerate_all
from placement_opt.bounds import METHODS
from placement_opt.cli import main
from placement_opt.instance.load import load_instance
from placement_opt.instance.rule import KEEPING
from placement_opt.study.refused import ending, expected_path, read_expected
from placement_opt.workload.files.npz import load_trace
from placement_opt.workload.formats import ENDINGS

ROOT = Path(__file__).resolve().parent.parent / "instances"
TINY = sorted((ROOT / "tiny").glob("*.toml"))
HOSTILE = sorted(path for path in (ROOT / "hostile").iterdir() if path.is_file() and ending(path))
#: How the command line is told to read a hostile file, by its ending; OUT is the output it must not write.
COMMANDS = {
    ".toml": ["bound", "FILE"],
    ".memory.toml": ["memory", "show", "FILE"],
    ".explore.toml": ["explore", "FILE"],
    ".npz": ["trace", "info", "FILE"],
} | {end: ["trace", "import", "FILE", "--format", name, "-o", "OUT"] for end, name in ENDINGS.items()}


def test_the_files_are_those_that_the_generator_makes(tmp_path):
    """Every generated text is committed as generated, every trace has the same arrays, every broken file the same bytes."""
    make_all(tmp_path)
    made = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert len(made) > 80
    for path in made:
        committed = ROOT / path.relative_to(tmp_path)
        assert committed.exists(), committed
        if path.suffix == ".npz" and path.parent.name == "tiny" and not path.stem.endswith("-start"):
            _assert_same_trace(path, committed)
        elif path.suffix == ".npz" and path.parent.name == "tiny":
            np.testing.assert_array_equal(np.load(path)["resident"], np.load(committed)["resident"])
        else:
            assert path.read_bytes() == committed.read_bytes(), committed


def _assert_same_trace(made: Path, committed: Path) -> None:
    one, other = load_trace(made), load_trace(committed)
    for field in fields(one):
        np.testing.assert_equal(getattr(one, field.name), getattr(other, field.name), err_msg=f"{committed}: {field.name}")


def test_tiny_covers_the_rules_and_stays_tiny():
    """At least 12 instances of at most 8 blocks and 8 steps: all rules, one to four tiers, all that a trace can have."""
    found = [load_instance(path) for path in TINY]
    assert len(found) >= 12
    assert max(one.num_blocks for one in found) <= 8
    assert max(one.num_steps for one in found) <= 8
    assert {one.residency for one in found} == set(KEEPING)
    assert {one.num_tiers for one in found} == {1, 2, 3, 4}
    assert any(one.trace.shares is not None for one in found)
    assert any((one.trace.death < one.num_steps).any() for one in found)
    assert any((one.trace.birth >= 0).any() for one in found)
    assert any(len(set(one.size.tolist())) > 1 for one in found)
    assert any(one.initial is not None for one in found)
    assert any(one.initial is None for one in found)
    assert any(one.page_tokens > 1 for one in found)
    assert any(one.floor.any() for one in found)
    assert len({one.hash for one in found}) == len(found)


def test_recorded_optima_are_those_of_enumeration():
    """``optimum.json`` names every tiny instance and holds what trying every residency gives."""
    recorded = json.loads(RECORD.read_text(encoding="utf-8"))
    assert recorded == pytest.approx(enumerate_all(), rel=1e-9)


@pytest.mark.parametrize("path", TINY, ids=lambda path: path.stem)
def test_the_ladder_holds_on_tiny(path):
    """roofline <= step <= lp <= milp = recorded optimum, and step with whole blocks lies below the optimum, too."""
    instance = load_instance(path)
    optimum = json.loads(RECORD.read_text(encoding="utf-8"))[path.stem]
    ladder = [METHODS[name](instance).lower_bound_s for name in ("roofline", "step", "lp", "milp")]
    assert None not in ladder
    for lower, upper in pairwise(ladder):
        assert lower <= upper * (1 + 1e-9)
    assert ladder[-1] == pytest.approx(optimum, rel=1e-9)
    assert METHODS["step-integer"](instance).lower_bound_s <= optimum * (1 + 1e-9)


def test_full_size_files_are_listed_as_large():
    """``seed/full/LARGE`` names exactly the files beside it, so that regress skips each of them and forgets none."""
    lines = (ROOT / "seed" / "full" / "LARGE").read_text(encoding="utf-8").splitlines()
    listed = {line for line in lines if not line.startswith("#")}
    assert listed == {path.name for path in (ROOT / "seed" / "full").glob("*.toml")}
    assert len(listed) == 8


def test_every_hostile_file_has_its_message_and_every_message_its_file():
    """No hostile file without an expected refusal, no expected refusal without a file."""
    expected = {path for path in (ROOT / "hostile").iterdir() if path.suffix == ".expected"}
    assert expected == {expected_path(path) for path in HOSTILE}


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: path.name)
def test_hostile_files_are_refused(path, tmp_path, monkeypatch, capsys):
    """The command line ends with the recorded code and exactly the recorded message, and writes no file and no traceback."""
    wanted = read_expected(expected_path(path))
    output = tmp_path / "out.npz"
    words = {"FILE": path.name, "OUT": str(output)}
    monkeypatch.chdir(path.parent)
    assert main([words.get(word, word) for word in COMMANDS[ending(path)]]) == wanted.code == 2
    printed = capsys.readouterr()
    assert printed.err == f"error: {wanted.message}\n"
    assert printed.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda command: " ".join(command))
def test_missing_files_are_refused(command, tmp_path, monkeypatch, capsys):
    """A file that is not there is refused by name, whatever it should have been."""
    monkeypatch.chdir(tmp_path)
    name = "nothing.toml" if command[0] in ("bound", "memory", "explore") else "nothing.npz"
    words = {"FILE": name, "OUT": "out.npz"}
    assert main([words.get(word, word) for word in command]) == 2
    assert capsys.readouterr().err == f"error: {name}: found no such file, expected an existing file\n"
    assert list(tmp_path.iterdir()) == []


def test_the_readme_shows_recorded_values():
    """The README's worked example is generated from ``best.json`` files (``python -m instances.example``), never typed."""
    assert README.read_text(encoding="utf-8") == current()
