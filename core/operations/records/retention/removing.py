"""Removing what is over its time: batch by batch, each told in the audit log by the transaction that removed it."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncSession

from core.foundation.clock import tenant_now
from core.foundation.database import Database
from core.foundation.ids import INSTALLATION_ID
from core.foundation.settings import Settings
from core.identity.tenants.auditing import record
from core.operations.records.retention import repository
from core.operations.records.retention.kinds import INSTALLATION, KINDS, TENANTS

BATCH = 5_000
REMOVED = Counter(
    "cloudbill_records_removed", "Records that were over their time, removed or emptied, by kind.", ["kind"]
)
for _kind in KINDS:
    REMOVED.labels(_kind)


@dataclass(frozen=True, slots=True)
class Removed:
    """What was removed of a kind; `tenant` None: of the installation."""

    tenant: str | None
    kind: str
    records: int
    before: datetime


async def remove_over_time(
    database: Database, settings: Settings, *, wall: datetime, dry_run: bool = False
) -> AsyncIterator[Removed]:
    """Removes all that is over its time, tenant by tenant; `dry_run` removes it, counts it and takes that back.

    What happened on a tenant's clock is old by that clock, the rest by the wall's.
    """
    async with database.reading() as session:
        tenants = await repository.list_tenants(session)
    for tenant in tenants:
        async with database.tenant(tenant.id, writes=False) as session:
            own = await repository.read_terms(session, tenant.id)
            now = await tenant_now(session, tenant.id)
        for kind in TENANTS:
            at = now if kind.name == "messages" else wall
            before = at - timedelta(days=own.get(kind.name, kind.default_days(settings)))
            count = await _remove(database, tenant.id, kind.name, before, now=now, dry_run=dry_run)
            if count:
                yield Removed(tenant.slug, kind.name, count, before)
    for kind in INSTALLATION:
        before = wall - timedelta(days=kind.default_days(settings))
        count = await _remove(database, None, kind.name, before, now=wall, dry_run=dry_run)
        if count:
            yield Removed(None, kind.name, count, before)


async def _remove(
    database: Database, tenant_id: UUID | None, kind: str, before: datetime, *, now: datetime, dry_run: bool
) -> int:
    whole = {"rememberedAnswers": repository.forget_answers, "signIns": repository.forget_sign_ins}.get(kind)
    done = 0
    while True:
        async with _opened(database, tenant_id, dry_run=dry_run) as session:
            most = 10**12 if dry_run else BATCH
            if whole is None:
                count = await repository.remove(session, kind, before=before, most=most)
            else:
                count = await whole(session, before)
                most = count + 1
            done += count
            if count and not dry_run and tenant_id is not None:
                _note(session, tenant_id, kind, count, before, now=now)
        if count and not dry_run:
            REMOVED.labels(kind).inc(count)
            if tenant_id is None:
                async with database.tenant(INSTALLATION_ID) as session:
                    _note(session, INSTALLATION_ID, kind, count, before, now=now)
        if dry_run or count < most:
            return done


def _note(session: AsyncSession, tenant_id: UUID, kind: str, count: int, before: datetime, *, now: datetime) -> None:
    record(
        session,
        tenant_id=tenant_id,
        actor=None,
        action="records.removed",
        subject=kind,
        details={"kind": kind, "records": count, "before": before.isoformat()},
        occurred_at=now,
    )


@asynccontextmanager
async def _opened(database: Database, tenant_id: UUID | None, *, dry_run: bool) -> AsyncGenerator[AsyncSession]:
    async with database.nobody() if tenant_id is None else database.tenant(tenant_id) as session:
        yield session
        if dry_run:
            await session.rollback()
