"""How long kinds of records are kept, what stands of a person beside their row, and a password that is changed."""

from pathlib import Path

from alembic import op

from core.foundation.migrations.security import isolate

revision = "0028"
down_revision = "0027"

SQL = Path(__file__).parent.parent / "sql"


def upgrade() -> None:
    _run("0028")
    isolate("retention_terms", app="SELECT, INSERT, DELETE")


def downgrade() -> None:
    for function in (
        "change_password(uuid, text, text, timestamptz)",
        "erase_customer_traces(uuid, timestamptz)",
        "remove_over_time(text, timestamptz, bigint)",
        "erase_user(uuid, timestamptz)",
    ):
        op.execute(f"DROP FUNCTION {function}")
    op.drop_table("retention_terms")
    _run("0024")  # erase_user as it was


def _run(number: str) -> None:
    driver = op.get_bind().connection.driver_connection
    assert driver is not None, "a migration runs on an open connection"
    driver.execute((SQL / number / "records.sql").read_text())
