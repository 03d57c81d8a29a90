"""Records what a serving engine publishes as its KV events, message by message as they come, with their numbers.

vLLM and SGLang (``--kv-events-config``) publish each batch over ZeroMQ as three frames: a topic, the sequence number (8 bytes,
big endian) and the payload (msgpack). A subscriber that is too slow, or comes late, misses messages, which the numbers tell.
Where the engine has a replay endpoint, what is missing is asked for there: an empty frame and the first number wanted, answered
by an empty frame, number and payload of each message that the engine still keeps, and the number -1 in the end.

Nothing is decoded here, so that recording keeps up, and a later release can read more out of an old recording.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from typing import Any

from placement_opt.base.atomic import atomic_file
from placement_opt.base.errors import InputError, Interrupted, LimitError, shown
from placement_opt.base.limits import Limits
from placement_opt.workload.formats.kv_batches import FORM, LONGEST, VERSION, Order, unpacking

#: Messages that may wait to be written; engines, too, drop what is beyond.
_WAITING = 100_000
#: Milliseconds until a stop request is noticed, and seconds that an answer of the replay may take.
_TICK_MS, _ANSWER_S = 100, 10.0
_END = (-1).to_bytes(8, "big", signed=True)


@dataclass(frozen=True)
class Recording:
    """What was recorded.

    Attributes
    ----------
    messages, fetched
        Messages written, and how many of them came from the replay.
    first, last
        Their numbers.
    gaps, missing
        How often messages are missing between them, and how many.
    ended
        By what: "messages", "time limit", "interrupt", "gap", "restart" (the engine began to count anew) or "foreign message".
    """

    messages: int
    fetched: int
    first: int
    last: int
    gaps: int
    missing: int
    ended: str


def record(
    endpoint: str,
    path: str | PathLike[str],
    *,
    topic: str = "",
    replay: str | None = None,
    messages: int | None = None,
    until_gap: bool = False,
    limits: Limits | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Recording:
    """Record until there are enough messages, the time is up, or somebody asks for a stop; the file is then whole.

    Parameters
    ----------
    endpoint
        Where the engine publishes, such as ``tcp://127.0.0.1:5557``.
    path
        The file to write, in the form of :mod:`placement_opt.workload.formats.kv_batches`.
    topic
        Only messages whose topic begins so.
    replay
        The engine's replay endpoint: what it keeps from before the recording is fetched, and what is missed meanwhile.
    messages
        How many to write; None: no limit.
    until_gap
        End before the first message that comes after missing ones.
    limits
        Deadline and stop request.
    progress
        Told from time to time how many there are.

    Returns
    -------
    Recording
        What came; at least one message.

    Raises
    ------
    InputError
        The packages are missing, an endpoint is none, or what comes is no such message; nothing is written then unless
        messages came before.
    LimitError, Interrupted
        The end came before any message.
    """
    limits = limits or Limits()
    with _sockets(endpoint, topic, replay) as (incoming, asked), atomic_file(path) as file:
        recorder = _Recorder(file, unpacking(), messages, until_gap, limits)
        ended = recorder.run(incoming, asked, progress)
        order = recorder.order
        if order.first is None or order.last is None:
            nothing = f"nothing came from {endpoint}"
            raise Interrupted(nothing) if ended == "interrupt" else LimitError(f"{nothing} in time")
    return Recording(recorder.written, recorder.fetched, order.first, order.last, order.gaps, order.missing, ended)


class _Recorder:
    """Writes messages in order, and knows which are missing."""

    def __init__(self, file: Any, msgpack: Any, most: int | None, until_gap: bool, limits: Limits) -> None:
        self.order, self.written, self.fetched = Order("accept"), 0, 0
        self._file, self._packer = file, msgpack.Packer()
        self._most, self._until_gap, self._limits = most, until_gap, limits
        file.write(self._packer.pack({FORM: VERSION}))

    def run(self, incoming: Any, asked: Any, progress: Callable[[str], None]) -> str:
        """Until something ends it; what that was."""
        while (ended := self._end()) is None:
            if not incoming.poll(min(_TICK_MS, 1000.0 * self._limits.remaining)):
                progress(f"{self.written:,} messages")
                continue
            try:
                ended = self._next(*_message(incoming.recv_multipart()), asked)
            except InputError:
                if not self.written:
                    raise
                return "foreign message"
            if ended is not None:
                return ended
        return ended

    def _next(self, number: int, payload: bytes, asked: Any) -> str | None:
        """One more message, after those that are missing before it as far as they can be had; what ends it with that."""
        last = self.order.last
        if last is not None and number <= last:
            return "restart"
        wanted = 0 if last is None else last + 1
        if asked is not None and number > wanted:
            for fetched in _fetched(asked, wanted, number, self._limits):
                self._write(*fetched)
                self.fetched += 1
                if (ended := self._end()) is not None:
                    return ended
        last = self.order.last
        if self._until_gap and last is not None and number > last + 1:
            return "gap"
        self._write(number, payload)
        return None

    def _write(self, number: int, payload: bytes) -> None:
        self.order.follow(number)
        self._file.write(self._packer.pack([number, payload]))
        self.written += 1

    def _end(self) -> str | None:
        if self._limits.interrupted:
            return "interrupt"
        if self._limits.remaining <= 0.0:
            return "time limit"
        return "messages" if self._most is not None and self.written >= self._most else None


def _fetched(asked: Any, first: int, end: int, limits: Limits) -> Iterator[tuple[int, bytes]]:
    """Messages ``first`` to ``end - 1`` as far as the replay has them, in order; it is read up to its end."""
    asked.send_multipart([b"", first.to_bytes(8, "big")])
    waiting = limits.within(_ANSWER_S)
    while not waiting.reached:
        if not asked.poll(_TICK_MS):
            continue
        frames = asked.recv_multipart()
        if len(frames) >= 2 and frames[-2] == _END:
            return
        number, payload = _message(frames)
        if first <= number < end:
            yield number, payload
            first = number + 1
        waiting = limits.within(_ANSWER_S)


def _message(frames: list[bytes]) -> tuple[int, bytes]:
    """(number, payload): the last two of the frames; before them an empty one or the topic, or both."""
    if len(frames) not in (3, 4) or len(frames[-2]) != 8 or len(frames[-1]) > LONGEST:
        sizes = ", ".join(str(len(frame)) for frame in frames[:5])
        expected = "expected a topic, a number of 8 bytes and a payload (is this where an engine publishes KV events?)"
        raise InputError(f"found a message of {len(frames)} frames ({sizes} bytes)", expected)
    number = int.from_bytes(frames[-2], "big")
    if number >= 2**63:
        raise InputError(f"found message {number}", "expected numbers below 2**63")
    return number, frames[-1]


@contextmanager
def _sockets(endpoint: str, topic: str, replay: str | None) -> Iterator[tuple[Any, Any]]:
    """(subscribed socket, socket to ask for what is missing, or None), closed in the end."""
    zmq = _messaging()
    context = zmq.Context()
    try:
        incoming = context.socket(zmq.SUB)
        incoming.setsockopt(zmq.RCVHWM, _WAITING)
        incoming.setsockopt(zmq.SUBSCRIBE, topic.encode("utf-8"))
        _connect(zmq, incoming, endpoint, "endpoint")
        asked = None
        if replay is not None:
            asked = context.socket(zmq.DEALER)
            asked.setsockopt(zmq.RCVHWM, _WAITING)
            _connect(zmq, asked, replay, "replay")
        yield incoming, asked
    finally:
        context.destroy(linger=0)


def _connect(zmq: Any, socket: Any, endpoint: str, field: str) -> None:
    socket.setsockopt(zmq.MAXMSGSIZE, LONGEST)
    try:
        socket.connect(endpoint)
    except (zmq.ZMQError, ValueError, TypeError) as error:
        expected = "expected the address of a server, such as tcp://127.0.0.1:5557"
        raise InputError(f"found {shown(endpoint)} ({error})", expected, field=field) from None


def _messaging() -> Any:
    try:
        import zmq
    except ImportError:
        expected = 'expected the extra "events": pip install "placement-opt[events]"'
        raise InputError("found no package pyzmq", expected) from None
    return zmq
