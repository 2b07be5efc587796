"""A paid invoice makes its subscription active, where that waited for it."""

from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.invoices.models import Invoice
from core.billing.subscriptions import service as subscriptions


async def activate_paid(session: AsyncSession, invoice: Invoice | Any, *, now: datetime) -> None:
    """Of a subscription that is incomplete; others stay as they are."""
    if invoice.subscription_id is not None:
        await subscriptions.activate(session, invoice.subscription_id, tenant_id=invoice.tenant_id, now=now)
