"""What an issue costs once and what each reader's mail costs then: ``python -m bench.compile``.

The sample issue of about thirty articles, medians of several runs on one core. Every reader of the last column chose
other sections, so nothing can be kept between two of them.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from digest import compose, personalise
from digest.values import CompiledIssue, Reader
from tests import samples

KEYS = (("a", b"k" * 32),)
DATE = "Mon, 23 Nov 2026 01:30:00 +0000"
RUNS = 7
READERS = 2000
BUDGET = 90_000


def main() -> None:
    samples.compiled()  # loads templates, style parser and locale data
    compile_ms = _median(samples.compiled) * 1e3
    compiled = samples.compiled()
    optional = [section.key for section in compiled.content.edition.sections if section.optional]
    choices = [frozenset(k for bit, k in enumerate(optional) if n >> bit & 1) for n in range(1 << len(optional))]
    readers = [
        Reader(1, number, f"reader{number}@example.org", sections=choices[number % len(choices)])
        for number in range(READERS)
    ]
    everybody = personalise.assemble(compiled, compose.choose(compiled.content, None, None), BUDGET)
    alike = _median(lambda: [_message(everybody, reader) for reader in readers]) / READERS * 1e6
    own = _median(lambda: [_from_scratch(compiled, reader) for reader in readers]) / READERS * 1e6
    sizes = [len(_message(everybody, reader)) for reader in readers]
    print(f"compile one issue            {compile_ms:8.1f} ms")
    print(f"message, variant at hand     {alike:8.1f} µs")
    print(f"choose + assemble + message  {own:8.1f} µs  ({len(choices)} different choices)")
    print(f"bytes per message            {statistics.median(sizes):8.0f}")


def _message(assembled: personalise.Assembled, reader: Reader) -> bytes:
    return personalise.message(assembled, reader, KEYS, "bounces.example.org", DATE).message


def _from_scratch(compiled: CompiledIssue, reader: Reader) -> bytes:
    variant = compose.choose(compiled.content, reader.sections, reader.covered_until)
    return _message(personalise.assemble(compiled, variant, BUDGET), reader)


def _median(work: Callable[[], object]) -> float:
    """Seconds of processor time."""
    times = []
    for _ in range(RUNS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times)


if __name__ == "__main__":
    main()
