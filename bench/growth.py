"""How cost grows: with articles when an issue is compiled, with variants when mails are written, with signatures.
Processor time in this process, on one core."""

from __future__ import annotations

import gc
import math
import multiprocessing
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import cycle, islice

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from bench import mail
from digest.editorial.variants import Chooser
from digest.values import Edition, IssueContent, Reader, Rule, Section
from tests.support import samples

_OPTIONAL = 15  # 32,768 choices


def articles(counts: Sequence[int], runs: int) -> dict[int, float]:
    """Milliseconds to compile an issue of so many articles, in a process that has compiled one before: templates, style
    sheet and locale data are read, which hides no growth, for they are the same for all."""
    app = mail.app()
    app.compiled(_issue(10))
    return _medians({count: partial(app.compiled, _issue(count)) for count in counts}, runs, 1e3)


def _issue(count: int) -> IssueContent:
    """An issue of ``count`` articles, no two alike, in sections of about fifteen. The hard case: every section takes
    any article, so that each article is a candidate of many sections."""
    drafts = islice(cycle(story.articles[0].draft for story in samples.stories()), count)
    told = [
        samples.story(number, replace(draft, title=f"{draft.title} ({number})", url=f"{draft.url}&n={number}"))
        for number, draft in enumerate(drafts, 1)
    ]
    size = math.ceil((count - 1) / max(1, count // 15))
    sections = [Section(f"latest-{n}", f"Latest {n}", Rule.LATEST, size) for n in range(max(1, count // 15))]
    return samples.content(_with(samples.EDITION, [samples.SECTIONS[0], *sections]), told)


def variants(counts: Sequence[int], readers: int, runs: int) -> dict[int, float]:
    """Microseconds to choose for one reader and write their mail, if so many kinds of readers come mixed. Every kind
    gets a mail of much the same length: six to nine sections of fifteen."""
    app, now = mail.app(), datetime.now(UTC)
    compiled = app.compiled(_sectioned())
    keys = [section.key for section in compiled.content.edition.sections if section.optional]
    chosen = [tuple(k for bit, k in enumerate(keys) if n >> bit & 1) for n in range(1 << len(keys))]
    chosen = sorted((c for c in chosen if 6 <= len(c) <= 9), key=lambda c: (abs(len(c) - 7.5), c))

    chooser = Chooser(compiled.content)

    def write_all(count: int) -> None:
        for number in range(readers):
            reader = Reader(1, number, f"reader{number}@example.org", "Reader", chosen[number % count])
            app.write(compiled, chooser.choose(reader.sections, None), reader, now)

    write_all(1)
    return _medians({count: partial(write_all, count) for count in counts}, runs, 1e6 / readers)


def _sectioned() -> IssueContent:
    """An issue of fifteen optional sections of three stories each."""
    drafts = cycle(story.articles[0].draft for story in samples.stories())
    told = [
        samples.story(number, replace(next(drafts), sector=f"sector {number % _OPTIONAL}"))
        for number in range(1, _OPTIONAL * 3 + 4)
    ]
    sections = [Section(f"s{n}", f"Section {n}", Rule.SECTOR, 3, (f"sector {n}",)) for n in range(_OPTIONAL)]
    return samples.content(_with(samples.EDITION, [samples.SECTIONS[0], *sections]), told)


def _with(edition: Edition, sections: Sequence[Section]) -> Edition:
    return replace(edition, sections=tuple(sections))


def bare_signatures(workers: int, seconds: float) -> float:
    """RSA-2048 signatures a second that ``workers`` processes make which do nothing else."""
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        return sum(pool.map(_sign_for, [seconds] * workers))


def _sign_for(seconds: float) -> float:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    done, began = 0, time.monotonic()
    while time.monotonic() - began < seconds:
        key.sign(b"h" * 900, padding.PKCS1v15(), hashes.SHA256())
        done += 1
    return done / (time.monotonic() - began)


def _medians(works: Mapping[int, Callable[[], object]], runs: int, unit: float) -> dict[int, float]:
    """Processor time of each work, in ``unit`` times seconds. They take turns, so that what else the machine does in
    the meantime falls on all of them."""
    times: dict[int, list[float]] = {count: [] for count in works}
    for _ in range(runs):
        for count, work in works.items():
            gc.collect()  # nobody pays for another's leavings
            start = time.process_time()
            work()
            times[count].append(time.process_time() - start)
    return {count: statistics.median(taken) * unit for count, taken in times.items()}
