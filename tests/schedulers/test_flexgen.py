"""FlexGen's split: percentages by hand, and where blocks go by them."""

from __future__ import annotations

import numpy as np
import pytest

from placement_opt.base.errors import InputError, ScheduleError
from placement_opt.base.limits import Limits
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from placement_opt.schedulers.flexgen import percentages
from tests.schedulers.cases import any_instance, as_cache
from tests.schedulers.places import places
from tests.small import chain, make_instance, make_trace


def test_percentages_by_hand() -> None:
    """Tiers of 90 and 10 B/s work at once: nine tenths in the fast one, as far as its room goes."""
    memory = chain((100, 100), (90, 10), (50,))
    instance = make_instance(memory, make_trace([list(range(10))], [-1] * 10), residency="free")
    assert percentages(instance, Limits()) == pytest.approx([0.9, 0.1])
    small = make_instance(chain((5, 100), (90, 10), (50,)), make_trace([list(range(10))], [-1] * 10), residency="free")
    assert percentages(small, Limits()) == pytest.approx([0.5, 0.5])


def test_blocks_are_split_as_they_come() -> None:
    """One half in each: in turn, and a new block where the half is lacking."""
    memory = chain((3, 100), (90, 10), (50,))
    instance = make_instance(memory, make_trace([list(range(4)), []], [-1] * 4 + [0, 0]), residency="free")
    assert places(instance, "flexgen")[-1] == "0 1 0 1 0 1"


def test_layers_are_split() -> None:
    """The first of two layers is in the fast tier, the other in the slow one; without layers that is refused."""
    memory = chain((2, 100), (90, 10), (50,))
    trace = make_trace([[0, 1], [2, 3]], [-1] * 4, layers=2)
    assert places(make_instance(memory, trace, residency="free"), "flexgen:by=layer")[-1] == "0 0 1 1"
    with pytest.raises(InputError, match="flexgen: found no layers, expected blocks of several for by=layer"):
        places(make_instance(memory, make_trace([[0]], [-1]), residency="free"), "flexgen:by=layer")


@pytest.mark.parametrize("seed", range(20))
def test_legal_on_every_rule(seed: int) -> None:
    """On small random instances; a block without room is an error only where it has to be somewhere."""
    for instance in (any_instance(seed), as_cache(any_instance(seed), seed)):
        try:
            run = simulate(instance, make_scheduler("flexgen"))
        except ScheduleError:
            assert instance.residency in ("exclusive", "free")
            assert np.unique(instance.size).size > 1
            continue
        assert run.latency_s > 0 or not instance.trace.num_reads
