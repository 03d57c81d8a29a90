"""Generators of traces, one a file: frozen, validated parameters and a random generator in, a :class:`Trace` out.

``GENERATORS[name]`` is ``(Params, generate)``; ``generate(params, rng)`` draws from nothing but ``rng``, so that equal
parameters and equal seeds give equal traces. ``OUTLINES[name]`` says how much will be drawn
(:class:`placement_opt.workload.synth.outline.Outline`). A module is imported when its generator is first asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from placement_opt.base.registry import Registry

if TYPE_CHECKING:
    import numpy as np

    from placement_opt.workload.synth.outline import Outline
    from placement_opt.workload.trace import Trace

    Generator = tuple[type[Any], Callable[[Any, np.random.Generator], Trace]]

#: Name -> what it is, in a line.
ABOUT: Mapping[str, str] = {
    "drift": "sparse attention whose read set drifts",
    "zipf": "independent reads, popularity falls with rank",
    "requests": "multi-turn requests over a prefix cache",
    "chat": "agents over a prefix cache: tool loops, think times, sub-agents",
    "rag": "requests over shared documents, cached as prefixes or each for itself",
    "segments": "memories of a planning agent, recalled, and made anew where they change",
    "diffusion": "diffusion decoding with a sparse cache, made anew for each block",
    "needle": "long contexts: a window, and rare returns to pages far back",
    "moe": "weights of experts, as tokens are routed",
    "embedding": "lookups in tables of recommendation models, in pages",
    "decode": "dense decoding of a language model: weights and KV as blocks in bytes",
}
#: Name -> (parameter class, generate function).
GENERATORS: Mapping[str, Generator] = Registry(__name__, {name: f"{name}:GENERATOR" for name in ABOUT})
#: Name -> how much its parameters make.
OUTLINES: Mapping[str, Outline] = Registry(__name__, {name: f"{name}:OUTLINE" for name in ABOUT})


def synthesize(name: str, parameters: Mapping[str, Any], seed: int) -> Trace:
    """The trace of one generator at these parameters (those left out at their defaults); ``meta`` holds all of them.

    Parameters
    ----------
    name
        One of ``GENERATORS``.
    parameters
        Fields of its parameter class.
    seed
        For ``numpy.random.default_rng``.

    Raises
    ------
    InputError
        A parameter out of range; ``field`` is its name.
    LimitError
        The trace would not fit in memory.
    """
    import numpy as np

    params_class, generate = GENERATORS[name]
    trace = generate(params_class(**parameters), np.random.default_rng(seed))
    object.__setattr__(trace, "meta", {**trace.meta, "seed": seed})  # replace() would check all arrays again
    return trace
