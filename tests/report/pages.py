"""HTML pages read back by tests: elements, texts, tables, what they refer to."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

#: Elements without an end.
_EMPTY = {"meta", "br", "hr", "img", "link", "input"}


@dataclass
class Element:
    """An element with what is in it."""

    tag: str
    attributes: dict[str, str]
    children: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text inside."""
        return "".join(one if isinstance(one, str) else one.text for one in self.children)

    def all(self, *tags: str) -> list[Element]:
        """Elements inside with one of these tags, in order; without any, all."""
        found: list[Element] = []
        for one in self.children:
            if isinstance(one, Element):
                found += [one] if not tags or one.tag in tags else []
                found += one.all(*tags)
        return found


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f"<{tag}> has an attribute twice"
        made = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(made)
        if tag not in _EMPTY:
            self.open.append(made)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def read_page(text: str) -> Element:
    """The page as a tree; AssertionError where its elements do not close each other."""
    assert text.startswith("<!DOCTYPE html>\n")
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert [one.tag for one in reader.open] == [""]
    return reader.open[0]


def table_of(page: Element, caption: str) -> list[dict[str, Element]]:
    """The rows of the first table with this caption, by the texts of its heads."""
    (table,) = [one for one in page.all("table") if one.all("caption")[0].text == caption][:1]
    heads = [one.text for one in table.all("thead")[0].all("th")]
    return [dict(zip(heads, row.all("th", "td"), strict=True)) for row in table.all("tbody")[0].all("tr")]


def number(cell: Element) -> float | None:
    """The number behind a cell, None where there is none."""
    data = cell.all("data")
    return float(data[0].attributes["value"]) if data else None
