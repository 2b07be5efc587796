"""/notification: messages, texts, settings, opt-outs."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from core.billing.notifications import repository, service
from core.billing.notifications.channels.choosing import MAILBOX
from core.billing.notifications.errors import (
    MessageNotFound,
    MessageNotResendable,
    OptOutRefused,
    TemplateInvalid,
    TemplateUnknown,
    UnsubscribeInvalid,
)
from core.billing.notifications.kinds import VARIABLES
from core.billing.notifications.models import NotificationMessage
from core.billing.notifications.schemas import (
    Channel,
    MessageAnswer,
    MessageDetail,
    NotificationSettingsAnswer,
    NotificationSettingsBody,
    OptOuts,
    OptOutsAnswer,
    TemplateAnswer,
    TemplateChange,
    TemplateDraft,
    TemplatesAnswer,
    TemplateShown,
)
from core.billing.notifications.sending import Text as TextInForce
from core.billing.notifications.spreading import LANGUAGE
from core.billing.notifications.unsubscribing import opt_out, read
from core.foundation.clock import wall_now
from core.foundation.ids import parse_id
from core.foundation.outbox import OutboxEvent
from core.foundation.paging import Cursor, Limit, cut
from core.foundation.refusals import refusals
from core.foundation.runtime import runtime
from core.foundation.schemas import Page
from core.foundation.settings import Settings
from core.identity.access import FINANCE, OWNER
from core.identity.scope import Reading, Writing
from core.identity.tenants.customers import CustomerNotFound

router = APIRouter(prefix="/notification", tags=["notification"])

StateQuery = Annotated[
    str | None, Query(alias="state", pattern="^(queued|sending|sent|failed|uncertain|skipped|superseded)$")
]


@router.get("/messages", operation_id="list_messages")
async def list_messages(
    scope: Reading,
    state: StateQuery = None,
    channel: Annotated[Channel | None, Query()] = None,
    template: Annotated[str | None, Query(max_length=40)] = None,
    recipient_id: Annotated[UUID | None, Query(alias="recipientId")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[MessageAnswer]:
    """Mails and SMS to people, newest first, whatever became of them."""
    before = parse_id(cursor, "cursor") if cursor else None
    async with scope.reading() as unit:
        rows = await repository.list_messages(
            unit.session,
            unit.tenant_id,
            state=state,
            channel=channel,
            template=template,
            recipient_id=recipient_id,
            before=before,
            limit=limit + 1,
        )
    page, last = cut(rows, limit)
    shown = [MessageAnswer.model_validate(_shown(*row)) for row in page]
    return Page(data=shown, next_cursor=str(last[0].id) if last else None)


@router.get("/messages/{message_id}", operation_id="get_message", responses=refusals(MessageNotFound))
async def get_message(request: Request, scope: Reading, message_id: UUID) -> MessageDetail:
    """A message as it is read. Nothing personal is stored with it: name and address are those of today."""
    async with scope.reading() as unit:
        found = await service.read_message(
            unit.session,
            tenant_id=unit.tenant_id,
            message_id=message_id,
            settings=runtime(request).settings,
            may_pay=scope.principal.role in (OWNER, FINANCE),
            may_invite=scope.principal.role == OWNER,
            as_operator=scope.principal.installation_role is not None,
        )
        return MessageDetail.model_validate(
            {**_shown(found.message, found.event), "to": found.to, "subject": found.subject, "body": found.body}
        )


@router.post(
    "/messages/{message_id}/resend",
    operation_id="resend_message",
    status_code=202,
    responses=refusals(MessageNotFound, MessageNotResendable),
)
async def resend_message(scope: Writing, message_id: UUID) -> MessageAnswer:
    """Sends a message once more that failed, was skipped, or may have been lost on the way."""
    async with scope.writing() as unit:
        await service.resend(
            unit.session, tenant_id=unit.tenant_id, message_id=message_id, actor=unit.actor, now=unit.now
        )
        found = await repository.find_message(unit.session, unit.tenant_id, message_id)
        assert found is not None
        return MessageAnswer.model_validate(_shown(*found))


@router.get("/templates", operation_id="list_templates")
async def list_templates(scope: Reading) -> TemplatesAnswer:
    """Every text in force, by template, channel and language."""
    async with scope.reading() as unit:
        found = await service.list_texts(unit.session, unit.tenant_id)
    return TemplatesAnswer(data=[_template(*one) for one in found])


@router.put(
    "/templates",
    operation_id="put_template",
    responses=refusals(TemplateUnknown, TemplateInvalid),
)
async def put_template(scope: Writing, body: TemplateChange) -> TemplatesAnswer:
    """A text of your own, from now on: Jinja's `{{ value }}`, `{% if value %}` and the filters upper, lower,
    capitalize, trim, default, date, time. With `body` null the standard text is in force again, or none in a language
    that has none. 422 `template_invalid` says where it would not render. Answers what is in force."""
    async with scope.writing() as unit:
        text = await service.put_text(
            unit.session,
            tenant_id=unit.tenant_id,
            template=body.template,
            channel=body.channel,
            language=body.language,
            subject=body.subject,
            body=body.body,
            actor=unit.actor,
            now=unit.now,
        )
    return TemplatesAnswer(data=[] if text is None else [_template(body.template, body.channel, text)])


@router.post(
    "/templates/preview",
    operation_id="preview_template",
    responses=refusals(TemplateUnknown, TemplateInvalid),
)
async def preview_template(scope: Reading, body: TemplateDraft) -> TemplateShown:
    """The text with example values; nothing is changed."""
    del scope
    subject, shown = service.preview(body.template, channel=body.channel, subject=body.subject, body=body.body)
    return TemplateShown(subject=subject, body=shown)


@router.get("/settings", operation_id="get_notification_settings")
async def get_notification_settings(request: Request, scope: Reading) -> NotificationSettingsAnswer:
    """How the tenant tells people."""
    async with scope.reading() as unit:
        return await _settings(unit.session, unit.tenant_id, runtime(request).settings)


@router.put("/settings", operation_id="put_notification_settings")
async def put_notification_settings(
    request: Request, scope: Writing, body: NotificationSettingsBody
) -> NotificationSettingsAnswer:
    """Sets all of it: language, SMS, where answers to mails go."""
    async with scope.writing() as unit:
        await service.put_settings(
            unit.session,
            tenant_id=unit.tenant_id,
            language=body.language,
            sms=body.sms,
            reply_to=body.reply_to,
            actor=unit.actor,
            wall=wall_now(),
            now=unit.now,
        )
        return await _settings(unit.session, unit.tenant_id, runtime(request).settings)


@router.get("/opt-outs/{customer_id}", operation_id="get_opt_outs", responses=refusals(CustomerNotFound))
async def get_opt_outs(scope: Reading, customer_id: UUID) -> OptOutsAnswer:
    """What a customer wants none of."""
    async with scope.reading() as unit:
        return await _opt_outs(unit.session, unit.tenant_id, customer_id)


@router.put("/opt-outs/{customer_id}", operation_id="put_opt_outs", responses=refusals(OptOutRefused, CustomerNotFound))
async def put_opt_outs(scope: Writing, customer_id: UUID, body: OptOuts) -> OptOutsAnswer:
    """Sets all of it. Categories are receipts and reminders; by SMS also `all`."""
    async with scope.writing() as unit:
        await service.put_opt_outs(
            unit.session,
            tenant_id=unit.tenant_id,
            customer_id=customer_id,
            wanted=[(one.channel, one.category) for one in body.opt_outs],
            actor=unit.actor,
            wall=wall_now(),
            now=unit.now,
        )
        return await _opt_outs(unit.session, unit.tenant_id, customer_id)


Token = Annotated[str, Query(min_length=1, max_length=1000)]


@router.get(
    "/unsubscribe",
    operation_id="show_unsubscribe",
    response_class=Response,
    responses={
        **refusals(UnsubscribeInvalid),
        200: {"content": {"text/html": {}}, "description": "A page with one button."},
    },
)
async def show_unsubscribe(request: Request, token: Token) -> Response:
    """The page behind a mail's link. It changes nothing: mail programs open links by themselves."""
    _, _, category = read(runtime(request).settings, token)
    page = (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>Unsubscribe</title><p>No more {category} by e-mail?</p>"
        "<form method=post><button>Unsubscribe</button></form>"
    )
    return Response(page, media_type="text/html", headers={"cache-control": "no-store"})


