"""What a page says of one instance: sections of sentences, tables and pictures, in words of the other reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from placement_opt.base.units import format_rate, format_requests, format_size
from placement_opt.bounds.result import Status
from placement_opt.instance.instance import Instance
from placement_opt.instance.rule import rule_text
from placement_opt.memory.system import Engine, Link, Tier
from placement_opt.report.comparison import comparison_sentences, further_columns, remark
from placement_opt.report.judgement import above_text, binds_text, unavoidable_text
from placement_opt.report.meters import TIME, costs, objective_rows
from placement_opt.report.numbers import NOTHING, count, figure, full_seconds, percent, seconds, seconds_column
from placement_opt.report.page import figures
from placement_opt.report.page.folders import without_folders
from placement_opt.report.page.inline import Picture
from placement_opt.report.worth import worth_sentences
from placement_opt.study.beside import Beside
from placement_opt.study.survey import Survey

_VERDICTS = (
    ("capacity", "at most a tenth above the optimum: what it takes, no policy can win back"),
    ("policy", "more than a tenth above the optimum, and nearly all of its distance from the roofline could be avoided"),
    ("both", "neither its own part nor the unavoidable one is small"),
    ("unknown", "the bound and the best schedule known are too far apart to say"),
)


@dataclass(frozen=True)
class Cell:
    """One cell: what is read, and the number behind it, in the unit of the JSON of ``compare``; None where there is none."""

    text: str
    value: float | None = None


Row = list[Cell | str]


@dataclass(frozen=True)
class Table:
    """A table; the first cell of a row is its header. ``right``: columns of numbers."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    right: tuple[bool, ...]


@dataclass(frozen=True)
class Section:
    """A section of the page; ``name`` is what its address ends with. What is left out says so in ``sentences``."""

    name: str
    title: str
    sentences: tuple[str, ...] = ()
    picture: Picture | None = None
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class About:
    """All that a page says of one instance; ``verdict`` stands at its top."""

    number: int
    name: str
    verdict: tuple[str, ...]
    sections: tuple[Section, ...]


def about(survey: Survey, number: int, said: Mapping[str, str]) -> About:
    """What the page says of an instance, the ``number``-th of it; ``said``: further facts about how it was made."""
    prefix = f"i{number}"
    made: tuple[Callable[[Survey, str], Section], ...] = (_bound, _schedulers, _gaps, _steps, _held, _curve, _prices)
    sections = [make(survey, f"{prefix}-{make.__name__.strip('_')}") for make in made]
    sections += [_certificates(survey, f"{prefix}-certificates"), _provenance(survey, f"{prefix}-provenance", said)]
    verdict = comparison_sentences(survey.compared)
    if not verdict:
        verdict = ["Nothing is known of the optimum: there is no bound and no schedule."]
    if survey.interrupted:
        verdict.append("Interrupted: this is what was finished.")
    told = [replace(each, sentences=tuple(map(without_folders, each.sentences))) for each in sections]
    return About(number, survey.question.name, tuple(map(without_folders, verdict)), tuple(told))


def _table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[Cell | str]], right: str) -> Table:
    """``right``: "r" for each column of numbers, any other letter for texts."""
    cells = tuple(tuple(Cell(without_folders(one)) if isinstance(one, str) else one for one in row) for row in rows)
    return Table(caption, tuple(heads), cells, tuple(letter == "r" for letter in right))


def _facts(caption: str, rows: Sequence[tuple[str, str | Cell]]) -> Table:
    return _table(caption, ("", ""), [(name, value) for name, value in rows if value not in ("", Cell(""))], "ll")


