"""Each step's program against an enumeration of everything it may choose."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy.optimize import linprog

from placement_opt.base.errors import InputError
from placement_opt.instance.instance import Instance
from placement_opt.instance.law import loads_of
from placement_opt.instance.rule import KEEPING, RESIDENCIES
from placement_opt.memory.operations import Operation
from placement_opt.memory.split.timing import StepTimer
from placement_opt.play.simulate import simulate
from placement_opt.schedulers import make_scheduler
from placement_opt.schedulers.myopic_program import COPIED, Class, StepProgram
from tests.schedulers.cases import drift
from tests.small import chain, make_instance, make_trace, two_tier
from tests.twins import nearest
from tests.worlds import with_operations


def _objective(instance: Instance, repeat: int, classes: list[Class], after: list[int], served, base, floor: float) -> float:
    """Seconds of the step with these masks at the next state, plus those of the steps like it that follow."""
    memory, tiers = instance.memory, instance.num_tiers
    timer = StepTimer(memory, range(1, 1 << tiers))
    load, following = base.astype(float).copy(), np.zeros(1 << tiers)
    held = [kind for kind in classes for _ in range(kind.number)]
    for kind, mask in zip(held, after, strict=True):
        present = frozenset(k for k in range(tiers) if kind.mask >> k & 1)
        for k in range(tiers):
            if mask >> k & 1 and not kind.mask >> k & 1:
                load += kind.share * kind.size * memory.write[k]
                if kind.share < 1:
                    load += (1 - kind.share) * kind.size * memory.copy[nearest(instance, present, k), k]
        following[mask] += kind.share * kind.size
    now = max(floor, float(timer.times(served[1:], load)[0]))
    return now + repeat * max(floor, float(timer.times(following[1:], base)[0]))


def _allowed(instance: Instance, mask: int) -> bool:
    if instance.residency == "exclusive":
        return mask.bit_count() == 1
    if instance.residency == "free":
        return mask > 0
    order = instance.memory.by_speed
    useful = order[: order.index(instance.home) + 1]  # a copy in a tier slower than the home tier is of no use
    return bool(mask >> instance.home & 1) and all(k in useful for k in order if mask >> k & 1)


@pytest.mark.parametrize("rule", KEEPING)
@pytest.mark.parametrize("seed", range(8))
def test_the_program_finds_the_best_next_state(rule: str, seed: int) -> None:
    """No assignment of the next state's copies is better by more than the price of inertia and the solver's gap."""
    rng = np.random.default_rng(seed)
    tiers, repeat = int(rng.integers(2, 4)), int(rng.integers(1, 4))
    rates = [int(x) for x in rng.integers(2, 40, 2 * tiers - 1)]
    memory = chain([6] * (tiers - 1) + [60], rates[:tiers], rates[tiers:])
    instance = make_instance(memory, make_trace([[0]], [-1]), rule)
    masks = [m for m in range(1, 1 << tiers) if _allowed(instance, m)]
    kinds = {(int(rng.choice(masks)), float(rng.choice([0, 0.5, 1])), int(rng.integers(1, 4))) for _ in range(3)}
    classes = [Class(*kind, int(rng.integers(1, 3))) for kind in sorted(kinds)]
    room = np.array([int(x) for x in rng.integers(3, 8, tiers - 1)] + [60])
    for k in range(tiers):
        room[k] = max(room[k], sum(kind.size * kind.number for kind in classes if kind.mask >> k & 1))
    served = np.zeros(1 << tiers)
    for kind in classes:
        served[kind.mask] += kind.share * kind.size * kind.number
    base, floor = rng.integers(0, 5, len(memory.resources)).astype(float), float(rng.choice([0.0, 0.3]))
    program = StepProgram(memory, rule, instance.home, repeat)
    found = program.solve(classes, room, served[None], np.array([[0, 1, 1]]), base, floor)
    held = [kind for kind in classes for _ in range(kind.number)]
    sizes = np.array([kind.size for kind in held])

    def fits(after) -> bool:
        return all(int(sizes @ (np.array(after) >> k & 1)) <= room[k] for k in range(tiers))

    assert fits(found)
    assert all(_allowed(instance, mask) for mask in found.tolist())
    best = min(
        _objective(instance, repeat, classes, list(after), served, base, floor)
        for after in product(masks, repeat=len(held))
        if fits(after)
    )
    value = _objective(instance, repeat, classes, found.tolist(), served, base, floor)
    assert best * (1 - 1e-12) <= value <= best * (1 + 4e-4) + 1e-12


def test_nothing_moves_for_nothing() -> None:
    """Where the next step gains nothing from it, no copy is made or dropped."""
    instance = make_instance(two_tier(hbm=2), make_trace([[0, 1]] * 4, [-1, -1]))
    run = simulate(instance, make_scheduler("myopic"), record=True)
    assert run.schedule.num_moves == 0


def test_promotes_what_is_read() -> None:
    """A block read from the slow tier takes the place of one that the step does not read, if the saving outweighs its write."""
    start = np.array([[True, False], [True, True]])
    instance = make_instance(two_tier(hbm=1), make_trace([[1], [1], [1]], [-1, -1]), initial=start)
    run = simulate(instance, make_scheduler("myopic"), record=True)
    assert [(k, ids.tolist()) for k, ids in run.schedule.moves(0).store] == [(0, [1])]
    assert run.schedule.num_moves == 2


def test_about_as_good_as_lru_where_reads_repeat() -> None:
    """On the paper's kind of trace most reads do repeat: within a tenth of lru, which is within a few percent of the bound."""
    instance = drift(0.3, tokens=20, prefill=100, layers=2)
    myopic, lru = (simulate(instance, make_scheduler(spec)).latency_s for spec in ("myopic", "lru"))
    assert myopic < 1.1 * lru


