"""How fast each text format is imported, beside a plain pass over the lines of the same file."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.registry import Figure, Spec, State, Target, register
from placement_opt.workload.formats import READERS

#: Bytes of a file, and how often each is read: the fastest counts.
_SIZE, _TIMES = 8_000_000, 3


def _request(rng: np.random.Generator, number: int) -> tuple[float, list[int]]:
    """A time, and the blocks of a prompt: the first is everybody's, the next are one of a thousand prefixes', some are new."""
    shared, new = int(rng.integers(1_000)), 10**6 + 100 * number
    return number * 250, [0, *range(1 + 10 * shared, 11 + 10 * shared), *range(new, new + int(rng.integers(1, 24)))]


def _mooncake(rng: np.random.Generator, number: int) -> str:
    time, ids = _request(rng, number)
    return json.dumps({"timestamp": time, "input_length": 512 * len(ids), "output_length": 52, "hash_ids": ids})


def _bailian(rng: np.random.Generator, number: int) -> str:
    time, ids = _request(rng, number)
    record = {"chat_id": number, "parent_chat_id": -1, "timestamp": time / 1000, "input_length": 16 * len(ids), "turn": 1}
    return json.dumps(record | {"output_length": 9, "type": "text", "hash_ids": ids})


def _lmcache(rng: np.random.Generator, number: int) -> str:
    time, ids = _request(rng, number)
    record = {"timestamp": time / 1000, "request_id": f"r{number}", "model_name": "m", "chunk_size": 256}
    return json.dumps(record | {"seq_len": 256 * len(ids) + 9, "chunk_hashes": [f"{one:016x}" for one in ids]})


def _selections(rng: np.random.Generator, number: int) -> str:
    token, layer = divmod(number, 8)
    chosen = rng.choice(40_000, 2_048, replace=False).tolist()
    return json.dumps({"request_id": "r", "layer_id": layer, "seq_len_current": 40_001 + token, "selected_token_pos": chosen})


def _reads_csv(rng: np.random.Generator, number: int) -> str:
    token, layer = divmod(number, 8)
    return f'{40_000 + token},{layer},"{json.dumps(rng.choice(40_000, 2_048, replace=False).tolist(), separators=(",", ":"))}"'


def _accesses(rng: np.random.Generator, number: int) -> str:
    return "\n".join(f"{number},{one}" for one in rng.integers(0, 50_000, 20).tolist())


def _named_accesses(rng: np.random.Generator, number: int) -> str:
    return "\n".join(f"{number},{number % 4},layer{number % 4}/kv_{one:06x},r" for one in rng.integers(0, 50_000, 20).tolist())


def _lengths(rng: np.random.Generator, number: int) -> str:
    clock = f"{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}.{int(rng.integers(10**7)):07d}"
    return f"2023-11-16 {clock},{int(rng.integers(1, 4_000))},{int(rng.integers(1, 400))}"


#: Name of a figure -> format, header, how a line (or some) are made.
_LOGS: dict[str, tuple[str, str, Callable[[np.random.Generator, int], str]]] = {
    "mooncake": ("mooncake", "", _mooncake),
    "bailian": ("bailian", "", _bailian),
    "lmcache": ("lmcache", "", _lmcache),
    "selections": ("selections", "", _selections),
    "access_csv": ("access-csv", "step,block\n", _accesses),
    "access_csv_names": ("access-csv", "step,layer,block,rw\n", _named_accesses),
    "lengths": ("lengths", "TIMESTAMP,ContextTokens,GeneratedTokens\n", _lengths),
    "reads_csv": ("reads-csv", "n,l,read_kv\n", _reads_csv),
}


def _text(name: str, size: int) -> Iterator[str]:
    _, header, line = _LOGS[name]
    rng, length, number = np.random.default_rng(1), len(header), 0
    yield header
    while length < size:
        yield (text := line(rng, number) + "\n")
        length, number = length + len(text), number + 1


def _build(size: int) -> State:
    return {name: "".join(_text(name, size)) for name in _LOGS}


def _best(call: Callable[[], Any]) -> float:
    """Seconds of the processor that the fastest of some calls takes."""
    times = []
    for _ in range(_TIMES):
        begin = time.process_time()
        call()
        times.append(time.process_time() - begin)
    return max(min(times), 1e-9)


def _pass(path: Path) -> int:
    with open(path, "rb") as file:
        return sum(len(line) for line in file)


def _import(name: str, state: State) -> Mapping[str, Figure]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(state[name])
        taken, plain = _best(lambda: READERS[_LOGS[name][0]](path)), _best(lambda: _pass(path))
        return {f"{name}_mb_per_s": round(path.stat().st_size / taken / 1e6, 1), f"{name}_passes": round(taken / plain, 1)}


register(
    Spec(
        name="import-speed",
        about="Importing synthetic logs of 8 MB: MB/s of each text format on one core, and in passes over the lines.",
        build=_build,
        phases={name: partial(_import, name) for name in _LOGS},
        sizes=(20_000, _SIZE),
        targets=tuple(Target(f"{name}_mb_per_s", "at least", 50.0) for name in _LOGS),
    )
)
