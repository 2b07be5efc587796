"""Bodies of invoices. Amounts are minor units of `currency`; quantities and rates decimal strings."""

import re
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field, PlainSerializer

from core.foundation.fields import CurrencyCode, named
from core.foundation.money import MAX_MINOR, format_decimal
from core.foundation.schemas import Answer, Body, Instant, InstantInput, Name, StrictBoolean, StrictInteger, Text

State = Literal["draft", "open", "paid", "void", "uncollectible"]
Amount = Annotated[StrictInteger, Field(ge=-MAX_MINOR, le=MAX_MINOR), named("amount_invalid")]
Positive = Annotated[StrictInteger, Field(ge=0, le=MAX_MINOR), named("amount_invalid")]
Exact = Annotated[Decimal, PlainSerializer(format_decimal, return_type=str)]


def _decimal_text(value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch(r"-?[0-9]{1,12}(\.[0-9]{1,12})?", value):
        raise ValueError('must be a decimal string such as "0.05": 12 digits before and 12 after the point at most')
    return value


ExactInput = Annotated[
    Decimal,
    BeforeValidator(_decimal_text),
    Field(json_schema_extra={"type": "string", "examples": ["1.5"]}),
]


class NewLine(Body):
    """A line that somebody writes: `amountMinor`, or `quantity` times `unitPrice`."""

    description: Name
    code: Annotated[Text, Field(min_length=1, max_length=64)] = "one-off"
    amount_minor: Amount | None = None
    quantity: Annotated[ExactInput, named("quantity_invalid")] = Decimal(1)
    unit_price: Annotated[ExactInput, named("price_invalid")] | None = None
    tax_code: Annotated[Text, Field(min_length=1, max_length=40)] | None = None
    is_goods: StrictBoolean = False
    period_start: InstantInput | None = None
    period_end: InstantInput | None = None


class NewInvoice(Body):
    """A draft written by hand. Without `currency` the customer's, else the tenant's."""

    customer_id: UUID
    currency: CurrencyCode | None = None
    memo: Annotated[Text, Field(max_length=500)] | None = None
    lines: Annotated[list[NewLine], Field(min_length=1, max_length=1000)]
    finalize: StrictBoolean = False
    """Final at once; otherwise it waits for `finalize`."""
    collection: Literal["automatic", "send_invoice"] = "send_invoice"
    """`automatic`: once final it is charged by the customer's default card, and followed up."""


class MoreLines(Body):
    """Lines for a draft."""

    lines: Annotated[list[NewLine], Field(min_length=1, max_length=1000)]


class NewItems(Body):
    """Lines for the run to bill at `billAt` (now, without it), with what else is due for the customer then."""

    customer_id: UUID
    currency: CurrencyCode | None = None
    bill_at: InstantInput | None = None
    lines: Annotated[list[NewLine], Field(min_length=1, max_length=1000)]


class ItemAnswer(Answer):
    """What is to be billed. Usage and floors have no amount until their invoice is worked out."""

    item_id: UUID
    customer_id: UUID
    subscription_id: UUID | None
    kind: str
    code: str
    description: str
    currency: str
    amount_minor: int | None
    bill_at: Instant


class ItemsAnswer(Answer):
    """What was written."""

    data: list[ItemAnswer]
    replayed: bool = False


class LineAnswer(Answer):
    """A line. `discounts` are the coupons' shares; `netMinor` is what is taxed; `arithmetic` says how it came about."""

    line_id: UUID | None
    item_id: UUID | None
    subscription_id: UUID | None
    kind: str
    code: str
    description: str
    period_start: Instant | None
    period_end: Instant | None
    quantity: Exact | None
    amount_minor: int
    discounts: dict[str, int]
    discount_minor: int
    net_minor: int
    tax_category: str
    tax_rate: Exact
    tax_reason: str | None
    tax_minor: int
    arithmetic: dict[str, Any] | None


class TaxAnswer(Answer):
    """All lines of one category and rate."""

    category: str
    rate: Exact
    taxable_minor: int
    tax_minor: int
    reason: str | None


class InvoiceAnswer(Answer):
    """An invoice. A draft's amounts are those of when it was made; reading it works them out as of now."""

    invoice_id: UUID
    number: str | None
    status: State
    customer_id: UUID
    subscription_id: UUID | None
    currency: str
    collection: Literal["automatic", "send_invoice"]
    origin: Literal["run", "manual"]
    bill_at: Instant
    drafted_at: Instant
    finalize_at: Instant | None
    finalized_at: Instant | None
    due_at: Instant | None
    period_start: Instant | None
    period_end: Instant | None
    line_count: int
    subtotal_minor: int
    discount_minor: int
    tax_minor: int
    total_minor: int
    applied_minor: int
    paid_minor: int
    credited_minor: int
    open_minor: int
    memo: str | None
    paid_at: Instant | None
    voided_at: Instant | None
    uncollectible_at: Instant | None
    replayed: bool = False


class InvoiceDetail(InvoiceAnswer):
    """An invoice with its taxes; its lines are a list of their own."""

    taxes: list[TaxAnswer]


class PreviewedInvoice(Answer):
    """What an invoice would say; nothing of it is written."""

    bill_at: Instant
    customer_id: UUID
    subscription_id: UUID | None
    currency: str
    lines: list[LineAnswer]
    taxes: list[TaxAnswer]
    subtotal_minor: int
    discount_minor: int
    tax_minor: int
    total_minor: int
    applied_minor: int
    open_minor: int


class PreviewAnswer(Answer):
    """None, one or two: what is billed now, and the next one."""

    invoices: list[PreviewedInvoice]


class CreditLine(Body):
    """A line to take back: an amount before tax, or without it all that is left."""

    line_id: UUID
    amount_minor: Amount | None = None


class NewCreditNote(Body):
    """Takes back lines, or without `lines` all that is left.

    The total goes off what is open first and the rest into the wallet, unless `refundMinor` or `walletMinor` say
    otherwise.
    """

    lines: Annotated[list[CreditLine], Field(min_length=1, max_length=1000)] | None = None
    refund_minor: Positive = 0
    wallet_minor: Positive | None = None
    reason: Literal["requested", "duplicate"] = "requested"
    memo: Annotated[Text, Field(max_length=500)] | None = None


class CreditNoteAnswer(Answer):
    """A credit note and where its total went."""

    credit_note_id: UUID
    number: str
    invoice_id: UUID
    invoice_number: str | None
    customer_id: UUID
    currency: str
    reason: str
    memo: str | None
    net_minor: int
    tax_minor: int
    total_minor: int
    to_open_minor: int
    to_wallet_minor: int
    to_refund_minor: int
    issued_at: Instant
    replayed: bool = False


class CreditLineAnswer(Answer):
    """What a credit note takes back of a line."""

    line_id: UUID
    description: str
    net_minor: int
    tax_minor: int
    tax_rate: Exact
    tax_category: str


class CreditNoteDetail(CreditNoteAnswer):
    """With its lines."""

    lines: list[CreditLineAnswer]


class DriftAnswer(Answer):
    """A difference between what an invoice says and what it comes to."""

    line: str | None
    cause: str
    detail: str


class RecomputedAnswer(Answer):
    """An invoice worked out anew from raw events and price versions."""

    invoice_id: UUID
    number: str
    drifted: bool
    drifts: list[DriftAnswer]


class ParkedAnswer(Answer):
    """A customer that the run set aside, and why."""

    customer_id: UUID
    code: str
    detail: str
    invoice_id: UUID | None
    parked_at: Instant
    resolved_at: Instant | None
    resolution: Literal["replayed", "allowed"] | None


class LetGo(Body):
    """`allow`: this once past the safety bound that it was parked for."""

    allow: StrictBoolean = False


class RulesBody(Body):
    """How the run makes invoices, and its safety bounds."""

    one_invoice_per: Literal["subscription", "customer"] = "subscription"
    applies_credits: StrictBoolean = True
    lines_a_day: Annotated[StrictInteger, Field(ge=1, le=1_000_000)] = 1_000
    months_ahead: Annotated[StrictInteger, Field(ge=0, le=120)] = 37
    times_history: Annotated[StrictInteger, Field(ge=2, le=1_000_000)] = 20
    free_below_minor: Annotated[StrictInteger, Field(ge=0, le=MAX_MINOR)] = 1_000_000


class RulesAnswer(Answer):
    """The rules in force."""

    one_invoice_per: Literal["subscription", "customer"]
    applies_credits: bool
    lines_a_day: int
    months_ahead: int
    times_history: int
    free_below_minor: int


class StandingAnswer(Answer):
    """How the last recomputation of all invoices ended; nulls before the first one."""

    at: str | None
    recomputed: int | None
    drifted: int | None
    parked: int


class SkippedNumbersAnswer(Answer):
    """Numbers one after the other that no document has, and why."""

    series: str
    first: str
    """As it would have been printed."""
    last: str
    count: int
    reason: str
    occurred_at: Instant
