"""The gate: whatever cannot fit is refused before anything is drawn, with both numbers and a way out that does fit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.base.limits import Limits
from placement_opt.base.room import NoRoom
from placement_opt.cli import main
from placement_opt.instance import trace_source as tracesource
from placement_opt.instance.gate import check_outline
from placement_opt.instance.load import load_instance
from placement_opt.instance.outline import read_outline
from placement_opt.instance.scaled import parse_layer_share
from placement_opt.instance.totals import totals_of
from placement_opt.workload.files.npz import load_trace, outline_trace, save_trace
from placement_opt.workload.paging import page
from placement_opt.workload.synth import synthesize
from placement_opt.workload.totals import Totals
from tests.cli.cases import DRIFT
from tests.instance.cases import HUGE, forbid_drawing
from tests.small import make_trace

GIB = 1 << 30
ZIPF = '[trace]\nsynth = "zipf"\nblocks = 900000\nsteps = 90000\nreads = 90000\nseed = 1\n'
REQUESTS = '[trace]\nsynth = "requests"\nrequests = 9000000\nseed = 1\n'


@pytest.fixture
def huge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An instance file of 2.5e10 reads; drawing anything of it fails the test."""

    forbid_drawing(monkeypatch)
    path = tmp_path / "huge.toml"
    path.write_text(HUGE)
    return path


@pytest.fixture
def roomy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which only the limit counts."""
    monkeypatch.setattr("placement_opt.base.room.available", lambda: 2**60)


def other(folder: Path, trace: str, rules: str = "") -> Path:
    """The huge instance with another trace."""
    path = folder / "other.toml"
    path.write_text(HUGE[: HUGE.index("[trace]")] + trace + rules)
    return path


# ---- totals ------------------------------------------------------------------------------------------------------------


def facts(totals: Totals) -> dict[str, Any]:
    names = ("steps", "blocks", "reads", "layers", "pairs", "peak", "largest", "read_units", "equal")
    return {name: getattr(totals, name) for name in names}


@pytest.mark.parametrize(
    "trace",
    [
        'synth = "drift"\nlayers = 3\nprefill = 40\ntokens = 9\nseed = 1\n',
        'synth = "zipf"\nblocks = 30\nsteps = 8\nreads = 5\nblock_size = "3 KiB"\nseed = 1\n',
        'synth = "requests"\nrequests = 60\nseed = 2\n',
        'synth = "requests"\nrequests = 60\nkeep = "ttl"\nttl = "9 s"\nseed = 2\n',
    ],
)
def test_totals_are_those_of_the_trace(tmp_path: Path, trace: str) -> None:
    """Steps, blocks, reads, lives, peak and sizes are known before the trace is made, exactly; of small requests too."""
    outline = read_outline(other(tmp_path, f"[trace]\n{trace}"))
    assert outline.totals.exact
    assert facts(outline.totals) == facts(totals_of(outline.source.make()))


def test_totals_of_files_need_no_reads(tmp_path: Path) -> None:
    """A file of rows gives its own without unpacking reads or shares, whatever its sizes; one of runs from its table."""
    trace = make_trace([[0, 1], [], [1, 2]], [-1, -1, 1], [3, 3, 3], sizes=[2, 2, 2], shares=[[1, 2], [], [2, 1]], share_base=2)
    save_trace(trace, tmp_path / "t.npz")
    blocks, reads = outline_trace(tmp_path / "t.npz")
    assert (len(blocks.blocks), blocks.shares, reads) == (0, None, 4)
    assert facts(totals_of(blocks, reads=reads)) == facts(totals_of(load_trace(tmp_path / "t.npz")))
    path = other(tmp_path, '[trace]\nsynth = "drift"\nlayers = 3\nprefill = 40\ntokens = 9\nseed = 1\n')
    assert main(["trace", "runs", str(path), "-o", str(tmp_path / "t.runs")]) == 0
    runs = other(tmp_path, '[trace]\nfile = "t.runs"\n')
    assert facts(read_outline(runs).totals) == facts(totals_of(load_instance(runs).trace))


def test_a_broken_file_of_rows_is_refused_by_its_outline(tmp_path: Path) -> None:
    """Blocks that contradict each other are found without the reads, with the file's name."""
    (tmp_path / "t.npz").write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"t\.npz: found no readable NPZ"):
        outline_trace(tmp_path / "t.npz")