def test_too_many_tiers_are_refused() -> None:
    """Every set of tiers is a choice, so their number is limited; the message says to what."""
    memory = two_tier()
    with pytest.raises(InputError, match=r"^myopic: found 8 tiers, expected at most 6 for this scheduler$"):
        StepProgram(replace(memory, tiers=memory.tiers * 4), "free", 0, 1)


def _instance(rng: np.random.Generator, rule: str) -> Instance:
    """Two or three tiers, attending, recomputing, and by chance calls and grains."""
    tiers = int(rng.integers(2, 4))
    rates = [int(x) for x in rng.integers(2, 40, 2 * tiers - 1)]
    memory = chain([6] * (tiers - 1) + [60], rates[:tiers], rates[tiers:])
    resources, columns = len(memory.resources), {}
    attend = memory.read[tiers - 1] - np.eye(resources, dtype=np.int64)[-1]  # all of the read but its link
    more = [Operation("attend", tiers - 1, tuple((attend + (attend.sum() == 0)).tolist()))]
    more.append(Operation("recompute", None, tuple(rng.integers(1, 4, resources).tolist()), brings=bool(rng.random() < 0.7)))
    if rng.random() < 0.5:
        shapes = (tiers, tiers, (tiers, tiers))
        columns["grains"] = tuple(rng.integers(1, 4, shape) for shape in shapes)
        columns["calls"] = tuple(rng.integers(0, 3, part.shape) for part in (memory.read, memory.write, memory.copy))
    return make_instance(with_operations(memory, more, **columns), make_trace([[0]], [-1]), rule)


def _seconds(instance: Instance, load: np.ndarray, reads: list[tuple[int, float, int, bool]]) -> float:
    """The least time of a step with these loads and reads (bytes, share, tiers that hold it, whether it must be brought)."""
    operations, rates = instance.memory.operations, instance.memory.rates.astype(float)
    columns, rows = [], []
    for row, (size, share, mask, bring) in enumerate(reads):
        whole = operations.block_loads(size)
        for bit, operation in enumerate(operations.serving.tolist()):
            if operations.usable(mask, bringing=bring) >> bit & 1:
                columns.append(share * whole[operation] / rates)
                rows.append(row)
    if not columns:
        return float((load / rates).max())
    equal = np.array([[float(row == n) for row in rows] + [0.0] for n in range(len(reads))])
    upper = np.column_stack([np.array(columns).T, -np.ones(len(rates))])
    cost = np.append(np.zeros(len(columns)), 1.0)
    answer = linprog(cost, A_ub=upper, b_ub=-load / rates, A_eq=equal, b_eq=np.ones(len(reads)), method="highs")
    return float(answer.fun) if answer.status == 0 else np.inf  # nothing brings it


def _worth(instance: Instance, repeat: int, held: list[Class], after: list[int], base: np.ndarray) -> float:
    """The objective of :mod:`placement_opt.schedulers.myopic_program` with these targets, ``COPIED`` among them."""
    load, now, then = base.astype(float).copy(), [], []
    for kind, target in zip(held, after, strict=True):
        mask, tiers = target & ~COPIED, range(instance.num_tiers)
        loads = loads_of(instance.memory.operations, np.array([kind.size]))
        amount, share = int(loads.amount[0]), 0.0 if target & COPIED else kind.share
        gained = [k for k in tiers if mask >> k & 1 and not kind.mask >> k & 1]
        for k in gained:
            load += share * amount * loads.store[0, k]
            if share < 1:
                sources = [j for j in tiers if kind.mask >> j & 1]
                if not sources:
                    return np.inf
                times = [
                    ((amount * loads.copy[0, j, k] / instance.memory.rates).max(), instance.memory.by_speed.index(j))
                    for j in sources
                ]
                load += (1 - share) * amount * loads.copy[0, sources[times.index(min(times))], k]
        if kind.share and not kind.born:
            now.append((kind.size, kind.share, kind.mask, bool(gained) and share > 0))
        if kind.share:
            then.append((kind.size, kind.share, mask, False))
    return _seconds(instance, load, now) + repeat * _seconds(instance, base.astype(float), then)


