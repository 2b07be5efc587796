"""Every SELECT on facts that wait, messages, texts, settings and opt-outs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, select, text, update
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.notifications.models import (
    NotificationMessage,
    NotificationOptOut,
    NotificationSettings,
    NotificationTemplate,
)
from core.billing.notifications.planning import FAILURES
from core.foundation.outbox import OutboxEvent


async def lock_spreading(session: AsyncSession, tenant_id: UUID) -> None:
    """One at a time a tenant, so that of two outcomes the first decides; until the transaction ends."""
    await session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('notifications:' || :tenant, 0))"),
        {"tenant": str(tenant_id)},
    )


async def list_waiting(session: AsyncSession, tenant_id: UUID, *, limit: int) -> Sequence[OutboxEvent]:
    """Facts that nobody was told of yet, in the order in which they became facts."""
    statement = (
        select(OutboxEvent)
        .where(OutboxEvent.tenant_id == tenant_id, OutboxEvent.spread_at.is_(None))
        .order_by(OutboxEvent.recorded_at, OutboxEvent.id)
        .limit(limit)
    )
    return (await session.scalars(statement)).all()


async def mark_spread(session: AsyncSession, event: OutboxEvent, *, at: datetime) -> None:
    """Not to be told again."""
    await session.execute(
        update(OutboxEvent)
        .where(OutboxEvent.tenant_id == event.tenant_id, OutboxEvent.id == event.id)
        .values(spread_at=at)
        .execution_options(synchronize_session=False)
    )


async def tenants_waiting(session: AsyncSession, *, before: datetime) -> Sequence[UUID]:
    """Tenants with facts that nobody was told of, recorded before then. Reads across tenants, as the operator."""
    statement = (
        select(OutboxEvent.tenant_id)
        .where(OutboxEvent.spread_at.is_(None), OutboxEvent.recorded_at < before)
        .distinct()
    )
    return (await session.scalars(statement)).all()


async def told(session: AsyncSession, tenant_id: UUID, slots: Sequence[str]) -> Sequence[Row[str, str, str, UUID]]:
    """slot, template, channel, recipient_id of the messages that live in these slots."""
    columns = (
        NotificationMessage.slot,
        NotificationMessage.template,
        NotificationMessage.channel,
        NotificationMessage.recipient_id,
    )
    statement = select(*columns).where(
        NotificationMessage.tenant_id == tenant_id,
        NotificationMessage.slot.in_(slots),
        NotificationMessage.state != "superseded",
    )
    return (await session.execute(statement)).all()


async def supersede_failures(session: AsyncSession, tenant_id: UUID, subject_id: UUID) -> None:
    """Failures of a subject that wait to be sent are not told any more."""
    about = (
        select(NotificationMessage.id)
        .join(
            OutboxEvent,
            and_(
                OutboxEvent.tenant_id == NotificationMessage.tenant_id, OutboxEvent.id == NotificationMessage.event_id
            ),
        )
        .where(
            OutboxEvent.tenant_id == tenant_id,
            OutboxEvent.kind.in_(("payment.failed", "payment.action_required", "dunning.notice", "dunning.exhausted")),
            OutboxEvent.subject_id == subject_id,
            NotificationMessage.template.in_(FAILURES),
        )
    )
    await session.execute(
        update(NotificationMessage)
        .where(
            NotificationMessage.tenant_id == tenant_id,
            NotificationMessage.state == "queued",
            NotificationMessage.id.in_(about),
        )
        .values(state="superseded", reason="paid_meanwhile")
        .execution_options(synchronize_session=False)
    )


async def find_payment_told(session: AsyncSession, tenant_id: UUID, subject_id: UUID) -> bool:
    """Whether it is a fact by now that a subject is paid, or that nobody has to pay it any more."""
    statement = select(OutboxEvent.id).where(
        OutboxEvent.tenant_id == tenant_id,
        OutboxEvent.kind.in_(("invoice.paid", "invoice.voided", "payment.succeeded")),
        OutboxEvent.subject_id == subject_id,
        (OutboxEvent.kind != "payment.succeeded") | OutboxEvent.document["invoiceId"].astext.is_(None),
    )
    return (await session.execute(statement.limit(1))).first() is not None


async def add_message(session: AsyncSession, values: dict[str, Any]) -> UUID | None:
    """The message's id; None where its slot is taken."""
    statement = insert(NotificationMessage).values(values).on_conflict_do_nothing().returning(NotificationMessage.id)
    return (await session.execute(statement)).scalar_one_or_none()


