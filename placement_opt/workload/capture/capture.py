"""From a model and a prompt to a file: selections, or the trace that they are read as."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from os import PathLike, fspath
from typing import Any

import numpy as np
import numpy.typing as npt

from placement_opt.base.atomic import scratch_folder
from placement_opt.workload.capture.decode import Decoding, Step, steps
from placement_opt.workload.capture.models import Loaded
from placement_opt.workload.capture.rows import Row, Rows, check_ending, written_rows
from placement_opt.workload.capture.rules import Rule
from placement_opt.workload.files.npz import save_trace
from placement_opt.workload.formats.selections import read

#: How a trace's name ends; all else is selections.
TRACE_ENDING = ".npz"


@dataclass(frozen=True, eq=False)
class Captured:
    """What was chosen, by layer.

    Attributes
    ----------
    tokens, length
        Decoded, and tokens of the sequence at the last of them.
    chosen
        Of each layer, by its number: tokens that a step reads, on the average.
    mass
        Of each layer: the share of its attention (mean of heads) that they have, on the average.
    """

    tokens: int
    length: int
    chosen: dict[int, float]
    mass: dict[int, float]


class Means:
    """Adds rows up to a :class:`Captured`."""

    def __init__(self) -> None:
        self._rows, self._chosen, self._mass = Counter[int](), Counter[int](), dict[int, float]()
        self._length = 0

    def add(self, row: Row) -> None:
        """One more row."""
        self._rows[row.layer] += 1
        self._chosen[row.layer] += len(row.tokens)
        self._mass[row.layer] = self._mass.get(row.layer, 0.0) + float(row.weights.sum())
        self._length = row.length

    def captured(self) -> Captured:
        """Means of all rows so far."""
        layers = sorted(self._rows.items())
        chosen = {layer: self._chosen[layer] / rows for layer, rows in layers}
        mass = {layer: self._mass[layer] / rows for layer, rows in layers}
        return Captured(max(self._rows.values()), self._length, chosen, mass)


def capture(
    loaded: Loaded,
    prompt: npt.NDArray[np.int64],
    how: Decoding,
    rule: Rule,
    path: str | PathLike[str],
    *,
    weights: bool = False,
    about: dict[str, Any] | None = None,
    request: str = "prompt",
    progress: Callable[[str], None] | None = None,
) -> Captured:
    """Decode and write what every layer reads at every token.

    Parameters
    ----------
    loaded, prompt, how
        The model, its prompt (int64 token numbers), what is decoded.
    rule
        What is read.
    path
        ``*.npz``: the trace, in blocks of ``rule.page_tokens``; ``*.jsonl``, ``*.jsonl.gz``, ``*.jsonl.zst``: selections.
    weights
        Selections say what attention each token has (``selected_weight_ppm``), and what a page that is not read has at most
        (``unselected_weight_ppm``), so that a stricter rule can choose again (:mod:`placement_opt.workload.capture.again`).
    about
        Further metadata: where the prompt comes from.
    request
        The request's name in the selections.
    progress
        Told how far it is.

    Raises
    ------
    InputError
        As :func:`placement_opt.workload.capture.decode.steps`, and of ``path``.
    """
    said = provenance(loaded, how, rule) | (about or {})
    means = Means()
    taken = steps(loaded, prompt, how)
    with target(path, said, rule.page_tokens) as rows:
        for step in taken:
            if progress is not None:
                progress(f"token {step.number + 1} of {how.tokens}")
            for row in _read(step, rule, request):
                rows.add(row, weights=weights)
                means.add(row)
    return means.captured()


def provenance(loaded: Loaded, how: Decoding, rule: Rule) -> dict[str, Any]:
    """The metadata of a capture: model, rule, how tokens come about, versions, what is assumed."""
    import torch
    import transformers

    return {
        "model": loaded.about,
        "captured": "attention weights of a model, eager",
        "rule": str(rule),
        "chosen_pages": rule.page_tokens,
        "decoded": f"{how.tokens}, {how}",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "assumptions": [
            "a layer reads keys and values, of all heads, of the tokens chosen and of no others; finding them costs nothing",
            "attention is that of the model reading everything; without the tokens left out it would be another",
        ],
    }


def _read(step: Step, rule: Rule, request: str) -> Iterator[Row]:
    """What each layer reads at a token."""
    for layer, attention in enumerate(step.attention):
        first = step.length - attention.shape[1]
        columns = rule.choose(attention, first)
        mean = attention.mean(axis=0, dtype=np.float64)
        rest = mean.copy()
        rest[columns] = 0.0
        left = float(rule.pages(rest[None], first)[1].max())
        yield Row(request, step.number, layer, step.length, columns + first, mean[columns], left)


@contextmanager
def target(path: str | PathLike[str], about: dict[str, Any], page_tokens: int) -> Iterator[Rows]:
    """Rows that become the file, a trace or selections by its ending, when the block ends."""
    check_ending(path, (TRACE_ENDING,))
    if not fspath(path).endswith(TRACE_ENDING):
        with written_rows(path, about) as rows:
            yield rows
        return
    with scratch_folder() as folder:
        between = folder / "capture.jsonl"
        with written_rows(between, about) as rows:
            yield rows
        trace = read(between, block_tokens=page_tokens)
        save_trace(replace(trace, meta={key: value for key, value in trace.meta.items() if key != "file"}), path)
