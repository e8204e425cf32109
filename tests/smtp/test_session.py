"""The client's side of SMTP against a server that answers anything, in any pieces, and may go at any byte (Hypothesis):
accepted is never said without a 2xx to the body, and surely-not-taken never of a message the server took."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from digest.outcomes import Envelope, Outcome, Result
from digest.settings import SmtpSettings
from digest.smtp.session import Message, Session

BODIES = st.sampled_from(
    [b"S: x\r\n\r\nhello\r\n", b".\r\n", b"..\r\n.\r\nx\r\n", b"S: long\r\n\r\n" + b"y" * 300 + b"\r\n"]
)
SETTINGS = SmtpSettings(host="x", security="none", window=3)
CODES = st.sampled_from(
    [b"250", b"250", b"250", b"250", b"354", b"450", b"451", b"550", b"554", b"421", b"221", b"xyz", b""]
)


@dataclass
class Server:
    """Reads commands and bodies as RFC 5321 and 3030 say, answers what it is dealt, and remembers what it took."""

    answer: Callable[[bytes], bytes]
    stays: bool  # after 421
    buffer: bytes = b""
    recipient: str = ""
    chunk: int = -1
    in_data: bool = False
    whole: set[str] = field(default_factory=set)  # bodies that have come in full
    took: set[str] = field(default_factory=set)  # answered with 2xx
    gone: bool = False

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the client; give back the answers to what is complete."""
        self.buffer += data
        said = b""
        while not self.gone and (step := self._step()) is not None:
            said += step
        return said

    def _step(self) -> bytes | None:
        if self.chunk >= 0:
            if len(self.buffer) < self.chunk:
                return None
            self.buffer, self.chunk = self.buffer[self.chunk :], -1
            return self._body()
        if self.in_data:
            text = b"\r\n" + self.buffer
            end = text.find(b"\r\n.\r\n")
            if end < 0:
                return None
            self.buffer, self.in_data = text[end + 5 :], False
            return self._body()
        line, newline, rest = self.buffer.partition(b"\r\n")
        if not newline:
            return None
        self.buffer = rest
        return self._command(line)

    def _command(self, line: bytes) -> bytes:
        if line.startswith(b"BDAT"):
            self.chunk = int(line.split()[1])
            return b""
        if line.startswith(b"RCPT"):
            self.recipient = line.partition(b"<")[2].partition(b">")[0].decode()
        reply = self.answer(line[:4])
        if line == b"DATA" and reply[:3] == b"354":
            self.in_data = True
        return self._said(reply)

    def _body(self) -> bytes:
        self.whole.add(self.recipient)
        reply = self.answer(b"body")
        if reply[:1] == b"2" and reply[:3].isdigit():
            self.took.add(self.recipient)
        return self._said(reply)

    def _said(self, reply: bytes) -> bytes:
        self.gone = reply[:3] == b"421" and not self.stays
        return reply + b"\r\n"


@settings(max_examples=200)
@given(
    data=st.data(), chunking=st.booleans(), pipelining=st.booleans(), bodies=st.lists(BODIES, min_size=1, max_size=6)
)
def test_whatever_a_server_does_nothing_is_claimed_that_was_not_read(
    data: st.DataObject, chunking: bool, pipelining: bool, bodies: list[bytes]
) -> None:
    codes = data.draw(st.lists(CODES, max_size=30))
    usual = {b"DATA": b"354 go", b"EHLO": _ehlo(chunking, pipelining)}

    def answer(verb: bytes) -> bytes:
        if verb == b"EHLO" or not codes:
            return usual.get(verb, b"250 fine")
        code = codes.pop()
        return usual.get(verb, b"250 fine") if code == b"250" and verb != b"DATA" else code + b" dealt"

    on_wire: list[int] = []
    server, session = Server(answer, data.draw(st.booleans())), Session(SETTINGS, "me")
    waiting = [Message(n, Envelope("s@x", f"r{n}@x", body)) for n, body in enumerate(bodies)]
    submitted: list[Message] = []
    to_client = b"220 hello\r\n"
    for _ in range(data.draw(st.integers(0, 200))):
        if session.closed:
            break
        if waiting and session.capacity > 0:
            submitted.append(waiting.pop(0))
            session.submit(submitted[-1])
        on_wire += session.leaving
        session.leaving.clear()
        to_client += server.feed(_written(session, data.draw(st.integers(0, 400))))
        heard = data.draw(st.integers(0, 60))
        session.feed(to_client[:heard])
        to_client = to_client[heard:]
    session.lost("the end", by_server=server.gone and data.draw(st.booleans()))

    outcomes = dict(_by_recipient(session.finished))
    assert len(session.finished) == len(outcomes) == len(submitted), "one outcome each"
    for message in submitted:
        recipient, outcome = message.envelope.recipient, outcomes[message.envelope.recipient]
        if outcome.result is Result.ACCEPTED:
            assert recipient in server.took
        if recipient in server.took:
            assert outcome.result in {Result.ACCEPTED, Result.UNKNOWN, Result.TEMPORARY, Result.PERMANENT}
            if outcome.result in {Result.TEMPORARY, Result.PERMANENT}:
                assert message.refused, "the server took a message after refusing its sender or recipient"
        if outcome.result is Result.UNKNOWN:
            assert message.index in on_wire


def _ehlo(chunking: bool, pipelining: bool) -> bytes:
    words = [
        b"me",
        *([b"PIPELINING"] if pipelining or chunking else []),
        *([b"CHUNKING"] if chunking else []),
        b"8BITMIME",
    ]
    return b"".join(b"250-" + word + b"\r\n" for word in words) + b"250 HELP"


def _written(session: Session, most: int) -> bytes:
    """What a kernel that takes ``most`` bytes at a time takes now."""
    whole = b"".join(session.outgoing)
    taken = whole[:most]
    session.outgoing.clear()
    if whole[most:]:
        session.outgoing.append(whole[most:])
    session.written += len(taken)
    return taken


def _by_recipient(finished: list[tuple[Message, Outcome]]) -> list[tuple[str, Outcome]]:
    return [(message.envelope.recipient, outcome) for message, outcome in finished]
