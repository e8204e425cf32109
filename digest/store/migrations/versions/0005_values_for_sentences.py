"""what a sentence said before: why an issue is not composed, and what became of an address"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.sql.naming import conv

from digest.store.schema import Moment

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_KINDS = sa.CheckConstraint(
    "kind IN ('requested', 'confirmed', 'imported', 'preferences', 'moved', 'unsuppressed', 'unsubscribed', 'expired')",
    name=conv("ck_consent_events_kind"),
)
_CONSENT_EVENTS = sa.Table(
    "consent_events",
    sa.MetaData(),
    sa.Column("id", sa.Integer(), nullable=False),
    sa.Column("subscription_id", sa.Integer(), nullable=False),
    sa.Column("kind", sa.String(length=12), nullable=False),
    sa.Column("at", Moment(), nullable=False),
    sa.Column("source", sa.Text(), nullable=False),
    sa.Column("detail", sa.Text(), server_default="", nullable=False),
    sa.Column("ip", sa.String(length=45), server_default="", nullable=False),
    _KINDS,
    sa.ForeignKeyConstraint(
        ["subscription_id"],
        ["subscriptions.id"],
        name=conv("fk_consent_events_subscription_id"),
        ondelete="CASCADE",
    ),
    sa.PrimaryKeyConstraint("id", name=conv("pk_consent_events")),
    sa.Index("ix_consent_events_subscription_id", "subscription_id"),
)


def upgrade() -> None:
    _name_obstacles()
    _admit_kinds()
    _name_what_became_of_addresses()


def _name_obstacles() -> None:
    op.add_column("issues", sa.Column("obstacle", sa.String(length=12), nullable=True))
    op.execute(
        "UPDATE issues SET obstacle = 'broken' WHERE state = 'scheduled' AND reason LIKE 'can''t be composed: %'"
    )
    op.execute("UPDATE issues SET obstacle = 'nothing_new' WHERE state = 'scheduled' AND reason = 'nothing new yet'")


def _admit_kinds() -> None:
    """SQLite changes a constraint by copying the table. It is written out, since not every version of SQLAlchemy would
    leave the old constraint out."""
    if op.get_bind().dialect.name == "sqlite":
        with op.batch_alter_table("consent_events", recreate="always", copy_from=_CONSENT_EVENTS):
            pass
        return
    op.drop_constraint(op.f("ck_consent_events_kind"), "consent_events", type_="check")
    op.create_check_constraint(op.f("ck_consent_events_kind"), "consent_events", _KINDS.sqltext)


def _name_what_became_of_addresses() -> None:
    for kind, source, detail in (
        ("moved", "link", "a new address"),
        ("unsuppressed", "operator", "no longer suppressed"),
    ):
        op.execute(
            sa.text(
                "UPDATE consent_events SET kind = :kind, detail = '' "
                "WHERE kind = 'preferences' AND source = :source AND detail = :detail"
            ).bindparams(kind=kind, source=source, detail=detail)
        )
