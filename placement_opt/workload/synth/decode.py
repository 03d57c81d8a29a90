"""Dense decoding of a language model: in every step weights and KV are read, both of them blocks in bytes.

A KV block is a run of tokens of one layer and one head group (a KV head with the query heads that share it), keys and values
together; with more sequences than one, which go in step, it has these tokens of all of them. It is read whole. Weights that are
read together are cut into ``tiles`` blocks; each routed expert has blocks of its own. ``steps`` says how a layer is cut:

``layer``
    One step: whatever the layer reads overlaps.
``sequential``
    Three: the weights of queries, keys and values; the KV; the weights of the output and the feed-forward.
``head-groups``
    A pipeline over k head groups: sub-step i of k + 1 reads the weights of head group i and the KV of head group i - 1; then a
    step with the other weights.

A layer without KV is one step. After the last layer a step reads the rows that make words; the input's are not read. Decoded
tokens wait at the processor until enough are there to be written (``page``, else ``block_tokens``); as long they are not read
from memory and take no room there. Layers with a window keep and read the blocks that reach into it. With a ``layout``, KV
blocks are in pieces (:mod:`placement_opt.workload.transforms.mapping`).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.memory.operations import BLOCK_KINDS
from placement_opt.workload.synth import params as p
from placement_opt.workload.synth.decode_amounts import amounts, totals
from placement_opt.workload.synth.decode_params import Params
from placement_opt.workload.synth.outline import Outline
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.mapping import mapped, written_per_token

Ids = npt.NDArray[np.int32]
_KV, _WEIGHTS = BLOCK_KINDS.index("kv"), BLOCK_KINDS.index("weights")
_NONE: Ids = np.zeros(0, dtype=np.int32)


def generate(params: Params, rng: np.random.Generator) -> Trace:
    """A trace of the steps of ``tokens`` decoded tokens; nothing is drawn but active experts.

    Blocks are numbered: weights, layer by layer, then KV of the context, likewise, then what is decoded. The last step of a
    token is labelled as of the last layer.

    Raises
    ------
    LimitError
        More reads than rows can hold.
    """
    _, _, reads = amounts(params)
    p.limit_reads(reads)
    trace = _Decoding(params, rng).trace()
    return trace if params.layout is None else mapped(trace, params.mapping)


@dataclasses.dataclass
class _LayerWeights:
    """Ids of the weights of one layer: of each head group (none in steps of whole layers), the rest, each routed expert."""

    groups: list[Ids]
    rest: Ids
    experts: list[Ids]


@dataclasses.dataclass
class _LayerKv:
    """KV of one layer in memory: ids [runs, head groups], the token behind each run, when each group was last read."""

    ids: npt.NDArray[np.int32]
    ends: Int64
    window: int | None
    last: Int64


class _Decoding:
    """What is in memory while tokens are decoded, and the trace that they leave."""

    def __init__(self, params: Params, rng: np.random.Generator) -> None:
        self.params, self.rng = params, rng
        self.count = 0
        self.about: list[tuple[Int64, int, int, int]] = []
        self.rows: list[Ids] = []
        self.layer_of: list[int] = []
        self.deaths: list[tuple[Ids, Int64]] = []
        layers = range(params.traced_layers)
        self.weights = [self._cut(layer) for layer in layers] if params.weights == "placed" else []
        last, head = params.traced_layers - 1, params.shape.head_parameters(params.tensor_parallel)
        self.head = self._tiles(head, last)[0] if self.weights else _NONE
        self.kv = [self._context(layer, params.kv_layer(layer)) for layer in layers]

    def _add(self, sizes: Int64, layer: int, kind: int, birth: int = -1) -> Ids:
        first, self.count = self.count, self.count + len(sizes)
        self.about.append((sizes, layer, kind, birth))
        return np.arange(first, self.count, dtype=np.int32)

    def _tiles(self, parameters: int, layer: int, groups: int = 1) -> list[Ids]:
        """Blocks of so many parameters, cut evenly into groups and these into tiles."""
        size = self.params.bits.weight_bytes(parameters)
        parts = min(groups * self.params.tiles, size)
        ends = np.array([size * part // parts for part in range(parts + 1)], dtype=np.int64)
        return [np.asarray(ids) for ids in np.array_split(self._add(np.diff(ends), layer, _WEIGHTS), groups)]

    def _cut(self, layer: int) -> _LayerWeights:
        params = self.params
        parts = params.shape.parts(layer, params.tensor_parallel)
        groups: list[Ids] = []
        whole = params.steps == "layer" or not parts.keeps_kv
        if not whole:
            groups = self._tiles(parts.qkv, layer, params.head_groups if params.steps == "head-groups" else 1)
        rest = self._tiles(parts.rest + (parts.qkv if whole else 0), layer)[0]
        experts = self._tiles(parts.expert * parts.experts, layer, parts.experts) if parts.experts else []
        return _LayerWeights(groups, rest, experts)

    def _runs(self, first: int, end: int, run: int, layer: int, birth: int = -1) -> tuple[npt.NDArray[np.int32], Int64]:
        """KV blocks of the tokens first .. end - 1: ids [runs, head groups] and the token behind each run."""
        params, k = self.params, self.params.head_groups
        starts = np.arange(first, end, run, dtype=np.int64)
        ends = np.minimum(starts + run, end)
        bits = (ends - starts) * (params.group_numbers * params.batch * params.bits.kv_bits)
        return self._add(np.repeat(-(-bits // 8), k), layer, _KV, birth).reshape(-1, k), ends

    def _context(self, layer: int, kv_layer: int | None) -> _LayerKv | None:
        if kv_layer is None:
            return None
        params = self.params
        window = params.window(kv_layer)
        first = 0 if window is None else max(0, params.context - window + 1)
        return _LayerKv(*self._runs(first, params.context, params.run, layer), window, np.zeros(params.head_groups, np.int64))

    def trace(self) -> Trace:
        for token in range(self.params.tokens):
            for layer in range(self.params.traced_layers):
                self._layer(layer, token)
            if self.weights:
                self._step(self.params.traced_layers - 1, self.head)
        return self._finish()

    def _step(self, layer: int, *reads: Ids) -> int:
        """One more step, which reads these ids, ascending."""
        self.rows.append(np.concatenate([_NONE, *reads]))
        self.layer_of.append(layer)
        return len(self.rows) - 1

    def _layer(self, layer: int, token: int) -> None:
        """The steps of one layer."""
        weights, kv = self.weights[layer] if self.weights else None, self.kv[layer]
        after = [] if weights is None else [weights.rest, *self._passed(weights.experts)]
        if kv is None:
            self._step(layer, *after)
            return
        self._forget(kv, token)
        ids, k = kv.ids, self.params.head_groups
        first = len(self.rows)
        if self.params.steps == "layer":
            kv.last[:] = self._step(layer, *after, ids.ravel())
            self._write(kv, layer, token, [first] * k)
            return
        assert weights is not None
        if self.params.steps == "sequential":
            self._step(layer, *weights.groups)
            kv.last[:] = self._step(layer, ids.ravel())
            self._write(kv, layer, token, [first] * k)
        else:
            for i in range(k + 1):
                step = self._step(layer, *weights.groups[i : i + 1], *([ids[:, i - 1]] if i else []))
                kv.last[i - 1 : i] = step  # nothing at i = 0
            self._write(kv, layer, token, [first + i for i in range(k)])
        self._step(layer, *after)

    def _passed(self, experts: list[Ids]) -> list[Ids]:
        """Ids of the experts that a step reads: all, or those that some sequence of the batch passes."""
        if self.params.experts_read == "all" or not experts:
            return experts
        drawn = [self.rng.choice(len(experts), self.params.shape.active, replace=False) for _ in range(self.params.batch)]
        return [experts[expert] for expert in np.unique(drawn)]

    def _forget(self, kv: _LayerKv, token: int) -> None:
        """Free what lies before the window: it was last read when the token before was decoded."""
        if kv.window is None:
            return
        gone = int(np.searchsorted(kv.ends, self.params.context + token - kv.window + 1, side="right"))
        if gone:
            self.deaths.append((kv.ids[:gone].ravel(), np.tile(kv.last, gone)))
            kv.ids, kv.ends = kv.ids[gone:], kv.ends[gone:]

    def _write(self, kv: _LayerKv, layer: int, token: int, steps: list[int]) -> None:
        """The KV of the tokens that wait, where they are enough; each head group's is produced by its step of these."""
        params, waiting = self.params, self.params.waiting
        if (token + 1) % waiting:
            return
        end = params.context + token + 1
        run = min(params.block_tokens or waiting, waiting)
        if len(set(steps)) == 1:
            ids, ends = self._runs(end - waiting, end, run, layer, steps[0])
        else:
            ids, ends = self._by_group(end - waiting, end, run, layer, steps)
        kv.ids, kv.ends = np.concatenate([kv.ids, ids]), np.concatenate([kv.ends, ends])

    def _by_group(self, first: int, end: int, run: int, layer: int, steps: list[int]) -> tuple[npt.NDArray[np.int32], Int64]:
        """As :meth:`_runs`, numbered head group by head group, each produced by a step of its own."""
        params = self.params
        starts = np.arange(first, end, run, dtype=np.int64)
        ends = np.minimum(starts + run, end)
        sizes = -(-(ends - starts) * (params.group_numbers * params.batch * params.bits.kv_bits) // 8)
        return np.stack([self._add(sizes, layer, _KV, step) for step in steps], axis=1), ends

    def _finish(self) -> Trace:
        params, steps = self.params, len(self.rows)
        counts = [len(sizes) for sizes, *_ in self.about]
        layer, kind, birth = (np.repeat([about[i] for about in self.about], counts) for i in (1, 2, 3))
        death = np.full(self.count, steps, dtype=np.int32)
        for ids, last in self.deaths:
            death[ids] = last
        return Trace(
            indptr=np.cumsum([0, *(len(row) for row in self.rows)], dtype=np.int64),
            blocks=np.concatenate([_NONE, *self.rows]),
            birth=birth.astype(np.int32),
            death=death,
            size=np.concatenate([sizes for sizes, *_ in self.about]),
            size_unit="bytes",
            step_token=np.repeat(np.arange(params.tokens, dtype=np.int32) + params.context, steps // params.tokens).astype(
                np.int32
            ),
            step_layer=np.array(self.layer_of, dtype=np.int32),
            block_layer=layer.astype(np.int32),
            block_kind=kind.astype(np.int8) if self.weights else None,
            meta=about(params),
        )


def about(params: Params) -> dict[str, Any]:
    """Provenance: the parameters, what follows from them, and every assumption."""
    shape, bits = params.shape, params.bits
    known = {name: getattr(shape, name) for name in ("layers", "hidden", "heads", "kv_heads", "head_size", "ffn", "vocabulary")}
    known |= {"ffn_matrices": shape.ffn_matrices, "experts": shape.experts, "active": shape.active}
    known |= {"kv_layers": shape.kv_layers, "head_groups": params.head_groups, "waiting_tokens": params.waiting}
    known |= {"weight_bits": bits.weight_bits, "kv_bits": bits.kv_bits, "source": shape.source, "date": shape.date}
    if params.layout is not None:
        written = written_per_token(params.mapping)
        known |= {"written_per_token": float(written.size), "write_amplification": float(written.amplification)}
        known |= {"pages_written_per_token": float(written.pages)} if params.page else {}
    stated = {key: value for key, value in dataclasses.asdict(params).items() if value is not None}
    return {"generator": "decode", "parameters": stated, "model": known, "assumptions": assumptions(params)}


#: What is inferred where pages are written before they are full (:mod:`placement_opt.workload.transforms.mapping`).
_BUFFER = (
    "keys and values lie on different planes, whose buffers all layers and sequences share evenly, as labels of arXiv"
    " 2512.03608 imply; pages written before they are full stay so, the context's too"
)


def assumptions(params: Params) -> list[str]:
    """In words, those that matter at these parameters."""
    shape = params.shape
    found = ["attention is dense: every KV block is read whole for every token", "scales of quantised numbers are not counted"]
    found.append("the context lies in memory when step 0 begins, also where its last page is not full")
    found.append(f"decoded tokens wait at the processor, not read from memory, until there are {params.waiting} to be written")
    if params.weights == "placed":
        found.append("weights are read once a step, whatever the batch; rows of input embeddings are not read")
    if params.layout is not None:
        found.append("keys, values and sequences lie apart; a block is padded to pieces of whole bytes")
    if params.layout is not None and params.buffer is not None:
        found.append(_BUFFER)
    if params.batch > 1:
        found.append("a KV block has the tokens of all sequences of the batch, which are of equal length")
    if shape.experts > 1 and params.weights == "placed":
        drawn = "drawn evenly and independently for every token, layer and sequence"
        found.append("every step reads all experts" if params.experts_read == "all" else f"active experts are {drawn}")
    if shape.windows:
        found.append("blocks that reach into a layer's window are read whole; what lies before it is freed")
    if shape.kv_every > 1:
        found.append("states of layers without KV are not counted")
    if params.tensor_parallel > 1:
        found.append("one device of several; what they exchange is not counted")
    return found


GENERATOR = Params, generate
OUTLINE = Outline("tokens", totals, small=lambda _: {"context": 1, "tokens": 1, "block_tokens": None})
