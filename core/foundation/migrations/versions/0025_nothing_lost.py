"""A hold says whether the copy has all that was committed: where it has, no number can have been given out unknown."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"

OPEN = """
CREATE FUNCTION open_worker_holds() RETURNS TABLE (id uuid, reason text, state_of timestamptz{more})
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT h.id, h.reason, h.state_of{read} FROM public.worker_holds h WHERE h.released_at IS NULL ORDER BY h.held_at
$$
"""


def upgrade() -> None:
    op.add_column("worker_holds", sa.Column("nothing_lost", sa.Boolean(), server_default="false", nullable=False))
    _replace(", nothing_lost boolean", ", h.nothing_lost")


def downgrade() -> None:
    _replace("", "")
    op.drop_column("worker_holds", "nothing_lost")


def _replace(more: str, read: str) -> None:
    op.execute("DROP FUNCTION open_worker_holds()")
    op.execute(OPEN.format(more=more, read=read))
    op.execute("REVOKE EXECUTE ON FUNCTION open_worker_holds() FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION open_worker_holds() TO cloudbill_app")
