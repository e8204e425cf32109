"""What is handed to an SMTP server, and what came of one try."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message for one recipient: ``sender`` is the VERP return path, ``message`` CRLF bytes, not dot-stuffed.
    ``dotless``: it is known that no line begins with a dot, so that nobody need look for one."""

    sender: str
    recipient: str
    message: bytes
    dotless: bool = False


class Result(StrEnum):
    """What came of one try, as far as the client can know."""

    ACCEPTED = "accepted"  # 2xx to the final dot
    TEMPORARY = "temporary"  # 4xx to this recipient or message
    PERMANENT = "permanent"  # 5xx to this recipient or message
    UNSENT = "unsent"  # not tried, or the connection ended before the final dot: surely not taken
    UNKNOWN = "unknown"  # the connection ended after the final dot and before its reply
    REFUSED_LOGIN = "refused login"  # authentication or TLS failed: nobody's mail can go this way
    HELD = "held"  # a limit of ours would be passed; worth asking again after ``retry_after``


class Stage(StrEnum):
    """Where in the SMTP dialog the deciding reply came: it tells whose fault a refusal is."""

    CONNECT = "connect"  # banner, EHLO, STARTTLS, AUTH
    SENDER = "MAIL"
    RECIPIENT = "RCPT"
    MESSAGE = "DATA"  # DATA itself or the reply to the final dot
    LOCAL = "local"  # decided here, nothing was said to the server


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one try with its reason. ``code`` is the SMTP reply code (0 when none was read), ``enhanced``
    the RFC 3463 status ("" when none was given), ``text`` what the server or the network said; never empty."""

    result: Result
    text: str
    code: int = 0
    enhanced: str = ""
    stage: Stage = Stage.MESSAGE
    retry_after: float = 0.0  # seconds, of ``HELD``

    @property
    def reason(self) -> str:
        """The outcome as one line for the ledger."""
        return " ".join(str(part) for part in (self.code or "", self.enhanced, self.text) if part)
