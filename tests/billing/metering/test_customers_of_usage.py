"""Usage is of a customer of its tenant: the database asks each statement, whoever sends it and by whichever name."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.billing.metering.conftest import Metering, event
from tests.support.callers import Caller

Connect = Callable[..., Awaitable[psycopg.AsyncConnection[Any]]]

COPIED = """
INSERT INTO {} (tenant_id, id, occurred_at, customer_id, idempotency_key, outcome, event_name, properties)
SELECT tenant_id, gen_random_uuid(), occurred_at, {}, 'x', 'metered', 'x', '{{}}' FROM usage_events
"""


@pytest.mark.parametrize("role", ["app", "owner", "admin"])
async def test_usage_of_nobody_is_refused(metering: Metering, connect: Connect, role: str) -> None:
    await metering.send(*(event(externalId=f"customer-{n}") for n in range(3)))
    async with await connect("admin") as admin:
        row = await (await admin.execute("SELECT tenant_id, tableoid::regclass::text FROM usage_events")).fetchone()
    assert row
    tenant_id, partition = row
    async with await connect(role) as connection:
        await connection.execute("SELECT set_config('app.tenant_id', %s, false)", [str(tenant_id)])
        await connection.commit()
        # Nobody else has a row to give to a partition by its own name.
        for table in ("usage_events", partition) if role == "admin" else ("usage_events",):
            with pytest.raises(psycopg.errors.ForeignKeyViolation) as refused:
                await connection.execute(COPIED.format(table, f"'{uuid4()}'"))
            assert refused.value.diag.constraint_name == "usage_events_customer"
            await connection.rollback()
            stored = await connection.execute(COPIED.format(table, "customer_id"))
            assert stored.rowcount == 3
            await connection.rollback()


async def test_one_stray_among_many_refuses_them_all(metering: Metering, other: Caller, connect: Connect) -> None:
    await metering.send(*(event(externalId=f"customer-{n}") for n in range(50)))
    await Metering(other).send(event(externalId="theirs"))
    async with await connect("admin") as admin:
        with pytest.raises(psycopg.errors.ForeignKeyViolation, match="has no customer"):
            # A customer of the other tenant, and last of fifty rows.
            await admin.execute(
                "INSERT INTO usage_events (tenant_id, id, occurred_at, customer_id, idempotency_key, outcome, "
                "event_name, properties) SELECT c.tenant_id, gen_random_uuid(), now(), "
                "CASE WHEN row_number() OVER (ORDER BY c.id) = 50 THEN "
                "(SELECT id FROM customers WHERE external_id = 'theirs') ELSE c.id END, 'x' || c.id, 'metered', 'x', "
                "'{}' FROM customers c WHERE c.external_id LIKE 'customer-%'"
            )


async def test_a_month_that_is_made_later_asks_as_well(metering: Metering, connect: Connect) -> None:
    await metering.send(event())
    async with await connect("admin") as admin:
        await admin.execute("SELECT create_usage_partition('2031-05-01')")
        for table in ("usage_events", "usage_events_2031_05"):
            with pytest.raises(psycopg.errors.ForeignKeyViolation):
                async with admin.transaction():
                    await admin.execute(
                        COPIED.format(table, "gen_random_uuid()").replace(", occurred_at, gen", ", '2031-05-07', gen")
                    )


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM customers WHERE external_id = 'unused'",
        "TRUNCATE customers CASCADE",
        "UPDATE customers SET id = gen_random_uuid() WHERE external_id = 'unused'",
        "UPDATE customers SET tenant_id = (SELECT id FROM tenants WHERE id <> tenant_id LIMIT 1) "
        "WHERE external_id = 'unused'",
    ],
)
async def test_a_customer_stays(tenant: Caller, other: Caller, connect: Connect, statement: str) -> None:
    assert other.tenant != tenant.tenant
    made = await tenant.post("/billing/customers", {"externalId": "unused"})
    assert made.status_code == 201
    async with await connect("admin") as admin:
        with pytest.raises(psycopg.errors.RestrictViolation, match="never changed"):
            await admin.execute(statement)


async def test_a_customer_may_be_overwritten(tenant: Caller, connect: Connect) -> None:
    made = await tenant.post("/billing/customers", {"externalId": "renamed"})
    assert made.status_code == 201
    async with await connect("admin") as admin:
        changed = await admin.execute("UPDATE customers SET external_id = 'new', id = id WHERE external_id = 'renamed'")
        assert changed.rowcount == 1


async def test_each_partition_asks(connect: Connect) -> None:
    async with await connect("admin") as admin:
        found = await admin.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'usage_events'::regclass "
            "AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = inhrelid AND tgname = 'check_customers' "
            "AND tgenabled = 'O')"
        )
        assert await found.fetchall() == []
