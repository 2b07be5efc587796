"""Customers: every SELECT."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from core.identity.tenants.models import Customer


async def find_customer(session: AsyncSession, tenant_id: UUID, customer_id: UUID | None) -> Customer | None:
    """A customer by our id; None as the id is the tenant itself."""
    which = Customer.is_self if customer_id is None else Customer.id == customer_id
    return (await session.scalars(select(Customer).where(Customer.tenant_id == tenant_id, which))).one_or_none()


async def list_customers(
    session: AsyncSession,
    tenant_id: UUID,
    *,
    external_id: str | None,
    search: str | None,
    before: UUID | None,
    limit: int,
) -> Sequence[Customer]:
    """Customers, newest first; `search` is part of the name, the e-mail address or the tenant's own id."""
    statement = select(Customer).where(Customer.tenant_id == tenant_id)
    if external_id is not None:
        statement = statement.where(Customer.external_id == external_id)
    if before is not None:
        statement = statement.where(Customer.id < before)
    if search:
        columns = (Customer.name, Customer.email, Customer.external_id)
        statement = statement.where(or_(*(column.icontains(search, autoescape=True) for column in columns)))
    return (await session.scalars(statement.order_by(Customer.id.desc()).limit(limit))).all()
