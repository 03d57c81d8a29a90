"""Overrides of an instance file: read as if they stood in it, with the same messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from placement_opt.base.errors import InputError
from placement_opt.base.toml import read_toml
from placement_opt.instance.load import load_instance
from tests.cli.cases import DRIFT, write_ahead, write_drift


def test_an_override_is_as_good_as_the_file(tmp_path: Path) -> None:
    """Values over the file's give the instance that a file with these values gives: the same hash."""
    path = write_drift(tmp_path)
    edited = tmp_path / "edited.toml"
    edited.write_text(
        DRIFT.replace('"2 MiB"', '"3 MiB"').replace("drift = 0.1", "drift = 0.3")
        + '[rules]\nresidency = "free"\n'  # a table that the file does not have
    )
    overrides = {"memory.hbm.capacity": "3 MiB", "trace.drift": 0.3, "rules.residency": "free"}
    changed = load_instance(path, overrides)
    assert changed.hash == load_instance(edited).hash
    assert changed.hash != load_instance(path).hash


def test_links_and_layers_of_tables(tmp_path: Path) -> None:
    """Tables on the way that the file lacks are made: LINK.up.rate, llm of a file without one."""
    path = write_ahead(tmp_path)
    changed = load_instance(path, {"memory.c2c.up.rate": "900 B/s", "llm.weight_bytes": "0 B"})
    assert changed.memory.rates.tolist()[2:] == [900, 450]
    assert changed.fixed.sum() == 0


def test_the_file_is_left_alone(tmp_path: Path) -> None:
    """Overrides live for one call."""
    path = write_drift(tmp_path)
    text, before = path.read_text(), load_instance(path).hash
    load_instance(path, {"trace.seed": 7})
    assert path.read_text() == text
    assert load_instance(path).hash == before


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"memory.hmb.capacity": "1 GiB"}, ": memory.hmb (override): found unknown key 'hmb', did you mean 'hbm'?"),
        (
            {"memory.hbm.capcity": "1 GiB"},
            ": memory.hbm.capcity (override): found unknown key 'capcity', did you mean 'capacity'?",
        ),
        ({"trace.drfit": 0.2}, ": trace.drfit (override): found unknown key 'drfit', did you mean 'drift'?"),
        ({"trce.drift": 0.2}, ": trce (override): found unknown key 'trce', did you mean 'trace'?"),
        ({"memory.hbm.capacity": 18}, ": memory.hbm.capacity (override): found 18 without a unit, expected a size with"),
        ({"memory.hbm.capacity": "1 KiB"}, ": memory.hbm.capacity (override): found room for 1 KiB, expected none or at least"),
        ({"trace": 5}, ": trace (override): found 5, expected a table"),
        ({"trace.synth.x": 1}, ":10: trace.synth: found 'drift', below which 'trace.synth.x' is to be set, expected a table"),
        ({".".join("x" * 10_000): 1}, f": found key '{'x.' * 28}... of more than 16 parts, expected fewer dots"),
        ({"trace..x": 1}, ": found key 'trace..x', expected names separated by dots"),
        ({"rules.residency": "inclusve"}, ": rules.residency (override): found 'inclusve', did you mean 'inclusive'?"),
    ],
)
def test_complaints_are_the_files_own(tmp_path: Path, overrides: dict[str, object], message: str) -> None:
    """What is wrong with an override is said in the words for the file, "(override)" in place of the line."""
    path = write_drift(tmp_path)
    with pytest.raises(InputError) as caught:
        load_instance(path, overrides)
    assert str(caught.value).startswith(f"{path}{message}")


def test_other_keys_keep_their_lines(tmp_path: Path) -> None:
    """A complaint about a key of the file names its line, whatever is overridden beside it."""
    path = write_drift(tmp_path)
    path.write_text(DRIFT.replace("drift = 0.1", 'drift = "much"'))
    with pytest.raises(InputError, match=rf"^{path}:14: trace.drift: found 'much'"):
        load_instance(path, {"trace.seed": 3, "memory.hbm.capacity": "3 MiB"})


def test_a_later_override_wins_below_an_earlier(tmp_path: Path) -> None:
    """Overrides are applied in their order."""
    path = tmp_path / "a.toml"
    path.write_text("a.b = 1\n")
    root = read_toml(path, {"a.b": 2, "a.c.d": 3, "a.c": 4})
    assert root.data == {"a": {"b": 2, "c": 4}}
