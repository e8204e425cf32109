"""Decides what is new: whether an entry is an article already known, a newer version of it, or another one.

A feed's own identifiers can't be trusted blindly: guids change or are missing, one guid or link (the home page) serves
many entries, dates are renewed. So an article is known by up to three keys: its guid, its address and its words. A key
that different entries of one document share says nothing and is left out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from digest.values import ArticleDraft

_KEY_BYTES = 16
_TELLING_LENGTH = 80  # characters of a standfirst from which on the same words are no coincidence
_SIMILAR = 0.5  # of the two headlines' characters: a headline reworded, not another one
_TRACKING = re.compile(
    r"""utm_.* | mtm_.* | pk_.* | at_(medium|campaign|custom).* | ns_(mchannel|source|campaign|linkname|fee)
    | fbclid | gclid | msclkid | dclid | yclid | twclid | ttclid | [gw]braid | igshid | mc_[ce]id | _g[al] | emc
    | partner | smid | smtyp | wt_z?mc | cmp | cmpid | xtor | ftag | ito | spm | guccounter""",
    re.VERBOSE,
)
_ORIGINS = frozenset({"ref", "source", "src", "from", "via", "output"})  # tracking, if their value names the feed
_FEED_WORDS = frozenset({"rss", "rss2", "atom", "feed", "rssfeed", "feedburner"})
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class KnownArticle:
    """What deciding needs to know of a stored article. ``url`` and ``guid`` are those of its latest version. Without an
    ``id`` it is past its retention: only that it was there is remembered."""

    id: int | None
    content_key: bytes = b""
    title: str = ""
    url: str = ""
    guid: str = ""


@dataclass(frozen=True, slots=True)
class Keyed:
    """A draft with the keys it will be known by, and the stored article it is (``None``: it is new)."""

    draft: ArticleDraft
    keys: tuple[bytes, ...]
    content_key: bytes
    article: KnownArticle | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """``new`` articles, newer versions of stored ones (``updated``), and ``known`` ones of which a reader would see
    nothing different. ``repeated`` counts entries that stand in the document more than once. Together: all drafts."""

    new: tuple[Keyed, ...]
    updated: tuple[Keyed, ...]
    known: tuple[Keyed, ...]
    repeated: int = 0


# -------------------------------------------------------------------------------------------------- keys


def canonical_url(url: str) -> str:
    """``url`` as one of the many ways to write it: scheme and host in lower case, no default port, fragment or tracking
    parameters, parameters sorted, no slash at the end. A text that is no URL comes back as it is."""
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return url.strip()
    if not host:
        return url.strip()
    scheme = parts.scheme.lower()
    host = f"[{host}]" if ":" in host else _ascii_host(host)
    netloc = host if port in {None, _PORTS.get(scheme)} else f"{host}:{port}"
    path = quote(unquote(parts.path, errors="surrogateescape"), safe="/:@!$&'()*+,;=~-._", errors="surrogateescape")
    pairs = parse_qsl(parts.query, keep_blank_values=True, errors="surrogateescape")
    query = sorted((name, value) for name, value in pairs if not _is_tracking(name.lower(), value.lower()))
    return urlunsplit((scheme, netloc, path.rstrip("/"), urlencode(query, errors="surrogateescape"), ""))


def _ascii_host(host: str) -> str:
    try:
        return host.rstrip(".").encode("idna").decode()
    except UnicodeError:
        return host


def _is_tracking(name: str, value: str) -> bool:
    return bool(_TRACKING.fullmatch(name)) or (name in _ORIGINS and value in _FEED_WORDS)


def _address(url: str) -> str:
    """What two addresses of one page have in common: the scheme and a ``www.`` make no difference."""
    return canonical_url(url).partition("://")[2].removeprefix("www.") if url else ""


def _words(text: str) -> str:
    return " ".join(text.casefold().split())


def _hash(*parts: str) -> bytes:
    joined = "\x1f".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(joined, digest_size=_KEY_BYTES).digest()


def _guid_key(draft: ArticleDraft) -> bytes | None:
    return _hash("guid:" + draft.guid) if draft.guid else None


def _url_key(draft: ArticleDraft) -> bytes | None:
    """Of a page below a host; a home page is no article's own."""
    address = _address(draft.url)
    return _hash("url:" + address) if "/" in address or "?" in address else None


def _text_key(draft: ArticleDraft) -> bytes:
    return _hash("text:" + _words(draft.title), _words(draft.standfirst))


_KINDS: tuple[Callable[[ArticleDraft], bytes | None], ...] = (_guid_key, _url_key, _text_key)


def keys(draft: ArticleDraft) -> tuple[bytes, ...]:
    """All keys of a draft, the most telling first."""
    return tuple(key for kind in _KINDS if (key := kind(draft)))


