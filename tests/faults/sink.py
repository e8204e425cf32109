"""A receiving SMTP server in a process of its own, that misbehaves by rule and keeps a line of every message it took.

``python -m tests.faults.sink PLAN``: the plan is a JSON file (``Plan``). It pipelines (RFC 2920) and takes chunks (RFC
3030) where it says so, and notes a client that does either without having been offered it. A message's line is written
before its reply, so what the file holds is what a real server would have queued.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import ssl
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from email import message_from_bytes
from email.utils import parseaddr
from pathlib import Path
from uuid import uuid4

FULL = ("PIPELINING", "CHUNKING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "SIZE 0")
PLAIN = ("8BITMIME",)
_PATH = re.compile(rb"<([^>]*)>")
_PACE_SECONDS = 0.02

DROP = "DROP"  # end the connection instead of a reply; after a body: without having taken it
TAKE_AND_DROP = "TAKE AND DROP"  # take the message, then end the connection without a word
CUT = "CUT"  # take the message, end the connection in the middle of the reply
SILENT = "SILENT"  # never answer


@dataclass(frozen=True)
class Rule:
    """At ``stage`` (``banner``, ``EHLO``, ``STARTTLS``, ``MAIL``, ``RCPT``, ``DATA``, ``body``) do ``action`` instead
    of the usual: a reply to be said, or one of the words above. Every ``one_in``-th arrival there is met so, ``times``
    in all (0: always); with ``recipient`` only those that match."""

    stage: str
    action: str
    one_in: int = 1
    times: int = 0
    recipient: str = ""


@dataclass(frozen=True)
class Plan:
    """What the server is and where it writes. ``rate``: messages a second at most (0: any); ``pause``: seconds before
    each reply. ``later``: the extensions from the second EHLO of a connection on, and on every second connection.
    ``lenient``: says 354 to DATA even where no recipient was taken. ``kept``: a folder for the messages themselves."""

    port: int
    took: str
    oddities: str
    host: str = "127.0.0.1"
    extensions: tuple[str, ...] = FULL
    later: tuple[str, ...] | None = None
    lenient: bool = False
    rules: tuple[Rule, ...] = ()
    rate: float = 0
    pause: float = 0
    starttls: bool = False
    certificate: str = ""
    key: str = ""
    kept: str = ""

    def save(self, file: Path) -> None:
        file.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> Plan:
        raw = json.loads(file.read_text(encoding="utf-8"))
        raw["rules"] = tuple(Rule(**rule) for rule in raw["rules"])
        return cls(**raw)


class _EndedError(Exception):
    """The dialogue is over."""


@dataclass
class _Wire:
    """A stream with its unread bytes in sight, which shows whether a client waits for its turn."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    unread: bytearray = field(default_factory=bytearray)

    async def until(self, mark: bytes) -> bytes:
        searched = 0
        while (found := self.unread.find(mark, searched)) < 0:
            searched = max(0, len(self.unread) - len(mark) + 1)
            await self._more()
        return self._cut(found + len(mark))

    async def exactly(self, count: int) -> bytes:
        while len(self.unread) < count:
            await self._more()
        return self._cut(count)

    async def _more(self) -> None:
        got = await self.reader.read(262_144)
        if not got:
            raise _EndedError
        self.unread += got

    def _cut(self, count: int) -> bytes:
        taken = bytes(self.unread[:count])
        del self.unread[:count]
        return taken


class Sink:
    """The server: what all its connections share."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.connections = 0
        self._arrivals = [0] * len(plan.rules)
        self._met = [0] * len(plan.rules)
        self._slot = 0.0
        self._took = os.open(plan.took, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._oddities = os.open(plan.oddities, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.tls: ssl.SSLContext | None = None
        if plan.certificate:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(plan.certificate, plan.key)

    def action(self, stage: str, recipient: str) -> str | None:
        """What the rules say to do at this arrival."""
        for index, rule in enumerate(self.plan.rules):
            if rule.stage != stage or (rule.recipient and not re.search(rule.recipient, recipient)):
                continue
            self._arrivals[index] += 1
            if self._arrivals[index] % rule.one_in or (rule.times and self._met[index] >= rule.times):
                continue
            self._met[index] += 1
            return rule.action
        return None

    def take(self, sender: str, recipient: str, client: str, body: bytes) -> None:
        head = message_from_bytes(body.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
        addressed = parseaddr(str(head["To"]))[1]
        if self.plan.kept:
            envelope = f"Return-Path: <{sender}>\r\nDelivered-To: {recipient}\r\n"
            (Path(self.plan.kept) / f"{uuid4().hex}.eml").write_bytes(envelope.encode() + body)
        os.write(self._took, f"{recipient}\t{addressed}\t{head['Message-ID']}\t{client}\n".encode())

    def odd(self, what: str) -> None:
        os.write(self._oddities, f"{what}\n".encode())

    async def pace(self) -> None:
        """Wait for this message's turn under the rate."""
        if not self.plan.rate:
            return
        now = asyncio.get_running_loop().time()
        self._slot = max(now, self._slot) + 1 / self.plan.rate
        if self._slot - now > _PACE_SECONDS:
            await asyncio.sleep(self._slot - now)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        dialogue = _Dialogue(self, _Wire(reader, writer), self.connections)
        try:
            await dialogue.run()
        except (_EndedError, OSError, ssl.SSLError):
            pass  # a client that hangs up, or one we hung up on, is part of the tests
        finally:
            writer.transport.abort()


