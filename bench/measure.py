"""The parts of the benchmark, each of which adds rows or figures to the results."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

import psycopg

from bench import compile, growth, mail
from bench.contest import Contestant, Row, Run, rows, take_turns
from bench.engine import WORKERS, Site
from bench.processes import BenchError, Processes
from bench.provide import Tools
from bench.senders import SmtpSource, UsualWay, courier_alone, nodemailer
from bench.sinks import Sink, behind_wire, fast_sink, smtp_sink
from tests.support import postgres as postgres_server

MAIL = mail.NAME
RTT_MS = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is done. ``count`` messages for the quick senders, fewer for the slow ones, in ``rounds`` rounds,
    fewer where a contest would take more than ``seconds``. ``signatures`` are kinds of DKIM keys, the first of them
    none; bare ones are made for ``signing`` seconds."""

    rounds: int
    seconds: float
    count: int
    pools: tuple[int, ...]
    pooled: int
    usual: int
    sessions: tuple[int, ...]
    far: int
    subscribers: tuple[int, ...]
    growth_runs: int
    readers: int
    ledgers: tuple[str, ...] = ("PostgreSQL", "SQLite")
    signatures: tuple[str, ...] = ("", "rsa", "ed25519")
    signing: float = 2.0
    articles: tuple[int, ...] = (10, 20, 40, 80, 100, 160)
    variants: tuple[int, ...] = (1, 10, 100, 1_000, 20_000)


FULL = Plan(5, 3_600, 20_000, (5, 20), 2_000, 200, (1, 4, 8, 20), 6_000, (1_000, 10_000, 100_000, 1_000_000), 7, 20_000)
QUICK = Plan(3, 120, 3_000, (5,), 150, 40, (4, 20), 1_500, (1_000, 10_000), 3, 2_000)


