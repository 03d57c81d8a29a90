"""Weights that an instance puts into a trace as blocks, and starts that are given kind by kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from placement_opt import Instance, Trace, build_instance, load_instance, save_trace
from placement_opt.base.errors import InputError
from placement_opt.instance.load import load_layered
from placement_opt.instance.outline import read_outline
from placement_opt.instance.scaled import LayerShare
from placement_opt.instance.start import by_kind
from placement_opt.play.simulate import simulate
from placement_opt.report.check import checks_text
from placement_opt.schedulers import REGISTRY
from placement_opt.study.check import check
from placement_opt.workload.synth import synthesize
from placement_opt.workload.transforms.weights import PlacedWeights, with_weights

DRIFT = {"synth": "drift", "seed": 3, "layers": 2, "prefill": 10, "tokens": 3}
PLACED = {"weights": "placed", "kv_bytes": "1 KiB", "weight_bytes": "10 kB", "weight_resident": "25 kB", "weight_tier": "lpddr"}
ROOM = {"preset": "gh200", "hbm.capacity": "60 kB", "lpddr.capacity": "100 kB"}


def placed(trace: Any = DRIFT, rules: dict[str, Any] | None = None, **llm: Any) -> Instance:
    return build_instance(ROOM, trace, llm=PLACED | llm, rules={"residency": "free"} | (rules or {}))


def test_every_step_reads_the_weights_of_its_layer() -> None:
    """First of all blocks, in tiles that differ by a byte at most, beside the KV that it read before; no other load is left."""
    before = synthesize("drift", {key: DRIFT[key] for key in ("layers", "prefill", "tokens")}, 3)
    instance = placed(tiles=3)
    trace = instance.trace
    assert trace.block_kind is not None
    assert trace.step_layer is not None
    assert trace.block_layer is not None
    assert instance.size[:6].tolist() == [3333, 3333, 3334] * 2
    assert trace.block_kind.tolist() == [1] * 6 + [0] * before.num_blocks
    for step, layer in enumerate(trace.step_layer.tolist()):
        ids = [3 * layer + tile for tile in range(3)]
        assert trace.reads(step).tolist() == ids + (before.reads(step) + 6).tolist()
        assert trace.block_layer[ids].tolist() == [layer] * 3
    assert not instance.fixed.any()
    # What no step reads lies where the table says.
    assert instance.capacity.tolist() == [60_000, 100_000 - 5_000]


def test_placed_weights_cost_what_fixed_ones_do_where_they_lie_alike() -> None:
    """All in one tier, the constant load is the same as reading the blocks."""
    kv = synthesize("decode", {"model": "llama-2-7b", "layers": 2, "context": 9, "weights": "none"}, 0)
    given = {"weight_bytes": "3 MB", "weight_resident": "6 MB", "weight_tier": "lpddr"}
    rules = {"residency": "free", "initial": {"weights": "lpddr", "kv": "hbm"}}
    both = [
        build_instance("gh200", kv, llm=given | more, rules=rules | start)
        for more, start in (({}, {"initial": {"kv": "hbm"}}), ({"weights": "placed", "tiles": 4}, {}))
    ]
    fixed, blocks = (simulate(each, REGISTRY["static"]()) for each in both)
    assert both[0].fixed.any()
    assert fixed.latency_s == pytest.approx(blocks.latency_s, rel=1e-12)


def test_shares_of_reads_stay_and_weights_are_read_whole() -> None:
    """Pages read in part beside tiles that are not."""
    instance = placed({**DRIFT, "prefill": 12, "tokens": 4}, {"page_tokens": 4}, tiles=2)
    trace, weights = instance.trace, instance.trace.block_kind
    assert trace.shares is not None
    assert weights is not None
    of_weights = weights[trace.blocks] == 1
    assert set(trace.shares[of_weights].tolist()) == {trace.share_base} == {4}
    assert min(trace.shares[~of_weights]) < 4
    assert trace.num_blocks - 4 == len(trace.size) - 4 == int((weights == 0).sum())


def test_a_share_of_the_layers_takes_the_share_of_the_weights(tmp_path: Path) -> None:
    """The blocks of half the layers, and half of what no step reads."""
    text = """schema = 1
