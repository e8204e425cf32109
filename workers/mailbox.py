"""The embedded default: a mailbox that takes all mail and sends none on."""

from __future__ import annotations

import asyncio
import logging
import secrets
import signal
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from digest.errors import UnavailableError

log = logging.getLogger(__name__)


class Maildir:
    """An aiosmtpd handler that keeps every message in a Maildir, with its envelope in the headers a mail server would
    put there: Return-Path and Delivered-To."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in ("tmp", "new", "cur"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        head = f"Return-Path: <{envelope.mail_from}>\r\nDelivered-To: {', '.join(envelope.rcpt_tos)}\r\n"
        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        name = f"{secrets.token_hex(12)}.eml"
        (self._folder / "tmp" / name).write_bytes(head.encode() + content)
        (self._folder / "tmp" / name).rename(self._folder / "new" / name)
        return "250 2.0.0 kept"


def run_mailbox(port: int, folder: Path) -> None:
    """Serve the embedded mailbox on loopback until SIGTERM. Raises ``UnavailableError`` where the port is not to be
    had."""
    asyncio.run(_serve(port, folder))


async def _serve(port: int, folder: Path) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    handler = Maildir(folder)
    try:
        server = await loop.create_server(
            lambda: SMTP(handler, hostname="mailbox.localhost", enable_SMTPUTF8=True, data_size_limit=None),
            "127.0.0.1",
            port,
        )
    except OSError as error:
        raise UnavailableError(
            f"the mailbox can't use port {port} ({error.strerror})",
            "another digest may be using it, and would get this one's mail: stop it, or set another mailbox_port",
        ) from None
    log.info("mailbox: 127.0.0.1:%d keeps all mail in %s", port, folder)
    async with server:
        await ended.wait()
