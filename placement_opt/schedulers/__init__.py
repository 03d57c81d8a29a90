"""Schedulers by name: ``make_scheduler("lru:scope=global")``. One policy a file; :data:`REGISTRY` is where a new one enters.

A policy is a dataclass derived from :class:`placement_opt.schedulers.base.Policy` whose fields are its options; its module is
imported when it is first asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, fields
from typing import TYPE_CHECKING, Any, cast

from placement_opt.base.errors import InputError, shown
from placement_opt.base.given import check_kind
from placement_opt.base.registry import Registry
from placement_opt.base.toml import nearest
from placement_opt.schedulers import theirs

if TYPE_CHECKING:
    from placement_opt.play.protocol import Scheduler
    from placement_opt.schedulers.base import Policy

__all__ = [
    "ASKED",
    "RECORDED",
    "REGISTRY",
    "Description",
    "Option",
    "as_scheduler",
    "describe",
    "make_scheduler",
    "name_of",
    "option_defaults",
    "split_spec",
]


#: Schedulers by name, in the order in which tables show them.
REGISTRY: Mapping[str, type[Policy]] = Registry(
    __name__,
    {
        "static": "static:Static",
        "reactive": "reactive:Reactive",
        "page": "page:Page",
        "sa": "sa:SA",
        "lru": "lru:LRU",
        "fifo": "fifo:FIFO",
        "mru": "classical.mru:MRU",
        "clock": "classical.clock:Clock",
        "sieve": "classical.sieve:Sieve",
        "lfu": "classical.lfu:LFU",
        "slru": "classical.slru:SLRU",
        "2q": "classical.two_q:TwoQ",
        "arc": "classical.arc:ARC",
        "car": "classical.car:CAR",
        "lirs": "classical.lirs:LIRS",
        "s3-fifo": "classical.s3_fifo:S3FIFO",
        "w-tinylfu": "classical.w_tinylfu:WTinyLFU",
        "gdsf": "classical.gdsf:GDSF",
        "random": "classical.random:Random",
        "prefix-lru": "classical.prefix_lru:PrefixLRU",
        "leaf-random": "classical.leaf_random:LeafRandom",
        "tail-lru": "tail_lru:TailLRU",
        # cascades
        "cascade": "cascade.cascade:Cascade",
        "inclusive-cascade": "cascade.inclusive:InclusiveCascade",
        "exclusive-cascade": "cascade.exclusive:ExclusiveCascade",
        "victim": "cascade.victim:Victim",
        "staged": "cascade.staged:Staged",
        "nth-hit": "cascade.nth_hit:NthHit",
        # servers
        "hicache": "serving.hicache:HiCache",
        "vllm-offload": "serving.vllm_offload:VllmOffload",
        "lmcache": "serving.lmcache:LMCache",
        "trtllm": "serving.trtllm:TrtLlm",
        "session": "serving.session:Session",
        "ttl": "serving.ttl:TTL",
        "vattention": "serving.vattention:VAttention",
        "all-slow": "all_slow:AllSlow",
        "flexgen": "flexgen:FlexGen",
        # attention
        "sinks": "attention.sinks:Sinks",
        "h2o": "attention.h2o:H2O",
        "snapkv": "attention.snapkv:SnapKV",
        "quest": "attention.quest:Quest",
        "hisparse": "attention.hisparse:HiSparse",
        # systems
        "keep": "systems.keep:Keep",
        "cxl-speckv": "systems.cxl_speckv:CXLSpecKV",
        "dynakv": "systems.dynakv:DynaKV",
        "kelle": "systems.kelle:Kelle",
        "sparse-dllm": "systems.sparse_dllm:SparseDLLM",
        "starc": "systems.starc:STARC",
        "next-tile": "systems.next_tile:NextTile",
        "zsmerge": "systems.zsmerge:ZSMerge",
        "corm": "systems.corm:CORM",
        "mec": "systems.mec:MEC",
        "kvmerger": "systems.kvmerger:KVMerger",
        # arXiv 2508.13231
        "rules": "rules.rules:Rules",
        "rules-ahead": "rules.rules:RulesAhead",
        # clairvoyant
        "lookahead": "lookahead:LookAhead",
        "mpc": "mpc:MPC",
        "belady": "belady:Belady",
        "belady-demand": "belady_demand:BeladyDemand",
        "belady-size": "belady_size:BeladySize",
        # ours
        "contender": "contender.contender:Contender",
        # programs
        "myopic": "myopic:Myopic",
        "lp-rounded": "lp_rounded:LpRounded",
        "optimised": "optimised:Optimised",
        "milp": "branch_and_bound:Milp",
    },
)
#: Those that ``regress`` records where nothing else is asked for.
RECORDED = (
    *("static", "reactive", "page", "sa", "lru", "fifo", "mru", "clock", "sieve", "lfu", "slru", "2q", "arc", "car", "lirs"),
    *("s3-fifo", "w-tinylfu", "gdsf", "random", "belady", "myopic", "lp-rounded", "optimised", "milp"),
)
#: Those that are asked for by their names alone, because they need a file.
ASKED: Mapping[str, type[Policy]] = Registry(__name__, {"recorded": "recorded:Recorded"})
_TYPES = {bool: "flag", int: "integer", float: "number", str: "text"}


@dataclass(frozen=True)
class Option:
    """One option of a scheduler.

    Attributes
    ----------
    key, default, text
        What it is called, what it is where nothing is said, and what it does.
    type
        "integer", "number", "text" or "flag", as the default is one.
    low, high
        The smallest and the largest number allowed; None: no limit.
    choices
        The words allowed, where only some are.
    """

    key: str
    default: int | float | str
    choices: tuple[str, ...]
    text: str
    type: str
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Description:
    """What the ``schedulers`` command says of one of them: what :class:`placement_opt.schedulers.base.Policy` declares."""

    name: str
    family: str
    online: bool
    by_position: bool
    requires: tuple[str, ...]
    source: str
    text: str
    options: tuple[Option, ...]


def make_scheduler(spec: str) -> Scheduler:
    """A scheduler by its name and options.

    Parameters
    ----------
    spec
        ``"name"`` or ``"name:key=value,key=value"``; ``placement-opt schedulers`` lists names, options and sources. One of
        your own is named by its file and class: ``"mine.py:MyPolicy:key=value"``; the file is run (docs/schedulers.md).

    Returns
    -------
    Scheduler
        A new one.

    Raises
    ------
    InputError
        An unknown name or option, with the nearest known one; a value that does not fit.

    Examples
    --------
    >>> lru = po.make_scheduler("lru:scope=global")
    >>> lru.name, lru.online
    ('lru:scope=global', True)
    """
    check_kind(spec, str, 'a name such as "lru" or "lru:scope=global"', field="scheduler")
    if theirs.file_of(spec) is not None:
        theirs_class, rest = theirs.from_file(spec)
        return theirs.made(theirs_class, _parse(spec, rest, theirs.option_kinds(theirs_class)) if rest else {}, spec)
    name, colon, rest = spec.partition(":")
    if name not in REGISTRY and name not in ASKED:
        if name in theirs.installed():
            theirs_class = theirs.from_package(name)
            return theirs.made(theirs_class, _parse(name, rest, theirs.option_kinds(theirs_class)) if colon else {}, spec)
        raise InputError(
            f"found scheduler {shown(name)}", nearest(name, [*REGISTRY, *ASKED, *theirs.installed()]), field="scheduler"
        )
    policy = REGISTRY[name] if name in REGISTRY else ASKED[name]
    given = _parse(name, rest, {one.name: type(one.default) for one in fields(policy)}) if colon else {}
    return cast("Scheduler", policy(**given))


def split_spec(spec: str) -> tuple[str, str]:
    """("name", ":key=value,...") of a scheduler's name, the options as they were written; "" without any."""
    if theirs.file_of(spec) is not None:
        options = theirs.from_file(spec)[1]
        return (spec, "") if options is None else (spec[: len(spec) - len(options) - 1], f":{options}")
    name, colon, rest = spec.partition(":")
    return name, f"{colon}{rest}"


