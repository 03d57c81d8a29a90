"""Certificates at scale: exact, equal to those of the same question in rows, and refused where anything is wrong."""

from __future__ import annotations

import dataclasses
import hashlib
import struct
import subprocess
import sys
import zlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from placement_opt.base import room
from placement_opt.base.errors import CertificateError, InputError, LimitError
from placement_opt.bounds import METHODS
from placement_opt.certify import verify as certify
from placement_opt.certify.files import PriceCertificate, ScheduleCertificate, load_prices, save_prices
from placement_opt.certify.layered import verify_large
from placement_opt.certify.layered_files import SectionWriter, open_large_schedule, save_large_schedule
from placement_opt.instance.instance import Instance
from placement_opt.instance.layered import Layered, layered_of
from placement_opt.instance.load import load_layered
from placement_opt.layered.dual import combine, layer_value, price_large
from placement_opt.memory.operations import Operation, table
from placement_opt.workload.layered_rows import rows_of
from tests.certify.certificates import draw_prices
from tests.layered.cases import Impatient, draw, exact_lp, layer_of, random_prices, write
from tests.layered.solved import solved
from tests.runs import collect
from tests.small import make_instance, two_tier

REPO = Path(__file__).parents[2]
FOREIGN = ("bounds", "schedulers", "layered", "play", "answer", "memory.split")


def priced(problem: Layered, quantum: int, rho: np.ndarray, rent: np.ndarray, folder: Path) -> Path:
    """A certificate that claims nothing."""
    save_prices(PriceCertificate(problem.hash, quantum, rho, rent, Fraction(0)), folder / "prices")
    return folder / "prices"


def in_rows(instance: Instance, problem: Layered, path: Path) -> ScheduleCertificate:
    """The same moves for the same instance in rows."""
    layers, turns, fast = problem.layers.count, problem.layers.turns, problem.fast
    found = open_large_schedule(path, problem, layers, turns)
    start = np.zeros((2, instance.num_blocks), dtype=bool)
    start[problem.home, instance.first_state == 0] = True
    moves: list[tuple[int, int, int]] = []
    for layer in found.sections:
        ids = np.flatnonzero(instance.trace.block_layer == layer)
        start[fast, ids] = found.start(layer)
        turn = 0
        for chunk in found.chunks(layer):
            for op, counts, blocks in ((fast, chunk.stores, chunk.stored), (6 + fast, chunk.drops, chunk.dropped)):
                when = np.repeat(np.arange(turn, turn + len(counts)), counts) * layers + layer
                moves += zip(when.tolist(), [op] * len(when), ids[blocks].tolist(), strict=True)
            turn += len(chunk.stores)
    moves.sort()
    table = np.array(moves, dtype=np.int64).reshape(-1, 3)
    indptr = np.searchsorted(table[:, 0], np.arange(instance.num_steps + 1))
    op, block = table[:, 1].astype(np.uint16), table[:, 2].astype(np.int32)
    return ScheduleCertificate(instance.hash, "rows", start, indptr, op, block, found.claim)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("quantum", [10**9, 10**33])
def test_prices_prove_what_they_prove_in_rows(tmp_path: Path, seed: int, quantum: int) -> None:
    """To the last digit, in 64 bits and beyond, rents of home and floors included."""
    instance = draw(seed, floor=0.01 * (seed % 2))
    problem = layered_of(instance)
    rho, rent = draw_prices(np.random.default_rng(seed), instance, min(quantum, 10**21))
    rent //= 1 + seed % 7
    over = (rho.astype(object) @ instance.memory.rates.astype(object)) > quantum
    rho[over] //= 2
    path = priced(problem, quantum, rho, rent, tmp_path)
    assert verify_large(problem, [path]).lower == certify.lower_bound(instance, quantum, rho, rent)


