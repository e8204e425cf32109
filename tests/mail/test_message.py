"""Headers and whole mails, read back by another program's eyes: Python's parser, byte by byte."""

from __future__ import annotations

import email
from dataclasses import replace
from email import policy
from email.message import EmailMessage
from email.utils import getaddresses
from html import unescape

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from digest.app import template_folders
from digest.editorial import variants
from digest.errors import InputError
from digest.language.text import shorten
from digest.mail import message, render, themes
from digest.mail.letter import letter
from digest.mail.personalise import Press
from digest.outcomes import Envelope
from digest.readers import tokens
from digest.values import CompiledIssue, Reader
from tests.support import samples
from tests.support.samples import EDITION, NOW

KEYS = (("a", b"k" * 32),)
READER = Reader(7, 41, "réa@exämple.org".replace("é", "e"), "Réa “R” Dupont, M.D.")
INJECTION = "Weekly: =?utf-8?q?a=0D=0ABcc:_evil@x.org?= more"
HOSTILE = [
    INJECTION,
    "a\r\nBcc: evil@x.org",
    "a\nBcc: e@x.org\n\n<body>",
    "\u2028Bcc: e@x.org",
    "=?=?utf-8?b?DQpCY2M6?=",
]


@pytest.fixture(scope="module")
def compiled() -> CompiledIssue:
    return samples.compiled()


def send(compiled: CompiledIssue, reader: Reader = READER, budget: int = 90_000) -> Envelope:
    variant = variants.choose(compiled.content, reader.sections, reader.covered_until)
    return Press(compiled, KEYS, "bounces.example.org", budget).message(variant, reader, NOW)


def parse(raw: bytes) -> EmailMessage:
    mail = email.message_from_bytes(raw, policy=policy.default)
    assert not mail.defects
    assert all(not part.defects for part in mail.walk())
    assert all(not value.defects for value in mail.values())
    return mail


def safe_on_the_wire(raw: bytes) -> bool:
    bare = raw.replace(b"\r\n", b"")
    return raw.isascii() and b"\r" not in bare and b"\n" not in bare and max(map(len, raw.split(b"\r\n"))) <= 998


def test_a_mail_is_two_alternatives_text_first_and_whole(compiled: CompiledIssue) -> None:
    raw = send(compiled).message
    mail = parse(raw)
    assert safe_on_the_wire(raw)
    assert [part.get_content_type() for part in mail.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    names = [name.lower() for name in mail.keys()]  # noqa: SIM118 - a header may stand twice
    assert len(names) == len(set(names))
    assert {"from", "to", "subject", "date", "message-id", "list-id", "list-unsubscribe", "mime-version"} <= set(names)
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert (mail["Precedence"], mail["Auto-Submitted"]) == ("bulk", "auto-generated")
    assert mail["Feedback-ID"].count(":") == 3
    assert "<harbour-morning.news.example.org>" in mail["List-Id"]
    assert mail["Subject"] == f"{compiled.content.items[1].title} (and 27 more)"


def test_both_alternatives_say_the_same(compiled: CompiledIssue) -> None:
    mail = parse(send(compiled).message)
    text, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))  # type: ignore[union-attr]
    token = tokens.reader(KEYS, 7, 41)
    seen = " ".join(unescape(html).split())
    for _, ids in variants.choose(compiled.content, None, None).shown:
        for item in (compiled.content.items[story_id] for story_id in ids):
            assert item.title in text
            assert item.url in text
            assert item.url.replace("&", "&amp;") in html
            assert item.title in seen
    for place in "upv":
        assert f"https://news.example.org/{place}/{token}" in text
        assert f'"https://news.example.org/{place}/{token}"' in html
    assert "14 Lighthouse Road" in text
    assert "14 Lighthouse Road" in seen
    assert f"sent to {READER.address}." in text
    assert "@@" not in text
    assert "@@" not in html


def test_a_try_again_is_the_same_message(compiled: CompiledIssue) -> None:
    first, again = send(compiled), send(compiled)
    assert first == again
    token = first.sender.removeprefix("b+").partition("@")[0]
    assert tokens.read_return_path(KEYS, token) == tokens.ReaderToken(7, 41)
    assert parse(first.message)["Message-ID"] == f"<{token}@news.example.org>"
    assert first.recipient == "rea@xn--exmple-cua.org"


def test_the_unsubscribe_link_stays_on_its_line() -> None:
    environment = themes.environment(template_folders(None))
    base = "https://a-rather-long-name-for-a-newsroom.mailings.example.org/" + "readers/" * 20
    issue = render.compile_issue(samples.content(), environment, base.rstrip("/"), samples.NONCE, "example.org")
    raw = send(issue).message
    lines = [line for line in raw.split(b"\r\n") if line.startswith(b"List-Unsubscribe:")]
    assert lines == [f"List-Unsubscribe: <{base}u/{tokens.reader(KEYS, 7, 41)}>".encode()]
    assert safe_on_the_wire(raw)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_headline_or_name_can_write_a_header(hostile: str) -> None:
    told = samples.stories()
    lead = replace(told[0].lead, draft=replace(told[0].lead.draft, title=hostile))
    told[0] = replace(told[0], lead=lead, articles=(lead, *told[0].articles[1:]))
    edition = replace(EDITION, sender=(hostile, "a@example.org"), title=hostile, name="x")
    raw = send(samples.compiled(samples.content(edition, told)), replace(READER, name=hostile)).message
    mail = parse(raw)
    assert mail["Bcc"] is None
    assert mail.keys() == parse(send(samples.compiled()).message).keys()
    assert safe_on_the_wire(raw)


