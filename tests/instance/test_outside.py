"""The rule cache and what comes from outside: what the keys do to an instance, and how what is wrong in them is answered."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.base.ranges import spaced
from placement_opt.cli import main
from placement_opt.instance.gate import answers_in_runs
from placement_opt.instance.law import serving_ways, tier_sets
from placement_opt.instance.load import load_instance, load_layered
from placement_opt.instance.outline import read_outline
from placement_opt.instance.packing import packing_known
from placement_opt.instance.rule import MOST_LOAD
from placement_opt.instance.scaled import LayerShare
from placement_opt.instance.start import save_initial
from placement_opt.memory import build_memory
from placement_opt.memory.system import Outside
from placement_opt.report.check import checks_text
from placement_opt.study.check import check
from placement_opt.workload.files.npz import save_trace
from placement_opt.workload.llm import SHAPES
from tests.instance.cases import FOUR
from tests.small import chain, make_instance, make_trace

EXAMPLES = Path(__file__).parent / "examples"

TINY_MEMORY = """\
schema = 1
name = "one"
processor = "gpu"
[tiers.slow]
capacity = "1 B"
rate = "1 B/s"
at = "gpu"
"""
TINY = """\
schema = 1
name = "tiny"
[memory]
file = "memory.toml"
[trace]
file = "t.npz"
[rules]
residency = "cache"
[recompute]
rate = "2 B/s"
"""


def tiny(folder: Path, text: str = TINY, old: str = "", new: str = "") -> Path:
    """A tier of 1 B/s with room for one of three blocks of 1 B, each read once; recomputing makes 2 B/s."""
    assert not old or text.count(f"{old}\n") == 1, old
    (folder / "memory.toml").write_text(TINY_MEMORY)
    save_trace(make_trace([[0], [1], [2]], [-1, -1, -1], sizes=[1, 1, 1]), folder / "t.npz")
    path = folder / "tiny.toml"
    path.write_text(text.replace(f"{old}\n", f"{new}\n" if new else "") if old else text)
    return path


def requests(folder: Path, llm: str, recompute: str, rules: str = 'residency = "cache"') -> Path:
    path = folder / "requests.toml"
    text = f'schema = 1\nname = "r"\n[memory]\npreset = "gh200"\n[llm]\n{llm}\n[trace]\nsynth = "requests"\nseed = 1\n'
    path.write_text(f"{text}requests = 5\n[rules]\n{rules}\n[recompute]\n{recompute}\n")
    return path


def rate(path: Path) -> int:
    memory = read_outline(path).memory
    assert memory.operations.names[-1] == "recompute"
    return int(memory.rates[memory.resources.index("recompute")])


def test_a_tiny_cache(tmp_path: Path) -> None:
    """Three blocks and room for one: accepted; blocks may lie nowhere, where recomputing alone serves them."""
    instance = load_instance(tiny(tmp_path))
    assert (instance.forgets, instance.inclusive, instance.initial) == (True, False, None)
    assert (instance.memory.resources, instance.memory.rates.tolist()) == (("slow", "recompute"), [1, 2])
    assert tier_sets(instance).tolist() == [0, 1]
    assert serving_ways(instance.loads, tier_sets(instance), 0).tolist() == [[False, True], [True, True]]
    assert instance.loads.serve.tolist() == [[[1, 0], [0, 1]]]
    assert instance.loads.brings.tolist() == [True, True]
    assert packing_known(instance) is True
    assert instance.alive_bytes.max() == 3 > instance.capacity.sum()


def test_an_empty_start_and_one_that_fills_what_there_is(tmp_path: Path) -> None:
    """A file may place nothing at all; first-fit leaves out what finds no room, under this rule alone."""
    path = tiny(tmp_path)
    save_initial(np.zeros((1, 3), dtype=bool), tmp_path / "start.npz")
    empty = load_instance(path, {"rules.initial": "file", "rules.initial_file": "start.npz"}).initial
    assert empty is not None
    assert not empty.any()
    filled = load_instance(path, {"rules.initial": "first-fit"}).initial
    assert filled is not None
    assert filled.tolist() == [[True, False, False]]
    with pytest.raises(InputError, match="found room for 1 B in all tiers together, expected at least 3 B, every block"):
        load_instance(path, {"rules.initial": "first-fit", "rules.residency": "free"})


def test_whole_blocks_need_no_packing(tmp_path: Path) -> None:
    """Two tiers of 3 B and three blocks of 2 B: no schedule under exclusive, nothing to pack under cache."""
    path = tiny(tmp_path)
    first = TINY_MEMORY.replace("1 B", "3 B")
    second = first[first.index("[tiers.slow]") :].replace("slow", "other")
    (tmp_path / "memory.toml").write_text(first + second)
    save_trace(make_trace([[0, 1, 2]], [-1, -1, -1], sizes=[2, 2, 2]), tmp_path / "t.npz")
    assert load_instance(path).num_tiers == 2
    with pytest.raises(InputError, match="no schedule exists"):
        load_instance(path, {"rules.residency": "exclusive"})


def test_a_tier_below_the_largest_block_is_refused_as_ever(tmp_path: Path) -> None:
    """It could hold nothing."""
    path = tiny(tmp_path)
    save_trace(make_trace([[0]], [-1], sizes=[2]), tmp_path / "t.npz")
    with pytest.raises(
        InputError, match=r"slow\.capacity: found room for 1 B, expected none or at least the largest block, 2 B"
    ):
        load_instance(path)


def test_capacities_are_shares_of_what_is_alive() -> None:
    """Forgotten or not, the blocks of the trace are what a share is of; weights come on top."""
    instance = load_instance(EXAMPLES / "cache.toml")
    peak = int(instance.alive_bytes.max())
    assert instance.capacity.tolist() == pytest.approx([0.1 * peak, 0.3 * peak], abs=1)
    assert instance.capacity.sum() < peak
    unlimited = load_instance(EXAMPLES / "cache.toml", {"memory.lpddr.capacity": "unlimited"})
    assert unlimited.capacity[1] == peak


def test_what_comes_from_outside_serves_under_every_rule(tmp_path: Path) -> None:
    """Recomputing beside a home that keeps everything is one more way to serve."""
    path = tiny(tmp_path)
    (tmp_path / "memory.toml").write_text(TINY_MEMORY.replace("1 B", "3 B"))
    for rule in ("inclusive", "exclusive", "free"):
        instance = load_instance(path, {"rules.residency": rule})
        assert instance.memory.operations.names[-1] == "recompute"
        assert not instance.forgets
    plain = tiny(tmp_path, TINY.replace('[recompute]\nrate = "2 B/s"\n', "").replace('"cache"', '"free"'))
    (tmp_path / "memory.toml").write_text(TINY_MEMORY.replace("1 B", "3 B"))
    assert load_instance(plain).memory.operations.plain
    assert load_instance(plain).hash != instance.hash


def test_rates_of_recomputing(tmp_path: Path) -> None:
    """As stated; from flops and a model's parameters (2 operations each; active experts only); from flops_per_token."""
    llama = SHAPES["llama-3.1-8b"].active_parameters // 32
    mixtral = SHAPES["mixtral-8x7b"].active_parameters // 32
    preset = 'preset = "llama-3.1-8b"'
    assert rate(requests(tmp_path, preset, 'rate = "20 GiB/s"')) == 20 * 2**30
    assert rate(requests(tmp_path, preset, 'rate = "20 B/s"\nefficiency = 0.33')) == 6
    flops = 'flops = "990 TFLOP/s"'
    assert rate(requests(tmp_path, preset, flops)) == 990 * 10**12 * 4096 // (2 * llama)
    assert rate(requests(tmp_path, 'preset = "mixtral-8x7b"', flops)) == 990 * 10**12 * 4096 // (2 * mixtral)
    half = rate(requests(tmp_path, preset, f"{flops}\nefficiency = 0.5"))
    assert half == 495 * 10**12 * 4096 // (2 * llama)
    stated = 'flops = "100 TFLOPS"\nflops_per_token = "16 GFLOP"'
    assert rate(requests(tmp_path, 'kv_bytes = "1 KiB"\nlayers = 32', stated)) == 10**14 * 1024 * 32 // (16 * 10**9)
    assert rate(requests(tmp_path, f'{preset}\nkv_bytes = "1 KiB"', stated)) == 10**14 * 1024 * 32 // (16 * 10**9)


