"""The engine's own policy, from a recording of known residency: times by hand, and what cannot be followed."""

from __future__ import annotations

from pathlib import Path

import pytest

from placement_opt.base.errors import InputError, ScheduleError
from placement_opt.bounds import METHODS
from placement_opt.instance.instance import Instance
from placement_opt.instance.load import load_instance
from placement_opt.play.run import Run
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from placement_opt.study.compare import chosen_schedulers, compare
from placement_opt.workload.files.npz import save_trace
from placement_opt.workload.formats.detect import read_any
from tests.schedulers.recordings import asked, engine, held
from tests.workload.kv_events import CLEARED, SMALL, batch, lines, removed, stored


def run(folder: Path, instance: Instance, media: str = "GPU:hbm+CPU:dram") -> Run:
    return simulate(instance, make_scheduler(engine(folder, media)), record=True, per_step=True)


def test_by_hand(tmp_path: Path) -> None:
    """Blocks 0 to 2, a copy of 2 in dram; 3 is stored and evicted before the next step, so it is never stored; 4; then 2 is
    fetched from dram beside 5.

    Step 0 writes 1 KiB over the link; step 1 reads 2 KiB, from hbm and made anew, at 8.5 GB/s; step 2 writes 1 KiB to hbm; step
    3 needs the KiB of dram, from there and made anew, at 1.5 GB/s.
    """
    found = run(tmp_path, asked(tmp_path, SMALL))
    assert held(found) == [[[], []], [[0, 1, 2], [2]], [[0, 1], [2]], [[0, 1, 4], [2]], [[0, 1, 2, 4, 5], [2]]]
    seconds = [1024e-9, 2048 / 8.5e9, 1024 / 8e9, 1024 / 1.5e9]
    assert found.step_s.tolist() == pytest.approx(seconds, rel=1e-12)
    assert found.latency_s == pytest.approx(sum(seconds), rel=1e-12)


def test_a_medium_that_is_no_tier(tmp_path: Path) -> None:
    """Its copies are as if they were not: the block is made anew."""
    found = run(tmp_path, asked(tmp_path, SMALL), "GPU:hbm+CPU:none")
    assert held(found)[-1] == [[0, 1, 2, 4, 5], []]
    assert found.step_s.tolist() == pytest.approx([3072 / 8e9, 2048 / 8.5e9, 1024 / 8e9, 1024 / 0.5e9], rel=1e-12)


def test_two_media_may_be_one_tier(tmp_path: Path) -> None:
    """What lies in either of them lies there once, until both have let it go."""
    batches = [
        batch(1, stored([1])),
        batch(2, stored([1], medium="CPU"), stored([1], medium="DISK"), stored([2])),
        batch(3, removed([1], medium="CPU"), stored([3])),
        batch(4, removed([1], medium="DISK"), stored([4])),
    ]
    found = run(tmp_path, asked(tmp_path, batches), "GPU:hbm+CPU:dram+disk:dram")
    assert [dram for _, dram in held(found)] == [[], [0], [0], [], []]


def test_what_was_there_before(tmp_path: Path) -> None:
    """A parent that nobody stored lies in hbm from the start, a copy of what nobody stored in its medium."""
    batches = [
        batch(1, stored([5], medium="CPU"), stored([1], 9)),
        batch(2, removed([9]), stored([6], medium="CPU"), stored([5, 2], 1)),
        batch(3, stored([6], 5)),
    ]
    found = run(tmp_path, asked(tmp_path, batches))
    assert held(found)[0] == [[1], [0, 2]]  # 5, 9 and 6, of whose copy the recording says only later that it is there
    assert held(found)[-1][0] == [0, 2, 3, 4]


def test_a_copy_announced_late(tmp_path: Path) -> None:
    """Complete after its source was evicted, and steps later: it was made while the source was there."""
    batches = [
        batch(1, stored([1])),
        batch(2, removed([1]), stored([2])),
        batch(3, stored([3]), stored([1], medium="CPU")),
        batch(4, stored([1])),
    ]
    found = run(tmp_path, asked(tmp_path, batches))
    assert held(found) == [[[], []], [[], [0]], [[1], [0]], [[1, 2], [0]], [[0, 1, 2], [0]]]


def test_a_reset_clears_all(tmp_path: Path) -> None:
    """Every tier is empty then; what was stored twice is gone, too."""
    batches = [
        batch(1, stored([1]), stored([1]), stored([1], medium="CPU")),
        batch(2, CLEARED, stored([2])),
        batch(3, stored([1])),
    ]
    states = held(run(tmp_path, asked(tmp_path, batches)))
    assert states == [[[], []], [[0], []], [[], []], [[1], []], [[0, 1], []]]


