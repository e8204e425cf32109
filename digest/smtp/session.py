"""One SMTP session without its socket: bytes in, bytes out, and what became of each message.

Where the server offers PIPELINING (RFC 2920), the next message's MAIL, RCPT and DATA leave in the same packet as the
body before: one round trip a message. With CHUNKING as well (RFC 3030) whole messages follow each other without
waiting, up to a window. A server that offers neither is asked step by step. Replies are matched to commands strictly
in order; whatever does not fit ends the session. ``accepted`` is said of a message only if a 2xx to its body was read.

What is known when a session ends early:

- its last byte has not been handed to the kernel: the server can't have taken the message (``UNSENT``);
- it has, and no reply was read: nobody knows (``UNKNOWN``); but when the server said 421, with which it announces that
  it closes (RFC 5321 3.8), and then did, nothing behind it was processed (``UNSENT``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from digest.outcomes import Envelope, Outcome, Result, Stage
from digest.settings import SmtpSettings
from digest.smtp import wording

_LINE_LIMIT = 65_536


class Command(Enum):
    """What a reply is awaited to."""

    GREETING = auto()
    EHLO = auto()
    HELO = auto()
    STARTTLS = auto()
    AUTH = auto()
    MAIL = auto()
    RCPT = auto()
    DATA = auto()
    BODY = auto()  # the final dot, or BDAT … LAST
    IGNORED = auto()  # RSET, or the lone dot after a refusal
    QUIT = auto()


_STAGES = {
    Command.MAIL: Stage.SENDER,
    Command.RCPT: Stage.RECIPIENT,
    Command.DATA: Stage.MESSAGE,
    Command.BODY: Stage.MESSAGE,
}


@dataclass(slots=True, eq=False)
class Message:
    """A message on its way: its number in the caller's count, and how far it has got."""

    index: int
    envelope: Envelope
    tries: int = 0
    refused: Outcome | None = None  # by MAIL or RCPT, while later replies are still to come
    end: int = -1  # position in the outgoing stream just behind its last byte; -1: that byte is not queued yet
    settled: bool = False  # its outcome is known, though replies to its other commands may still come


