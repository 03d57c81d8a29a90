"""A trace of decoding token by token, as exporters of such formats need it: each block by its layer and first token."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from placement_opt.base.errors import InputError
from placement_opt.workload.trace import Trace

Numbers = npt.NDArray[np.int64]
_EXPECTED = "expected one of decoding, its steps and blocks labelled with token and layer (as reads-csv and synth drift are)"


class Decoding:
    """The labels of a trace, checked.

    Attributes
    ----------
    size
        Tokens of a block.
    token, layer
        int64[T] of the steps: the newest token, the layer. Tokens never fall within a layer.
    begins, of
        int64[B] of the blocks: the first token, the layer.
    first
        int64 by layer: the newest token of its first step, below which the prefill lies.

    Raises
    ------
    InputError
        Another kind of trace, or births that do not follow from the tokens.
    """

    def __init__(self, trace: Trace) -> None:
        labels = (trace.step_token, trace.step_layer, trace.block_token, trace.block_layer)
        if any(label is None for label in labels) or trace.size_unit != "token-layers" or len(np.unique(trace.size)) > 1:
            raise InputError("found another kind of trace", _EXPECTED)
        self.token, self.layer, self.begins, self.of = (label.astype(np.int64) for label in labels if label is not None)
        self.size = int(trace.size[0])
        keys = self.keys(self.of, self.begins)
        good = len(np.unique(keys)) == len(keys) and not (self.begins % self.size).any()
        good &= np.array_equal(self.layer[trace.read_step], self.of[trace.blocks]) and set(self.of) <= set(self.layer)
        if not good:
            raise InputError("found blocks that are not those of one layer's tokens", _EXPECTED)
        self.first = np.zeros(int(self.layer.max()) + 1, dtype=np.int64)
        self.first[self.layer[::-1]] = self.token[::-1]
        self._check_births(trace)

    def keys(self, layer: Numbers, token: Numbers) -> Numbers:
        """One number for a layer and a token, those of a layer together."""
        return layer * 2**32 + token

    def _check_births(self, trace: Trace) -> None:
        """A block behind the prefill is produced by its layer's first step that reaches it; each such step has one."""
        order = np.lexsort((np.arange(trace.num_steps), self.layer))
        reached = self.keys(self.layer, self.token)[order]
        row = order[np.minimum(np.searchsorted(reached, self.keys(self.of, self.begins)), trace.num_steps - 1)]
        birth = np.where(self.begins < self.first[self.of], -1, row)
        newest = self.token // self.size * self.size
        needed = self.keys(self.layer, newest)[newest >= self.first[self.layer]]
        there = np.isin(needed, self.keys(self.of, self.begins)).all()
        if (np.diff(reached) < 0).any() or not np.array_equal(birth, trace.birth) or not there:
            raise InputError("found blocks that other steps produce than those that reach their tokens", _EXPECTED)
