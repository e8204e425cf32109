"""Scanners, forgers and floods: what the readers' pages must bear."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any
from unicodedata import bidirectional, category

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st
from sqlalchemy import select

from digest.app import App
from digest.codec import codec
from digest.editorial import variants
from digest.flows.readers import choices, errands, signup
from digest.mail import personalise
from digest.outcomes import Result
from digest.readers import tokens
from digest.readers.errands import ErrandKind
from digest.readers.subscriptions import Subscription
from digest.settings import Settings, SignUpSettings
from digest.states import SubscriptionState
from digest.store import schema
from digest.store.readers import errands as errand_store
from digest.values import CompiledIssue, Reader
from digest.web import create_app
from digest.web.limits import refused
from tests.conftest import NOW, on_sqlite
from tests.flows.readers.test_signup import Post
from tests.mail.test_message import parse, safe_on_the_wire
from tests.support.morning import (
    ADDRESS,
    ON_PAGES,
    find,
    form_mark,
    publish_edition,
    put_issue,
    reader,
    sign_up_by_form,
    site,
    state_of,
    token,
)
from tests.support.served import served
from tests.web.test_signup import redis_url

__all__ = ["reader", "redis_url", "site", "token"]  # fixtures of the pages' own tests


def _everything(app: App) -> dict[str, list[Any]]:
    with app.database.read() as connection:
        return {table.name: list(connection.execute(select(table))) for table in schema.metadata.sorted_tables}


def test_a_scanner_that_follows_every_link_twice_changes_nothing(
    app: App, site: httpx.Client, reader: Subscription
) -> None:
    """Of an issue, a confirmation and the mail of each errand; and every link on every page these lead to."""
    put_issue(app)
    sign_up_by_form(app, site, "bob@example.org")
    for kind in (ErrandKind.MOVE, ErrandKind.DATA, ErrandKind.ERASE):
        errands.ask(app.database, kind, reader.id, app.now(), "ann@new.example" if kind is ErrandKind.MOVE else "")
    with app.database.read() as connection:
        frozen = connection.execute(select(schema.issue_content.c.compiled)).scalar_one()
        asked = [errand_store.get(connection, id_) for id_ in connection.execute(select(schema.errands.c.id)).scalars()]
    issue = codec(CompiledIssue).validate_json(frozen)
    press = personalise.Press(issue, app.settings.keys, "bounces.example.org", 90_000)
    variant = variants.choose(issue.content, None, None)
    bob = find(app.database, "bob@example.org")
    assert bob
    mails = [press.message(variant, Reader(7, reader.id, ADDRESS), NOW), app.write_confirmation(bob)]
    mails += [app.write_errand(one) for one in asked if one]
    links = {link for mail in mails for link in _links(mail.message)}
    assert len([link for link in links if link[:3] in {"/u/", "/p/", "/v/", "/c/", "/e/", "/s/"}]) >= 7
    before, seen = _everything(app), set[str]()
    for _ in range(2):
        queue = sorted(links)
        while queue:
            path = queue.pop()
            for method in ("GET", "HEAD"):
                answer = site.request(method, path)
                assert answer.status_code in {200, 302, 410}, (method, path)
                if method == "GET" and path not in seen and answer.headers["content-type"].startswith("text/html"):
                    seen.add(path)
                    found = re.findall(r'href="([^"#]+)"', answer.text)
                    queue += [url.path for word in found if (url := answer.url.join(word)).host == site.base_url.host]
    assert len(seen) >= 8
    assert _everything(app) == before


def _links(mail: bytes) -> Iterator[str]:
    read = message_from_bytes(mail, policy=policy.default)
    bodies = [read.get_body((kind,)) for kind in ("plain", "html")]
    text = str(read["List-Unsubscribe"]) + "".join(body.get_content() for body in bodies if body)
    yield from re.findall(r"https://news\.example\.org(/[a-z]/[\w-]+)", text)


# ------------------------------------------------------------------------------------------------ tokens


def test_a_token_is_good_for_its_purpose_and_subscription_only(
    app: App, site: httpx.Client, reader: Subscription
) -> None:
    keys, now, id_ = app.settings.keys, app.now(), reader.id
    forged = (("a", b"x" * 64),)
    made = {
        "reader": tokens.reader(keys, 7, id_),
        "confirm": tokens.confirm(keys, id_, now),
        "errand": tokens.errand(keys, id_, now),
        "undo": tokens.undo(keys, [id_], now),
        "form": tokens.form(keys, "192.0.2.0/24", now),
        "return path": tokens.return_path(keys, 7, id_),
        "another's key": tokens.reader(forged, 7, id_),
        "nobody's": tokens.reader(keys, 7, id_ + 1000),
    }
    good = {"u": {"reader", "nobody's"}, "p": {"reader", "nobody's"}, "v": {"reader", "nobody's"}, "c": {"confirm"}}
    for door in ("u", "p", "v", "c", "e"):
        for name, made_ in made.items():
            code = site.get(f"/{door}/{made_}").status_code
            assert (code == 404) == (name not in good.get(door, {"errand"})), (door, name)
    before = _everything(app)
    for door in ("u", "p", "c", "e"):
        for name, made_ in made.items():
            if name not in good.get(door, {"errand"}):
                for body in ({}, {"List-Unsubscribe": "One-Click"}, {"undo": made["undo"]}, {"all": "1"}):
                    assert site.post(f"/{door}/{made_}", data=body).status_code == 404, (door, name)
    assert _everything(app) == before


@given(st.data())
@limits(max_examples=300, deadline=None)
def test_no_change_of_a_token_passes(data: st.DataObject) -> None:
    keys = (("a", b"k" * 32), ("b", b"l" * 32))
    made = tokens.reader(keys, 7, 41)
    at = data.draw(st.integers(0, len(made) - 1))
    changed = made[:at] + data.draw(st.characters(codec="utf-8")) + made[at + 1 :]
    if changed != made:
        assert tokens.read_reader(keys, changed) is None
    for words in (data.draw(st.text(max_size=60)), made + made[at:], made[:at]):
        if words != made:
            assert tokens.read_reader(keys, words) is None
            assert (tokens.read_confirm(keys, words, NOW), tokens.read_errand(keys, words, NOW)) == (None, None)
            assert list(tokens.read_undo(keys, words, NOW)) == []


def test_an_undo_of_one_reader_restores_nobody_else(app: App, site: httpx.Client, token: str) -> None:
    site.post(f"/u/{token}")
    site.post(f"/u/{token}", data={"undo": tokens.undo(app.settings.keys, [4711, 0, -1 & 0xFF], app.now())})
    assert state_of(app) is SubscriptionState.UNSUBSCRIBED


# --------------------------------------------------------------------------------------------- injection

EVIL = [
    "Ann\r\nBcc: eve@evil.example",
    "Ann\n\n<script>alert(1)</script>",
    "=?utf-8?q?a=0D=0ABcc:_eve=40evil.example?=",
    '"><img src=x onerror=alert(1)>',
    "Ann\x00\x1b[2J\u2028Bcc: eve@evil.example\u202e",
    "{{ 7 * 7 }}{% raw %}",
    "@@n0nce17:token@@",
]


@on_sqlite
@pytest.mark.parametrize("name", EVIL)
def test_a_name_can_not_steer_a_page_a_mail_or_the_log(
    app: App, site: httpx.Client, token: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    put_issue(app)
    saved = site.post(f"/p/{token}", data={"name": name, "sections": ["sea"], "cadence": "daily"})
    assert saved.status_code == 200
    found = find(app.database)
    assert found and found.person.name.isprintable() and "\n" not in found.person.name
    for page in (saved.text, site.get(f"/p/{token}").text, site.get(f"/v/{token}").text):
        assert "<script>alert" not in page and "<img src=x" not in page and ">49<" not in page
    with app.database.read() as connection:
        issue = codec(CompiledIssue).validate_json(
            connection.execute(select(schema.issue_content.c.compiled)).scalar_one()
        )
    press = personalise.Press(issue, app.settings.keys, "bounces.example.org", 90_000)
    reader = Reader(7, found.id, ADDRESS, found.person.name)
    mail = press.message(variants.choose(issue.content, None, None), reader, NOW).message
    read = parse(mail)
    assert safe_on_the_wire(mail)
    assert read["Bcc"] is None and len(read["To"].addresses) == 1 and read["To"].addresses[0].addr_spec == ADDRESS
    assert all("\x1b" not in record.getMessage() and "\n" not in record.getMessage() for record in caplog.records)


@given(st.text(max_size=300))
@limits(max_examples=200, deadline=None)
def test_a_name_is_one_line_that_steers_nothing(text: str) -> None:
    name = choices.person(ADDRESS, text).name
    assert (name.strip() == name, len(name.splitlines()) <= 1, len(name) <= 200) == (True, True, True)
    assert {category(char) for char in name}.isdisjoint({"Cc", "Cs", "Zl", "Zp"})
    assert {bidirectional(char) for char in name}.isdisjoint(
        {"LRE", "LRO", "RLE", "RLO", "LRI", "RLI", "FSI", "PDF", "PDI"}
    )


def test_a_name_keeps_the_joiner_that_its_script_needs() -> None:
    assert choices.person(ADDRESS, " علی\u200cرضا ").name == "علی\u200cرضا"


# ----------------------------------------------------------------------------------------------- fuzzing


@on_sqlite
def test_whatever_is_asked_is_answered_without_a_fault(app: App, site: httpx.Client, token: str) -> None:
    """Schemathesis over the application's OpenAPI, with a true token in a third of the paths. No broker runs here, so
    /readyz says so with a 503."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # GET and HEAD of a page are one function
        import schemathesis  # for this alone: it takes more than a second
        from schemathesis.core.result import Ok

        described = schemathesis.openapi.from_dict(create_app(app).openapi())
    quick = limits(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    asked = 0
    for found in described.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        asked += 1

        @quick
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            if "token" in case.path_parameters and len(str(case.path_parameters["token"])) % 3 == 0:
                case.path_parameters["token"] = token
            answer = case.call(base_url=str(site.base_url))
            unready = case.path == "/readyz" and answer.status_code == 503
            assert answer.status_code < 500 or unready, (case.method, case.formatted_path)

        ask()
    assert asked >= 15


# ------------------------------------------------------------------------------------------------ floods

FLOOD = 10_000


@on_sqlite
def test_a_flood_stays_under_the_caps_and_a_true_reader_gets_in(settings: Settings, redis_url: str) -> None:
    """Ten thousand sign-ups of as many addresses, from as many machines in two hundred networks of a hundred providers,
    where the form's page admits them; then a reader at the page itself."""
    caps = SignUpSettings()
    app = App(settings.model_copy(update={"broker_url": redis_url, "sign_up": caps}))
    begun, let_in = app.now(), 0
    publish_edition(app.database, ON_PAGES)
    with served(app, proxies="127.0.0.1") as client:
        for n in range(FLOOD):
            address = f"victim{n}@example{n % 40}.org"
            ip = f"{100 + n % 10}.{n // 10 % 10}.{n // 100 % 2}.{n // 200 + 1}"
            if refused(app, address, ip) is None:
                let_in += 1
                wish = signup.SignUp(choices.person(address), choices.choose(ON_PAGES), ip=ip)
                signup.ask(app.database, "morning", wish, app.now())
        again = [_sign_up(app, client, "victim1@example1.org", f"198.18.{n}.1") for n in range(8)]
        assert again == [200] * 8, "beyond its limit the answer is the same"
        late = [_sign_up(app, client, f"late{n}@example1.org", f"100.0.1.{90 + n}") for n in range(10)]
        assert 429 in late, "from a network that had its share; every dozen seconds there is room for one"
        assert _sign_up(app, client, "true@reader.example", "203.0.113.77") == 200, "from one that asked for nothing"
    most = caps.per_hour * (1 + (app.now() - begun) / timedelta(hours=1))
    assert caps.per_hour / 4 < let_in <= most
    signup.answer(app.database, caps, app.now())
    post = Post(*[Result.ACCEPTED] * FLOOD)
    while signup.send_confirmations(app.database, post, app.write_confirmation, caps, app.now(), limit=500):
        pass
    assert len(post.sent) == len(set(post.sent)) <= most, "nobody got two"
    assert "true@reader.example" in post.sent
    app.database.dispose()


def _sign_up(app: App, client: httpx.Client, address: str, ip: str) -> int:
    form = {"address": address, "mark": form_mark(app, ip=ip)}
    return client.post("/s/morning", data=form, headers={"X-Forwarded-For": ip}).status_code
