"""Coupons, as they are made and shown."""

from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from core.billing.catalog.coupons.errors import CouponInvalid
from core.billing.catalog.schemas import AmountMinor, Code, Currency, Flag
from core.foundation.money import format_decimal
from core.foundation.schemas import Answer, Body, Instant, InstantInput, Name, StrictInteger, Text

Duration = Literal["once", "repeating", "forever"]
Reference = Annotated[Text, Field(min_length=1, max_length=63, description="An id or a code.")]


def _percent(value: object) -> Decimal:
    head, point, tail = value.partition(".") if isinstance(value, str) else ("", "", "")
    if not (head.isascii() and head.isdigit() and len(head) <= 3) or (
        point and not (tail.isascii() and tail.isdigit() and len(tail) <= 6)
    ):
        raise CouponInvalid("percent", 'must be a decimal string such as "12.5"')
    return Decimal(f"{head}.{tail or 0}")


Percent = Annotated[
    Decimal,
    BeforeValidator(_percent),
    PlainSerializer(format_decimal, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]{1,6})?$", "examples": ["12.5"]}),
]


class NewCoupon(Body):
    """Takes off `percent`, or `amountMinor` of `currency`: once, for `periods` billing periods, or forever. With
    `plans` or `products` only off those."""

    code: Code
    name: Name
    percent: Percent | None = None
    amount_minor: AmountMinor | None = None
    currency: Currency | None = None
    duration: Duration = "once"
    periods: Annotated[StrictInteger, Field(ge=1, le=120)] | None = None
    redeem_by: InstantInput | None = None
    max_redemptions: Annotated[StrictInteger, Field(ge=1, le=10**9)] | None = None
    plans: Annotated[list[Reference], Field(max_length=100)] = []
    products: Annotated[list[Reference], Field(max_length=100)] = []


class CouponChange(Body):
    """What of a coupon may be changed; its terms stay as they were redeemed."""

    name: Name | None = None
    archived: Flag | None = None


class CouponAnswer(Answer):
    """A coupon, how often it was redeemed, and the ids of what it is restricted to."""

    coupon_id: UUID
    code: str
    name: str
    percent: Annotated[Decimal, PlainSerializer(format_decimal, return_type=str)] | None
    amount_minor: int | None
    currency: str | None
    duration: Duration
    periods: int | None
    redeem_by: Instant | None
    max_redemptions: int | None
    redeemed: int
    plans: list[UUID]
    products: list[UUID]
    created_at: Instant
    archived_at: Instant | None
    replayed: bool = False
