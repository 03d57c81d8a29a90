"""Certificates that lie beside an instance's file: which are of it, and whether they prove what they claim."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from placement_opt.answer.checkpoint import expected_s
from placement_opt.base.errors import CertificateError, InputError, LimitError
from placement_opt.base.limits import Limits
from placement_opt.base.watch import in_time
from placement_opt.certify.claims import hash_of_any, kind_of_any, verify_any
from placement_opt.certify.layered_files import is_large_schedule
from placement_opt.instance.instance import Instance
from placement_opt.instance.stacked import AnyQuestion, stacked_of

#: Files of a folder that are looked at; and seconds that a proof may be expected to take, by counted work.
MOST_FILES, MOST_SECONDS = 1000, 30.0


@dataclass(frozen=True)
class Beside:
    """A certificate of an instance.

    Attributes
    ----------
    file
        Its name, without its folder.
    kind
        "prices" or "schedule".
    state
        "verified", "refused" (it proves nothing) or "not verified" (nobody looked).
    claim
        Seconds, exactly: no schedule takes less, or one takes at most that; None where nothing is proven, or that
        no schedule keeps the budgets.
    note
        Why it is not verified; "" if it is.
    """

    file: str
    kind: str
    state: str
    claim: Fraction | None = None
    note: str = ""


def certificates_beside(
    path: Path, question: AnyQuestion, but: Iterable[Path] = (), limits: Limits | None = None
) -> tuple[Beside, ...]:
    """The certificates of a question in the folder of its file, in the order of their names, ``but`` these files.

    Those whose proof should take long are found and not proved again, which is decided by counted work.
    """
    limits = limits or Limits()
    passed = {Path(one).resolve() for one in but}
    found, hashes = [], {question.hash, None}
    if not isinstance(question, Instance):
        with suppress(InputError):  # a scheduler's moves are of the question with one layer in rows at a time
            rowed = stacked_of(question)
            hashes |= set() if rowed is None else {rowed.hash}
    for file in sorted(path.resolve().parent.iterdir())[:MOST_FILES]:
        if file in passed or not file.is_file():
            continue
        with suppress(InputError, OSError):
            kind = str(kind_of_any(file))
            if hash_of_any(file) in hashes:
                found.append(_looked_at(file, kind, question, limits))
    return tuple(one for one in found if one is not None)


def _looked_at(file: Path, kind: str, question: AnyQuestion, limits: Limits) -> Beside | None:
    """What a certificate proves; None where it turns out to be of another question."""
    if is_large_schedule(file) and isinstance(question, Instance):
        return None
    seconds = expected_s(question, {kind: ""})
    if seconds > MOST_SECONDS or limits.reached:
        why = "there was no time left for it" if limits.reached else f"that should take {seconds:.0f} s"
        return Beside(file.name, kind, "not verified", note=why)
    try:
        proved = in_time(file.name, lambda: verify_any(question, [file], limits), limits)
    except CertificateError as error:
        return Beside(file.name, kind, "refused", note=str(error).removeprefix(f"{file}: "))
    except LimitError as error:
        return Beside(file.name, kind, "not verified", note=str(error).removeprefix(f"{file}: "))
    except InputError as error:
        return None if kind == "schedule" and is_large_schedule(file) else Beside(file.name, kind, "refused", note=error.found)
    return Beside(file.name, kind, "verified", proved.lower if kind == "prices" else proved.upper)
