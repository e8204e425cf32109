"""The same issue to three servers: a real Postfix (PIPELINING and CHUNKING), aiosmtpd (neither), the tests' own sink.

Afterwards the three ledgers are the same, and each reader got the same bytes. What may differ: the lines a server puts
above a message, its line ends on disk, and the value of Date, the time of sending.
"""

from __future__ import annotations

import re
import shutil
import smtplib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from email import message_from_bytes
from email.utils import parseaddr, parsedate_to_datetime
from pathlib import Path
from tempfile import mkdtemp
from uuid import uuid4

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from sqlalchemy import select

from digest.store.schema import deliveries, subscribers, subscriptions
from digest.values import Kind
from tests.faults.conftest import a_site
from tests.faults.postfix import MissingError, Postfix
from tests.faults.sink import Rule
from tests.faults.site import Site, Took, answers
from tests.support.world import draft

pytestmark = [pytest.mark.fault, pytest.mark.timeout(300)]
READERS = 300
REFUSED = "r00[0-9][0-9]7@"  # few enough that Postfix does not tire of their connection
FAILED = 30
NAMES = ["", "Ann", "Zoë Ångström", '"Dotty" . Leader', "日本 太郎", ". leading dot"]
ADDED = re.compile(rb"(?:(?:Return-Path|X-Original-To|Delivered-To|Received):[^\n]*\n(?:[ \t][^\n]*\n)*)*")


@dataclass(frozen=True)
class Mail:
    """One message as a server kept it: the envelope it noted, and the message itself without the server's lines."""

    sender: str
    recipient: str
    message: bytes

    @classmethod
    def read(cls, file: Path) -> Mail:
        raw = file.read_bytes().replace(b"\r\n", b"\n")
        added = ADDED.match(raw)
        assert added
        noted = message_from_bytes(added[0])
        message = raw[added.end() :].replace(b"\n", b"\r\n")
        return cls(parseaddr(noted["Return-Path"])[1], noted["Delivered-To"], message)

    @property
    def undated(self) -> bytes:
        """The message without the moment it was written."""
        head, end, body = self.message.partition(b"\r\n\r\n")
        (date,) = re.findall(rb"(?m)^Date: (.*)\r$", head)
        parsedate_to_datetime(date.decode())  # raises if it is none
        return head.replace(date, b"") + end + body


