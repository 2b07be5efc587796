"""The outbox: facts that others are told of, written in the transaction that makes them true.

A room says `await tell(session, …)` where a fact becomes one; the notifications room turns it into mails, messages and
webhooks after the commit. A fact holds our ids, figures and instants, never a name or an address.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import ForeignKeyConstraint, Index, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.foundation.ids import new_id
from core.foundation.jobs import defer
from core.foundation.tables import Table, TenantRow

KINDS = (
    "subscription.created",
    "subscription.activated",
    "subscription.trial_ending",
    "subscription.changed",
    "subscription.renewed",
    "subscription.past_due",
    "subscription.paused",
    "subscription.resumed",
    "subscription.canceled",
    "invoice.created",
    "invoice.finalized",
    "invoice.paid",
    "invoice.payment_failed",
    "invoice.voided",
    "invoice.uncollectible",
    "credit_note.issued",
    "payment.succeeded",
    "payment.failed",
    "payment.action_required",
    "payment.refunded",
    "payment.disputed",
    "payment_method.attached",
    "payment_method.detached",
    "payment_method.expiring",
    "dunning.started",
    "dunning.notice",
    "dunning.recovered",
    "dunning.exhausted",
    "credits.low",
    "credits.expired",
    "credits.topped_up",
    "credits.top_up_failed",
    "security.sign_in_method_added",
    "security.sign_in_method_removed",
    "security.password_changed",
    "security.api_key_created",
    "invitation.created",
    "webhook.endpoint_disabled",
    "webhook.test",
)
"""Every kind of fact; the part before the point is the kind of its subject."""

_SPREAD = "outbox"


class OutboxEvent(TenantRow, Table):
    """A fact, told once: of one kind, subject and fact key there is one row. Only `spread_at` is ever set.

    `occurred_at` is the tenant's time, `recorded_at` the server's: facts of one subject are told in its order.
    """

    __tablename__ = "outbox_events"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        ForeignKeyConstraint(["tenant_id", "customer_id"], ["customers.tenant_id", "customers.id"]),
        UniqueConstraint("tenant_id", "kind", "subject_id", "fact"),
        Index("outbox_events_waiting_idx", "tenant_id", "recorded_at", "id", postgresql_where="spread_at IS NULL"),
    )

    kind: Mapped[str]
    subject_id: Mapped[UUID]
    fact: Mapped[str]
    customer_id: Mapped[UUID | None]
    document: Mapped[dict[str, Any]]
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    spread_at: Mapped[datetime | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A fact to be told, as `tell` takes it."""

    kind: str
    subject_id: UUID
    occurred_at: datetime
    document: Mapping[str, Any]
    customer_id: UUID | None = None
    fact: str = ""


async def tell_many(session: AsyncSession, facts: Sequence[Fact], *, tenant_id: UUID) -> None:
    """Many facts by one statement; one that was told before is not told again."""
    if not facts:
        return
    rows: list[dict[str, Any]] = []
    for one in facts:
        assert one.kind in KINDS, f"{one.kind} is no kind of fact: add it to KINDS"
        rows.append(
            {
                "id": new_id(),
                "kind": one.kind,
                "subject_id": one.subject_id,
                "fact": one.fact,
                "customer_id": one.customer_id,
                "document": dict(one.document),
                "occurred_at": one.occurred_at,
            }
        )
    await session.execute(_TELL, {"tenant": tenant_id, "rows": orjson.dumps(rows, default=str).decode()})
    await _have_spread(session, tenant_id)


async def tell(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    kind: str,
    subject_id: UUID,
    occurred_at: datetime,
    document: Mapping[str, Any],
    customer_id: UUID | None = None,
    fact: str = "",
) -> bool:
    """Tells a fact once it is committed; False where this fact was told before, and then nothing happens.

    `fact` tells repeated facts of one subject and kind apart: a period's number, an attempt's. `document` is what a
    webhook carries as `data`, in camelCase: ids, figures, states and instants (JSON). `customer_id` is whom a mail
    about it would go to.
    """
    assert kind in KINDS, f"{kind} is no kind of fact: add it to KINDS"
    told = await session.execute(
        insert(OutboxEvent)
        .values(
            tenant_id=tenant_id,
            id=new_id(),
            kind=kind,
            subject_id=subject_id,
            fact=fact,
            customer_id=customer_id,
            document=dict(document),
            occurred_at=occurred_at,
        )
        .on_conflict_do_nothing()
        .returning(OutboxEvent.id)
    )
    if told.scalar_one_or_none() is None:
        return False
    await _have_spread(session, tenant_id)
    return True


async def told_of(
    session: AsyncSession, subjects: Collection[UUID], *, tenant_id: UUID, kinds: Collection[str]
) -> set[UUID]:
    """Those of the subjects of which a fact of one of these kinds was told."""
    where = {"tenant": tenant_id, "subjects": list(subjects), "kinds": list(kinds)}
    return set(await session.scalars(_TOLD, where))


async def _have_spread(session: AsyncSession, tenant_id: UUID) -> None:
    """One job a transaction: it spreads all that waits. One put in a savepoint may have gone with it."""
    transaction = session.sync_session.get_nested_transaction() or session.sync_session.get_transaction()
    wanted = (transaction, tenant_id)
    if session.info.get(_SPREAD) != wanted:
        session.info[_SPREAD] = wanted
        await defer(session, "notifications:spread", tenant_id=str(tenant_id))


_TELL = text("""
INSERT INTO outbox_events (tenant_id, id, kind, subject_id, fact, customer_id, document, occurred_at)
SELECT :tenant, r.* FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (
    id uuid, kind text, subject_id uuid, fact text, customer_id uuid, document jsonb, occurred_at timestamptz)
ON CONFLICT DO NOTHING
""")

_TOLD = text("""
SELECT DISTINCT subject_id FROM outbox_events
WHERE tenant_id = :tenant AND kind = ANY(:kinds) AND subject_id = ANY(CAST(:subjects AS uuid[]))
""")