def content_key(draft: ArticleDraft) -> bytes:
    """A key of what a reader would see. Dates don't count: a feed that renews them has nothing new to say. Nor do the
    parameters of a picture's address, which some servers sign afresh at every request."""
    image = draft.image
    picture = (image.url.partition("?")[0], image.alt, image.credit) if image else ()
    said = (draft.title, draft.standfirst, draft.byline, draft.place, draft.agency, draft.sector, draft.kind)
    lists = ("\x1e".join(draft.countries), "\x1e".join(sorted(draft.tags)))
    return _hash(*said, draft.language, _address(draft.url), *lists, *picture)


# ---------------------------------------------------------------------------------------------- decision


def decide(drafts: Sequence[ArticleDraft], known: Mapping[bytes, KnownArticle]) -> Decision:
    """Sort the drafts of one document (or file) of one feed. ``known`` maps keys to that feed's stored articles; it
    needs to hold only keys of these drafts."""
    misleading = _misleading(drafts)
    new: list[Keyed] = []
    updated: list[Keyed] = []
    same: list[Keyed] = []
    taken: set[bytes] = set()
    seen: set[int] = set()
    for draft in drafts:
        own = tuple(key for key in keys(draft) if key not in misleading) or (_whole_key(draft),)
        article = _recognise(draft, own, known)
        if not taken.isdisjoint(own) or (article and article.id in seen):
            continue
        taken.update(own)
        keyed = Keyed(draft, own, content_key(draft), article)
        if article is None:
            new.append(keyed)
        elif article.id is None:
            same.append(keyed)
        else:
            seen.add(article.id)
            (same if article.content_key == keyed.content_key else updated).append(keyed)
    repeated = len(drafts) - len(new) - len(updated) - len(same)
    return Decision(tuple(new), tuple(updated), tuple(same), repeated)


def lookup_keys(drafts: Iterable[ArticleDraft]) -> set[bytes]:
    """The keys ``decide`` may look for."""
    return {key for draft in drafts for key in (*keys(draft), _whole_key(draft))}


def _whole_key(draft: ArticleDraft) -> bytes:
    """For a draft of which no single key tells anything: all of them together."""
    return _hash("whole:", draft.guid, _address(draft.url), _words(draft.title), _words(draft.standfirst))


def _misleading(drafts: Sequence[ArticleDraft]) -> set[bytes]:
    """The keys that different entries of one document share."""
    return {
        key
        for kind in _KINDS
        for key, sharing in _grouped(drafts, kind)
        if any(not _same_entry(sharing[0], other) for other in sharing[1:])
    }


def _grouped(
    drafts: Sequence[ArticleDraft], kind: Callable[[ArticleDraft], bytes | None]
) -> list[tuple[bytes, list[ArticleDraft]]]:
    keyed = sorted(((key, n) for n, draft in enumerate(drafts) if (key := kind(draft))))
    return [(key, [drafts[n] for _, n in group]) for key, group in groupby(keyed, key=lambda pair: pair[0])]


def _same_entry(a: ArticleDraft, b: ArticleDraft) -> bool:
    """Whether two entries of one document that share a key are one entry standing there twice: one other thing they
    would not share by accident must agree as well."""
    same_guid = bool(a.guid) and a.guid == b.guid
    same_url = bool(a.url) and _address(a.url) == _address(b.url)
    if _text_key(a) == _text_key(b):
        nameless = not (a.guid or a.url) or not (b.guid or b.url)
        return same_guid or same_url or nameless
    return same_guid and same_url and _words(a.title) == _words(b.title)


def _recognise(draft: ArticleDraft, own: Iterable[bytes], known: Mapping[bytes, KnownArticle]) -> KnownArticle | None:
    """The stored article this draft is, judged by its most telling key that is not contradicted by the others."""
    guid, url, text = (kind(draft) for kind in _KINDS)
    for key in own:
        article = known.get(key)
        if article is None:
            continue
        believed = (
            (key == guid and _guid_holds(draft, article))
            or (key == url and _url_holds(draft, article))
            or (key == text and _text_holds(draft, article))
            or key not in {guid, url, text}
        )
        if believed:
            return article
    return None


def _guid_holds(draft: ArticleDraft, article: KnownArticle) -> bool:
    """Some feeds number their entries from 1 each time: the same guid with another address and another headline is
    another article."""
    moved = draft.url and article.url and _address(draft.url) != _address(article.url)
    return not moved or _similar(draft.title, article.title)


def _url_holds(draft: ArticleDraft, article: KnownArticle) -> bool:
    """Some feeds link every entry to one page: the same address with another guid and another headline is another
    article."""
    renamed = draft.guid and article.guid and draft.guid != article.guid
    return not renamed or _similar(draft.title, article.title)


def _text_holds(draft: ArticleDraft, article: KnownArticle) -> bool:
    """A column's standing headline comes back with every new piece: alone it says little. It does with the same guid or
    address beside it (which others share), or with a whole standfirst."""
    agreed = (draft.guid, _address(draft.url)) == (article.guid, _address(article.url))
    nameless = not (draft.guid or draft.url) or not (article.id is None or article.guid or article.url)
    return agreed or nameless or len(draft.standfirst) >= _TELLING_LENGTH


def _similar(a: str, b: str) -> bool:
    return SequenceMatcher(None, _words(a), _words(b), autojunk=False).ratio() >= _SIMILAR
