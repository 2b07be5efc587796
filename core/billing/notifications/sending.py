"""Sending one message: claimed, handed to the provider with no transaction open, noted.

No provider here takes an idempotency key. So a message is handed over at most once: whoever finds it claimed by an
attempt that never said how it ended marks it `uncertain`, and a person decides. Only what surely did not go out is
tried again. The mailbox is a table of ours: there a message is sent exactly once.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from jinja2 import TemplateError
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from core.billing.notifications import repository
from core.billing.notifications.channels.base import Channel, Outgoing
from core.billing.notifications.channels.choosing import MAILBOX, choose
from core.billing.notifications.kinds import KINDS
from core.billing.notifications.metrics import MESSAGES
from core.billing.notifications.models import NotificationMessage
from core.billing.notifications.people import find_person
from core.billing.notifications.planning import FAILURES
from core.billing.notifications.rendering import render, render_line
from core.billing.notifications.spreading import LANGUAGE
from core.billing.notifications.texts import find_standard
from core.billing.notifications.unsubscribing import link
from core.billing.notifications.values import Person, Told, values_of
from core.billing.payments.charges.links import make, page_of
from core.foundation.outbox import OutboxEvent
from core.foundation.settings import Settings
from core.identity.tenants import mailed_tokens
from core.identity.tenants.models import Tenant
from core.identity.tenants.repository import get_tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text in force: the tenant's own of that version, or the standard one."""

    language: str
    version: int | None
    subject: str | None
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A message that this worker has, ready to be handed over; without a channel it stays in the mailbox, sent."""

    outgoing: Outgoing
    channel: Channel | None


class Unsendable(Exception):
    """There is nothing to send: the text says why, in a word."""

    def __init__(self, reason: str, *, state: str = "skipped") -> None:
        super().__init__(reason)
        self.reason = reason
        self.state = state


async def claim(
    session: AsyncSession, settings: Settings, *, tenant_id: UUID, message_id: UUID, wall: datetime
) -> Claimed | None:
    """Takes a queued message. None where there is nothing to hand over; its state says why."""
    found = await repository.find_message(session, tenant_id, message_id, locked=True)
    if found is None:
        return None
    message, event = found
    if message.state == "sending":
        # Of an attempt that died between handing over and noting it.
        await note(session, message, state="uncertain", reason="the worker died while it was sent")
    if message.state != "queued":
        return None
    tenant = await get_tenant(session, tenant_id)
    try:
        text, outgoing = await _compose(session, settings, message, event, tenant=tenant)
    except Unsendable as why:
        await note(session, message, state=why.state, reason=why.reason)
        return None
    way = choose(settings, message.channel, is_test=tenant.is_test)
    message.template_version, message.language = text.version, text.language
    message.attempts += 1
    message.provider = MAILBOX if way is None else way.name
    if way is None:
        await note(session, message, state="sent", at=wall)
    else:
        message.state = "sending"
    return Claimed(outgoing=outgoing, channel=way)


async def note(
    session: AsyncSession,
    message: NotificationMessage,
    *,
    state: str,
    reason: str | None = None,
    at: datetime | None = None,
    provider_id: str | None = None,
) -> None:
    """How it ended, or that it waits for another attempt."""
    message.state, message.reason = state, reason
    if at is not None:
        message.sent_at, message.provider_id = at, provider_id
    await session.flush()
    MESSAGES.labels(message.channel, state).inc()


async def record(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    message_id: UUID,
    state: str,
    reason: str | None = None,
    at: datetime | None = None,
    provider_id: str | None = None,
) -> None:
    """How handing over ended. Also where another attempt thought this one dead: it knows better."""
    changed: dict[str, Any] = {"state": state, "reason": reason}
    if at is not None:
        changed |= {"sent_at": at, "provider_id": provider_id}
    channel = await session.scalar(
        update(NotificationMessage)
        .where(
            NotificationMessage.tenant_id == tenant_id,
            NotificationMessage.id == message_id,
            NotificationMessage.state.in_(("sending", "uncertain")),
        )
        .values(changed)
        .returning(NotificationMessage.channel)
    )
    if channel is not None:
        MESSAGES.labels(channel, state).inc()


async def text_in_force(
    session: AsyncSession, tenant_id: UUID, *, template: str, channel: str, languages: tuple[str, ...]
) -> Text:
    """The first of these languages that has a text: the tenant's own, else the standard one. Raises Unsendable."""
    for language in languages:
        own = await repository.newest_template(
            session, tenant_id, template=template, channel=channel, language=language
        )
        if own is not None and own.body is not None:
            return Text(language=language, version=own.version, subject=own.subject, body=own.body)
        standard = find_standard(template, channel, language)
        if standard is not None:
            return Text(language=language, version=None, subject=standard[0], body=standard[1])
    raise Unsendable("no_text", state="failed")


