"""Files of runs where they lie: at an address in a store they are the same trace, and what is wrong is said as anywhere."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from placement_opt.answer.answer import answer
from placement_opt.base.errors import InputError
from placement_opt.base.stores import is_url, open_stored
from placement_opt.instance.load import in_layers, load_instance, load_layered
from placement_opt.instance.outline import read_outline
from placement_opt.workload.files.npz import save_trace
from placement_opt.workload.files.runs import open_runs
from placement_opt.workload.layers import Stored
from tests.layered.cases import layer_of, write
from tests.runs import save_plain

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def store() -> Iterator[Any]:
    """A store in memory, empty."""
    found = fsspec.filesystem("memory")
    found.store.clear()
    yield found
    found.store.clear()


def runs_at(folder: Path) -> Path:
    """The file of runs of a small question."""
    question = load_layered(write(folder, drift=0.3))
    save_plain([layer_of(question, n) for n in range(2)], 30, folder / "t.runs", size_unit="token-layers", size=1)
    return folder / "t.runs"


def asking(folder: Path, address: str) -> Path:
    """The same question of a trace that lies at an address."""
    text = (folder / "instance.toml").read_text()
    head, _, rest = text.partition("[trace]\n")
    path = folder / "stored.toml"
    path.write_text(f'{head}[trace]\nfile = "{address}"\n{rest[rest.index("[rules]") :]}')
    return path


def test_a_trace_in_a_store_is_that_of_the_file(tmp_path: Path, store: Any) -> None:
    """In runs, layer by layer and in rows: the same question by its hash, the same answer; nothing is kept open."""
    place = runs_at(tmp_path)
    store.pipe("/bucket/t.runs", place.read_bytes())
    for address in ("memory://bucket/t.runs", f"file://{place}"):
        named = load_layered(asking(tmp_path, "t.runs"))
        stored = load_layered(asking(tmp_path, address))
        assert isinstance(stored.layers, Stored)
        assert stored.layers.file.path == address
        assert stored.hash == named.hash
        assert answer(stored).latency_s == answer(named).latency_s
        assert load_instance(asking(tmp_path, address)).trace.num_reads == named.num_reads
        by_layer = in_layers(read_outline(asking(tmp_path, address)))
        again = pickle.loads(pickle.dumps(by_layer))
        assert (again.layer(1).trace.blocks == by_layer.layer(1).trace.blocks).all()


def test_a_file_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Handed to another process, a relative name is one no more; an address stays."""
    place = runs_at(tmp_path)
    monkeypatch.chdir(tmp_path)
    file = open_runs("t.runs")
    assert file.path == "t.runs"
    assert pickle.loads(pickle.dumps(file)).path == str(place)
    address = f"file://{place}"
    assert pickle.loads(pickle.dumps(open_runs(address))).path == address


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("memory://bucket/none.runs", "found no such file, 'memory://bucket/none.runs', expected an existing file"),
        ("memory://bucket/t.npz", "found another kind of file at 'memory://bucket/t.npz', expected a file of runs"),
        ("nowhere://t.runs", r"found a file that cannot be read \(Protocol not known: nowhere\)"),
        ("simplecache::memory://bucket/t.runs", "found no such file"),
        ("memory://a::memory://b", "found a chain of stores, 'memory://a::memory://b', expected one address"),
        ("file:///dev/zero", "found something that is not a regular file"),
    ],
)
def test_what_is_wrong_there_is_laid_at_the_key(tmp_path: Path, store: Any, address: str, message: str) -> None:
    """Missing, of another kind, in a store that nobody knows, through another store, a device."""
    runs_at(tmp_path)
    save_trace(load_instance(tmp_path / "instance.toml").trace, tmp_path / "t.npz")
    store.pipe("/bucket/t.npz", (tmp_path / "t.npz").read_bytes())
    with pytest.raises(InputError, match=rf"stored.toml:\d+: trace.file: {message}"):
        load_layered(asking(tmp_path, address))


def test_options_of_logs_are_refused(tmp_path: Path, store: Any) -> None:
    """As for a file of runs at hand."""
    store.pipe("/t.runs", runs_at(tmp_path).read_bytes())
    path = asking(tmp_path, "memory://t.runs")
    path.write_text(path.read_text().replace("[trace]\n", "[trace]\nlimit = 3\n"))
    with pytest.raises(InputError, match=r"found it with the trace file 'memory://t\.runs', expected it with a log"):
        load_layered(path)


def test_a_store_that_fails_while_it_is_read_is_named(tmp_path: Path, store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it raises."""
    store.pipe("/t.runs", runs_at(tmp_path).read_bytes())

    def fail(*_: object) -> None:
        raise RuntimeError("token expired")

    with open_stored("memory://t.runs") as handle:
        assert handle.seek(0, 2) == handle.tell() == len(store.cat("/t.runs"))
        monkeypatch.setattr(handle.raw._handle, "read", fail)
        handle.seek(0)
        with pytest.raises(InputError, match=r"memory://t.runs: found a file that cannot be read \(token expired\)"):
            handle.read(8)
        monkeypatch.setattr(handle.raw._handle, "seek", fail)
        with pytest.raises(InputError, match="token expired"):
            handle.seek(1 << 30)
        monkeypatch.undo()


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a name without a scheme is a file."""
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(InputError, match=r'found no package fsspec, expected the extra "dask": pip install "placement-opt'):
        open_stored("s3://bucket/t.runs")
    assert not is_url("t.runs")
    assert not is_url(Path("s3://bucket/t.runs"))
