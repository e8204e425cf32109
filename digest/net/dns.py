"""Asking the name servers whether a domain takes mail at all."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import dns.exception
import dns.name
import dns.resolver


@dataclass(frozen=True, slots=True)
class Domain:
    """What is known of a domain. ``takes_mail`` is ``None`` when no name server gave an answer; ``reason`` says why
    not."""

    name: str
    takes_mail: bool | None
    reason: str = ""


def resolver(servers: Sequence[str], port: int, timeout_seconds: float) -> dns.resolver.Resolver:
    """A resolver that asks these servers, or those of the system if there are none."""
    found = dns.resolver.Resolver(configure=not servers)
    if servers:
        found.nameservers, found.port = list(servers), port
    found.timeout = found.lifetime = timeout_seconds
    return found


def look_up(domains: Collection[str], asked: dns.resolver.Resolver, parallel: int) -> Iterator[Domain]:
    """Each of these domains, in any order, so many at a time."""
    with ThreadPoolExecutor(max_workers=parallel, thread_name_prefix="dns") as pool:
        yield from pool.map(lambda name: _looked_up(name, asked), domains)


def texts(name: str, asked: dns.resolver.Resolver) -> list[str] | None:
    """The TXT records of a name, each put together from its pieces; ``None``: no name server gave an answer."""
    try:
        found = asked.resolve(f"{name}.", "TXT")
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except (dns.exception.DNSException, OSError):
        return None
    return [b"".join(record.strings).decode("utf-8", "replace") for record in found]


def _looked_up(name: str, asked: dns.resolver.Resolver) -> Domain:
    """RFC 5321 5.1: the mail exchangers, without one the address; a null MX (RFC 7505) says that there is no mail."""
    try:
        try:
            exchangers = {answer.exchange for answer in asked.resolve(f"{name}.", "MX")}
        except dns.resolver.NoAnswer:
            return _with_address(name, asked)
        if exchangers == {dns.name.root}:
            return Domain(name, False, "says that it takes no mail")
        return Domain(name, True)
    except dns.resolver.NXDOMAIN:
        return Domain(name, False, "does not exist")
    except (dns.exception.DNSException, OSError) as error:
        return Domain(name, None, f"no name server gave an answer ({type(error).__name__})")


def _with_address(name: str, asked: dns.resolver.Resolver) -> Domain:
    for kind in ("A", "AAAA"):
        try:
            asked.resolve(f"{name}.", kind)
            return Domain(name, True)
        except dns.resolver.NoAnswer:
            continue
    return Domain(name, False, "has neither a mail server nor an address")