@settings(max_examples=200)
@given(st.text(max_size=300))
@example(INJECTION)
@example("x" * 300)
@example("長い見出し" * 40)
@example("word " * 60)
def test_header_text_is_one_header_that_reads_as_meant(text: str) -> None:
    block = message.header_block([("Subject", message.header_text(text)), ("X-Next", "1")])
    assert all(len(line) <= 76 for line in block.split("\r\n"))
    assert block.isascii()
    meant = shorten(message.clean(text), 200)
    read = email.message_from_string(block, policy=policy.default)["Subject"]
    assert " ".join(read.split()) == " ".join(meant.split())


@settings(max_examples=200)
@given(st.text(max_size=200))
@example("N" * 70 + ', "b" c')
@example('"quoted" <evil@x.org>, other@x.org')
@example(INJECTION)
def test_a_display_name_never_becomes_a_second_address(name: str) -> None:
    value = message.address(name, "reader@example.org", "From")
    block = message.header_block([("From", value)])
    for way in (policy.default, policy.compat32):
        parsed = str(email.message_from_string(block, policy=way)["From"])
        assert [addr for _, addr in getaddresses([parsed])] == ["reader@example.org"]
    [mailbox] = email.message_from_string(block, policy=policy.default)["From"].addresses
    assert mailbox.addr_spec == "reader@example.org"


@pytest.mark.parametrize(
    ("address", "on_the_wire", "smtputf8"),
    [
        ("a@example.org", "a@example.org", False),
        ("a@exämple.com", "a@xn--exmple-cua.com", False),
        ("jörg@exämple.com", "jörg@xn--exmple-cua.com", True),
        ("用户@例子.example", "用户@xn--fsqu00a.example", True),
    ],
)
def test_internationalised_addresses(address: str, on_the_wire: str, smtputf8: bool) -> None:
    assert message.wire_address(address) == on_the_wire
    assert message.needs_smtputf8(address) is smtputf8


@pytest.mark.parametrize("bad", ["", "a", "a@", "@b", "a@b\r\nBcc: c@d", "a b@c", "a@b>", "a@\u2025.org", "a,b@c"])
def test_what_is_no_address_is_refused(bad: str) -> None:
    with pytest.raises(InputError):
        message.wire_address(bad)


def test_an_edition_can_t_send_from_an_address_that_few_servers_take() -> None:
    edition = replace(EDITION, sender=("Post", "jörg@example.org"))
    with pytest.raises(InputError, match="can't send"):
        samples.compiled(samples.content(edition))


def test_a_reader_with_an_international_address_gets_a_utf8_header(compiled: CompiledIssue) -> None:
    envelope = send(compiled, replace(READER, address="jörg@example.org", name=""))
    assert b"\r\nTo: j\xc3\xb6rg@example.org\r\n" in envelope.message
    assert safe_on_the_wire(envelope.message.replace("jörg".encode(), b"joerg"))


@settings(max_examples=60)
@given(name=st.text(max_size=80), local=st.text("abcdefgéö+.-_'!#$%&*/=?^`{|}~", min_size=1, max_size=120))
def test_any_reader_s_mail_is_well_formed(compiled: CompiledIssue, name: str, local: str) -> None:
    envelope = send(compiled, replace(READER, name=name, address=f"{local}@example.org"))
    body = envelope.message.partition(b"\r\n\r\n")[2]
    assert safe_on_the_wire(body)
    text, html = (
        part.get_content() for part in email.message_from_bytes(envelope.message, policy=policy.default).iter_parts()
    )
    assert f"{local}@example.org." in text
    assert "<script" not in html
    quoted = body.partition(b"Content-Type: text/html")[0]
    assert max(map(len, quoted.split(b"\r\n"))) <= 76


@settings(max_examples=100)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=400))
def test_quoted_printable_keeps_text_and_line_length(text: str) -> None:
    encoded = message.quoted_printable(text)
    assert max(map(len, encoded.split("\r\n"))) <= 76
    read = email.message_from_bytes(
        (message.part_header("plain", "quoted-printable") + encoded).encode(), policy=policy.default
    )
    assert read.get_content().removesuffix("\n") == text


@pytest.mark.parametrize("locale", ["en_IN", "de", "ar"])
def test_a_confirmation_is_short_and_its_own(locale: str) -> None:
    edition = replace(EDITION, locale=locale)
    environment = themes.environment(template_folders(None))
    url = "https://news.example.org/c/" + tokens.confirm(KEYS, 5, NOW)
    envelope = letter(
        "confirm", edition, "new@exämple.org", url, environment, NOW, "b+x@bounces.example.org", "c5@news.example.org"
    )
    mail = parse(envelope.message)
    assert safe_on_the_wire(envelope.message)
    assert (envelope.recipient, mail["To"]) == ("new@xn--exmple-cua.org",) * 2
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Unsubscribe"] is None
    assert EDITION.title in mail["Subject"]
    for kind in ("plain", "html"):
        body = mail.get_body((kind,)).get_content()  # type: ignore[union-attr]
        assert url in body
        assert body.count("http") == 1, "one link and nothing else to click"
