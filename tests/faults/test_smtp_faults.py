"""An SMTP server that misbehaves: what it does, and what may come of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.faults.sink import CUT, DROP, FULL, PLAIN, SILENT, TAKE_AND_DROP, Rule
from tests.faults.site import Site
from tests.support.certificates import make_certificate

pytestmark = [pytest.mark.fault, pytest.mark.timeout(600)]
READERS = 600
Close = Callable[..., None]


@dataclass(frozen=True)
class Fault:
    """A misbehaviour by its rules. ``losses``: how many connections it ends when a message may have been taken and its
    reply was not read; ``failed``: how many readers it refuses for good."""

    name: str
    rules: tuple[Rule, ...] = ()
    plan: dict[str, Any] = field(default_factory=dict)
    losses: int = 0
    failed: int = 0
    timeout: float = 30


ONES = r"1@"  # every tenth reader
FAULTS = [
    Fault("ends the connection at the banner", (Rule("banner", DROP, times=3),)),
    Fault("ends the connection at EHLO", (Rule("EHLO", DROP, times=3),)),
    Fault("ends the connection at MAIL", (Rule("MAIL", DROP, 37, times=8),), losses=8),
    Fault("ends the connection after DATA", (Rule("DATA", DROP, 37, times=8),), {"extensions": PLAIN}),
    Fault("ends the connection after the dot, not taken", (Rule("body", DROP, 37, times=8),), losses=8),
    Fault("ends the connection after the dot, taken", (Rule("body", TAKE_AND_DROP, 37, times=8),), losses=8),
    Fault("closes in the middle of its reply", (Rule("body", CUT, 37, times=8),), losses=8),
    Fault("421 to MAIL", (Rule("MAIL", "421 4.7.0 enough for now", 41, times=8),), losses=8),
    Fault("421 after the dot", (Rule("body", "421 4.3.2 going down", 41, times=8),), losses=8),
    Fault("450 to RCPT (greylisting)", (Rule("RCPT", "450 4.2.0 come back later", 3, times=200),)),
    Fault("451 after the dot", (Rule("body", "451 4.3.0 try again", 7, times=60),)),
    Fault("452 to RCPT", (Rule("RCPT", "452 4.2.2 mailbox full", 11, times=40),)),
    Fault("550 to RCPT", (Rule("RCPT", "550 5.1.1 no such user", recipient=ONES),), failed=READERS // 10),
    Fault(
        "550 to RCPT, yet 354 to DATA",
        (Rule("RCPT", "550 5.1.1 no such user", recipient=ONES),),
        {"lenient": True, "extensions": FULL[:1]},
        failed=READERS // 10,
    ),
    Fault("554 after the dot", (Rule("body", "554 5.7.1 spam", recipient=ONES),), failed=READERS // 10),
    Fault("garbage after the dot", (Rule("body", "\x00\xff what? \x07", 37, times=8),), losses=8),
    Fault("garbage to RCPT", (Rule("RCPT", "\x00\xff what? \x07", 37, times=8),), losses=8),
    Fault("nothing after the dot", (Rule("body", SILENT, 97, times=4),), losses=4, timeout=2),
    Fault("nothing to MAIL", (Rule("MAIL", SILENT, 97, times=4),), losses=4, timeout=2),
    Fault("nothing at the banner", (Rule("banner", SILENT, times=2),), timeout=2),
    Fault("is slow", plan={"pause": 0.02, "rate": 100}),
    Fault("offers less on every second connection", (Rule("MAIL", "421 next", 31),), {"later": PLAIN}, losses=30),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_smtp_server(on_sqlite: Site, close: Close, fault: Fault) -> None:
    site = on_sqlite
    site.configure(timeout=fault.timeout)
    site.people(READERS)
    site.sink(rules=fault.rules, **fault.plan)
    site.staff()
    site.send()
    close(site, f"SMTP server {fault.name}", fault.losses * site.window, fault.failed)


@pytest.mark.parametrize(
    ("name", "plan"),
    [
        ("offers less on the second EHLO, under TLS", {"later": PLAIN}),
        ("refuses STARTTLS for a while", {"rules": (Rule("STARTTLS", "454 4.7.0 not now", times=3),)}),
        ("ends the connection at STARTTLS", {"rules": (Rule("STARTTLS", DROP, times=3),)}),
    ],
)
def test_smtp_server_with_tls(on_sqlite: Site, close: Close, name: str, plan: dict[str, Any]) -> None:
    site = _with_tls(on_sqlite)
    site.sink(starttls=True, **plan)
    site.staff()
    site.send()
    close(site, f"SMTP server {name}")


def test_smtp_server_without_tls_stops_the_issue_and_fails_nobody(on_sqlite: Site, close: Close) -> None:
    site = _with_tls(on_sqlite)
    without = site.sink()
    site.staff()
    site.send()
    site.until(lambda: site.report()["state"] == "paused", "a pause")
    assert site.taken_count() == 0, "nothing in the clear"
    without.kill()
    without.wait()
    site.sink(starttls=True)
    site.run("issue", "resume", "1")
    close(site, "SMTP server refuses TLS; mended, resumed")


def _with_tls(site: Site) -> Site:
    certificate, _ = make_certificate(site.folder)
    site.plan = site.with_plan(certificate=str(certificate), key=str(site.folder / "key.pem"))
    site.configure("starttls", smtp=f'ca_file = "{certificate}"')
    site.people(READERS)
    return site


def test_smtp_server_killed_and_restarted(on_sqlite: Site, close: Close) -> None:
    site = on_sqlite
    site.people(READERS)
    server = site.sink(rate=200)
    site.staff()
    site.send()
    times = 4
    for moment in site.moments(times):
        site.until_taken(moment, let_time_pass=True)  # batches wait longer from loss to loss
        server.kill()
        server.wait()
        server = site.sink()
    close(site, f"SMTP server killed -9 {times} times", times * 2 * site.in_flight)
