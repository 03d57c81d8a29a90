"""What single generators promise: popularity, overlap, births and deaths, by hand or by slow obvious twins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.memory.operations import BLOCK_KINDS
from placement_opt.workload.llm import SHAPES
from placement_opt.workload.synth import GENERATORS, diffusion, embedding, needle, rag, segments, synthesize
from placement_opt.workload.synth.spans import gathered, spans
from placement_opt.workload.trace import Trace


def rows(trace: Trace) -> list[list[int]]:
    return [trace.reads(step).tolist() for step in range(trace.num_steps)]


def test_spans_and_rows_equal_their_slow_twins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs laid end to end, in parts too; pairs gathered as sets."""
    rng = np.random.default_rng(0)
    first, count, table = rng.integers(0, 50, 40), rng.integers(0, 9, 40), rng.permutation(60).astype(np.int32)
    expected = [n for begin, many in zip(first.tolist(), count.tolist(), strict=True) for n in range(begin, begin + many)]
    for most in (1, 7, 1 << 15):
        monkeypatch.setattr("placement_opt.workload.synth.spans.AT_ONCE", most)
        assert spans(first, count).tolist() == expected
        assert spans(first, count, table).tolist() == table[expected].tolist()
    step, block = rng.integers(0, 5, 60), rng.integers(0, 9, 60)
    indptr, blocks = gathered(step, block, 5, 9)
    sets = [sorted({b for t, b in zip(step.tolist(), block.tolist(), strict=True) if t == each}) for each in range(5)]
    assert [blocks[indptr[t] : indptr[t + 1]].tolist() for t in range(5)] == sets


