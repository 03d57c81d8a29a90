"""The page about instances: whole, alone, readable, the numbers of compare, and the same bytes each time."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from placement_opt.base.limits import Limits
from placement_opt.cli import main
from placement_opt.report.page.folders import without_folders
from placement_opt.report.page.inline import printable
from placement_opt.study.survey import survey
from placement_opt.workload.synth import params
from tests.cli.cases import write_drift
from tests.layered.cases import write as write_layered
from tests.report.pages import Element, number, read_page, table_of

pytest.importorskip("jinja2", reason="jinja2, the report extra, is not installed")
pytest.importorskip("matplotlib", reason="matplotlib, the plot extra, is not installed")

REPO = Path(__file__).parents[2]
SCHEDULERS = "static,lru,belady"
SECTIONS = ("bound", "schedulers", "gaps", "steps", "held", "curve", "prices", "certificates", "provenance")
HELD = "Schedulers, held against the optimum"


def make(folder: Path, *argv: object, code: int = 0) -> str:
    """The page that the command writes."""
    out = folder / "page.html"
    assert main(["report", *map(str, argv), "-o", str(out)]) == code
    return out.read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an instance, and with its page."""
    made = tmp_path_factory.mktemp("page")
    path = write_drift(made)
    make(made, path, "--schedulers", SCHEDULERS, "--method", "compact", "--curve")
    return made


@pytest.fixture(scope="module")
def text(folder: Path) -> str:
    return (folder / "page.html").read_text()


@pytest.fixture(scope="module")
def page(text: str) -> Element:
    return read_page(text)


def test_a_page_is_whole_and_stands_alone(page: Element, text: str) -> None:
    """Elements close each other, ids are unique, no script, nothing from elsewhere: links lead to places of the page."""
    names = [one.attributes["id"] for one in page.all() if "id" in one.attributes]
    assert len(set(names)) == len(names)
    assert page.all("script", "iframe", "object", "embed", "link", "img", "base", "form") == []
    for one in page.all():
        for key, value in one.attributes.items():
            assert not key.startswith("on")
            if key in ("src", "href"):
                assert value.startswith("#")
                assert value[1:] in names
            assert "//" not in value
            assert all(place in names for place in re.findall(r"url\(#([^)]*)\)", value))
    assert "@import" not in text
    assert re.findall(r"url\((?!#)", text) == []
    assert len(page.all("style")) == 1


