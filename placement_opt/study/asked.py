"""Instances at every combination of some keys' values, each in the form that it is answered in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from placement_opt.base.errors import InputError, LimitError
from placement_opt.base.limits import Limits
from placement_opt.instance.instance import Instance
from placement_opt.instance.load import large_instead, short_of_rows
from placement_opt.instance.outline import read_outline
from placement_opt.instance.scaled import LayerShare
from placement_opt.instance.stacked import AnyQuestion, Stacked
from placement_opt.study.auto_capacity import spelt_out
from placement_opt.study.grid import Question, placed
from placement_opt.study.keys import Values, parse_keys, parse_value, points_of

#: Tables of an instance file that decide how much there is of its trace.
_OF_TRACES = ("trace", "rules", "llm")


def asked_of(
    sources: Sequence[AnyQuestion | Path], keys: Sequence[str], layers: LayerShare | None, limits: Limits, *, jobs: int = 1
) -> list[Question]:
    """Every instance at every combination of the values of keys (:func:`placement_opt.study.keys.parse_key`), the last fastest.

    InputError for a key or a value that is none, and for a key given twice; else as :func:`asked_at`.
    """
    found: list[Question] = []
    for source in sources:
        if keys:
            check_varies(source, "keys")
        values = points_of(parse_keys(spelt_out(keys, source, limits)))[1] if keys else [()]
        found += asked_at(source, values, layers, limits, jobs=jobs, named=len(sources) > 1)
    return found


def asked_at(
    source: AnyQuestion | Path,
    points: Sequence[Values],
    layers: LayerShare | None,
    limits: Limits,
    *,
    jobs: int = 1,
    named: bool = False,
) -> list[Question]:
    """One instance at some points; a file in runs or layer by layer where rows do not fit into so many processes.

    Nothing is drawn or made. Points with the same trace are asked in the same form, whatever else is free at the time.

    Raises
    ------
    InputError
        A file that cannot be read, a point at which a trace without room for rows is none for runs or layers.
    NoRoom, LimitError
        A trace that has no room in any form.
    """
    if not isinstance(source, Path):
        return [Question(source, layers, values, named) for values in points]
    found: list[Question] = []
    shorts: dict[Values, LimitError | None] = {}
    for values in points:
        question = Question(source, layers, values, named)
        of_trace = tuple((key, text) for key, text in values if key.partition(".")[0] in _OF_TRACES)
        if of_trace not in shorts or shorts[of_trace] is not None:
            try:
                outline = read_outline(source, {key: parse_value(text) for key, text in values}, layers=layers)
                if of_trace not in shorts:
                    shorts[of_trace] = short_of_rows(outline, limits, processes=jobs + 1 if jobs > 1 else 1)
                if (short := shorts[of_trace]) is not None:
                    question = Question(large_instead(outline, short, limits), layers, values, named)
            except InputError as error:
                raise placed(question, error) from None
        found.append(question)
    return found


def check_varies(source: AnyQuestion | Path, field: str) -> None:
    """InputError for a question in runs or layer by layer, which nobody can make anew with other values of its keys."""
    if not isinstance(source, Instance | Path):
        kind = "layer by layer" if isinstance(source, Stacked) else "in runs"
        found = f"found {source.name}, a question {kind}, which does not know its file"
        raise InputError(found, "expected the name of its file, whose keys can vary", field=field)
