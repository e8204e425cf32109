"""Where mail goes in a benchmark: Postfix's smtp-sink, a sink of our own that costs next to nothing, and either behind
a wire of 20 ms."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, field
from pathlib import Path

from bench.processes import Processes, free_port, listening, wait_until
from bench.provide import Tools

_STATS = struct.Struct("5Q")


@dataclass(frozen=True, slots=True)
class Counted:
    """What a sink of ours saw since it was cleared; ``seconds``: from the first message's begin to the last's end."""

    messages: int
    received: int
    connections: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Sink:
    """A listening sink; ``stats`` is its file of counters, if it keeps one."""

    name: str
    port: int
    rtt_ms: int = 0
    stats: Path | None = None
    offers: str = field(default="PIPELINING, CHUNKING")

    def clear(self) -> None:
        if self.stats:
            with self.stats.open("r+b") as file:
                file.write(bytes(_STATS.size))

    def counted(self) -> Counted | None:
        if not self.stats:
            return None
        messages, received, connections, first, last = _STATS.unpack(self.stats.read_bytes())
        return Counted(messages, received, connections, max(last - first, 1) / 1e9)


def smtp_sink(processes: Processes, tools: Tools, folder: Path) -> Sink:
    """Postfix's: a real SMTP server's reading of each line, without CHUNKING."""
    port = free_port()
    user = ("-u", "nobody") if os.geteuid() == 0 else ()
    command = (*tools.smtp_sink, *user, "-m", "1000", f"127.0.0.1:{port}", "1000")
    processes.start(command, folder / "smtp-sink.log", env=tools.environment)
    return _up(Sink("smtp-sink", port, offers="PIPELINING"))


def fast_sink(processes: Processes, tools: Tools, folder: Path, chunking: bool = True) -> Sink:
    """Our own: hides nothing of what a client costs."""
    port = free_port()
    stats = folder / f"sink-{port}.stats"
    without = () if chunking else ("nochunking",)
    processes.start((*tools.sink, str(port), str(stats), *without), folder / "sink.log", HERE)
    return _up(Sink("fast", port, 0, stats, "PIPELINING, CHUNKING" if chunking else "PIPELINING"))


def behind_wire(processes: Processes, tools: Tools, folder: Path, sink: Sink, rtt_ms: int) -> Sink:
    """``sink`` at the far end of a wire with that round trip."""
    port = free_port()
    command = (*tools.delay, str(port), str(sink.port), str(rtt_ms * 500))
    processes.start(command, folder / "delay.log", HERE)
    return _up(Sink(sink.name, port, rtt_ms, sink.stats, sink.offers))


def _up(sink: Sink) -> Sink:
    wait_until(lambda: listening(sink.port), f"the sink {sink.name}", 10)
    return sink


HERE = Path(__file__).resolve().parents[1]
