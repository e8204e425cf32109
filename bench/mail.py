"""The mail of the benchmark: the sample issue of about thirty articles, as an edition, articles and readers, as one
ready message, and as what other mailers are given."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from pydantic import SecretStr

from digest.app import App
from digest.editorial.variants import choose
from digest.outcomes import Envelope
from digest.settings import Settings
from digest.tables import Row
from digest.values import ArticleDraft, Edition, Reader
from tests.support import samples

FEEDS = ("desk", "wire")
NAME = "28 articles, text and HTML"


def edition_toml(name: str, edition: Edition = samples.EDITION) -> str:
    """The sample edition's file under another name, with two desks as its feeds."""
    head: dict[str, object] = {
        "name": name,
        "title": edition.title,
        "tagline": edition.tagline,
        "locale": edition.locale,
        "time_zone": edition.time_zone,
        "from": "{} <{}>".format(*edition.sender),
        "reply_to": "{} <{}>".format(*edition.reply_to) if edition.reply_to else "",
        "postal_address": edition.postal_address,
        "copyright": edition.copyright,
        "cadences": list(edition.cadences),
    }
    look: dict[str, object] = {"accent": edition.look.light.accent}
    tables = [("[edition]", head), ("[look]", look)]
    tables += [("[[feed]]", {"name": feed}) for feed in FEEDS]
    keys = {"kind": "kinds", "sector": "sectors", "region": "countries"}
    for section in edition.sections:
        rule = str(section.rule)
        said: dict[str, object] = {"key": section.key, "title": section.title, "rule": rule, "count": section.count}
        said["optional"] = section.optional
        said |= {keys[rule]: list(section.match)} if section.match else {}
        tables.append(("[[section]]", said))
    tables += [("[[link]]", {"role": link.role, "title": link.title, "url": link.url}) for link in edition.links]
    return "\n\n".join("\n".join([title, *map(_line, values.items())]) for title, values in tables) + "\n"


def _line(pair: tuple[str, object]) -> str:
    return f"{pair[0]} = {json.dumps(pair[1], ensure_ascii=False)}"


def drafts() -> dict[str, list[ArticleDraft]]:
    """The sample articles by desk, published within the last hours: a third of the news stands in both."""
    now = datetime.now(UTC)
    told: dict[str, list[ArticleDraft]] = {feed: [] for feed in FEEDS}
    for number, story in enumerate(samples.stories(), 1):
        for feed in FEEDS[: len(story.articles)]:
            told[feed].append(replace(story.articles[0].draft, published=now - timedelta(minutes=17 * number)))
    return told


def readers(count: int) -> Iterator[Row]:
    """``count`` readers who want everything, as lines of an import."""
    for number in range(count):
        values = {"address": f"reader{number}@d{number % 50}.example.org", "name": f"Reader {number}"}
        yield Row(number + 2, values, "")


def app() -> App:
    """An application without database, broker or server: it composes and writes mails."""
    keys = (SecretStr("a:" + "k" * 32),)
    return App(Settings(secret_keys=keys, base_url=samples.BASE_URL, bounce_domain="bounces.example.org"))


def envelope(number: int = 1) -> Envelope:
    """One reader's mail of the sample issue, all sections."""
    compiled = samples.compiled()
    reader = Reader(1, number, f"reader{number}@example.org", f"Reader {number}")
    return app().write(compiled, choose(compiled.content, None, None), reader, samples.NOW)


def envelopes(count: int) -> Iterator[Envelope]:
    """The same ready bytes to ``count`` recipients."""
    ready = envelope()
    for number in range(count):
        yield Envelope(ready.sender, f"reader{number}@example.org", ready.message)


def parts() -> dict[str, Any]:
    """The same mail as another mailer takes it: texts with TOKEN where a reader's own token stands."""
    ready = envelope()
    message = message_from_bytes(ready.message, policy=policy.default)
    assert isinstance(message, EmailMessage)
    token = str(message["List-Unsubscribe"]).strip("<>").rpartition("/")[2]
    bodies = {}
    for kind in ("plain", "html"):
        body = message.get_body((kind,))
        assert isinstance(body, EmailMessage)
        bodies[kind] = str(body.get_content()).replace(token, "TOKEN")
    names = ("List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "Precedence", "Auto-Submitted", "Feedback-ID")
    return {
        "from": str(message["From"]),
        "subject": str(message["Subject"]),
        "headers": {name: str(message[name]).replace(token, "TOKEN") for name in names},
        "text": bodies["plain"],
        "html": bodies["html"],
    }
