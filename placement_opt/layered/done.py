"""What came of one layer of a question in runs, and how that and the prices it was done at are kept from run to run."""

from __future__ import annotations

from dataclasses import dataclass

from placement_opt.base.atomic import Part
from placement_opt.layered.keep import RULES
from placement_opt.layered.kept import KeptLayers, arrays_bytes, arrays_of, fraction_of, written
from placement_opt.layered.plan import Section
from placement_opt.layered.prepare import Prepared
from placement_opt.layered.prices import Knots


@dataclass(frozen=True)
class Done:
    """``paths``: None where the layer was not priced, or not to the end; ``section`` where one was written that is worth it,
    and the ``part`` that it was written as, until that lies where it should."""

    paths: int | None
    schedule_s: float
    runs: int
    complete: bool = False
    section: Section | None = None
    part: Part | None = None


def kept_prepared(kept: KeptLayers) -> Prepared | None:
    """The prices and the rule that layers are done by, where they are known."""
    data = kept.data("prepared")
    if data is None:
        return None
    found = arrays_of(data, kept.folder / "prepared")
    drawn, looks, tried, rule, priced = found["counts"].tolist()
    knots = Knots(found["at"], found["weight"], found["value"])
    chosen = None if rule < 0 else RULES[rule]
    return Prepared(
        knots=knots,
        promised_s=float(found["promised_s"]),
        rule=chosen,
        turn_s=found["turn_s"],
        priced=bool(priced),
        drawn=drawn,
        looks=looks,
        tried=tried,
    )


def keep_prepared(kept: KeptLayers, prepared: Prepared) -> None:
    """Before the first layer."""
    knots, rule = prepared.knots, -1 if prepared.rule is None else RULES.index(prepared.rule)
    counts = [prepared.drawn, prepared.looks, prepared.tried, rule, int(prepared.priced)]
    data = arrays_bytes(
        at=knots.at,
        weight=knots.weight,
        value=knots.value,
        promised_s=prepared.promised_s,
        turn_s=prepared.turn_s,
        counts=counts,
    )
    kept.keep_data("prepared", data, "prepared")


def kept_done(kept: KeptLayers, layers: int, *, moves: bool) -> dict[int, Done]:
    """The layers that are done; with their ``moves``, where these are wanted."""
    known = dict[int, Done]()
    for layer in range(layers):
        found = kept.find(f"layer {layer}")
        if found is None or (moves and not found["moves_kept"]):
            continue
        section = None
        if "file" in found and moves:
            seconds = fraction_of(found["seconds"])
            assert seconds is not None
            section = Section(kept.folder / found["file"], seconds, found["moves"])
        paths = None if found["paths"] is None else int(found["paths"], 16)
        known[layer] = Done(paths, found["schedule_s"], found["runs"], True, section)
    return known


def keep_done(kept: KeptLayers, layer: int, done: Done, *, moves: bool) -> None:
    """A layer that is done; ``moves``: whether they were written."""
    section, paths = done.section, None if done.paths is None else f"{done.paths:x}"
    record = {"paths": paths, "schedule_s": done.schedule_s, "runs": done.runs, "moves_kept": moves}
    if section is not None:
        record |= {"seconds": written(section.seconds), "moves": section.moves}
    kept.keep(f"layer {layer}", record, None if section is None else section.path)
