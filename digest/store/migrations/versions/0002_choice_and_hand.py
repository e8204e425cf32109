"""choice and hand"""

import sqlalchemy as sa
from alembic import op

from digest.store.schema import Moment

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "blocked_domains",
        sa.Column("domain", sa.String(length=253), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("domain", name=op.f("pk_blocked_domains")),
    )
    op.create_table(
        "clicks",
        sa.Column("issue_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("subscription_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("story_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("counts", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("issue_id", "subscription_id", "story_id", name=op.f("pk_clicks")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("clicks", schema=None) as batch_op:
        batch_op.create_index("ix_clicks_at", ["at"], unique=False)
        batch_op.create_index("ix_clicks_story_id", ["story_id"], unique=False)
        batch_op.create_index("ix_clicks_subscription_id", ["subscription_id"], unique=False)

    op.create_table(
        "mail_domains",
        sa.Column("domain", sa.String(length=253), nullable=False),
        sa.Column("takes_mail", sa.SmallInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("domain", name=op.f("pk_mail_domains")),
    )
    op.create_table(
        "archive_issues",
        sa.Column(
            "issue_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("edition_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("slug", sa.String(length=60), nullable=False),
        sa.Column("cadence", sa.String(length=20), nullable=False),
        sa.Column("slot", Moment(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("image", sa.JSON(), nullable=True),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("published_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["edition_id"], ["editions.id"], name=op.f("fk_archive_issues_edition_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("issue_id", name=op.f("pk_archive_issues")),
        sa.UniqueConstraint("edition_id", "slug", name=op.f("uq_archive_issues_edition_id_slug")),
    )
    with op.batch_alter_table("archive_issues", schema=None) as batch_op:
        batch_op.create_index("ix_archive_issues_edition_id_slot", ["edition_id", "slot"], unique=False)
        batch_op.create_index("ix_archive_issues_published_at", ["published_at"], unique=False)

    op.create_table(
        "imports",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("edition_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("consent", sa.Text(), nullable=False),
        sa.Column("header", sa.Text(), server_default="", nullable=False),
        sa.Column("separator", sa.String(length=1), server_default=",", nullable=False),
        sa.Column("started_at", Moment(), nullable=False),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.Column("added", sa.Integer(), server_default="0", nullable=False),
        sa.Column("changed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("unchanged", sa.Integer(), server_default="0", nullable=False),
        sa.Column("rejected", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["edition_id"], ["editions.id"], name=op.f("fk_imports_edition_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
    )
    with op.batch_alter_table("imports", schema=None) as batch_op:
        batch_op.create_index("ix_imports_started_at", ["started_at"], unique=False)

    op.create_table(
        "segments",
        sa.Column("edition_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("where", sa.Text(), nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["edition_id"], ["editions.id"], name=op.f("fk_segments_edition_id")),
        sa.PrimaryKeyConstraint("edition_id", "name", name=op.f("pk_segments")),
    )
    op.create_table(
        "sign_up_requests",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("edition_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("address_key", sa.LargeBinary(length=16), nullable=False),
        sa.Column("wish", sa.JSON(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["edition_id"], ["editions.id"], name=op.f("fk_sign_up_requests_edition_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_up_requests")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("sign_up_requests", schema=None) as batch_op:
        batch_op.create_index("ix_sign_up_requests_address_key", ["address_key"], unique=False)

    op.create_table(
        "archive_stories",
        sa.Column("issue_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("story_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("headline", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["issue_id"], ["archive_issues.issue_id"], name=op.f("fk_archive_stories_issue_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("issue_id", "position", name=op.f("pk_archive_stories")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "errands",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("subscriber_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("subscription_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("address_key", sa.LargeBinary(length=16), nullable=False),
        sa.Column("asked_at", Moment(), nullable=False),
        sa.Column("mail_due_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscribers.id"], name=op.f("fk_errands_subscriber_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscriptions.id"], name=op.f("fk_errands_subscription_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_errands")),
        sa.UniqueConstraint("subscriber_id", "kind", name=op.f("uq_errands_subscriber_id_kind")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("errands", schema=None) as batch_op:
        batch_op.create_index(
            "ix_errands_mail_due_at", ["mail_due_at"], unique=False, postgresql_where=sa.text("mail_due_at IS NOT NULL")
        )

    op.create_table(
        "import_rejects",
        sa.Column("import_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("line", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("row", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["import_id"], ["imports.id"], name=op.f("fk_import_rejects_import_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("import_id", "line", name=op.f("pk_import_rejects")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "issue_changes",
        sa.Column("issue_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("told", sa.Text(), nullable=False),
        sa.Column("edit", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("undone", sa.SmallInteger(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "kind IN ('edit', 'undo', 'redraft', 'hold', 'release', 'approve', 'trial')",
            name=op.f("ck_issue_changes_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["issue_id"], ["issues.id"], name=op.f("fk_issue_changes_issue_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("issue_id", "revision", name=op.f("pk_issue_changes")),
    )
    op.create_table(
        "trials",
        sa.Column("issue_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("subject_a", sa.Text(), nullable=False),
        sa.Column("subject_b", sa.Text(), nullable=False),
        sa.Column("share", sa.SmallInteger(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("rest_from", sa.Integer(), nullable=True),
        sa.Column("decide_at", Moment(), nullable=True),
        sa.Column("winner", sa.String(length=1), nullable=True),
        sa.Column("decided_at", Moment(), nullable=True),
        sa.Column("why", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("winner IN ('a', 'b')", name=op.f("ck_trials_winner")),
        sa.CheckConstraint("(winner IS NULL) = (decided_at IS NULL)", name=op.f("ck_trials_decided")),
        sa.CheckConstraint("share BETWEEN 1 AND 100", name=op.f("ck_trials_share")),
        sa.ForeignKeyConstraint(["issue_id"], ["issues.id"], name=op.f("fk_trials_issue_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("issue_id", name=op.f("pk_trials")),
    )
    op.create_table(
        "updates",
        sa.Column("story_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("article_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(
            ["article_id"], ["articles.id"], name=op.f("fk_updates_article_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["story_id"], ["stories.id"], name=op.f("fk_updates_story_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("story_id", name=op.f("pk_updates")),
    )
    with op.batch_alter_table("updates", schema=None) as batch_op:
        batch_op.create_index("ix_updates_article_id", ["article_id"], unique=False)

    with op.batch_alter_table("edition_feeds", schema=None) as batch_op:
        batch_op.add_column(sa.Column("weight", sa.Float(), server_default="0", nullable=False))

    with op.batch_alter_table("issue_content", schema=None) as batch_op:
        batch_op.add_column(sa.Column("composed", sa.Text(), nullable=True))

    with op.batch_alter_table("issues", schema=None) as batch_op:
        batch_op.add_column(sa.Column("segment", sa.String(length=40), server_default="", nullable=False))
        batch_op.add_column(sa.Column("audience", sa.JSON(), server_default="{}", nullable=False))
        batch_op.add_column(sa.Column("held_at", Moment(), nullable=True))
        batch_op.add_column(sa.Column("approved_at", Moment(), nullable=True))
        batch_op.add_column(sa.Column("revision", sa.Integer(), server_default="0", nullable=False))

    with op.batch_alter_table("subscribers", schema=None) as batch_op:
        batch_op.add_column(sa.Column("fields", sa.JSON(), server_default="{}", nullable=False))

    with op.batch_alter_table("subscriptions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("days", sa.SmallInteger(), server_default="127", nullable=False))
        batch_op.add_column(sa.Column("paused_until", Moment(), nullable=True))
        batch_op.add_column(sa.Column("confirm_mails", sa.SmallInteger(), server_default="0", nullable=False))
