"""Re-proves certificates of questions at scale in exact integers, one layer after the other.

What is claimed is the same: that no schedule takes less, from prices, and that a schedule takes at most so long, from its
moves. Two tiers, inclusive, with a free start, is all that a question at scale may be, so a block lies in its home tier alone
or in the fast tier as well. Nothing is shared with the code that finds bounds or schedules: the layers are drawn or read turn
by turn, as the sets of blocks that are read; all blocks of a layer pay for a turn at once; moves are replayed one turn after
the other.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, NamedTuple, NoReturn, TypeVar

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.base.arrays import Ints as Ids
from placement_opt.base.atomic import AnyPath
from placement_opt.base.backend import Backend
from placement_opt.base.binary import tail_of
from placement_opt.base.errors import CertificateError, InputError, LimitError
from placement_opt.base.limits import Limits
from placement_opt.certify.files import Kind, PriceCertificate, load_prices
from placement_opt.certify.layered_files import Chunk, LargeSchedule, is_large_schedule, open_large_schedule
from placement_opt.certify.rows import Exact
from placement_opt.certify.split import SplitProgram
from placement_opt.certify.stacked_files import StackedSchedule
from placement_opt.certify.verify import Sides, check_claim, check_prices, check_time, used_up
from placement_opt.instance.layered import Layered
from placement_opt.instance.stacked import Large

#: Costs of a block stay below a quarter of this in 64 bits; it stands for what cannot be.
_NEVER = 2**60
_BITS = 30
_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class VerifiedLarge(Sides):
    """What has been re-proved of a question, with what it rests on; None where no such certificate was given."""

    instance: Large
    prices: PriceCertificate | None = None
    lower: Fraction | None = None
    schedule: LargeSchedule | StackedSchedule | None = None
    upper: Fraction | None = None
    no_schedule: bool = False


def verify_large(
    question: Layered, paths: Sequence[AnyPath], limits: Limits | None = None, *, backend: Backend | None = None
) -> VerifiedLarge:
    """Read and re-prove certificates of a question, one of prices and one of a schedule at most, in any order.

    Each layer is drawn or read once for both, wherever layers are worked on; there the certificates are read where they lie.

    Raises
    ------
    InputError
        A file that is no certificate; two of one kind; a memory system with more operations than a question at scale knows.
    CertificateError
        One that is damaged, made for another question, or does not prove what it claims; names the file.
    LimitError
        The limits came before the last layer.
    """
    _check_operations(question)
    files, where = dict[Kind, _File](), backend or Backend()
    for path in map(where.place, paths):
        kind: Kind = "schedule" if is_large_schedule(path) else "prices"
        if kind in files:
            raise InputError(f"found a second certificate of {kind}", "expected at most one of each", path=path)
        files[kind] = _File(path, tail_of(path))
    proofs = _proofs_of(question, files)

    def done(position: int, part: _Part) -> None:
        del position
        if part.error is not None:
            raise part.error

    tasks = [_Task(question, files, layer) for layer in range(question.layers.count)] if files else []
    found = where.run(_prove, tasks, shared=(question,), limits=limits, done=done)
    parts = [part for part in found if part is not None]
    if len(parts) < len(tasks):
        raise LimitError(f"only {len(parts)} of {len(tasks)} layers were verified in time")
    lower = upper = None
    if proofs.bound is not None:
        lower = _at(files["prices"].path, proofs.bound.proven, sum(part.paths for part in parts))
    if proofs.replay is not None:
        seconds = sum((part.seconds for part in parts), Fraction(0))
        upper = _at(files["schedule"].path, proofs.replay.proven, seconds, [part.held for part in parts])
    _PROOFS.clear()
    return VerifiedLarge(question, proofs.prices, lower, proofs.schedule, upper)


class _File(NamedTuple):
    """A certificate, and how it ends: with a checksum, by which whoever opens it elsewhere knows it again."""

    path: AnyPath
    tail: bytes


@dataclass(frozen=True, eq=False)
class _Task:
    """A layer, and the files of what is to be proved of it."""

    question: Layered
    files: Mapping[Kind, _File]
    layer: int


@dataclass(frozen=True, eq=False)
class _Part:
    """What a layer adds: what its blocks pay, in quanta for a byte of each; seconds of its steps, and how many blocks it has in
    the fast tier at the start and after each turn. Or why it proves nothing."""

    paths: int = 0
    seconds: Fraction = Fraction(0)
    held: Int64 | None = None
    error: CertificateError | InputError | LimitError | None = None


def _prove(task: _Task, limits: Limits) -> _Part:
    """A layer, drawn or read once for both sides."""
    del limits
    layers, part = task.question.layers, _Part()
    try:
        found = _proofs_of(task.question, task.files)
        proofs = [copy(proof) for proof in (found.bound, found.replay) if proof is not None]
        for proof in proofs:
            proof.begin(task.layer)
        for turn, reads in enumerate(layers.rows(task.layer)):
            for proof in proofs:
                _at(task.files[proof.kind].path, proof.turn, turn, reads)
        for proof in proofs:
            part = replace(part, **proof.end())
    except (CertificateError, InputError, LimitError) as error:
        return _Part(error=error)
    return part


class _Proofs(NamedTuple):
    """What the files of a question hold, and what goes through its layers."""

    prices: PriceCertificate | None
    bound: BoundProof | None
    schedule: LargeSchedule | None
    replay: Replay | None


#: The certificates last opened in this process, by the question and their checksums.
_PROOFS: dict[tuple[object, ...], _Proofs] = {}


def _proofs_of(question: Layered, files: Mapping[Kind, _File]) -> _Proofs:
    """Of these files; errors as :func:`verify_large`."""
    key = (question.hash, *sorted((kind, str(path), tail) for kind, (path, tail) in files.items()))
    found = _PROOFS.get(key)
    if found is None:
        prices = bound = schedule = replay = None
        for kind, (path, tail) in files.items():
            try:
                if tail_of(path) != tail:
                    raise CertificateError("is another file where its layers are proved")
                if kind == "schedule":
                    schedule = open_large_schedule(path, question, question.layers.count, question.layers.turns)
                    replay = Replay(question, schedule)
                else:
                    prices = load_prices(path, question)
                    bound = BoundProof(question, prices)
            except CertificateError as error:
                raise error.at(path) from None
        found = _Proofs(prices, bound, schedule, replay)
        _PROOFS.clear()
        _PROOFS[key] = found
    return found


def _check_operations(question: Layered) -> None:
    """Only reads, stores and copies, paid for by the byte: another operation might take less."""
    table = question.memory.operations
    if table.per_call.any() or (table.grain != 1).any() or int(table.serves.sum()) != question.num_tiers:
        expected = "expected reads, stores and copies that count bytes"
        raise InputError(f"found the operations {', '.join(table.names)}", expected, field="memory")


def _at(path: AnyPath, call: Callable[..., _T], *args: Any) -> _T:
    """``call(*args)``, its complaints laid at a file."""
    try:
        return call(*args)
    except CertificateError as error:
        raise error.at(path) from None


class BoundProof:
    """The dual value at a certificate's prices, layer by layer.

    A turn of a layer is its own step, read or not, and then the steps of the other layers until its next turn: two matrices
    (min, +) of two states, home alone and both. ``cost`` [2, B] is what each block has paid when the turn's steps are over.
    """

    kind: Kind = "prices"

    def __init__(self, question: Layered, certificate: PriceCertificate) -> None:
        self._question, self._certificate = question, certificate
        steps, memory = question.num_steps, question.memory
        check_prices("resource prices", certificate.rho, (steps, question.num_resources))
        check_prices("rents", certificate.rent, (steps + 1, 2))
        self._used = used_up(memory.rates, certificate.quantum, certificate.rho)
        rho, rent, home, fast = certificate.rho, certificate.rent, question.home, question.fast
        loads = np.concatenate([memory.read, memory.write, memory.copy.reshape(-1, len(memory.rates))]).max(axis=0)
        # more than any block can pay: a read and a store at each step of its layer, one copy, and the rent of both tiers
        count = question.layers.count
        sums = [part.sum(axis=0, dtype=object).tolist() for part in (rho[layer::count] for layer in range(count))]
        dearest = [sum(map(operator.mul, each, loads.tolist())) for each in (*sums, rho.max(axis=0).tolist())]
        most = 3 * (max(dearest[:-1]) + dearest[-1]) + int(rent.sum(dtype=object))
        kind = np.dtype(np.int64 if most < _NEVER // 4 else object)
        self._never = max(_NEVER, 4 * most)
        rho, rent = rho.astype(kind), rent.astype(kind)
        slow, quick = rho @ memory.read[home], rho @ memory.read[fast]
        self._serve = np.stack([slow, np.minimum(slow, quick)])
        self._copy, self._write = rho @ memory.copy[home, fast], rho @ memory.write[fast]
        self._birth = rho @ memory.write[home]
        self._rent = np.stack([rent[:, home], rent[:, home] + rent[:, fast]])

    def begin(self, layer: int) -> None:
        """Price a layer's turns, and its blocks at the start."""
        layers, turns = self._question.layers.count, self._question.layers.turns
        own = np.arange(layer, layers * turns, layers)
        rest = self._nothing(turns)
        for after in range(1, layers):
            steps = own + after
            there = steps < layers * turns
            rest[:, :, there] = _times(rest[:, :, there], self._idle(steps[there]))
        idle = self._idle(own)
        read = idle + self._serve[:, None, own]
        stored = self._serve[0, own] + self._write[own] + self._rent[1, own + 1]
        read[0, 1] = np.minimum(read[0, 1], stored)
        self._idle_turn, self._read_turn = _times(idle, rest), _times(read, rest)
        born = np.stack([self._rent[0, own + 1], self._write[own] + self._rent[1, own + 1]]) + self._birth[own]
        self._born_turn = _times(born[None], rest)[0]
        start = self._rent[:, :1][None]
        for step in range(layer):
            start = _times(start, self._idle(np.array([step])))
        birth = self._question.layers.birth(layer)
        self._cost = np.repeat(start[0], len(birth), axis=1)
        self._births = _ByTurn(birth, turns)

    def turn(self, turn: int, reads: Ids) -> None:
        """Every block goes through a turn; those that are not born yet are set right when they are."""
        slow, both = self._cost
        idle, read, born = self._idle_turn[:, :, turn], self._read_turn[:, :, turn], self._born_turn[:, turn]
        were = slow[reads], both[reads]
        self._cost = np.stack([np.minimum(slow + idle[0, k], both + idle[1, k]) for k in (0, 1)])
        for k in (0, 1):
            self._cost[k, reads] = np.minimum(were[0] + read[0, k], were[1] + read[1, k])
            self._cost[k, self._births.at(turn)] = born[k]

    def end(self) -> dict[str, Any]:
        """The layer is over: what its blocks have paid."""
        paid = self._cost.min(axis=0)
        if paid.dtype == np.int64:  # in two halves: the sum need not fit
            high, low = int((paid >> _BITS).sum()), int((paid & ((1 << _BITS) - 1)).sum())
            return {"paths": (high << _BITS) + low}
        return {"paths": sum(paid.tolist())}

    def proven(self, paths: int) -> Fraction:
        """D in seconds, at least what is claimed, from what the blocks of all layers pay; 0 where the prices prove less."""
        question, certificate = self._question, self._certificate
        columns = [certificate.rho.sum(axis=0, dtype=object), certificate.rent.sum(axis=0, dtype=object)]
        fixed = sum(map(operator.mul, columns[0], question.fixed.tolist()))
        room = sum(map(operator.mul, columns[1], question.capacity.tolist()))
        floor = Fraction(question.floor) * (certificate.quantum * question.num_steps - sum(self._used))
        value: Fraction = (floor + fixed - room + paths * question.block_bytes) / certificate.quantum
        proven = max(Fraction(0), value)
        check_claim(proven, certificate.claim)
        return proven

    def _idle(self, steps: Int64) -> Exact:
        """[2, 2, n]: from a set at a step to one at the next state, nothing read: dropping is free, a copy is not."""
        home, both = self._rent[0, steps + 1], self._rent[1, steps + 1]
        return np.array([[home, both + self._copy[steps]], [home, both]])

    def _nothing(self, count: int) -> Exact:
        out = np.zeros((2, 2, count), dtype=self._rent.dtype)
        out[0, 1] = out[1, 0] = self._never
        return out


