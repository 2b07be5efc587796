"""The audit log: who did what to a tenant, from where, and why. Our ids only: no names, no e-mails in clear.

What was and what is may be personal, and so is the address it came from: both are sealed, under a key of the person
that they are about, which is destroyed when that person is erased (`audit_subject`: a key beside the one that their
invoices are sealed under, since invoices are kept longer). The row, its digest and the chain stand.

A request's rows are written when its transaction is about to end (`complete`), so that they can be sealed; a request
that wrote none of its own leaves one named after its route.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast
from uuid import UUID, uuid5

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.foundation.database import AUDITED
from core.foundation.ids import new_id
from core.foundation.telemetry import REQUEST_ID
from core.identity.access import Principal
from core.identity.tenants.models import AuditEntry
from core.identity.tenants.subject_keys import seals_of

ENTERED = "tenant.entered"
_PENDING = "audit"


@dataclass(slots=True)
class Pending:
    """The rows of a request until it ends. `route` is what an unnamed row is called, None where it needs none."""

    origin: str | None
    route: str | None
    rows: list[tuple[AuditEntry, dict[str, Any] | None]] = field(default_factory=list[Any])
    changed: bool = True
    sealed_for: UUID | None = None
    """Whose key seals what the database noted: the one customer that it is about, else the actor's."""


def audit_subject(subject_id: UUID) -> UUID:
    """Under which id the key is kept that seals what the audit log holds of a subject."""
    return uuid5(subject_id, "audit")


def begin(session: AsyncSession, *, origin: str | None, route: str | None) -> Pending:
    """From now on the rows of this session wait for `complete`."""
    pending = Pending(origin, route)
    session.info[_PENDING] = pending
    # From the first statement on, which is still to come: what a request changes is noted by the database.
    session.info[AUDITED] = route is not None
    return pending


def nothing_changed(session: AsyncSession) -> None:
    """The request was answered before and changes nothing: it leaves no row of its own."""
    pending = cast("Pending | None", session.info.get(_PENDING))
    if pending is not None:
        pending.changed = False


def record(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    actor: Principal | None,
    action: str,
    occurred_at: datetime,
    subject: str | None = None,
    reason: str | None = None,
    details: dict[str, Any] | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Writes a row with the transaction; `occurred_at` is the tenant's time. `action` is like `api_key.created`.

    `before` and `after` are sealed for `subject`, an id of ours, else for the actor; they need a request's session.
    """
    kind = "system" if actor is None else (actor.installation_role and f"installation_{actor.installation_role}")
    entry = AuditEntry(
        tenant_id=tenant_id,
        id=new_id(),
        actor_id=None if actor is None else actor.id,
        actor_kind=kind or (actor.kind if actor else "system"),
        action=action,
        subject=subject,
        reason=reason,
        details=details or {},
        occurred_at=occurred_at,
    )
    pending = cast("Pending | None", session.info.get(_PENDING))
    if pending is None:
        session.add(entry)
        return
    change = None if before is None and after is None else {"before": before, "after": after}
    pending.rows.append((entry, change))


async def complete(
    session: AsyncSession, pending: Pending, *, tenant_id: UUID, actor: Principal, now: datetime
) -> None:
    """Seals and writes the request's rows, and one named after the route where it wrote none of its own."""
    own = [entry for entry, _ in pending.rows if entry.action != ENTERED]
    if not own and pending.route is not None and pending.changed:
        record(session, tenant_id=tenant_id, actor=actor, action=pending.route, occurred_at=now)
    if pending.route is not None and pending.rows and all(change is None for _, change in pending.rows):
        await _take_notes(session, pending)
    request = REQUEST_ID.get() or None
    for entry, change in pending.rows:
        entry.request_id = request
        if pending.origin is not None:
            entry.origin = await _sealed(session, tenant_id, actor.id, {"address": pending.origin})
        if change is not None:
            entry.sealed_for = subject = pending.sealed_for or _subject(entry, actor)
            entry.change = await _sealed(session, tenant_id, subject, change)
        session.add(entry)
    pending.rows.clear()
    session.info.pop(_PENDING, None)


async def _take_notes(session: AsyncSession, pending: Pending) -> None:
    """Gives the first row of the request's own what the database noted: columns as they were and as they are."""
    await session.flush()
    noted = [orjson.loads(line) for line in (await session.scalar(_NOTED) or "").splitlines()]
    place = next((at for at, (entry, _) in enumerate(pending.rows) if entry.action != ENTERED), None)
    if not noted or place is None:
        return
    tables = [one["table"] for one in noted]
    change: dict[str, dict[str, Any]] = {"before": {}, "after": {}}
    for one in noted:
        name = one["table"] if tables.count(one["table"]) == 1 else f"{one['table']}/{one['id']}"
        for side, shown in change.items():
            shown.update({f"{name}.{column}": value for column, value in one[side].items()})
    customers = {one["customer"] for one in noted if one["customer"]}
    pending.sealed_for = UUID(customers.pop()) if len(customers) == 1 else None
    pending.rows[place] = (pending.rows[place][0], {side: shown or None for side, shown in change.items()})


_NOTED = text("SELECT current_setting('app.changes', true)")


def _subject(entry: AuditEntry, actor: Principal) -> UUID:
    try:
        return UUID(entry.subject or "")
    except ValueError:
        return actor.id


async def _sealed(session: AsyncSession, tenant_id: UUID, subject_id: UUID, document: Any) -> bytes | None:
    """None for a person who was erased: nothing more is kept of them."""
    key = audit_subject(subject_id)
    seal = (await seals_of(session, tenant_id, [key]))[key]
    return None if seal is None else seal.seal(orjson.dumps(document, default=str))