def option_defaults(name: str) -> dict[str, Any]:
    """The options of a scheduler by its name without any, and their defaults; InputError for an unknown one."""
    make_scheduler(name)
    if name in REGISTRY or name in ASKED:
        return {one.name: one.default for one in fields(REGISTRY[name] if name in REGISTRY else ASKED[name])}
    return theirs.option_defaults(theirs.from_package(name) if theirs.file_of(name) is None else theirs.from_file(name)[0])


def as_scheduler(given: str | Scheduler) -> Scheduler:
    """A scheduler by its name, or one that is there already."""
    return make_scheduler(given) if isinstance(given, str) else given


def name_of(given: str | Scheduler) -> str:
    """What tables call it: as it was asked for."""
    return given if isinstance(given, str) else given.name


def describe() -> list[Description]:
    """All schedulers with their options, in the order of the registries."""
    found = []
    for name, policy in (*REGISTRY.items(), *ASKED.items()):
        text = (policy.__doc__ or "").partition("\n")[0]
        options = tuple(_option(one) for one in fields(policy))
        about = (policy.family, policy.online, policy.by_position, policy.requires, policy.source)
        found.append(Description(name, *about, text, options))
    return found


def _option(one: Field[Any]) -> Option:
    rules = one.metadata
    return Option(
        one.name,
        cast(Any, one.default),
        rules["choices"],
        rules["text"],
        _TYPES[type(one.default)],
        rules["low"],
        rules["high"],
    )


def _parse(name: str, text: str, kinds: Mapping[str, type]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for part in text.split(","):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise InputError(f"found {shown(part)}", "expected key=value", field=name)
        if key not in kinds:
            raise InputError(f"found option {shown(key)}", nearest(key, kinds), field=name)
        if key in given:
            raise InputError(f"found option {shown(key)} twice", "expected it once", field=name)
        given[key] = _convert(value, kinds[key], f"{name}:{key}")
    return given


def _convert(value: str, kind: Callable[[str], Any], where: str) -> Any:
    try:
        return theirs.parse_flag(value) if kind is bool else kind(value)
    except ValueError:
        expected = "true or false" if kind is bool else "a whole number" if kind is int else "a number"
        raise InputError(f"found {shown(value)}", f"expected {expected}", field=where) from None
