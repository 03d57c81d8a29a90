"""The trace of an instance file with transforms: ``trace.transforms``, texts or tables, in order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from placement_opt.base import room
from placement_opt.base.errors import InputError, shown
from placement_opt.base.limits import Limits
from placement_opt.base.toml import Table
from placement_opt.instance.totals import totals_of
from placement_opt.instance.trace_source import Source, read_source
from placement_opt.workload.totals import Totals
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms import transformed
from placement_opt.workload.transforms.step import Step

KEY = "transforms"


def read_trace(table: Table) -> Source:
    """Of the ``[trace]`` table of an instance file; InputError for what is wrong with the table."""
    steps = table.get(KEY, _steps)
    source = read_source(table)
    return Transformed(table, source, steps) if steps else source


def _steps(value: Any) -> list[Step]:
    if not isinstance(value, list):
        raise InputError(f"found {shown(value)}", 'expected a list of transforms such as ["page:tokens=16"]')
    try:
        steps = [Step.of(one) for one in value]
    except InputError as error:
        raise _without_field(error) from None
    if joins := [step.name for step in steps if step.kind.joins]:
        raise InputError(f"found {joins[0]}", "expected transforms of one trace; trace transform joins several")
    return steps


def _without_field(error: InputError) -> InputError:
    """The parameter in what was found: the key of the file is another."""
    where = "" if error.field in (None, KEY) else f"{error.field}: "
    return InputError(f"{where}{error.found}", error.expected)


@dataclass(frozen=True, eq=False)
class Transformed:
    """A trace that transforms make from another; how much there is of it is known once it is made."""

    table: Table
    source: Source
    steps: list[Step]

    @property
    def what(self) -> str:
        names = ", ".join(step.name for step in self.steps)
        return f"{self.source.what}, transformed ({names})"

    @cached_property
    def probe(self) -> Trace:
        """All of it: its labels and units are not known before."""
        totals = self.source.totals
        reads, blocks, steps = max(totals.reads, totals.drawn), totals.blocks, totals.steps
        room.check_bytes(
            room.BASE_BYTES + room.READ_BYTES * reads + room.BLOCK_BYTES * blocks + room.STEP_BYTES * steps,
            Limits(),
            f"for {reads:,} reads that are transformed",
            place=f"{self.table.path}: trace",
        )
        given = self.source.make()
        try:
            return list(transformed([given], self.steps))[-1].trace
        except InputError as error:
            found = _without_field(error)
            raise self.table.error(KEY, found.found, found.expected) from None

    @cached_property
    def totals(self) -> Totals:
        return totals_of(self.probe)

    @property
    def layers(self) -> None:
        return None

    def make(self) -> Trace:
        return self.probe
