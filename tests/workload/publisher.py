"""A publisher of KV events on free ports of this machine, with a replay endpoint, that does what a test's script says."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

_PATIENCE_MS = 20_000
#: The number that ends an answer of the replay.
END = (-1).to_bytes(8, "big", signed=True)


class Engine:
    """Three frames a message: a topic, a number, and the payload whose turn it is. It begins once somebody subscribed, which an
    XPUB socket tells."""

    def __init__(self, payloads: list[bytes], topic: bytes = b"") -> None:
        zmq = pytest.importorskip("zmq", reason="needs pyzmq")
        self._payloads, self._topic, self._context = payloads, topic, zmq.Context()
        self._events, self._replay = self._context.socket(zmq.XPUB), self._context.socket(zmq.ROUTER)
        self._events.setsockopt(zmq.XPUB_VERBOSE, 1)
        ports = [one.bind_to_random_port("tcp://127.0.0.1") for one in (self._events, self._replay)]
        self.endpoint, self.replay = (f"tcp://127.0.0.1:{port}" for port in ports)
        self._thread: threading.Thread | None = None
        self._failed: list[BaseException] = []

    def plays(self, script: Callable[[Engine], None]) -> None:
        """Follow the script in a thread of its own, from the first subscription on."""

        def follow() -> None:
            try:
                assert self._events.poll(_PATIENCE_MS), "nobody subscribed"
                self._events.recv()
                script(self)
            except BaseException as error:
                self._failed.append(error)

        self._thread = threading.Thread(target=follow)
        self._thread.start()

    def send(self, *numbers: int) -> None:
        """Messages by their numbers, as the engine publishes them."""
        for number in numbers:
            self.send_frames(self._topic, number.to_bytes(8, "big"), self._payloads[number % len(self._payloads)])

    def send_frames(self, *frames: bytes) -> None:
        self._events.send_multipart(frames)

    def answers(self, *numbers: int, end: bool = True, wanted: int | None = None) -> None:
        """Wait for a request to the replay, and answer with these messages."""
        assert self._replay.poll(_PATIENCE_MS), "nobody asked"
        who, empty, start = self._replay.recv_multipart()
        assert empty == b""
        assert wanted is None or int.from_bytes(start, "big") == wanted
        for number in numbers:
            self._replay.send_multipart([who, b"", number.to_bytes(8, "big"), self._payloads[number % len(self._payloads)]])
        if end:
            self._replay.send_multipart([who, b"", END, b""])

    def close(self) -> None:
        if self._thread is not None:
            self._thread.join()
        self._context.destroy(linger=0)
        if self._failed:
            raise self._failed[0]