async def find_message(
    session: AsyncSession, tenant_id: UUID, message_id: UUID, *, locked: bool = False
) -> tuple[NotificationMessage, OutboxEvent] | None:
    """A message and its fact; `locked` until the end of the transaction."""
    statement = (
        select(NotificationMessage, OutboxEvent)
        .join(
            OutboxEvent,
            and_(
                OutboxEvent.tenant_id == NotificationMessage.tenant_id, OutboxEvent.id == NotificationMessage.event_id
            ),
        )
        .where(NotificationMessage.tenant_id == tenant_id, NotificationMessage.id == message_id)
    )
    if locked:
        statement = statement.with_for_update(of=NotificationMessage)
    row = (await session.execute(statement)).one_or_none()
    return None if row is None else (row[0], row[1])


async def list_messages(
    session: AsyncSession,
    tenant_id: UUID,
    *,
    state: str | None,
    channel: str | None,
    template: str | None,
    recipient_id: UUID | None,
    before: UUID | None,
    limit: int,
) -> Sequence[tuple[NotificationMessage, OutboxEvent]]:
    """Newest first."""
    statement = (
        select(NotificationMessage, OutboxEvent)
        .join(
            OutboxEvent,
            and_(
                OutboxEvent.tenant_id == NotificationMessage.tenant_id, OutboxEvent.id == NotificationMessage.event_id
            ),
        )
        .where(NotificationMessage.tenant_id == tenant_id)
        .order_by(NotificationMessage.id.desc())
        .limit(limit)
    )
    for column, wanted in (
        (NotificationMessage.state, state),
        (NotificationMessage.channel, channel),
        (NotificationMessage.template, template),
        (NotificationMessage.recipient_id, recipient_id),
    ):
        if wanted is not None:
            statement = statement.where(column == wanted)
    if before is not None:
        statement = statement.where(NotificationMessage.id < before)
    return [(row[0], row[1]) for row in await session.execute(statement)]


async def newest_template(
    session: AsyncSession, tenant_id: UUID, *, template: str, channel: str, language: str, locked: bool = False
) -> NotificationTemplate | None:
    """The tenant's own text in force, or the row that says it is the standard text again.

    `locked`: nobody else writes a version until the transaction ends.
    """
    if locked:
        claim = f"{tenant_id} {template} {channel} {language}"
        await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:claim, 2))"), {"claim": claim})
    statement = (
        select(NotificationTemplate)
        .where(
            NotificationTemplate.tenant_id == tenant_id,
            NotificationTemplate.template == template,
            NotificationTemplate.channel == channel,
            NotificationTemplate.language == language,
        )
        .order_by(NotificationTemplate.version.desc())
        .limit(1)
    )
    return (await session.scalars(statement)).one_or_none()


async def get_template_version(
    session: AsyncSession, tenant_id: UUID, *, template: str, channel: str, language: str, version: int
) -> NotificationTemplate | None:
    """A tenant's own text as it was."""
    return await session.get(NotificationTemplate, (tenant_id, template, channel, language, version))


async def list_templates(session: AsyncSession, tenant_id: UUID) -> Sequence[NotificationTemplate]:
    """The newest version of each of the tenant's own texts, those that are standard again included."""
    key = (NotificationTemplate.template, NotificationTemplate.channel, NotificationTemplate.language)
    statement = (
        select(NotificationTemplate)
        .ext(distinct_on(*key))
        .where(NotificationTemplate.tenant_id == tenant_id)
        .order_by(*key, NotificationTemplate.version.desc())
    )
    return (await session.scalars(statement)).all()


async def find_settings(session: AsyncSession, tenant_id: UUID) -> NotificationSettings | None:
    """How the tenant tells people."""
    return await session.get(NotificationSettings, tenant_id)


async def list_opt_outs(session: AsyncSession, tenant_id: UUID, customer_id: UUID) -> Sequence[NotificationOptOut]:
    """What a customer wants none of."""
    statement = (
        select(NotificationOptOut)
        .where(NotificationOptOut.tenant_id == tenant_id, NotificationOptOut.customer_id == customer_id)
        .order_by(NotificationOptOut.channel, NotificationOptOut.category)
    )
    return (await session.scalars(statement)).all()