def test_stored_twice_lies_until_removed_twice(tmp_path: Path) -> None:
    """An engine that holds a block twice says twice that it let go of it."""
    batches = [batch(1, stored([1]), stored([1])), batch(2, removed([1]), stored([2])), batch(3, removed([1]), stored([3]))]
    states = held(run(tmp_path, asked(tmp_path, batches)))
    assert [hbm for hbm, _ in states] == [[], [0], [0], [1], [1, 2]]


def test_beside_the_bound(tmp_path: Path) -> None:
    """compare takes it like any other, no faster than what is proven; it is asked for by name alone."""
    asked(tmp_path, SMALL)
    (one,) = compare([tmp_path / "q.toml"], ("lru", engine(tmp_path)), method="roofline").instances
    assert [row.outcome for row in one.schedules] == ["timed", "timed"]
    assert all(row.gap is not None and row.gap >= -1e-9 for row in one.schedules)
    assert "recorded" not in chosen_schedulers("all")


def test_an_imported_part(tmp_path: Path) -> None:
    """A trace of the first steps, with groups, or with gaps accepted, is followed as it was imported."""
    missing = [one | {"seq": 2 * number} for number, one in enumerate(SMALL)]
    for options, batches in (({"limit": 3}, SMALL), ({"group_layers": {0: 1}}, SMALL), ({"gaps": "accept"}, missing)):
        save_trace(read_any(lines(tmp_path / "t.kvevents.jsonl", batches), **options), tmp_path / "t.npz")
        instance = asked(tmp_path, batches, file="t.npz")
        assert run(tmp_path, instance).latency_s >= METHODS["roofline"](instance).lower_bound_s


def test_too_little_room(tmp_path: Path) -> None:
    """Nothing is evicted that the engine did not evict: the step, the block, and what there is."""
    with pytest.raises(ScheduleError) as caught:
        run(tmp_path, asked(tmp_path, SMALL, room=4))
    assert "step 3, block 5: hbm would hold 5120 bytes (5 KiB), capacity 4096 bytes" in str(caught.value)


def test_a_given_start(tmp_path: Path) -> None:
    """Fine where it is that of the recording, else refused."""
    instance = asked(tmp_path, SMALL)
    text = (tmp_path / "q.toml").read_text().replace("[recompute]", 'initial = "first-fit"\n[recompute]')
    (tmp_path / "q.toml").write_text(text)
    assert run(tmp_path, load_instance(tmp_path / "q.toml")).latency_s == run(tmp_path, instance).latency_s
    lines(tmp_path / "t.kvevents.jsonl", [batch(1, stored([5], medium="CPU")), batch(2, stored([5, 6]))])
    with pytest.raises(
        ScheduleError, match=r"the recording starts with another residency than the one given \(initial = \"free"
    ):
        run(tmp_path, load_instance(tmp_path / "q.toml"))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "recorded",
            "recorded:file: found no file, expected the recording (recorded:file=engine.kvevents,media=GPU:hbm+CPU:dram)",
        ),
        (
            "recorded:file=FILE",
            "recorded:media: found no tier for GPU, expected the tier of each medium (media=GPU:TIER+CPU:TIER)",
        ),
        (
            "recorded:file=FILE,media=GPU:hbm",
            "recorded:media: found no tier for CPU, expected the tier of each medium (media=GPU:hbm+CPU:TIER)",
        ),
        ("recorded:file=FILE,media=GPU:hbn", "recorded:media: found tier 'hbn', did you mean 'hbm'?"),
        (
            "recorded:file=FILE,media=GPU:hbm+gpu:hbm",
            "recorded:media: found 'gpu:hbm', expected media, each once, and their tiers, such as GPU:hbm+CPU:dram",
        ),
        (
            "recorded:file=FILE,media=GPU",
            "recorded:media: found 'GPU', expected media, each once, and their tiers, such as GPU:hbm+CPU:dram",
        ),
        ("recorded:file=nowhere", "nowhere: found no such file, expected an existing file"),
        (
            "recorded:file=OTHER,media=GPU:hbm+CPU:dram",
            "OTHER: found another trace than that of the instance (indptr differ), expected the recording that it was imported "
            "from, kept for ever",
        ),
    ],
)
def test_refused(tmp_path: Path, spec: str, message: str) -> None:
    """What the recording, the media or the file lack."""
    instance = asked(tmp_path, SMALL)
    lines(tmp_path / "other", SMALL[:2])
    names = {"FILE": str(tmp_path / "t.kvevents.jsonl"), "OTHER": str(tmp_path / "other")}
    for name, path in names.items():
        spec, message = spec.replace(name, path), message.replace(name, path)
    with pytest.raises(InputError) as caught:
        simulate(instance, make_scheduler(spec))
    assert str(caught.value) == message


def test_only_where_blocks_may_be_forgotten(tmp_path: Path) -> None:
    """Under other rules an eviction has no meaning."""
    instance = asked(tmp_path, SMALL, rule="free")
    with pytest.raises(
        InputError, match=r"recorded: found the rule free, expected cache, for an engine forgets what it evicts"
    ):
        run(tmp_path, instance)
