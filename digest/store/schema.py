"""The tables, on SQLite and PostgreSQL alike. Constraints hold what must never be untrue.

Rows are narrow where there are many: a delivery is its key, a state and a reason. Names are as in ARCHITECTURE.md.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeDecorator

from digest.states import DeliveryState, IssueState, SubscriptionState

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Moment(TypeDecorator[datetime]):
    """An aware datetime, stored in UTC. A naive one is a programming error and raises."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive datetime {value!r}")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


_BigId = BigInteger().with_variant(Integer, "sqlite")  # SQLite's rowid must be spelled INTEGER
_KEY_BYTES = 16


def _id() -> Column[int]:
    return Column("id", _BigId, primary_key=True)


def _state(kind: type[StrEnum]) -> tuple[Column[Any], CheckConstraint]:
    words = ", ".join(f"'{state}'" for state in kind)
    return Column("state", String(12), nullable=False), CheckConstraint(f"state IN ({words})", "state")


counters = Table(
    "counters",
    metadata,
    Column("name", String(20), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

feeds = Table(
    "feeds",
    metadata,
    _id(),
    Column("name", String(80), nullable=False, unique=True),
    Column("url", Text, nullable=False, server_default=""),  # "": a desk, filled by hand
    Column("title", Text, nullable=False, server_default=""),
    Column("sector", String(80), nullable=False, server_default=""),
    Column("kind", String(12), nullable=False, server_default="news"),
    Column("tags", JSON, nullable=False, server_default="[]"),
    Column("active", SmallInteger, nullable=False, server_default="1"),
    Column("etag", Text, nullable=False, server_default=""),
    Column("last_modified", Text, nullable=False, server_default=""),
    Column("next_poll_at", Moment),
    Column("last_ok_at", Moment),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("last_error", Text, nullable=False, server_default=""),
)

stories = Table(
    "stories",
    metadata,
    _id(),
    Column("intake", BigInteger, nullable=False),
    Column("first_seen_at", Moment, nullable=False),
    Index("ix_stories_intake", "intake"),
    sqlite_autoincrement=True,
)

articles = Table(
    "articles",
    metadata,
    _id(),
    Column("feed_id", _BigId, ForeignKey("feeds.id"), nullable=False),
    Column("story_id", _BigId, ForeignKey("stories.id"), nullable=False),
    Column("intake", BigInteger, nullable=False),
    Column("first_seen_at", Moment, nullable=False),
    Column("revision", Integer, nullable=False, server_default="1"),
    Column("revised_at", Moment),
    Column(
        "content_key", LargeBinary(_KEY_BYTES), nullable=False
    ),  # of what a reader would see; changes with an update
    Column("guid", Text, nullable=False, server_default=""),
    Column("url", Text, nullable=False, server_default=""),
    Column("title", Text, nullable=False),
    Column("standfirst", Text, nullable=False, server_default=""),
    Column("byline", Text, nullable=False, server_default=""),
    Column("place", Text, nullable=False, server_default=""),
    Column("agency", Text, nullable=False, server_default=""),
    Column("countries", JSON, nullable=False, server_default="[]"),
    Column("sector", String(80), nullable=False, server_default=""),
    Column("tags", JSON, nullable=False, server_default="[]"),
    Column("kind", String(12), nullable=False),
    Column("language", String(20), nullable=False, server_default=""),
    Column("image", JSON),  # values.Image as an object, or null
    Column("published_at", Moment),
    Column("updated_at", Moment),
    Index("ix_articles_story_id", "story_id"),
    Index("ix_articles_feed_id_intake", "feed_id", "intake"),
    Index("ix_articles_first_seen_at", "first_seen_at"),
    sqlite_autoincrement=True,
)

updates = Table(
    "updates",  # stories that tell more of an earlier one: they have no articles of their own
    metadata,
    Column("story_id", _BigId, ForeignKey("stories.id", ondelete="CASCADE"), primary_key=True),
    Column("article_id", _BigId, ForeignKey("articles.id", ondelete="CASCADE"), nullable=False),  # says what is new
    Index("ix_updates_article_id", "article_id"),
)

article_keys = Table(
    "article_keys",
    metadata,
    Column("feed_id", _BigId, ForeignKey("feeds.id"), primary_key=True),
    Column("key", LargeBinary(_KEY_BYTES), primary_key=True),
    Column("article_id", _BigId, ForeignKey("articles.id", ondelete="SET NULL")),  # null: past its retention
    Index("ix_article_keys_article_id", "article_id"),
)

editions = Table(
    "editions",
    metadata,
    _id(),
    Column("name", String(80), nullable=False, unique=True),
    Column("spec", JSON, nullable=False),  # values.Edition without sections and feeds
    Column("applied_at", Moment, nullable=False),
)

sections = Table(
    "sections",
    metadata,
    _id(),
    Column("edition_id", _BigId, ForeignKey("editions.id", ondelete="CASCADE"), nullable=False),
    Column("key", String(40), nullable=False),
    Column("position", Integer, nullable=False),
    Column("title", Text, nullable=False),
    Column("rule", String(12), nullable=False),
    Column("count", Integer, nullable=False),
    Column("match", JSON, nullable=False),
    Column("optional", SmallInteger, nullable=False),
    UniqueConstraint("edition_id", "key"),
)

edition_feeds = Table(
    "edition_feeds",
    metadata,
    Column("edition_id", _BigId, ForeignKey("editions.id", ondelete="CASCADE"), primary_key=True),
    Column("feed_id", _BigId, ForeignKey("feeds.id"), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("weight", Float, nullable=False, server_default="0"),  # days by which the edition prefers its stories
)

subscribers = Table(
    "subscribers",
    metadata,
    _id(),
    Column("address", Text, nullable=False),
    Column("address_key", LargeBinary(_KEY_BYTES), nullable=False, unique=True),  # addresses.key(address)
    Column("name", Text, nullable=False, server_default=""),
    Column("locale", String(20), nullable=False, server_default=""),
    Column("time_zone", String(40), nullable=False, server_default=""),
    Column("fields", JSON, nullable=False, server_default="{}"),  # by the names that the settings declare
    Column("created_at", Moment, nullable=False),
    sqlite_autoincrement=True,
)

_subscription_state, _subscription_check = _state(SubscriptionState)
subscriptions = Table(
    "subscriptions",
    metadata,
    _id(),
    Column("subscriber_id", _BigId, ForeignKey("subscribers.id", ondelete="CASCADE"), nullable=False),
    Column("edition_id", _BigId, ForeignKey("editions.id"), nullable=False),
    _subscription_state,
    Column("cadence", String(20), nullable=False),
    Column("sections", Text),  # keys of the sections chosen, in the reader's order, comma-separated; null: all
    Column("hour", SmallInteger),  # local hour of day, 0-23; null: when the issue comes out
    Column("days", SmallInteger, nullable=False, server_default="127"),  # of the week, a bit each, Monday the first
    Column("paused_until", Moment),  # no issue begins its way to him before; null: he is not away
    Column("covered_until", BigInteger),  # intake served up to; null: never served
    Column("confirm_due_at", Moment),  # a confirmation mail, or its reminder, is owed since; null: none
    Column("confirm_mails", SmallInteger, nullable=False, server_default="0"),  # of them sent
    Column("created_at", Moment, nullable=False),
    UniqueConstraint("subscriber_id", "edition_id"),
    _subscription_check,
    CheckConstraint("hour BETWEEN 0 AND 23", "hour"),
    Index("ix_subscriptions_edition_id_cadence_state", "edition_id", "cadence", "state"),
    Index(
        "ix_subscriptions_confirm_due_at",
        "confirm_due_at",
        postgresql_where=text("confirm_due_at IS NOT NULL"),
    ),
    sqlite_autoincrement=True,
)

consent_events = Table(
    "consent_events",
    metadata,
    _id(),
    Column("subscription_id", _BigId, ForeignKey("subscriptions.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(12), nullable=False),
    Column("at", Moment, nullable=False),
    Column("source", Text, nullable=False),  # form, import FILE, one-click, link, operator …
    Column("detail", Text, nullable=False, server_default=""),  # the form's text, what was chosen
    Column("ip", String(45), nullable=False, server_default=""),
    CheckConstraint("kind IN ('requested', 'confirmed', 'imported', 'preferences', 'unsubscribed', 'expired')", "kind"),
    Index("ix_consent_events_subscription_id", "subscription_id"),
)

imports = Table(
    "imports",
    metadata,
    _id(),
    Column("edition_id", _BigId, ForeignKey("editions.id"), nullable=False),
    Column("source", Text, nullable=False),  # the file's name
    Column("consent", Text, nullable=False),  # how these readers agreed
    Column("header", Text, nullable=False, server_default=""),  # the file's first line, for its rejected ones
    Column("separator", String(1), nullable=False, server_default=","),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment),  # null: running, or cut short
    Column("added", Integer, nullable=False, server_default="0"),
    Column("changed", Integer, nullable=False, server_default="0"),
    Column("unchanged", Integer, nullable=False, server_default="0"),
    Column("rejected", Integer, nullable=False, server_default="0"),
    Index("ix_imports_started_at", "started_at"),
)

import_rejects = Table(
    "import_rejects",
    metadata,
    Column("import_id", _BigId, ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True),
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("reason", Text, nullable=False),
    Column("row", Text, nullable=False),  # as it stands in the file
    sqlite_with_rowid=False,
)

mail_domains = Table(  # what the name servers said
    "mail_domains",
    metadata,
    Column("domain", String(253), primary_key=True),
    Column("takes_mail", SmallInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Moment, nullable=False),
)

schedules = Table(
    "schedules",
    metadata,
    _id(),
    Column("edition_id", _BigId, ForeignKey("editions.id"), nullable=False),
    Column("cadence", String(20), nullable=False),
    Column("cron", String(80), nullable=False, server_default=""),
    Column("at", Moment),
    Column("time_zone", String(40), nullable=False),
    Column("declared", SmallInteger, nullable=False, server_default="0"),  # by the edition's file, not by hand
    Column("paused", SmallInteger, nullable=False, server_default="0"),
    Column("next_slot_at", Moment),  # null: it has run its course
    Column("created_at", Moment, nullable=False),
    CheckConstraint("(cron = '') = (at IS NOT NULL)", "cron_or_at"),
)

_issue_state, _issue_check = _state(IssueState)
issues = Table(
    "issues",
    metadata,
    _id(),
    Column("edition_id", _BigId, ForeignKey("editions.id"), nullable=False),
    Column("cadence", String(20), nullable=False),
    Column("slot", Moment, nullable=False),
    _issue_state,
    Column("covers_from", BigInteger),
    Column("covers_until", BigInteger),
    Column("segment", String(40), nullable=False, server_default=""),  # "": for everybody
    Column("audience", JSON, nullable=False, server_default="{}"),  # what the segment meant: segments.to_json
    Column("reason", Text, nullable=False, server_default=""),  # why skipped, paused or cancelled
    Column("created_at", Moment, nullable=False),
    Column("composed_at", Moment),
    Column("sending_at", Moment),
    Column("ended_at", Moment),
    Column("held_at", Moment),  # null: not held by an editor
    Column("approved_at", Moment),  # of the revision as it is; null: not
    Column("revision", Integer, nullable=False, server_default="0"),  # the number of its last change
    UniqueConstraint("edition_id", "cadence", "slot"),
    _issue_check,
    Index("ix_issues_state", "state"),
    sqlite_autoincrement=True,
)

segments = Table(
    "segments",
    metadata,
    Column("edition_id", _BigId, ForeignKey("editions.id"), primary_key=True),
    Column("name", String(40), primary_key=True),
    Column("where", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
)

issue_content = Table(
    "issue_content",
    metadata,
    Column("issue_id", _BigId, ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True),
    Column("compiled", Text, nullable=False),  # values.CompiledIssue as JSON; holds the IssueContent
    Column("composed", Text),  # the IssueContent before editors changed it; null: they did not
)

issue_changes = Table(
    "issue_changes",
    metadata,
    Column("issue_id", _BigId, ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("by", Text, nullable=False),
    Column("kind", String(12), nullable=False),
    Column("told", Text, nullable=False),
    Column("edit", JSON(none_as_null=True)),  # edits.Edit as an object, of an edit
    Column("undone", SmallInteger, nullable=False, server_default="0"),
    CheckConstraint("kind IN ('edit', 'undo', 'redraft', 'hold', 'release', 'approve', 'trial')", "kind"),
)

archive_issues = Table(  # outlives the issue and its ledger: what was published stays published
    "archive_issues",
    metadata,
    Column("issue_id", _BigId, primary_key=True, autoincrement=False),
    Column("edition_id", _BigId, ForeignKey("editions.id", ondelete="CASCADE"), nullable=False),
    Column("slug", String(60), nullable=False),
    Column("cadence", String(20), nullable=False),
    Column("slot", Moment, nullable=False),
    Column("title", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("image", JSON),  # values.Image as an object, or null
    Column("content", Text, nullable=False),  # values.IssueContent as JSON, as a reader of all sections got it
    Column("published_at", Moment, nullable=False),
    UniqueConstraint("edition_id", "slug"),
    Index("ix_archive_issues_edition_id_slot", "edition_id", "slot"),
    Index("ix_archive_issues_published_at", "published_at"),
)

archive_stories = Table(
    "archive_stories",
    metadata,
    Column("issue_id", _BigId, ForeignKey("archive_issues.issue_id", ondelete="CASCADE"), primary_key=True),
    Column("position", SmallInteger, primary_key=True),
    Column("story_id", _BigId, nullable=False),
    Column("section", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("standfirst", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("title_words", Text, nullable=False),  # finding.comparable of the title, and of the standfirst
    Column("other_words", Text, nullable=False),
    sqlite_with_rowid=False,
)

batches = Table(
    "batches",
    metadata,
    Column("issue_id", _BigId, ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("due_at", Moment),  # null: every delivery in it is settled
    Column("queued_at", Moment),  # a task for it was sent to the broker; null: not, or it has been claimed
    Column("lease_owner", String(64)),
    Column("lease_until", Moment),
    Column("failures", Integer, nullable=False, server_default="0"),  # runs that ended for want of a connection
    Index("ix_batches_due_at", "due_at"),
    CheckConstraint("(lease_owner IS NULL) = (lease_until IS NULL)", "lease"),
)

_delivery_state, _delivery_check = _state(DeliveryState)
deliveries = Table(
    "deliveries",
    metadata,
    Column("issue_id", _BigId, ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True),
    Column("subscription_id", _BigId, primary_key=True),
    Column("batch", Integer, nullable=False),
    _delivery_state,
    Column("attempts", SmallInteger, nullable=False, server_default="0"),
    Column("code", SmallInteger),
    Column("reason", Text),
    Column("due_at", Moment),  # of a deferred delivery
    Column("at", Moment),  # of the last change; null: never touched
    _delivery_check,
    Index("ix_deliveries_issue_id_batch", "issue_id", "batch"),
    postgresql_with={"fillfactor": 50},  # settling is a HOT update: the new version fits on the same page
    sqlite_with_rowid=False,
)

sign_up_requests = Table(  # forms as they came in, until a worker looks at them
    "sign_up_requests",
    metadata,
    _id(),
    Column("edition_id", _BigId, ForeignKey("editions.id"), nullable=False),
    Column("address_key", LargeBinary(_KEY_BYTES), nullable=False),
    Column("wish", JSON, nullable=False),  # flows.signup.SignUp as an object
    Column("at", Moment, nullable=False),
    Index("ix_sign_up_requests_address_key", "address_key"),
    sqlite_autoincrement=True,
)

errands = Table(  # what a reader asked for that wants a click in a mail: at most one of a kind each
    "errands",
    metadata,
    _id(),
    Column("subscriber_id", _BigId, ForeignKey("subscribers.id", ondelete="CASCADE"), nullable=False),
    Column("subscription_id", _BigId, ForeignKey("subscriptions.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(8), nullable=False),  # flows.errands.Kind
    Column("address", Text, nullable=False),  # where the mail goes; of a move the new address
    Column("address_key", LargeBinary(_KEY_BYTES), nullable=False),
    Column("asked_at", Moment, nullable=False),
    Column("mail_due_at", Moment),  # a mail is owed since; null: none
    UniqueConstraint("subscriber_id", "kind"),
    Index("ix_errands_mail_due_at", "mail_due_at", postgresql_where=text("mail_due_at IS NOT NULL")),
    sqlite_autoincrement=True,
)

blocked_domains = Table(  # whose addresses can't be signed up
    "blocked_domains",
    metadata,
    Column("domain", String(253), primary_key=True),
    Column("note", Text, nullable=False, server_default=""),
    Column("at", Moment, nullable=False),
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("address_key", LargeBinary(_KEY_BYTES), primary_key=True),
    Column("address", Text),  # null once erased
    Column("reason", String(20), nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    Column("at", Moment, nullable=False),
    CheckConstraint("reason IN ('bounce', 'complaint', 'operator', 'erased')", "reason"),
)

# No foreign keys: a click holds its delivery's lock, and must not wait for an issue's behind it.
clicks = Table(
    "clicks",
    metadata,
    Column("issue_id", _BigId, primary_key=True),
    Column("subscription_id", _BigId, primary_key=True),
    Column("story_id", _BigId, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("counts", SmallInteger, nullable=False),  # 0: more likely a scanner than the reader; see digest/clicks.py
    Index("ix_clicks_subscription_id", "subscription_id"),
    Index("ix_clicks_story_id", "story_id"),
    Index("ix_clicks_at", "at"),
    sqlite_with_rowid=False,
)

trials = Table(
    "trials",
    metadata,
    Column("issue_id", _BigId, ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True),
    Column("subject_a", Text, nullable=False),  # "": the one that would go out without a trial
    Column("subject_b", Text, nullable=False),
    Column("share", SmallInteger, nullable=False),  # per cent of the audience
    Column("minutes", Integer, nullable=False),
    Column("rest_from", Integer),  # the first batch of those who wait for the decision
    Column("decide_at", Moment),
    Column("winner", String(1)),
    Column("decided_at", Moment),
    Column("why", Text, nullable=False, server_default=""),
    CheckConstraint("winner IN ('a', 'b')", "winner"),
    CheckConstraint("(winner IS NULL) = (decided_at IS NULL)", "decided"),
    CheckConstraint("share BETWEEN 1 AND 100", "share"),
)

feedback_events = Table(
    "feedback_events",
    metadata,
    _id(),
    Column("issue_id", _BigId),
    Column("subscription_id", _BigId),
    Column("kind", String(12), nullable=False),
    Column("at", Moment, nullable=False),
    Column("detail", Text, nullable=False, server_default=""),
    CheckConstraint("kind IN ('bounce', 'complaint', 'unsubscribe')", "kind"),
    Index("ix_feedback_events_issue_id", "issue_id"),
)
