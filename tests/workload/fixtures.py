"""A small whole file of each format that can be imported, for what mutates them: one entry for each name in `READERS`."""

from __future__ import annotations

import io
import struct

import numpy as np

_MOONCAKE = (
    b'{"timestamp": 0, "input_length": 1024, "output_length": 5, "hash_ids": [1, 2]}\n'
    b'{"timestamp": 27.5, "input_length": 1100, "output_length": 5, "hash_ids": [1, 2, 9], "priority": "x"}\n'
    b'{"timestamp": 30, "input_length": 512.0, "hash_ids": [18446744073709551615]}\n'
)
_BAILIAN = (
    b'{"chat_id": 7, "parent_chat_id": -1, "timestamp": 1.5, "input_length": 40, "type": "text", "hash_ids": [5, 6, 7]}\n'
    b'{"chat_id": 8, "parent_chat_id": 7, "timestamp": 2, "input_length": 16, "hash_ids": [5]}\n'
)
_LMCACHE = (
    b'{"timestamp": 1.5, "model_name": "m", "chunk_size": 256, "seq_len": 600, "shapes": [[2]], "chunk_hashes": ["aa", "b"]}\n'
    b'{"timestamp": 2.5, "model_name": "m", "chunk_size": 256, "seq_len": 256, "chunk_hashes": ["\\u0061a"]}\n'
)
_AGENTIC = (
    b'{"id": "s", "block_size": 64, "hash_id_scope": "local", "requests": [{"t": 0.0, "in": 130, "hash_ids": [1, 2]},\n'
    b' {"t": 5, "requests": [{"t": 0.5, "in": 64, "hash_ids": [1]}]}]}'
)
_SELECTIONS = (
    b'{"request_id": "r", "layer_id": 0, "seq_len_current": 100, "selected_token_pos": [3, 50, 99]}\n'
    b'{"request_id": "r", "layer_id": 1, "seq_len_current": 101, "selected_token_pos": []}\n'
    b'{"request_id": "r", "layer_id": 0, "seq_len_current": 101, "selected_token_pos": [99, 3]}\n'
)
_LENGTHS = (
    b"TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\n2023-11-16 18:17:04.0319600,3180,8\n"
    b"2023-11-16 18:17:05,110,27\n"
)
_AIPERF = (
    b'{"session_id": "s", "timestamp": 100, "input_length": 600, "hash_ids": [0, 1]}\n'
    b'{"session_id": "s", "delay": 500, "input_length": 1100, "hash_ids": [0, 1, 2]}\n'
)


_KV_EVENTS = (
    b'{"ts": 1.5, "events": [{"type": "BlockStored", "block_hashes": [11, 12], "parent_block_hash": null, "block_size": 16,'
    b' "token_ids": [1, 2], "medium": "GPU"}]}\n'
    b'[2.5, [["BlockStored", [13], 12, [], 16, null, "GPU"], ["BlockRemoved", [11], "GPU"]], null]\n'
)


def _csr() -> bytes:
    """Three reads of two steps."""
    stream = io.BytesIO()
    np.savez(stream, indptr=np.array([0, 2, 3], dtype=np.int16), indices=np.array([7, 3, 3], dtype=np.int16))
    return stream.getvalue()


def _npy() -> bytes:
    """Three rows of step and block."""
    stream = io.BytesIO()
    np.save(stream, np.array([[0, 7], [0, 3], [1, 3]], dtype=np.int16))
    return stream.getvalue()


#: Formats that are read in a process of their own, a second for each file: `test_arrays_and_tables.py` damages theirs.
APART = {"parquet"}
#: Name of a format -> how its file's name ends, what is in it.
FIXTURES: dict[str, tuple[str, bytes]] = {
    "mooncake": (".jsonl", _MOONCAKE),
    "bailian": (".jsonl", _BAILIAN),
    "lmcache": (".jsonl", _LMCACHE),
    "agentic": (".json", _AGENTIC),
    "selections": (".jsonl", _SELECTIONS),
    "access-csv": (".csv", b"step,block,layer,rw,bytes\n0,a,0,w,8\n0,17,1,r,16\n1,a,0,r,8\n1,17,1,R,16\n"),
    "lengths": (".csv", _LENGTHS),
    "reads-csv": (".csv", b'n,l,read_kv\n2,0,"[0,1]"\n2,1,[1]\n3,0,"[0, 2]"\n3,1,"[]"\n4,0,"[3]"\n'),
    "oracle-general": (".oracleGeneral", b"".join(struct.pack("<IQIq", t, 2**63 + t % 2, 64, -1) for t in range(4))),
    "aiperf": (".jsonl", _AIPERF),
    "kv-events": (".kvevents.jsonl", _KV_EVENTS),
    "libcachesim-csv": (".csv", b"time,obj_id,obj_size,next_access_vtime\n0,a,8,2\n0,17,16,-1\n1,a,8,-1\n"),
    "npz-csr": (".npz", _csr()),
    "npy": (".npy", _npy()),
}