@dataclass
class Results:
    """Who competed, the figures that are no rows, what was not done, and which parts failed as a whole."""

    contestants: list[Contestant] = field(default_factory=list)
    figures: dict[str, dict[str, float]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def rows(self) -> list[Row]:
        """The rows, with ratios to the best smtp-source of this run."""
        return rows(self.contestants, MAIL)

    @property
    def failed(self) -> list[str]:
        """What should have given figures and did not, or not to the end, a line each."""
        return self.broken + [f"{one.name}: {one.fault}" for one in self.contestants if one.fault]


@dataclass
class Bench:
    """What all parts share."""

    plan: Plan
    tools: Tools
    folder: Path
    say: Callable[[str], None]
    results: Results

    def compete(self, contestants: list[Contestant], share: float = 1.0) -> None:
        """``share``: how much of the plan's time this contest may take."""
        seconds = self.plan.seconds * share
        self.results.problems += take_turns(contestants, self.plan.rounds, seconds, self.say)
        self.results.contestants += contestants

    @contextmanager
    def sites(self) -> Iterator[Callable[..., Site]]:
        """Makes sites, each in a folder of its own, and closes them in the end."""
        made: list[Site] = []

        def site(sink: Sink, database_url: str, dkim: str = "") -> Site:
            made.append(Site(self.folder / f"site-{secrets.token_hex(4)}", sink, database_url, dkim))
            return made[-1]

        try:
            yield site
        finally:
            for each in made:
                each.close()


# -------------------------------------------------------------------------------------------- the parts


def speed(bench: Bench) -> None:
    """Everybody, at both sinks, without a wire and without signatures."""
    with postgres() as server, Processes() as processes, bench.sites() as site:
        fast = fast_sink(processes, bench.tools, bench.folder)
        sinks = [smtp_sink(processes, bench.tools, bench.folder), fast] if bench.tools.smtp_sink else [fast]
        contestants: list[Contestant] = []
        for sink in sinks:
            ready = bench.plan.count * (3 if sink is fast else 1)
            contestants += _source(bench, sink, bench.plan.sessions, ready)
            alone = partial(courier_alone, bench.folder, sink, ready)
            contestants.append(Contestant("courier alone", sink.name, alone))
            for ledger in bench.plan.ledgers:
                url = database(server) if ledger == "PostgreSQL" else "sqlite:///var/digest.db"
                contestants.append(_engine(processes, site(sink, url), bench.plan.count))
            contestants.append(Contestant("usual Celery way", sink.name, _usual(bench, processes, sink)))
            if bench.tools.nodemailer:
                for connections in bench.plan.pools:
                    pool = partial(nodemailer, bench.tools, bench.folder, sink, bench.plan.pooled, connections)
                    contestants.append(Contestant(f"nodemailer pool {connections}", sink.name, pool))
        bench.compete(contestants)
        bench.results.figures["mail"] = {"bytes": len(mail.envelope().message)}


def wire(bench: Bench) -> None:
    """A round trip of 20 ms, at the fast sink: with CHUNKING and without, on one connection and on a hundred."""
    with Processes() as processes:
        contestants: list[Contestant] = []
        for chunking in (False, True):
            near = fast_sink(processes, bench.tools, bench.folder, chunking)
            far = behind_wire(processes, bench.tools, bench.folder, near, RTT_MS)
            offered = "CHUNKING" if chunking else "no CHUNKING"
            if not chunking:
                contestants += _source(bench, far, (1,), max(1, bench.plan.far // 100))
                contestants += _source(bench, far, (100,), bench.plan.far)
            for connections, count in ((1, bench.plan.far // (4 if chunking else 20)), (100, bench.plan.far * 2)):
                smtp = f"connections = {connections}"
                alone = partial(courier_alone, bench.folder, far, count, smtp)
                name = f"courier, {connections} connections, {offered}".replace("1 connections", "1 connection")
                contestants.append(Contestant(name, far.name, alone, RTT_MS))
        bench.compete(contestants, 0.4)


def signed(bench: Bench) -> None:
    """With DKIM, at the fast sink, with the ledger on PostgreSQL; and what the processor could sign at most."""
    with postgres() as server, Processes() as processes, bench.sites() as site:
        sink = fast_sink(processes, bench.tools, bench.folder)
        count = bench.plan.count // 2
        contestants = [_engine(processes, site(sink, database(server), dkim), count) for dkim in bench.plan.signatures]
        bench.compete(contestants, 0.4)
        for one in contestants:
            if not one.dkim and not one.fault:
                bench.results.contestants.remove(one)  # it has its row from another part
    rates = {one.dkim or "none": round(one.rate, 1) for one in contestants if one.runs}
    bench.results.figures["dkim"] = {f"{name}: messages/s": rate for name, rate in rates.items()} | {
        "bare RSA-2048 signatures/s": round(growth.bare_signatures(WORKERS, bench.plan.signing), 1)
    }


def grow(bench: Bench) -> None:
    """Articles and variants, in this process."""
    runs = bench.plan.growth_runs
    articles = growth.articles(bench.plan.articles, runs)
    variants = growth.variants(bench.plan.variants, bench.plan.readers, runs)
    bench.results.figures["compile: ms by articles"] = {f"{n:,}": round(ms, 2) for n, ms in articles.items()}
    bench.results.figures["write: µs by variants"] = {f"{n:,}": round(us, 2) for n, us in variants.items()}


def subscribers(bench: Bench) -> None:
    """Whole issues to ever more subscribers on PostgreSQL, fresh workers each time: seconds until the first batch (the
    command, composing, expanding), messages a second, the most memory of a worker."""
    table: dict[str, dict[str, float]] = {}
    with postgres() as server:
        for count in bench.plan.subscribers:
            with Processes() as processes, bench.sites() as site:
                sink = fast_sink(processes, bench.tools, bench.folder)
                fresh = site(sink, database(server))
                fresh.up(processes)
                sent = fresh.send(count)
            table[f"{count:,}"] = {
                "seconds to the first batch": round(sent.publish_seconds, 2),
                "messages/s": round(count / sent.seconds, 1),
                "cpu µs": round(sent.cpu / count * 1e6, 1),
                "rss MB": round(sent.rss_mb, 1),
            }
            bench.say(f"  {count:,} subscribers: {table[f'{count:,}']}")
    for name in next(iter(table.values())):
        bench.results.figures[f"subscribers: {name}"] = {count: line[name] for count, line in table.items()}


def cost(bench: Bench) -> None:
    """What an issue costs once, and what each reader's mail costs then."""
    compile.main(bench.plan.growth_runs, min(bench.plan.readers, 2_000))


PARTS: dict[str, Callable[[Bench], None]] = {
    "speed": speed,
    "wire": wire,
    "signed": signed,
    "cost": cost,
    "grow": grow,
    "subscribers": subscribers,
}

# ------------------------------------------------------------------------------------------ contestants


def _source(bench: Bench, sink: Sink, sessions: tuple[int, ...], count: int) -> list[Contestant]:
    """smtp-source with several numbers of sessions, of which the best counts."""
    if not bench.tools.smtp_source:
        return []
    source = SmtpSource(bench.tools, bench.folder)
    return [
        Contestant(
            f"smtp-source, {number} sessions".replace(" 1 sessions", " 1 session"),
            sink.name,
            partial(source.run, sink, number, count),
            sink.rtt_ms,
        )
        for number in sessions
    ]


def _engine(processes: Processes, site: Site, count: int) -> Contestant:
    site.up(processes)

    def go() -> Run:
        sent = site.send(count)
        return Run(count, sent.seconds, sent.cpu, sent.rss_mb)

    return Contestant("digest", site.sink.name, go, site.sink.rtt_ms, site.ledger, site.dkim)


def _usual(bench: Bench, processes: Processes, sink: Sink) -> Callable[[], Run]:
    way = UsualWay(processes, bench.folder, sink)
    return partial(way.run, bench.plan.usual)


# ------------------------------------------------------------------------------------------- PostgreSQL


@contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL server from a wheel with its durable defaults (fsync), and the URL of its maintenance database."""
    server = postgres_server.start(Path(mkdtemp(prefix="bench-pg-")))
    url: str = server.get_uri()
    with psycopg.connect(url) as connection:
        durable = connection.execute("SHOW fsync").fetchone()
    if durable != ("on",):
        raise BenchError("this PostgreSQL runs without fsync: nothing to compare with")
    try:
        yield url
    finally:
        server.cleanup()


def database(server: str) -> str:
    """A new, empty database; its URL."""
    name = f"bench_{secrets.token_hex(4)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server.replace("/postgres?", f"/{name}?")
