"""A tenant has a customer that is itself; one never seen is made at first use, once."""

import asyncio
from uuid import UUID

from core.foundation.clock import wall_now
from core.foundation.database import Database
from core.identity.tenants import repository
from core.identity.tenants.customers import customer_by_external_id, ensure_customer, self_customer
from tests.support.callers import Caller


async def _id_of(database: Database, slug: str) -> UUID:
    async with database.nobody() as session:
        row = await repository.find_tenant_by_slug(session, slug)
    assert row is not None
    return row.id


async def test_self_is_there_from_the_first_second(database: Database, tenant: Caller) -> None:
    tenant_id = await _id_of(database, "acme")
    async with database.tenant(tenant_id) as session:
        customer = await self_customer(session, tenant_id)
        assert (customer.external_id, customer.is_self) == ("self", True)
        found = await customer_by_external_id(session, tenant_id, "self")
        assert found is customer


async def test_a_customer_made_by_many_at_once_is_one(database: Database, tenant: Caller) -> None:
    tenant_id = await _id_of(database, "acme")

    async def use() -> UUID:
        async with database.tenant(tenant_id) as session:
            return (await ensure_customer(session, tenant_id=tenant_id, external_id="user-1", now=wall_now())).id

    assert len(set(await asyncio.gather(*(use() for _ in range(8))))) == 1


async def test_the_same_name_at_two_tenants_is_two_customers(database: Database, tenant: Caller, other: Caller) -> None:
    made: list[UUID] = []
    for slug in ("acme", "globex"):
        tenant_id = await _id_of(database, slug)
        async with database.tenant(tenant_id) as session:
            assert await customer_by_external_id(session, tenant_id, "user-1") is None
            made.append((await ensure_customer(session, tenant_id=tenant_id, external_id="user-1", now=wall_now())).id)
    assert made[0] != made[1]
