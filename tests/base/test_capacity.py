"""Capacities as counts of what a trace has, as shares of it, and without a limit."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from placement_opt.base.capacity import UNLIMITED, Contents, Count, counted_bytes, parse_capacity
from placement_opt.base.errors import InputError
from placement_opt.base.units import LARGEST
from placement_opt.instance import trace_source as tracesource
from placement_opt.instance.instance import Instance
from placement_opt.instance.load import load_instance, load_layered
from placement_opt.instance.outline import read_outline
from placement_opt.instance.scaled import LayerShare
from placement_opt.memory import load_memory
from placement_opt.report.memory import memory_info, memory_text
from placement_opt.workload.files.npz import save_trace
from tests.small import make_trace

MEMORY = """\
schema = 1
name = "two"
processor = "gpu"
[tiers.hbm]
capacity = "1 MiB"
rate = "4.9 TB/s"
at = "gpu"
[tiers.lpddr]
capacity = "1 GiB"
rate = "500 GB/s"
at = "gpu"
"""

DRIFT = """\
schema = 1
name = "small"
[memory]
file = "memory.toml"
[llm]
layers = 32
kv_bytes = "1 KiB"
weight_resident = "20 KiB"
[trace]
synth = "drift"
layers = 2
prefill = 20
tokens = 5
seed = 1
"""

ROWS = """\
schema = 1
name = "rows"
[memory]
file = "memory.toml"
[trace]
file = "t.npz"
[rules]
residency = "free"
"""


def load(folder: Path, text: str, *, memory: str = MEMORY, **capacities: str) -> Instance:
    (folder / "memory.toml").write_text(memory)
    (folder / "case.toml").write_text(text)
    return load_instance(folder / "case.toml", {f"memory.{tier}.capacity": value for tier, value in capacities.items()})


def refused(folder: Path, text: str, **capacities: str) -> str:
    with pytest.raises(InputError) as caught:
        load(folder, text, **capacities)
    return str(caught.value).removeprefix(f"{folder}/")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2000 tokens", Count(Fraction(2000), "tokens", "2000 tokens")),
        ("1 token", Count(Fraction(1), "tokens", "1 token")),
        ("64blocks", Count(Fraction(64), "blocks", "64blocks")),
        ("1e3 pages", Count(Fraction(1000), "blocks", "1e3 pages")),
        ("12.5%", Count(Fraction(1, 8), "%", "12.5%")),
        ("30 %", Count(Fraction(3, 10), "%", "30 %")),
        ("unlimited", UNLIMITED),
        ("1 GiB", 2**30),
    ],
)
def test_what_a_capacity_may_be(text: str, found: int | Count) -> None:
    """Sizes, counts in three words, shares, and no limit, which is no size that can be written."""
    assert parse_capacity(text) == found
    assert UNLIMITED > LARGEST


@pytest.mark.parametrize(
    "value", ["-5 tokens", "tokens", "5 token s", "5 Tokens", "infinite", "unlimited B", "%", "5 %%", 5, None]
)
def test_what_it_may_not_be(value: object) -> None:
    """Anything else is no size."""
    with pytest.raises(InputError, match="expected a size with its unit"):
        parse_capacity(value)


def test_counts_become_bytes() -> None:
    """A token times its bytes, a block times its size, a share of the peak; the nearest whole byte, halves upward."""
    contents = Contents(token_bytes=64, smallest=32, largest=32, peak_bytes=1001)
    texts = {"3 tokens": 192, "3 blocks": 96, "3 pages": 96, "50%": 501, "0%": 0, "200%": 2002}
    for text, size in texts.items():
        count = parse_capacity(text)
        assert isinstance(count, Count)
        assert counted_bytes(count, contents) == size


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "3 tokens",
            "found '3 tokens', where nothing says how many bytes a token takes, "
            "expected kv_bytes and layers in [llm] beside it, or a size",
        ),
        ("3 pages", "found '3 pages', where blocks are of 16 B to 32 B, expected a size, tokens or a share"),
        ("1e20%", "found '1e20%', of 1000 B, expected at most 2**60 bytes"),
    ],
)
def test_counts_that_mean_nothing(text: str, message: str) -> None:
    """Tokens of unknown size, blocks of several, and sizes beyond all sense are refused."""
    count = parse_capacity(text)
    assert isinstance(count, Count)
    with pytest.raises(InputError) as caught:
        counted_bytes(count, Contents(token_bytes=None, smallest=16, largest=32, peak_bytes=1000))
    assert str(caught.value) == message


@pytest.mark.parametrize(("text", "room"), [("10 tokens", 20), ("10 blocks", 10), ("10 pages", 10), ("40%", 20), ("0%", 0)])
def test_counts_are_room_beside_the_weights(tmp_path: Path, text: str, room: int) -> None:
    """A token takes a block in each of the trace's two layers (not of the model's 32); weights come on top."""
    instance = load(tmp_path, DRIFT, hbm=text)
    assert instance.capacity.tolist() == [room * 1024, 2**30]
    assert instance.memory.tiers[0].capacity == (room + 20) * 1024
    assert instance.hash == load(tmp_path, DRIFT, hbm=f"{room + 20} KiB").hash


def test_pages_have_the_size_of_pages(tmp_path: Path) -> None:
    """With pages of several tokens a block is a page."""
    instance = load(tmp_path, DRIFT + "[rules]\npage_tokens = 4\n", hbm="3 pages")
    assert instance.capacity[0] == 3 * 4 * 1024


def test_the_engine_on_runs_counts_alike(tmp_path: Path) -> None:
    """An instance whose trace is not made has the room that the trace would have."""
    for text in ("10 tokens", "10 blocks", "40%", "unlimited"):
        instance = load(tmp_path, DRIFT.replace('"memory.toml"', f'"memory.toml"\nhbm.capacity = "{text}"'))
        assert load_layered(tmp_path / "case.toml").capacity.tolist() == instance.capacity.tolist()


def test_counts_of_what_is_only_guessed_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the gate knows a part of the trace alone, capacities are those of the whole once it is made."""
    monkeypatch.setattr(tracesource, "SAMPLED", 20)
    text = DRIFT[: DRIFT.index("[trace]")] + '[trace]\nsynth = "requests"\nrequests = 60\nseed = 1\n'
    text += '[rules]\nresidency = "free"\n'
    for share in (1, 4):
        instance = load(tmp_path, text, hbm=f"{100 // share}%", lpddr="unlimited")
        assert instance.capacity.tolist() == [instance.alive_bytes.max() // share, instance.alive_bytes.max()]
    assert not read_outline(tmp_path / "case.toml", {"memory.lpddr.capacity": "unlimited"}).totals.firm


def test_counts_of_pages_of_a_file(tmp_path: Path) -> None:
    """Pages of rows are known once they are gathered."""
    save_trace(load(tmp_path, DRIFT).trace, tmp_path / "t.npz")
    text = DRIFT[: DRIFT.index("[trace]")] + '[trace]\nfile = "t.npz"\n[rules]\npage_tokens = 4\n'
    instance = load(tmp_path, text, hbm="50%")
    assert instance.capacity[0] == instance.alive_bytes.max() // 2
    assert load(tmp_path, text, hbm="2 pages").capacity[0] == 2 * 4 * 1024


def test_a_total_beyond_all_sense_is_said_first(tmp_path: Path) -> None:
    """Blocks that sums cannot hold are refused for the trace, not for a capacity that counts them."""
    text = DRIFT.replace('"1 KiB"', '"1e17 B"')
    for capacity in ("100%", "unlimited"):
        assert refused(tmp_path, text, hbm=capacity).startswith("case.toml:9: trace: found blocks of ")


def test_a_share_of_the_layers_has_a_share_of_what_is_counted(tmp_path: Path) -> None:
    """Counts are scaled as the bytes that they stand for, weights beside them; what has no limit keeps having none."""
    for text, room in (("10 tokens", 10), ("10 blocks", 5), ("40%", 10), ("unlimited", 25)):
        load(tmp_path, DRIFT.replace('"memory.toml"', f'"memory.toml"\nhbm.capacity = "{text}"'))
        half = load_instance(tmp_path / "case.toml", layers=LayerShare(1, 2))
        assert half.capacity.tolist() == [room * 1024, 2**29]


def test_counts_that_the_trace_does_not_know(tmp_path: Path) -> None:
    """Blocks in bytes have no tokens, blocks of two sizes no number; the message has the key's place."""
    save_trace(make_trace([[0, 1], [0]], [-1, -1], sizes=[8, 16]), tmp_path / "t.npz")
    found = "case.toml: memory.hbm.capacity (override): found '2 tokens', where nothing says how many bytes a token takes"
    assert refused(tmp_path, ROWS, hbm="2 tokens").startswith(found)
    found = "case.toml: memory.hbm.capacity (override): found '2 blocks', where blocks are of 8 B to 16 B"
    assert refused(tmp_path, ROWS, hbm="2 blocks").startswith(found)
    known = ROWS.replace("[trace]", '[llm]\nlayers = 2\nkv_bytes = "4 B"\n[trace]')
    assert load(tmp_path, known, hbm="2 tokens").capacity[0] == 16
    assert load(tmp_path, ROWS, hbm="100%").capacity[0] == 24
    assert refused(tmp_path, ROWS, hbm="20%") == (
        "case.toml: memory.hbm.capacity (override): found room for 5 B, expected none or at least the largest block, 16 B"
    )


def test_unlimited_is_all_that_can_be_alive(tmp_path: Path) -> None:
    """Sixteen tiers without a limit still add up to few bytes; the largest of them is the home tier."""
    save_trace(make_trace([[0, 1], [0]], [-1, -1], sizes=[8, 16]), tmp_path / "t.npz")
    more = "".join(f'[tiers.t{n}]\ncapacity = "unlimited"\nrate = "{n + 1} GB/s"\nat = "gpu"\n' for n in range(14))
    instance = load(tmp_path, ROWS, memory=MEMORY + more, hbm="unlimited", lpddr="unlimited")
    assert instance.capacity.tolist() == [24] * 16
    inclusive = load(tmp_path, ROWS.replace("free", "inclusive"), lpddr="unlimited")
    assert (inclusive.home, inclusive.capacity.tolist()) == (1, [2**20, 24])


def test_weights_in_an_unlimited_tier(tmp_path: Path) -> None:
    """Weights take nothing from what has no end."""
    instance = load(tmp_path, DRIFT, hbm="unlimited")
    assert instance.capacity[0] == instance.alive_bytes.max()


def test_a_memory_file_counts_nothing(tmp_path: Path) -> None:
    """Counts need a trace; no limit needs none, and is printed as such."""
    path = tmp_path / "memory.toml"
    path.write_text(MEMORY.replace("1 MiB", "100 tokens"))
    with pytest.raises(InputError) as caught:
        load_memory(path)
    assert str(caught.value) == (
        f"{path}:5: tiers.hbm.capacity: found '100 tokens' without a trace, which says how many bytes that is, "
        "expected a size here; an instance may say so in its [memory] table"
    )
    path.write_text(MEMORY.replace("1 MiB", "unlimited"))
    memory = load_memory(path)
    assert [tier["capacity"] for tier in memory_info(memory)["tiers"]] == [None, 2**30]
    assert "unlimited" in memory_text(memory)
