"""``init``: every situation's files are read, answered and compared as they are; nothing is overwritten."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

import placement_opt as po
from placement_opt.cli import main
from placement_opt.study.starters import SITUATIONS, write_starter


@pytest.mark.parametrize("situation", SITUATIONS)
def test_what_is_written_is_answered(situation: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a new folder: the instance loads, roofline <= step bound <= the schedulers that its comment names."""
    folder = tmp_path / "new"
    paths = write_starter(situation, folder)
    assert paths[0] == folder / "instance.toml"
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in paths)
    instance = po.load_instance(paths[0])
    roofline, step = (po.bound(instance, method=method).lower_bound_s for method in ("roofline", "step"))
    run = po.simulate(instance, po.make_scheduler("static" if situation == "flash" else "lru"))
    assert roofline is not None
    assert step is not None
    assert 0.0 < roofline <= step * (1 + 1e-9)
    assert step <= run.latency_s * (1 + 1e-9)
    assert main(["check", str(paths[0])]) == 0
    assert "bound takes" in capsys.readouterr().out


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_commands_of_the_comments_are_commands(situation: str, tmp_path: Path) -> None:
    """Each is one that the program has, with schedulers that exist; all comments name bound and compare."""
    text = write_starter(situation, tmp_path / "new")[0].read_text()
    commands = [
        shlex.split(line.removeprefix("#   "))[:8] for line in text.splitlines() if line.startswith("#   placement-opt")
    ]
    assert {"bound", "compare"} <= {command[1] for command in commands}
    for command in commands:
        assert command[2] == "instance.toml"
        if "--schedulers" in command:
            for name in command[command.index("--schedulers") + 1].split(","):
                if name != "all" and not name.startswith("mine.py"):
                    po.make_scheduler(name)


def test_the_policy_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With mine.py of the folder beside lru, its option given."""
    monkeypatch.chdir(tmp_path)
    assert main(["init", "policy"]) == 0
    assert capsys.readouterr().out.endswith("next: placement-opt bound policy/instance.toml\n")
    monkeypatch.chdir(tmp_path / "policy")
    assert main(["compare", "instance.toml", "--schedulers", "lru,mine.py:Mine:again=3"]) == 0
    assert "mine.py:Mine:again=3" in capsys.readouterr().out


def test_the_next_command_can_be_pasted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder with a blank in its name is one word of it."""
    monkeypatch.chdir(tmp_path)
    assert main(["init", "csv", "my trace"]) == 0
    assert capsys.readouterr().out.endswith("next: placement-opt bound 'my trace/instance.toml'\n")


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second time, one file there already, a place that is a file, a folder in no folder: refused, and nothing is written."""
    assert main(["init", "csv", str(tmp_path / "a")]) == 0
    assert main(["init", "csv", str(tmp_path / "a")]) == 2
    assert "instance.toml: found a file of this name, expected a folder without it" in capsys.readouterr().err
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "memory.toml").write_text("mine")
    assert main(["init", "csv", str(tmp_path / "b")]) == 2
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["memory.toml"]
    (tmp_path / "c").write_text("")
    assert main(["init", "csv", str(tmp_path / "c")]) == 2
    assert main(["init", "csv", str(tmp_path / "d" / "e")]) == 2
    assert "found no way to make the folder" in capsys.readouterr().err
    assert main(["init", "nothing"]) == 2
    assert "found 'nothing'" in capsys.readouterr().err


def test_a_preset_is_shown_as_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``memory show NAME --toml`` prints what loads as the preset does; beside --set or --json it is refused."""
    assert main(["memory", "show", "h100-nvme5", "--toml"]) == 0
    (tmp_path / "m.toml").write_text(capsys.readouterr().out)
    file, preset = po.load_memory(tmp_path / "m.toml"), po.preset("h100-nvme5")
    assert file.tier_names == preset.tier_names
    assert (file.rates == preset.rates).all()
    for option in (["--set", "hbm.capacity=1GiB"], ["--json"]):
        assert main(["memory", "show", "gh200", "--toml", *option]) == 2
        assert f"--toml: found it beside {option[0]}" in capsys.readouterr().err
    assert main(["memory", "show", "gh201", "--toml"]) == 2