def _bound(survey: Survey, name: str) -> Section:
    proof, bound = survey.compared.proof, survey.compared.proof.bound
    infeasible = bound.status is Status.INFEASIBLE
    rows: list[tuple[str, str | Cell]] = [
        *objective_rows(proof.objective),
        ("lower bound", Cell("" if infeasible else full_seconds(bound.lower_bound_s), bound.lower_bound_s)),
        ("by", f"{bound.method}, {bound.status}"),
        ("best known", Cell(full_seconds(proof.best_s) if proof.best_s is not None else NOTHING, proof.best_s)),
        ("found by", without_folders(proof.best_from)),
        ("known to", Cell(percent(proof.interval.width), proof.interval.width)),
        ("roofline", Cell(full_seconds(proof.roofline_s), proof.roofline_s)),
        ("binds", binds_text(proof.binds, proof.interval)),
        ("rests on", bound.rests_on),
        ("note", bound.note),
    ]
    known = "no schedule is known yet." if proof.best_s is None else "the best one known exists. The optimum is between them."
    sentence = f"No schedule whatsoever {costs(proof.objective)} less than the lower bound; {known}"
    return Section(name, "Both sides of the optimum", () if infeasible else (sentence,), tables=(_facts("Both sides", rows),))


def _schedulers(survey: Survey, name: str) -> Section:
    one = survey.compared
    if not one.schedules:
        return Section(name, "Schedulers", ("None was asked for.",))
    plain = one.proof.objective == TIME
    values = [row.latency_s for row in one.schedules] + [row.above_roofline_s for row in one.schedules]
    values += [] if plain else [row.cost_s for row in one.schedules]
    unit, cells = seconds_column(values)
    size = len(one.schedules)
    more = [
        (title, column) for title, column in further_columns(one) if title != "hits" and any(cell != NOTHING for cell in column)
    ]
    heads = ["scheduler", "verdict", *([] if plain else [f"objective [{unit}]"]), f"latency [{unit}]", f"{one.proof.counts}/s"]
    heads += [
        "hits",
        *(title for title, _ in more),
        "above optimum",
        f"above roofline [{unit}]",
        "unavoidable",
        "",
    ]
    rows: list[Row] = []
    for at, row in enumerate(one.schedules):
        cost = [] if plain else [Cell(cells[2 * size + at], row.cost_s)]
        hits = None if row.hits is None else row.hits.rate
        rows.append(
            [
                row.scheduler,
                NOTHING if row.judgement is None else str(row.judgement.verdict),
                *cost,
                Cell(cells[at], row.latency_s),
                Cell(figure(row.tokens_per_s), row.tokens_per_s),
                Cell(percent(hits), hits),
                *(column[at] for _, column in more),
                Cell(NOTHING if row.judgement is None else above_text(row.judgement), row.gap),
                Cell(cells[size + at], row.above_roofline_s),
                NOTHING if row.judgement is None else unavoidable_text(row.judgement) or NOTHING,
                remark(row),
            ]
        )
    if not any(row[-1] for row in rows):
        heads, rows = heads[:-1], [row[:-1] for row in rows]
    middle = len(cells) // size + len(more) + 4
    fastest = survey.question.memory.tier_names[survey.question.memory.fastest]
    sentences = (f"Hits are the share of the bytes read that had a copy in {fastest}.",)
    words = _table("What the verdicts mean", ("verdict", "says"), _VERDICTS, "ll")
    found = _table("Schedulers, held against the optimum", heads, rows, f"ll{'r' * middle}l"[: len(heads)])
    return Section(name, "Schedulers", sentences, tables=(found, *_decides(survey), words))


def _decides(survey: Survey) -> list[Table]:
    """What each scheduler's time is decided by; none where there are no schedulers."""
    names = [
        one
        for one in survey.question.memory.resources
        if any(one == name for each in survey.courses for name, _ in each.critical)
    ]
    if not names:
        return []
    rows: list[Row] = []
    for each in survey.courses:
        shares = dict(each.critical)
        rows.append([each.scheduler, *(Cell(percent(shares.get(name, 0.0)), shares.get(name, 0.0)) for name in names)])
    caption = "Share of the time in which a resource decides: were it slower, the step would take longer"
    return [_table(caption, ("scheduler", *names), rows, "l" + "r" * len(names))]


def _gaps(survey: Survey, name: str) -> Section:
    picture = figures.gaps(survey, name)
    left = () if picture else ("Left out: no scheduler was timed and held against a bound above zero.",)
    return Section(name, "How far from the optimum", left, picture)


