"""What an operator said of movements on the provider's account that are not ours; rows of the installation's tenant."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index
from sqlalchemy.orm import Mapped

from core.foundation.tables import Table, TenantRow, one_of

MOVEMENT_KINDS = ("charge", "refund", "dispute")


class PaymentAcknowledgement(TenantRow, Table):
    """Never changed: of each movement the newest row counts. `amount_minor` is what it had moved then, signed."""

    __tablename__ = "payment_acknowledgements"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        CheckConstraint(one_of("kind", MOVEMENT_KINDS), name="kind"),
        Index("payment_acknowledgements_movement_idx", "tenant_id", "provider_account_id", "kind", "provider_id", "id"),
    )

    provider_account_id: Mapped[str]
    kind: Mapped[str]
    provider_id: Mapped[str]
    amount_minor: Mapped[int | None]
    """None: the acknowledgement was taken back."""
    currency: Mapped[str]
    reason: Mapped[str]
    acknowledged_by: Mapped[UUID | None]
    """None: the command on the server."""
    acknowledged_at: Mapped[datetime]
    """Wall time."""
