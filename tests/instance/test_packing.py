"""Whether a schedule exists: what is said of packings is true, proven by trying them all."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from placement_opt.answer.answer import answer
from placement_opt.answer.prove import prove
from placement_opt.base.errors import InputError
from placement_opt.base.limits import Limits
from placement_opt.instance import packing as packing_module
from placement_opt.instance.instance import Instance
from placement_opt.instance.load import load_instance
from placement_opt.instance.packing import packing, packing_known, refuse_unpackable
from placement_opt.report.answer import answer_sentence
from placement_opt.report.bound import bound_document, bound_sentence, bound_text
from placement_opt.report.comparison import compared_document, comparison_sentences
from placement_opt.report.judgement import NONE_EXISTS, NOT_KNOWN, interval_sentence
from placement_opt.study.compare import compare
from placement_opt.workload.files.npz import save_trace
from tests.schedulers.cases import any_instance
from tests.small import chain, make_instance, make_trace

RATES = [9, 5, 3, 2], [4, 3, 2]


def of(rooms: list[int], sizes: list[int], births: list[int] | None = None, deaths: list[int] | None = None) -> Instance:
    """Blocks of these sizes in tiers of these rooms, one copy of each."""
    births = births or [-1] * len(sizes)
    trace = make_trace([[]] * (1 + max(births, default=0) + 1), births, deaths, sizes=sizes)
    tiers = len(rooms)
    return make_instance(chain(rooms, RATES[0][:tiers], RATES[1][: tiers - 1]), trace, "exclusive")


def exists(instance: Instance) -> bool:
    """By trying every tier for every block alive, at every state."""
    for state in range(instance.num_steps + 1):
        alive = np.flatnonzero((instance.first_state <= state) & (instance.last_state >= state))
        ways = product(range(instance.num_tiers), repeat=len(alive))
        if not any(_holds(instance, alive, np.array(way, dtype=np.int64)) for way in ways):
            return False
    return True


def _holds(instance: Instance, alive: np.ndarray, way: np.ndarray) -> bool:
    used = np.bincount(way, weights=instance.size[alive], minlength=instance.num_tiers)
    return bool((used <= instance.capacity).all())


@pytest.mark.parametrize("seed", range(60))
def test_tight_rooms_are_decided_as_by_trying_everything(seed: int) -> None:
    """Two to four tiers, few blocks, bytes that just fit: decided, and rightly so."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(2, 8, int(rng.integers(3, 8))).tolist()
    tiers = int(rng.integers(2, 5))
    cuts = np.sort(rng.integers(0, sum(sizes) + 1, tiers - 1))
    rooms = np.diff(np.concatenate([[0], cuts, [sum(sizes) + int(rng.integers(0, 2))]]))
    rooms = np.where((rooms > 0) & (rooms < max(sizes)), max(sizes), rooms).tolist()
    instance = of(rooms, sizes)
    assert packing_known(instance) is exists(instance)


@pytest.mark.parametrize("seed", range(60))
def test_small_instances_are_decided_as_by_trying_everything(seed: int) -> None:
    """All rules, births, deaths, given starts."""
    instance = any_instance(seed)
    if instance.num_blocks <= 8:
        assert packing_known(instance) is (True if instance.inclusive else exists(instance))


def test_equal_blocks_are_counted_tier_by_tier() -> None:
    """Four blocks of 6 bytes have room for their bytes in 16 + 9, three have room whole; at the state that has most of them."""
    instance = of([16, 9], [6, 6, 6, 6], [-1, -1, 0, 0], [1, 1, 2, 2])
    verdict = packing(instance)
    assert verdict.known is False
    assert verdict.found == "found 4 blocks of 6 B alive at state 1"
    assert verdict.expected == "expected at most the 3 whole ones that the tiers hold (hbm 2, dram 1)"
    assert packing_known(of([18, 9], [6, 6, 6, 6])) is True
    assert packing_known(of([16, 9], [6, 6, 6, 6], [-1, -1, -1, 1], [1, 1, 1, 2])) is True, "never all of them at once"


def test_sizes_that_divide_each_other_are_counted_by_places() -> None:
    """Blocks of 4 and 2: each 4 fills two places of 2, wherever it lies; odd rooms lose a byte."""
    assert packing_known(of([7, 7], [4, 4, 2, 2])) is True
    verdict = packing(of([7, 7], [4, 4, 2, 2, 2]))
    assert verdict.found == "found 5 blocks of 2 B and more alive at state 1, which fill 7 places of it"
    assert verdict.expected == "expected at most the 6 places of 2 B that the tiers hold (hbm 3, dram 3)"


def test_two_tiers_are_decided_by_sums() -> None:
    """Sizes 5, 4, 4, 3 have 16 bytes and never 7 and 9 but 4 + 3 and 5 + 4; sizes 5, 5, 3, 3 never 7 and 9."""
    assert packing_known(of([7, 9], [5, 4, 4, 3])) is True
    verdict = packing(of([7, 9], [5, 5, 3, 3]))
    assert verdict.known is False
    assert verdict.found == "found 4 blocks alive at state 1 (16 B) that no packing puts into the tiers whole"
    assert verdict.expected == "expected room for whole blocks beside the 16 B for their bytes"