class Session:
    """The client's side of one connection. ``outgoing`` holds what is to be written; the connection counts in
    ``written`` what the kernel took. ``leaving`` collects the messages whose bodies have got into ``outgoing``,
    ``finished`` (message, outcome): who reads them takes them out."""

    def __init__(self, settings: SmtpSettings, helo: str) -> None:
        self.outgoing: deque[bytes] = deque()
        self.written = 0
        self.leaving: list[int] = []
        self.finished: list[tuple[Message, Outcome]] = []
        self.ready = False  # greeted, secured, logged in
        self.closed = False
        self.wants_tls = False
        self.failure: Outcome | None = None  # why the session could not be opened
        self.carried = 0
        self.replies = 0  # whole ones: half a line now and then is no answer
        self.retiring = False  # takes no more messages
        self._quitting = False
        self._closing = False  # the server has said 421
        self._announced = False  # and then did close
        self._settings = settings
        self._helo = helo
        self._queued = 0
        self._buffer = b""
        self._lines: list[bytes] = []
        self._awaited: deque[tuple[Command, Message | None]] = deque([(Command.GREETING, None)])
        self._extensions: dict[str, str] = {}
        self._secure = settings.security == "tls"
        self._logins: Iterator[bytes] = iter(())
        self._login_given_up = False  # "*" was said (RFC 4954 4)
        self._under_way = 0  # messages submitted and not finished
        self._bodies = 0  # of them, with the body queued
        self._unclear = False  # the server may be within a transaction

    # ------------------------------------------------------------------------------------ the caller

    @property
    def idle(self) -> bool:
        return self._under_way == 0

    @property
    def opening(self) -> bool:
        """Whether it is not ready for messages yet."""
        return not self.ready and not self._quitting

    @property
    def waiting(self) -> bool:
        """Whether a reply is awaited."""
        return bool(self._awaited)

    @property
    def capacity(self) -> int:
        """How many messages may be submitted now."""
        if not self.ready or self.closed or self.retiring:
            return 0
        if self._chunking:
            return self._settings.window - self._under_way
        if self._pipelining:
            return 1 - (self._under_way - self._bodies)
        return 1 - self._under_way

    def drained(self) -> bool:
        """Whether nothing is under way or still to be answered."""
        return not self._under_way and not self._awaited

    def submit(self, message: Message) -> None:
        """Begin to send a message; ``capacity`` must allow it."""
        message.refused, message.end = wording.misfit(self._extensions, message.envelope), -1
        if message.refused:
            self.finished.append((message, message.refused))
            return
        self._under_way += 1
        if self._chunking:
            self._submit_chunk(message)
            return
        if self._unclear:
            self._command(b"RSET\r\n", Command.IGNORED, None)
            self._unclear = False
        self._command(wording.mail_from(self._extensions, message.envelope), Command.MAIL, message)
        if self._pipelining:
            self._command(wording.rcpt_to(message.envelope), Command.RCPT, message)
            self._command(b"DATA\r\n", Command.DATA, message)

    def quit(self) -> None:
        """Ask the server to end the session."""
        if self.ready and not self.closed:
            self.ready, self._quitting = False, True
            self._command(b"QUIT\r\n", Command.QUIT, None)

    def secured(self) -> None:
        """TLS is up: begin again with EHLO, since what was offered before does not count (RFC 3207 4.2)."""
        self.wants_tls, self._secure = False, True
        if not self._awaited:
            self._command(f"EHLO {self._helo}\r\n".encode(), Command.EHLO, None)

    def feed(self, data: bytes) -> None:
        """Take bytes from the server."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            if self.closed:
                return
            self._lines.append(line.rstrip(b"\r"))
            if line[3:4] != b"-":
                reply, self._lines = self._lines, []
                self._reply(reply)
        if len(self._buffer) > _LINE_LIMIT or len(self._lines) > _LINE_LIMIT // 64:
            self.lost("the server does not stop talking")

    def lost(self, why: str, result: Result = Result.UNSENT, by_server: bool = False) -> None:
        """The connection has ended or must end. Everything under way gets its outcome; see the module's head."""
        if self.closed:
            return
        self.closed = True
        self._announced = self._closing and by_server
        if not self.ready and not self._quitting and not self.failure:
            self.failure = Outcome(result, f"no connection: {why}", stage=Stage.CONNECT)
        self._abandon(why)

    # ------------------------------------------------------------------------------------ replies

    def _reply(self, lines: list[bytes]) -> None:
        head = lines[-1]
        if not head[:3].isdigit() or not b"200" <= head[:3] < b"600" or not self._awaited:
            self.lost(f"garbled reply: {wording.said(lines)}" if head else "garbled reply")
            return
        code = int(head[:3])
        self.replies += 1
        command, message = self._awaited.popleft()
        if code == 421 and command is not Command.QUIT:
            self.retiring = self._closing = True
        if message is None:
            self._opening(command, code, lines)
        elif command is Command.BODY:
            self._body(message, code, lines)
        elif command is Command.DATA:
            self._data(message, code, lines)
        else:
            self._envelope(command, message, code, lines)
        if self._closing and not self._awaited:
            self.closed = True

    def _envelope(self, command: Command, message: Message, code: int, lines: list[bytes]) -> None:
        """A reply to MAIL or RCPT."""
        if 300 <= code < 400:
            self._out_of_step(command, message, lines)
            return
        if code >= 400 and not message.refused:
            message.refused = wording.refusal(code, lines, _STAGES[command])
        if self._pipelining:
            return
        if message.refused:
            self._unclear = True
            self._finish(message, message.refused)
        elif command is Command.MAIL:
            self._command(wording.rcpt_to(message.envelope), Command.RCPT, message)
        else:
            self._command(b"DATA\r\n", Command.DATA, message)

    def _data(self, message: Message, code: int, lines: list[bytes]) -> None:
        if code < 300:
            self._out_of_step(Command.DATA, message, lines)
        elif code >= 400:
            self._unclear = True
            self._finish(message, message.refused or wording.refusal(code, lines, Stage.MESSAGE))
        elif message.refused and message.refused.stage is Stage.RECIPIENT and not self._closing:
            # Nobody to send it to, and yet the server waits for a message: an empty one ends it.
            self._command(b".\r\n", Command.IGNORED, None)
            self._finish(message, message.refused)
        elif message.refused:  # a server that refuses the sender and goes on all the same can't be followed
            self._out_of_step(Command.DATA, message, lines)
        else:
            self.leaving.append(message.index)
            self._bodies += 1
            self._queue(wording.stuffed(message.envelope))
            self._command(b".\r\n", Command.BODY, message)
            message.end = self._queued

    def _body(self, message: Message, code: int, lines: list[bytes]) -> None:
        self._bodies -= 1
        if code >= 400:
            self._unclear = self._chunking
            self._finish(message, message.refused or wording.refusal(code, lines, Stage.MESSAGE, body=True))
        elif code >= 300:
            self._out_of_step(Command.BODY, message, lines)
        elif message.refused and message.refused.result is Result.UNSENT:  # said 421, and took it all the same
            self._finish(message, wording.outcome(Result.UNKNOWN, code, lines, Stage.MESSAGE))
        elif message.refused:
            self._finish(message, message.refused)
        else:
            self.carried += 1
            self._finish(message, wording.outcome(Result.ACCEPTED, code, lines, Stage.MESSAGE))

    def _out_of_step(self, command: Command, message: Message, lines: list[bytes]) -> None:
        """A reply that answers nothing that was asked: from here on nothing can be matched."""
        self._awaited.appendleft((command, message))
        self.lost(f"unexpected reply: {lines[-1][:3].decode()} {wording.said(lines)}")

    def _abandon(self, why: str) -> None:
        """Give every message under way its outcome."""
        for message in dict.fromkeys(m for _, m in self._awaited if m and not m.settled):
            told_all = 0 <= message.end <= self.written
            result = Result.UNKNOWN if told_all and not self._announced else Result.UNSENT
            stage = next(_STAGES[command] for command, m in self._awaited if m is message)
            outcome = Outcome(result, f"connection lost: {why}", stage=stage)
            if message.refused and message.refused.result is not Result.UNSENT:
                outcome = message.refused
            self._finish(message, outcome)
        self._awaited.clear()
        self.outgoing.clear()
        self.leaving.clear()

    def _finish(self, message: Message, outcome: Outcome) -> None:
        assert not message.settled, "a message has one outcome"
        message.settled = True
        self._under_way -= 1
        self.finished.append((message, outcome))

    # ------------------------------------------------------------------------------------ opening

    def _opening(self, command: Command, code: int, lines: list[bytes]) -> None:
        match command:
            case Command.GREETING if code == 220:
                self._command(f"EHLO {self._helo}\r\n".encode(), Command.EHLO, None)
            case Command.EHLO if code == 250:
                self._extensions = wording.offered(lines)
                self._secure_or_login()
            case Command.EHLO if code >= 500 and not self._secure:
                self._command(f"HELO {self._helo}\r\n".encode(), Command.HELO, None)
            case Command.HELO if code == 250:
                self._extensions = {}
                self._secure_or_login()
            case Command.STARTTLS if code == 220:
                if self._buffer:  # spoken in the clear, meant to be heard inside TLS
                    self._fail(Result.REFUSED_LOGIN, "the server spoke between STARTTLS and TLS")
                else:
                    self.wants_tls = True
            case Command.AUTH if code in {235, 334}:
                self._login(code)
            case Command.IGNORED:
                self._unclear = self._unclear or code >= 400
            case Command.QUIT:
                self.closed = True
            case Command.AUTH if code >= 500:  # RFC 4954 6: 454 is the server's trouble, 535 is ours
                self.closed, self.failure = True, wording.outcome(Result.REFUSED_LOGIN, code, lines, Stage.CONNECT)
            case _:
                self.closed, self.failure = True, wording.outcome(Result.UNSENT, code, lines, Stage.CONNECT)

    def _secure_or_login(self) -> None:
        settings = self._settings
        if settings.security == "starttls" and not self._secure:
            if "STARTTLS" not in self._extensions:
                self._fail(Result.REFUSED_LOGIN, "no secure session: the server does not offer STARTTLS")
            else:
                self._command(b"STARTTLS\r\n", Command.STARTTLS, None)
        elif settings.username:
            self._begin_login()
        else:
            self.ready = True

    def _begin_login(self) -> None:
        settings, offered = self._settings, self._extensions.get("AUTH", "").upper().split()
        wanted = ("PLAIN", "LOGIN") if settings.auth == "auto" else (settings.auth.upper(),)
        method = next((method for method in wanted if method in offered), None)
        if method is None:
            self._fail(Result.REFUSED_LOGIN, f"the server does not offer AUTH {' or '.join(wanted)}")
            return
        first, self._logins = wording.login(method, settings.username, settings.password.get_secret_value())
        self._command(first, Command.AUTH, None)

    def _login(self, code: int) -> None:
        if code == 235:
            self.ready = True
        elif self._login_given_up:
            self._fail(Result.UNSENT, "the server does not stop asking for a login")
        else:
            answer = next(self._logins, None)
            self._login_given_up = answer is None
            self._command(answer or b"*\r\n", Command.AUTH, None)

    def _fail(self, result: Result, why: str) -> None:
        self.closed, self.failure = True, Outcome(result, why, stage=Stage.CONNECT)

    # ------------------------------------------------------------------------------------ writing

    @property
    def _pipelining(self) -> bool:
        return "PIPELINING" in self._extensions

    @property
    def _chunking(self) -> bool:
        return "CHUNKING" in self._extensions and "PIPELINING" in self._extensions

    def _submit_chunk(self, message: Message) -> None:
        """RSET goes first wherever a transaction before may yet be refused half-way."""
        if self._unclear or self._under_way > 1:
            self._command(b"RSET\r\n", Command.IGNORED, None)
            self._unclear = False
        envelope = message.envelope
        self._command(wording.mail_from(self._extensions, envelope), Command.MAIL, message)
        self._command(wording.rcpt_to(envelope), Command.RCPT, message)
        self.leaving.append(message.index)
        self._bodies += 1
        self._command(b"BDAT %d LAST\r\n" % len(envelope.message), Command.BODY, message)
        self._queue(envelope.message)
        message.end = self._queued

    def _command(self, line: bytes, command: Command, message: Message | None) -> None:
        self._awaited.append((command, message))
        self._queue(line)

    def _queue(self, data: bytes) -> None:
        self.outgoing.append(data)
        self._queued += len(data)
