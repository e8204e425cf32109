"""The tables of an edition file: what each key is for, what it may be, and what holds without it.

``docs/reference/edition.md`` is made from the descriptions that stand here and in ``dress``.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from digest.editions import schedule
from digest.editions.checks import (
    WORD,
    Cadence,
    FeedName,
    Line,
    Mailbox,
    OptionalLine,
    TimeZoneName,
    Words,
    distinct,
    lines,
    link_url,
    locale_tag,
    read_mailbox,
    subject_template,
    told,
    web_url,
    written_moment,
)
from digest.editions.dress import LookTable
from digest.values import Edition, FeedSpec, Kind, Link, Rule, ScheduleSpec, Section


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EditionTable(_Table):
    """``[edition]``."""

    name: Annotated[
        str,
        StringConstraints(pattern=WORD, max_length=80),
        Field(description="Its name in commands and in the addresses of its pages."),
    ]
    title: Annotated[Line, Field(description="Its title, as readers see it.")]
    time_zone: Annotated[
        TimeZoneName,
        Field(
            description="The time zone of its schedules, and of readers who chose none: an IANA name such as "
            "`Asia/Kolkata`."
        ),
    ]
    sender: Annotated[
        Mailbox,
        Field(
            alias="from",
            description="The sender: `Name <address>`, or an address alone, which then goes with the title.",
        ),
    ]
    postal_address: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=8, max_length=500),
        AfterValidator(lines),
        Field(description="The sender's postal address, printed in every mail; may have several lines."),
    ]
    locale: Annotated[
        str,
        AfterValidator(locale_tag),
        Field(description="The language of the frame, dates and numbers: a tag such as `en-IN`."),
    ] = "en"
    reply_to: Annotated[
        Mailbox | None,
        Field(description="Where replies go: `Name <address>`. Without it they go to `from`."),
    ] = None
    tagline: Annotated[OptionalLine, Field(description="A line below the title.")] = ""
    subject: Annotated[
        Line,
        AfterValidator(subject_template),
        Field(
            description="The subject line. `{headline}` is the first headline in the reader's own digest, `{more}` "
            "counts their other stories, `{edition}` is the title, `{date}` the issue's date. Write `{{` for a brace."
        ),
    ] = "{headline} ({more})"
    copyright: Annotated[OptionalLine, Field(description="A line at the end of every mail.")] = ""
    track_clicks: Annotated[bool, Field(description="Whether it is counted which stories readers follow.")] = False
    cadences: Annotated[
        tuple[Cadence, ...],
        Field(min_length=1, description="What readers may choose from. A new reader gets the first."),
        AfterValidator(distinct),
    ] = ("daily",)
    public: Annotated[
        bool, Field(description="Whether anybody may read its issues in the archive, including earlier ones.")
    ] = False
    feeds: Annotated[
        tuple[FeedName, ...], Field(description="Names of feeds that are declared in another edition's file.")
    ] = ()
    review_minutes: Annotated[
        int,
        Field(
            ge=0,
            le=7 * 24 * 60,
            description="Minutes before its slot at which each issue is composed, so that editors can review it. "
            "0: at its slot.",
        ),
    ] = 0
    approval: Annotated[
        bool, Field(description="Whether an issue waits for `digest issue approve` before it goes out.")
    ] = False
    thin: Annotated[
        int,
        Field(
            ge=2,
            le=100,
            description="Readers who would get fewer stories than this are also shown the section `fallback`. "
            "Needs `fallback`. Without it: nobody is.",
        ),
    ] = 0
    fallback: Annotated[
        str,
        Field(description="The key of the section that fills up a thin digest; an optional one. Needs `thin`."),
    ] = ""


class FeedTable(_Table):
    """``[[feed]]``."""

    name: Annotated[
        FeedName, Field(description="Its name in commands. Editions that use the same name share the feed.")
    ]
    url: Annotated[
        Annotated[str, AfterValidator(web_url)] | None,
        Field(description="Where it is read: an http(s) URL. Without one it is a desk, which `digest article` fills."),
    ] = None
    title: Annotated[OptionalLine, Field(description="The source readers see. Empty: its name; none for a desk.")] = ""
    sector: Annotated[
        OptionalLine,
        StringConstraints(to_lower=True, max_length=80),
        Field(description="The sector of its articles that state none."),
    ] = ""
    kind: Annotated[Kind, Field(description="The kind of its articles that state none.")] = Kind.NEWS
    tags: Annotated[Words, Field(description="Tags of its articles that state none.")] = ()
    weight: Annotated[
        float,
        Field(
            ge=-30,
            le=30,
            allow_inf_nan=False,
            description="Days by which this edition prefers its stories: with 1.0 a story ranks as if it were a day "
            "younger. Below 0 it ranks lower.",
        ),
    ] = 0.0

    def value(self) -> FeedSpec:
        said = (self.name, self.url or "", self.title, self.sector, self.kind, self.tags)
        return FeedSpec(*said, weight=self.weight)


_NEEDS = {Rule.SECTOR: ("sectors", "tags"), Rule.REGION: ("countries",), Rule.KIND: ("kinds",)}
_MATCHES = ("sectors", "tags", "countries", "kinds")


class SectionTable(_Table):
    """``[[section]]``."""

    key: Annotated[
        str, StringConstraints(pattern=WORD, max_length=40), Field(description="Its name in commands and imports.")
    ]
    title: Annotated[Line, Field(description="Its heading, as readers see it.")]
    rule: Annotated[
        Rule,
        Field(
            description="Which stories it takes: those that rank highest (`lead`), that most sources report "
            "(`trending`), the newest (`latest`), those of a sector or tag, of a region, or of a kind."
        ),
    ]
    count: Annotated[int, Field(ge=1, le=100, description="The most stories it shows.")] = 5
    optional: Annotated[bool, Field(description="Whether readers may switch it off.")] = True
    sectors: Annotated[
        Words, Field(description="Sectors whose stories it takes. For `sector`, which needs these or `tags`.")
    ] = ()
    tags: Annotated[
        Words, Field(description="Tags whose stories it takes. For `sector`, which needs these or `sectors`.")
    ] = ()
    countries: Annotated[
        Words, Field(description="Countries whose stories it takes. For `region`, which needs them.")
    ] = ()
    kinds: Annotated[tuple[Kind, ...], Field(description="Kinds that it takes. For `kind`, which needs them.")] = ()
    except_kinds: Annotated[
        tuple[Kind, ...], Field(description="Kinds that it leaves to other sections. Not together with `kinds`.")
    ] = ()

    @model_validator(mode="after")
    def _words_fit_the_rule(self) -> Self:
        needs = _NEEDS.get(self.rule, ())
        given = [name for name in _MATCHES if getattr(self, name)]
        if needs and not set(given) & set(needs):
            raise ValueError(f'rule = "{self.rule}" needs {" or ".join(needs)}')
        for name in given:
            if name not in needs:
                raise ValueError(f'rule = "{self.rule}" takes no {name}')
        if self.kinds and self.except_kinds:
            raise ValueError("kinds says which kinds it takes: leave except_kinds out")
        if set(Kind) <= set(self.except_kinds):
            raise ValueError("except_kinds leaves nothing over")
        return self

    def value(self) -> Section:
        match = (*self.sectors, *self.tags, *self.countries, *(str(kind) for kind in self.kinds))
        said = (self.key, self.title, self.rule, self.count, tuple(dict.fromkeys(match)), self.optional)
        return Section(*said, tuple(str(kind) for kind in dict.fromkeys(self.except_kinds)))


class LinkTable(_Table):
    """``[[link]]``."""

    role: Annotated[
        Literal["social", "sector", "edition", "product", "legal", "contact", "feedback", "privacy", "terms", "home"],
        Field(description="What it is, which decides where in the mail's frame it appears."),
    ]
    title: Annotated[Line, Field(description="Its words.")]
    url: Annotated[
        str,
        AfterValidator(link_url),
        Field(description="Where it leads: `https://`, `http://` or `mailto:`."),
    ]

    def value(self) -> Link:
        return Link(self.title, self.url, self.role)


class ScheduleTable(_Table):
    """``[[schedule]]``."""

    cadence: Annotated[str, Field(description="The cadence whose issues it brings out, one of the edition's.")]
    cron: Annotated[
        Annotated[str, AfterValidator(told(schedule.check_cron))] | None,
        Field(description="When, again and again: five fields, such as `0 7 * * 1-5`. Either this or `at`."),
    ] = None
    at: Annotated[
        str | None,
        BeforeValidator(written_moment),
        Field(description="When, once: a date and time, such as `2026-12-01T07:00`. Either this or `cron`."),
    ] = None
    time_zone: Annotated[
        TimeZoneName | None, Field(description="The time zone it is meant in. Without one: the edition's.")
    ] = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.cron is None) == (self.at is None):
            raise ValueError("needs either cron or at")
        return self

    def value(self, time_zone: str) -> ScheduleSpec:
        time_zone = self.time_zone or time_zone
        at = None if self.at is None else schedule.parse_at(self.at, time_zone)
        return ScheduleSpec(self.cadence, time_zone, self.cron or "", at)


class EditionFile(_Table):
    """A whole edition file."""

    edition: Annotated[EditionTable, Field(description="The publication itself.")]
    look: Annotated[
        LookTable, Field(description="How mails and pages look. A `theme.toml` has the same keys, except `theme`.")
    ] = LookTable()
    feed: Annotated[tuple[FeedTable, ...], Field(description="Where articles come from.")] = ()
    section: Annotated[
        tuple[SectionTable, ...], Field(description="The parts of a digest, in their order. At least one is needed.")
    ] = ()
    link: Annotated[tuple[LinkTable, ...], Field(description="Links in the frame of a mail.")] = ()
    schedule: Annotated[tuple[ScheduleTable, ...], Field(description="When issues come out.")] = ()

    def value(self) -> Edition:
        head = self.edition
        name, address = read_mailbox(head.sender)
        return Edition(
            **head.model_dump(exclude={"sender", "reply_to", "feeds"}),
            look=self.look.value(),
            sender=(name or head.title, address),
            reply_to=read_mailbox(head.reply_to) if head.reply_to else None,
            sections=tuple(section.value() for section in self.section),
            links=tuple(link.value() for link in self.link),
            feeds=(*(feed.value() for feed in self.feed), *(FeedSpec(feed, existing=True) for feed in head.feeds)),
            schedules=tuple(item.value(head.time_zone) for item in self.schedule),
        )