@pytest.mark.parametrize("seed", range(12))
def test_the_bound_is_what_its_certificate_proves(tmp_path: Path, seed: int) -> None:
    """Whole numbers of a quantum are exact in floats: at any prices both values are the same rational number."""
    instance = draw(seed)
    problem = layered_of(instance)
    whole, actions = price_large(problem, random_prices(np.random.default_rng(seed), instance))
    layers = range(problem.layers.count)
    values = [layer_value(problem, actions, n, layer_of(problem, n)) for n in layers]
    proven = combine(problem, whole, [value for value in values if value is not None])
    assert verify_large(problem, [priced(problem, whole.quantum, whole.rho, whole.rent, tmp_path)]).lower == proven


@pytest.mark.parametrize("seed", range(9))
def test_a_schedule_takes_what_it_takes_in_rows(tmp_path: Path, seed: int) -> None:
    """The moves of a layer after the other, replayed step by step in rows: legal, and the same rational time."""
    instance = draw(seed, hbm=(6, 9, 14)[seed % 3] * (1 + seed % 3), floor=0.002 * (seed % 2))
    problem = layered_of(instance)
    answer = solved(problem, schedule=tmp_path / "plan")
    found = verify_large(problem, [tmp_path / "plan"])
    assert found.schedule is not None
    assert found.schedule.moves == answer.moves
    assert found.upper == found.schedule.claim == certify.schedule_time(instance, in_rows(instance, problem, tmp_path / "plan"))
    assert found.upper_s == pytest.approx(answer.schedule_s, rel=1e-12)


@pytest.mark.parametrize("looks", [0, 5, 60, 150, 300, 500, 10_000])
def test_whatever_was_reached_is_certified(tmp_path: Path, looks: int) -> None:
    """However early the work ends: both files verify, and enclose the exact LP."""
    path = write(tmp_path, drift=0.3)
    exact = exact_lp(path.read_text())
    question = load_layered(path)
    answer = solved(question, limits=Impatient(looks), schedule=tmp_path / "plan")
    save_prices(answer.certificate, tmp_path / "prices")
    found = verify_large(question, [tmp_path / "plan", tmp_path / "prices"])
    assert found.upper_s is not None
    assert found.lower_s is not None
    assert exact * (1 - 1e-9) <= found.upper_s <= answer.schedule_s * (1 + 1e-12)
    assert (1 - 1e-9) * answer.roofline_s <= found.lower_s <= answer.lower_s <= exact * (1 + 1e-9)
    assert looks < 10_000 or answer.lower_s == found.lower_s


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Layered, Path, Path]:
    """A question with both certificates."""
    folder = tmp_path_factory.mktemp("made")
    question = load_layered(write(folder))
    answer = solved(question, schedule=folder / "plan")
    save_prices(answer.certificate, folder / "prices")
    return question, folder / "prices", folder / "plan"


def test_both_are_verified_together_and_hold_the_answer_together(made: tuple[Layered, Path, Path]) -> None:
    question, prices, plan = made
    found = verify_large(question, [plan, prices])
    assert found.lower is not None
    assert found.upper is not None
    assert found.gap == pytest.approx(float(found.upper / found.lower) - 1)
    with pytest.raises(InputError, match="a second certificate of prices"):
        verify_large(question, [prices, prices])


def resigned(data: bytes) -> bytes:
    """With a checksum that matches."""
    return data[:-32] + hashlib.sha256(data[:-32]).digest()


def test_every_flipped_bit_of_a_schedule_is_refused_or_changes_nothing(
    made: tuple[Layered, Path, Path], tmp_path: Path
) -> None:
    """With the old checksum always; with a new one it is no file of moves, breaks a rule, or still takes at most its claim."""
    question, _, plan = made
    data, rng = plan.read_bytes(), np.random.default_rng(1)
    path, upper = tmp_path / "changed", verify_large(question, [plan]).upper
    assert upper is not None
    accepted = 0
    for _ in range(200):
        changed = bytearray(data)
        changed[int(rng.integers(len(data) - 32))] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        with pytest.raises((InputError, CertificateError)):
            verify_large(question, [path])
        path.write_bytes(resigned(bytes(changed)))
        try:
            found = verify_large(question, [path])
        except (InputError, CertificateError):
            continue
        accepted += 1
        assert found.schedule is not None
        assert found.upper is not None
        assert found.upper <= found.schedule.claim
    assert accepted < 50  # of 200: mostly claims that have become larger


