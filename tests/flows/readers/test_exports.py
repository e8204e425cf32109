"""Lists as other products write them, by the command line on both databases: of all who are in them a receiving server
sees those who may be mailed, and nobody else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from digest import cli
from digest.cli.common import Door
from digest.errors import InputError
from digest.flows.readers import audience
from digest.readers.exports.products import PRODUCTS
from digest.readers.exports.standing import plain
from digest.settings import FieldType, Settings, SmtpSettings
from digest.smtp.courier import SmtpCourier
from digest.states import SubscriptionState
from digest.store.readers import subscribers
from tests.conftest import on_sqlite
from tests.support.smtp_server import SmtpServer
from tests.support.world import World, draft, small_world

FOLDER = Path(__file__).with_name("exports")
FILES = sorted(FOLDER.glob("*.csv"))
EXPECTED: dict[Path, dict[str, Any]] = {
    file: json.loads(file.with_suffix(".json").read_text("utf-8")) for file in FILES
}
FIELDS = {
    "city": FieldType.TEXT,
    "plan": FieldType.TEXT,
    "tags": FieldType.TEXT,
    "gold": FieldType.YES_NO,
    "visits": FieldType.NUMBER,
}
CONSENT = ("--consent", "our old list")


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    yield from small_world(settings.model_copy(update={"fields": dict(FIELDS)}))


def _run(world: World, *arguments: str, text: bytes | None = None) -> Result:
    return CliRunner().invoke(cli.app, list(arguments), obj=Door(app=world.app), input=text)


def _import(world: World, file: Path, *more: str) -> dict[str, Any]:
    result = _run(world, "subscriber", "import", str(file), "-e", "tide", *CONSENT, "--json", *more)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def _refusal(world: World, file: Path, *more: str) -> str:
    """Why a file is refused, of which nothing is stored."""
    result = _run(world, "subscriber", "import", str(file), "-e", "tide", *CONSENT, *more)
    assert isinstance(result.exception, InputError)
    with world.app.database.read() as connection:
        assert subscribers.listing(connection) == []
    assert audience.suppressed(world.app.database) == []
    return str(result.exception)


def _written(tmp_path: Path, text: str, name: str = "list.csv", encoding: str = "utf-8") -> Path:
    file = tmp_path / name
    file.write_bytes(text.encode(encoding))
    return file


def test_every_product_has_a_golden_file() -> None:
    assert {one["product"] for one in EXPECTED.values()} == {*PRODUCTS, "csv"}


@pytest.mark.parametrize("product", [*PRODUCTS, "csv"])
def test_every_product_has_a_page_with_its_command_and_its_states(product: str) -> None:
    page = (Path(__file__).parents[3] / "docs" / "moving" / f"{product}.md").read_text("utf-8")
    assert f"--from {product} --consent" in page
    words = plain(page)
    for column, sign in PRODUCTS[product].signs if product in PRODUCTS else ():
        if sign.dated is None:  # a column of words
            assert any(name in words for name in column.split())
            assert [value for value in sign.values if value not in words] == []


def test_nobody_is_mailed_who_may_not_be_and_everybody_else_is(world: World) -> None:
    for file, expected in EXPECTED.items():
        tried = _import(world, file, "--dry-run")
        done = _import(world, file, "--from", expected["product"])
        assert {state: number for state, number in done["states"].items() if number} == expected["states"], file.name
        assert tried | {"import": 0, "dry_run": 0} == done | {"import": 0, "dry_run": 0}
        assert done["rejected"] == len(expected.get("unconfirmed", ()))
    wanted = {address for one in EXPECTED.values() for address in one["active"]}
    world.articles(draft(1), draft(2))
    world.publish()
    with SmtpServer() as server:
        with closing(SmtpCourier([SmtpSettings(host="127.0.0.1", port=server.port, security="none")])) as courier:
            world.deliver(courier)
        assert sorted(server.recipients) == sorted(wanted)
    for expected in EXPECTED.values():
        for address, person in expected["active"].items():
            _check_person(world, address, person)
        for address in expected["unsubscribed"]:
            assert world.subscription(address).state is SubscriptionState.UNSUBSCRIBED
    suppressed = {one.address: one.reason for one in audience.suppressed(world.app.database)}
    assert suppressed == {address: why for one in EXPECTED.values() for address, why in one["suppressed"].items()}
    for file in FILES:  # and once more changes nothing
        done = _import(world, file)
        assert (done["added"], done["changed"]) == (0, 0)


def _check_person(world: World, address: str, person: dict[str, Any]) -> None:
    known = world.subscription(address)
    assert (known.person.name, known.fields) == (person["name"], person["fields"])
    (one,) = audience.export(world.app.database, address)["subscriptions"]
    (proof,) = one["consent"]
    said = "; ".join(filter(None, ("our old list", person["consent"])))
    assert (proof["kind"], proof["detail"], proof["ip"]) == ("imported", said, person["ip"])


def test_a_file_brings_back_nobody_who_left_or_is_suppressed_here(world: World) -> None:
    file = FOLDER / "listmonk.csv"
    _import(world, file)
    nora, omar = "nora@listmonk.example", "omar@listmonk.example"
    audience.unsubscribe(world.app.database, world.subscription(nora).id, world.app.now(), source="page")
    audience.suppress(world.app.database, omar, world.app.now())
    done = _import(world, file)
    assert (done["added"], done["changed"], done["rejected"]) == (0, 0, 2)
    assert world.subscription(nora).state is SubscriptionState.UNSUBSCRIBED


def test_a_reader_of_ours_who_is_blocked_there_is_mailed_no_more(world: World, tmp_path: Path) -> None:
    world.readers("quin@listmonk.example", "pia@listmonk.example")
    assert _import(world, FOLDER / "listmonk.csv")["changed"] == 1
    assert world.subscription("pia@listmonk.example").state is SubscriptionState.UNSUBSCRIBED
    assert [one.address for one in audience.suppressed(world.app.database)] == ["quin@listmonk.example"]
    twice = "email,status\nx@csv.example,blocked\nx@csv.example,active\n"
    assert _import(world, _written(tmp_path, twice))["rejected"] == 1


STRANGE = {
    "a word of a state": ("email,status\na@x.example,active\nb@x.example,gone fishing\n", "gone fishing", "line 3"),
    "a blank state": ("email,status\na@x.example,\n", "status ''", "line 2"),
    "a number of bounces": ("email,bounce_count\na@x.example,0\nb@x.example,3\n", "bounce_count '3'", "line 3"),
    "a score of spam": ("email,Spam Score\na@x.example,1.5\n", "spam_score '1.5'", "line 2"),
    "a state of the product": (
        (FOLDER / "listmonk.csv").read_text("utf-8").replace("disabled", "sleeping"),
        "status 'sleeping'",
        "line 4",
    ),
    "an end of a paid subscription": (
        "email,type,creation_date\na@x.example,churned,2024-01-01\n",
        "type 'churned'",
        "line 2",
    ),
}


@on_sqlite
@pytest.mark.parametrize("name", STRANGE)
def test_what_seems_a_state_and_is_not_understood_stops_the_import(world: World, tmp_path: Path, name: str) -> None:
    text, value, line = STRANGE[name]
    told = _refusal(world, _written(tmp_path, text))
    assert value in told and line in told and "--map-value" in told and "nothing was imported" in told


@on_sqlite
def test_the_operator_says_what_a_value_or_a_column_means(world: World, tmp_path: Path) -> None:
    text = "email,status,bounces\na@x.example,OK,3\nb@x.example,Gone Fishing,0\nc@x.example,,\n"
    file = _written(tmp_path, text)
    meanings = ("--map-value", "Status.ok=active", "--map-value", "status.gone fishing=unsubscribed")
    more = (*meanings, "--map-value", "status.=unconfirmed", "--map", "bounces=-")
    states = _import(world, file, *more)["states"]
    assert (states["active"], states["unsubscribed"], states["unconfirmed"]) == (1, 1, 1)
    assert world.subscription("a@x.example").state is SubscriptionState.ACTIVE
    for wrong, said in (
        (("--map-value", "status.ok=perhaps"), "perhaps"),
        (("--map-value", "mood.ok=active"), "no column mood"),
        (("--map-value", "ok=active"), "is not a valid column and value"),
        (("--map", "status=stats"), "there is no stats"),
        (("--map", "mood=name"), "no column mood"),
        (("--from", "pigeon"), "pigeon"),
        (("--from", "mailchimp"), "lacks address"),
        (("--from", "ghost"), "tells who may be mailed"),
    ):
        result = _run(world, "subscriber", "import", str(file), "-e", "tide", *CONSENT, *wrong)
        assert isinstance(result.exception, InputError) and said in str(result.exception), wrong


@on_sqlite
def test_a_file_of_two_products_at_once_is_refused_with_both(world: World, tmp_path: Path) -> None:
    text = "uuid,email,status,attributes,subscribed_to_emails\n1,a@x.example,enabled,{},true\n"
    told = _refusal(world, _written(tmp_path, text))
    assert "--from listmonk" in told and "--from ghost" in told


READABLE = {
    "UTF-8 with a mark": "utf-8-sig",
    "UTF-16 with a mark": "utf-16",
    "UTF-16 without": "utf-16-le",
    "the other UTF-16": "utf-16-be",
    "Latin-1": "latin-1",
    "Windows": "cp1252",
}


@on_sqlite
@pytest.mark.parametrize("name", READABLE)
@pytest.mark.parametrize("head", ["sep=;\r\n", "", "\r\n"])
def test_files_are_read_as_spreadsheets_write_them(world: World, tmp_path: Path, name: str, head: str) -> None:
    text = f'{head}E-Mail;Name;Status\r\nida@x.example;"Süd; Ida\r\n""S""";aktiv\r\njo@x.example;Jö;abgemeldet\r\n'
    states = _import(world, _written(tmp_path, text, encoding=READABLE[name]))["states"]
    assert (states["active"], states["unsubscribed"]) == (1, 1)
    assert world.subscription("ida@x.example").person.name == 'Süd; Ida "S"'


