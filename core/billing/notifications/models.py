"""Messages to people, the texts they are made of, and who wants none. Ids only: addresses are looked up at sending."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, func
from sqlalchemy.orm import Mapped, mapped_column

import core.foundation.outbox  # noqa: F401  # pyright: ignore[reportUnusedImport]  # messages refer to facts
from core.foundation.tables import Table, TenantRow, one_of

CHANNELS = ("email", "sms")
MESSAGE_STATES = ("queued", "sending", "sent", "failed", "uncertain", "skipped", "superseded")
RECIPIENT_KINDS = ("customer", "user", "invitation")
LANGUAGES = ("en", "de")
"""Languages of the standard texts; a tenant may add others."""


class NotificationMessage(TenantRow, Table):
    """A message about a fact to one person on one channel. Of a slot, person and channel one lives.

    queued, sending (a worker has it), sent, failed (refused for good), uncertain (it may have gone out: the worker or
    the answer was lost on the way), skipped (`reason` says why), superseded (another outcome took its slot).
    """

    __tablename__ = "notification_messages"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "event_id"], ["outbox_events.tenant_id", "outbox_events.id"]),
        CheckConstraint(one_of("channel", CHANNELS), name="channel"),
        CheckConstraint(one_of("state", MESSAGE_STATES), name="state"),
        CheckConstraint(one_of("recipient_kind", RECIPIENT_KINDS), name="recipient_kind"),
        Index(
            "notification_messages_slot_key",
            "tenant_id",
            "slot",
            "channel",
            "recipient_id",
            unique=True,
            postgresql_where="state <> 'superseded'",
        ),
        Index("notification_messages_recipient_idx", "tenant_id", "recipient_id", "id"),
        Index(None, "tenant_id", "event_id"),
    )

    event_id: Mapped[UUID]
    slot: Mapped[str]
    channel: Mapped[str]
    template: Mapped[str]
    template_version: Mapped[int | None]
    language: Mapped[str]
    recipient_kind: Mapped[str]
    recipient_id: Mapped[UUID]
    state: Mapped[str]
    reason: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(server_default="0")
    provider: Mapped[str | None]
    provider_id: Mapped[str | None]
    occurred_at: Mapped[datetime]
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]


class NotificationTemplate(Table):
    """A tenant's own text, from this version on; never changed. Without a body: the standard text again."""

    __tablename__ = "notification_templates"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),
        CheckConstraint(one_of("channel", CHANNELS), name="channel"),
        CheckConstraint("version >= 1", name="version"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    template: Mapped[str] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    language: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    subject: Mapped[str | None]
    body: Mapped[str | None]
    created_by: Mapped[UUID | None]
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class NotificationSettings(Table):
    """How a tenant tells people: the language where a customer has none, whether by SMS too, where answers go."""

    __tablename__ = "notification_settings"
    __table_args__ = (ForeignKeyConstraint(["tenant_id"], ["tenants.id"]),)

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    language: Mapped[str]
    sms: Mapped[bool]
    reply_to: Mapped[str | None]
    updated_at: Mapped[datetime]


class NotificationOptOut(Table):
    """A customer wants none of a category on a channel."""

    __tablename__ = "notification_opt_outs"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "customer_id"], ["customers.tenant_id", "customers.id"]),
        CheckConstraint(one_of("channel", CHANNELS), name="channel"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(primary_key=True)
    category: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]
