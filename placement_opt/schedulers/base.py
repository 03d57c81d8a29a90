"""What all policies share: a name that carries their options, and options that are declared once, typed and checked."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from placement_opt.base.cost import Cost, once
from placement_opt.base.errors import InputError
from placement_opt.bounds.size import Size
from placement_opt.play.protocol import Effort, Setting

#: What kinds of policies there are, and what each of them is.
FAMILIES = {
    "ours": "online, with prices and estimates learnt on the way",
    "fixed": "where a block lies is decided once",
    "classical": "caches, by what they evict",
    "cascade": "rules for what moves between tiers",
    "serving": "what servers of language models do",
    "attention": "what is kept or brought by what attention reads",
    "system": "rules of published systems",
    "paper": "the rules of arXiv 2508.13231 and of its simulator",
    "program": "a program solved for each step",
    "clairvoyant": "the trace is known",
}


def option(
    default: Any, text: str, *, choices: tuple[str, ...] = (), low: float | None = None, high: float | None = None
) -> Any:
    """A dataclass field that is an option of a policy; its type is the type of its default.

    Parameters
    ----------
    text
        What it does, in one line.
    choices
        Words allowed, for text.
    low, high
        Smallest and largest number allowed.
    """
    return field(default=default, metadata={"text": text, "choices": choices, "low": low, "high": high})


@dataclass
class Policy:
    """A policy by its name, whose dataclass fields are its options (see :func:`option`).

    ``cost``: what it is expected to take with its options at their defaults, being simulated included. ``family``: one of
    :data:`FAMILIES`. ``by_position``: whether what it does depends on the ids of blocks beyond their order within a step, so
    that it moves otherwise where the same blocks have other ids, with its options at their defaults.
    ``requires``: what an instance must have, or have no more of, whatever the options: any other one is declined.
    """

    title: ClassVar[str]
    online: ClassVar[bool] = True
    family: ClassVar[str] = "classical"
    by_position: ClassVar[bool] = False
    requires: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str]
    cost: ClassVar[Cost[Size]]

    def __post_init__(self) -> None:
        self._effort: Effort | None = None
        for one in fields(self):
            _check(getattr(self, one.name), one.metadata, type(one.default), f"{self.title}:{one.name}")

    @property
    def name(self) -> str:
        """The title with the options that differ from their defaults."""
        given = [f"{one.name}={getattr(self, one.name)}" for one in fields(self) if getattr(self, one.name) != one.default]
        return f"{self.title}:{','.join(given)}" if given else self.title

    @property
    def by_layer(self) -> bool:
        """Whether each layer is treated by itself, in its even share of the room, whatever the others do."""
        return False

    @property
    def effort(self) -> Effort | None:
        """Counted work of the last run; None where nothing is searched."""
        return self._effort

    @property
    def would_miss(self) -> float | None:
        """Of the bytes read in the last run the share that was dropped for good before, had what this policy sends to slower
        tiers been dropped, as where it comes from; None where that drops nothing, or nothing was run."""
        return None


def _check(value: Any, rules: Any, kind: type, where: str) -> None:
    if type(value) is not kind:
        raise InputError(f"found {value!r}", f"expected {kind.__name__}", field=where)
    if rules["choices"] and value not in rules["choices"]:
        raise InputError(f"found {value!r}", "expected one of " + ", ".join(rules["choices"]), field=where)
    low, high = rules["low"], rules["high"]
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        wanted = f"from {low} to {high}" if high is not None else f"at least {low}"
        raise InputError(f"found {value}", f"expected {wanted}", field=where)


def passing(section: str) -> Cost[Size]:
    """What a policy takes that goes through the trace once, step by step."""
    return Cost(
        section,
        {"per_step": lambda size: size.steps, "per_read": lambda size: size.all_reads},
        {"once": once, "per_read": lambda size: size.all_reads, "per_block_and_tier": lambda size: size.blocks * size.tiers},
    )


def cache_tiers(setting: Setting) -> tuple[int, ...]:
    """The tiers that a policy fills with what is worth it, fastest first.

    Inclusive: those read faster than the home tier (a copy in a slower one would serve nothing). Otherwise all tiers: every
    block has to be in one of them, or, under the rule cache, would be in none.
    """
    order = setting.memory.by_speed
    return order[: order.index(setting.home)] if setting.residency == "inclusive" else order


def layer_of(setting: Setting) -> npt.NDArray[np.int32]:
    """int32[B]: layer of each block, 0 without layers."""
    return np.zeros(len(setting.size), dtype=np.int32) if setting.block_layer is None else setting.block_layer
