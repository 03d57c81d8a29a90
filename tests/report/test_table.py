"""Plain text tables."""

from __future__ import annotations

from placement_opt.report.table import facts, paragraph, table


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    """Text stands left, numbers stand right, and no line ends in blanks."""
    text = table(["name", "n"], [["a", "10,000"], ["longer", "7"]], "lr")
    assert text.split("\n") == ["name         n", "------  ------", "a       10,000", "longer       7"]


def test_a_table_without_rows_is_its_header() -> None:
    """No rows is no error."""
    assert table(["name"], [], "l") == "name\n----"


def test_facts_stand_below_each_other_and_wrap_under_their_beginning() -> None:
    """Long values continue under their own first letter, empty ones are left out."""
    text = facts([("a", "x"), ("gone", ""), ("longer", "word " * 40)])
    lines = text.split("\n")
    assert lines[0] == "a       x"
    assert all(line.startswith(" " * 8 + "word") for line in lines[2:])
    assert max(map(len, lines)) <= 118
    assert "gone" not in text


def test_paragraphs_are_as_wide_as_tables() -> None:
    """Sentences are wrapped, and words are not broken."""
    assert max(map(len, paragraph("word " * 60).split("\n"))) <= 118
    assert paragraph("x" * 200) == "x" * 200
