"""What a trace keeps for nobody, against looking at every state of every block; and where it is said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement_opt.cli import main
from placement_opt.report.trace_info import info_text
from placement_opt.report.unread import kept_unread
from placement_opt.workload import unread as module
from placement_opt.workload.files.npz import save_trace
from placement_opt.workload.stats import describe_trace
from placement_opt.workload.trace import Trace
from placement_opt.workload.unread import Unread, unread
from tests.cli.cases import MEMORY
from tests.small import make_trace
from tests.workload.traces import random_trace


def looked_at(trace: Trace) -> Unread:
    """The same, state by state."""
    sizes, end = trace.sizes.tolist(), trace.num_steps
    blocks = size = vain = held = 0
    for b in range(trace.num_blocks):
        reads = [step for step in range(end) if b in trace.reads(step)]
        kept = trace.death[b] == end
        blocks, size = blocks + (kept and not reads), size + sizes[b] * (kept and not reads)
        for state in range(trace.birth[b] + 1, trace.death[b] + 1):
            held += sizes[b]
            vain += sizes[b] * (kept and not any(step >= state for step in reads))
    return Unread(blocks / trace.num_blocks, size / sum(sizes), vain / held)


@pytest.mark.parametrize("at_once", [1, 3, 1 << 20])
@settings(derandomize=True, deadline=None, max_examples=60)
@given(seed=st.integers(0, 10**6))
def test_shares_are_those_of_every_state(at_once: int, seed: int) -> None:
    """Blocks, bytes and room, however many reads are looked at together."""
    trace = random_trace(np.random.default_rng(seed), sizes=True, deaths=True, density=0.15)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_AT_ONCE", at_once)
        found = unread(trace)
    wanted = looked_at(trace)
    assert (found.blocks, found.bytes, found.room) == pytest.approx((wanted.blocks, wanted.bytes, wanted.room), rel=1e-12)


def dead() -> Trace:
    """A block that is read at every step, and two produced for nobody, one of which is freed."""
    return make_trace([[0]] * 4, [-1, 0, 0], deaths=[4, 4, 2], sizes=[1, 6, 1])


def test_a_trace_that_keeps_for_nobody() -> None:
    """One of three blocks, six of eight bytes, held for four states of 31 byte-states; and the read one at the last state."""
    found = unread(dead())
    assert (found.blocks, found.bytes, found.room) == pytest.approx((1 / 3, 6 / 8, (4 * 6 + 1) / (5 + 4 * 6 + 2)))
    info = describe_trace(dead())
    text = info_text(info, dead())
    assert info.kept_unread == found
    assert "33.3% of the blocks, 75.0% of their size, are not freed either" in text
    assert "held in vain    80.6% of size x steps" in text
    assert info.as_dict()["kept_unread"] == found.as_dict()


def test_a_line_where_it_is_worth_one() -> None:
    """Next to nothing and the unknown are passed over."""
    assert kept_unread(None) == ""
    assert kept_unread(Unread(0.5, 0.009, 0.9)) == ""
    assert kept_unread(Unread(1 / 3, 0.75, 0.5)) == (
        "33 % of the blocks, 75 % of the bytes are never read and never freed: times include keeping them "
        "(see trace import --keep; the rule cache may forget them)"
    )


@pytest.mark.parametrize("options", [("--method", "roofline"), ("--gap", "5%", "--time-limit", "5 s")], ids=["one", "both"])
def test_bounds_say_it(tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]) -> None:
    """Text and JSON of both forms of ``bound``."""
    (tmp_path / "memory.toml").write_text(MEMORY)
    text = 'schema = 1\nname = "dead"\n[memory]\nfile = "memory.toml"\n[trace]\nfile = "t.npz"\n'
    (tmp_path / "dead.toml").write_text(text)
    save_trace(dead(), tmp_path / "t.npz")
    assert main(["bound", str(tmp_path / "dead.toml"), *options]) == 0
    assert "kept unread  33 % of the blocks, 75 % of the bytes are never read and never freed" in capsys.readouterr().out
    assert main(["bound", str(tmp_path / "dead.toml"), *options, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kept_unread"] == unread(dead()).as_dict()


def test_a_cache_keeps_nothing_for_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where blocks may be forgotten, no time includes keeping them: nothing is said of it."""
    (tmp_path / "memory.toml").write_text(MEMORY)
    text = 'schema = 1\nname = "dead"\n[memory]\nfile = "memory.toml"\n[trace]\nfile = "t.npz"\n'
    (tmp_path / "dead.toml").write_text(text + '[rules]\nresidency = "cache"\n[recompute]\nrate = "1 GB/s"\n')
    save_trace(dead(), tmp_path / "t.npz")
    assert main(["bound", str(tmp_path / "dead.toml"), "--method", "roofline"]) == 0
    assert "kept unread" not in capsys.readouterr().out