@router.post(
    "/unsubscribe",
    operation_id="unsubscribe",
    status_code=204,
    response_class=Response,
    responses=refusals(UnsubscribeInvalid),
    openapi_extra={
        "requestBody": {"content": {"application/x-www-form-urlencoded": {"schema": {"type": "object"}}}},
    },
)
async def unsubscribe(request: Request, token: Token) -> None:
    """One click (RFC 8058), without signing in: no more mails of the link's category to the link's customer."""
    held = runtime(request)
    tenant_id, customer_id, category = read(held.settings, token)
    async with held.database.tenant(tenant_id) as session:
        await opt_out(
            session,
            tenant_id=tenant_id,
            customer_id=customer_id,
            channel="email",
            category=category,
            wall=wall_now(),
        )


def _shown(row: NotificationMessage, event: OutboxEvent) -> dict[str, Any]:
    return {
        "message_id": str(row.id),
        "kind": event.kind,
        "subject_id": str(event.subject_id),
        "template": row.template,
        "channel": row.channel,
        "language": row.language,
        "recipient_kind": row.recipient_kind,
        "recipient_id": str(row.recipient_id),
        "state": row.state,
        "reason": row.reason,
        "attempts": row.attempts,
        "provider": row.provider,
        "provider_id": row.provider_id,
        "occurred_at": row.occurred_at,
        "created_at": row.created_at,
        "sent_at": row.sent_at,
    }


def _template(template: str, channel: str, text: TextInForce) -> TemplateAnswer:
    return TemplateAnswer(
        template=template,
        channel=channel,
        language=text.language,
        version=text.version,
        subject=text.subject,
        body=text.body,
        variables=sorted(VARIABLES[template]),
    )


async def _settings(session: Any, tenant_id: UUID, settings: Settings) -> NotificationSettingsAnswer:
    chosen = await repository.find_settings(session, tenant_id)
    return NotificationSettingsAnswer(
        language=chosen.language if chosen else LANGUAGE,
        sms=chosen.sms if chosen else False,
        reply_to=chosen.reply_to if chosen else None,
        email_provider=settings.email_provider,
        sms_provider="twilio" if settings.twilio_account_sid else MAILBOX,
    )


async def _opt_outs(session: Any, tenant_id: UUID, customer_id: UUID) -> OptOutsAnswer:
    rows = await service.list_opt_outs(session, tenant_id, customer_id)
    return OptOutsAnswer(
        customer_id=str(customer_id), opt_outs=[{"channel": row.channel, "category": row.category} for row in rows]
    )
