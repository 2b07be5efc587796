"""What a wallet's balance is made of: lots of credits with their terms, and which lot each charge used.

The ledger is the truth; lots follow from its entries, in the order of their versions, by the rule in using.py. So they
are written after the fact, and no charge waits for them.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

import core.billing.ledger.models  # noqa: F401  # pyright: ignore[reportUnusedImport]  (the accounts that lots are of)
from core.foundation.tables import Table, TenantRow, one_of

LOT_KINDS = ("paid", "granted")
LOT_STATES = ("open", "spent", "expired")


class CreditLot(TenantRow, Table):
    """Credits that came in together. `remaining_micro` is as of the wallet's position."""

    __tablename__ = "credit_lots"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "account_id"], ["accounts.tenant_id", "accounts.id"]),
        ForeignKeyConstraint(["tenant_id", "customer_id"], ["customers.tenant_id", "customers.id"]),
        ForeignKeyConstraint(
            ["tenant_id", "transaction_id"], ["ledger_transactions.tenant_id", "ledger_transactions.id"]
        ),
        Index(
            "credit_lots_opened_key",
            "tenant_id",
            "account_id",
            "opened_version",
            unique=True,
            postgresql_where="rolled_from IS NULL",
        ),
        Index("credit_lots_due_idx", "tenant_id", "look_at", postgresql_where="state = 'open' AND look_at IS NOT NULL"),
        CheckConstraint(one_of("kind", LOT_KINDS), name="kind"),
        CheckConstraint(one_of("state", LOT_STATES), name="state"),
        CheckConstraint("remaining_micro BETWEEN 0 AND amount_micro AND amount_micro > 0", name="remaining"),
        CheckConstraint("state = 'open' OR remaining_micro = 0", name="closed"),
        CheckConstraint("priority BETWEEN 0 AND 100", name="priority"),
        CheckConstraint("(expires_at IS NULL) = (look_at IS NULL)", name="look"),
        CheckConstraint("rollover_micro >= 0 AND rollover_days BETWEEN 0 AND 3660", name="rollover"),
    )

    account_id: Mapped[UUID]
    customer_id: Mapped[UUID]
    currency: Mapped[str]
    kind: Mapped[str]
    label: Mapped[str]
    priority: Mapped[int]
    """Lower is used first."""
    amount_micro: Mapped[int]
    remaining_micro: Mapped[int]
    state: Mapped[str]
    opened_version: Mapped[int]
    """The wallet's entry that brought it."""
    transaction_id: Mapped[UUID]
    rolled_from: Mapped[UUID | None]
    expires_at: Mapped[datetime | None]
    look_at: Mapped[datetime | None]
    """When its expiry is looked at: later than `expires_at` only while a hold keeps part of it."""
    rollover_micro: Mapped[int]
    """The most of it that goes on at its end, for `rollover_days` more, once."""
    rollover_days: Mapped[int]
    created_at: Mapped[datetime]


class CreditUse(Table):
    """What entries of a wallet, one after the other, took from a lot. Never changed."""

    __tablename__ = "credit_uses"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "lot_id"], ["credit_lots.tenant_id", "credit_lots.id"]),
        CheckConstraint("amount_micro > 0 AND last_version >= first_version", name="amount"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    lot_id: Mapped[UUID] = mapped_column(primary_key=True)
    first_version: Mapped[int] = mapped_column(primary_key=True)
    last_version: Mapped[int]
    amount_micro: Mapped[int]


class CreditPosition(Table):
    """Up to which of its entries a wallet's lots are known, and what it then owed beyond all of them."""

    __tablename__ = "credit_positions"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "account_id"], ["accounts.tenant_id", "accounts.id"]),
        CheckConstraint("version >= 0 AND owed_micro >= 0", name="figures"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    owed_micro: Mapped[int]