def test_files_cut_short_are_refused(made: tuple[Layered, Path, Path], tmp_path: Path) -> None:
    question, _, plan = made
    data = plan.read_bytes()
    for length in (0, 7, 20, 52, 60, len(data) // 2, len(data) - 33, len(data) - 1):
        (tmp_path / "cut").write_bytes(data[:length])
        with pytest.raises((InputError, CertificateError)):
            verify_large(question, [tmp_path / "cut"])
        if length >= 84:
            (tmp_path / "cut").write_bytes(resigned(data[:length]))
            with pytest.raises((InputError, CertificateError)):
                verify_large(question, [tmp_path / "cut"])


@pytest.mark.parametrize("changed", [{"drift": 0.21}, {"room": 401}, {"prefill": 61}])
def test_certificates_of_another_question_are_refused(
    made: tuple[Layered, Path, Path], tmp_path: Path, changed: dict[str, object]
) -> None:
    """Another trace, another capacity: named as such."""
    other = load_layered(write(tmp_path, **changed))
    for path in made[1:]:
        with pytest.raises(CertificateError, match="made for another instance"):
            verify_large(other, [path])


def test_prices_that_claim_or_cost_too_much_are_refused(made: tuple[Layered, Path, Path], tmp_path: Path) -> None:
    question, prices, _ = made
    good = load_prices(prices, question)
    rho = good.rho.copy()
    rho[7] += 10**6
    for changed, message in (
        ({"claim": good.claim + Fraction(1, 10**30)}, "claims at least"),
        ({"rho": rho}, "step 7.*above 1"),
    ):
        save_prices(dataclasses.replace(good, **changed), tmp_path / "bad")
        with pytest.raises(CertificateError, match=message):
            verify_large(question, [tmp_path / "bad"])


Move = tuple[int, int, int]


def planned(question: Layered, folder: Path, moves: dict[int, list[Move]], claim: Fraction = Fraction(100)) -> Path:
    """A file of these moves: (turn, block, 1 stored or 0 dropped) by layer."""
    sections = []
    for layer, rows in moves.items():
        sections.append(folder / f"section-{layer}")
        with open(sections[-1], "wb") as handle:
            writer = SectionWriter(handle, layer, question.layers.blocks_of(layer))
            writer.add(-1, question.layers.turns, np.array(rows, dtype=np.int32).reshape(-1, 3).T)
            writer.close()
    path = folder / "planned"
    save_large_schedule(path, question.hash, question.layers.count, question.layers.turns, sections, claim)
    return path


def test_moves_that_break_a_rule_are_refused_with_step_and_block(tmp_path: Path) -> None:
    """Each rule, broken once; the same moves without the fault are taken."""
    question = load_layered(write(tmp_path, room=100 + 4 * 12))
    read = [set(row.tolist()) for row in question.layers.rows(1)]
    early = sorted(read[3])
    away = min(set(range(60)) - read[3])
    fine = [(-1, early[0], 1), (3, early[1], 1), (3, 63, 1), (5, early[0], 0)]
    many = [(3, block, 1) for block in early[:13]]
    cases: list[tuple[dict[int, list[Move]], str]] = [
        ({1: [*fine, (3, early[0], 1)]}, rf"step 7, block {early[0]}: layer 1: is stored in the fast tier, where it is"),
        ({1: [*fine, (3, away, 1)]}, rf"step 7, block {away}: .*neither read nor produced"),
        ({1: [*fine, (4, away, 0)]}, rf"step 9, block {away}: .*is dropped from the fast tier, where it is not"),
        ({1: [*fine, (-1, 70, 1)]}, r"block 70: .*not produced yet"),
        ({1: [*fine, (3, 200, 1)]}, "do not exist"),
        ({1: [*fine, (3, early[1], 1)]}, "named twice"),
        ({1: many}, r"step 7: hbm holds \d+ bytes at state 8, 4194304 more than its capacity"),
        ({0: [(-1, block, 1) for block in range(7)], 1: [(-1, block, 1) for block in range(6)]}, "bytes at state 0"),
    ]
    taken = verify_large(question, [planned(question, tmp_path, {1: fine})])
    assert taken.upper is not None
    for moves, message in cases:
        with pytest.raises(CertificateError, match=message):
            verify_large(question, [planned(question, tmp_path, moves)])
    with pytest.raises(CertificateError, match="claims at most"):
        verify_large(question, [planned(question, tmp_path, {1: fine}, taken.upper - Fraction(1, 10**40))])
    assert verify_large(question, [planned(question, tmp_path, {1: fine}, taken.upper)]).upper == taken.upper


def test_sections_are_written_in_pieces_and_read_as_one(tmp_path: Path) -> None:
    """Chunks of any turns, the start in the first; nothing after the last."""
    question = load_layered(write(tmp_path))
    rows = np.array([(-1, 2, 1), (0, 5, 1), (3, 7, 1), (3, 2, 0), (4, 1, 1)], dtype=np.int32).T
    with open(tmp_path / "section", "wb") as handle:
        writer = SectionWriter(handle, 0, 90)
        for low, high in ((-1, 0), (0, 2), (2, 5)):
            writer.add(low, high, rows[:, (rows[0] >= low) & (rows[0] < high)])
        writer.close()
    assert writer.moves == 4
    save_large_schedule(tmp_path / "plan", question.hash, 2, 30, [tmp_path / "section"], Fraction(1))
    found = open_large_schedule(tmp_path / "plan", question, 2, 30)
    assert found.moves == 4
    assert np.flatnonzero(found.start(0)).tolist() == [2]
    chunks = list(found.chunks(0))
    assert [chunk.stores.tolist() for chunk in chunks] == [[1, 0], [0, 1, 1]]
    assert [chunk.drops.tolist() for chunk in chunks] == [[0, 0], [0, 1, 0]]
    assert [(chunk.stored.tolist(), chunk.dropped.tolist()) for chunk in chunks] == [([5], []), ([7, 1], [2])]


def large_file(folder: Path, question: Layered, start: bytes, turns: int, stores: int, packed: bytes) -> Path:
    """A schedule of one section with one chunk, as it is written by hand."""
    blocks = question.layers.blocks_of(0)
    section = struct.pack("<IIQ", 0, blocks, len(start)) + start + struct.pack("<IQQQ", turns, stores, 0, len(packed)) + packed
    (folder / "section").write_bytes(section + struct.pack("<IQQQ", 0, 0, 0, 0))
    save_large_schedule(folder / "plan", question.hash, 2, 30, [folder / "section"], Fraction(1))
    return folder / "plan"


def test_sizes_are_held_against_the_question(tmp_path: Path) -> None:
    """Moves that the layer's blocks cannot make, and packed data longer than what they hold, before anything is unpacked."""
    question = load_layered(write(tmp_path))
    blocks = question.layers.blocks_of(0)
    start, moves = zlib.compress(bytes(-(-blocks // 8))), zlib.compress(bytes(8 * 3 + 4 * 3 * blocks))
    assert open_large_schedule(large_file(tmp_path, question, start, 3, 3 * blocks, moves), question, 2, 30).moves == 3 * blocks
    for first, stores, packed, message in (
        (start, 3 * blocks + 1, moves, f"found a chunk of 3 turns and {3 * blocks + 1} moves, expected fewer"),
        (start, 1, bytes(2000), "found 2000 bytes of packed data, expected at most 1052"),
        (bytes(2000), 1, moves, "found 2000 bytes of packed data, expected at most 1036"),
    ):
        with pytest.raises(InputError, match=f"plan: {message}"):
            open_large_schedule(large_file(tmp_path, question, first, 3, stores, packed), question, 2, 30)


def test_a_chunk_there_is_no_memory_for_is_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both numbers are told before it is unpacked."""
    question = load_layered(write(tmp_path))
    start, moves = zlib.compress(bytes(12)), zlib.compress(bytes(8 * 3 + 4))
    found = open_large_schedule(large_file(tmp_path, question, start, 3, 1, moves), question, 2, 30)
    monkeypatch.setattr(room, "SMALL_BYTES", 0)
    monkeypatch.setattr(room, "available", lambda: 10)
    with pytest.raises(LimitError, match="plan: reading it needs about 224 B of memory, 10 B are free"):
        list(found.chunks(0))


def test_the_verifier_loads_no_solver_and_no_code_that_finds_what_it_checks() -> None:
    """Importing it brings in neither solvers nor numba, nor bounds, schedulers, simulator or the engine at scale."""
    code = (
        "import sys, placement_opt.certify.layered\n"
        f"foreign = ['placement_opt.' + name for name in {FOREIGN!r}]\n"
        "bad = set(foreign + ['highspy', 'pyomo', 'numba', 'networkx', 'scipy'])\n"
        "loaded = [name for name in sys.modules if any(name == one or name.startswith(one + '.') for one in bad)]\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_command_needs_no_solver_and_no_compiler(made: tuple[Layered, Path, Path]) -> None:
    """``verify`` runs where HiGHS, Pyomo, numba and scipy cannot be imported."""
    _, prices, plan = made
    code = (
        "import sys\nfor name in ('highspy', 'pyomo', 'numba', 'scipy'): sys.modules[name] = None\n"
        "from placement_opt.cli import main\nsys.exit(main(sys.argv[1:]))"
    )
    argv = [sys.executable, "-c", code, "verify", str(prices.parent / "instance.toml"), str(plan), str(prices)]
    done = subprocess.run(argv, cwd=REPO, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "layer by layer, without a solver" in " ".join(done.stdout.split())


def test_a_layer_without_blocks_costs_nothing_and_breaks_nothing(tmp_path: Path) -> None:
    """Empty layers between full ones: bound and schedule are certified, and enclose what the same in rows is worth."""
    rows = [np.array(row) for row in ([0, 1], [2, 3], [0, 1], [2, 3], [0, 4])]
    full = collect(rows, np.array([-1, -1, -1, -1, 2], dtype=np.int32))
    empty = collect([row[:0] for row in rows], np.zeros(0, dtype=np.int32))
    trace = rows_of([empty, full, empty, full], size_unit="bytes", size=[1] * 4)
    instance = make_instance(two_tier(hbm=3, lpddr=100), trace)
    problem = layered_of(instance)
    assert [problem.layers.blocks_of(layer) for layer in range(4)] == [0, 5, 0, 5]
    answer = solved(problem, schedule=tmp_path / "plan")
    save_prices(answer.certificate, tmp_path / "prices")
    found = verify_large(problem, [tmp_path / "plan", tmp_path / "prices"])
    exact = METHODS["lp"](instance).lower_bound_s
    assert exact is not None
    assert found.upper_s is not None
    assert answer.roofline_s * (1 - 1e-9) <= answer.lower_s <= exact * (1 + 1e-9) <= found.upper_s * (1 + 2e-9)


def test_other_operations_are_refused(made: tuple[Layered, Path, Path]) -> None:
    """Attending might take less than reading does, and the proof at scale knows of none; nor of calls."""
    question, prices, _ = made
    memory = question.memory
    attend = Operation("attend", 0, tuple(memory.read[0].tolist()))
    once = tuple(np.ones_like(loads) for loads in (memory.read, memory.write, memory.copy))
    for columns in ({"more": [attend]}, {"calls": once}):
        operations = table(memory.tier_names, memory.read, memory.write, memory.copy, **columns)  # type: ignore[arg-type]
        other = dataclasses.replace(question, memory=dataclasses.replace(memory, operations=operations))
        with pytest.raises(InputError, match=r"memory: found the operations store .*, expected reads, stores and copies that"):
            verify_large(other, [prices])
