"""Subscriptions, as they are asked for and shown."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from core.foundation.schemas import Answer, Body, Instant, Text


class NewSubscription(Body):
    """`planId` is the id or the code of a plan; `tenantId`, where given, must be the caller's own."""

    plan_id: Annotated[Text, Field(min_length=1, max_length=63)]
    tenant_id: Annotated[Text, Field(min_length=1, max_length=63)] | None = None
    customer_id: UUID | None = None


class SubscriptionAnswer(Answer):
    """A subscription and its terms. Without a means of payment its status is `incomplete`."""

    subscription_id: UUID
    plan_id: UUID
    plan_code: str
    customer_id: UUID
    status: str
    currency: str
    amount_minor: int
    interval: str
    current_period_start: Instant
    current_period_end: Instant
    created_at: Instant
    replayed: bool = False