def test_flops_of_a_token_are_near_the_parameters(tmp_path: Path) -> None:
    """An 8B model without its embeddings has 7B parameters: 14 GFLOP a token, which give nearly what the preset gives."""
    path = requests(tmp_path, 'preset = "llama-3.1-8b"', 'flops = "990 TFLOP/s"\nflops_per_token = "14 GFLOP"')
    assert rate(path) == pytest.approx(rate(requests(tmp_path, 'preset = "llama-3.1-8b"', 'flops = "990 TFLOP/s"')), rel=0.01)


def test_stores_come_after_recomputing_in_the_order_of_the_file(tmp_path: Path) -> None:
    """Each has a resource of its own name."""
    text = TINY + '[stores.peer]\nrate = "5 B/s"\n[stores.s3]\nrate = "9 B/s"\nefficiency = 0.5\n'
    memory = load_instance(tiny(tmp_path, text)).memory
    assert memory.outside == (
        Outside("recompute", "recompute", 2),
        Outside("refetch peer", "peer", 5),
        Outside("refetch s3", "s3", 4),
    )
    assert memory.resources == ("slow", "recompute", "peer", "s3")
    stores = TINY.replace('[recompute]\nrate = "2 B/s"\n', '[stores.s3]\nrate = "9 B/s"\n')
    assert load_instance(tiny(tmp_path, stores)).memory.operations.names[-1] == "refetch s3"


