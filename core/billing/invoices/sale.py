"""What all invoices of a batch have in common: who sells, at which rates of tax, and to whom. Read once a batch."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.invoices.printing import party_of_seller
from core.billing.sellers.models import InvoiceSettings
from core.billing.sellers.service import settings_of
from core.billing.subscriptions.models import InvoiceItem
from core.billing.tax.provider import TaxProvider
from core.billing.tax.rules import Seller
from core.billing.tax.service import provider_of, seller_of
from core.identity.tenants.models import Customer
from core.identity.tenants.repository import get_tenant


@dataclass(slots=True)
class Sale:
    """What all invoices of a batch have in common: the seller, its rates, the customers and prices that were read."""

    tenant_id: UUID
    settings: InvoiceSettings
    seller: Seller
    seller_party: Mapping[str, Any]
    provider: TaxProvider
    customers: dict[UUID, Customer]
    collections: dict[UUID, str]
    charged: dict[tuple[UUID | None, str], list[Row[Any]]] = field(
        default_factory=dict[tuple[UUID | None, str], list[Row[Any]]]
    )
    """Of what may come back: from when to when a part was charged, when that was billed, and to whom."""


async def open_sale(
    session: AsyncSession, tenant_id: UUID, items: Sequence[InvoiceItem], *, customers: Collection[UUID] = ()
) -> Sale:
    """Reads it for these items, and for `customers` whose draft may have none any more."""
    settings = await settings_of(session, tenant_id)
    tenant = await get_tenant(session, tenant_id)
    customer_ids = sorted({*customers, *(item.customer_id for item in items)})
    subscriptions = sorted({item.subscription_id for item in items if item.subscription_id is not None})
    buyers = await session.execute(
        _CUSTOMERS.columns(*Customer.__table__.columns), {"tenant": tenant_id, "ids": customer_ids}
    )
    collections = await session.execute(_COLLECTIONS, {"tenant": tenant_id, "ids": subscriptions})
    sale = Sale(
        tenant_id=tenant_id,
        settings=settings,
        seller=seller_of(settings),
        seller_party=party_of_seller(settings, name=tenant.name),
        provider=await provider_of(session, tenant_id),
        customers={row["id"]: Customer(**row) for row in buyers.mappings()},
        collections={row.id: row.collection for row in collections},
    )
    await _read_charged(session, sale, items)
    return sale


async def _read_charged(session: AsyncSession, sale: Sale, items: Sequence[InvoiceItem]) -> None:
    returned = [item for item in items if item.kind == "unused" and item.subscription_id and item.period_start]
    if not returned:
        return
    where = {
        "tenant": sale.tenant_id,
        "ids": sorted({item.subscription_id for item in returned if item.subscription_id}),
        "since": min(item.period_start for item in returned if item.period_start),
    }
    for row in await session.execute(_CHARGED, where):
        sale.charged.setdefault((row.subscription_id, row.code), []).append(row)


_CUSTOMERS = text("SELECT c.* FROM customers c WHERE c.tenant_id = :tenant AND c.id = ANY(:ids)")

_COLLECTIONS = text("SELECT id, collection FROM subscriptions WHERE tenant_id = :tenant AND id = ANY(:ids)")

_CHARGED = text("""
SELECT i.id, i.subscription_id, i.code, i.period_start, i.period_end, i.bill_at, p.as_of, p.inputs -> 'buyer' AS buyer
FROM invoice_items i
LEFT JOIN invoice_inputs p ON p.tenant_id = i.tenant_id AND p.invoice_id = i.invoice_id
WHERE i.tenant_id = :tenant AND i.subscription_id = ANY(:ids) AND i.kind IN ('recurring', 'remaining')
  AND i.period_end > :since
ORDER BY i.id
""")
