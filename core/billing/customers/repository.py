"""Customers: every SELECT."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, TextClause, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.foundation.sorting import Sort, Sorts, by_text, page_of
from core.identity.tenants.models import Customer


async def find_customer(session: AsyncSession, tenant_id: UUID, customer_id: UUID | None) -> Customer | None:
    """A customer by our id; None as the id is the tenant itself."""
    which = Customer.is_self if customer_id is None else Customer.id == customer_id
    return (await session.scalars(select(Customer).where(Customer.tenant_id == tenant_id, which))).one_or_none()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which customers; None does not matter. `search` is part of the name, the e-mail or the tenant's own id."""

    ids: Sequence[UUID] | None = None
    external_id: str | None = None
    search: str | None = None
    currency: str | None = None
    country: str | None = None
    owes: bool | None = None
    subscribed: str | None = None


SORTS: Sorts = {
    "createdAt": None,
    "name": by_text(Customer.name),
    "email": by_text(Customer.email),
    "externalId": by_text(Customer.external_id),
    "country": by_text(Customer.address["country"].astext),
}
"""What customers may be sorted by."""


async def list_customers(
    session: AsyncSession, tenant_id: UUID, wanted: Wanted, *, sort: Sort, cursor: str | None, limit: int
) -> tuple[list[Customer], str | None]:
    """A page of customers, and the next one's cursor."""
    statement = select(Customer).add_columns(Customer.id).where(Customer.tenant_id == tenant_id, *_conditions(wanted))
    statement = sort.apply(statement, then=Customer.id, cursor=cursor, limit=limit + 1)
    page, next_cursor = page_of((await session.execute(statement)).all(), limit)
    return [row.Customer for row in page], next_cursor


def _conditions(wanted: Wanted) -> list[ColumnElement[bool] | TextClause]:
    conditions: list[ColumnElement[bool] | TextClause] = []
    if wanted.ids is not None:
        conditions.append(Customer.id.in_(wanted.ids))
    if wanted.external_id is not None:
        conditions.append(Customer.external_id == wanted.external_id)
    if wanted.search:
        columns = (Customer.name, Customer.email, Customer.external_id)
        conditions.append(or_(*(column.icontains(wanted.search, autoescape=True) for column in columns)))
    if wanted.currency is not None:
        own = func.coalesce(Customer.currency, _TENANTS_CURRENCY)
        conditions.append(own == wanted.currency)
    if wanted.country is not None:
        conditions.append(Customer.address["country"].astext == wanted.country)
    if wanted.owes is not None:
        conditions.append(_OWES.bindparams(owes=wanted.owes))
    if wanted.subscribed is not None:
        conditions.append(_SUBSCRIBED.bindparams(state=wanted.subscribed))
    return conditions


# Of rooms that know this one: by their tables, not by their code.
_TENANTS_CURRENCY = text("(SELECT t.currency FROM tenants t WHERE t.id = customers.tenant_id)")
_OWES = text("""EXISTS (
    SELECT FROM invoices i WHERE i.tenant_id = customers.tenant_id AND i.customer_id = customers.id
      AND i.state = 'open' AND i.open_minor > 0) = :owes""")
_SUBSCRIBED = text("""EXISTS (
    SELECT FROM subscriptions s WHERE s.tenant_id = customers.tenant_id AND s.customer_id = customers.id
      AND s.state = :state)""")
