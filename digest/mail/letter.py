"""The mails that are no issues: what was asked for on a page is confirmed by a link in one of these."""

from __future__ import annotations

from datetime import datetime

from jinja2 import Environment

from digest.mail import message, themes
from digest.mail.vocabulary import LETTER_NAMES
from digest.outcomes import Envelope
from digest.values import Edition


def letter(
    kind: str,
    edition: Edition,
    recipient: str,
    url: str,
    environment: Environment,
    now: datetime,
    return_path: str,
    message_id: str,
) -> Envelope:
    """A mail that asks to confirm what was asked for on a page: one link, no marketing, nothing of the text of whoever
    asked. ``kind``: ``confirm`` a sign-up (``confirm_again``: not for the first time), ``move`` to a new address, show
    the ``data``, ``erase`` it; ``moved`` tells the old address, without a link. ``return_path`` is where bounces go,
    ``message_id`` ``left@right``."""
    about = kind.removesuffix("_again")
    subject_name = f"{kind}_subject" if about == "confirm" else f"{kind}_title"
    known = {"edition": edition, "url": url, "kind": about, "subject": subject_name}
    context = {name: known[name] for name in LETTER_NAMES}
    parts = (themes.rendered(environment, f"confirm.{part}.j2", context) for part in ("subject", "txt", "html"))
    subject, text, html = parts
    mail = message.plain(edition.sender, ("", recipient), subject, text, html, message_id, now, edition.reply_to)
    return Envelope(return_path, message.wire_address(recipient), mail)