def test_many_blocks_in_two_tiers_are_decided_without_trying_them_one_by_one() -> None:
    """Two thousand blocks of 6, 10 and 15 bytes, all rooms full to the byte."""
    sizes = [6] * 700 + [10] * 700 + [15] * 600
    assert packing_known(of([sum(sizes) - 10_007, 10_007], sizes)) is True
    assert packing_known(of([sum(sizes) - 29, 29], sizes)) is False, "no 29 bytes of 6s, 10s and 15s"


def test_what_is_not_decided_is_not_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without tries, sums or counts nothing is known; nothing is refused for that."""
    three, two = of([10, 10, 9], [7, 7, 5, 5, 5]), of([7, 9], [5, 5, 3, 3])
    assert packing_known(three) is packing_known(two) is False
    for name, tight in (
        ("MOST_TRIES", three),
        ("MOST_BLOCKS", three),
        ("MOST_BITS", two),
        ("MOST_WIDTH", two),
        ("MOST_COUNTS", two),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(packing_module, name, 0)
            assert packing_known(tight) is None
            refuse_unpackable(tight)


def test_a_report_claims_nothing_of_policies_that_may_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound's sentence and its key say whether schedules are known to exist; what they cost is no policy's."""
    tight, loose = of([7, 9], [5, 5, 3, 3]), of([7, 9], [5, 4, 4, 3])
    assert bound_document(prove(loose, "roofline"))["packable"] is True
    found = prove(tight, "roofline")
    assert (found.packable, bound_sentence(found)) == (False, NONE_EXISTS)
    assert interval_sentence(found) == NONE_EXISTS
    monkeypatch.setattr(packing_module, "MOST_BITS", 0)
    found = prove(tight, "roofline")
    assert (found.packable, bound_sentence(found)) == (None, f"{NOT_KNOWN} If one does, it takes at least 0 s.")
    assert "unavoidable" not in bound_text(found)
    assert bound_document(found)["sentences"] == [f"{NOT_KNOWN} If one does, it takes at least 0 s."]
    assert interval_sentence(found) == f"{NOT_KNOWN} If one does, it takes at least 0 s."
    (one,) = compare([tight], ["lru"]).instances
    assert one.timed == ()
    assert (compared_document(one)["packable"], comparison_sentences(one)) == (None, [interval_sentence(found)])
    none = answer(tight, limits=Limits(0.0))
    assert answer_sentence(none) == f"{NOT_KNOWN} If one does, it takes at least 0 s."


def test_a_schedule_that_is_known_settles_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a schedule in hand both sides are told as ever, whatever packing could not decide."""
    monkeypatch.setattr(packing_module, "MOST_BITS", 0)
    known = of([7, 9], [5, 4, 4, 3])
    monkeypatch.setattr(packing_module._Search, "_first_fit", lambda *_: False)
    assert packing_known(known) is None
    assert prove(known, "roofline").with_schedule("belady", 1.0).packable is True
    assert answer_sentence(answer(known, gap=1.0)).startswith("No schedule takes less than ")


def test_roomy_instances_are_known_without_counting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where first fit cannot fail no block is looked at; nor under the inclusive rule."""
    monkeypatch.setattr(packing_module, "_counts", None)
    assert packing_known(of([100, 50], [7, 6, 5, 5])) is True
    inclusive = make_instance(chain([3, 9], [9, 5], [4]), make_trace([[0]], [-1, -1, -1], sizes=[3]), "inclusive")
    assert packing_known(inclusive) is True


def test_an_instance_file_without_schedules_is_refused(tmp_path: Path) -> None:
    """With file, line and key: no bound and no scheduler is asked about what does not exist."""
    save_trace(of([16, 9], [6, 6, 6, 6]).trace, tmp_path / "t.npz")
    memory = 'schema = 1\nname = "m"\nprocessor = "p"\n'
    memory += '[tiers.a]\ncapacity = "16 B"\nrate = "9 B/s"\nat = "p"\n[tiers.b]\ncapacity = "9 B"\nrate = "4 B/s"\nat = "p"\n'
    (tmp_path / "m.toml").write_text(memory)
    path = tmp_path / "i.toml"
    path.write_text(
        'schema = 1\nname = "i"\n[memory]\nfile = "m.toml"\n[trace]\nfile = "t.npz"\n[rules]\nresidency = "exclusive"\n'
    )
    with pytest.raises(InputError) as caught:
        load_instance(path)
    expected = "expected at most the 3 whole ones that the tiers hold (a 2, b 1): no schedule exists"
    assert str(caught.value) == f"{path}:3: memory.capacity: found 4 blocks of 6 B alive at state 1, {expected}"
    path.write_text(path.read_text().replace("exclusive", "inclusive"))
    (tmp_path / "m.toml").write_text(memory.replace('"9 B"', '"24 B"'))
    assert packing_known(load_instance(path)) is True
