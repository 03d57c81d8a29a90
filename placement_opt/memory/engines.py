"""Engines: what all traffic of some tiers and links passes besides, such as a decompressor or the bus of a cluster.

An engine is a resource of its own, which an operation loads by a byte for each byte of block (by the result, where only that
passes), once however many of its places are on the way. Where it has a ratio, these places are passed by so many bytes instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from placement_opt.base.errors import InputError, shown
from placement_opt.base.toml import nearest
from placement_opt.memory.parts import Engine, Link, Tier

#: More are refused, as tables grow with resources.
MOST_ENGINES = 16


def check_engines(engines: Sequence[Engine], tiers: Sequence[Tier], links: Sequence[Link]) -> None:
    """InputError for engines that are on what does not exist or shrinks already."""
    places, shrunk = [item.name for item in tiers] + [item.name for item in links], dict[str, str]()
    for engine in engines:
        for place in engine.on:
            if place not in places:
                found = f"found {shown(place)}, which is no tier or link"
                raise InputError(found, nearest(place, places), field=f"engines.{engine.name}.on")
            if engine.ratio != 1 and place in shrunk:
                found = f"found a second ratio for {place}, beside that of {shrunk[place]}"
                raise InputError(found, "expected one", field=f"engines.{engine.name}.ratio")
            if engine.ratio != 1:
                shrunk[place] = engine.name


def ratio_of(place: str, engines: Sequence[Engine]) -> Fraction:
    """Bytes that pass a tier or link for each byte of block."""
    return next((engine.ratio for engine in engines if place in engine.on and engine.ratio != 1), Fraction(1))


def owner(resource: str) -> str:
    """The tier or link of a resource such as "c2c.up"."""
    return resource.partition(".")[0]