def _times(a: Exact, b: Exact) -> Exact:
    """Min-plus products of n pairs of matrices, [i, 2, n] and [2, 2, n]."""
    out: Exact = np.minimum(a[:, 0, None] + b[None, 0], a[:, 1, None] + b[None, 1])
    return out


class Replay:
    """A schedule's moves, layer by layer, and its time."""

    kind: Kind = "schedule"

    def __init__(self, question: Layered, schedule: LargeSchedule) -> None:
        self._question, self._schedule = question, schedule

    def begin(self, layer: int) -> None:
        layers, schedule = self._question.layers, self._schedule
        self._layer, self._turns = layer, _no_moves()
        birth = layers.birth(layer)
        self._births = _ByTurn(birth, layers.turns)
        self._inside = np.zeros(len(birth), dtype=np.bool_)
        self._present = np.zeros(len(birth), dtype=np.bool_)
        self._counts = np.zeros((4, layers.turns), dtype=np.int64)
        if layer in schedule.sections:
            if schedule.sections[layer][1] != len(birth):
                self._refuse(None, f"is of {schedule.sections[layer][1]} blocks in the file, of {len(birth)} in the question")
            self._inside[:] = schedule.start(layer)
            early = self._inside & (birth >= 0)
            if early.any():
                self._refuse(None, "starts with a block in the fast tier that is not produced yet", int(np.argmax(early)))
            self._turns = _turns_of(schedule.chunks(layer))
        #: how many blocks lie in the fast tier at the start, and after each turn
        self._held = np.zeros(layers.turns + 1, dtype=np.int64)
        self._held[0] = np.count_nonzero(self._inside)

    def turn(self, turn: int, reads: Ids) -> None:
        """Serve the turn's reads from what lies there, then make its moves."""
        inside, present, born = self._inside, self._present, self._births.at(turn)
        stored, dropped = next(self._turns)
        self._counts[:, turn] = len(reads), len(born), np.count_nonzero(inside[reads]), len(stored)
        change = 0
        if len(stored) or len(dropped):
            present[reads] = present[born] = True
            for what, ids in (("stored", stored), ("dropped", dropped)):
                if len(ids) and (ids[-1] >= len(inside) or (np.diff(ids) <= 0).any()):
                    self._refuse(turn, f"has {what} blocks that are out of order, named twice or do not exist")
            self._refuse_if(inside[stored], stored, turn, "is stored in the fast tier, where it is")
            self._refuse_if(~present[stored], stored, turn, "is stored in passing, but neither read nor produced")
            self._refuse_if(~inside[dropped], dropped, turn, "is dropped from the fast tier, where it is not")
            inside[stored], inside[dropped] = True, False
            present[reads] = present[born] = False
            change = len(stored) - len(dropped)
        self._held[turn + 1] = self._held[turn] + change

    def end(self) -> dict[str, Any]:
        """The layer is over: what its steps took, and what it held."""
        return {"seconds": layer_seconds(self._question, *self._counts), "held": self._held}

    def proven(self, seconds: Fraction, of_layers: Sequence[Int64 | None]) -> Fraction:
        """Seconds of the whole schedule, at most what is claimed; the fast tier was never overfull."""
        question, each = self._question, np.stack([held for held in of_layers if held is not None])
        changes = np.diff(each, axis=1).T.ravel()  # in the order of steps
        held = np.concatenate([[0], np.cumsum(changes)]) + each[:, 0].sum()
        room = int(question.capacity[question.fast])
        over = np.flatnonzero(held > room // question.block_bytes)
        if len(over):
            state, used = int(over[0]), int(held[over[0]]) * question.block_bytes
            name = question.memory.tier_names[question.fast]
            message = f"{name} holds {used} bytes at state {state}, {used - room} more than its capacity {room}"
            raise CertificateError(message, step=state - 1 if state else None)
        check_time(seconds, self._schedule.claim)
        return seconds

    def _refuse_if(self, bad: npt.NDArray[np.bool_], ids: Int64, turn: int, message: str) -> None:
        if bad.any():
            self._refuse(turn, message, int(ids[int(np.argmax(bad))]))

    def _refuse(self, turn: int | None, message: str, block: int | None = None) -> NoReturn:
        step = None if turn is None else turn * self._question.layers.count + self._layer
        raise CertificateError(f"layer {self._layer}: {message}", step=step, block=block)


def layer_seconds(question: Layered, reads: Int64, births: Int64, hits: Int64, stores: Int64) -> Fraction:
    """Seconds of one layer's steps, exactly: int64[N] blocks read, produced, found in the fast tier and stored there."""
    memory, home, fast = question.memory, question.home, question.fast
    counts = [column.astype(object)[:, None] for column in (reads - hits, births, stores)]
    rows = [memory.read[home], memory.write[home], memory.write[fast]]
    moved = sum(count * row.astype(object) for count, row in zip(counts, rows, strict=True))
    loads = question.fixed.astype(object) + question.block_bytes * moved
    sides = np.concatenate([loads, question.block_bytes * hits.astype(object)[:, None]], axis=1)
    over, under = SplitProgram(memory.rates.tolist(), [memory.read.tolist()]).times(sides)
    least = Fraction(question.floor)
    sums: dict[int, int] = {}  # denominator to numerators, so that few fractions are added
    for top, bottom in zip(over, under, strict=True):
        if top * least.denominator < least.numerator * bottom:
            top, bottom = least.as_integer_ratio()
        sums[bottom] = sums.get(bottom, 0) + top
    return sum((Fraction(top, bottom) for bottom, top in sums.items()), Fraction(0))


def _turns_of(chunks: Iterator[Chunk]) -> Iterator[tuple[Int64, Int64]]:
    """(stored, dropped) of every turn, none after the last chunk."""
    for chunk in chunks:
        ends = [np.cumsum(counts).tolist() for counts in (chunk.stores, chunk.drops)]
        lows = [0, 0]
        for highs in zip(*ends, strict=True):
            yield chunk.stored[lows[0] : highs[0]], chunk.dropped[lows[1] : highs[1]]
            lows = list(highs)
    yield from _no_moves()


def _no_moves() -> Iterator[tuple[Int64, Int64]]:
    nothing = np.zeros(0, dtype=np.int64)
    while True:
        yield nothing, nothing


class _ByTurn:
    """The blocks that each turn produces."""

    def __init__(self, birth: Ids, turns: int) -> None:
        self._order = np.argsort(birth, kind="stable")
        self._ends = np.searchsorted(birth[self._order], np.arange(turns + 1)).tolist()

    def at(self, turn: int) -> Int64:
        return self._order[self._ends[turn] : self._ends[turn + 1]]
