"""Numbers that a memory file leaves to its user, because nobody has published them: ``required = ["hbf.read_time"]``.

Such a file can be read and looked at, and nothing can be asked of it before an instance's memory table (or whoever calls) has
given them.
"""

from __future__ import annotations

from typing import Any

from placement_opt.base.errors import InputError, shown
from placement_opt.base.toml import Table

#: What stands for a number until it is given: something that is read; nobody sees it.
_MEANWHILE: dict[str, Any] = {
    **dict.fromkeys(("capacity", "page"), "4 KiB"),
    **dict.fromkeys(("rate", "read_rate", "write_rate"), "1 GB/s"),
    **dict.fromkeys(("iops", "read_iops", "write_iops"), "1M IOPS"),
    **dict.fromkeys(("read_time", "program_time", "page_time"), "1 us"),
    **dict.fromkeys(("dies", "planes", "cores", "channels", "result", "ratio"), 1),
    **dict.fromkeys(("energy", "read_energy", "write_energy"), "1 pJ/bit"),
    "endurance": "1 cycles",
    "background_power": "1 W",
}


def read_required(root: Table) -> tuple[str, ...]:
    """The keys that the file leaves to its user, which get a value meanwhile; InputError for what cannot be left."""
    keys = root.get("required", _as_keys) or ()
    for key in keys:
        owner, _, last = key.partition(".")
        inside = [what for what in ("tiers", "links", "engines") if owner in (root.data.get(what) or {})]
        last = last.rpartition(".")[2]
        if not inside or last not in _MEANWHILE:
            expected = 'expected a number of a tier, link or engine of this file, such as "flash.read_time"'
            raise root.error("required", f"found {shown(key)}", expected)
        if _holds(root.data[inside[0]], key):
            raise root.error(f"{inside[0]}.{key}", f"found {key}, which is left to the user", "expected one of the two")
        root.override(f"{inside[0]}.{key}", _MEANWHILE[last])
    return keys


def check_given(name: str, required: tuple[str, ...], table: Table | None) -> None:
    """Refuse a system of which a number is still to be given, naming its key."""
    for key in required:
        if table is None:
            found = f"found no {key}, which {name} leaves to its user"
            raise InputError(found, f"expected it in the memory table of an instance, or --set {key}=VALUE", field="memory")
        if not _holds(table.data, key):
            raise table.error(key, f"found nothing, and {name} leaves it to its user", "expected this key")


def _holds(data: Any, key: str) -> bool:
    for part in key.split("."):
        if not isinstance(data, dict) or part not in data:
            return False
        data = data[part]
    return True


def _as_keys(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(key, str) for key in value) or len(set(value)) < len(value):
        raise InputError(f"found {shown(value)}", 'expected keys such as ["flash.read_time"], each once')
    return tuple(value)
