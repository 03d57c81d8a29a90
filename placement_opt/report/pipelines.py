"""A comparison for pipelines: JUnit XML, and annotations of the files that it is of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from placement_opt.study.comparison import Comparison
from placement_opt.study.conditions import Checked
from placement_opt.study.scheduled import Outcome, Scheduled

#: Outcome -> the element that says so; those timed have none.
_ELEMENTS = {
    Outcome.BELOW_BOUND: "failure",
    Outcome.ILLEGAL: "failure",
    Outcome.OVER_BUDGET: "failure",
    Outcome.REFUSED: "skipped",
    Outcome.LIMIT: "error",
    Outcome.UNFINISHED: "error",
}
#: What XML has no way to write.
_UNWRITABLE = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_UNKNOWN = "no verdict: "


def junit_xml(comparison: Comparison, checked: Sequence[Checked]) -> str:
    """A suite for each instance, a case for each scheduler and each condition (which holds: a failure; unknown: an error)."""
    root, per = ElementTree.Element("testsuites", name="placement-opt compare"), len(comparison.instances) or 1
    count = len(checked) // per
    for at, one in enumerate(comparison.instances):
        name = _clean(one.label)
        suite = ElementTree.SubElement(root, "testsuite", name=name, hostname=one.proof.hash[:12])
        for row in one.schedules:
            case = ElementTree.SubElement(
                suite, "testcase", classname=name, name=_clean(row.scheduler), time=f"{row.wall_s or 0.0:.3f}"
            )
            if row.outcome in _ELEMENTS:
                _say(case, _ELEMENTS[row.outcome], _said(row))
        for each in checked[at * count : (at + 1) * count]:
            case = ElementTree.SubElement(suite, "testcase", classname=name, name=_clean(each.condition), time="0.000")
            if each.holds:
                _say(case, "failure", each.why)
            elif each.holds is None:
                _say(case, "error", _UNKNOWN + each.why)
        suite.set("tests", str(len(suite)))
        for kind, key in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            suite.set(key, str(len(suite.findall(f"testcase/{kind}"))))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def github_annotations(comparison: Comparison, checked: Sequence[Checked], files: Sequence[str]) -> list[str]:
    """A line for each condition that holds or has no verdict, and each schedule that cannot be; ``files``: of the instances."""
    lines, count = [], len(checked) // (len(comparison.instances) or 1)
    for at, (one, file) in enumerate(zip(comparison.instances, files, strict=False)):
        broken = [row for row in one.schedules if _ELEMENTS.get(row.outcome) == "failure"]
        lines += [_annotation("error", file, f"{one.label}: {row.scheduler}", _said(row)) for row in broken]
        for each in checked[at * count : (at + 1) * count]:
            if each.holds is not False:
                word, text = ("error", each.why) if each.holds else ("warning", _UNKNOWN + each.why)
                lines.append(_annotation(word, file, f"{one.label}: {each.condition}", text))
    return lines


def _said(row: Scheduled) -> str:
    return f"{row.outcome}: {row.note}" if row.note else str(row.outcome)


def _say(case: ElementTree.Element, kind: str, text: str) -> None:
    ElementTree.SubElement(case, kind, message=_clean(text))


def _clean(text: str) -> str:
    return _UNWRITABLE.sub("?", text)


def _annotation(word: str, file: str, title: str, text: str) -> str:
    return f"::{word} file={_property(file)},title={_property(title)}::{_escaped(text)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
