"""Texts, settings and opt-outs; messages as they are read, and sent again by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.notifications import repository
from core.billing.notifications.errors import (
    MessageNotFound,
    MessageNotResendable,
    OptOutRefused,
    TemplateUnknown,
)
from core.billing.notifications.kinds import CATEGORIES, KINDS
from core.billing.notifications.models import (
    CHANNELS,
    LANGUAGES,
    NotificationMessage,
    NotificationOptOut,
    NotificationSettings,
    NotificationTemplate,
)
from core.billing.notifications.people import find_person
from core.billing.notifications.rendering import check, render, render_line, samples
from core.billing.notifications.sending import Text, Unsendable, languages_for, rendered, text_in_force
from core.billing.notifications.texts import find_standard
from core.billing.notifications.unsubscribing import opt_out
from core.foundation.jobs import defer
from core.foundation.outbox import OutboxEvent
from core.foundation.settings import Settings
from core.identity.access import Principal
from core.identity.tenants.auditing import record
from core.identity.tenants.customers import CustomerNotFound
from core.identity.tenants.models import Customer
from core.identity.tenants.repository import get_tenant

ALL = "all"


@dataclass(frozen=True, slots=True)
class Read:
    """A message as it is read."""

    message: NotificationMessage
    event: OutboxEvent
    to: str | None
    subject: str | None
    body: str | None


async def read_message(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    message_id: UUID,
    settings: Settings,
    as_operator: bool,
    may_pay: bool,
    may_invite: bool,
) -> Read:
    """The message with its text; without its link where the reader may not do what that leads to. Raises
    MessageNotFound.
    """
    found = await repository.find_message(session, tenant_id, message_id)
    if found is None:
        raise MessageNotFound
    message, event = found
    tenant = await get_tenant(session, tenant_id)
    leads_on = may_invite if message.recipient_kind == "invitation" else may_pay
    person = await find_person(
        session,
        tenant_id=tenant_id,
        kind=message.recipient_kind,
        person_id=message.recipient_id,
        language=message.language,
        as_operator=as_operator,
    )
    if person is None:
        return Read(message, event, None, None, None)
    try:
        text = await _text_of(session, message, languages_for(person, message.language))
        subject, body = rendered(message, event, person, text, tenant=tenant, settings=settings, leads_on=leads_on)
    except Unsendable:
        return Read(message, event, None, None, None)
    return Read(message, event, person.email if message.channel == "email" else person.phone, subject or None, body)


async def resend(session: AsyncSession, *, tenant_id: UUID, message_id: UUID, actor: Principal, now: datetime) -> None:
    """Sends a message that failed, was skipped or is uncertain once more. Raises MessageNotResendable."""
    found = await repository.find_message(session, tenant_id, message_id, locked=True)
    if found is None:
        raise MessageNotFound
    message = found[0]
    if message.state not in ("failed", "skipped", "uncertain"):
        raise MessageNotResendable(message.state)
    before, message.state, message.reason = message.state, "queued", None
    record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        action="notification.resent",
        subject=str(message_id),
        details={"was": before},
        occurred_at=now,
    )
    await session.flush()
    await defer(session, "notifications:send", tenant_id=str(tenant_id), message_id=str(message_id))


async def list_texts(session: AsyncSession, tenant_id: UUID) -> list[tuple[str, str, Text]]:
    """(template, channel, text) of every text in force: the standard ones, and the tenant's own in their place."""
    own = {
        (row.template, row.channel, row.language): row for row in await repository.list_templates(session, tenant_id)
    }
    keys = {
        (template, channel, language)
        for template in KINDS
        for channel in CHANNELS
        for language in LANGUAGES
        if find_standard(template, channel, language)
    }
    keys |= {key for key, row in own.items() if row.body is not None}
    return [(key[0], key[1], _in_force(key, own.get(key))) for key in sorted(keys)]


async def put_text(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    template: str,
    channel: str,
    language: str,
    subject: str | None,
    body: str | None,
    actor: Principal,
    now: datetime,
) -> Text | None:
    """A new version of the tenant's own text; without a body the standard one is in force again. What is in force.

    Raises TemplateUnknown, TemplateInvalid.
    """
    _require(template, channel)
    if body is not None:
        subject = subject if channel == "email" else None
        check(template, channel=channel, subject=subject, body=body)
    newest = await repository.newest_template(
        session, tenant_id, template=template, channel=channel, language=language, locked=True
    )
    is_same = newest is not None and (newest.subject, newest.body) == (subject, body)
    if not is_same and not (newest is None and body is None):
        newest = NotificationTemplate(
            tenant_id=tenant_id,
            template=template,
            channel=channel,
            language=language,
            version=newest.version + 1 if newest else 1,
            subject=subject,
            body=body,
            created_by=actor.id,
        )
        session.add(newest)
        record(
            session,
            tenant_id=tenant_id,
            actor=actor,
            action="notification.template_changed",
            subject=f"{template}/{channel}/{language}",
            details={"version": newest.version, "standard": body is None},
            occurred_at=now,
        )
        await session.flush()
    key = (template, channel, language)
    known = find_standard(*key) is not None or (newest is not None and newest.body is not None)
    return _in_force(key, newest) if known else None


