"""Readers who leave while an issue is being sent to them: so many a second, by one-click POSTs from a process of their
own, against ``digest up`` with its one web process.

Run: ``python -m bench.leaving FOLDER [--rate 500] [--seconds 30] [--url postgresql://…]``. It prints what it measured:
answers, their times, what the ledger has, and which mails reached the mail server after their reader's answer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from bench.engine import Site
from bench.processes import Processes, free_port, wait_until
from bench.sinks import Sink
from digest.flows.issues import publish
from digest.readers import tokens
from digest.states import SubscriptionState
from digest.store.schema import subscribers, subscriptions

_CONNECTIONS = 100
_BODY = b"List-Unsubscribe=One-Click"
_SENDING = 1.6  # how much longer than the leaving the sending lasts


@dataclass(slots=True)
class Asked:
    """One POST: whose it was, its status, when it was due, sent off and answered (monotonic seconds)."""

    address: str
    status: int
    due: float
    answered: float


# ------------------------------------------------------------------------------------------- the leaving


async def _leave(port: int, names: list[tuple[str, str]], rate: float) -> list[Asked]:
    """POST for (address, token) pairs at an even rate, whatever the answers take: who comes late is counted late."""
    queue: asyncio.Queue[tuple[float, str, str]] = asyncio.Queue()
    done: list[Asked] = []

    async def visitor() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while True:
            due, address, token = await queue.get()
            writer.write(
                b"POST /u/%s HTTP/1.1\r\nHost: bench\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (token.encode(), len(_BODY), _BODY)
            )
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            await reader.readexactly(int(length[1]) if length else 0)
            done.append(Asked(address, int(head[9:12]), due, time.monotonic()))
            queue.task_done()

    visitors = [asyncio.create_task(visitor()) for _ in range(_CONNECTIONS)]
    began = time.monotonic()
    for number, (address, token) in enumerate(names):
        due = began + number / rate
        if (wait := due - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        queue.put_nowait((due, address, token))
    await queue.join()
    for task in visitors:
        task.cancel()
    return done


# ---------------------------------------------------------------------------------------------- the sink


async def _sink(port: int, seen: Path) -> None:
    """An SMTP server that writes down when it was told each recipient."""
    with seen.open("w", encoding="ascii", buffering=1) as out:

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 sink\r\n")
            while line := await reader.readline():
                word = line[:4].upper()
                if word == b"EHLO":
                    writer.write(b"250-sink\r\n250 PIPELINING\r\n")
                elif word == b"RCPT":
                    out.write(f"{time.monotonic()} {line.decode().partition('<')[2].partition('>')[0]}\n")
                    writer.write(b"250 ok\r\n")
                elif word == b"DATA":
                    writer.write(b"354 go on\r\n")
                    await reader.readuntil(b"\r\n.\r\n")
                    writer.write(b"250 ok\r\n")
                elif word == b"QUIT":
                    break
                else:
                    writer.write(b"250 ok\r\n")
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", port, limit=2**22)
        await server.serve_forever()


# ------------------------------------------------------------------------------------------- the measure


def measure(folder: Path, url: str, rate: int, seconds: int) -> dict[str, float]:
    """Send at ``rate`` a second to twice those who leave; they leave at the same rate meanwhile."""
    leaving, sent_log, asked_log = rate * seconds, folder / "sent.txt", folder / "asked.json"
    readers, port = int(leaving * _SENDING), free_port()
    folder.mkdir(parents=True)
    with Processes() as processes:
        processes.start(
            [sys.executable, "-m", "bench.leaving", "--sink", str(port), str(sent_log)], folder / "sink.log"
        )
        site = Site(folder / "site", Sink("slow", port), url, smtp=f"\n[limits]\nper_second = {rate}\n")
        site.up(processes)
        wait_until(lambda: len(site.workers()) > 1, "workers", 120)
        name = site.edition(readers)
        keys = site.app.settings.keys
        with site.app.database.read() as connection:
            rows = connection.execute(
                select(subscribers.c.address, subscriptions.c.id)
                .join(subscriptions)
                .order_by(subscriptions.c.id.desc())
            ).all()[:leaving]
        issue = publish.open_now(site.app.database, name, "", site.app.now()).id
        (folder / "names.json").write_text(json.dumps([(r.address, tokens.reader(keys, issue, r.id)) for r in rows]))
        site.app.queue.poke("publish", issue)
        wait_until(lambda: sent_log.exists() and sent_log.stat().st_size > 0, "the first mail", 600, 0.01)
        subprocess.run(
            [sys.executable, "-m", "bench.leaving", "--leave", str(site.app.settings.web.port), str(folder), str(rate)],
            check=True,
        )
        wait_until(lambda: site._ended(issue) is not None, "the end of the issue", 600, 0.2)
        with site.app.database.read() as connection:
            query = select(func.count()).where(subscriptions.c.state == SubscriptionState.UNSUBSCRIBED)
            committed = connection.execute(query).scalar_one()
        site.down()
    return _told(json.loads(asked_log.read_text()), sent_log, leaving, committed)


def _told(asked: list[list[float | str]], sent_log: Path, leaving: int, committed: int) -> dict[str, float]:
    answered = {str(address): float(at) for address, _, _, at in asked}
    times = sorted(1000 * (float(at) - float(due)) for _, _, due, at in asked)
    late = []
    mailed = 0
    for line in sent_log.read_text().splitlines():
        at, _, address = line.partition(" ")
        mailed += 1
        if address in answered and float(at) > answered[address]:
            late.append(float(at) - answered[address])
    span = max(answered.values()) - min(float(due) for _, _, due, _ in asked)
    return {
        "asked": leaving,
        "answers other than 200": sum(status != 200 for _, status, _, _ in asked),
        "a second": round(len(asked) / span, 1),
        "p50 ms": round(times[len(times) // 2], 1),
        "p99 ms": round(times[len(times) * 99 // 100], 1),
        "longest ms": round(times[-1], 1),
        "committed": committed,
        "mailed": mailed,
        "mailed after their answer": len(late),
        "of these the latest, s": round(max(late, default=0.0), 2),
    }


def main() -> None:
    words = sys.argv[1:]
    if words[:1] == ["--sink"]:
        asyncio.run(_sink(int(words[1]), Path(words[2])))
    elif words[:1] == ["--leave"]:
        folder = Path(words[2])
        names = [tuple(pair) for pair in json.loads((folder / "names.json").read_text())]
        done = asyncio.run(_leave(int(words[1]), names, float(words[3])))
        rows = [(one.address, one.status, one.due, one.answered) for one in done]
        (folder / "asked.json").write_text(json.dumps(rows))
    else:
        parser = argparse.ArgumentParser(description=__doc__)
        parser.add_argument("folder", type=Path)
        parser.add_argument("--url", default="")
        parser.add_argument("--rate", type=int, default=500)
        parser.add_argument("--seconds", type=int, default=30)
        chosen = parser.parse_args(words)
        url = chosen.url or f"sqlite:///{chosen.folder.resolve()}/site.db"
        print(json.dumps(measure(chosen.folder, url, chosen.rate, chosen.seconds), indent=2))


if __name__ == "__main__":
    main()
