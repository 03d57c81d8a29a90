"""What an exploration found: every design with both sides, its status and what proves it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from placement_opt.base.tabular import Record as Row
from placement_opt.base.tabular import Tabular
from placement_opt.study.explore.milp import Linear
from placement_opt.study.explore.search import Searched
from placement_opt.study.explore.spec import AXES, COSTS, Spec


@dataclass(frozen=True)
class Design:
    """What is known of one design.

    Attributes
    ----------
    number, label
        From 0 on, and which alternatives it takes.
    status
        "best", "on the front", "not told apart", "beaten", "pruned" (beaten by its bound alone, never simulated), "impossible"
        (no room, or no schedule keeps what is asked for), "over budget" or "not looked at".
    lower, value
        On each axis, what is proven that no schedule falls below, and what the best schedule for the first axis reaches; None
        where nothing is known.
    by
        Its schedulers, one for each workload.
    proof
        What proved the bounds; why it is impossible.
    beaten_by
        The design that beats it.
    costs
        Money, area and power.
    """

    number: int
    label: str
    status: str
    lower: tuple[float | None, ...]
    value: tuple[float, ...] | None
    by: tuple[str, ...]
    proof: str
    beaten_by: int | None
    costs: dict[str, float]


@dataclass(frozen=True)
class Found:
    """One search: of the best design (one axis) or of a front, for all workloads or for one.

    Attributes
    ----------
    what
        "best" or "front".
    workload
        Its name, where each counts by itself; else "".
    axes
        What is minimised; "lifetime": the share of it that a run uses up.
    designs
        All of them, in order.
    simulated
        Of how many of them schedules were made.
    linear
        The design of the least roofline by one program over the choices, where the time is linear in them.
    """

    what: str
    workload: str
    axes: tuple[str, ...]
    gap: float
    designs: tuple[Design, ...]
    simulated: int = 0
    linear: Linear | None = None

    def of(self, *statuses: str) -> list[Design]:
        """The designs of these statuses."""
        return [design for design in self.designs if design.status in statuses]

    @property
    def best(self) -> Design | None:
        """On one axis: the design of the smallest value, proven the best or not; None where no schedule of any is known."""
        known = [design for design in self.of("best") or self.designs if design.value is not None]
        return min(known, key=lambda design: (design.value, design.number), default=None)

    @property
    def proven(self) -> bool:
        """Whether nothing is left open: every design is the best (on the front), beaten or none."""
        return not self.of("not told apart", "not looked at")

    @property
    def none(self) -> bool:
        """Whether it is proven that no design will do."""
        return all(design.status in ("impossible", "over budget") for design in self.designs)


@dataclass(frozen=True)
class Explored(Tabular):
    """What :func:`placement_opt.study.explore.explore` found.

    Attributes
    ----------
    spec
        What was asked.
    best, fronts
        The search for the best, and that for the front where one was asked for: one, or one for each workload.
    interrupted, limited
        Whether somebody asked for a stop, or the time was up.
    reused
        Pieces of work that the state had.
    """

    spec: Spec
    best: tuple[Found, ...]
    fronts: tuple[Found, ...]
    interrupted: bool = False
    limited: bool = False
    reused: int = 0

    @property
    def exit_code(self) -> int:
        """130 interrupted, 1 where it is proven that no design will do, 3 where no schedule of any is known, else 0."""
        if self.interrupted:
            return 130
        if any(found.none for found in self.best):
            return 1
        return 3 if any(found.best is None for found in self.best) else 0

    def to_records(self) -> list[Row]:
        """One row for each search and design; times in seconds, energies in joules, lifetimes as the share a run uses up."""
        rows: list[Row] = []
        names = [choice.name for choice in self.spec.choices]
        for found in (*self.best, *self.fronts):
            for design in found.designs:
                row: Row = {"search": found.what, "workload": found.workload, "design": design.number + 1}
                row |= {f"choice {name}": one.name for name, one in zip(names, self.spec.chosen(design.number), strict=True)}
                row["status"] = design.status
                for axis in AXES:
                    n = found.axes.index(axis) if axis in found.axes else None
                    row[f"{axis}_lower"] = None if n is None else design.lower[n]
                    row[f"{axis}_value"] = None if n is None or design.value is None else design.value[n]
                row |= {"proof": design.proof, "schedulers": " ".join(design.by)}
                rows.append(row | {what: design.costs.get(what) for what in COSTS})
        return rows


def found_of(spec: Spec, what: str, name: str, searched: Searched) -> Found:
    points = {point.design: point for point in sorted(searched.points, key=lambda one: one.values, reverse=True)}
    designs = []
    for number in range(spec.count):
        point, off = points.get(number), int(searched.off[number])
        status = _status(searched, number, off, "best" if what == "best" else "on the front")
        proof = searched.why.get(number) or searched.pruned_by.get(number) or "; ".join(filter(None, searched.proofs[number]))
        lower = tuple(None if np.isinf(value) else float(value) for value in searched.lower[number])
        designs.append(
            Design(
                number,
                spec.label(number),
                status,
                lower,
                None if point is None else point.values,
                () if point is None else searched.by[point],
                proof,
                off if off >= 0 and number not in searched.why else None,
                searched.costs.get(number, {}),
            )
        )
    return Found(what, name, searched.axes, searched.gap, tuple(designs), len(searched.simulated), searched.linear)


def _status(searched: Searched, number: int, off: int, best: str) -> str:
    if number in searched.why:
        return "over budget" if number in searched.over else "impossible"
    if number in searched.on:
        return best
    if off >= 0:
        return "beaten" if number in searched.simulated else "pruned"
    return "not told apart" if any(searched.proofs[number]) else "not looked at"
