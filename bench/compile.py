"""What an issue costs once and what each reader's mail costs then: ``python -m bench.compile``.

The sample issue of about thirty articles, medians of several runs on one core.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from bench import mail
from digest.editorial.variants import choose
from digest.mail.personalise import Press
from digest.values import IssueContent, Reader
from tests.support import samples

KEYS = (("a", b"k" * 32),)
BUDGET = 90_000


def main(runs: int = 7, count: int = 2000) -> None:
    """Print what it comes to, the medians of ``runs`` with ``count`` readers."""
    app, content = mail.app(), samples.content()
    start = time.process_time()
    compiled = app.compiled(content)
    first_ms = (time.process_time() - start) * 1e3
    compile_ms = _median(lambda: app.compiled(content), runs) * 1e3
    optional = [section.key for section in compiled.content.edition.sections if section.optional]
    choices = [tuple(k for bit, k in enumerate(optional) if n >> bit & 1) for n in range(1 << len(optional))]
    readers = [
        Reader(1, number, f"reader{number}@example.org", sections=choices[number % len(choices)])
        for number in range(count)
    ]
    press = Press(compiled, KEYS, "bounces.example.org", BUDGET)
    everything = [replace(reader, sections=None) for reader in readers]
    alike = _median(lambda: _written(press, compiled.content, everything), runs) / count * 1e6
    own = _median(lambda: _written(press, compiled.content, readers), runs) / count * 1e6
    size = _written(press, compiled.content, everything) / count
    print(
        f"compile one issue            {compile_ms:8.1f} ms  ({first_ms:.0f} ms the first time: templates, style sheet)"
    )
    print(f"choose + write, one choice   {alike:8.1f} µs")
    print(f"choose + write, {len(choices)} choices {own:8.1f} µs  (on average shorter mails)")
    print(f"bytes per message            {size:8.0f}")


def _written(press: Press, content: IssueContent, readers: Iterable[Reader]) -> int:
    """Choose for each reader and write their mail; how many bytes they were."""
    variants = ((choose(content, reader.sections, reader.covered_until), reader) for reader in readers)
    return sum(len(press.message(variant, reader, samples.NOW).message) for variant, reader in variants)


def _median(work: Callable[[], object], runs: int) -> float:
    """Seconds of processor time."""
    times = []
    for _ in range(runs):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times)


if __name__ == "__main__":
    main()
