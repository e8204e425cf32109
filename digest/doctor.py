"""A look at everything mail depends on: what is well, what isn't, and what to do. ``digest doctor`` shows it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial
from urllib.parse import urlsplit

from digest.app import App, clock
from digest.errors import DigestError
from digest.flows.issues import editions
from digest.mail import dkim, published
from digest.settings import SmtpSettings

SECONDS = 20.0  # for all of it; what has no answer by then has failed
_DOMAINS_SECONDS = 5.0
_CLOCKS_APART = timedelta(seconds=30)


class Verdict(StrEnum):
    """How it stands."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it stands, what was seen, and what to do about it."""

    what: str
    verdict: Verdict
    seen: str
    advice: str = ""


Check = Callable[[], Iterator[Finding]]


def examine(app: App, seconds: float = SECONDS) -> list[Finding]:
    """All findings, those of each check together. None takes longer than ``seconds``, and all are made at once."""
    checks = _checks(app)
    found: list[list[Finding]] = [[] for _ in checks]
    threads = [
        threading.Thread(target=_run, args=(name, check, into), daemon=True)
        for (name, check), into in zip(checks.items(), found, strict=True)
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    for name, thread, into in zip(checks, threads, found, strict=True):
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            into.append(Finding(name, Verdict.FAIL, f"no answer within {seconds:g} s", "check that it is reachable"))
    return [finding for findings in found for finding in tuple(findings)]


def _run(name: str, check: Check, into: list[Finding]) -> None:
    try:
        into.extend(check())
    except DigestError as error:
        into.append(Finding(name, Verdict.FAIL, error.message, error.hint))
    except Exception as error:  # noqa: BLE001 - whatever it is: a look that failed found nothing well
        into.append(Finding(name, Verdict.FAIL, f"{type(error).__name__}: {error}", "check its settings"))


def _checks(app: App) -> dict[str, Check]:
    checks: dict[str, Check] = {
        "state_dir": partial(_state_dir, app),
        "templates": partial(_templates, app),
        "database": partial(_database, app),
        "broker": partial(_broker, app),
        "pages": partial(_pages, app),
    }
    for route in app.settings.routes:
        checks[f"mail server {route.name}"] = partial(_mail_server, app, route)
    if app.settings.embedded_mailbox:
        checks["domains"] = partial(
            _no_domains, "all mail goes to the embedded mailbox, none to readers", "set [smtp] host"
        )
        return checks
    domains = _known_domains(app)
    if not domains:
        checks["domains"] = partial(_no_domains, "there is no edition yet", "`digest edition apply FILE`")
    for domain in domains:
        checks[f"domain {domain}"] = partial(_domain, app, domain)
    return checks


def _known_domains(app: App) -> Sequence[str]:
    """The From domains, as far as the database tells them soon: a stuck one must not keep the other checks."""
    found = list[str]()
    asking = threading.Thread(target=lambda: found.extend(from_domains(app)), daemon=True)
    asking.start()
    asking.join(_DOMAINS_SECONDS)
    return tuple(found)


# ------------------------------------------------------------------------------------------ this machine


def _state_dir(app: App) -> Iterator[Finding]:
    folder = app.settings.state_dir
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        yield Finding("state_dir", Verdict.OK, f"{folder} can be written to")
    else:
        yield Finding(
            "state_dir", Verdict.FAIL, f"{folder} can't be written to", "create it, or make digest's user its owner"
        )


def _templates(app: App) -> Iterator[Finding]:
    folders = app.template_folders
    yield Finding("templates", Verdict.OK, f"looked for in {', '.join(map(str, folders))}")
    for key in app.settings.dkim:
        try:
            found = dkim.read_key(key.key_file.read_bytes(), str(key.key_file))
        except OSError as error:
            seen = f"no key at {key.key_file} ({error.strerror})"
            yield Finding(f"DKIM key {key.selector}", Verdict.FAIL, seen, "make one with `digest dkim`")
        except DigestError as error:
            yield Finding(f"DKIM key {key.selector}", Verdict.FAIL, error.message, error.hint)
        else:
            kind = dkim.dns_record(found).split(";")[1].strip().removeprefix("k=")
            yield Finding(f"DKIM key {key.selector}", Verdict.OK, f"{kind}, {key.key_file}")


# ------------------------------------------------------------------------------------------ what runs


def _database(app: App) -> Iterator[Finding]:
    database = app.database
    yield Finding("database", Verdict.OK, f"{database.shown} is at this version")
    apart = abs(app.now() - clock())
    if database.dialect == "sqlite":
        yield Finding("clock", Verdict.OK, f"this machine's clock is used: {clock():%Y-%m-%d %H:%M:%S} UTC")
    elif apart > _CLOCKS_APART:
        seen = f"this machine's clock is {apart.total_seconds():.0f} s off the database server's"
        yield Finding("clock", Verdict.WARN, seen, "synchronise both with NTP; the database server's clock is used")
    else:
        yield Finding("clock", Verdict.OK, "this machine's clock agrees with the database server's")


def _broker(app: App) -> Iterator[Finding]:
    app.queue.check()
    yield Finding("broker", Verdict.OK, "answers")
    workers = app.queue.workers()
    if workers:
        yield Finding("workers", Verdict.OK, f"{workers} at work")
    else:
        yield Finding("workers", Verdict.FAIL, "none answers", "start one: `digest up` or `digest worker`")
    if not app.queue.beats():
        yield Finding("beat", Verdict.FAIL, "is not running", "start it: `digest up` or `digest beat`")
    elif not workers or app.queue.ticks():
        yield Finding("beat", Verdict.OK, "is running")
    else:
        yield Finding("beat", Verdict.WARN, "is running, but no worker runs its tasks", "check the workers' log")


def _pages(app: App) -> Iterator[Finding]:
    # here: an HTTP client, for this look alone
    import httpx

    url, settings = app.settings.base_url, app.settings
    if urlsplit(url).scheme != "https":
        verdict = Verdict.WARN if settings.embedded_mailbox else Verdict.FAIL
        advice = "put a TLS proxy before `digest web` and set base_url to its https address"
        yield Finding("base_url", verdict, f"{url} is not an https address, which one-click unsubscribe needs", advice)
    try:
        answer = httpx.get(f"{url}/healthz", timeout=SECONDS / 2)
        healthy = answer.status_code == httpx.codes.OK and answer.json().get("status") == "ok"
        seen = "" if healthy else f"{url}/healthz answers {answer.status_code}, not as digest does"
    except (httpx.HTTPError, ValueError, AttributeError) as error:
        seen = f"{url}/healthz can't be read ({str(error) or type(error).__name__})"
    if seen:
        yield Finding("pages", Verdict.FAIL, seen, "start `digest web`, or check the proxy and base_url")
    else:
        yield Finding("pages", Verdict.OK, f"{url} answers")


def _mail_server(app: App, route: SmtpSettings) -> Iterator[Finding]:
    # here: the SMTP client, for this look alone
    from digest.smtp.knock import knock

    name, where = f"mail server {route.name}", f"{route.host}:{route.port}"
    failure = knock(route, min(route.timeout_seconds, SECONDS * 0.9))
    if failure:
        mailbox = app.settings.embedded_mailbox
        advice = "start it: `digest up`" if mailbox else f"check its host, port, security and login ({route.security})"
        yield Finding(name, Verdict.FAIL, f"{where}: {failure.reason}", advice)
        return
    login = f", as {route.username}" if route.username else ""
    secured = "" if route.security == "none" else f" by {route.security}"
    yield Finding(name, Verdict.OK, f"{where} accepts connections{secured}{login}")


# ------------------------------------------------------------------------------------------ name servers


def _no_domains(why: str, advice: str) -> Iterator[Finding]:
    yield Finding("domains", Verdict.WARN, f"{why}, so no domain was checked", advice)


def from_domains(app: App) -> Sequence[str]:
    """The domains of all editions' From addresses; none where the database can't be read."""
    try:
        found = [row.edition.sender[1].rpartition("@")[2] for row in editions.listing(app.database)]
    except DigestError:  # told by the check of the database
        return ()
    return tuple(dict.fromkeys(found))


def _domain(app: App, domain: str) -> Iterator[Finding]:
    bounces = app.settings.bounce_domain or domain
    yield _judged(f"SPF of {bounces}", app.texts(bounces), published.spf_fault, "publish v=spf1 with your mail servers")
    if not app.settings.dkim:
        yield Finding(f"DKIM of {domain}", Verdict.FAIL, "no key is set", "make one: `digest dkim SELECTOR`")
    for key in app.settings.dkim:
        try:
            wanted = dkim.dns_record(dkim.read_key(key.key_file.read_bytes(), str(key.key_file)))
        except (OSError, DigestError):
            continue  # told by the check of the files
        name = f"{key.selector}._domainkey.{key.domain or domain}"
        advice = f"publish there as TXT: {wanted}"
        yield _judged(f"DKIM {name}", app.texts(name), partial(published.dkim_fault, wanted=wanted), advice)
    yield _dmarc(app, domain)
    for asked in app.look_up({domain, bounces}):
        if asked.takes_mail is None:
            yield Finding(f"MX of {asked.name}", Verdict.WARN, asked.reason, "try again later, or see [dns]")
        elif asked.takes_mail:
            yield Finding(f"MX of {asked.name}", Verdict.OK, "takes mail")
        else:
            yield Finding(
                f"MX of {asked.name}", Verdict.FAIL, asked.reason, "publish an MX: bounces and replies go there"
            )


def _dmarc(app: App, domain: str) -> Finding:
    found: list[str] | None = []
    for name in published.dmarc_names(domain):
        found = app.texts(name)
        if found is None or published.dmarc_fault(found) == "":
            break
    return _judged(f"DMARC of {domain}", found, published.dmarc_fault, f"publish at _dmarc.{domain}: v=DMARC1; p=none")


def _judged(what: str, found: list[str] | None, fault: Callable[[list[str]], str], advice: str) -> Finding:
    if found is None:
        return Finding(what, Verdict.WARN, "no name server gave an answer", "try again later, or see [dns]")
    wrong = fault(found)
    return Finding(what, Verdict.FAIL, wrong, advice) if wrong else Finding(what, Verdict.OK, "is published")
