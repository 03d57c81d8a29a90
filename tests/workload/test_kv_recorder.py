"""Recording a stream of KV events from a publisher in the test, which sends what engines are documented to send."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from placement_opt.base.errors import InputError, Interrupted, LimitError
from placement_opt.base.limits import Limits
from placement_opt.cli import main
from placement_opt.workload.formats import kv_events, kv_recorder
from placement_opt.workload.formats.kv_recorder import Recording, record
from tests.workload.kv_events import SMALL, positional
from tests.workload.publisher import END, Engine

pytest.importorskip("zmq", reason="needs pyzmq")
msgpack = pytest.importorskip("msgpack", reason="needs msgpack")
PAYLOADS = [msgpack.packb(positional(one)) for one in SMALL]


def written(path: Path) -> list[Any]:
    """All values of a recording."""
    values = msgpack.Unpacker()
    values.feed(path.read_bytes())
    return list(values)


@pytest.fixture
def engine() -> Iterator[Engine]:
    one = Engine(PAYLOADS)
    yield one
    one.close()


def test_what_was_recorded_is_what_was_sent(engine: Engine, tmp_path: Path) -> None:
    """Numbers and payloads as they came; the trace is that of the batches."""
    engine.plays(lambda one: one.send(0, 1, 2, 3))
    found = record(engine.endpoint, tmp_path / "e.kvevents", messages=4)
    assert found == Recording(4, 0, 0, 3, 0, 0, "messages")
    trace = kv_events.read(tmp_path / "e.kvevents")
    assert (trace.num_steps, trace.meta["first_message"], trace.meta["last_message"]) == (4, 0, 3)
    assert written(tmp_path / "e.kvevents") == [
        {"kv-events": 1},
        *([number, payload] for number, payload in enumerate(PAYLOADS)),
    ]


def test_topics(tmp_path: Path) -> None:
    """Only what was asked for."""
    engine = Engine(PAYLOADS, b"kv@pod")

    def script(one: Engine) -> None:
        one.send_frames(b"other", bytes(8), b"\xc0")
        one.send(0, 1)

    engine.plays(script)
    assert record(engine.endpoint, tmp_path / "e", topic="kv", messages=2).messages == 2
    engine.close()


def test_missing_messages_are_counted(engine: Engine, tmp_path: Path) -> None:
    """Without a replay; the importer refuses what lacks them."""
    engine.plays(lambda one: one.send(2, 3, 6, 9))
    assert record(engine.endpoint, tmp_path / "e", messages=4) == Recording(4, 0, 2, 9, 2, 4, "messages")
    with pytest.raises(InputError, match="seq: found 6 after 3, 2 missing"):
        kv_events.read(tmp_path / "e")


def test_missing_messages_are_fetched(engine: Engine, tmp_path: Path) -> None:
    """What came before, and what was missed; what is no longer kept stays missing, what comes twice is written once."""

    def script(one: Engine) -> None:
        one.send(2)
        one.answers(0, 1, 2, 3, wanted=0)
        one.send(3, 6)
        one.answers(5, 6, 7, wanted=4)
        one.send(7)

    engine.plays(script)
    found = record(engine.endpoint, tmp_path / "e", replay=engine.replay, messages=7)
    assert found == Recording(7, 3, 0, 7, 1, 1, "messages")
    assert [one[0] for one in written(tmp_path / "e")[1:]] == [0, 1, 2, 3, 5, 6, 7]


def test_enough_may_be_fetched(engine: Engine, tmp_path: Path) -> None:
    """No more than was asked for, wherever it comes from."""

    def script(one: Engine) -> None:
        one.send(3)
        one.answers(0, 1, 2)

    engine.plays(script)
    assert record(engine.endpoint, tmp_path / "e", replay=engine.replay, messages=2) == Recording(2, 2, 0, 1, 0, 0, "messages")


def test_a_replay_that_is_silent(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is not waited for without an end."""
    monkeypatch.setattr(kv_recorder, "_ANSWER_S", 0.05)

    def script(one: Engine) -> None:
        one.send(1, 4)
        one.answers(0, end=False)
        one.answers(end=False)

    engine.plays(script)
    found = record(engine.endpoint, tmp_path / "e", replay=engine.replay, messages=3)
    assert found == Recording(3, 1, 0, 4, 1, 2, "messages")


@pytest.mark.parametrize(("numbers", "ended"), [((5, 6, 8), "gap"), ((5, 6, 0), "restart"), ((5, 6, 6), "restart")])
def test_ended_by_the_stream(engine: Engine, tmp_path: Path, numbers: tuple[int, ...], ended: str) -> None:
    """Before the message that follows missing ones, if asked; before one that begins anew, always: what is there is whole."""
    engine.plays(lambda one: one.send(*numbers))
    assert record(engine.endpoint, tmp_path / "e", until_gap=True) == Recording(2, 0, 5, 6, 0, 0, ended)
    assert kv_events.read(tmp_path / "e").num_steps == 2


