"""A question of layers that take turns, from what its file says; each layer in rows when it is asked for.

A given start is the whole's: it is found for all blocks together, as in rows, and every layer has its part of it. The room that
a layer gets of each tier is what it holds there at the start and an even share of what is left, so that its start fits; of a
free start, an even share of all (:mod:`placement_opt.instance.rooms`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int32, Int64
from placement_opt.base.capacity import Contents
from placement_opt.base.errors import InputError, LimitError
from placement_opt.base.limits import Limits
from placement_opt.instance.budgets import Budget
from placement_opt.instance.gate import check_layer_in_rows, layer_bytes
from placement_opt.instance.instance import Instance
from placement_opt.instance.made import in_bytes, initial, of_pages
from placement_opt.instance.outline import Outline
from placement_opt.instance.rooms import Owned, rooms_of
from placement_opt.instance.stacked import Stacked
from placement_opt.instance.stated import blamed
from placement_opt.memory.operations import BLOCK_KINDS
from placement_opt.workload.layers import Drawn, Layers, Stored, paged_layer
from placement_opt.workload.paging import Paged, never_full
from placement_opt.workload.transforms.weights import weights_alone


def layers_of(outline: Outline) -> Layers:
    """What would make the layers of an instance file's trace; InputError where it does not come layer by layer."""
    if outline.source.layers is not None:
        return outline.source.layers
    table = outline.tables.trace
    if "file" in table:
        raise table.error("file", "found a trace in rows", "expected a file of runs, which need not fit in memory")
    raise table.error("synth", f"found {table.data['synth']!r}", "expected drift at this size")


def in_layers(outline: Outline) -> Stacked:
    """The question of an outline layer by layer, each in rows; the layers are drawn or read when needed.

    Raises
    ------
    InputError
        The trace does not come layer by layer, or its blocks have no tokens that make pages; a start that does not fit.
    """
    memory, model, rules = outline.memory, outline.model, outline.rules
    layers = _rowed(outline)
    each = _kv_bytes(outline, layers)
    if isinstance(layers, Stored):
        blocks = sum(entry.blocks * entry.size for entry in layers.file.layers)
        outline.check_total(blocks, layers.file.share_base)
    if isinstance(layers, Stored) and rules.page_tokens > 1:
        found = f"found {rules.page_tokens} for blocks of a file of runs, which have no tokens"
        raise outline.tables.rules.error("page_tokens", found, "expected 1")
    if layers.blocks < rules.page_tokens:
        never = never_full(rules.page_tokens)
        raise outline.tables.rules.error("page_tokens", never.found, never.expected)
    if model.placed is None and (empty := [layer for layer in range(layers.count) if not layers.blocks_of(layer)]):
        expected = "expected some in each layer of a question that comes layer by layer"
        raise outline.tables.trace.error("file", f"found no blocks in layer {empty[0]}", expected)
    if not outline.totals.firm:
        outline = replace(outline, made=_contents(outline, layers, int(each.max())))
    weights = model.weight_bytes * memory.read[model.weight_tier]
    sizes = np.unique(each).tolist()
    kinds = ["kv"] * len(sizes)
    stated = [layers.digest.hex(), " ".join(map(str, sizes)), str(rules.page_tokens), _start_digest(outline), str(rules.floor)]
    if (placed := model.placed) is not None:
        stated.append(f"{placed.layer_bytes} in {placed.tiles}")
        sizes += np.diff(placed.ends).tolist()
        kinds += ["weights"] * placed.tiles
    labels = None if placed is None else np.array([BLOCK_KINDS.index(kind) for kind in kinds], dtype=np.int8)
    return Stacked(
        name=outline.name,
        memory=outline.memory,
        residency=rules.residency,
        home_tier=outline.home_tier,
        capacity=outline.capacity,
        layers=layers.count,
        turns=layers.turns,
        make=_Layer(outline, layers),
        rooms=_rooms(outline, layers),
        kv_bytes=each,
        sizes=np.array(sizes, dtype=np.int64),
        kinds=labels,
        share_base=_share_base(outline, layers),
        fixed=np.asarray(weights, dtype=np.int64),
        floor=float(rules.floor),
        stated="\n".join(stated).encode(),
        filling=(rules.page_tokens - 1) * model.unit_bytes,
        num_reads=outline.totals.reads,
        states=outline.totals.pairs // layers.count**2,
        layer_bytes=layer_bytes(outline),
        budgets=outline.budgets(layers.count * layers.turns),
        objective=outline.objective,
        tokens=None if outline.source.probe.step_token is None else layers.turns,
        filled=rules.initial not in ("free", "home", "file"),
    )


