"""``python -m bench.standin sink|delay …``: what sink.c and delay.c do, where there is no C compiler. Much slower."""

from __future__ import annotations

import asyncio
import sys
import time
from mmap import mmap
from pathlib import Path
from struct import pack_into, unpack_from

_STATS = "5Q"
_SIZE = 40


class Sink(asyncio.Protocol):
    """Takes everything; looks only for commands and the end of each message."""

    stats: mmap
    offered: bytes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._kept, self._left, self._last, self._body = transport, b"", -1, False, False
        transport.write(b"220 sink ESMTP\r\n")
        self._count(connections=1)

    def data_received(self, data: bytes) -> None:
        rest, replies = self._kept + data, bytearray()
        while rest or self._left == 0:
            if self._left >= 0:
                here = min(len(rest), self._left)
                rest, self._left = rest[here:], self._left - here
                if self._left:
                    break
                self._left = -1
                replies += self._taken() if self._last else b"250 2.0.0 ok\r\n"
            elif self._body:
                end = rest.find(b"\r\n.\r\n")
                if end < 0:
                    break
                rest, self._body = rest[end + 5 :], False
                replies += self._taken()
            else:
                line, newline, after = rest.partition(b"\n")
                if not newline:
                    break
                rest = after
                reply = self._command(line.strip().upper())
                replies += reply
                if reply.startswith(b"354"):
                    rest = b"\r\n" + rest  # a message may be nothing but its end
        self._kept = rest
        self._count(received=len(data))
        self._transport.write(bytes(replies))

    def _command(self, line: bytes) -> bytes:
        verb = line[:4]
        if verb == b"MAIL":
            self._count(begun=time.monotonic_ns())
        if verb == b"DATA":
            self._body = True
            return b"354 go on\r\n"
        if verb == b"BDAT":
            self._left, self._last = int(line.split()[1]), line.endswith(b"LAST")
            return b""
        if verb == b"EHLO":
            return self.offered
        if verb == b"QUIT":
            asyncio.get_running_loop().call_soon(self._transport.close)
            return b"221 2.0.0 bye\r\n"
        return (
            b"250 2.0.0 ok\r\n" if verb in {b"MAIL", b"RCPT", b"HELO", b"RSET", b"NOOP"} else b"502 5.5.1 unknown\r\n"
        )

    def _taken(self) -> bytes:
        self._count(messages=1, ended=time.monotonic_ns())
        return b"250 2.0.0 taken\r\n"

    def _count(
        self, messages: int = 0, received: int = 0, connections: int = 0, begun: int = 0, ended: int = 0
    ) -> None:
        have = unpack_from(_STATS, self.stats)
        now = (have[0] + messages, have[1] + received, have[2] + connections, have[3] or begun, ended or have[4])
        pack_into(_STATS, self.stats, 0, *now)


class Wire(asyncio.Protocol):
    """One end of a delayed connection."""

    def __init__(self, seconds: float, target: int = 0) -> None:
        self._seconds, self._target = seconds, target
        self._early: list[bytes] = []
        self.other: Wire | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if self._target:
            self._task = asyncio.ensure_future(self._join())

    async def _join(self) -> None:
        loop = asyncio.get_running_loop()
        _, self.other = await loop.create_connection(lambda: Wire(self._seconds), "127.0.0.1", self._target)
        self.other.other = self
        for data in self._early:
            self.data_received(data)

    def data_received(self, data: bytes) -> None:
        if self.other is None:
            self._early.append(data)
        else:
            asyncio.get_running_loop().call_later(self._seconds, self.other.transport.write, data)

    def connection_lost(self, _error: Exception | None) -> None:
        if self.other:
            asyncio.get_running_loop().call_later(self._seconds, self.other.transport.close)


async def _main(name: str, port: int, *rest: str) -> None:
    loop = asyncio.get_running_loop()
    if name == "delay":
        server = await loop.create_server(lambda: Wire(int(rest[1]) / 1e6, int(rest[0])), "127.0.0.1", port)
    else:
        with Path(rest[0]).open("w+b") as file:
            file.truncate(_SIZE)
            Sink.stats = mmap(file.fileno(), _SIZE)
        lines = [name for name in ("PIPELINING", "CHUNKING") if f"no{name.lower()}" not in rest]
        Sink.offered = b"".join(f"250-{line}\r\n".encode() for line in ("sink", *lines)) + b"250 8BITMIME\r\n"
        server = await loop.create_server(Sink, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:]))
