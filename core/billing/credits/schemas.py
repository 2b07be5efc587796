"""Wallets, holds and reconciled calls on the wire. Credits are decimal strings in units of the currency."""

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, Field, model_validator

from core.foundation.fields import named
from core.foundation.money import parse_amount
from core.foundation.schemas import Answer, Body, Credits, Instant, InstantInput, Key

MAX_TOKENS = 1_000_000_000
MAX_TIME_TO_LIVE = 86_400

HoldStatus = Literal["open", "settled", "released", "expired"]


def _amount_text(text: str) -> str:
    parse_amount(text, "amount")
    return text


AmountText = Annotated[
    str,
    Field(max_length=20, pattern=r"^[0-9]{1,12}(\.[0-9]{1,6})?$"),
    AfterValidator(_amount_text),
    named("amount_invalid"),
]
Tokens = Annotated[int, Field(strict=True, ge=0, le=MAX_TOKENS)]


class _Payer(Body):
    """Whose call it is: the tenant's own id of a customer (made at first use), or ours. Neither: the tenant itself."""

    user_id: Key | None = None
    customer_id: UUID | None = None

    @model_validator(mode="after")
    def _one_customer(self) -> Self:
        if self.user_id is not None and self.customer_id is not None:
            raise ValueError("give userId or customerId, not both")
        return self


class HoldBody(_Payer):
    """The most a call may cost: an `amount`, or a `model` with the tokens that it may take."""

    amount: AmountText | None = Field(default=None, examples=["0.05"])
    model: Key | None = Field(default=None, examples=["gpt-4o"])
    input_tokens: Tokens | None = None
    max_output_tokens: Tokens | None = None
    ttl_seconds: Annotated[int, Field(strict=True, ge=1, le=MAX_TIME_TO_LIVE)] = 300
    idempotency_key: Key

    @model_validator(mode="after")
    def _one_measure(self) -> Self:
        by_model = (self.model, self.input_tokens, self.max_output_tokens)
        if (self.amount is None) == (self.model is None) or (
            self.amount is not None and any(part is not None for part in by_model)
        ):
            raise ValueError("give either amount, or model with inputTokens and maxOutputTokens")
        if self.model is not None and (self.input_tokens is None or self.max_output_tokens is None):
            raise ValueError("inputTokens and maxOutputTokens are needed with model")
        return self


class ReservedAnswer(Answer):
    """A hold as it was made; the balances are those of that moment."""

    hold_id: UUID
    amount: Credits
    status: HoldStatus
    expires_at: Instant
    balance: Credits
    available: Credits
    currency: str
    replayed: bool


class HoldAnswer(Answer):
    """A hold as it is."""

    hold_id: UUID
    customer_id: UUID
    amount: Credits
    currency: str
    status: HoldStatus
    idempotency_key: str
    created_at: Instant
    expires_at: Instant
    closed_at: Instant | None
    transaction_id: UUID | None


class ReconcileBody(_Payer):
    """What a call really took. `cachedTokens` are a part of `inputTokens`; `partial` marks an aborted answer."""

    model: Key = Field(examples=["gpt-4o"])
    input_tokens: Tokens = Field(examples=[1000])
    output_tokens: Tokens = Field(examples=[500])
    cached_tokens: Tokens = 0
    idempotency_key: Key
    hold_id: UUID | None = None
    occurred_at: InstantInput | None = None
    partial: Annotated[bool, Field(strict=True)] = False

    @model_validator(mode="after")
    def _cached_is_input(self) -> Self:
        if self.cached_tokens > self.input_tokens:
            raise ValueError("cachedTokens is a part of inputTokens and cannot be more")
        return self


class ReconcileAnswer(Answer):
    """A settled call; the balances are those of the moment it was booked. `receivable`: what is owed of it."""

    transaction_id: UUID
    usage_event_id: UUID
    charged: Credits
    balance: Credits
    available: Credits
    currency: str
    price_book_version: int
    receivable: Credits
    replayed: bool


class LimitedAnswer(Answer):
    """Credits for calls of these `models`, and lines of usage by these `meters`, only."""

    models: list[str]
    meters: list[str]
    balance: Credits
    available: Credits
    held: Credits


class WalletAnswer(Answer):
    """Prepaid credits: `available` is the balance less what is held, `receivable` what is owed.

    They may be used for anything. What is for certain models or meters only stands in `limited`, beside the balance, in
    the order in which it is used.
    """

    customer_id: UUID
    balance: Credits
    available: Credits
    held: Credits
    receivable: Credits
    floor: Credits
    currency: str
    limited: list[LimitedAnswer]


class BillingSettings(Answer):
    """What a charge without a hold does beyond the floor: it is refused, or owed."""

    charge_policy: Literal["refuse", "receivable"]


class BillingSettingsBody(Body):
    """New settings."""

    charge_policy: Literal["refuse", "receivable"]
