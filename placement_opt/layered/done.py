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

    def better(self, before: Done | None) -> Done:
        """With the schedule that takes less time, and with all that was proven, of this and what was done before."""
        if before is None:
            return self
        paths, best = before.paths if self.paths is None else self.paths, min(before, self, key=lambda one: one.schedule_s)
        return Done(paths, best.schedule_s, self.runs, before.complete or self.complete, best.section)


def kept_prepared(kept: KeptLayers, number: int) -> Prepared | None:
    """The prices and the rule that layers are done by in a pass, where they are known."""
    data = kept.data(f"prepared {number}")
    if data is None:
        return None
    found = arrays_of(data, kept.folder / f"prepared-{number}")
    drawn, looks, tried, rule, priced, far = found["counts"].tolist()
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
        far=bool(far),
    )


def keep_prepared(kept: KeptLayers, number: int, prepared: Prepared) -> None:
    """Before the first layer."""
    knots, rule = prepared.knots, -1 if prepared.rule is None else RULES.index(prepared.rule)
    counts = [prepared.drawn, prepared.looks, prepared.tried, rule, int(prepared.priced), int(prepared.far)]
    data = arrays_bytes(
        at=knots.at,
        weight=knots.weight,
        value=knots.value,
        promised_s=prepared.promised_s,
        turn_s=prepared.turn_s,
        counts=counts,
    )
    kept.keep_data(f"prepared {number}", data, f"prepared-{number}")


def kept_done(kept: KeptLayers, number: int, layers: int, *, moves: bool) -> dict[int, Done]:
    """The layers that are done in a pass; with their ``moves``, where these are wanted."""
    known = dict[int, Done]()
    for layer in range(layers):
        found = kept.find(f"layer {number} {layer}")
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


def keep_done(kept: KeptLayers, number: int, layer: int, done: Done, *, moves: bool) -> None:
    """A layer that is done; ``moves``: whether they were written."""
    section, paths = done.section, None if done.paths is None else f"{done.paths:x}"
    record = {"paths": paths, "schedule_s": done.schedule_s, "runs": done.runs, "moves_kept": moves}
    if section is not None:
        record |= {"seconds": written(section.seconds), "moves": section.moves}
    kept.keep(f"layer {number} {layer}", record, None if section is None else section.path)