def _steps(survey: Survey, name: str) -> Section:
    picture = figures.steps(survey, name)
    if picture is None:
        return Section(name, "Steps over time", ("Left out: no scheduler was timed.",))
    rows: list[Row] = []
    for each in figures.best_courses(survey, len(survey.courses)):
        at = int(each.step_s.argmax())
        first, last = (0 if at == 0 else int(survey.ends[at - 1])), int(survey.ends[at]) - 1
        where = str(first) if first == last else f"{first} to {last}"
        rows.append([each.scheduler, seconds(float(each.step_s.min())), seconds(float(each.step_s.max())), where])
    table = _table(
        "The shortest and the longest of what is drawn", ("scheduler", "shortest", "longest", "at step"), rows, "lrrr"
    )
    known = (
        () if survey.bound_step_s is not None else (f"The {survey.compared.proof.bound.method} bound says nothing of steps.",)
    )
    return Section(name, "Steps over time", known, picture, (table,))


def _held(survey: Survey, name: str) -> Section:
    title, picture = "What lies where over time", figures.held(survey, name)
    if picture is None:
        why = "no scheduler was timed" if not survey.courses else "in runs moves are not kept"
        return Section(name, title, (f"Left out: {why}.",))
    rows: list[Row] = []
    for each in survey.courses:
        if each.held is None:
            continue
        most = each.held.max(axis=0).tolist()
        rows.append([each.scheduler, *(Cell(format_size(size), float(size)) for size in most)])
    room = [Cell(format_size(size), float(size)) for size in survey.question.capacity.tolist()]
    heads = ("scheduler", *survey.tiers)
    return Section(
        name, title, (), picture, (_table("The most in each tier", heads, [["room", *room], *rows], "l" + "r" * len(room)),)
    )


def _curve(survey: Survey, name: str) -> Section:
    title, picture = "What more room is worth", figures.room(survey, name)
    if picture is None or survey.curve is None:
        return Section(name, title, (f"Left out: {survey.curve_note}.",))
    points = [(point.values[0], point.compared.proof) for point in survey.curve.points]
    unit, cells = seconds_column([value for _, proof in points for value in (proof.bound.lower_bound_s, proof.best_s)])
    rows: list[Row] = [
        [
            text,
            Cell(cells[2 * n], proof.bound.lower_bound_s),
            Cell(cells[2 * n + 1], proof.best_s),
            percent(proof.interval.width),
        ]
        for n, (text, proof) in enumerate(points)
    ]
    heads = (survey.curve.keys[0].name, f"lower bound [{unit}]", f"best known [{unit}]", "known to")
    return Section(name, title, (_has(survey),), picture, (_table("Bounds over the room", heads, rows, "lrrr"),))


def _has(survey: Survey) -> str:
    """How much room there is, in the unit of the curve."""
    fast, question, outline = survey.question.memory.fastest, survey.question, survey.outline
    size, alive = int(question.capacity[fast]), outline.totals.peak * outline.model.unit_bytes
    if isinstance(question, Instance):  # which knows where a file's totals may be guesses
        alive = int(question.alive_bytes.max())
    share = f", {percent(size / alive)} of the most bytes alive at once" if alive else ""
    return f"The instance has room for {format_size(size)} in {survey.tiers[fast]}{share}."


def _prices(survey: Survey, name: str) -> Section:
    worth, proof = survey.worth, survey.compared.proof
    if worth is None:
        rows: list[Row] = [[each.resource or "the floor", Cell(percent(each.share), each.share)] for each in proof.binds]
        found = (_table("What binds", ("resource", "of the steps"), rows, "lr"),) if rows else ()
        return Section(name, "What binds", (f"Prices are left out: {survey.worth_note}.",), tables=found)
    rate_rows: list[Row] = []
    for each in worth.rates:
        has = format_rate(each.rate / each.scale) if each.unit == "bytes" else format_requests(each.rate / each.scale)
        per = "per GB/s" if each.unit == "bytes" else "per 10^9/s"
        saves = Cell(f"{seconds(each.per_gb_s)} {per}" if each.per_gb_s else "nothing", each.per_gb_s)
        time = Cell(percent(round(each.share_of_time, 9)), each.share_of_time)
        rate_rows.append([each.resource, has, time, Cell(percent(each.share_of_steps), each.share_of_steps), saves])
    room_rows: list[Row] = [
        [
            each.tier,
            format_size(each.capacity),
            Cell(f"{seconds(each.per_gib_s)} per GiB" if each.per_gib_s else "nothing", each.per_gib_s),
        ]
        for each in worth.room
    ]
    saves_at = "saves at the margin"
    tables = (
        _table("Rates", ("resource", "has", "of the time", "of the steps", saves_at), rate_rows, "lrrrr"),
        _table("Room", ("tier", "has", saves_at), room_rows, "lrr"),
    )
    how = f"By the prices of the {worth.method} bound, {full_seconds(worth.lower_bound_s)}."
    tried = f"placement-opt bound {survey.outline.path.name} --prices tries it with 1 % and 10 % more."
    return Section(name, "What binds", tuple(_said(worth.note, how, *worth_sentences(worth), tried)), tables=tables)


