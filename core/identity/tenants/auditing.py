"""The audit log: who did what to a tenant, and why. Our ids only: no names, no e-mails."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.foundation.ids import new_id
from core.identity.access import Principal
from core.identity.tenants.models import AuditEntry


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
) -> None:
    """Writes a row with the transaction; `occurred_at` is the tenant's time. `action` is like `api_key.created`."""
    kind = "system" if actor is None else (actor.installation_role and f"installation_{actor.installation_role}")
    session.add(
        AuditEntry(
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
    )