def _choices(instance: Instance, kind: Class) -> list[int]:
    """Where such a block may lie next; what is not read moves down at most, and what is read may be copied as well."""
    rule, order = instance.residency, instance.memory.by_speed
    sets = [
        m for m in range(1 << instance.num_tiers) if (rule == "cache" if m == 0 else rule == "cache" or _allowed(instance, m))
    ]
    if not kind.share:
        fastest = min((order.index(k) for k in order if kind.mask >> k & 1), default=0)
        down = [1 << k for level, k in enumerate(order) if level > fastest] if rule != "inclusive" else []
        return [m for m in sets if m & ~kind.mask == 0 or (m in down and kind.mask)]
    return [*sets, *(m | COPIED for m in sets if m & ~kind.mask and kind.mask and not kind.born)]


@pytest.mark.parametrize("rule", RESIDENCIES)
@pytest.mark.parametrize("seed", range(8))
def test_the_program_knows_every_operation(rule: str, seed: int) -> None:
    """Attended blocks are brought or copied, missing ones made anew, births lie nowhere, kinds have their own loads: nothing
    better is to be had, inertia and the solver's gap aside."""
    rng = np.random.default_rng([seed, 5])
    instance, repeat = _instance(rng, rule), int(rng.integers(1, 4))
    tiers, uniform = instance.num_tiers, instance.memory.operations.uniform
    masks = [m for m in range(1, 1 << tiers) if rule == "cache" or _allowed(instance, m)] + ([0] if rule == "cache" else [])
    shares, classes = [0, 0.5, 1] if uniform else [0, 1], []
    classes += [
        Class(int(rng.choice(masks)), float(rng.choice(shares)), int(rng.integers(1, 4)), 1 + int(rng.integers(4 - tiers)))
        for _ in range(4 - tiers)
    ]
    classes.append(Class(1 << instance.home if rule == "inclusive" else 0, 1.0, int(rng.integers(1, 4)), 1, True))
    room = np.array([int(x) for x in rng.integers(3, 8, tiers - 1)] + [60])
    for k in range(tiers):
        room[k] = max(room[k], sum(kind.size * kind.number for kind in classes if kind.mask >> k & 1))
    base = rng.integers(0, 5, len(instance.memory.resources)).astype(float)
    sizes = np.unique([kind.size for kind in classes if kind.share and not kind.born]).astype(np.int64)
    program = StepProgram(instance.memory, rule, instance.home, repeat)
    read = np.unique(program.told(0 * sizes, sizes, sizes // sizes), axis=0)
    served = np.zeros((len(read), 1 << tiers))
    for kind in classes:
        if kind.share and not kind.born:
            if uniform:
                served[0, kind.mask] += kind.share * kind.size * kind.number
            else:
                served[np.searchsorted(sizes, kind.size), kind.mask] += kind.number
    found = program.solve(classes, room, served, read, base, 0.0)
    held = [kind for kind in classes for _ in range(kind.number)]
    bytes_of = np.array([kind.size for kind in held])

    def fits(after) -> bool:
        return all(int(bytes_of @ (np.array(after) >> k & 1)) <= room[k] for k in range(tiers))

    assert fits(found)
    choices = [_choices(instance, kind) for kind in held]
    assert all(target in allowed for target, allowed in zip(found.tolist(), choices, strict=True))
    best = min(_worth(instance, repeat, held, list(after), base) for after in product(*choices) if fits(after))
    value = _worth(instance, repeat, held, found.tolist(), base)
    assert best * (1 - 1e-9) <= value <= best * (1 + 4e-4) + 1e-12


def test_too_many_kinds_are_refused() -> None:
    """Where loads are not by the byte every size of block has price vectors of its own, so their number is limited."""
    memory = two_tier()
    calls = tuple(np.ones_like(part) for part in (memory.read, memory.write, memory.copy))
    program = StepProgram(with_operations(memory, calls=calls), "free", 1, 1)
    classes = [Class(1, 0.0, size, 1) for size in range(1, 10)]
    message = r"^myopic: found blocks of 9 kinds, with loads that are not by the byte, in a step, expected at most 8"
    with pytest.raises(InputError, match=message):
        program.solve(classes, np.array([99, 99]), np.zeros((0, 4)), np.zeros((0, 3), dtype=np.int64), np.zeros(4), 0.0)