def _said(*sentences: str) -> list[str]:
    return [sentence for sentence in sentences if sentence]


def _certificates(survey: Survey, name: str) -> Section:
    if not survey.certificates:
        file = survey.outline.path.name
        how = f"placement-opt bound {file} --certificate bound.cert --schedule plan.cert"
        return Section(name, "Certificates", (f"None lies beside the file. They are written by {how}",))
    rows: list[Row] = [[one.file, one.kind, one.state, _claim(one, survey), one.note] for one in survey.certificates]
    sentence = "Verified: proved again in exact integers, without a solver, when this page was made."
    table = _table("Files beside the instance's", ("file", "of", "state", "claim", ""), rows, "lllrl")
    return Section(name, "Certificates", (sentence,), tables=(table,))


def _claim(one: Beside, survey: Survey) -> Cell:
    if one.claim is None:
        kept = one.state == "verified" and survey.compared.proof.bound.status is Status.INFEASIBLE
        return Cell("no schedule keeps the budgets" if kept else NOTHING)
    side = "at least" if one.kind == "prices" else "at most"
    return Cell(f"{side} {full_seconds(float(one.claim))}", float(one.claim))


def _provenance(survey: Survey, name: str, said: Mapping[str, str]) -> Section:
    question, outline = survey.question, survey.outline
    tables_of_file = [(field.name, getattr(outline.tables, field.name)) for field in fields(outline.tables)[1:]]
    rule = rule_text(outline.rules.residency, outline.rules.prefix)
    rows = [
        ("instance", question.name),
        ("hash", question.hash),
        ("file", outline.path.name),
        ("memory system", question.memory.name),
        ("rule", rule),
        ("trace", f"{outline.source.what}; {_work(survey)}"),
        *[(f"[{name}]", _keys(table.data)) for name, table in tables_of_file],
        *said.items(),
    ]
    memory = question.memory
    parts: list[Tier | Link | Engine] = [*memory.tiers, *memory.links, *memory.engines]
    sources = [[part.name, part.source, part.date] for part in parts]
    tables = [_facts("Where this is from", rows)]
    if any(source for _, source, _ in sources):
        tables.append(_table("Sources of the memory system's numbers", ("part", "source", "date"), sources, "lll"))
    assumptions = survey.compared.proof.assumptions
    heard = [f"Assumed of the memory system: {text}." for text in assumptions] or [
        "Nothing is marked as assumed of the memory system."
    ]
    return Section(name, "Provenance", tuple(heard), tables=tuple(tables))


def _work(survey: Survey) -> str:
    question = survey.question
    tokens = "" if question.tokens is None else f"{count(question.tokens)} tokens, "
    blocks = f"{count(question.num_blocks)} blocks, " if isinstance(question, Instance) else ""
    return f"{tokens}{count(question.num_steps)} steps, {blocks}{count(question.num_reads)} reads"


def _keys(table: Mapping[str, Any]) -> str:
    """What a table of the file says; "" where it says nothing."""
    return ", ".join(f"{key} = {_plain(value)}" for key, value in table.items())


def _plain(value: Any) -> str:
    """A value of a file as a text of one line."""
    if isinstance(value, dict):
        return f"{{ {_keys(value)} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_plain, value))}]"
    return without_folders(str(value))
