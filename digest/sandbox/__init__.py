"""Reads what strangers send (feeds, pages, returned mails) in a child process that can be ended.

Parsers of other people's bytes can be made to take minutes and gigabytes. So none runs in a process that does anything
else: the child has limits of CPU, memory and time and is killed beyond them, and the document is at fault. A process
has one child, started when it is first needed and again after it was ended; jobs of several threads take turns.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from digest.codec import codec
from digest.errors import InputError
from digest.feedback.bounce import MAX_BYTES, Judged
from digest.sandbox.limits import ANSWER, BROKEN, FAULT, LARGE, LAST, MEBIBYTE, QUESTION, READ, Limits
from digest.sources.feeds import ParsedFeed
from digest.values import ArticleDraft

__all__ = ["Limits", "MailRead", "Sandbox", "read_feed", "read_mail", "read_page"]

_log = logging.getLogger(__name__)
_ROOT = str(Path(__file__).resolve().parents[2])
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")


@dataclass(frozen=True, slots=True)
class MailRead:
    """A mail: the words of its subject that could be a token, and what it says if it came back."""

    words: tuple[str, ...]
    judged: Judged


class Sandbox:
    """One child, and who may ask it. Safe to use from many threads, and in a process forked from another."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._turn = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._pid = 0

    def ask(self, kind: str, body: bytes, where: str, **words: str) -> bytes:
        """The answer to a job. Raises ``InputError``: the document's fault, or that reading it went beyond a limit."""
        with self._turn:
            how, said = self._asked(kind, body, words, where) or self._asked(kind, body, words, where) or (LARGE, b"")
        if how == READ:
            return said
        if how == FAULT:
            raise InputError(*json.loads(said))
        if how == BROKEN:
            raise InputError(f"{where} can't be read ({json.loads(said)})")
        raise self._at_fault(where, f"it takes more than {self.limits.memory // MEBIBYTE} MB of memory")

    def _asked(self, kind: str, body: bytes, words: dict[str, str], where: str) -> tuple[bytes, bytes] | None:
        """``None``: somebody else has killed the child, perhaps for want of memory on the machine."""
        child, late = self._running(), threading.Event()
        clock = threading.Timer(self.limits.seconds, _end, (child, late))
        clock.daemon = True
        clock.start()
        try:
            return _exchanged(child, kind, body, words, self.limits.answer)
        except (OSError, EOFError):
            child.kill()
            status = child.wait()
        finally:
            clock.cancel()
            if child.poll() is not None:
                self._forget()
        if late.is_set():
            raise self._at_fault(where, f"it takes longer than {self.limits.seconds:g} s")
        if status == -signal.SIGXCPU:
            raise self._at_fault(where, f"it takes more than {self.limits.cpu_seconds} s of computing")
        if status not in {-signal.SIGKILL, -signal.SIGTERM}:
            raise self._at_fault(where, f"its reader ended with {status}")
        return None

    @property
    def child(self) -> int:
        """The child's process id, 0 without one."""
        return self._child.pid if self._child else 0

    def close(self) -> None:
        """End the child; the next job starts another."""
        with self._turn:
            self._forget()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._pid != os.getpid():
            self._child = None  # the child of the process that this one was forked from
        if self._child is None or self._child.poll() is not None:
            self._forget()
            self._pid = os.getpid()
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-m", "digest.sandbox.child", json.dumps(asdict(self.limits))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ} | {"PYTHONPATH": _ROOT},
                start_new_session=True,  # Ctrl-C ends us, and with us the child
            )
        return self._child

    def _forget(self) -> None:
        child, self._child = self._child, None
        if child is not None and self._pid == os.getpid():
            for pipe in (child.stdin, child.stdout):
                with suppress(OSError):
                    _there(pipe).close()
            child.kill()
            child.wait()

    def _at_fault(self, where: str, why: str) -> InputError:
        _log.warning("%s: %s; its reader was ended", where, why)
        return InputError(f"{where} can't be read: {why}")


def _end(child: subprocess.Popen[bytes], ended: threading.Event) -> None:
    ended.set()
    child.kill()


def _exchanged(
    child: subprocess.Popen[bytes], kind: str, body: bytes, words: dict[str, str], most: int
) -> tuple[bytes, bytes]:
    head = json.dumps([kind, words]).encode()
    to = _there(child.stdin)
    to.write(QUESTION.pack(len(head), len(body)))
    to.write(head)
    to.write(body)
    to.flush()
    kind_of_answer, length = ANSWER.unpack(_read(child, ANSWER.size))
    last, length = length & LAST, length & ~LAST
    if length > most:
        raise EOFError
    said = _read(child, length)
    if last:
        child.wait()
    return kind_of_answer, said


def _read(child: subprocess.Popen[bytes], length: int) -> bytes:
    found = _there(child.stdout).read(length)
    if len(found) < length:
        raise EOFError
    return found


def _there(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


# ----------------------------------------------------------------------------------- this process's own

_boxes = [Sandbox()]


def _own() -> Sandbox:
    return _boxes[-1]


def _renew() -> None:
    """A process that was forked starts a child of its own: the lock may be held by a thread that it does not have. The
    other's is kept, since letting go of it would wait for a child that is not ours."""
    _boxes.append(Sandbox())


atexit.register(lambda: _own().close())
os.register_at_fork(after_in_child=_renew)


def read_feed(body: bytes, content_type: str, url: str) -> ParsedFeed:
    """As ``digest.sources.parse.parse``. Raises ``InputError``."""
    return codec(ParsedFeed).validate_json(_own().ask("feed", body, url, content_type=content_type, url=url))


def read_page(page: bytes, url: str, charset: str = "") -> ArticleDraft:
    """As ``digest.sources.extract.extract``. Raises ``InputError``."""
    answer = _own().ask("page", page, url or "the page", url=url, charset=charset)
    return codec(ArticleDraft).validate_json(answer)


def read_mail(mail: bytes) -> MailRead:
    """What a mail says that came in, as ``unsubscribe_mail.words`` and ``bounce.judge``. Raises ``InputError``."""
    return codec(MailRead).validate_json(_own().ask("mail", mail[:MAX_BYTES], "the mail"))
