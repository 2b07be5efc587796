"""What is watched of a wallet: from where on it is low, and from where on it is filled by a saved card."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.foundation.tables import Table, TenantRow


class WalletWatch(TenantRow, Table):
    """One a wallet. `fired` counts top-ups and names each of their keys, so that none can be made twice."""

    __tablename__ = "wallet_watches"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "customer_id"], ["customers.tenant_id", "customers.id"]),
        ForeignKeyConstraint(["tenant_id", "purchase_id"], ["purchases.tenant_id", "purchases.id"]),
        UniqueConstraint("tenant_id", "customer_id", "currency"),
        CheckConstraint("alert_below_micro > 0 AND top_up_below_micro > 0 AND monthly_limit_minor > 0", name="figures"),
        CheckConstraint(
            "(package_code IS NULL) = (top_up_below_micro IS NULL) "
            "AND (package_code IS NULL) = (monthly_limit_minor IS NULL)",
            name="top_up",
        ),
        CheckConstraint("(failed_code IS NULL) = (failed_at IS NULL)", name="failed"),
        CheckConstraint("crossings >= 0 AND fired >= 0", name="counts"),
    )

    customer_id: Mapped[UUID]
    currency: Mapped[str]
    alert_below_micro: Mapped[int | None]
    is_low: Mapped[bool] = mapped_column(server_default="false")
    crossings: Mapped[int] = mapped_column(server_default="0")
    package_code: Mapped[str | None]
    top_up_below_micro: Mapped[int | None]
    monthly_limit_minor: Mapped[int | None]
    fired: Mapped[int] = mapped_column(server_default="0")
    purchase_id: Mapped[UUID | None]
    """The top-up that has not ended."""
    blocked_until: Mapped[datetime | None]
    """The month's limit is reached until then."""
    failed_code: Mapped[str | None]
    failed_at: Mapped[datetime | None]
    """No further top-up until there is another card, or the watch is set anew."""
    changed_at: Mapped[datetime]
