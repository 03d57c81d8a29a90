"""A causal model decodes behind a prompt, token by token with a cache of keys and values, and shows each layer's attention."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError, LimitError
from placement_opt.workload.capture.models import Loaded

#: Tokens of the prompt that are run at once: eager attention holds heads x this x context numbers.
_CHUNK = 512


@dataclass(frozen=True)
class Decoding:
    """How many tokens are decoded and where they come from.

    Attributes
    ----------
    tokens
        Decoded, from 1.
    replay
        The last ``tokens`` of the prompt are decoded as they stand; otherwise the model goes on behind the prompt.
    temperature
        Tokens are drawn with probabilities of logits over this; 0: the most probable one.
    seed
        Of these draws.
    """

    tokens: int
    replay: bool = False
    temperature: float = 1.0
    seed: int = 0

    def __str__(self) -> str:
        if self.replay:
            return "tokens of the prompt"
        return f"drawn at temperature {self.temperature:g}, seed {self.seed}" if self.temperature else "most probable tokens"


@dataclass(frozen=True, eq=False)
class Step:
    """One decoded token.

    Attributes
    ----------
    number
        Of the token, from 0.
    length
        Tokens of the sequence, this one included; its position is one less.
    attention
        Of each layer float32[heads, tokens]: what each head gives to the newest ``tokens`` of the sequence, the token itself
        the last; all of them but in a layer with a window.
    """

    number: int
    length: int
    attention: list[npt.NDArray[np.float32]]


def steps(loaded: Loaded, prompt: Int64, how: Decoding) -> Iterator[Step]:
    """Decode behind int64 tokens ``prompt``.

    Raises
    ------
    InputError
        Too few or too many tokens for the model's context (before anything is run); a model that shows no attention.
    LimitError
        The device has no room for the model's attention.
    """
    before, given = _parts(loaded, prompt, how)
    try:
        yield from _run(loaded, before, given, how)
    except RuntimeError as error:  # torch has no kind of its own for it on every device
        if "memory" not in str(error):
            raise
        found = f"found too little memory on {loaded.model.device} to run a prompt of {len(before)} tokens with eager attention"
        raise LimitError(f"{found}, expected fewer (--prompt-tokens), or a larger device") from None


def _run(loaded: Loaded, before: Int64, given: Int64, how: Decoding) -> Iterator[Step]:
    """The prompt in chunks, then token by token."""
    import torch

    model, rng = loaded.model, np.random.default_rng(how.seed)
    cache_name = "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"
    with torch.inference_mode():
        cache: dict[str, Any] = {}
        for first in range(0, len(before), _CHUNK):
            piece = torch.from_numpy(before[first : first + _CHUNK])[None].to(model.device)
            out = model(input_ids=piece, use_cache=True, **cache)
            cache = {cache_name: _shown(out, cache_name)}
        for number in range(how.tokens):
            token = int(given[number]) if how.replay else _drawn(out, how.temperature, rng)
            piece = torch.tensor([[token]], device=model.device)
            out = model(input_ids=piece, use_cache=True, output_attentions=True, **cache)
            cache = {cache_name: _shown(out, cache_name)}
            yield Step(number, len(before) + number + 1, _attention(out))


def _parts(loaded: Loaded, prompt: Int64, how: Decoding) -> tuple[Int64, Int64]:
    """What is run before, and what is decoded where that is given; InputError where it does not fit."""
    if how.tokens < 1:
        raise InputError(f"found {how.tokens}", "expected at least 1", field="tokens")
    if not how.temperature >= 0:
        raise InputError(f"found {how.temperature:g}", "expected a number from 0", field="temperature")
    if how.replay and len(prompt) <= how.tokens:
        found = f"found {how.tokens} to decode of a prompt of {len(prompt)}"
        raise InputError(found, "expected at least one token before them", field="tokens")
    total = len(prompt) if how.replay else len(prompt) + how.tokens
    if loaded.context is not None and total > loaded.context:
        found = f"found a prompt of {len(prompt)} tokens" + ("" if how.replay else f" and {how.tokens} to decode")
        raise InputError(found, f"expected at most {loaded.context}, the model's context, in all", field="PROMPT")
    split = len(prompt) - how.tokens if how.replay else len(prompt)
    return prompt[:split], prompt[split:]


def _drawn(out: Any, temperature: float, rng: np.random.Generator) -> int:
    logits = out.logits[0, -1].double().cpu().numpy()
    if temperature == 0:
        return int(logits.argmax())
    weights = np.exp((logits - logits.max()) / temperature)
    return int(np.searchsorted(np.cumsum(weights), rng.random() * weights.sum(), side="right").clip(max=len(weights) - 1))


def _attention(out: Any) -> list[npt.NDArray[np.float32]]:
    found = _shown(out, "attentions")
    if any(one is None or one.ndim != 4 for one in found):
        found = _shown({}, "attentions of every layer")
    return [one[0, :, -1].float().cpu().numpy() for one in found]


def _shown(out: Any, name: str) -> Any:
    """What the model gives under a name; InputError where that is nothing."""
    found = out.get(name)
    if found is None or found == ():
        expected = "expected a model all of whose layers attend to tokens, with eager attention"
        raise InputError(f"found no {name} in what the model gives", expected, field="MODEL")
    return found
