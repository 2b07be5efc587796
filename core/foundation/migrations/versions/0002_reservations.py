"""Holds by their callers' keys, read with what charges depend on: one group books charges and holds."""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"

SQL = Path(__file__).parent.parent / "sql" / "0002"


def upgrade() -> None:
    op.execute((SQL / "read_charges.sql").read_text())