def languages_for(person: Person, fallback: str) -> tuple[str, ...]:
    """de-AT: de-at, de, the tenant's, English."""
    own = person.language.lower()
    return tuple(dict.fromkeys((own, own.partition("-")[0], fallback, LANGUAGE)))


def rendered(
    message: NotificationMessage,
    event: OutboxEvent,
    person: Person,
    text: Text,
    *,
    tenant: Tenant,
    settings: Settings,
    leads_on: bool = True,
) -> tuple[str, str]:
    """Subject and body; without its link unless it `leads_on`. Raises Unsendable where a value is missing that the text
    cannot do without.
    """
    told = Told(
        kind=event.kind,
        subject_id=event.subject_id,
        document=event.document,
        occurred_at=event.occurred_at,
        recorded_at=event.recorded_at,
    )
    values = values_of(
        message.template,
        told,
        person,
        seller=tenant.name,
        console=settings.public_console_url,
        pay=_pay_link(settings, event) if leads_on else None,
        join=_join_link(settings, message, person, tenant) if leads_on else None,
    )
    variables = KINDS[message.template].variables
    missing = sorted(name for name, one in variables.items() if not one.optional and values.get(name) is None)
    if missing:
        raise Unsendable(f"the fact does not say {', '.join(missing)}", state="failed")
    try:
        subject = render_line(text.subject, values) if text.subject else ""
        return subject, render(text.body, values)
    except (TemplateError, ArithmeticError, TypeError, ValueError) as error:
        raise Unsendable(f"the text does not render: {type(error).__name__}", state="failed") from None


def _pay_link(settings: Settings, event: OutboxEvent) -> str | None:
    """Where the customer pays without signing in, of what is about an invoice."""
    invoice_id = event.document.get("invoiceId")
    if event.customer_id is None or invoice_id is None:
        return None
    return page_of(settings, make(settings, tenant_id=event.tenant_id, invoice_id=UUID(str(invoice_id))))


def _join_link(settings: Settings, message: NotificationMessage, person: Person, tenant: Tenant) -> str | None:
    """Where who is invited becomes a member."""
    if message.recipient_kind != "invitation":
        return None
    word = mailed_tokens.make(settings, tenant_id=tenant.id, invitation_id=message.recipient_id)
    asked = urlencode({"tenant": tenant.slug, "email": person.email or "", "word": word})
    return f"{settings.public_console_url}/join?{asked}"


async def _compose(
    session: AsyncSession, settings: Settings, message: NotificationMessage, event: OutboxEvent, *, tenant: Tenant
) -> tuple[Text, Outgoing]:
    tenant_id = message.tenant_id
    if message.template in FAILURES and await repository.find_payment_told(session, tenant_id, event.subject_id):
        raise Unsendable("paid_meanwhile", state="superseded")
    chosen = await repository.find_settings(session, tenant_id)
    fallback = chosen.language if chosen else LANGUAGE
    person = await find_person(
        session, tenant_id=tenant_id, kind=message.recipient_kind, person_id=message.recipient_id, language=fallback
    )
    address = None if person is None else person.email if message.channel == "email" else person.phone
    if person is None or not address:
        raise Unsendable("no_address")
    category = KINDS[message.template].category
    unsubscribe = None
    if message.recipient_kind == "customer":
        opted_out = await repository.list_opt_outs(session, tenant_id, message.recipient_id)
        if any(one.channel == message.channel and one.category in (category, "all") for one in opted_out):
            raise Unsendable("opted_out")
        if category is not None and message.channel == "email":
            unsubscribe = link(settings, tenant_id, message.recipient_id, category)
    text = await text_in_force(
        session,
        tenant_id,
        template=message.template,
        channel=message.channel,
        languages=languages_for(person, fallback),
    )
    subject, body = rendered(message, event, person, text, tenant=tenant, settings=settings)
    return text, Outgoing(
        reference=str(message.id),
        to=address,
        sender_name=tenant.name,
        subject=subject,
        body=body,
        reply_to=chosen.reply_to if chosen else None,
        unsubscribe=unsubscribe,
    )
