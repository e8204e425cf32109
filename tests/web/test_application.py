"""The readers' pages over real HTTP, on both databases where state matters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from digest.app import App
from digest.flows.readers import erasure
from digest.look import Look
from digest.readers import tokens
from digest.readers.subscriptions import Choice, Subscription
from digest.settings import Settings
from digest.states import SubscriptionState
from digest.store import schema
from digest.web.guard import BODY_LIMIT
from digest.web.pages import Pages
from tests.conftest import NOW, on_sqlite
from tests.support.morning import ADDRESS, ON_PAGES, find, put_issue, reader, sign_up_by_form, site, state_of, token

__all__ = ["reader", "site", "token"]  # fixtures

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


# ------------------------------------------------------------------------------------------- unsubscribe


def test_looking_at_any_page_changes_nothing(app: App, site: httpx.Client, reader: Subscription, token: str) -> None:
    pending = sign_up_by_form(app, site, "bob@example.org")
    confirm = tokens.confirm(app.settings.keys, pending.id, app.now())
    with app.database.read() as connection:
        before = connection.scalar(select(func.count()).select_from(schema.consent_events))
    for path in (f"/u/{token}", f"/p/{token}", f"/c/{confirm}", "/s/morning", "/healthz"):
        for method in ("GET", "HEAD"):
            answer = site.request(method, path)
            assert (answer.status_code, bool(answer.content)) == (200, method == "GET"), path
    assert (find(app.database), find(app.database, "bob@example.org")) == (reader, pending)
    with app.database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(schema.consent_events)) == before


@pytest.mark.parametrize(
    "body",
    [
        {"data": ONE_CLICK},
        {"files": {"List-Unsubscribe": (None, "One-Click")}},
        {"content": b""},
        {"content": b"--x\r\nbroken", "headers": {"content-type": "multipart/form-data; boundary=y"}},
    ],
    ids=["urlencoded", "multipart", "empty", "broken"],
)
def test_one_click_answers_200_and_has_acted(app: App, site: httpx.Client, token: str, body: dict[str, object]) -> None:
    for _ in range(2):
        answer = site.post(f"/u/{token}", **body)  # type: ignore[arg-type]
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
        assert state_of(app) is SubscriptionState.UNSUBSCRIBED
    with app.database.read() as connection:
        (row,) = connection.execute(select(schema.feedback_events))
    assert (row.kind, row.issue_id) == ("unsubscribe", 7)


def test_the_pages_of_one_who_left_or_was_erased(app: App, site: httpx.Client, token: str) -> None:
    site.post(f"/u/{token}", data=ONE_CLICK)
    for path in (f"/u/{token}", f"/p/{token}"):
        page = site.get(path).text
        assert "You are unsubscribed" in page
        assert 'name="undo"' not in page and ">Unsubscribe<" not in page
    site.post(f"/p/{token}", data={"cadence": "weekly"})
    found = find(app.database)
    assert found and found.choice.cadence == "daily"
    erasure.erase(app.database, app.settings.state_dir, ADDRESS, NOW)
    assert site.post(f"/u/{token}", data=ONE_CLICK).status_code == 200
    assert site.get(f"/u/{token}").status_code == site.get(f"/p/{token}").status_code == 410


@on_sqlite
def test_a_forged_token_gets_the_same_page_as_an_unknown_one(app: App, site: httpx.Client, token: str) -> None:
    forged = ("B" if token[0] == "A" else "A") + token[1:]
    pages = {site.get(f"/{kind}/{bad}").text for kind in "upvc" for bad in (forged, "x", "%00", "é" * 30)}
    assert len(pages) == 1
    for kind in "upc":
        assert site.post(f"/{kind}/{forged}").status_code == 404
    assert site.get(f"/c/{token}").status_code == 404
    assert state_of(app) is SubscriptionState.ACTIVE


# ------------------------------------------------------------------------------------------- preferences


def test_preferences_show_what_is_stored_and_save_what_is_chosen(app: App, site: httpx.Client, token: str) -> None:
    page = site.get(f"/p/{token}").text
    assert 'value="sea" checked' in page and 'value="rail">' in page and 'value="daily" checked' in page
    form = {"name": "Ann <Lee>", "sections": ["rail"], "cadence": "weekly", "hour": "7", "time_zone": "Asia/Kolkata"}
    saved = site.post(f"/p/{token}", data=form).text
    assert 'role="status"' in saved
    assert 'value="rail" checked' in saved and 'value="7" selected' in saved and "Ann &lt;Lee&gt;" in saved
    found = find(app.database)
    assert found and (found.person.name, found.person.time_zone) == ("Ann <Lee>", "Asia/Kolkata")
    assert found.choice == Choice("weekly", ("rail",), 7)


def test_a_readers_order_outlives_a_change_of_something_else(app: App, site: httpx.Client, token: str) -> None:
    site.post(f"/p/{token}", data={"sections": ["rail", "sea"], "cadence": "weekly"})
    shown = re.findall(r'name="sections" value="(\w+)"', site.get(f"/p/{token}").text)
    site.post(f"/p/{token}", data={"sections": shown, "cadence": "daily"})
    found = find(app.database)
    assert found and found.choice == Choice("daily", ("rail", "sea"), None)


@on_sqlite
@pytest.mark.parametrize(
    "wrong", [{"time_zone": "Mars/Base"}, {"cadence": "hourly"}, {"hour": "99"}, {"sections": "x"}]
)
def test_what_can_not_be_chosen_is_not_saved(
    app: App, site: httpx.Client, reader: Subscription, token: str, wrong: dict[str, str]
) -> None:
    answer = site.post(f"/p/{token}", data={"cadence": "weekly", "name": "Typed", **wrong})
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text and 'value="Typed"' in answer.text
    assert find(app.database) == reader


# ------------------------------------------------------------------------------------------- web version


def test_the_web_version_has_the_readers_own_sections(app: App, site: httpx.Client, token: str) -> None:
    assert site.get(f"/v/{token}").status_code == 410
    put_issue(app)
    answer = site.get(f"/v/{token}")
    assert answer.status_code == 200
    assert "By the sea" in answer.text and "Railways" not in answer.text
    assert f"/u/{token}" in answer.text
    policy = answer.headers["content-security-policy"]
    assert "img-src https: http: data:" in policy and "script-src" not in policy and "default-src 'none'" in policy
    site.post(f"/p/{token}", data={"sections": ["rail"]})
    assert "Railways" in site.get(f"/v/{token}").text


# ------------------------------------------------------------------------------------------------- frame


@on_sqlite
def test_every_answer_carries_the_headers(app: App, site: httpx.Client, token: str) -> None:
    answers = [site.get(path) for path in (f"/u/{token}", "/s/morning", "/s/none", "/nowhere", "/healthz", "/u/x")]
    answers.append(site.put(f"/u/{token}"))
    assert [answer.status_code for answer in answers] == [200, 200, 404, 404, 200, 404, 405]
    for answer in answers:
        headers = answer.headers
        assert (headers["referrer-policy"], headers["cache-control"]) == ("no-referrer", "no-store")
        assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "noindex" in headers["x-robots-tag"]
        assert headers["strict-transport-security"] == "max-age=31536000"
        assert ("<script" in answer.text) == ("script-src 'sha256-" in headers["content-security-policy"])


@on_sqlite
def test_a_body_too_long_is_refused(app: App, site: httpx.Client, token: str) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(BODY_LIMIT // 1024 + 1):
            yield b"x" * 1024

    for body in (b"x" * (BODY_LIMIT + 1), chunks()):
        answer = site.post(f"/p/{token}", content=body, headers={"content-type": "application/x-www-form-urlencoded"})
        assert answer.status_code == 413
        assert "no-store" in answer.headers["cache-control"]


@on_sqlite
def test_without_the_database_pages_say_so_and_health_is_bad(app: App, site: httpx.Client, token: str) -> None:
    path = Path(app.database.url.database or "")
    path.rename(path.with_suffix(".away"))
    del app.database
    assert site.get("/healthz").status_code == 503
    for link in (f"/u/{token}", "/s/morning"):
        answer = site.get(link)
        assert (answer.status_code, "Back in a moment" in answer.text) == (503, True)
    path.with_suffix(".away").rename(path)
    assert site.get("/healthz").status_code == site.get(f"/u/{token}").status_code == 200


@on_sqlite
def test_a_fault_of_ours_is_a_plain_page(app: App, site: httpx.Client, token: str) -> None:
    with app.database.write() as connection:
        connection.execute(schema.editions.update().values(spec={"name": "morning"}))
    answer = site.get(f"/u/{token}")
    assert (answer.status_code, answer.headers["cache-control"]) == (500, "no-store")
    assert "Traceback" not in answer.text and "Something went wrong" in answer.text


@on_sqlite
def test_a_publisher_adds_a_language_and_overrides_a_page(settings: Settings, tmp_path: Path) -> None:
    own = tmp_path / "own" / "web"
    (own / "strings").mkdir(parents=True)
    (own / "strings" / "fa.toml").write_text('[unsubscribe]\ntitle = "لغو اشتراک"\n', encoding="utf-8")
    (own / "check_mail.html.j2").write_text("{{ edition.title }}: {{ t('unsubscribe.title') }}", encoding="utf-8")
    app = App(settings.model_copy(update={"templates_dir": own.parent}))
    pages, edition = Pages(app.template_folders), replace(ON_PAGES, locale="fa-IR", look=Look("a theme that is gone"))
    assert bytes(pages.page("check_mail", edition).body).decode() == "Morning &lt;Post&gt;: لغو اشتراک"
    frame: dict[str, Any] = {"token": "t", "gone": False, "restored": False, "others": [], "choosable": True}
    page = bytes(pages.page("unsubscribe", edition, address="a", **frame).body).decode()
    assert '<html lang="fa" dir="rtl">' in page and "Fewer mails" in page
