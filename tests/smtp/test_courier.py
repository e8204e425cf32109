"""The courier against a server that misbehaves on cue: every ending is told apart, nothing is claimed unread."""

from __future__ import annotations

import ssl
from contextlib import closing
from functools import partialmethod
from pathlib import Path

import pytest
from pydantic import SecretStr

from digest.outcomes import Envelope, Outcome, Result, Stage
from digest.settings import SmtpSettings
from digest.smtp.courier import SmtpCourier, in_order
from tests.support.certificates import make_certificate
from tests.support.smtp_server import DROP, Script, SmtpServer

OFFERS = {
    "step by step": (b"8BITMIME", b"SMTPUTF8"),
    "pipelining": (b"8BITMIME", b"SMTPUTF8", b"PIPELINING"),
    "chunking": (b"8BITMIME", b"SMTPUTF8", b"PIPELINING", b"CHUNKING"),
}
MESSAGE = b"Subject: x\r\n\r\n.one dot\r\n..two\r\nlast\r\n"


@pytest.fixture(params=OFFERS, autouse=True)
def offered(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every test runs against servers that offer more and more."""
    monkeypatch.setattr(Script, "__init__", partialmethod(Script.__init__, extensions=OFFERS[request.param]))
    return str(request.param)


def envelopes(*recipients: str) -> list[Envelope]:
    return [Envelope("b+x@bounces.example", recipient, MESSAGE) for recipient in recipients]


def sent(server: SmtpServer, *recipients: str, **settings: object) -> list[Outcome]:
    route = SmtpSettings.model_validate(
        {"host": "127.0.0.1", "port": server.port, "security": "none", "timeout_seconds": 5, "connections": 1}
        | settings
    )
    with closing(SmtpCourier([route])) as courier:
        return in_order(courier.send(envelopes(*recipients)))


def at(stage: str, reply: bytes, recipient: str = "") -> Script:
    """Say ``reply`` at ``stage`` (for one recipient), the usual elsewhere."""
    return Script(reply=lambda s, r, _: reply if s == stage and (not recipient or r == recipient) else None)


def test_messages_arrive_byte_for_byte_over_one_connection() -> None:
    with SmtpServer() as server:
        outcomes = sent(server, "a@x.org", "b@x.org", "c@x.org")
    assert [o.result for o in outcomes] == [Result.ACCEPTED] * 3
    assert [m.content for m in server.received] == [MESSAGE] * 3
    assert (server.connections, server.recipients) == (1, ["a@x.org", "b@x.org", "c@x.org"])
    assert server.received[0].sender == "b+x@bounces.example"
    assert server.commands[-1].upper() == b"QUIT"


@pytest.mark.parametrize(
    ("stage", "reply", "result", "at_stage", "code", "enhanced"),
    [
        ("RCPT", b"550 5.1.1 no such user", Result.PERMANENT, Stage.RECIPIENT, 550, "5.1.1"),
        ("RCPT", b"450 4.2.0 greylisted", Result.TEMPORARY, Stage.RECIPIENT, 450, "4.2.0"),
        ("RCPT", b"452-4.2.2 full\r\n452 4.2.2 really", Result.TEMPORARY, Stage.RECIPIENT, 452, "4.2.2"),
        ("MAIL", b"553 5.1.8 bad sender", Result.PERMANENT, Stage.SENDER, 553, "5.1.8"),
        ("DATA", b"451 try later", Result.TEMPORARY, Stage.MESSAGE, 451, ""),
        ("DATA", b"554 no", Result.PERMANENT, Stage.MESSAGE, 554, ""),
        ("dot", b"554 5.7.1 spam", Result.PERMANENT, Stage.MESSAGE, 554, "5.7.1"),
        ("dot", b"451 4.3.0 local", Result.TEMPORARY, Stage.MESSAGE, 451, "4.3.0"),
        ("dot", b"421 4.3.2 shutting down", Result.TEMPORARY, Stage.MESSAGE, 421, "4.3.2"),
    ],
)
def test_a_refusal_is_that_recipients_alone(
    stage: str, reply: bytes, result: Result, at_stage: Stage, code: int, enhanced: str
) -> None:
    rejected = "no@x.org"
    script = at(stage, reply, rejected if stage != "MAIL" else "")
    with SmtpServer(script) as server:
        outcomes = sent(server, rejected, "yes@x.org")
    assert (outcomes[0].result, outcomes[0].stage, outcomes[0].code) == (result, at_stage, code)
    assert outcomes[0].enhanced == enhanced
    assert outcomes[0].text
    if stage != "MAIL":
        assert outcomes[1].result is Result.ACCEPTED
        assert server.recipients == ["yes@x.org"]


@pytest.mark.parametrize("stage", ["banner", "EHLO", "MAIL", "RCPT", "DATA"])
def test_a_connection_lost_before_the_body_left_took_nothing(stage: str, offered: str) -> None:
    with SmtpServer(at(stage, DROP)) as server:
        outcomes = sent(server, "a@x.org", "b@x.org")
    body_had_left = offered == "chunking" and stage in {"MAIL", "RCPT", "DATA"}
    assert {o.result for o in outcomes} == {Result.UNKNOWN if body_had_left else Result.UNSENT}
    assert server.received == []


@pytest.mark.parametrize("taken", [True, False])
def test_a_connection_lost_after_the_dot_is_in_doubt_whether_taken_or_not(taken: bool, offered: str) -> None:
    drop = DROP + (b" after taking it" if taken else b"")
    with SmtpServer(at("dot", drop, "lost@x.org")) as server:
        outcomes = sent(server, "a@x.org", "lost@x.org", "b@x.org")
    behind = Result.UNKNOWN if offered == "chunking" else Result.ACCEPTED
    assert [o.result for o in outcomes] == [Result.ACCEPTED, Result.UNKNOWN, behind]
    assert ("lost@x.org" in server.recipients) is taken


def test_data_that_goes_on_without_a_recipient_is_ended_with_nothing() -> None:
    script = at("RCPT", b"550 5.1.1 no", "no@x.org")
    script.data_without_recipient = True
    with SmtpServer(script) as server:
        outcomes = sent(server, "no@x.org", "yes@x.org", "no@x.org", "no@x.org", "yes@x.org")
    refused, taken = Result.PERMANENT, Result.ACCEPTED
    assert [o.result for o in outcomes] == [refused, taken, refused, refused, taken]
    assert [(m.recipient, m.content) for m in server.received] == [("yes@x.org", MESSAGE)] * 2


@pytest.mark.parametrize("reply", [b"garbage", b"", b"999 what", b"354 go on"])
def test_a_garbled_answer_to_the_dot_is_in_doubt(reply: bytes) -> None:
    with SmtpServer(at("dot", reply or b"\r\n")) as server:
        (outcome,) = sent(server, "a@x.org")
    assert outcome.result is Result.UNKNOWN


def test_a_limit_of_messages_per_connection_is_met_by_a_new_one() -> None:
    recipients = [f"r{i}@x.org" for i in range(7)]
    with SmtpServer(Script(messages_per_connection=3)) as server:
        outcomes = sent(server, *recipients)
    assert {o.result for o in outcomes} == {Result.ACCEPTED}
    assert (sorted(server.recipients), server.connections) == (recipients, 3)


def test_nobody_there() -> None:
    with SmtpServer() as server:
        pass
    outcomes = sent(server, "a@x.org", "b@x.org")
    assert [o.result for o in outcomes] == [Result.UNSENT, Result.UNSENT]
    assert "no connection" in outcomes[0].text
    assert "not tried" in outcomes[1].text


def test_an_address_beyond_ascii_needs_smtputf8() -> None:
    with SmtpServer() as server:
        assert sent(server, "jörg@xn--exmple-cua.com")[0].result is Result.ACCEPTED
        assert server.recipients == ["jörg@xn--exmple-cua.com"]
        assert any(command.endswith(b"SMTPUTF8") for command in server.commands)
    with SmtpServer(Script(extensions=(b"8BITMIME",))) as server:
        outcomes = sent(server, "jörg@xn--exmple-cua.com", "a@x.org")
    assert (outcomes[0].result, outcomes[0].stage) == (Result.PERMANENT, Stage.LOCAL)
    assert "SMTPUTF8" in outcomes[0].text
    assert outcomes[1].result is Result.ACCEPTED


def test_a_message_over_the_servers_size_is_not_even_tried() -> None:
    with SmtpServer(Script(extensions=(b"SIZE 20",))) as server:
        (outcome,) = sent(server, "a@x.org")
    assert (outcome.result, outcome.enhanced) == (Result.PERMANENT, "5.3.4")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_login_goes_over_a_verified_session(security: str, certificate: tuple[Path, ssl.SSLContext]) -> None:
    ca_file, context = certificate
    login = {"username": "news", "password": SecretStr("secret")}
    script = Script(tls=context, tls_from_start=security == "tls")
    with SmtpServer(script) as server:
        (outcome,) = sent(server, "a@x.org", security=security, ca_file=ca_file, **login)
        assert outcome.result is Result.ACCEPTED
        assert len(server.logins) == 1
        (stranger,) = sent(server, "a@x.org", security=security, **login)
    assert stranger.result is Result.REFUSED_LOGIN
    assert "CERTIFICATE_VERIFY_FAILED" in stranger.text
    assert len(server.logins) == 1


@pytest.mark.parametrize(
    ("reply", "result"), [(b"535 5.7.8 wrong", Result.REFUSED_LOGIN), (b"454 4.7.0 later", Result.UNSENT)]
)
def test_a_refused_login_blames_no_recipient(
    reply: bytes, result: Result, certificate: tuple[Path, ssl.SSLContext]
) -> None:
    ca_file, context = certificate
    script = Script(tls=context, reply=lambda s, _r, _c: reply if s == "AUTH" else None)
    with SmtpServer(script) as server:
        settings = {"security": "starttls", "ca_file": ca_file, "username": "u", "password": SecretStr("p")}
        outcomes = sent(server, "a@x.org", "b@x.org", **settings)
    assert [o.result for o in outcomes] == [result, Result.UNSENT]


def test_no_mail_in_the_clear_where_starttls_is_asked_for() -> None:
    with SmtpServer() as server:
        (outcome,) = sent(server, "a@x.org", security="starttls")
    assert outcome.result is Result.REFUSED_LOGIN
    assert server.received == []


def test_a_server_that_refuses_tls_for_now_is_tried_later(certificate: tuple[Path, ssl.SSLContext]) -> None:
    script = Script(tls=certificate[1], reply=lambda s, _r, _c: b"454 4.7.0 no TLS now" if s == "STARTTLS" else None)
    with SmtpServer(script) as server:
        (outcome,) = sent(server, "a@x.org", security="starttls", ca_file=certificate[0])
    assert outcome.result is Result.UNSENT
