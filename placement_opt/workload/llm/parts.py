"""The parameters of one layer, by when a decoded token needs them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LayerParts:
    """What one device has of a layer.

    Attributes
    ----------
    keeps_kv
        Whether the layer attends to earlier tokens.
    qkv
        What makes queries, keys and values, and all else of attention but its output: needed before KV is. 0 without KV.
    rest
        What is needed afterwards and by every token: the output of attention, norms, the router, a feed-forward that all tokens
        pass; without KV, what stands in place of attention.
    expert, experts
        One routed expert, and how many there are; 0 and 0 where every token passes the same feed-forward.
    """

    keeps_kv: bool
    qkv: int
    rest: int
    expert: int = 0
    experts: int = 0
