"""The schedulers there are, for people and for programs."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from placement_opt.report.table import facts
from placement_opt.schedulers import Description, Option
from placement_opt.schedulers.base import FAMILIES


def schedulers_document(known: Sequence[Description]) -> dict[str, Any]:
    """The JSON keys: ``schedulers`` with ``name, family, online, source, text`` and ``options``."""
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
    pairs = [("sees", sees), ("source", one.source)]
    pairs += [(f"{option.key}={option.default}", _help(option)) for option in one.options]
    return f"{one.name}: {one.text}\n{textwrap.indent(facts(pairs), '    ')}"


def _help(option: Option) -> str:
    return f"{option.text} ({', '.join(option.choices)})" if option.choices else option.text
