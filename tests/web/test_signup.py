"""The sign-up form over real HTTP: the same for everybody, and held against robots."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest
from pydantic import SecretStr

from digest.app import App
from digest.delivery import admission
from digest.delivery.limits import Limit
from digest.errors import ConfigError
from digest.flows.readers import audience, blocklist, signup
from digest.gate.turnstile import Turnstile
from digest.readers import tokens
from digest.readers.subscriptions import Choice, Subscription
from digest.settings import CaptchaSettings, Settings, SignUpSettings
from digest.states import SubscriptionState
from digest.web import captcha, limits
from tests.conftest import NOW, on_sqlite
from tests.support.gates import Server
from tests.support.morning import ADDRESS, ON_PAGES, find, form_mark, publish_edition, reader, site
from tests.support.served import served

__all__ = ["reader", "site"]  # fixtures of the pages' own tests


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    server = Server()
    yield server.url
    server.close()


def _answer(app: App) -> None:
    signup.answer(app.database, app.settings.sign_up, app.now())


def test_signing_up_and_confirming(app: App, site: httpx.Client) -> None:
    form = {"address": " Bob@Example.org ", "name": "Bob", "sections": ["sea"], "cadence": "weekly", "hour": "6"}
    assert site.post("/s/morning", data={**form, "mark": form_mark(app)}).status_code == 200
    _answer(app)
    found = find(app.database, "bob@example.org")
    assert found and found.state is SubscriptionState.PENDING and found.confirm_due_at
    assert found.choice == Choice("weekly", ("sea",), 6)
    link = f"/c/{tokens.confirm(app.settings.keys, found.id, app.now())}"
    assert "<button" in site.get(link).text
    for _ in range(2):
        page = site.post(link)
        assert (page.status_code, "Welcome" in page.text) == (200, True)
    audience.unsubscribe(app.database, found.id, NOW, source="page")
    assert "no longer good" in site.post(link).text
    old = tokens.confirm(app.settings.keys, found.id, app.now() - timedelta(days=8))
    assert site.post(f"/c/{old}").status_code == 404


def test_nobody_learns_from_the_form_whom_we_know(app: App, site: httpx.Client, reader: Subscription) -> None:
    audience.suppress(app.database, "eve@example.org", NOW)
    names = [ADDRESS, "new@example.org", "new@example.org", "eve@example.org"]
    answers = [site.post("/s/morning", data={"address": name, "mark": form_mark(app)}) for name in names]
    trap = {"address": "bot@example.org", "website": "http://spam.example", "mark": form_mark(app)}
    trapped = site.post("/s/morning", data=trap)
    pages = {answer.text.replace(name, "X") for answer, name in zip(answers, names, strict=True)}
    assert pages == {trapped.text.replace("bot@example.org", "X")}
    _answer(app)
    assert find(app.database) == reader
    assert find(app.database, "new@example.org")
    assert find(app.database, "eve@example.org") is find(app.database, "bot@example.org") is None


@on_sqlite
def test_a_wrong_form_comes_back_with_the_reason_and_what_was_typed(app: App, site: httpx.Client) -> None:
    answer = site.post("/s/morning", data={"address": "bob", "name": "<b>Bob", "sections": "sea"})
    assert answer.status_code == 422
    assert (
        "“bob” is not a valid e-mail address." in answer.text
        and "<b>Bob" not in answer.text
        and "&lt;b&gt;Bob" in answer.text
    )
    assert 'value="sea" checked' in answer.text and 'value="rail">' in answer.text


@on_sqlite
def test_a_blocked_domain_is_told_so(app: App, site: httpx.Client) -> None:
    blocklist.block(app.database, [("", "throw.test")], NOW)
    answer = site.post("/s/morning", data={"address": "bob@mx.throw.test", "mark": form_mark(app)})
    assert (answer.status_code, "no addresses at mx.throw.test" in answer.text) == (422, True)


@on_sqlite
@pytest.mark.parametrize("kind", ["none", "too new", "of another network", "a day old", "forged"])
def test_who_is_taken_for_a_robot_presses_once_more(app: App, site: httpx.Client, kind: str) -> None:
    marks = {"none": "", "too new": form_mark(app, 1), "of another network": form_mark(app, ip="192.0.2.1")}
    marks |= {"a day old": form_mark(app, 86_500), "forged": form_mark(app)[:-1] + "_"}
    form = {"address": "bob@example.org", "name": "Bob", "sections": ["rail"], "mark": marks[kind]}
    page = site.post("/s/morning", data=form).text
    _answer(app)
    assert "once more" in page and find(app.database, "bob@example.org") is None
    assert 'value="bob@example.org"' in page and 'value="rail" checked' in page and 'value="sea">' in page
    assert (f'name="mark" value="{marks[kind]}"' in page) == (kind == "too new"), (
        "time counts from when it was first fetched"
    )


@on_sqlite
def test_a_visitor_has_so_many_tries_and_unsubscribing_knows_no_limits(
    app: App, site: httpx.Client, reader: Subscription
) -> None:
    most = SignUpSettings().visitor_per_hour // 2
    forms = [{"address": f"r{n}@example.org", "mark": form_mark(app)} for n in range(most + 1)]
    answers = [site.post("/s/morning", data=form) for form in forms]  # no Redis here: this process counts by itself
    assert [answer.status_code for answer in answers] == [200] * most + [429]
    assert 100 < int(answers[-1].headers["retry-after"]) <= 240
    _answer(app)
    assert find(app.database, f"r{most - 1}@example.org") and not find(app.database, f"r{most}@example.org")
    assert site.post(f"/u/{tokens.reader(app.settings.keys, 0, reader.id)}").status_code == 200


@on_sqlite
@pytest.mark.parametrize(("proxies", "code"), [("", 429), ("127.0.0.1", 200)])
def test_only_a_proxy_that_is_named_says_who_asks(app: App, proxies: str, code: int) -> None:
    most = SignUpSettings().visitor_per_hour // 2
    publish_edition(app.database, ON_PAGES)
    with served(app, proxies) as client:
        for n in range(most + 1):
            ip = f"198.51.{n}.7"
            form = {"address": f"r{n}@example.org", "mark": form_mark(app, ip=ip if proxies else "127.0.0.1")}
            last = client.post("/s/morning", data=form, headers={"X-Forwarded-For": f"203.0.113.9, {ip}"})
    assert last.status_code == code
    assert "once more" not in last.text


# ------------------------------------------------------------------------------------------------ limits


@pytest.mark.parametrize("with_redis", [True, False])
def test_the_turnstile_lets_through_what_every_limit_has_room_for(redis_url: str, with_redis: bool) -> None:
    now = [1000.0]
    turnstile = Turnstile(redis_url if with_redis else "redis+socket:///nowhere", lambda: now[0])
    other = Turnstile(redis_url, lambda: now[0]) if with_redis else turnstile
    key = f"test:{with_redis}"
    small, large = Limit("small", f"{key}:small", 2, 2 / 3600, 1), Limit("large", f"{key}:large", 3, 3 / 3600, 1)
    assert turnstile.admit([]) is None
    assert turnstile.admit([small, large]) is other.admit([small, large]) is None
    refused = turnstile.admit([small, large])
    assert refused and refused.limit == small and 1700 < refused.seconds <= 1800
    assert other.admit([large]) is None, "what was refused took nothing"
    refused = turnstile.admit([large, small])
    assert refused and refused.limit == small, "the one that takes longest"
    if not with_redis:
        now[0] += 1801
        assert turnstile.admit([small, large]) is None


def test_limits_go_by_visitor_network_and_address() -> None:
    def keys(ip: str) -> list[str]:
        return [limit.key for limit in admission.concerned(SignUpSettings(), ip, b"a")]

    same = [keys("192.0.2.1"), keys("192.0.2.9"), keys("::ffff:192.0.2.1"), keys("2001:db8::1"), keys("2001:db8::9:1")]
    assert same[0][0] != same[1][0] and same[0][1:] == same[1][1:] and same[2] == same[0] and same[3] == same[4]
    assert admission.network("2001:db8::1") == admission.network("2001:db8:0:1::1") == "2001:db8::/48"
    assert admission.visitor("2001:db8::1") != admission.visitor("2001:db8:0:1::1")
    assert admission.network("unknown") == "unknown"
    none = SignUpSettings(visitor_per_hour=0, network_per_hour=0, address_per_hour=0, domain_per_hour=0, per_hour=0)
    assert not admission.concerned(none, "192.0.2.1", b"a") + admission.common(none, "example.org")
    assert not admission.newcomers(none, "192.0.2.1", "example.org")


@pytest.mark.parametrize("allowed", [1, 2, 3, 10, 1000])
def test_no_hour_lets_in_more_than_its_number(allowed: int) -> None:
    (limit, *_) = admission.concerned(SignUpSettings(visitor_per_hour=allowed), "192.0.2.1", b"a")
    now = [0.0]
    turnstile = Turnstile("redis+socket:///nowhere", lambda: now[0])
    let_in = []
    for step in range(20_000):
        now[0] = step * 0.5
        if turnstile.admit([limit]) is None:
            let_in.append(now[0])
    assert max(sum(start <= at < start + 3600 for at in let_in) for start in let_in) <= allowed


@on_sqlite
def test_a_flood_to_a_large_domain_keeps_no_true_reader_of_it_out(app: App) -> None:
    def held(n: int, ip: str) -> object:
        return limits.refused(app, f"r{n}@large.example", ip)

    flood = [held(n, f"198.18.{n % 200}.{n // 200}") for n in range(600)]
    let_in = flood.count(None)
    assert let_in < SignUpSettings().domain_per_hour / 2
    assert held(601, "198.18.250.1"), "the flood goes on"
    assert held(602, "203.0.113.9") is None, "and in comes a reader from elsewhere"
    assert held(603, "203.0.113.9"), "but once"
    others = [held(700 + n, f"{n % 90 + 20}.{n // 90}.0.1") for n in range(900)]
    assert let_in + others.count(None) < SignUpSettings().domain_per_hour


# ----------------------------------------------------------------------------------------------- captcha


def _proven(fields: Mapping[str, str], ip: str) -> bool:
    return fields.get("proof") == "yes"


def _passes(fields: object, ip: str) -> bool:
    return ip == "192.0.2.1" and fields == {"proof": "yes"}


def test_a_captcha_is_the_operators_own_function_or_a_service() -> None:
    own = captcha.make_check(CaptchaSettings(check=f"{__name__}:_passes"))
    assert own({"proof": "yes"}, "192.0.2.1") and not own({"proof": "no"}, "192.0.2.1")
    assert captcha.make_check(CaptchaSettings())({}, "")
    with pytest.raises(ConfigError, match="no_such"):
        captcha.make_check(CaptchaSettings(check=f"{__name__}:no_such"))


@on_sqlite
def test_the_form_carries_the_captcha_and_asks_for_it(settings: Settings) -> None:
    proof = CaptchaSettings(
        check=f"{__name__}:_proven", html='<div class="proof"></div>', sources=("https://captcha.example",)
    )
    app = App(settings.model_copy(update={"sign_up": SignUpSettings(captcha=proof)}))
    publish_edition(app.database, ON_PAGES)
    with served(app) as client:
        page = client.get("/s/morning")
        assert '<div class="proof"></div>' in page.text
        policy = page.headers["content-security-policy"]
        assert "script-src 'sha256-" in policy and "frame-src https://captcha.example;" in policy
        form = {"address": ADDRESS, "mark": form_mark(app)}
        assert "once more" in client.post("/s/morning", data=form).text
        assert "once more" not in client.post("/s/morning", data={**form, "proof": "yes"}).text
    app.database.dispose()


@pytest.mark.parametrize(
    ("answer", "passes"), [('{"success": true}', True), ('{"success": false}', False), ("?", True)]
)
def test_a_service_verifies_and_keeps_nobody_out_when_it_is_broken(answer: str, passes: bool) -> None:
    asked = []

    class Service(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Service) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/verify"
        settings = CaptchaSettings.model_construct(check=url, field="proof", secret=SecretStr("s"))
        assert captcha._verified(settings, {"proof": "x y"}, "192.0.2.1") is passes
    assert asked == ["secret=s&response=x+y&remoteip=192.0.2.1"]
    assert not captcha._verified(settings, {}, "192.0.2.1")
