"""What is sent: issues, batches and deliveries, and what came back."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from digest.states import DeliveryState, IssueState
from digest.store.schema.columns import BigId, Moment, id_column, metadata, state_column

schedules = Table(
    "schedules",
    metadata,
    id_column(),
    Column("edition_id", BigId, ForeignKey("editions.id"), nullable=False),
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

_issue_state, _issue_check = state_column(IssueState)

issues = Table(
    "issues",
    metadata,
    id_column(),
    Column("edition_id", BigId, ForeignKey("editions.id"), nullable=False),
    Column("cadence", String(20), nullable=False),
    Column("slot", Moment, nullable=False),
    _issue_state,
    Column("covers_from", BigInteger),
    Column("covers_until", BigInteger),
    Column("segment", String(40), nullable=False, server_default=""),  # "": for everybody
    Column("audience", JSON, nullable=False, server_default="{}"),  # what the segment meant: segments.to_json
    Column("reason", Text, nullable=False, server_default=""),  # why skipped, paused, cancelled or not composed
    Column("obstacle", String(12)),  # states.Obstacle of a scheduled one; null: none, or not tried yet
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

issue_content = Table(
    "issue_content",
    metadata,
    Column("issue_id", BigId, ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True),
    Column("compiled", Text, nullable=False),  # values.CompiledIssue as JSON; holds the IssueContent
    Column("composed", Text),  # the IssueContent before editors changed it; null: they did not
)

issue_changes = Table(
    "issue_changes",
    metadata,
    Column("issue_id", BigId, ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("by", Text, nullable=False),
    Column("kind", String(12), nullable=False),
    Column("told", Text, nullable=False),
    Column("edit", JSON(none_as_null=True)),  # edits.Edit as an object, of an edit
    Column("undone", SmallInteger, nullable=False, server_default="0"),
    CheckConstraint("kind IN ('edit', 'undo', 'redraft', 'hold', 'release', 'approve', 'trial')", "kind"),
)

batches = Table(
    "batches",
    metadata,
    Column("issue_id", BigId, ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("due_at", Moment),  # null: every delivery in it is settled
    Column("since", Moment),  # when it was due first, which may be days behind its issue; null: with it
    Column("queued_at", Moment),  # a task for it was sent to the broker; null: not, or it has been claimed
    Column("lease_owner", String(64)),
    Column("lease_until", Moment),
    Column("failures", Integer, nullable=False, server_default="0"),  # runs that ended for want of a connection
    Index("ix_batches_due_at", "due_at"),
    CheckConstraint("(lease_owner IS NULL) = (lease_until IS NULL)", "lease"),
)

_delivery_state, _delivery_check = state_column(DeliveryState)

deliveries = Table(
    "deliveries",
    metadata,
    Column("issue_id", BigId, ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True),
    Column("subscription_id", BigId, primary_key=True),
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

trials = Table(
    "trials",
    metadata,
    Column("issue_id", BigId, ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True),
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

clicks = Table(
    "clicks",
    metadata,
    Column("issue_id", BigId, primary_key=True),
    Column("subscription_id", BigId, primary_key=True),
    Column("story_id", BigId, primary_key=True),
    Column("at", Moment, nullable=False),
    Column(
        "counts", SmallInteger, nullable=False
    ),  # 0: more likely a scanner than the reader; see digest/feedback/clicks.py
    Index("ix_clicks_subscription_id", "subscription_id"),
    Index("ix_clicks_story_id", "story_id"),
    Index("ix_clicks_at", "at"),
    sqlite_with_rowid=False,
)

feedback_events = Table(
    "feedback_events",
    metadata,
    id_column(),
    Column("issue_id", BigId),
    Column("subscription_id", BigId),
    Column("kind", String(12), nullable=False),
    Column("at", Moment, nullable=False),
    Column("detail", Text, nullable=False, server_default=""),
    Column("grade", String(8), nullable=False, server_default=""),  # of a bounce: refusals.Grade; "": not known
    CheckConstraint("kind IN ('bounce', 'complaint', 'unsubscribe')", "kind"),
    Index("ix_feedback_events_issue_id", "issue_id"),
    Index("ix_feedback_events_subscription_id", "subscription_id"),
)
