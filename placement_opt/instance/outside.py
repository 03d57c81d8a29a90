"""The [recompute] and [stores] tables of an instance: where a block comes from that lies in no tier.

Recomputing makes ``rate`` bytes of KV a second. Where the file gives the device's ``flops`` instead, the rate follows from what
a token costs in one layer: ``flops_per_token`` over the model's layers, or, for a preset, 2 operations a parameter that the
token passes (arXiv 2001.08361, section 2.1: the forward pass without embeddings; of experts, the active ones). That leaves out
attention over the tokens before, which only makes recomputing slower. A store outside gives its ``rate``.

``efficiency`` scales each of them, as it does the rates of tiers; rates are rounded down to whole bytes a second. ``energy`` is
what a byte of KV takes that comes so.
"""

from __future__ import annotations

from fractions import Fraction

from placement_opt.base.errors import InputError
from placement_opt.base.toml import Table, as_energy_per_byte, as_flop, as_flops, as_rate
from placement_opt.base.units import LARGEST, format_rate
from placement_opt.instance.llm_table import Model
from placement_opt.memory import MemorySystem, build_memory
from placement_opt.memory.files import as_efficiency
from placement_opt.memory.system import Outside

RECOMPUTE = "recompute"
#: More stores than these are refused: sets of ways to serve a block are bit masks.
MOST_STORES = 16


def read_outside(root: Table, recompute: Table, stores: Table, model: Model) -> tuple[Outside, ...]:
    """Recomputing first, then the stores in the order of the file; InputError, laid at its key, for what is wrong in them."""
    energy = recompute.get("energy", as_energy_per_byte)
    found = [Outside(RECOMPUTE, RECOMPUTE, _made(recompute, model), energy)] if RECOMPUTE in root else []
    for name in stores.keys():  # noqa: SIM118 - a Table, not a dict
        inner = stores.table(name)
        assert inner is not None
        rate, efficiency = inner.need("rate", as_rate), inner.get("efficiency", as_efficiency)
        energy = inner.get("energy", as_energy_per_byte)
        inner.finish()
        found.append(Outside(f"refetch {name}", name, _made_per_second(inner, "rate", Fraction(rate), efficiency), energy))
    if len(stores.keys()) > MOST_STORES:
        raise root.error("stores", f"found {len(stores.keys())} stores", f"expected at most {MOST_STORES}")
    return tuple(found)


def with_outside(memory: MemorySystem, outside: tuple[Outside, ...], root: Table) -> MemorySystem:
    """The system with what comes from outside; InputError at the table whose name a tier, a link or another has."""
    if not outside:
        return memory
    try:
        return build_memory(memory.name, memory.processor, memory.tiers, memory.links, outside, memory.engines)
    except InputError as error:
        field = error.field if error.field == RECOMPUTE else f"stores.{error.field}"
        raise root.error(field, error.found, error.expected) from None


def _made(table: Table, model: Model) -> int:
    """Bytes of KV that recomputing makes in a second."""
    rate, flops = table.get("rate", as_rate), table.get("flops", as_flops)
    each, efficiency = table.get("flops_per_token", as_flop), table.get("efficiency", as_efficiency)
    table.finish()
    if rate is not None:
        for key, value in (("flops", flops), ("flops_per_token", each)):
            if value is not None:
                raise table.error(key, f"found {key} beside rate", "expected one of the two")
        return _made_per_second(table, "rate", Fraction(rate), efficiency)
    if flops is None:
        raise table.error("rate", "found nothing", 'expected rate = "20 GiB/s" (KV made), or flops = "990 TFLOP/s"')
    return _made_per_second(table, "flops", flops * _bytes_per_flop(table, model, each), efficiency)


def _bytes_per_flop(table: Table, model: Model, each: Fraction | None) -> Fraction:
    """KV of one token in one layer over what the token costs there."""
    if model.kv_bytes is None:
        found = "found nothing that says how many bytes of KV a token has in a layer"
        raise table.error("flops", found, "expected kv_bytes or preset in [llm], or rate in place of flops")
    if each is None and model.layer_flop is None:
        raise table.error(
            "flops_per_token", "found nothing", "expected this key, or a preset in [llm], whose parameters say so"
        )
    if each is None:
        assert model.layer_flop is not None
        return Fraction(model.kv_bytes, model.layer_flop)
    if model.layers is None:
        found = "found operations of a token in all layers, and nothing that says how many layers there are"
        raise table.error("flops_per_token", found, "expected layers or preset in [llm]")
    return model.kv_bytes * model.layers / each


def _made_per_second(table: Table, key: str, rate: Fraction, efficiency: Fraction | None) -> int:
    effective = rate * (1 if efficiency is None else efficiency)
    if not 1 <= int(effective) <= LARGEST:
        found = f"found what makes {float(effective):.4g} B/s"
        raise table.error(key, found, f"expected from 1 B/s to {format_rate(LARGEST)}")
    return int(effective)
