"""Reading CSV and JSON Lines, and importing readers from the command line: nothing lost, and one bad line never costs
the others."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from digest import cli
from digest.app import App
from digest.cli.common import Door
from digest.errors import InputError, NotFoundError
from digest.tables import Row, decoded, guarded, read_csv, read_json_lines, unguarded
from digest.values import Rejected
from tests.conftest import on_sqlite
from tests.support.morning import publish_edition


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
        (b"address\n" + b"x" * 1_000_001, "line 2 does not end"),
    ],
)
def test_a_file_that_can_not_be_read_is_refused_in_a_line(raw: bytes, told: str) -> None:
    with pytest.raises(InputError, match=told):
        _csv(raw)


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_files_are_decoded_whatever_pieces_they_are_read_in(size: int, encoding: str, end: str) -> None:
    raw = end.join(["address,name", "a@example.org,Zoë", "", "b@example.org,Bo\x0bb"]).encode(encoding)
    pieces = [raw[start : start + size] for start in range(0, len(raw), size)]
    if size == 1 and encoding == "utf-16":
        pieces = [raw[:2], *pieces[2:]]  # a file's first piece holds its byte order mark
    first, second = read_csv(decoded(pieces, "cp1252" if encoding == "cp1252" else "utf-8"))
    assert isinstance(first, Row) and isinstance(second, Row)
    assert (first.line, first.values["name"]) == (2, "Zoë")
    assert (second.line, second.values["name"]) == (4, "Bo\x0bb")


def test_columns_are_named_by_the_operator() -> None:
    (found,) = read_csv(["Mail,NAME", "a@example.org,Ann"], ["address"], {"mail": "address", "Name": "Name"})
    assert isinstance(found, Row) and found.values == {"address": "a@example.org", "name": "Ann"}
    with pytest.raises(InputError, match="no column e-mail"):
        read_csv(["Mail"], names={"E-mail": "address"})
    with pytest.raises(InputError, match="twice"):
        read_csv(["Mail,Address"], names={"Mail": "address"})


@given(st.text("a ,;\t\x0b\x85é", max_size=30))
def test_lines_without_quotes_are_taken_apart_as_the_csv_module_does(line: str) -> None:
    header = ",".join(f"c{n}" for n in range(31))
    found = [row.values for row in read_csv([header, line]) if isinstance(row, Row)]
    wanted = [cell.strip() for cell in next(csv.reader([line]), [])] if line.strip() else []
    assert [list(values.values())[: len(wanted)] for values in found] == ([wanted] if wanted else [])


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


# ------------------------------------------------------------------------------------------ command line

CONSENT = ("--consent", "a card in the shop")


@pytest.fixture
def door(app: App) -> App:
    publish_edition(app.database)
    return app


def _run(door: App, *arguments: str) -> Result:
    return CliRunner().invoke(cli.app, arguments, obj=Door(app=door))


def _done(door: App, *arguments: str) -> str:
    result = _run(door, *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


@on_sqlite
def test_rejected_lines_go_to_a_file_that_can_be_mended_and_imported(door: App, tmp_path: Path) -> None:
    file = tmp_path / "readers.csv"
    file.write_text('Email,Name\nann@example.org,Ann\nbob,"B, Bob"\nc@example.org,"C\n', encoding="utf-8")
    told = json.loads(
        _done(door, "subscriber", "import", str(file), "-e", "morning", *CONSENT, "--json", "--rejects", f"{file}.bad")
    )
    assert (told["read"], told["added"], told["rejected"]) == (3, 1, 2)
    rejects = Path(f"{file}.bad")
    assert rejects.read_text("utf-8") == _done(door, "subscriber", "rejects", str(told["import"]), "--csv")
    header, first, second = rejects.read_text(encoding="utf-8").splitlines()
    assert header == "reason,Email,Name"
    assert first.endswith(',bob,"B, Bob"') and "@-sign" in first and second.endswith(',c@example.org,"C')
    rejects.write_text("\n".join([header, first.replace(",bob,", ",bob@example.org,"), second + '"']), encoding="utf-8")
    again = json.loads(_done(door, "subscriber", "import", str(rejects), "-e", "morning", *CONSENT, "--json"))
    assert (again["read"], again["added"], again["rejected"]) == (2, 2, 0)
    names = [one["person"]["name"] for one in json.loads(_done(door, "subscriber", "list", "--json"))]
    assert names == ["Ann", "B, Bob", "C"]


@on_sqlite
def test_an_import_of_which_nothing_can_be_taken_fails(door: App, tmp_path: Path) -> None:
    file = tmp_path / "readers.csv"
    file.write_text("address\nbob\n", encoding="utf-8")
    failed = _run(door, "subscriber", "import", str(file), "-e", "morning", *CONSENT)
    assert isinstance(failed.exception, InputError) and failed.exception.exit_code == 65
    file.write_bytes("address,name\na@example.org,A\nb@example.org,Zoë\n".encode("latin-1"))
    failed = _run(door, "subscriber", "import", str(file), "-e", "morning", *CONSENT, "--encoding", "utf-8")
    assert "line 3 is not utf-8" in str(failed.exception)
    assert json.loads(_done(door, "subscriber", "list", "--json")) == []
    _done(door, "subscriber", "import", str(file), "-e", "morning", *CONSENT, "--encoding", "latin-1")
    assert [one["person"]["name"] for one in json.loads(_done(door, "subscriber", "list", "--json"))] == ["A", "Zoë"]


@on_sqlite
def test_one_reader_by_hand_from_adding_to_forgetting(door: App) -> None:
    ann = "ann@example.org"
    _done(door, "subscriber", "add", ann, "-e", "morning", "-s", "sea", "--hour", "7", "--name", "Ann")
    _done(door, "subscriber", "set", ann, "-e", "morning", "--cadence", "weekly", "--tz", "Asia/Kolkata")
    (one,) = json.loads(_done(door, "subscriber", "list", "-e", "morning", "--state", "active", "--json"))
    wanted = {"cadence": "weekly", "sections": ["sea"], "hour": 7, "days": 127, "paused_until": None}
    assert one["choice"] == wanted
    assert (one["person"]["name"], one["person"]["time_zone"]) == ("Ann", "Asia/Kolkata")
    _done(door, "subscriber", "unsubscribe", ann)
    _done(door, "suppress", "add", ann, "--note", "by phone")
    shown = _done(door, "subscriber", "show", ann)
    assert all(word in shown for word in ("unsubscribed", "operator", "Asia/Kolkata"))
    exported = json.loads(_done(door, "subscriber", "export", ann))
    assert exported["suppression"]["note"] == "by phone"
    assert exported["subscriptions"][0]["subscription"]["choice"]["days"][::6] == ["Mon", "Sun"]
    failed = _run(door, "subscriber", "add", ann, "-e", "morning")
    assert "suppressed" in str(failed.exception)
    _done(door, "subscriber", "erase", ann, "--yes")
    assert isinstance(_run(door, "subscriber", "unsubscribe", ann).exception, NotFoundError)
    (kept,) = json.loads(_done(door, "suppress", "list", "--json"))
    assert kept["address"] is None
    _done(door, "suppress", "remove", ann)
    assert json.loads(_done(door, "suppress", "list", "--json")) == []


@on_sqlite
def test_what_is_exported_can_be_imported_elsewhere_unchanged(door: App, tmp_path: Path) -> None:
    file = tmp_path / "readers.csv"
    lines = [
        'a@example.org,"A, ""B""",sea,weekly,7,mon;sun,Asia/Kolkata,en-IN,active',
        "b@example.org,,-,daily,,,,,unsubscribed",
        "'+c@example.org,'=1+2,,daily,,,,,active",
        "d@example.org,''=x,rail;sea,daily,,,,,active",
    ]
    file.write_text(
        "\n".join(["address,name,sections,cadence,hour,days,time_zone,locale,state", *lines]), encoding="utf-8"
    )
    _done(door, "subscriber", "import", str(file), "-e", "morning", *CONSENT)
    names = [one["person"]["name"] for one in json.loads(_done(door, "subscriber", "list", "--json"))]
    assert sorted(names) == ["", "'=x", "=1+2", 'A, "B"']
    assert sorted(_done(door, "subscriber", "export", "-e", "morning").splitlines()[1:]) == sorted(lines)


