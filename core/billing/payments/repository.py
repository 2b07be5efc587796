"""Every statement on purchases, payments, refunds and disputes."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.catalog.models import CreditPackage
from core.billing.payments.errors import PurchaseNotFound
from core.billing.payments.models import Dispute, Payment, Purchase, Refund
from core.billing.payments.sale import Sale
from core.foundation.ids import INSTALLATION_ID


async def find_package(session: AsyncSession, tenant_id: UUID, *, code: str, currency: str) -> CreditPackage | None:
    """A package on offer: the tenant's own before the installation's."""
    statement = (
        select(CreditPackage)
        .where(
            CreditPackage.tenant_id.in_((tenant_id, INSTALLATION_ID)),
            CreditPackage.code == code,
            CreditPackage.currency == currency,
            CreditPackage.archived_at.is_(None),
        )
        .order_by((CreditPackage.tenant_id == tenant_id).desc())
        .limit(1)
    )
    return await session.scalar(statement)


async def insert_purchase(session: AsyncSession, row: dict[str, Any]) -> bool:
    """False where the idempotency key is taken, by another request at this moment too."""
    statement = (
        insert(Purchase)
        .values(row)
        .on_conflict_do_nothing(index_elements=["tenant_id", "idempotency_key"])
        .returning(Purchase.id)
    )
    return await session.scalar(statement) is not None


async def find_purchase_by_key(session: AsyncSession, tenant_id: UUID, key: str) -> Purchase | None:
    """The purchase made with an idempotency key, locked."""
    statement = select(Purchase).where(Purchase.tenant_id == tenant_id, Purchase.idempotency_key == key)
    return await session.scalar(statement.with_for_update())


async def get_sale(session: AsyncSession, tenant_id: UUID, purchase_id: UUID, *, locked: bool = True) -> Sale:
    """A purchase with all that belongs to it; raises PurchaseNotFound. Everything that changes it locks it first."""
    statement = select(Purchase).where(Purchase.tenant_id == tenant_id, Purchase.id == purchase_id)
    statement = statement.execution_options(populate_existing=True)
    purchase = await session.scalar(statement.with_for_update() if locked else statement)
    if purchase is None:
        raise PurchaseNotFound
    payments = await session.scalars(
        select(Payment).where(Payment.tenant_id == tenant_id, Payment.purchase_id == purchase_id)
    )
    refunds = await session.scalars(
        select(Refund).where(Refund.tenant_id == tenant_id, Refund.purchase_id == purchase_id).order_by(Refund.id)
    )
    disputes = await session.scalars(
        select(Dispute).where(Dispute.tenant_id == tenant_id, Dispute.purchase_id == purchase_id).order_by(Dispute.id)
    )
    return Sale(
        purchase=purchase,
        payments={payment.means: payment for payment in payments},
        refunds=list(refunds),
        disputes=list(disputes),
    )


async def list_purchases(
    session: AsyncSession,
    tenant_id: UUID,
    *,
    state: str | None,
    customer_id: UUID | None,
    before: UUID | None,
    limit: int,
) -> Sequence[Purchase]:
    """Newest first; one more than `limit` where there is a next page."""
    statement = select(Purchase).where(Purchase.tenant_id == tenant_id)
    if state is not None:
        statement = statement.where(Purchase.state == state)
    if customer_id is not None:
        statement = statement.where(Purchase.customer_id == customer_id)
    if before is not None:
        statement = statement.where(Purchase.id < before)
    return (await session.scalars(statement.order_by(Purchase.id.desc()).limit(limit + 1))).all()


async def list_failure_codes(
    session: AsyncSession, tenant_id: UUID, purchase_ids: Sequence[UUID]
) -> dict[UUID, str | None]:
    """Why the last attempt to pay failed, for those whose last attempt did."""
    rows = await session.execute(
        select(Payment.purchase_id, Payment.failure_code)
        .where(Payment.tenant_id == tenant_id, Payment.purchase_id.in_(purchase_ids), Payment.state == "failed")
        .order_by(Payment.updated_at)
    )
    return {purchase_id: code for purchase_id, code in rows if purchase_id is not None}


async def find_refund_by_key(session: AsyncSession, tenant_id: UUID, key: str) -> Refund | None:
    """The refund made with an idempotency key."""
    return await session.scalar(select(Refund).where(Refund.tenant_id == tenant_id, Refund.idempotency_key == key))


async def is_test_tenant(session: AsyncSession, tenant_id: UUID) -> bool:
    """Whether the tenant must never reach a live provider."""
    statement = text("SELECT is_test FROM tenants WHERE id = :tenant")
    return bool(await session.scalar(statement, {"tenant": tenant_id}))


async def find_purchase_of(
    session: AsyncSession, *, account_id: str, provider_ids: Sequence[str]
) -> tuple[UUID, UUID] | None:
    """Tenant and purchase of a payment known by one of these ids; as the reading operator, across tenants."""
    statement = text(
        "SELECT tenant_id, purchase_id FROM payments WHERE provider_account_id = :account AND purchase_id IS NOT NULL "
        "AND (provider_id = ANY(:ids) OR provider_intent_id = ANY(:ids)) LIMIT 1"
    )
    row = (await session.execute(statement, {"account": account_id, "ids": list(provider_ids)})).one_or_none()
    return (row.tenant_id, row.purchase_id) if row else None


async def find_charge_of(session: AsyncSession, *, account_id: str, provider_id: str) -> tuple[UUID, UUID] | None:
    """Tenant and payment of an invoice by the provider's id; as the reading operator, across tenants."""
    statement = text(
        "SELECT tenant_id, id FROM payments WHERE provider_account_id = :account AND provider_id = :id "
        "AND invoice_id IS NOT NULL"
    )
    row = (await session.execute(statement, {"account": account_id, "id": provider_id})).one_or_none()
    return (row.tenant_id, row.id) if row else None