def test_a_page_begins_with_its_verdict(page: Element, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """In the words of compare, before anything else; all sections follow, in order, and can be jumped to."""
    main(["compare", str(folder / "drift.toml"), "--schedulers", SCHEDULERS, "--method", "compact", "--json"])
    (said,) = json.loads(capsys.readouterr().out)["instances"]
    assert page.all("p")[0].text == " ".join(said["sentences"])
    assert page.all("p")[0].attributes["class"] == "verdict"
    assert [one.attributes["id"] for one in page.all("h3")] == [f"i1-{name}" for name in SECTIONS]
    assert [one.attributes["href"] for one in page.all("nav")[0].all("a")] == [f"#i1-{name}" for name in SECTIONS]


def test_numbers_are_those_of_compare(page: Element, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """Of every scheduler and of both sides, to the last digit, behind texts that people read."""
    main(["compare", str(folder / "drift.toml"), "--schedulers", SCHEDULERS, "--method", "compact", "--json"])
    (said,) = json.loads(capsys.readouterr().out)["instances"]
    rows = table_of(page, HELD)
    assert [row["scheduler"].text for row in rows] == [one["scheduler"] for one in said["schedules"]] == SCHEDULERS.split(",")
    (latency,) = [head for head in rows[0] if head.startswith("latency [")]
    (above,) = [head for head in rows[0] if head.startswith("above roofline [")]
    for row, one in zip(rows, said["schedules"], strict=True):
        assert number(row[latency]) == one["latency_s"]
        assert number(row["tokens/s"]) == one["tokens_per_s"]
        assert number(row["above optimum"]) == one["gap"]
        assert number(row[above]) == one["above_roofline_s"]
        assert row["verdict"].text == one["verdict"]
        assert float(row[latency].text) * 1e-6 == pytest.approx(one["latency_s"], rel=1e-3)
    assert latency == "latency [us]"
    facts = {one.all("th")[0].text: one.all("td")[0] for one in page.all("table")[0].all("tr")}
    assert number(facts["lower bound"]) == said["lower_bound_s"]
    assert number(facts["best known"]) == said["best_s"]
    assert number(facts["roofline"]) == said["roofline_s"]
    assert number(facts["known to"]) == said["known_to"]


def test_a_page_can_be_heard(page: Element) -> None:
    """Pictures have a title and a text that name every scheduler drawn; tables captions, and heads with their scope."""
    names = {one.attributes["id"]: one.text for one in page.all() if "id" in one.attributes}
    pictures = page.all("svg")
    assert len(pictures) == 4
    for one in pictures:
        title, words = (names[place] for place in one.attributes["aria-labelledby"].split())
        assert one.attributes["role"] == "img"
        assert one.children[0].tag == "title"
        assert title
        assert "curve" in one.attributes["aria-labelledby"] or all(name in words for name in SCHEDULERS.split(","))
    for table in page.all("table"):
        assert table.all("caption")[0].text
        assert {one.attributes["scope"] for one in table.all("th")} <= {"col", "row"}
        assert all(row.all("th")[0].attributes["scope"] == "row" for row in table.all("tbody")[0].all("tr"))
    assert page.all("html")[0].attributes["lang"] == "en"
    levels = [int(one.tag[1]) for one in page.all("h1", "h2", "h3")]
    assert levels == sorted(levels)


def test_pictures_have_the_page_s_colours(page: Element) -> None:
    """So that they are readable by night: no colour is written down in them that the page does not choose."""
    styles = [one.attributes.get("style", "") for picture in page.all("svg") for one in picture.all()]
    used = {word for style in styles for word in re.findall(r"var\(--(\w+)\)", style)}
    assert {"ink", "grid", "c1", "c2"} <= used
    assert [style for style in styles if "#" in style.replace("url(#", "")] == []
    for kind in (r":root \{ color-scheme", r"prefers-color-scheme: dark\) \{ :root \{", r"@media print \{ :root \{"):
        block = re.search(kind + r"(.*?)\}", page.all("style")[0].text, re.DOTALL)
        assert block is not None
        assert used <= set(re.findall(r"--(\w+):", block[1]))


def test_the_same_inputs_give_the_same_bytes(folder: Path, text: str, tmp_path: Path) -> None:
    """In another folder, under another name of the page; neither folder is told."""
    other = write_drift(tmp_path)
    made = make(tmp_path, other, "--schedulers", SCHEDULERS, "--method", "compact", "--curve")
    assert made == text
    assert str(folder) not in text
    assert "placement-opt report drift.toml --schedulers static,lru,belady --method compact --curve" in text


def test_folders_of_this_machine_are_left_out() -> None:
    """Names, rates, ratios and relative names stay."""
    assert without_folders("/home/me/a.toml: found 5 GB/s, see docs/x.md") == "a.toml: found 5 GB/s, see docs/x.md"
    assert without_folders("mine.py:P,/opt/x/y.py:Q:file='/tmp/z.bin'") == "mine.py:P,y.py:Q:file='z.bin'"
    assert without_folders("a / b") == "a / b"


def test_a_scheduler_of_one_s_own(tmp_path: Path) -> None:
    """Is called by its file, whose folder is nowhere: not in tables, sentences, pictures, nor in the command."""
    (tmp_path / "mine.py").write_text("from placement_opt.schedulers.lru import LRU\n\n\nclass Mine(LRU):\n    pass\n")
    path = write_drift(tmp_path)
    text = make(tmp_path, path, "--schedulers", f"lru,{tmp_path}/mine.py:Mine", "--method", "roofline", "--no-curve")
    assert str(tmp_path) not in text
    assert [row["scheduler"].text for row in table_of(read_page(text), HELD)] == ["lru", "mine.py:Mine"]
    assert "--schedulers lru,mine.py:Mine" in text


def test_names_are_shown_as_text(tmp_path: Path) -> None:
    """Whatever an instance is called, nothing of it becomes an element, an attribute or a formula."""
    name = """<script>alert(1)</script>"'&amp;${x}$ {{ 7 * 7 }} --> </svg>"""
    path = write_drift(tmp_path)
    path.write_text(path.read_text().replace('name = "drift"', f"name = {json.dumps(name)}"))
    text = make(tmp_path, path, "--schedulers", "lru", "--method", "compact", "--curve")
    page = read_page(text)
    assert page.all("script") == []
    assert page.all("h2")[0].text == name
    assert page.all("title")[0].text.startswith(name)
    assert name in "".join(one.text for one in page.all("svg")[-1].all("text"))
    assert "<script" not in text
    assert "49" not in page.all("h1")[0].text


def test_names_in_any_script(tmp_path: Path) -> None:
    """Also where no font has them, without a warning; what neither XML nor HTML may have is replaced."""
    path = write_drift(tmp_path)
    path.write_text(path.read_text().replace('"drift"', '"\u4e2d\u6587"', 1))
    text = make(tmp_path, path, "--schedulers", "lru", "--method", "compact", "--curve")
    assert "\u4e2d\u6587" in "".join(one.text for one in read_page(text).all("svg")[-1].all("text"))
    assert printable("a\x00b\x9fc\ud800d\ufffe\n\te") == "a\ufffdb\ufffdc\ufffdd\ufffd\n\te"


def test_a_page_of_several_instances(folder: Path, tmp_path: Path) -> None:
    """Each with its verdict on top, linked to what is said of it; ids differ."""
    other = tmp_path / "other.toml"
    other.write_text((folder / "drift.toml").read_text().replace('"drift"\n[mem', '"other"\n[mem'))
    page = read_page(make(tmp_path, folder / "drift.toml", other, "--schedulers", "lru", "--method", "roofline", "--no-curve"))
    verdicts = [one for one in page.all("p") if one.attributes.get("class") == "verdict"]
    assert [one.all("a")[0].attributes["href"] for one in verdicts] == ["#i1", "#i2"]
    assert [one.text for one in page.all("h2")] == ["drift", "other"]
    names = [one.attributes["id"] for one in page.all() if "id" in one.attributes]
    assert len(set(names)) == len(names)


def section(page: Element, name: str) -> str:
    (found,) = [one for one in page.all("section") if one.attributes["aria-labelledby"] == f"i1-{name}"]
    return found.text


def test_what_is_left_out_says_so(tmp_path: Path) -> None:
    """The curve that was not asked for, and what a whole-number bound does not say of its steps."""
    page = read_page(make(tmp_path, REPO / "instances/tiny/two-fetch-ahead.toml", "--schedulers", "lru", "--no-curve"))
    assert "Left out: it was not asked for (--curve)." in section(page, "curve")
    assert "The milp bound says nothing of steps." in section(page, "steps")
    assert "milp has no prices of its own: these are those of lp" in section(page, "prices")
    assert "None lies beside the file." in section(page, "certificates")


def test_a_question_in_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has steps and no tiers over time, prices and no worth; each says why."""
    monkeypatch.setattr(params, "LARGEST_READS", 100)
    page = read_page(make(tmp_path, write_layered(tmp_path, prefill=20, tokens=8), "--schedulers", "lru,belady"))
    assert "in runs moves are not kept" in section(page, "held")
    assert "held in runs, of which it is not drawn unasked (--curve)" in section(page, "curve")
    assert "held in runs" in section(page, "prices")
    assert len(page.all("svg")) == 2
    rows = table_of(page, HELD)
    assert [number(row["hits"]) is None for row in rows] == [False, False]
    page = read_page(make(tmp_path, write_layered(tmp_path, prefill=20, tokens=8), "--schedulers", "lru", "--curve"))
    assert "Left out" not in section(page, "curve")
    assert len(page.all("svg")) == 3


def test_budgets_and_energy(tmp_path: Path) -> None:
    """What breaks its budgets says so, the other's energy has a column."""
    path = REPO / "instances/budgets/two-budget.toml"
    page = read_page(make(tmp_path, path, "--schedulers", "lru,belady", "--no-curve", code=0))
    rows = table_of(page, HELD)
    assert rows[0]["remark"].text.startswith("breaks the budget energy")
    assert number(rows[0]["hits"]) is None
    assert rows[1]["energy a token"].text == "1.676 J"
    assert "energy = 1.7 J/token, flash = { lifetime = 3.2 hours }" in section(page, "provenance")


def test_budgets_that_nothing_keeps(tmp_path: Path) -> None:
    """That is the verdict; there is no bound to draw, and nothing to explain."""
    shutil.copytree(REPO / "instances/budgets", tmp_path / "budgets")
    path = tmp_path / "budgets/two-budget.toml"
    path.write_text(path.read_text().replace("1.7 J", "0.1 J"))
    page = read_page(make(tmp_path, path, "--schedulers", "lru", "--method", "compact", "--curve", code=1))
    assert page.all("p")[0].text == "No schedule whatsoever keeps these budgets."
    assert "there is no bound at any of its points (no schedule keeps the budgets)" in section(page, "curve")
    assert "no schedule keeps the budgets, so there is no time to explain" in section(page, "prices")
    assert page.all("svg") == []


def test_a_curve_of_many_reads_is_not_drawn_unasked(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says how many there are."""
    monkeypatch.setattr("placement_opt.study.survey.CURVE_READS", 100)
    page = read_page(make(tmp_path, folder / "drift.toml", "--schedulers", "lru", "--method", "roofline"))
    found = "Left out: 620 reads are more than the 100 up to which it is drawn unasked (--curve)."
    assert found in section(page, "curve")


def test_certificates_beside_the_file_are_proved_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both kinds with what they claim; one whose bytes changed is refused; those of other instances are not shown."""
    path = write_drift(tmp_path)
    cert, plan = tmp_path / "a.cert", tmp_path / "b.plan"
    assert main(["bound", str(path), "--method", "compact", "--certificate", str(cert), "--json"]) == 0
    lower = json.loads(capsys.readouterr().out)["certified"]["lower_bound_s"]
    assert main(["simulate", str(path), "--scheduler", "lru", "--schedule", str(plan)]) == 0
    broken = bytearray(plan.read_bytes())
    broken[-1] ^= 1
    (tmp_path / "c.plan").write_bytes(broken)
    other = bytearray(plan.read_bytes())
    other[12] ^= 1
    (tmp_path / "d.plan").write_bytes(other)
    page = read_page(make(tmp_path, path, "--schedulers", "lru", "--method", "roofline", "--no-curve"))
    rows = table_of(page, "Files beside the instance's")
    assert [row["file"].text for row in rows] == ["a.cert", "b.plan", "c.plan"]
    assert [row["state"].text for row in rows] == ["verified", "verified", "refused"]
    assert rows[0]["claim"].text.startswith("at least ")
    assert number(rows[0]["claim"]) == pytest.approx(lower, rel=1e-12)
    assert rows[1]["claim"].text.startswith("at most ")
    assert str(tmp_path) not in rows[2]["remark"].text


def test_limits_leave_what_there_is(folder: Path) -> None:
    """Without any time the roofline stands, the schedulers were not begun, and each part says so."""
    limits = Limits()
    limits.interrupt()
    made = survey(folder / "drift.toml", ["lru"], limits=limits)
    assert made.interrupted
    assert [(row.outcome, row.note) for row in made.compared.schedules] == [("not finished", "not begun")]
    assert made.compared.proof.bound.lower_bound_s == made.compared.proof.roofline_s
    assert made.courses == ()


def test_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What is missing is told before any work is done."""
    path = str(write_drift(tmp_path))
    page = ["-o", str(tmp_path / "page.html")]

    def refusal(*argv: str) -> str:
        assert main(["report", *argv]) == 2
        return capsys.readouterr().err

    assert "--gap: found it with --method lp, expected auto" in refusal(path, *page, "--gap", "1%", "--method", "lp")
    assert "-o: found an input of this command" in refusal(path, "-o", path)
    assert "did you mean 'lru'?" in refusal(path, *page, "--schedulers", "lur")
    with monkeypatch.context() as patch:
        patch.setattr("placement_opt.study.survey.survey", None)  # no work before all files are looked at
        assert "missing.toml: found no such file" in refusal(path, str(tmp_path / "missing.toml"), *page)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "jinja2", None)
        expected = "expected it to be installed: pip install 'placement-opt[report]'"
        assert f"-o: found no jinja2, which fills in the page, {expected}" in refusal(path, *page)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "matplotlib", None)
        assert "-o: found no matplotlib, which draws the pictures of the page, expected" in refusal(path, *page)
    assert not (tmp_path / "page.html").exists()