@on_sqlite
def test_a_list_of_addresses_is_suppressed(door: App, tmp_path: Path) -> None:
    file = tmp_path / "block.csv"
    file.write_text("email\na@example.org\nnobody\nA@example.org\n", encoding="utf-8")
    assert "1 addresses" in _run(door, "suppress", "import", str(file)).output
    assert [one["address"] for one in json.loads(_done(door, "suppress", "list", "--json"))] == ["a@example.org"]


@on_sqlite
def test_an_export_is_filtered_and_comes_as_json_lines(door: App, tmp_path: Path) -> None:
    file = tmp_path / "readers.csv"
    rows = ["a@x.test,sea,Europe/Oslo,weekly,", "b@x.test,rail,,daily,", "c@x.test,,Asia/Tokyo,daily,unsubscribed"]
    file.write_text("\n".join(["address,sections,time_zone,cadence,state", *rows]), encoding="utf-8")
    _done(door, "subscriber", "import", str(file), "-e", "morning", *CONSENT)

    def exported(*options: str) -> list[str]:
        lines = _done(door, "subscriber", "export", "-e", "morning", "--jsonl", *options).splitlines()
        return sorted(json.loads(line)["address"][0] for line in lines)

    assert exported() == ["a", "b", "c"]
    assert exported("--state", "active") == ["a", "b"]
    assert exported("--section", "sea") == ["a", "c"]
    assert exported("--cadence", "daily", "--tz", "Asia/%") == ["c"]
    assert exported("--tz", "Europe/Madrid") == ["b"], "the edition's own"
    assert exported("--since", "2126-01-01") == []
    assert exported("--where", "domain = x.test and not cadence = weekly") == ["b", "c"]
    found = json.loads(_done(door, "subscriber", "search", "B@X", "--json"))
    assert [one["person"]["address"] for one in found] == ["b@x.test"]
    assert isinstance(_run(door, "subscriber", "export", "-e", "morning", "--since", "soon").exception, InputError)


