"""docs/kv_events.md, from a server's events to the bound with the engine beside it: its commands, and what it shows of them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from placement_opt.cli import main
from tests.pages import commands, shown
from tests.workload.engine import recording
from tests.workload.kv_events import positional, recorded
from tests.workload.publisher import Engine

PAGE = (Path(__file__).parents[1] / "docs" / "kv_events.md").read_text()
COMMANDS = list(commands(PAGE))
#: A scheduler's row of `compare`: what follows from the recording alone, and not from the solver.
ROW = re.compile(r"^(?:lru|belady|recorded:\S+) +[0-9.]+ +[0-9,]+")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With the question of the page, and what the engine of the tests publishes."""
    ((name, text),) = re.findall(r"`(\w+\.toml)`: .*?```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / name).write_text(text)
    recorded(tmp_path / "engine.kvevents", [positional(one) for one in recording()])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_recording(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A server that publishes the same is recorded as the page shows it, to the same file."""
    pytest.importorskip("zmq", reason="needs pyzmq")
    msgpack = pytest.importorskip("msgpack")
    file = folder / "engine.kvevents"
    wanted = file.read_bytes()
    file.unlink()
    engine = Engine([msgpack.packb(positional(one)) for one in recording()])
    engine.plays(lambda one: one.send(*range(16)))
    (command, lines) = COMMANDS[0]
    command = command.replace("tcp://127.0.0.1:5557", engine.endpoint).replace("tcp://127.0.0.1:5558", engine.replay)
    assert engine.endpoint in command
    assert engine.replay in command
    assert main(shlex.split(command)) == 0
    engine.close()
    assert shown(lines, capsys.readouterr().out.splitlines()) is None
    assert file.read_bytes() == wanted


def test_what_follows_from_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command ends as the page shows it, line by line but for those left out; of `compare` the latencies."""
    assert [command.split()[0] for command, _ in COMMANDS] == ["trace", "trace", "trace", "simulate", "compare"]
    for command, lines in COMMANDS[1:]:
        assert main(shlex.split(command)) == 0, command
        out = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
        if command.startswith("compare"):
            rows = [match[0] for match in map(ROW.match, lines) if match]
            assert len(rows) == 3
            assert rows == [match[0] for match in map(ROW.match, out) if match]
        else:
            assert shown(lines, out) is None, command
    assert (folder / "trace.npz").exists()


def test_the_recording_is_deterministic() -> None:
    """As the page is, so that it can show it; and it loads, evicts and copies."""
    assert recording() == recording()
    kinds = {(event["type"], event.get("medium")) for one in recording() for event in one["events"]}
    assert kinds == {(f"Block{what}", medium) for what in ("Stored", "Removed") for medium in ("GPU", "CPU")}
