"""Everything agrees: enumeration, the Pyomo statements, the engine's bounds, and every scheduler above them.

On every tiny instance of the repository and on 400 random ones, of each of which the optimum is enumerated once: brute force =
MILP engine, roofline <= step <= lp <= milp <= every schedule, step --integer <= milp, compact and flow <= milp; on all tiny
ones and a part of the others MILP engine = Pyomo MILP, LP engine = Pyomo LP and so on, and schedulers that search are tried.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from placement_opt.instance.load import load_instance
from tests.agreement import check, check_all
from tests.brute import num_transitions
from tests.worlds import any_instance, any_operations

TINY = sorted((Path(__file__).parent.parent / "instances" / "tiny").glob("*.toml"))
#: Pairs of joint residencies beyond which a random instance is passed over.
FEW = 100_000


@pytest.mark.parametrize("path", TINY, ids=lambda path: path.stem)
def test_tiny_instances(path: Path) -> None:
    """Every instance of instances/tiny."""
    check(load_instance(path))


@pytest.mark.parametrize("part", range(8))
def test_random_instances(part: int) -> None:
    """Forty a part: all rules, one to four tiers, sizes, shares, deaths, given starts, floors, wild loads; and all that rows of
    the table can do: attending, making anew, calls, grains, and forgetting."""
    drawn = ((seed, any_operations(seed)) for seed in itertools.count(1000 * part))
    few = ((seed, instance) for seed, instance in drawn if num_transitions(instance) <= FEW)
    check_all(itertools.islice(few, 40))


@pytest.mark.parametrize("part", range(2))
def test_random_instances_of_plain_tables(part: int) -> None:
    """Forty a part in which the rows are reading, storing and copying alone."""
    check_all((seed, any_instance(seed)) for seed in range(1000 * part, 1000 * part + 40))


def test_what_is_looked_at_has_everything() -> None:
    """Among the random instances every rule and every field of the table is there often."""
    seen = [one for part in range(8) for one in map(any_operations, range(1000 * part, 1000 * part + 40))]
    seen = [one for one in seen if num_transitions(one) <= FEW]
    tables = [one.memory.operations for one in seen]
    assert {one.residency for one in seen} == {"inclusive", "exclusive", "free", "cache"}
    counts = [
        sum(one.residency == "cache" for one in seen),
        sum(not one.uniform for one in tables),
        sum(not one.brings[one.serving].all() for one in tables),
        sum(bool((one.source[one.serving] < 0).any()) for one in tables),
        sum(one.limited for one in tables),
        sum(one.share_base > 1 and one.memory.operations.limited for one in seen),
        sum(one.share_base > 1 and not one.memory.operations.plain for one in seen),
    ]
    assert min(counts) >= 30, counts