class Keep:
    """An aiosmtpd handler that keeps every message, and knows no reader that is to be refused."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if re.search(REFUSED, address):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        (recipient,) = envelope.rcpt_tos
        noted = f"Return-Path: <{envelope.mail_from}>\r\nDelivered-To: {recipient}\r\n"
        assert isinstance(envelope.content, bytes)
        (self.folder / f"{uuid4().hex}.eml").write_bytes(noted.encode() + envelope.content)
        return "250 2.0.0 kept"


@pytest.fixture
def prepared(request: pytest.FixtureRequest) -> Iterator[Site]:
    """A site whose issue is composed and frozen, and of which nothing has been sent."""
    with a_site(request.node.name) as site:
        site.readers = [f"r{number:05}@x.example" for number in range(READERS)]
        with site.world() as world:
            world.edition()
            drafts = [draft(1), draft(2, "land"), draft(3, "land"), draft(4, kind=Kind.OPINION)]
            texts = ["...three dots lead", "Ströme & <tags> “quoted”", ".", "x" * 1200]
            world.articles(
                *(replace(one, standfirst=f"{text} {one.standfirst}") for one, text in zip(drafts, texts, strict=True))
            )
            for place, name in enumerate(NAMES):
                world.readers(*site.readers[place :: len(NAMES)], name=name)
            assert world.publish().state == "sending"
        site.database.dispose()
        yield site


@contextmanager
def _twin(site: Site, name: str) -> Iterator[Site]:
    """Another site with the same database."""
    with a_site(name) as twin:
        for file in site.folder.glob("digest.db*"):
            shutil.copy(file, twin.folder)
        twin.readers = site.readers
        yield twin


# ------------------------------------------------------------------------------------------ the servers


@contextmanager
def _postfix(site: Site) -> Iterator[Path]:
    folder = Path(mkdtemp(prefix="digest-postfix-"))
    postfix = Postfix(folder, site.plan.port, REFUSED)
    try:
        master = postfix.start()
    except MissingError as error:
        pytest.skip(str(error))
    try:
        answers(site.plan.port)
        yield postfix.inbox
        site.end()  # the workers keep their connections, and Postfix counts a client's commands when it leaves
        site.until(lambda: postfix.connected() == 0, "the last client's leave")
        assert postfix.commands()["bdat"] >= READERS - FAILED, "it was sent chunks"
        assert not postfix.commands()["data"]
    finally:
        master.terminate()
        master.wait()
    shutil.rmtree(folder)


@contextmanager
def _aiosmtpd(site: Site) -> Iterator[Path]:
    inbox = _inbox(site)
    controller = Controller(Keep(inbox), hostname="127.0.0.1", port=site.plan.port)
    controller.start()
    try:
        yield inbox
    finally:
        controller.stop()


@contextmanager
def _our_sink(site: Site) -> Iterator[Path]:
    inbox = _inbox(site)
    site.sink(rules=(Rule("RCPT", "550 5.1.1 no such user", recipient=REFUSED),), kept=str(inbox))
    yield inbox


def _inbox(site: Site) -> Path:
    inbox = site.folder / "inbox"
    inbox.mkdir()
    return inbox


# --------------------------------------------------------------------------------------------- the test


@dataclass(frozen=True)
class Result:
    """What the ledger says of each reader, what each got, and what the server offered."""

    ledger: dict[str, tuple[str, int | None, int]]
    mails: dict[str, Mail]
    offered: set[str]


def _sent(site: Site, inbox: Path, close: Callable[..., None], name: str) -> Result:
    """Send the issue by real workers to what listens on the site's port and keeps its mail in ``inbox``."""
    offered = _offered(site.plan.port)
    site.begun = time.monotonic()
    site.staff()
    site.until_sent()
    ledger = _ledger(site)
    taken = sum(state == "accepted" for state, _, _ in ledger.values())
    site.until(lambda: len(_files(inbox)) >= taken, f"{taken} mails in the mailbox")
    mails = [Mail.read(file) for file in _files(inbox)]
    heads = [(mail.recipient, message_from_bytes(mail.message)) for mail in mails]
    site.note(Took(recipient, parseaddr(head["To"])[1], head["Message-ID"], "") for recipient, head in heads)
    close(site, f"no fault, to {name}", failed=FAILED)
    return Result(ledger, {mail.recipient: mail for mail in mails}, offered)


def test_same_ledger_and_same_bytes_whatever_the_server(prepared: Site, close: Callable[..., None]) -> None:
    with _twin(prepared, "aiosmtpd") as site, _aiosmtpd(site) as inbox:
        plain = _sent(site, inbox, close, "aiosmtpd")
    with _twin(prepared, "sink") as site, _our_sink(site) as inbox:
        ours = _sent(site, inbox, close, "the tests' own sink")
    assert not {"PIPELINING", "CHUNKING"} & plain.offered
    _same(plain, ours)
    with _twin(prepared, "Postfix") as site, _postfix(site) as inbox:
        postfix = _sent(site, inbox, close, "Postfix")
    assert {"PIPELINING", "CHUNKING"} <= postfix.offered
    _same(plain, postfix)


def _same(one: Result, other: Result) -> None:
    assert one.ledger == other.ledger
    assert Counter(one.ledger.values()) == {("accepted", 250, 1): READERS - FAILED, ("failed", 550, 1): FAILED}
    assert one.mails.keys() == other.mails.keys()
    for recipient, mail in one.mails.items():
        assert mail.sender == other.mails[recipient].sender
        assert mail.undated == other.mails[recipient].undated
    assert len({mail.undated for mail in one.mails.values()}) == READERS - FAILED, "each mail is its reader's own"


def _offered(port: int) -> set[str]:
    with smtplib.SMTP("127.0.0.1", port, local_hostname="asks.example") as client:
        client.ehlo()
        return {word.upper() for word in client.esmtp_features}


def _files(inbox: Path) -> list[Path]:
    return list(inbox.iterdir()) if inbox.is_dir() else []


def _ledger(site: Site) -> dict[str, tuple[str, int | None, int]]:
    of = deliveries.join(subscriptions, subscriptions.c.id == deliveries.c.subscription_id).join(
        subscribers, subscribers.c.id == subscriptions.c.subscriber_id
    )
    columns = subscribers.c.address, deliveries.c.state, deliveries.c.code, deliveries.c.attempts
    with site.database.read() as connection:
        return {
            address: (str(state), *rest)
            for address, state, *rest in connection.execute(select(*columns).select_from(of))
        }
