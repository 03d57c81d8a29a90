"""Rows of the ``selections`` format being written, packed or not by the ending of the file, with where they come from."""

from __future__ import annotations

import gzip
import importlib
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from os import PathLike, fspath
from typing import IO, Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from placement_opt.base.arrays import Int64
from placement_opt.base.atomic import atomic_file
from placement_opt.base.errors import InputError
from placement_opt.base.json import dump_json

#: How names of files of selections end.
ENDINGS = (".jsonl", ".jsonl.gz", ".jsonl.zst")
#: A weight of 1 in the rows.
ONE = 1_000_000


@dataclass(frozen=True, eq=False)
class Row:
    """What a layer reads at a token.

    Attributes
    ----------
    request, step, layer
        The name of the request, the decoded token from 0, the layer.
    length
        Tokens of the sequence, the decoded one included.
    tokens
        int64[n], ascending: the positions read.
    weights
        float64[n]: the share of the layer's attention (mean of heads) that each has.
    left
        What any page that is not read has at most; 0 where there is none.
    """

    request: int | str | None
    step: int
    layer: int
    length: int
    tokens: Int64
    weights: npt.NDArray[np.float64]
    left: float

    def part(self, kept: npt.NDArray[np.bool_], left: float) -> Row:
        """The same with some of its tokens, bool[n], alone."""
        return replace(self, tokens=self.tokens[kept], weights=self.weights[kept], left=left)


class Rows:
    """A file of selections that is open for writing; the first row gets ``about`` under the key ``capture``."""

    def __init__(self, stream: IO[bytes], about: Mapping[str, Any]) -> None:
        self._stream, self._about = stream, {"capture": about}

    def add(self, row: Row, *, weights: bool = False) -> None:
        """Write a row; weights, where they are wanted, in millionths."""
        said = {"request_id": row.request, "step_idx": row.step, "layer_id": row.layer, "seq_len_current": row.length}
        said |= {"selected_token_pos": row.tokens.tolist()}
        if weights:
            said["selected_weight_ppm"] = np.rint(row.weights * ONE).astype(np.int64).tolist()
            said["unselected_weight_ppm"] = round(row.left * ONE)
        self._stream.write(dump_json(self._about | said).encode("ascii") + b"\n")
        self._about = {}


@contextmanager
def written_rows(path: str | PathLike[str], about: Mapping[str, Any]) -> Iterator[Rows]:
    """Rows to add to; the file takes its place when the block ends. Equal rows give equal bytes.

    Raises
    ------
    InputError
        An ending that is none of ``ENDINGS``, zstd where nothing packs it, a place that cannot be written to.
    """
    check_ending(path)
    with atomic_file(path) as raw, _packed(raw, fspath(path)) as stream:
        yield Rows(stream, about)


def check_ending(path: str | PathLike[str], others: tuple[str, ...] = ()) -> None:
    """InputError unless the name ends as selections, or as ``others``, do, or where what packs it is not there."""
    name = fspath(path)
    if not name.endswith((*ENDINGS, *others)):
        raise InputError(f"found {name[-60:]!r}", f"expected a name that ends in {', '.join((*others, *ENDINGS))}", field="-o")
    if name.endswith(".zst"):
        _zstd()


@contextmanager
def _packed(raw: BinaryIO, name: str) -> Iterator[IO[bytes]]:
    if name.endswith(".gz"):
        with gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as stream:
            yield cast(IO[bytes], stream)
    elif name.endswith(".zst"):
        module, inside = _zstd()
        packer = module.ZstdFile(raw, "wb") if inside else module.ZstdCompressor().stream_writer(raw, closefd=False)
        with io.BufferedWriter(packer) as buffered:
            yield buffered
    else:
        yield raw


def _zstd() -> tuple[Any, bool]:
    """What packs zstd, and whether that is Python's own module."""
    for module in ("compression.zstd", "zstandard"):
        try:
            return importlib.import_module(module), module != "zstandard"
        except ImportError:
            continue
    found = "found zstd, which nothing here packs"
    raise InputError(found, "expected the package zstandard (or Python 3.14; or a name that ends in .jsonl.gz)", field="-o")
