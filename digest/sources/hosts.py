"""Whose a host is: the part of its name that somebody has registered."""

from __future__ import annotations

from functools import cache, lru_cache

from publicsuffixlist import PublicSuffixList


@lru_cache(maxsize=50_000)
def publisher(host: str) -> str:
    """The part of a host's name that stands for its publisher, by the Public Suffix List that the library ships:
    news.bbc.co.uk and bbc.co.uk are one publisher, two blogs under github.io are two. A number stands for itself, and
    so does a name that is a suffix."""
    if host.rpartition(".")[2].isdigit() or ":" in host:
        return host
    found: str | None = _list().privatesuffix(host)
    return found or host


@cache
def _list() -> PublicSuffixList:
    """Read when it is first asked for, which takes some 50 ms: few commands compare publishers."""
    return PublicSuffixList()
