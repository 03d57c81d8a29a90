"""Groups of blocks, which hybrid models have one of for each kind of layer: what they read, and how many layers they have."""

from __future__ import annotations

from placement_opt.base.errors import InputError, shown
from placement_opt.workload.formats.kv_messages import Stored

#: Kinds of attention that see the whole of what lies before; of others but windows, the block before is all that is sure.
_WHOLE = (None, "full_attention", "mla_attention", "sink_full_attention")
_FAR = 2**31 - 1


def reach(event: Stored) -> int:
    """How many blocks before a chain its first token reads at most."""
    if event.window is not None:
        return -(-(event.window - 1) // event.tokens)
    return _FAR if event.kind in _WHOLE else 1


def parse_layers(text: str) -> dict[int, int]:
    """``"0=8,1=24"``: layers by the numbers of their groups; InputError for anything else."""
    found: dict[int, int] = {}
    for part in text.split(","):
        group, _, layers = (piece.strip() for piece in part.partition("="))
        if not (_is_number(group) and _is_number(layers) and 0 < int(layers) < 2**16 and int(group) not in found):
            raise InputError(f"found {shown(part)}", 'expected groups, each once, and their layers, such as "0=8,1=24"')
        found[int(group)] = int(layers)
    return found


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 7
