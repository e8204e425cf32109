"""grades of bounces"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("feedback_events", sa.Column("grade", sa.String(length=8), server_default="", nullable=False))
    op.add_column("batches", sa.Column("since", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_feedback_events_subscription_id", "feedback_events", ["subscription_id"])
