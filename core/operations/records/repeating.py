"""Erasing again, in a copy from before, whoever was erased since: before the copy serves."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from core.foundation.database import Database
from core.foundation.ids import INSTALLATION_ID
from core.foundation.settings import Settings
from core.identity.tenants.models import Customer
from core.operations.records import erasing, users
from core.operations.records.ending import end_billing


async def repeat_erasures(
    database: Database, settings: Settings, *, now: datetime, definer: Database | None = None
) -> int:
    """Erases again, by the tombstones outside the database and those in it; how many. Safe to run again.

    `definer` calls the narrow function of users, where `database` may not. A schema that knows no erasures yet is left
    as it is: migrate it first.
    """
    wanted = erasing.noted(settings)
    async with database.reading() as session:
        if await session.scalar(text("SELECT to_regclass('public.erasures') IS NULL")):
            return 0
        wanted |= {(str(row.tenant_id), row.subject_kind, str(row.subject_id)) for row in await session.execute(_ALL)}
    done = 0
    for tenant, kind, subject in sorted(wanted):
        if kind == "user":
            done += await users.erase_user_again(database, UUID(subject), now=now, definer=definer or database)
        else:
            done += await _erase_customer_again(database, UUID(tenant), UUID(subject), now=now)
    return done


async def _erase_customer_again(database: Database, tenant_id: UUID, customer_id: UUID, *, now: datetime) -> bool:
    async with database.tenant(tenant_id) as session:
        if await session.get(Customer, (tenant_id, customer_id)) is None:
            return False
        await end_billing(session, tenant_id, customer_id)
        known = await erasing.find_erasure(session, tenant_id, customer_id)
        if known is None:
            await erasing.erase_customer(
                session,
                tenant_id=tenant_id,
                customer_id=customer_id,
                requested_by=INSTALLATION_ID,
                now=now,
                is_noted=True,
            )
        else:
            over = known.completed_at is not None
            await erasing.overwrite_customer(session, tenant_id, customer_id, now=now, invoices=over)
        return True


_ALL = text("SELECT tenant_id, subject_kind, subject_id FROM erasures")
