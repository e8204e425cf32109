"""The courier: carries envelopes to an SMTP server and says of each what became of it.

``Courier`` is the seam the flows know. ``SmtpCourier`` is the real one, on the standard library's smtplib over one
connection that is kept and reused; it speaks each command itself so that a connection lost before the final dot
(nothing was taken) and after it (nobody knows) are told apart.
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Protocol

from digest.settings import SmtpSettings
from digest.values import Envelope, Outcome, Result, Stage

_LEADING_DOT = re.compile(rb"(?m)^\.")
_ENHANCED = re.compile(r"^([245]\.\d{1,3}\.\d{1,3})\s+")
_TEXT_LIMIT = 300


class Courier(Protocol):
    """Sends envelopes. Fakes in tests stand here and nowhere else."""

    def send(self, envelopes: Iterable[Envelope]) -> Iterator[Outcome]:
        """One outcome for each envelope, in order. Never raises for what a server or network does; never says
        accepted without having read so. After an outcome that no connection could be had, or that the login was
        refused, the rest come back ``UNSENT`` without being tried."""
        ...

    def close(self) -> None:
        """End the connection politely."""
        ...


class SmtpCourier:
    """A courier over one SMTP connection, opened at the first envelope and reopened once where the server ended it."""

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._smtp: smtplib.SMTP | None = None
        self._carried = 0  # messages the present connection has taken

    def send(self, envelopes: Iterable[Envelope]) -> Iterator[Outcome]:
        hopeless: Outcome | None = None
        for envelope in envelopes:
            if hopeless:
                yield Outcome(Result.UNSENT, f"not tried after: {hopeless.text}", hopeless.code, stage=Stage.CONNECT)
                continue
            outcome = self._deliver(envelope)
            if outcome.result in {Result.UNSENT, Result.REFUSED_LOGIN}:
                hopeless = outcome
            yield outcome

    def close(self) -> None:
        smtp, self._smtp = self._smtp, None
        if smtp:
            with suppress(OSError, smtplib.SMTPException):
                smtp.quit()
            smtp.close()

    def _deliver(self, envelope: Envelope) -> Outcome:
        """Try once, and once more on a fresh connection if a used one had ended: servers limit messages for each."""
        used = self._carried > 0
        outcome = self._connect() or self._transact(envelope)
        if outcome.result is Result.UNSENT and used and outcome.stage is not Stage.CONNECT:
            outcome = self._connect() or self._transact(envelope)
        return outcome

    # ------------------------------------------------------------------------------------- connection

    def _connect(self) -> Outcome | None:
        """Open the connection unless it is open. Returns what went wrong, or ``None``."""
        if self._smtp:
            return None
        try:
            self._smtp = self._opened()
        except smtplib.SMTPAuthenticationError as error:
            temporary = 400 <= error.smtp_code < 500  # RFC 4954 6: 454 is the server's trouble, 535 is ours
            return _reply(
                Result.UNSENT if temporary else Result.REFUSED_LOGIN, error.smtp_code, error.smtp_error, Stage.CONNECT
            )
        except (smtplib.SMTPNotSupportedError, ssl.SSLCertVerificationError) as error:
            return Outcome(Result.REFUSED_LOGIN, f"no secure session: {error}", stage=Stage.CONNECT)
        except smtplib.SMTPResponseException as error:
            return _reply(Result.UNSENT, error.smtp_code, error.smtp_error, Stage.CONNECT)
        except (OSError, smtplib.SMTPException) as error:
            return Outcome(Result.UNSENT, f"no connection: {_said(error)}", stage=Stage.CONNECT)
        self._carried = 0
        return None

    def _opened(self) -> smtplib.SMTP:
        settings = self._settings
        helo = settings.helo or socket.getfqdn()
        context = ssl.create_default_context(cafile=str(settings.ca_file) if settings.ca_file else None)
        smtp: smtplib.SMTP
        if settings.security == "tls":
            smtp = smtplib.SMTP_SSL(
                settings.host, settings.port, helo, timeout=settings.timeout_seconds, context=context
            )
        else:
            smtp = smtplib.SMTP(settings.host, settings.port, helo, timeout=settings.timeout_seconds)
        try:
            smtp.ehlo_or_helo_if_needed()
            if settings.security == "starttls":
                code, text = smtp.starttls(context=context)
                if code != 220:
                    raise smtplib.SMTPResponseException(code, text)
                smtp.ehlo()  # what was offered before TLS does not count (RFC 3207 4.2)
            if settings.username:
                smtp.login(settings.username, settings.password.get_secret_value())
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _drop(self) -> None:
        smtp, self._smtp = self._smtp, None
        if smtp:
            smtp.close()

    # ------------------------------------------------------------------------------------ transaction

    def _transact(self, envelope: Envelope) -> Outcome:
        assert self._smtp
        smtp = self._smtp
        if misfit := _misfit(smtp, envelope):
            return misfit
        stage = Stage.SENDER
        dotted = False
        try:
            code, text = smtp.mail(envelope.sender, _mail_options(smtp, envelope))
            if code == 250:
                stage = Stage.RECIPIENT
                code, text = smtp.rcpt(envelope.recipient)
                if code in {250, 251}:
                    stage = Stage.MESSAGE
                    code, text = smtp.docmd("DATA")
                    if code == 354:
                        dotted = True
                        smtp.send(_LEADING_DOT.sub(b"..", envelope.message) + b".\r\n")
                        code, text = smtp.getreply()
        except (OSError, smtplib.SMTPException) as error:
            # sendall() fails before the dot has left only in part; what a peer read of it can't be known.
            self._drop()
            result = Result.UNKNOWN if dotted else Result.UNSENT
            return Outcome(result, f"connection lost: {_said(error)}", stage=stage)
        return self._read(code, text, stage, dotted)

    def _read(self, code: int, text: bytes, stage: Stage, dotted: bool) -> Outcome:
        """The outcome that a reply amounts to, leaving the connection ready for the next message or closed."""
        if code == 421:  # RFC 5321 3.8: the server is closing; about the host, not the recipient
            self._drop()
            return _reply(Result.TEMPORARY if dotted else Result.UNSENT, code, text, stage)
        if not 200 <= code < 600 or 300 <= code < 400:  # not an answer to what was asked: out of step
            self._drop()
            return _reply(Result.UNKNOWN if dotted else Result.UNSENT, max(code, 0), text or b"garbled reply", stage)
        if code < 300:
            if dotted:
                self._carried += 1
                return _reply(Result.ACCEPTED, code, text, stage)
            self._drop()
            return _reply(Result.UNSENT, code, b"unexpected reply: " + text, stage)
        if not dotted:
            self._reset()
        return _reply(Result.TEMPORARY if code < 500 else Result.PERMANENT, code, text, stage)

    def _reset(self) -> None:
        try:
            if self._smtp and self._smtp.rset()[0] != 250:
                self._drop()
        except (OSError, smtplib.SMTPException):
            self._drop()


def _misfit(smtp: smtplib.SMTP, envelope: Envelope) -> Outcome | None:
    """Why this message can't go to this server at all, without asking it."""
    if not envelope.recipient.isascii() and not smtp.has_extn("smtputf8"):
        text = "the address needs SMTPUTF8 (RFC 6531), which the server does not offer"
        return Outcome(Result.PERMANENT, text, enhanced="5.6.7", stage=Stage.LOCAL)
    limit = smtp.esmtp_features.get("size", "")
    if limit.isdigit() and 0 < int(limit) < len(envelope.message):
        text = f"{len(envelope.message)} bytes are more than the server takes ({limit})"
        return Outcome(Result.PERMANENT, text, enhanced="5.3.4", stage=Stage.LOCAL)
    return None


def _mail_options(smtp: smtplib.SMTP, envelope: Envelope) -> list[str]:
    options = [f"SIZE={len(envelope.message)}"] if smtp.has_extn("size") else []
    if not envelope.recipient.isascii():
        smtp.command_encoding = "utf-8"
        return [*options, "SMTPUTF8"]
    smtp.command_encoding = "ascii"
    return options


def _reply(result: Result, code: int, raw: bytes | str, stage: Stage) -> Outcome:
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    text = " ".join(text.split())[:_TEXT_LIMIT]
    enhanced = _ENHANCED.match(text + " ")
    if enhanced:
        text = text[enhanced.end() :]
    return Outcome(result, text or "no text", code, enhanced[1] if enhanced else "", stage)


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:_TEXT_LIMIT] or type(error).__name__
