"""Settings of invoices: the one SELECT."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.sellers.models import InvoiceSettings


async def find_settings(session: AsyncSession, tenant_id: UUID) -> InvoiceSettings | None:
    """What the tenant has set, or None."""
    statement = select(InvoiceSettings).where(InvoiceSettings.tenant_id == tenant_id)
    return (await session.scalars(statement)).one_or_none()
