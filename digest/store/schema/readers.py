"""Who reads: subscribers, what they chose and agreed to, and who is not to be mailed."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from digest.states import SubscriptionState
from digest.store.schema.columns import KEY_BYTES, BigId, Moment, id_column, metadata, state_column

subscribers = Table(
    "subscribers",
    metadata,
    id_column(),
    Column("address", Text, nullable=False),
    Column("address_key", LargeBinary(KEY_BYTES), nullable=False, unique=True),  # addresses.key(address)
    Column("name", Text, nullable=False, server_default=""),
    Column("locale", String(20), nullable=False, server_default=""),
    Column("time_zone", String(40), nullable=False, server_default=""),
    Column("fields", JSON, nullable=False, server_default="{}"),  # by the names that the settings declare
    Column("created_at", Moment, nullable=False),
    sqlite_autoincrement=True,
)

_subscription_state, _subscription_check = state_column(SubscriptionState)

subscriptions = Table(
    "subscriptions",
    metadata,
    id_column(),
    Column("subscriber_id", BigId, ForeignKey("subscribers.id", ondelete="CASCADE"), nullable=False),
    Column("edition_id", BigId, ForeignKey("editions.id"), nullable=False),
    _subscription_state,
    Column("cadence", String(20), nullable=False),
    Column("sections", Text),  # keys of the sections chosen, in the reader's order, comma-separated; null: all
    Column("hour", SmallInteger),  # local hour of day, 0-23; null: when the issue comes out
    Column("days", SmallInteger, nullable=False, server_default="127"),  # of the week, a bit each, Monday the first
    Column("paused_until", Moment),  # no issue is sent to them before; null: they are not away
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
    Index(
        "ix_subscriptions_pending",
        "created_at",
        postgresql_where=text("state = 'pending'"),
        sqlite_where=text("state = 'pending'"),
    ),
    postgresql_with={"fillfactor": 50},  # serving its readers is a HOT update: the new version fits on the same page
    sqlite_autoincrement=True,
)

consent_events = Table(
    "consent_events",
    metadata,
    id_column(),
    Column("subscription_id", BigId, ForeignKey("subscriptions.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(12), nullable=False),
    Column("at", Moment, nullable=False),
    Column("source", Text, nullable=False),  # form, import FILE, one-click, link, operator …
    Column("detail", Text, nullable=False, server_default=""),  # the form's text, what was chosen
    Column("ip", String(45), nullable=False, server_default=""),
    CheckConstraint(
        "kind IN ('requested', 'confirmed', 'imported', 'preferences', 'moved', 'unsuppressed', 'unsubscribed', "
        "'expired')",
        "kind",
    ),
    Index("ix_consent_events_subscription_id", "subscription_id"),
)

segments = Table(
    "segments",
    metadata,
    Column("edition_id", BigId, ForeignKey("editions.id"), primary_key=True),
    Column("name", String(40), primary_key=True),
    Column("where", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
)

imports = Table(
    "imports",
    metadata,
    id_column(),
    Column("edition_id", BigId, ForeignKey("editions.id"), nullable=False),
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
    Column("import_id", BigId, ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True),
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

sign_up_requests = Table(  # forms as they came in, until a worker looks at them
    "sign_up_requests",
    metadata,
    id_column(),
    Column("edition_id", BigId, ForeignKey("editions.id"), nullable=False),
    Column("address_key", LargeBinary(KEY_BYTES), nullable=False),
    Column("wish", JSON, nullable=False),  # flows.signup.SignUp as an object
    Column("at", Moment, nullable=False),
    Index("ix_sign_up_requests_address_key", "address_key"),
    sqlite_autoincrement=True,
)

errands = Table(  # what a reader asked for that wants a click in a mail: at most one of a kind each
    "errands",
    metadata,
    id_column(),
    Column("subscriber_id", BigId, ForeignKey("subscribers.id", ondelete="CASCADE"), nullable=False),
    Column("subscription_id", BigId, ForeignKey("subscriptions.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(8), nullable=False),  # readers.errands.ErrandKind
    Column("address", Text, nullable=False),  # where the mail goes; of a move the new address
    Column("address_key", LargeBinary(KEY_BYTES), nullable=False),
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
    Column("address_key", LargeBinary(KEY_BYTES), primary_key=True),
    Column("address", Text),  # null once erased
    Column("reason", String(20), nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    Column("at", Moment, nullable=False),
    CheckConstraint("reason IN ('bounce', 'complaint', 'operator', 'erased')", "reason"),
)
