"""The values that flow between the rooms: frozen, without behaviour beyond what follows from their own fields.

Times are aware datetimes in UTC. ``intake`` is a number, not a time: every transaction that stores articles takes
the next one under a lock, so "everything up to intake 41" means the same on every machine and whatever clocks do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from digest.look import DEFAULT, Look
from digest.states import IssueState, Obstacle

# --------------------------------------------------------------------------------------------- articles


class Kind(StrEnum):
    """What sort of piece an article is; sections may ask for some kinds only."""

    NEWS = "news"
    OPINION = "opinion"
    INTERVIEW = "interview"
    BLOG = "blog"
    SHORT = "short"


@dataclass(frozen=True, slots=True)
class Image:
    """A picture of an article. ``width`` and ``height`` in pixels, 0 where the source does not say."""

    url: str
    alt: str = ""
    credit: str = ""
    width: int = 0
    height: int = 0


@dataclass(frozen=True, slots=True)
class ArticleDraft:
    """What a source says of one article: plain text (no markup, no entities), absolute http(s) URLs.

    ``guid`` is the source's own identifier ("" where it gives none). ``countries``, ``tags`` and ``sector`` are as
    the source names them, in lower case for ``sector`` and ``tags``.
    """

    title: str
    url: str = ""
    guid: str = ""
    standfirst: str = ""
    byline: str = ""
    place: str = ""
    agency: str = ""
    countries: tuple[str, ...] = ()
    sector: str = ""
    tags: tuple[str, ...] = ()
    kind: Kind = Kind.NEWS
    language: str = ""
    image: Image | None = None
    published: datetime | None = None
    updated: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """An entry, line or row that could not be taken, and why; ``where`` is a line number or an entry's name."""

    where: str
    reason: str
    raw: str = ""


@dataclass(frozen=True, slots=True)
class Article:
    """A stored article. ``story_id`` names the cluster it belongs to; ``feed`` is its source's name."""

    id: int
    story_id: int
    feed: str
    intake: int
    first_seen: datetime
    draft: ArticleDraft


class News:
    """What may be new to a reader: the intake that brought it, and its story's first one, ``told`` (0: no update)."""

    __slots__ = ()
    intake: int
    told: int

    def is_for(self, cutoff: int) -> bool:
        """Whether a reader who was served up to ``cutoff`` should get it."""
        return self.told <= cutoff < self.intake


@dataclass(frozen=True, slots=True)
class Story(News):
    """A cluster of articles that tell the same news. ``intake`` and ``first_seen`` are those of its first article,
    so a story that another source picks up a day later is not news again. ``lead`` is the article shown for it.

    An update of a story is a story of its own, for readers who were told the first: ``told`` is the intake of that one
    (0: it is no update; or ``LONG_AGO``), and ``lead`` the article that has made it news again."""

    id: int
    intake: int
    first_seen: datetime
    lead: Article
    articles: tuple[Article, ...]
    told: int = 0

    @property
    def sources(self) -> tuple[str, ...]:
        """The feeds that tell this story, in the order they came to it."""
        return tuple(dict.fromkeys(a.feed for a in self.articles))


LONG_AGO = -1
"""Where an update's story was ``told`` that is older than what anybody catches up on: all readers stand behind it."""


# ---------------------------------------------------------------------------------------------- editions


class Rule(StrEnum):
    """How a section picks its stories."""

    LEAD = "lead"  # the best-ranked stories of all
    TRENDING = "trending"  # told by most sources and newest, numbered
    LATEST = "latest"  # newest first
    SECTOR = "sector"  # of one of `sectors` or with one of `tags`
    REGION = "region"  # about one of `countries`
    KIND = "kind"  # of one of `kinds`


@dataclass(frozen=True, slots=True)
class Section:
    """A named part of an edition's digest, in the order the edition lists them.

    ``optional`` sections can be switched off by a subscriber; the others are in every digest. ``match`` holds the
    rule's words (sectors and tags, countries or kinds, in lower case), ``count`` the most stories it shows. Pieces of
    ``except_kinds`` it leaves to other sections.
    """

    key: str
    title: str
    rule: Rule
    count: int
    match: tuple[str, ...] = ()
    optional: bool = True
    except_kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """A named link of an edition's frame. ``role`` is one of social, sector, edition, product, legal, contact,
    feedback, privacy, terms, home."""

    title: str
    url: str
    role: str


@dataclass(frozen=True, slots=True)
class FeedSpec:
    """A feed as an edition declares it. ``url`` is "" for a desk: a source filled by ``digest article``.
    ``sector``, ``kind`` and ``tags`` are given to articles that do not say. ``existing``: the edition only names it;
    it is declared elsewhere. ``weight``: days by which this edition prefers its stories."""

    name: str
    url: str = ""
    title: str = ""
    sector: str = ""
    kind: Kind = Kind.NEWS
    tags: tuple[str, ...] = ()
    existing: bool = False
    weight: float = 0.0


