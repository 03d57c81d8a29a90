"""Certificates of the designs that an exploration names: instance files of their own, with what proves both sides of them.

A folder gets for each such design and workload ``NAME.toml``, the instance, ``NAME.prices``, which proves its bound, and
``NAME.schedule``, which proves its value: ``placement-opt verify NAME.toml NAME.prices NAME.schedule``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from placement_opt.answer.prove_integer import certify_prices, certify_schedule
from placement_opt.base.atomic import check_output, write_bytes_atomic, write_text_atomic
from placement_opt.base.errors import InputError, PlacementError
from placement_opt.base.limits import Limits
from placement_opt.bounds.bound import bound
from placement_opt.bounds.result import Status
from placement_opt.certify.files import pack_prices, pack_schedule
from placement_opt.instance.instance import Instance
from placement_opt.instance.load import load_instance
from placement_opt.study.explore.found import Design, Explored, Found
from placement_opt.study.explore.search import GOALS
from placement_opt.study.explore.shapes import workload_groups
from placement_opt.study.explore.space import Space, wear_weights
from placement_opt.study.explore.work import played_by

_FILES = (("memory", "file"), ("trace", "file"), ("rules", "initial_file"))


def check_folder(folder: str | Path) -> None:
    """Refuse, before anything is computed, a folder that cannot be written to; it is made where it is not there."""
    folder = Path(folder)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        found = f"found {str(folder)!r}, which cannot be made ({error.strerror})"
        raise InputError(found, "expected a folder, or room for one", field="--certificates") from None
    check_output(folder / "certificates.tmp")


def write_proofs(found: Explored, folder: str | Path, limits: Limits) -> Iterator[str]:
    """Write what proves the best designs and those on the fronts; a line of text for each file, or why there is none."""
    folder, space, done = Path(folder), Space(found.spec), set()
    groups = dict(workload_groups(found.spec))
    for one in (*found.best, *found.fronts):
        for design in _named(one):
            for place, workload in enumerate(groups[one.workload]):
                for goal in dict.fromkeys(GOALS.get(axis, "time") for axis in one.axes):
                    key = design.number, workload, goal
                    if key not in done:
                        done.add(key)
                        yield from _write(space, key, design.by[place], folder, limits)


def _named(found: Found) -> list[Design]:
    best = [found.best] if found.what == "best" and found.best is not None else []
    return [design for design in (best or found.of("on the front")) if design.by]


def _write(space: Space, key: tuple[int, int, str], scheduler: str, folder: Path, limits: Limits) -> Iterator[str]:
    design, workload, goal = key
    name = f"design{design + 1}-workload{workload + 1}" + ("" if goal == "time" else f"-{goal}")
    wearing = wear_weights(space.instance(design, workload).memory)
    if goal == "wear" and len(wearing) != 1:
        yield f"{name}: not written, {len(wearing)} tiers wear, and a file can weigh no shares of their lives"
        return
    file = folder / f"{name}.toml"
    write_text_atomic(file, toml_text(_tables(space, key, folder)))
    instance = load_instance(file)
    yield f"{file}: the instance, {space.spec.label(design)}"
    try:
        yield from _both(instance, folder / name, scheduler, limits)
    except PlacementError as error:
        yield f"{folder / name}: not proven, {error}"


def _both(instance: Instance, place: Path, scheduler: str, limits: Limits) -> Iterator[str]:
    found = bound(instance, "auto", limits=limits)
    if found.prices is not None:
        prices = certify_prices(instance, found.prices, no_schedule=found.status is Status.INFEASIBLE)
        write_bytes_atomic(f"{place}.prices", pack_prices(prices))
        yield f"{place}.prices: no schedule takes less than {float(prices.claim):.7g} s"
    run = played_by(instance, scheduler, limits, record=True)
    assert run.schedule is not None
    schedule = certify_schedule(instance, run.schedule)
    write_bytes_atomic(f"{place}.schedule", pack_schedule(schedule))
    yield f"{place}.schedule: {scheduler} takes {float(schedule.claim):.7g} s"


def _tables(space: Space, key: tuple[int, int, str], folder: Path) -> dict[str, Any]:
    """The tables of a design's instance as a file in the folder has them."""
    design, workload, goal = key
    data = space.tables(design, workload)
    for table, name in _FILES:
        if isinstance(value := data.get(table, {}).get(name), str):
            data[table][name] = os.path.relpath(space.spec.base_path.parent / value, folder)
    data["name"] = f"{space.spec.name}: {space.spec.label(design)}; {space.spec.workloads[workload].name}"
    if goal == "energy":
        data["objective"] = {"time": 0, "energy": "1 s/J"}
    elif goal == "wear":
        instance = space.instance(design, workload)
        tier = instance.memory.meters.names[wear_weights(instance.memory)[0][0]].removeprefix("written ")
        data["objective"] = {"time": 0, tier: {"written": "1 s/B"}}
    return data


def toml_text(data: Mapping[str, Any]) -> str:
    """Tables of texts, numbers, flags and lists as TOML: values first, then tables, keys dotted within them."""
    lines = [f"{key} = {_value(value)}" for key, value in data.items() if not isinstance(value, Mapping)]
    for key, value in data.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{_key(key)}]", *_lines("", value)]
    return "\n".join(lines) + "\n"


def _lines(head: str, table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        name = f"{head}{_key(key)}"
        if isinstance(value, Mapping):
            yield from _lines(f"{name}.", value)
        else:
            yield f"{name} = {_value(value)}"


def _key(key: str) -> str:
    return key if key.replace("-", "").replace("_", "").isalnum() and key.isascii() else json.dumps(key)


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True)