async def list_uncertain_purchases(
    session: AsyncSession, *, wall: datetime, patience: timedelta, limit: int
) -> list[tuple[UUID, UUID]]:
    """Purchases that are not paid and were not asked about lately; across tenants.

    Each is asked about less and less often: again after half of the time that it had been open when last asked.
    """
    statement = text(
        """
        SELECT p.tenant_id, p.id
        FROM purchases p JOIN LATERAL (
            SELECT min(y.created_at) AS begun_at, max(y.updated_at) AS asked_at, bool_or(y.provider_id IS NULL) AS bare
            FROM payments y WHERE y.tenant_id = p.tenant_id AND y.purchase_id = p.id) y ON true
        WHERE p.state IN ('pending', 'failed') AND p.recorded_at < :before
          AND (p.lease_until IS NULL OR p.lease_until < :wall)
          AND y.asked_at < CAST(:wall AS timestamptz) - greatest(CAST(:patience AS interval),
                                                                 (y.asked_at - y.begun_at) / 2)
        ORDER BY p.recorded_at LIMIT :limit
        """
    )
    given = {"wall": wall, "before": wall - patience, "patience": patience, "limit": limit}
    return [(row.tenant_id, row.id) for row in await session.execute(statement, given)]


async def list_uncertain_refunds(
    session: AsyncSession, *, wall: datetime, patience: timedelta, limit: int
) -> list[tuple[UUID, UUID]]:
    """Refunds that the provider has and has not ended, not asked about lately; across tenants."""
    statement = text(
        """
        SELECT tenant_id, id FROM refunds
        WHERE state = 'pending' AND provider_id IS NOT NULL
          AND updated_at < CAST(:wall AS timestamptz) - CAST(:patience AS interval)
        ORDER BY updated_at LIMIT :limit
        """
    )
    given = {"wall": wall, "patience": patience, "limit": limit}
    return [(row.tenant_id, row.id) for row in await session.execute(statement, given)]