def preview(template: str, *, channel: str, subject: str | None, body: str) -> tuple[str | None, str]:
    """The text with example values. Raises TemplateUnknown, TemplateInvalid."""
    _require(template, channel)
    check(template, channel=channel, subject=subject if channel == "email" else None, body=body)
    values = samples(template)[0]
    return (render_line(subject, values) if subject and channel == "email" else None), render(body, values)


async def put_settings(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    language: str,
    sms: bool,
    reply_to: str | None,
    actor: Principal,
    wall: datetime,
    now: datetime,
) -> None:
    """How the tenant tells people from now on."""
    values = {"language": language, "sms": sms, "reply_to": reply_to, "updated_at": wall}
    await session.execute(
        insert(NotificationSettings)
        .values(tenant_id=tenant_id, **values)
        .on_conflict_do_update(index_elements=["tenant_id"], set_=values)
    )
    record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        action="notification.settings_changed",
        details={"language": language, "sms": sms, "replyTo": reply_to is not None},
        occurred_at=now,
    )


async def list_opt_outs(session: AsyncSession, tenant_id: UUID, customer_id: UUID) -> Sequence[NotificationOptOut]:
    """What a customer wants none of. Raises CustomerNotFound."""
    if await session.get(Customer, (tenant_id, customer_id)) is None:
        raise CustomerNotFound
    return await repository.list_opt_outs(session, tenant_id, customer_id)


async def put_opt_outs(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    customer_id: UUID,
    wanted: Sequence[tuple[str, str]],
    actor: Principal,
    wall: datetime,
    now: datetime,
) -> None:
    """What a customer wants none of, in the place of what was. Raises OptOutRefused, CustomerNotFound."""
    for channel, category in wanted:
        if category not in CATEGORIES and not (category == ALL and channel == "sms"):
            raise OptOutRefused(
                f"{category} by {channel}: one may opt out of {' and '.join(CATEGORIES)}, and of SMS as a whole "
                "(all). Failed payments, ends of trials and what concerns safety are always told by e-mail."
            )
    if await session.get(Customer, (tenant_id, customer_id)) is None:
        raise CustomerNotFound
    await session.execute(
        delete(NotificationOptOut).where(
            NotificationOptOut.tenant_id == tenant_id, NotificationOptOut.customer_id == customer_id
        )
    )
    for channel, category in sorted(set(wanted)):
        await opt_out(
            session, tenant_id=tenant_id, customer_id=customer_id, channel=channel, category=category, wall=wall
        )
    record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        action="notification.opt_outs_changed",
        subject=str(customer_id),
        details={"optOuts": [f"{channel}:{category}" for channel, category in sorted(set(wanted))]},
        occurred_at=now,
    )


async def _text_of(session: AsyncSession, message: NotificationMessage, languages: tuple[str, ...]) -> Text:
    key = {"template": message.template, "channel": message.channel}
    if message.attempts == 0:
        return await text_in_force(session, message.tenant_id, languages=languages, **key)
    if message.template_version is not None:
        row = await repository.get_template_version(
            session, message.tenant_id, language=message.language, version=message.template_version, **key
        )
        if row is not None and row.body is not None:
            return Text(language=row.language, version=row.version, subject=row.subject, body=row.body)
    standard = find_standard(message.template, message.channel, message.language)
    if standard is None:
        raise Unsendable("no_text", state="failed")
    return Text(language=message.language, version=None, subject=standard[0], body=standard[1])


def _in_force(key: tuple[str, str, str], own: NotificationTemplate | None) -> Text:
    if own is not None and own.body is not None:
        return Text(language=key[2], version=own.version, subject=own.subject, body=own.body)
    standard = find_standard(*key)
    assert standard is not None
    return Text(language=key[2], version=None, subject=standard[0], body=standard[1])


def _require(template: str, channel: str) -> None:
    if template not in KINDS or (channel == "sms" and not KINDS[template].sms):
        known = ", ".join(name for name, kind in KINDS.items() if channel != "sms" or kind.sms)
        raise TemplateUnknown(f"There is no {channel} template {template}. There are: {known}.")
