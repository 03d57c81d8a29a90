"""The schedulers there are, for people and for programs."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from placement_opt.report.table import facts
from placement_opt.schedulers import Description, Option
from placement_opt.schedulers.base import FAMILIES

#: Limits from which on there is none, as far as readers care.
_HUGE = 1e9


def schedulers_document(known: Sequence[Description]) -> dict[str, Any]:
    """The JSON keys: ``schedulers``, each with the fields of :class:`placement_opt.schedulers.Description`."""
    return {"schedulers": [asdict(one) for one in known]}


def schedulers_text(known: Sequence[Description]) -> str:
    """By family, a paragraph for each: what it does, what it sees, where it is from, and its options with their defaults."""
    parts = []
    for family, text in FAMILIES.items():
        own = [_paragraph(one) for one in known if one.family == family]
        parts += [f"# {family}: {text}", *own] if own else []
    return "\n\n".join(parts) + "\n"


def _paragraph(one: Description) -> str:
    sees = "the past and the present step" if one.online else "the whole trace"
    pairs = [("sees", sees), ("source", one.source), *([("needs", "; ".join(one.requires))] if one.requires else [])]
    pairs += [(f"{option.key}={option.default}", _help(option)) for option in one.options]
    return f"{one.name}: {one.text}\n{textwrap.indent(facts(pairs), '    ')}"


def _help(option: Option) -> str:
    return f"{option.text} ({allowed(option)})" if allowed(option) else option.text


def allowed(option: Option) -> str:
    """What values an option takes, in words; "" where any of its type."""
    if option.choices:
        return ", ".join(option.choices)
    if option.low is None:
        return ""
    return f"from {option.low:g}" if option.high is None or option.high >= _HUGE else f"{option.low:g} to {option.high:,g}"
