"""Certificates inside a best file: the two files of docs/certificates.md as base64 text, where they are small.

They hold the best that is known of an instance, whoever found it, and need not be found again: only verified.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from placement_opt.answer.prove_integer import certify_prices, certify_schedule
from placement_opt.base.errors import CertificateError, InputError
from placement_opt.base.limits import Limits
from placement_opt.bounds.ascent import ascend
from placement_opt.bounds.dual.evaluate import evaluate
from placement_opt.bounds.result import Prices
from placement_opt.certify.files import load_prices, load_schedule, pack_prices, pack_schedule
from placement_opt.certify.verify import Verified, verify_prices, verify_schedule
from placement_opt.instance.instance import Instance
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler

#: A certificate of more bytes is not enclosed.
LARGEST = 16 << 10
PRICES, SCHEDULE = "prices", "schedule"
#: Kind -> bytes of the file; None where it would be too large, or there was nothing to certify.
Enclosed = Mapping[str, bytes | None]
NOTHING: Enclosed = {PRICES: None, SCHEDULE: None}
#: Rounding prices to integers may cost this share of what they prove, and times are sums of floats.
_ROUNDING = 1e-8
#: Prices are not raised beyond what comes as close as this to the schedule.
_CLOSE = 1e-9


def enclose(instance: Instance, prices: Prices | None, scheduler: str | None, limits: Limits) -> Enclosed:
    """Certificates of these prices, raised as far as the schedule lets them, and of the schedule that a scheduler makes."""
    found: dict[str, bytes | None] = dict(NOTHING)
    enough = math.inf
    if scheduler is not None:
        run = simulate(instance, make_scheduler(scheduler), record=True, limits=limits)
        assert run.schedule is not None
        found[SCHEDULE] = _small(pack_schedule(certify_schedule(instance, run.schedule)))
        enough = run.cost_s * (1.0 - _CLOSE)
    if prices is not None:
        raised = ascend(instance, prices, enough=enough, limits=limits)
        found[PRICES] = _small(pack_prices(certify_prices(instance, raised.prices)))
    return found


def better(instance: Instance, old: Enclosed, new: Enclosed) -> Enclosed:
    """Of each kind the certificate that proves more; an old one stays where it verifies and proves no less."""
    before, now = certified(instance, old), certified(instance, new)
    stays = {PRICES: before.lower, SCHEDULE: None if before.upper is None else -before.upper}
    comes = {PRICES: now.lower, SCHEDULE: None if now.upper is None else -now.upper}
    found = {}
    for kind in NOTHING:
        was, value = stays[kind], comes[kind]
        found[kind] = old[kind] if was is not None and (value is None or was >= value) else new[kind]
    return found


def certified(instance: Instance, enclosed: Enclosed) -> Verified:
    """What enclosed certificates prove; nothing where one does not verify."""
    found = Verified(instance)
    for kind, data in enclosed.items():
        if data is None:
            continue
        with contextlib.suppress(CertificateError, InputError):
            if kind == PRICES:
                found = replace(found, lower=verify_prices(instance, load_prices(data, instance)))
            else:
                found = replace(found, upper=verify_schedule(instance, load_schedule(data, instance)))
    return found


def best_prices(instance: Instance, candidates: Sequence[Prices]) -> tuple[Prices, float] | None:
    """Those of some prices that prove most, and the seconds that they prove."""
    proven = [(evaluate(instance, prices).value_s, -n) for n, prices in enumerate(candidates)]
    if not proven:
        return None
    value, number = max(proven)
    return candidates[-number], value


def statement(found: Verified) -> dict[str, float | None]:
    """What a best file says that its certificates prove: seconds, the bound rounded down and the time rounded up."""
    return {"bound_s": found.lower_s, "latency_s": found.upper_s, "gap": found.gap}


def complaints(
    instance: Instance,
    enclosed: Enclosed,
    stated: Mapping[str, float | None],
    proven_s: float | None,
    latency_s: float | None,
) -> list[str]:
    """What is wrong with enclosed certificates: one line for each that does not verify, or proves less than was found.

    Parameters
    ----------
    stated
        What the file says that they prove (:func:`statement`).
    proven_s, latency_s
        What the best prices prove and the best schedule takes, found anew; None where there is none.
    """
    lines = []
    found = Verified(instance)
    for kind, data in enclosed.items():
        if data is None:
            continue
        try:
            if kind == PRICES:
                lower = verify_prices(instance, load_prices(data, instance))
                found = replace(found, lower=lower)
                if proven_s is not None and lower < Fraction(proven_s) * Fraction(1.0 - _ROUNDING):
                    lines.append(f"the certificate of prices proves {float(lower)!r} s, prices found now {proven_s!r} s")
            else:
                upper = verify_schedule(instance, load_schedule(data, instance))
                found = replace(found, upper=upper)
                if latency_s is not None and upper > Fraction(latency_s) * Fraction(1.0 + _ROUNDING):
                    lines.append(f"the certified schedule takes {float(upper)!r} s, the best found now {latency_s!r} s")
        except (CertificateError, InputError) as error:
            lines.append(f"the certificate of {kind} does not verify: {error}")
    if not lines and dict(stated) != statement(found):
        lines.append(f"certified is stated as {dict(stated)}, the certificates prove {statement(found)}")
    return lines


def to_document(enclosed: Enclosed) -> dict[str, str | None]:
    """What a best file holds under ``certificates``."""
    return {kind: None if data is None else base64.b64encode(data).decode() for kind, data in enclosed.items()}


def from_document(document: Any) -> Enclosed:
    """The reverse; InputError for anything else."""
    kinds = set(NOTHING)
    if not isinstance(document, dict) or set(document) != kinds:
        raise InputError(f"found {document!r}"[:200], "expected the keys prices and schedule", field="certificates")
    found: dict[str, bytes | None] = {}
    for kind, text in document.items():
        try:
            found[kind] = None if text is None else base64.b64decode(text, validate=True)
        except (TypeError, ValueError, binascii.Error):
            raise InputError(f"found {text!r}"[:200], "expected base64 or null", field=f"certificates.{kind}") from None
    return found


def _small(data: bytes) -> bytes | None:
    return data if len(data) <= LARGEST else None
