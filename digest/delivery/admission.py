"""The limits that a sign-up falls under: by who asks, for whom, and over all; and those of a search in the archive.

Each is a bucket (``digest.delivery.limits``) that holds half an hour's worth at once, so that a class or an office can
sign up together, and drains so that never more than the hour's number is let in during any hour. A flood from many
places meets the limits on one domain and over all; a quarter of those is kept for networks that asked for nothing in
the last hour, one sign-up each, so that a true reader gets in while a flood goes on.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from digest.delivery.limits import Limit
from digest.settings import SignUpSettings, WebSettings

ADDRESS = "sign-ups of one address"
DOMAIN = "sign-ups to one domain"
WHOLE = "sign-ups"
SHARED = (DOMAIN, WHOLE)
_MINUTE, _HOUR, _WEEK = 60, 3600, 7 * 86_400


def visitor(ip: str) -> str:
    """What counts as one visitor: an IPv4 address, or the /64 an IPv6 customer has to himself."""
    return _within(ip, 32, 64)


def network(ip: str) -> str:
    """The network a visitor comes from: /24 or /48."""
    return _within(ip, 24, 48)


def concerned(settings: SignUpSettings, ip: str, mailbox_key: bytes, tagged: bool = False) -> tuple[Limit, ...]:
    """The limits of who asks and for whom. ``tagged``: the address is one of many that lead to this mailbox. The mails
    of a week are counted with the address; those to all the other addresses of a mailbox are counted here."""
    found = [
        _per_hour("sign-ups from one visitor", f"sign-up:visitor:{visitor(ip)}", settings.visitor_per_hour),
        _per_hour("sign-ups from one network", f"sign-up:network:{network(ip)}", settings.network_per_hour),
        _per_hour(ADDRESS, f"sign-up:address:{mailbox_key.hex()}", settings.address_per_hour),
    ]
    if tagged:
        week, name = settings.mails_per_week, f"sign-up:mailbox:{mailbox_key.hex()}"
        found.append(Limit(ADDRESS, name, float(week), week / _WEEK, 1))
    return tuple(limit for limit in found if limit)


def common(settings: SignUpSettings, domain: str) -> tuple[Limit, ...]:
    """The limits that strangers share, to one domain and over all, less what is kept for newcomers."""
    found = [
        _per_hour(DOMAIN, f"sign-up:domain:{domain}", settings.domain_per_hour - settings.domain_per_hour // 4),
        _per_hour(WHOLE, "sign-up:whole", settings.per_hour - settings.per_hour // 4),
    ]
    return tuple(limit for limit in found if limit)


def newcomers(settings: SignUpSettings, ip: str, domain: str) -> tuple[Limit, ...]:
    """What is kept for networks that asked for nothing in the last hour, one sign-up each out of common stores. What
    counts as one is large here, a /16 or /32: who floods has many small ones."""
    if min((number for number in (settings.domain_per_hour, settings.per_hour) if number), default=0) < 4:
        return ()  # no limit, or too little to keep any of it
    found = [
        _per_hour(DOMAIN, f"sign-up:newcomers:{domain}", settings.domain_per_hour // 4),
        _per_hour(WHOLE, "sign-up:newcomers", settings.per_hour // 4),
        _per_hour("first sign-ups from one network", f"sign-up:first:{_within(ip, 16, 32)}", 1),
    ]
    return tuple(limit for limit in found if limit)


def searching(settings: WebSettings, ip: str) -> tuple[Limit, ...]:
    """The limits of a search: of who asks, and over all, since each looks at every story."""
    own, whole = settings.visitor_searches_per_minute, settings.searches_per_minute
    found = [
        _within_time("searches from one visitor", f"search:visitor:{visitor(ip)}", own, _MINUTE),
        _within_time("searches", "search:whole", whole, _MINUTE),
    ]
    return tuple(limit for limit in found if limit)


def _per_hour(name: str, key: str, allowed: int) -> Limit | None:
    return _within_time(name, key, allowed, _HOUR)


def _within_time(name: str, key: str, allowed: int, seconds: int) -> Limit | None:
    """At most ``allowed`` within ``seconds``, half of them at once; none for 0."""
    if not allowed:
        return None
    capacity = max(1.0, allowed / 2)
    return Limit(name, key, capacity, max(1.0, allowed - capacity) / seconds, 1)


def _within(ip: str, bits: int, bits6: int) -> str:
    try:
        address = ip_address(ip)
    except ValueError:
        return ip
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(ip_network((address, bits if isinstance(address, IPv4Address) else bits6), strict=False))
