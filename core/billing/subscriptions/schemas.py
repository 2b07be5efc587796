"""Subscriptions, as they are asked for and shown."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from core.billing.catalog.schemas import Code, Currency
from core.billing.pricing.plans.schemas import Quantity, Reference
from core.foundation.schemas import Answer, Body, Instant, InstantInput, StrictInteger, Text

State = Literal["incomplete", "trialing", "active", "past_due", "paused", "canceled"]
Collection = Literal["automatic", "send_invoice"]
Quantities = Annotated[dict[Code, Quantity], Field(max_length=100)]
AddOns = Annotated[list[Code], Field(max_length=100)]
Unused = Literal["credit", "keep"]


class NewSubscription(Body):
    """`planId` is the id or the code of a plan; `tenantId`, where given, must be the caller's own.

    `quantities` of parts that have one (1 unless given), `addOns` that are chosen, `coupons` to redeem. Without
    `timeZone` and `currency` they are the customer's. `anchorDay` is the day of the month that periods begin on,
    `trialDays` stands instead of the plan's (0: none). `collection` `send_invoice` does not wait for a payment.
    """

    plan_id: Annotated[Text, Field(min_length=1, max_length=63)]
    tenant_id: Annotated[Text, Field(min_length=1, max_length=63)] | None = None
    customer_id: UUID | None = None
    quantities: Quantities = {}
    add_ons: AddOns = []
    coupons: Annotated[list[Reference], Field(max_length=20)] = []
    currency: Currency | None = None
    time_zone: Annotated[Text, Field(min_length=1, max_length=64)] | None = None
    anchor_day: Annotated[StrictInteger, Field(ge=1, le=31)] | None = None
    trial_days: Annotated[StrictInteger, Field(ge=0, le=730)] | None = None
    collection: Collection = "automatic"


class ChangeBody(Body):
    """Another plan, other quantities, or add-ons (all that are to be, those left out end). What is not given stays.

    `applies` `now` settles the rest of the period by `proration`, on the next invoice or (`billing`) now; `renewal`
    waits for the period's end. A plan of another interval begins its own period and is billed now.
    """

    plan_id: Reference | None = None
    quantities: Quantities = {}
    add_ons: AddOns | None = None
    applies: Literal["now", "renewal"] = "now"
    proration: Literal["prorate", "none"] = "prorate"
    billing: Literal["now", "next_invoice"] = "next_invoice"


class CancelBody(Body):
    """`period_end` lets the period run out; `now` ends it, and what was paid ahead comes back or is kept."""

    when: Literal["now", "period_end"] = "period_end"
    unused: Unused = "credit"


class PauseBody(Body):
    """Until `resumeAt`, or until it is resumed; what was paid ahead comes back, or is kept for then.

    Of one that is paused only `resumeAt` changes, where it is given (null: until it is resumed).
    """

    resume_at: InstantInput | None = None
    unused: Unused = "credit"


class CouponBody(Body):
    """A coupon by its id or code."""

    coupon: Reference


class PartAnswer(Answer):
    """A part of the plan as it is taken; usage has no quantity."""

    code: str
    name: str
    kind: Literal["recurring", "usage", "one_time"]
    add_on: bool
    quantity: str | None


class RedeemedCoupon(Answer):
    """A coupon and the periods, counted from 0, that it is taken off in, as its terms say."""

    code: str
    name: str
    first_period: int
    last_period: int | None


class ScheduledChange(Answer):
    """What the next renewal changes to."""

    plan_code: str
    version: int
    quantities: dict[str, str]
    add_ons: list[str] | None


class SubscriptionAnswer(Answer):
    """A subscription and its terms. Without a means of payment its status is `incomplete`.

    `amountMinor` is the fixed part of a period at quantity one. `period` counts periods from 0; a trial is -1.
    `parkedError` says why it is held: it goes on with POST …/release.
    """

    subscription_id: UUID
    plan_id: UUID
    plan_code: str
    version: int
    customer_id: UUID
    status: State
    collection: Collection
    currency: str
    amount_minor: int
    interval: str
    interval_count: int
    time_zone: str
    period: int
    current_period_start: Instant
    current_period_end: Instant
    parts: list[PartAnswer]
    coupons: list[RedeemedCoupon]
    trial_end: Instant | None
    paused_at: Instant | None
    resume_at: Instant | None
    cancel_at: Instant | None
    canceled_at: Instant | None
    cancel_reason: str | None
    scheduled: ScheduledChange | None
    parked_at: Instant | None
    parked_error: str | None
    created_at: Instant
    replayed: bool = False


class ChangeAnswer(Answer):
    """A row of the trail: what happened, by whom, when on the tenant's clock and on the server's."""

    change_id: UUID
    kind: str
    actor_id: UUID | None
    actor_kind: str
    occurred_at: Instant
    recorded_at: Instant
    details: dict[str, Any]


class ItemAnswer(Answer):
    """What is to be billed. Usage and floors have no amount until their invoice is worked out."""

    item_id: UUID
    kind: str
    code: str
    description: str
    period: int | None
    period_start: Instant | None
    period_end: Instant | None
    quantity: str | None
    amount_minor: int | None
    currency: str
    bill_at: Instant
    invoice_id: UUID | None
