"""What the child may use, and how it is asked and answers."""

from __future__ import annotations

import struct
from dataclasses import dataclass

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one job: seconds of CPU and of time, bytes of memory (of the child) and of its answer. After ``jobs`` jobs, or
    with half of its memory used, a child is replaced."""

    cpu_seconds: int = 10
    seconds: float = 20.0
    memory: int = 320 * MEBIBYTE
    answer: int = 24 * MEBIBYTE
    jobs: int = 2000


QUESTION = struct.Struct(">II")
"""Bytes of the head (JSON: kind and words) and of the body, which follow."""
ANSWER = struct.Struct(">cI")
"""How it went, and the bytes that follow."""
READ, FAULT, BROKEN, LARGE = b"=", b"!", b"?", b"m"
"""Read (JSON); the document's fault (JSON: message and hint); a reader that failed (JSON: message); out of memory."""
LAST = 1 << 31
"""Added to the answer's length by a child that ends now."""