@pytest.mark.parametrize(
    ("frames", "sizes"),
    [
        ((b"x",), "1 frames (1"),
        ((b"", b"1234", b"x"), "3 frames (0, 4, 1"),
        ((b"", b"", b"", b"", b""), "5 frames (0, 0, 0, 0, 0"),
    ],
)
def test_what_is_no_stream_of_events(engine: Engine, tmp_path: Path, frames: tuple[bytes, ...], sizes: str) -> None:
    """Refused where it comes first, and no file is left; the end where it comes later."""
    engine.plays(lambda one: one.send_frames(*frames))
    with pytest.raises(InputError) as caught:
        record(engine.endpoint, tmp_path / "e")
    expected = "expected a topic, a number of 8 bytes and a payload (is this where an engine publishes KV events?)"
    assert str(caught.value) == f"found a message of {sizes} bytes), {expected}"
    assert list(tmp_path.iterdir()) == []
    other = Engine(PAYLOADS)

    def script(one: Engine) -> None:
        one.send(0)
        one.send_frames(*frames)

    other.plays(script)
    assert record(other.endpoint, tmp_path / "e") == Recording(1, 0, 0, 0, 0, 0, "foreign message")
    other.close()


def test_numbers_that_are_none(engine: Engine, tmp_path: Path) -> None:
    """-1 marks an end, and is no message."""
    engine.plays(lambda one: one.send_frames(b"", END, b"x"))
    with pytest.raises(InputError, match=r"found message 18446744073709551615, expected numbers below 2\*\*63"):
        record(engine.endpoint, tmp_path / "e")


@pytest.mark.parametrize("endpoint", ["", "nonsense", "tcp://*:5557"])
def test_no_endpoint(tmp_path: Path, endpoint: str) -> None:
    """Refused before anything is waited for."""
    with pytest.raises(
        InputError, match=r"^endpoint: found '.*, expected the address of a server, such as tcp://127.0.0.1:5557"
    ):
        record(endpoint, tmp_path / "e")
    with pytest.raises(InputError, match=r"^replay: "):
        record("tcp://127.0.0.1:1", tmp_path / "e", replay=endpoint)


def test_nothing_comes(tmp_path: Path) -> None:
    """Neither a file nor an answer, when the time is up or somebody asks for a stop."""
    with pytest.raises(LimitError, match=r"^nothing came from tcp://127.0.0.1:1 in time$"):
        record("tcp://127.0.0.1:1", tmp_path / "e", limits=Limits(0.01))
    limits = Limits()
    limits.interrupt()
    with pytest.raises(Interrupted, match=r"^nothing came from tcp://127.0.0.1:1$"):
        record("tcp://127.0.0.1:1", tmp_path / "e", limits=limits)
    assert list(tmp_path.iterdir()) == []


def test_the_command(engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What it says in words and as JSON, and its exit codes."""
    engine.plays(lambda one: one.send(3, 5, 6))
    assert main(["trace", "record", engine.endpoint, "-o", str(tmp_path / "e"), "--messages", "3"]) == 0
    assert capsys.readouterr() == (f"{tmp_path / 'e'}: 3 messages, 3 to 6, 1 missing in 1 gap\n", "")
    other = Engine(PAYLOADS)
    other.plays(lambda one: one.send(3, 5))
    assert main(["trace", "record", other.endpoint, "-o", str(tmp_path / "f"), "--until-gap", "--json"]) == 1
    counted = {"messages": 1, "fetched": 0, "first": 3, "last": 3, "gaps": 0, "missing": 0, "ended": "gap"}
    assert json.loads(capsys.readouterr().out) == {"schema": 1} | counted
    other.close()


def test_an_interrupt_leaves_what_came(engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whole, counted, exit code 130. That a request for missing messages comes tells that those before were written."""

    def script(one: Engine) -> None:
        one.send(1)
        one.answers(0)
        one.send(4)
        one.answers(end=False, wanted=2)
        os.kill(os.getpid(), signal.SIGINT)

    engine.plays(script)
    command = ["trace", "record", engine.endpoint, "-o", str(tmp_path / "e"), "--replay", engine.replay]
    assert main(command) == 130
    out, _ = capsys.readouterr()
    found = [one[0] for one in written(tmp_path / "e")[1:]]
    assert found[:2] == [0, 1]
    assert out.startswith(f"{tmp_path / 'e'}: {len(found)} messages, 0 to {found[-1]} (1 fetched), ")
    assert out.endswith("; ended by an interrupt\n")


@pytest.mark.parametrize(("package", "name"), [("zmq", "pyzmq"), ("msgpack", "msgpack")])
def test_without_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, name: str) -> None:
    """Named, with the extra that has it."""
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError) as caught:
        record("tcp://127.0.0.1:1", tmp_path / "e")
    assert str(caught.value) == f'found no package {name}, expected the extra "events": pip install "placement-opt[events]"'
