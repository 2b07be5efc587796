"""Bodies of purchases and refunds."""

from typing import Annotated, Literal
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, Field

from core.foundation.fields import named
from core.foundation.schemas import Answer, Body, Credits, Instant, Key, Name, StrictInteger, Text


def _web_address(text: str) -> str:
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None
    except ValueError:
        valid = False
    if not valid or not text.isascii() or " " in text:
        raise ValueError("must be an address such as https://app.example.com/paid")
    return text


WebAddress = Annotated[Text, Field(min_length=1, max_length=2000), AfterValidator(_web_address)]


PurchaseStatus = Literal["pending", "paid", "failed", "canceled", "refunded"]
RefundStatus = Literal["pending", "succeeded", "failed", "canceled"]
RefundOrigin = Literal["requested", "reported", "duplicate"]
DisputeStatus = Literal["open", "won", "lost"]


class PurchaseWanted(Body):
    """A purchase of a credit package, for the tenant itself or one of its customers."""

    package_code: Annotated[Name, Field(max_length=100)]
    customer_id: Annotated[Key | None, Field(description="A customer's id, ours or your own; made at first use.")] = (
        None
    )
    success_url: Annotated[WebAddress | None, Field(description="Where the payment page leads after paying.")] = None
    cancel_url: Annotated[WebAddress | None, Field(description="Where the payment page leads otherwise.")] = None


class RefundWanted(Body):
    """Money to give back; without an amount all that is left."""

    amount_minor: Annotated[StrictInteger | None, Field(gt=0, le=10**12), named("amount_invalid")] = None
    reason: Annotated[Text | None, Field(max_length=500)] = None


class RefundAnswer(Answer):
    """A refund. `origin`: requested by the tenant, reported by the provider, or of a second payment (duplicate)."""

    refund_id: UUID
    purchase_id: UUID
    status: RefundStatus
    origin: RefundOrigin
    amount_minor: int
    currency: str
    credits: Credits
    reason: str | None
    failure_code: str | None
    created_at: Instant
    replayed: bool = False


class DisputeAnswer(Answer):
    """A payer's objection through the bank."""

    dispute_id: UUID
    status: DisputeStatus
    amount_minor: int
    currency: str
    credits: Credits
    created_at: Instant
    closed_at: Instant | None


class PurchaseAnswer(Answer):
    """A purchase as it stands. `failure_code` is why the last attempt to pay failed."""

    purchase_id: UUID
    status: PurchaseStatus
    package_code: str
    package_name: str
    customer_id: UUID
    amount_minor: int
    currency: str
    credits: Credits
    refunded_minor: int
    paid_by: Literal["intent", "checkout"] | None
    paid_at: Instant | None
    failure_code: str | None
    created_at: Instant


class PurchaseDetail(PurchaseAnswer):
    """A purchase with what went back of it."""

    refunds: list[RefundAnswer]
    disputes: list[DisputeAnswer]


class PurchaseAsked(PurchaseDetail):
    """A purchase as the provider knows it. `checkout_url` is where it may still be paid, or null."""

    checkout_url: str | None


class PurchaseStarted(PurchaseAnswer):
    """What is needed to pay: the intent's client secret, or the payment page."""

    client_secret: str | None
    payment_intent_id: str
    checkout_url: str | None
    replayed: bool
