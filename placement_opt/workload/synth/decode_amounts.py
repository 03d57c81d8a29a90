"""How much the decode generator makes at its settings."""

from __future__ import annotations

import dataclasses

from placement_opt.workload.synth.decode_params import Params
from placement_opt.workload.totals import Totals


def amounts(params: Params) -> tuple[int, int, int]:
    """Steps, and the most blocks and reads that there can be."""
    shape, tiles, k = params.shape, params.tiles, params.head_groups
    initial = -(-params.context // params.run) * k * shape.kv_layers
    written = -(-params.waiting // (params.block_tokens or params.waiting))
    born = params.tokens // params.waiting * written * k * shape.kv_layers
    steps, weights = params.traced_layers, 0
    if params.weights == "placed":
        each = {"layer": 1, "sequential": 3, "head-groups": k + 2}[params.steps]
        steps = shape.kv_layers * each + shape.layers - shape.kv_layers + 1
        groups = {"layer": 1, "sequential": 2, "head-groups": k + 1}[params.steps]
        weights = (shape.layers * (groups + (shape.experts if shape.experts > 1 else 0)) + 1) * tiles
    return steps * params.tokens, weights + initial + born, params.tokens * (weights + initial + born)


def totals(params: Params) -> Totals:
    """No less than there is, the sizes guessed at."""
    steps, blocks, reads = amounts(params)
    size = (
        params.bits.kv_bytes(params.shape.kv_numbers * params.shape.kv_layers) * (params.context + params.tokens) * params.batch
    )
    if params.weights == "placed":
        size += params.bits.weight_bytes(params.shape.parameters)
    mean = max(1, size // blocks)
    pairs, layers, each = blocks * (steps + 1), params.traced_layers, steps // params.tokens
    guess = Totals(steps, blocks, reads, layers, pairs, size, mean, mean, reads * mean, exact=False, firm=False)
    return dataclasses.replace(guess, steps_of_token=each)