@dataclass(frozen=True, slots=True)
class ScheduleSpec:
    """When an edition comes out for one cadence: either ``cron`` (five fields, in ``time_zone``) or ``at``."""

    cadence: str
    time_zone: str
    cron: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Edition:
    """A recurring publication, as its TOML file declares it.

    ``sender`` and ``reply_to`` are ``(display name, address)``. ``subject`` may use ``{edition}``, ``{headline}``,
    ``{more}`` and ``{date}``. ``default_cadence`` is what a new subscription gets. ``track_clicks``: story links of
    mails lead through our pages, which count who followed them. ``review_minutes``: how long before
    their slots its issues can be looked at; ``approval``: none is sent before an editor approved it. ``public``:
    anybody may read them in the archive. Who would get fewer than ``thin`` stories is shown the section ``fallback``,
    too (a key; "": nobody is).
    """

    name: str
    title: str
    locale: str
    time_zone: str
    sender: tuple[str, str]
    postal_address: str
    reply_to: tuple[str, str] | None = None
    tagline: str = ""
    subject: str = "{headline} ({more})"
    look: Look = DEFAULT
    copyright: str = ""
    track_clicks: bool = False
    cadences: tuple[str, ...] = ("daily",)
    public: bool = False
    review_minutes: int = 0
    approval: bool = False
    thin: int = 0
    fallback: str = ""
    sections: tuple[Section, ...] = ()
    links: tuple[Link, ...] = ()
    feeds: tuple[FeedSpec, ...] = ()
    schedules: tuple[ScheduleSpec, ...] = ()

    @property
    def default_cadence(self) -> str:
        return self.cadences[0]


# ----------------------------------------------------------------------------------------- issues, mails


@dataclass(frozen=True, slots=True)
class Issue:
    """What was or will be composed for one slot of an edition and cadence. It covers the stories with
    ``covers_from < intake <= covers_until`` (``None`` until it is composed).

    Until it is sent editors may change it: ``revision`` counts their changes. A special issue is for a ``segment``, and
    what that meant when it was opened is its ``audience`` (``segments.to_json``). ``obstacle``: why a scheduled one is
    not composed yet, if it was tried."""

    id: int
    edition_id: int
    edition: str
    cadence: str
    slot: datetime
    state: IssueState
    reason: str
    created_at: datetime
    covers_from: int | None = None
    covers_until: int | None = None
    composed_at: datetime | None = None
    sending_at: datetime | None = None
    ended_at: datetime | None = None
    held_at: datetime | None = None
    approved_at: datetime | None = None
    revision: int = 0
    segment: str = ""
    audience: Mapping[str, Any] = field(default_factory=dict)
    obstacle: Obstacle | None = None


@dataclass(frozen=True, slots=True)
class Item(News):
    """A story as an issue shows it: what the templates see. ``region`` is the tag behind a trending headline,
    ``also`` the other sources telling it. An update has the intake at which its story was first ``told``."""

    story_id: int
    intake: int
    title: str
    url: str
    standfirst: str = ""
    byline: str = ""
    place: str = ""
    agency: str = ""
    region: str = ""
    source: str = ""
    sector: str = ""
    kind: Kind = Kind.NEWS
    image: Image | None = None
    published: datetime | None = None
    updated: datetime | None = None
    also: tuple[str, ...] = ()
    told: int = 0


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a story stands where it does in a section: the parts of its score by name (``ranking.Score``)."""

    story_id: int
    title: str
    parts: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class IssueContent:
    """What an issue holds, frozen. For each section (same order as ``edition.sections``) the ids of its candidate
    stories, best first. There are more than ``section.count`` of them: what a reader has seen already, or sees in an
    earlier section, makes room for the next. ``subjects``, ``preheader`` and ``intro`` (Markdown) are an editor's,
    where they wrote any. ``reasons``: per section, in rank order, what a reader of everything gets and the next few."""

    edition: Edition
    cadence: str
    slot: datetime
    covers_from: int
    covers_until: int
    items: Mapping[int, Item]
    candidates: tuple[tuple[int, ...], ...]
    subjects: tuple[str, ...] = ()
    preheader: str = ""
    reasons: tuple[tuple[Reason, ...], ...] = ()
    intro: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a compiled mail: ``literals`` with a slot's name between each two (one more literal than slots).

    Literals are ASCII with CRLF line ends and are ready for the wire but for dot-stuffing.
    """

    literals: tuple[str, ...]
    slots: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CompiledPart:
    """One MIME part of an issue, compiled: the frame around the sections, each section's opening and closing, and
    a block for every (section, story)."""

    head: Block  # up to the first section; slot ``preheader`` may stand here
    tail: Block
    more: Block  # "read more online", put in where the size budget cuts
    opening: tuple[Block, ...]  # per section
    closing: tuple[Block, ...]
    stories: tuple[Mapping[int, Block], ...]  # per section: story id -> block; ``rank`` and folds may stand here


@dataclass(frozen=True, slots=True)
class Counted:
    """A string with ``{count}``: its form for each plural category (CLDR) of ``locale``, always with ``other``."""

    locale: str
    forms: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CompiledIssue:
    """An issue as workers need it: rendered, inlined and MIME-encoded once, to be joined and filled per reader.

    ``headers`` has slots for what differs by reader or variant. ``date`` and ``more`` ("and {count} more"; plain text
    before 0.2.0) are for the subject line, in the edition's language. ``numerals`` are the digits of ranks.
    """

    content: IssueContent
    boundary: str
    headers: Block
    html: CompiledPart
    text: CompiledPart
    date: str = ""
    more: str | Counted = ""
    numerals: str = "0123456789"


@dataclass(frozen=True, slots=True)
class Variant:
    """What one reader gets of an issue: for each shown section its index and its stories, in order. Empty
    (``not variant.shown``) when nothing in it is new to the reader."""

    shown: tuple[tuple[int, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class Reader:
    """One recipient of an issue, as the ledger knows them at the moment of sending. ``sections`` are those they chose,
    in their order, ``None`` for all in the edition's; ``covered_until`` the intake they have been served up to,
    ``None`` if never; ``subject`` the one that a trial gives them."""

    issue_id: int
    subscription_id: int
    address: str
    name: str = ""
    sections: tuple[str, ...] | None = None
    covered_until: int | None = None
    subject: str = ""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What importing a file came to. ``read`` = added + changed + unchanged + len(rejected), always."""

    read: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    rejected: tuple[Rejected, ...] = field(default=())