@on_sqlite
def test_what_is_piped_in_is_looked_through_before_anything_is_stored(world: World) -> None:
    arguments = ("subscriber", "import", "-", "-e", "tide", *CONSENT)
    text = b"email\tstatus\na@x.example\tactive\nb@x.example\tbusy\n"
    result = _run(world, *arguments, text=text)
    assert isinstance(result.exception, InputError) and "busy" in str(result.exception)
    assert _run(world, *arguments, "--map-value", "status.busy=blocked", text=text).exit_code == 0
    assert [one.address for one in audience.suppressed(world.app.database)] == ["b@x.example"]
    assert _run(world, *arguments, text=b"PK\x03\x04\0\0").exception


@on_sqlite
def test_suppressions_are_read_from_any_column_of_addresses(world: World, tmp_path: Path) -> None:
    files = {
        "a.csv": ("Address,E-Mail Address\n1 Quay St,a@x.example\n", ()),
        "b.csv": ("sep=;\nE-Mail;Grund\nb@x.example;Zorn\n", ()),
        "c.csv": ("Contact,Why\nc@x.example,asked\n", ("--map", "Contact=email")),
    }
    for name, (text, more) in files.items():
        result = _run(world, "suppress", "import", str(_written(tmp_path, text, name)), *more)
        assert result.exit_code == 0, result.output
    found = sorted(one.address or "" for one in audience.suppressed(world.app.database))
    assert found == ["a@x.example", "b@x.example", "c@x.example"]
    for more in (("--map", "Why=reason"), ("--map", "Mood=address"), ()):
        result = _run(world, "suppress", "import", str(tmp_path / "c.csv"), *more)
        assert isinstance(result.exception, InputError)
