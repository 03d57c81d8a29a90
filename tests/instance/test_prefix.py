"""The key ``prefix``: what it asks of the rules, the trace and the memory system, and what it does to the hash."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.instance.load import build_instance, load_instance
from placement_opt.memory.operations import Operation
from placement_opt.report.check import checks_text
from placement_opt.study.check import check
from placement_opt.workload.files.npz import save_trace
from placement_opt.workload.formats import mooncake
from placement_opt.workload.trace import Trace
from tests.operations import system
from tests.small import make_instance
from tests.workload.traces import random_served

RULES = {"residency": "cache", "prefix": "strict"}
CARRY = "expected one that does: imported from mooncake, drawn by requests, or with the array position"
SILENT = f"found a trace that does not say in which order its steps ask for blocks, {CARRY}"
TRACE = Trace.from_reads([[1, 0], [0, 2]], positions=True, sizes=1000)


def asked(trace: object = TRACE, **rules: object) -> str:
    """The refusal of a cache with such rules."""
    with pytest.raises(InputError) as caught:
        build_instance("gh200", trace, rules={**RULES, **rules}, recompute={"rate": "1 GB/s"})  # type: ignore[arg-type]
    return str(caught.value)


def test_what_strict_prefixes_need() -> None:
    """The rule cache, a trace that knows its prefixes; where a block is stored, something that brings it."""
    assert asked(prefix="exact") == "instance: rules.prefix (override): found 'exact', expected one of free, strict"
    for rule in ("inclusive", "exclusive", "free"):
        message = f"found strict prefixes under the rule {rule}, expected them under cache, where a block may be missing"
        assert asked(residency=rule) == f"instance: rules.prefix (override): {message}"
    assert asked(replace(TRACE, position=None)) == f"instance: rules.prefix (override): {SILENT}"
    assert asked({"synth": "zipf", "seed": 1, "blocks": 5, "steps": 3, "reads": 2}).endswith(SILENT)
    batches = replace(TRACE, position=None, requests=random_served(np.random.default_rng(0), 2))
    found = "found a trace whose steps serve several requests at once, and decoded tokens, which ask for no prefix"
    expected = 'expected "free", or a trace whose steps are requests (trace import)'
    assert asked(batches) == f"instance: rules.prefix (override): {found}, {expected}"
    memory = system([9000], {"a": 1}, [[1]], [[1]], more=[Operation("remade", None, (1,))])
    cache = make_instance(memory, TRACE, "cache")
    with pytest.raises(InputError) as caught:
        replace(cache, prefix="strict")
    expected = "expected one: what is made anew behind a missing block may be stored in passing"
    assert (
        str(caught.value) == f"prefix: found no operation without a source that brings the block to the processor, {expected}"
    )
    with pytest.raises(InputError) as caught:
        replace(cache, prefix="exact")
    assert str(caught.value) == "prefix: found 'exact', expected one of free, strict"


def test_pages_have_no_places() -> None:
    """Tokens in an order are no pages in one."""
    labels = np.zeros(4, dtype=np.int32), np.arange(4, dtype=np.int32)
    tokens = Trace.from_reads([[0, 1, 2, 3]], positions=True, size_unit="token-layers")
    tokens = replace(tokens, block_layer=labels[0], block_token=labels[1], step_layer=labels[0][:1])
    llm, rules = {"kv_bytes": "4 KiB", "layers": 1}, {**RULES, "page_tokens": 2}
    with pytest.raises(InputError) as caught:
        build_instance("gh200", tokens, llm=llm, rules=rules, recompute={"rate": "1 GB/s"})
    assert str(caught.value) == f"instance: rules.prefix (override): {SILENT}"


def strict(trace: Trace = TRACE, **rules: str) -> str:
    return build_instance("gh200", trace, rules={**RULES, **rules}, recompute={"rate": "1 GB/s"}).hash


def test_the_order_counts_where_it_decides() -> None:
    """Under strict prefixes another order is another problem; under free ones places change nothing, as if there were none."""
    other = replace(TRACE, position=np.array([0, 1, 0, 1], dtype=np.int32))
    assert len({strict(), strict(other), strict(prefix="free")}) == 3
    assert strict(prefix="free") == strict(other, prefix="free") == strict(replace(TRACE, position=None), prefix="free")


@pytest.mark.parametrize("source", ["npz", "mooncake", "requests"])
def test_from_files(tmp_path: Path, source: str) -> None:
    """An instance file says so; the file of the trace, imported or by hand, has the places, and the generator draws them."""
    trace = 'file = "t.npz"' if source != "requests" else 'synth = "requests"\nseed = 1\nrequests = 20'
    log = [
        {"timestamp": t, "input_length": 1024, "output_length": 1, "hash_ids": ids} for t, ids in enumerate([[7, 5], [7, 5]])
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, log)))
    made = mooncake.read(tmp_path / "t.jsonl") if source == "mooncake" else replace(TRACE, size_unit="tokens")
    save_trace(made, tmp_path / "t.npz")
    text = f'schema = 1\nname = "s"\n[memory]\npreset = "gh200"\n[llm]\npreset = "llama-3.1-8b"\n[trace]\n{trace}\n'
    path = tmp_path / "s.toml"
    path.write_text(f'{text}[rules]\nresidency = "cache"\nprefix = "strict"\n[recompute]\nrate = "1 GB/s"\n')
    instance = load_instance(path)
    assert instance.strict
    assert repr(instance).startswith("Instance('s': cache, strict prefixes on hbm, lpddr;")
    assert instance.hash != load_instance(path, {"rules.prefix": "free"}).hash
    assert instance.trace.position is not None
    if source == "npz":
        assert instance.trace.position.tolist() == [1, 0, 0, 1]
    if source == "mooncake":
        assert instance.trace.position.tolist() == [0, 1]
    assert "cache, strict prefixes, start free" in checks_text([check(path)])
