"""From a log of requests to a trace: what all formats share whose records name the blocks of a prompt by hashes.

A step is a request, in order of time (those of equal time in file order; all in file order where the log has no times): it
reads its blocks that exist, and produces the others. Equal ids stand for equal prefixes. The last block of a prompt may be
partial; ids tell no length, so it counts, like all others, as a whole block, read as a whole. What a request generates is in no
block, unless the format says so.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import replace
from os import PathLike
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError
from placement_opt.workload.formats.columns import Columns, Keys, columns_of
from placement_opt.workload.formats.ids import Ids, first_of
from placement_opt.workload.formats.lines import file_label
from placement_opt.workload.formats.records import read_many, repeated
from placement_opt.workload.served import Served
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.keep import Keep

#: Sizes of blocks that are proposed where a number of ids does not fit.
_USUAL = (16, 32, 64, 128, 256, 512, 1024, 2048)


class Requests:
    """All requests in file order; a few bytes each, for a small file can hold millions.

    Parameters
    ----------
    unit
        Of the times: "ms" or "s".
    length
        Name of the key that has the prompt's tokens, for messages.
    """

    def __init__(self, unit: str, length: str = "input_length") -> None:
        self.unit, self.length = unit, length
        self.time: array[float] = array("d")
        self.whole = bytearray()  # whether the file has the time as a whole number
        self.blocks: array[int] = array("q")  # how many each has
        self.ids = Ids()  # of the blocks of all
        self.prompt: array[int] = array("i")  # tokens of each
        self.answer: array[int] = array("i")  # tokens that each generated; 0 where the log does not say
        self.tokens: int | None = None  # in a block
        self._kind: type | None = None
        self._partial: bool | None = None  # whether partial last blocks have ids
        self._timed: tuple[bool, bool] | None = None

    def note(self, prompt: int, answer: int = 0) -> None:
        """Tokens of the prompt and of the answer of the request that is added next."""
        self.prompt.append(prompt)
        self.answer.append(answer)

    def note_many(self, prompt: Int64, answer: Int64) -> None:
        """Likewise of many."""
        self.prompt.frombytes(prompt.astype(np.intc).tobytes())
        self.answer.frombytes(answer.astype(np.intc).tobytes())

    def add(self, time: float | None, ids: list[int | str], *, field: str = "hash_ids", date: bool = False) -> None:
        """One more request: its time, where the log has any (``date``: written as one), and the ids of its blocks, in order."""
        self._kind = self._kind or (type(ids[0]) if ids else None)
        if ids and type(ids[0]) is not self._kind:
            raise InputError("found whole numbers and texts mixed", "expected ids of one kind", field=field)
        self._begin(time, len(ids), date)
        self.ids.extend(ids)

    def add_fresh(self, time: float | None, blocks: int, *, date: bool = False) -> None:
        """One more request of a log without ids: none of its blocks is another's."""
        self._begin(time, blocks, date)
        self.ids.extend_fresh(blocks)

    def add_fresh_many(self, time: npt.NDArray[np.float64] | None, blocks: npt.NDArray[np.int64], *, date: bool) -> bool:
        """As :meth:`add_fresh` many times; False where times are not as before, and then none was added."""
        timed = (time is not None, date)
        if self._timed not in (None, timed):
            return False
        begin, many = len(self.time), len(blocks)
        self.time.frombytes((np.arange(begin, begin + many, dtype=np.float64) if time is None else time).tobytes())
        self.whole.extend(bytes(many))
        self.blocks.frombytes(blocks.tobytes())
        self.ids.extend_fresh(int(blocks.sum()))
        self._timed = timed
        return True

    def add_many(self, found: Columns | None) -> bool:
        """Many requests at once; False where any of them has to be looked at by itself, and then none was added.

        What is added is what :meth:`add` would have added after all checks but one, :meth:`check_repeats`.
        """
        if found is None:
            return False
        timed, kind = (found.time is not None, False), self._kind or found.kind
        if self._timed not in (None, timed) or self.tokens not in (None, found.tokens) or found.kind not in (None, kind):
            return False
        some, partial = found.length % found.tokens > 0, found.counts == found.length // found.tokens + 1
        likewise = bool(partial[some][0]) if some.any() and self._partial is None else self._partial
        if not ((found.counts - found.length // found.tokens == partial & some) & (~some | (partial == likewise))).all():
            return False
        begin, many = len(self.time), len(found.counts)
        self.time.frombytes((np.arange(begin, begin + many, dtype=np.float64) if found.time is None else found.time).tobytes())
        self.whole.extend(found.whole)
        self.blocks.frombytes(found.counts.tobytes())
        self.note_many(found.length, found.answer)
        if isinstance(found.ids, array):
            self.ids.extend_whole(found.ids)
        else:
            self.ids.extend(found.ids)
        self._timed, self._kind, self._partial, self.tokens = timed, kind, likewise, found.tokens
        return True

    def check_repeats(self, field: str = "hash_ids") -> None:
        """Each id once in a request: of all so far, where a request is a line; called at the end, and before another error."""
        if not len(self.ids):
            return
        request = np.repeat(np.arange(len(self.blocks)), np.frombuffer(self.blocks, dtype=np.int64))
        keys = (request << 32) | self.ids.numbers()
        ordered = np.sort(keys)
        twice = ordered[1:][ordered[1:] == ordered[:-1]]
        if len(twice):
            raise repeated(self.ids.value(int(np.argmax(keys == twice[0]))), field).at(line=int(twice[0] >> 32) + 1)

    def _begin(self, time: float | None, blocks: int, date: bool) -> None:
        timed = (time is not None, date)
        if self._timed not in (None, timed):
            raise InputError(f"found {_WHEN[timed]} after {_WHEN[self._timed]}", "expected all alike", field="timestamp")
        self._timed = timed
        self.time.append(len(self.time) if time is None else time)
        self.whole.append(type(time) is int)
        self.blocks.append(blocks)

    def check_size(self, tokens: int, field: str = "block_size") -> None:
        """Blocks have one size throughout a log."""
        if self.tokens not in (None, tokens):
            found = f"found blocks of {tokens} tokens after some of {self.tokens}"
            raise InputError(found, "expected one size", field=field)
        self.tokens = tokens

    def check_count(self, ids: int, length: int, *, field: str = "hash_ids", fixed: bool = False) -> None:
        """As many ids as the prompt has blocks, partial last ones counted throughout or not at all.

        ``fixed``: the log itself says how large blocks are, so that no other size is proposed.
        """
        size = self.tokens
        assert size is not None
        full, some = divmod(length, size)
        partial = ids == full + 1
        if ids == full + (some > 0) * partial and (not some or self._partial in (None, partial)):
            self._partial = partial if some else self._partial
            return
        expected = f"{full + (some > 0)}"
        if some and self._partial is not None:
            expected = f"{full + self._partial}"
        elif some:
            expected += f", or {full} without a partial block"
        why = f"{self.length} {length} at {size} tokens a block"
        fits = [other for other in _USUAL if ids in (length // other, -(-length // other))]
        if fits and not fixed and size not in fits:
            why += f"; --block-tokens {fits[-1]} fits"
        elif some and self._partial is not None and ids in (full, full + 1):
            why += f"; earlier records {'have' if self._partial else 'leave out'} the partial block"
        raise InputError(f"found {ids} ids", f"expected {expected} ({why})", field=field)

    def trace(self, about: dict[str, Any], limit: int | None, keep: Keep | None) -> Trace:
        """The trace of the first requests in order of time; ``about`` begins its metadata."""
        timed = self._timed is not None and self._timed[0]
        if keep is not None and not timed:
            keep.check_untimed()
        times = np.frombuffer(self.time)
        taken = np.argsort(times, kind="stable")[:limit]
        about = about | ({"limit": limit} if limit else {}) | {"requests": len(taken)}
        if timed:
            about |= {
                f"first_{self.unit}": self._as_written(int(taken[0])),
                f"last_{self.unit}": self._as_written(int(taken[-1])),
                "distinct_times": len(np.unique(times[taken])),
            }
        else:
            about |= {"order": "file"}
        if self._partial is False:
            about |= {"partial_blocks": "left out"}
        trace = replace(self._assemble(taken, about), requests=self._served(taken, times))
        return trace if keep is None else keep.applied(trace, times[taken] / (1000.0 if self.unit == "ms" else 1.0))

    def _served(self, taken: Int64, times: npt.NDArray[np.float64]) -> Served | None:
        """The table of those requests, each let in and answered at its step; None where the log has no lengths."""
        if len(self.prompt) < len(self.time):
            return None
        first = times[taken[0]] if self._timed is not None and self._timed[0] else np.inf
        arrival = np.rint(np.maximum(times[taken] - first, 0.0) * (1e6 if self.unit == "ms" else 1e9))
        steps = np.arange(len(taken), dtype=np.int32)
        prompt, answer = (np.frombuffer(column, dtype=np.intc)[taken].astype(np.int64) for column in (self.prompt, self.answer))
        return Served(np.minimum(arrival, 2.0**61).astype(np.int64), steps, steps, steps, prompt, answer)

    def _assemble(self, taken: npt.NDArray[np.int64], about: dict[str, Any]) -> Trace:
        """Blocks in order of production, each request's ids split into those that exist and those it produces.

        ``taken``: int64[T], the numbers of the requests in order of time.
        """
        steps = len(taken)
        every, named = np.frombuffer(self.blocks, dtype=np.int64), self.ids.numbers()
        counts = every[taken]
        step = np.repeat(np.arange(steps), counts)
        ends = np.cumsum(counts)
        begins = ends - counts
        in_prompt = np.arange(len(step)) - np.repeat(begins, counts)
        if not np.array_equal(taken, np.arange(len(every))):
            named = named[in_prompt + np.repeat((np.cumsum(every) - every)[taken], counts)]
        first = first_of(named)
        new = np.zeros(len(named) + 1, dtype=bool)
        new[first] = True  # the last place is of numbers that no request taken has
        new = new[:-1]
        produced = np.cumsum(new)
        block = (produced - 1)[first[named]]
        old = np.flatnonzero(~new)
        keys = (step[old] << 32) | block[old]
        sort = slice(None) if (keys[1:] > keys[:-1]).all() else np.argsort(keys)
        reads = np.bincount(step[old], minlength=steps)
        new_before = produced[old] - np.concatenate([[0], produced])[begins][step[old]]  # within the same request
        return Trace(
            indptr=np.concatenate([[0], np.cumsum(reads)]).astype(np.int64),
            blocks=(keys[sort] & (2**32 - 1)).astype(np.int32),
            birth=step[new].astype(np.int32),
            death=np.full(int(new.sum()), steps, dtype=np.int32),
            size=np.array([self.tokens], dtype=np.int64),
            size_unit="tokens",
            position=in_prompt[old][sort].astype(np.int32),
            meta=about | {"reads_after_new": int(np.count_nonzero(new_before))},
        )

    def _as_written(self, number: int) -> float:
        """The time of a request, whole where the file has it so."""
        time = self.time[number]
        return int(time) if self.whole[number] else time


_WHEN = {(True, False): "a number", (True, True): "a date", (False, False): "no time"}


class Others(Protocol):
    """What a format takes of its records besides the requests."""

    def fit(self, records: list[dict[str, Any]]) -> bool:
        """Whether all of them are usual, so that :meth:`note` will not complain."""
        ...

    def note(self, records: list[dict[str, Any]]) -> None:
        """Take it; InputError for what is wrong with the first that is not as it should be."""
        ...


def take(
    path: str | PathLike[str],
    requests: Requests,
    keys: Keys,
    tokens: int | None,
    add: Callable[[dict[str, Any]], None],
    others: Others | None = None,
) -> set[str]:
    """All records of a JSONL log as requests, many at a time where they are usual; the keys that they have.

    Parameters
    ----------
    path, requests
        The log, and where its requests go.
    keys, tokens
        Of the records; tokens in a block where these do not say.
    add
        Checks one record and adds it to ``requests``: it says what many at once must come to.
    others
        What else is taken of each record.

    Raises
    ------
    InputError
        With the line: what ``add`` and ``others`` raise, and as :func:`placement_opt.workload.formats.records.read_records`.
    """
    seen: set[str] = set()
    try:
        for records in read_many(path):
            objects = records.objects
            usual = objects is not None and (others is None or others.fit(objects))
            if objects is not None and usual and requests.add_many(columns_of(records, keys, tokens)):
                seen.update(*objects)
                if others is not None:
                    others.note(objects)
                continue
            for line, record in records.one_by_one(path):
                try:
                    add(record)
                    if others is not None:
                        others.note([record])
                except InputError as error:
                    raise error.at(line=line) from None
                seen.update(record)
    except InputError:
        requests.check_repeats(keys.ids)  # of earlier lines
        raise
    requests.check_repeats(keys.ids)
    return seen


def provenance(name: str, path: str | PathLike[str], tokens: int | None, unused: set[Any]) -> dict[str, Any]:
    """How the metadata of an imported log begins."""
    return {"format": name, "file": file_label(path), "block_tokens": tokens, "unused_keys": sorted(unused)}
