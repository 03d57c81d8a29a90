"""Operations that are for KV or for weights only: what is refused, what is hashed, what they load and who may serve whom."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.bounds import METHODS
from placement_opt.instance.instance import Instance
from placement_opt.memory.operations import BLOCK_KINDS, Operation
from placement_opt.schedulers.kinds import fewest
from placement_opt.workload.layered_rows import layers_of
from tests.operations import cached, flash
from tests.small import make_instance, make_trace, two_tier
from tests.worlds import any_operations, with_operations

KV, WEIGHTS = (frozenset({kind}) for kind in BLOCK_KINDS)


def limited(instance: Instance, kinds: frozenset[str], labels: list[int] | None = None) -> Instance:
    """The same, its last operation for these kinds only, its blocks labelled."""
    table = instance.memory.operations
    applies = table.applies.copy()
    applies[-1] = [kind in kinds for kind in BLOCK_KINDS]
    trace = instance.trace
    if labels is not None:
        trace = replace(trace, block_kind=np.array(labels, dtype=np.int8))
    return replace(instance, memory=replace(instance.memory, operations=replace(table, applies=applies)), trace=trace)


def cache(kinds: frozenset[str], labels: list[int] | None) -> Instance:
    return limited(cached([[0], [1], [2]]), kinds, labels)


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        (
            frozenset({"activations", "kv"}),
            "kinds: found 'activations', 'kv' for 'attend', expected some of kv, weights, or any",
        ),
        (frozenset(), "kinds: found none for 'attend', expected some of kv, weights, or any"),
    ],
)
def test_kinds_that_there_are_not_are_refused(kinds: frozenset[str], message: str) -> None:
    """An operation for nothing, or for what no block is."""
    with pytest.raises(InputError) as caught:
        with_operations(flash(16, 2).memory, [Operation("attend", 0, (1, 1), kinds=kinds)])
    assert str(caught.value) == message


@pytest.mark.parametrize("row", [0, 1, 2])
def test_stores_copies_and_reads_are_for_all_blocks(row: int) -> None:
    """A table that limits one of them is refused."""
    table = flash(16, 2).memory.operations
    applies = table.applies.copy()
    applies[row, 1] = False
    with pytest.raises(InputError, match=rf"^kinds: found '{table.names[row]}' for some kinds of block, expected any: reads"):
        replace(table, applies=applies)


@pytest.mark.parametrize(
    ("kinds", "labels", "who"), [(KV, [0, 1, 1], r"weights \(block 1\)"), (WEIGHTS, None, r"kv \(block 0\)")]
)
def test_a_cache_must_serve_every_kind_from_nowhere(kinds: frozenset[str], labels: list[int] | None, who: str) -> None:
    """A block of a kind that nothing makes anew could not be served; a kind that no block is of does not matter."""
    with pytest.raises(
        InputError, match=f"^kinds: found no operation without a source for {who} under the rule cache, expected"
    ):
        cache(kinds, labels)
    assert cache(KV, None).loads.applies.all()
    assert cache(WEIGHTS, [1, 1, 1]).loads.applies.all()


def test_flow_and_runs_are_for_blocks_that_are_served_alike() -> None:
    """Both say so."""
    bringing = Operation("read otherwise", 0, (1, 0, 0, 0), brings=True, kinds=KV)
    trace = make_trace([[0, 1]], [-1, -1])
    instance = make_instance(with_operations(two_tier(), [bringing]), trace)
    with pytest.raises(
        InputError, match=r"^method flow: found operations for some kinds of block, expected none: flow is defined"
    ):
        METHODS["flow"](instance)
    trace = replace(flash(16, 2).trace, block_kind=np.array([0, 1], dtype=np.int8))
    with pytest.raises(
        InputError, match=r"^block_kind: found blocks that are weights, expected KV alone, which is what runs are"
    ):
        layers_of(trace)


def test_what_is_not_used_is_not_hashed() -> None:
    """All operations for all blocks, and blocks that all are KV, change no hash; limits and weights do, each by themselves."""
    plain = flash(16, 3)
    same = [limited(plain, KV | WEIGHTS), limited(plain, KV | WEIGHTS, [0, 0, 0])]
    assert {one.hash for one in same} == {plain.hash}
    others = [limited(plain, KV), limited(plain, WEIGHTS), limited(plain, KV, [0, 0, 1]), limited(plain, KV, [0, 1, 0])]
    others += [limited(plain, KV | WEIGHTS, [0, 0, 1])]
    assert len({one.hash for one in [plain, *others]}) == 6
    assert limited(plain, KV, [0, 0, 0]).hash == limited(plain, KV).hash


def test_blocks_are_of_kinds_only_where_that_matters() -> None:
    """By the byte a kind for each of KV and weights, by the block one for each of them and size, KV first."""
    plain, split = limited(flash(16, 3), KV | WEIGHTS, [0, 1, 1]).loads, limited(flash(16, 3), KV, [0, 1, 1]).loads
    assert (plain.kind.tolist(), plain.applies.tolist()) == ([0, 0, 0], [[True, True]])
    assert (split.kind.tolist(), split.applies.tolist()) == ([0, 1, 1], [[True, True], [True, False]])
    assert split.amount.tolist() == plain.amount.tolist() == [16, 16, 16]
    assert (split.size.tolist(), split.row.tolist()) == ([1, 1], [*plain.row.tolist()] * 2)
    pages = replace(limited(flash(20, 4, grain=16), KV, [1, 0, 1, 1]), size=np.array([20, 20, 40, 60])).loads
    assert (pages.kind.tolist(), pages.size.tolist()) == ([1, 0, 2, 3], [20, 20, 40, 60])
    assert pages.applies.tolist() == [[True, True], *[[True, False]] * 3]
    few = fewest(pages)  # 2, 2, 3 and 4 pages, of which those of weights load multiples of one row
    assert few.kind[0] == few.kind[2] == few.kind[3] != few.kind[1]
    assert few.amount.tolist() == [32, 32, 48, 64]


def test_limits_never_help() -> None:
    """An operation for fewer blocks raises the optimum's relaxation or leaves it; blocks it was not for anyway, it leaves."""
    raised = 0
    for seed in range(40):
        instance = any_operations(seed)
        table = instance.memory.operations
        if not table.limited:
            continue
        every = replace(instance.memory, operations=replace(table, applies=np.ones_like(table.applies)))
        low, high = (METHODS["lp"](one).value_s for one in (replace(instance, memory=every), instance))
        assert low is not None
        assert high is not None
        assert low <= high * (1 + 1e-9)
        raised += low < high * (1 - 1e-6)
    assert raised > 3