def test_every_key_may_be_overridden(tmp_path: Path) -> None:
    """Dotted keys, of tables that the file lacks too."""
    path = tiny(tmp_path)
    values = {
        "recompute.rate": "8 B/s",
        "stores.s3.rate": "3 B/s",
        "memory.slow.page": "1 B",
        "memory.slow.read_iops": "7 IOPS",
    }
    memory = load_instance(path, values).memory
    assert memory.resources == ("slow", "slow.read_iops", "recompute", "s3")
    assert memory.rates.tolist() == [1, 7, 8, 3]
    example = load_instance(
        EXAMPLES / "inflash.toml", {"memory.flash.compute.result": "1/32", "memory.flash.compute.rate": "1 GB/s"}
    )
    assert (example.memory.scale, example.memory.rates[-1]) == ({"channel": 32}, 10**9)
    with pytest.raises(
        InputError, match=r"tiny\.toml: recompute\.rat \(override\): found unknown key 'rat', did you mean 'rate'"
    ):
        load_instance(path, {"recompute.rat": "8 B/s"})


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1MIOPS..2MIOPS:3", ["1MIOPS", "1.5MIOPS", "2MIOPS"]),
        ("500TFLOP/s..1PFLOP/s:2", ["0.5PFLOP/s", "1PFLOP/s"]),
        ("8GFLOP..16GFLOP:2", ["8GFLOP", "16GFLOP"]),
    ],
)
def test_sweeps_space_the_new_units(text: str, values: list[str]) -> None:
    """Ends in two units of one kind are values in the larger."""
    assert spaced(text) == values


FLOPS_FOUR = FOUR.replace('"inclusive"', '"cache"') + '[recompute]\nflops = "10 TFLOP/s"\nflops_per_token = "4 GFLOP"\n'