@given(st.text("'=+-@\ta", max_size=6))
def test_what_is_guarded_against_spreadsheets_is_read_as_it_was(cell: str) -> None:
    assert unguarded(guarded(cell)) == cell
    assert guarded(cell)[:1] not in set("=+@\t") and (guarded(cell)[:1] != "-" or cell == "-")


@on_sqlite
@pytest.mark.parametrize("header", ["E-mail", "EMAIL", "Mail", "Email Address", "e-mail address"])
def test_the_column_of_addresses_is_found_by_its_usual_names(door: App, tmp_path: Path, header: str) -> None:
    file = tmp_path / "readers.csv"
    file.write_text(f"Plan;{header}\ngold;ann@example.org\n", encoding="utf-8")
    told = _run(door, "subscriber", "import", str(file), "-e", "morning", *CONSENT).output
    assert "columns ignored: plan;" in told and "[fields]" in " ".join(told.split())
    assert "ann@example.org" in _done(door, "subscriber", "list", "-e", "morning")


@on_sqlite
def test_a_header_without_addresses_and_an_unknown_edition_are_told_with_what_helps(door: App, tmp_path: Path) -> None:
    file = tmp_path / "readers.csv"
    file.write_text("Contact,Name\nann@example.org,Ann\n", encoding="utf-8")
    failed = _run(door, "subscriber", "import", str(file), "-e", "morning", *CONSENT)
    assert isinstance(failed.exception, InputError) and "--map 'Contact=address'" in str(failed.exception)
    failed = _run(door, "subscriber", "import", str(file), "-e", "evening", *CONSENT)
    assert isinstance(failed.exception, NotFoundError)
