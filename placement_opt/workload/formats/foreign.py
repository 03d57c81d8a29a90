"""Files that are known and are no traces: prompts in words, whose blocks nobody knows. Each is refused with the way out."""

from __future__ import annotations

from placement_opt.base.errors import InputError

_OUT = "expected ids of blocks (what a server looks up or stores, such as LMCache's log), or lengths (--format lengths)"
#: Keys that the beginning of a file has, all of them -> what it is.
_FILES = (
    ((b'"captureData"', b'"eventMetadata"'), "SageMaker's data capture"),
    ((b'"conversations"',), "conversations as ShareGPT has them"),
    ((b'"payloads"', b'"session_id"'), "AIPerf's inputs.json"),
    ((b'"turns"', b'"session_id"'), "AIPerf's multi-turn conversations"),
)


def check_foreign(head: bytes) -> None:
    """InputError for a file that begins as one of these; others are none of its business."""
    if not head.startswith((b"{", b"[")) or b'"hash_ids"' in head or b'"input_length"' in head:
        return
    for keys, name in _FILES:
        if all(key in head for key in keys):
            raise InputError(f"found {name}, whose prompts are texts", _OUT, line=1)
