"""Memory systems as TOML: files of one's own, the presets, and the overrides of an instance.

The form, with the keys that most systems have (those from ``efficiency`` on may be left out; presets have ``source`` and
``date``); docs/formats.md has those of dies, engines, and of what is assumed or left to the user as well::

    schema = 1
    name = "two"
    processor = "gpu"             # the node where reads end
    [tiers.hbm]
    capacity = "80 GiB"           # or "unlimited"
    usable = "79 GiB"             # what the driver leaves of it, which then is what counts; all where it is not given
    rate = "3.35 TB/s"            # shared by reads and writes; or read_rate and write_rate
    efficiency = 0.9              # of the datasheet's rates, in (0, 1], taken as the decimal that is written
    at = "gpu"                    # the node the tier hangs on
    source = "datasheet of ..."   # where the numbers come from
    date = "2024-03"              # and from when: YYYY, YYYY-MM or YYYY-MM-DD
    page = "16 KiB"               # what is read, written or copied is rounded up to multiples; 1 B where it is not given
    read_iops = "1.5M IOPS"       # requests a second, one for each block; and write_iops, or one shared iops for both
    compute.rate = "2 TB/s"       # attends where blocks lie: KV processed; without it, as fast as the tier reads
    compute.result = "1/64"       # bytes of result that leave the tier for each byte of KV
    compute.energy = "1 pJ/bit"   # of the KV processed, beside that of reading it
    read_energy = "3 pJ/bit"      # at the tier's cells; and write_energy, or one energy for both
    background_power = "2 W"      # refresh and leakage, whatever is read
    endurance = "100000 cycles"   # that each byte can be programmed
    write_amplification = 1.5     # bytes programmed for each byte written; 1 where it is not given
    [tiers.dram]
    capacity = "480 GiB"
    rate = "500 GB/s"
    at = "host"
    [links.c2c]
    from = "host"
    to = "gpu"
    up.rate = "450 GB/s"          # from -> to; down is the way back; or one shared rate for both
    down.rate = "450 GB/s"
    energy = "10 pJ/bit"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from placement_opt.base.errors import InputError, shown
from placement_opt.base.given import check_kind
from placement_opt.base.toml import Table, as_text, nearest, read_toml
from placement_opt.memory.link_keys import override_engine, override_link, read_engine, read_link
from placement_opt.memory.required import check_given, read_required
from placement_opt.memory.routes import build_memory
from placement_opt.memory.system import Engine, Link, MemorySystem, Outside, Tier
from placement_opt.memory.tier_keys import as_efficiency, override_tier, read_tier

__all__ = ["as_efficiency", "load_memory", "override", "preset", "preset_names", "preset_with_required"]

SCHEMA = 1
_PRESETS = Path(__file__).parent / "presets"


def load_memory(path: str | Path, overrides: Mapping[str, Any] | Table | None = None) -> MemorySystem:
    """The memory system of a TOML file; docs/formats.md describes the keys.

    Parameters
    ----------
    path
        The file.
    overrides
        Numbers in place of the file's, by the dotted keys of an instance's memory table, such as "hbm.capacity".

    Returns
    -------
    MemorySystem
        Rates in bytes/s, capacities in bytes.

    Raises
    ------
    InputError
        Names the file, the line and the key of what is wrong; the file leaves a number to its user and it is not given.

    Examples
    --------
    >>> from pathlib import Path
    >>> text = '''schema = 1
    ... name = "one tier"
    ... processor = "gpu"
    ... tiers.hbm = { capacity = "80 GB", rate = "3 TB/s", at = "gpu" }'''
    >>> written = Path("mine.toml").write_text(text)
    >>> po.load_memory("mine.toml"), po.load_memory("mine.toml", {"hbm.rate": "4 TB/s"}).rates.tolist()
    (MemorySystem(one tier: hbm), [4000000000000])
    """
    memory, required = _read(path)
    table = overrides if isinstance(overrides, Table | None) else Table({}, Path(path), "", {}).overridden(overrides)
    check_given(memory.name, required, table)
    return memory if table is None else override(memory, table)


def _read(path: str | Path) -> tuple[MemorySystem, tuple[str, ...]]:
    """The system of a file and the keys that it leaves to its user, which have some number in it meanwhile."""
    root = read_toml(path)
    root.need("schema", _as_schema)
    name, processor = root.need("name", as_text), root.need("processor", as_text)
    required = read_required(root)
    tiers = [read_tier(key, table) for key, table in _tables(root, "tiers")]
    links = [read_link(key, table) for key, table in _tables(root, "links")]
    engines = [read_engine(key, table) for key, table in _tables(root, "engines")]
    root.finish()
    return _build(name, processor, tiers, links, engines, root, strip=False), required


def preset_names() -> tuple[str, ...]:
    """Names of the memory systems that come with the package, sorted."""
    return tuple(sorted(path.stem for path in _PRESETS.glob("*.toml")))


def preset(name: str, overrides: Mapping[str, Any] | Table | None = None) -> MemorySystem:
    """A memory system that comes with the package; each number of it has its source and date in the file.

    Parameters
    ----------
    name
        Such as "gh200"; ``placement-opt memory list`` names them all.
    overrides
        Numbers in place of the preset's, as for :func:`load_memory`.

    Returns
    -------
    MemorySystem
        Rates in bytes/s, capacities in bytes.

    Raises
    ------
    InputError
        There is none of that name; names the nearest. A number that it leaves to its user is not given.

    Examples
    --------
    >>> po.preset("gh200"), po.preset("gh200", {"hbm.capacity": "96 GB"}).tiers[0].capacity
    (MemorySystem(gh200: hbm, lpddr), 96000000000)
    """
    return load_memory(_preset_path(name), overrides)


def preset_text(name: str) -> str:
    """The file of a preset, to be changed and named as ``[memory] file``."""
    return _preset_path(name).read_text(encoding="utf-8")


def preset_with_required(name: str) -> tuple[MemorySystem, tuple[str, ...]]:
    """A preset and the keys that it leaves to its user, of which the numbers in it mean nothing."""
    return _read(_preset_path(name))


def _preset_path(name: str) -> Path:
    check_kind(name, str, "the name of a preset", field="preset")
    if name not in preset_names():
        raise InputError(f"found no preset {shown(name)}", nearest(name, preset_names()), field="preset")
    return _PRESETS / f"{name}.toml"


def override(memory: MemorySystem, table: Table, to_bytes: Callable[[str, Any], int] | None = None) -> MemorySystem:
    """A memory system with some numbers replaced.

    Parameters
    ----------
    memory
        The system as its file has it.
    table
        The keys of tiers, links and engines in memory files without what names or joins them (``at``, ``from``, ``to``, ``on``,
        ``source``, ``date``, ``assumed``), each after the name of its owner: ``hbm.capacity``, ``c2c.up.rate``. Numbers are of
        one die or channel, as in files. Shared or one rate for each way is as the file has it: ``rate`` sets both ways where
        they are separate, and one way alone cannot be set where they share a rate. What follows from times or cores does so
        from the new ones. Pages, requests, computing, energies and wear may be set where the file has none.
        Other keys that the caller has read from the table before (``preset``, ``file``) are left alone.
    to_bytes
        (tier, value of its capacity) -> bytes. Without it a capacity in tokens, blocks or per cent leaves the tier's as it is.

    Raises
    ------
    InputError
        An unknown tier, link or key, with the nearest known one; a value that does not fit.
    """
    tiers = [override_tier(tier, table.table(tier.name), to_bytes) for tier in memory.tiers]
    links = [override_link(link, table.table(link.name)) for link in memory.links]
    engines = [override_engine(engine, table.table(engine.name)) for engine in memory.engines]
    table.finish()
    return _build(memory.name, memory.processor, tiers, links, engines, table, memory.outside, strip=True)


def _tables(root: Table, key: str) -> list[tuple[str, Table]]:
    """The sub-tables of one key, in file order; none if the key is missing."""
    outer = root.table(key)
    if outer is None:
        return []
    found = []
    for name in outer.keys():  # noqa: SIM118 - a Table, not a dict
        inner = outer.table(name)
        if inner is not None:
            found.append((name, inner))
    return found


def _build(
    name: str,
    processor: str,
    tiers: list[Tier],
    links: list[Link],
    engines: list[Engine],
    table: Table,
    outside: tuple[Outside, ...] = (),
    *,
    strip: bool,
) -> MemorySystem:
    """build_memory, with the line of what it complains of; ``strip``: the table's keys are the names of tiers and links."""
    try:
        return build_memory(name, processor, tiers, links, outside, engines)
    except InputError as error:
        field = error.field or ""
        if strip:
            field = field.removeprefix("tiers.").removeprefix("links.").removeprefix("engines.")
        raise table.error(field, error.found, error.expected) from None


def _as_schema(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value != SCHEMA:
        raise InputError(f"found {shown(value)}", f"expected {SCHEMA}, the form that this version reads")
    return SCHEMA