@dataclass
class _Dialogue:
    sink: Sink
    wire: _Wire
    number: int
    greeted: int = 0
    secure: bool = False
    client: str = ""
    sender: str = ""
    recipient: str = ""
    offered: tuple[str, ...] = ()
    chunks: bytearray = field(default_factory=bytearray)

    async def run(self) -> None:
        await self._say("banner", "220 sink.example ESMTP")
        while True:
            line = await self.wire.until(b"\r\n")
            verb = line[:4].upper().strip()
            if verb == b"QUIT":
                await self._write("221 2.0.0 bye")
                return
            step = _STEPS.get(verb)
            if step is None:
                await self._write("250 2.0.0 ok" if verb in {b"RSET", b"NOOP"} else "502 5.5.1 what?")
                self.recipient = "" if verb == b"RSET" else self.recipient
            else:
                await step(self, line)

    async def ehlo(self, line: bytes) -> None:
        self.greeted += 1
        self.client = line.split()[-1].decode()
        plan = self.sink.plan
        fewer = plan.later is not None and (self.greeted > 1 or self.number % 2 == 0)
        self.offered = plan.later if fewer and plan.later is not None else plan.extensions
        words = ["sink.example", *self.offered, *(["STARTTLS"] if plan.starttls and not self.secure else [])]
        await self._say("EHLO", "\r\n".join([*(f"250-{word}" for word in words[:-1]), f"250 {words[-1]}"]))

    async def starttls(self, _line: bytes) -> None:
        if not self.sink.tls or not self.sink.plan.starttls:
            await self._write("502 5.5.1 no TLS here")
        elif await self._say("STARTTLS", "220 2.0.0 go ahead"):
            await self.wire.writer.start_tls(self.sink.tls)
            self.secure, self.wire.unread = True, bytearray()

    async def mail(self, line: bytes) -> None:
        path = _PATH.search(line)
        self.sender, self.recipient = path[1].decode() if path else "", ""
        self.chunks.clear()
        await self._say("MAIL", "250 2.1.0 ok")

    async def rcpt(self, line: bytes) -> None:
        path = _PATH.search(line)
        named = path[1].decode() if path else ""
        if await self._say("RCPT", "250 2.1.5 ok", named):
            self.recipient = named

    async def data(self, _line: bytes) -> None:
        if not self.recipient and not self.sink.plan.lenient:
            await self._write("503 5.5.1 no valid recipients")
        elif await self._say("DATA", "354 go", self.recipient):
            self.wire.unread[:0] = b"\r\n"  # so that a lone dot is an end too
            body = await self.wire.until(b"\r\n.\r\n")
            await self._body(re.sub(rb"(?m)^\.", b"", body[2:-3]))

    async def bdat(self, line: bytes) -> None:
        if "CHUNKING" not in self.offered:
            self.sink.odd("BDAT though CHUNKING was not offered")
        words = line.split()
        self.chunks += await self.wire.exactly(int(words[1]))
        if words[-1].upper() != b"LAST":
            await self._write("250 2.0.0 chunk")
        elif not self.recipient:
            await self._write("503 5.5.1 no valid recipients")
        else:
            await self._body(bytes(self.chunks))

    async def _body(self, body: bytes) -> None:
        recipient, self.recipient = self.recipient, ""
        self.chunks.clear()
        if not recipient:
            await self._write("554 5.5.1 no valid recipients")
            return
        await self.sink.pace()
        action = self.sink.action("body", recipient)
        if action in {None, TAKE_AND_DROP, CUT} or str(action).startswith("2"):
            self.sink.take(self.sender, recipient, self.client, body)
        await self._act(action or "250 2.0.0 taken")

    async def _say(self, stage: str, usual: str, recipient: str = "") -> bool:
        """Say the usual, or what the rules want. Returns whether it was the usual."""
        action = self.sink.action(stage, recipient or self.recipient)
        await self._act(action or usual)
        return action is None

    async def _act(self, action: str) -> None:
        if action in {DROP, TAKE_AND_DROP}:
            raise _EndedError
        if action == SILENT:
            while True:  # whatever is sent; until the client has had enough
                await self.wire.exactly(len(self.wire.unread) + 1)
        if action == CUT:
            self.wire.writer.write(b"25")
            await self.wire.writer.drain()
            raise _EndedError
        await self._write(action)
        if action.startswith("421"):
            raise _EndedError

    async def _write(self, reply: str) -> None:
        if self.wire.unread and "PIPELINING" not in self.offered:
            self.sink.odd(f"sent ahead of a reply though PIPELINING was not offered: {bytes(self.wire.unread[:40])!r}")
        if self.sink.plan.pause:
            await asyncio.sleep(self.sink.plan.pause)
        self.wire.writer.write(reply.encode("latin-1") + b"\r\n")
        await self.wire.writer.drain()


_STEPS: dict[bytes, Callable[[_Dialogue, bytes], Awaitable[None]]] = {
    b"EHLO": _Dialogue.ehlo,
    b"STAR": _Dialogue.starttls,
    b"MAIL": _Dialogue.mail,
    b"RCPT": _Dialogue.rcpt,
    b"DATA": _Dialogue.data,
    b"BDAT": _Dialogue.bdat,
}


async def _serve(plan: Plan) -> None:
    server = await asyncio.start_server(Sink(plan).serve, plan.host, plan.port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(Plan.load(Path(sys.argv[1]))))