def test_a_share_of_the_layers_leaves_the_rates(tmp_path: Path) -> None:
    """A layer is recomputed as fast as in the whole, and as fast as where its flops and layers are written by hand."""
    path = tmp_path / "four.toml"
    path.write_text(FLOPS_FOUR.format(layers=4, hbm=8, lpddr=64, weights=4) + '[stores.s3]\nrate = "9 GB/s"\n')
    whole, part = load_instance(path), load_instance(path, layers=LayerShare(1, 4))
    assert part.memory.outside == whole.memory.outside
    assert whole.memory.outside[0].rate == 10**13 * 4 * 16384 // (4 * 10**9)
    assert part.capacity.tolist() == (whole.capacity // 4).tolist()
    other = tmp_path / "one.toml"
    text = FLOPS_FOUR.replace("4 GFLOP", "1 GFLOP").format(layers=1, hbm=2, lpddr=16, weights=1)
    other.write_text(text + '[stores.s3]\nrate = "9 GB/s"\n')
    assert load_instance(other).hash == part.hash


NO_UNIT = 'without a unit, expected a rate with its unit such as "450 GB/s"'
BAD = [
    ('rate = "2 B/s"', "rate = 20", f":10: recompute.rate: found 20 {NO_UNIT}"),
    ('rate = "2 B/s"', 'rate = "20"', f":10: recompute.rate: found '20' {NO_UNIT}"),
    ('rate = "2 B/s"', 'rate = "0 B/s"', ":10: recompute.rate: found '0 B/s', expected a rate above zero"),
    ('rate = "2 B/s"', 'rat = "2 B/s"', ":10: recompute.rat: found unknown key 'rat', did you mean 'rate'?"),
    (
        'rate = "2 B/s"',
        "",
        ':9: recompute.rate: found nothing, expected rate = "20 GiB/s" (KV made), or flops = "990 TFLOP/s"',
    ),
    (
        'rate = "2 B/s"',
        'rate = "2 B/s"\nefficiency = 0.1',
        ":10: recompute.rate: found what makes 0.2 B/s, expected from 1 B/s to 1153 PB/s",
    ),
    ('rate = "2 B/s"', 'rate = "2 B/s"\nefficiency = 2', ":11: recompute.efficiency: found 2, expected a number above 0"),
    (
        'rate = "2 B/s"',
        'rate = "2 B/s"\nflops = "1 TFLOP/s"',
        ":11: recompute.flops: found flops beside rate, expected one of the two",
    ),
    (
        'rate = "2 B/s"',
        'rate = "2 B/s"\nflops_per_token = "1 GFLOP"',
        ":11: recompute.flops_per_token: found flops_per_token beside rate, expected one of the two",
    ),
    (
        'rate = "2 B/s"',
        "flops = 990",
        ':10: recompute.flops: found 990 without a unit, expected operations a second with their unit such as "990 TFLOP/s"',
    ),
    (
        'rate = "2 B/s"',
        'flops = "990 TFLOP/s"',
        ":10: recompute.flops: found nothing that says how many bytes of KV a token has in a layer, "
        "expected kv_bytes or preset in [llm], or rate in place of flops",
    ),
    (
        'rate = "2 B/s"',
        'flops = "990 TFLOP/s"\n[llm]\nkv_bytes = "1 KiB"',
        ":9: recompute.flops_per_token: found nothing, expected this key, or a preset in [llm], whose parameters say so",
    ),
    (
        'rate = "2 B/s"',
        'flops = "990 TFLOP/s"\nflops_per_token = "16 GFLOP"\n[llm]\nkv_bytes = "1 KiB"',
        ":11: recompute.flops_per_token: found operations of a token in all layers, and nothing that says how many "
        "layers there are, expected layers or preset in [llm]",
    ),
    (
        'rate = "2 B/s"',
        'flops = "1 FLOP/s"\nflops_per_token = "16 GFLOP"\n[llm]\nkv_bytes = "1 KiB"\nlayers = 2',
        ":10: recompute.flops: found what makes 1.28e-07 B/s, expected from 1 B/s to",
    ),
    ("[recompute]", "[recompte]", ":9: recompte: found unknown key 'recompte', did you mean 'recompute'?"),
    ("[recompute]", "[stores]", ":10: stores.rate: found '2 B/s', expected a table"),
    ("[recompute]", "[stores.s3]\nefficiency = 0.5\n[recompute]", ":9: stores.s3.rate: found nothing, expected this key"),
    ("[recompute]", "[stores.s3]\nrat = 5\n[recompute]", ":10: stores.s3.rat: found unknown key 'rat', did you mean 'rate'?"),
    ("[recompute]", "[stores.s3]\nrate = 5\n[recompute]", f":10: stores.s3.rate: found 5 {NO_UNIT}"),
    (
        "[recompute]",
        '[stores.slow]\nrate = "5 B/s"\n[recompute]',
        ":9: stores.slow: found the name 'slow' twice, here and in tiers, expected two names",
    ),
    (
        "[recompute]",
        '[stores.recompute]\nrate = "5 B/s"\n[recompute]',
        ":11: recompute: found the name 'recompute' twice, here and in outside, expected two names",
    ),
    (
        "[recompute]",
        '[stores."s 3"]\nrate = "5 B/s"\n[recompute]',
        ":9: stores.s 3: found the name 's 3', expected a letter, then at most 39 letters, digits, - or _",
    ),
    (
        '[recompute]\nrate = "2 B/s"',
        "",
        ":8: rules.residency: found cache, and nothing that a block comes from that lies nowhere, "
        "expected [recompute] or [stores.NAME] beside it",
    ),
    ('residency = "cache"', 'residency = "cach"', ":8: rules.residency: found 'cach', did you mean 'cache'?"),
]


@pytest.mark.parametrize(("old", "new", "message"), BAD, ids=[f"{n} {bad[2].split(' found')[0]}" for n, bad in enumerate(BAD)])
def test_every_mistake_is_answered_with_its_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    """File, line and key, what was found and what was expected."""
    path = tiny(tmp_path, TINY, old, new)
    with pytest.raises(InputError) as caught:
        load_instance(path)
    assert str(caught.value).startswith(f"{path}{message}")


def test_more_stores_than_ways_can_be_counted(tmp_path: Path) -> None:
    """Seventeen are one too many."""
    path = tiny(tmp_path, TINY + "".join(f'[stores.s{n}]\nrate = "1 B/s"\n' for n in range(17)))
    with pytest.raises(InputError) as caught:
        load_instance(path)
    assert str(caught.value) == f"{path}:11: stores: found 17 stores, expected at most 16"


DRIFT = FOUR.replace('"inclusive"', '"inclusive"\npage_tokens = 3')


@pytest.mark.parametrize("key", ["page", "iops"])
def test_parts_of_blocks_have_no_price_in_pages_and_requests(tmp_path: Path, key: str) -> None:
    """Pages of tokens are read in shares; where a device counts pages or requests that is refused at the key that asks it."""
    path = tmp_path / "paged.toml"
    path.write_text(DRIFT.format(layers=4, hbm=8, lpddr=64, weights=4))
    with pytest.raises(InputError) as caught:
        load_instance(path, {f"memory.lpddr.{key}": "64 B" if key == "page" else "1M IOPS"})
    assert str(caught.value) == (
        f"{path}:21: rules.page_tokens: found reads in shares of 1/3, of pages, "
        "expected whole reads: what a part of a block costs in requests and pages is not said"
    )


def test_loads_that_do_not_fit_integers(tmp_path: Path) -> None:
    """Blocks of a GiB each, rounded up from many, or counted in fractions, stay within 64 bits or are refused."""
    path = tmp_path / "large.toml"
    head = 'schema = 1\nname = "l"\n[memory]\npreset = "gh200"\nhbm.capacity = "0 B"\nlpddr.capacity = "unlimited"\n'
    path.write_text(f'{head}lpddr.compute.result = "1/1048573"\nc2c.rate = "1 GB/s"\n[trace]\nfile = "t.npz"\n')
    save_trace(make_trace([[0]], [-1], sizes=[2**43]), tmp_path / "t.npz")
    with pytest.raises(
        InputError, match=r"trace: found blocks that load up to 9\.22e\+18 on one resource, all together, expected"
    ):
        load_instance(path)
    save_trace(make_trace([[0]], [-1], sizes=[2**41]), tmp_path / "t.npz")
    instance = load_instance(path)
    assert int(instance.loads.amount.max()) * int(instance.loads.row.max()) <= MOST_LOAD
    path.write_text(path.read_text() + '[llm]\nweight_bytes = "512 TiB"\nweight_tier = "lpddr"\n')
    with pytest.raises(
        InputError, match=r":12: llm\.weight_bytes: found weights that load 5\.9e\+20 on one resource at a step"
    ):
        load_instance(path)


def test_runs_are_for_reads_stores_and_copies_by_the_byte(tmp_path: Path) -> None:
    """An answer in runs knows no other operation: it is not offered, and refused where it is asked for."""
    path = tmp_path / "four.toml"
    path.write_text(FOUR.format(layers=4, hbm=8, lpddr=64, weights=4))
    assert answers_in_runs(read_outline(path))
    assert load_layered(path)
    for more in ('[recompute]\nrate = "1 GB/s"\n', 'lpddr.page = "64 B"\n'):
        text = path.read_text().replace("[llm]", f"{more}[llm]")
        other = tmp_path / "other.toml"
        other.write_text(text)
        assert not answers_in_runs(read_outline(other))
        with pytest.raises(InputError) as caught:
            load_layered(other)
        expected = "found pages, requests a second, computing in a tier, or blocks from outside, "
        assert (
            str(caught.value) == f"{other}: memory: {expected}expected reads, stores and copies by the byte alone at this size"
        )


def test_check_says_what_lies_nowhere(capsys: pytest.CaptureFixture[str]) -> None:
    """Six tenths of the peak have no room: recomputing or the store serves them; text and JSON say so."""
    path = EXAMPLES / "cache.toml"
    found = check(path)
    assert found.fits
    assert found.binding.nowhere == found.peak - sum(tier.held for tier in found.tiers)
    assert found.binding.nowhere / found.peak == pytest.approx(0.6, abs=0.01)
    assert found.binding.filled_s > found.binding.roofline_s
    text = " ".join(checks_text([found]).split())
    assert "At the peak 60 % of the bytes lie nowhere; reads of such blocks are served by recompute or refetch s3." in text
    assert "outside recompute 4.648 GB/s, refetch s3 10 GB/s" in text
    assert main(["check", str(path), "--json"]) == 0
    (document,) = json.loads(capsys.readouterr().out)["instances"]
    assert document["nowhere_share"] == pytest.approx(0.6, abs=0.01)
    assert document["outside"][1] == {"operation": "refetch s3", "rate": 10**10}


def test_check_of_a_tiny_cache_by_hand(tmp_path: Path) -> None:
    """Three bytes in three steps: 1/3 s a step at the best split; with a third in the tier, recomputing takes the rest."""
    found = check(tiny(tmp_path))
    assert found.binding.roofline_s == pytest.approx(3 * 1 / 3)
    assert found.binding.filled_s == pytest.approx(3 * max(1 / 3, (2 / 3) / 2), rel=1e-9)
    assert found.binding.nowhere == 2
    full = check(tiny(tmp_path, TINY, 'file = "memory.toml"', 'file = "memory.toml"\nslow.capacity = "9 B"'))
    assert full.binding.nowhere == 0
    assert "lie nowhere" not in checks_text([full])


def test_check_counts_pages_and_requests_by_the_block(tmp_path: Path) -> None:
    """Blocks of 20 B in pages of 16 B take 32 B; one request each at 0.25 s; the slower of the two."""
    path = tiny(tmp_path, TINY.replace('"cache"', '"inclusive"').replace('[recompute]\nrate = "2 B/s"\n', ""))
    save_trace(make_trace([[0, 1]], [-1, -1], sizes=[20, 20]), tmp_path / "t.npz")
    text = TINY_MEMORY.replace('"1 B"', '"99 B"').replace('"1 B/s"', '"64 B/s"') + 'page = "16 B"\n'
    (tmp_path / "memory.toml").write_text(text)
    assert check(path).binding.roofline_s == pytest.approx(2 * 32 / 64)
    (tmp_path / "memory.toml").write_text(text + 'read_iops = "1 IOPS"\n')
    found = check(path)
    assert (found.binding.roofline_s, found.binding.resource) == (pytest.approx(2.0), "slow.read_iops")


def test_an_example_that_attends() -> None:
    """Attending in flash is a way to serve what lies there, rounded to pages; nothing needs a copy in HBM."""
    instance = load_instance(EXAMPLES / "inflash.toml")
    loads = instance.loads
    assert loads.operations.names[-1] == "attend flash"
    assert not loads.operations.uniform
    size = int(instance.size[0])
    assert size % (16 * 1024) == 0
    row = dict(zip(instance.memory.resources, loads.serve[0, -1].tolist(), strict=True))
    assert row == {"hbm": 0, "flash.read": size, "flash.write": 0, "channel": size, "flash.read_iops": 1} | {
        "flash.write_iops": 0,
        "flash.compute": size,
    }
    assert instance.memory.rates[instance.memory.resources.index("channel")] == 64 * 8 * 10**9
    assert loads.brings.tolist() == [True, True, False]


def test_two_files_of_one_question_have_one_hash() -> None:
    """Where a fraction is written as another of the same value nothing changes; another value does."""
    path = EXAMPLES / "inflash.toml"
    one = load_instance(path).hash
    assert load_instance(path, {"memory.flash.compute.result": "2/128"}).hash == one
    assert load_instance(path, {"memory.flash.compute.result": "1/63"}).hash != one
    assert load_instance(path, {"memory.flash.page": "8 KiB"}).hash != one
    assert load_instance(path, {"memory.flash.read_iops": "1 MIOPS"}).hash != one


def test_a_cache_wants_blocks_until_their_last_read() -> None:
    """By hand: block 0 is read at steps 1 and 2, block 1 never, block 2, born by step 1, is read at 3. Others keep all."""
    trace = make_trace([[], [0], [0], [2], []], [-1, -1, 1], sizes=[1, 10, 100])
    alone = chain([1000], [1], [])
    memory = build_memory("one", alone.processor, alone.tiers, alone.links, (Outside("recompute", "recompute", 2),))
    cache, free = (make_instance(memory, trace, rule) for rule in ("cache", "free"))
    assert cache.kept_until.tolist() == [2, 0, 3]
    assert cache.wanted_bytes.tolist() == [11, 1, 101, 100, 0, 0]
    assert free.kept_until.tolist() == free.last_state.tolist() == [5, 5, 5]
    assert free.wanted_bytes.tolist() == free.alive_bytes.tolist() == cache.alive_bytes.tolist() == [11, 11, 111, 111, 111, 111]
