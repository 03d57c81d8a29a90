"""What plain tables of operations build does not change: programs' arrays against digests taken of them once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import fields

import numpy as np
import pytest

from placement_opt.base.highs import LinearProgram
from placement_opt.bounds import lp, milp
from placement_opt.bounds.columns.kinds import LEVELS, cut_intervals, label_reads
from placement_opt.bounds.columns.program import CompactProgram
from placement_opt.bounds.columns.ways import Frame, simple_ways
from placement_opt.bounds.dual.classes import classify
from placement_opt.bounds.flow import flow_program, whole_blocks
from placement_opt.bounds.programs.events import make_events
from placement_opt.bounds.programs.flow_network import build_network
from placement_opt.bounds.programs.horizon import HorizonProgram
from placement_opt.instance.instance import Instance
from tests.worlds import any_instance

#: Seeds of plain instances, and the digest of all their programs.
DIGESTS = {
    14: "33517be488c9cdcb18ca4777fb6656e8fb2c11ee010e538a8502942caaff095e",
    25: "d4714d162af8f7f64ce568b4d9e0bec3d0fc0fe9dc26e693f624a89febab7e71",
    44: "c02a4847d7dc04defab41c7a9d8e9ed6896ef545a46a1e56176eec437cf7c668",
    91: "706d6617f89e16aa6a6dc31dca79a89aaa5d460ff6aae0fba96480b7dc9b775d",
    112: "f7ee791d97108843640422071cae59bf26cc11795217cc977da37849aff83c46",
    129: "26289feba2c8bc6d1b3809d51a42edea4f2f4091850389d4ae526de5194ef79d",
    141: "73a5f9ef92278aec4e991e9734a71995458b5fa3c45b4457a82fb6f9541e0799",
    236: "4e8b6683c44f41a51dc1b95dd7def82c334786c9fc5017c8144cd937291dbd43",
    249: "332d217f85047c25d42c1f20f1f2b4c0ca9dd7b02a7ed27d158077bf3bafcc00",
    251: "5215e930f63bc971ff161193d72c22ce0556df8480d0163bc91966c9f95c7cb4",
    252: "bf4cd222c89a1d45d9eb9a77b88af86003ff2f7f227d3e877bcd819c528c414e",
    290: "0b7b1fe2a2579895f37fbca2d4b160d45512f39e8ca08f1bff0c9eb6d6f1f953",
}


def programs(instance: Instance) -> Iterator[LinearProgram]:
    """The relaxation, with whole blocks, the compact one at two levels, and with two tiers and equal blocks the flow's."""
    yield lp.build(instance)
    classes = milp.single_blocks(instance)
    yield HorizonProgram(instance, classes, make_events(instance, classes, None, True), integral=True).build()
    classes, frame = classify(instance), Frame(instance)
    for level, moves in ((LEVELS[0], False), (LEVELS[0], True), (LEVELS[-1], True)):
        intervals = cut_intervals(instance, classes, label_reads(instance, classes, level))
        every = np.arange(len(intervals))
        yield CompactProgram(frame, intervals, simple_ways(frame, intervals), every, moves=moves).build()
    if instance.num_tiers == 2 and len(np.unique(instance.size)) == 1:
        rho = np.tile(1.0 / (instance.num_resources * instance.memory.rates), (instance.num_steps, 1))
        yield flow_program(build_network(whole_blocks(instance), classes, rho))


def digest(instance: Instance) -> str:
    """Hex SHA-256 of all numbers of all programs."""
    found = hashlib.sha256()
    for program in programs(instance):
        for field in fields(program):
            if isinstance(value := getattr(program, field.name), np.ndarray):
                found.update(f"{field.name}{value.shape}".encode())
                found.update(np.ascontiguousarray(value + 0.0 if value.dtype.kind == "f" else value).tobytes())
        found.update(repr(program.time_unit).encode())
    return found.hexdigest()


@pytest.mark.parametrize("seed", DIGESTS)
def test_plain_arrays_stay_as_they_are(seed: int) -> None:
    """Every rule with one to four tiers, shares, sizes and given starts among them."""
    assert digest(any_instance(seed)) == DIGESTS[seed]
