"""Every statement on provider events: the application through narrow functions, the operator by reading."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

_STORE = text(
    "SELECT store_provider_event(:id, :account, :provider_id, :type, CAST(:payload AS jsonb), :created)"
).bindparams(bindparam("payload", type_=JSONB))


async def store(
    session: AsyncSession,
    *,
    event_id: UUID,
    account_id: str,
    provider_id: str,
    event_type: str,
    payload: dict[str, Any],
    created_at: datetime,
) -> bool:
    """False where the provider's event is stored already."""
    given = {
        "id": event_id,
        "account": account_id,
        "provider_id": provider_id,
        "type": event_type,
        "payload": payload,
        "created": created_at,
    }
    return bool(await session.scalar(_STORE, given))


async def find(session: AsyncSession, event_id: UUID) -> Row[Any] | None:
    """provider_account_id, type, payload, state, attempts."""
    return (await session.execute(text("SELECT * FROM find_provider_event(:id)"), {"id": event_id})).one_or_none()


async def lock(session: AsyncSession, event_id: UUID) -> str | None:
    """The event's state; nobody else applies it until the transaction ends."""
    return await session.scalar(text("SELECT lock_provider_event(:id)"), {"id": event_id})


async def close(
    session: AsyncSession, event_id: UUID, *, state: str, tenant_id: UUID | None, reason: str | None
) -> None:
    """applied, ignored or parked; the database refuses it for an event that is not open."""
    await session.execute(
        text("SELECT close_provider_event(:id, :state, :tenant, :reason)"),
        {"id": event_id, "state": state, "tenant": tenant_id, "reason": reason},
    )


async def note_failure(session: AsyncSession, event_id: UUID, error: str) -> None:
    """An attempt that will be followed by another."""
    await session.execute(text("SELECT note_provider_event_failure(:id, :error)"), {"id": event_id, "error": error})


async def reopen(session: AsyncSession, event_id: UUID) -> str | None:
    """Opens a parked or ignored event again; the state it had, None where there is no such event, `removed` where
    nothing is left of it that could be applied.
    """
    return await session.scalar(text("SELECT reopen_provider_event(:id)"), {"id": event_id})


async def list_events(
    session: AsyncSession, *, state: str | None, before: UUID | None, limit: int
) -> Sequence[Row[Any]]:
    """Newest first, with the tenant's name; one more than `limit` where there is a next page. As the operator."""
    statement = text(
        """
        SELECT e.id, e.provider_id, e.type, e.state, e.attempts, e.last_error, e.provider_created_at, e.received_at,
               e.closed_at, t.slug
        FROM provider_events e LEFT JOIN tenants t ON t.id = e.tenant_id
        WHERE (CAST(:state AS text) IS NULL OR e.state = :state)
          AND (CAST(:before AS uuid) IS NULL OR e.id < :before)
        ORDER BY e.id DESC LIMIT :limit
        """
    )
    return (await session.execute(statement, {"state": state, "before": before, "limit": limit + 1})).all()


async def count_open(session: AsyncSession) -> dict[str, int]:
    """How many events are received (wait to be applied) and parked. As the operator."""
    statement = text(
        "SELECT state, count(*) AS events FROM provider_events WHERE state IN ('received', 'parked') GROUP BY state"
    )
    found = {row.state: int(row.events) for row in await session.execute(statement)}
    return {"received": found.get("received", 0), "parked": found.get("parked", 0)}
