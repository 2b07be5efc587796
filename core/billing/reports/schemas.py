"""What reports answer."""

from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import Field, PlainSerializer

from core.foundation.money import format_decimal
from core.foundation.schemas import Answer, Credits, Instant

Quantity = Annotated[Decimal, PlainSerializer(format_decimal, return_type=str)]


class FigureAnswer(Answer):
    """A figure of a month. `entries`, how many rows it is the sum of: those of `…/rows` with the same month, currency,
    figure and key."""

    month: Annotated[str, Field(examples=["2026-01"])]
    currency: Annotated[str, Field(description="Empty for what has none.")]
    figure: str
    key: Annotated[str, Field(description="What of it: a kind, a bucket, a meter, a rate; empty for all.")]
    amount: Credits
    quantity: Quantity | None
    entries: int
    customers: int


class ReportAnswer(Answer):
    """A report's figures. `asOf` is the tenant's time: figures of the current month are those of now."""

    report: str
    as_of: Instant
    months: list[str]
    data: list[FigureAnswer]


class EntryAnswer(Answer):
    """A row that a figure is made of, and where it comes from."""

    month: str
    currency: str
    figure: str
    key: str
    amount: Credits
    quantity: Quantity | None
    at: Instant | None
    what: str
    customer_id: UUID | None
    subscription_id: UUID | None
    invoice_id: UUID | None
    number: str | None
    line_id: UUID | None
    credit_note_id: UUID | None
