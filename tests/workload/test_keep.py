"""How long imported traces keep their blocks: the rules against a cache that is played step by step."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement_opt.base.errors import InputError
from placement_opt.cli import main
from placement_opt.cli.parser import LazyParser
from placement_opt.cli.trace import fill_import
from placement_opt.workload.files.npz import load_trace
from placement_opt.workload.formats import READERS
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.keep import KEEPS, Keep
from tests.small import make_trace

#: Requests at 0, 1, 2, 10 and 11 s: what each names.
REQUESTS = [(0, [1, 2]), (1000, [1, 3]), (2000, [2]), (10_000, [1, 2]), (11_000, [1])]


def mooncake(folder: Path) -> Path:
    lines = [
        json.dumps({"timestamp": time, "input_length": 512 * len(ids), "output_length": 1, "hash_ids": ids})
        for time, ids in REQUESTS
    ]
    (folder / "t.jsonl").write_text("\n".join(lines) + "\n")
    return folder / "t.jsonl"


def lives(trace: Trace) -> list[tuple[int, int, list[int]]]:
    """(birth, death, steps that read it) of every block, in the order of ids."""
    reads: list[list[int]] = [[] for _ in range(trace.num_blocks)]
    for step in range(trace.num_steps):
        for block in trace.reads(step).tolist():
            reads[block].append(step)
    return list(zip(trace.birth.tolist(), trace.death.tolist(), reads, strict=True))


def played(trace: Trace, times: list[float], ttl: float) -> list[tuple[int, int, list[int]]]:
    """The same of a cache with a time to live, one step after the other."""
    found: list[tuple[int, int, int, list[int]]] = []  # birth, block, last use, reads
    held: dict[int, int] = {}
    for block in np.flatnonzero(trace.birth < 0).tolist():
        held[block] = len(found)
        found.append((-1, block, 0, []))
    for step in range(trace.num_steps):
        fresh = [block for block in range(trace.num_blocks) if trace.birth[block] == step]
        for block in trace.reads(step).tolist():
            birth, _, used, reads = found[held[block]]
            if times[step] > times[used] + ttl:
                fresh.append(block)
            else:
                found[held[block]] = (birth, block, step, [*reads, step])
        for block in sorted(fresh):
            held[block] = len(found)
            found.append((step, block, step, []))
    end = []
    for birth, _, used, reads in found:
        alive = [step for step in range(trace.num_steps) if times[step] <= times[used] + ttl]
        last = trace.num_steps if len(alive) == trace.num_steps else max(alive)
        end.append((birth, max(last, birth + 1), reads))
    return end


@settings(derandomize=True, deadline=None, max_examples=200)
@given(seed=st.integers(0, 10**6), ttl=st.integers(0, 7))
def test_a_time_to_live_is_what_a_cache_does(seed: int, ttl: int) -> None:
    """Lives, deaths and reads are those of a cache that is played, in steps and in times with ties."""
    rng = np.random.default_rng(seed)
    births = np.sort(rng.integers(-1, 4, 6)).tolist()
    rows = [[b for b in range(6) if births[b] < step and rng.random() < 0.3] for step in range(9)]
    trace = make_trace(rows, births)
    assert lives(Keep("ttl", steps=ttl).applied(trace)) == played(trace, list(range(9)), ttl)
    times = np.cumsum(rng.integers(0, 3, 9)).astype(float)
    expired = Keep("ttl", seconds=Fraction(ttl)).applied(trace, times)
    assert lives(expired) == played(trace, times.tolist(), ttl)


@settings(derandomize=True, deadline=None, max_examples=50)
@given(seed=st.integers(0, 10**6))
def test_last_use_frees_after_the_last_read(seed: int) -> None:
    """No block lives longer than something reads it; the reads stay."""
    rng = np.random.default_rng(seed)
    births = np.sort(rng.integers(-1, 4, 6)).tolist()
    trace = make_trace([[b for b in range(6) if births[b] < step and rng.random() < 0.3] for step in range(9)], births)
    wanted = [(birth, max([birth + 1, *reads]), reads) for birth, _, reads in lives(trace)]
    assert lives(Keep("last-use").applied(trace)) == wanted


def test_what_blocks_are_goes_with_their_lives() -> None:
    """Sizes, shares, places and labels of a block are those of all its lives."""
    trace = make_trace([[0, 1], [0], [], [0, 1]], [-1, -1], sizes=[5, 7], shares=[[1, 2], [3], [], [3, 1]], share_base=3)
    labels, kinds = np.array([4, 9], dtype=np.int32), np.array([0, 1], dtype=np.int8)
    places = np.array([1, 0, 5, 0, 2], dtype=np.int32)
    pieces = np.array([5, 1], dtype=np.int32)
    labelled = replace(trace, block_token=labels, block_layer=labels, block_kind=kinds, pieces=pieces, position=places)
    found = Keep("ttl", steps=1).applied(labelled)
    assert lives(found) == [(-1, 2, [0, 1]), (-1, 1, [0]), (3, 4, []), (3, 4, [])]
    assert found.size.tolist() == [5, 7, 5, 7]
    assert found.shares is not None
    assert found.shares.tolist() == [1, 2, 3]
    assert found.position is not None
    assert found.position.tolist() == [1, 0, 5]
    assert found.block_token is not None
    assert found.block_layer is not None
    assert found.block_token.tolist() == found.block_layer.tolist() == [4, 9, 4, 9]
    assert found.block_kind is not None
    assert found.block_kind.tolist() == [0, 1, 0, 1]
    assert found.pieces is not None
    assert found.pieces.tolist() == [5, 1, 5, 1]
    alike = replace(labelled, size=np.array([4]), pieces=np.array([2], dtype=np.int32))
    assert Keep("ttl", steps=1).applied(alike).pieces is alike.pieces
    assert found.meta == {"keep": "ttl", "ttl": "1 steps"}


def test_rules_of_the_importers(tmp_path: Path) -> None:
    """Mooncake's requests have times, rows of reads-csv have none."""
    path, read = mooncake(tmp_path), READERS["mooncake"]
    assert lives(read(path)) == [(0, 5, [1, 3, 4]), (0, 5, [2, 3]), (1, 5, [])]
    assert lives(read(path, keep=Keep("forever"))) == lives(read(path))
    assert lives(read(path, keep=Keep("last-use"))) == [(0, 4, [1, 3, 4]), (0, 3, [2, 3]), (1, 2, [])]
    timed = read(path, keep=Keep.of("ttl", "3s"))
    assert lives(timed) == [(0, 2, [1]), (0, 2, [2]), (1, 2, []), (3, 5, [4]), (3, 5, [])]
    assert (timed.meta["keep"], timed.meta["ttl"]) == ("ttl", "3 s")
    counted = read(path, keep=Keep.of("ttl", "1 requests"))
    assert lives(counted) == [(0, 2, [1]), (0, 1, []), (1, 2, []), (2, 5, [3]), (3, 5, [4])]
    assert lives(read(path, limit=3, keep=Keep.of("ttl", "1.5 s"))) == [(0, 3, [1]), (0, 1, []), (1, 3, []), (2, 3, [])]
    (tmp_path / "t.csv").write_text('n,l,read_kv\n2,0,"[0]"\n3,0,"[1]"\n4,0,"[0]"\n')
    rows = READERS["reads-csv"](tmp_path / "t.csv", keep=Keep("last-use"))
    assert lives(rows) == [(-1, 2, [0, 2]), (-1, 1, [1]), (0, 1, []), (1, 2, []), (2, 3, [])]
    with pytest.raises(InputError, match="ttl: found a duration for a format without times"):
        READERS["reads-csv"](tmp_path / "none.csv", keep=Keep.of("ttl", "3s"))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The options reach the importer; the choices in the help are the rules there are."""
    path, target = str(mooncake(tmp_path)), str(tmp_path / "t.npz")
    options = {"--keep last-use": 4, "--keep ttl --ttl 3s": 2, "--keep ttl --ttl 9steps": 5, "--keep forever": 5, "": 5}
    for text, death in options.items():
        assert main(["trace", "import", path, "--format", "mooncake", "-o", target, *text.split()]) == 0
        assert load_trace(target).death[0] == death
    capsys.readouterr()
    parser = LazyParser(fill=fill_import)
    parser.parse_known_args([path, "--format", "mooncake", "-o", target])
    (choices,) = (action.choices for action in parser._actions if action.dest == "keep")
    assert isinstance(parser, argparse.ArgumentParser)
    assert tuple(choices or ()) == KEEPS


DURATION = 'expected a duration with its unit such as "10 s" or "100 steps"'


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--keep ttl", "--ttl: found none with keep = 'ttl', expected one with keep = \"ttl\", and only then"),
        ("--ttl 5s", "--ttl: found a time with keep = 'forever', expected one with keep = \"ttl\", and only then"),
        ("--keep last-use --ttl 5steps", "--ttl: found a time with keep = 'last-use', expected one with keep"),
        ("--keep ttl --ttl 600", f"--ttl: found '600' without a unit, {DURATION}"),
        ("--keep ttl --ttl 5min", f"--ttl: found unit 'min' in '5min', {DURATION}"),
        ("--keep ttl --ttl 1.5steps", "--ttl: found '1.5steps', expected a whole number of steps below 2**31"),
        ("--keep ttl --ttl 9999999999steps", "--ttl: found '9999999999steps', expected a whole number of steps below 2**31"),
        ("--keep session", "argument --keep: found 'session', expected one of forever, last-use, ttl"),
    ],
)
def test_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str], options: str, message: str) -> None:
    """A time without its rule, a rule without its time, numbers of nothing: nothing is written."""
    path, target = mooncake(tmp_path), tmp_path / "t.npz"
    assert main(["trace", "import", str(path), "--format", "mooncake", "-o", str(target), *options.split()]) == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")
    assert not target.exists()
    with pytest.raises(InputError, match="keep: found 'session', expected one of forever, last-use, ttl"):
        Keep("session")
