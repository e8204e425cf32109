"""How things are said in SMTP: commands and extensions in bytes, replies as outcomes."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence

from digest.outcomes import Envelope, Outcome, Result, Stage
from digest.readers.addresses import hidden

_LEADING_DOT = re.compile(rb"(?m)^\.")
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)")
_UNSAFE = re.compile(r"[\x00-\x20<>\x7f]")
_TEXT_LIMIT = 300


def misfit(extensions: dict[str, str], envelope: Envelope) -> Outcome | None:
    """Why this message can't go to this server at all, without asking it."""
    if _UNSAFE.search(envelope.sender) or _UNSAFE.search(envelope.recipient):
        return Outcome(Result.PERMANENT, "the address can't stand in a command", enhanced="5.1.3", stage=Stage.LOCAL)
    if "SMTPUTF8" not in extensions and not envelope.recipient.isascii():
        text = "the address needs SMTPUTF8 (RFC 6531), which the server does not offer"
        return Outcome(Result.PERMANENT, text, enhanced="5.6.7", stage=Stage.LOCAL)
    limit = extensions.get("SIZE", "")
    if limit.isdigit() and 0 < int(limit) < len(envelope.message):
        text = f"{len(envelope.message)} bytes are more than the server takes ({limit})"
        return Outcome(Result.PERMANENT, text, enhanced="5.3.4", stage=Stage.LOCAL)
    return None


def mail_from(extensions: dict[str, str], envelope: Envelope) -> bytes:
    """MAIL with what the server offered and the message needs: SIZE (RFC 1870), 8BITMIME, SMTPUTF8."""
    options = f" SIZE={len(envelope.message)}" if "SIZE" in extensions else ""
    if "8BITMIME" in extensions and not envelope.message.isascii():
        options += " BODY=8BITMIME"
    if not envelope.recipient.isascii():
        options += " SMTPUTF8"
    return f"MAIL FROM:<{envelope.sender}>{options}\r\n".encode()


def rcpt_to(envelope: Envelope) -> bytes:
    """The envelope's only recipient."""
    return f"RCPT TO:<{envelope.recipient}>\r\n".encode()


def stuffed(envelope: Envelope) -> bytes:
    """The message as DATA wants it: leading dots doubled (RFC 5321 4.5.2), its last line ended."""
    message = envelope.message
    if envelope.dotless:
        return message
    if b"\n." in message or message.startswith(b"."):
        message = _LEADING_DOT.sub(b"..", message)
    return message if message.endswith(b"\r\n") else message + b"\r\n"


def offered(lines: Sequence[bytes]) -> dict[str, str]:
    """The extensions of an EHLO reply by keyword (RFC 5321 4.1.1.1)."""
    words = (line[4:].decode("ascii", "replace").partition(" ") for line in lines[1:])
    return {keyword.upper(): parameters for keyword, _, parameters in words}


def login(method: str, username: str, password: str) -> tuple[bytes, Iterator[bytes]]:
    """The AUTH command and what answers the challenges after it (RFC 4616, the LOGIN draft, XOAUTH2)."""
    if method == "LOGIN":
        return b"AUTH LOGIN\r\n", iter([_base64(username), _base64(password)])
    if method == "XOAUTH2":
        secret = f"user={username}\1auth=Bearer {password}\1\1"
        return b"AUTH XOAUTH2 " + _base64(secret), iter([b"\r\n"])  # an error comes as a challenge to be answered empty
    return b"AUTH PLAIN " + _base64(f"\0{username}\0{password}"), iter(())


def _base64(text: str) -> bytes:
    return base64.b64encode(text.encode()) + b"\r\n"


def refusal(code: int, lines: Sequence[bytes], stage: Stage, body: bool = False) -> Outcome:
    """421 is about the host (RFC 5321 3.8): the message can go another way at once, but for one sent in full."""
    if code == 421 and not body:
        return outcome(Result.UNSENT, code, lines, stage)
    return outcome(Result.TEMPORARY if code < 500 else Result.PERMANENT, code, lines, stage)


def outcome(result: Result, code: int, lines: Sequence[bytes], stage: Stage) -> Outcome:
    """A reply as an outcome, its enhanced status code (RFC 2034) apart from its text."""
    text = said(lines)
    enhanced = _ENHANCED.match(text)
    if enhanced:
        text = text[enhanced.end() :]
    return Outcome(result, text or "no text", code, enhanced[1] if enhanced else "", stage)


def said(lines: Sequence[bytes]) -> str:
    """What a reply says, in a line and without the address it may quote: it is kept longer than the reader may be."""
    return hidden(" ".join(" ".join(line[4:].decode("utf-8", "replace").split()) for line in lines))[:_TEXT_LIMIT]
