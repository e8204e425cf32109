"""What the pages answer readers: their faults in their language, when their next mail comes, what they are offered."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from email import message_from_bytes, policy
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from digest import cli
from digest.app import App
from digest.cli.common import Door
from digest.flows.issues import editions as edition_flow
from digest.flows.readers import audience, blocklist, errands
from digest.language import wording
from digest.readers.errands import ErrandKind
from digest.readers.subscriptions import Subscription
from digest.values import ScheduleSpec
from tests.conftest import on_sqlite
from tests.mail.test_themes import LOCALES
from tests.support.morning import ADDRESS, ON_PAGES, find, publish_edition, reader, site, token
from tests.support.world import EDITION
from tests.web.test_preferences import posted

__all__ = ["reader", "site", "token"]  # fixtures of the pages' own tests
pytestmark = on_sqlite
FORM = {"cadence": "daily", "sections": ["sea"]}
WEEKLY = replace(ON_PAGES, schedules=(ScheduleSpec("weekly", "Europe/Madrid", "0 8 * * 6"),))
FAULTS: list[tuple[str, str, dict[str, str | list[str]]]] = [
    ("time_zone", "X/Y", {"time_zone": "X/Y"}),
    ("language", "tlh", {"language": "tlh"}),
    ("cadence", "hourly", {"cadence": "hourly"}),
    ("section", "sky", {"sections": "sky"}),
    ("hour", "25", {"hour": "25"}),
    ("day", "7", {"days": ["", "7"]}),
    ("no_day", "", {"days": ""}),
    ("date", "soon", {"pause": "soon"}),
    ("far", "9999-12-31", {"pause": "9999-12-31"}),
]


def _speaks(app: App, locale: str) -> wording.Words:
    found = find(app.database)
    assert found
    person = replace(found.person, locale=locale)
    audience.change_preferences(app.database, found.id, person, found.choice, app.now(), source="page")
    return wording.Words(wording.read(app.template_folders), locale)


@pytest.mark.parametrize("locale", ["en", *LOCALES])
def test_every_fault_is_told_in_the_readers_language(app: App, site: httpx.Client, token: str, locale: str) -> None:
    words = _speaks(app, locale)
    blocklist.block(app.database, [("here", "spam.example")], app.now())
    asked = [(f"/p/{token}", fault, typed, {**FORM, **wrong}) for fault, typed, wrong in FAULTS]
    asked.append((f"/p/{token}/move", "address", "bob", {"address": "bob"}))
    asked.append((f"/p/{token}/move", "blocked", "spam.example", {"address": "bob@spam.example"}))
    for path, fault, typed, form in asked:
        answer = site.post(path, data=form)
        told = re.findall(r'role="alert"><strong>(.*?)</strong> (.*?)</p>', html.unescape(answer.text))
        expected = words(f"fault.{fault}", typed=typed)
        assert (answer.status_code, told) == (422, [(words("preferences.problem"), expected)])


def test_an_address_is_refused_in_the_editions_language(app: App, site: httpx.Client) -> None:
    publish_edition(app.database, replace(ON_PAGES, locale="es"))
    answer = site.post("/s/morning", data={"address": "bob\x00\n" + "x" * 300})
    assert answer.status_code == 422
    assert f"«bob {'x' * 56}» no es una dirección de correo." in answer.text


def test_what_is_not_there_is_said_in_the_language_of_the_browser(site: httpx.Client) -> None:
    missing = {
        asked: site.get("/p/nothing", headers={"Accept-Language": asked}).text
        for asked in ("es-PE,es;q=0.9,en;q=0.8", "tlh, de;q=0.3", "", "*")
    }
    assert [re.findall('<html lang="(.*?)"', page)[0] for page in missing.values()] == ["es", "de", "en", "en"]


@pytest.mark.parametrize(
    ("locale", "expected"),
    [
        ("en", r"Your next mail: Monday,? \d+ \w+ \d+, 08:00\."),
        ("es", r"Su próximo correo: lunes, \d+ de \w+ de \d+, 8:00\."),
        ("de", r"Ihre nächste Mail: Montag, \d+\. \w+ \d+, 08:00\."),
        ("ar", "رسالتكم التالية: الاثنين"),
        ("hi", "आपकी अगली मेल: सोमवार"),
    ],
)
def test_who_saves_is_told_when_their_next_mail_comes(
    app: App, site: httpx.Client, token: str, locale: str, expected: str
) -> None:
    _speaks(app, locale)
    form = {**FORM, "cadence": "weekly", "days": ["", "0", "3"], "language": locale}
    assert "no date" not in site.get(f"/p/{token}").text
    words = wording.Words(wording.read(app.template_folders), locale)
    assert words("preferences.no_next") in html.unescape(site.post(f"/p/{token}", data=form).text)
    edition_flow.apply(app.database, WEEKLY, app.now())
    assert re.search(expected, html.unescape(site.post(f"/p/{token}", data=form).text))


def test_a_cadence_that_never_comes_out_is_offered_to_nobody_new(app: App, site: httpx.Client, token: str) -> None:
    assert 'value="daily"' in site.get("/s/morning").text, "none has a schedule: issues are sent by hand"
    edition_flow.apply(app.database, WEEKLY, app.now())
    sign_up, own = site.get("/s/morning").text, site.get(f"/p/{token}").text
    assert 'name="cadence"' not in sign_up, "one is no choice"
    assert 'value="daily" checked' in own and 'value="weekly"' in own
    assert site.post("/s/morning", data={"address": "bob@example.org", "cadence": "daily"}).status_code == 422


def test_the_operator_is_told_of_a_cadence_without_a_schedule(app: App) -> None:
    assert edition_flow.apply(app.database, ON_PAGES, app.now()).warnings == ()
    (told,) = edition_flow.apply(app.database, WEEKLY, app.now()).warnings
    assert told.startswith("cadence daily has no schedule")
    assert edition_flow.apply(app.database, WEEKLY, app.now()).warnings == (told,)


def test_checking_a_file_warns_of_it_too(app: App, tmp_path: Path) -> None:
    file = tmp_path / "edition.toml"
    for schedule, warned in (("", False), ('\n[[schedule]]\ncadence = "daily"\ncron = "0 7 * * *"\n', True)):
        file.write_text(EDITION + schedule, encoding="utf-8")
        result = CliRunner().invoke(cli.app, ["edition", "check", str(file)], obj=Door(app=app))
        assert result.exit_code == 0
        assert ("cadence weekly has no schedule" in " ".join(result.output.split())) is warned


@pytest.mark.parametrize("command", ["check", "apply"])
def test_the_operator_is_warned_of_words_in_english(app: App, tmp_path: Path, command: str) -> None:
    file = tmp_path / "edition.toml"
    for locale, warned in (("en-GB", False), ("it-IT", True)):
        file.write_text(EDITION.replace('locale = "en"', f'locale = "{locale}"'), encoding="utf-8")
        result = CliRunner().invoke(cli.app, ["edition", command, str(file)], obj=Door(app=app))
        assert result.exit_code == 0, result.output
        assert ("locale it-IT: these will be in English: all words of mails and pages" in result.output) is warned


def test_who_moves_reads_the_new_address_in_full(app: App, site: httpx.Client, reader: Subscription) -> None:
    new = "ann.other@new.example"
    errands.ask(app.database, ErrandKind.MOVE, reader.id, app.now(), new)
    page = site.get(posted(app).links[new]).text
    assert f"Send everything to {new} from now on, and no more to a…@example.org?" in page
    assert ADDRESS not in page


@pytest.mark.parametrize("postal_address", ["Morning <Post>, 1 Quay Street", "1 Quay Street\nSampleton"])
def test_a_mail_that_asks_is_signed_with_the_name_once(app: App, reader: Subscription, postal_address: str) -> None:
    publish_edition(app.database, replace(ON_PAGES, postal_address=postal_address))
    mail = message_from_bytes(app.write_confirmation(reader).message, policy=policy.default)
    body = mail.get_body(("plain",))
    assert body
    end = [line.strip() for line in body.get_content().rstrip().splitlines()][-3:]
    assert [line.startswith("Morning <Post>") for line in end].count(True) == 1
    assert end[-1] == postal_address.splitlines()[-1]
