"""What commands share that take one instance file: it is read once, and asked in rows or in runs."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from placement_opt.base.limits import Limits
    from placement_opt.instance.instance import Instance
    from placement_opt.instance.outline import Outline
    from placement_opt.instance.stacked import AnyQuestion


def read(args: Namespace) -> Outline:
    """The instance file, its trace not made."""
    from placement_opt.instance.outline import read_outline

    return read_outline(args.instance, layers=args.scale_layers)


def ask(args: Namespace, outline: Outline, limits: Limits) -> AnyQuestion:
    """The question of the file, in rows where they fit; LeftBehind where that takes longer than the limits allow."""
    from placement_opt.base.watch import in_time
    from placement_opt.instance import load

    return in_time(f"{args.instance}: reading it", lambda: load.question_of(outline, limits), limits)


def rows_only(question: AnyQuestion, what: str = "") -> Instance:
    """A question in rows; LimitError that says what keeps it out of them, and ``what`` needs them."""
    from placement_opt.base.errors import LimitError
    from placement_opt.instance.instance import Instance

    if not isinstance(question, Instance):
        raise LimitError(f"{question.why}; {what} needs the reads as rows" if what else question.why)
    return question


def by_layer_only(question: AnyQuestion, option: str) -> None:
    """InputError where an option about layers is given for a question in rows."""
    from placement_opt.base.errors import InputError
    from placement_opt.instance.instance import Instance

    if isinstance(question, Instance):
        raise InputError("found it for a question in rows", "expected one that comes layer by layer", field=option)


def certified(args: Namespace, outline: Outline, limits: Limits) -> AnyQuestion:
    """The question that certificates were made for, in rows, in runs or layer by layer.

    Of one in runs, where a scheduler was played with one layer in rows at a time, prices may be in runs beside its moves.
    """
    from placement_opt.base.errors import InputError
    from placement_opt.certify.claims import hash_of_any
    from placement_opt.certify.layered_files import is_large_schedule
    from placement_opt.certify.stacked_files import is_stacked_schedule
    from placement_opt.instance.load import in_rows, in_runs
    from placement_opt.instance.turns import in_layers

    files = args.certificates
    hashes = set(map(hash_of_any, files))
    for ask, is_its in ((in_runs, is_large_schedule), (in_layers, is_stacked_schedule)):
        its = any(map(is_its, files))
        try:
            question: AnyQuestion = ask(outline)
        except InputError:
            if its:
                raise
            continue
        if its or question.hash in hashes:
            return question
    return in_rows(outline, limits)
