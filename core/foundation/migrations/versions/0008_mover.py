"""The mover reads and writes what has no row security too: the job queue, its sequences, the schema's revision."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON procrastinate_jobs, procrastinate_events, "
        "procrastinate_periodic_defers, procrastinate_workers TO cloudbill_mover"
    )
    op.execute("GRANT SELECT ON alembic_version TO cloudbill_mover")
    # setval after the rows have come takes UPDATE.
    op.execute("GRANT SELECT, USAGE, UPDATE ON ALL SEQUENCES IN SCHEMA public TO cloudbill_mover")