@pytest.mark.parametrize("page_tokens", [2, 5, 16])
def test_totals_of_pages_are_no_less_than_theirs(page_tokens: int) -> None:
    """Pages are read at most as often as said, and have the very peak that is said."""
    trace = synthesize("drift", {"layers": 3, "prefill": 100, "tokens": 20}, 1)
    found, true = totals_of(trace).paged(page_tokens, alike=True), totals_of(page(trace, page_tokens).trace)
    assert found.peak == true.peak
    assert true.reads <= found.reads <= 1.5 * true.reads
    assert (found.drawn, found.firm, found.exact) == (trace.num_reads, True, False)


def test_many_requests_are_guessed_from_some(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A part of them is drawn; the guess is said to be one, and near where blocks do not live long."""
    monkeypatch.setattr(tracesource, "SAMPLED", 1000)
    for keep in ("", 'keep = "ttl"\nttl = "100 s"\n'):
        outline = read_outline(other(tmp_path, f'[trace]\nsynth = "requests"\nrequests = 4000\nseed = 1\n{keep}'))
        true = totals_of(outline.source.make())
        assert (outline.totals.steps, outline.totals.exact, outline.totals.firm) == (4000, False, False)
        assert outline.totals.reads == pytest.approx(true.reads, rel=0.5)
        assert outline.totals.blocks == pytest.approx(true.blocks, rel=0.5)


# ---- refusals ----------------------------------------------------------------------------------------------------------


def test_weights_without_room_are_found_before_anything_is_drawn(huge: Path) -> None:
    """As the bad input that they are, with both numbers."""
    huge.write_text(HUGE.replace("[trace]", 'weight_resident = "3 GiB"\n[trace]'))
    with pytest.raises(
        InputError, match=r"llm\.weight_resident: found 3 GiB of weights, which do not fit, expected at most .* 2 GiB"
    ):
        load_instance(huge)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '"2 GiB"',
            '"2 KiB"',
            r"memory\.hbm\.capacity: found room for 2 KiB, expected none or at least the largest block, 16 KiB",
        ),
        ("prefill = 60000", "prefill = 900000", r"found room for 447 GiB in lpddr, .* at least 1.087 TiB, every block"),
        ("prefill = 60000", "prefill = 26000000", r"found room for 447 GiB in lpddr, .* expected at least"),
        ('"2 GiB"', '"2 GiB"\nlpddr.capacity = "50%"', r"found room for 43.95 GiB in lpddr, .* expected at least 87.89 GiB"),
        ('"2 GiB"', '"2 GiB"\nlpddr.capacity = "71000 tokens"', r"lpddr, .* expected at least 87.89 GiB, every block"),
    ],
)
def test_blocks_without_room_are_found_before_anything_is_drawn(huge: Path, old: str, new: str, message: str) -> None:
    """The largest block, and all blocks at their peak; in pages too."""
    for rules in ("", "[rules]\npage_tokens = 1\n", "[rules]\npage_tokens = 10\n"):
        huge.write_text(HUGE.replace(old, new) + rules)
        expected = message.replace("16 KiB", "160 KiB") if "10" in rules else message
        with pytest.raises(InputError, match=expected):
            load_instance(huge)


def test_a_named_home_without_room_is_found_before_anything_is_drawn(huge: Path) -> None:
    """The home tier is that of the rules here, too."""
    with pytest.raises(InputError, match=r"found room for 2 GiB in hbm, the home tier \(named by the rules\), expected"):
        load_instance(huge, {"rules.home": "hbm"})


#: With one layer in rows at a time.
PLAYING = [
    ["simulate", "--scheduler", "belady"],
    ["simulate", "--scheduler", "lru", "--schedule", "OUT"],
    ["simulate", "--scheduler", "lru", "--perfetto", "OUT"],
]
COMMANDS = [
    ["sweep", "--set", "hbm.capacity=2GiB,3GiB", "--method", "compact"],
    ["sweep", "--set", "trace.drift=0.1,0.2", "--method", "step"],
    ["export", "--format", "mps", "-o", "OUT"],
    ["regress"],
    ["bound", "--method", "compact"],
]


@pytest.mark.usefixtures("roomy")
@pytest.mark.parametrize("command", COMMANDS + PLAYING, ids=" ".join)
def test_every_command_refuses_rows_that_do_not_fit(
    huge: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    """Before it draws: exit code 3, what is needed, what there is, and what would fit."""
    name, *options = [str(tmp_path / "out") if word == "OUT" else word for word in command]
    assert main([name, str(huge), *options, "--memory-limit", "20 GiB"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "huge.toml: trace: found room for 20 GiB (--memory-limit), expected about " in err
    if command in PLAYING:
        assert err.endswith(" of memory for 316,792,800 reads of a layer\n")
    else:
        assert " of memory for 25,343,424,000 reads; " in err
        assert "bound answers it in runs" in err
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("roomy")
def test_verify_refuses_too(huge: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A certificate of another instance is no reason to draw this one."""
    certificate = str(tmp_path / "c")
    huge.write_text(HUGE.replace("[rules]", "").replace("seed = 1", "seed = 1\n[rules]\nresidency = 'free'"))
    trace = synthesize("drift", {"layers": 2, "prefill": 60, "tokens": 12, "drift": 0.1}, 1)
    save_trace(trace, tmp_path / "t.npz")
    small = tmp_path / "small.toml"
    small.write_text(DRIFT[: DRIFT.index("[trace]")] + '[trace]\nfile = "t.npz"\n')
    assert main(["bound", str(small), "--method", "roofline", "--certificate", certificate]) == 0
    capsys.readouterr()
    assert main(["verify", str(huge), certificate, "--memory-limit", "20 GiB"]) == 3
    assert "found room for 20 GiB (--memory-limit)" in capsys.readouterr().err


def test_what_is_free_is_the_limit_without_one(huge: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's memory, or its control group's, is in the message where no option set one."""
    monkeypatch.setattr("placement_opt.base.room.available", lambda: 7 * GIB)
    monkeypatch.setattr("placement_opt.base.room.taken", lambda: GIB)
    with pytest.raises(NoRoom, match=r"found room for 8 GiB \(what is free\), expected about"):
        load_instance(huge)


@pytest.mark.usefixtures("roomy")
def test_blocks_and_steps_count_where_reads_are_few(tmp_path: Path) -> None:
    """A hundred million blocks of which ten are read take memory, too, and are named."""
    zipf = '[trace]\nsynth = "zipf"\nblocks = {}\nsteps = {}\nreads = 1\nblock_size = "1 B"\nseed = 1\n'
    assert "23.53 GiB of memory for 10 reads and 100,000,000 blocks; no part" in message(
        other(tmp_path, zipf.format(10**8, 10)), 1
    )
    assert "of memory for 10,000,000 reads and 10,000,000 steps; " in message(other(tmp_path, zipf.format(10, 10**7)), 1)


# ---- ways out ----------------------------------------------------------------------------------------------------------


def message(path: Path, gib: int) -> str:
    with pytest.raises(NoRoom) as caught:
        check_outline(read_outline(path), Limits(memory=gib * GIB))
    return str(caught.value)


def fits(path: Path, gib: int, overrides: dict[str, Any] | None = None, layers: str | None = None) -> bool:
    share = None if layers is None else parse_layer_share(layers)
    try:
        check_outline(read_outline(path, overrides, layers=share), Limits(memory=gib * GIB))
    except NoRoom:
        return False
    return True


@pytest.mark.usefixtures("roomy")
def test_the_layers_proposed_are_the_most_that_fit(huge: Path) -> None:
    """--scale-layers with that number of layers passes the gate, with one more it does not."""
    found = re.search(r"; --scale-layers (\d+)/80 fits", message(huge, 200))
    assert found is not None
    assert fits(huge, 200, layers=f"{found[1]}/80")
    assert not fits(huge, 200, layers=f"{int(found[1]) + 1}/80")


@pytest.mark.usefixtures("roomy")
def test_pages_are_proposed_where_they_fit(huge: Path) -> None:
    """Single tokens are drawn before they are gathered, and that is counted."""
    assert "rules.page_tokens = 16 fits" in message(huge, 1_500)
    assert fits(huge, 1_500, {"rules.page_tokens": 16})
    assert "page_tokens" not in message(huge, 1_000)
    assert not fits(huge, 1_000, {"rules.page_tokens": 16})


@pytest.mark.usefixtures("roomy")
@pytest.mark.parametrize(("trace", "key"), [(ZIPF, "steps"), (REQUESTS, "requests")])
def test_fewer_steps_are_proposed_where_there_are_no_layers(tmp_path: Path, trace: str, key: str) -> None:
    """A round number of them that passes the gate."""
    path = other(tmp_path, trace, '[rules]\nresidency = "free"\n')
    path.write_text(path.read_text().replace('"gh200"', '"nvme4"'))
    found = re.search(rf"; trace\.{key} = (\d+) fits", message(path, 1))
    assert found is not None
    assert fits(path, 1, {f"trace.{key}": int(found[1])})
    assert "in runs" not in message(path, 1)


@pytest.mark.usefixtures("roomy")
def test_of_a_file_a_part_is_proposed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its steps cannot be made fewer by a key; how many would fit is told."""
    save_trace(make_trace([[0]] * 4, [-1]), tmp_path / "t.npz")
    path = other(tmp_path, '[trace]\nfile = "t.npz"\n')
    monkeypatch.setattr("placement_opt.base.room.READ_BYTES", GIB)
    assert message(path, 2).endswith(
        "found room for 2 GiB (--memory-limit), expected about 4.244 GiB of memory for 4 reads; about 44 % of its steps fit"
    )


# ---- traces ------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("roomy")
@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["synth", "drift", "--prefill", "60000", "--tokens", "120000"], "to draw 23,039,712,000 reads; fewer steps"),
        (["synth", "zipf", "--blocks", "90000000", "--reads", "9000", "--steps", "9000"], "to draw 81,000,000 reads; fewer"),
        (["import", "IN", "--format", "reads-csv"], "of memory to import it; --limit N takes its first steps"),
        (["info", "TRACE"], "of memory for 1 reads"),
        (["runs", "TRACE"], "of memory for 1 reads"),
        (["runs", "INSTANCE"], "runs of a layer"),
    ],
)
def test_traces_that_do_not_fit_are_not_begun(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str], said: str
) -> None:
    """Drawing, importing, describing and rewriting: exit code 3 and no file."""
    (tmp_path / "in.csv").write_text("n,l,read_kv\n" + '5,0,"[1,2]"\n' * 9)
    save_trace(make_trace([[0]], [-1]), tmp_path / "t.npz")
    (tmp_path / "i.toml").write_text(HUGE)
    files = {"IN": "in.csv", "TRACE": "t.npz", "INSTANCE": "i.toml"}
    words = [str(tmp_path / files[word]) if word in files else word for word in command]
    output = [] if command[0] == "info" else ["-o", str(tmp_path / "out")]
    assert main(["trace", *words, *output, "--memory-limit", "200 MiB"]) == 3
    err = capsys.readouterr().err
    assert "found room for 200 MiB (--memory-limit), expected about " in err
    assert said in err
    assert not (tmp_path / "out").exists()


def test_what_fits_is_drawn_as_ever(tmp_path: Path) -> None:
    """The gate changes no trace."""
    assert main(["trace", "synth", "requests", "--requests", "50", "--seed", "3", "-o", str(tmp_path / "t.npz")]) == 0
    made = load_trace(tmp_path / "t.npz")
    assert (made.blocks == synthesize("requests", {"requests": 50}, 3).blocks).all()
    assert np.array_equal(made.birth, synthesize("requests", {"requests": 50}, 3).birth)
