"""Small files that would take much: what is made of them, in a process whose peak memory is looked at.

``python -m tests.workload.bombs FOLDER`` reads what :func:`made` put there; a line for each: name, outcome, KiB of memory at
the most until then, seconds of the processor.
"""

from __future__ import annotations

import gzip
import io
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from placement_opt.base.errors import PlacementError
from placement_opt.workload.files.npz import load_trace
from placement_opt.workload.formats.detect import read_any
from placement_opt.workload.trace import Trace

_RECORD = b'{"timestamp": 0, "input_length": 512, "hash_ids": [%s]}\n'


def _packed(data: bytes, times: int, head: bytes = b"") -> bytes:
    """Many times the same, packed without ever being whole."""
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0, compresslevel=1) as file:
        file.write(head)
        for _ in range(times):
            file.write(data)
    return out.getvalue()


def _npz(steps: int) -> bytes:
    """A trace without reads of so many steps (a multiple of 2**17): rows of zeros, which pack well."""
    whole, out = io.BytesIO(), io.BytesIO()
    small = Trace.from_reads([[0]])
    members = {"schema": [1], "birth": small.birth, "death": small.death, "size": small.size, "blocks": small.blocks[:0]}
    header = b'{"arrays":[],"meta":{},"share_base":1,"size_unit":"bytes"}'
    np.savez(whole, header=np.frombuffer(header, dtype=np.uint8), **members)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for info in source.infolist():
            archive.writestr(info.filename, source.read(info))
        with archive.open("indptr.npy", "w", force_zip64=True) as member:
            about = b"{'descr': '<i8', 'fortran_order': False, 'shape': (%d,), }" % steps
            member.write(b"\x93NUMPY\x01\x00" + len(about).to_bytes(2, "little") + about)
            for _ in range(steps // 2**17):
                member.write(bytes(2**20))
    return out.getvalue()


def _many(mark: bytes, size: int) -> bytes:
    return ((mark + b",") * (size // (len(mark) + 1)))[:-1]


#: Name -> how the file ends, how it is made.
BOMBS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "gzip of zeros": (".jsonl.gz", lambda: _packed(bytes(2**20), 256)),
    "gzip of one record": (".jsonl.gz", lambda: _packed(_RECORD % b"1" * 2**12, 256)),
    "gzip of empty requests": (".jsonl.gz", lambda: _packed(b'{"input_length":0,"hash_ids":[]}\n' * 2**14, 64)),
    "gzip of rows": (".csv.gz", lambda: _packed(b"0,1\n" * 2**18, 64, b"step,block\n")),
    "endless line": (".jsonl", lambda: b'{"hash_ids": "' + b"x" * 2**25),
    "endless row": (".csv", lambda: b"step,block\n0," + b"x" * 2**25),
    "endless header": (".csv", lambda: b"step,block," + b"x" * 2**25),
    "nested lists": (".jsonl", lambda: b'{"hash_ids": ' + b"[" * 2**23),
    "nested tables": (".jsonl", lambda: b'{"hash_ids": ' + b'{"a":' * 2**20),
    "lists in a list": (".jsonl", lambda: _RECORD % _many(b"[]", 2**23 - 99)),
    "tables in a list": (".jsonl", lambda: _RECORD % _many(b"{}", 2**23 - 99)),
    "texts in a list": (".jsonl", lambda: _RECORD % _many(b'"ab"', 2**23 - 99)),
    "numbers in a list": (".jsonl", lambda: _RECORD % _many(b"12345678", 2**23 - 99)),
    "a huge number": (".jsonl", lambda: _RECORD % (b"9" * (2**23 - 99))),
    "a huge time": (".jsonl", lambda: (_RECORD % b"1").replace(b": 0", b": 1e999")),
    "ids of a megabyte": (".jsonl", lambda: b"".join(_RECORD % (b'"%d%s"' % (n, b"x" * 2**20)) for n in range(32))),
    "lists of an agentic session": (".json", lambda: b'{"requests": [%s]}' % _many(b"[]", 2**25)),
    "blocks of a length": (".csv", lambda: b"input_length\n2147483647\n" * 2),
    "a long prefill": (".csv", lambda: b'n,l,read_kv\n16777215,0,"[]"\n16777215,1,"[]"\n16777215,2,"[]"\n'),
    "a read of all": (".csv", lambda: b'n,l,read_kv\n16777215,0,"[%s]"\n' % _many(b"1", 2**25)),
    "a long sequence": (
        ".jsonl",
        lambda: b'{"request_id": 1, "layer_id": 0, "seq_len_current": 2147483647, "selected_token_pos": [2147483646, 5]}\n',
    ),
    "an archive of zeros": (".npz", lambda: _npz(2**25)),
}


def made(folder: Path) -> None:
    """Every file, by its number."""
    for number, (ending, make) in enumerate(BOMBS.values()):
        (folder / f"{number}{ending}").write_bytes(make())


def peak() -> int:
    """KiB of memory at the most since this program began (a process's own count would include that of its parent)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def outcomes(folder: Path) -> Iterator[tuple[str, str, int, float]]:
    """Of each file: its name, what became of it, KiB of the process's peak and seconds."""
    for number, (name, (ending, _)) in enumerate(BOMBS.items()):
        path, began = folder / f"{number}{ending}", time.process_time()
        try:
            trace = load_trace(path) if ending == ".npz" else read_any(path)
            text = f"a trace of {trace.num_steps} steps and {trace.num_blocks} blocks"
        except PlacementError as error:
            text = f"refused: {str(error).removeprefix(str(path))[:160]}"
        yield name, text, peak(), time.process_time() - began


if __name__ == "__main__":
    for row in outcomes(Path(sys.argv[1])):
        print("\t".join(map(str, row)), flush=True)
