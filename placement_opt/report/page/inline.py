"""Pictures that stand in a page: matplotlib's SVG without what only files need, in the page's colours, with words beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree import ElementTree

from placement_opt.report.page.folders import without_folders
from placement_opt.report.picture import STYLE

#: Colours of pictures -> the page's, which differ by day and by night.
_COLOURS: Mapping[str, str] = {
    "#000000": "ink",
    "#111111": "ink",
    "#777777": "soft",
    "#e3e3e3": "grid",
    "#ececec": "band",
    "#ffffff": "paper",
    "#0072b2": "c1",
    "#d55e00": "c2",
    "#009e73": "c3",
    "#cc79a7": "c4",
    "#e69f00": "c5",
    "#56b4e9": "c6",
    "#8c6d31": "c7",
    "#5b5b9f": "c8",
}
#: Settings of pictures in pages; names are names, whatever is in them.
PAGE_STYLE = {
    **STYLE,
    "text.parse_math": False,
    "font.sans-serif": ["DejaVu Sans"],
    "text.color": "#111111",
    "axes.edgecolor": "#777777",
}
PAGE_STYLE |= {"axes.labelcolor": "#111111", "xtick.color": "#777777", "ytick.color": "#777777"}
PAGE_STYLE |= {"xtick.labelcolor": "#111111", "ytick.labelcolor": "#111111"}
_HEX = re.compile(r"#[0-9a-f]{6}\b")
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_LINK = re.compile(r"url\(#([^)]+)\)")
#: Of the root: what a page has no use for.
_OF_FILES = ("version", "width", "height")


@dataclass(frozen=True)
class Picture:
    """A picture of a page.

    Attributes
    ----------
    svg
        An element.
    caption
        What is said below it.
    """

    svg: str
    caption: str


def inline(svg: bytes, name: str, title: str, text: str) -> str:
    """The SVG of a file as an element of a page.

    Parameters
    ----------
    svg
        As matplotlib writes it.
    name
        What its ids begin with, so that no other picture of the page has them.
    title, text
        For those who do not see it.
    """
    root = ElementTree.fromstring(printable(svg.decode()))
    for child in list(root):
        if _plain(child.tag) == "metadata":
            root.remove(child)
    for element in root.iter():
        for child in [child for child in element if _plain(child.tag) == "style"]:  # in a page it would be for all of it
            element.remove(child)
        element.tag = _plain(element.tag)
        attributes = {_plain(key): value for key, value in element.attrib.items()}
        element.attrib.clear()
        element.attrib.update({key: _of_page(key, value, name) for key, value in attributes.items()})
        element.tail = None if not (element.tail or "").strip() else element.tail
        element.text = None if not (element.text or "").strip() else element.text
    used = _used(root)
    for element in root.iter():
        if element.get("id") not in used:
            element.attrib.pop("id", None)
    for key in _OF_FILES:
        root.attrib.pop(key, None)
    root.attrib |= {"role": "img", "aria-labelledby": f"{name}-title {name}-text", "fill": "currentColor"}
    root.attrib |= {"stroke-linejoin": "round", "stroke-linecap": "butt"}
    for at, (tag, words) in enumerate((("title", title), ("desc", text))):
        element = ElementTree.Element(tag, {"id": f"{name}-{'text' if at else 'title'}"})
        element.text = without_folders(words)
        root.insert(at, element)
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)


def printable(text: str) -> str:
    """A text in which control characters, which neither XML nor HTML may have, are replaced."""
    return _CONTROLS.sub("\ufffd", text)


def _used(root: ElementTree.Element) -> set[str | None]:
    """The ids that something refers to."""
    values = [value for element in root.iter() for value in element.attrib.values()]
    return {value[1:] for value in values if value.startswith("#")} | {
        found for value in values for found in _LINK.findall(value)
    }


def _plain(name: str) -> str:
    """A name without its namespace."""
    return name.rpartition("}")[2]


def _of_page(key: str, value: str, name: str) -> str:
    """The value of an attribute, as the page has it."""
    if key == "id":
        return f"{name}-{value}"
    if key == "href" and value.startswith("#"):
        return f"#{name}-{value[1:]}"
    value = _LINK.sub(rf"url(#{name}-\1)", value)
    if key != "style":
        return value
    return _HEX.sub(lambda found: f"var(--{_COLOURS[found[0]]})" if found[0] in _COLOURS else found[0], value)
