"""What ``placement-opt trace models`` says of the language models that come with the program."""

from __future__ import annotations

from typing import Any

from placement_opt.base.units import format_size
from placement_opt.report.table import table
from placement_opt.workload.llm import LLM, PRECISIONS, preset, preset_names


def models_info(precision: str) -> list[dict[str, Any]]:
    """One dictionary for each model: ``name, layers, kv_bytes`` (of a token in one layer), ``token_bytes`` (in all layers),
    ``window`` (tokens; None where all layers attend to all), ``windowed_layers``, ``weight_bytes`` (read in one layer for a
    token), ``weight_resident, source, date``."""
    return [_info(preset(name, PRECISIONS[precision])) for name in preset_names()]


def models_text(precision: str) -> str:
    """The same as a table."""
    rows = [
        [
            one["name"],
            str(one["layers"]),
            format_size(one["kv_bytes"]),
            format_size(one["token_bytes"]),
            f"{one['window']} in {one['windowed_layers']}" if one["window"] else "",
            format_size(one["weight_bytes"], binary=False),
            format_size(one["weight_resident"], binary=False),
            f"{one['source']} ({one['date']})",
        ]
        for one in models_info(precision)
    ]
    heads = ["model", "layers", "KV a token and layer", "KV a token", "window", "weights read a layer", "weights", "source"]
    return table(heads, rows, "lrrrrrrl") + "\n"


def _info(model: LLM) -> dict[str, Any]:
    windows = [window for window in model.windows if window is not None]
    return {
        "name": model.name,
        "layers": model.layers,
        "kv_bytes": model.kv_bytes,
        "token_bytes": model.kv_bytes * model.layers,
        "window": windows[0] if windows else None,
        "windowed_layers": len(windows),
        "weight_bytes": model.weight_bytes,
        "weight_resident": model.weight_resident,
        "source": model.source,
        "date": model.date,
    }