name = "half"
memory = { preset = "gh200", hbm.capacity = "60 kB", lpddr.capacity = "100 kB" }
trace = { synth = "drift", seed = 3, layers = 2, prefill = 10, tokens = 3 }
llm = { weights = "placed", kv_bytes = "1 KiB", weight_bytes = "10 kB", weight_resident = "25 kB", tiles = 2 }
rules = { residency = "free" }
"""
    (tmp_path / "half.toml").write_text(text)
    half = load_instance(tmp_path / "half.toml", layers=LayerShare(1, 2))
    assert half.trace.block_kind is not None
    assert half.size[half.trace.block_kind == 1].tolist() == [5000, 5000]
    assert half.capacity.tolist() == [30_000 - 2_500, 50_000]
    totals, made = read_outline(tmp_path / "half.toml").totals, load_instance(tmp_path / "half.toml")
    assert (totals.blocks, totals.reads) == (made.num_blocks, made.num_reads)
    (tmp_path / "half.toml").write_text(text.replace('"free"', '"inclusive"'))
    with pytest.raises(InputError, match=r"llm\.weights: found 'placed', expected 'fixed' at this size"):
        load_layered(tmp_path / "half.toml")


@pytest.mark.parametrize(
    ("trace", "llm", "message"),
    [
        (DRIFT, {"weight_bytes": "0 B"}, "llm.weights: found no weights to place, expected preset or weight_bytes beside it"),
        (
            DRIFT,
            {"weights": "fixed", "tiles": 2},
            'llm.tiles: found tiles of weights that are no blocks, expected weights = "placed',
        ),
        (DRIFT, {"weight_bytes": "3 B", "tiles": 4}, "llm.tiles: found 4 tiles of 3 bytes, expected tiles of a byte at least"),
        (DRIFT, {"weights": "place"}, "llm.weights: found 'place', did you mean 'placed'?"),
        (
            {"synth": "zipf", "seed": 1, "blocks": 3, "reads": 2, "block_size": "1 kB"},
            {},
            "llm.weights: found a trace whose steps are not of layers, expected steps with layers",
        ),
        (
            {"synth": "decode", "seed": 1, "model": "llama-2-7b", "context": 4},
            {},
            "llm.weights: found a trace with blocks of weights, expected it to have KV alone, or no weights here",
        ),
    ],
)
def test_weights_that_cannot_be_placed_are_refused(trace: dict[str, Any], llm: dict[str, Any], message: str) -> None:
    """At the key of [llm] that says so."""
    with pytest.raises(InputError) as caught:
        placed(trace, **llm)
    assert str(caught.value).removeprefix("instance: ").replace(" (override)", "").startswith(message)


def test_a_file_of_rows_with_weights_is_refused_too(tmp_path: Path) -> None:
    """Whether or not the outline of the file tells."""
    kv = synthesize("decode", {"model": "llama-2-7b", "layers": 1, "context": 4, "weights": "none"}, 0)
    save_trace(with_weights(kv, kv.sizes, PlacedWeights(8, 2, 1)), tmp_path / "t.npz")
    (tmp_path / "t.toml").write_text(
        'schema = 1\nname = "t"\nmemory = { preset = "gh200" }\ntrace = { file = "t.npz" }\nllm = { preset = "llama-2-7b", '
        'weights = "placed" }\n'
    )
    with pytest.raises(InputError, match=r"t\.toml:5: llm\.weights: found a trace with blocks of weights"):
        load_instance(tmp_path / "t.toml")


def test_pieces_of_kv_stay_and_weights_are_in_one() -> None:
    """Whether the trace says it of each block or of all."""
    trace = Trace.from_reads([[0], [0, 1]], sizes=8, layers=2, pieces=4)
    both = with_weights(trace, trace.sizes, PlacedWeights(6, 2, 2))
    assert both.pieces is not None
    assert both.pieces.tolist() == [1, 1, 1, 1, 4, 4]
    assert both.sizes.tolist() == [3, 3, 3, 3, 8, 8]
    assert [both.reads(step).tolist() for step in range(2)] == [[0, 1, 4], [2, 3, 4, 5]]


# Starts by kind: blocks 0 and 1 are weights of 4 B, 2 to 4 are KV of 2 B, 5 does not exist yet.
KIND = np.array([1, 1, 0, 0, 0, 0], dtype=np.int8)
SIZE = np.array([4, 4, 2, 2, 2, 2])
EXISTS = np.array([True] * 5 + [False])


def lies(tiers: dict[str, list[int]], capacity: list[int], home: int | None = None) -> list[list[int]]:
    resident = by_kind(home, tiers, KIND, EXISTS, SIZE, np.array(capacity))
    return [np.flatnonzero(column).tolist() for column in resident.T]


def test_each_kind_fills_its_tiers_in_their_order() -> None:
    """What the first has no room for goes to the next; kinds are placed in the order given; a later smaller block fits."""
    assert lies({"weights": [0], "kv": [1]}, [8, 6]) == [[0], [0], [1], [1], [1], []]
    assert lies({"weights": [0], "kv": [0, 1]}, [10, 9]) == [[0], [0], [0], [1], [1], []]
    assert lies({"kv": [0, 1], "weights": [0, 1]}, [7, 9]) == [[1], [1], [0], [0], [0], []]


def test_a_home_tier_holds_everything_besides() -> None:
    """Those of a kind whose tier is the home lie there alone."""
    assert lies({"weights": [0], "kv": [1]}, [8, 14], 1) == [[0, 1], [0, 1], [1], [1], [1], []]
    assert lies({"weights": [0, 1], "kv": [1]}, [5, 14], 1) == [[0, 1], [1], [1], [1], [1], []]


def two_kinds() -> Trace:
    return with_weights(Trace.from_reads([[0, 1]], sizes=2, layers=1), np.array([2, 2]), PlacedWeights(8, 2, 1))


@pytest.mark.parametrize(
    ("initial", "message"),
    [
        (
            {"weights": "hbm"},
            "rules.initial: found no tier for kv, of which 2 blocks are there at the start, expected tiers of every",
        ),
        ({}, "rules.initial: found no kind, expected a word, or tiers of kv and weights"),
        ({"weights": "hbn", "kv": "hbm"}, "rules.initial.weights: found 'hbn', did you mean 'hbm'?"),
        ({"weight": "hbm"}, "rules.initial.weight: found unknown key 'weight', did you mean 'weights'?"),
        ({"weights": [], "kv": "hbm"}, "rules.initial.weights: found a list, expected a tier, or a list of different ones"),
        ({"weights": ["hbm", "hbm"]}, "rules.initial.weights: found a list, expected a tier, or a list"),
        ({"weights": 3, "kv": "hbm"}, "rules.initial.weights: found 3, expected a non-empty text"),
        (
            {"weights": "hbm", "kv": "hbm"},
            "rules.initial.kv: found no room left for block 2 (kv) of 2 B in the tiers of its kind, expected a start that",
        ),
    ],
)
def test_starts_by_kind_that_are_refused(initial: dict[str, Any], message: str) -> None:
    """Each at its key."""
    with pytest.raises(InputError) as caught:
        build_instance({"preset": "gh200", "hbm.capacity": "9 B"}, two_kinds(), rules={"residency": "free", "initial": initial})
    assert str(caught.value).removeprefix("instance: ").replace(" (override)", "").startswith(message)


def test_a_file_beside_tiers_of_kinds_is_refused() -> None:
    """One start or the other."""
    rules = {"residency": "free", "initial": {"kv": "hbm", "weights": "hbm"}, "initial_file": "start.npz"}
    with pytest.raises(
        InputError, match=r"found 'start\.npz' beside initial = tiers of kinds, expected a file with \"file\" only"
    ):
        build_instance("gh200", two_kinds(), rules=rules)


def test_budgets_of_a_token_count_all_steps_of_it() -> None:
    """A layer of head groups has several steps, which are of one token all the same."""
    decode = {"synth": "decode", "seed": 1, "model": "llama-3.2-1b", "layers": 2, "tokens": 3, "steps": "head-groups"}
    memory = {"preset": "gh200", "hbm.energy": "1 pJ/bit"}
    for trace in (decode, synthesize("decode", {key: decode[key] for key in decode if key not in ("synth", "seed")}, 1)):
        made = [build_instance(memory, trace, budgets={"energy": f"{energy}"}) for energy in ("2 J/token", "6 J")]
        assert made[0].num_steps == 3 * (2 * 10 + 1)
        assert made[0].hash == made[1].hash


def test_check_names_the_tiers_of_a_start_by_kind(tmp_path: Path) -> None:
    """In the order in which they are filled."""
    (tmp_path / "t.toml").write_text(
        'schema = 1\nname = "t"\nmemory = { preset = "gh200" }\n[rules]\nresidency = "free"\n'
        'initial = { weights = ["hbm", "lpddr"], kv = "lpddr" }\n[trace]\nsynth = "decode"\nseed = 1\nlayers = 1\n'
    )
    assert "start with weights in hbm then lpddr, kv in lpddr, pages" in checks_text([check(tmp_path / "t.toml")])


def test_weights_are_not_counted_twice(tmp_path: Path) -> None:
    """A trace whose blocks are the weights beside [llm] weights that every step reads is refused; zero bytes are not."""
    text = (
        'schema = 1\nname = "twice"\nmemory = { preset = "gh200" }\nrules = { residency = "free" }\n'
        'trace = { synth = "decode", seed = 0, model = "llama-3.1-8b", layers = 1, context = 64 }\n'
    )
    path = tmp_path / "twice.toml"
    path.write_text(text + 'llm = { preset = "llama-3.1-8b" }\n')
    with pytest.raises(InputError, match=r'llm.preset: found weights of .* beside a trace with blocks of weights, .* "0 B"'):
        load_instance(path)
    path.write_text(text + 'llm = { preset = "llama-3.1-8b", weight_bytes = "0 B", weight_resident = "0 B" }\n')
    assert not load_instance(path).fixed.any()
