"""accents under look, kinds a section leaves out, readers who don't confirm, room for new versions"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_OF_THE_THEME = "#0b5394"  # what no file had to say, then as now


def upgrade() -> None:
    _move_accents()
    _let_sections_leave_out_kinds()
    _help_readers()


def _move_accents() -> None:
    """An edition's colour stood beside its name in the first version; what an edition's file says since then stays."""
    editions = sa.table("editions", sa.column("id"), sa.column("spec", sa.JSON))
    connection = op.get_bind()
    for id_, spec in connection.execute(sa.select(editions.c.id, editions.c.spec)).all():
        accent = spec.pop("accent", _OF_THE_THEME)
        if accent != _OF_THE_THEME:
            spec.setdefault("look", {"light": {"accent": accent}})
        connection.execute(editions.update().where(editions.c.id == id_).values(spec=spec))


def _let_sections_leave_out_kinds() -> None:
    op.add_column("sections", sa.Column("except_kinds", sa.JSON(), server_default="[]", nullable=False))


def _help_readers() -> None:
    """Pages that are full already stay so until an issue's readers have been served."""
    waiting = sa.text("state = 'pending'")
    op.create_index(
        "ix_subscriptions_pending", "subscriptions", ["created_at"], postgresql_where=waiting, sqlite_where=waiting
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE subscriptions SET (fillfactor = 50)")
