"""The child: reads jobs from stdin and answers on stdout until stdin ends. ``python -m digest.sandbox.child LIMITS``.

It is given no keys and no settings, opens nothing, and decodes only what ``charsets`` lists, whoever asks: Python's own
search for codecs is replaced.
"""

from __future__ import annotations

import codecs
import encodings
import json
import math
import os
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from digest.errors import InputError
from digest.language import charsets
from digest.sandbox.jobs import JOBS
from digest.sandbox.limits import ANSWER, BROKEN, FAULT, LARGE, LAST, QUESTION, READ, Limits

_NICE = 10  # what goes out comes first
_SAID = 300
_FOR_PYTHON = {"raw_unicode_escape"}  # the email package encodes with it


def main() -> None:
    limits = Limits(**json.loads(sys.argv[1]))
    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints does not disturb the answers
    _restrain(limits)
    for number in range(1, limits.jobs + 1):
        head = questions.read(QUESTION.size)
        if len(head) < QUESTION.size:
            return
        kind, said = _done(questions, (*QUESTION.unpack(head),), limits)
        last = number == limits.jobs or kind == LARGE or _used() > limits.memory // 2
        answers.write(ANSWER.pack(kind, len(said) | (LAST if last else 0)) + said)
        answers.flush()
        if last:
            return


def _done(questions: BinaryIO, lengths: tuple[int, int], limits: Limits) -> tuple[bytes, bytes]:
    try:
        kind, words = json.loads(questions.read(lengths[0]))
        body = questions.read(lengths[1])
        _give_cpu(limits.cpu_seconds)
        said = JOBS[kind](body, **words)
        if len(said) > limits.answer:
            return BROKEN, json.dumps("what is in it is too long").encode()
    except InputError as error:
        return FAULT, json.dumps([error.message[: 4 * _SAID], error.hint[:_SAID]]).encode()
    except MemoryError:
        return LARGE, b""
    except Exception as error:  # noqa: BLE001 - readers raise all sorts of things, and the next job waits
        return BROKEN, json.dumps(f"{type(error).__name__}: {error}"[:_SAID]).encode()
    return READ, said


def _restrain(limits: Limits) -> None:
    """What a platform lacks is left out; time is kept by the parent."""
    with suppress(OSError):
        os.nice(_NICE)
    for which, most in ((resource.RLIMIT_DATA, limits.memory), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0)):
        with suppress(ValueError, OSError):
            resource.setrlimit(which, (most, most))
    sys.setrecursionlimit(1000)
    codecs.unregister(encodings.search_function)
    codecs.register(_search)


def _search(name: str) -> codecs.CodecInfo | None:
    found = encodings.search_function(name)
    module = found and charsets.canonical(found.name)
    return found if module in charsets.READ or module in _FOR_PYTHON else None


def _give_cpu(seconds: int) -> None:
    """So much from now on; the kernel ends the process beyond it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime) + seconds
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _used() -> int:
    """Bytes that it has in memory; 0 where the system does not say. The most it had counts what it was forked from."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, ValueError):
        return 0


if __name__ == "__main__":
    main()
