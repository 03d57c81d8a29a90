"""Instances at every combination of some keys' values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from placement_opt.base.errors import InputError
from placement_opt.base.limits import Limits
from placement_opt.instance.layered import Layered
from placement_opt.instance.scaled import LayerShare
from placement_opt.instance.stacked import AnyQuestion, Stacked
from placement_opt.study.auto_capacity import spelt_out
from placement_opt.study.grid import Question
from placement_opt.study.keys import parse_keys, points_of


def asked_of(
    sources: Sequence[AnyQuestion | Path], keys: Sequence[str], layers: LayerShare | None, limits: Limits
) -> list[Question]:
    """Every instance at every combination of the values of keys (:func:`placement_opt.study.keys.parse_key`), the last fastest.

    InputError for a key or a value that is none, for a key given twice, and for keys of a question in runs.
    """
    found: list[Question] = []
    for source in sources:
        if not keys:
            found.append(Question(source, layers))
            continue
        if isinstance(source, Layered | Stacked):
            raise InputError(f"found {source.name}, a question in runs", "expected one in rows", field="keys")
        points = points_of(parse_keys(spelt_out(keys, source, limits)))[1]
        found += [Question(source, layers, values, named=len(sources) > 1) for values in points]
    return found
