"""Certificates of a question in rows or in runs: the same two claims, proved again by the verifier of either."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from placement_opt.base.atomic import AnyPath
from placement_opt.base.backend import Backend
from placement_opt.base.errors import InputError
from placement_opt.base.limits import Limits
from placement_opt.certify.files import Kind, instance_hash, kind_of
from placement_opt.certify.layered import VerifiedLarge, verify_large
from placement_opt.certify.layered_files import is_large_schedule
from placement_opt.certify.stacked import verify_stacked
from placement_opt.certify.stacked_files import is_stacked_schedule, stacked_hash
from placement_opt.certify.verify import Verified, verify_files
from placement_opt.instance.instance import Instance
from placement_opt.instance.layered import Layered
from placement_opt.instance.stacked import AnyQuestion, Stacked, stacked_of

#: What certificates prove, in rows or in runs.
AnyVerified = Verified | VerifiedLarge


def verify_any(
    question: AnyQuestion, paths: Sequence[AnyPath], limits: Limits | None = None, *, backend: Backend | None = None
) -> AnyVerified:
    """Read and re-prove certificates; errors as :func:`verify_files`, :func:`verify_large` and :func:`verify_stacked`.

    ``limits``: memory for reading those in rows, which are read whole; without it, what is free. ``backend``: where layers are
    proved, each apart.
    """
    if isinstance(question, Instance):
        return verify_files(question, paths, limits)
    if isinstance(question, Stacked):
        return verify_stacked(question, paths, limits, backend=backend)
    return _verify_in_runs(question, paths, limits, backend)


def _verify_in_runs(
    question: Layered, paths: Sequence[AnyPath], limits: Limits | None, backend: Backend | None
) -> VerifiedLarge:
    """Where a scheduler was played with one layer in rows at a time, its moves are proved so, and the prices in runs."""
    moves = [path for path in paths if is_stacked_schedule(path)]
    rowed = stacked_of(question) if moves else None
    if rowed is None:
        return verify_large(question, paths, limits, backend=backend)
    others = [path for path in paths if path not in moves]
    if second := [path for path in others if is_large_schedule(path)]:
        raise InputError("found a second certificate of schedule", "expected at most one of each", path=second[0])
    played = verify_stacked(rowed, moves, limits, backend=backend)
    found = verify_large(question, others, limits, backend=backend) if others else VerifiedLarge(question)
    return replace(found, schedule=played.schedule, upper=played.upper)


def nothing_verified(question: AnyQuestion) -> AnyVerified:
    """What no certificate proves."""
    return Verified(question) if isinstance(question, Instance) else VerifiedLarge(question)


def hash_of_any(path: AnyPath) -> str | None:
    """The hash of the question that a certificate says it is of; None of moves in runs, which are read to tell.

    InputError where the file is none.
    """
    if is_large_schedule(path):
        return None
    return stacked_hash(path) if is_stacked_schedule(path) else instance_hash(path)


def kind_of_any(path: AnyPath) -> Kind:
    """Which kind of certificate a file is, in rows or in runs; InputError if it is none."""
    return "schedule" if is_large_schedule(path) or is_stacked_schedule(path) else kind_of(path)
