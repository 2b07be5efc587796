"""Customers: who pays the tenant. `self` is the tenant as the installation's customer."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.foundation.errors import Conflict, NotFound
from core.foundation.ids import new_id
from core.identity.tenants import repository
from core.identity.tenants.models import Customer


class CustomerNotFound(NotFound):
    """No such customer in this tenant."""

    code = "customer_not_found"
    title = "No such customer"

    def __init__(self) -> None:
        super().__init__("The tenant has no such customer.")


class CustomerErased(Conflict):
    """Whoever it was is forgotten: nothing more is billed or given to nobody."""

    code = "customer_erased"
    title = "The customer was erased"

    def __init__(self, customer_id: UUID) -> None:
        super().__init__(
            "Nothing was changed: this person was erased for good, so nothing new is billed, given or written down. "
            "Somebody who comes back is a new customer (POST /billing/customers).",
            customerId=str(customer_id),
        )


async def self_customer(session: AsyncSession, tenant_id: UUID) -> Customer:
    """The customer that is the tenant itself; every tenant has one from its first second."""
    customer = await repository.find_self_customer(session, tenant_id)
    if customer is None:
        raise CustomerNotFound
    return customer


async def customer_named(session: AsyncSession, tenant_id: UUID, name: str, *, now: datetime) -> Customer:
    """The customer by our id, or by the tenant's own for it, made at first use. The tenant's may be UUIDs too."""
    try:
        known = await session.get(Customer, (tenant_id, UUID(name)))
    except ValueError:
        known = None
    return known or await ensure_customer(session, tenant_id=tenant_id, external_id=name, now=now)


async def refuse_erased(session: AsyncSession, tenant_id: UUID, customer_id: UUID, *, holds: bool = True) -> None:
    """Raises CustomerErased. `holds`: an erasure that begins meanwhile waits for the end of the transaction."""
    if holds:
        # A statement of its own: the next one sees what an erasure that was under way has done.
        await repository.hold_customer(session, tenant_id, customer_id)
    if await repository.is_erased(session, tenant_id, customer_id):
        raise CustomerErased(customer_id)


def is_erased_name(external_id: str, customer_id: UUID | str) -> bool:
    """Whether a customer who was looked up anyway is an erased one: its own id is all that its name still says."""
    return external_id == f"erased-{customer_id}"


async def customer_by_external_id(session: AsyncSession, tenant_id: UUID, external_id: str) -> Customer | None:
    """The customer by the id that the tenant gave it, or None."""
    return await repository.find_customer_by_external_id(session, tenant_id=tenant_id, external_id=external_id)


async def ensure_customer(session: AsyncSession, *, tenant_id: UUID, external_id: str, now: datetime) -> Customer:
    """The customer by the tenant's id for it, made at first use; safe when several make it at once."""
    found = await repository.find_customer_by_external_id(session, tenant_id=tenant_id, external_id=external_id)
    if found is not None:
        return found
    await session.execute(
        text(
            "INSERT INTO customers (tenant_id, id, external_id, is_self, created_at) "
            "VALUES (:tenant, :id, :external_id, false, :now) ON CONFLICT (tenant_id, external_id) DO NOTHING"
        ),
        {"tenant": tenant_id, "id": new_id(), "external_id": external_id, "now": now},
    )
    made = await repository.find_customer_by_external_id(session, tenant_id=tenant_id, external_id=external_id)
    if made is None:
        raise CustomerNotFound
    return made
