"""What certificates of a question too large for rows prove, for people and for programs."""

from __future__ import annotations

from os import fspath
from typing import Any

from placement_opt.certify.layered import VerifiedLarge
from placement_opt.report.numbers import count, full_seconds, percent
from placement_opt.report.table import facts, paragraph


def verified_large_document(found: VerifiedLarge) -> dict[str, Any]:
    """The JSON keys of what certificates of a question at scale prove; times in seconds, rounded outwards."""
    prices, schedule = found.prices, found.schedule
    return {
        "instance": found.question.name,
        "hash": found.question.hash,
        "lower_bound_s": found.lower_s,
        "upper_bound_s": found.upper_s,
        "gap": found.gap,
        "prices": None if prices is None else {"quantum_s_per_byte": f"1/{prices.quantum}"},
        "schedule": None if schedule is None else {"file": fspath(schedule.path), "moves": schedule.moves},
        "sentence": verified_large_sentence(found),
    }


def verified_large_text(found: VerifiedLarge) -> str:
    """The same as lines and a sentence."""
    rows = [("instance", f"{found.question.name} ({found.question.hash[:12]})")]
    if found.prices is not None:
        rows.append(("certified", f"at least {full_seconds(found.lower_s)} by prices"))
    if found.schedule is not None:
        rows.append(("certified", f"at most {full_seconds(found.upper_s)} by {count(found.schedule.moves)} moves"))
    rows += [("gap", percent(found.gap))] if found.gap is not None else []
    return facts(rows) + "\n\n" + paragraph(verified_large_sentence(found)) + "\n"


def verified_large_sentence(found: VerifiedLarge) -> str:
    """What is proven, in one sentence."""
    least, most = full_seconds(found.lower_s), full_seconds(found.upper_s)
    parts = [f"no schedule takes less than {least}"] if found.lower is not None else []
    parts += (
        [f"this one takes at most {most}" if parts else f"the schedule takes at most {most}"] if found.upper is not None else []
    )
    sentence = ", and ".join(parts)
    return f"{sentence[:1].upper()}{sentence[1:]}: proved again in exact integers, layer by layer, without a solver."
