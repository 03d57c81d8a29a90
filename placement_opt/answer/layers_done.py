"""How what came of layers in rows, and the prices they were done at, are kept from run to run."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from placement_opt.answer.by_layer import LayerDone
from placement_opt.certify.files import load_prices, pack_prices
from placement_opt.instance.stacked import Stacked
from placement_opt.layered.kept import KeptLayers, fraction_of, written
from placement_opt.layered.solve import CertifiedPrices, certified_prices


def kept_prices(kept: KeptLayers, question: Stacked, number: int) -> CertifiedPrices | None:
    """The prices of a round, where they are known."""
    data = kept.data(f"prices {number}")
    return None if data is None else certified_prices(load_prices(data, question.turned))


def keep_prices(kept: KeptLayers, number: int, prices: CertifiedPrices) -> None:
    """Before the first layer of a round."""
    kept.keep_data(f"prices {number}", pack_prices(prices.certificate), f"prices-{number}")


def kept_done(kept: KeptLayers, layers: int, number: int, *, scheduled: bool, moves: bool) -> dict[int, LayerDone]:
    """The layers that are done in a round; ``scheduled``, and with their ``moves``, where these are wanted."""
    known = dict[int, LayerDone]()
    for layer in range(layers):
        found = kept.find(f"layer {number} {layer}")
        if found is None or (moves and not found["moves_kept"]) or (scheduled and not found["scheduled"]):
            continue
        lower, upper = fraction_of(found["lower"]), fraction_of(found["upper"])
        section = kept.folder / found["file"] if moves and "file" in found else None
        known[layer] = LayerDone(lower or Fraction(0), upper, found["source"], section, found["moves"])
    return known


def keep_done(kept: KeptLayers, layer: int, number: int, done: LayerDone, *, scheduled: bool, moves: bool) -> None:
    """A layer that is done; ``scheduled``: whether a schedule was looked for, ``moves``: whether they were written."""
    record: dict[str, Any] = {"lower": written(done.lower), "upper": written(done.upper), "scheduled": scheduled}
    record |= {"source": done.source, "moves": done.moves, "moves_kept": moves}
    kept.keep(f"layer {number} {layer}", record, done.section)