# ---- rag ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", rag.ORDERS)
def test_documents_are_reused_as_their_order_allows(order: str) -> None:
    """A set of prefixes, or of documents, that is asked one document after another gives the same reads and births."""
    params = rag.Params(requests=200, documents=30, retrieved=3, document=100, prefix_tokens=128, order=order)
    trace = rag.generate(params, np.random.default_rng(4))
    rng = np.random.default_rng(4)
    rng.exponential(size=params.requests)
    blocks = [-(-int(tokens) // 64) for tokens in rag.lengths(rng, params.document, params.document_spread, params.documents)]
    found = rag.Distinct(rag.popularity(30, 1.0), 3, rng).rows(200).tolist()
    seen: set[Any] = set()
    for step, documents in enumerate(found):
        prompt = sorted(documents) if order == "popularity" else documents
        names = [d if order == "free" else tuple(prompt[: n + 1]) for n, d in enumerate(prompt)]
        read = sum(blocks[d] for d, name in zip(prompt, names, strict=True) if name in seen) + (2 if step else 0)
        made = sum(blocks[d] for d, name in zip(prompt, names, strict=True) if name not in seen) + (0 if step else 2)
        seen.update(names)
        assert len(trace.reads(step)) == read
        assert int((trace.birth == step).sum()) == made
    assert (trace.position is None) == (order == "free")


def test_more_is_reused_the_less_order_counts() -> None:
    """Documents by themselves before popular ones first before the order of relevance."""
    read = [synthesize("rag", {"requests": 2000, "documents": 500, "order": order}, 1).num_reads for order in rag.ORDERS]
    assert read[0] < read[1] < read[2]


def test_few_documents_take_most_retrievals() -> None:
    """RAGCache: 3 % of the documents take 60 % of the retrievals; the defaults come near."""
    draws = rag.Distinct(rag.popularity(10_000, 1.0), 3, np.random.default_rng(0)).rows(20_000)
    assert (draws < 300).mean() == pytest.approx(0.6, abs=0.05)


# ---- segments ----------------------------------------------------------------------------------------------------------


def test_memories_are_recalled_computed_anew_and_changed() -> None:
    """Unit by unit and layer by layer, with a table of what every unit's block is now."""
    params = segments.Params(
        layers=3, groups=6, group_segments=2, static=0.4, requests=30, recalled=5, updates=3, recompute=0.6, recompute_last=0.2
    )
    trace = segments.generate(params, np.random.default_rng(2))
    rng = np.random.default_rng(2)
    changed = segments._changes(params, rng).tolist()
    of_rank = rng.permutation(params.units)
    draws = segments.Distinct(segments.popularity(params.units, params.exponent), params.recalled, rng)
    recalled = rng.permuted(of_rank[draws.rows(30)], axis=1).tolist()
    now = {(unit, layer): unit * 3 + layer for unit in range(params.units) for layer in range(3)}
    count, births, deaths = len(now), [-1] * len(now), [90] * len(now)
    for request, units in enumerate(recalled):
        for unit in changed[request]:
            for layer in range(3):
                deaths[now[unit, layer]] = max(3 * request - 1, births[now[unit, layer]] + 1)
        for layer in range(3):
            loaded = [unit for unit in units[int(params.computed[layer]) :] if unit not in changed[request]]
            assert trace.reads(3 * request + layer).tolist() == sorted(now[unit, layer] for unit in loaded)
            for unit in changed[request]:
                now[unit, layer], count = count, count + 1
                births.append(3 * request + layer)
                deaths.append(90)
    assert (trace.birth.tolist(), trace.death.tolist()) == (births, deaths)
    assert params.computed.tolist() == [3, 2, 1]
    assert sorted(set(trace.size.tolist())) == [64, 128]


# ---- diffusion ---------------------------------------------------------------------------------------------------------


def test_a_cache_is_filled_read_and_gone() -> None:
    """One layer, two blocks of five steps, by hand: passes 0 and 1 read nothing, pass 1 fills, 2 to 4 read all of it."""
    trace = synthesize("diffusion", {"layers": 1, "prompt": 40, "blocks": 2, "steps": 5, "block_tokens": 20}, 0)
    assert rows(trace) == [[], [], [0, 1], [0, 1], [0, 1], [], [], [2, 3], [2, 3], [2, 3]]
    assert (trace.birth.tolist(), trace.death.tolist(), trace.size.tolist()) == ([1, 1, 6, 6], [4, 4, 9, 9], [16, 14, 16, 14])
    again = synthesize(
        "diffusion", {"layers": 1, "prompt": 40, "blocks": 1, "steps": 6, "delay": 0, "refresh": 3, "keep": 0.1}, 0
    )
    assert rows(again) == [[], [0], [0], [], [1], [1]]
    assert again.meta["kept_tokens"] == 4


def test_all_that_is_kept_is_read_by_all_later_steps_of_a_block() -> None:
    """Counts at the sizes of the defaults: half of 1,248 other tokens, 30 of 32 steps, in every layer."""
    params = diffusion.Params()
    trace = synthesize("diffusion", {}, 0)
    assert (params.others, params.kept, params.pages) == (1248, 624, 39)
    assert trace.num_reads == 8 * 30 * 32 * 39
    assert int(trace.size[trace.blocks].sum()) == 8 * 30 * 32 * 624


# ---- needle ------------------------------------------------------------------------------------------------------------


def test_windows_sinks_and_needles_are_pages_of_a_set() -> None:
    """Token by token and layer by layer, from the returns that were drawn."""
    params = needle.Params(layers=4, prefill=400, tokens=60, sinks=2, window=3, needles=5, span=3, returns=0.2, stay=4.0)
    trace = needle.generate(params, np.random.default_rng(3))
    rng = np.random.default_rng(3)
    far = needle.returns(params, rng).tolist()
    retrieves = rng.choice(4, 1, replace=False).tolist()
    for i in range(60):
        there = (400 + i) // 16
        for layer in range(4):
            pages = set(range(2)) | set(range(there - 3, there))
            if far[i] >= 0 and layer in retrieves:
                pages |= set(range(far[i], far[i] + 3))
            assert trace.reads(4 * i + layer).tolist() == [4 * page + layer for page in sorted(pages)]
    born = {4 * page + layer: 4 * (16 * page + 15 - 400) + layer for page in range(25, 28) for layer in range(4)}
    assert trace.birth.tolist() == [-1] * 100 + list(born.values())


def test_returns_are_as_rare_and_as_long_as_asked() -> None:
    """Of tokens without one 1 % begin a return, which lasts 5 tokens on the average (within 8 %)."""
    far = needle.returns(needle.Params(tokens=200_000, returns=0.01, stay=5.0, needles=1000), np.random.default_rng(1))
    begins = np.flatnonzero((far[1:] >= 0) & (far[1:] != far[:-1]))
    assert (far >= 0).sum() / len(begins) == pytest.approx(5, rel=0.08)
    assert len(begins) / (far < 0).sum() == pytest.approx(0.01, rel=0.08)
    assert len(np.unique(far[far >= 0])) > 300


# ---- experts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mixtral-8x7b", "deepseek-v3", "qwen3-30b-a3b"])
def test_experts_are_those_of_the_architecture(name: str) -> None:
    """Layers with experts, their number and size; a token of one sequence passes the active ones."""
    shape, trace = SHAPES[name], synthesize("moe", {"model": name, "tokens": 2}, 0)
    layers = shape.layers - shape.dense_layers
    assert (trace.num_blocks, trace.num_steps) == (layers * shape.experts, 2 * layers)
    assert np.diff(trace.indptr).tolist() == [shape.active] * 2 * layers
    assert trace.size.tolist() == [2 * shape.parts(shape.layers - 1).expert]
    assert trace.block_kind is not None
    assert set(trace.block_kind.tolist()) == {BLOCK_KINDS.index("weights")}
    assert (trace.block_layer[trace.blocks] == np.repeat(trace.step_layer, shape.active)).all()  # type: ignore[index]


def test_sequences_keep_experts_and_prefer_some() -> None:
    """What two tokens share follows persistence, what is read most the exponent; several sequences read the union."""
    few: dict[str, Any] = {"model": "qwen3-30b-a3b", "layers": 2, "tokens": 300, "exponent": 0.0}
    for persistence in (0.0, 0.5, 1.0):
        trace = synthesize("moe", few | {"persistence": persistence}, 1)
        each = [set(row) for row in rows(trace)]
        share = np.mean([len(row & before) / 8 for row, before in zip(each[2:], each[:-2], strict=True)])
        # Of those not kept, a draw hits an old one again as chance has it.
        assert share == pytest.approx(
            persistence + (1 - persistence) * (8 - 8 * persistence) / (128 - 8 * persistence), abs=0.02
        )
    even, steep = (np.sort(np.bincount(synthesize("moe", few | {"exponent": e}, 1).blocks))[::-1] for e in (0.0, 1.5))
    assert steep[:16].sum() > 2 * even[:16].sum()
    many = synthesize("moe", few | {"batch": 20, "persistence": 0.0}, 1)
    assert many.num_reads / many.num_steps == pytest.approx(128 * (1 - (120 / 128) ** 20), rel=0.02)


# ---- embeddings --------------------------------------------------------------------------------------------------------


def test_pages_are_read_once_for_all_their_rows() -> None:
    """The expected number of pages of a batch, by the chance that a page has none of its lookups (within 2 %)."""
    for layout in ("popular", "random"):
        values = {"tables": 1, "rows": 640, "smallest": 640, "batch": 50, "steps": 2000, "layout": layout, "exponent": 1.0}
        trace = synthesize("embedding", values, 2)
        chance = embedding.popularity(640, 1.0)
        if layout == "random":
            chance = chance[np.argsort(np.random.default_rng(2).permutation(640))]
        page = chance.reshape(20, 32).sum(axis=1)
        assert trace.num_reads / 2000 == pytest.approx((1 - (1 - page) ** 50).sum(), rel=0.02)
        assert np.bincount(trace.blocks, minlength=20) / 2000 == pytest.approx(1 - (1 - page) ** 50, abs=0.05)


def test_tables_fall_in_equal_ratios() -> None:
    """100,000, 1,000 and 10 rows, of 32 a page; pages are numbered table by table."""
    params = embedding.Params(tables=3, rows=100_000, smallest=10)
    assert (params.table_rows.tolist(), params.pages.tolist()) == ([100_000, 1000, 10], [3125, 32, 1])
    trace = synthesize("embedding", {"tables": 3, "rows": 100_000, "smallest": 10, "steps": 4}, 0)
    assert (trace.blocks[trace.indptr[1:] - 1] == 3157).all()


# ---- messages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("rag", {"retrieved": 9, "documents": 8}, "retrieved: found 9, expected at most all documents, 8"),
        ("rag", {"keep": "ttl"}, "ttl: found nothing, expected a duration with keep = 'ttl' and only then"),
        ("rag", {"order": "fre"}, "order: found 'fre', did you mean 'free'?"),
        ("segments", {"recalled": 5000}, "recalled: found 5000, expected at most all units, 225"),
        ("segments", {"static": 1.0}, "updates: found 2, expected at most the segments that may change, 0"),
        ("segments", {"recompute": 0.0}, "recompute_last: found 0.05, expected at most recompute, 0"),
        ("segments", {"layers": 4096, "requests": 10**6}, "requests: found 1000000, expected fewer than 2**31 blocks in all"),
        ("diffusion", {"steps": 3, "delay": 2}, "delay: found 2, expected at most 1, so that a step reads the cache"),
        ("diffusion", {"keep": 1e-6}, "keep: found 1e-06, none of 1248 tokens, expected a share that keeps one at least"),
        ("diffusion", {"blocks": 10**6}, "blocks: found 1000000, expected fewer than 2**31 pages in all"),
        ("needle", {"prefill": 40}, "span: found 4, more than the prompt's 2 full pages, expected at most those"),
        ("needle", {"tokens": 2**24, "layers": 4096}, "tokens: found 16777216, expected fewer than 2**31 pages in all"),
        (
            "moe",
            {"model": "llama-2-7b"},
            "model: found 'llama-2-7b', which has no experts, expected one that has some, or experts, active and expert_size",
        ),
        ("moe", {"active": 9}, "active: found 9 active of 8 experts, expected at most all of them"),
        (
            "moe",
            {"expert_size": "2 PiB"},
            "expert_size: found 256 experts of 2251799813685248 bytes, expected at most 2**50 bytes each, 2**60 in all",
        ),
        ("embedding", {"smallest": 10**6}, "smallest: found 1000000, expected at most rows, 100000"),
        ("embedding", {"row_size": "5 KiB"}, "row_size: found a row of 5 KiB, expected at most a page, 4 KiB"),
        (
            "embedding",
            {"page": 4096},
            'page: found 4096 without a unit, expected a size with its unit such as "80 GiB" or "80 GB"',
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(name: str, parameters: dict[str, Any], message: str) -> None:
    """Each with the parameter that does."""
    with pytest.raises(InputError) as caught:
        GENERATORS[name][0](**parameters)
    assert str(caught.value) == message
