"""The write fence: every table asks it before a statement writes."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

from core.foundation.migrations.security import fence

revision = "0006"
down_revision = "0005"

SQL = Path(__file__).parent.parent / "sql" / "0006"
NOT_FENCED = ("alembic_version", "write_fence")


def upgrade() -> None:
    op.execute((SQL / "fence.sql").read_text())
    tables = sa.text(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
    )
    for (table,) in op.get_bind().execute(tables).all():
        if table not in NOT_FENCED:
            fence(table)
