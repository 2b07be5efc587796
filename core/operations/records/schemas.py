"""The audit log and erasures, as they are shown."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from core.foundation.schemas import Answer, Instant


class AuditAnswer(Answer):
    """Who did what, when and from where. `before`, `after` and `address` are null where there is nothing to say, and
    where the person that they were about is erased."""

    audit_id: UUID
    tenant_id: str
    action: str
    actor_id: UUID | None
    actor_kind: str
    subject: str | None
    reason: str | None
    details: dict[str, Any]
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    address: str | None
    request_id: str | None
    occurred_at: Instant
    recorded_at: Instant


class Kept(Answer):
    """What the law makes us keep of an erased person."""

    what: str
    why: str
    until: datetime | None
    count: int | None = None


class ErasureAnswer(Answer):
    """An erasure: what is gone is gone at `erasedAt`; `keeps` names what is not, why, and until when."""

    subject_kind: Literal["customer", "user"]
    subject_id: UUID
    erased_at: Instant
    keeps: list[Kept]
    kept_until: Instant | None
    completed_at: Instant | None
