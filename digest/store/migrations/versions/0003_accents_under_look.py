"""accents under look"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_OF_THE_THEME = "#0b5394"  # what no file had to say, then as now


def upgrade() -> None:
    """An edition's colour stood beside its name in the first version; what an edition's file says since then stays."""
    editions = sa.table("editions", sa.column("id"), sa.column("spec", sa.JSON))
    connection = op.get_bind()
    for id_, spec in connection.execute(sa.select(editions.c.id, editions.c.spec)).all():
        accent = spec.pop("accent", _OF_THE_THEME)
        if accent != _OF_THE_THEME:
            spec.setdefault("look", {"light": {"accent": accent}})
        connection.execute(editions.update().where(editions.c.id == id_).values(spec=spec))
