"""Reading CSV and JSON Lines: nothing lost, and one bad line never costs the others."""

from __future__ import annotations

import pytest

from digest.errors import InputError
from digest.tables import Row, decoded, read_csv, read_json_lines
from digest.values import Rejected


def _csv(text: str | bytes, encoding: str = "utf-8") -> list[Row | Rejected]:
    raw = text.encode() if isinstance(text, str) else text
    return list(read_csv(decoded(raw.splitlines(keepends=True), encoding), required=["address|email"]))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_columns_are_named_by_the_header_whatever_separates_them(separator: str) -> None:
    text = "\ufeffE-Mail,Email,Time Zone\r\n\r\nx, ann@example.org ,UTC\r\ny,bob@example.org\r\n".replace(
        ",", separator
    )
    first, second = _csv(text)
    assert first == Row(3, {"e-mail": "x", "email": "ann@example.org", "time_zone": "UTC"}, first.raw)
    assert isinstance(second, Row)
    assert (second.line, second.values["time_zone"]) == (4, "")


def test_a_quoted_value_may_span_lines() -> None:
    first, second = _csv('address,name\na@example.org,"Ann\nLee"\nb@example.org,"Bob ""B"""\n')
    assert isinstance(first, Row) and isinstance(second, Row)
    assert (first.line, first.values["name"]) == (2, "Ann\nLee")
    assert (second.line, second.values["name"]) == (4, 'Bob "B"')


def test_a_stray_quote_costs_its_own_line_only() -> None:
    lines = [f"r{n}@example.org,Reader {n}" for n in range(500)]
    lines[1] = 'r1@example.org,"Reader 1'
    lines[490] = 'r490@example.org,"Reader" 490'
    found = _csv("address,name\n" + "\n".join(lines))
    assert len(found) == 500
    bad = [item for item in found if isinstance(item, Rejected)]
    assert [(item.where, item.raw) for item in bad] == [("line 3", lines[1]), ("line 492", lines[490])]


def test_too_many_values_are_refused_with_the_line_as_it_was() -> None:
    (found,) = _csv("address,name\na@example.org,Ann,x\n")
    assert found == Rejected("line 2", "has 3 values for 2 columns", "a@example.org,Ann,x")


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"name,city\nAnn,Oslo\n", "address or email"),
        (b"address,name,Name\n", "twice"),
        ("address,name\na@example.org,Zoë\n".encode("latin-1"), "line 2 is not utf-8"),
        ("address\na@example.org\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_a_file_that_can_not_be_read_is_refused_in_a_line(raw: bytes, told: str) -> None:
    with pytest.raises(InputError, match=told):
        _csv(raw)


def test_a_named_encoding_is_read() -> None:
    (found,) = _csv("address,name\na@example.org,Zoë\n".encode("latin-1"), "latin-1")
    assert isinstance(found, Row) and found.values["name"] == "Zoë"
    with pytest.raises(InputError, match="no encoding"):
        _csv(b"address\n", "latin-99")


def test_json_lines_are_read_one_by_one() -> None:
    good, broken, number, deep = read_json_lines(['{"title": "A"}\n', "\n", "{broken\n", "7\n", "[" * 100_000 + "\n"])
    assert good == Row(1, {"title": "A"}, '{"title": "A"}')
    assert all(isinstance(item, Rejected) for item in (broken, number, deep))
    assert [item.where for item in (broken, number, deep) if isinstance(item, Rejected)] == [
        "line 3",
        "line 4",
        "line 5",
    ]
