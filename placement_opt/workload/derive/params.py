"""Settings of a derivation: the model, how it attends, how its server batches."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from placement_opt.base.errors import InputError, shown
from placement_opt.base.units import parse_duration
from placement_opt.workload.llm import SHAPES
from placement_opt.workload.synth import params as p

ATTENTIONS = ("dense", "window", "hybrid", "sparse")
#: Settings that mean something with some kinds of attention only.
_ONLY = {
    "window": ("window", "hybrid"),
    "hybrid": ("hybrid",),
    "sinks": ("window", "hybrid", "sparse"),
    "top_pages": ("sparse",),
    "recent": ("sparse",),
    "overlap": ("sparse",),
    "zipf": ("sparse",),
}


@dataclass(frozen=True)
class Serving:
    """What is assumed of a server; InputError for values out of range or that contradict each other."""

    model: str = p.choice("llama-3.1-8b", tuple(SHAPES), "architecture: its layers with KV and their windows")
    attention: str | None = p.choice(None, ATTENTIONS, "what a token attends to; without it hybrid where the model has windows")
    layers: str = p.choice("union", ("union", "each"), "whether a step is an iteration, or each layer of it is one")
    page_tokens: int | None = p.integer(
        None, 1, "tokens of a page, which divide the log's blocks (default: as many)", 2**16 - 1
    )
    last_page: str = p.choice("full", ("full", "shares"), "whether a page is a block once full, or from its first token on")
    answers: str = p.choice(
        "private", ("private", "repeated"), "whether prompts that continue an earlier one repeat its answer"
    )
    output_tokens: int | None = p.integer(None, 1, "tokens of each answer where the log does not say", 2**24)
    max_running: int = p.integer(256, 1, "requests at once", 2**20)
    batch_tokens: int = p.integer(8192, 1, "tokens of an iteration: one of each request that decodes, the rest prefill", 2**30)
    chunk_tokens: int | None = p.integer(
        None, 1, "tokens of one prompt in one iteration (default: those of the iteration)", 2**30
    )
    step_time: str = p.duration("20 ms", "what an iteration is taken to last when arrivals are put into iterations")
    arrivals: str = p.choice("log", ("log", "none"), "whether requests come when the log says, or are all there at the start")
    window: int | None = p.integer(None, 1, "latest tokens that a layer with a window attends to (default: the model's)", 2**30)
    hybrid: str | None = dataclasses.field(
        default=None,
        metadata={
            "type": str,
            "convert": lambda value: _ratio(value) and str(value),
            "help": "N:M layers without and with a window",
        },
    )
    sinks: int | None = p.integer(None, 0, "first tokens that are attended to as well (default: 0)", 2**20)
    top_pages: int | None = p.integer(None, 1, "pages that a decoded token attends to", 2**20)
    recent: float | None = p.number(None, 0.0, 1.0, "share of them that are the latest (default: 0.25)")
    overlap: float | None = p.number(
        None, 0.0, 1.0, "chance that a page chosen before is kept for the next token (default: 0.9)"
    )
    zipf: float | None = p.number(None, 0.0, 10.0, "exponent of the pages' popularity (default: 0.8)")

    def __post_init__(self) -> None:
        p.check(self)
        if parse_duration(self.step_time, "20 ms") * 10**9 < 1:
            raise InputError(f"found {self.step_time!r}", "expected at least a nanosecond", field="step_time")
        if self.max_running > self.batch_tokens:
            found = f"found {self.max_running} requests at once, beside {self.batch_tokens} tokens of an iteration"
            raise InputError(found, "expected at most a token each", field="max_running")
        for name, kinds in _ONLY.items():
            if getattr(self, name) is not None and self.kind not in kinds:
                found = f"found {getattr(self, name)} with attention = {self.kind!r}"
                raise InputError(found, f"expected it with {' or '.join(kinds)} only", field=name)
        if self.kind == "sparse" and self.top_pages is None:
            raise InputError("found none with attention = 'sparse'", "expected a number of pages", field="top_pages")
        if self.kind in ("window", "hybrid") and self.window is None and not SHAPES[self.model].window:
            found = f"found none, and {self.model} has none"
            raise InputError(found, "expected a number of tokens", field="window")
        if self.kind == "hybrid" and self.hybrid is None and not SHAPES[self.model].window:
            found = f"found none, and {self.model} does not say which layers have a window"
            raise InputError(found, "expected such as 1:5, one layer without and five with", field="hybrid")

    @property
    def kind(self) -> str:
        """One of :data:`ATTENTIONS`."""
        return self.attention or ("hybrid" if SHAPES[self.model].window else "dense")

    @property
    def windows(self) -> tuple[int | None, ...]:
        """The window of each layer that keeps KV, None where it attends to all that was before."""
        shape = SHAPES[self.model]
        count, width = shape.kv_layers, self.window or shape.window
        if self.kind in ("dense", "sparse"):
            return (None,) * count
        if self.kind == "window":
            return (width,) * count
        if self.hybrid is None:
            return tuple(None if one is None else width for one in shape.windows)
        full, windowed = _ratio(self.hybrid)
        period = full + windowed  # layers without a window come last, as in the models that have some of both
        return tuple(None if layer % period >= windowed else width for layer in range(count))

    @property
    def step_ns(self) -> int:
        """What an iteration is taken to last."""
        return int(parse_duration(self.step_time, "20 ms") * 10**9)

    @property
    def stated(self) -> dict[str, Any]:
        """Every setting that has a value, those that follow from others included."""
        found = {name: value for name, value in dataclasses.asdict(self).items() if value is not None}
        found["attention"] = self.kind
        found["chunk_tokens"] = self.chunk_tokens or self.batch_tokens
        if self.kind in ("window", "hybrid"):
            found["window"] = self.window or SHAPES[self.model].window
        if self.kind == "sparse":
            found |= {"recent": self.recent_share, "overlap": self.kept_share, "zipf": self.exponent}
        return found

    @property
    def recent_share(self) -> float:
        """Of the chosen pages, those that are the latest."""
        return 0.25 if self.recent is None else self.recent

    @property
    def kept_share(self) -> float:
        """Chance that a chosen page is not drawn anew."""
        return 0.9 if self.overlap is None else self.overlap

    @property
    def exponent(self) -> float:
        """Of the popularity of pages."""
        return 0.8 if self.zipf is None else self.zipf

    @property
    def last(self) -> Literal["full", "shares"]:
        return "shares" if self.last_page == "shares" else "full"


def _ratio(value: Any) -> tuple[int, int]:
    """``"1:5"`` as two counts."""
    parts = value.split(":") if isinstance(value, str) else []
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() and 1 <= len(part) <= 4 and int(part) for part in parts):
        raise InputError(f"found {shown(value)}", "expected two counts of layers, such as 1:5")
    return int(parts[0]), int(parts[1])
