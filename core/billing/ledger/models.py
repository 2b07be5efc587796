"""The double-entry ledger: accounts, transactions, entries and the blocks that chain them.

Every entry is the next version of its account, so the cached balance is the last entry's `balance_after_micro`;
the triggers in migrations/sql/ledger.sql refuse anything else.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from core.foundation.tables import Table, TenantRow, one_of

ACCOUNT_KINDS = ("wallet", "receivable", "revenue", "clearing", "granted")
TRANSACTION_KINDS = (
    "purchase",
    "usage",
    "refund",
    "refund_reversal",
    "dispute",
    "dispute_reversal",
    "receivable_payment",
    "grant",
    "adjustment",
    "invoice",
    "invoice_credit",
    "expiry",
)


LIMITED = "limited:"
"""How the kind of an account of limited credits begins; what follows names what they are for (credits/limits)."""


class Account(TenantRow, Table):
    """A balance of a customer in one currency.

    wallet: prepaid credits, never below its floor less open holds. limited:…: credits for certain models or meters
    only, one account for each set of them. receivable: what is owed, as a negative number.
    revenue: what usage earned. clearing: money at the payment provider, negative when received. granted: credits given
    away or corrected by hand, negative when given.
    """

    __tablename__ = "accounts"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "customer_id"], ["customers.tenant_id", "customers.id"]),
        UniqueConstraint("tenant_id", "customer_id", "kind", "currency"),
        CheckConstraint(f"{one_of('kind', ACCOUNT_KINDS)} OR kind ~ '^limited:[0-9a-f]{{24}}$'", name="kind"),
        CheckConstraint("balance_micro - held_micro >= floor_micro", name="floor"),
        CheckConstraint(
            "(kind = 'wallet' OR kind LIKE 'limited:%') = (floor_micro IS NOT NULL)", name="floor_of_wallet"
        ),
        CheckConstraint(
            "held_micro >= 0 AND (kind = 'wallet' OR kind LIKE 'limited:%' OR held_micro = 0)", name="held"
        ),
        CheckConstraint("kind <> 'receivable' OR balance_micro <= 0", name="receivable"),
        CheckConstraint("version >= 0", name="version"),
    )

    customer_id: Mapped[UUID]
    kind: Mapped[str]
    currency: Mapped[str]
    floor_micro: Mapped[int | None]
    balance_micro: Mapped[int] = mapped_column(server_default="0")
    held_micro: Mapped[int] = mapped_column(server_default="0")
    version: Mapped[int] = mapped_column(server_default="0")


class LedgerTransaction(TenantRow, Table):
    """Entries that belong together and sum to zero per currency. Never changed."""

    __tablename__ = "ledger_transactions"
    __table_args__ = (
        CheckConstraint(one_of("kind", TRANSACTION_KINDS), name="kind"),
        CheckConstraint("(kind = 'usage') = (reference IS NULL)", name="reference"),
        Index(
            "ledger_transactions_reference_key",
            "tenant_id",
            "kind",
            "reference",
            unique=True,
            postgresql_where="kind <> 'usage'",
        ),
    )

    kind: Mapped[str]
    reference: Mapped[str | None]
    """What caused it, once per kind (a purchase, refund or dispute id): the database refuses a second posting."""
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class LedgerEntry(Table):
    """One movement of one account, `version` without gaps from 1. Never changed."""

    __tablename__ = "ledger_entries"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "account_id"], ["accounts.tenant_id", "accounts.id"]),
        ForeignKeyConstraint(
            ["tenant_id", "transaction_id"], ["ledger_transactions.tenant_id", "ledger_transactions.id"]
        ),
        Index(None, "tenant_id", "transaction_id"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    transaction_id: Mapped[UUID]
    amount_micro: Mapped[int]
    balance_after_micro: Mapped[int]
    currency: Mapped[str]


class LedgerBlock(Table):
    """A sealed run of transactions: its hash covers their digests and the previous block's hash (chain.py)."""

    __tablename__ = "ledger_blocks"
    __table_args__ = (
        CheckConstraint("number >= 1", name="number"),
        CheckConstraint("octet_length(hash) = 32", name="hash"),
        CheckConstraint("octet_length(digests) = 32 * cardinality(transaction_ids)", name="digests"),
        Index("ledger_blocks_recent_idx", "tenant_id", "sealed_at"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    previous_hash: Mapped[bytes]
    hash: Mapped[bytes]
    transaction_ids: Mapped[list[UUID]]
    digests: Mapped[bytes]
    """The transactions' digests, 32 bytes each, in their order: they name the one that was altered."""
    sealed_at: Mapped[datetime]
