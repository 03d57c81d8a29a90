"""Imported traces are kept by content in the user's cache: found again, never believed, never too many, never in the way."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from placement_opt.base.errors import InputError
from placement_opt.workload.files import kept
from placement_opt.workload.files.kept import VARIABLE, read_kept
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.keep import Keep
from tests.workload.traces import same


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that traces are kept in."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(VARIABLE, raising=False)
    return tmp_path / "cache" / "placement-opt" / "traces"


@pytest.fixture
def imports(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by a name with each import that is not spared."""
    done: list[str] = []
    real = kept.read_any

    def counted(path: Path, *given: object, **more: object) -> Trace:
        done.append(Path(path).name)
        return real(path, *given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(kept, "read_any", counted)
    return done


def log(path: Path, requests: int = 3) -> Path:
    lines = [{"timestamp": t, "input_length": 1024, "hash_ids": [0, t + 1]} for t in range(requests)]
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


def read(path: Path, **options: object) -> Trace:
    return read_kept(path, None, **({"limit": None, "keep": None, "block_tokens": None} | options))  # type: ignore[arg-type]


def test_a_file_is_imported_once(tmp_path: Path, cache: Path, imports: list[str]) -> None:
    """The second time the trace comes from the cache, the same in all parts; other options, names and contents are others."""
    path = log(tmp_path / "t.jsonl")
    first, second = read(path), read(path)
    assert same(first, second)
    assert first.meta == second.meta
    assert imports == ["t.jsonl"]
    assert read(path, limit=1).num_steps == 1
    assert read(path, keep=Keep("last-use")).death.tolist() != first.death.tolist()
    assert read(log(tmp_path / "u.jsonl")).meta["file"] == "u.jsonl"
    assert read(log(path, 4)).num_steps == 4
    assert len(imports) == len(list(cache.iterdir())) == 5
    assert cache.stat().st_mode & 0o077 == 0


def test_what_is_damaged_is_made_anew(tmp_path: Path, cache: Path, imports: list[str]) -> None:
    """A kept file that was cut, emptied or replaced by a folder costs an import and nothing else."""
    path = log(tmp_path / "t.jsonl")
    whole = read(path)
    (place,) = cache.iterdir()
    for data in (place.read_bytes()[:-40], b"", b"PK\x03\x04"):
        place.write_bytes(data)
        assert same(read(path), whole)
        assert same(read(path), whole)
    assert len(imports) == 4
    place.unlink()
    place.mkdir()
    assert same(read(path), whole)


def test_no_cache_is_no_error(tmp_path: Path, cache: Path, imports: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that cannot be made, that others can write to or that is turned off is not used."""
    path = log(tmp_path / "t.jsonl")
    cache.parent.parent.mkdir()
    cache.parent.write_text("in the way")
    assert read(path).num_steps == 3
    cache.parent.unlink()
    cache.mkdir(parents=True, mode=0o700)
    cache.chmod(0o777)
    read(path)
    cache.chmod(0o700)
    monkeypatch.setenv(VARIABLE, "off")
    read(path)
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    read(path)
    assert not list(cache.iterdir())
    assert len(imports) == 4


def test_the_oldest_goes_first(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than the bytes that are allowed are kept; what was used lately stays, what was never finished does not."""
    paths = [log(tmp_path / f"{name}.jsonl") for name in "abc"]
    kept_at = {}
    for age, path in zip((100, 300, 200), paths, strict=True):
        before = set(cache.iterdir()) if cache.exists() else set()
        read(path)
        (kept_at[path],) = set(cache.iterdir()) - before
        os.utime(kept_at[path], (age, age))
    (cache / ".placement-begun.tmp").write_bytes(b"x")
    os.utime(cache / ".placement-begun.tmp", (1, 1))
    size = kept_at[paths[0]].stat().st_size
    read(paths[0])  # used now, so that the third is the oldest
    monkeypatch.setenv(VARIABLE, f"{3 * size + size // 2} B")
    read(log(tmp_path / "d.jsonl"))
    left = set(cache.iterdir())
    assert len(left) == 3
    assert kept_at[paths[2]] not in left
    monkeypatch.setenv(VARIABLE, "1 B")
    read(log(tmp_path / "e.jsonl"))
    assert not list(cache.iterdir())


def test_a_size_that_is_none_is_refused(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is named, and what it may be."""
    monkeypatch.setenv(VARIABLE, "of")
    with pytest.raises(InputError) as caught:
        read(log(tmp_path / "t.jsonl"))
    assert str(caught.value) == f'{VARIABLE}: found \'of\', expected "off" or a size such as "4 GiB"'
    assert not cache.exists()


def test_a_file_that_changes_meanwhile_is_not_kept(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read may be of another content than the name says."""
    path, real = log(tmp_path / "t.jsonl"), kept.read_any

    def late(*given: object, **more: object) -> Trace:
        trace = real(*given, **more)  # type: ignore[arg-type]
        log(path, 9)
        return trace

    monkeypatch.setattr(kept, "read_any", late)
    assert read(path).num_steps == 3
    assert not list(cache.iterdir())