@dataclass(frozen=True, eq=False)
class _Layer:
    """Makes one layer of an outline's trace in rows."""

    outline: Outline
    layers: Drawn | Stored

    def __call__(self, layer: int, capacity: Int64, budgets: tuple[Budget, ...], limits: Limits) -> Instance:
        outline, rules = self.outline, self.outline.rules
        check_layer_in_rows(outline, limits)
        paged, size = self._rows(layer, limits)
        start = None if rules.initial == "free" else _start_of(outline, self.layers, layer)
        return of_pages(outline, paged, size, capacity, start, budgets, whole=False)

    def _rows(self, layer: int, limits: Limits) -> tuple[Paged, Int64]:
        """The trace of a layer in pages beside its weights, and int64[B], the bytes of each block."""
        outline, rules, placed = self.outline, self.outline.rules, self.outline.model.placed
        if placed is not None and not self.layers.blocks_of(layer):
            trace = weights_alone(placed, self.layers.turns, _share_base(outline, self.layers))
            none = np.zeros(self.layers.turns, dtype=np.int64)
            return Paged(trace, none, none), np.ascontiguousarray(trace.size)
        drawn = blamed(outline.tables.rules, lambda: paged_layer(self.layers, layer, rules.page_tokens, limits), "page_tokens")
        if drawn is None:
            raise LimitError(f"layer {layer} was not drawn in time")
        return in_bytes(outline, drawn)

    @property
    def turn_token(self) -> Int32 | None:
        """int32[N]: the label of each turn's token; None where turns carry none."""
        return self.layers.turn_token

    def amounts(self, layer: int) -> tuple[Int64, Int64]:
        """int64[N] twice: bytes that each turn of a layer reads from wherever they lie, and of the blocks that it produces."""
        layers, page, placed = self.layers, self.outline.rules.page_tokens, self.outline.model.placed
        unit = self.outline.model.unit_bytes
        if isinstance(layers, Drawn):  # a page is produced with the last of its tokens
            ends = layers.params.prefill + np.arange(layers.turns + 1)
            read, born = layers.reads(layer) * unit, page * np.diff(ends // page)
        else:
            unit *= layers.file.layers[layer].size
            read, born = layers.file.shares(layer) * unit // layers.file.share_base, layers.births(layer)
        return read + (0 if placed is None else placed.layer_bytes), born * unit


def _rowed(outline: Outline) -> Drawn | Stored:
    """The layers of a trace, each of which can be had in rows."""
    found = layers_of(outline)
    assert isinstance(found, Drawn | Stored)
    return found


def _share_base(outline: Outline, layers: Drawn | Stored) -> int:
    """Of reads in part, as in a trace."""
    return layers.file.share_base if isinstance(layers, Stored) else outline.rules.page_tokens


def _kv_bytes(outline: Outline, layers: Drawn | Stored) -> Int64:
    """int64[L]: bytes of a page of KV of each layer."""
    if isinstance(layers, Stored):
        sizes = [entry.size for entry in layers.file.layers]
    else:
        sizes = [outline.rules.page_tokens] * layers.count
    return np.array(sizes, dtype=np.int64) * outline.model.unit_bytes


def _contents(outline: Outline, layers: Layers, block: int) -> Contents:
    """What capacities may count, where weights lie beside the pages, of which the largest has so many bytes."""
    model, placed = outline.model, outline.model.placed
    assert placed is not None
    tiles = np.diff(placed.ends)
    peak = outline.source.totals.paged(outline.rules.page_tokens, alike=True).peak * model.unit_bytes
    peak += layers.count * placed.layer_bytes
    return Contents(model.token_bytes, min(block, int(tiles.min())), max(block, int(tiles.max())), peak)


def _start_digest(outline: Outline) -> str:
    """Tells starts apart."""
    if outline.rules.initial_file is None:
        return str(outline.rules.initial)
    try:
        return hashlib.sha256(outline.rules.initial_file.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"found no file to read ({error.strerror})", "expected one", path=outline.rules.initial_file) from None


# ---- the start, and the room of each layer -------------------------------------------------------------------------------


class _Blocks(NamedTuple):
    """All blocks of the whole in its order: the layer of each, whether it is there at the start, its bytes and its kind."""

    owner: Int32
    exists: npt.NDArray[np.bool_]
    size: Int64
    kind: npt.NDArray[np.int8] | None


def _blocks(outline: Outline, layers: Drawn | Stored) -> _Blocks:
    count, numbers = layers.count, np.arange(layers.count, dtype=np.int32)
    if isinstance(layers, Drawn):  # token by token, each in all layers
        pages = layers.blocks // outline.rules.page_tokens
        owner = np.tile(numbers, pages)
        exists = np.repeat(np.arange(pages) < layers.params.prefill // outline.rules.page_tokens, count)
    else:
        owner = np.repeat(numbers, [layers.blocks_of(layer) for layer in range(count)])
        exists = np.concatenate([layers.birth(layer) < 0 for layer in range(count)])
    size = _kv_bytes(outline, layers)[owner]
    if (placed := outline.model.placed) is None:
        return _Blocks(owner, exists, size, None)
    tiles = count * placed.tiles
    kind = np.full(tiles + len(owner), BLOCK_KINDS.index("kv"), dtype=np.int8)
    kind[:tiles] = BLOCK_KINDS.index("weights")
    owner = np.concatenate([np.repeat(numbers, placed.tiles), owner])
    exists = np.concatenate([np.ones(tiles, dtype=np.bool_), exists])
    return _Blocks(owner, exists, np.concatenate([np.tile(np.diff(placed.ends), count), size]), kind)


def _start_of(outline: Outline, layers: Drawn | Stored, layer: int) -> npt.NDArray[np.bool_]:
    """bool[K, B]: a layer's part of the whole's start."""
    all_of_them = _blocks(outline, layers)
    whole = initial(outline, all_of_them.exists, all_of_them.kind, all_of_them.size)
    return np.ascontiguousarray(whole[:, all_of_them.owner == layer])


def _owned(outline: Outline, layers: Drawn | Stored) -> Owned:
    """What layers have, by the sizes of their blocks."""
    page, each, placed = outline.rules.page_tokens, _kv_bytes(outline, layers), outline.model.placed
    pages = np.array([layers.most_alive(layer) // page for layer in range(layers.count)])
    held = np.zeros((layers.count, len(outline.capacity)), dtype=np.int64)
    there = np.zeros_like(pages)
    if outline.rules.initial != "free":
        owner, exists, size, kind = _blocks(outline, layers)
        for tier, lies in enumerate(initial(outline, exists, kind, size)):
            np.add.at(held[:, tier], owner[lies], size[lies])
        first = 0 if placed is None else layers.count * placed.tiles
        there = np.bincount(owner[first:][exists[first:]], minlength=layers.count)
    tiles = np.zeros(0, dtype=np.int64) if placed is None else np.diff(placed.ends)
    sizes = np.unique(np.append(tiles, each))[::-1]
    weights = (tiles[:, None] == sizes).sum(axis=0)
    paged = np.where(sizes == each[:, None], 1, 0)
    blocks, later = pages[:, None] * paged + weights, (pages - there)[:, None] * paged
    return Owned(sizes, blocks, later if outline.rules.initial != "free" else blocks, held)


def _rooms(outline: Outline, layers: Drawn | Stored) -> Int64:
    """int64[L, K]: the bytes of each layer, which add up to the capacities."""
    packed = outline.rules.residency in ("exclusive", "free")
    return rooms_of(_owned(outline, layers), outline.capacity, packed=packed)
