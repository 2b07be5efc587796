"""A product says which rate it bears and whether it is goods, so that what subscriptions sell is taxed as it is."""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"


def upgrade() -> None:
    # The application may insert them and never change them: what was agreed under a product keeps its tax.
    op.add_column("products", sa.Column("tax_code", sa.Text(), nullable=True))
    op.add_column("products", sa.Column("is_goods", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    op.drop_column("products", "is_goods")
    op.drop_column("products", "tax_code")
