"""Bodies of /notification: messages, texts, settings, opt-outs."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from core.foundation.schemas import Answer, Body, Instant, Text
from core.identity.users.emails import Email

Language = Annotated[
    str,
    Field(pattern="^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})?$", examples=["en", "de-at"]),
    AfterValidator(str.lower),  # a customer's is de-AT, and both are the same language
]
Channel = Literal["email", "sms"]


class MessageAnswer(Answer):
    """A message about a fact. `occurredAt` is the tenant's time, the rest the wall clock's."""

    message_id: str
    kind: str
    subject_id: str
    template: str
    channel: str
    language: str
    recipient_kind: str
    recipient_id: str
    state: str
    reason: str | None
    attempts: int
    provider: str | None
    provider_id: str | None
    occurred_at: Instant
    created_at: Instant
    sent_at: Instant | None


class MessageDetail(MessageAnswer):
    """As it is read: put together now from the fact and the text it was sent with. `to` is null where there is no
    address any more."""

    to: str | None
    subject: str | None
    body: str | None


class TemplateAnswer(Answer):
    """A text; `version` null: the standard one."""

    template: str
    channel: str
    language: str
    version: int | None
    subject: str | None
    body: str
    variables: list[str]


class TemplatesAnswer(Answer):
    """All texts in force."""

    data: list[TemplateAnswer]


class TemplateDraft(Body):
    """A text as it would be. `subject` is for e-mail."""

    template: Annotated[Text, Field(max_length=40, examples=["receipt"])]
    channel: Channel = "email"
    subject: Annotated[str | None, Field(max_length=400)] = None
    body: Annotated[str, Field(min_length=1, max_length=40_000)]


class TemplateChange(Body):
    """A text of the tenant's own; `body` null: none any more."""

    template: Annotated[Text, Field(max_length=40, examples=["receipt"])]
    channel: Channel = "email"
    language: Language
    subject: Annotated[str | None, Field(max_length=400)] = None
    body: Annotated[str | None, Field(min_length=1, max_length=40_000)]


class TemplateShown(Answer):
    """The text with example values."""

    subject: str | None
    body: str


class NotificationSettingsBody(Body):
    """`language` is for those who have none. `sms`: failed payments and low balances by SMS as well."""

    language: Language = "en"
    sms: Annotated[bool, Field(strict=True)] = False
    reply_to: Email | None = None


class NotificationSettingsAnswer(Answer):
    """How the tenant tells people, and by what: the installation's providers."""

    language: str
    sms: bool
    reply_to: str | None
    email_provider: str
    sms_provider: str


class OptOut(Body):
    """One category on one channel; `all` is for SMS only."""

    channel: Channel
    category: Annotated[Text, Field(max_length=40)]


class OptOuts(Body):
    """Everything that the customer wants none of."""

    opt_outs: Annotated[list[OptOut], Field(max_length=10)]


class OptOutsAnswer(Answer):
    """What the customer wants none of."""

    customer_id: str
    opt_outs: list[dict[str, str]]
